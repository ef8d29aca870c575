package identity

import (
	"cmp"
	"slices"
	"strings"
)

// Who is the one that can mend a connection.
type Who string

// Those who mend. Nobody has to where it passes.
const (
	Nobody       Who = "nobody"
	TenantAdmin  Who = "tenant"        // an admin of the tenant, here
	ServiceAdmin Who = "service_admin" // the admin of the tenant's account at the service
	Operator     Who = "operator"      // the people who run Gatepost
)

// Reason says in plain words why a connection is dead or can't be renewed, who can mend
// it, and how.
type Reason struct {
	What string
	Who  Who
	Mend string
}

// reason is a row of the table of reasons. {service} stands for the service's name.
type reason struct {
	services []string // whose code it is; empty for any's
	codes    []string // compared without case, and with - as _
	who      Who
	what     string
	// mend is what they do, before connecting anew where the connection is dead. Empty
	// where there is nothing but that, or waiting.
	mend string
	// lives says that what is dead by this goes on by itself, so that nobody has to
	// connect anew.
	lives bool
}

const (
	fromSetup  = "Ask your Salesforce admin to "
	operators  = "The people who run this service have to mend that."
	slowsDown  = "{service} has had too many log-ins or renewals for now."
	endedThere = "{service} has ended the access: it was revoked, or it ran out."
)

var ofSalesforce = []string{Salesforce}

