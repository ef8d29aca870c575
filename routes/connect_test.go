package routes_test

import (
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"gatepost/db"
)

const (
	sfJohn    = "john@contoso.example"
	sfSandbox = "john@contoso.example.sandbox"
	connected = "/integrations/sfdc/connected"
)

// begin presses Connect and returns the address at Salesforce that the page leads to.
func (b *browser) begin() string {
	b.w.t.Helper()
	p := b.submit("/integrations/sfdc/connect").is(200)
	m := regexp.MustCompile(`http-equiv="refresh" content="0; url=([^"]+)"`).FindStringSubmatch(p.body)
	if m == nil || !strings.Contains(p.body, `href="`+m[1]+`"`) {
		b.w.t.Fatalf("leads nowhere: %s", p.body)
	}
	return html.UnescapeString(m[1])
}

// decide logs in at Salesforce, answers the consent page, and returns the
// address of the callback with which Salesforce sends the browser back.
func (b *browser) decide(authorize, user, decision string) string {
	b.w.t.Helper()
	sf := b.w.browser() // its own cookies
	follow := func(p page) page {
		for p.status/100 == 3 && !strings.HasPrefix(p.head("Location"), b.w.url) {
			to := p.head("Location")
			if strings.HasPrefix(to, "/") {
				to = b.w.mock + to
			}
			p = sf.get(to)
		}
		return p
	}
	login := follow(sf.get(authorize)).is(200)
	consent := follow(sf.do(http.MethodPost, b.w.mock+"/login", form("startURL", login.hidden("startURL"), "username", user, "password", "salesforce"), "Content-Type", formType)).is(200)
	back := sf.do(http.MethodPost, b.w.mock+"/setup/secur/RemoteAccessAuthorizationPage.apexp",
		form("id", consent.hidden("id"), "decision", decision), "Content-Type", formType).is(302)
	return back.head("Location")
}

// connect goes the whole way, as the Salesforce user.
func (b *browser) connect(user string) page {
	b.w.t.Helper()
	return b.get(b.decide(b.begin(), user, "allow"))
}

func (w *world) identities() int { w.t.Helper(); return w.count(`SELECT count(*) FROM identities`) }

func TestConnectDeliverDisconnectAndTheLogKnowsNothing(t *testing.T) {
	t.Parallel()
	w := openBoth(t)
	b := w.browser()
	csrf := b.get("/login").hidden("csrf")
	b.post("/login", "email", john, "password", password, "csrf", csrf).to("/")
	b.get("/integrations").is(200, "Salesforce")
	id := w.someone("contoso", "early@reader.test")
	b.get("/newsletter/signup?sample="+id).is(200, "early@reader.test")

	authorize := b.begin()
	callback := b.decide(authorize, sfJohn, "allow")
	b.get(callback).to(connected)
	b.get(connected).to("/integrations")
	b.get("/integrations").is(200, "Salesforce is connected.", "View status")
	b.get("/integrations/sfdc/settings").is(200, john, w.mock, "Access renewed", "Not yet")
	b.get("/integrations").hasNot("Salesforce is connected.")
	w.eventually("the Contact arrives", func() bool { return w.control("stats", "")["contacts"] == 1.0 })
	w.eventually("the page knows", func() bool { return strings.Contains(b.get("/subscribers").body, `class="state good"`) })

	to := b.submit("/newsletter/signup", "newsletter", "contoso-weekly", "email", "sample@reader.test", "first_name", "Sam").is(303).head("Location")
	b.get(to).is(200, "sample@reader.test")
	w.control("fail", `{"on":"query","drop":true,"count":1}`)
	w.someone("contoso", "dropped@reader.test")
	w.control("expire-access-tokens", "{}")
	w.someone("contoso", "late@reader.test")
	w.eventually("all arrive", func() bool { return w.control("stats", "")["contacts"] == 4.0 })

	b.get("/integrations/sfdc/disconnect").is(200, "Disconnect Salesforce")
	if w.identities() != 1 {
		t.Error("asking disconnected it already")
	}
	b.submit("/integrations/sfdc/disconnect").to("/integrations")
	b.get("/integrations").is(200, "Our access was revoked there and our copy is wiped")
	if w.identities() != 0 || w.control("stats", "")["grants"] != 0.0 {
		t.Error("something is left")
	}
	b.submit("/integrations/sfdc/disconnect").to("/integrations")
	b.get("/integrations").is(200, "disconnected already")
	b.get("/integrations/sfdc/disconnect").to("/integrations")

	ask, back := mustQuery(t, authorize), mustQuery(t, callback)
	secrets := []string{password, secret, csrf, b.token(), b.cookie("gatepost_session"), ask.Get("state"), ask.Get("code_challenge"), back.Get("code"), "00D", "aPrx", "early@", "sample@", "dropped@", "late@", "reader.test", john}
	for _, s := range secrets {
		if s == "" || s == "00D" {
			continue
		}
		if strings.Contains(w.log.String(), s) || strings.Contains(w.log.String(), url.QueryEscape(s)) {
			t.Errorf("the log has %q:\n%s", s, w.log)
		}
	}
	if !strings.Contains(w.log.String(), "route=/integrations/:service/callback") {
		t.Error("the log has no requests")
	}
}

