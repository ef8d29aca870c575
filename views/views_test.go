package views

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
	"github.com/a-h/templ"
	"github.com/andybalholm/brotli"
	"golang.org/x/net/html"
)

// hostile is put where others' words are shown.
const hostile = `<script>alert("x")</script>"'><img src=x onerror=alert(1)>`

var at = time.Date(2026, 11, 23, 14, 5, 0, 0, time.UTC)

// salesforce is a CRM, as pages call it.
var salesforce = CRM{Service: "sfdc", Name: "Salesforce", Record: "Contact", Records: "Contacts", Apps: "Connected Apps OAuth Usage"}

func portalPage(title string, nav Nav) Page {
	return Page{
		Title: title, CSRF: "token-of-the-session", Nav: nav,
		User: User{Email: "john@contoso.example"}, CRM: salesforce, Tenant: "Contoso", Tenants: 2,
		Assets: Assets{CSS: "/static/app.css", HTMX: "/static/htmx.min.js", JS: "/static/app.js", Icon: "/static/icon.svg"},
	}
}

func signedOutPage(title string) Page {
	p := portalPage(title, NavNone)
	p.User, p.Tenant, p.Tenants = User{}, "", 0
	return p
}

func publicPage() PublicPage {
	return PublicPage{Lang: "en", CSS: "/static/signup.css", Icon: "/static/icon.svg", Sender: "Contoso"}
}

func ownApp(set bool) OwnAppPage {
	p := OwnAppPage{Page: portalPage("Your own app", NavIntegrations), Service: "sfdc", Name: "Salesforce", Live: true,
		RedirectURL: "https://portal.example/integrations/sfdc/callback", Scopes: "api refresh_token id"}
	if set {
		p.SetAt, p.LiveUses, p.Form = at, 1, OwnAppForm{ClientID: hostile}
	}
	return p
}

func refusedOwnApp() OwnAppPage {
	p := ownApp(true)
	p.SelfManaged = true
	p.Form = OwnAppForm{ClientID: hostile, Scopes: hostile, Host: hostile, Understood: true}
	p.Errors = FieldErrors{"client_id": "No.", "client_secret": "No.", "scopes": hostile, "host": "No.", "understood": "No."}
	return p
}

func card(state ConnectionState) Integration {
	c := Integration{
		CRM: salesforce, Logins: &Logins{Link: "Use a sandbox or My Domain", Label: "My Domain address", Hint: "Such as contoso.my.salesforce.com.",
			Places: []Choice{{Value: "production", Label: "Production"}, {Value: "sandbox", Label: "Sandbox"}, {Value: "mydomain", Label: "My Domain"}}},
		CSRF: "token-of-the-session", Service: "sfdc", Name: "Salesforce", State: state,
		Org:         Org{ID: "00D5g00000AbCdEEAV", Name: "Contoso GmbH", InstanceURL: "https://contoso.my.salesforce.com"},
		ConnectedBy: "john@contoso.example", ConnectedAt: at, LastRefreshed: at.Add(time.Hour),
		Scopes: []string{"api", "refresh_token", "id"},
	}
	switch state {
	case NotConnected:
		c.Org, c.ConnectedBy, c.Scopes, c.ConnectedAt = Org{}, "", nil, time.Time{}
		c.Waiting, c.RevocationPending = 3, true
	case ConnectionBroken:
		c.Reason, c.Mend, c.Waiting = "Someone withdrew Gatepost’s access in Salesforce.", "Reconnect, and everything that waits is sent.", 1200
	case ConnectionHeld:
		c.Held = &HeldConnection{ID: "h1", By: "jane@contoso.example", At: at,
			Org: Org{ID: "00D5g00000ZyXwVEAV", Name: "Contoso Sandbox", InstanceURL: "https://contoso--dev.sandbox.my.salesforce.com", Sandbox: true}}
	}
	return c
}

func integrations(state ConnectionState) IntegrationsPage {
	return IntegrationsPage{
		Page: portalPage("Integrations", NavIntegrations), CRMs: []Integration{card(state)},
	}
}

// heldFirst is a page on which the first connection waits to be confirmed, since its
// org is in use elsewhere.
func heldFirst(other bool) IntegrationsPage {
	p := integrations(ConnectionHeld)
	p.CRMs[0].Org, p.CRMs[0].ConnectedBy, p.CRMs[0].ConnectedAt, p.CRMs[0].Scopes, p.CRMs[0].Waiting = Org{}, "", time.Time{}, nil, 3
	p.CRMs[0].Held.First, p.CRMs[0].Held.Elsewhere = true, 1
	if other {
		p.CRMs[0].Service, p.CRMs[0].Name, p.CRMs[0].Other, p.CRMs[0].Waiting = "hubspot", "HubSpot", true, 0
	}
	return p
}

// heldShared is a page on which a switch to an org of another tenant of the user's waits.
func heldShared() IntegrationsPage {
	p := integrations(ConnectionHeld)
	p.CRMs[0].Held.Elsewhere, p.CRMs[0].Held.ElsewhereNames = 2, []string{hostile}
	return p
}

func brokenPage() IntegrationsPage {
	p := integrations(ConnectionBroken)
	p.Alert = &Alert{Tone: "bad", Title: "Connection to Salesforce lost", Text: "Someone withdrew Gatepost’s access.", ConnectURL: "/integrations/sfdc/connect", ConnectText: "Reconnect Salesforce"}
	p.Flashes = []Flash{{FlashSuccess, "Saved."}, {FlashInfo, "Nothing to do."}, {FlashWarning, "The old access couldn’t be withdrawn yet."}, {FlashError, hostile}}
	return p
}

func elsewherePage() IntegrationsPage {
	p := integrations(NotConnected)
	p.CRMs[0].Login, p.CRMs[0].MyDomain = "mydomain", "contoso.lightning.force.com"
	p.CRMs[0].LoginError = "That is the address of Salesforce’s pages, not of its login. Take the one that ends in .my.salesforce.com."
	return p
}

func testSignup(progress *Progress) TestSignupPage {
	return TestSignupPage{
		Page: portalPage("Test sign-up", NavNewsletters), Unconnected: []CRM{salesforce}, Progress: progress,
		Newsletters: []Option{{"contoso-weekly", "Contoso Weekly"}, {"contoso-daily", "Contoso Daily"}}, Newsletter: "contoso-daily",
		Fields: []ReaderField{{Name: "email", Label: "E-mail address", Type: "text", Address: true, Value: "reader@example.com"}, {Name: "first_name", Label: "First name", Optional: "(optional)", Type: "text", Value: "Ada"},
			{Kind: AreaField, Name: "own-wish", Label: "Wish", Help: "Anything.", Value: hostile}, {Kind: SelectField, Name: "own-shade", Label: "Shade", Options: []ReaderOption{{Label: "Please choose"}, {Value: "red one", Label: "Red", Chosen: true}}},
			{Kind: BoxesField, Name: "own-topics", Label: "Topics", Optional: "(optional)", Help: "Several.", Options: []ReaderOption{{Value: "a b", Label: "A"}, {Value: "b", Label: "B", Chosen: true}}},
			{Kind: BoxField, Name: "own-sure", Label: "I am sure", Help: "Quite.", Value: "true"}},
		OtherFields: true,
		Errors:      FieldErrors{"email": "Please give an address such as name@example.com.", "newsletter": "Please choose one.", "own-topics": "Choose.", "own-sure": "Tick it."},
	}
}

