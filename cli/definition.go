package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"gatepost/db"
	"gatepost/identity"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// part is a part of a service's definition, as service add, set and get know it.
type part struct {
	flag, usage string
	at          func(s *identity.Service) any // pointer to a string, bool, []string or map[string]string
}

// parts are all of them, in the order in which they are shown. Those whose flag is a
// setting too are set as that once the service is defined: see serviceSettings.
var parts = []part{
	{"name", "its name for people", func(s *identity.Service) any { return &s.Name }},
	{"login-url", "where users log in: scheme and host", func(s *identity.Service) any { return &s.LoginURL }},
	{"authorize-url", "authorize end point", func(s *identity.Service) any { return &s.AuthorizeURL }},
	{"token-url", "token end point", func(s *identity.Service) any { return &s.TokenURL }},
	{"introspect-url", "introspection end point (RFC 7662), if there is one", func(s *identity.Service) any { return &s.IntrospectURL }},
	{"userinfo-url", "end point that tells whose a token is, if there is one", func(s *identity.Service) any { return &s.UserinfoURL }},
	{"revoke-url", "revocation end point (RFC 7009), if there is one; {client_id} and {token} are filled in", func(s *identity.Service) any { return &s.Revoke.URL }},
	{"revoke-method", "POST, DELETE or GET; POST when left out", func(s *identity.Service) any { return &s.Revoke.Method }},
	{"revoke-field", "field with the token; token when left out", func(s *identity.Service) any { return &s.Revoke.Field }},
	{"revoke-json", "send an object rather than a form", func(s *identity.Service) any { return &s.Revoke.JSON }},
	{"revoke-auth", "client (as at the token end point), basic, or token (the token in a header); when left out, the client only if it is asked for", func(s *identity.Service) any { return &s.Revoke.Auth }},
	{"revoke-by-access-token", "only an access token can be revoked", func(s *identity.Service) any { return &s.Revoke.ByAccess }},
	{"revoke-gone", "code or status that says that a token is no more; may be given several times", func(s *identity.Service) any { return &s.Revoke.Gone }},
	{"revoke-ends", "user or org: whose other authorizations end with a token's", func(s *identity.Service) any { return &s.Revoke.Ends }},
	{"scope", "scopes to ask for, separated by spaces; may be given several times", func(s *identity.Service) any { return &s.Scopes }},
	{"need-scope", "scopes without which a connection is refused", func(s *identity.Service) any { return &s.NeedScopes }},
	{"refresh-scope", "scope that has to be asked for to get a refresh token, as offline_access", func(s *identity.Service) any { return &s.RefreshScope }},
	{"separator", "between scopes, when it is a comma", func(s *identity.Service) any { return &s.Separator }},
	{"param", "further parameter of the authorize end point, NAME=VALUE; may be given several times", func(s *identity.Service) any { return &s.Params }},
	{"ask-param", "parameter that has the service ask who is meant, NAME=VALUE; may be given several times", func(s *identity.Service) any { return &s.AskParams }},
	{"allow-param", "parameter of the authorize end point that an application may set, as hd; may be given several times; none when left out", func(s *identity.Service) any { return &s.AllowParams }},
	{"basic-auth", "the client authenticates in a header rather than in the form", func(s *identity.Service) any { return &s.BasicAuth }},
	{"public", "a public client, which has no secret: requests of the token end point have its client id alone, and need PKCE (OAuth 2.1)", func(s *identity.Service) any { return &s.Public }},
	{"no-pkce", "it takes no code challenge (PKCE)", func(s *identity.Service) any { return &s.NoPKCE }},
	{"no-refresh-token", "a connection may come without a refresh token; what has none lasts as long as its access token", func(s *identity.Service) any { return &s.RefreshOptional }},
	{"rotates", "a refresh token works once", func(s *identity.Service) any { return &s.Rotates }},
	{"native", "field of the token's answer that is kept and given out as native; may be given several times; when left out those that are known to hold no secret", func(s *identity.Service) any { return &s.NativeFields }},
	{"host", "further hosts to log in at; with a dot before it, all below", func(s *identity.Service) any { return &s.HostSuffixes }},
	{"api-host", "hosts that may see a token; any when left out", func(s *identity.Service) any { return &s.APIHosts }},
	{"api-prefix", "path of the API that may be called through Gatepost, as /v1/; may be given several times; none when left out", func(s *identity.Service) any { return &s.APIPrefixes }},
	{"call-host", "host at which it is called; the first of the api hosts when left out", func(s *identity.Service) any { return &s.CallHost }},
	{"login-param", "parameter of the callback that names the login address to go on at", func(s *identity.Service) any { return &s.LoginParam }},
	{"instance-field", "field that names the address of the API", func(s *identity.Service) any { return &s.InstanceField }},
	{"token-scheme", "how the API wants the token presented; Bearer when left out", func(s *identity.Service) any { return &s.TokenScheme }},
	{"org-field", "field with the id of the organisation", func(s *identity.Service) any { return &s.OrgField }},
	{"user-field", "field with the id of the user", func(s *identity.Service) any { return &s.UserField }},
	{"name-field", "field with a name for people", func(s *identity.Service) any { return &s.NameField }},
	{"errors-with-200", "a refusal may come with HTTP 200", func(s *identity.Service) any { return &s.ErrorsWith200 }},
	{"error-field", "field with the code of a refusal; error when left out", func(s *identity.Service) any { return &s.ErrorFields }},
	{"permanent-error", "code after which only connecting anew helps, beside those of RFC 6749", func(s *identity.Service) any { return &s.Permanent }},
}

