package identity

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"unicode"

	"gatepost/identity/stored"
)

// Errors of services that the operator defines.
var (
	// ErrServiceExists says that there is a service with the id already.
	ErrServiceExists = errors.New("there is such a service already")
	// ErrBuiltIn says that a service is one that Gatepost knows by itself.
	ErrBuiltIn = errors.New("the service is not one that was defined here")
)

// DefinitionError says what is wrong with a service's definition.
type DefinitionError struct{ Problems []string }

// Error is a line for each problem.
func (e *DefinitionError) Error() string {
	return "the service is not defined as it has to be:\n  " + strings.Join(e.Problems, "\n  ")
}

// AddService defines a further service, for all processes from their next call on.
// Errors: *DefinitionError, ErrServiceExists, or a failure of the store.
func (v *Vault) AddService(ctx context.Context, s Service) error {
	if problems := s.problems(); len(problems) > 0 {
		return &DefinitionError{problems}
	}
	if _, known := v.services[s.ID]; known || slices.ContainsFunc(BuiltIn(), func(b Service) bool { return b.ID == s.ID }) {
		return ErrServiceExists
	}
	b, err := json.Marshal(s)
	if err != nil {
		return err
	}
	err = v.optional.AddServiceDefinition(ctx, ServiceDefinition{ID: s.ID, Definition: string(b)})
	if errors.Is(err, stored.ErrConflict) {
		return ErrServiceExists
	}
	return err
}

// FixedError says which parts of a definition can't be changed as things are.
type FixedError struct{ Sentences []string }

// Error is a line for each.
func (e *FixedError) Error() string {
	return "this can't be changed now:\n  " + strings.Join(e.Sentences, "\n  ")
}

// ChangeDefinition changes a service that was defined, for all processes from their next
// call on. Errors: ErrBuiltIn, ErrNoService, *DefinitionError, *FixedError, or a failure
// of the store.
func (v *Vault) ChangeDefinition(ctx context.Context, id string, change func(*Service)) error {
	if _, known := v.services[id]; known {
		return ErrBuiltIn
	}
	err := v.optional.ChangeServiceDefinition(ctx, id, func(d ServiceDefinition, uses ServiceUses) (string, error) {
		before, err := readDefinition(d)
		if err != nil {
			return "", err
		}
		after, err := readDefinition(d)
		if err != nil {
			return "", err
		}
		change(&after)
		after.ID = id
		if problems := after.problems(); len(problems) > 0 {
			return "", &DefinitionError{problems}
		}
		if fixed := before.fixed(after, uses); len(fixed) > 0 {
			return "", &FixedError{fixed}
		}
		b, err := json.Marshal(after)
		return string(b), err
	})
	if errors.Is(err, stored.ErrNotFound) {
		return ErrNoService
	}
	return err
}

// fixed are sentences on what can't be changed while there are identities, or secrets.
func (s Service) fixed(after Service, uses ServiceUses) (all []string) {
	elsewhere := slices.DeleteFunc(after.tellsTokens(), func(host string) bool { return slices.Contains(s.tellsTokens(), host) })
	if len(elsewhere) > 0 && uses.Identities > 0 {
		all = append(all, fmt.Sprintf("the end points can't move to %s: the tokens of identities that there are (%d, with what is yet to be revoked) would be sent there. Delete them first, or define another service.", strings.Join(elsewhere, ", "), uses.Identities))
	}
	if len(elsewhere) > 0 && uses.Secrets > 0 {
		all = append(all, fmt.Sprintf("the end points can't move to %s: the client secret that is set would be sent there. Take it back first, with gatepost service set %s --unset client-secret, or a tenant's own with --unset app, and set it anew after.", strings.Join(elsewhere, ", "), s.ID))
	}
	if uses.Identities > 0 && (s.OrgField != after.OrgField || s.UserField != after.UserField) {
		all = append(all, fmt.Sprintf("org field and user field can't change: the identities that there are (%d) are told apart by what they lead to. Delete them first.", uses.Identities))
	}
	return all
}

// tellsTokens are the hosts that are told tokens or the client's secret.
func (s Service) tellsTokens() (hosts []string) {
	for _, endPoint := range []string{s.TokenURL, s.IntrospectURL, s.UserinfoURL, s.Revoke.URL} {
		u, err := url.Parse(s.at(s.LoginURL, endPoint))
		if endPoint == "" || err != nil {
			continue
		}
		if host := u.Scheme + "://" + u.Host; !slices.Contains(hosts, host) {
			hosts = append(hosts, host)
		}
	}
	return hosts
}

