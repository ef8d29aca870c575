package delivery

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gatepost/crm"
	"gatepost/crm/connect"
	"gatepost/crm/mapping"
	"gatepost/db"
	"gatepost/identity"
	"gatepost/mockhubspot"
	"gatepost/mocksalesforce"
	"gatepost/mockzoho"
	core "gatepost/simulated"
)

// server is a simulated CRM.
type server interface {
	Handler() http.Handler
	Close() error
}

// service is one of them, with what it calls fields.
type service struct {
	id     string
	open   func(ctx context.Context, o core.Options) (server, error)
	org    string // id of its first organisation
	name   string // of a field of ours
	text   string // the type of a text
	choice string // and of one of some choices
	more   string // what is to be said of a choice so that it takes no other value
	never  bool   // its API never demands a field
}

var services = []service{
	{id: "sfdc", org: "00D1", name: "Own_%s__c", text: "string", choice: "picklist", more: `,"restricted":true`,
		open: func(ctx context.Context, o core.Options) (server, error) { return mocksalesforce.Open(ctx, o) }},
	{id: "hubspot", org: "62515", name: "own_%s", text: "string", choice: "enumeration select", never: true,
		open: func(ctx context.Context, o core.Options) (server, error) { return mockhubspot.Open(ctx, o) }},
	{id: "zoho", org: "808232144", name: "Own_%s", text: "text", choice: "picklist",
		open: func(ctx context.Context, o core.Options) (server, error) { return mockzoho.Open(ctx, o) }},
}

// org is an organisation in a simulated CRM, whose people change its fields.
type org struct {
	service
	t          *testing.T
	url        string
	credential identity.Credential
	crms       *connect.CRMs
	wrote      int            // records
	before     func(sent int) // is called before each write, with how many records were sent before it
}

