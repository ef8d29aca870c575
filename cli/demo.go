package cli

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"gatepost/auth"
	"gatepost/db"
	"gatepost/identity"
	"gatepost/mailbox"
	"gatepost/routes"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
)

// The demo's cast. Its app's secret opens nothing but the simulated services.
const (
	demoTenant       = "contoso"
	demoTenantName   = "Contoso"
	demoUser         = "john@contoso.example"
	demoNewsletter   = "contoso-weekly"
	demoClientID     = "gatepost-demo"
	demoClientSecret = "gatepost-demo-secret"
)

// addresses are what demo listens on and where it keeps its data.
type addresses struct {
	portal, mail, data, database string
	simulated                    []string // in the order of simulations
}

func (p *program) demoCommand() *cobra.Command {
	a := addresses{simulated: make([]string, len(simulations))}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Run the portal beside simulated CRMs and a mail server, ready to try",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return p.demo(cmd.Context(), a) },
	}
	cmd.Flags().StringVar(&a.portal, "addr", "127.0.0.1:8080", "address of the portal")
	for i, s := range simulations {
		cmd.Flags().StringVar(&a.simulated[i], s.name+"-addr", s.addr, "address of the simulated "+s.title)
	}
	cmd.Flags().StringVar(&a.mail, "mail-addr", "127.0.0.1:0", "address of the page with the mails")
	cmd.Flags().StringVar(&a.data, "data", "", "folder for the data (default: a new temporary one)")
	cmd.Flags().StringVar(&a.database, "database", "", "path or postgres:// address of the database (default: a file in that folder); its keys are in the folder")
	return cmd
}

// listeners are what the demo is reached by.
type listeners struct {
	portal, mail, smtp net.Listener
	simulated          []net.Listener // in the order of simulations
}

func (p *program) demo(ctx context.Context, a addresses) error {
	ln, err := a.listen() // first: a port that is taken leaves no folder behind
	defer ln.close()
	if err != nil {
		return err
	}
	if a.database != "" && a.data == "" {
		return errors.New("--database needs --data: the keys and the simulated services are in that folder")
	}
	data, err := dataFolder(a.data)
	if err != nil {
		return err
	}
	served, err := p.runDemo(ctx, data, a.database, ln)
	if a.data == "" && !served {
		err = errors.Join(err, os.RemoveAll(data)) // nobody was told of it
	}
	return err
}

// listen opens all listeners; those that are open are to be closed after an error too.
func (a addresses) listen() (ln listeners, err error) {
	ln.simulated = make([]net.Listener, len(a.simulated))
	listen := func(to *net.Listener, addr string) {
		if err != nil {
			return
		}
		if *to, err = net.Listen("tcp", addr); err != nil {
			err = listenError(addr, err)
		}
	}
	listen(&ln.portal, a.portal)
	for i, addr := range a.simulated {
		listen(&ln.simulated[i], addr)
	}
	listen(&ln.mail, a.mail)
	listen(&ln.smtp, "127.0.0.1:0")
	return ln, err
}

func (ln listeners) close() {
	for _, l := range append([]net.Listener{ln.portal, ln.mail, ln.smtp}, ln.simulated...) {
		if l != nil {
			_ = l.Close()
		}
	}
}

// of is the listener of the simulated service that stands for one.
func (ln listeners) of(service string) net.Listener {
	return ln.simulated[slices.IndexFunc(simulations, func(s simulation) bool { return s.service == service })]
}

// dataFolder makes the folder, or a new temporary one when none is named.
func dataFolder(named string) (string, error) {
	if named == "" {
		return os.MkdirTemp("", "gatepost-demo-")
	}
	return named, os.MkdirAll(named, 0o700)
}

// runDemo runs the demo on the data until ctx ends. served says that it came so far
// as to say where the data is.
func (p *program) runDemo(ctx context.Context, data, database string, ln listeners) (served bool, err error) {
	c, err := p.demoConfig(data, database, ln)
	if err != nil {
		return false, err
	}
	mocks, err := openMocks(ctx, data, c, ln.simulated)
	defer mocks.close()
	if err != nil {
		return false, err
	}
	gp, err := openPortal(ctx, c, p.logger(slog.Level(c.Level)))
	if err != nil {
		return false, err
	}
	sample := sampler{gp, mocks.salesforce(), c}
	password, fabrikam, err := sample.seed(ctx, mocks, data)
	if err != nil {
		gp.close(ctx)
		return false, err
	}
	_, _ = fmt.Fprintf(p.errOut, "Data: %s\nMails: %s\n", data, c.demoMail)
	if database != "" {
		p.tellDatabase(gp.db, database)
	}
	_, _ = fmt.Fprintf(p.out, "Portal: %s\nSign in: %s / %s\nSign-up form: %s/signup/%s\n", c.URL, demoUser, password, c.URL, demoNewsletter)
	for _, m := range mocks {
		_, _ = fmt.Fprintf(p.out, "Simulated %s: %s\n", m.title, m.url)
	}
	return true, all(ctx, sample, fabrikam, mocks, ln)
}

