package routes

import (
	"context"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"gatepost/crm"
	"gatepost/db"
	"gatepost/views"

	"github.com/gofiber/fiber/v2"
)

// causePeople is how many people the page of a cause lists.
const causePeople = 25

// ProblemStore is where the pages about problems find them; db.DB is one, and documents
// the methods.
type ProblemStore interface {
	Causes(ctx context.Context, key db.DestinationKey) (db.Causes, error)
	Cause(ctx context.Context, key db.DestinationKey, q db.CauseQuery) (db.CauseDetail, error)
	Affected(ctx context.Context, key db.DestinationKey, q db.CauseQuery) ([]db.Subscriber, error)
}

func problemsURL(c *fiber.Ctx) string { return healthURL(c) + "/problems" }

// problemList handles GET /integrations/{service}/problems: all causes, and those that are
// solved.
func (s *server) problemList(c *fiber.Ctx) error {
	list, err := s.causeList(c)
	if err != nil {
		return err
	}
	if err := s.readCauses(c, &list); err != nil {
		return err
	}
	return render(c, http.StatusOK, views.Problems(views.ProblemsPage{Page: s.page(c, list.Card.Name+" problems", views.NavIntegrations), List: list}))
}

// problemsPart handles GET /integrations/{service}/problems/live, which the page polls.
func (s *server) problemsPart(c *fiber.Ctx) error {
	list, err := s.causeList(c)
	if err != nil {
		return err
	}
	if list.Version() == c.Query("seen") {
		return c.SendStatus(http.StatusNoContent)
	}
	if err := s.readCauses(c, &list); err != nil {
		return err
	}
	return render(c, http.StatusOK, views.ProblemsLive(list))
}

// causeList is the list of causes without what readCauses reads: that takes longer, and is
// the same while the version is.
func (s *server) causeList(c *fiber.Ctx) (list views.CauseList, err error) {
	if list.Card, err = s.card(c, c.Params("service")); err != nil {
		return list, err
	}
	o := who(c).overview
	list.LastEvent, list.Actions = o.LastEvent, actionList(s.crm(c), list.Card, o.Actions, "")
	list.Stop = s.stopOf(c, list.Card).code
	return list, nil
}

// readCauses fills in the causes and how those that are over were solved.
func (s *server) readCauses(c *fiber.Ctx, list *views.CauseList) error {
	read, err := s.Health.Causes(c.UserContext(), s.here(c).Key())
	if err != nil {
		return err
	}
	for _, p := range s.problemsNow(c, list.Card, read.Problems) {
		list.Causes = append(list.Causes, s.causeRow(c, list.Card, p))
	}
	for _, solved := range read.Solved {
		list.Solved = append(list.Solved, solvedRow(s.crm(c), list.Card, solved))
	}
	return nil
}

// stop is what all sign-ups wait for that go to a CRM.
type stop struct {
	code  string // of crm's; empty when nothing stops them
	said  string // by the CRM
	since time.Time
	until time.Time // when it is tried next; zero when somebody has to do something before
}

// stopOf is what all sign-ups wait for that go to the CRM of the page: a connection that is dead or
// missing says more than why nothing was sent the last time.
func (s *server) stopOf(c *fiber.Ctx, card views.Integration) stop {
	p := s.here(c).Pause
	switch {
	case card.State == views.ConnectionBroken:
		return stop{code: crm.Broken, since: card.LostAt}
	case card.State != views.Connected && card.ConnectedAt.IsZero():
		return stop{code: crm.NotConnected, since: card.DisconnectedAt}
	case p.Reason == "" || p.Reason == crm.Broken || p.Reason == crm.NotConnected:
		return stop{}
	}
	return stop{code: p.Reason, said: cut(p.Detail, 300), since: p.Since, until: p.Until}
}

// problemsNow are a CRM's causes, those that need attention first, and of each kind
// that with the most people. What stops everybody is what all who wait do so for. A
// connection that is lost is a problem although nobody waits yet.
func (s *server) problemsNow(c *fiber.Ctx, card views.Integration, all []db.Problem) []db.Problem {
	stopped, waiting := s.stopOf(c, card), s.here(c).Sums[db.Waiting]
	if stopped.code != "" {
		all = slices.DeleteFunc(slices.Clone(all), func(p db.Problem) bool { return p.State.Info().Waits })
		if waiting > 0 || stopped.code == crm.Broken {
			all = append(all, db.Problem{State: db.Waiting, Reason: stopped.code, N: waiting, Since: stopped.since})
		}
	}
	slices.SortStableFunc(all, func(a, b db.Problem) int {
		if first := boolean(!b.State.Info().Waits) - boolean(!a.State.Info().Waits); first != 0 {
			return first
		}
		if a.N != b.N {
			return b.N - a.N
		}
		return strings.Compare(a.Reason, b.Reason)
	})
	return all
}

