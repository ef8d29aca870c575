// Package toy is a CRM in memory: the least that a CRM has to be, for tests of what knows
// no CRM by its name.
package toy

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"gatepost/crm"
)

// ClubKey is no field: who is written becomes a member of the club that it names, by a call of its own.
const ClubKey = ":club"

// Service is the toy's id.
const Service = "toy"

// The codes with which it refuses.
const (
	noAddress = "NO_ADDRESS"
	noField   = "NO_FIELD"
	noValue   = "NO_VALUE"
	needed    = "FIELD_NEEDED"
)

// Provider is what is true of it.
var Provider = &crm.Provider{
	Service: Service, Name: "Toy CRM", Record: "person", Records: "people", Apps: "Toys",
	Batch: 10, Settles: crm.SettlingTime{One: time.Second, Many: 2 * time.Second, Full: 10},
	Limits:    []crm.Limit{{Unit: "Turns", Window: 3 * time.Hour}},
	OptOuts:   &crm.OptOuts{Flag: "No mail", Subscription: "magazine", Hint: "Nobody writes to who has it."},
	RecordURL: func(instanceURL, id string) string { return instanceURL + "/people/" + id },
	Codes: map[string]crm.Code{
		noAddress: crm.OneRecord(crm.Explain("Address not accepted", "Address not accepted", "{CRM} does not accept this e-mail address.", crm.You, "Ask the person for another address.")),
		noField:   crm.OfFields(crm.OneOrAll(crm.ByAdmin("Field missing", "Field missing", "{CRM} does not have a field that we fill in.", "add the field."))),
		noValue:   crm.OfFields(crm.OneRecord(crm.ByAdmin("Value not accepted", "Value not accepted", "{CRM} does not take a value that we fill in.", "add the value."))),
		needed:    crm.OfFields(crm.OneRecord(crm.ByAdmin("Required field missing", "Required field", "{CRM} requires a field that is not filled in.", "make the field optional."))),
	},
}

// CRM is a toy.
type CRM struct {
	mu    sync.Mutex
	cards map[string]*card
	made  int // cards ever
	turns int // of the clock: one for each write
	calls int

	// Fields are those that cards have beside the address and the names. Tests may change them
	// while nobody calls.
	Fields []crm.SchemaField

	// NoClub is how many calls that make people members of a club fail. Tests set it while nobody
	// calls.
	NoClub int

	// Magazines are those that people opt out of by themselves. NoMark hides who opted out, and Locked has that
	// stay as it is. Tests set them while nobody calls.
	Magazines      []crm.Subscription
	NoMark, Locked bool

	// LoseChange has the next call that anonymises a card do its work, and lose the answer.
	LoseChange bool

	down  int  // calls that fail as in an outage
	after bool // once they have done their work
	ended bool // the access has
}

type card struct {
	crm.Fields
	own           map[string]string
	clubs         []string
	out           map[string]bool // of which magazines the person wants none; that without an id is all mail
	made, changed int             // at which turn
}

var _ crm.CRM = (*CRM)(nil)

// New returns an empty toy.
func New() *CRM {
	return &CRM{cards: map[string]*card{}, Fields: fields(), Magazines: []crm.Subscription{{ID: "7", Name: "Monthly"}, {ID: "8", Name: "Yearly"}}}
}

// fields has a field of each type, and two that take no other values than theirs.
func fields() (all []crm.SchemaField) {
	for _, t := range []crm.ValueType{crm.TypeText, crm.TypeLongText, crm.TypeChoice, crm.TypeChoices, crm.TypeCheckbox, crm.TypeDate,
		crm.TypeTime, crm.TypeNumber, crm.TypeInteger, crm.TypeEmail, crm.TypePhone, crm.TypeURL} {
		f := crm.SchemaField{Key: "toy_" + string(t), Label: "Toy " + string(t), Type: t, Create: true, Update: true}
		switch t {
		case crm.TypeChoice, crm.TypeChoices:
			f.Closed, f.Values = true, []crm.Choice{{Value: "red"}, {Value: "green", Label: "Green"}, {Value: "blue"}}
		case crm.TypeText, crm.TypeLongText:
			f.Length = 100
		}
		all = append(all, f)
	}
	return all
}

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
func (c *CRM) Find(_ context.Context, emails []string, o crm.Options) (map[string][]crm.Record, error) {
	found := map[string][]crm.Record{}
	if len(emails) == 0 {
		return found, nil
	}
	var gone error
	err := c.call(false, func() {
		for key := range o.Read {
			if _, ok := c.field(key); !ok && key != ClubKey {
				gone = refused(noField, key, crm.Pause)
				return
			}
		}
		ids := slices.SortedFunc(maps.Keys(c.cards), func(a, b string) int { return c.cards[b].changed - c.cards[a].changed })
		for _, id := range ids {
			if email := strings.ToLower(c.cards[id].Fields[crm.Email]); slices.Contains(emails, email) {
				found[email] = append(found[email], c.record(id, o))
			}
		}
	})
	if err == nil {
		err = gone
	}
	return found, err
}

