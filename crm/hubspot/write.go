package hubspot

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"gatepost/crm"
)

// Write makes and changes contacts, as crm.CRM says. Who turns out to be there already is
// that contact, since HubSpot has an address once: the result names it, and it keeps its
// names. Where there are properties of the account's own to be set, it is to be looked up first. A write whose Result fails with class crm.Pause or crm.Connection has found out what
// is true for the rest as well. A failure of the whole call of class crm.Recorded, and one
// that is Shared, is due to somebody among the writes; fewer of them find out whom.
func (c *Client) Write(ctx context.Context, writes []crm.Write, o crm.Options) ([]crm.Result, error) {
	results := make([]crm.Result, len(writes))
	calls := callsFor(writes, results)
	for i, k := range calls {
		err := c.writeCall(ctx, writes, k, o, results)
		if err == nil {
			continue
		}
		if i == 0 {
			return nil, err
		}
		// What the calls before this one did must not be forgotten.
		failAll(results, k.writes, err)
		if f := crm.Failed(err); f.Class == crm.Pause || f.Class == crm.Connection {
			notSent := *f
			notSent.Unknown = false
			for _, later := range calls[i+1:] {
				failAll(results, later.writes, &notSent)
			}
			break
		}
	}
	return results, nil
}

// The kinds of call that write.
const (
	create = "create"
	update = "update"
)

// call is what travels in one API call: writes of one kind, by their index.
type call struct {
	kind   string
	writes []int
}

// callsFor shares writes out to as few API calls as can be: first new contacts, then
// changes. A change of nothing takes none.
func callsFor(writes []crm.Write, results []crm.Result) []call {
	news, changes := rounds{kind: create}, rounds{kind: update}
	for i, w := range writes {
		switch {
		case w.ID == "":
			news.add(i, lower(w.Fields[crm.Email]))
		case len(changed(w)) == 0:
			results[i] = crm.Result{ID: w.ID}
		default:
			changes.add(i, w.ID)
		}
	}
	return append(news.calls, changes.calls...)
}

// rounds are calls of one kind. HubSpot refuses a call that names an address or a contact
// twice: the second one goes in a call behind it.
type rounds struct {
	kind  string
	calls []call
	next  map[string]int // by address or id: the first call that doesn't name it
}

func (r *rounds) add(write int, name string) {
	n := r.next[name]
	for n < len(r.calls) && len(r.calls[n].writes) == inputsPerCall {
		n++
	}
	if n == len(r.calls) {
		r.calls = append(r.calls, call{kind: r.kind})
	}
	r.calls[n].writes = append(r.calls[n].writes, write)
	if r.next == nil {
		r.next = map[string]int{}
	}
	r.next[name] = n + 1
}

// writeCall makes one API call and fills in the results of its writes. It returns why none of
// them was done, where that is so.
func (c *Client) writeCall(ctx context.Context, writes []crm.Write, k call, o crm.Options, results []crm.Result) error {
	b, err := c.batch(ctx, k.kind, map[string]any{"inputs": inputs(writes, k, o)}, request{write: true, single: len(k.writes) == 1})
	f, _ := errors.AsType[*crm.Failure](err)
	switch {
	case f != nil && f.Class == crm.Recorded && len(k.writes) == 1:
		results[k.writes[0]] = crm.Result{Err: f}
	case err != nil:
		return err
	default:
		b.fill(writes, k, results)
	}
	if err := everybodys(k, results); err != nil {
		return err
	}
	c.adopt(ctx, writes, k, results)
	return nil
}

// inputs are a call's writes as HubSpot takes them.
func inputs(writes []crm.Write, k call, o crm.Options) []input {
	out := make([]input, len(k.writes))
	for i, n := range k.writes {
		w := writes[n]
		out[i] = input{ID: w.ID, Trace: strconv.Itoa(i), Properties: changed(w)}
		if k.kind == create {
			out[i].Properties = created(w, o)
		}
	}
	return out
}

// created are the properties of a new contact.
func created(w crm.Write, o crm.Options) map[string]string {
	props := named(w.Fields)
	props["email"] = lower(w.Fields[crm.Email])
	if o.Key != "" {
		props[o.Key] = props["email"]
	}
	setOwn(props, w)
	return props
}

// changed are the properties of a change: names, and the account's own. The address would take the place of
// the primary one where the contact was found by another.
func changed(w crm.Write) map[string]string {
	props := named(w.Fields)
	setOwn(props, w)
	delete(props, "email")
	return props
}

// named are the names that there are: an empty one would clear the property.
func named(p crm.Fields) map[string]string {
	props := map[string]string{}
	for name, value := range map[string]string{"firstname": p[crm.FirstName], "lastname": p[crm.LastName]} {
		if strings.TrimSpace(value) != "" {
			props[name] = value
		}
	}
	return props
}

