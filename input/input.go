// Package input turns what comes from outside into clean text: bytes in whatever
// encoding, names and addresses as people paste them, JSON as programs send it.
// What can't be meant is refused, in words that say what is wrong with it.
package input

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Problem is what is wrong with a text.
type Problem string

// The problems.
const (
	Lost       Problem = "lost"
	Unshowable Problem = "unshowable"
	Turned     Problem = "turned"
	LineBreak  Problem = "line break"

	// Of addresses alone.
	SeveralAddresses Problem = "several addresses"
	SeveralAts       Problem = "several @"
	Space            Problem = "space"
	NoAt             Problem = "no @"
	NoLocalPart      Problem = "no local part"
	NoDomain         Problem = "no domain"
	BadDomain        Problem = "bad domain"
	TooLong          Problem = "too long"
)

var words = map[Problem]string{
	Lost:             "a letter in it was lost on its way here. Type it again, perhaps without special characters.",
	Unshowable:       "it has a character that can’t be shown. Type it again without special characters.",
	Turned:           "it has a hidden character that turns text around. Type it again without special characters.",
	LineBreak:        "it has a line break. Type it again without special characters.",
	SeveralAddresses: "there are several in this field. Enter one alone.",
	SeveralAts:       "it has more than one @.",
	Space:            "it has a space in it.",
	NoAt:             "it has no @. It should look like name@example.com.",
	NoLocalPart:      "the part before the @ is missing. It should look like name@example.com.",
	NoDomain:         "the part after the @ is missing. It should look like name@example.com.",
	TooLong:          "this is too long to be one. It should look like name@example.com.",
	BadDomain:        "the part after the @ can’t be a domain. It should look like name@example.com.",
}

// Error says what is wrong, to go on after “Please check the address: ”.
func (p Problem) Error() string { return words[p] }

// Line returns a line of text, such as a name, as it is to be stored: composed
// (NFC), with plain spaces, without what nobody sees. Joiners stay where they
// belong to a letter or an emoji. Text of nothing that can be seen is empty.
// Errors are Problems.
func Line(s string) (string, error) {
	if isPlain(s) {
		return strings.Trim(s, " "), nil
	}
	if !utf8.ValidString(s) {
		return "", Lost
	}
	l := line{}
	for _, r := range s {
		if err := l.add(r); err != nil {
			return "", err
		}
	}
	return norm.NFC.String(l.kept.String()), nil
}

// isPlain reports whether s is printable ASCII, as most of what comes is.
func isPlain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// line is a line of text as far as it was cleaned.
type line struct {
	kept   strings.Builder
	last   rune // the last character that was kept, or 0
	joiner rune // seen since, and kept if what follows can be joined
	spaces int  // seen since
	broken bool // a line break was seen since
}

func (l *line) add(r rune) error {
	switch {
	case r == utf8.RuneError:
		return Lost
	case r == '\u202d' || r == '\u202e':
		return Turned
	case isLineBreak(r):
		l.broken = true
	case isSpace(r):
		l.spaces++
	case unicode.IsControl(r) || isNoCharacter(r):
		return Unshowable
	case isInvisible(r):
		l.addInvisible(r)
	default:
		return l.addVisible(r)
	}
	return nil
}

func (l *line) addVisible(r rune) error {
	if l.last != 0 {
		if l.broken {
			return LineBreak
		}
		if l.joiner != 0 && l.spaces == 0 && joins(r) {
			l.kept.WriteRune(l.joiner)
		}
		for range l.spaces {
			l.kept.WriteByte(' ')
		}
	}
	l.kept.WriteRune(r)
	l.last, l.joiner, l.spaces, l.broken = r, 0, 0, false
	return nil
}

// addInvisible keeps what changes how the character before it looks.
func (l *line) addInvisible(r rune) {
	if l.last == 0 || l.spaces > 0 || l.broken || !joins(l.last) {
		return
	}
	switch {
	case unicode.Is(unicode.Variation_Selector, r),
		isTag(r) && (isTag(l.last) || l.last == '\U0001f3f4'), // flags of Scotland and others
		r == '\u200d' && isVirama(l.last):                     // the end of a word in Malayalam
		l.kept.WriteRune(r)
		l.last = r
	case r == '\u200c', r == '\u200d', r == '\u180e':
		l.joiner = r
	}
}

// joins reports whether joiners and variation selectors mean anything beside r:
// not beside Latin letters.
func joins(r rune) bool {
	return r > unicode.MaxASCII && !unicode.Is(unicode.Latin, r) || r >= '0' && r <= '9'
}

func isVirama(r rune) bool { return norm.NFC.PropertiesString(string(r)).CCC() == 9 }

func isTag(r rune) bool { return r >= 0xe0020 && r <= 0xe007f }

func isLineBreak(r rune) bool {
	return r >= '\n' && r <= '\r' || r == '\u0085' || r == '\u2028' || r == '\u2029'
}

// isSpace reports whether r looks like a space. The blank of Braille does.
func isSpace(r rune) bool { return unicode.IsSpace(r) || r == '\u2800' }

// Unseen reports whether nobody sees r: a space of some kind, or nothing at all.
func Unseen(r rune) bool { return isSpace(r) || isInvisible(r) }

// isNoCharacter reports whether r is one that Unicode leaves to programs, or that
// marks up text.
func isNoCharacter(r rune) bool {
	return r&0xfffe == 0xfffe || r >= 0xfdd0 && r <= 0xfdef || r >= 0xfff9 && r <= 0xfffb
}

// isInvisible reports whether nothing is shown for r by itself: Unicode's
// Default_Ignorable_Code_Point.
func isInvisible(r rune) bool {
	if r <= unicode.MaxLatin1 {
		return r == '\u00ad'
	}
	return unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector) ||
		unicode.Is(unicode.Cf, r) && !unicode.Is(unicode.Prepended_Concatenation_Mark, r) && (r < 0x13430 || r > 0x1343f)
}

// Word returns a word that stands for something to a program, such as a client id,
// a host or a short name, without the spaces and invisible characters that come
// with it when it is pasted. Whether it is one is for others to check.
func Word(s string) string {
	if isPlain(s) {
		return strings.Trim(s, " ")
	}
	s = strings.Map(func(r rune) rune {
		if isInvisible(r) {
			return -1
		}
		return r
	}, s)
	return strings.TrimFunc(s, isSpace)
}
