package cli

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"gatepost/crm"
	"gatepost/db"
	"gatepost/mocksalesforce"
)

// leaversOneIn is of how many who have arrived one has left.
const leaversOneIn = 300

// pastDays is how far back the sample tenant's life goes: half a year.
const pastDays = 182

// letter is a newsletter of the sample tenant.
type letter struct {
	db.Newsletter
	first, last float64         // how many signed up on an ordinary day, at the beginning and now
	peaks       map[int]float64 // and how many more on these days, counted from today
}

// On which days and at which hours people sign up: weights whose mean is 1, from Sunday
// on, and weights from midnight on.
var (
	daysOfWeek = [...]float64{.8, 1.1, 1.3, 1.2, 1.1, .9, .6}
	hoursOfDay = [...]float64{1, .5, .2, .1, .1, .5, 2, 4, 6, 7, 8, 7, 7, 6, 6, 6, 6, 6, 6, 7, 8, 7, 5, 2}
)

// fate is what becomes of somebody who signs up.
type fate int

const (
	arrives     fate = iota
	duplicate        // has the name of somebody who is there
	misspelt         // has a digit in the name
	overlong         // has a longer name than Salesforce takes
	unspeakable      // has an address that Salesforce doesn't take
	incomplete       // signed up while a field was required that the form doesn't fill in
	busy             // waits: Salesforce was busy with the same records
)

// pastMaker makes up what happened to the sample tenant. For the same moment it is the
// same each time.
type pastMaker struct {
	*rand.Rand
	readers readers
	now     time.Time
	zone    *time.Location
	maria   string // id of the user
	letters []letter

	lost, mended     time.Time // when the connection died, and was made anew
	demanded, spared time.Time // from when until when the field was required

	refused, arrived int // of those so far whose fate may be decided about by hand

	people   []*pastPerson
	contacts []mocksalesforce.Contact
	contact  map[string]int // their place in contacts, by the address in lower case
}

// pastPerson is a subscriber in the making.
type pastPerson struct {
	db.PastPerson
	fate    fate
	like    *pastPerson // whom a duplicate is like
	contact int         // place among the contacts, -1 for none
}

func newPastMaker(now time.Time, zone *time.Location, maria string, letters []letter) *pastMaker {
	r := rand.New(rand.NewPCG(19, 87))
	m := &pastMaker{Rand: r, readers: readers{r, map[string]bool{}}, now: now, zone: zone, maria: maria, letters: letters, contact: map[string]int{}}
	m.lost, m.mended = m.at(-21, 9, 42), m.at(-20, 10, 26)
	m.demanded, m.spared = m.at(-10, 15, 5), m.at(-8, 11, 40)
	return m
}

// at is a time of a day, counted from today.
func (m *pastMaker) at(day, hour, minute int) time.Time {
	t := m.now.In(m.zone)
	return time.Date(t.Year(), t.Month(), t.Day()+day, hour, minute, m.IntN(60), m.IntN(1000)*1e6, m.zone)
}

// ago is a time some minutes ago.
func (m *pastMaker) ago(minutes time.Duration) time.Time {
	return m.now.Add(-minutes * time.Minute).Truncate(time.Millisecond)
}

// between is a time after another, by so long at least and at most.
func (m *pastMaker) between(after time.Time, least, most time.Duration) time.Time {
	return after.Add(least + time.Duration(m.Int64N(int64(most-least)))).Truncate(time.Millisecond)
}

// make makes all up: people first, then what became of them.
func (m *pastMaker) make() {
	for i := range m.letters {
		m.signUps(&m.letters[i], i > 0)
	}
	slices.SortStableFunc(m.people, func(a, b *pastPerson) int { return a.SignUps[0].At.Compare(b.SignUps[0].At) })
	m.tests()
	for _, p := range m.people {
		m.deliver(p)
	}
}

