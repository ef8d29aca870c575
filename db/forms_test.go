package db

import (
	"errors"
	"maps"
	"reflect"
	"testing"
	"time"

	"gatepost/forms"
)

func TestFormVersions(t *testing.T) {
	d, ctx := withNewsletters(t, "a/1", "b/1"), t.Context()
	read := func() Newsletter {
		t.Helper()
		n, err := d.NewsletterBySlug(ctx, "a/1")
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	n := read()
	if !reflect.DeepEqual(n.Form, forms.First("I agree.")) || n.State != NewsletterOpen {
		t.Errorf("it begins as %+v", n)
	}
	first := n.Form
	first.Consent, first.Button = forms.Consent{Words: "I do agree.", Box: true}, "Join"
	first.Fields = append(first.Fields, forms.Field{Type: forms.Choice, Label: "Size", Options: []forms.Option{{Label: "Small"}}})
	first, faults := forms.Next(n.Form, first)
	if faults != nil {
		t.Fatal(faults)
	}
	for name, tt := range map[string]struct {
		tenant, newsletter string
		version            int
		want               error
	}{
		"of another tenant": {"b", "a/1", 1, ErrNotFound},
		"of none":           {"a", "a/2", 1, ErrNotFound},
		"a later version":   {"a", "a/1", 2, ErrConflict},
		"the same version":  {"a", "a/1", 0, ErrConflict},
	} {
		bad := first
		bad.Version = tt.version
		if err := d.SaveForm(ctx, tt.tenant, tt.newsletter, bad, ""); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if !reflect.DeepEqual(read(), n) {
		t.Errorf("what was refused made it %+v", read())
	}
	if err := d.SaveForm(ctx, "a", "a/1", first, "u"); err != nil {
		t.Fatal(err)
	}
	now := read()
	if !reflect.DeepEqual(now.Form, first) || now.Consent != "I do agree." || now.Revision != n.Revision+1 {
		t.Errorf("it became %+v", now)
	}
	if err := d.SaveForm(ctx, "a", "a/1", first, "u"); !errors.Is(err, ErrConflict) {
		t.Errorf("saved twice: %v", err)
	}
	for version, want := range []forms.Definition{n.Form, first} {
		if got, err := d.FormVersion(ctx, "a", "a/1", version); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("version %d: %+v, %v", version, got, err)
		}
	}
	for name, err := range map[string]error{"another tenant": lookup(d.FormVersion(ctx, "b", "a/1", 1)), "a version to come": lookup(d.FormVersion(ctx, "a", "a/1", 2))} {
		if !errors.Is(err, ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// lookup is the error of what was looked up.
func lookup[T any](_ T, err error) error { return err }

func TestLogos(t *testing.T) {
	d, ctx := withNewsletters(t, "a/1", "b/1"), t.Context()
	if _, err := d.write.Exec(`INSERT INTO logos (id, tenant_id, newsletter_id, png, width, height, created_at) VALUES ('l', 'a', 'a/1', 'UE5H', 1, 1, 1)`); err != nil {
		t.Fatal(err)
	}
	if png, err := d.Logo(ctx, "a", "a/1", "l"); err != nil || string(png) != "PNG" {
		t.Errorf("%q, %v", png, err)
	}
	for _, key := range [][3]string{{"b", "a/1", "l"}, {"a", "b/1", "l"}, {"a", "a/1", "m"}} {
		if _, err := d.Logo(ctx, key[0], key[1], key[2]); !errors.Is(err, ErrNotFound) {
			t.Errorf("%v: %v", key, err)
		}
	}
}

// What somebody filled in is stored with the version of the form; a repeated sign-up fills in
// what was lacking and replaces what is another value, which stays with its consent.
func TestFieldsOfSignUps(t *testing.T) {
	d, ctx := withNewsletters(t, "a/1"), t.Context()
	at := time.Date(2026, 3, 1, 10, 30, 0, 0, time.UTC)
	sign := func(version int, fields string) string {
		t.Helper()
		at = at.Add(time.Minute)
		s := signUp("a/1", "jane@example.com")
		s.FirstName, s.Fields, s.FormVersion, s.At = "Jane", fields, version, at
		return add(t, d, s, signUp("a/1", "another@example.com"))[0]
	}
	id := sign(3, `{"f1":"Contoso","f2":"a;b"}`)
	for _, step := range []struct {
		fields   string
		want     forms.Values
		replaced map[string]string
	}{
		{"", forms.Values{"f1": "Contoso", "f2": "a;b"}, nil},
		{`{"f2":"a;b"}`, forms.Values{"f1": "Contoso", "f2": "a;b"}, nil},
		{`{"f3":"DE"}`, forms.Values{"f1": "Contoso", "f2": "a;b", "f3": "DE"}, nil},
		{`{"f1":"Fabrikam","f3":"FR"}`, forms.Values{"f1": "Fabrikam", "f2": "a;b", "f3": "FR"}, map[string]string{"f1": "Contoso", "f3": "DE"}},
	} {
		if again := sign(4, step.fields); again != id {
			t.Fatalf("signed up again as %s", again)
		}
		s, err := d.Subscriber(ctx, "a", id)
		if err != nil || !maps.Equal(s.Fields, step.want) || s.FormVersion != 3 || s.FirstName != "Jane" {
			t.Errorf("%s: %+v, %v", step.fields, s, err)
		}
		h, err := d.History(ctx, "a", id)
		if err != nil || h.Consents[0].Version != 4 || !maps.Equal(h.Consents[0].Replaced, step.replaced) {
			t.Errorf("%s: %+v, %v", step.fields, h.Consents, err)
		}
	}
	if h, err := d.History(ctx, "a", id); err != nil || h.Consents[len(h.Consents)-1].Version != 3 {
		t.Errorf("the first was by %+v, %v", h.Consents, err)
	}
	other, err := d.SubscriberAt(ctx, "a", "a/1", "another@example.com")
	if err != nil || other.Fields != nil || other.FormVersion != 0 {
		t.Errorf("another: %+v, %v", other, err)
	}
}
