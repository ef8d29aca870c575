package mockzoho

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"gatepost/simulated"
)

// apiRoot is where the API begins; its version follows.
const apiRoot = "/crm/v"

// Versions of the API that are answered, all alike.
const (
	oldestVersion = 2
	newestVersion = 8
)

// maxBody is how much a write may send.
const maxBody = 10 << 20

// session is what a valid access token stands for.
type session struct {
	member
	org    org
	client string
	scopes scopes
}

// hides reports whether the user may not see a field.
func (v session) hides(name string) bool { return slices.Contains(v.profile.HiddenFields, name) }

// reply is an answer before it is written.
type reply struct {
	status int
	body   any // nil: none, with 204
}

var noContent = reply{status: http.StatusNoContent}

// call is one call of the API.
type call struct {
	s       *Server
	who     session
	set     *conf
	mod     *module // that the path names
	kind    string
	version int
	path    []string // what matched the endpoint's wildcards, the module aside
	query   url.Values
	in      http.Header
	header  http.Header // of the answer
	body    []byte

	ahead map[string][]*record // what an upsert that races has found
}

// endpoint is one method of a path below the version; * stands for any segment, and
// {module} for a module's name.
type endpoint struct {
	method, pattern string
	kind            string // for faults and counters
	scoped          func(c *call) bool
	cost            func(c *call) int // in credits; nil: 1
	heavy           func(c *call) bool
	do              func(c *call, ctx context.Context) (reply, error)
}

// of asks for the scope of something that isn't records.
func of(group string) func(*call) bool {
	return func(c *call) bool { return c.who.scopes.group(group) }
}

// records asks for the scope of records.
func records(op string) func(*call) bool {
	return func(c *call) bool { return c.who.scopes.module(c.mod.Name, op) }
}

func always(*call) bool     { return true }
func manyRows(c *call) bool { return c.rows() > 10 }
func tenRows(c *call) int   { return max(1, (c.rows()+9)/10) }
func two(*call) int         { return 2 }
func fifty(*call) int       { return 50 }
func searching(c *call) bool {
	return c.who.scopes.any("ZohoSearch.securesearch.READ") && records("READ")(c)
}
func queryScope(c *call) bool { return c.who.scopes.group("coql") }

var endpoints []endpoint

func init() {
	// Filled here because composite requests lead back to this table.
	endpoints = []endpoint{
		{"GET", "org", "org", of("org"), nil, nil, (*call).showOrg},
		{"GET", "users", "users", of("users"), nil, nil, (*call).listUsers},
		{"GET", "users/*", "users", of("users"), nil, nil, (*call).showUser},
		{"GET", "settings/fields", "settings", of("settings.fields"), nil, nil, (*call).listFields},
		{"GET", "settings/layouts", "settings", of("settings.layouts"), nil, nil, (*call).listLayouts},
		{"GET", "settings/modules", "settings", of("settings.modules"), nil, nil, (*call).listModules},
		{"GET", "settings/modules/*", "settings", of("settings.modules"), nil, nil, (*call).showModule},
		{"GET", "settings/duplicate_check_preference", "settings", of("settings.duplicate_check_preference"), nil, nil, (*call).duplicatePreference},
		{"POST", "coql", "coql", queryScope, queryCost, always, (*call).runQuery},
		{"POST", "__composite_requests", "composite", always, nil, always, (*call).composite},
		{"GET", "{module}/deleted", "deleted", records("READ"), two, nil, (*call).listDeleted},
		{"GET", "{module}/search", "search", searching, nil, always, (*call).search},
		{"GET", "{module}/actions/count", "count", records("READ"), fifty, nil, (*call).countRecords},
		{"POST", "{module}/actions/add_tags", "tags", records("UPDATE"), nil, nil, (*call).addTags},
		{"POST", "{module}/upsert", "upsert", records("CREATE"), tenRows, manyRows, (*call).upsertMany},
		{"GET", "{module}", "list", records("READ"), nil, nil, (*call).listRecords},
		{"POST", "{module}", "insert", records("CREATE"), tenRows, manyRows, (*call).insertMany},
		{"PUT", "{module}", "update", records("UPDATE"), tenRows, manyRows, (*call).updateMany},
		{"DELETE", "{module}", "delete", records("DELETE"), tenIDs, manyIDs, (*call).removeMany},
		{"GET", "{module}/*", "get", records("READ"), nil, nil, (*call).showRecord},
		{"PUT", "{module}/*", "update", records("UPDATE"), nil, nil, (*call).updateOne},
		{"DELETE", "{module}/*", "delete", records("DELETE"), nil, nil, (*call).removeMany},
	}
}

