package identity

import (
	"cmp"
	"slices"
	"strings"
	"testing"
)

// told are the codes that services are known to refuse with, at authorizing and at
// renewing: Salesforce's list of OAuth errors and what was seen beside it, HubSpot's
// token end point (its code and its status), Zoho Accounts', and RFC 6749's.
var told = map[string][]string{
	Salesforce: {"unsupported_response_type", "invalid_client_id", "invalid_request", "access_denied", "redirect_uri_missing", "redirect_uri_mismatch",
		"invalid_grant", "inactive_user", "inactive_org", "rate_limit_exceeded", "invalid_scope", "invalid_client", "unsupported_grant_type", "invalid_app_access",
		"OAUTH_APPROVAL_ERROR_GENERIC", "OAUTH_APP_BLOCKED", "OAUTH_EC_APP_NOT_FOUND", "app_not_found", "OAUTH_APP_ACCESS_DENIED", "access-denied",
		"ip_restricted", "login_hours", "token_in_use", "server_error", "temporarily_unavailable", "unauthorized_client"},
	"hubspot": {"invalid_grant", "BAD_REFRESH_TOKEN", "BAD_CODE_VERIFIER", "BAD_REDIRECT_URI", "BAD_CLIENT_ID", "BAD_CLIENT_SECRET", "invalid_client",
		"BAD_HUB", "access_denied", "BAD_GRANT_TYPE", "unsupported_grant_type", "BAD_SCOPES", "invalid_scope", "RATE_LIMIT", "RATE_LIMITS", "MISSING_SCOPES"},
	"zoho": {"invalid_code", "invalid_client", "invalid_client_secret", "invalid_redirect_uri", "access_denied", "general_error", "failure", "too_many_requests"},
	"": {BrokenInterrupted, BrokenSealed, BrokenForeign, BrokenAppRefused, BrokenAppRemoved, BrokenOtherApp, BrokenEnded, CodeUnreachable, CodeUnanswered, CodeNoApp,
		"invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type", "invalid_scope", "access_denied", "invalid_token", "slow_down",
		"unsupported_response_type", "server_error", "temporarily_unavailable"},
}

// everyCode calls f with each code of each service that may end or fail a connection.
func everyCode(f func(service, code string)) {
	for _, s := range BuiltIn() {
		for _, code := range slices.Concat(told[s.ID], told[""], s.Permanent, appCodes) {
			f(s.ID, code)
		}
		for _, r := range s.Refusals {
			if code := cmp.Or(r.Reason, r.Code); code != "" {
				f(s.ID, code)
			}
		}
	}
}

// Each code has a sentence that says what happened, who does something about it, and
// what, whether the connection is dead or fails in passing.
func TestEveryCodeSaysWhoMustDoWhat(t *testing.T) {
	everyone := []Who{Nobody, TenantAdmin, ServiceAdmin, Operator}
	everyCode(func(service, code string) {
		if _, ok := known(service, code); !ok {
			t.Errorf("%s: nothing is known of %s", service, code)
		}
		for state, r := range map[string]Reason{"dead": WhyBroken(service, "Acme", code), "failing": WhyFailing(service, "Acme", code)} {
			for _, s := range []string{r.What, r.Mend} {
				if s == "" || !strings.HasSuffix(s, ".") || strings.ContainsAny(strings.ReplaceAll(s, "refresh_token", ""), "{}_") || strings.Contains(s, "  ") || strings.Contains(s, code) && strings.Contains(code, "_") {
					t.Errorf("%s: %s, %s, says %q", service, code, state, s)
				}
			}
			if !slices.Contains(everyone, r.Who) || state == "dead" && r.Who == Nobody {
				t.Errorf("%s: %s, %s, is mended by %q", service, code, state, r.Who)
			}
			if asks := strings.Contains(r.Mend, "Ask your "); asks != (r.Who == ServiceAdmin) {
				t.Errorf("%s: %s, %s, is mended by %q: %q", service, code, state, r.Who, r.Mend)
			}
			if runs := strings.Contains(r.Mend, "people who run this service"); runs != (r.Who == Operator) {
				t.Errorf("%s: %s, %s, is mended by %q: %q", service, code, state, r.Who, r.Mend)
			}
			if waits := strings.Contains(r.Mend, "Sign-ups wait"); waits != (service == Salesforce && r.Who != Nobody) {
				t.Errorf("%s: %s, %s, of sign-ups: %q", service, code, state, r.Mend)
			}
		}
	})
}

