package routes_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"gatepost/auth"
	"gatepost/db"
	"gatepost/db/dbtest"
	"gatepost/identity"
	"gatepost/routes"
)

// api is the API of a world, and identities of two tenants in it.
type api struct {
	*world
	*description
	vault *identity.Vault
	keys  *auth.APIKeys
	ids   map[string][]string
}

// openAPI starts a portal in which both tenants have connections of their own and of
// users.
func openAPI(t *testing.T, changes ...with) *api {
	t.Helper()
	a := &api{ids: map[string][]string{}}
	a.world = openBoth(t, append(changes, func(c *routes.Config) { a.vault, a.keys = c.Vault, c.Keys })...)
	a.control("settings", `{"max_approvals":50}`)
	a.description = described(t, a.url)
	for _, tenant := range []struct{ slug, user string }{{"contoso", ""}, {"contoso", "eve"}, {"contoso", "joe"}, {"fabrikam", ""}, {"fabrikam", "ann@secret.example"}, {"fabrikam", "eve"}} {
		a.authorize(tenant.slug, tenant.user)
	}
	return a
}

// authorize connects a tenant, or a user of the application's with tags.
func (a *api) authorize(slug, user string) {
	a.t.Helper()
	r := identity.AuthorizeRequest{Service: identity.Salesforce, TenantID: a.tenant(slug).ID, User: user, SessionID: "s", FinishedURL: "/"}
	if user == "" {
		u, err := a.store.UserByEmail(a.t.Context(), map[string]string{"contoso": john, "fabrikam": ann}[slug])
		if err != nil {
			a.t.Fatal(err)
		}
		r.UserID = u.ID
	} else {
		r.Account, r.Tags = "", []string{"of-" + slug, "both"}
	}
	address, err := a.vault.Authorize(a.t.Context(), r)
	if err != nil {
		a.t.Fatal(err)
	}
	callback, err := url.Parse(a.browser().decide(address, sfJohn, "allow"))
	if err != nil {
		a.t.Fatal(err)
	}
	q := callback.Query()
	_, err = a.vault.Finish(a.t.Context(), identity.Callback{Service: identity.Salesforce, SessionID: "s", State: q.Get("state"), Code: q.Get("code")})
	if errors.Is(err, identity.ErrHeld) { // both tenants are connected to one org
		var h db.Held
		if h, err = a.vault.Held(a.t.Context(), identity.Salesforce, r.TenantID); err == nil {
			err = a.vault.ConfirmShared(a.t.Context(), identity.Salesforce, r.TenantID, h.ID, r.UserID)
		}
	}
	if err != nil {
		a.t.Fatal(err)
	}
	i, err := a.store.IdentityOf(a.t.Context(), identity.Salesforce, r.TenantID, user, "")
	if err != nil {
		a.t.Fatal(err)
	}
	a.ids[slug] = append(a.ids[slug], i.ID)
}

// key makes an API key for tenants, by their slugs, and services.
func (a *api) key(slugs, services []string, actions ...string) string {
	a.t.Helper()
	var tenants []string
	for _, slug := range slugs {
		tenants = append(tenants, a.tenant(slug).ID)
	}
	o := auth.APIKeyOptions{Name: "test", Services: services, Tenants: tenants, Actions: actions}
	if slices.Contains(actions, auth.Authorize) {
		o.ReturnTo = []string{"https://app.example/done"}
	}
	_, secret, err := auth.NewAPIKey(a.t.Context(), a.store, o)
	if err != nil {
		a.t.Fatal(err)
	}
	return secret
}

// answer is an answer of the API.
type answer struct {
	t      *testing.T
	status int
	header http.Header
	text   string
	fields map[string]any
}

// call calls an operation and holds its answer against the description.
func (a *api) call(key, method, path, target, body string) answer {
	a.t.Helper()
	r, err := http.NewRequestWithContext(a.t.Context(), method, a.url+"/api/v1"+target, strings.NewReader(body))
	if err != nil {
		a.t.Fatal(err)
	}
	if key != "" {
		r.Header.Set("Authorization", "Bearer "+key)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		a.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		a.t.Fatal(err)
	}
	got := answer{t: a.t, status: resp.StatusCode, header: resp.Header, text: string(b)}
	if err := json.Unmarshal(b, &got.fields); err != nil {
		a.t.Fatalf("%s %s: %d: %s", method, target, resp.StatusCode, b)
	}
	a.holds(a.operation(method, path), got)
	return got
}

