package routes_test

import (
	"encoding/base64"
	"net/url"
	"strings"
	"testing"
	"time"

	"gatepost/auth"
	"gatepost/routes"
)

// readers reads a page of a newsletter's.
func (a *api) readers(key, slug string, query ...string) answer {
	a.t.Helper()
	q := url.Values{}
	for i := 0; i < len(query); i += 2 {
		q.Set(query[i], query[i+1])
	}
	target := "/newsletters/" + slug + "/subscribers"
	if len(q) > 0 {
		target += "?" + q.Encode()
	}
	return a.call(key, "GET", "/newsletters/{newsletter}/subscribers", target, "")
}

// told are the addresses of a page with their states; of who is erased the state alone.
func (g answer) told() (all []string) {
	g.t.Helper()
	list, ok := g.fields["subscribers"].([]any)
	if !ok {
		g.t.Fatal(g.text)
	}
	for _, one := range list {
		r := one.(map[string]any)
		email, _ := r["email"].(string)
		all = append(all, strings.TrimSpace(email+" "+r["state"].(string)))
	}
	return all
}

func (g answer) cursor() string { c, _ := g.fields["cursor"].(string); return c }

// Whoever sends the mails is told who wants them and who left, of the tenants that the key is for.
func TestReadersByTheAPI(t *testing.T) {
	t.Parallel()
	a := openAPI(t, func(c *routes.Config) { c.SignupLimits = false })
	key := a.key([]string{"contoso"}, nil, auth.Readers)
	a.readers("", "contoso-weekly").is(401, "unauthorized")
	a.readers(a.key(nil, nil, auth.SignUp), "contoso-weekly").is(403, "forbidden")
	a.readers(key, "fabrikam-weekly").is(404, "not_found")
	a.readers(key, "nothing").is(404, "not_found")
	for name, query := range map[string][]string{
		"a state that isn't told": {"state", "held"}, "no state": {"state", "x"}, "no limit": {"limit", "0"}, "too much": {"limit", "1001"}, "no time": {"changed_after", "yesterday"},
		"both": {"changed_after", "2026-11-30T14:00:00Z", "cursor", "e30"}, "no cursor": {"cursor", "x"}, "no JSON": {"cursor", "AAAA"}, "a wrong id": {"cursor", "eyJpIjoieCJ9"}, "another parameter": {"page", "x"},
	} {
		if got := a.readers(key, "contoso-weekly", query...); got.status != 422 {
			t.Errorf("%s: %d %s", name, got.status, got.text)
		}
	}
	if got := a.readers(key, "contoso-weekly").is(200, ""); len(got.told()) != 0 || got.cursor() == "" {
		t.Error(got.text)
	}
	for _, email := range []string{"anna@reader.example", "bert@reader.example", "cleo@reader.example", "dora@reader.example"} {
		a.someone("contoso", email)
	}
	a.someone("fabrikam", "other@reader.example")
	a.put(`UPDATE subscribers SET state = 'held' WHERE email_key = 'dora@reader.example'`)
	first := a.readers(key, "contoso-weekly", "limit", "2").is(200, "")
	if got := strings.Join(first.told(), ","); got != "anna@reader.example active,bert@reader.example active" || first.fields["more"] != true {
		t.Error(first.text)
	}
	if !strings.Contains(first.text, `"unsubscribe_url":"`+a.url+`/unsubscribe/A`) || strings.Contains(first.text, "left_at") {
		t.Error(first.text)
	}
	a.leave(key, "contoso-weekly", `{"email":"Anna@Reader.example","reason":" Complaint "}`)
	second := a.readers(key, "contoso-weekly", "cursor", first.cursor()).is(200, "")
	if got := strings.Join(second.told(), ","); got != "cleo@reader.example active,anna@reader.example left" || second.fields["more"] != false || !strings.Contains(second.text, `"left_how":"api"`) {
		t.Error(second.text)
	}
	if n := a.count(`SELECT count(*) FROM subscribers WHERE email_key = 'anna@reader.example' AND left_why = 'Complaint' AND changed_at > 0`); n != 1 {
		t.Error("the reason isn't kept")
	}
	if got := a.readers(key, "contoso-weekly", "state", "left").is(200, "").told(); len(got) != 1 {
		t.Error(got)
	}
	a.put(`UPDATE subscribers SET state = 'erasing' WHERE email_key = 'bert@reader.example'`)
	gone := a.readers(key, "contoso-weekly", "state", "erased", "changed_after", time.Now().Add(-time.Hour).Format(time.RFC3339)).is(200, "")
	if got := gone.told(); len(got) != 1 || got[0] != "erased" || strings.Contains(gone.text, "bert") || strings.Contains(gone.text, "unsubscribe_url") {
		t.Error(gone.text)
	}
	if got := a.readers(key, "contoso-weekly", "changed_after", time.Now().Add(time.Hour).Format(time.RFC3339)).is(200, "").told(); len(got) != 0 {
		t.Error(got)
	}
}

