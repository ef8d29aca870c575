package zoho_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"gatepost/crm"
	"gatepost/crm/zoho"
)

var ada = person("ada@contoso.example", "Ada", "Lovelace")

// 7b.13: an id says which module its record is in.
func TestIdsKeepTheirModule(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.open(zoho.Options{})
	id := w.write(c, crm.Options{}, ada)[0].ID
	lead := w.make("Leads", "lead@contoso.example", "", "Roe")
	if !strings.HasPrefix(id, "Contacts/4876876") || !strings.HasPrefix(lead, "Leads/4876876") {
		t.Errorf("%s, %s", id, lead)
	}
	r := w.write(c, crm.Options{}, crm.Write{ID: lead, Fields: crm.Fields{crm.LastName: "Doe"}}, crm.Write{ID: id, Fields: crm.Fields{crm.LastName: "Byron"}})
	if r[0].ID != lead || r[1].ID != id || r[0].Made || r[1].Made {
		t.Errorf("%+v", r)
	}
	found := w.find(c, crm.Options{Leads: true}, "lead@contoso.example", "ada@contoso.example")
	if found["lead@contoso.example"][0].Fields[crm.LastName] != "Doe" || found["ada@contoso.example"][0].Fields[crm.LastName] != "Byron" {
		t.Errorf("%+v", found)
	}
	for _, bad := range []string{"4876876000000342001", "Deals/4876876000000342001", "Contacts/", "Contacts/../org", "Contacts/1?x"} {
		r := w.write(c, crm.Options{}, crm.Write{ID: bad, Fields: crm.Fields{crm.LastName: "Byron"}})
		failure(t, r[0].Err, crm.Recorded, "ID_INVALID")
		_, err := c.Remove(t.Context(), bad)
		failure(t, err, crm.Recorded, "ID_INVALID")
	}
}

// 7b.14: rows are read before the status, by their place; of those that are missing, and
// of all when there are too many, nothing is known.
func TestReadsRowsByPosition(t *testing.T) {
	t.Parallel()
	for _, style := range []string{"v8", "old"} {
		w := newWorld(t)
		w.settings(`{"row_status":"` + style + `"}`)
		c := w.open(zoho.Options{})
		r := w.write(c, crm.Options{}, person("no address", "", "Roe"), ada, person("long@contoso.example", strings.Repeat("n", 41), "Roe"))
		failure(t, r[0].Err, crm.Recorded, "EMAIL_INVALID")
		failure(t, r[2].Err, crm.Recorded, "NAME_TOO_LONG")
		if r[1].Err != nil || !r[1].Made || r[1].ID == "" {
			t.Errorf("%+v", r)
		}
		r = w.write(c, crm.Options{}, person("no address", "", "Roe"), person("nor this", "", "Doe"))
		failure(t, r[0].Err, crm.Recorded, "EMAIL_INVALID")
		if f := failure(t, r[1].Err, crm.Recorded, "EMAIL_INVALID"); f.Shared {
			t.Error("who has a bad address is to blame alone")
		}
	}
	w := newWorld(t)
	good := `{"code":"SUCCESS","details":{"id":"4876876000000342001"},"status":"success","action":"insert"}`
	for body, known := range map[string]int{
		`{"data":[` + good + `]}`:                           1,
		`{"data":[` + good + `,{"code":"x y"}]}`:            1,
		`{"data":[` + good + `,` + good + `,` + good + `]}`: 0,
		`{"data":[{"code":"SUCCESS","status":"success"}]}`:  0,
		`{"data":[]}`: 0, `{}`: 0, `[`: 0, ``: 0,
	} {
		c := w.open(zoho.Options{}, answering("POST /Contacts/upsert", 200, body))
		for i, r := range w.write(c, crm.Options{}, ada, person("bob@contoso.example", "Bob", "Roe")) {
			if i < known {
				if r.Err != nil || r.ID != "Contacts/4876876000000342001" {
					t.Errorf("%s: %+v", body, r)
				}
				continue
			}
			if f := failure(t, r.Err, crm.Pause, crm.Unavailable); !f.Unknown {
				t.Errorf("%s: %d is known", body, i)
			}
		}
	}
}

