package views

import (
	"net/url"
	"slices"
	"strconv"
	"time"
)

// TestSignupPage is for TestSignup. The form posts newsletter (a slug), shown (the one whose fields
// are on the page), its fields and csrf to /newsletter/signup; with act, which is fields, to see those
// of the newsletter alone.
type TestSignupPage struct {
	Page
	Newsletters []Option      // slugs and names; a single one is not asked for
	Newsletter  string        // slug of the one that is chosen, whose fields these are
	Fields      []ReaderField // an error of theirs is in Errors
	OtherFields bool          // another newsletter was chosen, with fields that weren't on the page
	Errors      FieldErrors
	Unconnected []CRM     // those that a sign-up has to wait for
	Progress    *Progress // of the sample that was sent last
}

// Progress is for ProgressCard, which polls StatusURL until the delivery is
// final. Answer it with 204 when Version is still the query's seen, otherwise
// with ProgressCard.
type Progress struct {
	CRM        CRM
	StatusURL  string // GET, without query
	RefreshURL string // of the whole page, for browsers without script
	Email      string
	Newsletter string
	PersonURL  string    // the subscriber's page
	Repeated   bool      // the address was there already
	StoredAt   time.Time // the sign-up, not an earlier one of the same address
	Deliveries []TestDelivery
	UndoURL    string // of the page that asks whether to undo it; empty when it can't be
	Undo       *Undo  // somebody wants it undone
}

// TestDelivery is how far a test has come into one CRM.
type TestDelivery struct {
	CRM     CRM
	State   State
	SentAt  time.Time // zero when it was not sent to the CRM yet
	DoneAt  time.Time // zero unless delivered
	Record  Record    // when delivered
	Reason  string    // why it waits or needs attention
	Mend    string    // what to do about it
	NextTry time.Time // zero when unknown
	Found   bool      // it has arrived, in a record that was there before, as far as we know
}

// Undo is how far undoing a test sign-up is.
type Undo struct {
	AskedAt time.Time
	EndedAt time.Time // zero while it is under way
	Stays   bool      // the subscriber stays, since it was signed up again meanwhile
	Records []UndoneRecord
}

// UndoneRecord is what becomes of the record in one CRM.
type UndoneRecord struct {
	CRM    CRM
	Reason string // why it takes long, if it does
	Mend   string // what to do about that
	Fate   string // what became of it, in a sentence
	Code   string // the CRM's, when it refused to delete it
}

// UndoTestPage is for UndoTest. The form posts csrf to /newsletter/signup/{id}/undo.
type UndoTestPage struct {
	Page
	ID         string
	Email      string
	Newsletter string
	Records    []UndoableRecord
}

// UndoableRecord is what is known of the record in one CRM.
type UndoableRecord struct {
	CRM  CRM
	Sent bool // it is in the CRM
	Made bool // in a record that Gatepost made
}

// Version changes whenever the card would look different.
func (p Progress) Version() string { return digest(p) }

// Final says whether the delivery, or undoing it, has come to its end, so that nothing
// more needs to be asked.
func (p Progress) Final() bool {
	if p.Undo != nil {
		return !p.Undo.EndedAt.IsZero()
	}
	for _, d := range p.Deliveries {
		if d.State.Waits {
			return false
		}
	}
	return true
}

func (p Progress) pollURL() string {
	return p.StatusURL + "?seen=" + url.QueryEscape(p.Version())
}

// every is how often to ask: often while something is about to happen, less
// often while the delivery is paused.
func (p Progress) every() string {
	if p.Undo != nil && !p.Undo.late() {
		return "every 1s"
	}
	for _, d := range p.Deliveries {
		if d.onItsWay() {
			return "every 1s"
		}
	}
	return "every 5s"
}

// late reports whether something keeps a record from being deleted.
func (u Undo) late() bool {
	return slices.ContainsFunc(u.Records, func(r UndoneRecord) bool { return r.Reason != "" })
}

// fates say what became of the records.
func (u Undo) fates() string {
	var all []string
	for _, r := range u.Records {
		all = append(all, r.Fate)
	}
	return sentences(all...)
}

