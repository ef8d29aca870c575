package static

import (
	"os"
	"regexp"
	"testing"
)

// publishedScripts are the hashes of the versions of the script for other sites, in their
// order. A line that stands here never changes: pages of customers name it in their integrity
// attribute, and a browser refuses a script with another one. What is to change is a new version.
var publishedScripts = []string{
	"sha384-eFa+jKl63R37gC5de+Omgj6Sn+LbD959OnVmjK3s3b8xlU0d1NYip9JGtdI1FYcx",
}

func TestPublishedScriptsStayAsTheyAre(t *testing.T) {
	if len(publishedScripts) != EmbedVersion {
		t.Fatalf("%d versions are published, and %d are there", len(publishedScripts), EmbedVersion)
	}
	for i, want := range publishedScripts {
		script, ok := Embed(i + 1)
		if !ok || script.Integrity != want {
			t.Errorf("version %d is %q, and was published as %q", i+1, script.Integrity, want)
		}
		if script.ContentType != "text/javascript; charset=utf-8" {
			t.Errorf("version %d is %q", i+1, script.ContentType)
		}
	}
	for _, version := range []int{-1, 0, EmbedVersion + 1} {
		if _, ok := Embed(version); ok {
			t.Errorf("there is a version %d", version)
		}
	}
}

// mostScript is what a version may weigh as it is sent, in bytes.
const mostScript = 3 << 10

func TestScriptsAreSmall(t *testing.T) {
	for version := range EmbedVersion {
		script, _ := Embed(version + 1)
		for coding, sent := range map[string][]byte{"gzip": script.Gzip, "br": script.Brotli} {
			if len(sent) == 0 || len(sent) > mostScript {
				t.Errorf("version %d has %d bytes as %s, want at most %d", version+1, len(sent), coding, mostScript)
			}
		}
	}
}

// A field of a form may be called as a member of the form's is, and stands in its place then:
// form.action is a field. No key of a field has a capital letter.
func TestScriptAsksFormsByNamesThatNoFieldHas(t *testing.T) {
	body, err := os.ReadFile("files/embed/1.js")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`\bform\.([A-Za-z]+)`).FindAllSubmatch(body, -1) {
		if !regexp.MustCompile(`[A-Z]`).Match(m[1]) {
			t.Errorf("%s may be a field", m[0])
		}
	}
}