func mustQuery(t *testing.T, address string) url.Values {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u.Query()
}

// failed follows a callback to the page that tells of the failure.
func (b *browser) failed(callback string, texts ...string) page {
	b.w.t.Helper()
	p := b.get(callback).is(303)
	to := p.head("Location")
	if to != connected && to != connected+"?error=handshake" {
		b.w.t.Fatalf("leads to %s", to)
	}
	return b.get(to).is(200, texts...).hasNot("<script>alert")
}

func TestConnectFailsInPlainWords(t *testing.T) {
	t.Parallel()
	w := openBoth(t)
	b := w.as(john, "contoso")
	w.someone("contoso", "reader@contoso.test")

	b.failed(b.decide(b.begin(), sfJohn, "deny"), "Access was not allowed", "Try again and choose Allow")
	b.failed("/integrations/sfdc/callback", "This link has expired", "Start again")
	b.failed("/integrations/sfdc/callback?code=abc", "This link has expired", "Start again")
	b.failed("/integrations/sfdc/callback?state=&code=abc", "This link has expired", "Start again")
	b.failed("/integrations/sfdc/callback?state=%00%ff&code=abc", "This link has expired", "Start again")

	state := mustQuery(t, b.begin()).Get("state")
	b.failed("/integrations/sfdc/callback?"+form("state", state, "error", "<script>alert(1)</script>", "error_description", `"><script>alert(2)</script>`+strings.Repeat("x", 5000)),
		"Salesforce refused", "<script>alert(2)</script>xxx").hasNot(strings.Repeat("x", 300))

	w.control("fail", `{"on":"token","status":503,"html":true,"count":1}`)
	b.failed(b.decide(b.begin(), sfJohn, "allow"), "didn’t answer", "Try again in a moment")
	w.control("fail", `{"on":"token","drop":true,"count":1}`)
	b.failed(b.decide(b.begin(), sfJohn, "allow"), "didn’t answer")
	w.control("settings", `{"issue_refresh_token":false}`)
	b.failed(b.decide(b.begin(), sfJohn, "allow"), "no lasting access", "refresh_token")
	w.control("settings", `{"issue_refresh_token":true}`)
	if n := w.identities(); n != 0 {
		t.Fatalf("%d connections", n)
	}

	callback := b.decide(b.begin(), sfJohn, "allow")
	calls := w.control("stats", "")["token_calls"].(float64)
	w.as(ann, "fabrikam").failed(callback, "This link has expired", "Start again")
	w.as(john, "contoso").failed(callback, "This link has expired", "Start again") // the same person elsewhere
	w.browser().get(callback).to("/login?next=%2Fintegrations%2Fsfdc%2Fconnected%3Ferror%3Dhandshake").hasNot("code")
	if p := b.do(http.MethodHead, strings.TrimPrefix(callback, w.url), ""); p.status != 405 {
		t.Errorf("HEAD: %d", p.status)
	}
	for range 3 { // a browser opens it in advance, or again
		b.get(callback).to(connected)
		b.get(connected).to("/integrations")
	}
	if n := w.control("stats", "")["token_calls"]; n != calls+1 {
		t.Errorf("%v calls for tokens, before it %v", n, calls)
	}
	if n := w.identities(); n != 1 {
		t.Errorf("%d connections", n)
	}
	b.get("/integrations/sfdc/settings").is(200, w.mock)
	if _, err := w.store.Writer().Exec(`UPDATE handshakes SET expires_at = 1`); err != nil {
		t.Fatal(err)
	}
	late := b.decide(b.begin(), sfJohn, "allow")
	if _, err := w.store.Writer().Exec(`UPDATE handshakes SET expires_at = 1`); err != nil {
		t.Fatal(err)
	}
	b.failed(late, "This link has expired", "Start again")
}

