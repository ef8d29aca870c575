package mapping

import (
	"maps"
	"slices"
	"strings"

	"gatepost/crm"
)

// Says is what somebody's sign-up for one newsletter says, by the mapping that holds for it.
type Says struct {
	Mapping
	SignUp
}

// Record is what a value is to be written into.
type Record struct {
	New     bool              // it is to be made
	Own     map[string]string // what it holds: see crm.Record.Own
	Written map[string]string // what Gatepost last wrote of each target into it, by keys
}

// Planned is a value that is to be written, and where it comes from.
type Planned struct {
	Field crm.SchemaField
	Value crm.Value
	Row   Row
	Of    int // which of the sign-ups says so, counted from 0
}

// Left is a value that is there but isn't written.
type Left struct {
	Target string
	Label  string
	Why    Reason
}

// Applied is what is to be written of somebody, in the order of keys.
type Applied struct {
	Planned []Planned
	Left    []Left
}

// Own are the values to be written, as a crm.Write has them; nil for none.
func (a Applied) Own() map[string]crm.Value {
	if len(a.Planned) == 0 {
		return nil
	}
	own := make(map[string]crm.Value, len(a.Planned))
	for _, p := range a.Planned {
		own[p.Field.Key] = p.Value
	}
	return own
}

// Apply returns what is to be written into a record of what somebody's sign-ups say, the newest
// first: the others fill in what it says nothing of. What it returns fits the fields. A target that is not among them is left out.
func (all Fields) Apply(signUps []Says, r Record) (a Applied) {
	rows := map[string]bool{}
	for _, s := range signUps {
		for _, row := range s.Rows {
			rows[row.Target] = true
		}
	}
	for _, target := range slices.Sorted(maps.Keys(rows)) {
		p, left, ok := all.plan(target, signUps)
		switch {
		case left != nil:
			a.Left = append(a.Left, *left)
		case ok && all.writes(&p, r):
			a.Planned = append(a.Planned, p)
		}
	}
	return a
}

// plan is the value of a target, by the newest sign-up that has one which fits; left is
// why none of those that there are does.
func (all Fields) plan(target string, signUps []Says) (p Planned, left *Left, ok bool) {
	f, known := all[target]
	for i, s := range signUps {
		row, mapped := s.Row(target)
		text := s.value(row)
		if !mapped || text == "" {
			continue
		}
		why := NoField
		var v crm.Value
		if known {
			v, why = convert(text, f)
		}
		switch {
		case why != "":
			if left == nil {
				left = &Left{target, row.Label, why}
			}
		case !ok:
			p, ok = Planned{f, v, row, i}, true
		case f.Type == crm.TypeChoices && p.Row.Rule == RuleAdd && row.Rule == RuleAdd:
			p.Value.Text = joined(p.Value.Text, v.Text)
		}
	}
	if ok {
		left = nil
	}
	return p, left, ok
}

// value is what a row's source holds, in the CRM's words.
func (s Says) value(r Row) string {
	text := s.of(r.Source)
	if len(r.Values) == 0 || text == "" {
		return text
	}
	if to, ok := r.Values[text]; ok {
		return to
	}
	var words []string
	for _, one := range split(text) {
		if to, ok := r.Values[one]; ok {
			one = to
		}
		words = append(words, one)
	}
	return strings.Join(words, separator)
}

// writes reports whether a value goes into a record, by its rule and what the record holds. Of
// a target that is added to, it puts what is there before it.
func (all Fields) writes(p *Planned, r Record) bool {
	if r.New {
		return p.Field.Create
	}
	if !p.Field.Update {
		return false
	}
	is, wrote := r.Own[p.Field.Key], r.Written[p.Field.Key]
	if acts(p.Field) {
		_, begun := r.Written[p.Field.Key]
		return begun && wrote == "" || p.Row.Rule != RuleCreate && !same(p.Field.Type, wrote, p.Value.Text)
	}
	switch p.Row.Rule {
	case RuleAlways:
	case RuleEmpty:
		if !isEmpty(p.Field.Type, is) && (wrote == "" || !same(p.Field.Type, is, wrote)) {
			return false
		}
	case RuleAdd:
		if p.Field.Type == crm.TypeChoices {
			p.Value.Text = joined(is, p.Value.Text)
		} else if !isEmpty(p.Field.Type, is) {
			return false
		}
	default:
		return false
	}
	return !same(p.Field.Type, is, p.Value.Text) && !(isEmpty(p.Field.Type, is) && isEmpty(p.Field.Type, p.Value.Text))
}

// joined are the choices of both, each once.
func joined(a, b string) string { return crm.JoinChoices(split(a + separator + b)) }

// Wrote is what Gatepost last wrote into a record, after what was planned was written too.
func (a Applied) Wrote(before map[string]string) map[string]string {
	if len(a.Planned) == 0 {
		return before
	}
	now := maps.Clone(before)
	if now == nil {
		now = map[string]string{}
	}
	for _, p := range a.Planned {
		now[p.Field.Key] = p.Value.Text
	}
	return now
}

// Unfinished is Wrote where the CRM took all but one field, to which it is to be given once more,
// whatever its rule. written is what Wrote returned.
func (a Applied) Unfinished(written map[string]string, field string) map[string]string {
	now := maps.Clone(written)
	if now == nil {
		now = map[string]string{}
	}
	now[field] = ""
	return now
}

// Note says which values were not written, and why; empty when all were.
func (a Applied) Note() string {
	var all []string
	for _, l := range a.Left {
		all = append(all, l.Name()+" ("+l.Why.Words()+")")
	}
	if len(all) == 0 {
		return ""
	}
	return "Not written: " + strings.Join(all, "; ") + "."
}

// Name is what the field is called.
func (l Left) Name() string {
	if l.Label != "" {
		return l.Label
	}
	return l.Target
}
