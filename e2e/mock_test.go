package e2e

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// The people of the simulated Salesforce, each in an org of their own.
const (
	johnOfContoso  = "john@contoso.example"
	janeOfFabrikam = "jane@fabrikam.example"
)

// salesforceCookie holds the log-in at the simulated Salesforce.
const salesforceCookie = "mocksalesforce_sid"

// contact is a Contact as the simulated Salesforce tells it.
type contact struct {
	ID                         string `json:"Id"`
	FirstName, LastName, Email string
	OrgID                      string `json:"OrgId"`
}

// control tells the simulated Salesforce to do something.
func (d *demo) control(t *testing.T, what, body string) {
	t.Helper()
	resp, err := noRedirects.Post(d.salesforce+"/_control/"+what, "application/json", strings.NewReader(body))
	must(t, err)
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		said, _ := io.ReadAll(resp.Body)
		t.Fatalf("_control/%s: %s: %s", what, resp.Status, said)
	}
}

// contacts returns the Contacts with an address, of all orgs.
func (d *demo) contacts(t *testing.T, email string) []contact {
	t.Helper()
	resp, err := noRedirects.Get(d.salesforce + "/_control/contacts")
	must(t, err)
	defer func() { _ = resp.Body.Close() }()
	var all struct{ Contacts []contact }
	must(t, json.NewDecoder(resp.Body).Decode(&all))
	var found []contact
	for _, c := range all.Contacts {
		if strings.EqualFold(c.Email, email) {
			found = append(found, c)
		}
	}
	return found
}

// contact waits until an address has arrived, and fails when it did twice.
func (d *demo) contact(t *testing.T, email string) contact {
	t.Helper()
	var found []contact
	eventually(t, email+" is a Contact", func() bool {
		found = d.contacts(t, email)
		return len(found) > 0
	})
	if len(found) > 1 {
		t.Fatalf("%s is there %d times, want once: %v", email, len(found), found)
	}
	return found[0]
}

// patience is how long what comes by itself may take on a slow machine: a killed
// process leaves a lease, and a write that has to settle.
const patience = 2 * time.Minute

// eventually asks until the answer is yes, as long as there is patience.
func eventually(t *testing.T, what string, yes func() bool) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	late := time.After(patience)
	for !yes() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// grants is how many authorizations are in force.
func (d *demo) grants(t *testing.T) int {
	t.Helper()
	resp, err := noRedirects.Get(d.salesforce + "/_control/stats")
	must(t, err)
	defer func() { _ = resp.Body.Close() }()
	var stats struct{ Grants int }
	must(t, json.NewDecoder(resp.Body).Decode(&stats))
	return stats.Grants
}
