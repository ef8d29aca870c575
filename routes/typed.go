package routes

import (
	"cmp"
	"maps"
	"net/url"
	"slices"
	"strings"

	"gatepost/auth"
	"gatepost/crm"
	"gatepost/db"
	"gatepost/views"

	"github.com/gofiber/fiber/v2"
)

// What somebody types may be lost to a log-in: the session ended, or ended in another tab.
// So the log-in page carries it, and afterwards it is shown to who typed it, to be sent
// again by hand.

// act is what a form of the portal does. Each route that takes one has its row in acts.
type act struct {
	back   string       // route of the page that the form is on, with the same parameters; "" for the first page
	typed  []typedField // what is carried through a log-in: never a password or a secret
	secret bool         // it has a secret too
}

// typedField is a field of a form, or, where the name ends in *, all whose names begin so. One
// without a label isn't shown: what it says stands on the page, as which problem a note is about.
// In a label, {} is the rest of such a name.
type typedField struct{ name, label string }

// rest is what a name has beyond the field's; ok is false for the name of another field.
func (f typedField) rest(name string) (rest string, ok bool) {
	prefix, many := strings.CutSuffix(f.name, "*")
	if !many {
		return "", name == f.name
	}
	return strings.CutPrefix(name, prefix)
}

// called is the label of a name of the field's, in the words of the CRM that the form is about where
// it has some; p is nil where the form is about none.
func (f typedField) called(name string, p *crm.Provider) string {
	rest, _ := f.rest(name)
	label := strings.ReplaceAll(f.label, "{}", rest)
	if p == nil {
		return label
	}
	if o, ok := p.Option(crm.OptionName(f.name)); ok && label != "" {
		return o.Label
	}
	if p.Logins != nil && f.name == "my_domain" {
		return p.Logins.Label
	}
	return label
}

// field returns what is carried of an act's fields under a name, and whether anything is.
func (a act) field(name string) (typedField, bool) {
	i := slices.IndexFunc(a.typed, func(f typedField) bool { _, ok := f.rest(name); return ok })
	if i < 0 {
		return typedField{}, false
	}
	return a.typed[i], true
}

