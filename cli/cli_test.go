package cli

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gatepost/db"
)

const password = "four words of secret"

// patience is how long a process may take for what it does at once on a machine
// that has nothing else to do.
const patience = 2 * time.Minute

// output is what a command printed; it can be read while the command runs.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) { o.mu.Lock(); defer o.mu.Unlock(); return o.b.Write(p) }
func (o *output) String() string              { o.mu.Lock(); defer o.mu.Unlock(); return o.b.String() }

// command runs a command to its end and returns its exit code and what it printed.
func command(t *testing.T, in string, environ []string, args ...string) (code int, out, errOut string) {
	t.Helper()
	var o, e output
	code = Main(args, strings.NewReader(in), &o, &e, environ)
	return code, o.String(), e.String()
}

// process is a command that runs until it is stopped.
type process struct {
	t           *testing.T
	out, errOut output
	lines       chan string
	stop        context.CancelFunc
	done        chan error
}

func start(t *testing.T, environ []string, args ...string) *process {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	p := &process{t: t, stop: cancel, done: make(chan error, 1), lines: make(chan string, 100)}
	r, w := io.Pipe()
	go func() {
		for s := bufio.NewScanner(r); s.Scan(); {
			p.lines <- s.Text()
		}
		close(p.lines)
	}()
	go func() {
		err := Run(ctx, args, strings.NewReader(""), io.MultiWriter(&p.out, w), &p.errOut, environ)
		_ = w.Close()
		p.done <- err
		close(p.done)
	}()
	t.Cleanup(func() {
		cancel()
		select {
		case <-p.done:
		case <-time.After(patience):
			t.Error("does not end")
		}
	})
	return p
}

// line is the next line that is printed.
func (p *process) line() string {
	p.t.Helper()
	select {
	case line, ok := <-p.lines:
		if !ok {
			p.t.Fatalf("ended: %s", p.errOut.String())
		}
		return line
	case <-time.After(patience):
		p.t.Fatalf("nothing is printed: %s", p.errOut.String())
	}
	return ""
}

// end stops the process, which must take it well, and returns what it printed.
func (p *process) end() string {
	p.t.Helper()
	p.stop()
	select {
	case err := <-p.done:
		if err != nil {
			p.t.Errorf("ended with %v", err)
		}
	case <-time.After(patience):
		p.t.Fatal("does not end")
	}
	return p.out.String()
}

func serveEnv(t *testing.T, more ...string) []string {
	t.Helper()
	dir := t.TempDir()
	return append([]string{"GATEPOST_URL=http://localhost:8080", "GATEPOST_ADDR=127.0.0.1:0", "GATEPOST_SFDC_CLIENT_ID=app", "GATEPOST_SFDC_CLIENT_SECRET=hidden-secret",
		"GATEPOST_DATABASE=" + filepath.Join(dir, "gatepost.db"), "GATEPOST_KEYSET=" + filepath.Join(dir, "keyset.json")}, more...)
}

func TestServeTellsAllProblemsAtOnce(t *testing.T) {
	code, out, errOut := command(t, "", []string{"GATEPOST_URL=http://gatepost.example/", "GATEPOST_ADDR=8080", "GATEPOST_SFDC_CLIENT_SECRET=hidden-secret",
		"GATEPOST_SFDC_LOGIN_URL=http://sf.example", "GATEPOST_SIGNUP_LIMITS=maybe", "GATEPOST_TRUSTED_PROXIES=10.0.0.0/8,10.0.0.300", "GATEPOST_LOG=loud",
		"GATEPOST_DATABASE=" + filepath.Join(t.TempDir(), "x.db")}, "serve")
	if code != 1 || out != "" {
		t.Errorf("exit %d, %q", code, out)
	}
	for _, name := range []string{"GATEPOST_URL", "GATEPOST_ADDR", "GATEPOST_SFDC_LOGIN_URL", "GATEPOST_SIGNUP_LIMITS", "GATEPOST_TRUSTED_PROXIES", "GATEPOST_LOG"} {
		if strings.Count(errOut, "\n  "+name+": ") != 1 {
			t.Errorf("%s is not told once in %s", name, errOut)
		}
	}
	if strings.Contains(errOut, "GATEPOST_SFDC_CLIENT_SECRET") || strings.Contains(errOut, "hidden-secret") {
		t.Error(errOut)
	}
}

