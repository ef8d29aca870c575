package rig

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
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
	password string // of the admins in the portal
	log      *os.File
}

// NewWorld builds gatepost, starts the simulated Salesforce, and adds the
// tenants. Who gets a World has to Close it.
func NewWorld(ctx context.Context, folder string) (w *World, err error) {
	w = &World{Folder: folder, password: rand.Text()}
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

// Database is the file that the portals keep their data in.
func (w *World) Database() string { return filepath.Join(w.Folder, "gatepost.db") }

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

// Portal is a place for a portal: its address stays while processes come and go.
type Portal struct {
	*Process
	URL   string
	world *World
}

// AddPortal registers a portal's app at Salesforce and starts it.
func (w *World) AddPortal(ctx context.Context) (*Portal, error) {
	addr, err := FreeAddress()
	if err != nil {
		return nil, err
	}
	p := &Portal{URL: "http://" + addr, world: w}
	w.Salesforce.callbacks = append(w.Salesforce.callbacks, p.URL+"/integrations/sfdc/callback")
	err = w.Salesforce.Control(ctx, "clients", map[string]any{
		"client_id": appID, "client_secret": appSecret, "redirect_uris": w.Salesforce.callbacks})
	if err != nil {
		return nil, err
	}
	return p, p.Start()
}

// Start starts the portal's process, on the data that is there.
func (p *Portal) Start() (err error) {
	p.Process, err = Start(p.world.log, []string{
		"GATEPOST_ADDR=" + strings.TrimPrefix(p.URL, "http://"), "GATEPOST_URL=" + p.URL,
		"GATEPOST_DATABASE=" + p.world.Database(), "GATEPOST_KEYSET=" + filepath.Join(p.world.Folder, "keyset.json"),
		"GATEPOST_SFDC_CLIENT_ID=" + appID, "GATEPOST_SFDC_CLIENT_SECRET=" + appSecret,
		"GATEPOST_SFDC_LOGIN_URL=" + p.world.Salesforce.URL, "GATEPOST_SIGNUP_LIMITS=off", "GATEPOST_LOG=warn",
	}, p.world.binary, "serve")
	return err
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
