package identity

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"gatepost/db"
)

// apiStub stands for the API: calls of it come here, and those of OAuth don't.
type apiStub struct {
	serve func(r *http.Request, body string) *http.Response
	calls []*http.Request
	saw   []string // the bodies
}

// RoundTrip answers as serve says.
func (s *apiStub) RoundTrip(r *http.Request) (*http.Response, error) {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	s.calls, s.saw = append(s.calls, r), append(s.saw, string(b))
	res := s.serve(r, string(b))
	if res == nil {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	return res, nil
}

func answered(status int, header, body string) *http.Response {
	h := http.Header{}
	if name, value, ok := strings.Cut(header, ": "); ok {
		h.Set(name, value)
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body))}
}

// calling is a tenant's connection whose API is a stub.
func calling(t *testing.T) (*world, *Vault, *apiStub, db.Identity) {
	t.Helper()
	w := newWorld(t)
	v := w.process()
	i := w.connect(v)
	v.Wait()
	stub := &apiStub{serve: func(*http.Request, string) *http.Response {
		return answered(200, "Content-Type: application/json", `{"ok":true}`)
	}}
	v.HTTP = &http.Client{Transport: stub} // the client of OAuth has its own
	return w, v, stub, i
}

func wantCall(t *testing.T, what string, err error, code string) {
	t.Helper()
	var refused *CallError
	if !errors.As(err, &refused) || refused.Code != code || len(refused.Sentence) < 20 {
		t.Errorf("%s: %v, want %s", what, err, code)
	}
}

// hostilePaths lead out of /services/data/, or to elsewhere, for some server.
var hostilePaths = []string{
	"", "services/data/v60.0", "//services/data/", "/", "/services", "/services/data", "/services/dat", "/services/database/", "/Services/Data/v60.0", "/services/oauth2/token", "/services/apexrestx/a",
	"/services/data/../oauth2/token", "/services/data/..", "/services/data/.", "/services/data/./x", "/services/data/v60.0/../../../secur/frontdoor.jsp", "/services/data/...", "/services/data/....//x", "/../services/data/x", "/./services/data/x",
	"/services/data/%2e%2e/oauth2/token", "/services/data/%2E%2E/x", "/services/data/.%2e/x", "/services/data/%2e./x", "/services/data/%2e/x", "/services/data/%20../x", "/services/data/..%20/x", "/services/data/..%09/x", "/services/data/..%00/x",
	"/services/data/%252e%252e/x", "/services/data/%25%32%65/x", "/services/data/%25", "/services/data/%%32e", "/services/data/%2", "/services/data/%", "/services/data/%zz", "/services/data/%u002e%u002e/x",
	"/services/data/..%2foauth2", "/services/data%2fx", "/services%2Fdata/x", "/services/data/a%2fb", "/services/data/%5c..%5cx", "/services/data/..\\x", "\\services\\data\\x", "/services/data/\\evil.example", "/services/data/%5C%5Cevil.example",
	"/services/data//x", "/services//data/x", "/services/data/x//", "//evil.example/services/data/x", "///evil.example/services/data/", "/services/data/..;/x", "/services/data;a=b/x", "/services/data/x;v=1", "/services/data/..%3b/x", "/services/data/%3B",
	"@evil.example/services/data/", ".evil.example/services/data/", ":80@evil.example/services/data/", "https://evil.example/services/data/", "http://127.0.0.1/services/data/", "javascript:/services/data/", ":443/services/data/x",
	"/services/data/x?q=1", "/services/data/x#y", "/services/data/x%3fq=1", "/services/data/x%23y", "/services/data/a b", "/services/data/a\tb", "/services/data/a\r\nHost: evil.example", "/services/data/a\nb", "/services/data/\x00", "/services/data/\x7f", "/services/data/%0d%0aHost:%20evil.example", "/services/data/%00", "/services/data/%7f", "/services/data/%c2%85",
	"/services/data/%c0%ae%c0%ae/x", "/services/data/%e0%80%ae/x", "/services/data/%ff", "/services/data/%ed%a0%80", "/services/data/．．/x", "/services/data/%ef%bc%8e%ef%bc%8e/x", "/services/data/%ef%bc%8fx", "/services/data/%e2%80%a5/x", "/services/data/%ef%bc%bcx", "/services/data/%ef%bc%85", "/services/data/%e2%84%80", "/services/data/%e2%80%ae", "/services/data/%e2%80%8b", "/services/data/é",
	"/services/data/<x>", `/services/data/"`, "/services/data/{x}", "/services/data/a|b", "/services/data/a^b", "/services/data/`x`", "/services/data/[::1]", "/services/data/" + strings.Repeat("a", maxCallPath),
}

