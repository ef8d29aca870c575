package mocksalesforce

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// faultKinds are the kinds of call that a fault may be put on. "record" is
// special: it fails single records, in Collections too, by error code.
var faultKinds = []string{"token", "revoke", "introspect", "userinfo", "identity", "authorize", "query", "describe",
	"limits", "collections", "composite", "create", "update", "upsert", "delete", "retrieve", "record", "any"}

// fault is one way to fail, as POST /_control/fail describes it.
type fault struct {
	On          string  `json:"on"`
	Status      int     `json:"status"`
	ErrorCode   string  `json:"error_code"`
	Message     string  `json:"message"`
	Count       int     `json:"count"`
	Rate        float64 `json:"rate"`
	HTML        bool    `json:"html"`
	Drop        bool    `json:"drop"`
	HangMS      int     `json:"hang_ms"`
	AfterCommit bool    `json:"after_commit"`

	org string // whose calls it hits; "" for all but those of orgs that are apart
}

func (f *fault) check() error {
	switch {
	case !slices.Contains(faultKinds, f.On):
		return fmt.Errorf("on must be one of %s, not %q", strings.Join(faultKinds, ", "), f.On)
	case f.Count < 0 || f.Rate < 0 || f.Rate > 1 || f.HangMS < 0:
		return fmt.Errorf("count and hang_ms must not be negative, and rate lies between 0 and 1")
	case f.Status != 0 && (f.Status < 300 || f.Status > 599):
		return fmt.Errorf("status must lie between 300 and 599, not %d", f.Status)
	}
	return nil
}

// hangsOnly reports whether the call goes on as usual after the wait.
func (f *fault) hangsOnly() bool {
	return f.HangMS > 0 && f.Status == 0 && f.ErrorCode == "" && !f.HTML && !f.Drop
}

// faults are the failures that are due, in the order in which they were asked for.
type faults struct {
	mu   sync.Mutex
	list []*fault

	apart func(org string) bool
}

// add puts f after the others, or clears its kind when it has neither count nor rate.
func (fs *faults) add(f fault) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if f.Count == 0 && f.Rate == 0 {
		fs.list = slices.DeleteFunc(fs.list, func(g *fault) bool { return g.On == f.On && fs.among(g.org, f.org) })
		return
	}
	fs.list = append(fs.list, &f)
}

// clear takes back all that hits an org alone; for "", what hits any that isn't apart.
func (fs *faults) clear(org string) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.list = slices.DeleteFunc(fs.list, func(f *fault) bool { return fs.among(f.org, org) })
}

// drop takes back those of the faults that are to hit an org.
func (fs *faults) drop(org string, which func(*fault) bool) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.list = slices.DeleteFunc(fs.list, func(f *fault) bool { return fs.among(org, f.org) && which(f) })
}

// due are those that are to hit an org.
func (fs *faults) due(org string) (all []fault) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for _, f := range fs.list {
		if fs.among(org, f.org) {
			all = append(all, *f)
		}
	}
	return all
}

// among reports whether an org is another, or for "" one of those that aren't apart.
func (fs *faults) among(org, other string) bool {
	return org == other || other == "" && !fs.apart(org)
}

// take returns the fault that hits this call to an org, if one does, and uses it up.
func (fs *faults) take(kind, org string) *fault {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for i, f := range fs.list {
		if f.On != kind && (f.On != "any" || kind == "record") || !fs.among(org, f.org) {
			continue
		}
		if f.Rate > 0 && rand.Float64() >= f.Rate {
			continue
		}
		hit := *f
		if f.Count == 1 {
			fs.list = slices.Delete(fs.list, i, i+1)
		} else if f.Count > 1 {
			f.Count--
		}
		return &hit
	}
	return nil
}

// serve answers r, by next or by the fault that is due.
func (fs *faults) serve(s *Server, gone context.Context, w http.ResponseWriter, r *http.Request, kind, org string, next http.Handler) {
	f := fs.take(kind, org)
	if f == nil {
		next.ServeHTTP(w, r)
		return
	}
	var done *memory
	if f.AfterCommit {
		done = &memory{head: http.Header{}}
		next.ServeHTTP(done, r)
	}
	s.pause(gone, time.Duration(f.HangMS)*time.Millisecond)
	switch {
	case f.Drop:
		panic(http.ErrAbortHandler) // net/http cuts the connection without an answer
	case f.hangsOnly() && done != nil:
		done.replay(w)
	case f.hangsOnly():
		next.ServeHTTP(w, r)
	default:
		f.write(w, kind)
	}
}

// write answers as the fault says.
func (f *fault) write(w http.ResponseWriter, kind string) {
	status := f.Status
	if status == 0 {
		status = http.StatusServiceUnavailable
	}
	if status < 400 {
		w.Header().Set("Location", "/login")
		w.WriteHeader(status)
		return
	}
	if f.HTML {
		writeHTML(w, status, "Down for Maintenance")
		return
	}
	code, message := f.ErrorCode, f.message()
	if code == "" {
		code = http.StatusText(status)
		code = strings.ToUpper(strings.ReplaceAll(code, " ", "_"))
		if status == http.StatusServiceUnavailable {
			code = "SERVER_UNAVAILABLE"
		}
	}
	var body any = []errorBody{{Message: message, ErrorCode: code}}
	if oauthKind(kind) {
		body = oauthError{Error: code, Description: message}
	}
	w.Header().Set("Content-Type", jsonType)
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

var faultMessages = map[string]string{
	"REQUEST_LIMIT_EXCEEDED":   "TotalRequests Limit exceeded.",
	"INVALID_SESSION_ID":       "Session expired or invalid",
	"UNABLE_TO_LOCK_ROW":       "unable to obtain exclusive access to this record or 1 records: 001000000000001",
	"API_DISABLED_FOR_ORG":     "The REST API is not enabled for this Organization.",
	"API_CURRENTLY_DISABLED":   "API is disabled for this User",
	"STORAGE_LIMIT_EXCEEDED":   "storage limit exceeded",
	"rate_limit_exceeded":      "login rate exceeded",
	"invalid_grant":            "expired access/refresh token",
	"invalid_client":           "invalid client credentials",
	"invalid_client_id":        "client identifier invalid",
	"inactive_user":            "inactive user",
	"inactive_org":             "inactive organization",
	"QUERY_TIMEOUT":            "Your query request was running for too long.",
	"REQUEST_RUNNING_TOO_LONG": "Your request was running for too long, and has been stopped.",
}

func (f *fault) message() string {
	if f.Message != "" {
		return f.Message
	}
	if m, ok := faultMessages[f.ErrorCode]; ok {
		return m
	}
	return "The server is temporarily unavailable. Please try again later."
}

// memory keeps an answer instead of sending it.
type memory struct {
	head   http.Header
	status int
	body   bytes.Buffer
}

func (m *memory) Header() http.Header { return m.head }

func (m *memory) WriteHeader(status int) {
	if m.status == 0 {
		m.status = status
	}
}

func (m *memory) Write(p []byte) (int, error) {
	m.WriteHeader(http.StatusOK)
	return m.body.Write(p)
}

func (m *memory) replay(w http.ResponseWriter) {
	maps.Copy(w.Header(), m.head)
	m.WriteHeader(http.StatusOK)
	w.WriteHeader(m.status)
	_, _ = w.Write(m.body.Bytes())
}
