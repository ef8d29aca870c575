package identity

import (
	"strings"

	"golang.org/x/oauth2/endpoints"
)

// The ids of the services that Gatepost knows by itself.
const (
	Salesforce    = "sfdc"
	HubSpot       = "hubspot"
	Zoho          = "zoho"
	Google        = "google"
	GitHub        = "githuboauth"
	Slack         = "slack"
	Asana         = "asana"
	Atlassian     = "atlassian"
	Discord       = "discord"
	GitLab        = "gitlab"
	Linear        = "linear"
	PagerDuty     = "pagerduty"
	QuickBooks    = "quickbooks-online"
	Reddit        = "reddit"
	StackOverflow = "stackoverflow"
)

// App is an application of yours as it is registered at a service.
type App struct {
	ClientID     string
	ClientSecret string
	RedirectURL  string // of the application's callback, as it is registered there
	// LoginURL is one further login address, which then is the default: that of a simulated service, or of a
	// service that is elsewhere. Empty for none.
	LoginURL string
}

// BuiltInService returns a service that Gatepost knows by itself, with an app; id is one of the above. Of another id
// New and Open say that the service isn't whole.
func BuiltInService(id string, a App) Service {
	s := Service{ID: id}
	for _, known := range BuiltIn() {
		if known.ID == id {
			s = known
		}
	}
	s.ClientID, s.ClientSecret, s.RedirectURL = a.ClientID, a.ClientSecret, a.RedirectURL
	if a.LoginURL != "" {
		s.LoginURL, s.ExtraLogin = a.LoginURL, a.LoginURL
	}
	return s
}

// SalesforceService is BuiltInService for Salesforce; loginURL is one further login address, empty for none.
func SalesforceService(clientID, clientSecret, redirectURL, loginURL string) Service {
	return BuiltInService(Salesforce, App{clientID, clientSecret, redirectURL, loginURL})
}

// BuiltIn are the services that Gatepost knows by itself, Salesforce first,
// without an app. Beside each stands where its facts are from.
func BuiltIn() []Service {
	return []Service{
		salesforce,
		hubSpot, zoho, google, gitHub, slack,
		asana, atlassian, discord, gitLab, linear, pagerDuty, quickBooks, reddit, stackOverflow,
	}
}

// NameOf is what people call a service; its id when the operator has defined it.
func NameOf(id string) string {
	for _, s := range BuiltIn() {
		if s.ID == id {
			return s.Name
		}
	}
	return id
}

// Salesforce Help "OAuth 2.0 Web Server Flow" and "OAuth Error Codes", RFC 6749, RFC 7009,
// RFC 7662. That it keeps five approvals of a user for an app, its documents on connected apps don't say,
// but those of other vendors do. An unknown client is told as invalid_client_id, which a
// new app gets for its first ten minutes too. Of the values of prompt only login always
// asks: consent asks nothing of users whom an admin has admitted beforehand, and
// select_account nobody who is logged in with one account.
var salesforce = Service{
	ID:            Salesforce,
	Name:          "Salesforce",
	LoginURL:      "https://login.salesforce.com",
	AuthorizeURL:  "/services/oauth2/authorize",
	TokenURL:      "/services/oauth2/token",
	IntrospectURL: "/services/oauth2/introspect",
	Revoke:        Revocation{URL: "/services/oauth2/revoke"},
	Scopes:        []string{"api", "refresh_token", "id"},
	NeedScopes:    []string{"api"},
	RefreshScope:  "refresh_token",
	AskParams:     map[string]string{"prompt": "login"},
	AllowParams:   []string{"display", "prompt"},
	HostSuffixes:  []string{"login.salesforce.com", "test.salesforce.com", ".my.salesforce.com", ".my.salesforce.mil"},
	InstanceField: "instance_url",
	APIPrefixes:   []string{"/services/data/", "/services/apexrest/"},
	NamedByURL:    true,
	Main:          true,
	Rotates:       true,
	MaxApprovals:  5,
	Refusals:      salesforceRefusals,
}

