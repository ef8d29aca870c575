package routes_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"gatepost/auth"
	"gatepost/routes"
)

// For a longer run: go test ./routes -run TestOperationsTakeAnything -api.fuzz 2m
var (
	fuzzTime = flag.Duration("api.fuzz", 0, "how long to try the API's operations; 0 for a short run")
	fuzzSeed = flag.Uint64("api.seed", 1, "what the requests to the API's operations are made from")
)

// private is in what stands for users and their texts: it is in no log.
const private = "pr1vate"

// fuzz makes requests to the operations of the description: as it says, and wrong in one or
// two ways.
type fuzz struct {
	*api
	*rand.Rand
	keys   map[string]string // that allow one action, and "" for all of them; of the tenant contoso alone where that can be
	conn   net.Conn
	answer *bufio.Reader
	spares int // tenants that may be changed
}

// attempt is a request that is tried.
type attempt struct {
	op                operation
	method, path, key string
	address           string // the path with what is in it
	query             []string
	body              any    // of JSON; nil for none
	raw               string // in its place
	kind, authorized  string // Content-Type and Authorization
	header            []string
	mutations         []string
}

// Whatever a program asks of the operations, by its description or against it: it gets an
// answer that is described, as it is described, and never somebody else's secret.
func TestOperationsTakeAnything(t *testing.T) {
	t.Parallel()
	f := &fuzz{api: openAPI(t, func(c *routes.Config) { c.APILimit = 1 << 30 }), Rand: rand.New(rand.NewPCG(*fuzzSeed, 0)), keys: map[string]string{}}
	for _, action := range auth.ActionNames() {
		var tenants []string
		if action != auth.Tenants {
			tenants = []string{"contoso"}
		}
		f.keys[action] = f.key(tenants, nil, action)
	}
	defer f.hangUp()
	secrets := slices.Collect(maps.Values(f.keys))
	for _, id := range f.ids["fabrikam"] {
		c, err := f.vault.GetByID(t.Context(), id, 0)
		if err != nil {
			t.Fatal(err)
		}
		secrets = append(secrets, c.AccessToken)
	}
	worked, n := map[string]int{}, 0
	for begun := time.Now(); n < 25 || time.Since(begun) < *fuzzTime; n++ {
		f.refill()
		f.each(func(method, path string, op operation) {
			x := f.attempt(method, path, op, n)
			got, err := f.send(x)
			if err == nil {
				err = f.judge(x, got, secrets)
			}
			if err != nil {
				t.Errorf("%v\nround %d, %v: %s", err, n, x.mutations, f.text(x))
			}
			if got.status < 300 {
				worked[op.ID]++
			}
		})
		if t.Failed() {
			break
		}
	}
	t.Logf("%d rounds; done: %v", n, worked)
	f.each(func(_, _ string, op operation) {
		if worked[op.ID] == 0 && op.ID != "completeAuthorization" {
			t.Errorf("%s never worked", op.ID)
		}
	})
	for line := range strings.Lines(f.log.String()) {
		for _, secret := range append(secrets, private, "5Aep") {
			if strings.Contains(line, secret) {
				t.Fatalf("the log has %.8s…: %s", secret, line)
			}
		}
	}
}

// refill makes up for what was deleted.
func (f *fuzz) refill() {
	f.t.Helper()
	if f.count(`SELECT count(*) FROM identities WHERE tenant_id = $1`, f.tenant("contoso").ID) < 3 {
		if _, err := f.store.Writer().Exec(`DELETE FROM handshakes`); err != nil { // a tenant can't have many under way
			f.t.Fatal(err)
		}
		f.ids["contoso"] = nil
		for _, user := range []string{"", "eve", "joe"} {
			f.authorize("contoso", user)
		}
	}
	f.spares++
	f.call(f.keys[auth.Tenants], "POST", "/tenants", "/tenants", fmt.Sprintf(`{"slug":"spare-%d"}`, f.spares)).is(201, "")
}

