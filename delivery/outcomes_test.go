package delivery

import (
	"bytes"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gatepost/crm"
	"gatepost/db"
)

// A connection's failure outranks a pause, in whatever order they come, and whether
// others get through or not.
func TestTheConnectionOutranksAPause(t *testing.T) {
	pause := &crm.Failure{Class: crm.Pause, Code: "STORAGE_LIMIT_EXCEEDED"}
	connection := &crm.Failure{Class: crm.Connection, Code: "API_DISABLED_FOR_ORG"}
	lock := &crm.Failure{Class: crm.Passing, Code: "UNABLE_TO_LOCK_ROW"}
	bad := &crm.Failure{Class: crm.Recorded, Code: "STRING_TOO_LONG"}
	for name, test := range map[string]struct {
		failures []*crm.Failure // nil: gets through
		reason   string
	}{
		"connection last":               {[]*crm.Failure{pause, connection}, "API_DISABLED_FOR_ORG"},
		"connection first":              {[]*crm.Failure{connection, pause}, "API_DISABLED_FOR_ORG"},
		"connection in the middle":      {[]*crm.Failure{pause, connection, lock}, "API_DISABLED_FOR_ORG"},
		"one gets through":              {[]*crm.Failure{pause, connection, nil}, "API_DISABLED_FOR_ORG"},
		"one is refused for good":       {[]*crm.Failure{bad, pause, connection}, "API_DISABLED_FOR_ORG"},
		"a pause outranks a lock":       {[]*crm.Failure{lock, pause}, "STORAGE_LIMIT_EXCEEDED"},
		"a pause before a lock":         {[]*crm.Failure{pause, lock}, "STORAGE_LIMIT_EXCEEDED"},
		"only locks":                    {[]*crm.Failure{lock, lock}, "UNABLE_TO_LOCK_ROW"},
		"a lone lock is nobody else's":  {[]*crm.Failure{lock}, ""},
		"a lone pause is everybody's":   {[]*crm.Failure{pause}, "STORAGE_LIMIT_EXCEEDED"},
		"a pause that others pass":      {[]*crm.Failure{pause, nil}, ""},
		"locks that others pass":        {[]*crm.Failure{lock, lock, nil}, ""},
		"a pause beside a refusal":      {[]*crm.Failure{pause, bad}, ""},
		"only refusals":                 {[]*crm.Failure{bad, bad}, ""},
		"a lone connection's":           {[]*crm.Failure{connection}, "API_DISABLED_FOR_ORG"},
		"a connection and one refusal":  {[]*crm.Failure{bad, connection}, "API_DISABLED_FOR_ORG"},
		"a connection and a delivery":   {[]*crm.Failure{nil, connection}, "API_DISABLED_FOR_ORG"},
		"connection, then gets through": {[]*crm.Failure{connection, nil, pause}, "API_DISABLED_FOR_ORG"},
	} {
		t.Run(name, func(t *testing.T) {
			h, c := newHouse(t, "a"), newCRM()
			emails := many(len(test.failures))
			for i, f := range test.failures {
				if f != nil {
					c.refuses[emails[i]] = f
				}
			}
			ids := h.signUp("a/1", emails...)
			takes(h.dispatcher(crms{"a": c}), "a")
			if p := h.pause("a"); p.Reason != test.reason {
				t.Errorf("paused for %q, want %q", p.Reason, test.reason)
			}
			for i, f := range test.failures {
				want, reason := db.Waiting, ""
				switch {
				case f == nil:
					want = db.Delivered
				case f.Class == crm.Recorded:
					want, reason = db.Attention, f.Code
				default:
					reason = f.Code
				}
				if s := h.subscriber("a", ids[i]); s.State != want || s.Reason != reason || s.Attempts != 1 {
					t.Errorf("subscriber %d: %s, %q", i, s.State, s.Reason)
				}
			}
			h.adds("a")
		})
	}
}