// Paths that could be read as leading elsewhere are refused before anything is sent, and
// what is sent is what was checked.
func TestCallPaths(t *testing.T) {
	_, v, stub, i := calling(t)
	if len(hostilePaths) < 50 {
		t.Fatalf("only %d paths", len(hostilePaths))
	}
	for _, path := range hostilePaths {
		_, err := v.Call(t.Context(), i, APIRequest{Method: "GET", Path: path})
		wantCall(t, fmt.Sprintf("%q", path), err, CallPathRefused)
	}
	if len(stub.calls) != 0 {
		t.Fatalf("%d calls were made, as %s", len(stub.calls), stub.calls[0].URL)
	}
	for path, want := range map[string]string{
		"/services/data/": "/services/data/",
		"/services/data/v60.0/sobjects/Contact/Email__c/a@b.example": "/services/data/v60.0/sobjects/Contact/Email__c/a@b.example",
		"/%73ervices/data/%76":                       "/services/data/v",
		"/services/apexrest/a%20b/c.d,e(f)'g'+h!$&=": "/services/apexrest/a%20b/c.d,e(f)%27g%27+h%21$&=",
		"/services/data/.well/..x/x..":               "/services/data/.well/..x/x..",
		"/services/data/k%C3%B6ln":                   "/services/data/k%C3%B6ln",
	} {
		if _, err := v.Call(t.Context(), i, APIRequest{Method: "GET", Path: path}); err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		u := stub.calls[len(stub.calls)-1].URL
		decoded, err := url.PathUnescape(want)
		if u.Path != decoded || err != nil || u.Scheme+"://"+u.Host != i.InstanceURL || u.User != nil || u.RawQuery != "" {
			t.Errorf("%s was sent as %s, want %s", path, u, want)
		}
	}
}

func TestCallIsMade(t *testing.T) {
	w, v, stub, i := calling(t)
	a, err := v.Call(t.Context(), i, APIRequest{Method: "PATCH", Path: "/services/data/v60.0/x", Query: url.Values{"q": {"a b", "ü&?#"}},
		Header: map[string]string{"content-type": "application/json", "If-Match": `"1"`}, Body: []byte(`{"a":1}`)})
	if err != nil || a.Status != 200 || string(a.Body) != `{"ok":true}` || a.Header["Content-Type"] != "application/json" || len(a.Header) != 1 {
		t.Fatalf("%+v, %v", a, err)
	}
	r := stub.calls[0]
	c := w.fresh(v, 0)
	if r.Method != "PATCH" || r.URL.Query()["q"][1] != "ü&?#" || stub.saw[0] != `{"a":1}` || r.Header.Get("Authorization") != "Bearer "+c.AccessToken ||
		r.Header.Get("Accept-Encoding") != "identity" || r.Header.Get("If-Match") != `"1"` || r.Host != "" && "http://"+r.Host != i.InstanceURL {
		t.Errorf("sent %+v", r)
	}
	if r.GetBody != nil {
		t.Error("the transport may send it twice")
	}
	if end, bounded := r.Context().Deadline(); !bounded || time.Until(end) > 30*time.Second {
		t.Errorf("it may take until %s", end)
	}
	// Other answers are the caller's to read.
	stub.serve = func(*http.Request, string) *http.Response { return answered(404, "Set-Cookie: a=b", "[]") }
	if a, err := v.Call(t.Context(), i, APIRequest{Method: "GET", Path: "/services/data/"}); err != nil || a.Status != 404 || len(a.Header) != 0 {
		t.Errorf("%+v, %v", a, err)
	}
	v.Wait()
	told := w.told()
	all, err := w.store.VaultEvents(t.Context(), db.VaultEventFilter{Identity: i.ID}, 100)
	if err != nil || len(told) < 4 || all[len(all)-1].Detail != "GET /services/data/ 404" || all[len(all)-2].Detail != "PATCH /services/data/ 200" {
		t.Errorf("%+v, %v", all, err)
	}
}