// Who has to act, of the codes that were once told as something else.
func TestWhoMustAct(t *testing.T) {
	for code, want := range map[string]struct {
		who  Who
		says string
	}{
		"OAUTH_APP_BLOCKED":      {ServiceAdmin, "Unblock"},
		"oauth_ec_app_not_found": {ServiceAdmin, "Install"},
		"inactive_user":          {ServiceAdmin, "activate the user"},
		"invalid_client":         {Operator, "people who run this service"},
		"BAD_CLIENT_SECRET":      {Operator, "people who run this service"},
		BrokenAppRefused:         {TenantAdmin, "Check the app’s settings"},
		CodeOtherApp:             {Operator, "people who run this service"},
		CodeUnreachable:          {Nobody, "Nothing to do"},
		"access-denied":          {TenantAdmin, "reconnect Salesforce"},
		"WEIRD":                  {ServiceAdmin, "show the code"},
	} {
		if got := WhyFailing(Salesforce, "Salesforce", code); got.Who != want.who || !strings.Contains(got.Mend, want.says) {
			t.Errorf("%s: %+v", code, got)
		}
	}
	if r := WhyBroken(Salesforce, "Salesforce", "inactive_user"); strings.Contains(r.What, "revoked") || !strings.Contains(r.What, "no longer active") {
		t.Errorf("%+v", r)
	}
	if r := WhyBroken("zoho", "Zoho CRM", "WEIRD"); r.What != "Zoho CRM has ended the access (WEIRD)." || r.Mend != "Reconnect Zoho CRM." {
		t.Errorf("%+v", r)
	}
}

// No row of the table is hidden by one before it.
func TestNoReasonIsHidden(t *testing.T) {
	for _, r := range reasons {
		for _, code := range r.codes {
			service := "any"
			if r.services != nil {
				service = r.services[0]
			}
			if got, ok := known(service, code); !ok || got.what != r.what {
				t.Errorf("%s of %s is told as %q", code, service, got.what)
			}
		}
	}
}

// What can be seen of a connection from this process, and in what is listed.
func TestTroubleIsTold(t *testing.T) {
	w := newWorld(t)
	v, two := w.process(), w.otherProcess()
	bare := w.process(func(c *Config) { c.Services = []Service{SalesforceService("", "", redirectURI, w.srv.URL)} })
	i := w.connect(v)
	v.Wait()
	trouble := func(v *Vault, code string, dead bool) {
		t.Helper()
		if c := w.connection(v); c.Code != code || c.Dead != dead {
			t.Errorf("%q, dead %v; want %q, %v", c.Code, c.Dead, code, dead)
		}
	}
	trouble(v, "", false)
	trouble(two, CodeOtherApp, false)
	trouble(bare, CodeNoApp, false)
	w.srv.fail("token", 1, says(400, "application/json", `{"error":"OAUTH_APP_BLOCKED","error_description":"this app is blocked by admin"}`))
	_, err := w.get(v, i.Generation)
	wantUnavailable(t, err, "OAUTH_APP_BLOCKED")
	trouble(v, "OAUTH_APP_BLOCKED", false)
	d := w.described(v)[0]
	if d.State != StateFailing || d.FailedCode != "OAUTH_APP_BLOCKED" || d.MendedBy != ServiceAdmin || !strings.Contains(d.Reason, "blocked") || d.Mend == "" || d.ClientID != clientID {
		t.Errorf("%+v", d)
	}
	if all := Troubled([]Connection{w.connection(v), {}}); len(all) != 1 || all[0].Identity.ID != i.ID {
		t.Errorf("%+v", all)
	}
	if err := w.store.BreakIdentity(t.Context(), i.ID, i.Generation, "inactive_user", ""); err != nil {
		t.Fatal(err)
	}
	trouble(v, "inactive_user", true)
	if d := w.described(v)[0]; d.State != StateBroken || d.MendedBy != ServiceAdmin || !strings.Contains(d.Reason, "no longer active") {
		t.Errorf("%+v", d)
	}
	w.connect(v)
	v.Wait()
	trouble(v, "", false)
	if d := w.described(v)[0]; d.Reason != "" || d.MendedBy != "" || d.Mend != "" {
		t.Errorf("%+v", d)
	}
	if all := Troubled([]Connection{w.connection(v)}); len(all) != 0 {
		t.Errorf("%+v", all)
	}
}
