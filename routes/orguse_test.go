package routes_test

import (
	"html"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"gatepost/identity"
	"gatepost/routes"
)

// salesforceBrowser is a browser at Salesforce, which stays logged in there.
type salesforceBrowser struct{ *browser }

// goTo opens an address there, and follows where it leads until that is the portal or
// a page.
func (b salesforceBrowser) goTo(address string) page {
	b.w.t.Helper()
	p := b.get(address)
	for p.status/100 == 3 && !strings.HasPrefix(p.head("Location"), b.w.url) {
		to := p.head("Location")
		if strings.HasPrefix(to, "/") {
			to = b.w.mock + to
		}
		p = b.get(to)
	}
	return p
}

// logIn fills in the log-in page, and returns what it leads to.
func (b salesforceBrowser) logIn(login page, user string) page {
	b.w.t.Helper()
	to := b.do(http.MethodPost, b.w.mock+"/login", form("startURL", login.hidden("startURL"), "username", user, "password", "salesforce"), "Content-Type", formType).head("Location")
	return b.goTo(b.w.mock + to)
}

// The same browser, logged in at Salesforce, which remembers what was allowed: another
// tenant isn't connected to the first one's org unasked, by neither of the two.
func TestAnotherTenantInTheSameBrowser(t *testing.T) {
	t.Parallel()
	w := openBoth(t)
	w.control("settings", `{"remember_approval":true}`)
	j, a := w.as(john, "contoso"), w.as(ann, "fabrikam")
	sf := salesforceBrowser{w.browser()}
	consent := sf.logIn(sf.goTo(j.begin()).is(200, "Log In"), sfJohn).is(200, "Allow Access?")
	back := sf.do(http.MethodPost, w.mock+"/setup/secur/RemoteAccessAuthorizationPage.apexp", form("id", consent.hidden("id"), "decision", "allow"), "Content-Type", formType)
	j.get(back.head("Location")).to(connected)
	j.get(connected).to("/integrations")

	reader := w.someone("fabrikam", "reader@fabrikam.test")
	login := sf.goTo(a.begin()).is(200, "Log In") // it is asked
	callback := sf.logIn(login, sfJohn).is(302).head("Location")
	a.get(callback).to(connected)
	a.get(connected).to("/integrations")
	card := a.get("/integrations").is(200, "Needs your decision", "Is this the Salesforce organisation that you mean?", "is in use elsewhere here",
		"Somebody else", "00D", "Waiting</dt>", "Connect this organisation").hasNot("Contoso", john)
	a.get("/integrations/sfdc").is(200, "Needs your decision", "waits for your decision")
	a.get("/integrations/sfdc/card").is(200, "is in use elsewhere here")
	a.get("/newsletter/signup").is(200, "Salesforce is not connected")
	a.get("/integrations/sfdc/disconnect").to("/integrations")
	a.get("/subscribers/"+reader).is(200, "reader@fabrikam.test")
	// A callback opened again, after or before, changes nothing.
	a.get(callback).to(connected)
	if n := w.control("stats", "")["contacts"]; n != 0.0 || w.identities() != 1 {
		t.Fatalf("%v contacts, %d connections before anybody decided", n, w.identities())
	}

	// Only a member of the other tenant is told which one it is.
	w.as(max, "fabrikam").get("/integrations").is(200, "is in use elsewhere here", "Contoso, where you are a member too")
	j.get("/integrations").is(200).hasNot("in use elsewhere", "abrikam")
	if log := w.log.String(); strings.Contains(log, "Contoso") {
		t.Errorf("the log names a tenant: %s", log)
	}

	held := card.hidden("held")
	// Who wasn't shown that it is in use elsewhere doesn't confirm that.
	a.submit("/integrations/sfdc/held", "held", held, "decision", "switch").to("/integrations")
	a.get("/integrations").is(200, "came into use elsewhere here meanwhile", "is in use elsewhere here")
	j.submit("/integrations/sfdc/held", "held", held, "decision", "switch", "shared", "yes").to("/integrations")
	if w.identities() != 1 {
		t.Fatal("another tenant confirmed it")
	}
	a.submit("/integrations/sfdc/held", "held", held, "decision", "keep").to("/integrations")
	a.get("/integrations").is(200, "Salesforce was not connected", "Connect Salesforce")
	w.eventually("what wasn't wanted is revoked", func() bool { return w.control("stats", "")["grants"] == 1.0 })

	login = sf.goTo(a.begin()).is(200, "Log In")
	a.get(sf.logIn(login, sfJohn).is(302).head("Location")).to(connected)
	held = a.get("/integrations").hidden("held")
	a.submit("/integrations/sfdc/held", "held", held, "decision", "switch", "shared", "yes").to(connected)
	a.get(connected).to("/integrations")
	a.get("/integrations").is(200, "Salesforce is connected.").hasNot("decision")
	w.eventually("what waited arrives", func() bool { return w.control("stats", "")["contacts"] == 1.0 })
	if by := w.count(`SELECT count(*) FROM org_confirmations c JOIN users u ON u.id = c.confirmed_by WHERE u.email = $1 AND c.tenant_id = $2`, ann, w.tenant("fabrikam").ID); by != 1 {
		t.Errorf("%d confirmations", by)
	}
	// It is remembered, also after disconnecting; who was there first isn't asked.
	w.control("settings", `{"remember_approval":false}`)
	a.submit("/integrations/sfdc/disconnect").to("/integrations")
	a.connect(sfJohn).to(connected)
	j.connect(sfJohn).to(connected)
	if n := w.count(`SELECT count(*) FROM held_identities`); n != 0 || w.identities() != 2 {
		t.Errorf("%d held, %d connections", n, w.identities())
	}
}