func TestAnotherOrgIsHeldUntilSomebodyDecides(t *testing.T) {
	t.Parallel()
	w := openBoth(t)
	b := w.as(john, "contoso")
	b.connect(sfJohn).to(connected)
	org := func() (id string) {
		if err := w.store.Writer().QueryRow(`SELECT org_id FROM identities`).Scan(&id); err != nil {
			t.Fatal(err)
		}
		return id
	}
	first := org()
	b.connect(sfJohn).to(connected) // again, and nothing is held
	hold := func() string {
		b.connect(sfSandbox).to(connected)
		b.get(connected).to("/integrations")
		p := b.get("/integrations").is(200, "held").hasNot("Salesforce is connected.")
		return p.hidden("held")
	}
	decide := func(path, held, decision, says string) {
		t.Helper()
		b.submit(path, "held", held, "decision", decision).to("/integrations")
		b.get("/integrations").is(200, says)
	}
	held := hold()
	w.as(ann, "fabrikam").submit("/integrations/sfdc/held", "held", held, "decision", "switch").to("/integrations")
	b.submit("/integrations/hubspot/held", "held", held, "decision", "switch").is(404)
	decide("/integrations/sfdc/held", "somethingelse", "switch", "decided meanwhile")
	decide("/integrations/sfdc/held", "somethingelse", "keep", "decided meanwhile")
	if org() != first {
		t.Fatal("switched")
	}
	decide("/integrations/sfdc/held", held, "keep", "stays as it was")
	decide("/integrations/sfdc/held", held, "switch", "decided meanwhile")
	if org() != first {
		t.Fatal("switched")
	}
	held = hold()
	decide("/integrations/sfdc/held", held, "switch", "From now on sign-ups go there")
	if org() == first {
		t.Error("not switched")
	}
}

func TestDisconnectWithSalesforceDownIsPending(t *testing.T) {
	t.Parallel()
	w := openBoth(t)
	b := w.as(john, "contoso")
	b.connect(sfJohn).to(connected)
	w.control("fail", `{"on":"revoke","status":503,"html":true,"count":50}`)
	b.submit("/integrations/sfdc/disconnect").to("/integrations")
	b.get("/integrations").is(200, "couldn’t be reached to revoke it")
	b.get("/integrations/sfdc/card").is(200).hasNot("couldn’t be reached to revoke it there too")
	if n := w.count(`SELECT count(*) FROM revocations`); n != 1 || w.identities() != 0 {
		t.Errorf("%d revocations, %d connections", n, w.identities())
	}
}

