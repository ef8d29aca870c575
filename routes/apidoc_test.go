package routes_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"gatepost/auth"
	"gatepost/db"
	"gatepost/identity"
	"gatepost/routes"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// description is the API's description, as it is served.
type description struct {
	test       *testing.T
	Paths      map[string]map[string]operation `json:"paths"`
	Components struct {
		Responses map[string]response `json:"responses"`
	} `json:"components"`
	whole    any            // the same, as JSON
	schemas  map[string]any // of components
	compiler *jsonschema.Compiler
}

type operation struct {
	ID       string                `json:"operationId"`
	Security []map[string][]string `json:"security"` // what the key has to allow

	Parameters []parameter         `json:"parameters"`
	Body       *response           `json:"requestBody"`
	Responses  map[string]response `json:"responses"`
}

type parameter struct {
	Name   string         `json:"name"`
	In     string         `json:"in"`
	Schema map[string]any `json:"schema"`
}

// response is an answer, or the body of a request.
type response struct {
	Ref         string           `json:"$ref"`
	Description string           `json:"description"`
	Headers     map[string]any   `json:"headers"`
	Content     map[string]media `json:"content"`
}

type media struct {
	Schema struct {
		Ref string `json:"$ref"`
	} `json:"schema"`
	Examples map[string]struct {
		Value json.RawMessage `json:"value"`
	} `json:"examples"`
}

