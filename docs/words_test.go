package docs

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// formerWords are what pages, mails and commands said before, in words of the
// engineers. Nothing says them any more.
var formerWords = []string{
	"How Salesforce is going", "how it is going", "What holds sign-ups up", "holds sign-ups up", "Nobody waits", "Nothing does", "The oldest of them waits for",
	"Difference: 0", "Write to me when there is trouble", "Mails to you", "Don’t send all", "Send all", "Log in elsewhere", "Log in there",
	"With another app", "Last renewed", "Not needed yet", "Test newsletter signup", "Send the sample", "Test sign-up", "is disconnected",
	"Look into your mailbox", "Don’t share it", "Salesforce answered:", "short name", "Short name",
}

// TestFormerWordsAreGone walks the texts of everything that people read: pages, mails,
// sentences of errors and commands, in the sources that make them.
func TestFormerWordsAreGone(t *testing.T) {
	walked := 0
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		switch {
		case d.IsDir() && (name == "e2e" || name == "docs" || name == "node_modules" || strings.HasPrefix(name, ".") && name != ".."):
			return fs.SkipDir
		case d.IsDir() || strings.HasSuffix(name, "_test.go") || strings.HasSuffix(name, "_templ.go"):
			return nil
		case !strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, ".templ") && !strings.HasSuffix(name, ".js"):
			return nil
		}
		source, err := os.ReadFile(path)
		walked++
		for i, line := range strings.Split(string(source), "\n") {
			if strings.HasPrefix(strings.TrimSpace(line), "//") {
				continue
			}
			for _, w := range formerWords {
				if strings.Contains(line, w) {
					t.Errorf("%s:%d says %q", path, i+1, w)
				}
			}
		}
		return err
	})
	if err != nil || walked < 100 {
		t.Fatalf("%d files were walked: %v", walked, err)
	}
}
