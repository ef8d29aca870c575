package mocksalesforce

import "strings"

const (
	base62   = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	checkSet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
	pod      = "ak0"
)

// makeID writes the 18-character id of the nth record of a kind.
func makeID(prefix string, n int64) string {
	var tail [9]byte
	for i := len(tail) - 1; i >= 0; i-- {
		tail[i] = base62[n%62]
		n /= 62
	}
	id := prefix + pod + string(tail[:])
	return id + checksum(id)
}

// checksum is the suffix which makes a 15-character id safe to compare
// without regard to case: one character for the capitals of each five.
func checksum(id string) string {
	var sum [3]byte
	for i := range sum {
		bits := 0
		for j, c := range []byte(id[i*5 : i*5+5]) {
			if c >= 'A' && c <= 'Z' {
				bits |= 1 << j
			}
		}
		sum[i] = checkSet[bits]
	}
	return string(sum[:])
}

// restoreCase gives a 15-character id the capitals that its checksum tells.
func restoreCase(id, sum string) (string, bool) {
	out := []byte(strings.ToLower(id))
	for i := range 3 {
		bits := strings.IndexByte(checkSet, strings.ToUpper(sum)[i])
		if bits < 0 {
			return "", false
		}
		for j := range 5 {
			if c := &out[i*5+j]; bits>>j&1 == 1 && *c >= 'a' && *c <= 'z' {
				*c -= 'a' - 'A'
			}
		}
	}
	return string(out), checksum(string(out)) == strings.ToUpper(sum)
}

// looksLikeID reports whether s has the shape of an id.
func looksLikeID(s string) bool {
	if len(s) != 15 && len(s) != 18 {
		return false
	}
	for _, c := range []byte(s) {
		if strings.IndexByte(base62, c) < 0 {
			return false
		}
	}
	return true
}

// canonicalID returns the 18-character form of a 15- or 18-character id.
func canonicalID(s string) (string, bool) {
	if !looksLikeID(s) {
		return "", false
	}
	if len(s) == 18 {
		fixed, ok := restoreCase(s[:15], s[15:])
		if !ok {
			return "", false
		}
		s = fixed
	}
	return s + checksum(s), true
}

// parseID returns the number inside an id of a kind. A well-formed id that
// this Salesforce never gave out has the number 0, which no record has.
func parseID(prefix, s string) (int64, bool) {
	id, ok := canonicalID(s)
	if !ok || !strings.HasPrefix(id, prefix) {
		return 0, false
	}
	if id[3:6] != pod {
		return 0, true
	}
	var n int64
	for _, c := range []byte(id[6:15]) {
		n = n*62 + int64(strings.IndexByte(base62, c))
	}
	return n, true
}
