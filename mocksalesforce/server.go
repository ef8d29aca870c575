// Package mocksalesforce is a strict simulated Salesforce: OAuth, REST and
// a few pages for people, on net/http and a SQLite file of its own.
//
// It is a test double for the outside world. Where the real one refuses, it
// refuses too, with the same status and in the same words; tokens, counters
// and records survive a crash. Tests steer it through /_control.
package mocksalesforce

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"gatepost/simulated"
)

// Options configure a simulated Salesforce.
type Options = simulated.Options

// Client is an app that may ask for authorization.
type Client = simulated.Client

// What the core shared by all simulated services calls so.
type (
	querier = simulated.Querier
	org     = simulated.Org
	user    = simulated.User
	ask     = simulated.Ask
	fault   = simulated.Fault
)

// Server is a simulated Salesforce. Make one with Open.
type Server struct {
	core    *simulated.Core
	setup   *simulated.Setup[settings]
	handler http.Handler
}

// Open opens the simulated Salesforce described by o, making and seeding its
// file when there is none.
func Open(ctx context.Context, o Options) (*Server, error) {
	s := &Server{}
	var err error
	s.core, err = simulated.Open(ctx, o, simulated.Service{
		Name: "salesforce", Title: "Salesforce", Tables: tables, Seed: seed,
		Files: files, Pages: []string{"list", "record", "panel"}, Common: []string{"contacts"},
		OrgID: func(id string) string { id, _ = canonicalID(id); return id },
		Org:   s.orgOf, Kind: kindOf, Unbroken: ofPanel, Kinds: faultKinds, Refuse: refuseBy,
		Latency: func(org, kind string) time.Duration { return s.set(org).latency(kind) },
	})
	if err == nil {
		s.setup, err = simulated.NewSetup(ctx, s.core, defaultOrg, defaultSettings, (*settings).check)
		if err != nil {
			err = errors.Join(err, s.core.Close())
		}
	}
	if err != nil {
		return nil, fmt.Errorf("mocksalesforce: %w", err)
	}
	s.handler = s.core.Handler(s.routes())
	return s, nil
}

// Close lets go of the file. Calls that hang on purpose end at once.
func (s *Server) Close() error { return s.core.Close() }

// Handler answers everything: OAuth, REST, the pages and /_control.
func (s *Server) Handler() http.Handler { return s.handler }

// AddClient registers c, or replaces what was registered under its ID.
func (s *Server) AddClient(ctx context.Context, c Client) error {
	if err := s.core.AddClient(ctx, c); err != nil {
		return fmt.Errorf("mocksalesforce: add client: %w", err)
	}
	return nil
}

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	s.oauthRoutes(mux)
	s.core.PageRoutes(mux)
	s.pageRoutes(mux)
	s.panelRoutes(mux)
	s.controlRoutes(mux)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// ServeMux would clean the path; an e-mail address in it must stay as it is.
		if p := r.URL.EscapedPath(); p == dataRoot || strings.HasPrefix(p, dataRoot+"/") {
			s.serveREST(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// kindOf names the kind of call that r is, as faults and counters know it.
func kindOf(r *http.Request) string {
	p := r.URL.EscapedPath()
	if name, ok := strings.CutPrefix(p, "/services/oauth2/"); ok {
		return name
	}
	if strings.HasPrefix(p, "/id/") {
		return "identity"
	}
	if rest, ok := strings.CutPrefix(p, dataRoot+"/"); ok {
		_, after, _ := strings.Cut(rest, "/")
		if res, _ := findResource(segments(after)); res != nil {
			return res.methods[methodOf(r)].kind
		}
	}
	return "other"
}