// A program that never asked before may ask from any time on: it misses nobody, and nobody after it either.
func TestReadersFromAnyTimeByTheAPI(t *testing.T) {
	t.Parallel()
	a := openAPI(t, func(c *routes.Config) { c.SignupLimits = false })
	key := a.key([]string{"contoso"}, nil, auth.Readers)
	a.someone("contoso", "anna@reader.example")
	cursor := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	for name, query := range map[string][2]string{
		"the first day": {"changed_after", "0001-01-01T00:00:00Z"}, "before it": {"changed_after", "0000-01-01T00:00:00Z"}, "1969": {"changed_after", "1969-12-31T23:59:59Z"},
		"a cursor of before": {"cursor", cursor(`{"a":-62135596800000,"i":"","s":-62135596800000,"j":""}`)}, "one at the very end": {"cursor", cursor(`{"a":-9223372036854775808,"s":-9223372036854775808}`)},
	} {
		got := a.readers(key, "contoso-weekly", query[0], query[1]).is(200, "")
		if len(got.told()) != 1 {
			t.Errorf("%s: %s", name, got.text)
		}
		text, err := base64.RawURLEncoding.DecodeString(got.cursor())
		if err != nil || strings.Contains(string(text), "-62") || strings.Contains(string(text), "-92") {
			t.Errorf("%s: goes on at %s, %v", name, text, err)
		}
	}
	for name, forged := range map[string]string{"too large": `{"a":9223372036854775808}`, "an id of another kind": `{"a":0,"i":"zzzzzzzz-zzzz-zzzz-zzzz-zzzzzzzzzzzz"}`, "a fraction": `{"a":1.5}`} {
		if got := a.readers(key, "contoso-weekly", "cursor", cursor(forged)); got.status != 422 {
			t.Errorf("%s: %d %s", name, got.status, got.text)
		}
	}
	ahead := a.readers(key, "contoso-weekly", "changed_after", "9999-12-31T23:59:59Z").is(200, "")
	if len(ahead.told()) != 0 {
		t.Error(ahead.text)
	}
	a.someone("contoso", "bert@reader.example")
	if got := a.readers(key, "contoso-weekly", "cursor", ahead.cursor()).is(200, ""); len(got.told()) != 1 {
		t.Errorf("who came after a time that was still to come: %s", got.text)
	}
}

// leave has an address leave by the API.
func (a *api) leave(key, slug, body string) answer {
	a.t.Helper()
	return a.call(key, "POST", "/newsletters/{newsletter}/unsubscribe", "/newsletters/"+slug+"/unsubscribe", body)
}

// Another system says that somebody leaves, and is answered in one way whoever that is.
func TestUnsubscribeByTheAPI(t *testing.T) {
	t.Parallel()
	a := openAPI(t)
	a.leave("", "contoso-weekly", `{"email":"x@reader.example"}`).is(401, "unauthorized")
	a.leave(a.key(nil, nil, auth.Read), "contoso-weekly", `{"email":"x@reader.example"}`).is(403, "forbidden")
	key := a.key([]string{"contoso"}, nil, auth.SignUp)
	a.leave(key, "fabrikam-weekly", `{"email":"x@reader.example"}`).is(404, "not_found")
	for _, body := range []string{`{}`, `{"email":"x"}`, `{"email":7}`, `{"email":"x@reader.example","all":"yes"}`, `{"email":"x@reader.example","reason":"\ufffd"}`, `{"email":"x@reader.example","why":"x"}`, `[]`, `{"email"`} {
		if got := a.leave(key, "contoso-weekly", body); got.status != 422 {
			t.Errorf("%s: %d %s", body, got.status, got.text)
		}
	}
	a.someone("contoso", "anna@reader.example")
	a.someone("fabrikam", "anna@reader.example")
	const answered = `{"status":"unsubscribed"}`
	for _, body := range []string{`{"email":"nobody@reader.example"}`, `{"email":"ANNA@reader.example"}`, `{"email":"anna@reader.example"}`, `{"email":"anna@reader.example","all":true}`, `{"email":"no-one@reader.example","all":true}`} {
		for _, key := range []string{key, a.key(nil, nil, auth.Readers)} {
			if got := a.leave(key, "contoso-weekly", body).is(200, ""); got.text != answered {
				t.Error(got.text)
			}
		}
	}
	if n := a.count(`SELECT count(*) FROM subscribers WHERE state = 'left' AND left_how = 'api'`); n != 1 {
		t.Errorf("%d left, want 1", n)
	}
	if n := a.count(`SELECT count(*) FROM consents WHERE act = 'withdrawn' AND how = 'api'`); n != 1 {
		t.Errorf("%d acts, want 1", n)
	}
	contoso := a.tenant("contoso").ID
	if n := a.count(`SELECT count(*) FROM suppressions WHERE tenant_id = $1 AND how = 'api'`, contoso); n != 3 {
		t.Errorf("%d are noted, want nobody for one, anna and no-one for all", n)
	}
	if text := a.log.String(); strings.Contains(text, "reader.example") {
		t.Error("the log has an address")
	}
	if r, err := a.store.CheckCounts(t.Context(), contoso); err != nil || !r.Agrees() {
		t.Errorf("%+v, %v", r, err)
	}
	if err := a.news.Close(); err != nil {
		t.Fatal(err)
	}
	a.leave(key, "contoso-weekly", `{"email":"anna@reader.example"}`).is(500, "internal_server_error")
	a.readers(a.key(nil, nil, auth.Readers), "contoso-weekly").is(500, "internal_server_error")
}
