package forms

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"gatepost/input"
)

// typed is what a form sends.
func typed(texts ...string) input.Value { return input.Value{Texts: texts} }

// What is typed into a field of each type, and what is stored of it, or says why nothing is.
func TestTypes(t *testing.T) {
	options := []Option{{"red", "Red"}, {"blue", "Blue"}, {"a,b", "A; B"}}
	field := func(typ Type) Field { return Field{ID: "f1", Key: "x", Type: typ, Options: options} }
	required := func(f Field) Field { f.Required = true; return f }
	most := func(f Field, n int) Field { f.Most = n; return f }
	for name, tt := range map[string]struct {
		field Field
		sent  input.Value
		want  string
		says  Word
	}{
		"text":                       {field(Text), typed(" a <b>\u200b "), "a <b>", ""},
		"text, decomposed":           {field(Text), typed("Zoe\u0308"), "Zoë", ""},
		"text with a control":        {field(Text), typed("a\x00b"), "", CheckField},
		"text turned around":         {field(Text), typed("a\u202eb"), "", CheckField},
		"text of two lines":          {field(Text), typed("a\nb"), "", CheckField},
		"text, as long as may be":    {most(field(Text), 3), typed("漢é3"), "漢é3", ""},
		"text, longer":               {most(field(Text), 3), typed("abcd"), "", TooLong},
		"text, by itself too long":   {field(Text), typed(strings.Repeat("x", 256)), "", TooLong},
		"text twice the same":        {field(Text), typed("a", "a"), "a", ""},
		"text twice":                 {field(Text), typed("a", "b"), "", Twice},
		"no text":                    {field(Text), typed(), "", ""},
		"no text, required":          {required(field(Text)), typed(" \u00a0"), "", FillIn},
		"a number for a text":        {field(Text), input.Value{Kind: input.JSONNumber, Texts: []string{"1"}}, "", NotText},
		"an object for a text":       {field(Text), input.Value{Kind: input.JSONOther}, "", NotText},
		"long text":                  {field(LongText), typed("\r\n a \r\n\r\nb\u2028c\n\n"), "a\n\nb\nc", ""},
		"long text with a control":   {field(LongText), typed("a\n\x01"), "", CheckField},
		"long text, too long":        {most(field(LongText), 3), typed("a\nbc"), "", TooLong},
		"a choice":                   {field(Choice), typed("blue"), "blue", ""},
		"a choice by its label":      {field(Choice), typed("Blue"), "", NotOption},
		"no choice":                  {field(Choice), typed(""), "", ""},
		"no choice, required":        {required(field(Choice)), typed(), "", ChooseOne},
		"two choices for one":        {field(Choice), typed("red", "blue"), "", Twice},
		"choices":                    {field(Choices), typed("a,b", "red", "a,b", ""), "red;a,b", ""},
		"choices, one that isn't":    {field(Choices), typed("red", "green"), "", NotOption},
		"choices, too many":          {most(field(Choices), 1), typed("red", "blue"), "", TooMany},
		"choices, required":          {required(field(Choices)), typed(""), "", ChooseSome},
		"choices as one text":        {field(Choices), input.Value{Kind: input.JSONText, Texts: []string{"red"}}, "", NotTexts},
		"choices as JSON":            {field(Choices), input.Value{Kind: input.JSONTexts, Texts: []string{"blue", "red"}}, "red;blue", ""},
		"a ticked box":               {field(Checkbox), typed("false", "on"), "true", ""},
		"a box that isn't ticked":    {field(Checkbox), typed("false"), "false", ""},
		"a box that isn't there":     {field(Checkbox), typed(), "", ""},
		"a box, required":            {required(field(Checkbox)), typed("false"), "", TickBox},
		"a box of something else":    {field(Checkbox), typed("perhaps"), "", NotTrueOrFalse},
		"a box in JSON":              {field(Checkbox), input.Value{Kind: input.JSONBool, Texts: []string{"true"}}, "true", ""},
		"a box as text":              {field(Checkbox), input.Value{Kind: input.JSONText, Texts: []string{"true"}}, "", NotTrueOrFalse},
		"a date":                     {field(Date), typed(" 2000-02-29 "), "2000-02-29", ""},
		"a date that isn't":          {field(Date), typed("1999-02-29"), "", NotDate},
		"a date of another form":     {field(Date), typed("29.02.2000"), "", NotDate},
		"a date long ago":            {field(Date), typed("0044-03-15"), "", NotDate},
		"a number":                   {field(Number), typed(" 0042.50 "), "42.5", ""},
		"a number with a comma":      {field(Number), typed("-0,5"), "-0.5", ""},
		"nothing below zero":         {field(Number), typed("-0.0"), "0", ""},
		"a number with a sign":       {field(Number), typed("+7"), "7", ""},
		"a number with a minus sign": {field(Number), typed("\u22127"), "-7", ""},
		"a number of many digits":    {field(Number), typed("1234567890.123456"), "", NumberTooLong},
		"an exponent in a form":      {field(Number), typed("1e3"), "", NotNumber},
		"an exponent":                {field(Number), input.Value{Kind: input.JSONNumber, Texts: []string{"1.5e3"}}, "1500", ""},
		"a huge exponent":            {field(Number), input.Value{Kind: input.JSONNumber, Texts: []string{"1e400"}}, "", NotNumber},
		"no number":                  {field(Number), typed("NaN"), "", NotNumber},
		"two numbers":                {field(Number), typed("1.000.000"), "", NotNumber},
		"a number as text":           {field(Number), input.Value{Kind: input.JSONText, Texts: []string{"1"}}, "", NotNumberValue},
		"a phone":                    {field(Phone), typed("+44 (0)20 7946-0958"), "+44 (0)20 7946-0958", ""},
		"a phone of words":           {field(Phone), typed("call me"), "", NotPhone},
		"a phone of few digits":      {field(Phone), typed("+ ---- 12"), "", NotPhone},
		"a country":                  {field(Country), typed("de"), "DE", ""},
		"a country that isn't":       {field(Country), typed("ZZ"), "", NotCountry},
		"hidden":                     {Field{ID: "f1", Type: Hidden, Most: 0}, typed(" a "), "a", ""},
		"hidden, too long":           {field(Hidden), typed(strings.Repeat("漢", 300)), strings.Repeat("漢", 255), ""},
		"hidden, not to be stored":   {field(Hidden), typed("a\x00"), "", ""},
		"hidden, twice":              {field(Hidden), typed("a", "b"), "a", ""},
		"deleted and required":       {Field{ID: "f1", Type: Text, Required: true, Deleted: true}, typed(), "", ""},
	} {
		got, wrong := tt.field.Check(tt.sent)
		if got != tt.want || wrong.Says != tt.says {
			t.Errorf("%s: %q, %q; want %q, %q", name, got, wrong.Says, tt.want, tt.says)
		}
		if again, wrong := tt.field.Check(stored(tt.field, got)); got != "" && (again != got || wrong != Problem{}) {
			t.Errorf("%s: %q becomes %q, %v the next time", name, got, again, wrong)
		}
		for _, l := range Languages {
			if s := wrong.In(l.Code); (s == "") == (tt.says != "") || strings.ContainsAny(s, "{}") {
				t.Errorf("%s: %s says %q", name, l.Name, s)
			}
		}
	}
}

