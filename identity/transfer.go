package identity

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"gatepost/identity/stored"
	"gatepost/seal"
)

// Bundle is identities with their credentials, on their way to another
// installation. It is JSON, as docs/operating.md tells; nothing in it is sealed.
type Bundle struct {
	Format     string         `json:"format"`
	Version    int            `json:"version"`
	ExportedAt time.Time      `json:"exported_at"`
	Tenants    []BundleTenant `json:"tenants"`
	Identities []Movable      `json:"identities"`
}

// BundleTenant is a tenant whose identities are in a bundle.
type BundleTenant struct {
	Slug string `json:"slug"`
	Name string `json:"name"`
}

// Movable is an identity without what is this installation's alone.
type Movable struct {
	Service      string          `json:"service"`
	Tenant       string          `json:"tenant"` // slug
	User         string          `json:"user"`
	Account      string          `json:"account"`
	Tags         []string        `json:"tags"`
	OrgID        string          `json:"org_id"`
	OrgName      string          `json:"org_name"`
	Sandbox      bool            `json:"sandbox"`
	RemoteUserID string          `json:"remote_user_id"`
	InstanceURL  string          `json:"instance_url"`
	LoginURL     string          `json:"login_url"`
	Scopes       []string        `json:"scopes"`
	Native       json.RawMessage `json:"native"`
	ClientID     string          `json:"client_id,omitempty"` // of the app that was used; empty for one of an earlier release
	OwnApp       bool            `json:"own_app"`             // the tenant's own app was used
	ConnectedBy  string          `json:"connected_by"`        // address of the portal's user, empty when the application authorized it
	ConnectedAt  time.Time       `json:"connected_at"`
	RefreshedAt  time.Time       `json:"refreshed_at"`
	ExpiresAt    *time.Time      `json:"expires_at,omitempty"` // of the access token, where that is known
	BrokenAt     *time.Time      `json:"broken_at,omitempty"`
	BrokenCode   string          `json:"broken_code,omitempty"`
	AccessToken  string          `json:"access_token"`
	RefreshToken string          `json:"refresh_token"` // empty where the service gave none
}

// What a bundle says of itself.
const (
	bundleFormat  = "gatepost identities"
	bundleVersion = 1
)

// exportPage is how many identities are read at once.
const exportPage = 500

// BusyError says that identities are in the middle of a renewal, so that nobody
// knows which of their tokens is good.
type BusyError struct{ IDs []string }

// Error says how many.
func (e *BusyError) Error() string {
	return fmt.Sprintf("%d identities are in the middle of a renewal", len(e.IDs))
}

// Export returns the selected identities, all when the selector is empty, with
// their credentials; unreadable are the ids of those that can't be opened. The
// service may end the grant of an identity that is renewed in two places: stop
// using them here before they are used elsewhere. Errors: ErrNotConnected when
// there are none, *BusyError after waiting for a while, or a failure of the store.
func (v *Vault) Export(ctx context.Context, sel Selector) (b Bundle, unreadable []string, err error) {
	b = Bundle{Format: bundleFormat, Version: bundleVersion, ExportedAt: v.Now().UTC(), Tenants: []BundleTenant{}, Identities: []Movable{}}
	var busy BusyError
	until := time.Now().Add(2 * v.Timeout) // by then a renewal that is alive is over
	for page := (Page{}); ; {
		if page, err = v.List(ctx, sel, page.Next, exportPage); err != nil {
			return b, nil, err
		}
		for _, i := range page.Identities {
			m, err := v.movable(ctx, i, until)
			switch {
			case errors.Is(err, ErrNotConnected): // deleted meanwhile
			case errors.Is(err, seal.ErrSealed):
				unreadable = append(unreadable, i.ID)
			case errors.Is(err, errBusy):
				busy.IDs = append(busy.IDs, i.ID)
			case err != nil:
				return b, nil, err
			default:
				b.Identities = append(b.Identities, m)
			}
		}
		if page.Next == "" {
			break
		}
	}
	switch {
	case len(busy.IDs) > 0:
		return b, nil, &busy
	case len(b.Identities)+len(unreadable) == 0:
		return b, nil, ErrNotConnected
	}
	return b, unreadable, v.nameTenants(ctx, &b)
}

