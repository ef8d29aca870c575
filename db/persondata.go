package db

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Where a person's data is stands in three tables of this file, and nowhere else: what of
// theirs has rows of its own (personTables), where others' rows may mention their address
// (mentionColumns), and what is kept of somebody who was erased (erasedKeeps). The export and
// the erasing go by them. A test walks the schema: a column that can hold a text is in one of
// them, or among those that noPersonsData gives a reason for.

// PersonTable is a table whose rows are a person's. They are exported as it says, and deleted
// with the subscriber's row, by the foreign key.
type PersonTable struct {
	Name    string // of the table
	Key     string // names its rows in the export
	Title   string // stands above its rows on a page
	of      string // the condition that finds the rows, x, of the tenant $1 and the subscriber $2
	order   string
	Columns []PersonColumn
}

// PersonColumn is a column of a PersonTable.
type PersonColumn struct {
	Name   string
	Label  string    // what the value is called on a page
	As     ValueKind // how the value is shown
	Untold string    // why it is not in the export; it is when this is empty
	from   string    // SQL that reads what is exported, where it isn't the column's value
}

// ValueKind is what a value of an export is.
type ValueKind string

// The kinds of values.
const (
	TextValue   ValueKind = ""       // a string
	MomentValue ValueKind = "moment" // a time.Time, nil for never
	FlagValue   ValueKind = "flag"   // a bool
	NumberValue ValueKind = "number" // an int64
	JSONValue   ValueKind = "json"   // a json.RawMessage, nil for nothing
	FieldsValue ValueKind = "fields" // a forms.Values as JSON: what stands in the fields of the newsletter's form, by their ids
)

// Why a column of a person's row is not exported.
const (
	anID    = "an id of Gatepost's own, which says nothing about the person"
	another = "the name of a member of the team, who is somebody else"
	derived = "made of other columns, which are exported"
	inner   = "how far Gatepost is with its work, which says nothing about the person"
)

const (
	consentWords     = `COALESCE((SELECT w.text FROM wordings w WHERE w.id = x.wording_id), '')`
	nameOfNewsletter = `COALESCE((SELECT n.name FROM newsletters n WHERE n.id = x.newsletter_id), '')`
	serviceOfCRM     = `COALESCE((SELECT t.service FROM destinations t WHERE t.id = x.destination_id), '')`
	ofSubscriber     = `x.tenant_id = $1 AND x.subscriber_id = $2`
)

