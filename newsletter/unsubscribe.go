package newsletter

import (
	"crypto/hmac"
	"encoding/base64"
	"errors"

	"gatepost/seal"

	"github.com/google/uuid"
)

// UnsubscribePath is how the path of each unsubscribe address begins.
const UnsubscribePath = "/unsubscribe/"

// An unsubscribe address ends in a token that says whose it is: a byte for the kind of token, the
// ids of tenant and subscriber, and half a MAC of these. Nothing of it is stored, so an address
// works as long as the row and the key for MACs do: for years.
const (
	tokenVersion = 1
	tokenMAC     = 16 // bytes of the MAC
	tokenSize    = 1 + 2*len(uuid.UUID{}) + tokenMAC
)

// tokenText is how a token is written: strictly, so that each has one form.
var tokenText = base64.RawURLEncoding.Strict()

// ErrToken says that an unsubscribe address is none of ours: it was cut off, changed or guessed.
var ErrToken = errors.New("no such unsubscribe address")

// UnsubscribeAddress is where a subscriber leaves: a page for people, and for the POST of RFC 8058.
// It is empty for ids that can't be ours, and in a Service without MACs.
func (s *Service) UnsubscribeAddress(tenantID, subscriberID string) string {
	tenant, err := uuid.Parse(tenantID)
	subscriber, wrong := uuid.Parse(subscriberID)
	if s.macs == nil || err != nil || wrong != nil {
		return ""
	}
	token := make([]byte, 0, tokenSize)
	token = append(token, tokenVersion)
	token = append(token, tenant[:]...)
	token = append(token, subscriber[:]...)
	token = append(token, s.tokenMAC(tenant, subscriber)...)
	return s.url + UnsubscribePath + tokenText.EncodeToString(token)
}

func (s *Service) tokenMAC(tenant, subscriber uuid.UUID) []byte {
	return s.macs.Sum(seal.Unsubscribe, tenant.String(), subscriber.String())[:tokenMAC]
}

// ReadUnsubscribeToken returns whose the token of an unsubscribe address is, or ErrToken. They
// need not be there any more.
func (s *Service) ReadUnsubscribeToken(token string) (tenantID, subscriberID string, err error) {
	if s.macs == nil || len(token) != tokenText.EncodedLen(tokenSize) {
		return "", "", ErrToken
	}
	raw, err := tokenText.DecodeString(token)
	if err != nil || raw[0] != tokenVersion {
		return "", "", ErrToken
	}
	tenant, subscriber := uuid.UUID(raw[1:17]), uuid.UUID(raw[17:33])
	if !hmac.Equal(raw[33:], s.tokenMAC(tenant, subscriber)) {
		return "", "", ErrToken
	}
	return tenant.String(), subscriber.String(), nil
}
