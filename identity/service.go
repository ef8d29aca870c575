package identity

import (
	"errors"
	"net"
	"net/url"
	"strings"
	"time"

	"gatepost/input"
	"gatepost/outbound"
)

// Service says how a platform is authorized: its addresses and its habits, as data.
// Its end points are https URLs, or paths below the login address.
type Service struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	LoginURL string `json:"login_url"` // the default address to log in at

	AuthorizeURL  string     `json:"authorize_url"`
	TokenURL      string     `json:"token_url"`
	IntrospectURL string     `json:"introspect_url,omitempty"` // empty for none, as the following (RFC 7662)
	UserinfoURL   string     `json:"userinfo_url,omitempty"`
	Revoke        Revocation `json:"revoke"`

	Scopes     []string `json:"scopes,omitempty"`      // what is asked for
	NeedScopes []string `json:"need_scopes,omitempty"` // what a connection is useless without
	// Includes are the scopes that others include, or are called by when they are granted.
	Includes     map[string][]string `json:"-"`
	RefreshScope string              `json:"refresh_scope,omitempty"` // what has to be asked for to get a refresh token
	Separator    string              `json:"separator,omitempty"`     // between scopes; a space when empty
	Params       map[string]string   `json:"params,omitempty"`        // further parameters of the authorize end point
	// AllowParams are the parameters of the authorize end point that an application may
	// set over HTTP. Those of the protocol are never among them.
	AllowParams []string `json:"allow_params,omitempty"`
	NoPKCE      bool     `json:"no_pkce,omitempty"` // it takes no code challenge (RFC 7636)
	// AskParams have the service ask who is meant, in a browser that is logged in there
	// already. They are added, unless Params has the same, while a tenant has no
	// connection that another org could be told by. Empty: the service asks in any
	// case, or can't be told to.
	AskParams map[string]string `json:"ask_params,omitempty"`
	BasicAuth bool              `json:"basic_auth,omitempty"` // the client authenticates in a header, rather than in the form

	// Public says that the app has no secret (RFC 6749, section 2.1): requests of the token
	// end point name it by client_id alone, and the code challenge stands for it.
	Public bool `json:"public,omitempty"`
	// NativeFields are what is kept of the token's answer, and given out as native; when
	// empty the fields that are known to hold no secret: see nativeFields.
	NativeFields []string `json:"native,omitempty"`

	HostSuffixes  []string `json:"hosts,omitempty"`          // the service's own hosts; one that begins with a dot stands for those below
	LoginParam    string   `json:"login_param,omitempty"`    // parameter of the callback that names the login address to go on at
	InstanceField string   `json:"instance_field,omitempty"` // where an answer names the address of the API
	APIHosts      []string `json:"api_hosts,omitempty"`      // those that may see a token when no answer names one, as HostSuffixes
	APIPrefixes   []string `json:"api_prefixes,omitempty"`   // paths of the API, as /crm/; one that ends without a slash is that path alone
	CallHost      string   `json:"call_host,omitempty"`      // of the API, where an identity has no address of its own; the first of APIHosts when empty
	TokenScheme   string   `json:"token_scheme,omitempty"`   // how a token is presented to the API; Bearer when empty

	// Where the ids of the org and of the user, and a name for people, are found:
	// see answer.find. Empty where the service doesn't say.
	OrgField  string `json:"org_field,omitempty"`
	UserField string `json:"user_field,omitempty"`
	NameField string `json:"name_field,omitempty"`

	// NamedByURL says that the answer names the org and the user by a URL of the service's
	// own, and every scope that was granted.
	NamedByURL bool `json:"-"`
	// Main says that lists have the service before the others.
	Main bool `json:"-"`

	RefreshOptional bool `json:"refresh_optional,omitempty"` // a connection may come without a refresh token
	Rotates         bool `json:"rotates,omitempty"`          // a refresh token works once
	ErrorsWith200   bool `json:"errors_with_200,omitempty"`  // a refusal may come with the status of a success
	// ErrorFields are where a refusal has its code: see answer.find. "error" when
	// empty.
	ErrorFields []string `json:"error_fields,omitempty"`
	// Refusals are what is known of the service's refusals, those with a description
	// before those without. Permanent is the same in short, for services that the
	// operator defines: codes after which only a new authorization helps, beside those
	// of RFC 6749. What is in neither passes.
	Refusals  []Refusal `json:"-"`
	Permanent []string  `json:"permanent,omitempty"`
	// DeadCode is how the service calls a grant that is over, where that is the code
	// of something else elsewhere.
	DeadCode string `json:"-"`
	// MaxApprovals is how many authorizations by one user the service keeps for an
	// app; one more ends the oldest. 0: any number.
	MaxApprovals int `json:"max_approvals,omitempty"`
	// SelfManaged says that customers may run the service on a host of their own,
	// which is called with their own app alone.
	SelfManaged bool `json:"self_managed,omitempty"`
	// HostAPI is the path on such a host at which the end points are that have
	// addresses of their own; they aren't used there when it is empty.
	HostAPI string `json:"host_api,omitempty"`
	// OneHost says that the service has its end points at several hosts, and that behind
	// a further login address of the operator's all of them are one: a simulated service or
	// a proxy, which has the same paths.
	OneHost bool `json:"-"`

	ClientID     string `json:"-"`
	ClientSecret string `json:"-"`
	RedirectURL  string `json:"-"` // our callback
	ExtraLogin   string `json:"-"` // one further login address, of the operator's choice; empty for none

	stored    bool      // ClientID is one that was set, for all processes, rather than this one's environment's
	ownApp    bool      // ClientID and ClientSecret are those of a tenant
	host      string    // a tenant's own, which it is called at
	operators bool      // the operator chose that host for the service too
	definedAt time.Time // by the operator; zero for one that Gatepost knows
}