// personTables are the tables with rows of a person, the subscriber's own first.
var personTables = []PersonTable{
	{Name: "subscribers", Key: "subscription", Title: "Subscription", of: `x.tenant_id = $1 AND x.id = $2`, order: "x.id", Columns: []PersonColumn{
		{Name: "tenant_id", Untold: anID}, {Name: "id", Untold: anID},
		{Name: "newsletter_id", Label: "Newsletter", from: nameOfNewsletter},
		{Name: "email", Label: "E-mail address"}, {Name: "email_key", Untold: derived},
		{Name: "first_name", Label: "First name"}, {Name: "last_name", Label: "Last name"},
		{Name: "fields", Label: "Other fields", As: FieldsValue},
		{Name: "state", Label: "State"},
		{Name: "created_at", Label: "Signed up", As: MomentValue}, {Name: "source", Label: "Signed up by"},
		{Name: "wording_id", Label: "Agreed to", from: consentWords}, {Name: "form_version", Label: "Version of the form", As: NumberValue},
		{Name: "page", Label: "On the page"}, {Name: "confirmed_at", Label: "Confirmed", As: MomentValue},
		{Name: "left_at", Label: "Left", As: MomentValue}, {Name: "left_how", Label: "Left by"}, {Name: "left_why", Label: "Reason for leaving"}, {Name: "left_all", Label: "Left all newsletters", As: FlagValue},
		{Name: "repeated_at", Label: "Last signed up again", As: MomentValue}, {Name: "edited_at", Label: "Last edited by the team", As: MomentValue},
		{Name: "changed_at", Untold: inner}, {Name: "revision", Untold: inner},
	}},
	{Name: "consent_addresses", Key: "addresses", Title: "Where they signed up from", of: ofSubscriber, order: "x.at", Columns: []PersonColumn{
		{Name: "tenant_id", Untold: anID}, {Name: "subscriber_id", Untold: anID},
		{Name: "at", Label: "When", As: MomentValue}, {Name: "ip", Label: "IP address"}, {Name: "user_agent", Label: "Browser"},
	}},
	{Name: "consents", Key: "consents", Title: "Further sign-ups and consents", of: ofSubscriber, order: "x.id", Columns: []PersonColumn{
		{Name: "tenant_id", Untold: anID}, {Name: "subscriber_id", Untold: anID}, {Name: "id", Untold: anID},
		{Name: "at", Label: "When", As: MomentValue}, {Name: "source", Label: "By"},
		{Name: "wording_id", Label: "Agreed to", from: consentWords}, {Name: "form_version", Label: "Version of the form", As: NumberValue},
		{Name: "act", Label: "What happened"}, {Name: "how", Label: "How"}, {Name: "page", Label: "On the page"},
		{Name: "replaced", Label: "Fields before", As: FieldsValue},
	}},
	{Name: "edits", Key: "edits", Title: "Edited by the team", of: ofSubscriber, order: "x.id", Columns: []PersonColumn{
		{Name: "tenant_id", Untold: anID}, {Name: "subscriber_id", Untold: anID}, {Name: "id", Untold: anID},
		{Name: "at", Label: "When", As: MomentValue}, {Name: "actor", Untold: another}, {Name: "changes", Label: "Changes", As: JSONValue},
	}},
	{Name: "deliveries", Key: "crms", Title: "In CRMs", of: ofSubscriber, order: "x.destination_id", Columns: []PersonColumn{
		{Name: "tenant_id", Untold: anID}, {Name: "subscriber_id", Untold: anID},
		{Name: "destination_id", Label: "CRM", from: serviceOfCRM},
		{Name: "state", Label: "State"}, {Name: "reason", Label: "Reason"}, {Name: "detail", Label: "What the CRM said"},
		{Name: "delivered_at", Label: "Last delivered", As: MomentValue}, {Name: "record_id", Label: "Record in the CRM"},
		{Name: "org_id", Label: "Organisation in the CRM"}, {Name: "instance_url", Label: "Address of the CRM"},
		{Name: "match_id", Label: "Another record in the way"}, {Name: "made_id", Label: "Record that Gatepost made"},
		{Name: "opted_out", Label: "Opted out of e-mail in the CRM"}, {Name: "opted_out_at", Label: "Known since", As: MomentValue},
		{Name: "placeholders", Label: "Placeholders", As: JSONValue}, {Name: "written", Label: "Written into the CRM's fields", As: JSONValue},
		{Name: "attempts", Untold: inner}, {Name: "refusals", Untold: inner}, {Name: "due_at", Untold: inner}, {Name: "sent_at", Untold: inner},
		{Name: "settles_at", Untold: inner}, {Name: "again_at", Untold: inner}, {Name: "waits_since", Untold: inner}, {Name: "revision", Untold: inner},
	}},
	{Name: "events", Key: "timeline", Title: "Timeline", of: ofSubscriber, order: "x.id", Columns: []PersonColumn{
		{Name: "tenant_id", Untold: anID}, {Name: "subscriber_id", Untold: anID}, {Name: "id", Untold: anID},
		{Name: "at", Label: "When", As: MomentValue}, {Name: "destination_id", Label: "CRM", from: serviceOfCRM},
		{Name: "state", Label: "Became"}, {Name: "reason", Label: "Reason"}, {Name: "detail", Label: "Note, or what the CRM said"}, {Name: "actor", Untold: another},
	}},
	{Name: "holds", Key: "holds", Title: "Sign-ups that were held", of: ofSubscriber, order: "x.id", Columns: []PersonColumn{
		{Name: "tenant_id", Untold: anID}, {Name: "id", Untold: anID}, {Name: "subscriber_id", Untold: anID}, {Name: "newsletter_id", Untold: anID},
		{Name: "at", Label: "When", As: MomentValue}, {Name: "n", Label: "Sign-ups", As: NumberValue}, {Name: "reasons", Label: "Why"},
		{Name: "sign_up", Label: "What was sent", As: JSONValue}, {Name: "wording_id", Label: "Agreed to", from: consentWords}, {Name: "network", Label: "Keyed digest of the network"},
		{Name: "decided_at", Label: "Decided", As: MomentValue}, {Name: "decision", Label: "Decision"}, {Name: "decided_by", Untold: another},
	}},
	{Name: "reader_mails", Key: "mails", Title: "Mails to them", of: ofSubscriber, order: "x.id", Columns: []PersonColumn{
		{Name: "tenant_id", Untold: anID}, {Name: "id", Untold: anID}, {Name: "subscriber_id", Untold: anID},
		{Name: "created_at", Label: "Queued", As: MomentValue}, {Name: "kind", Label: "Kind"}, {Name: "state", Label: "State"}, {Name: "ended_at", Label: "Sent, or given up", As: MomentValue},
		{Name: "code", Label: "Answer of the mail server", As: NumberValue}, {Name: "detail", Label: "What the mail server said"},
		{Name: "due_at", Untold: inner}, {Name: "slot_at", Untold: inner}, {Name: "lease_until", Untold: inner}, {Name: "attempts", Untold: inner},
	}},
	{Name: "confirmations", Key: "confirmations", Title: "Links to confirm", of: ofSubscriber, order: "x.made_at, x.token_hash", Columns: []PersonColumn{
		{Name: "token_hash", Untold: "a hash of the link, which opens nothing"}, {Name: "tenant_id", Untold: anID}, {Name: "subscriber_id", Untold: anID}, {Name: "mail_id", Untold: anID},
		{Name: "made_at", Label: "Made", As: MomentValue}, {Name: "expires_at", Label: "Works until", As: MomentValue},
		{Name: "opened_at", Label: "Opened, perhaps by a program", As: MomentValue}, {Name: "pressed_at", Label: "Button pressed", As: MomentValue},
	}},
	{Name: "opt_outs", Key: "opt_outs", Title: "What leaving did in CRMs", of: ofSubscriber, order: "x.id", Columns: []PersonColumn{
		{Name: "tenant_id", Untold: anID}, {Name: "subscriber_id", Untold: anID}, {Name: "id", Untold: anID},
		{Name: "destination_id", Label: "CRM", from: serviceOfCRM}, {Name: "what", Label: "What"}, {Name: "subscription", Label: "Kind of e-mail"},
		{Name: "record_id", Label: "Record in the CRM"}, {Name: "org_id", Label: "Organisation in the CRM"},
		{Name: "asked_at", Label: "Asked", As: MomentValue}, {Name: "ended_at", Label: "Ended", As: MomentValue}, {Name: "outcome", Label: "What became of it"},
		{Name: "code", Label: "Code of the CRM"}, {Name: "detail", Label: "What the CRM said"},
		{Name: "due_at", Untold: inner}, {Name: "tries", Untold: inner}, {Name: "sent_at", Untold: inner}, {Name: "ours", Untold: inner}, {Name: "back_at", Untold: inner},
	}},
	{Name: "domain_waits", Key: "look_ups", Title: "Waits for a look-up of the domain", of: ofSubscriber, order: "x.domain", Columns: []PersonColumn{
		{Name: "tenant_id", Untold: anID}, {Name: "subscriber_id", Untold: anID}, {Name: "domain", Label: "Domain"}, {Name: "since", Label: "Since", As: MomentValue},
	}},
	{Name: "search_rows", Key: "search", Title: "What the search finds them by", of: `x.tenant_id = $1 AND x.id = $2`, order: "x.id", Columns: []PersonColumn{
		{Name: "tenant_id", Untold: anID}, {Name: "id", Untold: anID}, {Name: "position", Untold: inner}, {Name: "text", Untold: derived},
	}},
}

