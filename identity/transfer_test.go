package identity

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gatepost/db"
	"gatepost/db/dbtest/testdb"

	"filippo.io/age"
)

// elsewhere is another installation: its own database and keys, at the same
// service, with a tenant of the same slug.
func (w *world) elsewhere() *world { return newWorldWith(w.t, w.srv) }

const passphrase = "five words of a passphrase"

// sealer seals to the passphrase, with little work.
func sealer(t *testing.T) age.Recipient {
	t.Helper()
	r, err := age.NewScryptRecipient(passphrase)
	if err != nil {
		t.Fatal(err)
	}
	r.SetWorkFactor(4)
	return r
}

func opener(t *testing.T, passphrase string) age.Identity {
	t.Helper()
	i, err := age.NewScryptIdentity(passphrase)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func (w *world) export(v *Vault, sel Selector) Bundle {
	w.t.Helper()
	b, unreadable, err := v.Export(w.t.Context(), sel)
	if err != nil || len(unreadable) > 0 {
		w.t.Fatalf("export: %v, %v", unreadable, err)
	}
	return b
}

func (w *world) importing(v *Vault, b Bundle, o ImportOptions) Imported {
	w.t.Helper()
	done, err := v.Import(w.t.Context(), b, o)
	if err != nil {
		w.t.Fatalf("import: %v", err)
	}
	v.Wait()
	return done
}

func wantImported(t *testing.T, got, want Imported) {
	t.Helper()
	if want.Tenants == nil {
		want.Tenants = []string{}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("imported %+v, want %+v", got, want)
	}
}

// described is what is told of all identities, without what is each
// installation's own.
func (w *world) described(v *Vault) (all []Description) {
	w.t.Helper()
	page, err := v.List(w.t.Context(), Selector{}, "", 100)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, i := range page.Identities {
		d := describe(i, time.Now())
		d.ID, d.Generation, d.KeyID, d.KeepAliveAt = "", 0, 0, nil
		all = append(all, d)
	}
	return all
}

// All that is known of identities goes over, through a file, and they work there.
func TestMovedToAnotherInstallation(t *testing.T) {
	old := newWorld(t)
	old.srv.lifetime = time.Hour
	from := old.process()
	old.connect(from)
	eve := old.connectAs(from, "eve@x.example", "work", "a", "ü")
	dead := old.connectAs(from, "joe", "")
	if err := old.store.BreakIdentity(t.Context(), dead.ID, dead.Generation, "invalid_grant", ""); err != nil {
		t.Fatal(err)
	}
	from.Wait()
	path := filepath.Join(old.folder, "moving.age")
	if err := old.export(from, Selector{}).WriteFile(path, false, sealer(t)); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("the file is %v, %v", info, err)
	}
	b, err := ReadBundle(path, opener(t, passphrase))
	if err != nil {
		t.Fatal(err)
	}

	there := old.elsewhere()
	to := there.process()
	wantImported(t, there.importing(to, b, ImportOptions{DryRun: true}), Imported{New: 3})
	if all := there.described(to); len(all) != 0 {
		t.Errorf("a dry run imported %v", all)
	}
	wantImported(t, there.importing(to, b, ImportOptions{}), Imported{New: 3})
	want, got := old.described(from), there.described(to)
	for n := range got {
		if !reflect.DeepEqual(got[n], want[n]) {
			t.Errorf("moved %+v,\n want %+v", got[n], want[n])
		}
	}
	if len(got) != 3 || got[1].ConnectedBy != "" || got[0].ConnectedBy != "john@contoso.example" || got[2].FailedCode != "invalid_grant" || got[0].ExpiresAt == nil {
		t.Errorf("moved %+v", got)
	}
	if n, err := from.Forget(t.Context(), Selector{Service: Salesforce}); n != 3 || err != nil {
		t.Errorf("%d forgotten, %v", n, err)
	}
	old.wantLive(3)
	// They are used and renewed there, each at its own.
	first := there.fresh(to, 0)
	there.fresh(to, first.Generation)
	moved, err := to.Find(t.Context(), Selector{User: "eve@x.example", Tags: []string{"ü"}})
	if err != nil || moved.ID == eve.ID {
		t.Fatalf("found %v, %v", moved.ID, err)
	}
	c, err := to.GetByID(t.Context(), moved.ID, 0)
	if err != nil || !there.srv.alive(c.AccessToken) || !strings.Contains(c.Native, "instance_url") {
		t.Errorf("credential %+v, %v", c.Generation, err)
	}
	there.wantCalls(1)
	if i := there.identity(to); i.KeepAliveAt.Before(time.Now().Add(4 * 24 * time.Hour)) {
		t.Errorf("kept alive at %v", i.KeepAliveAt)
	}
}

