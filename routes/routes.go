// Package routes is Gatepost over HTTP: one file for each page or group of
// addresses. A handler decodes, checks, calls and answers; it returns an error
// and never writes one.
package routes

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strings"
	"time"

	"gatepost/auth"
	"gatepost/crm"
	"gatepost/db"
	dispatch "gatepost/delivery"
	"gatepost/forms"
	"gatepost/identity"
	"gatepost/newsletter"
	"gatepost/seal"
	"gatepost/static"
	"gatepost/views"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/recover"
)

// What one request may bring and how long it may take.
const (
	maxBody    = 64 << 10
	maxHeaders = 16 << 10
	maxTime    = time.Minute
)

// Store is what the pages read beside what the rooms offer; db.DB is one.
type Store interface {
	Ping(ctx context.Context) error
	Replication(ctx context.Context) (db.Replication, error)
	Overview(ctx context.Context, tenantID, userID, subscriberID string) (db.Overview, error)
	TenantBySlug(ctx context.Context, slug string) (db.Tenant, error)
	auth.APIKeyStore
}

// Delivery is told that a tenant's connection was made or mended, or that there
// is something to deliver.
type Delivery interface {
	Wake(tenantID string)
	CheckUp(ctx context.Context, to db.DestinationKey) error
	CheckUpSoon(to db.DestinationKey)
	CheckKey(ctx context.Context, to db.DestinationKey, field string) error
	Resume(ctx context.Context, to db.DestinationKey) error
	ReadSchema(ctx context.Context, to db.DestinationKey) error
	ReadSubscriptions(ctx context.Context, to db.DestinationKey) error
	PreviewOf(ctx context.Context, to db.DestinationKey, m db.Mappings, known []db.Known) (dispatch.Preview, error)
}

// Config is what the portal is made of. All but the fields that say otherwise
// are required.
type Config struct {
	URL            string // public address, without a slash at its end
	Store          Store
	Health         HealthStore
	Incidents      IncidentStore
	Settings       SettingsStore
	People         *auth.People
	Sessions       auth.SessionStore
	Keys           *auth.APIKeys
	Vault          *identity.Vault
	Newsletters    *newsletter.Service
	Delivery       Delivery
	Limits         Limits
	MACs           *seal.MACs     // for links, and for what pages are to bring back
	CRMs           crm.Providers  // that there are
	TrustedProxies []netip.Prefix // optional
	SignupLimits   bool           // limit sign-ups per address, and per tenant
	APILimit       int            // requests of an API key in a minute; 3,000 when 0
	Mail           bool           // whether mails can be sent
	Version        string         // of the program
	HelpURL        string         // optional: the operator's own help, or mailto: and whom to ask
	DemoUser       string         // address to sign in with, in the demo only
	DemoUsers      []DemoUser     // whom the log-in page lets in without a password, in the demo only
	DemoMail       string         // address of the page with the mails, in the demo only
	Log            *slog.Logger
	Now            func() time.Time // by the clock that all processes go by; time.Now when nil
}

// server holds what the handlers share.
type server struct {
	Config
	sessions *auth.Sessions
	secure   bool // the public address is https
	log      *slog.Logger
	pages    []string // routes of the portal's pages, that one may come back to after a log-in
}

// New returns the portal as a Fiber app.
func New(c Config) (*fiber.App, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	s := &server{Config: c, log: c.Log, secure: strings.HasPrefix(c.URL, "https://")}
	s.sessions = auth.NewSessions(c.Sessions, auth.SessionOptions{Secure: s.secure, IP: remoteIP, Now: s.Now})
	app := fiber.New(s.fiberConfig())
	app.Server().HeaderReceived = largeBodies
	app.Use(s.recovered(), s.headers, s.observe, s.recovered(), rejectEncoded, readable)
	s.public(app)
	s.api(app)
	s.authorize(app)
	s.publicPages(app)
	s.portal(app)
	return app, nil
}

