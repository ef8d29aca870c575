package identity

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

var ownHosts = []string{"login.salesforce.com", "test.salesforce.com", "contoso.my.salesforce.com",
	"contoso--dev.sandbox.my.salesforce.com", "agency.my.salesforce.mil"}

// hostile are addresses that look like the service's own, H standing for one of
// its hosts, and lead elsewhere, or there in a way that is not ours.
var hostile = []string{
	"http://H", "HTTP://H", "ftp://H", "ws://H", "file://H/etc/passwd", "gopher://H", "javascript://H/%0aalert(1)", "data://H", "httpsx://H", "://H", "ldap://H",
	"https://H.evil.example", "https://H.", "https://H..", "https://.H", "https://H-evil.example", "https://Hx", "https://H.com",
	"https://evil.example/H", "https://evil.example/https://H", "https://evil.example?H", "https://evil.example?https://H", "https://evil.example#H", "https://evil.example#@H", "https://evil.example/#https://H",
	"https://H@evil.example", "https://H:pw@evil.example", "https://user@H", "https://user:pw@H", "https://@H", "https://:@H", "https://evil.example@H",
	`https://evil.example\@H`, `https://evil.example\.H`, `https:\\H`, `https:/\H`, `\\H`, "https:///H", "https:////H", "https:/H", "https:H",
	"https://H:8443", "https://H:443", "https://H:80", "https://H:0", "https://H:", "https://H:443:443", "https://H:-1", "https://H:65536",
	"https://H%00.evil.example", "https://H%2eevil.example", "https://evil.example%2f.H", "https://evil.example%23.H", "https://evil.example%40H", "https://%48", "https://H%20",
	"https://H\t.evil.example", "https://H\n.evil.example", "https://H\r\nHost: evil.example", "https://H .evil.example", "https:// H", "https://H\x00", "https://\x7fH",
	"https://[H]", "https://[::1]/H", "https://[::ffff:127.0.0.1]", "https://H,evil.example", "https://H;evil.example", "https://H|evil.example", "https://(H)", "https://H'", `https://H"`, "https://<H>", "https://*H", "https://_H", "https://~H", "https://$H", "https://H&evil.example",
	"https://H。evil.example", "https://evil。H", "https://evil。example。H", "https://H／evil.example", "https://evil.example／.H", "https://evil.example／@H", "https://еvil.H.ru", "https://H\u200b.evil.example", "https://\u200bH", "https://\u202eH", "https://ⓗH", "https://H\u00ad", "https://é.H",
}

// hostileHosts lead elsewhere by themselves.
var hostileHosts = []string{
	"", " ", ".", "/", "?", "#", "@", ":", "//", "https://", "https:", "evil.example", "localhost", "localhost.localdomain", "metadata.google.internal", "intranet", "portal.example",
	"127.0.0.1", "127.1", "0", "0.0.0.0", "2130706433", "0x7f000001", "017700000001", "10.0.0.1", "192.168.0.1", "172.16.0.1", "169.254.169.254", "[::1]", "[::]", "[fd00:ec2::254]", "[fe80::1%25eth0]", "::1",
	"salesforce.com", "www.salesforce.com", "my.salesforce.com", ".my.salesforce.com", "..my.salesforce.com", "a..my.salesforce.com", "-a.my.salesforce.com", "a-.my.salesforce.com", "a_b.my.salesforce.com", "a b.my.salesforce.com", "*.my.salesforce.com", "a.-.my.salesforce.com",
	"login.salesforce.com.evil.example", "evillogin.salesforce.com", "evil.login.salesforce.com", "login-salesforce.com", "login.salesforce.co", "login.salesforce.comm", "loginsalesforce.com", "login.salesforce.com.my", "xlogin.salesforce.com", "login.sa1esforce.com", "ⅼogin.salesforce.com", "lоgin.salesforce.com", "login。salesforce。com", "login.ѕalesforce.com",
	"evilmy.salesforce.com", "contosomy.salesforce.com", "contoso.my-salesforce.com", "contoso.my.salesforce.com.evil.example", "contoso.mysalesforce.com", "contoso.my.salesforce.co", "contoso.my.salesforce.mi", "contoso.my.salesforce.mil.evil.example", "contoso.my.salesforce.org", "contoso.my。salesforce.com", "contoso.my.site.com", "contoso.force.com", "contoso.my.salesforce.com@evil.example", "é.my.salesforce.com", "a%2eb.my.salesforce.com", "evil.example%2f.my.salesforce.com", "evil.example/.my.salesforce.com", "evil.example?.my.salesforce.com", "evil.example#.my.salesforce.com", "evil.example\\.my.salesforce.com", "evil.example:443/.my.salesforce.com", "evil.example:.my.salesforce.com",
}

