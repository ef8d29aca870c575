package auth

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"gatepost/db"
	"gatepost/input"

	lru "github.com/hashicorp/golang-lru/v2"
)

// What an API key may do.
const (
	Read   = "read"   // list identities, and get their credentials
	Delete = "delete" // delete and revoke identities
	Call   = "call"   // call the API of an identity's service, without getting its token
)

// apiKeyPrefix makes a key known for what it is, to people and to programs that
// look for secrets in the wrong places.
const apiKeyPrefix = "gp_"

// ErrAPIKey says that a secret is no API key of ours, or not any more.
var ErrAPIKey = errors.New("no such api key")

// APIKeyStore keeps API keys. *db.DB is one.
type APIKeyStore interface {
	AddAPIKey(ctx context.Context, k db.APIKey, secretHash string) error
	APIKeyBySecret(ctx context.Context, secretHash string) (db.APIKey, error)
	UsedAPIKey(ctx context.Context, id string, at time.Time) error
}

// NewAPIKey makes a key and returns it with its secret, which is kept nowhere.
// services and tenants (ids) may be empty, for all.
func NewAPIKey(ctx context.Context, store APIKeyStore, name string, services, tenants, actions []string) (k db.APIKey, secret string, err error) {
	name, err = input.Line(name)
	if err != nil {
		return k, "", fmt.Errorf("check the name: %w", err)
	}
	if name == "" || len(name) > 100 {
		return k, "", errors.New("a key needs a name of at most 100 bytes")
	}
	if len(actions) == 0 {
		return k, "", errors.New("a key has to allow something: read, delete or call")
	}
	for _, a := range actions {
		if a != Read && a != Delete && a != Call {
			return k, "", fmt.Errorf("a key can allow read, delete and call, not %q", a)
		}
	}
	secret = apiKeyPrefix + NewToken()
	k = db.APIKey{ID: db.NewID(), Name: name, Services: services, Tenants: tenants, Actions: actions, CreatedAt: time.Now()}
	return k, secret, store.AddAPIKey(ctx, k, digest(secret))
}

// How long a key that was checked is taken for good, and how many of them are known:
// a program with thousands of requests a second has each key read once a second. One
// that is removed meanwhile, by whatever process, works for so much longer.
const (
	trustKey  = time.Second
	knownKeys = 1000
)

// APIKeys checks the API keys of requests.
type APIKeys struct {
	store APIKeyStore
	known *lru.Cache[string, checkedKey] // by the hash of its secret
}

type checkedKey struct {
	db.APIKey
	at time.Time
}

// NewAPIKeys returns what checks the keys of a store.
func NewAPIKeys(store APIKeyStore) *APIKeys {
	known, err := lru.New[string, checkedKey](knownKeys)
	if err != nil {
		panic(err) // the size is none
	}
	return &APIKeys{store, known}
}

// Check returns the key with the given secret and notes its use, or ErrAPIKey.
func (a *APIKeys) Check(ctx context.Context, secret string, now time.Time) (db.APIKey, error) {
	if !strings.HasPrefix(secret, apiKeyPrefix) {
		return db.APIKey{}, ErrAPIKey
	}
	hash := digest(secret)
	if k, ok := a.known.Get(hash); ok && now.Sub(k.at).Abs() < trustKey {
		return k.APIKey, nil
	}
	k, err := a.store.APIKeyBySecret(ctx, hash)
	if errors.Is(err, db.ErrNotFound) {
		return k, ErrAPIKey
	}
	if minute := now.Truncate(time.Minute); err == nil && k.UsedAt.Before(minute) {
		err = a.store.UsedAPIKey(ctx, k.ID, minute)
	}
	if err == nil {
		a.known.Add(hash, checkedKey{k, now})
	}
	return k, err
}

// Forget says that keys were removed: each is read anew.
func (a *APIKeys) Forget() { a.known.Purge() }

// Allows reports whether a key may do something.
func Allows(k db.APIKey, action string) bool { return slices.Contains(k.Actions, action) }
