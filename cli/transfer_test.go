package cli

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gatepost/db"
	"gatepost/identity"
	"gatepost/mocksalesforce"
	"gatepost/outbound"
	"gatepost/seal"

	agelib "filippo.io/age"
	"github.com/creack/pty"
)

// mover is somebody who moves connections between installations, beside a
// simulated Salesforce.
type mover struct {
	t       *testing.T
	mock    string
	secrets []string // all that must never be printed
}

func newMover(t *testing.T) *mover {
	t.Helper()
	sf, err := mocksalesforce.Open(t.Context(), mocksalesforce.Options{})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(sf.Handler())
	t.Cleanup(func() { srv.Close(); _ = sf.Close() })
	if err := sf.AddClient(t.Context(), mocksalesforce.Client{ID: "app", Secret: "app-secret", RedirectURIs: []string{"http://localhost/x"}}); err != nil {
		t.Fatal(err)
	}
	return &mover{t: t, mock: srv.URL}
}

// installation is the environment of one more Gatepost.
func (m *mover) installation() []string {
	dir := m.t.TempDir()
	return []string{"GATEPOST_DATABASE=" + filepath.Join(dir, "gatepost.db"), "GATEPOST_KEYSET=" + filepath.Join(dir, "keyset.json"),
		"GATEPOST_SFDC_CLIENT_ID=app", "GATEPOST_SFDC_CLIENT_SECRET=app-secret", "GATEPOST_SFDC_LOGIN_URL=" + m.mock}
}