func (g answer) is(status int, code string) answer {
	g.t.Helper()
	if got, _ := g.fields["code"].(string); g.status != status || got != code {
		g.t.Errorf("%d %q, want %d %q: %s", g.status, got, status, code, g.text)
	}
	return g
}

var apiParams = strings.NewReplacer(":id", "{id}", ":slug", "{slug}", ":newsletter", "{newsletter}")

// allows is what an operation takes of a key: where one of several will do, the first of them.
func (o operation) allows(t *testing.T) string {
	t.Helper()
	for _, s := range o.Security {
		if len(s["key"]) != 1 || !slices.Contains(auth.ActionNames(), s["key"][0]) {
			t.Fatalf("%s doesn't say in its security what a key has to allow: %v", o.ID, o.Security)
		}
	}
	if len(o.Security) == 0 {
		t.Fatalf("%s takes no key", o.ID)
	}
	return o.Security[0]["key"][0]
}

// What is described is there, and what is there is described.
func TestAPIIsWhatItsDescriptionSays(t *testing.T) {
	t.Parallel()
	a := openAPI(t)
	var said, there []string
	for path, operations := range a.Paths {
		for method := range operations {
			said = append(said, strings.ToUpper(method)+" /api/v1"+path)
		}
	}
	for _, r := range a.app.GetRoutes(true) {
		if strings.HasPrefix(r.Path, "/api/v1/") && r.Method != http.MethodHead && !slices.Contains([]string{"/api/v1/openapi.json", "/api/v1/docs"}, r.Path) {
			there = append(there, r.Method+" "+apiParams.Replace(r.Path))
		}
	}
	slices.Sort(said)
	slices.Sort(there)
	if there = slices.Compact(there); !slices.Equal(said, there) || len(said) < 6 {
		t.Errorf("described: %v\nthere: %v", said, there)
	}
}

func TestAPI(t *testing.T) {
	t.Parallel()
	a := openAPI(t)
	all := a.key(nil, nil, auth.Read, auth.Delete)

	services := a.call(all, "GET", "/services", "/services", "").is(200, "")
	if services.text != `{"services":[{"id":"sfdc","name":"Salesforce"}]}` {
		t.Error(services.text)
	}
	// Listing, by pages.
	var met []string
	for page := ""; ; {
		got := a.call(all, "GET", "/identities", "/identities?limit=2&page="+page, "")
		if page == "" {
			got = a.call(all, "GET", "/identities", "/identities?limit=2", "")
		}
		for _, i := range got.is(200, "").fields["identities"].([]any) {
			met = append(met, i.(map[string]any)["id"].(string))
		}
		if page, _ = got.fields["next"].(string); page == "" {
			break
		}
	}
	if want := append(slices.Clone(a.ids["contoso"]), a.ids["fabrikam"]...); !slices.Equal(met, want) {
		t.Errorf("met %v, want %v", met, want)
	}
	for query, n := range map[string]int{"?user=eve": 2, "?user=eve&tenant=contoso": 1, "?tag=both&tag=of-contoso": 2, "?tenant=nobody": 0, "?service=hubspot": 0, "?tenant=contoso&service=sfdc": 3} {
		if got := a.call(all, "GET", "/identities", "/identities"+query, "").is(200, "").fields["identities"].([]any); len(got) != n {
			t.Errorf("%s: %d, want %d", query, len(got), n)
		}
	}
	for _, query := range []string{"?userId=eve", "?user=", "?user=a&user=b", "?limit=0", "?limit=many", "?limit=201", "?user=%zz"} {
		a.call(all, "GET", "/identities", "/identities"+query, "").is(422, "invalid")
	}
	// One of them, and its credential.
	eve := a.ids["contoso"][1]
	if got := a.call(all, "GET", "/identities/{id}", "/identities/"+eve, "").is(200, ""); got.fields["user"] != "eve" || got.fields["state"] != "ok" {
		t.Error(got.text)
	}
	first := a.call(all, "GET", "/identities/{id}/token", "/identities/"+eve+"/token", "").is(200, "")
	native := first.fields["native"].(map[string]any)
	if first.fields["accessToken"] == "" || native["access_token"] != first.fields["accessToken"] || native["instance_url"] != a.mock || native["refresh_token"] != nil {
		t.Error(first.text)
	}
	if strings.Contains(first.text, "5Aep") { // how the simulated Salesforce's refresh tokens begin
		t.Error("a refresh token is given out")
	}
	second := a.call(all, "POST", "/token", "/token", fmt.Sprintf(`{"service":"sfdc","tenant":"contoso","user":"eve","tags":["both"],"refused":%.0f}`, first.fields["generation"])).is(200, "")
	if second.fields["generation"] == first.fields["generation"] || second.fields["id"] != eve {
		t.Error("the refused credential came again")
	}
	// What can't be answered.
	several := a.call(all, "POST", "/token", "/token", `{"user":"eve"}`).is(409, "ambiguous")
	if got := several.fields["identities"].([]any); len(got) != 2 {
		t.Error(several.text)
	}
	a.call(all, "POST", "/token", "/token", `{"user":"nobody"}`).is(404, "not_found")
	for _, body := range []string{`{}`, `{"user":""}`} {
		a.call(all, "POST", "/token", "/token", body).is(422, "invalid")
	}
	// What is named by nothing would be more than was meant: another tenant's, say.
	for _, body := range []string{`{"tenant":"","user":"joe"}`, `{"service":"","user":"joe"}`, `{"user":"","tags":["of-contoso"]}`, `{"account":"","user":"joe"}`, `{"user":"joe","tags":[""]}`} {
		a.call(all, "POST", "/token", "/token", body).is(422, "invalid")
	}
	var tags strings.Builder
	for n := range 1500 {
		fmt.Fprintf(&tags, "&tag=%d", n)
	}
	for _, query := range []string{"?tag=", tags.String()} {
		a.call(all, "GET", "/identities", "/identities?"+query[1:], "").is(422, "invalid")
	}
	for _, body := range []string{`[]`, `{"userId":"eve"}`, `{"user":7}`, `{"user":"eve"`, `{"user":"eve"}{"user":"joe"}`} {
		a.call(all, "POST", "/token", "/token", body).is(422, "invalid")
	}
	a.call(all, "GET", "/identities/{id}/token", "/identities/"+eve+"/token?refused=-1", "").is(422, "invalid")
	// Deleting, with a receipt.
	if got := a.call(all, "DELETE", "/identities/{id}", "/identities/"+eve, "").is(200, ""); got.fields["revoked"] != true || got.fields["ending"] != "revoked" {
		t.Error(got.text)
	}
	a.call(all, "DELETE", "/identities/{id}", "/identities/"+eve, "").is(404, "not_found")
	a.call(all, "GET", "/identities/{id}/token", "/identities/"+eve+"/token", "").is(404, "not_found")
}