func TestABrokenConnectionIsToldOnEveryPage(t *testing.T) {
	t.Parallel()
	w := openBoth(t)
	b := w.as(john, "contoso")
	b.connect(sfJohn).to(connected)
	b.get("/account").hasNot("Connection to Salesforce lost")
	w.control("revoke", "{}")
	id := w.someone("contoso", "reader@contoso.test")
	w.eventually("the page tells", func() bool { return strings.Contains(b.get("/account").body, "Connection to Salesforce lost") })
	for _, path := range []string{"/integrations", "/subscribers", "/newsletter/signup", "/newsletter/signup?sample=" + id, "/account", "/tenant", "/nowhere"} {
		if p := b.get(path); path != "/nowhere" && path != "/tenant" && !strings.Contains(p.body, "Reconnect") {
			t.Errorf("%s says nothing", path)
		}
	}
	w.as(ann, "fabrikam").get("/integrations").is(200).hasNot("Connection to Salesforce lost")
	b.connect(sfJohn).to(connected)
	b.get("/account").is(200).hasNot("Connection to Salesforce lost")
	w.eventually("what waited arrives", func() bool { return w.control("stats", "")["contacts"] == 1.0 })
}

func TestLogInElsewhere(t *testing.T) {
	t.Parallel()
	w := openBoth(t)
	b := w.as(john, "contoso")
	for domain, says := range map[string]string{
		"contoso.lightning.force.com": "Salesforce’s pages", "evil.example": "isn’t a Salesforce login address",
		"contoso.my.salesforce.com.evil.example": "isn’t a Salesforce", "evil.example#.my.salesforce.com": "isn’t a Salesforce",
		"http://contoso.my.salesforce.com": "isn’t a Salesforce", "": "isn’t a Salesforce", "user@contoso.my.salesforce.com": "isn’t a Salesforce",
		"127.0.0.1": "isn’t a Salesforce", "contoso.my.salesforce.com:8443": "isn’t a Salesforce", "<script>alert(1)</script>": "isn’t a Salesforce",
	} {
		b.submit("/integrations/sfdc/connect", "login", "mydomain", "my_domain", domain).is(422, says).hasNot("<script>alert")
	}
	b.submit("/integrations/sfdc/connect", "login", "https://evil.example").is(422)
	b.submit("/integrations/sfdc/connect", "login", "sandbox").is(200, "https://test.salesforce.com/services/oauth2/authorize?")
	b.submit("/integrations/sfdc/connect", "login", "production").is(200, "https://login.salesforce.com/services/oauth2/authorize?")
	p := b.submit("/integrations/sfdc/connect", "login", "mydomain", "my_domain", "Contoso.my.salesforce.com/x").is(200, "https://contoso.my.salesforce.com/services/oauth2/authorize?")
	if n := len(p.header.Values("Set-Cookie")); n != 0 {
		t.Errorf("%d cookies", n)
	}
	q := mustQuery(t, b.begin())
	if q.Get("redirect_uri") != w.url+"/integrations/sfdc/callback" || q.Get("code_challenge_method") != "S256" || len(q.Get("state")) < 43 {
		t.Errorf("%v", q)
	}
	evil := b.do(http.MethodPost, "/integrations/sfdc/connect", form("csrf", b.token()), "Content-Type", formType, "Host", "evil.example", "X-Forwarded-Host", "evil.example").is(200)
	evil.hasNot("evil.example")
	b.submit("/integrations/hubspot/connect").is(404)
	b.get("/integrations/hubspot/callback?state=x&code=y").is(404)
	b.get("/integrations/hubspot/connected").is(404)
	b.get("/integrations/hubspot/card").is(404)
}

func TestCardIsSentOnlyWhenItChanged(t *testing.T) {
	t.Parallel()
	w := open(t)
	b := w.as(john, "contoso")
	p := b.get("/integrations/sfdc/card").is(200)
	m := regexp.MustCompile(`seen=([^"&]+)`).FindStringSubmatch(p.body)
	if m == nil {
		t.Fatalf("no version in %s", p.body)
	}
	if seen := b.get("/integrations/sfdc/card?seen=" + html.UnescapeString(m[1])).is(204); seen.body != "" {
		t.Errorf("%q", seen.body)
	}
	id := w.someone("contoso", "reader@contoso.test")
	b.get("/integrations/sfdc/card?seen="+html.UnescapeString(m[1])).is(200, "1")
	b.get("/newsletter/signup/"+id).is(200, "reader@contoso.test")
}

