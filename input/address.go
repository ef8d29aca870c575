package input

import (
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/text/unicode/norm"
	"golang.org/x/text/width"
)

// domains turns the names of domains into ASCII. Mail servers and CRMs take that
// form alone, and it makes one address of both spellings.
var domains = idna.New(idna.MapForLookup(), idna.Transitional(false), idna.BidiRule(), idna.StrictDomainName(true))

// maxPasted is how many bytes an address may have with all that is around it. It is
// looked at before anything else: by whoever has not even logged in.
const maxPasted = 500

// Address returns the one e-mail address in what somebody pasted, in the form in
// which it is stored: without a name, mailto:, quotes and what nobody sees around
// it, with its domain in ASCII. It is empty when nothing is there. Only the domain
// of letters beyond ASCII is checked, so see that it is an address that you take.
// Errors are Problems.
func Address(s string) (string, error) {
	if isPlainAddress(s) {
		return s, nil
	}
	if len(s) > maxPasted {
		return "", TooLong
	}
	s, err := addressText(s)
	if err != nil {
		return "", err
	}
	if s, err = unwrap(s); err != nil || s == "" {
		return "", err
	}
	if err := checkParts(s); err != nil {
		return "", err
	}
	local, domain, _ := strings.Cut(s, "@")
	if isPlain(domain) && !strings.Contains(strings.ToLower(domain), "xn--") {
		return local + "@" + domain, nil
	}
	if domain, err = domains.ToASCII(domain); err != nil {
		return "", BadDomain
	}
	return local + "@" + domain, nil
}

// isPlainAddress reports whether there is nothing to do about s, as for most.
func isPlainAddress(s string) bool {
	at := strings.IndexByte(s, '@')
	if at < 1 || s[0] == '\'' || s[0] == '`' || strings.Contains(s[at+1:], "xn--") {
		return false
	}
	for i := range len(s) {
		b := s[i]
		switch {
		case b >= 'a' && b <= 'z' || b >= '0' && b <= '9':
		case i == at, i < at && (b >= 'A' && b <= 'Z' || strings.IndexByte("!#$%&'*+-/=?^_`{|}~.", b) >= 0):
		case i > at && i < len(s)-1 && (b == '.' || b == '-'):
		default:
			return false
		}
	}
	return at < len(s)-1
}

// addressText is s without invisible characters, with plain spaces and signs.
func addressText(s string) (string, error) {
	if !utf8.ValidString(s) {
		return "", Lost
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == utf8.RuneError:
			return "", Lost
		case r == '\u202d' || r == '\u202e':
			return "", Turned
		case isSpace(r) || isLineBreak(r):
			b.WriteByte(' ')
		case unicode.IsControl(r) || isNoCharacter(r):
			return "", Unshowable
		case r == '。' || r == '｡':
			b.WriteByte('.')
		case r <= unicode.MaxASCII:
			b.WriteByte(byte(r))
		case !isInvisible(r):
			b.WriteString(width.Fold.String(string(r)))
		}
	}
	return strings.TrimSpace(norm.NFC.String(b.String())), nil
}

// What stands around an address that was copied from a text, or from a cell of a
// spreadsheet.
const (
	before = " \"'`“”‘’„‚«»‹›(["
	after  = before + ")].,;:!?"
)

// unwrap takes an address out of what it was copied with.
func unwrap(s string) (string, error) {
	s = strings.Trim(s, " ")
	if name, rest, ok := cutFold(s, "[mailto:"); ok { // as Outlook writes a sender
		s = name + "<" + strings.Replace(rest, "]", ">", 1)
	}
	if name, rest, ok := strings.Cut(s, "<"); ok {
		inner, tail, _ := strings.Cut(rest, ">")
		address, err := unwrap(inner)
		if err == nil && (strings.Contains(tail, "@") || strings.Contains(name, "@") && !isSame(name, address)) {
			err = SeveralAddresses
		}
		return address, err
	}
	s = strings.TrimRight(strings.TrimLeft(withoutComment(s), before), after)
	if prefix, rest, ok := cutFold(s, "mailto:"); ok && prefix == "" {
		s, _, _ = strings.Cut(rest, "?")
		if plain, err := url.PathUnescape(s); err == nil {
			s = plain
		}
		return addressText(s)
	}
	return s, nil
}

// cutFold cuts s around a word, however that is cased.
func cutFold(s, word string) (before, after string, found bool) {
	for i := 0; i+len(word) <= len(s); i++ {
		if strings.EqualFold(s[i:i+len(word)], word) {
			return s[:i], s[i+len(word):], true
		}
	}
	return s, "", false
}

// withoutComment is an address without the name that stands in brackets after it.
func withoutComment(s string) string {
	address, comment, ok := strings.Cut(s, " (")
	if ok && strings.Contains(address, "@") && !strings.Contains(comment, "@") && strings.HasSuffix(comment, ")") {
		return address
	}
	return s
}

// isSame reports whether the name before an address is that address again.
func isSame(name, address string) bool {
	again, err := unwrap(name)
	return err == nil && strings.EqualFold(again, address)
}

func checkParts(s string) error {
	switch strings.Count(s, "@") {
	case 0:
		return NoAt
	case 1:
	default:
		whole := 0
		for _, part := range strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune(" ,;|", r) }) {
			if at := strings.IndexByte(part, '@'); at > 0 && at < len(part)-1 {
				whole++
			}
		}
		if whole > 1 {
			return SeveralAddresses
		}
		return SeveralAts
	}
	local, domain, _ := strings.Cut(s, "@")
	switch {
	case strings.TrimSpace(local) == "":
		return NoLocalPart
	case strings.TrimSpace(domain) == "":
		return NoDomain
	case strings.Contains(s, " "):
		return Space
	}
	return nil
}
