package db

import (
	"cmp"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"
)

// becoming is what a sign-up is to make of somebody.
type becoming struct {
	state            State
	deliveries       int
	mail, held       bool
	repeated         int // how often they are counted as repeated
	first            string
	consents, asides int
}

// What a sign-up makes of somebody depends on who is there, and on whether it is held or to be
// confirmed. The sums hold throughout, and no mail or delivery comes out of what is held.
func TestWhatASignUpMakesOfSomebody(t *testing.T) {
	clean := func(s SignUp) SignUp { return s }
	confirm := func(s SignUp) SignUp { s.Confirm = true; return s }
	held := func(s SignUp) SignUp { s.Held = []string{"honeypot", "names"}; return s }
	noMail := func(s SignUp) SignUp { s.Confirm, s.CanMail = true, false; return s }
	ways := map[string]func(SignUp) SignUp{"clean": clean, "confirm": confirm, "held": held, "no mail": noMail}

	is := map[string]func(*DB, string) error{
		"nobody":      nil,
		"active":      func(d *DB, id string) error { return nil },
		"left":        func(d *DB, id string) error { _, err := d.Leave(t.Context(), "a", id, "ann", ""); return err },
		"unconfirmed": nil, "on hold": nil, "rejected": nil, "suppressed": nil,
	}
	want := map[string]map[string]becoming{
		"nobody": {
			"clean":   {state: Active, deliveries: 1, first: "Janet"},
			"confirm": {state: Unconfirmed, mail: true, first: "Janet"},
			"held":    {state: OnHold, held: true, first: "Janet"},
			"no mail": {state: Active, deliveries: 1, first: "Janet"},
		},
		"active": {
			"clean":   {state: Active, deliveries: 1, repeated: 1, first: "Janet", consents: 1},
			"confirm": {state: Active, deliveries: 1, repeated: 1, first: "Jane", consents: 1},
			"held":    {state: Active, deliveries: 1, held: true, first: "Jane", asides: 1},
			"no mail": {state: Active, deliveries: 1, repeated: 1, first: "Jane", consents: 1},
		},
		"unconfirmed": {
			"clean":   {state: Active, deliveries: 1, mail: true, repeated: 1, first: "Janet", consents: 1},
			"confirm": {state: Unconfirmed, mail: true, repeated: 1, first: "Jane", consents: 1},
			"held":    {state: Unconfirmed, mail: true, held: true, first: "Jane", asides: 1},
			"no mail": {state: Active, deliveries: 1, mail: true, repeated: 1, first: "Jane", consents: 1},
		},
		"on hold": {
			"clean":   {state: Active, deliveries: 1, repeated: 1, first: "Janet", consents: 1},
			"confirm": {state: Unconfirmed, mail: true, repeated: 1, first: "Jane", consents: 1},
			"held":    {state: OnHold, held: true, first: "Jane"},
			"no mail": {state: Active, deliveries: 1, repeated: 1, first: "Jane", consents: 1},
		},
		"left": {
			"clean":   {state: Left, deliveries: 0, mail: true, repeated: 1, first: "Jane", consents: 2},
			"confirm": {state: Left, deliveries: 0, mail: true, repeated: 1, first: "Jane", consents: 2},
			"held":    {state: Left, deliveries: 0, held: true, first: "Jane", consents: 1, asides: 1},
			"no mail": {state: Left, deliveries: 0, held: true, first: "Jane", consents: 1, asides: 1},
		},
		"rejected": {
			"clean":   {state: Rejected, held: true, first: "Jane", asides: 1},
			"confirm": {state: Rejected, held: true, first: "Jane", asides: 1},
			"held":    {state: Rejected, held: true, first: "Jane", asides: 1},
			"no mail": {state: Rejected, held: true, first: "Jane", asides: 1},
		},
		"suppressed": {
			"clean":   {state: Unconfirmed, mail: true, first: "Janet"},
			"confirm": {state: Unconfirmed, mail: true, first: "Janet"},
			"held":    {state: OnHold, held: true, first: "Janet"},
			"no mail": {state: OnHold, held: true, first: "Janet"},
		},
	}
	d := withNewsletters(t, "a/1")
	before := map[string]int{}
	count := func(query string, args ...any) int { return number(t, d, query, args...) }
	n := 0
	for there := range is {
		for way, how := range ways {
			t.Run(there+", "+way, func(t *testing.T) {
				n++
				s := signUp("a/1", fmt.Sprintf("jane%d@example.com", n))
				s.CanMail, s.MAC = true, fmt.Sprintf("mac%d", n)
				first := s
				first.FirstName, s.FirstName = "Jane", "Janet"
				s.At = s.At.Add(time.Minute)
				switch there {
				case "active", "left":
					unless(t, is[there](d, add(t, d, first)[0]))
				case "unconfirmed":
					first.Confirm = true
					add(t, d, first)
				case "on hold", "rejected":
					first.Held = []string{"burst"}
					id := add(t, d, first)[0]
					if h, err := d.HoldOf(t.Context(), "a", id); err != nil {
						t.Fatal(err)
					} else if there == "rejected" {
						_, err := d.RejectHolds(t.Context(), "a", []string{h.ID}, "ann")
						unless(t, err)
					}
				case "suppressed":
					_, err := d.write.Exec(`INSERT INTO suppressions (tenant_id, mac, newsletter_id, since, how) VALUES ('a', $1, '', 1, 'list')`, s.MAC)
					unless(t, err)
				}
				before["repeated"] = count(`SELECT COALESCE(sum(n), 0) FROM ledger WHERE tenant_id = 'a' AND kind = 'repeated'`)
				id := add(t, d, how(s))[0]
				got, err := d.Subscriber(t.Context(), "a", id)
				unless(t, err)
				w := want[there][way]
				if got.Status != w.state || got.FirstName != w.first {
					t.Errorf("became %s, %s; want %s, %s", got.Status, got.FirstName, w.state, w.first)
				}
				if open := slices.DeleteFunc(slices.Clone(got.Deliveries), func(d Delivery) bool { return d.State == Ended }); len(open) != w.deliveries {
					t.Errorf("deliveries %+v, want %d", got.Deliveries, w.deliveries)
				}
				if mails := count(`SELECT count(*) FROM reader_mails WHERE subscriber_id = $1`, id); (mails == 1) != w.mail || mails > 1 {
					t.Errorf("%d mails, want %v", mails, w.mail)
				}
				h, err := d.HoldOf(t.Context(), "a", id)
				if (err == nil) != w.held || h.Repeat != (w.asides > 0) {
					t.Errorf("held: %v, %+v; want %v", err, h, w.held)
				}
				if c := count(`SELECT count(*) FROM consents WHERE subscriber_id = $1`, id); c != w.consents {
					t.Errorf("%d further records of consent, want %d", c, w.consents)
				}
				if r := count(`SELECT COALESCE(sum(n), 0) FROM ledger WHERE tenant_id = 'a' AND kind = 'repeated'`) - before["repeated"]; r != w.repeated {
					t.Errorf("counted as repeated: %d, want %d", r, w.repeated)
				}
				d.agrees(t, "a", nil)
			})
		}
	}
}