// nameTenants adds the tenants of the identities in b.
func (v *Vault) nameTenants(ctx context.Context, b *Bundle) error {
	for _, slug := range b.slugs() {
		t, err := v.optional.TenantBySlug(ctx, slug)
		if err != nil {
			return err
		}
		b.Tenants = append(b.Tenants, BundleTenant{Slug: t.Slug, Name: t.Name})
	}
	return nil
}

// slugs are the tenants that the identities name, each once.
func (b Bundle) slugs() []string {
	var slugs []string
	for _, m := range b.Identities {
		slugs = append(slugs, m.Tenant)
	}
	slices.Sort(slugs)
	return slices.Compact(slugs)
}

var errBusy = errors.New("a renewal is under way")

// movable opens an identity's tokens, both of one generation. It waits, until a
// time, while a renewal is under way.
func (v *Vault) movable(ctx context.Context, i NamedIdentity, until time.Time) (Movable, error) {
	for {
		m, err := v.opened(ctx, i)
		switch {
		case errors.Is(err, errBusy) && time.Now().Before(until):
			if err := pause(ctx, v.Poll); err != nil {
				return m, err
			}
		case !errors.Is(err, stored.ErrLost):
			return m, err
		}
		if i.Identity, err = v.byID(ctx, i.ID); err != nil {
			return m, err
		}
	}
}

func (v *Vault) opened(ctx context.Context, i NamedIdentity) (Movable, error) {
	if !i.CallStartedAt.IsZero() && (i.BrokenAt.IsZero() || v.Now().Before(i.LeaseUntil)) {
		return Movable{}, errBusy // else its app was removed, and nobody finds out what came of the call
	}
	access, err := v.openNow(ctx, i.Identity, v.openAccess)
	if err != nil {
		return Movable{}, err
	}
	refresh, err := v.openNow(ctx, i.Identity, v.openRefresh)
	if err != nil {
		return Movable{}, err
	}
	if _, none := accessOnly(refresh); none {
		refresh = ""
	}
	expires := i.ExpiresAt
	if i.Stale {
		expires = i.RefreshedAt // it was refused: it is over, whatever was said before
	}
	return Movable{
		Service: i.Service, Tenant: i.Tenant, User: i.User, Account: i.Account, Tags: append([]string{}, i.Tags...),
		OrgID: i.OrgID, OrgName: i.OrgName, Sandbox: i.Sandbox, RemoteUserID: i.RemoteUserID, InstanceURL: i.InstanceURL, LoginURL: i.LoginURL,
		Scopes: append([]string{}, strings.Fields(i.Scopes)...), Native: json.RawMessage(i.Native), ClientID: i.ClientID, OwnApp: i.OwnApp,
		ConnectedBy: i.ConnectedEmail, ConnectedAt: i.ConnectedAt.UTC(), RefreshedAt: i.RefreshedAt.UTC(), ExpiresAt: optional(expires),
		BrokenAt: optional(i.BrokenAt), BrokenCode: i.BrokenCode, AccessToken: access, RefreshToken: refresh,
	}, nil
}

// ImportOptions say how a bundle is to be taken in.
type ImportOptions struct {
	Replace bool // an identity that is here already; else it is left alone
	DryRun  bool // change nothing
	// ShareOrgs says that tenants may be connected to orgs that others have here: it is
	// remembered as confirmed by the operator.
	ShareOrgs bool
	// NewTenant makes a tenant that is missing; nil to refuse the bundle then.
	NewTenant func(slug, name string) (NewTenant, error)
}

// Imported says what became of a bundle.
type Imported struct {
	New      int      `json:"new"`
	Replaced int      `json:"replaced"`
	Kept     int      `json:"kept"`    // were here already, and were left alone
	Newer    int      `json:"newer"`   // are here with a token that came later than the bundle's: left alone in any case
	Pending  int      `json:"pending"` // replaced, and yet to be revoked: a job goes on with them
	Tenants  []string `json:"tenants"` // made, by slug
}

// BundleError says that a bundle can't be taken in here.
type BundleError struct {
	Problem string   // in plain words
	Names   []string // of what it is about: slugs, services, addresses
}

