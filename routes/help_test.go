package routes_test

import (
	"regexp"
	"testing"

	"gatepost/crm/salesforce"
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
		p.is(200, salesforce.Provider.Fill(state.Label), salesforce.Provider.Fill(state.Help)).hasNot("{CRM}")
	}
	open(t).as(john, "contoso").get("/help").is(200).hasNot("help.example")
}

// What the pages of help lead to is there.
func TestHelpLeadsSomewhere(t *testing.T) {
	t.Parallel()
	w := open(t)
	b := w.as(john, "contoso")
	links := regexp.MustCompile(`href="(/[^"]*)"`)
	for _, path := range []string{"/help", "/account", "/nowhere"} {
		found := links.FindAllStringSubmatch(b.get(path).text(), -1)
		for _, link := range found {
			if p := b.get(link[1]); p.status >= 400 {
				t.Errorf("%s leads to %s: %d", path, link[1], p.status)
			}
		}
		if len(found) == 0 {
			t.Errorf("%s leads nowhere", path)
		}
	}
}

func versioned(c *routes.Config) { c.Version, c.HelpURL = "v1.2.3", "https://help.example/gatepost" }
