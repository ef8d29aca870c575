package routes

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"gatepost/crm"
	"gatepost/db"
	"gatepost/identity"
	"gatepost/views"

	"github.com/gofiber/fiber/v2"
)

// integrations handles GET /integrations: the CRMs, and the apps that no sign-ups go to.
func (s *server) integrations(c *fiber.Ctx) error {
	cards, err := s.crmCards(c)
	if err != nil {
		return err
	}
	return s.showIntegrations(c, http.StatusOK, cards)
}

// crmCards are the cards of all CRMs that there are.
func (s *server) crmCards(c *fiber.Ctx) (cards []views.Integration, err error) {
	for _, p := range s.CRMs {
		card, err := s.card(c, p.Service)
		if err != nil {
			return nil, err
		}
		cards = append(cards, card)
	}
	return cards, nil
}

func (s *server) showIntegrations(c *fiber.Ctx, status int, cards []views.Integration) error {
	troubles, err := s.incidents(c)
	if err != nil {
		return err
	}
	return render(c, status, views.Integrations(views.IntegrationsPage{Page: s.page(c, "Integrations", views.NavIntegrations), Incidents: troubles,
		CRMs: cards, Unsent: s.unsent(c), Others: s.otherServices(c)}))
}

// unsent is how many wait until the tenant connects its first CRM.
func (s *server) unsent(c *fiber.Ctx) (n int) {
	for _, d := range s.destinations(c) {
		if d.crm == nil {
			n += d.waiting()
		}
	}
	return n
}

// integration handles GET /integrations/{service}: a CRM's status, or the page of an app
// that no sign-ups go to.
func (s *server) integration(c *fiber.Ctx) error {
	card, err := s.card(c, c.Params("service"))
	switch {
	case err != nil:
		return err
	case !card.Other:
		return s.crmPage(c, card)
	case !s.concerns(c, card.Service):
		return identity.ErrNoService
	}
	return render(c, http.StatusOK, views.App(views.AppPage{Page: s.page(c, card.Name, views.NavIntegrations), App: card}))
}

// crmPage is the first page of a CRM: its status, or what one connects it with when no
// sign-ups go there yet.
func (s *server) crmPage(c *fiber.Ctx, card views.Integration) error {
	if _, ok := s.destination(c, card.Service); ok {
		return s.statusPage(c)
	}
	page := views.NewCRMPage{Page: s.page(c, card.Name, views.NavIntegrations), Card: card}
	for _, p := range s.crmsOf(c) {
		page.Beside = append(page.Beside, viewCRM(p))
	}
	return render(c, http.StatusOK, views.NewCRM(page))
}

// integrationCard handles GET /integrations/{service}/card, which the page polls.
func (s *server) integrationCard(c *fiber.Ctx) error {
	card, err := s.card(c, c.Params("service"))
	if err != nil {
		return err
	}
	if card.Version() == c.Query("seen") {
		return c.SendStatus(http.StatusNoContent)
	}
	return render(c, http.StatusOK, views.IntegrationCardUpdate(card, c.Query("seen")))
}

// card is what is to be said of the tenant's connection to a service.
func (s *server) card(c *fiber.Ctx, service string) (views.Integration, error) {
	for _, connection := range who(c).connections {
		if connection.ID == service {
			return s.cardOf(c, connection), nil
		}
	}
	return views.Integration{}, identity.ErrNoService
}

// cardOf is what is to be said of a connection, with the sign-ups that go by it.
func (s *server) cardOf(c *fiber.Ctx, connection identity.Connection) views.Integration {
	card := s.describe(connection)
	card.CSRF = s.formToken(c)
	if d, ok := s.destination(c, card.Service); ok {
		card.Waiting, card.Attention = d.waiting(), d.inAttention()
		card.Delayed = card.Waiting > 0 && (d.Pause.Reason != "" || s.overdue(d.Due))
		card.LastArrival = d.LastDelivered
		card.LastEvent = who(c).overview.LastEvent
	} else if !card.Other { // it was removed, so that nothing waits for it
		card.DisconnectedAt, card.DisconnectedBy = time.Time{}, ""
	}
	return card
}

// overdue reports whether somebody has been due for longer than it should take.
func (s *server) overdue(due time.Time) bool {
	return !due.IsZero() && s.Now().Sub(due) >= views.TooLong
}

