package simulated

import (
	"context"
	"crypto/subtle"
	"database/sql"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
)

// Client is an app that may ask for authorization.
type Client struct {
	ID           string   `json:"client_id"`
	Secret       string   `json:"client_secret"`
	RedirectURIs []string `json:"redirect_uris"`
}

// Holds reports whether secret is the app's.
func (c Client) Holds(secret string) bool {
	return subtle.ConstantTimeCompare([]byte(c.Secret), []byte(secret)) == 1
}

// Redirects reports whether the app may be answered at a redirect URI.
func (c Client) Redirects(uri string) bool { return slices.Contains(c.RedirectURIs, uri) }

// AddClient registers v, or replaces what was registered under its ID.
func (c *Core) AddClient(ctx context.Context, v Client) error {
	if v.ID == "" {
		return errors.New("a client needs an id")
	}
	uris, err := json.Marshal(v.RedirectURIs)
	if err != nil {
		return err
	}
	_, err = c.Write.ExecContext(ctx, `INSERT INTO clients (id, secret, redirect_uris) VALUES ($1, $2, $3)
		ON CONFLICT (id) DO UPDATE SET secret = excluded.secret, redirect_uris = excluded.redirect_uris`,
		v.ID, v.Secret, string(uris))
	return err
}

// Client returns a registered app, or sql.ErrNoRows.
func (c *Core) Client(ctx context.Context, id string) (Client, error) {
	v := Client{ID: id}
	var uris string
	err := c.Read.QueryRowContext(ctx, `SELECT secret, redirect_uris FROM clients WHERE id = $1`, id).Scan(&v.Secret, &uris)
	if err != nil {
		return v, err
	}
	return v, json.Unmarshal([]byte(uris), &v.RedirectURIs)
}

// ClientOr returns the app that a control call names, or the first there is, or for want
// of any registers another one.
func (c *Core) ClientOr(ctx context.Context, id string, another Client) (Client, error) {
	if id == "" {
		err := c.Read.QueryRowContext(ctx, `SELECT id FROM clients ORDER BY rowid LIMIT 1`).Scan(&id)
		if errors.Is(err, sql.ErrNoRows) {
			return another, c.AddClient(ctx, another)
		}
		if err != nil {
			return Client{}, err
		}
	}
	v, err := c.Client(ctx, id)
	if errors.Is(err, sql.ErrNoRows) {
		return v, BadControl("no client %q", id)
	}
	return v, err
}

// registerClient handles POST /_control/clients.
func (c *Core) registerClient(r *http.Request) (any, error) {
	var v Client
	if err := Input(r, &v); err != nil {
		return nil, err
	}
	if v.ID == "" || len(v.RedirectURIs) == 0 {
		return nil, BadControl("a client needs client_id and redirect_uris")
	}
	return v, c.AddClient(r.Context(), v)
}