func (s *server) fiberConfig() fiber.Config {
	return fiber.Config{
		AppName:               "Gatepost",
		BodyLimit:             maxBody,
		ReadBufferSize:        maxHeaders,
		ReadTimeout:           30 * time.Second,
		WriteTimeout:          maxTime + 10*time.Second,
		IdleTimeout:           2 * time.Minute,
		Immutable:             true,
		CaseSensitive:         true, // as isPublic is
		DisableStartupMessage: true,
		ErrorHandler:          s.outermost,
		// Else a form that can't be read is refused before anybody knows which address it is for.
		DisablePreParseMultipartForm: true,
	}
}

// public mounts what nobody needs to sign in for.
func (s *server) public(app *fiber.App) {
	app.Get("/healthz", func(c *fiber.Ctx) error { return c.SendString("ok\n") })
	app.Get("/readyz", s.ready)
	app.Get("/static/*", s.asset)
	app.Get(static.EmbedPrefix+":file", s.embedScript)
	app.Get("/favicon.ico", s.favicon)
	app.Get("/robots.txt", s.robots)
	app.Get("/.well-known/change-password", func(c *fiber.Ctx) error { return redirect(c, "/account") })
	app.Get("/signup/:slug", s.signupForm)
	app.Post("/signup/:slug", s.limitSignUps, s.signUp)
	app.Options("/signup/:slug", s.signupOptions)
	app.Get("/signup/:slug/thanks", s.thanks)
	app.Get("/signup/:slug/challenge", s.signupChallenge)
	app.Get("/signup/:slug/report", s.reportForm)
	app.Post("/signup/:slug/report", s.limitReports, s.report)
	app.Get("/signup/:slug/reported", s.reported)
	app.Get("/signup/:slug/schema.json", s.signupSchema)
	app.Get("/signup/:slug/look/:file", s.signupLook)
	app.Get("/signup/:slug/logo/:file", s.signupLogo)
	app.Get("/confirm/:token", s.confirmPage)
	app.Post("/confirm/:token", s.confirm)
	app.Get("/unsubscribe/:token", s.limitUnsubscribing, s.unsubscribeForm)
	app.Post("/unsubscribe/:token", s.limitUnsubscribing, s.unsubscribe)
}

// publicPages mounts the pages in front of the portal.
func (s *server) publicPages(app *fiber.App) {
	page := func(method, path string, h fiber.Handler) {
		mount(app, method, path, s.publicAddress, s.session, s.anybody, s.csrf, h)
	}
	page(http.MethodGet, "/login", s.loginForm)
	page(http.MethodPost, "/login", s.login)
	if len(s.DemoUsers) > 0 {
		page(http.MethodPost, "/login/demo", s.demoLogin)
	}
	page(http.MethodGet, "/password/forgot", s.forgotForm)
	page(http.MethodPost, "/password/forgot", s.forgot)
	page(http.MethodGet, "/password/sent", s.resetSent)
	page(http.MethodGet, "/password/reset", s.resetForm)
	page(http.MethodPost, "/password/reset", s.reset)
	page(http.MethodGet, "/setup", s.setupForm)
	page(http.MethodPost, "/setup", s.setup)
}