// describe tells a connection in words.
func (s *server) describe(c identity.Connection) views.Integration {
	p := s.CRMs.Of(c.ID)
	card := views.Integration{Service: c.ID, Name: c.Name, State: views.NotConnected, Other: p == nil, NoApp: c.App == "" && !c.OwnApp, RevocationPending: c.Unrevoked > 0}
	if p != nil {
		card.CRM, card.Logins, card.Several = viewCRM(p), logins(p.Logins), len(s.CRMs) > 1
	}
	if i := c.Identity; i != nil {
		card.State, card.OwnApp = views.Connected, i.OwnApp
		card.Approvals, card.ApprovalLimit = c.Approvals, c.ApprovalLimit
		card.Org, card.Scopes = org(i.Grant), strings.Fields(i.Scopes)
		card.MissingScopes = c.MissingScopes
		card.ConnectedBy, card.ConnectedAt, card.RemoteUser, card.LostAt = i.ConnectedEmail, i.ConnectedAt, i.RemoteUserID, i.BrokenAt
		if i.RefreshedAt.After(i.ConnectedAt) {
			card.LastRefreshed = i.RefreshedAt
		}
		describeTrouble(c, &card)
	} else {
		card.DisconnectedAt, card.DisconnectedBy = c.Ended.At, c.Ended.By
	}
	if h := c.Held; h != nil {
		card.Held = &views.HeldConnection{ID: h.ID, Org: org(h.Grant), By: cmp.Or(h.ConnectedEmail, "your application"), At: h.HeldAt, First: card.State == views.NotConnected,
			Elsewhere: c.OrgUse.Others, ElsewhereNames: c.OrgUse.Names}
		card.State = views.ConnectionHeld
	}
	return card
}

// logins are the places at which one may log in to a CRM; nil where there is one.
func logins(l *crm.Logins) *views.Logins {
	if l == nil {
		return nil
	}
	shown := views.Logins{Link: l.Link, Label: l.Label, Hint: l.Hint}
	for _, p := range l.Places {
		shown.Places = append(shown.Places, views.Choice{Value: p.Value, Label: p.Label, Hint: p.Hint})
	}
	return &shown
}

// describeTrouble says why a connection is dead, or can't be renewed for now.
func describeTrouble(c identity.Connection, card *views.Integration) {
	if c.Code == "" {
		return
	}
	why := identity.WhyFailing(c.ID, c.Name, c.Code)
	if c.Dead {
		card.State, why = views.ConnectionBroken, identity.WhyBroken(c.ID, c.Name, c.Code)
	} else {
		card.Failing, card.NextTry = true, c.Identity.RetryAt
	}
	card.Reason, card.Mend = why.What, why.Mend
}

func org(g db.Grant) views.Org {
	return views.Org{ID: g.OrgID, Name: g.OrgName, InstanceURL: g.InstanceURL, Sandbox: g.Sandbox}
}

// viewForms are newsletters' public forms.
func (s *server) viewForms(all []db.Newsletter) []views.SignupForm {
	forms := make([]views.SignupForm, len(all))
	for i, n := range all {
		forms[i] = views.SignupForm{Newsletter: n.Name, Slug: n.Slug, URL: s.URL + "/signup/" + n.Slug}
	}
	return forms
}

// connect handles POST /integrations/{service}/connect. It answers with a page
// that forwards, since a redirect to another origin after a POST is stopped by
// the Content-Security-Policy's form-action.
func (s *server) connect(c *fiber.Ctx) error {
	service, err := s.Vault.Service(c.UserContext(), c.Params("service"))
	if err != nil {
		return err
	}
	login, err := s.loginAddress(c, service.ID)
	if errors.Is(err, identity.ErrForeignHost) || errors.Is(err, identity.ErrLightningHost) {
		return s.elsewhereRefused(c, service, err)
	}
	if err != nil {
		return err
	}
	v := who(c)
	address, err := s.Vault.Authorize(c.UserContext(), identity.AuthorizeRequest{
		Service: service.ID, TenantID: v.Tenant.ID, UserID: v.User.ID, SessionID: v.Session.ID(), LoginURL: login,
		FinishedURL: "/integrations/" + service.ID + "/connected",
	})
	if errors.Is(err, identity.ErrNoApp) && s.crm(c) == nil {
		return identity.ErrNoService // nobody offered it
	}
	if err != nil {
		return err
	}
	page := views.ConnectForwardPage{Page: s.page(c, "Taking you to "+service.Name, views.NavIntegrations), Name: service.Name, URL: address, Host: hostOf(address)}
	if !s.atPublicAddress(c) {
		page.Portal = s.URL
	}
	return render(c, http.StatusOK, views.ConnectForward(page))
}

// loginAddress is where to log in; empty for the default.
func (s *server) loginAddress(c *fiber.Ctx, service string) (string, error) {
	chosen, p := field(c, "login"), s.CRMs.Of(service)
	if chosen == "" || p == nil || p.Logins == nil {
		return "", nil
	}
	address, own, ok := p.Logins.URL(chosen)
	switch {
	case own:
		return s.Vault.CheckLogin(c.UserContext(), service, who(c).Tenant.ID, field(c, "my_domain"))
	case !ok:
		return "", identity.ErrForeignHost
	}
	return address, nil
}

