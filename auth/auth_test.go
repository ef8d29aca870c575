package auth

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alexedwards/argon2id"

	"gatepost/db"
	"gatepost/db/dbtest"
)

const (
	email    = "john@contoso.example"
	password = "a fence of old oak"
	home     = "192.0.2.1"
)

// clock is a time that stands still until it is moved.
type clock struct{ ms atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.ms.Store(time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC).UnixMilli())
	return c
}

func (c *clock) now() time.Time      { return time.UnixMilli(c.ms.Load()) }
func (c *clock) add(d time.Duration) { c.ms.Add(d.Milliseconds()) }
func weak(m uint32) *argon2id.Params {
	return &argon2id.Params{Memory: m, Iterations: 1, Parallelism: 1, SaltLength: 16, KeyLength: 32}
}

// people returns people on the store whose hashes cost next to nothing.
func people(store Store, c *clock) *People {
	p := NewPeople(store, c.now)
	p.hasher.params = weak(64)
	p.hasher.compare = func(password, hash string) (bool, *argon2id.Params, error) {
		if hash == dummyHash {
			return false, weak(64), nil
		}
		return argon2id.CheckHash(password, hash)
	}
	return p
}

// contoso returns people among whom John belongs to Contoso.
func contoso(t *testing.T) (*People, *db.DB, *clock, db.User) {
	t.Helper()
	t.Parallel()
	c := newClock()
	d := dbtest.Open(t, dbtest.Path(t))
	p := people(d, c)
	if _, err := p.AddTenant(t.Context(), "contoso", "Contoso"); err != nil {
		t.Fatal(err)
	}
	u, err := p.AddUser(t.Context(), email, "contoso", password)
	if err != nil {
		t.Fatal(err)
	}
	return p, d, c, u
}

// login tries a password from a browser without a device cookie.
func login(t *testing.T, p *People, email, password, ip string) (db.User, error) {
	t.Helper()
	u, device, err := p.Login(t.Context(), email, password, Client{IP: ip})
	if (err == nil) != (device != "") {
		t.Errorf("%v with the device cookie %q", err, device)
	}
	var refused *RefusedError
	if errors.As(err, &refused) {
		err = refused.Err
	}
	return u, err
}

func mustLogin(t *testing.T, p *People, ip string) db.User {
	t.Helper()
	u, err := login(t, p, email, password, ip)
	if err != nil {
		t.Fatalf("login from %s: %v", ip, err)
	}
	return u
}

func throttled(err error) time.Duration {
	var b *ThrottledError
	if errors.As(err, &b) {
		return b.Wait
	}
	return 0
}

func TestLogin(t *testing.T) {
	p, _, _, john := contoso(t)
	for _, tt := range []struct{ name, email, password string }{
		{"wrong password", email, "a fence of old elm"},
		{"unknown address", "joan@contoso.example", password},
		{"no password", email, ""},
		{"nothing at all", "", ""},
		{"not an address", "john", password},
	} {
		t.Run(tt.name, func(t *testing.T) {
			u, err := login(t, p, tt.email, tt.password, home)
			if err != ErrCredentials || u.ID != "" {
				t.Errorf("got %q, %v", u.ID, err)
			}
		})
	}
	u, err := login(t, p, " John@Contoso.EXAMPLE ", password, home)
	if err != nil || u.ID != john.ID {
		t.Errorf("the right password: %q, %v", u.ID, err)
	}
}

