package routes

import (
	"context"
	"net/http"
	"slices"
	"time"

	"gatepost/crm"
	"gatepost/db"
	"gatepost/identity"
	"gatepost/input"
	"gatepost/views"

	"github.com/gofiber/fiber/v2"
)

// How much of the past the health page shows.
const (
	plotHours = 48
	plotDays  = 30
)

// HealthStore is what the pages about deliveries read and change; db.DB is one,
// and documents the methods.
type HealthStore interface {
	HourSums(ctx context.Context, tenantID string, since time.Time) ([]db.HourSums, error)
	DeliveredByHour(ctx context.Context, tenantID string, since time.Time) ([]db.HourDelivered, error)
	LastDelivered(ctx context.Context, tenantID string) (time.Time, error)
	OldestWaiting(ctx context.Context, tenantID string) (time.Time, error)
	Pause(ctx context.Context, tenantID string) (db.Pause, error)
	Usage(ctx context.Context, tenantID string) (db.Usage, error)
	Problems(ctx context.Context, tenantID string) ([]db.Problem, error)
	Affected(ctx context.Context, tenantID string, state db.State, reason, after string, limit int) ([]db.Subscriber, error)
	Retry(ctx context.Context, tenantID, subscriberID, actor string) (bool, error)
	Dismiss(ctx context.Context, tenantID, subscriberID, actor, note string) (bool, error)
	StartAction(ctx context.Context, a db.Action) (db.Action, error)
	Actions(ctx context.Context, service, tenantID string) ([]db.Action, error)
	Hurry(ctx context.Context, tenantID, reason string) error
	Subscriber(ctx context.Context, tenantID, id string) (db.Subscriber, error)
	History(ctx context.Context, tenantID, subscriberID string) ([]db.Event, []db.Consent, error)
	TimeZone(ctx context.Context, tenantID string) (string, error)
	SetTimeZone(ctx context.Context, tenantID, name string) error
	LastRecount(ctx context.Context, tenantID string) (db.LastRecount, error)
	CheckUp(ctx context.Context, tenantID string) (db.CheckUp, error)
	DeliverySettings(ctx context.Context, tenantID string) (db.DeliverySettings, error)
	SetDeliverySettings(ctx context.Context, tenantID string, s db.DeliverySettings) error
	Orgs(ctx context.Context, tenantID string) ([]db.OrgCount, error)
}

// health handles GET /integrations/{service}: how the deliveries are going.
func (s *server) health(c *fiber.Ctx) error {
	live, err := s.healthLive(c)
	if err != nil {
		return err
	}
	page := views.HealthPage{Page: s.page(c, live.Card.Name+" health", views.NavIntegrations), Live: live}
	if page.Elsewhere, err = s.elsewhere(c, live.Card); err != nil {
		return err
	}
	actions, err := s.Health.Actions(c.UserContext(), live.Card.Service, who(c).Tenant.ID)
	if err != nil {
		return err
	}
	page.Actions = actionList(live.Card, actions, "")
	if page.Problems, err = s.problems(c, live, actions); err != nil {
		return err
	}
	return render(c, http.StatusOK, views.Health(page))
}

// healthPart handles GET /integrations/{service}/live, which the page polls.
func (s *server) healthPart(c *fiber.Ctx) error {
	live, err := s.healthLive(c)
	if err != nil {
		return err
	}
	if live.Version() == c.Query("seen") {
		return c.SendStatus(http.StatusNoContent)
	}
	return render(c, http.StatusOK, views.HealthLive(live))
}

// healthLive is the part of the page that changes by itself.
func (s *server) healthLive(c *fiber.Ctx) (h views.HealthStatus, err error) {
	ctx, tenant := c.UserContext(), who(c).Tenant.ID
	card, sums, err := s.cardAndSums(c, c.Params("service"))
	if err != nil {
		return h, err
	}
	h.Card, h.CSRF, h.Totals = card, card.CSRF, totals(sums)
	if h.LastDelivered, err = s.Health.LastDelivered(ctx, tenant); err != nil {
		return h, err
	}
	if h.OldestWaiting, err = s.Health.OldestWaiting(ctx, tenant); err != nil {
		return h, err
	}
	usage, err := s.Health.Usage(ctx, tenant)
	if err != nil {
		return h, err
	}
	h.Usage = views.Usage{Used: usage.Used, Allowed: usage.Allowed, Ours: usage.Ours, At: usage.At}
	if h.Pause, err = s.pause(ctx, tenant, card); err != nil {
		return h, err
	}
	if err := s.plots(ctx, tenant, &h); err != nil {
		return h, err
	}
	recount, err := s.Health.LastRecount(ctx, tenant)
	h.Recount = views.Recount{At: recount.At, Took: recount.Took, Wrong: recount.Wrong, Rows: totals(recount.Rows)}
	return h, err
}