func TestAddressesThatAreNone(t *testing.T) {
	for address, ok := range map[string]bool{
		"https://gatepost.example": true, "https://gatepost.example:8443": true, "http://localhost:8080": true, "http://127.0.0.1": true, "http://[::1]:80": true,
		"": false, "gatepost.example": false, "http://gatepost.example": false, "https://gatepost.example/": false, "https://gatepost.example/x": false,
		"https://user@gatepost.example": false, "https://gatepost.example?x": false, "https://": false, "https://:80": false, "ftp://localhost": false,
		"http://localhost.evil.example": false, "http://127.0.0.1.evil.example": false, "https://x\n": false, "//gatepost.example": false,
	} {
		if got := checkURL(address, "it"); (got == "") != ok {
			t.Errorf("%q: %q", address, got)
		}
	}
}

func TestServeFailsWithOneClearLine(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	dir := t.TempDir()
	corrupt := filepath.Join(dir, "corrupt.db")
	open := filepath.Join(dir, "open.json")
	garbled := filepath.Join(dir, "garbled.json")
	for file, mode := range map[string]os.FileMode{corrupt: 0o600, open: 0o644, garbled: 0o600} {
		if err := os.WriteFile(file, bytes.Repeat([]byte("no key, no database. "), 500), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(file, mode); err != nil { // whatever the umask is
			t.Fatal(err)
		}
	}
	sealed := filepath.Join(dir, "sealed.db")
	store, err := db.Open(t.Context(), sealed)
	if err != nil {
		t.Fatal(err)
	}
	if err := store.SwitchSealingKey(t.Context(), 0, 17); err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		environ []string
		says    string
	}{
		"a taken port":            {[]string{"GATEPOST_ADDR=" + taken.Addr().String()}, "can't listen on " + taken.Addr().String() + ": bind: address already in use"},
		"no such address":         {[]string{"GATEPOST_ADDR=192.0.2.1:80"}, "can't listen on 192.0.2.1:80"},
		"a folder":                {[]string{"GATEPOST_DATABASE=" + dir}, dir},
		"a corrupt database":      {[]string{"GATEPOST_DATABASE=" + corrupt}, "not a database"},
		"PostgreSQL is away":      {[]string{"GATEPOST_DATABASE=postgres://u:hidden-secret@127.0.0.1:1/d"}, "the server can't be reached"},
		"the key file is gone":    {[]string{"GATEPOST_DATABASE=" + sealed}, "keyset.json is missing"},
		"others can read it":      {[]string{"GATEPOST_KEYSET=" + open}, "chmod 600"},
		"it is no key file":       {[]string{"GATEPOST_KEYSET=" + garbled}, "no valid keyset"},
		"a database under a file": {[]string{"GATEPOST_DATABASE=" + corrupt + "/x.db"}, "not a directory"},
	} {
		t.Run(name, func(t *testing.T) {
			code, out, errOut := command(t, "", serveEnv(t, tt.environ...), "serve")
			if code != 1 || out != "" || !strings.Contains(errOut, tt.says) || strings.Count(errOut, "\n") != 1 || !strings.HasPrefix(errOut, "gatepost: ") {
				t.Errorf("exit %d, %q, %q", code, out, errOut)
			}
			if strings.Contains(errOut, "hidden-secret") {
				t.Error("a secret is printed")
			}
		})
	}
	for _, args := range [][]string{{"demo", "--addr", taken.Addr().String()}, {"demo", "--addr", "127.0.0.1:0", "--salesforce-addr", taken.Addr().String()},
		append(slices.Clone(demoAnywhere), "--hubspot-addr", taken.Addr().String()), append(slices.Clone(demoAnywhere), "--zoho-addr", taken.Addr().String()), {"mocksalesforce", "--addr", taken.Addr().String()}, {"mockhubspot", "--addr", taken.Addr().String()}, {"mockzoho", "--addr", taken.Addr().String()}} {
		if code, out, errOut := command(t, "", nil, args...); code != 1 || out != "" || !strings.Contains(errOut, "address already in use") || strings.Count(errOut, "\n") != 1 {
			t.Errorf("%v: exit %d, %q, %q", args, code, out, errOut)
		}
	}
}