// 7b.15: the id of who is there already is looked for in all places, also when it stands
// among several faults. The names that are there stay.
func TestFindsWhoIsThereAlready(t *testing.T) {
	t.Parallel()
	for _, where := range []string{"record", "id", "both", "none"} {
		for _, wrapped := range []bool{false, true} {
			t.Run(fmt.Sprint(where, wrapped), func(t *testing.T) {
				w := newWorld(t)
				w.settings(fmt.Sprintf(`{"email_unique":true,"duplicate_id":%q,"duplicate_wrapped":%t}`, where, wrapped))
				c := w.open(zoho.Options{})
				id := w.make("Contacts", "ADA@contoso.example", "Augusta", "King")
				r := w.write(c, crm.Options{}, ada, person("bob@contoso.example", "Bob", "Roe"), person("ada@contoso.example", "", ""))
				for _, i := range []int{0, 2} {
					if where == "none" {
						failure(t, r[i].Err, crm.Passing, "DUPLICATE_EMAIL")
					} else if r[i].Err != nil || r[i].ID != id || r[i].Made {
						t.Errorf("%+v, want %s", r[i], id)
					}
				}
				if found := w.find(c, crm.Options{}, "ada@contoso.example")["ada@contoso.example"]; len(found) != 1 || found[0].Fields[crm.LastName] != "King" || found[0].Fields[crm.FirstName] != "Augusta" {
					t.Errorf("%+v", found)
				}
			})
		}
	}
}

// 7b.15: another value that must be unique is a conflict of two people; the fault that
// counts is not the one of the address.
func TestAnotherUniqueValueIsAConflict(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other := `{"code":"DUPLICATE_DATA","details":{"api_name":"Phone","duplicate_record":{"id":"4876876000000342009","module":{"api_name":"Leads"}}},"message":"duplicate data","status":"error"}`
	mine := `{"code":"DUPLICATE_DATA","details":{"api_name":"Email","id":"4876876000000342001"},"message":"duplicate data","status":"error"}`
	for _, row := range []string{other, `{"code":"MULTIPLE_OR_MULTI_ERRORS","details":{"errors":[` + mine + `,` + other + `]},"message":"several","status":"error"}`} {
		c := w.open(zoho.Options{}, answering("POST /Contacts/upsert", 400, `{"data":[`+row+`]}`))
		r := w.write(c, crm.Options{}, ada)
		if f := failure(t, r[0].Err, crm.Recorded, "DUPLICATE_DATA"); f.Match != "Leads/4876876000000342009" {
			t.Errorf("%+v", f)
		}
	}
}

// 7b.16: which call makes whom.
func TestMakesByAddressWhereItCan(t *testing.T) {
	t.Parallel()
	nameless := person("noname@contoso.example", "Ada", " ")
	for name, v := range map[string]struct {
		settings         string
		key              string
		upserts, inserts int
		check            string
	}{
		"addresses are unique":   {`{"email_unique":true}`, "", 0, 1, ""},
		"addresses aren't":       {`{}`, "", 1, 1, `"duplicate_check_fields":["Email"]`},
		"a key is the address's": {`{"key_field":"Gatepost_Email"}`, "Gatepost_Email", 1, 1, `"duplicate_check_fields":["Gatepost_Email"]`},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.settings(v.settings)
			s := &seen{}
			c := w.open(zoho.Options{}, s.pass)
			o := crm.Options{Key: v.key}
			for _, r := range w.write(c, o, ada, nameless) {
				if r.Err != nil || !r.Made {
					t.Errorf("%+v", r)
				}
			}
			if s.count("POST /Contacts/upsert") != v.upserts || s.count("POST /Contacts") != v.inserts || !strings.Contains(s.last("POST /Contacts/upsert"), v.check) {
				t.Errorf("%v: %v", s.calls, s.bodies)
			}
			// Who is there by now is not there twice, and a placeholder is nobody's name.
			again := w.write(c, o, ada, person("ADA@contoso.example", "", "King"))
			if again[0].Err != nil || again[0].Made || again[1].ID != again[0].ID {
				t.Errorf("%+v", again)
			}
			if v.key != "" || name == "addresses are unique" {
				w.write(c, o, person("ada@contoso.example", "", ""))
			}
			if n := w.stats(); n.Most != 1 || n.Contacts != 2 {
				t.Errorf("%+v", n)
			}
			if r := w.find(c, o, "ada@contoso.example")["ada@contoso.example"]; len(r) != 1 || r[0].Fields[crm.LastName] == "NA" || r[0].Fields[crm.FirstName] != "Ada" {
				t.Errorf("%+v", r)
			}
		})
	}
}

