package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"gatepost/auth"
	"gatepost/crm"
	"gatepost/crm/connect"
	"gatepost/db"
	"gatepost/delivery"
	"gatepost/identity"
	"gatepost/incidents"
	"gatepost/jobs"
	"gatepost/mail"
	"gatepost/newsletter"
	"gatepost/outbound"
	"gatepost/ratelimit"
	"gatepost/routes"
	"gatepost/seal"

	"github.com/gofiber/fiber/v2"
	"golang.org/x/sync/errgroup"
)

// portal is a Gatepost with all its rooms wired together.
type portal struct {
	db          *db.DB
	id          string // of this process
	people      *auth.People
	vault       *identity.Vault
	newsletters *newsletter.Service
	dispatcher  *delivery.Dispatcher
	limits      *ratelimit.Limits
	macs        *seal.MACs
	compactHour int // jobs.NoCompactHour where nobody set one
	keys        *auth.APIKeys
	crms        crm.Providers
	mailer      jobs.Mailer  // nil when there is no mail server
	outbox      *mail.Outbox // likewise
	app         *fiber.App
	log         *slog.Logger
}

// openPortal opens the database and the key file and wires the rooms.
func openPortal(ctx context.Context, c config, log *slog.Logger) (*portal, error) {
	store, err := openServed(ctx, c, log)
	if err != nil {
		return nil, err
	}
	p := &portal{db: store, id: db.NewID(), people: auth.NewPeople(store, store.Now), log: log}
	if err = store.Serve(ctx, p.id); err == nil {
		err = p.wire(ctx, c)
	}
	if err != nil {
		p.close(ctx)
		return nil, err
	}
	return p, nil
}

// close gives the right to serve back, and closes the database.
func (p *portal) close(ctx context.Context) {
	_ = p.db.StopServing(context.WithoutCancel(ctx), p.id) // it runs out otherwise
	_ = p.db.Close()
}

func (p *portal) wire(ctx context.Context, c config) error {
	keys, err := openKeys(ctx, c.Keyset, p.db)
	if err != nil {
		return err
	}
	if p.macs, err = seal.OpenMACs(ctx, keys, p.db); err != nil {
		return err
	}
	p.compactHour = c.CompactHour.orNever()
	out := outbound.Client(trustedLogins(p.db, c.LoginURL))
	crms := connect.New(connect.Config{HTTP: out, Log: p.log, Now: p.db.Now})
	p.crms = crms.Providers()
	p.db.SetCRMs(p.crms.Services()...)
	p.vault, err = identity.New(identity.Config{
		Store: p.db, Keys: keys, HTTP: out, TenantHTTP: outbound.Client(outbound.Trust()), Log: p.log, Org: crms.Organization, Now: p.db.Now,
		Services: c.services(),
		Callback: c.callback,
	})
	if err != nil {
		return err
	}
	if err := p.readyToCall(ctx); err != nil {
		return err
	}
	if p.db.SearchesBeginnings() {
		p.log.WarnContext(ctx, "subscribers are found by how a name or an address begins: PostgreSQL lacks the extension pg_trgm; see docs/operating.md")
	}
	p.dispatcher = delivery.New(delivery.Config{Store: p.db, Log: p.log, Now: p.db.Now,
		UnsubscribeAddress: func(tenantID, subscriberID string) string {
			return p.newsletters.UnsubscribeAddress(tenantID, subscriberID)
		},
		Connect: func(ctx context.Context, to db.DestinationKey) (crm.CRM, error) {
			d, err := p.db.Destination(ctx, to)
			if err != nil {
				return nil, err
			}
			return crms.Connect(ctx, p.vault, d.Service, d.TenantID)
		}})
	if err := p.wireMail(ctx, c); err != nil {
		return err
	}
	p.limits, p.keys = ratelimit.New(p.db, p.db.Now, p.log, p.macs.For(seal.Limit)), auth.NewAPIKeys(p.db)
	p.newsletters = newsletter.New(newsletter.Config{Store: p.db, URL: c.URL, Wake: p.dispatcher.Wake, Log: p.log, Now: p.db.Now, MACs: p.macs, Mail: p.mailer != nil, Counts: p.limits, Domains: c.resolver()})
	p.app, err = routes.New(routes.Config{
		URL: c.URL, Store: p.db, Health: p.db, Incidents: p.db, Settings: p.db, People: p.people, Sessions: p.db, Keys: p.keys, Vault: p.vault, Newsletters: p.newsletters, Delivery: p.dispatcher, Limits: p.limits, MACs: p.macs,
		CRMs: p.crms, TrustedProxies: c.TrustedProxies, SignupLimits: bool(c.SignupLimits), APILimit: c.APILimit,
		Mail: p.mailer != nil, Version: version(), HelpURL: c.HelpURL, DemoUser: c.demoUser, DemoUsers: c.demoUsers, DemoMail: c.demoMail, Log: p.log, Now: p.db.Now,
	})
	return err
}

