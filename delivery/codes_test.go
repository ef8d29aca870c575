package delivery

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gatepost/crm"
	"gatepost/crm/salesforce"
	"gatepost/db"
	"gatepost/mocksalesforce"
)

// simulated is a simulated Salesforce, and a connection with it.
type simulated struct {
	t       testing.TB
	url     string
	session salesforce.Session
}

func newSimulated(t testing.TB) *simulated {
	t.Helper()
	mock, err := mocksalesforce.Open(t.Context(), mocksalesforce.Options{Data: filepath.Join(t.TempDir(), "salesforce.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { mock.Close() })
	srv := httptest.NewServer(mock.Handler())
	t.Cleanup(srv.Close)
	s := &simulated{t: t, url: srv.URL}
	s.renew()
	return s
}

// tell tells the simulated Salesforce something and reads what it says.
func (s *simulated) tell(what, body string, into any) {
	s.t.Helper()
	resp, err := http.Post(s.url+"/_control/"+what, "application/json", strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil || resp.StatusCode != http.StatusOK {
		s.t.Fatalf("%s: %d, %v", what, resp.StatusCode, err)
	}
}

func (s *simulated) renew() {
	var token struct {
		AccessToken string `json:"access_token"`
		InstanceURL string `json:"instance_url"`
	}
	s.tell("session", "{}", &token)
	s.session = salesforce.Session{AccessToken: token.AccessToken, InstanceURL: token.InstanceURL, OrgID: "00D1", Generation: s.session.Generation + 1}
}

// Session implements salesforce.Source.
func (s *simulated) Session(_ context.Context, refused int64) (salesforce.Session, error) {
	if refused == s.session.Generation {
		s.renew()
	}
	return s.session, nil
}

func (s *simulated) connect(ctx context.Context, _ db.DestinationKey) (crm.CRM, error) {
	return salesforce.Open(ctx, s, http.DefaultClient, salesforce.Options{})
}

func (s *simulated) fail(on, code, message string, status, count int) {
	s.t.Helper()
	body, _ := json.Marshal(map[string]any{"on": on, "status": status, "error_code": code, "message": message, "count": count})
	s.tell("fail", string(body), &struct{}{})
}

func (s *simulated) calm() {
	s.t.Helper()
	for _, on := range []string{"record", "create", "composite"} {
		s.fail(on, "", "", 0, 0)
	}
}

// at once lets everything be tried that waits for something.
func (h *house) atOnce() {
	h.t.Helper()
	h.exec(`UPDATE deliveries SET due_at = 0, settles_at = 0`)
	h.exec(`UPDATE pauses SET until = 0`)
}

// promised is what a page says of somebody.
func promised(s db.Subscriber, p db.Pause) (code string, again bool) {
	code, _, _ = s.Why(p)
	e := salesforce.Provider.GaveUp(code)
	if s.State == db.Waiting {
		e = salesforce.Provider.Sentence(code)
	}
	return code, e.Who == crm.Nobody || strings.Contains(e.What+e.Mend, "by ourselves")
}

// For every code that is known, however it comes: what becomes of somebody is what the
// table says, who waits gets there once it has passed, and who needs attention is not
// told that it is tried again, and isn't.
func TestEveryCodeKeepsItsPromise(t *testing.T) {
	t.Parallel()
	sf := newSimulated(t)
	h := newHouse(t, "a")
	d := New(Config{Store: paced{h.db, 0}, Connect: sf.connect})
	ways := []struct {
		name   string
		on     string
		people int
		status int
		whole  bool // the call, of several records or of none
		some   bool // tried for a few of the codes
	}{
		{"one record, alone", "record", 1, 400, false, false},
		{"one record of two", "record", 2, 400, false, false},
		{"the look-up", "composite", 1, 400, true, false},
		{"the write of one", "create", 1, 400, false, true},
		{"the look-up, in trouble", "composite", 2, 503, true, true},
		{"the look-up, refused", "composite", 1, 401, true, true},
	}
	some := []string{"UNKNOWN_EXCEPTION", "INVALID_SESSION_ID", "STRING_TOO_LONG", "UNABLE_TO_LOCK_ROW", "REQUEST_LIMIT_EXCEEDED", "INVALID_FIELD"}
	for n, code := range slices.Sorted(maps.Keys(salesforce.Provider.Codes)) {
		known, _ := salesforce.Provider.KnownCode(code)
		for w, way := range ways {
			if way.some && !slices.Contains(some, code) {
				continue
			}
			t.Run(code+", "+way.name, func(t *testing.T) {
				sf.t, h.t = t, t
				sf.calm()
				h.exec(`DELETE FROM pauses`)
				var emails []string
				for i := range way.people {
					emails = append(emails, fmt.Sprintf("r%d-%d-%d@example.com", n, w, i))
				}
				// A session that is refused is renewed, and tried once more.
				count := map[bool]int{true: 2, false: 1}[way.status == 401]
				sf.fail(way.on, code, "said", way.status, count)
				id := h.signUp("a/1", emails...)[0]
				takes(d, "a")
				got, pause := h.subscriber("a", id), h.pause("a")
				verdict := known.Record
				if way.whole {
					verdict = known.Call
				}
				switch {
				case way.status == 401:
					verdict.Class = crm.Connection
				case way.status != 400 && verdict.Class == crm.Recorded:
					verdict.Class = crm.Pause
				}
				why, again := promised(got, pause)
				if !strings.EqualFold(why, code) {
					t.Errorf("shown as %s", why)
				}
				final := verdict.Class == crm.Recorded
				if want := map[bool]db.State{true: db.Attention, false: db.Waiting}[final]; got.State != want {
					t.Fatalf("%+v is %s, said: %s", verdict, got.State, got.Reason)
				}
				if final && again {
					t.Error("another try is promised to who needs attention")
				}
				everybody := way.whole || verdict.Class == crm.Connection || verdict.Class == crm.Pause && way.people == 1
				if (pause.Reason != "") != everybody {
					t.Errorf("%+v pauses everybody: %+v", verdict, pause)
				}
				h.atOnce()
				for takes(d, "a") {
				}
				if s := h.subscriber("a", id); s.State != map[bool]db.State{true: db.Attention, false: db.Delivered}[final] {
					t.Errorf("after it has passed: %s, %s", s.State, s.Reason)
				}
			})
		}
	}
	sf.t, h.t = t, t
	h.adds("a")
}

// What never passes after all ends: the pauses grow, and at last it needs somebody, with
// the reason, who isn't told to wait.
func TestWhatNeverPassesEnds(t *testing.T) {
	sf := newSimulated(t)
	h := newHouse(t, "a")
	d := New(Config{Store: paced{h.db, 0}, Connect: sf.connect})
	for code, most := range map[string]int{"UNABLE_TO_LOCK_ROW": 24, "UNKNOWN_EXCEPTION": 12, "SERVER_UNAVAILABLE": 24, "STORAGE_LIMIT_EXCEEDED": 24} {
		t.Run(code, func(t *testing.T) {
			sf.t, h.t = t, t
			var last db.Subscriber
			id := h.signUp("a/1", code+"@example.com")[0]
			tries := 0
			for ; tries < 30; tries++ {
				sf.calm()
				sf.fail("record", code, "", 400, 1)
				h.signUp("a/1", fmt.Sprintf("%s%d@example.com", code, tries)) // who gets through
				h.exec(`UPDATE deliveries SET due_at = 0`)
				h.exec(`UPDATE deliveries SET due_at = 1 WHERE subscriber_id <> $1`, id)
				before := now()
				takes(d, "a")
				last = h.subscriber("a", id)
				if last.State != db.Waiting {
					break
				}
				if least := min(1<<tries, 3600) * 400; tries < 11 && last.DueAt.Sub(before).Milliseconds() < int64(least) {
					t.Errorf("after %d tries it waits %v", tries+1, last.DueAt.Sub(before))
				}
				if last.Refusals != tries+1 {
					t.Fatalf("%d refusals after %d", last.Refusals, tries+1)
				}
			}
			if last.State != db.Attention || last.Reason != code || tries+1 != most || last.Refusals != 0 {
				t.Errorf("after %d tries: %+v", tries+1, last)
			}
			if _, again := promised(last, db.Pause{}); again {
				t.Error("another try is promised")
			}
			h.must(h.db.Retry(t.Context(), to("a"), id, ""))
			sf.calm()
			takes(d, "a")
			if s := h.subscriber("a", id); s.State != db.Delivered {
				t.Errorf("sent again: %+v", s)
			}
		})
	}
	sf.t, h.t = t, t
	h.adds("a")
}

// An automation that met a locked row is tried again, and DUPLICATE_VALUE links the
// record that it names.
func TestWhatAMessageTells(t *testing.T) {
	sf := newSimulated(t)
	h := newHouse(t, "a")
	d := New(Config{Store: paced{h.db, 0}, Connect: sf.connect})
	sf.fail("record", "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "T: execution of BeforeInsert caused by: System.DmlException: first error: UNABLE_TO_LOCK_ROW, unable to obtain exclusive access: []", 400, 1)
	id := h.signUp("a/1", "jane@example.com")[0]
	takes(d, "a")
	if s := h.subscriber("a", id); s.State != db.Waiting || s.Reason != "UNABLE_TO_LOCK_ROW" || !strings.Contains(s.Detail, "T: execution") {
		t.Errorf("%+v", s)
	}
	h.atOnce()
	takes(d, "a")
	if s := h.subscriber("a", id); s.State != db.Delivered {
		t.Errorf("%+v", s)
	}
	for n, people := range [][]string{{"joe@example.com"}, {"jill@example.com", "jack@example.com"}} {
		sf.fail("record", "DUPLICATE_VALUE", "duplicate value found: Ext__c duplicates value on record with id: 0030000000abcde", 400, 1)
		id := h.signUp("a/1", people...)[0]
		takes(d, "a")
		if s := h.subscriber("a", id); s.State != db.Attention || s.MatchID != "0030000000abcde" || s.InstanceURL != sf.session.InstanceURL {
			t.Errorf("%d: %+v", n, s)
		}
	}
}

// A renamed My Domain is found by one renewal, without anybody's help.
func TestARenamedMyDomainIsFound(t *testing.T) {
	sf := newSimulated(t)
	h := newHouse(t, "a")
	d := New(Config{Store: paced{h.db, 0}, Connect: sf.connect})
	sf.fail("composite", "", "", 301, 1)
	id := h.signUp("a/1", "jane@example.com")[0]
	takes(d, "a")
	if s := h.subscriber("a", id); s.State != db.Delivered || sf.session.Generation != 2 {
		t.Errorf("%+v, generation %d", s, sf.session.Generation)
	}
}

// What the check-up says that sign-ups take is what they take.
func TestAsManyCallsAreMadeAsTheCheckUpSays(t *testing.T) {
	sf := newSimulated(t)
	h := newHouse(t, "a")
	var made *salesforce.Client
	d := New(Config{Store: paced{h.db, 0}, Connect: func(ctx context.Context, _ db.DestinationKey) (crm.CRM, error) {
		var err error
		made, err = salesforce.Open(ctx, sf, http.DefaultClient, salesforce.Options{})
		return made, err
	}})
	for n, most := range map[int]int{1: 2, 1000: 3} {
		var emails []string
		for i := range n {
			emails = append(emails, fmt.Sprintf("of%d-%d@example.com", n, i))
		}
		h.signUp("a/1", emails...)
		takes(d, "a")
		if made.Calls() > most || made.Calls() < 2 {
			t.Errorf("%d calls for %d", made.Calls(), n)
		}
	}
	if s := h.adds("a"); s[db.Delivered] != 1001 {
		t.Errorf("sums %+v", s)
	}
	checks, err := made.CheckUp(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(checks, func(c crm.Check) bool {
		return strings.Contains(c.Meaning, "about 2 API calls for each sign-up that comes alone, 3 for a thousand at once")
	}) {
		t.Errorf("%+v", checks)
	}
}
