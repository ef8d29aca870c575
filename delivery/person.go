package delivery

import (
	"cmp"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"gatepost/crm"
	"gatepost/crm/mapping"
	"gatepost/db"
)

// person is whoever has an address: one record in the CRM, however many
// newsletters they signed up for.
type person struct {
	key       string // the address in lower case
	crm       crm.Fields
	write     crm.Write // what is to be written of them
	looked    time.Time // when the look-up for them began
	settlesAt time.Time
	newer     bool // other values are known than those of a write whose outcome isn't
	attempts  int
	refusals  int        // in a row, of what passes
	due       []db.Known // who is to be delivered; one outcome for each
	left      []db.Known // who left while a write was out for them, and is looked up alone
	known     []db.Known // they, and the others who have the address

	// What we wrote, for want of a name, into the record that was found, or is to be made.
	placeholders db.Placeholders

	// What is written into the CRM's own fields, and what was, as far as the record is the one.
	applied mapping.Applied
	before  db.Written
	without []string // keys of paused fields that would have been written

	// What the record says of e-mail, by newsletters; that without an id is of all.
	optedOut map[string]db.OptedOut
}

// group returns the people behind subscribers, in the order of their first one.
func group(subscribers []db.Known) []*person {
	var people []*person
	byKey := map[string]*person{}
	for _, s := range subscribers {
		p := byKey[s.EmailKey]
		if p == nil {
			p = &person{key: s.EmailKey}
			byKey[s.EmailKey] = p
			people = append(people, p)
		}
		p.known = append(p.known, s)
	}
	for _, p := range people {
		p.sum()
	}
	return people
}

// sum makes one person of all who have the address: the values of the newest
// sign-up or edit first, those of the others where it has none. What somebody decided
// about one of them doesn't count for the others.
func (p *person) sum() {
	slices.SortStableFunc(p.known, func(a, b db.Known) int { return b.SaidAt().Compare(a.SaidAt()) })
	for _, s := range p.known {
		switch {
		case s.Due && s.State == db.Ended:
			p.left = append(p.left, s)
		case s.Due:
			p.due = append(p.due, s)
			p.attempts = max(p.attempts, s.Attempts)
			p.refusals = max(p.refusals, s.Refusals)
		}
		// A write whose outcome isn't known holds up all who have the address, whatever
		// became of who it was for; and what another newsletter was told counts as newer.
		if s.SettlesAt.After(p.settlesAt) {
			p.settlesAt = s.SettlesAt
		}
		p.newer = p.newer || s.State == db.Waiting && (s.Newer || s.SentAt.IsZero())
		if counts(s) {
			p.says(s)
		}
	}
}

// counts reports whether what a subscriber said is to be in the CRM.
func counts(s db.Known) bool {
	return s.Status == db.Active && (s.State == db.Waiting || s.State == db.Delivered)
}

// says adds what a subscriber said, where nothing newer is known.
func (p *person) says(s db.Known) {
	if p.crm == nil {
		p.crm = crm.Fields{}
	}
	for name, value := range map[string]string{crm.Email: s.Email, crm.FirstName: s.FirstName, crm.LastName: s.LastName} {
		p.crm[name] = cmp.Or(p.crm[name], value)
	}
}

// settling waits until an earlier write can't take effect any more.
func (p *person) settling() db.Outcome {
	return db.Outcome{State: db.Waiting, Reason: crm.Settling, DueAt: p.settlesAt, SettlesAt: p.settlesAt}
}

// becomes adds an outcome for each of the person's subscribers. What befalls all who
// wait leaves the refusals as they are.
func (p *person) becomes(outcomes []db.Outcome, o db.Outcome) []db.Outcome {
	if o.State == db.Waiting && o.Refusals == 0 {
		o.Refusals = p.refusals
	}
	return p.outcomeOf(outcomes, p.due, o)
}

