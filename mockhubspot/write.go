package mockhubspot

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"

	"gatepost/simulated"
)

// ledger is what a call must know of an account to write contacts: its properties, and who
// has what only one contact may have.
type ledger struct {
	c         *call
	q         querier
	schema    *schema
	uniques   []string
	addresses map[string]int64            // of those that the call writes
	values    map[string]map[string]int64 // likewise of unique values, by property
	blocked   map[string]bool
	last      int64 // number of a contact that was given out
}

// newLedger reads what the call must know to write some properties.
func (c *call) newLedger(ctx context.Context, q querier) (*ledger, error) {
	l := &ledger{c: c, q: q, addresses: map[string]int64{}, values: map[string]map[string]int64{}, blocked: map[string]bool{}}
	var err error
	if l.schema, err = c.s.schema(ctx, q, c.who.org); err != nil {
		return nil, err
	}
	l.uniques = l.schema.uniques()
	err = q.QueryRowContext(ctx, `SELECT seq FROM sqlite_sequence WHERE name = 'contacts'`).Scan(&l.last)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return l, err
}

// learn reads who has the unique values that are about to be written.
func (l *ledger) learn(ctx context.Context, all []map[string]string) error {
	org := l.c.who.org
	for _, name := range append([]string{"email"}, l.uniques...) {
		var values []string
		for _, props := range all {
			if v := props[name]; v != "" {
				values = append(values, v)
			}
		}
		if len(values) == 0 {
			continue
		}
		has, err := byKey(ctx, l.q, org, l.schema.property(name), values)
		if err != nil {
			return err
		}
		if name != "email" {
			l.values[name] = has
			continue
		}
		l.addresses = has
		if err := l.learnBlocked(ctx, values); err != nil {
			return err
		}
	}
	return nil
}

// learnBlocked reads which addresses were erased for good.
func (l *ledger) learnBlocked(ctx context.Context, emails []string) error {
	return simulated.Rows(ctx, l.q, func(rs *sql.Rows) error {
		var email string
		err := rs.Scan(&email)
		l.blocked[email] = true
		return err
	}, `SELECT email FROM blocked WHERE org = $1 AND email IN (SELECT value FROM json_each($2))`, l.c.who.org, asJSON(emails))
}

// create makes a contact, or says why it can't be.
func (l *ledger) create(props map[string]string) (*contact, *apiError) {
	if props["email"] == "" && props["firstname"] == "" && props["lastname"] == "" {
		return nil, invalid("At least one of these properties must be set: email, firstname, lastname")
	}
	if l.blocked[props["email"]] && l.c.set().BlockErased {
		return nil, badValues(l.c.who.org, []problem{{Name: "email", Code: "EMAIL_BLOCKLISTED",
			Message: "Email address " + props["email"] + " was permanently deleted and can't be added again"}})
	}
	at := l.c.s.core.Now()
	r := &contact{seq: l.last + 1, org: l.c.who.org, created: at, modified: at, isNew: true,
		props: map[string]string{"lifecyclestage": "lead", "hs_object_source": "INTEGRATION", "hs_marketable_status": "false"}}
	if err := l.assign(r, props); err != nil {
		return nil, err
	}
	l.last++
	return r, nil
}

// assign gives a contact new values, or says why they are refused: then it is as before.
func (l *ledger) assign(r *contact, props map[string]string) *apiError {
	if err := l.fault(); err != nil {
		return err
	}
	if other, ok := l.addresses[props["email"]]; ok && other != r.seq && props["email"] != "" {
		return conflict(idOf(other), l.c.set().ConflictIDs)
	}
	for _, name := range l.uniques {
		if other, ok := l.values[name][props[name]]; ok && other != r.seq && props[name] != "" {
			return badValues(r.org, []problem{{Name: name, Code: "CONFLICTING_UNIQUE_VALUE",
				Message: "Cannot set " + name + " to " + props[name] + " on " + r.ID() + ". " + idOf(other) + " already has that value."}})
		}
	}
	for name, value := range props {
		l.put(r, name, value)
	}
	return nil
}

// put gives a contact one value, and takes for it what only one may have.
func (l *ledger) put(r *contact, name, value string) {
	switch {
	case name == "email":
		delete(l.addresses, r.props[name])
		if value != "" {
			l.addresses[value] = r.seq
			r.others = slices.DeleteFunc(r.others, func(a string) bool { return a == value })
		}
	case name == "lifecyclestage" && value != "" && slices.Index(stages, value) < slices.Index(stages, r.props[name]):
		return // it only moves forward
	case l.values[name] != nil:
		delete(l.values[name], r.props[name])
		if value != "" {
			l.values[name][value] = r.seq
		}
	}
	if value == "" {
		delete(r.props, name)
		return
	}
	r.props[name] = value
}

// fault is the refusal that a test wants for one record, if it wants one now. What a person
// does in the account is not refused.
func (l *ledger) fault() *apiError {
	if l.c.who.client == "" {
		return nil
	}
	f := l.c.s.core.Faults.Take(simulated.Record, l.c.who.org)
	if f == nil {
		return nil
	}
	f.Status = cmp.Or(f.Status, 400)
	return faultError(*f, cmp.Or(f.Message, "The record was refused."))
}

// keep writes what became of contacts: changes first, which may free what a new one takes.
func (l *ledger) keep(ctx context.Context, all []*contact) error {
	var fresh []*contact
	for _, r := range all {
		if r.isNew {
			fresh = append(fresh, r)
			continue
		}
		if err := l.c.s.save(ctx, l.q, r); err != nil {
			return err
		}
	}
	if err := l.c.s.insert(ctx, l.q, l.c.who.org, fresh); err != nil {
		return err
	}
	for _, r := range all {
		if err := saveUniques(ctx, l.q, r, l.uniques); err != nil {
			return err
		}
	}
	return nil
}

// named returns the contact that a call about one names, by id or by another key, or nil.
func (l *ledger) named(ctx context.Context, id, keyName string) (*contact, error) {
	key, err := l.schema.keyProperty(keyName)
	if err != nil {
		return nil, err
	}
	list, err := l.holding(ctx, key, []string{keyValue(key, id)})
	if err != nil {
		return nil, err
	}
	return winner(ctx, l.q, list[0])
}

// splitNames reads the properties that a query asks for, which may be given in one
// parameter or in several.
func splitNames(lists []string) []string {
	var names []string
	for _, list := range lists {
		for name := range strings.SplitSeq(list, ",") {
			if name = strings.TrimSpace(name); name != "" {
				names = append(names, name)
			}
		}
	}
	return names
}
