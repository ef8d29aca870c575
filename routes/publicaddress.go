package routes

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/gofiber/fiber/v2"
)

// publicAddress sends who opened a page under another name of this machine, as
// localhost, to the public address. A session belongs to one host: what began there
// would come back from a service without it. Only names of the machine itself lead to
// each other, at the same port. Any other Host may be what a proxy made of the public
// one: to redirect it would never end, and a forged one must decide nothing.
func (s *server) publicAddress(c *fiber.Ctx) error {
	read := c.Method() == http.MethodGet || c.Method() == http.MethodHead
	if read && s.elsewhereOnThisMachine(string(c.Request().Host())) {
		return redirect(c, s.URL+string(c.Request().URI().RequestURI()))
	}
	return c.Next()
}

// elsewhereOnThisMachine reports whether a host is this machine, and so is the public
// address, by another name.
func (s *server) elsewhereOnThisMachine(host string) bool {
	public, err := url.Parse(s.URL)
	if err != nil {
		return false
	}
	name, port := splitHost(host, public.Scheme)
	publicName, publicPort := splitHost(public.Host, public.Scheme)
	return name != publicName && port == publicPort && loopback(name) && loopback(publicName)
}

// atPublicAddress reports whether a request came to the public address, as far as
// its headers tell: a proxy may have put another Host in its place.
func (s *server) atPublicAddress(c *fiber.Ctx) bool {
	public, err := url.Parse(s.URL)
	if err != nil {
		return false
	}
	name, port := splitHost(public.Host, public.Scheme)
	for _, host := range []string{string(c.Request().Host()), c.Get(fiber.HeaderXForwardedHost)} {
		if n, p := splitHost(host, public.Scheme); n == name && p == port {
			return true
		}
	}
	return false
}

// splitHost takes a host apart, with the port that its scheme has by itself.
func splitHost(host, scheme string) (name, port string) {
	u := url.URL{Host: strings.ToLower(host)}
	name, port = strings.TrimSuffix(u.Hostname(), "."), u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[scheme]
	}
	return name, port
}

// loopback reports whether a name is this machine's own (RFC 6761, section 6.3).
func loopback(name string) bool {
	ip, err := netip.ParseAddr(name)
	return err == nil && net.IP(ip.AsSlice()).IsLoopback() || name == "localhost" || strings.HasSuffix(name, ".localhost")
}