// 7b.16: an upsert's action alone says what is new.
func TestADuplicateFieldOfAnInsertMeansNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.settings(`{"duplicate_field_on_insert":true}`)
	c := w.open(zoho.Options{})
	if r := w.write(c, crm.Options{}, ada); !r[0].Made {
		t.Errorf("%+v", r)
	}
	if r := w.write(c, crm.Options{}, ada); r[0].Made || r[0].Err != nil {
		t.Errorf("%+v", r)
	}
}

// 7b.17: what is sent, and no more. 7b.18: workflows run, unless they are not to.
func TestSendsAddressAndNamesAlone(t *testing.T) {
	t.Parallel()
	for _, quiet := range []bool{false, true} {
		w := newWorld(t)
		w.settings(`{"workflow":"lead_source"}`)
		s := &seen{}
		c := w.open(zoho.Options{NoWorkflows: quiet}, s.pass)
		id := w.write(c, crm.Options{}, ada, person("noname@contoso.example", "", ""))[0].ID
		w.write(c, crm.Options{}, crm.Write{ID: id, Fields: crm.Fields{crm.Email: "other@contoso.example", crm.LastName: "Byron"}})
		trigger := ""
		if quiet {
			trigger = `,"trigger":[]`
		}
		for call, want := range map[string]string{
			"POST /Contacts/upsert": `{"data":[{"Email":"ada@contoso.example","First_Name":"Ada","Last_Name":"Lovelace"}],"duplicate_check_fields":["Email"]` + trigger + `}`,
			"POST /Contacts":        `{"data":[{"Email":"noname@contoso.example","Last_Name":"NA"}]` + trigger + `}`,
			"PUT /Contacts":         `{"data":[{"Last_Name":"Byron","id":"` + strings.TrimPrefix(id, "Contacts/") + `"}]` + trigger + `}`,
		} {
			if got := s.last(call); got != want {
				t.Errorf("%s: %s\nwant %s", call, got, want)
			}
		}
		var v struct {
			Contacts []struct {
				Source string `json:"Lead_Source"`
			}
		}
		resp, err := http.Get(w.http.URL + "/_control/contacts")
		if err != nil {
			t.Fatal(err)
		}
		w.read(resp, &v)
		if ran := v.Contacts[0].Source != ""; ran == quiet {
			t.Errorf("workflows ran: %t", ran)
		}
	}
}

// 7b.18: a workflow may refuse a record.
func TestAWorkflowMayRefuse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.settings(`{"workflow":"fail"}`)
	r := w.write(w.open(zoho.Options{}), crm.Options{}, ada)
	failure(t, r[0].Err, crm.Recorded, "CANNOT_PROCESS")
}

// 7b.19: what is gone is said to be gone, whether it was deleted, merged or converted.
func TestGone(t *testing.T) {
	t.Parallel()
	for _, details := range []string{"json_path", "id"} {
		w := newWorld(t)
		w.settings(`{"bad_id_details":"` + details + `"}`)
		c := w.open(zoho.Options{})
		deleted, loser, winner := w.make("Contacts", "a@contoso.example", "", "A"), w.make("Contacts", "b@contoso.example", "", "B"), w.make("Contacts", "c@contoso.example", "", "C")
		lead, kept := w.make("Leads", "d@contoso.example", "", "D"), w.make("Leads", "e@contoso.example", "", "E")
		w.hand("delete", deleted, "")
		w.hand("merge", loser, `,"into":"`+strings.TrimPrefix(winner, "Contacts/")+`"`)
		w.hand("convert", lead, "")
		var writes []crm.Write
		for _, id := range []string{deleted, loser, winner, lead, kept} {
			writes = append(writes, crm.Write{ID: id, Fields: crm.Fields{crm.FirstName: "Ada"}})
		}
		r := w.write(c, crm.Options{}, writes...)
		for i, gone := range []bool{true, true, false, true, false} {
			if gone {
				failure(t, r[i].Err, crm.Recorded, crm.Gone)
			} else if r[i].Err != nil || r[i].ID != writes[i].ID {
				t.Errorf("%d: %+v", i, r[i])
			}
		}
	}
}

