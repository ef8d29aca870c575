package routes

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/gofiber/fiber/v2"
)

// next is a request that is whole by itself: what an attacker would have taken
// for somebody else's.
const next = "GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n"

// post is a request with lines of a header after its Host.
func post(lines string) string { return "POST / HTTP/1.1\r\nHost: h\r\n" + lines + "\r\n" }

// chunks is a request with what follows the header of a chunked one.
func chunks(body string) string { return post("Transfer-Encoding: chunked\r\n") + body }

// ambiguous are requests whose end, or whose host, two servers could see in two ways.
var ambiguous = map[string]string{
	// Transfer-Encoding (RFC 9112, sections 6.1, 6.3, 7 and 11.2).
	"te xchunked":              post("Transfer-Encoding: xchunked\r\n") + "0\r\n\r\n",
	"te twice chunked":         post("Transfer-Encoding: chunked, chunked\r\n") + "0\r\n\r\n",
	"te identity":              post("Transfer-Encoding: identity\r\n"),
	"te identity, length":      post("Transfer-Encoding: identity\r\nContent-Length: 5\r\n") + "a=b&c",
	"te identity, chunked":     post("Transfer-Encoding: identity, chunked\r\n") + "0\r\n\r\n",
	"te chunked, identity":     post("Transfer-Encoding: chunked, identity\r\n") + "0\r\n\r\n",
	"te gzip, chunked":         post("Transfer-Encoding: gzip, chunked\r\n") + "0\r\n\r\n",
	"te gzip":                  post("Transfer-Encoding: gzip\r\n"),
	"te empty":                 post("Transfer-Encoding:\r\n"),
	"te empty, length":         post("Transfer-Encoding: \r\nContent-Length: 0\r\n"),
	"te comma":                 post("Transfer-Encoding: chunked,\r\n") + "0\r\n\r\n",
	"te leading comma":         post("Transfer-Encoding: ,chunked\r\n") + "0\r\n\r\n",
	"te parameter":             post("Transfer-Encoding: chunked;q=1\r\n") + "0\r\n\r\n",
	"te quoted":                post("Transfer-Encoding: \"chunked\"\r\n") + "0\r\n\r\n",
	"te vertical tab":          post("Transfer-Encoding:\x0bchunked\r\n") + "0\r\n\r\n",
	"te no-break space":        post("Transfer-Encoding: \xa0chunked\r\n") + "0\r\n\r\n",
	"te doubled":               post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n") + "0\r\n\r\n",
	"te doubled, odd first":    post("Transfer-Encoding: cow\r\nTransfer-Encoding: chunked\r\n") + "0\r\n\r\n",
	"te doubled, odd second":   post("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n") + "0\r\n\r\n",
	"te in other letters":      post("tRANSFER-eNCODING: xchunked\r\n") + "0\r\n\r\n",
	"te with underscore":       post("Transfer_Encoding: chunked\r\n") + "0\r\n\r\n",
	"te then length":           post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n") + "0\r\n\r\n",
	"length then te":           post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n") + "0\r\n\r\n",
	"length 0 and te":          post("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n") + "0\r\n\r\n",
	"te in http/1.0":           "POST / HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	"te and length in 1.0":     "POST / HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
	"te, space before colon":   post("Transfer-Encoding : chunked\r\n") + "0\r\n\r\n",
	"te, folded":               post("Transfer-Encoding:\r\n chunked\r\n") + "0\r\n\r\n",
	"te, after a bare cr":      post("X: y\rTransfer-Encoding: chunked\r\n") + "0\r\n\r\n",
	"te, after a bare lf":      post("X: y\nTransfer-Encoding: chunked\r\n") + "0\r\n\r\n",
	"te, after a space":        post(" Transfer-Encoding: chunked\r\n") + "0\r\n\r\n",
	"te of a get, with length": "GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",

	// Content-Length (section 6.3).
	"length twice the same":       post("Content-Length: 5\r\nContent-Length: 5\r\n") + "a=b&c",
	"length twice, other":         post("Content-Length: 5\r\nContent-Length: 0\r\n") + "a=b&c",
	"length list":                 post("Content-Length: 5, 5\r\n") + "a=b&c",
	"length list of others":       post("Content-Length: 0,5\r\n") + "a=b&c",
	"length plus":                 post("Content-Length: +5\r\n") + "a=b&c",
	"length minus":                post("Content-Length: -5\r\n") + "a=b&c",
	"length minus zero":           post("Content-Length: -0\r\n"),
	"length empty":                post("Content-Length:\r\n"),
	"length blank":                post("Content-Length:  \r\n"),
	"length hexadecimal":          post("Content-Length: 0x5\r\n") + "a=b&c",
	"length letters":              post("Content-Length: 5a\r\n") + "a=b&c",
	"length with a space":         post("Content-Length: 0 5\r\n") + "a=b&c",
	"length fraction":             post("Content-Length: 5.0\r\n") + "a=b&c",
	"length exponent":             post("Content-Length: 5e0\r\n") + "a=b&c",
	"length underscore":           post("Content-Length: 0_5\r\n") + "a=b&c",
	"length in arabic digits":     post("Content-Length: \u0665\r\n") + "a=b&c",
	"length huge":                 post("Content-Length: 18446744073709551621\r\n") + "a=b&c",
	"length huger":                post("Content-Length: 99999999999999999999999999999999999\r\n") + "a=b&c",
	"length more than we take":    post("Content-Length: 999999999999999999\r\n") + "a=b&c",
	"length, space before colon":  post("Content-Length : 5\r\n") + "a=b&c",
	"length, tab before colon":    post("Content-Length\t: 5\r\n") + "a=b&c",
	"length with underscore":      post("Content_Length: 36\r\n"),
	"length, folded":              post("Content-Length:\r\n 5\r\n") + "a=b&c",
	"length after nul":            post("X: y\x00\r\nContent-Length: 5\r\n") + "a=b&c",
	"length with nul":             post("Content-Length: 5\x00\r\n") + "a=b&c",
	"length twice in http/1.0":    "POST / HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\na=b&c",
	"expectation of another kind": post("Expect: y 100-continue\r\nContent-Length: 5\r\n") + "a=b&c",

	// Chunks (section 7.1).
	"chunk size 0x":            chunks("0x5\r\na=b&c\r\n0\r\n\r\n"),
	"chunk size plus":          chunks("+5\r\na=b&c\r\n0\r\n\r\n"),
	"chunk size minus":         chunks("-5\r\na=b&c\r\n0\r\n\r\n"),
	"chunk size empty":         chunks("\r\n\r\n"),
	"chunk size letters":       chunks("5g\r\na=b&c\r\n0\r\n\r\n"),
	"chunk size space before":  chunks(" 5\r\na=b&c\r\n0\r\n\r\n"),
	"chunk size space after":   chunks("5 \r\na=b&c\r\n0\r\n\r\n"),
	"chunk size space inside":  chunks("0 5\r\na=b&c\r\n0\r\n\r\n"),
	"chunk size tab":           chunks("5\t;x\r\na=b&c\r\n0\r\n\r\n"),
	"chunk size overflow":      chunks("10000000000000005\r\na=b&c\r\n0\r\n\r\n"),
	"chunk size 2^32":          chunks("100000005\r\na=b&c\r\n0\r\n\r\n"),
	"chunk size with zeros":    chunks("000000000000000005\r\na=b&c\r\n0\r\n\r\n"),
	"chunk size underscore":    chunks("0_5\r\na=b&c\r\n0\r\n\r\n"),
	"chunk size ends with lf":  chunks("5\na=b&c\r\n0\r\n\r\n"),
	"chunk size ends with cr":  chunks("5\ra=b&c\r\n0\r\n\r\n"),
	"lf in chunk extension":    chunks("5;x\na=b&c\r\n0\r\n\r\n"),
	"cr in chunk extension":    chunks("5;x\ry\r\na=b&c\r\n0\r\n\r\n"),
	"nul in chunk extension":   chunks("5;x\x00\r\na=b&c\r\n0\r\n\r\n"),
	"endless chunk extension":  chunks("5;" + strings.Repeat("x", 5000) + "\r\na=b&c\r\n0\r\n\r\n"),
	"chunk shorter than said":  chunks("7\r\na=b&c\r\n0\r\n\r\n"),
	"chunk longer than said":   chunks("3\r\na=b&c\r\n0\r\n\r\n"),
	"chunk ends with lf":       chunks("5\r\na=b&c\n0\r\n\r\n"),
	"chunk ends with nothing":  chunks("5\r\na=b&c0\r\n\r\n"),
	"last chunk ends with lf":  chunks("0\n\n"),
	"trailers end with lf":     chunks("0\r\n\n"),
	"trailer ends with lf":     chunks("0\r\nX: y\n\r\n"),
	"trailer folded":           chunks("0\r\nX: y\r\n z\r\n\r\n"),
	"trailer, space":           chunks("0\r\nX : y\r\n\r\n"),
	"trailer without colon":    chunks("0\r\nGET / HTTP/1.1\r\n\r\n"),
	"trailer frames, length":   chunks("0\r\nContent-Length: 5\r\n\r\n"),
	"trailer frames, te":       chunks("0\r\nTransfer-Encoding: chunked\r\n\r\n"),
	"trailer with a host":      chunks("0\r\nHost: other\r\n\r\n"),
	"chunks end with the body": chunks("5\r\na=b&c\r\n"),

	// Host (section 3.2).
	"no host":             "GET / HTTP/1.1\r\n\r\n",
	"empty host":          "GET / HTTP/1.1\r\nHost:\r\n\r\n",
	"two hosts":           "GET / HTTP/1.1\r\nHost: h\r\nHost: other\r\n\r\n",
	"two equal hosts":     "GET / HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n",
	"list of hosts":       "GET / HTTP/1.1\r\nHost: h, other\r\n\r\n",
	"host with a path":    "GET / HTTP/1.1\r\nHost: h/x\r\n\r\n",
	"host with a user":    "GET / HTTP/1.1\r\nHost: a@h\r\n\r\n",
	"host with a space":   "GET / HTTP/1.1\r\nHost: h other\r\n\r\n",
	"two hosts in 1.0":    "GET / HTTP/1.0\r\nConnection: keep-alive\r\nHost: h\r\nHost: other\r\n\r\n",
	"target, other host":  "GET http://other/ HTTP/1.1\r\nHost: h\r\n\r\n",
	"target, no host":     "GET http:/// HTTP/1.1\r\nHost: h\r\n\r\n",
	"target with a user":  "GET http://h@other/ HTTP/1.1\r\nHost: other\r\n\r\n",
	"target, other port":  "GET http://h:81/ HTTP/1.1\r\nHost: h\r\n\r\n",
	"target, no slashes":  "GET h HTTP/1.1\r\nHost: h\r\n\r\n",
	"target, relative":    "GET login HTTP/1.1\r\nHost: h\r\n\r\n",
	"target, odd scheme":  "GET gopher://h/ HTTP/1.1\r\nHost: h\r\n\r\n",
	"target, fragment":    "GET /#x HTTP/1.1\r\nHost: h\r\n\r\n",
	"host, space before":  "GET / HTTP/1.1\r\nHost: h\r\nHost : other\r\n\r\n",
	"host, folded":        "GET / HTTP/1.1\r\nHost:\r\n h\r\n\r\n",
	"connect":             "CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n",
	"connect with a path": "CONNECT / HTTP/1.1\r\nHost: h\r\n\r\n",

	// Lines (sections 2.2, 5.1, 5.2) and characters.
	"all lines end with lf":         "GET / HTTP/1.1\nHost: h\n\n",
	"request line ends with lf":     "GET / HTTP/1.1\nHost: h\r\n\r\n",
	"a line ends with lf":           "GET / HTTP/1.1\r\nHost: h\nX: y\r\n\r\n",
	"header ends with lf":           "GET / HTTP/1.1\r\nHost: h\r\n\n",
	"header ends with lf, lf":       "GET / HTTP/1.1\r\nHost: h\n\n",
	"a line ends with cr":           "GET / HTTP/1.1\r\nHost: h\rX: y\r\n\r\n",
	"a line ends with cr cr lf":     "GET / HTTP/1.1\r\nHost: h\r\r\nX: y\r\n\r\n",
	"lf before the request":         "\nGET / HTTP/1.1\r\nHost: h\r\n\r\n",
	"many lines before the request": "\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n",
	"nul in a value":                "GET / HTTP/1.1\r\nHost: h\r\nX: a\x00b\r\n\r\n",
	"nul in a name":                 "GET / HTTP/1.1\r\nHost: h\r\nX\x00: a\r\n\r\n",
	"nul in the target":             "GET /\x00 HTTP/1.1\r\nHost: h\r\n\r\n",
	"bell in a value":               "GET / HTTP/1.1\r\nHost: h\r\nX: \x07\r\n\r\n",
	"delete in a value":             "GET / HTTP/1.1\r\nHost: h\r\nX: \x7f\r\n\r\n",
	"folded":                        "GET / HTTP/1.1\r\nHost: h\r\nX: a\r\n b\r\n\r\n",
	"folded with a tab":             "GET / HTTP/1.1\r\nHost: h\r\nX: a\r\n\tb\r\n\r\n",
	"folded first line":             "GET / HTTP/1.1\r\n Host: h\r\nHost: h\r\n\r\n",
	"space before colon":            "GET / HTTP/1.1\r\nHost: h\r\nX : a\r\n\r\n",
	"space in a name":               "GET / HTTP/1.1\r\nHost: h\r\nX Y: a\r\n\r\n",
	"no colon":                      "GET / HTTP/1.1\r\nHost: h\r\nX\r\n\r\n",
	"no name":                       "GET / HTTP/1.1\r\nHost: h\r\n: a\r\n\r\n",
	"brackets in a name":            "GET / HTTP/1.1\r\nHost: h\r\n(X): a\r\n\r\n",
	"letters of latin-1 in a name":  "GET / HTTP/1.1\r\nHost: h\r\n\xe9: a\r\n\r\n",

	// Request lines (section 3).
	"two spaces":       "GET  / HTTP/1.1\r\nHost: h\r\n\r\n",
	"space at the end": "GET / HTTP/1.1 \r\nHost: h\r\n\r\n",
	"space before":     " GET / HTTP/1.1\r\nHost: h\r\n\r\n",
	"space in target":  "GET /a b HTTP/1.1\r\nHost: h\r\n\r\n",
	"tabs":             "GET\t/\tHTTP/1.1\r\nHost: h\r\n\r\n",
	"tab in target":    "GET /a\tb HTTP/1.1\r\nHost: h\r\n\r\n",
	"no version":       "GET /\r\nHost: h\r\n\r\n",
	"http/0.9":         "GET / HTTP/0.9\r\nHost: h\r\n\r\n",
	"http/1.2":         "GET / HTTP/1.2\r\nHost: h\r\n\r\n",
	"http/1.10":        "GET / HTTP/1.10\r\nHost: h\r\n\r\n",
	"http/01.1":        "GET / HTTP/01.1\r\nHost: h\r\n\r\n",
	"http/2.0":         "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
	"http/3.7":         "GET / HTTP/3.7\r\nHost: h\r\n\r\n",
	"small letters":    "GET / http/1.1\r\nHost: h\r\n\r\n",
	"another protocol": "GET / ICY/1.1\r\nHost: h\r\n\r\n",
	"odd method":       "G[T / HTTP/1.1\r\nHost: h\r\n\r\n",
	"star of a get":    "GET * HTTP/1.1\r\nHost: h\r\n\r\n",
	"no target":        "GET HTTP/1.1\r\nHost: h\r\n\r\n",
}