// What a request doesn't say clearly is refused, in each field and parameter of the
// description: what isn't read would widen a selection, to another tenant's
// credential in the end.
func TestAPIRefusesWhatItCannotMean(t *testing.T) {
	t.Parallel()
	a := openAPI(t)
	all := a.key(nil, nil, auth.ActionNames()...)
	refuses := func(body string, says ...string) {
		t.Helper()
		got := a.call(all, "POST", "/token", "/token", body).is(422, "invalid")
		for _, s := range says {
			if detail, _ := got.fields["detail"].(string); !strings.Contains(detail, s) {
				t.Errorf("%.100s: %s", body, detail)
			}
		}
	}
	selects := func(body string) { t.Helper(); a.call(all, "POST", "/token", "/token", body).is(200, "") }
	const joe = `"service":"sfdc","user":"joe"`
	selects("{" + joe + "}")
	selects("\ufeff {" + joe + "} \n")
	// Null is none, of a user and an account alone; it is not enough to select by.
	selects(`{"service":"sfdc","tenant":"contoso","user":null}`)
	selects(`{"service":"sfdc","tenant":"contoso","user":null,"account":null}`)
	selects(`{"user":"joe","account":null}`)
	a.call(all, "POST", "/token", "/token", `{"user":"joe","account":"x"}`).is(404, "not_found")
	refuses(`{"user":null}`, "select by")
	refuses(`{"user":null,"account":null}`, "select by")
	nullable := []string{"user", "account"}
	properties := a.schemas["Selector"].(map[string]any)["properties"].(map[string]any)
	if len(properties) < 6 {
		t.Fatalf("%d properties", len(properties))
	}
	for name := range properties {
		value := map[string]string{"service": `"sfdc"`, "user": `"joe"`, "tenant": `"contoso"`, "tags": `["both"]`, "refused": "0", "account": `"x"`}[name]
		if value == "" {
			t.Fatalf("a property %s, which this test doesn't know", name)
		}
		other := map[bool]string{true: `"service":"sfdc"`, false: `"user":"joe"`}[name == "user"]
		if !slices.Contains(nullable, name) {
			refuses(`{`+other+`,"`+name+`":null}`, name, "null")
			refuses(`{"`+name+`":null}`, name, "null")
		}
		refuses(`{`+other+`,"`+name+`":`+value+`,"`+name+`":`+value+`}`, name, "more than once")
		refuses(`{`+other+`,"`+strings.ToUpper(name[:1])+name[1:]+`":`+value+`}`, strings.ToUpper(name[:1])+name[1:], "no field")
		refuses(`{`+other+`,"`+name+`":{"`+name+`":`+value+`}}`, name)
		refuses(`{`+other+`,"`+name+`":[null]}`, name)
		refuses(`{`+other+`,"`+name+`":[]}`, name)
		refuses(`{`+other+`,"`+name+`":""}`, name)
		refuses(`{`+other+`,"`+name+`":"\ud800"}`, name)
		refuses(`{` + other + `,"` + name + `":true}`)
	}
	for _, body := range []string{``, ` `, `null`, `[{` + joe + `}]`, `"x"`, `{` + joe, `{` + joe + `}{}`, `{` + joe + `} null`, `{` + joe + `,}`, `{` + joe + `,"x":1}`, `{` + joe + `,"":1}`,
		`{` + joe + `,"refused":-1}`, `{` + joe + `,"refused":1.5}`, `{` + joe + `,"refused":"1"}`, "{\"user\":\"jo\xebe\"}", `{"user":` + strings.Repeat("[", 30_000), `{"tags":["both",null]}`, `{"tags":[["both"]]}`} {
		if body == "" {
			continue // has no type: 415, below
		}
		refuses(body)
	}
	for kind, status := range map[string]int{"": 415, "text/plain": 415, "application/x-www-form-urlencoded": 415, "text/json": 415, "application/json; charset=iso-8859-1": 415, "application/json; charset=utf-16": 415,
		"application/json; charset=UTF-8": 200, `application/json;charset="utf-8"`: 200} {
		r, err := http.NewRequest(http.MethodPost, a.url+"/api/v1/token", strings.NewReader("{"+joe+"}"))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+all)
		r.Header["Content-Type"] = []string{kind}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if _ = resp.Body.Close(); resp.StatusCode != status {
			t.Errorf("%s: %d", kind, resp.StatusCode)
		}
	}
	// Parameters, of each operation.
	for path, operations := range a.Paths {
		for method, op := range operations {
			known := map[string]bool{}
			for _, p := range op.Parameters {
				known[p.Name] = known[p.Name] || p.In == "query"
			}
			target, body := strings.NewReplacer("{id}", a.ids["contoso"][2], "{slug}", "contoso").Replace(path), ""
			if op.Body != nil {
				body = "{" + joe + "}"
			}
			queries := []string{"x=1", "=1", "Service=sfdc", "a;b=1", "%zz=1", "x"}
			for _, name := range []string{"service", "tenant", "user", "no_user", "account", "no_account", "tag", "page", "limit", "refused", "id"} {
				queries = append(queries, name+"=", name)
				if !known[name] {
					queries = append(queries, name+"=1")
				}
				if name != "tag" {
					queries = append(queries, name+"=1&"+name+"=1", name+"=1&"+name+"=2")
				}
			}
			queries = append(queries, "user=%ff", "user=a%00b", "user=joe&no_user=true", "account=x&no_account=true", "no_user=false", "no_account=1")
			for _, q := range queries {
				if got := a.call(all, strings.ToUpper(method), path, target+"?"+q, body).is(422, "invalid"); got.fields["detail"] == "" {
					t.Errorf("%s ?%s: nothing is said", op.ID, q)
				}
			}
		}
	}
	a.call(all, "GET", "/identities/{id}", "/identities/"+a.ids["contoso"][2], "").is(200, "") // nobody deleted it
}