// reasons are, for each code of a refusal, ours and the services', what it means. Those
// of one service stand before those of any. Sources: as those of the registry; beside
// Salesforce's list of errors what was seen of it since apps have to be installed in
// each org (2025), and what HubSpot's and Zoho's token end points answer.
var reasons = []reason{
	// Salesforce's.
	{ofSalesforce, []string{"inactive_user"}, ServiceAdmin, "The Salesforce user who connected it is no longer active.", fromSetup + "activate the user, or use another Salesforce user.", false},
	{ofSalesforce, []string{"inactive_org"}, ServiceAdmin, "The Salesforce organisation is no longer active.", "Ask your Salesforce admin about it.", false},
	{ofSalesforce, []string{"invalid_app_access", "OAUTH_APP_ACCESS_DENIED", "user_not_approved"}, ServiceAdmin, "Your Salesforce admin no longer admits this user to the app.",
		fromSetup + "admit the user: Setup → External Client App Manager → the app → Policies. Or use another Salesforce user.", false},
	{ofSalesforce, []string{"OAUTH_APP_BLOCKED", "OAUTH_AUTHORIZATION_BLOCKED", "CLIENT_NOT_ACCESSIBLE_FOR_USER"}, ServiceAdmin, "A Salesforce admin of your organisation has blocked the app.",
		fromSetup + "unblock it: Setup → Connected Apps OAuth Usage → the app → Unblock.", false},
	{ofSalesforce, []string{"OAUTH_EC_APP_NOT_FOUND", "app_not_found", "app_not_installed", "OAUTH_APPROVAL_ERROR_GENERIC"}, ServiceAdmin, "The app is not installed in your Salesforce organisation, or not for this user.",
		fromSetup + "install it: Setup → Connected Apps OAuth Usage → the app → Install.", false},
	{ofSalesforce, []string{"CLIENT_REQUIRE_UPDATE_FOR_USER"}, ServiceAdmin, "The app has to be updated in your Salesforce organisation.", fromSetup + "update it: Setup → Connected Apps OAuth Usage.", false},
	{ofSalesforce, []string{"ip_restricted"}, ServiceAdmin, "Salesforce accepts the user who connected it only from certain IP addresses.",
		fromSetup + "allow this server’s address (Setup → Network Access), or to relax IP restrictions for the app (its policies).", false},
	{ofSalesforce, []string{"login_hours"}, ServiceAdmin, "Salesforce accepts the user who connected it only at certain hours.", fromSetup + "widen the login hours of the user’s profile.", false},
	{ofSalesforce, []string{"API_DISABLED_FOR_ORG", "API_CURRENTLY_DISABLED"}, ServiceAdmin, "This Salesforce, or the user who connected it, has no access by API.", fromSetup + "allow it: the permission is called “API Enabled”.", false},
	{ofSalesforce, []string{"invalid_scope"}, ServiceAdmin, "The app in Salesforce lacks a scope that is needed.", fromSetup + "add the scopes api and refresh_token to the app.", false},
	{ofSalesforce, []string{"token_in_use"}, Nobody, "Salesforce is still at work on an earlier renewal.", "", false},

	// HubSpot's.
	{[]string{"hubspot"}, []string{"access_denied", "BAD_HUB"}, ServiceAdmin, "HubSpot doesn’t know this account any more: it was deleted, or access to it was denied.", "Ask your HubSpot admin which account is to be used.", false},
	{[]string{"hubspot"}, []string{"MISSING_SCOPES"}, ServiceAdmin, "The access lacks a permission that is needed in HubSpot.", "Ask your HubSpot admin to allow all that is asked for.", false},
	{[]string{"hubspot"}, []string{"MIGRATION_IN_PROGRESS"}, Nobody, "HubSpot is moving this account between its data centres.", "", false},

	// Zoho's.
	{[]string{"zoho"}, []string{"invalid_client", "invalid_client_secret"}, Operator, "Zoho no longer accepts the app’s registration, or not for the data centre of this organisation.",
		operators, true},
	{[]string{"zoho"}, []string{"general_error", "access_denied"}, Nobody, "Zoho failed without saying why.", "", false},

	// Slack's.
	{[]string{"slack"}, []string{"account_inactive"}, ServiceAdmin, "The Slack workspace, or the user who connected it, is no longer active.", "Ask your Slack admin about it.", false},

	// Dead in Atlassian's words, which are those of a refused app elsewhere.
	{[]string{"atlassian"}, []string{"unauthorized_client"}, TenantAdmin, endedThere, "", false},

	// Ours.
	{nil, []string{BrokenInterrupted}, TenantAdmin, "The renewal of the access was interrupted half-way, and {service} has ended the old access by then.", "", false},
	{nil, []string{BrokenSealed}, TenantAdmin, "The stored access can’t be opened any more on this server.", "", false},
	{nil, []string{BrokenForeign}, TenantAdmin, "{service} named an address that isn’t one of its own.", "", false},
	{nil, []string{BrokenAppRefused}, TenantAdmin, "{service} no longer accepts your organisation’s own app.", "Check the app’s settings under Integrations; once they are saved, it goes on by itself.", true},
	{nil, []string{BrokenAppRemoved}, TenantAdmin, "It was made with an app of your organisation’s own, which has been removed or changed since.", "", false},
	{nil, []string{BrokenOtherApp}, TenantAdmin, "It was made with another app than the one that is set now.", "", false},
	{nil, []string{CodeNoApp}, Operator, "No app is set for {service} on this server.", operators, true},
	{nil, []string{BrokenEnded}, TenantAdmin, endedThere, "", false},
	{nil, []string{CodeUnreachable}, Nobody, "{service} could not be reached.", "", false},
	{nil, []string{CodeUnanswered}, Nobody, "{service} did not answer; what it did is being found out.", "", false},

	// Any service's.
	{nil, []string{"invalid_client", "invalid_client_id", "invalid_client_secret", "bad_client_secret", "incorrect_client_credentials", "BAD_CLIENT_ID", "BAD_CLIENT_SECRET",
		"unauthorized_client", "redirect_uri_mismatch", "redirect_uri_missing", "invalid_redirect_uri", "BAD_REDIRECT_URI"}, Operator,
		"{service} no longer accepts the app’s registration.", operators, true},
	{nil, []string{"invalid_request", "unsupported_grant_type", "unsupported_response_type", "invalid_scope", "BAD_GRANT_TYPE", "BAD_SCOPES", "BAD_AUTH_CODE", "BAD_CODE_VERIFIER"}, Operator,
		"{service} doesn’t understand what it is asked for.", operators, true},
	{nil, []string{"invalid_grant", "invalid_token", "BAD_REFRESH_TOKEN", "invalid_code", "bad_refresh_token", "invalid_refresh_token", "token_revoked", "token_expired"}, TenantAdmin,
		endedThere, "", false},
	{nil, []string{"access_denied"}, TenantAdmin, "Access was denied at {service}.", "", false},
	{nil, []string{"rate_limit_exceeded", "too_many_requests", "slow_down", "ratelimited", "RATE_LIMIT", "RATE_LIMITS", "failure"}, Nobody, slowsDown, "", false},
	{nil, []string{"server_error", "temporarily_unavailable"}, Nobody, "{service}’s log-in is not available for now.", "", false},
}

