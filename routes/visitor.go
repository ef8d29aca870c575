package routes

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"gatepost/auth"
	"gatepost/db"
	"gatepost/identity"
	"gatepost/static"
	"gatepost/views"
	"gatepost/zones"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/adaptor"
)

// visitor is who makes a request. User and Tenant are zero while nobody is
// signed in.
type visitor struct {
	Session *auth.Session
	User    db.User
	Tenant  db.Tenant

	// What is known of the tenant, with the subscriber that the request is about.
	overview    db.Overview
	connections []identity.Connection // the CRM first
	zone        *time.Location        // of the tenant; nil while there is none
	now         time.Time             // when it was read

	request *http.Request // for gorilla, one for each request
}

const localVisitor = "visitor"

// who returns the visitor of a request.
func who(c *fiber.Ctx) *visitor {
	if v, ok := c.Locals(localVisitor).(*visitor); ok {
		return v
	}
	return &visitor{}
}

// tenants is how many the user belongs to.
func (v *visitor) tenants() int {
	if v.Session == nil {
		return 0
	}
	return v.Session.Tenants()
}

// session reads who makes the request, and stores what the handler changed
// before the answer is sent.
func (s *server) session(c *fiber.Ctx) error {
	if err := s.readSession(c); err != nil {
		return err
	}
	if err := c.Next(); err != nil {
		return err
	}
	return saveSession(c)
}

// readSession reads who makes the request.
func (s *server) readSession(c *fiber.Ctx) error {
	r, err := adaptor.ConvertRequest(c, false)
	if err != nil {
		return errors.Join(fiber.ErrBadRequest, err)
	}
	r.RemoteAddr = net.JoinHostPort(s.clientIP(c), "0")
	r = r.WithContext(c.UserContext())
	session, err := s.sessions.Session(r)
	if err != nil {
		return err
	}
	c.Locals(localVisitor, &visitor{Session: session, User: session.User(), Tenant: session.Tenant(), request: r})
	return nil
}

// saveSession stores the session and hands its cookie to Fiber.
func saveSession(c *fiber.Ctx) error {
	v, w := who(c), cookieWriter{}
	if err := v.Session.Save(v.request, w); err != nil {
		return err
	}
	for _, cookie := range http.Header(w).Values("Set-Cookie") {
		c.Response().Header.Add(fiber.HeaderSetCookie, cookie) // Fiber's Append would join it with another cookie
	}
	return nil
}

// cookieWriter takes the cookies that gorilla sets.
type cookieWriter http.Header

// Header returns the headers.
func (w cookieWriter) Header() http.Header { return http.Header(w) }

// Write takes nothing: a session has no body.
func (w cookieWriter) Write([]byte) (int, error) { return 0, errors.ErrUnsupported }

// WriteHeader does nothing.
func (w cookieWriter) WriteHeader(int) {}

// remoteIP is the address that session put into the request.
func remoteIP(r *http.Request) string {
	host, _, _ := net.SplitHostPort(r.RemoteAddr)
	return host
}

// anybody lets everybody through, and reads what the pages say to those who are signed
// in.
func (s *server) anybody(c *fiber.Ctx) error {
	if err := s.look(c); err != nil {
		return err
	}
	return c.Next()
}

// look reads what is known of the visitor's tenant as it is now.
func (s *server) look(c *fiber.Ctx) (err error) {
	v := who(c)
	if v.Tenant.ID == "" {
		return nil
	}
	if v.overview, err = s.Store.Overview(c.UserContext(), v.Tenant.ID, v.User.ID, c.Params("id", c.Query("sample"))); err != nil {
		return err
	}
	v.now = s.Now()
	if v.zone, err = time.LoadLocation(v.overview.TimeZone); err != nil {
		return fmt.Errorf("the organisation's time zone: %w", err)
	}
	v.connections, err = s.Vault.Connections(v.overview.Connections)
	return err
}