func (s service) newOrg(t *testing.T) *org {
	t.Helper()
	mock, err := s.open(t.Context(), core.Options{Data: filepath.Join(t.TempDir(), "crm.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = mock.Close() })
	srv := httptest.NewServer(mock.Handler())
	t.Cleanup(srv.Close)
	o := &org{service: s, t: t, url: srv.URL, crms: connect.New(connect.Config{HTTP: http.DefaultClient, Now: time.Now})}
	native := o.tell("session", "{}")
	var token struct {
		Access   string `json:"access_token"`
		Instance string `json:"instance_url"`
		API      string `json:"api_domain"`
	}
	if err := json.Unmarshal(native, &token); err != nil {
		t.Fatal(err)
	}
	o.credential = identity.Credential{Service: s.id, AccessToken: token.Access, InstanceURL: cmp.Or(token.Instance, token.API, srv.URL), OrgID: s.org, Generation: 1, Native: string(native)}
	return o
}

// tell tells the simulated CRM something, and returns its answer.
func (o *org) tell(what, body string) []byte {
	o.t.Helper()
	resp, err := http.Post(o.url+"/_control/"+what, "application/json", strings.NewReader(body))
	if err != nil {
		o.t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		o.t.Fatalf("%s %s: %d %s, %v", what, body, resp.StatusCode, answer, err)
	}
	return answer
}

// field adds or changes a field.
func (o *org) field(name, change string) {
	o.t.Helper()
	o.tell("fields", fmt.Sprintf(`{"name":%q,%s}`, o.key(name), change))
}

func (o *org) key(name string) string { return fmt.Sprintf(o.name, name) }

// Get gives the credential, as a vault does.
func (o *org) Get(context.Context, string, string, int64) (identity.Credential, error) {
	return o.credential, nil
}

func (o *org) connect(ctx context.Context, _ db.DestinationKey) (crm.CRM, error) {
	c, err := o.crms.Connect(ctx, o, o.id, "a")
	return small{c, o}, err
}

// small is a CRM that takes fewer at once, and is watched.
type small struct {
	crm.CRM
	org *org
}

func (c small) Provider() *crm.Provider {
	p := *c.CRM.Provider()
	p.Batch = 50
	return &p
}

func (c small) Write(ctx context.Context, writes []crm.Write, o crm.Options) ([]crm.Result, error) {
	if c.org.before != nil {
		c.org.before(c.org.wrote)
	}
	c.org.wrote += len(writes)
	return c.CRM.Write(ctx, writes, o)
}

// drift is a house whose sign-ups go to an organisation.
type drift struct {
	*org
	h *house
	d *Dispatcher
}

// arrive signs people up and delivers them.
func (w *drift) arrive(name string, people int) {
	w.t.Helper()
	var all []db.SignUp
	for i := range people {
		email := fmt.Sprintf("%s%d@contoso.example", name, i)
		all = append(all, db.SignUp{TenantID: "a", NewsletterID: "a/1", Email: email, EmailKey: email, Consent: "Yes.", Source: "form", At: now(), Fields: `{"region":"North","level":"Gold","code":"7"}`, FormVersion: 1})
	}
	if _, err := w.h.db.AddSignUps(w.t.Context(), all); err != nil {
		w.t.Fatal(err)
	}
	w.deliver()
}

func (w *drift) deliver() {
	for takes(w.d, "a") {
	}
}

// sums checks how many are delivered and how many wait.
func (w *drift) sums(delivered, waiting int) {
	w.t.Helper()
	if s := w.h.adds("a"); s[db.Delivered] != delivered || s[db.Waiting] != waiting || s.People() != delivered+waiting {
		var reason, detail string
		_ = w.h.db.Writer().QueryRow(`SELECT reason, detail FROM deliveries WHERE state <> 'delivered'`).Scan(&reason, &detail)
		w.t.Fatalf("sums %+v, want %d delivered, %d waiting: %s %s", s, delivered, waiting, reason, detail)
	}
}

// holding counts those of some people of whom the CRM holds a value.
func (w *drift) holding(name string, people int, field, value string) (n int) {
	w.t.Helper()
	c, err := w.connect(w.t.Context(), to("a"))
	if err != nil {
		w.t.Fatal(err)
	}
	var emails []string
	for i := range people {
		emails = append(emails, fmt.Sprintf("%s%d@contoso.example", name, i))
	}
	for some := range slices.Chunk(emails, 50) {
		found, err := c.Find(w.t.Context(), some, crm.Options{Read: map[string]crm.ValueType{w.key(field): crm.TypeText}})
		if err != nil {
			w.t.Fatal(err)
		}
		for _, email := range some {
			if r := found[email]; len(r) == 1 && r[0].Own[w.key(field)] == value {
				n++
			}
		}
	}
	return n
}

// asked counts deliveries of which something is true.
func (w *drift) asked(condition string) (n int) {
	w.t.Helper()
	if err := w.h.db.Writer().QueryRow(`SELECT count(*) FROM deliveries WHERE ` + condition).Scan(&n); err != nil {
		w.t.Fatal(err)
	}
	return n
}

// row maps a field of the form to one of the CRM's.
func (o *org) row(name string, rule mapping.Rule) mapping.Row {
	r := row(name, rule)
	r.Target, r.Label = o.key(name), name
	return r
}

// In each of the simulated CRMs a field is removed, or locked, while people are on the way: all of them arrive, and
// once it is as before, those who went without are filled in. Who has a choice that was lost arrives
// without it, and gets it when the mapping is applied to all. A field that is required from then on holds
// new people for one reason, until something fills it.
func TestFieldsOfTheSimulatedCRMsChange(t *testing.T) {
	t.Parallel()
	for _, s := range services {
		t.Run(s.id, func(t *testing.T) {
			w := s.newDrift(t)
			w.loses("removed", "removed", 200)
			w.loses("locked", "read_only", 100)
			w.losesChoice("level", 20)
			if !s.never {
				w.requires("code", 20)
			}
		})
	}
}

// newDrift makes an organisation with two fields, and a house that fills them in.
func (s service) newDrift(t *testing.T) *drift {
	t.Helper()
	w := &drift{org: s.newOrg(t), h: newHouse(t, "a")}
	w.d = New(Config{Store: paced{w.h.db, 0}, Connect: w.connect})
	if s.id == "hubspot" {
		w.tell("settings", `{"rate_limit":0}`)
	}
	w.field("region", fmt.Sprintf(`"type":%q`, s.text))
	w.field("level", fmt.Sprintf(`"type":%q,"values":["Gold","Silver"]%s`, s.choice, s.more))
	w.h.asks("a/1", "region", "level", "code")
	w.h.maps("", w.row("region", mapping.RuleEmpty), w.row("level", mapping.RuleAlways))
	return w
}

// reads reads the fields anew, as once a day, and delivers what is due for that.
func (w *drift) reads() {
	w.t.Helper()
	if err := w.d.ReadSchema(w.t.Context(), to("a")); err != nil {
		w.t.Fatal(err)
	}
	w.deliver()
}

// loses removes a field, or has it not be written, while half of some people are there, and then has it as
// before. A CRM that drops fields tells that when its fields are read.
func (w *drift) loses(name, how string, people int) {
	w.t.Helper()
	before, lost := w.asked("state = 'delivered'"), 0
	start := w.wrote
	w.before = func(sent int) {
		if sent-start >= people/2 && lost == 0 {
			lost = sent - start
			w.field("region", fmt.Sprintf(`%q:true`, how))
		}
	}
	w.arrive(name, people)
	w.sums(before+people, 0)
	w.reads()
	if p := w.h.paused(); len(p) != 1 || p[0].Key != w.key("region") || p[0].Code != db.FieldGone || lost == 0 {
		w.t.Errorf("%s: paused %+v after %d", how, p, lost)
	}
	w.field("region", fmt.Sprintf(`%q:false`, how))
	if n := w.holding(name, people, "region", "North"); n != lost {
		w.t.Errorf("%s: %d hold the field, that was lost after %d", how, n, lost)
	}
	w.reads()
	w.sums(before+people, 0)
	if n := w.holding(name, people, "region", "North"); n != people || len(w.h.paused()) > 0 {
		w.t.Errorf("%s: %d hold the field again, paused %+v", how, n, w.h.paused())
	}
}

// losesChoice removes a choice for a while.
func (w *drift) losesChoice(field string, people int) {
	w.t.Helper()
	before := w.asked("state = 'delivered'")
	w.field(field, `"values":["Silver"]`+w.more)
	w.arrive("c", people)
	w.sums(before+people, 0)
	if n := w.asked(`detail LIKE 'Not written: ` + field + ` (%not among the choices%'`); n != people || len(w.h.paused()) > 0 {
		w.t.Errorf("%d are told to lack the choice, paused %+v", n, w.h.paused())
	}
	w.field(field, `"values":["Silver","Gold"]`+w.more)
	w.reads()
	a, err := w.h.db.StartAction(w.t.Context(), db.Action{DestinationKey: to("a"), Service: w.id, Kind: db.ActionApply})
	for err == nil && a.EndedAt.IsZero() {
		a, err = w.h.db.StepAction(w.t.Context(), a.ID)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	w.deliver()
	w.sums(before+people, 0)
	if n := w.holding("c", people, field, "Gold"); n != people {
		w.t.Errorf("%d hold the choice", n)
	}
}

// requires adds a field without which no record is made, until the mapping fills it.
func (w *drift) requires(field string, people int) {
	w.t.Helper()
	before := w.asked("state = 'delivered'")
	w.field(field, fmt.Sprintf(`"type":%q,"required":true`, w.text))
	w.arrive("late", people)
	w.sums(before, people)
	if n := w.asked(`state = 'waiting' AND reason = 'required_field' AND detail LIKE '% requires: Own ` + field + `'`); n != people {
		w.t.Errorf("%d wait for the field", n)
	}
	w.h.maps("", w.row("region", mapping.RuleEmpty), w.row("level", mapping.RuleAlways), w.row(field, mapping.RuleEmpty))
	w.deliver()
	w.sums(before+people, 0)
	if n := w.holding("late", people, field, "7"); n != people {
		w.t.Errorf("%d hold the field", n)
	}
}
