package delivery

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gatepost/crm"
	"gatepost/db"
	"gatepost/db/dbtest"
)

// fault is what the fake CRM does wrong in one call.
type fault struct {
	on    string       // find, create
	err   *crm.Failure // for the whole call
	after bool         // does the work first
	hang  bool         // and answers only when the caller gives up
}

// fakeCRM is a CRM in memory, like Salesforce: it makes a record for whatever
// it is told, twice if told twice.
type fakeCRM struct {
	mu          sync.Mutex
	records     map[string][]string // ids by address
	names       map[string]crm.Fields
	refuses     map[string]*crm.Failure // addresses that it never takes
	poison      string                  // addresses with which it takes none that travel along; * for any
	chunk       int                     // so many travel together
	faults      []fault                 // the next ones, in order
	next        func(on string) *fault  // or what this says
	batch       int
	used, limit int // API calls
	second      crm.LimitState
	checkFails  error
	schema      crm.Schema
	org         string      // 00D1 when empty
	changes     []crm.Write // of records that were there
	calls       int
	finds       int
	creates     []int // sizes
	hook        func(on string)
	optedOut    map[string]bool     // by record and subscription
	optOuts     [][]crm.OptOut      // each call's
	lasting     bool                // opt-outs of all e-mail
	anonymised  map[string][]string // keys of the fields that were to be emptied, by record
	keeps       []string            // fields that can't be emptied
}

func newCRM() *fakeCRM {
	return &fakeCRM{records: map[string][]string{}, names: map[string]crm.Fields{}, refuses: map[string]*crm.Failure{}, optedOut: map[string]bool{}, anonymised: map[string][]string{}, batch: 1000}
}

func (c *fakeCRM) Target() crm.Target {
	return crm.Target{OrgID: cmp.Or(c.org, "00D1"), InstanceURL: "https://a.my.salesforce.com"}
}

func (c *fakeCRM) Provider() *crm.Provider {
	return &crm.Provider{Service: "fake", Name: "Fake", Batch: c.batch, OptOuts: &crm.OptOuts{Flag: "No mail", Subscription: "kind", Lasting: c.lasting}, Settles: crm.SettlingTime{One: 10 * time.Second, Many: 2 * time.Minute, Full: 200}}
}

func (c *fakeCRM) CheckUp(context.Context) ([]crm.Check, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.checkFails != nil {
		return nil, c.checkFails
	}
	return []crm.Check{{Level: crm.Stop, What: "Found."}}, nil
}

func (c *fakeCRM) Schema(context.Context) (crm.Schema, error) { return c.schema, c.checkFails }

func (c *fakeCRM) Limits() []crm.LimitState {
	c.mu.Lock()
	defer c.mu.Unlock()
	return []crm.LimitState{{Used: c.used, Allowed: c.limit, Known: c.limit > 0}, c.second}
}

func (c *fakeCRM) fault(on string) fault {
	if c.hook != nil {
		c.hook(on)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.next != nil {
		if f := c.next(on); f != nil {
			return *f
		}
		return fault{}
	}
	if len(c.faults) > 0 && c.faults[0].on == on {
		f := c.faults[0]
		c.faults = c.faults[1:]
		return f
	}
	return fault{}
}

func (f fault) answer(ctx context.Context) error {
	if f.hang {
		<-ctx.Done()
		return ctx.Err()
	}
	if f.err != nil {
		return f.err
	}
	return nil
}

func (c *fakeCRM) Calls() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.calls
	c.calls = 0
	return n
}

func (c *fakeCRM) CheckKey(_ context.Context, field string) error {
	if field != "Key__c" {
		return &crm.Failure{Class: crm.Recorded, Code: crm.NoKey}
	}
	return nil
}

func (c *fakeCRM) Find(ctx context.Context, emails []string, o crm.Options) (map[string][]crm.Record, error) {
	f := c.fault("find")
	if err := f.answer(ctx); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.finds++
	c.calls++
	found := map[string][]crm.Record{}
	for _, e := range emails {
		for _, id := range c.records[e] {
			r := crm.Record{ID: id, Fields: crm.Fields{crm.Email: e, crm.FirstName: c.names[id][crm.FirstName], crm.LastName: c.names[id][crm.LastName]}, OptedOut: o.OptOuts && c.optedOut[id]}
			for _, s := range o.Subscriptions {
				if c.optedOut[id+s] {
					r.OptedOutOf = append(r.OptedOutOf, s)
				}
			}
			found[e] = append(found[e], r)
		}
	}
	return found, nil
}

func (c *fakeCRM) Write(ctx context.Context, people []crm.Write, o crm.Options) ([]crm.Result, error) {
	f := c.fault("create")
	if f.after || f.err == nil && !f.hang {
		results := c.make(people, o)
		if err := f.answer(ctx); err != nil {
			return nil, err
		}
		return results, nil
	}
	c.mu.Lock()
	c.creates = append(c.creates, len(people))
	c.mu.Unlock()
	return nil, f.answer(ctx)
}

