package routes_test

import (
	"context"
	"html"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"gatepost/crm"
	"gatepost/crm/crmtest/toy"
	"gatepost/db"
	"gatepost/delivery"
	"gatepost/forms"
	"gatepost/routes"
)

const toyMapping = "/integrations/toy/mapping"

// mapped is a portal whose contoso is connected to the toy, and has a form with a field.
func mapped(t *testing.T, changes ...with) (w *world, b *browser, box *toy.CRM) {
	t.Helper()
	a, box := &acme{account: "one"}, toy.New()
	box.Fields = []crm.SchemaField{
		{Key: "company", Label: "Company name", Type: crm.TypeText, Length: 100, Create: true, Update: true},
		{Key: "colour", Label: "Colour", Type: crm.TypeChoice, Closed: true, Create: true, Update: true, Values: []crm.Choice{{Value: "red"}, {Value: "green", Label: "Green"}}},
		{Key: "leadsource", Label: "Lead source", Offer: "Newsletter", Type: crm.TypeText, Create: true, Update: true, Calls: "Costs a turn more."},
	}
	w = open(t, append([]with{withToy(t, a, box)}, changes...)...)
	b = w.as(john, "contoso")
	b.get(b.authorize("toy")).to("/integrations/toy/connected")
	b.get("/integrations/toy/connected")
	w.form("contoso-weekly", forms.Field{ID: "f1", Key: "company", Type: forms.Text, Label: "Company", Most: 80},
		forms.Field{ID: "f2", Key: "shade", Type: forms.Choice, Label: "Shade", Options: []forms.Option{{Value: "red", Label: "Red"}, {Value: "lime", Label: "Lime"}}})
	return w, b, box
}

// form gives a newsletter's form further fields.
func (w *world) form(slug string, more ...forms.Field) {
	w.t.Helper()
	n, err := w.store.NewsletterBySlug(w.t.Context(), slug)
	if err != nil {
		w.t.Fatal(err)
	}
	f := n.Form
	f.Version++
	f.Fields = append(slices.Clone(f.Fields), more...)
	if err := w.store.SaveForm(w.t.Context(), n.TenantID, n.ID, f, ""); err != nil {
		w.t.Fatal(err)
	}
}

// rows are the fields of a form that has rows: target, source, text and rule of each.
func rows(of ...[4]string) (pairs []string) {
	for i, r := range of {
		n := string(rune('0' + i))
		pairs = append(pairs, "target-"+n, r[0], "source-"+n, r[1], "text-"+n, r[2], "rule-"+n, r[3])
	}
	return pairs
}

