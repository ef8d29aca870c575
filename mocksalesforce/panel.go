package mocksalesforce

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"gatepost/simulated"
)

// breakage is a way in which an org can be broken by hand, and fixed again.
type breakage struct {
	Name       string // in forms
	Title      string
	What       string // happens then
	Now        string // while it is so: the state
	Break, Fix string // the buttons; without Fix, it is fixed elsewhere

	broken func(p panel) bool
	change func(s *Server, ctx context.Context, org string, broken bool) error
}

// panel is what there is to know of an org before the panel is shown.
type panel struct {
	set    settings
	faults []fault
	grants int // in force
	ever   int // there have ever been
}

// slowly is how long a slow org takes for each call.
const slowly = 5000

var breakages = []breakage{
	{Name: "down", Title: "Outage", What: "Every call is answered with 503 and a page for people, as in maintenance.",
		Now: "Down", Break: "Take down", Fix: "Bring back",
		broken: func(p panel) bool { return slices.ContainsFunc(p.faults, func(f fault) bool { return outage(&f) }) },
		change: func(s *Server, _ context.Context, org string, broken bool) error {
			s.core.Faults.Drop(org, outage)
			if broken {
				s.core.Faults.Add(org, fault{On: simulated.Any, Status: http.StatusServiceUnavailable, HTML: true, Rate: 1})
			}
			return nil
		}},
	{Name: "slow", Title: "Slow answers", What: "Every call takes five seconds.",
		Now: "Slow", Break: "Slow down", Fix: "Speed up",
		broken: func(p panel) bool { return p.set.LatencyMS >= slowly },
		change: setting(func(v *settings, broken bool) {
			ms := map[bool]int{true: slowly}[broken]
			v.LatencyMS, v.TokenLatencyMS = ms, ms
		})},
	{Name: "access", Title: "Access", What: "An admin revokes what users have approved. Connecting again in the portal fixes it.",
		Now: "Revoked", Break: "Revoke access",
		broken: func(p panel) bool { return p.grants == 0 && p.ever > 0 },
		change: func(s *Server, ctx context.Context, org string, broken bool) error { return s.revokeGrants(ctx, org) }},
	{Name: "app", Title: "App", What: "Access ends, and nobody can let the app in until it is installed again.",
		Now: "Uninstalled", Break: "Uninstall the app", Fix: "Install the app",
		broken: func(p panel) bool { return !p.set.AppInstalled },
		change: func(s *Server, ctx context.Context, org string, broken bool) error {
			if broken {
				if err := s.revokeGrants(ctx, org); err != nil {
					return err
				}
			}
			return setting(func(v *settings, broken bool) { v.AppInstalled = !broken })(s, ctx, org, broken)
		}},
	{Name: "duplicates", Title: "Duplicate rule", What: "A new Contact is refused when another one has the same first and last name.",
		Now: "Blocks", Break: "Switch on", Fix: "Switch off",
		broken: func(p panel) bool { return p.set.DuplicateRule == "block" && p.set.DuplicateMatch == matchName },
		change: setting(func(v *settings, broken bool) {
			v.DuplicateRule, v.DuplicateMatch = "off", matchEmail
			if broken {
				v.DuplicateRule, v.DuplicateMatch = "block", matchName
			}
		})},
	{Name: "validation", Title: "Validation rule", What: "A last name must not contain a digit.",
		Now: "Refuses", Break: "Switch on", Fix: "Switch off",
		broken: func(p panel) bool { return p.set.ValidationRule },
		change: setting(func(v *settings, broken bool) { v.ValidationRule = broken })},
	{Name: "required", Title: "Required field", What: "A Contact needs a Department, which no form fills in.",
		Now: "Required", Break: "Require it", Fix: "Make it optional",
		broken: func(p panel) bool { return p.set.RequiredField != "" },
		change: setting(func(v *settings, broken bool) { v.RequiredField = map[bool]string{true: "Department"}[broken] })},
	{Name: "limit", Title: "API calls", What: "Other apps of the org have made all that are allowed in a day.",
		Now: "Used up", Break: "Use them up", Fix: "Free them",
		broken: func(p panel) bool { return p.set.OtherCalls >= p.set.DailyLimit },
		change: setting(func(v *settings, broken bool) { v.OtherCalls = map[bool]int{true: v.DailyLimit}[broken] })},
}

// setting changes an org's settings.
func setting(change func(v *settings, broken bool)) func(*Server, context.Context, string, bool) error {
	return func(s *Server, ctx context.Context, org string, broken bool) error {
		v := *s.set(org)
		change(&v, broken)
		return s.setup.Save(ctx, org, v)
	}
}

