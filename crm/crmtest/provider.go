package crmtest

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"gatepost/crm"
)

// never is a code that no CRM has.
const never = "NEVER_HEARD_OF_IT"

// owns are the codes that are ours, and those with which the vault says that a connection
// was not made or is over. Every CRM has a sentence for each.
var owns = []string{
	crm.NotConnected, crm.Broken, crm.Unavailable, crm.TimedOut, crm.Spared, crm.Gone, crm.Exists, crm.Several, crm.Settling, crm.NoKey, crm.OtherOrg, crm.TooManyMatches, crm.NoOptOut, crm.StillNamed,
	"no_refresh_token", "missing_scope", "foreign_host", "access_denied", "invalid_grant",
}

// Provider checks what is said of a kind of CRM: what a page says and what is done agree,
// for every code and in each state. Further codes are those that its API is documented to
// have.
func Provider(t *testing.T, p *crm.Provider, further ...string) {
	t.Run("what it is called", func(t *testing.T) { names(t, p) })
	t.Run("how long it takes", func(t *testing.T) { settles(t, p) })
	t.Run("every code has a sentence", func(t *testing.T) { sentences(t, p, further) })
	t.Run("sentences say what is done", func(t *testing.T) { done(t, p) })
	t.Run("who needs attention is told what to do", func(t *testing.T) { gaveUp(t, p) })
	t.Run("titles and labels fit", func(t *testing.T) { titles(t, p) })
	t.Run("the admin's note", func(t *testing.T) { note(t, p) })
}

func names(t *testing.T, p *crm.Provider) {
	for what, word := range map[string]string{"service": p.Service, "name": p.Name, "record": p.Record, "records": p.Records} {
		if word == "" {
			t.Errorf("there is no word for its %s", what)
		}
	}
	if len(p.Limits) == 0 {
		t.Fatal("nothing of it is limited")
	}
	for _, l := range p.Limits {
		if l.Unit == "" || l.Window <= 0 {
			t.Errorf("%q are counted in %v", l.Unit, l.Window)
		}
	}
	if p.Batch < 1 || p.RecordURL == nil || !strings.Contains(p.RecordURL("https://crm.example", "42"), "42") {
		t.Errorf("batches of %d, or no address of a record", p.Batch)
	}
	if _, leads := p.Option(crm.OptionLeads); leads != (p.Leads != "") {
		t.Errorf("it has %q, and an option for leads: %t", p.Leads, leads)
	}
	if got := p.Fill("{Record} of {CRM}, {Records}"); strings.ContainsAny(got, "{}") || !strings.Contains(got, p.Name) {
		t.Error(got)
	}
	for _, o := range p.Options {
		if o.Label == "" {
			t.Errorf("option %s has no label", o.Name)
		}
	}
	if o := p.OptOuts; o != nil && (o.Flag == "" || !strings.HasSuffix(o.Hint, ".")) {
		t.Errorf("opt-outs are told as %+v", o)
	}
	if _, ok := p.Option("none"); ok {
		t.Error("it has an option that there isn't")
	}
}

func settles(t *testing.T, p *crm.Provider) {
	before := time.Duration(0)
	for n := 1; n <= p.Batch; n++ {
		if is := p.Settles.Of(n); is <= 0 || is < before {
			t.Fatalf("%d records settle in %v, one less in %v", n, is, before)
		} else {
			before = is
		}
	}
	if p.Settles.Of(1) != p.Settles.One || before > p.Settles.Many {
		t.Errorf("one settles in %v, a batch in %v: %+v", p.Settles.Of(1), before, p.Settles)
	}
}

func sentences(t *testing.T, p *crm.Provider, further []string) {
	for _, code := range slices.Concat(owns, further, p.AllCodes()) {
		if !p.Knows(code) || p.Sentence(strings.ToLower(code)) != p.Sentence(strings.ToUpper(code)) {
			t.Errorf("%s has no sentence", code)
		}
	}
	for _, code := range slices.Concat(slices.Collect(maps.Keys(p.Codes)), slices.Collect(maps.Keys(p.Access))) {
		_, inCodes := p.Codes[code]
		if _, too := p.Access[code]; inCodes && too || code != strings.ToUpper(code) {
			t.Errorf("%s stands in both tables, or will not be found", code)
		}
	}
	for _, code := range p.AllCodes() {
		e := p.Sentence(code)
		for _, s := range []string{e.What, e.Mend} {
			if !strings.HasSuffix(s, ".") || len(s) < 15 || strings.ContainsAny(s, "{}") {
				t.Errorf("%s: %q is no sentence", code, s)
			}
		}
		if (e.Who == crm.Nobody) != (e.Mend == crm.ItPasses) || e.Who == "" {
			t.Errorf("%s: %q mends it by %q", code, e.Who, e.Mend)
		}
	}
	e := p.Sentence(never)
	if !strings.Contains(e.What, never) || !strings.Contains(e.What, p.Name) || e.Who != crm.Admin || e.Mend == "" || p.Knows(never) {
		t.Errorf("an unknown code: %+v", e)
	}
}

