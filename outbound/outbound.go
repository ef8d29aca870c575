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
	"strings"
	"syscall"
	"time"
)

// ErrRefused says that an address is none that Gatepost calls. No request was sent.
var ErrRefused = errors.New("refused to call this address")

// Trusted tells which addresses are of the operator's own choice now: scheme and
// host, as "http://127.0.0.1:8081", empty for none. These may be plain http and
// lie in a private network. It is asked when a connection is made, and before
// each call without https.
type Trusted func(ctx context.Context) ([]string, error)

// Trust always trusts the same addresses.
func Trust(addresses ...string) Trusted {
	return func(context.Context) ([]string, error) { return addresses, nil }
}

// find returns the first of the trusted addresses that is as fits says, nil for none.
func (t Trusted) find(ctx context.Context, fits func(*url.URL) bool) (*url.URL, error) {
	all, err := t(ctx)
	if err != nil {
		return nil, fmt.Errorf("which addresses are trusted is not known: %w", err)
	}
	for _, raw := range all {
		if u, err := url.Parse(raw); err == nil && u.Host != "" && fits(u) {
			return u, nil
		}
	}
	return nil, nil
}

// Aliases reports whether other leads to the same server as address, which is on this
// machine: it is a name below localhost, with the same port. All these names mean this
// machine (RFC 6761, section 6.3), and a simulated service has its data centres under them.
func Aliases(address, other *url.URL) bool {
	ip, err := netip.ParseAddr(address.Hostname())
	here := address.Hostname() == "localhost" || err == nil && ip.IsLoopback()
	return here && address.Scheme == other.Scheme && strings.HasSuffix(other.Hostname(), ".localhost") && portOf(address) == portOf(other)
}

// Client returns a client for tenants' hosts. The client has no time-out of its
// own: a call is bounded by its context.
func Client(trusted Trusted) *http.Client {
	t := &guarded{trusted: trusted}
	t.next = &http.Transport{
		DialContext:            dialer(trusted),
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
	trusted Trusted
	next    http.RoundTripper
}

// RoundTrip sends r unless its address is refused.
func (g *guarded) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme != "https" {
		known, err := g.trusted.find(r.Context(), func(u *url.URL) bool {
			return u.Scheme == r.URL.Scheme && u.Host == r.URL.Host || Aliases(u, r.URL)
		})
		if err != nil {
			return nil, err
		}
		if known == nil {
			return nil, fmt.Errorf("%w: it is not https", ErrRefused)
		}
	}
	if r.Header.Get("User-Agent") == "" {
		r = r.Clone(r.Context())
		r.Header.Set("User-Agent", userAgent)
	}
	return g.next.RoundTrip(r)
}

// userAgent says who calls: some services all but refuse those who don't.
const userAgent = "Gatepost"

// CloseIdleConnections closes what http.Client.CloseIdleConnections asks for.
func (g *guarded) CloseIdleConnections() {
	if t, ok := g.next.(*http.Transport); ok {
		t.CloseIdleConnections()
	}
}

func dialAddress(u *url.URL) string { return net.JoinHostPort(u.Hostname(), portOf(u)) }

func portOf(u *url.URL) string {
	if port := u.Port(); port != "" {
		return port
	}
	return map[string]string{"http": "80", "https": "443"}[u.Scheme]
}

// dialer checks each address after the name is resolved, so that a name that
// points inside is refused as well. An alias of a trusted address isn't resolved: not every
// system knows it.
func dialer(trusted Trusted) func(ctx context.Context, network, addr string) (net.Conn, error) {
	free := &net.Dialer{Timeout: 10 * time.Second}
	checked := &net.Dialer{Timeout: 10 * time.Second, Control: func(_, address string, _ syscall.RawConn) error {
		ap, err := netip.ParseAddrPort(address)
		if err != nil || !public(ap.Addr()) {
			return fmt.Errorf("%w: it is not a public one", ErrRefused)
		}
		return nil
	}}
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		known, err := trusted.find(ctx, func(u *url.URL) bool {
			return dialAddress(u) == addr || Aliases(u, &url.URL{Scheme: u.Scheme, Host: addr})
		})
		if err != nil {
			return nil, err
		}
		if known != nil {
			return free.DialContext(ctx, network, dialAddress(known))
		}
		return checked.DialContext(ctx, network, addr)
	}
}

// special are the ranges of IANA's registries of special-purpose addresses (IPv4 and
// IPv6, RFC 6890 and what has been added since) and of multicast that lead nowhere
// outside, or to an IPv4 address that they carry.
var special = prefixes(
	"0.0.0.0/8",       // this network
	"10.0.0.0/8",      // private
	"100.64.0.0/10",   // shared, behind a carrier's NAT
	"127.0.0.0/8",     // loopback
	"169.254.0.0/16",  // link-local, where clouds have their metadata
	"172.16.0.0/12",   // private
	"192.0.0.0/24",    // protocol assignments
	"192.0.2.0/24",    // documentation
	"192.88.99.0/24",  // relays of 6to4
	"192.168.0.0/16",  // private
	"198.18.0.0/15",   // benchmarks
	"198.51.100.0/24", // documentation
	"203.0.113.0/24",  // documentation
	"224.0.0.0/4",     // multicast
	"240.0.0.0/4",     // reserved, broadcast
	"2001::/23",       // protocol assignments: Teredo, benchmarks, ORCHID
	"2001:db8::/32",   // documentation
	"2002::/16",       // 6to4: carries an IPv4 address
	"3fff::/20",       // documentation
)

// unicast is what of IPv6 has been given out. All else is refused without a name:
// loopback, IPv4 addresses in other clothes (::/96, ::ffff:0:0:0/96, 64:ff9b::/96),
// discard-only (100::/64), segment routing (5f00::/16), unique local (fc00::/7),
// link-local (fe80::/10), site-local (fec0::/10), multicast (ff00::/8).
var unicast = netip.MustParsePrefix("2000::/3")

func prefixes(all ...string) []netip.Prefix {
	ps := make([]netip.Prefix, len(all))
	for i, s := range all {
		ps[i] = netip.MustParsePrefix(s)
	}
	return ps
}

// public reports whether an address leads to the Internet at large.
func public(a netip.Addr) bool {
	a = a.Unmap().WithZone("") // with a zone it is in no range
	if a.Is6() && !unicast.Contains(a) {
		return false
	}
	for _, p := range special {
		if p.Contains(a) {
			return false
		}
	}
	carried, ok := isatap(a)
	return a.IsValid() && (!ok || public(carried))
}

// isatap is the IPv4 address that an IPv6 one carries in its second half (RFC 5214).
func isatap(a netip.Addr) (netip.Addr, bool) {
	if !a.Is6() {
		return netip.Addr{}, false
	}
	b := a.As16()
	if b[8]&^2 != 0 || b[9] != 0 || b[10] != 0x5e || b[11] != 0xfe {
		return netip.Addr{}, false
	}
	return netip.AddrFrom4([4]byte(b[12:16])), true
}
