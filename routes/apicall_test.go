package routes_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"gatepost/auth"
)

const callPath = "/identities/{id}/request"

// request calls a service's API through ours.
func (a *api) request(key, id, body string) answer {
	a.t.Helper()
	return a.call(key, "POST", callPath, "/identities/"+id+"/request", body)
}

// A program that may call, and no more, calls its tenant's API and gets no token.
func TestAPICallsAService(t *testing.T) {
	t.Parallel()
	a := openAPI(t)
	calls, reads := a.key([]string{"contoso"}, nil, auth.Call), a.key(nil, nil, auth.Read, auth.Delete)
	mine, theirs := a.ids["contoso"][0], a.ids["fabrikam"][0]
	const limits = `{"method":"GET","path":"/services/data/v60.0/limits"}`
	// Refused: by the key, by the tenant, and by what is asked for.
	a.request("", mine, limits).is(401, "unauthorized")
	a.request(reads, mine, limits).is(403, "forbidden")
	a.call(calls, "GET", "/identities/{id}/token", "/identities/"+mine+"/token", "").is(403, "forbidden")
	for _, id := range []string{theirs, "nobody", "%00", "..%2f" + mine} {
		a.request(calls, id, limits).is(404, "not_found")
	}
	before := a.count(`SELECT COALESCE(sum(n), 0) FROM api_calls WHERE tenant_id = $1`, a.tenant("contoso").ID)
	for body, code := range map[string]string{
		`{"method":"GET","path":"/services/data/../oauth2/userinfo"}`: "path_refused", `{"method":"GET","path":"/services/data/%2e%2e/oauth2/token"}`: "path_refused",
		`{"method":"GET","path":"https://evil.example/services/data/"}`: "path_refused", `{"method":"GET","path":"/services/oauth2/userinfo"}`: "path_refused",
		`{"method":"GET","path":"/services/data/","headers":{"Authorization":"Bearer x"}}`: "invalid", `{"method":"GET","path":"/services/data/","headers":{"Host":"evil.example"}}`: "invalid",
		`{"method":"GET"}`: "invalid", `{"path":"/services/data/"}`: "invalid", `{"method":"get","path":"/services/data/"}`: "invalid", `{"method":"GET","path":"/services/data/","host":"evil.example"}`: "invalid",
		`{"method":"GET","path":"/services/data/","query":{"q":7}}`: "invalid", `{"method":"GET","path":"/services/data/","query":{"q":[]}}`: "invalid", `{"method":"GET","path":"/services/data/","query":{"q":["a",{}]}}`: "invalid", `{"method":"GET","path":"/services/data/","query":null}`: "invalid",
		`{"method":"POST","path":"/services/data/","body":"x","body_base64":"eA=="}`: "invalid", `{"method":"POST","path":"/services/data/","body_base64":"e"}`: "invalid", `{"method":"POST","path":"/services/data/","body":"x"}`: "invalid",
		`[]`: "invalid", `{"method":"GET","path":"/services/data/"}{}`: "invalid",
	} {
		a.request(calls, mine, body).is(422, code)
	}
	if after := a.count(`SELECT COALESCE(sum(n), 0) FROM api_calls WHERE tenant_id = $1`, a.tenant("contoso").ID); after != before {
		t.Errorf("%d calls were counted that weren't made", after-before)
	}
	// Made, with what the service says.
	got := a.request(calls, mine, limits).is(200, "")
	text, _ := got.fields["body"].(string)
	if got.fields["status"] != 200.0 || !strings.Contains(text, "DailyApiRequests") || !strings.HasPrefix(got.fields["headers"].(map[string]any)["Content-Type"].(string), "application/json") {
		t.Error(got.text)
	}
	query := a.request(calls, mine, `{"method":"GET","path":"/services/data/v60.0/query","query":{"q":"SELECT Nothing FROM Nowhere","a":["b","c"]}}`).is(200, "")
	if query.fields["status"] != 400.0 {
		t.Error(query.text)
	}
	if after := a.count(`SELECT COALESCE(sum(n), 0) FROM api_calls WHERE tenant_id = $1`, a.tenant("contoso").ID); after != before+2 {
		t.Errorf("%d calls were counted, want 2", after-before)
	}
	if n := a.count(`SELECT count(*) FROM vault_events WHERE kind = 'called' AND subject = $1 AND detail LIKE 'GET /services/data/ %'`, mine); n != 2 {
		t.Errorf("%d calls in the service log", n)
	}
	c, err := a.vault.GetByID(t.Context(), mine, 0)
	if err != nil || strings.Contains(got.text+query.text+a.log.String(), c.AccessToken) {
		t.Errorf("the token is told, or %v", err)
	}
}

// Calls alone may bring a MiB, and with a key alone.
func TestLargeBodiesAreOfCallsAlone(t *testing.T) {
	t.Parallel()
	a := openAPI(t)
	key := a.key(nil, nil, auth.Read, auth.Call)
	mine := a.ids["contoso"][0]
	body := func(n int) string {
		return fmt.Sprintf(`{"method":"POST","path":"/services/data/v60.0/nothing","headers":{"Content-Type":"a/b"},"body_base64":"%s"}`, base64.StdEncoding.EncodeToString(make([]byte, n)))
	}
	if got := a.request(key, mine, body(1<<20)).is(200, ""); got.fields["status"] != 415.0 { // it arrived, and is none of a type that Salesforce takes
		t.Error(got.text)
	}
	a.request(key, mine, body(1<<20+1)).is(422, "invalid")
	const much = 100 << 10
	for _, c := range []struct {
		what, path, key string
		length          int
	}{{"more than a call has", "/api/v1/identities/" + mine + "/request", key, 2<<20 + 1}, {"without a key", "/api/v1/identities/" + mine + "/request", "", much},
		{"something else than a key", "/api/v1/identities/" + mine + "/request", "x", much}, {"another operation", "/api/v1/token", key, much},
		{"another path", "/api/v1/identities/" + mine + "/request/x", key, much}, {"a path within", "/api/v1/identities/a/b/request", key, much}, {"a page", "/login", key, much}} {
		r, err := http.NewRequest(http.MethodPost, a.url+c.path, strings.NewReader(strings.Repeat(" ", c.length)))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		if c.key != "" {
			r.Header.Set("Authorization", "Bearer "+c.key)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			continue // the connection was closed before all was sent
		}
		if _ = resp.Body.Close(); resp.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("%s: %d", c.what, resp.StatusCode)
		}
	}
}
