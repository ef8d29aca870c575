package e2e

import (
	"bytes"
	"context"
	"database/sql"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/playwright-community/playwright-go"
	_ "modernc.org/sqlite" // to read what the simulated Salesforce has issued
)

// TestKill kills the process right after a sign-up was answered, and starts it
// again on the same data: the Contact arrives, once.
func TestKill(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	v := newVisitor(t, d, profile{})
	v.enter()
	v.connect()
	v.open("/signup/contoso-weekly") // nothing polls while the server is away
	emails := []string{"first@reader.example", "second@reader.example", "third@reader.example", "fourth@reader.example"}
	for i, email := range emails {
		if i%2 == 1 { // so that the crash falls between the write to Salesforce and its answer
			d.control(t, "settings", `{"latency_ms":150}`)
		}
		d.signUp(t, email)
		d.kill()
		d = d.again(t)
	}
	d.control(t, "settings", `{"latency_ms":0}`)
	for _, email := range emails {
		if c := d.contact(t, email); c.FirstName != "Rita" || c.LastName != "Reader" {
			t.Errorf("the Contact of %s is %s %s, want Rita Reader", email, c.FirstName, c.LastName)
		}
	}
	v.d = d
	v.enter()
	v.visit("Subscribers")
	v.comes("4 subscribers, newest first.")
	for _, email := range emails {
		eventually(t, email+" is shown as delivered", func() bool {
			_, err := v.page.Reload()
			v.step(err, "reload")
			row, err := v.page.Locator("tbody tr").All()
			v.step(err, "list the rows")
			return slices.ContainsFunc(row, func(l playwright.Locator) bool {
				text, err := l.TextContent()
				return err == nil && strings.Contains(text, email) && strings.Contains(text, "In Salesforce")
			})
		})
		if n := len(d.contacts(t, email)); n != 1 {
			t.Errorf("%s is there %d times, want once", email, n)
		}
	}
}

// TestRestart stops the demo with Ctrl-C and starts it again on the same folder.
func TestRestart(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	v := newVisitor(t, d, profile{})
	v.enter()
	v.connect()
	v.open("/signup/contoso-weekly")
	old := d.password
	d.signUp(t, "last@reader.example")
	d.interrupt(t)
	v.d = d.again(t)
	if v.d.password == old {
		t.Error("the password is the same as before, want a new one")
	}
	v.d.contact(t, "last@reader.example")
	v.open("/login")
	v.logIn(v.d.user, old)
	v.says("don’t belong together")
	v.logIn(v.d.user, v.d.password)
	v.heading("Home")
}

// TestServeBeside runs serve on the demo's database and key file.
func TestServeBeside(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	v := newVisitor(t, d, profile{})
	v.enter()
	v.connect()

	beside := *d
	beside.portal = "http://" + freeAddress(t)
	beside.form = beside.portal + "/signup/contoso-weekly"
	beside.process = start(t, serveEnv(&beside), "serve")
	beside.line(t)
	w := newVisitor(t, &beside, profile{})
	w.enter()
	w.says("Connected")
	w.sample("beside@reader.example")
	w.comes("In Salesforce")
	beside.contact(t, "beside@reader.example")
	v.sample("demo@reader.example")
	d.contact(t, "demo@reader.example")

	d.control(t, "expire-access-tokens", "")
	d.signUp(t, "renewed@reader.example")
	beside.signUp(t, "renewed-too@reader.example")
	d.contact(t, "renewed@reader.example")
	d.contact(t, "renewed-too@reader.example")
	beside.interrupt(t)
	d.signUp(t, "alone@reader.example")
	d.contact(t, "alone@reader.example")
}

func serveEnv(d *demo) []string {
	return []string{
		"GATEPOST_ADDR=" + strings.TrimPrefix(d.portal, "http://"), "GATEPOST_URL=" + d.portal,
		"GATEPOST_DATABASE=" + d.database(), "GATEPOST_KEYSET=" + filepath.Join(d.data, "keyset.json"),
		"GATEPOST_SFDC_CLIENT_ID=gatepost-demo", "GATEPOST_SFDC_CLIENT_SECRET=gatepost-demo-secret",
		"GATEPOST_SFDC_LOGIN_URL=" + d.salesforce, "GATEPOST_LOG=debug",
	}
}

