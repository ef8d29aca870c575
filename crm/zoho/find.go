package zoho

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"gatepost/crm"
)

// maxPages bounds how far a query's further pages are followed: 10,000 records that have
// one of a hundred addresses.
const maxPages = 50

const coqlPath = apiPath + "/coql"

// convertedField tells which leads were converted, where the org's COQL has it.
const convertedField = "Converted__s"

// place is where people are looked for: a field of a module that holds addresses.
type place struct {
	module, field string
	o             crm.Options // with the fields to be read beside those of every record
	own           []string    // those of them that the module has
}

// Find returns the Contacts that have the given addresses, and for those who are no
// Contacts, if they are wanted, the Leads; as crm.CRM says. A failure of class
// crm.Recorded is due to somebody among the addresses; fewer of them find out whom.
//
// Queries read what is committed. The search, which lags, is asked about those addresses
// alone that can't be written in a query.
func (c *Client) Find(ctx context.Context, emails []string, o crm.Options) (map[string][]crm.Record, error) {
	found, err := c.find(ctx, emails, o)
	if c.optOutHidden(err, o) {
		return c.find(ctx, emails, o)
	}
	return found, err
}

func (c *Client) find(ctx context.Context, emails []string, o crm.Options) (map[string][]crm.Record, error) {
	wanted := lowered(emails)
	found := make(map[string][]crm.Record, len(wanted))
	in := []place{{module: contacts, field: emailField}}
	if o.Key != "" {
		in = append(in, place{module: contacts, field: o.Key})
	}
	for _, p := range in {
		p.o, p.own = o, c.withOptOut(ownNames(o.Read, contacts, nil), o)
		if err := c.look(ctx, p, wanted, found); err != nil {
			return nil, err
		}
	}
	rest := slices.DeleteFunc(slices.Clone(wanted), func(e string) bool { return len(found[e]) > 0 })
	if o.Leads && len(rest) > 0 {
		shared, err := c.sharedToRead(ctx, o)
		if err != nil {
			return nil, err
		}
		if err := c.look(ctx, place{leads, emailField, o, c.withOptOut(ownNames(o.Read, leads, shared), o)}, rest, found); err != nil {
			return nil, err
		}
	}
	return only(found, wanted), nil
}

// look adds the records that have one of the addresses in a place to found.
func (c *Client) look(ctx context.Context, p place, emails []string, found map[string][]crm.Record) error {
	var plain, odd []string
	for _, e := range emails {
		if quotable(e) {
			plain = append(plain, e)
		} else if p.field == emailField {
			odd = append(odd, e)
		}
	}
	for some := range slices.Chunk(plain, perCall) {
		if err := c.query(ctx, p, some, found); err != nil {
			return err
		}
	}
	for _, e := range odd {
		if err := c.search(ctx, p, e, found); err != nil {
			return err
		}
	}
	return nil
}

// query looks for some addresses, page by page.
func (c *Client) query(ctx context.Context, p place, emails []string, found map[string][]crm.Record) error {
	for n := range maxPages {
		got, err := c.queryPage(ctx, p, emails, n*perPage)
		if err != nil {
			return err
		}
		if err := c.collect(ctx, p, got.Data, found); err != nil {
			return err
		}
		if !got.Info.More {
			return nil
		}
	}
	return &crm.Failure{Class: crm.Recorded, Code: crm.TooManyMatches, Detail: "Too many records have these addresses."}
}

// queryPage asks for the records from an offset on. Whether it may ask which leads were
// converted, an org's first refusal tells.
func (c *Client) queryPage(ctx context.Context, p place, emails []string, offset int) (page, error) {
	org := c.known().ID
	tells := p.module == leads && c.shared.knowsConverted(org)
	got, err := c.coql(ctx, p.coql(emails, offset, tells))
	var f *crm.Failure
	if tells && errors.As(err, &f) && f.Code == invalidQuery {
		c.shared.noteNoConverted(org)
		return c.coql(ctx, p.coql(emails, offset, false))
	}
	return got, err
}

// coql is the query for addresses.
func (p place) coql(emails []string, offset int, tells bool) string {
	fields := []string{"id", emailField, "First_Name", "Last_Name", "Modified_Time"}
	for _, name := range append([]string{p.field}, p.own...) {
		if !slices.Contains(fields, name) { // Zoho refuses a column that is named twice
			fields = append(fields, name)
		}
	}
	if tells {
		fields = append(fields, convertedField)
	}
	list := make([]string, len(emails))
	for i, e := range emails {
		list[i] = quote(e)
	}
	return fmt.Sprintf("select %s from %s where %s in (%s) order by Modified_Time desc, id desc limit %d, %d",
		strings.Join(fields, ", "), p.module, p.field, strings.Join(list, ","), offset, perPage)
}

// coql runs a query.
func (c *Client) coql(ctx context.Context, query string) (page, error) {
	sent, err := json.Marshal(map[string]string{"select_query": query})
	if err != nil {
		return page{}, unsent(fmt.Errorf("encode a query: %w", err))
	}
	a, err := c.call(ctx, request{method: http.MethodPost, path: coqlPath, body: sent, cost: 1})
	c.noteChanged(err)
	if err != nil {
		return page{}, err
	}
	return parsePage(a)
}

