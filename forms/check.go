package forms

import (
	"slices"
	"strings"
	"unicode/utf8"

	"gatepost/input"
)

// The names in posts that are no fields'.
const (
	ConsentKey = "consent"      // that the words are agreed to
	VersionKey = "form_version" // which version was shown
	ProofKey   = "altcha"       // a proof of work, by a script of the page

	// Of our own page alone.
	TimeKey    = "form_time"     // when it was shown
	TrapKey    = "topic_of_note" // which people don't see; no password manager knows the name
	AddressKey = "address_as"    // how the address is to be spelled, of somebody who was asked
)

// OwnKeys are all of them.
var OwnKeys = []string{ConsentKey, VersionKey, ProofKey, TimeKey, TrapKey, AddressKey}

// Sent is what came, by the keys of fields.
type Sent map[string]input.Value

// Text is what somebody typed into a field, to be shown again; empty for what is no text.
func (s Sent) Text(key string) string {
	if texts := s[key].Texts; len(texts) > 0 {
		return texts[0]
	}
	return ""
}

// Problem is what is wrong with what was sent for a field. The zero Problem is nothing.
type Problem struct {
	Says  Word
	Most  int           // what Says calls {n}
	Cause input.Problem // what Says calls {what}
}

// In is the problem as a sentence.
func (p Problem) In(l Language) string {
	s := l.Say(p.Says, "n", number(p.Most))
	if p.Cause != "" {
		s = strings.ReplaceAll(s, "{what}", l.Say(causes[p.Cause]))
	}
	return s
}

// Problems are what is wrong, by the keys of fields, or ConsentKey.
type Problems map[string]Problem

// In are the problems as sentences.
func (p Problems) In(l Language) map[string]string {
	all := make(map[string]string, len(p))
	for key, problem := range p {
		all[key] = problem.In(l)
	}
	return all
}

// Check returns what was sent as it is to be stored, or what is wrong with it. What names no
// field is left alone: see Unknown.
func (d Definition) Check(sent Sent) (Values, Problems) {
	values, problems := Values{}, Problems{}
	for _, f := range d.Fields {
		value, wrong := f.Check(sent.Of(f))
		switch {
		case wrong != Problem{}:
			problems[f.Key] = wrong
		case value != "":
			values[f.ID] = value
		}
	}
	if wrong := d.Consent.check(sent[ConsentKey]); wrong != (Problem{}) {
		problems[ConsentKey] = wrong
	}
	if len(problems) > 0 {
		return nil, problems
	}
	return values, problems
}

// Unknown is a name in what was sent that nothing has or had, the first in their order; empty
// when there is none.
func (d Definition) Unknown(sent Sent) string {
	var unknown []string
	for key := range sent {
		if !d.Knows(key) {
			unknown = append(unknown, key)
		}
	}
	if len(unknown) == 0 {
		return ""
	}
	return slices.Min(unknown)
}

// Knows reports whether a name means something in posts.
func (d Definition) Knows(key string) bool {
	_, ok := d.Field(key)
	return ok || key == ConsentKey || key == VersionKey || key == ProofKey
}

// Of is what was sent for a field, by whichever of its keys.
func (s Sent) Of(f Field) input.Value {
	v := s[f.Key]
	for _, key := range f.Was {
		earlier, ok := s[key]
		switch {
		case !ok:
		case len(v.Texts) == 0 && v.Kind == input.OfForm:
			v = earlier
		case f.several():
		default:
			v.Texts = append(slices.Clone(v.Texts), earlier.Texts...)
		}
	}
	return v
}

// check is what is wrong with how the words were agreed to. Sending a form is an act by itself;
// where there is a box it has to be ticked.
func (c Consent) check(v input.Value) Problem {
	ticked, wrong := checkBox(Field{}, v)
	switch {
	case wrong != Problem{}:
		return wrong
	case ticked == "false", ticked == "" && c.Box:
		return Problem{Says: ConsentNeeded}
	}
	return Problem{}
}

// Check returns what was sent for a field as it is to be stored, empty for nothing, or what
// is wrong with it.
func (f Field) Check(v input.Value) (string, Problem) {
	k := kinds[f.Type]
	if wrong := k.refuses(v); wrong != (Problem{}) {
		return "", wrong
	}
	value, wrong := k.check(f, v)
	if wrong != (Problem{}) {
		value = ""
	}
	if f.Type == Hidden || f.Deleted && v.Kind == input.OfForm {
		return value, Problem{} // nobody sees it, so nobody could mend it
	}
	switch {
	case wrong != Problem{}:
		return "", wrong
	case f.needs(value):
		return "", Problem{Says: k.lacking(f)}
	}
	return value, Problem{}
}

// needs reports whether a value isn't enough. A box that has to be ticked is like a field that
// has to be filled in.
func (f Field) needs(value string) bool {
	return f.Required && !f.Deleted && (value == "" || f.Type == Checkbox && value != "true")
}

// several reports whether a field takes more than one value.
func (f Field) several() bool { return f.Type == Choices || f.Type == Checkbox }

// Limit is how many characters a field takes, or choices.
func (f Field) Limit() int {
	most := kinds[f.Type].most
	if f.ID == FirstNameID {
		most = mostFirstName
	}
	if f.Type == Choices {
		most = len(f.Options)
	}
	if f.Most > 0 {
		return min(f.Most, max(most, kinds[f.Type].limit))
	}
	return most
}

// one is the only text that was sent, or what is wrong.
func one(v input.Value) (string, Problem) {
	if len(v.Texts) == 0 {
		return "", Problem{}
	}
	for _, other := range v.Texts[1:] {
		if other != v.Texts[0] {
			return "", Problem{Says: Twice}
		}
	}
	return v.Texts[0], Problem{}
}

// line is the only text that was sent, as a line of it.
func line(f Field, v input.Value, bad Word) (string, Problem) {
	typed, wrong := one(v)
	if wrong != (Problem{}) {
		return "", wrong
	}
	clean, err := input.Line(typed)
	if err != nil {
		return "", unclean(bad, err)
	}
	return clean, Problem{}
}

// unclean is the problem of a text that package input refuses.
func unclean(says Word, err error) Problem {
	cause, _ := err.(input.Problem)
	return Problem{Says: says, Cause: cause}
}

// tooLong is the problem of a text with more characters than its field takes.
func (f Field) tooLong(text string, says Word) Problem {
	if utf8.RuneCountInString(text) > f.Limit() {
		return Problem{Says: says, Most: f.Limit()}
	}
	return Problem{}
}