// wireMail wires the mail server, if there is one.
func (p *portal) wireMail(ctx context.Context, c config) error {
	if c.SMTP == "" {
		p.log.InfoContext(ctx, "no mail is sent: GATEPOST_SMTP is not set")
		return nil
	}
	server, err := c.mailServer()
	if err != nil {
		return err
	}
	p.people.TellByMail()
	p.mailer = mail.New(mail.Config{CRMs: p.crms, URL: c.URL, Server: server, Store: p.db, Links: p.people, Log: p.log, Now: p.db.Now})
	p.outbox = mail.NewOutbox(mail.OutboxConfig{URL: c.URL, Server: server, Store: p.db, MACs: p.macs, Log: p.log, Now: p.db.Now})
	return nil
}

// readyToCall checks that an app of a CRM is set, and has connections that broke because
// an app was refused tried again, since its settings may have changed.
func (p *portal) readyToCall(ctx context.Context) error {
	set := false
	for _, service := range p.crms.Services() {
		err := p.vault.CheckApp(ctx, service)
		switch {
		case errors.Is(err, identity.ErrNoApp):
			continue
		case errors.Is(err, seal.ErrSealed): // what needs no call to the CRM goes on
			p.log.ErrorContext(ctx, "the client secret can't be opened: set it again with gatepost service set "+service+" --client-secret-stdin")
		case err != nil:
			return err
		}
		set = true
		if err := p.vault.RetryApp(ctx, service); err != nil {
			return err
		}
	}
	if !set {
		return errNoApp
	}
	return nil
}

// run serves on ln until ctx ends or something fails, then stops in order: no
// new requests, then the sign-ups that are queued, then what is on its way. It
// closes ln and the database.
func (p *portal) run(ctx context.Context, ln net.Listener) error {
	defer p.close(ctx)
	serving, stopServing := context.WithCancel(ctx)
	defer stopServing()
	work, stopWork := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWork()

	var g errgroup.Group
	start := func(what string, run func() error) {
		g.Go(func() error {
			defer stopServing()
			if err := run(); err != nil {
				return fmt.Errorf("%s: %w", what, err)
			}
			return nil
		})
	}
	start("store sign-ups", func() error { p.newsletters.Run(work); return nil })
	start("look up domains", func() error { p.newsletters.LookUpDomains(work); return nil })
	start("count views", func() error { p.newsletters.CountViews(work); return nil })
	start("deliver", func() error { return p.dispatcher.Run(work) })
	start("record use", func() error { p.vault.RunBesideJobs(work); return nil })
	start("keep the right to serve", func() error { return p.keepServing(work) })
	start("share the limits", func() error { p.limits.Run(work); return nil })
	start("listen to other processes", func() error { p.db.Listen(work, p.heard); return nil })
	start("bring the search up to date", func() error { p.newsletters.Index(work); return nil })
	start("fold the counts", func() error { p.foldCounts(work); return nil })
	if p.outbox != nil {
		start("send mails to readers", func() error { p.outbox.Run(work); return nil })
	}
	start("jobs", func() error {
		return jobs.Run(work, jobs.Config{Store: p.db, Vault: p.vault, Keys: p.vault.Keys, Mailer: p.mailer,
			Watch: &incidents.Watch{CRMs: p.crms, Store: p.db, Tell: p.mailer != nil, Now: p.db.Now, Log: p.log}, Fields: p.dispatcher, Forget: p.newsletters, CompactHour: p.compactHour, Log: p.log})
	})
	start("serve", func() error {
		if err := p.app.Listener(routes.Framed(ln)); !errors.Is(err, net.ErrClosed) {
			return err
		}
		return nil
	})

	<-serving.Done()
	stop := p.app.ShutdownWithTimeout(10 * time.Second)
	if errors.Is(stop, context.DeadlineExceeded) {
		p.log.WarnContext(ctx, "connections were still open after ten seconds, and are cut off")
		stop = nil
	}
	_ = ln.Close() // a server that had not begun yet was not told
	stopWork()
	err := errors.Join(g.Wait(), stop)
	p.vault.Wait()
	return err
}

// renewEvery is how often the right to serve is renewed. Tests don't wait so long.
var renewEvery = db.ServingTime / 3

// keepServing renews the right to serve, until ctx ends or it is lost for good: then
// the database is somewhere else by now.
func (p *portal) keepServing(ctx context.Context) error {
	tick := time.NewTicker(renewEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		switch err := p.db.Serve(ctx, p.id); {
		case errors.Is(err, db.ErrMarked):
			return err
		case err != nil && ctx.Err() == nil:
			p.log.ErrorContext(ctx, "renewing the right to serve failed", "error", err)
		}
	}
}

// heard does what another process's notice, or one of its own, asks for.
func (p *portal) heard(n db.Notice) {
	switch n.Kind {
	case db.NoticeDue:
		p.dispatcher.Heard(n.TenantID)
	case db.NoticeNewsletters:
		p.newsletters.Forget()
	case db.NoticeAPIKeys:
		p.keys.Forget()
	case db.NoticeAny:
		p.dispatcher.Look()
		p.newsletters.Forget()
		p.keys.Forget()
	}
}

// foldEvery is how often what processes have counted is added up.
const foldEvery = time.Second

// foldCounts keeps the counts quick to read, until ctx ends.
func (p *portal) foldCounts(ctx context.Context) {
	tick := time.NewTicker(foldEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if _, err := p.db.FoldCounts(ctx); err != nil && ctx.Err() == nil {
			p.log.ErrorContext(ctx, "adding up what was counted failed", "error", err)
		}
	}
}
