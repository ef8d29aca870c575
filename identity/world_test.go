package identity

import (
	"context"
	"errors"
	"flag"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gatepost/db"
	"gatepost/db/dbtest"
	"gatepost/outbound"
	"gatepost/seal"
)

// TestMain lets more tests run at once than there are cores: they wait for the
// service most of the time.
func TestMain(m *testing.M) {
	if order := os.Getenv(workerOrder); order != "" {
		os.Exit(work(order))
	}
	flag.Parse()
	_ = flag.Set("test.parallel", "8")
	os.Exit(m.Run())
}

const session = "session-of-the-tests"

// ample is time enough for a call to the double, however busy the machine is: what
// a test says of a service that answers must not depend on how fast it does.
const ample = 30 * time.Second

// world is a service, a database and a key file, on which any number of
// processes work.
type world struct {
	t      *testing.T
	srv    *oauthServer
	at     string // the database
	folder string // the rest
	log    *buffer
	ahead  atomic.Int64 // how far the vaults' clock is ahead
	store  *db.DB
	tenant string
	user   string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	t.Parallel()
	return newWorldWith(t, newOAuthServer(t))
}

// newWorldWith is a world around the given service.
func newWorldWith(t *testing.T, srv *oauthServer) *world {
	t.Helper()
	w := &world{t: t, srv: srv, at: dbtest.Path(t), folder: t.TempDir(), log: &buffer{}}
	w.store = w.openDB()
	w.tenant, w.user = w.addTenant("contoso")
	t.Cleanup(w.findNoSecrets)
	return w
}

func (w *world) openDB() *db.DB {
	w.t.Helper()
	return dbtest.Open(w.t, w.at)
}

func (w *world) addTenant(slug string) (tenant, user string) {
	w.t.Helper()
	tn := db.Tenant{ID: db.NewID(), Slug: slug, Name: slug, CreatedAt: time.Now()}
	if err := w.store.CreateTenant(w.t.Context(), tn, db.FirstNewsletter{Slug: slug + "-weekly", Name: slug, Consent: "Yes."}); err != nil {
		w.t.Fatal(err)
	}
	u := db.User{ID: db.NewID(), Email: "john@" + slug + ".example", PasswordHash: "x", CreatedAt: time.Now(), PasswordChangedAt: time.Now()}
	if err := w.store.CreateUser(w.t.Context(), u, tn.ID); err != nil {
		w.t.Fatal(err)
	}
	return tn.ID, u.ID
}

// findNoSecrets fails the test when a secret stands in the log, in the database or in
// a file.
func (w *world) findNoSecrets() {
	w.srv.mu.Lock()
	defer w.srv.mu.Unlock()
	places := map[string]string{"the log": w.log.String(), "the database": dbtest.Contents(w.t, w.at)}
	files, _ := filepath.Glob(filepath.Join(w.folder, "*"))
	for _, f := range files {
		if info, err := os.Stat(f); err != nil || info.IsDir() {
			continue
		}
		b, err := os.ReadFile(f)
		if err != nil {
			w.t.Error(err)
		}
		places[f] = string(b)
	}
	for place, text := range places {
		for _, secret := range w.srv.secrets {
			if secret != "" && (strings.Contains(text, secret) || strings.Contains(text, url.QueryEscape(secret))) {
				w.t.Errorf("%s holds a secret: %.12s…", place, secret)
			}
		}
	}
}

func (w *world) skip(d time.Duration) { w.ahead.Add(int64(d)) }

func (w *world) service() Service {
	return SalesforceService(clientID, clientSecret, redirectURI, w.srv.URL)
}

// process returns the vault of one more process.
func (w *world) process(mend ...func(*Config)) *Vault {
	w.t.Helper()
	return w.processOn(w.openDB(), mend...)
}

// processOn is process with an open database.
func (w *world) processOn(store *db.DB, mend ...func(*Config)) *Vault {
	w.t.Helper()
	keys, err := seal.OpenKeyring(w.t.Context(), filepath.Join(w.folder, "keyset.json"), store, Sealed)
	if err != nil {
		w.t.Fatal(err)
	}
	c := Config{Store: store, Keys: keys, HTTP: outbound.Client(outbound.Trust(w.srv.URL)), Services: []Service{w.service()},
		Log:     slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Timeout: ample, Patience: 4 * ample, Lease: 2 * ample, Poll: 5 * time.Millisecond,
		Now: func() time.Time { return time.Now().Add(time.Duration(w.ahead.Load())) }}
	for _, m := range mend {
		m(&c)
	}
	v := newVault(c)
	w.t.Cleanup(v.Wait)
	return v
}

