package salesforce

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"gatepost/crm"
)

const (
	collectionsPath = apiPath + "/composite/sobjects"
	objectsPath     = apiPath + "/sobjects/"
	contactPath     = objectsPath + "Contact"
)

// noName stands where the reader gave no last name, unless the tenant wants
// another word: Salesforce demands one.
const noName = "NA"

// collection is the body of a Collections call.
type collection struct {
	AllOrNone bool     `json:"allOrNone"`
	Records   []fields `json:"records"`
}

// fields are a record's, by name.
type fields map[string]any

// Write makes and changes records, as crm.CRM says. A write whose Result fails
// with class crm.Pause or crm.Connection has found out what is true for the rest
// as well. A failure of the whole call of class crm.Recorded, and one that is
// Shared, is due to somebody among the writes; fewer of them find out whom.
//
// What a new record is to be, and what is to happen with a record beside what stands in it, is told
// by the keys of targets.go.
func (c *Client) Write(ctx context.Context, writes []crm.Write, o crm.Options) ([]crm.Result, error) {
	shared, err := c.sharedToWrite(ctx, writes, o)
	if err != nil {
		return nil, err
	}
	if writes, err = c.withAccounts(ctx, writes, o); err != nil {
		return nil, err
	}
	j := job{writes: writes, o: o, shared: shared}
	results, err := c.writeAll(ctx, j)
	if err != nil {
		if f, ok := errors.AsType[*crm.Failure](err); ok {
			c.noteChanged(f)
		}
		return nil, err
	}
	noteGone(writes, results)
	c.noteFields(writes, o, results)
	c.joinCampaigns(ctx, j, results)
	return results, nil
}

// job is what a call of Write has to do.
type job struct {
	writes []crm.Write
	o      crm.Options
	shared []string // keys of the fields that Leads have as Contacts do, where some of them are Leads
}

// writeAll makes and changes the records.
func (c *Client) writeAll(ctx context.Context, j job) ([]crm.Result, error) {
	if w := j.writes; len(w) == 1 && w[0].ID == "" && !upserted(w[0], j.o) {
		return c.createOne(ctx, j)
	}
	results := make([]crm.Result, len(j.writes))
	for i, b := range batches(j, results) {
		err := c.writeBatch(ctx, j, b, results)
		if err == nil {
			continue
		}
		if i == 0 {
			return nil, err
		}
		// What the calls before this one did must not be forgotten.
		failAll(results, b.indexes(), err)
	}
	return results, nil
}

// noteGone tells of the records that were to be changed those that were deleted
// since they were found.
func noteGone(writes []crm.Write, results []crm.Result) {
	for i, w := range writes {
		var f *crm.Failure
		if w.ID != "" && errors.As(results[i].Err, &f) && f.Field == "" && (f.Code == "ENTITY_IS_DELETED" || f.Code == "INVALID_CROSS_REFERENCE_KEY") {
			f.Code, f.Changed = crm.Gone, false
		}
	}
}

// createOne makes one record. A Collections call would do it too, but only this
// one tells which record a duplicate rule found.
func (c *Client) createOne(ctx context.Context, j job) ([]crm.Result, error) {
	w := j.writes[0]
	record := created(w, j)
	delete(record, "attributes")
	sent, err := json.Marshal(record)
	if err != nil {
		return nil, unsent(fmt.Errorf("encode a record: %w", err))
	}
	body, err := c.call(ctx, request{method: http.MethodPost, path: objectsPath + written(w, j.o), body: sent, write: true, single: true, duplicates: j.o.SaveDuplicates, assign: assigned(w, j.o)})
	var f *crm.Failure
	if errors.As(err, &f) && !f.Unknown && (f.Class == crm.Recorded || f.Class == crm.Passing) {
		return []crm.Result{{Err: f}}, nil
	}
	if err != nil {
		return nil, err
	}
	var s save
	if json.Unmarshal(body, &s) != nil {
		return nil, nonsense("unexpected answer to a new record", true)
	}
	s.Created = s.Success
	return []crm.Result{s.result()}, nil
}

// chunk is what travels in one Collections call: writes of one kind, by their
// index.
type chunk struct {
	method, url string
	writes      []int
	assign      bool // have the assignment rules choose the owner
}

// batch is what travels in one API call.
type batch struct {
	chunks    []chunk
	composite bool
}

