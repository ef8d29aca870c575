package views

import (
	"strconv"
	"time"
)

// TextField is a field of a form that one may leave empty.
type TextField struct {
	Name, Label, Hint string
	Value             string
}

// DeliverySettingsPage is for DeliverySettings, whose form posts csrf, one, several,
// share, pace, and what Ticks and Texts are named, to /integrations/{service}/settings.
type DeliverySettingsPage struct {
	Page
	Card      Integration
	One       string        // fill, update or leave
	Several   string        // newest or attention
	Ticks     []Choice      // leads and save, where the CRM has them
	Texts     []TextField   // key and placeholder, where the CRM has them
	Share     int           // percent
	Pace      string        // seconds between two batches at least
	Paces     []Option      // to choose from
	DayCosts  int           // what is limited that a day like the last seven costs, at most; 0 when nobody signed up
	All       bool          // each newsletter feeds the CRM
	Feeding   int           // or so many of them
	Removable bool          // it is one of the tenant's CRMs
	Shares    []int         // to choose from
	Limited   string        // what the share is of: "API calls"
	Window    time.Duration // in which they are counted
	Elsewhere int           // people who are in another org than the one that is connected
	Errors    FieldErrors
}

// wrong is what is wrong with either form of the page.
func (p DeliverySettingsPage) wrong() FieldErrors {
	if p.Card.LoginError != "" {
		return FieldErrors{"my_domain": p.Card.LoginError}
	}
	return p.Errors
}

func (p DeliverySettingsPage) shares() (all []Option) {
	for _, share := range p.Shares {
		all = append(all, Option{strconv.Itoa(share), strconv.Itoa(share) + " %"})
	}
	return all
}

// paceHint says what the pace is good for, and what it costs.
func (p DeliverySettingsPage) paceHint() string {
	hint := "Those who sign up in between travel together, which takes fewer " + p.Limited + ". A sign-up that comes alone goes at once."
	if p.DayCosts > 1 {
		hint += " A day like the last seven takes up to " + number(p.DayCosts) + " " + p.Limited + "."
	}
	return hint
}

// feeds says how many newsletters feed the CRM.
func (p DeliverySettingsPage) feeds() string {
	if p.All {
		return "The sign-ups of all newsletters go to " + p.Card.Name + "."
	}
	return "The sign-ups of " + count(p.Feeding, "newsletter", "newsletters") + " go to " + p.Card.Name + "."
}

// fields are those that one types into.
func (p DeliverySettingsPage) fields() []field {
	var all []field
	for _, t := range p.Texts {
		all = append(all, field{Name: t.Name, Label: t.Label, Value: t.Value, Hint: t.Hint, Optional: true})
	}
	return fields(p.Errors, all...)
}
