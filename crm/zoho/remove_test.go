package zoho_test

import (
	"testing"

	"gatepost/crm"
	"gatepost/crm/zoho"
)

// What is removed lies in the recycle bin, and can be restored.
func TestRemoveLeavesItInTheRecycleBin(t *testing.T) {
	t.Parallel()
	for _, missing := range []string{"204", "invalid_data"} {
		w := newWorld(t)
		w.settings(`{"missing_record":"` + missing + `"}`)
		c := w.open(zoho.Options{})
		id := w.write(c, crm.Options{}, ada)[0].ID
		for _, want := range []crm.Removed{crm.Deleted, crm.Missing} {
			if got, err := c.Remove(t.Context(), id); err != nil || got != want {
				t.Errorf("%s, %v, want %s", got, err, want)
			}
		}
		w.hand("restore", id, "")
		if r := w.find(c, crm.Options{}, "ada@contoso.example")["ada@contoso.example"]; len(r) != 1 || r[0].ID != id {
			t.Errorf("%+v", r)
		}
	}
}

// Between the look and the deletion the record may change hands.
func TestRemoveOfWhatCannotBeRemoved(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.open(zoho.Options{})
	id := w.write(c, crm.Options{}, ada)[0].ID
	w.hand("lock", id, "")
	_, err := c.Remove(t.Context(), id)
	failure(t, err, crm.Passing, "RECORD_LOCKED")
	w.hand("release", id, "")
	w.control("fail", `{"on":"delete","drop":true,"after_commit":true,"count":1}`, nil)
	_, err = c.Remove(t.Context(), id)
	if f := failure(t, err, crm.Pause, crm.Unavailable); !f.Unknown {
		t.Errorf("%+v", f)
	}
	if got, err := c.Remove(t.Context(), id); err != nil || got != crm.Missing {
		t.Errorf("%s, %v", got, err)
	}
	number := id[len("Contacts/"):]
	for body, want := range map[string]crm.Removed{
		`{"data":[{"code":"INVALID_DATA","details":{"id":"` + number + `"},"message":"the id given seems to be invalid","status":"error"}]}`: crm.Missing,
		`{"data":[]}`: "",
	} {
		id := w.write(c, crm.Options{}, person("bob@contoso.example", "Bob", "Roe"))[0].ID
		got, err := w.open(zoho.Options{}, answering("DELETE /Contacts", 400, body)).Remove(t.Context(), id)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%s: %s, %v", body, got, err)
		}
	}
	_, err = w.open(zoho.Options{}, answering("GET /"+w.write(c, crm.Options{}, ada)[0].ID, 200, `{"data":[{"id":"4876876000000342001"}]}`)).Remove(t.Context(), w.write(c, crm.Options{}, ada)[0].ID)
	failure(t, err, crm.Pause, crm.Unavailable)
}