// person is a browser that follows redirects.
type person struct {
	t *testing.T
	c *http.Client
}

func visitor(t *testing.T) person {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return person{t, &http.Client{Jar: jar, Transport: &http.Transport{}}}
}

func (v person) read(resp *http.Response, err error) (string, string) {
	v.t.Helper()
	if err != nil {
		v.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	return resp.Request.URL.Path, string(b)
}

func (v person) get(address string) (path, body string) {
	v.t.Helper()
	return v.read(v.c.Get(address))
}

// front is a server whose address is known before the portal behind it runs: a
// port that was found free could be somebody else's by then.
type front struct {
	*httptest.Server
	t  *testing.T
	to atomic.Pointer[url.URL]
}

func newFront(t *testing.T) *front {
	t.Helper()
	f := &front{t: t}
	f.Server = httptest.NewServer(&httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(f.to.Load()); r.Out.Host = r.In.Host },
		Transport: &http.Transport{DisableKeepAlives: true},
	})
	t.Cleanup(f.Close)
	return f
}

// leadTo has the front lead to the portal that printed a line.
func (f *front) leadTo(line string) {
	f.t.Helper()
	addr, ok := strings.CutPrefix(line, "Portal: "+f.URL+" (listening on ")
	if !ok {
		f.t.Fatal(line)
	}
	f.to.Store(&url.URL{Scheme: "http", Host: strings.TrimSuffix(addr, ")")})
}

// submit fills in the form of the page at an address.
func (v person) submit(page, action string, pairs ...string) (path, body string) {
	v.t.Helper()
	_, body = v.get(page)
	form := url.Values{}
	if m := regexp.MustCompile(`name="csrf" value="([^"]+)"`).FindStringSubmatch(body); m != nil {
		form.Set("csrf", m[1])
	}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	return v.read(v.c.PostForm(action, form))
}

var demoLines = []*regexp.Regexp{
	regexp.MustCompile(`^Portal: (http://127\.0\.0\.1:\d+)$`),
	regexp.MustCompile(`^Sign in: john@contoso\.example / (\S+)$`),
	regexp.MustCompile(`^Sign-up form: (http://127\.0\.0\.1:\d+/signup/contoso-weekly)$`),
	regexp.MustCompile(`^Simulated Salesforce: (http://127\.0\.0\.1:\d+)$`),
	regexp.MustCompile(`^Simulated HubSpot: (http://127\.0\.0\.1:\d+)$`),
	regexp.MustCompile(`^Simulated Zoho: (http://127\.0\.0\.1:\d+)$`),
}

// demoAnywhere is the demo on ports that are free.
var demoAnywhere = []string{"demo", "--addr", "127.0.0.1:0", "--salesforce-addr", "127.0.0.1:0", "--hubspot-addr", "127.0.0.1:0", "--zoho-addr", "127.0.0.1:0"}

// demo starts the demo in a folder and returns what its lines say.
func demo(t *testing.T, data string) (p *process, portal, password, form, salesforce string) {
	t.Helper()
	p, said := demoSaying(t, data)
	return p, said[0], said[1], said[2], said[3]
}