func progress(state State) Progress {
	p := Progress{
		CRM:       salesforce,
		StatusURL: "/newsletter/signup/status/7", RefreshURL: "/newsletter/signup?sample=7",
		Email: "reader@example.com", Newsletter: "Contoso Weekly", StoredAt: at, Deliveries: []TestDelivery{{CRM: salesforce, State: state}},
	}
	d := &p.Deliveries[0]
	switch state.Code {
	case Delivered.Code:
		d.SentAt, d.DoneAt = at.Add(time.Second), at.Add(time.Second)
		d.Record = Record{ID: "0035g00000AbCdEEAV", URL: "https://contoso.my.salesforce.com/0035g00000AbCdEEAV"}
	case Attention.Code:
		d.SentAt, d.Reason, d.Mend = at, "Salesforce requires a field that Gatepost doesn’t fill: Region.", "Ask your Salesforce admin to make it optional."
	}
	return p
}

func paused() *Progress {
	p := progress(Waiting)
	d := &p.Deliveries[0]
	d.Reason, d.Mend, d.NextTry = "Salesforce not connected.", "Connect it, and the sample is sent.", at.Add(time.Minute)
	return &p
}

func on(p Progress) *Progress { return &p }

func subscribers() SubscribersPage {
	return SubscribersPage{
		Page:        portalPage("Subscribers", NavSubscribers),
		States:      []Tab{{Text: "All", URL: "/subscribers", Count: 12402, Current: true}, {Text: "Waiting", URL: "/subscribers?state=waiting", Count: 2}},
		Newsletters: []Option{{Text: "All newsletters"}, {Value: "contoso-weekly", Text: hostile}}, Causes: []Option{{Text: "Any cause"}}, Whens: []Option{{Text: "Any time"}, {Value: "range", Text: "Between two dates"}},
		First: 1, Total: 12402, NextURL: "/subscribers?after=3", PreviousURL: "/subscribers?before=9", CSVURL: "/subscribers.csv", ClearURL: "/subscribers", ByTimeURL: "/subscribers?sort=oldest",
		Rows: []SubscriberRow{
			{ID: "1", Email: "ada.lovelace@example.com", Name: "Ada Lovelace", Newsletter: "Contoso Weekly", SignedUpAt: at, Deliveries: []Delivery{{State: Delivered}}},
			{ID: "2", Email: "grace@example.com", Newsletter: "Contoso Weekly", SignedUpAt: at, Deliveries: []Delivery{{State: Waiting, Cause: "API limit", CauseURL: "/integrations/sfdc/problems/waiting/api_spared"}}},
			{ID: "3", Email: "new@example.com", Newsletter: "Contoso Daily", SignedUpAt: at, Deliveries: []Delivery{{State: Waiting, Cause: "Repeated sign-up"}}},
			{ID: "4", Email: hostile, Name: hostile, Newsletter: "Contoso Weekly", SignedUpAt: at, Deliveries: []Delivery{{State: Attention, Cause: hostile, CauseURL: "/integrations/sfdc/problems/attention/X"}}},
		},
	}
}

func foundNobody() SubscribersPage {
	p := subscribers()
	p.Filter = SubscriberFilter{Query: hostile, State: Attention.Code, When: SignedUpBetween, From: "2026-03-01"}
	p.Rows, p.Total, p.First, p.NextURL, p.PreviousURL = nil, 0, 0, "", ""
	return p
}

func signup() SignupPage {
	return SignupPage{
		PublicPage: publicPage(), Title: "Contoso Weekly", Action: "/signup/contoso-weekly", Newsletter: "Contoso Weekly", Version: "3", Button: "Sign up",
		Description: "Once a week, what is new at Contoso.", Privacy: ReaderLink{"https://contoso.example/privacy", "Privacy policy"},
		Fields: []ReaderField{
			{Name: "email", Label: "E-mail address", Type: "text", Autocomplete: "email", Keys: "email", Address: true},
			{Name: "first_name", Label: "First name", Type: "text", Autocomplete: "given-name", Optional: "(optional)"},
			{Name: "last_name", Label: "Last name", Type: "text", Autocomplete: "family-name", Optional: "(optional)"},
			{Kind: AreaField, Name: "about", Label: "About you", Help: "As much as you like.", Placeholder: "I am", Optional: "(optional)"},
			{Kind: SelectField, Name: "size", Label: "Size", Options: []ReaderOption{{"", "Please choose", false}, {"s", "Small", true}}},
			{Kind: BoxesField, Name: "topics", Label: "Topics", Help: "Up to two.", Optional: "(optional)", Options: []ReaderOption{{"a", "A", true}, {"b", "B", false}}},
			{Kind: BoxField, Name: "member", Label: "I am a member", Optional: "(optional)"},
			{Kind: HiddenField, Name: "utm_source", Value: "spring"},
		},
		Consent: "By signing up you agree that Contoso sends you Contoso Weekly by e-mail. You can leave at any time.",
	}
}

func refused() SignupPage {
	p := signup()
	p.Title, p.Summary, p.Lang, p.Framed, p.Device = "Fehler: Contoso Weekly", "Das hat noch nicht geklappt.", "de", true, true
	p.Fields[0].Value, p.Fields[0].Error, p.Fields[0].Focused, p.Fields[1].Value = hostile, "Please give an address such as name@example.com.", true, "Ada"
	for _, i := range []int{2, 3, 4, 5, 6} {
		p.Fields[i].Error = "That is too long."
	}
	p.Box = ReaderBox{Shown: true, Error: "Please tick this box."}
	return p
}