// elsewhereRefused shows the form again with what was typed and what is wrong: on the card,
// or among the settings of a CRM that is connected.
func (s *server) elsewhereRefused(c *fiber.Ctx, service identity.Service, cause error) error {
	card, err := s.card(c, service.ID)
	if err != nil {
		return err
	}
	card.Login, card.MyDomain = field(c, "login"), field(c, "my_domain")
	card.LoginError = s.CRMs.Of(service.ID).Logins.Wrong
	if errors.Is(cause, identity.ErrLightningHost) {
		card.LoginError = s.CRMs.Of(service.ID).Logins.Pages
	}
	if card.State == views.NotConnected {
		return s.connectRefused(c, card)
	}
	set, err := s.Health.DeliverySettings(c.UserContext(), s.here(c).Key())
	if err != nil {
		return err
	}
	return s.showDeliverySettings(c, http.StatusUnprocessableEntity, card, set, nil)
}

// connectRefused shows the CRMs again, with what was typed on the card of one.
func (s *server) connectRefused(c *fiber.Ctx, typed views.Integration) error {
	cards, err := s.crmCards(c)
	for i := range cards {
		if cards[i].Service == typed.Service {
			cards[i] = typed
		}
	}
	if err != nil {
		return err
	}
	return s.showIntegrations(c, http.StatusUnprocessableEntity, cards)
}

const callbackPath = "/integrations/:service/callback"

// callback handles GET /integrations/{service}/callback, where the service sends
// the browser back to.
func (s *server) callback(c *fiber.Ctx) error {
	service, err := s.Vault.Service(c.UserContext(), c.Params("service"))
	if err != nil {
		return err
	}
	q, _ := url.ParseQuery(string(c.Request().URI().QueryString())) // what can't be read of it isn't there
	done, err := s.Vault.Finish(c.UserContext(), identity.CallbackOf(service.ID, who(c).Session.ID(), q))
	finished := done.URL
	if finished == "" {
		finished = "/integrations/" + service.ID + "/connected"
	}
	f, known := callbackError(err)
	switch {
	case err == nil && s.crm(c) != nil:
		return s.resume(c, done.TenantID, finished)
	case err == nil:
		return redirect(c, finished)
	case errors.Is(err, identity.ErrHeld):
		return redirect(c, finished)
	case !known:
		return err
	}
	s.log.WarnContext(c.UserContext(), "an authorization failed", "id", requestID(c), "service", service.ID, "tenant", who(c).Tenant.ID, "code", f.code)
	switch f.code {
	case codeHandshake: // no session has ended it
		return redirect(c, finished+"?"+expiredQuery)
	case codeUnderWay: // loading it again tells what became of it
		return s.failed(c, service, f)
	}
	return redirect(c, finished)
}

// expiredQuery has the finished URL say that a link has expired. It is the one thing
// that its query can have it say.
const expiredQuery = "error=handshake"

// connected handles GET /integrations/{service}/connected, the finished URL. What the
// service said is kept with what the session has ended: never is it taken from the
// address, which is anybody's.
func (s *server) connected(c *fiber.Ctx) error {
	service, err := s.Vault.Service(c.UserContext(), c.Params("service"))
	if err != nil {
		return err
	}
	if string(c.Request().URI().QueryString()) == expiredQuery {
		return s.failed(c, service, failure{code: codeHandshake})
	}
	ended, err := s.Vault.LastEnded(c.UserContext(), service.ID, who(c).Session.ID())
	if err != nil {
		return err
	}
	if ended != nil {
		if f, known := callbackError(ended.Err); known {
			return s.failed(c, service, f)
		}
	}
	return s.welcome(c, service)
}

// welcome says what came of an authorization without an error, as it is now.
func (s *server) welcome(c *fiber.Ctx, service identity.Service) error {
	card, err := s.card(c, service.ID)
	if err != nil {
		return err
	}
	if card.State == views.Connected {
		text := service.Name + " is connected."
		if card.Waiting > 0 {
			text += " The sign-ups that were waiting are on their way."
		}
		s.flash(c, views.FlashSuccess, text)
	}
	if card.Other || card.State != views.Connected {
		return redirect(c, "/integrations")
	}
	path, err := s.offered(c, s.CRMs.Of(service.ID))
	if err != nil {
		return err
	}
	return redirect(c, path)
}

const decidedMeanwhile = "This was decided meanwhile, or it took too long. Nothing was changed; please look at the connection below."