// pause is why nothing is sent for now, nil when nothing stops it. A connection
// that is broken or missing is told by its own state.
func (s *server) pause(ctx context.Context, tenant string, card views.Integration) (*views.Pause, error) {
	p, err := s.Health.Pause(ctx, tenant)
	if err != nil || p.Reason == "" || p.Reason == crm.NotConnected || p.Reason == crm.Broken {
		return nil, err
	}
	e := explain(p.Reason, crm.Sentence(p.Reason), card)
	ahead := p.Until.After(s.Now())
	return &views.Pause{Code: p.Reason, Reason: e.What, Mend: e.Mend, Said: cut(p.Detail, 300), Until: p.Until,
		TryNow: ahead && p.Reason != crm.Spared && card.State == views.Connected, Spared: ahead && p.Reason == crm.Spared}, nil
}

// plots fills in the hours and days.
func (s *server) plots(ctx context.Context, tenant string, h *views.HealthStatus) error {
	name, err := s.Health.TimeZone(ctx, tenant)
	if err != nil {
		return err
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return err
	}
	h.Zone = name
	now := s.Now()
	firstDay := dayOf(now, zone).AddDate(0, 0, 1-plotDays)
	sums, err := s.Health.HourSums(ctx, tenant, firstDay.Truncate(time.Hour))
	if err != nil {
		return err
	}
	delivered, err := s.Health.DeliveredByHour(ctx, tenant, firstDay.Truncate(time.Hour))
	if err != nil {
		return err
	}
	h.Hours = hourBars(now, zone, sums, delivered)
	h.Days = dayBars(firstDay, zone, sums, delivered)
	return nil
}

// dayOf is the beginning of the day of t.
func dayOf(t time.Time, zone *time.Location) time.Time {
	y, m, d := t.In(zone).Date()
	return time.Date(y, m, d, 0, 0, 0, 0, zone)
}

func hourBars(now time.Time, zone *time.Location, sums []db.HourSums, delivered []db.HourDelivered) []views.Bar {
	first := now.Truncate(time.Hour).Add((1 - plotHours) * time.Hour)
	bars := make([]views.Bar, plotHours)
	for i := range bars {
		at := first.Add(time.Duration(i) * time.Hour).In(zone)
		bars[i].At, bars[i].Label, bars[i].Short = at, at.Format("2 Jan, 15:04"), at.Format("15:04")
	}
	place := func(hour time.Time) *views.Bar {
		if i := int(hour.Sub(first) / time.Hour); !hour.Before(first) && i < len(bars) {
			return &bars[i]
		}
		return &views.Bar{}
	}
	fill(place, sums, delivered)
	return bars
}

// dayBars are the days from first on. An hour belongs to the day in which it began.
func dayBars(first time.Time, zone *time.Location, sums []db.HourSums, delivered []db.HourDelivered) []views.Bar {
	bars, byDay := make([]views.Bar, plotDays), map[time.Time]*views.Bar{}
	for i := range bars {
		at := first.AddDate(0, 0, i)
		bars[i].At, bars[i].Label, bars[i].Short = at, at.Format("Mon 2 Jan 2006"), at.Format("2 Jan")
		byDay[dayOf(at, zone).UTC()] = &bars[i]
	}
	place := func(hour time.Time) *views.Bar {
		if b := byDay[dayOf(hour, zone).UTC()]; b != nil {
			return b
		}
		return &views.Bar{}
	}
	fill(place, sums, delivered)
	return bars
}

// fill adds each hour to its bar.
func fill(place func(hour time.Time) *views.Bar, sums []db.HourSums, delivered []db.HourDelivered) {
	byBar := map[*views.Bar]db.Sums{}
	for _, h := range sums {
		b := place(h.Hour)
		if byBar[b] == nil {
			byBar[b] = db.Sums{}
		}
		byBar[b].Add(h.Sums)
	}
	for b, sum := range byBar {
		b.Totals, b.SignUps = totals(sum), sum[db.New]+sum[db.Repeated]
	}
	for _, h := range delivered {
		place(h.Hour).Delivered += h.N
	}
}