// A test brings nobody back, whenever they leave; others in its transaction are stored, and the sums hold.
func TestATestBringsNobodyBack(t *testing.T) {
	d := withNewsletters(t, "a/1")
	for _, mac := range []string{"gone", "back", "waits"} {
		_, err := d.Suppress(t.Context(), "a", "", LeftByList, []string{mac})
		unless(t, err)
	}
	test := func(name string) SignUp {
		s := signUp("a/1", name+"@example.com")
		s.MAC, s.FirstName = name, "Test"
		return s
	}
	ids := map[string]string{}
	for name, state := range map[string]State{"left": Left, "back": Active, "waits": Unconfirmed, "held": OnHold, "rejected": Rejected, "active": Active} {
		s := signUp("a/1", name+"@example.com")
		ids[name] = add(t, d, s)[0]
		k := known{place: s.place(ids[name], Active)}
		unless(t, d.tx(t.Context(), func(tx *sql.Tx) error {
			return d.change(t.Context(), tx, func(c *change) error {
				if state == Active {
					return nil
				}
				return cmp.Or(c.setState(t.Context(), k, state, ""), c.endOpen(t.Context(), "a", k.id))
			})
		}))
	}
	want := map[string]State{"new": Active, "left": Left, "back": Active, "waits": Unconfirmed, "held": Active, "rejected": Active, "active": Active, "gone": ""}
	var all []SignUp
	for _, name := range slices.Sorted(maps.Keys(want)) {
		s := test(name)
		s.Source = SourceTest
		all = append(all, s)
	}
	answers, err := d.AddSignUps(t.Context(), all)
	unless(t, err)
	for i, name := range slices.Sorted(maps.Keys(want)) {
		refused := want[name] == Left || want[name] == Unconfirmed || want[name] == ""
		if errors.Is(answers[i].Err, ErrLeft) != refused || !refused && answers[i].Err != nil {
			t.Errorf("%s: %v", name, answers[i].Err)
		}
		if want[name] == "" {
			continue
		}
		s := d.one(t, cmp.Or(ids[name], answers[i].ID))
		if s.Status != want[name] || (s.FirstName == "Test") == refused {
			t.Errorf("%s became %s, %s", name, s.Status, s.FirstName)
		}
	}
	wantN(t, d, 0, `SELECT count(*) FROM subscribers WHERE email_key = 'gone@example.com'`)
	d.agrees(t, "a", nil)
}