// A switch to another tenant's org is asked about as both.
func TestSwitchToAnotherTenantsOrg(t *testing.T) {
	t.Parallel()
	w := openBoth(t)
	j, a := w.as(john, "contoso"), w.as(ann, "fabrikam")
	j.connect(sfJohn).to(connected)
	a.connect(sfSandbox).to(connected)
	a.connect(sfJohn).to(connected)
	held := a.get("/integrations").is(200, "another Salesforce organisation than before", "is in use elsewhere here", "Confirm switch").hidden("held")
	a.submit("/integrations/sfdc/held", "held", held, "decision", "switch", "shared", "yes").to("/integrations")
	a.get("/integrations").is(200, "From now on sign-ups go there")
}

// What is held for another service than Salesforce is asked about in its words. Where
// both tenants are given the very same token, declining ends nothing.
func TestAnotherTenantsAccount(t *testing.T) {
	t.Parallel()
	a := &acme{account: "one"}
	w := openBoth(t, withAcme(t, a), func(c *routes.Config) {
		if err := c.Vault.SetService(t.Context(), "acme", identity.ServiceChange{ClientID: new("app"), ClientSecret: new("hidden")}); err != nil {
			t.Fatal(err)
		}
	})
	first, f := w.as(john, "contoso"), w.as(ann, "fabrikam")
	first.get(first.authorize("acme")).is(303)
	f.get(f.authorize("acme")).to("/integrations/acme/connected")
	f.get("/integrations/acme/connected").to("/integrations")
	f.get("/integrations").is(200, "Needs your decision", "Decide")
	held := f.get("/integrations/acme").is(200, "Is this the Acme & Sons account that you mean?", "This account is in use elsewhere here", "Team one", "Connect this account").hidden("held")
	f.submit("/integrations/acme/held", "held", held, "decision", "keep").to("/integrations")
	f.get("/integrations").is(200, "Acme & Sons was not connected")
	if a.revoked != 0 {
		t.Error("the other tenant's token is revoked")
	}
	f.get(f.authorize("acme")).to("/integrations/acme/connected")
	held = f.get("/integrations/acme").hidden("held")
	f.submit("/integrations/acme/held", "held", held, "decision", "switch", "shared", "yes").to("/integrations/acme/connected")
	f.get("/integrations/acme/connected").to("/integrations")
	f.get("/integrations").is(200, "Acme & Sons is connected.")
}