// PersonTables returns the tables with rows of a person, the subscriber's own first.
func PersonTables() []PersonTable { return append([]PersonTable(nil), personTables...) }

// mentionColumn is a column of rows that are not the person's, in which their address may
// stand, since somebody typed it or a CRM said it. It isn't exported: it is about the team's
// work. When somebody is erased, the address in it is replaced by erasedAddress.
type mentionColumn struct {
	table, column string
	key           []string // what finds the row within the tenant; first whose it is, where it is a subscriber's
	what          string   // how the address may get there
}

// erasedAddress stands where the address of somebody stood who was erased.
const erasedAddress = "(erased)"

var mentionColumns = []mentionColumn{
	{"events", "detail", []string{"subscriber_id", "id"}, "a CRM named it in a refusal of somebody else, or a note about them does"},
	{"deliveries", "detail", []string{"subscriber_id", "destination_id"}, "a CRM named it in a refusal of somebody else"},
	{"edits", "changes", []string{"subscriber_id", "id"}, "somebody else's address was corrected from it, or to it"},
	{"pauses", "detail", []string{"destination_id"}, "a CRM refused everybody and named one"},
	{"actions", "note", []string{"id"}, "a member of the team gave it as the reason"},
	{"actions", "error", []string{"id"}, "a CRM named it"},
	{"checkups", "checks", []string{"destination_id"}, "a CRM named it when it was checked"},
	{"opt_outs", "detail", []string{"subscriber_id", "id"}, "a CRM named it in a refusal of somebody else"},
	{"form_reports", "why", []string{"id"}, "a reader gave it when they reported a form"},
	{"sessions", "data", []string{"id"}, "a message that a member of the team is to see on their next page names it"},
}

