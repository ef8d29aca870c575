package db

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"gatepost/screening"
)

// useProofs returns the sign-ups with what their proofs of work are worth.
func (b *book) useProofs(ctx context.Context, signUps []SignUp) ([]SignUp, error) {
	if !slices.ContainsFunc(signUps, func(s SignUp) bool { return s.Proof != "" }) {
		return signUps, nil
	}
	used := slices.Clone(signUps) // a transaction may run again
	order := make([]int, len(used))
	for i := range order {
		order[i] = i
	}
	// In the order of their ids, so that no two processes wait for each other.
	slices.SortStableFunc(order, func(i, j int) int { return strings.Compare(used[i].Proof, used[j].Proof) })
	for _, i := range order {
		if err := b.useProof(ctx, &used[i]); err != nil {
			return nil, err
		}
	}
	return used, nil
}

// useProof has the person of a sign-up use their proof of work. One that somebody else has used
// speaks against the sign-up.
func (b *book) useProof(ctx context.Context, s *SignUp) error {
	if s.Proof == "" {
		return nil
	}
	used, err := b.tx.ExecContext(ctx, `INSERT INTO used_proofs (id, who, expires_at) VALUES ($1, $2, $3)
		ON CONFLICT (id) DO UPDATE SET who = excluded.who WHERE used_proofs.who = excluded.who`, s.Proof, s.TenantID+" "+s.MAC, millis(s.ProofUntil))
	err = changed(used, err, ErrConflict)
	if errors.Is(err, ErrConflict) {
		s.Held = append(slices.Clip(s.Held), screening.BadProof)
		return nil
	}
	return err
}

// awaitDomain has what is held of a subscriber wait until it is known whether the domain of the
// address takes mail, where that is looked up.
func (b *book) awaitDomain(ctx context.Context, s SignUp, subscriberID string) error {
	if !slices.Contains(s.Held, screening.NewDomain) {
		return nil
	}
	domain := screening.DomainOf(s.EmailKey)
	if _, err := b.tx.ExecContext(ctx, `INSERT INTO mail_domains (domain, asked_at) VALUES ($1, $2) ON CONFLICT (domain) DO UPDATE SET due = mail_domains.due + 1`, domain, b.change.at); err != nil {
		return err
	}
	_, err := b.tx.ExecContext(ctx, `INSERT INTO domain_waits (domain, tenant_id, subscriber_id, since) VALUES ($1, $2, $3, $4) ON CONFLICT (domain, tenant_id, subscriber_id) DO UPDATE SET domain = excluded.domain`,
		domain, s.TenantID, subscriberID, b.change.at) // it is written in any case, so that whoever ends the wait of before sees that there is another one
	return err
}

// MailDomain is what is known of a domain.
type MailDomain struct {
	State    screening.DomainState
	LookedAt time.Time // zero when it wasn't looked up yet
}

// MailDomain returns whether a domain takes mail, or ErrNotFound when nobody asked before.
func (d *Screening) MailDomain(ctx context.Context, domain string) (m MailDomain, err error) {
	var looked int64
	err = d.read.QueryRowContext(ctx, `SELECT state, looked_at FROM mail_domains WHERE domain = $1`, domain).Scan(&m.State, &looked)
	m.LookedAt = fromMillis(looked)
	return m, wrap("mail domain", err)
}

// LookUpAgain has a domain looked up once more, which stays what it is until then.
func (d *Screening) LookUpAgain(ctx context.Context, domain string) error {
	_, err := d.exec(ctx, `UPDATE mail_domains SET due = due + 1, asked_at = $2 WHERE domain = $1`, domain, millis(d.now()))
	return wrap("look a domain up again", err)
}

// DueDomain is a domain that is to be looked up. Due is how often that was asked for.
type DueDomain struct {
	Name string
	Due  int64
}

