package forms

import (
	"slices"
	"strings"
	"sync"
	"unicode"

	"golang.org/x/text/language"
	"golang.org/x/text/language/display"
	"golang.org/x/text/unicode/norm"
)

// CountryCodes are the countries and territories of ISO 3166-1, by their two letters.
var CountryCodes = strings.Fields(`
AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ
CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR
GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP
KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ
NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW
SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ
UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW`)

// Countries are the countries as options, by their names in a language.
func Countries(l Language) []Option {
	if list, ok := countries[l.known()]; ok {
		return list()
	}
	return nil
}

// countries are made when they are first asked for.
var countries = func() map[Language]func() []Option {
	all := map[Language]func() []Option{}
	for _, l := range Languages {
		all[l.Code] = sync.OnceValue(func() []Option { return countriesIn(l.Code) })
	}
	return all
}()

// countryName is a country's name in a language.
func countryName(code string, l Language) string {
	for _, c := range Countries(l) {
		if c.Value == code {
			return c.Label
		}
	}
	return code
}

func countriesIn(l Language) []Option {
	names := display.Regions(language.Make(string(l)))
	var all []Option
	for _, code := range CountryCodes {
		all = append(all, Option{Value: code, Label: names.Name(language.MustParseRegion(code))})
	}
	slices.SortFunc(all, func(a, b Option) int { return strings.Compare(plain(a.Label), plain(b.Label)) })
	return all
}

// plain is a text in lower case and without accents: Österreich is looked for under O.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) {
			return -1
		}
		return unicode.ToLower(r)
	}, norm.NFKD.String(s))
}
