package salesforce

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"gatepost/crm"
	"gatepost/crm/wire"
)

const (
	testOrg   = "00D000000000001EAA"
	testToken = "00D!first.token"
)

// source hands out one session after the other as they are refused.
type source struct {
	mu       sync.Mutex
	sessions []Session
	refused  []int64
	err      error
}

func (s *source) Session(_ context.Context, refused int64) (Session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if refused != 0 {
		s.refused = append(s.refused, refused)
		if len(s.sessions) > 1 {
			s.sessions = s.sessions[1:]
		}
	}
	if s.err != nil {
		return Session{}, s.err
	}
	return s.sessions[0], nil
}

func (s *source) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

// open returns a client of a server that answers with h.
func open(t *testing.T, h http.HandlerFunc, o Options) (*Client, *source, *httptest.Server) {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	src := &source{sessions: []Session{
		{AccessToken: testToken, InstanceURL: srv.URL + "/", OrgID: testOrg, Generation: 1},
		{AccessToken: "00D!second.token", InstanceURL: srv.URL, OrgID: testOrg, Generation: 2},
	}}
	c, err := Open(t.Context(), src, srv.Client(), o)
	if err != nil {
		t.Fatal(err)
	}
	return c, src, srv
}

// answering returns a handler that says the same to everybody.
func answering(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json;charset=UTF-8")
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

// failure returns err as the *crm.Failure that it must be.
func failure(t *testing.T, err error) *crm.Failure {
	t.Helper()
	var f *crm.Failure
	if !errors.As(err, &f) {
		t.Fatalf("error is %v, want a *crm.Failure", err)
	}
	return f
}

func two() []crm.Fields {
	return []crm.Fields{{crm.Email: "ada@example.com", crm.LastName: "Lovelace"}, {crm.Email: "bob@example.com", crm.LastName: "Builder"}}
}

// made is the answer to a Composite call that created two Contacts.
const made = `{"compositeResponse":[{"body":[{"id":"003000000000001AAA","success":true,"errors":[]},{"id":"003000000000002AAA","success":true,"errors":[]}],"httpHeaders":{},"httpStatusCode":200,"referenceId":"p0"}]}`

// none is the answer to a Composite call whose one query found nobody.
const none = `{"compositeResponse":[{"body":{"totalSize":0,"done":true,"records":[]},"httpHeaders":{},"httpStatusCode":200,"referenceId":"p0"}]}`

const sessionExpired = `[{"message":"Session expired or invalid","errorCode":"INVALID_SESSION_ID"}]`

func TestARefusedSessionIsRenewedAndTheCallReplayedOnce(t *testing.T) {
	var tokens []string
	c, src, _ := open(t, func(w http.ResponseWriter, r *http.Request) {
		tokens = append(tokens, r.Header.Get("Authorization"))
		if len(tokens) == 1 {
			answering(401, sessionExpired)(w, r)
			return
		}
		answering(200, made)(w, r)
	}, Options{})
	results, err := c.Write(t.Context(), news(two()), crm.Options{})
	if err != nil || results[0].ID != "003000000000001AAA" {
		t.Fatalf("Create = %v, %v", results, err)
	}
	if want := []string{"Bearer " + testToken, "Bearer 00D!second.token"}; !slices.Equal(tokens, want) {
		t.Errorf("tokens sent: %q, want %q", tokens, want)
	}
	if !slices.Equal(src.refused, []int64{1}) {
		t.Errorf("refused generations: %v, want the first alone", src.refused)
	}
}

func TestASessionRefusedTwiceDoesNotLoop(t *testing.T) {
	calls := 0
	c, src, _ := open(t, func(w http.ResponseWriter, r *http.Request) {
		calls++
		answering(401, sessionExpired)(w, r)
	}, Options{})
	_, err := c.Write(t.Context(), news(two()), crm.Options{})
	f := failure(t, err)
	if f.Class != crm.Connection || f.Code != "INVALID_SESSION_ID" || f.Unknown {
		t.Errorf("failure %+v, want the connection's with a known outcome", f)
	}
	if calls != 2 || len(src.refused) != 1 {
		t.Errorf("%d calls, %d renewals, want 2 and 1", calls, len(src.refused))
	}
}

func TestASourceWithNothingNewerIsNotReplayed(t *testing.T) {
	calls := 0
	c, src, _ := open(t, func(w http.ResponseWriter, r *http.Request) {
		calls++
		answering(401, sessionExpired)(w, r)
	}, Options{})
	src.sessions = src.sessions[:1]
	_, err := c.Write(t.Context(), news(two()), crm.Options{})
	if f := failure(t, err); f.Code != "INVALID_SESSION_ID" || calls != 1 {
		t.Errorf("%d calls, failure %+v", calls, f)
	}
}

// Whatever says that the token is not accepted, or that the instance is elsewhere, asks
// for one newer session; and when that is refused as well, for no other, however often
// it is tried and by whichever client of the process.
func TestARefusalOfTheSessionAsksForOneRenewal(t *testing.T) {
	for name, test := range map[string]struct {
		status int
		body   string
		class  crm.Class
		again  bool // a write is sent again: it can't have been done
	}{
		"expired":             {401, sessionExpired, crm.Connection, true},
		"not for the API":     {401, `[{"message":"This session is not valid for use with the REST API","errorCode":"INVALID_SESSION_ID"}]`, crm.Connection, true},
		"another code":        {401, `[{"message":"x","errorCode":"NEVER_HEARD_OF_IT"}]`, crm.Connection, true},
		"JSON without a code": {401, `{"error":"x"}`, crm.Connection, true},
		"HTML":                {401, "<html>no</html>", crm.Connection, false},
		"nothing":             {401, "", crm.Connection, false},
		"moved":               {301, "", crm.Pause, false},
		"found":               {302, "<html>log in</html>", crm.Pause, false},
		"see other":           {303, "", crm.Pause, false},
		"moved for now":       {307, "", crm.Pause, false},
		"moved for good":      {308, "[]", crm.Pause, false},
	} {
		for _, write := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ", a write: ", write), func(t *testing.T) {
				calls := 0
				renewals := &wire.RefusedTokens{}
				c, src, srv := open(t, func(w http.ResponseWriter, r *http.Request) {
					calls++
					w.Header().Set("Location", "/elsewhere")
					answering(test.status, test.body)(w, r)
				}, Options{Refused: renewals})
				src.sessions = append(src.sessions, Session{AccessToken: "00D!third.token", InstanceURL: srv.URL, OrgID: testOrg, Generation: 3})
				do := func() (err error) {
					if write {
						_, err = c.Write(t.Context(), news(two()), crm.Options{})
					} else {
						_, err = c.Find(t.Context(), []string{"ada@example.com"}, crm.Options{})
					}
					return err
				}
				f := failure(t, do())
				if f.Class != test.class || f.Unknown != (write && !test.again) {
					t.Errorf("failure %+v", f)
				}
				if want := 1 + map[bool]int{true: 1}[!write || test.again]; calls != want {
					t.Errorf("%d calls, want %d", calls, want)
				}
				for range 3 {
					var err error
					if c, err = Open(t.Context(), src, srv.Client(), Options{Refused: renewals}); err != nil {
						t.Fatal(err)
					}
					if do() == nil {
						t.Error("no failure")
					}
				}
				if !slices.Equal(src.refused, []int64{1}) {
					t.Errorf("refused generations: %v, want the first alone", src.refused)
				}
			})
		}
	}
}

