// Package simulated is what every simulated service is built on: mocksalesforce,
// mockhubspot and mockzoho.
//
// A service describes itself in a Service and opens a Core with it. The Core has the
// file and its transactions, the organisations and the people who log in to them, the
// apps, the log-in and consent pages, authorization codes, settings, faults, counters, a
// clock that tests can move, and the plumbing of /_control.
//
// What the real services do differently stays with each of them, even where it looks
// alike: grants and tokens (one rotates, one keeps, one counts them), scopes, the words
// and the status of every refusal, records with their schema and rules, and limits. The
// Core never decides how a service refuses: it asks the Service. A rule belongs here only
// when two services have it, and then with no switch that names a service.
package simulated

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Options say where a simulated service keeps its file and how it is reached.
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

// Service is what a simulated service says of itself.
type Service struct {
	Name   string // of its file, cookie, style sheet and everybody's password: "salesforce"
	Title  string // on its pages: "Salesforce"
	Tables string // SQL that makes the tables of its own, where they are missing

	// Seed makes the organisations and people that are there from the start. It is
	// called whenever the file is opened.
	Seed func(ctx context.Context, c *Core, q Querier) error

	// Files holds templates/*.html, each page's part of the layout named "main", and
	// templates/style.css, which follows the common style sheet.
	Files fs.FS
	// Pages are the names of its own templates. Common holds definitions for all of them.
	Pages, Common []string
	Funcs         template.FuncMap

	// OrgID brings an id, as a control call may write it, into the form in which it is
	// kept; nil leaves it alone.
	OrgID func(string) string
	// Org finds the organisation that a request is about, "" where nothing tells.
	Org func(r *http.Request, body []byte) (string, error)
	// Kind names the kind of call that a request is, as faults and counters know it.
	Kind func(r *http.Request) string
	// Latency is how long a kind of call to an organisation is to take.
	Latency func(org, kind string) time.Duration
	// Unbroken reports whether neither latency nor faults touch a request; nil: none.
	Unbroken func(r *http.Request) bool

	// Kinds are the kinds of call that a fault may be put on, beside Record and "any".
	Kinds []string
	// Refuse answers a call as the service does when it fails in the way of a fault.
	Refuse func(w http.ResponseWriter, kind string, f Fault)
}

// Core is what simulated services have in common. Make one with Open.
type Core struct {
	Log *slog.Logger
	// Write has one connection: writers queue there instead of failing as "locked".
	Write *sql.DB
	// Read is a pool for whatever only reads.
	Read *sql.DB
	// Faults are the failures that are due.
	Faults Faults
	// Changing serialises what changes settings and organisations.
	Changing sync.Mutex

	service  Service
	url      string
	temp     string
	pages    map[string]*template.Template
	style    []byte
	orgs     atomic.Pointer[map[string]Org]
	ahead    atomic.Int64 // milliseconds by which the clock was moved
	requests requests
	done     chan struct{}
	closing  sync.Once
}

// Open opens a service's file, making and seeding it when there is none.
func Open(ctx context.Context, o Options, v Service) (*Core, error) {
	c := &Core{service: v, url: strings.TrimRight(o.URL, "/"), Log: o.Log, done: make(chan struct{})}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	c.Faults.apart = c.Apart
	path := o.Data
	if path == "" {
		dir, err := os.MkdirTemp("", v.Name+"-*")
		if err != nil {
			return nil, err
		}
		c.temp, path = dir, filepath.Join(dir, v.Name+".db")
	}
	err := c.open(ctx, path)
	if err == nil {
		err = c.parsePages()
	}
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, errors.Join(err, c.Close()))
	}
	return c, nil
}

// Close lets go of the file. Calls that hang on purpose end at once.
func (c *Core) Close() error {
	var err error
	c.closing.Do(func() {
		close(c.done)
		err = c.closeFile()
		if c.temp != "" {
			err = errors.Join(err, os.RemoveAll(c.temp))
		}
	})
	return err
}
