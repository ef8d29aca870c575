package routes_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"gatepost/auth"
	"gatepost/routes"
)

func TestNobodyComesInWithoutASession(t *testing.T) {
	t.Parallel()
	w := open(t)
	for _, r := range w.mine() {
		for what, cookie := range map[string]string{"none": "", "garbage": "x", "unknown": auth.NewToken()} {
			b := w.browser()
			if cookie != "" {
				b.set("gatepost_session", cookie)
			}
			p := b.do(r.Method, address(r), "")
			to, _ := url.Parse(p.head("Location"))
			if p.status != 303 || to.Path != "/login" {
				t.Errorf("%s with cookie %s: %d to %s", name(r), what, p.status, to)
			}
			if p.says("contoso") {
				t.Errorf("%s shows %s", name(r), p.body)
			}
		}
	}
}

func TestHtmxIsToldToLoadTheLoginPage(t *testing.T) {
	t.Parallel()
	w := open(t)
	p := w.browser().get("/integrations/sfdc/card", "HX-Request", "true").is(204)
	if got := p.head("HX-Redirect"); got != "/login" {
		t.Errorf("redirected to %q", got)
	}
	p = w.as(max, "").get("/integrations/sfdc/card", "HX-Request", "true").is(204)
	if got := p.head("HX-Redirect"); got != "/tenant" {
		t.Errorf("redirected to %q", got)
	}
}

func TestFormsFromElsewhereChangeNothing(t *testing.T) {
	t.Parallel()
	w := open(t)
	b := w.as(john, "contoso")
	token := b.token()
	other := w.as(ann, "fabrikam").token()
	for _, r := range w.mine() {
		if r.Method != http.MethodPost {
			continue
		}
		for what, try := range map[string]struct {
			token   string
			headers []string
		}{
			"no token":              {"", nil},
			"a wrong token":         {auth.NewToken(), nil},
			"somebody else's token": {other, nil},
			"another site":          {token, []string{"Sec-Fetch-Site", "cross-site"}},
			"a neighbour site":      {token, []string{"Sec-Fetch-Site", "same-site"}},
			"another origin":        {token, []string{"Origin", "https://evil.example"}},
			"a hidden origin":       {"", []string{"Origin", "null"}},
		} {
			p := b.do(http.MethodPost, address(r), form("csrf", try.token), append(try.headers, "Content-Type", formType)...)
			if p.status != 403 || !strings.Contains(p.body, "nothing was changed") {
				t.Errorf("%s with %s: %d", name(r), what, p.status)
			}
		}
		if p := b.do(http.MethodPost, address(r)+"?csrf="+token, "", "Content-Type", formType); p.status != 403 {
			t.Errorf("%s with its token in the query: %d", name(r), p.status)
		}
		if p := b.do(http.MethodPost, address(r), `{"csrf":"`+token+`"}`, "Content-Type", "application/json"); p.status != 403 {
			t.Errorf("%s in JSON: %d", name(r), p.status)
		}
	}
	b.get("/integrations").is(200)
}

func TestLogin(t *testing.T) {
	t.Parallel()
	w := open(t)
	b := w.browser()
	b.post("/login", "email", john, "password", password).is(403)
	first := b.get("/login?next=%2Fsubscribers%3Fstate%3Dwaiting").is(200)
	csrf := first.hidden("csrf")
	wrong := b.post("/login", "email", john, "password", "not this one", "csrf", csrf, "next", "/subscribers").is(422, "don’t belong together", john)
	unknown := b.post("/login", "email", "nobody@contoso.example", "password", password, "csrf", csrf, "next", "/subscribers").is(422)
	if varying.ReplaceAllString(strings.ReplaceAll(wrong.body, john, ""), "") != varying.ReplaceAllString(strings.ReplaceAll(unknown.body, "nobody@contoso.example", ""), "") {
		t.Error("an unknown address is answered in another way")
	}
	wrong.hasNot("not this one")
	if p := b.do("POST", "/login?"+form("email", john, "password", password), form("csrf", csrf), "Content-Type", formType); p.status != 422 {
		t.Errorf("taken from the query: %d", p.status)
	}
	pasted := w.browser()
	pasted.post("/login", "email", "\u200bJohn <JOHN@contoso.example>\u00a0", "password", password, "csrf", pasted.get("/login").hidden("csrf")).to("/")
	b.set("gatepost_session", strings.Repeat("A", 43)) // planted
	b.post("/login", "email", john, "password", password, "csrf", csrf, "next", first.hidden("next")).to("/subscribers?state=waiting")
	if got := b.cookie("gatepost_session"); got == strings.Repeat("A", 43) || len(got) != 43 {
		t.Errorf("the session's secret is %q", got)
	}
	b.get("/login").to("/")
	b.get("/").is(200, "Get started")
	b.get("/integrations").is(200, john, "Contoso")
}

