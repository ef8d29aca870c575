package input

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
	unicodes "golang.org/x/text/encoding/unicode"
)

// ErrCharset says that text is in an encoding that we don't know.
var ErrCharset = errors.New("unknown character encoding")

// Decoder turns bytes in some encoding into text. The zero Decoder is for those
// who didn't say which: it takes UTF-8, and what can only be Western text.
type Decoder struct {
	declared bool
	other    encoding.Encoding // than UTF-8
}

// NewDecoder returns the Decoder for an encoding by one of the names that web pages
// give it, so iso-8859-1 is Windows-1252; or ErrCharset. An empty name says nothing.
func NewDecoder(charset string) (Decoder, error) {
	charset = strings.TrimSpace(charset)
	if charset == "" {
		return Decoder{}, nil
	}
	e, err := htmlindex.Get(charset)
	if err != nil || e == encoding.Replacement {
		return Decoder{}, ErrCharset
	}
	switch name, _ := htmlindex.Name(e); name {
	case "utf-8":
		return Decoder{declared: true}, nil
	case "utf-16le": // a mark at the beginning is part of it
		e = unicodes.UTF16(unicodes.LittleEndian, unicodes.UseBOM)
	case "utf-16be":
		e = unicodes.UTF16(unicodes.BigEndian, unicodes.UseBOM)
	case "x-user-defined":
		return Decoder{}, ErrCharset
	}
	return Decoder{declared: true, other: e}, nil
}

// Text returns the text. What isn't text in it becomes U+FFFD, which Line and
// Address refuse.
func (d Decoder) Text(raw []byte) string {
	switch {
	case d.other != nil:
		return decode(d.other, raw)
	case utf8.Valid(raw):
		return string(raw)
	case !d.declared && isWestern(raw):
		return decode(charmap.Windows1252, raw)
	}
	return strings.ToValidUTF8(string(raw), "\ufffd")
}

// Document is Text for a whole document, which may begin with a mark of its
// encoding. JSON in UTF-16 is known without a mark too: its first character is
// ASCII. It gives ErrCharset for UTF-32.
func (d Decoder) Document(raw []byte) (string, error) {
	if d.other != nil || len(raw) < 2 {
		return d.Text(raw), nil
	}
	if rest, marked := bytes.CutPrefix(raw, []byte("\xef\xbb\xbf")); marked || d.declared {
		return d.Text(rest), nil
	}
	switch mark := string(raw[:2]); {
	case mark == "\x00\x00", mark == "\xff\xfe" && bytes.HasPrefix(raw[2:], []byte{0, 0}), bytes.HasPrefix(raw[1:], []byte{0, 0}):
		return "", ErrCharset
	case mark == "\xff\xfe", raw[1] == 0:
		return decode(unicodes.UTF16(unicodes.LittleEndian, unicodes.UseBOM), raw), nil
	case mark == "\xfe\xff", raw[0] == 0:
		return decode(unicodes.UTF16(unicodes.BigEndian, unicodes.UseBOM), raw), nil
	}
	return d.Text(raw), nil
}

func decode(e encoding.Encoding, raw []byte) string {
	text, err := e.NewDecoder().Bytes(raw)
	if err != nil { // can't be: decoders replace
		return "\ufffd"
	}
	return string(text)
}

// isWestern reports whether bytes of an unknown encoding can be meant as Western
// text: letters alone beside ASCII, two of them at most in a row, and never without
// any of ASCII. What comes from Cyrillic or Asian pages isn't like that, and would
// be stored as nonsense.
func isWestern(raw []byte) bool {
	foreign, row, plain := 0, 0, false
	for _, b := range raw {
		switch r := charmap.Windows1252.DecodeByte(b); {
		case r <= unicode.MaxASCII:
			row = 0
			plain = plain || unicode.IsLetter(r)
		case unicode.IsLetter(r):
			foreign++
			if row++; row > 2 {
				return false
			}
		case r == '’' || r == '\u00a0' || r == '\u00ad':
			row = 0
		default:
			return false
		}
	}
	return plain || foreign < 2
}

// Unescaped returns a field of a form with the decimal references in it resolved.
// Browsers write them for what the page's encoding lacks: Łukasz comes from a
// Latin-1 page as &#321;ukasz.
func Unescaped(s string) string {
	if !strings.Contains(s, "&#") {
		return s
	}
	parts := strings.Split(s, "&#")
	var b strings.Builder
	b.WriteString(parts[0])
	for _, part := range parts[1:] {
		digits, rest, ended := strings.Cut(part, ";")
		n, err := strconv.ParseUint(digits, 10, 21)
		if !ended || err != nil || n <= unicode.MaxASCII {
			b.WriteString("&#" + part)
			continue
		}
		b.WriteRune(rune(n)) // U+FFFD if it is none
		b.WriteString(rest)
	}
	return b.String()
}