// known is the row for a code of a service.
func known(service, code string) (reason, bool) {
	folded := func(code string) string { return strings.ToLower(strings.ReplaceAll(code, "-", "_")) }
	i := slices.IndexFunc(reasons, func(r reason) bool {
		return (r.services == nil || slices.Contains(r.services, service)) &&
			slices.ContainsFunc(r.codes, func(c string) bool { return folded(c) == folded(code) })
	})
	if i < 0 {
		return reason{}, false
	}
	return reasons[i], true
}

// WhyBroken says why a connection to a service, which people call name, is dead.
func WhyBroken(service, name, code string) Reason {
	r, ok := known(service, code)
	if !ok {
		r = reason{who: TenantAdmin, what: "{service} has ended the access (" + code + ")."}
	}
	again := "Reconnect {service}."
	switch {
	case r.lives && r.who == Operator:
		again = "Then it goes on by itself."
	case r.lives:
		again = ""
	case r.mend != "":
		again = "Then reconnect."
	}
	if service == Salesforce {
		again = sentences(again, "Sign-ups wait safely and are sent as soon as it is back.")
	}
	return Reason{named(name, r.what), r.mends(true), named(name, sentences(r.mend, again))}
}

// WhyFailing says why a connection to a service can't be renewed for now.
func WhyFailing(service, name, code string) Reason {
	r, ok := known(service, code)
	if !ok {
		r = reason{who: ServiceAdmin, what: "{service} refuses to renew the access (" + code + ").",
			mend: "If it stays like this, show the code to your {service} admin, or to the people who run this service."}
	}
	again := "It is tried again by itself."
	switch {
	case code == CodeOtherApp:
		r.who, r.mend = Operator, operators
	case r.who == Nobody:
		r.mend = cmp.Or(r.mend, "Nothing to do.")
	case r.mend == "":
		r.mend = "If it stays like this, reconnect {service}."
	case r.lives && r.who == TenantAdmin:
		again = ""
	}
	if service == Salesforce && r.who != Nobody {
		again = sentences(again, "Sign-ups wait safely.")
	}
	return Reason{named(name, r.what), r.mends(false), named(name, sentences(r.mend, again))}
}

// mends is who has to do something: an admin of the tenant has to connect anew what is
// dead, unless nothing can be done before others did.
func (r reason) mends(broken bool) Who {
	if broken && r.who == Nobody {
		return TenantAdmin
	}
	return r.who
}

// KnownReason reports whether a refusal of an authorization has a reason of its own, and
// returns it.
func KnownReason(service, name, code string) (Reason, bool) {
	r, ok := known(service, code)
	if !ok || r.mend == "" {
		return Reason{}, false
	}
	return Reason{named(name, r.what), r.who, named(name, r.mend)}, true
}

// named puts a service's name into a sentence.
func named(name, sentence string) string { return strings.ReplaceAll(sentence, "{service}", name) }

// sentences puts those together that there are.
func sentences(all ...string) string {
	return strings.Join(slices.DeleteFunc(all, func(s string) bool { return s == "" }), " ")
}
