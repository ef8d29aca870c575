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

// salesforceOnly answers for the pages about deliveries, which go to Salesforce
// alone, as for no service when they are asked for of another one.
func (s *server) salesforceOnly(c *fiber.Ctx) error {
	if c.Params("service") != identity.Salesforce {
		return identity.ErrNoService
	}
	return c.Next()
}

// otherServices are the cards of the services beside Salesforce that concern the
// tenant.
func (s *server) otherServices(c *fiber.Ctx) (cards []views.Integration) {
	for _, connection := range who(c).connections {
		if connection.ID != identity.Salesforce && connection.Concerns() {
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

// serviceFailure tells a failed authorization at another service than Salesforce in
// plain words.
func serviceFailure(service, name, code, description string) views.ConnectFailedPage {
	p := views.ConnectFailedPage{Code: cut(code, 80), Description: description}
	if own, ok := ownFailure(name, code); ok {
		own.Description = description
		return own
	}
	switch strings.ReplaceAll(code, "-", "_") {
	case "access_denied":
		p.Happened = "Access was not allowed"
		p.Meaning = "Somebody refused it at " + name + ", so Gatepost got no access. Whatever was connected before stays as it was."
		p.Mend = "Try again and allow it. If you may not, ask whoever manages " + name + " for you to connect."
	case identity.BrokenOtherApp:
		p.Happened = appChanged
		p.Meaning = appChangedMeans
		p.Mend = "Start again. It takes two clicks."
	case identity.BrokenAppRefused:
		p.Happened = name + " doesn’t accept your own app"
		p.Meaning = "What is set here of your organisation’s own app doesn’t fit its registration at " + name + ". Nothing was changed."
		p.Mend = "Compare the app’s settings under Integrations with those at " + name + ", and try again."
	case identity.BrokenAppRemoved:
		p.Happened = "Your own app was removed meanwhile"
		p.Meaning = "This log-in began with an app of your organisation’s own, which somebody has removed since. Nothing was changed."
		p.Mend = "Start again. It takes two clicks."
	case codeChanged:
		p.Happened = "Somebody else changed the connection at the same moment"
		p.Meaning = "Another admin of your organisation connected or disconnected " + name + " while you did. Theirs stands, yours was taken back."
		p.Mend = "Look at the connection as it is now, and try again if it isn’t what you want."
	case codeUnreachable:
		p.Happened = name + " didn’t answer"
		p.Meaning = "You allowed the access, but " + name + " gave us no answer when we asked for it. Nothing was changed. This usually passes within minutes."
		p.Mend = "Try again in a moment."
	case identity.CodeNoRefreshToken:
		p.Happened = name + " gave no lasting access"
		p.Meaning = "The access would have ended soon, because " + name + " gave nothing to renew it with. We took it back."
		p.Mend = "Try again. If it stays like this, tell the people who run this service."
	case identity.CodeMissingScope:
		p.Happened = name + " left out access that is needed"
		p.Meaning = "Not all that was asked for was allowed. We took the access back."
		p.Mend = "Try again and allow all that is asked for."
	case identity.CodeForeignHost:
		p.Happened = "The answer didn’t lead to " + name
		p.Meaning = "The log-in ended with an address that isn’t one of " + name + "’s own. To be safe, we kept nothing of it."
		p.Mend = "Try again. If it happens again, tell the people who run this service."
	case "redirect_uri_mismatch", "unauthorized_client", "invalid_client", "invalid_client_id", "invalid_client_secret", "bad_client_secret", "incorrect_client_credentials", "BAD_CLIENT_ID", "BAD_CLIENT_SECRET":
		p.Happened = name + " doesn’t accept our app"
		p.Meaning = "The app’s registration at " + name + " doesn’t fit this server: its key, its secret or its callback address. Nothing was changed."
		p.Mend = "The people who run this service can fix it; please send them the code below."
	default:
		if refusedFor(&p, service, name, code) {
			break
		}
		p.Happened = name + " refused"
		p.Meaning = "It ended the log-in with the code below. Nothing was changed."
		p.Mend = "Try again. If it stays like this, show the code to the people who run this service."
	}
	return p
}