// Whoever has age has the credentials, as the docs tell.
func TestNobodyIsLockedIn(t *testing.T) {
	w := newWorld(t)
	v := w.process()
	w.connectAs(v, "eve", "work", "a")
	path := filepath.Join(w.folder, "x.age")
	if err := w.export(v, Selector{User: "eve"}).WriteFile(path, false, sealer(t)); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	plain, err := age.Decrypt(f, opener(t, passphrase))
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Format     string
		Version    float64
		ExportedAt string `json:"exported_at"`
		Tenants    []map[string]any
		Identities []map[string]any
	}
	if err := json.NewDecoder(plain).Decode(&doc); err != nil || doc.Format != "gatepost identities" || doc.Version != 1 || len(doc.Identities) != 1 {
		t.Fatalf("%+v, %v", doc, err)
	}
	i := doc.Identities[0]
	for name, want := range map[string]any{"service": "sfdc", "tenant": "contoso", "user": "eve", "account": "work", "instance_url": w.srv.URL} {
		if i[name] != want {
			t.Errorf("%s is %v", name, i[name])
		}
	}
	if !w.srv.alive(fmt.Sprint(i["access_token"])) || !strings.HasPrefix(fmt.Sprint(i["refresh_token"]), "refresh-") || doc.Tenants[0]["slug"] != "contoso" {
		t.Errorf("credentials: %v, tenants %v", i["access_token"], doc.Tenants)
	}
	docs, err := os.ReadFile("../docs/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	for name := range i {
		if !bytes.Contains(docs, []byte("`"+name+"`")) {
			t.Errorf("docs/operating.md doesn't tell of %s", name)
		}
	}
}

// A file that isn't whole and as it was written changes nothing, and says why.
func TestFilesThatAreRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "x.age")
	small := Bundle{Format: bundleFormat, Version: bundleVersion}
	if err := small.WriteFile(path, false, sealer(t)); err != nil {
		t.Fatal(err)
	}
	sealed, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	read := func(content []byte, with ...age.Identity) error {
		t.Helper()
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := ReadBundle(path, with...)
		return err
	}
	good := opener(t, passphrase)
	if err := read(sealed, good); err != nil {
		t.Fatal(err)
	}
	key, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	wantError(t, "another passphrase", read(sealed, opener(t, "another")), ErrBundleKey)
	wantError(t, "a key instead", read(sealed, key), ErrBundleKey)
	for n := range sealed {
		changed := slices.Clone(sealed)
		changed[n] ^= 1
		if err := read(changed, good); !errors.Is(err, ErrBundleFile) && !errors.Is(err, ErrBundleKey) {
			t.Errorf("byte %d changed: %v", n, err)
		}
		wantError(t, fmt.Sprint("cut off at ", n), read(sealed[:n], good), ErrBundleFile)
	}
	wantError(t, "longer", read(append(slices.Clone(sealed), 'x'), good), ErrBundleFile)
	seal := func(text string) []byte {
		var b bytes.Buffer
		w, err := age.Encrypt(&b, sealer(t))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(w, text)
		_ = w.Close()
		return b.Bytes()
	}
	for name, text := range map[string]string{"no JSON": "hello", "other JSON": `{"version":1}`, "a list": `[]`, "no version": `{"format":"gatepost identities"}`,
		"wrong types": `{"format":"gatepost identities","version":1,"identities":[{"access_token":17}]}`} {
		wantError(t, name, read(seal(text), good), ErrBundleFile)
	}
	var newer *VersionError
	if err := read(seal(`{"format":"gatepost identities","version":2,"identities":"in another way"}`), good); !errors.As(err, &newer) || newer.Version != 2 {
		t.Errorf("newer: %v", err)
	}
	if _, err := ReadBundle(dir, good); err == nil || errors.Is(err, ErrBundleFile) {
		t.Errorf("a folder: %v", err)
	}
}

