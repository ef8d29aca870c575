package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"gatepost/e2e/setup"
)

// quickstart is a reader of docs/quickstart.md: the folder and the addresses are others than
// those of the page, and all else is done as it says.
type quickstart struct {
	t        *testing.T
	folder   string // stands for the one with the sources
	sections map[string]string
	portal   string
	crm      simulated // the simulated Salesforce
	app      string    // address of the application
	env      []string  // of the terminal in which it is started
	process  *process  // the application
}

// The addresses that the page names.
const (
	pagePortal = "http://127.0.0.1:8080"
	pageCRM    = "http://127.0.0.1:8081"
	pageApp    = "http://127.0.0.1:3000"
)

// shellBlock is a block of commands of the page.
var shellBlock = regexp.MustCompile("(?s)```sh\n(.*?)```")

// startQuickstart starts Gatepost as the page says.
func startQuickstart(t *testing.T) *quickstart {
	t.Helper()
	q := &quickstart{t: t, folder: t.TempDir(), sections: map[string]string{}, env: []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}}
	page, err := os.ReadFile("../docs/quickstart.md")
	must(t, err)
	for _, section := range strings.Split(string(page), "\n## ")[1:] {
		title, text, _ := strings.Cut(section, "\n")
		for _, block := range shellBlock.FindAllStringSubmatch(text, -1) {
			q.sections[title] += block[1]
		}
	}
	must(t, os.CopyFS(filepath.Join(q.folder, "examples"), os.DirFS("../examples")))
	q.portal, q.crm, q.app = "http://"+freeAddress(t), simulated{t, "http://" + freeAddress(t)}, "http://"+freeAddress(t)
	addresses := fmt.Sprintf(" --addr %s --salesforce-addr %s --hubspot-addr 127.0.0.1:0 --zoho-addr 127.0.0.1:0\n", q.portal[len("http://"):], q.crm.url[len("http://"):])
	demo := q.run(strings.TrimSuffix(q.sections["Start Gatepost"], "\n") + addresses)
	if line := demo.line(t); line != "Portal: "+q.portal {
		t.Fatalf("the demo says %q", line)
	}
	return q
}

// prepared are commands that aren't given to the shell: what they get or build is there for
// all tests, or their program may be missing.
var prepared = []struct {
	command *regexp.Regexp
	do      func(q *quickstart, args []string)
}{
	{regexp.MustCompile(`^go build -o gatepost \.$`), func(q *quickstart, _ []string) { must(q.t, os.Symlink(binary, filepath.Join(q.folder, "gatepost"))) }},
	{regexp.MustCompile(`^go build -o (\S+/) (\S+)$`), func(q *quickstart, args []string) {
		build := exec.Command("go", "build", "-o", filepath.Join(q.folder, args[1])+"/", args[2])
		build.Dir = ".."
		must(q.t, setup.Run(10*time.Minute, build))
	}},
	{regexp.MustCompile(`^npm ci$`), func(q *quickstart, _ []string) {
		modules, err := nodeModules("../examples/express")
		must(q.t, err)
		must(q.t, os.Symlink(modules, filepath.Join(q.folder, "examples/express/node_modules")))
	}},
	{regexp.MustCompile(`^curl (\S+) -d '(.*)'$`), func(q *quickstart, args []string) {
		res, err := http.Post(args[1], "application/x-www-form-urlencoded", strings.NewReader(args[2]))
		must(q.t, err)
		if must(q.t, res.Body.Close()); res.StatusCode != http.StatusOK {
			q.t.Fatalf("%s: %s", args[0], res.Status)
		}
	}},
}

// script is what the shell is given of commands of the page.
func (q *quickstart) script(commands string) []string {
	q.t.Helper()
	if strings.TrimSpace(commands) == "" {
		q.t.Fatal("a section of the page has no commands")
	}
	commands = strings.NewReplacer(pagePortal, q.portal, pageCRM, q.crm.url, pageApp, q.app).Replace(strings.TrimSpace(commands))
	script := []string{"set -eu"}
lines:
	for line := range strings.Lines(commands) {
		line = strings.TrimSuffix(line, "\n")
		for _, p := range prepared {
			if args := p.command.FindStringSubmatch(line); args != nil {
				p.do(q, args)
				continue lines
			}
		}
		script = append(script, line)
	}
	return script
}