// Error says what is wrong.
func (e *BundleError) Error() string { return e.Problem + ": " + strings.Join(e.Names, ", ") }

// The problems of a BundleError that have to do with this installation.
const (
	ProblemTenants  = "these tenants don't exist here"
	ProblemServices = "these services don't exist here"
	ProblemHosts    = "these addresses are none of their service's here"
	ProblemApps     = "these tenants have no app of their own here, with which it was authorized"
	ProblemOrgs     = "these tenants would be connected to an organisation that another tenant has here"
)

// Import takes a bundle in: all of it or nothing. What it replaces is revoked,
// unless that is the same authorization. Errors: *VersionError, *BundleError,
// *BusyError when that one is in the middle of a renewal, ErrChanged, or a failure
// of the store.
func (v *Vault) Import(ctx context.Context, b Bundle, o ImportOptions) (Imported, error) {
	done := Imported{Tenants: []string{}}
	if err := b.check(v.Now()); err != nil {
		return done, err
	}
	tenants, made, err := v.bundleTenants(ctx, b, o.NewTenant)
	if err != nil {
		return done, err
	}
	if err := v.checkPlaces(ctx, b, tenants); err != nil {
		return done, err
	}
	for _, t := range made {
		done.Tenants = append(done.Tenants, t.Slug)
	}
	var arrivals []arrival
	for _, m := range b.Identities {
		a, err := v.arrive(ctx, m, tenants[m.Tenant], o.Replace, &done)
		if err != nil {
			return done, err
		}
		if a.ID != "" {
			arrivals = append(arrivals, a)
		}
	}
	if err := v.checkOrgs(ctx, arrivals, o.ShareOrgs); err != nil {
		return done, err
	}
	if o.DryRun {
		return done, nil
	}
	revocations, err := v.storeArrivals(ctx, made, arrivals)
	if errors.Is(err, stored.ErrLost) || errors.Is(err, stored.ErrConflict) || errors.Is(err, ErrOrgInUse) {
		return done, ErrChanged
	}
	if err != nil {
		return done, err
	}
	done.Pending = v.revokeAll(ctx, revocations, func(int, Ending) {})
	return done, nil
}

// arrival is an identity that is to be stored, with its tokens.
type arrival struct {
	Arrival
	tokens
	tenant      string // slug
	connectedTo string // id of the org that its tenant is connected to already
}

// checkOrgs returns an error when tenants would be connected to orgs that others have
// here, unless they may share them. Nobody is asked as in the portal: what is held for
// want of an answer would be revoked, and may still be used where it comes from.
// Tenants that come together share what they shared there.
func (v *Vault) checkOrgs(ctx context.Context, arrivals []arrival, share bool) error {
	type org struct{ service, id string }
	arrived := map[org]bool{}
	var taken []string
	for n, a := range arrivals {
		if !a.Own() || a.OrgID == "" {
			continue
		}
		o := org{a.Service, a.OrgID}
		if share || arrived[o] {
			arrivals[n].OrgConfirmedBy = stored.ByOperator
		}
		arrived[o] = true
		if share || a.OrgID == a.connectedTo {
			continue
		}
		needs, err := v.optional.OrgNeedsConfirmation(ctx, a.Service, a.OrgID, a.TenantID)
		if err != nil {
			return err
		}
		if needs {
			taken = append(taken, a.tenant+" ("+a.Service+")")
		}
	}
	if len(taken) == 0 {
		return nil
	}
	slices.Sort(taken)
	return &BundleError{Problem: ProblemOrgs, Names: slices.Compact(taken)}
}

// storeArrivals seals the arrivals with the key of this installation and stores
// them in one transaction.
func (v *Vault) storeArrivals(ctx context.Context, tenants []NewTenant, arrivals []arrival) (revocations []string, err error) {
	err = v.Keys.WithKey(ctx, func(k seal.Key) error {
		rows := make([]Arrival, len(arrivals))
		for n, a := range arrivals {
			if a.Grant, err = sealGrant(k, a.Grant, a.tokens); err != nil {
				return err
			}
			rows[n] = a.Arrival
		}
		revocations, err = v.optional.ImportIdentities(ctx, tenants, rows)
		return err
	})
	return revocations, err
}