// signUps makes up who signed up for a newsletter. Of those of the second one, most are
// readers of the first.
func (m *pastMaker) signUps(l *letter, second bool) {
	var times []time.Time
	for day := -pastDays; day <= 0; day++ {
		weekday := m.at(day, 12, 0).Weekday()
		usual := l.first + (l.last-l.first)*float64(pastDays+day)/pastDays
		for range m.poisson(usual*daysOfWeek[weekday] + l.peaks[day]) {
			if t := m.at(day, m.hour(), m.IntN(60)); t.Before(m.now.Add(-4 * time.Minute)) {
				times = append(times, t)
			}
		}
	}
	if !second { // so that there are some of today, whatever the time
		times = append(times, m.ago(4), m.ago(17), m.ago(38), m.ago(55), m.ago(71), m.ago(110))
	}
	slices.SortFunc(times, time.Time.Compare)
	known := slices.Clone(m.people)
	m.Shuffle(len(known), func(i, j int) { known[i], known[j] = known[j], known[i] })
	fates := m.fates(times, second)
	for i, at := range times {
		p := &pastPerson{fate: fates[i], contact: -1}
		at0 := slices.IndexFunc(known, func(k *pastPerson) bool { return second && k.fate == arrives && k.SignUps[0].At.Before(at) })
		if p.fate == arrives && at0 >= 0 && m.IntN(10) < 6 {
			p.Email, p.FirstName, p.LastName = known[at0].Email, known[at0].FirstName, known[at0].LastName
			known = slices.Delete(known, at0, at0+1)
		} else {
			m.name(p)
		}
		p.NewsletterID, p.EmailKey = l.ID, strings.ToLower(p.Email)
		p.SignUps = []db.Consent{{At: at, Source: m.source(), Words: l.Consent}}
		if p.fate == arrives && m.IntN(100) < 6 {
			m.repeat(p)
		}
		m.people = append(m.people, p)
	}
}

// poisson is how often something happens that happens so often on average.
func (m *pastMaker) poisson(mean float64) (n int) {
	for left := m.Float64(); left > math.Exp(-mean); n++ {
		left *= m.Float64()
	}
	return n
}

func (m *pastMaker) hour() int {
	sum := 0.
	for _, w := range hoursOfDay {
		sum += w
	}
	left := m.Float64() * sum
	for hour, w := range hoursOfDay {
		if left -= w; left < 0 {
			return hour
		}
	}
	return 12
}

func (m *pastMaker) source() string {
	if m.IntN(12) == 0 {
		return "api"
	}
	return "form"
}

// fates decides who of those that sign up at some times doesn't simply arrive.
func (m *pastMaker) fates(times []time.Time, second bool) []fate {
	all := make([]fate, len(times))
	for i, t := range times {
		if !second && t.After(m.demanded) && t.Before(m.spared) {
			all[i] = incomplete
		}
	}
	if second {
		return all
	}
	for _, at := range []time.Time{m.ago(55), m.ago(71), m.ago(110)} {
		all[slices.IndexFunc(times, at.Equal)] = busy
	}
	after := func(days int) int {
		return slices.IndexFunc(times, func(t time.Time) bool { return t.After(m.at(-days, 0, 0)) })
	}
	for _, of := range []struct {
		fate
		n, days int
	}{{duplicate, 12, 60}, {misspelt, 9, 75}, {overlong, 1, 90}, {unspeakable, 1, 50}} {
		from := after(of.days)
		for range of.n {
			i := from + m.IntN(len(times)-12-from)
			for all[i] != arrives || m.away(times[i]) {
				i = from + m.IntN(len(times)-12-from)
			}
			all[i] = of.fate
		}
	}
	return all
}

// away reports whether the connection was lost at a time.
func (m *pastMaker) away(t time.Time) bool { return !t.Before(m.lost) && t.Before(m.mended) }

// name gives somebody an address, and the names that were given with it.
func (m *pastMaker) name(p *pastPerson) {
	r := m.readers.next()
	p.Email, p.FirstName, p.LastName = r.email, r.first, r.last
	switch p.fate {
	case duplicate:
		for p.like == nil {
			if like := pick(m.Rand, m.people); like.fate == arrives && like.FirstName != "" && like.LastName != "" && len(like.SignUps) == 1 {
				p.like, p.FirstName, p.LastName = like, like.FirstName, like.LastName
			}
		}
		p.Email = m.readers.address(p.FirstName, p.LastName)
	case misspelt:
		p.LastName += pick(m.Rand, []string{"1", " 2", "3", "99"})
	case overlong:
		p.FirstName, p.LastName = "Maria del Carmen Guadalupe Inmaculada Concepción", "Fernández de Córdoba"
		p.Email = "carmen.fernandez@example.org"
	case unspeakable:
		p.FirstName, p.LastName, p.Email = "Renée", "Lefèvre", "renée.lefèvre@example.org"
	case incomplete, busy: // whole names, so that they arrive once they are sent again
	default:
		if n := m.IntN(100); n < 28 {
			p.LastName = ""
			if n < 15 {
				p.FirstName = ""
			}
		}
		if m.IntN(10) == 0 {
			p.Email = strings.ToUpper(p.Email[:1]) + p.Email[1:]
		}
	}
}