// plain are requests that have one reading, with the body that each brings.
var plain = map[string]struct{ request, body string }{
	"get":                   {"GET / HTTP/1.1\r\nHost: h\r\n\r\n", ""},
	"get with a port":       {"GET /?a=b HTTP/1.1\r\nHost: h.example:8080\r\n\r\n", ""},
	"get at an ipv6":        {"GET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n", ""},
	"get in http/1.0":       {"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", ""},
	"absolute form":         {"GET http://h/ HTTP/1.1\r\nHost: h\r\n\r\n", ""},
	"absolute form, query":  {"GET http://h:81?x HTTP/1.1\r\nHost: H:81\r\n\r\n", ""},
	"no space after colon":  {"GET / HTTP/1.1\r\nHost:h\r\nX:a:b\r\n\r\n", ""},
	"empty value":           {"GET / HTTP/1.1\r\nHost: h\r\nX:\r\n\r\n", ""},
	"latin-1 in a value":    {"GET / HTTP/1.1\r\nHost: h\r\nX: M\xfcller\ttab\r\n\r\n", ""},
	"an empty line before":  {"\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", ""},
	"length":                {post("Content-Length: 5\r\n") + "a=b&c", "a=b&c"},
	"length 0":              {post("Content-Length: 0\r\n"), ""},
	"no length":             {post(""), ""},
	"body with what it has": {post(fmt.Sprintf("Content-Length: %d\r\n", 3+len(next))) + "\n\r\x00" + next, "\n\r\x00" + next},
	"length in http/1.0":    {"POST / HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\na=b&c", "a=b&c"},
	"body of a get":         {"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\na=b&c", "a=b&c"},
	"chunked":               {chunks("5\r\na=b&c\r\n0\r\n\r\n"), "a=b&c"},
	"chunked, no body":      {chunks("0\r\n\r\n"), ""},
	"chunked in capitals":   {post("transfer-encoding:CHUNKED\r\n") + "A\r\n0123456789\r\n00\r\n\r\n", "0123456789"},
	"chunks with newlines":  {chunks("2\r\n\r\n\r\n3\r\n0\r\n\r\n0\r\n\r\n"), "\r\n0\r\n"},
	"extension and trailer": {chunks("5;x=\"y\"\r\na=b&c\r\n0;z\r\nX-Sum: 1\r\n\r\n"), "a=b&c"},
}

