package identity

import (
	"cmp"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

// answerOf is an answer that refuses as r says.
func (r Refusal) answerOf() string {
	fields := map[string]string{"error": cmp.Or(r.Code, "invalid_grant"), "error_description": "Sorry: " + strings.ToUpper(r.Says) + "."}
	switch {
	case r.Code == CodeUnknown:
		fields["error"] = "Zugriff verweigert"
	case r.Code == "failure" || strings.ToUpper(r.Code) == r.Code && r.Code != "": // the code is told beside another one
		fields["error"], fields["status"] = "invalid_grant", r.Code
	}
	if r.Says == "" {
		delete(fields, "error_description")
	}
	b, _ := json.Marshal(fields)
	return string(b)
}

// said are the refusals that a service's answers are judged by.
func (s Service) said() []Refusal { return slices.Concat(s.Refusals, anyRefusals) }

// No row is hidden by one before it, and each says what it was written for.
func TestEveryRefusalIsReached(t *testing.T) {
	for _, s := range BuiltIn() {
		for _, r := range s.Refusals {
			refused := s.refusalIn([]byte(r.answerOf()))
			if refused == nil {
				t.Errorf("%s: %s is no refusal", s.ID, r.answerOf())
				continue
			}
			got := s.judge(refused)
			if got.Reason = ""; r.Reason != "" {
				got.Reason = r.Reason
			}
			if got != r {
				t.Errorf("%s: %s is taken for %+v, want %+v", s.ID, r.answerOf(), got, r)
			}
			if _, ok := known(s.ID, cmp.Or(r.Reason, refused.Code)); !ok {
				t.Errorf("%s: no word of %+v", s.ID, r)
			}
			if r.Verdict == InDoubt && s.IntrospectURL == "" && !s.Rotates || r.Says != strings.ToLower(r.Says) {
				t.Errorf("%s: %+v is not as it should be", s.ID, r)
			}
		}
	}
}

// What services were seen to answer, word by word.
func TestRefusalsAsTheyCome(t *testing.T) {
	tests := []struct {
		service, answer string
		verdict         Verdict
		reason          string
	}{
		{Salesforce, `{"error":"invalid_grant","error_description":"expired access/refresh token"}`, Final, "invalid_grant"},
		{Salesforce, `{"error":"invalid_grant","error_description":"token request is already being processed"}`, InDoubt, "token_in_use"},
		{Salesforce, `{"error":"invalid_grant","error_description":"Token+request+is+already+being+processed."}`, InDoubt, "token_in_use"},
		{Salesforce, "error=invalid_grant&error_description=token%20request%20is%20already%20being%20processed", InDoubt, "token_in_use"},
		{Salesforce, `{"error":"invalid_grant","error_description":"ip restricted"}`, Passes, "ip_restricted"},
		{Salesforce, `{"error":"invalid_grant","error_description":"ip restricted or invalid login hours"}`, Passes, "ip_restricted"},
		{Salesforce, `{"error":"invalid_grant","error_description":"invalid login hours"}`, Passes, "login_hours"},
		{Salesforce, `{"error":"invalid_grant","error_description":"login rate exceeded"}`, Passes, "rate_limit_exceeded"},
		{Salesforce, `{"error":"rate_limit_exceeded","error_description":"login rate exceeded"}`, Passes, "rate_limit_exceeded"},
		{Salesforce, `{"error":"invalid_grant","error_description":"authentication failure"}`, AskFirst, "invalid_grant"},
		{Salesforce, `{"error":"invalid_grant","error_description":"authentication failure - Invalid Password"}`, AskFirst, "invalid_grant"},
		{Salesforce, `{"error":"invalid_grant","error_description":"something new"}`, AskFirst, "invalid_grant"},
		{Salesforce, `{"error":"invalid_grant"}`, AskFirst, "invalid_grant"},
		{Salesforce, `{"error":"invalid_grant","error_description":"inactive user"}`, Final, "inactive_user"},
		{Salesforce, `{"error":"inactive_user"}`, Final, "inactive_user"},
		{Salesforce, `{"error":"invalid_grant","error_description":"Data Not Available"}`, AskFirst, "inactive_org"},
		{Salesforce, `{"error":"invalid_app_access","error_description":"user is not admin approved to access this app"}`, Final, "invalid_app_access"},
		{Salesforce, `{"error":"invalid_client","error_description":"invalid client credentials"}`, OfApp, "invalid_client"},
		{Salesforce, `{"error":"invalid_client_id","error_description":"client identifier invalid"}`, OfApp, "invalid_client_id"},
		{Salesforce, `{"error":"server_error"}`, Passes, "server_error"},
		{Salesforce, `{"error":"temporarily_unavailable"}`, Passes, "temporarily_unavailable"},
		{Salesforce, `{"error":"access-denied","error_description":"end-user+denied+authorization"}`, AskFirst, "access-denied"},
		{"hubspot", `{"error":"invalid_grant","error_description":"refresh token is invalid, expired or revoked","status":"BAD_REFRESH_TOKEN","message":"refresh token is invalid, expired or revoked"}`, Final, "invalid_grant"},
		{"hubspot", `{"status":"BAD_REFRESH_TOKEN","message":"missing or unknown refresh token"}`, Final, "BAD_REFRESH_TOKEN"},
		{"hubspot", `{"error":"access_denied","status":"BAD_HUB","message":"missing or unknown hub id"}`, Final, "access_denied"},
		{"hubspot", `{"error":"invalid_client","status":"BAD_CLIENT_SECRET"}`, OfApp, "invalid_client"},
		{"hubspot", `{"status":"error","message":"You have reached your ten_secondly_rolling limit.","errorType":"RATE_LIMIT","category":"RATE_LIMITS"}`, Passes, "RATE_LIMITS"},
		{"hubspot", `{"status":"error","message":"You have reached your ten_secondly_rolling limit.","errorType":"RATE_LIMIT","policyName":"TEN_SECONDLY_ROLLING"}`, Passes, "RATE_LIMIT"},
		{"hubspot", `{"status":"error","category":"MIGRATION_IN_PROGRESS"}`, Passes, "MIGRATION_IN_PROGRESS"},
		{"hubspot", `{"error":"invalid_client","status":"BAD_CLIENT_ID"}`, OfApp, "invalid_client"},
		{"hubspot", `{"status":"BAD_CLIENT_SECRET","message":"wrong"}`, OfApp, "BAD_CLIENT_SECRET"},
		{"hubspot", `{"error":"invalid_grant","status":"BAD_AUTH_CODE"}`, Passes, "invalid_grant"},
		{"hubspot", `{"error":"invalid_grant","status":"BAD_REDIRECT_URI"}`, Passes, "invalid_grant"},
		{"hubspot", `{"error":"invalid_grant"}`, AskFirst, "invalid_grant"},
		{"hubspot", `{"error":"unsupported_grant_type","status":"BAD_GRANT_TYPE"}`, Passes, "unsupported_grant_type"},
		{"hubspot", `{"error":"invalid_scope","status":"BAD_SCOPES"}`, Passes, "invalid_scope"},
		{"hubspot", `{"status":"error","category":"MISSING_SCOPES"}`, Passes, "MISSING_SCOPES"},
		{"zoho", `{"error":"invalid_code"}`, Final, "invalid_code"},
		{"zoho", `{"error_description":"You have made too many requests continuously. Please try again after some time.","error":"Access Denied","status":"failure"}`, Passes, "too_many_requests"},
		{"zoho", `{"error_description":"您的请求过于频繁","error":"拒绝访问","status":"failure"}`, Passes, "too_many_requests"},
		{"zoho", `{"error":"Access Denied"}`, Passes, "too_many_requests"},
		{"zoho", `{"error":"access_denied"}`, Passes, "access_denied"},
		{"zoho", `{"error":"general_error"}`, Passes, "general_error"},
		{"zoho", `{"error":"invalid_client"}`, OfApp, "invalid_client"},
		{"zoho", `{"error":"invalid_client_secret"}`, OfApp, "invalid_client_secret"},
		{"google", `{"error":"invalid_grant","error_description":"Token has been expired or revoked."}`, AskFirst, "invalid_grant"},
		{"githuboauth", `{"error":"bad_refresh_token","error_description":"The refresh token passed is incorrect or expired."}`, Final, "bad_refresh_token"},
		{"slack", `{"ok":false,"error":"ratelimited"}`, Passes, "ratelimited"},
		{"slack", `{"ok":false,"error":"invalid_refresh_token"}`, Final, "invalid_refresh_token"},
		{"atlassian", `{"error":"unauthorized_client","error_description":"refresh_token is invalid"}`, Final, "unauthorized_client"},
	}
	for _, test := range tests {
		all := BuiltIn()
		s := all[slices.IndexFunc(all, func(s Service) bool { return s.ID == test.service })]
		refused := s.refusalIn([]byte(test.answer))
		if refused == nil {
			t.Errorf("%s: %s is no refusal", test.service, test.answer)
			continue
		}
		if got := s.judge(refused); got.Verdict != test.verdict || got.Reason != test.reason {
			t.Errorf("%s: %s means %s, %q; want %s, %q", test.service, test.answer, got.Verdict, got.Reason, test.verdict, test.reason)
		}
	}
}

// Final refusals end a connection, others don't: every row, at every service.
func TestEveryRefusal(t *testing.T) {
	for _, r := range SalesforceService("", "", "", "").said() {
		t.Run(Salesforce+" "+r.Code+" "+r.Says, func(t *testing.T) {
			w := newWorld(t)
			v := w.process()
			i := w.connect(v)
			v.Wait() // it may still learn when its token runs out
			w.srv.fail("token", 1, says(400, "application/json", r.answerOf()))
			began := v.Now().Truncate(time.Millisecond)
			_, err := w.get(v, i.Generation)
			w.meant(t, v, r, true, began, err)
		})
	}
	each(t, withRefresh, func(t *testing.T, s *scene) {
		for _, r := range s.definition().said() {
			i := s.connect()
			s.d.fail(1, says(400, "application/json", r.answerOf()))
			began := s.v.Now().Truncate(time.Millisecond)
			_, err := s.get(i.Generation)
			r = s.definition().judge(s.definition().refusalIn([]byte(r.answerOf()))) // some services say it otherwise
			s.meant(t, s.v, r, s.definition().IntrospectURL != "", began, err)
			if _, err := s.v.Disconnect(t.Context(), s.d.id, s.tenant); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// meant checks what came of a refusal of a grant that is alive.
func (w *world) meant(t *testing.T, v *Vault, r Refusal, asked bool, began time.Time, err error) {
	t.Helper()
	reason := cmp.Or(r.Reason, r.Code, "invalid_grant")
	if r.Verdict == Final || r.Verdict == AskFirst && !asked {
		wantBroken(t, err, reason)
		return
	}
	wantUnavailable(t, err, reason)
	var later *UnavailableError
	wait := max(firstRetry, r.Wait)
	if r.Verdict == InDoubt {
		wait = v.Timeout // it may be under way
	}
	if errors.As(err, &later) && later.RetryAt.Before(began.Add(wait)) {
		t.Errorf("%+v: tried again after %s", r, later.RetryAt.Sub(v.Now()))
	}
}