// DueDomains returns domains that are to be looked up, at most so many. They are this process's
// until a time. Those for which somebody waits come first, of each tenant by turns: an attack on
// one tenant's forms, with a new domain in each sign-up, keeps nobody of another tenant's waiting.
func (d *Screening) DueDomains(ctx context.Context, most int, until time.Time) (domains []DueDomain, err error) {
	now := millis(d.now())
	var due int
	err = d.read.QueryRowContext(ctx, `SELECT count(*) FROM (SELECT 1 FROM mail_domains WHERE due > 0 AND lease_until <= $1 LIMIT 1) m`, now).Scan(&due)
	if err != nil || due == 0 { // then nothing is written
		return nil, wrap("domains to look up", err)
	}
	names, err := d.domainsByTurns(ctx, now, most)
	if err != nil {
		return nil, wrap("domains to look up", err)
	}
	for part := range domainSet(names).parts() {
		with, args := part.with(d.engine, now, millis(until))
		leased, err := collect(ctx, d.write, func(row scanner) (of DueDomain, err error) {
			return of, row.Scan(&of.Name, &of.Due)
		}, with+`UPDATE mail_domains SET lease_until = $2 WHERE domain IN (SELECT o.domain FROM o) AND due > 0 AND lease_until <= $1 RETURNING domain, due`, args...)
		if err != nil {
			return nil, wrap("domains to look up", err)
		}
		domains = append(domains, leased...)
	}
	return domains, nil
}

func domainSet(of []string) *set {
	s := newSet(text("domain"))
	for _, domain := range of {
		s.add(domain)
	}
	return s
}

// domainsByTurns are domains that are due and that no process looks up, at most so many: first those that somebody
// waits for, of each tenant by turns and of a tenant in the order in which they were asked for; then the others.
func (d *Screening) domainsByTurns(ctx context.Context, now int64, most int) (names []string, err error) {
	tenants, err := d.waitingTenants(ctx)
	if err != nil {
		return nil, err
	}
	rand.Shuffle(len(tenants), func(i, j int) { tenants[i], tenants[j] = tenants[j], tenants[i] }) // where there are more than turns
	all := make([][]string, len(tenants), len(tenants)+1)
	for i, tenantID := range tenants {
		if all[i], err = collect(ctx, d.read, scanID, dueForTenant, tenantID, now, most); err != nil {
			return nil, err
		}
	}
	for turn := range most {
		for _, of := range all {
			if len(names) < most && turn < len(of) && !slices.Contains(names, of[turn]) {
				names = append(names, of[turn])
			}
		}
	}
	if len(names) == most {
		return names, nil
	}
	others, err := collect(ctx, d.read, scanID, dueForAnybody, now, most)
	for _, domain := range others {
		if len(names) < most && !slices.Contains(names, domain) {
			names = append(names, domain)
		}
	}
	return names, err
}

const (
	dueForTenant = `SELECT w.domain FROM domain_waits w CROSS JOIN mail_domains m WHERE w.tenant_id = $1 AND m.domain = w.domain AND m.due > 0 AND m.lease_until <= $2
		ORDER BY w.since LIMIT $3`
	dueForAnybody = `SELECT domain FROM mail_domains WHERE due > 0 AND lease_until <= $1 ORDER BY asked_at LIMIT $2`
)

// waitingTenants are the tenants of which a sign-up waits for a domain. The recursion hops from
// tenant to tenant, so that many that wait cost no more than few.
func (d *Screening) waitingTenants(ctx context.Context) ([]string, error) {
	return collect(ctx, d.read, scanID, `WITH RECURSIVE waiting (id) AS (
			SELECT min(tenant_id) FROM domain_waits
			UNION ALL
			SELECT (SELECT min(w.tenant_id) FROM domain_waits w WHERE w.tenant_id > t.id) FROM waiting t WHERE t.id IS NOT NULL
		)
		SELECT id FROM waiting WHERE id IS NOT NULL`)
}

// DomainWait is a sign-up that waits for a domain to be looked up. HoldID and what follows are
// empty when it was decided meanwhile.
type DomainWait struct {
	Domain, TenantID, SubscriberID, HoldID, NewsletterID string
	Reasons                                              []string
}

// SetDomain stores what was found of a domain, and returns which sign-ups wait for that.
func (d *Screening) SetDomain(ctx context.Context, domain string, state screening.DomainState) (waits []DomainWait, err error) {
	_, err = d.exec(ctx, `UPDATE mail_domains SET state = $2, looked_at = $3 WHERE domain = $1`, domain, state, millis(d.now()))
	if err == nil {
		waits, err = collect(ctx, d.read, scanDomainWait, selectDomainWait+`WHERE w.domain = $1`, domain)
	}
	return waits, wrap("set a domain", err)
}