func TestLoginIsBrakedAndSaysForHowLong(t *testing.T) {
	t.Parallel()
	w := open(t)
	b := w.browser()
	csrf := b.get("/login").hidden("csrf")
	var p page
	for range 20 { // the wait grows, so that it is met however long a guess takes
		if p = b.post("/login", "email", ann, "password", "wrong", "csrf", csrf); p.status != 422 {
			break
		}
	}
	p.is(429, "too many tries")
	if p.head("Retry-After") == "" {
		t.Error("no Retry-After")
	}
}

func TestASessionHasANewSecretAfterLoginAndNoneAfterLogout(t *testing.T) {
	t.Parallel()
	w := open(t)
	b := w.as(john, "contoso")
	before := b.cookie("gatepost_session")
	b.submit("/login", "email", ann, "password", password).to("/")
	after := b.cookie("gatepost_session")
	if before == after {
		t.Error("the session kept its secret")
	}
	old := w.browser()
	old.set("gatepost_session", before)
	old.get("/integrations").to("/login?next=%2Fintegrations")
	b.submit("/logout").to("/login")
	if got := b.cookie("gatepost_session"); got != "" {
		t.Errorf("the cookie is still %q", got)
	}
	b.set("gatepost_session", after)
	b.get("/integrations/sfdc/card", "HX-Request", "true").is(204)
	b.post("/logout").to("/login") // once more, from an old page: no dead end
}

func TestCookiesAreAsStrictAsTheAddressAllows(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]struct {
		prefix string
		secure bool
	}{"https://gatepost.example": {"__Host-gatepost_", true}, "http://localhost:8080": {"gatepost_", false}} {
		w := open(t, func(c *routes.Config) { c.URL = address })
		b := w.browser()
		first := b.get("/login")
		csrf := first.hidden("csrf")
		in := b.do("POST", "/login", form("email", john, "password", password, "csrf", csrf), "Content-Type", formType,
			"Cookie", want.prefix+"csrf="+(&http.Response{Header: first.header}).Cookies()[0].Value, "Origin", address).to("/")
		cookies := (&http.Response{Header: first.header}).Cookies()
		cookies = append(cookies, (&http.Response{Header: in.header}).Cookies()...)
		for i, name := range []string{"csrf", "device", "session"} {
			if len(cookies) != 3 || cookies[i].Name != want.prefix+name {
				t.Fatalf("%s: %v", address, cookies)
			}
		}
		for _, c := range cookies {
			if !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Secure != want.secure || c.Path != "/" || c.Domain != "" {
				t.Errorf("%s: %v", address, c)
			}
		}
		if got := first.head("Strict-Transport-Security") != ""; got != want.secure {
			t.Errorf("%s: HSTS %t", address, got)
		}
	}
}

