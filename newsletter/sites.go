package newsletter

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"gatepost/db"
	"gatepost/forms"
	"gatepost/input"

	"golang.org/x/net/idna"
)

// How many sites a newsletter's form may stand on, and how long the address of one may be.
const (
	maxSites = 50
	maxSite  = 255
)

// CheckSites returns the origins of the sites that an admin typed, one in a line, each once, or what
// is wrong with the first that can't be one. Of the address of a page its site is meant.
func CheckSites(typed string) (sites []string, wrong string) {
	for _, one := range strings.Fields(strings.NewReplacer(",", " ", ";", " ").Replace(typed)) {
		one = input.Word(one)
		if one == "" {
			continue
		}
		site, ok := origin(one)
		if !ok {
			return nil, fmt.Sprintf("%.100s isn’t the address of a site. Please enter it as your browser shows it, such as https://www.example.com.", one)
		}
		if !slices.Contains(sites, site) {
			sites = append(sites, site)
		}
	}
	if len(sites) > maxSites {
		return nil, fmt.Sprintf("These are %d sites: at most %d, please.", len(sites), maxSites)
	}
	return sites, ""
}

// origin is the site of an address, as browsers name it: https://www.example.com. Without a
// scheme, https is meant.
func origin(address string) (site string, ok bool) {
	if !strings.Contains(address, "://") {
		address = "https://" + address
	}
	u, err := url.Parse(address)
	if err != nil || u.User != nil || len(address) > maxSite || !slices.Contains([]string{"https", "http"}, u.Scheme) {
		return "", false
	}
	host, ok := hostOf(u.Hostname())
	if !ok {
		return "", false
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if port := u.Port(); port != "" && port != map[string]string{"https": "443", "http": "80"}[u.Scheme] {
		host = net.JoinHostPort(strings.Trim(host, "[]"), port)
	}
	return u.Scheme + "://" + host, true
}

// hostOf is a host as browsers name it: in ASCII and lower case. It has a dot, unless it is
// the machine itself.
func hostOf(name string) (host string, ok bool) {
	if ip, err := netip.ParseAddr(name); err == nil {
		return ip.String(), ip.Zone() == ""
	}
	host, err := idna.Lookup.ToASCII(strings.TrimSuffix(name, "."))
	if err != nil || host != "localhost" && !forms.IsDomain(host) {
		return "", false
	}
	return host, true
}

// SaveSites stores on which sites the form of a newsletter stands. What else was changed of it
// meanwhile stays.
func (s *Service) SaveSites(ctx context.Context, n db.Newsletter, sites []string) error {
	for {
		n.Page.Sites = sites
		err := s.SaveSettings(ctx, n, Settings{Name: n.Name, Slug: n.Slug, Page: n.Page}, nil, false)
		if !errors.Is(err, ErrChanged) {
			return err
		}
		if n, err = s.Of(ctx, n.TenantID, n.Slug); err != nil {
			return err
		}
	}
}