func TestTenantsSeeOnlyTheirOwn(t *testing.T) {
	t.Parallel()
	w := openBoth(t)
	j, a := w.as(john, "contoso"), w.as(ann, "fabrikam")
	j.connect(sfJohn).to(connected)
	theirs := w.someone("contoso", "reader@contoso.test")
	mine := w.someone("fabrikam", "reader@fabrikam.test")
	a.get("/newsletter/signup/" + theirs).is(404).hasNot("reader@contoso.test")
	a.get("/newsletter/signup?sample=" + theirs).is(404).hasNot("reader@contoso.test")
	for _, q := range []string{"", "?q=reader", "?after=" + theirs, "?before=" + theirs, "?q=reader&after=" + theirs} {
		if p := a.get("/subscribers" + q); strings.Contains(p.body, "contoso.test") {
			t.Errorf("%s shows %s", q, p.text())
		}
	}
	a.get("/subscribers").is(200, "reader@fabrikam.test")
	a.get("/newsletter/signup").is(200, "fabrikam-weekly").hasNot("contoso-weekly")
	a.submit("/newsletter/signup", "newsletter", "contoso-weekly", "email", "x@fabrikam.test").is(422, "is not there any more")
	a.submit("/integrations/sfdc/disconnect").to("/integrations")
	if w.identities() != 1 {
		t.Error("disconnected another tenant's Salesforce")
	}
	j.get("/newsletter/signup/" + mine).is(404)
}

// many makes n subscribers of Contoso's.
func (w *world) many(n int) {
	w.t.Helper()
	letter, err := w.news.NewsletterBySlug(w.t.Context(), "contoso-weekly")
	if err != nil {
		w.t.Fatal(err)
	}
	var all []db.SignUp
	for i := range n {
		email := fmt.Sprintf("reader%03d@contoso.test", i)
		all = append(all, db.SignUp{TenantID: letter.TenantID, NewsletterID: letter.ID, Email: email, EmailKey: email, Consent: "Yes.", Source: "form", At: time.Now()})
	}
	if _, err := w.news.AddSignUps(w.t.Context(), all); err != nil {
		w.t.Fatal(err)
	}
}

func TestSubscribersArePagedAndFoundWithGarbageToo(t *testing.T) {
	t.Parallel()
	w := open(t)
	b := w.as(john, "contoso")
	w.many(120)
	next := regexp.MustCompile(`href="(/subscribers\?[^"]*(after|before)=[^"]*)"`)
	p := b.get("/subscribers").is(200, "reader119@")
	for range 5 {
		for _, m := range next.FindAllStringSubmatch(p.body, -1) {
			if m[2] == "after" {
				p = b.get(html.UnescapeString(m[1])).is(200)
			}
		}
	}
	p.is(200, "reader000@").hasNot("reader119@")
	b.get("/subscribers?q=READER00&state=waiting").is(200, "reader003@").hasNot("reader011@")
	b.get("/subscribers?q=nobody").is(200)
	b.get("/subscribers?state=nonsense").is(200, "reader119@")
	for _, garbage := range []string{"x", "%00", "%ff%fe", "'%20OR%201=1", db.NewID()} {
		b.get("/subscribers?q=%22%3E%3Cscript%3Ealert(1)%3C/script%3E&after=" + garbage).to("/subscribers?q=%22%3E%3Cscript%3Ealert%281%29%3C%2Fscript%3E")
		b.get("/subscribers?before=" + garbage).to("/subscribers")
	}
	for _, q := range []string{"%00", "%ff", strings.Repeat("x", 8000), "%22%3E%3Cscript%3Ealert(1)", "%25", "_"} {
		if p := b.get("/subscribers?q=" + q).is(200); strings.Contains(p.body, "<script>alert") {
			t.Error("not escaped")
		}
	}
	part := b.get("/subscribers?q=reader00", "HX-Request", "true").is(200, "reader003@").hasNot("<html", "<main")
	if !strings.Contains(strings.Join(part.header.Values("Vary"), ","), "HX-Request") {
		t.Errorf("Vary: %v", part.header.Values("Vary"))
	}
	b.get("/subscribers", "HX-Request", "true", "HX-Boosted", "true").is(200, "<html")
	b.get("/subscribers", "HX-Request", "true", "HX-History-Restore-Request", "true").is(200, "<html")
}

