package routes

import (
	"io"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"

	"gatepost/auth"

	"github.com/gofiber/fiber/v2"
)

// With too many passwords to look at, the form comes back with what was typed.
func TestBusyLogin(t *testing.T) {
	var log strings.Builder
	s, app := &server{Config: Config{CRMs: crms}, log: slog.New(slog.NewTextHandler(&log, nil))}, fiber.New()
	app.Post("/login", func(c *fiber.Ctx) error {
		return s.loginRefused(c, &auth.RefusedError{UserID: "018f", Err: auth.ErrBusy}, "john@contoso.example", "/account")
	})
	resp, err := app.Test(httptest.NewRequest("POST", "/login", nil), -1)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != 503 || resp.Header.Get("Retry-After") != "5" {
		t.Errorf("%d, Retry-After %q", resp.StatusCode, resp.Header.Get("Retry-After"))
	}
	for _, text := range []string{"Please try again in a few seconds", `value="john@contoso.example"`, `value="/account"`} {
		if !strings.Contains(string(body), text) {
			t.Errorf("%q is missing", text)
		}
	}
	if got := log.String(); !strings.Contains(got, `level=WARN msg="log-in turned away"`) || !strings.Contains(got, "user=018f") || strings.Contains(got, "john") {
		t.Errorf("logged %s", got)
	}
	if status, sentence := s.explain(auth.ErrBusy); status != 503 || !strings.Contains(sentence, "a few seconds") {
		t.Errorf("elsewhere: %d %s", status, sentence)
	}
}

func TestNetworksAreRough(t *testing.T) {
	for ip, want := range map[string]string{"203.0.113.77": "203.0.113.0/24", "::ffff:203.0.113.77": "203.0.113.0/24", "2001:db8:1:2::9": "2001:db8:1::/48",
		"fe80::1%eth0": "fe80::/48", "": "unknown", "unix": "unknown"} {
		if got := roughly(ip); got != want {
			t.Errorf("%s is %s", ip, got)
		}
	}
}
