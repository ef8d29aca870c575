package views

import (
	"strings"

	"github.com/a-h/templ"
)

// PublicPage is what the pages for readers share. They load nothing but small stylesheets and
// the newsletter's picture. All their words come along, since they are in the newsletter's
// language.
type PublicPage struct {
	Lang   string // as HTML says it
	CSS    string // address of signup.css
	Look   string // address of a stylesheet with the newsletter's colours; empty for Gatepost's own
	Icon   string // address of icon.svg
	Device bool   // light or dark as the reader's device says; otherwise light
	Framed bool   // in a frame on somebody's page: without a ground and a card
	Script string // of a framed page: address of frame.js, which tells how high it is
	Logo   Logo
	Sender string     // who sends the newsletter; empty when unknown
	Report ReaderLink // to where one says what is wrong with a form; zero for none
}

// class is how the page is to look, beside its colours.
func (p PublicPage) class() string {
	var all []string
	if p.Device {
		all = append(all, "device")
	}
	if p.Framed {
		all = append(all, "framed")
	}
	return strings.Join(all, " ")
}

// Logo is a newsletter's picture. The zero Logo is none.
type Logo struct {
	URL           string
	Width, Height int // pixels; 0 where they aren't known
}

// SignupPage is for Signup. The form posts its fields, form_version and, with a box, consent to
// Action.
type SignupPage struct {
	PublicPage
	Title       string // of the window
	Action      string
	Newsletter  string
	Description string
	Fields      []ReaderField
	Version     string
	Consent     string // what the reader agrees to, in the words that are kept
	Box         ReaderBox
	Privacy     ReaderLink // zero for none
	Button      string
	Summary     string // what is said above a form that was sent in vain; empty else
	Time        string // when it was shown, signed; with a field that nobody sees. Empty for neither
	Trap        string // the label of that field
	Proof       ReaderProof
	Meant       MeantAddress
}

// ReaderProof are the addresses of what a form needs that asks the browser for a proof of work: its
// script, the challenge, ALTCHA's widget, and what computes. The zero ReaderProof asks for none.
type ReaderProof struct{ Script, Challenge, Widget, Worker string }

// MeantAddress asks whether another address was meant than the one that was typed; zero for no
// question. Keep and Take are the words of the buttons.
type MeantAddress struct{ Question, Typed, Keep, Address, Take string }

// FormReportPage is for FormReport, which posts the field why.
type FormReportPage struct {
	PublicPage
	Title         string // of the window
	Heading, Text string
	Action        string
	Why           ReaderField
	Button        string
}

// ReaderBox is the box to be ticked beside the words of consent.
type ReaderBox struct {
	Shown   bool // otherwise the words stand by themselves
	Ticked  bool
	Focused bool
	Error   string
}

// ReaderLink is a link to somebody's page.
type ReaderLink struct{ URL, Text string }

// ReaderFieldKind is how a field is shown.
type ReaderFieldKind int

// The kinds.
const (
	LineField   ReaderFieldKind = iota // an input of one line
	AreaField                          // several lines
	SelectField                        // one of several
	BoxesField                         // several of several
	BoxField                           // a box
	HiddenField
)

// ReaderField is a field of a form that readers fill in.
type ReaderField struct {
	Kind         ReaderFieldKind
	Name         string // also its id
	Label        string
	Optional     string // the words for that beside the label; empty for a field that is required
	Help         string
	Error        string
	Value        string
	Type         string // of a LineField, as HTML says it
	Placeholder  string
	Autocomplete string
	Keys         string // the keyboard that phones show: HTML's inputmode
	Pattern      string // a regular expression, as HTML has it
	PatternSays  string // what browsers say of what doesn't match it
	From         string // of a HiddenField: what the page around a frame fills in
	Address      bool   // an e-mail address: nothing is spelled or begun with a capital
	Options      []ReaderOption
	Focused      bool
}

// ReaderOption is what can be chosen.
type ReaderOption struct {
	Value, Label string
	Chosen       bool
}

// Problems are the fields with an error, for the summary above the form.
func (p SignupPage) problems() (all []ReaderField) {
	for _, f := range p.Fields {
		if f.Error != "" && f.Kind != HiddenField {
			all = append(all, f)
		}
	}
	if p.Box.Error != "" {
		all = append(all, ReaderField{Name: "consent", Error: p.Box.Error})
	}
	return all
}

// summary is an error with the label of its field, where that isn't as long as the words of
// consent.
func (f ReaderField) summary() string {
	if f.Label == "" {
		return f.Error
	}
	return f.Label + ": " + f.Error
}

// anchor is the id that a link to the field leads to.
func (f ReaderField) anchor() string {
	if f.Kind == BoxesField {
		return f.Name + "-1"
	}
	return f.Name
}

// describedBy names the elements that explain the field.
func (f ReaderField) describedBy() string {
	return field{Name: f.Name, Hint: f.Help, Error: f.Error}.describedBy()
}

// SignupMessagePage is for SignupMessage: what is said in place of the form.
type SignupMessagePage struct {
	PublicPage
	Title     string // of the window
	Icon      string // check, search, alert, pause
	Heading   string
	Text      string // may have several lines
	More      string // a further sentence; empty for none
	Button    ReaderLink
	Rest      ReaderLink // to leaving everything else; no URL for none
	Back      ReaderLink
	RequestID string // with the words before it
}

// PressPage is for Press: a page with one button, which a person has to press. The form posts
// opened, the button press, and the box, where there is one, sure.
type PressPage struct {
	PublicPage
	Heading string // also the window's title
	Text    string
	Doubt   string // why the box is to be ticked; empty without a box
	Box     string // the label of the box; empty for none
	Action  string
	Opened  string
	Button  string
}

// attributes are those that fields of several kinds share.
func (f ReaderField) attributes() templ.Attributes {
	a := templ.Attributes{}
	for name, value := range map[string]string{"placeholder": f.Placeholder, "autocomplete": f.Autocomplete, "inputmode": f.Keys, "pattern": f.Pattern, "title": f.PatternSays, "aria-describedby": f.describedBy()} {
		if value != "" {
			a[name] = value
		}
	}
	if f.Address {
		a["autocapitalize"], a["spellcheck"] = "none", "false"
	}
	if f.Optional == "" {
		a["required"] = true
	}
	if f.Error != "" {
		a["aria-invalid"] = "true"
	}
	if f.Focused {
		a["autofocus"] = true
	}
	return a
}
