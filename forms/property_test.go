package forms

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"gatepost/input"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// compiled is the schema of a definition.
func compiled(t *testing.T, d Definition) *jsonschema.Schema {
	t.Helper()
	raw, err := json.Marshal(d.JSONSchema())
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("form.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("form.json")
	if err != nil {
		t.Fatalf("%v: %s", err, raw)
	}
	return s
}

// chance makes definitions and what is sent to them.
type chance struct{ *rand.Rand }

func (c chance) of(all ...string) string { return all[c.IntN(len(all))] }

func (c chance) coin() bool { return c.IntN(2) == 0 }

// definition is one as an admin could have made it, over some versions.
func (c chance) definition(t *testing.T) Definition {
	t.Helper()
	d := First("I agree.")
	for range 1 + c.IntN(3) {
		edited := Definition{Consent: Consent{Words: "I agree.", Box: c.coin()}, Fields: slices.Clone(d.Fields)}
		edited.Fields = slices.DeleteFunc(edited.Fields, func(f Field) bool { return f.ID != EmailID && c.IntN(5) == 0 })
		for i := range edited.Fields {
			if f := &edited.Fields[i]; f.ID != EmailID {
				f.Required = c.IntN(3) == 0 && f.Type != Hidden
				if f.Type != Name && c.IntN(4) == 0 {
					f.Key = fmt.Sprintf("k%d", c.IntN(1e9))
				}
			}
		}
		for range c.IntN(6) {
			edited.Fields = append(edited.Fields, c.field())
		}
		c.Shuffle(len(edited.Fields), func(i, j int) {
			edited.Fields[i], edited.Fields[j] = edited.Fields[j], edited.Fields[i]
		})
		next, faults := Next(d, edited)
		if len(faults) > 0 {
			t.Fatalf("%v of %+v", faults, edited)
		}
		d = next
	}
	return d
}

func (c chance) field() Field {
	f := Field{Type: Types[c.IntN(len(Types))], Label: c.of("Company", "Größe", "Wie viele?", "5 < 6 & \"so\"", "山")}
	f.Required = c.IntN(3) == 0
	switch {
	case f.Type.HasOptions():
		for i := range 1 + c.IntN(4) {
			f.Options = append(f.Options, Option{Label: fmt.Sprintf("%s %d", c.of("Red", "Größe; groß", "<3"), i)})
		}
	case f.Type == Hidden:
		f.From, f.Required = Sources[c.IntN(len(Sources))].Name, false
	case f.Type.MostLimit() > 0 && c.coin():
		f.Most = 1 + c.IntN(20)
	}
	if f.Type.HasPattern() && c.coin() {
		f.Pattern = Patterns[c.IntN(len(Patterns))].Name
	}
	return f
}

// sent is what somebody could send, some of it by far.
func (c chance) sent(d Definition) Sent {
	sent := Sent{EmailID: typed(c.of("jane@example.com", " Jane <jane@example.com>", "jane@bücher.example", "jane@example.com", "jane@example.com", "jane"))}
	if c.IntN(5) > 0 {
		sent[ConsentKey] = input.Value{Kind: input.JSONBool, Texts: []string{"true"}}
	}
	for _, f := range d.Fields {
		if f.ID == EmailID || !f.Required && c.IntN(4) == 0 {
			continue
		}
		sent[c.of(append([]string{f.Key}, f.Was...)...)] = c.value(f)
	}
	return sent
}

func (c chance) value(f Field) input.Value {
	if c.IntN(12) == 0 { // of another kind
		return input.Value{Kind: input.ValueKind(c.IntN(6)), Texts: []string{c.of("true", "1", "x", "", "2000-01-01", "DE")}}
	}
	text := c.of("Contoso", " Zoe\u0308 ", "12345", "a\nb", "a\x00", "<script>", "https://example.com", "DE123456789", "", "SW1A 1AA", strings.Repeat("x", c.IntN(300)))
	switch f.Type {
	case Choice, Choices:
		var chosen []string
		for range 1 + c.IntN(3) {
			chosen = append(chosen, f.Options[c.IntN(len(f.Options))].Value)
		}
		if f.Type == Choice {
			chosen = chosen[:1]
		}
		return typed(chosen...)
	case Checkbox:
		text = c.of("on", "false", "true", "", "perhaps")
	case Date:
		text = c.of("2000-02-29", "1999-02-29", "0001-01-01", "x", fmt.Sprintf("%04d-%02d-%02d", c.IntN(4100), c.IntN(13), c.IntN(32)))
	case Number:
		text = c.of("1", "-0", "1,5", "000.100", "1e3", "99999999999999999", fmt.Sprint(c.Float64()*1e6), fmt.Sprint(c.IntN(1e9)))
		if c.coin() {
			return input.Value{Kind: input.JSONNumber, Texts: []string{c.of("1", "-1.5", "1e3", "1E-7", "1e400", "0.1", "-0", "123456789012345678")}}
		}
	case Phone:
		text = c.of("+44 20 7946 0958", "030 / 901820", "call", "12")
	case Country:
		text = c.of("de", "FR", "ZZ", "")
	}
	return typed(text)
}

// document is what is stored, as JSON that a program could have sent.
func document(d Definition, v Values) map[string]any {
	doc := map[string]any{ConsentKey: true, VersionKey: json.Number(fmt.Sprint(d.Version))}
	for _, f := range d.Fields {
		value, ok := v[f.ID]
		switch {
		case !ok:
		case f.Type == Choices:
			var all []any
			for _, one := range strings.Split(value, Separator) {
				all = append(all, one)
			}
			doc[f.Key] = all
		case f.Type == Checkbox:
			doc[f.Key] = value == "true"
		case f.Type == Number:
			doc[f.Key] = json.Number(value)
		default:
			doc[f.Key] = value
		}
	}
	return doc
}

// Whatever is defined and sent: what is accepted fits the definition and its schema, and is
// stored the same when it is sent again as JSON; what is refused says why, in every language.
func TestWhatIsAcceptedFits(t *testing.T) {
	accepted, refused := 0, 0
	for seed := range uint64(150) {
		c := chance{rand.New(rand.NewPCG(seed, 15))}
		d := c.definition(t)
		schema := compiled(t, d)
		for range 20 {
			sent := c.sent(d)
			values, problems := d.Check(sent)
			if len(problems) > 0 {
				refused++
				for _, l := range Languages {
					for key, s := range problems.In(l.Code) {
						if s == "" || strings.ContainsAny(s, "{}") || !d.Knows(key) {
							t.Fatalf("seed %d: %s says %q of %q", seed, l.Name, s, key)
						}
					}
				}
				continue
			}
			accepted++
			doc := document(d, values)
			raw, err := json.Marshal(doc)
			if err != nil {
				t.Fatal(err)
			}
			parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
			if err == nil {
				err = schema.Validate(parsed)
			}
			if err != nil {
				t.Fatalf("seed %d: %s doesn't fit its schema: %v", seed, raw, err)
			}
			var again input.Fields
			again.Known = d.Knows
			if err := input.JSON(string(raw), &again); err != nil {
				t.Fatalf("seed %d: %s: %v", seed, raw, err)
			}
			if same, problems := d.Check(again.Values); !maps.Equal(same, values) {
				t.Fatalf("seed %d: %v is stored as %v, %v the next time", seed, values, same, problems.In(English))
			}
			for id, value := range values {
				f, ok := d.ByID(id)
				if !ok || value == "" || f.Type.HasOptions() && slices.ContainsFunc(strings.Split(value, Separator), func(one string) bool { return !f.offers(one) }) {
					t.Fatalf("seed %d: %q of %+v", seed, value, f)
				}
			}
		}
	}
	if accepted < 300 || refused < 300 {
		t.Errorf("%d accepted, %d refused: the test proves little", accepted, refused)
	}
}

// What a schema refuses isn't taken as JSON either, unless it is mended first.
func TestTheSchemaRefuses(t *testing.T) {
	d, faults := Next(First("Yes."), Definition{Consent: Consent{Words: "Yes.", Box: true}, Fields: append(First("").Fields,
		Field{Type: Choice, Label: "Colour", Required: true, Options: []Option{{Label: "Red"}}}, Field{Type: Choices, Label: "Many", Options: []Option{{Label: "A"}, {Label: "B"}}, Most: 1},
		Field{Type: Number, Label: "Number"}, Field{Type: Checkbox, Label: "Box", Required: true}, Field{Type: Country, Label: "Country"})})
	if faults != nil {
		t.Fatal(faults)
	}
	schema := compiled(t, d)
	const good = `{"email":"j@example.com","consent":true,"colour":"Red","box":true`
	for document, want := range map[string]bool{
		good + `}`: true,
		good + `,"many":["A"],"number":1.5,"country":"DE","first_name":null,"form_version":1}`: true,
		good + `,"nothing":1}`:                                                false,
		good + `,"many":["A","B"]}`:                                           false,
		good + `,"many":"A"}`:                                                 false,
		good + `,"number":"1"}`:                                               false,
		good + `,"country":"ZZ"}`:                                             false,
		good + `,"country":null}`:                                             true,
		`{"email":"j@example.com","consent":true}`:                            false,
		`{"consent":true,"colour":"Red","box":true}`:                          false,
		`{"email":"j@example.com","colour":"Red","box":true}`:                 false,
		`{"email":"j@example.com","colour":"Red","box":false,"consent":true}`: false,
		`{"email":"j@example.com","colour":"Red","box":true,"consent":false}`: false,
		`{"email":"j@example.com","colour":"Blue","box":true,"consent":true}`: false,
	} {
		doc, err := jsonschema.UnmarshalJSON(strings.NewReader(document))
		if err != nil {
			t.Fatal(err)
		}
		if fits := schema.Validate(doc) == nil; fits != want {
			t.Errorf("%s: the schema says %v", document, fits)
		}
		sent := input.Fields{Known: d.Knows}
		err = input.JSON(document, &sent)
		if err == nil {
			if _, problems := d.Check(sent.Values); len(problems) > 0 {
				err = fmt.Errorf("%v", problems)
			}
		}
		if (err == nil) != want {
			t.Errorf("%s: %v", document, err)
		}
	}
}
