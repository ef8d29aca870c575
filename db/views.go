package db

import (
	"cmp"
	"context"
	"database/sql"
	"slices"
	"strings"
	"time"

	"gatepost/forms"
)

// ViewKind says how a form was looked at.
type ViewKind string

// The kinds of views.
const (
	ViewOfPage  ViewKind = "page"  // on its own page
	ViewOfFrame ViewKind = "frame" // in a frame of somebody's site
)

// ViewCount is how often a newsletter's form was looked at in an hour.
type ViewCount struct {
	TenantID, NewsletterID string
	Hour                   time.Time // of UTC, when it began
	Kind                   ViewKind
	N                      int
}

// AddViews adds up how often forms were looked at. What is of a newsletter that is gone is left out.
func (d *Readers) AddViews(ctx context.Context, counts []ViewCount) error {
	sorted := slices.Clone(counts) // by the key: so processes that add at once don't wait for each other in a ring
	slices.SortFunc(sorted, func(a, b ViewCount) int {
		return cmp.Or(strings.Compare(a.NewsletterID, b.NewsletterID), a.Hour.Compare(b.Hour), cmp.Compare(a.Kind, b.Kind))
	})
	return wrap("add views", d.txCommitted(ctx, func(tx *sql.Tx) error {
		for _, c := range sorted {
			if err := addViews(ctx, tx, c.TenantID, []ViewCount{c}); err != nil {
				return err
			}
		}
		return nil
	}))
}

// addViews adds up how often forms of a tenant were looked at.
func addViews(ctx context.Context, tx *sql.Tx, tenantID string, counts []ViewCount) error {
	for _, c := range counts {
		_, err := tx.ExecContext(ctx, `INSERT INTO view_counts (tenant_id, newsletter_id, hour, kind, n)
			SELECT n.tenant_id, n.id, $3, $4, $5 FROM newsletters n WHERE n.tenant_id = $1 AND n.id = $2
			ON CONFLICT (newsletter_id, hour, kind) DO UPDATE SET n = view_counts.n + excluded.n`,
			tenantID, c.NewsletterID, millis(c.Hour), c.Kind, c.N)
		if err != nil {
			return err
		}
	}
	return nil
}

// NewsletterNumbers are what happened at a newsletter's form in a time.
type NewsletterNumbers struct {
	Views   map[ViewKind]int
	SignUps int // of somebody new
	Repeats int // of somebody who was there already
}

// AllViews is how often the form was looked at, on its page and in frames.
func (n NewsletterNumbers) AllViews() (sum int) {
	for _, of := range n.Views {
		sum += of
	}
	return sum
}

// NewsletterNumbers returns the tenant's newsletters by name, and by their ids what happened at each from the
// UTC hour of a time on.
func (d *Readers) NewsletterNumbers(ctx context.Context, tenantID string, from time.Time) (list []Newsletter, all map[string]NewsletterNumbers, err error) {
	all = map[string]NewsletterNumbers{}
	take := func(into func(n *NewsletterNumbers, kind string, of int)) func(scanner) error {
		return func(row scanner) error {
			var id, kind string
			var of int
			if err := row.Scan(&id, &kind, &of); err != nil {
				return err
			}
			n := all[id]
			into(&n, kind, of)
			all[id] = n
			return nil
		}
	}
	hour := millis(from.Truncate(time.Hour))
	err = ask(ctx, d.read,
		listed(&list, scanNewsletter, selectNewsletter+`WHERE n.tenant_id = $1`, tenantID),
		part{`SELECT v.newsletter_id, v.kind, sum(v.n) FROM newsletters n JOIN view_counts v ON v.newsletter_id = n.id
			WHERE n.tenant_id = $1 AND v.tenant_id = $1 AND v.hour >= $2 GROUP BY v.newsletter_id, v.kind`, []any{tenantID, hour},
			take(func(n *NewsletterNumbers, kind string, of int) { n.addViews(ViewKind(kind), of) })},
		part{`SELECT newsletter_id, kind, sum(n) FROM ledger WHERE tenant_id = $1 AND hour >= $2 GROUP BY newsletter_id, kind`, []any{tenantID, hour},
			take(func(n *NewsletterNumbers, kind string, of int) { n.addSignUps(Kind(kind), of) })})
	slices.SortFunc(list, func(a, b Newsletter) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.ID, b.ID))
	})
	return list, all, wrap("numbers of newsletters", err)
}

