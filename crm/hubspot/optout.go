package hubspot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"gatepost/crm"
)

// Who wants which e-mail is told by properties that can't be written: the subscriptions API writes, by the
// address.
const (
	optOutProperty = "hs_email_optout" // of all e-mail; with _ and a number of one subscription type
	statusesPath   = "/communication-preferences/" + apiVersion + "/statuses/"
	typesPath      = "/communication-preferences/" + apiVersion + "/definitions"
)

// changesOptOuts are the scopes of which one is needed to change who wants which e-mail.
var changesOptOuts = []string{"communication_preferences.write", "communication_preferences.read_write"}

// mayOptOut reports whether a connection with some scopes may change who wants which e-mail.
func mayOptOut(scopes []string) bool {
	return slices.ContainsFunc(changesOptOuts, func(scope string) bool { return slices.Contains(scopes, scope) })
}

// propertyOfType is the property that tells of a subscription type; of all e-mail for none.
func propertyOfType(subscription string) string {
	if subscription == "" {
		return optOutProperty
	}
	return optOutProperty + "_" + subscription
}

// optOutNames are the properties that tell what Options asks for of opting out. A property that isn't there is no
// failure.
func optOutNames(o crm.Options) (names []string) {
	if !o.OptOuts {
		return nil
	}
	for _, id := range append([]string{""}, o.Subscriptions...) {
		names = append(names, propertyOfType(id))
	}
	return names
}

func (r contact) optedOut(subscription string) bool {
	return r.text(propertyOfType(subscription)) == "true"
}

// optedOutOf are those of some subscriptions that the contact opted out of.
func (r contact) optedOutOf(subscriptions []string) (out []string) {
	for _, id := range subscriptions {
		if r.optedOut(id) {
			out = append(out, id)
		}
	}
	return out
}

// SetOptOuts has HubSpot's subscriptions say who wants no e-mail, as crm.CRM says: a call reads of all what there
// is, and one more is made for each that is to be changed, since batches take another edition.
// HubSpot keeps it by the address: that is the contact's primary one, to which it sends. An opt-out of all e-mail can't be
// taken back there but by the person.
func (c *Client) SetOptOuts(ctx context.Context, all []crm.OptOut) ([]crm.OptOutResult, error) {
	results := make([]crm.OptOutResult, len(all))
	if len(all) == 0 {
		return results, nil
	}
	s, err := c.session(ctx, 0)
	if err != nil {
		return nil, err
	}
	if s.Scopes != nil && !mayOptOut(s.Scopes) {
		for i := range results {
			results[i].Err = noOptOut("")
		}
		return results, nil
	}
	is, err := c.optOutsOf(ctx, all)
	if err != nil {
		return nil, err
	}
	stopped := error(nil)
	for i, w := range all {
		r, there := is[w.ID]
		switch {
		case !there:
			results[i].Err = &crm.Failure{Class: crm.Recorded, Code: crm.Gone}
		case r.optedOut(w.Subscription) == !w.Back:
			results[i].Was = true
		case w.Back && w.Subscription == "":
			results[i].Err = &crm.Failure{Class: crm.Recorded, Code: crm.NoOptOut, Detail: "HubSpot lets nobody but the person take back an opt-out of all e-mail."}
		case stopped != nil:
			results[i].Err = stopped
		default:
			results[i].Err, stopped = c.setOptOut(ctx, w, r.text("email"))
		}
	}
	return results, nil
}

// optOutsOf are the contacts that are to be changed and are there, by their ids.
func (c *Client) optOutsOf(ctx context.Context, all []crm.OptOut) (map[string]contact, error) {
	r := map[string]any{}
	properties, inputs := []string{"email"}, []input{}
	for _, w := range all {
		if name := propertyOfType(w.Subscription); !slices.Contains(properties, name) {
			properties = append(properties, name)
		}
		if one := (input{ID: w.ID}); !slices.ContainsFunc(inputs, func(i input) bool { return i.ID == one.ID }) {
			inputs = append(inputs, one)
		}
	}
	r["properties"], r["inputs"] = properties, inputs
	b, err := c.batch(ctx, "read", r, request{})
	if err != nil {
		return nil, err
	}
	if f := b.failed(); f != nil {
		return nil, f
	}
	is := map[string]contact{}
	for _, one := range b.Results {
		is[one.ID] = one
	}
	return is, nil
}

// setOptOut changes whether an address gets e-mail. stopped is why nobody's can be changed now, nil
// where it says nothing of others.
func (c *Client) setOptOut(ctx context.Context, w crm.OptOut, email string) (failed, stopped error) {
	if email == "" { // to opt out by: it is nobody's any more, as when it was anonymised
		return &crm.Failure{Class: crm.Recorded, Code: crm.Gone, Detail: "The contact has no address."}, nil
	}
	path, sent := statusesPath+url.PathEscape(lower(email))+"/unsubscribe-all?channel=EMAIL", map[string]any{}
	if w.Subscription != "" {
		id, err := strconv.ParseInt(w.Subscription, 10, 64)
		if err != nil {
			return noOptOut("There is no such subscription type."), nil
		}
		path = statusesPath + url.PathEscape(lower(email))
		// The legal basis is demanded where the account has its privacy settings on.
		sent = map[string]any{"subscriptionId": id, "channel": "EMAIL", "statusState": "UNSUBSCRIBED", "legalBasis": "CONSENT_WITH_NOTICE", "legalBasisExplanation": "The person left the newsletter."}
		if w.Back {
			sent["statusState"], sent["legalBasisExplanation"] = "SUBSCRIBED", "The person signed up for the newsletter again and confirmed it."
		}
	}
	body, err := json.Marshal(sent)
	if err != nil {
		return unsent(fmt.Errorf("encode an opt-out: %w", err)), nil
	}
	_, err = c.call(ctx, request{method: http.MethodPost, path: path, body: body, write: true, single: true})
	f, is := errors.AsType[*crm.Failure](err)
	switch {
	case err == nil:
		return nil, nil
	case is && (f.Code == missingScopes || f.Code == forbidden) && !f.Unknown:
		return noOptOut(f.Detail), noOptOut(f.Detail)
	case is && f.Class == crm.Recorded:
		return f, nil
	}
	notSent := *crm.Failed(err)
	notSent.Unknown = false
	return err, &notSent
}

func noOptOut(detail string) *crm.Failure {
	return &crm.Failure{Class: crm.Recorded, Code: crm.NoOptOut, Detail: detail}
}

// Subscriptions are HubSpot's subscription types of e-mail that are in use.
func (c *Client) Subscriptions(ctx context.Context) (all []crm.Subscription, err error) {
	types, err := listed[struct {
		ID       json.Number `json:"id"`
		Name     string      `json:"name"`
		Active   bool        `json:"isActive"`
		Internal bool        `json:"isInternal"`
	}](ctx, c, typesPath)
	if f, is := errors.AsType[*crm.Failure](err); is && (f.Code == missingScopes || f.Code == forbidden) {
		return nil, noOptOut(f.Detail)
	}
	for _, t := range types {
		if t.Active && !t.Internal && t.ID != "" {
			all = append(all, crm.Subscription{ID: t.ID.String(), Name: t.Name})
		}
	}
	return all, err
}
