// Package newsletter takes readers from the public form to "stored, and ready to
// be delivered", and finds them again.
package newsletter

import (
	"context"
	"encoding/base64"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"gatepost/db"
	"gatepost/forms"
	"gatepost/input"
	"gatepost/screening"
	"gatepost/seal"
)

var (
	// ErrBusy says that more sign-ups arrive than can be stored, or that none are
	// taken any more. The reader is to try again shortly.
	ErrBusy = errors.New("too many sign-ups at once")
	// ErrInvalid says that a form was not checked before.
	ErrInvalid = errors.New("the form is not in order")
	// ErrClosed says that a newsletter takes no sign-ups: it is paused, or archived.
	ErrClosed = errors.New("the newsletter takes no sign-ups")
)

// Source is the way by which a sign-up came.
type Source string

// The sources.
const (
	FromForm Source = "form"
	FromAPI  Source = "api"
	FromTest Source = db.SourceTest // an admin tries it
)

// Came is how a sign-up came, beside what was filled in.
type Came struct {
	Source    Source
	Page      string    // address of the page with the form, without its query; empty where nobody knows
	Confirmed Confirmed // who hands it on says that the person confirmed it already
	Sender    Sender    // who sent it, as far as that is known
}

// Confirmed is when and with which words somebody confirmed elsewhere; the zero value is that nobody
// says so.
type Confirmed struct {
	At    time.Time
	Words string
}

// MACs makes keyed digests; *seal.MACs does.
type MACs interface {
	Sum(p seal.Purpose, parts ...string) []byte
	Check(p seal.Purpose, mac []byte, parts ...string) bool
}

// Store keeps newsletters and subscribers. *db.DB is one.
type Store interface {
	EditStore
	ConfirmStore
	DomainStore
	AddFindings(ctx context.Context, counts []db.FindingCount) error
	Findings(ctx context.Context, tenantID, newsletterID string, from time.Time) ([]db.FindingCount, error)
	Holds(ctx context.Context, tenantID string, q db.HoldQuery) (list []db.Hold, total int, err error)
	HoldOf(ctx context.Context, tenantID, subscriberID string) (db.Hold, error)
	AcceptHolds(ctx context.Context, tenantID string, ids []string, actor string, canMail bool) (done int, err error)
	RejectHolds(ctx context.Context, tenantID string, ids []string, actor string) (done int, err error)
	AddFormReport(ctx context.Context, tenantID, newsletterID, why string) error
	SetReaderRules(ctx context.Context, tenantID, id string, revision int64, r db.ReaderRules) error
	NewsletterBySlug(ctx context.Context, slug string) (db.Newsletter, error)
	Newsletters(ctx context.Context, tenantID string) ([]db.Newsletter, error)
	NewsletterStandings(ctx context.Context, tenantID string) ([]db.NewsletterStanding, error)
	FormVersion(ctx context.Context, tenantID, newsletterID string, version int) (forms.Definition, error)
	Logo(ctx context.Context, tenantID, newsletterID, id string) ([]byte, error)
	AddSignUps(ctx context.Context, signUps []db.SignUp) ([]db.SignedUp, error)
	Subscriber(ctx context.Context, tenantID, id string) (db.Subscriber, error)
	NewsletterOf(ctx context.Context, tenantID, id string) (db.Newsletter, error)
	LeaveOne(ctx context.Context, tenantID, subscriberID string, l db.Leaving) (done bool, err error)
	LeaveAll(ctx context.Context, tenantID, emailKey string, l db.Leaving) (done bool, err error)
	SuppressionStore
	ReaderFeed(ctx context.Context, tenantID string, q db.FeedQuery, from db.FeedCursor) (db.FeedPage, error)
	Eraser
	SubscriberAt(ctx context.Context, tenantID, newsletterID, emailKey string) (db.Subscriber, error)
	Subscribers(ctx context.Context, tenantID string, q db.SubscriberQuery) (db.SubscriberPage, error)
	IndexSearch(ctx context.Context) (n int, err error)
	EditSubscriber(ctx context.Context, tenantID, id string, e db.Edit, actor string) (db.Edited, error)
	QueueUnfound(ctx context.Context) (more bool, err error)
}