// fill reads a batch's answer into the results of its writes. Those that it says nothing of
// are not known; but a change of a contact that was merged into another is passed over.
func (b batch) fill(writes []crm.Write, k call, results []crm.Result) {
	open := slices.Clone(k.writes)
	settle := func(n int, r crm.Result) {
		results[n] = r
		open = slices.DeleteFunc(open, func(i int) bool { return i == n })
	}
	for _, r := range b.Results {
		if n, ok := k.written(writes, r); ok && slices.Contains(open, n) {
			settle(n, crm.Result{ID: r.ID, Made: k.kind == create})
		}
	}
	var unnamed []fault
	for _, e := range b.Errors {
		about := k.about(writes, e)
		if len(about) == 0 {
			unnamed = append(unnamed, e)
		}
		for _, n := range about {
			if slices.Contains(open, n) {
				settle(n, k.refusedBy(e, b))
			}
		}
	}
	if len(open) == 1 && len(unnamed) == 1 {
		settle(open[0], k.refusedBy(unnamed[0], b))
	}
	for _, n := range open {
		results[n] = crm.Result{Err: nonsense("no outcome for a contact", true)}
		if k.kind == update && len(unnamed) == 0 {
			results[n] = gone("HubSpot passed the contact over, as it does when it was merged into another.")
		}
	}
}

// written is the write that a contact of an answer is due to: by its trace id, by its
// address, or by its id.
func (k call) written(writes []crm.Write, r contact) (n int, ok bool) {
	if n, ok := k.traced(r.Trace); ok {
		return n, true
	}
	for _, n := range k.writes {
		w := writes[n]
		if w.ID == r.ID || k.kind == create && lower(w.Fields[crm.Email]) == lower(r.text("email")) {
			return n, true
		}
	}
	return 0, false
}

func (k call) traced(trace string) (n int, ok bool) {
	i, err := strconv.Atoi(trace)
	if err != nil || i < 0 || i >= len(k.writes) {
		return 0, false
	}
	return k.writes[i], true
}

// about are the writes that an error of an answer is about.
func (k call) about(writes []crm.Write, e fault) (all []int) {
	for _, trace := range e.Context["objectWriteTraceId"] {
		if n, ok := k.traced(trace); ok {
			all = append(all, n)
		}
	}
	if len(all) > 0 {
		return all
	}
	for _, id := range slices.Concat(e.Context["ids"], e.Context["id"]) {
		for _, n := range k.writes {
			if writes[n].ID == id {
				all = append(all, n)
			}
		}
	}
	return all
}

// refusedBy is the result of a write that an error of an answer is about.
func (k call) refusedBy(e fault, b batch) crm.Result {
	if f := e.failure(b.header); k.kind == create || f.Code != notFound {
		return crm.Result{Err: f}
	}
	return gone(e.detail(b.header))
}

// gone is the result of a change of a contact that isn't there any more.
func gone(detail string) crm.Result {
	return crm.Result{Err: &crm.Failure{Class: crm.Recorded, Code: crm.Gone, Detail: detail}}
}

// everybodys is the failure that all of several contacts met, where it is due to the
// account and not to them: a property that isn't there, for example. It is nil otherwise.
func everybodys(k call, results []crm.Result) error {
	var first *crm.Failure
	for _, n := range k.writes {
		f, ok := errors.AsType[*crm.Failure](results[n].Err)
		if !ok || first != nil && f.Code != first.Code {
			return nil
		}
		first = f
	}
	c, known := Provider.KnownCode(first.Code)
	if len(k.writes) < 2 || !known || first.Class != crm.Recorded || c.Call.Class == crm.Recorded {
		return nil
	}
	return &crm.Failure{Class: c.Call.Class, Code: first.Code, Wait: c.Call.Wait, Detail: first.Detail, Field: first.Field, Changed: first.Changed}
}

// adopt looks for those who were refused since they are there already. HubSpot doesn't
// always say which contact it is. One that it says to be there, and doesn't show, is hidden
// from the connected user: that needs somebody.
func (c *Client) adopt(ctx context.Context, writes []crm.Write, k call, results []crm.Result) {
	var met []int
	var emails []string
	for _, n := range k.writes {
		if f, ok := errors.AsType[*crm.Failure](results[n].Err); ok && f.Code == conflicted && k.kind == create {
			met, emails = append(met, n), append(emails, writes[n].Fields[crm.Email])
		}
	}
	if len(met) == 0 {
		return
	}
	found, err := c.Find(ctx, emails, crm.Options{})
	if err != nil {
		failAll(results, met, err)
		return
	}
	for _, n := range met {
		there := found[lower(writes[n].Fields[crm.Email])]
		switch {
		case len(there) == 0:
		case len(writes[n].Own) > 0:
			results[n] = crm.Result{Err: &crm.Failure{Class: crm.Recorded, Code: crm.Exists, Match: there[0].ID}}
		default:
			results[n] = crm.Result{ID: there[0].ID}
		}
	}
}

// failAll gives everyone of a call a failure of their own. One that is about their content is
// due to any of them.
func failAll(results []crm.Result, some []int, err error) {
	f := crm.Failed(err)
	for _, n := range some {
		own := *f
		own.Shared = own.Class == crm.Recorded && !own.Unknown && len(some) > 1
		results[n] = crm.Result{Err: &own}
	}
}
