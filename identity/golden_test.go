package identity

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"gatepost/db/dbtest"
	"gatepost/seal"

	"filippo.io/age"
)

// writeGolden makes the golden files of a release, once, when its formats are what
// people will have on disk: go test ./identity -run TestGolden -write-golden 2026-11
var writeGolden = flag.String("write-golden", "", "release whose golden files are to be made")

// goldenPassphrase opens the golden bundles. It guards nothing.
const goldenPassphrase = "a passphrase that guards nothing"

// goldenValue is a secret as it was sealed for a row.
type goldenValue struct {
	Secret string    `json:"secret"`
	Place  [4]string `json:"place"` // the kind, the tenant, the service and the row
	Sealed string    `json:"sealed"`
}

func (v goldenValue) binding() seal.Binding {
	return seal.Binding{Kind: v.Place[0], TenantID: v.Place[1], Service: v.Place[2], RowID: v.Place[3]}
}

// goldenPlaces are of all kinds that secrets are sealed as.
var goldenPlaces = [][4]string{
	{kindAccess, "tenant", Salesforce, "row"}, {kindRefresh, "tenant", Salesforce, "row"}, {kindVerifier, "tenant", Salesforce, "state"},
	{kindClientSecret, "", Salesforce, Salesforce}, {kindClientSecret, "tenant", "acme", "acme"},
}

// goldenBundle is what the golden bundles hold.
var goldenBundle = Bundle{Format: bundleFormat, Version: 1, ExportedAt: goldenTime, Tenants: []BundleTenant{{Slug: "contoso", Name: "Contoso"}},
	Identities: []Movable{{Service: Salesforce, Tenant: "contoso", Tags: []string{"team a"}, OrgID: "00D000000000001AAA", OrgName: "Contoso", Sandbox: true,
		RemoteUserID: "005000000000001AAA", InstanceURL: "https://contoso.my.salesforce.com", LoginURL: "https://login.salesforce.com", Scopes: []string{"api", "refresh_token"},
		Native: json.RawMessage(`{"id":"x"}`), ConnectedBy: "john@contoso.example", ConnectedAt: goldenTime, RefreshedAt: goldenTime,
		AccessToken: "an access token", RefreshToken: "a refresh token"}}}

var goldenTime = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

// What any release has written is opened by every later one: people's databases,
// key files, backups and exports are of many ages.
func TestGoldenFilesOpen(t *testing.T) {
	if *writeGolden != "" {
		makeGolden(t, filepath.Join("testdata", "golden", *writeGolden))
	}
	releases, err := filepath.Glob(filepath.Join("testdata", "golden", "*"))
	if err != nil || len(releases) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	for _, dir := range releases {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			opensValues(t, dir)
			opensBundles(t, dir)
		})
	}
}

func opensValues(t *testing.T, dir string) {
	t.Helper()
	keyset, err := os.ReadFile(filepath.Join(dir, "keyset.json"))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "keyset.json") // private, as git can't keep it
	if err := os.WriteFile(file, keyset, 0o600); err != nil {
		t.Fatal(err)
	}
	fromFile, err := seal.OpenKeyring(t.Context(), file, dbtest.Open(t, dbtest.Path(t)), Sealed)
	if err != nil {
		t.Fatal(err)
	}
	fromText, err := seal.OpenKeyringText(t.Context(), string(keyset), dbtest.Open(t, dbtest.Path(t)), Sealed)
	if err != nil {
		t.Fatal(err)
	}
	var values []goldenValue
	readGolden(t, filepath.Join(dir, "sealed.json"), &values)
	if len(values) == 0 {
		t.Error("no values")
	}
	for _, v := range values {
		for from, keys := range map[string]*seal.Keyring{"file": fromFile, "text": fromText} {
			secret, err := keys.Open(t.Context(), v.Sealed, v.binding())
			if err != nil || secret != v.Secret {
				t.Errorf("keys from %s: %q opens to %q, %v", from, v.Place, secret, err)
			}
		}
	}
}

func opensBundles(t *testing.T, dir string) {
	t.Helper()
	passphrase, err := age.NewScryptIdentity(goldenPassphrase)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := os.Open(filepath.Join(dir, "bundle-key.txt"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = keys.Close() }()
	key, err := age.ParseIdentities(keys)
	if err != nil {
		t.Fatal(err)
	}
	for file, with := range map[string]age.Identity{"bundle-passphrase.age": passphrase, "bundle-key.age": key[0]} {
		var want Bundle
		readGolden(t, filepath.Join(dir, "bundle.json"), &want)
		got, err := ReadBundle(filepath.Join(dir, file), with)
		for i := range got.Identities { // as text it is the same, with other spaces
			got.Identities[i].Native = compact(t, got.Identities[i].Native)
			want.Identities[i].Native = compact(t, want.Identities[i].Native)
		}
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v, want %+v", file, got, err, want)
		}
	}
}

func compact(t *testing.T, raw json.RawMessage) json.RawMessage {
	t.Helper()
	var b bytes.Buffer
	if err := json.Compact(&b, raw); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func readGolden(t *testing.T, path string, to any) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(b, to)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// makeGolden writes a release's files. One that is there is never written again.
func makeGolden(t *testing.T, dir string) {
	t.Helper()
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	keys, err := seal.OpenKeyring(t.Context(), filepath.Join(dir, "keyset.json"), dbtest.Open(t, dbtest.Path(t)), Sealed)
	if err != nil {
		t.Fatal(err)
	}
	var values []goldenValue
	for _, place := range goldenPlaces {
		v := goldenValue{Secret: "secret of " + place[0], Place: place}
		err := keys.WithKey(t.Context(), func(k seal.Key) (err error) {
			v.Sealed, err = k.Seal(v.Secret, v.binding())
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		values = append(values, v)
	}
	write := func(name string, content any) {
		b, err := json.MarshalIndent(content, "", "  ")
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), append(b, '\n'), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	write("sealed.json", values)
	write("bundle.json", goldenBundle)
	passphrase, err := age.NewScryptRecipient(goldenPassphrase)
	if err != nil {
		t.Fatal(err)
	}
	key, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "bundle-key.txt"), []byte(key.String()+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for file, to := range map[string]age.Recipient{"bundle-passphrase.age": passphrase, "bundle-key.age": key.Recipient()} {
		if err := goldenBundle.WriteFile(filepath.Join(dir, file), false, to); err != nil {
			t.Fatal(err)
		}
	}
}
