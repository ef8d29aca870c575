package routes_test

import (
	"strings"
	"testing"
	"time"

	"gatepost/crm/salesforce"
	"gatepost/db"
)

// The figure of the API calls says as of when it is, and isn't shown for what it no
// longer is.
func TestTheFigureOfAPICallsTellsItsAge(t *testing.T) {
	t.Parallel()
	w := open(t)
	b := w.as(john, "contoso")
	if err := w.store.SaveUsage(t.Context(), w.to("contoso"), 4400, 15000, 12); err != nil {
		t.Fatal(err)
	}
	age := func(d time.Duration) {
		if _, err := w.store.Writer().Exec(`UPDATE api_usage SET at = $1`, time.Now().Add(-d).UnixMilli()); err != nil {
			t.Fatal(err)
		}
	}
	b.get("/integrations/sfdc").is(200, "4,400 of 15,000 in 24 hours, 12 by Gatepost, as of", time.Now().UTC().Format("2006-01-02"))
	age(23 * time.Hour)
	b.get("/integrations/sfdc").is(200, "4,400 of 15,000", "as of", time.Now().UTC().Add(-23*time.Hour).Format("2006-01-02"))
	age(24 * time.Hour)
	b.get("/integrations/sfdc").is(200, "Not known since", time.Now().UTC().Add(-24*time.Hour).Format("2006-01-02")).hasNot("4,400")
}

// From one on, those who need attention are told of where the connection is shown, and
// nothing there is green.
func TestTheCardCountsWhoNeedsAttention(t *testing.T) {
	t.Parallel()
	w := openBoth(t)
	b := w.as(john, "contoso")
	b.get("/integrations").is(200).hasNot("need attention", "needs attention")
	w.counted("contoso", db.Attention, "STRING_TOO_LONG", 1)
	b.get("/integrations").is(200, "1 person", "/integrations/sfdc/problems", "Not connected yet")
	b.connect(sfJohn).to(connected)
	b.get("/integrations").is(200, "Needs attention").hasNot(`class="badge good"`)
	b.get("/integrations/sfdc").is(200, "Needs attention", `<span class="count">1<`).hasNot(`class="badge good"`)
	w.counted("contoso", db.Attention, "STRING_TOO_LONG", 9)
	b.get("/integrations").is(200, "9 people", "Needs attention").hasNot(`class="badge good"`)
	b.get("/integrations/sfdc/card?seen=x", "HX-Request", "true").is(200, "9 people")
	w.counted("contoso", db.Attention, "STRING_TOO_LONG", 0)
	b.get("/integrations").is(200, `class="badge good"`).hasNot("needs attention")
	b.get("/integrations/sfdc").is(200, `class="badge good"`, "Ready for sign-ups")
	w.as(ann, "fabrikam").get("/integrations").is(200).hasNot("need attention", "needs attention")
}

// The search says what it does.
func TestTheSearchSaysWhatItDoes(t *testing.T) {
	t.Parallel()
	w := open(t)
	b := w.as(john, "contoso")
	w.someone("contoso", "anna.berger@reader.test")
	b.get("/subscribers").is(200, "Name or address", "1 subscriber.")
	for _, q := range []string{"anna.b", "berger", "reader.test", "READER", "an"} {
		b.get("/subscribers?q="+q).is(200, "anna.berger@reader.test", "1 subscriber.")
	}
	b.get("/subscribers?q=er").is(200, "No subscribers found.", "No address or name has that in it. Try a part of it.", `href="/subscribers">Clear filters`).hasNot("anna.berger")
	b.get("/subscribers?q=berger&state=attention").is(200, "within these filters", `name="state" value="attention"`)
	b.get("/subscribers?state=attention").is(200, "Nobody matches these filters.")
	if strings.Contains(w.log.String(), "berger") {
		t.Error("what somebody looks for is in the log")
	}
}

// What is chosen stays in the address, whatever is chosen next, and in the file.
func TestSubscribersAreFiltered(t *testing.T) {
	t.Parallel()
	w := open(t)
	b, other := w.as(john, "contoso"), w.as(ann, "fabrikam")
	w.put(`INSERT INTO pauses (destination_id, tenant_id, reason, detail, tries, batch, until, since) VALUES ($1, $1, '', '', 1, 0, $2, 0)`, w.tenant("contoso").ID, time.Now().Add(time.Hour).UnixMilli())
	w.many(25)
	w.become(3, db.Outcome{State: db.Attention, Reason: "DUPLICATES_DETECTED"})
	w.become(1, db.Outcome{State: db.Waiting, Reason: "UNABLE_TO_LOCK_ROW"})
	label := salesforce.Provider.GaveUp("DUPLICATES_DETECTED").Label
	b.get("/subscribers").is(200, "1–20 of 29 subscribers, newest first.", `href="/subscribers?state=attention">Needs attention <span>3</span>`, `value="DUPLICATES_DETECTED">`+label,
		`href="/subscribers.csv"`, `aria-sort="descending"`, `href="/subscribers?sort=oldest"`, `href="/subscribers?sort=name"`)
	b.get("/subscribers?cause=DUPLICATES_DETECTED&q=duplicates&sort=address").is(200, "3 subscribers, by address.", `href="/subscribers?cause=DUPLICATES_DETECTED&q=duplicates&sort=address&state=waiting"`,
		`href="/subscribers.csv?cause=DUPLICATES_DETECTED&q=duplicates&sort=address"`, `name="sort" value="address"`, ` selected>`+label, `value="duplicates"`, `href="/integrations/sfdc/problems/attention/DUPLICATES_DETECTED"`)
	b.get("/subscribers?newsletter=contoso-weekly&when=7d").is(200, "1–20 of 29", `value="contoso-weekly" selected`, `value="7d" selected`)
	b.get("/subscribers?newsletter=fabrikam-weekly").is(200, "No subscribers found.")
	b.get("/subscribers?from=2020-01-01&to=2020-12-31").is(200, "No subscribers found.", `name="from" value="2020-01-01"`, `name="to" value="2020-12-31"`)
	b.get("/subscribers?from=2020-01-01").is(200, "1–20 of 29")
	b.get("/subscribers?sort=nonsense&when=nonsense&from=nonsense").is(200, "1–20 of 29", "newest first")
	part := b.get("/subscribers?q=duplicates&state=attention", "HX-Request", "true").is(200, "3 subscribers", `id="states" hx-swap-oob="true"`, `href="/subscribers?q=duplicates"`, `id="download" hx-swap-oob="true"`, `href="/subscribers.csv?q=duplicates&state=attention"`)
	part.hasNot("<html")
	if p := b.get("/subscribers?when=range&q=duplicates", "HX-Request", "true").is(204); p.head("HX-Redirect") != "/subscribers?q=duplicates&when=range" {
		t.Errorf("sent to %q", p.head("HX-Redirect"))
	}
	file := b.get("/subscribers.csv?q=duplicates&cause=DUPLICATES_DETECTED&sort=address").is(200, "e-mail,first name", "DUPLICATES_DETECTED")
	if n := strings.Count(file.body, "@duplicates-detected.test"); n != 3 || file.head("Content-Disposition") != `attachment; filename="subscribers.csv"` {
		t.Errorf("%d rows, %q", n, file.head("Content-Disposition"))
	}
	other.get("/subscribers.csv").is(200, "e-mail").hasNot(".test")
}
