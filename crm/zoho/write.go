package zoho

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

// noName stands where the reader gave no last name, unless the tenant wants another word:
// Zoho demands one.
const noName = "NA"

// fields are a record's, by name.
type fields map[string]any

// chunk is what travels in one call: writes of one kind, by their index.
type chunk struct {
	method, path string
	module       string
	checks       []string // fields by which an upsert finds the record that is there
	writes       []int
}

// Write makes and changes records, as crm.CRM says. A write whose Result fails with class
// crm.Pause or crm.Connection has found out what is true for the rest as well. One that is
// Shared may be due to what the org demands of every record; fewer of them find out.
func (c *Client) Write(ctx context.Context, writes []crm.Write, o crm.Options) ([]crm.Result, error) {
	results := make([]crm.Result, len(writes))
	shared, err := c.sharedToWrite(ctx, writes)
	if err != nil {
		return nil, err
	}
	unique := false
	if o.Key == "" && slices.ContainsFunc(writes, func(w crm.Write) bool { return w.ID == "" && !nameless(w.Fields) }) {
		if unique, err = c.emailUnique(ctx); err != nil {
			return nil, err
		}
	}
	for i, k := range chunks(writes, o, unique, shared, results) {
		err := c.writeChunk(ctx, writes, k, o, shared, results)
		c.noteChanged(err)
		if err == nil {
			continue
		}
		if i == 0 && stopsAll(err) {
			return nil, err
		}
		// What the calls before this one did must not be forgotten.
		failAll(results, k.writes, err)
	}
	c.addTags(ctx, writes, results)
	return results, nil
}

// stopsAll reports whether a failure is everybody's, rather than due to one of a call's
// records.
func stopsAll(err error) bool {
	f := crm.Failed(err)
	return f.Unknown || f.Class == crm.Pause || f.Class == crm.Connection
}

// chunks shares writes out to calls, each for one kind. Whose id is none of ours has
// failed, and a change of nothing takes none.
//
// A new record of somebody who has a name is made by its address, so that an address that
// came to be there since it was looked for isn't there twice. Where the org itself keeps
// addresses apart, a plain insert is refused then, and tells whose record it is; an upsert
// would replace the names. A placeholder must replace nobody's name: who has none is
// inserted in any case.
func chunks(writes []crm.Write, o crm.Options, unique bool, shared []string, results []crm.Result) (out []chunk) {
	upsert := chunk{method: http.MethodPost, path: apiPath + "/Contacts/upsert", module: contacts, checks: []string{cmp.Or(o.Key, emailField)}}
	insert := chunk{method: http.MethodPost, path: apiPath + "/Contacts", module: contacts}
	changedContacts := chunk{method: http.MethodPut, path: apiPath + "/Contacts", module: contacts}
	changedLeads := chunk{method: http.MethodPut, path: apiPath + "/Leads", module: leads}
	for i, w := range writes {
		switch {
		case w.ID == "" && (nameless(w.Fields) || unique):
			insert.writes = append(insert.writes, i)
		case w.ID == "":
			upsert.writes = append(upsert.writes, i)
		case !isID(w.ID):
			results[i].Err = &crm.Failure{Class: crm.Recorded, Code: noSuchRecord}
		case len(changed(w, shared)) == 1: // the id: what is to be done is no change
			results[i].ID = w.ID
		case strings.HasPrefix(w.ID, leads):
			changedLeads.writes = append(changedLeads.writes, i)
		default:
			changedContacts.writes = append(changedContacts.writes, i)
		}
	}
	for _, kind := range []chunk{upsert, insert, changedContacts, changedLeads} {
		for part := range slices.Chunk(kind.writes, perCall) {
			one := kind
			one.writes = part
			out = append(out, one)
		}
	}
	return out
}

// writeChunk makes one call and fills in the results of its writes.
func (c *Client) writeChunk(ctx context.Context, writes []crm.Write, k chunk, o crm.Options, shared []string, results []crm.Result) error {
	saves, err := c.sendRows(ctx, k, rowsOf(writes, k, o, shared))
	if err != nil {
		return err
	}
	for i, n := range k.writes {
		results[n] = saves[i].result(writes[n], k, o)
		c.noteChanged(results[n].Err)
	}
	return refusedAlike(results, k)
}

// sendRows makes a call of a kind with some rows, and returns what it says of each of them.
func (c *Client) sendRows(ctx context.Context, k chunk, rows []fields) ([]save, error) {
	body := fields{"data": rows}
	if k.checks != nil {
		body["duplicate_check_fields"] = k.checks
	}
	if c.quiet {
		body["trigger"] = []string{}
	}
	sent, err := json.Marshal(body)
	if err != nil {
		return nil, unsent(fmt.Errorf("encode records: %w", err))
	}
	a, err := c.call(ctx, request{method: k.method, path: k.path, body: sent, write: true, rows: true, cost: (len(rows) + 9) / 10})
	if err != nil {
		return nil, err
	}
	return parseRows(a.body, len(rows)), nil
}

func rowsOf(writes []crm.Write, k chunk, o crm.Options, shared []string) []fields {
	out := make([]fields, len(k.writes))
	for i, n := range k.writes {
		if w := writes[n]; w.ID == "" {
			out[i] = created(w, o)
		} else {
			out[i] = changed(w, shared)
		}
	}
	return out
}