// RemoveService removes a service that was defined, with all that is set of it. It
// returns how many tokens were yet to be revoked there, which nobody does any more.
// Errors: ErrBuiltIn, ErrNoService, *IdentitiesLeftError, or a failure of the store.
func (v *Vault) RemoveService(ctx context.Context, id string) (unrevoked int64, err error) {
	if _, known := v.services[id]; known {
		return 0, ErrBuiltIn
	}
	unrevoked, err = v.optional.DeleteServiceDefinition(ctx, id)
	if errors.Is(err, stored.ErrNotFound) {
		return 0, ErrNoService
	}
	return unrevoked, err
}

// Service returns a service as it was configured at the start, or as the operator
// has defined it, whatever was set of it since; or ErrNoService.
func (v *Vault) Service(ctx context.Context, id string) (Service, error) {
	if s, ok := v.services[id]; ok {
		return s, nil
	}
	d, err := v.optional.ServiceDefinition(ctx, id)
	if errors.Is(err, stored.ErrNotFound) {
		return Service{}, ErrNoService
	}
	if err != nil {
		return Service{}, err
	}
	return v.defined(d)
}

// noService tells that what was to be stored is of a service that was removed since.
func noService(err error) error {
	if errors.Is(err, stored.ErrLost) {
		return ErrNoService
	}
	return err
}

// defined is a service that the operator has defined.
func (v *Vault) defined(d ServiceDefinition) (Service, error) {
	s, err := readDefinition(d)
	if err != nil {
		return s, err
	}
	s.ID, s.ExtraLogin, s.definedAt = d.ID, s.LoginURL, d.SetAt // of the operator's choice
	return v.called(s), nil
}

func readDefinition(d ServiceDefinition) (s Service, err error) {
	if err := json.Unmarshal([]byte(d.Definition), &s); err != nil {
		return s, fmt.Errorf("the definition of the service %s: %w", d.ID, err)
	}
	return s, nil
}

// called is a service with our callback.
func (v *Vault) called(s Service) Service {
	if s.RedirectURL == "" && v.Callback != nil {
		s.RedirectURL = v.Callback(s.ID)
	}
	return s
}

// Listed is a service with what is known of its shared app.
type Listed struct {
	Service
	Defined bool   // by the operator, rather than known to Gatepost
	App     string // where its shared app is from: AppSet, AppConfigured or empty
}

// Where a shared app is from.
const (
	AppSet        = "set"         // stored by SetService, at least a part of it
	AppConfigured = "environment" // given at the start
)

// Services returns all services, the main one first.
func (v *Vault) Services(ctx context.Context) ([]Listed, error) {
	definitions, err := v.optional.ServiceDefinitions(ctx)
	if err != nil {
		return nil, err
	}
	settings, err := v.optional.AllServiceSettings(ctx)
	if err != nil {
		return nil, err
	}
	return v.listed(definitions, settings)
}

// listed are all services, the main one first, with what is defined and set of them.
func (v *Vault) listed(definitions []ServiceDefinition, settings map[string]ServiceSettings) ([]Listed, error) {
	var all []Listed
	for _, s := range v.services {
		all = append(all, Listed{Service: s})
	}
	for _, d := range definitions {
		s, err := v.defined(d)
		if err != nil {
			return nil, err
		}
		all = append(all, Listed{Service: s, Defined: true})
	}
	for i, l := range all {
		set := settings[l.ID]
		switch {
		case set.ClientID+l.ClientID == "" || set.SealedSecret+l.ClientSecret == "" && !l.Public:
		case set.ClientID != "" || set.SealedSecret != "":
			all[i].App = AppSet
		default:
			all[i].App = AppConfigured
		}
	}
	slices.SortFunc(all, func(a, b Listed) int {
		return cmp.Or(-compareBool(a.Main, b.Main), strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)), strings.Compare(a.ID, b.ID))
	})
	return all, nil
}

// Configured returns the services that a shared app is set for, the main one first.
func (v *Vault) Configured(ctx context.Context) ([]Service, error) {
	listed, err := v.Services(ctx)
	var all []Service
	for _, l := range listed {
		if l.App != "" {
			all = append(all, l.Service)
		}
	}
	return all, err
}