// portal mounts the pages for those who are signed in.
func (s *server) portal(app *fiber.App) {
	user := func(method, path string, h fiber.Handler) {
		mount(app, method, path, s.publicAddress, s.session, s.signedIn, s.csrf, h)
	}
	user(http.MethodGet, "/tenant", s.tenants)
	user(http.MethodPost, "/tenant", s.chooseTenant)
	user(http.MethodPost, "/logout", s.logout)

	page := func(method, path string) {
		if method == http.MethodGet && !isPart(path) {
			s.pages = append(s.pages, path)
		}
	}
	admin := func(method, path string, h fiber.Handler) {
		page(method, path)
		mount(app, method, path, s.publicAddress, s.session, s.signedIn, s.inTenant, s.csrf, s.sameTenant, h)
	}
	// What is about deliveries is there for the CRM that sign-ups go to.
	deliveries := func(method, path string, h fiber.Handler) {
		page(method, "/integrations/:service"+path)
		mount(app, method, "/integrations/:service"+path, s.publicAddress, s.session, s.signedIn, s.inTenant, s.crmOnly, s.csrf, s.sameTenant, h)
	}
	admin(http.MethodGet, "/", s.home)
	admin(http.MethodGet, "/sign-ups.csv", s.signUpsCSV)
	admin(http.MethodGet, "/integrations", s.integrations)
	admin(http.MethodGet, "/integrations/:service", s.integration)
	deliveries(http.MethodGet, "/live", s.statusPart)
	deliveries(http.MethodGet, "/sum", s.sum)
	deliveries(http.MethodGet, "/settings", s.deliverySettings)
	deliveries(http.MethodPost, "/settings", s.setDeliverySettings)
	deliveries(http.MethodGet, "/mapping", s.mapping)
	deliveries(http.MethodPost, "/mapping", s.setMapping)
	deliveries(http.MethodPost, "/mapping/read", s.readSchema)
	deliveries(http.MethodGet, "/mapping/apply", s.confirmApply)
	deliveries(http.MethodPost, "/mapping/apply", s.applyMapping)
	deliveries(http.MethodGet, leavingPage, s.onLeaving)
	deliveries(http.MethodPost, leavingPage, s.setOnLeaving)
	deliveries(http.MethodPost, leavingPage+"/read", s.readKinds)
	deliveries(http.MethodPost, leavingPage+"/retry", s.retryOptOuts)
	deliveries(http.MethodGet, "/newsletters", s.feeds)
	deliveries(http.MethodPost, "/newsletters", s.setFeeds)
	deliveries(http.MethodGet, "/everybody", s.everybody)
	deliveries(http.MethodPost, "/everybody", s.sendEverybody)
	deliveries(http.MethodGet, "/everybody/live", s.countsPart)
	deliveries(http.MethodGet, "/remove", s.confirmRemove)
	deliveries(http.MethodPost, "/remove", s.remove)
	deliveries(http.MethodGet, "/move", s.confirmMove)
	deliveries(http.MethodPost, "/move", s.move)
	deliveries(http.MethodGet, "/checkup", s.checkUp)
	deliveries(http.MethodPost, "/checkup", s.runCheckUp)
	deliveries(http.MethodPost, "/recount", s.recount)
	deliveries(http.MethodGet, "/actions", s.actionsPart)
	deliveries(http.MethodPost, "/retry", s.retryAll)
	deliveries(http.MethodPost, "/try", s.tryAll)
	deliveries(http.MethodPost, "/dismiss", s.dismissAll)
	deliveries(http.MethodGet, "/problems.csv", s.problemsCSV)
	deliveries(http.MethodGet, "/problems", s.problemList)
	deliveries(http.MethodGet, "/problems/live", s.problemsPart)
	deliveries(http.MethodGet, "/problems/:state/:reason", s.problemPage)
	deliveries(http.MethodGet, "/problems/:state/:reason/dismiss", s.confirmDismiss)
	deliveries(http.MethodPost, "/time-zone", s.setTimeZone)
	admin(http.MethodGet, "/integrations/:service/card", s.integrationCard)
	admin(http.MethodPost, "/integrations/:service/connect", s.connect)
	app.Add(http.MethodGet, callbackPath, s.authorizationCallback, s.session, s.signedIn, s.inTenant, s.callback) // no HEAD: it may end what it finds
	admin(http.MethodGet, "/integrations/:service/connected", s.connected)
	admin(http.MethodPost, "/integrations/:service/held", s.decideHeld)
	admin(http.MethodGet, "/integrations/:service/disconnect", s.confirmDisconnect)
	admin(http.MethodPost, "/integrations/:service/disconnect", s.disconnect)
	admin(http.MethodGet, "/integrations/:service/app", s.ownApp)
	admin(http.MethodPost, "/integrations/:service/app", s.setOwnApp)
	admin(http.MethodGet, "/integrations/:service/app/remove", s.confirmOwnAppRemoval)
	admin(http.MethodPost, "/integrations/:service/app/remove", s.removeOwnApp)
	admin(http.MethodGet, "/newsletters", s.newsletters)
	admin(http.MethodPost, "/newsletters", s.addNewsletter)
	admin(http.MethodGet, "/newsletters/new", s.newNewsletter)
	admin(http.MethodGet, "/newsletters/:slug", s.newsletterForm)
	admin(http.MethodPost, "/newsletters/:slug/form", s.editNewsletterForm)
	admin(http.MethodPost, "/newsletters/:slug/preview", s.previewNewsletterForm)
	admin(http.MethodGet, "/newsletters/:slug/protection", s.protection)
	admin(http.MethodPost, "/newsletters/:slug/protection", s.setProtection)
	admin(http.MethodGet, "/newsletters/:slug/settings", s.newsletterSettings)
	admin(http.MethodPost, "/newsletters/:slug/settings", s.setNewsletterSettings)
	admin(http.MethodPost, "/newsletters/:slug/confirmation", s.setConfirmation)
	admin(http.MethodGet, "/newsletters/:slug/archive", s.confirmArchive)
	admin(http.MethodPost, "/newsletters/:slug/state", s.setNewsletterState)
	admin(http.MethodGet, "/newsletters/:slug/embed", s.newsletterEmbed)
	admin(http.MethodPost, "/newsletters/:slug/embed", s.setSites)
	admin(http.MethodGet, "/settings", s.settings)
	admin(http.MethodPost, "/settings", s.setSettings)
	admin(http.MethodGet, "/settings/notifications", s.notifications)
	admin(http.MethodPost, "/settings/notifications", s.setNotifications)
	admin(http.MethodGet, "/settings/retention", s.retention)
	admin(http.MethodPost, "/settings/retention", s.setRetention)
	admin(http.MethodGet, "/newsletter/signup", s.testForm)
	admin(http.MethodPost, "/newsletter/signup", s.testSignUp)
	admin(http.MethodGet, "/newsletter/signup/:id", s.testProgress)
	admin(http.MethodGet, "/newsletter/signup/:id/undo", s.undoForm)
	admin(http.MethodPost, "/newsletter/signup/:id/undo", s.undo)
	admin(http.MethodGet, "/subscribers", s.subscribers)
	admin(http.MethodGet, "/subscribers.csv", s.subscribersCSV)
	admin(http.MethodGet, suppressionPath, s.suppression)
	admin(http.MethodPost, suppressionPath, s.suppressAll)
	admin(http.MethodPost, suppressionPath+"/remove", s.unsuppress)
	admin(http.MethodGet, suppressionPath+"/:id", s.suppressionList)
	admin(http.MethodGet, suppressionPath+"/:id/live", s.suppressionLive)
	admin(http.MethodGet, "/subscribers/erased", s.erasures)
	admin(http.MethodGet, "/subscribers/erased.csv", s.erasuresCSV)
	admin(http.MethodGet, "/subscribers/:id", s.person)
	admin(http.MethodGet, "/subscribers/:id/consent", s.consentRecord)
	admin(http.MethodPost, "/subscribers/:id/retry", s.retryOne)
	admin(http.MethodPost, "/subscribers/:id/dismiss", s.dismissOne)
	admin(http.MethodPost, "/subscribers/:id/return", s.markAsActive)
	admin(http.MethodGet, "/quarantine", s.quarantine)
	admin(http.MethodPost, "/quarantine", s.decideHolds)
	admin(http.MethodGet, "/quarantine/reject", s.confirmRejectAll)
	admin(http.MethodPost, "/quarantine/reject", s.rejectAll)
	admin(http.MethodGet, "/help", s.help)
	admin(http.MethodGet, "/subscribers/:id/edit", s.editForm)
	admin(http.MethodPost, "/subscribers/:id/edit", s.edit)
	admin(http.MethodGet, "/subscribers/:id/leave", s.leaveForm)
	admin(http.MethodPost, "/subscribers/:id/leave", s.markAsLeft)
	admin(http.MethodGet, "/subscribers/:id/data", s.personData)
	admin(http.MethodGet, "/subscribers/:id/data.json", s.personJSON)
	admin(http.MethodGet, "/subscribers/:id/erase", s.eraseForm)
	admin(http.MethodPost, "/subscribers/:id/erase", s.erase)
	admin(http.MethodGet, "/subscribers/:id/erased", s.erased)
	admin(http.MethodPost, "/subscribers/:id/erased/give-up", s.giveUpErasing)
	admin(http.MethodGet, "/account", s.account)
	admin(http.MethodPost, "/account/password", s.changePassword)
	admin(http.MethodPost, "/account/mails", s.setMails)
	admin(http.MethodPost, "/account/sessions/end", s.endSession)
	admin(http.MethodPost, "/account/sessions/end-all", s.endSessions)
	if s.DemoUser != "" {
		admin(http.MethodGet, "/_components", func(c *fiber.Ctx) error {
			return render(c, http.StatusOK, views.Components(s.page(c, "Components", views.NavNone)))
		})
	}
}