// run does the commands, of which the last one goes on running.
func (q *quickstart) run(commands string) *process {
	q.t.Helper()
	script := q.script(commands)
	script[len(script)-1] = "exec " + script[len(script)-1]
	return startIn(q.t, q.folder, append(q.env, "APP_URL="+q.app), "/bin/sh", "-c", strings.Join(script, "\n"))
}

// export does the commands, and keeps what they export for those that come.
func (q *quickstart) export(commands string) {
	q.t.Helper()
	sh := exec.Command("/bin/sh", "-c", strings.Join(append(q.script(commands), "env"), "\n"))
	sh.Dir, sh.Env = q.folder, q.env
	out, err := sh.Output()
	must(q.t, err)
	q.env = strings.Split(strings.TrimSpace(string(out)), "\n")
}

// variable is what a variable of the terminal holds.
func (q *quickstart) variable(name string) string {
	q.t.Helper()
	i := slices.IndexFunc(q.env, func(v string) bool { return strings.HasPrefix(v, name+"=") })
	if i < 0 {
		q.t.Fatalf("the page doesn't export %s", name)
	}
	return strings.TrimPrefix(q.env[i], name+"=")
}

// begin makes a key and starts the application of a language.
func (q *quickstart) begin(language string) {
	q.t.Helper()
	q.export(q.sections["Make a key"])
	q.process = q.run(q.sections[language])
	if line := q.process.line(q.t); line != "Newsletter: "+q.app {
		q.t.Fatalf("the application says %q", line)
	}
}

// Each language leads to a Contact, and its application does all that the tutorial's did.
func TestQuickstartInNode(t *testing.T) {
	t.Parallel()
	q := startQuickstart(t)
	q.begin("Node")
	john := q.story()
	q.moves(john)
	q.waits(john)
}

func TestQuickstartInPython(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("python3"); err != nil {
		must(t, setup.Install(say, "python3"))
	}
	q := startQuickstart(t)
	q.begin("Python")
	q.waits(q.story())
}

func TestQuickstartInGo(t *testing.T) {
	t.Parallel()
	q := startQuickstart(t)
	q.app = "http://127.0.0.1:8090"
	q.process = q.run(q.sections["Go"])
	eventually(t, "the application answers", func() bool {
		res, err := http.Get(q.app)
		return err == nil && res.Body.Close() == nil
	})
	john := newGuest(t)
	john.open(q.app)
	john.sees(200, "Salesforce is not connected.")
	john.allow("Connect")
	john.sees(200, "Connected to "+q.crm.url)
	john.press("Subscribe", "email", "rita@readers.example")
	john.sees(200, "Thank you for signing up")
	q.crm.contact("rita@readers.example")
}

// story is what somebody can do with the application in each language.
func (q *quickstart) story() *guest {
	q.t.Helper()
	john := q.logsIn("john")
	q.connects(john)
	q.signsUp(john)
	q.renews(john)
	q.isntForwarded(john)
	q.disconnects(john)
	q.reconnects(john)
	if said := q.process.output.String(); strings.Contains(said, "code=") || strings.Contains(said, "gp_") || strings.Contains(said, "@") {
		q.t.Errorf("the application's log has what is secret or personal:\n%s", said)
	}
	return john
}

// logsIn is a browser in which a user is logged in to the application.
func (q *quickstart) logsIn(user string) *guest {
	q.t.Helper()
	g := newGuest(q.t)
	g.open(q.app + "/connected?code=x&state=")
	g.sees(200, "User")
	g.press("Log in", "user", "nobody")
	g.sees(403, "There is no such user.")
	g.open(q.app)
	g.press("Log in", "user", user)
	g.sees(200, "Salesforce is not connected.")
	return g
}

