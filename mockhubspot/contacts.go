package mockhubspot

import (
	"context"
	"database/sql"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"gatepost/simulated"
)

// idBase makes ids as long as real ones, which don't fit into 32 bits.
const idBase = 171_591_000_000

// contact is one stored contact.
type contact struct {
	seq               int64
	org               string
	props             map[string]string // what was written
	others            []string          // additional addresses
	created, modified int64
	archived          bool
	hidden            bool   // from whoever connected the app
	mergedInto        int64  // the seq of the contact that it became a part of
	merged            string // ids of those that became a part of it, with semicolons

	isNew bool // made in this call
}

func idOf(seq int64) string { return strconv.FormatInt(idBase+seq, 10) }

// seqOf is the number inside an id, which for what is none is one that no contact has.
func seqOf(id string) int64 {
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		return 0
	}
	return max(0, n-idBase)
}

// ID is the contact's id.
func (r *contact) ID() string { return idOf(r.seq) }

// addresses are all by which the contact is found.
func (r *contact) addresses() []string {
	if email := r.props["email"]; email != "" {
		return append([]string{email}, r.others...)
	}
	return r.others
}

// usable reports whether the API finds the contact.
func (r *contact) usable() bool { return r != nil && !r.archived && !r.hidden && r.mergedInto == 0 }

// value returns what a property holds, "" when it is empty.
func (r *contact) value(name string) string {
	if v := r.props[name]; v != "" {
		return v
	}
	switch name {
	case "hs_object_id", "hs_all_contact_vids":
		return r.ID()
	case "createdate":
		return formatTime(r.created)
	case "lastmodifieddate":
		return formatTime(r.modified)
	case "hs_additional_emails":
		return strings.Join(r.others, ";")
	case "hs_merged_object_ids":
		return r.merged
	case "hs_email_domain":
		if email := r.props["email"]; email != "" {
			return domainOf(email)
		}
	case "hs_full_name_or_email":
		if name := r.name(); name != "" {
			return name
		}
		return r.props["email"]
	case "hs_is_contact", "hs_is_unworked":
		return "true"
	}
	return ""
}

func (r *contact) name() string {
	return strings.TrimSpace(r.props["firstname"] + " " + r.props["lastname"])
}

// defaultProperties are those that are told when none are asked for.
var defaultProperties = []string{"createdate", "email", "firstname", "hs_object_id", "lastmodifieddate", "lastname"}

// alwaysTold are told whatever is asked for.
var alwaysTold = []string{"createdate", "hs_object_id", "lastmodifieddate"}

// view is the contact as the API tells it, with the properties that are asked for: empty
// ones are null, and those that aren't defined are left out.
func (c *call) view(all *schema, r *contact, names []string) map[string]any {
	if len(names) == 0 {
		names = defaultProperties
	}
	props := map[string]any{}
	for _, name := range slices.Concat(names, alwaysTold) {
		if all.property(name) != nil {
			props[name] = nilIfEmpty(r.value(name))
		}
	}
	return c.record(r, props)
}

// whole is the contact with all that it holds, as it is told to whoever wrote it.
func (c *call) whole(all *schema, r *contact) map[string]any {
	props := map[string]any{}
	for _, p := range all.list {
		if value := r.value(p.Name); value != "" && !p.archived {
			props[p.Name] = value
		}
	}
	return c.record(r, props)
}

func (c *call) record(r *contact, props map[string]any) map[string]any {
	return map[string]any{"id": r.ID(), "properties": props, "createdAt": formatTime(r.created), "updatedAt": formatTime(r.modified),
		"archived": r.archived, "url": c.recordURL(r.ID())}
}

func nilIfEmpty(s string) any {
	if s == "" {
		return nil
	}
	return s
}

const contactColumns = `seq, org, props, others, created, modified, archived, hidden, merged_into, merged`

// find returns the contacts of an account that meet a condition.
func find(ctx context.Context, q querier, org, condition string, args ...any) ([]*contact, error) {
	return load(ctx, q, `org = $1 AND `+condition, append([]any{org}, args...)...)
}

// load returns the contacts that meet a condition.
func load(ctx context.Context, q querier, condition string, args ...any) (list []*contact, err error) {
	err = simulated.Rows(ctx, q, func(rs *sql.Rows) error {
		r := &contact{}
		var props []byte
		var others string
		if err := rs.Scan(&r.seq, &r.org, &props, &others, &r.created, &r.modified, &r.archived, &r.hidden, &r.mergedInto, &r.merged); err != nil {
			return err
		}
		r.others = splitList(others)
		list = append(list, r)
		return json.Unmarshal(props, &r.props)
	}, `SELECT `+contactColumns+` FROM contacts WHERE `+condition, args...)
	return list, err
}

func splitList(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, ";")
}

// asJSON writes a list for json_each.
func asJSON(v any) string {
	text, _ := json.Marshal(v) // lists of strings and numbers always can be written
	return string(text)
}

