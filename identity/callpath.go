package identity

import (
	"fmt"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// maxCallPath is the longest path of a call, in bytes.
const maxCallPath = 2000

// pathPunctuation may stand in a path as it is (RFC 3986, section 3.3), beside letters,
// digits and escapes. The semicolon may not: some servers cut a segment off at it.
const pathPunctuation = "-._~!$&'()*+,=:@"

// badInSegment are what a segment must not come to hold by being decoded: a server that
// decodes once more, or normalises, would read another path than the one that was checked.
const badInSegment = `/\;?#%`

// apiPath is the path of a call, decoded, and the prefix of the service's that it is below.
// Errors are *CallErrors.
func (s Service) apiPath(raw string) (path, prefix string, err error) {
	if len(s.APIPrefixes) == 0 {
		return "", "", callError422(CallNotCallable, "Gatepost doesn’t know which paths are "+s.Name+"’s API, so it calls none there. Get the token and call it yourself, or, for a service of your own, name them with gatepost service set --api-prefix.")
	}
	if path, err = cleanPath(raw); err != nil {
		return "", "", err
	}
	for _, prefix := range s.APIPrefixes {
		if path == prefix || strings.HasSuffix(prefix, "/") && strings.HasPrefix(path, prefix) {
			return path, prefix, nil
		}
	}
	return "", "", callError422(CallPathRefused, fmt.Sprintf("The path isn’t one of %s’s API. It has to begin with %s.", s.Name, strings.Join(s.APIPrefixes, ", ")))
}

// cleanPath decodes a path that means one thing to every server.
func cleanPath(raw string) (string, error) {
	if !strings.HasPrefix(raw, "/") || len(raw) > maxCallPath {
		return "", callError422(CallPathRefused, fmt.Sprintf("The path has to begin with a slash and to have at most %d bytes, without scheme and host.", maxCallPath))
	}
	segments := strings.Split(raw[1:], "/")
	for i, segment := range segments {
		decoded, why := cleanSegment(segment)
		if segment == "" && i < len(segments)-1 {
			why = "an empty part, as between two slashes"
		}
		if why != "" {
			return "", callError422(CallPathRefused, "The path has "+why+" in it. Write it as it is meant; what is asked for goes into query.")
		}
		segments[i] = decoded
	}
	return "/" + strings.Join(segments, "/"), nil
}

// cleanSegment decodes what stands between two slashes; why says what is wrong with it.
func cleanSegment(raw string) (decoded, why string) {
	for _, r := range raw {
		if r != '%' && !strings.ContainsRune(pathPunctuation, r) && (r > '~' || !unicode.IsLetter(r) && !unicode.IsDigit(r)) {
			return "", fmt.Sprintf("%q", r)
		}
	}
	decoded, err := url.PathUnescape(raw)
	if err != nil || !utf8.ValidString(decoded) {
		return "", "an escape that is none"
	}
	for _, reading := range []string{decoded, norm.NFKC.String(decoded)} {
		switch {
		case strings.ContainsAny(reading, badInSegment):
			return "", "an escaped slash, backslash, semicolon, question mark, number sign or percent sign"
		case strings.ContainsFunc(reading, func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) }):
			return "", "a control character"
		case reading != "" && strings.TrimFunc(reading, func(r rune) bool { return r == '.' || unicode.IsSpace(r) }) == "":
			return "", "a part of dots or spaces alone"
		}
	}
	return decoded, ""
}