func TestTheSourcesFailuresArePassedOn(t *testing.T) {
	broken := &crm.Failure{Class: crm.Connection, Code: crm.Broken}
	for name, test := range map[string]struct {
		err   error
		class crm.Class
		code  string
	}{
		"a failure as it is":    {broken, crm.Connection, crm.Broken},
		"anything else pauses":  {errors.New("database is locked"), crm.Pause, crm.Unavailable},
		"a time-out is named":   {context.DeadlineExceeded, crm.Pause, crm.TimedOut},
		"a cancellation pauses": {context.Canceled, crm.Pause, crm.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			c, src, _ := open(t, answering(200, made), Options{})
			src.fail(test.err)
			_, err := c.Write(t.Context(), news(two()), crm.Options{})
			f := failure(t, err)
			if f.Class != test.class || f.Code != test.code || f.Unknown {
				t.Errorf("failure %+v, want %s %s with a known outcome", f, test.class, test.code)
			}
			if !errors.Is(err, test.err) {
				t.Errorf("cause %v is lost", test.err)
			}
			if _, err := Open(t.Context(), src, nil, Options{}); failure(t, err).Code != test.code {
				t.Errorf("Open fails with %v", err)
			}
		})
	}
}

func TestAnotherOrgIsNotWrittenTo(t *testing.T) {
	calls := 0
	c, src, srv := open(t, func(w http.ResponseWriter, r *http.Request) {
		calls++
		answering(200, made)(w, r)
	}, Options{})
	src.sessions = []Session{{AccessToken: "x", InstanceURL: srv.URL, OrgID: "00D000000000002EAA", Generation: 9}}
	_, err := c.Write(t.Context(), news(two()), crm.Options{})
	if f := failure(t, err); f.Class != crm.Pause || f.Code != crm.OtherOrg || f.Unknown || calls != 0 {
		t.Errorf("%d calls, failure %+v", calls, f)
	}
	if c.Target() != (crm.Target{OrgID: testOrg, InstanceURL: srv.URL}) {
		t.Errorf("target is %+v", c.Target())
	}
}