// rows is how many rows the body has, of whatever kind.
func (c *call) rows() int {
	var in struct {
		Data []json.RawMessage `json:"data"`
	}
	_ = json.Unmarshal(c.body, &in) // what isn't JSON is refused later
	return len(in.Data)
}

func (c *call) ids() int   { return strings.Count(c.query.Get("ids"), ",") + 1 }
func manyIDs(c *call) bool { return c.ids() > 10 }
func tenIDs(c *call) int   { return (c.ids() + 9) / 10 }

// versionOf is the version in a path, 0 when there is none.
func versionOf(path string) int {
	text, _, _ := strings.Cut(strings.TrimPrefix(path, apiRoot), "/")
	major, _, _ := strings.Cut(text, ".") // v2.1 and its like are answered, too
	n, err := strconv.Atoi(major)
	if err != nil {
		return 0
	}
	return n
}

// findEndpoint finds what a path and a method mean, with the values of the wildcards and
// the module's name. Without the endpoint, known tells whether another method has one.
func findEndpoint(method, path string) (found *endpoint, wild []string, mod string, known bool) {
	for i := range endpoints {
		got, name, ok := endpoints[i].match(path)
		if !ok {
			continue
		}
		if endpoints[i].method == method {
			return &endpoints[i], got, name, true
		}
		known = true
	}
	return nil, nil, "", known
}

func (e *endpoint) match(path string) (wild []string, mod string, ok bool) {
	pattern, parts := strings.Split(e.pattern, "/"), strings.Split(path, "/")
	if len(pattern) != len(parts) {
		return nil, "", false
	}
	for i, p := range pattern {
		part, err := url.PathUnescape(parts[i])
		switch {
		case err != nil || part == "":
			return nil, "", false
		case p == "*":
			wild = append(wild, part)
		case p == "{module}" && part != "settings" && part != "users" && part != "org" && part != "coql":
			mod = part
		case p != part:
			return nil, "", false
		}
	}
	return wild, mod, true
}

// below is the path below the version.
func below(path string) string {
	_, rest, _ := strings.Cut(strings.TrimPrefix(path, apiRoot), "/")
	return rest
}

// serveAPI answers /crm/v… and all below.
func (s *Server) serveAPI(w http.ResponseWriter, r *http.Request) {
	rep, err := s.answer(r, w.Header())
	if err != nil {
		e, ok := errors.AsType[*apiError](err)
		if !ok {
			s.core.Log.Error("api", "path", r.URL.Path, "error", err)
			e = errInternal
		}
		rep = reply{e.http, e.body()}
	}
	if rep.body == nil {
		w.WriteHeader(rep.status)
		return
	}
	simulated.JSON(w, rep.status, rep.body)
}

// answer does what a request asks for.
func (s *Server) answer(r *http.Request, header http.Header) (reply, error) {
	version := versionOf(r.URL.Path)
	e, wild, mod, known := findEndpoint(r.Method, below(r.URL.EscapedPath()))
	switch {
	case version < oldestVersion || version > newestVersion || !known:
		return reply{}, errNoURL
	case e == nil:
		return reply{}, errNoMethod
	}
	who, err := s.admit(r)
	if err != nil {
		return reply{}, err
	}
	body, err := bodyOf(r)
	if err != nil {
		return reply{}, err
	}
	c := &call{s: s, who: who, set: s.setup.Of(who.org.ID), kind: e.kind, version: version, path: wild,
		query: r.URL.Query(), in: r.Header, header: header, body: body}
	return c.run(r.Context(), e, mod)
}

// run answers a call when its token may make it and its org has credits left.
func (c *call) run(ctx context.Context, e *endpoint, mod string) (reply, error) {
	if strings.HasPrefix(e.pattern, "{module}") {
		if c.mod = c.set.schema.module(mod); c.mod == nil {
			return reply{}, errModule
		}
	}
	if err := c.permitted(e); err != nil {
		return reply{}, err
	}
	leave, err := c.enter(e.heavy != nil && e.heavy(c))
	if err != nil {
		return reply{}, err
	}
	defer leave()
	cost := 1
	if e.cost != nil {
		cost = e.cost(c)
	}
	if err := c.spend(ctx, e.kind, cost); err != nil {
		return reply{}, err
	}
	return e.do(c, ctx)
}

