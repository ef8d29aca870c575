package routes_test

import (
	"testing"

	"gatepost/db"
	"gatepost/routes"
)

func TestHelp(t *testing.T) {
	t.Parallel()
	w := open(t, versioned)
	w.browser().get("/help").to("/login?next=%2Fhelp")
	p := w.as(john, "contoso").get("/help").is(200, "v1.2.3", "How sign-ups reach", "What the states mean", "Connection lost", "Put the form on your site", "https://help.example/gatepost")
	p.hasNot("github.com")
	for _, state := range db.States() {
		if state.Help == "" {
			t.Errorf("what %q means is said nowhere", state.Label)
		}
		p.is(200, state.Label, state.Help)
	}
	open(t).as(john, "contoso").get("/help").is(200).hasNot("help.example")
}

func versioned(c *routes.Config) { c.Version, c.HelpURL = "v1.2.3", "https://help.example/gatepost" }
