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
	Read      = "read"
	Delete    = "delete"
	Authorize = "authorize"
	Tenants   = "tenants"
	Call      = "call"
	SignUp    = "signup"
	Readers   = "readers"
)

// Action is one of the things that a key may be made for.
type Action struct {
	Name    string // as keys and commands have it
	What    string // for people
	Returns bool   // such a key needs return addresses, and other keys have none
	Unbound bool   // such a key is for all tenants and services
}

// Actions are all of them. A key that was made before one of them doesn't have it.
var Actions = []Action{
	{Name: Read, What: "list identities, and get their credentials"},
	{Name: Delete, What: "delete and revoke identities"},
	{Name: Authorize, What: "begin authorizations, look at them and complete them", Returns: true},
	{Name: Tenants, What: "add, change and remove tenants", Unbound: true},
	{Name: Call, What: "have requests sent to a service, without getting the credential"},
	{Name: SignUp, What: "sign readers up for newsletters and have them leave, for a server that hands on what they sent"},
	{Name: Readers, What: "read who is on a newsletter and who left, and have them leave, for whoever sends the mails"},
}

// ActionNames are the names of all actions.
func ActionNames() (names []string) {
	for _, a := range Actions {
		names = append(names, a.Name)
	}
	return names
}

// apiKeyPrefix makes a key known for what it is, to people and to programs that
// look for secrets in the wrong places.
const apiKeyPrefix = "gp_"

// ErrAPIKey says that a secret is no API key of ours, or not any more.
var ErrAPIKey = errors.New("no such api key")

// ErrAPIKeyExpired says that a key has run out. It is an ErrAPIKey, so that whoever sends it
// isn't told more than of one that is unknown: the log is.
var ErrAPIKeyExpired = fmt.Errorf("%w: it has run out", ErrAPIKey)

// APIKeyStore keeps API keys. *db.DB is one.
type APIKeyStore interface {
	AddAPIKey(ctx context.Context, k db.APIKey, secretHash string) error
	APIKeyBySecret(ctx context.Context, secretHash string) (db.APIKey, error)
	UsedAPIKey(ctx context.Context, id string, at time.Time) error
}

// APIKeySetter changes API keys. *db.DB is one.
type APIKeySetter interface {
	APIKey(ctx context.Context, id string) (db.APIKey, error)
	SetAPIKey(ctx context.Context, before, after db.APIKey) error
}

// APIKeyOptions is what a new key is to be.
type APIKeyOptions struct {
	Name      string
	Services  []string // ids; none means all
	Tenants   []string // ids; none means all
	Actions   []string
	ExpiresAt time.Time // zero: never
	ReturnTo  []string  // addresses that authorizations may return to
}

// NewAPIKey makes a key and returns it with its secret, which is kept nowhere.
func NewAPIKey(ctx context.Context, store APIKeyStore, o APIKeyOptions) (k db.APIKey, secret string, err error) {
	now := time.Now()
	k, err = checkAPIKey(db.APIKey{Name: o.Name, Services: o.Services, Tenants: o.Tenants, Actions: o.Actions, ExpiresAt: o.ExpiresAt, ReturnTo: o.ReturnTo})
	if err == nil && k.Expired(now) {
		err = errors.New("the key would have run out already")
	}
	if err != nil {
		return db.APIKey{}, "", err
	}
	k.ID, k.CreatedAt, secret = db.NewID(), now, apiKeyPrefix+NewToken()
	return k, secret, store.AddAPIKey(ctx, k, digest(secret))
}

// APIKeyChange is what of a key is to change. What is nil stays.
type APIKeyChange struct {
	Name      *string
	ExpiresAt *time.Time // zero: never
	Add       []string   // return addresses
	Remove    []string   // return addresses
}

// SetAPIKey changes a key, which keeps its secret. Errors: db.ErrNotFound, db.ErrLost when
// somebody else changed it just now, or what is wrong with it.
func SetAPIKey(ctx context.Context, store APIKeySetter, id string, c APIKeyChange) (db.APIKey, error) {
	before, err := store.APIKey(ctx, id)
	if err != nil {
		return db.APIKey{}, err
	}
	after, err := c.applied(before)
	if err != nil {
		return db.APIKey{}, err
	}
	return after, store.SetAPIKey(ctx, before, after)
}

