package hubspot_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gatepost/crm"
	"gatepost/crm/hubspot"
)

// The numbers in the names of tests are those of the list of what a client must do, in the
// facts about HubSpot.

// A refused token is renewed once and the call made again, reads and writes; a
// second refusal ends the connection, and nothing is renewed again for it.
func Test7b04ARefusedTokenIsRenewedOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.post("expire-access-tokens", "{}", nil)
	if found := w.find("ada@contoso.example"); len(found) != 0 || w.renewals != 1 {
		t.Errorf("%+v, %d renewals", found, w.renewals)
	}
	w.post("expire-access-tokens", "{}", nil)
	w.made(crm.Fields{crm.Email: "ada@contoso.example"})
	if w.renewals != 2 || w.contacts() != 1 {
		t.Errorf("%d renewals, %d contacts", w.renewals, w.contacts())
	}
	w.fault(`{"on":"batch_read","status":401,"count":3}`)
	for range 2 {
		_, err := w.Find(t.Context(), []string{"ada@contoso.example"}, crm.Options{})
		failed(t, err, crm.Connection, "EXPIRED_AUTHENTICATION")
		if w.renewals != 3 {
			t.Errorf("%d renewals", w.renewals)
		}
	}
	w.find("ada@contoso.example")
}

// What the app isn't let do is no dead token: nothing is renewed.
func Test7b05ForbiddenIsNoDeadToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var token struct {
		AccessToken string `json:"access_token"`
	}
	w.post("session", `{"scope":"oauth crm.objects.contacts.read"}`, &token)
	w.session.AccessToken = token.AccessToken
	_, err := w.Write(t.Context(), []crm.Write{{Fields: crm.Fields{crm.Email: "ada@contoso.example"}}}, crm.Options{})
	if f := failed(t, err, crm.Connection, "MISSING_SCOPES"); f.Unknown || !strings.Contains(f.Detail, "crm.objects.contacts.write") {
		t.Errorf("%+v", f)
	}
	w.fault(`{"on":"batch_read","status":403,"error_code":"BANNED","count":1}`)
	_, err = w.Find(t.Context(), []string{"ada@contoso.example"}, crm.Options{})
	failed(t, err, crm.Pause, "BANNED")
	if w.renewals != 0 {
		t.Errorf("%d renewals", w.renewals)
	}
}

// The window's rest is left alone; a limit says how long to wait, by its kind.
func Test7b18Limits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.set(`{"rate_limit":5}`)
	look := func() error {
		_, err := w.Find(t.Context(), []string{"ada@contoso.example"}, crm.Options{})
		return err
	}
	if err := look(); err != nil { // the account's details were asked for before
		t.Fatal(err)
	}
	before := w.Calls()
	if f := failed(t, look(), crm.Pause, "TEN_SECONDLY_ROLLING"); f.Wait <= 9*time.Second || f.Wait > 10*time.Second || w.Calls() != before {
		t.Errorf("%+v after %d calls more", f, w.Calls()-before)
	}
	w.later(10 * time.Second)
	if err := look(); err != nil {
		t.Error(err)
	}
	for name, test := range map[string]struct {
		settings string
		code     string
		min, max time.Duration
	}{
		"by errorType":    {`{"rate_limit":1}`, "TEN_SECONDLY_ROLLING", 10 * time.Second, 10 * time.Second},
		"by category":     {`{"rate_limit":1,"rate_limit_body":"category"}`, "TEN_SECONDLY_ROLLING", 10 * time.Second, 10 * time.Second},
		"as a 500":        {`{"rate_limit":1,"rate_limit_body":"category","rate_limit_status":500}`, "TEN_SECONDLY_ROLLING", 10 * time.Second, 10 * time.Second},
		"for a day":       {`{"rate_limit":0,"daily_limit":1}`, "DAILY", time.Second, 25 * time.Hour},
		"with a time":     {`{"rate_limit":1,"rate_window_ms":3000,"rate_retry_after":true}`, "TEN_SECONDLY_ROLLING", 3 * time.Second, 3 * time.Second},
		"a day, and when": {`{"rate_limit":0,"daily_limit":1,"rate_retry_after":true}`, "DAILY", time.Second, 24 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.set(test.settings)
			w.byHandUntilRefused()
			_, err := w.Write(t.Context(), []crm.Write{{Fields: crm.Fields{crm.Email: "ada@contoso.example"}}}, crm.Options{})
			if f := failed(t, err, crm.Pause, test.code); f.Unknown || f.Wait < test.min || f.Wait > test.max {
				t.Errorf("%+v", f)
			}
		})
	}
}