// A file brings nobody back, and who comes by one is counted as imported.
func TestAFileBringsNobodyBack(t *testing.T) {
	d := withNewsletters(t, "a/1")
	s := signUp("a/1", "jane@example.com")
	s.CanMail = true
	id := add(t, d, s)[0]
	_, err := d.LeaveOne(t.Context(), "a", id, Leaving{At: d.now(), How: LeftByLink, Why: "Too many."})
	unless(t, err)
	_, err = d.write.Exec(`INSERT INTO suppressions (tenant_id, mac, newsletter_id, since, how) VALUES ('a', 'm', 'a/1', 1, 'list')`)
	unless(t, err)
	gone := signUp("a/1", "john@example.com")
	gone.MAC = "m"
	fresh := signUp("a/1", "ann@example.com")
	var ids []string
	for _, s := range []SignUp{s, gone, fresh} {
		s.Source, s.Confirm, s.CanMail = SourceImport, true, true
		ids = append(ids, add(t, d, s)...)
	}
	for i, want := range []State{Left, Left, Active} {
		if got := d.one(t, ids[i]); got.Status != want {
			t.Errorf("%s is %s, want %s", got.Email, got.Status, want)
		}
	}
	wantN(t, d, 0, `SELECT count(*) FROM reader_mails`)
	d.agrees(t, "a", Sums{New: 1, Imported: 2, Repeated: 1, Left: 2, Active: 1, Entered: 2, Ended: 1, Waiting: 1})
}

