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

// Tenant is a customer of the portal, with its admin, who has the same name at
// the simulated Salesforce.
type Tenant struct{ Slug, Admin string }

// The tenants of every World.
var (
	Contoso  = Tenant{"contoso", "john@contoso.example"}
	Fabrikam = Tenant{"fabrikam", "jane@fabrikam.example"}
)

// The portals' app at the simulated Salesforce, and everybody's password there.
const (
	appID              = "gatepost-rig"
	appSecret          = "a-secret-of-nobody"
	salesforcePassword = "salesforce"
)

// World is a folder with the data of everybody: the simulated Salesforce, which
// runs, and any number of portals on one database.
type World struct {
	Folder     string
	Salesforce *Salesforce

	binary   string
	database string
	password string // of the admins in the portal
	log      *os.File
}

// NewWorld builds gatepost, starts the simulated Salesforce, and adds the tenants to
// the portals' database: a path or a postgres:// URL, or "" for a file in the folder.
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
	if err := w.startSalesforce(); err != nil {
		return w, err
	}
	for _, t := range []Tenant{Contoso, Fabrikam} {
		if err := w.add(ctx, t); err != nil {
			return w, err
		}
	}
	return w, nil
}

func (w *World) add(ctx context.Context, t Tenant) error {
	if err := w.Command(ctx, "", "tenant", "add", t.Slug); err != nil {
		return err
	}
	return w.Command(ctx, w.password+"\n", "user", "add", t.Admin, "--tenant", t.Slug, "--password-stdin")
}

func (w *World) startSalesforce() error {
	addr, err := FreeAddress()
	if err != nil {
		return err
	}
	p, err := Start(w.log, nil, w.binary, "mocksalesforce", "--addr", addr, "--data", w.Folder)
	if err != nil {
		return err
	}
	w.Salesforce = &Salesforce{Process: p, URL: "http://" + addr}
	return nil
}

// Database is where the portals keep their data: a path or a postgres:// URL.
func (w *World) Database() string { return w.database }

// Log is the file with what all processes said.
func (w *World) Log() string { return w.log.Name() }

// Command runs another gatepost command on the portals' database.
func (w *World) Command(ctx context.Context, stdin string, args ...string) error {
	cmd := exec.CommandContext(ctx, w.binary, args...)
	cmd.Env = []string{"GATEPOST_DATABASE=" + w.Database()}
	cmd.Stdin = strings.NewReader(stdin)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("gatepost %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return nil
}

// Portal is a place for a portal: its addresses stay while processes come and go.
type Portal struct {
	*Process
	URL     string // the public address
	Address string // that it listens on

	world *World
}

// AddPortal starts a portal that is reached at the address that it listens on.
func (w *World) AddPortal(ctx context.Context) (*Portal, error) {
	return w.AddReplica(ctx, "")
}

// AddReplica starts a portal that is reached at the public address of several, or at
// its own when that is "". The app of who has that address is registered at Salesforce.
func (w *World) AddReplica(ctx context.Context, url string) (*Portal, error) {
	addr, err := FreeAddress()
	if err != nil {
		return nil, err
	}
	p := &Portal{URL: cmp.Or(url, "http://"+addr), Address: addr, world: w}
	if callback := p.URL + "/integrations/sfdc/callback"; !slices.Contains(w.Salesforce.callbacks, callback) {
		w.Salesforce.callbacks = append(w.Salesforce.callbacks, callback)
	}
	err = w.Salesforce.Control(ctx, "clients", map[string]any{
		"client_id": appID, "client_secret": appSecret, "redirect_uris": w.Salesforce.callbacks})
	if err != nil {
		return nil, err
	}
	return p, p.Start()
}

// Start starts the portal's process, on the data that is there.
func (p *Portal) Start() error {
	started, err := Start(p.world.log, []string{
		"GATEPOST_ADDR=" + p.Address, "GATEPOST_URL=" + p.URL,
		"GATEPOST_DATABASE=" + p.world.Database(), "GATEPOST_KEYSET=" + filepath.Join(p.world.Folder, "keyset.json"),
		"GATEPOST_SFDC_CLIENT_ID=" + appID, "GATEPOST_SFDC_CLIENT_SECRET=" + appSecret,
		"GATEPOST_SFDC_LOGIN_URL=" + p.world.Salesforce.URL, "GATEPOST_SIGNUP_LIMITS=off", "GATEPOST_LOG=warn",
	}, p.world.binary, "serve")
	if err != nil {
		return err
	}
	p.Process = started
	return nil
}

// Form is the address of a tenant's public form.
func (p *Portal) Form(t Tenant) string { return p.URL + "/signup/" + t.Slug + "-weekly" }

// Close ends the simulated Salesforce. The portals are their users' to end.
func (w *World) Close() error {
	var errs []error
	if w.Salesforce != nil {
		errs = append(errs, w.Salesforce.Stop())
	}
	if w.log != nil {
		errs = append(errs, w.log.Close())
	}
	return errors.Join(errs...)
}
