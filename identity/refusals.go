package identity

import (
	"slices"
	"strings"
	"time"
)

// Verdict is what a service's refusal means for the connection that it was about.
type Verdict string

// The verdicts.
const (
	Final    Verdict = "final"     // the grant is over: only authorizing anew helps
	OfApp    Verdict = "of_app"    // the app itself is refused, not the connection: it goes on once that is mended
	Passes   Verdict = "passes"    // the same token is as good as before, and tried again later
	AskFirst Verdict = "ask_first" // the service is asked whether the grant is over; where it can't be asked, it is
	InDoubt  Verdict = "in_doubt"  // another call may be at work with the same token: as a call without an answer
)

// Refusal is what is known of one way in which a service refuses.
type Refusal struct {
	Code    string // as the service has it, in any case, with - or _; empty for any
	Says    string // a part of the description, in lower case; empty for any
	Verdict Verdict
	Reason  string        // the code that people are told by; Code when empty
	Wait    time.Duration // the next try is not before then
}

// anyRefusals are those of every service, after its own. What is in none of the lists
// passes. Source: RFC 6749, sections 4.1.2.1 and 5.2; RFC 6750, section 3.1.
var anyRefusals = []Refusal{
	{Code: "invalid_client", Verdict: OfApp},
	{Code: "invalid_grant", Verdict: AskFirst},
	{Code: "invalid_token", Verdict: AskFirst},
	{Code: "access_denied", Verdict: AskFirst},
	{Code: "unauthorized_client", Verdict: OfApp},
}

// Salesforce Help "OAuth 2.0 Error Codes", and what was seen: "token request is
// already being processed" while another renewal of the same token is under way, the
// policies about addresses, hours and numbers of log-ins, which a user or an admin
// lifts, and "authentication failure", which says nothing.
var salesforceRefusals = []Refusal{
	{Code: "invalid_grant", Says: "expired access/refresh token", Verdict: Final},
	{Says: "already being processed", Verdict: InDoubt, Reason: "token_in_use"},
	{Says: "login rate exceeded", Verdict: Passes, Reason: "rate_limit_exceeded"},
	{Says: "number of logins exceeded", Verdict: Passes, Reason: "rate_limit_exceeded"},
	{Says: "ip restricted", Verdict: Passes, Reason: "ip_restricted"},
	{Says: "invalid login hours", Verdict: Passes, Reason: "login_hours"},
	{Says: "authentication failure", Verdict: AskFirst},
	{Says: "data not available", Verdict: AskFirst, Reason: "inactive_org"},
	{Says: "must be installed", Verdict: Passes, Reason: "app_not_installed"}, // said as invalid_client
	{Says: "inactive user", Verdict: Final, Reason: "inactive_user"},
	{Says: "inactive org", Verdict: Final, Reason: "inactive_org"},
	{Code: "inactive_user", Verdict: Final},
	{Code: "inactive_org", Verdict: Final},
	{Code: "invalid_app_access", Verdict: Final},
	{Code: "invalid_client_id", Verdict: OfApp},
}

// HubSpot docs "Manage OAuth tokens", and answers seen since January 2026, which have
// the older code in "status" beside RFC 6749's. BAD_HUB: the account was deleted.
var hubSpotRefusals = []Refusal{
	{Code: "BAD_CLIENT_ID", Verdict: OfApp},
	{Code: "BAD_CLIENT_SECRET", Verdict: OfApp},
	{Code: "BAD_REFRESH_TOKEN", Verdict: Final},
	{Code: "BAD_HUB", Verdict: Final},
	{Code: "BAD_AUTH_CODE", Verdict: Passes}, // these are about an exchange
	{Code: "BAD_CODE_VERIFIER", Verdict: Passes},
	{Code: "BAD_REDIRECT_URI", Verdict: Passes},
	{Code: "RATE_LIMIT", Verdict: Passes, Wait: 10 * time.Second},
	{Code: "RATE_LIMITS", Verdict: Passes, Wait: 10 * time.Second},
}

