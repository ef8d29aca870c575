package newsletter

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gatepost/db"
	"gatepost/screening"
	"gatepost/seal"
)

// sums makes digests without a key, which tests don't need.
type sums struct{}

func (sums) Sum(p seal.Purpose, parts ...string) []byte {
	return fmt.Appendf(nil, "%-32.32s", string(p)+strings.Join(parts, ""))
}

func (s sums) Check(p seal.Purpose, mac []byte, parts ...string) bool {
	return slices.Equal(mac, s.Sum(p, parts...))
}

// dns knows which domains take no mail, and counts whom it is asked for.
type dns struct {
	refuses []string
	asked   chan string
}

func (d dns) LookupMX(_ context.Context, name string) ([]*net.MX, error) {
	d.asked <- name
	if slices.Contains(d.refuses, name) {
		return []*net.MX{{Host: "."}}, nil
	}
	return nil, &net.DNSError{IsTimeout: true}
}

func (dns) LookupIPAddr(context.Context, string) ([]net.IPAddr, error) {
	return nil, errors.ErrUnsupported
}

// few counts nothing.
type few struct{}

func (few) Over(string, string, int, time.Duration) bool { return false }
func (few) Reached(string, string, int) bool             { return false }

// Who comes from a domain that nobody knows goes on once it was looked up, or is held for it; the
// next ones are told at once, and it is asked again after a day. Nobody is asked where no mail is looked up.
func TestDomainsOfAddresses(t *testing.T) {
	d, ctx := open(t), t.Context()
	asked := dns{[]string{"none.example."}, make(chan string, 10)}
	var woken atomic.Int32 // two goroutines wake
	s, _ := start(t, Config{Store: d, MACs: sums{}, Counts: few{}, Domains: asked, Wake: func(string) { woken.Add(1) }})
	at := d.Now()
	s.now = func() time.Time { return at }
	s.domains.now = s.now
	d.SetClock(s.now)
	n := weekly(t, s)
	n.Readers.Screening = screening.Rules{On: true}
	state := func(email string) (state string) {
		t.Helper()
		if _, err := s.SignUp(ctx, n, checked(Form{Email: email}), Came{Source: FromAPI, Sender: Sender{Key: true}}); err != nil {
			t.Fatal(err)
		}
		return stateOf(t, d, email)
	}
	if a, b := state("a@good.example"), state("a@none.example"); a != "held mx_pending" || b != "held mx_pending" {
		t.Errorf("before: %s, %s", a, b)
	}
	if err := s.lookUpDomains(ctx); err != nil {
		t.Fatal(err)
	}
	if a, b := stateOf(t, d, "a@good.example"), stateOf(t, d, "a@none.example"); a != "active" || b != "held mx" || woken.Load() == 0 {
		t.Errorf("after: %s, %s", a, b)
	}
	if a, b := state("b@good.example"), state("b@none.example"); a != "active" || b != "held mx" {
		t.Errorf("the next ones: %s, %s", a, b)
	}
	if n := len(asked.asked); n != 2 {
		t.Errorf("asked %d times", n)
	}
	at = at.Add(domainFor)
	if a := state("c@good.example"); a != "active" {
		t.Errorf("after a day: %s", a)
	}
	if err := s.lookUpDomains(ctx); err != nil {
		t.Fatal(err)
	}
	if n := len(asked.asked); n != 3 {
		t.Errorf("asked %d times", n)
	}
	n.Readers.Screening.Off = []string{screening.NoMail}
	if a := state("d@unknown.example"); a != "active" {
		t.Errorf("switched off: %s", a)
	}
	if list, err := s.Findings(ctx, n); err != nil || len(list) != 0 {
		t.Error(list, err)
	}
	s.addFindings(ctx)
	list, err := s.Findings(ctx, n)
	found := map[string]int{}
	for _, f := range list {
		found[f.Name] += f.Found
	}
	if err != nil || found[""] != 6 || found[screening.NewDomain] != 2 || found[screening.NoMail] != 2 {
		t.Errorf("%v, %v", found, err)
	}
}

// held counts how many were held.
type held struct {
	few
	n *int
}

func (h held) Over(what, _ string, _ int, _ time.Duration) bool {
	if what == "held" {
		*h.n++
	}
	return false
}

