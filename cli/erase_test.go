package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gatepost/db"
)

// The operator forgets somebody, keeps the receipts, does it again after a restore, and has the bytes gone.
func TestTheOperatorForgetsSomebody(t *testing.T) {
	d, g, environ := connected(t, "https://login.salesforce.com")
	run := func(want int, in string, args ...string) string {
		t.Helper()
		code, out, errOut := command(t, in, environ, args...)
		if code != want {
			t.Fatalf("%v: exit %d\n%s%s", args, code, out, errOut)
		}
		return out + errOut
	}
	wants := func(out string, wanted ...string) {
		t.Helper()
		for _, want := range wanted {
			if !strings.Contains(out, want) {
				t.Errorf("no %q in %s", want, out)
			}
		}
	}
	signUp := func() {
		t.Helper()
		var newsletter string
		if err := d.Writer().QueryRow(`SELECT id FROM newsletters WHERE tenant_id = $1`, g.TenantID).Scan(&newsletter); err != nil {
			t.Fatal(err)
		}
		answers, err := d.AddSignUps(t.Context(), []db.SignUp{{TenantID: g.TenantID, NewsletterID: newsletter, Email: "jane@reader.test", EmailKey: "jane@reader.test", Consent: "Yes.", Source: "form", At: time.Now().Add(-time.Hour)}})
		if err != nil || answers[0].Err != nil {
			t.Fatal(answers, err)
		}
	}
	signUp()
	for _, args := range [][]string{{"erase"}, {"erase", "jane@reader.test"}, {"erase", "--tenant", "contoso"}, {"erase", "jane@reader.test", "--replay", "x"}, {"erase", "--replay", "x", "--receipts", "y"},
		{"erase", "jane@reader.test", "--tenant", "contoso", "--delete", "--anonymise"}} {
		run(2, "", args...)
	}
	wants(run(1, "", "erase", "jane@reader.test", "--tenant", "nobody"), `there is no open tenant "nobody"`)
	wants(run(1, "", "erase", "john@reader.test", "--tenant", "contoso", "--yes"), "has nobody with this address")
	wants(run(1, "", "erase", "jane@reader.test", "--tenant", "contoso"), "use --yes")
	wants(run(0, "", "erase", "JANE@reader.test", "--tenant", "contoso", "--delete", "--yes"), "Forgotten on 1 newsletter")

	file := filepath.Join(t.TempDir(), "receipts")
	wants(run(0, "", "erase", "--receipts", file), "Wrote 1 line")
	run(1, "", "erase", "--receipts", file) // it is there
	if text, err := os.ReadFile(file); err != nil || strings.Contains(string(text), "jane") {
		t.Errorf("the file says %s, %v", text, err)
	}
	wants(run(0, "", "erase", "--receipts", "-"), `"gatepost_receipts":1`)
	signUp() // as if an older copy had been restored
	wants(run(1, "", "erase", "--replay", file+".none"), "no such file")
	wants(run(0, "", "erase", "--replay", file), "1 receipt: 1 subscriber erased again")
	wants(run(0, "", "erase", "--replay", file), "1 receipt: 0 subscribers erased again")
	signUp()
	wants(run(0, "", "erase", "jane@reader.test", "--tenant", "contoso", "--anonymise", "--yes"), "Forgotten on 1 newsletter")
	ways := ""
	if err := d.Writer().QueryRow(`SELECT group_concat(way) FROM (SELECT DISTINCT e.way FROM removal_records e JOIN removals r ON r.subscriber_id = e.subscriber_id ORDER BY r.asked_at)`).Scan(&ways); err != nil || ways != "delete,list,anonymise" {
		t.Errorf("ways %q, %v", ways, err)
	}
	wants(run(1, "", "compact"), "use --yes", "keeps others from writing for about")
	wants(run(0, "", "compact", "--yes"), "keeps others from writing for about", "Rewritten in")
}