// What a page's address says is never shown as text, whoever made it.
func TestTextOfAnAddressIsNotShown(t *testing.T) {
	t.Parallel()
	w := openBoth(t)
	b := w.as(john, "contoso")
	b.connect(sfJohn).to(connected)
	id := w.someone("contoso", "reader@contoso.test")
	const mark = "Call 555 0100 to go on"
	names := []string{"error", "error_description", "error_uri", "message", "msg", "text", "title", "reason", "notice", "flash", "detail", "next", "return_to", "changed", "sample", "seen",
		"kind", "state", "code", "q", "after", "before", "org", "token", "secret", "email", "description", "login", "my_domain", "held", "decision", "sent", "tenant", "name"}
	// Who searches is shown what they look for, in the field and as that.
	searches := map[string]bool{"/subscribers?q": true}
	walked := 0
	for _, visitor := range []*browser{b, w.browser()} {
		for _, r := range w.app.GetRoutes(true) {
			if r.Method != http.MethodGet || strings.HasPrefix(r.Path, "/static") || strings.HasPrefix(r.Path, "/api/") {
				continue
			}
			walked++
			path := strings.Replace(address(r), "/x", "/"+id, 1)
			all := url.Values{}
			for _, name := range names {
				all.Set(name, mark)
				if searches[path+"?"+name] {
					all.Del(name)
				}
			}
			queries := []string{all.Encode()}
			for _, name := range names {
				if !searches[path+"?"+name] {
					queries = append(queries, url.Values{name: {mark}}.Encode())
				}
			}
			for _, q := range append(queries, "error=handshake&"+url.Values{"error_description": {mark}}.Encode(), "error=access_denied&"+url.Values{"error_description": {mark}}.Encode()) {
				for p, hops := visitor.get(path+"?"+q), 0; ; hops++ {
					if shown := visible(p.body); strings.Contains(shown, mark) || strings.Contains(shown, "Access was not allowed") {
						t.Errorf("%s?%s shows it", path, q)
					}
					to := p.head("Location")
					if to == "" || hops > 3 || !strings.HasPrefix(to, "/") && !strings.HasPrefix(to, w.url) {
						break
					}
					p = visitor.get(to)
				}
			}
		}
	}
	if walked < 40 {
		t.Errorf("only %d routes walked", walked)
	}
}

// visible is what of a page's source is text, rather than markup.
func visible(source string) string {
	var text strings.Builder
	for part := range strings.SplitSeq(source, "<") {
		_, after, _ := strings.Cut(part, ">")
		text.WriteString(after + " ")
	}
	return html.UnescapeString(text.String())
}

// What the service said comes from the service, is shown in the browser that it was
// said in, and goes when something newer happened there.
func TestWhatTheServiceSaidIsKeptInTheSession(t *testing.T) {
	t.Parallel()
	w := openBoth(t)
	b := w.as(john, "contoso")
	ask := b.begin()
	state := mustQuery(t, ask).Get("state")
	denied := "/integrations/sfdc/callback?" + form("state", state, "error", "access_denied", "error_description", "end-user denied authorization")
	b.get(denied).to(connected)
	for range 2 { // also when it is loaded again
		b.get(connected).is(200, "Access was not allowed", "What Salesforce said", "access_denied", "end-user denied authorization")
	}
	w.as(john, "contoso").get(connected).to("/integrations") // another browser
	w.as(ann, "fabrikam").get(connected).to("/integrations")
	b.get("/integrations/sfdc/callback?" + form("state", state, "error", "handshake")).to(connected)
	b.get(connected).is(200, "Salesforce refused", "handshake") // the service's own word is shown as that
	// Who goes back there and allows it is connected.
	b.get(b.decide(ask, sfJohn, "allow")).to(connected)
	b.get(connected).to("/integrations")
	b.get(denied).to(connected)
	b.get(connected).to("/integrations")
	b.get("/integrations").is(200, "Salesforce is connected.")
	// Our own words are never the service's.
	w.control("settings", `{"issue_refresh_token":false}`)
	b.failed(b.decide(b.begin(), sfJohn, "allow"), "no lasting access").hasNot("answered", "no_refresh_token")
	b.failed("/integrations/sfdc/callback?state=x&code=y", "This link has expired").hasNot("answered", "handshake")
	w.control("fail", `{"on":"token","drop":true,"count":1}`)
	b.failed(b.decide(b.begin(), sfJohn, "allow"), "didn’t answer").hasNot("answered:")
}

