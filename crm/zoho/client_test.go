package zoho_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"gatepost/crm"
	"gatepost/crm/zoho"
)

// 7b.1: nothing is sent but to the address of the session, and only to a plain one.
func TestCallsOnlyTheAddressOfTheSession(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	api := w.session.InstanceURL
	for _, bad := range []string{"", "ftp://127.0.0.1", "http://user@127.0.0.1", "://", "/crm"} {
		w.session.InstanceURL = bad
		_, err := w.tryOpen(zoho.Options{}, func(*http.Request, http.RoundTripper) (*http.Response, error) {
			t.Errorf("%q was called", bad)
			return nil, errors.New("no")
		})
		failure(t, err, crm.Connection, crm.Broken)
	}
	w.session.InstanceURL = api + "/elsewhere?x=1"
	s := &seen{}
	c := w.open(zoho.Options{}, func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
		if r.URL.Scheme+"://"+r.URL.Host != api || r.URL.RawQuery == "x=1" {
			t.Errorf("called %s", r.URL)
		}
		return next.RoundTrip(r)
	}, s.pass)
	w.find(c, crm.Options{}, "ada@contoso.example")
	if len(s.calls) < 3 {
		t.Errorf("only %v", s.calls)
	}
}

// 7b.6: a token that is refused is renewed once; one that was just renewed is not.
func TestRenewsARefusedTokenOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	refuse := false
	shared := &zoho.Shared{}
	through := func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
		if refuse {
			return said(401, `{"code":"INVALID_TOKEN","details":{},"message":"invalid oauth token","status":"error"}`), nil
		}
		return next.RoundTrip(r)
	}
	c := w.open(zoho.Options{Shared: shared}, through)
	w.control("expire-access-tokens", "", nil)
	if r := w.write(c, crm.Options{}, person("ada@contoso.example", "Ada", "Lovelace")); r[0].Err != nil || w.renewals != 1 || w.stats().Contacts != 1 {
		t.Errorf("%+v after %d renewals, %d contacts", r, w.renewals, w.stats().Contacts)
	}
	refuse = true
	for range 3 { // in vain: not again
		_, err := c.Find(t.Context(), []string{"ada@contoso.example"}, crm.Options{})
		failure(t, err, crm.Connection, "INVALID_TOKEN")
	}
	_, err := w.tryOpen(zoho.Options{Shared: shared}, through)
	failure(t, err, crm.Connection, "INVALID_TOKEN")
	if w.renewals != 2 {
		t.Errorf("%d renewals", w.renewals)
	}
}

// 7b.6: when the connection is over, the renewal says so.
func TestARevokedConnectionEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.open(zoho.Options{})
	w.control("revoke", "", nil)
	_, err := c.Find(t.Context(), []string{"ada@contoso.example"}, crm.Options{})
	failure(t, err, crm.Connection, crm.Broken)
}

// 7b.7: a scope that is missing is no matter of the token's age, however it is told.
func TestAMissingScopeIsNeitherRenewedNorRetried(t *testing.T) {
	t.Parallel()
	for _, inData := range []bool{false, true} {
		w := newWorld(t)
		w.settings(fmt.Sprintf(`{"scope_error_in_data":%t}`, inData))
		w.login("", "ZohoCRM.modules.contacts.READ,ZohoCRM.coql.READ,ZohoCRM.org.READ,ZohoCRM.settings.fields.READ")
		s := &seen{}
		c := w.open(zoho.Options{}, s.pass)
		_, err := c.Write(t.Context(), []crm.Write{person("ada@contoso.example", "Ada", "Lovelace"), person("bob@contoso.example", "Bob", "Roe")}, crm.Options{})
		if f := failure(t, err, crm.Connection, "OAUTH_SCOPE_MISMATCH"); f.Unknown {
			t.Error("nothing was done, and it isn't known")
		}
		if n := s.count("POST /Contacts/upsert"); n != 1 || w.renewals != 0 {
			t.Errorf("%d calls, %d renewals", n, w.renewals)
		}
	}
}

// 7b.7: a row may say the same of an upsert that finds somebody.
func TestAMissingScopeOfARowEndsTheConnection(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.settings(`{"create_may_update":false}`)
	c := w.open(zoho.Options{})
	w.write(c, crm.Options{}, person("ada@contoso.example", "Ada", "Lovelace"))
	w.login("", strings.Replace(scopes, "contacts.ALL", "contacts.READ,ZohoCRM.modules.contacts.CREATE", 1))
	results, err := w.open(zoho.Options{}).Write(t.Context(), []crm.Write{person("ada@contoso.example", "Ada", "Byron"), person("bob@contoso.example", "Bob", "Roe")}, crm.Options{})
	if err != nil || results[1].Err != nil {
		t.Fatalf("%+v, %v", results, err)
	}
	failure(t, results[0].Err, crm.Connection, "OAUTH_SCOPE_MISMATCH")
}

// 7b.8.
func TestSendsZohosHeader(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := &seen{}
	w.find(w.open(zoho.Options{}, s.pass), crm.Options{}, "ada@contoso.example")
	for i, h := range s.header {
		if h.Get("Authorization") != "Zoho-oauthtoken "+w.session.AccessToken {
			t.Errorf("%s: %q", s.calls[i], h.Get("Authorization"))
		}
	}
}

