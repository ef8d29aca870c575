package seal

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"gatepost/db"
	"gatepost/db/dbtest"
)

// tester owns what the tests seal: the secret of each service, in a row of its own.
var tester = Owner{Name: "tester", Tables: []db.SealedTable{db.SealedServiceSettings.Holding(kindSecret)}}

const kindSecret = "client_secret"

var errDisk = errors.New("disk I/O error")

// world is a database and a key file, which several processes share.
type world struct {
	t     *testing.T
	path  string // of the key file
	data  string // path or URL of the database
	store *db.DB
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, data: dbtest.Path(t)}
	w.path, w.store = filepath.Join(t.TempDir(), "keyset.json"), w.openDB()
	return w
}

func (w *world) openDB() *db.DB {
	w.t.Helper()
	return dbtest.Open(w.t, w.data)
}

// keyring returns the keyring of one more process.
func (w *world) keyring() *Keyring {
	w.t.Helper()
	return must(OpenKeyring(w.t.Context(), w.path, w.openDB(), tester))(w.t)
}

func binding(service string) Binding {
	return Binding{Kind: kindSecret, Service: service, RowID: service}
}

func secretOf(service string) string { return "secret of " + service }

// put stores the secret of a service.
func (w *world) put(k *Keyring, service string) {
	w.t.Helper()
	err := k.WithKey(w.t.Context(), func(key Key) error {
		sealed, err := key.Seal(secretOf(service), binding(service))
		if err != nil {
			return err
		}
		return w.store.ChangeService(w.t.Context(), service, func(s *db.ServiceSettings) { s.SealedSecret, s.KeyID = sealed, key.ID })
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// many stores the secrets of n services, and returns their names.
func (w *world) many(k *Keyring, n int) []string {
	w.t.Helper()
	services := make([]string, n)
	for i := range services {
		services[i] = fmt.Sprint("service-", i)
		w.put(k, services[i])
	}
	return services
}

// spoil puts another row's value into the rows of services.
func (w *world) spoil(services ...string) {
	w.t.Helper()
	const other = "another"
	w.put(w.keyring(), other)
	for _, service := range services {
		if _, err := w.store.Writer().Exec(`UPDATE service_settings SET sealed_client_secret = (SELECT sealed_client_secret FROM service_settings WHERE service = $1)
			WHERE service = $2`, other, service); err != nil {
			w.t.Fatal(err)
		}
	}
	if _, err := w.store.Writer().Exec(`DELETE FROM service_settings WHERE service = $1`, other); err != nil {
		w.t.Fatal(err)
	}
}

// wantReadable reads the secrets of services.
func (w *world) wantReadable(k *Keyring, services []string) {
	w.t.Helper()
	for _, service := range services {
		s, err := w.store.ServiceSettings(w.t.Context(), service)
		if err != nil {
			w.t.Fatal(err)
		}
		if secret, err := k.Open(w.t.Context(), s.SealedSecret, binding(service)); secret != secretOf(service) || err != nil {
			w.t.Errorf("%s: %q, %v", service, secret, err)
			return
		}
	}
}

// fileKeys returns the ids of the keys in the key file.
func (w *world) fileKeys() []uint32 {
	w.t.Helper()
	return (&keys{handle: must(keyFile(w.path).read())(w.t)}).ids()
}

// wantRotated checks that no key that has sealed is left but the current one, in
// the file and in the rows.
func (w *world) wantRotated(k *Keyring, old uint32) {
	w.t.Helper()
	all, err := k.Status(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	for _, k := range all {
		if k.Current != (k.RetiredAt.IsZero()) || !k.Current && k.Rows != 0 || k.Current && k.ID == old {
			w.t.Errorf("key %+v", k)
		}
	}
	current, err := w.store.SealingKey(w.t.Context())
	ids := w.fileKeys()
	if err != nil || !slices.Contains(ids, current) || current == old {
		w.t.Errorf("the file has %v, %d seals, %v", ids, current, err)
	}
	for _, k := range all {
		if !k.Current && slices.Contains(ids, k.ID) {
			w.t.Errorf("the retired key %d is still in the file", k.ID)
		}
	}
}

// rotateAll rotates the keys from the first step to the last.
func rotateAll(t *testing.T, k *Keyring) {
	t.Helper()
	if _, err := k.Rotate(t.Context()); err != nil {
		t.Error(err)
	}
	resealed(t, k)
}

// resealed seals anew what is left, all of which can be opened.
func resealed(t *testing.T, k *Keyring) {
	t.Helper()
	if n, err := k.Reseal(t.Context(), nil); n != 0 || err != nil {
		t.Errorf("%d unopened, %v", n, err)
	}
}

func must[T any](value T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}
