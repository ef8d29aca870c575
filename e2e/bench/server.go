package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"

	"gatepost/auth"
	"gatepost/db"
	"gatepost/delivery"
	"gatepost/e2e/rig"
	"gatepost/identity"
	"gatepost/newsletter"
	"gatepost/ratelimit"
	"gatepost/routes"
	"gatepost/seal"

	"github.com/gofiber/fiber/v2"
)

// serveCommand runs one of the servers below instead of the benchmarks.
const serveCommand = "serve"

// The servers that gatepost serve is compared with.
const (
	eachCommits = "a commit each"
	bare        = "a bare Fiber handler"
	insertsEach = "an insert for each request"
)

// thanksFile has the page that the bare handler returns: the portal's own.
const thanksFile = "thanks.html"

// startServer starts a server as a process of its own, with more in its environment.
func startServer(folder, kind string, env ...string) (server, error) {
	addr, err := rig.FreeAddress()
	if err != nil {
		return server{}, err
	}
	log, err := os.Create(filepath.Join(folder, "server.txt"))
	if err != nil {
		return server{}, err
	}
	defer func() { _ = log.Close() }()
	self, err := os.Executable()
	if err != nil {
		return server{}, err
	}
	p, err := rig.Start(log, append(env, "BENCH_ADDR="+addr, "BENCH_FOLDER="+folder), self, serveCommand, kind)
	if err != nil {
		return server{}, err
	}
	return server{name: kind, url: "http://" + addr, form: "http://" + addr + "/signup/contoso-weekly", process: p}, nil
}

// serve is what such a process does, until it is interrupted.
func serve(kind string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	app, closeApp, err := newApp(ctx, kind)
	if err != nil {
		return err
	}
	defer closeApp()
	ln, err := net.Listen("tcp", os.Getenv("BENCH_ADDR"))
	if err != nil {
		return err
	}
	context.AfterFunc(ctx, func() { _ = app.Shutdown() })
	fmt.Println("Listening.")
	return app.Listener(ln)
}

func newApp(ctx context.Context, kind string) (app *fiber.App, closeApp func(), err error) {
	switch kind {
	case bare:
		app = fiber.New(fiber.Config{DisableStartupMessage: true})
		page, err := readFile(thanksFile)
		if err != nil {
			return nil, nil, err
		}
		token, err := readFile(tokenFile)
		app.Post("/signup/:slug", func(c *fiber.Ctx) error {
			return c.Redirect("/signup/contoso-weekly/thanks", http.StatusSeeOther)
		})
		app.Get("/signup/:slug/thanks", func(c *fiber.Ctx) error {
			c.Set(fiber.HeaderContentType, fiber.MIMETextHTMLCharsetUTF8)
			return c.Send(page)
		})
		app.Post("/api/v1/token", func(c *fiber.Ctx) error {
			c.Set(fiber.HeaderContentType, fiber.MIMEApplicationJSON)
			return c.Send(token)
		})
		return app, func() {}, err
	case eachCommits:
		return appThatCommitsEach(ctx)
	case insertsEach:
		return appThatInsertsEach(ctx, os.Getenv("BENCH_DATABASE"))
	}
	return nil, nil, fmt.Errorf("there is no server %q", kind)
}

// readFile reads what a benchmark has left for the bare handler; empty when it left none.
func readFile(name string) ([]byte, error) {
	b, err := os.ReadFile(filepath.Join(os.Getenv("BENCH_FOLDER"), name))
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return b, err
}

// appThatCommitsEach is the portal's own app, whose writer puts one sign-up into
// each transaction.
func appThatCommitsEach(ctx context.Context) (*fiber.App, func(), error) {
	folder := filepath.Join(os.Getenv("BENCH_FOLDER"), "each")
	store, err := db.Open(ctx, filepath.Join(folder, "gatepost.db"))
	if err != nil {
		return nil, nil, err
	}
	people := auth.NewPeople(store, nil)
	if _, err := people.AddTenant(ctx, rig.Contoso.Slug, "Contoso"); err != nil {
		return nil, nil, err
	}
	keys, err := seal.OpenKeyring(ctx, filepath.Join(folder, "keyset.json"), store, identity.Sealed, seal.SealedMACs)
	if err != nil {
		return nil, nil, err
	}
	macs, err := seal.OpenMACs(ctx, keys, store)
	if err != nil {
		return nil, nil, err
	}
	log := slog.New(slog.DiscardHandler)
	vault, err := identity.New(identity.Config{Store: store, Keys: keys, HTTP: http.DefaultClient, Log: log}) // nobody is called
	if err != nil {
		return nil, nil, err
	}
	newsletters := newsletter.New(newsletter.Config{Store: store, Log: log, Group: 1})
	go newsletters.Run(context.WithoutCancel(ctx))
	app, err := routes.New(routes.Config{URL: "http://" + os.Getenv("BENCH_ADDR"), Store: store, Health: store, People: people, Sessions: store, Keys: auth.NewAPIKeys(store),
		Vault: vault, Newsletters: newsletters, Delivery: idle{}, Limits: ratelimit.New(store, store.Now, log, macs.For(seal.Limit)), MACs: macs, Log: log})
	return app, func() { _ = store.Close() }, err
}

// idle delivers nothing.
type idle struct{}

// Wake does nothing.
func (idle) Wake(string) {}

// CheckUp does nothing.
func (idle) CheckUp(context.Context, db.DestinationKey) error { return nil }

// CheckUpSoon does nothing.
func (idle) CheckUpSoon(db.DestinationKey) {}

// CheckKey does nothing.
func (idle) CheckKey(context.Context, db.DestinationKey, string) error { return nil }

// Resume does nothing.
func (idle) Resume(context.Context, db.DestinationKey) error { return nil }

// ReadSubscriptions does nothing.
func (idle) ReadSubscriptions(context.Context, db.DestinationKey) error { return nil }

// ReadSchema does nothing.
func (idle) ReadSchema(context.Context, db.DestinationKey) error { return nil }

// PreviewOf finds nothing.
func (idle) PreviewOf(context.Context, db.DestinationKey, db.Mappings, []db.Known) (delivery.Preview, error) {
	return delivery.Preview{}, nil
}
