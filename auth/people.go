package auth

import (
	"context"
	"errors"
	"fmt"
	"net/mail"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"gatepost/db"
	"gatepost/input"
)

const (
	emailMaxBytes = 254
	nameMaxChars  = 80
	setupFor      = 24 * time.Hour
)

var (
	slugs = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,61}[a-z0-9]$`)
	ids   = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
)

// Login returns the user with the given address and password, and what the device
// cookie of their browser holds from now on. It gives a *RefusedError: with
// ErrCredentials, after the same work, for an unknown address and a wrong password,
// with a *ThrottledError when there were too many of these, and with ErrBusy when
// too many others are being looked at.
func (p *People) Login(ctx context.Context, typed, password string, from Client) (user db.User, device string, err error) {
	email := fold(typed)
	user, err = p.UserByEmail(ctx, typed)
	if errors.Is(err, db.ErrNotFound) {
		user = db.User{PasswordHash: dummyHash}
	} else if err != nil {
		return db.User{}, "", err
	}
	outdated, err := p.guess(ctx, user, email, password, from)
	if err != nil {
		return db.User{}, "", refused(user.ID, err)
	}
	if outdated {
		if user, err = p.rehash(ctx, user, password); err != nil {
			return db.User{}, "", refused(user.ID, err)
		}
	}
	device, err = p.TrustDevice(ctx, user, from.Device)
	if err != nil {
		return db.User{}, "", refused(user.ID, err)
	}
	return user, device, nil
}

// refused says whose log-in was refused; what failed otherwise stays as it is.
func refused(userID string, err error) error {
	var throttled *ThrottledError
	if errors.Is(err, ErrCredentials) || errors.Is(err, ErrBusy) || errors.As(err, &throttled) {
		return &RefusedError{UserID: userID, Err: err}
	}
	return err
}

// guess looks at a password. A guess counts before that, but not before there is
// room to hash it: of those that are refused unseen, none keeps anybody out.
func (p *People) guess(ctx context.Context, user db.User, email, password string, from Client) (outdated bool, err error) {
	known, err := p.knows(ctx, user.ID, from.Device)
	if err != nil {
		return false, err
	}
	limits := loginThrottles(email, from.IP)
	if !known {
		if err := p.throttled(ctx, limits...); err != nil {
			return false, err
		}
	}
	turn, err := p.hasher.queue(known)
	if err != nil {
		return false, err
	}
	defer turn.leave()
	if known { // the last of its misses may have been counted just now
		if known, err = p.store.CountDeviceMiss(ctx, user.ID, digest(from.Device), deviceMisses, p.now()); err != nil {
			return false, err
		}
	}
	var counted time.Time
	if !known {
		if counted, err = p.count(ctx, limits...); err != nil {
			return false, err
		}
	}
	ok, outdated, err := turn.check(ctx, password, user.PasswordHash)
	switch {
	case err != nil:
		return false, err
	case !ok || user.ID == "":
		return false, ErrCredentials
	case known:
		return outdated, nil // trusting the browser anew takes its misses back
	}
	return outdated, p.store.ForgiveFailure(ctx, counted, limits)
}

// rehash hashes the password anew, with today's parameters.
func (p *People) rehash(ctx context.Context, user db.User, password string) (db.User, error) {
	hash, err := p.hasher.hash(ctx, password)
	if err != nil {
		return db.User{}, err
	}
	if err := p.store.RehashPassword(ctx, user.ID, user.PasswordHash, hash); err != nil {
		return db.User{}, err
	}
	user.PasswordHash = hash
	return user, nil
}

// ChangePassword replaces the user's own password, ends all their sessions and
// makes them unknown in all browsers: sign the one at hand in again, and trust its
// browser, with the user that comes back. It gives FieldErrors (current, password)
// and, after too many guesses, a *ThrottledError.
func (p *People) ChangePassword(ctx context.Context, userID, current, password string) (db.User, error) {
	user, err := p.store.User(ctx, userID)
	if err != nil {
		return db.User{}, err
	}
	if err := p.checkNewPassword(ctx, user, password); err != nil {
		return db.User{}, err
	}
	if err := p.confirm(ctx, user, current); err != nil {
		return db.User{}, err
	}
	user, err = p.replacePassword(ctx, user, user.PasswordHash, password, p.mails)
	if errors.Is(err, db.ErrLost) {
		return db.User{}, FieldErrors{"current": "Your password was changed somewhere else just now."}
	}
	return user, err
}

// confirm checks the current password of somebody who is signed in.
func (p *People) confirm(ctx context.Context, user db.User, current string) error {
	turn, err := p.hasher.queue(true)
	if err != nil {
		return err
	}
	defer turn.leave()
	limit := confirmThrottle(user.ID)
	counted, err := p.take(ctx, limit)
	if err != nil {
		return err
	}
	ok, _, err := turn.check(ctx, current, user.PasswordHash)
	if err != nil {
		return err
	}
	if !ok {
		return FieldErrors{"current": "This is not your current password."}
	}
	return p.store.ForgiveFailure(ctx, counted, []db.Limit{limit})
}

// SetPassword gives the user a new password, ends all their sessions, makes them
// unknown in all browsers and releases the throttles on the account. An unknown
// address gives db.ErrNotFound.
func (p *People) SetPassword(ctx context.Context, email, password string) error {
	user, err := p.UserByEmail(ctx, email)
	if err != nil {
		return err
	}
	if err := p.checkNewPassword(ctx, user, password); err != nil {
		return err
	}
	if _, err := p.replacePassword(ctx, user, "", password, false); err != nil {
		return err
	}
	return p.store.ForgetFailures(ctx, []db.Limit{accountThrottle(user.Email), confirmThrottle(user.ID)})
}

func (p *People) replacePassword(ctx context.Context, user db.User, old, password string, tell bool) (db.User, error) {
	hash, err := p.hasher.hash(ctx, password)
	if err != nil {
		return db.User{}, err
	}
	return p.store.ChangePassword(ctx, user.ID, old, hash, p.now(), tell)
}

// UserByEmail returns the user with the given address, however it is cased and
// pasted, or db.ErrNotFound.
func (p *People) UserByEmail(ctx context.Context, typed string) (db.User, error) {
	email := fold(typed)
	user, err := p.store.UserByEmail(ctx, email)
	// Addresses were once stored as they were typed, but for their case.
	if before := foldCase(typed); errors.Is(err, db.ErrNotFound) && before != email {
		return p.store.UserByEmail(ctx, before)
	}
	return user, err
}

// Users returns all users with their tenants, by address.
func (p *People) Users(ctx context.Context) ([]db.UserTenants, error) { return p.store.Users(ctx) }

// Tenants returns all tenants, by slug.
func (p *People) Tenants(ctx context.Context) ([]db.Tenant, error) { return p.store.Tenants(ctx) }

// TenantsAfter returns a page of all tenants, as db.TenantsAfter says.
func (p *People) TenantsAfter(ctx context.Context, after string, limit int) ([]db.Tenant, error) {
	return p.store.TenantsAfter(ctx, after, limit)
}

// AnyTenant returns the tenant with the given slug, a closed one too, or db.ErrNotFound.
func (p *People) AnyTenant(ctx context.Context, slug string) (db.Tenant, error) {
	return p.store.AnyTenantBySlug(ctx, slug)
}

// TenantsOf returns the tenants that the user belongs to, by name.
func (p *People) TenantsOf(ctx context.Context, userID string) ([]db.Tenant, error) {
	return p.store.TenantsOf(ctx, userID)
}

// Member returns the tenant when the user belongs to it, or db.ErrNotFound.
func (p *People) Member(ctx context.Context, userID, tenantID string) (db.Tenant, error) {
	return p.store.Member(ctx, userID, tenantID)
}

// AddTenant makes a tenant, with a first newsletter. An empty name is made from
// the slug. It gives FieldErrors (slug, name), for a slug that is taken as db.ErrConflict too.
func (p *People) AddTenant(ctx context.Context, slug, name string) (db.Tenant, error) {
	t, err := p.NewTenant(slug, name)
	if err != nil {
		return db.Tenant{}, err
	}
	return t.Tenant, slugTaken(p.store.CreateTenant(ctx, t.Tenant, t.Newsletter))
}

// NewTenant is a tenant as AddTenant makes it, which is not stored.
func (p *People) NewTenant(slug, name string) (db.NewTenant, error) {
	slug = input.Word(slug)
	if input.Word(name) == "" {
		name = nameOf(slug)
	}
	wrong := FieldErrors{}
	name, text := TenantName(name)
	wrong.check("slug", CheckSlug(slug))
	wrong.check("name", text)
	if err := wrong.err(); err != nil {
		return db.NewTenant{}, err
	}
	t := p.tenant(slug, name)
	return db.NewTenant{Tenant: t, Newsletter: firstNewsletter(t)}, nil
}

// PauseTenant has the forms of the tenant with the given slug take no sign-ups, or take them again. It
// gives FieldErrors (tenant) where there is none.
func (p *People) PauseTenant(ctx context.Context, slug string, paused bool) (db.Tenant, error) {
	t, err := p.tenantBySlug(ctx, slug)
	if err != nil {
		return t, err
	}
	err = p.store.PauseTenant(ctx, t.ID, paused)
	if errors.Is(err, db.ErrNotFound) { // removed meanwhile
		return t, noTenant(slug)
	}
	return t, err
}

// mostLimit bounds what may be set of a tenant's limits: more is as good as none.
const mostLimit = 10_000_000

// SetTenantLimits sets how much the tenant with the given slug may take up; what is db.KeepLimit stays as it is. It
// gives FieldErrors (tenant, limit).
func (p *People) SetTenantLimits(ctx context.Context, slug string, l db.TenantLimits) (db.Tenant, error) {
	if max(l.MailsPerHour, l.SignUpsPerMinute) > mostLimit {
		return db.Tenant{}, FieldErrors{"limit": fmt.Sprintf("A limit is %d at most.", mostLimit)}
	}
	t, err := p.tenantBySlug(ctx, slug)
	if err != nil {
		return t, err
	}
	if err := p.store.SetTenantLimits(ctx, t.ID, l); errors.Is(err, db.ErrNotFound) { // removed meanwhile
		return t, noTenant(slug)
	} else if err != nil {
		return t, err
	}
	return p.tenantBySlug(ctx, slug)
}

// SetTenant renames the tenant with the given slug. An empty name or new slug
// leaves that as it is. It gives FieldErrors (tenant, slug, name), for a slug that is taken
// as db.ErrConflict too.
func (p *People) SetTenant(ctx context.Context, slug, newSlug, name string) (db.Tenant, error) {
	t, err := p.tenantBySlug(ctx, slug)
	if err != nil {
		return db.Tenant{}, err
	}
	wrong, change := FieldErrors{}, db.Tenant{ID: t.ID}
	if newSlug = input.Word(newSlug); newSlug != "" {
		t.Slug, change.Slug = newSlug, newSlug
		wrong.check("slug", CheckSlug(newSlug))
	}
	if name != "" {
		text := ""
		t.Name, text = TenantName(name)
		change.Name = t.Name
		wrong.check("name", text)
	}
	if err := wrong.err(); err != nil {
		return db.Tenant{}, err
	}
	err = p.store.SetTenant(ctx, change)
	if errors.Is(err, db.ErrNotFound) { // removed meanwhile
		return db.Tenant{}, noTenant(slug)
	}
	return t, slugTaken(err)
}

// ReopenTenant takes the removal of a tenant back, as long as its data is not
// being deleted. It gives FieldErrors (tenant).
func (p *People) ReopenTenant(ctx context.Context, slug string) (db.Tenant, error) {
	t, err := p.store.AnyTenantBySlug(ctx, slug)
	if errors.Is(err, db.ErrNotFound) {
		return db.Tenant{}, noTenant(slug)
	} else if err != nil {
		return db.Tenant{}, err
	}
	if t.ClosedAt.IsZero() {
		return db.Tenant{}, FieldErrors{"tenant": fmt.Sprintf("%s is not closed.", slug)}
	}
	err = p.store.ReopenTenant(ctx, t.ID)
	if errors.Is(err, db.ErrNotFound) {
		return db.Tenant{}, FieldErrors{"tenant": fmt.Sprintf("%s can't be opened again: its data is being deleted.", slug)}
	}
	return t, err
}

func (p *People) tenantBySlug(ctx context.Context, slug string) (db.Tenant, error) {
	t, err := p.store.TenantBySlug(ctx, slug)
	if errors.Is(err, db.ErrNotFound) {
		return db.Tenant{}, noTenant(slug)
	}
	return t, err
}

func noTenant(slug string) error {
	return FieldErrors{"tenant": fmt.Sprintf("There is no tenant %q.", slug)}
}

// CheckNewUser tells whether AddUser needs a password for somebody, without
// adding anybody: it does for an address that nobody has yet. It gives
// FieldErrors (email, tenant).
func (p *People) CheckNewUser(ctx context.Context, email, tenantSlug string) (needsPassword bool, err error) {
	address, text := parseEmail(email)
	if text != "" {
		return false, FieldErrors{"email": text}
	}
	tenant, err := p.tenantBySlug(ctx, tenantSlug)
	if err != nil {
		return false, err
	}
	user, err := p.store.UserByEmail(ctx, address)
	if errors.Is(err, db.ErrNotFound) {
		return true, nil
	} else if err != nil {
		return false, err
	}
	_, err = p.store.Member(ctx, user.ID, tenant.ID)
	switch {
	case errors.Is(err, db.ErrNotFound):
		return false, nil
	case err == nil:
		return false, memberAlready(user, tenant)
	}
	return false, err
}

func memberAlready(user db.User, tenant db.Tenant) error {
	return FieldErrors{"email": fmt.Sprintf("%s belongs to %s already.", user.Email, tenant.Slug)}
}

// RemoveUser removes the user with the given address from everywhere. An unknown
// address gives db.ErrNotFound.
func (p *People) RemoveUser(ctx context.Context, email string) (db.UserGone, error) {
	user, err := p.UserByEmail(ctx, email)
	if err != nil {
		return db.UserGone{}, err
	}
	return p.store.DeleteUser(ctx, user.ID)
}

// RemoveMember ends the user's membership in the tenant with the given slug. It
// gives FieldErrors (email, tenant).
func (p *People) RemoveMember(ctx context.Context, email, tenantSlug string) error {
	tenant, err := p.tenantBySlug(ctx, tenantSlug)
	if err != nil {
		return err
	}
	user, err := p.UserByEmail(ctx, email)
	if err == nil {
		err = p.store.RemoveMember(ctx, user.ID, tenant.ID)
	}
	if errors.Is(err, db.ErrNotFound) {
		return FieldErrors{"email": fmt.Sprintf("%s doesn't belong to %s.", fold(email), tenant.Slug)}
	}
	return err
}

// AddUser makes a user who belongs to the tenant with the given slug. Somebody
// who is there already becomes a member of that tenant too, and keeps their
// password. It gives FieldErrors (email, password, tenant).
func (p *People) AddUser(ctx context.Context, email, tenantSlug, password string) (db.User, error) {
	address, text := parseEmail(email)
	if text != "" {
		return db.User{}, FieldErrors{"email": text}
	}
	tenant, err := p.tenantBySlug(ctx, tenantSlug)
	if err != nil {
		return db.User{}, err
	}
	user, err := p.UserByEmail(ctx, email)
	switch {
	case err == nil:
		return user, p.addMember(ctx, user, tenant)
	case !errors.Is(err, db.ErrNotFound):
		return db.User{}, err
	}
	return p.addUser(ctx, address, password, tenant)
}

func (p *People) addMember(ctx context.Context, user db.User, tenant db.Tenant) error {
	err := p.store.AddMember(ctx, user.ID, tenant.ID, p.now())
	if errors.Is(err, db.ErrConflict) {
		return memberAlready(user, tenant)
	}
	return err
}

func (p *People) addUser(ctx context.Context, email, password string, tenant db.Tenant) (db.User, error) {
	if text := checkPassword(password, email, tenant.Slug, tenant.Name); text != "" {
		return db.User{}, FieldErrors{"password": text}
	}
	user, err := p.user(ctx, email, password)
	if err != nil {
		return db.User{}, err
	}
	err = p.store.CreateUser(ctx, user, tenant.ID)
	if errors.Is(err, db.ErrConflict) {
		return db.User{}, FieldErrors{"email": "Somebody with this address was added just now."}
	}
	return user, err
}

// SetupLink returns the token of a new link with which the first tenant and
// user are made. It works for a day, and takes the place of earlier ones. When
// there is a user already it gives ErrSetUp.
func (p *People) SetupLink(ctx context.Context) (token string, err error) {
	token = NewToken()
	err = p.store.OfferSetup(ctx, digest(token), p.now().Add(setupFor))
	if errors.Is(err, db.ErrConflict) {
		return "", ErrSetUp
	} else if err != nil {
		return "", err
	}
	return token, nil
}

// CheckSetup gives ErrSetupLink when the token does not work, or not any more.
func (p *People) CheckSetup(ctx context.Context, token string) error {
	return brokenLink(p.store.SetupOffered(ctx, digest(token), p.now()))
}

// SetupForm is what the first user says.
type SetupForm struct {
	TenantName string
	TenantSlug string
	Email      string
	Password   string
}

// Setup makes the first tenant and user, once. It gives FieldErrors (name, slug,
// email, password), and ErrSetupLink when the token does not work.
func (p *People) Setup(ctx context.Context, token string, form SetupForm) (db.User, db.Tenant, error) {
	if err := p.CheckSetup(ctx, token); err != nil {
		return db.User{}, db.Tenant{}, err
	}
	form, err := form.check()
	if err != nil {
		return db.User{}, db.Tenant{}, err
	}
	tenant := p.tenant(form.TenantSlug, form.TenantName)
	user, err := p.user(ctx, form.Email, form.Password)
	if err != nil {
		return db.User{}, db.Tenant{}, err
	}
	err = p.store.Setup(ctx, digest(token), tenant, firstNewsletter(tenant), user)
	if err := brokenLink(slugTaken(err)); err != nil {
		return db.User{}, db.Tenant{}, err
	}
	return user, tenant, nil
}

// check returns the form in its stored shape, or what is wrong with it.
func (f SetupForm) check() (SetupForm, error) {
	wrong := FieldErrors{}
	f.TenantSlug = input.Word(f.TenantSlug)
	email, text := parseEmail(f.Email)
	f.Email = email
	wrong.check("email", text)
	f.TenantName, text = TenantName(f.TenantName)
	wrong.check("name", text)
	wrong.check("slug", CheckSlug(f.TenantSlug))
	wrong.check("password", checkPassword(f.Password, email, f.TenantSlug, f.TenantName))
	return f, wrong.err()
}

func (p *People) tenant(slug, name string) db.Tenant {
	return db.Tenant{ID: db.NewID(), Slug: slug, Name: name, CreatedAt: p.stamp()}
}

func (p *People) user(ctx context.Context, email, password string) (db.User, error) {
	hash, err := p.hasher.hash(ctx, password)
	if err != nil {
		return db.User{}, err
	}
	now := p.stamp()
	return db.User{ID: db.NewID(), Email: email, PasswordHash: hash, CreatedAt: now, PasswordChangedAt: now}, nil
}

// stamp is the time as it is stored, so that what is made equals what is read.
func (p *People) stamp() time.Time { return time.UnixMilli(p.now().UnixMilli()) }

func firstNewsletter(t db.Tenant) db.FirstNewsletter {
	name := t.Name + " Weekly"
	return db.FirstNewsletter{
		Slug:    t.Slug + "-weekly",
		Name:    name,
		Consent: "I want to receive " + name + " by e-mail. I can unsubscribe at any time.",
	}
}

// takenError is FieldErrors of what somebody else has already.
type takenError struct{ FieldErrors }

// Unwrap returns the sentences.
func (e takenError) Unwrap() error { return e.FieldErrors }

// Is says that it is a db.ErrConflict.
func (e takenError) Is(target error) bool { return target == db.ErrConflict }

func slugTaken(err error) error {
	if errors.Is(err, db.ErrConflict) {
		return takenError{FieldErrors{"slug": "This URL name is taken."}}
	}
	return err
}

func brokenLink(err error) error {
	if errors.Is(err, db.ErrNotFound) {
		return ErrSetupLink
	}
	return err
}

// fold is an address as it is stored and looked up, however it is pasted. What is
// none stays what it is.
func fold(typed string) string {
	if email, err := input.Address(typed); err == nil {
		return strings.ToLower(email)
	}
	return foldCase(typed)
}

func foldCase(email string) string { return strings.ToLower(strings.TrimSpace(email)) }

// parseEmail returns the address as it is stored, or what is wrong with it.
func parseEmail(typed string) (address, wrong string) {
	email, err := input.Address(typed)
	if err != nil {
		return "", "This does not look like an e-mail address: " + err.Error()
	}
	email = strings.ToLower(email)
	a, err := mail.ParseAddress(email)
	switch {
	case email == "":
		return "", "An e-mail address is needed."
	case err != nil || a.Name != "" || a.Address != email:
		return "", "This does not look like an e-mail address."
	case len(email) > emailMaxBytes:
		return "", fmt.Sprintf("This e-mail address is too long: at most %d bytes.", emailMaxBytes)
	}
	return email, ""
}

// CheckSlug says in a sentence what is wrong with the slug of a tenant, if something is.
func CheckSlug(slug string) string {
	if ids.MatchString(slug) {
		return "A URL name can't look like an id of ours: where a tenant is named by either, it would mean another one."
	}
	if slugs.MatchString(slug) {
		return ""
	}
	return "A URL name has 2 to 63 lower-case letters, digits and hyphens, with no hyphen at its ends."
}

// TenantName returns the name of a tenant as it is stored, or what is wrong with it.
func TenantName(typed string) (name, wrong string) {
	name, err := input.Line(typed)
	switch {
	case err != nil:
		return "", "Please check the name: " + err.Error()
	case name == "":
		return "", "A name is needed."
	case utf8.RuneCountInString(name) > nameMaxChars:
		return "", fmt.Sprintf("This name is too long: at most %d characters.", nameMaxChars)
	}
	return name, ""
}

// nameOf makes a name from a slug: contoso-labs is Contoso Labs.
func nameOf(slug string) string {
	words := strings.FieldsFunc(slug, func(r rune) bool { return r == '-' })
	for i, w := range words {
		words[i] = strings.ToUpper(w[:1]) + w[1:]
	}
	return strings.Join(words, " ")
}
