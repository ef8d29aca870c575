package routes

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"gatepost/auth"
	"gatepost/db"
	"gatepost/views"

	"github.com/gofiber/fiber/v2"
)

// loginForm handles GET /login.
func (s *server) loginForm(c *fiber.Ctx) error {
	next := s.safeNext(c.Query("next"))
	if who(c).User.ID != "" {
		return redirect(c, next)
	}
	page := s.loginPage(c, "", next)
	page.Changed, page.NotSent = c.Query("changed") != "", c.Query("sent") == notSent
	return render(c, http.StatusOK, views.Login(page))
}

// notSent in the query sent of the log-in page says that a form was not taken.
const notSent = "no"

func (s *server) loginPage(c *fiber.Ctx, email, next string) views.LoginPage {
	return views.LoginPage{Page: s.page(c, "Log in", views.NavNone), Email: email, Next: next, DemoHint: s.DemoUser, Demo: s.demoLogins(c)}
}

// logInFirst asks somebody who isn't logged in to do that. Afterwards they are where they
// wanted to be; what they typed into a form comes with them.
func (s *server) logInFirst(c *fiber.Ctx) error {
	next := s.comeBack(c)
	if typed := s.carry(c); typed != "" && c.Get("HX-Request") == "" {
		page := s.loginPage(c, "", next)
		page.NotSent, page.Typed = true, typed
		return render(c, http.StatusForbidden, views.Login(page))
	}
	sent := ""
	if next != "" && !reads(c) {
		sent = notSent
	}
	return leave(c, withQuery("/login", query("next", next, "sent", sent)))
}

// comeBack is where somebody who has to log in first goes on afterwards, or
// nothing for the first page.
func (s *server) comeBack(c *fiber.Ctx) string {
	if next := s.comeBackTo(c); next != home {
		return next
	}
	return ""
}

// comeBackTo is the page that a request is for, or that it came from when it isn't for a
// page; nothing when that can't be told. A callback's code and state are not copied:
// without the session that began it, they open nothing.
func (s *server) comeBackTo(c *fiber.Ctx) string {
	next := c.OriginalURL()
	switch {
	case c.Route().Path == callbackPath:
		next = "/integrations/" + c.Params("service") + "/connected?" + expiredQuery
	case c.Get("HX-Request") == "true": // for a part of a page: of which one, htmx says
		next = strings.TrimPrefix(c.Get("HX-Current-URL"), s.URL)
	case !reads(c):
		a, parameters, ok := actOf(c.Path())
		if !ok {
			return ""
		}
		next = fillRoute(cmp.Or(a.back, home), parameters)
	case c.Query("code") != "":
		return ""
	}
	if s.safeNext(next) != next {
		return ""
	}
	return next
}

// login handles POST /login.
func (s *server) login(c *fiber.Ctx) error {
	email, next := cut(field(c, "email"), 254), s.safeNext(field(c, "next"))
	user, device, err := s.People.Login(c.UserContext(), field(c, "email"), field(c, "password"), s.client(c))
	if err != nil {
		return s.loginRefused(c, err, email, next)
	}
	s.logAuth(c, loggedIn, user.ID)
	s.rememberDevice(c, device)
	return s.welcomeUser(c, user, next)
}

// loginRefused shows the form again, with what was typed and why.
func (s *server) loginRefused(c *fiber.Ctx, err error, email, next string) error {
	page := s.loginPage(c, email, next)
	if typed := field(c, "typed"); len(typed) <= maxTyped {
		page.Typed = typed
	}
	refused := new(auth.RefusedError)
	errors.As(err, &refused)
	var throttled *auth.ThrottledError
	switch {
	case errors.As(err, &throttled):
		s.logAuth(c, logInThrottled, refused.UserID)
		page.Wait = throttled.Wait
		c.Set("Retry-After", strconv.Itoa(int(throttled.Wait.Seconds())+1))
		return render(c, http.StatusTooManyRequests, views.Login(page))
	case errors.Is(err, auth.ErrBusy):
		s.logAuth(c, logInBusy, refused.UserID)
		page.Busy = true
		c.Set("Retry-After", "5")
		return render(c, http.StatusServiceUnavailable, views.Login(page))
	case errors.Is(err, auth.ErrCredentials):
		s.logAuth(c, logInRefused, refused.UserID)
		page.Wrong = true
		return render(c, http.StatusUnprocessableEntity, views.Login(page))
	}
	return err
}