// outcomeOf adds an outcome for each of some of the person's subscribers.
func (p *person) outcomeOf(outcomes []db.Outcome, all []db.Known, o db.Outcome) []db.Outcome {
	for _, s := range all {
		o.OptedOut = cmp.Or(p.optedOut[""], p.optedOut[s.NewsletterID])
		o.SubscriberID, o.EmailKey, o.Revision = s.ID, s.EmailKey, s.Revision
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

// sendings are the writes that are about to be sent, for each subscriber.
func sendings(people []*person) []db.Sending {
	var all []db.Sending
	for _, p := range people {
		for _, s := range p.due {
			all = append(all, db.Sending{SubscriberID: s.ID, EmailKey: s.EmailKey, Revision: s.Revision, New: p.write.ID == "", Placeholders: p.placeholders, Written: p.writing()})
		}
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

// make is the new record that is to be written; placeholder is the last name of who
// gave none.
func (p *person) make(placeholder string) {
	p.write, p.placeholders = crm.Write{Fields: p.crm}, db.Placeholders{}
	if p.crm[crm.LastName] == "" {
		p.placeholders.LastName = placeholder
	}
}

// change is what is to be changed in a record that is somebody's already, which is
// nothing when the answer is false. Names that we put there for want of one are
// lacking.
func (p *person) change(r crm.Record, one string) (any bool) {
	p.placeholders = p.placeholdersIn(r)
	p.write = crm.Write{ID: r.ID, Fields: crm.Fields{}}
	for name, lacking := range map[string]bool{crm.FirstName: p.placeholders.FirstName != "", crm.LastName: p.placeholders.LastName != ""} {
		is := r.Fields[name]
		if lacking {
			is = ""
		}
		if to := changeOf(is, p.crm[name], one); to != "" {
			p.write.Fields[name] = to
		}
	}
	return len(p.write.Fields) > 0
}

// placeholdersIn are those of a record that stand there still as we wrote them. A
// name that merely looks like one is a name.
func (p *person) placeholdersIn(r crm.Record) db.Placeholders {
	for _, s := range p.known {
		ours := s.RecordID == r.ID || s.RecordID == "" && !s.SentAt.IsZero()
		w := s.Placeholders
		if ours && w.LastName != "" && r.Fields[crm.LastName] == w.LastName && (w.FirstName == "" || r.Fields[crm.FirstName] == w.FirstName) {
			return w
		}
	}
	return db.Placeholders{}
}

// sentMark begins the key of a value that was sent for a record that is there. The answer may get lost: the
// record tells then whether it arrived, and is ours.
const sentMark = "?"

// writing is what is written into the record, as it is noted before that is sent.
func (p *person) writing() db.Written {
	if p.write.ID == "" || len(p.applied.Planned) == 0 {
		return p.applied.Wrote(nil)
	}
	all := db.Written{}
	maps.Copy(all, p.before)
	for _, v := range p.applied.Planned {
		all[sentMark+v.Field.Key] = v.Value.Text
	}
	return all
}

// writtenIn is what was last written of the CRM's own fields into a record, by whichever newsletter's
// sign-up: of several, what it still holds.
func (p *person) writtenIn(r crm.Record) db.Written {
	var all db.Written
	for _, s := range p.known {
		if s.RecordID != r.ID && (s.RecordID != "" || s.SentAt.IsZero()) {
			continue
		}
		for key, text := range s.Written {
			key, sent := strings.CutPrefix(key, sentMark)
			_, known := all[key]
			if holds := text == r.Own[key]; holds && (!sent || text != "") || !known && !sent {
				if all == nil {
					all = db.Written{}
				}
				all[key] = text
			}
		}
	}
	return all
}

// written notes that the write was done: what it gave a name has no placeholder any
// more.
func (p *person) written() {
	if p.write.Fields[crm.FirstName] != "" {
		p.placeholders.FirstName = ""
	}
	if p.write.Fields[crm.LastName] != "" {
		p.placeholders.LastName = ""
	}
	p.before = p.applied.Wrote(p.before)
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
	// somebody mends it, which wakes us, or it mended itself. It is the most where that costs no call.
	connectionPause = 15 * time.Second
	// shortestPause is the least where the CRM wasn't asked.
	shortestPause = time.Second
)

// pauseFor is how long a destination pauses after a failure, given how many calls failed
// before it in a row. What is known without a call is looked at again soon, however often it
// was in vain.
func pauseFor(f *crm.Failure, tries int) time.Duration {
	switch {
	case f.Code == crm.NotConnected || f.Code == crm.Broken:
		return connectionPause
	case f.Uncalled:
		return min(max(f.Wait, shortestPause), connectionPause)
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