// nameless reports whether a person's last name is to be a placeholder.
func nameless(p crm.Fields) bool { return strings.TrimSpace(p[crm.LastName]) == "" }

// created are the fields of a new Contact. A first name is left out when there is none; a
// last name has to be there.
func created(w crm.Write, o crm.Options) fields {
	p, f := w.Fields, fields{}
	f.setOwn(w, contacts, nil)
	f["Last_Name"], f[emailField] = p[crm.LastName], p[crm.Email]
	if nameless(p) {
		f["Last_Name"] = cmp.Or(o.Placeholder, noName)
	}
	if strings.TrimSpace(p[crm.FirstName]) != "" {
		f["First_Name"] = p[crm.FirstName]
	}
	if o.Key != "" {
		f[o.Key] = strings.ToLower(p[crm.Email])
	}
	return f
}

// changed are the fields of a change: names, and the org's own. The address stays.
func changed(w crm.Write, shared []string) fields {
	module, number, _ := strings.Cut(w.ID, "/")
	f := fields{}
	f.setOwn(w, module, shared)
	f["id"] = number
	for name, value := range map[string]string{"First_Name": w.Fields[crm.FirstName], "Last_Name": w.Fields[crm.LastName]} {
		if strings.TrimSpace(value) != "" {
			f[name] = value
		}
	}
	return f
}

// save is what Zoho says of one row. Its status decides. Of an upsert, action alone tells
// whether the record is new.
type save struct {
	fault
	Action string `json:"action"`
}

// parseRows reads the rows of an answer, which stand in the order of the records. Of those
// that are missing nothing is known, and of none when there are too many.
func parseRows(body []byte, n int) []save {
	var in struct {
		Data []save `json:"data"`
	}
	saves := make([]save, n)
	if decode(body, &in) == nil && len(in.Data) <= n {
		copy(saves, in.Data)
	}
	return saves
}

// result is what a row means.
func (s save) result(w crm.Write, k chunk, o crm.Options) crm.Result {
	id := k.module + "/" + string(s.details().ID)
	switch {
	case s.Status == "success" && s.Code == "SUCCESS" && isID(id):
		return crm.Result{ID: id, Made: k.checks == nil && k.method == http.MethodPost || s.Action == "insert"}
	case s.Status != "error" || !codePattern.MatchString(s.Code):
		return crm.Result{Err: nonsense("unexpected answer for a record", true)}
	case k.method == http.MethodPost && s.ofPerson(o.Key):
		return s.there(w)
	}
	f := s.blamed(o.Key).failure()
	if k.method == http.MethodPut && (f.Code == noSuchRecord || k.module == leads && f.Code == converted) {
		f.Code = crm.Gone
	}
	return crm.Result{Err: f}
}

// there is the result of a new record whose person came to be there since nobody was
// found. The names that are there stay; where there are fields of the org's own to be set, the
// record is to be looked up first.
func (s save) there(w crm.Write) crm.Result {
	switch id := s.match(); {
	case id != "" && len(w.Own) > 0:
		return crm.Result{Err: &crm.Failure{Class: crm.Recorded, Code: crm.Exists, Match: id}}
	case id != "":
		return crm.Result{ID: id}
	}
	known, _ := Provider.KnownCode(duplicateEmail)
	return crm.Result{Err: &crm.Failure{Class: known.Record.Class, Tries: known.Record.Tries, Code: duplicateEmail, Detail: s.detail()}}
}

// blamed is the one of several faults that counts: the first that isn't about the address
// being there already.
func (f fault) blamed(key string) fault {
	all := f.all()
	for _, one := range all {
		if !one.ofPerson(key) {
			return one
		}
	}
	return all[0]
}

// refusedAlike looks at whether all records of a call were refused for the same thing,
// which then is no record's own. Who may make none stops everybody until that is mended.
// A record that is there may be one that the user alone can't change, so that one refusal
// says nothing of others. Any other field that is demanded may be demanded of some alone:
// fewer records find out.
func refusedAlike(results []crm.Result, k chunk) error {
	first := alike(results, k.writes)
	if first == nil {
		return nil
	}
	known, _ := Provider.KnownCode(first.Code)
	madeNone := k.method == http.MethodPost && (k.checks == nil || len(k.writes) > 1)
	switch {
	case first.Class == crm.Recorded && known.Call.Class == crm.Pause && madeNone:
		return &crm.Failure{Class: known.Call.Class, Wait: known.Call.Wait, Code: first.Code, Detail: first.Detail, Field: first.Field, Changed: first.Changed}
	case first.Code == mandatory:
		failAll(results, k.writes, first)
	}
	return nil
}

// alike is the failure that all results of a call have, nil where they differ.
func alike(results []crm.Result, chunk []int) (first *crm.Failure) {
	for _, n := range chunk {
		var f *crm.Failure
		if !errors.As(results[n].Err, &f) || f.Unknown || first != nil && (f.Code != first.Code || f.Detail != first.Detail) {
			return nil
		}
		if first == nil {
			first = f
		}
	}
	return first
}

// failAll gives everyone of a chunk a failure of their own. One that is about their
// content is due to any of them.
func failAll(results []crm.Result, chunk []int, err error) {
	for _, n := range chunk {
		own := *crm.Failed(err)
		own.Shared = own.Class == crm.Recorded && !own.Unknown && len(chunk) > 1
		results[n] = crm.Result{Err: &own}
	}
}
