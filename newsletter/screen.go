package newsletter

import (
	"context"
	"encoding/hex"
	"errors"
	"slices"
	"sync"
	"time"

	"gatepost/db"
	"gatepost/screening"
	"gatepost/seal"
)

// Sender is what is known of whoever sent a sign-up. The zero Sender is somebody who works there,
// whose sign-up isn't looked at.
type Sender struct {
	Reader bool // a form sent it, or JSON without a key
	Key    bool // a program with an API key sent it

	IP    string // address
	Agent string // what the browser says it is
	Site  string // from which it was sent, as browsers name it; empty when it isn't told

	Trap, Time, Proof string // what the form carried in the fields of that name
}

// Network is what is kept of a network: a keyed MAC, from which nobody gets back to it.
func (s *Service) Network(ip string) string {
	network := screening.NetworkOf(ip)
	if network == "" || s.macs == nil {
		return ""
	}
	return hex.EncodeToString(s.macs.Sum(seal.Network, network)[:16])
}

func (s *Service) mac(p seal.Purpose) screening.MAC {
	return func(parts ...string) []byte { return s.macs.Sum(p, parts...) }
}

// FormTime is what the form of a newsletter carries that is shown now; was is what it carried
// before, of a form that is shown again. It is empty where nobody looks at it.
func (s *Service) FormTime(n db.Newsletter, was string) string {
	if !n.Readers.Screening.On || s.macs == nil {
		return ""
	}
	if screening.ReadFormTime(s.mac(seal.FormTime), n.ID, was, s.now()).Known {
		return was
	}
	return screening.StampForm(s.mac(seal.FormTime), n.ID, s.now())
}

// Challenge is what a browser is to solve before it sends a newsletter's form.
func (s *Service) Challenge(n db.Newsletter) screening.Challenge {
	return screening.NewChallenge(s.mac(seal.Proof), n.ID, s.now())
}

// AsksProof reports whether the form of a newsletter that is shown to an address asks for a proof
// of work.
func (s *Service) AsksProof(n db.Newsletter, ip string) bool {
	return s.bursts.Counter != nil && s.macs != nil && s.bursts.AsksProof(n.Readers.Screening, n.ID, s.Network(ip))
}

// looked is what the checks found that looked at a sign-up.
type looked struct{ found []string }

// screened is a sign-up with what the newsletter's checks make of it; l is nil where they don't look at it.
func (s *Service) screened(ctx context.Context, n db.Newsletter, from Sender, up db.SignUp) (_ db.SignUp, l *looked, err error) {
	rules := n.Readers.Screening
	if from == (Sender{}) || !rules.On || s.macs == nil || s.bursts.Counter == nil {
		return up, nil, nil
	}
	now := s.now()
	names := []string{up.FirstName, up.LastName}
	facts := screening.Facts{Email: up.EmailKey, Names: names, Key: from.Key, Trap: from.Trap, Site: from.Site, Sites: n.Page.Sites, CanMail: up.CanMail, Mail: screening.DomainUnasked}
	if from.Reader {
		facts.Network = s.Network(from.IP)
		facts.Time = screening.ReadFormTime(s.mac(seal.FormTime), n.ID, from.Time, now)
		if rules.Proof != screening.ProofOff {
			facts.Proof = screening.CheckProof(s.mac(seal.Proof), n.ID, from.Proof, now)
		}
	}
	s.bursts.Count(rules, screening.Arrival{NewsletterID: n.ID, Email: up.EmailKey, Names: names, Agent: from.Agent, Network: facts.Network, Key: from.Key}, &facts)
	if rules.LooksUp(up.EmailKey) {
		if facts.Mail, err = s.domains.state(ctx, screening.DomainOf(up.EmailKey)); err != nil {
			return up, nil, err
		}
	}
	v := rules.Screen(facts)
	up.Held, up.Network = v.Held, facts.Network
	up.Confirm = up.Confirm || v.Confirm
	if v.Confirm && len(v.Held) > 0 && !slices.Contains(v.Held, screening.NoProof) {
		up.Held = append(up.Held, screening.NoProof) // so that whoever accepts it has the person asked
	}
	if facts.Proof.State == screening.ProofValid {
		up.Proof, up.ProofUntil = facts.Proof.ID, facts.Proof.Until
	}
	return up, &looked{v.Found}, nil
}

// count counts a sign-up that is stored: what the checks found, and what was found where it was stored.
func (s *Service) count(up db.SignUp, l *looked, a db.SignedUp) {
	if l == nil || a.Err != nil {
		return
	}
	found := slices.Clone(l.found)
	for _, name := range a.Held {
		if !slices.Contains(up.Held, name) && !slices.Contains(found, name) {
			found = append(found, name)
		}
	}
	held := outlasts(a.Held)
	if held {
		s.bursts.Held(up.NewsletterID)
	}
	s.findings.add(up, found, held)
}

