package mockhubspot

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
)

// maxInputs is how many inputs a batch may have.
const maxInputs = 100

// batch is the body of a batch call that writes.
type batch struct {
	Inputs []input `json:"inputs"`
}

// readBatch is the body of a batch call that reads.
type readBatch struct {
	batch
	IDProperty string   `json:"idProperty"`
	Properties []string `json:"properties"`
}

// input is one record of a batch.
type input struct {
	ID           string         `json:"id"`
	IDProperty   string         `json:"idProperty"`
	Trace        string         `json:"objectWriteTraceId"`
	Properties   map[string]any `json:"properties"`
	Associations []any          `json:"associations"`
}

// batch reads the body of a batch call that writes. A body without inputs is none: nothing
// is done then, and nothing refused.
func (c *call) batch() (batch, error) {
	var in batch
	if err := c.decode(&in); err != nil {
		return in, err
	}
	for _, one := range in.Inputs {
		if len(one.Associations) > 0 {
			return in, invalid("associations: this simulation has contacts alone")
		}
	}
	return in, in.check()
}

func (in batch) check() error {
	if n := len(in.Inputs); n > maxInputs {
		return invalid(fmt.Sprintf("The maximum number of inputs supported in a batch request is %d, but it had %d", maxInputs, n))
	}
	return nil
}

// repeated are the values that a list holds more than once.
func repeated(values []string) (twice []string) {
	seen := map[string]bool{}
	for _, v := range values {
		if seen[v] && !slices.Contains(twice, v) {
			twice = append(twice, v)
		}
		seen[v] = true
	}
	return twice
}

// partial reports whether the good inputs of a batch are written though others are bad:
// each must have a trace id of its own.
func (c *call) partial(inputs []input) bool {
	seen := map[string]bool{}
	for _, one := range inputs {
		if one.Trace == "" || seen[one.Trace] {
			return false
		}
		seen[one.Trace] = true
	}
	return len(inputs) > 1 || c.set().SingleTracePartial
}

// outcome is what became of one input.
type outcome struct {
	input   input
	rec     *contact
	no      *apiError
	tellNew bool // the answer says whether the contact was made
}

// batchAnswer is the answer of a batch: what was done in no order, and what wasn't.
func (c *call) batchAnswer(status, partly int, results []map[string]any, errs []map[string]any) reply {
	rand.Shuffle(len(results), func(i, j int) { results[i], results[j] = results[j], results[i] })
	rand.Shuffle(len(errs), func(i, j int) { errs[i], errs[j] = errs[j], errs[i] })
	at := formatTime(c.s.core.Now())
	if results == nil {
		results = []map[string]any{}
	}
	body := map[string]any{"status": "COMPLETE", "results": results, "startedAt": at, "completedAt": at}
	if len(errs) > 0 {
		status = partly
		body["numErrors"], body["errors"] = len(errs), errs
	}
	return reply{status, body}
}

// batchRead handles POST …/batch/read.
func (c *call) batchRead(ctx context.Context) (reply, error) {
	var in readBatch
	err := c.decode(&in)
	if err == nil {
		err = in.check()
	}
	if err != nil {
		return reply{}, err
	}
	l, err := c.newLedger(ctx, c.s.core.Read)
	if err != nil {
		return reply{}, err
	}
	key, err := l.schema.keyProperty(in.IDProperty)
	if err != nil {
		return reply{}, err
	}
	var values []string
	for _, one := range in.Inputs {
		values = append(values, keyValue(key, one.ID))
	}
	if twice := repeated(values); len(twice) > 0 && !c.set().ReadDuplicates {
		return reply{}, duplicates(twice)
	}
	contacts, err := l.holding(ctx, key, values)
	if err != nil {
		return reply{}, err
	}
	results, lost := c.readResults(l, in, contacts)
	var errs []map[string]any
	if len(lost) > 0 {
		errs = append(errs, missing(lost).member())
	}
	return c.batchAnswer(http.StatusOK, http.StatusMultiStatus, results, errs), nil
}

// readResults are what a batch tells of contacts, and the inputs that led to none.
func (c *call) readResults(l *ledger, in readBatch, contacts []*contact) (results []map[string]any, lost []string) {
	told := map[int64]bool{}
	archived := c.query.Get("archived") == "true"
	for i, r := range contacts {
		switch {
		case r == nil || r.hidden || r.mergedInto != 0 || r.archived != archived:
			lost = append(lost, in.Inputs[i].ID)
		case !told[r.seq] || c.set().ReadRepeats:
			told[r.seq] = true
			results = append(results, c.view(l.schema, r, in.Properties))
		}
	}
	return results, lost
}

// holding returns the contact that has each of some values of a key, nil where there is none.
func (l *ledger) holding(ctx context.Context, key *property, values []string) ([]*contact, error) {
	found, err := byKey(ctx, l.q, l.c.who.org, key, values)
	if err != nil {
		return nil, err
	}
	contacts, err := bySeq(ctx, l.q, l.c.who.org, numbersOf(found))
	list := make([]*contact, len(values))
	for i, value := range values {
		list[i] = contacts[found[value]]
	}
	return list, err
}

