package e2e

import (
	"cmp"
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

// simulated is a simulated CRM, asked by a test.
type simulated struct {
	t   *testing.T
	url string
}

// at is the simulated Salesforce.
func (d *demo) at(t *testing.T) simulated {
	t.Helper()
	return simulated{t, d.salesforce}
}

// control tells the simulated Salesforce to do something.
func (d *demo) control(t *testing.T, what, body string) { t.Helper(); d.at(t).control(what, body) }

// contacts returns the Contacts with an address, of all orgs of the simulated Salesforce.
func (d *demo) contacts(t *testing.T, email string) []contact {
	t.Helper()
	return d.at(t).contacts(email)
}

// contact waits until an address has arrived in the simulated Salesforce, and fails when
// it did twice.
func (d *demo) contact(t *testing.T, email string) contact { t.Helper(); return d.at(t).contact(email) }

// grants is how many authorizations are in force in the simulated Salesforce.
func (d *demo) grants(t *testing.T) int { t.Helper(); return d.at(t).grants() }

// contact is a Contact as a simulated CRM tells it.
type contact struct {
	ID                         string `json:"Id"`
	FirstName, LastName, Email string
	Fields                     map[string]any         // at Salesforce
	OrgID                      string                 `json:"OrgId"` // at Salesforce
	Org                        string                 // at the others
	Properties                 struct{ Email string } // at HubSpot
}

// org is where the Contact is.
func (c contact) org() string { return cmp.Or(c.OrgID, c.Org) }

// control tells the CRM to do something.
func (s simulated) control(what, body string) {
	s.t.Helper()
	resp, err := noRedirects.Post(s.url+"/_control/"+what, "application/json", strings.NewReader(body))
	must(s.t, err)
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		said, _ := io.ReadAll(resp.Body)
		s.t.Fatalf("_control/%s: %s: %s", what, resp.Status, said)
	}
}

// ask asks the CRM for something.
func (s simulated) ask(what string, to any) {
	s.t.Helper()
	resp, err := noRedirects.Get(s.url + "/_control/" + what)
	must(s.t, err)
	defer func() { _ = resp.Body.Close() }()
	must(s.t, json.NewDecoder(resp.Body).Decode(to))
}

// contacts returns the Contacts with an address, of all orgs.
func (s simulated) contacts(email string) (found []contact) {
	s.t.Helper()
	var all struct{ Contacts []contact }
	s.ask("contacts", &all)
	for _, c := range all.Contacts {
		if strings.EqualFold(cmp.Or(c.Email, c.Properties.Email), email) {
			found = append(found, c)
		}
	}
	return found
}

// contact waits until an address has arrived, and fails when it did twice.
func (s simulated) contact(email string) contact {
	s.t.Helper()
	var found []contact
	eventually(s.t, email+" is a Contact", func() bool {
		found = s.contacts(email)
		return len(found) > 0
	})
	if len(found) > 1 {
		s.t.Fatalf("%s is there %d times, want once: %v", email, len(found), found)
	}
	return found[0]
}

// counted is what a CRM has counted.
type counted struct {
	Grants    int // authorizations in force
	Contacts  int
	Refreshes int // of tokens
	Most      int `json:"per_email_max"` // records of an address
}

// stats asks what was counted so far.
func (s simulated) stats() (n counted) {
	s.t.Helper()
	s.ask("stats", &n)
	return n
}

// grants is how many authorizations are in force.
func (s simulated) grants() int { s.t.Helper(); return s.stats().Grants }

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