// acts are all that the portal's forms do, by the route that takes them. Where nothing is
// typed, as on a page that asks whether one is sure, nothing is carried: one is led back
// to the page.
var acts = map[string]act{
	"/tenant":                   {},
	"/logout":                   {},
	"/account/password":         {back: "/account"},
	"/account/mails":            {back: "/settings/notifications"},
	"/settings":                 {back: "/settings", typed: []typedField{{"name", "Name"}, {"zone", "Time zone"}, {"place", ""}}},
	"/settings/notifications":   {back: "/settings/notifications"},
	"/account/sessions/end":     {back: "/account"},
	"/account/sessions/end-all": {back: "/account"},
	"/newsletters":              {back: "/newsletters/new", typed: []typedField{{"name", "Name"}, {"slug", "URL name"}, {"sender", "Sender"}, {"language", ""}}},
	"/newsletters/:slug/settings": {back: "/newsletters/:slug/settings", typed: []typedField{{"name", "Name"}, {"slug", "URL name"}, {"description", "Description"}, {"sender", "Sender"}, {"privacy", "Privacy policy"},
		{"language", ""}, {"accent", "Colour"}, {"look", ""}, {"thanks", "Thank-you text"}, {"redirect", "Address to go on to"}, {"revision", ""}}},
	"/newsletters/:slug/protection": {back: "/newsletters/:slug/protection", typed: []typedField{{"on", ""}, {"check", ""}, {"proof", ""}, {"network", "From one network in ten minutes"}, {"agent", "Alike in ten minutes"}, {"mailbox", "Spellings of a mailbox in an hour"},
		{"domains", "Further domains of throw-away addresses"}, {"allowed", "Domains that are never held"}, {"blocked", ""}, {"typos", ""}, {"findable", ""}, {"revision", ""}}},
	"/quarantine":        {back: "/quarantine"},
	"/quarantine/reject": {back: "/quarantine/reject"},
	"/newsletters/:slug/form": {back: "/newsletters/:slug", typed: []typedField{{"ref", ""}, {"type", ""}, {"label", "Labels"}, {"help", ""}, {"placeholder", ""}, {"most", ""}, {"pattern", ""}, {"purpose", ""}, {"options", ""}, {"from", ""}, {"key", ""},
		{"required", ""}, {"prefill", ""}, {"words", "What readers agree to"}, {"box", ""}, {"button", "Button"}, {"version", ""}, {"do", ""}}},
	"/newsletters/:slug/preview":        {back: "/newsletters/:slug"},
	"/newsletters/:slug/confirmation":   {back: "/newsletters/:slug/settings", typed: []typedField{{"confirm", ""}, {"confirm_days", "Days that the link works"}, {"keep_days", "Days until erased"}, {"revision", ""}}},
	"/newsletters/:slug/state":          {back: "/newsletters/:slug/settings"},
	"/newsletters/:slug/embed":          {back: "/newsletters/:slug/embed", typed: []typedField{{"sites", "Sites with the form"}}},
	"/newsletter/signup":                {back: "/newsletter/signup", typed: []typedField{{"newsletter", "Newsletter"}, {"shown", ""}, {"email", "E-mail address"}, {"first_name", "First name"}, {"last_name", "Last name"}, {ownPrefix + "*", "Field {}"}}},
	"/subscribers/:id/edit":             {back: "/subscribers/:id/edit", typed: []typedField{{"email", "E-mail address"}, {"first_name", "First name"}, {"last_name", "Last name"}}},
	"/subscribers/:id/leave":            {back: "/subscribers/:id/leave", typed: []typedField{{"note", "Reason"}}},
	"/suppression-list":                 {back: "/suppression-list"},
	"/suppression-list/remove":          {back: "/suppression-list", typed: []typedField{{"email", "E-mail address"}}},
	"/subscribers/:id/erase":            {back: "/subscribers/:id/erase", typed: []typedField{{"why", "Reason"}, {wayPrefix + "*", ""}}},
	"/subscribers/:id/erased/give-up":   {back: "/subscribers/:id/erased"},
	"/settings/retention":               {back: "/settings/retention", typed: []typedField{{"left", "Who left"}, {"dismissed", "Who was dismissed"}, {"addresses", "IP address and browser"}}},
	"/newsletter/signup/:id/undo":       {back: "/newsletter/signup/:id/undo"},
	"/subscribers/:id/retry":            {back: "/subscribers/:id"},
	"/subscribers/:id/return":           {back: "/subscribers/:id"},
	"/subscribers/:id/dismiss":          {back: "/subscribers/:id", typed: []typedField{{"note", "Reason"}}},
	"/integrations/:service/app":        {back: "/integrations/:service/app", typed: []typedField{{"client_id", "Client ID"}, {"scopes", "Scopes"}, {"host", "Host"}}, secret: true},
	"/integrations/:service/app/remove": {back: "/integrations/:service/app"},
	"/integrations/:service/connect":    {back: "/integrations", typed: []typedField{{"my_domain", "Address to log in at"}, {"login", ""}}},
	"/integrations/:service/held":       {back: "/integrations"},
	"/integrations/:service/disconnect": {back: "/integrations"},
	"/integrations/:service/settings": {back: "/integrations/:service/settings", typed: []typedField{{"key", "Unique field"}, {"placeholder", "Last name when none is given"},
		{"one", ""}, {"several", ""}, {"leads", ""}, {"save", ""}, {"share", ""}, {"pace", ""}}},
	"/integrations/:service/mapping": {back: "/integrations/:service/mapping", typed: []typedField{{"target-*", "Field"}, {"source-*", ""}, {"text-*", "Fixed text"}, {"rule-*", ""}, {"from-*", ""}, {"value-*", ""},
		{"for", "Newsletter"}, {"add", ""}, {"person", "Preview with the address"}, {"revision", ""}, {"act", ""}}},
	"/integrations/:service/mapping/read":  {back: "/integrations/:service/mapping"},
	"/integrations/:service/mapping/apply": {back: "/integrations/:service/mapping/apply"},
	"/integrations/:service/leaving":       {back: "/integrations/:service/leaving"},
	"/integrations/:service/leaving/read":  {back: "/integrations/:service/leaving"},
	"/integrations/:service/leaving/retry": {back: "/integrations/:service/leaving"},
	"/integrations/:service/newsletters":   {back: "/integrations/:service/newsletters"},
	"/integrations/:service/everybody":     {back: "/integrations/:service/everybody"},
	"/integrations/:service/remove":        {back: "/integrations/:service/remove"},
	"/integrations/:service/move":          {back: "/integrations/:service"},
	"/integrations/:service/checkup":       {back: "/integrations/:service/checkup"},
	"/integrations/:service/recount":       {back: "/integrations/:service/sum"},
	"/integrations/:service/retry":         {back: "/integrations/:service"},
	"/integrations/:service/try":           {back: "/integrations/:service"},
	"/integrations/:service/dismiss":       {back: "/integrations/:service", typed: []typedField{{"note", "Reason"}, {"reason", ""}}},
	"/integrations/:service/time-zone":     {back: "/settings", typed: []typedField{{"zone", "Time zone"}, {"place", ""}}},
}

