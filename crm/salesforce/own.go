package salesforce

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"gatepost/crm"
)

// ownName is what a field of a key is called in an object; ok is false where the object hasn't got it.
// shared are the keys that Leads have as Contacts do: see sharedKeys.
func ownName(key, object string, shared []string) (name string, ok bool) {
	name, ofLeads := strings.CutPrefix(key, leadPrefix)
	switch {
	case strings.HasPrefix(key, ":"):
		return "", false
	case object == "Lead":
		return name, ofLeads || slices.Contains(shared, key)
	}
	return name, !ofLeads
}

// ownNames are the names that the fields to be read have in an object, in order.
func ownNames(read map[string]crm.ValueType, object string, shared []string) (names []string) {
	for _, key := range slices.Sorted(maps.Keys(read)) {
		if name, ok := ownName(key, object, shared); ok {
			names = append(names, name)
		}
	}
	return names
}

// own are the fields of a record that are to be read and hold something. One that its object hasn't
// got isn't there.
func (r row) own(read map[string]crm.ValueType) (own map[string]string) {
	object := objectOf(r.text("Id"))
	for key, t := range read {
		name, ofLeads := strings.CutPrefix(key, leadPrefix)
		text := textOf(r[name], t)
		if text == "" || ofLeads && object != "Lead" {
			continue
		}
		if own == nil {
			own = map[string]string{}
		}
		own[key] = text
	}
	return own
}

// timeLayout is how Salesforce writes times: the offset has no colon.
const timeLayout = "2006-01-02T15:04:05.000-0700"

// textOf is what a field holds, as crm.ValueType writes it down; empty for nothing. What doesn't fit
// its type is as it came.
func textOf(v any, t crm.ValueType) string {
	var text string
	switch v := v.(type) {
	case string:
		text = v
	case json.Number:
		text = v.String()
	case bool:
		return map[bool]string{true: "true", false: "false"}[v]
	}
	if at, err := time.Parse(timeLayout, text); t == crm.TypeTime && err == nil {
		return crm.CanonicalTime(at)
	}
	canonical, ok := crm.Canonical(t, text)
	if !ok {
		return text
	}
	return canonical
}

// jsonOf is a value as Salesforce takes it.
func jsonOf(v crm.Value) any {
	text, ok := crm.Canonical(v.Type, v.Text)
	switch {
	case !ok:
		return v.Text // and Salesforce says what is wrong with it
	case v.Type == crm.TypeCheckbox:
		return text == "true"
	case v.Type == crm.TypeNumber || v.Type == crm.TypeInteger:
		return json.Number(text)
	}
	return text
}

// setOwn gives a record of an object the fields that a write has for it.
func (f fields) setOwn(w crm.Write, object string, shared []string) {
	for key, v := range w.Own {
		if name, ok := ownName(key, object, shared); ok {
			f[name] = jsonOf(v)
		}
	}
}

// Shapes remembers, for the clients of a process, which fields the Leads of an org have as its Contacts
// do, so that it isn't asked with each batch, and whether the connected user sees who wants no e-mail. Its
// zero value is ready for use.
type Shapes struct {
	mu     sync.Mutex
	orgs   map[string]shape
	hidden map[string]time.Time // since when the mark for that is known to be hidden
}

type shape struct {
	shared []string
	at     time.Time
}

// shapeLife is how long an org's fields are taken for what they were.
const shapeLife = time.Hour

func (s *Shapes) of(org string) (shared []string, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	is, ok := s.orgs[org]
	return is.shared, ok && time.Since(is.at) < shapeLife
}

func (s *Shapes) keep(org string, shared []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.orgs == nil {
		s.orgs = map[string]shape{}
	}
	s.orgs[org] = shape{shared, time.Now()}
}

func (s *Shapes) forget(org string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.orgs, org)
}

// showsOptOut reports whether an org may be asked who wants no e-mail.
func (s *Shapes) showsOptOut(org string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, hidden := s.hidden[org]
	return !hidden || time.Since(at) >= shapeLife
}

func (s *Shapes) hideOptOut(org string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hidden == nil {
		s.hidden = map[string]time.Time{}
	}
	s.hidden[org] = time.Now()
}

// noteChanged forgets an org's fields when a failure says that they may be others by now.
func (c *Client) noteChanged(f *crm.Failure) *crm.Failure {
	if f.Changed {
		c.shapes.forget(c.Target().OrgID)
	}
	return f
}

// sharedToRead are the keys that Leads share, where a look-up needs to know.
func (c *Client) sharedToRead(ctx context.Context, emails []string, o crm.Options) ([]string, error) {
	if !o.Leads || len(emails) == 0 || !hasPlain(maps.Keys(o.Read)) {
		return nil, nil
	}
	return c.shared(ctx)
}

// sharedToWrite are the keys that Leads share, where some writes need to know.
func (c *Client) sharedToWrite(ctx context.Context, writes []crm.Write, o crm.Options) ([]string, error) {
	for _, w := range writes {
		if written(w, o) == "Lead" && hasPlain(maps.Keys(w.Own)) {
			return c.shared(ctx)
		}
	}
	return nil, nil
}

// hasPlain reports whether there is a key among some that doesn't tell the object.
func hasPlain(keys func(func(string) bool)) bool {
	for key := range keys {
		if !strings.HasPrefix(key, ":") && !strings.HasPrefix(key, leadPrefix) {
			return true
		}
	}
	return false
}

// shared are the keys of the fields that Leads have as Contacts do. It takes a call an hour.
func (c *Client) shared(ctx context.Context) ([]string, error) {
	if shared, ok := c.shapes.of(c.Target().OrgID); ok {
		return shared, nil
	}
	answers, err := c.composite(ctx, []part{
		{Method: http.MethodGet, URL: apiPath + "/sobjects/Contact/describe"},
		{Method: http.MethodGet, URL: apiPath + "/sobjects/Lead/describe"},
	}, false)
	if err != nil {
		return nil, err
	}
	contact, f := parseDescribed(answers[0])
	if f != nil {
		return nil, f
	}
	lead, f := parseDescribed(answers[1])
	if f != nil {
		return nil, f
	}
	return c.keepShape(contact, lead), nil
}

func (c *Client) keepShape(contact, lead described) []string {
	shared := sharedKeys(contact, lead)
	c.shapes.keep(c.Target().OrgID, shared)
	return shared
}

// noteFields names the fields that failures are about by their keys: of a Lead, a key may tell so. A
// field that isn't among those that were written needn't be a mapping's.
func (c *Client) noteFields(writes []crm.Write, o crm.Options, results []crm.Result) {
	shared, known := c.shapes.of(c.Target().OrgID)
	for i, w := range writes {
		f, ok := errors.AsType[*crm.Failure](results[i].Err)
		if !ok {
			continue
		}
		_, theirs := w.Own[leadPrefix+f.Field]
		if f.Field != "" && written(w, o) == "Lead" && (theirs || known && !slices.Contains(shared, f.Field)) {
			f.Field = leadPrefix + f.Field
		}
		if f.Field == accountField && w.Own[accountKey].Text != "" {
			f.Field = accountKey
		}
		c.noteChanged(f)
	}
}
