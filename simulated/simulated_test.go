package simulated_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"gatepost/simulated"
)

// settings are those of the toy service.
type settings struct {
	Words []string `json:"words"`
	Limit int      `json:"limit"`
	twice int      // what follows from the rest
}

func (v *settings) check() error {
	if v.Limit < 0 {
		return errors.New("limit must not be negative")
	}
	v.twice = 2 * v.Limit
	return nil
}

// toy is a service that counts how often it was asked.
type toy struct {
	t     *testing.T
	core  *simulated.Core
	setup *simulated.Setup[settings]
	url   string
	log   bytes.Buffer
}

var pages = fstest.MapFS{
	"templates/style.css":  {Data: []byte("p { color: red }")},
	"templates/parts.html": {Data: []byte(`{{define "part"}}of {{service}}{{end}}`)},
	"templates/hello.html": {Data: []byte(`{{define "main"}}{{.Title}} {{template "part"}}{{end}}`)},
}

func open(t *testing.T, data string) *toy {
	t.Helper()
	v := &toy{t: t}
	var err error
	v.core, err = simulated.Open(t.Context(), simulated.Options{Data: data, Log: slog.New(slog.NewTextHandler(&v.log, nil))}, simulated.Service{
		Name: "toy", Title: "Toy", Tables: `CREATE TABLE IF NOT EXISTS asked (n INTEGER NOT NULL);`,
		Files: pages, Pages: []string{"hello"}, Common: []string{"parts"},
		Seed: func(ctx context.Context, c *simulated.Core, q simulated.Querier) error {
			for _, id := range []string{"o1", "o2", "o3"} {
				o := simulated.Org{ID: id, Name: "Org " + id, Key: "key-" + id, Apart: id == "o3"}
				if err := c.PutOrg(ctx, q, o, simulated.User{ID: "u" + id, Username: id + "@example.com", First: "U", Last: id}); err != nil {
					return err
				}
			}
			return nil
		},
		OrgID: strings.ToLower,
		Org: func(r *http.Request, _ []byte) (string, error) {
			if r.Header.Get("Org") == "broken" {
				return "", errors.New("secret cause")
			}
			return r.Header.Get("Org"), nil
		},
		Kind:    func(r *http.Request) string { return strings.TrimPrefix(r.URL.Path, "/") },
		Latency: func(string, string) time.Duration { return 0 },
		Kinds:   []string{"ask"},
		Refuse: func(w http.ResponseWriter, kind string, f simulated.Fault) {
			simulated.JSON(w, f.Status, map[string]string{"refused": kind + " " + f.ErrorCode})
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { v.core.Close() })
	v.setup, err = simulated.NewSetup(t.Context(), v.core, "o1", func() settings { return settings{Words: []string{"a", "b"}, Limit: 1} }, (*settings).check)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(v.core.Handler(v.routes()))
	t.Cleanup(server.Close)
	v.url = server.URL
	return v
}

func (v *toy) routes() http.Handler {
	mux := http.NewServeMux()
	v.core.PageRoutes(mux)
	v.core.Control(mux, map[string]func(*http.Request) (any, error){
		"GET settings": v.setup.Show, "POST settings": v.setup.Change,
		"GET broken": func(*http.Request) (any, error) { return nil, errors.New("it broke") },
	})
	mux.HandleFunc("GET /hello", func(w http.ResponseWriter, r *http.Request) {
		v.core.Page(w, 200, "hello", struct{ Title string }{"Hello <b>"})
	})
	mux.HandleFunc("POST /ask", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if _, err := v.core.Write.ExecContext(r.Context(), `INSERT INTO asked (n) VALUES (1)`); err != nil {
			v.core.Failure(w, r, err)
			return
		}
		simulated.JSON(w, 200, map[string]string{"said": string(body)})
	})
	return mux
}

func (v *toy) call(method, path, body string, header ...string) (int, http.Header, string) {
	v.t.Helper()
	r, err := http.NewRequestWithContext(v.t.Context(), method, v.url+path, strings.NewReader(body))
	if err != nil {
		v.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, nil, ""
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(text)
}

func (v *toy) asked() (n int) {
	v.t.Helper()
	if err := v.core.Read.QueryRow(`SELECT COUNT(*) FROM asked`).Scan(&n); err != nil {
		v.t.Fatal(err)
	}
	return n
}

func (v *toy) want(status int, contains, method, path, body string, header ...string) {
	v.t.Helper()
	if got, _, text := v.call(method, path, body, header...); got != status || !strings.Contains(text, contains) {
		v.t.Errorf("%s %s: %d %s, want %d with %q", method, path, got, text, status, contains)
	}
}

func TestFrame(t *testing.T) {
	v := open(t, "")
	v.want(414, "", "GET", "/"+strings.Repeat("a", 17_000), "")
	v.want(431, "", "POST", "/ask", "", "Long", strings.Repeat("a", 33_000))
	v.want(500, "Internal Server Error", "POST", "/ask", "", "Org", "broken")
	if !strings.Contains(v.log.String(), "secret cause") {
		t.Error("the cause isn't logged")
	}
	v.want(404, "Page not found", "GET", "/nothing", "")
	v.want(500, "it broke", "GET", "/_control/broken", "")
	v.want(400, "unknown field", "POST", "/_control/fail", `{"no":1}`)
	v.want(200, `{"said":"<a>"}`, "POST", "/ask", "<a>")
	v.want(200, "Hello &lt;b&gt; of Toy", "GET", "/hello", "")
	_, header, css := v.call("GET", "/mocktoy.css", "")
	if header.Get("Content-Type") != "text/css; charset=utf-8" || !strings.Contains(css, ".card") || !strings.HasSuffix(css, "p { color: red }") {
		t.Error(header, css)
	}
}

func TestFaults(t *testing.T) {
	v := open(t, "")
	ask := func(status int, contains string, header ...string) {
		t.Helper()
		v.want(status, contains, "POST", "/ask", "something", header...)
	}
	v.want(400, "on must be one of ask, record, any", "POST", "/_control/fail", `{"on":"other","count":1}`)
	v.want(400, "status", "POST", "/_control/fail", `{"on":"ask","status":200,"count":1}`)
	v.want(400, "rate", "POST", "/_control/fail", `{"on":"ask","rate":2}`)
	fail := func(body string) { t.Helper(); v.want(200, "true", "POST", "/_control/fail", body) }

	fail(`{"on":"ask","count":2,"error_code":"X"}`)
	ask(503, `{"refused":"ask X"}`)
	ask(503, "ask X")
	ask(200, "something")
	fail(`{"on":"any","count":1,"status":302}`)
	if resp, err := http.DefaultTransport.RoundTrip(httptest.NewRequest("POST", v.url+"/ask", nil)); err != nil || resp.StatusCode != 302 || resp.Header.Get("Location") == "" {
		t.Error(resp, err)
	}
	fail(`{"on":"ask","count":1,"status":429,"retry_after":7}`)
	if status, header, _ := v.call("POST", "/ask", ""); status != 429 || header.Get("Retry-After") != "7" {
		t.Error(status, header)
	}
	before := v.asked()
	fail(`{"on":"ask","count":1,"html":true}`)
	ask(503, "Down for Maintenance")
	fail(`{"on":"ask","count":1,"drop":true}`)
	ask(0, "")
	if v.asked() != before {
		t.Error("work was done in spite of the fault")
	}
	fail(`{"on":"ask","count":1,"drop":true,"after_commit":true}`)
	ask(0, "")
	fail(`{"on":"ask","count":1,"truncate":true}`)
	if status, _, text := v.call("POST", "/ask", "something"); status != 200 || text == "" || json.Valid([]byte(text)) {
		t.Error(status, text)
	}
	fail(`{"on":"ask","count":1,"truncate":true,"status":500}`)
	ask(500, "refused")
	if v.asked() != before+3 {
		t.Errorf("work was done %d times", v.asked()-before)
	}
	fail(`{"on":"record","count":1}`)
	ask(200, "")
	if v.core.Faults.Take(simulated.Record, "o1") == nil || v.core.Faults.Take(simulated.Record, "o1") != nil {
		t.Error("a fault on records is for one record")
	}
	fail(`{"on":"any","rate":1}`)
	ask(503, "")
	ask(200, "", "Org", "o3")
	fail(`{"on":"any"}`)
	ask(200, "")
}

func TestFaultsOfOneOrg(t *testing.T) {
	v := open(t, "")
	v.want(400, "no org", "POST", "/_control/fail?org=o9", `{"on":"ask","count":1}`)
	v.want(200, "", "POST", "/_control/fail?org=KEY-o3", `{"on":"ask","count":1}`)
	v.want(200, "", "POST", "/ask", "", "Org", "o1")
	v.want(503, "", "POST", "/ask", "", "Org", "o3")
	v.want(200, "", "POST", "/ask", "", "Org", "o3")
	v.core.Faults.Add("o1", simulated.Fault{On: "ask", Count: 1})
	v.core.Faults.Add("", simulated.Fault{On: "ask", Count: 1})
	if n, m := len(v.core.Faults.Due("o1")), len(v.core.Faults.Due("o3")); n != 2 || m != 0 {
		t.Errorf("%d are due in o1, %d in o3", n, m)
	}
	v.core.Faults.Drop("o2", func(*simulated.Fault) bool { return true })
	if len(v.core.Faults.Due("o1")) != 1 {
		t.Error("what hits o2 hits o1 no longer")
	}
	v.core.Faults.Clear("")
	if len(v.core.Faults.Due("o1")) != 0 {
		t.Error("a fault was left")
	}
}

func TestSettings(t *testing.T) {
	v := open(t, "")
	v.want(400, "must not be negative", "POST", "/_control/settings", `{"limit":-1}`)
	v.want(400, "unknown field", "POST", "/_control/settings", `{"limits":1}`)
	old := v.setup.Of("o1")
	v.want(200, "", "POST", "/_control/settings?org=o2", `{"words":["c"]}`)
	v.want(200, "", "POST", "/_control/settings?org=o3", `{"limit":9}`)
	if !slices.Equal(old.Words, []string{"a", "b"}) || !slices.Equal(v.setup.Of("o1").Words, []string{"a", "b"}) || v.setup.Of("o2").Words[0] != "c" {
		t.Errorf("settings share what they hold: %v, %v", old, v.setup.Of("o1"))
	}
	v.want(200, "", "POST", "/_control/settings", `{"limit":4}`)
	for org, want := range map[string]int{"": 4, "o1": 4, "o2": 4, "o3": 9} {
		if got := v.setup.Of(org); got.Limit != want || got.twice != 2*want {
			t.Errorf("%q has %+v, want %d", org, got, want)
		}
	}
	v.want(200, `"limit":4`, "GET", "/_control/settings", "")
	if _, err := v.setup.Parse(`{"limit":-1}`); err == nil {
		t.Error("settings that make no sense were read")
	}
}

func TestOpenAgain(t *testing.T) {
	data := filepath.Join(t.TempDir(), "toy.db")
	v := open(t, data)
	v.want(200, "", "POST", "/_control/settings", `{"limit":5}`)
	v.want(400, "negative", "POST", "/_control/clock", `{"advance_ms":-1}`)
	v.want(200, "", "POST", "/_control/clock", `{"advance_ms":7200000}`)
	ahead(t, v.core)
	if err := v.core.Close(); err != nil {
		t.Fatal(err)
	}
	again := open(t, data)
	ahead(t, again.core)
	if again.setup.Of("o1").Limit != 5 {
		t.Error("settings were forgotten")
	}
}

// ahead fails the test unless a service's clock is two hours ahead.
func ahead(t *testing.T, c *simulated.Core) {
	t.Helper()
	from := time.Now().UnixMilli()
	now := c.Now()
	if to := time.Now().UnixMilli(); now < from+7_200_000 || now > to+7_200_000 {
		t.Errorf("the clock is ahead by %d to %d ms", now-to, now-from)
	}
}

func TestTemporaryFile(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	v := open(t, "")
	if left, _ := os.ReadDir(os.TempDir()); len(left) != 1 {
		t.Errorf("%d temporary folders", len(left))
	}
	if err := errors.Join(v.core.Close(), v.core.Close()); err != nil {
		t.Error(err)
	}
	if left, _ := os.ReadDir(os.TempDir()); len(left) != 0 {
		t.Errorf("%d temporary folders are left", len(left))
	}
	if _, err := simulated.Open(t.Context(), simulated.Options{Data: filepath.Join(t.TempDir(), "no", "folder.db")}, simulated.Service{Name: "toy"}); err == nil {
		t.Error("opened a file in a folder that isn't there")
	}
}

func TestTransactions(t *testing.T) {
	v := open(t, "")
	ctx, stop := t.Context(), errors.New("stop")
	add := func(q simulated.Querier) error {
		_, err := q.ExecContext(ctx, `INSERT INTO asked (n) VALUES (1)`)
		return err
	}
	if err := v.core.Tx(ctx, func(q simulated.Querier) error { return errors.Join(add(q), stop) }); !errors.Is(err, stop) || v.asked() != 0 {
		t.Error(err, v.asked())
	}
	err := v.core.Tx(ctx, func(q simulated.Querier) error {
		inner := simulated.Savepoint(ctx, q, func() error { return errors.Join(add(q), stop) })
		if !errors.Is(inner, stop) {
			return fmt.Errorf("inner: %w", inner)
		}
		return simulated.Savepoint(ctx, q, func() error { return add(q) })
	})
	if err != nil || v.asked() != 1 {
		t.Error(err, v.asked())
	}
	if err := simulated.Rows(ctx, v.core.Read, func(*sql.Rows) error { return stop }, `SELECT n FROM asked`); !errors.Is(err, stop) {
		t.Error(err)
	}
}

func TestCodesAndAsks(t *testing.T) {
	v := open(t, "")
	ctx := t.Context()
	a := simulated.Ask{Client: "app", RedirectURI: "https://app.example/cb?x=1", State: "s", Scope: "one", Org: "o2"}
	if err := v.core.GiveCode(ctx, "code", a, simulated.User{ID: "uo1"}); err != nil {
		t.Fatal(err)
	}
	if _, err := simulated.TakeCode(ctx, v.core.Write, "code", "other"); !errors.Is(err, sql.ErrNoRows) {
		t.Error(err)
	}
	for _, used := range []bool{false, true} {
		c, err := simulated.TakeCode(ctx, v.core.Write, "code", "app")
		if err != nil || c.Used != used || c.Org != "o2" || c.User != "uo1" || !c.Verified("") || c.Verified(strings.Repeat("v", 43)) {
			t.Error(c, err)
		}
	}
	id, err := v.core.KeepAsk(ctx, "login", a)
	if err != nil {
		t.Fatal(err)
	}
	for _, login := range []string{"", "other"} {
		if _, err := v.core.TakeAsk(ctx, login, id); !errors.Is(err, sql.ErrNoRows) {
			t.Errorf("log-in %q: %v", login, err)
		}
	}
	nobody, err := v.core.KeepAsk(ctx, "", a)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.core.TakeAsk(ctx, "", nobody); !errors.Is(err, sql.ErrNoRows) {
		t.Errorf("who isn't logged in answers: %v", err)
	}
	if got, err := v.core.TakeAsk(ctx, "login", id); err != nil || got != a {
		t.Error(got, err)
	}
	if _, err := v.core.TakeAsk(ctx, "login", id); !errors.Is(err, sql.ErrNoRows) {
		t.Error(err)
	}
	w := httptest.NewRecorder()
	simulated.Back(w, a, map[string][]string{"code": {"c"}})
	if got := w.Header().Get("Location"); got != "https://app.example/cb?x=1&code=c&state=s" {
		t.Error(got)
	}
}

func TestRequests(t *testing.T) {
	v := open(t, "")
	v.want(200, "", "POST", "/ask", "", "Org", "o1")
	v.want(404, "", "GET", "/nothing", "", "Org", "o2")
	v.want(200, "", "POST", "/ask", "", "Org", "o3")
	v.core.Faults.Add("o1", simulated.Fault{On: "ask", Count: 1, Drop: true})
	v.want(0, "", "POST", "/ask", "", "Org", "o1")
	for query, want := range map[string]string{"": "ask/o1/200 nothing/o2/404 ask/o1/0", "?org=o1": "ask/o1/200 ask/o1/0", "?org=o3": "ask/o3/200"} {
		_, _, text := v.call("GET", "/_control/requests"+query, "")
		var in struct{ Requests []simulated.Request }
		if err := json.Unmarshal([]byte(text), &in); err != nil {
			t.Fatal(err, text)
		}
		var got []string
		for _, r := range in.Requests {
			got = append(got, fmt.Sprintf("%s/%s/%d", r.Kind, r.Org, r.Status))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q tells %v, want %s", query, got, want)
		}
	}
}