// HubSpot docs "Manage OAuth tokens" and API description "Auth/Oauth" (2026-09). A
// refresh answers the same refresh token as a rule, and a 401 is no sign that a token
// ran out: expires_in is. No answer has hub_domain but that of introspection. A second
// authorization of an account may be given the token of the first one (seen by others;
// not established for different users), so that only its last one is revoked. Without
// the scopes of contacts, oauth alone delivers nothing. A deleted account is refused as
// access_denied (BAD_HUB); a wrong app as invalid_client, before 2026 as BAD_CLIENT_ID
// or BAD_CLIENT_SECRET. A token that is revoked leaves the app installed, and the access
// tokens alive: to uninstall it ends all that it has in the account, and tells its admins.
var hubSpot = Service{
	ID:           HubSpot,
	Name:         "HubSpot",
	LoginURL:     "https://app.hubspot.com",
	HostSuffixes: []string{"app.hubspot.com"},
	AuthorizeURL: "https://app.hubspot.com/oauth/authorize",
	TokenURL:     "https://api.hubapi.com/oauth/2026-09/token",
	Revoke: Revocation{URL: "https://api.hubapi.com/oauth/2026-09/token/revoke", Auth: AuthClient, Ends: EndsOrgs,
		Uninstall: "https://api.hubapi.com/appinstalls/2026-09/external-install"},
	OneHost:       true,
	IntrospectURL: "https://api.hubapi.com/oauth/2026-09/token/introspect",
	Scopes:        []string{"oauth", "crm.objects.contacts.read", "crm.objects.contacts.write"},
	NeedScopes:    []string{"oauth", "crm.objects.contacts.read", "crm.objects.contacts.write"},
	APIHosts:      []string{"api.hubapi.com"},
	APIPrefixes:   []string{"/crm/", "/marketing/", "/communication-preferences/", "/account-info/"},
	OrgField:      "hub_id",
	UserField:     "user_id",
	ErrorFields:   []string{"error", "status", "category", "errorType"},
	Refusals:      hubSpotRefusals,
}

// Zoho Accounts docs "OAuth protocol", "Multi DC support" and "Revoke tokens". A
// user's data centre is told in the callback, and only those of Zoho's list are
// asked, since the secret goes there. Errors come with HTTP 200. invalid_client is told
// also where the app isn't switched on for a data centre, or has another secret there.
// Scopes: "OAuth scopes" and "COQL" of the CRM's API v8: looking people up has a scope
// of its own, and so have the org and the user that a connection is of, the fields that
// layouts demand, and the search, which is asked about addresses that can't be written
// in a query. "Token limits": a user has 20 refresh tokens of an app, and one more ends
// the oldest; the token's answer doesn't say which user that is. An unknown token was
// seen to be answered with a page and 400. Sandboxes and developer orgs have API hosts
// of their own ("Multi DC"). Singapore's hosts aren't documented, and so are not here.
var zoho = Service{
	ID:       Zoho,
	Name:     "Zoho CRM",
	LoginURL: "https://accounts.zoho.com",
	HostSuffixes: []string{
		"accounts.zoho.com", "accounts.zoho.eu", "accounts.zoho.in", "accounts.zoho.com.au", "accounts.zoho.jp", "accounts.zoho.com.cn",
		"accounts.zoho.sa", "accounts.zoho.uk", "accounts.zoho.ae", "accounts.zohocloud.ca",
	},
	APIHosts:     zohoAPIHosts(),
	APIPrefixes:  []string{"/crm/"},
	AuthorizeURL: "/oauth/v2/auth",
	TokenURL:     "/oauth/v2/token",
	Revoke:       Revocation{URL: "/oauth/v2/token/revoke", Gone: []string{"invalid_token", "invalid_code", pageWith400}},
	Scopes: []string{"ZohoCRM.modules.contacts.ALL", "ZohoCRM.modules.leads.ALL", "ZohoCRM.coql.READ", "ZohoCRM.settings.fields.READ",
		"ZohoCRM.settings.layouts.READ", "ZohoCRM.settings.modules.READ", "ZohoCRM.org.READ", "ZohoCRM.users.READ", "ZohoSearch.securesearch.READ"},
	Separator:     ",",
	Params:        map[string]string{"access_type": "offline", "prompt": "consent"},
	LoginParam:    "accounts-server",
	InstanceField: "api_domain",
	TokenScheme:   "Zoho-oauthtoken",
	ErrorsWith200: true,
	Refusals:      zohoRefusals,
	MaxApprovals:  20,
}