// isSetting reports whether a part is set over the definition, by its name as a flag.
func (p part) isSetting() bool { return slices.Contains(serviceSettings, p.flag) }

// definitionFlags are parts as flags of a command, which write into s.
func definitionFlags(f *pflag.FlagSet, s *identity.Service, parts []part) {
	for _, p := range parts {
		switch at := p.at(s).(type) {
		case *string:
			f.StringVar(at, p.flag, "", p.usage)
		case *bool:
			f.BoolVar(at, p.flag, false, p.usage)
		case *[]string:
			f.Var(&listFlag{at, p.flag == "host" || p.flag == "api-host"}, p.flag, p.usage)
		case *map[string]string:
			f.Var(&pairsFlag{at}, p.flag, p.usage)
		}
	}
}

// listFlag is a flag that may be given several times, with words between spaces, or
// commas.
type listFlag struct {
	at     *[]string
	commas bool
}

// Set adds words.
func (l *listFlag) Set(text string) error {
	if l.commas {
		text = strings.ReplaceAll(text, ",", " ")
	}
	*l.at = append(*l.at, strings.Fields(text)...)
	return nil
}

// String is the words.
func (l *listFlag) String() string {
	if l.at == nil {
		return ""
	}
	return strings.Join(*l.at, " ")
}

// Type is what the help calls it.
func (l *listFlag) Type() string { return "strings" }

// pairsFlag is a flag of names with values.
type pairsFlag struct{ at *map[string]string }

// Set adds a pair.
func (p *pairsFlag) Set(pair string) error {
	name, value, ok := strings.Cut(pair, "=")
	if !ok {
		return fmt.Errorf("%s: it has to be NAME=VALUE", plain(pair))
	}
	if *p.at == nil {
		*p.at = map[string]string{}
	}
	(*p.at)[name] = value
	return nil
}

// String is the pairs.
func (p *pairsFlag) String() string {
	if p.at == nil {
		return ""
	}
	return pairs(*p.at)
}

// Type is what the help calls it.
func (p *pairsFlag) Type() string { return "NAME=VALUE" }

func pairs(values map[string]string) string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(values)) {
		all = append(all, name+"="+values[name])
	}
	return strings.Join(all, " ")
}

// copyTo sets a part of a definition to that of another.
func (p part) copyTo(to, from *identity.Service) {
	switch at := p.at(to).(type) {
	case *string:
		*at = *p.at(from).(*string)
	case *bool:
		*at = *p.at(from).(*bool)
	case *[]string:
		*at = *p.at(from).(*[]string)
	case *map[string]string:
		*at = *p.at(from).(*map[string]string)
	}
}

// text is a part as people read it; empty for what isn't said.
func (p part) text(s *identity.Service) string {
	switch at := p.at(s).(type) {
	case *string:
		return *at
	case *bool:
		if *at {
			return "yes"
		}
	case *[]string:
		return strings.Join(*at, " ")
	case *map[string]string:
		return pairs(*at)
	}
	return ""
}

// definitionChange is what service set was told of a definition: the parts whose flags
// were given, and those to take back.
type definitionChange struct {
	given identity.Service
	parts []part
}

// definitionChange reads which parts are to be changed, and which names of --unset are
// of settings.
func newDefinitionChange(given identity.Service, changed func(flag string) bool, unset []string) (c definitionChange, settings []string) {
	c.given = given
	settings = slices.Clone(unset)
	for _, p := range parts {
		if p.isSetting() {
			continue
		}
		if slices.Contains(unset, p.flag) {
			p.copyTo(&c.given, &identity.Service{})
			settings = slices.DeleteFunc(settings, func(name string) bool { return name == p.flag })
		} else if !changed(p.flag) {
			continue
		}
		c.parts = append(c.parts, p)
	}
	return c, settings
}

// apply makes the change.
func (c definitionChange) apply(s *identity.Service) {
	for _, p := range c.parts {
		p.copyTo(s, &c.given)
	}
}

// changeDefinition changes the definition of a service that the operator has defined.
func (p *program) changeDefinition(ctx context.Context, store *db.DB, c identityConfig, id string, change definitionChange) error {
	all, err := c.definitions(store)
	if err != nil {
		return err
	}
	err = all.ChangeDefinition(ctx, id, change.apply)
	var wrong *identity.DefinitionError
	var fixed *identity.FixedError
	switch {
	case errors.Is(err, identity.ErrBuiltIn):
		return fmt.Errorf("%s is built in: how it is spoken to is part of Gatepost, and --%s can't be set. Its app, scopes and login address can; for another way define a service of your own, with gatepost service add", id, change.parts[0].flag)
	case errors.Is(err, identity.ErrNoService):
		return fmt.Errorf("there is no service %q; gatepost service ls lists those that there are", id)
	case errors.As(err, &wrong):
		return wrong
	case errors.As(err, &fixed):
		return fixed
	}
	return err
}

// printDefinition prints what of a definition is said.
func (p *program) printDefinition(s identity.Service, from string) error {
	return p.table("DEFINITION\t"+s.ID+"\t"+from, func(w io.Writer) {
		for _, part := range parts {
			if text := part.text(&s); text != "" && !part.isSetting() {
				_, _ = fmt.Fprintf(w, "%s\t%s\t\n", strings.ToUpper(strings.ReplaceAll(part.flag, "-", " ")), plain(text))
			}
		}
	})
}

// settable are the parts that service set changes in a definition.
func settable() []part {
	return slices.DeleteFunc(slices.Clone(parts), part.isSetting)
}

// withFlags adds the settable parts to the flags of a command.
func withFlags(cmd *cobra.Command, s *identity.Service) { definitionFlags(cmd.Flags(), s, settable()) }