// What a call may not be is refused before anything is sent.
func TestCallsThatAreRefused(t *testing.T) {
	_, v, stub, i := calling(t)
	const path = "/services/data/"
	for name, r := range map[string]APIRequest{
		"no method":               {Path: path},
		"a method in lower case":  {Method: "get", Path: path},
		"CONNECT":                 {Method: "CONNECT", Path: path},
		"TRACE":                   {Method: "TRACE", Path: path},
		"a GET with a body":       {Method: "GET", Path: path, Body: []byte("x"), Header: map[string]string{"Content-Type": "a/b"}},
		"a body of no type":       {Method: "POST", Path: path, Body: []byte("x")},
		"a large body":            {Method: "POST", Path: path, Body: make([]byte, MaxCallBody+1), Header: map[string]string{"Content-Type": "a/b"}},
		"a long query":            {Method: "GET", Path: path, Query: url.Values{"q": {strings.Repeat("x", maxCallQuery)}}},
		"another's token":         {Method: "GET", Path: path, Header: map[string]string{"authorization": "Bearer x"}},
		"a host":                  {Method: "GET", Path: path, Header: map[string]string{"Host": "evil.example"}},
		"a cookie":                {Method: "GET", Path: path, Header: map[string]string{"Cookie": "sid=1"}},
		"a forwarder":             {Method: "GET", Path: path, Header: map[string]string{"X-Forwarded-Host": "evil.example"}},
		"an encoding":             {Method: "GET", Path: path, Header: map[string]string{"Accept-Encoding": "gzip"}},
		"another method":          {Method: "POST", Path: path, Header: map[string]string{"X-HTTP-Method-Override": "DELETE"}},
		"two lines":               {Method: "GET", Path: path, Header: map[string]string{"Accept": "a\r\nCookie: b"}},
		"a header twice":          {Method: "GET", Path: path, Header: map[string]string{"Accept": "a", "accept": "b"}},
		"an empty header":         {Method: "GET", Path: path, Header: map[string]string{"Accept": ""}},
		"a long header":           {Method: "GET", Path: path, Header: map[string]string{"Accept": strings.Repeat("x", maxCallHeader+1)}},
		"a header that isn't one": {Method: "GET", Path: path, Header: map[string]string{"Accept\r\nX": "a"}},
	} {
		_, err := v.Call(t.Context(), i, r)
		wantCall(t, name, err, CallInvalid)
	}
	if len(stub.calls) != 0 {
		t.Errorf("%d calls were made", len(stub.calls))
	}
}

// gzipped is a text compressed.
func gzipped(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := io.WriteString(z, text); err != nil || z.Close() != nil {
		t.Fatal(err)
	}
	return b.String()
}

