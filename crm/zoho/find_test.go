package zoho_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"gatepost/crm"
	"gatepost/crm/zoho"
)

// 7b.10: one query for a hundred addresses, in lower case, with quotes doubled.
func TestFindsByQuery(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := &seen{}
	c := w.open(zoho.Options{}, s.pass)
	var emails []string
	for i := range 99 {
		emails = append(emails, fmt.Sprintf("R%d@contoso.example", i))
	}
	emails = append(emails, "O'Neill@contoso.example", " o'neill@contoso.example", "")
	id := w.make("Contacts", "O'NEILL@Contoso.example", "Ada", "O'Neill")
	found := w.find(c, crm.Options{}, emails...)
	if r := found["o'neill@contoso.example"]; len(found) != 1 || len(r) != 1 || !reflect.DeepEqual(r[0], crm.Record{ID: id, Fields: crm.Fields{crm.Email: "O'NEILL@Contoso.example", crm.FirstName: "Ada", crm.LastName: "O'Neill"}}) {
		t.Errorf("%+v", found)
	}
	if n, q := s.count("POST /coql"), s.last("POST /coql"); n != 1 || !strings.Contains(q, "'o''neill@contoso.example'") || strings.Contains(q, "'R1@") ||
		!strings.Contains(q, "order by Modified_Time desc, id desc limit 0, 200") {
		t.Errorf("%d queries, the last %s", n, q)
	}
	w.find(c, crm.Options{}, append(emails, "one-more@contoso.example")...)
	if n := s.count("POST /coql"); n != 3 {
		t.Errorf("%d queries", n)
	}
}

// 7b.10: of what can't be written in a query, the search is asked; another address of a
// record is no match.
func TestSearchesForOddAddresses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := &seen{}
	c := w.open(zoho.Options{}, s.pass)
	odd := `back\slash@contoso.example`
	other := w.make("Contacts", "ada@contoso.example", "Ada", "Lovelace")
	w.hand("change", other, `,"fields":{"Secondary_Email":"back\\slash@contoso.example"}`)
	w.advance(10) // the index lags
	if found := w.find(c, crm.Options{}, odd); len(found) != 0 || s.count("GET /Contacts/search") != 1 || s.count("POST /coql") != 0 {
		t.Errorf("%+v by %v", found, s.calls)
	}
	older := w.make("Contacts", `Back\Slash@contoso.example`, "", "Roe")
	w.advance(2)
	newer := w.make("Contacts", odd, "", "Doe")
	w.advance(10)
	found := w.find(c, crm.Options{}, odd, "ADA@contoso.example", "tab\t@contoso.example")
	if r := found[odd]; len(found) != 2 || len(r) != 2 || r[0].ID != newer || r[1].ID != older {
		t.Errorf("%+v", found)
	}
	if r := found["ada@contoso.example"]; len(r) != 1 || r[0].ID != other {
		t.Errorf("%+v", r)
	}
}

// 7b.10, 11: the one that was changed last comes first, page after page.
func TestFindsAllPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := &seen{}
	c := w.open(zoho.Options{}, s.pass)
	var writes []crm.Write
	for range 250 { // nobody has a last name: each is inserted
		writes = append(writes, person("same@contoso.example", "", ""))
	}
	var ids []string
	for some := range slices.Chunk(writes, 100) {
		for _, r := range w.write(c, crm.Options{}, some...) {
			ids = append(ids, r.ID)
		}
	}
	w.advance(2)
	w.write(c, crm.Options{}, crm.Write{ID: ids[3], Fields: crm.Fields{crm.LastName: "Roe"}})
	r := w.find(c, crm.Options{}, "same@contoso.example")["same@contoso.example"]
	if len(r) != 250 || r[0].ID != ids[3] || s.count("POST /coql") != 2 {
		t.Fatalf("%d records, %d queries", len(r), s.count("POST /coql"))
	}
	if !slices.IsSortedFunc(r[1:], func(a, b crm.Record) int { return strings.Compare(b.ID, a.ID) }) {
		t.Error("those of the same second aren't in order")
	}
}

// 7b.11: pages that never end are too many.
func TestGivesUpOnEndlessPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.open(zoho.Options{}, answering("POST /coql", 200, `{"data":[{"id":"4876876000000342001","Email":"ada@contoso.example"}],"info":{"more_records":true}}`))
	_, err := c.Find(t.Context(), []string{"ada@contoso.example"}, crm.Options{})
	failure(t, err, crm.Recorded, crm.TooManyMatches)
}

// 7b.12: leads are looked for by a query of their own, when asked and when there is no
// contact; those that were converted are none, whatever the org's COQL tells.
func TestFindsLeadsWhenAsked(t *testing.T) {
	t.Parallel()
	for _, tells := range []bool{true, false} {
		t.Run(fmt.Sprint(tells), func(t *testing.T) {
			w := newWorld(t)
			w.settings(fmt.Sprintf(`{"coql_converted_field":%t}`, tells))
			s := &seen{}
			c := w.open(zoho.Options{}, s.pass)
			lead := w.make("Leads", "lead@contoso.example", "Ada", "Lovelace")
			both := w.make("Contacts", "both@contoso.example", "", "Roe")
			w.make("Leads", "both@contoso.example", "", "Roe")
			old := w.make("Leads", "old@contoso.example", "", "Doe")
			w.hand("delete", w.hand("convert", old, ""), "")
			contact := w.hand("convert", w.make("Leads", "new@contoso.example", "", "Doe"), "")
			all := []string{"lead@contoso.example", "both@contoso.example", "old@contoso.example", "new@contoso.example"}
			if found := w.find(c, crm.Options{}, all...); len(found) != 2 || s.count("POST /coql") != 1 {
				t.Errorf("%+v by %v", found, s.calls)
			}
			for range 2 {
				found := w.find(c, crm.Options{Leads: true}, all...)
				if len(found) != 3 || found["lead@contoso.example"][0].ID != lead || found["both@contoso.example"][0].ID != both || len(found["both@contoso.example"]) != 1 ||
					found["new@contoso.example"][0].ID != contact || len(found["new@contoso.example"]) != 1 {
					t.Errorf("%+v", found)
				}
			}
			queries, looks := s.count("POST /coql"), s.count("GET /Leads/"+strings.TrimPrefix(lead, "Leads/"))
			if tells && (queries != 5 || looks != 0) || !tells && (queries != 6 || looks != 2) {
				t.Errorf("%d queries, looked at %d times", queries, looks)
			}
		})
	}
}