// actOf returns what a form that is sent to a path does, with the values of the path's
// parameters. Of routes that fit, the one with the fewest parameters is meant.
func actOf(path string) (a act, values map[string]string, ok bool) {
	for route, candidate := range acts {
		if v, fits := matchRoute(route, path); fits && (!ok || len(v) < len(values)) {
			a, values, ok = candidate, v, true
		}
	}
	return a, values, ok
}

// matchRoute reports whether a route, as "/subscribers/:id", leads to a path, and
// returns what its parameters stand for.
func matchRoute(route, path string) (values map[string]string, ok bool) {
	wanted, got := strings.Split(route, "/"), strings.Split(path, "/")
	if len(wanted) != len(got) {
		return nil, false
	}
	values = map[string]string{}
	for i, part := range wanted {
		name, isParameter := strings.CutPrefix(part, ":")
		switch {
		case isParameter && got[i] != "" && got[i] != "." && got[i] != "..":
			values[name] = got[i]
		case isParameter || part != got[i]:
			return nil, false
		}
	}
	return values, true
}

// fillRoute puts values into a route's parameters.
func fillRoute(route string, values map[string]string) string {
	parts := strings.Split(route, "/")
	for i, part := range parts {
		if name, ok := strings.CutPrefix(part, ":"); ok {
			parts[i] = values[name]
		}
	}
	return strings.Join(parts, "/")
}

// typed is a form as somebody filled it in who wasn't logged in any more.
type typed struct {
	path   string // that it was sent to
	back   string // of the page that it is on
	act    act
	crm    string // service that it is about, if it is about one
	values url.Values
	author []byte // for whom its page was written
}

// maxTyped bounds what is carried through a log-in, in bytes.
const maxTyped = 16 << 10

// carry returns the form of this request as a page can carry it, "" when there is
// nothing typed in it or it is from elsewhere. It is an address with a query, which never
// is one: it stands in a form's field alone.
func (s *server) carry(c *fiber.Ctx) string {
	a, _, ok := actOf(c.Path())
	if !ok || !s.fromOurPages(c) {
		return ""
	}
	values, something := url.Values{}, false
	for name, sent := range allFields(c) {
		f, ok := a.field(name)
		empty := strings.TrimSpace(strings.Join(sent, "")) == ""
		if !ok || empty && name != f.name { // of many, only those with something: there is no more room
			continue
		}
		values[name] = sent
		something = something || f.label != "" && !empty
	}
	values.Set("csrf", field(c, "csrf"))
	text := c.Path() + "?" + values.Encode()
	if !something || len(text) > maxTyped {
		return ""
	}
	return text
}

// readTyped reads what carry returned, as somebody sends it who may have changed it.
func readTyped(carried string) (t typed, ok bool) {
	path, query, _ := strings.Cut(carried, "?")
	values, err := url.ParseQuery(query)
	a, parameters, known := actOf(path)
	if err != nil || len(carried) > maxTyped || !known || len(a.typed) == 0 {
		return typed{}, false
	}
	t = typed{path: path, back: fillRoute(a.back, parameters), act: a, crm: parameters["service"], values: url.Values{}}
	if _, t.author = auth.UnmaskForm(values.Get("csrf")); t.author == nil {
		return typed{}, false
	}
	for name, sent := range values {
		if _, ok := a.field(name); !ok {
			continue
		}
		for _, v := range sent {
			t.values.Add(name, strings.ToValidUTF8(v, "\uFFFD"))
		}
	}
	return t, true
}

// tenantOf returns in which of a user's tenants a form was filled in by them.
func (t typed) tenantOf(user db.User, tenants []db.Tenant) (db.Tenant, bool) {
	i := slices.IndexFunc(tenants, func(tenant db.Tenant) bool { return auth.EqualAuthors(t.author, auth.Author(user, tenant.ID)) })
	if i < 0 {
		return db.Tenant{}, false
	}
	return tenants[i], true
}

// showTyped shows somebody what they typed, with a button that sends it again.
func (s *server) showTyped(c *fiber.Ctx, status int, t typed) error {
	page := views.TypedPage{Page: s.page(c, "Send it again?", views.NavNone), Path: t.path, Back: t.back, Secret: t.act.secret}
	page.Zone = "" // there is no time on it
	names := slices.SortedFunc(maps.Keys(t.values), byLength)
	for _, f := range t.act.typed {
		for _, name := range names {
			if _, ok := f.rest(name); ok {
				page.Fields = append(page.Fields, views.TypedField{Name: name, Label: f.called(name, s.CRMs.Of(t.crm)), Values: t.values[name]})
			}
		}
	}
	return render(c, status, views.Typed(page))
}

// byLength puts shorter names first, so that target-10 comes after target-9.
func byLength(a, b string) int { return cmp.Or(len(a)-len(b), strings.Compare(a, b)) }
