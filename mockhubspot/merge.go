package mockhubspot

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// merge handles POST …/merge. A new id results, unless the settings keep the primary's;
// the addresses of the loser become additional ones.
func (c *call) merge(ctx context.Context) (reply, error) {
	var in struct {
		Primary string `json:"primaryObjectId"`
		Other   string `json:"objectIdToMerge"`
	}
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	if in.Primary == in.Other {
		return reply{}, invalid("A contact can't be merged with itself")
	}
	var rep reply
	err := c.s.core.Tx(ctx, func(q querier) error {
		l, err := c.newLedger(ctx, q)
		if err != nil {
			return err
		}
		found, err := bySeq(ctx, q, c.who.org, []int64{seqOf(in.Primary), seqOf(in.Other)})
		if err != nil {
			return err
		}
		first, second := found[seqOf(in.Primary)], found[seqOf(in.Other)]
		for id, r := range map[string]*contact{in.Primary: first, in.Other: second} {
			if !r.usable() {
				return notFound(id)
			}
		}
		one, all := l.merged(first, second)
		rep = reply{http.StatusOK, c.whole(l.schema, one)}
		return l.keep(ctx, all)
	})
	return rep, err
}

// merged is what two contacts make, with all contacts that are to be kept for it.
func (l *ledger) merged(first, second *contact) (one *contact, all []*contact) {
	one, all = first, []*contact{second, first}
	if !l.c.set().MergeKeepsPrimary {
		l.last++
		one = &contact{seq: l.last, org: first.org, props: map[string]string{}, created: first.created, modified: l.c.s.core.Now(), isNew: true}
		all = []*contact{second, first, one}
		first.mergedInto = one.seq
	}
	second.mergedInto = one.seq
	props := maps.Clone(second.props)
	maps.Copy(props, first.props)
	others := slices.DeleteFunc(slices.Concat(first.addresses(), second.addresses()), func(a string) bool { return a == props["email"] })
	one.merged = strings.Join(slices.DeleteFunc([]string{first.merged, second.merged, first.ID(), second.ID()},
		func(id string) bool { return id == "" || id == one.ID() }), ";")
	one.props, one.others = props, others
	return one, all
}

// erase handles POST …/gdpr-delete: the contact goes for good, and its addresses can't be
// added again. An address that is unknown is blocked as well.
func (c *call) erase(ctx context.Context) (reply, error) {
	var in struct {
		ID         string `json:"objectId"`
		IDProperty string `json:"idProperty"`
	}
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	return reply{status: http.StatusNoContent}, c.s.core.Tx(ctx, func(q querier) error {
		l, err := c.newLedger(ctx, q)
		if err != nil {
			return err
		}
		r, err := l.named(ctx, in.ID, in.IDProperty)
		if err != nil {
			return err
		}
		if r == nil && in.IDProperty != "email" {
			return notFound(in.ID)
		}
		var addresses []string
		if in.IDProperty == "email" {
			addresses = []string{strings.ToLower(strings.TrimSpace(in.ID))}
		}
		if r != nil {
			addresses = append(addresses, r.addresses()...)
			if err := forget(ctx, q, r.seq); err != nil {
				return err
			}
		}
		_, err = q.ExecContext(ctx, `INSERT INTO blocked (org, email) SELECT $1, value FROM json_each($2) WHERE true ON CONFLICT DO NOTHING`, c.who.org, asJSON(addresses))
		return err
	})
}

// forget removes a contact, and those that were merged into it.
func forget(ctx context.Context, q querier, seq int64) error {
	for _, statement := range []string{`DELETE FROM addresses WHERE seq = $1`, `DELETE FROM uniques WHERE seq = $1`,
		`DELETE FROM contacts WHERE seq = $1 OR merged_into = $1`} {
		if _, err := q.ExecContext(ctx, statement, seq); err != nil {
			return err
		}
	}
	return nil
}
