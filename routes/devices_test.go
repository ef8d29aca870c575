package routes_test

import (
	"net/http"
	"strings"
	"testing"

	"gatepost/routes"
)

// proxied has the portal believe what X-Forwarded-For says.
func proxied(t *testing.T) with {
	return func(c *routes.Config) { c.TrustedProxies = prefixes(t, "127.0.0.0/8") }
}

// try is a log-in from an address.
func (b *browser) try(from, email, password string) page {
	b.w.t.Helper()
	return b.do("POST", "/login", form("email", email, "password", password, "csrf", b.token()), "Content-Type", formType, "X-Forwarded-For", from)
}

// closed has somebody at one address keep an account closed.
func (w *world) closed(email string) {
	w.t.Helper()
	b := w.browser()
	for range 40 { // the wait grows, so that it is met however long a guess takes
		if b.try("203.0.113.66", email, "wrong").status == 429 && w.browser().try("192.0.2.199", email, password).status == 429 {
			return
		}
	}
	w.t.Fatal("the account is not closed")
}

func TestSomebodyWhoGuessesKeepsNobodyOut(t *testing.T) {
	t.Parallel()
	w := open(t, mailing, proxied(t))
	known := w.browser()
	known.try("192.0.2.1", john, password).to("/")
	known.submit("/logout").to("/login")
	for name, in := range map[string]struct {
		b        *browser
		email    string
		password string
	}{
		"in a browser that is known":           {known, john, password},
		"with a link, in a browser that isn't": {w.resetIn(ann), ann, newPassword},
	} {
		w.closed(in.email)
		if p := in.b.try("192.0.2.77", in.email, in.password); p.status != 303 {
			t.Errorf("%s: %d %s", name, p.status, p.text())
		}
	}
}

// resetIn is a browser in which somebody has set a new password by a link.
func (w *world) resetIn(email string) *browser {
	w.t.Helper()
	b := w.browser()
	token := w.link(email)
	csrf := b.get("/password/reset?token=" + token).is(200).hidden("csrf")
	b.post("/password/reset", "token", token, "csrf", csrf, "password", newPassword, "password_again", newPassword).to("/login?changed=1")
	return b
}

// Each way in makes the browser known; each way to put others out makes theirs
// unknown.
func TestWhatMakesABrowserKnown(t *testing.T) {
	t.Parallel()
	w := open(t, mailing, proxied(t))
	devices := func(email string) int {
		return w.count(`SELECT COUNT(*) FROM devices d JOIN users u ON u.id = d.user_id WHERE u.email = $1`, email)
	}
	b, other := w.browser(), w.browser()
	for _, one := range []*browser{b, other} {
		one.try("192.0.2.1", john, password).to("/")
	}
	if b.cookie("gatepost_device") == "" || devices(john) != 2 {
		t.Fatalf("%d browsers are known after two log-ins", devices(john))
	}
	b.submit("/account/password", "current", password, "password", newPassword, "password_again", newPassword).to("/account")
	if devices(john) != 1 {
		t.Errorf("%d browsers are known after a change", devices(john))
	}
	other.try("192.0.2.1", john, newPassword).to("/")
	b.submit("/account/sessions/end-all").to("/login")
	w.closed(john)
	if p := other.try("192.0.2.2", john, newPassword); devices(john) != 1 || p.status != 429 {
		t.Errorf("%d browsers are known after all sessions were ended: %d", devices(john), p.status)
	}
	b.try("192.0.2.2", john, newPassword).to("/")
	w.resetIn(john)
	if devices(john) != 1 {
		t.Errorf("%d browsers are known after a reset", devices(john))
	}
}

func TestTheDeviceCookieOutlivesTheBrowserAndTheLogOut(t *testing.T) {
	t.Parallel()
	w := open(t)
	b := w.browser()
	csrf := b.get("/login").hidden("csrf")
	in := b.post("/login", "email", john, "password", password, "csrf", csrf).to("/")
	for _, c := range (&http.Response{Header: in.header}).Cookies() {
		if c.Name == "gatepost_device" && c.MaxAge == 90*24*3600 {
			before := b.cookie("gatepost_device")
			b.submit("/logout").to("/login")
			if got := b.cookie("gatepost_device"); got != before {
				t.Errorf("after the log-out it is %q", got)
			}
			if p := b.get("/login"); strings.Contains(p.body, before) {
				t.Error("it is shown")
			}
			return
		}
	}
	t.Errorf("no device cookie for 90 days: %v", in.header.Values("Set-Cookie"))
}