func TestFieldsAreMappedInThePortal(t *testing.T) {
	t.Parallel()
	w, b, box := mapped(t)
	b.get("/integrations/toy").is(200, `href="`+toyMapping+`"`, "Field mapping")
	b.get(toyMapping).is(200, "The fields are not known yet", "Read the fields").hasNot("Suggest")
	b.submit(toyMapping + "/read").to(toyMapping)
	b.get(toyMapping).is(200, "Read just now.", "Read again", "Only the address and the names go to Toy CRM.", "Company name (a text)", "Colour (a choice)")

	// Rows are added, suggested and taken away without being saved.
	b.submit(toyMapping, "act", "add", "revision", "0").is(422, "Please choose a field")
	b.submit(toyMapping, "act", "add", "add", "company", "revision", "0").is(200, "<h3>Company name</h3>", "company · a text of at most 100 characters", `value="field:company"`, "Form: Company", "Sign-up: Time of the consent", "A fixed text", "Remove")
	suggested := b.submit(toyMapping, "act", "suggest", "revision", "0").is(200, "These are suggestions", "<h3>Lead source</h3>", `value="Newsletter"`, "Costs a turn more.")
	suggested.hasNot("<h3>Colour</h3>")
	b.submit(toyMapping, append(rows([4]string{"company", "field:company", "", "empty"}, [4]string{"leadsource", "constant", "x", "create"}), "act", "remove-0")...).is(200, "<h3>Lead source</h3>").hasNot("<h3>Company name</h3>")
	b.get(toyMapping).is(200, "Only the address and the names")

	// What is wrong is said beside its field, and nothing of what was typed is lost.
	wrong := b.submit(toyMapping, append(rows([4]string{"company", "", "", "empty"}, [4]string{"colour", "constant", "blue", "always"}), "act", "save", "revision", "0")...)
	wrong.is(422, "Please choose what the field is filled with.", `id="source-0-error"`, "is not among the choices of the field: red, green", `id="text-1-error"`, `value="blue"`, "Error: ")
	shade := rows([4]string{"colour", "field:shade", "", "empty"})
	b.submit(toyMapping, append(shade, "act", "save", "revision", "0", "from-0-0", "red", "value-0-0", "same", "from-0-1", "lime", "value-0-1", "same")...).is(422, "The field has no choice “lime”", `id="value-0-1-error"`, "For “lime”", "Green")

	// What is saved holds for the next sign-up, and is shown before.
	all := append(rows([4]string{"company", "field:company", "", "empty"}, [4]string{"colour", "field:shade", "", "always"}, [4]string{"leadsource", "constant", "Newsletter", "create"}),
		"revision", "0", "from-1-0", "red", "value-1-0", "same", "from-1-1", "lime", "value-1-1", "to:green")
	b.submit(toyMapping, append(all, "act", "preview")...).is(422, "Nobody has signed up with this address")
	w.signUp("ada@example.com", "Ada", "Lovelace")
	w.eventually("ada arrives", func() bool { return strings.Contains(b.get("/subscribers").body, "In Toy CRM <span>1</span>") })
	w.put(`UPDATE subscribers SET fields = '{"f1":"Contoso","f2":"lime"}', form_version = 1`)
	b.submit(toyMapping, append(all, "act", "preview", "person", "nobody@example.com")...).is(422, "Nobody has signed up with this address", `value="nobody@example.com"`)
	b.submit(toyMapping, append(all, "act", "preview", "person", "Ada@example.com")...).is(200, "ada@example.com", "Company name", "Contoso", "green", "Shade", "https://toy.example/people/card-1").hasNot("<td>Newsletter</td>")
	if found := read(t, box, "company"); found != "" {
		t.Errorf("the preview wrote %q", found)
	}
	b.submit(toyMapping, append(all, "act", "save")...).to(toyMapping)
	saved := b.get(toyMapping).is(200, "Saved. It holds from the next sign-up on.", `name="revision" value="1"`, "by "+john, "Apply to people already there", `<option value="to:green" selected>`)
	saved.hasNot("Only the address")
	b.submit(toyMapping, append(all, "act", "save")...).is(409, "Somebody else has changed this mapping", `name="revision" value="1"`)

	// It is applied to those who are there, when one asks for that.
	b.get(toyMapping+"/apply").is(200, "Apply the field mapping to 1 person?", "It takes about 2 Turns")
	b.submit(toyMapping + "/apply").to(toyMapping)
	b.get(toyMapping).is(200, "1 person is sent to Toy CRM again.")
	w.eventually("it is applied", func() bool { return read(t, box, "company") == "Contoso" && read(t, box, "colour") == "green" })
	if found := read(t, box, "leadsource"); found != "" {
		t.Errorf("what is for new records became %q", found)
	}
}

// read is what the toy has of ada in a field.
func read(t *testing.T, box *toy.CRM, key string) string {
	t.Helper()
	found, err := box.Find(t.Context(), []string{"ada@example.com"}, crm.Options{Read: map[string]crm.ValueType{key: crm.TypeText}})
	if err != nil || len(found["ada@example.com"]) != 1 {
		t.Fatal(found, err)
	}
	return found["ada@example.com"][0].Own[key]
}

