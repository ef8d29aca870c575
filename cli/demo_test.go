package cli

import (
	"html"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"gatepost/db"
	"gatepost/identity"
)

var (
	toCRM     = regexp.MustCompile(`href="(http://127\.0\.0\.1:\d+/oauth/[^"]+)"`)
	crmField  = regexp.MustCompile(`name="(id|startURL)" value="([^"]*)"`)
	crmAction = regexp.MustCompile(`action="([^"]*)"`)
	crmChoice = regexp.MustCompile(`<a href="([^"]*)">(?:<strong>)?Contoso(?:</strong>)? <span>`)
)

// connectAt connects a simulated CRM through the pages of the portal and of the CRM, and
// returns where that ends.
func (v person) connectAt(portal, service, crm, password string) (path, body string) {
	v.t.Helper()
	_, body = v.submit(portal+"/integrations/"+service, portal+"/integrations/"+service+"/connect")
	m := toCRM.FindStringSubmatch(body)
	if m == nil || !strings.HasPrefix(m[1], crm) {
		v.t.Fatalf("no way to %s in %s", crm, body)
	}
	path, body = v.get(html.UnescapeString(m[1]))
	for strings.HasPrefix(path, "/oauth/") || path == "/login" {
		field := crmField.FindStringSubmatch(body)
		switch {
		case field == nil:
			path, body = v.get(crm + html.UnescapeString(crmChoice.FindStringSubmatch(body)[1]))
		case field[1] == "startURL":
			path, body = v.read(v.c.PostForm(crm+"/login", url.Values{"startURL": {html.UnescapeString(field[2])}, "username": {demoUser}, "password": {password}}))
		default:
			path, body = v.read(v.c.PostForm(crm+crmAction.FindStringSubmatch(body)[1], url.Values{"id": {field[2]}, "decision": {"allow"}}))
		}
	}
	return path, body
}

// The demo's portal connects each simulated CRM, and so does a serve on the same data.
func TestDemoConnectsItsCRMs(t *testing.T) {
	data := t.TempDir()
	p, said := demoSaying(t, data)
	portal := said[0]
	v := visitor(t)
	v.submit(portal+"/login", portal+"/login", "email", demoUser, "password", said[1])
	for service, at := range map[string]struct{ url, password, org string }{
		"hubspot": {said[4], "hubspot", "62515"}, "zoho": {said[5], "zoho", "808232144"},
	} {
		if path, body := v.connectAt(portal, service, at.url, at.password); !strings.HasPrefix(path, "/integrations") {
			t.Fatalf("%s ends at %s: %s", service, path, body)
		}
		store, err := db.Open(t.Context(), filepath.Join(data, "gatepost.db"))
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		tenant, err := store.TenantBySlug(t.Context(), demoTenant)
		if err != nil {
			t.Fatal(err)
		}
		beside, err := openVault(t.Context(), store, identityConfig{Keyset: filepath.Join(data, "keyset.json")})
		if err != nil {
			t.Fatal(err)
		}
		defer beside.Wait()
		c, err := beside.Get(t.Context(), service, tenant.ID, 0)
		if err != nil || c.OrgID != at.org || c.InstanceURL != at.url {
			t.Fatalf("%s: org %s at %s, %v", service, c.OrgID, c.InstanceURL, err)
		}
		if again, err := beside.Get(t.Context(), service, tenant.ID, c.Generation); err != nil || again.AccessToken == c.AccessToken {
			t.Errorf("%s isn't renewed: %v", service, err)
		}
		if ending, err := beside.End(t.Context(), service, tenant.ID); err != nil || ending != identity.Revoked {
			t.Errorf("%s ended %q, %v", service, ending, err)
		}
	}
	p.end()
}

// Whoever sets an app of their own at a service keeps it when the demo starts again.
func TestDemoLeavesAnAppAlone(t *testing.T) {
	data := t.TempDir()
	p, _ := demoSaying(t, data)
	p.end()
	environ := []string{"GATEPOST_DATABASE=" + filepath.Join(data, "gatepost.db"), "GATEPOST_KEYSET=" + filepath.Join(data, "keyset.json")}
	if code, _, errOut := command(t, "real-secret", environ, "service", "set", "hubspot", "--client-id", "real", "--client-secret-stdin", "--unset", "login-url"); code != 0 {
		t.Fatal(errOut)
	}
	p, said := demoSaying(t, data)
	p.end()
	for service, want := range map[string][2]string{"hubspot": {"real", "https://app.hubspot.com"}, "zoho": {demoClientID, said[5]}} {
		_, out, _ := command(t, "", environ, "service", "get", service)
		if !strings.Contains(out, want[0]) || !strings.Contains(out, want[1]) {
			t.Errorf("%s:\n%s", service, out)
		}
	}
}

// Whoever sets a login address of their own keeps it too, with the demo's app or without any.
func TestDemoLeavesALoginAddressAlone(t *testing.T) {
	data := t.TempDir()
	p, _ := demoSaying(t, data)
	p.end()
	environ := []string{"GATEPOST_DATABASE=" + filepath.Join(data, "gatepost.db"), "GATEPOST_KEYSET=" + filepath.Join(data, "keyset.json")}
	for service, flags := range map[string][]string{"hubspot": nil, "zoho": {"--unset", "client-id,client-secret"}} {
		args := append([]string{"service", "set", service, "--login-url", "http://127.0.0.1:9"}, flags...)
		if code, _, errOut := command(t, "", environ, args...); code != 0 {
			t.Fatal(errOut)
		}
	}
	p, said := demoSaying(t, data)
	p.end()
	for service, own := range map[string]string{"hubspot": demoClientID, "zoho": "missing"} {
		_, out, _ := command(t, "", environ, "service", "get", service)
		if !strings.Contains(out, "http://127.0.0.1:9 ") || !strings.Contains(out, own) {
			t.Errorf("%s, beside %s:\n%s", service, said[4:], out)
		}
	}
}
