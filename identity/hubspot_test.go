package identity

import (
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"gatepost/db"
	"gatepost/mockhubspot"
	"gatepost/outbound"
)

// hubSpotWorld is a world in which a tenant has connected the simulated HubSpot.
type hubSpotWorld struct {
	*world
	v   *Vault
	url string
	hs  *mockhubspot.Server
}

func newHubSpotWorld(t *testing.T) *hubSpotWorld {
	t.Helper()
	hs, err := mockhubspot.Open(t.Context(), mockhubspot.Options{Data: filepath.Join(t.TempDir(), "hubspot.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { hs.Close() })
	srv := httptest.NewServer(hs.Handler())
	t.Cleanup(srv.Close)
	w := &hubSpotWorld{world: newWorld(t), url: srv.URL, hs: hs}
	w.app(clientSecret)
	w.v = w.vault(hubSpotAt(srv.URL))
	w.connect()
	return w
}

// vault is one with the service as it is given.
func (w *hubSpotWorld) vault(s Service) *Vault {
	return w.process(func(c *Config) { c.Services, c.HTTP = []Service{s}, outbound.Client(outbound.Trust(w.url)) })
}

// app registers our app at HubSpot, with a secret.
func (w *hubSpotWorld) app(secret string) {
	w.t.Helper()
	if err := w.hs.AddClient(w.t.Context(), mockhubspot.Client{ID: clientID, Secret: secret, RedirectURIs: []string{redirectURI}}); err != nil {
		w.t.Fatal(err)
	}
}

// hubSpotAt is HubSpot, with all that it has on two hosts on another one.
func hubSpotAt(at string) Service {
	s := hubSpot.with(db.ServiceSettings{LoginURL: at, ClientID: clientID})
	s.ClientSecret, s.RedirectURL = clientSecret, redirectURI
	return s
}

var hiddenField = regexp.MustCompile(`name="(?:id|startURL)" value="([^"]*)"`)

// connect lets our app in, as a member of the account Contoso.
func (w *hubSpotWorld) connect() {
	w.t.Helper()
	if err := w.try(w.v); err != nil {
		w.t.Fatal(err)
	}
}

// try does so with a vault.
func (w *hubSpotWorld) try(v *Vault) error {
	w.t.Helper()
	r := w.request()
	r.Service = hubSpot.ID
	address, err := v.Authorize(w.t.Context(), r)
	if err != nil {
		w.t.Fatal(err)
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		w.t.Fatal(err)
	}
	browser := &http.Client{Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if !strings.HasPrefix(r.URL.String(), w.url) {
			return http.ErrUseLastResponse
		}
		return nil
	}}
	visit := func(resp *http.Response, err error) (location, hidden string) {
		w.t.Helper()
		if err != nil {
			w.t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			w.t.Fatal(err)
		}
		if m := hiddenField.FindSubmatch(body); m != nil {
			hidden = html.UnescapeString(string(m[1]))
		}
		return resp.Header.Get("Location"), hidden
	}
	_, start := visit(browser.Get(strings.Replace(address, "/oauth/authorize", "/oauth/62515/authorize", 1)))
	_, id := visit(browser.PostForm(w.url+"/login", url.Values{"startURL": {start}, "username": {"john@contoso.example"}, "password": {"hubspot"}}))
	back, _ := visit(browser.PostForm(w.url+"/oauth/decision", url.Values{"id": {id}, "decision": {"allow"}}))
	u, err := url.Parse(back)
	if err != nil {
		w.t.Fatal(err)
	}
	_, err = v.Finish(w.t.Context(), Callback{Service: hubSpot.ID, SessionID: session, State: u.Query().Get("state"), Code: u.Query().Get("code")})
	return err
}

func (w *hubSpotWorld) control(what, body string) {
	w.t.Helper()
	resp, err := http.Post(w.url+"/_control/"+what, "application/json", strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		w.t.Fatalf("%s: %s", what, resp.Status)
	}
}

// renew asks for a newer credential than the one that there is.
func (w *hubSpotWorld) renew() error {
	w.t.Helper()
	i, err := w.v.Identity(w.t.Context(), hubSpot.ID, w.tenant)
	if err != nil {
		w.t.Fatal(err)
	}
	_, err = w.v.Get(w.t.Context(), hubSpot.ID, w.tenant, i.Generation)
	return err
}

// The vault does with HubSpot what the facts about it say in 7b, lines 1 to 3 and 24.
func TestHubSpot(t *testing.T) {
	const account = "62515"
	t.Run("it is connected and renewed", func(t *testing.T) {
		w := newHubSpotWorld(t)
		i, err := w.v.Identity(t.Context(), hubSpot.ID, w.tenant)
		if err != nil || i.OrgID != account || i.RemoteUserID != "70011" || !strings.Contains(i.Scopes, "crm.objects.contacts.write") {
			t.Errorf("%+v, %v", i, err)
		}
		first, err := w.v.Get(t.Context(), hubSpot.ID, w.tenant, 0)
		if err != nil || time.Until(first.ExpiresAt) > 30*time.Minute || first.OrgID != account {
			t.Errorf("%+v, %v", first, err)
		}
		// By the time that it runs out, there is another one, with a refresh token that is new
		// or that stays.
		for _, rotates := range []bool{false, true, true} {
			w.control("settings", fmt.Sprintf(`{"rotate_refresh_token":%t}`, rotates))
			w.skip(30 * time.Minute)
			w.control("clock", `{"advance_ms":1800000}`)
			again, err := w.v.Get(t.Context(), hubSpot.ID, w.tenant, 0)
			if err != nil || again.AccessToken == first.AccessToken {
				t.Errorf("rotating %t: %v", rotates, err)
			}
			first = again
		}
	})
	for name, test := range map[string]struct {
		happens func(w *hubSpotWorld)
		heals   func(w *hubSpotWorld)
	}{
		"a wrong secret": {func(w *hubSpotWorld) { w.app("another") }, func(w *hubSpotWorld) { w.app(clientSecret) }},
		"an unknown app": {func(w *hubSpotWorld) {
			w.control("fail", `{"on":"token","status":400,"error_code":"BAD_CLIENT_ID","count":1}`)
		}, nil},
		"a limit":   {func(w *hubSpotWorld) { w.control("fail", `{"on":"token","status":429,"count":1}`) }, nil},
		"a lock":    {func(w *hubSpotWorld) { w.control("fail", `{"on":"token","status":423,"count":1}`) }, nil},
		"a move":    {func(w *hubSpotWorld) { w.control("fail", `{"on":"token","status":477,"count":1}`) }, nil},
		"an outage": {func(w *hubSpotWorld) { w.control("fail", `{"on":"token","status":502,"html":true,"count":1}`) }, nil},
		"a bad code": {func(w *hubSpotWorld) {
			w.control("fail", `{"on":"token","status":400,"error_code":"BAD_AUTH_CODE","count":1}`)
		}, nil},
		"bad scopes": {func(w *hubSpotWorld) {
			w.control("fail", `{"on":"token","status":400,"error_code":"BAD_SCOPES","count":1}`)
		}, nil},
		"no permission": {func(w *hubSpotWorld) {
			w.control("fail", `{"on":"token","status":403,"error_code":"MISSING_SCOPES","count":1}`)
		}, nil},
	} {
		t.Run("it survives "+name, func(t *testing.T) {
			w := newHubSpotWorld(t)
			test.happens(w)
			err := w.renew()
			if broken, ok := errors.AsType[*BrokenError](err); ok || err == nil {
				t.Fatalf("%v, %+v", err, broken)
			}
			if test.heals != nil {
				test.heals(w)
			}
			w.skip(25 * time.Hour)
			if _, err := w.v.Get(t.Context(), hubSpot.ID, w.tenant, 0); err != nil {
				t.Errorf("later: %v", err)
			}
		})
	}
	for name, happens := range map[string]func(w *hubSpotWorld){
		"a revocation":      func(w *hubSpotWorld) { w.control("revoke", "{}") },
		"an uninstall":      func(w *hubSpotWorld) { w.control("uninstall", "{}") },
		"a deleted account": func(w *hubSpotWorld) { w.control("settings", `{"account_deleted":true}`) },
	} {
		t.Run("it ends by "+name, func(t *testing.T) {
			w := newHubSpotWorld(t)
			happens(w)
			if _, ok := errors.AsType[*BrokenError](w.renew()); !ok {
				t.Error("it goes on")
			}
		})
	}
}

// Whoever disconnects takes the app out of the account, so that nothing is left there; where
// that is refused, the token at least is over.
func TestHubSpotIsUninstalled(t *testing.T) {
	const lost = `{"on":"uninstall","status":502,"html":true,"count":1}`
	for name, test := range map[string]struct {
		fault   string
		ending  Ending
		revoked int // tokens, one by one
	}{
		"as a rule":           {"", Revoked, 0},
		"not by this user":    {`{"on":"uninstall","status":403,"error_code":"MISSING_SCOPES","count":1}`, Revoked, 1},
		"not as it was asked": {`{"on":"uninstall","status":400,"error_code":"VALIDATION_ERROR","count":1}`, Revoked, 1},
		"not any more":        {`{"on":"uninstall","status":410,"error_code":"GONE","count":1}`, Revoked, 1},
		"refused with a page": {`{"on":"uninstall","status":403,"html":true,"count":1}`, Revoked, 1},
		"gone, with a page":   {`{"on":"uninstall","status":404,"html":true,"count":1}`, Revoked, 1},
		"later":               {lost, Pending, 0},
		"after too many":      {`{"on":"uninstall","status":429,"error_code":"RATE_LIMITS","count":1}`, Pending, 0},
		"after a page of 429": {`{"on":"uninstall","status":429,"html":true,"count":1}`, Pending, 0},
		"after a time-out":    {`{"on":"uninstall","status":408,"error_code":"TIMEOUT","count":1}`, Pending, 0},
		"it was, by somebody": {"uninstall", Revoked, 0},
	} {
		t.Run(name, func(t *testing.T) {
			w := newHubSpotWorld(t)
			c, err := w.v.Get(t.Context(), hubSpot.ID, w.tenant, 0)
			if err != nil || c.InstanceURL != w.url {
				t.Fatalf("%+v, %v", c.InstanceURL, err)
			}
			if test.fault == "uninstall" {
				w.control("uninstall", "{}")
			} else if test.fault != "" {
				w.control("fail", test.fault)
			}
			ending, err := w.v.End(t.Context(), hubSpot.ID, w.tenant)
			if err != nil || ending != test.ending {
				t.Errorf("ended %q, %v\n%s", ending, err, w.log)
			}
			w.runRevocations(w.v)
			stats := w.stats()
			if stats["grants"] != 0 || stats["revocations"] != test.revoked {
				t.Errorf("left: %v", stats)
			}
			if got := w.api(c.AccessToken); (got == http.StatusOK) != (test.revoked > 0) {
				t.Errorf("the access token is answered with %d", got)
			}
		})
	}
}

// stats are what the simulated HubSpot counts.
func (w *hubSpotWorld) stats() map[string]int {
	w.t.Helper()
	resp, err := http.Get(w.url + "/_control/stats")
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	var all map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&all); err != nil {
		w.t.Fatal(err)
	}
	numbers := map[string]int{}
	for name, v := range all {
		if n, ok := v.(float64); ok {
			numbers[name] = int(n)
		}
	}
	return numbers
}

// api is the status with which the API answers an access token.
func (w *hubSpotWorld) api(token string) int {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, w.url+"/account-info/2026-09/details", nil)
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.StatusCode
}

// What is refused after it was granted ends by itself, and not with the connection that there
// is in the same account: that one would end if the app was taken out of it.
func TestHubSpotStaysInstalledForAnotherConnection(t *testing.T) {
	w := newHubSpotWorld(t)
	w.control("settings", `{"shared_refresh_token":false}`)
	wanting := hubSpotAt(w.url)
	wanting.NeedScopes = append(slices.Clone(wanting.NeedScopes), "more")
	v := w.vault(wanting)
	wantOAuth(t, w.try(v), CodeMissingScope)
	w.runRevocations(v)
	if err := w.renew(); err != nil {
		t.Errorf("the connection ended: %v", err)
	}
	unknown := wanting.inOrg("")
	if unknown.Revoke.Uninstall != "" || wanting.inOrg("62515").Revoke.Uninstall == "" {
		t.Error("it is uninstalled where nobody knows from which account")
	}
}
