package views

import (
	"time"

	"github.com/a-h/templ"
)

// CRM is what pages call a CRM that sign-ups go to, and its records. Where none is meant in
// particular, it has no Service and is called "your CRM".
type CRM struct {
	Service         string // its id, in addresses of pages
	Name            string // "Salesforce"
	Record, Records string // "Contact", "Contacts"
	Apps            string // where its admin sees the apps that are connected
}

// path is the page of the CRM, or one below it; where none is meant, that of all.
func (c CRM) path(action string) templ.SafeURL {
	if c.Service == "" {
		return "/integrations"
	}
	if action == "" {
		return ServicePage(c.Service)
	}
	return servicePath(c.Service, action)
}

// Page is what every page of the portal shares. The zero User means that nobody
// is signed in: the page then has no navigation.
type Page struct {
	Title     string // of the document, and its h1 unless the page says otherwise
	CSRF      string // token that every form sends back in the field "csrf"
	User      User
	CRM       CRM    // that the page is about, or the tenant's only one, or none in particular
	Tenant    string // name of the tenant that the session is for
	Tenants   int    // how many tenants the user belongs to; more than one shows the switch
	Nav       Nav
	Attention int // what needs a person at Integrations: people, and a connection that is lost
	Held      int // people who are in the quarantine
	Flashes   []Flash
	Alert     *Alert // a connection that is lost, shown on every page
	OwnAlert  bool   // the page tells of it itself
	Refresh   int    // seconds until a browser without script loads the page again; never when 0
	Zone      string // in which times are written, such as "Berlin time (UTC+1)"; not said when empty
	Version   string // of the program
	Assets    Assets
}

// User is the person who is signed in.
type User struct {
	Email string
	Name  string // optional
}

// Assets are the fingerprinted addresses of what a portal page loads.
type Assets struct {
	CSS  string // app.css
	HTMX string // htmx.min.js
	JS   string // app.js
	Icon string // icon.svg
	Font string // inter-latin.woff2
}

// Nav names the entry of the main navigation that is current.
type Nav string

// The entries of the main navigation.
const (
	NavNone         Nav = ""
	NavHome         Nav = "home"
	NavNewsletters  Nav = "newsletters"
	NavSubscribers  Nav = "subscribers"
	NavQuarantine   Nav = "quarantine"
	NavIntegrations Nav = "integrations"
	NavSettings     Nav = "settings"
)

// FlashKind says how a flash message is shown.
type FlashKind string

// The kinds of flash messages.
const (
	FlashSuccess FlashKind = "success"
	FlashInfo    FlashKind = "info"
	FlashWarning FlashKind = "warning"
	FlashError   FlashKind = "error"
)

// Flash is a message about what has just been done, shown once.
type Flash struct {
	Kind FlashKind
	Text string
}

// Link is an address with its text.
type Link struct {
	URL  string
	Text string
}

// FieldErrors are a form's errors: a sentence for each name of a field. The
// name "" is for what concerns the form as a whole.
type FieldErrors map[string]string

// SignupForm is a public form of the tenant.
type SignupForm struct {
	Newsletter string
	Slug       string
	URL        string // absolute
}

// ConnectionState is the state of a tenant's connection to a service.
type ConnectionState string

// The states of a connection. ConnectionHeld is an authorization for another
// org than before, or for one that is in use elsewhere here, which waits to be
// confirmed.
const (
	NotConnected     ConnectionState = "not-connected"
	Connected        ConnectionState = "connected"
	ConnectionBroken ConnectionState = "broken"
	ConnectionHeld   ConnectionState = "held"
)

// Integration is for IntegrationCard, which polls
// GET /integrations/{service}/card?seen={Version} every five seconds. Answer it
// with 204 when Version is still the one that was seen, otherwise with
// IntegrationCardUpdate. Connect and reconnect post to
// /integrations/{service}/connect: nothing but csrf for the default login
// address; from Logins also login and my_domain. A held authorization posts held (its id) and decision (switch
// or keep) to /integrations/{service}/held.
type Integration struct {
	CSRF    string
	Service string // its id, in addresses
	Name    string // "Salesforce"
	CRM     CRM    // what is said of sign-ups that go by it; zero when none do
	State   ConnectionState
	Other   bool // no CRM
	Several bool // there are further CRMs to choose from
	NoApp   bool // neither the installation nor the tenant has an app there: nothing can be connected with

	Org           Org       // what is connected, or was; empty when not connected
	ConnectedBy   string    // e-mail of the admin
	ConnectedAt   time.Time // zero when unknown
	Scopes        []string
	MissingScopes []string  // asked for by now, and not granted
	LastRefreshed time.Time // zero when never
	OwnApp        bool      // made with the tenant's own app

	Failing bool      // connected, but it can't be renewed for now
	NextTry time.Time // zero when that is not known
	Reason  string    // why it is broken or failing, in a sentence
	Mend    string    // what mends it, in a sentence

	LostAt         time.Time // when it died; zero while it works
	DisconnectedAt time.Time // when it was given up, if it isn't connected; zero when it never was
	DisconnectedBy string    // e-mail of who did; empty for the operator
	RemoteUser     string    // id of the service's user who connected it
	LastArrival    time.Time // of a sign-up; zero when none arrived, and where it isn't read
	LastEvent      string    // id of the newest event of a subscriber, which tells whether that is new

	Waiting           int  // sign-ups that wait for the connection
	Attention         int  // sign-ups that need somebody
	Delayed           bool // some wait longer than they should
	RevocationPending bool // disconnected, but the service hasn't heard of it yet

	// How many approvals by the service's user who connected it are known, and how
	// many it keeps; 0 for any number.
	Approvals, ApprovalLimit int

	Held *HeldConnection // in ConnectionHeld

	Logins     *Logins // where else one may log in; nil where there is one place
	Login      string  // the choice, as posted before
	MyDomain   string  // as posted before
	LoginError string  // what was wrong with either
}

