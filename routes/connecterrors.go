package routes

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"gatepost/identity"
	"gatepost/views"

	"github.com/gofiber/fiber/v2"
)

// The codes of failures that no service told of. No service can say them: its codes
// are plain words.
const (
	codeHandshake   = ":handshake"
	codeUnderWay    = ":under way"
	codeChanged     = ":changed"
	codeUnreachable = ":unreachable"
)

// failure is why an authorization came to nothing.
type failure struct {
	code        string // a service's, one of identity's, or one of the above
	description string // what the service said, shown as that
	said        bool   // the code is the service's
}

// callbackError turns an error of Vault.Finish into what is told of it; known is
// false for a failure of our own.
func callbackError(err error) (f failure, known bool) {
	var refused *identity.OAuthError
	var unreachable *identity.UnreachableError
	switch {
	case errors.As(err, &refused):
		return failure{refused.Code, cut(refused.Description, 200), refused.FromService()}, true
	case errors.As(err, &unreachable):
		return failure{code: codeUnreachable}, true
	case errors.Is(err, identity.ErrHandshake):
		return failure{code: codeHandshake}, true
	case errors.Is(err, identity.ErrUnderWay):
		return failure{code: codeUnderWay}, true
	case errors.Is(err, identity.ErrChanged):
		return failure{code: codeChanged}, true
	}
	return failure{}, false
}

// failed is the page that tells of a failure.
func (s *server) failed(c *fiber.Ctx, service identity.Service, f failure) error {
	page := serviceFailure(service.ID, service.Name, f.code, f.description)
	if service.ID == identity.Salesforce {
		page = connectFailure(f.code, f.description)
	}
	if !f.said {
		page.Code = ""
	}
	page.Page, page.Service, page.Name = s.page(c, "Not connected", views.NavIntegrations), service.ID, service.Name
	return render(c, http.StatusOK, views.ConnectFailed(page))
}

// ownFailure tells, in plain words, a failure that is the same at every service.
func ownFailure(name, code string) (p views.ConnectFailedPage, ok bool) {
	switch code {
	case codeHandshake:
		p.Happened = "This link has expired"
		p.Meaning = "A link that leads back from " + name + " works for ten minutes, in the browser that began and at this address. This one took longer or began elsewhere, so this visit changed nothing."
		p.Mend = "Start again. It takes two clicks."
	case codeUnderWay:
		p.Happened = "This is still being finished"
		p.Meaning = "The page was opened twice, and " + name + " hasn’t answered the first time yet. Nothing is lost by that."
		p.Mend = "Reload this page in a moment."
	case identity.CodeInterrupted:
		p.Happened = "This was interrupted half-way"
		p.Meaning = "You allowed the access, but we were cut off before we had it. Whatever was connected before stays as it was."
		p.Mend = "Start again. It takes two clicks."
	case identity.CodeFailed:
		p.Happened = "Something went wrong on our side"
		p.Meaning = "You allowed the access, but we couldn’t store it, and gave it back. Whatever was connected before stays as it was."
		p.Mend = "Try again in a moment. If it stays like this, tell the people who run this service."
	case identity.CodeUnknown:
		p.Happened = name + " refused"
		p.Meaning = "It ended the log-in and gave no reason that we know. Nothing was changed."
		p.Mend = "Try again. If it stays like this, tell the people who run this service."
	default:
		return p, false
	}
	return p, true
}

