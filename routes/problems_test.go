package routes_test

import (
	"fmt"
	"html"
	"strings"
	"testing"
	"time"

	"gatepost/crm"
	"gatepost/db"
)

const problems = "/integrations/sfdc/problems"

// Who has five causes and 400 people sees them at once, those that need somebody first.
func TestProblemsAreOneTable(t *testing.T) {
	t.Parallel()
	w := open(t)
	b := w.as(john, "contoso")
	b.get(problems).is(200, "No problems").hasNot("<table")
	codes := []string{"DUPLICATES_DETECTED", "FIELD_CUSTOM_VALIDATION_EXCEPTION", "REQUIRED_FIELD_MISSING", "STRING_TOO_LONG"}
	for i, code := range codes {
		w.become(90+i, db.Outcome{State: db.Attention, Reason: code, Detail: "No."})
	}
	w.become(34, db.Outcome{State: db.Waiting, Reason: "UNABLE_TO_LOCK_ROW", DueAt: time.Now().Add(time.Hour)})
	p := b.get(problems).is(200, "366 people need attention, 34 are waiting", "5 causes, 400 people", "Blocked by duplicate rule", "Refused by validation rule", "Required field missing",
		"Name too long", "Salesforce is not connected", "Your Salesforce admin", "Today, ", "Retry all 93", "Dismiss all 93").hasNot(".test")
	if n := strings.Count(p.body, `<tr role="row">`); n != 1+5 {
		t.Errorf("%d rows", n)
	}
	if strings.Index(p.body, "Name too long") > strings.Index(p.body, "Blocked by duplicate rule") || strings.Index(p.body, "Salesforce is not connected") < strings.Index(p.body, "Blocked by duplicate rule") {
		t.Error("another order")
	}
	w.as(ann, "fabrikam").get(problems).is(200, "No problems")
	b.get("/integrations/other/problems").is(404)
	b.get("/integrations/other/problems/attention/STRING_TOO_LONG").is(404)
}

// All who have a cause are retried at once from the table, and dismissed once somebody
// says why.
func TestProblemsAreRetriedAndDismissed(t *testing.T) {
	t.Parallel()
	w := open(t)
	b, other := w.as(john, "contoso"), w.as(ann, "fabrikam")
	w.stuck("one@reader.test", "two@reader.test")
	states := func(state string) int {
		t.Helper()
		return w.count(`SELECT count(*) FROM deliveries WHERE state = $1`, state)
	}
	const ask = problems + "/attention/REQUIRED_FIELD_MISSING/dismiss"
	b.get(problems).is(200, `href="`+ask+`"`)
	b.get(ask).is(200, "Dismiss all 2?", "are not sent to Salesforce", `value="REQUIRED_FIELD_MISSING"`)
	for note, says := range map[string]string{"  ": "Please say in a few words why", strings.Repeat("ü", 201): "at most 200 characters", "a\nb": "line break"} {
		b.submit("/integrations/sfdc/dismiss", "reason", "REQUIRED_FIELD_MISSING", "note", note).is(422, says, "Dismiss all 2?", `aria-invalid="true"`)
	}
	b.submit("/integrations/sfdc/dismiss", "reason", "REQUIRED_FIELD_MISSING", "note", strings.Repeat("y", 201)).is(422, strings.Repeat("y", 201))
	other.get(ask).is(200, "Nobody has this problem any more")
	other.submit("/integrations/sfdc/dismiss", "reason", "REQUIRED_FIELD_MISSING", "note", "No.").to(problems)
	other.submit("/integrations/sfdc/retry", "reason", "REQUIRED_FIELD_MISSING").to(problems)
	b.submit("/integrations/sfdc/retry", "reason", "SOMETHING_ELSE").to(problems)
	b.get(problems).is(200, "There was nobody left to do that for")
	if states("attention") != 2 {
		t.Fatal("something was decided")
	}
	b.submit("/integrations/sfdc/dismiss", "reason", "REQUIRED_FIELD_MISSING", "note", "Left the company").to(problems)
	b.get(problems).is(200, "Dismissed 2 sign-ups.", "No problems", "Solved in the last 30 days", "Required field missing", "Dismissed by "+john)
	b.get(problems+"/attention/REQUIRED_FIELD_MISSING").is(200, "Nobody has this problem any more", "dismissed by "+john)
	other.get(problems).is(200).hasNot("Dismissed")
	if states("dismissed") != 2 {
		t.Error("not dismissed")
	}
	w.become(2, db.Outcome{State: db.Attention, Reason: "STRING_TOO_LONG"})
	b.submit("/integrations/sfdc/retry", "reason", "STRING_TOO_LONG").to(problems)
	b.get(problems).is(200, "Retrying 2 sign-ups.").hasNot("Name too long</a>")
	if states("waiting") != 2 {
		t.Error("not retried")
	}
}