// allow presses a button of the application that leads to Salesforce, and there logs in and
// lets Gatepost in.
func (g *guest) allow(button string) {
	g.t.Helper()
	g.press(button)
	if strings.HasPrefix(g.at.Path, "/login") {
		g.press("Log In", "username", johnOfContoso, "password", "salesforce")
	}
	g.press("Allow")
}

// connects connects John's Salesforce: not when he denies it, and in the browser alone in
// which he began.
func (q *quickstart) connects(john *guest) {
	q.t.Helper()
	john.press("Connect")
	john.press("Log In", "username", johnOfContoso, "password", "salesforce")
	john.press("Deny")
	john.sees(403, "Salesforce was not connected: access_denied.")
	john.open(q.app)
	john.before = q.app + "/connected"
	john.allow("Connect")
	back := john.at.String()
	john.before = ""
	for _, user := range []string{"john", "mary"} { // John in another browser
		other := q.logsIn(user)
		other.open(back)
		other.sees(403, "You didn’t begin this here, so nothing was connected.")
		other.open(q.app)
		other.press("Connect") // one of its own, which isn't that one
		other.open(back)
		other.sees(403, "You didn’t begin this here, so nothing was connected.")
		other.open(q.app)
		other.sees(200, "Salesforce is not connected.")
	}
	john.open(back)
	john.sees(200, "Connected to "+q.crm.url)
	john.open(back)
	john.sees(403, "You didn’t begin this here, so nothing was connected.")
	john.open(q.app + "/integrations")
	john.sees(200, "Connected to "+q.crm.url)
}

// signsUp puts a reader into Salesforce.
func (q *quickstart) signsUp(john *guest) {
	q.t.Helper()
	john.open(q.app + "/newsletter/signup")
	john.press("Subscribe", "email", "rita@readers.example")
	john.sees(200, "Thank you for signing up to the newsletter! In Salesforce you are "+q.crm.contact("rita@readers.example").ID)
	john.open(q.app + "/newsletter/signup")
	john.press("Subscribe", "email", "no address")
	john.sees(502, "That didn’t work. Please try again later.")
}

// renews shows that a token that Salesforce refuses is renewed, once.
func (q *quickstart) renews(john *guest) {
	q.t.Helper()
	q.crm.control("expire-access-tokens", "")
	john.open(q.app + "/newsletter/signup")
	john.press("Subscribe", "email", "robin@readers.example")
	john.sees(200, "Thank you for signing up")
	q.crm.contact("robin@readers.example")
	if n := q.crm.stats().Refreshes; n != 1 {
		q.t.Errorf("%d renewals, want 1", n)
	}
}

// isntForwarded shows that a link that Mary began, and that John was sent, connects John's
// Salesforce for neither of them: the application doesn't complete it, and if it did, Gatepost
// wouldn't.
func (q *quickstart) isntForwarded(john *guest) {
	q.t.Helper()
	mary, grants := q.logsIn("mary"), q.crm.grants()
	mary.before = q.portal
	mary.press("Connect")
	john.before = q.app + "/connected"
	john.open(mary.at.String())
	if strings.HasPrefix(john.at.Path, "/login") {
		john.press("Log In", "username", johnOfContoso, "password", "salesforce")
	}
	john.press("Allow")
	john.before = ""
	back := john.at
	john.open(back.String())
	john.sees(403, "You didn’t begin this here, so nothing was connected.")
	mary.open(q.app)
	mary.sees(200, "Salesforce is not connected.")
	in, err := json.Marshal(map[string]string{"code": back.Query().Get("code"), "tenant": "contoso", "user": "john"})
	must(q.t, err)
	if said := q.call(http.MethodPost, "/authorizations/"+back.Query().Get("authorization")+"/complete", in); !strings.Contains(said, "other_user") {
		q.t.Errorf("completed for John: %s", said)
	}
	if n := q.crm.grants(); n != grants {
		q.t.Errorf("%d authorizations are in force, want %d", n, grants)
	}
}