// Unknown addresses and wrong passwords cost the same: the same number of
// hashes with the same parameters, and the same questions to the store.
func TestLoginCostsTheSame(t *testing.T) {
	p, d, _, _ := contoso(t)
	cost := func(email string) (params []argon2id.Params, asked []string) {
		s := &spyStore{Store: d}
		q := people(s, newClock())
		q.hasher.params = newHasher().params
		q.hasher.compare = func(_, hash string) (bool, *argon2id.Params, error) {
			got, _, _, err := argon2id.DecodeHash(hash)
			if err != nil {
				t.Fatal(err)
			}
			params = append(params, *got)
			return false, got, nil
		}
		if _, err := login(t, q, email, "a fence of old elm", home); err != ErrCredentials {
			t.Fatal(err)
		}
		return params, s.asked
	}
	p.hasher = newHasher()
	if err := p.SetPassword(t.Context(), email, password); err != nil {
		t.Fatal(err)
	}
	wrong, asked := cost(email)
	unknown, askedUnknown := cost("joan@contoso.example")
	if len(wrong) != 1 || len(unknown) != 1 || wrong[0] != unknown[0] {
		t.Errorf("hashes: wrong password %v, unknown address %v", wrong, unknown)
	}
	if a, b := strings.Join(asked, " "), strings.Join(askedUnknown, " "); a != b || a == "" {
		t.Errorf("questions: wrong password %q, unknown address %q", a, b)
	}
	if want := (argon2id.Params{Memory: 19456, Iterations: 2, Parallelism: 1, SaltLength: 16, KeyLength: 32}); wrong[0] != want {
		t.Errorf("parameters: %+v", wrong[0])
	}
}

// spyStore notes what is asked.
type spyStore struct {
	Store
	asked []string
}

func (s *spyStore) UserByEmail(ctx context.Context, email string) (db.User, error) {
	s.asked = append(s.asked, "user")
	return s.Store.UserByEmail(ctx, email)
}

func (s *spyStore) ThrottledUntil(ctx context.Context, now time.Time, limits []db.Limit) (time.Time, error) {
	s.asked = append(s.asked, "throttled")
	return s.Store.ThrottledUntil(ctx, now, limits)
}

func (s *spyStore) CountFailure(ctx context.Context, now, expires time.Time, limits []db.Limit) (time.Time, error) {
	s.asked = append(s.asked, "count")
	return s.Store.CountFailure(ctx, now, expires, limits)
}

func (s *spyStore) DeviceMisses(ctx context.Context, userID, hash string, now time.Time) (int64, error) {
	s.asked = append(s.asked, "device")
	return s.Store.DeviceMisses(ctx, userID, hash, now)
}

func TestLoginRehashes(t *testing.T) {
	p, d, _, john := contoso(t)
	p.hasher.params = weak(128)
	u := mustLogin(t, p, home)
	stored, err := d.User(t.Context(), john.ID)
	if err != nil {
		t.Fatal(err)
	}
	if stored.PasswordHash == john.PasswordHash || !strings.Contains(stored.PasswordHash, "m=128,") || u.PasswordHash != stored.PasswordHash {
		t.Errorf("the hash was not renewed: %s", stored.PasswordHash)
	}
	if !stored.PasswordChangedAt.Equal(john.PasswordChangedAt) {
		t.Error("a new hash of the same password is not a change")
	}
	mustLogin(t, p, home)
	again, err := d.User(t.Context(), john.ID)
	if err != nil || again.PasswordHash != stored.PasswordHash {
		t.Errorf("an up-to-date hash was renewed: %v", err)
	}
}

func TestCheckPassword(t *testing.T) {
	for _, tt := range []struct{ name, password, want string }{
		{"fourteen characters", "fourteen chars", "at least 15"},
		{"fourteen characters of more bytes", "éöüäßñçøåîûèàab", ""},
		{"fourteen letters of more bytes", "éöüäßñçøåîûèàa", "at least 15"},
		{"common", "Password123456789", "easy to guess"},
		{"one character", strings.Repeat("x", 20), "easy to guess"},
		{"the address", "John@contoso.example", "easy to guess"},
		{"too long", strings.Repeat("x!kq", 250) + "y", "at most 1000"},
		{"longest", strings.Repeat("a fence of old oak, a gate of ash; ", 29)[:999] + "!", ""},
		{"fifteen characters", "a gate of ash 7", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := checkPassword(tt.password, email)
			if (tt.want == "") != (got == "") || !strings.Contains(got, tt.want) {
				t.Errorf("got %q", got)
			}
		})
	}
}

