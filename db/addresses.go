package db

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// addresses finds some e-mail addresses in texts, whatever their capitals.
type addresses map[string][]string // by domain: what stands before the @

func newAddresses(keys []string) addresses {
	a := addresses{}
	for _, key := range keys {
		if at := strings.LastIndexByte(key, '@'); at > 0 {
			a[key[at+1:]] = append(a[key[at+1:]], key[:at])
		}
	}
	return a
}

// erase replaces the addresses in a text by erasedAddress. An address that only ends like one
// of them (mary-jane@ and jane@) stays.
func (a addresses) erase(text string) string {
	var b strings.Builder
	done := 0 // the text before it is in b
	for at := 0; at < len(text); at++ {
		if text[at] != '@' {
			continue
		}
		end := at + 1 + len(domainOf(text[at+1:]))
		for _, local := range a[strings.ToLower(text[at+1:end])] {
			if from := localBefore(text[done:at], local); from >= 0 {
				b.WriteString(text[done:done+from] + erasedAddress)
				done = end
				break
			}
		}
	}
	return b.String() + text[done:]
}

// domainOf is the domain that a text begins with.
func domainOf(text string) string {
	end := strings.IndexFunc(text, func(r rune) bool {
		return r != '.' && r != '-' && !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.Is(unicode.Mn, r)
	})
	if end < 0 {
		end = len(text)
	}
	return strings.TrimRight(text[:end], ".-") // a sentence may end with it
}

// localBefore is where in a text the part of an address begins that it ends with; -1 when it
// ends with another one.
func localBefore(text, local string) int {
	from := len(text)
	for range utf8.RuneCountInString(local) {
		_, size := utf8.DecodeLastRuneInString(text[:from])
		from -= size
	}
	if !strings.EqualFold(text[from:], local) && strings.ToLower(text[from:]) != local {
		return -1
	}
	before, _ := utf8.DecodeLastRuneInString(text[:from])
	if from > 0 && (unicode.IsLetter(before) || unicode.IsDigit(before) || strings.ContainsRune(".+-_%", before)) && !escapeAtEnd.MatchString(text[:from]) {
		return -1
	}
	return from
}

// escapeAtEnd is a character as JSON writes it, which is no part of an address: the line break
// or the < before it.
var escapeAtEnd = regexp.MustCompile(`\\(u[0-9a-fA-F]{4}|[nrtbf])$`)
