package identity

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// canned is a service that gives one answer to every call.
type canned struct {
	status      int
	contentType string
	body        string
	header      http.Header
}

func (c canned) RoundTrip(*http.Request) (*http.Response, error) {
	h := c.header.Clone()
	if h == nil {
		h = http.Header{}
	}
	h.Set("Content-Type", c.contentType)
	return &http.Response{StatusCode: c.status, Body: io.NopCloser(strings.NewReader(c.body)), Header: h}, nil
}

func (c canned) client() client {
	return client{http: &http.Client{Transport: c}, timeout: time.Minute}
}

// ways are all in which tokens are traded: what one of them reads, the others read.
var ways = map[string]func(*testing.T, Service, client) (answer, error){
	"connecting": func(t *testing.T, s Service, c client) (answer, error) {
		return c.exchange(t.Context(), s, s.LoginURL, "code", "verifier")
	},
	"renewing": func(t *testing.T, s Service, c client) (answer, error) {
		return c.refresh(t.Context(), s, s.LoginURL, "token")
	},
}

func TestOneReaderOfTokens(t *testing.T) {
	const json, form, text = "application/json", "application/x-www-form-urlencoded", "text/plain;charset=UTF-8"
	const good = `{"access_token":"a","refresh_token":"r","expires_in":3600,"scope":"api id","instance_url":"https://x.my.salesforce.com"}`
	const encoded = `access_token=a&refresh_token=r&expires_in=3600&scope=api+id&instance_url=https%3A%2F%2Fx.my.salesforce.com`
	tokens := map[string]canned{
		"as it should be":         {200, json, good, nil},
		"with 201":                {201, json, good, nil},
		"with 203":                {203, json, good, nil},
		"as plain text":           {200, text, good, nil},
		"as a page":               {200, "text/html", good, nil},
		"of no type":              {200, "", good, nil},
		"JSON called a form":      {200, form, good, nil},
		"a form":                  {200, form, encoded, nil},
		"a form called JSON":      {200, json, encoded, nil},
		"a form as plain text":    {201, text, encoded, nil},
		"with a BOM":              {200, json, "\ufeff" + good, nil},
		"with space around":       {200, json, "\r\n " + good + "\n", nil},
		"a fraction":              {200, json, strings.Replace(good, "3600", "3600.0", 1), nil},
		"an exponent":             {200, json, strings.Replace(good, "3600", "3.6e3", 1), nil},
		"a lifetime in quotes":    {200, json, strings.Replace(good, "3600", `"3600"`, 1), nil},
		"scopes as a list":        {200, json, strings.Replace(good, `"api id"`, `["api","id"]`, 1), nil},
		"scopes with commas":      {200, json, strings.Replace(good, `"api id"`, `"api,id"`, 1), nil},
		"an empty error":          {200, json, strings.Replace(good, "{", `{"error":"","ok":true,`, 1), nil},
		"odd types beside":        {200, json, strings.Replace(good, "{", `{"token_type":1,"error_description":{},"error_uri":[],`, 1), nil},
		"a number without bounds": {200, json, strings.Replace(good, "{", `{"issued_at":1e999,"hub_id":12345678901234567890,`, 1), nil},
	}
	s := SalesforceService(clientID, clientSecret, redirectURI, "")
	asked := time.Now()
	for name, c := range tokens {
		for way, trade := range ways {
			a, err := trade(t, s, c.client())
			if err != nil || a.AccessToken != "a" || a.RefreshToken != "r" || a.Scope != "api id" || a.InstanceURL != "https://x.my.salesforce.com" || !a.ends(asked).Equal(asked.Add(time.Hour)) {
				t.Errorf("%s %s: %+v, ends after %s, %v", name, way, a, a.ends(asked).Sub(asked), err)
			}
		}
	}
	lifetimes := map[string]canned{
		"none":      {200, json, `{"access_token":"a"}`, nil},
		"null":      {200, json, `{"access_token":"a","expires_in":null}`, nil},
		"nothing":   {200, json, `{"access_token":"a","expires_in":0}`, nil},
		"negative":  {200, json, `{"access_token":"a","expires_in":-5}`, nil},
		"absurd":    {200, json, `{"access_token":"a","expires_in":1e40}`, nil},
		"in a form": {200, form, `access_token=a&expires_in=never`, nil},
		"a word":    {200, json, `{"access_token":"a","expires_in":"1 hour"}`, nil},
		"a list":    {200, json, `{"access_token":"a","expires_in":[3600]}`, nil},
	}
	for name, c := range lifetimes {
		for way, trade := range ways {
			if a, err := trade(t, s, c.client()); err != nil || a.AccessToken != "a" || !a.ends(asked).IsZero() {
				t.Errorf("a lifetime of %s %s: %+v, %v", name, way, a, err)
			}
		}
	}
	refusals := map[string]canned{
		"as it should be": {400, json, `{"error":"invalid_scope","error_description":"no"}`, nil},
		"with 401":        {401, text, `{"error":"invalid_scope","error_description":"no"}`, nil},
		"with 200":        {200, json, `{"error":"invalid_scope","error_description":"no"}`, nil},
		"a form":          {400, form, `error=invalid_scope&error_description=no`, nil},
		"a plain form":    {400, text, `error=invalid_scope&error_description=no`, nil},
		"a form as JSON":  {400, json, `error=invalid_scope&error_description=no`, nil},
		"with odd types":  {400, json, `{"error":"invalid_scope","error_description":"no","error_uri":7}`, nil},
	}
	for name, c := range refusals {
		for way, trade := range ways {
			_, err := trade(t, s, c.client())
			var refused *OAuthError
			if !errors.As(err, &refused) || refused.Code != "invalid_scope" || refused.Description != "no" {
				t.Errorf("a refusal %s %s: %v", name, way, err)
			}
		}
	}
	unclear := map[string]canned{
		"a page":                {200, "text/html", "<html>Down for maintenance</html>", nil},
		"words":                 {200, text, "Down for maintenance", nil},
		"nothing":               {200, json, "", nil},
		"no content":            {204, json, "", nil},
		"a list":                {200, json, "[" + good + "]", nil},
		"half":                  {200, json, good[:40], nil},
		"two":                   {200, json, good + good, nil},
		"no token":              {200, json, `{"refresh_token":"r"}`, nil},
		"an empty token":        {200, json, `{"access_token":""}`, nil},
		"no text":               {200, json, `{"access_token":{"a":1}}`, nil},
		"trouble":               {503, json, `{"error":"invalid_grant"}`, nil},
		"trouble with a token":  {500, json, good, nil},
		"elsewhere":             {302, json, good, nil},
		"a refusal for people":  {403, "text/html", "<html>Blocked</html>", nil},
		"a refusal of no words": {400, json, "", nil},
	}
	for name, c := range unclear {
		for way, trade := range ways {
			_, err := trade(t, s, c.client())
			var refused *OAuthError
			if err == nil || errors.As(err, &refused) || errors.Is(err, errNotSent) {
				t.Errorf("%s %s: %v", name, way, err)
			}
		}
	}
}

