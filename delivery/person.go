package delivery

import (
	"math/rand/v2"
	"time"

	"gatepost/crm"
	"gatepost/db"
)

// person is whoever has an address: one record in the CRM, however many
// newsletters they signed up for.
type person struct {
	key           string // the address in lower case
	crm           crm.Person
	write         crm.Write // what is to be written of them
	settlesAt     time.Time
	attempts      int
	refusals      int // in a row, of what passes
	subscriberIDs []string
}

// group returns the people behind subscribers, in the order of their first one.
func group(subscribers []db.Subscriber) []*person {
	var people []*person
	byKey := map[string]*person{}
	for _, s := range subscribers {
		p := byKey[s.EmailKey]
		if p == nil {
			p = &person{key: s.EmailKey, crm: crm.Person{Email: s.Email}, settlesAt: s.SettlesAt}
			byKey[s.EmailKey] = p
			people = append(people, p)
		}
		p.add(s)
	}
	return people
}

func (p *person) add(s db.Subscriber) {
	p.subscriberIDs = append(p.subscriberIDs, s.ID)
	p.attempts = max(p.attempts, s.Attempts)
	p.refusals = max(p.refusals, s.Refusals)
	if p.crm.FirstName == "" {
		p.crm.FirstName = s.FirstName
	}
	if p.crm.LastName == "" {
		p.crm.LastName = s.LastName
	}
}

// becomes adds an outcome for each of the person's subscribers. What befalls all who
// wait leaves the refusals as they are.
func (p *person) becomes(outcomes []db.Outcome, o db.Outcome) []db.Outcome {
	if o.State == db.Waiting && o.Refusals == 0 {
		o.Refusals = p.refusals
	}
	for _, id := range p.subscriberIDs {
		o.SubscriberID = id
		outcomes = append(outcomes, o)
	}
	return outcomes
}

func addresses(people []*person) []string {
	keys := make([]string, len(people))
	for i, p := range people {
		keys[i] = p.key
	}
	return keys
}

func ids(people []*person) []string {
	var all []string
	for _, p := range people {
		all = append(all, p.subscriberIDs...)
	}
	return all
}

func writes(people []*person) []crm.Write {
	all := make([]crm.Write, len(people))
	for i, p := range people {
		all[i] = p.write
	}
	return all
}

// change is what is to be changed in a record that is somebody's already, which is
// nothing when the answer is false.
func (p *person) change(r crm.Record, one string) (w crm.Write, any bool) {
	w.ID = r.ID
	w.FirstName = changeOf(r.FirstName, p.crm.FirstName, one)
	w.LastName = changeOf(r.LastName, p.crm.LastName, one)
	return w, w.FirstName != "" || w.LastName != ""
}

// changeOf is what a name is to be changed into, empty when it is to stay.
func changeOf(name, given, one string) string {
	if given != name && (one == db.OneUpdate || one == db.OneFill && name == "") {
		return given
	}
	return ""
}

const (
	longestPause = 5 * time.Minute
	// longestOwn is the longest that somebody waits who is refused, again and again, for
	// what passes.
	longestOwn = time.Hour
	// connectionPause is the least that a connection's failure pauses: until
	// somebody mends it, which wakes us, or it mended itself.
	connectionPause = 15 * time.Second
)

// pauseFor is how long a tenant pauses after a failure, given how many came
// before it in a row.
func pauseFor(f *crm.Failure, tries int) time.Duration {
	switch {
	case f.Code == crm.NotConnected || f.Code == crm.Broken: // known here, at no call's cost
		return connectionPause
	case f.Class == crm.Connection:
		return max(connectionPause, f.Wait, backoff(tries))
	}
	return max(f.Wait, backoff(tries))
}

// backoff is a second that doubles with each try, up to five minutes; up to half
// of it is left off by chance, so that not all come back at once.
func backoff(tries int) time.Duration { return doubled(tries, longestPause) }

// ownBackoff is backoff, for one who is refused while others get through; up to an hour.
func ownBackoff(refusals int) time.Duration { return doubled(refusals, longestOwn) }

func doubled(tries int, most time.Duration) time.Duration {
	d := most
	if tries < 12 {
		d = min(d, time.Second<<tries)
	}
	return d - rand.N(d/2)
}
