package salesforce

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"gatepost/crm"
)

// maxURL is Salesforce's 16,384 bytes for a URI and its headers, less what the
// host and the headers take.
const maxURL = 16_384 - 1_024

// maxPages bounds how far a query's further pages are followed: 100,000 Contacts.
const maxPages = 50

const queryPath = apiPath + "/query?q="

// place is where people are looked for: a field of an object that holds addresses.
type place struct {
	object, field string
	where         string   // which of the records count, with an AND behind it
	own           []string // fields that are read beside those of every record, by their names there
}

// places are where people are looked for, the first one counting most.
func places(o crm.Options) []place {
	all := []place{{object: "Contact", field: "Email"}}
	if o.Key != "" {
		all = append(all, place{object: "Contact", field: o.Key})
	}
	if o.Leads {
		all = append(all, place{object: "Lead", field: "Email", where: "IsConverted = false AND "})
	}
	return all
}

// Find returns the Contacts that have the given addresses, and for those who are
// no Contacts, if they are wanted, the Leads; as crm.CRM says. A failure of class
// crm.Recorded is due to somebody among the addresses; fewer of them find out whom.
func (c *Client) Find(ctx context.Context, emails []string, o crm.Options) (map[string][]crm.Record, error) {
	found, err := c.find(ctx, emails, o)
	if c.optOutHidden(err, o) {
		return c.find(ctx, emails, o)
	}
	return found, err
}

func (c *Client) find(ctx context.Context, emails []string, o crm.Options) (map[string][]crm.Record, error) {
	wanted := lowered(emails)
	shared, err := c.sharedToRead(ctx, wanted, o)
	if err != nil {
		return nil, err
	}
	var urls []string
	var from []place // of each URL
	for _, p := range places(o) {
		p.own = c.withOptOut(ownNames(o.Read, p.object, shared), o)
		all := p.queries(wanted)
		urls = append(urls, all...)
		from = append(from, slices.Repeat([]place{p}, len(all))...)
	}
	found := make(map[string][]crm.Record, len(wanted))
	for urls := range slices.Chunk(urls, partsPerCall) {
		pages, err := c.query(ctx, urls)
		if err != nil {
			return nil, err
		}
		for i, p := range pages {
			if err := c.collect(ctx, p, from[i], o, found); err != nil {
				return nil, err
			}
		}
		from = from[len(urls):]
	}
	return only(found, wanted), nil
}

// query runs queries in one API call and returns the first page of each.
func (c *Client) query(ctx context.Context, urls []string) ([]page, error) {
	parts := make([]part, len(urls))
	for i, u := range urls {
		parts[i] = part{Method: http.MethodGet, URL: u}
	}
	answers, err := c.composite(ctx, parts, false)
	if err != nil {
		return nil, err
	}
	pages := make([]page, len(answers))
	for i, a := range answers {
		if f := a.refusal(false); f != nil {
			return nil, c.noteChanged(f)
		}
		if pages[i], err = parsePage(a.Body); err != nil {
			return nil, err
		}
	}
	return pages, nil
}

