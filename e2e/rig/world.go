package rig

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// Tenant is a customer of the portal, with its admin, and with who that is at the simulated
// CRMs: John is in Contoso's org there, Jane in Fabrikam's.
type Tenant struct{ Slug, Admin, Login string }

// The tenants of every World.
var (
	Contoso   = Tenant{"contoso", "john@contoso.example", john}
	Fabrikam  = Tenant{"fabrikam", "jane@fabrikam.example", jane}
	Northwind = Tenant{"northwind", "anna@northwind.example", john}
)

const (
	john = "john@contoso.example"
	jane = "jane@fabrikam.example"
)

// The portals' app at the simulated CRMs.
const (
	appID     = "gatepost-rig"
	appSecret = "a-secret-of-nobody"
)

// World is a folder with the data of everybody: the simulated CRMs, which run, and any
// number of portals on one database.
type World struct {
	Folder string
	CRMs   []*CRM

	binary   string
	database string
	password string // of the admins in the portal
	log      *os.File
}

// NewWorld builds gatepost, starts the simulated CRMs, and adds the tenants and the CRMs'
// app to the portals' database: a path or a postgres:// URL, or "" for a file in the folder.
// Who gets a World has to Close it.
func NewWorld(ctx context.Context, folder, database string) (w *World, err error) {
	w = &World{Folder: folder, database: cmp.Or(database, filepath.Join(folder, "gatepost.db")), password: rand.Text()}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.Close())
		}
	}()
	if w.log, err = os.OpenFile(filepath.Join(folder, "log.txt"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600); err != nil {
		return w, err
	}
	if w.binary, err = Build(ctx, folder); err != nil {
		return w, err
	}
	for _, t := range []Tenant{Contoso, Fabrikam, Northwind} {
		if err := w.Add(ctx, t); err != nil {
			return w, err
		}
	}
	for _, k := range kinds {
		if err := w.run(ctx, &CRM{kind: k}); err != nil {
			return w, err
		}
	}
	return w, nil
}

// Add adds a tenant with its admin.
func (w *World) Add(ctx context.Context, t Tenant) error {
	if err := w.Command(ctx, "", "tenant", "add", t.Slug); err != nil {
		return err
	}
	return w.Command(ctx, w.password+"\n", "user", "add", t.Admin, "--tenant", t.Slug, "--password-stdin")
}

// run starts a simulated CRM, and tells the portals where it is.
func (w *World) run(ctx context.Context, c *CRM) error {
	if err := c.start(w); err != nil {
		return err
	}
	w.CRMs = append(w.CRMs, c)
	return w.Command(ctx, appSecret+"\n", "service", "set", c.Service, "--client-id", appID, "--client-secret-stdin", "--login-url", c.URL)
}

// CRM is the simulated CRM that stands for a service.
func (w *World) CRM(service string) *CRM {
	i := slices.IndexFunc(w.CRMs, func(c *CRM) bool { return c.Service == service })
	return w.CRMs[i]
}

// Database is where the portals keep their data: a path or a postgres:// URL.
func (w *World) Database() string { return w.database }

// Log is the file with what all processes said.
func (w *World) Log() string { return w.log.Name() }

// Command runs another gatepost command on the portals' database.
func (w *World) Command(ctx context.Context, stdin string, args ...string) error {
	cmd := exec.CommandContext(ctx, w.binary, args...)
	cmd.Env = w.environ()
	cmd.Stdin = strings.NewReader(stdin)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("gatepost %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return nil
}

// environ says where the data is.
func (w *World) environ() []string {
	return []string{"GATEPOST_DATABASE=" + w.Database(), "GATEPOST_KEYSET=" + filepath.Join(w.Folder, "keyset.json")}
}

// Portal is a place for a portal: its addresses stay while processes come and go.
type Portal struct {
	*Process
	URL     string // the public address
	Address string // that it listens on

	world *World
	more  []string // in its environment
}

// AddPortal starts a portal that is reached at the address that it listens on, with more in its
// environment, which stands before what a World's portals have.
func (w *World) AddPortal(ctx context.Context, more ...string) (*Portal, error) {
	return w.AddReplica(ctx, "", more...)
}

// AddReplica starts a portal that is reached at the public address of several, or at
// its own when that is "". The CRMs know the app of who has that address.
func (w *World) AddReplica(ctx context.Context, url string, more ...string) (*Portal, error) {
	addr, err := FreeAddress()
	if err != nil {
		return nil, err
	}
	p := &Portal{URL: cmp.Or(url, "http://"+addr), Address: addr, world: w, more: more}
	for _, c := range w.CRMs {
		if err := c.sendBackTo(ctx, p.URL); err != nil {
			return nil, err
		}
	}
	return p, p.Start()
}

// Start starts the portal's process, on the data that is there.
func (p *Portal) Start() error {
	env := append(p.world.environ(), "GATEPOST_ADDR="+p.Address, "GATEPOST_URL="+p.URL, "GATEPOST_SIGNUP_LIMITS=off", "GATEPOST_LOG=warn")
	started, err := Start(p.world.log, append(env, p.more...), p.world.binary, "serve") // of two the last counts
	if err != nil {
		return err
	}
	p.Process = started
	return nil
}

// Form is the address of a tenant's public form.
func (p *Portal) Form(t Tenant) string { return p.URL + "/signup/" + t.Slug + "-weekly" }

// Close ends the simulated CRMs. The portals are their users' to end.
func (w *World) Close() error {
	var errs []error
	for _, c := range w.CRMs {
		errs = append(errs, c.Stop())
	}
	if w.log != nil {
		errs = append(errs, w.log.Close())
	}
	return errors.Join(errs...)
}
