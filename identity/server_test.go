package identity

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	clientID     = "client-of-the-tests"
	clientSecret = "client-secret-of-the-tests"
	redirectURI  = "https://portal.example/integrations/sfdc/callback"
	orgOne       = "00D000000000001AAA"
	orgTwo       = "00D000000000002AAA"
	remoteUser   = "005000000000001AAA"
)

// fault stands between a request and what would serve it.
type fault func(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc)

// family is what grew out of one authorization. Only its last refresh token is
// good; using an earlier one ends it.
type family struct {
	client  string // who it was authorized for
	current string
	revoked bool
}

// oauthServer is a strict OAuth server: PKCE with S256, exact redirect URI,
// codes that work once, rotation.
type oauthServer struct {
	*httptest.Server
	t        *testing.T
	handler  http.Handler
	mu       sync.Mutex
	clients  map[string]string     // secrets by client ids
	asked    map[string]bool       // client secrets that came
	codes    map[string]url.Values // the authorization request of each code not used yet
	families map[string]*family    // by each refresh token there ever was
	access   map[string]*family
	faults   map[string][]fault // by path
	calls    map[string]int     // by the last part of the path, and for a refresh "refresh"
	secrets  []string           // all that must never be seen
	reuses   int
	org      string
	scope    string
	mend     func(answer map[string]any) // changes what the token end point answers
	strict   bool                        // revocation wants the client too
	norotate bool
	lifetime time.Duration // of access tokens, as introspection tells it; 0: it doesn't
}

func newOAuthServer(t *testing.T) *oauthServer {
	s := newOAuthHandler(t)
	s.Server = httptest.NewServer(s.handler)
	t.Cleanup(s.Close)
	return s
}

// newOAuthHandler is an OAuth server that listens nowhere.
func newOAuthHandler(t *testing.T) *oauthServer {
	s := &oauthServer{t: t, codes: map[string]url.Values{}, families: map[string]*family{}, access: map[string]*family{},
		faults: map[string][]fault{}, calls: map[string]int{}, secrets: []string{clientSecret},
		clients: map[string]string{clientID: clientSecret}, asked: map[string]bool{}, org: orgOne, scope: "id refresh_token api"}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /services/oauth2/token", s.faulty("token", s.token))
	mux.HandleFunc("POST /services/oauth2/introspect", s.faulty("introspect", s.introspect))
	mux.HandleFunc("POST /services/oauth2/revoke", s.faulty("revoke", s.revoke))
	s.handler = mux
	return s
}

func (s *oauthServer) faulty(name string, serve http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.ParseForm() != nil || r.URL.RawQuery != "" {
			s.t.Errorf("%s: a request whose form can't be read, or with something in its URL", name)
		}
		name := name
		if r.PostForm.Get("token_type_hint") == "access_token" {
			name = "expiry"
		}
		s.mu.Lock()
		s.calls[name]++
		s.asked[r.PostForm.Get("client_secret")] = true
		if r.PostForm.Get("grant_type") == "refresh_token" {
			s.calls["refresh"]++
		}
		var f fault
		if waiting := s.faults[name]; len(waiting) > 0 {
			f, s.faults[name] = waiting[0], waiting[1:]
		}
		s.mu.Unlock()
		if f != nil {
			f(w, r, serve)
			return
		}
		serve(w, r)
	}
}

// fail puts faults in the way of the next calls.
func (s *oauthServer) fail(name string, n int, f fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for range n {
		s.faults[name] = append(s.faults[name], f)
	}
}

func (s *oauthServer) heal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.faults)
}

func (s *oauthServer) count(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[name]
}

// live counts the authorizations that are not revoked.
func (s *oauthServer) live() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	seen := map[*family]bool{}
	for _, f := range s.families {
		if !f.revoked && !seen[f] {
			seen[f], n = true, n+1
		}
	}
	for _, f := range s.access {
		if !f.revoked && !seen[f] {
			seen[f], n = true, n+1
		}
	}
	return n
}

