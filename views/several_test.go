package views

import (
	"strings"
	"testing"

	"github.com/a-h/templ"
)

// Two further CRMs, and what pages say where none is meant in particular.
var (
	hubspot = CRM{Service: "hubspot", Name: "HubSpot", Record: "contact", Records: "contacts", Apps: "Connected apps"}
	zoho    = CRM{Service: "zoho", Name: "Zoho CRM", Record: "Contact", Records: "Contacts", Apps: "Connected Apps"}
	anyCRM  = CRM{Name: "your CRM", Record: "record", Records: "records"}
)

// cardOf is the card of a CRM in a state.
func cardOf(of CRM, state ConnectionState) Integration {
	c := card(state)
	c.Service, c.Name, c.CRM, c.Logins, c.Several = of.Service, of.Name, of, nil, true
	return c
}

// liveIn is a status of one of several CRMs.
func liveIn(of CRM, delivered, waiting, attention int) Status {
	s := live(delivered, waiting, attention, 0)
	s.Card.Service, s.Card.Name, s.Card.CRM, s.Several = of.Service, of.Name, of, true
	return s
}

func homeOf(all ...Status) HomePage {
	p := HomePage{Page: portalPage("Home", NavHome), CRMs: all, Total: 14, Chart: exampleChart("HubSpot"), Forms: 2, Today: Compared{N: 14}, Since: at}
	p.Page.CRM = anyCRM
	p.Chart.CRMs = []Tab{{Text: "Salesforce", URL: "/"}, {Text: "HubSpot", URL: "/?in=hubspot", Current: true}}
	return p
}

func subscribersOfSeveral() SubscribersPage {
	p := subscribers()
	p.CRMs = []Tab{{Text: "Salesforce", URL: "/subscribers"}, {Text: "HubSpot", URL: "/subscribers?in=hubspot", Current: true}}
	p.Filter.In = "hubspot"
	for i := range p.Rows {
		first := p.Rows[i].Deliveries[0]
		first.CRM = salesforce
		p.Rows[i].Deliveries = []Delivery{first, {CRM: hubspot, State: Delivered}}
	}
	p.Rows[2].Deliveries = p.Rows[2].Deliveries[1:]
	p.Rows[3].Deliveries = nil
	return p
}

// personOfSeveral is somebody in two CRMs.
func personOfSeveral(first, second State) PersonPage {
	p := personPage(first, &PersonAlert{Tone: "bad", Reason: "Blocked by duplicate rule", Text: hostile, URL: "/integrations/sfdc/problems/attention/X", Link: "View problem"})
	p.Several = true
	p.Deliveries = append(p.Deliveries, PersonDelivery{Alert: &PersonAlert{Tone: "bad", Reason: hostile}, Delivery: Delivery{CRM: hubspot, State: second, Cause: hostile}, InCRM: PerhapsPresent, Attempts: 1})
	return p
}

// unfed is somebody on a newsletter that feeds no CRM.
func unfed() PersonPage {
	p := personOfSeveral(Delivered, Delivered)
	p.Deliveries = nil
	return p
}

func testOfSeveral() TestSignupPage {
	p := progress(Delivered)
	p.CRM = anyCRM
	p.Deliveries = append(p.Deliveries, TestDelivery{CRM: hubspot, State: Waiting})
	return testSignup(&p)
}

// twoSums is a status of a CRM that not all go to; some may be missing in either sum.
func twoSums(missing, missingThere int) Status {
	s := liveIn(hubspot, 9, 3, 2)
	s.People = Totals{All: 20, New: 20 + missing, Repeated: 2, Difference: missing, States: []StateTotal{{State{Label: "Active", Code: "active", Main: true, Series: "in"}, 18}, {State{Label: "Left", Code: "left", Main: true, Series: "rest"}, 2}}}
	s.Totals.New, s.Totals.Difference, s.Totals.Repeated = s.Totals.All+missingThere, missingThere, 0
	return s
}

func newslettersOfSeveral() NewslettersPage {
	one := Newsletter{Name: "Contoso Weekly", Slug: "contoso-weekly", FormURL: "https://gatepost.example/signup/contoso-weekly", Chosen: true}
	both, none := one, one
	one.Feeds, both.Feeds = []CRM{salesforce}, []CRM{salesforce, hubspot}
	both.Name, both.Slug, none.Name, none.Slug = "Contoso Daily", "contoso-daily", hostile, "contoso-rarely"
	return NewslettersPage{Page: portalPage("Newsletters", NavNewsletters), All: []Newsletter{one, both, none}}
}