// byHandUntilRefused uses a limit up.
func (w *world) byHandUntilRefused() {
	w.t.Helper()
	for range 10 {
		r, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, w.url+contactsPath, http.NoBody)
		if err != nil {
			w.t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+w.session.AccessToken)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			w.t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode > 299 {
			return
		}
	}
	w.t.Fatal("nothing is limited")
}

// The limit of a day ends at midnight where the account is.
func Test7b18TheDayEndsWhereTheAccountIs(t *testing.T) {
	t.Parallel()
	zone, err := time.LoadLocation("US/Eastern")
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	at := time.Date(2031, time.July, 4, 3, 30, 0, 0, time.UTC) // half past eleven in the evening there
	w.late = time.Until(at)
	w.set(`{"rate_limit":0,"daily_limit":1}`)
	w.byHandUntilRefused()
	_, err = w.Find(t.Context(), []string{"ada@contoso.example"}, crm.Options{})
	f := failed(t, err, crm.Pause, "DAILY")
	if got := at.Add(f.Wait).In(zone); f.Wait <= 29*time.Minute || f.Wait > 30*time.Minute {
		t.Errorf("waits %v, until %v", f.Wait, got)
	}
}

// A lock waits two seconds at least; a move as long as HubSpot says, a day at most.
func Test7b19LocksAndMoves(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, test := range map[string]struct {
		fault, code string
		wait        time.Duration
	}{
		"locked":               {`{"on":"batch_create","status":423,"count":1}`, "LOCKED", 2 * time.Second},
		"locked for longer":    {`{"on":"batch_create","status":423,"retry_after":7,"count":1}`, "LOCKED", 7 * time.Second},
		"moving":               {`{"on":"batch_create","status":477,"retry_after":3600,"count":1}`, "MIGRATION_IN_PROGRESS", time.Hour},
		"moving for ever":      {`{"on":"batch_create","status":477,"retry_after":9999999,"count":1}`, "MIGRATION_IN_PROGRESS", 24 * time.Hour},
		"moving, not how long": {`{"on":"batch_create","status":477,"count":1}`, "MIGRATION_IN_PROGRESS", 15 * time.Minute},
	} {
		w.fault("%s", test.fault)
		_, err := w.Write(t.Context(), []crm.Write{{Fields: crm.Fields{crm.Email: "ada@contoso.example"}}}, crm.Options{})
		if f := failed(t, err, crm.Pause, test.code); f.Wait != test.wait || f.Unknown {
			t.Errorf("%s: %+v", name, f)
		}
	}
	if w.contacts() != 0 {
		t.Errorf("%d contacts", w.contacts())
	}
}