func boolean(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

// causeRow is a cause as the table shows it.
func (s *server) causeRow(c *fiber.Ctx, card views.Integration, p db.Problem) views.Cause {
	e, stopped := explain(p.Reason, deliveryReason(s.crm(c), p.State, p.Reason), card), s.stopOf(c, card)
	v := views.Cause{CSRF: card.CSRF, Service: card.Service, State: viewState(s.crm(c), p.State.Info()), Code: p.Reason, Title: e.Title, N: p.N, Who: whoFixes(s.crm(c), e.Who), Since: p.Since}
	v.Tone, v.Icon = v.State.Tone, v.State.Icon
	if v.State.Waits {
		v.NextTry = stopped.until
	}
	switch {
	case p.Reason == crm.Broken || p.Reason == crm.NotConnected:
		v.Connect = true
		if p.Reason == crm.Broken {
			v.Tone, v.Icon = "bad", "alert"
		}
	case v.State.Waits && card.State == views.Connected:
		v.TryNow = p.Reason != crm.Settling && stopped.code != crm.Spared
	}
	v.Busy = slices.ContainsFunc(who(c).overview.Actions, func(a db.Action) bool {
		return a.EndedAt.IsZero() && a.DestinationID == s.here(c).ID && a.Reason == p.Reason && (a.Kind == db.ActionTry) == v.State.Waits
	})
	return v
}

// whoFixes names who can fix something; empty where it passes by itself.
func whoFixes(p *crm.Provider, w crm.Who) string {
	switch w {
	case crm.You:
		return "You"
	case crm.Admin:
		return "Your " + strings.TrimPrefix(p.Name, "your ") + " admin"
	case crm.Us:
		return "The people who run this service"
	}
	return ""
}

// solvedRow is a cause that is over.
func solvedRow(p *crm.Provider, card views.Integration, s db.Solved) views.SolvedCause {
	v := views.SolvedCause{Service: card.Service, State: string(s.State), Code: s.Reason, Title: p.Sentence(s.Reason).Title, People: s.People, At: s.At}
	took := s.At.Sub(s.Since)
	switch {
	case s.Retried > 0 && s.Dismissed > 0:
		v.How = "Retried and dismissed" + by(s.Actor)
	case s.Retried > 0:
		v.How = "Retried" + by(s.Actor)
	case s.Dismissed > 0:
		v.How = "Dismissed" + by(s.Actor)
	case s.Reason == crm.NotConnected && s.Actor != "":
		v.How = "Connected" + by(s.Actor)
	case s.Actor != "":
		v.How = "Reconnected" + by(s.Actor)
	case !s.Since.IsZero() && took > 0 && s.State.Info().Waits:
		v.How = "By itself after " + views.Long(took)
	default:
		v.How = "By itself"
	}
	return v
}

func by(email string) string {
	if email == "" {
		return ""
	}
	return " by " + email
}

// causeCode is what a code of a cause looks like, in an address.
var causeCode = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{1,79}$`)

// askedCause is the cause that an address names, and what of it is to be read.
func (s *server) askedCause(c *fiber.Ctx, card views.Integration, state, reason string) (q db.CauseQuery, err error) {
	q = db.CauseQuery{State: knownState(state), Reason: reason}
	if info := q.State.Info(); !info.Problem || !causeCode.MatchString(reason) {
		return q, db.ErrNotFound
	}
	q.All = q.State.Info().Waits && s.stopOf(c, card).code == reason
	return q, nil
}

// problemPage handles GET /integrations/{service}/problems/{state}/{reason}.
func (s *server) problemPage(c *fiber.Ctx) error {
	card, err := s.card(c, c.Params("service"))
	if err != nil {
		return err
	}
	q, err := s.askedCause(c, card, c.Params("state"), c.Params("reason"))
	if err != nil {
		return err
	}
	q.After, q.Before, q.Limit = cut(c.Query("after"), 40), cut(c.Query("before"), 40), causePeople
	if q.After != "" {
		q.Before = ""
	}
	read, err := s.Health.Cause(c.UserContext(), s.here(c).Key(), q)
	if err != nil {
		return err
	}
	p := read.Problem
	if q.All {
		stopped := s.stopOf(c, card)
		p = db.Problem{N: s.here(c).Sums[db.Waiting], Since: stopped.since}
		if read.Said = nil; stopped.said != "" {
			read.Said = []db.Said{{Text: stopped.said}}
		}
	}
	p.State, p.Reason = q.State, q.Reason
	if p.N == 0 && !(q.All && p.Reason == crm.Broken) {
		return s.nobodyHas(c, card, q, read.Solved)
	}
	return render(c, http.StatusOK, views.ProblemDetail(s.causePage(c, card, p, q, read)))
}

// nobodyHas answers for a cause that nobody has: a link in a mail leads there for long.
func (s *server) nobodyHas(c *fiber.Ctx, card views.Integration, q db.CauseQuery, solved *db.Solved) error {
	e := s.crm(c).Sentence(q.Reason)
	page := views.NoProblemPage{Page: s.page(c, e.Title, views.NavIntegrations), Card: card, Title: e.Title}
	if solved != nil {
		row := solvedRow(s.crm(c), card, *solved)
		page.Solved = &row
	}
	return render(c, http.StatusOK, views.NoProblem(page))
}

// causePage is all that is known of a cause.
func (s *server) causePage(c *fiber.Ctx, card views.Integration, p db.Problem, q db.CauseQuery, read db.CauseDetail) views.ProblemPage {
	row := s.causeRow(c, card, p)
	e := explain(p.Reason, deliveryReason(s.crm(c), p.State, p.Reason), card)
	v := views.ProblemPage{Page: s.page(c, row.Title, views.NavIntegrations), Card: card, Cause: row, What: e.What, Mend: fixing(e.Mend), Code: p.Reason,
		CSVURL: problemsURL(c) + ".csv?" + query("state", string(p.State), "reason", p.Reason), Actions: actionList(s.crm(c), card, who(c).overview.Actions, "")}
	for _, said := range read.Said {
		v.Said = append(v.Said, cut(said.Text, 300))
	}
	for _, person := range read.People {
		one := views.CausePerson{ID: person.ID, Email: person.Email, Name: strings.TrimSpace(person.FirstName + " " + person.LastName), Newsletter: person.Newsletter,
			At: person.SignedUpAt}
		if !row.State.Waits {
			one.At = person.LastAt
			if person.MatchID != "" {
				one.MatchURL, v.Matches = s.crm(c).RecordURL(person.InstanceURL, person.MatchID), true
			}
		}
		v.People = append(v.People, one)
	}
	here := row.URL()
	if n := len(v.People); n > 0 && read.Previous {
		v.NewerURL = here + "?" + query("before", v.People[0].ID)
	}
	if n := len(v.People); n > 0 && read.Next {
		v.OlderURL = here + "?" + query("after", v.People[n-1].ID)
	}
	if e.Who == crm.Admin {
		v.Note, v.MailURL = s.adminNote(c, e, p, v.Said, card)
	}
	return v
}

// fixing is how something is fixed, without what the page's own buttons say.
func fixing(mend string) string { return strings.TrimSpace(strings.TrimSuffix(mend, "Then retry.")) }

// adminNote is a note to the CRM's administrator, and the address of a mail with it.
func (s *server) adminNote(c *fiber.Ctx, e crm.Explanation, p db.Problem, said []string, card views.Integration) (note, mailURL string) {
	f := crm.NoteFacts{Code: p.Reason, Org: card.Org.Name, User: card.RemoteUser, N: p.N}
	if len(said) > 0 {
		f.Said = said[0]
	}
	if zone, err := time.LoadLocation(who(c).overview.TimeZone); err == nil && !p.Since.IsZero() {
		f.Since = p.Since.In(zone).Format("2 January")
	}
	note = s.crm(c).AdminNote(e, f)
	escape := func(text string) string { return strings.ReplaceAll(url.QueryEscape(text), "+", "%20") }
	return note, "mailto:?subject=" + escape(crm.AdminSubject(e)) + "&body=" + escape(strings.ReplaceAll(note, "\n", "\r\n"))
}

// confirmDismiss handles GET /integrations/{service}/problems/{state}/{reason}/dismiss.
func (s *server) confirmDismiss(c *fiber.Ctx) error {
	return s.askDismiss(c, http.StatusOK, c.Params("state"), c.Params("reason"), "", "")
}

// askDismiss asks why all who have a cause are not to be sent.
func (s *server) askDismiss(c *fiber.Ctx, status int, state, reason, note, wrong string) error {
	card, err := s.card(c, c.Params("service"))
	if err != nil {
		return err
	}
	q, err := s.askedCause(c, card, state, reason)
	if err != nil || !viewState(s.crm(c), q.State.Info()).Dismiss {
		return db.ErrNotFound
	}
	read, err := s.Health.Cause(c.UserContext(), s.here(c).Key(), q)
	if err != nil {
		return err
	}
	if read.N == 0 {
		return s.nobodyHas(c, card, q, read.Solved)
	}
	return render(c, status, views.DismissAll(views.DismissPage{Page: s.page(c, "Dismiss "+views.AllOf(read.N)+"?", views.NavIntegrations), Card: card,
		Cause: s.causeRow(c, card, read.Problem), Note: note, Error: wrong}))
}