// portalPages are all pages of the portal, in each of their states.
func portalPages() map[string]templ.Component {
	return merge(healthPages(), problemPages(), severalPages(), movingPages(), statusPages(), settingsPages(), newsletterPages(), map[string]templ.Component{
		"login":                      Login(LoginPage{Page: signedOutPage("Log in"), DemoHint: "john@contoso.example", Next: "/subscribers"}),
		"login-wrong":                Login(LoginPage{Page: signedOutPage("Log in"), Email: "john@contoso.example", Wrong: true}),
		"login-wait":                 Login(LoginPage{Page: signedOutPage("Log in"), Wait: 90 * time.Second}),
		"login-typed":                Login(LoginPage{Page: signedOutPage("Log in"), NotSent: true, Typed: "/newsletter/signup?email=" + hostile}),
		"login-not-sent":             Login(LoginPage{Page: signedOutPage("Log in"), NotSent: true}),
		"typed":                      Typed(TypedPage{Page: portalPage("Send it again?", NavNone), Path: "/newsletter/signup", Back: "/newsletter/signup", Fields: []TypedField{{"email", "E-mail address", []string{hostile}}, {"newsletter", "", []string{"x"}}}}),
		"help":                       Help(HelpPage{Page: portalPage("Help", NavNone), States: []State{Waiting, Delivered, Attention}, URL: "https://help.example"}),
		"help-alone":                 Help(HelpPage{Page: portalPage("Help", NavNone)}),
		"login-busy":                 Login(LoginPage{Page: signedOutPage("Log in"), Email: "john@contoso.example", Busy: true}),
		"login-changed":              Login(LoginPage{Page: signedOutPage("Log in"), Changed: true}),
		"forgot":                     Forgot(ForgotPage{Page: signedOutPage("Set a new password")}),
		"forgot-errors":              Forgot(ForgotPage{Page: signedOutPage("Set a new password"), Errors: FieldErrors{"email": "An e-mail address is needed."}}),
		"forgot-wait":                Forgot(ForgotPage{Page: signedOutPage("Set a new password"), Email: hostile, Wait: 90 * time.Second}),
		"forgot-ended":               Forgot(ForgotPage{Page: signedOutPage("Set a new password"), LinkEnded: true}),
		"forgot-no-mail":             Forgot(ForgotPage{Page: signedOutPage("Set a new password"), NoMail: true}),
		"reset-sent":                 ResetSent(ResetSentPage{Page: signedOutPage("Check your inbox"), DemoMail: "http://127.0.0.1:8082"}),
		"reset":                      Reset(ResetPage{Page: signedOutPage("Set a new password"), Token: "one-time", Email: "john@contoso.example"}),
		"reset-errors":               Reset(ResetPage{Page: signedOutPage("Set a new password"), Token: "one-time", Email: hostile, Errors: FieldErrors{"password": "Too short."}}),
		"setup":                      Setup(SetupPage{Page: signedOutPage("Set up"), Token: "one-time"}),
		"setup-errors":               Setup(SetupPage{Page: signedOutPage("Set up"), Token: "one-time", Slug: "Con toso", Errors: FieldErrors{"slug": "Small letters, digits and hyphens only.", "password": "Too short."}}),
		"choose-tenant":              ChooseTenant(ChooseTenantPage{Page: signedOutPage("Choose an organisation"), Tenants: []TenantChoice{{"t1", "Contoso", true}, {"t2", hostile, false}}}),
		"integrations-not-connected": Integrations(integrations(NotConnected)),
		"integrations-connected":     Integrations(integrations(Connected)),
		"integrations-broken":        Integrations(brokenPage()),
		"integrations-held":          Integrations(integrations(ConnectionHeld)),
		"integrations-held-first":    Integrations(heldFirst(false)),
		"integrations-held-other":    Integrations(heldFirst(true)),
		"integrations-held-shared":   Integrations(heldShared()),
		"integrations-elsewhere":     Integrations(elsewherePage()),
		"connect-forward-elsewhere":  ConnectForward(ConnectForwardPage{Page: signedOutPage("Connecting"), Name: "Salesforce", Host: "login.salesforce.com", URL: `https://login.salesforce.com/services/oauth2/authorize?a=b`, Portal: "https://gatepost.example"}),
		"connect-forward":            ConnectForward(ConnectForwardPage{Page: signedOutPage("Connecting"), Name: "Salesforce", Host: "login.salesforce.com", URL: `https://login.salesforce.com/services/oauth2/authorize?a="b"&c=<d>`}),
		"connect-failed":             ConnectFailed(ConnectFailedPage{Page: portalPage("Not connected", NavIntegrations), Service: "sfdc", Name: "Salesforce", Happened: "Salesforce was not connected", Meaning: "Whoever logged in pressed Deny, so Gatepost got no access. Nothing has changed.", Mend: "Try again and press Allow.", Code: hostile, Description: hostile}),
		"disconnect":                 Disconnect(DisconnectPage{Page: portalPage("Disconnect", NavIntegrations), Service: "sfdc", Name: "Salesforce", Org: Org{Name: "Contoso GmbH", Sandbox: true}, Waiting: 2}),
		"own-app-none":               OwnApp(ownApp(false)),
		"own-app":                    OwnApp(ownApp(true)),
		"own-app-errors":             OwnApp(refusedOwnApp()),
		"own-app-removal":            OwnAppRemoval(ownApp(true)),
		"test-signup":                TestSignup(testSignup(nil)),
		"test-signup-sending":        TestSignup(testSignup(on(progress(Waiting)))),
		"test-signup-paused":         TestSignup(testSignup(paused())),
		"test-signup-delivered":      TestSignup(testSignup(on(progress(Delivered)))),
		"test-signup-attention":      TestSignup(testSignup(on(progress(Attention)))),
		"test-signup-repeated":       TestSignup(testSignup(on(Progress{CRM: salesforce, Email: "reader@example.com", Newsletter: "Contoso Weekly", Deliveries: []TestDelivery{{CRM: salesforce, State: Delivered, SentAt: at}}, Repeated: true, StoredAt: at}))),
		"test-signup-undoing":        TestSignup(testSignup(&Progress{CRM: salesforce, StatusURL: "/newsletter/signup/7", RefreshURL: "/newsletter/signup?sample=7", Undo: &Undo{AskedAt: at}})),
		"test-signup-undone":         TestSignup(testSignup(&Progress{CRM: salesforce, Undo: &Undo{AskedAt: at, EndedAt: at, Records: []UndoneRecord{{CRM: salesforce, Fate: "The Contact stays.", Code: "NO"}, {CRM: hubspot, Fate: hostile}}}})),
		"test-signup-not-undone":     TestSignup(testSignup(&Progress{CRM: salesforce, PersonURL: "/subscribers/7", Undo: &Undo{AskedAt: at, EndedAt: at, Stays: true}})),
		"undo-test":                  UndoTest(UndoTestPage{Page: portalPage("Undo the test sign-up", NavNewsletters), ID: "7", Email: "reader@example.com", Newsletter: "Contoso Weekly", Records: []UndoableRecord{{salesforce, true, true}, {hubspot, true, false}, {zoho, false, false}}}),
		"person":                     Person(personPage(Delivered, nil)),
		"person-attention":           Person(personPage(Attention, &PersonAlert{Tone: "bad", Reason: "Blocked by duplicate rule", Text: "A duplicate rule in Salesforce blocked the new Contact.", More: 16, URL: "/integrations/sfdc/problems/attention/X", Link: "View problem"})),
		"person-dismissed":           Person(personPage(Dismissed, nil)),
		"person-edit":                PersonEdit(editPage(false, nil)),
		"person-edit-fixed":          PersonEdit(editPage(true, nil)),
		"person-edit-errors":         PersonEdit(editPage(false, FieldErrors{"email": "Somebody else has this address on Contoso Weekly already."})),
		"leaving":                    LeavingInCRM(LeavingPage{Page: portalPage("Leaving", NavIntegrations), Card: cardOf(hubspot, Connected), Mark: "Unsubscribed", Hint: "No mails.", Flag: true, TakeBack: true, Lasting: true, Kind: "subscription type", Read: true, Refused: 2, Newsletters: []NewsletterKind{{"kind_weekly", "Contoso Weekly", "7", []Option{{"", "None of its own"}, {"7", "News"}}}}}),
		"leaving-wrong":              LeavingInCRM(LeavingPage{Page: portalPage("Leaving", NavIntegrations), Card: cardOf(hubspot, Connected), Mark: "Unsubscribed", Kind: "subscription type", Wrong: hostile}),
		"leaving-unmarked":           LeavingInCRM(LeavingPage{Page: portalPage("Leaving", NavIntegrations), Card: cardOf(hubspot, Connected)}),
		"leave":                      Leave(LeavePage{Page: portalPage("Mark as left", NavSubscribers), ID: "7", Name: "Ada Lovelace", Newsletter: "Contoso Weekly", In: []PresenceIn{{salesforce, Present}, {hubspot, PerhapsPresent}, {zoho, Absent}}}),
		"leave-errors":               Leave(LeavePage{Page: portalPage("Mark as left", NavSubscribers), ID: "7", Name: "Ada Lovelace", Newsletter: "Contoso Weekly", Note: "x", Errors: FieldErrors{"note": "Please say it more briefly."}}),
		"suppression":                Suppression(suppression(nil)),
		"suppression-errors":         Suppression(suppression(FieldErrors{"list": "Please choose a file.", "email": "Please check the address."})),
		"suppression-none":           Suppression(SuppressionPage{Page: portalPage("Suppression list", NavSubscribers), Newsletters: []Option{{"", "Everything from Contoso"}}}),
		"suppression-list":           SuppressionList(SuppressionListPage{Page: portalPage("File of addresses", NavSubscribers), List: suppressed(false)}),
		"suppression-list-done":      SuppressionList(SuppressionListPage{Page: portalPage("File of addresses", NavSubscribers), List: suppressed(true)}),
		"subscribers":                Subscribers(subscribers()),
		"subscribers-none":           Subscribers(SubscribersPage{Page: portalPage("Subscribers", NavSubscribers), Empty: true, FormURL: "https://gatepost.example/signup/contoso-weekly"}),
		"subscribers-not-found":      Subscribers(foundNobody()),
		"integrations-trouble": Integrations(IntegrationsPage{Page: portalPage("Integrations", NavIntegrations), CRMs: []Integration{card(Connected)},
			Incidents: []Incident{{Title: "Sign-ups have been waiting for long", What: hostile, Mend: "Nothing to do.", URL: "/integrations/sfdc", Link: "See what waits"}}}),
		"account": Account(AccountPage{Page: portalPage("Account", NavNone), Errors: FieldErrors{"current": "That is not your password."}, Sessions: []Session{
			{ID: "1", Device: "Firefox on Linux", IP: "203.0.113.7", Since: at, LastSeen: at, Current: true},
			{ID: "2", Device: hostile, IP: "2001:db8::1", Since: at, LastSeen: at},
		}}),
		"error":            Error(ErrorPage{Page: portalPage("Page not found", NavNone), Status: 404, Sentence: "There is nothing at this address.", Links: []Link{{"/integrations", "Integrations"}}, RequestID: "req-7"}),
		"error-signed-out": Error(ErrorPage{Page: signedOutPage(""), Status: 500, Sentence: hostile, RequestID: hostile}),
	})
}

