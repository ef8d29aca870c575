package cli

import (
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"gatepost/db/dbtest"
	"gatepost/identity"
	"gatepost/mocksalesforce"
	"gatepost/outbound"

	"github.com/spf13/cobra"
)

// configurations are all that is filled in from the environment.
func configurations() []any { return []any{&config{}, &storage{}, &identityConfig{}, &keysConfig{}} }

// valid is a value that each variable takes.
func valid(t *testing.T) map[string]string {
	dir := t.TempDir()
	return map[string]string{
		"GATEPOST_URL": "https://gatepost.example", "GATEPOST_ADDR": "127.0.0.1:20080", "GATEPOST_DATABASE": filepath.Join(dir, "g.db"),
		"GATEPOST_KEYSET": filepath.Join(dir, "keyset.json"), "GATEPOST_SFDC_CLIENT_ID": "app", "GATEPOST_SFDC_CLIENT_SECRET": "hidden-secret",
		"GATEPOST_SFDC_LOGIN_URL": "https://sf.example", "GATEPOST_SMTP": "smtp://user:hidden-secret@mail.example:587", "GATEPOST_MAIL_FROM": "Acme <a@acme.example>",
		"GATEPOST_SIGNUP_LIMITS": "off", "GATEPOST_API_LIMIT": "600000", "GATEPOST_TRUSTED_PROXIES": "10.0.0.0/8", "GATEPOST_LOG": "warn", "GATEPOST_HELP_URL": "https://help.example/gatepost?a=b", "GATEPOST_MIGRATE": "off", "GATEPOST_COMPACT_HOUR": "3",
	}
}