// judge says what is wrong with an answer.
func (f *fuzz) judge(x attempt, got answer, secrets []string) error {
	op := x.op
	head, _, _ := strings.Cut(f.text(x), "\r\n\r\n")
	switch {
	case got.status == http.StatusRequestHeaderFieldsTooLarge && len(head) > 15<<10: // before anybody knows the address
		return nil
	case got.status >= 500 && op.ID != "callService", got.status == 500:
		return fmt.Errorf("%d: %s", got.status, got.text)
	case x.method == http.MethodHead:
		if _, ok := op.Responses[fmt.Sprint(got.status)]; !ok || got.text != "" {
			return fmt.Errorf("HEAD: %d %q", got.status, got.text)
		}
		return nil
	}
	for _, secret := range secrets {
		if strings.Contains(got.text, secret) {
			return fmt.Errorf("it tells a secret: %s", got.text)
		}
	}
	if strings.Contains(got.text, "5Aep") {
		return fmt.Errorf("it tells a refresh token: %s", got.text)
	}
	if err := f.check(op, got); err != nil {
		return fmt.Errorf("%w: %d %s", err, got.status, got.text)
	}
	return nil
}

// attempt makes a request to an operation: right in each fourth round, else wrong in one or
// two ways.
func (f *fuzz) attempt(method, path string, op operation, round int) attempt {
	action := op.Security[0]["key"][0]
	x := attempt{op: op, method: method, path: path, key: f.keys[action], kind: "application/json"}
	x.address = strings.NewReplacer("{id}", f.id(path), "{slug}", f.slug(method), "{newsletter}", f.newsletter()).Replace(path)
	for _, p := range op.Parameters {
		if p.In == "query" && f.IntN(4) == 0 {
			x.query = append(x.query, f.parameter(p)...)
		}
	}
	if op.Body != nil {
		x.body = f.body(x)
	}
	if round%4 == 0 {
		return x
	}
	for range 1 + f.IntN(2) {
		m := mutations[f.IntN(len(mutations))]
		m.do(f, &x)
		x.mutations = append(x.mutations, m.name)
	}
	return x
}

func (f *fuzz) one(of ...string) string { return of[f.IntN(len(of))] }

// id is one for a path: mostly one that there is.
func (f *fuzz) id(path string) string {
	if f.IntN(5) == 0 {
		return f.one(f.ids["fabrikam"][0], "nobody", "%00", "a%2fb", "..%2f..", "%ff", "01a22945-6012-750f-b284-d5b12059c146", strings.Repeat("a", 3000), "%F0%9F%A6%89", "null", "0", "-1", "%27%20OR%201%3D1", "%zz", "%", "a;b")
	}
	if strings.HasPrefix(path, "/authorizations") {
		begun := f.call(f.keys[auth.Authorize], "POST", "/authorizations", "/authorizations", body("service", "sfdc", "tenant", "contoso", "user", fmt.Sprint("u", f.IntN(1<<30)), "return_to", appDone))
		return begun.is(201, "").fields["id"].(string)
	}
	return f.ids["contoso"][f.IntN(len(f.ids["contoso"]))]
}

// slug is one for a path; contoso stays.
func (f *fuzz) slug(method string) string {
	if method == http.MethodGet && f.IntN(2) == 0 {
		return "contoso"
	}
	if f.IntN(5) == 0 {
		return f.one("%00", "%ff", "A", "-", strings.Repeat("b", 3000), "01a22945-6012-750f-b284-d5b12059c146", "%27", "%zz", "%F0%9F%A6%89")
	}
	return fmt.Sprintf("spare-%d", 1+f.IntN(f.spares))
}

// newsletter is one for a path: mostly one that there is.
func (f *fuzz) newsletter() string {
	return f.one("contoso-weekly", "contoso-weekly", "contoso-weekly", "fabrikam-weekly", "nothing", "%00", "%ff")
}

// known are values with which an operation gets far.
func (f *fuzz) known(name string) string {
	switch name {
	case "service":
		return f.one("sfdc", "sfdc", "sfdc", "hubspot", "nothing")
	case "tenant":
		return f.one("contoso", "contoso", "fabrikam", "nobody")
	case "tenant_id":
		return f.one(f.tenant("contoso").ID, f.tenant("fabrikam").ID, "nobody")
	case "user":
		return f.one("eve", "joe", private)
	case "return_to":
		return f.one(appDone, appDone, appDone, "https://evil.example")
	case "path":
		return f.one("/services/data/", "/services/data/v60.0/limits", "/services/data/v60.0/query", "/services/data/../oauth2/token", "/services/oauth2/userinfo")
	case "slug":
		return fmt.Sprintf("fuzz-%d", f.IntN(1000))
	case "email":
		return f.one(fmt.Sprint(private, f.IntN(1<<30), "@reader.example"), private)
	case "changed_after":
		return f.one("2026-11-30T14:00:00Z", "2026-11-30T14:00:00+02:00", "yesterday")
	case "cursor":
		return f.one("e30", "e30", private)
	case "page":
		return f.one("0", f.ids["contoso"][0], private)
	case "reauthorize":
		return f.one(f.ids["contoso"][1], f.ids["fabrikam"][0])
	}
	return private
}