func TestSomebodyWithSeveralTenantsChoosesAndSwitches(t *testing.T) {
	t.Parallel()
	w := open(t)
	w.someone("contoso", "reader@contoso.test")
	w.someone("fabrikam", "reader@fabrikam.test")
	b := w.browser()
	csrf := b.get("/login").hidden("csrf")
	b.post("/login", "email", max, "password", password, "csrf", csrf, "next", "/subscribers").to("/tenant?next=%2Fsubscribers")
	b.get("/subscribers").to("/tenant?next=%2Fsubscribers")
	choice := b.get("/tenant?next=%2Fsubscribers").is(200, "Contoso", "Fabrikam")
	csrf = choice.hidden("csrf")
	b.post("/tenant", "tenant", "nonsense", "csrf", csrf).is(404)
	b.post("/tenant", "tenant", w.tenant("contoso").ID, "next", choice.hidden("next"), "csrf", csrf).to("/subscribers")
	b.get("/subscribers").is(200, "reader@contoso.test").hasNot("reader@fabrikam.test")
	b.submit("/tenant", "tenant", w.tenant("fabrikam").ID, "next", "//evil.example").to("/")
	b.get("/subscribers").is(200, "reader@fabrikam.test").hasNot("reader@contoso.test")
	w.as(john, "contoso").submit("/tenant", "tenant", w.tenant("fabrikam").ID).is(404)
}

func TestRemovedFromATenantOneIsOutAtOnce(t *testing.T) {
	t.Parallel()
	w := open(t)
	w.someone("contoso", "reader@contoso.test")
	b := w.as(john, "contoso")
	b.get("/subscribers").is(200, "reader@contoso.test")
	user, err := w.store.UserByEmail(t.Context(), john)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.store.RemoveMember(t.Context(), user.ID, w.tenant("contoso").ID); err != nil {
		t.Fatal(err)
	}
	b.get("/subscribers").to("/tenant?next=%2Fsubscribers").hasNot("reader@contoso.test")
	b.get("/tenant").is(403, "don’t belong to any organisation")
	w.as(nina, "").get("/tenant").is(403, "Ask the people who run this service")
	b.submit("/logout").to("/login")
}