// 7b.9: an answer without content is not read, and a redirect not followed.
func TestReadsNothingInto204AndFollowsNoRedirect(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if found := w.find(w.open(zoho.Options{}, answering("POST /coql", 204, "no JSON")), crm.Options{}, "ada@contoso.example"); len(found) != 0 {
		t.Errorf("%+v", found)
	}
	moved := 0
	c := w.open(zoho.Options{}, func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
		if !strings.HasSuffix(r.URL.Path, "/coql") {
			return next.RoundTrip(r)
		}
		moved++
		resp := said(302, "")
		resp.Header.Set("Location", w.session.InstanceURL+"/crm/v8/coql")
		return resp, nil
	})
	_, err := c.Find(t.Context(), []string{"ada@contoso.example"}, crm.Options{})
	failure(t, err, crm.Pause, crm.Unavailable)
	if moved != 1 {
		t.Errorf("%d calls", moved)
	}
}

// 7b.22: after 429 a minute's pause, unless Zoho names another, or the credits are used up.
func TestPausesAfterTooManyCalls(t *testing.T) {
	t.Parallel()
	for name, v := range map[string]struct {
		settings, fail string
		wait           time.Duration
	}{
		"nothing said":      {`{}`, `{"on":"coql","status":429,"count":1}`, time.Minute},
		"a page":            {`{}`, `{"on":"coql","status":429,"html":true,"count":1}`, time.Minute},
		"it names a time":   {`{}`, `{"on":"coql","status":429,"retry_after":90,"count":1}`, 90 * time.Second},
		"no credits left":   {`{"credits":1000,"other_credits":998}`, `{"on":"list","count":0}`, 15 * time.Minute},
		"the time is wrong": {`{}`, `{"on":"coql","status":429,"retry_after":9999999,"count":1}`, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.settings(v.settings)
			c := w.open(zoho.Options{})
			w.control("fail", v.fail, nil)
			_, err := c.Find(t.Context(), []string{"ada@contoso.example"}, crm.Options{})
			if f := failure(t, err, crm.Pause, "TOO_MANY_REQUESTS"); f.Wait != v.wait || f.Unknown {
				t.Errorf("%+v, want a pause of %v", f, v.wait)
			}
		})
	}
}

// 7b.22, 24: a write that was refused so may have been done all the same.
func TestAWriteAmongTooManyMayHaveHappened(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.open(zoho.Options{})
	w.control("fail", `{"on":"insert","status":429,"after_commit":true,"count":1}`, nil)
	_, err := c.Write(t.Context(), []crm.Write{person("ada@contoso.example", "", "")}, crm.Options{})
	if f := failure(t, err, crm.Pause, "TOO_MANY_REQUESTS"); !f.Unknown || w.stats().Contacts != 1 {
		t.Errorf("%+v, %d contacts", f, w.stats().Contacts)
	}
}

// 7b.23: credits are counted, and what Zoho says of them goes before.
func TestCountsCredits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.settings(`{"edition":"free"}`)
	now := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	shared := &zoho.Shared{}
	c := w.open(zoho.Options{Now: func() time.Time { return now }, Shared: shared})
	var writes []crm.Write
	for i := range 25 {
		writes = append(writes, person(fmt.Sprintf("%d@contoso.example", i), "", "Roe"))
	}
	w.write(c, crm.Options{}, writes...)
	is := func(what string, want int) {
		t.Helper()
		if l := c.Limits()[0]; l.Used != want || l.Allowed != 5000 || !l.Known {
			t.Errorf("%s: %+v, want %d", what, l, want)
		}
	}
	is("as it counted", 2+3)
	if n := w.stats().Credits; n != 5 {
		t.Errorf("Zoho counted %d", n)
	}
	now = now.Add(23 * time.Hour)
	is("a day less one hour later", 5)
	now = now.Add(time.Hour)
	is("a day later", 0)
	w.settings(`{"edition":"free","other_credits":3000}`)
	w.find(c, crm.Options{}, "ada@contoso.example")
	is("as Zoho says", 3000+7) // the org was asked for again
	if c.Calls() != 5 {
		t.Errorf("%d calls", c.Calls())
	}
}

func TestAnUnknownEditionHasNoLimit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.open(zoho.Options{}, answering("GET /org", 200, `{"org":[{"zgid":"808232144","company_name":"Contoso","license_details":{"paid":true,"paid_type":"fancy"}}]}`))
	if l := c.Limits()[0]; l.Known {
		t.Errorf("%+v", l)
	}
}

