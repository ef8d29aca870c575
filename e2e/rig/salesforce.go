package rig

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

// Salesforce is a running simulated Salesforce.
type Salesforce struct {
	*Process
	URL string

	callbacks []string // of the portals
}

// Stats is what the simulated Salesforce has counted.
type Stats struct {
	Refreshes     int `json:"refreshes"`
	ReuseDetected int `json:"reuse_detected"`
	APICalls      int `json:"api_calls"`
	Contacts      int `json:"contacts"`
	PerEmailMax   int `json:"per_email_max"`
}

// Stats asks what was counted so far.
func (s *Salesforce) Stats(ctx context.Context) (stats Stats, err error) {
	return stats, s.get(ctx, "stats", &stats)
}

// Emails returns the address of every Contact.
func (s *Salesforce) Emails(ctx context.Context) ([]string, error) {
	var list struct{ Contacts []struct{ Email string } }
	if err := s.get(ctx, "contacts", &list); err != nil {
		return nil, err
	}
	emails := make([]string, 0, len(list.Contacts))
	for _, c := range list.Contacts {
		emails = append(emails, c.Email)
	}
	return emails, nil
}

// Control tells the simulated Salesforce what to do, as its /_control/ pages
// describe it.
func (s *Salesforce) Control(ctx context.Context, what string, body any) error {
	b, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL+"/_control/"+what, bytes.NewReader(b))
	if err != nil {
		return err
	}
	return s.do(req, nil)
}

func (s *Salesforce) get(ctx context.Context, what string, to any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/_control/"+what, nil)
	if err != nil {
		return err
	}
	return s.do(req, to)
}

func (s *Salesforce) do(req *http.Request, to any) error {
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
		return fmt.Errorf("%s: %s: %s", req.URL.Path, resp.Status, body)
	}
	if to == nil {
		return nil
	}
	return json.Unmarshal(body, to)
}