// record is a card as callers know it.
func (c *CRM) record(id string, o crm.Options) crm.Record {
	is := c.cards[id]
	r := crm.Record{ID: id, Fields: maps.Clone(is.Fields), Own: is.read(o)}
	if !o.OptOuts || c.NoMark {
		return r
	}
	r.OptedOut = is.out[""]
	for _, magazine := range o.Subscriptions {
		if is.out[magazine] {
			r.OptedOutOf = append(r.OptedOutOf, magazine)
		}
	}
	return r
}

// read are the fields of a card that are asked for.
func (k *card) read(o crm.Options) map[string]string {
	var own map[string]string
	for key := range o.Read {
		if v := k.own[key]; v != "" {
			if own == nil {
				own = map[string]string{}
			}
			own[key] = v
		}
	}
	return own
}

func (c *CRM) field(key string) (crm.SchemaField, bool) {
	i := slices.IndexFunc(c.Fields, func(f crm.SchemaField) bool { return f.Key == key })
	if i < 0 {
		return crm.SchemaField{}, false
	}
	return c.Fields[i], true
}

func takes(f crm.SchemaField, v crm.Value) bool {
	text, ok := crm.Canonical(f.Type, v.Text)
	if !ok || v.Type != f.Type || f.Length > 0 && utf8.RuneCountInString(text) > f.Length {
		return false
	}
	values := []string{text}
	if f.Type == crm.TypeChoices {
		values = v.Choices()
	}
	for _, one := range values {
		if f.Closed && !slices.ContainsFunc(f.Values, func(c crm.Choice) bool { return c.Value == one }) {
			return false
		}
	}
	return true
}

func refused(code, key string, class crm.Class) error {
	return &crm.Failure{Class: class, Code: code, Field: key, Changed: true}
}

// check refuses fields that a card hasn't, values that they don't take, and a new card without
// those that it needs.
func (c *CRM) check(w crm.Write) error {
	for _, key := range slices.Sorted(maps.Keys(w.Own)) {
		if key == ClubKey {
			continue
		}
		f, ok := c.field(key)
		if !ok || w.ID == "" && !f.Create || w.ID != "" && !f.Update {
			return refused(noField, key, crm.Recorded)
		}
		if !takes(f, w.Own[key]) {
			return refused(noValue, key, crm.Recorded)
		}
	}
	for _, f := range c.Fields {
		if _, given := w.Own[f.Key]; f.Required && !given && w.ID == "" {
			return refused(needed, f.Key, crm.Recorded)
		}
	}
	return nil
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
	if err == nil {
		c.join(writes, results)
	}
	return results, err
}

// join makes those who were written members of their clubs.
func (c *CRM) join(writes []crm.Write, results []crm.Result) {
	for i, w := range writes {
		club := w.Own[ClubKey].Text
		if club == "" || results[i].Err != nil {
			continue
		}
		err := c.call(false, func() {
			if is := c.cards[results[i].ID]; c.NoClub == 0 && !slices.Contains(is.clubs, club) {
				is.clubs = append(is.clubs, club)
			}
		})
		if c.NoClub > 0 {
			c.NoClub--
			err = &crm.Failure{Class: crm.Passing, Code: crm.Unavailable}
		}
		if err != nil {
			results[i].Err = &crm.Failure{Class: crm.Passing, Code: crm.Failed(err).Code, Tries: crm.Unexpected.Tries, Field: ClubKey}
		}
	}
}

// Clubs are those that a card's person is a member of.
func (c *CRM) Clubs(id string) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.cards[id].clubs)
}

func (c *CRM) write(w crm.Write) crm.Result {
	is := c.cards[w.ID]
	switch {
	case w.ID != "" && is == nil:
		return crm.Result{Err: &crm.Failure{Class: crm.Recorded, Code: crm.Gone}}
	case w.ID == "" && !strings.Contains(w.Fields[crm.Email], "@"):
		return crm.Result{Err: &crm.Failure{Class: crm.Recorded, Code: noAddress}}
	}
	if err := c.check(w); err != nil {
		return crm.Result{Err: err}
	}
	switch {
	case w.ID == "":
		c.made++
		w.ID = fmt.Sprintf("card-%d", c.made)
		c.cards[w.ID] = &card{maps.Clone(w.Fields), map[string]string{}, nil, map[string]bool{}, c.turns, c.turns}
		c.cards[w.ID].set(w)
		return crm.Result{ID: w.ID, Made: true}
	}
	for name, value := range w.Fields {
		if value != "" {
			is.Fields[name] = value
		}
	}
	is.set(w)
	is.changed = c.turns
	return crm.Result{ID: w.ID}
}

