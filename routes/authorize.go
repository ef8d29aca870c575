package routes

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"gatepost/auth"
	"gatepost/identity"
	"gatepost/views"

	"github.com/gofiber/fiber/v2"
)

// The link of an authorization that an application began. Its page is the same for
// everybody, signed in to the portal or not: it is about an application's user.
const authorizeRoute = "/authorize/:secret"

func authorizePath(secret string) string { return "/authorize/" + secret }

// authorize mounts what browsers open of authorizations. The log has a route and never a
// path, so that the secret doesn't stand in it.
func (s *server) authorize(app *fiber.App) {
	mount(app, http.MethodGet, authorizeRoute, s.publicAddress, s.csrf, s.askAuthorization)
	mount(app, http.MethodPost, authorizeRoute, s.csrf, s.startAuthorization)
}

// askAuthorization handles GET /authorize/{secret}: who asks for what, and one button.
// It uses nothing up, so that mail scanners may open it as often as they like. Only where
// the application said that it redirects the browser itself, it goes on at once.
func (s *server) askAuthorization(c *fiber.Ctx) error {
	asked, err := s.Vault.OpenLink(c.UserContext(), c.Params("secret"), s.ownBrowser(c))
	if err != nil {
		return s.linkFailed(c, asked, err)
	}
	if asked.SkipPage && navigates(c) {
		address, err := s.Vault.StartAuthorization(c.UserContext(), c.Params("secret"), s.tieBrowser(c))
		if err != nil {
			return s.linkFailed(c, asked, err)
		}
		return redirect(c, address)
	}
	return render(c, http.StatusOK, views.Authorize(views.AuthorizePage{Page: s.page(c, "Connect "+asked.ServiceName, views.NavNone), Name: asked.ServiceName, Tenant: asked.TenantName,
		Login: hostOf(asked.LoginURL), Return: hostOf(asked.ReturnTo), Scopes: asked.Scopes, Until: asked.LinkEndsAt, Action: authorizePath(c.Params("secret"))}))
}

// navigates reports whether a person goes to a page, as far as the browser tells: not
// whether it, or a page, loads it in advance or as a part of something.
func navigates(c *fiber.Ctx) bool {
	mode, dest := c.Get("Sec-Fetch-Mode"), c.Get("Sec-Fetch-Dest")
	return c.Method() == http.MethodGet && c.Get("Sec-Purpose") == "" && c.Get("Purpose") == "" &&
		(mode == "" || mode == "navigate") && (dest == "" || dest == "document")
}

// startAuthorization handles POST /authorize/{secret}: it ties the authorization to this
// browser, and forwards it to the service by a page, as connect does.
//
// The cookie is set here and not by the page: whoever only looks is nobody yet. That the
// form is of our own page, csrf has made sure; a foreign one would have somebody authorize
// what they never read.
func (s *server) startAuthorization(c *fiber.Ctx) error {
	secret := c.Params("secret")
	asked, err := s.Vault.OpenLink(c.UserContext(), secret, s.ownBrowser(c))
	if err != nil {
		return s.linkFailed(c, asked, err)
	}
	address, err := s.Vault.StartAuthorization(c.UserContext(), secret, s.tieBrowser(c))
	if err != nil {
		return s.linkFailed(c, asked, err)
	}
	return render(c, http.StatusOK, views.AuthorizeForward(views.AuthorizeForwardPage{Page: s.page(c, "Taking you to "+asked.ServiceName, views.NavNone),
		Name: asked.ServiceName, URL: address, Host: hostOf(address)}))
}

// browserLife is how long a browser is known that has opened a link: as long as a link in
// a mail may be opened, and a little longer.
const browserLife = 8 * 24 * 60 * 60 // seconds

// browserCookie names what ties authorizations to a browser. Over https its prefix has the
// browser refuse one that another host of the same domain planted.
func (s *server) browserCookie() string {
	if s.secure {
		return "__Host-gatepost_authorization"
	}
	return "gatepost_authorization"
}

// ownBrowser is the secret of the browser; empty when it has none.
func (s *server) ownBrowser(c *fiber.Ctx) string {
	if secret := c.Cookies(s.browserCookie()); auth.IsToken(secret) {
		return secret
	}
	return ""
}

// tieBrowser is the secret of the browser, which gets one when it has none. It is set anew
// each time, so that it lasts as long as what is begun; it stays the same, since more may
// be under way in other tabs.
func (s *server) tieBrowser(c *fiber.Ctx) string {
	secret := s.ownBrowser(c)
	if secret == "" {
		secret = auth.NewToken()
	}
	c.Cookie(&fiber.Cookie{Name: s.browserCookie(), Value: secret, Path: "/", HTTPOnly: true, Secure: s.secure, SameSite: fiber.CookieSameSiteLaxMode, MaxAge: browserLife})
	return secret
}