func TestChangePassword(t *testing.T) {
	p, d, _, john := contoso(t)
	const next = "a gate of new ash"
	if _, err := p.ChangePassword(t.Context(), john.ID, password, "short"); !fieldError(err, "password") {
		t.Errorf("a short one: %v", err)
	}
	if _, err := p.ChangePassword(t.Context(), john.ID, "not my password", next); !fieldError(err, "current") {
		t.Errorf("a wrong current one: %v", err)
	}
	if _, err := p.ChangePassword(t.Context(), "nobody", password, next); !errors.Is(err, db.ErrNotFound) {
		t.Errorf("nobody: %v", err)
	}
	mustLogin(t, p, home)
	u, err := p.ChangePassword(t.Context(), john.ID, password, next)
	if err != nil || !u.PasswordChangedAt.After(john.PasswordChangedAt) {
		t.Fatalf("the right one: %v, changed at %v", err, u.PasswordChangedAt)
	}
	if stored, err := d.User(t.Context(), john.ID); err != nil || stored != u {
		t.Errorf("stored %+v, %v", stored, err)
	}
	if _, err := login(t, p, email, password, home); err != ErrCredentials {
		t.Errorf("the old one still works: %v", err)
	}
	if _, err := login(t, p, email, next, home); err != nil {
		t.Errorf("the new one: %v", err)
	}
}

// Of two changes at once, from the same current password, one wins.
func TestChangePasswordTwiceAtOnce(t *testing.T) {
	p, d, _, john := contoso(t)
	create := p.hasher.create
	p.hasher.create = func(pw string, params *argon2id.Params) (string, error) {
		if _, err := d.ChangePassword(t.Context(), john.ID, "", john.PasswordHash+"x", newClock().now(), false); err != nil {
			t.Error(err)
		}
		return create(pw, params)
	}
	if _, err := p.ChangePassword(t.Context(), john.ID, password, "a gate of new ash"); !fieldError(err, "current") {
		t.Errorf("got %v", err)
	}
}

func TestChangePasswordIsThrottled(t *testing.T) {
	p, _, c, john := contoso(t)
	guess := func() error {
		_, err := p.ChangePassword(t.Context(), john.ID, "not my password", "a gate of new ash")
		return err
	}
	for range 5 {
		if err := guess(); !fieldError(err, "current") {
			t.Fatal(err)
		}
	}
	if throttled(guess()) == 0 {
		t.Error("the sixth guess is not throttled")
	}
	mustLogin(t, p, home)
	c.add(5 * time.Minute)
	if err := guess(); !fieldError(err, "current") {
		t.Errorf("after the wait: %v", err)
	}
}

func TestSetPassword(t *testing.T) {
	p, _, _, _ := contoso(t)
	const next = "a gate of new ash"
	if err := p.SetPassword(t.Context(), "joan@contoso.example", next); !errors.Is(err, db.ErrNotFound) {
		t.Errorf("unknown: %v", err)
	}
	if err := p.SetPassword(t.Context(), email, "short"); !fieldError(err, "password") {
		t.Errorf("short: %v", err)
	}
	for range 6 {
		_, _ = login(t, p, email, "a fence of old elm", home)
	}
	if _, err := login(t, p, email, next, "192.0.2.2"); throttled(err) == 0 {
		t.Fatalf("not throttled: %v", err)
	}
	if err := p.SetPassword(t.Context(), " JOHN@contoso.example", next); err != nil {
		t.Fatal(err)
	}
	if _, err := login(t, p, email, next, "192.0.2.2"); err != nil {
		t.Errorf("the throttles were not released: %v", err)
	}
}

