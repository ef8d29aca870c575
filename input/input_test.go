package input

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestLine(t *testing.T) {
	for name, tt := range map[string]struct{ in, want string }{
		"plain":                          {"Jane Doe", "Jane Doe"},
		"nothing":                        {"", ""},
		"spaces around":                  {" \tJane\u00a0 \r\n", "Jane"},
		"spaces of all widths":           {"\u3000山田\u3000太郎\u2009", "山田 太郎"},
		"a tab":                          {"Jane\tDoe", "Jane Doe"},
		"decomposed":                     {"Zoe\u0308", "Zoë"},
		"decomposed Hangul":              {"\u1112\u1161\u11ab", "한"},
		"zero-width spaces":              {"\u200bJa\u200bne\u200b", "Jane"},
		"a byte order mark":              {"\ufeffJane", "Jane"},
		"a word joiner":                  {"Ja\u2060ne\u2060", "Jane"},
		"a soft hyphen":                  {"Hof\u00admann", "Hofmann"},
		"bidi marks":                     {"\u200eJane\u200f \u202aDoe\u202c", "Jane Doe"},
		"bidi isolates":                  {"\u2068محمد\u2069", "محمد"},
		"joiners between Latin letters":  {"Ja\u200dn\u200ce", "Jane"},
		"a joiner at the ends":           {"\u200dعلی\u200c", "علی"},
		"a joiner before a space":        {"علی\u200c رضا", "علی رضا"},
		"a joiner in Persian":            {"می\u200cرود", "می\u200cرود"},
		"a joiner in Sinhala":            {"ශ්\u200dරී", "ශ්\u200dරී"},
		"a joiner that ends Malayalam":   {"അവന്\u200d", "അവന്\u200d"},
		"a family":                       {"Ann 👩\u200d👩\u200d👧", "Ann 👩\u200d👩\u200d👧"},
		"a red heart":                    {"Ann \u2764\ufe0f", "Ann \u2764\ufe0f"},
		"a heart on fire":                {"\u2764\ufe0f\u200d🔥", "\u2764\ufe0f\u200d🔥"},
		"a key cap":                      {"1\ufe0f\u20e3", "1\ufe0f\u20e3"},
		"Scotland":                       {"🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f", "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f"},
		"hidden tags":                    {"Jane\U000e0041\U000e0042", "Jane"},
		"a variation selector alone":     {"\ufe0fJane\ufe0f", "Jane"},
		"invisible alone":                {"\u200b\u200c\u200d\u2060\ufeff\u00ad\u034f\u180e", ""},
		"spaces that look like none":     {"\u00a0\u2003\u3000\u2800", ""},
		"fillers":                        {"\u3164\u115f\u1160\uffa0", ""},
		"marks and tags alone":           {"\u200e\u200f\u061c\u202a\u202c\u2066\u2069\U000e0020\ufe0f", ""},
		"an apostrophe":                  {"O’Neill", "O’Neill"},
		"Arabic signs that can be seen":  {"\u0600 123", "\u0600 123"},
		"a line break at the ends alone": {"\u2028Jane\n", "Jane"},
	} {
		got, err := Line(tt.in)
		if err != nil || got != tt.want {
			t.Errorf("%s: %+q, %v; want %+q", name, got, err, tt.want)
		}
		if again, err := Line(got); err != nil || again != got {
			t.Errorf("%s changes when it is cleaned again: %+q, %v", name, again, err)
		}
	}
	for in, want := range map[string]Problem{
		"Ja\ufffdne": Lost, "\ufffd": Lost, "Ja\xffne": Lost, "Zo\xeb": Lost,
		"Ja\x00ne": Unshowable, "\x00": Unshowable, "Jane\x7f": Unshowable, "Ja\u0092ne": Unshowable, "\x1b[31m": Unshowable,
		"Ja\ufffene": Unshowable, "Ja\ufdd0": Unshowable, "a\ufff9b": Unshowable, "\U0001ffff": Unshowable,
		"Jane\u202e": Turned, "\u202dJane": Turned,
		"Jane\nDoe": LineBreak, "Jane\u2028Doe": LineBreak, "Jane\r\n Doe": LineBreak, "Jane\u0085Doe": LineBreak, "Jane \v Doe": LineBreak,
	} {
		if got, err := Line(in); !errors.Is(err, want) || got != "" {
			t.Errorf("%+q: %+q, %v; want %s", in, got, err, want)
		}
	}
}