// bundleTenants returns the ids of a bundle's tenants by their slugs, and those
// that are to be made.
func (v *Vault) bundleTenants(ctx context.Context, b Bundle, newTenant func(slug, name string) (NewTenant, error)) (ids map[string]string, made []NewTenant, err error) {
	ids, names := map[string]string{}, map[string]string{}
	for _, t := range b.Tenants {
		names[t.Slug] = t.Name
	}
	var missing []string
	for _, slug := range b.slugs() {
		t, err := v.optional.TenantBySlug(ctx, slug)
		switch {
		case err == nil:
			ids[slug] = t.ID
		case !errors.Is(err, stored.ErrNotFound):
			return nil, nil, err
		case newTenant == nil:
			missing = append(missing, slug)
		default:
			t, err := newTenant(slug, names[slug])
			if err != nil {
				return nil, nil, &BundleError{Problem: "a tenant can't be made, " + err.Error(), Names: []string{slug}}
			}
			ids[slug], made = t.ID, append(made, t)
		}
	}
	if len(missing) > 0 {
		return nil, nil, &BundleError{Problem: ProblemTenants, Names: missing}
	}
	return ids, made, nil
}

// arrive decides what becomes of an identity of a bundle, and counts it. What is
// left alone has no id.
func (v *Vault) arrive(ctx context.Context, m Movable, tenantID string, replace bool, done *Imported) (arrival, error) {
	tags, err := CleanTags(m.Tags)
	if err != nil {
		return arrival{}, err
	}
	s, err := v.Service(ctx, m.Service)
	if err != nil {
		return arrival{}, err
	}
	a := arrival{tenant: m.Tenant, tokens: tokens{m.AccessToken, m.RefreshToken}, Arrival: Arrival{
		Grant: Grant{ID: stored.NewID(), Service: m.Service, TenantID: tenantID, User: m.User, Account: m.Account, Tags: tags, Native: importedNative(m.Native),
			LoginURL: m.LoginURL, InstanceURL: m.InstanceURL, OrgID: m.OrgID, OrgName: m.OrgName, Sandbox: m.Sandbox, RemoteUserID: m.RemoteUserID,
			Scopes: strings.Join(m.Scopes, " "), ClientID: m.ClientID, OwnApp: m.OwnApp, AccessEnds: given(m.ExpiresAt), Endless: m.RefreshToken == "", DefinedAt: s.definedAt},
		ApprovedBy: m.ConnectedBy, ConnectedAt: m.ConnectedAt, RefreshedAt: m.RefreshedAt,
		BrokenAt: given(m.BrokenAt), BrokenCode: m.BrokenCode}}
	old, err := v.Store.IdentityOf(ctx, m.Service, tenantID, m.User, m.Account)
	switch {
	case errors.Is(err, stored.ErrNotFound):
		done.New++
		return a, nil
	case err != nil:
		return arrival{}, err
	case !replace:
		done.Kept++
		return arrival{}, nil
	}
	a.connectedTo = old.OrgID
	again := old.ConnectedAt.Equal(m.ConnectedAt.Truncate(time.Millisecond)) && old.OrgID == m.OrgID && old.RemoteUserID == m.RemoteUserID
	if again && old.RefreshedAt.After(m.RefreshedAt) {
		done.Newer++
		return arrival{}, nil
	}
	done.Replaced++
	a.ID, a.Replaces, a.SameGrant = old.ID, old.Generation, again
	if !again {
		kept, err := v.openNow(ctx, old, v.openRefresh)
		if errors.Is(err, stored.ErrLost) {
			return arrival{}, ErrChanged
		}
		if err != nil && !errors.Is(err, seal.ErrSealed) {
			return arrival{}, err
		}
		a.SameGrant = err == nil && same(kept, a.kept())
	}
	// Its token may be used up by now, and a newer one on its way.
	if a.SameGrant && !old.CallStartedAt.IsZero() {
		return arrival{}, &BusyError{IDs: []string{old.ID}}
	}
	return a, nil
}

// given is the time that t points to, or the zero time.
func given(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}

