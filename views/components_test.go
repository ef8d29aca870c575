package views

import (
	"context"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
	"github.com/a-h/templ"
)

// TestPagesAreMadeOfComponents walks the classes of all pages of the portal: each
// stands on the page that shows the components.
func TestPagesAreMadeOfComponents(t *testing.T) {
	shown := map[string]bool{}
	classes(t, Components(portalPage("Components", NavNone)), shown)
	for _, layout := range []string{"loose", "wide", "tall", "aside", "cards", "front"} { // how blocks stand beside each other
		shown[layout] = true
	}
	for name, c := range portalPages() {
		used := map[string]bool{}
		classes(t, c, used)
		for class := range used {
			if !shown[class] {
				t.Errorf("%s: class %q is not on the components page", name, class)
			}
		}
	}
}

func classes(t *testing.T, c templ.Component, into map[string]bool) {
	parse(t, c).Find("[class]").Each(func(_ int, s *goquery.Selection) {
		for _, class := range strings.Fields(s.AttrOr("class", "")) {
			into[class] = true
		}
	})
}

// TestStyleSheet holds what the sheet promises: tokens alone where components are, and
// less than 30 KB.
func TestStyleSheet(t *testing.T) {
	css, err := os.ReadFile("../static/files/app.css")
	if err != nil {
		t.Fatal(err)
	}
	if len(css) > 30<<10 {
		t.Errorf("it is %d bytes", len(css))
	}
	_, components, ok := strings.Cut(string(css), "/* Frame:")
	if !ok {
		t.Fatal("the frame's block is gone")
	}
	for _, colour := range regexp.MustCompile(`#[0-9a-f]{3,8}\b`).FindAllString(components, -1) {
		if colour != "#fff" && colour != "#0b6b53" { // the sign's own, and the preview's ground
			t.Errorf("a component has the colour %s of its own", colour)
		}
	}
}

func TestMoments(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 26, 23, 30, 0, 0, time.UTC) // half past midnight on the 27th there
	c := moments(InZone(t.Context(), berlin, now))
	for want, at := range map[string]time.Time{
		"Today, 00:10":       now.Add(-20 * time.Minute),
		"Yesterday, 23:50":   now.Add(-40 * time.Minute),
		"25 Nov, 13:00":      time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC),
		"28 Oct 2025, 13:00": time.Date(2025, 10, 28, 12, 0, 0, 0, time.UTC),
		"1 Jul, 14:00":       time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC), // summer time
	} {
		if got := c.time(at); got != want {
			t.Errorf("%v is %q, want %q", at, got, want)
		}
	}
	if got := moments(context.Background()).time(now); got != "26 Nov 2026, 23:30 UTC" {
		t.Errorf("without a zone: %q", got)
	}
}

func TestZoneName(t *testing.T) {
	winter, summer := time.Date(2026, 1, 15, 12, 0, 0, 0, time.UTC), time.Date(2026, 7, 15, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		zone, city string
		at         time.Time
		want       string
	}{
		{"UTC", "UTC", winter, "UTC"},
		{"Europe/Berlin", "Berlin", winter, "Berlin time (UTC+1)"},
		{"Europe/Berlin", "Berlin", summer, "Berlin time (UTC+2)"},
		{"Europe/London", "London", winter, "London time (UTC)"},
		{"America/St_Johns", "St. John’s", winter, "St. John’s time (UTC−3:30)"},
		{"America/Argentina/Buenos_Aires", "Buenos Aires", winter, "Buenos Aires time (UTC−3)"},
		{"Asia/Kathmandu", "Kathmandu", winter, "Kathmandu time (UTC+5:45)"},
	} {
		zone, err := time.LoadLocation(tt.zone)
		if err != nil {
			t.Fatal(err)
		}
		if got := ZoneName(tt.city, zone, tt.at); got != tt.want {
			t.Errorf("%s is %q, want %q", tt.zone, got, tt.want)
		}
	}
}
