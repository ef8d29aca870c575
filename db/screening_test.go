package db

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"gatepost/screening"
)

// waitDomain is a domain that is to be looked up.
const waitDomain = "wait.example"

// awaits is somebody of a new tenant's whose sign-up waits for waitDomain.
func (d *DB) awaits(t *testing.T) (tenantID string, w DomainWait) {
	t.Helper()
	_, tenant := someone(t, d)
	s := signsUp(t, d, tenant.ID, "jane@"+waitDomain)
	s.Held = []string{screening.NewDomain}
	id := add(t, d, s)[0]
	h, err := d.HoldOf(t.Context(), tenant.ID, id)
	unless(t, err)
	return tenant.ID, DomainWait{Domain: waitDomain, TenantID: tenant.ID, SubscriberID: id, HoldID: h.ID, NewsletterID: s.NewsletterID, Reasons: h.Reasons}
}

// awaitsAgain is awaits, with a further sign-up of theirs that is held for more.
func (d *DB) awaitsAgain(t *testing.T) (tenantID string, w DomainWait, again SignUp) {
	t.Helper()
	tenantID, w = d.awaits(t)
	again = signsUp(t, d, tenantID, "jane@"+waitDomain)
	again.NewsletterID, again.Held = w.NewsletterID, []string{screening.Honeypot, screening.NewDomain}
	return tenantID, w, again
}

// endsAndSignsUp ends a wait after a look-up, for reasons that are left, while the person signs up again: that goes on waiting.
func (d *DB) endsAndSignsUp(t *testing.T, reasons []string) duel {
	tenantID, w, again := d.awaitsAgain(t)
	return duel{func(d *DB) error { return d.EndDomainWait(t.Context(), w, reasons) }, addOne(t, again), func(one, other error) {
		both(t, one, other)
		wantN(t, d, 1, `SELECT count(*) FROM holds WHERE tenant_id = $1 AND reasons = 'honeypot,mx_pending'`, tenantID)
		wantN(t, d, 1, `SELECT count(*) FROM domain_waits WHERE tenant_id = $1`, tenantID)
	}}
}

// A proof of work is one person's: they may send it twice, and who else sends it is held. What is
// held for that is held in the transaction that finds it out, by all ways of storing sign-ups.
func TestAProofIsForOnePerson(t *testing.T) {
	d := withNewsletters(t, "a/1", "b/1")
	at := d.now()
	signs := func(newsletter, email, proof string) SignUp {
		s := signUp(newsletter, email)
		s.MAC, s.Proof, s.ProofUntil = "mac of "+email, proof, at.Add(time.Minute)
		return s
	}
	states := func(all ...SignUp) (states []string) {
		answers, err := d.AddSignUps(t.Context(), all)
		unless(t, err)
		for i, a := range answers {
			unless(t, a.Err)
			var state State
			id, reasons := a.ID, ""
			unless(t, d.read.QueryRow(`SELECT s.state, COALESCE((SELECT h.reasons FROM holds h WHERE h.subscriber_id = s.id AND h.decided_at = 0), '') FROM subscribers s WHERE s.id = $1`, id).Scan(&state, &reasons))
			if got := strings.Join(a.Held, ","); got != reasons {
				t.Errorf("%s: the answer says %s, not %s", all[i].EmailKey, got, reasons)
			}
			states = append(states, strings.TrimSpace(string(state)+" "+reasons))
		}
		return states
	}
	for _, tt := range []struct {
		all  []SignUp
		want string
	}{
		{[]SignUp{signs("a/1", "jane@example.com", "p1"), signs("a/1", "john@example.com", "p2"), signs("a/1", "nobody@example.com", "")}, "active, active, active"},
		{[]SignUp{signs("a/1", "jane@example.com", "p1")}, "active"},                                                           // twice
		{[]SignUp{signs("a/1", "mallory@example.com", "p1"), signs("a/1", "ann@example.com", "p3")}, "held bad_proof, active"}, // of somebody else
		{[]SignUp{signs("b/1", "jane@example.com", "p1")}, "held bad_proof"},                                                   // at another tenant
		{[]SignUp{signs("a/1", "r1@example.com", "p4"), signs("a/1", "r2@example.com", "p4")}, "active, held bad_proof"},       // in one transaction
		{[]SignUp{signs("a/1", "john@example.com", "p1")}, "active bad_proof"},                                                 // of somebody who is there
	} {
		if got := strings.Join(states(tt.all...), ", "); got != tt.want {
			t.Errorf("%v: %s, want %s", tt.all[0].EmailKey, got, tt.want)
		}
	}
	wantN(t, d, 4, `SELECT count(*) FROM used_proofs`)
	d.now = func() time.Time { return at.Add(time.Minute) }
	unless(t, d.ExpireScreening(t.Context()))
	wantN(t, d, 0, `SELECT count(*) FROM used_proofs`)
}

