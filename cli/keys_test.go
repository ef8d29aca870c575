package cli

import (
	"gatepost/db"

	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestKeysAreShownAndRotated(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "keyset.json")
	environ := []string{"GATEPOST_DATABASE=" + filepath.Join(dir, "gatepost.db"), "GATEPOST_KEYSET=" + file}
	run := func(args ...string) string {
		t.Helper()
		code, out, errOut := command(t, "", environ, args...)
		if code != 0 || errOut != "" {
			t.Fatalf("%v: exit %d\n%s%s", args, code, out, errOut)
		}
		wantNoKey(t, file, out)
		return out
	}
	d, err := db.Open(t.Context(), filepath.Join(dir, "gatepost.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = d.Close() }()
	if out := run("keys", "status"); !regexp.MustCompile(`(?m)^KEY +STATE +AGE +ROWS\n\d+ +current +0 min +0$`).MatchString(out) {
		t.Errorf("status:\n%s", out)
	}
	if out := run("keys", "rotate"); !strings.Contains(out, "seals from now on") || !strings.Contains(out, "Done. The old keys are retired.") {
		t.Errorf("rotate:\n%s", out)
	}
	var rows []keyRow
	if err := json.Unmarshal([]byte(run("keys", "status", "--output", "json")), &rows); err != nil {
		t.Fatal(err)
	}
	if len(rows) != 2 || rows[0].State != "retired" || rows[0].RetiredAt == nil || rows[1].State != "current" || rows[0].ID == rows[1].ID {
		t.Errorf("status: %+v", rows)
	}
	if code, out, errOut := command(t, "", environ, "keys", "status", "--output", "xml"); code == 0 || out != "" || !strings.Contains(errOut, "table or json") {
		t.Errorf("another output: exit %d\n%s%s", code, out, errOut)
	}

	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	environ[1] = "GATEPOST_KEYSET=" + string(text)
	if code, out, errOut := command(t, "", environ, "keys", "rotate"); code != 1 || out != "" || !strings.Contains(errOut, "rotate them where they are kept") {
		t.Errorf("keys from the environment: exit %d\n%s%s", code, out, errOut)
	}
}

// wantNoKey fails the test when a key of the file was printed.
func wantNoKey(t *testing.T, file, out string) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	keys := regexp.MustCompile(`"value":"([^"]{20,})"`).FindAllStringSubmatch(string(b), -1)
	if len(keys) == 0 {
		t.Fatal("the key file has no key")
	}
	for _, k := range keys {
		if strings.Contains(out, k[1]) {
			t.Error("a key was printed")
		}
	}
}
