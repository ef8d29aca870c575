package mapping

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"gatepost/crm"
	"gatepost/forms"
)

var update = flag.Bool("update", false, "write the golden files anew")

// sample has a row of each kind of source and of each rule.
var sample = Mapping{Rows: []Row{
	{Target: "Company", Type: crm.TypeText, Label: "Company", Source: Source{Kind: KindField, Name: "company"}, Rule: RuleEmpty},
	{Target: "Source", Type: crm.TypeChoice, Label: "Lead source", Source: Source{Kind: KindConstant, Text: "Newsletter"}, Rule: RuleCreate},
	{Target: "Agreed", Type: crm.TypeTime, Source: Source{Kind: KindFact, Name: FactConsentTime}, Rule: RuleAlways},
	{Target: "Topics", Type: crm.TypeChoices, Source: Source{Kind: KindField, Name: "topics"}, Rule: RuleAdd, Values: map[string]string{"go": "Go & co", "web": "Web"}},
}}

// What is stored is read by later versions: a change of it needs a migration.
func TestStoredMapping(t *testing.T) {
	const golden = "testdata/mapping.json"
	text, err := sample.Stored()
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(golden, []byte(text+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil || text+"\n" != string(want) {
		t.Errorf("got %s, want %s, %v", text, want, err)
	}
	m, err := Parse(string(want))
	if again, _ := m.Stored(); err != nil || again != text {
		t.Errorf("read as %s, %v", again, err)
	}
	if m, err := Parse(""); err != nil || len(m.Rows) > 0 {
		t.Errorf("got %+v, %v", m, err)
	}
	if _, err := Parse("{"); err == nil {
		t.Error("half a mapping was read")
	}
}

func field(t crm.ValueType, change func(*crm.SchemaField)) crm.SchemaField {
	f := crm.SchemaField{Key: "F", Label: "Field", Type: t, Create: true, Update: true}
	if change != nil {
		change(&f)
	}
	return f
}

func closed(values ...string) func(*crm.SchemaField) {
	return func(f *crm.SchemaField) {
		f.Closed = true
		for _, v := range values {
			f.Values = append(f.Values, crm.Choice{Value: v})
		}
	}
}

func of(n int) func(*crm.SchemaField) { return func(f *crm.SchemaField) { f.Length = n } }

func TestConvert(t *testing.T) {
	for _, c := range []struct {
		f    crm.SchemaField
		from string
		to   string
		why  Reason
	}{
		{field(crm.TypeText, nil), " a \n b ", "a b", ""},
		{field(crm.TypeText, of(5)), "12345", "12345", ""},
		{field(crm.TypeText, of(5)), "123456", "", TooLong},
		{field(crm.TypeText, of(2)), "😀", "😀", ""},
		{field(crm.TypeText, of(2)), "a😀", "", TooLong},
		{field(crm.TypeText, nil), "  ", "", WrongType},
		{field(crm.TypeLongText, of(5)), "123456", "1234…", ""},
		{field(crm.TypeLongText, of(5)), "12 345", "12 3…", ""},
		{field(crm.TypeLongText, of(4)), "12 345", "12…", ""},
		{field(crm.TypeLongText, of(3)), "a😀b", "a…", ""},
		{field(crm.TypeLongText, of(1)), "ab", "…", ""},
		{field(crm.TypeLongText, nil), "a\nb", "a\nb", ""},
		{field(crm.TypeDate, nil), "2026-02-03", "2026-02-03", ""},
		{field(crm.TypeDate, nil), "2026-02-03T23:30:00-02:00", "2026-02-04", ""},
		{field(crm.TypeDate, nil), "3.2.2026", "", WrongType},
		{field(crm.TypeDate, nil), "2026-02-30", "", WrongType},
		{field(crm.TypeDate, nil), "0001-01-01", "", WrongType},
		{field(crm.TypeTime, nil), "2026-02-03", "2026-02-03T00:00:00Z", ""},
		{field(crm.TypeTime, nil), "2026-02-03T01:00:00.5+02:00", "2026-02-02T23:00:00Z", ""},
		{field(crm.TypeCheckbox, nil), "true", "true", ""},
		{field(crm.TypeCheckbox, nil), "yes", "", WrongType},
		{field(crm.TypeNumber, nil), "12.50", "12.5", ""},
		{field(crm.TypeNumber, nil), "-0", "0", ""},
		{field(crm.TypeNumber, nil), "1e999", "", WrongType},
		{field(crm.TypeNumber, nil), "NaN", "", WrongType},
		{field(crm.TypeInteger, nil), "12.0", "12", ""},
		{field(crm.TypeInteger, nil), "12.5", "", WrongType},
		{field(crm.TypeChoice, closed("a")), "a", "a", ""},
		{field(crm.TypeChoice, closed("a")), "b", "", NoChoice},
		{field(crm.TypeChoice, nil), "b", "b", ""},
		{field(crm.TypeChoices, closed("a", "b")), "b; a;b", "a;b", ""},
		{field(crm.TypeChoices, closed("a")), "a;b", "", NoChoice},
		{field(crm.TypeChoices, nil), ";", "", WrongType},
		{field(crm.TypeURL, nil), "https://contoso.example/a", "https://contoso.example/a", ""},
		{field(crm.TypeURL, nil), "javascript:alert(1)", "", WrongType},
		{field(crm.TypeEmail, nil), "a@contoso.example", "a@contoso.example", ""},
		{field(crm.TypeEmail, nil), "A <a@contoso.example>", "", WrongType},
	} {
		v, why := convert(c.from, c.f)
		if why != c.why || why == "" && v.Text != c.to {
			t.Errorf("%s of %d: %q became %q, %q; want %q, %q", c.f.Type, c.f.Length, c.from, v.Text, why, c.to, c.why)
		}
	}
}

func TestRules(t *testing.T) {
	for _, c := range []struct {
		name  string
		rule  Rule
		f     crm.SchemaField
		says  string
		is    string // in the record
		wrote string
		isNew bool
		want  string // empty when nothing is written
	}{
		{"a new record has all", RuleCreate, field(crm.TypeText, nil), "Contoso", "", "", true, "Contoso"},
		{"not where that isn't allowed", RuleEmpty, field(crm.TypeText, func(f *crm.SchemaField) { f.Create = false }), "Contoso", "", "", true, ""},
		{"create leaves what is there", RuleCreate, field(crm.TypeText, nil), "Contoso", "", "", false, ""},
		{"empty fills in", RuleEmpty, field(crm.TypeText, nil), "Contoso", "", "", false, "Contoso"},
		{"empty leaves what somebody typed", RuleEmpty, field(crm.TypeText, nil), "Contoso", "Fabrikam", "", false, ""},
		{"empty leaves what somebody changed", RuleEmpty, field(crm.TypeText, nil), "Contoso", "Fabrikam", "Contoso", false, ""},
		{"empty changes what we wrote", RuleEmpty, field(crm.TypeText, nil), "Contoso", "Fabrikam", "Fabrikam", false, "Contoso"},
		{"empty knows what we wrote by its meaning", RuleEmpty, field(crm.TypeTime, nil), "2026-02-04", "2026-02-03T00:00:00Z", "2026-02-03", false, "2026-02-04T00:00:00Z"},
		{"what is there already isn't written", RuleAlways, field(crm.TypeText, nil), "Contoso", "Contoso", "", false, ""},
		{"nor what means the same", RuleAlways, field(crm.TypeNumber, nil), "12.0", "12", "", false, ""},
		{"nor with other line ends", RuleAlways, field(crm.TypeLongText, nil), "a\nb", "a\r\nb\r\n", "", false, ""},
		{"nor in another order", RuleAlways, field(crm.TypeChoices, nil), "b;a", "a;b", "", false, ""},
		{"always changes", RuleAlways, field(crm.TypeText, nil), "Contoso", "Fabrikam", "", false, "Contoso"},
		{"not what can't be changed", RuleAlways, field(crm.TypeText, func(f *crm.SchemaField) { f.Update = false }), "Contoso", "Fabrikam", "", false, ""},
		{"an unticked box is empty", RuleEmpty, field(crm.TypeCheckbox, nil), "true", "false", "", false, "true"},
		{"and needs no tick taken away", RuleAlways, field(crm.TypeCheckbox, nil), "false", "", "", false, ""},
		{"always takes a tick away", RuleAlways, field(crm.TypeCheckbox, nil), "false", "true", "", false, "false"},
		{"add keeps what is there", RuleAdd, field(crm.TypeChoices, nil), "b;c", "a;b", "", false, "a;b;c"},
		{"add writes nothing twice", RuleAdd, field(crm.TypeChoices, nil), "b", "a;b", "", false, ""},
		{"add begins a new one", RuleAdd, field(crm.TypeChoices, nil), "b", "", "", true, "b"},
		{"add to one value fills in", RuleAdd, field(crm.TypeText, nil), "b", "a", "", false, ""},
		{"no rule writes nothing", "", field(crm.TypeText, nil), "b", "", "", false, ""},
		{"nothing said is nothing written", RuleAlways, field(crm.TypeText, nil), "", "a", "a", false, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			all := Fields{"F": c.f}
			m := Mapping{Rows: []Row{{Target: "F", Type: c.f.Type, Source: Source{Kind: KindField, Name: "f"}, Rule: c.rule}}}
			r := Record{New: c.isNew, Own: map[string]string{"F": c.is}, Written: map[string]string{"F": c.wrote}}
			a := all.Apply([]Says{{m, SignUp{Values: map[string]string{"f": c.says}}}}, r)
			if got := a.Own()["F"].Text; got != c.want {
				t.Errorf("writes %q, want %q", got, c.want)
			}
			wrote := c.want
			if wrote == "" {
				wrote = c.wrote
			}
			if got := a.Wrote(r.Written)["F"]; got != wrote || r.Written["F"] != c.wrote {
				t.Errorf("wrote %q, want %q, before %q", got, wrote, r.Written["F"])
			}
		})
	}
}

// The newest sign-up says first what a field holds, and the others fill in what it leaves open.
func TestSeveralSignUps(t *testing.T) {
	all := Fields{"A": field(crm.TypeText, nil), "B": field(crm.TypeText, of(3)), "C": field(crm.TypeChoices, closed("x", "y")), "D": field(crm.TypeText, nil)}
	for k, f := range all {
		f.Key = k
		all[k] = f
	}
	row := func(target string, rule Rule) Row {
		return Row{Target: target, Label: "Field " + target, Source: Source{Kind: KindField, Name: strings.ToLower(target)}, Rule: rule, Values: map[string]string{"ex": "x"}}
	}
	newest := Says{Mapping{Rows: []Row{row("A", RuleEmpty), row("B", RuleEmpty), row("C", RuleAdd), row("Gone", RuleEmpty)}}, SignUp{Values: map[string]string{"b": "long", "c": "ex", "gone": "1"}}}
	older := Says{Mapping{Rows: []Row{row("A", RuleEmpty), row("B", RuleEmpty), row("C", RuleAdd), row("D", RuleEmpty)}}, SignUp{Values: map[string]string{"a": "a", "b": "ok", "c": "y;ex", "d": "d"}}}
	a := all.Apply([]Says{newest, older}, Record{New: true})
	got := map[string]string{}
	for k, v := range a.Own() {
		got[k] = v.Text
	}
	if want := map[string]string{"A": "a", "B": "ok", "C": "x;y", "D": "d"}; !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if a.Note() != "Not written: Field Gone (the field is not there any more, or can’t be written)." {
		t.Errorf("got %q", a.Note())
	}
	if p := a.Planned[0]; p.Of != 1 || p.Row.Source.Name != "a" {
		t.Errorf("A comes from %+v", p)
	}
	if (Applied{}).Own() != nil || (Applied{}).Note() != "" || (Applied{}).Wrote(nil) != nil {
		t.Error("nothing is something")
	}
}

func TestSaid(t *testing.T) {
	form := forms.Definition{Fields: []forms.Field{{ID: "1", Key: "company", Was: []string{"firm"}, Type: forms.Text}, {ID: "2", Key: "src", Type: forms.Hidden, From: "utm_source"}}}
	s := Said(forms.Values{"1": "Contoso", "2": "ad", "3": "lost"}, form, KeysOf(form), map[string]string{FactNewsletter: "Weekly"})
	for _, c := range []struct {
		from Source
		want string
	}{
		{Source{Kind: KindField, Name: "company"}, "Contoso"}, {Source{Kind: KindField, Name: "firm"}, "Contoso"}, {Source{Kind: KindField, Name: "src"}, "ad"},
		{Source{Kind: KindFact, Name: "utm_source"}, "ad"}, {Source{Kind: KindFact, Name: FactNewsletter}, "Weekly"}, {Source{Kind: KindFact, Name: "utm_medium"}, ""},
		{Source{Kind: KindConstant, Text: "x"}, "x"}, {Source{Kind: KindField, Name: "3"}, ""},
	} {
		if got := s.of(c.from); got != c.want {
			t.Errorf("%+v is %q, want %q", c.from, got, c.want)
		}
	}
}

func TestReadsAndUnfilled(t *testing.T) {
	all := Index(crm.Schema{Fields: []crm.SchemaField{{Key: "A", Create: true, Update: true}, {Key: "B", Type: crm.TypeText, Create: true, Update: true, Required: true, Label: "b"}, {Key: ":B", Update: true}, {Key: "C", Create: true, Required: true, Label: "a"}}})
	m := Mapping{Rows: []Row{{Target: "B", Rule: RuleEmpty}, {Target: "A", Rule: RuleCreate}, {Target: "C", Rule: RuleEmpty}, {Target: "Gone", Rule: RuleAlways}, {Target: ":B", Rule: RuleAlways}}}
	if got := all.Reads(m, m); len(got) != 3 || got["B"] != crm.TypeText {
		t.Errorf("reads %v", got)
	}
	if got := all.Unfilled(m); len(got) != 0 {
		t.Errorf("unfilled %v", got)
	}
	if got := all.Unfilled(Mapping{}); len(got) != 2 || got[0].Key != "C" {
		t.Errorf("unfilled %v", got)
	}
}

func TestCheck(t *testing.T) {
	form := forms.Definition{Fields: []forms.Field{
		{ID: "email", Key: "email", Type: forms.Email},
		{ID: "1", Key: "company", Type: forms.Text, Label: "Company", Most: 80},
		{ID: "2", Key: "topics", Type: forms.Choices, Label: "Topics", Options: []forms.Option{{Value: "go"}, {Value: "web"}}},
		{ID: "3", Key: "since", Type: forms.Date, Label: "Since", Required: true},
		{ID: "4", Key: "old", Type: forms.Text, Label: "Old", Deleted: true},
		{ID: "5", Key: "vip", Type: forms.Checkbox, Label: "VIP"},
	}}
	offered := Offer(form)
	from := func(key string) Source { return Source{Kind: KindField, Name: key} }
	text := func(s string) Source { return Source{Kind: KindConstant, Text: s} }
	for _, c := range []struct {
		name string
		f    crm.SchemaField
		row  Row
		want string // part of what is said; empty when nothing is wrong
	}{
		{"fits", field(crm.TypeText, of(80)), Row{Source: from("company"), Rule: RuleEmpty}, ""},
		{"shorter than the form's", field(crm.TypeText, of(79)), Row{Source: from("company"), Rule: RuleEmpty}, "“Company” may have 80 characters, and the field takes 79."},
		{"a long text is cut", field(crm.TypeLongText, of(79)), Row{Source: from("company"), Rule: RuleEmpty}, ""},
		{"wrong type", field(crm.TypeDate, nil), Row{Source: from("company"), Rule: RuleEmpty}, "“Company” is a text, and the field takes a date."},
		{"a choice is needed", field(crm.TypeChoice, closed("a")), Row{Source: from("company"), Rule: RuleEmpty}, "may hold any text"},
		{"a date as a time", field(crm.TypeTime, nil), Row{Source: from("since"), Rule: RuleEmpty}, ""},
		{"choices that the CRM lacks", field(crm.TypeChoices, closed("go")), Row{Source: from("topics"), Rule: RuleEmpty}, "no choice “web”"},
		{"mapped to one that it lacks", field(crm.TypeChoices, closed("go")), Row{Source: from("topics"), Rule: RuleEmpty, Values: map[string]string{"web": "Web"}}, "no choice “Web”. Choose which of its own is written for “web”"},
		{"mapped", field(crm.TypeChoices, closed("go", "Web")), Row{Source: from("topics"), Rule: RuleAdd, Values: map[string]string{"web": "Web"}}, ""},
		{"mapped to nothing", field(crm.TypeChoices, closed("go")), Row{Source: from("topics"), Rule: RuleAdd, Values: map[string]string{"web": ""}}, ""},
		{"several into one", field(crm.TypeChoice, closed("go", "web")), Row{Source: from("topics"), Rule: RuleEmpty}, "“Topics” is several choices, and the field takes a choice."},
		{"a box as a choice", field(crm.TypeChoice, closed("Yes", "No")), Row{Source: from("vip"), Rule: RuleEmpty, Values: map[string]string{"true": "Yes", "false": "No"}}, ""},
		{"a box as a choice, half of it", field(crm.TypeChoice, closed("Yes", "No")), Row{Source: from("vip"), Rule: RuleEmpty, Values: map[string]string{"true": "Yes"}}, "“false”"},
		{"ids of records, of a text", field(crm.TypeChoice, func(f *crm.SchemaField) { f.Refers = true }), Row{Source: from("company"), Rule: RuleEmpty}, "takes only the id of a record"},
		{"ids of records, of a fact", field(crm.TypeChoice, func(f *crm.SchemaField) { f.Refers = true }), Row{Source: Source{Kind: KindFact, Name: FactSource}, Rule: RuleEmpty}, "takes only the id of a record"},
		{"ids of records, half mapped", field(crm.TypeChoice, func(f *crm.SchemaField) { f.Refers = true }), Row{Source: from("vip"), Rule: RuleEmpty, Values: map[string]string{"true": "0051"}}, "written for “false”"},
		{"ids of records, mapped", field(crm.TypeChoice, func(f *crm.SchemaField) { f.Refers = true }), Row{Source: from("vip"), Rule: RuleEmpty, Values: map[string]string{"true": "0051", "false": ""}}, ""},
		{"an id", field(crm.TypeChoice, func(f *crm.SchemaField) { f.Refers = true }), Row{Source: text("0051"), Rule: RuleEmpty}, ""},
		{"a long choice", field(crm.TypeChoices, of(2)), Row{Source: text("ab;abc"), Rule: RuleAdd}, "at most 2 characters"},
		{"short choices", field(crm.TypeChoices, of(2)), Row{Source: text("ab;bc"), Rule: RuleAdd}, ""},
		{"no such source", field(crm.TypeText, nil), Row{Source: from("nothing"), Rule: RuleEmpty}, "choose what the field is filled with"},
		{"a deleted field", field(crm.TypeText, nil), Row{Source: from("old"), Rule: RuleEmpty}, "choose what the field is filled with"},
		{"the address is no source", field(crm.TypeText, nil), Row{Source: from("email"), Rule: RuleEmpty}, "choose what the field is filled with"},
		{"a fact", field(crm.TypeTime, nil), Row{Source: Source{Kind: KindFact, Name: FactConsentTime}, Rule: RuleAlways}, ""},
		{"no rule", field(crm.TypeText, nil), Row{Source: from("company")}, "choose when"},
		{"add to one value", field(crm.TypeText, nil), Row{Source: from("company"), Rule: RuleAdd}, "several choices can be added to"},
		{"can't be changed", field(crm.TypeText, func(f *crm.SchemaField) { f.Update = false }), Row{Source: from("company"), Rule: RuleEmpty}, "only be written when a record is made"},
		{"can't be made", field(crm.TypeText, func(f *crm.SchemaField) { f.Create = false }), Row{Source: from("company"), Rule: RuleCreate}, "only be written once the record is there"},
		{"can't be written", field(crm.TypeText, func(f *crm.SchemaField) { f.Create, f.Update = false, false }), Row{Source: from("company"), Rule: RuleCreate}, "may not write"},
		{"no such field", crm.SchemaField{Key: "Other"}, Row{Source: from("company"), Rule: RuleCreate}, "not there any more"},
		{"a required one that may be empty", field(crm.TypeText, func(f *crm.SchemaField) { f.Required = true }), Row{Source: from("company"), Rule: RuleCreate}, "may be empty"},
		{"a required one", field(crm.TypeDate, func(f *crm.SchemaField) { f.Required = true }), Row{Source: from("since"), Rule: RuleCreate}, ""},
		{"a constant", field(crm.TypeChoice, closed("Web")), Row{Source: text("Web"), Rule: RuleCreate}, ""},
		{"a constant that is none of the choices", field(crm.TypeChoice, closed("Web")), Row{Source: text("Net"), Rule: RuleCreate}, "“Net” is not among the choices of the field: Web."},
		{"an empty constant", field(crm.TypeText, nil), Row{Source: text(" "), Rule: RuleCreate}, "enter the text"},
		{"a long constant", field(crm.TypeText, of(2)), Row{Source: text("abc"), Rule: RuleCreate}, "at most 2 characters"},
		{"one that would be cut", field(crm.TypeLongText, of(2)), Row{Source: text("abc"), Rule: RuleCreate}, "at most 2 characters"},
		{"far too long", field(crm.TypeText, nil), Row{Source: text(strings.Repeat("a", 1001)), Rule: RuleCreate}, "at most 1000"},
		{"a constant date", field(crm.TypeDate, nil), Row{Source: text("soon"), Rule: RuleCreate}, "such as 2026-01-31"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.row.Target = "F"
			problems := Index(crm.Schema{Fields: []crm.SchemaField{c.f}}).Check(Mapping{Rows: []Row{c.row}}, offered)
			said := ""
			for _, p := range problems {
				said += p.Text
			}
			if c.want == "" && said != "" || !strings.Contains(said, c.want) {
				t.Errorf("said %q, want %q", said, c.want)
			}
		})
	}
	required := Index(crm.Schema{Fields: []crm.SchemaField{{Key: "R", Label: "Region", Type: crm.TypeText, Create: true, Required: true}}})
	if p := required.Check(Mapping{}, offered); len(p) != 1 || p[0].Row != -1 || p[0].Target != "R" || !strings.Contains(p[0].Text, "Region is required") {
		t.Errorf("got %+v", p)
	}
	twice := Row{Target: "F", Source: text("a"), Rule: RuleCreate}
	if p := (Fields{"F": field(crm.TypeText, nil)}).Check(Mapping{Rows: []Row{twice, twice}}, offered); len(p) != 1 || p[0].Row != 1 {
		t.Errorf("got %+v", p)
	}
	if p := (Fields{}).Check(Mapping{Rows: make([]Row, MaxRows+5)}, offered); len(p) != MaxRows+1 {
		t.Errorf("%d problems", len(p))
	}
}

