package newsletter

import (
	"strings"
	"testing"

	"gatepost/db"
	"gatepost/forms"
)

func TestSettingsRefused(t *testing.T) {
	good := Settings{Name: "Product News", Slug: "product-news", Page: db.PublicPage{Language: "de"}}
	for _, c := range []struct {
		field string
		set   func(s *Settings, to string)
		bad   []string
	}{
		{"name", func(s *Settings, to string) { s.Name = to }, []string{"", " ", strings.Repeat("n", 81), "a\nb", "\xff"}},
		{"slug", func(s *Settings, to string) { s.Slug = to }, []string{"", "a", "New", "-a", "a-", "a b", "äöü", "new", "signup", "../x", strings.Repeat("s", 64)}},
		{"description", func(s *Settings, to string) { s.Page.Description = to }, []string{strings.Repeat("d", 1001), "\xff"}},
		{"sender", func(s *Settings, to string) { s.Page.Sender = to }, []string{strings.Repeat("s", 81), "a\nb"}},
		{"thanks", func(s *Settings, to string) { s.Page.Thanks = to }, []string{strings.Repeat("t", 1001)}},
		{"privacy", func(s *Settings, to string) { s.Page.Privacy = to }, []string{"www.contoso.example", "http://contoso.example", "javascript:alert(1)", "//contoso.example"}},
		{"redirect", func(s *Settings, to string) { s.Page.Redirect = to }, []string{"/thanks", "https:/contoso.example", "https://", "https://u:p@contoso.example", "https://localhost", "https://contoso.example\\@evil.example",
			"https://contoso.example/ x", "https://[::1]/", "https://contoso.example/" + strings.Repeat("a", 500)}},
		{"accent", func(s *Settings, to string) { s.Page.Accent = to }, []string{"green", "#fff", "#12345g", "#1234567", "red;}body{}"}},
		{"language", func(s *Settings, to string) { s.Page.Language = to }, []string{"xx", "EN"}},
	} {
		for _, bad := range c.bad {
			s := good
			c.set(&s, bad)
			if _, wrong := s.Check(); len(wrong) != 1 || wrong[c.field] == "" {
				t.Errorf("%s %q: %v", c.field, bad, wrong)
			}
		}
	}
}

func TestSettings(t *testing.T) {
	got, wrong := Settings{Name: "  News <b>&\u200b ", Slug: " news-2 ", Page: db.PublicPage{Language: "fr", Description: "One\r\n\r\ntwo\n", Accent: " 0B6B4F", Device: true, Sites: []string{"https://a.example"},
		Privacy: "https://contoso.example/privacy?a=b#c", Redirect: " https://contoso.example/thanks ", Thanks: "Merci"}}.Check()
	if len(wrong) > 0 || got.Name != "News <b>&" || got.Slug != "news-2" || got.Page.Description != "One\n\ntwo" || got.Page.Accent != "#0b6b4f" || !got.Page.Device || len(got.Page.Sites) != 1 ||
		got.Page.Privacy != "https://contoso.example/privacy?a=b#c" || got.Page.Redirect != "https://contoso.example/thanks" || got.Page.Thanks != "Merci" {
		t.Errorf("%+v, %v", got, wrong)
	}
}

// What is proposed can be taken as it is, or is nothing.
func TestProposeSlug(t *testing.T) {
	for name, want := range map[string]string{"Contoso Weekly": "contoso-weekly", "  Größe & Maß!  ": "groesse-and-mass", "L’Été à Łódź": "lete-a-lodz", "Новости": "", "A": "a", "— 2026 —": "2026",
		strings.Repeat("ab ", 40): strings.TrimSuffix(strings.Repeat("ab-", 17), "-")[:50]} {
		if got := ProposeSlug(name); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}

func FuzzProposeSlug(f *testing.F) {
	f.Add("Contoso Weekly")
	f.Fuzz(func(t *testing.T, name string) {
		if slug := ProposeSlug(name); len(slug) > 1 && !slugs.MatchString(slug) {
			t.Errorf("%q: %q", name, slug)
		}
	})
}

// Every reserved name is refused for being reserved, and each language has words for a consent.
func TestReservedAndLanguages(t *testing.T) {
	for _, slug := range reserved {
		if !strings.Contains(CheckSlug(slug), "kept for the service") {
			t.Errorf("%q: %q", slug, CheckSlug(slug))
		}
	}
	for _, l := range forms.Languages {
		if words := consents[l.Code]; strings.Count(words, "%s") != 1 || strings.Count(words, "%") != 1 {
			t.Errorf("%s: %q", l.Code, words)
		}
	}
}