// echo is the server as New makes it, which answers with the body that it got.
func echo(t *testing.T) string {
	t.Helper()
	s := &server{Config: Config{URL: "http://h"}, log: slog.New(slog.DiscardHandler)}
	app := fiber.New(s.fiberConfig())
	app.Use(func(c *fiber.Ctx) error { return c.SendString(fmt.Sprintf("<%s>", c.Body())) })
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { _ = app.Listener(Framed(ln)); close(done) }()
	t.Cleanup(func() { _ = app.ShutdownWithTimeout(5 * time.Second); <-done })
	return ln.Addr().String()
}

// answers are the answers to what is sent on one connection, with their bodies, until
// it is closed from the other side or n came.
func answers(t *testing.T, addr, sent string, n int) (all []string) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(c, sent); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(c)
	for len(all) < n {
		resp, err := http.ReadResponse(r, nil)
		var timeout net.Error
		if errors.As(err, &timeout) && timeout.Timeout() {
			t.Fatal("neither an answer nor the connection's end came")
		}
		if err != nil {
			return all
		}
		body, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		all = append(all, fmt.Sprint(resp.StatusCode, " ", string(body)))
	}
	return all
}

// TestAmbiguousRequestsEndTheConnection: what two servers could read in two ways is
// refused, and nothing after it is served.
func TestAmbiguousRequestsEndTheConnection(t *testing.T) {
	addr := echo(t)
	for name, request := range ambiguous {
		t.Run(name, func(t *testing.T) {
			for _, before := range []string{"", "GET /before HTTP/1.1\r\nHost: h\r\n\r\n"} {
				got := answers(t, addr, before+request+next+next, 4)
				if before != "" && len(got) > 0 && got[0] == "200 <>" {
					got = got[1:]
				}
				if len(got) > 1 || len(got) == 1 && !strings.HasPrefix(got[0], "400 ") && !strings.HasPrefix(got[0], "413 ") {
					t.Errorf("after %q it was answered %q", before, got)
				}
			}
		})
	}
}