// severalPages are the pages of a tenant with several CRMs, or with none yet.
func severalPages() map[string]templ.Component {
	start := StartPage{Page: portalPage("Get started", NavHome), Named: true, Live: Status{Card: Integration{Name: anyCRM.Name, CRM: anyCRM, State: NotConnected}}}
	start.Page.CRM = anyCRM
	help := HelpPage{Page: portalPage("Help", NavNone), States: []State{Waiting, {Label: "In your CRM", Help: "There."}}}
	help.Page.CRM = anyCRM
	held := cardOf(zoho, ConnectionHeld)
	held.Held.First = true
	return map[string]templ.Component{
		"several-home":         Home(homeOf(liveIn(salesforce, 14, 0, 0), liveIn(hubspot, 14, 0, 0))),
		"several-home-trouble": Home(troubledHome()),
		"several-integrations": Integrations(IntegrationsPage{Page: portalPage("Integrations", NavIntegrations),
			CRMs: []Integration{cardOf(salesforce, Connected), cardOf(hubspot, ConnectionBroken), cardOf(zoho, NotConnected)}}),
		"none-integrations":    Integrations(IntegrationsPage{Page: portalPage("Integrations", NavIntegrations), Unsent: 14, CRMs: []Integration{card(NotConnected), cardOf(hubspot, NotConnected)}}),
		"several-subscribers":  Subscribers(subscribersOfSeveral()),
		"several-person":       Person(personOfSeveral(Attention, Attention)),
		"unfed-person":         Person(unfed()),
		"several-test":         TestSignup(testOfSeveral()),
		"several-sum":          Sum(SumPage{Page: portalPage("The sum", NavIntegrations), Live: twoSums(0, 0)}),
		"several-newsletters":  Newsletters(newslettersOfSeveral()),
		"several-newsletter":   NewsletterForm(FormEditorPage{NewsletterPage: NewsletterPage{portalPage("Contoso Daily", NavNewsletters), newslettersOfSeveral().All[1]}}),
		"unfed-newsletter":     NewsletterForm(FormEditorPage{NewsletterPage: NewsletterPage{portalPage("Contoso Rarely", NavNewsletters), newslettersOfSeveral().All[2]}}),
		"new-crm":              NewCRM(NewCRMPage{Page: portalPage("Zoho CRM", NavIntegrations), Card: cardOf(zoho, NotConnected), Beside: []CRM{salesforce, hubspot}}),
		"new-crm-held":         NewCRM(NewCRMPage{Page: portalPage("Zoho CRM", NavIntegrations), Card: held}),
		"new-crm-connected":    NewCRM(NewCRMPage{Page: portalPage("Zoho CRM", NavIntegrations), Card: cardOf(zoho, Connected), Beside: []CRM{salesforce}}),
		"start-without-a-crm":  Start(start),
		"help-without-a-crm":   Help(help),
		"several-nobody-found": Subscribers(nobodyInHubSpot()),
	}
}

func troubledHome() HomePage {
	p := homeOf(liveIn(salesforce, 14, 0, 0), liveIn(hubspot, 9, 3, 2), with(liveIn(zoho, 9, 5, 0), func(s *Status) { s.Card = cardOf(zoho, ConnectionBroken) }))
	p.Causes = []OpenCause{{Tone: "bad", Icon: "alert", Title: "Address blocked", CRM: hubspot, URL: "/integrations/hubspot/problems/attention/X", People: 2}}
	return p
}

func nobodyInHubSpot() SubscribersPage {
	p := foundNobody()
	p.Filter = SubscriberFilter{In: "hubspot", Query: "nobody"}
	return p
}

