// Package mapping decides which of a CRM's own fields are given what, of what a subscriber
// filled in and of what is known of their sign-up. It is pure: it knows the CRM's fields and
// the newsletter's form as data, no database and no HTTP.
package mapping

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"

	"gatepost/crm"
)

// Mapping says what goes into which of the CRM's fields. The address and the two names are
// not among them: they go by the destination's settings.
type Mapping struct {
	Rows []Row `json:"rows"` // each target once
}

// Row fills one field of the CRM.
type Row struct {
	Target string            `json:"target"`           // crm.SchemaField.Key
	Type   crm.ValueType     `json:"type"`             // of the target, when the mapping was saved
	Label  string            `json:"label,omitempty"`  // likewise: what to call a field that is gone
	Source Source            `json:"source"`           // what it is filled with
	Rule   Rule              `json:"rule"`             // when
	Values map[string]string `json:"values,omitempty"` // a value of the source's, and the CRM's for it
}

// Source is where the value of a Row comes from.
type Source struct {
	Kind Kind   `json:"kind"`
	Name string `json:"name,omitempty"` // of a field its key, of a fact its name
	Text string `json:"text,omitempty"` // of a constant, as the target's type is written down
}

// Kind says what a Source is.
type Kind string

// The kinds of sources.
const (
	KindField    Kind = "field"    // of the newsletter's form, by its key
	KindFact     Kind = "fact"     // what is known of the sign-up: see Facts
	KindConstant Kind = "constant" // always the same text
)

// Rule says when a target is written.
type Rule string

// The rules. Into a new record all of them write.
const (
	RuleCreate Rule = "create" // never into a record that is there
	RuleEmpty  Rule = "empty"  // where it is empty, or holds still what Gatepost wrote last
	RuleAlways Rule = "always"
	RuleAdd    Rule = "add" // of several choices: beside those that are there
)

// RuleInfo is a rule in words.
type RuleInfo struct {
	Rule  Rule
	Label string
}

// Rules are all rules, the default first.
var Rules = []RuleInfo{
	{RuleEmpty, "When empty"},
	{RuleCreate, "Only when creating"},
	{RuleAlways, "Always"},
	{RuleAdd, "Add to what is there"},
}

// LabelOf is what a rule is called; empty for what is none.
func LabelOf(r Rule) string {
	i := slices.IndexFunc(Rules, func(i RuleInfo) bool { return i.Rule == r })
	if i < 0 {
		return ""
	}
	return Rules[i].Label
}

// Name is what the row's field is called.
func (r Row) Name() string { return cmp.Or(r.Label, r.Target) }

// Parse reads a mapping as Stored writes it; an empty text is an empty mapping.
func Parse(stored string) (m Mapping, err error) {
	if stored != "" {
		err = json.Unmarshal([]byte(stored), &m)
	}
	return m, err
}

// Stored is the mapping as JSON.
func (m Mapping) Stored() (string, error) {
	b, err := json.Marshal(m)
	return string(b), err
}

// Row returns the row of a target.
func (m Mapping) Row(target string) (r Row, ok bool) {
	i := slices.IndexFunc(m.Rows, func(r Row) bool { return r.Target == target })
	if i < 0 {
		return Row{}, false
	}
	return m.Rows[i], true
}

// Fields are a CRM's fields by their keys.
type Fields map[string]crm.SchemaField

// Index returns the fields of a schema by their keys.
func Index(s crm.Schema) Fields {
	all := make(Fields, len(s.Fields))
	for _, f := range s.Fields {
		all[f.Key] = f
	}
	return all
}

// Reads are the keys of those targets of some mappings that are to be read of a record, with their
// types: all that can be. What is only written when a record is made is read as well, since a CRM may drop
// a field that it doesn't know without a word, and not ask for it.
func (all Fields) Reads(of ...Mapping) (keys map[string]crm.ValueType) {
	for _, m := range of {
		for _, r := range m.Rows {
			if f, there := all[r.Target]; there && !acts(f) {
				if keys == nil {
					keys = map[string]crm.ValueType{}
				}
				keys[f.Key] = f.Type
			}
		}
	}
	return keys
}

// acts reports whether a field is none, but something that the CRM does with a record: what was
// done can't be read.
func acts(f crm.SchemaField) bool { return strings.HasPrefix(f.Key, ":") }

// Unfilled are the fields without which the CRM takes no new record, and which none of a
// mapping's rows fills.
func (all Fields) Unfilled(m Mapping) (lacking []crm.SchemaField) {
	for _, f := range all {
		if _, filled := m.Row(f.Key); f.Required && f.Create && !filled {
			lacking = append(lacking, f)
		}
	}
	slices.SortFunc(lacking, byLabel)
	return lacking
}
