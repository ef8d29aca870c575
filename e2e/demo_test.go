package e2e

import (
	"bufio"
	"bytes"
	"cmp"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"gatepost/e2e/setup"
)

// process is a running gatepost command.
type process struct {
	cmd    *exec.Cmd
	lines  chan string // of its standard output
	ended  chan struct{}
	err    error // of Wait, once ended
	output output

	stopped atomic.Bool // by the test: whoever asks from then on finds nobody
}

// output keeps what a command says on either stream.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write keeps b.
func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(b)
}

// String returns all that was kept.
func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// start runs gatepost in an empty folder, with nothing in its environment but env.
func start(t *testing.T, env []string, args ...string) *process {
	t.Helper()
	return startIn(t, t.TempDir(), env, binary, args...)
}

// startIn is start for any program, in a folder.
func startIn(t *testing.T, folder string, env []string, program string, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(program, args...), lines: make(chan string, 100), ended: make(chan struct{})}
	p.cmd.Dir = folder
	p.cmd.Env = append([]string{"TMPDIR=" + t.TempDir()}, env...)
	p.cmd.Stderr = &p.output
	stdout, err := p.cmd.StdoutPipe()
	must(t, err)
	must(t, p.cmd.Start())
	go p.read(stdout)
	t.Cleanup(func() {
		p.kill()
		if t.Failed() && p.output.String() != "" {
			t.Logf("the end of what %s %s said:\n%s", filepath.Base(program), args[0], setup.Tail(p.output.String(), 3000))
		}
	})
	return p
}

// read takes the command's lines, and then its end.
func (p *process) read(stdout io.Reader) {
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		_, _ = fmt.Fprintln(&p.output, lines.Text())
		p.lines <- lines.Text()
	}
	p.err = p.cmd.Wait()
	close(p.lines)
	close(p.ended)
}

// line waits for the next line of standard output.
func (p *process) line(t *testing.T) string {
	t.Helper()
	select {
	case l, ok := <-p.lines:
		if !ok {
			t.Fatalf("gatepost ended (%v):\n%s", p.err, p.output.String())
		}
		return l
	case <-time.After(patience):
		t.Fatalf("gatepost said nothing for %v:\n%s", patience, p.output.String())
	}
	return ""
}

// kill ends the process as a crash does.
func (p *process) kill() {
	p.stopped.Store(true)
	_ = p.cmd.Process.Kill()
	<-p.ended
}

// interrupt presses Ctrl-C and waits for the end.
func (p *process) interrupt(t *testing.T) {
	t.Helper()
	p.stopped.Store(true)
	must(t, p.cmd.Process.Signal(syscall.SIGINT))
	select {
	case <-p.ended:
	case <-time.After(patience):
		t.Fatalf("Ctrl-C did not end gatepost within %v", patience)
	}
	if p.err != nil {
		t.Errorf("after Ctrl-C gatepost ended with %v, want exit code 0", p.err)
	}
}

// demo is a running demo, as its lines tell of it.
type demo struct {
	*process
	portal, form              string
	salesforce, hubspot, zoho string
	user, password            string
	data                      string
	postgres                  string // URL of the database, "" for a file among the data
}

// startDemo runs the demo with new data on free ports.
func startDemo(t *testing.T) *demo {
	t.Helper()
	return startDemoOn(t, "")
}

// startDemoOn is startDemo with the database on a PostgreSQL server, unless url is "".
func startDemoOn(t *testing.T, url string) *demo {
	t.Helper()
	const free = "127.0.0.1:0"
	return startDemoIn(t, t.TempDir(), url, free, free, free, free)
}

var signIn = regexp.MustCompile(`^Sign in: (\S+) / (\S+)$`)

func startDemoIn(t *testing.T, data, postgres, addr, salesforce, hubspot, zoho string) *demo {
	t.Helper()
	d := &demo{data: data, postgres: postgres}
	args := []string{"demo", "--addr", addr, "--salesforce-addr", salesforce, "--hubspot-addr", hubspot, "--zoho-addr", zoho, "--data", data}
	if postgres != "" {
		args = append(args, "--database", postgres)
	}
	d.process = start(t, []string{"GATEPOST_LOG=debug"}, args...)
	d.portal = d.after(t, "Portal: ")
	m := signIn.FindStringSubmatch(d.line(t))
	if m == nil {
		t.Fatalf("the second line doesn't say whom to sign in as:\n%s", d.output.String())
	}
	d.user, d.password = m[1], m[2]
	d.form = d.after(t, "Sign-up form: ")
	d.salesforce = d.after(t, "Simulated Salesforce: ")
	d.hubspot, d.zoho = d.after(t, "Simulated HubSpot: "), d.after(t, "Simulated Zoho: ")
	return d
}

// again starts the demo on the same folder and addresses.
func (d *demo) again(t *testing.T) *demo {
	t.Helper()
	addr := func(url string) string { return strings.TrimPrefix(url, "http://") }
	return startDemoIn(t, d.data, d.postgres, addr(d.portal), addr(d.salesforce), addr(d.hubspot), addr(d.zoho))
}

// after returns what follows prefix on the next line.
func (d *demo) after(t *testing.T, prefix string) string {
	t.Helper()
	line := d.line(t)
	rest, ok := strings.CutPrefix(line, prefix)
	if !ok {
		t.Fatalf("line %q, want one that begins with %q", line, prefix)
	}
	return rest
}

// owns reports whether an address is of the portal or of a simulated CRM.
func (d *demo) owns(address string) bool {
	return slices.ContainsFunc([]string{d.portal, d.salesforce, d.hubspot, d.zoho}, func(own string) bool {
		return own != "" && strings.HasPrefix(address, own+"/")
	})
}

// database is where the demo keeps its data.
func (d *demo) database() string { return cmp.Or(d.postgres, filepath.Join(d.data, "gatepost.db")) }

// command runs another gatepost command on the demo's database.
func (d *demo) command(t *testing.T, stdin string, args ...string) {
	t.Helper()
	cmd := exec.Command(binary, args...)
	cmd.Env = []string{"GATEPOST_DATABASE=" + d.database(), "GATEPOST_KEYSET=" + filepath.Join(d.data, "keyset.json")}
	cmd.Stdin = strings.NewReader(stdin)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("gatepost %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// signUp sends the public form without a browser. The answer says that the
// sign-up is on disk.
func (d *demo) signUp(t *testing.T, email string) {
	t.Helper()
	resp, err := noRedirects.PostForm(d.form, map[string][]string{"email": {email}, "first_name": {"Rita"}, "last_name": {"Reader"}})
	must(t, err)
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusSeeOther {
		t.Fatalf("sign-up of %s: %s, want 303", email, resp.Status)
	}
}

var noRedirects = &http.Client{Timeout: patience, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// files returns the content of the files in the demo's folder whose name begins
// with prefix, by name.
func (d *demo) files(t *testing.T, prefix string) map[string]string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(d.data, prefix+"*"))
	must(t, err)
	contents := map[string]string{}
	for _, name := range names {
		content, err := os.ReadFile(name)
		must(t, err)
		contents[filepath.Base(name)] = string(content)
	}
	return contents
}
