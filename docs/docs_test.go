// Package docs has the tests of what the documents promise.
package docs

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gatepost/identity"
)

// What EveryAuth had, as its README, its source and its command's help name it: each
// has to stand in the first column of a row.
var everyAuth = []string{
	"`authorize(serviceId, options)`", "`getIdentity(serviceId, id)`", "`getIdentity(serviceId, userId)`", "`getIdentity(serviceId, { userId, tenantId })`",
	"`getIdentity(serviceId, tags)`", "`getIdentities(serviceId, idsOrTags)`", "`deleteIdentity(serviceId, id)`", "`deleteIdentities(serviceId, idsOrTags)`",
	"`deleteIdentities(serviceId, null)`", "`config(profile)`", "`session.start`", "`session.get`", "`session.commit`", "`profile.loadProfile`",
	"`finishedUrl`", "`hostedBaseUrl`", "`mapToUserId`", "`mapToTenantId`", "`onAuthorized`", "`error`", "`errorDescription`",
	"`options.next`", "`options.count`", "`accessToken`", "`native`", "`fusebit`", "`id`", "`tags`", "`dateModified`",
	"`.fusebit/settings.json`", "`EVERYAUTH_TOKEN`", "`EVERYAUTH_PROFILE_JSON`", "`EVERYAUTH_PROFILE_PATH`",
	"`everyauth init", "`everyauth profile export`", "`everyauth profile import`", "`everyauth token`", "`--expires`",
	"`everyauth service ls`", "`everyauth service get`", "`everyauth service set", "`--clientSecret`", "`--scope`", "`everyauth service add`", "`everyauth service rm`", "`everyauth service log`",
	"`everyauth identity ls", "`--tenant`", "`--tag ", "`--count`", "`--next`", "`everyauth identity get", "`everyauth identity rm", "`--quiet`", "`everyauth version`",
	"`--output ", "`--profile`", "`--verbose`",
	"`asana`", "`atlassian`", "`discord`", "`githuboauth`", "`gitlab`", "`google`", "`hubspot`", "`linear`", "`pagerduty`", "`quickbooks-online`", "`reddit`",
	"`sfdc`", "`slack`", "`stackoverflow`",
}

// row is a line of a table.
type row struct{ theirs, ours, difference, tests string }

// rows are the lines of all tables of a document, their headers left out.
func rows(t *testing.T, path string) (all []row) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "|") || strings.HasPrefix(line, "|---") || strings.HasPrefix(line, "| EveryAuth |") {
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		if len(cells) != 4 {
			t.Fatalf("a row of %d columns: %s", len(cells), line)
		}
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		all = append(all, row{cells[0], cells[1], cells[2], cells[3]})
	}
	return all
}

// tests says how many tests and examples of the product have which name.
func tests(t *testing.T) map[string]int {
	t.Helper()
	names := map[string]int{}
	function := regexp.MustCompile(`(?m)^func ((?:Test|Example)\w*)\(`)
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range function.FindAllStringSubmatch(string(text), -1) {
			names[m[1]]++
		}
		return err
	})
	if err != nil || names["TestEveryAuthsTable"] != 1 {
		t.Fatalf("%d tests found, %v", len(names), err)
	}
	return names
}

func TestEveryAuthsTable(t *testing.T) {
	there, table := tests(t), rows(t, "everyauth.md")
	name := regexp.MustCompile("^`((?:Test|Example)\\w*)`$")
	for _, r := range table {
		if r.theirs == "" || r.ours == "" {
			t.Errorf("a row says nothing of one side: %+v", r)
		}
		for _, cell := range strings.Split(r.tests, ", ") {
			m := name.FindStringSubmatch(cell)
			if m == nil {
				t.Errorf("the row %q names %q for a test", r.theirs, cell)
			} else if n := there[m[1]]; n != 1 {
				t.Errorf("the row %q names %s, of which there are %d", r.theirs, m[1], n)
			}
		}
	}
	for _, what := range everyAuth {
		if !slices.ContainsFunc(table, func(r row) bool { return strings.Contains(r.theirs, what) }) {
			t.Errorf("no row tells of EveryAuth's %s", what)
		}
	}
}

// The services are told with the scopes that are asked for.
func TestServicesTable(t *testing.T) {
	table := rows(t, "everyauth.md")
	for _, s := range identity.BuiltIn() {
		i := slices.IndexFunc(table, func(r row) bool {
			return strings.HasPrefix(r.theirs, "`"+s.ID+"`") || r.theirs == "(none)" && strings.HasPrefix(r.ours, "`"+s.ID+"`")
		})
		if i < 0 {
			t.Errorf("no row tells of %s", s.ID)
			continue
		}
		_, scopes, named := strings.Cut(table[i].ours, ": ")
		if !named {
			scopes = table[i].ours
		}
		if want := "`" + strings.Join(s.Scopes, "`, `") + "`"; scopes != want {
			t.Errorf("%s asks for %s, and the row says %s", s.ID, want, scopes)
		}
	}
}

// What the quickstart shows of the examples stands there, line by line; the one in Express
// has the tutorial's hundred lines.
func TestQuickstartShowsTheExamples(t *testing.T) {
	page, err := os.ReadFile("quickstart.md")
	if err != nil {
		t.Fatal(err)
	}
	for language, path := range map[string]string{"js": "../examples/express/app.js", "python": "../examples/python/app.py"} {
		source, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		blocks := regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllStringSubmatch(string(page), -1)
		if len(blocks) == 0 {
			t.Errorf("nothing is shown of %s", path)
		}
		for _, b := range blocks {
			if !strings.Contains(string(source), b[1]) {
				t.Errorf("%s hasn't got\n%s", path, b[1])
			}
		}
		if lines := strings.Count(string(source), "\n"); language == "js" && lines > 100 {
			t.Errorf("%s has %d lines, want 100 at most", path, lines)
		}
	}
}

// Links between the documents, and to parts of them, lead somewhere.
func TestLinksLeadSomewhere(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#:]*)(?:#([^)]*))?\)`)
	files, err := filepath.Glob("*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range append(files, "../README.md") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			to := file
			if m[1] != "" {
				to = filepath.Join(filepath.Dir(file), m[1])
			}
			target, err := os.ReadFile(to)
			if err != nil {
				t.Errorf("%s links to %s: %v", file, m[1], err)
			} else if m[2] != "" && !slices.Contains(anchors(string(target)), m[2]) {
				t.Errorf("%s links to %s, which has no part %s", file, to, m[2])
			}
		}
	}
}

// anchors are the names of a document's parts, as links have them.
func anchors(text string) (all []string) {
	for line := range strings.Lines(text) {
		if title, ok := strings.CutPrefix(strings.TrimLeft(line, "#"), " "); ok && strings.HasPrefix(line, "#") {
			name := regexp.MustCompile(`[^a-z0-9 -]`).ReplaceAllString(strings.ToLower(strings.TrimSpace(title)), "")
			all = append(all, strings.ReplaceAll(name, " ", "-"))
		}
	}
	return all
}
