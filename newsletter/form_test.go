package newsletter

import (
	"strings"
	"testing"
)

func TestEmails(t *testing.T) {
	for email, ok := range map[string]bool{
		"jane@example.com":                            true,
		"  Jane.Doe+news@mail.Example.co.uk \n":       true,
		"o'brien_x-1@example.com":                     true,
		strings.Repeat("a", 64) + "@example12345.com": false, // 81
		strings.Repeat("a", 64) + "@exampl12345.com":  true,  // 80
		strings.Repeat("a", 65) + "@e.com":            false,
		"":                                            false,
		"   ":                                         false,
		"jane":                                        false,
		"jane@localhost":                              false,
		"jane@example.c":                              false,
		"jane@10.0.0.1":                               false,
		"jane@[10.0.0.1]":                             false,
		"jane@-example.com":                           false,
		"jane@example-.com":                           false,
		"jane@example..com":                           false,
		"jane@example.com.":                           false,
		"jane@exam_ple.com":                           false,
		".jane@example.com":                           false,
		"jane..doe@example.com":                       false,
		`"jane doe"@example.com`:                      false,
		"Jane <jane@example.com>":                     false,
		"<jane@example.com>":                          false,
		"jane@example.com (Jane)":                     false,
		"jane@example.com, joe@example.com":           false,
		"jane@example.com\r\nBcc: joe@example.com":    false,
		"ja\x00ne@example.com":                        false,
		"jäne@example.com":                            false,
		"jane@exämple.com":                            false,
		"jane@xn--exmple-cua.com":                     true,
		"jane@example.com\xff":                        false,
	} {
		clean, errors := Form{Email: email}.Check()
		if got := errors["email"] == ""; got != ok {
			t.Errorf("%q: %q", email, errors["email"])
		}
		if ok && clean.email != strings.TrimSpace(email) {
			t.Errorf("%q became %q", email, clean.email)
		}
		if len(errors) > 1 {
			t.Errorf("%q: %v", email, errors)
		}
	}
}

func TestAnAddressWithAccentsGetsItsOwnSentence(t *testing.T) {
	_, errors := Form{Email: "jane@exämple.com"}.Check()
	if !strings.Contains(errors["email"], "accents") {
		t.Errorf("got %q", errors["email"])
	}
}

func TestNames(t *testing.T) {
	for name, tt := range map[string]struct {
		first, last     string
		firstOK, lastOK bool
	}{
		"none":                 {"", "", true, true},
		"spaces around":        {"  Zoë ", "\tO’Neill ", true, true},
		"as long as may be":    {strings.Repeat("é", 40), strings.Repeat("漢", 80), true, true},
		"too long":             {strings.Repeat("é", 41), strings.Repeat("漢", 81), false, false},
		"a line break":         {"Jane\nDoe", "Doe\u2028", false, true},
		"a line break within":  {"Jane", "Do\u2028e", true, false},
		"a control character":  {"Ja\x00ne", "Doe", false, true},
		"not UTF-8":            {"Jane", "D\xffe", true, false},
		"text turned around":   {"Jane\u202e", "Doe", false, true},
		"joined letters, kept": {"क्\u200dष", "Doe", true, true},
	} {
		clean, errors := Form{Email: "jane@example.com", FirstName: tt.first, LastName: tt.last}.Check()
		if (errors["first_name"] == "") != tt.firstOK || (errors["last_name"] == "") != tt.lastOK || errors["email"] != "" {
			t.Errorf("%s: %v", name, errors)
		}
		want := Checked{}
		if tt.firstOK && tt.lastOK {
			want = Checked{"jane@example.com", strings.TrimSpace(tt.first), strings.TrimSpace(tt.last)}
		}
		if clean != want {
			t.Errorf("%s: became %+v", name, clean)
		}
	}
}
