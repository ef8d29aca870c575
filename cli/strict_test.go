package cli

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// strictServer is an OAuth server of another hand than the simulated Salesforce:
// RFC 6749 with client authentication, RFC 7636 (S256 only), rotation that ends
// the family when a token comes twice (RFC 9700, 4.14.2), RFC 7662 and RFC 7009.
type strictServer struct {
	*httptest.Server
	redirectURI string

	mu       sync.Mutex
	codes    map[string]string // challenge by code; used once
	access   map[string]bool
	refresh  map[string]bool // false: rotated away
	rotated  int
	reused   int
	refusals []string
	asked    chan struct{} // the API was called with a good token
}

func newStrictServer(t *testing.T, redirectURI string) *strictServer {
	t.Helper()
	s := &strictServer{redirectURI: redirectURI, codes: map[string]string{}, access: map[string]bool{}, refresh: map[string]bool{}, asked: make(chan struct{}, 1)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /services/oauth2/authorize", s.authorize)
	mux.HandleFunc("POST /services/oauth2/token", s.token)
	mux.HandleFunc("POST /services/oauth2/introspect", s.introspect)
	mux.HandleFunc("POST /services/oauth2/revoke", s.revoke)
	mux.HandleFunc("/services/data/", s.api)
	s.Server = httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

func (s *strictServer) refuse(w http.ResponseWriter, status int, code string) {
	s.refusals = append(s.refusals, code)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `{"error":%q}`, code)
}

func (s *strictServer) authorize(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := r.URL.Query()
	if q.Get("client_id") != "strict-app" || q.Get("redirect_uri") != s.redirectURI || q.Get("response_type") != "code" || q.Get("state") == "" ||
		q.Get("code_challenge_method") != "S256" || len(q.Get("code_challenge")) != 43 {
		s.refuse(w, http.StatusBadRequest, "invalid_request")
		return
	}
	code := rand.Text()
	s.codes[code] = q.Get("code_challenge")
	http.Redirect(w, r, s.redirectURI+"?"+url.Values{"code": {code}, "state": {q.Get("state")}}.Encode(), http.StatusFound)
}

func (s *strictServer) token(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	form := r.PostFormValue
	if form("client_id") != "strict-app" || form("client_secret") != "strict-secret" || r.URL.RawQuery != "" {
		s.refuse(w, http.StatusUnauthorized, "invalid_client")
		return
	}
	switch form("grant_type") {
	case "authorization_code":
		challenge, ok := s.codes[form("code")]
		delete(s.codes, form("code"))
		sum := sha256.Sum256([]byte(form("code_verifier")))
		if !ok || form("redirect_uri") != s.redirectURI || base64.RawURLEncoding.EncodeToString(sum[:]) != challenge {
			s.refuse(w, http.StatusBadRequest, "invalid_grant")
			return
		}
	case "refresh_token":
		alive, known := s.refresh[form("refresh_token")]
		if !alive {
			if known {
				s.reused++
				clear(s.refresh)
			}
			s.refuse(w, http.StatusBadRequest, "invalid_grant")
			return
		}
		s.refresh[form("refresh_token")] = false
		s.rotated++
	default:
		s.refuse(w, http.StatusBadRequest, "unsupported_grant_type")
		return
	}
	access, refresh := rand.Text(), rand.Text()
	s.access[access], s.refresh[refresh] = true, true
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]string{"access_token": access, "refresh_token": refresh, "token_type": "Bearer", "scope": "api refresh_token id",
		"instance_url": s.URL, "id": s.URL + "/id/00D000000000001AAA/005000000000001AAA"})
}

func (s *strictServer) introspect(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.PostFormValue("client_secret") != "strict-secret" {
		s.refuse(w, http.StatusUnauthorized, "invalid_client")
		return
	}
	token := r.PostFormValue("token")
	_ = json.NewEncoder(w).Encode(map[string]any{"active": s.access[token] || s.refresh[token]})
}

