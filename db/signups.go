package db

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"gatepost/screening"
)

// SignUp is what a reader sent, with the words that they agreed to.
type SignUp struct {
	TenantID     string
	NewsletterID string
	Email        string // as typed
	EmailKey     string // what makes it the same address
	FirstName    string
	LastName     string
	Consent      string       // the words
	Shown        Presentation // what was shown with them
	Page         string       // address of the page with the form, without its query; empty where nobody knows
	Source       string       // form, api, test, import
	Fields       string       // what else was filled in, forms.Values as JSON; empty for nothing
	FormVersion  int          // of the form that was shown
	At           time.Time

	MAC         string    // of EmailKey, by which the tenant's suppressions know it; empty where none are asked
	Confirm     bool      // somebody new is to confirm by mail
	CanMail     bool      // mails can be sent
	ConfirmedAt time.Time // when they confirmed, as whoever hands it on says; zero where nobody says so
	Held        []string  // names of the checks for which somebody is to decide first
	Network     string    // MAC of where it came from; empty where nobody knows
	From        Origin    `json:"-"` // from where, where the tenant keeps it; not of what is held

	Proof      string    // id of a proof of work, which nobody else may use; empty for none
	ProofUntil time.Time // it is valid
}

// Presentation is what was shown with the words that somebody agreed to. It is stored once for
// all sign-ups that it is the same for.
type Presentation struct {
	Box        bool   `json:"box,omitempty"`    // the words stood beside a box to be ticked; else above the button
	Button     string `json:"button,omitempty"` // the words on it
	Newsletter string `json:"newsletter,omitempty"`
	Slug       string `json:"slug,omitempty"`
	Sender     string `json:"sender,omitempty"`
	Privacy    string `json:"privacy,omitempty"` // address of the privacy policy
	Language   string `json:"language,omitempty"`
}

// The sources that are treated differently.
const (
	SourceImport = "import" // from a file: they are confirmed elsewhere
	SourceTest   = "test"   // by somebody who works there
)

// Reasons for which a sign-up is held that no check finds by itself: it is of somebody who had left, and needs
// their confirmation by mail; or of somebody whose sign-up was rejected before.
const (
	HoldReturning      = screening.Returning
	HoldRejectedBefore = screening.RejectedBefore
)

// becomes is what somebody is to be by a sign-up who isn't there, or has no state that speaks
// against it; left says that they had left, or don't want any mails.
func (s SignUp) becomes(left bool) State {
	switch {
	case left && (s.Source == SourceImport || s.Source == SourceTest):
		return Left // neither a file nor a test brings anybody back
	case s.Source == SourceTest:
		return Active
	case len(s.Held) > 0:
		return OnHold
	case left && s.CanMail:
		return Unconfirmed
	case left:
		return OnHold
	case s.Confirm && s.CanMail && s.Source != SourceImport:
		return Unconfirmed
	}
	return Active
}

// testsWhoLeft reports whether a test makes somebody Left, which is not to be stored.
func (s SignUp) testsWhoLeft(becomes State) bool { return s.Source == SourceTest && becomes == Left }

// heldFor is why the sign-up is held of somebody who is in a state; left says that they had left, of which who is active came back.
func (s SignUp) heldFor(is State, left bool) []string {
	reasons := slices.Clone(s.Held)
	if (left && is != Active || is == Left) && !slices.Contains(reasons, HoldReturning) {
		reasons = append(reasons, HoldReturning)
	}
	if is == Rejected {
		reasons = append(reasons, HoldRejectedBefore)
	}
	return reasons
}

// errEntry says that one sign-up can't be stored, for a reason of its own or not.
var errEntry = errors.New("can't be stored")

// SignedUp is what became of a SignUp: the subscriber's id, or why it could not
// be stored.
type SignedUp struct {
	ID   string
	Held []string // names of the checks for which it waits for a decision, with those that storing it found
	Err  error
}

// AddSignUps stores sign-ups in one transaction and returns what became of each,
// in their order. A sign-up that cannot be stored fails alone; a test of somebody who left, with ErrLeft. An error means
// that none was stored.
//
// An address that is new on its newsletter becomes a subscriber, who waits for each
// destination that the newsletter feeds; or is to confirm by mail first, or is held: see
// SignUp.becomes. One that is there already takes over the names and fields
// that are given now, and waits again: see repeat.
func (d *Readers) AddSignUps(ctx context.Context, signUps []SignUp) ([]SignedUp, error) {
	answers, err := d.enterAll(ctx, signUps, d.engine.enter)
	if errors.Is(err, errEntry) && !errors.Is(err, ErrUnavailable) {
		answers, err = d.enterAll(ctx, signUps, enterAlone)
	}
	return answers, wrap("store sign-ups", err)
}