// bySeq returns contacts by their number, whatever became of them.
func bySeq(ctx context.Context, q querier, org string, seqs []int64) (map[int64]*contact, error) {
	// The + keeps SQLite from walking through the whole account.
	list, err := load(ctx, q, `+org = $1 AND seq IN (SELECT value FROM json_each($2))`, org, asJSON(seqs))
	found := make(map[int64]*contact, len(list))
	for _, r := range list {
		found[r.seq] = r
	}
	return found, err
}

// byKey returns which contacts have one of some values of a property with unique values:
// their numbers, by value. Without a property the values are ids.
func byKey(ctx context.Context, q querier, org string, key *property, values []string) (map[string]int64, error) {
	found := make(map[string]int64, len(values))
	if key == nil {
		for _, id := range values {
			found[id] = seqOf(id)
		}
		return found, nil
	}
	query, args := `SELECT email, seq FROM addresses WHERE org = $1 AND email IN (SELECT value FROM json_each($2))`, []any{org, asJSON(values)}
	if key.Name != "email" {
		query, args = `SELECT value, seq FROM uniques WHERE org = $1 AND value IN (SELECT value FROM json_each($2)) AND property = $3`, append(args, key.Name)
	}
	err := simulated.Rows(ctx, q, func(rs *sql.Rows) error {
		var value string
		var seq int64
		err := rs.Scan(&value, &seq)
		found[value] = seq
		return err
	}, query, args...)
	return found, err
}

// keyValue is the form in which a value of a key property is kept.
func keyValue(key *property, value string) string {
	if key != nil && key.Name == "email" {
		return strings.ToLower(strings.TrimSpace(value))
	}
	return value
}

// winner follows a contact that was merged to the one that it is a part of now.
func winner(ctx context.Context, q querier, r *contact) (*contact, error) {
	for r != nil && r.mergedInto != 0 {
		found, err := bySeq(ctx, q, r.org, []int64{r.mergedInto})
		if err != nil {
			return nil, err
		}
		r = found[r.mergedInto]
	}
	return r, nil
}

// insert keeps new contacts, which have their numbers already.
func (s *Server) insert(ctx context.Context, q querier, org string, all []*contact) error {
	if len(all) == 0 {
		return nil
	}
	var rows, addresses [][]any
	for _, r := range all {
		rows = append(rows, []any{r.seq, nilIfEmpty(r.props["email"]), asJSON(r.props), strings.Join(r.others, ";"), r.merged, r.hidden})
		for _, a := range r.addresses() {
			addresses = append(addresses, []any{a, r.seq})
		}
	}
	due := s.core.Now() + int64(s.set(org).SearchLagMS)
	if _, err := q.ExecContext(ctx, `INSERT INTO contacts (seq, org, email, props, others, merged, hidden, created, modified, due)
		SELECT value ->> 0, $1, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, $3, $4, $5 FROM json_each($2)`,
		org, asJSON(rows), all[0].created, all[0].modified, due); err != nil {
		return err
	}
	return putAddresses(ctx, q, org, addresses)
}

func putAddresses(ctx context.Context, q querier, org string, pairs [][]any) error {
	if len(pairs) == 0 {
		return nil
	}
	_, err := q.ExecContext(ctx, `INSERT INTO addresses (org, email, seq) SELECT $1, value ->> 0, value ->> 1 FROM json_each($2)`, org, asJSON(pairs))
	return err
}

// save keeps a changed contact. Search goes on seeing what it saw for a while.
func (s *Server) save(ctx context.Context, q querier, r *contact) error {
	now := s.core.Now()
	r.modified = max(now, r.modified+1)
	if _, err := q.ExecContext(ctx, `UPDATE contacts SET shown = CASE WHEN due <= $1 THEN props ELSE shown END, due = $2,
		email = $3, props = $4, others = $5, modified = $6, archived = $7, merged_into = $8, merged = $9, hidden = $10 WHERE seq = $11`,
		now, now+int64(s.set(r.org).SearchLagMS), nilIfEmpty(r.props["email"]), asJSON(r.props), strings.Join(r.others, ";"),
		r.modified, r.archived, r.mergedInto, r.merged, r.hidden, r.seq); err != nil {
		return err
	}
	if _, err := q.ExecContext(ctx, `DELETE FROM addresses WHERE seq = $1`, r.seq); err != nil {
		return err
	}
	if r.archived || r.mergedInto != 0 {
		return nil
	}
	var pairs [][]any
	for _, a := range r.addresses() {
		pairs = append(pairs, []any{a, r.seq})
	}
	return putAddresses(ctx, q, r.org, pairs)
}

// saveUniques keeps which unique values a contact has.
func saveUniques(ctx context.Context, q querier, r *contact, names []string) error {
	if len(names) == 0 {
		return nil
	}
	if _, err := q.ExecContext(ctx, `DELETE FROM uniques WHERE seq = $1`, r.seq); err != nil {
		return err
	}
	if r.archived || r.mergedInto != 0 {
		return nil
	}
	for _, name := range names {
		if value := r.props[name]; value != "" {
			if _, err := q.ExecContext(ctx, `INSERT INTO uniques (org, property, value, seq) VALUES ($1, $2, $3, $4)`, r.org, name, value, r.seq); err != nil {
				return err
			}
		}
	}
	return nil
}