// body is one that the schema of the operation allows, and often one that can be done.
func (f *fuzz) body(x attempt) any {
	v := f.value(map[string]any{"$ref": x.op.Body.Content["application/json"].Schema.Ref}, "")
	fields, _ := v.(map[string]any)
	if x.op.ID == "beginAuthorization" && fields["user"] != nil {
		fields["user"] = fmt.Sprint(private, f.IntN(1<<30)) // a user can't have many under way
	}
	if f.IntN(2) == 0 {
		return v
	}
	switch x.op.ID {
	case "removeTenant":
		fields["slug"] = x.address[strings.LastIndex(x.address, "/")+1:]
	case "beginAuthorization":
		return map[string]any{"service": "sfdc", "tenant": "contoso", "user": fmt.Sprint(private, f.IntN(1<<30)), "return_to": appDone}
	case "findToken", "deleteIdentities":
		return map[string]any{"service": "sfdc", "tenant": "contoso", "user": f.one("eve", "joe")}
	case "unsubscribe":
		return map[string]any{"email": fmt.Sprint(private, f.IntN(1<<30), "@reader.example"), "all": f.IntN(2) == 0}
	case "addSubscriber":
		return map[string]any{"email": fmt.Sprint(private, f.IntN(1<<30), "@reader.example"), "last_name": private}
	case "callService":
		return map[string]any{"method": f.one("GET", "HEAD"), "path": "/services/data/v60.0/limits"}
	}
	return v
}

// value is one that a schema allows.
func (f *fuzz) value(schema map[string]any, name string) any {
	if ref, ok := schema["$ref"].(string); ok {
		return f.value(f.schemas[strings.TrimPrefix(ref, "#/components/schemas/")].(map[string]any), name)
	}
	if among, ok := schema["enum"].([]any); ok {
		return among[f.IntN(len(among))]
	}
	if only, ok := schema["const"]; ok {
		return only
	}
	if one, ok := schema["oneOf"].([]any); ok {
		return f.value(one[f.IntN(len(one))].(map[string]any), name)
	}
	kind := schema["type"]
	if kinds, ok := kind.([]any); ok {
		kind = kinds[f.IntN(len(kinds))]
	}
	switch kind {
	case "object":
		return f.object(schema)
	case "array":
		var list []any
		for range 1 + f.IntN(3) {
			list = append(list, f.value(schema["items"].(map[string]any), name))
		}
		return list
	case "integer":
		return json.Number(f.one("1", "0", "50", "200"))
	case "boolean":
		return f.IntN(2) == 0
	case "null":
		return nil
	}
	return f.known(name)
}

// object has the fields that are required, and some of the others.
func (f *fuzz) object(schema map[string]any) any {
	fields := map[string]any{}
	required, _ := schema["required"].([]any)
	properties, _ := schema["properties"].(map[string]any)
	for _, name := range sortedKeys(properties) {
		if slices.Contains(required, any(name)) || f.IntN(3) == 0 {
			fields[name] = f.value(properties[name].(map[string]any), name)
		}
	}
	if more, ok := schema["additionalProperties"].(map[string]any); ok {
		fields[f.one("prompt", "q", "Accept")] = f.value(more, "")
	}
	return fields
}

// parameter is what a query has of a parameter.
func (f *fuzz) parameter(p parameter) (all []string) {
	v := f.value(p.Schema, p.Name)
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	for _, v := range list {
		all = append(all, p.Name+"="+url.QueryEscape(fmt.Sprint(v)))
	}
	return all
}