// OperatorAddresses are the addresses of the operator's own choice that the store
// knows, as schemes and hosts: those that are set as login addresses, and those of
// services that were defined here. They may lie in the operator's own network.
func OperatorAddresses(ctx context.Context, store interface {
	SettingsStore
	DefinitionStore
}) ([]string, error) {
	settings, err := store.AllServiceSettings(ctx)
	if err != nil {
		return nil, err
	}
	definitions, err := store.ServiceDefinitions(ctx)
	if err != nil {
		return nil, err
	}
	var all []string
	for _, set := range settings {
		all = append(all, set.LoginURL)
	}
	for _, d := range definitions {
		all = append(all, addressesOf(d)...)
	}
	return all, nil
}

func addressesOf(d ServiceDefinition) (all []string) {
	var s Service
	if json.Unmarshal([]byte(d.Definition), &s) != nil {
		return nil // Service tells
	}
	for _, address := range []string{s.LoginURL, s.AuthorizeURL, s.TokenURL, s.IntrospectURL, s.UserinfoURL, s.Revoke.URL} {
		if u, err := url.Parse(address); err == nil && u.Host != "" {
			all = append(all, u.Scheme+"://"+u.Host)
		}
	}
	for _, host := range s.APIHosts {
		all = append(all, "https://"+host)
	}
	if s.CallHost != "" {
		all = append(all, "https://"+s.CallHost)
	}
	return all
}

// The bounds of a definition.
const (
	maxServiceID  = 40
	maxAddress    = 500
	maxList       = 50
	maxDefinition = 16 << 10 // bytes
)

// problems are what is wrong with a definition, a line each.
func (s Service) problems() (all []string) {
	note := func(ok bool, format string, args ...any) {
		if !ok {
			all = append(all, fmt.Sprintf(format, args...))
		}
	}
	note(validID(s.ID), "id: it has to be 1 to %d of the characters a-z, 0-9 and -, and to begin and end with no -", maxServiceID)
	note(s.Name != "" && len(s.Name) <= 60 && printable(s.Name), "name: it is missing, too long, or has control characters in it")
	note(validAddress(s.LoginURL, false) && !strings.HasSuffix(s.LoginURL, "/"), "login url: it has to be https (http for this machine alone) and a host, as https://sso.example")
	for _, e := range []struct {
		name, value string
		needed      bool
	}{{"authorize url", s.AuthorizeURL, true}, {"token url", s.TokenURL, true}, {"introspect url", s.IntrospectURL, false},
		{"userinfo url", s.UserinfoURL, false}, {"revoke url", s.Revoke.URL, false}} {
		note(e.value == "" && !e.needed || validEndPoint(e.value), "%s: it has to be an https address (http for this machine alone), or a path below the login url", e.name)
	}
	for name, hosts := range map[string][]string{"host": s.HostSuffixes, "api host": s.APIHosts} {
		note(len(hosts) <= maxList && !slices.ContainsFunc(hosts, func(h string) bool { return !validHost(h) }), "%s: it has to be the name of a host; with a dot before it, of those below", name)
	}
	for name, scopes := range map[string][]string{"scope": s.Scopes, "needed scope": s.NeedScopes} {
		note(len(scopes) <= maxList && len(malformed(scopes)) == 0, "%s: it has characters that no scope has", name)
	}
	note(slices.Contains([]string{"", " ", ","}, s.Separator), "separator: it has to be a space or a comma")
	for what, params := range map[string]map[string]string{"param": s.Params, "ask param": s.AskParams} {
		note(len(params) <= maxList, "%s: there are too many", what)
		for name, value := range params {
			note(validWord(name) && len(value) <= maxAddress && printable(value) && !slices.Contains(protocolParams, name), "%s %.40q: it can't be set", what, name)
		}
	}
	note(len(s.AllowParams) <= maxList && !slices.ContainsFunc(s.AllowParams, func(name string) bool { return !allowable(name) }),
		"allow param: it can't be one that the protocol sets, or that says the whole request anew: %s", strings.Join(append(slices.Clone(protocolParams), requestParams...), ", "))
	note(!s.Public || !s.NoPKCE, "public: a client without a secret needs the code challenge (PKCE), which is what its codes are protected by (OAuth 2.1, section 4.1.1)")
	note(!s.Public || !s.BasicAuth && s.Revoke.Auth != AuthBasic, "public: a client without a secret has nothing to authenticate with in a header")
	note(len(s.NativeFields) <= maxList && !slices.ContainsFunc(s.NativeFields, func(f string) bool { return !keepable(f) }), "native: a field has a plain name, and none with token, secret, password or key in it but token_type")
	note(len(s.APIPrefixes) <= maxList && !slices.ContainsFunc(s.APIPrefixes, func(p string) bool { return !validPrefix(p) }), "api prefix: it has to be a path as /crm/, with nothing escaped; one that ends without a slash is that path alone")
	note(s.CallHost == "" || validHost(s.CallHost) && s.CallHost[0] != '.' && (len(s.APIHosts) == 0 || within(s.CallHost, s.APIHosts)), "call host: it has to be the name of a host, one of the api hosts where there are any")
	note(s.LoginParam == "" || validWord(s.LoginParam) && len(s.HostSuffixes) > 0, "login param: it has to be the name of a parameter, and hosts are needed")
	note(s.InstanceField == "" || len(s.HostSuffixes)+len(s.APIHosts) > 0, "instance field: hosts are needed, to one of which it may lead")
	for name, path := range map[string]string{"org field": s.OrgField, "user field": s.UserField, "name field": s.NameField, "instance field": s.InstanceField,
		"revoke field": s.Revoke.Field, "error field": strings.Join(s.ErrorFields, "."), "token scheme": s.TokenScheme, "refresh scope": s.RefreshScope} {
		note(path == "" || validWord(path), "%s: it has characters that don't belong there", name)
	}
	note(slices.Contains([]string{AuthIfAsked, AuthClient, AuthBasic, AuthToken}, s.Revoke.Auth), "revoke auth: there is %s, %s and %s", AuthClient, AuthBasic, AuthToken)
	note(slices.Contains([]string{EndsItself, EndsUsers, EndsOrgs}, s.Revoke.Ends), "revoke ends: there is %s and %s", EndsUsers, EndsOrgs)
	note(slices.Contains([]string{"", http.MethodPost, http.MethodDelete, http.MethodGet}, s.Revoke.Method), "revoke method: there is POST, DELETE and GET")
	note(s.Revoke.Method != http.MethodGet || strings.Contains(s.Revoke.URL, "{token}") || s.Revoke.Auth == AuthToken, "revoke method: a GET needs {token} in the address, or the token in a header")
	note(len(s.Permanent)+len(s.Revoke.Gone)+len(s.ErrorFields) <= maxList, "error codes: there are too many")
	b, err := json.Marshal(s)
	note(err == nil && len(b) <= maxDefinition, "it is too long")
	slices.Sort(all)
	return all
}