// enterAll stores sign-ups in one transaction, in the given way.
func (d *Readers) enterAll(ctx context.Context, signUps []SignUp, enter func(context.Context, *book, []SignUp) ([]SignedUp, error)) (answers []SignedUp, err error) {
	err = d.txCommitted(ctx, func(tx *sql.Tx) error { // each statement has its own conditions
		ctx := ctx
		if _, ok := d.engine.(*sqliteFile); ok {
			// The transaction ends with ctx. Its statements wait for nothing there, and
			// the driver starts a goroutine for each that could be cancelled.
			ctx = context.WithoutCancel(ctx)
		}
		b := d.newBook(tx)
		if err = b.findLeft(ctx, signUps); err != nil {
			return err
		}
		signUps, err := b.useProofs(ctx, signUps)
		if err != nil {
			return err
		}
		if answers, err = enter(ctx, b, signUps); err != nil {
			return err
		}
		if err = b.queueSearch(ctx); err != nil {
			return err
		}
		return b.change.finish(ctx)
	})
	if err != nil {
		return nil, err
	}
	d.notifySoon(dueOf(signUps)...)
	return answers, nil
}

// dueOf tells that the tenants of sign-ups have something to deliver.
func dueOf(signUps []SignUp) (due []Notice) {
	tenants := map[string]bool{}
	for _, s := range signUps {
		if !tenants[s.TenantID] {
			tenants[s.TenantID], due = true, append(due, Notice{NoticeDue, s.TenantID})
		}
	}
	return due
}

// each enters sign-ups one by one.
func (b *book) each(ctx context.Context, signUps []SignUp, enter func(context.Context, SignUp) (SignedUp, error)) ([]SignedUp, error) {
	answers := make([]SignedUp, len(signUps))
	for i, s := range signUps {
		var err error
		if answers[i], err = enter(ctx, s); err != nil {
			return nil, err
		}
	}
	return answers, nil
}

func enterAlone(ctx context.Context, b *book, signUps []SignUp) ([]SignedUp, error) {
	return b.each(ctx, signUps, b.enterAlone)
}

// A book enters the sign-ups of one transaction, and counts them.
type book struct {
	tx       *sql.Tx
	wordings map[wordingKey]string // ids
	fed      map[string][]string   // ids of the destinations that a newsletter feeds
	left     map[leftKey]bool      // who had left, of those who aren't there
	fresh    []fresh
	held     []string // for what the sign-up is held that is entered now
	change   *change
}

// leftKey is an address on a newsletter that doesn't want its mails.
type leftKey struct{ tenantID, newsletterID, mac string }

// fresh is a subscriber who is new.
type fresh struct{ tenantID, id string }

func (d *Readers) newBook(tx *sql.Tx) *book {
	return newBook(tx, d.newChange(tx))
}

func newBook(tx *sql.Tx, c *change) *book {
	return &book{tx: tx, wordings: map[wordingKey]string{}, fed: map[string][]string{}, change: c}
}

