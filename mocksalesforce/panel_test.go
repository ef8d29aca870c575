package mocksalesforce_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// press sends a button of the panel, as a browser would.
func (w *world) press(org, do string, header ...string) answer {
	w.t.Helper()
	r := w.request("POST", "/panel", "", url.Values{"org": {org}, "do": {do}}.Encode())
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	a, err := w.send(r)
	if err != nil {
		w.t.Fatal(err)
	}
	return a
}

// Each button breaks one thing in one org, the panel says so, and the other button fixes it.
func TestThePanelBreaksAndFixes(t *testing.T) {
	w := newWorld(t)
	id, _ := w.brought(`{}`)
	john := w.session("").Access
	limits := func(token string) answer { return w.call("GET", api+"/limits", token, "") }
	create := func(token, contact string) answer { return w.call("POST", api+"/sobjects/Contact", token, contact) }
	panel := func() string { return w.call("GET", "/?org="+id, "", "").is(200, "").body }
	for _, of := range []struct {
		name, says, fix string
		meets           func(token string)
	}{
		{"down", ">Down<", "Bring back", func(token string) { limits(token).is(503, "") }},
		{"app", "Uninstalled", "Install the app", func(token string) { limits(token).is(401, "INVALID_SESSION_ID") }},
		{"duplicates", ">Blocks<", "Switch off", func(token string) {
			create(token, `{"FirstName":"Zoë","LastName":"Groß","Email":"new@example.com"}`).is(400, "DUPLICATES_DETECTED")
		}},
		{"validation", ">Refuses<", "Switch off", func(token string) {
			create(token, `{"LastName":"D1","Email":"d1@example.com"}`).is(400, "FIELD_CUSTOM_VALIDATION_EXCEPTION")
		}},
		{"required", ">Required<", "Make it optional", func(token string) { create(token, newContact).is(400, "REQUIRED_FIELD_MISSING") }},
		{"limit", "Used up", "Free them", func(token string) { limits(token).is(403, "REQUEST_LIMIT_EXCEEDED") }},
	} {
		s := w.session(eve).Access
		if strings.Contains(panel(), of.says) || !strings.Contains(panel(), "All works") {
			t.Errorf("before %s: %s", of.name, panel())
		}
		if a := w.press(id, of.name).is(303, ""); a.header.Get("Location") != "/?org="+id+"#panel" {
			t.Error(a.header)
		}
		of.meets(s)
		limits(john).is(200, "")
		if !strings.Contains(panel(), of.says) || !strings.Contains(panel(), of.fix) || !strings.Contains(panel(), "Something is broken") {
			t.Errorf("after %s: %s", of.name, panel())
		}
		w.press(id, "fix:"+of.name).is(303, "")
		limits(w.session(eve).Access).is(200, "")
		if strings.Contains(panel(), "Something is broken") {
			t.Errorf("after fixing %s: %s", of.name, panel())
		}
	}

	w.press(id, "access").is(303, "")
	if !strings.Contains(panel(), "Revoked") {
		t.Error(panel())
	}
	limits(w.session(eve).Access).is(200, "") // who connects again
	if strings.Contains(panel(), "Revoked") {
		t.Error(panel())
	}
	w.press(id, "slow").is(303, "")
	if a := w.call("GET", "/_control/settings?org="+id, "", ""); a.num("latency_ms") != 5000 || w.call("GET", "/_control/settings", "", "").num("latency_ms") != 0 {
		t.Error(a.body)
	}
	w.control("fail?org="+id, `{"on":"create","status":500,"error_code":"UNKNOWN_EXCEPTION","count":2}`)
	w.press(id, "limit").is(303, "")
	if !strings.Contains(panel(), "create: 500, UNKNOWN_EXCEPTION (2 times)") {
		t.Error(panel())
	}
	w.press(id, "fix").is(303, "")
	if !strings.Contains(panel(), "All works") {
		t.Error(panel())
	}
	create(w.session(eve).Access, newContact).is(201, "")
	w.press(id, "nothing").is(400, "")
	w.press("00D", "down").is(400, "")
}

// The panel can be reached though all else is down, whoever took it down.
func TestThePanelIsNotBrokenItself(t *testing.T) {
	w := newWorld(t)
	w.control("fail", `{"on":"any","html":true,"rate":1}`)
	w.call("GET", "/login", "", "").is(503, "")
	a := w.call("GET", "/", "", "").is(200, "")
	if !strings.Contains(a.body, "Contacts of Contoso") || !strings.Contains(a.body, "Bring back") {
		t.Error(a.body)
	}
	w.press("00Dak0000000001EAA", "fix:down").is(303, "")
	w.call("GET", "/login", "", "").is(200, "")
}

// A page of another site can't press the buttons.
func TestThePanelTakesItsOwnFormsAlone(t *testing.T) {
	w := newWorld(t)
	here := w.url
	for _, of := range []struct {
		header []string
		status int
	}{
		{nil, 303},
		{[]string{"Origin", here}, 303},
		{[]string{"Sec-Fetch-Site", "same-origin", "Origin", "null"}, 303},
		{[]string{"Sec-Fetch-Site", "none"}, 303},
		{[]string{"Origin", "https://elsewhere.example"}, http.StatusForbidden},
		{[]string{"Origin", "null"}, http.StatusForbidden},
		{[]string{"Sec-Fetch-Site", "cross-site"}, http.StatusForbidden},
		{[]string{"Sec-Fetch-Site", "same-site", "Origin", here}, http.StatusForbidden}, // the portal's port
	} {
		if a := w.press("00Dak0000000001EAA", "access", of.header...); a.status != of.status {
			t.Errorf("%v: %d, want %d", of.header, a.status, of.status)
		}
	}
	w.call("GET", "/panel?org=00Dak0000000001EAA&do=down", "", "").is(404, "")
}