func zohoAPIHosts() (hosts []string) {
	for _, domain := range []string{"com", "eu", "in", "com.au", "jp", "com.cn", "sa", "uk", "ae", "ca"} {
		for _, environment := range []string{"www", "sandbox", "developer"} {
			hosts = append(hosts, environment+".zohoapis."+domain)
		}
	}
	return hosts
}

// Google Identity docs "Using OAuth 2.0 for Web Server Applications" and "OpenID
// Connect". Revoking a token ends all that its user granted the app. The short names of
// scopes are granted by their long ones ("OAuth 2.0 Scopes for Google APIs").
var google = Service{
	ID:           Google,
	Name:         "Google",
	LoginURL:     "https://accounts.google.com",
	HostSuffixes: []string{"accounts.google.com"},
	AuthorizeURL: endpoints.Google.AuthURL,
	TokenURL:     endpoints.Google.TokenURL,
	Revoke:       Revocation{URL: "https://oauth2.googleapis.com/revoke", Ends: EndsUsers},
	Scopes:       []string{"openid", "email", "profile"},
	Includes: map[string][]string{
		"https://www.googleapis.com/auth/userinfo.email": {"email"}, "https://www.googleapis.com/auth/userinfo.profile": {"profile"},
		"email": {"https://www.googleapis.com/auth/userinfo.email"}, "profile": {"https://www.googleapis.com/auth/userinfo.profile"},
	},
	Params:       map[string]string{"access_type": "offline", "prompt": "consent"},
	AllowParams:  []string{"hd"},
	APIHosts:     []string{".googleapis.com"},
	APIPrefixes:  []string{"/calendar/v3/", "/drive/v3/"}, // those that are at one host
	CallHost:     "www.googleapis.com",
	OrgField:     "id_token.hd",
	UserField:    "id_token.sub",
	NameField:    "id_token.email",
	MaxApprovals: 100,
}

// GitHub docs "Authorizing OAuth apps", "Troubleshooting OAuth app access token
// request errors" and "REST API endpoints for OAuth authorizations". Tokens of an
// OAuth app don't run out, and there is nothing to renew them with; those of a
// GitHub App may, and then a refresh token works once ("Refreshing user access
// tokens"). Errors come with HTTP 200. On a host of one's own the API is below
// /api/v3 (GitHub Enterprise Server docs). A scope that another one includes isn't granted
// beside it ("Scopes for OAuth apps", normalized scopes).
var gitHub = Service{
	ID:           GitHub,
	Name:         "GitHub",
	LoginURL:     "https://github.com",
	HostSuffixes: []string{"github.com"},
	AuthorizeURL: strings.TrimPrefix(endpoints.GitHub.AuthURL, "https://github.com"),
	TokenURL:     strings.TrimPrefix(endpoints.GitHub.TokenURL, "https://github.com"),
	UserinfoURL:  "https://api.github.com/user",
	Revoke:       Revocation{URL: "https://api.github.com/applications/{client_id}/token", Method: "DELETE", Field: "access_token", JSON: true, Auth: AuthBasic, ByAccess: true, Gone: []string{"404", "422"}},
	Scopes:       []string{"read:user"},
	Includes: map[string][]string{
		"user": {"read:user", "user:email", "user:follow"}, "repo": {"repo:status", "repo_deployment", "public_repo", "repo:invite", "security_events"},
		"admin:org": {"write:org", "read:org"}, "write:org": {"read:org"}, "admin:public_key": {"write:public_key", "read:public_key"}, "write:public_key": {"read:public_key"},
		"admin:repo_hook": {"write:repo_hook", "read:repo_hook"}, "write:repo_hook": {"read:repo_hook"}, "admin:gpg_key": {"write:gpg_key", "read:gpg_key"},
		"write:gpg_key": {"read:gpg_key"}, "project": {"read:project"}, "write:packages": {"read:packages"},
	},
	AllowParams:     []string{"allow_signup"},
	APIHosts:        []string{"api.github.com", "uploads.github.com"},
	APIPrefixes:     []string{"/user", "/user/", "/users/", "/repos/", "/orgs/", "/issues", "/gists", "/gists/", "/notifications", "/search/"},
	UserField:       "userinfo.id",
	NameField:       "userinfo.login",
	RefreshOptional: true,
	Rotates:         true,
	ErrorsWith200:   true,
	Refusals:        gitHubRefusals,
	MaxApprovals:    10,
	SelfManaged:     true,
	HostAPI:         "/api/v3",
}

