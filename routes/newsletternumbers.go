package routes

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"gatepost/db"
	"gatepost/forms"
	"gatepost/newsletter"
	"gatepost/views"

	"github.com/gofiber/fiber/v2"
)

// countView counts that somebody looks at a newsletter's form, on its page or in a frame. A frame in our own
// pages is an admin's.
func (s *server) countView(c *fiber.Ctx, n db.Newsletter) {
	dest := c.Get("Sec-Fetch-Dest")
	inFrame := framed(c) || slices.Contains([]string{"iframe", "frame", "embed", "object"}, dest)
	switch {
	case c.Method() != http.MethodGet, strings.Contains(c.Get("Sec-Purpose"), "prefetch"), inFrame && c.Get("Sec-Fetch-Site") == "same-origin":
	case inFrame:
		s.Newsletters.Viewed(n, db.ViewOfFrame)
	default:
		s.Newsletters.Viewed(n, db.ViewOfPage)
	}
}

// numbersOf are what happened at a newsletter's form in the last 30 days, and where its latest sign-ups came
// from.
func numbersOf(n db.Newsletter, details db.NewsletterDetails) views.NewsletterNumbers {
	v, latest := viewNumbers(details.Numbers), details.Sources
	v.Of = len(latest)
	ways := map[string]int{}
	for _, l := range latest {
		ways[cmp.Or(sourceNames[l.Source].name, l.Source)]++
	}
	v.Sources = append(v.Sources, sourceGroup("By", ways))
	for _, f := range n.Form.Fields {
		if f.Type != forms.Hidden {
			continue
		}
		values := map[string]int{}
		for _, l := range latest {
			values[cmp.Or(l.Fields[f.ID], "Without")]++
		}
		if len(latest) > 0 {
			v.Sources = append(v.Sources, sourceGroup(cmp.Or(f.Label, f.Key), values))
		}
	}
	return v
}

func viewNumbers(n db.NewsletterNumbers) views.NewsletterNumbers {
	return views.NewsletterNumbers{Views: n.AllViews(), Framed: n.Views[db.ViewOfFrame], SignUps: n.SignUps}
}

// sourceNames are what pages call the ways by which sign-ups come: in a table, and behind "signed up".
var sourceNames = map[string]struct{ name, where string }{
	string(newsletter.FromForm): {"Form", "on the public form"},
	string(newsletter.FromAPI):  {"API", "from another site or program"},
	string(newsletter.FromTest): {"Tests by your team", "as a test in the portal"},
}

// mostSources is how many sources are told apart; the rest is one.
const mostSources = 8

// sourceGroup are counts, those with the most first.
func sourceGroup(title string, counts map[string]int) views.SourceGroup {
	g := views.SourceGroup{Title: title}
	for name, n := range counts {
		g.Rows = append(g.Rows, views.SourceCount{Name: name, N: n})
	}
	slices.SortFunc(g.Rows, func(a, b views.SourceCount) int {
		return cmp.Or(cmp.Compare(b.N, a.N), strings.Compare(a.Name, b.Name))
	})
	if len(g.Rows) > mostSources {
		rest := views.SourceCount{Name: "Others"}
		for _, row := range g.Rows[mostSources-1:] {
			rest.N += row.N
		}
		g.Rows = append(g.Rows[:mostSources-1], rest)
	}
	return g
}