// Revocation says how a service ends a token.
type Revocation struct {
	URL    string `json:"url,omitempty"`    // empty: the service offers no way; {client_id} and {token} stand for what they say
	Method string `json:"method,omitempty"` // POST when empty
	Field  string `json:"field,omitempty"`  // that holds the token; "token" when empty
	JSON   bool   `json:"json,omitempty"`   // the fields go as a JSON object, rather than as a form
	Auth   string `json:"auth,omitempty"`   // one of the Auth… constants
	// ByAccess: only an access token ends the grant. Where there is a refresh token,
	// it is traded for one first.
	ByAccess bool `json:"by_access,omitempty"`
	// Gone are the codes (or statuses, as "404") with which the service says that a
	// token is no more; those of RFC 7009 when empty.
	Gone []string `json:"gone,omitempty"`
	// Uninstall is where the app is taken out of the account, with an access token, by
	// DELETE: all that it has there ends with that. Empty where there is no such thing.
	Uninstall string `json:"-"`
	// Ends says whose other authorizations of the app end with a token's: one of the
	// Ends… constants.
	Ends string `json:"ends,omitempty"`
}

// Who authenticates when a token is revoked.
const (
	AuthIfAsked = ""       // nobody, and the client when the service wants it
	AuthClient  = "client" // the client, as at the token end point
	AuthBasic   = "basic"  // the client, in a header
	AuthToken   = "token"  // whoever has the token, which goes in a header
)

// What else ends with a token that is revoked.
const (
	EndsItself = ""     // nothing: each authorization is its own
	EndsUsers  = "user" // all that the same user granted the app
	EndsOrgs   = "org"  // all that was granted the app within the same org
)

// hasApp reports whether there is all that requests of the token end point need.
func (s Service) hasApp() bool { return s.ClientID != "" && (s.Public || s.ClientSecret != "") }

// at is where an end point is, for those who log in at the given address.
func (s Service) at(loginURL, endPoint string) string {
	if strings.HasPrefix(endPoint, "/") {
		return loginURL + endPoint
	}
	if s.OneHost && loginURL == s.ExtraLogin {
		if u, err := url.Parse(endPoint); err == nil && u.Host != "" {
			return loginURL + u.Path
		}
	}
	return endPoint
}

// anywhere reports whether the service can be at another login address: all its end
// points are below it, or can be.
func (s Service) anywhere() bool {
	if s.OneHost {
		return true
	}
	for _, endPoint := range []string{s.AuthorizeURL, s.TokenURL, s.IntrospectURL, s.UserinfoURL, s.Revoke.URL} {
		if strings.Contains(endPoint, "://") {
			return false
		}
	}
	return true
}

// joined is a list of scopes as the service reads it.
func (s Service) joined(scopes []string) string {
	if s.Separator == "" {
		return strings.Join(scopes, " ")
	}
	return strings.Join(scopes, s.Separator)
}

// scheme is how a token is presented to the service's API.
func (s Service) scheme() string {
	if s.TokenScheme == "" {
		return "Bearer"
	}
	return s.TokenScheme
}

