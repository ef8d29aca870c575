package views

import (
	"strconv"
	"time"

	"github.com/a-h/templ"
)

// MappingPage is for Mapping, whose form posts csrf, for, revision, and of each row n
// target-n, source-n, text-n, rule-n, and from-n-m with value-n-m for its choices, to
// /integrations/{service}/mapping. Its buttons are named act: save, add, suggest, preview, inherit; or remove,
// with the number of a row. add is the field to be added, person whom the preview is of.
type MappingPage struct {
	Page
	Card      Integration
	CRM       CRM
	For       []Tab  // what a mapping can be for: all newsletters, and each
	Slug      string // of the newsletter that this one is for; empty for all
	Name      string // of that newsletter
	Own       bool   // it has a mapping of its own
	Revision  int64
	ChangedAt time.Time // zero when it was never saved
	ChangedBy string
	ReadAt    time.Time // when the CRM's fields were read; zero when they never were
	OtherOrg  bool      // they are another org's than the one that is connected
	Paused    []MappedPause
	Rows      []MappingRow
	More      []Option // fields that can be added
	Add       string   // that was chosen of them
	Person    string   // address that was typed for the preview
	Preview   *MappingPreview
	Suggested bool // suggestions were filled in, and not yet saved
	Unsaved   bool // what is shown was not saved
	There     bool // somebody is in the CRM already
	Actions   Actions
	Errors    FieldErrors
}

// MappedPause is a field that nothing is written into for now.
type MappedPause struct {
	Name, Why string
	Since     time.Time
}

// MappingRow is a field of the CRM with what it is filled with.
type MappingRow struct {
	N        int
	Target   string
	Name     string
	About    string // its type and length
	Hint     string // what is to be known of it
	Calls    string // what it costs beyond the calls that are made anyway
	Required bool
	Paused   bool
	Source   string
	Sources  []Option
	Text     string
	Choices  []Option // of the field, for the text
	Closed   bool     // nothing else can be chosen
	Rule     string
	Rules    []Option
	Values   []MappingValue
}

// MappingValue is a choice of the form's with the CRM's for it.
type MappingValue struct {
	M        int
	From, To string
	Options  []Option
}

// MappingPreview is what would be written of somebody.
type MappingPreview struct {
	Email     string
	PersonURL string // empty where the page of the person isn't known
	There     bool   // they have a record
	RecordURL string // its address, where it has one
	Failed    string // why nothing can be said, in sentences
	Held      string // why no new record would be made
	Lines     []PreviewLine
	Left      []string // values that would not be written, with why
}

// PreviewLine is a value with where it comes from.
type PreviewLine struct {
	Name, Key, Value, From string
}

// ApplyPage is for ApplyMapping, whose form posts csrf to /integrations/{service}/mapping/apply.
type ApplyPage struct {
	Page
	Card     Integration
	CRM      CRM
	N        int
	Estimate Estimate
	UnderWay bool
	Actions  Actions
}

func (r MappingRow) name(part string) string { return part + "-" + strconv.Itoa(r.N) }

func (r MappingRow) part(part string, v MappingValue) string {
	return r.name(part) + "-" + strconv.Itoa(v.M)
}

// target is the text that the form sends.
func (p MappingPage) revision() string { return strconv.FormatInt(p.Revision, 10) }

// source is the field that asks where the value comes from.
func (p MappingPage) source(r MappingRow) field {
	return p.one(field{Name: r.name("source"), Label: "Filled with", Value: r.Source})
}

func (p MappingPage) text(r MappingRow) field {
	f := field{Name: r.name("text"), Label: "Fixed text", Value: r.Text, Optional: true, MaxLength: 1000}
	if len(r.Choices) > 0 && !r.Closed {
		f.List = r.name("choices")
	}
	return p.one(f)
}

func (p MappingPage) rule(r MappingRow) field {
	return p.one(field{Name: r.name("rule"), Label: "Written", Value: r.Rule})
}

func (p MappingPage) value(r MappingRow, v MappingValue) field {
	return p.one(field{Name: r.part("value", v), Label: "For “" + v.From + "”", Value: v.To})
}

func (p MappingPage) one(f field) field {
	f.Error = p.Errors[f.Name]
	return f
}

// title is the heading above the rows.
func (p MappingPage) title() string {
	if p.Slug == "" {
		return "For all newsletters"
	}
	return "For " + p.Name
}

// says is what holds for the newsletter.
func (p MappingPage) says() string {
	switch {
	case p.Slug == "":
		return "Besides the address and the names, these fields of " + p.CRM.Name + " are filled in. A newsletter can have a mapping of its own, which replaces this one."
	case p.Own:
		return p.Name + " has a mapping of its own. The one for all newsletters does not count for it."
	}
	return p.Name + " goes by the mapping for all newsletters, shown here. If you save, it gets one of its own."
}

func (p MappingPage) url(action string) templ.SafeURL { return p.Card.path("mapping" + action) }

// testURL is where a test sign-up is sent.
func (p MappingPage) testURL() templ.SafeURL {
	if p.Slug == "" {
		return "/newsletter/signup"
	}
	return templ.SafeURL(Newsletter{Slug: p.Slug}.testURL())
}

// pausedText tells of fields that are left out.
func (p MappingPage) pausedText() string {
	return "Sign-ups go on arriving without " + pick(len(p.Paused), "it", "them") + ", and who arrived without is filled in later. Have the " + pick(len(p.Paused), "field", "fields") + " given back in " + p.CRM.Name + " and press Read again, or choose other fields."
}

func pick(n int, one, more string) string {
	if n == 1 {
		return one
	}
	return more
}

// takes says what applying takes.
func (p ApplyPage) text() string {
	return "Who is in " + p.CRM.Name + " already gets what the mappings say now, by their rules: what somebody changed there stays, unless a field is to be written always. Their " + p.CRM.Records + " are looked up again, and nobody is created twice."
}
