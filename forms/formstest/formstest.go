// Package formstest makes forms, and what is sent to them, by chance: for tests of what holds of
// every form.
package formstest

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"gatepost/forms"
	"gatepost/input"
)

func typed(texts ...string) input.Value { return input.Value{Texts: texts} }

// Chance makes definitions and what is sent to them.
type Chance struct{ *rand.Rand }

// New is a Chance that makes the same each time, for a seed.
func New(seed uint64) Chance { return Chance{rand.New(rand.NewPCG(seed, 15))} }

func (c Chance) of(all ...string) string { return all[c.IntN(len(all))] }

func (c Chance) coin() bool { return c.IntN(2) == 0 }

// Definition is one as an admin could have made it, over some versions.
func (c Chance) Definition(t testing.TB) forms.Definition {
	t.Helper()
	d := forms.First("I agree.")
	for range 1 + c.IntN(3) {
		edited := forms.Definition{Consent: forms.Consent{Words: "I agree.", Box: c.coin()}, Fields: slices.Clone(d.Fields)}
		edited.Fields = slices.DeleteFunc(edited.Fields, func(f forms.Field) bool { return f.ID != forms.EmailID && c.IntN(5) == 0 })
		for i := range edited.Fields {
			if f := &edited.Fields[i]; f.ID != forms.EmailID {
				f.Required = c.IntN(3) == 0 && f.Type != forms.Hidden
				if f.Type != forms.Name && c.IntN(4) == 0 {
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
		next, faults := forms.Next(d, edited)
		if len(faults) > 0 {
			t.Fatalf("%v of %+v", faults, edited)
		}
		d = next
	}
	return d
}

func (c Chance) field() forms.Field {
	f := forms.Field{Type: forms.Types[c.IntN(len(forms.Types))], Label: c.of("Company", "Größe", "Wie viele?", "5 < 6 & \"so\"", "山")}
	f.Required = c.IntN(3) == 0
	switch {
	case f.Type.HasOptions():
		for i := range 1 + c.IntN(4) {
			f.Options = append(f.Options, forms.Option{Label: fmt.Sprintf("%s %d", c.of("Red", "Größe; groß", "<3"), i)})
		}
	case f.Type == forms.Hidden:
		f.From, f.Required = forms.Sources[c.IntN(len(forms.Sources))].Name, false
	case f.Type.MostLimit() > 0 && c.coin():
		f.Most = 1 + c.IntN(20)
	}
	if f.Type.HasPattern() && c.coin() {
		f.Pattern = forms.Patterns[c.IntN(len(forms.Patterns))].Name
	}
	return f
}

// Sent is what somebody could send, some of which is refused.
func (c Chance) Sent(d forms.Definition) forms.Sent {
	sent := forms.Sent{forms.EmailID: typed(c.of("jane@example.com", " Jane <jane@example.com>", "jane@bücher.example", "jane@example.com", "jane@example.com", "jane"))}
	if c.IntN(5) > 0 {
		sent[forms.ConsentKey] = input.Value{Kind: input.JSONBool, Texts: []string{"true"}}
	}
	for _, f := range d.Fields {
		if f.ID == forms.EmailID || !f.Required && c.IntN(4) == 0 {
			continue
		}
		sent[c.of(append([]string{f.Key}, f.Was...)...)] = c.better(f)
	}
	return sent
}

// better is a value that is refused seldom enough that forms of many fields are taken now and then.
func (c Chance) better(f forms.Field) (v input.Value) {
	for range 6 {
		v = c.value(f)
		if _, wrong := f.Check(v); wrong == (forms.Problem{}) {
			break
		}
	}
	return v
}

func (c Chance) value(f forms.Field) input.Value {
	if c.IntN(12) == 0 { // of another kind
		return input.Value{Kind: input.ValueKind(c.IntN(6)), Texts: []string{c.of("true", "1", "x", "", "2000-01-01", "DE")}}
	}
	text := c.of("Contoso", " Zoe\u0308 ", "12345", "a\nb", "a\x00", "<script>", "https://example.com", "DE123456789", "", "SW1A 1AA", strings.Repeat("x", c.IntN(300)))
	switch f.Type {
	case forms.Choice, forms.Choices:
		var chosen []string
		for range 1 + c.IntN(3) {
			chosen = append(chosen, f.Options[c.IntN(len(f.Options))].Value)
		}
		if f.Type == forms.Choice {
			chosen = chosen[:1]
		}
		return typed(chosen...)
	case forms.Checkbox:
		text = c.of("on", "false", "true", "", "perhaps")
	case forms.Date:
		text = c.of("2000-02-29", "1999-02-29", "0001-01-01", "x", fmt.Sprintf("%04d-%02d-%02d", c.IntN(4100), c.IntN(13), c.IntN(32)))
	case forms.Number:
		text = c.of("1", "-0", "1,5", "000.100", "1e3", "99999999999999999", fmt.Sprint(c.Float64()*1e6), fmt.Sprint(c.IntN(1e9)))
		if c.coin() {
			return input.Value{Kind: input.JSONNumber, Texts: []string{c.of("1", "-1.5", "1e3", "1E-7", "1e400", "0.1", "-0", "123456789012345678")}}
		}
	case forms.Phone:
		text = c.of("+44 20 7946 0958", "030 / 901820", "call", "12")
	case forms.Country:
		text = c.of("de", "FR", "ZZ", "")
	}
	return typed(text)
}

// Document is what is stored, as JSON that a program could have sent.
func Document(d forms.Definition, v forms.Values) map[string]any {
	doc := map[string]any{forms.ConsentKey: true, forms.VersionKey: json.Number(fmt.Sprint(d.Version))}
	for _, f := range d.Fields {
		value, ok := v[f.ID]
		switch {
		case !ok:
		case f.Type == forms.Choices:
			var all []any
			for _, one := range strings.Split(value, forms.Separator) {
				all = append(all, one)
			}
			doc[f.Key] = all
		case f.Type == forms.Checkbox:
			doc[f.Key] = value == "true"
		case f.Type == forms.Number:
			doc[f.Key] = json.Number(value)
		default:
			doc[f.Key] = value
		}
	}
	return doc
}
