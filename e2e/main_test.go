// Package e2e drives a browser over the built binary and the simulated
// CRMs: what a person sees, with scripts and without, and what holds when
// the process is killed. It does what docs/quickstart.md says, too. It brings
// what it needs (see findTools) and has no test that skips.
package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"gatepost/e2e/setup"

	"github.com/playwright-community/playwright-go"
)

// What all tests share; TestMain makes it.
var (
	binary    string             // the built command
	browser   playwright.Browser // one for all; each visitor has a context of their own
	axeSource string
)

func TestMain(m *testing.M) {
	code, err := prepareAndRun(m)
	if err != nil {
		say("%v", err)
		code = 1
	}
	os.Exit(code)
}

func prepareAndRun(m *testing.M) (int, error) {
	t, err := findTools()
	if err != nil {
		return 0, err
	}
	axeSource = t.axe
	folder, err := os.MkdirTemp("", "gatepost-e2e-")
	if err != nil {
		return 0, err
	}
	defer func() { _ = os.RemoveAll(folder) }()
	binary = filepath.Join(folder, "gatepost")
	build := exec.Command("go", "build", "-o", binary, "gatepost")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if err := setup.Run(10*time.Minute, build); err != nil {
		return 0, err
	}
	pw, err := playwright.Run(&playwright.RunOptions{DriverDirectory: t.driver, SkipInstallBrowsers: true})
	if err != nil {
		return 0, fmt.Errorf("start Playwright's driver: %w", err)
	}
	defer func() { _ = pw.Stop() }()
	if browser, err = launch(pw, t.chromium); err != nil {
		return 0, fmt.Errorf("start the browser: %w", err)
	}
	defer func() { _ = browser.Close() }()
	say("testing with %s %s", "Chromium", browser.Version())
	return m.Run(), nil
}

func launch(pw *playwright.Playwright, chromium string) (playwright.Browser, error) {
	o := playwright.BrowserTypeLaunchOptions{
		Args: []string{"--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run",
			"--disable-dev-shm-usage", "--disable-gpu"},
		Timeout: playwright.Float(60_000),
	}
	if chromium != "" {
		o.ExecutablePath = &chromium
	}
	if os.Geteuid() == 0 {
		o.Args = append(o.Args, "--no-sandbox")
	}
	return pw.Chromium.Launch(o)
}
