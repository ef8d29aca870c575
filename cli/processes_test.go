package cli

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"gatepost/auth"
	"gatepost/crm"
	"gatepost/db"
	"gatepost/db/dbtest"
	"gatepost/newsletter"
)

// openProcess opens a portal as serve does, on the database at an address.
func openProcess(t *testing.T, at string) *portal {
	t.Helper()
	environ := map[string]string{}
	for _, pair := range serveEnv(t, "GATEPOST_DATABASE="+at) {
		name, value, _ := strings.Cut(pair, "=")
		environ[name] = value
	}
	c, err := readConfig(environ)
	if err != nil {
		t.Fatal(err)
	}
	p, err := openPortal(t.Context(), c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// serveUntilTheEnd runs a portal until the test ends.
func serveUntilTheEnd(t *testing.T, p *portal) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.run(ctx, ln) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// A process hears what another has stored and changed. It looks for itself once an hour,
// and its clock, by which it reads newsletters anew, stands still.
func TestProcessesTellEachOther(t *testing.T) {
	dbtest.PostgresOnly(t, "processes on a SQLite file find out when they look")
	at := dbtest.Path(t)
	other := dbtest.Open(t, at) // delivers nothing
	contoso, err := auth.NewPeople(other, other.Now).AddTenant(t.Context(), "contoso", "Contoso")
	if err != nil {
		t.Fatal(err)
	}
	p := openProcess(t, at)
	stopped := p.db.Now()
	p.newsletters = newsletter.New(newsletter.Config{Store: p.db, Now: func() time.Time { return stopped }})
	asked := make(chan string, 100)
	p.dispatcher.LookEvery = time.Hour
	p.dispatcher.Connect = func(_ context.Context, to db.DestinationKey) (crm.CRM, error) {
		asked <- to.TenantID
		return nil, errors.New("no CRM")
	}
	serveUntilTheEnd(t, p)

	n, err := p.newsletters.BySlug(t.Context(), "contoso-weekly")
	if err != nil {
		t.Fatal(err)
	}
	answers, err := other.AddSignUps(t.Context(), []db.SignUp{{TenantID: contoso.ID, NewsletterID: n.ID, Email: "jane@example.com", EmailKey: "jane@example.com", Consent: "yes", Source: "form", At: other.Now()}})
	if err != nil || answers[0].Err != nil {
		t.Fatal(err, answers)
	}
	select {
	case id := <-asked:
		if id != contoso.ID {
			t.Errorf("%s is delivered", id)
		}
	case <-time.After(patience):
		t.Error("the sign-up is not delivered")
	}
	contoso.Name = "Contoso Ltd"
	if err := other.SetTenant(t.Context(), contoso); err != nil {
		t.Fatal(err)
	}
	for begun := time.Now(); n.TenantName != contoso.Name; {
		if n, err = p.newsletters.BySlug(t.Context(), "contoso-weekly"); err != nil {
			t.Fatal(err)
		}
		if time.Since(begun) > patience {
			t.Fatalf("it still is of %s", n.TenantName)
		}
	}
	k, secret, err := auth.NewAPIKey(t.Context(), other, auth.APIKeyOptions{Name: "platform", Actions: []string{auth.Read}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.keys.Check(t.Context(), secret, stopped); err != nil {
		t.Fatal(err)
	}
	if err := other.DeleteAPIKey(t.Context(), k.ID); err != nil {
		t.Fatal(err)
	}
	for begun := time.Now(); !errors.Is(err, auth.ErrAPIKey); _, err = p.keys.Check(t.Context(), secret, stopped) {
		if time.Since(begun) > patience {
			t.Fatalf("a removed key still works: %v", err)
		}
	}
}
