package mockhubspot

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"gatepost/simulated"
)

// subscriptionType is a kind of e-mail that people can be written to with.
type subscriptionType struct {
	ID                   int64
	Name, Purpose, About string
}

// subscriptionTypes are those that every account has.
var subscriptionTypes = []subscriptionType{
	{1001, "Newsletter", "Marketing", "News that everybody gets who signed up."},
	{1002, "Product updates", "Marketing", "What is new in the product."},
}

// property is the property of a contact that mirrors an opt-out of the type.
func (t subscriptionType) property() string { return fmt.Sprintf("hs_email_optout_%d", t.ID) }

// everything stands for all types where somebody opted out of all.
const everything = 0

// bases are the legal bases on which somebody may be written to.
var bases = []string{"LEGITIMATE_INTEREST_PQL", "LEGITIMATE_INTEREST_CLIENT", "LEGITIMATE_INTEREST_OTHER", "PERFORMANCE_OF_CONTRACT",
	"CONSENT_WITH_NOTICE", "PROCESS_AND_STORE", "NON_GDPR"}

// listSubscriptions handles GET /communication-preferences/…/definitions.
func (c *call) listSubscriptions(context.Context) (reply, error) {
	list := []map[string]any{}
	at := formatTime(0)
	for _, t := range subscriptionTypes {
		list = append(list, map[string]any{"id": fmt.Sprint(t.ID), "name": t.Name, "description": t.About, "purpose": t.Purpose,
			"communicationMethod": "Email", "isActive": true, "isDefault": false, "isInternal": false, "businessUnitId": 0, "createdAt": at, "updatedAt": at})
	}
	return c.batchAnswer(http.StatusOK, http.StatusOK, list, nil), nil
}

// consent is what an address agreed to or refused.
type consent struct {
	subscription               int64
	status, basis, explanation string
	at                         int64
}

// subscriber returns the address that a call is about, which must name its channel.
func (c *call) subscriber(channel string) (string, error) {
	email := strings.ToLower(strings.TrimSpace(c.path[0]))
	if channel != "EMAIL" {
		return "", invalid("channel must be EMAIL")
	}
	if !c.set().goodEmail(email) {
		return "", invalid("Email address " + email + " is invalid")
	}
	return email, nil
}

func consents(ctx context.Context, q querier, org, email string) (map[int64]consent, error) {
	all := map[int64]consent{}
	err := simulated.Rows(ctx, q, func(rs *sql.Rows) error {
		var v consent
		err := rs.Scan(&v.subscription, &v.status, &v.basis, &v.explanation, &v.at)
		all[v.subscription] = v
		return err
	}, `SELECT subscription, status, basis, explanation, at FROM subscriptions WHERE org = $1 AND email = $2`, org, email)
	return all, err
}

// status is a consent as the API tells it.
func (t subscriptionType) status(email string, v consent) map[string]any {
	d := map[string]any{"channel": "EMAIL", "subscriberIdString": email, "subscriptionId": t.ID, "subscriptionName": t.Name, "businessUnitId": 0,
		"status": "NOT_SPECIFIED", "source": "", "legalBasis": nilIfEmpty(v.basis), "legalBasisExplanation": nilIfEmpty(v.explanation), "timestamp": formatTime(v.at)}
	if v.status != "" {
		d["status"], d["source"] = v.status, "API"
	}
	return d
}

// listStatuses handles GET /communication-preferences/…/statuses/{email}.
func (c *call) listStatuses(ctx context.Context) (reply, error) {
	email, err := c.subscriber(c.query.Get("channel"))
	if err != nil {
		return reply{}, err
	}
	all, err := consents(ctx, c.s.core.Read, c.who.org, email)
	if err != nil {
		return reply{}, err
	}
	var list []map[string]any
	for _, t := range subscriptionTypes {
		list = append(list, t.status(email, all[t.ID]))
	}
	return c.batchAnswer(http.StatusOK, http.StatusOK, list, nil), nil
}

// newStatus is the body of a call that changes a consent.
type newStatus struct {
	Subscription int64  `json:"subscriptionId"`
	Status       string `json:"statusState"`
	Channel      string `json:"channel"`
	Basis        string `json:"legalBasis"`
	Explanation  string `json:"legalBasisExplanation"`
}

