// Package mockzoho is a strict simulated Zoho CRM: accounts servers of several data
// centres, the REST API of versions 2 to 8 with COQL, and a few pages for people.
//
// It is a test double for the outside world. Where the real one refuses, it refuses too,
// with the same status and in the same words; tokens, counters and records survive a
// crash. What Zoho's documents leave open is a setting. Tests steer it through /_control.
//
// One address serves all data centres, and the Host header tells which one is meant: any
// name is the one in the United States, eu.localhost the one in Europe, and so on. A data
// centre's accounts server, API and pages share a host, but for sandboxes and developer
// orgs, whose API is at sandbox.localhost, sandbox.eu.localhost and so on.
package mockzoho

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"gatepost/simulated"
)

//go:embed templates
var files embed.FS

// Options configure a simulated Zoho CRM.
type Options = simulated.Options

// Server is a simulated Zoho CRM. Make one with Open.
type Server struct {
	core    *simulated.Core
	setup   *simulated.Setup[conf]
	running running
	handler http.Handler
}

// conf is the settings of an org, with what follows from them.
type conf struct {
	settings
	schema *schema
}

func prepare(v *conf) error {
	v.schema = newSchema(v.settings)
	return v.check()
}

// Kinds of calls, beside those of the API's endpoints.
const (
	tokenCall     = "token"
	revokeCall    = "revoke"
	authorizeCall = "authorize"
	otherCall     = "other"
)

// Open opens the simulated Zoho CRM described by o, making and seeding its file when there
// is none.
func Open(ctx context.Context, o Options) (*Server, error) {
	s := &Server{}
	var err error
	s.core, err = simulated.Open(ctx, o, simulated.Service{
		Name: "zoho", Title: "Zoho CRM", Tables: tables,
		Seed:  seed,
		Files: files, Pages: []string{"choose", "list", "record"},
		Org: s.orgOf, Kind: kindOf,
		Latency: func(org, kind string) time.Duration { return s.setup.Of(org).latency(kind) },
		Kinds:   callKinds(), Refuse: s.refuse,
	})
	if err != nil {
		return nil, fmt.Errorf("mockzoho: %w", err)
	}
	s.setup, err = simulated.NewSetup(ctx, s.core, defaultOrg, func() conf { return conf{settings: defaultSettings()} }, prepare)
	if err != nil {
		return nil, fmt.Errorf("mockzoho: %w", errors.Join(err, s.core.Close()))
	}
	s.handler = s.core.Handler(s.routes())
	return s, nil
}

// Close lets go of the file.
func (s *Server) Close() error { return s.core.Close() }

// Handler answers everything: OAuth, the API, the pages and /_control.
func (s *Server) Handler() http.Handler { return s.handler }

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	s.oauthRoutes(mux)
	s.pageRoutes(mux)
	s.controlRoutes(mux)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		at, known := locate(r.Host)
		switch isAPI := strings.HasPrefix(r.URL.Path, apiRoot); {
		case !known || at.environment != production && !isAPI:
			s.core.Problem(w, http.StatusNotFound, "Unknown host", "There is no such data centre, or nothing but an API at this host.")
		case isAPI:
			s.serveAPI(w, r)
		default:
			mux.ServeHTTP(w, r)
		}
	})
}

// callKinds are the kinds of call that a fault may be put on.
func callKinds() []string {
	kinds := []string{tokenCall, revokeCall, authorizeCall, otherCall}
	for _, e := range endpoints {
		kinds = append(kinds, e.kind)
	}
	slices.Sort(kinds)
	return slices.Compact(kinds)
}

// kindOf names the kind of call that r is, as faults and counters know it.
func kindOf(r *http.Request) string {
	switch r.URL.Path {
	case "/oauth/v2/token":
		return tokenCall
	case "/oauth/v2/token/revoke":
		return revokeCall
	case "/oauth/v2/auth", "/oauth/v2/approve":
		return authorizeCall
	}
	if strings.HasPrefix(r.URL.Path, apiRoot) {
		if e, _, _, _ := findEndpoint(r.Method, below(r.URL.EscapedPath())); e != nil {
			return e.kind
		}
	}
	return otherCall
}