const selectDomainWait = `SELECT w.domain, w.tenant_id, w.subscriber_id, COALESCE(h.id, ''), COALESCE(h.newsletter_id, ''), COALESCE(h.reasons, '') FROM domain_waits w
	LEFT JOIN holds h ON h.tenant_id = w.tenant_id AND h.subscriber_id = w.subscriber_id AND h.decided_at = 0 `

// OverdueWaits returns which sign-ups have waited for a domain since a time or longer, at most so many
// of each tenant's, those that have waited longest.
func (d *Screening) OverdueWaits(ctx context.Context, since time.Time, most int) (waits []DomainWait, err error) {
	tenants, err := d.waitingTenants(ctx)
	for i := 0; i < len(tenants) && err == nil; i++ {
		var some []DomainWait
		some, err = collect(ctx, d.read, scanDomainWait, selectDomainWait+`WHERE w.tenant_id = $1 AND w.since <= $2 ORDER BY w.since LIMIT $3`, tenants[i], millis(since), most)
		waits = append(waits, some...)
	}
	return waits, wrap("overdue waits for domains", err)
}

// EndLookUp says that those are told who waited for a domain. When it was asked for once more
// meanwhile, it is to be looked up again.
func (d *Screening) EndLookUp(ctx context.Context, of DueDomain) error {
	_, err := d.exec(ctx, `UPDATE mail_domains SET due = CASE WHEN due = $2 THEN 0 ELSE due END, lease_until = 0 WHERE domain = $1`, of.Name, of.Due)
	return wrap("end a look-up", err)
}

func scanDomainWait(row scanner) (w DomainWait, err error) {
	var reasons string
	err = row.Scan(&w.Domain, &w.TenantID, &w.SubscriberID, &w.HoldID, &w.NewsletterID, &reasons)
	if reasons != "" {
		w.Reasons = strings.Split(reasons, ",")
	}
	return w, err
}

// EndDomainWait says that the wait for a domain is over, and for what the sign-up is held now, if
// it still is. Where it is held for something else by now, or another one of the person's is, that is of a further sign-up, which
// goes on waiting if it has to.
func (d *Screening) EndDomainWait(ctx context.Context, w DomainWait, reasons []string) error {
	was, is := strings.Join(w.Reasons, ","), strings.Join(reasons, ",")
	return wrap("end the wait for a domain", d.tx(ctx, func(tx *sql.Tx) error {
		if w.HoldID != "" && len(reasons) > 0 {
			if _, err := tx.ExecContext(ctx, `UPDATE holds SET reasons = $3 WHERE tenant_id = $1 AND id = $2 AND reasons = $4 AND decided_at = 0`,
				w.TenantID, w.HoldID, is, was); err != nil {
				return err
			}
		}
		_, err := tx.ExecContext(ctx, `DELETE FROM domain_waits WHERE domain = $1 AND tenant_id = $2 AND subscriber_id = $3 AND NOT EXISTS (SELECT 1 FROM holds h
			WHERE h.tenant_id = $2 AND h.subscriber_id = $3 AND h.decided_at = 0 AND NOT (h.id = $6 AND h.reasons IN ($4, $5)) AND ',' || h.reasons || ',' LIKE '%,`+screening.NewDomain+`,%')`,
			w.Domain, w.TenantID, w.SubscriberID, was, is, w.HoldID)
		return err
	}))
}

// How long a domain is known from which nobody comes any more, what the checks did on a day, and
// what readers said of a form.
const (
	domainsKept  = 30 * 24 * time.Hour
	findingsKept = 35 * 24 * time.Hour // a page shows 30 days
	reportsKept  = 365 * 24 * time.Hour
)

// ExpireScreening puts away proofs that can't be used any more, domains from which nobody comes, and
// old counts and reports.
func (d *Screening) ExpireScreening(ctx context.Context) error {
	now := d.now()
	return wrap("expire what checks keep", errors.Join(
		d.expireMany(ctx, now, `DELETE FROM used_proofs WHERE id IN (SELECT id FROM used_proofs WHERE expires_at <= $1 LIMIT $2)`),
		d.expireMany(ctx, now.Add(-domainsKept), `DELETE FROM mail_domains WHERE domain IN (SELECT domain FROM mail_domains WHERE asked_at <= $1 AND due = 0 LIMIT $2)`),
		d.expireMany(ctx, now.Add(-findingsKept), `DELETE FROM finding_counts WHERE (newsletter_id, day, name) IN (SELECT newsletter_id, day, name FROM finding_counts WHERE day <= $1 LIMIT $2)`),
		d.expireMany(ctx, now.Add(-reportsKept), `DELETE FROM form_reports WHERE id IN (SELECT id FROM form_reports WHERE at <= $1 LIMIT $2)`)))
}

