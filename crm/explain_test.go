package crm

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestEveryCodeHasASentence(t *testing.T) {
	codes := []string{NotConnected, Broken, Unavailable, TimedOut, Spared, Several, Settling, NoKey, Gone, "other_org", "too_many_matches"}
	for _, file := range []string{"salesforce/failures.go", "salesforce/failures_test.go"} { // the test has all that are documented
		sources, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, quoted := range regexp.MustCompile(`"[A-Z]+(_[A-Z]+)+"`).FindAllString(string(sources), -1) {
			codes = append(codes, strings.Trim(quoted, `"`))
		}
	}
	codes = slices.DeleteFunc(codes, func(code string) bool { return code == "NEVER_HEARD_OF_IT" || code == "SOME_EDGE_CODE" })
	if len(codes) < 40 {
		t.Fatalf("only %v: this test shows nothing", codes)
	}
	for _, code := range codes {
		if Sentence(code) == unknownCode(code) {
			t.Errorf("%s has no sentence", code)
		}
	}
}

func TestSentencesAreWhole(t *testing.T) {
	all := maps.Clone(explanations)
	for code, c := range codes {
		if _, twice := all[code]; twice {
			t.Errorf("%s stands in both tables", code)
		}
		all[code] = c.Explanation
	}
	for code, e := range all {
		if code != strings.ToUpper(code) {
			t.Errorf("%s will not be found", code)
		}
		for _, s := range []string{e.What, e.Mend} {
			if !strings.HasSuffix(s, ".") || len(s) < 15 {
				t.Errorf("%s: %q is no sentence", code, s)
			}
		}
		if (e.Who == Nobody) != (e.Mend == itPasses) || e.Who == "" {
			t.Errorf("%s: %q mends it by %q", code, e.Who, e.Mend)
		}
	}
}

func TestUnknownCodesAreShownAsTheyCame(t *testing.T) {
	e := Sentence("SOMETHING_NEW")
	if !strings.Contains(e.What, "SOMETHING_NEW") || e.Who != Admin || e.Mend == "" {
		t.Errorf("got %+v", e)
	}
	if got := Sentence("invalid_grant"); got != Sentence("INVALID_GRANT") || got.Who != You {
		t.Errorf("got %+v", got)
	}
}

// Wherever a cause is named, it has a few words that fit the place.
func TestEveryCauseHasATitleAndALabel(t *testing.T) {
	all := append(slices.Collect(maps.Keys(explanations)), Codes()...)
	for _, code := range append(all, "NEVER_HEARD_OF_IT", "") {
		for _, e := range []Explanation{Sentence(code), GaveUp(code), AskedOnce(code)} {
			for what, limit := range map[string]int{e.Title: MaxTitle, e.Label: MaxLabel} {
				if n := utf8.RuneCountInString(what); n == 0 || n > limit || strings.HasSuffix(what, ".") {
					t.Errorf("%s: %q has %d characters of %d, or ends with a dot", code, what, n, limit)
				}
			}
			if s := Sentence(code); e.Title != s.Title || e.Label != s.Label {
				t.Errorf("%s is called %q and %q", code, e.Title, s.Title)
			}
		}
	}
}