// patience sets the time-out of a call and the lease.
func patience(timeout, lease time.Duration) func(*Config) {
	return func(c *Config) { c.Timeout, c.Lease = timeout, lease }
}

// settleWithin lets a vault that has connected wait that long, and no longer, until
// an unanswered call is over. Its calls keep their time-out, and it its lease.
func settleWithin(v *Vault, d time.Duration) {
	v.Wait() // it may still learn when its token runs out
	v.Timeout = d
}

func (w *world) request() AuthorizeRequest {
	return AuthorizeRequest{Service: Salesforce, TenantID: w.tenant, UserID: w.user, SessionID: session, FinishedURL: "/done"}
}

// begin authorizes, and allows it; it returns what the browser brings back.
func (w *world) begin(v *Vault) Callback {
	w.t.Helper()
	address, err := v.Authorize(w.t.Context(), w.request())
	if err != nil {
		w.t.Fatal(err)
	}
	q := w.srv.consent(address)
	return Callback{Service: Salesforce, SessionID: session, State: q.Get("state"), Code: q.Get("code")}
}

func (w *world) tryConnect(v *Vault) error {
	w.t.Helper()
	finished, err := v.Finish(w.t.Context(), w.begin(v))
	if finished != (Finished{w.tenant, "/done"}) {
		w.t.Errorf("finished %+v", finished)
	}
	return err
}

func (w *world) connect(v *Vault) db.Identity {
	w.t.Helper()
	if err := w.confirmShared(v, Salesforce, w.tryConnect(v)); err != nil {
		w.t.Fatalf("connect: %v", err)
	}
	return w.identity(v)
}

// confirmShared confirms that an org which another tenant has is meant, when err says
// that this waits for it.
func (w *world) confirmShared(v *Vault, service string, err error) error {
	w.t.Helper()
	if !errors.Is(err, ErrHeld) {
		return err
	}
	h, err := v.Held(w.t.Context(), service, w.tenant)
	if err != nil {
		return err
	}
	return v.ConfirmShared(w.t.Context(), service, w.tenant, h.ID, w.user)
}

func (w *world) identity(v *Vault) db.Identity {
	w.t.Helper()
	i, err := v.Identity(w.t.Context(), Salesforce, w.tenant)
	if err != nil {
		w.t.Fatal(err)
	}
	return i
}

// connection is what is told of the tenant's connection to Salesforce.
func (w *world) connection(v *Vault) Connection {
	w.t.Helper()
	o, err := w.store.Overview(w.t.Context(), w.tenant, w.user, "")
	if err != nil {
		w.t.Fatal(err)
	}
	all, err := v.Connections(o.Connections)
	if err != nil || all[0].ID != Salesforce {
		w.t.Fatal(all, err)
	}
	return all[0]
}

func (w *world) get(v *Vault, refused int64) (Credential, error) {
	ctx, cancel := context.WithTimeout(w.t.Context(), 4*ample)
	defer cancel()
	return v.Get(ctx, Salesforce, w.tenant, refused)
}

// fresh gets a credential that the service takes.
func (w *world) fresh(v *Vault, refused int64) Credential {
	w.t.Helper()
	c, err := w.get(v, refused)
	if err != nil || !w.srv.alive(c.AccessToken) || c.Generation == refused {
		w.t.Fatalf("no good credential: generation %d, %v\n%s", c.Generation, err, w.log)
	}
	return c
}

func (w *world) pending() int {
	w.t.Helper()
	return dbtest.Pending(w.t, w.store, Salesforce, w.tenant)
}

// runRevocations does what the job does, for all that is pending.
func (w *world) runRevocations(v *Vault) {
	w.t.Helper()
	rows, err := w.store.Writer().QueryContext(w.t.Context(), `SELECT id FROM revocations`)
	if err != nil {
		w.t.Fatal(err)
	}
	var ids []string
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			w.t.Fatal(err)
		}
		ids = append(ids, id)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		w.t.Fatal(err)
	}
	for _, id := range ids {
		if err := v.Revoke(w.t.Context(), id); err != nil {
			w.t.Error(err)
		}
	}
}

// wantRevoked checks that so many authorizations are alive and nothing is pending.
func (w *world) wantLive(n int) {
	w.t.Helper()
	if got := w.srv.live(); got != n || w.pending() != 0 {
		w.t.Errorf("%d authorizations are alive, want %d; %d revocations pending\n%s", got, n, w.pending(), w.log)
	}
}

