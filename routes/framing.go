package routes

import (
	"bytes"
	"errors"
	"net"
	"strconv"
	"strings"
)

// Framed returns a listener that ends a connection at the first request that a
// proxy in front of us could see end elsewhere than we do: what follows would be
// a request to one of the two and a part of this one to the other (request
// smuggling, RFC 9112 section 11.2).
//
// fasthttp is lenient where RFC 9112 lets it be: it takes lines that end with LF
// alone, folded ones, names with spaces, two framings at once, and HTTP/3.7. Its
// hooks see a header when that is parsed, and chunks never, so what it gets to
// read is checked before. All that passes here, every server reads in one way.
func Framed(ln net.Listener) net.Listener { return framedListener{ln} }

type framedListener struct{ net.Listener }

// Accept returns the next connection, whose requests are checked.
func (l framedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &framedConn{Conn: c}, nil
}

// framedConn is read by one goroutine at a time.
type framedConn struct {
	net.Conn
	framing framing
	refused error
}

// Read returns what is in order, and an error in the place of the first request
// that isn't and of all after it. The server answers that with 400, and closes.
func (c *framedConn) Read(p []byte) (int, error) {
	if c.refused != nil {
		return 0, c.refused
	}
	n, err := c.Conn.Read(p)
	whole, refused := c.framing.check(p[:n])
	if refused != nil {
		c.refused = refused
		return whole, refused
	}
	return n, err
}

// The most that a line may have. The server's own limits are lower for headers.
const (
	maxLine      = 2 * maxHeaders
	maxChunkLine = 256
)

// place is where in a request the reading is.
type place int

const (
	atRequestLine place = iota
	inHeader
	inBody
	atChunkSize
	inChunk
	afterChunk
	inTrailer
)

// framing follows the requests of a connection.
type framing struct {
	at   place
	left int64  // bytes of the body or the chunk that are still to come
	line []byte // what came of a line that isn't whole yet
	head head
}

// head is what a request says of its framing and of whom it is for.
type head struct {
	blank     bool // an empty line came before it
	http10    bool
	authority string // of a target in absolute form
	host      string
	hosts     int
	length    int64
	lengths   int
	chunked   bool
}

// misframed says what is wrong with a request.
func misframed(what string) error { return errors.New("malformed request: " + what) }

// check follows what came next on the connection. With an error it returns how
// many of the bytes belong to the requests before the one that is wrong.
func (f *framing) check(b []byte) (whole int, err error) {
	for at := 0; at < len(b); {
		if f.left > 0 {
			n := min(f.left, int64(len(b)-at))
			f.left -= n
			at += int(n)
		} else {
			line, n, err := f.nextLine(b[at:])
			if at += n; err != nil {
				return whole, err
			}
			if line == nil {
				break
			}
			if err := f.step(line); err != nil {
				return whole, err
			}
		}
		if f.left > 0 {
			continue
		}
		switch f.at {
		case inChunk:
			f.at = afterChunk
		case inBody:
			f.at, f.head = atRequestLine, head{}
			whole = at
		}
	}
	return whole, nil
}

// nextLine returns the next line without its end, which has to be CRLF, or nil
// while it isn't whole, and how many bytes it took.
func (f *framing) nextLine(b []byte) (line []byte, n int, err error) {
	end := bytes.IndexByte(b, '\n')
	n = end + 1
	if end < 0 {
		end, n = len(b), len(b)
	}
	most := maxLine
	if f.at == atChunkSize || f.at == afterChunk {
		most = maxChunkLine
	}
	switch {
	case len(f.line)+end > most:
		return nil, n, misframed("a line is too long")
	case n == 0 || b[n-1] != '\n':
		f.line = append(f.line, b...)
		return nil, n, nil
	}
	line = b[:end]
	if len(f.line) > 0 {
		line = append(f.line, line...)
		f.line = f.line[:0]
	}
	line, ok := bytes.CutSuffix(line, []byte("\r"))
	if !ok {
		return nil, n, misframed("a line doesn't end with CRLF")
	}
	for _, c := range line {
		if c < ' ' && c != '\t' || c == 0x7f {
			return nil, n, misframed("a line has control characters")
		}
	}
	return line, n, nil
}

// step takes a line as what its place makes of it.
func (f *framing) step(line []byte) error {
	switch f.at {
	case atRequestLine:
		if len(line) == 0 && !f.head.blank { // old browsers send one after a body
			f.head.blank = true
			return nil
		}
		f.at = inHeader
		return f.head.request(line)
	case inHeader:
		if len(line) > 0 {
			return f.head.field(line)
		}
		return f.endOfHead()
	case atChunkSize:
		return f.chunkSize(line)
	case afterChunk:
		f.at = atChunkSize
		if len(line) > 0 {
			return misframed("a chunk is longer than its size says")
		}
	case inTrailer:
		if len(line) == 0 {
			f.at = inBody // of which nothing is left
			return nil
		}
		name, _, err := fieldOf(line)
		if err == nil && framingField(name) != "" {
			err = misframed("a trailer can't frame a request")
		}
		return err
	}
	return nil
}