// collect adds the records of a page and of those behind it to found, by the
// address that stands in the field of its place.
func (c *Client) collect(ctx context.Context, p page, from place, o crm.Options, found map[string][]crm.Record) error {
	for range maxPages {
		for _, r := range p.Records {
			key := strings.ToLower(r.text(from.field))
			if !slices.ContainsFunc(found[key], func(f crm.Record) bool { return f.ID == r.text("Id") }) {
				found[key] = append(found[key], r.record(o))
			}
		}
		if p.Done {
			return nil
		}
		body, err := c.call(ctx, request{method: http.MethodGet, path: p.Next})
		if err != nil {
			return err
		}
		if p, err = parsePage(body); err != nil {
			return err
		}
	}
	return &crm.Failure{Class: crm.Recorded, Code: crm.TooManyMatches, Detail: "Too many Contacts have these addresses."}
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

// only drops what nobody asked for, and Leads of those who are Contacts.
func only(found map[string][]crm.Record, wanted []string) map[string][]crm.Record {
	out := make(map[string][]crm.Record, len(found))
	for _, e := range wanted {
		r := found[e]
		if len(r) > 0 && objectOf(r[0].ID) == "Contact" {
			r = slices.DeleteFunc(r, func(r crm.Record) bool { return objectOf(r.ID) != "Contact" })
		}
		if len(r) > 0 {
			out[e] = r
		}
	}
	return out
}

// queries returns the URLs of as few queries as the addresses need, each within
// the limits of records and of URL length.
func (p place) queries(emails []string) []string {
	queryStart := "SELECT Id, FirstName, LastName, Email"
	for _, name := range append([]string{p.field}, p.own...) {
		if !slices.Contains(strings.Split(strings.TrimPrefix(queryStart, "SELECT "), ", "), name) {
			queryStart += ", " + name
		}
	}
	queryStart += " FROM " + p.object + " WHERE " + p.where + p.field + " IN ("
	const queryEnd = ") ORDER BY LastModifiedDate DESC"
	fixed := len(queryPath) + len(url.QueryEscape(queryStart+queryEnd))
	var urls, list []string
	length := fixed
	flush := func() {
		if len(list) > 0 {
			urls = append(urls, queryPath+url.QueryEscape(queryStart+strings.Join(list, ",")+queryEnd))
			list, length = nil, fixed
		}
	}
	for _, e := range emails {
		literal := quote(e)
		size := len(url.QueryEscape(literal + ","))
		if len(list) == recordsPerPart || length+size > maxURL {
			flush()
		}
		list, length = append(list, literal), length+size
	}
	flush()
	return urls
}

// quote returns s as a SOQL string literal.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('\'')
	for _, r := range strings.ToValidUTF8(s, "\uFFFD") {
		switch {
		case r == '\\' || r == '\'' || r == '"':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('\'')
	return b.String()
}

// page is a page of a query's result.
type page struct {
	Done    bool   `json:"done"`
	Next    string `json:"nextRecordsUrl"`
	Records []row  `json:"records"`
}

// row is one record of a page. Fields without a value are null.
type row map[string]any

func (r row) text(field string) string { s, _ := r[field].(string); return s }

func (r row) record(o crm.Options) crm.Record {
	return crm.Record{ID: r.text("Id"), Fields: crm.Fields{crm.Email: r.text("Email"), crm.FirstName: r.text("FirstName"), crm.LastName: r.text("LastName")}, Own: r.own(o.Read), OptedOut: o.OptOuts && r.optedOut()}
}

// parsePage reads a page. The way on from it is a path of this instance, or the
// page is refused.
func parsePage(body []byte) (page, error) {
	var p page
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber() // a float has fewer digits than a number may have
	if err := d.Decode(&p); err != nil {
		return page{}, nonsense("unexpected answer to a query", false)
	}
	if !p.Done && !ourPath(p.Next) {
		return page{}, nonsense("a query's next page is elsewhere", false)
	}
	for _, r := range p.Records {
		if !isID(r.text("Id")) {
			return page{}, nonsense("a record without an Id", false)
		}
	}
	return p, nil
}

// ourPath tells whether a next page's address is a plain path of the REST API.
func ourPath(path string) bool {
	u, err := url.Parse(path)
	return err == nil && u.Scheme == "" && u.Host == "" && u.Fragment == "" &&
		strings.HasPrefix(path, "/services/data/v") &&
		!strings.Contains(path, "..") && !strings.Contains(path, "\\") && !strings.Contains(path, "%")
}

// isID tells whether s looks like a record's Id.
func isID(s string) bool {
	if len(s) != 15 && len(s) != 18 {
		return false
	}
	for _, r := range s {
		if (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') {
			return false
		}
	}
	return true
}