// connectFailure tells a failed authorization in plain words.
func connectFailure(code, description string) views.ConnectFailedPage {
	p := views.ConnectFailedPage{Code: cut(code, 80), Description: description}
	if own, ok := ownFailure("Salesforce", code); ok {
		own.Description = description
		return own
	}
	switch strings.ReplaceAll(code, "-", "_") {
	case "access_denied":
		p.Happened = "Access was not allowed"
		p.Meaning = "Somebody chose Deny at Salesforce, so Gatepost got no access. Whatever was connected before stays as it was."
		p.Mend = "Try again and choose Allow. If that button isn’t there for you, ask your Salesforce admin to connect."
	case codeChanged:
		p.Happened = "Somebody else changed the connection at the same moment"
		p.Meaning = "Another admin of your organisation connected or disconnected Salesforce while you did. Theirs stands, yours was taken back."
		p.Mend = "Look at the connection as it is now, and try again if it isn’t what you want."
	case codeUnreachable:
		p.Happened = "Salesforce didn’t answer"
		p.Meaning = "You allowed the access, but Salesforce gave us no answer when we asked for it. Nothing was changed. This usually passes within minutes."
		p.Mend = "Try again in a moment. status.salesforce.com tells whether Salesforce has trouble."
	case identity.CodeNoRefreshToken:
		p.Happened = "Salesforce gave no lasting access"
		p.Meaning = "The access would have ended within hours, because the app in Salesforce may not ask for a refresh token. We took it back."
		p.Mend = "Ask your Salesforce admin to allow the scope “Perform requests at any time (refresh_token, offline_access)” for the app, with a refresh token policy that keeps it valid. Then try again."
	case identity.CodeMissingScope:
		p.Happened = "Salesforce left out the access that is needed"
		p.Meaning = "Without the scope “Manage user data via APIs (api)” no Contact can be created. We took the access back."
		p.Mend = "Ask your Salesforce admin to add that scope to the app. Then try again."
	case identity.CodeForeignHost:
		p.Happened = "The answer didn’t lead to Salesforce"
		p.Meaning = "The log-in ended with an address that isn’t one of Salesforce’s. To be safe, we kept nothing of it."
		p.Mend = "Try again with the default log-in. If it happens again, tell the people who run this service."
	case identity.BrokenAppRefused:
		p.Happened = "Salesforce doesn’t accept your own app"
		p.Meaning = "What is set here of your organisation’s own app doesn’t fit its registration at Salesforce: its client id, its secret or the redirect URL. Nothing was changed."
		p.Mend = "Compare the app’s settings under Integrations with those at Salesforce, and try again. A new app needs about ten minutes before it works."
	case identity.BrokenAppRemoved:
		p.Happened = "Your own app was removed meanwhile"
		p.Meaning = "This log-in began with an app of your organisation’s own, which somebody has removed since. Nothing was changed."
		p.Mend = "Start again. It takes two clicks."
	case "invalid_client", "invalid_client_id", "redirect_uri_mismatch", "unauthorized_client":
		p.Happened = "Salesforce doesn’t accept our app"
		p.Meaning = "The app’s registration at Salesforce doesn’t fit this server: its key, its secret or its callback address. Nothing was changed."
		p.Mend = "The people who run this service can fix it; please send them the code below. A new app needs about ten minutes before it works."
	case "invalid_grant":
		p.Happened = "Salesforce took the log-in back"
		p.Meaning = "The log-in was no longer valid when we used it: it took too long, or your user may not log in from here or at this hour. Nothing was changed."
		p.Mend = "Try again. If it stays like this, ask your Salesforce admin about log-in hours and IP ranges for your profile."
	case "rate_limit_exceeded":
		p.Happened = "Too many log-ins at Salesforce"
		p.Meaning = "Your user has reached the number of log-ins that Salesforce allows in an hour. Nothing was changed."
		p.Mend = "Try again in an hour, or log in with another user."
	case "token_in_use":
		p.Happened = "Salesforce was still busy with this log-in"
		p.Meaning = "It was working on the same log-in already. Nothing was changed."
		p.Mend = "Try again in a moment."
	case "invalid_app_access", "OAUTH_APPROVAL_ERROR_GENERIC":
		p.Happened = "Your user may not use this app"
		p.Meaning = "In your Salesforce an admin decides who may use it. Nothing was changed."
		p.Mend = "Ask your Salesforce admin to install the app and to admit you: Setup → External Client App Manager → the app → Policies."
	case identity.BrokenOtherApp:
		p.Happened = appChanged
		p.Meaning = appChangedMeans
		p.Mend = "Start again. It takes two clicks."
	case "inactive_user", "inactive_org":
		p.Happened = "This user or organisation is not active at Salesforce"
		p.Meaning = "Salesforce refuses access for it. Nothing was changed."
		p.Mend = "Log in to Salesforce with another user, or ask your Salesforce admin to activate this one."
	case "API_DISABLED_FOR_ORG", "API_CURRENTLY_DISABLED":
		p.Happened = "This Salesforce can’t be used by other programs"
		p.Meaning = "Its edition, or your user’s profile, has no API access, and without it no Contact can be created. We took the access back."
		p.Mend = "Ask your Salesforce admin: the permission is called “API Enabled”; some editions offer it as an add-on."
	default:
		if refusedFor(&p, identity.Salesforce, "Salesforce", code) {
			break
		}
		p.Happened = "Salesforce refused"
		p.Meaning = "It ended the log-in with the code below. Nothing was changed."
		p.Mend = "Try again. If it stays like this, show the code to your Salesforce admin."
	}
	return p
}

// What is said when another app was set while somebody logged in.
const (
	appChanged      = "The app was changed meanwhile"
	appChangedMeans = "This log-in began with another app than the one that is set now. Nothing was changed."
)

// refusedFor tells a refusal whose reason is known from connections: false when it isn't.
func refusedFor(p *views.ConnectFailedPage, service, name, code string) bool {
	why, ok := identity.KnownReason(service, name, code)
	if ok {
		p.Happened, p.Meaning, p.Mend = strings.TrimSuffix(why.What, "."), "So "+name+" ended the log-in. Nothing was changed.", sentence(why)
	}
	return ok
}

// sentence is what mends a log-in that was refused.
func sentence(why identity.Reason) string {
	if why.Who == identity.Operator {
		return why.Mend + " Please send them the code below."
	}
	return why.Mend + " Then try again."
}

// query encodes pairs of names and values, leaving empty values out.
func query(pairs ...string) string {
	q := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			q.Set(pairs[i], pairs[i+1])
		}
	}
	return q.Encode()
}

// cut shortens s to n characters of valid UTF-8.
func cut(s string, n int) string {
	s = strings.ToValidUTF8(s, "")
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n]) + "…"
}

// hostOf is the host of an address, for people.
func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Host
}