// The portal has one address: who begins at another name of this machine is led there
// before the log-in, and anybody else is told before they leave.
func TestOtherNamesOfThisMachine(t *testing.T) {
	t.Parallel()
	w := openBoth(t)
	b := w.as(john, "contoso")
	port := w.url[strings.LastIndex(w.url, ":"):]
	at := func(host, method, path string) page {
		r := b.request(method, path, "")
		r.Host = host
		resp, err := b.c.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		return page{w, resp.StatusCode, resp.Header, ""}
	}
	walked := 0
	for _, r := range w.app.GetRoutes(true) {
		path := address(r)
		if r.Method != http.MethodGet || strings.HasPrefix(path, "/integrations/sfdc/callback") {
			continue
		}
		walked++
		for host, leads := range map[string]bool{"localhost" + port: true, "LOCALHOST" + port: true, "[::1]" + port: true, "127.0.0.2" + port: true, "gatepost.localhost" + port: true,
			strings.TrimPrefix(w.url, "http://"): false, "localhost:1": false, "localhost": false, "evil.example" + port: false, "localhost.evil.example" + port: false, "10.0.0.1" + port: false} {
			for _, method := range []string{http.MethodGet, http.MethodHead} {
				to := at(host, method, path+"?a=b%20c").head("Location")
				if got := to == w.url+path+"?a=b%20c"; got != (leads && !machines(path)) {
					t.Errorf("%s %s at %s leads to %q", method, path, host, to)
				}
			}
		}
	}
	if walked < 20 {
		t.Errorf("only %d routes walked", walked)
	}
	p := at("localhost"+port, http.MethodPost, "/login")
	if p.status == 303 {
		t.Errorf("a form is led elsewhere: %s", p.head("Location"))
	}
	// Where the Host tells nothing for sure, it is said before.
	connect := func(headers ...string) page {
		r := b.request(http.MethodPost, "/integrations/sfdc/connect", form("csrf", b.token()), append(headers, "Content-Type", formType, "Cookie", "gatepost_session="+b.cookie("gatepost_session"))...)
		r.Host = "portal.internal" // by which the jar would choose its cookies
		resp, err := b.c.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return page{w, resp.StatusCode, resp.Header, string(text)}
	}
	connect().is(200, "Before you go to Salesforce", w.url+"/integrations", "Go to Salesforce").hasNot("http-equiv", "portal.internal")
	connect("X-Forwarded-Host", strings.TrimPrefix(w.url, "http://")).is(200, `http-equiv="refresh"`).hasNot("Before you go")
}

// machines are the addresses that programs and readers ask.
func machines(path string) bool {
	return slices.Contains([]string{"/healthz", "/readyz", "/metrics", "/favicon.ico", "/robots.txt", "/.well-known/change-password"}, path) || strings.HasPrefix(path, "/static/") || strings.HasPrefix(path, "/embed/") || strings.HasPrefix(path, "/signup/") || strings.HasPrefix(path, "/unsubscribe/") || strings.HasPrefix(path, "/confirm/") || strings.HasPrefix(path, "/api/")
}
