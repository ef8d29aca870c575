package mocksalesforce

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"gatepost/simulated"
)

const timeLayout = "2006-01-02T15:04:05.000-0700"

// emailSyntax is Salesforce's own, narrower than the RFC's.
var emailSyntax = regexp.MustCompile("^[A-Za-z0-9!#$%&'*/=?^_+`{|}~-]+(\\.[A-Za-z0-9!#$%&'*/=?^_+`{|}~-]+)*" +
	`@([A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?\.)+[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])$`)

// record is one stored record.
type record struct {
	seq                   int64
	org                   string
	obj                   *object
	fields                map[string]any // by canonical name, what clients wrote
	created, modified     int64
	createdBy, modifiedBy string
	deleted               bool
}

// ID is the record's 18-character id.
func (r *record) ID() string { return makeID(r.obj.Prefix, r.seq) }

// value returns what a field holds, nil when it is blank.
func (r *record) value(f *field) any {
	if v, ok := r.fields[f.Name]; ok {
		return v
	}
	switch f.Name {
	case "Id":
		return r.ID()
	case "Name":
		first, _ := r.fields["FirstName"].(string)
		last, _ := r.fields["LastName"].(string)
		return strings.TrimSpace(first + " " + last)
	case "OwnerId", "CreatedById":
		return nilIfEmpty(r.createdBy)
	case "LastModifiedById":
		return nilIfEmpty(r.modifiedBy)
	case "CreatedDate":
		return formatTime(r.created)
	case "LastModifiedDate", "SystemModstamp":
		return formatTime(r.modified)
	case "IsDeleted":
		return r.deleted
	}
	if f.Type == "boolean" {
		return false // a checkbox is never blank
	}
	return nil
}