func fieldError(err error, field string) bool {
	var f FieldErrors
	return errors.As(err, &f) && len(f) == 1 && f[field] != ""
}

func TestAddTenant(t *testing.T) {
	p, _, _, _ := contoso(t)
	long := strings.Repeat("a", 63)
	for _, tt := range []struct{ slug, name, field string }{
		{"", "X", "slug"}, {"a", "X", "slug"}, {"-ab", "X", "slug"}, {"ab-", "X", "slug"}, {"a_b", "X", "slug"},
		{"Ab", "X", "slug"}, {"äb", "X", "slug"}, {"ab\n", "X\x00", "name"}, {long + "a", "X", "slug"}, {db.NewID(), "X", "slug"},
		{"contoso", "Again", "slug"}, {"fabrikam", strings.Repeat("x", 81), "name"}, {"fabrikam", "\xff", "name"},
	} {
		if _, err := p.AddTenant(t.Context(), tt.slug, tt.name); !fieldError(err, tt.field) {
			t.Errorf("%q, %q: %v", tt.slug, tt.name, err)
		}
	}
	if _, err := p.AddTenant(t.Context(), "contoso", "Again"); !errors.Is(err, db.ErrConflict) || err.Error() != "This URL name is taken." {
		t.Errorf("one that is taken: %v", err)
	}
	for slug, want := range map[string]string{"ab": "Ab", "contoso-labs": "Contoso Labs", long: "A" + long[1:]} {
		if made, err := p.AddTenant(t.Context(), slug, ""); err != nil || made.Name != want || made.Slug != slug {
			t.Errorf("%q: %+v, %v", slug, made, err)
		}
	}
	all, err := p.Tenants(t.Context())
	if err != nil || len(all) != 4 || all[2].Slug != "contoso" || all[2].Name != "Contoso" {
		t.Errorf("all: %+v, %v", all, err)
	}
}

func TestAddUser(t *testing.T) {
	p, _, _, john := contoso(t)
	if _, err := p.AddTenant(t.Context(), "fabrikam", ""); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, email, tenant, password, field string }{
		{"no address", "", "contoso", password, "email"},
		{"not an address", "joan", "contoso", password, "email"},
		{"a name without one", "Joan <joan>", "contoso", password, "email"},
		{"two addresses", "a@b.example, c@d.example", "contoso", password, "email"},
		{"too long", strings.Repeat("a", 250) + "@b.example", "contoso", password, "email"},
		{"unknown tenant", "joan@contoso.example", "acme", password, "tenant"},
		{"short password", "joan@contoso.example", "contoso", "short", "password"},
		{"a member already", email, "contoso", "", "email"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := p.AddUser(t.Context(), tt.email, tt.tenant, tt.password); !fieldError(err, tt.field) {
				t.Errorf("got %v", err)
			}
		})
	}
	again, err := p.AddUser(t.Context(), "JOHN@contoso.example", "fabrikam", "")
	if err != nil || again != john {
		t.Fatalf("a second tenant: %+v, %v", again, err)
	}
	mustLogin(t, p, home)
	users, err := p.Users(t.Context())
	if err != nil || len(users) != 1 || strings.Join(users[0].Tenants, " ") != "contoso fabrikam" {
		t.Errorf("users: %+v, %v", users, err)
	}
	mine, err := p.TenantsOf(t.Context(), john.ID)
	if err != nil || len(mine) != 2 {
		t.Errorf("tenants of John: %+v, %v", mine, err)
	}
}