// Slack docs "Installing with OAuth", "Using token rotation", "Using PKCE" and
// "auth.revoke". A code challenge is for apps that were made public clients, for good,
// whose refresh tokens last for 30 days; ours has a secret. A wrong app is told as
// invalid_client_id or bad_client_secret.
// Tokens run out, and refresh tokens rotate, only where the app has chosen so. A
// bot has one token in a workspace, whoever installs it. Errors come with HTTP 200.
var slack = Service{
	ID:              Slack,
	Name:            "Slack",
	LoginURL:        "https://slack.com",
	HostSuffixes:    []string{"slack.com"},
	AuthorizeURL:    endpoints.Slack.AuthURL,
	TokenURL:        endpoints.Slack.TokenURL,
	Revoke:          Revocation{URL: "https://slack.com/api/auth.revoke", Auth: AuthToken, ByAccess: true, Ends: EndsOrgs, Gone: []string{"token_revoked", "token_expired", "invalid_auth", "account_inactive"}},
	Scopes:          []string{"chat:write", "channels:read"},
	AllowParams:     []string{"team"},
	Separator:       ",",
	APIHosts:        []string{"slack.com", "files.slack.com"},
	APIPrefixes:     slackAPI,
	OrgField:        "team.id|enterprise.id",
	UserField:       "authed_user.id",
	NameField:       "team.name|enterprise.name",
	RefreshOptional: true,
	Rotates:         true,
	ErrorsWith200:   true,
	Refusals:        slackRefusals,
	NoPKCE:          true,
}

// slackAPI are the families of methods of Slack's Web API: those of auth, oauth and
// tooling tell or end tokens.
var slackAPI = []string{"/api/chat.postMessage", "/api/chat.update", "/api/chat.delete", "/api/conversations.list", "/api/conversations.info", "/api/conversations.history",
	"/api/conversations.members", "/api/conversations.join", "/api/users.list", "/api/users.info", "/api/team.info"}

// Asana docs "OAuth". The same refresh token serves on; a renewal's answer leaves it
// out.
var asana = Service{
	ID:           Asana,
	Name:         "Asana",
	LoginURL:     "https://app.asana.com",
	HostSuffixes: []string{"app.asana.com"},
	AuthorizeURL: endpoints.Asana.AuthURL,
	TokenURL:     endpoints.Asana.TokenURL,
	Revoke:       Revocation{URL: "https://app.asana.com/-/oauth_revoke", Auth: AuthClient},
	Scopes:       []string{"default"},
	APIHosts:     []string{"app.asana.com"},
	APIPrefixes:  []string{"/api/1.0/"},
	UserField:    "data.gid|data.id",
	NameField:    "data.name",
}

