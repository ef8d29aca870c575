package mapping

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"gatepost/crm"
)

// MaxRows is how many rows a mapping may have.
const MaxRows = 100

// maxConstant is how many characters a constant may have.
const maxConstant = 1000

// Problem is why a mapping can't be saved as it is.
type Problem struct {
	Row    int    // counted from 0; -1 where no row is to blame
	Target string // key of the field
	Text   string // what is wrong and what to do, in sentences
	Value  string // that is to be mapped to one of the CRM's, where it is that
}

// Check returns what is wrong with a mapping, row by row, for the fields that a CRM has and
// the sources that there are.
func (all Fields) Check(m Mapping, offered []Offered) (problems []Problem) {
	seen := map[string]bool{}
	for i, r := range m.Rows {
		add := func(text, value string) { problems = append(problems, Problem{i, r.Target, text, value}) }
		f, known := all[r.Target]
		switch {
		case i >= MaxRows:
			add(fmt.Sprintf("A mapping has at most %d rows. Please remove some.", MaxRows), "")
			return problems
		case !known:
			add("This field is not there any more, or the connected user can’t see it. Choose another one, or remove the row.", "")
			continue
		case seen[r.Target]:
			add("This field is filled by another row already. Please remove one of them.", "")
			continue
		case !f.Create && !f.Update:
			add("The connected user may not write this field. Choose another one, or have the permission given.", "")
			continue
		}
		seen[r.Target] = true
		checkRule(f, r, add)
		checkSource(f, r, offered, add)
	}
	for _, f := range all.Unfilled(m) {
		problems = append(problems, Problem{-1, f.Key, f.Name() + " is required: without it no new record is made. Choose what it is filled with.", ""})
	}
	return problems
}

func checkRule(f crm.SchemaField, r Row, add func(text, value string)) {
	switch {
	case LabelOf(r.Rule) == "":
		add("Please choose when the field is written.", "")
	case r.Rule == RuleAdd && f.Type != crm.TypeChoices:
		add("Only a field with several choices can be added to. Please choose another rule.", "")
	case r.Rule != RuleCreate && !f.Update:
		add("This field can only be written when a record is made: choose “"+LabelOf(RuleCreate)+"”.", "")
	case r.Rule == RuleCreate && !f.Create:
		add("This field can only be written once the record is there: choose another rule than “"+LabelOf(RuleCreate)+"”.", "")
	}
}

func checkSource(f crm.SchemaField, r Row, offered []Offered, add func(text, value string)) {
	if r.Source.Kind == KindConstant {
		checkConstant(f, r.Source.Text, add)
		return
	}
	found := false
	for _, o := range offered {
		if o.Kind != r.Source.Kind || o.Name != r.Source.Name {
			continue
		}
		found = true
		if text, value := misfit(o, f, r.Values); text != "" {
			add(text, value)
			return
		}
		if f.Required && !o.Never {
			add(f.Name()+" is required, but “"+o.Label+"” may be empty. Make it a required field of the form, or choose something that is always there.", "")
			return
		}
	}
	if !found {
		add("Please choose what the field is filled with.", "")
	}
}

func checkConstant(f crm.SchemaField, text string, add func(text, value string)) {
	_, why := convert(text, f)
	switch {
	case strings.TrimSpace(text) == "":
		add("Please enter the text that the field is filled with.", "")
	case length(text) > maxConstant:
		add(fmt.Sprintf("Please enter at most %d characters.", maxConstant), "")
	case why == TooLong || f.Type == crm.TypeLongText && f.Length > 0 && length(text) > f.Length:
		add(fmt.Sprintf("The field takes at most %d characters.", f.Length), "")
	case why == NoChoice:
		add("“"+text+"” is not among the choices of the field: "+list(f.Values)+".", "")
	case why != "":
		add(expected[f.Type], "")
	}
}

// expected says what a constant must look like, where not any text will do.
var expected = map[crm.ValueType]string{
	crm.TypeCheckbox: "Please enter true or false.", crm.TypeDate: "Please enter a date, such as 2026-01-31.",
	crm.TypeTime: "Please enter a date, such as 2026-01-31, or a time, such as 2026-01-31T08:00:00Z.", crm.TypeNumber: "Please enter a number, such as 12.5.",
	crm.TypeInteger: "Please enter a whole number, such as 12.", crm.TypeEmail: "Please enter an e-mail address.", crm.TypeURL: "Please enter an address that begins with https://.",
	crm.TypeChoices: "Please enter one or several of the choices, with a semicolon between them.",
}

