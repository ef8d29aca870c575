package auth

import (
	"errors"
	"strings"
	"testing"

	"gatepost/db"
)

// However an address is pasted, it is the same person's: at the log-in, when somebody
// has forgotten their password, and for the operator's commands.
func TestAnAddressIsFoundHoweverItIsPasted(t *testing.T) {
	p, d, _, john := contoso(t)
	for _, typed := range []string{
		" JOHN@contoso.example\n", "\u200bjohn@contoso.example", "john@contoso.example\u00a0", "jo\u00adhn@contoso.example", "\u202ajohn@contoso.example\u202c",
		"John Doe <john@contoso.example>", "mailto:john@contoso.example", "<john@contoso.example>;", "john＠contoso.example", "john@contoso.example.",
	} {
		if u, _, err := p.Login(t.Context(), typed, password, Client{IP: home}); err != nil || u.ID != john.ID {
			t.Errorf("log-in with %+q: %v", typed, err)
		}
		if u, err := p.UserByEmail(t.Context(), typed); err != nil || u.ID != john.ID {
			t.Errorf("%+q isn't found: %v", typed, err)
		}
		if _, err := p.AddUser(t.Context(), typed, "contoso", password); !fieldError(err, "email") {
			t.Errorf("%+q became somebody else: %v", typed, err)
		}
	}
	before := count(t, d)
	if _, err := p.RequestReset(t.Context(), "\u200bJohn <JOHN@contoso.example>", home); err != nil || count(t, d) != before+1 {
		t.Errorf("no reset was queued: %v", err)
	}
	// Both spellings of a domain are one person.
	anna, err := p.AddUser(t.Context(), "Anna@Bücher.example", "contoso", password)
	if err != nil || anna.Email != "anna@xn--bcher-kva.example" {
		t.Fatalf("%+v, %v", anna, err)
	}
	for _, typed := range []string{"anna@bücher.example", "anna@bu\u0308cher.example", "ANNA@XN--BCHER-KVA.example"} {
		if u, _, err := p.Login(t.Context(), typed, password, Client{IP: home}); err != nil || u.ID != anna.ID {
			t.Errorf("log-in with %+q: %v", typed, err)
		}
	}
}

func count(t *testing.T, d *db.DB) (n int) {
	t.Helper()
	if err := d.Writer().QueryRow(`SELECT count(*) FROM mails`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// Who was added before addresses were cleaned can go on logging in.
func TestAnAddressStoredAsItWasTypedIsFound(t *testing.T) {
	p, d, _, john := contoso(t)
	for _, stored := range []string{"john@bücher.example", "'john@contoso.example", "jo\u0308hn@contoso.example"} {
		if _, err := d.Writer().Exec(`UPDATE users SET email = $1`, stored); err != nil {
			t.Fatal(err)
		}
		if u, _, err := p.Login(t.Context(), " "+strings.ToUpper(stored), password, Client{IP: home}); err != nil || u.ID != john.ID {
			t.Errorf("log-in with %+q: %v", stored, err)
		}
		if _, err := p.AddUser(t.Context(), stored, "contoso", password); !fieldError(err, "email") {
			t.Errorf("%+q became two: %v", stored, err)
		}
		// Too many guesses at it are forgotten with a new password, as others' are.
		for range 20 {
			_, _, _ = p.Login(t.Context(), stored, "not this one", Client{IP: home})
		}
		if err := p.SetPassword(t.Context(), stored, password); err != nil {
			t.Fatal(err)
		}
		if _, _, err := p.Login(t.Context(), stored, password, Client{IP: "203.0.113.9"}); err != nil {
			t.Errorf("%+q after a new password: %v", stored, err)
		}
	}
}

func TestWhatOperatorsTypeIsCleaned(t *testing.T) {
	p, d, _, _ := contoso(t)
	tenant, err := p.AddTenant(t.Context(), " \u200bfabrikam\u00a0", "\u200bFabrikam\u00a0Cafe\u0301\u200b")
	if err != nil || tenant.Slug != "fabrikam" || tenant.Name != "Fabrikam Café" {
		t.Errorf("%+q, %+q, %v", tenant.Slug, tenant.Name, err)
	}
	if tenant, err := p.AddTenant(t.Context(), "northwind", "\u200b\u00a0\ufeff"); err != nil || tenant.Name != "Northwind" {
		t.Errorf("an invisible name: %+q, %v", tenant.Name, err)
	}
	for _, name := range []string{"Fabri\ufffdkam", "Fabri\xffkam", "Fabri\x00kam", "Fabri\nkam", "\u202emakirbaF", strings.Repeat("é", nameMaxChars+1)} {
		if _, err := p.AddTenant(t.Context(), "other", name); !fieldError(err, "name") {
			t.Errorf("%+q: %v", name, err)
		}
	}
	for email, says := range map[string]string{"john": "no @", "a@b.example, c@d.example": "several", "jo\ufffdhn@contoso.example": "lost", "john@": "after the @", "": "needed", "\u200b": "needed"} {
		var wrong FieldErrors
		if _, err := p.AddUser(t.Context(), email, "contoso", password); !errors.As(err, &wrong) || !strings.Contains(wrong["email"], says) {
			t.Errorf("%+q: %v", email, err)
		}
	}
	if k, _, err := NewAPIKey(t.Context(), d, APIKeyOptions{Name: "\u200bbilling\u00a0", Actions: []string{Read}}); err != nil || k.Name != "billing" {
		t.Errorf("%+q, %v", k.Name, err)
	}
	for _, name := range []string{"\u200b", "bil\ufffdling", "bil\nling"} {
		if _, _, err := NewAPIKey(t.Context(), d, APIKeyOptions{Name: name, Actions: []string{Read}}); err == nil {
			t.Errorf("%+q is taken", name)
		}
	}
}