// enterAlone stores one sign-up, whose own failure stands in the answer. An error
// means that the transaction is of no more use.
func (b *book) enterAlone(ctx context.Context, s SignUp) (SignedUp, error) {
	if _, err := b.tx.ExecContext(ctx, `SAVEPOINT sign_up`); err != nil {
		return SignedUp{}, err
	}
	before, fresh := b.change.tally.clone(), len(b.fresh)
	answer, err := b.enter(ctx, s)
	if err == nil {
		err = b.change.tell(ctx)
	}
	if f := faultOf(err); f == faultPassing || f == faultAgain {
		return SignedUp{}, err // all of the transaction is undone, or to be
	}
	if err != nil {
		clear(b.wordings) // what was stored since is gone
		clear(b.fed)      // and is held no more
		b.change.events, b.change.tally, b.fresh, b.held = newEvents(), before, b.fresh[:fresh], nil
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
	wording, err := b.wording(ctx, s.Consent, s.Shown)
	if err != nil {
		return SignedUp{}, err
	}
	id, err := b.put(ctx, s, wording)
	if err != nil {
		return SignedUp{}, fmt.Errorf("%w: %w", errEntry, err)
	}
	return b.answer(id), nil
}

// answer is what became of the sign-up that was entered just now, of the subscriber with an id.
func (b *book) answer(id string) SignedUp {
	a := SignedUp{ID: id, Held: b.held}
	b.held = nil
	return a
}

// received counts a sign-up.
func (b *book) received(s SignUp, kind Kind) {
	b.change.tally.received[ledgerKey{s.TenantID, s.NewsletterID, hourOf(millis(s.At)), string(kind)}]++
}

// arrive counts somebody new with the given id, and does what else their state asks for.
func (b *book) arrive(ctx context.Context, s SignUp, id string, state State, wording string) error {
	if s.testsWhoLeft(state) {
		return ErrLeft
	}
	kind := New
	if s.Source == SourceImport {
		kind = Imported
	}
	b.received(s, kind)
	b.fresh = append(b.fresh, fresh{s.TenantID, id})
	b.change.tally.add(s.place(id, state), 1)
	if err := b.keepAddress(ctx, s, id); err != nil {
		return err
	}
	switch state {
	case Active:
		return b.stated(ctx, s, known{place: s.place(id, state)})
	case Unconfirmed:
		return b.queueMail(ctx, s, id)
	case OnHold:
		return b.hold(ctx, s, known{place: s.place(id, state)}, wording, "")
	}
	return nil
}

// confirmedElsewhere is how somebody confirmed of whom whoever hands on their sign-up says so.
const confirmedElsewhere = "stated"

// stated keeps that somebody confirmed elsewhere, as whoever hands on their sign-up says. That they confirmed last is
// what counts, whoever says so first.
func (b *book) stated(ctx context.Context, s SignUp, k known) error {
	if s.ConfirmedAt.IsZero() {
		return nil
	}
	at := millis(s.ConfirmedAt)
	if _, err := b.tx.ExecContext(ctx, `UPDATE subscribers SET confirmed_at = $1 WHERE tenant_id = $2 AND id = $3 AND confirmed_at < $1`, at, k.tenantID, k.id); err != nil {
		return err
	}
	return b.change.act(ctx, k, ConsentConfirmed, confirmedElsewhere, at)
}

// put stores the subscriber with what was agreed to; of one that is there
// already, what is said now.
func (b *book) put(ctx context.Context, s SignUp, wording string) (id string, err error) {
	for range 10 { // until nobody gives the address up, or takes it, meanwhile
		if id, err = b.putOnce(ctx, s, wording); !errors.Is(err, sql.ErrNoRows) {
			break
		}
	}
	return id, err
}

// putOnce is put, once: with sql.ErrNoRows, who had the address has another one by now.
func (b *book) putOnce(ctx context.Context, s SignUp, wording string) (id string, err error) {
	id = NewID()
	state := s.becomes(b.hasLeft(s))
	added, err := b.tx.ExecContext(ctx, `INSERT INTO subscribers
		(tenant_id, id, newsletter_id, email, email_key, first_name, last_name, wording_id, source, state, created_at, fields, form_version, page)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) ON CONFLICT (tenant_id, email_key, newsletter_id) DO NOTHING`,
		s.TenantID, id, s.NewsletterID, s.Email, s.EmailKey, s.FirstName, s.LastName, wording, s.Source, state, millis(s.At), s.Fields, s.FormVersion, s.Page)
	switch err := changed(added, err, ErrConflict); {
	case err == nil && state == Active:
		if err := b.deliver(ctx, s, id); err != nil {
			return id, err
		}
		return id, b.arrive(ctx, s, id, state, wording)
	case err == nil:
		return id, b.arrive(ctx, s, id, state, wording)
	case !errors.Is(err, ErrConflict):
		return id, err
	}
	return b.repeat(ctx, s, wording)
}

// deliver makes a new subscriber's deliveries.
func (b *book) deliver(ctx context.Context, s SignUp, id string) error {
	destinations, err := b.feeds(ctx, s.TenantID, s.NewsletterID)
	for _, to := range destinations {
		p := s.place(id, Waiting)
		p.destinationID = to
		if err := b.deliverTo(ctx, p, millis(s.At), 0); err != nil {
			return err
		}
	}
	return err
}

// deliverTo makes a delivery that is due at a time.
func (b *book) deliverTo(ctx context.Context, to place, at, waitsSince int64) error {
	_, err := b.tx.ExecContext(ctx, `INSERT INTO deliveries (tenant_id, subscriber_id, destination_id, state, due_at, waits_since) VALUES ($1, $2, $3, 'waiting', $4, $5)`,
		to.tenantID, to.id, to.destinationID, at, waitsSince)
	if err == nil {
		b.change.enter(to)
	}
	return err
}

// place is where the subscriber of a sign-up stands that made them.
func (s SignUp) place(id string, state State) place {
	return place{id: id, tenantID: s.TenantID, newsletterID: s.NewsletterID, createdAt: millis(s.At), state: state}
}

// wording returns the id of a text that was shown in a way, which is stored once.
func (b *book) wording(ctx context.Context, text string, shown Presentation) (string, error) {
	key := wordingKey{text, shown}
	if id, ok := b.wordings[key]; ok {
		return id, nil
	}
	way := ""
	if shown != (Presentation{}) {
		way = mustJSON(shown)
	}
	id := wordingID(text, way)
	if _, err := b.tx.ExecContext(ctx, `INSERT INTO wordings (id, text, shown) VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING`, id, text, way); err != nil {
		return "", err
	}
	b.wordings[key] = id
	return id, nil
}

// wordingKey is a text with the way in which it was shown.
type wordingKey struct {
	text  string
	shown Presentation
}

func wordingID(text, way string) string {
	if way != "" {
		text += "\x00" + way
	}
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
