package csvout

import (
	"bytes"
	"encoding/csv"
	"errors"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestCellsAreHarmless(t *testing.T) {
	for cell, want := range map[string]string{
		"":                               "",
		"Jane":                           "Jane",
		"jane+news@example.com":          "jane+news@example.com",
		"Anne-Marie O’Neill":             "Anne-Marie O’Neill",
		"2026-11-28T23:00:00Z":           "2026-11-28T23:00:00Z",
		"a = b; c":                       "a = b; c",
		"=1+1":                           "'=1+1",
		"+49 30":                         "'+49 30",
		"-1":                             "'-1",
		"@SUM(A1)":                       "'@SUM(A1)",
		"\tx":                            "'\tx",
		"\rx":                            "'\rx",
		"\nx":                            "'\nx",
		" =1":                            "' =1",
		"\u00a0=1":                       "'\u00a0=1",
		"\u200b=1":                       "'\u200b=1",
		"\ufeff\u200e\u2060=1":           "'\ufeff\u200e\u2060=1",
		"\u00ad=1":                       "'\u00ad=1",
		"\u3164=1":                       "'\u3164=1",
		"\x00=1":                         "'=1",
		"\x00":                           "",
		"＝1":                             "'＝1",
		"＋1":                             "'＋1",
		"－1":                             "'－1",
		"＠SUM":                           "'＠SUM",
		"﹦1":                             "'﹦1",
		"⁺1":                             "'⁺1",
		"−1":                             "'−1",
		"\u200b＝1":                       "'\u200b＝1",
		`"=1"`:                           `'"=1"`,
		`x;=cmd|'/C calc'!A0;y`:          `x;'=cmd|'/C calc'!A0;y`,
		"x;＝cmd":                         "x;'＝cmd",
		"x; \u200b=cmd":                  "x;' \u200b=cmd",
		`x;"=cmd"`:                       `x;'"=cmd"`,
		"x,+1":                           "x,'+1",
		"x\t-1":                          "x\t'-1",
		"x|@a":                           "x|'@a",
		"x\n=1":                          "x\n'=1",
		"x\r\n=1":                        "x\r\n'=1",
		"x\u2028=1":                      "x\u2028'=1",
		";=1":                            ";'=1",
		";;=1;;+1":                       ";;'=1;;'+1",
		"=1;=1":                          "'=1;'=1",
		"\t=1":                           "'\t'=1",
		"a\xff;=1":                       "a\ufffd;'=1",
		"already harmless: '=1":          "already harmless: '=1",
		`{"error":"x"},"-" is no number`: `{"error":"x"},'"-" is no number`,
	} {
		if got := harmless(cell); got != want {
			t.Errorf("%+q: %+q, want %+q", cell, got, want)
		}
		if got := harmless(want); strings.Count(got, "'") > strings.Count(want, "'")+1 {
			t.Errorf("%+q becomes %+q again", want, got)
		}
	}
}

// Whatever the separator, and whether or not quotes count, no cell of a file begins
// with what a spreadsheet takes for a formula.
func FuzzNoSeparatorMakesAFormula(f *testing.F) {
	for _, seed := range []string{`x;=cmd|'/C calc'!A0;y`, "\u200b=1", `a";"=1`, "x\n=1", `";"=`, "\x00;\x00="} {
		f.Add(seed, "next")
	}
	f.Fuzz(func(t *testing.T, one, two string) {
		var b bytes.Buffer
		w := NewWriter(&b)
		w.Write(one, two)
		w.Write(two, one)
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		text, marked := strings.CutPrefix(b.String(), mark)
		if !marked {
			t.Fatal("no mark")
		}
		for _, cell := range strings.FieldsFunc(text, isSeparator) {
			if rest := strings.TrimLeftFunc(cell, isSkipped); rest != "" && isTrigger([]rune(rest)[0]) {
				t.Errorf("%+q, %+q: a cell %+q", one, two, cell)
			}
		}
	})
}

func TestFilesAreRead(t *testing.T) {
	var b bytes.Buffer
	w := NewWriter(&b)
	w.Write("e-mail", "name")
	w.Write("jane@example.com", `Jane "Joe", Doe`)
	w.Write("'x", "=1")
	if err := w.Flush(); err != nil || !strings.HasPrefix(b.String(), "\xef\xbb\xbfe-mail,name\n") || strings.Count(b.String(), mark) != 1 {
		t.Fatalf("%q, %v", b.String(), err)
	}
	rows, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(b.String(), mark))).ReadAll()
	if err != nil || len(rows) != 3 || !slices.Equal(rows[1], []string{"jane@example.com", `Jane "Joe", Doe`}) || !slices.Equal(rows[2], []string{"'x", "'=1"}) {
		t.Errorf("%q, %v", rows, err)
	}
}

var errGone = errors.New("gone")

type gone struct{ after int }

func (g *gone) Write(p []byte) (int, error) {
	if g.after--; g.after < 0 {
		return 0, errGone
	}
	return len(p), nil
}

func TestErrorsOfWritingComeBack(t *testing.T) {
	for after := range 2 {
		w := NewWriter(&gone{after})
		w.Write("a")
		if err := w.Flush(); !errors.Is(err, errGone) {
			t.Errorf("after %d: %v", after, err)
		}
	}
}

// No other code of ours makes CSV.
func TestNobodyElseWritesCSV(t *testing.T) {
	writers, read := 0, 0
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		read++
		for _, i := range file.Imports {
			if name, _ := strconv.Unquote(i.Path.Value); strings.Contains(name, "csv") && name != reflect.TypeFor[Writer]().PkgPath() {
				writers++
				if filepath.ToSlash(path) != "../csvout/csvout.go" {
					t.Errorf("%s imports %s", path, name)
				}
			}
		}
		return nil
	})
	if err != nil || writers != 1 || read < 100 {
		t.Errorf("%d files, %d with CSV, %v", read, writers, err)
	}
}