// strange are values that few expect.
func (f *fuzz) strange() any {
	all := []any{nil, true, "", " ", "\x00", private + "\x00", "\u202e" + private, "🦉", strings.Repeat(private, 1500), strings.Repeat("x", 256), "null", "' OR 1=1 --", "\r\nX: y", "<script>", "%00", "../..", json.Number("-1"), json.Number("1e400"), json.Number("9223372036854775808"),
		json.Number("0.1"), []any{}, []any{nil}, []any{[]any{}}, map[string]any{}, map[string]any{"": nil}, nested(50), nested(9000), strings.Split(strings.Repeat("t,", 300), ",")}
	return all[f.IntN(len(all))]
}

func nested(depth int) any {
	return json.RawMessage(strings.Repeat("[", depth) + strings.Repeat("]", depth))
}

// fields are those of an attempt's body, if it is an object with any.
func (x *attempt) fields() (map[string]any, []string) {
	fields, _ := x.body.(map[string]any)
	return fields, sortedKeys(fields)
}

// mutations are the ways to be wrong.
var mutations = []struct {
	name string
	do   func(f *fuzz, x *attempt)
}{
	{"a field is missing", func(f *fuzz, x *attempt) {
		if fields, names := x.fields(); len(names) > 0 {
			delete(fields, f.one(names...))
		}
	}},
	{"a field is strange", func(f *fuzz, x *attempt) {
		if fields, names := x.fields(); len(names) > 0 {
			fields[f.one(names...)] = f.strange()
		}
	}},
	{"a field is unknown", func(f *fuzz, x *attempt) {
		if fields, _ := x.fields(); fields != nil {
			fields[f.one("x", "Service", "", "id", "user ", "\x00", "__proto__", strings.Repeat("n", 5000))] = f.strange()
		}
	}},
	{"the body is strange", func(f *fuzz, x *attempt) { x.body = f.strange() }},
	{"a field is doubled", func(f *fuzz, x *attempt) {
		if fields, names := x.fields(); len(names) > 0 {
			one, _ := json.Marshal(map[string]any{names[0]: fields[names[0]]})
			x.raw = string(one[:len(one)-1]) + "," + string(one[1:])
		}
	}},
	{"the body ends early", func(f *fuzz, x *attempt) {
		if whole := x.text(); len(whole) > 0 {
			x.raw = whole[:f.IntN(len(whole))]
		}
	}},
	{"the body goes on", func(f *fuzz, x *attempt) { x.raw = x.text() + f.one("{}", ",", "\x00", "null", " \n ", "]") }},
	{"the body is no JSON", func(f *fuzz, x *attempt) {
		x.raw = f.one("\xff\xfe", "{", "nul", "{'a':1}", `{"a":\ud800}`, `{"user":"\ud800"}`, "\ufeff", "[[[[", strings.Repeat("[", 40_000), "user=eve", "<x/>", strings.Repeat(`{"a":`, 9000), "\x00")
	}},
	{"the body is empty", func(f *fuzz, x *attempt) { x.body, x.raw = nil, "" }},
	{"the body is too long", func(f *fuzz, x *attempt) {
		x.raw = `{"user":"` + strings.Repeat("a", f.one2(70_000, 65_537, 3<<20)) + `"}`
	}},
	{"the type is another", func(f *fuzz, x *attempt) {
		x.kind = f.one("", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "multipart/form-data; boundary=x", "application/json; charset=utf-16", "application/json; charset", "application/problem+json", "*/*", ";", "application/x-www-form-urlencoded; charset=nothing", "application/json, application/json")
	}},
	{"a header is strange", func(f *fuzz, x *attempt) {
		x.header = append(x.header, f.one("Content-Encoding: gzip", "Content-Encoding: br", "Accept: text/html", "Accept: application/xml;q=2,*/*;q=x", "Accept-Encoding: gzip", "X-HTTP-Method-Override: DELETE", "Cookie: session="+private, "Origin: https://evil.example", "Sec-Fetch-Site: cross-site", "HX-Request: true", "If-None-Match: *", "Range: bytes=0-1", "X-Forwarded-For: 1.1.1.1, \"x\"", "X-Forwarded-Host: evil.example", "X-Request-ID: "+private, "Accept-Language: "+strings.Repeat("de,", 2000)))
	}},
	{"the key is another", func(f *fuzz, x *attempt) { x.key = f.keys[f.one(sortedKeys(f.keys)...)] }},
	{"the key is wrong", func(f *fuzz, x *attempt) {
		x.authorized = f.one("", "Bearer", "Bearer ", "Basic eDp5", "bearer gp_"+private, "Bearer gp_"+strings.Repeat("k", 5000), "Bearer "+x.key+" x", "Bearer gp_\xff", "Bearer null")
		if x.authorized == "" {
			x.authorized = "none"
		}
	}},
	{"the method is another", func(f *fuzz, x *attempt) {
		x.method = f.one("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
		for _, method := range []string{x.method, map[string]string{"HEAD": "GET"}[x.method]} {
			if other := f.operation(method, x.path); other.ID != "" {
				x.op = other
			}
		}
	}},
	{"a parameter is strange", func(f *fuzz, x *attempt) {
		name := f.one("service", "tenant", "user", "no_user", "account", "tag", "page", "limit", "refused")
		text, _ := f.strange().(string)
		x.query = append(x.query, name+"="+url.QueryEscape(text))
	}},
	{"a parameter is unknown", func(f *fuzz, x *attempt) {
		x.query = append(x.query, f.one("x=1", "=", "&&", "%zz", "a;b", "%00=%00", "access_token=x", "page[]=1", "Tag=a", "tag", strings.Repeat("tag=a&", 400)))
	}},
	{"a parameter is doubled", func(f *fuzz, x *attempt) { x.query = append(x.query, x.query...) }},
	{"a number is strange", func(f *fuzz, x *attempt) {
		x.query = append(x.query, f.one("limit", "refused", "page")+"="+f.one("-1", "0", "201", "1e9", "9223372036854775808", "0x10", "%2b1", "1.0", "NaN", "１", "1%00", "0001"))
	}},
}

func (f *fuzz) one2(of ...int) int { return of[f.IntN(len(of))] }

// text is the body of an attempt as it is sent.
func (x *attempt) text() string {
	if x.raw != "" || x.op.Body == nil && x.body == nil {
		return x.raw
	}
	text, _ := json.Marshal(x.body)
	return string(text)
}

// text is an attempt as it is sent.
func (f *fuzz) text(x attempt) string {
	target := "/api/v1" + x.address
	if len(x.query) > 0 {
		target += "?" + strings.Join(x.query, "&")
	}
	lines := []string{x.method + " " + ascii(target) + " HTTP/1.1", "Host: portal"}
	if x.authorized == "" {
		x.authorized = "Bearer " + x.key
	}
	if x.authorized != "none" {
		lines = append(lines, "Authorization: "+x.authorized)
	}
	body := x.text()
	if x.kind != "" && body != "" {
		lines = append(lines, "Content-Type: "+x.kind)
	}
	lines = append(lines, x.header...)
	if body != "" || slices.Contains([]string{"POST", "PUT", "PATCH"}, x.method) {
		lines = append(lines, fmt.Sprint("Content-Length: ", len(body)))
	}
	return strings.Join(lines, "\r\n") + "\r\n\r\n" + body
}

// ascii escapes what can't stand in a request's first line.
func ascii(target string) string {
	var b strings.Builder
	for i := range len(target) {
		if c := target[i]; c <= ' ' || c > '~' {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// send sends an attempt, as it is written, over a connection that is used again.
func (f *fuzz) send(x attempt) (answer, error) {
	if f.conn == nil {
		var err error
		if f.conn, err = net.Dial("tcp", strings.TrimPrefix(f.url, "http://")); err != nil {
			return answer{}, err
		}
		f.answer = bufio.NewReader(f.conn)
	}
	written := make(chan struct{})
	go func() { // an answer may come before all was sent
		defer close(written)
		_, _ = io.WriteString(f.conn, f.text(x))
	}()
	got, over, err := f.receive(x.method)
	if over || err != nil {
		f.hangUp()
	}
	<-written
	return got, err
}

// receive reads an answer; over says that the connection ends with it.
func (f *fuzz) receive(method string) (got answer, over bool, err error) {
	resp, err := http.ReadResponse(f.answer, &http.Request{Method: method})
	if err != nil {
		return got, true, fmt.Errorf("no answer: %w", err)
	}
	text, err := io.ReadAll(resp.Body)
	got = answer{t: f.t, status: resp.StatusCode, header: resp.Header, text: string(text)}
	return got, resp.Close || resp.StatusCode == http.StatusRequestEntityTooLarge, errors.Join(err, resp.Body.Close())
}

func (f *fuzz) hangUp() {
	if f.conn != nil {
		_ = f.conn.Close()
	}
	f.conn = nil
}
