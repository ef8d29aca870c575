package mockzoho

import (
	"regexp"
	"slices"
	"strings"
)

// scopeSyntax is what Zoho CRM and its neighbours know as scopes, in any case.
var scopeSyntax = regexp.MustCompile(`(?i)^(` +
	`ZohoCRM\.modules(\.[a-z_]+)?\.(ALL|READ|CREATE|UPDATE|DELETE|WRITE)` +
	`|ZohoCRM\.settings(\.[a-z_]+)?\.(ALL|READ|CREATE|UPDATE|DELETE|WRITE)` +
	`|ZohoCRM\.(coql|org|users|bulk|notifications|composite_requests)\.(ALL|READ|CREATE|UPDATE|DELETE|WRITE)` +
	`|ZohoSearch\.securesearch\.READ|AaaServer\.profile\.READ|openid|email|profile)$`)

// scopes are what a token may do.
type scopes []string

// parseScopes cuts what an app asks for: by commas, and by spaces where that is allowed.
func parseScopes(text string, spaced bool) (list scopes, ok bool) {
	list = strings.FieldsFunc(text, func(r rune) bool { return r == ',' || spaced && r == ' ' })
	slices.Sort(list)
	list = slices.Compact(list)
	unknown := slices.ContainsFunc(list, func(s string) bool { return !scopeSyntax.MatchString(s) })
	return list, len(list) > 0 && !unknown
}

// any reports whether one of some scopes is there.
func (s scopes) any(wanted ...string) bool {
	return slices.ContainsFunc(wanted, func(w string) bool {
		return slices.ContainsFunc(s, func(has string) bool { return strings.EqualFold(has, w) })
	})
}

// module reports whether records of a module may be read, created, updated or deleted.
func (s scopes) module(name, op string) bool {
	wanted := []string{"ZohoCRM.modules.ALL", "ZohoCRM.modules." + op, "ZohoCRM.modules." + name + ".ALL", "ZohoCRM.modules." + name + "." + op}
	if op != "READ" {
		wanted = append(wanted, "ZohoCRM.modules.WRITE", "ZohoCRM.modules."+name+".WRITE")
	}
	return s.any(wanted...)
}

// group reports whether something else may be read, such as coql or settings.fields.
func (s scopes) group(name string) bool {
	above, _, _ := strings.Cut(name, ".")
	return s.any("ZohoCRM."+name+".ALL", "ZohoCRM."+name+".READ", "ZohoCRM."+above+".ALL", "ZohoCRM."+above+".READ")
}
