package auth

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"

	"gatepost/db"
)

func TestUnmaskFormRefusesWhatMaskFormDidNotMake(t *testing.T) {
	secret := NewToken()
	whole := MaskForm(secret, nil)
	raw, err := base64.RawURLEncoding.DecodeString(whole)
	if err != nil {
		t.Fatal(err)
	}
	for name, carried := range map[string]string{
		"nothing": "", "the secret itself": secret, "a part": whole[:len(whole)-1], "half": whole[:len(whole)/2], "more": whole + "A",
		"four letters more": whole + "AAAA", "twice": whole + whole, "padded": whole + "==", "a blank": " " + whole, "a line break": whole[:64] + "\n" + whole[64:],
		"another alphabet": strings.Repeat("+/", len(whole)/2), "no letters": strings.Repeat("\x00", len(whole)), "one byte less": base64.RawURLEncoding.EncodeToString(raw[1:]),
	} {
		if got, author := UnmaskForm(carried); got != "" || author != nil {
			t.Errorf("%s: %q, %x", name, got, author)
		}
	}
	for i := range raw { // whatever byte is changed, it is another secret or another author
		raw[i] ^= 1
		got, author := UnmaskForm(base64.RawURLEncoding.EncodeToString(raw))
		if raw[i] ^= 1; got == secret && bytes.Equal(author, make([]byte, authorBytes)) {
			t.Errorf("byte %d counts for nothing", i)
		}
	}
}

func TestMaskForm(t *testing.T) {
	john := db.User{ID: "john", PasswordHash: "$argon2id$1"}
	secret, author := NewToken(), Author(john, "contoso")
	seen := map[string]bool{}
	for range 200 {
		carried := MaskForm(secret, author)
		got, by := UnmaskForm(carried)
		if got != secret || !EqualAuthors(by, author) {
			t.Fatalf("%q came back as %q, %x", secret, got, by)
		}
		for i := 0; i+8 <= len(carried); i += 4 { // that any two share 6 bytes by chance is less likely than one in a million
			if piece := carried[i : i+8]; seen[piece] {
				t.Fatalf("two answers share %q", piece)
			} else {
				seen[piece] = true
			}
		}
		if strings.Contains(carried, secret) {
			t.Fatal("the secret is there to be read")
		}
	}
	if got, _ := UnmaskForm(MaskForm("", nil)); EqualTokens(got, "") || got == secret {
		t.Error("no secret passes for one")
	}
}

// An author is one user, in one tenant, with one password.
func TestAuthor(t *testing.T) {
	john := db.User{ID: "john", PasswordHash: "$argon2id$1"}
	author := Author(john, "contoso")
	if !EqualAuthors(author, Author(john, "contoso")) {
		t.Error("not the same twice")
	}
	for name, other := range map[string][]byte{
		"nobody": nil, "nothing": {}, "zeros": make([]byte, authorBytes), "another tenant": Author(john, "fabrikam"), "no tenant": Author(john, ""),
		"another user": Author(db.User{ID: "ann", PasswordHash: "$argon2id$1"}, "contoso"), "another password": Author(db.User{ID: "john", PasswordHash: "$argon2id$2"}, "contoso"),
		"parts moved": Author(db.User{ID: "john\x00con", PasswordHash: "$argon2id$1"}, "toso"), "a part": author[:8],
	} {
		if EqualAuthors(author, other) {
			t.Errorf("%s passes", name)
		}
	}
}
