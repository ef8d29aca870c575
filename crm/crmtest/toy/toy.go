// Package toy is a CRM in memory: the least that a CRM has to be, for tests of what knows
// no CRM by its name.
package toy

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"gatepost/crm"
)

// Service is the toy's id.
const Service = "toy"

// noAddress is the code with which it refuses who has no address.
const noAddress = "NO_ADDRESS"

// Provider is what is true of it.
var Provider = &crm.Provider{
	Service: Service, Name: "Toy CRM", Record: "person", Records: "people", Apps: "Toys",
	Batch: 10, Settles: crm.SettlingTime{One: time.Second, Many: 2 * time.Second, Full: 10},
	Limits:    []crm.Limit{{Unit: "Turns", Window: 3 * time.Hour}},
	RecordURL: func(instanceURL, id string) string { return instanceURL + "/people/" + id },
	Codes: map[string]crm.Code{
		noAddress: crm.OneRecord(crm.Explain("Address not accepted", "Address not accepted", "{CRM} does not accept this e-mail address.", crm.You, "Ask the person for another address.")),
	},
}

// CRM is a toy.
type CRM struct {
	mu    sync.Mutex
	cards map[string]*card
	made  int // cards ever
	turns int // of the clock: one for each write
	calls int

	down  int  // calls that fail as in an outage
	after bool // once they have done their work
	ended bool // the access has
}

type card struct {
	crm.Fields
	made, changed int // at which turn
}

var _ crm.CRM = (*CRM)(nil)

// New returns an empty toy.
func New() *CRM { return &CRM{cards: map[string]*card{}} }

// Provider implements crm.CRM, as the following.
func (c *CRM) Provider() *crm.Provider { return Provider }

// Target names the toy.
func (c *CRM) Target() crm.Target {
	return crm.Target{OrgID: "box", InstanceURL: "https://toy.example"}
}

// call does the work of a call, unless it fails.
func (c *CRM) call(write bool, work func()) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls++
	if c.ended {
		return &crm.Failure{Class: crm.Connection, Code: crm.Broken}
	}
	failing := c.down > 0
	if !failing || c.after {
		work()
	}
	if failing {
		c.down--
		return &crm.Failure{Class: crm.Pause, Code: crm.Unavailable, Unknown: write}
	}
	return nil
}

// Find returns the cards with the addresses.
func (c *CRM) Find(_ context.Context, emails []string, _ crm.Options) (map[string][]crm.Record, error) {
	found := map[string][]crm.Record{}
	if len(emails) == 0 {
		return found, nil
	}
	err := c.call(false, func() {
		ids := slices.SortedFunc(maps.Keys(c.cards), func(a, b string) int { return c.cards[b].changed - c.cards[a].changed })
		for _, id := range ids {
			if email := strings.ToLower(c.cards[id].Fields[crm.Email]); slices.Contains(emails, email) {
				found[email] = append(found[email], crm.Record{ID: id, Fields: maps.Clone(c.cards[id].Fields)})
			}
		}
	})
	return found, err
}

// Write makes and changes cards.
func (c *CRM) Write(_ context.Context, writes []crm.Write, _ crm.Options) (results []crm.Result, err error) {
	if len(writes) == 0 {
		return nil, nil
	}
	err = c.call(true, func() {
		for _, w := range writes {
			c.turns++
			results = append(results, c.write(w))
		}
	})
	return results, err
}

func (c *CRM) write(w crm.Write) crm.Result {
	is := c.cards[w.ID]
	switch {
	case w.ID != "" && is == nil:
		return crm.Result{Err: &crm.Failure{Class: crm.Recorded, Code: crm.Gone}}
	case w.ID == "" && !strings.Contains(w.Fields[crm.Email], "@"):
		return crm.Result{Err: &crm.Failure{Class: crm.Recorded, Code: noAddress}}
	case w.ID == "":
		c.made++
		w.ID = fmt.Sprintf("card-%d", c.made)
		c.cards[w.ID] = &card{maps.Clone(w.Fields), c.turns, c.turns}
		return crm.Result{ID: w.ID, Made: true}
	}
	for name, value := range w.Fields {
		if value != "" {
			is.Fields[name] = value
		}
	}
	is.changed = c.turns
	return crm.Result{ID: w.ID}
}

// Remove deletes a card that nobody changed.
func (c *CRM) Remove(_ context.Context, id string) (became crm.Removed, err error) {
	err = c.call(false, func() {
		switch is := c.cards[id]; {
		case is == nil:
			became = crm.Missing
		case is.changed != is.made:
			became = crm.Changed
		default:
			became = crm.Deleted
			delete(c.cards, id)
		}
	})
	return became, err
}

// Limits tells nothing of how much is used: nobody counts.
func (c *CRM) Limits() []crm.LimitState { return []crm.LimitState{{Limit: Provider.Limit()}} }

// Calls is how many were made.
func (c *CRM) Calls() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.calls
}

// CheckKey refuses all fields: none is unique.
func (c *CRM) CheckKey(context.Context, string) error {
	return &crm.Failure{Class: crm.Recorded, Code: crm.NoKey}
}

// CheckUp finds that it works.
func (c *CRM) CheckUp(context.Context) ([]crm.Check, error) {
	return []crm.Check{{Level: crm.Fine, What: "The toy works."}}, c.call(false, func() {})
}
