package routes

import (
	"bytes"
	"net/netip"
	"strings"

	"github.com/gofiber/fiber/v2"
)

// clientIP is the address of who asks: the socket's, or, when the peer is a
// trusted proxy, the last one in X-Forwarded-For that is none.
func (s *server) clientIP(c *fiber.Ctx) string {
	peer, err := netip.ParseAddr(c.Context().RemoteIP().String())
	if err != nil {
		return ""
	}
	peer = peer.Unmap().WithZone("") // which networks don't contain
	hops := strings.Split(forwarded(c), ",")
	for i := len(hops) - 1; i >= 0 && s.trusts(peer); i-- {
		hop, ok := hopAddress(hops[i])
		if !ok {
			break
		}
		if hop.IsValid() {
			peer = hop
		}
	}
	return peer.String()
}

// hopAddress is the address in an element of X-Forwarded-For, however the proxy
// writes it: with a port, in brackets, in quotes. An empty element is none, and no
// reason to stop; one that hides the address (unknown, _x7) is.
func hopAddress(hop string) (a netip.Addr, ok bool) {
	hop = strings.TrimSpace(strings.Trim(strings.TrimSpace(hop), `"`))
	if hop == "" {
		return netip.Addr{}, true
	}
	if rest, bracketed := strings.CutPrefix(hop, "["); bracketed {
		hop, _, bracketed = strings.Cut(rest, "]")
		if !bracketed {
			return netip.Addr{}, false
		}
	} else if strings.Count(hop, ":") == 1 { // an IPv6 address has two at least
		hop, _, _ = strings.Cut(hop, ":")
	}
	a, err := netip.ParseAddr(hop)
	return a.Unmap().WithZone(""), err == nil
}

// forwarded is X-Forwarded-For, all of its lines in their order: some proxies add
// a line, where a client's own may stand before it.
func forwarded(c *fiber.Ctx) string {
	return string(bytes.Join(c.Request().Header.PeekAll(fiber.HeaderXForwardedFor), []byte(",")))
}

// clientNetwork is what counts as one client: an IPv4 address, or the /64 of an
// IPv6 one, since that is what a single line is given.
func (s *server) clientNetwork(c *fiber.Ctx) string {
	ip, err := netip.ParseAddr(s.clientIP(c))
	if err != nil || ip.Is4() {
		return s.clientIP(c)
	}
	return netip.PrefixFrom(ip, 64).Masked().String()
}

func (s *server) trusts(a netip.Addr) bool {
	for _, p := range s.TrustedProxies {
		if p.Contains(a) {
			return true
		}
	}
	return false
}