// mount adds a route; one that answers GET answers HEAD too.
func mount(app *fiber.App, method, path string, handlers ...fiber.Handler) {
	if method == http.MethodGet {
		app.Get(path, handlers...)
		return
	}
	app.Add(method, path, handlers...)
}

// recovered turns a panic into an error, and logs where it came from.
func (s *server) recovered() fiber.Handler {
	return recover.New(recover.Config{EnableStackTrace: true, StackTraceHandler: func(c *fiber.Ctx, cause any) {
		s.log.ErrorContext(c.UserContext(), "panic", "id", requestID(c), "route", c.Route().Path, "cause", cause, "stack", string(debug.Stack()))
	}})
}

// outermost answers errors from outside our own handlers: of the HTTP parser, as
// for a body that is too large, and of the page that tells of an error. There may
// be no route then, and no session.
func (s *server) outermost(c *fiber.Ctx, err error) error {
	id := db.NewID()
	c.Locals(localRequestID, id)
	c.Set("X-Request-ID", id)
	s.setHeaders(c)
	if isAPI(c) {
		return s.failAPI(c, err)
	}
	status, sentence := s.explain(err)
	if status == http.StatusInternalServerError {
		s.log.ErrorContext(c.UserContext(), "request failed", "id", id, "status", status, "error", err)
	}
	if wantsJSON(c) {
		return problem(c, status, sentence, nil)
	}
	return render(c, status, views.SignupMessage(failedPage(c, forms.English, sentence)))
}

// requestContext bounds a request's time. It ends with the server's shutdown no
// sooner, so that what is under way is finished.
func (s *server) requestContext(c *fiber.Ctx) (context.Context, context.CancelFunc) {
	return context.WithTimeout(c.UserContext(), maxTime)
}

// replicationWords are what an operator is told of the database's other servers.
var replicationWords = map[db.Replication]string{
	db.ReplicationSynchronous:  "replication: synchronous; when a standby takes over, nothing that was stored is lost\n",
	db.ReplicationAsynchronous: "replication: asynchronous; when a standby takes over, the last of what was stored may be lost\n",
}

// ready handles GET /readyz: whether requests can be served, and what they bring
// stored.
func (s *server) ready(c *fiber.Ctx) error {
	if err := s.Store.Ping(c.UserContext()); err != nil {
		return errors.Join(fiber.ErrServiceUnavailable, err)
	}
	r, err := s.Store.Replication(c.UserContext())
	if err != nil {
		return errors.Join(fiber.ErrServiceUnavailable, err)
	}
	return c.SendString("ready\n" + replicationWords[r])
}
