package main

import (
	"bytes"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"sync/atomic"
	"syscall"
)

// balancer stands before the replicas and gives each the next request in turn. When
// nobody listens at the address of one, the next one gets it. What a replica didn't
// answer is cut off, and not sent again: nobody knows what became of it.
type balancer struct {
	ln       net.Listener
	server   *http.Server
	replicas []string // addresses
	turn     atomic.Uint64
	http     *http.Transport
}

// newBalancer takes an address, so that the replicas can be told of it.
func newBalancer() (*balancer, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	b := &balancer{ln: ln, http: &http.Transport{MaxIdleConnsPerHost: 512}}
	silent := log.New(io.Discard, "", 0)
	b.server = &http.Server{ErrorLog: silent, Handler: &httputil.ReverseProxy{
		Transport: b, ErrorLog: silent, Rewrite: func(r *httputil.ProxyRequest) { r.SetXForwarded() },
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}}
	return b, nil
}

func (b *balancer) url() string { return "http://" + b.ln.Addr().String() }

// start begins to serve, with the replicas at the given addresses.
func (b *balancer) start(replicas []string) {
	b.replicas = replicas
	go func() { _ = b.server.Serve(b.ln) }() // until it is closed
}

func (b *balancer) close() error {
	b.http.CloseIdleConnections()
	return errors.Join(b.server.Close(), ignoreClosed(b.ln.Close()))
}

// ignoreClosed: the server closes the listener once it serves.
func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// RoundTrip has one of the replicas answer.
func (b *balancer) RoundTrip(r *http.Request) (resp *http.Response, err error) {
	var body []byte
	if r.Body != nil {
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
	}
	for range b.replicas {
		to := r.Clone(r.Context())
		to.Body = io.NopCloser(bytes.NewReader(body))
		to.URL.Scheme, to.URL.Host = "http", b.replicas[b.turn.Add(1)%uint64(len(b.replicas))]
		if resp, err = b.http.RoundTrip(to); !errors.Is(err, syscall.ECONNREFUSED) {
			return resp, err
		}
	}
	return nil, err
}