// TestPlainRequestsAreServed: what has one reading is, and what follows it too.
func TestPlainRequestsAreServed(t *testing.T) {
	addr := echo(t)
	for name, p := range plain {
		t.Run(name, func(t *testing.T) {
			got := answers(t, addr, p.request+p.request+next, 3)
			if want := []string{"200 <" + p.body + ">", "200 <" + p.body + ">", "200 <>"}; !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

// fromReader is a connection that brings what a reader does.
type fromReader struct {
	net.Conn
	io.Reader
}

func (c fromReader) Read(p []byte) (int, error) { return c.Reader.Read(p) }

// TestFramingByteByByte: the verdict doesn't depend on how the network cuts a request.
func TestFramingByteByByte(t *testing.T) {
	read := func(request string) (string, error) {
		c := &framedConn{Conn: fromReader{Reader: iotest.OneByteReader(strings.NewReader(request))}}
		got, err := io.ReadAll(c)
		return string(got), err
	}
	for name, request := range ambiguous {
		if name == "length more than we take" || name == "chunks end with the body" { // the server's to refuse
			continue
		}
		if _, err := read(next + request + next); err == nil {
			t.Errorf("%s: passed", name)
		}
	}
	for name, p := range plain {
		if got, err := read(p.request + next); err != nil || got != p.request+next {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
}

func BenchmarkFraming(b *testing.B) {
	request := []byte("POST /signup/contoso-weekly HTTP/1.1\r\nHost: gatepost.example\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n" +
		"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\nAccept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br\r\n" +
		"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 56\r\nConnection: keep-alive\r\nX-Forwarded-For: 192.0.2.7\r\n\r\n" + strings.Repeat("a", 56))
	b.ReportAllocs()
	b.SetBytes(int64(len(request)))
	var f framing
	for b.Loop() {
		if n, err := f.check(request); err != nil || n != len(request) {
			b.Fatal(n, err)
		}
	}
}