// publicPages are all pages for readers.
func publicPages() map[string]templ.Component {
	return map[string]templ.Component{
		"signup":             Signup(signup()),
		"signup-errors":      Signup(refused()),
		"signup-thanks":      SignupMessage(SignupMessagePage{PublicPage: publicPage(), Title: "Thank you", Icon: "check", Heading: "Thank you", Text: "You are signed up.", More: "Contoso looks forward to it.", Back: ReaderLink{"https://contoso.example", "Back to contoso.example"}}),
		"unsubscribe":        Unsubscribe(unsubscribing("", "")),
		"unsubscribe-unsure": Unsubscribe(unsubscribing("Nothing has changed yet.", "Yes, unsubscribe me")),
		"signup-problem":     SignupMessage(SignupMessagePage{PublicPage: publicPage(), Title: "Please try again", Icon: "alert", Heading: "Please try again in a moment", Text: hostile, Button: ReaderLink{"/signup/contoso-weekly", "Try again"}, RequestID: "Request 7"}),
	}
}

func unsubscribing(unsure, sure string) UnsubscribePage {
	return UnsubscribePage{PublicPage: publicPage(), Title: "Unsubscribe from Contoso Weekly", Text: "j…@example.com is on the list.", Action: "/unsubscribe/x", What: "What?", Button: "Unsubscribe", Unsure: unsure, Sure: sure,
		Of: []ReaderOption{{"one", "Only Contoso Weekly", true}, {"all", hostile, false}}, Why: "Why?", Optional: "(optional)", Reasons: []ReaderOption{{"many", "Too many", false}, {"other", "Other", true}},
		Note: ReaderField{Kind: AreaField, Name: "note", Label: "In your own words", Optional: "(optional)", Value: hostile}}
}

func suppression(wrong FieldErrors) SuppressionPage {
	return SuppressionPage{Page: portalPage("Suppression list", NavSubscribers), Errors: wrong, Newsletters: []Option{{"", "Everything from Contoso"}, {"n", "Contoso Weekly"}}, Chosen: "n", Email: hostile,
		Counts: []SuppressionCount{{"Everything from Contoso", 1200}, {hostile, 1}}, Lists: []SuppressionRow{suppressed(true), suppressed(false)}}
}

func suppressed(ended bool) SuppressionRow {
	return SuppressionRow{ID: "7", For: "Contoso Weekly", At: at, Total: 50_000, Done: 250, Left: 3, Noted: 200, Known: 47, Unreadable: []int{7, 19}, UnreadableN: 120, Ended: ended}
}

// fragments are what htmx swaps in.
func fragments() map[string]templ.Component {
	return merge(editorParts(), map[string]templ.Component{
		"card":    IntegrationCardUpdate(card(ConnectionBroken), card(Connected).Version()),
		"results": SubscriberResults(subscribers()),
		"sample":  ProgressCard(*paused()),
		"problem": ErrorFragment(ErrorPage{Status: 500, Sentence: hostile, Links: []Link{{"/", "Home"}}, RequestID: "req-7"}),
	})
}

