package routes

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"gatepost/auth"
	"gatepost/db"
	"gatepost/identity"
	"gatepost/input"
	"gatepost/newsletter"
	"gatepost/views"

	"github.com/gofiber/fiber/v2"
)

// fail turns an error into a page, or into a problem document for those who ask
// for JSON: a sentence and a request id for people, the cause for the log. It is
// the one place that does.
func (s *server) fail(c *fiber.Ctx, err error) error {
	c.SetUserContext(context.WithoutCancel(c.UserContext()))
	if isAPI(c) {
		return s.failAPI(c, err)
	}
	status, sentence := s.explain(err)
	s.logFailure(c, status, err)
	retryAfter(c, status)
	if wantsJSON(c) {
		return problem(c, status, sentence, nil)
	}
	switch {
	case isReaderLink(c) && status == http.StatusNotFound:
		return s.deadLink(c)
	case isPublic(c), isReaderLink(c):
		return s.publicProblem(c, status, sentence)
	}
	page := s.errorPage(c, status, sentence)
	if wantsFragment(c) {
		return render(c, status, views.ErrorFragment(page))
	}
	return render(c, status, views.Error(page))
}

// errorPage is the page of an error: for whoever is signed in, with their navigation and
// a way on that fits what they wanted.
func (s *server) errorPage(c *fiber.Ctx, status int, sentence string) views.ErrorPage {
	if who(c).Session == nil && status < http.StatusInternalServerError {
		s.knowVisitor(c)
	}
	if who(c).tenants() > 1 && status == http.StatusNotFound {
		sentence += " Or it belongs to another of your organisations: switch to that one."
	}
	page := views.ErrorPage{Page: s.frame(c, errorTitle(status), views.NavNone), Status: status, Sentence: sentence,
		RequestID: requestID(c), Links: s.waysOn(c, status)}
	page.Zone = "" // there is no time on it
	return page
}

// knowVisitor reads who made a request that no route of the portal took, as one to an
// address that isn't there. What can't be read is left out of the page.
func (s *server) knowVisitor(c *fiber.Ctx) {
	err := s.readSession(c)
	if err == nil {
		err = s.look(c)
	}
	if err != nil {
		s.log.WarnContext(c.UserContext(), "an error page has no navigation", "id", requestID(c), "error", err)
	}
}

// errorTitle is what a page of an error is called.
func errorTitle(status int) string {
	switch status {
	case http.StatusNotFound:
		return "Page not found"
	case http.StatusForbidden:
		return "Not allowed"
	case http.StatusGone:
		return "This link has expired"
	case http.StatusTooManyRequests:
		return "Too many requests"
	case http.StatusServiceUnavailable:
		return "Not available right now"
	case http.StatusInternalServerError:
		return "Something went wrong"
	}
	return http.StatusText(status)
}

// section is a part of the portal, by how the addresses of its pages begin.
type section struct{ begin, text string }

// sections are where an error leads to, by how the address begins that was asked for; of
// those that fit, the first.
var sections = []section{
	{"/integrations", "Go to Integrations"},
	{"/newsletter/signup", "Go to the test sign-up"},
	{"/newsletters", "Go to Newsletters"},
	{"/subscribers", "Go to Subscribers"},
	{suppressionPath, "Go to the suppression list"},
	{"/settings", "Go to Settings"},
	{"/account", "Go to your account"},
	{home, "Go to Home"},
}

// waysOn are where one goes from an error: to what was asked for once more, where that
// may help, and else to the section that it is in.
func (s *server) waysOn(c *fiber.Ctx, status int) (links []views.Link) {
	switch v := who(c); {
	case v.User.ID == "":
		return []views.Link{{URL: "/login", Text: "Log in"}}
	case v.Tenant.ID == "" && v.tenants() > 0:
		return []views.Link{{URL: "/tenant", Text: "Go to your organisation"}}
	case v.Tenant.ID == "":
		return nil
	}
	asked := s.comeBackTo(c)
	switch {
	case asked == "" || status == http.StatusNotFound || status == http.StatusGone || status == http.StatusMethodNotAllowed:
	case reads(c):
		links = append(links, views.Link{URL: asked, Text: "Try again"})
	default:
		links = append(links, views.Link{URL: asked, Text: "Reload the page"})
	}
	for _, section := range append(s.problemSections(), sections...) {
		if strings.HasPrefix(c.Path(), section.begin) && s.isPage(section.begin) && section.begin != asked {
			links = append(links, views.Link{URL: section.begin, Text: section.text})
			break
		}
	}
	return append(links, views.Link{URL: "/help", Text: "Help"})
}