// welcomeUser signs the user in: in the tenant for which they typed something before, in
// their only one, or in the one that they choose next.
func (s *server) welcomeUser(c *fiber.Ctx, user db.User, next string) error {
	tenants, err := s.People.TenantsOf(c.UserContext(), user.ID)
	if err != nil {
		return err
	}
	typed, carried := readTyped(field(c, "typed"))
	if tenant, ok := typed.tenantOf(user, tenants); carried && ok {
		return s.welcomeBack(c, user, tenant, typed)
	}
	if len(tenants) == 1 {
		who(c).Session.SignIn(user, tenants[0])
		s.leftOut(c, carried)
		return redirect(c, next)
	}
	who(c).Session.SignIn(user, db.Tenant{})
	s.leftOut(c, carried)
	return redirect(c, "/tenant?"+query("next", next))
}

// leftOut tells somebody of what another person typed, or they for an organisation that
// they don't belong to any more.
func (s *server) leftOut(c *fiber.Ctx, carried bool) {
	if carried {
		s.flash(c, views.FlashInfo, "What was typed before the log-in was for somebody else or for another organisation, so it was left out.")
	}
}

// welcomeBack signs the user in and shows them what they typed before. The session is
// stored first: its secret is in the form that sends it again.
func (s *server) welcomeBack(c *fiber.Ctx, user db.User, tenant db.Tenant, t typed) error {
	v := who(c)
	v.Session.SignIn(user, tenant)
	if err := saveSession(c); err != nil {
		return err
	}
	v.User, v.Tenant = user, tenant
	if err := s.look(c); err != nil {
		return err
	}
	return s.showTyped(c, http.StatusOK, t)
}

// logout handles POST /logout.
func (s *server) logout(c *fiber.Ctx) error {
	who(c).Session.SignOut()
	return redirect(c, "/login")
}

// maxNext is the longest address that one comes back to after logging in.
const maxNext = 2000

// home is the first page.
const home = "/"

// safeNext returns path if it leads to one of our own pages, else the first page.
func (s *server) safeNext(path string) string {
	u, err := url.Parse(path)
	ours := err == nil && len(path) <= maxNext && u.Scheme == "" && u.Host == "" && u.User == nil && u.Opaque == "" &&
		strings.HasPrefix(path, "/") && !strings.ContainsFunc(path, func(r rune) bool { return r <= ' ' || r == '\\' || r == 0x7f })
	if !ours || strings.HasPrefix(u.Path, "//") || strings.ContainsAny(u.Path, "\\\t\r\n") || !s.isPage(u.Path) {
		return home
	}
	return path
}

// isPage reports whether a path is of a page that one can come back to.
func (s *server) isPage(path string) bool {
	return slices.ContainsFunc(s.pages, func(route string) bool {
		_, ok := matchRoute(route, path)
		return ok
	})
}

// isPart reports whether a route answers with a part of a page, or with a file. Who had to
// log in first comes back to the page that asked for it.
func isPart(route string) bool {
	return slices.ContainsFunc([]string{"/live", "/actions", "/card", ".csv"}, func(end string) bool { return strings.HasSuffix(route, end) })
}

// tenants handles GET /tenant: the choice among the user's tenants.
func (s *server) tenants(c *fiber.Ctx) error {
	v := who(c)
	all, err := s.People.TenantsOf(c.UserContext(), v.User.ID)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		return render(c, http.StatusForbidden, views.Error(views.ErrorPage{Page: s.page(c, "No organisation", views.NavNone), Status: http.StatusForbidden,
			Sentence: "You don’t belong to any organisation at the moment. Ask the people who run this service to add you to yours.", RequestID: requestID(c)}))
	}
	next := s.safeNext(c.Query("next"))
	if len(all) == 1 { // there is nothing to choose
		v.Session.ChooseTenant(all[0])
		return redirect(c, next)
	}
	page := views.ChooseTenantPage{Page: s.page(c, "Choose an organisation", views.NavNone), Next: next}
	for _, t := range all {
		page.Tenants = append(page.Tenants, views.TenantChoice{ID: t.ID, Name: t.Name, Current: t.ID == v.Tenant.ID})
	}
	return render(c, http.StatusOK, views.ChooseTenant(page))
}

// chooseTenant handles POST /tenant.
func (s *server) chooseTenant(c *fiber.Ctx) error {
	tenant, err := s.People.Member(c.UserContext(), who(c).User.ID, field(c, "tenant"))
	if err != nil {
		return err
	}
	who(c).Session.ChooseTenant(tenant)
	return redirect(c, s.safeNext(field(c, "next")))
}
