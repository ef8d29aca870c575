package routes

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gatepost/db/dbtest"
	"gatepost/seal"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"
)

// presser is a server that knows what it needs to tell a person from a program.
type presser struct {
	*server
	app *fiber.App
	now time.Time
}

func newPresser(t *testing.T) *presser {
	t.Helper()
	store := dbtest.Open(t, dbtest.Path(t))
	keys, err := seal.OpenKeyring(t.Context(), filepath.Join(t.TempDir(), "keyset.json"), store, seal.SealedMACs)
	if err != nil {
		t.Fatal(err)
	}
	macs, err := seal.OpenMACs(t.Context(), keys, store)
	if err != nil {
		t.Fatal(err)
	}
	p := &presser{app: fiber.New(), now: time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)}
	p.server = &server{Config: Config{MACs: macs, Now: func() time.Time { return p.now }}, secure: true}
	return p
}

// posted is a request with a form and headers.
func (p *presser) posted(t *testing.T, body string, headers map[string]string) *fiber.Ctx {
	t.Helper()
	c := p.app.AcquireCtx(&fasthttp.RequestCtx{})
	t.Cleanup(func() { p.app.ReleaseCtx(c) })
	c.Request().Header.SetMethod("POST")
	c.Request().Header.SetContentType(fiber.MIMEApplicationForm)
	c.Request().SetBodyString(body)
	for name, value := range headers {
		c.Request().Header.Set(name, value)
	}
	return c
}

// What browsers send when a person presses the button, and what programs that look at mails send.
func TestAPersonsPressIsToldFromAProgram(t *testing.T) {
	p := newPresser(t)
	stamp := p.stamp(p.posted(t, "", nil), "token")
	opened := p.now
	const chrome = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0.0.0 Safari/537.36"
	const firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
	const safari = "Mozilla/5.0 (iPhone; CPU iPhone OS 26_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Mobile/15E148 Safari/604.1"
	sent := func(agent, site, mode, user string, more ...string) map[string]string {
		h := map[string]string{"User-Agent": agent, "Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode, "Sec-Fetch-User": user}
		for i := 0; i < len(more); i += 2 {
			h[more[i]] = more[i+1]
		}
		return h
	}
	const press, sure = "&press=yes", "&press=yes&sure=yes"
	for name, tt := range map[string]struct {
		after   time.Duration
		body    string
		headers map[string]string
		person  bool
	}{
		"Chromium":                               {5 * time.Second, press, sent(chrome, "same-origin", "navigate", "?1", "Sec-CH-UA", `"Chromium";v="143"`), true},
		"Firefox":                                {5 * time.Second, press, sent(firefox, "same-origin", "navigate", "?1"), true},
		"Safari, which never tells":              {5 * time.Second, press, sent(safari, "same-origin", "navigate", ""), true},
		"days later":                             {100 * time.Hour, press, sent(safari, "same-origin", "navigate", ""), true},
		"an old browser, with the box":           {5 * time.Second, sure, map[string]string{"User-Agent": "Mozilla/5.0 Firefox/60.0"}, true},
		"Chromium that tells nothing, the box":   {5 * time.Second, sure, sent(chrome, "same-origin", "navigate", ""), true},
		"at once":                                {time.Second, press, sent(chrome, "same-origin", "navigate", "?1"), false},
		"at once, with the box":                  {time.Second, sure, sent(chrome, "same-origin", "navigate", "?1"), false},
		"a script in Chromium submits the form":  {15 * time.Second, "", sent(chrome, "same-origin", "navigate", ""), false},
		"the same, and says it is a person":      {15 * time.Second, "", sent(chrome, "same-origin", "navigate", "?1"), false},
		"a script in Safari submits the form":    {15 * time.Second, "", sent(safari, "same-origin", "navigate", ""), false},
		"a script in Chromium clicks the button": {15 * time.Second, press, sent(chrome, "same-origin", "navigate", "", "Sec-CH-UA", `"Chromium";v="143"`), false},
		"a script in Firefox clicks the button":  {15 * time.Second, press, sent(firefox, "same-origin", "navigate", ""), false},
		"a script fetches":                       {15 * time.Second, press, sent(safari, "same-origin", "cors", ""), false},
		"a script fetches, with the box":         {15 * time.Second, sure, sent(safari, "same-origin", "cors", ""), false},
		"another site's form":                    {15 * time.Second, sure, sent(chrome, "cross-site", "navigate", "?1"), false},
		"a program without a browser":            {15 * time.Second, press, map[string]string{"User-Agent": "Scanner/1.0"}, false},
		"one that looks like a browser":          {15 * time.Second, press, map[string]string{"User-Agent": chrome}, false},
		"an empty box":                           {15 * time.Second, press + "&sure=", map[string]string{"User-Agent": "Scanner/1.0"}, false},
		"a button of another value":              {15 * time.Second, "&press=", sent(chrome, "same-origin", "navigate", "?1"), false},
	} {
		p.now = opened.Add(tt.after)
		c := p.posted(t, "opened="+stamp+tt.body, tt.headers)
		if got := p.pressedByPerson(c, "token"); got != tt.person {
			t.Errorf("%s: a person %t", name, got)
		}
		if again := p.stamp(c, "token"); again != stamp {
			t.Errorf("%s: the page that comes again begins anew", name)
		}
	}
	p.now = opened.Add(time.Minute)
	at, mac, _ := strings.Cut(stamp, ".")
	for name, forged := range map[string]string{"none": "", "another time": "1." + mac, "no MAC": at + ".", "of no time": "x." + mac, "cut": stamp[:len(stamp)-2]} {
		c := p.posted(t, "opened="+forged+press, sent(chrome, "same-origin", "navigate", "?1"))
		if p.pressedByPerson(c, "token") || p.stamp(c, "token") == forged {
			t.Errorf("a stamp with %s is good", name)
		}
	}
	if c := p.posted(t, "opened="+stamp+press, sent(chrome, "same-origin", "navigate", "?1")); p.pressedByPerson(c, "another token") {
		t.Error("the stamp of another page is good")
	}
	p.secure = false // without HTTPS no browser says anything
	if c := p.posted(t, "opened="+stamp+press, map[string]string{"User-Agent": chrome}); !p.pressedByPerson(c, "token") {
		t.Error("without HTTPS nobody is a person")
	}
}