func (c *fakeCRM) make(people []crm.Write, o crm.Options) []crm.Result {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls++
	c.creates = append(c.creates, len(people))
	var results []crm.Result
	for i, p := range people {
		key := strings.ToLower(p.Fields[crm.Email])
		if c.poison != "" {
			along := people[i-i%c.chunk : min(i-i%c.chunk+c.chunk, len(people))]
			if slices.ContainsFunc(along, func(w crm.Write) bool {
				return slices.Contains(strings.Fields(c.poison), w.Fields[crm.Email]) || c.poison == "*"
			}) {
				results = append(results, crm.Result{Err: &crm.Failure{Class: crm.Recorded, Code: "ODD", Shared: len(along) > 1}})
				continue
			}
		}
		if p.ID != "" {
			key = p.ID
		}
		if f := c.refuses[key]; f != nil {
			results = append(results, crm.Result{Err: f})
			continue
		}
		if p.ID != "" {
			c.changes = append(c.changes, p)
			names := crm.Fields{}
			maps.Copy(names, c.names[p.ID])
			for name, value := range p.Fields {
				names[name] = cmp.Or(value, names[name])
			}
			c.names[p.ID] = names
			results = append(results, crm.Result{ID: p.ID})
			continue
		}
		id := fmt.Sprintf("003%06d", len(c.names)+1)
		c.names[id] = crm.Fields{crm.LastName: cmp.Or(p.Fields[crm.LastName], o.Placeholder), crm.FirstName: p.Fields[crm.FirstName], crm.Email: p.Fields[crm.Email]}
		c.records[key] = append(c.records[key], id)
		results = append(results, crm.Result{ID: id, Made: true})
	}
	return results
}

