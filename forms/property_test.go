package forms_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"gatepost/forms"
	"gatepost/forms/formstest"
	"gatepost/input"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// compiled is the schema of a definition.
func compiled(t *testing.T, d forms.Definition) *jsonschema.Schema {
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

func TestPatterns(t *testing.T) {
	raw, err := os.ReadFile("testdata/patterns.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases map[string]struct{ Yes, No []string }
	if err := json.Unmarshal(raw, &cases); err != nil {
		t.Fatal(err)
	}
	for _, p := range forms.Patterns {
		c := cases[p.Name]
		if len(c.Yes) < 3 || len(c.No) < 5 {
			t.Errorf("%s has too few cases", p.Name)
		}
		f := forms.Field{ID: "f1", Key: "x", Type: forms.Text, Label: "X", Pattern: p.Name, Required: true}
		schema := compiled(t, forms.Definition{Fields: []forms.Field{f}})
		for _, text := range append(slices.Clone(c.Yes), c.No...) {
			want := slices.Contains(c.Yes, text)
			if p.Matches(text) != want {
				t.Errorf("%s: Go says %v of %q", p.Name, !want, text)
			}
			if fits := schema.Validate(map[string]any{"x": text}) == nil; fits != want {
				t.Errorf("%s: the schema says %v of %q", p.Name, fits, text)
			}
			if strings.ContainsAny(text, "\n\t") || text != strings.TrimSpace(text) {
				continue
			}
			if _, wrong := f.Check(input.Value{Texts: []string{text}}); (wrong == forms.Problem{}) != want {
				t.Errorf("%s: of %q the check says %q", p.Name, text, wrong.In(forms.English))
			}
		}
	}
	if len(cases) != len(forms.Patterns) {
		t.Errorf("%d patterns, %d with cases", len(forms.Patterns), len(cases))
	}
}

// says reports whether what is stored of a field says what was sent, no more and no less.
func says(f forms.Field, stored string, sent []string) bool {
	if f.Type == forms.Choices {
		chosen := slices.DeleteFunc(slices.Clone(sent), func(one string) bool { return one == "" })
		slices.Sort(chosen)
		all := slices.DeleteFunc(strings.Split(stored, forms.Separator), func(one string) bool { return one == "" })
		slices.Sort(all)
		return slices.Equal(slices.Compact(chosen), all)
	}
	if len(sent) == 0 || f.Type == forms.Hidden {
		return stored == "" || f.Type == forms.Hidden
	}
	switch clean, _ := input.Lines(sent[len(sent)-1]); f.Type {
	case forms.Email:
		return strings.Contains(stored, "@") && strings.HasPrefix(stored, "jane@")
	case forms.Checkbox:
		return (stored == "true") == slices.ContainsFunc(sent, func(one string) bool { return slices.Contains([]string{"true", "on", "1"}, one) })
	case forms.Number:
		is, err := strconv.ParseFloat(stored, 64)
		was, wrong := strconv.ParseFloat(strings.ReplaceAll(clean, ",", "."), 64)
		return clean == "" && stored == "" || err == nil && wrong == nil && is == was
	default:
		return strings.EqualFold(stored, clean)
	}
}

// Whatever is defined and sent: what is accepted fits the definition and its schema, and is
// stored the same when it is sent again as JSON; what is refused says why, in every language.
func TestWhatIsAcceptedFits(t *testing.T) {
	accepted, refused := 0, 0
	for seed := range uint64(150) {
		c := formstest.New(seed)
		d := c.Definition(t)
		schema := compiled(t, d)
		for range 20 {
			sent := c.Sent(d)
			values, problems := d.Check(sent)
			if len(problems) > 0 {
				refused++
				for _, l := range forms.Languages {
					for key, s := range problems.In(l.Code) {
						if s == "" || strings.ContainsAny(s, "{}") || !d.Knows(key) {
							t.Fatalf("seed %d: %s says %q of %q", seed, l.Name, s, key)
						}
					}
				}
				continue
			}
			accepted++
			for _, f := range d.Fields {
				if !f.Deleted && !says(f, values[f.ID], sent.Of(f).Texts) {
					t.Fatalf("seed %d: %q of %s is stored as %q", seed, sent.Of(f).Texts, f.Key, values[f.ID])
				}
			}
			doc := formstest.Document(d, values)
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
				t.Fatalf("seed %d: %v is stored as %v, %v the next time", seed, values, same, problems.In(forms.English))
			}
			for id, value := range values {
				f, ok := d.ByID(id)
				if !ok || value == "" || len(f.Options) > 0 && slices.ContainsFunc(strings.Split(value, forms.Separator), func(one string) bool {
					return !slices.ContainsFunc(f.Options, func(o forms.Option) bool { return o.Value == one })
				}) {
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
	d, faults := forms.Next(forms.First("Yes."), forms.Definition{Consent: forms.Consent{Words: "Yes.", Box: true}, Fields: append(forms.First("").Fields,
		forms.Field{Type: forms.Choice, Label: "Colour", Required: true, Options: []forms.Option{{Label: "Red"}}}, forms.Field{Type: forms.Choices, Label: "Many", Options: []forms.Option{{Label: "A"}, {Label: "B"}}, Most: 1},
		forms.Field{Type: forms.Number, Label: "Number"}, forms.Field{Type: forms.Checkbox, Label: "Box", Required: true}, forms.Field{Type: forms.Country, Label: "Country"})})
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