// wrongKind are values that no variable of the name may take.
func wrongKind(t *testing.T) map[string][]string {
	dir := t.TempDir()
	fifo, file := filepath.Join(dir, "fifo"), filepath.Join(dir, "file")
	if err := errors.Join(syscall.Mkfifo(fifo, 0o600), os.WriteFile(file, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	paths := []string{dir, dir + "/", fifo, "/dev/null", "file:" + dir + "/g.db", "file://" + dir + "/g.db", "FILE:g.db", "https://x.example/g.db"}
	address := []string{"gatepost.example", "http://gatepost.example", "https://gatepost.example/", "https://gatepost.example/x", "https://", "ftp://x.example", "https://bücher.example",
		"https://a.example,https://b.example", "https://*.example", "https://a.example:0x50", "https://a.example:99999", "https://a.example:", "https://a b.example"}
	client := []string{"two words", strings.Repeat("x", 501), "a\x00b"}
	return map[string][]string{
		"GATEPOST_URL": address, "GATEPOST_SFDC_LOGIN_URL": address,
		"GATEPOST_ADDR": {"8080", "127.0.0.1", "127.0.0.1:http", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:+80", "http://127.0.0.1:80", ":"},
		"GATEPOST_DATABASE": append(paths, "sqlite:g.db", "sqlite3://g.db", "mysql://h/d", ":memory:", "file::memory:",
			dir+"/none/g.db", file+"/g.db", dir+"/g.db?mode=ro"),
		"GATEPOST_KEYSET":         paths,
		"GATEPOST_SFDC_CLIENT_ID": client, "GATEPOST_SFDC_CLIENT_SECRET": client,
		"GATEPOST_SMTP":            {"mail.example:25", "http://mail.example", "smtp://", "smtp://mail.example:0", "smtp://u:hidden-secret@mail.example/x"},
		"GATEPOST_MAIL_FROM":       {"Acme", "a@", "@acme.example"},
		"GATEPOST_SIGNUP_LIMITS":   {"maybe", "1", "true", "ON!"},
		"GATEPOST_HELP_URL":        {"help", "http://help.example", "https://", "https:help.example", "https://user@help.example", "javascript:alert(1)", "mailto:", "mailto:help", "//help.example", "ftp://help.example"},
		"GATEPOST_API_LIMIT":       {"0", "-1", "+5", "many", "3,000", "1e3", "100000001", "off"},
		"GATEPOST_COMPACT_HOUR":    {"24", "-1", "noon", "3.5", "03:00"},
		"GATEPOST_MIGRATE":         {"maybe", "0", "auto", "OFF"},
		"GATEPOST_TRUSTED_PROXIES": {"10.0.0.300", "10.0.0.0/33", "localhost", "10.0.0.0/8 proxy.example", "10.*", "10.0.0.1:80", "::/129"},
		"GATEPOST_LOG":             {"loud", "info+2", "2", "trace"},
	}
}

// librarysWords are those of the parsers below, which tell an operator nothing.
var librarysWords = []string{"strconv", "netip.", "slog:", "env:", "parse ", "ParseAddr", "ParsePrefix", "syntax", "too many colons", "(26)", "goose", "sqlite_", "SQLITE", "mail: "}

// TestEveryVariableIsCheckedOrTrimmed walks all that is read from the environment.
func TestEveryVariableIsCheckedOrTrimmed(t *testing.T) {
	names := map[string]bool{}
	for _, c := range configurations() {
		for f := range fields(c) {
			names[f.Tag.Get("env")] = true
		}
	}
	good, bad := valid(t), wrongKind(t)
	for _, all := range []map[string]bool{keysOf(variables), keysOf(good), keysOf(bad)} {
		if !maps.Equal(names, all) {
			t.Fatalf("read are %v, and there are %v", slices.Sorted(maps.Keys(names)), slices.Sorted(maps.Keys(all)))
		}
	}
	clean, err := readConfig(good)
	if err != nil {
		t.Fatal(err)
	}
	same := func(c config) bool {
		return slices.Equal(c.TrustedProxies, clean.TrustedProxies) && equalConfigs(c, clean)
	}
	for name := range names {
		for _, around := range []string{" %", "% ", "%\n", "%\r\n", "\t%\n\n", "\ufeff%", "\u00a0%\u00a0"} {
			environ := maps.Clone(good)
			environ[name] = strings.ReplaceAll(around, "%", good[name])
			if c, err := readConfig(environ); err != nil || !same(c) {
				t.Errorf("%s=%q: %v", name, environ[name], err)
			}
		}
		for _, blank := range []string{"", " ", "\n", "\ufeff"} {
			environ, without := maps.Clone(good), maps.Clone(good)
			environ[name] = blank
			delete(without, name)
			c, err := readConfig(environ)
			want, wantErr := readConfig(without)
			if (err == nil) != (wantErr == nil) || !slices.Equal(c.TrustedProxies, want.TrustedProxies) || c.Addr != want.Addr || c.Database != want.Database || c.Level != want.Level {
				t.Errorf("%s=%q is not taken as none: %v", name, blank, err)
			}
		}
		for _, wrong := range append(bad[name], `"`+good[name]+`"`, `'`+good[name]+`'`, good[name]+"\x07"+good[name]) {
			environ := maps.Clone(good)
			environ[name] = wrong
			_, err := readConfig(environ)
			if err == nil {
				t.Errorf("%s=%q is taken", name, wrong)
				continue
			}
			if !strings.Contains(err.Error(), name) || strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "hidden-secret") {
				t.Errorf("%s=%q: %v", name, wrong, err)
			}
			for _, word := range librarysWords {
				if strings.Contains(err.Error(), word) {
					t.Errorf("%s=%q is told in a library's words: %v", name, wrong, err)
				}
			}
		}
	}
	// All at once, each in its line.
	environ := map[string]string{}
	for name := range names {
		environ[name] = bad[name][0]
	}
	_, err = readConfig(environ)
	for name := range names {
		if err == nil || !strings.Contains(err.Error(), "\n  "+name+": ") && !strings.Contains(err.Error(), name+", ") && !strings.Contains(err.Error(), ", "+name+": ") {
			t.Errorf("%s is not told of in %v", name, err)
		}
	}
}

func keysOf[V any](m map[string]V) map[string]bool {
	all := map[string]bool{}
	for k := range m {
		all[k] = true
	}
	return all
}

// equalConfigs compares all but the lists.
func equalConfigs(a, b config) bool {
	return a.Database == b.Database && a.Level == b.Level && a.Addr == b.Addr && a.URL == b.URL && a.Keyset == b.Keyset && a.ClientID == b.ClientID &&
		a.ClientSecret == b.ClientSecret && a.LoginURL == b.LoginURL && a.SignupLimits == b.SignupLimits && a.APILimit == b.APILimit && a.HelpURL == b.HelpURL && a.Migrate == b.Migrate && a.SMTP == b.SMTP && a.MailFrom == b.MailFrom
}

// Every secret may stand in a file, as containers bring them.
func TestSecretsInFiles(t *testing.T) {
	dir := t.TempDir()
	fifo, empty, large := filepath.Join(dir, "fifo"), filepath.Join(dir, "empty"), filepath.Join(dir, "large")
	err := errors.Join(syscall.Mkfifo(fifo, 0o600), os.WriteFile(empty, []byte(" \n"), 0o600), os.WriteFile(large, make([]byte, maxSecret+1), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	for name, v := range variables {
		good := valid(t)
		want, err := readConfig(good)
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte("\ufeff"+good[name]+"\r\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		value := good[name]
		delete(good, name)
		good[name+"_FILE"] = " " + file + "\n"
		if c, err := readConfig(good); v.secret && (err != nil || !equalConfigs(c, want)) || !v.secret && (err == nil || !strings.Contains(err.Error(), name+"_FILE is not read")) {
			t.Errorf("%s_FILE: %v", name, err)
		}
		if !v.secret {
			continue
		}
		for path, says := range map[string]string{fifo: "a pipe", dir: "a folder", "/dev/zero": "a device", empty: "is empty", large: "larger than", dir + "/none": "no such file"} {
			good[name+"_FILE"] = path
			if _, err := readConfig(good); err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), path) {
				t.Errorf("%s_FILE=%s: %v", name, path, err)
			}
		}
		good[name], good[name+"_FILE"] = value, file
		if _, err := readConfig(good); err == nil || !strings.Contains(err.Error(), "take one of them away") {
			t.Errorf("%s twice: %v", name, err)
		}
	}
}

func TestTrustedProxiesAreRead(t *testing.T) {
	for text, want := range map[string][]string{
		"10.0.0.0/8,fd00::/8":            {"10.0.0.0/8", "fd00::/8"},
		" 10.0.0.0/8 , fd00::/8 ,":       {"10.0.0.0/8", "fd00::/8"},
		"10.0.0.1 192.168.1.1\nfd00::1":  {"10.0.0.1/32", "192.168.1.1/32", "fd00::1/128"},
		"10.1.2.3/8;[::1]":               {"10.0.0.0/8", "::1/128"},
		"::ffff:10.0.0.1":                {"10.0.0.1/32"},
		"::ffff:10.0.0.0/104, fe80::1%1": {"10.0.0.0/8", "fe80::1/128"},
		"0.0.0.0/0":                      {"0.0.0.0/0"},
	} {
		var n networks
		if err := n.UnmarshalText([]byte(text)); err != nil {
			t.Errorf("%q: %v", text, err)
		}
		var got []string
		for _, p := range n {
			got = append(got, netip.Prefix.String(p))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

// Browsers leave out the usual port and write hosts in small letters: the address
// that they are compared with has to be written so too.
func TestAddressesAreAsBrowsersWriteThem(t *testing.T) {
	for given, want := range map[string]string{
		"https://Gatepost.Example": "https://gatepost.example", "HTTPS://gatepost.example:443": "https://gatepost.example", "https://gatepost.example:8443": "https://gatepost.example:8443",
		"http://localhost:80": "http://localhost", "http://[::1]:80": "http://[::1]", "https://gatepost.example:80": "https://gatepost.example:80", "": "",
	} {
		if got := normalAddress(given); got != want {
			t.Errorf("%q becomes %q, want %q", given, got, want)
		}
	}
}

// TestOnlySomeCommandsMakeADatabase walks all commands: but for those that are
// known to, none leaves a file behind where there was no database.
func TestOnlySomeCommandsMakeADatabase(t *testing.T) {
	seen := map[string]bool{}
	walkCommands(newProgram(nil, io.Discard, io.Discard, nil).root(nil), func(cmd *cobra.Command) {
		path := cmd.CommandPath()
		seen[path] = true
		if makesDatabase[path] || slices.Contains([]string{"gatepost mocksalesforce", "gatepost mockhubspot", "gatepost mockzoho", "gatepost version", "gatepost help"}, path) || strings.HasPrefix(path, "gatepost completion ") {
			return
		}
		t.Run(path, func(t *testing.T) {
			dir := t.TempDir()
			missing := filepath.Join(dir, "missing.db")
			environ := []string{"GATEPOST_DATABASE=" + missing, "GATEPOST_KEYSET=" + filepath.Join(dir, "keyset.json")}
			code, out, errOut := command(t, "a long enough password", environ, argsOf(cmd, dir)...)
			if code == 0 || !strings.Contains(errOut, "there is no database at "+missing) {
				t.Errorf("exit %d\n%s%s", code, out, errOut)
			}
			if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
				t.Errorf("it left %v, %v", left, err)
			}
		})
	})
	for path := range makesDatabase {
		if !seen[path] {
			t.Errorf("there is no command %s", path)
		}
	}
}

// walkCommands calls fn with each command that does something.
func walkCommands(cmd *cobra.Command, fn func(*cobra.Command)) {
	if len(cmd.Commands()) == 0 {
		fn(cmd)
	}
	for _, below := range cmd.Commands() {
		walkCommands(below, fn)
	}
}

// argsOf is a command line for a command with something for each of its arguments
// and required flags.
func argsOf(cmd *cobra.Command, dir string) []string {
	args := strings.Fields(cmd.CommandPath())[1:]
	for _, word := range strings.Fields(cmd.Use)[1:] {
		if strings.HasPrefix(word, "-") {
			break
		}
		args = append(args, map[string]string{"FILE": filepath.Join(dir, "x.age"), "SERVICE": "sfdc", "EMAIL": "john@contoso.example"}[word])
		if last := len(args) - 1; args[last] == "" {
			args[last] = "contoso"
		}
	}
	for flag, value := range map[string]string{"all": "true", "yes": "true", "password-stdin": "true", "passphrase-stdin": "true"} {
		if cmd.Flags().Lookup(flag) != nil {
			args = append(args, "--"+flag+"="+value)
		}
	}
	args = append(args, map[string][]string{"gatepost tenant set": {"--name", "Contoso"}, "gatepost erase": {"--tenant", "contoso"}, "gatepost apikey set": {"--name", "app"}, "gatepost newsletter add": {"--name", "Contoso"}, "gatepost database copy": {"--to", "postgres://127.0.0.1:1/none"}}[cmd.CommandPath()]...)
	if cmd.Name() == "add" && cmd.Flags().Lookup("tenant") != nil {
		args = append(args, "--tenant", "contoso")
	}
	return args
}

// Whoever starts a server sees which file it uses, and whether it made it.
func TestServeSaysWhichDatabaseItUses(t *testing.T) {
	environ := serveEnv(t)
	file := strings.TrimPrefix(environ[len(environ)-2], "GATEPOST_DATABASE=")
	for _, want := range []string{"Database: " + file + " (new)\n", "Database: " + file + "\n"} {
		p := start(t, environ, "serve")
		for !strings.HasPrefix(p.line(), "Portal: ") {
		}
		p.end()
		if got := p.errOut.String(); !strings.Contains(got, want) {
			t.Errorf("%q has no %q", got, want)
		}
	}
	other := filepath.Join(t.TempDir(), "other.db")
	if code, _, errOut := command(t, "", []string{"GATEPOST_DATABASE=" + other}, "tenant", "add", "contoso"); code != 0 || errOut != "Database: "+other+" (new)\n" {
		t.Errorf("exit %d, %q", code, errOut)
	}
	if code, _, errOut := command(t, "", []string{"GATEPOST_DATABASE=" + other}, "tenant", "add", "fabrikam"); code != 0 || errOut != "" {
		t.Errorf("exit %d, %q", code, errOut)
	}
}

// What is no data of ours, or open to everybody, is refused in our words.
func TestDataFilesThatAreRefused(t *testing.T) {
	open := func(change func(file string) error) (string, string) {
		t.Helper()
		file := dbtest.Path(t)
		if err := change(file); err != nil {
			t.Fatal(err)
		}
		code, _, errOut := command(t, "", []string{"GATEPOST_DATABASE=" + file}, "tenant", "ls")
		if code == 0 && errOut == "" {
			return file, ""
		}
		return file, errOut
	}
	for mode, refused := range map[os.FileMode]bool{0o600: false, 0o640: false, 0o660: false, 0o644: true, 0o604: true, 0o602: true, 0o666: true} {
		for _, suffix := range []string{"", "-wal", "-shm"} {
			file, got := open(func(file string) error {
				if suffix != "" {
					if err := os.WriteFile(file+suffix, nil, 0o600); err != nil {
						return err
					}
				}
				return os.Chmod(file+suffix, mode)
			})
			if strings.Contains(got, "run chmod 600 "+file+suffix) != refused || !refused && got != "" {
				t.Errorf("%04o of %q: %s", mode, suffix, got)
			}
		}
	}
	for name, change := range map[string]func(string) error{
		"it is not a database": func(file string) error { return os.WriteFile(file, []byte(strings.Repeat("no database ", 500)), 0o600) },
		"another program": func(file string) error {
			if err := os.Remove(file); err != nil {
				return err
			}
			mock, err := mocksalesforce.Open(t.Context(), mocksalesforce.Options{Data: file})
			if err != nil {
				return err
			}
			return errors.Join(mock.Close(), os.Chmod(file, 0o600))
		},
	} {
		_, got := open(change)
		if !strings.Contains(got, name) || strings.Contains(got, "(26)") || strings.Count(got, "\n") != 1 {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// A tenant's own host is called by a client that trusts nothing, whatever the operator
// has chosen meanwhile.
func TestTenantsHostsAreNotTrusted(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	environ := map[string]string{}
	for _, pair := range serveEnv(t, "GATEPOST_SFDC_LOGIN_URL="+server.URL) {
		name, value, _ := strings.Cut(pair, "=")
		environ[name] = value
	}
	c, err := readConfig(environ)
	if err != nil {
		t.Fatal(err)
	}
	gp, err := openPortal(t.Context(), c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = gp.db.Close() }()
	commands, err := openVault(t.Context(), gp.db, identityConfig{Keyset: c.Keyset, LoginURL: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	for name, v := range map[string]*identity.Vault{"serve": gp.vault, "commands": commands} {
		if res, err := v.HTTP.Get(server.URL); err != nil {
			t.Errorf("%s: the operator's address: %v", name, err)
		} else {
			_ = res.Body.Close()
		}
		if _, err := v.TenantHTTP.Get(server.URL); !errors.Is(err, outbound.ErrRefused) {
			t.Errorf("%s: as a tenant's host: %v", name, err)
		}
	}
}

// What is to be imported, and the key that opens it, are files.
func TestImportsOfWhatIsNoFile(t *testing.T) {
	_, _, environ := connected(t, "https://login.salesforce.com")
	dir := t.TempDir()
	fifo, file := filepath.Join(dir, "fifo"), filepath.Join(dir, "file")
	if err := errors.Join(syscall.Mkfifo(fifo, 0o600), os.WriteFile(file, []byte("x"), 0o600)); err != nil {
		t.Fatal(err)
	}
	for path, says := range map[string]string{fifo: "a pipe", dir: "a folder", "/dev/zero": "a device", dir + "/none": "no such file"} {
		for _, args := range [][]string{{"identity", "import", path, "--passphrase-stdin"}, {"identity", "import", file, "--key-file", path}} {
			if code, out, errOut := command(t, "a passphrase of some words", environ, args...); code != 1 || out != "" || !strings.Contains(errOut, says) {
				t.Errorf("%v: exit %d, %q, %q", args, code, out, errOut)
			}
		}
	}
}
