package outbound

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
)

// TestAddressesInsideAreRefused goes by IANA's registries: both ends of each range
// that leads nowhere outside, with its neighbours that do.
func TestAddressesInsideAreRefused(t *testing.T) {
	for _, a := range []string{
		"0.0.0.0", "0.255.255.255", "10.0.0.0", "10.255.255.255", "100.64.0.0", "100.127.255.255", "127.0.0.1", "127.255.255.255", "169.254.0.0", "169.254.169.254",
		"172.16.0.0", "172.31.255.255", "192.0.0.0", "192.0.0.170", "192.0.0.255", "192.0.2.1", "192.88.99.1", "192.168.0.0", "192.168.255.255", "198.18.0.0", "198.19.255.255",
		"198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.0", "255.255.255.255",

		"::", "::1", "::7f00:1", "::127.0.0.1", "::8.8.8.8", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:0:127.0.0.1", "::ffff:0:8.8.8.8",
		"64:ff9b::127.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b:1::1", "64:ff9b:1:ffff::10.0.0.1", "100::", "100::1", "100:0:0:1::1", "1fff:ffff::1",
		"2001::1", "2001:0:7f00:1::", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:2::1", "2001:10::1", "2001:20::1", "2001:1ff:ffff::1", "2001:db8::1", "2001:db8:ffff::1",
		"2002::1", "2002:7f00:1::", "2002:a00:1::1", "2002:a9fe:a9fe::", "3fff::1", "3fff:fff:ffff::1", "4000::1", "5f00::1", "fc00::1", "fd00:ec2::254", "fdff:ffff::1",
		"fe80::1", "febf::1", "fec0::1", "feff::1", "ff00::", "ff02::1", "ff0e::1",

		"fe80::1%eth0", "fec0::1%1", "2002:7f00:1::%eth0", "::1%lo", "64:ff9b::7f00:1%1", "fd00::1%2", // a zone hides nothing
		"2606:4700::5efe:127.0.0.1", "2606:4700::200:5efe:10.0.0.1", // ISATAP
	} {
		if public(netip.MustParseAddr(a)) {
			t.Errorf("%s counts as public", a)
		}
	}
	if public(netip.Addr{}) {
		t.Error("no address counts as public")
	}
	for _, a := range []string{"1.0.0.0", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "101.53.160.1", "126.255.255.255", "128.0.0.0", "169.253.255.255", "169.255.0.0",
		"172.15.255.255", "172.32.0.0", "192.0.1.0", "192.0.3.0", "192.88.98.1", "192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0", "203.0.112.1", "203.0.114.1", "223.255.255.255",
		"2000::1", "2001:200::1", "2001:4860:4860::8888", "2001:db7::1", "2001:db9::1", "2003::1", "2606:4700::1111", "2a00:1450::1", "3ffe::1", "::ffff:8.8.8.8", "2606:4700::5efe:8.8.8.8"} {
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

// A name below localhost leads to the trusted address with its port, whatever the system
// makes of the name, and to no other.
func TestNamesBelowLocalhost(t *testing.T) {
	var host string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { host = r.Host }))
	defer server.Close()
	port := server.URL[strings.LastIndexByte(server.URL, ':'):]
	for _, refused := range []string{"http://eu.localhost:1", "http://eu.localhost", "https://eu.localhost" + port, "http://localhost" + port, "http://eu.localhost.example" + port, "http://127.0.0.2" + port} {
		if _, err := Client(Trust(server.URL)).Get(refused); !errors.Is(err, ErrRefused) && !strings.HasPrefix(refused, "https") || err == nil {
			t.Errorf("%s: %v", refused, err)
		}
	}
	if _, err := Client(Trust("http://10.0.0.1" + port)).Get("http://eu.localhost" + port); !errors.Is(err, ErrRefused) {
		t.Errorf("another machine's: %v", err)
	}
	resp, err := Client(Trust(server.URL)).Get("http://sandbox.eu.localhost" + port)
	if err != nil || host != "sandbox.eu.localhost"+port {
		t.Fatalf("asked for %q, %v", host, err)
	}
	resp.Body.Close()
}
