package simulated

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

var (
	verifierSyntax  = regexp.MustCompile(`^[A-Za-z0-9._~-]{43,256}$`)
	challengeSyntax = regexp.MustCompile(`^[A-Za-z0-9_-]{43}=?$`)
)

// Ask is a request for authorization that passed the service's checks.
type Ask struct {
	Client      string `json:"client"`
	RedirectURI string `json:"redirect_uri"`
	State       string `json:"state"`
	Scope       string `json:"scope"`
	Challenge   string `json:"challenge"`
	Org         string `json:"org,omitempty"` // where people choose one
}

// Challenge reports whether v has the shape of an S256 code challenge.
func Challenge(v string) bool { return challengeSyntax.MatchString(v) }

// KeepAsk keeps what is asked while a person reads the consent page of a log-in, and
// returns the random id that its form carries.
func (c *Core) KeepAsk(ctx context.Context, login string, a Ask) (string, error) {
	text, err := json.Marshal(a)
	if err != nil {
		return "", err
	}
	id := Random(30)
	_, err = c.Write.ExecContext(ctx, `INSERT INTO approvals (id, login, ask, created) VALUES ($1, $2, $3, $4)`, id, login, string(text), c.Now())
	return id, err
}

// TakeAsk returns what was kept under an id for a log-in, once. It is sql.ErrNoRows when
// it was taken before, or belongs to another log-in.
func (c *Core) TakeAsk(ctx context.Context, login, id string) (a Ask, err error) {
	var text string
	err = c.Write.QueryRowContext(ctx, `DELETE FROM approvals WHERE id = $1 AND login = $2 AND login <> '' RETURNING ask`, id, login).Scan(&text)
	if err != nil {
		return a, err
	}
	return a, json.Unmarshal([]byte(text), &a)
}

// Decided returns who answered the consent page, and what they were asked. When that is
// out of date, a page says so and ok is false.
func (c *Core) Decided(w http.ResponseWriter, r *http.Request) (u User, a Ask, ok bool) {
	u, login, err := c.LoggedIn(r)
	if err == nil {
		a, err = c.TakeAsk(r.Context(), login, r.PostFormValue("id"))
	}
	if errors.Is(err, sql.ErrNoRows) {
		c.Problem(w, http.StatusBadRequest, "This page is out of date",
			"The request was answered before, or belongs to another log-in. Go back to the app and start again.")
		return u, a, false
	}
	if err != nil {
		c.Failure(w, r, err)
		return u, a, false
	}
	return u, a, true
}

// Back sends the browser back to the app that asked.
func Back(w http.ResponseWriter, a Ask, v url.Values) {
	if a.State != "" {
		v.Set("state", a.State)
	}
	to, glue := a.RedirectURI, "?"
	if strings.Contains(to, "?") {
		glue = "&"
	}
	w.Header().Set("Location", to+glue+v.Encode())
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusFound)
}

// Code is an authorization code that was given out.
type Code struct {
	Client, User, RedirectURI, Scope, Org string
	Created                               int64
	Used                                  bool // before this time

	challenge string
}

// GiveCode keeps value as the code which an app gets that u lets in.
func (c *Core) GiveCode(ctx context.Context, value string, a Ask, u User) error {
	_, err := c.Write.ExecContext(ctx, `INSERT INTO codes (code, client, user, redirect_uri, scope, challenge, nonce, created, org)
		VALUES ($1, $2, $3, $4, $5, $6, '', $7, $8)`, value, a.Client, u.ID, a.RedirectURI, a.Scope, a.Challenge, c.Now(), a.Org)
	return err
}

// TakeCode returns a code that a client was given, and marks it as used. It is
// sql.ErrNoRows when the client was given no such code.
func TakeCode(ctx context.Context, q Querier, value, client string) (Code, error) {
	var v Code
	err := q.QueryRowContext(ctx, `SELECT client, user, redirect_uri, scope, challenge, created, used, org FROM codes WHERE code = $1 AND client = $2`, value, client).
		Scan(&v.Client, &v.User, &v.RedirectURI, &v.Scope, &v.challenge, &v.Created, &v.Used, &v.Org)
	if err != nil {
		return v, err
	}
	_, err = q.ExecContext(ctx, `UPDATE codes SET used = 1 WHERE code = $1`, value)
	return v, err
}

// Verified reports whether a PKCE verifier fits the challenge of the code. Without either
// there is nothing to verify.
func (v Code) Verified(verifier string) bool {
	if v.challenge == "" && verifier == "" {
		return true
	}
	sum := sha256.Sum256([]byte(verifier))
	return verifierSyntax.MatchString(verifier) && base64.RawURLEncoding.EncodeToString(sum[:]) == strings.TrimRight(v.challenge, "=")
}
