package docs

import (
	"os"
	"strings"
	"testing"

	"gatepost/static"
)

// Whoever writes the code by hand finds the hash of each version.
func TestEmbedVersionsAreDocumented(t *testing.T) {
	text, err := os.ReadFile("embed.md")
	if err != nil {
		t.Fatal(err)
	}
	for version := range static.EmbedVersion {
		script, _ := static.Embed(version + 1)
		if !strings.Contains(string(text), "`"+script.Path+"` | `"+script.Integrity+"` |") {
			t.Errorf("%s isn't told of with %s", script.Path, script.Integrity)
		}
	}
}