func TestFilesAreWrittenWhole(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "x.age")
	if err := os.WriteFile(path, []byte("precious"), 0o644); err != nil {
		t.Fatal(err)
	}
	b := Bundle{Format: bundleFormat, Version: bundleVersion}
	wantError(t, "over another file", b.WriteFile(path, false, sealer(t)), fs.ErrExist)
	if text, err := os.ReadFile(path); string(text) != "precious" || err != nil {
		t.Errorf("overwritten: %.20q, %v", text, err)
	}
	if err := b.WriteFile(path, true, sealer(t)); err != nil {
		t.Error(err)
	}
	if _, err := ReadBundle(path, opener(t, passphrase)); err != nil {
		t.Error(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("the file is %v, %v", info, err)
	}
	wantError(t, "no such folder", b.WriteFile(filepath.Join(dir, "no", "x"), false, sealer(t)), fs.ErrNotExist)
	if files, err := os.ReadDir(dir); len(files) != 1 || err != nil {
		t.Errorf("left lying: %v, %v", files, err)
	}
}

// What can't have been authorized here is refused, and nothing of it stored.
func TestBundlesThatAreRefused(t *testing.T) {
	old := newWorld(t)
	from := old.process()
	old.connect(from)
	for _, user := range []string{"eve", "joe"} {
		old.connectAs(from, user, "")
	}
	good := old.export(from, Selector{})
	there := old.elsewhere()
	to := there.process()
	for name, c := range map[string]struct {
		change func(b *Bundle, last *Movable)
		names  string
	}{
		"a tenant":          {func(b *Bundle, m *Movable) { m.Tenant = "fabrikam"; b.Identities[0].Tenant = "adatum" }, "adatum, fabrikam"},
		"a service":         {func(_ *Bundle, m *Movable) { m.Service = "other" }, "other"},
		"a log-in address":  {func(_ *Bundle, m *Movable) { m.LoginURL = "https://evil.example" }, "https://evil.example"},
		"an instance":       {func(_ *Bundle, m *Movable) { m.InstanceURL = "https://evil.example" }, "https://evil.example"},
		"no instance":       {func(_ *Bundle, m *Movable) { m.InstanceURL = "" }, ""},
		"the same twice":    {func(b *Bundle, m *Movable) { m.User = b.Identities[1].User }, "3 of 3"},
		"a long user":       {func(_ *Bundle, m *Movable) { m.User = strings.Repeat("x", 300) }, "3 of 3"},
		"an empty tag":      {func(_ *Bundle, m *Movable) { m.Tags = []string{""} }, "3 of 3"},
		"no tokens":         {func(_ *Bundle, m *Movable) { m.AccessToken, m.RefreshToken = "", "" }, "3 of 3"},
		"no native":         {func(_ *Bundle, m *Movable) { m.Native = json.RawMessage(`[]`) }, "3 of 3"},
		"null for native":   {func(_ *Bundle, m *Movable) { m.Native = json.RawMessage(`null`) }, "3 of 3"},
		"no time":           {func(_ *Bundle, m *Movable) { m.ConnectedAt = time.Time{} }, "3 of 3"},
		"a scope with room": {func(_ *Bundle, m *Movable) { m.Scopes = []string{"a b"} }, "3 of 3"},
	} {
		b := good
		b.Identities = slices.Clone(good.Identities)
		c.change(&b, &b.Identities[2])
		_, err := to.Import(t.Context(), b, ImportOptions{})
		var wrong *BundleError
		if !errors.As(err, &wrong) || !strings.Contains(err.Error(), c.names) || strings.Contains(err.Error(), "refresh-") {
			t.Errorf("%s: %v", name, err)
		}
	}
	// The database refuses the last of them.
	over := testdb.Refuse(t, there.store.Writer(), "INSERT ON identities", "new.user_name = 'joe'")
	b := good
	b.Identities = slices.Clone(good.Identities)
	b.Identities[0].Tenant = "adatum"
	b.Tenants = append(b.Tenants, BundleTenant{"adatum", "Adatum"})
	make := ImportOptions{NewTenant: newTenant}
	if _, err := to.Import(t.Context(), b, make); err == nil {
		t.Error("imported what the database refused")
	}
	if _, err := there.store.TenantBySlug(t.Context(), "adatum"); !errors.Is(err, db.ErrNotFound) || len(there.described(to)) != 0 {
		t.Errorf("stored a part of it: %v, %v", there.described(to), err)
	}
	over()
	wantImported(t, there.importing(to, b, make), Imported{New: 3, Tenants: []string{"adatum"}})
	if n, err := there.store.TenantBySlug(t.Context(), "adatum"); n.Name != "Adatum" || err != nil {
		t.Errorf("made %+v, %v", n, err)
	}
	old.wantLive(3)
}

