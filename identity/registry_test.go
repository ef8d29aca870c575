package identity

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gatepost/db"
	"gatepost/db/dbtest"
	"gatepost/seal"
)

// idToken is an id token that says the claims.
func idToken(claims string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"RS256"}`)) + "." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".c2ln"
}

const zohoScopes = "ZohoCRM.modules.contacts.ALL ZohoCRM.modules.leads.ALL ZohoCRM.coql.READ ZohoCRM.settings.fields.READ ZohoCRM.settings.layouts.READ ZohoCRM.settings.modules.READ ZohoCRM.org.READ ZohoCRM.users.READ ZohoSearch.securesearch.READ"

var allHabits = []habits{
	{
		id: "hubspot", authorize: "app.hubspot.com/oauth/authorize", token: "api.hubapi.com/oauth/2026-09/token", introspect: "api.hubapi.com/oauth/2026-09/token/introspect",
		asked: map[string]string{"scope": "oauth crm.objects.contacts.read crm.objects.contacts.write"}, lifetime: 1800, lasting: true,
		says:    map[string]any{"token_type": "bearer", "hub_id": 123456789, "user_id": 456, "scopes": []string{"oauth", "crm.objects.contacts.read", "crm.objects.contacts.write"}},
		refuses: spoken(400, `{"status":%q,"message":"missing or unknown","correlationId":"c"}`, "BAD_CLIENT_SECRET", "BAD_AUTH_CODE", "BAD_REFRESH_TOKEN"),
		revoke:  "DELETE api.hubapi.com/appinstalls/2026-09/external-install", revokes: byHeader, revoked: empty204, ends: "org",
		org: "123456789", person: "456", scopes: "oauth crm.objects.contacts.read crm.objects.contacts.write", scheme: "Bearer", api: "https://api.hubapi.com",
		dead: "BAD_REFRESH_TOKEN", wrongApp: "BAD_CLIENT_SECRET",
	},
	{
		id: "zoho", authorize: "accounts.zoho.com/oauth/v2/auth", token: "accounts.zoho.eu/oauth/v2/token",
		asked: map[string]string{"scope": strings.ReplaceAll(zohoScopes, " ", ","), "access_type": "offline", "prompt": "consent"}, lifetime: 3600, lasting: true,
		omits:    []string{"refresh_token", "scope"},
		says:     map[string]any{"token_type": "Bearer", "api_domain": "https://www.zohoapis.eu", "scope": zohoScopes},
		callback: url.Values{"location": {"eu"}, "accounts-server": {"https://accounts.zoho.eu"}},
		refuses:  spoken(200, `{"error":%q}`, "invalid_client_secret", "invalid_code", "invalid_code"),
		revoke:   "POST accounts.zoho.eu/oauth/v2/token/revoke", revokes: byAnybody, revoked: func(w http.ResponseWriter, known bool) {
			if known {
				writeJSON(w, 200, map[string]string{"status": "success"})
				return
			}
			w.WriteHeader(400)
			_, _ = io.WriteString(w, "<!DOCTYPE html><title>Error</title>")
		},
		instance: "https://www.zohoapis.eu", scopes: zohoScopes, scheme: "Zoho-oauthtoken", api: "https://www.zohoapis.eu",
		dead: "invalid_code", wrongApp: "invalid_client_secret",
	},
	{
		id: "google", authorize: "accounts.google.com/o/oauth2/auth", token: "oauth2.googleapis.com/token",
		asked: map[string]string{"scope": "openid email profile", "access_type": "offline", "prompt": "consent"}, lifetime: 3599, lasting: true,
		omits: []string{"refresh_token"},
		says: map[string]any{"token_type": "Bearer", "scope": "openid https://www.googleapis.com/auth/userinfo.email",
			"id_token": idToken(`{"sub":"110169484474386276334","hd":"contoso.example","email":"john@contoso.example"}`)},
		refuses: standard, revoke: "POST oauth2.googleapis.com/revoke", revokes: byAnybody, revoked: invalid400, ends: "user",
		org: "contoso.example", person: "110169484474386276334", name: "john@contoso.example",
		scopes: "openid https://www.googleapis.com/auth/userinfo.email", scheme: "Bearer", api: "https://people.googleapis.com",
		dead: "invalid_grant", wrongApp: "invalid_client",
	},
	gitHubHabits(),
	func() habits { // of a GitHub App
		h := gitHubHabits()
		h.lifetime, h.lasting, h.rotates, h.dead = 28800, true, true, "bad_refresh_token"
		return h
	}(),
	slackHabits("slack"),
	func() habits { // with token rotation
		h := slackHabits("slack")
		h.lifetime, h.lasting, h.rotates, h.dead = 43200, true, true, "invalid_refresh_token"
		return h
	}(),
	{
		id: "asana", authorize: "app.asana.com/-/oauth_authorize", token: "app.asana.com/-/oauth_token",
		asked: map[string]string{"scope": "default"}, lifetime: 3600, lasting: true, omits: []string{"refresh_token", "data"},
		says:    map[string]any{"token_type": "bearer", "data": map[string]any{"id": 4673218951, "gid": "4673218951", "name": "Greg Sanchez", "email": "greg@contoso.example"}},
		refuses: standard, revoke: "POST app.asana.com/-/oauth_revoke", revokes: byForm, revoked: empty200,
		person: "4673218951", name: "Greg Sanchez", scopes: "default", scheme: "Bearer", api: "https://app.asana.com/api/1.0",
		dead: "invalid_grant", wrongApp: "invalid_client",
	},
	{
		id: "atlassian", authorize: "auth.atlassian.com/authorize", token: "auth.atlassian.com/oauth/token",
		asked:    map[string]string{"scope": "read:me offline_access", "audience": "api.atlassian.com", "prompt": "consent"},
		lifetime: 3600, lasting: true, rotates: true,
		says:     map[string]any{"token_type": "Bearer", "scope": "read:me offline_access"},
		userinfo: "api.atlassian.com/me", user: map[string]any{"account_id": "112233aa-bb11", "email": "mia@contoso.example", "name": "Mia Krystof"},
		refuses: spoken(403, `{"error":%q,"error_description":"Unknown or invalid refresh token."}`, "invalid_client", "invalid_grant", "unauthorized_client"),
		person:  "112233aa-bb11", name: "mia@contoso.example", scopes: "read:me offline_access", scheme: "Bearer", api: "https://api.atlassian.com/ex/jira",
		dead: "unauthorized_client", wrongApp: "invalid_client",
	},
	{
		id: "discord", authorize: "discord.com/oauth2/authorize", token: "discord.com/api/oauth2/token",
		asked: map[string]string{"scope": "identify"}, lifetime: 604800, lasting: true, rotates: true,
		says:     map[string]any{"token_type": "Bearer", "scope": "identify"},
		userinfo: "discord.com/api/users/@me", user: map[string]any{"id": "80351110224678912", "username": "nelly"},
		refuses: standard, revoke: "POST discord.com/api/oauth2/token/revoke", revokes: byForm, revoked: empty200, ends: "user",
		person: "80351110224678912", name: "nelly", scopes: "identify", scheme: "Bearer", api: "https://discord.com/api/v10",
		dead: "invalid_grant", wrongApp: "invalid_client",
	},
	{
		id: "gitlab", authorize: "gitlab.com/oauth/authorize", token: "gitlab.com/oauth/token",
		asked: map[string]string{"scope": "read_user"}, lifetime: 7200, lasting: true, rotates: true,
		says:     map[string]any{"token_type": "Bearer", "scope": "read_user", "created_at": 1607635748},
		userinfo: "gitlab.com/api/v4/user", user: map[string]any{"id": 1, "username": "john_smith"},
		refuses: standard, revoke: "POST gitlab.com/oauth/revoke", revokes: byForm, revoked: empty200,
		person: "1", name: "john_smith", scopes: "read_user", scheme: "Bearer", api: "https://gitlab.com/api/v4",
		dead: "invalid_grant", wrongApp: "invalid_client",
	},
	{
		id: "linear", authorize: "linear.app/oauth/authorize", token: "api.linear.app/oauth/token",
		asked: map[string]string{"scope": "read,write"}, lifetime: 86399, lasting: true, rotates: true,
		says:    map[string]any{"token_type": "Bearer", "scope": []string{"read", "write"}},
		refuses: standard, revoke: "POST api.linear.app/oauth/revoke", revokes: byAnybody, revoked: func(w http.ResponseWriter, known bool) {
			w.WriteHeader(map[bool]int{true: 200, false: 400}[known])
		},
		scopes: "read write", scheme: "Bearer", api: "https://api.linear.app", dead: "invalid_grant", wrongApp: "invalid_client",
	},
	{
		id: "pagerduty", authorize: "identity.pagerduty.com/oauth/authorize", token: "identity.pagerduty.com/oauth/token",
		asked: map[string]string{"scope": "openid read"}, lifetime: 864000, lasting: true, rotates: true, omits: []string{"id_token"},
		says: map[string]any{"token_type": "bearer", "scope": "openid read", "client_info": "prefix_legacy_app",
			"id_token": idToken(`{"sub":"PIYKDBN","account_id":"PE6RLQ4","subdomain":"contoso"}`)},
		refuses: standard, org: "PE6RLQ4", person: "PIYKDBN", name: "contoso", scopes: "openid read", scheme: "Bearer", api: "https://api.pagerduty.com",
		dead: "invalid_grant", wrongApp: "invalid_client",
	},
	{
		id: "quickbooks-online", authorize: "appcenter.intuit.com/connect/oauth2", token: "oauth.platform.intuit.com/oauth2/v1/tokens/bearer",
		asked: map[string]string{"scope": "com.intuit.quickbooks.accounting"}, basic: true, lifetime: 3600, lasting: true, rotates: true,
		says:     map[string]any{"token_type": "bearer", "x_refresh_token_expires_in": 8726400},
		callback: url.Values{"realmId": {"1231434565226279"}},
		refuses:  standard, revoke: "POST developer.api.intuit.com/v2/oauth2/tokens/revoke", revokes: byJSON("token"), revoked: func(w http.ResponseWriter, known bool) {
			w.WriteHeader(map[bool]int{true: 200, false: 400}[known])
		}, ends: "org",
		org: "1231434565226279", scopes: "com.intuit.quickbooks.accounting", scheme: "Bearer", api: "https://quickbooks.api.intuit.com/v3",
		dead: "invalid_grant", wrongApp: "invalid_client",
	},
	{
		id: "reddit", authorize: "www.reddit.com/api/v1/authorize", token: "www.reddit.com/api/v1/access_token",
		asked: map[string]string{"scope": "identity", "duration": "permanent"}, basic: true, lifetime: 3600, lasting: true,
		says:     map[string]any{"token_type": "bearer", "scope": "identity"},
		userinfo: "oauth.reddit.com/api/v1/me", user: map[string]any{"id": "fvwl0", "name": "reddit_user"},
		refuses: standard, revoke: "POST www.reddit.com/api/v1/revoke_token", revokes: byForm, revoked: empty204,
		person: "fvwl0", name: "reddit_user", scopes: "identity", scheme: "Bearer", api: "https://oauth.reddit.com/api/v1",
		dead: "invalid_grant", wrongApp: "invalid_client",
	},
	{
		id: "stackoverflow", authorize: "stackoverflow.com/oauth", token: "stackoverflow.com/oauth/access_token/json",
		asked:   map[string]string{"scope": "no_expiry"},
		refuses: spoken(400, `{"error":{"type":"OAuthException","message":%q}}`, "app", "code", "grant"),
		revoke:  "GET api.stackexchange.com/2.3/access-tokens/{token}/invalidate",
		revokes: func(_ *double, r *http.Request, _ []byte) (string, bool) {
			return strings.Split(r.URL.Path, "/")[3], r.URL.RawQuery == ""
		},
		revoked: func(w http.ResponseWriter, _ bool) { writeJSON(w, 200, map[string]any{"items": []any{}}) },
		scopes:  "no_expiry", scheme: "Bearer", api: "https://api.stackexchange.com/2.3", wrongApp: "OAuthException",
	},
}

func gitHubHabits() habits {
	return habits{
		id: "githuboauth", authorize: "github.com/login/oauth/authorize", token: "github.com/login/oauth/access_token",
		asked:    map[string]string{"scope": "read:user"},
		says:     map[string]any{"token_type": "bearer", "scope": "read:user,gist"},
		userinfo: "api.github.com/user", user: map[string]any{"login": "octocat", "id": 583231},
		refuses: spoken(200, `{"error":%q,"error_description":"no"}`, "incorrect_client_credentials", "bad_verification_code", "bad_refresh_token"),
		revoke:  "DELETE api.github.com/applications/{client_id}/token", revokes: byJSON("access_token"), revoked: func(w http.ResponseWriter, known bool) {
			w.WriteHeader(map[bool]int{true: 204, false: 404}[known])
		},
		person: "583231", name: "octocat", scopes: "read:user gist", scheme: "Bearer", api: "https://api.github.com", wrongApp: "incorrect_client_credentials",
	}
}

func slackHabits(id string) habits {
	return habits{
		id: id, noPKCE: true, authorize: "slack.com/oauth/v2/authorize", token: "slack.com/api/oauth.v2.access",
		asked: map[string]string{"scope": "chat:write,channels:read"},
		says: map[string]any{"ok": true, "token_type": "bot", "scope": "chat:write,channels:read", "bot_user_id": "U0KRQLJ9H",
			"team": map[string]any{"name": "Contoso", "id": "T9TK3CUKW"}, "authed_user": map[string]any{"id": "U1234"}},
		refuses: spoken(200, `{"ok":false,"error":%q}`, "bad_client_secret", "invalid_code", "invalid_refresh_token"),
		revoke:  "POST slack.com/api/auth.revoke",
		revokes: byHeader,
		revoked: func(w http.ResponseWriter, known bool) {
			writeJSON(w, 200, map[bool]any{true: map[string]any{"ok": true, "revoked": true}, false: map[string]any{"ok": false, "error": "token_revoked"}}[known])
		},
		ends: "org",
		org:  "T9TK3CUKW", person: "U1234", name: "Contoso", scopes: "chat:write channels:read", scheme: "Bearer", api: "https://slack.com/api", wrongApp: "bad_client_secret",
	}
}

// scene is a vault with one service, and its double.
type scene struct {
	*world
	d *double
	v *Vault
}

func (s *scene) definition() Service {
	s.t.Helper()
	all := BuiltIn()
	i := slices.IndexFunc(all, func(d Service) bool { return d.ID == s.d.id })
	if i < 0 {
		s.t.Fatalf("there is no definition of %s", s.d.id)
	}
	all[i].ClientID, all[i].ClientSecret, all[i].RedirectURL = clientID, clientSecret, fmt.Sprintf(doubleCallback, s.d.id)
	return all[i]
}

// vault is one of a service that is defined so.
func (s *scene) vault(d Service) *Vault {
	s.t.Helper()
	store := s.openDB()
	keys, err := seal.OpenKeyring(s.t.Context(), filepath.Join(s.folder, "keyset.json"), store, Sealed)
	if err != nil {
		s.t.Fatal(err)
	}
	v := newVault(Config{Store: store, Keys: keys, Services: []Service{d},
		HTTP:    &http.Client{Transport: s.d, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
		Log:     slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Timeout: ample, Patience: 4 * ample, Lease: 2 * ample, Poll: 5 * time.Millisecond,
		Now: func() time.Time { return time.Now().Add(time.Duration(s.ahead.Load())) }})
	s.t.Cleanup(v.Wait)
	return v
}

// each runs a test with every service that fits.
func each(t *testing.T, fits func(habits) bool, test func(*testing.T, *scene)) {
	for _, h := range allHabits {
		if !fits(h) {
			continue
		}
		name := h.id
		if h.rotates {
			name += " rotating"
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorldWith(t, newOAuthHandler(t))
			s := &scene{world: w, d: newDouble(t, w, h)}
			s.v = s.vault(s.definition())
			test(t, s)
		})
	}
}

func every(habits) bool         { return true }
func withRefresh(h habits) bool { return h.lasting }

func (s *scene) begin(v *Vault) Callback {
	s.t.Helper()
	r := s.request()
	r.Service = s.d.id
	address, err := v.Authorize(s.t.Context(), r)
	if err != nil {
		s.t.Fatal(err)
	}
	q := s.d.consent(address)
	return Callback{Service: s.d.id, SessionID: session, State: q.Get("state"), Code: q.Get("code"), Query: q}
}

func (s *scene) finish(v *Vault, cb Callback) error {
	_, err := v.Finish(s.t.Context(), cb)
	v.Wait()
	return err
}

func (s *scene) connect() db.Identity {
	s.t.Helper()
	if err := s.confirmShared(s.v, s.d.id, s.finish(s.v, s.begin(s.v))); err != nil {
		s.t.Fatalf("connect: %v\n%s", err, s.log)
	}
	s.v.Wait()
	return s.identity()
}

func (s *scene) identity() db.Identity {
	s.t.Helper()
	i, err := s.v.Identity(s.t.Context(), s.d.id, s.tenant)
	if err != nil {
		s.t.Fatal(err)
	}
	return i
}

func (s *scene) get(refused int64) (Credential, error) {
	c, err := s.v.Get(s.t.Context(), s.d.id, s.tenant, refused)
	s.v.Wait()
	return c, err
}

// fresh gets a credential that the service takes.
func (s *scene) fresh(refused int64) Credential {
	s.t.Helper()
	c, err := s.get(refused)
	if err != nil || !s.d.alive(c.AccessToken) {
		s.t.Fatalf("no good credential: %v\n%s", err, s.log)
	}
	return c
}

func (s *scene) pending() int {
	s.t.Helper()
	return dbtest.Pending(s.t, s.store, s.d.id, s.tenant)
}

func TestEveryServiceIsCovered(t *testing.T) {
	for _, d := range BuiltIn() {
		if d.ID != Salesforce && !slices.ContainsFunc(allHabits, func(h habits) bool { return h.id == d.ID }) {
			t.Errorf("no double behaves as %s does", d.ID)
		}
		if d.Name == "" || d.LoginURL == "" || !d.ownURL(d.LoginURL) || d.AuthorizeURL == "" || d.TokenURL == "" || len(d.Scopes) == 0 {
			t.Errorf("%s is not defined wholly", d.ID)
		}
	}
}

func TestHandshakeOfEveryService(t *testing.T) {
	each(t, every, func(t *testing.T, s *scene) {
		denied := s.begin(s.v)
		denied.Code, denied.Error = "", "access_denied"
		wantOAuth(t, s.finish(s.v, denied), "access_denied")
		unknown := s.begin(s.v)
		unknown.Code = "no-such-code"
		var refused *OAuthError
		if err := s.finish(s.v, unknown); !errors.As(err, &refused) || refused.Code == CodeUnknown {
			t.Errorf("a code that is none: %v", err)
		}
		s.d.fail(1, cutAfter)
		var unreachable *UnreachableError
		if err := s.finish(s.v, s.begin(s.v)); !errors.As(err, &unreachable) {
			t.Errorf("no answer: %v", err)
		}
		s.d.fail(1, html503)
		if err := s.finish(s.v, s.begin(s.v)); !errors.As(err, &unreachable) {
			t.Errorf("a page: %v", err)
		}
		if _, err := s.v.Identity(t.Context(), s.d.id, s.tenant); !errors.Is(err, ErrNotConnected) {
			t.Fatalf("connected: %v", err)
		}
		before := s.v.Now()
		i := s.connect()
		if i.OrgID != s.d.org || i.RemoteUserID != s.d.person || i.OrgName != s.d.name || i.InstanceURL != s.d.instance || i.Scopes != s.d.scopes {
			t.Errorf("stored %q, %q, %q, %q, %q", i.OrgID, i.RemoteUserID, i.OrgName, i.InstanceURL, i.Scopes)
		}
		if i.ExpiresAt.IsZero() != (s.d.lifetime == 0) || s.d.lifetime > 0 && i.ExpiresAt.Sub(before).Round(time.Minute) != (time.Duration(s.d.lifetime)*time.Second).Round(time.Minute) {
			t.Errorf("runs out at %s", i.ExpiresAt)
		}
		if i.KeepAliveAt.IsZero() == s.d.lasting {
			t.Errorf("kept alive at %s", i.KeepAliveAt)
		}
		s.call(i)
	})
}

// What an application completes is the identity that a handshake of ours would have made,
// whether a service gives refresh tokens and tells how long tokens last, or not.
func TestAuthorizationOfEveryService(t *testing.T) {
	each(t, every, func(t *testing.T, s *scene) {
		key := s.addKey()
		r := AuthorizationRequest{KeyID: key, Service: s.d.id, TenantID: s.tenant, User: "eve", ReturnTo: returnTo}
		if s.d.id == "asana" { // it doesn't say what it granted: what was asked for
			r.MoreScopes, s.d.asked, s.d.scopes = []string{"tasks:read"}, map[string]string{"scope": "default tasks:read"}, "default tasks:read"
		}
		begun, err := s.v.BeginAuthorization(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		address, err := s.v.StartAuthorization(t.Context(), begun.Secret, appBrowser)
		if err != nil {
			t.Fatal(err)
		}
		address, err = s.v.FinishAuthorization(t.Context(), s.d.id, appBrowser, s.d.consent(address))
		back, parsed := url.Parse(address)
		if err = errors.Join(err, parsed); err != nil {
			t.Fatal(err)
		}
		_, waiting, err := s.v.AuthorizationOf(t.Context(), key, begun.ID)
		if err != nil || waiting == nil {
			t.Fatalf("%s: %v", address, err)
		}
		done, err := s.v.CompleteAuthorization(t.Context(), Completion{KeyID: key, ID: begun.ID, Code: back.Query().Get("code"), TenantID: s.tenant, User: "eve"})
		if err != nil {
			t.Fatal(err)
		}
		s.v.Wait()
		if described, err := s.v.Describe(t.Context(), done); err != nil || !slices.Equal(described[0].MissingScopes, waiting.Missing) {
			t.Errorf("missing: %v, before %v, %v", described[0].MissingScopes, waiting.Missing, err)
		}
		i, err := s.store.IdentityByID(t.Context(), done.ID)
		if err != nil || i.OrgID != s.d.org || i.RemoteUserID != s.d.person || i.OrgName != s.d.name || i.InstanceURL != s.d.instance || i.Scopes != s.d.scopes {
			t.Errorf("stored %q, %q, %q, %q, %q, %v", i.OrgID, i.RemoteUserID, i.OrgName, i.InstanceURL, i.Scopes, err)
		}
		if i.ExpiresAt.IsZero() != (s.d.lifetime == 0) || s.d.lifetime > 0 && i.ExpiresAt.Sub(i.ConnectedAt).Round(time.Minute) != (time.Duration(s.d.lifetime)*time.Second).Round(time.Minute) {
			t.Errorf("runs out at %s", i.ExpiresAt)
		}
		if i.KeepAliveAt.IsZero() == s.d.lasting {
			t.Errorf("kept alive at %s", i.KeepAliveAt)
		}
		s.call(i)
	})
}

// call calls the API, and others that must not see the token.
func (s *scene) call(i db.Identity) {
	s.t.Helper()
	client := s.v.Client(i.ID)
	res, err := client.Get(s.d.api + "/api-call")
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if _, err := io.ReadAll(res.Body); err != nil || res.StatusCode != 200 {
		s.t.Errorf("the API answered %d, %v", res.StatusCode, err)
	}
	host := strings.Split(s.d.api, "/")[2]
	for _, foreign := range []string{"https://evil.example/api-call", "http://" + host + "/api-call", "https://" + host + ".evil.example/",
		"https://user@" + host + "/", "https://evil.example/" + host, "https://" + host + ":8443/", "https://127.0.0.1/"} {
		if _, err := client.Get(foreign); !errors.Is(err, ErrForeignRequest) {
			s.t.Errorf("%s was asked with the token: %v", foreign, err)
		}
	}
	token, err := s.v.TokenSource(s.t.Context(), i.ID).Token()
	if err != nil || token.Type() != s.d.scheme {
		s.t.Errorf("the token is presented as %q, %v", token.Type(), err)
	}
}

// The double refuses what the service does: what passes above is right.
func TestDoublesAreStrict(t *testing.T) {
	each(t, every, func(t *testing.T, s *scene) {
		other := s.definition()
		other.BasicAuth = !other.BasicAuth
		var refused *OAuthError
		if err := s.finish(s.vault(other), s.begin(s.v)); !errors.As(err, &refused) || refused.Code != s.d.wrongApp {
			t.Errorf("the client in the wrong place: %v", err)
		}
		other = s.definition()
		other.RedirectURL += "/elsewhere"
		if err := s.finish(s.vault(other), s.begin(s.v)); !errors.As(err, &refused) {
			t.Errorf("another redirect URI: %v", err)
		}
		cb := s.begin(s.v)
		if s.d.noPKCE {
			return
		}
		form := url.Values{"grant_type": {"authorization_code"}, "code": {cb.Code}, "redirect_uri": {s.definition().RedirectURL}}
		if r, err := s.v.client.post(t.Context(), s.definition(), "https://"+s.d.token, form); err != nil || s.definition().refusalIn(r.body) == nil {
			t.Errorf("without a verifier: %s, %v", r.body, err)
		}
		if err := s.finish(s.v, cb); !errors.As(err, &refused) {
			t.Errorf("a code once more: %v", err)
		}
	})
}

func TestRenewalOfEveryService(t *testing.T) {
	each(t, withRefresh, func(t *testing.T, s *scene) {
		i := s.connect()
		if c := s.fresh(0); c.Generation != i.Generation || s.d.count("refresh_token") != 0 {
			t.Fatal("renewed although it works")
		}
		// It is renewed before it runs out, with what the answer left out as before.
		for n := 1; n <= 3; n++ {
			s.skip(time.Duration(s.d.lifetime)*time.Second - expiryMargin/2)
			c := s.fresh(0)
			now := s.identity()
			if c.Generation != i.Generation+int64(n) || s.d.count("refresh_token") != n || now.ExpiresAt.Sub(s.v.Now()) < time.Duration(s.d.lifetime)*time.Second-time.Minute {
				t.Fatalf("generation %d after %d renewals, runs out at %s", c.Generation-i.Generation, s.d.count("refresh_token"), now.ExpiresAt)
			}
			if now.Scopes != i.Scopes || now.InstanceURL != i.InstanceURL || now.OrgID != i.OrgID || now.OrgName != i.OrgName {
				t.Errorf("forgot %+v", now.Grant)
			}
		}
		// The API's refusal renews it as well.
		s.fresh(i.Generation + 3)
		if s.d.reuses != 0 || s.d.count("refresh_token") != 4 {
			t.Errorf("%d reuses", s.d.reuses)
		}
	})
}

// That somebody says a token was refused doesn't end what nothing could renew, as
// long as the service itself says otherwise.
func TestATokenThatWorksIsKept(t *testing.T) {
	each(t, func(h habits) bool { return !h.lasting && h.userinfo != "" }, func(t *testing.T, s *scene) {
		i := s.connect()
		c := s.fresh(i.Generation)
		if c.Generation == i.Generation {
			t.Error("who says so gets the same again")
		}
		if now := s.identity(); !now.BrokenAt.IsZero() || now.Stale {
			t.Errorf("it is broken: %s", now.BrokenCode)
		}
		s.d.revokeAll()
		_, err := s.get(c.Generation)
		wantBroken(t, err, BrokenEnded)
	})
}

func TestServicesWithoutARefreshToken(t *testing.T) {
	each(t, func(h habits) bool { return !h.lasting }, func(t *testing.T, s *scene) {
		i := s.connect()
		s.skip(400 * 24 * time.Hour)
		if err := s.v.KeepAlive(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.fresh(0)
		s.d.revokeAll()
		_, err := s.get(i.Generation)
		wantBroken(t, err, BrokenEnded)
		_, err = s.get(0)
		wantBroken(t, err, BrokenEnded)
		if s.d.count("refresh_token") != 0 {
			t.Error("a renewal was tried")
		}
		s.connect()
		s.fresh(0)
	})
}

func TestFailuresOfEveryService(t *testing.T) {
	each(t, withRefresh, func(t *testing.T, s *scene) {
		i := s.connect()
		// Passing: the token that works goes on being given out.
		s.skip(time.Duration(s.d.lifetime)*time.Second - expiryMargin/2)
		s.d.fail(1, says(429, "application/json", `{"error":"slow_down"}`))
		s.fresh(0)
		s.skip(10 * time.Second)
		s.fresh(i.Generation)
		// The app: nothing ends, and it goes on by time, or at once when it is mended.
		wrong := "wrong"
		if err := s.v.SetService(t.Context(), s.d.id, ServiceChange{ClientSecret: &wrong}); err != nil {
			t.Fatal(err)
		}
		_, err := s.get(s.identity().Generation)
		wantUnavailable(t, err, s.d.wrongApp)
		s.skip(lastRetry)
		_, err = s.get(s.identity().Generation)
		wantUnavailable(t, err, s.d.wrongApp)
		right := clientSecret
		if err := s.v.SetService(t.Context(), s.d.id, ServiceChange{ClientSecret: &right}); err != nil {
			t.Fatal(err)
		}
		s.fresh(s.identity().Generation)
		// For good.
		s.d.revokeAll()
		_, err = s.get(s.identity().Generation)
		wantBroken(t, err, s.d.dead)
		_, err = s.get(0)
		wantBroken(t, err, s.d.dead)
		s.connect()
		s.fresh(0)
	})
}

// A renewal without an answer: whatever became of it, the connection goes on or
// says that it died, and no token is used twice without need.
func TestUnansweredRenewalOfEveryService(t *testing.T) {
	for name, f := range map[string]fault{"before": cutBefore, "after": cutAfter, "a page": html503} {
		t.Run(name, func(t *testing.T) {
			each(t, withRefresh, func(t *testing.T, s *scene) {
				i := s.connect()
				s.d.fail(1, f)
				settleWithin(s.v, 100*time.Millisecond)
				_, err := s.get(i.Generation)
				wantUnavailable(t, err, CodeUnanswered)
				s.v.Timeout = s.v.client.timeout
				if s.d.rotates {
					s.skip(doubtLasts / 2)
					_, err = s.get(i.Generation)
					wantUnavailable(t, err, CodeUnanswered)
					if n := s.d.count("refresh_token"); n != 1 {
						t.Fatalf("tried %d times within the doubt", n)
					}
				}
				s.skip(doubtLasts + firstRetry)
				if s.d.rotates && name == "after" {
					_, err = s.get(i.Generation)
					wantBroken(t, err, BrokenInterrupted)
					s.connect()
				}
				s.fresh(0)
				s.fresh(s.identity().Generation)
			})
		})
	}
}

func TestRevocationOfEveryService(t *testing.T) {
	each(t, every, func(t *testing.T, s *scene) {
		s.connect()
		// Reconnecting ends what it replaces, and not itself.
		s.connect()
		s.fresh(0)
		wanted := Revoked
		if s.d.revoke == "" {
			wanted = NoWay
		}
		if ending, err := s.v.End(t.Context(), s.d.id, s.tenant); ending != wanted || err != nil {
			t.Errorf("ended %q, %v\n%s", ending, err, s.log)
		}
		if s.d.revoke == "" {
			if s.pending() != 0 || s.d.count("revoke") != 0 {
				t.Errorf("%d pending", s.pending())
			}
			return
		}
		if s.d.ends == "" && s.v.services[s.d.id].Revoke.Ends == EndsItself && s.d.live() != 0 || s.pending() != 0 {
			t.Errorf("%d are alive, %d pending\n%s", s.d.live(), s.pending(), s.log)
		}
		// What the service has forgotten is revoked.
		s.connect()
		s.d.revokeAll()
		if ending, err := s.v.End(t.Context(), s.d.id, s.tenant); ending != Revoked || err != nil {
			t.Errorf("gone, and ended %q, %v\n%s", ending, err, s.log)
		}
		// A service that is down is asked again.
		s.connect()
		s.d.mu.Lock()
		s.d.revokeF = []fault{html503}
		s.d.mu.Unlock()
		if ending, err := s.v.End(t.Context(), s.d.id, s.tenant); ending != Pending || err != nil || s.pending() != 1 {
			t.Errorf("down, and ended %q, %v", ending, err)
		}
		s.runRevocations(s.v)
		if s.pending() != 0 {
			t.Error("still pending")
		}
	})
}

// A data centre that isn't Zoho's is sent nothing, neither the code nor the secret.
func TestForeignDataCentre(t *testing.T) {
	each(t, func(h habits) bool { return h.id == "zoho" }, func(t *testing.T, s *scene) {
		for _, foreign := range []string{"https://accounts.zoho.evil.example", "https://evil.example", "http://accounts.zoho.eu", "https://accounts.zoho.eu:8443",
			"https://accounts.zoho.eu@evil.example", "https://www.zohoapis.eu", "https://accounts.zoho.eu.evil.example", "accounts.zoho.eu/../evil", "https://127.0.0.1"} {
			cb := s.begin(s.v)
			cb.Query.Set("accounts-server", foreign)
			if err := s.finish(s.v, cb); foreign != "accounts.zoho.eu/../evil" { // its path is dropped
				wantOAuth(t, err, CodeForeignHost)
			} else if err != nil {
				t.Error(err)
			}
		}
		if n := s.d.count("authorization_code"); n != 1 {
			t.Errorf("%d exchanges", n)
		}
		s.d.mu.Lock()
		s.d.says["api_domain"] = "https://www.zohoapis.evil.example"
		s.d.mu.Unlock()
		wantOAuth(t, s.finish(s.v, s.begin(s.v)), CodeForeignHost)
		_, err := s.get(s.identity().Generation)
		wantBroken(t, err, BrokenForeign)
	})
}

// Where revoking a token ends more than itself, a connection of another tenant goes on.
func TestGrantThatTenantsShare(t *testing.T) {
	each(t, func(h habits) bool { return h.ends != "" }, func(t *testing.T, s *scene) {
		first, firstUser := s.tenant, s.user
		s.connect()
		s.tenant, s.user = s.addTenant("fabrikam")
		s.connect()
		if ending, err := s.v.End(t.Context(), s.d.id, first); ending != Shared || err != nil || s.d.count("revoke") != 0 {
			t.Errorf("ended %q, %v", ending, err)
		}
		s.fresh(0)
		if ending, err := s.v.End(t.Context(), s.d.id, s.tenant); ending != Revoked || err != nil || s.d.live() != 0 {
			t.Errorf("the last one ended %q, %v", ending, err)
		}
		s.tenant, s.user = first, firstUser
	})
}

// A connection that broke because the app was refused goes on when that is mended: so
// it isn't ended with another one that shares its grant.
func TestGrantSharedWithOneThatMayGoOn(t *testing.T) {
	each(t, func(h habits) bool { return h.ends != "" }, func(t *testing.T, s *scene) {
		first := s.tenant
		s.connect()
		s.tenant, s.user = s.addTenant("fabrikam")
		other := s.connect()
		if err := s.store.BreakIdentity(t.Context(), other.ID, other.Generation, "invalid_client", ""); err != nil {
			t.Fatal(err)
		}
		if ending, err := s.v.End(t.Context(), s.d.id, first); ending != Shared || err != nil || s.d.count("revoke") != 0 {
			t.Errorf("ended %q, %v", ending, err)
		}
		if err := s.v.RetryApp(t.Context(), s.d.id); err != nil {
			t.Fatal(err)
		}
		s.fresh(0)
	})
}

// Two tenants of one customer may have set the same app, each as their own, and it may
// be the shared one.
func TestGrantThatTenantsShareByTheirOwnApp(t *testing.T) {
	each(t, func(h habits) bool { return h.ends != "" }, func(t *testing.T, s *scene) {
		own := func() {
			t.Helper()
			if err := s.v.SetTenantApp(t.Context(), s.d.id, s.tenant, ServiceChange{ClientID: new(clientID), ClientSecret: new(clientSecret)}); err != nil {
				t.Fatal(err)
			}
			s.connect()
		}
		end := func(tenant string, want Ending, live int) {
			t.Helper()
			if ending, err := s.v.End(t.Context(), s.d.id, tenant); ending != want || err != nil || s.d.live() != live {
				t.Errorf("ended %q, %v, %d live", ending, err, s.d.live())
			}
		}
		first := s.tenant
		own()
		s.tenant, s.user = s.addTenant("fabrikam")
		second := s.tenant
		own()
		s.tenant, s.user = s.addTenant("litware")
		s.connect()
		end(first, Shared, 3)
		end(second, Shared, 3)
		s.fresh(0)
		// Another app has nothing to do with it.
		if err := s.v.SetTenantApp(t.Context(), s.d.id, first, ServiceChange{ClientID: new("another"), ClientSecret: new(clientSecret)}); err != nil {
			t.Fatal(err)
		}
		end(s.tenant, Revoked, 0)
	})
}

// A grant that is over is told as that, also when a tenant's own app got it.
func TestDeadGrantOfAnOwnApp(t *testing.T) {
	each(t, withRefresh, func(t *testing.T, s *scene) {
		err := s.v.SetTenantApp(t.Context(), s.d.id, s.tenant, ServiceChange{ClientID: new(clientID), ClientSecret: new(clientSecret)})
		if err != nil {
			t.Fatal(err)
		}
		i := s.connect()
		s.d.revokeAll()
		_, err = s.get(i.Generation)
		wantBroken(t, err, s.d.dead)
		if !i.OwnApp {
			t.Error("the shared app was used")
		}
	})
}

// On a tenant's own host, everything goes there and nowhere else, with the
// tenant's app alone.
func TestSelfManagedServices(t *testing.T) {
	const host = "git.contoso.example"
	for _, h := range allHabits {
		if h.id != "gitlab" && h.id != "githuboauth" {
			continue
		}
		t.Run(h.id, func(t *testing.T) {
			t.Parallel()
			for _, address := range []*string{&h.authorize, &h.token, &h.userinfo, &h.revoke, &h.api} {
				*address = strings.NewReplacer("api.github.com", host+"/api/v3", "github.com", host, "gitlab.com", host).Replace(*address)
			}
			h.instance = "https://" + host
			w := newWorldWith(t, newOAuthHandler(t))
			s := &scene{world: w, d: newDouble(t, w, h)}
			shared := s.definition()
			shared.ClientID, shared.ClientSecret = "shared", "the-shared-secret"
			s.v = s.vault(shared)
			err := s.v.SetTenantApp(t.Context(), h.id, s.tenant, ServiceChange{ClientID: new(clientID), ClientSecret: new(clientSecret), LoginURL: new("https://" + host)})
			if err != nil {
				t.Fatal(err)
			}
			i := s.connect()
			if i.InstanceURL != h.instance || i.LoginURL != h.instance || i.OrgName != h.name {
				t.Errorf("stored %+v", i.Grant)
			}
			s.call(i)
			if h.lasting {
				s.fresh(i.Generation)
			}
			if ending, err := s.v.End(t.Context(), h.id, s.tenant); ending != Revoked || err != nil || s.d.live() != 0 {
				t.Errorf("ended %q, %v\n%s", ending, err, s.log)
			}
		})
	}
}

// Whatever a service calls it: what it says of the app ends no connection, and is worth
// another try once the app is set anew.
func TestAppTroubleEndsNothing(t *testing.T) {
	for _, s := range BuiltIn() {
		for _, code := range appCodes {
			if verdict := s.judge(&OAuthError{Code: code}).Verdict; (verdict == Final) != (code == s.DeadCode) || verdict == AskFirst {
				t.Errorf("%s: %s is %s", s.ID, code, verdict)
			}
		}
	}
	for _, h := range allHabits {
		if h.lasting && !slices.Contains(appCodes, h.wrongApp) {
			t.Errorf("%s refuses an app by %s, which isn't known for that", h.id, h.wrongApp)
		}
	}
}

// Sandboxes and developer orgs are Zoho's own hosts too.
func TestZohoEnvironments(t *testing.T) {
	for address, own := range map[string]bool{"https://sandbox.zohoapis.eu": true, "https://developer.zohoapis.com.au": true, "https://www.zohoapis.ca": true,
		"https://evil.zohoapis.eu": false, "https://sandbox.zohoapis.eu.evil.example": false} {
		if _, ok := zoho.instance(address); ok != own {
			t.Errorf("%s is Zoho's: %v", address, ok)
		}
	}
}