func nilIfEmpty(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func formatTime(ms int64) string { return time.UnixMilli(ms).UTC().Format(timeLayout) }

func (r *record) text(name string) string {
	v, _ := r.fields[name].(string)
	return v
}

const recordColumns = `seq, data, created, modified, created_by, modified_by, deleted`

// find returns the records of a kind that also meet a condition, oldest first.
func find(ctx context.Context, q querier, org string, o *object, condition string, args ...any) ([]*record, error) {
	var list []*record
	err := simulated.Rows(ctx, q, func(rs *sql.Rows) error {
		r := &record{org: org, obj: o}
		var data []byte
		if err := rs.Scan(&r.seq, &data, &r.created, &r.modified, &r.createdBy, &r.modifiedBy, &r.deleted); err != nil {
			return err
		}
		list = append(list, r)
		return decode(data, &r.fields)
	}, `SELECT `+recordColumns+` FROM records WHERE org = $1 AND type = $2 AND `+condition+` ORDER BY seq`,
		append([]any{org, o.Name}, args...)...)
	return list, err
}

// decode reads JSON and keeps numbers as they were written.
func decode(data []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	return d.Decode(v)
}

// byID returns a record, also a deleted one, or nil.
func byID(ctx context.Context, q querier, org string, o *object, seq int64) (*record, error) {
	list, err := find(ctx, q, org, o, `seq = $3`, seq)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	return list[0], nil
}

// byKey returns the records whose e-mail address, External ID or Id is value.
func byKey(ctx context.Context, q querier, org string, o *object, f *field, value string) ([]*record, error) {
	key := strings.ToLower(value)
	switch {
	case f.Name == "Id":
		seq, _ := parseID(o.Prefix, value)
		return find(ctx, q, org, o, `seq = $3 AND deleted = 0`, seq)
	case f.Name == "Email":
		return find(ctx, q, org, o, `email = $3 AND deleted = 0`, key)
	}
	return find(ctx, q, org, o, `ext = $3 AND deleted = 0`, key)
}

// save inserts a record without a number, or updates the one with it.
func save(ctx context.Context, q querier, r *record) error {
	data, err := json.Marshal(r.fields)
	if err != nil {
		return err
	}
	var ext any
	if f := r.obj.externalID(); f != nil {
		ext = nilIfEmpty(strings.ToLower(r.text(f.Name)))
	}
	email := nilIfEmpty(strings.ToLower(r.text("Email")))
	if r.seq == 0 {
		return q.QueryRowContext(ctx, `INSERT INTO records (org, type, email, ext, data, created, modified, created_by, modified_by)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING seq`,
			r.org, r.obj.Name, email, ext, string(data), r.created, r.modified, r.createdBy, r.modifiedBy).Scan(&r.seq)
	}
	_, err = q.ExecContext(ctx, `UPDATE records SET email = $1, ext = $2, data = $3, modified = $4, modified_by = $5, deleted = $6 WHERE seq = $7`,
		email, ext, string(data), r.modified, r.modifiedBy, r.deleted, r.seq)
	return err
}

// clean checks what a client wants to write into the fields of an object and
// returns it by canonical name. Creating, required fields must be there.
func clean(o *object, in map[string]any, creating bool) (map[string]any, error) {
	out := make(map[string]any, len(in))
	var locked []string
	for _, name := range slices.Sorted(keys(in)) {
		if name == "attributes" {
			continue
		}
		f := o.field(name)
		if f == nil {
			return nil, fail(http.StatusBadRequest, "INVALID_FIELD", fmt.Sprintf("No such column '%s' on sobject of type %s", name, o.Name))
		}
		if f.Name == "Id" {
			return nil, fail(http.StatusBadRequest, "INVALID_FIELD", "The Id field should not be specified in the sobject data.")
		}
		if f.Access == readOnly {
			locked = append(locked, f.Name)
			continue
		}
		v, err := cleanValue(f, in[name])
		if err != nil {
			return nil, err
		}
		out[f.Name] = v
	}
	if len(locked) > 0 {
		return nil, fail(http.StatusBadRequest, "INVALID_FIELD_FOR_INSERT_UPDATE", "Unable to create/update fields: "+strings.Join(locked, ", ")+
			". Please check the security settings of this field and verify that it is read/write for your profile or permission set.", locked...)
	}
	return out, checkRequired(o, out, creating)
}

func checkRequired(o *object, out map[string]any, creating bool) error {
	var missing []string
	for _, f := range o.Fields {
		v, given := out[f.Name]
		if f.Access == required && v == nil && (creating || given) {
			missing = append(missing, f.Name)
		}
		if creating && v == nil && f.Default != nil {
			out[f.Name] = f.Default
		}
	}
	if len(missing) == 0 {
		return nil
	}
	sort.Strings(missing)
	return fail(http.StatusBadRequest, "REQUIRED_FIELD_MISSING", "Required fields are missing: ["+strings.Join(missing, ", ")+"]", missing...)
}

func keys(m map[string]any) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// cleanValue checks one value; blank text becomes nil.
func cleanValue(f *field, v any) (any, error) {
	if v == nil {
		if f.Type == "boolean" {
			return nil, fail(http.StatusBadRequest, "INVALID_TYPE_ON_FIELD_IN_RECORD", f.Label+": value not of required type: null", f.Name)
		}
		return nil, nil
	}
	switch f.Type {
	case "boolean":
		if _, ok := v.(bool); !ok {
			return nil, wrongType(f, v)
		}
		return v, nil
	case "int", "currency", "double", "percent":
		n, ok := v.(json.Number)
		if !ok {
			return nil, wrongType(f, v)
		}
		if _, err := n.Int64(); f.Type == "int" && err != nil {
			return nil, wrongType(f, v)
		}
		return cleanNumber(f, n)
	}
	s, ok := v.(string)
	if !ok {
		return nil, wrongType(f, v)
	}
	if s = strings.TrimSpace(s); s == "" {
		return nil, nil
	}
	return cleanText(f, s)
}

// cleanNumber is a number as Salesforce keeps it: those that aren't whole by their type have a
// fraction.
func cleanNumber(f *field, n json.Number) (any, error) {
	x, err := n.Float64()
	if err != nil || f.Type == "int" {
		return n, nil
	}
	text := strconv.FormatFloat(x, 'f', -1, 64)
	if !strings.Contains(text, ".") {
		text += ".0"
	}
	return json.Number(text), nil
}

// cleanPicks checks the value of a picklist, or several values, which are kept in the picklist's
// order.
func cleanPicks(f *field, s string) (any, error) {
	given := []string{s}
	if f.Type == "multipicklist" {
		given = strings.FieldsFunc(s, func(r rune) bool { return r == ';' })
	}
	for _, v := range given {
		if f.Restricted && !slices.Contains(f.Picklist, v) {
			return nil, fail(http.StatusBadRequest, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", f.Label+": bad value for restricted picklist field: "+v, f.Name)
		}
	}
	rank := func(v string) int { return slices.Index(f.Picklist, v) }
	slices.SortStableFunc(given, func(a, b string) int { return cmp.Compare(rank(a), rank(b)) })
	return strings.Join(slices.Compact(given), ";"), nil
}

func cleanText(f *field, s string) (any, error) {
	if f.Type == "reference" {
		id, ok := canonicalID(s)
		if !ok || !slices.Contains([]string{"", refPrefix[f.RefTo]}, id[:min(3, len(id))]) {
			return nil, fail(http.StatusBadRequest, "MALFORMED_ID", f.Label+": id value of incorrect type: "+s, f.Name)
		}
		return id, nil
	}
	if f.Length > 0 && utf8.RuneCountInString(s) > f.Length {
		return nil, fail(http.StatusBadRequest, "STRING_TOO_LONG",
			fmt.Sprintf("%s: data value too large: %s (max length=%d)", f.Label, s, f.Length), f.Name)
	}
	switch f.Type {
	case "email":
		if local, _, _ := strings.Cut(s, "@"); !emailSyntax.MatchString(s) || len(local) > 64 {
			return nil, fail(http.StatusBadRequest, "INVALID_EMAIL_ADDRESS", f.Label+": invalid email address: "+s, f.Name)
		}
	case "date":
		if _, err := time.Parse(time.DateOnly, s); err != nil {
			return nil, wrongType(f, s)
		}
	case "datetime":
		at, err := time.Parse(time.RFC3339, s)
		if err != nil {
			at, err = time.Parse(timeLayout, s)
		}
		if err != nil {
			return nil, wrongType(f, s)
		}
		return formatTime(at.Truncate(time.Second).UnixMilli()), nil
	case "picklist", "multipicklist":
		return cleanPicks(f, s)
	}
	return s, nil
}

var refPrefix = map[string]string{"Account": "001", "Contact": "003", "User": "005", "Lead": "00Q", "Campaign": "701", "RecordType": "012"}

func wrongType(f *field, v any) error {
	token := "VALUE_STRING"
	switch v.(type) {
	case json.Number:
		token = "VALUE_NUMBER"
	case bool:
		token = "VALUE_TRUE"
	case map[string]any:
		token = "START_OBJECT"
	case []any:
		token = "START_ARRAY"
	}
	return fail(http.StatusBadRequest, "JSON_PARSER_ERROR", fmt.Sprintf("Cannot deserialize instance of %s from %s value %v or request may be missing a required field", f.Type, token, v))
}

// change is one record's write, checked but not yet done.
type change struct {
	rec     *record
	created bool
	err     error
}

// prepareCreate checks a new record.
func (c *call) prepareCreate(ctx context.Context, q querier, o *object, in map[string]any) change {
	rec := &record{org: c.who.user.OrgID, obj: o, createdBy: c.who.user.ID}
	fields, err := clean(o, in, true)
	if err == nil {
		rec.fields = fields
		err = c.checkAgainstStore(ctx, q, rec, fields)
	}
	return change{rec: rec, created: true, err: err}
}

// prepareUpdate checks new values for a record that is there.
func (c *call) prepareUpdate(ctx context.Context, q querier, rec *record, in map[string]any) change {
	fields, err := clean(rec.obj, in, false)
	if err == nil {
		for name, v := range fields {
			if v == nil {
				delete(rec.fields, name)
				continue
			}
			rec.fields[name] = v
		}
		err = c.checkAgainstStore(ctx, q, rec, fields)
	}
	return change{rec: rec, err: err}
}

// checkAgainstStore checks what only the other records can tell.
func (c *call) checkAgainstStore(ctx context.Context, q querier, rec *record, fields map[string]any) error {
	if f := c.s.core.Faults.Take(simulated.Record, rec.org); f != nil {
		f.ErrorCode = cmp.Or(f.ErrorCode, "UNABLE_TO_LOCK_ROW")
		return fail(http.StatusBadRequest, f.ErrorCode, faultMessage(*f))
	}
	if err := c.checkReferences(ctx, q, rec.obj, fields); err != nil {
		return err
	}
	if err := checkUnique(ctx, q, rec); err != nil {
		return err
	}
	switch rec.obj.Name {
	case "Lead":
		c.assign(rec)
		return nil
	case "CampaignMember":
		return checkMember(ctx, q, rec)
	case "Contact":
	default:
		return nil
	}
	if c.s.set(rec.org).ValidationRule && strings.ContainsAny(rec.text("LastName"), "0123456789") {
		return fail(http.StatusBadRequest, "FIELD_CUSTOM_VALIDATION_EXCEPTION", "A last name must not contain a digit.", "LastName")
	}
	return c.checkDuplicates(ctx, q, rec, fields)
}

// aQueue is whom the assignment rule gives Leads to.
const aQueue = "00G000000000001AAA"

// assign has the org's assignment rule run, as it does unless the call's header says FALSE.
func (c *call) assign(rec *record) {
	if c.s.set(rec.org).AssignmentRule && !strings.EqualFold(strings.TrimSpace(c.header.Get("Sforce-Auto-Assign")), "FALSE") {
		rec.fields["OwnerId"] = aQueue
	}
}

// checkMember refuses a member of a campaign who is nobody, and one who is a member already.
func checkMember(ctx context.Context, q querier, rec *record) error {
	if (rec.text("ContactId") == "") == (rec.text("LeadId") == "") {
		return fail(http.StatusBadRequest, "REQUIRED_FIELD_MISSING", "Required fields are missing: [LeadId or ContactId]", "LeadId")
	}
	same, err := find(ctx, q, rec.org, rec.obj, `deleted = 0 AND json_extract(data, '$.CampaignId') = $3 AND COALESCE(json_extract(data, '$.ContactId'), json_extract(data, '$.LeadId')) = $4`,
		rec.text("CampaignId"), cmp.Or(rec.text("ContactId"), rec.text("LeadId")))
	if err != nil {
		return err
	}
	if slices.ContainsFunc(same, func(r *record) bool { return r.seq != rec.seq }) {
		return fail(http.StatusBadRequest, "DUPLICATE_VALUE", "Already a campaign member.")
	}
	return nil
}

func (c *call) checkReferences(ctx context.Context, q querier, o *object, fields map[string]any) error {
	for name, v := range fields {
		f := o.field(name)
		id, _ := v.(string)
		if f.Type != "reference" || id == "" {
			continue
		}
		if f.RefTo == "RecordType" {
			if !slices.ContainsFunc(o.RecordTypes, func(t recordType) bool { return t.ID == id }) {
				return fail(http.StatusBadRequest, "INVALID_CROSS_REFERENCE_KEY", f.Label+": this ID value isn't valid for the user: "+id, f.Name)
			}
			continue
		}
		query, args := `SELECT COUNT(*) FROM users WHERE id = $1 AND org = $2`, []any{id, c.who.user.OrgID}
		if f.RefTo != "User" {
			seq, _ := parseID(id[:3], id)
			query = `SELECT COUNT(*) FROM records WHERE seq = $1 AND org = $2 AND type = $3 AND deleted = 0`
			args = []any{seq, c.who.user.OrgID, f.RefTo}
		}
		var n int
		if err := q.QueryRowContext(ctx, query, args...).Scan(&n); err != nil {
			return err
		}
		if n > 0 && f.Name == "OwnerId" {
			var active bool
			if err := q.QueryRowContext(ctx, `SELECT active FROM users WHERE id = $1`, id).Scan(&active); err != nil {
				return err
			}
			if !active {
				return fail(http.StatusBadRequest, "INACTIVE_OWNER_OR_USER", fmt.Sprintf("operation performed with inactive user [%s] as owner of %s", id[:15], strings.ToLower(o.Name)))
			}
		}
		if n == 0 {
			return fail(http.StatusBadRequest, "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY", "insufficient access rights on cross-reference id")
		}
	}
	return nil
}

func checkUnique(ctx context.Context, q querier, rec *record) error {
	f := rec.obj.externalID()
	if f == nil || rec.text(f.Name) == "" {
		return nil
	}
	same, err := byKey(ctx, q, rec.org, rec.obj, f, rec.text(f.Name))
	if err != nil {
		return err
	}
	for _, other := range same {
		if other.seq != rec.seq {
			return fail(http.StatusBadRequest, "DUPLICATE_VALUE",
				fmt.Sprintf("duplicate value found: %s duplicates value on record with id: %s", f.Name, other.ID()[:15]))
		}
	}
	return nil
}

// checkDuplicates is the duplicate rule on Contacts: on their e-mail address, or on the
// whole name.
func (c *call) checkDuplicates(ctx context.Context, q querier, rec *record, fields map[string]any) error {
	set := c.s.set(rec.org)
	rule := set.DuplicateRule
	if rule == "off" || rule == "alert" && allowSave(c.header) {
		return nil
	}
	same, err := sameContacts(ctx, q, rec, fields, set.DuplicateMatch)
	if err != nil {
		return err
	}
	same = slices.DeleteFunc(same, func(r *record) bool { return r.seq == rec.seq })
	if len(same) == 0 {
		return nil
	}
	const message = "Use one of these records?"
	e := fail(http.StatusBadRequest, "DUPLICATES_DETECTED", message)
	e.duplicates = c.duplicateResult(same, rule, message)
	return e
}

// sameContacts are those that have what a Contact is being given: its address, or its
// first and last name.
func sameContacts(ctx context.Context, q querier, rec *record, fields map[string]any, by string) ([]*record, error) {
	if email, _ := fields["Email"].(string); by == matchEmail && email != "" {
		return byKey(ctx, q, rec.org, rec.obj, rec.obj.field("Email"), email)
	}
	first, last := rec.text("FirstName"), rec.text("LastName")
	if by != matchName || first == "" || last == "" {
		return nil, nil
	}
	return find(ctx, q, rec.org, rec.obj, `deleted = 0 AND json_extract(data, '$.LastName') = $3 AND json_extract(data, '$.FirstName') = $4`, last, first)
}

func allowSave(h http.Header) bool {
	for part := range strings.SplitSeq(h.Get("Sforce-Duplicate-Rule-Header"), ";") {
		if name, v, _ := strings.Cut(part, "="); strings.EqualFold(strings.TrimSpace(name), "allowSave") {
			return strings.EqualFold(strings.TrimSpace(v), "true")
		}
	}
	return false
}

func (c *call) duplicateResult(same []*record, rule, message string) map[string]any {
	matches := []any{}
	for _, r := range same {
		matches = append(matches, map[string]any{"additionalInformation": []any{}, "fieldDiffs": []any{}, "matchConfidence": 100.0,
			"record": map[string]any{"attributes": c.attributes(r), "Id": r.ID()}})
	}
	return map[string]any{"allowSave": rule == "alert", "duplicateRule": "Standard_Contact_Duplicate_Rule",
		"duplicateRuleEntityType": "Contact", "errorMessage": message,
		"matchResults": []any{map[string]any{"entityType": "Contact", "errors": []any{}, "matchEngine": "ExactMatchEngine",
			"matchRecords": matches, "rule": "Standard_Contact_Match_Rule_v1_0", "size": len(same), "success": true}}}
}

// apply does a checked write.
func (c *call) apply(ctx context.Context, q querier, ch change) error {
	at := c.s.core.Now()
	if ch.created {
		ch.rec.created = at
	}
	// Two records of one call may carry the same unique value.
	if err := checkUnique(ctx, q, ch.rec); err != nil {
		return err
	}
	ch.rec.modified, ch.rec.modifiedBy = at, c.who.user.ID
	return save(ctx, q, ch.rec)
}

// remove puts a record into the bin.
func (c *call) remove(ctx context.Context, q querier, rec *record) error {
	rec.deleted, rec.modified, rec.modifiedBy = true, c.s.core.Now(), c.who.user.ID
	return save(ctx, q, rec)
}

// locate finds the record that an id means. The errors are those of a single call.
func (c *call) locate(ctx context.Context, q querier, o *object, id string) (*record, error) {
	seq, ok := parseID(o.Prefix, id)
	if !ok && !looksLikeID(id) {
		return nil, fail(http.StatusNotFound, "NOT_FOUND", "Provided external ID field does not exist or is not accessible: "+id)
	}
	if !ok {
		return nil, fail(http.StatusBadRequest, "MALFORMED_ID", o.Label+" ID: id value of incorrect type: "+id, "Id")
	}
	rec, err := byID(ctx, q, c.who.user.OrgID, o, seq)
	if err != nil {
		return nil, err
	}
	if rec == nil {
		return nil, errNotFound
	}
	if rec.deleted {
		return nil, fail(http.StatusNotFound, "ENTITY_IS_DELETED", "entity is deleted")
	}
	return rec, nil
}

var errNotFound = fail(http.StatusNotFound, "NOT_FOUND", "The requested resource does not exist")

// isRefusal reports whether err is Salesforce's answer, not a failure of this program.
func isRefusal(err error) bool {
	_, ok := errors.AsType[*apiError](err)
	return ok
}