func TestAMovedInstanceIsFollowedBySession(t *testing.T) {
	moved := httptest.NewServer(answering(200, made))
	t.Cleanup(moved.Close)
	c, src, _ := open(t, answering(401, sessionExpired), Options{})
	src.sessions[1].InstanceURL = moved.URL
	if _, err := c.Write(t.Context(), news(two()), crm.Options{}); err != nil {
		t.Fatal(err)
	}
	if c.Target().InstanceURL != moved.URL {
		t.Errorf("target is %+v, want %s", c.Target(), moved.URL)
	}
}

func TestOpenRefusesSessionsThatAreNoUse(t *testing.T) {
	for name, s := range map[string]Session{
		"no token":          {InstanceURL: "https://contoso.my.salesforce.com"},
		"no address":        {AccessToken: "x"},
		"no scheme":         {AccessToken: "x", InstanceURL: "contoso.my.salesforce.com"},
		"another scheme":    {AccessToken: "x", InstanceURL: "file:///etc/passwd"},
		"someone's address": {AccessToken: "x", InstanceURL: "https://a:b@contoso.my.salesforce.com"},
		"not an address":    {AccessToken: "x", InstanceURL: "https://%zz"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Open(t.Context(), &source{sessions: []Session{s}}, nil, Options{})
			if f := failure(t, err); f.Class != crm.Connection || f.Code != crm.Broken {
				t.Errorf("failure %+v", f)
			}
		})
	}
}

func TestRecordURL(t *testing.T) {
	for _, test := range []struct{ instance, id, want string }{
		{"https://contoso.my.salesforce.com", "003000000000001AAA", "https://contoso.my.salesforce.com/lightning/r/Contact/003000000000001AAA/view"},
		{"http://127.0.0.1:8081/", "003000000000001AAA", "http://127.0.0.1:8081/lightning/r/Contact/003000000000001AAA/view"},
		{"https://contoso.my.salesforce.com", "00Q000000000001AAA", "https://contoso.my.salesforce.com/lightning/r/Lead/00Q000000000001AAA/view"},
		{"https://contoso.my.salesforce.com/", "001000000000001", "https://contoso.my.salesforce.com/001000000000001"},
		{"https://contoso.my.salesforce.com", "../a?b", "https://contoso.my.salesforce.com/lightning/r/Contact/..%2Fa%3Fb/view"},
	} {
		if got := RecordURL(test.instance, test.id); got != test.want {
			t.Errorf("RecordURL(%q, %q) = %q, want %q", test.instance, test.id, got, test.want)
		}
	}
}

func TestBatchIsWhatOneCallTakes(t *testing.T) {
	c, _, _ := open(t, answering(200, none), Options{})
	if c.Provider().Batch != 1000 {
		t.Errorf("Batch = %d", c.Provider().Batch)
	}
}

func TestAClientMayBeShared(t *testing.T) {
	c, _, _ := open(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Sforce-Limit-Info", "api-usage=1/2")
		answering(200, none)(w, r)
	}, Options{})
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if _, err := c.Find(t.Context(), []string{"ada@example.com"}, crm.Options{}); err != nil {
				t.Error(err)
			}
			c.Limits()
			c.Target()
		})
	}
	all.Wait()
}

// decodeComposite reads what was sent in a Composite call.
func decodeComposite(t *testing.T, r *http.Request) (parts []sentPart) {
	t.Helper()
	var call struct {
		AllOrNone        bool       `json:"allOrNone"`
		CompositeRequest []sentPart `json:"compositeRequest"`
	}
	call.AllOrNone = true
	if err := json.NewDecoder(r.Body).Decode(&call); err != nil {
		t.Error(err)
	}
	if r.Method != http.MethodPost || r.URL.Path != "/services/data/v67.0/composite" || call.AllOrNone {
		t.Errorf("%s %s, all or none: %v", r.Method, r.URL, call.AllOrNone)
	}
	if ct := r.Header.Get("Content-Type"); !strings.HasPrefix(ct, "application/json") {
		t.Errorf("Content-Type is %q", ct)
	}
	return call.CompositeRequest
}

type sentPart struct {
	Method, URL, ReferenceID string
	Body                     json.RawMessage
}
