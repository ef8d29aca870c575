package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gatepost/db"
	"gatepost/db/dbtest"
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
		if _, err := d.Writer().Exec(`INSERT INTO newsletters (id, tenant_id, slug, name, consent, created_at) VALUES ('n', $1, 'weekly', 'Weekly', 'Yes.', 1) ON CONFLICT DO NOTHING`, g.TenantID); err != nil {
			t.Fatal(err)
		}
		answers, err := d.AddSignUps(t.Context(), []db.SignUp{{TenantID: g.TenantID, NewsletterID: "n", Email: "jane@reader.test", EmailKey: "jane@reader.test", Consent: "Yes.", Source: "form", At: time.Now().Add(-time.Hour)}})
		if err != nil || answers[0].Err != nil {
			t.Fatal(answers, err)
		}
	}
	signUp()
	for _, args := range [][]string{{"erase"}, {"erase", "jane@reader.test"}, {"erase", "--tenant", "contoso"}, {"erase", "jane@reader.test", "--replay", "x"}, {"erase", "--replay", "x", "--receipts", "y"}} {
		run(2, "", args...)
	}
	wants(run(1, "", "erase", "jane@reader.test", "--tenant", "nobody"), `there is no open tenant "nobody"`)
	wants(run(1, "", "erase", "john@reader.test", "--tenant", "contoso", "--yes"), "has nobody with this address")
	run(1, "n\n", "erase", "jane@reader.test", "--tenant", "contoso")
	wants(run(0, "y\n", "erase", "JANE@reader.test", "--tenant", "contoso", "--delete"), "Forgotten on 1 newsletter")

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
	dbtest.SQLiteOnly(t, "a server's files are its own")
	run(1, "n\n", "compact")
	wants(run(0, "", "compact", "--yes"), "keeps others from writing for about", "Rewritten in")
}

// On PostgreSQL compacting is refused, with what there is to be done instead.
func TestAServerIsNotCompacted(t *testing.T) {
	dbtest.PostgresOnly(t, "a file is")
	_, _, environ := connected(t, "https://login.salesforce.com")
	code, _, errOut := command(t, "", environ, "compact", "--yes")
	if code != 1 || !strings.Contains(errOut, "VACUUM FULL") {
		t.Errorf("exit %d: %s", code, errOut)
	}
}