// Atlassian docs "OAuth 2.0 (3LO) apps" and "Implementing the Refresh Token Flow".
// There is no way to revoke a token: users take an app's access back in their
// account's settings. The sites that a token is for have to be asked for
// (accessible-resources).
var atlassian = Service{
	ID:           Atlassian,
	Name:         "Atlassian",
	LoginURL:     "https://auth.atlassian.com",
	HostSuffixes: []string{"auth.atlassian.com"},
	AuthorizeURL: "https://auth.atlassian.com/authorize",
	TokenURL:     "https://auth.atlassian.com/oauth/token",
	UserinfoURL:  "https://api.atlassian.com/me",
	Scopes:       []string{"read:me", "offline_access"},
	RefreshScope: "offline_access",
	Params:       map[string]string{"audience": "api.atlassian.com", "prompt": "consent"},
	APIHosts:     []string{"api.atlassian.com"},
	APIPrefixes:  []string{"/ex/jira/", "/ex/confluence/", "/oauth/token/accessible-resources", "/me"},
	Refusals:     atlassianRefusals,
	DeadCode:     "unauthorized_client",
	UserField:    "userinfo.account_id",
	NameField:    "userinfo.email|userinfo.name",
	Rotates:      true,
}

// Discord docs "OAuth2". Revoking a token ends all of the authorization that it came
// from, and a user has one of an app.
var discord = Service{
	ID:           Discord,
	Name:         "Discord",
	LoginURL:     "https://discord.com",
	HostSuffixes: []string{"discord.com"},
	AuthorizeURL: endpoints.Discord.AuthURL,
	TokenURL:     endpoints.Discord.TokenURL,
	UserinfoURL:  "https://discord.com/api/users/@me",
	Revoke:       Revocation{URL: "https://discord.com/api/oauth2/token/revoke", Auth: AuthClient, Ends: EndsUsers},
	Scopes:       []string{"identify"},
	APIHosts:     []string{"discord.com"},
	APIPrefixes:  []string{"/api/v10/users/", "/api/v10/guilds/", "/api/v10/channels/"},
	UserField:    "userinfo.id",
	NameField:    "userinfo.username",
	Rotates:      true,
}

// GitLab docs "OAuth 2.0 identity provider API". It isn't asked about refresh tokens:
// Doorkeeper, which it is built on, long called those whose access token had run out
// inactive although they worked (doorkeeper issue 1858).
var gitLab = Service{
	ID:           GitLab,
	Name:         "GitLab",
	LoginURL:     "https://gitlab.com",
	HostSuffixes: []string{"gitlab.com"},
	AuthorizeURL: strings.TrimPrefix(endpoints.GitLab.AuthURL, "https://gitlab.com"),
	TokenURL:     strings.TrimPrefix(endpoints.GitLab.TokenURL, "https://gitlab.com"),
	UserinfoURL:  "/api/v4/user",
	Revoke:       Revocation{URL: "/oauth/revoke", Auth: AuthClient},
	Scopes:       []string{"read_user"},
	APIHosts:     []string{"gitlab.com"},
	APIPrefixes:  []string{"/api/v4/"},
	UserField:    "userinfo.id",
	NameField:    "userinfo.username",
	Rotates:      true,
	SelfManaged:  true,
}

// Linear docs "OAuth 2.0 authentication".
var linear = Service{
	ID:           Linear,
	Name:         "Linear",
	LoginURL:     "https://linear.app",
	HostSuffixes: []string{"linear.app"},
	AuthorizeURL: "https://linear.app/oauth/authorize",
	TokenURL:     "https://api.linear.app/oauth/token",
	Revoke:       Revocation{URL: "https://api.linear.app/oauth/revoke", Gone: []string{"400"}},
	Scopes:       []string{"read", "write"},
	Separator:    ",",
	APIHosts:     []string{"api.linear.app"},
	APIPrefixes:  []string{"/graphql"},
	Rotates:      true,
}

