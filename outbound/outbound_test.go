package outbound

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
)

func TestAddressesInsideAreRefused(t *testing.T) {
	inside := []string{"127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
		"198.18.0.1", "224.0.0.1", "255.255.255.255", "::", "::1", "fe80::1", "fc00::1", "fd00:ec2::254", "ff02::1",
		"::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "::127.0.0.1"}
	for _, a := range inside {
		if public(netip.MustParseAddr(a)) {
			t.Errorf("%s counts as public", a)
		}
	}
	for _, a := range []string{"8.8.8.8", "101.53.160.1", "2606:4700::1111", "::ffff:8.8.8.8"} {
		if !public(netip.MustParseAddr(a)) {
			t.Errorf("%s doesn't count as public", a)
		}
	}
}

func TestLoopbackIsRefusedUnlessTrusted(t *testing.T) {
	plain := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.UserAgent() != userAgent {
			t.Errorf("called as %q", r.UserAgent())
		}
		http.Redirect(w, r, "/elsewhere", http.StatusFound)
	}))
	defer plain.Close()
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	defer secure.Close()
	byName := strings.Replace(secure.URL, "127.0.0.1", "localhost", 1)
	for _, url := range []string{plain.URL, secure.URL, byName, "https://[::1]:1/", "ftp://127.0.0.1/"} {
		if _, err := Client(Trust("http://127.0.0.1:1")).Get(url); !errors.Is(err, ErrRefused) {
			t.Errorf("%s: %v, want a refusal", url, err)
		}
	}
	res, err := Client(Trust(plain.URL)).Get(plain.URL)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusFound {
		t.Errorf("status %d: the redirect was followed", res.StatusCode)
	}
}