// A cause's page says what happened and what to do, and leads to its people.
func TestProblemPage(t *testing.T) {
	t.Parallel()
	w := openBoth(t)
	b := w.as(john, "contoso")
	b.connect(sfJohn).to(connected)
	w.become(30, db.Outcome{State: db.Attention, Reason: "DUPLICATES_DETECTED", Detail: "Use <one> of these records?", MatchID: "003000000000001AAA", InstanceURL: w.mock})
	const path = problems + "/attention/DUPLICATES_DETECTED"
	b.get(problems).is(200, `href="`+path+`"`)
	p := b.get(path).is(200, "Blocked by duplicate rule", "30 need attention", "Since today, ", "Your Salesforce admin can fix it.", "These 30 people are in Gatepost, but not yet in Salesforce.",
		"Then retry all 30. Nobody is created twice.", "Use <one> of these records?", "DUPLICATES_DETECTED", "Dismiss all 30", "Retry all 30", "/lightning/r/Contact/003000000000001AAA/view",
		"30 of our newsletter sign-ups have not reached Salesforce since ", "mailto:?subject=Newsletter%20sign-ups%3A%20Blocked%20by%20duplicate%20rule&body=Hello%2C%0D%0A", "25 of 30 people", "29@duplicates-detected.test").
		hasNot(">0@duplicates-detected.test", "Then retry. ", "<one>")
	if n := strings.Count(p.body, `href="/subscribers/`); n != 25 {
		t.Errorf("%d people", n)
	}
	_, older, _ := strings.Cut(p.body, `rel="next" href="`)
	older, _, _ = strings.Cut(older, `"`)
	next := b.get(html.UnescapeString(older)).is(200, "5 of 30 people", ">0@duplicates-detected.test").hasNot("29@")
	_, newer, _ := strings.Cut(next.body, `rel="prev" href="`)
	newer, _, _ = strings.Cut(newer, `"`)
	b.get(html.UnescapeString(newer)).is(200, "25 of 30 people", "29@duplicates-detected.test")
	w.as(ann, "fabrikam").get(path).is(200, "Nobody has this problem any more").hasNot("reader", "duplicates-detected.test")
	b.get(problems+"/attention/NEVER_HEARD_OF_IT").is(200, "Nobody has this problem any more").hasNot("NEVER_HEARD")
	for _, wrong := range []string{"/nowhere/DUPLICATES_DETECTED", "/delivered/DUPLICATES_DETECTED", "/attention/a%20b", "/attention/" + strings.Repeat("x", 90), "/waiting/DUPLICATES_DETECTED/dismiss"} {
		b.get(problems + wrong).is(404)
	}
}