// fits are the types that a source may have for a target of a type.
var fits = map[crm.ValueType][]crm.ValueType{
	crm.TypeText:     {crm.TypeText, crm.TypeLongText, crm.TypeChoice, crm.TypeChoices, crm.TypeCheckbox, crm.TypeDate, crm.TypeTime, crm.TypeNumber, crm.TypeInteger, crm.TypeEmail, crm.TypePhone, crm.TypeURL},
	crm.TypeLongText: {crm.TypeText, crm.TypeLongText, crm.TypeChoice, crm.TypeChoices, crm.TypeCheckbox, crm.TypeDate, crm.TypeTime, crm.TypeNumber, crm.TypeInteger, crm.TypeEmail, crm.TypePhone, crm.TypeURL},
	crm.TypeChoice:   {crm.TypeChoice, crm.TypeCheckbox, crm.TypeText},
	crm.TypeChoices:  {crm.TypeChoices, crm.TypeChoice, crm.TypeCheckbox, crm.TypeText},
	crm.TypeCheckbox: {crm.TypeCheckbox, crm.TypeChoice},
	crm.TypeDate:     {crm.TypeDate, crm.TypeTime},
	crm.TypeTime:     {crm.TypeTime, crm.TypeDate},
	crm.TypeNumber:   {crm.TypeNumber, crm.TypeInteger},
	crm.TypeInteger:  {crm.TypeInteger, crm.TypeNumber},
	crm.TypeEmail:    {crm.TypeEmail},
	crm.TypePhone:    {crm.TypePhone, crm.TypeText},
	crm.TypeURL:      {crm.TypeURL, crm.TypeText},
}

// misfit says why a source can't fill a field; value is one that is to be mapped first.
func misfit(o Offered, f crm.SchemaField, mapped map[string]string) (text, value string) {
	if !slices.Contains(fits[f.Type], o.Type) {
		return "“" + o.Label + "” is " + typeNames[o.Type] + ", and the field takes " + typeNames[f.Type] + ". Please choose another one.", ""
	}
	if o.Type == crm.TypeText && f.Closed && o.Values == nil && (f.Type == crm.TypeChoice || f.Type == crm.TypeChoices) && o.Kind == KindField {
		return "“" + o.Label + "” may hold any text, and the field takes only its own choices. Make it a choice in the form, or choose another one.", ""
	}
	if f.Refers && !f.Closed && o.Values == nil {
		return "“" + o.Label + "” may hold any text, and the field takes only the id of a record. Choose a fixed text, or make it a choice in the form and map each of its values.", ""
	}
	if f.Length > 0 && o.Most > f.Length && limited(f.Type) && f.Type != crm.TypeLongText {
		return fmt.Sprintf("“%s” may have %d characters, and the field takes %d. Lower the limit in the form, or choose another field.", o.Label, o.Most, f.Length), ""
	}
	for _, v := range o.Values {
		to := v
		chosen, ok := mapped[v]
		if ok {
			to = chosen
		}
		if f.Refers && !ok {
			return "The field takes only the id of a record. Choose which of its own is written for “" + v + "”.", v
		}
		if _, why := convert(to, f); why != "" && to != "" {
			return "The field has no choice “" + to + "”. Choose which of its own is written for “" + v + "”.", v
		}
	}
	return "", ""
}

// typeNames are the types in words, behind "is" and "takes".
var typeNames = map[crm.ValueType]string{
	crm.TypeText: "a text", crm.TypeLongText: "a long text", crm.TypeChoice: "a choice", crm.TypeChoices: "several choices", crm.TypeCheckbox: "a checkbox",
	crm.TypeDate: "a date", crm.TypeTime: "a time", crm.TypeNumber: "a number", crm.TypeInteger: "a whole number", crm.TypeEmail: "an e-mail address",
	crm.TypePhone: "a phone number", crm.TypeURL: "a web address",
}

// TypeName is a type in words: "a text".
func TypeName(t crm.ValueType) string { return typeNames[t] }

// list names some choices.
func list(all []crm.Choice) string {
	var names []string
	for _, c := range all {
		if len(names) == 10 {
			names = append(names, "…")
			break
		}
		names = append(names, c.Value)
	}
	return strings.Join(names, ", ")
}

func byLabel(a, b crm.SchemaField) int {
	return cmp.Or(strings.Compare(strings.ToLower(a.Name()), strings.ToLower(b.Name())), strings.Compare(a.Key, b.Key))
}
