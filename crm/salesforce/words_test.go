package salesforce

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gatepost/crm"
	"gatepost/crm/crmtest"
)

func TestProvider(t *testing.T) {
	crmtest.Provider(t, Provider, documented(t)...)
}

// documented are the codes that this package's sources name; the test of failures has all
// that are documented.
func documented(t *testing.T) (codes []string) {
	for _, file := range []string{"failures.go", "failures_test.go"} {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, quoted := range regexp.MustCompile(`"[A-Z]+(_[A-Z]+)+"`).FindAllString(string(source), -1) {
			codes = append(codes, strings.Trim(quoted, `"`))
		}
	}
	codes = slices.DeleteFunc(codes, func(code string) bool { return code == "NEVER_HEARD_OF_IT" || code == "SOME_EDGE_CODE" })
	if len(codes) < 40 {
		t.Fatalf("only %v: this test shows nothing", codes)
	}
	return codes
}

func TestAdminNote(t *testing.T) {
	got := Provider.AdminNote(Provider.GaveUp("REQUIRED_FIELD_MISSING"), crm.NoteFacts{Code: "REQUIRED_FIELD_MISSING", Said: "Required:\n\tBranch", Org: "Contoso", User: "005xx0000012345", Since: "19 November", N: 3})
	want := `Hello,

3 of our newsletter sign-ups have not reached Salesforce (Contoso) since 19 November.

Salesforce requires a field that nothing fills in.

Salesforce said: Required: Branch
Code: REQUIRED_FIELD_MISSING
ID of the connected user: 005xx0000012345

What to do: in Setup → Object Manager → Contact, make the field optional or give it a default (Fields & Relationships, Page Layouts).

Please tell me when it is done. Then I retry them in Gatepost, and nobody is created twice.

Thank you
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	got = Provider.AdminNote(Provider.GaveUp("UNABLE_TO_LOCK_ROW"), crm.NoteFacts{Code: "UNABLE_TO_LOCK_ROW", N: 1})
	want = `Hello,

1 of our newsletter sign-ups has not reached Salesforce.

Salesforce was busy with the same records. We tried it many times, and have stopped.

Code: UNABLE_TO_LOCK_ROW

What to do: see which import or automation keeps these records busy: Setup → Bulk Data Load Jobs, Apex Jobs, Flows.

Please tell me when it is done. Then I retry them in Gatepost, and nobody is created twice.

Thank you
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := crm.AdminSubject(Provider.Sentence("DUPLICATES_DETECTED")); got != "Newsletter sign-ups: Blocked by duplicate rule" {
		t.Error(got)
	}
}