func (c *fakeCRM) Remove(ctx context.Context, id string) (crm.Removed, error) {
	f := c.fault("remove")
	if err := f.answer(ctx); err != nil && !f.after {
		return "", err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls++
	result := crm.Missing
	for key, ids := range c.records {
		if !slices.Contains(ids, id) {
			continue
		}
		if result = crm.Changed; !slices.ContainsFunc(c.changes, func(w crm.Write) bool { return w.ID == id }) {
			result, c.records[key] = crm.Deleted, slices.DeleteFunc(ids, func(other string) bool { return other == id })
		}
	}
	if f.err != nil {
		return "", f.err
	}
	return result, nil
}

func (c *fakeCRM) Anonymise(ctx context.Context, id string, own []crm.SchemaField, _ crm.Options) (crm.Removed, []string, error) {
	f := c.fault("anonymise")
	if err := f.answer(ctx); err != nil && !f.after {
		return "", nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls++
	result := crm.Missing
	if c.anonymised[id] != nil {
		result = crm.Anonymised
	}
	for key, ids := range c.records {
		if !slices.Contains(ids, id) {
			continue
		}
		if result = crm.Changed; !slices.ContainsFunc(c.changes, func(w crm.Write) bool { return w.ID == id }) {
			result, c.records[key] = crm.Anonymised, slices.DeleteFunc(ids, func(other string) bool { return other == id })
			c.anonymised[id] = []string{}
			for _, f := range own {
				c.anonymised[id] = append(c.anonymised[id], f.Key)
			}
		}
	}
	if f.err != nil {
		return "", nil, f.err
	}
	return result, slices.Clone(c.keeps), nil
}

func (c *fakeCRM) SetOptOuts(ctx context.Context, all []crm.OptOut) ([]crm.OptOutResult, error) {
	f := c.fault("optout")
	if err := f.answer(ctx); err != nil && !f.after {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls++
	c.optOuts = append(c.optOuts, slices.Clone(all))
	results := make([]crm.OptOutResult, len(all))
	for i, o := range all {
		switch there := slices.ContainsFunc(slices.Collect(maps.Values(c.records)), func(ids []string) bool { return slices.Contains(ids, o.ID) }); {
		case c.refuses[o.ID] != nil:
			results[i].Err = c.refuses[o.ID]
		case !there:
			results[i].Err = &crm.Failure{Class: crm.Recorded, Code: crm.Gone}
		default:
			results[i].Was = c.optedOut[o.ID+o.Subscription] == !o.Back
			c.optedOut[o.ID+o.Subscription] = !o.Back
		}
	}
	if f.err != nil {
		return nil, f.err
	}
	return results, nil
}

func (c *fakeCRM) Subscriptions(context.Context) ([]crm.Subscription, error) {
	return []crm.Subscription{{ID: "7", Name: "Weekly"}}, c.checkFails
}

func (c *fakeCRM) most() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	most := 0
	for _, ids := range c.records {
		most = max(most, len(ids))
	}
	return most
}

// house is a database with tenants, and what dispatchers need.
type house struct {
	t    testing.TB
	path string
	db   *db.DB
}

// newHouse makes tenants with two newsletters each: a/1, a/2, b/1, ...
func newHouse(t testing.TB, tenants ...string) *house {
	t.Helper()
	h := &house{t: t, path: dbtest.Path(t)}
	h.db = h.open()
	for _, id := range tenants {
		h.exec(`INSERT INTO tenants (id, slug, name, created_at) VALUES ($1, $1, $1, 1)`, id)
		h.exec(`INSERT INTO destinations (id, tenant_id, service, created_at) VALUES ($1, $1, 'fake', 1)`, id)
		for _, n := range []string{"1", "2"} {
			h.exec(`INSERT INTO newsletters (id, tenant_id, slug, name, consent, created_at) VALUES ($1, $2, $1, $1, 'yes', 1)`, id+"/"+n, id)
		}
	}
	return h
}

// open opens the database once more, as another process would.
func (h *house) open() *db.DB {
	h.t.Helper()
	d := dbtest.Open(h.t, h.path)
	d.SetClock(time.Now) // a server doesn't go by virtual time
	return d
}

func (h *house) exec(query string, args ...any) {
	h.t.Helper()
	if _, err := h.db.Writer().Exec(query, args...); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) signUp(newsletter string, emails ...string) (ids []string) {
	h.t.Helper()
	tenant, _, _ := strings.Cut(newsletter, "/")
	var all []db.SignUp
	for _, e := range emails {
		all = append(all, db.SignUp{
			TenantID: tenant, NewsletterID: newsletter, Email: e, EmailKey: strings.ToLower(e),
			Consent: "yes", Source: "form", At: now(),
		})
	}
	answers, err := h.db.AddSignUps(context.Background(), all)
	if err != nil {
		h.t.Fatal(err)
	}
	for _, a := range answers {
		ids = append(ids, a.ID)
	}
	return ids
}

// says signs an address up with names.
func (h *house) says(newsletter, email, first, last string) (id string) {
	h.t.Helper()
	tenant, _, _ := strings.Cut(newsletter, "/")
	answers, err := h.db.AddSignUps(context.Background(), []db.SignUp{{TenantID: tenant, NewsletterID: newsletter, Email: email, EmailKey: strings.ToLower(email),
		FirstName: first, LastName: last, Consent: "yes", Source: "form", At: now()}})
	if err != nil {
		h.t.Fatal(err)
	}
	return answers[0].ID
}

func (h *house) subscriber(tenant, id string) db.Subscriber {
	h.t.Helper()
	s, err := h.db.Subscriber(context.Background(), tenant, id)
	if err != nil {
		h.t.Fatal(err)
	}
	return s
}

func (h *house) pause(tenant string) db.Pause {
	h.t.Helper()
	p, err := h.db.Pause(context.Background(), to(tenant))
	if err != nil {
		h.t.Fatal(err)
	}
	return p
}

// adds checks the tenant's sums against its rows, and returns those of its destination.
func (h *house) adds(tenant string) db.Sums {
	h.t.Helper()
	r, err := h.db.Recount(context.Background(), tenant)
	if err != nil {
		h.t.Fatal(err)
	}
	if !r.Agrees() {
		h.t.Errorf("the sums of %s don't add up: %+v", tenant, r)
	}
	return r.Kept.Destinations[tenant]
}

// to is a tenant's first destination, whose id is the tenant's.
func to(tenant string) db.DestinationKey {
	return db.DestinationKey{TenantID: tenant, DestinationID: tenant}
}

// crms connects destinations with their CRMs, by their ids.
type crms map[string]*fakeCRM

func (c crms) connect(_ context.Context, to db.DestinationKey) (crm.CRM, error) {
	if f := c[to.DestinationID]; f != nil {
		return f, nil
	}
	return nil, &crm.Failure{Class: crm.Connection, Code: crm.NotConnected}
}

// dispatcher delivers at once: turns that follow each other needn't wait.
func (h *house) dispatcher(c crms) *Dispatcher {
	return New(Config{Store: paced{h.db, 0}, Connect: c.connect})
}

// paced is a store whose destinations want batches so far apart.
type paced struct {
	Store
	pace time.Duration
}

func (s paced) DeliverySettings(ctx context.Context, key db.DestinationKey) (db.DeliverySettings, error) {
	set, err := s.Store.DeliverySettings(ctx, key)
	set.Pace = s.pace
	return set, err
}

// takes runs one turn of a dispatcher.
func takes(d *Dispatcher, tenant string) (more bool) {
	more, _ = d.turn(context.Background(), nil, to(tenant))
	return more
}

var errDisk = errors.New("disk full")

// failingStore fails where it is told to.
type failingStore struct {
	*db.DB
	record error // what RecordOutcomes fails with, once
}

func (s *failingStore) RecordOutcomes(ctx context.Context, l db.Lease, o []db.Outcome) error {
	if err := s.record; err != nil {
		s.record = nil
		return err
	}
	return s.DB.RecordOutcomes(ctx, l, o)
}
