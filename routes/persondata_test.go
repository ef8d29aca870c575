package routes_test

import (
	"encoding/json"
	"strings"
	"testing"
)

// A person's page leads to all that is known of the address, on all newsletters of the tenant,
// as a page and as a file; another tenant gets neither.
func TestAllDataOfAPerson(t *testing.T) {
	t.Parallel()
	w := open(t)
	w.connect()
	b, other := w.as(john, "contoso"), w.as(ann, "fabrikam")
	id := w.stuck("jane@reader.test")
	w.someone("contoso", "jane@reader.test")
	stranger := w.someone("contoso", "stranger@reader.test")
	b.submit("/subscribers/"+id+"/edit", "email", "jane@reader.test", "first_name", "Jane <b>", "last_name", "Doe").to("/subscribers/" + id)
	data := "/subscribers/" + id + "/data"
	other.get(data).is(404)
	other.get(data + ".json").is(404)
	b.get("/subscribers/nobody/data").is(404)
	b.get("/subscribers/nobody/data.json").is(404)

	b.get("/subscribers/"+id).is(200, `href="`+data+`"`)
	b.get(data).is(200, "All data of jane@reader.test", "Contoso Weekly", "Jane <b>", "Further sign-ups and consents", "Timeline", "Salesforce", "Agreed to", `href="`+data+`.json"`).
		hasNot("stranger", john+"</dd>")
	file := b.get(data+".json").is(200, `"email":"jane@reader.test"`).hasNot("stranger", john)
	if file.head("Content-Disposition") != `attachment; filename="personal-data.json"` || file.head("Content-Type") != "application/json" {
		t.Errorf("the file has the headers %q and %q", file.head("Content-Disposition"), file.head("Content-Type"))
	}
	var read struct {
		Organisation  string
		Subscriptions []struct {
			Subscription struct {
				Newsletter, Email, FirstName, Wording, Source, State string
				CreatedAt                                            string `json:"created_at"`
			}
			Consents, Edits, CRMs, Timeline []map[string]any
		}
	}
	if err := json.Unmarshal([]byte(file.body), &read); err != nil {
		t.Fatal(err)
	}
	if len(read.Subscriptions) != 1 || read.Organisation == "" {
		t.Fatalf("the file has %+v", read)
	}
	s := read.Subscriptions[0]
	if s.Subscription.Newsletter != "Contoso Weekly" || s.Subscription.Source != "form" || s.Subscription.Wording == "" || !strings.HasSuffix(s.Subscription.CreatedAt, "Z") {
		t.Errorf("of the subscription it has %+v", s.Subscription)
	}
	if len(s.Consents) != 1 || len(s.Edits) != 1 || len(s.CRMs) != 1 || len(s.Timeline) == 0 || s.CRMs[0]["destination"] != "sfdc" {
		t.Errorf("beside it, it has %+v", s)
	}
	if b.get("/subscribers/"+stranger+"/data.json").is(200, "stranger@reader.test").hasNot("jane"); t.Failed() {
		t.Log(file.body)
	}
}