// problems are the causes for which subscribers wait or need attention.
func (s *server) problems(c *fiber.Ctx, live views.HealthStatus, actions []db.Action) ([]views.Problem, error) {
	ctx, tenant := c.UserContext(), who(c).Tenant.ID
	all, err := s.Health.Problems(ctx, tenant)
	if err != nil {
		return nil, err
	}
	problems := make([]views.Problem, 0, len(all))
	for _, p := range all {
		some, err := s.Health.Affected(ctx, tenant, p.State, p.Reason, "", 5)
		if err != nil {
			return nil, err
		}
		v := s.problem(p, some, live.Card)
		v.Busy = slices.ContainsFunc(actions, func(a db.Action) bool {
			return a.EndedAt.IsZero() && a.Reason == p.Reason && (a.Kind == db.ActionTry) == v.State.Waits
		})
		if live.Pause != nil && live.Pause.Spared {
			v.GoesOn = live.Pause.Until
		}
		v.TryNow = v.State.Waits && p.Reason != crm.Settling && p.Reason != crm.Spared && v.GoesOn.IsZero() && live.Card.State == views.Connected
		problems = append(problems, v)
	}
	return problems, nil
}

func (s *server) problem(p db.Problem, some []db.Subscriber, card views.Integration) views.Problem {
	e := explain(p.Reason, deliveryReason(p.State, p.Reason), card)
	v := views.Problem{CSRF: card.CSRF, Service: card.Service, State: viewState(p.State.Info()), Code: p.Reason, What: e.What, Who: whoMends(e.Who), Mend: e.Mend,
		N: p.N, People: p.People, PeopleLimit: db.PeopleLimit,
		CSVURL: "/integrations/" + card.Service + "/problems.csv?" + query("state", string(p.State), "reason", p.Reason)}
	said := ""
	for _, sub := range some {
		v.Some = append(v.Some, views.PersonLink{ID: sub.ID, Email: sub.Email})
		if said == "" {
			said = cut(sub.Detail, 300)
		}
	}
	v.Said = said
	if e.Who == crm.Admin {
		v.Note = crm.AdminNote(e, p.Reason, said, card.Org.Name, p.N)
	}
	return v
}

// deliveryReason explains a code to those who are in a state: who waits is tried again.
func deliveryReason(state db.State, code string) crm.Explanation {
	if state.Info().Waits {
		return crm.Sentence(code)
	}
	return crm.GaveUp(code)
}

// explain is the explanation of a code, with what the connection says where that is
// the cause.
func explain(code string, e crm.Explanation, card views.Integration) crm.Explanation {
	if code == crm.Unavailable && card.Failing || code == crm.Broken && card.State == views.ConnectionBroken {
		e.What, e.Mend = card.Reason, card.Mend
	}
	return e
}

// explained is explain, and reads the connection where that is asked for, once for a
// request.
func (s *server) explained(c *fiber.Ctx, code string, e crm.Explanation) (crm.Explanation, error) {
	if code != crm.Unavailable && code != crm.Broken {
		return e, nil
	}
	v := who(c)
	if v.connection == nil {
		card := views.Integration{Service: identity.Salesforce, Name: identity.NameOf(identity.Salesforce)}
		if err := s.describeConnection(c.UserContext(), v.Tenant.ID, &card); err != nil {
			return crm.Explanation{}, err
		}
		v.connection = &card
	}
	return explain(code, e, *v.connection), nil
}

// whoMends names who can mend something.
func whoMends(w crm.Who) string {
	switch w {
	case crm.You:
		return "You can mend it"
	case crm.Admin:
		return "Your Salesforce admin can mend it"
	case crm.Us:
		return "The people who run this service can mend it"
	}
	return "It mends itself"
}

// setTimeZone handles POST /integrations/{service}/time-zone.
func (s *server) setTimeZone(c *fiber.Ctx) error {
	if _, err := s.Vault.Service(c.UserContext(), c.Params("service")); err != nil {
		return err
	}
	name := input.Word(field(c, "zone"))
	if _, err := time.LoadLocation(name); err != nil || name == "" || name == "Local" {
		s.flash(c, views.FlashWarning, "“"+cut(name, 60)+"” isn’t the name of a time zone. It looks like Europe/Berlin.")
		return redirect(c, healthURL(c))
	}
	if err := s.Health.SetTimeZone(c.UserContext(), who(c).Tenant.ID, name); err != nil {
		return err
	}
	s.flash(c, views.FlashSuccess, "Days are counted in "+name+" now.")
	return redirect(c, healthURL(c))
}

// sum handles GET /integrations/{service}/sum: the proof that nobody is missing.
func (s *server) sum(c *fiber.Ctx) error {
	live, err := s.healthLive(c)
	if err != nil {
		return err
	}
	actions, err := s.actions(c, live.Card, views.ActionRecount)
	if err != nil {
		return err
	}
	return render(c, http.StatusOK, views.Sum(views.SumPage{Page: s.page(c, "The sum", views.NavIntegrations), Live: live, Actions: actions}))
}