// outlasts reports whether a sign-up is held for more than until its domain is looked up.
func outlasts(held []string) bool { return screening.AfterLookUp(held, screening.DomainTakes) != nil }

// findingKey is what is counted by that checks do.
type findingKey struct {
	tenantID, newsletterID string
	day                    int64 // of UTC, in seconds
	name                   string
}

// findings counts what checks did since it was last stored. Its zero value is ready.
type findings struct {
	mu sync.Mutex
	n  map[findingKey]found
}

type found struct{ found, held int }

// add counts a sign-up, and the checks that found something.
func (c *findings) add(up db.SignUp, names []string, held bool) {
	of := found{found: 1}
	if held {
		of.held = 1
	}
	for _, name := range append([]string{""}, names...) {
		c.put(findingKeyOf(up.TenantID, up.NewsletterID, up.At, name), of)
	}
}

func findingKeyOf(tenantID, newsletterID string, at time.Time, name string) findingKey {
	return findingKey{tenantID, newsletterID, at.UTC().Truncate(24 * time.Hour).Unix(), name}
}

func (c *findings) put(k findingKey, more found) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n == nil {
		c.n = map[findingKey]found{}
	}
	is := c.n[k]
	c.n[k] = found{is.found + more.found, is.held + more.held}
}

// take returns what was counted, and begins anew.
func (c *findings) take() map[findingKey]found {
	c.mu.Lock()
	defer c.mu.Unlock()
	taken := c.n
	c.n = nil
	return taken
}

// addFindings stores what was counted. What can't be stored now is counted on.
func (s *Service) addFindings(ctx context.Context) {
	taken := s.findings.take()
	if len(taken) == 0 {
		return
	}
	var counts []db.FindingCount
	for k, n := range taken {
		counts = append(counts, db.FindingCount{TenantID: k.tenantID, NewsletterID: k.newsletterID, Day: time.Unix(k.day, 0), Name: k.name, Found: n.found, Held: n.held})
	}
	if err := s.store.AddFindings(ctx, counts); err != nil {
		s.log.ErrorContext(ctx, "adding up what checks did failed", "error", err)
		for k, n := range taken {
			s.findings.put(k, n)
		}
	}
}

// Findings returns what the checks did at a newsletter's form in the last 30 days, the latest
// first. What this process counted within the last minute isn't in it.
func (s *Service) Findings(ctx context.Context, n db.Newsletter) ([]db.FindingCount, error) {
	return s.store.Findings(ctx, n.TenantID, n.ID, s.now().Add(-numbersFor))
}

// domains knows of domains whether they take mail.
type domains struct {
	store    DomainStore
	resolver screening.Resolver // nil: nobody is asked
	now      func() time.Time

	mu    sync.Mutex
	known map[string]knownDomain
}

type knownDomain struct {
	state screening.DomainState
	until time.Time
}

// DomainStore keeps what is known of domains. *db.DB is one, and documents the methods.
type DomainStore interface {
	MailDomain(ctx context.Context, domain string) (db.MailDomain, error)
	LookUpAgain(ctx context.Context, domain string) error
	DueDomains(ctx context.Context, most int, until time.Time) ([]db.DueDomain, error)
	SetDomain(ctx context.Context, domain string, state screening.DomainState) ([]db.DomainWait, error)
	OverdueWaits(ctx context.Context, since time.Time, most int) ([]db.DomainWait, error)
	EndDomainWait(ctx context.Context, w db.DomainWait, reasons []string) error
	EndLookUp(ctx context.Context, of db.DueDomain) error
	AcceptWait(ctx context.Context, w db.DomainWait, canMail bool) (accepted bool, err error)
}

const (
	domainFor   = 24 * time.Hour // a domain is taken for what it was found to be
	rememberFor = time.Minute    // a process remembers what the database says of one
	mostDomains = 10000          // that a process remembers
)

// state is whether a domain takes mail. What was found more than a day ago holds until it is
// looked up again.
func (d *domains) state(ctx context.Context, domain string) (screening.DomainState, error) {
	if d.resolver == nil {
		return screening.DomainUnasked, nil
	}
	now := d.now()
	if state, ok := d.remembered(domain, now); ok {
		return state, nil
	}
	m, err := d.store.MailDomain(ctx, domain)
	switch {
	case err != nil && !errors.Is(err, db.ErrNotFound):
		return "", err
	case err != nil || m.LookedAt.IsZero():
		d.remember(domain, knownDomain{screening.DomainUnknown, now.Add(lookUpEvery)})
		return screening.DomainUnknown, nil
	}
	if now.Sub(m.LookedAt) >= domainFor {
		if err := d.store.LookUpAgain(ctx, domain); err != nil {
			return "", err
		}
	}
	d.remember(domain, knownDomain{m.State, now.Add(rememberFor)})
	return m.State, nil
}