// onItsWay reports whether nothing is in the way of a test.
func (p TestDelivery) onItsWay() bool { return p.State.Waits && p.Reason == "" }

func (p TestDelivery) unsentTitle() string {
	if p.onItsWay() {
		return "On its way to " + p.CRM.Name
	}
	return "Not sent yet"
}

func (p TestDelivery) unsentText() string {
	if p.onItsWay() {
		return "This takes a second or two."
	}
	return ""
}

func (p TestDelivery) foundText(repeated bool) string {
	if p.Found && !repeated {
		return capitalised(p.CRM.Name) + " had a " + p.CRM.Record + " with this address already, so none was made."
	}
	return ""
}

// stuckText says why a test goes no further, and what to do.
func (p TestDelivery) stuckText() string {
	switch {
	case p.State.Meaning == "":
		return p.Reason + " " + p.Mend
	case p.State.Retry:
		return p.State.Meaning + " To have it sent after all, view the subscriber and choose “" + p.State.Return + "”."
	}
	return p.State.Meaning
}

func (p UndoTestPage) testURL() string {
	return "/newsletter/signup?sample=" + url.QueryEscape(p.ID)
}

func (p UndoTestPage) undoURL() string {
	return "/newsletter/signup/" + url.PathEscape(p.ID) + "/undo"
}

// text says what is deleted, and what isn't.
func (p UndoTestPage) text() string {
	all := []string{"The subscriber is deleted here with its timeline."}
	for _, r := range p.Records {
		all = append(all, r.text())
	}
	return sentences(all...)
}

func (r UndoableRecord) text() string {
	switch {
	case r.Made:
		return "The " + r.CRM.Record + " that Gatepost made for it is deleted in " + r.CRM.Name + " too, unless somebody has changed it since or the address is on another newsletter. What ran in " + r.CRM.Name + " when it was made, such as welcome mails or tasks, can’t be undone."
	case r.Sent:
		return "The " + r.CRM.Record + " stays in " + r.CRM.Name + ": it was there before, or Gatepost can’t be sure that it made it."
	}
	return "It has not been sent to " + r.CRM.Name + "."
}

// inOrder are the fields with their errors. The focus is on the first that has one, or, on a page
// that is opened to fill it in, on the first.
func (p TestSignupPage) inOrder() []ReaderField {
	all, focused := slices.Clone(p.Fields), false
	for i := range all {
		f := &all[i]
		f.Error = p.Errors[f.Name]
		f.Focused = !focused && (f.Error != "" || len(p.Errors) == 0 && p.Progress == nil && i == 0)
		focused = focused || f.Focused
	}
	return all
}

// field is a reader's field as the portal shows it: what is typed is somebody else's, so the browser
// is not to fill it in.
func (f ReaderField) field() field {
	kind := f.Type
	if f.Address {
		kind = "email"
	}
	return field{Name: f.Name, Label: f.Label, Type: kind, Value: f.Value, Hint: f.Help, Error: f.Error, Autocomplete: "off", Optional: f.Optional != "", Focus: f.Focused}
}

// selectFrom is a field of which one option is chosen, with all of them.
func (f ReaderField) selectFrom() (of field, all []Option) {
	of = f.field()
	for _, o := range f.Options {
		if all = append(all, Option{Value: o.Value, Text: o.Label}); o.Chosen {
			of.Value = o.Value
		}
	}
	return of, all
}

// box is the box of a field's option with a number; of a field that is one box, the only one.
func (f ReaderField) box(i int) Choice {
	c := Choice{Name: f.Name, Checkbox: true, Invalid: f.Error != "", Focus: f.Focused && i == 0}
	if f.Kind == BoxField {
		c.ID, c.Value, c.Label, c.Checked, c.By = f.Name, "true", f.Label, f.Value == "true", f.describedBy()
		return c
	}
	o := f.Options[i]
	c.ID, c.Value, c.Label, c.Checked = f.Name+"-"+strconv.Itoa(i+1), o.Value, o.Label, o.Chosen
	return c
}
