package e2e

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/playwright-community/playwright-go"
)

// TestPictures takes the pictures of the README, from the demo.
func TestPictures(t *testing.T) {
	folder := os.Getenv("GATEPOST_PICTURES")
	if folder == "" {
		t.Skip("GATEPOST_PICTURES names no folder: the README keeps its pictures (the task pictures makes new ones)")
	}
	d := startDemo(t)
	for _, scheme := range []string{"light", "dark"} {
		v := newVisitor(t, d, profile{dark: scheme == "dark"})
		v.enterAs(maria)
		v.portray(folder, "home-"+scheme)
		v.open("/integrations/sfdc/problems")
		v.portray(folder, "problems-"+scheme)
		v.open(d.form)
		v.portray(folder, "form-"+scheme)
		phone := newVisitor(t, d, profile{dark: scheme == "dark", phone: true})
		phone.enterAs(maria)
		phone.portray(folder, "phone-"+scheme)
	}
}

// portray takes a picture of what is on the screen, once the fonts are there.
func (v *visitor) portray(folder, name string) {
	v.t.Helper()
	_, err := v.page.Evaluate(`document.fonts.ready.then(() => true)`)
	v.step(err, "wait for the fonts")
	path := filepath.Join(folder, name+".png")
	_, err = v.page.Screenshot(playwright.PageScreenshotOptions{Path: &path})
	v.step(err, "take a picture")
}
