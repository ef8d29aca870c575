// Package static holds the portal's stylesheets, scripts, font and icon inside the
// binary.
//
// Each file has an address with a fingerprint of its content, so that browsers
// may keep it for good, and is compressed once, when the first is asked for.
package static

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/andybalholm/brotli"
)

// Prefix is the path under which the files are served.
const Prefix = "/static/"

// CacheControl is the header for every file: its address changes with its
// content.
const CacheControl = "public, max-age=31536000, immutable"

//go:embed files
var files embed.FS

// Asset is a file as it goes over the wire. Its slices are shared and must not be
// changed.
type Asset struct {
	ContentType string
	ETag        string // quoted; of the content, whatever its encoding
	Body        []byte
	Gzip        []byte // nil when it would not be smaller
	Brotli      []byte // nil when it would not be smaller
}

// URL returns the fingerprinted address of a file: "/static/app.3f2a9c04d1e8.css"
// for "app.css". It panics when there is no such file, which is a mistake in the
// code that asks.
func URL(name string) string {
	u, ok := load().urls[name]
	if !ok {
		panic("static: no file " + name)
	}
	return u
}

// Open returns the file at an address that URL gave, and whether there is one.
func Open(address string) (Asset, bool) {
	a, ok := load().assets[address]
	return a, ok
}

// Encode chooses the form that a request's Accept-Encoding wants most, and returns it
// with its Content-Encoding, which is empty for the plain body. The answer varies with
// Accept-Encoding.
func (a Asset) Encode(accept string) (body []byte, encoding string) {
	packed := map[string][]byte{"br": a.Brotli, "gzip": a.Gzip}
	offered := make([]string, 0, len(packed))
	for _, coding := range []string{"br", "gzip"} { // the smaller first
		if packed[coding] != nil {
			offered = append(offered, coding)
		}
	}
	encoding = Coding(accept, offered...)
	if encoding == "" {
		return a.Body, ""
	}
	return packed[encoding], encoding
}

// set is all files, by name and by address.
type set struct {
	urls   map[string]string
	assets map[string]Asset
}

var load = sync.OnceValue(func() set {
	s, err := build()
	if err != nil { // the files are part of the binary: they can be read, always
		panic(err)
	}
	return s
})

func build() (set, error) {
	s := set{urls: map[string]string{}, assets: map[string]Asset{}}
	entries, err := files.ReadDir("files")
	if err != nil {
		return set{}, fmt.Errorf("static: %w", err)
	}
	// Stylesheets come last: they name the addresses of other files.
	slices.SortStableFunc(entries, func(a, b fs.DirEntry) int { return cmp.Compare(isStyle(a.Name()), isStyle(b.Name())) })
	for _, e := range entries {
		if e.IsDir() { // embed: its files have addresses of their own
			continue
		}
		body, err := files.ReadFile("files/" + e.Name())
		if err != nil {
			return set{}, fmt.Errorf("static: %w", err)
		}
		if isStyle(e.Name()) == 1 {
			body = s.addressed(body)
		}
		a, err := newAsset(e.Name(), body)
		if err != nil {
			return set{}, fmt.Errorf("static: %s: %w", e.Name(), err)
		}
		u := address(e.Name(), body)
		s.urls[e.Name()] = u
		s.assets[u] = a
	}
	return s, nil
}

func isStyle(name string) int {
	if path.Ext(name) == ".css" {
		return 1
	}
	return 0
}

// addressed puts the files' addresses in place of their names in a stylesheet.
func (s set) addressed(css []byte) []byte {
	for name, u := range s.urls {
		css = bytes.ReplaceAll(css, []byte("url("+name+")"), []byte("url("+u+")"))
	}
	return css
}

// address puts the fingerprint in front of the extension.
func address(name string, body []byte) string {
	ext := path.Ext(name)
	return Prefix + strings.TrimSuffix(name, ext) + "." + fingerprint(body) + ext
}

func fingerprint(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:6])
}

func newAsset(name string, body []byte) (Asset, error) {
	ct, err := contentType(name)
	if err != nil {
		return Asset{}, err
	}
	gz, err := gzipped(body)
	if err != nil {
		return Asset{}, err
	}
	br, err := brotlied(body)
	if err != nil {
		return Asset{}, err
	}
	return Asset{
		ContentType: ct,
		ETag:        `"` + fingerprint(body) + `"`,
		Body:        body,
		Gzip:        ifSmaller(gz, body),
		Brotli:      ifSmaller(br, body),
	}, nil
}

// Page is an asset of a page that is made once and served from memory, at an address of
// its own.
func Page(html []byte) (Asset, error) { return newAsset("page.html", html) }

// contentType doesn't ask the machine's own table of types, which differs from
// machine to machine.
func contentType(name string) (string, error) {
	switch path.Ext(name) {
	case ".html":
		return "text/html; charset=utf-8", nil
	case ".css":
		return "text/css; charset=utf-8", nil
	case ".js":
		return "text/javascript; charset=utf-8", nil
	case ".svg":
		return "image/svg+xml", nil
	case ".woff2":
		return "font/woff2", nil
	case ".ico":
		return "image/x-icon", nil
	default:
		return "", fmt.Errorf("unknown type of file")
	}
}

func ifSmaller(compressed, body []byte) []byte {
	if len(compressed) < len(body) {
		return compressed
	}
	return nil
}

func gzipped(body []byte) ([]byte, error) {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(body); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

func brotlied(body []byte) ([]byte, error) {
	var b bytes.Buffer
	w := brotli.NewWriterLevel(&b, brotli.BestCompression)
	if _, err := w.Write(body); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