// scripted is a HubSpot that answers what a test wants, and knows its account.
func scripted(t *testing.T, o hubspot.Options, answer http.HandlerFunc) *hubspot.Client {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json;charset=utf-8")
		if strings.HasPrefix(r.URL.Path, "/account-info/") {
			io.WriteString(w, `{"portalId":62515,"accountType":"STANDARD","uiDomain":"app-eu1.hubspot.com"}`)
			return
		}
		answer(w, r)
	}))
	t.Cleanup(srv.Close)
	o.APIURL = srv.URL
	c, err := hubspot.Open(t.Context(), hubspot.Given{AccessToken: "secret-token", OrgID: "62515", Generation: 1}, nil, o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func says(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

// An answer that is too long, or isn't JSON, is no answer; the id that HubSpot's support
// asks for is told, and no address.
func Test7b21AnswersAreBoundedAndJSON(t *testing.T) {
	t.Parallel()
	find := func(c *hubspot.Client) error {
		_, err := c.Find(t.Context(), []string{"ada@contoso.example"}, crm.Options{})
		return err
	}
	long := scripted(t, hubspot.Options{MaxBody: 300}, says(200, `{"results":[{"id":"1","properties":{"email":"ada@contoso.example"}}],"status":"`+strings.Repeat("x", 300)+`"}`))
	failed(t, find(long), crm.Pause, crm.Unavailable)
	page := scripted(t, hubspot.Options{}, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		io.WriteString(w, `{"results":[{"id":"1","properties":{"email":"ada@contoso.example"}}]}`)
	})
	failed(t, find(page), crm.Pause, crm.Unavailable)
	told := scripted(t, hubspot.Options{}, says(403, `{"status":"error","message":"No access to ada@contoso.example for you","correlationId":"0b1c-22"}`))
	if f := failed(t, find(told), crm.Pause, "FORBIDDEN"); f.Detail != "No access to … for you (correlation ID 0b1c-22)" {
		t.Errorf("%q", f.Detail)
	}
	twice := scripted(t, hubspot.Options{}, says(400, `{"message":"Duplicate IDs found in batch input: [ada@contoso.example]. IDs must be unique","category":"VALIDATION_ERROR"}`))
	if f := failed(t, find(twice), crm.Recorded, "DUPLICATE_IDS"); strings.Contains(f.Detail, "@") {
		t.Errorf("%q", f.Detail)
	}
	large, err := scripted(t, hubspot.Options{}, says(200, `{}`)).Write(t.Context(), []crm.Write{{Fields: crm.Fields{crm.Email: "a@contoso.example", crm.LastName: strings.Repeat("x", 4<<20)}}}, crm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	failed(t, large[0].Err, crm.Recorded, "REQUEST_TOO_LARGE")
}

// A redirect isn't followed, and the token goes to the API's host alone.
func Test7b22RedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	var elsewhere atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	t.Cleanup(other.Close)
	c := scripted(t, hubspot.Options{}, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
	})
	_, err := c.Find(t.Context(), []string{"ada@contoso.example"}, crm.Options{})
	failed(t, err, crm.Pause, crm.Unavailable)
	if elsewhere.Load() != 0 {
		t.Error("it was followed")
	}
	for _, bad := range []string{"ftp://api.example", "https://", "https://me@api.example", "://"} {
		if _, err := hubspot.Open(t.Context(), hubspot.Given{AccessToken: "t", OrgID: "1"}, nil, hubspot.Options{APIURL: bad}); err == nil {
			t.Errorf("%s is taken for the API's address", bad)
		}
	}
	var asked string
	hc := &http.Client{Transport: trip(func(r *http.Request) (*http.Response, error) {
		asked = r.URL.String()
		return nil, errors.New("nowhere")
	})}
	_, err = hubspot.Open(t.Context(), hubspot.Given{AccessToken: "t", OrgID: "1"}, hc, hubspot.Options{})
	failed(t, err, crm.Pause, crm.Unavailable)
	if asked != "https://api.hubapi.com/account-info/2026-09/details" {
		t.Errorf("asked %s", asked)
	}
}

type trip func(r *http.Request) (*http.Response, error)