// call calls the HTTP API with the application's key, and returns the answer.
func (q *quickstart) call(method, path string, body []byte) string {
	q.t.Helper()
	req, err := http.NewRequest(method, q.portal+"/api/v1"+path, bytes.NewReader(body))
	must(q.t, err)
	req.Header = http.Header{"Authorization": {"Bearer " + q.variable("GATEPOST_API_KEY")}, "Content-Type": {"application/json"}}
	res, err := noRedirects.Do(req)
	must(q.t, err)
	defer func() { _ = res.Body.Close() }()
	said, err := io.ReadAll(res.Body)
	must(q.t, err)
	return string(said)
}

// disconnects ends the access at Salesforce too.
func (q *quickstart) disconnects(john *guest) {
	q.t.Helper()
	john.open(q.app)
	john.press("Disconnect")
	john.sees(200, "Salesforce is not connected.")
	if n := q.crm.grants(); n != 0 {
		q.t.Errorf("%d authorizations are in force at Salesforce, want none", n)
	}
	john.open(q.app + "/newsletter/signup")
	john.press("Subscribe", "email", "rudi@readers.example")
	john.sees(404, "Salesforce is not connected.")
}

// reconnects mends what an admin of the org has ended.
func (q *quickstart) reconnects(john *guest) {
	q.t.Helper()
	john.allow("Connect")
	john.sees(200, "Connected to "+q.crm.url)
	q.crm.control("revoke", "")
	john.open(q.app + "/newsletter/signup")
	john.press("Subscribe", "email", "rolf@readers.example")
	john.sees(409, "This identity has to be authorized again.")
	john.open(q.app)
	john.sees(200, "This identity has to be authorized again.")
	john.allow("Reconnect")
	john.sees(200, "Connected to "+q.crm.url)
}

// scriptBlock is a block of a script that runs in Node.
var scriptBlock = regexp.MustCompile("(?s)```js\n(.*?)```")

// moves does the calls with which docs/everyauth.md replaces those of EveryAuth, for who is
// connected.
func (q *quickstart) moves(john *guest) {
	q.t.Helper()
	eventually(q.t, "when the token runs out is known", func() bool {
		return strings.Contains(q.call(http.MethodGet, "/identities", nil), `"expires_at"`)
	})
	page, err := os.ReadFile("../docs/everyauth.md")
	must(q.t, err)
	var script strings.Builder
	for _, block := range scriptBlock.FindAllStringSubmatch(string(page), -1) {
		script.WriteString(strings.ReplaceAll(block[1], "https://app.example", q.app))
	}
	script.WriteString(`console.log(JSON.stringify([credential.native.instance_url, newer.generation > credential.generation, same.accessToken === newer.accessToken,
		identities.length, next, revoked, receipts, more, none, credential.native.expires_at === Date.parse(credential.expiresAt)]));`)
	file := filepath.Join(q.folder, "moves.mjs")
	must(q.t, os.WriteFile(file, []byte(script.String()), 0o600))
	node := exec.Command("node", file)
	node.Env = q.env
	out, err := node.CombinedOutput()
	if want := fmt.Sprintf(`["%s",true,true,1,null,true,[],false,null,true]`, q.crm.url); err != nil || !strings.Contains(string(out), want) {
		q.t.Errorf("the calls answer %v\n%s\nwant %s", err, out, want)
	}
	john.open(q.app)
	john.sees(200, "Salesforce is not connected.")
	john.allow("Connect")
	john.sees(200, "Connected to "+q.crm.url)
}

// waits shows that the user is told to come back later while no token can be had.
func (q *quickstart) waits(john *guest) {
	q.t.Helper()
	q.crm.control("expire-access-tokens", "")
	q.crm.control("fail", `{"on": "token", "status": 503, "count": 10}`)
	john.open(q.app + "/newsletter/signup")
	john.press("Subscribe", "email", "rosa@readers.example")
	john.sees(503, "No credential can be had for now.")
	if john.header.Get("Retry-After") == "" {
		q.t.Error("when to come back isn't said")
	}
	if found := q.crm.contacts("rosa@readers.example"); len(found) != 0 {
		q.t.Errorf("%v", found)
	}
}
