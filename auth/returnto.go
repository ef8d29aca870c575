package auth

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// maxReturnToBytes is how long a return address may be.
const maxReturnToBytes = 2000

// loopbackHosts are the hosts that plain http may lead to: the very machine of whoever
// develops the application. Other spellings of them mean other things to other programs.
var loopbackHosts = []string{"127.0.0.1", "[::1]", "localhost"}

// returnParams are what browsers bring back. With one of them twice, programs take the
// first or the last of both.
var returnParams = []string{"authorization", "code", "state", "error"}

var (
	// addressBytes are those of which a URL consists (RFC 3986). Browsers make others into
	// something else: a backslash into a slash, a line feed into nothing.
	addressBytes = regexp.MustCompile(`^[A-Za-z0-9._~:/?\[\]@!$&'()*+,;=%-]+$`)
	hostNames    = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*$`)
)

// CheckReturnTo says what is wrong with an address to which people are sent back after an
// authorization, as the end of a sentence. It is stored and compared as it is, so that there
// is one way to read it.
func CheckReturnTo(address string) error {
	scheme, rest, found := strings.Cut(address, "://")
	switch {
	case len(address) > maxReturnToBytes:
		return fmt.Errorf("is too long: at most %d bytes", maxReturnToBytes)
	case strings.Contains(address, "#"):
		return errors.New("has a fragment, which is what follows #: leave it out")
	case address != "" && !addressBytes.MatchString(address):
		return errors.New("has a character that may not stand in an address: encode it, as %20 for a space, and write a host outside ASCII as xn--…")
	case !found || scheme != "https" && scheme != "http":
		return errors.New("has to begin with https://")
	}
	authority, _, _ := strings.Cut(strings.ReplaceAll(rest, "?", "/"), "/")
	if strings.Contains(authority, "@") {
		return errors.New("names a user before its host: leave that out")
	}
	u, err := url.Parse(address)
	if err != nil || u.Host != authority {
		return errors.New("can't be read: it is to be as https://app.example/done")
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return errors.New("has a query that can't be read: leave it out")
	}
	for _, name := range returnParams {
		if query.Has(name) {
			return fmt.Errorf("has the parameter %s, which Gatepost adds itself: leave it out", name)
		}
	}
	return checkAuthority(scheme, authority)
}

// checkAuthority says what is wrong with the host and the port of a return address.
func checkAuthority(scheme, authority string) error {
	host, port, hasPort := authority, "", false
	if colon := strings.LastIndex(authority, ":"); colon > strings.LastIndex(authority, "]") {
		host, port, hasPort = authority[:colon], authority[colon+1:], true
	}
	if n, err := strconv.ParseUint(port, 10, 16); hasPort && (err != nil || n == 0 || strconv.FormatUint(n, 10) != port) {
		return errors.New("has a port that there isn't: use a number from 1 to 65535, or leave it out with its colon")
	}
	local := slices.Contains(loopbackHosts, host)
	switch {
	case scheme == "http" && !local:
		return errors.New("has to begin with https://; plain http is for 127.0.0.1, [::1] and localhost alone")
	case scheme == "http" && !hasPort:
		return errors.New("needs a port, as http://localhost:3000/done")
	case strings.HasPrefix(host, "["):
		if ip, err := netip.ParseAddr(strings.Trim(host, "[]")); err != nil || ip.Zone() != "" || "["+ip.String()+"]" != host {
			return errors.New("has a host that can't be read")
		}
	case len(host) > 253 || !hostNames.MatchString(host):
		return errors.New("has no host that can be read: it is to be as https://app.example/done")
	}
	return nil
}
