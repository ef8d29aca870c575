package identity

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gatepost/db"
)

// Each fault is a 4xx with a code and sentences that say what mends it.
func TestFaultsSayWhatMendsThem(t *testing.T) {
	found := map[int]bool{}
	for _, err := range []error{ErrNoService, ErrNoTenant, ErrNoApp, &IncompleteError{Missing: []string{"tenant", "user"}}, &NameError{What: "user", Name: "eve@x.example"}, ErrTooManyTags,
		&ScopeError{Malformed: []string{"a b"}}, &ScopeError{Missing: []string{"api"}}, &ParamError{Name: "state"}, &ParamError{Name: "x", Allowed: []string{"prompt"}}, &TooLongError{"state", 1000, "bytes"}, ErrForeignHost, ErrLightningHost, ErrEmptySelector, ErrContrarySelector, ErrUnsupported} {
		f, ok := FaultOf(fmt.Errorf("wrapped: %w", err))
		if !ok || f.Status < 400 || f.Status > 499 || !regexp.MustCompile(`^[a-z_]+$`).MatchString(f.Code) ||
			!regexp.MustCompile(`^[A-Z].*[a-z0-9)]\.$`).MatchString(f.Sentence) || strings.Contains(strings.ToLower(f.Sentence), "again") || strings.Contains(f.Sentence, "eve") {
			t.Errorf("%v: %+v", err, f)
		}
		found[slices.IndexFunc(faults, func(row faultRow) bool { return row.is(err) })] = true
	}
	if len(found) != len(faults) {
		t.Errorf("%d of %d rows are reached: %v", len(found), len(faults), found)
	}
	for _, err := range []error{nil, errDisk, ErrTooMany, ErrHandshake, ErrNotConnected, &BrokenError{}, &UnavailableError{}, db.ErrUnavailable} {
		if f, ok := FaultOf(err); ok {
			t.Errorf("%v is told as the programmer's: %+v", err, f)
		}
	}
}

// What the application does wrong is told as that: with a code, to be mended, and
// logged without what users are called.
func TestAuthorizerTellsProgrammersErrors(t *testing.T) {
	var log strings.Builder
	s := newSite(t, func(c *Config) {
		c.Log = slog.New(slog.NewTextHandler(&log, nil))
		c.Services = append(c.Services, Service{ID: "appless", LoginURL: "https://appless.example", AuthorizeURL: "/a", TokenURL: "/t"})
	})
	var many []string
	for n := range maxTags + 1 {
		many = append(many, fmt.Sprint(n))
	}
	const secret = "eve@secret.example"
	who, service := s.auth.Who, s.auth.Service
	for _, c := range []struct {
		code   string
		status int
		wrong  func(*AuthorizeRequest)
	}{
		{"no_service", 404, func(r *AuthorizeRequest) { r.Service = "nothing" }},
		{"no_app", 409, func(r *AuthorizeRequest) { r.Service = "appless" }},
		{"no_tenant", 404, func(r *AuthorizeRequest) { r.TenantID = "nothing" }},
		{"incomplete", 422, func(r *AuthorizeRequest) { r.TenantID = "" }},
		{"incomplete", 422, func(r *AuthorizeRequest) { r.User = "" }},
		{"incomplete", 422, func(r *AuthorizeRequest) { r.SessionID = "" }},
		{"incomplete", 422, func(r *AuthorizeRequest) { r.Service = "" }},
		{"invalid_name", 422, func(r *AuthorizeRequest) { r.User = secret + strings.Repeat("x", maxName) }},
		{"invalid_name", 422, func(r *AuthorizeRequest) { r.Account = secret + "\x00" }},
		{"invalid_name", 422, func(r *AuthorizeRequest) { r.Tags = []string{""} }},
		{"invalid_name", 422, func(r *AuthorizeRequest) { r.Tags = []string{secret + "\xff"} }},
		{"too_many_tags", 422, func(r *AuthorizeRequest) { r.Tags = many }},
		{"invalid_scope", 422, func(r *AuthorizeRequest) { r.MoreScopes = []string{"api id"} }},
		{"invalid_scope", 422, func(r *AuthorizeRequest) { r.MoreScopes = []string{""} }},
		{"invalid_login_url", 422, func(r *AuthorizeRequest) { r.LoginURL = "https://evil.example" }},
	} {
		s.tells(&log, c.code, c.status, secret, c.wrong)
	}
	for _, name := range protocolParams {
		s.tells(&log, "invalid_parameter", 422, secret, func(r *AuthorizeRequest) { r.Params = map[string]string{name: "x"} })
	}
	s.auth.Who, s.auth.Service, s.auth.Prepare = who, service, nil
	if res := s.visit(s.browser(), "/start", "eve"); res.StatusCode != http.StatusSeeOther {
		t.Errorf("in order: %s", res.Status)
	}
	// At the callback too, nobody is told to come again for a service that there isn't.
	s.auth.Service = "nothing"
	if res := s.visit(s.browser(), "/callback?state=x&code=y", "eve"); res.StatusCode != http.StatusNotFound {
		t.Errorf("callback of no service: %s", res.Status)
	}
	// A failure of ours is none of the application's.
	s.auth.Service = service
	s.auth.Vault.setStore(noHandshakes{s.auth.Vault.Store})
	if res := s.visit(s.browser(), "/start", "eve"); res.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("the store fails: %s", res.Status)
	}
}

type noHandshakes struct{ Store }

func (noHandshakes) AddHandshake(context.Context, db.Handshake) error { return errDisk }

// tells begins with a request that is wrong, and looks at what is told of it.
func (s *site) tells(log *strings.Builder, code string, status int, secret string, wrong func(*AuthorizeRequest)) {
	s.t.Helper()
	log.Reset()
	s.auth.Prepare = func(_ *http.Request, r *AuthorizeRequest) { wrong(r) }
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.url+"/start", nil)
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("X-User", "eve")
	res, err := s.browser().Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	b, err := io.ReadAll(res.Body)
	if err = errors.Join(err, res.Body.Close()); err != nil {
		s.t.Fatal(err)
	}
	if text := string(b); res.StatusCode != status || !strings.Contains(text, "("+code+")") || strings.Contains(text, "again") || strings.Contains(text, secret) || res.Header.Get("Retry-After") != "" {
		s.t.Errorf("%s: %s: %s", code, res.Status, text)
	}
	if said := log.String(); !strings.Contains(said, "code="+code) || strings.Contains(said, secret) || strings.Contains(said, "level=ERROR") != true {
		s.t.Errorf("%s: logged: %s", code, said)
	}
}
