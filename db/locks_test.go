package db

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// Who takes one of the server's locks takes one of its own: two things with one number
// would keep each other from being done.
func TestEachLockHasItsOwnNumber(t *testing.T) {
	numbers, names := map[string]int{"foldLock": foldLock, "migrationLock": migrationLock, "searchLock": searchLock}, map[int]string{}
	for name, number := range numbers {
		if other := names[number]; other != "" {
			t.Errorf("%s and %s are both %x", name, other, number)
		}
		names[number] = name
	}
	taken := map[string]bool{}
	lock := regexp.MustCompile("advisory_\\w*lock\\(([^)]*)\\)`(?:, (\\w+))?")
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range lock.FindAllStringSubmatch(string(text), -1) {
			if numbers[m[2]] == 0 {
				t.Errorf("%s: %s takes a lock that isn't known here", file, m[0])
			}
			taken[m[2]] = true
		}
	}
	if len(taken) != len(numbers) {
		t.Errorf("only %v are taken", taken)
	}
}