func (s *strictServer) revoke(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.PostFormValue("client_secret") != "strict-secret" { // it asks for a client, as RFC 7009 says
		s.refuse(w, http.StatusUnauthorized, "invalid_client")
		return
	}
	delete(s.refresh, r.PostFormValue("token"))
}

// api is no Salesforce: it knows good tokens from others, and nothing else.
func (s *strictServer) api(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	if token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); !ok || !s.access[token] {
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = fmt.Fprint(w, `[{"message":"Session expired or invalid","errorCode":"INVALID_SESSION_ID"}]`)
		return
	}
	select {
	case s.asked <- struct{}{}:
	default:
	}
	w.WriteHeader(http.StatusServiceUnavailable)
	_, _ = fmt.Fprint(w, `[{"message":"later","errorCode":"SERVER_UNAVAILABLE"}]`)
}

// alive is how many refresh tokens work.
func (s *strictServer) alive() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, ok := range s.refresh {
		if ok {
			n++
		}
	}
	return n
}

// A strict OAuth server can take Salesforce's place: connecting, a renewal that
// the API asks for, reconnecting and disconnecting.
func TestAnotherOAuthServerTakesSalesforcesPlace(t *testing.T) {
	f := newFront(t)
	portal := f.URL
	s := newStrictServer(t, portal+"/integrations/sfdc/callback")
	environ := serveEnv(t, "GATEPOST_URL="+portal, "GATEPOST_SFDC_LOGIN_URL="+s.URL,
		"GATEPOST_SFDC_CLIENT_ID=strict-app", "GATEPOST_SFDC_CLIENT_SECRET=strict-secret")
	for _, c := range [][2]string{{"", "tenant add contoso"}, {"a good long password", "user add ann@contoso.example --tenant contoso --password-stdin"}} {
		if code, _, errOut := command(t, c[0], environ, strings.Fields(c[1])...); code != 0 {
			t.Fatal(errOut)
		}
	}
	p := start(t, environ, "serve")
	f.leadTo(p.line())
	v := visitor(t)
	if path, body := v.submit(portal+"/login", portal+"/login", "email", "ann@contoso.example", "password", "a good long password"); path != "/" {
		t.Fatal(path, body)
	}
	connect := func() {
		t.Helper()
		_, forward := v.submit(portal+"/integrations", portal+"/integrations/sfdc/connect")
		m := regexp.MustCompile(`href="(` + regexp.QuoteMeta(s.URL) + `[^"]+)"`).FindStringSubmatch(forward)
		if m == nil {
			t.Fatal(forward)
		}
		if path, body := v.get(html.UnescapeString(m[1])); path != "/integrations" || !strings.Contains(body, "Salesforce is connected.") {
			t.Fatal(path, body)
		}
	}
	connect()
	s.mu.Lock()
	clear(s.access)
	s.asked = make(chan struct{}, 1) // connecting has called it too
	s.mu.Unlock()
	if path, body := v.submit(portal+"/signup/contoso-weekly", portal+"/signup/contoso-weekly", "email", "jane@reader.test"); !strings.HasSuffix(path, "/thanks") {
		t.Fatal(path, body)
	}
	select {
	case <-s.asked:
	case <-time.After(patience):
		t.Fatalf("no call with a renewed token\n%s", p.errOut.String())
	}
	connect()
	if n := s.alive(); n != 1 {
		t.Errorf("%d refresh tokens are alive after reconnecting", n)
	}
	if _, body := v.submit(portal+"/integrations", portal+"/integrations/sfdc/disconnect"); !strings.Contains(body, "Our access was revoked there") {
		t.Error(body)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rotated != 1 || s.reused != 0 {
		t.Errorf("%d rotations, %d reuses", s.rotated, s.reused)
	}
	for _, code := range s.refusals {
		if code != "invalid_client" { // of the revocation without a client, tried first
			t.Errorf("refused: %v", s.refusals)
		}
	}
	if out := p.errOut.String(); strings.Contains(out, "strict-secret") {
		t.Error("the log has the secret")
	}
}
