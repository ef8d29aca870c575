package newsletter

import (
	"strings"
	"testing"

	"gatepost/input"
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
		"jane@example.com..":                          true,
		"jane@exam_ple.com":                           false,
		".jane@example.com":                           false,
		"jane..doe@example.com":                       false,
		`"jane doe"@example.com`:                      false,
		"Jane <jane@example.com>":                     true,
		"<jane@example.com>":                          true,
		"jane@example.com (Jane)":                     true,
		"jane@example.com, joe@example.com":           false,
		"jane@example.com\r\nBcc: joe@example.com":    false,
		"ja\x00ne@example.com":                        false,
		"jäne@example.com":                            false,
		"jane@exämple.com":                            true,
		"jane@" + strings.Repeat("ü", 60) + ".com":    false, // too long in ASCII
		"jane@münchen":                                false,
		"jane@xn--exmple-cua.com":                     true,
		"jane@example.com\xff":                        false,
	} {
		clean, errors := Form{Email: email}.Check()
		if got := errors["email"] == ""; got != ok {
			t.Errorf("%q: %q", email, errors["email"])
		}
		if ok && clean.email != strings.TrimSpace(email) && clean.email != "jane@example.com" && clean.email != "jane@xn--exmple-cua.com" {
			t.Errorf("%q became %q", email, clean.email)
		}
		if len(errors) > 1 {
			t.Errorf("%q: %v", email, errors)
		}
	}
}

func TestAnAddressWithAccentsGetsItsOwnSentence(t *testing.T) {
	_, errors := Form{Email: "jäne@example.com"}.Check()
	if !strings.Contains(errors["email"], "accents") {
		t.Errorf("got %q", errors["email"])
	}
}

// What is wrong is named, each in its own words.
func TestTheFormNamesWhatIsWrong(t *testing.T) {
	for email, says := range map[string]string{
		"jane": "no @", "jane@": "after the @ is missing", "@example.com": "before the @ is missing", "jane doe@example.com": "a space",
		"a@b.example, c@d.example": "several", "a@@b.example": "more than one @", "ja\ufffdne@example.com": "lost", "ja\x00ne@example.com": "can’t be shown",
		"jane@example.com\u202e": "turns text around", "jane@bü_cher.example": "can’t be a domain", "jane@example": "should look like", "\u200b": "enter your e-mail",
	} {
		if _, errors := (Form{Email: email}).Check(); !strings.Contains(errors["email"], says) {
			t.Errorf("%+q: %q", email, errors["email"])
		}
	}
	for name, says := range map[string]string{"Ja\ufffdne": "lost", "a\nb": "line break", "a\x01": "can’t be shown", "\u202eenaJ": "turns text around", strings.Repeat("x", 81): "at most"} {
		_, errors := Form{Email: "jane@example.com", FirstName: name, LastName: name}.Check()
		for field, what := range map[string]string{"first_name": "first name", "last_name": "last name"} {
			if !strings.Contains(errors[field], says) || !strings.Contains(errors[field], what) {
				t.Errorf("%+q: %q", name, errors[field])
			}
		}
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
		"decomposed, as long":  {strings.Repeat("e\u0301", 40), "Doe", true, true},
		"invisible alone":      {"\u200b\u00a0", "\ufeff", true, true},
	} {
		clean, errors := Form{Email: "jane@example.com", FirstName: tt.first, LastName: tt.last}.Check()
		if (errors["first_name"] == "") != tt.firstOK || (errors["last_name"] == "") != tt.lastOK || errors["email"] != "" {
			t.Errorf("%s: %v", name, errors)
		}
		want := Checked{}
		if tt.firstOK && tt.lastOK {
			want = Checked{email: "jane@example.com", firstName: cleaned(t, tt.first), lastName: cleaned(t, tt.last)}
		}
		if clean != want {
			t.Errorf("%s: became %+v", name, clean)
		}
	}
}

func cleaned(t *testing.T, name string) string {
	t.Helper()
	line, err := input.Line(name)
	if err != nil {
		t.Fatal(err)
	}
	return line
}

func BenchmarkCheck(b *testing.B) {
	f := Form{Email: "jane.doe@example.com", FirstName: "Jane", LastName: "Doe"}
	for b.Loop() {
		if clean, _ := f.Check(); clean == (Checked{}) {
			b.Fatal("refused")
		}
	}
}