// admit finds whose call this is, at the host where the token is good.
func (s *Server) admit(r *http.Request) (session, error) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if token = strings.TrimSpace(token); token == "" {
		return session{}, errNoToken
	}
	who, err := s.session(r.Context(), token)
	if errors.Is(err, sql.ErrNoRows) {
		return who, errInvalidToken
	}
	if err != nil {
		return who, err
	}
	v := s.setup.Of(who.org.ID)
	if !strings.EqualFold(scheme, "Zoho-oauthtoken") && !(v.AcceptBearer && strings.EqualFold(scheme, "Bearer")) {
		return who, errNoToken
	}
	if at, ok := locate(r.Host); !ok || at != who.org.at {
		return who, errInvalidToken
	}
	if !who.Active {
		return who, inactive(v.InactiveAnswer)
	}
	return who, nil
}

// inactive is what a user is told whom the org has switched off.
func inactive(code string) error {
	switch code {
	case "INVALID_TOKEN":
		return errInvalidToken
	case "NO_PERMISSION":
		return fail(http.StatusForbidden, "NO_PERMISSION", "permission denied", details{"permissions": []string{}})
	}
	return errNoToken
}

// session returns what a live access token stands for, or sql.ErrNoRows.
func (s *Server) session(ctx context.Context, token string) (v session, err error) {
	var user, orgID, scope string
	err = s.core.Read.QueryRowContext(ctx, `SELECT g.user, g.org, g.client, g.scope FROM access_tokens t JOIN grants g ON g.id = t.grant_id
		WHERE t.token = $1 AND t.expires > $2`, token, s.core.Now()).Scan(&user, &orgID, &v.client, &scope)
	if err != nil {
		return v, err
	}
	v.scopes = strings.Split(scope, ",")
	if v.org, err = s.org(ctx, orgID); err != nil {
		return v, err
	}
	v.member, err = s.member(ctx, s.core.Read, orgID, user)
	return v, err
}

// permitted reports why the user or the token may not make a call.
func (c *call) permitted(e *endpoint) error {
	if !c.who.profile.APIAccess {
		return noPermission("Crm_Implied_Api_Access")
	}
	if !e.scoped(c) {
		no := fail(http.StatusUnauthorized, "OAUTH_SCOPE_MISMATCH", "invalid oauth scope to access this URL", nil)
		no.inData = c.set.ScopeErrorInData && c.mod != nil
		return no
	}
	if c.mod == nil {
		return nil
	}
	if slices.Contains(c.who.profile.HiddenModules, c.mod.Name) {
		return errModule
	}
	switch p := c.who.profile; {
	case c.set.PermissionStyle == "row":
		return nil
	case (e.kind == "insert" || e.kind == "upsert") && slices.Contains(p.NoCreate, c.mod.Name):
		return c.unprivileged("add", "Create")
	case (e.kind == "update" || e.kind == "upsert") && slices.Contains(p.NoUpdate, c.mod.Name):
		return c.unprivileged("edit", "Edit")
	}
	return nil
}

func noPermission(permissions ...string) error {
	return fail(http.StatusForbidden, "NO_PERMISSION", "permission denied", details{"permissions": permissions})
}

// unprivileged refuses a write that the user's profile doesn't allow.
func (c *call) unprivileged(verb, permission string) error {
	if c.set.PermissionStyle == "no_permission" {
		return noPermission("Crm_Implied_" + permission + "_" + c.mod.Name)
	}
	return rowError("AUTHORIZATION_FAILED", "User does not have sufficient privilege to "+verb+" records", nil)
}

// may reports why a row can't be written, where profiles are told of row by row.
func (c *call) may(verb string, modules []string) error {
	if !slices.Contains(modules, c.mod.Name) {
		return nil
	}
	return rowError("NO_PERMISSION", "Permission denied to "+verb+" records", nil)
}

// bodyOf reads a request's body, which must not say that it is anything but JSON.
func bodyOf(r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil || r.Method == http.MethodGet || r.Method == http.MethodDelete {
		return nil, err
	}
	if len(body) > maxBody {
		return nil, fail(http.StatusRequestEntityTooLarge, "REQUEST_BODY_TOO_LARGE", "the request body is too large", nil)
	}
	kind := r.Header.Get("Content-Type") // Zoho's own libraries name none
	if media, _, _ := mime.ParseMediaType(kind); kind != "" && media != "application/json" {
		return nil, fail(http.StatusUnsupportedMediaType, "UNSUPPORTED_MEDIA_TYPE", "the content type must be application/json", nil)
	}
	return body, nil
}