// FindingCount is what a check did at a newsletter's form on a day.
type FindingCount struct {
	TenantID, NewsletterID string
	Day                    time.Time // of UTC, when it began
	Name                   string    // of the check; empty for all sign-ups that were looked at
	Found                  int       // how often it found something
	Held                   int       // how many of those were held
}

// AddFindings adds up what checks did. What is of a newsletter that is gone is left out.
func (d *Screening) AddFindings(ctx context.Context, counts []FindingCount) error {
	sorted := slices.Clone(counts) // by the key: so processes that add at once don't wait for each other in a ring
	slices.SortFunc(sorted, func(a, b FindingCount) int {
		return cmp.Or(strings.Compare(a.NewsletterID, b.NewsletterID), a.Day.Compare(b.Day), strings.Compare(a.Name, b.Name))
	})
	return wrap("add what checks did", d.txCommitted(ctx, func(tx *sql.Tx) error { // it adds to what is there, whatever that is
		for _, c := range sorted {
			_, err := tx.ExecContext(ctx, `INSERT INTO finding_counts (tenant_id, newsletter_id, day, name, found, held)
				SELECT n.tenant_id, n.id, $3, $4, $5, $6 FROM newsletters n WHERE n.tenant_id = $1 AND n.id = $2
				ON CONFLICT (newsletter_id, day, name) DO UPDATE SET found = finding_counts.found + excluded.found, held = finding_counts.held + excluded.held`,
				c.TenantID, c.NewsletterID, millis(c.Day), c.Name, c.Found, c.Held)
			if err != nil {
				return err
			}
		}
		return nil
	}))
}

// Findings returns what the checks did at a newsletter of the tenant's from the UTC day of a time
// on, the latest day first.
func (d *Screening) Findings(ctx context.Context, tenantID, newsletterID string, from time.Time) ([]FindingCount, error) {
	list, err := collect(ctx, d.read, func(row scanner) (FindingCount, error) {
		c := FindingCount{TenantID: tenantID, NewsletterID: newsletterID}
		var day int64
		err := row.Scan(&day, &c.Name, &c.Found, &c.Held)
		c.Day = fromMillis(day)
		return c, err
	}, `SELECT day, name, found, held FROM finding_counts WHERE tenant_id = $1 AND newsletter_id = $2 AND day >= $3 ORDER BY day DESC, name`, tenantID, newsletterID, dayOf(millis(from)))
	return list, wrap("what checks did", err)
}

// FormReport is what a reader says of a form.
type FormReport struct {
	ID, Tenant, Slug string // the slugs of the tenant and of the newsletter
	Why              string
	At               time.Time
}

// AddFormReport stores what a reader says of a newsletter's form.
func (d *Screening) AddFormReport(ctx context.Context, tenantID, newsletterID, why string) error {
	_, err := d.exec(ctx, `INSERT INTO form_reports (id, tenant_id, newsletter_id, why, at) VALUES ($1, $2, $3, $4, $5)`, NewID(), tenantID, newsletterID, why, millis(d.now()))
	return wrap("report a form", err)
}

// FormReports returns what readers said of forms, of all tenants, the latest first.
func (d *Screening) FormReports(ctx context.Context, most int) ([]FormReport, error) {
	list, err := collect(ctx, d.read, func(row scanner) (r FormReport, err error) {
		var at int64
		err = row.Scan(&r.ID, &r.Tenant, &r.Slug, &r.Why, &at)
		r.At = fromMillis(at)
		return r, err
	}, `SELECT r.id, t.slug, n.slug, r.why, r.at FROM form_reports r JOIN newsletters n ON n.id = r.newsletter_id JOIN tenants t ON t.id = r.tenant_id ORDER BY r.id DESC LIMIT $1`, most)
	return list, wrap("reports of forms", err)
}
