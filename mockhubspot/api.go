package mockhubspot

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"gatepost/simulated"
)

// otherKind is the kind of whatever is no call of the API.
const otherKind = "other"

// reply is an answer before it is written.
type reply struct {
	status int
	body   any // nil: no body
}

// call is one call of the API.
type call struct {
	s       *Server
	who     session
	base    string // the address of this server
	version string // "2026-09"
	path    []string
	query   url.Values
	header  http.Header
	body    []byte
}

func (c *call) set() *settings { return c.s.set(c.who.org) }

// action answers one method of a resource.
type action struct {
	kind   string   // for faults and counters
	scopes []string // one of which the app must have, all of them named in a refusal
	do     func(c *call, ctx context.Context) (reply, error)
}

// resource is a path, "*" standing for any segment and "{v}" for a version.
type resource struct {
	pattern  []string
	versions []string
	methods  map[string]action
}

var (
	anyVersion  = []string{"2026-09", "2026-03", "v3"}
	preferences = []string{"2026-09", "2026-03", "v4"}

	readContacts  = []string{"crm.objects.contacts.read"}
	writeContacts = []string{"crm.objects.contacts.write"}
	readSchema    = []string{"crm.objects.contacts.read", "crm.objects.contacts.write", "crm.schemas.contacts.read", "crm.schemas.contacts.write"}
	readOwners    = []string{"crm.objects.owners.read"}
	writeSchema   = []string{"crm.schemas.contacts.write"}
	readConsent   = []string{"communication_preferences.read", "communication_preferences.read_write"}
	writeConsent  = []string{"communication_preferences.read_write", "communication_preferences.write"}
)

var resources = []resource{
	at("oauth/v1/token", map[string]action{"POST": {"token", nil, (*call).oldToken}}),
	at("oauth/{v}/token", map[string]action{"POST": {"token", nil, (*call).token}}),
	at("oauth/{v}/token/introspect", map[string]action{"POST": {"introspect", nil, (*call).introspect}}),
	at("oauth/{v}/token/revoke", map[string]action{"POST": {"revoke", nil, (*call).revoke}}),
	at("appinstalls/{v}/external-install", map[string]action{"DELETE": {"uninstall", nil, (*call).uninstall}}),
	at("account-info/{v}/details", map[string]action{"GET": {"account", nil, (*call).accountInfo}}),

	at("crm/objects/{v}/{contacts}", map[string]action{"GET": {"list", readContacts, (*call).list}, "POST": {"create", writeContacts, (*call).create}}),
	at("crm/objects/{v}/{contacts}/batch/read", map[string]action{"POST": {"batch_read", readContacts, (*call).batchRead}}),
	at("crm/objects/{v}/{contacts}/batch/create", map[string]action{"POST": {"batch_create", writeContacts, (*call).batchCreate}}),
	at("crm/objects/{v}/{contacts}/batch/update", map[string]action{"POST": {"batch_update", writeContacts, (*call).batchUpdate}}),
	at("crm/objects/{v}/{contacts}/batch/upsert", map[string]action{"POST": {"batch_upsert", writeContacts, (*call).batchUpsert}}),
	at("crm/objects/{v}/{contacts}/batch/archive", map[string]action{"POST": {"batch_archive", writeContacts, (*call).batchArchive}}),
	at("crm/objects/{v}/{contacts}/search", map[string]action{"POST": {"search", readContacts, (*call).search}}),
	at("crm/objects/{v}/{contacts}/merge", map[string]action{"POST": {"merge", writeContacts, (*call).merge}}),
	at("crm/objects/{v}/{contacts}/gdpr-delete", map[string]action{"POST": {"gdpr_delete", writeContacts, (*call).erase}}),
	at("crm/objects/{v}/{contacts}/*", map[string]action{"GET": {"retrieve", readContacts, (*call).retrieve},
		"PATCH": {"update", writeContacts, (*call).update}, "DELETE": {"delete", writeContacts, (*call).remove}}),

	at("crm/properties/{v}/{contacts}", map[string]action{"GET": {"properties", readSchema, (*call).listProperties}, "POST": {"properties", writeSchema, (*call).createProperty}}),
	at("crm/properties/{v}/{contacts}/*", map[string]action{"GET": {"properties", readSchema, (*call).showProperty}, "DELETE": {"properties", writeSchema, (*call).archiveProperty}}),
	at("crm/owners/{v}", map[string]action{"GET": {"owners", readOwners, (*call).listOwners}}),
	at("crm/property-validations/{v}/{contacts}", map[string]action{"GET": {"validations", readSchema, (*call).listRules}}),
	at("crm/property-validations/{v}/{contacts}/*", map[string]action{"GET": {"validations", readSchema, (*call).showRules}}),

	at("communication-preferences/{v}/definitions", map[string]action{"GET": {"subscriptions", readConsent, (*call).listSubscriptions}}),
	at("communication-preferences/{v}/statuses/*", map[string]action{"GET": {"subscriptions", readConsent, (*call).listStatuses}, "POST": {"subscriptions", writeConsent, (*call).setStatus}}),
	at("communication-preferences/{v}/statuses/*/unsubscribe-all", map[string]action{"GET": {"subscriptions", readConsent, (*call).showOptOut}, "POST": {"subscriptions", writeConsent, (*call).optOut}}),
}