// problemSections are the problems of each CRM.
func (s *server) problemSections() (all []section) {
	for _, p := range s.CRMs {
		all = append(all, section{string(views.ServicePage(p.Service)) + "/problems", "Go to Problems"})
	}
	return all
}

// retryAfter says when to come back, unless that has been said.
func retryAfter(c *fiber.Ctx, status int) {
	if status == http.StatusServiceUnavailable && c.GetRespHeader(fiber.HeaderRetryAfter) == "" {
		c.Set(fiber.HeaderRetryAfter, "5")
	}
}

func (s *server) logFailure(c *fiber.Ctx, status int, err error) {
	if status >= http.StatusInternalServerError {
		s.log.ErrorContext(c.UserContext(), "request failed", "id", requestID(c), "route", c.Route().Path, "status", status, "error", err)
	}
}

// explain sorts an error into a status and a sentence. What it doesn't know is a 500.
func (s *server) explain(err error) (status int, sentence string) {
	var fe *fiber.Error
	var unreadable *input.JSONError
	switch {
	case errors.Is(err, input.ErrCharset):
		return http.StatusUnsupportedMediaType, "We don’t know the character encoding of what was sent. Nothing was stored; please send it in UTF-8."
	case errors.As(err, &unreadable):
		return http.StatusBadRequest, fiberSentence(http.StatusBadRequest)
	case errors.Is(err, db.ErrNotFound), errors.Is(err, identity.ErrNoService), errors.Is(err, identity.ErrNoTenant):
		return http.StatusNotFound, "There is nothing at this address. It may have been removed."
	case errors.Is(err, identity.ErrNoApp):
		return http.StatusServiceUnavailable, "The people who run this service have not set up the app for it yet. Please tell them; nothing of yours is lost."
	case errors.Is(err, identity.ErrTooMany):
		return http.StatusTooManyRequests, "You began to connect many times without finishing. Nothing was changed. Finish one of them, or try again in ten minutes."
	case errors.Is(err, auth.ErrSetupLink):
		return http.StatusGone, "This set-up link was used, replaced or has run out. If nobody can log in yet, restart the server: it prints a new one."
	case errors.Is(err, auth.ErrBusy):
		return http.StatusServiceUnavailable, "A great many people are logging in right now, so this had no turn and nothing was changed. Please try again in a few seconds."
	case errors.Is(err, newsletter.ErrBusy):
		return http.StatusServiceUnavailable, "A great many people are signing up right now, and this one was not taken. Please try again in a few seconds."
	case errors.Is(err, errCSRF):
		return http.StatusForbidden, "The page with this form was too old, or it was another site’s, so nothing was changed. Reload the page and send it again."
	case errors.Is(err, errOtherTenant):
		return http.StatusForbidden, "This page was open for another of your organisations, so nothing was changed. Reload it, or switch back to that organisation first."
	case errors.Is(err, db.ErrUnavailable):
		return http.StatusServiceUnavailable, "We can’t store anything right now, so nothing was changed. Please try again in a minute."
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return http.StatusServiceUnavailable, "This took too long, so we stopped. Please try again in a moment."
	case errors.As(err, &fe):
		return fe.Code, fiberSentence(fe.Code)
	}
	return http.StatusInternalServerError, "Something went wrong on our side. It has been recorded under the number below; please try again in a moment."
}

func fiberSentence(status int) string {
	switch status {
	case http.StatusNotFound:
		return "There is nothing at this address."
	case http.StatusMethodNotAllowed:
		return "This address can’t be used that way. Nothing was changed."
	case http.StatusRequestEntityTooLarge:
		return "That was more than we can take at once. Nothing was stored; please send less."
	case http.StatusRequestHeaderFieldsTooLarge:
		return "Your browser sent more along than we can take. Clearing its cookies for this site usually helps."
	case http.StatusTooManyRequests:
		return "That was a lot in a short time. Please wait a minute and try again."
	case http.StatusUnsupportedMediaType:
		return "We can’t read data of this kind. Send a form, or JSON."
	case http.StatusBadRequest:
		return "We couldn’t read what was sent. Nothing was stored."
	}
	return http.StatusText(status) + "."
}