// One whose write was lost when it was alone may be to blame, and lets the others go
// first; of several nobody knows who is, and all keep their places.
func TestALoneSuspectStepsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, c := newHouse(t, "a"), newCRM()
		c.batch = 1
		c.faults = []fault{{on: "create", err: lost(crm.TimedOut)}, {on: "create", err: lost(crm.TimedOut)}, {on: "create", err: lost(crm.TimedOut)}, {on: "create", err: lost(crm.TimedOut)}}
		suspect := h.signUp("a/1", "suspect@example.com")[0]
		d := h.dispatcher(crms{"a": c})
		for range 4 {
			h.exec(`UPDATE pauses SET until = 0`)
			h.exec(`UPDATE deliveries SET due_at = 0, settles_at = 0`)
			takes(d, "a")
		}
		s := h.subscriber("a", suspect)
		if wait := s.DueAt.Sub(now()); wait < 4*time.Second || s.SentAt.IsZero() {
			t.Fatalf("due in %v: %+v", wait, s)
		}
		h.exec(`UPDATE pauses SET until = 0`)
		other := h.signUp("a/1", "other@example.com")[0]
		takes(d, "a")
		if s := h.subscriber("a", other); s.State != db.Delivered {
			t.Errorf("the other one waits behind the suspect: %+v", s)
		}
		if s := h.subscriber("a", suspect); s.State != db.Waiting || s.Attempts != 4 {
			t.Errorf("the suspect was tried before its time: %+v", s)
		}
	})
	h, c := newHouse(t, "a"), newCRM()
	c.faults = []fault{{on: "create", err: lost(crm.TimedOut)}}
	ids := h.signUp("a/1", many(2)...)
	before := h.subscriber("a", ids[0]).DueAt
	takes(h.dispatcher(crms{"a": c}), "a")
	for _, id := range ids {
		if s := h.subscriber("a", id); !s.DueAt.Equal(before) || s.SentAt.IsZero() {
			t.Errorf("of two: %+v", s)
		}
	}
}

// A call that fails for everybody's sake is nobody's own refusal: however long it lasts,
// nobody comes to need attention for it.
func TestAnOutageIsNobodysRefusal(t *testing.T) {
	for _, f := range []*crm.Failure{lost(crm.Unavailable), {Class: crm.Pause, Code: "SERVER_UNAVAILABLE"}, {Class: crm.Connection, Code: crm.Broken}} {
		h, c := newHouse(t, "a"), newCRM()
		id := h.signUp("a/1", "jane@example.com")[0]
		d := h.dispatcher(crms{"a": c})
		for range crm.MostTries + 1 {
			c.faults = []fault{{on: "create", err: f}}
			h.atOnce()
			takes(d, "a")
		}
		if s := h.subscriber("a", id); s.State != db.Waiting || s.Refusals != 0 || s.Attempts != crm.MostTries+1 {
			t.Errorf("%s: %+v", f.Code, s)
		}
		c.faults = nil
		h.atOnce()
		takes(d, "a")
		if s := h.subscriber("a", id); s.State != db.Delivered {
			t.Errorf("%s: %+v", f.Code, s)
		}
	}
}

// An outage in between doesn't make a record's own refusals forgotten, and a success does.
func TestRefusalsAreInARow(t *testing.T) {
	h, c := newHouse(t, "a"), newCRM()
	c.refuses["jane@example.com"] = &crm.Failure{Class: crm.Passing, Code: "UNABLE_TO_LOCK_ROW", Tries: 3}
	id := h.signUp("a/1", "jane@example.com")[0]
	d := h.dispatcher(crms{"a": c})
	for n, want := range []int{1, 1, 2} {
		if n == 1 {
			c.faults = []fault{{on: "create", err: lost(crm.TimedOut)}}
		}
		h.atOnce()
		takes(d, "a")
		if s := h.subscriber("a", id); s.Refusals != want || s.State != db.Waiting {
			t.Fatalf("try %d: %+v", n, s)
		}
	}
	h.atOnce()
	takes(d, "a")
	if s := h.subscriber("a", id); s.State != db.Attention || s.Refusals != 0 {
		t.Errorf("at the end: %+v", s)
	}
	// Its record is there, and only its names are refused, for as long: that is no reason
	// to need somebody.
	c.records["joe@example.com"] = []string{"003there"}
	c.refuses["003there"] = &crm.Failure{Class: crm.Passing, Code: "UNABLE_TO_LOCK_ROW", Tries: 1, Detail: "Locked."}
	joe := h.signUp("a/1", "joe@example.com")[0]
	h.exec(`UPDATE subscribers SET first_name = 'Joe'`)
	takes(d, "a")
	if s := h.subscriber("a", joe); s.State != db.Delivered || s.RecordID != "003there" || !strings.Contains(s.Detail, "not changed (UNABLE_TO_LOCK_ROW). Locked.") {
		t.Errorf("a change: %+v", s)
	}
	h.adds("a")
}

