package views

import (
	"strings"
	"testing"
)

func personPage(state State, alert *PersonAlert) PersonPage {
	return PersonPage{Page: portalPage("Ada Lovelace", NavSubscribers), Earlier: true,
		Person: Subscriber{ID: "7", Email: "ada@example.com", FirstName: "Ada", LastName: "Lovelace", Newsletter: "Contoso Weekly", Status: Active, SignedUpAt: at, Fields: []Filled{{"Company", "Contoso"}, {hostile, hostile}}},
		Deliveries: []PersonDelivery{{Delivery: Delivery{CRM: salesforce, State: state}, Alert: alert, Attempts: 2, InCRM: Present, DeliveredAt: at, OptedOut: "Opted out of all e-mail", OptedOutAt: at, Record: Record{ID: "0035g00000AbCdEEAV"},
			MatchURL: "https://contoso.my.salesforce.com/0035g00000AbCdEEAV"}},
		Story: []Moment{
			{At: at, Icon: "alert", Tone: "bad", Title: "Needs attention", Lines: []string{"A duplicate rule blocked the Contact."}, Quote: "Use one of these records?"},
			{At: at, Icon: "edit", Title: "Edited", Actor: "john@contoso.example", Lines: []string{"Last name: “Lovelase” → “Lovelace”"}},
			{At: at, Icon: "form", Title: "Signed up for Contoso Weekly", Quote: "Yes.", Source: "on the public form"},
		}}
}

func editPage(fixed bool, errs FieldErrors) PersonEditPage {
	p := PersonEditPage{Page: portalPage("Edit", NavSubscribers), ID: "7", Name: "Ada Lovelace", Newsletter: "Contoso Weekly", Retries: true, Email: "ada@example.com", FirstName: "Ada", LastName: "Lovelace",
		Fixed: fixed, Errors: errs}
	if fixed {
		p.KeepsNames = []CRM{salesforce}
		p.In, p.Retries = []PresenceIn{{salesforce, Present}}, false
	}
	if len(errs) > 0 {
		p.OtherURL = "/subscribers/8"
	}
	return p
}

// There is one primary button at most, and it is for who needs attention.
func TestThePersonsPrimaryButton(t *testing.T) {
	for state, want := range map[*State]string{&Waiting: "", &Delivered: "", &Attention: "Retry", &Dismissed: ""} {
		d := parse(t, Person(personPage(*state, nil)))
		if got := strings.TrimSpace(d.Find(".button.primary").Text()); got != want {
			t.Errorf("%s: %q", state.Code, got)
		}
		if n := d.Find(`a[href="/subscribers/7/leave"]`).Length(); n != 1 {
			t.Errorf("%s: %d ways to leave", state.Code, n)
		}
	}
}

// An address that can't be changed is no field, and it is said why.
func TestAFixedAddressIsNoField(t *testing.T) {
	for fixed, want := range map[bool]int{false: 1, true: 0} {
		d := parse(t, PersonEdit(editPage(fixed, nil)))
		if n := d.Find("input[name=email]").Length(); n != want {
			t.Errorf("fixed %v: %d fields", fixed, n)
		}
		if said := strings.Contains(d.Text(), "a second Contact"); said != fixed {
			t.Errorf("fixed %v: why is said: %v", fixed, said)
		}
	}
	if button := parse(t, PersonEdit(editPage(false, nil))).Find(".button.primary").Text(); button != "Save and retry" {
		t.Errorf("the button says %q", button)
	}
}

func TestHowManyMoreHaveTheProblem(t *testing.T) {
	for more, want := range map[int]string{0: "Do it.", 1: "Do it. 1 more person has this problem.", 1600: "Do it. 1,600 more people have this problem."} {
		if got := (PersonAlert{Text: "Do it.", More: more}).text(); got != want {
			t.Errorf("%d: %q", more, got)
		}
	}
}
