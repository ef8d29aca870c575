package routes

import (
	"io"
	"net/http/httptest"
	"strings"
	"testing"

	"gatepost/auth"

	"github.com/gofiber/fiber/v2"
)

// With too many passwords to look at, the form comes back with what was typed.
func TestBusyLogin(t *testing.T) {
	s, app := &server{}, fiber.New()
	app.Post("/login", func(c *fiber.Ctx) error {
		return s.loginRefused(c, &auth.RefusedError{Err: auth.ErrBusy}, "john@contoso.example", "/account")
	})
	resp, err := app.Test(httptest.NewRequest("POST", "/login", nil))
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
	if status, sentence := s.explain(auth.ErrBusy); status != 503 || !strings.Contains(sentence, "a few seconds") {
		t.Errorf("elsewhere: %d %s", status, sentence)
	}
}