// 7b.12: no further query where all are contacts.
func TestAsksForNoLeadsOfContacts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := &seen{}
	c := w.open(zoho.Options{}, s.pass)
	w.make("Contacts", "ada@contoso.example", "", "Lovelace")
	if w.find(c, crm.Options{Leads: true}, "ada@contoso.example"); s.count("POST /coql") != 1 {
		t.Errorf("%v", s.calls)
	}
}

// 7b.27: an id is no number that may be rounded; one that is none is nonsense.
func TestIdsStayAsTheyAre(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for id, want := range map[string]string{`9007199254740993001`: "Contacts/9007199254740993001", `"4876876000000342001"`: "Contacts/4876876000000342001", `"x"`: "", `null`: ""} {
		c := w.open(zoho.Options{}, answering("POST /coql", 200, `{"data":[{"id":`+id+`,"Email":"ada@contoso.example","Last_Name":null}]}`))
		found, err := c.Find(t.Context(), []string{"ada@contoso.example"}, crm.Options{})
		switch {
		case want == "":
			failure(t, err, crm.Pause, crm.Unavailable)
		case err != nil || found["ada@contoso.example"][0].ID != want:
			t.Errorf("%s: %+v, %v", id, found, err)
		}
	}
}

// What a look-up is refused for, and who is concerned.
func TestLookUpsThatAreRefused(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]struct {
		status int
		class  crm.Class
		code   string
	}{
		`{"code":"SYNTAX_ERROR","details":{"line":1,"column":9,"near":"x"},"message":"unexpected token","status":"error"}`:                {400, crm.Recorded, "SYNTAX_ERROR"},
		`{"code":"LIMIT_EXCEEDED","details":{"limit":100},"message":"value limit exceeded","status":"error"}`:                             {400, crm.Recorded, "LIMIT_EXCEEDED"},
		`{"code":"INVALID_MODULE","details":{},"message":"the given module is not supported in api","status":"error"}`:                    {400, crm.Pause, "INVALID_MODULE"},
		`{"code":"NO_PERMISSION","details":{"permissions":["Crm_Implied_Api_Access"]},"message":"permission denied","status":"error"}`:    {403, crm.Pause, "API_ACCESS_OFF"},
		`{"code":"NO_PERMISSION","details":{"permissions":["Crm_Implied_View_Contacts"]},"message":"permission denied","status":"error"}`: {403, crm.Pause, "NO_PERMISSION"},
		`{"code":"INVALID_URL_PATTERN","details":{},"message":"Please check","status":"error"}`:                                           {404, crm.Pause, "INVALID_URL_PATTERN"},
		`{"code":"INVALID_REQUEST_METHOD","details":{},"message":"The http request method type is not a valid one","status":"error"}`:     {405, crm.Pause, "INVALID_REQUEST_METHOD"},
		`{"code":"NEVER_HEARD_OF_IT","details":[],"message":"?","status":"error"}`:                                                        {403, crm.Pause, "NEVER_HEARD_OF_IT"},
		`{"code":"AUTHENTICATION_FAILURE","details":{},"message":"Authentication failed","status":"error"}`:                               {401, crm.Connection, "AUTHENTICATION_FAILURE"},
		`{}`: {401, crm.Connection, "HTTP_401"},
		`{"code":"NEVER_HEARD_OF_THIS_EITHER","details":{},"message":"?","status":"error"}`: {401, crm.Connection, "NEVER_HEARD_OF_THIS_EITHER"},
		`<html>502</html>`: {401, crm.Pause, crm.Unavailable},
		`{"code":"INTERNAL_ERROR","details":{},"message":"Internal server error occurred.","status":"error"}`: {500, crm.Pause, "INTERNAL_ERROR"},
		`<html>sorry</html>`: {503, crm.Pause, crm.Unavailable},
		`[`:                  {200, crm.Pause, crm.Unavailable},
	} {
		w := newWorld(t)
		_, err := w.open(zoho.Options{}, answering("POST /coql", want.status, body)).Find(t.Context(), []string{"ada@contoso.example"}, crm.Options{})
		if f := failure(t, err, want.class, want.code); f.Unknown || w.renewals != 0 {
			t.Errorf("%s: %+v after %d renewals", body, f, w.renewals)
		}
	}
}

// A user without access by API is told so from the first call on, and it goes on by itself.
func TestAUserWithoutAccessByAPI(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.profile(`{"name":"Standard","api_access":false}`)
	_, err := w.tryOpen(zoho.Options{})
	failure(t, err, crm.Pause, "API_ACCESS_OFF")
	w.profile(`{"name":"Standard","api_access":true}`)
	if _, err := w.tryOpen(zoho.Options{}); err != nil {
		t.Error(err)
	}
}