func (in newStatus) check(set *settings) error {
	switch {
	case !slices.Contains([]string{"SUBSCRIBED", "UNSUBSCRIBED", "NOT_SPECIFIED"}, in.Status):
		return invalid("statusState must be SUBSCRIBED, UNSUBSCRIBED or NOT_SPECIFIED")
	case in.Basis != "" && !slices.Contains(bases, in.Basis):
		return invalid("there is no legalBasis " + in.Basis)
	case set.PrivacySettings && (in.Basis == "" || in.Explanation == ""):
		return invalid("legalBasis and legalBasisExplanation are required because this account has its data privacy settings on")
	}
	return nil
}

// setStatus handles POST /communication-preferences/…/statuses/{email}.
func (c *call) setStatus(ctx context.Context) (reply, error) {
	var in newStatus
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	email, err := c.subscriber(in.Channel)
	if err == nil {
		err = in.check(c.set())
	}
	if err != nil {
		return reply{}, err
	}
	i := slices.IndexFunc(subscriptionTypes, func(t subscriptionType) bool { return t.ID == in.Subscription })
	if i < 0 {
		return reply{}, invalid(fmt.Sprintf("there is no subscription type %d", in.Subscription))
	}
	v := consent{in.Subscription, in.Status, in.Basis, in.Explanation, c.s.core.Now()}
	if err := c.consented(ctx, email, v, subscriptionTypes[i].property()); err != nil {
		return reply{}, err
	}
	return reply{http.StatusOK, subscriptionTypes[i].status(email, v)}, nil
}

// consented keeps a consent, and mirrors it in the contact with that address.
func (c *call) consented(ctx context.Context, email string, v consent, mirror string) error {
	return c.s.core.Tx(ctx, func(q querier) error {
		if _, err := q.ExecContext(ctx, `INSERT INTO subscriptions (org, email, subscription, status, basis, explanation, at)
			VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (org, email, subscription) DO UPDATE SET
			status = excluded.status, basis = excluded.basis, explanation = excluded.explanation, at = excluded.at`,
			c.who.org, email, v.subscription, v.status, v.basis, v.explanation, v.at); err != nil {
			return err
		}
		found, err := byKey(ctx, q, c.who.org, &property{Name: "email"}, []string{email})
		if err != nil || len(found) == 0 {
			return err
		}
		list, err := bySeq(ctx, q, c.who.org, numbersOf(found))
		if err != nil {
			return err
		}
		r := list[found[email]]
		r.props[mirror] = fmt.Sprint(v.status == "UNSUBSCRIBED")
		return c.s.save(ctx, q, r)
	})
}

// wide is an opt-out of everything as the API tells it.
func wide(email string, v consent) map[string]any {
	return map[string]any{"channel": "EMAIL", "subscriberIdString": email, "wideStatusType": "PORTAL_WIDE", "status": v.status, "businessUnitId": 0, "timestamp": formatTime(v.at)}
}

// showOptOut handles GET …/unsubscribe-all: no result means that nothing was opted out of.
func (c *call) showOptOut(ctx context.Context) (reply, error) {
	email, err := c.subscriber(c.query.Get("channel"))
	if err != nil {
		return reply{}, err
	}
	all, err := consents(ctx, c.s.core.Read, c.who.org, email)
	if err != nil {
		return reply{}, err
	}
	var list []map[string]any
	if v, ok := all[everything]; ok {
		list = append(list, wide(email, v))
	}
	return c.batchAnswer(http.StatusOK, http.StatusOK, list, nil), nil
}

// optOut handles POST …/unsubscribe-all.
func (c *call) optOut(ctx context.Context) (reply, error) {
	email, err := c.subscriber(c.query.Get("channel"))
	if err != nil {
		return reply{}, err
	}
	v := consent{subscription: everything, status: "UNSUBSCRIBED", at: c.s.core.Now()}
	if err := c.consented(ctx, email, v, "hs_email_optout"); err != nil {
		return reply{}, err
	}
	return c.batchAnswer(http.StatusOK, http.StatusOK, []map[string]any{wide(email, v)}, nil), nil
}