// authorizationCallback handles GET /integrations/{service}/callback before the portal
// does, which has registered it with the services: the state says whose it is.
func (s *server) authorizationCallback(c *fiber.Ctx) error {
	q, _ := url.ParseQuery(string(c.Request().URI().QueryString())) // what can't be read of it isn't there
	browser := s.ownBrowser(c)
	address, err := s.Vault.FinishAuthorization(c.UserContext(), c.Params("service"), browser, q)
	switch {
	case err == nil:
		return redirect(c, address)
	case !errors.Is(err, identity.ErrHandshake):
		return s.linkFailed(c, identity.Asked{ServiceName: identity.NameOf(c.Params("service"))}, err)
	case browser == "":
		return c.Next()
	}
	// It may be the portal's, whoever else's browser this is; and else it is nobody's.
	if err := s.readSession(c); err != nil {
		return err
	}
	if who(c).User.ID == "" {
		return s.linkFailed(c, identity.Asked{}, identity.ErrHandshake)
	}
	return c.Next()
}

// linkFailure is what a person is told who can't go on with an authorization.
type linkFailure struct {
	err    error
	status int
	title  string
	text   []string // a paragraph each; {service} and {tenant} stand for their names
	login  bool     // they may have come from the portal
}

// linkFailures are all of them.
var linkFailures = []linkFailure{
	{identity.ErrNoAuthorization, http.StatusNotFound, "This link doesn’t work", []string{"It may have been cut off when it was copied, or it is too old.", "Open it once more where you found it, or go back to the application and begin again."}, false},
	{identity.ErrLinkExpired, http.StatusGone, "This link has expired", []string{"It worked for a limited time, and nobody used it. Nothing was connected.", "Go back to the application and begin again."}, false},
	{identity.ErrLinkUsed, http.StatusGone, "This link has been used", []string{"What began with it is finished, and nothing more can be done with it.", "Look in the application how it ended. You can begin again there."}, false},
	{identity.ErrLinkWithdrawn, http.StatusGone, "This link was taken back", []string{"What it was for isn’t there any more, or the application doesn’t take people back where it used to.", "Go back to the application and look there. You can begin again, if it still offers that."}, false},
	{identity.ErrOtherBrowser, http.StatusConflict, "This was opened in another browser", []string{"The first browser that opens a link is the only one that can go on, so that nobody else finishes what you began. This visit changed nothing.", "Go on in the browser where you began, or go back to the application and begin again."}, false},
	{identity.ErrTenantClosed, http.StatusGone, "{tenant} was closed here", []string{"So nothing can be connected for it any more. Nothing was changed at {service}.", "If that surprises you, ask whoever sent you this link."}, false},
	{identity.ErrNoApp, http.StatusServiceUnavailable, "{service} can’t be connected yet", []string{"The people who run this service have not set up the app for it. Nothing was changed.", "Please tell them, and open this link again afterwards."}, false},
	{identity.ErrNoService, http.StatusGone, "{service} can’t be connected any more", []string{"The people who run this service have removed it. Nothing was changed.", "If that surprises you, ask whoever sent you this link."}, false},
	{identity.ErrUnderWay, http.StatusAccepted, "This is still being finished", []string{"The page was opened twice, and {service} hasn’t answered the first time yet. Nothing is lost by that.", "Reload this page in a moment."}, false},
	{identity.ErrTooMany, http.StatusTooManyRequests, "You began this many times", []string{"None of these was finished, and no more can be begun just now.", "Finish one of them, or try again in ten minutes."}, false},
	{identity.ErrHandshake, http.StatusGone, "This link has expired", []string{"A way back from a service works for ten minutes, in the browser that began. This one took longer or began elsewhere, so this visit changed nothing.", "Go back to the application and begin again. If you came from Gatepost itself, log in and connect from there."}, true},
}

// linkFailed is the page that says why somebody can't go on, and what to do.
func (s *server) linkFailed(c *fiber.Ctx, asked identity.Asked, err error) error {
	for _, f := range linkFailures {
		if !errors.Is(err, f.err) {
			continue
		}
		named := func(text string) string {
			return strings.NewReplacer("{service}", asked.ServiceName, "{tenant}", cmp.Or(asked.TenantName, "The organisation")).Replace(text)
		}
		page := views.AuthorizeEndedPage{Page: s.page(c, named(f.title), views.NavNone)}
		for _, text := range f.text {
			page.Text = append(page.Text, named(text))
		}
		switch {
		case asked.ReturnURL != "":
			page.Link = views.Link{URL: asked.ReturnURL, Text: "Back to " + hostOf(asked.ReturnURL)}
		case f.login:
			page.Link = views.Link{URL: "/login", Text: "Log in to Gatepost"}
		}
		return render(c, f.status, views.AuthorizeEnded(page))
	}
	return err
}