// Whatever is sent, nothing of what must not be stored comes through.
func FuzzLine(f *testing.F) {
	for _, seed := range []string{"Zoe\u0308", "می\u200cرود", "\u200b", "a\ufffdb", "🏴\U000e0067", "1\ufe0f\u20e3 \u200d", "a\nb"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := Line(s)
		again, errAgain := Line(got)
		if errAgain != nil || again != got || err != nil && got != "" {
			t.Errorf("%+q: %+q, %v; again %+q, %v", s, got, err, again, errAgain)
		}
		if !utf8.ValidString(got) || strings.ContainsAny(got, "\x00\n\r\t\ufffd\u202e\u200b\ufeff") {
			t.Errorf("%+q: %+q", s, got)
		}
		address, err := Address(s)
		if addressAgain, errAgain := Address(address); err == nil && (errAgain != nil || addressAgain != address) {
			t.Errorf("%+q: %+q; again %+q, %v", s, address, addressAgain, errAgain)
		}
	})
}

func TestWord(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "contoso": "contoso", " \u200bcontoso\u00a0\n": "contoso", "con\u2060toso\ufeff": "contoso", "a b": "a b", "bücher": "bücher", "a\u0000b": "a\u0000b",
	} {
		if got := Word(in); got != want {
			t.Errorf("%+q: %+q", in, got)
		}
	}
}

func TestAddress(t *testing.T) {
	const jane = "jane@example.com"
	for name, tt := range map[string]struct{ in, want string }{
		"plain":                     {jane, jane},
		"as it is cased":            {"  Jane.Doe+news@mail.Example.co.uk \n", "Jane.Doe+news@mail.Example.co.uk"},
		"with an apostrophe":        {"o'brien_x-1@example.com", "o'brien_x-1@example.com"},
		"nothing":                   {"", ""},
		"nothing that can be seen":  {" \u200b\u00a0\ufeff\u2800\u3164", ""},
		"zero-width spaces":         {"\u200bja\u200bne@exam\u200bple.com\u200b", jane},
		"non-breaking spaces":       {"\u00a0jane@example.com\u00a0", jane},
		"a soft hyphen":             {"jane@exam\u00adple.com", jane},
		"bidi marks":                {"\u202ajane@example.com\u202c\u200f", jane},
		"a word joiner":             {"jane\u2060@example.com", jane},
		"joiners":                   {"ja\u200dne@example.com\u200c", jane},
		"hidden tags":               {"jane@example.com\U000e0041", jane},
		"a byte order mark":         {"\ufeffjane@example.com", jane},
		"a name":                    {"Jane Doe <jane@example.com>", jane},
		"a name with accents":       {"Zoë Müller <jane@example.com>", jane},
		"a name in quotes":          {`"Doe, Jane" <jane@example.com>;`, jane},
		"angle brackets":            {"<jane@example.com>", jane},
		"one angle bracket":         {"<jane@example.com", jane},
		"the address as the name":   {"jane@example.com <Jane@Example.com>", "Jane@Example.com"},
		"Outlook's link":            {"jane@example.com <mailto:jane@example.com>", jane},
		"Outlook's sender":          {"Doe, Jane [mailto:jane@example.com]", jane},
		"a link":                    {"mailto:jane@example.com", jane},
		"a link with a subject":     {"MailTo:jane@example.com?subject=Hello%20you&cc=x", jane},
		"an escaped link":           {"mailto:jane%40example.com", jane},
		"a plus in a link":          {"mailto:jane%2Bnews@example.com", "jane+news@example.com"},
		"a full stop":               {"jane@example.com.", jane},
		"a comma":                   {"jane@example.com, ", jane},
		"a semicolon":               {"jane@example.com;", jane},
		"quotes":                    {"“jane@example.com”", jane},
		"single quotes":             {"'jane@example.com'", jane},
		"a spreadsheet's quote":     {"'+jane@example.com", "+jane@example.com"},
		"brackets":                  {"(jane@example.com)", jane},
		"a comment":                 {"jane@example.com (Jane)", jane},
		"full width":                {"ｊａｎｅ＠ｅｘａｍｐｌｅ．ｃｏｍ", jane},
		"a full-width at":           {"jane＠example.com", jane},
		"an ideographic full stop":  {"jane@example。com", jane},
		"an international domain":   {"anna@bücher.example", "anna@xn--bcher-kva.example"},
		"its ASCII form":            {"anna@xn--bcher-kva.example", "anna@xn--bcher-kva.example"},
		"its ASCII form in capital": {"anna@XN--BCHER-KVA.example", "anna@xn--bcher-kva.example"},
		"in capitals":               {"anna@BÜCHER.example", "anna@xn--bcher-kva.example"},
		"decomposed":                {"anna@bu\u0308cher.example", "anna@xn--bcher-kva.example"},
		"a sharp s":                 {"anna@straße.example", "anna@xn--strae-oqa.example"},
		"Japanese":                  {"anna@例え.jp", "anna@xn--r8jz45g.jp"},
		"no ending":                 {"root@localhost", "root@localhost"},
		"accents before the at":     {"Jo\u0308rg@example.com", "Jörg@example.com"},
	} {
		if got, err := Address(tt.in); err != nil || got != tt.want {
			t.Errorf("%s: %+q, %v; want %+q", name, got, err, tt.want)
		}
	}
	for in, want := range map[string]Problem{
		"jane": NoAt, "Jane <jane>": NoAt, "mailto:": NoAt, "<>": "", "jane@": NoDomain, "@example.com": NoLocalPart, "@": NoLocalPart, "Jane <jane@>": NoDomain,
		"jane@example.com, joe@example.com": SeveralAddresses, "jane@example.com;joe@example.com": SeveralAddresses, "jane@example.com joe@example.com": SeveralAddresses,
		"jane@example.com\njoe@example.com": SeveralAddresses, "Jane <jane@example.com>, Joe <joe@example.com>": SeveralAddresses,
		"joe@example.com <jane@example.com>": SeveralAddresses, "mailto:jane@example.com,joe@example.com": SeveralAddresses, "<jane@example.com> joe@example.com": SeveralAddresses,
		"jane@example.com\r\nBcc: joe@example.com": SeveralAddresses,
		"jane@@example.com":                        SeveralAts, "jane@doe@example.com": SeveralAts,
		"jane doe@example.com": Space, "jane @example.com": Space, "jane@example. com": Space, "jane\u00a0doe@example.com": Space,
		"jane@bücher-.example": BadDomain, "jane@xn--a.example": BadDomain, "jane@büch_er.example": BadDomain, "jane@büch er.example": Space,
		"ja\ufffdne@example.com": Lost, "ja\xffne@example.com": Lost, "ja\x00ne@example.com": Unshowable, "jane@example.com\u202e": Turned,
	} {
		got, err := Address(in)
		if want == "" && err == nil && got == "" {
			continue
		}
		if !errors.Is(err, want) || got != "" {
			t.Errorf("%+q: %+q, %v; want %s", in, got, err, want)
		}
	}
}