func TestMember(t *testing.T) {
	p, d, _, john := contoso(t)
	other, err := p.AddTenant(t.Context(), "fabrikam", "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Member(t.Context(), john.ID, other.ID); !errors.Is(err, db.ErrNotFound) {
		t.Errorf("another's tenant: %v", err)
	}
	own, err := d.TenantBySlug(t.Context(), "contoso")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := p.Member(t.Context(), john.ID, own.ID); err != nil || got != own {
		t.Errorf("the own tenant: %+v, %v", got, err)
	}
	if err := d.RemoveMember(t.Context(), john.ID, own.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Member(t.Context(), john.ID, own.ID); !errors.Is(err, db.ErrNotFound) {
		t.Errorf("after the membership: %v", err)
	}
}

var form = SetupForm{TenantName: " Contoso ", TenantSlug: "contoso", Email: "John@contoso.example", Password: password}

func TestSetup(t *testing.T) {
	c := newClock()
	d := dbtest.Open(t, dbtest.Path(t))
	p := people(d, c)
	setup := func(token string, f SetupForm) error {
		_, _, err := p.Setup(t.Context(), token, f)
		return err
	}
	first, err := p.SetupLink(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	token, err := p.SetupLink(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string]string{"none": "", "made up": NewToken(), "replaced": first} {
		if err := p.CheckSetup(t.Context(), bad); err != ErrSetupLink {
			t.Errorf("%s: check: %v", name, err)
		}
		if err := setup(bad, form); err != ErrSetupLink {
			t.Errorf("%s: %v", name, err)
		}
	}
	var wrong FieldErrors
	if err := setup(token, SetupForm{}); !errors.As(err, &wrong) || len(wrong) != 4 {
		t.Errorf("an empty form: %v", err)
	}
	c.add(24 * time.Hour)
	if err := p.CheckSetup(t.Context(), token); err != ErrSetupLink {
		t.Errorf("expired: check: %v", err)
	}
	if err := setup(token, form); err != ErrSetupLink {
		t.Errorf("expired: %v", err)
	}
	c.add(-time.Millisecond)
	if err := p.CheckSetup(t.Context(), token); err != nil {
		t.Errorf("check: %v", err)
	}
	user, tenant, err := p.Setup(t.Context(), token, form)
	if err != nil || user.Email != email || tenant.Name != "Contoso" {
		t.Fatalf("set up %+v, %+v, %v", user, tenant, err)
	}
	if got, err := p.Member(t.Context(), user.ID, tenant.ID); err != nil || got != tenant {
		t.Errorf("membership: %+v, %v", got, err)
	}
	if n, err := d.NewsletterBySlug(t.Context(), "contoso-weekly"); err != nil || n.TenantID != tenant.ID || n.Name != "Contoso Weekly" ||
		n.Consent != "I want to receive Contoso Weekly by e-mail. I can unsubscribe at any time." {
		t.Errorf("newsletter: %+v, %v", n, err)
	}
	if err := setup(token, form); err != ErrSetupLink {
		t.Errorf("used: %v", err)
	}
	if _, err := p.SetupLink(t.Context()); err != ErrSetUp {
		t.Errorf("a link when there is a user: %v", err)
	}
	mustLogin(t, p, home)
}

// A link that is still there when a user was added otherwise does not work.
func TestSetupAfterAddUser(t *testing.T) {
	p := people(dbtest.Open(t, dbtest.Path(t)), newClock())
	token, err := p.SetupLink(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.AddTenant(t.Context(), "acme", ""); err != nil {
		t.Fatal(err)
	}
	f := form
	f.TenantSlug = "acme"
	if _, _, err := p.Setup(t.Context(), token, f); !fieldError(err, "slug") {
		t.Errorf("a slug that is taken: %v", err)
	}
	if err := p.CheckSetup(t.Context(), token); err != nil {
		t.Errorf("a refused form must not use up the link: %v", err)
	}
	if _, err := p.AddUser(t.Context(), email, "acme", password); err != nil {
		t.Fatal(err)
	}
	if _, _, err := p.Setup(t.Context(), token, form); err != ErrSetupLink {
		t.Errorf("got %v", err)
	}
}

func TestSetupRace(t *testing.T) {
	path, c := dbtest.Path(t), newClock()
	both := []*People{people(dbtest.Open(t, path), c), people(dbtest.Open(t, path), c)}
	token, err := both[0].SetupLink(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var won, refused atomic.Int64
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			f := form
			f.TenantSlug = string(rune('a'+i)) + "-tenant"
			f.Email = string(rune('a'+i)) + "@contoso.example"
			switch _, _, err := both[i%2].Setup(t.Context(), token, f); err {
			case nil:
				won.Add(1)
			case ErrSetupLink:
				refused.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	all.Wait()
	users, err := both[0].Users(t.Context())
	tenants, err2 := both[0].Tenants(t.Context())
	if won.Load() != 1 || refused.Load() != 7 || len(users) != 1 || len(tenants) != 1 || err != nil || err2 != nil {
		t.Errorf("%d won, %d refused; %d users, %d tenants", won.Load(), refused.Load(), len(users), len(tenants))
	}
}

func TestTokens(t *testing.T) {
	a, b := NewToken(), NewToken()
	for _, tt := range []struct {
		a, b string
		want bool
	}{{a, a, true}, {a, b, false}, {"", "", false}, {a, "", false}, {"", a, false}, {a, a[:20], false}} {
		if got := EqualTokens(tt.a, tt.b); got != tt.want {
			t.Errorf("%q, %q: %v", tt.a, tt.b, got)
		}
	}
	if len(a) != 43 {
		t.Errorf("%q does not have 32 bytes", a)
	}
}

var errStore = errors.New("the disk is gone")

// failing fails at the nth question.
type failing struct {
	Store
	left int
}

func (f *failing) fail() error {
	f.left--
	if f.left < 0 {
		return errStore
	}
	return nil
}

func (f *failing) User(ctx context.Context, id string) (db.User, error) {
	if err := f.fail(); err != nil {
		return db.User{}, err
	}
	return f.Store.User(ctx, id)
}

func (f *failing) UserByEmail(ctx context.Context, email string) (db.User, error) {
	if err := f.fail(); err != nil {
		return db.User{}, err
	}
	return f.Store.UserByEmail(ctx, email)
}

func (f *failing) ThrottledUntil(ctx context.Context, now time.Time, limits []db.Limit) (time.Time, error) {
	if err := f.fail(); err != nil {
		return time.Time{}, err
	}
	return f.Store.ThrottledUntil(ctx, now, limits)
}

func (f *failing) CountFailure(ctx context.Context, now, expires time.Time, limits []db.Limit) (time.Time, error) {
	if err := f.fail(); err != nil {
		return time.Time{}, err
	}
	return f.Store.CountFailure(ctx, now, expires, limits)
}

func (f *failing) ForgiveFailure(ctx context.Context, counted time.Time, limits []db.Limit) error {
	if err := f.fail(); err != nil {
		return err
	}
	return f.Store.ForgiveFailure(ctx, counted, limits)
}

func (f *failing) ForgetFailures(ctx context.Context, limits []db.Limit) error {
	if err := f.fail(); err != nil {
		return err
	}
	return f.Store.ForgetFailures(ctx, limits)
}

func (f *failing) DeviceMisses(ctx context.Context, userID, hash string, now time.Time) (int64, error) {
	if err := f.fail(); err != nil {
		return 0, err
	}
	return f.Store.DeviceMisses(ctx, userID, hash, now)
}

func (f *failing) CountDeviceMiss(ctx context.Context, userID, hash string, most int64, now time.Time) (bool, error) {
	if err := f.fail(); err != nil {
		return false, err
	}
	return f.Store.CountDeviceMiss(ctx, userID, hash, most, now)
}

func (f *failing) TrustDevice(ctx context.Context, u db.User, hash, fresh string, now, expires time.Time) (string, error) {
	if err := f.fail(); err != nil {
		return "", err
	}
	return f.Store.TrustDevice(ctx, u, hash, fresh, now, expires)
}

func (f *failing) RehashPassword(ctx context.Context, userID, old, hash string) error {
	if err := f.fail(); err != nil {
		return err
	}
	return f.Store.RehashPassword(ctx, userID, old, hash)
}

func (f *failing) ChangePassword(ctx context.Context, userID, old, hash string, now time.Time, tell bool) (db.User, error) {
	if err := f.fail(); err != nil {
		return db.User{}, err
	}
	return f.Store.ChangePassword(ctx, userID, old, hash, now, tell)
}

func (f *failing) TenantBySlug(ctx context.Context, slug string) (db.Tenant, error) {
	if err := f.fail(); err != nil {
		return db.Tenant{}, err
	}
	return f.Store.TenantBySlug(ctx, slug)
}

func (f *failing) CreateTenant(ctx context.Context, t db.Tenant, n db.FirstNewsletter) error {
	if err := f.fail(); err != nil {
		return err
	}
	return f.Store.CreateTenant(ctx, t, n)
}

func (f *failing) CreateUser(ctx context.Context, u db.User, tenantID string) error {
	if err := f.fail(); err != nil {
		return err
	}
	return f.Store.CreateUser(ctx, u, tenantID)
}

func (f *failing) OfferSetup(ctx context.Context, hash string, expires time.Time) error {
	return f.fail()
}

func (f *failing) SetupOffered(ctx context.Context, hash string, now time.Time) error {
	return f.fail()
}

func (f *failing) Setup(ctx context.Context, hash string, t db.Tenant, n db.FirstNewsletter, u db.User) error {
	return f.fail()
}

// Wherever the store fails, its error comes through: it is no wrong password,
// no broken link, and nobody is let in.
func TestStoreFails(t *testing.T) {
	for _, tt := range []struct {
		name  string
		steps int
		call  func(*People, db.User) error
	}{
		{"login", 6, func(p *People, _ db.User) error {
			p.hasher.params = weak(128) // so that it hashes anew
			u, err := login(t, p, email, password, home)
			if err != nil && u.ID != "" {
				t.Error("a user beside an error")
			}
			return err
		}},
		{"login in a known browser", 4, func(p *People, u db.User) error {
			well := people(p.store.(*failing).Store, newClock())
			device, err := well.TrustDevice(t.Context(), u, "")
			if err != nil {
				t.Fatal(err)
			}
			_, _, err = p.Login(t.Context(), email, password, Client{IP: home, Device: device})
			return err
		}},
		{"change password", 5, func(p *People, u db.User) error {
			_, err := p.ChangePassword(t.Context(), u.ID, password, "a gate of new ash")
			return err
		}},
		{"set password", 3, func(p *People, _ db.User) error {
			return p.SetPassword(t.Context(), email, "a gate of new ash")
		}},
		{"add user", 3, func(p *People, _ db.User) error {
			_, err := p.AddUser(t.Context(), "joan@contoso.example", "contoso", password)
			return err
		}},
		{"add tenant", 1, func(p *People, _ db.User) error {
			_, err := p.AddTenant(t.Context(), "fabrikam", "")
			return err
		}},
		{"set-up link", 1, func(p *People, _ db.User) error {
			_, err := p.SetupLink(t.Context())
			return err
		}},
		{"set up", 2, func(p *People, _ db.User) error {
			_, _, err := p.Setup(t.Context(), NewToken(), form)
			return err
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, d, c, john := contoso(t)
			for n := range tt.steps {
				if err := tt.call(people(&failing{Store: d, left: n}, c), john); !errors.Is(err, errStore) {
					t.Errorf("failure %d: %v", n, err)
				}
			}
			if err := tt.call(people(&failing{Store: d, left: tt.steps}, c), john); err != nil {
				t.Errorf("without a failure: %v", err)
			}
		})
	}
}

// grep reports whether the database holds the text.
func grep(t *testing.T, path, text string) bool {
	t.Helper()
	return strings.Contains(dbtest.Contents(t, path), text)
}