func newTenant(slug, name string) (db.NewTenant, error) {
	return db.NewTenant{Tenant: db.Tenant{ID: db.NewID(), Slug: slug, Name: name, CreatedAt: time.Now()},
		Newsletter: db.FirstNewsletter{Slug: slug + "-weekly", Name: name, Consent: "Yes."}}, nil
}

// What is there is left alone, or replaced and revoked; but the same authorization
// is never revoked, and never set back.
func TestImportReplaces(t *testing.T) {
	old := newWorld(t)
	from := old.process()
	first := old.connect(from)
	before := old.export(from, Selector{})
	there := old.elsewhere()
	to := there.process()
	other := there.connect(to)
	old.wantLive(2)
	wantImported(t, there.importing(to, before, ImportOptions{}), Imported{Kept: 1})
	if i := there.identity(to); i.Generation != other.Generation {
		t.Error("it was replaced unasked")
	}
	wantImported(t, there.importing(to, before, ImportOptions{Replace: true}), Imported{Replaced: 1})
	there.wantLive(1) // the other one is revoked
	moved := there.identity(to)
	if moved.ID != other.ID || moved.Generation <= other.Generation || !moved.ConnectedAt.Equal(first.ConnectedAt) {
		t.Errorf("replaced: %+v", moved)
	}
	revocations := there.srv.count("revoke")
	wantImported(t, there.importing(to, before, ImportOptions{Replace: true}), Imported{Replaced: 1})
	c := there.fresh(to, there.identity(to).Generation)
	// Its token was renewed since: the file's would end the grant.
	wantImported(t, there.importing(to, before, ImportOptions{Replace: true}), Imported{Newer: 1})
	if i := there.identity(to); i.Generation != c.Generation {
		t.Error("it was set back")
	}
	// Where it comes from, the newer one takes the old one's place.
	wantImported(t, old.importing(from, there.export(to, Selector{}), ImportOptions{Replace: true}), Imported{Replaced: 1})
	old.fresh(from, old.identity(from).Generation)
	old.wantCalls(2)
	if n := there.srv.count("revoke"); n != revocations {
		t.Errorf("%d revocations of the same authorization", n-revocations)
	}
	old.wantLive(1)
	// With the service away, what is replaced waits to be revoked.
	there.connect(to)
	fresh := old.export(from, Selector{})
	there.srv.fail("revoke", 9, says(503, "text/html", "<html>"))
	fresh.Identities[0].ConnectedAt = fresh.Identities[0].ConnectedAt.Add(time.Second)
	if done := there.importing(to, fresh, ImportOptions{Replace: true}); done.Replaced != 1 || done.Pending != 1 {
		t.Errorf("imported %+v", done)
	}
}

// The very token that is here is not revoked, whatever is said of it.
func TestImportOfTheSameToken(t *testing.T) {
	w := newWorld(t)
	v := w.process()
	w.connect(v)
	b := w.export(v, Selector{})
	b.Identities[0].ConnectedAt = time.Now().Add(-time.Hour)
	wantImported(t, w.importing(v, b, ImportOptions{Replace: true}), Imported{Replaced: 1})
	if n := w.pending() + w.srv.count("revoke"); n != 0 {
		t.Errorf("%d revocations of what is in use", n)
	}
	w.fresh(v, w.identity(v).Generation)
	w.wantLive(1)
}

