package routes_test

import (
	"testing"
	"time"

	"gatepost/db"
)

// The figure of the API calls says as of when it is, and isn't shown for what it no
// longer is.
func TestTheFigureOfAPICallsTellsItsAge(t *testing.T) {
	t.Parallel()
	w := open(t)
	b := w.as(john, "contoso")
	if err := w.store.SaveUsage(t.Context(), w.tenant("contoso").ID, 4400, 15000, 12); err != nil {
		t.Fatal(err)
	}
	age := func(d time.Duration) {
		if _, err := w.store.Writer().Exec(`UPDATE api_usage SET at = $1`, time.Now().Add(-d).UnixMilli()); err != nil {
			t.Fatal(err)
		}
	}
	b.get("/integrations/sfdc").is(200, "4,400 of 15,000 (29 %), 12 of them by Gatepost; as of", time.Now().UTC().Format("2006-01-02"))
	age(23 * time.Hour)
	b.get("/integrations/sfdc").is(200, "4,400 of 15,000", "as of", time.Now().UTC().Add(-23*time.Hour).Format("2006-01-02"))
	age(24 * time.Hour)
	b.get("/integrations/sfdc").is(200, "Not known now. Salesforce last said it", time.Now().UTC().Add(-24*time.Hour).Format("2006-01-02")).hasNot("4,400")
}

// From one on, those who need attention are told of where the connection is shown, and
// nothing there is green.
func TestTheCardCountsWhoNeedsAttention(t *testing.T) {
	t.Parallel()
	w := openBoth(t)
	b := w.as(john, "contoso")
	b.get("/integrations").is(200).hasNot("attention")
	w.counted("contoso", db.Attention, "STRING_TOO_LONG", 1)
	b.get("/integrations").is(200, "1 sign-up needs attention", "See who and why", "Not connected")
	b.connect(sfJohn).to(connected)
	for _, path := range []string{"/integrations", "/integrations/sfdc"} {
		b.get(path).is(200, "1 needs attention").hasNot(`class="pill good"`)
	}
	w.counted("contoso", db.Attention, "STRING_TOO_LONG", 9)
	b.get("/integrations").is(200, "9 sign-ups need attention", "9 need attention").hasNot(`class="pill good"`)
	b.get("/integrations/sfdc/card?seen=x", "HX-Request", "true").is(200, "9 sign-ups need attention")
	w.counted("contoso", db.Attention, "STRING_TOO_LONG", 0)
	for _, path := range []string{"/integrations", "/integrations/sfdc"} {
		b.get(path).is(200, `class="pill good"`).hasNot("needs attention")
	}
	w.as(ann, "fabrikam").get("/integrations").is(200).hasNot("attention")
}

// The search says what it does.
func TestTheSearchSaysWhatItDoes(t *testing.T) {
	t.Parallel()
	w := open(t)
	b := w.as(john, "contoso")
	w.someone("contoso", "anna.berger@reader.test")
	b.get("/subscribers").is(200, "Search by how the e-mail address begins")
	b.get("/subscribers?q=anna.b").is(200, "anna.berger@reader.test").hasNot("Nobody matches")
	for _, q := range []string{"berger", "reader.test"} {
		b.get("/subscribers?q="+q).is(200, "Nobody matches", "No e-mail address begins like that", "names are not searched").hasNot("anna.berger")
	}
	b.get("/subscribers?q=berger&state=attention").is(200, "in this state begins like that")
	b.get("/subscribers?state=attention").is(200, "Nobody is in this state")
}