// person handles GET /subscribers/{id}: everything that happened to one.
func (s *server) person(c *fiber.Ctx) error {
	ctx, tenant := c.UserContext(), who(c).Tenant.ID
	sub, err := s.Newsletters.Status(ctx, tenant, c.Params("id"))
	if err != nil {
		return err
	}
	events, consents, err := s.Health.History(ctx, tenant, sub.ID)
	if err != nil {
		return err
	}
	row, err := s.subscriberRow(c, sub)
	if err != nil {
		return err
	}
	page := views.PersonPage{Page: s.page(c, "Subscriber", views.NavSubscribers), ID: sub.ID, Subscriber: row, Attempts: sub.Attempts, OrgID: sub.OrgID, DeliveredAt: sub.DeliveredAt}
	if row.State.Attention && sub.MatchID != "" {
		page.MatchURL = s.RecordURL(sub.InstanceURL, sub.MatchID)
	}
	page.Story, page.Earlier = story(events, consents)
	return render(c, http.StatusOK, views.Person(page))
}

// story puts what happened to a subscriber in order, the latest first. What was
// not read of either kind begins somewhere: earlier reports that nothing is told
// from there on.
func story(events []db.Event, consents []db.Consent) (all []views.Moment, earlier bool) {
	var from time.Time
	for _, e := range events {
		all = append(all, views.Moment{Step: step(e)})
	}
	for _, c := range consents {
		all = append(all, views.Moment{Consent: consent(c)})
	}
	if n := len(events); n >= db.HistoryLimit {
		from, earlier = events[n-1].At, true
	}
	if n := len(consents); n >= db.HistoryLimit && consents[n-1].At.After(from) {
		from, earlier = consents[n-1].At, true
	}
	// Of one moment, the sign-up comes before what it led to.
	slices.SortStableFunc(all, func(a, b views.Moment) int { return b.At().Compare(a.At()) })
	return slices.DeleteFunc(all, func(m views.Moment) bool { return m.At().Before(from) }), earlier
}

// fieldNames are those of the form in words, in order.
var fieldNames = []struct{ key, name string }{{"first_name", "First name"}, {"last_name", "Last name"}}

// consent tells a sign-up in words.
func consent(c db.Consent) *views.Consent {
	v := &views.Consent{At: c.At, Source: sourceName(c.Source), Words: c.Words, Repeated: c.Repeated}
	for _, f := range fieldNames {
		if was := c.Replaced[f.key]; was != "" {
			v.Replaced = append(v.Replaced, views.Replaced{Field: f.name, Was: was})
		}
	}
	return v
}

// step tells an event in words.
func step(e db.Event) views.Step {
	v := views.Step{At: e.At, State: viewState(e.State.Info()), Actor: e.Actor}
	if e.Reason != "" {
		v.Reason = deliveryReason(e.State, e.Reason).What
	}
	if e.Detail != "" {
		v.Said = cut(e.Detail, 300)
	}
	return v
}

func sourceName(source string) string {
	switch source {
	case "api":
		return "from another site or program"
	case "test":
		return "as a test in the portal"
	}
	return "on the public form"
}

// retryOne handles POST /subscribers/{id}/retry.
func (s *server) retryOne(c *fiber.Ctx) error {
	return s.decideOne(c, "It is on its way again.", func(ctx context.Context, tenant, id string) (bool, error) {
		return s.Health.Retry(ctx, tenant, id, who(c).User.ID)
	})
}

// dismissOne handles POST /subscribers/{id}/dismiss.
func (s *server) dismissOne(c *fiber.Ctx) error {
	note, wrong := readNote(c)
	if wrong != "" {
		s.flash(c, views.FlashWarning, wrong)
		return redirect(c, "/subscribers/"+c.Params("id"))
	}
	return s.decideOne(c, "It is dismissed and will not be sent.", func(ctx context.Context, tenant, id string) (bool, error) {
		return s.Health.Dismiss(ctx, tenant, id, who(c).User.ID, note)
	})
}

func (s *server) decideOne(c *fiber.Ctx, text string, decide func(ctx context.Context, tenant, id string) (bool, error)) error {
	ctx, tenant := c.UserContext(), who(c).Tenant.ID
	sub, err := s.Health.Subscriber(ctx, tenant, c.Params("id"))
	if err != nil {
		return err
	}
	done, err := decide(ctx, tenant, sub.ID)
	if err != nil {
		return err
	}
	s.Delivery.Wake(tenant)
	if done {
		s.flash(c, views.FlashSuccess, text)
	} else {
		s.flash(c, views.FlashInfo, "Nothing was changed: it needs no attention any more.")
	}
	return redirect(c, "/subscribers/"+sub.ID)
}
