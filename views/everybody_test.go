package views

import (
	"strings"
	"testing"
	"time"

	"github.com/a-h/templ"
)

var estimate = Estimate{Calls: 280, Unit: "API calls", Window: 24 * time.Hour, Left: 12000, Took: 2 * time.Minute}

func everybody(n int) EverybodyPage {
	return EverybodyPage{Page: portalPage("Send everybody", NavIntegrations), Card: cardOf(hubspot, Connected), N: n, Estimate: estimate, Removable: []CRM{salesforce},
		Compared: []CRMCount{{salesforce, totals(14, 0, 14, 0, 0, 0)}, {hubspot, totals(9, 0, 6, 2, 1, 0)}}}
}

func removal() RemovePage {
	return RemovePage{Page: portalPage("Remove", NavIntegrations), Card: cardOf(salesforce, Connected), Waiting: 1200, Refused: 1, There: 14000, Unfed: []string{"Weekly", hostile}}
}

func feeding(ends int) FeedsPage {
	return FeedsPage{Page: portalPage("Newsletters", NavIntegrations), Card: cardOf(hubspot, Connected), Ends: ends,
		Newsletters: []Choice{{Name: "newsletter", Value: "1", Label: "Contoso Weekly", Checked: true, Checkbox: true}, {Name: "newsletter", Value: "2", Label: hostile, Checkbox: true}}}
}

// movingPages are those by which a tenant moves from one CRM to another.
func movingPages() map[string]templ.Component {
	underWay := everybody(0)
	underWay.UnderWay, underWay.Actions = true, Actions{Service: "hubspot", All: []Action{{Kind: ActionRetry, Total: 14, Done: 3, StartedAt: at}}}
	wrong := feeding(0)
	wrong.Error = hostile
	return map[string]templ.Component{
		"everybody": Everybody(everybody(14)), "everybody-done": Everybody(everybody(0)), "everybody-under-way": Everybody(underWay),
		"remove": Remove(removal()), "feeds": Feeds(feeding(0)), "feeds-ends": Feeds(feeding(12)), "feeds-wrong": Feeds(wrong),
	}
}

func TestWhatSendingEverybodyTakes(t *testing.T) {
	for want, left := range map[string]int{
		"It takes about 280 API calls and 2 minutes.":                                                                                                           -1,
		"It takes about 280 API calls and 2 minutes. 12,000 are left for Gatepost in these 24 hours.":                                                           12000,
		"It takes about 280 API calls and 2 minutes. 100 are left for Gatepost in these 24 hours: whoever they don’t suffice for waits, and goes on by itself.": 100,
	} {
		e := estimate
		e.Left = left
		if got := e.takes(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// Who is sent is told, and what doesn't change; afterwards the numbers stand side by side and
// lead on.
func TestSendingEverybody(t *testing.T) {
	p := everybody(14)
	p.Newsletters = []string{"Weekly", "Daily", "Rarely"}
	for _, want := range []string{"subscribed to Weekly, Daily and Rarely and has not been", "Nothing changes in Salesforce."} {
		if got := p.text(); !strings.Contains(got, want) {
			t.Errorf("%q is missing in %q", want, got)
		}
	}
	if got := everybody(14).text(); !strings.HasPrefix(got, "Everybody who is subscribed and has not been sent to HubSpot") {
		t.Errorf("got %q", got)
	}
	for n, forms := range map[int]int{14: 1, 0: 0} {
		d := parse(t, Everybody(everybody(n)))
		if got := d.Find(`form[action="/integrations/hubspot/everybody"]`).Length(); got != forms {
			t.Errorf("%d people: %d forms", n, got)
		}
		if got := strings.Join(strings.Fields(d.Find("tbody tr").Last().Text()), " "); got != "HubSpot9621" {
			t.Errorf("%d people: %q", n, got)
		}
		if d.Find(`a[href="/integrations/sfdc/remove"]`).Length() != 1 {
			t.Errorf("%d people: nothing leads on", n)
		}
	}
}

// Before a CRM is removed it is told who isn't sent, and that nothing is deleted there.
func TestRemovingSaysWhatEnds(t *testing.T) {
	p := removal()
	for _, want := range []string{"1,200 sign-ups wait for Salesforce and will not be sent", "1 person needs attention", "14,000 sign-ups have arrived there. Their Contacts stay in Salesforce", "Those of Weekly and <script>", "gives its access back"} {
		if got := strings.Join(p.consequences(), " "); !strings.Contains(got, want) {
			t.Errorf("%q is missing in %q", want, got)
		}
	}
	p.Waiting, p.Refused, p.There, p.Last, p.Card.ConnectedAt = 0, 0, 1, true, time.Time{}
	got := strings.Join(p.consequences(), " ")
	for _, wrong := range []string{"wait for", "attention", "access", "go to no CRM"} {
		if strings.Contains(got, wrong) {
			t.Errorf("%q in %q", wrong, got)
		}
	}
	if !strings.Contains(got, "Its Contact stays in Salesforce") || !strings.Contains(got, "They wait here until you connect a CRM.") {
		t.Errorf("got %q", got)
	}
}

// Taking a newsletter away is asked about when it ends what waits.
func TestTakingANewsletterAwayIsAskedAbout(t *testing.T) {
	for ends, sure := range map[int]int{0: 0, 12: 1} {
		d := parse(t, Feeds(feeding(ends)))
		if n := d.Find("input[name=sure]").Length(); n != sure {
			t.Errorf("%d wait: %d questions", ends, n)
		}
		if n := d.Find("input[name=newsletter]").Length(); n != 2 || d.Find("input[name=newsletter][checked]").Length() != 1 {
			t.Errorf("%d wait: %d newsletters", ends, n)
		}
		if asked := strings.Contains(d.Text(), "12 sign-ups wait for HubSpot"); asked != (ends > 0) {
			t.Errorf("%d wait: it is asked: %v", ends, asked)
		}
	}
}