// Zoho Accounts docs "OAuth protocol". Whoever renews too often gets "Access Denied"
// with the status "failure", translated into the user's language in some data centres,
// and trying again makes it last: ten renewals in ten minutes are the limit.
// access_denied alone isn't documented for a renewal.
var zohoRefusals = []Refusal{
	{Code: "failure", Verdict: Passes, Reason: "too_many_requests", Wait: 10 * time.Minute},
	{Code: CodeUnknown, Verdict: Passes, Reason: "too_many_requests", Wait: 10 * time.Minute},
	{Says: "too many requests", Verdict: Passes, Reason: "too_many_requests", Wait: 10 * time.Minute},
	{Code: "access_denied", Verdict: Passes},
	{Code: "general_error", Verdict: Passes},
	{Code: "invalid_code", Verdict: Final},
	{Code: "invalid_client_secret", Verdict: OfApp},
}

// GitHub docs "Troubleshooting OAuth app access token request errors" and "Refreshing
// user access tokens".
var gitHubRefusals = []Refusal{
	{Code: "bad_refresh_token", Verdict: Final},
	{Code: "incorrect_client_credentials", Verdict: OfApp},
}

// Slack docs "oauth.v2.access", its errors.
var slackRefusals = []Refusal{
	{Code: "invalid_refresh_token", Verdict: Final},
	{Code: "token_revoked", Verdict: Final},
	{Code: "account_inactive", Verdict: Final},
	{Code: "invalid_client_id", Verdict: OfApp},
	{Code: "bad_client_secret", Verdict: OfApp},
}

// Atlassian docs "Implementing the Refresh Token Flow": so it calls a grant that is over.
var atlassianRefusals = []Refusal{
	{Code: "unauthorized_client", Verdict: Final},
}

// judge says what a refusal by the service means. Reason is never empty.
func (s Service) judge(e *OAuthError) Refusal {
	for _, list := range [][]Refusal{s.Refusals, s.defined(), anyRefusals} {
		for _, r := range list {
			if !r.fits(e) {
				continue
			}
			if r.Reason == "" {
				r.Reason = e.Code
			}
			if e.passes {
				r.Verdict = Passes
			}
			return r
		}
	}
	return Refusal{Verdict: Passes, Reason: e.Code}
}

// told is a refusal with the code that people are told by.
func (s Service) told(e *OAuthError) *OAuthError {
	return &OAuthError{Code: s.code(s.judge(e).Reason), Description: e.Description}
}

// defined are the refusals that the operator has defined.
func (s Service) defined() (all []Refusal) {
	for _, code := range s.Permanent {
		verdict := Final
		if slices.Contains(appCodes, code) {
			verdict = OfApp
		}
		all = append(all, Refusal{Code: code, Verdict: verdict})
	}
	return all
}

func (r Refusal) fits(e *OAuthError) bool {
	sameCode := func(code string) bool { return strings.EqualFold(underscored(code), underscored(r.Code)) }
	if r.Code != "" && !sameCode(e.Code) && !slices.ContainsFunc(e.also, sameCode) {
		return false
	}
	return r.Says == "" || strings.Contains(plain(e.Description), r.Says)
}

// underscored is a code as most services write it.
func underscored(code string) string { return strings.ReplaceAll(code, "-", "_") }

// plain is a description as the lists have it: some come twice encoded.
func plain(description string) string {
	return strings.ToLower(strings.Join(strings.Fields(strings.ReplaceAll(description, "+", " ")), " "))
}

// appCodes are the refusals of the app itself, not of a connection: they end none, and
// when the app's settings are mended, its connections are tried again at once.
var appCodes = refusalsOfApp()

func refusalsOfApp() (codes []string) {
	add := func(list []Refusal) {
		for _, r := range list {
			if r.Verdict == OfApp && !slices.Contains(codes, r.Code) {
				codes = append(codes, r.Code)
			}
		}
	}
	add(anyRefusals)
	for _, s := range BuiltIn() {
		add(s.Refusals)
	}
	return codes
}