// Each CRM of several has its card on Home, and the page is good only when each is.
func TestHomeShowsEachCRM(t *testing.T) {
	for name, want := range map[string]struct {
		page     HomePage
		tones    string // of alerts, or good
		end      string // of the rail
		waiting  string
		problems string
	}{
		"all is well":    {homeOf(liveIn(salesforce, 14, 0, 0), liveIn(hubspot, 14, 0, 0)), "good", "", "0 waiting", ""},
		"two in trouble": {troubledHome(), "bad bad", "bad", "1,203 waiting", "HubSpot: Address blocked"},
	} {
		d := parse(t, Home(want.page))
		var tones []string
		for _, s := range want.page.troubled(clock{}) {
			tones = append(tones, s.alert(clock{}).Tone)
		}
		if a, _ := want.page.well(clock{}); a.Tone != "" {
			tones = append(tones, a.Tone)
		}
		posts := want.page.posts(clock{})
		if strings.Join(tones, " ") != want.tones || posts[2].Tone != want.end || posts[1].Text != want.waiting || posts[2].Name != "2 CRMs" && posts[2].Name != "3 CRMs" {
			t.Errorf("%s: %v, %+v", name, tones, posts)
		}
		for _, s := range want.page.CRMs {
			article := d.Find(`article[aria-labelledby="crm-` + s.Card.Service + `"]`)
			if text := article.Text(); !strings.Contains(text, s.Card.Name) || !strings.Contains(text, s.card().mark().Text) || !strings.Contains(text, "accounted for") {
				t.Errorf("%s: %s", name, text)
			}
			if n := article.Find(`a[href^="/subscribers?in=` + s.Card.Service + `&state="]`).Length(); n == 0 {
				t.Errorf("%s: the numbers of %s lead nowhere", name, s.Card.Name)
			}
		}
		if n := d.Find(`.chart nav[aria-label=CRM] a[href="/?in=hubspot"][aria-current]`).Length(); n != 1 {
			t.Errorf("%s: %d switches", name, n)
		}
		if n := d.Find(".button.primary").Length(); n > 1 {
			t.Errorf("%s: %d primary buttons", name, n)
		}
		if !strings.Contains(d.Find("main").Text(), want.problems) {
			t.Errorf("%s: the cause doesn't name its CRM", name)
		}
	}
}

// Where there is one CRM, Home has no card for it and no switch.
func TestHomeOfOneCRMDoesNotNameIt(t *testing.T) {
	p := homeOf(live(4, 0, 0, 0))
	p.Chart.CRMs = nil
	d := parse(t, Home(p))
	if n := d.Find("article, nav[aria-label=CRM]").Length(); n != 0 {
		t.Errorf("%d cards and switches", n)
	}
}

// All CRMs are equals: each has its card with its own state and its own button.
func TestCRMsAreEquals(t *testing.T) {
	d := parse(t, severalPages()["several-integrations"])
	for service, want := range map[string]string{"sfdc": "Connected|View status", "hubspot": "Connection lost|Reconnect HubSpot", "zoho": "Not connected yet|Connect Zoho CRM"} {
		badge, button, _ := strings.Cut(want, "|")
		c := d.Find("article#integration-" + service)
		if got := strings.TrimSpace(c.Find(".badge").Text()); got != badge {
			t.Errorf("%s: the badge says %q", service, got)
		}
		if got := c.Find(".button").First().Text(); strings.TrimSpace(got) != button {
			t.Errorf("%s: the button says %q", service, got)
		}
	}
}

// Where people wait for a first CRM, that is said once.
func TestUnsentSignUpsAreToldOnce(t *testing.T) {
	pages := severalPages()
	if text := parse(t, pages["none-integrations"]).Find("main").Text(); strings.Count(text, "14 sign-ups wait for your first CRM") != 1 {
		t.Errorf("got %s", text)
	}
	if text := parse(t, pages["several-integrations"]).Find("main").Text(); strings.Contains(text, "first CRM") {
		t.Errorf("got %s", text)
	}
}

// A row names each CRM beside its state; of one it tells the state alone.
func TestARowShowsEachDelivery(t *testing.T) {
	d := parse(t, Subscribers(subscribersOfSeveral())).Find("tbody tr").Eq(1)
	if n := d.Find(".chips li").Length(); n != 2 {
		t.Fatalf("%d chips", n)
	}
	for i, want := range []string{"Salesforce:", "HubSpot:"} {
		if got := d.Find(".chips li").Eq(i).Find(".chip .sr").Text(); got != want {
			t.Errorf("chip %d: %q", i, got)
		}
	}
	rows := parse(t, Subscribers(subscribersOfSeveral())).Find("tbody tr")
	if n := rows.Eq(2).Find(".chip").Length(); n != 1 {
		t.Errorf("who is in one of several CRMs has %d chips", n)
	}
	if text := rows.Eq(3).Text(); !strings.Contains(text, "In no CRM") {
		t.Errorf("who is in none: %s", text)
	}
	if n := parse(t, Subscribers(subscribers())).Find(".chips, .chip, nav[aria-label=CRM]").Length(); n != 0 {
		t.Errorf("one CRM is named %d times", n)
	}
}

// The form keeps which CRM's states are shown; it leaves nobody out.
func TestTheCRMIsKeptAndFiltersNobody(t *testing.T) {
	p := nobodyInHubSpot()
	if got := parse(t, Subscribers(p)).Find("form.filters input[name=in]").AttrOr("value", ""); got != "hubspot" {
		t.Errorf("the form sends %q", got)
	}
	if got := p.nobody(); strings.Contains(got, "within these filters") {
		t.Errorf("got %q", got)
	}
	if (SubscriberFilter{In: "hubspot"}).anything() {
		t.Error("it is said to filter")
	}
}