func at(pattern string, methods map[string]action) resource {
	r := resource{strings.Split(pattern, "/"), anyVersion, methods}
	if strings.HasPrefix(pattern, "communication-preferences/") {
		r.versions = preferences
	}
	return r
}

// segments splits an escaped path; each segment is unescaped by itself, so that a slash
// in an e-mail address stays inside its segment. crm/v3/objects is an older way to write
// crm/objects/v3.
func segments(escaped string) []string {
	parts := strings.Split(strings.Trim(escaped, "/"), "/")
	for i, p := range parts {
		if u, err := url.PathUnescape(p); err == nil {
			parts[i] = u
		}
	}
	if len(parts) > 2 && parts[0] == "crm" && parts[1] == "v3" {
		parts[1], parts[2] = parts[2], parts[1]
	}
	return parts
}

// match returns the version and what stands for the wildcards.
func (r *resource) match(path []string) (version string, wild []string, ok bool) {
	if len(path) != len(r.pattern) {
		return "", nil, false
	}
	for i, p := range r.pattern {
		switch {
		case p == "{v}" && slices.Contains(r.versions, path[i]):
			version = path[i]
		case p == "{contacts}" && (path[i] == "contacts" || path[i] == "0-1"):
		case p == "*" && path[i] != "":
			wild = append(wild, path[i])
		case p != path[i]:
			return "", nil, false
		}
	}
	return version, wild, true
}

func findResource(r *http.Request) (res *resource, version string, wild []string) {
	path := segments(r.URL.EscapedPath())
	for i := range resources {
		if version, wild, ok := resources[i].match(path); ok {
			return &resources[i], version, wild
		}
	}
	return nil, "", nil
}

// kindOf names the kind of call that r is, as faults and counters know it.
func kindOf(r *http.Request) string {
	if isAPI(r) {
		if res, _, _ := findResource(r); res != nil && res.methods[r.Method].kind != "" {
			return res.methods[r.Method].kind
		}
	}
	if strings.HasPrefix(r.URL.Path, "/oauth/") && strings.HasSuffix(r.URL.Path, "/authorize") {
		return "authorize"
	}
	return otherKind
}

// serveAPI answers a call of the API.
func (s *Server) serveAPI(w http.ResponseWriter, r *http.Request) {
	correlation := uuid()
	w.Header().Set("X-HubSpot-Correlation-Id", correlation)
	rep, err := s.answer(r, w.Header())
	if err != nil {
		rep = s.refusal(w.Header(), err, correlation)
	}
	writeReply(w, rep)
}

