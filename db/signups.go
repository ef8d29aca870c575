package db

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"time"
)

// SignUp is what a reader sent, with the words that they agreed to.
type SignUp struct {
	TenantID     string
	NewsletterID string
	Email        string // as typed
	EmailKey     string // what makes it the same address
	FirstName    string
	LastName     string
	Consent      string // the words
	Source       string // form, api, test
	At           time.Time
}

// errEntry says that one sign-up can't be stored, for a reason of its own or not.
var errEntry = errors.New("can't be stored")

// SignedUp is what became of a SignUp: the subscriber's id, or why it could not
// be stored.
type SignedUp struct {
	ID  string
	Err error
}

// AddSignUps stores sign-ups in one transaction and returns what became of each,
// in their order. A sign-up that cannot be stored fails alone. An error means
// that none was stored.
//
// An address that is new on its newsletter becomes a waiting subscriber. One that
// is there already takes over the names that are given now, and waits again: see
// repeat.
func (d *DB) AddSignUps(ctx context.Context, signUps []SignUp) ([]SignedUp, error) {
	// To go back to before a sign-up, SQLite copies each page that it touches: that
	// is for when it is needed.
	answers, err := d.enterAll(ctx, signUps, (*book).enter)
	if errors.Is(err, errEntry) && !errors.Is(err, ErrUnavailable) {
		answers, err = d.enterAll(ctx, signUps, (*book).enterAlone)
	}
	return answers, wrap("store sign-ups", err)
}

// enterAll stores sign-ups in one transaction, each by the given method.
func (d *DB) enterAll(ctx context.Context, signUps []SignUp, enter func(*book, context.Context, SignUp) (SignedUp, error)) ([]SignedUp, error) {
	answers := make([]SignedUp, len(signUps))
	err := d.tx(ctx, func(tx *sql.Tx) error {
		// The transaction ends with ctx. Its statements wait for nothing, and the
		// driver starts a goroutine for each that could be cancelled.
		ctx := context.WithoutCancel(ctx)
		b := d.newBook(ctx, tx)
		for i, s := range signUps {
			var err error
			if answers[i], err = enter(b, ctx, s); err != nil {
				return err
			}
		}
		return b.count(ctx)
	})
	if err != nil {
		return nil, err
	}
	return answers, nil
}

// entering are the statements that sign-ups run, prepared once.
type entering struct{ add, wording, ledger, ledgerSum *sql.Stmt }

func (d *DB) prepareEntering(ctx context.Context) error {
	return prepare(ctx, d.write, map[**sql.Stmt]string{
		&d.entering.add: `INSERT INTO subscribers
			(tenant_id, id, newsletter_id, email, email_key, first_name, last_name, wording_id, source, state, due_at, created_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'waiting', $10, $10) ON CONFLICT (tenant_id, email_key, newsletter_id) DO NOTHING`,
		&d.entering.wording: `INSERT INTO wordings (id, text) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING`,
		&d.entering.ledger: `INSERT INTO ledger (n, tenant_id, newsletter_id, hour, kind) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (tenant_id, newsletter_id, hour, kind) DO UPDATE SET n = ledger.n + excluded.n`,
		&d.entering.ledgerSum: `INSERT INTO ledger_sums (n, tenant_id, kind) VALUES ($1, $2, $3)
			ON CONFLICT (tenant_id, kind) DO UPDATE SET n = ledger_sums.n + excluded.n`,
	})
}

// A book enters the sign-ups of one transaction, and counts them.
type book struct {
	entering
	counting
	prepared repeating  // of the database
	repeats  *repeating // of the transaction, once one of them is needed
	tx       *sql.Tx
	wordings map[string]string // ids by text
	received map[ledgerKey]int
	change   change
}

type ledgerKey struct {
	tenantID, newsletterID string
	hour                   int64
	kind                   string
}

type ledgerSum struct{ tenantID, kind string }

type stateKey struct {
	tenantID, newsletterID string
	state                  State
}