// An import that meets a change of somebody else's stores nothing.
func TestImportMeetsAChange(t *testing.T) {
	old := newWorld(t)
	from := old.process()
	old.connectAs(from, "eve", "")
	old.connect(from)
	b := old.export(from, Selector{})
	there := old.elsewhere()
	var store *meddler
	to := there.process(func(c *Config) { store = &meddler{fullStore: c.Store.(fullStore)}; c.Store = store })
	store.meddle = func() { there.connect(there.process()) }
	_, err := to.Import(t.Context(), b, ImportOptions{})
	wantError(t, "somebody connected meanwhile", err, ErrChanged)
	store.meddle = func() { there.connect(there.process()) }
	_, err = to.Import(t.Context(), b, ImportOptions{Replace: true})
	wantError(t, "somebody reconnected meanwhile", err, ErrChanged)
	if all := there.described(to); len(all) != 1 {
		t.Errorf("stored %+v", all)
	}
	wantImported(t, there.importing(to, b, ImportOptions{Replace: true}), Imported{New: 1, Replaced: 1})
}

// meddler is a store in which something happens just before an import, or when a
// row is read again.
type meddler struct {
	fullStore
	meddle, reread func()
}

func (s *meddler) IdentityByID(ctx context.Context, id string) (db.Identity, error) {
	if s.reread != nil {
		s.reread()
	}
	return s.fullStore.IdentityByID(ctx, id)
}

func (s *meddler) ImportIdentities(ctx context.Context, tenants []db.NewTenant, arrivals []db.Arrival) ([]string, error) {
	if s.meddle != nil {
		s.meddle()
		s.meddle = nil
	}
	return s.fullStore.ImportIdentities(ctx, tenants, arrivals)
}

// A renewal that is under way is waited for; one that nobody ends is told of.
func TestExportInTheMiddleOfARenewal(t *testing.T) {
	w := newWorld(t)
	v := w.process()
	i := w.connect(v)
	g := newGate(true)
	through := sync.OnceFunc(func() { close(g.open) })
	t.Cleanup(through)
	w.srv.fail("token", 1, g.fault)
	renewed := make(chan error, 1)
	go func() { _, err := w.get(v, i.Generation); renewed <- err }()
	comes(t, g.entered)
	exported, waits := make(chan Bundle, 1), make(chan bool)
	waiting := w.process(func(c *Config) { c.Store = &meddler{fullStore: c.Store.(fullStore), reread: func() { waits <- true }} })
	go func() {
		b, _, err := waiting.Export(t.Context(), Selector{})
		if err != nil {
			t.Error(err)
		}
		exported <- b
	}()
	for range 3 {
		select {
		case <-waits:
		case <-exported:
			t.Fatal("exported while a renewal was under way")
		}
	}
	through()
	if err := <-renewed; err != nil {
		t.Fatal(err)
	}
	// The row may have been read again after the renewal already.
	var b Bundle
	for done := false; !done; {
		select {
		case <-waits:
		case b = <-exported:
			done = true
		}
	}
	if now := w.fresh(v, 0); len(b.Identities) != 1 || b.Identities[0].AccessToken != now.AccessToken {
		t.Error("the old token was exported")
	}
	if _, err := w.store.Writer().Exec(`UPDATE identities SET call_started_at = 1`); err != nil {
		t.Fatal(err)
	}
	impatient := w.process(patience(50*time.Millisecond, time.Second))
	var busy *BusyError
	if _, _, err := impatient.Export(t.Context(), Selector{}); !errors.As(err, &busy) || len(busy.IDs) != 1 || busy.IDs[0] != i.ID {
		t.Errorf("cut off: %v", err)
	}
}

func TestExportSelects(t *testing.T) {
	w := newWorld(t)
	v := w.process()
	_, _, err := v.Export(t.Context(), Selector{})
	wantError(t, "nothing there", err, ErrNotConnected)
	w.connect(v)
	eve := w.connectAs(v, "eve", "", "x")
	if b := w.export(v, Selector{Tags: []string{"x"}}); len(b.Identities) != 1 || b.Identities[0].User != "eve" {
		t.Errorf("exported %d", len(b.Identities))
	}
	_, err = v.Forget(t.Context(), Selector{})
	wantError(t, "forget all", err, ErrEmptySelector)
	_, err = v.Forget(t.Context(), Selector{User: "nobody"})
	wantError(t, "forget nobody", err, ErrNotConnected)
	// What can't be opened is told of, and the rest goes.
	if _, err := w.store.Writer().Exec(`UPDATE identities SET sealed_refresh = 'x' WHERE id = $1`, eve.ID); err != nil {
		t.Fatal(err)
	}
	b, unreadable, err := v.Export(t.Context(), Selector{})
	if err != nil || len(b.Identities) != 1 || !slices.Equal(unreadable, []string{eve.ID}) {
		t.Errorf("exported %d, %v, %v", len(b.Identities), unreadable, err)
	}
}