func (b batch) indexes() (all []int) {
	for _, c := range b.chunks {
		all = append(all, c.writes...)
	}
	return all
}

// batches shares writes out to as few API calls as can be; a change of nothing takes none. A Composite call takes
// "@{" for a reference to one of its other parts, wherever it stands, and has no
// escape for it: such people travel in Collections calls of their own.
func batches(j job, results []crm.Result) (out []batch) {
	writes, o := j.writes, j.o
	var plain, odd []int
	for i, w := range writes {
		if w.ID != "" && len(changed(w, j)) == 2 { // the id and its object: what is to be done is no change
			results[i].ID = w.ID
			continue
		}
		if strings.Contains(texts(w, o), "@{") {
			odd = append(odd, i)
			continue
		}
		plain = append(plain, i)
	}
	for group := range slices.Chunk(chunks(writes, plain, o), partsPerCall) {
		out = append(out, batch{chunks: group, composite: true})
	}
	for _, c := range chunks(writes, odd, o) {
		out = append(out, batch{chunks: []chunk{c}})
	}
	return out
}

// texts are all texts of a write, to be searched.
func texts(w crm.Write, o crm.Options) string {
	all := []string{w.Fields[crm.Email], w.Fields[crm.FirstName], lastName(w.Fields, o)}
	for _, v := range w.Own {
		all = append(all, v.Text)
	}
	return strings.Join(all, "\n")
}

// chunks shares some of the writes out to Collections calls, each for one kind.
func chunks(writes []crm.Write, some []int, o crm.Options) (out []chunk) {
	create := chunk{method: http.MethodPost, url: collectionsPath}
	upsert := chunk{method: http.MethodPatch, url: collectionsPath + "/Contact/" + o.Key}
	contacts, leads := chunk{method: http.MethodPatch, url: collectionsPath}, chunk{method: http.MethodPatch, url: collectionsPath}
	newLeads, assignedLeads := create, create
	assignedLeads.assign = true
	for _, i := range some {
		switch id := writes[i].ID; {
		case id == "" && assigned(writes[i], o):
			assignedLeads.writes = append(assignedLeads.writes, i)
		case id == "" && written(writes[i], o) == "Lead":
			newLeads.writes = append(newLeads.writes, i)
		case id == "" && upserted(writes[i], o):
			upsert.writes = append(upsert.writes, i)
		case id == "":
			create.writes = append(create.writes, i)
		case objectOf(id) == "Lead":
			leads.writes = append(leads.writes, i)
		default:
			contacts.writes = append(contacts.writes, i)
		}
	}
	for _, kind := range []chunk{create, upsert, newLeads, assignedLeads, contacts, leads} {
		for part := range slices.Chunk(kind.writes, recordsPerPart) {
			one := kind
			one.writes = part
			out = append(out, one)
		}
	}
	return out
}

// writeBatch makes one API call and fills in the results of its writes.
func (c *Client) writeBatch(ctx context.Context, j job, b batch, results []crm.Result) error {
	if !b.composite {
		return c.writePlain(ctx, j, b.chunks[0], results)
	}
	parts := make([]part, len(b.chunks))
	for i, k := range b.chunks {
		parts[i] = part{Method: k.method, URL: k.url, Body: records(j, k), Headers: map[string]string{assignHeader: assignment(k.assign)}}
		if j.o.SaveDuplicates {
			parts[i].Headers[duplicateHeader] = saveDuplicates
		}
	}
	answers, err := c.composite(ctx, parts, true)
	if err != nil {
		return err
	}
	for i, a := range answers {
		if f := a.refusal(true); f != nil {
			failAll(results, b.chunks[i].writes, f)
			continue
		}
		fill(results, b.chunks[i], a.Body)
	}
	return nil
}

// writePlain makes a Collections call that isn't part of a Composite one.
func (c *Client) writePlain(ctx context.Context, j job, k chunk, results []crm.Result) error {
	sent, err := json.Marshal(records(j, k))
	if err != nil {
		return unsent(fmt.Errorf("encode records: %w", err))
	}
	body, err := c.call(ctx, request{method: k.method, path: k.url, body: sent, write: true, duplicates: j.o.SaveDuplicates, assign: k.assign})
	if err != nil {
		return err
	}
	fill(results, k, body)
	return nil
}