// One more approval by the same Salesforce user ends the oldest one, maybe
// another tenant's: that is said before.
func TestApprovalsRunOut(t *testing.T) {
	t.Parallel()
	w := openBoth(t)
	b := w.as(john, "contoso")
	b.connect(sfJohn).to(connected)
	b.get(connected).to("/integrations")
	one := func() { // more approval by the same user, for another tenant
		t.Helper()
		_, err := w.vault.Writer().Exec(`INSERT INTO revocations (id, service, tenant_id, identity_id, sealed_refresh, key_id, login_url, org_id, remote_user_id, created_at, expires_at)
			SELECT $1, service, 'another', id, 'x', 0, login_url, org_id, remote_user_id, 1, 1 FROM identities`, db.NewID())
		if err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		one()
	}
	b.get("/integrations/sfdc/settings").is(200).hasNot("has approved this app")
	one()
	b.get("/integrations/sfdc/settings").is(200, "has approved this app 5 times, and Salesforce keeps 5", "One more, reconnecting here included").hasNot("may have ended")
	one()
	b.get("/integrations/sfdc/settings").is(200, "has approved this app 6 times", "may have ended the oldest")
	if _, err := w.vault.Writer().Exec(`UPDATE revocations SET remote_user_id = 'somebody else'`); err != nil {
		t.Fatal(err)
	}
	b.get("/integrations/sfdc/settings").is(200).hasNot("has approved this app")
}

// A session may have changed to another tenant before it comes back.
func TestCallbackResumesItsOwnTenant(t *testing.T) {
	t.Parallel()
	w := openBoth(t)
	b := w.as(max, "contoso")
	for _, slug := range []string{"contoso", "fabrikam"} {
		if _, err := w.vault.Writer().Exec(`INSERT INTO pauses (destination_id, tenant_id, reason, detail, tries, batch, until, since) VALUES ($1, $1, 'broken', '', 1, 0, $2, 0)`,
			w.tenant(slug).ID, time.Now().Add(time.Hour).UnixMilli()); err != nil {
			t.Fatal(err)
		}
	}
	callback := b.decide(b.begin(), sfJohn, "allow")
	if _, err := w.store.Writer().Exec(`UPDATE sessions SET tenant_id = $1`, w.tenant("fabrikam").ID); err != nil {
		t.Fatal(err)
	}
	b.get(callback).to(connected)
	if n := w.count(`SELECT COUNT(*) FROM pauses WHERE tenant_id = $1`, w.tenant("contoso").ID); n != 0 {
		t.Error("the tenant that connected is still paused")
	}
	if n := w.count(`SELECT COUNT(*) FROM pauses WHERE tenant_id = $1`, w.tenant("fabrikam").ID); n != 1 {
		t.Error("another tenant's pause was ended")
	}
}

// Whoever begins without end is stopped after some, and told for how long.
func TestConnectingIsBegunOnlySoOften(t *testing.T) {
	t.Parallel()
	w := openBoth(t)
	b := w.as(john, "contoso")
	csrf := b.token()
	for n := range 25 {
		p := b.post("/integrations/sfdc/connect", "csrf", csrf)
		if n < 20 {
			p.is(200)
		} else {
			p.is(429, "in ten minutes")
		}
	}
	if n := w.count(`SELECT count(*) FROM handshakes`); n != 20 {
		t.Errorf("%d rows", n)
	}
}