func merge(all ...map[string]templ.Component) map[string]templ.Component {
	m := map[string]templ.Component{}
	for _, a := range all {
		for name, c := range a {
			m[name] = c
		}
	}
	return m
}

func render(t *testing.T, c templ.Component) string {
	t.Helper()
	var b bytes.Buffer
	if err := c.Render(context.Background(), &b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func parse(t *testing.T, c templ.Component) *goquery.Document {
	t.Helper()
	d, err := goquery.NewDocumentFromReader(strings.NewReader(render(t, c)))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func each(t *testing.T, pages map[string]templ.Component, check func(t *testing.T, d *goquery.Document)) {
	for name, c := range pages {
		t.Run(name, func(t *testing.T) { check(t, parse(t, c)) })
	}
}

func TestTagsNest(t *testing.T) {
	for name, c := range merge(portalPages(), publicPages(), fragments()) {
		t.Run(name, func(t *testing.T) { checkNesting(t, render(t, c)) })
	}
}

// glued is a word, or a sign that a space follows, right before a time, and a dot in the middle without its spaces.
var glued = regexp.MustCompile(`[\pL,:·]<time|</time>[\pL·]`)

// What stands beside a time is told apart from it, which its sources don't show.
func TestTimesStandApart(t *testing.T) {
	for name, c := range merge(portalPages(), publicPages(), fragments()) {
		for _, at := range glued.FindAllStringIndex(render(t, c), -1) {
			page := render(t, c)
			t.Errorf("%s: %s", name, page[max(0, at[0]-60):min(len(page), at[1]+60)])
		}
	}
}

var (
	void        = strings.Fields("input meta link img br hr")
	closesAP    = strings.Fields("p div ul ol dl table form section nav h1 h2 h3 fieldset details main")
	interactive = strings.Fields("a button input select summary label")
)

func checkNesting(t *testing.T, page string) {
	var open []string
	z := html.NewTokenizer(strings.NewReader(page))
	for {
		switch z.Next() {
		case html.ErrorToken:
			if z.Err() != io.EOF || len(open) > 0 {
				t.Errorf("at the end: %v, open: %v", z.Err(), open)
			}
			return
		case html.StartTagToken:
			name := z.Token().Data
			if slices.Contains(open, "p") && slices.Contains(closesAP, name) {
				t.Errorf("<%s> inside <p>", name)
			}
			if (slices.Contains(open, "a") || slices.Contains(open, "button")) && slices.Contains(interactive, name) {
				t.Errorf("<%s> inside a link or a button", name)
			}
			if !slices.Contains(void, name) {
				open = append(open, name)
			}
		case html.EndTagToken:
			name := z.Token().Data
			if len(open) == 0 || open[len(open)-1] != name {
				t.Fatalf("</%s> while open: %v", name, open)
			}
			open = open[:len(open)-1]
		}
	}
}

func TestPagesHaveTheirLandmarks(t *testing.T) {
	each(t, merge(portalPages(), publicPages()), func(t *testing.T, d *goquery.Document) {
		for selector, want := range map[string]int{"h1": 1, "main": 1, "title": 1, "html[lang]": 1, "meta[name=viewport]": 1} {
			if n := d.Find(selector).Length(); n != want {
				t.Errorf("%d × %s", n, selector)
			}
		}
		if strings.HasPrefix(d.Find("title").Text(), " ·") && d.Find("h1").Text() == "" {
			t.Error("neither title nor heading")
		}
		level := 0
		d.Find("h1, h2, h3").Each(func(_ int, s *goquery.Selection) {
			now := int(goquery.NodeName(s)[1] - '0')
			if now > level+1 {
				t.Errorf("h%d follows h%d", now, level)
			}
			level = now
		})
	})
}

func TestIDsAreUniqueAndReferencesLead(t *testing.T) {
	each(t, merge(portalPages(), publicPages()), func(t *testing.T, d *goquery.Document) {
		ids := map[string]int{}
		d.Find("[id]").Each(func(_ int, s *goquery.Selection) { ids[s.AttrOr("id", "")]++ })
		for id, n := range ids {
			if n > 1 {
				t.Errorf("id %q appears %d times", id, n)
			}
		}
		for _, attr := range []string{"for", "aria-describedby", "aria-labelledby", "data-copy"} {
			d.Find("[" + attr + "]").Each(func(_ int, s *goquery.Selection) {
				for _, id := range strings.Fields(s.AttrOr(attr, "")) {
					if ids[id] == 0 {
						t.Errorf("%s=%q leads nowhere", attr, id)
					}
				}
			})
		}
	})
}

func TestInputsHaveLabels(t *testing.T) {
	each(t, merge(portalPages(), publicPages()), func(t *testing.T, d *goquery.Document) {
		d.Find("input:not([type=hidden]), select, textarea").Each(func(_ int, s *goquery.Selection) {
			id := s.AttrOr("id", "")
			if s.AttrOr("aria-label", "") == "" && (id == "" || d.Find(`label[for="`+id+`"]`).Length() != 1) {
				t.Errorf("no label for %q", s.AttrOr("name", id))
			}
		})
	})
}

func TestErrorsBelongToTheirFields(t *testing.T) {
	each(t, merge(portalPages(), publicPages()), func(t *testing.T, d *goquery.Document) {
		d.Find("p.field-error").Each(func(_ int, s *goquery.Selection) {
			field := d.Find(`[aria-describedby~="` + s.AttrOr("id", "") + `"]`)
			if field.AttrOr("aria-invalid", "") != "true" {
				t.Errorf("error %q without its field", s.Text())
			}
		})
		if n := d.Find("[autofocus]").Length(); n > 1 {
			t.Errorf("%d elements want the focus", n)
		}
	})
	d := parse(t, Signup(refused()))
	if got := d.Find("#email").AttrOr("value", ""); got != hostile {
		t.Errorf("what was typed came back as %q", got)
	}
	if d.Find("#email-error").Length() != 1 || d.Find("#last_name-error").Length() != 1 || d.Find("#first_name-error").Length() != 0 {
		t.Error("errors are not at their fields")
	}
}

func TestPortalFormsCarryTheToken(t *testing.T) {
	each(t, portalPages(), func(t *testing.T, d *goquery.Document) {
		d.Find("form").Each(func(_ int, s *goquery.Selection) {
			token := s.Find("input[name=csrf][type=hidden]")
			switch s.AttrOr("method", "") {
			case "post":
				if token.Length() != 1 || token.AttrOr("value", "") != "token-of-the-session" {
					t.Errorf("form to %s without its token", s.AttrOr("action", ""))
				}
			case "get":
				if token.Length() != 0 {
					t.Errorf("form to %s puts the token in a URL", s.AttrOr("action", ""))
				}
			default:
				t.Errorf("form to %s has no method", s.AttrOr("action", ""))
			}
		})
	})
}

func TestNothingInline(t *testing.T) {
	each(t, merge(portalPages(), publicPages(), fragments()), func(t *testing.T, d *goquery.Document) {
		if d.Find(`style, [style], img:not([src^="/"])`).Length() > 0 {
			t.Error("a style element or attribute, or an image out of nowhere")
		}
		d.Find("script").Each(func(_ int, s *goquery.Selection) {
			if s.AttrOr("src", "") == "" || s.Text() != "" {
				t.Errorf("inline script %q", s.Text())
			}
		})
		d.Find("*").Each(func(_ int, s *goquery.Selection) {
			for _, a := range s.Get(0).Attr {
				if strings.HasPrefix(a.Key, "on") || strings.HasPrefix(a.Key, "hx-on") || strings.HasPrefix(strings.TrimSpace(a.Val), "javascript:") {
					t.Errorf("handler %s=%q", a.Key, a.Val)
				}
			}
		})
	})
}

func TestHostileWordsAreShownAsWords(t *testing.T) {
	for _, name := range []string{"connect-failed", "integrations-broken", "subscribers", "account", "error-signed-out", "choose-tenant"} {
		d := parse(t, portalPages()[name])
		if !strings.Contains(d.Find("main").Text(), hostile) {
			t.Errorf("%s: the words are not shown as they came", name)
		}
	}
	p := integrations(Connected)
	p.CRMs[0].Org.InstanceURL = "javascript:alert(1)"
	if parse(t, Integrations(p)).Find(`a[href^="javascript:"]`).Length() > 0 {
		t.Error("a link runs a script")
	}
}

func TestPublicPagesAreSmallAndBare(t *testing.T) {
	css, err := os.ReadFile(filepath.Join("..", "static", "files", "signup.css"))
	if err != nil {
		t.Fatal(err)
	}
	icon, err := os.ReadFile(filepath.Join("..", "static", "files", "icon.svg"))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range publicPages() {
		page := render(t, c)
		if n := packed(t, []byte(page)) + packed(t, css) + packed(t, icon); n > 14<<10 {
			t.Errorf("%s: %d bytes", name, n)
		}
		d := parse(t, c)
		if d.Find("script").Length() > 0 {
			t.Errorf("%s: loads a script", name)
		}
		d.Find("[src], link").Each(func(_ int, s *goquery.Selection) {
			if href := s.AttrOr("href", ""); href != "/static/signup.css" && href != "/static/icon.svg" {
				t.Errorf("%s: loads %q", name, href)
			}
		})
	}
}

func packed(t *testing.T, body []byte) int {
	t.Helper()
	var b bytes.Buffer
	w := brotli.NewWriter(&b)
	if _, err := w.Write(body); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Len()
}

func TestSignedOutPagesHaveNoNavigation(t *testing.T) {
	for name, c := range portalPages() {
		d := parse(t, c)
		in := strings.Contains(d.Find("nav[aria-label=Main]").Text(), "Log out")
		if want := d.Find(".frame").Length() == 1; in != want {
			t.Errorf("%s: navigation %v, want %v", name, in, want)
		}
	}
}

func TestNavigationMarksTheCurrentPage(t *testing.T) {
	for nav, text := range map[Nav]string{NavHome: "Home", NavNewsletters: "Newsletters", NavSubscribers: "Subscribers", NavIntegrations: "Integrations", NavSettings: "Settings", NavNone: ""} {
		p := subscribers()
		p.Nav = nav
		current := parse(t, Subscribers(p)).Find("nav [aria-current=page]")
		if got := strings.TrimSpace(current.Text()); got != text {
			t.Errorf("%q marks %q", nav, got)
		}
	}
}

// TestWordsDontRunTogether looks where templ leaves out the line break in front of
// a component.
func TestWordsDontRunTogether(t *testing.T) {
	glued := regexp.MustCompile(`[\pL,:)](<time|<code|<a [^>]*target="_blank"|<span class="sr">[^ ]).{20}`)
	for name, c := range merge(portalPages(), publicPages(), fragments()) {
		if words := glued.FindString(render(t, c)); words != "" {
			t.Errorf("%s: %q", name, words)
		}
	}
}

func TestTenantSwitchIsForThoseWithSeveral(t *testing.T) {
	p := subscribers()
	for tenants, want := range map[int]int{1: 0, 2: 1} {
		p.Tenants = tenants
		if n := parse(t, Subscribers(p)).Find(`.bar a[href="/tenant"]`).Length(); n != want {
			t.Errorf("%d tenants: %d switches", tenants, n)
		}
	}
}

func TestCardShowsItsState(t *testing.T) {
	tests := map[ConnectionState]struct {
		pill  string
		posts []string
	}{
		NotConnected:     {"Not connected yet", []string{"/integrations/sfdc/connect", "/integrations/sfdc/connect"}},
		Connected:        {"Connected", nil},
		ConnectionBroken: {"Connection lost", []string{"/integrations/sfdc/connect"}},
		ConnectionHeld:   {"Needs your decision", []string{"/integrations/sfdc/held"}},
	}
	for state, want := range tests {
		d := parse(t, IntegrationCard(card(state)))
		if got := strings.TrimSpace(d.Find(".badge").Text()); got != want.pill {
			t.Errorf("%s: pill %q", state, got)
		}
		posts := d.Find("form").Map(func(_ int, s *goquery.Selection) string { return s.AttrOr("action", "") })
		if !slices.Equal(posts, want.posts) {
			t.Errorf("%s: forms to %v", state, posts)
		}
		settings := parse(t, DeliverySettings(DeliverySettingsPage{Page: portalPage("Settings", NavIntegrations), Card: card(state)}))
		disconnect := settings.Find(`a[href="/integrations/sfdc/disconnect"]`).Length() == 1
		if connected := state != NotConnected; disconnect != connected {
			t.Errorf("%s: disconnect offered: %v", state, disconnect)
		}
		if got := d.Find("article").AttrOr("hx-get", ""); got != "/integrations/sfdc/card?seen="+card(state).Version() {
			t.Errorf("%s: polls %q", state, got)
		}
	}
}

func TestHeldCardNamesBothOrgs(t *testing.T) {
	d := parse(t, IntegrationCard(card(ConnectionHeld)))
	text := d.Text()
	for _, want := range []string{"Contoso GmbH", "00D5g00000AbCdEEAV", "Contoso Sandbox", "00D5g00000ZyXwVEAV", "Sandbox", "jane@contoso.example"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing", want)
		}
	}
	if d.Find("button[name=decision][value=switch]").Length() != 1 || d.Find("button[name=decision][value=keep]").Length() != 1 || d.Find("input[name=held]").AttrOr("value", "") != "h1" {
		t.Error("the decision can't be sent")
	}
}

// Who confirms an org that is in use elsewhere says with that that they were told.
func TestHeldCardTellsOfUseElsewhere(t *testing.T) {
	for name, tt := range map[string]struct {
		page   IntegrationsPage
		shared bool
		has    string
		hasNot string
	}{
		"another org":              {integrations(ConnectionHeld), false, "another Salesforce organisation than before", "in use elsewhere"},
		"the first":                {heldFirst(false), true, "Somebody else who uses this service", "than before"},
		"the first, other service": {heldFirst(true), true, "This account is in use elsewhere here", "sign-ups and those that wait"},
		"a switch":                 {heldShared(), true, "where you are a member too, and somebody else", "Somebody else who uses"},
	} {
		d := parse(t, IntegrationCard(tt.page.CRMs[0]))
		if got := d.Find("form input[name=shared]").Length() == 1; got != tt.shared {
			t.Errorf("%s: says that it was told: %v", name, got)
		}
		if text := d.Text(); !strings.Contains(text, tt.has) || strings.Contains(text, tt.hasNot) {
			t.Errorf("%s: %s", name, text)
		}
	}
}

func TestLoginElsewhereOpensOnItsError(t *testing.T) {
	d := parse(t, Integrations(elsewherePage()))
	if d.Find("details[open] #my_domain[aria-invalid]").AttrOr("value", "") != "contoso.lightning.force.com" {
		t.Error("the error is hidden, or what was typed is lost")
	}
	if d.Find("input[name=login][checked]").AttrOr("value", "") != "mydomain" {
		t.Error("the choice is lost")
	}
	d = parse(t, Integrations(integrations(NotConnected)))
	if d.Find("details[open]").Length() != 0 || d.Find("input[name=login][checked]").AttrOr("value", "") != "production" {
		t.Error("without an error it should be closed, on production")
	}
}

func TestCardVersionFollowsWhatIsShown(t *testing.T) {
	before := card(Connected).Version()
	if card(Connected).Version() != before {
		t.Error("the same card has two versions")
	}
	quiet := card(Connected)
	quiet.CSRF, quiet.Login, quiet.MyDomain, quiet.LoginError = "other", "mydomain", "x", "y"
	if quiet.Version() != before {
		t.Error("what was typed changes the version")
	}
	for name, change := range map[string]func(*Integration){
		"state":   func(c *Integration) { c.State = ConnectionBroken },
		"org":     func(c *Integration) { c.Org.Name = "Fabrikam" },
		"waiting": func(c *Integration) { c.Waiting++ },
		"renewed": func(c *Integration) { c.LastRefreshed = c.LastRefreshed.Add(time.Second) },
		"held":    func(c *Integration) { c.Held = &HeldConnection{ID: "x"} },
	} {
		c := card(Connected)
		change(&c)
		if c.Version() == before {
			t.Errorf("%s: the version stays", name)
		}
	}
}

func TestCardAnnouncesOnlyAnotherState(t *testing.T) {
	tests := map[string]struct {
		seen string
		want string
	}{
		"same state":    {card(Connected).Version(), ""},
		"another state": {card(NotConnected).Version(), "Salesforce is connected."},
		"nothing seen":  {"", "Salesforce is connected."},
	}
	for name, tt := range tests {
		c := card(Connected)
		c.Waiting = 9
		d := parse(t, IntegrationCardUpdate(c, tt.seen))
		if got := d.Find(`[hx-swap-oob="innerHTML:#integration-news"]`).Text(); got != tt.want {
			t.Errorf("%s: announces %q", name, got)
		}
	}
	if parse(t, Integrations(integrations(Connected))).Find("#integration-news[role=status]").Length() != 1 {
		t.Error("there is nowhere to announce")
	}
}

func TestProgressAsksUntilItIsFinal(t *testing.T) {
	tests := map[string]struct {
		progress Progress
		trigger  string
	}{
		"on its way":      {progress(Waiting), "every 1s"},
		"paused":          {*paused(), "every 5s"},
		"delivered":       {progress(Delivered), ""},
		"needs attention": {progress(Attention), ""},
		"dismissed":       {progress(Dismissed), ""},
	}
	for name, tt := range tests {
		root := parse(t, ProgressCard(tt.progress)).Find("#progress")
		if got := root.AttrOr("hx-trigger", ""); got != tt.trigger {
			t.Errorf("%s: asks %q", name, got)
		}
		_, asks := root.Attr("hx-get")
		refresh := root.Find(`a[href="/newsletter/signup?sample=7"]`).Length() == 1
		if asks != (tt.trigger != "") || refresh != asks {
			t.Errorf("%s: polls %v, refresh link %v", name, asks, refresh)
		}
	}
}

func TestProgressSaysWhatHappened(t *testing.T) {
	tests := map[string]struct {
		progress Progress
		words    []string
	}{
		"on its way":      {progress(Waiting), []string{"Stored", "On its way to Salesforce"}},
		"paused":          {*paused(), []string{"Stored", "Not sent yet", "Waiting", "Salesforce not connected.", "Connect it, and the sample is sent.", "Next try:"}},
		"delivered":       {progress(Delivered), []string{"Stored", "Sent to Salesforce", "In Salesforce", "0035g00000AbCdEEAV"}},
		"needs attention": {progress(Attention), []string{"Needs attention", "Region", "Ask your Salesforce admin"}},
		"dismissed":       {progress(Dismissed), []string{"Dismissed", "Somebody decided", "choose “Retry”"}},
	}
	for name, tt := range tests {
		text := parse(t, ProgressCard(tt.progress)).Text()
		for _, w := range tt.words {
			if !strings.Contains(text, w) {
				t.Errorf("%s: %q is missing", name, w)
			}
		}
	}
	if href := parse(t, ProgressCard(progress(Delivered))).Find("a[target=_blank]").AttrOr("href", ""); href != "https://contoso.my.salesforce.com/0035g00000AbCdEEAV" {
		t.Errorf("the record's link is %q", href)
	}
}

func TestSubscribersEmptyStates(t *testing.T) {
	none := parse(t, portalPages()["subscribers-none"])
	if none.Find("form[role=search], table").Length() != 0 || none.Find(`a[href="https://gatepost.example/signup/contoso-weekly"]`).Length() != 1 {
		t.Error("without subscribers there should be the form's link, and nothing to search")
	}
	nobody := parse(t, Subscribers(foundNobody()))
	if nobody.Find("table").Length() != 0 || nobody.Find(`#results a[href="/subscribers"]`).Length() != 1 {
		t.Error("a search without result should offer to clear it")
	}
	if nobody.Find("#q").AttrOr("value", "") != hostile || nobody.Find("input[name=state]").AttrOr("value", "") != "attention" || nobody.Find("#from").AttrOr("value", "") != "2026-03-01" {
		t.Error("the search is forgotten")
	}
}

func TestSubscribersPager(t *testing.T) {
	p := subscribers()
	links := func() []string {
		return parse(t, SubscriberResults(p)).Find(".pager a").Map(func(_ int, s *goquery.Selection) string { return s.AttrOr("href", "") })
	}
	if got := links(); !slices.Equal(got, []string{"/subscribers?before=9", "/subscribers?after=3"}) {
		t.Errorf("pager %v", got)
	}
	p.PreviousURL = ""
	if got := links(); !slices.Equal(got, []string{"/subscribers?after=3"}) {
		t.Errorf("pager on the first page %v", got)
	}
	if text := parse(t, SubscriberResults(p)).Find(".pager").Text(); text != "NewerOlder" {
		t.Errorf("pager %q", text)
	}
	p.Filter.Order = "oldest"
	if text := parse(t, SubscriberResults(p)).Find(".pager").Text(); text != "OlderNewer" {
		t.Errorf("pager of the oldest first %q", text)
	}
}

// What is said about a list is true, whatever is known of it.
func TestWhatIsFoundIsSaid(t *testing.T) {
	row := SubscriberRow{}
	for want, p := range map[string]SubscribersPage{
		"No subscribers found.":                              {},
		"1 subscriber.":                                      {Rows: []SubscriberRow{row}, First: 1, Total: 1},
		"2 subscribers, oldest first.":                       {Rows: []SubscriberRow{row, row}, First: 1, Total: 2, Filter: SubscriberFilter{Order: "oldest"}},
		"1–2 of 360 subscribers, newest first.":              {Rows: []SubscriberRow{row, row}, First: 1, Total: 360},
		"360 of 360 subscribers, by name.":                   {Rows: []SubscriberRow{row}, First: 360, Total: 360, Filter: SubscriberFilter{Order: "name"}},
		"2 of 333,120 subscribers, newest first.":            {Rows: []SubscriberRow{row, row}, Total: 333120},
		"1–2 of more than 10,000 subscribers, newest first.": {Rows: []SubscriberRow{row, row}, First: 1, Total: 10000, More: true},
		"2 of more than 10,000 subscribers, newest first.":   {Rows: []SubscriberRow{row, row}, Total: 10000, More: true},
	} {
		if got := p.found(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestForwardGoesWhereItSays(t *testing.T) {
	d := parse(t, portalPages()["connect-forward"])
	const want = `https://login.salesforce.com/services/oauth2/authorize?a="b"&c=<d>`
	if got := d.Find("meta[http-equiv=refresh]").AttrOr("content", ""); got != "0; url="+want {
		t.Errorf("refresh to %q", got)
	}
	if got := d.Find("a.primary").AttrOr("href", ""); got != want {
		t.Errorf("link to %q", got)
	}
}

func TestLoginSaysWhatIsWrong(t *testing.T) {
	tests := map[string]struct {
		page LoginPage
		want string
	}{
		"wrong":    {LoginPage{Wrong: true}, "don’t belong together"},
		"too many": {LoginPage{Wait: 61 * time.Second}, "wait 2 minutes"},
		"a second": {LoginPage{Wait: 300 * time.Millisecond}, "wait 1 second "},
		"demo":     {LoginPage{DemoHint: "john@contoso.example"}, "john@contoso.example with the password that it printed in the terminal"},
	}
	for name, tt := range tests {
		text := regexp.MustCompile(`\s+`).ReplaceAllString(parse(t, Login(tt.page)).Text(), " ")
		if !strings.Contains(text, tt.want) {
			t.Errorf("%s: %q is missing", name, tt.want)
		}
	}
	d := parse(t, Login(LoginPage{Email: "john@contoso.example", Next: "/subscribers?q=a"}))
	if d.Find("#email").AttrOr("value", "") != "john@contoso.example" || d.Find("input[name=next]").AttrOr("value", "") != "/subscribers?q=a" {
		t.Error("what was given is forgotten")
	}
}

func TestSessionsCanBeEndedExceptThisOne(t *testing.T) {
	d := parse(t, portalPages()["account"])
	got := d.Find(`form[action="/account/sessions/end"] input[name=id]`).Map(func(_ int, s *goquery.Selection) string { return s.AttrOr("value", "") })
	if !slices.Equal(got, []string{"2"}) {
		t.Errorf("can be ended: %v", got)
	}
}

func TestNumber(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 12402: "12,402", 1234567: "1,234,567", -1000: "-1,000", -100: "-100"} {
		if got := number(n); got != want {
			t.Errorf("number(%d) = %q", n, got)
		}
	}
}

func TestBalanceShowsTheDifference(t *testing.T) {
	even, lost := totals(1003, 1, 1000, 2, 1, 0), totals(1003, 0, 1000, 1, 1, 0)
	if s := even.balance(); !strings.Contains(s, "1,003 new sign-ups received = 1,000 in Salesforce + 2 waiting + 1 needing attention. Difference: 0.") || !strings.Contains(s, "1 repeated sign-up ") || balanceIcon(even) != "ok" {
		t.Errorf("even: %q, %s", s, balanceIcon(even))
	}
	if s := lost.balance(); !strings.Contains(s, "Difference: 1.") || strings.Contains(s, "repeated") || balanceIcon(lost) != "alert" {
		t.Errorf("one lost: %q, %s", s, balanceIcon(lost))
	}
}

// A browser cuts what is pasted into a field with maxlength, silently, and refuses
// in its own words what it takes for no address, though we may understand it. How
// long a text may be is the server's to say.
func TestNoFieldCutsOrRefusesWhatIsPasted(t *testing.T) {
	pages := merge(portalPages(), publicPages())
	inputs := 0
	for name, page := range pages {
		doc := parse(t, page)
		doc.Find("input, textarea").Each(func(_ int, s *goquery.Selection) {
			inputs++
			for _, attribute := range []string{"maxlength", "pattern", "minlength"} {
				if _, there := s.Attr(attribute); there {
					t.Errorf("%s: %s has %s", name, s.AttrOr("name", "?"), attribute)
				}
			}
			_, readonly := s.Attr("readonly")
			if kind := s.AttrOr("type", "text"); !readonly && (kind == "email" || kind == "url") {
				t.Errorf("%s: %s is of type %s", name, s.AttrOr("name", "?"), kind)
			}
		})
	}
	if inputs < 100 {
		t.Errorf("%d fields were looked at", inputs)
	}
	for _, pattern := range []string{"*.templ", "../mail/*.templ", "../static/files/app.js"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v", pattern, err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil || strings.Contains(strings.ToLower(string(text)), "maxlength") {
				t.Errorf("%s has a maxlength (%v)", file, err)
			}
		}
	}
}