// keptColumn is a column in which something is kept of a person who was erased.
type keptColumn struct {
	table, column string
	why           string
}

var erasedKeeps = []keptColumn{
	{"removals", "email_key", "the address of somebody whose erasing is under way; emptied when it has ended"},
	{"removals", "mac", "a keyed digest of the address, so that the erasing can be done again after an older copy of the database was restored"},
	{"removals", "why", "why somebody was erased, as a member of the team gave it; their address in it is replaced before it is stored"},
	{"suppressions", "mac", "a keyed digest of the address of somebody who left, so that no import brings them back"},
	{"suppression_lines", "email_key", "a list of addresses that are to leave has it, and couldn't be worked off without; deleted with its turn"},
	{"recipient_mails", "mac", "a keyed digest of an address that was mailed lately, for the limits on mails; deleted after a day"},
	{"removal_records", "record_id", "the receipt names the CRM's record that stayed, so that its admin finds it; Gatepost knows no more than that id"},
}

// ExportedValue is a value of a person's row. Value is as its Kind says.
type ExportedValue struct {
	Name, Label string
	Kind        ValueKind
	Value       any
}

// Empty reports whether there is nothing to show.
func (v ExportedValue) Empty() bool {
	switch value := v.Value.(type) {
	case nil:
		return true
	case string:
		return value == ""
	case json.RawMessage:
		return len(value) == 0
	}
	return false
}

// ExportedTable are a person's rows of one table, the earliest first.
type ExportedTable struct {
	Key, Title string
	Rows       [][]ExportedValue
}

// ExportedSubscription is what there is of a person on one newsletter.
type ExportedSubscription struct {
	SubscriberID, NewsletterID string
	Tables                     []ExportedTable // that have rows, the subscriber's own first
}

// PersonExport is all that a tenant has of one person.
type PersonExport struct {
	At            time.Time
	Subscriptions []ExportedSubscription // one for each newsletter, the earliest first
}

// ExportPerson reads all that the tenant has of the person with an address, on all its
// newsletters. One who is not there gives ErrNotFound.
func (d *Privacy) ExportPerson(ctx context.Context, tenantID, emailKey string) (e PersonExport, err error) {
	e.At = d.now()
	all, err := collect(ctx, d.read, func(row scanner) (s ExportedSubscription, err error) {
		return s, row.Scan(&s.SubscriberID, &s.NewsletterID)
	}, `SELECT id, newsletter_id FROM subscribers WHERE tenant_id = $1 AND email_key = $2 ORDER BY id`, tenantID, emailKey)
	if err == nil && len(all) == 0 {
		err = ErrNotFound
	}
	for _, s := range all {
		for _, table := range personTables {
			rows, err := table.export(ctx, d.read, tenantID, s.SubscriberID)
			if err != nil {
				return e, wrap("export a person's "+table.Name, err)
			}
			if len(rows) > 0 {
				s.Tables = append(s.Tables, ExportedTable{table.Key, table.Title, rows})
			}
		}
		e.Subscriptions = append(e.Subscriptions, s)
	}
	return e, wrap("export a person", err)
}

// told are the columns that are exported.
func (t PersonTable) told() (told []PersonColumn) {
	for _, c := range t.Columns {
		if c.Untold == "" {
			told = append(told, c)
		}
	}
	return told
}

// export reads a person's rows of the table; none where all of its columns are untold.
func (t PersonTable) export(ctx context.Context, q rowsQueryer, tenantID, subscriberID string) ([][]ExportedValue, error) {
	told := t.told()
	if len(told) == 0 {
		return nil, nil
	}
	reads := make([]string, len(told))
	for i, c := range told {
		reads[i] = cmp.Or(c.from, "x."+c.Name)
	}
	return collect(ctx, q, func(row scanner) ([]ExportedValue, error) { return scanExported(row, told) },
		`SELECT `+strings.Join(reads, ", ")+` FROM `+t.Name+` x WHERE `+t.of+` ORDER BY `+t.order, tenantID, subscriberID)
}