// repeat has somebody sign up again, later, now and then with another last name.
func (m *pastMaker) repeat(p *pastPerson) {
	first := p.SignUps[0]
	at := m.between(first.At, 72*time.Hour, 60*24*time.Hour)
	if at.After(m.now.Add(-3*time.Hour)) || m.away(at) {
		return
	}
	again := db.Consent{At: at, Source: "form", Words: first.Words}
	if p.LastName != "" && m.IntN(3) == 0 {
		again.Replaced = map[string]string{"last_name": p.LastName}
		p.LastName = m.readers.otherLast(p.FirstName)
	}
	p.SignUps, p.RepeatedAt = append(p.SignUps, again), at
}

// tests adds the test sign-up that was sent after each connect.
func (m *pastMaker) tests() {
	l := m.letters[0]
	p := &pastPerson{contact: -1}
	p.NewsletterID, p.Email, p.EmailKey, p.FirstName, p.LastName = l.ID, fabrikamUser, fabrikamUser, "Maria", "Silva"
	for _, at := range []time.Time{m.at(-pastDays, 9, 12), m.between(m.mended, 4*time.Minute, 6*time.Minute)} {
		p.SignUps, p.RepeatedAt = append(p.SignUps, db.Consent{At: at, Source: "test", Words: l.Consent}), at
	}
	m.people = slices.Insert(m.people, 0, p)
}

// deliver makes up what became of somebody.
func (m *pastMaker) deliver(p *pastPerson) {
	at := p.SignUps[0].At
	p.Status, p.DueAt, p.Attempts = db.Active, at, 1
	switch p.fate {
	case arrives:
		for i, s := range p.SignUps {
			if i > 0 {
				p.Events, p.DueAt = append(p.Events, db.Event{At: s.At, State: db.Waiting}), s.At
			}
			m.arrive(p, s.At)
		}
		if m.leaver() {
			m.leave(p)
		}
	case duplicate:
		m.refuse(p, "DUPLICATES_DETECTED", "Use one of these records?")
		if m.fourth() {
			m.dismiss(p, pick(m.Rand, []string{"The same person with a private address. The Contact with the work address is enough.", "Wrote to us: wants the newsletter at the other address only."}))
		}
	case misspelt:
		m.refuse(p, "FIELD_CUSTOM_VALIDATION_EXCEPTION", "A last name must not contain a digit.")
		if m.fourth() {
			m.dismiss(p, pick(m.Rand, []string{"Not a real name.", "A test of our agency."}))
		}
	case overlong:
		m.refuse(p, "STRING_TOO_LONG", "First Name: data value too large: "+p.FirstName+" (max length=40)")
	case unspeakable:
		m.refuse(p, "INVALID_EMAIL_ADDRESS", "Email: invalid email address: "+p.Email)
	case incomplete:
		m.refuse(p, "REQUIRED_FIELD_MISSING", "Required fields are missing: [Department]")
		if m.IntN(3) > 0 {
			m.retry(p)
		}
	case busy:
		p.State, p.Reason, p.Detail = db.Waiting, fabrikamWaits, "unable to obtain exclusive access to this record or 1 records: 0017Q00000pYcN1QAK"
		p.Attempts, p.Refusals, p.DueAt = 7, 7, m.now.Add(postponedFor)
		p.Events = append(p.Events, db.Event{At: m.between(at, time.Second, 4*time.Second), State: p.State, Reason: p.Reason, Detail: p.Detail})
	}
}

// arrive has somebody delivered who signed up at a time: at once, or when the connection
// is there again. Their Contact is the one with their address.
func (m *pastMaker) arrive(p *pastPerson, at time.Time) {
	if m.away(at) {
		at = m.between(m.mended, time.Second, 20*time.Second)
	}
	at = m.between(at, 900*time.Millisecond, 5*time.Second)
	p.State, p.Reason, p.Detail, p.DeliveredAt = db.Delivered, "", "", at
	p.Events = append(p.Events, db.Event{At: at, State: db.Delivered})
	n, known := m.contact[p.EmailKey]
	if !known {
		n = len(m.contacts)
		m.contacts = append(m.contacts, mocksalesforce.Contact{First: p.FirstName, Last: cmp.Or(p.LastName, db.DefaultPlaceholder), Email: p.Email, Created: at})
		m.contact[p.EmailKey] = n
	}
	p.contact = n
	if p.LastName == "" {
		p.Placeholders.LastName = db.DefaultPlaceholder
	}
}

func (m *pastMaker) refuse(p *pastPerson, code, detail string) {
	at := p.SignUps[0].At
	p.State, p.Reason, p.Detail = db.Attention, code, detail
	p.Events = append(p.Events, db.Event{At: m.between(at, time.Second, 6*time.Second), State: p.State, Reason: code, Detail: detail})
}

