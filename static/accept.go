package static

import (
	"strconv"
	"strings"
)

// Coding chooses, of the codings that are offered, the one that a request's
// Accept-Encoding header wants most, and of those that it wants as much the first.
// It returns "" for the plain form: when none is wanted, or the plain one more.
func Coding(header string, offered ...string) string {
	chosen, most := "", weight(header, "identity")
	for _, coding := range offered {
		w := weight(header, coding)
		if w > most || chosen == "" && w > 0 && w == most {
			chosen, most = coding, w
		}
	}
	return chosen
}

// weight is how much, from 0 to 1, an Accept-Encoding header wants a coding: by its
// name or, but for the plain form, by the star that stands for all others. A weight
// that can't be read is a refusal.
func weight(header, coding string) float64 {
	others := 0.0
	for item := range strings.SplitSeq(header, ",") {
		name, params, _ := strings.Cut(item, ";")
		switch name = strings.TrimSpace(name); {
		case strings.EqualFold(name, coding):
			return quality(params)
		case name == "*" && coding != "identity":
			others = quality(params)
		}
	}
	return others
}

// quality reads "q=0.5", which may be left out for 1.
func quality(params string) float64 {
	params = strings.ToLower(strings.TrimSpace(params))
	if params == "" {
		return 1
	}
	q, err := strconv.ParseFloat(strings.TrimPrefix(params, "q="), 64)
	if err != nil || !(q >= 0 && q <= 1) {
		return 0
	}
	return q
}
