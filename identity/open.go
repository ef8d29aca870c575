package identity

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"gatepost/db"
	"gatepost/identity/stored"
	"gatepost/outbound"
	"gatepost/seal"
)

// Options are what Open opens a vault with.
type Options struct {
	// Database is the path of a SQLite file or a postgres:// URL, as GATEPOST_DATABASE. It is made where there
	// is none.
	Database string
	// Keyset is the path of the key file, which is made for a new database, or the keys themselves, as
	// GATEPOST_KEYSET. Whoever has both this and the database can read the credentials.
	Keyset string
	// Services are those that the application uses: see BuiltInService. Those that were defined or set with
	// gatepost service, on the same database, are there too.
	Services []Service
	// Trust are origins, as http://127.0.0.1:8081, that may be called although they aren't public and https:
	// those of a simulated service, or in a network of yours.
	Trust []string
	Log   *slog.Logger // nil for none
}

// Open opens a database, its keys and what calls services, and returns the vault on them; Close closes it all.
// Errors: *ConfigError, or why one of them can't be opened, in words for whoever runs the application.
func Open(ctx context.Context, o Options) (*Vault, error) {
	var problems []string
	if o.Database == "" {
		problems = append(problems, "Database is missing: the path of a file, as gatepost.db, or a postgres:// URL")
	}
	if o.Keyset == "" {
		problems = append(problems, "Keyset is missing: the path of the key file, as keyset.json, or the keys themselves")
	}
	if len(problems) > 0 {
		return nil, &ConfigError{problems}
	}
	store, err := db.Open(ctx, o.Database)
	if err != nil {
		return nil, err
	}
	v, err := openOn(ctx, store, o)
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	return v, nil
}

func openOn(ctx context.Context, store *db.DB, o Options) (*Vault, error) {
	keys, err := seal.OpenKeyset(ctx, o.Keyset, store, Sealed)
	if err != nil {
		return nil, fmt.Errorf("open the keys: %w", err)
	}
	trusted := func(ctx context.Context) ([]string, error) {
		theirs, err := OperatorAddresses(ctx, store)
		return append(theirs, o.Trust...), err
	}
	v, err := New(Config{Store: store, Keys: keys, HTTP: outbound.Client(trusted), TenantHTTP: outbound.Client(outbound.Trust()), Services: o.Services, Log: o.Log})
	if err != nil {
		return nil, err
	}
	v.closeStore = store.Close
	return v, nil
}

// FixedKeys are keys for a vault on a store of one's own, in text as a key file has them: see seal.Fixed.
func FixedKeys(text string) (*seal.Keyring, error) { return seal.Fixed(text, Sealed) }

// TenantBySlug returns the tenant that gatepost tenant add made, or ErrNoTenant.
func (v *Vault) TenantBySlug(ctx context.Context, slug string) (Tenant, error) {
	t, err := v.optional.TenantBySlug(ctx, slug)
	if errors.Is(err, stored.ErrNotFound) {
		return t, ErrNoTenant
	}
	return t, err
}

// Sealed is what the vault seals, to be registered with its keyring.
var Sealed = seal.Owner{Name: "identity", Tables: []db.SealedTable{
	db.SealedIdentities.Holding(kindAccess, kindRefresh),
	db.SealedHeld.Holding(kindAccess, kindRefresh),
	db.SealedGranted.Holding(kindAccess, kindRefresh),
	db.SealedRevocations.Holding(kindRefresh),
	db.SealedHandshakes.Holding(kindVerifier),
	db.SealedServiceSettings.Holding(kindClientSecret),
	db.SealedTenantApps.Holding(kindClientSecret),
}}
