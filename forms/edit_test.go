package forms

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// with is the form that newsletters begin with, and fields.
func with(fields ...Field) Definition {
	d := First("I agree.")
	d.Fields = append(d.Fields, fields...)
	return d
}

func TestNextRefuses(t *testing.T) {
	text := func(change func(*Field)) Definition {
		f := Field{Type: Text, Label: "Company"}
		change(&f)
		return with(f)
	}
	choice := func(options ...Option) Definition {
		return with(Field{Type: Choice, Label: "Colour", Options: options})
	}
	many := func(n int) (all []Field) {
		for i := range n {
			all = append(all, Field{Type: Text, Label: fmt.Sprintf("Field %d", i)})
		}
		return all
	}
	for name, tt := range map[string]struct {
		edited   Definition
		field    int
		option   int
		property string
		says     string
	}{
		"no label":                   {text(func(f *Field) { f.Label = " \u200b" }), 3, -1, OfLabel, "needs a label"},
		"a label with HTML":          {text(func(f *Field) { f.Label = "<b>Company</b>" }), 3, -1, OfLabel, "HTML"},
		"a label that is long":       {text(func(f *Field) { f.Label = strings.Repeat("é", 121) }), 3, -1, OfLabel, "at most 120"},
		"a label turned around":      {text(func(f *Field) { f.Label = "a\u202eb" }), 3, -1, OfLabel, "turns text around"},
		"a label of two lines":       {text(func(f *Field) { f.Label = "a\nb" }), 3, -1, OfLabel, "line break"},
		"a label for a password":     {text(func(f *Field) { f.Label = "Your P\u0430ssw0rd" }), 3, -1, OfLabel, "passwords"},
		"help for a card":            {text(func(f *Field) { f.Help = "Enter your credit-card number" }), 3, -1, OfHelp, "card"},
		"help that is long":          {text(func(f *Field) { f.Help = strings.Repeat("x", 301) }), 3, -1, OfHelp, "at most 300"},
		"a placeholder for an IBAN":  {text(func(f *Field) { f.Placeholder = "IBAN" }), 3, -1, OfPlaceholder, "bank"},
		"no type":                    {text(func(f *Field) { f.Type = "" }), 3, -1, OfType, "from the list"},
		"an e-mail field more":       {text(func(f *Field) { f.Type = Email }), 3, -1, OfType, "from the list"},
		"a key in capitals":          {text(func(f *Field) { f.Key = "Company" }), 3, -1, OfKey, "small letters"},
		"a key that is long":         {text(func(f *Field) { f.Key = strings.Repeat("k", 41) }), 3, -1, OfKey, "at most 40"},
		"a key that is consent's":    {text(func(f *Field) { f.Key = "consent" }), 3, -1, OfKey, "meaning of its own"},
		"a key that is another's":    {text(func(f *Field) { f.Key = "email" }), 3, -1, OfKey, "another field"},
		"an id that isn't known":     {text(func(f *Field) { f.ID = "f9" }), 3, -1, OfKey, "not known"},
		"the same field twice":       {with(First("").Fields[1]), 3, -1, OfKey, "twice"},
		"too many characters":        {text(func(f *Field) { f.Most = 1001 }), 3, -1, OfMost, "1 to 1000"},
		"fewer than none":            {text(func(f *Field) { f.Most = -1 }), 3, -1, OfMost, "1 to 1000"},
		"a pattern that isn't":       {text(func(f *Field) { f.Pattern = "(a+)+$" }), 3, -1, OfPattern, "from the list"},
		"a purpose that isn't":       {text(func(f *Field) { f.Purpose = "cc-number" }), 3, -1, OfPurpose, "from the list"},
		"a source that isn't":        {with(Field{Type: Hidden, Label: "X", From: "cookie"}), 3, -1, OfFrom, "where its value"},
		"no options":                 {choice(), 3, -1, OfOptions, "at least one"},
		"too many options":           {choice(make([]Option, 101)...), 3, -1, OfOptions, "100 options"},
		"an option without a label":  {choice(Option{Label: "Red"}, Option{Value: "x"}), 3, 1, OfOptions, "needs a label"},
		"an option with HTML":        {choice(Option{Label: "<i>Red"}), 3, 0, OfOptions, "HTML"},
		"an option twice":            {choice(Option{Label: "Red"}, Option{Label: "Red", Value: "r"}), 3, 1, OfOptions, "twice"},
		"an option's value twice":    {choice(Option{Label: "Red", Value: "r"}, Option{Label: "Rot", Value: "r"}), 3, 1, OfOptions, "twice"},
		"an option with a semicolon": {choice(Option{Label: "Red", Value: "a;b"}), 3, 0, OfOptions, "semicolon"},
		"more choices than there are": {with(Field{Type: Choices, Label: "X", Most: 2, Options: []Option{{Label: "a"}}}), 3, -1, OfMost,
			"as many as there are"},
		"no words":               {Definition{Fields: First("").Fields}, -1, -1, OfWords, "the words that a reader agrees to"},
		"words with a link":      {Definition{Fields: First("").Fields, Consent: Consent{Words: `I <a href="x">agree</a>.`}}, -1, -1, OfWords, "HTML"},
		"words that are long":    {Definition{Fields: First("").Fields, Consent: Consent{Words: strings.Repeat("x", 2001)}}, -1, -1, OfWords, "at most 2000"},
		"a long button":          {Definition{Fields: First("").Fields, Consent: Consent{Words: "Yes."}, Button: strings.Repeat("x", 41)}, -1, -1, OfButton, "at most 40"},
		"no e-mail field":        {Definition{Fields: First("").Fields[1:], Consent: Consent{Words: "Yes."}}, -1, -1, OfFields, "can’t be removed"},
		"too many fields":        {with(many(28)...), -1, -1, OfFields, "30 fields"},
		"far too many fields":    {with(many(2000)...), -1, -1, OfFields, "30 fields"},
		"the e-mail is optional": {Definition{Fields: []Field{{ID: EmailID, Key: EmailID, Type: Email}}, Consent: Consent{Words: "Yes."}}, 0, -1, OfRequired, "always required"},
		"the e-mail is deleted": {Definition{Fields: []Field{{ID: EmailID, Key: EmailID, Type: Email, Required: true, Deleted: true}}, Consent: Consent{Words: "Yes."}}, 0, -1,
			OfDeleted, "can’t be removed"},
		"another type": {Definition{Fields: []Field{{ID: EmailID, Key: EmailID, Type: Text, Required: true}}, Consent: Consent{Words: "Yes."}}, 0, -1, OfType, "keeps its type"},
	} {
		next, faults := Next(First("I agree."), tt.edited)
		if len(faults) != 1 || faults[0].Field != tt.field || faults[0].Option != tt.option || faults[0].Property != tt.property || !strings.Contains(faults[0].Sentence, tt.says) {
			t.Errorf("%s: %+v", name, faults)
		}
		if !reflect.DeepEqual(next, Definition{}) {
			t.Errorf("%s: %+v is returned", name, next)
		}
	}
}

