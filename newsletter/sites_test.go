package newsletter

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestCheckSites(t *testing.T) {
	for _, wrong := range []string{"*.example.com", "https://", "ftp://example.com", "https://jane@example.com", "intranet", "https://exam_ple.com", "https://example.com:port", "javascript://example.com/%0aalert(1)",
		"https://" + strings.Repeat("a", 64) + ".com", "https://" + strings.Repeat("a.", 130) + "com", "https://example.com fine is not", "https://ex\x00ample.com", "https://127.1:x"} {
		if sites, sentence := CheckSites(wrong); sentence == "" || sites != nil {
			t.Errorf("%q is taken: %v", wrong, sites)
		}
	}
	var many strings.Builder
	for n := range maxSites + 1 {
		fmt.Fprintf(&many, "site%d.example\n", n)
	}
	if _, sentence := CheckSites(many.String()); !strings.Contains(sentence, "51 sites") {
		t.Errorf("%d sites: %q", maxSites+1, sentence)
	}
	for typed, want := range map[string][]string{
		"": nil, " \r\n ": nil,
		"https://www.example.com":                                      {"https://www.example.com"},
		"WWW.Example.COM/news?a=1#top\r\nhttps://www.example.com:443/": {"https://www.example.com"},
		"http://example.com:80, https://example.com:8443; example.org": {"http://example.com", "https://example.com:8443", "https://example.org"},
		"bücher.example":        {"https://xn--bcher-kva.example"},
		"http://localhost:3000": {"http://localhost:3000"},
		"http://127.0.0.1:8080": {"http://127.0.0.1:8080"},
		"http://[::1]:8080":     {"http://[::1]:8080"},
	} {
		if sites, sentence := CheckSites(typed); !slices.Equal(sites, want) || sentence != "" {
			t.Errorf("%q: %v, %q", typed, sites, sentence)
		}
	}
}