// Once a CRM is connected, the mapping is offered, until somebody has saved one, were it empty.
func TestTheMappingIsOffered(t *testing.T) {
	t.Parallel()
	const offer = "Only the address and the names go to Toy CRM"
	w, b, _ := mapped(t)
	w.as(ann, "fabrikam").get("/integrations/toy").hasNot(offer)
	b.get("/integrations/toy").is(200, offer, `<a class="button" href="`+toyMapping+`">Choose fields</a>`)
	b.get("/integrations/toy/live").is(200, offer)
	b.get("/").is(200).hasNot(offer)
	b.get(b.get("/integrations/toy").polls()).is(204)
	b.submit(toyMapping + "/read").to(toyMapping)
	b.get("/integrations/toy").is(200, offer)
	b.submit(toyMapping, "act", "save", "revision", "0").to(toyMapping)
	b.get("/integrations/toy").is(200).hasNot(offer)
	w.put(`DELETE FROM mappings`)
	w.put(`UPDATE identities SET failed_at = 7, failed_code = 'x', retry_at = 7`)
	b.get("/integrations/toy").is(200).hasNot(offer)
}

// polls is the address that a page asks for what is new.
func (p page) polls() string { return html.UnescapeString(polled.FindStringSubmatch(p.body)[1]) }

// A newsletter can have a mapping of its own, and give it up.
func TestANewslettersOwnMapping(t *testing.T) {
	t.Parallel()
	_, b, _ := mapped(t)
	b.submit(toyMapping + "/read").to(toyMapping)
	own := toyMapping + "?for=contoso-weekly"
	company := rows([4]string{"company", "field:company", "", "empty"})
	b.submit(toyMapping, append(company, "act", "save", "revision", "0")...).to(toyMapping)
	b.get(own).is(200, "goes by the mapping for all newsletters, shown here", "<h3>Company name</h3>", `name="revision" value="0"`).hasNot("Use the mapping for all")
	b.submit(toyMapping, append(rows([4]string{"company", "constant", "Own", "create"}), "act", "save", "revision", "0", "for", "contoso-weekly")...).to(own)
	b.get(own).is(200, "has a mapping of its own", "Use the mapping for all", `value="Own"`)
	b.get(toyMapping).is(200).hasNot(`value="Own"`)
	b.submit(toyMapping, append(company, "act", "inherit", "revision", "7", "for", "contoso-weekly")...).is(409, "Somebody else has changed")
	b.submit(toyMapping, append(company, "act", "inherit", "revision", "1", "for", "contoso-weekly")...).to(own)
	b.get(own).is(200, "goes by the mapping for all newsletters now.", "shown here")
	b.get(toyMapping + "?for=fabrikam-news").is(404)
	b.submit(toyMapping, "act", "save", "for", "nothing").is(404)
}

// A required field shows by itself, can't be left out, and the CRM says what it says.
func TestARequiredFieldIsAskedFor(t *testing.T) {
	t.Parallel()
	_, b, box := mapped(t)
	box.Fields[2].Required = true
	b.submit(toyMapping + "/read").to(toyMapping)
	b.get(toyMapping).is(200, "<h3>Lead source</h3>", "Required").hasNot("Remove")
	b.submit(toyMapping, append(rows([4]string{"leadsource", "field:company", "", "empty"}), "act", "save", "revision", "0")...).is(422, "Lead source is required, but “Company” may be empty.")
	b.submit(toyMapping, "act", "save", "revision", "0").is(422, "Lead source is required: without it no new record is made.")
	b.submit(toyMapping, append(rows([4]string{"leadsource", "constant", "Newsletter", "create"}), "act", "save", "revision", "0")...).to(toyMapping)

	// A field that goes away is left out, told of, and back when it is.
	box.Fields = box.Fields[:2]
	b.submit(toyMapping + "/read").to(toyMapping)
	b.get(toyMapping).is(200, "1 field is left out for now", "Lead source: it is not there any more, or the connected user can’t see it.", "Left out for now", "not there any more")
	b.submit(toyMapping, append(rows([4]string{"leadsource", "constant", "Newsletter", "create"}), "act", "save", "revision", "1")...).is(422, "This field is not there any more")
	box.Fields = append(box.Fields, crm.SchemaField{Key: "leadsource", Label: "Lead source", Type: crm.TypeText, Create: true})
	b.submit(toyMapping + "/read").to(toyMapping)
	b.get(toyMapping).is(200).hasNot("left out for now")
}

