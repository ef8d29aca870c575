// Package mocksalesforce is a strict simulated Salesforce: OAuth, REST and
// a few pages for people, on net/http and a SQLite file of its own.
//
// It is a test double for the outside world. Where the real one refuses, it
// refuses too, with the same status and in the same words; tokens, counters
// and records survive a crash. Tests steer it through /_control.
package mocksalesforce

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	maxURI  = 16_384
	maxBody = 50 << 20
)

// Options configure a simulated Salesforce.
type Options struct {
	// Data is the path of its SQLite file; "" keeps it in a temporary file
	// that Close removes.
	Data string
	// URL is the public address without a trailing slash; "" derives it from
	// each request's Host.
	URL string
	// Log receives what goes wrong inside; nil discards it.
	Log *slog.Logger
}

// Server is a simulated Salesforce. Make one with Open.
type Server struct {
	url     string
	log     *slog.Logger
	temp    string
	write   *sql.DB // one connection: writers queue here instead of failing as "locked"
	read    *sql.DB
	handler http.Handler
	faults  faults
	setup   atomic.Pointer[setup]
	control sync.Mutex // serialises changes of the setup
	done    chan struct{}
	closing sync.Once
}

// Open opens the simulated Salesforce described by o, making and seeding its
// file when there is none.
func Open(ctx context.Context, o Options) (*Server, error) {
	s := &Server{url: strings.TrimRight(o.URL, "/"), log: o.Log, done: make(chan struct{})}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	path := o.Data
	if path == "" {
		dir, err := os.MkdirTemp("", "salesforce-*")
		if err != nil {
			return nil, fmt.Errorf("mocksalesforce: %w", err)
		}
		s.temp, path = dir, filepath.Join(dir, "salesforce.db")
	}
	if err := s.open(ctx, path); err != nil {
		return nil, fmt.Errorf("mocksalesforce: open %s: %w", path, joinClose(err, s.Close()))
	}
	s.faults.apart = func(org string) bool { return s.setup.Load().apart[org] }
	s.handler = s.guard(s.routes())
	return s, nil
}

// Close lets go of the file. Calls that hang on purpose end at once.
func (s *Server) Close() error {
	var err error
	s.closing.Do(func() {
		close(s.done)
		err = s.closeStore()
		if s.temp != "" {
			err = joinClose(err, os.RemoveAll(s.temp))
		}
	})
	return err
}

// Handler answers everything: OAuth, REST, the pages and /_control.
func (s *Server) Handler() http.Handler { return s.handler }

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	s.oauthRoutes(mux)
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

// guard is what every request passes first: size limits, latency, faults. The panel
// is no part of what it breaks, and so is not broken itself.
func (s *Server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if status := oversize(r); status != 0 {
			writeHTML(w, status, http.StatusText(status))
			return
		}
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		if err != nil {
			writeHTML(w, http.StatusRequestEntityTooLarge, "Request Entity Too Large")
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		gone := r.Context()
		// Salesforce finishes what it received, whether or not the client waits.
		r = r.WithContext(context.WithoutCancel(gone))
		if strings.HasPrefix(r.URL.Path, "/_control/") {
			next.ServeHTTP(w, r)
			return
		}
		org, err := s.orgOf(r, body)
		if err != nil {
			s.authorizeFailure(w, err)
			return
		}
		r = r.WithContext(withOrg(r.Context(), org))
		if ofPanel(r) {
			next.ServeHTTP(w, r)
			return
		}
		kind := kindOf(r)
		s.pause(gone, s.set(org).latency(kind))
		s.faults.serve(s, gone, w, r, kind, org, next)
	})
}

func oversize(r *http.Request) int {
	n := len(r.RequestURI)
	if n > maxURI {
		return http.StatusRequestURITooLong
	}
	for name, values := range r.Header {
		for _, v := range values {
			n += len(name) + len(v)
		}
	}
	if n > 2*maxURI {
		return http.StatusRequestHeaderFieldsTooLarge
	}
	return 0
}

// pause waits for d, or until the client goes or the server closes.
func (s *Server) pause(gone context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-gone.Done():
	case <-s.done:
	}
}

// base is the public address, which is also every org's instance URL.
func (s *Server) base(r *http.Request) string {
	if s.url != "" {
		return s.url
	}
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
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

func writeHTML(w http.ResponseWriter, status int, title string) {
	w.Header().Set("Content-Type", "text/html;charset=UTF-8")
	w.WriteHeader(status)
	fmt.Fprintf(w, "<!DOCTYPE html><html lang=\"en\"><head><title>%[1]s</title></head><body><h1>%[1]s</h1></body></html>\n", title)
}