func (f trip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// Where records are is what the account says, and is asked again at each check-up, but
// only of hosts that are HubSpot's.
func Test7b23Links(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	is := func(c *hubspot.Client, want string) {
		t.Helper()
		if got := hubspot.Provider.RecordURL(c.Target().InstanceURL, "42"); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	is(w.Client, w.url+"/contacts/62515/record/0-1/42")
	w.set(`{"ui_domain":"app-eu1.hubspot.com"}`)
	if _, err := w.CheckUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	is(w.Client, "https://app-eu1.hubspot.com/contacts/62515/record/0-1/42")
	for _, foreign := range []string{"hubspot.com.evil.example", "evil.example/app.hubspot.com", "app.hubspot.com@evil.example", "a/b.hubspot.com"} {
		w.set(fmt.Sprintf(`{"ui_domain":%q}`, foreign))
		is(w.open(hubspot.Options{}), "https://app.hubspot.com/contacts/62515/record/0-1/42")
	}
	w.set(`{"account_info_scope":"external-settings-access"}`)
	is(w.open(hubspot.Options{}), "https://app.hubspot.com/contacts/62515/record/0-1/42")
	is(w.Client, "https://app-eu1.hubspot.com/contacts/62515/record/0-1/42")
	if got := hubspot.RecordURL("https://app.hubspot.com/contacts/1/", "a/b?c"); got != "https://app.hubspot.com/contacts/1/record/0-1/a%2Fb%3Fc" {
		t.Error(got)
	}
}

// The clients of a process ask for an account's details once in a day.
func Test7b23DetailsAreShared(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	shared := &hubspot.Shared{}
	for i, want := range []int{1, 0} {
		if c := w.open(hubspot.Options{Shared: shared}); c.Calls() != want || c.Target().InstanceURL != w.Target().InstanceURL {
			t.Errorf("%d: %d calls, %+v", i, c.Calls(), c.Target())
		}
	}
	w.late += 25 * time.Hour
	w.session.Generation, w.ended = 1, false
	if c := w.open(hubspot.Options{Shared: shared}); c.Calls() != 1 {
		t.Errorf("%d calls a day later", c.Calls())
	}
}

// Another account than before is another org, whichever tells it.
func Test7b24AnotherAccountIsAnotherOrg(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.session.OrgID = "62517"
	_, err := w.Find(t.Context(), []string{"ada@contoso.example"}, crm.Options{})
	failed(t, err, crm.Pause, crm.OtherOrg)
	_, err = hubspot.Open(t.Context(), w, nil, hubspot.Options{APIURL: w.url})
	failed(t, err, crm.Pause, crm.OtherOrg)
	w.session.OrgID = ""
	_, err = hubspot.Open(t.Context(), w, nil, hubspot.Options{APIURL: w.url})
	failed(t, err, crm.Connection, crm.Broken)
}

// Ids are texts of any kind.
func Test7b25IDsAreOpaque(t *testing.T) {
	t.Parallel()
	const id = "x-9223372036854775808999"
	c := scripted(t, hubspot.Options{}, says(200, `{"results":[{"id":"`+id+`","objectWriteTraceId":"0","properties":{"email":"ada@contoso.example"}}]}`))
	found, err := c.Find(t.Context(), []string{"ada@contoso.example"}, crm.Options{})
	if r := found["ada@contoso.example"]; err != nil || len(r) != 1 || r[0].ID != id {
		t.Errorf("%+v, %v", found, err)
	}
	r, err := c.Write(t.Context(), []crm.Write{{ID: id, Fields: crm.Fields{crm.LastName: "Doe"}}}, crm.Options{})
	if err != nil || r[0].ID != id || r[0].Err != nil {
		t.Errorf("%+v, %v", r, err)
	}
}

// An account is called once at a time, by all clients of a process.
func Test7b26OneCallAtATime(t *testing.T) {
	t.Parallel()
	var now, most atomic.Int64
	shared := &hubspot.Shared{}
	started, release := make(chan struct{}, 8), make(chan struct{})
	answer := func(w http.ResponseWriter, _ *http.Request) {
		if n := now.Add(1); n > most.Load() {
			most.Store(n)
		}
		started <- struct{}{}
		<-release
		now.Add(-1)
		io.WriteString(w, `{"results":[],"errors":[{"category":"OBJECT_NOT_FOUND","context":{"ids":["a@contoso.example"]}}]}`)
	}
	one, two := scripted(t, hubspot.Options{Shared: shared}, answer), scripted(t, hubspot.Options{Shared: shared}, answer)
	done := make(chan error, 8)
	for _, c := range []*hubspot.Client{one, two, one, two} {
		go func() {
			_, err := c.Find(t.Context(), []string{"a@contoso.example"}, crm.Options{})
			done <- err
		}()
	}
	<-started
	impatient := scripted(t, hubspot.Options{Shared: shared, Timeout: time.Millisecond}, answer)
	_, err := impatient.Find(t.Context(), []string{"a@contoso.example"}, crm.Options{})
	if f := failed(t, err, crm.Pause, crm.TimedOut); f.Unknown || impatient.Calls() != 0 {
		t.Errorf("%+v after %d calls", f, impatient.Calls())
	}
	close(release)
	for range 4 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if most.Load() != 1 {
		t.Errorf("%d calls at once", most.Load())
	}
}

// What is logged of a call names nobody and holds no token.
func TestLogsHoldNothingSecret(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	c := scripted(t, hubspot.Options{Log: slog.New(slog.NewTextHandler(&text, &slog.HandlerOptions{Level: slog.LevelDebug}))}, says(207, `{"results":[],"errors":[{"category":"OBJECT_NOT_FOUND"}]}`))
	if _, err := c.Find(t.Context(), []string{"ada@contoso.example"}, crm.Options{}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(text.String(), "/batch/read") || strings.Contains(text.String(), "ada@") || strings.Contains(text.String(), "secret-token") {
		t.Error(text.String())
	}
}

// The kind of a limit is read out of its words where it has no name; one that is unheard of
// waits for the window.
func Test7b18LimitsWithoutAName(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]struct {
		code string
		wait time.Duration
	}{
		`{"errorType":"RATE_LIMIT","message":"You have reached your ten_secondly_rolling limit."}`: {"TEN_SECONDLY_ROLLING", 10 * time.Second},
		`{"category":"RATE_LIMITS","message":"You have reached your secondly limit."}`:             {"SECONDLY", time.Second},
		`{"category":"RATE_LIMITS","message":"no"}`:                                                {"RATE_LIMITS", 10 * time.Second},
		`<html>too many</html>`: {"RATE_LIMITS", 10 * time.Second},
	} {
		c := scripted(t, hubspot.Options{}, says(429, body))
		_, err := c.Write(t.Context(), []crm.Write{{Fields: crm.Fields{crm.Email: "a@x.example"}}}, crm.Options{})
		if f := failed(t, err, crm.Pause, want.code); f.Wait != want.wait || f.Unknown {
			t.Errorf("%s: %+v", body, f)
		}
	}
	c := scripted(t, hubspot.Options{}, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat))
		says(429, `{"category":"RATE_LIMITS","policyName":"DAILY"}`)(w, r)
	})
	_, err := c.Find(t.Context(), []string{"a@x.example"}, crm.Options{})
	if f := failed(t, err, crm.Pause, "DAILY"); f.Wait < 59*time.Minute || f.Wait > time.Hour {
		t.Errorf("%+v", f)
	}
}