// outage reports whether a fault fails every call.
func outage(f *fault) bool {
	return f.On == simulated.Any && f.Rate == 1 && !f.Answers()
}

// ofPanel reports whether a request is to the panel.
func ofPanel(r *http.Request) bool {
	return r.URL.Path == "/" || r.URL.Path == "/panel"
}

func (s *Server) panelRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /{$}", s.panelPage)
	mux.HandleFunc("POST /panel", s.press)
}

// breakageView is a breakage as the panel shows it.
type breakageView struct {
	breakage
	Broken bool
}

// panelPage handles GET /: what is broken in an org, and its Contacts.
func (s *Server) panelPage(w http.ResponseWriter, r *http.Request) {
	v, err := s.listOf(r)
	var p panel
	if err == nil {
		p, err = s.panelOf(r.Context(), v.Org.ID)
	}
	if err != nil {
		s.authorizeFailure(w, r, err)
		return
	}
	for _, b := range breakages {
		v.Breakages = append(v.Breakages, breakageView{b, b.broken(p)})
	}
	for _, f := range p.faults {
		if !outage(&f) {
			v.Faults = append(v.Faults, words(&f))
		}
	}
	v.Broken = len(v.Faults) > 0 || slices.ContainsFunc(v.Breakages, func(b breakageView) bool { return b.Broken })
	w.Header().Set("Referrer-Policy", "same-origin") // or its own forms would come from nowhere
	s.core.Page(w, http.StatusOK, "panel", v)
}

func (s *Server) panelOf(ctx context.Context, org string) (p panel, err error) {
	p.set, p.faults = *s.set(org), s.core.Faults.Due(org)
	err = s.core.Read.QueryRowContext(ctx, `SELECT COUNT(*), COALESCE(SUM(1 - revoked), 0) FROM grants WHERE user IN (SELECT id FROM users WHERE org = $1)`, org).Scan(&p.ever, &p.grants)
	return p, err
}

// words says what a fault that was put through /_control does.
func words(f *fault) string {
	what := fmt.Sprint(f.Status)
	switch {
	case f.Drop:
		what = "the connection is cut"
	case f.Truncate && f.Answers():
		what = "half of the answer"
	case f.Answers():
		what = fmt.Sprintf("waits for %d ms", f.HangMS)
	case f.Status == 0:
		what = "fails"
	}
	if f.ErrorCode != "" {
		what += ", " + f.ErrorCode
	}
	often := fmt.Sprintf("%d times", f.Count)
	if f.Rate > 0 {
		often = fmt.Sprintf("%.0f %% of calls", f.Rate*100)
	}
	return f.On + ": " + what + " (" + often + ")"
}

// press handles POST /panel: a button of the panel.
func (s *Server) press(w http.ResponseWriter, r *http.Request) {
	if !simulated.FromHere(r) {
		s.core.Problem(w, http.StatusForbidden, "Not from here", "Another site sent this form. Press the button on the page of this server.")
		return
	}
	orgs, err := s.core.Orgs(r.Context())
	if err != nil {
		s.authorizeFailure(w, r, err)
		return
	}
	id, do := r.PostFormValue("org"), r.PostFormValue("do")
	name, fix := strings.CutPrefix(do, "fix:")
	at := slices.IndexFunc(breakages, func(b breakage) bool { return b.Name == name })
	if at < 0 && do != "fix" || !slices.ContainsFunc(orgs, func(o org) bool { return o.ID == id }) {
		s.core.Problem(w, http.StatusBadRequest, "Nothing was done", "There is no such button, or no such org.")
		return
	}
	s.core.Changing.Lock()
	defer s.core.Changing.Unlock()
	if do == "fix" {
		err = s.fixAll(r.Context(), id)
	} else {
		err = breakages[at].change(s, r.Context(), id, !fix)
	}
	if err != nil {
		s.authorizeFailure(w, r, err)
		return
	}
	http.Redirect(w, r, "/?"+url.Values{"org": {id}}.Encode()+"#panel", http.StatusSeeOther)
}

// fixAll fixes all in an org that can be fixed here.
func (s *Server) fixAll(ctx context.Context, org string) error {
	s.core.Faults.Drop(org, func(*fault) bool { return true })
	for _, b := range breakages {
		if b.Fix == "" {
			continue
		}
		if err := b.change(s, ctx, org, false); err != nil {
			return err
		}
	}
	return nil
}