func scanExported(row scanner, columns []PersonColumn) ([]ExportedValue, error) {
	stored := make([]any, len(columns))
	for i, c := range columns {
		switch c.As {
		case MomentValue, FlagValue, NumberValue:
			stored[i] = new(sql.NullInt64)
		default:
			stored[i] = new(sql.NullString)
		}
	}
	if err := row.Scan(stored...); err != nil {
		return nil, err
	}
	values := make([]ExportedValue, len(columns))
	for i, c := range columns {
		values[i] = ExportedValue{Name: c.Name, Label: c.Label, Kind: c.As, Value: c.exported(stored[i])}
	}
	return values, nil
}

// exported is the value of a column as it is exported.
func (c PersonColumn) exported(stored any) any {
	switch v := stored.(type) {
	case *sql.NullInt64:
		switch {
		case c.As == FlagValue:
			return v.Int64 != 0
		case c.As == MomentValue && v.Int64 == 0:
			return nil
		case c.As == MomentValue:
			return fromMillis(v.Int64).UTC()
		}
		return v.Int64
	case *sql.NullString:
		if (c.As == JSONValue || c.As == FieldsValue) && json.Valid([]byte(v.String)) {
			return json.RawMessage(v.String)
		}
		return v.String
	}
	return nil
}

// mentioned are the rows of a mentionColumn that mention one of some addresses, each with the
// text as it is to be.
type mentioned struct {
	of   mentionColumn
	key  []any
	was  string
	text string
}

// whoHas reads who of the tenant's subscribers has one of some addresses, given as the keys that make an address the same: the key, by the
// subscriber's id.
func whoHas(ctx context.Context, q rowsQueryer, e engine, tenantID string, keys []string) (has map[string]string, err error) {
	has = map[string]string{}
	of := newSet(text("email_key"))
	for _, key := range keys {
		of.add(key)
	}
	for part := range of.of(tenantID).parts() {
		with, args := part.with(e)
		err := each(ctx, q, func(row scanner) error {
			var id, key string
			err := row.Scan(&id, &key)
			has[id] = key
			return err
		}, with+`SELECT s.id, s.email_key FROM o JOIN subscribers s ON s.tenant_id = o.tenant_id AND s.email_key = o.email_key`, args...)
		if err != nil {
			return nil, err
		}
	}
	return has, nil
}

// findMentions reads which texts of the tenant mention one of the addresses, given as the keys
// that make an address the same. It goes through all texts that have an address in them. In the rows of a subscriber who has
// it, an address stays: has is what whoHas returns. Whoever signed up with it since is somebody else, whose data that is.
func findMentions(ctx context.Context, q rowsQueryer, tenantID string, keys []string, has map[string]string) (all []mentioned, err error) {
	wanted := newAddresses(keys)
	for _, m := range mentionColumns {
		found, err := collect(ctx, q, func(row scanner) (mentioned, error) {
			f := mentioned{of: m}
			to := []any{&f.was}
			key := make([]string, len(m.key))
			for i := range key {
				to = append(to, &key[i])
			}
			err := row.Scan(to...)
			for _, k := range key {
				f.key = append(f.key, k)
			}
			f.text = wanted.erase(f.was)
			if own := has[key[0]]; own != "" && f.text != f.was {
				f.text = newAddresses(slices.DeleteFunc(slices.Clone(keys), func(k string) bool { return k == own })).erase(f.was)
			}
			return f, err
		}, `SELECT `+m.column+`, `+strings.Join(m.key, ", ")+` FROM `+m.table+` WHERE tenant_id = $1 AND `+m.column+` LIKE '%@%'`, tenantID)
		if err != nil {
			return nil, fmt.Errorf("look for an address in %s: %w", m.table, err)
		}
		for _, f := range found {
			if f.text != f.was {
				all = append(all, f)
			}
		}
	}
	return all, nil
}

// eraseMentions replaces the texts that findMentions found and that are still the same.
func eraseMentions(ctx context.Context, tx *sql.Tx, tenantID string, all []mentioned) error {
	for _, f := range all {
		q := statement{}
		query := `UPDATE ` + f.of.table + ` SET ` + f.of.column + ` = ` + q.arg(f.text) + ` WHERE tenant_id = ` + q.arg(tenantID) + ` AND ` + f.of.column + ` = ` + q.arg(f.was)
		for i, column := range f.of.key {
			query += ` AND ` + column + ` = ` + q.arg(f.key[i])
		}
		if _, err := tx.ExecContext(ctx, query, q.args...); err != nil {
			return fmt.Errorf("take an address out of %s: %w", f.of.table, err)
		}
	}
	return nil
}