// What stops everybody is one cause, with all who wait: a pause, and a connection that is
// missing or lost.
func TestWhatStopsEverybodyIsOneProblem(t *testing.T) {
	t.Parallel()
	w := openBoth(t)
	b := w.as(john, "contoso")
	w.someone("contoso", "one@reader.test")
	w.someone("contoso", "two@reader.test")
	b.get(problems).is(200, "2 people are waiting", "Salesforce is not connected", "You", "Connect").hasNot("Try now")
	b.get(problems+"/waiting/not_connected").is(200, "Salesforce is not connected", "one@reader.test", "2 people", "You can fix it.")
	b.connect(sfJohn).to(connected)
	w.eventually("they arrive", func() bool { return w.control("stats", "")["contacts"] == 2.0 })
	w.eventually("it is over", func() bool { return strings.Contains(b.get(problems).body, "No problems") })
	tenant := w.tenant("contoso").ID
	w.leased(func(l db.Lease) error {
		return w.vault.SetPause(t.Context(), l, db.Pause{Reason: "REQUEST_LIMIT_EXCEEDED", Detail: "TotalRequests Limit exceeded.", Tries: 3, Until: time.Now().Add(time.Hour)})
	})
	w.someone("contoso", "three@reader.test")
	b.get(problems).is(200, "1 person is waiting", "API limit reached", "Your Salesforce admin", "Try now")
	b.get(problems+"/waiting/REQUEST_LIMIT_EXCEEDED").is(200, "API limit reached", "1 waiting", "TotalRequests Limit exceeded.", "three@reader.test", "Try now")
	b.get(problems+".csv").is(200, "three@reader.test,,,", "REQUEST_LIMIT_EXCEEDED")
	b.get(problems+".csv?state=waiting&reason=REQUEST_LIMIT_EXCEEDED").is(200, "three@reader.test")
	w.as(ann, "fabrikam").get(problems + ".csv").is(404)
	if _, err := w.store.Writer().Exec(`UPDATE identities SET broken_at = $1, broken_code = 'invalid_grant' WHERE tenant_id = $2`, time.Now().UnixMilli(), tenant); err != nil {
		t.Fatal(err)
	}
	b.get(problems).is(200, "Connection lost", "Reconnect").hasNot("API limit reached", "No problems")
	b.get(problems+"/waiting/broken").is(200, "Connection lost", "three@reader.test", "Reconnect")
	b.get(problems+".csv?state=waiting&reason="+crm.Broken).is(200, "three@reader.test")
}

func TestProblemsAsCSV(t *testing.T) {
	t.Parallel()
	w := open(t)
	b := w.as(john, "contoso")
	w.stuck("one@reader.test", "two@reader.test")
	const one = problems + ".csv?state=attention&reason=REQUIRED_FIELD_MISSING"
	for _, path := range []string{one, problems + ".csv"} {
		p := b.get(path).is(200, "one@reader.test", ",'=Required <b>,")
		if p.head("Content-Type") != "text/csv; charset=utf-8" || !strings.Contains(p.head("Content-Disposition"), "attachment") || strings.Count(p.body, "\n") != 3 || !strings.HasPrefix(p.body, "\xef\xbb\xbfe-mail,") {
			t.Errorf("%v\n%s", p.head("Content-Type"), p.body)
		}
	}
	if _, err := w.store.Writer().Exec(`UPDATE subscribers SET first_name = $1, last_name = $2`, "x;=cmd|'/C calc'!A0;y", "\u200b＝1"); err != nil {
		t.Fatal(err)
	}
	b.get(one).is(200, ",x;'=cmd|'/C calc'!A0;y,'\u200b＝1,")
	w.as(ann, "fabrikam").get(one).is(404)
	b.get(problems + ".csv?state=attention&reason=NONE").is(404)
	b.get(problems + ".csv?state=attention").is(404)
}

// Who gave a connection up sees that, and a service that was never connected is told apart.
func TestDisconnectedIsNotTheSameAsNeverConnected(t *testing.T) {
	t.Parallel()
	w := openBoth(t)
	b := w.as(john, "contoso")
	for _, path := range []string{"/integrations", "/integrations/sfdc/settings", problems} {
		b.get(path).is(200, "Not connected yet").hasNot("You disconnected", "Connection lost")
	}
	b.connect(sfJohn).to(connected)
	b.submit("/integrations/sfdc/disconnect").to("/integrations")
	for _, path := range []string{"/integrations", "/integrations/sfdc/settings", problems} {
		b.get(path).is(200, "You disconnected").hasNot("Not connected yet", "Connection lost")
	}
	b.get("/integrations").is(200, "by "+john)
	w.as(ann, "fabrikam").get("/integrations").is(200, "Not connected yet")
}

// A form that is refused is shown again where it was.
func TestMyDomainIsAskedForAgainWhereItWas(t *testing.T) {
	t.Parallel()
	w := openBoth(t)
	b := w.as(john, "contoso")
	wrong := func() page {
		return b.submit("/integrations/sfdc/connect", "login", "mydomain", "my_domain", "contoso.lightning.force.com")
	}
	wrong().is(422, "<h1>Integrations</h1>", "not of its login", `value="contoso.lightning.force.com"`)
	b.connect(sfJohn).to(connected)
	wrong().is(422, "Save", "Disconnect", "not of its login", `value="contoso.lightning.force.com"`)
	b.get("/integrations").is(200, fmt.Sprintf(`href="%s"`, "/integrations/sfdc")).hasNot("My Domain")
}
