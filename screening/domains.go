package screening

import (
	"context"
	"errors"
	"net"
	"time"
)

// DomainState says whether a domain takes mail.
type DomainState string

// The states.
const (
	DomainUnasked DomainState = ""        // nobody asks
	DomainUnknown DomainState = "unknown" // it is to be looked up
	DomainTakes   DomainState = "takes"   // mail, as far as is known
	DomainRefuses DomainState = "refuses" // mail
)

// Resolver asks the DNS. *net.Resolver is one.
type Resolver interface {
	LookupMX(ctx context.Context, name string) ([]*net.MX, error)
	LookupIPAddr(ctx context.Context, host string) ([]net.IPAddr, error)
}

// lookUpTime is how long a domain is waited for.
const lookUpTime = 3 * time.Second

// LookUp asks whether a domain takes mail: it has a mail server, or, without one, an address of
// its own (RFC 5321 section 5.1). What the DNS doesn't answer is taken for a yes.
func LookUp(ctx context.Context, r Resolver, domain string) DomainState {
	ctx, cancel := context.WithTimeout(ctx, lookUpTime)
	defer cancel()
	name := domain + "." // no search list of this machine's
	servers, err := r.LookupMX(ctx, name)
	switch {
	case isNotFound(err):
		if _, err := r.LookupIPAddr(ctx, name); isNotFound(err) {
			return DomainRefuses
		}
		return DomainTakes
	case err == nil && len(servers) == 1 && (servers[0].Host == "." || servers[0].Host == ""):
		return DomainRefuses // it says so itself: RFC 7505
	}
	return DomainTakes
}

// isNotFound reports whether the DNS says that there is nothing, rather than that it can't tell.
func isNotFound(err error) bool {
	var of *net.DNSError
	return errors.As(err, &of) && of.IsNotFound && !of.IsTimeout && !of.IsTemporary
}
