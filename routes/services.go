package routes

import (
	"slices"
	"strings"

	"gatepost/crm"
	"gatepost/identity"
	"gatepost/views"

	"github.com/gofiber/fiber/v2"
)

// viewCRM is what pages call a CRM.
func viewCRM(p *crm.Provider) views.CRM {
	return views.CRM{Service: p.Service, Name: p.Name, Record: p.Record, Records: p.Records, Apps: p.Apps}
}

// crmOnly answers for the pages about deliveries. Of a service that is no CRM there are none.
// A CRM that no sign-ups go to yet has its first page alone, on which one connects it.
func (s *server) crmOnly(c *fiber.Ctx) error {
	p := s.crm(c)
	if p == nil {
		return identity.ErrNoService
	}
	if _, ok := s.destination(c, p.Service); !ok {
		return leave(c, string(views.ServicePage(p.Service)))
	}
	return c.Next()
}

// otherServices are the cards of the services that are no CRMs and concern the tenant.
func (s *server) otherServices(c *fiber.Ctx) (cards []views.Integration) {
	for _, connection := range who(c).connections {
		if s.CRMs.Of(connection.ID) == nil && connection.Concerns() {
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

// appRefused tells that a service doesn't accept the app that all tenants share.
var appRefused = crm.Refusal{
	Happened: "{service} doesn’t accept our app",
	Meaning:  "The app’s registration at {service} doesn’t fit this server: its key, its secret or its callback address. Nothing was changed.",
	Mend:     "The people who run this service can fix it; please send them the code below.",
}

// refusals are the words for a log-in that failed, by code; that without a code is for any
// other. {service} stands for the service's name.
var refusals = map[string]crm.Refusal{
	"access_denied": {
		Happened: "Access was not allowed",
		Meaning:  "Somebody refused it at {service}, so Gatepost got no access. Whatever was connected before stays as it was.",
		Mend:     "Try again and allow it. If you may not, ask whoever manages {service} for you to connect.",
	},
	identity.BrokenOtherApp: {
		Happened: appChanged,
		Meaning:  appChangedMeans,
		Mend:     "Start again. It takes two clicks.",
	},
	identity.BrokenAppRefused: {
		Happened: "{service} doesn’t accept your own app",
		Meaning:  "What is set here of your organisation’s own app doesn’t fit its registration at {service}. Nothing was changed.",
		Mend:     "Compare the app’s settings under Integrations with those at {service}, and try again.",
	},
	identity.BrokenAppRemoved: {
		Happened: "Your own app was removed meanwhile",
		Meaning:  "This log-in began with an app of your organisation’s own, which somebody has removed since. Nothing was changed.",
		Mend:     "Start again. It takes two clicks.",
	},
	codeChanged: {
		Happened: "Somebody else changed the connection at the same moment",
		Meaning:  "Another admin of your organisation connected or disconnected {service} while you did. Theirs stands, yours was taken back.",
		Mend:     "Look at the connection as it is now, and try again if it isn’t what you want.",
	},
	codeUnreachable: {
		Happened: "{service} didn’t answer",
		Meaning:  "You allowed the access, but {service} gave us no answer when we asked for it. Nothing was changed. This usually passes within minutes.",
		Mend:     "Try again in a moment.",
	},
	identity.CodeNoRefreshToken: {
		Happened: "{service} gave no lasting access",
		Meaning:  "The access would have ended soon, because {service} gave nothing to renew it with. We took it back.",
		Mend:     "Try again. If it stays like this, tell the people who run this service.",
	},
	identity.CodeMissingScope: {
		Happened: "{service} left out access that is needed",
		Meaning:  "Not all that was asked for was allowed. We took the access back.",
		Mend:     "Try again and allow all that is asked for.",
	},
	identity.CodeForeignHost: {
		Happened: "The answer didn’t lead to {service}",
		Meaning:  "The log-in ended with an address that isn’t one of {service}’s own. To be safe, we kept nothing of it.",
		Mend:     "Try again. If it happens again, tell the people who run this service.",
	},
	"": {
		Happened: "{service} refused",
		Meaning:  "It ended the log-in with the code below. Nothing was changed.",
		Mend:     "Try again. If it stays like this, show the code to the people who run this service.",
	},
	"redirect_uri_mismatch":        appRefused,
	"unauthorized_client":          appRefused,
	"invalid_client":               appRefused,
	"invalid_client_id":            appRefused,
	"invalid_client_secret":        appRefused,
	"bad_client_secret":            appRefused,
	"incorrect_client_credentials": appRefused,
	"BAD_CLIENT_ID":                appRefused,
	"BAD_CLIENT_SECRET":            appRefused,
}

// connectFailure tells a failed authorization in plain words; in those of a CRM, where p
// has some.
func connectFailure(p *crm.Provider, service, name, code, description string) views.ConnectFailedPage {
	v, ours := ownFailure(name, code)
	if !ours {
		r := refusal(p, service, name, strings.ReplaceAll(code, "-", "_"))
		v = views.ConnectFailedPage{Code: cut(code, 80), Happened: r.Happened, Meaning: r.Meaning, Mend: r.Mend}
	}
	v.Description = description
	return v
}

// refusal is what a code means: in the CRM's own words, in those for any service, and by
// what is known from connections that broke.
func refusal(p *crm.Provider, service, name, code string) crm.Refusal {
	var theirs map[string]crm.Refusal
	if p != nil {
		theirs = p.Refused
	}
	for _, words := range []map[string]crm.Refusal{theirs, refusals} {
		if r, ok := words[code]; ok && code != "" {
			return named(name, r)
		}
	}
	if r, ok := refusedFor(service, name, code); ok {
		return r
	}
	if r, ok := theirs[""]; ok {
		return r
	}
	return named(name, refusals[""])
}

// named is a refusal by the service of that name.
func named(name string, r crm.Refusal) crm.Refusal {
	fill := strings.NewReplacer("{service}", name)
	return crm.Refusal{Happened: fill.Replace(r.Happened), Meaning: fill.Replace(r.Meaning), Mend: fill.Replace(r.Mend)}
}
