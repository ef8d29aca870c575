package identity

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
)

// habits are how a service behaves, told apart from its definition, by what its
// documentation says. Addresses are host and path.
type habits struct {
	id         string
	authorize  string
	token      string
	asked      map[string]string // what the authorize end point must be asked
	noPKCE     bool              // it wants no code challenge
	introspect string            // where it says of a token whether it is alive
	basic      bool              // the client authenticates in a header, and nowhere else
	lifetime   int               // expires_in of its access tokens; 0: it isn't said, and they don't run out
	lasting    bool              // it gives refresh tokens
	rotates    bool              // which work once
	omits      []string          // what a renewal's answer leaves out
	says       map[string]any    // in its answers beside the tokens
	callback   url.Values        // what it adds to the callback
	userinfo   string            // where it says whose a token is
	user       map[string]any
	refuses    func(w http.ResponseWriter, what string)
	revoke     string // method, host and path; {token} and {client_id} as in the definition
	revokes    func(s *double, r *http.Request, body []byte) (token string, ok bool)
	revoked    func(w http.ResponseWriter, known bool)
	ends       string // what else ends: user, or nothing

	org, person, name, instance string // as they are to be stored
	scopes                      string
	scheme                      string
	api                         string // an address of its API
	dead, wrongApp              string // the codes by which a dead grant and an unknown app are told
}

// double is a local server that stands for all hosts of one service, and for no
// other.
type double struct {
	habits
	*httptest.Server
	t       *testing.T
	w       *world
	mu      sync.Mutex
	codes   map[string]url.Values
	tokens  map[string]*family // by each refresh token there ever was
	access  map[string]*family
	faults  []fault
	calls   map[string]int
	reuses  int
	revokeF []fault
}

const doubleCallback = "https://portal.example/integrations/%s/callback"

func newDouble(t *testing.T, w *world, h habits) *double {
	h.says = maps.Clone(h.says)
	s := &double{habits: h, t: t, w: w, codes: map[string]url.Values{}, tokens: map[string]*family{}, access: map[string]*family{}, calls: map[string]int{}}
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(s.Close)
	return s
}

// RoundTrip leads every host to the double, and keeps its name.
func (s *double) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme != "https" || r.URL.Port() != "" {
		s.t.Errorf("a call of %s", r.URL)
	}
	local := r.Clone(r.Context())
	local.Host = r.URL.Host
	local.URL.Scheme, local.URL.Host = "http", s.Listener.Addr().String()
	return http.DefaultTransport.RoundTrip(local)
}

func (s *double) secret(prefix string) string {
	v := prefix + rand.Text() + rand.Text()
	s.w.srv.mu.Lock()
	defer s.w.srv.mu.Unlock()
	s.w.srv.secrets = append(s.w.srv.secrets, v)
	return v
}

func (s *double) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	r.Body = io.NopCloser(strings.NewReader(string(body)))
	if r.ParseForm() != nil {
		s.t.Error("a form that can't be read")
	}
	here := r.Host + r.URL.Path
	s.mu.Lock()
	var next http.HandlerFunc
	var faults *[]fault
	switch {
	case here == s.token && r.Method == http.MethodPost:
		s.calls[r.PostForm.Get("grant_type")]++
		next, faults = s.tokens_, &s.faults
	case s.introspect != "" && here == s.introspect && r.Method == http.MethodPost:
		s.calls["introspect"]++
		next = s.tells
	case s.revoke != "" && s.revokesAt(r):
		s.calls["revoke"]++
		next, faults = func(w http.ResponseWriter, r *http.Request) { s.end(w, r, body) }, &s.revokeF
	case here == s.userinfo && r.Method == http.MethodGet:
		s.calls["userinfo"]++
		next = s.whose
	case strings.HasPrefix("https://"+here, s.api) && strings.HasSuffix(here, "/api-call"):
		next = s.called
	default:
		s.mu.Unlock()
		s.t.Errorf("%s was asked for %s %s", s.id, r.Method, here)
		w.WriteHeader(http.StatusTeapot)
		return
	}
	var f fault
	if faults != nil && len(*faults) > 0 {
		f, *faults = (*faults)[0], (*faults)[1:]
	}
	s.mu.Unlock()
	locked := func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		next(w, r)
	}
	if f != nil {
		f(w, r, locked)
		return
	}
	locked(w, r)
}

