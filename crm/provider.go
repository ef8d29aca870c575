package crm

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Provider is what is true of a kind of CRM, whoever has connected it.
type Provider struct {
	Service string // its id in the catalogue of services
	Name    string // "Salesforce"

	// What its records of people are called in the middle of a sentence, and those of
	// people who are no contacts yet; Leads is empty where it has none.
	Record, Records string
	Leads           string

	Batch   int // how many people one call of Find or of Write takes
	Settles SettlingTime

	// DropsFields is true where it leaves out of a record, without a word, what it has no field for, or
	// none that may be written.
	DropsFields bool

	OptOuts *OptOuts // how it keeps that somebody wants no e-mail; nil where it doesn't

	Options []Option // those that it supports
	Limits  []Limit  // of what an org may use; pages show the first

	// RecordURL is where people see a record; instanceURL is that of the Target to which
	// it was written.
	RecordURL func(instanceURL, id string) string

	Apps       string  // where its administrator sees the apps that are connected
	ClientHint string  // what it calls a client id and a secret, where it has words of its own
	Deleted    string  // what becomes of a record that was deleted, in a sentence; may be empty
	Logins     *Logins // where else one may log in; nil where there is one place

	// Refused are the words for a log-in that failed, by code; that without a code is for
	// those that are not here. Where it has none, there are general ones.
	Refused map[string]Refusal

	Codes  map[string]Code        // what is known of its API's codes, in capitals
	Access map[string]Explanation // of codes of its log-in, and of ours where it has words of its own
}

// SettlingTime is how long a write may still take effect when its outcome isn't known.
type SettlingTime struct {
	One  time.Duration // of one record
	Many time.Duration // of Full records and more
	Full int
}

// Of is how long a write of n records takes to settle.
func (s SettlingTime) Of(n int) time.Duration {
	if s.Full <= 1 {
		return s.Many
	}
	return s.One + time.Duration(min(n, s.Full)-1)*(s.Many-s.One)/time.Duration(s.Full-1)
}

// Logins are the places at which people may log in to a CRM.
type Logins struct {
	Link   string // that leads to them: "Use a sandbox or My Domain"
	Places []Place
	// Of the field for an address of one's own: what it is called, and what is said when
	// that can't be one, or is that of the CRM's pages.
	Label, Hint, Wrong, Pages string
}

// Place is a place at which people may log in.
type Place struct {
	Value       string // in forms
	Label, Hint string
	URL         string // empty for the address of one's own
}

// URL returns where one logs in who chose a place; own says that it is an address of
// one's own, and ok whether there is the place.
func (l *Logins) URL(value string) (url string, own, ok bool) {
	if l == nil {
		return "", false, false
	}
	for _, p := range l.Places {
		if p.Value == value {
			return p.URL, p.URL == "", true
		}
	}
	return "", false, false
}

// Codes of log-ins that failed which are ours.
const (
	LoginUnanswered = ":unreachable" // the CRM gave no answer
	OwnAppRefused   = "app_refused"  // what the tenant set of an app of its own is not what the CRM knows
)

// Refusal tells a log-in that failed.
type Refusal struct {
	Happened, Meaning, Mend string
}

// Limit is what an org may use of a CRM only so much of.
type Limit struct {
	Unit   string        // "API calls"
	Window time.Duration // in which they are counted
}

// Limit is the first of Limits.
func (p *Provider) Limit() Limit { return p.Limits[0] }

// OptionName names one of Options.
type OptionName string

// The names of the options.
const (
	OptionLeads          OptionName = "leads"
	OptionSaveDuplicates OptionName = "save"
	OptionKey            OptionName = "key"
	OptionPlaceholder    OptionName = "placeholder"
)

// Option is one of Options in the CRM's own words.
type Option struct {
	Name        OptionName
	Label, Hint string
}

// Option returns an option in the CRM's words; ok is false where it doesn't support it.
func (p *Provider) Option(name OptionName) (o Option, ok bool) {
	for _, o := range p.Options {
		if o.Name == name {
			return o, true
		}
	}
	return Option{}, false
}

// Fill fills in what stands for the CRM and its records in a text that is the same for
// every CRM: {CRM}, {Record} and {Records}. It begins with a capital letter then, if it
// begins with one of them.
func (p *Provider) Fill(text string) string {
	filled := strings.NewReplacer("our {CRM}", "our "+strings.TrimPrefix(p.Name, "your "), // of Any
		"{CRM}", p.Name, "{Record}", p.Record, "{Records}", p.Records).Replace(text)
	if strings.HasPrefix(text, "{") {
		first, size := utf8.DecodeRuneInString(filled)
		return string(unicode.ToUpper(first)) + filled[size:]
	}
	return filled
}

// Providers are the kinds of CRMs that there are.
type Providers []*Provider

// Of returns the CRM that is the service; nil when it is none.
func (all Providers) Of(service string) *Provider {
	for _, p := range all {
		if p.Service == service {
			return p
		}
	}
	return nil
}

// Any has the words for a CRM that isn't named: there is none yet, or there are several.
var Any = &Provider{Name: "your CRM", Record: "record", Records: "records", Access: map[string]Explanation{
	"NOT_CONNECTED": {Title: "No CRM connected yet", Label: "No CRM yet", What: "No CRM is connected yet.", Who: You,
		Mend: "Connect one under Integrations: whoever signed up waits here until then."},
}}

// For returns the CRM that is the service, or Any when it is none.
func (all Providers) For(service string) *Provider {
	if p := all.Of(service); p != nil {
		return p
	}
	return Any
}

// Services are the ids of all CRMs.
func (all Providers) Services() (ids []string) {
	for _, p := range all {
		ids = append(ids, p.Service)
	}
	return ids
}
