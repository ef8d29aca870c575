package routes

import (
	"net"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"gatepost/crm"
	"gatepost/crm/hubspot"
	"gatepost/crm/salesforce"
	"gatepost/identity"
	"gatepost/newsletter"
	"gatepost/views"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"
)

// Each of our own codes has words of its own, at every service; what no service said
// isn't told by the words for what one did say.
func TestOwnCodesHaveWords(t *testing.T) {
	codes := []string{codeHandshake, codeUnderWay, codeChanged, codeUnreachable, identity.CodeNoRefreshToken, identity.CodeMissingScope, identity.CodeForeignHost,
		identity.CodeInterrupted, identity.CodeFailed, identity.CodeUnknown, identity.BrokenAppRemoved, identity.BrokenAppRefused, identity.BrokenOtherApp}
	for _, code := range codes {
		for name, page := range map[string]views.ConnectFailedPage{"Salesforce": connectFailure(salesforce.Provider, "sfdc", "Salesforce", code, "said"), "HubSpot": connectFailure(nil, "hubspot", "HubSpot", code, "said")} {
			if page.Happened == "" || page.Mend == "" || strings.Contains(page.Meaning+page.Mend, "the code") || page.Description != "said" {
				t.Errorf("%s at %s: %+v", code, name, page)
			}
		}
		if err := (&identity.OAuthError{Code: code}); !strings.HasPrefix(code, ":") && err.FromService() {
			t.Errorf("%s passes as a service's", code)
		}
	}
}

// crms are those of the servers in these tests.
var crms = crm.Providers{salesforce.Provider}

// paged is a server that knows some pages, as all know theirs.
var paged = &server{Config: Config{CRMs: crms}, pages: []string{"/", "/integrations", "/integrations/:service", "/integrations/:service/connected", "/newsletter/signup", "/subscribers", "/account"}}

func TestNextLeadsToOurOwnPages(t *testing.T) {
	for _, path := range []string{
		"/integrations", "/newsletter/signup", "/newsletter/signup?sample=018f", "/subscribers?q=jo%40example.com&state=waiting",
		"/account", "/subscribers#results", "/", "/integrations/sfdc", "/integrations/sfdc/connected?error=handshake",
	} {
		if got := paged.safeNext(path); got != path {
			t.Errorf("%q became %q", path, got)
		}
	}
}

func TestNextLeadsNowhereElse(t *testing.T) {
	for _, attack := range []string{
		"", " ", ".", "..", "integrations", "evil.example", "www.evil.example/integrations",
		"http://evil.example", "https://evil.example/integrations", "HTTPS://evil.example", "ftp://evil.example", "http:evil.example",
		"http:/evil.example", "http:///evil.example", "https:evil.example/integrations", "https:/integrations",
		"javascript:alert(1)", "JaVaScRiPt:alert(1)", "java\tscript:alert(1)", "data:text/html,x", "vbscript:x", "mailto:x@evil.example",
		"//evil.example", "///evil.example", "////evil.example", "//evil.example/integrations", "//integrations", "///integrations",
		"/\\evil.example", "\\/evil.example", "\\\\evil.example", "/\\/evil.example", "/\\\\evil.example/integrations", "\\integrations",
		"/integrations\\", "/integrations\\@evil.example", "/integrations?\\", "/integrations?x=\\\\evil.example",
		"/%09/evil.example", "/%0a/evil.example", "/%2f%2fevil.example", "/%2fevil.example", "/%5cevil.example", "/%5c%5cevil.example",
		"/%2Fintegrations", "%2fintegrations", "%2f%2fevil.example", "/integrations%00", "/integrations%0d%0aSet-Cookie:x", "/integrations%5c",
		"/\tintegrations", "/\t/evil.example", "/\n/evil.example", "\t//evil.example", " //evil.example", "\x00//evil.example", "/\x00/evil.example",
		"/integrations\r\nSet-Cookie: a=b", "/integrations\nLocation: //evil.example", "/integrations?a=\r\nb", "/integrations \t", "/integrations\x7f", "/integrations?\x00",
		"//user@evil.example", "//user:pass@evil.example/integrations", "/@evil.example", "@evil.example", "user@evil.example/integrations",
		"//evil.example:80/integrations", "//[::1]/integrations", "//127.0.0.1", "//0x7f.1", "//evil%E3%80%82example", "/。/evil.example", "／／evil.example", "/／evil.example",
		"/./evil.example", "/../evil.example", "/integrations/..//evil.example", "/integrations/../..//evil.example", "/.//evil.example", "/;//evil.example",
		"/integrations/", "/integrations/.", "/integrations/..", "/integrations/%2e%2e", "//integrations//evil.example", "/integrations/sfdc/connect", "/integrations/sfdc/callback?code=a&state=b",
		"/integrations/sfdc/disconnect", "/integrations//connected/x", "/integrations/a/b/connected", "x/integrations/sfdc/connected",
		"/logout", "/login?next=//evil.example", "/setup?token=x", "/tenant", "/signup/contoso-weekly", "/static/app.css", "/subscribers.evil.example",
		"/subscribers@evil.example", "/subscribers%", "/account%zz", "?next=//evil.example", "#//evil.example",
		"/subscribers?" + strings.Repeat("x", 4000),
	} {
		if got := paged.safeNext(attack); got != "/" {
			t.Errorf("%q leads to %q", attack, got)
		}
	}
}

