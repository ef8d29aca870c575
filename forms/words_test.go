package forms

import (
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// constants are the constants of a type in a file, as the source has them.
func constants(t *testing.T, file, typ string) (names []string) {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(f, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok && len(spec.Values) == 1 {
			if id, ok := spec.Type.(*ast.Ident); ok && id.Name == typ {
				names = append(names, strings.Trim(spec.Values[0].(*ast.BasicLit).Value, `"`))
			}
		}
		return true
	})
	return names
}

// Each language says everything, with the same things to be filled in.
func TestCataloguesAreComplete(t *testing.T) {
	words := constants(t, "words.go", "Word")
	problems := constants(t, "../input/input.go", "Problem")
	for _, w := range causes {
		words = append(words, string(w))
	}
	if len(problems) < 10 || len(causes) != len(problems) {
		t.Errorf("%d problems of texts, %d of them have words", len(problems), len(causes))
	}
	blanks := regexp.MustCompile(`\{[a-z]+\}`)
	for _, l := range Languages {
		catalogue := catalogues[l.Code]
		for _, w := range words {
			text := catalogue[Word(w)]
			if strings.TrimSpace(text) == "" {
				t.Errorf("%s lacks %q", l.Name, w)
			}
			if got, want := blanks.FindAllString(text, -1), blanks.FindAllString(english[Word(w)], -1); !slices.Equal(slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))) {
				t.Errorf("%s: %q has %v, want %v", l.Name, w, got, want)
			}
			if l.Code != English && text == english[Word(w)] && text != "Error: {title}" && w != string(No) {
				t.Errorf("%s: %q is English", l.Name, w)
			}
		}
		if len(catalogue) != len(words) {
			t.Errorf("%s has %d texts, want %d", l.Name, len(catalogue), len(words))
		}
	}
	if len(catalogues) != len(Languages) || len(words) < 70 {
		t.Errorf("%d catalogues, %d languages, %d words", len(catalogues), len(Languages), len(words))
	}
}

func TestALanguageThatIsNotThereIsEnglish(t *testing.T) {
	for _, l := range []Language{"", "xx", "EN", English} {
		if l.Say(SignUp) != "Sign up" || l.Tag() != "en" || l.Known() != (l == English) || len(Countries(l)) != len(CountryCodes) {
			t.Errorf("%q: %s, %s", l, l.Say(SignUp), l.Tag())
		}
	}
	if got := German.Say(ThanksText, "newsletter", "{n} & Co", "n", "?"); got != "Sie sind für ? & Co angemeldet." && got != "Sie sind für {n} & Co angemeldet." {
		t.Error(got)
	}
}

func TestCountries(t *testing.T) {
	for l, want := range map[Language][3]string{English: {"Germany", "Austria", "Afghanistan"}, German: {"Deutschland", "Österreich", "Afghanistan"},
		French: {"Allemagne", "Autriche", "Afghanistan"}, Spanish: {"Alemania", "Austria", "Afganistán"}} {
		all := Countries(l)
		name := func(code string) string {
			return all[slices.IndexFunc(all, func(o Option) bool { return o.Value == code })].Label
		}
		if name("DE") != want[0] || name("AT") != want[1] || all[0].Label != want[2] {
			t.Errorf("%s: %s, %s, %s first", l, name("DE"), name("AT"), all[0].Label)
		}
		for _, c := range all {
			if c.Label == "" || c.Label == c.Value {
				t.Errorf("%s: %s has no name", l, c.Value)
			}
		}
	}
	if len(CountryCodes) != 249 || !slices.IsSorted(CountryCodes) {
		t.Errorf("%d countries", len(CountryCodes))
	}
}
