package static

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"
)

func TestEveryFileIsServedUnderItsFingerprint(t *testing.T) {
	address := regexp.MustCompile(`^/static/[a-z0-9.-]+\.[0-9a-f]{12}\.(css|js|svg|woff2|ico)$`)
	for name := range load().urls {
		u := URL(name)
		if !address.MatchString(u) {
			t.Errorf("URL(%q) = %q", name, u)
		}
		a, ok := Open(u)
		if !ok {
			t.Fatalf("Open(%q) found nothing", u)
		}
		want, err := os.ReadFile("files/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if name == "app.css" {
			want = bytes.ReplaceAll(want, []byte("url(inter-latin.woff2)"), []byte("url("+URL("inter-latin.woff2")+")"))
		}
		if !bytes.Equal(a.Body, want) {
			t.Errorf("%s: another body than the file's", name)
		}
		if a.ContentType == "" || !strings.Contains(u, strings.Trim(a.ETag, `"`)) {
			t.Errorf("%s: content type %q, ETag %q", name, a.ContentType, a.ETag)
		}
		checkCompressed(t, name, a)
	}
	for _, name := range []string{"app.css", "signup.css", "app.js", "htmx.min.js", "icon.svg", "inter-latin.woff2"} {
		URL(name) // panics when missing
	}
}

func checkCompressed(t *testing.T, name string, a Asset) {
	t.Helper()
	if a.Gzip != nil {
		r, err := gzip.NewReader(bytes.NewReader(a.Gzip))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, a.Body) {
			t.Errorf("%s: gzip holds something else (%v)", name, err)
		}
	}
	if a.Brotli != nil {
		got, err := io.ReadAll(brotli.NewReader(bytes.NewReader(a.Brotli)))
		if err != nil || !bytes.Equal(got, a.Body) {
			t.Errorf("%s: brotli holds something else (%v)", name, err)
		}
	}
	if len(a.Body) > 1000 && !strings.HasSuffix(name, ".woff2") && (a.Gzip == nil || a.Brotli == nil) {
		t.Errorf("%s: not compressed", name)
	}
}

func TestFingerprintFollowsContent(t *testing.T) {
	if address("a.css", []byte("one")) == address("a.css", []byte("two")) {
		t.Error("two contents have one address")
	}
}

func TestOpenRefusesWhatIsNotThere(t *testing.T) {
	for _, u := range []string{"", "/static/", "/static/app.css", "/static/../static.go", "/static/files/app.css", "app.css"} {
		if _, ok := Open(u); ok {
			t.Errorf("Open(%q) found something", u)
		}
	}
}

func TestURLPanicsOnUnknownName(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	URL("nope.css")
}

func TestEncode(t *testing.T) {
	a := Asset{Body: []byte("plain"), Gzip: []byte("gz"), Brotli: []byte("br")}
	incompressible := Asset{Body: []byte("plain")}
	tests := []struct {
		name, accept string
		asset        Asset
		body, coding string
	}{
		{"a modern browser gets brotli", "gzip, deflate, br, zstd", a, "br", "br"},
		{"weights are read", "br;q=0, gzip;q=0.5", a, "gz", "gzip"},
		{"a broken weight is a refusal", "br;q=x, gzip", a, "gz", "gzip"},
		{"case doesn't matter", "GZIP", a, "gz", "gzip"},
		{"a name inside another doesn't count", "xbr, gzipped", a, "plain", ""},
		{"nothing asked, nothing packed", "", a, "plain", ""},
		{"what isn't smaller stays plain", "br, gzip", incompressible, "plain", ""},
		{"the heavier one wins", "br;q=0.2, gzip;q=0.8", a, "gz", "gzip"},
		{"of equals the smaller one", "gzip;q=0.8, br;q=0.8", a, "br", "br"},
		{"the plain form may be wanted most", "gzip;q=0.5, identity", a, "plain", ""},
		{"the plain form may be wanted as much", "gzip;q=0.5, identity;q=0.5", a, "gz", "gzip"},
		{"a star is any", "*", a, "br", "br"},
		{"a star is not what is named", "br;q=0, *;q=0.5", a, "gz", "gzip"},
		{"a star may refuse", "*;q=0", a, "plain", ""},
		{"a refused plain form leaves it when nothing else is wanted", "identity;q=0", a, "plain", ""},
		{"more than 1 is no weight", "br;q=2, gzip", a, "gz", "gzip"},
		{"less than nothing is no weight", "br;q=-1, gzip;q=NaN", a, "plain", ""},
		{"a weight in capitals", "br;Q=0, gzip; Q=0.1", a, "gz", "gzip"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			body, coding := tt.asset.Encode(tt.accept)
			if string(body) != tt.body || coding != tt.coding {
				t.Errorf("got %q, %q; want %q, %q", body, coding, tt.body, tt.coding)
			}
		})
	}
}

// TestVendoredFilesAreUnmodified checks each line of vendor.txt: the file's name
// first, its SHA-256 last.
func TestVendoredFilesAreUnmodified(t *testing.T) {
	list, err := os.ReadFile("vendor.txt")
	if err != nil {
		t.Fatal(err)
	}
	checked := 0
	for line := range strings.Lines(string(list)) {
		words := strings.Fields(line)
		if len(words) == 0 || words[0] == "#" {
			continue
		}
		body, err := os.ReadFile("files/" + words[0])
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(body)
		if got, want := hex.EncodeToString(sum[:]), words[len(words)-1]; got != want {
			t.Errorf("%s: SHA-256 is %s, vendor.txt says %s", words[0], got, want)
		}
		checked++
	}
	if checked == 0 {
		t.Error("vendor.txt lists nothing")
	}
	for _, licence := range []string{"htmx.LICENSE", "inter.LICENSE", "altcha.LICENSE"} {
		if _, err := os.Stat(licence); err != nil {
			t.Error(err)
		}
	}
}