// What a tenant's own app authorized goes where that tenant has its app, and is
// renewed with it.
func TestMovedWithAnOwnApp(t *testing.T) {
	old := newWorld(t)
	from := old.process()
	old.ownApp(from)
	if !old.connect(from).OwnApp {
		t.Fatal("connected with the shared app")
	}
	b := old.export(from, Selector{Service: Salesforce})
	there := old.elsewhere()
	to := there.process()
	var wrong *BundleError
	if _, err := to.Import(t.Context(), b, ImportOptions{}); !errors.As(err, &wrong) || wrong.Problem != ProblemApps || wrong.Names[0] != "contoso (sfdc)" {
		t.Errorf("without the app: %v", err)
	}
	there.setApp(to, there.tenant, ownID, ownSecret)
	wantImported(t, there.importing(to, b, ImportOptions{}), Imported{New: 1})
	i := there.identity(to)
	if there.fresh(to, i.Generation); !i.OwnApp {
		t.Error("it is the shared app's there")
	}
}

// Where the service gives no refresh token, nothing is made of the want of it.
func TestMovedWithoutARefreshToken(t *testing.T) {
	old := newWorld(t)
	from := old.process()
	old.connect(from)
	b := old.export(from, Selector{Service: Salesforce})
	b.Identities[0].RefreshToken = ""
	there := old.elsewhere()
	to := there.process()
	wantImported(t, there.importing(to, b, ImportOptions{}), Imported{New: 1})
	if i := there.identity(to); !i.KeepAliveAt.IsZero() {
		t.Errorf("it is kept alive at %v", i.KeepAliveAt)
	}
	again := there.export(to, Selector{Service: Salesforce}).Identities[0]
	if again.RefreshToken != "" || again.AccessToken != b.Identities[0].AccessToken {
		t.Errorf("exported again: %q", again.RefreshToken)
	}
	wantImported(t, there.importing(to, b, ImportOptions{Replace: true}), Imported{Replaced: 1})
	if n := there.pending() + there.srv.count("revoke"); n != 0 {
		t.Errorf("%d revocations", n)
	}
}

// An import doesn't take the place of the same authorization in the middle of its
// renewal: the file's token may be used up, and the one that comes would be revoked.
func TestImportInTheMiddleOfARenewal(t *testing.T) {
	for name, after := range map[string]bool{"before the rotation": false, "after it": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			v := w.process()
			i := w.connect(v)
			b := w.export(v, Selector{})
			err := w.renewUnder(v, i, after, func() {
				_, err := w.process().Import(t.Context(), b, ImportOptions{Replace: true})
				var busy *BusyError
				if !errors.As(err, &busy) || len(busy.IDs) != 1 || busy.IDs[0] != i.ID {
					t.Errorf("imported under a renewal: %v", err)
				}
			})
			if err != nil {
				t.Error(err)
			}
			wantImported(t, w.importing(v, b, ImportOptions{Replace: true}), Imported{Newer: 1})
			w.fresh(v, w.identity(v).Generation)
			w.wantLive(1)
			w.wantCalls(2)
		})
	}
}

// A renewal that begins just before the import is stored keeps its row, too.
func TestImportMeetsARenewal(t *testing.T) {
	w := newWorld(t)
	v := w.process()
	i := w.connect(v)
	b := w.export(v, Selector{})
	var store *meddler
	late := w.process(func(c *Config) { store = &meddler{fullStore: c.Store.(fullStore)}; c.Store = store })
	store.meddle = func() {
		if _, err := w.store.StartRenewal(t.Context(), i.ID, i.Generation, "another", time.Minute, true); err != nil {
			t.Error(err)
		}
	}
	_, err := late.Import(t.Context(), b, ImportOptions{Replace: true})
	wantError(t, "a renewal began meanwhile", err, ErrChanged)
}
