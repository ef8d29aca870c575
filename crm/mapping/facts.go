package mapping

import (
	"cmp"
	"slices"
	"strings"

	"gatepost/crm"
	"gatepost/forms"
)

// Fact is something that is known of a sign-up beside what was filled in.
type Fact struct {
	Name    string
	Label   string
	Type    crm.ValueType
	From    string   // the hidden fields of which it is the value: Field.From; empty for what Gatepost knows itself
	Never   bool     // it is never empty
	Values  []string // of choices, all that there are
	Leaving bool     // it changes when somebody leaves
}

// The values of FactStatus.
const (
	StatusActive = "active"
	StatusLeft   = "left"
)

// The names of the facts that Gatepost knows itself.
const (
	FactNewsletter  = "newsletter"
	FactSlug        = "newsletter_slug"
	FactSource      = "source"
	FactSignedUp    = "signed_up"
	FactConsentTime = "consent_time"
	FactConsent     = "consent_words"
	FactVersion     = "consent_version"
	FactConfirmed   = "confirmed_at"
	FactStatus      = "subscription_status"
	FactLeftAt      = "left_at"
	FactUnsubscribe = "unsubscribe_address"
	FactPage        = "page" // where a hidden field tells none: the address without its query
)

// Facts are all facts, in the order in which they are offered.
var Facts = []Fact{
	{Name: FactNewsletter, Label: "Name of the newsletter", Type: crm.TypeText, Never: true},
	{Name: FactSlug, Label: "URL name of the newsletter", Type: crm.TypeText, Never: true},
	{Name: FactSignedUp, Label: "Time of the first sign-up", Type: crm.TypeTime, Never: true},
	{Name: FactSource, Label: "How they signed up (form, api or test)", Type: crm.TypeText, Never: true},
	{Name: FactConsentTime, Label: "Time of the consent", Type: crm.TypeTime, Never: true},
	{Name: FactConsent, Label: "Words of the consent", Type: crm.TypeLongText, Never: true},
	{Name: FactVersion, Label: "Version of the form they agreed on", Type: crm.TypeInteger, Never: true},
	{Name: FactConfirmed, Label: "Time of the confirmation", Type: crm.TypeTime},
	{Name: FactUnsubscribe, Label: "Address to unsubscribe", Type: crm.TypeURL, Never: true},
	{Name: FactStatus, Label: "Status: active or left", Type: crm.TypeChoice, Never: true, Values: []string{StatusActive, StatusLeft}, Leaving: true},
	{Name: FactLeftAt, Label: "Time of leaving", Type: crm.TypeTime, Leaving: true},
	{Name: FactPage, Label: "Page with the form", Type: crm.TypeURL, From: "page"},
	{Name: "referrer", Label: "Page that led to the form", Type: crm.TypeURL, From: "referrer"},
	{Name: "campaign", Label: "Campaign", Type: crm.TypeText, From: "campaign"},
	{Name: "utm_source", Label: "UTM source", Type: crm.TypeText, From: "utm_source"},
	{Name: "utm_medium", Label: "UTM medium", Type: crm.TypeText, From: "utm_medium"},
	{Name: "utm_campaign", Label: "UTM campaign", Type: crm.TypeText, From: "utm_campaign"},
	{Name: "utm_term", Label: "UTM term", Type: crm.TypeText, From: "utm_term"},
	{Name: "utm_content", Label: "UTM content", Type: crm.TypeText, From: "utm_content"},
}

// Offered is a source that may be chosen. The same one may be offered several times, where
// the forms of several newsletters have a field with the same key: it must fit as each.
type Offered struct {
	Kind   Kind
	Name   string
	Label  string
	Type   crm.ValueType
	Most   int      // characters of text; 0 where that isn't known
	Values []string // of choices, all that there are; none where any may come
	Never  bool     // it is never empty
}

// Offer returns what may be a source for the sign-ups of newsletters with the given forms: their
// fields, by label, and then the facts.
func Offer(of ...forms.Definition) (all []Offered) {
	for _, d := range of {
		for _, f := range d.Fields {
			if t, ok := types[f.Type]; ok && !f.Deleted {
				all = append(all, Offered{Kind: KindField, Name: f.Key, Label: cmp.Or(f.Label, f.Key), Type: t, Most: most(f), Values: values(f), Never: f.Required})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b Offered) int {
		return cmp.Or(strings.Compare(strings.ToLower(a.Label), strings.ToLower(b.Label)), strings.Compare(a.Name, b.Name))
	})
	for _, f := range Facts {
		all = append(all, Offered{Kind: KindFact, Name: f.Name, Label: f.Label, Type: f.Type, Never: f.Never, Values: f.Values})
	}
	return all
}

// TellsLeaving reports whether what the row fills its field with changes when somebody leaves.
func (r Row) TellsLeaving() bool {
	return r.Source.Kind == KindFact && slices.ContainsFunc(Facts, func(f Fact) bool { return f.Leaving && f.Name == r.Source.Name })
}

// types are those of a form's fields, as values of the CRM's; the address and the names are
// no sources.
var types = map[forms.Type]crm.ValueType{
	forms.Text: crm.TypeText, forms.LongText: crm.TypeLongText, forms.Choice: crm.TypeChoice, forms.Choices: crm.TypeChoices,
	forms.Checkbox: crm.TypeCheckbox, forms.Date: crm.TypeDate, forms.Number: crm.TypeNumber, forms.Phone: crm.TypePhone,
	forms.Country: crm.TypeChoice, forms.Hidden: crm.TypeText,
}

// most is how many characters a field takes; 0 for what has none to count.
func most(f forms.Field) int {
	if limited(types[f.Type]) && f.Type != forms.Choice && f.Type != forms.Country {
		return f.Limit()
	}
	return 0
}

// values are all that a field may hold; none where that is not a list of the form's.
func values(f forms.Field) (all []string) {
	switch f.Type {
	case forms.Checkbox:
		return []string{"true", "false"}
	case forms.Choice, forms.Choices:
		for _, o := range f.Options {
			all = append(all, o.Value)
		}
	}
	return all
}

// Keys leads from each key that a field has or had to the field's id.
type Keys map[string]string

// KeysOf are the keys of a form, and of all versions before it.
func KeysOf(d forms.Definition) Keys {
	all := Keys{}
	for _, f := range d.Fields {
		all[f.Key] = f.ID
		for _, key := range f.Was {
			all[key] = f.ID
		}
	}
	return all
}

// SignUp is what is known of somebody's sign-up for one newsletter.
type SignUp struct {
	Values map[string]string // by the keys of fields: see forms.Values
	Facts  map[string]string // by their names, as their types are written down
}

// Said makes a SignUp of what was stored: values by the ids of fields, facts that Gatepost
// knows itself. Those that hidden fields bring are taken from the values.
func Said(values forms.Values, form forms.Definition, keys Keys, facts map[string]string) SignUp {
	s := SignUp{Values: map[string]string{}, Facts: facts}
	for key, id := range keys {
		if v := values[id]; v != "" {
			s.Values[key] = v
		}
	}
	for _, f := range form.Fields {
		if v := values[f.ID]; f.Type == forms.Hidden && v != "" {
			for _, fact := range Facts {
				if fact.From != "" && fact.From == f.From {
					s.Facts[fact.Name] = v
				}
			}
		}
	}
	return s
}

// of is the value of a source; empty where there is none.
func (s SignUp) of(from Source) string {
	switch from.Kind {
	case KindField:
		return s.Values[from.Name]
	case KindFact:
		return s.Facts[from.Name]
	}
	return from.Text
}