func TestNext(t *testing.T) {
	first, faults := Next(First("I agree."), with(
		Field{Type: Text, Label: " Größe der  Firma ", Purpose: "organization", Pattern: "letters", Options: []Option{{Label: "x"}}, From: "page"},
		Field{Type: Choice, Label: "Größe der Firma", Options: []Option{{Label: "Red; green", Value: ""}, {Label: "Blue", Value: "b"}}, Pattern: "digits", Most: 7},
		Field{Type: Hidden, Label: "山", From: "utm_source", Required: true},
		Field{Type: Checkbox, Label: "Never", Deleted: true}))
	if faults != nil {
		t.Fatal(faults)
	}
	want := []Field{
		{ID: "f1", Key: "grosse_der_firma", Type: Text, Label: "Größe der  Firma", Purpose: "organization", Pattern: "letters"},
		{ID: "f2", Key: "grosse_der_firma_2", Type: Choice, Label: "Größe der Firma", Options: []Option{{"Red, green", "Red; green"}, {"b", "Blue"}}},
		{ID: "f3", Key: "field", Type: Hidden, Label: "山", From: "utm_source"},
	}
	if first.Version != 1 || !reflect.DeepEqual(first.Fields[3:], want) {
		t.Errorf("%d: %+v", first.Version, first.Fields[3:])
	}

	edited := first
	edited.Fields = []Field{first.Fields[5], first.Fields[0], first.Fields[4]}
	edited.Fields[0].Key = "source"
	second, faults := Next(first, edited)
	if faults != nil {
		t.Fatal(faults)
	}
	if second.Version != 2 || len(second.Shown()) != 3 || len(second.Fields) != 6 || second.Fields[0].ID != "f3" || !slices.Equal(second.Fields[0].Was, []string{"field"}) {
		t.Errorf("%d: %+v", second.Version, second.Fields)
	}
	if f, ok := second.Field("grosse_der_firma"); !ok || f.ID != "f1" || !f.Deleted {
		t.Errorf("the deleted field is %+v", f)
	}

	// What was a field's stays its own, and comes back with it.
	for key, free := range map[string]bool{"field": false, "source": false, "grosse_der_firma": false, "first_name": false, "new": true} {
		third := second
		third.Fields = append(slices.Clone(second.Shown()), Field{Type: Text, Label: "New", Key: key})
		third, faults = Next(second, third)
		if (faults == nil) != free {
			t.Errorf("%s: %+v", key, faults)
		}
		if f, ok := third.Field("new"); free && (!ok || f.ID != "f4") {
			t.Errorf("the new field is %+v", f)
		}
	}
	back := second
	back.Fields = slices.Clone(second.Fields)
	back.Fields[0].Key = "field"
	for i := range back.Fields {
		back.Fields[i].Deleted = false
	}
	third, faults := Next(second, back)
	if faults != nil || len(third.Shown()) != 6 || !slices.Equal(third.Fields[0].Was, []string{"source"}) {
		t.Errorf("%+v, %v", third.Fields, faults)
	}
}

