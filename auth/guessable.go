package auth

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"io"
	"strings"
	"sync"
	"unicode"
)

// A password is looked at as somebody does who guesses: as a row of pieces, each of
// which takes so many tries as so many characters that nobody can foresee.
const (
	costWord = 3 // a common word
	costEasy = 1 // a name that others know, a favourite, a row of keys, what was there before

	costEnough = 7  // more than two words, or seven characters that nobody can foresee
	looksAt    = 96 // how many characters of a password are looked at
	pieceMost  = 30
)

// kind is what a piece is. The later ones outrank the earlier ones when it is said
// what is wrong.
type kind int

const (
	unforeseen kind = iota
	repeated
	common
	named
)

var tooEasy = map[kind]string{
	repeated: "This password repeats itself or follows the keyboard, so it is too easy to guess. Four random words make a good one.",
	common:   "This password is made of what many people use, so it is too easy to guess. Four random words make a good one.",
	named:    "This password is made of names that others know, such as yours or your organisation’s, so it is too easy to guess. Four random words make a good one.",
}

// guessable returns a sentence when a password is easy to guess, or "". Signs between
// words don't make them harder, and a common word doesn't hide behind digits and signs
// at its ends, as other text may.
func guessable(password string, names []string) string {
	known := wordsOf(append(names, "gatepost"))
	lower := strings.ToLower(password)
	for _, whole := range variants(lower) {
		for _, text := range []string{whole, withoutSigns(whole)} {
			if found := look(text, known); found.cost < costEnough && found.worst != unforeseen {
				return tooEasy[found.worst]
			}
		}
	}
	for _, inner := range variants(core(lower)) {
		found := look(withoutSigns(core(inner)), known)
		if found.cost < costEnough && found.worst != unforeseen && found.unforeseen == 0 {
			return tooEasy[found.worst]
		}
	}
	return ""
}

// variants are the ways in which a password is read: as it is, with the letters that
// signs and digits stand for, and with the keys that signs are on.
func variants(lower string) []string {
	return []string{lower, lookalikes.Replace(lower), strings.ReplaceAll(lookalikes.Replace(lower), "l", "i"), unshifted.Replace(lower)}
}

var (
	lookalikes = strings.NewReplacer("@", "a", "4", "a", "3", "e", "1", "l", "!", "i", "0", "o", "$", "s", "5", "s", "7", "t")
	unshifted  = strings.NewReplacer("!", "1", "@", "2", "#", "3", "$", "4", "%", "5", "^", "6", "&", "7", "*", "8", "(", "9", ")", "0", "_", "-", "+", "=")
)

// core is a text without digits and signs at both ends.
func core(s string) string {
	return strings.TrimFunc(s, func(r rune) bool { return !unicode.IsLetter(r) })
}

func withoutSigns(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || r < unicode.MaxASCII && !isAlnum(r) {
			return -1
		}
		return r
	}, s)
}

