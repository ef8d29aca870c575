package crm

import "testing"

// Texts name the CRM that there is, and read well where none is named.
func TestFill(t *testing.T) {
	named := &Provider{Name: "Acme", Record: "contact", Records: "contacts"}
	for text, want := range map[string][2]string{
		"{CRM} did not answer.":         {"Acme did not answer.", "Your CRM did not answer."},
		"Ask your {CRM} admin.":         {"Ask your Acme admin.", "Ask your CRM admin."},
		"Your {CRM} admin can fix it.":  {"Your Acme admin can fix it.", "Your CRM admin can fix it."},
		"It is not in {CRM}.":           {"It is not in Acme.", "It is not in your CRM."},
		"{Records} of {CRM}: {Record}s": {"Contacts of Acme: contacts", "Records of your CRM: records"},
	} {
		if got := [2]string{named.Fill(text), Any.Fill(text)}; got != want {
			t.Errorf("%q: %q", text, got)
		}
	}
}
