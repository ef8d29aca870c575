package routes

import (
	"cmp"
	"net/http"
	"slices"
	"time"

	"gatepost/crm"
	"gatepost/db"
	"gatepost/views"

	"github.com/gofiber/fiber/v2"
)

// How much of a list Home shows.
const (
	homeCauses = 5
	homeLatest = 6
	homeForms  = 2

	homeLetters = 5
)

// home handles GET /: whether all is well, and how many sign up; or what a new tenant
// does first.
func (s *server) home(c *fiber.Ctx) error {
	r, d := rangeOf(c.Query("range")), s.asked(c)
	starts, days := r.starts(who(c).now, who(c).zone), daysBefore(who(c).now, who(c).zone)
	read, err := s.Health.Home(c.UserContext(), d.Key(), s.others(c, d), spans(starts), days.lastWeek, homeLatest)
	if err != nil {
		return err
	}
	forms, numbers, err := s.Newsletters.Numbers(c.UserContext(), who(c).Tenant.ID)
	if err != nil {
		return err
	}
	all, err := s.homeStatuses(c, d, read)
	if err != nil {
		return err
	}
	if placed := who(c).overview.Sums.People() > read.Tests; !placed || !slices.ContainsFunc(all, began) {
		return s.firstSteps(c, all[0], read, forms, placed)
	}
	page := views.HomePage{Page: s.page(c, "Home", views.NavHome), CRMs: all, Total: who(c).overview.Sums[db.New], Forms: len(forms), Since: read.First, Incidents: s.tellIncidents(c, read.Incidents, aboutOther),
		Chart: s.homeChart(c, r, starts, read.SignUps, d)}
	page.Causes = s.openCauses(c, d, read)
	page.OwnAlert = slices.ContainsFunc(all, tellsItself)
	page.Today, page.Week = days.compare(read.ByHour, read.First)
	for _, sub := range read.Latest {
		page.Latest = append(page.Latest, views.LatestSignUp{ID: sub.ID, Email: sub.Email, At: sub.At})
	}
	page.Letters = s.letters(forms, numbers)
	return render(c, http.StatusOK, views.Home(page))
}

// others are the tenant's destinations but for one.
func (s *server) others(c *fiber.Ctx, but destination) (keys []db.DestinationKey) {
	for _, d := range s.destinations(c) {
		if d.ID != but.ID {
			keys = append(keys, d.Key())
		}
	}
	return keys
}

// healthIn is what was read of a destination; that of the chart stands apart.
func healthIn(read db.Home, charted, d destination) db.Health {
	if d.ID == charted.ID {
		return read.Health
	}
	return read.Others[d.ID]
}

// homeStatuses are how each of the tenant's CRMs gets sign-ups.
func (s *server) homeStatuses(c *fiber.Ctx, charted destination, read db.Home) (all []views.Status, err error) {
	for _, d := range s.destinations(c) {
		live := s.unsentStatus(c, d)
		if d.crm != nil {
			if live, err = s.crmStatus(c, d.crm.Service); err != nil {
				return nil, err
			}
		}
		told(&live, healthIn(read, charted, d))
		all = append(all, live)
	}
	return all, nil
}

// unsentStatus is that of sign-ups that wait for a first CRM: one whose connection waits for
// a decision, or none in particular.
func (s *server) unsentStatus(c *fiber.Ctx, d destination) views.Status {
	live := views.Status{CSRF: s.formToken(c), Now: who(c).now, Zone: who(c).overview.TimeZone, Card: views.Integration{Name: crm.Any.Name, CRM: viewCRM(crm.Any), State: views.NotConnected}}
	for _, p := range s.CRMs {
		if card, err := s.card(c, p.Service); err == nil && card.State == views.ConnectionHeld {
			live.Card = card
			break
		}
	}
	s.measure(c, &live, d)
	live.Card.Waiting, live.Card.Attention = d.waiting(), d.inAttention()
	return live
}

// began reports whether a CRM was connected at some time.
func began(live views.Status) bool { return !live.Card.ConnectedAt.IsZero() || live.Before }

// homeChart is the chart of the sign-ups of a destination, with a switch between several.
func (s *server) homeChart(c *fiber.Ctx, r chartRange, starts []time.Time, read []map[db.State]int, d destination) views.Chart {
	in := s.askedFor(c)
	v := chart(wordsOf(d), r, starts, read, "/", in)
	v.CRMs = crmTabs(s.destinations(c), d, func(service string) string { return withQuery("/", query("range", c.Query("range"), "in", service)) })
	return v
}

// isNamed reports whether somebody has said what the newsletter is called that a tenant is born with.
func isNamed(all []db.Newsletter) bool { return len(all) > 1 || len(all) == 1 && all[0].Revision > 0 }

// letters are the newsletters at whose forms most happened in the last 30 days.
func (s *server) letters(all []db.Newsletter, numbers map[string]db.NewsletterNumbers) (rows []views.LetterNumbers) {
	for _, n := range all {
		if v := viewNumbers(numbers[n.ID]); v.Views > 0 || v.SignUps > 0 {
			rows = append(rows, views.LetterNumbers{Newsletter: s.plainNewsletter(n), NewsletterNumbers: v})
		}
	}
	slices.SortStableFunc(rows, func(a, b views.LetterNumbers) int {
		return cmp.Or(cmp.Compare(b.SignUps, a.SignUps), cmp.Compare(b.Views, a.Views))
	})
	return rows[:min(len(rows), homeLetters)]
}