// Records that can't be changed for a while are tried again, alone.
func TestRecordsThatCannotBeChangedNow(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.open(zoho.Options{})
	for do, code := range map[string]string{"lock": "RECORD_LOCKED", "submit": "NOT_APPROVED", "process": "RECORD_IN_BLUEPRINT"} {
		id := w.make("Contacts", do+"@contoso.example", "", "Roe")
		w.hand(do, id, "")
		r := w.write(c, crm.Options{}, crm.Write{ID: id, Fields: crm.Fields{crm.FirstName: "Ada"}}, person("new-"+do+"@contoso.example", "", "Roe"))
		if f := failure(t, r[0].Err, crm.Passing, code); f.Tries < 1 || r[1].Err != nil {
			t.Errorf("%+v, %+v", f, r[1])
		}
	}
}

// 7b.20: a permission that is missing stops everybody, however it is told; a field that
// the org demands may be demanded of some.
func TestRefusedAlike(t *testing.T) {
	t.Parallel()
	two := []crm.Write{ada, person("bob@contoso.example", "Bob", "Roe")}
	for style, code := range map[string]string{"authorization_failed": "AUTHORIZATION_FAILED", "no_permission": "NO_PERMISSION", "row": "NO_PERMISSION"} {
		for n := 1; n <= 2; n++ {
			w := newWorld(t)
			w.settings(`{"permission_style":"` + style + `"}`)
			w.profile(`{"api_access":true,"no_create":["Contacts"]}`)
			results, err := w.open(zoho.Options{}).Write(t.Context(), two[:n], crm.Options{})
			if n == 1 && style == "row" && err == nil { // it may have met a record that the user can't change
				failure(t, results[0].Err, crm.Recorded, code)
				continue
			}
			if f := failure(t, err, crm.Pause, code); f.Unknown {
				t.Errorf("%s: %+v", style, f)
			}
		}
	}
	w := newWorld(t)
	w.settings(`{"permission_style":"row"}`)
	w.profile(`{"api_access":true,"no_create":["Contacts"],"no_update":["Contacts"]}`)
	c := w.open(zoho.Options{})
	_, err := c.Write(t.Context(), []crm.Write{person("noname@contoso.example", "", "")}, crm.Options{})
	failure(t, err, crm.Pause, "NO_PERMISSION")
	for _, one := range w.write(c, crm.Options{}, crm.Write{ID: w.make("Contacts", "a@contoso.example", "", "A"), Fields: crm.Fields{crm.FirstName: "Ada"}},
		crm.Write{ID: w.make("Contacts", "b@contoso.example", "", "B"), Fields: crm.Fields{crm.FirstName: "Bob"}}) {
		failure(t, one.Err, crm.Recorded, "NO_PERMISSION")
	}

	w = newWorld(t)
	w.settings(`{"required_field":"Branch"}`)
	r := w.write(w.open(zoho.Options{}), crm.Options{}, two...)
	for _, one := range r {
		if f := failure(t, one.Err, crm.Recorded, "MANDATORY_NOT_FOUND"); !f.Shared || !strings.Contains(f.Detail, "Branch") {
			t.Errorf("%+v", f)
		}
	}
	r = w.write(w.open(zoho.Options{}), crm.Options{}, two[0])
	if f := failure(t, r[0].Err, crm.Recorded, "MANDATORY_NOT_FOUND"); f.Shared {
		t.Errorf("%+v", f)
	}
}

// 7b.20: what was written before a call that is refused is not forgotten.
func TestKeepsWhatWasWrittenBefore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.profile(`{"api_access":true,"no_update":["Leads"]}`)
	c := w.open(zoho.Options{})
	lead := w.make("Leads", "lead@contoso.example", "", "Roe")
	r := w.write(c, crm.Options{}, crm.Write{ID: lead, Fields: crm.Fields{crm.FirstName: "Ada"}}, crm.Write{ID: lead, Fields: crm.Fields{crm.FirstName: "Ada"}}, ada)
	failure(t, r[0].Err, crm.Pause, "AUTHORIZATION_FAILED")
	failure(t, r[1].Err, crm.Pause, "AUTHORIZATION_FAILED")
	if r[2].Err != nil || !r[2].Made {
		t.Errorf("%+v", r[2])
	}
}