// An answer that holds a token, in whatever way servers write what they were sent, isn't
// given out.
func TestCallGivesOutNoToken(t *testing.T) {
	w, v, stub, i := calling(t)
	refresh, err := v.openRefresh(t.Context(), i.Grant)
	if err != nil {
		t.Fatal(err)
	}
	for which, token := range map[string]string{"access": w.fresh(v, 0).AccessToken, "refresh": refresh} {
		var json, percent, entities strings.Builder
		for _, b := range []byte(token) {
			fmt.Fprintf(&json, `\u%04x`, b)
			fmt.Fprintf(&percent, "%%%02X", b)
			fmt.Fprintf(&entities, "&#%d;", b)
		}
		bodies := map[string]string{
			"as it is": `{"headers":{"Authorization":"Bearer ` + token + `"}}`, "in JSON": `"` + json.String() + `"`, "in a URL": "?a=" + percent.String(), "in HTML": "<p>" + entities.String(),
			"in JSON in a URL": url.QueryEscape(`"` + json.String() + `"`), "in hex": hex.EncodeToString([]byte(token)), "in large hex": strings.ToUpper(hex.EncodeToString([]byte(token))),
			"at the end": strings.Repeat("x", 1<<20) + token,
		}
		var twice, script, wide strings.Builder
		for _, b := range []byte(token) {
			fmt.Fprintf(&twice, "%%25%02x", b)
			fmt.Fprintf(&script, `\x%02x`, b)
			wide.WriteString("\x00" + string(b))
		}
		lines := base64.StdEncoding.EncodeToString([]byte("Authorization: Bearer " + token))
		var broken []string
		for len(lines) > 10 {
			broken, lines = append(broken, lines[:10]), lines[10:]
		}
		broken = append(broken, lines)
		bodies["in a URL in a URL"], bodies["in a script"], bodies["in UTF-16"] = "?back="+twice.String(), `"`+script.String()+`"`, wide.String()
		bodies["in a mail"], bodies["in a mail in JSON"] = strings.Join(broken, "\r\n"), `{"raw":"`+strings.Join(broken, `\r\n`)+`"}`
		bodies["in a mail for people"] = "Token: " + token[:9] + "=\r\n" + token[9:20] + "=\n" + token[20:]
		for n := range 4 {
			text := strings.Repeat("u", n) + ":" + token + ":p"
			bodies[fmt.Sprint("in base64 ", n)] = base64.StdEncoding.EncodeToString([]byte(text))
			bodies[fmt.Sprint("in a URL's base64 ", n)] = base64.RawURLEncoding.EncodeToString([]byte(text))
		}
		for name, body := range bodies {
			stub.serve = func(*http.Request, string) *http.Response { return answered(200, "", body) }
			a, err := v.Call(t.Context(), i, APIRequest{Method: "GET", Path: "/services/data/"})
			wantCall(t, which+" "+name, err, CallTokenInThere)
			if len(a.Body) > 0 {
				t.Errorf("%s %s: a body came with it", which, name)
			}
		}
		for _, header := range []string{"ETag", "Content-Type", "Link"} {
			stub.serve = func(*http.Request, string) *http.Response { return answered(200, header+": "+token, "") }
			_, err := v.Call(t.Context(), i, APIRequest{Method: "GET", Path: "/services/data/"})
			wantCall(t, which+" in "+header, err, CallTokenInThere)
		}
		stub.serve = func(*http.Request, string) *http.Response {
			return answered(200, "Content-Encoding: gzip", gzipped(t, `{"t":"`+token+`"}`))
		}
		_, err := v.Call(t.Context(), i, APIRequest{Method: "GET", Path: "/services/data/"})
		wantCall(t, which+" compressed", err, CallTokenInThere)
	}
	// What only looks like it goes through.
	stub.serve = func(*http.Request, string) *http.Response {
		return answered(200, "", `{"a":"100 % & more \\ \u00e9 %zz &amp; `+strings.Repeat("ab", 500)+`"}`)
	}
	if _, err := v.Call(t.Context(), i, APIRequest{Method: "GET", Path: "/services/data/"}); err != nil {
		t.Error(err)
	}
}

// What comes back and isn't an answer for the caller.
func TestAnswersThatAreNotGivenOut(t *testing.T) {
	_, v, stub, i := calling(t)
	for name, c := range map[string]struct {
		answer *http.Response
		code   string
	}{
		"a redirect":             {answered(302, "Location: https://evil.example/", ""), CallRedirected},
		"a permanent redirect":   {answered(308, "Location: http://127.0.0.1/", ""), CallRedirected},
		"several choices":        {answered(300, "", ""), CallRedirected},
		"too much":               {answered(200, "", strings.Repeat("x", maxCallAnswer+1)), CallTooLarge},
		"too much, compressed":   {answered(200, "Content-Encoding: gzip", gzipped(t, strings.Repeat("x", maxCallAnswer+1))), CallTooLarge},
		"compressed, as it says": {answered(200, "Content-Encoding: gzip", "plain"), CallEncoded},
		"of another compression": {answered(200, "Content-Encoding: br", "x"), CallEncoded},
		"compressed twice":       {answered(200, "Content-Encoding: gzip, gzip", "x"), CallEncoded},
		"cut off":                {&http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(io.MultiReader(strings.NewReader("{"), brokenReader{}))}, CallUnanswered},
	} {
		stub.serve = func(*http.Request, string) *http.Response { return c.answer }
		a, err := v.Call(t.Context(), i, APIRequest{Method: "GET", Path: "/services/data/"})
		wantCall(t, name, err, c.code)
		if len(a.Body) > 0 || a.Header["Location"] != "" {
			t.Errorf("%s: %d bytes, %v", name, len(a.Body), a.Header)
		}
	}
	if stub.calls[0].URL.Host != stub.calls[len(stub.calls)-1].URL.Host {
		t.Error("a redirect was followed")
	}
	stub.serve = func(*http.Request, string) *http.Response { return answered(304, `ETag: "1"`, "") }
	if a, err := v.Call(t.Context(), i, APIRequest{Method: "GET", Path: "/services/data/"}); err != nil || a.Status != 304 || a.Header["Etag"] != `"1"` {
		t.Errorf("not modified: %+v, %v", a, err)
	}
	stub.serve = func(*http.Request, string) *http.Response {
		return answered(200, "", strings.Repeat("x", maxCallAnswer))
	}
	if a, err := v.Call(t.Context(), i, APIRequest{Method: "GET", Path: "/services/data/"}); err != nil || len(a.Body) != maxCallAnswer {
		t.Errorf("as much as may be: %d, %v", len(a.Body), err)
	}
}