// firstSteps shows a new tenant the first steps. With many newsletters the list of addresses
// stays short.
func (s *server) firstSteps(c *fiber.Ctx, live views.Status, read db.Home, all []db.Newsletter, placed bool) error {
	forms := s.viewForms(all)
	page := views.StartPage{Page: s.page(c, "Get started", views.NavHome), Live: live, Forms: forms, Named: isNamed(all), Placed: placed, Tested: read.Tested}
	page.OwnAlert = tellsItself(live)
	if len(forms) > homeForms {
		page.Forms, page.More = forms[:homeForms], len(forms)-homeForms
	}
	return render(c, http.StatusOK, views.Start(page))
}

// openCauses are the first few causes for which people need attention or wait: of each kind
// those with the most people first, whatever the CRM.
func (s *server) openCauses(c *fiber.Ctx, charted destination, read db.Home) []views.OpenCause {
	type cause struct {
		db.Problem
		in destination
	}
	var all []cause
	for _, d := range s.destinations(c) {
		for _, p := range healthIn(read, charted, d).Problems {
			all = append(all, cause{p, d})
		}
	}
	slices.SortStableFunc(all, func(a, b cause) int {
		return cmp.Or(cmp.Compare(a.State, b.State), cmp.Compare(b.N, a.N))
	})
	rows := make([]views.OpenCause, min(len(all), homeCauses))
	for i := range rows {
		rows[i] = s.openCause(c, all[i].in, all[i].Problem)
	}
	return rows
}

// openCause is a cause of a destination, which is named where there are several.
func (s *server) openCause(c *fiber.Ctx, d destination, p db.Problem) views.OpenCause {
	words, state := wordsOf(d), p.State.Info()
	e := s.explained(c, words, p.Reason, deliveryReason(words, p.State, p.Reason))
	v := views.OpenCause{Tone: state.Tone, Icon: state.Icon, Title: e.Title, People: p.People, Since: p.Since, Who: cmp.Or(whoFixes(words, e.Who), "By itself"),
		URL: causeURL(words, string(p.State), p.Reason)}
	if len(s.destinations(c)) > 1 {
		v.CRM = viewCRM(words)
	}
	return v
}

// days are the moments that Home compares sign-ups by: of this day and week, and of those
// before. So far is the beginning of the hour that is under way, since sign-ups are
// counted by the hour.
type days struct {
	zone                              *time.Location
	today, yesterday, week, lastWeek  time.Time
	soFar, soFarBefore, soFarLastWeek time.Time
}

func daysBefore(now time.Time, zone *time.Location) days {
	t := now.In(zone)
	y, m, d := t.Date()
	monday := d - (int(t.Weekday())+6)%7
	hour := now.Truncate(time.Hour).In(zone)
	before := func(days int) time.Time { // it may have begun the day before
		y, m, d := hour.Date()
		return time.Date(y, m, d-days, hour.Hour(), hour.Minute(), 0, 0, zone)
	}
	return days{zone: zone, today: dayOf(now, zone), yesterday: startOfDay(y, m, d-1, zone), week: startOfDay(y, m, monday, zone), lastWeek: startOfDay(y, m, monday-7, zone),
		soFar: hour, soFarBefore: before(1), soFarLastWeek: before(7)}
}

// compare counts the sign-ups of today and of this week, and compares them with the day
// and the week before, up to the same hour. What was before the first sign-up is nothing to
// compare with.
func (d days) compare(byHour []db.HourCount, first time.Time) (today, week views.Compared) {
	between := func(from, until time.Time) (n int) {
		for _, h := range byHour {
			if !h.Hour.Before(hourFrom(from)) && h.Hour.Before(hourFrom(until)) {
				n += h.N
			}
		}
		return n
	}
	if first.IsZero() {
		return today, week
	}
	end := d.soFar.Add(time.Hour)
	today.N, week.N = between(d.today, end), between(d.week, end)
	if first.Before(d.today) {
		today.Note = compared(between(d.today, d.soFar)-between(d.yesterday, d.soFarBefore), "yesterday by "+d.soFar.Format("15:04"))
		if !d.soFar.After(d.today) {
			today.Note = views.Number(between(d.yesterday, d.today)) + " yesterday"
		}
	}
	if first.Before(d.week) {
		week.Note = compared(between(d.week, d.soFar)-between(d.lastWeek, d.soFarLastWeek), "last week by "+d.soFar.Format("Monday 15:04"))
		if !d.soFar.After(d.week) {
			week.Note = views.Number(between(d.lastWeek, d.week)) + " last week"
		}
	}
	return today, week
}

// compared says how much more something is than something else.
func compared(more int, than string) string {
	switch {
	case more > 0:
		return views.Number(more) + " more than " + than
	case more < 0:
		return views.Number(-more) + " fewer than " + than
	}
	return "As many as " + than
}
