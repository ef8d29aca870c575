package views

import (
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
	"github.com/a-h/templ"
)

// causes are one of each kind.
func causes() []Cause {
	cause := Cause{CSRF: "token-of-the-session", Service: "sfdc", State: Attention, Code: "ODD", Title: hostile, Tone: "bad", Icon: "alert", N: 17, Who: hostile, Since: at}
	one, busy, waiting, lost, later := cause, cause, cause, cause, cause
	one.N, one.Code = 1, "ONE"
	busy.Busy, busy.Code = true, "BUSY"
	waiting.State, waiting.TryNow, waiting.Code, waiting.Tone, waiting.Icon = Waiting, true, "WAITING", "warn", "clock"
	later.State, later.Who, later.NextTry, later.Code = Waiting, "", at.Add(time.Hour), "LATER"
	lost.State, lost.Connect, lost.Code = Waiting, true, "broken"
	return []Cause{cause, one, busy, waiting, later, lost}
}

func causeList() CauseList {
	return CauseList{Card: card(Connected), Causes: causes(), Actions: actions(),
		Solved: []SolvedCause{{Service: "sfdc", State: "attention", Code: "GONE", Title: hostile, People: 3, How: "Dismissed by " + hostile, At: at}}}
}

// problemDetail is the page of a cause.
func problemDetail(c Cause) ProblemPage {
	return ProblemPage{Page: portalPage(c.Title, NavIntegrations), Card: card(Connected), Cause: c, What: hostile, Mend: hostile, Said: []string{hostile, "Another."}, Code: "ODD",
		People:   []CausePerson{{"p1", hostile, hostile, "Contoso Weekly", at, "https://contoso.my.salesforce.com/003"}, {"p2", "b@example.com", "", "Contoso Weekly", time.Time{}, ""}},
		NewerURL: "/integrations/sfdc/problems/attention/ODD?before=p1", OlderURL: "/integrations/sfdc/problems/attention/ODD?after=p2", CSVURL: "/integrations/sfdc/problems.csv?state=attention&reason=ODD"}
}

// problemPages are the pages about problems, and about connections.
func problemPages() map[string]templ.Component {
	all := causes()
	withNote := problemDetail(all[0])
	withNote.Note, withNote.MailURL, withNote.Matches = hostile, "mailto:?subject=a&body=b", true
	none := NoProblemPage{Page: portalPage("Problem", NavIntegrations), Card: card(Connected), Title: hostile}
	solved := none
	solved.Solved = &SolvedCause{How: "Retried by " + hostile, At: at}
	dismiss := DismissPage{Page: portalPage("Dismiss", NavIntegrations), Card: card(Connected), Cause: all[0]}
	refused := dismiss
	refused.Cause, refused.Note, refused.Error = all[1], hostile, hostile
	acme := card(Connected)
	acme.Service, acme.Name, acme.Other = "acme", "Acme", true
	lost, held, ended := card(ConnectionBroken), card(ConnectionHeld), card(NotConnected)
	lost.Service, lost.Other, held.Service, held.Other, ended.Service, ended.Other = "lost", true, "held", true, "ended", true
	ended.DisconnectedAt, ended.DisconnectedBy = at, hostile
	apps := integrations(Connected)
	apps.Others = []Integration{acme, lost, held, ended}
	gone := integrations(NotConnected)
	gone.CRMs[0].DisconnectedAt = at
	failing := integrations(Connected)
	failing.CRMs[0].Failing, failing.CRMs[0].Reason, failing.CRMs[0].Mend, failing.CRMs[0].NextTry = true, hostile, hostile, at
	failing.CRMs[0].Attention, failing.CRMs[0].LastArrival = 2, at
	settings := DeliverySettingsPage{Page: portalPage("Settings", NavIntegrations), Card: card(Connected), One: "fill", Several: "newest", Texts: []TextField{{Name: "placeholder", Label: "Last name", Value: hostile}, {Name: "key", Label: "Unique field", Hint: hostile, Value: hostile}}, Ticks: []Choice{{Name: "leads", Value: "on", Label: "Look among Leads too", Checkbox: true}}, Limited: "API calls", Window: 24 * time.Hour, Share: 50, Shares: []int{25, 50}, Elsewhere: 2}
	settings.Card.Approvals, settings.Card.ApprovalLimit = 6, 5
	wrong := settings
	wrong.Card, wrong.Errors = card(ConnectionBroken), FieldErrors{"key": hostile, "placeholder": "No."}
	domain := settings
	domain.Card.LoginError = hostile
	unset := settings
	unset.Card = card(NotConnected)
	unset.Card.ConnectedAt = time.Time{}
	checks := CheckUpPage{Page: portalPage("Check-up", NavIntegrations), Card: card(Connected), At: at, OtherOrg: true,
		Checks: []Check{{CheckStop, hostile, hostile, "You", hostile}, {CheckWarning, "Good to know", "", "", ""}, {CheckFine, "Fine", "", "", hostile}}}
	unchecked := CheckUpPage{Page: checks.Page, Card: card(NotConnected)}
	pages := map[string]templ.Component{
		"problems": Problems(ProblemsPage{portalPage("Problems", NavIntegrations), causeList()}), "problems-none": Problems(ProblemsPage{portalPage("Problems", NavIntegrations), CauseList{Card: card(Connected)}}),
		"problem-note": ProblemDetail(withNote), "no-problem": NoProblem(none), "no-problem-solved": NoProblem(solved), "dismiss-all": DismissAll(dismiss), "dismiss-all-refused": DismissAll(refused),
		"integrations-apps": Integrations(apps), "integrations-disconnected": Integrations(gone), "integrations-failing": Integrations(failing),
		"crm-settings": DeliverySettings(settings), "crm-settings-errors": DeliverySettings(wrong), "crm-settings-my-domain": DeliverySettings(domain), "crm-settings-not-connected": DeliverySettings(unset),
		"checkup": CheckUp(checks), "checkup-none": CheckUp(unchecked),
	}
	for _, c := range all {
		pages["problem-"+c.Code] = ProblemDetail(problemDetail(c))
	}
	for _, c := range apps.Others {
		pages["app-"+c.Service] = App(AppPage{portalPage(c.Name, NavIntegrations), c})
	}
	return pages
}

