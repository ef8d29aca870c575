package views

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/a-h/templ"
)

// live is a status in which so many arrived, wait, need attention and were dismissed.
func live(delivered, waiting, attention, dismissed int) Status {
	s := Status{CSRF: "token-of-the-session", Card: card(Connected), Totals: totals(delivered+waiting+attention+dismissed, 1, delivered, waiting, attention, dismissed), People: subscribed(delivered + waiting + attention + dismissed), Before: true,
		LastDelivered: at, Usage: Usage{Unit: "API calls", Window: 24 * time.Hour, Used: 96, Allowed: 15000, Ours: 12, At: at}, Elsewhere: 2, Now: at.Add(time.Hour), Range: "30-days", Chart: exampleChart("Salesforce"),
		Recount: Recount{At: at, Took: time.Second, People: subscribed(10), Rows: totals(10, 1, 4, 3, 2, 1)}}
	s.Card.Waiting, s.Card.Attention, s.Causes = waiting, attention, min(attention, 3)
	return s
}

func with(s Status, change func(*Status)) Status {
	change(&s)
	return s
}

// statuses are all that can be said of a CRM at once.
func statuses() map[string]Status {
	return map[string]Status{
		"well":      live(4, 0, 0, 1),
		"ready":     with(live(0, 0, 0, 0), func(s *Status) { s.LastDelivered, s.Before, s.Chart.Series = time.Time{}, false, nil }),
		"unmapped":  with(live(0, 0, 0, 0), func(s *Status) { s.Unmapped = true }),
		"attention": live(4, 2, 3, 0),
		"paused": with(live(4, 2, 0, 0), func(s *Status) {
			s.Pause, s.OldestWaiting = &Pause{Code: "unavailable", Reason: hostile, Mend: hostile, Said: hostile, Until: at, TryNow: true}, at
		}),
		"delayed": with(live(4, 2, 0, 0), func(s *Status) { s.OldestWaiting = at }),
		"failing": with(live(4, 0, 0, 0), func(s *Status) {
			s.Card.Failing, s.Card.Reason, s.Card.Mend, s.Card.NextTry = true, hostile, hostile, at
		}),
		"lost":         with(live(4, 2, 1, 0), func(s *Status) { s.Card, s.OldestWaiting = card(ConnectionBroken), at }),
		"held":         with(live(4, 0, 0, 0), func(s *Status) { s.Card = card(ConnectionHeld) }),
		"disconnected": with(live(4, 1, 0, 0), func(s *Status) { s.Card = card(NotConnected); s.Card.DisconnectedAt = at }),
		"not-yet":      with(live(0, 1, 0, 0), func(s *Status) { s.Card, s.Before = card(NotConnected), false }),
		"missing":      with(live(4, 0, 0, 0), func(s *Status) { s.Totals.New, s.Totals.Difference = 5, 1 }),
	}
}

// statusPages are Home, Status and the sum in each state.
func statusPages() map[string]templ.Component {
	pages := map[string]templ.Component{}
	for name, s := range statuses() {
		home := HomePage{Page: portalPage("Home", NavHome), CRMs: []Status{s}, Total: s.Totals.New, Chart: s.Chart, Forms: 2, Today: Compared{14, "1 more than yesterday by 14:00"}, Week: Compared{61, ""}, Since: at,
			Latest: []LatestSignUp{{"1", hostile, at}}}
		if s.Card.Attention > 0 {
			home.Causes = []OpenCause{{Tone: "bad", Icon: "alert", Title: hostile, URL: "/integrations/sfdc/problems/attention/ODD", People: 3, Who: "You", Since: at},
				{Tone: "warn", Icon: "clock", Title: "Slow", URL: "/integrations/sfdc/problems/waiting/SLOW", People: 3, Who: "By itself"}}
		}
		pages["home-"+name] = Home(home)
		pages["status-"+name] = StatusOf(StatusPage{Page: portalPage("Salesforce status", NavIntegrations), Live: s, Actions: Actions{Service: "sfdc"}})
		pages["sum-"+name] = Sum(SumPage{Page: portalPage("The sum", NavIntegrations), Live: s, Actions: Actions{Service: "sfdc"}})
		start := StartPage{Page: portalPage("Get started", NavHome), Live: s, Forms: []SignupForm{{Newsletter: hostile, Slug: "weekly", URL: "https://gatepost.example/signup/weekly"}}, Placed: s.Totals.New > 1, Tested: s.Totals.New > 4}
		pages["start-"+name] = Start(start)
	}
	pages["start-many"] = Start(StartPage{Page: portalPage("Get started", NavHome), Live: statuses()["not-yet"], More: 3,
		Forms: []SignupForm{{"Weekly", "weekly", "https://gatepost.example/signup/weekly"}, {"Daily", "daily", "https://gatepost.example/signup/daily"}}})
	pages["start-none"] = Start(StartPage{Page: portalPage("Get started", NavHome), Live: statuses()["not-yet"]})
	pages["sum-never"] = Sum(SumPage{Page: portalPage("The sum", NavIntegrations), Live: with(live(1, 0, 0, 0), func(s *Status) { s.Recount = Recount{} })})
	pages["sum-wrong"] = Sum(SumPage{Page: portalPage("The sum", NavIntegrations), Live: with(live(1, 0, 0, 0), func(s *Status) { s.Recount.Wrong = 2 })})
	return pages
}

