package mockzoho

import (
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Data centres. China's is operated apart: whoever is at home there logs in there.
const (
	homeCentre    = "us"
	chineseCentre = "cn"
)

var centres = []string{homeCentre, "eu", "in", "au", "jp", "ca", "sa", "uk", "ae", "sg", chineseCentre}

// Environments of an org. All but production have API hosts of their own.
const (
	production = "production"
	sandbox    = "sandbox"
	developer  = "developer"
)

// location is a host: a data centre, and the environment that its API serves.
type location struct{ centre, environment string }

// locate tells which host a request is to. On this machine every centre is a name below
// localhost, such as eu.localhost or sandbox.eu.localhost; any other name is the first
// centre's.
func locate(host string) (location, bool) {
	at := location{homeCentre, production}
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	names, below := strings.CutSuffix(strings.ToLower(host), ".localhost")
	if !below {
		return at, true
	}
	labels := strings.Split(names, ".")
	if labels[0] == sandbox || labels[0] == developer {
		at.environment, labels = labels[0], labels[1:]
	}
	if len(labels) == 0 {
		return at, true
	}
	at.centre = labels[0]
	return at, len(labels) == 1 && slices.Contains(centres, at.centre)
}

// base is the address of a host, as seen by who made a request.
func (s *Server) base(r *http.Request, at location) string {
	return baseOf(s.core.Base(r), at)
}

// baseOf is the address of a host, given that of any other.
func baseOf(any string, at location) string {
	u, err := url.Parse(any)
	if err != nil {
		return any
	}
	name := "localhost"
	if at.centre != homeCentre {
		name = at.centre + "." + name
	}
	if at.environment != production {
		name = at.environment + "." + name
	}
	if at.centre == homeCentre && at.environment == production {
		if !strings.HasSuffix(u.Hostname(), ".localhost") {
			return any
		}
		name = "127.0.0.1"
	}
	if port := u.Port(); port != "" {
		name = net.JoinHostPort(name, port)
	}
	return u.Scheme + "://" + name
}