// Other refusals stop what they are about: the call, or all of them.
func TestRefusalsOfCalls(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		status int
		body   string
		class  crm.Class
		code   string
	}{
		{413, `{"message":"no"}`, crm.Recorded, "REQUEST_TOO_LARGE"},
		{414, `{"message":"no"}`, crm.Recorded, "REQUEST_TOO_LARGE"},
		{409, `{"message":"no"}`, crm.Recorded, "CONFLICT"},
		{405, `{"message":"no"}`, crm.Pause, "HTTP_405"},
		{404, `{"message":"no"}`, crm.Pause, "HTTP_404"},
		{404, `{"message":"no","category":"OBJECT_NOT_FOUND"}`, crm.Pause, "OBJECT_NOT_FOUND"},
		{418, `{"message":"no"}`, crm.Pause, "HTTP_418"},
		{404, `{}`, crm.Pause, crm.Unavailable},
		{500, `{"message":"no"}`, crm.Pause, crm.Unavailable},
		{521, `{"message":"no"}`, crm.Pause, crm.Unavailable},
		{524, `<html>`, crm.Pause, crm.TimedOut},
		{401, `{"message":"no"}`, crm.Connection, crm.Broken}, // the one session can't be renewed
	} {
		c := scripted(t, hubspot.Options{}, says(test.status, test.body))
		_, err := c.Find(t.Context(), []string{"a@x.example"}, crm.Options{})
		if f := failed(t, err, test.class, test.code); f.Unknown {
			t.Errorf("%d: a look changed something: %+v", test.status, f)
		}
	}
}

// What the token end point answered tells the scopes.
func TestScopesOf(t *testing.T) {
	t.Parallel()
	same(t, "scopes", hubspot.ScopesOf(`{"hub_id":1,"scopes":["oauth","crm.objects.contacts.read"]}`), "oauth", "crm.objects.contacts.read")
	for _, none := range []string{"", "{}", `{"scopes":"oauth"}`} {
		if got := hubspot.ScopesOf(none); got != nil {
			t.Errorf("%s: %v", none, got)
		}
	}
}

// A write that certainly never left is known not to have happened; one for which a transport
// tells nothing isn't.
func Test7b20WhatWasNotSentIsKnown(t *testing.T) {
	t.Parallel()
	shared := &hubspot.Shared{}
	scripted(t, hubspot.Options{Shared: shared}, says(200, `{}`)) // so that the account is known
	failing := trip(func(*http.Request) (*http.Response, error) { return nil, errors.New("no") })
	unreachable := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("no") }}
	for name, test := range map[string]struct {
		transport http.RoundTripper
		unknown   bool
	}{"no connection": {unreachable, false}, "who knows": {failing, true}} {
		c, err := hubspot.Open(t.Context(), hubspot.Given{AccessToken: "t", OrgID: "62515", Generation: 1}, &http.Client{Transport: test.transport}, hubspot.Options{Shared: shared, APIURL: "http://hubspot.example"})
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Write(t.Context(), []crm.Write{{Fields: crm.Fields{crm.Email: "a@x.example"}}}, crm.Options{})
		if f := failed(t, err, crm.Pause, crm.Unavailable); f.Unknown != test.unknown {
			t.Errorf("%s: %+v", name, f)
		}
	}
}
