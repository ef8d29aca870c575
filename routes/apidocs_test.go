package routes_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"
)

// The page of the description shows all of it, to anybody, without a script and without
// anything from elsewhere; what it refers to is on it.
func TestPageOfTheDescription(t *testing.T) {
	t.Parallel()
	w := open(t)
	got := w.browser().get("/api/v1/docs").is(200)
	if kind, policy := got.head("Content-Type"), got.head("Content-Security-Policy"); kind != "text/html; charset=utf-8" || policy != w.browser().get("/login").head("Content-Security-Policy") {
		t.Errorf("%s with %s", kind, policy)
	}
	page, err := goquery.NewDocumentFromReader(strings.NewReader(got.body))
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string]bool{}
	page.Find("[id]").Each(func(_ int, s *goquery.Selection) {
		id := s.AttrOr("id", "")
		if ids[id] {
			t.Errorf("%s is there twice", id)
		}
		ids[id] = true
	})
	page.Find("[href], [src]").Each(func(_ int, s *goquery.Selection) {
		at := s.AttrOr("href", s.AttrOr("src", ""))
		anchor, within := strings.CutPrefix(at, "#")
		if !within && !strings.HasPrefix(at, "/") || strings.HasPrefix(at, "//") || within && !ids[anchor] {
			t.Errorf("%s leads away, or nowhere", at)
		}
	})
	d := described(t, w.url)
	text := strings.Join(strings.Fields(page.Text()), " ")
	for _, says := range []string{"HTTP API", "Versions", "24 months", "Takes a key that allows call."} {
		if !strings.Contains(text, says) {
			t.Errorf("the page doesn't say %q", says)
		}
	}
	d.each(func(method, path string, op operation) {
		at := page.Find("article[aria-labelledby=" + op.ID + "]")
		if !strings.Contains(at.Text(), "/api/v1"+path) || !strings.Contains(at.Text(), method) {
			t.Errorf("%s isn't shown", op.ID)
		}
		for status, r := range op.Responses {
			if !strings.Contains(at.Text(), status+" "+http.StatusText(number(status))) {
				t.Errorf("%s: %s isn't shown", op.ID, status)
			}
			for _, m := range d.response(r).Content {
				for name := range m.Examples {
					if !strings.Contains(text, strings.ReplaceAll(name, "_", " ")) {
						t.Errorf("%s: the example %s isn't shown", op.ID, name)
					}
				}
			}
		}
		for _, p := range op.Parameters {
			if !strings.Contains(at.Text(), p.Name) {
				t.Errorf("%s: the parameter %s isn't shown", op.ID, p.Name)
			}
		}
	})
	for name, schema := range d.schemas {
		at := page.Find("[aria-labelledby=schema-" + name + "]").Text()
		properties, _ := schema.(map[string]any)["properties"].(map[string]any)
		for field := range properties {
			if !strings.Contains(at, field) {
				t.Errorf("%s: %s isn't shown", name, field)
			}
		}
	}
}