func (w *world) wantCalls(refreshes int) {
	w.t.Helper()
	if got := w.srv.count("refresh"); got != refreshes || w.srv.reused() != 0 {
		w.t.Errorf("%d renewals, want %d; %d reuses", got, refreshes, w.srv.reused())
	}
}

func wantBroken(t *testing.T, err error, code string) {
	t.Helper()
	var b *BrokenError
	if !errors.As(err, &b) || b.Code != code {
		t.Errorf("got %v, want broken by %s", err, code)
	}
}

func wantUnavailable(t *testing.T, err error, code string) {
	t.Helper()
	var u *UnavailableError
	if !errors.As(err, &u) || u.Code != code {
		t.Errorf("got %v, want unavailable by %s", err, code)
	}
}

func wantOAuth(t *testing.T, err error, code string) {
	t.Helper()
	var o *OAuthError
	if !errors.As(err, &o) || o.Code != code {
		t.Errorf("got %v, want %s", err, code)
	}
}

// fullStore is a store with all roles but the log's.
type fullStore interface {
	Store
	UseStore
	HeldStore
	SettingsStore
	TenantAppStore
	DefinitionStore
	AuthorizationStore
	TenantStore
	TransferStore
	PortalStore
	UnhashedStore
	SweptStore
}

// setStore gives a vault another store.
func (v *Vault) setStore(s Store) { v.Store, v.optional = s, rolesOf(s) }

var errDisk = errors.New("disk I/O error")

// sickStore fails the next calls of some methods.
type sickStore struct {
	fullStore
	mu   sync.Mutex
	left map[string]int
}

func sick(s **sickStore, method string, times int) func(*Config) {
	return func(c *Config) {
		*s = &sickStore{fullStore: c.Store.(fullStore), left: map[string]int{method: times}}
		c.Store = *s
	}
}

func (s *sickStore) fails(method string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.left[method] == 0 {
		return nil
	}
	s.left[method]--
	return errDisk
}

func (s *sickStore) SaveIdentity(ctx context.Context, g db.Grant, otherOrg bool, confirmed string) (string, error) {
	if err := s.fails("SaveIdentity"); err != nil {
		return "", err
	}
	return s.fullStore.SaveIdentity(ctx, g, otherOrg, confirmed)
}

func (s *sickStore) HoldIdentity(ctx context.Context, h db.Held) error {
	if err := s.fails("HoldIdentity"); err != nil {
		return err
	}
	return s.fullStore.HoldIdentity(ctx, h)
}

func (s *sickStore) DeleteSomeIdentities(ctx context.Context, sel db.Selector, after, through string, limit int) ([]db.Deleted, error) {
	if err := s.fails("DeleteSomeIdentities"); err != nil {
		return nil, err
	}
	return s.fullStore.DeleteSomeIdentities(ctx, sel, after, through, limit)
}

func (s *sickStore) AddRevocation(ctx context.Context, g db.Grant) (string, error) {
	if err := s.fails("AddRevocation"); err != nil {
		return "", err
	}
	return s.fullStore.AddRevocation(ctx, g)
}

func (s *sickStore) HoldsToken(ctx context.Context, service, tokenHash string) (bool, error) {
	if err := s.fails("HoldsToken"); err != nil {
		return false, err
	}
	return s.fullStore.HoldsToken(ctx, service, tokenHash)
}

func (s *sickStore) StartRenewal(ctx context.Context, id string, generation int64, owner string, lease time.Duration, refused bool) (time.Time, error) {
	if err := s.fails("StartRenewal"); err != nil {
		return time.Time{}, err
	}
	return s.fullStore.StartRenewal(ctx, id, generation, owner, lease, refused)
}

func (s *sickStore) FinishRenewal(ctx context.Context, g db.Grant, generation int64) error {
	if err := s.fails("FinishRenewal"); err != nil {
		return err
	}
	return s.fullStore.FinishRenewal(ctx, g, generation)
}

func (s *sickStore) FailRenewal(ctx context.Context, id string, generation int64, owner, code string, retryAt time.Time, unknown bool) error {
	if err := s.fails("FailRenewal"); err != nil {
		return err
	}
	return s.fullStore.FailRenewal(ctx, id, generation, owner, code, retryAt, unknown)
}

func (s *sickStore) BreakIdentity(ctx context.Context, id string, generation int64, code, owner string) error {
	if err := s.fails("BreakIdentity"); err != nil {
		return err
	}
	return s.fullStore.BreakIdentity(ctx, id, generation, code, owner)
}

func (s *sickStore) Used(ctx context.Context, at map[string]time.Time) error {
	if err := s.fails("Used"); err != nil {
		return err
	}
	return s.fullStore.Used(ctx, at)
}