// refusal turns an error into the answer that tells it.
func (s *Server) refusal(h http.Header, err error, correlation string) reply {
	if e, ok := errors.AsType[*oauthError](err); ok {
		return reply{http.StatusBadRequest, e}
	}
	e := asRefusal(err)
	if e == nil {
		s.core.Log.Error("api", "error", err)
		e = &apiError{status: http.StatusInternalServerError, Message: "internal error"}
	}
	if e.retryAfterSec > 0 {
		h.Set("Retry-After", strconv.Itoa(e.retryAfterSec))
	}
	return reply{e.status, e.body(correlation)}
}

func writeReply(w http.ResponseWriter, rep reply) {
	if rep.body == nil {
		w.WriteHeader(rep.status)
		return
	}
	simulated.JSON(w, rep.status, rep.body)
}

var errNoResource = &apiError{status: http.StatusNotFound, Message: "No resource was found at this address"}

// answer does what a request asks for.
func (s *Server) answer(r *http.Request, h http.Header) (reply, error) {
	res, version, wild := findResource(r)
	if res == nil {
		return reply{}, errNoResource
	}
	act, ok := res.methods[r.Method]
	if !ok {
		return reply{}, &apiError{status: http.StatusMethodNotAllowed, Message: "HTTP 405 Method Not Allowed"}
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return reply{}, err
	}
	c := &call{s: s, base: s.core.Base(r), version: version, path: wild, query: r.URL.Query(), header: r.Header, body: body}
	if res.pattern[0] != "oauth" {
		if err := c.admit(r, act, h); err != nil {
			return reply{}, err
		}
	}
	return act.do(c, r.Context())
}

// admit finds whose call this is, counts it, and refuses it where it must not be made.
func (c *call) admit(r *http.Request, act action, h http.Header) error {
	ctx := r.Context()
	var err error
	if c.who, err = c.s.known(ctx, bearer(r)); err != nil {
		return err
	}
	if err := simulated.CountCall(ctx, c.s.core.Write, act.kind); err != nil {
		return err
	}
	if err := c.s.limit(ctx, c.who, act.kind, h); err != nil {
		return err
	}
	need := act.scopes
	if extra := c.set().AccountInfoScope; act.kind == "account" && extra != "" {
		need = []string{extra}
	}
	has := strings.Fields(c.who.scope)
	if len(need) > 0 && !slices.ContainsFunc(need, func(scope string) bool { return slices.Contains(has, scope) }) {
		return missingScopes(need)
	}
	return nil
}

// known returns whose access token this is.
func (s *Server) known(ctx context.Context, token string) (session, error) {
	if token == "" {
		return session{}, &apiError{status: http.StatusUnauthorized, Category: "INVALID_AUTHENTICATION",
			Message: "Authentication credentials not found. This API supports OAuth 2.0 authentication and you can find more details in the developer documentation."}
	}
	who, err := s.session(ctx, token)
	if errors.Is(err, sql.ErrNoRows) {
		who, err = session{}, nil // a token that never was is told to have expired in 1970
	}
	if at := s.core.Now(); err == nil && who.expires <= at {
		err = expired(who.expires, at)
	}
	return who, err
}

// expired refuses a token that ran out, at times in milliseconds.
func expired(when, now int64) *apiError {
	return &apiError{status: http.StatusUnauthorized, Category: "EXPIRED_AUTHENTICATION",
		Message: fmt.Sprintf("The OAuth token used to make this call expired %d minute(s) ago.", (now-when)/60_000),
		Context: map[string][]string{"expire time": {formatTime(when)}}}
}

// formatTime writes a time in milliseconds as the API does.
func formatTime(ms int64) string { return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z") }

// decode reads the JSON body.
func (c *call) decode(v any) error {
	d := json.NewDecoder(bytes.NewReader(c.body))
	d.UseNumber()
	if err := d.Decode(v); err != nil {
		return invalid("Invalid input JSON on line 1, column 1: " + err.Error())
	}
	return nil
}
