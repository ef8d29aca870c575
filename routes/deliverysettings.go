package routes

import (
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"time"

	"gatepost/crm"
	"gatepost/db"
	dispatch "gatepost/delivery"
	"gatepost/input"
	"gatepost/newsletter"
	"gatepost/views"

	"github.com/gofiber/fiber/v2"
)

// shares are the percentages of the API calls that a tenant may choose.
var shares = []int{25, 50, 75, 90, db.MaxShare}

// paces are how often a batch is sent at most, while more sign-ups come.
var paces = []struct {
	every time.Duration
	label string
}{{0, "At once, each sign-up alone"}, {time.Second, "Every second"}, {10 * time.Second, "Every 10 seconds"}, {time.Minute, "Every minute"}}

// fieldName is what the API name of a field looks like.
var fieldName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{0,79}$`)

// deliverySettings handles GET /integrations/{service}/settings.
func (s *server) deliverySettings(c *fiber.Ctx) error {
	card, err := s.card(c, c.Params("service"))
	if err != nil {
		return err
	}
	set, err := s.Health.DeliverySettings(c.UserContext(), s.here(c).Key())
	if err != nil {
		return err
	}
	return s.showDeliverySettings(c, http.StatusOK, card, set, nil)
}

func (s *server) showDeliverySettings(c *fiber.Ctx, status int, card views.Integration, set db.DeliverySettings, wrong views.FieldErrors) error {
	p := s.crm(c)
	d := s.here(c)
	orgs, err := s.Health.Orgs(c.UserContext(), d.Key())
	if err != nil {
		return err
	}
	received, err := s.Health.Received(c.UserContext(), d.TenantID, dispatch.CostsSince(who(c).now))
	if err != nil {
		return err
	}
	return render(c, status, views.DeliverySettings(views.DeliverySettingsPage{Page: s.page(c, card.Name+" settings", views.NavIntegrations), Card: card,
		All: d.All, Feeding: len(d.Newsletters), Removable: d.Service != "", Pace: paceValue(set.Pace), Paces: paceOptions(set.Pace), DayCosts: dispatch.DayCosts(received, set.Pace), Elsewhere: elsewhere(orgs, card), One: set.One, Several: set.Several, Ticks: ticks(p, set), Texts: texts(p, set), Share: set.Share, Shares: shares, Limited: p.Limit().Unit, Window: p.Limit().Window, Errors: wrong}))
}

// paceValue is a pace as a form has it, in seconds.
func paceValue(every time.Duration) string { return strconv.Itoa(int(every / time.Second)) }

// paceOptions are the paces to choose from, with the one that is set.
func paceOptions(set time.Duration) (all []views.Option) {
	for _, p := range paces {
		all = append(all, views.Option{Value: paceValue(p.every), Text: p.label})
	}
	if !slices.ContainsFunc(all, func(o views.Option) bool { return o.Value == paceValue(set) }) {
		all = append(all, views.Option{Value: paceValue(set), Text: "Every " + views.Wait(set)})
	}
	return all
}

// readPace is the pace that was chosen; the one that is set where the form doesn't ask.
func readPace(c *fiber.Ctx, set time.Duration) (every time.Duration, ok bool) {
	chosen := field(c, "pace")
	if chosen == "" || chosen == paceValue(set) {
		return set, true
	}
	for _, p := range paces {
		if paceValue(p.every) == chosen {
			return p.every, true
		}
	}
	return 0, false
}

// ticks are the options that one ticks, of those that the CRM has.
func ticks(p *crm.Provider, set db.DeliverySettings) (all []views.Choice) {
	is := map[crm.OptionName]bool{crm.OptionLeads: set.Leads, crm.OptionSaveDuplicates: set.SaveDuplicates}
	for _, o := range p.Options {
		if ticked, is := is[o.Name]; is {
			all = append(all, views.Choice{Name: string(o.Name), Value: "on", Label: o.Label, Hint: o.Hint, Checked: ticked, Checkbox: true})
		}
	}
	return all
}

// texts are the options that one types, of those that the CRM has.
func texts(p *crm.Provider, set db.DeliverySettings) (all []views.TextField) {
	is := map[crm.OptionName]string{crm.OptionPlaceholder: set.Placeholder, crm.OptionKey: set.Key}
	for _, o := range p.Options {
		if value, is := is[o.Name]; is {
			all = append(all, views.TextField{Name: string(o.Name), Label: o.Label, Hint: o.Hint, Value: value})
		}
	}
	return all
}

// setDeliverySettings handles POST /integrations/{service}/settings.
func (s *server) setDeliverySettings(c *fiber.Ctx) error {
	card, err := s.card(c, c.Params("service"))
	if err != nil {
		return err
	}
	was, err := s.Health.DeliverySettings(c.UserContext(), s.here(c).Key())
	if err != nil {
		return err
	}
	set, ok := readDeliverySettings(c, was)
	if !ok {
		s.flash(c, views.FlashWarning, "Nothing was saved: please choose one of the answers to each question.")
		return redirect(c, healthURL(c)+"/settings")
	}
	wrong := views.FieldErrors{}
	if name := set.Placeholder; input.Word(name) == "" {
		set.Placeholder = ""
	} else {
		if set.Placeholder, ok = newsletter.LastName(name); !ok {
			set.Placeholder, wrong["placeholder"] = cut(name, 500), "This can’t be a last name in "+s.crm(c).Name+". Please enter up to 80 letters or signs, without line breaks."
		}
	}
	badKey, err := s.checkKey(c, was, set.Key)
	if err != nil {
		return err
	}
	if badKey != "" {
		wrong["key"] = badKey
	}
	if len(wrong) > 0 {
		return s.showDeliverySettings(c, http.StatusUnprocessableEntity, card, set, wrong)
	}
	if err := s.Health.SetDeliverySettings(c.UserContext(), s.here(c).Key(), set); err != nil {
		return err
	}
	s.flash(c, views.FlashSuccess, "Saved. It holds from the next sign-up on.")
	return redirect(c, healthURL(c)+"/settings")
}

// readDeliverySettings reads what was chosen, if it can be.
func readDeliverySettings(c *fiber.Ctx, was db.DeliverySettings) (set db.DeliverySettings, ok bool) {
	pace, paced := readPace(c, was.Pace)
	share, err := strconv.Atoi(field(c, "share"))
	set = db.DeliverySettings{One: field(c, "one"), Several: field(c, "several"), Leads: field(c, "leads") == "on",
		SaveDuplicates: field(c, "save") == "on", Key: input.Word(field(c, "key")), Placeholder: field(c, "placeholder"), Share: share, Pace: pace}
	ok = err == nil && paced && share >= 1 && share <= db.MaxShare &&
		slices.Contains([]string{db.SeveralNewest, db.SeveralAttention}, set.Several) &&
		slices.Contains([]string{db.OneFill, db.OneUpdate, db.OneLeave}, set.One)
	return set, ok
}

// checkKey returns what is wrong with a field that is to be the key of records. One
// that is set already is not asked for again.
func (s *server) checkKey(c *fiber.Ctx, was db.DeliverySettings, key string) (wrong string, err error) {
	if key == "" || key == was.Key {
		return "", nil
	}
	noKey := s.crm(c).Sentence(crm.NoKey)
	if !fieldName.MatchString(key) {
		return noKey.What + " " + noKey.Mend, nil
	}
	err = s.Delivery.CheckKey(c.UserContext(), s.here(c).Key(), key)
	var f *crm.Failure
	switch {
	case !errors.As(err, &f):
		return "", err
	case f.Code == crm.NoKey:
		return noKey.What + " " + noKey.Mend, nil
	}
	return "This could not be checked: " + s.crm(c).Sentence(f.Code).What + " Nothing was saved; please try again later.", nil
}