// brokenReader breaks.
type brokenReader struct{}

// Read fails.
func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// A service that doesn't answer costs its caller no longer than a call may take, and no
// call is made for ever.
func TestCallsThatAreSlow(t *testing.T) {
	w, v, _, i := calling(t)
	gone := newGate(false)
	defer close(gone.open)
	v.HTTP = &http.Client{Transport: hanging{gone}}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := v.Call(ctx, i, APIRequest{Method: "POST", Path: "/services/data/"})
		done <- err
	}()
	<-gone.entered
	cancel()
	wantCall(t, "the caller goes", <-done, CallUnreachable)
	// As many as may be are under way.
	for range callsAtOnce {
		v.calls <- struct{}{}
	}
	busy, stop := context.WithTimeout(t.Context(), time.Millisecond)
	defer stop()
	_, err := v.Call(busy, i, APIRequest{Method: "GET", Path: "/services/data/"})
	wantCall(t, "no turn", err, CallBusy)
	<-busy.Done()
	wantCall(t, "no answer in time", unansweredCall(busy, true), CallTimeout)
	wantCall(t, "never sent", unansweredCall(busy, false), CallUnreachable)
	wantCall(t, "no credential", inTime(busy, fmt.Errorf("renew: %w", busy.Err())), CallUnreachable)
	if !strings.Contains(strings.Join(w.told(), "\n"), "called unreachable") {
		t.Errorf("it isn't told: %v", w.told())
	}
}

// hanging never gets a connection.
type hanging struct{ *gate }