// What the operator left out is told as that, and nobody is told to come again.
func TestAPITellsThatNoAppIsSet(t *testing.T) {
	t.Parallel()
	a := openAPI(t)
	all := a.key(nil, nil, auth.Read)
	appless := identity.Service{ID: "appless", Name: "Appless", LoginURL: "https://login.example", AuthorizeURL: "/authorize", TokenURL: "/token"}
	if err := a.vault.AddService(t.Context(), appless); err != nil {
		t.Fatal(err)
	}
	for service, want := range map[string]struct {
		status int
		code   string
	}{"appless": {409, "no_app"}, "gone": {404, "no_service"}} {
		id := a.ids["contoso"][1]
		if _, err := a.store.Writer().Exec(`UPDATE identities SET service = $1, stale = 1 WHERE id = $2`, service, id); err != nil {
			t.Fatal(err)
		}
		got := a.call(all, "GET", "/identities/{id}/token", "/identities/"+id+"/token", "").is(want.status, want.code)
		if detail, _ := got.fields["detail"].(string); !strings.Contains(detail, "gatepost service") || strings.Contains(detail, "again") || got.header.Get("Retry-After") != "" {
			t.Errorf("%s: %s", service, got.text)
		}
	}
}

// The tenant's own and an unlabelled identity are selected beside others.
func TestAPISelectsWhatHasNoUser(t *testing.T) {
	t.Parallel()
	a := openAPI(t)
	all := a.key(nil, nil, auth.Read)
	contoso := a.ids["contoso"]
	for query, want := range map[string][]string{
		"tenant=contoso&no_user=true": contoso[:1], "tenant=contoso&no_user=true&no_account=true": contoso[:1], "tenant=contoso&no_account=true": contoso, "tenant=contoso&user=eve&no_account=true": contoso[1:2],
		"no_user=true": {contoso[0], a.ids["fabrikam"][0]},
	} {
		got := a.call(all, "GET", "/identities", "/identities?"+query, "").is(200, "")
		var ids []string
		for _, i := range got.fields["identities"].([]any) {
			ids = append(ids, i.(map[string]any)["id"].(string))
		}
		if !slices.Equal(ids, want) {
			t.Errorf("%s: %v, want %v", query, ids, want)
		}
	}
	for body, want := range map[string]string{`{"tenant":"contoso","user":null}`: contoso[0], `{"tenant":"contoso","user":"eve","account":null}`: contoso[1]} {
		if got := a.call(all, "POST", "/token", "/token", body).is(200, ""); got.fields["id"] != want {
			t.Errorf("%s: %s", body, got.text)
		}
	}
	a.call(all, "POST", "/token", "/token", `{"tenant":"contoso","account":null}`).is(409, "ambiguous")
}