// endOfHead decides by the whole header what follows it.
func (f *framing) endOfHead() error {
	h := &f.head
	switch {
	case h.hosts > 1, h.host == "" && !h.http10, h.host != "" && !validHost(h.host):
		return misframed("it needs one Host")
	case h.authority != "" && h.hosts > 0 && !strings.EqualFold(h.authority, h.host):
		return misframed("its target and its Host differ")
	case h.chunked && (h.lengths > 0 || h.http10):
		return misframed("Transfer-Encoding is not alone, or in HTTP/1.0")
	case h.chunked:
		f.at = atChunkSize
	default:
		f.at, f.left = inBody, h.length
	}
	return nil
}

// request reads a request line.
func (h *head) request(line []byte) error {
	parts := strings.Split(string(line), " ")
	if len(parts) != 3 || !isToken(parts[0]) || strings.ContainsAny(parts[1], "\t#") {
		return misframed("the request line is none")
	}
	method, target, version := parts[0], parts[1], parts[2]
	if version != "HTTP/1.1" && version != "HTTP/1.0" {
		return misframed("it is neither HTTP/1.1 nor HTTP/1.0")
	}
	h.http10 = version == "HTTP/1.0"
	if strings.HasPrefix(target, "/") && method != "CONNECT" || target == "*" && method == "OPTIONS" {
		return nil
	}
	scheme, rest, _ := strings.Cut(target, "://")
	if end := strings.IndexAny(rest, "/?"); end >= 0 {
		rest = rest[:end]
	}
	if h.authority = rest; method == "CONNECT" || !strings.EqualFold(scheme, "http") && !strings.EqualFold(scheme, "https") || !validHost(rest) {
		return misframed("its target is none of ours")
	}
	return nil
}

// field reads a line of the header.
func (h *head) field(line []byte) error {
	name, value, err := fieldOf(line)
	if err != nil {
		return err
	}
	switch framingField(name) {
	case "host":
		h.hosts++
		h.host = string(value)
	case "content-length":
		h.lengths++
		h.length, err = strconv.ParseInt(string(value), 10, 64)
		if err != nil || h.lengths > 1 || value[0] < '0' || value[0] > '9' || len(value) > 18 {
			return misframed("Content-Length is not one number")
		}
	case "transfer-encoding":
		if h.chunked || !strings.EqualFold(string(value), "chunked") {
			return misframed("Transfer-Encoding is not chunked")
		}
		h.chunked = true
	case "expect":
		if !strings.EqualFold(string(value), "100-continue") {
			return misframed("it expects what there isn't")
		}
	case "ambiguous":
		return misframed("a name is written like one that frames a request")
	}
	return nil
}

// fieldOf takes a line apart at its colon.
func fieldOf(line []byte) (name, value []byte, err error) {
	name, value, ok := bytes.Cut(line, []byte(":"))
	if !ok || !isToken(name) { // a folded line begins with a space
		return nil, nil, misframed("a header line has no name, or spaces around it")
	}
	return name, bytes.Trim(value, " \t"), nil
}

// framingFields are those that say where a request ends and whom it is for.
// Some servers read _ as -.
var framingFields = map[string]string{
	"host": "host", "content-length": "content-length", "transfer-encoding": "transfer-encoding", "expect": "expect",
	"content_length": "ambiguous", "transfer_encoding": "ambiguous",
}

func framingField(name []byte) string {
	switch len(name) {
	case len("host"), len("expect"), len("content-length"), len("transfer-encoding"):
		return framingFields[string(bytes.ToLower(name))]
	}
	return ""
}

// chunkSize reads the line before a chunk. Extensions are let through: they are
// to be ignored, and their line has been checked.
func (f *framing) chunkSize(line []byte) error {
	size, _, _ := bytes.Cut(line, []byte(";"))
	n, err := strconv.ParseUint(string(size), 16, 31)
	if err != nil || len(size) > 8 || !allOf(&hexBytes, size) {
		return misframed("the size of a chunk is none")
	}
	if f.at, f.left = inChunk, int64(n); n == 0 {
		f.at = inTrailer
	}
	return nil
}

// isToken reports whether s is a token of RFC 9110, as methods and names of fields are.
func isToken[T string | []byte](s T) bool { return allOf(&tokenBytes, s) }

var tokenBytes = bytesOf("!#$%&'*+-.^_`|~", "0123456789", "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ")

// validHost reports whether s can be a host with a port.
func validHost(s string) bool { return allOf(&hostBytes, s) }

var hostBytes = bytesOf("-._~%:[]", "0123456789", "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ")

var hexBytes = bytesOf("0123456789", "abcdef", "ABCDEF")

// allOf reports whether s has bytes of a set alone, and at least one.
func allOf[T string | []byte](set *[256]bool, s T) bool {
	for i := range len(s) {
		if !set[s[i]] {
			return false
		}
	}
	return len(s) > 0
}

func bytesOf(sets ...string) (is [256]bool) {
	for _, c := range []byte(strings.Join(sets, "")) {
		is[c] = true
	}
	return is
}