func (s *double) revokesAt(r *http.Request) bool {
	method, at, _ := strings.Cut(s.revoke, " ")
	before, after, inPath := strings.Cut(strings.ReplaceAll(at, "{client_id}", clientID), "{token}")
	here := r.Host + r.URL.Path
	return r.Method == method && (here == before && !inPath || inPath && strings.HasPrefix(here, before) && strings.HasSuffix(here, after))
}

// isClient reports whether the request is the client's, authenticated as the
// service wants it and in no other way.
func (s *double) isClient(r *http.Request) bool {
	id, secret, inHeader := r.BasicAuth()
	if s.basic {
		return inHeader && id == clientID && secret == clientSecret && !r.PostForm.Has("client_secret")
	}
	return !inHeader && r.Header.Get("Authorization") == "" && r.PostForm.Get("client_id") == clientID && r.PostForm.Get("client_secret") == clientSecret
}

func (s *double) tokens_(w http.ResponseWriter, r *http.Request) {
	form := r.PostForm
	if len(r.URL.RawQuery) > 0 || !strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		s.t.Errorf("%s: a token request with something in its URL, or not a form", s.id)
	}
	if !s.isClient(r) {
		s.refuses(w, "app")
		return
	}
	if form.Get("grant_type") == "authorization_code" {
		asked, ok := s.codes[form.Get("code")]
		delete(s.codes, form.Get("code"))
		sum := sha256.Sum256([]byte(form.Get("code_verifier")))
		proven := len(form.Get("code_verifier")) >= 43 && asked.Get("code_challenge") == base64.RawURLEncoding.EncodeToString(sum[:])
		if s.noPKCE {
			proven = !form.Has("code_verifier") && !asked.Has("code_challenge") && !asked.Has("code_challenge_method")
		}
		if !ok || !proven || form.Get("redirect_uri") != asked.Get("redirect_uri") {
			s.refuses(w, "code")
			return
		}
		s.answers(w, &family{}, true)
		return
	}
	f := s.tokens[form.Get("refresh_token")]
	if f != nil && s.rotates && f.current != form.Get("refresh_token") {
		s.reuses++
		f.revoked = true
	}
	if form.Get("grant_type") != "refresh_token" || f == nil || f.revoked {
		s.refuses(w, "grant")
		return
	}
	s.answers(w, f, false)
}

func (s *double) answers(w http.ResponseWriter, f *family, first bool) {
	token := s.secret("access-")
	s.access[token] = f
	a := map[string]any{"access_token": token}
	for name, v := range s.says {
		a[name] = v
	}
	if s.lifetime > 0 {
		a["expires_in"] = s.lifetime
	}
	if s.lasting && (first || s.rotates) {
		f.current = s.secret("refresh-")
		s.tokens[f.current] = f
	}
	if s.lasting {
		a["refresh_token"] = f.current
	}
	if !first {
		for _, name := range s.omits {
			delete(a, name)
		}
	}
	writeJSON(w, 200, a)
}

// tells says whether a token is alive.
func (s *double) tells(w http.ResponseWriter, r *http.Request) {
	if !s.isClient(r) {
		s.refuses(w, "app")
		return
	}
	token := r.PostForm.Get("token")
	f := s.tokens[token]
	if f == nil {
		f = s.access[token]
	}
	writeJSON(w, 200, map[string]any{"active": f != nil && !f.revoked})
}

func (s *double) whose(w http.ResponseWriter, r *http.Request) {
	if !s.mayCall(r) {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	writeJSON(w, 200, s.user)
}

func (s *double) called(w http.ResponseWriter, r *http.Request) {
	if !s.mayCall(r) {
		w.WriteHeader(http.StatusUnauthorized)
	}
}

// mayCall reports whether a request of the API presents a token that is alive as
// the service wants it.
func (s *double) mayCall(r *http.Request) bool {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), s.scheme+" ")
	f := s.access[token]
	return ok && f != nil && !f.revoked
}