// applied is the key with the change.
func (c APIKeyChange) applied(k db.APIKey) (db.APIKey, error) {
	if c.Name != nil {
		k.Name = *c.Name
	}
	if c.ExpiresAt != nil {
		k.ExpiresAt = *c.ExpiresAt
	}
	for _, address := range c.Remove {
		if !slices.Contains(k.ReturnTo, address) {
			return k, fmt.Errorf("the key has no return address %q", address)
		}
	}
	kept := slices.DeleteFunc(slices.Clone(k.ReturnTo), func(address string) bool { return slices.Contains(c.Remove, address) })
	k.ReturnTo = append(kept, c.Add...)
	return checkAPIKey(k)
}

// maxReturnTo is how many return addresses a key has at most.
const maxReturnTo = 50

// checkAPIKey returns the key as it is stored, or what is wrong with it.
func checkAPIKey(k db.APIKey) (db.APIKey, error) {
	name, err := input.Line(k.Name)
	if err != nil {
		return k, fmt.Errorf("check the name: %w", err)
	}
	if name == "" || len(name) > 100 {
		return k, errors.New("a key needs a name of at most 100 bytes")
	}
	k.Name = name
	if err := checkActions(k); err != nil {
		return k, err
	}
	var addresses []string // each once
	for _, address := range k.ReturnTo {
		if err := CheckReturnTo(address); err != nil {
			return k, fmt.Errorf("the return address %.200q %w", address, err)
		}
		if !slices.Contains(addresses, address) {
			addresses = append(addresses, address)
		}
	}
	if len(addresses) > maxReturnTo {
		return k, fmt.Errorf("a key has at most %d return addresses", maxReturnTo)
	}
	k.ReturnTo = addresses
	return k, nil
}

// checkActions says what is wrong with what a key is for.
func checkActions(k db.APIKey) error {
	if len(k.Actions) == 0 {
		return errors.New("a key has to allow something: " + strings.Join(ActionNames(), ", "))
	}
	for _, name := range k.Actions {
		if !slices.ContainsFunc(Actions, func(a Action) bool { return a.Name == name }) {
			return fmt.Errorf("a key can allow %s, not %q", strings.Join(ActionNames(), ", "), name)
		}
	}
	returns := false
	for _, a := range Actions {
		if !slices.Contains(k.Actions, a.Name) {
			continue
		}
		returns = returns || a.Returns
		if a.Returns && len(k.ReturnTo) == 0 {
			return fmt.Errorf("a key that allows %s needs a return address: where the application takes people back", a.Name)
		}
		if a.Unbound && !Unbound(k) {
			return fmt.Errorf("a key that allows %s is for all tenants and services: make another one for some of them", a.Name)
		}
	}
	if !returns && len(k.ReturnTo) > 0 {
		return fmt.Errorf("return addresses are for keys that allow %s: allow it, or leave them out", Authorize)
	}
	return nil
}

// Unbound reports whether a key is for all tenants and all services.
func Unbound(k db.APIKey) bool { return len(k.Tenants) == 0 && len(k.Services) == 0 }

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

// Check returns the key with the given secret and notes its use, or ErrAPIKey. With
// ErrAPIKeyExpired comes the key that has run out, for the log.
func (a *APIKeys) Check(ctx context.Context, secret string, now time.Time) (db.APIKey, error) {
	if !strings.HasPrefix(secret, apiKeyPrefix) {
		return db.APIKey{}, ErrAPIKey
	}
	hash := digest(secret)
	if k, ok := a.known.Get(hash); ok && now.Sub(k.at).Abs() < trustKey {
		return k.APIKey, expired(k.APIKey, now)
	}
	k, err := a.store.APIKeyBySecret(ctx, hash)
	if errors.Is(err, db.ErrNotFound) {
		return k, ErrAPIKey
	}
	if err == nil {
		err = expired(k, now)
	}
	if minute := now.Truncate(time.Minute); err == nil && k.UsedAt.Before(minute) {
		err = a.store.UsedAPIKey(ctx, k.ID, minute)
	}
	if err == nil {
		a.known.Add(hash, checkedKey{k, now})
	}
	return k, err
}

// expired refuses a key that has run out: one that is trusted for a second may do so meanwhile.
func expired(k db.APIKey, now time.Time) error {
	if k.Expired(now) {
		return ErrAPIKeyExpired
	}
	return nil
}

// Forget says that keys were changed or removed: each is read anew.
func (a *APIKeys) Forget() { a.known.Purge() }

// Allows reports whether a key may do something. What takes a key for all tenants and services
// isn't allowed to another one, whatever stands in the database.
func Allows(k db.APIKey, action string) bool {
	return slices.Contains(k.Actions, action) && (Unbound(k) || !slices.ContainsFunc(Actions, func(a Action) bool { return a.Name == action && a.Unbound }))
}