func FuzzNext(f *testing.F) {
	for _, seed := range []string{"/integrations", "//evil.example", "/\\evil.example", "/integrations/a/connected?x", "/subscribers?q=%zz"} {
		f.Add(seed)
	}
	base, err := url.Parse("https://gatepost.example/login")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, path string) {
		next := paged.safeNext(path)
		u, err := base.Parse(next)
		if err != nil || u.Scheme != "https" || u.Host != "gatepost.example" || u.User != nil || !paged.isPage(u.Path) || strings.ContainsAny(next, "\r\n\\\t\x00") {
			t.Errorf("%q leads to %q", path, next)
		}
	})
}

func TestClientIP(t *testing.T) {
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")}
	for name, tt := range map[string]struct {
		trusted   []netip.Prefix
		peer      string
		forwarded []string
		want      string
		network   string
	}{
		"nobody is trusted":          {nil, "10.0.0.1", []string{"1.2.3.4"}, "10.0.0.1", "10.0.0.1"},
		"an untrusted peer":          {trusted, "192.0.2.1", []string{"1.2.3.4"}, "192.0.2.1", "192.0.2.1"},
		"a trusted peer":             {trusted, "10.0.0.1", []string{"1.2.3.4"}, "1.2.3.4", "1.2.3.4"},
		"says nothing":               {trusted, "10.0.0.1", nil, "10.0.0.1", "10.0.0.1"},
		"the client lies":            {trusted, "10.0.0.1", []string{"6.6.6.6, 1.2.3.4"}, "1.2.3.4", "1.2.3.4"},
		"the client lies in a line":  {trusted, "10.0.0.1", []string{"6.6.6.6", "1.2.3.4"}, "1.2.3.4", "1.2.3.4"},
		"the client names a proxy":   {trusted, "10.0.0.1", []string{"10.6.6.6", "1.2.3.4"}, "1.2.3.4", "1.2.3.4"},
		"two proxies":                {trusted, "10.0.0.1", []string{"6.6.6.6,1.2.3.4 , 10.0.0.2"}, "1.2.3.4", "1.2.3.4"},
		"proxies alone":              {trusted, "10.0.0.1", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3", "10.0.0.3"},
		"garbage":                    {trusted, "10.0.0.1", []string{"1.2.3.4, unknown"}, "10.0.0.1", "10.0.0.1"},
		"garbage in front":           {trusted, "10.0.0.1", []string{"<script>, 1.2.3.4"}, "1.2.3.4", "1.2.3.4"},
		"IPv6 counts by its network": {trusted, "2001:db8::1", []string{"2a00:1:2:3:4:5:6:7"}, "2a00:1:2:3:4:5:6:7", "2a00:1:2:3::/64"},
		"IPv4 in IPv6":               {trusted, "::ffff:10.0.0.1", []string{"::ffff:1.2.3.4"}, "1.2.3.4", "1.2.3.4"},
		"with a port":                {trusted, "10.0.0.1", []string{"1.2.3.4:5678"}, "1.2.3.4", "1.2.3.4"},
		"ports of all":               {trusted, "10.0.0.1", []string{"6.6.6.6:1, 1.2.3.4:5678, 10.0.0.2:80"}, "1.2.3.4", "1.2.3.4"},
		"a hidden port":              {trusted, "10.0.0.1", []string{"1.2.3.4:_x"}, "1.2.3.4", "1.2.3.4"},
		"brackets":                   {trusted, "10.0.0.1", []string{"[2a00:1:2:3::4]"}, "2a00:1:2:3::4", "2a00:1:2:3::/64"},
		"brackets and a port":        {trusted, "10.0.0.1", []string{"[2a00:1:2:3::4]:99"}, "2a00:1:2:3::4", "2a00:1:2:3::/64"},
		"brackets, a zone, a port":   {trusted, "10.0.0.1", []string{"[fe80::1%eth0]:99"}, "fe80::1", "fe80::/64"},
		"quotes":                     {trusted, "10.0.0.1", []string{`"[2a00:1:2:3::4]:99"`}, "2a00:1:2:3::4", "2a00:1:2:3::/64"},
		"IPv4 in IPv6, with a port":  {trusted, "10.0.0.1", []string{"[::ffff:1.2.3.4]:99"}, "1.2.3.4", "1.2.3.4"},
		"a bracket is open":          {trusted, "10.0.0.1", []string{"[2a00::4"}, "10.0.0.1", "10.0.0.1"},
		"tabs and empty elements":    {trusted, "10.0.0.1", []string{"6.6.6.6,\t1.2.3.4 ,, ", ""}, "1.2.3.4", "1.2.3.4"},
		"a hidden address":           {trusted, "10.0.0.1", []string{"1.2.3.4, _hidden"}, "10.0.0.1", "10.0.0.1"},
		"hidden behind a proxy":      {trusted, "10.0.0.1", []string{"1.2.3.4, unknown, 10.0.0.2"}, "10.0.0.2", "10.0.0.2"},
		"a name":                     {trusted, "10.0.0.1", []string{"reader.example:80"}, "10.0.0.1", "10.0.0.1"},
		"an odd IPv4":                {trusted, "10.0.0.1", []string{"01.2.3.4"}, "10.0.0.1", "10.0.0.1"},
		"a zone":                     {trusted, "10.0.0.1", []string{"fe80::1%eth0"}, "fe80::1", "fe80::/64"},
	} {
		t.Run(name, func(t *testing.T) {
			app := fiber.New()
			var request fasthttp.Request
			for _, line := range tt.forwarded {
				request.Header.Add("X-Forwarded-For", line)
			}
			var ctx fasthttp.RequestCtx
			ctx.Init(&request, &net.TCPAddr{IP: net.ParseIP(tt.peer), Port: 1}, nil)
			c := app.AcquireCtx(&ctx)
			defer app.ReleaseCtx(c)
			s := &server{Config: Config{TrustedProxies: tt.trusted}}
			if got := s.clientIP(c); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
			if got := s.clientNetwork(c); got != tt.network {
				t.Errorf("network %s, want %s", got, tt.network)
			}
		})
	}
}

func TestDevice(t *testing.T) {
	for agent, want := range map[string]string{
		"":             "a browser",
		"curl/8.1":     "curl",
		"<script>\x00": "a browser",
		"Mozilla/5.0 (Windows NT 10.0) Chrome/130 Safari/537 Edg/130":             "Edge on Windows",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18 like Mac OS X) Version Safari/604": "Safari on iPhone",
	} {
		if got := device(agent); got != want {
			t.Errorf("%q: %q", agent, got)
		}
	}
}

