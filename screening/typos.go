package screening

import (
	"slices"
	"strings"
)

// wellKnown are the domains of many readers. Each is taken for itself, and what is nearly one is
// taken for a slip.
var wellKnown = strings.Fields(`gmail.com googlemail.com yahoo.com yahoo.co.uk yahoo.de yahoo.fr yahoo.es ymail.com hotmail.com hotmail.co.uk hotmail.de
	hotmail.fr hotmail.es outlook.com outlook.de outlook.fr outlook.es live.com live.de live.fr msn.com icloud.com me.com mac.com aol.com
	gmx.de gmx.net gmx.at gmx.ch gmx.com web.de t-online.de freenet.de arcor.de posteo.de mailbox.org bluewin.ch orange.fr wanadoo.fr free.fr sfr.fr
	laposte.net telefonica.net btinternet.com sky.com virginmedia.com comcast.net verizon.net att.net protonmail.com proton.me mail.com email.com yandex.ru mail.ru qq.com fastmail.com tutanota.com`)

// national are those that have a domain in many countries, which aren't all listed.
var national = strings.Fields("yahoo hotmail outlook live gmx msn ymail orange")

// shortest is how long a domain has to be at least for two slips to be taken for one of it: between
// short ones everybody is near.
const shortest = 9

// Suggest returns the address that somebody may have meant whose domain is nearly a well-known one,
// or "". It is never about a domain that is itself well known.
func Suggest(email string) string {
	at := strings.LastIndexByte(email, '@')
	if at < 0 {
		return ""
	}
	domain, best, slips := DomainOf(email), "", 3
	if len(domain) > longest || isNational(domain) {
		return ""
	}
	for _, known := range wellKnown {
		if known == domain {
			return ""
		}
		if d := distance(domain, known); d < slips && d <= mostSlips(known) {
			best, slips = known, d
		}
	}
	if best == "" {
		return ""
	}
	return email[:at+1] + best
}

// isNational reports whether a domain is that of a well-known one in some country.
func isNational(domain string) bool {
	name, rest, _ := strings.Cut(domain, ".")
	country := rest[strings.LastIndexByte(rest, '.')+1:]
	return len(country) == 2 && slices.Contains(national, name)
}

// mostSlips is how many slips there may be in a well-known domain: none in one of two letters.
func mostSlips(known string) int {
	switch name, _, _ := strings.Cut(known, "."); {
	case len(name) < 3:
		return 0
	case len(known) < shortest:
		return 1
	}
	return 2
}

// longest is how long a domain is at most that may be a slip of a well-known one.
const longest = 20

// distance is how many letters are to be added, taken away, replaced, or swapped with their
// neighbour to make b of a; 3 when it is more than two.
func distance(a, b string) int {
	if d := len(a) - len(b); d > 2 || d < -2 {
		return 3
	}
	var rows [3][longest + 1]int
	before, last, row := &rows[0], &rows[1], &rows[2] // the row before the last, the last, and the present
	for j := range len(b) + 1 {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		least := i
		for j := 1; j <= len(b); j++ {
			replaced := last[j-1]
			if a[i-1] != b[j-1] {
				replaced++
			}
			row[j] = min(replaced, last[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
			least = min(least, row[j])
		}
		if least > 2 {
			return 3
		}
		before, last, row = last, row, before
	}
	return min(last[len(b)], 3)
}
