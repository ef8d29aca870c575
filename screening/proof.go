package screening

import (
	"bytes"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"time"
)

// The proof of work is ALTCHA's protocol, version 2: the browser looks for a number from which,
// with what the challenge says, a key is derived that begins with a prefix.
const (
	proofAlgorithm = "PBKDF2/SHA-256"
	proofCost      = 5000 // rounds of one derivation, which is what a check costs us
	proofPrefix    = "00" // 256 tries on average: some 0.4 seconds in a browser
	proofKey       = 32   // bytes
	proofLife      = 20 * time.Minute
	mostProof      = 2048 // bytes of what a browser sends
)

// Challenge is what a browser is given to work on, as its JSON goes over the wire.
type Challenge struct {
	Parameters parameters `json:"parameters"`
	Signature  string     `json:"signature"` // hex
}

// parameters have their fields in the order of their names, as signatures of the protocol want it.
type parameters struct {
	Algorithm string `json:"algorithm"`
	Cost      int    `json:"cost"`
	ExpiresAt int64  `json:"expiresAt"` // seconds
	KeyLength int    `json:"keyLength"`
	KeyPrefix string `json:"keyPrefix"` // hex
	Nonce     string `json:"nonce"`     // hex
	Salt      string `json:"salt"`      // hex
}

// NewChallenge returns a challenge that a newsletter's form is to solve.
func NewChallenge(mac MAC, newsletterID string, now time.Time) Challenge {
	p := parameters{Algorithm: proofAlgorithm, Cost: proofCost, ExpiresAt: now.Add(proofLife).Unix(), KeyLength: proofKey, KeyPrefix: proofPrefix, Nonce: randomHex(), Salt: randomHex()}
	return Challenge{p, hex.EncodeToString(p.sign(mac, newsletterID))}
}

func randomHex() string {
	var b [16]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

func (p parameters) sign(mac MAC, newsletterID string) []byte {
	text, err := json.Marshal(p)
	if err != nil { // can't be: they are texts and numbers
		panic(err)
	}
	return mac(newsletterID, string(text))
}

// ProofState says what a form's proof of work is worth.
type ProofState int

// The states.
const (
	ProofMissing ProofState = iota
	ProofExpired            // it was one, and is too old
	ProofForged             // it is none, or none of ours
	ProofValid
)

// Proof is a proof of work that a form carried.
type Proof struct {
	State ProofState
	ID    string    // of a valid one, however it was spelled: it must not be used by two people
	Until time.Time // it is valid
}

// lacks reports whether there is none, as of a person whose browser couldn't make one in time.
func (p Proof) lacks() bool { return p.State == ProofMissing || p.State == ProofExpired }

// solved is what a browser sends: the challenge with its solution.
type solved struct {
	Challenge Challenge `json:"challenge"`
	Solution  struct {
		Counter    uint32 `json:"counter"`
		DerivedKey string `json:"derivedKey"`
	} `json:"solution"`
}

// CheckProof reads the field altcha of a newsletter's form. Nothing is derived before it is sure
// that the challenge is ours, with our cost: a check costs no more than one derivation of that.
func CheckProof(mac MAC, newsletterID, field string, now time.Time) Proof {
	if field == "" {
		return Proof{}
	}
	s, ok := decodeProof(field)
	if !ok {
		return Proof{State: ProofForged}
	}
	p := s.Challenge.Parameters
	signature, err := hex.DecodeString(s.Challenge.Signature)
	if err != nil || len(signature) == 0 || len(signature) != len(mac(newsletterID)) || subtle.ConstantTimeCompare(signature, p.sign(mac, newsletterID)) != 1 {
		return Proof{State: ProofForged}
	}
	until := time.Unix(p.ExpiresAt, 0)
	if !now.Before(until) {
		return Proof{State: ProofExpired}
	}
	if p.Algorithm != proofAlgorithm || p.Cost != proofCost || p.KeyLength != proofKey || p.KeyPrefix != proofPrefix || !s.holds() {
		return Proof{State: ProofForged}
	}
	return Proof{ProofValid, hex.EncodeToString(signature), until} // as we spell it: hex in capitals is the same signature
}

func decodeProof(field string) (s solved, ok bool) {
	if len(field) > mostProof {
		return s, false
	}
	text, err := base64.StdEncoding.DecodeString(field)
	return s, err == nil && json.Unmarshal(text, &s) == nil
}

// derive is the key that a counter leads to.
func (p parameters) derive(counter uint32) ([]byte, error) {
	nonce, err := hex.DecodeString(p.Nonce)
	if err != nil {
		return nil, err
	}
	salt, err := hex.DecodeString(p.Salt)
	if err != nil {
		return nil, err
	}
	return pbkdf2.Key(sha256.New, string(binary.BigEndian.AppendUint32(nonce, counter)), salt, p.Cost, p.KeyLength)
}

// holds reports whether the solution is one. The prefix of what the browser says is looked at
// first: that costs nothing.
func (s solved) holds() bool {
	prefix, _ := hex.DecodeString(proofPrefix)
	said, err := hex.DecodeString(s.Solution.DerivedKey)
	if err != nil || !bytes.HasPrefix(said, prefix) {
		return false
	}
	key, err := s.Challenge.Parameters.derive(s.Solution.Counter)
	return err == nil && subtle.ConstantTimeCompare(said, key) == 1
}

// Solve looks for the solution of a challenge, as a browser does, and returns what its form sends.
func (c Challenge) Solve() string {
	prefix, _ := hex.DecodeString(c.Parameters.KeyPrefix)
	for counter := uint32(0); ; counter++ {
		key, err := c.Parameters.derive(counter)
		if err != nil {
			return ""
		}
		if bytes.HasPrefix(key, prefix) {
			s := solved{Challenge: c}
			s.Solution.Counter, s.Solution.DerivedKey = counter, hex.EncodeToString(key)
			text, err := json.Marshal(s)
			if err != nil { // can't be: they are texts and numbers
				panic(err)
			}
			return base64.StdEncoding.EncodeToString(text)
		}
	}
}