// fourth reports of every fourth of those who were refused for what somebody decides
// about, so that there are some at any time.
func (m *pastMaker) fourth() bool {
	m.refused++
	return m.refused%4 == 0
}

// leaver likewise, of those who have arrived.
func (m *pastMaker) leaver() bool {
	m.arrived++
	return m.arrived%leaversOneIn == 0
}

// dismiss has Maria decide against somebody, on a working day soon after.
func (m *pastMaker) dismiss(p *pastPerson, why string) {
	at := m.between(p.SignUps[0].At, 2*time.Hour, 30*time.Hour)
	if at.After(m.now) {
		return
	}
	p.State = db.Dismissed
	p.Events = append(p.Events, db.Event{At: at, State: p.State, Reason: p.Reason, Detail: why, Actor: m.maria})
}

// leave has Maria mark somebody as left who wrote to them some days after.
func (m *pastMaker) leave(p *pastPerson) {
	at := m.between(p.DeliveredAt, 3*24*time.Hour, 40*24*time.Hour)
	if at.After(m.now) {
		return
	}
	p.Status = db.Left
	p.Events = append(p.Events, db.Event{At: at, State: p.Status, Actor: m.maria,
		Detail: pick(m.Rand, []string{"Asked us by e-mail to stop.", "Left the company, says an automatic answer.", "Told us on the phone."})})
}

// retry has Maria send somebody again once the field isn't required any more.
func (m *pastMaker) retry(p *pastPerson) {
	at := m.between(m.spared, 5*time.Minute, 20*time.Minute)
	p.DueAt = at
	p.Events = append(p.Events, db.Event{At: at, State: db.Waiting, Actor: m.maria})
	m.arrive(p, at)
}

// past is what was made up, with the ids of the Contacts that it says there are.
func (m *pastMaker) past(org, instanceURL string, contacts []string) db.Past {
	past := db.Past{Incidents: m.incidents(), Solved: m.solved()}
	for _, l := range m.letters[1:] {
		past.Newsletters = append(past.Newsletters, l.Newsletter)
	}
	for _, p := range m.people {
		if p.contact >= 0 {
			p.RecordID, p.OrgID, p.InstanceURL = contacts[p.contact], org, instanceURL
		}
		if p.like != nil {
			p.MatchID, p.InstanceURL = contacts[p.like.contact], instanceURL
		}
		past.People = append(past.People, p.PastPerson)
	}
	past.Views = m.views()
	return past
}

// views are how often the forms were looked at: some times for each who signed up by one, in that hour.
func (m *pastMaker) views() (all []db.ViewCount) {
	for _, p := range m.people {
		for _, s := range p.SignUps {
			if s.Source != "form" {
				continue
			}
			v := db.ViewCount{NewsletterID: p.NewsletterID, Hour: s.At.Truncate(time.Hour), Kind: db.ViewOfPage, N: 3 + m.IntN(7)}
			if m.IntN(3) == 0 {
				v.Kind = db.ViewOfFrame
			}
			all = append(all, v)
		}
	}
	return all
}

// solved is the loss of the connection, for which all waited until Maria connected again.
func (m *pastMaker) solved() []db.Solved {
	waited := 0
	for _, p := range m.people {
		if slices.ContainsFunc(p.SignUps, func(c db.Consent) bool { return m.away(c.At) }) {
			waited++
		}
	}
	return []db.Solved{{State: db.Waiting, Reason: crm.Broken, People: waited, Since: m.lost, At: m.mended, Actor: m.maria}}
}

// incidents are the connection that was lost and mended, and those who wait now.
func (m *pastMaker) incidents() []db.PastIncident {
	told := []string{m.maria}
	lost := db.Incident{Trouble: db.Trouble{Kind: db.IncidentBroken, Delivers: true, Cause: "invalid_grant", N: 1, Since: m.lost},
		OpenedAt: m.lost.Add(40 * time.Second), MendedAt: m.mended.Add(30 * time.Second), ClosedAt: m.mended.Add(11 * time.Minute)}
	all := []db.PastIncident{{Incident: lost, Told: told}}
	var wait []time.Time
	for _, p := range m.people {
		if p.fate == busy {
			wait = append(wait, p.SignUps[0].At)
		}
	}
	if len(wait) > 0 {
		waiting := db.Incident{Trouble: db.Trouble{Kind: db.IncidentWaiting, Delivers: true, Cause: fabrikamWaits, N: len(wait), Since: wait[0]}, OpenedAt: wait[0].Add(16 * time.Minute)}
		all = append(all, db.PastIncident{Incident: waiting, Told: told})
	}
	return all
}