// One sentence says whether all is well: the badge, the tone and the rail agree with it.
func TestOneLookSaysWhetherAllIsWell(t *testing.T) {
	all := statuses()
	for name, want := range map[string]struct{ tone, title, badge, rail string }{
		"well":         {"good", "All sign-ups arrive", "Connected", "  "},
		"unmapped":     {"good", "Ready for sign-ups", "Connected", "  "},
		"ready":        {"good", "Ready for sign-ups", "Connected", "  "},
		"attention":    {"bad", "3 people need attention", "Needs attention", "  bad"},
		"paused":       {"warn", "2 sign-ups wait for Salesforce", "Sign-ups wait", " warn "},
		"delayed":      {"warn", "2 sign-ups wait for Salesforce", "Sign-ups wait", " warn "},
		"failing":      {"warn", "Access to Salesforce can’t be renewed for now", "Can’t be renewed", "  "},
		"lost":         {"bad", "Connection to Salesforce lost", "Connection lost", " warn cut bad"},
		"held":         {"warn", "The Salesforce organisation waits for your decision.", "Needs your decision", " cut warn"},
		"disconnected": {"warn", "You disconnected Salesforce", "You disconnected", " warn cut warn"},
		"not-yet":      {"", "Salesforce is not connected yet", "Not connected yet", " warn cut warn"},
		"missing":      {"bad", "4 of 5 sign-ups accounted for", "Connected", "  "},
	} {
		s := all[name]
		a, posts := s.alert(clock{}), s.posts(clock{}, 1, 1)
		rail := posts[0].Tone + " " + posts[1].Tone
		if posts[1].Cut {
			rail = strings.TrimRight(rail, " ") + " cut"
		}
		rail += " " + posts[2].Tone
		if a.Tone != want.tone || a.Title != want.title || s.card().mark().Text != want.badge || rail != want.rail {
			t.Errorf("%s: %q, %q, %q, %q", name, a.Tone, a.Title, s.card().mark().Text, rail)
		}
		delete(all, name)
	}
	for name := range all {
		t.Errorf("%s isn't tested", name)
	}
}

// Green is nothing that waits longer than it should: a few seconds are as it should be.
func TestAFewSecondsAreNoDelay(t *testing.T) {
	s := live(4, 2, 0, 0)
	s.OldestWaiting = s.Now.Add(-time.Second)
	if a := s.alert(clock{}); a.Tone != "good" || !strings.HasPrefix(a.Text, "4 of 6 are in Salesforce.") {
		t.Errorf("got %+v", a)
	}
	s.OldestWaiting = s.Now.Add(-TooLong)
	if a := s.alert(clock{}); a.Tone != "warn" {
		t.Errorf("got %+v", a)
	}
}