// Who doesn't confirm, or is held, goes when the term of their newsletter is over, and is
// counted; a sign-up of later is a new person.
func TestReadersExpire(t *testing.T) {
	d := withNewsletters(t, "a/1")
	now := signUp("a/1", "x").At
	d.now = func() time.Time { return now }
	var all []SignUp
	for i, change := range []func(*SignUp){func(s *SignUp) {}, func(s *SignUp) { s.Confirm = true }, func(s *SignUp) { s.Held = []string{"burst"} }, func(s *SignUp) { s.Confirm = true; s.At = s.At.Add(2 * time.Hour) }} {
		s := signUp("a/1", fmt.Sprintf("%d@example.com", i))
		s.CanMail = true
		change(&s)
		all = append(all, s)
	}
	ids := add(t, d, all...)
	_, err := d.write.Exec(`INSERT INTO removals (tenant_id, subscriber_id, newsletter_id, hour, repeated, revision, actor, asked_at, ended_at, erased, kind) VALUES ('a', $1, 'a/1', 0, 0, 0, '', 1, 0, 0, '')`, ids[1])
	unless(t, err) // they were a test that wasn't undone after all
	now = now.Add(30*24*time.Hour + time.Hour)
	for range 2 {
		if more, err := d.ExpireReaders(t.Context(), "a"); more || err != nil {
			t.Fatal(more, err)
		}
		d.agrees(t, "a", Sums{New: 4, Entered: 1, Active: 1, Waiting: 1, Unconfirmed: 1, Expired: 2})
	}
	wantN(t, d, 0, `SELECT count(*) FROM holds`)
	all[1].At = now
	add(t, d, all[1])
	d.agrees(t, "a", Sums{New: 5, Entered: 1, Active: 1, Waiting: 1, Unconfirmed: 2, Expired: 2})
}

// What is held is listed with its reasons; accepted, it does what it would have done.
func TestWhatIsHeldIsDecided(t *testing.T) {
	d := withNewsletters(t, "a/1")
	s := signUp("a/1", "jane@example.com")
	s.Held, s.Network, s.FirstName = []string{"honeypot", "names"}, "net", "Jane"
	id := add(t, d, s)[0]
	s.Held = []string{"burst"}
	add(t, d, s)
	there := signUp("a/1", "john@example.com")
	there.FirstName, there.Fields = "John", `{"f1":"tulips"}`
	add(t, d, there)
	there.Held, there.FirstName, there.Fields = []string{"names"}, "Jonathan", `{"f1":"roses"}`
	add(t, d, there)
	list, total, err := d.Holds(t.Context(), "a", HoldQuery{Limit: 10})
	if err != nil || total != 2 || len(list) != 2 || list[1].ID == "" || list[1].N != 2 || !slices.Equal(list[1].Reasons, []string{"burst"}) || list[1].Network != "net" || list[1].Repeat || !list[0].Repeat || list[0].Email != "john@example.com" {
		t.Fatalf("%+v, %d, %v", list, total, err)
	}
	if repeat := list[0]; repeat.FirstName != "John" || repeat.Sent.FirstName != "Jonathan" || repeat.Sent.Fields["f1"] != "roses" || repeat.Fields["f1"] != "tulips" || list[1].Sent.FirstName != "Jane" {
		t.Errorf("what was sent, and what is there: %+v", list)
	}
	if page, _, err := d.Holds(t.Context(), "a", HoldQuery{After: list[0].ID, Limit: 10}); err != nil || len(page) != 1 || page[0].Subscriber.ID != id {
		t.Errorf("the next page: %+v, %v", page, err)
	}
	if done, err := d.AcceptHolds(t.Context(), "b", []string{list[0].ID, list[1].ID}, "ann", false); done != 0 || err != nil {
		t.Errorf("another tenant: %d, %v", done, err)
	}
	if done, err := d.AcceptHolds(t.Context(), "a", []string{list[0].ID, list[1].ID}, "ann", false); done != 2 || err != nil {
		t.Errorf("accepted %d, %v", done, err)
	}
	d.agrees(t, "a", Sums{New: 2, Repeated: 1, Active: 2, Waiting: 2})
	if got := d.one(t, list[0].Subscriber.ID); got.FirstName != "Jonathan" {
		t.Errorf("what was held isn't taken over: %+v", got)
	}
	wantN(t, d, 0, `SELECT count(*) FROM holds WHERE decided_at = 0 OR sign_up <> ''`)
}
