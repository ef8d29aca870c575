package salesforce

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"gatepost/crm"
)

const collectionsPath = apiPath + "/composite/sobjects"

// noName stands where the reader gave no name: Salesforce wants one.
const noName = "NA"

// collection is the body of a Collections call.
type collection struct {
	AllOrNone bool      `json:"allOrNone"`
	Records   []contact `json:"records"`
}

type contact struct {
	Attributes attributes `json:"attributes"`
	FirstName  string
	LastName   string
	Email      string
}

type attributes struct {
	Type string `json:"type"`
}

// Create makes a Contact for each person, as crm.CRM says. A person whose
// Result fails with class crm.Pause or crm.Connection has found out what is true
// for the rest as well. A failure of the whole call of class crm.Recorded is due
// to somebody among the people; fewer of them find out whom.
func (c *Client) Create(ctx context.Context, people []crm.Person) ([]crm.Result, error) {
	results := make([]crm.Result, len(people))
	for i, call := range calls(people) {
		err := c.create(ctx, people, call, results)
		if err == nil {
			continue
		}
		if i == 0 {
			return nil, err
		}
		// What the calls before this one made must not be forgotten.
		failAll(results, slices.Concat(call.chunks...), err)
	}
	return results, nil
}

// batch is what travels in one API call: chunks of people, by their index.
type batch struct {
	chunks    [][]int
	composite bool
}

// calls shares people out to as few API calls as can be. A Composite call takes
// "@{" for a reference to one of its other parts, wherever it stands, and has no
// escape for it: such people travel in Collections calls of their own.
func calls(people []crm.Person) []batch {
	var plain, odd []int
	for i, p := range people {
		if strings.Contains(p.Email+"\n"+p.FirstName+"\n"+p.LastName, "@{") {
			odd = append(odd, i)
			continue
		}
		plain = append(plain, i)
	}
	var out []batch
	chunks := slices.Collect(slices.Chunk(plain, recordsPerPart))
	for group := range slices.Chunk(chunks, partsPerCall) {
		out = append(out, batch{chunks: group, composite: true})
	}
	for chunk := range slices.Chunk(odd, recordsPerPart) {
		out = append(out, batch{chunks: [][]int{chunk}})
	}
	return out
}

// create makes one API call and fills in the results of its people.
func (c *Client) create(ctx context.Context, people []crm.Person, b batch, results []crm.Result) error {
	if !b.composite {
		return c.createPlain(ctx, people, b.chunks[0], results)
	}
	parts := make([]part, len(b.chunks))
	for i, chunk := range b.chunks {
		parts[i] = part{Method: http.MethodPost, URL: collectionsPath, Body: contacts(people, chunk)}
	}
	answers, err := c.composite(ctx, parts, true)
	if err != nil {
		return err
	}
	for i, a := range answers {
		if f := a.refusal(true); f != nil {
			failAll(results, b.chunks[i], f)
			continue
		}
		fill(results, b.chunks[i], a.Body)
	}
	return nil
}

// createPlain makes a Collections call that isn't part of a Composite one.
func (c *Client) createPlain(ctx context.Context, people []crm.Person, chunk []int, results []crm.Result) error {
	sent, err := json.Marshal(contacts(people, chunk))
	if err != nil {
		return unsent(fmt.Errorf("encode records: %w", err))
	}
	body, err := c.call(ctx, request{http.MethodPost, collectionsPath, sent, true})
	if err != nil {
		return err
	}
	fill(results, chunk, body)
	return nil
}

func contacts(people []crm.Person, chunk []int) collection {
	out := collection{Records: make([]contact, len(chunk))}
	for i, n := range chunk {
		p := people[n]
		out.Records[i] = contact{
			Attributes: attributes{"Contact"},
			FirstName:  orNA(p.FirstName), LastName: orNA(p.LastName), Email: p.Email,
		}
	}
	return out
}

func orNA(name string) string {
	if strings.TrimSpace(name) == "" {
		return noName
	}
	return name
}

// fill reads a Collections answer into the results of its chunk.
func fill(results []crm.Result, chunk []int, body []byte) {
	read, ok := parseCollection(body, len(chunk))
	if !ok {
		failAll(results, chunk, nonsense("unexpected answer to a collections call", true))
		return
	}
	for i, n := range chunk {
		results[n] = read[i]
	}
}

// parseCollection reads the results of n records.
func parseCollection(body []byte, n int) ([]crm.Result, bool) {
	var saves []save
	if json.Unmarshal(body, &saves) != nil || len(saves) != n {
		return nil, false
	}
	out := make([]crm.Result, n)
	for i, s := range saves {
		out[i] = s.result()
	}
	return out, true
}

// save is what a Collections call says of one record. Success decides: a record
// that failed may have an id as well.
type save struct {
	ID      string  `json:"id"`
	Success bool    `json:"success"`
	Errors  []fault `json:"errors"`
}

func (s save) result() crm.Result {
	if s.Success && isID(s.ID) {
		return crm.Result{ID: s.ID}
	}
	f, ok := firstFault(s.Errors)
	if s.Success || !ok {
		return crm.Result{Err: nonsense("unexpected answer for a record", true)}
	}
	return crm.Result{Err: f.failure()}
}

// failAll gives everyone of a chunk a failure of their own.
func failAll(results []crm.Result, chunk []int, err error) {
	for _, n := range chunk {
		results[n] = crm.Result{Err: err}
		var f *crm.Failure
		if errors.As(err, &f) {
			own := *f
			results[n].Err = &own
		}
	}
}