// Who asks for too much is refused in passing, whatever else the answer says.
func TestTooMuch(t *testing.T) {
	for body, code := range map[string]string{"": CodeTooMany, "<html>Slow down</html>": CodeTooMany, `{"error":"slow_down"}`: "slow_down",
		`{"error":"invalid_grant","error_description":"expired access/refresh token"}`: "invalid_grant"} {
		for way, trade := range ways {
			s := SalesforceService(clientID, clientSecret, redirectURI, "")
			_, err := trade(t, s, canned{429, "text/html", body, nil}.client())
			var refused *OAuthError
			if !errors.As(err, &refused) {
				t.Errorf("%q %s: %v", body, way, err)
				continue
			}
			if said := s.judge(refused); said.Verdict != Passes || said.Reason != code {
				t.Errorf("%q %s: %+v", body, way, said)
			}
		}
	}
}

func TestWhenToTryAgain(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	ahead := func(d time.Duration) string { return at.Add(d).Format(http.TimeFormat) }
	for said, want := range map[string]time.Duration{"": 0, "120": 2 * time.Minute, " 120 ": 2 * time.Minute, "1.5": 1500 * time.Millisecond, "0": 0, "-7": 0, "soon": 0, "NaN": 0,
		"999999": longestWait, "1e300": longestWait, "Inf": longestWait, "99999999999999999999": longestWait,
		ahead(90 * time.Second): 90 * time.Second, ahead(-time.Hour): 0, ahead(48 * time.Hour): longestWait, at.Add(time.Minute).Format(time.RFC850): time.Minute} {
		h := http.Header{"Date": {at.Format(http.TimeFormat)}}
		if said != "" {
			h.Set("Retry-After", said)
		}
		for _, status := range []int{429, 503, 400} {
			s := SalesforceService(clientID, clientSecret, redirectURI, "")
			_, err := s.read(mustReply(t, canned{status, "application/json", `{"error":"slow_down"}`, h}))
			if got := retryAfter(err); got != want {
				t.Errorf("%d with %q: %s, want %s", status, said, got, want)
			}
		}
	}
}