// While the CRM can't be asked, that is said, and nothing is lost.
func TestFieldsWithoutTheCRM(t *testing.T) {
	t.Parallel()
	var down atomic.Bool
	w, b, _ := mapped(t, func(c *routes.Config) {
		d := c.Delivery.(*delivery.Dispatcher)
		connect := d.Connect
		d.Connect = func(ctx context.Context, to db.DestinationKey) (crm.CRM, error) {
			if down.Load() {
				return nil, &crm.Failure{Class: crm.Pause, Code: crm.Unavailable}
			}
			return connect(ctx, to)
		}
	})
	w.signUp("ada@example.com", "Ada", "Lovelace")
	down.Store(true)
	b.submit(toyMapping + "/read").to(toyMapping)
	b.get(toyMapping).is(200, "The fields could not be read.", "The fields are not known yet")
	down.Store(false)
	b.submit(toyMapping + "/read").to(toyMapping)
	down.Store(true)
	b.submit(toyMapping, append(rows([4]string{"company", "constant", "Kept", "create"}), "act", "preview", "revision", "0")...).is(200, "The preview was not possible.", `value="Kept"`)
}

// Others see nothing of a tenant's mapping.
func TestMappingsOfOthers(t *testing.T) {
	t.Parallel()
	w, b, _ := mapped(t)
	b.submit(toyMapping + "/read").to(toyMapping)
	b.submit(toyMapping, append(rows([4]string{"company", "constant", "Secret", "create"}), "act", "save", "revision", "0")...).to(toyMapping)
	other := w.as(ann, "fabrikam")
	other.get(toyMapping).hasNot("Secret")
	other.get(toyMapping + "?for=contoso-weekly").is(404).hasNot("Secret")
	other.get(toyMapping + "/apply").hasNot("Apply the field mapping to")
	other.submit(toyMapping, append(rows([4]string{"company", "constant", "Mine", "create"}), "act", "save", "revision", "0")...)
	b.get(toyMapping).is(200, "Secret").hasNot("Mine")
}

// unmapped is a store that fails at what is mapped, as far as it is told to.
type unmapped struct {
	routes.HealthStore
	at *string
}

func (u unmapped) fails(at string) error {
	if *u.at == at {
		return errDisk
	}
	return nil
}

func (u unmapped) Mappings(ctx context.Context, key db.DestinationKey) (db.Mappings, error) {
	if err := u.fails("read"); err != nil {
		return db.Mappings{}, err
	}
	return u.HealthStore.Mappings(ctx, key)
}

func (u unmapped) SaveMapping(ctx context.Context, key db.DestinationKey, m db.StoredMapping, actor string) (int64, error) {
	if err := u.fails("save"); err != nil {
		return 0, err
	}
	return u.HealthStore.SaveMapping(ctx, key, m, actor)
}

func (u unmapped) RemoveMapping(ctx context.Context, key db.DestinationKey, id string, revision int64) error {
	if err := u.fails("remove"); err != nil {
		return err
	}
	return u.HealthStore.RemoveMapping(ctx, key, id, revision)
}

func (u unmapped) Somebody(context.Context, db.DestinationKey, string) ([]db.Known, error) {
	return nil, errDisk
}
func (u unmapped) CouldApply(context.Context, db.DestinationKey) (int, error) { return 0, errDisk }

func TestAFailingMappingIsRecordedAndNotShown(t *testing.T) {
	t.Parallel()
	at := ""
	_, b, _ := mapped(t, func(c *routes.Config) { c.Health = unmapped{c.Health, &at} })
	b.submit(toyMapping + "/read").to(toyMapping)
	constant := append(rows([4]string{"company", "constant", "A", "create"}), "revision", "0", "for", "contoso-weekly")
	b.submit(toyMapping, append(constant, "act", "save")...).to(toyMapping + "?for=contoso-weekly")
	for _, act := range []string{"preview", "read", "save", "inherit"} {
		if at = act; act == "inherit" {
			at = "remove"
		}
		b.submit(toyMapping, append(constant, "act", act)...).isRecorded(act, errDisk.Error())
	}
	at = "read"
	b.get(toyMapping).isRecorded("page", errDisk.Error())
	b.get(toyMapping+"/apply").isRecorded("apply", errDisk.Error())
}