// All that a body selects is deleted, a part at a time, each with a receipt.
func TestAPIDeletesWhatIsSelected(t *testing.T) {
	t.Parallel()
	a := openAPI(t)
	both, reads, theirs := a.key(nil, nil, auth.Read, auth.Delete), a.key(nil, nil, auth.Read), a.key([]string{"fabrikam"}, nil, auth.Delete)
	remove := func(key, body string) answer {
		t.Helper()
		return a.call(key, "DELETE", "/identities", "/identities", body)
	}
	remove("", `{"tenant":"contoso"}`).is(401, "unauthorized")
	remove(reads, `{"tenant":"contoso"}`).is(403, "forbidden")
	for _, body := range []string{`{}`, `{"user":null}`, `{"user":null,"account":null}`, `{"tenant":""}`, `{"tenant":null}`, `{"tags":[]}`, `{"tags":[""]}`, `{"tenant":"contoso","refused":1}`, `{"tenant":"contoso","id":"x"}`, `null`, `[]`, `{"tenant":"contoso","user":"\u0000"}`} {
		if got := remove(both, body); got.status != 422 || !strings.HasPrefix(got.fields["code"].(string), "invalid") {
			t.Errorf("%s: %s", body, got.text)
		}
	}
	remove(both, "").is(415, "unsupported_media_type")
	receipts := func(got answer) (ids []string) {
		t.Helper()
		for _, r := range got.is(200, "").fields["receipts"].([]any) {
			r := r.(map[string]any)
			if ids = append(ids, r["id"].(string)); r["ending"] != "revoked" || r["revoked"] != true || r["service"] != "sfdc" {
				t.Errorf("receipt %v", r)
			}
		}
		return ids
	}
	for _, body := range []string{`{"tenant":"contoso"}`, `{"tenant":"nobody"}`, `{"user":"nobody"}`} {
		if got := receipts(remove(theirs, body)); len(got) != 0 {
			t.Errorf("%s: another tenant's key deleted %v", body, got)
		}
	}
	if got := receipts(remove(both, `{"tenant":"contoso","user":null}`)); !slices.Equal(got, a.ids["contoso"][:1]) {
		t.Errorf("the tenant's own: %v", got)
	}
	got := remove(theirs, `{"tags":["both"]}`)
	if ids := receipts(got); !slices.Equal(ids, a.ids["fabrikam"][1:]) || got.fields["more"] != false {
		t.Errorf("of a tag: %v", got.text)
	}
	if ids := receipts(remove(both, `{"service":"sfdc"}`)); len(ids) != 3 {
		t.Errorf("the rest: %v", ids)
	}
}