// RoundTrip waits until its caller goes.
func (h hanging) RoundTrip(r *http.Request) (*http.Response, error) {
	close(h.entered)
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// A refused credential is renewed once, and the call made once more, with its body.
func TestCallAfterARefusal(t *testing.T) {
	w, v, stub, i := calling(t)
	old := w.fresh(v, 0).AccessToken
	stub.serve = func(r *http.Request, _ string) *http.Response {
		if strings.Contains(r.Header.Get("Authorization"), old) {
			return answered(401, "", "")
		}
		return answered(201, "", "made")
	}
	a, err := v.Call(t.Context(), i, APIRequest{Method: "POST", Path: "/services/data/", Header: map[string]string{"Content-Type": "a/b"}, Body: []byte("x")})
	if err != nil || a.Status != 201 || !slices.Equal(stub.saw, []string{"x", "x"}) {
		t.Errorf("%+v, %v, %q", a, err, stub.saw)
	}
	w.wantCalls(1)
	// One that is refused always is the caller's to read, and isn't tried for ever.
	stub.serve, stub.saw = func(*http.Request, string) *http.Response { return answered(401, "", "no") }, nil
	if a, err := v.Call(t.Context(), w.identity(v), APIRequest{Method: "GET", Path: "/services/data/"}); err != nil || a.Status != 401 || len(stub.saw) != 2 {
		t.Errorf("%+v, %v after %d calls", a, err, len(stub.saw))
	}
	w.wantCalls(2)
	// And one whose grant is over tells so.
	w.srv.revokeAll()
	_, err = v.Call(t.Context(), w.identity(v), APIRequest{Method: "GET", Path: "/services/data/"})
	wantBroken(t, err, "invalid_grant")
}

// Each service's API is called at a host of its own, and no path that is let through leads
// to where tokens are made or ended.
func TestEveryServicesAPIPaths(t *testing.T) {
	t.Parallel()
	callable := 0
	for _, s := range BuiltIn() {
		if len(s.APIPrefixes) == 0 {
			if _, _, err := s.apiPath("/x"); err == nil {
				t.Errorf("%s: called without paths", s.ID)
			}
			continue
		}
		callable++
		base, ok := s.apiBase(Credential{})
		if ok != (s.CallHost != "" || len(s.APIHosts) > 0) || ok && !s.takes(base, Credential{}) {
			t.Errorf("%s: called at %v", s.ID, base)
		}
		if !ok && s.InstanceField == "" {
			t.Errorf("%s: nobody knows where", s.ID)
		}
		for _, endPoint := range []string{s.AuthorizeURL, s.TokenURL, s.IntrospectURL, s.Revoke.URL, s.Revoke.Uninstall} {
			u, err := url.Parse(s.at(s.LoginURL, endPoint))
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err := s.apiPath(u.Path); err == nil {
				t.Errorf("%s: %s may be called", s.ID, endPoint)
			}
		}
		for _, prefix := range s.APIPrefixes {
			if _, got, err := s.apiPath(strings.TrimSuffix(prefix, "/") + map[bool]string{true: "/x", false: ""}[strings.HasSuffix(prefix, "/")]); err != nil || got != prefix {
				t.Errorf("%s: %s: %q, %v", s.ID, prefix, got, err)
			}
		}
	}
	exact := Service{ID: "x", Name: "X", APIPrefixes: []string{"/graphql", "/v1/"}}
	for path, ok := range map[string]bool{"/graphql": true, "/v1/": true, "/v1/a": true, "/graphqlx": false, "/graphql/": false, "/graphql/admin": false, "/graphql.json": false, "/v1": false, "/v11": false, "/": false} {
		if _, _, err := exact.apiPath(path); (err == nil) != ok {
			t.Errorf("%s: %v", path, err)
		}
	}
	if callable < 10 {
		t.Errorf("only %d services can be called", callable)
	}
	on := gitHub.on("https://git.contoso.example")
	if base, ok := on.apiBase(Credential{InstanceURL: "https://git.contoso.example"}); !ok || base.String() != "https://git.contoso.example/api/v3" {
		t.Errorf("on a host of a tenant's: %v", base)
	}
	if _, ok := gitLab.apiBase(Credential{InstanceURL: "https://git.contoso.example/x?y"}); !ok {
		t.Error("an address with a path")
	}
}

func FuzzCallPaths(f *testing.F) {
	for _, path := range hostilePaths {
		f.Add(path)
	}
	s := SalesforceService("", "", "", "")
	f.Fuzz(func(t *testing.T, raw string) {
		path, _, err := s.apiPath(raw)
		if err != nil {
			return
		}
		sent := (&url.URL{Scheme: "https", Host: "one.my.salesforce.com", Path: path}).String()
		back, err := url.Parse(sent)
		if err != nil || back.Host != "one.my.salesforce.com" || back.Path != path || back.RawQuery != "" || back.Fragment != "" || back.JoinPath().Path != path ||
			!strings.HasPrefix(back.Path, "/services/data/") && !strings.HasPrefix(back.Path, "/services/apexrest/") {
			t.Errorf("%q is sent as %q", raw, sent)
		}
	})
}

// What is sent counts among the tenant's API calls. What isn't doesn't, though it is told:
// a program that asks again and again for an identity that broke would use up the share
// of sign-ups.
func TestCallsThatAreCounted(t *testing.T) {
	w, v, stub, i := calling(t)
	if _, err := w.store.Writer().Exec(`UPDATE destinations SET service = $1 WHERE tenant_id = $2`, i.Service, i.TenantID); err != nil {
		t.Fatal(err)
	}
	counted := func() (n int) {
		t.Helper()
		if err := w.store.Writer().QueryRow(`SELECT COALESCE(sum(n), 0) FROM api_calls`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	call := func(what string, want int) {
		t.Helper()
		before, told := counted(), len(w.told())
		_, _ = v.Call(t.Context(), w.identity(v), APIRequest{Method: "GET", Path: "/services/data/"})
		if n := counted() - before; n != want || len(w.told()) <= told {
			t.Errorf("%s: %d counted, want %d; told %v", what, n, want, w.told())
		}
	}
	call("answered", 1)
	stub.serve = func(*http.Request, string) *http.Response { return answered(302, "", "") }
	call("answered with a redirect", 1)
	v.HTTP = &http.Client{Transport: unreached{}}
	call("not sent", 0)
	v.HTTP = &http.Client{Transport: stub}
	stub.serve = func(*http.Request, string) *http.Response { return answered(401, "", "") }
	w.srv.revokeAll()
	call("refused, and not renewed", 0)
	if i = w.identity(v); i.BrokenAt.IsZero() {
		t.Fatal("it isn't broken")
	}
	call("broken", 0)
}

// unreached reaches nobody.
type unreached struct{}

// RoundTrip fails before anything is sent.
func (unreached) RoundTrip(*http.Request) (*http.Response, error) { return nil, errDisk }