// control calls the simulated Salesforce and reads what it answers.
func (m *mover) control(method, path, body string, into any) {
	m.t.Helper()
	r, err := http.NewRequestWithContext(m.t.Context(), method, m.mock+"/_control/"+path, strings.NewReader(body))
	if err != nil {
		m.t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		m.t.Fatal(err)
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(into); err != nil || res.StatusCode != 200 {
		m.t.Fatalf("%s: %d, %v", path, res.StatusCode, err)
	}
}

// authorized is an identity of the tenant's that Salesforce knows.
func (m *mover) authorized(tenant, user string) identity.Movable {
	m.t.Helper()
	var s struct {
		Access   string `json:"access_token"`
		Refresh  string `json:"refresh_token"`
		Instance string `json:"instance_url"`
		ID       string
	}
	m.control("POST", "session", `{"client_id":"app"}`, &s)
	m.secrets = append(m.secrets, s.Access, s.Refresh)
	id := strings.Split(s.ID, "/")
	return identity.Movable{Service: "sfdc", Tenant: tenant, User: user, Tags: []string{"of " + user}, OrgID: id[len(id)-2], OrgName: "Org", RemoteUserID: id[len(id)-1],
		InstanceURL: s.Instance, LoginURL: m.mock, Scopes: []string{"api", "id", "refresh_token"}, Native: json.RawMessage(`{"scope":"api"}`),
		ConnectedAt: time.Now().UTC(), RefreshedAt: time.Now().UTC(), AccessToken: s.Access, RefreshToken: s.Refresh}
}

// run runs a command and returns all that it printed, which is no secret.
func (m *mover) run(want int, in string, environ []string, args ...string) string {
	m.t.Helper()
	code, out, errOut := command(m.t, in, environ, append([]string{"identity"}, args...)...)
	if code != want {
		m.t.Fatalf("%v: exit %d\n%s%s", args, code, out, errOut)
	}
	for _, secret := range m.secrets {
		if strings.Contains(out+errOut, secret) {
			m.t.Errorf("%v printed a secret", args)
		}
	}
	if slices.Contains(args, "json") {
		return out
	}
	return out + errOut
}

func (m *mover) wants(said string, all ...string) {
	m.t.Helper()
	for _, text := range all {
		if !strings.Contains(said, text) {
			m.t.Errorf("no %q in\n%s", text, said)
		}
	}
}

func (m *mover) count(environ []string) int {
	m.t.Helper()
	var rows []identityRow
	if err := json.Unmarshal([]byte(m.run(0, "", environ, "ls", "-o", "json")), &rows); err != nil {
		m.t.Fatal(err)
	}
	return len(rows)
}

const movingPassphrase = "correct horse battery"

// Connections of one installation go on in another one, with other keys.
func TestConnectionsAreMoved(t *testing.T) {
	m := newMover(t)
	m.secrets = append(m.secrets, movingPassphrase, "app-secret")
	here, there, dir := m.installation(), m.installation(), t.TempDir()
	key, err := agelib.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	keyFile, first := filepath.Join(dir, "key.txt"), filepath.Join(dir, "first.age")
	m.secrets = append(m.secrets, key.String())
	if err := os.WriteFile(keyFile, []byte("# a comment\n"+key.String()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	bundle := identity.Bundle{Format: "gatepost identities", Version: 1, Tenants: []identity.BundleTenant{{Slug: "contoso", Name: "Contoso Ltd"}, {Slug: "fabrikam", Name: "Fabrikam"}},
		Identities: []identity.Movable{m.authorized("contoso", ""), m.authorized("contoso", "eve@x.example"), m.authorized("fabrikam", "")}}
	if err := bundle.WriteFile(first, false, key.Recipient()); err != nil {
		t.Fatal(err)
	}
	m.wants(m.run(0, "", here, "import", first, "--key-file", keyFile, "--create-tenants"), "Imported 3 connections new, 0 replaced", "made: contoso, fabrikam")

	file := filepath.Join(dir, "moving.age")
	for text, args := range map[string][]string{
		"say which":           {file},
		"leave it or":         {file, "--all", "--tenant", "contoso"},
		"too short":           {file, "--all", "--passphrase-stdin"},
		"no terminal":         {file, "--all"},
		"no public key":       {file, "--all", "--recipient", "age1nonsense"},
		"not to both":         {file, "--all", "--recipient", key.Recipient().String(), "--passphrase-stdin"},
		"no tenant":           {file, "--tenant", "nobody", "--recipient", key.Recipient().String()},
		"nothing was written": {file, "--user", "nobody", "--recipient", key.Recipient().String()},
		"there already":       {first, "--all", "--recipient", key.Recipient().String()},
	} {
		m.wants(m.run(1, "short\n", here, append([]string{"export"}, args...)...), text)
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("a refused export wrote a file")
	}
	var told exported
	out := m.run(0, movingPassphrase+"\n", here, "export", file, "--tenant", "contoso", "--passphrase-stdin", "-o", "json")
	if err := json.Unmarshal([]byte(out), &told); err != nil || told.Identities != 2 || told.Tenants != 1 || told.File != file {
		t.Errorf("told %+v, %v", told, err)
	}

	keyed := filepath.Join(dir, "keyed.age") // quicker to open
	m.wants(m.run(0, "", here, "export", keyed, "--service", "sfdc", "--tenant", "contoso", "--recipient", key.Recipient().String()), "2 connections of 1 tenant.", "Don't use them here and elsewhere")
	sealed, err := os.ReadFile(keyed)
	if err != nil {
		t.Fatal(err)
	}
	changed := filepath.Join(dir, "changed.age")
	if err := os.WriteFile(changed, append(bytes.Clone(sealed[:len(sealed)-1]), sealed[len(sealed)-1]^1), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		in, text string
		args     []string
	}{
		{"another one\n", "another passphrase", []string{file, "--passphrase-stdin"}},
		{"\n", "is empty", []string{file, "--passphrase-stdin"}},
		{"", "no terminal", []string{file}},
		{"", "another passphrase or key", []string{file, "--key-file", keyFile}},
		{"", "no secret key", []string{file, "--key-file", first}},
		{"", "cut off or changed", []string{changed, "--key-file", keyFile}},
		{"", "no such file", []string{filepath.Join(dir, "no"), "--key-file", keyFile}},
		{"", "don't exist here: contoso. Add them", []string{keyed, "--key-file", keyFile}},
	} {
		m.wants(m.run(1, c.in, there, append([]string{"import"}, c.args...)...), c.text)
	}
	if n := m.count(there); n != 0 {
		t.Errorf("%d were imported by what failed", n)
	}
	m.wants(m.run(0, "", there, "import", keyed, "--key-file", keyFile, "--create-tenants", "--dry-run"), "Nothing is changed. To be imported: 2 connections new")
	if n := m.count(there); n != 0 {
		t.Errorf("%d were imported by a dry run", n)
	}
	var done identity.Imported
	if err := json.Unmarshal([]byte(m.run(0, movingPassphrase, there, "import", file, "--passphrase-stdin", "--create-tenants", "-o", "json")), &done); err != nil || done.New != 2 || !slices.Equal(done.Tenants, []string{"contoso"}) {
		t.Errorf("imported %+v, %v", done, err)
	}
	m.wants(m.run(0, "", there, "import", keyed, "--key-file", keyFile), "2 connections here already, left alone")
	m.wants(m.run(0, "", here, "rm", "sfdc", "contoso", "--tag", "of eve@x.example", "--yes", "--keep-grant"), "Nothing is revoked")
	m.wants(m.run(0, "", here, "rm", "sfdc", "contoso", "--yes", "--keep-grant"), "Nothing is revoked")
	if n := m.count(here); n != 1 {
		t.Errorf("%d are left here", n)
	}
	m.wantWorking(there, "", "eve@x.example")
}

// wantWorking renews the connections of contoso's users in an installation, and
// calls Salesforce with them.
func (m *mover) wantWorking(environ []string, users ...string) {
	m.t.Helper()
	place := map[string]string{}
	for _, pair := range environ {
		name, value, _ := strings.Cut(pair, "=")
		place[name] = value
	}
	store, err := db.Open(m.t.Context(), place["GATEPOST_DATABASE"])
	if err != nil {
		m.t.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	keys, err := seal.OpenKeyring(m.t.Context(), place["GATEPOST_KEYSET"], store, identity.Sealed)
	if err != nil {
		m.t.Fatal(err)
	}
	vault, err := identity.New(identity.Config{Store: store, Keys: keys, HTTP: outbound.Client(outbound.Trust(m.mock)),
		Services: []identity.Service{identity.SalesforceService("app", "app-secret", "", m.mock)}})
	if err != nil {
		m.t.Fatal(err)
	}
	defer vault.Wait()
	tenant, err := store.TenantBySlug(m.t.Context(), "contoso")
	if err != nil || tenant.Name != "Contoso Ltd" {
		m.t.Fatalf("%+v, %v", tenant, err)
	}
	for _, user := range users {
		i, err := store.IdentityOf(m.t.Context(), "sfdc", tenant.ID, user, "")
		if err != nil {
			m.t.Fatal(err)
		}
		if _, err := vault.GetByID(m.t.Context(), i.ID, i.Generation); err != nil {
			m.t.Errorf("%q is not renewed: %v", user, err)
		}
		res, err := vault.Client(i.ID).Get(i.InstanceURL + "/services/data/v67.0/limits")
		if err != nil {
			m.t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, res.Body); err != nil || res.Body.Close() != nil || res.StatusCode != 200 {
			m.t.Errorf("%q: Salesforce answers %d, %v", user, res.StatusCode, err)
		}
	}
	var stats struct {
		Refreshes int
		Reused    int `json:"reuse_detected"`
	}
	m.control("GET", "stats", "", &stats)
	if stats.Refreshes != len(users) || stats.Reused != 0 {
		m.t.Errorf("Salesforce tells of %+v", stats)
	}
}

// Somebody at a terminal types the passphrase twice to seal, once to open.
func TestPassphraseIsAskedFor(t *testing.T) {
	m := newMover(t)
	_, _, environ := connected(t, m.mock)
	file := filepath.Join(t.TempDir(), "x.age")
	typed := func(text string, args ...string) string {
		t.Helper()
		keyboard, terminal, err := pty.Open()
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _, _ = keyboard.Close(), terminal.Close() }()
		if _, err := keyboard.WriteString(text); err != nil {
			t.Fatal(err)
		}
		var o output
		_ = Main(append([]string{"identity"}, args...), terminal, &o, &o, environ)
		if strings.Contains(o.String(), movingPassphrase) {
			t.Error("the passphrase is shown")
		}
		return o.String()
	}
	m.wants(typed(movingPassphrase+"\nsomething else\n", "export", file, "--all"), "Passphrase: ", "Passphrase again: ", "passphrases are not the same")
	// The connection can't be opened, so that a file without any is written.
	m.wants(typed(movingPassphrase+"\n"+movingPassphrase+"\n", "export", file, "--all"), "0 connections of 0 tenants", "Left out")
	m.wants(typed(movingPassphrase+"\n", "import", file), "Imported 0 connections")
}