func TestAPITellsWhatIsWrongWithAnIdentity(t *testing.T) {
	t.Parallel()
	a := openAPI(t)
	all := a.key(nil, nil, auth.Read)
	token := "/identities/" + a.ids["contoso"][1] + "/token"
	first := a.call(all, "GET", "/identities/{id}/token", token, "").is(200, "")
	a.control("fail", `{"on":"token","status":400,"error_code":"temporarily_unavailable","count":1}`)
	refused := fmt.Sprintf("%s?refused=%.0f", token, first.fields["generation"])
	got := a.call(all, "GET", "/identities/{id}/token", refused, "")
	if got.is(503, "unavailable").header.Get("Retry-After") == "" {
		t.Error("when to try again isn't said")
	}
	if _, err := a.store.Writer().Exec(`UPDATE identities SET broken_at = 1, broken_code = 'invalid_grant' WHERE id = $1`, a.ids["contoso"][1]); err != nil {
		t.Fatal(err)
	}
	if got := a.call(all, "GET", "/identities/{id}/token", token, "").is(409, "reauthorize"); got.fields["reason"] != "invalid_grant" {
		t.Error(got.text)
	}
}

func TestAPIKeysAreChecked(t *testing.T) {
	t.Parallel()
	a := openAPI(t)
	reads, id := a.key(nil, nil, auth.Read), a.ids["contoso"][0]
	keys := map[string]string{auth.Read: reads} // one for each action alone
	for _, action := range auth.ActionNames()[1:] {
		keys[action] = a.key(nil, nil, action)
	}
	for path, operations := range a.Paths {
		for method, op := range operations {
			target := strings.NewReplacer("{id}", id, "{slug}", "contoso").Replace(path)
			for _, key := range []string{"", "gp_", "gp_wrong", strings.TrimPrefix(reads, "gp_"), reads + "x"} {
				if got := a.call(key, strings.ToUpper(method), path, target, "").is(401, "unauthorized"); got.header.Get("WWW-Authenticate") == "" {
					t.Error("how to authenticate isn't said")
				}
			}
			_ = op.allows(t)
			for action, key := range keys {
				if !slices.ContainsFunc(op.Security, func(s map[string][]string) bool { return s["key"][0] == action }) {
					a.call(key, strings.ToUpper(method), path, target, "").is(403, "forbidden")
				}
			}
		}
	}
	r, err := http.NewRequest(http.MethodGet, a.url+"/api/v1/services?access_token="+reads, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth("key", reads)
	resp, err := http.DefaultClient.Do(r)
	if err != nil || resp.StatusCode != 401 {
		t.Errorf("by other means: %v, %v", resp.StatusCode, err)
	}
	_ = resp.Body.Close()
	// Its use is noted; removed, it is refused; and the log knows no key.
	stored, err := a.store.APIKeys(t.Context())
	if err != nil || len(stored) != len(keys) || time.Since(stored[0].UsedAt) > 2*time.Minute {
		t.Errorf("keys: %+v, %v", stored, err)
	}
	a.call(reads, "GET", "/services", "/services", "").is(200, "")
	if err := a.store.DeleteAPIKey(t.Context(), stored[0].ID); err != nil {
		t.Fatal(err)
	}
	a.refusedSoon(reads)
	for _, key := range keys {
		if strings.Contains(a.log.String(), key) {
			t.Error("a key stands in the log")
		}
	}
}

// refusedSoon waits until a key that was removed is refused. It was taken for good for
// a second.
func (a *api) refusedSoon(key string) {
	a.t.Helper()
	for begun := time.Now(); time.Since(begun) < time.Minute; {
		if a.call(key, "GET", "/services", "/services", "").status == 401 {
			a.call(key, "GET", "/services", "/services", "").is(401, "unauthorized")
			return
		}
	}
	a.t.Error("a removed key is never refused")
}

// A credential costs a look for the tenant and one for the identity.
func TestStatementsOfAToken(t *testing.T) {
	t.Parallel()
	a := openAPI(t)
	key := a.key(nil, nil, auth.Read)
	var fewest []string // what the vault does meanwhile on its own is no part of it
	for range 5 {
		queries := dbtest.Statements(t, a.world.vault, func() {
			a.call(key, "POST", "/token", "/token", `{"service":"sfdc","tenant":"contoso","user":"eve"}`).is(200, "")
		})
		queries = slices.DeleteFunc(queries, func(query string) bool { return strings.Contains(query, "api_keys") }) // once a second
		if fewest == nil || len(queries) < len(fewest) {
			fewest = queries
		}
	}
	if len(fewest) != 2 {
		t.Errorf("%d statements: %q", len(fewest), fewest)
	}
}

func TestAPIKeysAreBraked(t *testing.T) {
	t.Parallel()
	a := openAPI(t, func(c *routes.Config) { c.APILimit = 3 })
	one, two := a.key(nil, nil, auth.Read), a.key(nil, nil, auth.Read)
	for range 3 {
		a.call(one, "GET", "/services", "/services", "").is(200, "")
	}
	if got := a.call(one, "GET", "/identities", "/identities", "").is(429, "too_many_requests"); got.header.Get("Retry-After") == "" {
		t.Error("when to go on isn't said")
	}
	a.call(two, "GET", "/services", "/services", "").is(200, "")
}

func TestAPIAnswersProgramsEverywhere(t *testing.T) {
	t.Parallel()
	a := openAPI(t)
	for _, c := range []struct {
		method, path   string
		length, status int
	}{{"GET", "/api/v1/nothing", 0, 404}, {"POST", "/api/v1/services", 0, 405}, {"GET", "/api/", 0, 404}, {"POST", "/api/v1/token", 1 << 20, 413}} {
		if p := a.announce(c.method, c.path, "application/json", c.length).is(c.status); p.head("Content-Type") != "application/problem+json" {
			t.Errorf("%s %s: %s", c.method, c.path, p.head("Content-Type"))
		}
	}
}

// A key of one tenant gets nothing of another, by any operation and parameter of
// the description, each alone and all together.
func TestAPIKeyOfATenantGetsNothingOfAnother(t *testing.T) {
	t.Parallel()
	a := openAPI(t)
	key := a.key([]string{"contoso"}, nil, auth.Read, auth.Delete, auth.Authorize, auth.Call, auth.SignUp, auth.Readers)
	theirs := a.ids["fabrikam"]
	owner := a.key([]string{"fabrikam"}, nil, auth.Authorize)
	begun := a.call(owner, "POST", "/authorizations", "/authorizations", `{"service":"sfdc","tenant":"fabrikam","user":"eve","return_to":"https://app.example/done"}`).is(201, "")
	values := map[string][]string{
		"service": {"sfdc"}, "tenant": {"fabrikam", a.tenant("fabrikam").ID, "fabrikam' OR '1'='1"}, "user": {"eve", "ann@secret.example"}, "account": {"x"}, "no_user": {"true"}, "no_account": {"true"},
		"tag": {"of-fabrikam", "both"}, "tags": {"of-fabrikam", "both"}, "page": append([]string{"0"}, theirs...), "limit": {"200"}, "id": append(slices.Clone(theirs), begun.fields["id"].(string)), "refused": {"0", "1"},
		"tenant_id": {a.tenant("fabrikam").ID}, "scopes": {"api"}, "params": {"prompt"}, "login_hint": {"eve"}, "return_to": {"https://app.example/done", "https://evil.example"}, "state": {"x"},
		"changed_after": {"2026-11-30T14:00:00Z"}, "confirmed_at": {"2026-11-30T14:00:00Z"}, "confirmed_words": {"Yes."}, "cursor": {"e30"}, "reason": {"x"}, "all": {"true"}, "by_mail": {"true"}, "redirect": {"true"}, "reauthorize": theirs, "code": {"x"}, "accept": {"other_org"},
		"slug": {"fabrikam"}, "name": {"Fabrikam"}, "newsletter": {"fabrikam-weekly"}, "email": {"reader@fabrikam.test"}, "first_name": {"Ann"}, "last_name": {"Reader"},
		"method": {"GET", "POST"}, "path": {"/services/data/", "/services/data/v60.0/limits"}, "query": {"q"}, "headers": {"Accept"}, "body": {"x"}, "body_base64": {"eA=="},
	}
	secrets := append(slices.Clone(values["id"]), "ann@secret.example", "of-fabrikam", "fabrikam", a.tenant("fabrikam").ID)
	for _, id := range theirs {
		c, err := a.vault.GetByID(t.Context(), id, 0)
		if err != nil {
			t.Fatal(err)
		}
		secrets = append(secrets, c.AccessToken)
	}
	before := a.count(`SELECT sum(generation) FROM identities WHERE tenant_id = $1`, a.tenant("fabrikam").ID)
	tried, operations := map[string]int{}, 0
	try := func(method, path, target, body string) {
		t.Helper()
		got := a.call(key, strings.ToUpper(method), path, target, body)
		tried[a.operation(method, path).ID]++
		for _, secret := range secrets {
			if strings.Contains(got.text, secret) {
				t.Errorf("%s %s %s tells %.12s…: %s", method, target, body, secret, got.text)
			}
		}
	}
	for path, operations := range a.Paths {
		for method, op := range operations {
			query, names := []url.Values{{}}, []string{}
			for _, p := range op.Parameters {
				if values[p.Name] == nil {
					t.Fatalf("%s has a parameter %s, which this test doesn't know", op.ID, p.Name)
				}
				if p.In == "query" {
					names = append(names, p.Name)
				}
			}
			query = append(query, combinations(names, values)...)
			for _, id := range values["id"] {
				target := strings.NewReplacer("{id}", id, "{slug}", "fabrikam", "{newsletter}", "fabrikam-weekly").Replace(path)
				for _, q := range query {
					if len(q) > 0 {
						try(method, path, target+"?"+q.Encode(), "")
					} else {
						try(method, path, target, "")
					}
				}
				if op.Body != nil {
					for _, body := range a.bodies(op, values) {
						try(method, path, target, body)
					}
				}
				if target == path {
					break
				}
			}
		}
	}
	a.each(func(_, _ string, op operation) {
		if operations++; tried[op.ID] == 0 {
			t.Errorf("%s wasn't tried", op.ID)
		}
	})
	if operations < 16 || tried["beginAuthorization"] < 100 {
		t.Errorf("tried: %v", tried)
	}
	id := begun.fields["id"].(string)
	if got := a.call(owner, "GET", "/authorizations/{id}", "/authorizations/"+id, "").is(200, ""); got.fields["state"] != "begun" {
		t.Errorf("the other tenant's authorization was changed: %s", got.text)
	}
	if n := a.count(`SELECT count(*) FROM subscribers`); n != 0 {
		t.Errorf("%d were signed up for the other tenant's newsletter", n)
	}
	if after := a.count(`SELECT sum(generation) FROM identities WHERE tenant_id = $1`, a.tenant("fabrikam").ID); after != before {
		t.Errorf("the other tenant's identities were changed: %d, before %d", after, before)
	}
}

// combinations are all values of each name alone, of each two names, and of all
// names together.
func combinations(names []string, values map[string][]string) (all []url.Values) {
	for i, one := range names {
		for _, v := range values[one] {
			all = append(all, url.Values{one: {v}})
			for _, two := range names[i+1:] {
				for _, w := range values[two] {
					all = append(all, url.Values{one: {v}, two: {w}})
				}
			}
		}
	}
	whole := url.Values{}
	for _, name := range names {
		whole.Set(name, values[name][0])
	}
	return append(all, whole)
}

// bodies are the same of an operation's body.
func (a *api) bodies(op operation, values map[string][]string) (all []string) {
	a.t.Helper()
	schema := a.schemas[strings.TrimPrefix(op.Body.Content["application/json"].Schema.Ref, "#/components/schemas/")].(map[string]any)
	names := slices.Sorted(maps.Keys(schema["properties"].(map[string]any)))
	for _, name := range names {
		if values[name] == nil {
			a.t.Fatalf("%s has a property %s, which this test doesn't know", op.ID, name)
		}
	}
	for _, fields := range combinations(names, values) {
		body := map[string]any{}
		for name, v := range fields {
			switch name {
			case "tags", "scopes":
				body[name] = v
			case "params":
				body[name] = map[string]string{v[0]: "login"}
			case "by_mail", "redirect":
				body[name] = v[0] == "true"
			case "query", "headers":
				body[name] = map[string]string{v[0]: "x"}
			case "refused":
				body[name] = json.Number(v[0])
			default:
				body[name] = v[0]
			}
		}
		text, err := json.Marshal(body)
		if err != nil {
			a.t.Fatal(err)
		}
		all = append(all, string(text))
	}
	return all
}