// Config is what New needs.
type Config struct {
	Store Store
	URL   string                // public address, without a slash at its end
	Wake  func(tenantID string) // called after sign-ups of a tenant were stored; may be nil
	Log   *slog.Logger          // may be nil
	Now   func() time.Time      // by the clock that all processes go by; time.Now when nil
	Group int                   // how many sign-ups share a commit at most; 256 when zero
	MACs  MACs                  // of unsubscribe addresses, and by which those are known who left and are kept no more; nil where nobody signs up
	Mail  bool                  // mails can be sent

	Counts  screening.Counter  // what comes, over all processes; nil where no sign-up is looked at
	Domains screening.Resolver // is asked whether domains take mail; nil where nobody is
}

// Service takes sign-ups and finds subscribers. Its methods are safe for
// concurrent use.
type Service struct {
	store Store
	url   string
	wake  func(tenantID string)
	log   *slog.Logger
	now   func() time.Time
	macs  MACs
	mail  bool

	bursts   screening.Bursts
	domains  domains
	findings findings // of what the checks did, until it is stored

	known sync.Map // by public name, the newsletters that were read lately
	views views    // of their forms, until they are stored

	groupSize int
	queue     chan *request
	mu        sync.RWMutex // held for writing to close, for reading to queue
	closed    bool
	stored    atomic.Int64 // sign-ups since Index has looked
}