// The answer says for what a sign-up is held, and of nobody else, whichever way it is stored.
func TestAnswersSayWhatIsHeld(t *testing.T) {
	d := withNewsletters(t, "a/1")
	_, err := d.write.Exec(`INSERT INTO suppressions (tenant_id, mac, newsletter_id, since, how) VALUES ('a', 'm', '', 1, 'list')`)
	unless(t, err)
	clean, left, again := signUp("a/1", "jane@example.com"), signUp("a/1", "left@example.com"), signUp("a/1", "jane@example.com")
	left.MAC, again.Held = "m", []string{screening.Honeypot}
	for _, tt := range []struct {
		all  []SignUp
		want string
	}{
		{[]SignUp{left, clean, again}, "[[returning] [] [honeypot]]"}, // in one transaction
		{[]SignUp{again}, "[[honeypot]]"},
		{[]SignUp{{TenantID: "a", NewsletterID: "nothing"}, again, clean}, "[[] [honeypot] []]"}, // each alone
	} {
		answers, err := d.AddSignUps(t.Context(), tt.all)
		unless(t, err)
		var held [][]string
		for _, a := range answers {
			held = append(held, a.Held)
		}
		if got := fmt.Sprint(held); got != tt.want {
			t.Errorf("%s, want %s", got, tt.want)
		}
	}
	robot := signUp("a/1", "robot@example.com")
	robot.Held = []string{screening.Honeypot}
	h, err := d.HoldOf(t.Context(), "a", add(t, d, robot)[0])
	unless(t, err)
	_, err = d.RejectHolds(t.Context(), "a", []string{h.ID}, "ann")
	unless(t, err)
	answers, err := d.AddSignUps(t.Context(), []SignUp{signUp("a/1", "robot@example.com")})
	if err != nil || fmt.Sprint(answers[0].Held) != "[rejected_before]" {
		t.Error(answers, err)
	}
}

// Who comes from a domain that nobody knows waits until it was looked up, by one process, and who
// comes while it is looked up doesn't get lost.
func TestDomainsAreLookedUp(t *testing.T) {
	d := withNewsletters(t, "a/1")
	at := d.now()
	d.now = func() time.Time { return at }
	waits := func(email string, more ...string) string {
		s := signUp("a/1", email+"@New.example")
		s.Held = append(more, screening.NewDomain)
		return add(t, d, s)[0]
	}
	if _, err := d.MailDomain(t.Context(), "new.example"); !errors.Is(err, ErrNotFound) {
		t.Errorf("before anybody came: %v", err)
	}
	jane, john := waits("jane"), waits("john", screening.Honeypot)
	if m, err := d.MailDomain(t.Context(), "new.example"); err != nil || m.State != screening.DomainUnknown || !m.LookedAt.IsZero() {
		t.Errorf("%+v, %v", m, err)
	}
	due, err := d.DueDomains(t.Context(), 10, at.Add(time.Minute))
	if err != nil || fmt.Sprint(due) != "[{new.example 2}]" {
		t.Fatal(due, err)
	}
	if again, err := d.DueDomains(t.Context(), 10, at.Add(time.Minute)); err != nil || len(again) != 0 {
		t.Errorf("leased: %v, %v", again, err)
	}
	list, err := d.SetDomain(t.Context(), "new.example", screening.DomainRefuses)
	if err != nil || len(list) != 2 {
		t.Fatal(list, err)
	}
	late := waits("late")
	for _, w := range list {
		unless(t, d.EndDomainWait(t.Context(), w, screening.AfterLookUp(w.Reasons, screening.DomainRefuses)))
	}
	unless(t, d.EndLookUp(t.Context(), due[0]))
	for id, want := range map[string]string{jane: "mx", john: "honeypot,mx", late: "mx_pending"} {
		h, err := d.HoldOf(t.Context(), "a", id)
		if got := strings.Join(h.Reasons, ","); err != nil || got != want {
			t.Errorf("%s: %s, %v; want %s", id, got, err, want)
		}
	}
	if due, err = d.DueDomains(t.Context(), 10, at.Add(time.Minute)); err != nil || len(due) != 1 {
		t.Fatalf("who came meanwhile: %v, %v", due, err)
	}
	if list, err = d.SetDomain(t.Context(), "new.example", screening.DomainTakes); err != nil || len(list) != 1 || list[0].SubscriberID != late || !slices.Equal(list[0].Reasons, []string{screening.NewDomain}) {
		t.Errorf("%+v, %v", list, err)
	}
	if accepted, err := d.AcceptWait(t.Context(), list[0], false); !accepted || err != nil {
		t.Error(accepted, err)
	}
	unless(t, d.EndDomainWait(t.Context(), list[0], nil))
	unless(t, d.EndLookUp(t.Context(), due[0]))
	if due, err = d.DueDomains(t.Context(), 10, at.Add(time.Minute)); err != nil || len(due) != 0 {
		t.Errorf("%v, %v", due, err)
	}
	if m, err := d.MailDomain(t.Context(), "new.example"); err != nil || m.State != screening.DomainTakes || m.LookedAt.UnixMilli() != at.UnixMilli() {
		t.Errorf("%+v, %v", m, err)
	}
	unless(t, d.LookUpAgain(t.Context(), "new.example"))
	if due, err = d.DueDomains(t.Context(), 10, at); err != nil || len(due) != 1 {
		t.Errorf("again: %v, %v", due, err)
	}
	d.agrees(t, "a", Sums{New: 3, Active: 1, OnHold: 2, Entered: 1, Waiting: 1})
}

