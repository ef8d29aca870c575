package zoho_test

import (
	"slices"
	"testing"

	"gatepost/crm"
	"gatepost/crm/crmtest"
	"gatepost/crm/zoho"
)

// Whose a record is stays, and so does that its person wants no e-mail. What Zoho drops without a word is seen, and told, and so is
// a field that isn't shown.
func TestAnonymise(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key := w.ownFields()[crm.TypeText]
	c := w.open(zoho.Options{})
	made := ada
	made.Own = map[string]crm.Value{key: {Type: crm.TypeText, Text: "Countess"}, "Email_Opt_Out": {Type: crm.TypeCheckbox, Text: "true"}, ":tags": {Type: crm.TypeChoices, Text: "Newsletter"}}
	id := w.write(c, crm.Options{}, made)[0].ID
	owner := w.holds(id)["Owner"].(map[string]any)["id"]
	w.changeField(key, crmtest.LockField) // and nobody has told us
	own := []crm.SchemaField{{Key: key, Update: true}, {Key: "Email_Opt_Out", Update: true}, {Key: "Owner", Update: true}, {Key: "Layout", Update: true}, {Key: ":tags", Update: true}, {Key: "Forgotten", Update: true}, {Key: "Hidden", Label: "Hidden", Update: true}}
	for range 2 {
		if became, kept, err := c.Anonymise(t.Context(), id, own, crm.Options{}); err != nil || became != crm.Anonymised || len(kept) != 2 || !slices.Contains(kept, key) || !slices.Contains(kept, "Hidden") {
			t.Errorf("%s, %q, %v", became, kept, err)
		}
	}
	is := w.holds(id)
	if is["Email"] != nil || is["First_Name"] != nil || is["Last_Name"] != "Erased" || is[key] != "Countess" || is["Email_Opt_Out"] != true || is["Owner"].(map[string]any)["id"] != owner || len(w.tagsOf(id)) != 1 {
		t.Errorf("it holds %v", is)
	}
}

// One that is locked is asked for again, one that went away in between is missing, and what is no id isn't asked for.
func TestAnonymiseOfWhatCannotBeChanged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.open(zoho.Options{})
	id := w.write(c, crm.Options{}, ada)[0].ID
	w.hand("lock", id, "")
	_, _, err := c.Anonymise(t.Context(), id, nil, crm.Options{})
	failure(t, err, crm.Passing, "RECORD_LOCKED")
	w.hand("release", id, "")
	gone := answering("PUT /Contacts", 400, `{"data":[{"code":"INVALID_DATA","details":{"id":"`+id[len("Contacts/"):]+`"},"message":"the id given seems to be invalid","status":"error"}]}`)
	if became, _, err := w.open(zoho.Options{}, gone).Anonymise(t.Context(), id, nil, crm.Options{}); err != nil || became != crm.Missing {
		t.Errorf("%s, %v", became, err)
	}
	_, _, err = c.Anonymise(t.Context(), "Contacts/../org", nil, crm.Options{})
	failure(t, err, crm.Recorded, "ID_INVALID")
	if is := w.holds(id); is["Email"] != "ada@contoso.example" || is["Last_Name"] != "Lovelace" {
		t.Errorf("it holds %v", is)
	}
}