// done checks that who waits is tried again, and who needs attention isn't, unless somebody
// says so.
func done(t *testing.T, p *crm.Provider) {
	for code := range p.Codes {
		c, known := p.KnownCode(code)
		e := c.Explanation
		waits := c.Record.Class != crm.Recorded || c.Call.Class != crm.Recorded
		switch {
		case !known || e != p.Sentence(code):
			t.Errorf("%s is told in two ways", code)
		case e.Promises() && !waits:
			t.Errorf("%s promises a try that never comes: %q", code, e.Mend)
		case e.Who == crm.Nobody && (c.Record.Class == crm.Recorded || c.Record.Class == crm.Connection):
			t.Errorf("%s leaves to itself what %v says somebody has to do", code, c.Record)
		case e.Mend == p.Fill(crm.Reconnect) && c.Call.Class != crm.Connection:
			t.Errorf("%s asks to connect again where that doesn't stop anything: %v", code, c.Call)
		case c.Record.Class == crm.Passing && c.Record.Tries < 1:
			t.Errorf("%s has no end", code)
		case c.Call.Class == crm.Passing || c.Call.Tries != 0:
			t.Errorf("%s: a whole call can't pass for one: %v", code, c.Call)
		case c.Wraps && c.Record.Class != crm.Recorded:
			t.Errorf("%s wraps, and is not final by itself", code)
		}
	}
	if c, known := p.KnownCode(never); known || c.Record.Class != crm.Recorded || c.Call.Class != crm.Recorded {
		t.Errorf("an unknown code: %+v", c)
	}
}

// gaveUp checks that who needs attention is never told that nothing is to be done.
func gaveUp(t *testing.T, p *crm.Provider) {
	for _, code := range append(p.AllCodes(), never) {
		e := p.GaveUp(code)
		for _, vain := range []string{"by ourselves", "Nothing to do", "We go on"} {
			if strings.Contains(e.What+e.Mend, vain) && code != "API_SPARED" && code != "SETTLING" { // never an end
				t.Errorf("%s: %+v", code, e)
			}
		}
		if once := p.AskedOnce(code); once.Promises() || once.Who == crm.Nobody || once.What != p.Sentence(code).What {
			t.Errorf("%s, asked once: %+v", code, once)
		}
		if e.Who == crm.Nobody || !strings.HasSuffix(e.What, ".") || !strings.HasSuffix(e.Mend, ".") || strings.Contains(e.Mend, "  ") {
			t.Errorf("%s: %+v", code, e)
		}
		c, _ := p.KnownCode(code)
		if s := p.Sentence(code); !s.Promises() && c.Record.Class == crm.Recorded && e != s {
			t.Errorf("%s is final, and told as %+v", code, e)
		}
		if c.Record.Class == crm.Passing && (!strings.Contains(e.What, "many times") || c.Stuck != "" && (e.Who != crm.Admin || !strings.HasSuffix(e.Mend, "Then retry."))) {
			t.Errorf("%s ended, and is told as %+v", code, e)
		}
	}
}

// titles checks that wherever a cause is named, it has a few words that fit the place.
func titles(t *testing.T, p *crm.Provider) {
	for _, code := range append(p.AllCodes(), never, "") {
		s := p.Sentence(code)
		for _, e := range []crm.Explanation{s, p.GaveUp(code), p.AskedOnce(code)} {
			for what, limit := range map[string]int{e.Title: crm.MaxTitle, e.Label: crm.MaxLabel} {
				if n := utf8.RuneCountInString(what); n == 0 || n > limit || strings.HasSuffix(what, ".") {
					t.Errorf("%s: %q has %d characters of %d, or ends with a dot", code, what, n, limit)
				}
			}
			if e.Title != s.Title || e.Label != s.Label {
				t.Errorf("%s is called %q and %q", code, e.Title, s.Title)
			}
		}
	}
}

// note checks that the administrator is told what to do, and not whom to ask.
func note(t *testing.T, p *crm.Provider) {
	for _, code := range append(p.AllCodes(), never) {
		e := p.GaveUp(code)
		text := p.AdminNote(e, crm.NoteFacts{Code: code, N: 2, Said: "said"})
		for _, part := range []string{"2 of our newsletter sign-ups have not reached " + p.Name, e.What, p.Name + " said: said", "Code: " + code} {
			if !strings.Contains(text, part) {
				t.Errorf("%s: %q is missing in\n%s", code, part, text)
			}
		}
		if e.Who == crm.Admin && code != never && strings.Contains(text, "Ask your") {
			t.Errorf("%s has the administrator ask himself:\n%s", code, text)
		}
	}
}