// 7b.24: what got no answer, or none that makes sense, may have happened.
func TestALostAnswerIsUnknown(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]string{
		"cut before":   `{"on":"any","drop":true,"count":1}`,
		"cut after":    `{"on":"any","drop":true,"after_commit":true,"count":1}`,
		"a page":       `{"on":"any","status":502,"html":true,"count":1}`,
		"cut in words": `{"on":"any","truncate":true,"count":1}`,
		"its error":    `{"on":"any","status":500,"count":1}`,
	} {
		for _, people := range []int{1, 2} {
			t.Run(fmt.Sprint(name, people), func(t *testing.T) {
				w := newWorld(t)
				c := w.open(zoho.Options{})
				w.control("fail", fail, nil)
				results, err := c.Write(t.Context(), []crm.Write{person("ada@contoso.example", "Ada", "Lovelace"), person("bob@contoso.example", "Bob", "Roe")}[:people], crm.Options{})
				if err == nil && len(results) > 0 {
					err = results[0].Err
				}
				if err == nil || !crm.Failed(err).Unknown {
					t.Errorf("%+v", err)
				}
				// 7b.24: an upsert may be repeated.
				w.write(c, crm.Options{}, person("ada@contoso.example", "Ada", "Lovelace"))
				if n := w.stats(); n.Most != 1 {
					t.Errorf("%d have the same address", n.Most)
				}
			})
		}
	}
}

func TestTimesOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	slow := false
	c := w.open(zoho.Options{Timeout: 20 * time.Millisecond}, func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
		if slow {
			<-r.Context().Done()
			return nil, r.Context().Err()
		}
		return next.RoundTrip(r.Clone(context.WithoutCancel(r.Context())))
	})
	slow = true
	_, err := c.Write(t.Context(), []crm.Write{person("ada@contoso.example", "", "")}, crm.Options{})
	if f := failure(t, err, crm.Pause, crm.TimedOut); !f.Unknown {
		t.Errorf("%+v", f)
	}
}

// 7b.25: which org it is, is asked once for each token, and another one is refused.
func TestAnotherOrgIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := &seen{}
	shared := &zoho.Shared{}
	c := w.open(zoho.Options{Shared: shared}, s.pass)
	w.open(zoho.Options{Shared: shared}, s.pass)
	if len(s.calls) != 2 || c.Target().OrgID != "808232144" {
		t.Errorf("%v of %+v", s.calls, c.Target())
	}
	w.session.OrgID = "808232166"
	_, err := w.tryOpen(zoho.Options{})
	failure(t, err, crm.Pause, crm.OtherOrg)
	w.session.OrgID = ""
	w.login("jane@fabrikam.example", scopes)
	before := w.stats().APICalls
	_, err = c.Find(t.Context(), []string{"ada@contoso.example"}, crm.Options{})
	failure(t, err, crm.Pause, crm.OtherOrg)
	_, err = c.Write(t.Context(), []crm.Write{person("ada@contoso.example", "Ada", "Lovelace")}, crm.Options{})
	if failure(t, err, crm.Pause, crm.OtherOrg); w.stats().APICalls-before > 2 {
		t.Errorf("%d calls of another org", w.stats().APICalls-before)
	}
}

// 7b.27: no address, name or message reaches the log.
func TestLogsCodesAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var log bytes.Buffer
	c := w.open(zoho.Options{Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	w.write(c, crm.Options{}, person("ada@contoso.example", "Ada", "Lovelace"))
	w.find(c, crm.Options{}, "ada@contoso.example", `back\slash@contoso.example`)
	w.control("fail", `{"on":"coql","status":400,"error_code":"INVALID_MODULE","message":"ada@contoso.example is no module","count":1}`, nil)
	if _, err := c.Find(t.Context(), []string{"ada@contoso.example"}, crm.Options{}); err == nil {
		t.Error("no failure")
	}
	for _, secret := range []string{"ada@", "slash", "Lovelace", "no module", w.session.AccessToken} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("%q is in the log:\n%s", secret, &log)
		}
	}
	if !strings.Contains(log.String(), "code=INVALID_MODULE") || !strings.Contains(log.String(), "path=/crm/v8/Contacts/search ") {
		t.Errorf("the log is\n%s", &log)
	}
}

// An answer that is too long is none.
func TestTakesNoEndlessAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, err := w.tryOpen(zoho.Options{MaxBody: 10})
	failure(t, err, crm.Pause, crm.Unavailable)
}

// 7b.1: an org of another data centre is called there; elsewhere its token is worth
// nothing.
func TestAnotherDataCentre(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	here := w.session.InstanceURL
	w.login("anna@northwind.example", scopes)
	if !strings.Contains(w.session.InstanceURL, "//eu.localhost:") {
		t.Fatal(w.session.InstanceURL)
	}
	dial := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, w.http.Listener.Addr().String())
	}}
	c, err := zoho.Open(t.Context(), zoho.Given(w.session), &http.Client{Transport: dial}, zoho.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if r := w.write(c, crm.Options{}, person("ada@contoso.example", "Ada", "Lovelace")); r[0].Err != nil || !r[0].Made {
		t.Errorf("%+v", r)
	}
	if to := c.Target(); to.OrgID != "90098812345" || to.InstanceURL != w.session.InstanceURL+"/crm/org90098812345" {
		t.Errorf("%+v", to)
	}
	w.session.InstanceURL = here
	_, err = w.tryOpen(zoho.Options{})
	failure(t, err, crm.Connection, crm.Broken)
}
