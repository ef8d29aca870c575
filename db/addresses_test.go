package db

import "testing"

func TestAddressesAreTakenOutOfTexts(t *testing.T) {
	of := newAddresses([]string{"jane@fabrikam.com", "jane@contoso.example", "zoë@münchen.example", "o'neil+news@fabrikam.com", "no address"})
	for text, want := range map[string]string{
		"":                                 "",
		"nobody @ all":                     "nobody @ all",
		"jane@fabrikam.com":                "(erased)",
		"Jane@Fabrikam.COM, for instance.": "(erased), for instance.",
		"It was <jane@fabrikam.com>.":      "It was <(erased)>.",
		"It was jane@fabrikam.com.":        "It was (erased).",
		"jane@fabrikam.com.au stays":       "jane@fabrikam.com.au stays",
		"mary-jane@fabrikam.com stays":     "mary-jane@fabrikam.com stays",
		"jane@fabrikam.com and john@fabrikam.com and jane@contoso.example": "(erased) and john@fabrikam.com and (erased)",
		"jane@fabrikam.com@fabrikam.com":                                   "(erased)@fabrikam.com",
		`[{"was":"Jane@fabrikam.com","is":"\u003cjane@fabrikam.com"}]`:     `[{"was":"(erased)","is":"\u003c(erased)"}]`,
		`first\njane@fabrikam.com`:                                         `first\n(erased)`,
		"ZOË@MÜNCHEN.example":                                              "(erased)",
		"o'neil+news@fabrikam.com; neil+news@fabrikam.com":                 "(erased); neil+news@fabrikam.com",
	} {
		if got := of.erase(text); got != want {
			t.Errorf("of %q is left %q, not %q", text, got, want)
		}
	}
}
