package screening

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"time"
)

// MAC is a keyed MAC over texts, by a key that all processes share and that is never retired while
// what was signed with it is in use.
type MAC func(parts ...string) []byte

// matches compares in constant time.
func (m MAC) matches(sum []byte, parts ...string) bool {
	return subtle.ConstantTimeCompare(sum, m(parts...)[:len(sum)]) == 1
}

// FormTime is what a form says of when it was shown.
type FormTime struct {
	Known  bool          // it says so, with our signature
	Forged bool          // it says something else
	Age    time.Duration // since then
}

// A form time is the milliseconds since 1970, something random, and the MAC of both with the
// newsletter. One may serve many readers: a page can be kept and shown again.
const (
	timeBytes = 8 + 6
	macBytes  = 16
)

// StampForm returns what a form of a newsletter carries that is shown now.
func StampForm(mac MAC, newsletterID string, now time.Time) string {
	stamp := make([]byte, timeBytes, timeBytes+macBytes)
	binary.BigEndian.PutUint64(stamp, uint64(now.UnixMilli()))
	rand.Read(stamp[8:])
	return base64.RawURLEncoding.EncodeToString(append(stamp, mac(newsletterID, string(stamp))[:macBytes]...))
}

// ReadFormTime reads what a form of a newsletter carried. Two clocks may differ: a time that is to
// come has no age.
func ReadFormTime(mac MAC, newsletterID, stamp string, now time.Time) FormTime {
	if stamp == "" {
		return FormTime{}
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(stamp)
	if err != nil || len(b) != timeBytes+macBytes || !mac.matches(b[timeBytes:], newsletterID, string(b[:timeBytes])) {
		return FormTime{Forged: true}
	}
	return FormTime{Known: true, Age: max(0, now.Sub(time.UnixMilli(int64(binary.BigEndian.Uint64(b)))))}
}