// What is found out where a sign-up is stored counts as what a check found, and as held: a proof that somebody else had
// used, and somebody who had left. So does a domain without mail.
func TestWhatStoringFindsIsCounted(t *testing.T) {
	d, ctx := open(t), t.Context()
	var attacks int
	s, _ := start(t, Config{Store: d, MACs: sums{}, Counts: held{n: &attacks}, Domains: dns{[]string{"none.example."}, make(chan string, 10)}})
	n := weekly(t, s)
	n.Readers.Screening = screening.Rules{On: true, Proof: screening.ProofWhenSuspicious, Off: []string{screening.TooFast}}
	comes := func(email, proof string) {
		t.Helper()
		if _, err := s.SignUp(ctx, n, checked(Form{Email: email}), Came{Source: FromForm, Sender: Sender{Reader: true, Proof: proof}}); err != nil {
			t.Fatal(err)
		}
	}
	comes("first@good.example", "")
	comes("a@none.example", "")
	if err := s.lookUpDomains(ctx); err != nil {
		t.Fatal(err)
	}
	if attacks != 1 {
		t.Errorf("%d held, of a domain without mail", attacks)
	}
	proof := s.Challenge(n).Solve()
	for i := range 3 {
		comes(fmt.Sprintf("%d@good.example", i), proof)
	}
	if _, err := d.Writer().Exec(`INSERT INTO suppressions (tenant_id, mac, newsletter_id, since, how) VALUES ($1, $2, '', 1, 'list')`, n.TenantID, s.suppressionMAC(n.TenantID, "left@good.example")); err != nil {
		t.Fatal(err)
	}
	comes("left@good.example", "")
	if attacks != 4 {
		t.Errorf("%d held", attacks)
	}
	s.addFindings(ctx)
	list, err := s.Findings(ctx, n)
	got := map[string]string{}
	for _, f := range list {
		got[f.Name] = fmt.Sprint(f.Found, f.Held)
	}
	if want := "map[:6 4 bad_proof:2 2 mx:1 1 mx_pending:2 0 returning:1 1]"; err != nil || fmt.Sprint(got) != want {
		t.Errorf("%v, %v; want %s", got, err, want)
	}
}

// Who waits for a domain goes on after a minute, whatever else is looked up before: the check fails open. Their domain is
// looked up all the same, for the next ones.
func TestNobodyWaitsForADomainForLong(t *testing.T) {
	d, ctx := open(t), t.Context()
	asked := dns{[]string{"none.example."}, make(chan string, 100)}
	s, _ := start(t, Config{Store: d, MACs: sums{}, Counts: few{}, Domains: asked})
	at := d.Now()
	s.now = func() time.Time { return at }
	s.domains.now = s.now
	d.SetClock(s.now)
	n := weekly(t, s)
	n.Readers.Screening = screening.Rules{On: true}
	comes := func(email, trap string) {
		t.Helper()
		if _, err := s.SignUp(ctx, n, checked(Form{Email: email}), Came{Source: FromAPI, Sender: Sender{Reader: true, Trap: trap}}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 3 * lookUpMost {
		comes(fmt.Sprintf("a@junk%d.example", i), "")
	}
	comes("jane@none.example", "")
	comes("robot@none.example", "x")
	at = at.Add(waitMost - time.Millisecond)
	if err := s.lookUpDomains(ctx); err != nil {
		t.Fatal(err)
	}
	if a := stateOf(t, d, "jane@none.example"); a != "held no_time,mx_pending" {
		t.Errorf("before a minute is over: %s", a)
	}
	at = at.Add(time.Millisecond)
	if err := s.lookUpDomains(ctx); err != nil {
		t.Fatal(err)
	}
	if a, b := stateOf(t, d, "jane@none.example"), stateOf(t, d, "robot@none.example"); a != "active" || b != "held honeypot,no_time" {
		t.Errorf("after a minute: %s, %s", a, b)
	}
	at = at.Add(lookUpLease)
	for range 2 {
		if err := s.lookUpDomains(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if m, err := d.MailDomain(ctx, "none.example"); err != nil || m.State != screening.DomainRefuses {
		t.Errorf("%+v, %v", m, err)
	}
}

// meanwhile is a store in which something happens after what is known of a domain was stored.
type meanwhile struct {
	*db.DB
	happens func()
}

func (m meanwhile) SetDomain(ctx context.Context, domain string, state screening.DomainState) ([]db.DomainWait, error) {
	waits, err := m.DB.SetDomain(ctx, domain, state)
	m.happens()
	return waits, err
}

// Who signs up again while their domain is looked up, and is held for more then, is held for that.
func TestALookUpAcceptsNoOtherSignUp(t *testing.T) {
	d, ctx := open(t), t.Context()
	m := &meanwhile{DB: d}
	s, _ := start(t, Config{Store: m, MACs: sums{}, Counts: few{}, Domains: dns{asked: make(chan string, 10)}})
	n := weekly(t, s)
	signsUp := func(held ...string) func() {
		return func() {
			stored, err := d.AddSignUps(ctx, []db.SignUp{{TenantID: n.TenantID, NewsletterID: n.ID, Email: "jane@good.example", EmailKey: "jane@good.example", Consent: "Yes.", Source: "form", At: d.Now(), Held: held}})
			if err != nil || stored[0].Err != nil {
				t.Fatal(stored, err)
			}
		}
	}
	signsUp(screening.NewDomain)()
	m.happens = signsUp(screening.Honeypot, screening.NewDomain)
	for _, want := range []string{"held honeypot,mx_pending", "held honeypot"} {
		if err := s.lookUpDomains(ctx); err != nil {
			t.Fatal(err)
		}
		if got := stateOf(t, d, "jane@good.example"); got != want {
			t.Errorf("%s, want %s", got, want)
		}
		m.happens = func() {}
	}
}

// stateOf is what the person with an address is, and for what they are held.
func stateOf(t *testing.T, d *db.DB, email string) string {
	t.Helper()
	var state, reasons string
	err := d.Writer().QueryRow(`SELECT s.state, COALESCE((SELECT h.reasons FROM holds h WHERE h.subscriber_id = s.id AND h.decided_at = 0), '') FROM subscribers s WHERE s.email_key = $1`, email).Scan(&state, &reasons)
	if err != nil {
		t.Fatal(email, err)
	}
	return strings.TrimSpace(state + " " + reasons)
}