func (s *oauthServer) reused() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reuses
}

// alive reports whether an access token works.
func (s *oauthServer) alive(token string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.access[token]
	return f != nil && !f.revoked
}

// secret makes a secret and remembers it; the lock must be held.
func (s *oauthServer) secret(prefix string) string {
	v := prefix + rand.Text() + "!" + rand.Text()
	s.secrets = append(s.secrets, v)
	return v
}

// rotateAll rotates every token, as a renewal does whose answer is lost.
func (s *oauthServer) rotateAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.families {
		f.current = s.secret("refresh-")
	}
}

// consent is a user who allows what an authorization URL asks for. It returns
// what the browser brings back.
func (s *oauthServer) consent(address string) url.Values {
	s.t.Helper()
	u, err := url.Parse(address)
	if err != nil || !strings.HasPrefix(address, s.URL+"/services/oauth2/authorize?") {
		s.t.Fatalf("authorize at %q, %v", address, err)
	}
	q := u.Query()
	for name, want := range map[string]string{"response_type": "code", "redirect_uri": redirectURI,
		"code_challenge_method": "S256", "scope": "api refresh_token id"} {
		if q.Get(name) != want {
			s.t.Fatalf("authorize with %s=%q, want %q", name, q.Get(name), want)
		}
	}
	if len(q.Get("code_challenge")) != 43 || len(q.Get("state")) < 43 || strings.Contains(address, clientSecret) {
		s.t.Fatalf("authorize without a challenge or a long state, or with a secret")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.clients[q.Get("client_id")] == "" {
		s.t.Fatalf("authorize for the client %q", q.Get("client_id"))
	}
	code := s.secret("code-")
	s.codes[code] = q
	s.secrets = append(s.secrets, q.Get("state"))
	return url.Values{"state": {q.Get("state")}, "code": {code}}
}

func (s *oauthServer) isClient(r *http.Request) bool {
	secret := s.clients[r.PostForm.Get("client_id")]
	return secret != "" && r.PostForm.Get("client_secret") == secret
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func oauthError(w http.ResponseWriter, status int, code string) {
	writeJSON(w, status, map[string]string{"error": code, "error_description": "as said"})
}

func (s *oauthServer) token(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.isClient(r) {
		oauthError(w, 401, "invalid_client")
		return
	}
	switch r.PostForm.Get("grant_type") {
	case "authorization_code":
		s.exchange(w, r)
	case "refresh_token":
		s.refresh(w, r)
	default:
		oauthError(w, 400, "unsupported_grant_type")
	}
}

func (s *oauthServer) exchange(w http.ResponseWriter, r *http.Request) {
	verifier := r.PostForm.Get("code_verifier")
	s.secrets = append(s.secrets, verifier)
	asked, ok := s.codes[r.PostForm.Get("code")]
	delete(s.codes, r.PostForm.Get("code"))
	sum := sha256.Sum256([]byte(verifier))
	if !ok || asked.Get("client_id") != r.PostForm.Get("client_id") || len(verifier) < 43 || r.PostForm.Get("redirect_uri") != redirectURI ||
		asked.Get("code_challenge") != base64.RawURLEncoding.EncodeToString(sum[:]) {
		oauthError(w, 400, "invalid_grant")
		return
	}
	s.answer(w, &family{client: asked.Get("client_id")}, true)
}

func (s *oauthServer) refresh(w http.ResponseWriter, r *http.Request) {
	token := r.PostForm.Get("refresh_token")
	f := s.families[token]
	if f != nil && token != f.current && !f.revoked {
		s.reuses++
		f.revoked = true
	}
	if f == nil || f.revoked || f.client != r.PostForm.Get("client_id") {
		oauthError(w, 400, "invalid_grant")
		return
	}
	s.answer(w, f, !s.norotate)
}

func (s *oauthServer) answer(w http.ResponseWriter, f *family, rotate bool) {
	token := s.secret("access-")
	a := map[string]any{"access_token": token, "instance_url": s.URL, "scope": s.scope, "token_type": "Bearer",
		"id": s.URL + "/id/" + s.org + "/" + remoteUser, "issued_at": "1558553873237", "signature": "x"}
	s.access[token] = f
	if rotate {
		f.current = s.secret("refresh-")
		a["refresh_token"] = f.current
	}
	if s.mend != nil {
		s.mend(a)
	}
	if _, given := a["refresh_token"]; given {
		s.families[f.current] = f
	}
	writeJSON(w, 200, a)
}

func (s *oauthServer) introspect(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.isClient(r) {
		oauthError(w, 401, "invalid_client")
		return
	}
	if f := s.access[r.PostForm.Get("token")]; f != nil && !f.revoked && s.lifetime > 0 {
		writeJSON(w, 200, map[string]any{"active": true, "exp": time.Now().Add(s.lifetime).Unix()})
		return
	}
	f := s.families[r.PostForm.Get("token")]
	if f != nil && f.client != r.PostForm.Get("client_id") {
		f = nil // it tells nobody else
	}
	writeJSON(w, 200, map[string]any{"active": f != nil && !f.revoked && f.current == r.PostForm.Get("token")})
}

func (s *oauthServer) revoke(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.strict && !s.isClient(r) {
		oauthError(w, 401, "invalid_client")
		return
	}
	token := r.PostForm.Get("token")
	f := s.families[token]
	if f == nil || f.current != token {
		f = s.access[token]
	}
	if f == nil || f.revoked {
		w.WriteHeader(400)
		_, _ = w.Write([]byte("error=invalid_token&error_description=no+such+token"))
		return
	}
	f.revoked = true
}

// Faults.

// cutBefore ends the connection before anything was done.
func cutBefore(http.ResponseWriter, *http.Request, http.HandlerFunc) { panic(http.ErrAbortHandler) }

// cutAfter does the work, and ends the connection instead of answering.
func cutAfter(_ http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
	serve(httptest.NewRecorder(), r)
	panic(http.ErrAbortHandler)
}

// hang never answers.
func hang(_ http.ResponseWriter, r *http.Request, _ http.HandlerFunc) { <-r.Context().Done() }

// says answers with something else.
func says(status int, contentType, body string) fault {
	return func(w http.ResponseWriter, _ *http.Request, _ http.HandlerFunc) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

var (
	html200 = says(200, "text/html", "<html>Down for maintenance</html>")
	json503 = says(503, "application/json", `{"error":"invalid_grant","error_description":"not really"}`)
	html503 = says(503, "text/html", "<html>busy</html>")
	tooMuch = says(200, "application/json", `{"access_token":"`+strings.Repeat("x", 2<<20)+`"}`)
)

// gate holds a call up until it is let through, before its work or after it. A
// caller who has gone lets it go, so that a test that fails doesn't hang.
type gate struct {
	entered chan struct{}
	open    chan struct{}
	after   bool
}

func newGate(after bool) *gate {
	return &gate{entered: make(chan struct{}), open: make(chan struct{}), after: after}
}

func (g *gate) fault(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
	kept := httptest.NewRecorder()
	if g.after {
		serve(kept, r)
	}
	close(g.entered)
	select {
	case <-g.open:
	case <-r.Context().Done():
		return
	}
	if !g.after {
		serve(kept, r)
	}
	for k, v := range kept.Header() {
		w.Header()[k] = v
	}
	w.WriteHeader(kept.Code)
	_, _ = w.Write(kept.Body.Bytes())
}

// comes waits for a call that is on its way. One that failed before it came fails
// the test, and hangs nothing.
func comes(t *testing.T, arrived <-chan struct{}) {
	t.Helper()
	select {
	case <-arrived:
	case <-time.After(10 * time.Minute):
		t.Fatal("no call came")
	}
}

// buffer is a log to look through.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