// stored is a value as a form would send it again.
func stored(f Field, value string) input.Value {
	if f.Type == Choices {
		return typed(strings.Split(value, Separator)...)
	}
	return typed(value)
}

func TestConsent(t *testing.T) {
	sent := Sent{EmailID: typed("jane@example.com")}
	for name, tt := range map[string]struct {
		box  bool
		says input.Value
		want Word
	}{
		"a statement":              {false, typed(), ""},
		"a statement, ticked":      {false, typed("on"), ""},
		"a statement, refused":     {false, input.Value{Kind: input.JSONBool, Texts: []string{"false"}}, ConsentNeeded},
		"a box":                    {true, typed("on"), ""},
		"a box that isn't ticked":  {true, typed(), ConsentNeeded},
		"a box in JSON":            {true, input.Value{Kind: input.JSONBool, Texts: []string{"true"}}, ""},
		"a box, refused in JSON":   {true, input.Value{Kind: input.JSONBool, Texts: []string{"false"}}, ConsentNeeded},
		"a box, as text in JSON":   {true, input.Value{Kind: input.JSONText, Texts: []string{"true"}}, NotTrueOrFalse},
		"a box, something else":    {true, typed("x"), NotTrueOrFalse},
		"a statement of something": {false, typed("x"), NotTrueOrFalse},
	} {
		d := First("I agree.")
		d.Consent.Box = tt.box
		all := maps.Clone(sent)
		all[ConsentKey] = tt.says
		values, problems := d.Check(all)
		if problems[ConsentKey].Says != tt.want || (tt.want == "") != (values[EmailID] == "jane@example.com") {
			t.Errorf("%s: %v, %v", name, values, problems)
		}
	}
}

// What a form of an earlier version sends is understood: its names, what it asked for and what
// one could choose then.
func TestEarlierVersions(t *testing.T) {
	first, faults := Next(First("One."), Definition{Consent: Consent{Words: "One."}, Fields: append(First("").Fields,
		Field{Type: Text, Label: "Company", Key: "firm"}, Field{Type: Choice, Label: "Colour", Options: []Option{{"red", "Red"}, {"blue", "Blue"}}}, Field{Type: Text, Label: "Gone"})})
	if faults != nil {
		t.Fatal(faults)
	}
	edited := first
	edited.Consent = Consent{Words: "Two.", Box: true}
	edited.Fields = slices.Clone(first.Fields[:5])
	edited.Fields[3].Key = "company"
	edited.Fields[4].Options = edited.Fields[4].Options[:1]
	edited.Fields = append(edited.Fields, Field{Type: Text, Label: "Size", Required: true})
	second, faults := Next(first, edited)
	if faults != nil {
		t.Fatal(faults)
	}
	sent := Sent{EmailID: typed("j@example.com"), "firm": typed("Contoso"), "colour": typed("blue"), "gone": typed("Yes")}
	if name := second.Unknown(sent); name != "" {
		t.Errorf("%q isn't known", name)
	}
	if _, problems := second.Check(sent); len(problems) != 3 || problems["colour"].Says != NotOption || problems["size"].Says != FillIn || problems[ConsentKey].Says != ConsentNeeded {
		t.Errorf("by the second: %v", problems)
	}
	values, problems := second.Since(first).Check(sent)
	if want := (Values{EmailID: "j@example.com", "f1": "Contoso", "f2": "blue", "f3": "Yes"}); !maps.Equal(values, want) {
		t.Errorf("by the first: %v, %v", values, problems)
	}
	both := maps.Clone(sent)
	both["company"] = typed("Fabrikam")
	if _, problems := second.Since(first).Check(both); problems["company"].Says != Twice {
		t.Errorf("both names: %v", problems)
	}
	sent["nothing"], sent["else"] = typed("x"), typed("y")
	if name := second.Unknown(sent); name != "else" {
		t.Errorf("%q isn't known", name)
	}
}