func TestSecrets(t *testing.T) {
	for text, want := range map[string]bool{
		"Company": false, "Postcode": false, "Discount code": false, "Opinion": false, "Kartenspiel": false, "Bank": false, "¿Qué tan seguido?": false, "Shipping": false,
		"Telefonnummer": false, "Mitgliedsnummer": false, "Palabra clave": false, "Numéro de TVA": false, "Which newsletter? 1, 2 or 3": false,
		"Password": true, "Repeat the PASSWORD": true, "pass-word": true, "p a s s w o r d": true, "Pаsswоrd": true, "P@ssw0rd": true, "Passwort": true, "Kennwort": true, "Mot de passe": true,
		"Contraseña": true, "PIN": true, "Your PIN, please": true, "CVV": true, "IBAN": true, "Credit card": true, "Kreditkartennummer": true, "Numéro de carte bancaire": true,
		"Tarjeta de crédito": true, "Bank account number": true, "Bankverbindung": true, "Kontonummer": true, "Security code": true, "Sicherheitscode": true, "Verification code from your phone": true,
		"Prüfziffer": true, "Numéro de compte": true, "Número de cuenta": true, "Social Security Number": true, "Ｐａｓｓｗｏｒｄ": true,
	} {
		if got := asksForSecret(text); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func TestWebAddress(t *testing.T) {
	for typed, want := range map[string]string{
		" https://contoso.example/danke?x=1#y ": "https://contoso.example/danke?x=1#y", "http://contoso.example/": "", "contoso.example": "", "//contoso.example": "",
		"javascript:alert(1)": "", "https://": "", "https://user:pw@contoso.example/": "", "https:/contoso.example": "", "": "", "https://contoso.example\u202e/": "",
	} {
		if got, ok := WebAddress(typed); got != want && !strings.Contains(typed, "\u202e") || ok != (got != "") {
			t.Errorf("%q: %q, %v", typed, got, ok)
		}
	}
}

// Whatever the accent colour is, all that is made of it can be read.
func TestEveryAccentCanBeRead(t *testing.T) {
	c := rand.New(rand.NewPCG(15, 15))
	accents := []Colour{black, white, {0, 0, 255}, {255, 255, 0}, {119, 119, 119}, {118, 118, 118}, {127, 127, 127}}
	for range 20_000 {
		accents = append(accents, Colour{uint8(c.UintN(256)), uint8(c.UintN(256)), uint8(c.UintN(256))})
	}
	for _, accent := range accents {
		for _, grounds := range [][]Colour{LightGrounds, DarkGrounds} {
			p := PaletteOn(accent, grounds...)
			if p.Accent != accent || Contrast(p.On, p.Accent) < readable || Contrast(p.On, p.Strong) < readable || !p.Text.readableOn(grounds) {
				t.Fatalf("%s: %+v", accent, p)
			}
		}
		if read, ok := ParseColour(strings.ToUpper(accent.String())); !ok || read != accent {
			t.Fatalf("%s is read as %s", accent, read)
		}
	}
	for _, s := range []string{"", "#fff", "0b6b53", "#0b6b5", "#0b6b53;", "#0b6b5g", "#+b6b53", "red", "#０b6b53"} {
		if c, ok := ParseColour(s); ok {
			t.Errorf("%q is %s", s, c)
		}
	}
	if got := Contrast(black, white); got != 21 {
		t.Errorf("%v", got)
	}
}