func demoSaying(t *testing.T, data string) (p *process, said [6]string) {
	t.Helper()
	p = start(t, nil, append(slices.Clone(demoAnywhere), "--data", data)...)
	for i, want := range demoLines {
		line := p.line()
		m := want.FindStringSubmatch(line)
		if m == nil {
			t.Fatalf("line %d is %q", i+1, line)
		}
		said[i] = m[1]
	}
	return p, said
}

func TestDemoKeepsEverythingOverARestart(t *testing.T) {
	data := filepath.Join(t.TempDir(), "new", "folder")
	p, portal, first, form, salesforce := demo(t, data)
	v := visitor(t)
	if path, body := v.submit(form, form, "email", "jane@reader.test"); path != "/signup/contoso-weekly/thanks" {
		t.Fatalf("%s: %s", path, body)
	}
	if _, body := v.get(portal + "/login"); !strings.Contains(body, demoUser) {
		t.Error("the login page does not say whom to sign in as")
	}
	if path, _ := v.submit(portal+"/login", portal+"/login", "email", demoUser, "password", first); path != "/" {
		t.Errorf("signed in to %s", path)
	}
	if _, body := v.get(salesforce + "/_control/stats"); !strings.Contains(body, "token_calls") {
		t.Errorf("Salesforce answers %s", body)
	}
	if out := p.end(); strings.Count(out, "\n") != len(demoLines) {
		t.Errorf("printed %q", out)
	}
	if _, err := http.Get(portal + "/healthz"); err == nil {
		t.Error("it still answers")
	}
	for name, secret := range map[string]bool{"gatepost.db": true, "keyset.json": true, "salesforce.db": false, "hubspot.db": false, "zoho.db": false} {
		if info, err := os.Stat(filepath.Join(data, name)); err != nil || info.Mode().Perm()&0o077 != 0 && secret {
			t.Errorf("%s: %v %v", name, info, err)
		}
	}

	p, portal, second, _, _ := demo(t, data)
	if first == second {
		t.Error("the password is the same")
	}
	v = visitor(t)
	if path, _ := v.submit(portal+"/login", portal+"/login", "email", demoUser, "password", first); path != "/login" {
		t.Error("the old password still works")
	}
	if path, _ := v.submit(portal+"/login", portal+"/login", "email", demoUser, "password", second); path != "/" {
		t.Error("the new password does not work")
	}
	if _, body := v.get(portal + "/subscribers"); !strings.Contains(body, "jane@reader.test") {
		t.Error("the reader is gone")
	}
	if all := p.end() + p.errOut.String(); strings.Contains(all, "jane@reader.test") || strings.Contains(p.errOut.String(), second) {
		t.Errorf("printed %s", all)
	}
}

func TestWhatIsUnderWayIsStoredWhenTheDemoStops(t *testing.T) {
	data := t.TempDir()
	p, _, _, form, _ := demo(t, data)
	var mu sync.Mutex
	var thanked []string
	var senders sync.WaitGroup
	begun := make(chan struct{}, 4*500)
	for i := range 4 {
		senders.Go(func() {
			v := visitor(t)
			for n := range 500 {
				email := strings.Repeat("x", n%40+1) + string(rune('a'+i)) + "@reader.test"
				resp, err := v.c.PostForm(form, url.Values{"email": {email}})
				if err != nil {
					return
				}
				_ = resp.Body.Close()
				if resp.StatusCode == 200 {
					mu.Lock()
					thanked = append(thanked, email)
					mu.Unlock()
				}
				begun <- struct{}{}
			}
		})
	}
	go func() { senders.Wait(); close(begun) }() // also when the demo answers nobody
	for range 12 {
		<-begun
	}
	p.end()
	senders.Wait()
	store, err := db.Open(t.Context(), filepath.Join(data, "gatepost.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	for _, email := range thanked {
		var n int
		if err := store.Writer().QueryRow(`SELECT count(*) FROM subscribers WHERE email_key = $1`, email).Scan(&n); err != nil || n != 1 {
			t.Errorf("%s: %d %v", email, n, err)
		}
	}
	if len(thanked) < 4 {
		t.Errorf("only %d were thanked", len(thanked))
	}
}

func TestAPortalThatIsStoppedBeforeItBeganStops(t *testing.T) {
	environ := map[string]string{}
	for _, pair := range serveEnv(t) {
		name, value, _ := strings.Cut(pair, "=")
		environ[name] = value
	}
	c, err := readConfig(environ)
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		gp, err := openPortal(t.Context(), c, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		stop()
		done := make(chan error, 1)
		go func() { done <- gp.run(ctx, ln) }()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("ended with %v", err)
			}
		case <-time.After(patience):
			t.Fatal("does not end")
		}
	}
}