// freeAddress is an address that nobody listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer func() { _ = ln.Close() }()
	return ln.Addr().String()
}

// TestSetup makes the first tenant and admin of an empty serve by its link.
func TestSetup(t *testing.T) {
	t.Parallel()
	d := &demo{data: t.TempDir(), salesforce: "http://" + freeAddress(t), portal: "http://" + freeAddress(t)}
	d.process = start(t, serveEnv(d), "serve")
	d.line(t)
	link := d.line(t)
	v := newVisitor(t, d, profile{phone: true})
	v.open(link)
	v.heading("Welcome to Gatepost")
	v.look("setup")
	v.fill("Organisation", "Fabrikam")
	v.fill("URL name", "fabrikam")
	v.fill("Your e-mail address", janeOfFabrikam)
	v.fill("Password", "short")
	v.fill("Password again", "short")
	v.press("Set up Gatepost")
	v.step(expect.Locator(v.field("Organisation")).ToHaveValue("Fabrikam"), "find what was typed")
	v.look("setup-wrong")
	v.fill("Password", "a long enough password")
	v.fill("Password again", "a long enough password")
	v.press("Set up Gatepost")
	v.heading("Get started")
	v.says("Fabrikam")
	v.refused(link, http.StatusGone)
}

// TestSecrets looks for every token that Salesforce issued, and for what people
// typed, in the database, the logs and the pages.
func TestSecrets(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	v := newVisitor(t, d, profile{})
	v.open("/login")
	v.logIn(d.user, "a wrong password that nobody has")
	v.logIn(d.user, d.password)
	v.connect()
	v.look("connected")
	v.sample("secret@reader.example")
	d.contact(t, "secret@reader.example")
	secrets := d.issued(t)
	d.control(t, "expire-access-tokens", "")
	v.sample("again@reader.example")
	d.contact(t, "again@reader.example")
	secrets = append(secrets, d.issued(t)...)
	d.control(t, "revoke", "")
	v.sample("broken@reader.example")
	v.broken()
	v.look("broken")
	slices.Sort(secrets)
	if secrets = slices.Compact(secrets); len(secrets) < 5 { // a code, two refresh tokens, two access tokens
		t.Fatalf("Salesforce issued %d secrets, too few to prove anything", len(secrets))
	}
	secrets = append(secrets, d.password, "a wrong password that nobody has", "gatepost-demo-secret")

	places := d.files(t, "gatepost.db")
	for name, content := range d.files(t, "keyset") {
		places[name] = content
	}
	places["the log"] = strings.Replace(d.output.String(), "Sign in: "+d.user+" / "+d.password, "", 1)
	places["the pages"] = strings.Join(v.seen, "\n")
	if len(places) < 4 || places["the pages"] == "" || !bytes.Contains([]byte(places["gatepost.db"]+places["gatepost.db-wal"]), []byte("secret@reader.example")) {
		t.Fatal("the places to look at are not what they should be")
	}
	for place, content := range places {
		for _, secret := range secrets {
			if strings.Contains(content, secret) {
				t.Errorf("%s holds a secret: %.8s…", place, secret)
			}
		}
	}
}

// issued are the codes and tokens that the simulated Salesforce has given out
// and not forgotten, by what it keeps of them itself.
func (d *demo) issued(t *testing.T) []string {
	t.Helper()
	store, err := sql.Open("sqlite", "file:"+filepath.Join(d.data, "salesforce.db")+"?_pragma=busy_timeout(5000)")
	must(t, err)
	defer func() { _ = store.Close() }()
	rows, err := store.QueryContext(context.Background(), `SELECT code FROM codes UNION SELECT token FROM refresh_tokens
		UNION SELECT token FROM access_tokens`)
	must(t, err)
	defer func() { _ = rows.Close() }()
	var secrets []string
	for rows.Next() {
		var secret string
		must(t, rows.Scan(&secret))
		secrets = append(secrets, secret)
	}
	must(t, rows.Err())
	return secrets
}