func (d *domains) remembered(domain string, now time.Time) (screening.DomainState, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	k, ok := d.known[domain]
	return k.state, ok && now.Before(k.until)
}

func (d *domains) remember(domain string, k knownDomain) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.known == nil || len(d.known) >= mostDomains {
		d.known = map[string]knownDomain{}
	}
	d.known[domain] = k
}

// How domains are looked up: how often it is asked for those that are due, how many at a time,
// and for how long they are a process's.
const (
	lookUpEvery = time.Second
	lookUpMost  = 16
	lookUpLease = 30 * time.Second
)

// A sign-up waits for a domain no longer than waitMost, whatever else is to be looked up: then the domain counts
// as one that takes mail. So many of each tenant's end at a time as its forms take sign-ups in a second.
const (
	waitMost    = time.Minute
	overdueMost = 100
)

// LookUpDomains looks up domains from which somebody came, until ctx ends. Who waits for that goes
// on, or is held for it.
func (s *Service) LookUpDomains(ctx context.Context) {
	if s.domains.resolver == nil {
		<-ctx.Done() // there is nothing to do until then
		return
	}
	tick := time.NewTicker(lookUpEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := s.lookUpDomains(ctx); err != nil && ctx.Err() == nil {
			s.log.ErrorContext(ctx, "looking up domains failed", "error", err)
		}
	}
}

// lookUpDomains looks up those that are due, side by side, and ends the waits that took too long.
func (s *Service) lookUpDomains(ctx context.Context) error {
	due, err := s.domains.store.DueDomains(ctx, lookUpMost, s.now().Add(lookUpLease))
	if err != nil {
		return err
	}
	errs := make([]error, len(due)+1)
	var all sync.WaitGroup
	all.Go(func() { errs[len(due)] = s.endOverdue(ctx) })
	for i, d := range due {
		all.Go(func() { errs[i] = s.lookUp(ctx, d) })
	}
	all.Wait()
	return errors.Join(errs...)
}

func (s *Service) lookUp(ctx context.Context, d db.DueDomain) error {
	store := s.domains.store
	state := screening.LookUp(ctx, s.domains.resolver, d.Name)
	waits, err := store.SetDomain(ctx, d.Name, state)
	if err != nil {
		return err
	}
	s.domains.remember(d.Name, knownDomain{state, s.now().Add(rememberFor)})
	var errs []error
	for _, w := range waits { // one who can't be helped keeps nobody else
		errs = append(errs, s.endWait(ctx, state, w))
	}
	return errors.Join(append(errs, store.EndLookUp(ctx, d))...)
}

// endOverdue has those go on who have waited too long. Their domains stay due: what they are is known to the next ones.
func (s *Service) endOverdue(ctx context.Context) error {
	waits, err := s.domains.store.OverdueWaits(ctx, s.now().Add(-waitMost), overdueMost)
	errs := []error{err}
	for _, w := range waits { // one who can't be helped keeps nobody else
		errs = append(errs, s.endWait(ctx, screening.DomainTakes, w))
	}
	return errors.Join(errs...)
}

// endWait has a sign-up go on that waited for what a domain is, or keeps it held.
func (s *Service) endWait(ctx context.Context, state screening.DomainState, w db.DomainWait) error {
	still := screening.AfterLookUp(w.Reasons, state)
	speaks := still // against going on
	if s.mail {
		speaks = screening.AfterLookUp(slices.DeleteFunc(slices.Clone(w.Reasons), screening.AsksByMail), state)
	}
	if w.HoldID != "" && len(speaks) == 0 {
		if _, err := s.domains.store.AcceptWait(ctx, w, s.mail); err != nil {
			return err
		}
		s.wake(w.TenantID)
	}
	if slices.Contains(still, screening.NoMail) {
		s.findings.put(findingKeyOf(w.TenantID, w.NewsletterID, s.now(), screening.NoMail), found{1, 1})
		if !outlasts(w.Reasons) { // it wasn't counted as held when it came
			s.findings.put(findingKeyOf(w.TenantID, w.NewsletterID, s.now(), ""), found{0, 1})
			s.bursts.Held(w.NewsletterID)
		}
	}
	return s.domains.store.EndDomainWait(ctx, w, still)
}