// Errors of CheckLogin, each with its own help.
var (
	ErrLightningHost = errors.New("a Lightning address is not a login address")
	ErrForeignHost   = errors.New("not an address of the service")
)

// CheckLogin returns the login address that somebody typed (a host, or a URL of
// which only the host counts), if it is one of the service's own.
func (s Service) CheckLogin(typed string) (string, error) {
	typed = input.Word(typed)
	if s.ExtraLogin != "" && strings.TrimRight(typed, "/") == s.ExtraLogin {
		return s.ExtraLogin, nil
	}
	if !strings.Contains(typed, "://") {
		typed = "https://" + typed
	}
	u, err := url.Parse(typed)
	if err == nil && u.User == nil && s.aliasesExtra(u) {
		return u.Scheme + "://" + u.Host, nil
	}
	if err != nil || u.Scheme != "https" || u.User != nil || u.Port() != "" {
		return "", ErrForeignHost
	}
	host := strings.ToLower(u.Host)
	if strings.HasSuffix(host, ".lightning.force.com") {
		return "", ErrLightningHost
	}
	if !s.ownHost(host) {
		return "", ErrForeignHost
	}
	return "https://" + host, nil
}

// ownURL reports whether a URL that the service gave us leads to the service: by
// https to one of its hosts, or to the operator's further login address.
func (s Service) ownURL(raw string) bool {
	u, err := url.Parse(raw)
	if err != nil || u.User != nil || u.Opaque != "" {
		return false
	}
	if s.ExtraLogin != "" && (u.Scheme+"://"+u.Host == s.ExtraLogin || s.aliasesExtra(u)) {
		return true
	}
	if extra, err := url.Parse(s.ExtraLogin); err == nil && s.ExtraLogin != "" && u.Scheme == "https" && strings.EqualFold(u.Hostname(), extra.Hostname()) {
		return true
	}
	return u.Scheme == "https" && u.Port() == "" && s.ownHost(strings.ToLower(u.Host))
}

// aliasesExtra reports whether an address is another name of the operator's further login
// address, which is on this machine. A service has such names only where its callback tells
// which of several addresses to go on at.
func (s Service) aliasesExtra(u *url.URL) bool {
	extra, err := url.Parse(s.ExtraLogin)
	return err == nil && s.LoginParam != "" && s.ExtraLogin != "" && outbound.Aliases(extra, u)
}

// instance returns where an org is, as a service named it, if that is one of the
// service's own addresses.
func (s Service) instance(raw string) (string, bool) {
	if !s.ownURL(raw) && !s.ownAPI(raw) || strings.ContainsAny(raw, "?#") {
		return "", false
	}
	return strings.TrimRight(raw, "/"), true
}

// ownAPI reports whether an address is one of the service's API.
func (s Service) ownAPI(raw string) bool {
	u, err := url.Parse(raw)
	return err == nil && u.Scheme == "https" && u.User == nil && u.Opaque == "" && within(strings.ToLower(u.Host), s.APIHosts)
}

func (s Service) ownHost(host string) bool { return within(host, s.HostSuffixes) }

// within reports whether a host is one of those, or below one that begins with a
// dot.
func within(host string, suffixes []string) bool {
	if net.ParseIP(host) != nil {
		return false
	}
	for _, suffix := range suffixes {
		labels, below := strings.CutSuffix(host, suffix)
		if host == suffix && suffix[0] != '.' || below && suffix[0] == '.' && cleanLabels(labels) {
			return true
		}
	}
	return false
}

// cleanLabels reports whether s is what may stand before a host suffix.
func cleanLabels(s string) bool {
	for _, label := range strings.Split(s, ".") {
		if label == "" || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
	}
	return true
}

// orgAndUser takes the org's and the user's id from an identity URL
// (…/id/00D…/005…, as Salesforce's token response has it).
func orgAndUser(identityURL string) (org, user string, ok bool) {
	u, err := url.Parse(identityURL)
	if err != nil {
		return "", "", false
	}
	parts := strings.Split(strings.Trim(u.Path, "/"), "/")
	if len(parts) != 3 || parts[0] != "id" || !recordID(parts[1], "00D") || !recordID(parts[2], "005") {
		return "", "", false
	}
	return parts[1], parts[2], true
}

// recordID reports whether s is a record id of Salesforce's: 15 or 18
// characters, beginning with the prefix of its kind.
func recordID(s, prefix string) bool {
	return (len(s) == 15 || len(s) == 18) && strings.HasPrefix(s, prefix) &&
		strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") == ""
}