func numbersOf(found map[string]int64) (all []int64) {
	for _, seq := range found {
		all = append(all, seq)
	}
	return all
}

// many does a batch of writes: plan says of each input what is to become of it.
func (c *call) many(ctx context.Context, in batch, status, partly int, plan func(l *ledger) ([]outcome, error)) (reply, error) {
	var rep reply
	err := c.s.core.Tx(ctx, func(q querier) error {
		l, err := c.newLedger(ctx, q)
		if err != nil {
			return err
		}
		outs, err := plan(l)
		if err != nil {
			return err
		}
		if err := l.keep(ctx, done(outs)); err != nil {
			return err
		}
		var results []map[string]any
		for _, o := range outs {
			if o.rec != nil {
				results = append(results, c.result(l, o))
			}
		}
		rep = c.batchAnswer(status, partly, results, failures(outs))
		return nil
	})
	return rep, err
}

// result is a contact that was written as a batch tells it.
func (c *call) result(l *ledger, o outcome) map[string]any {
	v := c.whole(l.schema, o.rec)
	if o.input.Trace != "" {
		v["objectWriteTraceId"] = o.input.Trace
	}
	if o.tellNew {
		v["new"] = o.rec.isNew
	}
	return v
}

// done are the contacts that were written, each once.
func done(outs []outcome) (list []*contact) {
	for _, o := range outs {
		if o.rec != nil && !slices.Contains(list, o.rec) {
			list = append(list, o.rec)
		}
	}
	return list
}

// failures are the errors of a batch of writes. Contacts that weren't found are one error.
func failures(outs []outcome) (errs []map[string]any) {
	var lost, traces []string
	for _, o := range outs {
		switch {
		case o.no == nil:
		case o.no.Category == "OBJECT_NOT_FOUND":
			lost = append(lost, o.input.ID)
			if o.input.Trace != "" {
				traces = append(traces, o.input.Trace)
			}
		default:
			errs = append(errs, o.no.traced(o.input.Trace).member())
		}
	}
	if len(lost) > 0 {
		e := missing(lost)
		if len(traces) > 0 {
			e.Context["objectWriteTraceId"] = traces
		}
		errs = append(errs, e.member())
	}
	return errs
}

// cleaned are the values of a batch's inputs, and of each bad one why it is refused.
func (c *call) cleaned(all *schema, inputs []input) ([]map[string]string, []*apiError) {
	props, no := make([]map[string]string, len(inputs)), make([]*apiError, len(inputs))
	for i, one := range inputs {
		props[i], no[i] = c.set().clean(c.who.org, all, one.Properties)
	}
	return props, no
}

// refused returns the first reason for which a batch as a whole is refused: any, unless
// it is partial.
func refused(outs []outcome, partial bool) error {
	for _, o := range outs {
		if o.no != nil && !partial && o.no.Category != "OBJECT_NOT_FOUND" {
			return o.no
		}
	}
	return nil
}

// batchCreate handles POST …/batch/create.
func (c *call) batchCreate(ctx context.Context) (reply, error) {
	in, err := c.batch()
	if err != nil {
		return reply{}, err
	}
	if len(in.Inputs) == 0 {
		return c.batchAnswer(http.StatusOK, http.StatusOK, nil, nil), nil
	}
	return c.many(ctx, in, http.StatusCreated, http.StatusMultiStatus, func(l *ledger) ([]outcome, error) {
		props, no := c.cleaned(l.schema, in.Inputs)
		var emails []string
		for _, p := range props {
			if p["email"] != "" {
				emails = append(emails, p["email"])
			}
		}
		if twice := repeated(emails); len(twice) > 0 {
			return nil, duplicates(twice)
		}
		if err := l.learn(ctx, props); err != nil {
			return nil, err
		}
		outs := make([]outcome, len(in.Inputs))
		for i, one := range in.Inputs {
			outs[i] = outcome{input: input{Trace: one.Trace}, no: no[i]}
			if no[i] == nil {
				outs[i].rec, outs[i].no = l.create(props[i])
			}
		}
		return outs, refused(outs, c.partial(in.Inputs))
	})
}

// batchUpdate handles POST …/batch/update.
func (c *call) batchUpdate(ctx context.Context) (reply, error) {
	in, err := c.batch()
	if err != nil {
		return reply{}, err
	}
	return c.many(ctx, in, http.StatusOK, http.StatusMultiStatus, func(l *ledger) ([]outcome, error) {
		for _, one := range in.Inputs {
			if one.IDProperty == "email" {
				return nil, invalid("Unable to perform update/upsert by non-unique 0-1 property email")
			}
		}
		outs, err := c.byInput(ctx, l, in.Inputs)
		if err != nil {
			return nil, err
		}
		props, no := c.cleaned(l.schema, in.Inputs)
		if err := l.learn(ctx, props); err != nil {
			return nil, err
		}
		for i := range outs {
			o := &outs[i]
			switch {
			case o.rec != nil && o.rec.mergedInto != 0:
				o.rec = nil // neither done nor refused
			case !o.rec.usable():
				o.rec, o.no = nil, notFound(o.input.ID)
			case no[i] != nil:
				o.rec, o.no = nil, no[i]
			default:
				if o.no = l.assign(o.rec, props[i]); o.no != nil {
					o.rec = nil
				}
			}
		}
		return outs, refused(outs, c.partial(in.Inputs))
	})
}