// decideHeld handles POST /integrations/{service}/held: whether the org that waits is
// the one that is meant.
func (s *server) decideHeld(c *fiber.Ctx) error {
	service, err := s.Vault.Service(c.UserContext(), c.Params("service"))
	if err != nil {
		return err
	}
	ctx, tenant, shown := c.UserContext(), who(c).Tenant.ID, field(c, "held")
	if field(c, "decision") != "switch" {
		return s.keep(c, service, shown)
	}
	_, err = s.Vault.Identity(ctx, service.ID, tenant)
	first := errors.Is(err, identity.ErrNotConnected)
	if err != nil && !first {
		return err
	}
	if field(c, "shared") != "" {
		err = s.Vault.ConfirmShared(ctx, service.ID, tenant, shown, who(c).User.ID)
	} else {
		err = s.Vault.Confirm(ctx, service.ID, tenant, shown)
	}
	switch {
	case errors.Is(err, identity.ErrChanged):
		s.flash(c, views.FlashWarning, decidedMeanwhile)
	case errors.Is(err, identity.ErrOrgInUse):
		s.flash(c, views.FlashWarning, "It came into use elsewhere here meanwhile. Nothing was changed; please decide again below.")
	case err != nil:
		return err
	case first && s.crm(c) != nil:
		return s.resume(c, tenant, "/integrations/"+service.ID+"/connected")
	case first:
		return redirect(c, "/integrations/"+service.ID+"/connected")
	case s.crm(c) == nil:
		s.flash(c, views.FlashSuccess, "The new "+service.Name+" account is connected.")
	default:
		s.flash(c, views.FlashSuccess, "The new organisation is connected. From now on sign-ups go there.")
		return s.resume(c, tenant, "/integrations")
	}
	return redirect(c, "/integrations")
}

// keep gives up the held authorization that was shown.
func (s *server) keep(c *fiber.Ctx, service identity.Service, shown string) error {
	ctx, tenant := c.UserContext(), who(c).Tenant.ID
	_, err := s.Vault.Identity(ctx, service.ID, tenant)
	first := errors.Is(err, identity.ErrNotConnected)
	if err != nil && !first {
		return err
	}
	err = s.Vault.Decline(ctx, service.ID, tenant, shown)
	switch {
	case errors.Is(err, identity.ErrChanged):
		s.flash(c, views.FlashWarning, decidedMeanwhile)
	case err != nil:
		return err
	case first:
		s.flash(c, views.FlashInfo, service.Name+" was not connected. The authorization is being taken back.")
	default:
		s.flash(c, views.FlashInfo, "The connection stays as it was. The other authorization is being taken back.")
	}
	return redirect(c, "/integrations")
}

// resume lets what waited for the tenant's connection to a CRM go on, and redirects. The
// connection may just have made the destination.
func (s *server) resume(c *fiber.Ctx, tenant, path string) error {
	if err := s.resumeDestination(c, tenant, c.Params("service")); err != nil {
		return err
	}
	return redirect(c, path)
}

// resumeDestination lets what waited for the tenant's connection to a CRM go on.
func (s *server) resumeDestination(c *fiber.Ctx, tenant, service string) error {
	all, err := s.Health.Destinations(c.UserContext(), tenant)
	if err != nil {
		return err
	}
	for _, d := range all {
		if d.Service != service {
			continue
		}
		if err := s.Delivery.Resume(c.UserContext(), d.Key()); err != nil {
			return err
		}
		s.Delivery.CheckUpSoon(d.Key())
	}
	return nil
}

// confirmDisconnect handles GET /integrations/{service}/disconnect.
func (s *server) confirmDisconnect(c *fiber.Ctx) error {
	card, err := s.card(c, c.Params("service"))
	if err != nil {
		return err
	}
	if card.ConnectedAt.IsZero() {
		s.flash(c, views.FlashInfo, card.Name+" is not connected.")
		return redirect(c, "/integrations")
	}
	_, goes := s.destination(c, card.Service) // whether sign-ups do
	page := views.DisconnectPage{Page: s.page(c, "Disconnect "+card.Name, views.NavIntegrations), Service: card.Service, Name: card.Name, Org: card.Org, Other: !goes, Waiting: card.Waiting}
	if goes {
		return render(c, http.StatusOK, views.Disconnect(page))
	}
	service, err := s.Vault.Service(c.UserContext(), card.Service)
	if err != nil {
		return err
	}
	page.NoWay = service.Revoke.URL == ""
	return render(c, http.StatusOK, views.Disconnect(page))
}

// disconnect handles POST /integrations/{service}/disconnect.
func (s *server) disconnect(c *fiber.Ctx) error {
	service, err := s.Vault.Service(c.UserContext(), c.Params("service"))
	if err != nil {
		return err
	}
	ending, err := s.Vault.EndBy(c.UserContext(), service.ID, who(c).Tenant.ID, who(c).User.ID)
	switch {
	case errors.Is(err, identity.ErrNotConnected):
		s.flash(c, views.FlashInfo, service.Name+" was disconnected already.")
	case err != nil:
		return err
	default:
		kind, text := ended(service.Name, ending)
		s.flash(c, kind, text)
	}
	return redirect(c, "/integrations")
}
