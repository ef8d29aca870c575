package routes

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"gatepost/crm"
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
	codeUnreachable = crm.LoginUnanswered
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
	page := connectFailure(s.CRMs.Of(service.ID), service.ID, service.Name, f.code, f.description)
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

// What is said when another app was set while somebody logged in.
const (
	appChanged      = "The app was changed meanwhile"
	appChangedMeans = "This log-in began with another app than the one that is set now. Nothing was changed."
)

// refusedFor tells a refusal whose reason is known from connections: false when it isn't.
func refusedFor(service, name, code string) (crm.Refusal, bool) {
	why, ok := identity.KnownReason(service, name, code)
	if !ok {
		return crm.Refusal{}, false
	}
	return crm.Refusal{Happened: strings.TrimSuffix(why.What, "."), Meaning: "So " + name + " ended the log-in. Nothing was changed.", Mend: sentence(why)}, true
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