// What unwraps an address costs more than twice as much for what is twice as long, so
// that it isn't begun for what is longer than anybody pastes.
func TestALongAddressIsRefusedBeforeItIsUnwrapped(t *testing.T) {
	for _, part := range []string{"<", "a@<", "[mailto:", "'", "a@\u4e00", " ", "\u200b<"} {
		if got, err := Address(strings.Repeat(part, maxPasted/len(part)+1)); got != "" || !errors.Is(err, TooLong) {
			t.Errorf("%q: %q, %v", part, got, err)
		}
	}
	if got, err := Address("Jane " + strings.Repeat("von ", 50) + "<jane@example.com>"); got != "jane@example.com" || err != nil {
		t.Errorf("a long name: %q, %v", got, err)
	}
}

func TestEveryProblemHasWords(t *testing.T) {
	for _, p := range []Problem{Lost, Unshowable, Turned, LineBreak, SeveralAddresses, SeveralAts, Space, NoAt, NoLocalPart, NoDomain, BadDomain, TooLong} {
		if !strings.HasSuffix(p.Error(), ".") {
			t.Errorf("%s: %q", p, p.Error())
		}
	}
	if len(words) != 12 {
		t.Errorf("%d problems", len(words))
	}
}

func BenchmarkClean(b *testing.B) {
	for b.Loop() {
		if _, err := Address("jane.doe@example.com"); err != nil {
			b.Fatal(err)
		}
		if s, err := Line("Jane"); err != nil || s != "Jane" {
			b.Fatal(s, err)
		}
		if _, err := Line("Doe"); err != nil {
			b.Fatal(err)
		}
	}
}
