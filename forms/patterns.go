package forms

import "regexp"

// Pattern is what a text has to look like. Nobody types a regular expression: its Name is
// chosen, and says what the text is for.
type Pattern struct {
	Name  string
	Label string // for an admin who chooses it
	HTML  string // a regular expression that Go, a browser's pattern attribute and a JSON schema understand alike; of the whole text
	Keys  string // what a phone's keyboard is to show: HTML's inputmode; empty for letters
	says  Word   // the sentence for what doesn't match
	goes  *regexp.Regexp
}

// Patterns are the patterns, in the order in which they are offered. Inside brackets every
// sign is escaped that a browser wants escaped there.
var Patterns = []Pattern{
	pattern("digits", "Digits only", `[0-9]+`, "numeric", OnlyDigits),
	pattern("letters", "Letters only (with spaces, hyphens and apostrophes)", `[\p{L}\p{M} '’\-]+`, "", OnlyLetters),
	pattern("letters_digits", "Letters and digits only", `[\p{L}\p{M}\p{Nd}]+`, "", OnlyLettersAndDigits),
	pattern("postcode", "Postcode", `[A-Za-z0-9][A-Za-z0-9 \-]{1,8}[A-Za-z0-9]`, "", NotPostcode),
	pattern("vat", "VAT number", `[A-Za-z]{2}[A-Za-z+* .\-]{0,4}[0-9][A-Za-z0-9+* .\-]{1,16}`, "", NotVAT),
	pattern("url", "Web address", `[hH][tT][tT][pP][sS]?:\/\/[^ \/?#@<>"]+\.[^ \/?#@<>".]+([\/?#][^ <>"]*)?`, "url", NotURL),
}

func pattern(name, label, html, keys string, says Word) Pattern {
	return Pattern{Name: name, Label: label, HTML: html, Keys: keys, says: says, goes: regexp.MustCompile(`^(?:` + html + `)$`)}
}

// PatternNamed returns the pattern with a name, and whether there is one.
func PatternNamed(name string) (Pattern, bool) {
	for _, p := range Patterns {
		if p.Name == name {
			return p, true
		}
	}
	return Pattern{}, false
}

// Matches reports whether a text looks like it.
func (p Pattern) Matches(text string) bool { return p.goes.MatchString(text) }

// Says is the sentence for what doesn't match, in a language.
func (p Pattern) Says(l Language) string { return l.Say(p.says) }

// Schema is the pattern as a JSON schema has it.
func (p Pattern) Schema() string { return `^(?:` + p.HTML + `)$` }
