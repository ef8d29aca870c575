package routes

import (
	"slices"
	"strings"

	"gatepost/crm"
	"gatepost/identity"
	"gatepost/views"

	"github.com/gofiber/fiber/v2"
)

// crm is the CRM that the tenant's sign-ups go to.
func (s *server) crm(*fiber.Ctx) *crm.Provider { return s.CRMs.ForSignUps() }

// viewCRM is what pages call a CRM.
func viewCRM(p *crm.Provider) views.CRM {
	return views.CRM{Service: p.Service, Name: p.Name, Record: p.Record, Records: p.Records, Apps: p.Apps}
}

// crmOnly answers for the pages about deliveries, which are there for the CRM that sign-ups
// go to, as for no service when they are asked for of another one.
func (s *server) crmOnly(c *fiber.Ctx) error {
	if c.Params("service") != s.crm(c).Service {
		return identity.ErrNoService
	}
	return c.Next()
}

// otherServices are the cards of the services beside the CRM that concern the
// tenant.
func (s *server) otherServices(c *fiber.Ctx) (cards []views.Integration) {
	for _, connection := range who(c).connections {
		if connection.ID != s.crm(c).Service && connection.Concerns() {
			cards = append(cards, s.cardOf(c, connection))
		}
	}
	return cards
}

// concerns reports whether a service concerns the tenant.
func (s *server) concerns(c *fiber.Ctx, service string) bool {
	return slices.ContainsFunc(who(c).connections, func(connection identity.Connection) bool {
		return connection.ID == service && connection.Concerns()
	})
}

// ended tells what became of a connection that was given up.
func ended(name string, ending identity.Ending) (views.FlashKind, string) {
	switch ending {
	case identity.Revoked:
		return views.FlashSuccess, "Disconnected from " + name + ". Our access was revoked there and our copy is wiped."
	case identity.Shared:
		return views.FlashSuccess, "Disconnected from " + name + ", and our copy is wiped. The same access serves another connection, so it was not revoked at " + name + "."
	case identity.NoWay:
		return views.FlashWarning, "Disconnected from " + name + ", and our copy is wiped. " + name + " offers no way to revoke the access from here: remove it in the settings of your account there as well."
	}
	return views.FlashWarning, "Disconnected from " + name + ", and our access is wiped here. " + name + " couldn’t be reached to revoke it there too; we keep trying for a week."
}

// connectFailure tells a failed authorization in plain words; in those of a CRM, where p
// has some.
func connectFailure(p *crm.Provider, service, name, code, description string) views.ConnectFailedPage {
	v := views.ConnectFailedPage{Code: cut(code, 80), Description: description}
	if own, ok := ownFailure(name, code); ok {
		own.Description = description
		return own
	}
	code = strings.ReplaceAll(code, "-", "_")
	if p != nil && code != "" {
		if r, ok := p.Refused[code]; ok {
			v.Happened, v.Meaning, v.Mend = r.Happened, r.Meaning, r.Mend
			return v
		}
	}
	switch code {
	case "access_denied":
		v.Happened = "Access was not allowed"
		v.Meaning = "Somebody refused it at " + name + ", so Gatepost got no access. Whatever was connected before stays as it was."
		v.Mend = "Try again and allow it. If you may not, ask whoever manages " + name + " for you to connect."
	case identity.BrokenOtherApp:
		v.Happened = appChanged
		v.Meaning = appChangedMeans
		v.Mend = "Start again. It takes two clicks."
	case identity.BrokenAppRefused:
		v.Happened = name + " doesn’t accept your own app"
		v.Meaning = "What is set here of your organisation’s own app doesn’t fit its registration at " + name + ". Nothing was changed."
		v.Mend = "Compare the app’s settings under Integrations with those at " + name + ", and try again."
	case identity.BrokenAppRemoved:
		v.Happened = "Your own app was removed meanwhile"
		v.Meaning = "This log-in began with an app of your organisation’s own, which somebody has removed since. Nothing was changed."
		v.Mend = "Start again. It takes two clicks."
	case codeChanged:
		v.Happened = "Somebody else changed the connection at the same moment"
		v.Meaning = "Another admin of your organisation connected or disconnected " + name + " while you did. Theirs stands, yours was taken back."
		v.Mend = "Look at the connection as it is now, and try again if it isn’t what you want."
	case codeUnreachable:
		v.Happened = name + " didn’t answer"
		v.Meaning = "You allowed the access, but " + name + " gave us no answer when we asked for it. Nothing was changed. This usually passes within minutes."
		v.Mend = "Try again in a moment."
	case identity.CodeNoRefreshToken:
		v.Happened = name + " gave no lasting access"
		v.Meaning = "The access would have ended soon, because " + name + " gave nothing to renew it with. We took it back."
		v.Mend = "Try again. If it stays like this, tell the people who run this service."
	case identity.CodeMissingScope:
		v.Happened = name + " left out access that is needed"
		v.Meaning = "Not all that was asked for was allowed. We took the access back."
		v.Mend = "Try again and allow all that is asked for."
	case identity.CodeForeignHost:
		v.Happened = "The answer didn’t lead to " + name
		v.Meaning = "The log-in ended with an address that isn’t one of " + name + "’s own. To be safe, we kept nothing of it."
		v.Mend = "Try again. If it happens again, tell the people who run this service."
	case "redirect_uri_mismatch", "unauthorized_client", "invalid_client", "invalid_client_id", "invalid_client_secret", "bad_client_secret", "incorrect_client_credentials", "BAD_CLIENT_ID", "BAD_CLIENT_SECRET":
		v.Happened = name + " doesn’t accept our app"
		v.Meaning = "The app’s registration at " + name + " doesn’t fit this server: its key, its secret or its callback address. Nothing was changed."
		v.Mend = "The people who run this service can fix it; please send them the code below."
	default:
		if refusedFor(&v, service, name, code) {
			break
		}
		if p != nil && p.Refused[""].Happened != "" {
			v.Happened, v.Meaning, v.Mend = p.Refused[""].Happened, p.Refused[""].Meaning, p.Refused[""].Mend
			break
		}
		v.Happened = name + " refused"
		v.Meaning = "It ended the log-in with the code below. Nothing was changed."
		v.Mend = "Try again. If it stays like this, show the code to the people who run this service."
	}
	return v
}
