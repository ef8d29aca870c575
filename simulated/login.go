package simulated

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"strings"
)

func (c *Core) cookie() string { return "mock" + c.service.Name + "_sid" }

// LoggedIn returns who the browser is logged in as, with the id of the log-in; both are
// empty for nobody.
func (c *Core) LoggedIn(r *http.Request) (User, string, error) {
	cookie, err := r.Cookie(c.cookie())
	if err != nil {
		return User{}, "", nil
	}
	var id string
	err = c.Read.QueryRowContext(r.Context(), `SELECT user FROM logins WHERE id = $1`, cookie.Value).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return User{}, "", nil
	}
	if err != nil {
		return User{}, "", err
	}
	u, err := UserByID(r.Context(), c.Read, id)
	if err != nil || !u.Active {
		return User{}, "", err
	}
	return u, cookie.Value, nil
}

// ToLogin sends the browser to the log-in page, which leads on to a page of the service.
// Hint is a username to fill in, or "".
func ToLogin(w http.ResponseWriter, r *http.Request, next, hint string) {
	v := url.Values{"startURL": {next}, "un": {hint}}
	http.Redirect(w, r, "/login?"+v.Encode(), http.StatusFound)
}

// loginView is what the log-in page shows.
type loginView struct {
	Title, Message, Username, StartURL string
	Users                              []loginUser
}

// loginUser is somebody who can log in, with the name of their organisation and the
// address of the page where their username is filled in.
type loginUser struct {
	User
	Org, Login string
}

// login handles GET and POST /login.
func (c *Core) login(w http.ResponseWriter, r *http.Request) {
	v := loginView{Title: "Log In", Username: "john@contoso.example", StartURL: localPath(r.FormValue("startURL"))}
	if hint := r.FormValue("un"); hint != "" {
		v.Username = hint
	}
	var err error
	if v.Users, err = c.whoIsHere(r.Context(), v.StartURL); err != nil {
		c.Failure(w, r, err)
		return
	}
	if r.Method != http.MethodPost {
		c.Page(w, http.StatusOK, "login", v)
		return
	}
	var id string
	err = c.Read.QueryRowContext(r.Context(), `SELECT id FROM users WHERE username = $1 AND password = $2 AND active = 1`,
		strings.ToLower(strings.TrimSpace(r.PostFormValue("username"))), r.PostFormValue("password")).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		v.Username = r.PostFormValue("username")
		v.Message = "Please check your username and password. If you still can't log in, contact your " + c.service.Title + " administrator."
		c.Page(w, http.StatusUnauthorized, "login", v)
		return
	}
	if err == nil {
		err = c.startLogin(w, r, id)
	}
	if err != nil {
		c.Failure(w, r, err)
		return
	}
	http.Redirect(w, r, v.StartURL, http.StatusSeeOther)
}

// whoIsHere are those who can log in, to go on at an address.
func (c *Core) whoIsHere(ctx context.Context, startURL string) (all []loginUser, err error) {
	users, err := c.Users(ctx)
	if err != nil {
		return nil, err
	}
	orgs := *c.orgs.Load()
	for _, u := range users {
		login := url.Values{"un": {u.Username}, "startURL": {startURL}}
		all = append(all, loginUser{u, orgs[u.OrgID].Name, "/login?" + login.Encode()})
	}
	return all, nil
}

func (c *Core) startLogin(w http.ResponseWriter, r *http.Request, userID string) error {
	id := Random(30)
	if _, err := c.Write.ExecContext(r.Context(), `INSERT INTO logins (id, user, created) VALUES ($1, $2, $3)`, id, userID, c.Now()); err != nil {
		return err
	}
	http.SetCookie(w, &http.Cookie{Name: c.cookie(), Value: id, Path: "/", HttpOnly: true,
		SameSite: http.SameSiteLaxMode, Secure: strings.HasPrefix(c.Base(r), "https:")})
	return nil
}

// Logout ends the browser's log-in and leads to a page of the service, or to the log-in page.
func (c *Core) Logout(w http.ResponseWriter, r *http.Request, next string) {
	if cookie, err := r.Cookie(c.cookie()); err == nil {
		if _, err := c.Write.ExecContext(r.Context(), `DELETE FROM logins WHERE id = $1`, cookie.Value); err != nil {
			c.Failure(w, r, err)
			return
		}
	}
	http.SetCookie(w, &http.Cookie{Name: c.cookie(), Path: "/", MaxAge: -1, HttpOnly: true, SameSite: http.SameSiteLaxMode})
	to := "/login"
	if back := localPath(next); back != "/" {
		to = back
	}
	http.Redirect(w, r, to, http.StatusFound)
}

// localPath returns p when it leads to a page of ours, else "/".
func localPath(p string) string {
	u, err := url.Parse(p)
	if err != nil || u.IsAbs() || u.Host != "" || !strings.HasPrefix(p, "/") || strings.HasPrefix(p, "//") ||
		strings.ContainsAny(p, "\\\r\n\t") {
		return "/"
	}
	return p
}

// FromHere reports whether a form was sent by a page of this server, or by no browser. A
// page elsewhere could send one, too, which nobody has asked for.
func FromHere(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "same-origin", "none":
		return true
	case "":
		origin := r.Header.Get("Origin")
		u, err := url.Parse(origin)
		return origin == "" || err == nil && u.Host == r.Host
	}
	return false
}

// Random returns at least n random characters that may stand in a URL.
func Random(n int) string {
	b := make([]byte, n*3/4+1)
	_, _ = rand.Read(b) // never fails
	return base64.RawURLEncoding.EncodeToString(b)
}