func TestOfAClosedTenantNothingIsShownAndNothingTaken(t *testing.T) {
	t.Parallel()
	w := open(t)
	w.someone("contoso", "reader@contoso.test")
	b, both := w.as(john, "contoso"), w.as(max, "contoso")
	both.get("/subscribers").is(200, "reader@contoso.test")
	contoso := w.tenant("contoso").ID
	if _, err := w.store.CloseTenant(t.Context(), contoso, time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	b.get("/subscribers").to("/login?next=%2Fsubscribers").hasNot("reader@contoso.test")
	both.get("/subscribers").to("/tenant?next=%2Fsubscribers").hasNot("reader@contoso.test")
	both.get("/tenant").hasNot("Contoso")
	both.submit("/tenant", "tenant", contoso).is(404)
}

func TestAccount(t *testing.T) {
	t.Parallel()
	w := open(t)
	b, elsewhere, others := w.as(john, "contoso"), w.as(john, "contoso"), w.as(ann, "fabrikam")
	b.submit("/account/password", "current", password, "password", "five words make it new", "password_again", "another").is(422, "not the same password")
	b.submit("/account/password", "current", "wrong", "password", "five words make it new", "password_again", "five words make it new").is(422, "not your current password").hasNot("five words")
	b.get("/account").is(200, "At least 15 characters") // said before
	b.submit("/account/password", "current", password, "password", "fourteen chars", "password_again", "fourteen chars").is(422, "at least 15 characters")
	b.submit("/account/password", "current", password, "password", "Contoso-Contoso-1", "password_again", "Contoso-Contoso-1").is(422, "names that others know").hasNot("Contoso-Contoso-1")
	before := b.cookie("gatepost_session")
	b.submit("/account/password", "current", password, "password", "five words make it new", "password_again", "five words make it new").to("/account")
	if b.cookie("gatepost_session") == before {
		t.Error("the session kept its secret")
	}
	b.get("/account").is(200, "Your password is changed").hasNot("five words")
	b.get("/account").is(200).hasNot("Your password is changed")
	elsewhere.get("/account").to("/login?next=%2Faccount")

	var theirs string
	err := w.store.Writer().QueryRow(`SELECT s.id FROM sessions s JOIN users u ON u.id = s.user_id WHERE u.email = $1`, ann).Scan(&theirs)
	if err != nil {
		t.Fatal(err)
	}
	b.submit("/account/sessions/end", "id", theirs).to("/account")
	others.get("/account").is(200)
	second := w.as(john, "contoso")
	b.submit("/account/sessions/end-all").to("/login")
	second.get("/account").to("/login?next=%2Faccount")
	others.get("/account").is(200)
}

func TestPasswordGuessesOfSomebodySignedInAreBraked(t *testing.T) {
	t.Parallel()
	w := open(t)
	b := w.as(john, "contoso")
	csrf := b.token()
	var p page
	for range 20 { // the wait grows, so that it is met however long a guess takes
		p = b.post("/account/password", "csrf", csrf, "current", "wrong", "password", "five words make it new", "password_again", "five words make it new")
		if p.status != 422 {
			break
		}
	}
	p.is(429, "Please wait")
	if p.head("Retry-After") == "" {
		t.Error("no Retry-After")
	}
}

func TestSetupLinkWorksOnceAndForNobodyElse(t *testing.T) {
	t.Parallel()
	w := open(t)
	b := w.browser()
	b.get("/setup?token=guess").is(410)
	b.get("/setup").is(410)
	for _, table := range []string{"memberships", "sessions", "users", "newsletters", "tenants"} {
		if _, err := w.store.Writer().Exec(`DELETE FROM ` + table); err != nil {
			t.Fatal(err)
		}
	}
	token, err := auth.NewPeople(w.store, nil).SetupLink(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	csrf := b.get("/setup?token="+token).is(200, "Welcome", "At least 15 characters").hidden("csrf")
	good := []string{"organization", "Northwind", "slug", "northwind", "email", "nora@northwind.example", "password", password, "password_again", password}
	b.post("/setup", append(good, "token", "guess", "csrf", csrf)...).is(410)
	b.post("/setup", append(good, "token", token)...).is(403)
	b.post("/setup", "token", token, "csrf", csrf, "organization", "", "email", "x", "password", "y", "password_again", "z").is(422, "not the same password").hasNot(`value="y"`)
	b.post("/setup", "token", token, "csrf", csrf, "slug", "Ä", "password", "y", "password_again", "y").is(422, "A name is needed", "An e-mail address is needed", "A URL name has")
	b.post("/setup", append(good, "token", token, "csrf", csrf)...).to("/")
	b.get("/newsletters").is(200, "Northwind", "northwind-weekly")
	w.browser().get("/setup?token=" + token).is(410)
}

func TestAnExpiredSessionComesBackToItsPageButNeverWithACode(t *testing.T) {
	t.Parallel()
	w := open(t)
	for path, want := range map[string]string{
		"/":                                  "/login",
		"/subscribers?q=jo&state=waiting":    "/login?next=%2Fsubscribers%3Fq%3Djo%26state%3Dwaiting",
		"/account":                           "/login?next=%2Faccount",
		"/newsletter/signup/x":               "/login?next=%2Fnewsletter%2Fsignup%2Fx",
		"/integrations?code=abc&state=def":   "/login",
		"/integrations/sfdc/card?seen=1":     "/login",
		"/integrations/sfdc/disconnect":      "/login?next=%2Fintegrations%2Fsfdc%2Fdisconnect",
		"/integrations/sfdc/callback?code=a": "/login?next=%2Fintegrations%2Fsfdc%2Fconnected%3Ferror%3Dhandshake",
		"/integrations/sfdc/callback/?state=s&code=a&error=x": "/login?next=%2Fintegrations%2Fsfdc%2Fconnected%3Ferror%3Dhandshake",
		"/integrations/a%2Fb/callback?code=a":                 "/login",
		"//evil.example/subscribers":                          "",
	} {
		p := w.browser().get(path)
		if got := p.head("Location"); got != want {
			t.Errorf("%s leads to %q", path, got)
		}
	}
	b := w.browser()
	login := b.get("/login?next=%2Fintegrations%2Fsfdc%2Fconnected%3Ferror%3Dhandshake").is(200)
	b.post("/login", "email", john, "password", password, "csrf", login.hidden("csrf"), "next", login.hidden("next")).to("/integrations/sfdc/connected?error=handshake")
	b.get("/integrations/sfdc/connected?error=handshake").is(200, "This link has expired", "Start again")
}
