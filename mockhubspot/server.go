// Package mockhubspot is a strict simulated HubSpot: OAuth, contacts, properties, consent
// and a few pages for people, on net/http and a SQLite file of its own.
//
// It is a test double for the outside world. Where the real one refuses, it refuses too,
// with the same status and in the same words; tokens, counters and contacts survive a
// crash. What nobody has established about the real one is a setting. Tests steer it
// through /_control.
package mockhubspot

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"gatepost/simulated"
)

// Options configure a simulated HubSpot.
type Options = simulated.Options

// Client is an app that may ask for authorization.
type Client = simulated.Client

type (
	querier = simulated.Querier
	user    = simulated.User
	ask     = simulated.Ask
	fault   = simulated.Fault
)

// Server is a simulated HubSpot. Make one with Open.
type Server struct {
	core    *simulated.Core
	setup   *simulated.Setup[settings]
	limits  limiter
	handler http.Handler
}

// Open opens the simulated HubSpot described by o, making and seeding its file when there
// is none.
func Open(ctx context.Context, o Options) (*Server, error) {
	s := &Server{limits: limiter{windows: map[string][]int64{}}}
	var err error
	s.core, err = simulated.Open(ctx, o, simulated.Service{
		Name: "hubspot", Title: "HubSpot", Tables: tables, Seed: seed,
		Files: files, Pages: []string{"accounts", "list", "record"},
		Org: s.accountOf, Kind: kindOf, Kinds: faultKinds, Refuse: refuseBy,
		Unbroken: func(r *http.Request) bool { return r.URL.Path == "/" },
		Latency:  func(account, kind string) time.Duration { return s.set(account).latency(kind) },
	})
	if err == nil {
		s.setup, err = simulated.NewSetup(ctx, s.core, contoso, defaultSettings, (*settings).check)
		if err != nil {
			err = errors.Join(err, s.core.Close())
		}
	}
	if err != nil {
		return nil, fmt.Errorf("mockhubspot: %w", err)
	}
	s.handler = s.core.Handler(s.routes())
	return s, nil
}

// Close lets go of the file. Calls that hang on purpose end at once.
func (s *Server) Close() error { return s.core.Close() }

// Handler answers everything: OAuth, the API, the pages and /_control.
func (s *Server) Handler() http.Handler { return s.handler }

// AddClient registers c, or replaces what was registered under its ID.
func (s *Server) AddClient(ctx context.Context, c Client) error {
	if err := s.core.AddClient(ctx, c); err != nil {
		return fmt.Errorf("mockhubspot: add client: %w", err)
	}
	return nil
}

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	s.core.PageRoutes(mux)
	s.authorizeRoutes(mux)
	s.pageRoutes(mux)
	s.controlRoutes(mux)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// ServeMux would clean the path; an e-mail address in it must stay as it is.
		if isAPI(r) {
			s.serveAPI(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// isAPI reports whether a request is to an end point for programs, of which the real
// service has those of a host of their own.
func isAPI(r *http.Request) bool {
	p := r.URL.EscapedPath()
	for _, root := range []string{"/crm/", "/account-info/", "/appinstalls/", "/communication-preferences/"} {
		if strings.HasPrefix(p, root) {
			return true
		}
	}
	return strings.HasPrefix(p, "/oauth/") && !strings.HasSuffix(p, "/authorize") && p != consentPath
}