// described reads the description that a portal serves. Its schemas leave answers open, since
// fields may come; here they are closed, so that a field that isn't described is found.
func described(t *testing.T, url string) *description {
	t.Helper()
	resp, err := http.Get(url + "/api/v1/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	d := &description{test: t}
	if err = errors.Join(err, json.Unmarshal(text, d)); err != nil || resp.StatusCode != 200 {
		t.Fatalf("the description: %d, %v", resp.StatusCode, err)
	}
	if d.whole, err = jsonschema.UnmarshalJSON(bytes.NewReader(text)); err != nil {
		t.Fatal(err)
	}
	d.schemas = d.whole.(map[string]any)["components"].(map[string]any)["schemas"].(map[string]any)
	objects(d.schemas, func(_ string, o map[string]any) {
		if _, is := o["properties"].(map[string]any); is && o["type"] == "object" && o["additionalProperties"] == nil {
			o["additionalProperties"] = false
		}
	})
	d.compiler = jsonschema.NewCompiler()
	d.compiler.AssertFormat()
	if err := d.compiler.AddResource("openapi.json", d.whole); err != nil {
		t.Fatal(err)
	}
	return d
}

// objects has visit see each object within v, with where it is.
func objects(v any, visit func(at string, o map[string]any)) { within("", v, visit) }

func within(at string, v any, visit func(at string, o map[string]any)) {
	switch v := v.(type) {
	case []any:
		for i, part := range v {
			within(fmt.Sprintf("%s/%d", at, i), part, visit)
		}
	case map[string]any:
		visit(at, v)
		for name, part := range v {
			within(at+"/"+name, part, visit)
		}
	}
}

// operation is the one at a path of the description; none where the path doesn't take the method.
func (d *description) operation(method, path string) operation {
	return d.Paths[path][strings.ToLower(method)]
}

// response is what is said of an answer.
func (d *description) response(r response) response {
	if name, ok := strings.CutPrefix(r.Ref, "#/components/responses/"); ok {
		return d.Components.Responses[name]
	}
	return r
}

// fits holds a value against a schema of the description.
func (d *description) fits(m media, value []byte) error {
	compiled, err := d.compiler.Compile("openapi.json" + m.Schema.Ref)
	if err != nil {
		return err
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(value))
	if err != nil {
		return err
	}
	return compiled.Validate(v)
}

// came are the answers that came in any test: an operation's id and a status.
var came sync.Map

// check is what is wrong with an answer, by what is said of its operation.
func (d *description) check(op operation, got answer) error {
	r, ok := op.Responses[fmt.Sprint(got.status)]
	if !ok {
		return fmt.Errorf("an answer with %d isn't described", got.status)
	}
	came.Store(fmt.Sprint(op.ID, " ", got.status), true)
	r = d.response(r)
	kind, _, _ := strings.Cut(got.header.Get("Content-Type"), ";")
	m, ok := r.Content[kind]
	if !ok {
		return fmt.Errorf("an answer with %d comes as %q", got.status, kind)
	}
	for name := range r.Headers {
		if got.header.Get(name) == "" {
			return fmt.Errorf("an answer with %d comes without %s", got.status, name)
		}
	}
	return d.fits(m, []byte(got.text))
}

// holds is check, for answers that have to be right.
func (d *description) holds(op operation, got answer) {
	d.test.Helper()
	if err := d.check(op, got); err != nil {
		d.test.Errorf("%s: %v\n%s", op.ID, err, got.text)
	}
}

// each calls fn with each operation, in order.
func (d *description) each(fn func(method, path string, op operation)) {
	for _, path := range sortedKeys(d.Paths) {
		for _, method := range sortedKeys(d.Paths[path]) {
			fn(strings.ToUpper(method), path, d.Paths[path][method])
		}
	}
}

func sortedKeys[V any](m map[string]V) (keys []string) {
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// TestMain fails when an answer that is described comes in no test. It can be said when all
// tests have run.
func TestMain(m *testing.M) {
	status := m.Run()
	if whole := flag.Lookup("test.run").Value.String()+flag.Lookup("test.skip").Value.String() == "" && !testing.Short(); whole && status == 0 {
		status = unseen()
	}
	os.Exit(status)
}

// listed are the answers that are described.
var listed sync.Map

// slow comes after 30 seconds, for which no test waits.
const slow = "callService 504"

func unseen() (status int) {
	listed.Range(func(answer, _ any) bool {
		if _, ok := came.Load(answer); !ok && answer != slow {
			fmt.Printf("the description lists %s, which came in no test\n", answer)
			status = 1
		}
		return true
	})
	return status
}

// everywhere are the errors that every operation can answer with.
var everywhere = []int{401, 403, 405, 413, 415, 422, 429, 500, 503}

// What is described is described whole.
func TestTheDescriptionIsWhole(t *testing.T) {
	t.Parallel()
	d := described(t, open(t).url)
	ids := map[string]bool{}
	d.each(func(method, path string, op operation) {
		if op.ID == "" || ids[op.ID] {
			t.Errorf("%s %s has no id of its own", method, path)
		}
		ids[op.ID] = true
		for _, status := range everywhere {
			if _, ok := op.Responses[fmt.Sprint(status)]; !ok {
				t.Errorf("%s doesn't say that it can answer %d", op.ID, status)
			}
		}
		for status, r := range op.Responses {
			listed.Store(op.ID+" "+status, true)
			d.checkExamples(op.ID+" "+status, status, d.response(r))
		}
		if op.Body != nil {
			d.checkExamples(op.ID+": the body", "", *op.Body)
		}
		for _, p := range op.Parameters {
			if p.In == "path" != strings.Contains(path, "{"+p.Name+"}") {
				t.Errorf("%s: the parameter %s isn't where it is said to be", op.ID, p.Name)
			}
		}
	})
	objects(d.whole, func(at string, o map[string]any) {
		format, _ := o["format"].(string)
		if o["type"] == "integer" && !slices.Contains([]string{"int32", "int64"}, format) {
			t.Errorf("%s is a number of which size?", at)
		}
		if o["in"] != nil && o["schema"] != nil && o["description"] == nil {
			t.Errorf("%s isn't explained", at)
		}
		if strings.HasSuffix(at, "_at") && o["type"] == "string" && format != "date-time" {
			t.Errorf("%s is a time and isn't said to be one", at)
		}
		properties, _ := o["properties"].(map[string]any)
		for name, property := range properties {
			if p, is := property.(map[string]any); is && p["type"] != nil && p["description"] == nil && o["type"] == "object" {
				t.Errorf("%s: %s isn't explained", at, name)
			}
		}
		if ref, ok := o["$ref"].(string); ok && !d.has(ref) {
			t.Errorf("%s refers to %s, which isn't there", at, ref)
		}
	})
}

// has reports whether what a reference names is there.
func (d *description) has(ref string) bool {
	v := d.whole
	for _, name := range strings.Split(ref, "/")[1:] {
		o, _ := v.(map[string]any)
		if v = o[name]; v == nil {
			return false
		}
	}
	return true
}

// checkExamples holds the examples of an answer, or of a body, against its schema.
func (d *description) checkExamples(at, status string, r response) {
	d.test.Helper()
	if len(r.Content) != 1 {
		d.test.Errorf("%s has %d kinds of content", at, len(r.Content))
	}
	for kind, m := range r.Content {
		if len(m.Examples) == 0 {
			d.test.Errorf("%s has no example", at)
		}
		for name, example := range m.Examples {
			if err := d.fits(m, example.Value); err != nil {
				d.test.Errorf("%s: the example %s: %v", at, name, err)
			}
			if kind == "application/problem+json" {
				d.checkProblem(at+": the example "+name, status, r, example.Value)
			}
		}
	}
}

// checkProblem holds the example of an error against its status, and against the codes that
// its answer is said to have.
func (d *description) checkProblem(at, status string, r response, example []byte) {
	d.test.Helper()
	var p struct {
		Title, Code string
		Status      int
	}
	if err := json.Unmarshal(example, &p); err != nil || fmt.Sprint(p.Status) != status || p.Title != http.StatusText(p.Status) || !strings.Contains(r.Description, p.Code) {
		d.test.Errorf("%s: %v, %+v in %q", at, err, p, r.Description)
	}
}

// troubledKeys fail as they are told to.
type troubledKeys struct {
	auth.APIKeyStore
	failure *error
}

func (k troubledKeys) APIKeyBySecret(ctx context.Context, hash string) (db.APIKey, error) {
	if *k.failure != nil {
		return db.APIKey{}, *k.failure
	}
	return k.APIKeyStore.APIKeyBySecret(ctx, hash)
}

// What can be wrong with every request is answered as it is described, by each operation.
func TestErrorsOfEveryOperation(t *testing.T) {
	t.Parallel()
	var failure error
	a := openAPI(t, func(c *routes.Config) { c.Keys, c.APILimit = auth.NewAPIKeys(troubledKeys{c.Store, &failure}), 2 })
	a.each(func(method, path string, op operation) {
		target := a.address(path)
		send := func(key string, header ...string) answer {
			t.Helper()
			return a.send(op, key, method, target, "{}", append([]string{"Content-Type", "application/json"}, header...)...)
		}
		key := a.key(nil, nil, op.allows(t))
		failure = db.ErrUnavailable
		send(key).is(503, "service_unavailable")
		failure = errors.New("the disk is on fire")
		if got := send(key).is(500, "internal_server_error"); strings.Contains(got.text, "fire") {
			t.Errorf("the cause is told: %s", got.text)
		}
		failure = nil
		send("").is(401, "unauthorized")
		send(a.key(nil, nil, other(op.allows(t)))).is(403, "forbidden")
		send(key, "Content-Encoding", "gzip").is(415, "unsupported_media_type")
		got := a.send(op, key, method, target+"?x=1", "{}", "Content-Type", "application/json").is(422, "invalid")
		for n := 0; n < 5 && got.status != 429; n++ {
			got = a.send(op, key, method, target+"?x=1", "{}", "Content-Type", "application/json")
		}
		got.is(429, "too_many_requests")
		a.holds(op, a.announced(method, target, 3<<20).is(413, "request_entity_too_large"))
		if op.Body != nil {
			a.send(op, a.key(nil, nil, op.allows(t)), method, target, "{}", "Content-Type", "text/plain").is(415, "unsupported_media_type")
		}
	})
	for path, operations := range a.Paths {
		var allowed []string
		var any operation
		for method, op := range operations {
			if allowed, any = append(allowed, strings.ToUpper(method)), op; method == "get" {
				allowed = append(allowed, "HEAD")
			}
		}
		for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"} {
			if slices.Contains(allowed, method) {
				continue
			}
			got := a.send(any, "", method, a.address(path), "").is(405, "method_not_allowed")
			allows := strings.Split(got.header.Get("Allow"), ", ")
			if slices.Sort(allows); !slices.Equal(allows, sorted(allowed)) {
				t.Errorf("%s %s: allowed are %v, not %v", method, path, allows, allowed)
			}
			for _, op := range operations {
				a.holds(op, got)
			}
		}
	}
}

func sorted(s []string) []string { slices.Sort(s); return s }

// other is something else that a key can allow.
func other(action string) string {
	if action == auth.Read {
		return auth.Delete
	}
	return auth.Read
}

// address is a path with what is there.
func (a *api) address(path string) string {
	return strings.NewReplacer("{id}", a.ids["contoso"][0], "{slug}", "contoso", "{newsletter}", "contoso-weekly").Replace(path)
}

// send sends a request with other headers than call does, and holds its answer against
// the description.
func (a *api) send(op operation, key, method, target, body string, headers ...string) answer {
	a.t.Helper()
	got, err := a.try(key, method, target, body, headers...)
	if err != nil {
		a.t.Fatal(err)
	}
	a.holds(op, got)
	return got
}

// try sends a request.
func (a *api) try(key, method, target, body string, headers ...string) (answer, error) {
	r, err := http.NewRequestWithContext(a.t.Context(), method, a.url+"/api/v1"+target, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	if key != "" {
		r.Header.Set("Authorization", "Bearer "+key)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	got := answer{t: a.t, status: resp.StatusCode, header: resp.Header, text: string(b)}
	_ = json.Unmarshal(b, &got.fields)
	return got, err
}

// announced sends the head of a request whose body never comes.
func (a *api) announced(method, target string, length int) answer {
	a.t.Helper()
	p := a.announce(method, "/api/v1"+target, "application/json", length)
	got := answer{t: a.t, status: p.status, header: p.header, text: p.body}
	_ = json.Unmarshal([]byte(p.body), &got.fields)
	return got
}

// What rarely happens is answered as it is described.
func TestRareAnswersOfTheAPI(t *testing.T) {
	t.Parallel()
	a := openAPI(t)
	key, mine := a.key(nil, nil, auth.Call, auth.Authorize), a.ids["contoso"][1]
	query := body("method", "GET", "path", "/services/data/v60.0/query", "query", map[string]string{"q": "SELECT Id FROM Contact"})
	a.control("fail", `{"on":"query","status":302,"count":1}`)
	a.request(key, mine, query).is(502, "redirected")
	a.control("fail", `{"on":"query","drop":true,"count":9}`) // a GET may be sent again at once
	a.request(key, mine, query).is(502, "unanswered")
	a.control("fail", `{"on":"query","count":0}`)
	a.request(key, mine, query).is(200, "")
	if _, err := a.store.Writer().Exec(`UPDATE identities SET broken_at = 1, broken_code = 'invalid_grant' WHERE id = $1`, mine); err != nil {
		t.Fatal(err)
	}
	a.request(key, mine, query).is(409, "reauthorize")
	if err := a.vault.AddService(t.Context(), identity.Service{ID: "appless", Name: "Appless", LoginURL: "https://login.example", AuthorizeURL: "/authorize", TokenURL: "/token"}); err != nil {
		t.Fatal(err)
	}
	a.call(key, "POST", "/authorizations", "/authorizations", body("service", "appless", "tenant", "contoso", "return_to", appDone)).is(409, "no_app")
}

// An identity whose service was removed, or has no app, is answered for as it is described
// too.
func TestAPIOfWhatHasNoService(t *testing.T) {
	t.Parallel()
	a := openAPI(t)
	key := a.key(nil, nil, auth.Read, auth.Delete, auth.Call, auth.Authorize)
	if err := a.vault.AddService(t.Context(), identity.Service{ID: "appless", Name: "Appless", LoginURL: "https://login.example", AuthorizeURL: "/authorize", TokenURL: "/token"}); err != nil {
		t.Fatal(err)
	}
	for i, service := range []string{"gone", "appless"} {
		one, two := a.ids["contoso"][1+i], a.ids["fabrikam"][1+i]
		if _, err := a.store.Writer().Exec(`UPDATE identities SET service = $1, stale = 1 WHERE id IN ($2, $3)`, service, one, two); err != nil {
			t.Fatal(err)
		}
		a.call(key, "GET", "/identities", "/identities", "").is(200, "")
		a.call(key, "GET", "/identities/{id}", "/identities/"+one, "").is(200, "")
		token := a.call(key, "GET", "/identities/{id}/token", "/identities/"+one+"/token", "")
		call := a.request(key, one, body("method", "GET", "path", "/services/data/"))
		begun := a.call(key, "POST", "/authorizations", "/authorizations", body("reauthorize", one, "return_to", appDone))
		for _, got := range []answer{token, call, begun} {
			if got.status < 400 || got.status >= 500 {
				t.Errorf("%s: %s", service, got.text)
			}
		}
		a.call(key, "DELETE", "/identities/{id}", "/identities/"+one, "").is(200, "")
		a.call(key, "DELETE", "/identities", "/identities", body("service", service)).is(200, "")
		a.call(key, "GET", "/identities/{id}", "/identities/"+two, "").is(404, "not_found")
	}
}

func number(text string) (n int) { _, _ = fmt.Sscan(text, &n); return n }