// set gives a card the fields that a write has for it.
func (k *card) set(w crm.Write) {
	for key, v := range w.Own {
		if key == ClubKey {
			continue
		}
		k.own[key], _ = crm.Canonical(v.Type, v.Text)
	}
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

// Anonymise empties a card that nobody changed.
func (c *CRM) Anonymise(_ context.Context, id string, own []crm.SchemaField, _ crm.Options) (crm.Removed, []string, error) {
	return crm.Anonymise(func() (s crm.Sight, err error) {
		err = c.call(false, func() { s = c.sight(id, own) })
		return s, err
	}, func(due map[string]any) error {
		c.down, c.after = c.down+bit(c.LoseChange), c.after || c.LoseChange
		c.LoseChange = false
		var refusal error
		err := c.call(true, func() { refusal = c.replace(id, due) })
		return cmp.Or(err, refusal)
	})
}

func bit(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

// sight is what a card still tells of its person.
func (c *CRM) sight(id string, own []crm.SchemaField) (s crm.Sight) {
	is := c.cards[id]
	if is == nil {
		return crm.Sight{Gone: true}
	}
	s.Changed = is.changed != is.made
	for name, to := range map[string]string{crm.Email: "", crm.FirstName: "", crm.LastName: crm.ErasedName} {
		s.Replace(name, is.Fields[name], to)
	}
	for _, f := range own {
		switch _, there := c.field(f.Key); {
		case there:
			s.Empty(f.Key, f, is.own[f.Key], "")
		case f.Label != "" && f.Key != ClubKey:
			s.Keep(f.Key)
		}
	}
	return s
}

func (c *CRM) replace(id string, due map[string]any) error {
	for name := range due {
		if f, own := c.field(name); own && !f.Update {
			return refused(noField, name, crm.Recorded)
		}
	}
	c.turns++
	is := c.cards[id]
	is.changed = c.turns
	for name, to := range due {
		switch name {
		case crm.Email, crm.FirstName, crm.LastName:
			is.Fields[name] = to.(string)
		default:
			is.own[name] = to.(string)
		}
	}
	return nil
}

// Holds is all that stands on a card.
func (c *CRM) Holds(id string) map[string]any {
	c.mu.Lock()
	defer c.mu.Unlock()
	holds := map[string]any{}
	for name, value := range c.cards[id].Fields {
		holds[name] = value
	}
	for key, value := range c.cards[id].own {
		holds[key] = value
	}
	return holds
}

// SetOptOuts notes on cards who wants no mail.
func (c *CRM) SetOptOuts(_ context.Context, all []crm.OptOut) (results []crm.OptOutResult, err error) {
	if len(all) == 0 {
		return nil, nil
	}
	err = c.call(true, func() {
		for _, w := range all {
			results = append(results, c.setOptOut(w))
		}
	})
	return results, err
}

func (c *CRM) setOptOut(w crm.OptOut) crm.OptOutResult {
	is := c.cards[w.ID]
	known := w.Subscription == "" || slices.ContainsFunc(c.Magazines, func(s crm.Subscription) bool { return s.ID == w.Subscription })
	switch {
	case is == nil:
		return crm.OptOutResult{Err: &crm.Failure{Class: crm.Recorded, Code: crm.Gone}}
	case c.NoMark || !known:
		return crm.OptOutResult{Err: &crm.Failure{Class: crm.Recorded, Code: crm.NoOptOut}}
	case is.out[w.Subscription] == !w.Back:
		return crm.OptOutResult{Was: true}
	case c.Locked:
		return crm.OptOutResult{Err: &crm.Failure{Class: crm.Recorded, Code: crm.NoOptOut}}
	}
	is.out[w.Subscription] = !w.Back
	return crm.OptOutResult{}
}

// OptedOut reports whether a card's person wants none of a magazine, or no mail at all.
func (c *CRM) OptedOut(id, magazine string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cards[id].out[magazine]
}

// Subscriptions are the magazines.
func (c *CRM) Subscriptions(context.Context) (all []crm.Subscription, err error) {
	err = c.call(false, func() { all = slices.Clone(c.Magazines) })
	return all, err
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

// Schema tells of Fields, and of the club.
func (c *CRM) Schema(context.Context) (s crm.Schema, err error) {
	err = c.call(false, func() {
		s.Fields = append(slices.Clone(c.Fields), crm.SchemaField{Key: ClubKey, Label: "Club", Type: crm.TypeText, Create: true, Update: true, Calls: "One more turn for each."})
	})
	return s, err
}

// CheckUp finds that it works.
func (c *CRM) CheckUp(context.Context) ([]crm.Check, error) {
	return []crm.Check{{Level: crm.Fine, What: "The toy works."}}, c.call(false, func() {})
}