func (s *double) end(w http.ResponseWriter, r *http.Request, body []byte) {
	token, ok := s.revokes(s, r, body)
	if !ok || token == "" {
		s.refuses(w, "app")
		return
	}
	f := s.tokens[token]
	if f == nil {
		f = s.access[token]
	}
	known := f != nil && !f.revoked
	if known {
		f.revoked = true
		for _, other := range s.access {
			other.revoked = other.revoked || s.ends != ""
		}
	}
	s.revoked(w, known)
}

// consent is a user who allows what an authorization URL asks for.
func (s *double) consent(address string) url.Values {
	s.t.Helper()
	u, err := url.Parse(address)
	if err != nil || "https://"+s.authorize != strings.SplitN(address, "?", 2)[0] {
		s.t.Fatalf("authorize at %q, %v", address, err)
	}
	q := u.Query()
	wanted := map[string]string{"response_type": "code", "client_id": clientID, "redirect_uri": fmt.Sprintf(doubleCallback, s.id), "code_challenge_method": "S256"}
	if s.noPKCE {
		delete(wanted, "code_challenge_method")
	}
	for name, v := range s.asked {
		wanted[name] = v
	}
	for name, want := range wanted {
		if q.Get(name) != want {
			s.t.Fatalf("authorize with %s=%q, want %q", name, q.Get(name), want)
		}
	}
	code := s.secret("code-")
	s.mu.Lock()
	defer s.mu.Unlock()
	s.codes[code] = q
	back := url.Values{"state": {q.Get("state")}, "code": {code}}
	for name, v := range s.habits.callback {
		back[name] = v
	}
	return back
}

func (s *double) fail(n int, f fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for range n {
		s.faults = append(s.faults, f)
	}
}

func (s *double) count(what string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[what]
}

// live counts the authorizations that are not revoked.
func (s *double) live() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var seen []*family
	for _, f := range s.access {
		if !f.revoked && !slices.Contains(seen, f) {
			seen, n = append(seen, f), n+1
		}
	}
	return n
}

// revokeAll ends everything, as a user does in the service's settings.
func (s *double) revokeAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.access {
		f.revoked = true
	}
}

func (s *double) alive(token string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.access[token]
	return f != nil && !f.revoked
}

// How services refuse.

// standard is RFC 6749, section 5.2.
func standard(w http.ResponseWriter, what string) {
	if what == "app" {
		oauthError(w, 401, "invalid_client")
		return
	}
	oauthError(w, 400, "invalid_grant")
}

// spoken answers a code for each of app, code and grant, with a status and fields.
func spoken(status int, body string, app, code, grant string) func(http.ResponseWriter, string) {
	return func(w http.ResponseWriter, what string) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, body, map[string]string{"app": app, "code": code, "grant": grant}[what])
	}
}

// How services are asked to revoke, and answer.

// byForm is RFC 7009: the token in a form, and the client as at the token end point.
func byForm(s *double, r *http.Request, _ []byte) (string, bool) {
	return r.PostForm.Get("token"), s.isClient(r)
}

// byAnybody is RFC 7009 for whoever has the token.
func byAnybody(_ *double, r *http.Request, _ []byte) (string, bool) {
	return r.PostForm.Get("token"), !r.PostForm.Has("client_secret")
}

// byHeader is an access token in a header, and nothing else.
func byHeader(s *double, r *http.Request, _ []byte) (string, bool) {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	return token, ok && len(r.PostForm) == 0 && s.tokens[token] == nil
}

// byJSON is the token in a field of an object, and the client in a header.
func byJSON(field string) func(*double, *http.Request, []byte) (string, bool) {
	return func(_ *double, r *http.Request, body []byte) (string, bool) {
		var fields map[string]string
		id, secret, ok := r.BasicAuth()
		ok = json.Unmarshal(body, &fields) == nil && ok && id == clientID && secret == clientSecret && fields[field] != ""
		return fields[field], ok
	}
}

func empty200(w http.ResponseWriter, _ bool) { w.WriteHeader(200) }
func empty204(w http.ResponseWriter, _ bool) { w.WriteHeader(204) }

// invalid400 answers 200, and for a token that is no more 400.
func invalid400(w http.ResponseWriter, known bool) {
	if !known {
		oauthError(w, 400, "invalid_token")
	}
}