// Nobody is told of a next try that can't succeed before somebody connects.
func TestNextTryIsToldWhenThereIsOne(t *testing.T) {
	soon := time.Now().Add(time.Minute)
	for code, told := range map[string]bool{crm.NotConnected: false, crm.Broken: false, crm.Unavailable: true, crm.Settling: true, "": true} {
		if got := (delivery{Status: newsletter.Status{Why: code, NextTry: soon}}).nextTry(); got.Equal(soon) != told || got.IsZero() == told {
			t.Errorf("%q: %v", code, got)
		}
	}
}

// A log-in that was refused says who must do what.
func TestRefusedLogInsSayWhoMustDoWhat(t *testing.T) {
	for code, says := range map[string]string{"OAUTH_APP_BLOCKED": "unblock it", "OAUTH_EC_APP_NOT_FOUND": "install it", "ip_restricted": "Network Access", identity.BrokenOtherApp: "Start again"} {
		for service, p := range map[string]views.ConnectFailedPage{"Salesforce": connectFailure(salesforce.Provider, "sfdc", "Salesforce", code, ""), "HubSpot": connectFailure(nil, "hubspot", "HubSpot", code, "")} {
			ours := service == "Salesforce" || code == identity.BrokenOtherApp
			if strings.Contains(p.Mend, says) != ours || p.Happened == "" || p.Meaning == "" {
				t.Errorf("%s: %s: %+v", service, code, p)
			}
		}
	}
	if p := connectFailure(nil, "hubspot", "HubSpot", "BAD_HUB", ""); !strings.Contains(p.Mend, "Ask your HubSpot admin") {
		t.Errorf("%+v", p)
	}
	if p := connectFailure(nil, "zoho", "Zoho CRM", "invalid_client", ""); !strings.Contains(p.Mend, "people who run this service") {
		t.Errorf("%+v", p)
	}
}

// What was typed comes back under the CRM's own words for it; a CRM that has none, or an
// app, gets those for any.
func TestWhatWasTypedIsCalledAsTheCRMCallsIt(t *testing.T) {
	for name, want := range map[string][3]string{ // at Salesforce, at HubSpot, at an app
		"my_domain": {"My Domain address", "Address to log in at", "Address to log in at"},
		"key":       {"Unique field for the address", "Unique property for the address", "Unique field"},
		"leads":     {"", "", ""},
	} {
		for i, p := range []*crm.Provider{salesforce.Provider, hubspot.Provider, nil} {
			for _, route := range []string{"/integrations/:service/connect", "/integrations/:service/settings"} {
				for _, f := range acts[route].typed {
					if got := f.called(f.name, p); f.name == name && got != want[i] {
						t.Errorf("%s: %q, want %q", name, got, want[i])
					}
				}
			}
		}
	}
}