// PagerDuty developer docs "Classic User OAuth: Authorization Code Grant Flow" and
// its id token. They name no way to revoke a token.
var pagerDuty = Service{
	ID:           PagerDuty,
	Name:         "PagerDuty",
	LoginURL:     "https://identity.pagerduty.com",
	HostSuffixes: []string{"identity.pagerduty.com"},
	AuthorizeURL: "https://identity.pagerduty.com/oauth/authorize",
	TokenURL:     "https://identity.pagerduty.com/oauth/token",
	Scopes:       []string{"openid", "read"},
	APIHosts:     []string{"api.pagerduty.com", "api.eu.pagerduty.com"},
	OrgField:     "id_token.account_id",
	UserField:    "id_token.sub",
	NameField:    "id_token.subdomain",
	Rotates:      true,
}

// Intuit developer docs "Set up OAuth 2.0". The company is told in the callback, and
// revoking a token ends the app's access to it.
var quickBooks = Service{
	ID:           QuickBooks,
	Name:         "QuickBooks Online",
	LoginURL:     "https://appcenter.intuit.com",
	HostSuffixes: []string{"appcenter.intuit.com"},
	AuthorizeURL: "https://appcenter.intuit.com/connect/oauth2",
	TokenURL:     "https://oauth.platform.intuit.com/oauth2/v1/tokens/bearer",
	Revoke:       Revocation{URL: "https://developer.api.intuit.com/v2/oauth2/tokens/revoke", JSON: true, Auth: AuthBasic, Gone: []string{"400"}, Ends: EndsOrgs},
	Scopes:       []string{"com.intuit.quickbooks.accounting"},
	BasicAuth:    true,
	APIHosts:     []string{"quickbooks.api.intuit.com", "sandbox-quickbooks.api.intuit.com"},
	APIPrefixes:  []string{"/v3/company/"},
	OrgField:     "callback.realmId",
	Rotates:      true,
}

// Reddit wiki "OAuth2". Without the duration there is no refresh token.
var reddit = Service{
	ID:           Reddit,
	Name:         "Reddit",
	LoginURL:     "https://www.reddit.com",
	HostSuffixes: []string{"www.reddit.com"},
	AuthorizeURL: "https://www.reddit.com/api/v1/authorize",
	TokenURL:     "https://www.reddit.com/api/v1/access_token",
	UserinfoURL:  "https://oauth.reddit.com/api/v1/me",
	Revoke:       Revocation{URL: "https://www.reddit.com/api/v1/revoke_token", Auth: AuthBasic},
	Scopes:       []string{"identity"},
	Params:       map[string]string{"duration": "permanent"},
	BasicAuth:    true,
	APIHosts:     []string{"oauth.reddit.com"},
	APIPrefixes:  []string{"/api/v1/me", "/api/v1/me/", "/r/", "/user/"},
	UserField:    "userinfo.id",
	NameField:    "userinfo.name",
}

// Stack Exchange API docs "Authentication" and "Usage of /access-tokens/…/invalidate".
// With the scope no_expiry a token doesn't run out, and there is nothing to renew it
// with. Its end point takes the token, which is over then, in the address alone.
var stackOverflow = Service{
	ID:              StackOverflow,
	Name:            "Stack Overflow",
	LoginURL:        "https://stackoverflow.com",
	HostSuffixes:    []string{"stackoverflow.com"},
	AuthorizeURL:    endpoints.StackOverflow.AuthURL,
	TokenURL:        endpoints.StackOverflow.TokenURL + "/json",
	Revoke:          Revocation{URL: "https://api.stackexchange.com/2.3/access-tokens/{token}/invalidate", Method: "GET"},
	Scopes:          []string{"no_expiry"},
	Separator:       ",",
	APIHosts:        []string{"api.stackexchange.com"},
	RefreshOptional: true,
	ErrorFields:     []string{"error.type", "error"},
}