func TestHowLongSomethingLasts(t *testing.T) {
	for d, want := range map[time.Duration]string{0: "1 second", 59 * time.Second: "59 seconds", time.Minute: "1 minute", 22*time.Minute + 50*time.Second: "22 minutes", 8 * time.Hour: "8 hours",
		32 * time.Hour: "1 day 8 hours", 48 * time.Hour: "2 days", 200 * time.Hour: "8 days"} {
		if got := lasting(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
	c := clock{time.UTC, at.Add(48 * time.Hour)}
	for want, then := range map[string]time.Time{"2 minutes ago": c.now.Add(-2 * time.Minute), "yesterday, " + at.Add(24*time.Hour).Format("15:04"): at.Add(24 * time.Hour), at.Format("2 Jan, 15:04"): at} {
		if got := ago(c, then); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// The numbers of a chart add up, and its columns are as high as they are.
func TestChart(t *testing.T) {
	c := Chart{Title: "Sign-ups by day", Unit: "Day", Range: "2 days", Columns: []Column{{"Wed 25 Nov", "25 Nov"}, {"Thu 26 Nov", "26 Nov"}},
		Series: []Series{{Delivered, []int{0, 5}, 5}, {Waiting, []int{0, 4}, 4}, {Attention, []int{0, 1}, 1}}}
	if got := c.summary(); got != "10 sign-ups in 2 days: 5 in Salesforce, 4 waiting, 1 needs attention. The numbers follow as a table." {
		t.Error(got)
	}
	if got := []string{c.say(0), c.say(1)}; !slices.Equal(got, []string{"Wed 25 Nov: no sign-ups", "Thu 26 Nov: 5 in Salesforce, 4 waiting, 1 needs attention"}) {
		t.Errorf("%q", got)
	}
	if got := c.bars(1); c.axis() != 10 || !slices.Equal(got, []chartBar{{"in", "105", "74"}, {"wait", "45", "59"}, {"fail", "30", "14"}}) || c.bars(0) != nil {
		t.Errorf("%d, %+v", c.axis(), got)
	}
	page := render(t, chart(c))
	for _, text := range []string{`tabindex="0"`, `<th scope="row">Thu 26 Nov</th><td class="num">10</td><td class="num">5</td>`, "Download as CSV", "Total <b>10</b>"} {
		if !strings.Contains(page, text) {
			t.Errorf("%s isn't in\n%s", text, page)
		}
	}
	c.Series = []Series{{Delivered, []int{0, 0}, 0}}
	if page := render(t, chart(c)); strings.Contains(page, "<svg height") || !strings.Contains(page, "No sign-ups in 2 days") {
		t.Errorf("nothing to show, and yet\n%s", page)
	}
}

// However much more there is of one thing, the least of another is seen, and nothing
// leaves the chart by more than that.
func TestTheLeastIsSeen(t *testing.T) {
	c := Chart{Columns: []Column{{}}, Series: []Series{{Delivered, []int{1_000_000}, 0}, {Waiting, []int{1}, 0}, {Attention, []int{1}, 0}, {Dismissed, []int{1}, 0}}}
	for _, b := range c.bars(0) {
		y, _ := strconv.ParseFloat(b.Y, 64)
		height, _ := strconv.ParseFloat(b.Height, 64)
		if height < 1 || y < 20 {
			t.Errorf("got %+v", b)
		}
	}
}

func TestThreeSteps(t *testing.T) {
	for name, tt := range map[string]struct {
		connected, placed, tested bool
		want                      string
	}{
		"nothing":        {false, false, false, "now later later later"},
		"connected":      {true, false, false, "done done now later"},
		"tested":         {true, false, true, "done done now done"},
		"placed first":   {false, true, true, "done now done done"},
		"all but a test": {true, true, false, "done done done now"},
	} {
		s := statuses()["not-yet"]
		if tt.connected {
			s.Card = card(Connected)
		}
		var got []string
		for _, step := range (StartPage{Live: s, Named: tt.connected || tt.placed, Placed: tt.placed, Tested: tt.tested}).steps() {
			got = append(got, step.class())
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// What a CRM is asked to allow has words, and each stands once.
func TestPermissionsHaveWords(t *testing.T) {
	for want, scopes := range map[string][]string{
		"Read and write records, stay connected, see who connected":                       {"api", "refresh_token", "id"},
		"Stay connected, read and write records":                                          {"oauth", "crm.objects.contacts.read", "crm.objects.contacts.write"},
		"Read and write records, find records, see fields and layouts, see who connected": {"Any.modules.contacts.ALL", "Any.modules.leads.ALL", "Any.coql.READ", "Any.settings.fields.READ", "Any.settings.layouts.READ", "Any.org.READ", "Any.users.READ", "Other.securesearch.READ"},
		"chatter_api, any.other.READ":                                                     {"chatter_api", "any.other.READ"},
	} {
		if got := permissions(scopes); got != want {
			t.Errorf("%v: %q, want %q", scopes, got, want)
		}
	}
}