// orgOf finds the org that a request is about: by its token, or by what it trades. It is ""
// where nothing tells.
func (s *Server) orgOf(r *http.Request, body []byte) (string, error) {
	if _, token, _ := strings.Cut(r.Header.Get("Authorization"), " "); token != "" {
		return s.orgOfSecret(r.Context(), strings.TrimSpace(token))
	}
	if !strings.HasPrefix(r.URL.Path, "/oauth/v2/token") {
		return "", nil
	}
	form := formOf(r, body)
	for _, name := range []string{"refresh_token", "code", "token"} {
		if value := form.Get(name); value != "" {
			return s.orgOfSecret(r.Context(), value)
		}
	}
	return "", nil
}

// orgOfSecret is the org in which a code or a token was given out, "" when none was.
func (s *Server) orgOfSecret(ctx context.Context, secret string) (org string, err error) {
	err = s.core.Read.QueryRowContext(ctx, `SELECT g.org FROM access_tokens t JOIN grants g ON g.id = t.grant_id WHERE t.token = $1
		UNION ALL SELECT org FROM grants WHERE refresh = $1 UNION ALL SELECT org FROM codes WHERE code = $1 LIMIT 1`, secret).Scan(&org)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return org, err
}

// messages are what codes say that faults name.
var messages = map[string]string{
	"TOO_MANY_REQUESTS":    "too many requests. please try again after some time",
	"INVALID_TOKEN":        errInvalidToken.Message,
	"OAUTH_SCOPE_MISMATCH": "invalid oauth scope to access this URL",
	"NO_PERMISSION":        "permission denied",
	"AUTHORIZATION_FAILED": "User does not have sufficient privilege to add records",
	"INTERNAL_ERROR":       errInternal.Message,
	"RECORD_LOCKED":        "record is locked",
	"CANNOT_PROCESS":       "cannot process the record",
}

// messageOf is what an error says: what a fault has it say, or what goes with its code.
func messageOf(code, given string) string {
	if given != "" {
		return given
	}
	if m, ok := messages[code]; ok {
		return m
	}
	return "the request could not be processed"
}

// refuse answers a call that a fault hits. Without a code, servers in front of Zoho's
// answer with a page, except for what only the API itself says.
func (s *Server) refuse(w http.ResponseWriter, kind string, f simulated.Fault) {
	code := f.ErrorCode
	switch {
	case kind == tokenCall && code != "":
		s.refuseToken(w, f)
		return
	case code == "" && f.Status == http.StatusInternalServerError:
		code = errInternal.Code
	case code == "" && f.Status == http.StatusTooManyRequests:
		code = "TOO_MANY_REQUESTS"
	}
	if code == "" || kind == tokenCall || kind == revokeCall || kind == authorizeCall {
		simulated.HTML(w, f.Status, http.StatusText(f.Status))
		return
	}
	simulated.JSON(w, f.Status, fail(f.Status, code, messageOf(code, f.Message), nil))
}

// refuseToken answers as the token end point does: with HTTP 200 as a rule, and with words
// of its own when it is asked too often.
func (s *Server) refuseToken(w http.ResponseWriter, f simulated.Fault) {
	status := f.Status
	if status == http.StatusServiceUnavailable { // what a fault has that names none
		status = http.StatusOK
	}
	if f.ErrorCode != "Access Denied" {
		simulated.JSON(w, status, map[string]string{"error": f.ErrorCode})
		return
	}
	t := throttle(s.setup.Of(""))
	if f.Status == http.StatusServiceUnavailable {
		status = t.http
	}
	simulated.JSON(w, status, t)
}