func (d *DB) newBook(ctx context.Context, tx *sql.Tx) *book {
	e := d.entering
	for _, s := range []**sql.Stmt{&e.add, &e.wording} {
		*s = tx.StmtContext(ctx, *s) // ends with the transaction
	}
	return &book{entering: e, prepared: d.repeating, counting: d.counting, tx: tx, wordings: map[string]string{}, received: map[ledgerKey]int{},
		change: change{tx: tx, at: millis(d.now()), moves: newMoves()}}
}

// enterAlone stores one sign-up, whose own failure stands in the answer. An error
// means that the transaction is of no more use.
func (b *book) enterAlone(ctx context.Context, s SignUp) (SignedUp, error) {
	if _, err := b.tx.ExecContext(ctx, `SAVEPOINT sign_up`); err != nil {
		return SignedUp{}, err
	}
	answer, err := b.enter(ctx, s)
	if f := faultOf(err); f == faultPassing || f == faultAgain {
		return SignedUp{}, err // all of the transaction is undone, or to be
	}
	if err != nil {
		clear(b.wordings) // what was stored since is gone
		answer := SignedUp{Err: wrap("sign-up", err)}
		if _, err := b.tx.ExecContext(ctx, `ROLLBACK TO SAVEPOINT sign_up`); err != nil {
			return SignedUp{}, err
		}
		_, err := b.tx.ExecContext(ctx, `RELEASE SAVEPOINT sign_up`)
		return answer, err
	}
	_, err = b.tx.ExecContext(ctx, `RELEASE SAVEPOINT sign_up`)
	return answer, err
}

// enter stores one sign-up. An error means that the transaction is of no more use.
func (b *book) enter(ctx context.Context, s SignUp) (SignedUp, error) {
	wording, err := b.wording(ctx, s.Consent)
	if err != nil {
		return SignedUp{}, err
	}
	id, known, err := b.store(ctx, s, wording)
	if err != nil {
		return SignedUp{}, fmt.Errorf("%w: %w", errEntry, err)
	}
	kind := "repeated"
	if !known {
		kind = "new"
		b.change.moves.add(place{tenantID: s.TenantID, newsletterID: s.NewsletterID, createdAt: millis(s.At), state: Waiting}, 1)
	}
	b.received[ledgerKey{s.TenantID, s.NewsletterID, hourOf(millis(s.At)), kind}]++
	return SignedUp{ID: id}, nil
}

// store stores the subscriber with what was agreed to; of one that is there
// already, what is said now.
func (b *book) store(ctx context.Context, s SignUp, wording string) (id string, known bool, err error) {
	id = NewID()
	added, err := b.add.ExecContext(ctx, s.TenantID, id, s.NewsletterID, s.Email, s.EmailKey, s.FirstName, s.LastName, wording, s.Source, millis(s.At))
	if err := changed(added, err, ErrConflict); !errors.Is(err, ErrConflict) {
		return id, false, err
	}
	id, err = b.repeat(ctx, s, wording)
	return id, true, err
}

// wording returns the id of a text, which is stored once.
func (b *book) wording(ctx context.Context, text string) (string, error) {
	if id, ok := b.wordings[text]; ok {
		return id, nil
	}
	sum := sha256.Sum256([]byte(text))
	id := hex.EncodeToString(sum[:])
	if _, err := b.entering.wording.ExecContext(ctx, id, text); err != nil {
		return "", err
	}
	b.wordings[text] = id
	return id, nil
}

// count brings the ledger and the counts up to date.
func (b *book) count(ctx context.Context) error {
	sums := map[ledgerSum]int{}
	for k, n := range b.received {
		sums[ledgerSum{k.tenantID, k.kind}] += n
	}
	err := addTo(ctx, b.tx, b.ledger, b.received, func(k ledgerKey) []any { return []any{k.tenantID, k.newsletterID, k.hour, k.kind} })
	if err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	err = addTo(ctx, b.tx, b.ledgerSum, sums, func(k ledgerSum) []any { return []any{k.tenantID, k.kind} })
	if err != nil {
		return fmt.Errorf("sum the ledger: %w", err)
	}
	return b.change.moves.store(ctx, b.tx, b.counting, b.change.at)
}
