// Package wire is what the API calls of every CRM share: how far a request got, the whole
// answer within a limit, and what it means that none came.
package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"

	"gatepost/crm"
)

// Track follows how far a request gets. A connection is the last point that is safe to
// judge by: from then on bytes may be on their way. net/http starts anew with another
// connection only when it wrote nothing to the first one, or when the request is a GET; a
// POST whose answer was cut off is never sent again.
type Track struct {
	dialling  atomic.Bool // net/http looked for a connection,
	connected atomic.Bool // and got one
}

// On returns a context whose request is followed.
func (t *Track) On(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(string) { t.dialling.Store(true); t.connected.Store(false) },
		GotConn: func(httptrace.GotConnInfo) { t.connected.Store(true) },
	})
}

// MaySent reports whether the CRM may have received the request. A transport that isn't
// net/http's and tells nothing may have sent it.
func (t *Track) MaySent() bool { return t.connected.Load() || !t.dialling.Load() }

// WithoutURL takes the URL off an error: a query holds addresses.
func WithoutURL(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}

// ReadAll reads an answer of at most limit bytes, and fails with one that is longer.
func ReadAll(r io.Reader, limit int64) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, fmt.Errorf("read answer: %w", err)
	}
	if int64(len(body)) > limit {
		return nil, fmt.Errorf("answer of more than %d bytes", limit)
	}
	return body, nil
}

// Lost is the failure of a request that got no answer; unknown says that it may have been
// done.
func Lost(err error, unknown bool) *crm.Failure {
	return &crm.Failure{Class: crm.Pause, Code: CodeOf(err), Unknown: unknown, Cause: err}
}

// CodeOf is the code of a failure without an answer: it tells a time-out from anything
// else that kept the answer away.
func CodeOf(err error) string {
	var t interface{ Timeout() bool }
	if errors.Is(err, context.DeadlineExceeded) || errors.As(err, &t) && t.Timeout() {
		return crm.TimedOut
	}
	return crm.Unavailable
}

// PathOnly cuts the query off, which may hold addresses.
func PathOnly(path string) string {
	path, _, _ = strings.Cut(path, "?")
	return path
}