func TestSetupLinkMakesTheFirstAdmin(t *testing.T) {
	f := newFront(t)
	environ := serveEnv(t, "GATEPOST_URL="+f.URL)
	serve := func() (p *process, link string) {
		p = start(t, environ, "serve")
		line := p.line()
		if !strings.HasPrefix(line, "Portal: ") {
			link, line = p.line(), p.line()
		}
		f.leadTo(line)
		return p, link
	}
	p, old := serve()
	p.end()
	p, link := serve()
	if old == "" || link == "" || old == link || !strings.HasPrefix(link, f.URL+"/setup?token=") {
		t.Fatalf("%q, then %q", old, link)
	}
	v := visitor(t)
	if _, body := v.get(old); !strings.Contains(body, "used, replaced or has run out") {
		t.Error("the old link still works")
	}
	u, err := url.Parse(link)
	if err != nil {
		t.Fatal(err)
	}
	path, body := v.submit(link, f.URL+"/setup", "token", u.Query().Get("token"), "organization", "Northwind", "slug", "northwind",
		"email", "nora@northwind.example", "password", password, "password_again", password)
	if path != "/" || !strings.Contains(body, "Northwind") {
		t.Fatalf("%s: %s", path, body)
	}
	p.end()
	if strings.Contains(p.errOut.String(), u.Query().Get("token")) {
		t.Error("the token is in the log")
	}
	p, link = serve()
	if link != "" {
		t.Errorf("another link: %s", link)
	}
	p.end()
	if _, out, _ := command(t, "", environ, "user", "ls"); !regexp.MustCompile(`nora@northwind\.example +northwind +\d{4}-\d\d-\d\d\n`).MatchString(out) {
		t.Errorf("users: %s", out)
	}
}