// seed makes what is there from the start, where it is missing: the demo's tenants, and the
// app that they connect with.
func (s sampler) seed(ctx context.Context, mocks mocks, data string) (password, fabrikam string, err error) {
	if password, err = seed(ctx, s.people); err != nil {
		return "", "", err
	}
	if err := mocks.offer(ctx, s.portal, data); err != nil {
		return "", "", err
	}
	fabrikam, err = s.make(ctx)
	return password, fabrikam, err
}

// all runs the portal, the simulated services and the mail server until ctx ends
// or one of them fails. The portal stops first, so that what is on its way arrives.
func all(ctx context.Context, s sampler, fabrikam string, mocks mocks, ln listeners) error {
	outside, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer stop()
		return s.run(ctx, ln.portal)
	})
	if fabrikam != "" {
		g.Go(func() error { s.keepPostponed(ctx, fabrikam); return nil })
	}
	box := new(mailbox.Box)
	for i, m := range mocks {
		g.Go(func() error { return serveHTTP(outside, ln.simulated[i], m.Handler()) })
	}
	g.Go(func() error { return serveHTTP(outside, ln.mail, box.Handler()) })
	g.Go(func() error { return box.Serve(outside, ln.smtp) })
	return g.Wait()
}

func (p *program) demoConfig(data, database string, ln listeners) (config, error) {
	c := config{
		Database: cmp.Or(database, filepath.Join(data, "gatepost.db")), Migrate: true, URL: urlOf(ln.portal), Keyset: filepath.Join(data, "keyset.json"),
		ClientID: demoClientID, ClientSecret: demoClientSecret, LoginURL: urlOf(ln.of(identity.Salesforce)), SMTP: "smtp://" + ln.smtp.Addr().String(),
		demoUser: demoUser, demoUsers: demoLogins(ln.portal), demoMail: urlOf(ln.mail),
	}
	var honoured struct {
		Limits onOff `env:"GATEPOST_SIGNUP_LIMITS" envDefault:"on"`
		Level  level `env:"GATEPOST_LOG" envDefault:"warn"`
	}
	problems := read(&honoured, p.env)
	c.SignupLimits, c.Level = honoured.Limits, honoured.Level
	if err := checkDatabase(c.Database); err != nil {
		problems = append(problems, "--database: "+err.Error())
	}
	return c, together(problems)
}

// demoLogins are those whom the log-in page lets in without a password: on this machine
// alone.
func demoLogins(portal net.Listener) []routes.DemoUser {
	if at, ok := portal.Addr().(*net.TCPAddr); !ok || !at.IP.IsLoopback() {
		return nil
	}
	return []routes.DemoUser{{Email: demoUser, Words: "Continue as John (Contoso, starts empty)"}, {Email: fabrikamUser, Words: "Continue as Maria (Fabrikam, six months in)"}}
}

// seed makes the demo's tenant and user where they are missing, and gives the
// user a new password.
func seed(ctx context.Context, people *auth.People) (password string, err error) {
	password = rand.Text()
	_, err = people.UserByEmail(ctx, demoUser)
	switch {
	case err == nil:
		return password, people.SetPassword(ctx, demoUser, password)
	case !errors.Is(err, db.ErrNotFound):
		return "", err
	}
	if _, err := people.AddTenant(ctx, demoTenant, demoTenantName); err != nil {
		return "", err
	}
	_, err = people.AddUser(ctx, demoUser, demoTenant, password)
	return password, err
}

// urlOf is the address at which a listener on this machine is reached.
func urlOf(ln net.Listener) string {
	host, port, _ := net.SplitHostPort(ln.Addr().String())
	if ip := net.ParseIP(host); ip == nil || ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port)
}

// serveHTTP serves until ctx ends.
func serveHTTP(ctx context.Context, ln net.Listener, h http.Handler) error {
	server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	stopped := context.AfterFunc(ctx, func() {
		patience, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if server.Shutdown(patience) != nil {
			_ = server.Close()
		}
	})
	defer stopped()
	if err := server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
