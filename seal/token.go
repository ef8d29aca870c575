package seal

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
)

// NewToken returns the secret of a link, 32 random bytes, and its hash, which alone is stored:
// whoever reads the database can't make the link of it.
func NewToken() (token, hash string) {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails
	token = base64.RawURLEncoding.EncodeToString(b)
	return token, TokenHash(token)
}

// TokenHash is the hash of a token. It needs no salt and no slowness: a token can't be guessed.
func TokenHash(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// RecipientMAC is what the limits of mails know an address by, of one tenant or, with an empty
// tenantID, of all. The address is given in lower case.
func RecipientMAC(m interface {
	Sum(p Purpose, parts ...string) []byte
}, tenantID, addressKey string) string {
	return base64.RawURLEncoding.EncodeToString(m.Sum(Recipient, tenantID, addressKey))
}
