package identity

import (
	"errors"
	"net"
	"net/url"
	"strings"
)

// Salesforce is the id of the service Salesforce.
const Salesforce = "sfdc"

// Service says how a platform is authorized: its addresses and its habits, as data.
type Service struct {
	ID             string
	Name           string
	LoginURL       string // the default address to log in at
	ExtraLogin     string // one further login address, of the operator's choice; empty for none
	AuthorizePath  string // below the login address, as the other paths
	TokenPath      string
	RevokePath     string
	IntrospectPath string
	Scopes         []string // what is asked for
	NeedScopes     []string // what a connection is useless without
	HostSuffixes   []string // the service's own hosts
	ClientID       string
	ClientSecret   string
	RedirectURL    string // our callback
	// Permanent are the OAuth error codes after which only a new authorization
	// helps. Every other code passes.
	Permanent map[string]bool
	// MaxApprovals is how many authorizations by one user the service keeps for an
	// app; one more ends the oldest. 0: any number.
	MaxApprovals int
	// SelfManaged says that customers may run the service on a host of their own,
	// which is called with their own app alone.
	SelfManaged bool

	ownApp bool // ClientID and ClientSecret are those of a tenant
}

// SalesforceService returns Salesforce as data. Sources: Salesforce Help "OAuth
// 2.0 Web Server Flow" and "OAuth Error Codes", RFC 6749, RFC 7009, RFC 7662.
// loginURL is one further login address, empty for none; it then is the default.
func SalesforceService(clientID, clientSecret, redirectURL, loginURL string) Service {
	s := Service{
		ID:             Salesforce,
		Name:           "Salesforce",
		LoginURL:       "https://login.salesforce.com",
		AuthorizePath:  "/services/oauth2/authorize",
		TokenPath:      "/services/oauth2/token",
		RevokePath:     "/services/oauth2/revoke",
		IntrospectPath: "/services/oauth2/introspect",
		Scopes:         []string{"api", "refresh_token", "id"},
		NeedScopes:     []string{"api"},
		HostSuffixes:   []string{"login.salesforce.com", "test.salesforce.com", ".my.salesforce.com", ".my.salesforce.mil"},
		MaxApprovals:   5,
		ClientID:       clientID,
		ClientSecret:   clientSecret,
		RedirectURL:    redirectURL,
		Permanent: map[string]bool{
			"invalid_grant": true, "invalid_client": true, "invalid_client_id": true, "unauthorized_client": true,
			"inactive_user": true, "inactive_org": true, "invalid_app_access": true, "access_denied": true,
			"invalid_token": true,
		},
	}
	if loginURL != "" {
		s.LoginURL, s.ExtraLogin = loginURL, loginURL
	}
	return s
}

// Errors of CheckLogin, each with its own help.
var (
	ErrLightningHost = errors.New("a Lightning address is not a login address")
	ErrForeignHost   = errors.New("not an address of the service")
)

// CheckLogin returns the login address that somebody typed (a host, or a URL of
// which only the host counts), if it is one of the service's own.
func (s Service) CheckLogin(typed string) (string, error) {
	typed = strings.TrimSpace(typed)
	if s.ExtraLogin != "" && strings.TrimRight(typed, "/") == s.ExtraLogin {
		return s.ExtraLogin, nil
	}
	if !strings.Contains(typed, "://") {
		typed = "https://" + typed
	}
	u, err := url.Parse(typed)
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
	if s.ExtraLogin != "" && u.Scheme+"://"+u.Host == s.ExtraLogin {
		return true
	}
	if extra, err := url.Parse(s.ExtraLogin); err == nil && s.ExtraLogin != "" && u.Scheme == "https" && strings.EqualFold(u.Hostname(), extra.Hostname()) {
		return true
	}
	return u.Scheme == "https" && u.Port() == "" && s.ownHost(strings.ToLower(u.Host))
}

// instance returns where an org is, as a service named it, if that is one of the
// service's own addresses.
func (s Service) instance(raw string) (string, bool) {
	if !s.ownURL(raw) || strings.ContainsAny(raw, "?#") {
		return "", false
	}
	return strings.TrimRight(raw, "/"), true
}

func (s Service) ownHost(host string) bool {
	if net.ParseIP(host) != nil {
		return false
	}
	for _, suffix := range s.HostSuffixes {
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
