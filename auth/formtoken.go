package auth

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"

	"gatepost/db"
)

// What a form carries: a secret, of its session or of a cookie, and the author, for
// whom its page was written.
const (
	authorBytes = 16
	formBytes   = tokenBytes + authorBytes
)

// Author says, in a way that nobody else can make up, for which user and in which of
// their tenants a page was written. It outlives the session, so that somebody who had
// to log in again is known as who wrote a form; it ends with the password, whose hash
// is its key: that holds 16 random bytes of salt and never leaves the database.
func Author(u db.User, tenantID string) []byte {
	mac := hmac.New(sha256.New, []byte(u.PasswordHash))
	mac.Write([]byte("form\x00" + u.ID + "\x00" + tenantID))
	return mac.Sum(nil)[:authorBytes]
}

// EqualAuthors compares two authors in a time that tells nothing about them. One that is
// missing equals none.
func EqualAuthors(a, b []byte) bool {
	return len(a) == authorBytes && subtle.ConstantTimeCompare(a, b) == 1
}

// MaskForm returns what the forms of one answer carry: random bytes, and the secret and
// the author changed by them. So no two answers have anything in common there. A secret
// that stood in all of them, beside text that others can choose, could be guessed
// letter by letter from how well the answers compress. The author is nil where nobody
// is signed in.
func MaskForm(secret string, author []byte) string {
	b := make([]byte, 2*formBytes)
	pad, masked := b[:formBytes], b[formBytes:]
	_, _ = rand.Read(pad) // never fails
	raw, _ := base64.RawURLEncoding.DecodeString(secret)
	copy(masked, raw)
	copy(masked[tokenBytes:], author)
	subtle.XORBytes(masked, masked, pad)
	return base64.RawURLEncoding.EncodeToString(b)
}

// UnmaskForm returns the secret and the author of a form; "" and nil when it carries
// nothing that MaskForm made.
func UnmaskForm(carried string) (secret string, author []byte) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(carried)
	if err != nil || len(b) != 2*formBytes || len(carried) != base64.RawURLEncoding.EncodedLen(2*formBytes) { // line breaks are left out
		return "", nil
	}
	subtle.XORBytes(b, b[:formBytes], b[formBytes:])
	return base64.RawURLEncoding.EncodeToString(b[:tokenBytes]), b[tokenBytes:formBytes]
}