// Junk with domains of its own, which sort and came before, keeps nobody of another tenant's waiting: each tenant has its
// turn, and within a tenant it goes by who came first. Domains for which nobody waits come last.
func TestEachTenantsDomainsHaveTheirTurn(t *testing.T) {
	d := withNewsletters(t, "a/1", "b/1")
	at := d.now()
	d.now = func() time.Time { return at }
	comes := func(newsletter, domain string) {
		t.Helper()
		s := signUp(newsletter, "jane@"+domain)
		s.Held = []string{screening.NewDomain}
		add(t, d, s)
		at = at.Add(time.Second)
	}
	comes("b/1", "old.example")
	due, err := d.DueDomains(t.Context(), 1, at)
	if err != nil || len(due) != 1 {
		t.Fatal(due, err)
	}
	waits, err := d.SetDomain(t.Context(), "old.example", screening.DomainTakes)
	if err != nil || len(waits) != 1 {
		t.Fatal(waits, err)
	}
	unless(t, d.EndDomainWait(t.Context(), waits[0], nil))
	if _, err := d.AcceptWait(t.Context(), waits[0], false); err != nil {
		t.Fatal(err)
	}
	unless(t, d.EndDomainWait(t.Context(), waits[0], nil))
	unless(t, d.EndLookUp(t.Context(), due[0]))
	unless(t, d.LookUpAgain(t.Context(), "old.example"))
	for i := range 9 {
		comes("a/1", fmt.Sprintf("a%d.junk.example", 9-i))
	}
	comes("b/1", "honest.example")
	for _, want := range []string{"a8.junk.example a9.junk.example honest.example", "a5.junk.example a6.junk.example a7.junk.example"} {
		due, err := d.DueDomains(t.Context(), 3, at.Add(time.Minute))
		var names []string
		for _, of := range due {
			names = append(names, of.Name)
		}
		slices.Sort(names)
		if got := strings.Join(names, " "); err != nil || got != want {
			t.Errorf("%s, %v; want %s", got, err, want)
		}
	}
	if due, err = d.DueDomains(t.Context(), 10, at.Add(time.Minute)); err != nil || len(due) != 5 {
		t.Errorf("the rest: %v, %v", due, err)
	}
	overdue, err := d.OverdueWaits(t.Context(), at.Add(-10*time.Second), 2)
	if err != nil || len(overdue) != 1 || overdue[0].Domain != "a9.junk.example" || overdue[0].TenantID != "a" || overdue[0].HoldID == "" || fmt.Sprint(overdue[0].Reasons) != "[mx_pending]" {
		t.Errorf("%+v, %v", overdue, err)
	}
	if overdue, err = d.OverdueWaits(t.Context(), at, 2); err != nil || len(overdue) != 3 {
		t.Errorf("two of one tenant, and one: %+v, %v", overdue, err)
	}
}