// byInput finds the contact of each input, by the key that it names.
func (c *call) byInput(ctx context.Context, l *ledger, inputs []input) ([]outcome, error) {
	outs := make([]outcome, len(inputs))
	values := map[string][]string{} // by the name of the key
	for i, one := range inputs {
		key, err := l.schema.keyProperty(one.IDProperty)
		if err != nil {
			return nil, err
		}
		outs[i].input = one
		outs[i].input.ID = keyValue(key, one.ID)
		values[one.IDProperty] = append(values[one.IDProperty], outs[i].input.ID)
	}
	for name, all := range values {
		if twice := repeated(all); len(twice) > 0 {
			return nil, duplicates(twice)
		}
		key, err := l.schema.keyProperty(name)
		if err != nil {
			return nil, err
		}
		contacts, err := l.holding(ctx, key, all)
		if err != nil {
			return nil, err
		}
		for i := range outs {
			if outs[i].input.IDProperty == name {
				outs[i].rec, contacts = contacts[0], contacts[1:]
			}
		}
	}
	return outs, nil
}

// batchUpsert handles POST …/batch/upsert.
func (c *call) batchUpsert(ctx context.Context) (reply, error) {
	in, err := c.batch()
	if err != nil {
		return reply{}, err
	}
	return c.many(ctx, in, http.StatusOK, c.upsertStatus(), func(l *ledger) ([]outcome, error) {
		outs, err := c.byInput(ctx, l, in.Inputs)
		if err != nil {
			return nil, err
		}
		props, no := c.cleaned(l.schema, in.Inputs)
		for i := range outs {
			if no[i] == nil {
				no[i] = c.addKey(l.schema, outs[i], props[i])
			}
		}
		if err := l.learn(ctx, props); err != nil {
			return nil, err
		}
		for i := range outs {
			outs[i].tellNew = true
			l.upsert(&outs[i], props[i], no[i])
		}
		partial := c.partial(in.Inputs)
		for _, o := range outs {
			if o.no != nil && o.no.Category == "CONFLICT" && c.set().UpsertConflictAll {
				partial = false
			}
		}
		return outs, refused(outs, partial)
	})
}

// addKey puts the key of an upsert that makes a contact among its values.
func (c *call) addKey(all *schema, o outcome, props map[string]string) *apiError {
	name := o.input.IDProperty
	if o.rec != nil || name == "" || name == "hs_object_id" || props[name] != "" {
		return nil
	}
	key, no := c.set().clean(c.who.org, all, map[string]any{name: o.input.ID})
	if no == nil {
		props[name] = key[name]
	}
	return no
}

// upsert changes the contact of an input, or makes one.
func (l *ledger) upsert(o *outcome, props map[string]string, no *apiError) {
	known := o.input.IDProperty != "" && o.input.IDProperty != "hs_object_id"
	switch {
	case no != nil:
		o.rec, o.no = nil, no
	case o.rec == nil && known:
		o.rec, o.no = l.create(props)
	case !o.rec.usable() && known:
		o.no, o.rec = conflict(o.rec.ID(), l.c.set().ConflictIDs), nil
	case !o.rec.usable():
		o.rec, o.no = nil, notFound(o.input.ID)
	default:
		if o.no = l.assign(o.rec, props); o.no != nil {
			o.rec = nil
		}
	}
}

// upsertStatus is what an upsert answers that was done in part: the newest version says it
// with the status of success.
func (c *call) upsertStatus() int {
	switch style := c.set().UpsertStatus; {
	case style == "207", style == "version" && c.version != "2026-09":
		return http.StatusMultiStatus
	}
	return http.StatusOK
}

// batchArchive handles POST …/batch/archive. Ids that are not there are passed over.
func (c *call) batchArchive(ctx context.Context) (reply, error) {
	in, err := c.batch()
	if err != nil {
		return reply{}, err
	}
	return reply{status: http.StatusNoContent}, c.s.core.Tx(ctx, func(q querier) error {
		l, err := c.newLedger(ctx, q)
		if err != nil {
			return err
		}
		for i := range in.Inputs {
			in.Inputs[i].IDProperty = ""
		}
		outs, err := c.byInput(ctx, l, in.Inputs)
		if err != nil {
			return err
		}
		for i := range outs {
			if r := outs[i].rec; r.usable() {
				r.archived = true
			} else {
				outs[i].rec = nil
			}
		}
		return l.keep(ctx, done(outs))
	})
}