// search looks for one address that can't be written in a query. Its index finds other
// addresses of a record, too; collect puts a record to its own.
func (c *Client) search(ctx context.Context, p place, email string, found map[string][]crm.Record) error {
	a, err := c.call(ctx, request{method: http.MethodGet, cost: 1,
		path: apiPath + "/" + p.module + "/search?email=" + url.QueryEscape(email) + "&fields=" + strings.Join(append([]string{"Email,First_Name,Last_Name,Modified_Time"}, p.own...), ",")})
	if err != nil {
		return err
	}
	got, err := parsePage(a)
	if err != nil {
		return err
	}
	slices.SortStableFunc(got.Data, func(a, b row) int { return b.modified().Compare(a.modified()) })
	return c.collect(ctx, p, got.Data, found)
}

// collect adds records to found by the address that stands in a field. Leads that were
// converted are contacts by now.
func (c *Client) collect(ctx context.Context, p place, rows []row, found map[string][]crm.Record) error {
	for _, r := range rows {
		id := p.module + "/" + r.text("id")
		key := strings.ToLower(r.text(p.field))
		if slices.ContainsFunc(found[key], func(f crm.Record) bool { return f.ID == id }) {
			continue
		}
		if p.module == leads {
			gone, err := c.wasConverted(ctx, r)
			if err != nil {
				return err
			}
			if gone {
				continue
			}
		}
		found[key] = append(found[key], r.record(id, p.o))
	}
	return nil
}

// wasConverted reports whether a lead was turned into a contact. Where the query couldn't
// tell, the lead itself does.
func (c *Client) wasConverted(ctx context.Context, r row) (bool, error) {
	if is, told := r[convertedField].(bool); told {
		return is, nil
	}
	lead, err := c.read(ctx, leads+"/"+r.text("id"), convertedField+",Converted_Contact")
	if err != nil || lead == nil {
		return lead == nil, err
	}
	is, _ := lead["$converted"].(bool)
	state, _ := lead[convertedField].(bool)
	return is || state || lead["Converted_Contact"] != nil, nil
}

// read returns some fields of a record, or all where none are named; nil when there is none.
func (c *Client) read(ctx context.Context, id, fields string) (row, error) {
	path := apiPath + "/" + id
	if fields != "" {
		path += "?fields=" + fields
	}
	a, err := c.call(ctx, request{method: http.MethodGet, path: path, cost: 1})
	var f *crm.Failure
	if errors.As(err, &f) && f.Code == noSuchRecord {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	got, err := parsePage(a)
	if err != nil || len(got.Data) == 0 {
		return nil, err
	}
	return got.Data[0], nil
}

// lowered returns the addresses to ask for: in lower case, each once.
func lowered(emails []string) []string {
	out := make([]string, 0, len(emails))
	for _, e := range emails {
		if e = strings.ToLower(strings.TrimSpace(e)); e != "" {
			out = append(out, e)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// only drops what nobody asked for.
func only(found map[string][]crm.Record, wanted []string) map[string][]crm.Record {
	out := make(map[string][]crm.Record, len(found))
	for _, e := range wanted {
		if r := found[e]; len(r) > 0 {
			out[e] = r
		}
	}
	return out
}

// quotable reports whether an address can be written in a query. What a backslash means
// there isn't documented, and what can't be seen is nothing to look for.
func quotable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return r == '\\' || !unicode.IsPrint(r) })
}

// quote returns s as a string of a query: COQL doubles a quote.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// page is a page of a query's result.
type page struct {
	Data []row `json:"data"`
	Info struct {
		More bool `json:"more_records"`
	} `json:"info"`
}

// row is one record of a page. Fields without a value are null, or aren't there.
type row map[string]any

// text is the text in a field; a number as it was written.
func (r row) text(field string) string {
	switch v := r[field].(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	}
	return ""
}

func (r row) record(id string, o crm.Options) crm.Record {
	return crm.Record{ID: id, Fields: crm.Fields{crm.Email: r.text(emailField), crm.FirstName: r.text("First_Name"), crm.LastName: r.text("Last_Name")}, Own: r.own(o.Read), OptedOut: o.OptOuts && r.optedOut()}
}

// parsePage reads a page; nothing found has no body.
func parsePage(a answer) (page, error) {
	var p page
	if a.empty() {
		return p, nil
	}
	if decode(a.body, &p) != nil {
		return page{}, nonsense("unexpected answer to a look-up", false)
	}
	for _, r := range p.Data {
		if !isNumber(r.text("id")) {
			return page{}, nonsense("a record without an id", false)
		}
	}
	return p, nil
}

var numberPattern = regexp.MustCompile(`^[0-9]{10,20}$`)

// isNumber tells whether s looks like one of Zoho's own ids.
func isNumber(s string) bool { return numberPattern.MatchString(s) }

// isID tells whether s looks like one of our ids.
func isID(s string) bool {
	module, number, _ := strings.Cut(s, "/")
	return (module == contacts || module == leads) && isNumber(number)
}

// modified is when a record was changed last, the zero time where that isn't told.
func (r row) modified() time.Time {
	at, err := time.Parse(time.RFC3339, r.text("Modified_Time"))
	if err != nil {
		return time.Time{}
	}
	return at
}

// decode reads JSON and keeps numbers as they were written.
func decode(data []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	return d.Decode(v)
}
