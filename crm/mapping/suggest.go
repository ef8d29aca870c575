package mapping

import (
	"strings"
	"unicode"

	"gatepost/crm"
)

// suggestion is a source for fields that are called so, in letters and digits alone.
type suggestion struct {
	called []string
	Source
	Rule
}

// suggestions are facts that fit fields which are called so: offered, and never taken unasked.
var suggestions = []suggestion{
	{[]string{"newsletter", "newslettername", "newsletters"}, Source{Kind: KindFact, Name: FactNewsletter}, RuleEmpty},
	{[]string{"newsletterconsenttime", "consenttime", "consentdate", "optindate", "newsletteroptindate"}, Source{Kind: KindFact, Name: FactConsentTime}, RuleEmpty},
	{[]string{"utmsource"}, Source{Kind: KindFact, Name: "utm_source"}, RuleEmpty},
	{[]string{"utmmedium"}, Source{Kind: KindFact, Name: "utm_medium"}, RuleEmpty},
	{[]string{"utmcampaign"}, Source{Kind: KindFact, Name: "utm_campaign"}, RuleEmpty},
}

// Suggest returns rows that may be a beginning, as far as they fit: constants that the CRM offers, those of
// suggestions, and for each field of the form the CRM's that is called the same.
func Suggest(s crm.Schema, offered []Offered) (m Mapping) {
	all := Index(s)
	for _, f := range s.Fields {
		r := Row{Target: f.Key, Type: f.Type, Label: f.Label}
		if !r.suggested(f, offered) {
			continue
		}
		if !f.Update {
			r.Rule = RuleCreate
		}
		if one := (Mapping{Rows: []Row{r}}); !blames(all.Check(one, offered)) {
			m.Rows = append(m.Rows, r)
		}
	}
	return m
}

// suggested fills in what is suggested for a field.
func (r *Row) suggested(f crm.SchemaField, offered []Offered) bool {
	if f.Offer != "" {
		r.Source, r.Rule = Source{Kind: KindConstant, Text: f.Offer}, RuleCreate
		return true
	}
	key, label := plain(f.Key), plain(f.Label)
	for _, s := range suggestions {
		for _, name := range s.called {
			if key == name || label == name {
				r.Source, r.Rule = s.Source, s.Rule
				return true
			}
		}
	}
	for _, o := range offered {
		if o.Kind == KindField && (plain(o.Name) == key || plain(o.Label) == label) {
			r.Source, r.Rule = Source{Kind: KindField, Name: o.Name}, RuleEmpty
			return true
		}
	}
	return false
}

// blames reports whether a row is to blame for any of some problems.
func blames(problems []Problem) bool {
	for _, p := range problems {
		if p.Row >= 0 {
			return true
		}
	}
	return false
}

// plain are the letters and digits of a name, in lower case.
func plain(name string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, name)
}