// What needs somebody has a button at once, and one that dismisses leads to a question.
func TestCausesHaveTheirActions(t *testing.T) {
	d := parse(t, ProblemsLive(CauseList{Card: card(Connected), Causes: causes()}))
	for code, want := range map[string][]string{
		"ODD": {"retry", "Dismiss all 17", "Retry all 17"}, "ONE": {"retry", "Dismiss", "Retry"}, "BUSY": {"", "Under way"},
		"WAITING": {"try", "Try now"}, "LATER": {""}, "broken": {"connect", "Reconnect"},
	} {
		row := d.Find("tbody tr").FilterFunction(func(_ int, s *goquery.Selection) bool {
			return strings.HasSuffix(s.Find(".main a").AttrOr("href", ""), "/"+code)
		})
		if row.Length() != 1 {
			t.Fatalf("%s: %d rows", code, row.Length())
		}
		if action := row.Find("form").AttrOr("action", ""); want[0] != "" && action != "/integrations/sfdc/"+want[0] || want[0] == "" && action != "" {
			t.Errorf("%s posts to %q", code, action)
		}
		for _, text := range want[1:] {
			if !strings.Contains(row.Find(".tools").Text(), text) {
				t.Errorf("%s: no %q in %q", code, text, row.Find(".tools").Text())
			}
		}
		if code == "ODD" && row.Find(`a[href="/integrations/sfdc/problems/attention/ODD/dismiss"]`).Length() != 1 {
			t.Errorf("%s isn't dismissed by a question", code)
		}
	}
}

func TestCauseListSaysHowMany(t *testing.T) {
	attention, waiting, lost := Cause{State: Attention, N: 38}, Cause{State: Waiting, N: 4}, Cause{State: Waiting}
	for want, of := range map[string][]Cause{
		"38 people need attention, 4 are waiting": {attention, waiting},
		"38 people need attention":                {attention},
		"4 people are waiting":                    {waiting},
		"1 problem":                               {lost},
	} {
		if got := (CauseList{Causes: of}).heading(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if got := (CauseList{Causes: []Cause{attention, waiting}}).total(); got != "2 causes, 42 people" {
		t.Error(got)
	}
}

// A connection that is lost, one that somebody gave up and one that never was are three
// different things.
func TestConnectionStatesHaveWordsOfTheirOwn(t *testing.T) {
	gone := card(NotConnected)
	gone.DisconnectedAt, gone.DisconnectedBy = at, "ann@contoso.example"
	for want, c := range map[string]Integration{"Connection lost": card(ConnectionBroken), "You disconnected": gone, "Not connected yet": card(NotConnected)} {
		page := render(t, IntegrationCard(c))
		for _, word := range []string{"Connection lost", "You disconnected", "Not connected yet"} {
			if strings.Contains(page, word) != (word == want) {
				t.Errorf("%s: %s", want, page)
			}
		}
	}
	if page := render(t, IntegrationCard(gone)); !strings.Contains(page, "by ann@contoso.example") {
		t.Error(page)
	}
}

// A note for somebody else can be copied, and is a mail of its own.
func TestNoteIsThereToForward(t *testing.T) {
	p := problemDetail(causes()[0])
	p.Note, p.MailURL = "Hello,\n\nsee this.", "mailto:?subject=a&body=Hello%2C%0D%0A"
	d := parse(t, ProblemDetail(p))
	if got := d.Find("textarea#note-text").Text(); got != p.Note {
		t.Errorf("note %q", got)
	}
	if d.Find(`button[data-copy="note-text"]`).Length() != 1 || d.Find(`a[href="`+p.MailURL+`"]`).Length() != 1 {
		t.Error("it can't be forwarded")
	}
}
