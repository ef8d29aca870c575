package identity

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"html"
	"slices"
	"strconv"
	"strings"
)

// holdsToken reports whether an answer holds one of the tokens, as it is or in one of the
// ways in which servers write what they were sent.
func holdsToken(answer []byte, tokens []string) bool {
	var all []string
	for _, token := range tokens {
		all = append(all, writings(token)...)
	}
	for n, read := range readings {
		text := answer
		for _, without := range read {
			text = without(text)
		}
		if n > 0 && len(text) == len(answer) {
			continue // there was nothing to read
		}
		if slices.ContainsFunc(all, func(written string) bool { return bytes.Contains(text, []byte(written)) }) {
			return true
		}
	}
	return false
}

// writings are a token, and how it looks in base64 and hex, wherever it begins in what was
// encoded.
func writings(token string) []string {
	if token == "" {
		return nil
	}
	inHex := hex.EncodeToString([]byte(token))
	all := []string{token, inHex, strings.ToUpper(inHex)}
	for _, alphabet := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		for before := range 3 {
			encoded := alphabet.EncodeToString([]byte(strings.Repeat("x", before) + token))
			// What depends on the bytes before and after is left out.
			if part := encoded[(before*8+5)/6 : (before+len(token))*8/6]; len(part) >= 8 {
				all = append(all, part)
			}
		}
	}
	return all
}

// readings are the ways in which a text is read: as it is, and with the escapes in it read,
// those of one kind within those of another too.
var readings = [][]func([]byte) []byte{
	nil, {withoutPercents}, {withoutBackslashes}, {withoutEntities}, {withoutPercents, withoutBackslashes}, {withoutBackslashes, withoutPercents},
	{withoutBackslashes, withoutBackslashes}, {withoutBackslashes, withoutEntities}, {withoutEntities, withoutBackslashes}, {withoutEntities, withoutPercents},
	{withoutPercents, withoutPercents}, {withoutBreaks}, {withoutBackslashes, withoutBreaks},
}

// withoutBackslashes reads the escapes of JSON, and of scripts, that a token may be written
// with.
func withoutBackslashes(text []byte) []byte {
	return unescaped(text, '\\', func(rest []byte) (byte, int) {
		if len(rest) < 2 {
			return 0, 0
		}
		digits := map[byte]int{'u': 4, 'x': 2}[rest[1]]
		if digits == 0 {
			if i := strings.IndexByte("nrt", rest[1]); i >= 0 {
				return "\n\r\t"[i], 2
			}
			return rest[1], 2
		}
		if len(rest) >= 2+digits {
			if n, err := strconv.ParseUint(string(rest[2:2+digits]), 16, 8); err == nil {
				return byte(n), 2 + digits
			}
		}
		return 0, 0
	})
}

// withoutBreaks reads what was broken into lines, as mails have base64 (RFC 2045, sections
// 6.7 and 6.8), and the letters of a token in UTF-16.
func withoutBreaks(text []byte) []byte {
	out := make([]byte, 0, len(text))
	for _, b := range text {
		switch b {
		case '\n':
			out = bytes.TrimSuffix(out, []byte("="))
		case '\r', 0:
		default:
			out = append(out, b)
		}
	}
	return out
}

// withoutPercents reads the escapes of URLs.
func withoutPercents(text []byte) []byte {
	return unescaped(text, '%', func(rest []byte) (byte, int) {
		if len(rest) >= 3 {
			if n, err := strconv.ParseUint(string(rest[1:3]), 16, 8); err == nil {
				return byte(n), 3
			}
		}
		return 0, 0
	})
}

// withoutEntities reads the escapes of HTML.
func withoutEntities(text []byte) []byte {
	if !bytes.ContainsRune(text, '&') {
		return text
	}
	return []byte(html.UnescapeString(string(text)))
}

// unescaped is a text with its escapes read: one tells which byte it stands for, and how
// long it is; 0 for none.
func unescaped(text []byte, begin byte, one func(rest []byte) (byte, int)) []byte {
	if bytes.IndexByte(text, begin) < 0 {
		return text
	}
	out := make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		if text[i] == begin {
			if b, n := one(text[i:]); n > 0 {
				out, i = append(out, b), i+n-1
				continue
			}
		}
		out = append(out, text[i])
	}
	return out
}
