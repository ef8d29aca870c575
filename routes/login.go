package routes

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"gatepost/auth"
	"gatepost/db"
	"gatepost/views"

	"github.com/gofiber/fiber/v2"
)

// loginForm handles GET /login.
func (s *server) loginForm(c *fiber.Ctx) error {
	next := safeNext(c.Query("next"))
	if who(c).User.ID != "" {
		return redirect(c, next)
	}
	page := s.loginPage(c, "", next)
	page.Changed = c.Query("changed") != ""
	return render(c, http.StatusOK, views.Login(page))
}

func (s *server) loginPage(c *fiber.Ctx, email, next string) views.LoginPage {
	return views.LoginPage{Page: s.page(c, "Log in", views.NavNone), Email: email, Next: next, DemoHint: s.DemoUser}
}

// login handles POST /login.
func (s *server) login(c *fiber.Ctx) error {
	email, next := cut(field(c, "email"), 254), safeNext(field(c, "next"))
	user, device, err := s.People.Login(c.UserContext(), field(c, "email"), field(c, "password"), s.client(c))
	if err != nil {
		return s.loginRefused(c, err, email, next)
	}
	s.atDoor(c, loggedIn, user.ID)
	s.rememberDevice(c, device)
	return s.welcomeUser(c, user, next)
}

// loginRefused shows the form again, with what was typed and why.
func (s *server) loginRefused(c *fiber.Ctx, err error, email, next string) error {
	page := s.loginPage(c, email, next)
	refused := new(auth.RefusedError)
	errors.As(err, &refused)
	var throttled *auth.ThrottledError
	switch {
	case errors.As(err, &throttled):
		s.atDoor(c, logInThrottled, refused.UserID)
		page.Wait = throttled.Wait
		c.Set("Retry-After", strconv.Itoa(int(throttled.Wait.Seconds())+1))
		return render(c, http.StatusTooManyRequests, views.Login(page))
	case errors.Is(err, auth.ErrBusy):
		s.atDoor(c, logInBusy, refused.UserID)
		page.Busy = true
		c.Set("Retry-After", "5")
		return render(c, http.StatusServiceUnavailable, views.Login(page))
	case errors.Is(err, auth.ErrCredentials):
		s.atDoor(c, logInRefused, refused.UserID)
		page.Wrong = true
		return render(c, http.StatusUnprocessableEntity, views.Login(page))
	}
	return err
}

// welcomeUser signs the user in, in their only tenant or in the one that they
// choose next.
func (s *server) welcomeUser(c *fiber.Ctx, user db.User, next string) error {
	tenants, err := s.People.TenantsOf(c.UserContext(), user.ID)
	if err != nil {
		return err
	}
	if len(tenants) == 1 {
		who(c).Session.SignIn(user, tenants[0])
		return redirect(c, next)
	}
	who(c).Session.SignIn(user, db.Tenant{})
	return redirect(c, "/tenant?"+query("next", next))
}

// logout handles POST /logout.
func (s *server) logout(c *fiber.Ctx) error {
	who(c).Session.SignOut()
	return redirect(c, "/login")
}

// maxNext is the longest address that one comes back to after logging in.
const maxNext = 2000

// safeNext returns path if it leads to one of our own pages, else the first page.
func safeNext(path string) string {
	u, err := url.Parse(path)
	ours := err == nil && len(path) <= maxNext && u.Scheme == "" && u.Host == "" && u.User == nil && u.Opaque == "" &&
		strings.HasPrefix(path, "/") && !strings.ContainsFunc(path, func(r rune) bool { return r <= ' ' || r == '\\' || r == 0x7f })
	if !ours || strings.HasPrefix(u.Path, "//") || strings.ContainsAny(u.Path, "\\\t\r\n") || !isPage(u.Path) {
		return "/integrations"
	}
	return path
}

// isPage reports whether a path is of a page that one can come back to.
func isPage(path string) bool {
	switch path {
	case "/integrations", "/newsletter/signup", "/subscribers", "/account":
		return true
	}
	parts := strings.Split(path, "/") // /integrations/{service}/connected
	return len(parts) == 4 && parts[1] == "integrations" && parts[3] == "connected"
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
	page := views.ChooseTenantPage{Page: s.page(c, "Choose an organisation", views.NavNone), Next: safeNext(c.Query("next"))}
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
	return redirect(c, safeNext(field(c, "next")))
}
