package auth

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

const (
	passwordMinChars = 12
	passwordMaxBytes = 1000
)

// dummyHash costs as much to check as a real hash, and matches no password.
const dummyHash = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

// common are the passwords of 12 characters and more that are guessed first.
var common = map[string]bool{
	"123456789012": true, "1234567890123": true, "12345678901234": true, "123456789012345": true,
	"1234567890123456": true, "123412341234": true, "123123123123": true, "passwordpassword": true,
	"password1234": true, "password12345": true, "password123456": true, "password123!": true,
	"qwertyuiop123": true, "qwertyuiop[]": true, "qwerty123456": true, "1q2w3e4r5t6y": true,
	"1qaz2wsx3edc": true, "abcdefghijkl": true, "iloveyou1234": true, "letmein12345": true,
	"administrator": true, "changemechangeme": true, "welcome12345": true, "correcthorsebatterystaple": true,
}

// checkPassword returns what is wrong with a new password, or "".
func checkPassword(password, email string) string {
	lower := strings.ToLower(password)
	switch {
	case utf8.RuneCountInString(password) < passwordMinChars:
		return fmt.Sprintf("A password needs at least %d characters.", passwordMinChars)
	case len(password) > passwordMaxBytes:
		return fmt.Sprintf("This password is too long: at most %d bytes.", passwordMaxBytes)
	case common[lower] || lower == email || strings.Count(lower, lower[:1]) == len(lower):
		return "This password is too easy to guess. Three or four random words make a good one."
	}
	return ""
}