// A person's page shows each delivery with its own decisions; one button is primary.
func TestAPersonsDeliveriesAreDecidedEach(t *testing.T) {
	d := parse(t, Person(personOfSeveral(Attention, Attention)))
	for i, service := range []string{"sfdc", "hubspot"} {
		row := d.Find("section[aria-labelledby=ways] article").Eq(i)
		if row.Find("input[name=in]").AttrOr("value", "") != service || row.Find(`button[formaction="/subscribers/7/retry"]`).Length() != 1 {
			t.Errorf("%s: %s", service, row.Text())
		}
	}
	if n := d.Find(".button.primary").Length(); n != 1 {
		t.Errorf("%d primary buttons", n)
	}
	if title := d.Find(".alert").First().Text(); !strings.Contains(title, "Salesforce: Blocked by duplicate rule") {
		t.Errorf("the alert says %q", title)
	}
	if n := parse(t, Person(personPage(Attention, nil))).Find("section[aria-labelledby=ways], input[name=in]").Length(); n != 0 {
		t.Error("one CRM has a table of its own")
	}
}

// A test is followed into each CRM, and until it is final in each.
func TestATestIsFollowedIntoEachCRM(t *testing.T) {
	p := testOfSeveral()
	if p.Progress.Final() || p.Progress.every() != "every 1s" {
		t.Error("it is taken for final")
	}
	text := parse(t, TestSignup(p)).Find("#progress").Text()
	for _, want := range []string{"Sent to Salesforce", "On its way to HubSpot", "In HubSpot"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in %s", want, text)
		}
	}
	p.Progress.Deliveries[1].State = Dismissed
	if !p.Progress.Final() {
		t.Error("it is not final")
	}
}

// Both sums are told, and the title says when one of them doesn't come out.
func TestBothSumsAreTold(t *testing.T) {
	for want, s := range map[string]Status{"All 20 sign-ups accounted for": twoSums(0, 0), "20 of 21 sign-ups accounted for": twoSums(1, 0), "14 of 15 sign-ups accounted for": twoSums(0, 1)} {
		if got := s.Accounted(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
		if bad := s.alert(clock{}).Title == want; bad != strings.Contains(want, " of ") {
			t.Errorf("%s: the alert says so: %v", want, bad)
		}
	}
	text := parse(t, severalPages()["several-sum"]).Find("main").Text()
	for _, want := range []string{"All sign-ups", "Received", "Active", "To HubSpot", "Entered"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in %s", want, text)
		}
	}
}

// A newsletter says where its sign-ups go.
func TestANewsletterSaysWhatItFeeds(t *testing.T) {
	all := newslettersOfSeveral()
	d := parse(t, Newsletters(all))
	for i, want := range []string{"Salesforce", "Salesforce, HubSpot", "No CRM yet"} {
		if got := strings.Join(strings.Fields(d.Find("tbody tr").Eq(i).Find("td").Eq(3).Text()), " "); got != want {
			t.Errorf("%d: %q, want %q", i, got, want)
		}
	}
	if href := d.Find("tbody tr").Eq(1).Find("td").Eq(3).Find("a").Last().AttrOr("href", ""); href != "/integrations/hubspot/settings" {
		t.Errorf("it leads to %q", href)
	}
	all.All[0].Chosen, all.All[1].Chosen, all.All[2].Chosen = false, false, false
	if text := parse(t, Newsletters(all)).Find("thead").Text(); strings.Contains(text, "go to") {
		t.Error("where there is one CRM, the list says where sign-ups go")
	}
}

// Where no CRM is meant in particular, none is named, and sentences are whole.
func TestPagesWithoutACRMNameNone(t *testing.T) {
	pages := severalPages()
	for _, name := range []string{"start-without-a-crm", "help-without-a-crm"} {
		text := parse(t, pages[name]).Find("main").Text()
		for _, wrong := range []string{"Salesforce", "HubSpot", "your your", ". your CRM", "under ."} {
			if strings.Contains(text, wrong) {
				t.Errorf("%s: %q in %s", name, wrong, text)
			}
		}
	}
	if href := parse(t, pages["start-without-a-crm"]).Find(".button.primary").AttrOr("href", ""); href != "/integrations" {
		t.Errorf("one chooses a CRM at %q", href)
	}
}