func TestSuggest(t *testing.T) {
	form := forms.Definition{Fields: []forms.Field{{ID: "1", Key: "company", Type: forms.Text, Label: "Company", Most: 50}, {ID: "2", Key: "size", Type: forms.Text, Label: "Size", Most: 500}}}
	s := crm.Schema{Fields: []crm.SchemaField{
		{Key: "LeadSource", Label: "Lead Source", Offer: "Newsletter", Type: crm.TypeChoice, Create: true, Update: true, Values: []crm.Choice{{Value: "Web"}}},
		{Key: "X1", Label: "Company", Type: crm.TypeText, Length: 100, Create: true},
		{Key: "size", Label: "Company size", Type: crm.TypeText, Length: 100, Create: true, Update: true},
		{Key: "n", Label: "Newsletter", Type: crm.TypeText, Length: 255, Create: true, Update: true},
		{Key: "other", Label: "Other", Type: crm.TypeText, Create: true, Update: true},
	}}
	var got []string
	for _, r := range Suggest(s, Offer(form)).Rows {
		got = append(got, fmt.Sprintf("%s: %s %s%s, %s", r.Target, r.Source.Kind, r.Source.Name, r.Source.Text, r.Rule))
	}
	want := []string{"LeadSource: constant Newsletter, create", "X1: field company, create", "n: fact newsletter, empty"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	s.Fields[0].Closed = true
	if m := Suggest(s, Offer(form)); len(m.Rows) != 2 {
		t.Errorf("suggests what the CRM doesn't take: %+v", m)
	}
}

// Whatever is said, mapped however: what is written fits the CRM's fields, and into a record
// that is there goes nothing that its rule forbids.
func TestWhatIsWrittenFits(t *testing.T) {
	r := rand.New(rand.NewPCG(15, 44))
	for range 20_000 {
		all, says, record := anything(r)
		a := all.Apply(says, record)
		for key, v := range a.Own() {
			f, ok := all[key]
			kept := f
			if f.Type == crm.TypeChoices { // what was there stays
				for _, one := range split(record.Own[key]) {
					kept.Values = append(slices.Clone(kept.Values), crm.Choice{Value: one})
				}
			}
			if why := Fits(v, kept); !ok || why != "" {
				t.Fatalf("%+v takes no %+v: %s", f, v, why)
			}
			if record.New && !f.Create || !record.New && !f.Update {
				t.Fatalf("%+v can't be written", f)
			}
		}
		for _, p := range a.Planned {
			is := record.Own[p.Field.Key]
			switch {
			case !record.New && p.Row.Rule == RuleCreate,
				!record.New && p.Row.Rule == RuleEmpty && !isEmpty(p.Field.Type, is) && !same(p.Field.Type, is, record.Written[p.Field.Key]),
				!record.New && p.Row.Rule == RuleAdd && len(split(p.Value.Text)) < len(split(is)):
				t.Fatalf("%+v over %q, written %q", p, is, record.Written[p.Field.Key])
			}
		}
	}
}

// texts are what may come from anywhere.
var texts = []string{"", "a", "b", "a;b", "a; c", "true", "false", "2026-02-03", "2026-02-03T04:05:06Z", "12", "12.5", "1e400", "long text with\nlines 😀😀", "https://contoso.example/", "x@contoso.example", ";;", "  ", "0009-01-01"}

func anything(r *rand.Rand) (all Fields, says []Says, record Record) {
	all, record = Fields{}, Record{New: r.IntN(2) == 0, Own: map[string]string{}, Written: map[string]string{}}
	kinds := slices.Sorted(maps.Keys(fits))
	any := func() string { return texts[r.IntN(len(texts))] }
	for i := range 4 {
		f := crm.SchemaField{Key: fmt.Sprint("F", i), Type: kinds[r.IntN(len(kinds))], Length: r.IntN(12), Create: r.IntN(4) > 0, Update: r.IntN(4) > 0, Closed: r.IntN(2) == 0}
		for _, v := range []string{"a", "b", "true"}[:r.IntN(4)] {
			f.Values = append(f.Values, crm.Choice{Value: v})
		}
		if r.IntN(10) > 0 {
			all[f.Key] = f
		}
		if v, why := convert(any(), f); why == "" {
			record.Own[f.Key] = v.Text
		}
		if r.IntN(2) == 0 {
			record.Written[f.Key] = record.Own[f.Key]
		}
	}
	for range 1 + r.IntN(3) {
		s := Says{SignUp: SignUp{Values: map[string]string{}, Facts: map[string]string{}}}
		for i := range 4 {
			row := Row{Target: fmt.Sprint("F", i), Rule: Rules[r.IntN(len(Rules))].Rule, Source: Source{Kind: []Kind{KindField, KindFact, KindConstant}[r.IntN(3)], Name: fmt.Sprint(i), Text: any()}}
			if r.IntN(3) == 0 {
				row.Values = map[string]string{any(): any(), "a": any()}
			}
			s.Values[fmt.Sprint(i)], s.Facts[fmt.Sprint(i)] = any(), any()
			s.Rows = append(s.Rows, row)
		}
		says = append(says, s)
	}
	return all, says, record
}

// Each type has a name and says what fits it.
func TestEachTypeIsKnown(t *testing.T) {
	for _, kind := range []crm.ValueType{crm.TypeText, crm.TypeLongText, crm.TypeChoice, crm.TypeChoices, crm.TypeCheckbox, crm.TypeDate, crm.TypeTime, crm.TypeNumber, crm.TypeInteger, crm.TypeEmail, crm.TypePhone, crm.TypeURL} {
		if TypeName(kind) == "" || !slices.Contains(fits[kind], kind) {
			t.Errorf("%s isn't known", kind)
		}
	}
	for _, r := range []Reason{NoField, TooLong, NoChoice, WrongType} {
		if r.Words() == "" {
			t.Errorf("%s has no words", r)
		}
	}
	if LabelOf("never") != "" || LabelOf(RuleEmpty) == "" {
		t.Error("rules have no labels")
	}
}
