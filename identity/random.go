package identity

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
)

// randomToken returns 32 random bytes, safe in a URL.
func randomToken() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	return base64.RawURLEncoding.EncodeToString(b)
}

// randomName returns a short random name for an owner of leases.
func randomName() string {
	b := make([]byte, 8)
	_, _ = rand.Read(b)
	return hex.EncodeToString(b)
}
