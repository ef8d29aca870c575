package docs

import (
	"go/scanner"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// crmName is what tells one CRM from another.
var crmName = regexp.MustCompile(`(?i)salesforce|sfdc|hubspot|zoho`)

// mayNameCRMs are the places that may know a CRM by its name, with why. One that ends with a
// slash is a folder.
var mayNameCRMs = map[string]string{
	"crm/":               "the CRMs themselves",
	"mocksalesforce/":    "a simulated service",
	"mockhubspot/":       "a simulated service",
	"mockzoho/":          "a simulated service",
	"e2e/":               "drives the simulated services",
	"examples/":          "shows how one service is authorized",
	"docs/":              "about all of them",
	"identity/registry*": "the catalogue of services",
	"identity/reasons*":  "the catalogue's reasons",
	"identity/refusals*": "the catalogue's refusals",
	"identity/token.go":  "the names of fields in services' answers",
	"auth/guessable.go":  "words that a password is guessed by",
	"cli/config.go":      "configuration",
	"cli/variables.go":   "configuration",
	"cli/identity.go":    "configuration",
	"cli/serve.go":       "the help of the configuration",
	"cli/service.go":     "configuration: the command that sets an app",
	"cli/services.go":    "configuration: the service as the environment has it",
	"cli/apikey.go":      "an example in a command's help",
	"cli/transfer.go":    "an example in a command's help",
	"cli/mocks.go":       "runs the simulated services",
	"cli/demo.go":        "wires the simulated services",
	"cli/fabrikam*":      "the demo's sample organisation",
}

// TestNobodyElseKnowsACRMByName walks the sources: whoever wants to know something of a CRM
// asks its crm.Provider.
func TestNobodyElseKnowsACRMByName(t *testing.T) {
	walked, used := 0, map[string]bool{}
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			if err == nil && strings.HasPrefix(d.Name(), ".") && d.Name() != ".." {
				return fs.SkipDir
			}
			return err
		}
		name := filepath.ToSlash(strings.TrimPrefix(path, ".."+string(filepath.Separator)))
		if strings.HasSuffix(name, "_test.go") || strings.HasSuffix(name, "_templ.go") || !strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, ".templ") {
			return nil
		}
		source, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		walked++
		place := placeOf(name)
		for _, line := range namesCRM(name, source) {
			used[place] = true
			if place == "" {
				t.Errorf("%s:%d knows a CRM by its name: %s", name, line, strings.TrimSpace(strings.Split(string(source), "\n")[line-1]))
			}
		}
		return nil
	})
	if err != nil || walked < 200 {
		t.Fatalf("%d files were walked: %v", walked, err)
	}
	for place := range mayNameCRMs {
		if !used[place] && !strings.HasPrefix(place, "mock") && place != "docs/" {
			t.Errorf("%s names no CRM (any more)", place)
		}
	}
}

// placeOf is the place among mayNameCRMs that a file belongs to; empty when it is none.
func placeOf(name string) string {
	for place := range mayNameCRMs {
		if matches, _ := filepath.Match(place, name); matches || strings.HasSuffix(place, "/") && strings.HasPrefix(name, place) {
			return place
		}
	}
	return ""
}

// namesCRM are the lines of a source that name a CRM, comments aside: they may give a
// reason.
func namesCRM(name string, source []byte) (lines []int) {
	if strings.HasSuffix(name, ".templ") {
		for i, line := range strings.Split(string(source), "\n") {
			if !strings.HasPrefix(strings.TrimSpace(line), "//") && crmName.MatchString(line) {
				lines = append(lines, i+1)
			}
		}
		return lines
	}
	files := token.NewFileSet()
	file := files.AddFile(name, files.Base(), len(source))
	var s scanner.Scanner
	s.Init(file, source, nil, 0)
	for {
		at, kind, text := s.Scan()
		if kind == token.EOF {
			return slices.Compact(lines)
		}
		if (kind == token.IDENT || kind == token.STRING) && crmName.MatchString(text) {
			lines = append(lines, file.Line(at))
		}
	}
}

// A name is found in code and in texts, and not in comments.
func TestNamesAreFound(t *testing.T) {
	goSource := "package a\n\n// as Salesforce does\nvar url = \"/integrations/sfdc\" // HubSpot\n\nfunc acceptZoho() {}\n"
	if got := namesCRM("a.go", []byte(goSource)); !slices.Equal(got, []int{4, 6}) {
		t.Errorf("in Go: lines %v", got)
	}
	if got := namesCRM("a.templ", []byte("// Salesforce\n<p>In Salesforce</p>\n")); !slices.Equal(got, []int{2}) {
		t.Errorf("in templ: lines %v", got)
	}
}