// checkPlaces returns an error unless all in a bundle could have been authorized
// here, for tenants with these ids by their slugs: who seals a file to a key need
// not be who holds the key.
func (v *Vault) checkPlaces(ctx context.Context, b Bundle, tenants map[string]string) error {
	type app struct {
		service, tenant string
		own             bool
	}
	apps := map[app]Service{}
	var unknown, without, foreign []string
	for _, m := range b.Identities {
		a := app{m.Service, "", m.OwnApp}
		if m.OwnApp {
			a.tenant = m.Tenant
		}
		s, ok := apps[a]
		if !ok {
			var err error
			s, err = v.placeOf(ctx, m, tenants[m.Tenant])
			switch {
			case errors.Is(err, ErrNoService):
				unknown = append(unknown, m.Service)
				continue
			case errors.Is(err, ErrNoOwnApp):
				without = append(without, m.Tenant+" ("+m.Service+")")
				continue
			case err != nil:
				return err
			}
			apps[a] = s
		}
		foreign = append(foreign, s.foreign(m)...)
	}
	for _, e := range []BundleError{{ProblemServices, unknown}, {ProblemApps, without}, {ProblemHosts, foreign}} {
		if len(e.Names) > 0 {
			slices.Sort(e.Names)
			e.Names = slices.Compact(e.Names)
			return &e
		}
	}
	return nil
}

// placeOf is the service as it may have been authorized here.
func (v *Vault) placeOf(ctx context.Context, m Movable, tenantID string) (Service, error) {
	if m.OwnApp {
		return v.ownApp(ctx, m.Service, tenantID)
	}
	return v.Settings(ctx, m.Service)
}

// foreign are the addresses of m that are none of the service's.
func (s Service) foreign(m Movable) (addresses []string) {
	if !s.ownURL(m.LoginURL) {
		addresses = append(addresses, m.LoginURL)
	}
	if m.InstanceURL == "" && s.InstanceField == "" && s.host == "" {
		return addresses
	}
	if _, own := s.instance(m.InstanceURL); !own {
		addresses = append(addresses, m.InstanceURL)
	}
	return addresses
}

// check returns an error for a bundle that can't be one.
func (b Bundle) check(now time.Time) error {
	seen := map[[4]string]bool{}
	for n, m := range b.Identities {
		place := [4]string{m.Service, m.Tenant, m.User, m.Account}
		var native map[string]any
		_, err := CleanTags(m.Tags)
		number := fmt.Sprintf("number %d of %d", n+1, len(b.Identities))
		switch {
		case err != nil, checkNames("name", m.User, m.Account, m.OrgID, m.OrgName, m.RemoteUserID) != nil, len(malformed(m.Scopes)) > 0, m.ClientID != "" && !PlainValue(m.ClientID),
			json.Unmarshal(m.Native, &native) != nil, native == nil, len(m.Native) > maxNative, m.AccessToken == "" && m.RefreshToken == "",
			m.ConnectedAt.IsZero(), m.RefreshedAt.IsZero(), !m.plausible(now):
			return &BundleError{Problem: "something in it can't be an identity", Names: []string{number}}
		case seen[place]:
			return &BundleError{Problem: "it holds an identity twice", Names: []string{number}}
		}
		seen[place] = true
	}
	return nil
}

// Times in a bundle. Clocks differ a little; tokens that last longer than some
// decades are told by no service.
const (
	clockSkew    = 5 * time.Minute
	longestToken = math.MaxInt32 * time.Second
)

// plausible reports whether the times of m can have been. One to come would keep a
// connection from being renewed, and a newer token from being imported.
func (m Movable) plausible(now time.Time) bool {
	earliest, latest := time.Unix(0, 0), now.Add(clockSkew)
	for _, t := range []time.Time{m.ConnectedAt, m.RefreshedAt, given(m.BrokenAt)} {
		if !t.IsZero() && (t.Before(earliest) || t.After(latest)) {
			return false
		}
	}
	ends := given(m.ExpiresAt)
	return ends.IsZero() || !ends.Before(earliest) && !ends.After(latest.Add(longestToken))
}

// importedNative is what a bundle says that a service answered, as far as it would
// have been kept here: what else it has may be a secret.
func importedNative(raw json.RawMessage) string {
	var fields map[string]any
	_ = json.Unmarshal(raw, &fields) // check has done it
	return nativeOf("", answer{field: func(name string) any { return fields[name] }})
}