// signedIn sends everybody else to the login page, and back afterwards.
func (s *server) signedIn(c *fiber.Ctx) error {
	if who(c).User.ID != "" {
		return s.anybody(c)
	}
	return s.logInFirst(c)
}

// leave redirects to another page. htmx would put that in the place of a part of
// this one: it is told to load the page.
func leave(c *fiber.Ctx, path string) error {
	if c.Get("HX-Request") == "true" {
		c.Set("HX-Redirect", path)
		return c.SendStatus(http.StatusNoContent)
	}
	return redirect(c, path)
}

// withQuery is a path with a query, if there is one.
func withQuery(path, query string) string {
	if query == "" {
		return path
	}
	return path + "?" + query
}

// inTenant sends those who haven't chosen a tenant to the page where they do.
func (s *server) inTenant(c *fiber.Ctx) error {
	if who(c).Tenant.ID == "" {
		return leave(c, withQuery("/tenant", query("next", s.comeBack(c))))
	}
	return c.Next()
}

// connectionAlert tells, on every page, of a connection that is lost, or that can't be
// renewed until somebody does something.
func connectionAlert(connections []identity.Connection) *views.Alert {
	for _, c := range identity.Troubled(connections) {
		if c.Dead {
			why := identity.WhyBroken(c.ID, c.Name, c.Code)
			return &views.Alert{Tone: "bad", Title: "Connection to " + c.Name + " lost", Text: why.What + " " + why.Mend,
				ConnectURL: "/integrations/" + c.ID + "/connect", ConnectText: "Reconnect " + c.Name}
		}
		if why := identity.WhyFailing(c.ID, c.Name, c.Code); why.Who != identity.Nobody {
			return &views.Alert{Tone: "warn", Title: "The connection to " + c.Name + " can’t be renewed", Text: why.What + " " + why.Mend,
				LinkURL: "/integrations", LinkText: "View integrations"}
		}
	}
	return nil
}

// needsPerson is how many people need attention, in any CRM, and a connection that is lost
// or waits for a decision.
func (s *server) needsPerson(c *fiber.Ctx) (n int) {
	if who(c).Tenant.ID == "" {
		return 0
	}
	for _, d := range s.destinations(c) {
		n += d.inAttention()
	}
	for _, c := range who(c).connections {
		if c.Dead || c.Held != nil {
			n++
		}
	}
	return n
}

// page is what the page of a request shares with all others, with what is said once.
func (s *server) page(c *fiber.Ctx, title string, nav views.Nav) views.Page {
	p := s.frame(c, title, nav)
	if v := who(c); v.Session != nil {
		for _, f := range v.Session.Flashes() {
			p.Flashes = append(p.Flashes, views.Flash{Kind: views.FlashKind(f.Kind), Text: f.Text})
		}
	}
	return p
}

// frame is a page without what is said once: after an error the session is not
// stored, and the next page would say it again.
func (s *server) frame(c *fiber.Ctx, title string, nav views.Nav) views.Page {
	v := who(c)
	p := views.Page{Title: title, CRM: viewCRM(s.words(c)), CSRF: s.formToken(c), User: views.User{Email: v.User.Email}, Tenant: v.Tenant.Name, Tenants: v.tenants(),
		Nav: nav, Attention: s.needsPerson(c), Held: v.overview.Sums[db.OnHold], Alert: connectionAlert(v.connections), Version: s.Version, Assets: assets()}
	if v.zone != nil {
		p.Zone = views.ZoneName(zones.City(v.zone.String()), v.zone, v.now)
	}
	return p
}

// assets are what every page loads.
func assets() views.Assets {
	return views.Assets{CSS: static.URL("app.css"), HTMX: static.URL("htmx.min.js"), JS: static.URL("app.js"), Icon: static.URL("icon.svg"), Font: static.URL("inter-latin.woff2")}
}

// flash has the next page say something once.
func (s *server) flash(c *fiber.Ctx, kind views.FlashKind, text string) {
	who(c).Session.Flash(string(kind), text)
}
