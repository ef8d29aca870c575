package rig

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
)

// The services that the simulated CRMs stand for.
const (
	Salesforce = "sfdc"
	HubSpot    = "hubspot"
	Zoho       = "zoho"
)

// kind is what is true of one of the simulated CRMs.
type kind struct {
	Name    string
	Service string   // that it stands for
	Calls   []string // kinds of calls that find and write people
	file    string   // name of its file, and everybody's password
	plenty  settings // that keep its limits out of the way
}

// settings of a simulated CRM, as its control page takes them.
type settings map[string]any

var kinds = []kind{
	{Name: "Salesforce", Service: Salesforce, file: "salesforce", Calls: []string{"query", "collections", "composite", "create", "update"},
		plenty: settings{"daily_limit": 100_000_000}},
	{Name: "HubSpot", Service: HubSpot, file: "hubspot", Calls: []string{"batch_read", "batch_create", "batch_update", "create", "update"},
		plenty: settings{}}, // what it allows is enough
	{Name: "Zoho CRM", Service: Zoho, file: "zoho", Calls: []string{"coql", "insert", "update", "upsert"},
		plenty: settings{"credits": 100_000_000, "tokens_per_ten_minutes": 1_000_000}},
}

// CRM is a running simulated CRM.
type CRM struct {
	*Process
	kind
	URL string

	folder    string
	callbacks []string // of the portals
}

// start starts the simulated CRM, which keeps its data in the folder.
func (c *CRM) start(w *World) error {
	addr, err := FreeAddress()
	if err != nil {
		return err
	}
	c.URL, c.folder = "http://"+addr, w.Folder
	c.Process, err = Start(w.log, nil, w.binary, "mock"+c.file, "--addr", addr, "--data", w.Folder)
	return err
}

// File is where the simulated CRM keeps its data: a SQLite file.
func (c *CRM) File() string { return filepath.Join(c.folder, c.file+".db") }

// sendBackTo registers the portals' app, which sends browsers back to a public address
// beside those that it has already.
func (c *CRM) sendBackTo(ctx context.Context, url string) error {
	if callback := url + "/integrations/" + c.Service + "/callback"; !slices.Contains(c.callbacks, callback) {
		c.callbacks = append(c.callbacks, callback)
	}
	return c.Control(ctx, "clients", map[string]any{"client_id": appID, "client_secret": appSecret, "redirect_uris": c.callbacks})
}

// Stats is what a simulated CRM has counted.
type Stats struct {
	Refreshes     int            `json:"refreshes"`
	ReuseDetected int            `json:"reuse_detected"`
	APICalls      int            `json:"api_calls"`
	Contacts      int            `json:"contacts"`
	PerEmailMax   int            `json:"per_email_max"`
	Calls         map[string]int `json:"calls"` // by their kinds
}

// Since is how many calls of each kind there were since others were counted.
func (s Stats) Since(before Stats) map[string]int {
	of := map[string]int{}
	for kind, n := range s.Calls {
		if n > before.Calls[kind] {
			of[kind] = n - before.Calls[kind]
		}
	}
	return of
}

// Stats asks what was counted so far.
func (c *CRM) Stats(ctx context.Context) (stats Stats, err error) {
	return stats, c.get(ctx, "stats", &stats)
}

// Emails returns the address of every Contact.
func (c *CRM) Emails(ctx context.Context) ([]string, error) {
	var list struct {
		Contacts []struct {
			Email      string
			Properties struct{ Email string } // where HubSpot has it
		}
	}
	if err := c.get(ctx, "contacts", &list); err != nil {
		return nil, err
	}
	emails := make([]string, 0, len(list.Contacts))
	for _, one := range list.Contacts {
		emails = append(emails, cmp.Or(one.Email, one.Properties.Email))
	}
	return emails, nil
}

// Plenty sets how long each call takes, and limits that nobody comes to. HubSpot's stay.
func (c *CRM) Plenty(ctx context.Context, latencyMS int64) error {
	s := settings{"latency_ms": latencyMS}
	for name, value := range c.plenty {
		s[name] = value
	}
	return c.Control(ctx, "settings", s)
}

// Control tells the simulated CRM what to do, as its /_control/ pages describe it.
func (c *CRM) Control(ctx context.Context, what string, body any) error {
	b, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.URL+"/_control/"+what, bytes.NewReader(b))
	if err != nil {
		return err
	}
	return c.do(req, nil)
}

func (c *CRM) get(ctx context.Context, what string, to any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.URL+"/_control/"+what, nil)
	if err != nil {
		return err
	}
	return c.do(req, to)
}

func (c *CRM) do(req *http.Request, to any) error {
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s: %s: %s", c.Name, req.URL.Path, resp.Status, body)
	}
	if to == nil {
		return nil
	}
	return json.Unmarshal(body, to)
}