func TestTenantsAndUsers(t *testing.T) {
	environ := []string{"GATEPOST_DATABASE=" + filepath.Join(t.TempDir(), "gatepost.db")}
	for _, step := range []struct {
		args       []string
		in         string
		code       int
		out, error string
	}{
		{[]string{"tenant", "ls"}, "", 1, "", "there is no database at "},
		{[]string{"tenant", "add"}, "", 2, "", "accepts 1 arg"},
		{[]string{"tenant", "add", "Not a slug"}, "", 1, "", "A URL name has"},
		{[]string{"tenant", "add", "contoso"}, "", 0, "Added tenant contoso (Contoso).\n", ""},
		{[]string{"tenant", "add", "contoso"}, "", 1, "", "This URL name is taken"},
		{[]string{"tenant", "add", "fabrikam", "--name", "Fabrikam, Inc."}, "", 0, "Added tenant fabrikam (Fabrikam, Inc.).\n", ""},
		{[]string{"tenant", "ls"}, "", 0, "fabrikam  Fabrikam, Inc.  ", ""},
		{[]string{"user", "add", "john@contoso.example"}, "", 2, "", `required flag(s) "tenant" not set`},
		{[]string{"user", "add", "john@contoso.example", "--tenant", "contoso"}, "", 1, "", "use --password-stdin"},
		{[]string{"user", "add", "john@contoso.example", "--tenant", "nobody"}, "", 1, "", `There is no tenant "nobody"`}, // before it asks for a password
		{[]string{"user", "add", "john", "--tenant", "contoso"}, "", 1, "", "does not look like an e-mail address"},
		{[]string{"user", "add", "john@contoso.example", "--tenant", "contoso", "--password-stdin"}, "short\n", 1, "", "at least"},
		{[]string{"user", "add", "john@contoso.example", "--tenant", "contoso", "--password-stdin"}, "", 1, "", "at least"},
		{[]string{"user", "add", "john@contoso.example", "--tenant", "nobody", "--password-stdin"}, password, 1, "", `There is no tenant "nobody"`},
		{[]string{"user", "add", "john", "--tenant", "contoso", "--password-stdin"}, password, 1, "", "does not look like an e-mail address"},
		{[]string{"user", "add", "John@Contoso.example", "--tenant", "contoso", "--password-stdin"}, password + "\r\n", 0, "Added john@contoso.example to contoso.\n", ""},
		{[]string{"user", "add", "john@contoso.example", "--tenant", "contoso", "--password-stdin"}, password, 1, "", "belongs to contoso already"},
		{[]string{"user", "add", "john@contoso.example", "--tenant", "fabrikam"}, "", 0, "Added john@contoso.example to fabrikam.\n", ""},
		{[]string{"user", "ls"}, "", 0, "john@contoso.example  contoso, fabrikam  ", ""},
		{[]string{"user", "passwd", "nobody@contoso.example", "--password-stdin"}, password, 1, "", "there is no user nobody@contoso.example"},
		{[]string{"user", "passwd", "john@contoso.example", "--password-stdin"}, "five words make it new\nsecond line", 0, "The password is set. All sessions of this user are ended.\n", ""},
		{[]string{"nonsense"}, "", 2, "", `there is no command "gatepost nonsense"`},
		{[]string{"version"}, "", 0, "gatepost ", ""},
	} {
		code, out, errOut := command(t, step.in, environ, step.args...)
		if code != step.code || !strings.Contains(out, step.out) || !strings.Contains(errOut, step.error) || (code != 0) != (errOut != "") {
			t.Errorf("%v: exit %d, %q, %q", step.args, code, out, errOut)
		}
		if strings.Contains(out+errOut, password) || strings.Contains(out+errOut, "five words") {
			t.Errorf("%v prints the password", step.args)
		}
	}
	if code, _, errOut := command(t, "", []string{"GATEPOST_DATABASE=postgres://u:hidden-secret@127.0.0.1:1/d"}, "tenant", "ls"); code != 1 || !strings.Contains(errOut, "the server can't be reached") || strings.Contains(errOut, "hidden") {
		t.Errorf("exit %d, %q", code, errOut)
	}
}

func TestSimulatedServicesAlone(t *testing.T) {
	for _, of := range []struct{ name, title, path, says string }{
		{"salesforce", "Salesforce", "/services/data", "v67.0"},
		{"hubspot", "HubSpot", "/account-info/2026-09/details", "INVALID_AUTHENTICATION"},
	} {
		data := t.TempDir()
		p := start(t, nil, "mock"+of.name, "--addr", "127.0.0.1:0", "--data", data)
		address := strings.TrimPrefix(p.line(), "Simulated "+of.title+": ")
		if _, body := visitor(t).get(address + of.path); !strings.Contains(body, of.says) {
			t.Errorf("%s answers %s", of.name, body)
		}
		p.end()
		if _, err := os.Stat(filepath.Join(data, of.name+".db")); err != nil {
			t.Error(err)
		}
	}
}

// A connection that never sends its request doesn't make stopping a failure. Browsers
// open such ones in advance.
func TestStopsBesideAnOpenConnection(t *testing.T) {
	t.Parallel() // it takes the ten seconds that such a connection is given
	p, portal, _, _, _ := demo(t, t.TempDir())
	conn, err := net.Dial("tcp", strings.TrimPrefix(portal, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := conn.Write([]byte("GET /healthz HTTP/1.1\r\n")); err != nil {
		t.Fatal(err)
	}
	visitor(t).get(portal + "/healthz") // whatever came before has been accepted
	p.end()
}