func attacks() []string {
	all := append([]string{}, hostileHosts...)
	for _, h := range hostileHosts {
		all = append(all, "https://"+h, "http://"+h, "https://"+h+"/services/oauth2/token")
	}
	for _, pattern := range hostile {
		for _, h := range ownHosts {
			if attack := strings.ReplaceAll(pattern, "H", h); !strings.HasPrefix(attack, h) {
				all = append(all, attack)
			}
		}
	}
	for _, h := range ownHosts {
		for _, scheme := range []string{"http", "HTTPS+x", "ftp", "wss", "blob:https"} {
			for _, port := range []string{"", ":80", ":443", ":8443"} {
				for _, path := range []string{"/services/oauth2/token", "/?next=https://evil.example", "/%2e%2e/#https://evil.example"} {
					all = append(all, scheme+"://"+h+port+path)
				}
			}
		}
		for _, dot := range []string{"\u3002", "\uff0e", "\uff61", "%2e", "%252e", "..", "\u2024"} {
			all = append(all, "https://"+strings.ReplaceAll(h, ".", dot)+"/x", "https://"+strings.Replace(h, ".", dot, 1))
		}
		for _, user := range []string{"u", "u:p", "%40", "https%3a%2f%2f" + h, h} {
			all = append(all, "https://"+user+"@"+h+"/x", "https://"+user+"@evil.example/"+h, "https://"+strings.ToUpper(h)+":"+user+"@evil.example")
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func TestHostileAddressesLeadNowhere(t *testing.T) {
	services := map[string]Service{
		"plain":    SalesforceService(clientID, clientSecret, redirectURI, ""),
		"a mock":   SalesforceService(clientID, clientSecret, redirectURI, "http://127.0.0.1:8081"),
		"a server": SalesforceService(clientID, clientSecret, redirectURI, "https://sso.example"),
	}
	all := attacks()
	if len(all) < 1000 {
		t.Fatalf("only %d attacks", len(all))
	}
	for name, s := range services {
		for _, attack := range all {
			if got, err := s.CheckLogin(attack); err == nil && !harmless(got) {
				t.Errorf("%s: %q is taken for the login address %q", name, attack, got)
			}
			if name == "a mock" && strings.HasPrefix(attack, "https://127.0.0.1") {
				continue // the mock's own host by https
			}
			if s.ownURL(attack) {
				t.Errorf("%s: %q is taken for the service's own", name, attack)
			}
			if got, ok := s.instance(attack); ok || got != "" {
				t.Errorf("%s: %q is taken for an instance", name, attack)
			}
		}
	}
}

// harmless reports whether what was made of a typed address is one of the
// service's own, exactly.
func harmless(address string) bool {
	for _, h := range ownHosts {
		if address == "https://"+h {
			return true
		}
	}
	return false
}

func TestCheckLogin(t *testing.T) {
	s := SalesforceService(clientID, clientSecret, redirectURI, "http://127.0.0.1:8081")
	for typed, want := range map[string]string{
		"login.salesforce.com":                         "https://login.salesforce.com",
		" https://Test.Salesforce.com/ ":               "https://test.salesforce.com",
		"Contoso.my.salesforce.com":                    "https://contoso.my.salesforce.com",
		"\ufeffcontoso.my.sales\u00adforce.com\u00a0":  "https://contoso.my.salesforce.com",
		"https://contoso.my.salesforce.com/lightning?": "https://contoso.my.salesforce.com",
		"contoso--dev.sandbox.my.salesforce.com":       "https://contoso--dev.sandbox.my.salesforce.com",
		"http://127.0.0.1:8081":                        "http://127.0.0.1:8081",
		"http://127.0.0.1:8081/":                       "http://127.0.0.1:8081",
	} {
		got, err := s.CheckLogin(typed)
		if got != want || err != nil || !s.ownURL(got) {
			t.Errorf("%q: %q, %v", typed, got, err)
		}
	}
	for typed, want := range map[string]error{
		"contoso.lightning.force.com":                   ErrLightningHost,
		"https://contoso.lightning.force.com/lightning": ErrLightningHost,
		"contoso.lightning.force.com.evil.example":      ErrForeignHost,
		"evil.example":          ErrForeignHost,
		"http://127.0.0.1:8082": ErrForeignHost,
	} {
		if got, err := s.CheckLogin(typed); got != "" || !errors.Is(err, want) {
			t.Errorf("%q: %q, %v, want %v", typed, got, err, want)
		}
	}
}

func TestInstance(t *testing.T) {
	plain := SalesforceService(clientID, clientSecret, redirectURI, "")
	server := SalesforceService(clientID, clientSecret, redirectURI, "https://sso.example")
	for raw, want := range map[string]string{
		"https://contoso.my.salesforce.com":                        "https://contoso.my.salesforce.com",
		"https://contoso.my.salesforce.com/":                       "https://contoso.my.salesforce.com",
		"https://contoso--dev.sandbox.my.salesforce.com":           "https://contoso--dev.sandbox.my.salesforce.com",
		"https://contoso.my.salesforce.com/?":                      "",
		"https://contoso.my.salesforce.com#":                       "",
		"https://contoso.my.salesforce.com@evil.example":           "",
		"https://sso.example":                                      "",
		"https://login.salesforce.com/id/" + orgOne + "/" + orgTwo: "https://login.salesforce.com/id/" + orgOne + "/" + orgTwo,
	} {
		if got, ok := plain.instance(raw); got != want || ok != (want != "") {
			t.Errorf("%q: %q, %v", raw, got, ok)
		}
	}
	if got, ok := server.instance("https://sso.example:8443"); !ok || got != "https://sso.example:8443" {
		t.Errorf("the operator's host: %q, %v", got, ok)
	}
	if _, ok := server.instance("http://sso.example"); ok {
		t.Error("the operator's https host by plain http")
	}
}

func TestOrgAndUser(t *testing.T) {
	for raw, want := range map[string]bool{
		"https://login.salesforce.com/id/" + orgOne + "/" + remoteUser:             true,
		"https://login.salesforce.com/id/" + orgOne + "/" + remoteUser + "/":       true,
		"https://login.salesforce.com/id/00Dx0000001T0zk/005x0000001S2b9":          true,
		"https://login.salesforce.com/id/" + orgOne:                                false,
		"https://login.salesforce.com/id/" + remoteUser + "/" + orgOne:             false,
		"https://login.salesforce.com/x/id/" + orgOne + "/" + remoteUser:           false,
		"https://login.salesforce.com/id/00D/005":                                  false,
		"https://login.salesforce.com/id/00D00000000000'--/" + remoteUser:          false,
		"https://login.salesforce.com/id/" + orgOne + "%2F" + remoteUser + "%2F..": false,
		"": false, "%": false,
	} {
		org, user, ok := orgAndUser(raw)
		if ok != want || ok != (org != "" && user != "") {
			t.Errorf("%q: %q, %q, %v", raw, org, user, ok)
		}
	}
}

func FuzzAddresses(f *testing.F) {
	for _, attack := range attacks()[:300] {
		f.Add(attack)
	}
	for _, h := range ownHosts {
		f.Add("https://" + h + "/id/" + orgOne + "/" + remoteUser)
	}
	s := SalesforceService(clientID, clientSecret, redirectURI, "")
	f.Fuzz(func(t *testing.T, raw string) {
		if got, err := s.CheckLogin(raw); err == nil && !leadsHome(got) {
			t.Errorf("%q is taken for the login address %q", raw, got)
		}
		if s.ownURL(raw) && !leadsHome(raw) {
			t.Errorf("%q is taken for the service's own", raw)
		}
		if got, ok := s.instance(raw); ok && !leadsHome(got+"/services/data") {
			t.Errorf("%q is taken for an instance", raw)
		}
	})
}

// leadsHome says, in other words than the service's, whether a call of the
// address goes to Salesforce and carries nothing else.
func leadsHome(address string) bool {
	r, err := http.NewRequest(http.MethodPost, address, nil)
	if err != nil || r.URL.Scheme != "https" || r.URL.User != nil {
		return false
	}
	host := strings.ToLower(r.URL.Host)
	return host == "login.salesforce.com" || host == "test.salesforce.com" ||
		strings.HasSuffix(host, ".my.salesforce.com") || strings.HasSuffix(host, ".my.salesforce.mil")
}

func FuzzOrgAndUser(f *testing.F) {
	f.Add("https://login.salesforce.com/id/" + orgOne + "/" + remoteUser)
	f.Add("/id//")
	f.Fuzz(func(t *testing.T, raw string) {
		org, user, ok := orgAndUser(raw)
		if !ok {
			return
		}
		if len(org) > 18 || len(user) > 18 || url.PathEscape(org+user) != org+user {
			t.Errorf("%q holds %q and %q", raw, org, user)
		}
	})
}

func FuzzErrors(f *testing.F) {
	for _, body := range []string{`{"error":"invalid_grant","error_description":"x"}`, "error=invalid_token&error_description=x", "error=%00", `{"error":1}`, `[]`, "<html>", `{"error":"\ud800"}`} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, s := range BuiltIn() {
			e := s.refusalIn(body)
			if e == nil {
				continue
			}
			if e.Code == "" || len(e.Code) > maxCode || strings.ContainsAny(e.Code, " <>\"'\r\n\x00") || len(e.Description) > maxDescription {
				t.Errorf("%q gives %q, %q", body, e.Code, e.Description)
			}
		}
	})
}

// What a service says beside the tokens is kept, whom it is for as well; but no
// token, wherever it stands.
func TestNativeHoldsNoTokens(t *testing.T) {
	t.Parallel()
	said := map[string]any{"access_token": "xoxb-SECRET", "refresh_token": "xoxe-SECRET", "client_secret": "SECRET", "token_type": "bot", "scope": "chat:write",
		"is_enterprise_install": false, "team": map[string]any{"id": "T1", "name": "Contoso"},
		"authed_user": map[string]any{"id": "U1", "scope": "users:read", "access_token": "xoxp-SECRET", "token_type": "user", "deep": []any{map[string]any{"refresh_token": "SECRET", "id": "D1"}}},
		"data":        map[string]any{"gid": "12", "email": "greg@contoso.example", "refreshToken": "SECRET", "clientSecret": "SECRET"}, "webhook": map[string]any{"token": "SECRET", "url": "https://SECRET.example"}}
	native := nativeOf("", answer{field: func(name string) any { return said[name] }})
	want := `{"authed_user":{"deep":[{"id":"D1"}],"id":"U1","scope":"users:read","token_type":"user"},"data":{"email":"greg@contoso.example","gid":"12"},` +
		`"is_enterprise_install":false,"scope":"chat:write","team":{"id":"T1","name":"Contoso"},"token_type":"bot"}`
	if native != want {
		t.Errorf("kept %s\nwant %s", native, want)
	}
	// A renewal says less, and takes nothing away.
	if again := nativeOf(native, answer{field: func(name string) any { return map[string]any{"scope": "new"}[name] }}); again != strings.Replace(want, "chat:write", "new", 1) {
		t.Errorf("kept %s", again)
	}
}

// The browser brings the callback: what it says is kept only where the service says
// it nowhere else.
func TestNativeBelievesNoBrowser(t *testing.T) {
	t.Parallel()
	callback := url.Values{"realmId": {"9341"}, "location": {"eu"}, "user_id": {"boss"}, "instance_url": {"https://evil.example"}, "api_domain": {"https://evil.example"}}
	native := nativeOf("", answer{callback: callback, field: func(name string) any { return map[string]any{"location": "us"}[name] }})
	if want := `{"location":"us","realmId":"9341"}`; native != want {
		t.Errorf("kept %s, want %s", native, want)
	}
}

func TestWhenTokensEnd(t *testing.T) {
	t.Parallel()
	asked := time.Now()
	for said, want := range map[string]time.Duration{`3600`: time.Hour, `"3600"`: time.Hour, `" 3600 "`: time.Hour, `3600.0`: time.Hour, `"3599.5"`: 3599500 * time.Millisecond,
		`3.6e3`: time.Hour, `30`: 30 * time.Second, `1`: time.Second, `null`: 0, `""`: 0, `"soon"`: 0, `"NaN"`: 0, `"Inf"`: 0, `"-Inf"`: 0, `-1`: 0, `"-1"`: 0, `0`: 0,
		`1e300`: 0, `1e999`: 0, `99999999999`: 0, `true`: 0, `[3600]`: 0, `{"seconds":3600}`: 0} {
		a := kept(`{"expires_in":` + said + `}`)
		if got := a.ends(asked); want == 0 && !got.IsZero() || want > 0 && !got.Equal(asked.Add(want)) {
			t.Errorf("%s: %v", said, got)
		}
	}
}