// wordsOf are the words of names and addresses, each by itself and all together.
func wordsOf(names []string) map[string]bool {
	words := make(map[string]bool)
	for _, name := range names {
		parts := strings.FieldsFunc(strings.ToLower(name), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
		for _, part := range append(parts, strings.Join(parts, "")) {
			if len(part) >= 3 {
				words[part] = true
			}
		}
	}
	return words
}

// finding is how hard a text is to guess.
type finding struct {
	cost       int
	unforeseen int // characters that are in no piece
	worst      kind
}

// look finds the row of pieces that is guessed first: of the text itself, of what it
// repeats, or of every other character, as in q1w2e3 and a1b2c3.
func look(s string, names map[string]bool) finding {
	text := []rune(s)
	text = text[:min(len(text), looksAt)]
	best := pieces(text, names)
	if p := period(text); p < len(text) {
		best = easier(best, finding{cost: pieces(text[:p], names).cost / 2, worst: repeated})
	}
	var even, odd []rune
	for i, r := range text {
		if i%2 == 0 {
			even = append(even, r)
		} else {
			odd = append(odd, r)
		}
	}
	return easier(best, finding{cost: 2 * (pieces(even, names).cost + pieces(odd, names).cost), worst: repeated})
}

func easier(a, b finding) finding {
	if b.cost < a.cost {
		return b
	}
	return a
}

// period is the length of what a text is a repetition of, at least twice, or the
// text's own.
func period(text []rune) int {
	for p := 1; p <= len(text)/2; p++ {
		if string(text[p:]) == string(text[:len(text)-p]) {
			return p
		}
	}
	return len(text)
}

// pieces finds the cheapest row of pieces. upTo[i] is that of the first i characters.
func pieces(text []rune, names map[string]bool) finding {
	upTo := make([]finding, len(text)+1)
	for i := range text {
		upTo[i+1] = finding{cost: i + 1, unforeseen: i + 1}
	}
	for from := range text {
		before := upTo[from]
		upTo[from+1] = easier(upTo[from+1], finding{before.cost + 1, before.unforeseen + 1, before.worst})
		run := runFrom(text, from)
		for to := from + 3; to <= min(len(text), from+pieceMost); to++ {
			if cost, what := costOf(text, from, to, run, names); what != unforeseen {
				upTo[to] = easier(upTo[to], finding{before.cost + cost, before.unforeseen, max(before.worst, what)})
			}
		}
	}
	return upTo[len(text)]
}

// costOf says what the characters from and up to are, if they are a piece.
func costOf(text []rune, from, to, run int, names map[string]bool) (cost int, what kind) {
	word := string(text[from:to])
	switch {
	case names[word]:
		return costEasy, named
	case to <= run, isYear(word), lines[word], strings.Contains(string(text[:from]), word):
		return costEasy, repeated
	case favourites()[word]:
		return costEasy, common
	case commonWords()[word]:
		return costWord, common
	}
	return 0, unforeseen
}

func isYear(s string) bool {
	return len(s) == 4 && (strings.HasPrefix(s, "19") || strings.HasPrefix(s, "20")) && isDigit(rune(s[2])) && isDigit(rune(s[3]))
}

func isDigit(r rune) bool { return '0' <= r && r <= '9' }

// runFrom returns where a row of keys, of equal characters, or of the alphabet ends
// that begins there, or the beginning when it is too short: three digits or letters
// of the alphabet are one, and four neighbours on the keyboard.
func runFrom(text []rune, from int) (to int) {
	to = from
	for _, r := range []struct {
		next  func(a, b rune) bool
		least int
	}{
		{func(a, b rune) bool { return a == b }, 3},
		{func(a, b rune) bool { return isAlnum(a) && isAlnum(b) && (b == a || b == a+1) }, 3},
		{func(a, b rune) bool { return isAlnum(a) && isAlnum(b) && (b == a || b == a-1) }, 3},
		{func(a, b rune) bool { return a == b || neighbours()[[2]rune{a, b}] }, 4},
	} {
		end := from + 1
		for end < len(text) && r.next(text[end-1], text[end]) {
			end++
		}
		if end-from >= r.least {
			to = max(to, end)
		}
	}
	return to
}

func isAlnum(r rune) bool { return unicode.IsLetter(r) || isDigit(r) }

// keyboards are rows of keys, each half a key to the right of the one above.
var keyboards = [][]string{
	{"1234567890-=", "qwertyuiop[]", "asdfghjkl;'", "zxcvbnm,./"},
	{"1234567890ß", "qwertzuiopü", "asdfghjklöä", "yxcvbnm"},
	{"1234567890", "azertyuiop", "qsdfghjklm", "wxcvbn"},
}

// lines are those of a block of digits.
var lines = map[string]bool{"147": true, "258": true, "369": true, "741": true, "852": true, "963": true, "159": true, "357": true, "951": true, "753": true}

// neighbours are the pairs of keys side by side.
var neighbours = sync.OnceValue(func() map[[2]rune]bool {
	pairs := make(map[[2]rune]bool)
	for _, rows := range keyboards {
		for y, row := range rows {
			keys := []rune(row)
			for x, key := range keys {
				near := keys[min(x+1, len(keys)-1):min(x+2, len(keys))]
				if y+1 < len(rows) {
					below := []rune(rows[y+1])
					near = append(near[:len(near):len(near)], below[min(max(x-1, 0), len(below)):min(x+1, len(below))]...)
				}
				for _, other := range near {
					pairs[[2]rune{key, other}], pairs[[2]rune{other, key}] = true, true
				}
			}
		}
	}
	return pairs
})

//go:embed common/passwords.txt.gz
var packedWords []byte

// favourites are words and phrases that are guessed before all others.
var favourites = sync.OnceValue(func() map[string]bool {
	return setOf(`password passwort kennwort motdepasse contrasena secret geheim admin administrator login letmein welcome changeme qwerty
		test user root guest master default letmeinplease iloveyou iloveyousomuch thisis thisisa thisismy newpassword mypassword nopassword
		correcthorsebatterystaple thequickbrownfox jumpsoverthelazydog tobeornottobe loremipsum loremipsumdolorsitamet
		maythefourthbewithyou maytheforcebewithyou donttrythisathome onceuponatime happybirthdaytoyou openthepodbaydoors winteriscoming
		livelongandprosper newsletter salesforce hubspot zoho`)
})

func setOf(words string) map[string]bool {
	set := make(map[string]bool)
	for _, word := range strings.Fields(words) {
		set[word] = true
	}
	return set
}

// commonWords are the words by which passwords are guessed first; where they are
// from stands in common/vendor.txt.
var commonWords = sync.OnceValue(func() map[string]bool {
	r, err := gzip.NewReader(bytes.NewReader(packedWords))
	if err != nil {
		panic(err) // the file is part of the program, and a test reads it
	}
	text, err := io.ReadAll(r)
	if err != nil {
		panic(err)
	}
	return setOf(string(text))
})