// A record that is deleted whenever it is to be changed doesn't go on for ever.
func TestWhatIsAlwaysGoneEnds(t *testing.T) {
	h, c := newHouse(t, "a"), newCRM()
	c.records["jane@example.com"] = []string{"003there"}
	c.refuses["003there"] = &crm.Failure{Class: crm.Recorded, Code: crm.Gone}
	id := h.signUp("a/1", "jane@example.com")[0]
	h.exec(`UPDATE subscribers SET first_name = 'Jane'`)
	d := h.dispatcher(crms{"a": c})
	for range crm.MostTries - 1 {
		h.atOnce()
		takes(d, "a")
		if s := h.subscriber("a", id); s.State != db.Waiting || s.Reason != crm.Gone || h.pause("a").Reason != "" {
			t.Fatalf("%+v, %+v", s, h.pause("a"))
		}
	}
	h.atOnce()
	takes(d, "a")
	if s := h.subscriber("a", id); s.State != db.Attention || s.Reason != crm.Gone || s.RecordID != "" {
		t.Errorf("%+v", s)
	}
}

// Whose record came to be by another way is looked up and taken, as the tenant's settings
// want it; where the look-up never sees it, it ends with a link to it.
func TestARecordThatExistsIsTaken(t *testing.T) {
	h, c := newHouse(t, "a"), newCRM()
	d := h.dispatcher(crms{"a": c})
	c.refuses["jane@example.com"] = &crm.Failure{Class: crm.Recorded, Code: crm.Exists, Match: "003there"}
	id := h.says("a/1", "jane@example.com", "Jane", "Doe")
	takes(d, "a")
	if s := h.subscriber("a", id); s.State != db.Waiting || s.Reason != crm.Exists || s.RecordID != "" || h.pause("a").Reason != "" {
		t.Fatalf("%+v, %+v", s, h.pause("a"))
	}
	c.records["jane@example.com"], c.names["003there"] = []string{"003there"}, crm.Fields{crm.LastName: "Doe"}
	h.atOnce()
	takes(d, "a")
	c.wantName(t, "taken", "jane@example.com", "Jane", "Doe")
	if s := h.subscriber("a", id); s.State != db.Delivered || s.RecordID != "003there" || s.Refusals != 0 {
		t.Errorf("%+v", s)
	}

	c.refuses["joe@example.com"] = &crm.Failure{Class: crm.Recorded, Code: crm.Exists, Match: "003hidden"}
	joe := h.signUp("a/1", "joe@example.com")[0]
	for range crm.MostTries {
		h.atOnce()
		takes(d, "a")
	}
	if s := h.subscriber("a", joe); s.State != db.Attention || s.Reason != crm.Exists || s.MatchID != "003hidden" {
		t.Errorf("%+v", s)
	}
	h.adds("a")
}

// A pause is told when it begins, when its reason changes, and when it is over; not each
// time that it is found to last.
func TestPausesAreLoggedOnChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, c := newHouse(t, "a"), newCRM()
		var out bytes.Buffer
		all := crms{}
		d := New(Config{Store: h.db, Connect: all.connect, Log: slog.New(slog.NewTextHandler(&out, nil))})
		h.signUp("a/1", "jane@example.com")
		stop := run(t, d)
		time.Sleep(10 * time.Minute)
		stop()
		all["a"] = c
		c.faults = slices.Repeat([]fault{{on: "find", err: &crm.Failure{Class: crm.Pause, Code: "SERVER_UNAVAILABLE"}}}, 5)
		stop = run(t, d)
		time.Sleep(time.Hour)
		stop()
		var told []string
		for line := range strings.Lines(out.String()) {
			if strings.Contains(line, "delivering") {
				told = append(told, line[strings.Index(line, "level="):])
			}
		}
		want := []string{`level=WARN msg="delivering pauses" tenant=a destination=a class=connection code=not_connected` + "\n",
			`level=WARN msg="delivering pauses" tenant=a destination=a class=pause code=SERVER_UNAVAILABLE` + "\n",
			`level=INFO msg="delivering goes on" tenant=a destination=a after=SERVER_UNAVAILABLE tries=`}
		if len(told) != 3 || told[0] != want[0] || told[1] != want[1] || !strings.HasPrefix(told[2], want[2]) {
			t.Errorf("told:\n%s", strings.Join(told, ""))
		}
	})
}