// SignUpSource is where one of a newsletter's readers came from.
type SignUpSource struct {
	Source string       // form, api, test and so on
	Fields forms.Values // what they filled in, hidden fields too
}

// NewsletterDetails is what the page of a newsletter tells beside its numbers.
type NewsletterDetails struct {
	Numbers  NewsletterNumbers
	Sources  []SignUpSource // of its readers among the latest of the tenant's
	Versions []FormVersion  // of its form, the newest first
}

// NewsletterDetails returns what happened at a newsletter of the tenant's from the UTC hour of a time on, where
// those came from whom it has among the tenant's latest subscribers, of whom latest are looked at, and its
// latest versions, of which versions are told. A newsletter has no index, and a tenant may have a million
// subscribers.
func (d *Readers) NewsletterDetails(ctx context.Context, tenantID, newsletterID string, from time.Time, latest, versions int) (all NewsletterDetails, err error) {
	hour := millis(from.Truncate(time.Hour))
	err = ask(ctx, d.read,
		part{`SELECT kind, sum(n) FROM view_counts WHERE tenant_id = $1 AND newsletter_id = $2 AND hour >= $3 GROUP BY kind`, []any{tenantID, newsletterID, hour}, all.Numbers.takeViews},
		part{`SELECT kind, sum(n) FROM ledger WHERE tenant_id = $1 AND newsletter_id = $2 AND hour >= $3 GROUP BY kind`, []any{tenantID, newsletterID, hour}, all.Numbers.takeSignUps},
		listed(&all.Sources, scanSource, `SELECT l.source, l.fields FROM (SELECT s.newsletter_id, s.source, s.fields FROM subscribers s WHERE s.tenant_id = $1 ORDER BY s.id DESC LIMIT $3) l
			WHERE l.newsletter_id = $2`, tenantID, newsletterID, latest),
		listed(&all.Versions, scanFormVersion, `SELECT f.version, f.created_at, COALESCE(u.email, '') FROM form_versions f LEFT JOIN users u ON u.id = f.created_by
			WHERE f.tenant_id = $1 AND f.newsletter_id = $2 AND f.version > 0 ORDER BY f.version DESC LIMIT $3`, tenantID, newsletterID, versions))
	slices.SortFunc(all.Versions, func(a, b FormVersion) int { return cmp.Compare(b.Version, a.Version) })
	return all, wrap("details of a newsletter", err)
}

func (n *NewsletterNumbers) takeViews(row scanner) error {
	var kind ViewKind
	var of int
	if err := row.Scan(&kind, &of); err != nil {
		return err
	}
	n.addViews(kind, of)
	return nil
}

func (n *NewsletterNumbers) addViews(kind ViewKind, of int) {
	if n.Views == nil {
		n.Views = map[ViewKind]int{}
	}
	n.Views[kind] += of
}

func (n *NewsletterNumbers) takeSignUps(row scanner) error {
	var kind Kind
	var of int
	if err := row.Scan(&kind, &of); err != nil {
		return err
	}
	n.addSignUps(kind, of)
	return nil
}

func (n *NewsletterNumbers) addSignUps(kind Kind, of int) {
	if kind == Repeated {
		n.Repeats += of
	} else {
		n.SignUps += of
	}
}

func scanSource(row scanner) (s SignUpSource, err error) {
	var fields string
	if err := row.Scan(&s.Source, &fields); err != nil {
		return s, err
	}
	s.Fields, err = scanFields(fields)
	return s, err
}

func scanFormVersion(row scanner) (v FormVersion, err error) {
	var created int64
	err = row.Scan(&v.Version, &created, &v.By)
	v.CreatedAt = fromMillis(created)
	return v, err
}