// A sign-up that came while the domain of an earlier one was looked up is held for what speaks against it: the look-up
// accepts what it knows of, and is made again for the further one.
func TestALookUpAcceptsWhatItKnowsOf(t *testing.T) {
	d := withNewsletters(t, "a/1")
	s := signUp("a/1", "jane@"+waitDomain)
	s.Held = []string{screening.NewDomain}
	id := add(t, d, s)[0]
	looks := func() (DueDomain, DomainWait) {
		t.Helper()
		due, err := d.DueDomains(t.Context(), 10, d.now())
		if err != nil || len(due) != 1 {
			t.Fatal(due, err)
		}
		waits, err := d.SetDomain(t.Context(), waitDomain, screening.DomainTakes)
		if err != nil || len(waits) != 1 {
			t.Fatal(waits, err)
		}
		return due[0], waits[0]
	}
	due, w := looks()
	s.Held = []string{screening.Honeypot, screening.NewDomain}
	add(t, d, s)
	if accepted, err := d.AcceptWait(t.Context(), w, false); accepted || err != nil {
		t.Errorf("accepted: %v, %v", accepted, err)
	}
	unless(t, d.EndDomainWait(t.Context(), w, nil))
	unless(t, d.EndLookUp(t.Context(), due))
	if h, err := d.HoldOf(t.Context(), "a", id); err != nil || fmt.Sprint(h.Reasons, h.N) != "[honeypot mx_pending] 2" {
		t.Errorf("%+v, %v", h, err)
	}
	due, w = looks()
	unless(t, d.EndDomainWait(t.Context(), w, screening.AfterLookUp(w.Reasons, screening.DomainTakes)))
	unless(t, d.EndLookUp(t.Context(), due))
	if h, err := d.HoldOf(t.Context(), "a", id); err != nil || fmt.Sprint(h.Reasons) != "[honeypot]" {
		t.Errorf("%+v, %v", h, err)
	}
	wantN(t, d, 0, `SELECT (SELECT count(*) FROM domain_waits) + (SELECT sum(due) FROM mail_domains)`)
	other := w
	other.TenantID, other.Reasons = "b", []string{screening.Honeypot}
	if accepted, err := d.AcceptWait(t.Context(), other, false); accepted || err != nil {
		t.Errorf("of another tenant: %v, %v", accepted, err)
	}
	d.agrees(t, "a", nil)
}

// What the checks did is added up by the day, for one newsletter.
func TestFindings(t *testing.T) {
	d := withNewsletters(t, "a/1", "b/1")
	day := noon.Truncate(24 * time.Hour)
	n := FindingCount{TenantID: "a", NewsletterID: "a/1", Day: day, Name: screening.Honeypot, Found: 2, Held: 1}
	other, gone, before := n, n, n
	other.TenantID, other.NewsletterID = "b", "b/1"
	gone.NewsletterID = "gone"
	before.Day = day.Add(-24 * time.Hour)
	unless(t, d.AddFindings(t.Context(), []FindingCount{n, other, gone, before}))
	unless(t, d.AddFindings(t.Context(), []FindingCount{n}))
	list, err := d.Findings(t.Context(), "a", "a/1", day.Add(-time.Hour))
	if err != nil || len(list) != 2 || list[0].Found != 4 || list[0].Held != 2 || !list[0].Day.Equal(day) || list[1].Found != 2 {
		t.Errorf("%+v, %v", list, err)
	}
	if list, err := d.Findings(t.Context(), "a", "a/1", noon); err != nil || len(list) != 1 {
		t.Errorf("%+v, %v", list, err)
	}
	if list, err := d.Findings(t.Context(), "a", "b/1", day); err != nil || len(list) != 0 {
		t.Errorf("of another tenant: %+v, %v", list, err)
	}
}

// Of what the checks did as much is kept as is shown, and some days more.
func TestOldFindingsGo(t *testing.T) {
	d := withNewsletters(t, "a/1")
	at := noon
	d.now = func() time.Time { return at }
	for i := range 3 {
		unless(t, d.AddFindings(t.Context(), []FindingCount{{"a", "a/1", noon.Truncate(24 * time.Hour).Add(time.Duration(i) * 24 * time.Hour), screening.Honeypot, 1, 1}}))
	}
	at = noon.Add(30 * 24 * time.Hour)
	unless(t, d.ExpireScreening(t.Context()))
	wantN(t, d, 3, `SELECT count(*) FROM finding_counts`)
	at = noon.Add(findingsKept + 24*time.Hour)
	unless(t, d.ExpireScreening(t.Context()))
	wantN(t, d, 1, `SELECT count(*) FROM finding_counts`)
}

// What readers say of forms is listed for the operator, and goes after a year.
func TestFormReports(t *testing.T) {
	d := open(t)
	_, tenant := member(t, d, "contoso")
	n, err := d.Newsletters(t.Context(), tenant.ID)
	unless(t, err)
	at := d.now()
	d.now = func() time.Time { return at }
	unless(t, d.AddFormReport(t.Context(), tenant.ID, n[0].ID, "It asks for a password."))
	list, err := d.FormReports(t.Context(), 10)
	if err != nil || len(list) != 1 || list[0].Tenant != "contoso" || list[0].Slug != "contoso-weekly" || list[0].Why != "It asks for a password." || list[0].At.UnixMilli() != at.UnixMilli() {
		t.Errorf("%+v, %v", list, err)
	}
	d.now = func() time.Time { return at.Add(reportsKept) }
	unless(t, d.ExpireScreening(t.Context()))
	wantN(t, d, 0, `SELECT count(*) FROM form_reports`)
}