// keepable reports whether a field of an answer may be kept: one whose name says that it
// is a secret may not.
func keepable(field string) bool {
	lower := strings.ToLower(field)
	secret := slices.ContainsFunc([]string{"token", "secret", "password", "key"}, func(word string) bool { return strings.Contains(lower, word) })
	return strings.Trim(lower, "abcdefghijklmnopqrstuvwxyz0123456789_-") == "" && lower != "" && len(field) <= 60 && (!secret || field == "token_type")
}

// validPrefix reports whether a path of an API is one that calls can be held against. All
// of a host is none: what makes and ends tokens would be below it.
func validPrefix(prefix string) bool {
	clean, err := cleanPath(prefix)
	return err == nil && clean == prefix && prefix != "/"
}

func validID(id string) bool {
	return len(id) <= maxServiceID && !strings.Contains(id, ".") && cleanLabels(id)
}

func printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}

// validWord reports whether s may name a field, a parameter or a path of them.
func validWord(s string) bool {
	return s != "" && len(s) <= 200 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.|:/") == ""
}

func validHost(h string) bool {
	name := strings.TrimPrefix(h, ".")
	_, err := netip.ParseAddr(name)
	return len(h) <= 253 && cleanLabels(name) && strings.Contains(name, ".") && err != nil
}

// validEndPoint reports whether an end point is an address, or a path below the
// login address.
func validEndPoint(address string) bool {
	if path, ok := strings.CutPrefix(address, "/"); ok {
		return !strings.HasPrefix(path, "/") && validAddress("https://host.example/"+path, true)
	}
	return validAddress(address, true)
}

// validAddress reports whether an address is https, or http on this machine, with
// nothing in it that an address of ours has not; with a path where it may have one.
func validAddress(address string, path bool) bool {
	address = strings.NewReplacer("{client_id}", "x", "{token}", "x").Replace(address)
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" || u.User != nil || u.Opaque != "" || u.Fragment != "" || u.RawQuery != "" || u.ForceQuery ||
		len(address) > maxAddress || !path && u.Path != "" || strings.ContainsFunc(address, func(r rune) bool { return r <= ' ' || r > '~' || r == '\\' }) {
		return false
	}
	ip, err := netip.ParseAddr(u.Hostname())
	return u.Scheme == "https" || u.Scheme == "http" && (u.Hostname() == "localhost" || err == nil && ip.IsLoopback())
}
