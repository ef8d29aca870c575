// Package outbound makes the one HTTP client for calls to hosts that a tenant
// can choose. It speaks https alone, follows no redirect, and refuses, when it
// dials, addresses that lead back into the operator's own network.
package outbound

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"
	"time"
)

// ErrRefused says that an address is none that Gatepost calls. No request was sent.
var ErrRefused = errors.New("refused to call this address")

// Client returns a client for tenants' hosts. trusted are addresses of the
// operator's own choice (scheme and host, as "http://127.0.0.1:8081"), which may
// be plain http and lie in a private network. The client has no time-out of its
// own: a call is bounded by its context.
func Client(trusted ...string) *http.Client {
	t := &guarded{trusted: map[string]bool{}}
	hosts := map[string]bool{}
	for _, raw := range trusted {
		if u, err := url.Parse(raw); err == nil && u.Host != "" {
			t.trusted[u.Scheme+"://"+u.Host] = true
			hosts[dialAddress(u)] = true
		}
	}
	t.next = &http.Transport{
		DialContext:            dialer(hosts),
		ForceAttemptHTTP2:      true,
		MaxIdleConnsPerHost:    8,
		IdleConnTimeout:        30 * time.Second,
		TLSHandshakeTimeout:    10 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
	}
	return &http.Client{
		Transport:     t,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// guarded lets only https and the trusted addresses through.
type guarded struct {
	trusted map[string]bool
	next    http.RoundTripper
}

// RoundTrip sends r unless its address is refused.
func (g *guarded) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme != "https" && !g.trusted[r.URL.Scheme+"://"+r.URL.Host] {
		return nil, fmt.Errorf("%w: it is not https", ErrRefused)
	}
	return g.next.RoundTrip(r)
}

// CloseIdleConnections closes what http.Client.CloseIdleConnections asks for.
func (g *guarded) CloseIdleConnections() {
	if t, ok := g.next.(*http.Transport); ok {
		t.CloseIdleConnections()
	}
}

func dialAddress(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// dialer checks each address after the name is resolved, so that a name that
// points inside is refused as well.
func dialer(trusted map[string]bool) func(ctx context.Context, network, addr string) (net.Conn, error) {
	free := &net.Dialer{Timeout: 10 * time.Second}
	checked := &net.Dialer{Timeout: 10 * time.Second, Control: func(_, address string, _ syscall.RawConn) error {
		ap, err := netip.ParseAddrPort(address)
		if err != nil || !public(ap.Addr()) {
			return fmt.Errorf("%w: it is not a public one", ErrRefused)
		}
		return nil
	}}
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		if trusted[addr] {
			return free.DialContext(ctx, network, addr)
		}
		return checked.DialContext(ctx, network, addr)
	}
}

// Ranges that are neither private nor loopback by netip's words, and yet not
// public: shared address space (RFC 6598), benchmarks (RFC 2544), this network,
// documentation, reserved, and IPv6 forms that carry an IPv4 address.
var special = prefixes("100.64.0.0/10", "198.18.0.0/15", "0.0.0.0/8", "192.0.0.0/24", "192.0.2.0/24",
	"198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4", "64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "2001:db8::/32", "fec0::/10", "::/96")

func prefixes(all ...string) []netip.Prefix {
	ps := make([]netip.Prefix, len(all))
	for i, s := range all {
		ps[i] = netip.MustParsePrefix(s)
	}
	return ps
}

func public(a netip.Addr) bool {
	a = a.Unmap()
	if !a.IsGlobalUnicast() || a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() {
		return false
	}
	for _, p := range special {
		if p.Contains(a) {
			return false
		}
	}
	return true
}