// Logins are the places at which one may log in. The form posts login, and my_domain when
// that is an address of one's own.
type Logins struct {
	Link        string // "Use a sandbox or My Domain"
	Places      []Choice
	Label, Hint string // of the field for an address of one's own
}

// Org is an organisation in a service.
type Org struct {
	ID          string
	Name        string
	InstanceURL string
	Sandbox     bool
}

// HeldConnection is an authorization for another org than the one before, or for one
// that is in use elsewhere here. The form that decides posts shared too when it says
// that.
type HeldConnection struct {
	ID             string
	Org            Org
	By             string // e-mail of the admin
	At             time.Time
	First          bool     // nothing is connected
	Elsewhere      int      // how many other tenants have the org
	ElsewhereNames []string // of those among them that the user belongs to
}

// ConnectForwardPage is for ConnectForward, the page that takes the browser to
// the service's login.
type ConnectForwardPage struct {
	Page
	Name string // "Salesforce"
	URL  string // of the authorize end point, with its query
	Host string // of URL, for people

	// Portal is where the service sends the browser back to, said before it goes there
	// when this page may have been opened at another address; else empty.
	Portal string
}

// ConnectFailedPage is for ConnectFailed.
type ConnectFailedPage struct {
	Page
	Service     string // its id, in addresses
	Name        string // "Salesforce"
	Happened    string // what happened, in a sentence; the heading
	Meaning     string // what it means
	Mend        string // what to do
	Code        string // error as the service sent it, shown small
	Description string // error_description as the service sent it
}

// DisconnectPage is for Disconnect. The form posts csrf to
// /integrations/{service}/disconnect.
type DisconnectPage struct {
	Page
	Service string // its id, in addresses
	Name    string // "Salesforce"
	Org     Org
	Other   bool // no CRM
	Several bool // there are further CRMs to choose from
	Waiting int  // sign-ups that wait already
	NoWay   bool // the service offers no way to revoke an access
}

// Option is one choice of a select element.
type Option struct {
	Value string
	Text  string
}

// State is a state of a subscriber on the way into the CRM. Pages ask what it is
// like, and never which it is.
type State struct {
	Code       string // in queries; empty for no state
	Label      string
	Tone, Icon string // of a pill
	Sum        string // behind a number in the sum: "needing attention"
	Column     string // above numbers: "need attention"
	Became     string // of one who got into it: "Arrived in Salesforce"
	Series     string // of a chart: in, wait, fail or rest
	Recounted  string // beside the number of a recount, which all states with these words have together
	Meaning    string // a sentence, for when no reason tells why; none when empty
	Help       string // what it means, for the Help page

	Main      bool // shown even where nobody is in it
	Waits     bool // it goes on by itself
	Arrived   bool
	Attention bool // it goes no further without somebody
	Retry     bool // it can be sent again
	Dismiss   bool // somebody can say that it isn't to be sent
	Leave     bool // somebody can mark them as left
	Back      bool // somebody can mark them as active again
	Apart     bool // of a subscriber who isn't sent to CRMs: it is all that there is to say
	Gone      bool // there is a count alone, and nobody to be listed

	Return string // what sending it again is called: "Retry"
}

// MarshalText is the code: in a digest, the rest goes without saying.
func (s State) MarshalText() ([]byte, error) { return []byte(s.Code), nil }

// Record is what a delivery led to in the CRM.
type Record struct {
	ID  string
	URL string // of the record's page; empty when unknown
}

// Totals are the tenant's subscribers by state, beside what was received: New is
// counted when a sign-up is stored, apart from the subscribers, and so tells
// whether one is missing.
type Totals struct {
	All           int
	States        []StateTotal // in the order of the sum
	New, Repeated int
	Difference    int // who is missing from the states
}

// StateTotal is how many are in a state.
type StateTotal struct {
	State State
	N     int
}

// Subscriber is a person, as their page shows them.
type Subscriber struct {
	ID         string
	Email      string
	FirstName  string
	LastName   string
	Newsletter string
	Fields     []Filled // what else was filled in
	Status     State    // active, or left
	SignedUpAt time.Time
}

// Delivery is a subscriber's way into one CRM: how far it is.
type Delivery struct {
	CRM      CRM // without a name where there is one CRM, which goes without saying
	State    State
	Cause    string // why it waits or needs attention, in a few words; empty when there is nothing to tell
	CauseURL string // of its page, if there is one
}

// prefix is what a screen reader hears before a cause.
func (d Delivery) prefix() string { return d.State.Label + ": " }