// New returns a Service. Sign-ups are stored while its Run runs.
func New(c Config) *Service {
	s := &Service{store: c.Store, url: c.URL, wake: c.Wake, log: c.Log, now: c.Now, macs: c.MACs, mail: c.Mail, groupSize: c.Group, queue: make(chan *request, queueSize)}
	if s.wake == nil {
		s.wake = func(string) {}
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.groupSize == 0 {
		s.groupSize = groupSize
	}
	s.bursts, s.domains = screening.Bursts{Counter: c.Counts}, domains{store: c.Store, resolver: c.Domains, now: s.now}
	return s
}

// knownFor is how long a newsletter that was read is taken for what it is, so that
// a thousand sign-ups a second don't read the same row.
const knownFor = time.Second

// known is a newsletter as it was read at a time.
type known struct {
	db.Newsletter
	at time.Time
}

// BySlug returns the newsletter with the given public name, as it was within the
// last second, or db.ErrNotFound.
func (s *Service) BySlug(ctx context.Context, slug string) (db.Newsletter, error) {
	now := s.now()
	if k, ok := s.known.Load(slug); ok && now.Sub(k.(known).at).Abs() < knownFor {
		return k.(known).Newsletter, nil
	}
	n, err := s.store.NewsletterBySlug(ctx, slug)
	if err == nil {
		s.known.Store(slug, known{n, now})
	}
	return n, err
}

// FormShown returns the version of a newsletter's form that a reader says to have seen, which
// may be an earlier one, of a page that was copied then. What is no version that there was is
// taken for the present one.
func (s *Service) FormShown(ctx context.Context, n db.Newsletter, version string) (forms.Definition, error) {
	v, err := strconv.Atoi(version)
	if err != nil || v < 0 || v >= n.Form.Version {
		return n.Form, nil
	}
	shown, err := s.store.FormVersion(ctx, n.TenantID, n.ID, v)
	if errors.Is(err, db.ErrNotFound) {
		return n.Form, nil
	}
	return shown, err
}

// Logo returns a newsletter's picture with the given id as PNG, or db.ErrNotFound.
func (s *Service) Logo(ctx context.Context, n db.Newsletter, id string) ([]byte, error) {
	return s.store.Logo(ctx, n.TenantID, n.ID, id)
}

// Forget says that newsletters were changed: each is read anew.
func (s *Service) Forget() { s.known.Clear() }

// OfTenant returns the tenant's newsletters by name.
func (s *Service) OfTenant(ctx context.Context, tenantID string) ([]db.Newsletter, error) {
	return s.store.Newsletters(ctx, tenantID)
}

// Standings returns the tenant's newsletters by name, with how each is going.
func (s *Service) Standings(ctx context.Context, tenantID string) ([]db.NewsletterStanding, error) {
	return s.store.NewsletterStandings(ctx, tenantID)
}

// SignUp stores what a reader sent, and returns the subscriber's id once it is on
// disk. An address that is there already is answered like a new one, and so is one that is held or has to confirm. It returns
// ErrInvalid for a form that Check didn't pass, ErrClosed for a newsletter that is paused or archived, ErrBusy when there is too
// much to do, and the context's error when that ends first; the sign-up may be
// stored all the same then.
func (s *Service) SignUp(ctx context.Context, n db.Newsletter, f Checked, came Came) (subscriberID string, err error) {
	if f == (Checked{}) {
		return "", ErrInvalid
	}
	if !n.Open() {
		return "", ErrClosed
	}
	if f.words == "" { // of somebody who works there
		f.words, f.version = n.Form.Consent.Words, n.Form.Version
	}
	if came.Confirmed.Words != "" {
		f.words, f.shown = came.Confirmed.Words, db.Presentation{}
	}
	key := strings.ToLower(f.email)
	var from db.Origin
	if n.AddressDays > 0 {
		from = db.Origin{IP: came.Sender.IP, UserAgent: came.Sender.Agent}
	}
	up, l, err := s.screened(ctx, n, came.Sender, db.SignUp{
		TenantID: n.TenantID, NewsletterID: n.ID,
		Email: f.email, EmailKey: key,
		FirstName: f.firstName, LastName: f.lastName,
		Consent: f.words, Shown: f.shown, Page: came.Page, Source: string(came.Source), At: s.now(), Fields: f.fields, FormVersion: f.version,
		MAC: s.suppressionMAC(n.TenantID, key), Confirm: n.Readers.Confirm && came.Confirmed.At.IsZero(), ConfirmedAt: came.Confirmed.At, CanMail: s.mail, From: from,
	})
	if err != nil {
		return "", err
	}
	return s.write(ctx, up, l)
}

// suppressionMAC is what the tenant's suppressions know an address by, given in lower case.
func (s *Service) suppressionMAC(tenantID, emailKey string) string {
	if s.macs == nil {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(s.macs.Sum(seal.Suppression, tenantID, emailKey))
}

// Test is SignUp for a test by somebody who works there. It returns db.ErrLeft for the
// address of somebody who has left: a test mustn't bring them back.
func (s *Service) Test(ctx context.Context, n db.Newsletter, f Checked) (subscriberID string, err error) {
	return s.SignUp(ctx, n, f, Came{Source: FromTest})
}

// Edit changes what is known of one of the tenant's subscribers, and returns what that
// did; actor is the id of the user who does it. It returns ErrInvalid for a form that Check
// didn't pass, and else what db.EditSubscriber does.
func (s *Service) Edit(ctx context.Context, tenantID, subscriberID string, f Checked, actor string) (db.Edited, error) {
	if f == (Checked{}) {
		return db.Edited{}, ErrInvalid
	}
	key := strings.ToLower(f.email)
	edited, err := s.store.EditSubscriber(ctx, tenantID, subscriberID,
		db.Edit{Email: f.email, EmailKey: key, FirstName: f.firstName, LastName: f.lastName, MAC: s.suppressionMAC(tenantID, key), CanMail: s.mail}, actor)
	if err == nil {
		s.wake(tenantID)
	}
	return edited, err
}

// Status is a subscriber, and why it is not in the CRM yet.
type Status struct {
	db.Subscriber
	Why     string    // a code of crm's; empty when there is nothing to tell
	Said    string    // what the CRM said to it, or nothing
	NextTry time.Time // of a waiting subscriber
	Again   bool      // it waits until an hour has passed since the sign-up before the last one
}

// StatusOf is a subscriber, and why it waits or needs attention now, given its tenant's
// pause.
func StatusOf(sub db.Subscriber, p db.Pause, now time.Time) Status {
	st := Status{Subscriber: sub}
	st.Why, st.Said, st.NextTry = sub.Why(p)
	st.Again = sub.State == db.Waiting && st.Why == "" && !sub.RepeatedAt.IsZero() && sub.DueAt.After(now)
	return st
}

// Page is a page of subscribers, and what they can be filtered by.
type Page struct {
	db.SubscriberPage
	Rows []Status
}

// Subscribers returns a page of the tenant's subscribers. The query's text is what somebody
// typed or pasted.
func (s *Service) Subscribers(ctx context.Context, tenantID string, q db.SubscriberQuery) (Page, error) {
	q.Text = searched(q.Text)
	found, err := s.store.Subscribers(ctx, tenantID, q)
	if err != nil {
		return Page{}, err
	}
	page := Page{SubscriberPage: found}
	for _, sub := range found.Rows {
		page.Rows = append(page.Rows, StatusOf(sub, found.Filters.Pause, s.now()))
	}
	return page, nil
}

// searched is what somebody looks for, however it was pasted: of an address with a name
// or in brackets the address.
func searched(typed string) string {
	if address, err := input.Address(typed); err == nil {
		return address
	}
	return input.Word(typed)
}
