package input

import (
	"errors"
	"testing"
)

func TestDecoding(t *testing.T) {
	for name, tt := range map[string]struct{ charset, raw, want string }{
		"UTF-8":                          {"", "Zoë", "Zoë"},
		"UTF-8, declared":                {"UTF-8", "Zoë", "Zoë"},
		"UTF-8, declared wrongly":        {"utf-8", "Zo\xeb", "Zo\ufffd"},
		"Latin-1, undeclared":            {"", "Zo\xeb M\xfcller", "Zoë Müller"},
		"Latin-1":                        {"iso-8859-1", "Zo\xeb", "Zoë"},
		"Latin-1 by another name":        {" Latin1 ", "Zo\xeb", "Zoë"},
		"Latin-1, of any signs":          {"iso-8859-1", "\xff\xfe", "ÿþ"},
		"Windows-1252":                   {"windows-1252", "O\x92Neill \x8eo\xeb", "O’Neill Žoë"},
		"Windows-1252, undeclared":       {"", "O\x92N\xe9ill", "O’Néill"},
		"Latin-2":                        {"iso-8859-2", "\xa3ukasz", "Łukasz"},
		"Windows-1251":                   {"windows-1251", "\xc8\xe2\xe0\xed", "Иван"},
		"Windows-1251, undeclared":       {"", "\xc8\xe2\xe0\xed", "\ufffd"},
		"Shift_JIS":                      {"Shift_JIS", "\x8eR\x93c", "山田"},
		"Shift_JIS, undeclared":          {"", "\x93\xfa\x96{", "\ufffd{"},
		"GBK, undeclared":                {"", "\xcd\xf5\xce\xb0", "\ufffd"},
		"Latin-2, undeclared":            {"", "Bo\xbfena", "Bo\ufffdena"},
		"a byte that is no letter":       {"", "Jane\x81", "Jane\ufffd"},
		"UTF-16":                         {"utf-16le", "Z\x00o\x00\xeb\x00", "Zoë"},
		"UTF-16 with half a character":   {"utf-16be", "\xd8\x00\x00a", "\ufffda"},
		"a letter cut off at the end":    {"", "J\xc3\xbcr\xc3", "J\ufffdr\ufffd"},
		"one accented letter, and alone": {"", "\xd6", "Ö"},
	} {
		d, err := NewDecoder(tt.charset)
		if got := d.Text([]byte(tt.raw)); err != nil || got != tt.want && !(tt.charset == "" && lost(got) && lost(tt.want)) {
			t.Errorf("%s: %+q, %v; want %+q", name, got, err, tt.want)
		}
	}
	for _, charset := range []string{"klingon", "utf-7", "utf-32", "x-user-defined", "iso-2022-kr", "hz-gb-2312", "replacement", "utf8; q=1", "ISO-8859-1, UTF-8"} {
		if _, err := NewDecoder(charset); !errors.Is(err, ErrCharset) {
			t.Errorf("%s: %v", charset, err)
		}
	}
}

func lost(s string) bool { _, err := Line(s); return errors.Is(err, Lost) }

func TestDocuments(t *testing.T) {
	for name, tt := range map[string]struct{ charset, raw, want string }{
		"plain":                     {"", `{"a":"ë"}`, `{"a":"ë"}`},
		"a mark":                    {"", "\xef\xbb\xbf{}", "{}"},
		"a mark, declared":          {"utf-8", "\xef\xbb\xbf{}", "{}"},
		"Latin-1":                   {"", "{\"a\":\"Zo\xeb\"}", `{"a":"Zoë"}`},
		"Latin-1, declared":         {"iso-8859-1", "{\"a\":\"Zo\xeb\"}", `{"a":"Zoë"}`},
		"UTF-16 with a mark":        {"", "\xff\xfe{\x00}\x00", "{}"},
		"the other way round":       {"", "\xfe\xff\x00{\x00}", "{}"},
		"UTF-16 without a mark":     {"", "{\x00}\x00", "{}"},
		"the other way round again": {"", "\x00{\x00}", "{}"},
		"UTF-16, declared":          {"utf-16", "\xff\xfe{\x00}\x00", "{}"},
		"empty":                     {"", "", ""},
		"a byte":                    {"", "1", "1"},
	} {
		d, err := NewDecoder(tt.charset)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := d.Document([]byte(tt.raw)); err != nil || got != tt.want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	for _, raw := range []string{"\xff\xfe\x00\x00{\x00\x00\x00", "\x00\x00\xfe\xff\x00\x00\x00{", "{\x00\x00\x00}\x00\x00\x00", "\x00\x00\x00{"} {
		if got, err := (Decoder{}).Document([]byte(raw)); !errors.Is(err, ErrCharset) {
			t.Errorf("%q: %q, %v", raw, got, err)
		}
	}
}

func TestUnescaped(t *testing.T) {
	for in, want := range map[string]string{
		"&#321;ukasz": "Łukasz", "Jane": "Jane", "A &amp; B": "A &amp; B", "&#60;b&#62;": "&#60;b&#62;", "&#0;": "&#0;", "&#;": "&#;", "&#321": "&#321", "&#x141;": "&#x141;",
		"&#128512;!": "😀!", "&#55296;": "\ufffd", "&#65533;": "\ufffd", "&#1114112;": "\ufffd", "&#99999999999;": "&#99999999999;", "&#-321;": "&#-321;", "a&#&#321;b": "a&#Łb",
	} {
		if got := Unescaped(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