func mustReply(t *testing.T, c canned) reply {
	t.Helper()
	one := c.client()
	r, err := one.send(t.Context(), http.MethodPost, "https://login.salesforce.com/", "", "", func(*http.Request) {})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestOneReaderOfIntrospection(t *testing.T) {
	s := SalesforceService(clientID, clientSecret, redirectURI, "")
	for _, test := range []struct {
		canned
		active, told bool
		exp          int64
	}{
		{canned{200, "application/json", `{"active":true,"exp":1900000000}`, nil}, true, true, 1900000000},
		{canned{200, "text/plain", `{"active":true,"exp":"1900000000"}`, nil}, true, true, 1900000000},
		{canned{201, "application/json", "\ufeff" + `{"active":"true","exp":1900000000.5}`, nil}, true, true, 1900000000},
		{canned{200, "application/x-www-form-urlencoded", `active=true&exp=1900000000`, nil}, true, true, 1900000000},
		{canned{200, "application/json", `{"active":true,"exp":1e999}`, nil}, true, true, 0},
		{canned{200, "application/json", `{"active":true,"exp":-1}`, nil}, true, true, 0},
		{canned{200, "application/json", `{"active":true,"exp":null}`, nil}, true, true, 0},
		{canned{200, "application/json", `{"active":true,"exp":1900000000000}`, nil}, true, true, 0},
		{canned{200, "application/json", `{"active":false}`, nil}, false, true, 0},
		{canned{200, "application/json", `{"active":null}`, nil}, false, false, 0},
		{canned{200, "application/json", `{"active":"perhaps"}`, nil}, false, false, 0},
		{canned{200, "application/json", `{}`, nil}, false, false, 0},
		{canned{200, "text/html", `<html>`, nil}, false, false, 0},
		{canned{503, "application/json", `{"active":false}`, nil}, false, false, 0},
		{canned{401, "application/json", `{"active":false}`, nil}, false, false, 0},
	} {
		c := test.client()
		active, err := c.introspect(t.Context(), s, s.LoginURL, "token")
		if active != test.active || (err == nil) != test.told {
			t.Errorf("%d %q: active %v, %v", test.status, test.body, active, err)
		}
		in, err := c.askAbout(t.Context(), s, s.LoginURL, "token", "access_token")
		end, late := in.ends(time.Unix(1800000000, 0))
		if late != nil || (err == nil) != test.told || end.IsZero() != (test.exp == 0) || test.exp > 0 && end.Unix() != test.exp {
			t.Errorf("%d %q: ends %s, %v", test.status, test.body, end, err)
		}
	}
}

func TestOneReaderOfUserinfo(t *testing.T) {
	s := gitHub
	for _, test := range []struct {
		canned
		user string
		dead bool
	}{
		{canned{200, "application/json", `{"id":583231,"login":"octocat"}`, nil}, "583231", false},
		{canned{200, "text/plain", "\ufeff" + `{"id":"583231"}`, nil}, "583231", false},
		{canned{201, "application/json", `{"id":12345678901234567890}`, nil}, "12345678901234567890", false},
		{canned{200, "application/json", `{"error":"slow_down"}`, nil}, "", false},
		{canned{401, "", "", nil}, "", true},
		{canned{401, "application/json", `{"message":"Bad credentials"}`, nil}, "", true},
		{canned{401, "application/json", `{"error":"invalid_token"}`, nil}, "", true},
		{canned{401, "application/json", `{"error":"temporarily_unavailable"}`, nil}, "", false},
		{canned{401, "text/html", `<html>Proxy</html>`, nil}, "", false},
		{canned{403, "application/json", `{"message":"API rate limit exceeded"}`, nil}, "", false},
		{canned{503, "text/html", `<html>`, nil}, "", false},
	} {
		c := test.client()
		fields, err := c.userinfo(t.Context(), s, s.LoginURL, "token")
		var refused *OAuthError
		if errors.As(err, &refused) != test.dead || (err == nil) != (test.user != "") || (answer{userinfo: fields}).find("userinfo.id") != test.user {
			t.Errorf("%d %q: %v, %v", test.status, test.body, fields, err)
		}
	}
}