func records(j job, k chunk) collection {
	out := collection{Records: make([]fields, len(k.writes))}
	for i, n := range k.writes {
		if w := j.writes[n]; w.ID == "" {
			out.Records[i] = created(w, j)
		} else {
			out.Records[i] = changed(w, j)
		}
	}
	return out
}

// nameless reports whether a person's last name is to be a placeholder.
func nameless(p crm.Fields) bool { return strings.TrimSpace(p[crm.LastName]) == "" }

// lastName is the one to write, a placeholder when there is none.
func lastName(p crm.Fields, o crm.Options) string {
	if nameless(p) {
		return cmp.Or(o.Placeholder, noName)
	}
	return p[crm.LastName]
}

// upserted reports whether a new record is made by its key. An upsert changes the
// record that it meets, whose name a placeholder must not replace: a plain create is
// refused instead.
func upserted(w crm.Write, o crm.Options) bool {
	return o.Key != "" && !nameless(w.Fields) && written(w, o) == "Contact"
}

// created are the fields of a new record. A first name is left out when there is
// none; a last name has to be there, and the company of a Lead.
func created(w crm.Write, j job) fields {
	object := written(w, j.o)
	f := fields{}
	f.setOwn(w, object, j.shared)
	f["attributes"], f["LastName"], f["Email"] = attributes(object), lastName(w.Fields, j.o), w.Fields[crm.Email]
	if strings.TrimSpace(w.Fields[crm.FirstName]) != "" {
		f["FirstName"] = w.Fields[crm.FirstName]
	}
	switch {
	case object == "Lead" && f[companyField] == nil:
		f[companyField] = cmp.Or(j.o.Placeholder, noName)
	case object == "Contact" && j.o.Key != "":
		f[j.o.Key] = strings.ToLower(w.Fields[crm.Email])
	}
	return f
}

// changed are the fields of a change.
func changed(w crm.Write, j job) fields {
	f := fields{}
	f.setOwn(w, objectOf(w.ID), j.shared)
	f["attributes"], f["Id"] = attributes(objectOf(w.ID)), w.ID
	for ours, theirs := range map[string]string{crm.FirstName: "FirstName", crm.LastName: "LastName"} {
		if value := w.Fields[ours]; value != "" {
			f[theirs] = value
		}
	}
	return f
}

func attributes(object string) map[string]string { return map[string]string{"type": object} }

// fill reads a Collections answer into the results of its chunk.
func fill(results []crm.Result, k chunk, body []byte) {
	read, ok := parseCollection(body, len(k.writes))
	if !ok {
		failAll(results, k.writes, nonsense("unexpected answer to a collections call", true))
		return
	}
	for i, n := range k.writes {
		results[n] = read[i]
		results[n].Made = read[i].Err == nil && (read[i].Made || k.method == http.MethodPost)
	}
}

// parseCollection reads the results of n records.
func parseCollection(body []byte, n int) ([]crm.Result, bool) {
	var saves []save
	if json.Unmarshal(body, &saves) != nil || len(saves) != n {
		return nil, false
	}
	out := make([]crm.Result, n)
	for i, s := range saves {
		out[i] = s.result()
	}
	return out, true
}

// save is what a Collections call says of one record. Success decides: a record
// that failed may have an id as well.
type save struct {
	ID      string  `json:"id"`
	Success bool    `json:"success"`
	Created bool    `json:"created"` // what an upsert says of a new record
	Errors  []fault `json:"errors"`
}

func (s save) result() crm.Result {
	if s.Success && isID(s.ID) {
		return crm.Result{ID: s.ID, Made: s.Created}
	}
	f, ok := firstFault(s.Errors)
	if s.Success || !ok {
		return crm.Result{Err: nonsense("unexpected answer for a record", true)}
	}
	return crm.Result{Err: f.failure()}
}

// failAll gives everyone of a chunk a failure of their own. One that is about
// their content is due to any of them.
func failAll(results []crm.Result, chunk []int, err error) {
	for _, n := range chunk {
		results[n] = crm.Result{Err: err}
		var f *crm.Failure
		if errors.As(err, &f) {
			own := *f
			own.Shared = own.Class == crm.Recorded && !own.Unknown && len(chunk) > 1
			results[n].Err = &own
		}
	}
}