// 7b.21: nothing is cut off. What is too long is refused, and told with its length.
func TestCutsNothingOff(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.open(zoho.Options{})
	r := w.write(c, crm.Options{}, person("a@contoso.example", strings.Repeat("f", 40), strings.Repeat("l", 80)), person("b@contoso.example", "", strings.Repeat("l", 81)))
	if f := failure(t, r[1].Err, crm.Recorded, "NAME_TOO_LONG"); !strings.Contains(f.Detail, "Last_Name") || !strings.Contains(f.Detail, "80") {
		t.Errorf("%+v", f)
	}
	if found := w.find(c, crm.Options{}, "a@contoso.example")["a@contoso.example"]; r[0].Err != nil || len(found) != 1 || len(found[0].Fields[crm.FirstName]) != 40 || len(found[0].Fields[crm.LastName]) != 80 {
		t.Errorf("%+v, %+v", r[0], found)
	}
}

// 7b.26: the address of a record's page opens in the simulated one.
func TestLinksOpen(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.open(zoho.Options{})
	id := w.write(c, crm.Options{}, ada)[0].ID
	if got, want := zoho.RecordURL(c.Target().InstanceURL, id), w.session.InstanceURL+"/crm/org808232144/tab/"+id; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got := zoho.RecordURL("https://crm.zoho.eu/crm/org1/", "Leads/42"); got != "https://crm.zoho.eu/crm/org1/tab/Leads/42" {
		t.Error(got)
	}
}

// More than a call takes go in several.
func TestWritesAHundredAtATime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := &seen{}
	c := w.open(zoho.Options{}, s.pass)
	var writes []crm.Write
	for i := range 101 {
		writes = append(writes, person(fmt.Sprintf("%d@contoso.example", i), "", "Roe"))
	}
	for i, r := range w.write(c, crm.Options{}, writes...) {
		if r.Err != nil || !r.Made {
			t.Fatalf("%d: %+v", i, r)
		}
	}
	var last struct{ Data []json.RawMessage }
	if err := json.Unmarshal([]byte(s.last("POST /Contacts/upsert")), &last); err != nil || s.count("POST /Contacts/upsert") != 2 || len(last.Data) != 1 {
		t.Errorf("%v, %d rows in the last", s.calls, len(last.Data))
	}
}

// A thousand people after connecting: two calls for each hundred, and a third where half
// of them have no last name.
func TestAThousandPeopleTakeFewCalls(t *testing.T) {
	t.Parallel()
	for _, v := range []struct {
		unique, nameless bool
		calls            int
	}{{false, false, 21}, {true, true, 21}, {false, true, 31}} {
		w := newWorld(t)
		w.settings(fmt.Sprintf(`{"email_unique":%t}`, v.unique))
		shared := &zoho.Shared{}
		if _, _, err := w.open(zoho.Options{Shared: shared}).Inspect(t.Context()); err != nil {
			t.Fatal(err)
		}
		connected := w.stats().APICalls
		for batch := range 10 {
			c := w.open(zoho.Options{Shared: shared})
			var writes []crm.Write
			var emails []string
			for i := range 100 {
				p := person(fmt.Sprintf("%d-%d@contoso.example", batch, i), "Ada", "Lovelace")
				if v.nameless && i%2 == 0 {
					p.Fields[crm.LastName] = ""
				}
				writes, emails = append(writes, p), append(emails, p.Fields[crm.Email])
			}
			w.find(c, crm.Options{}, emails...)
			w.write(c, crm.Options{}, writes...)
		}
		if n := w.stats(); n.APICalls-connected > v.calls || n.Contacts != 1000 || n.Most != 1 {
			t.Errorf("%+v: %d calls, %d contacts", v, n.APICalls-connected, n.Contacts)
		}
	}
}

// What a whole call is refused for, due to what stands in it, is due to any of its
// records; the other calls are made.
func TestACallThatIsRefusedForItsContent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.open(zoho.Options{}, answering("POST /Contacts/upsert", 413, `{"code":"REQUEST_BODY_TOO_LARGE","details":{},"message":"too large","status":"error"}`))
	r := w.write(c, crm.Options{}, ada, person("bob@contoso.example", "Bob", "Roe"), person("noname@contoso.example", "", ""))
	for _, one := range r[:2] {
		if f := failure(t, one.Err, crm.Recorded, "REQUEST_BODY_TOO_LARGE"); !f.Shared {
			t.Errorf("%+v", f)
		}
	}
	if r[2].Err != nil || !r[2].Made {
		t.Errorf("%+v", r[2])
	}
	if r := w.write(c, crm.Options{}, ada); crm.Failed(r[0].Err).Shared {
		t.Error("one alone shares nothing")
	}
}
