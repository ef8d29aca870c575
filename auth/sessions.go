package auth

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/gorilla/sessions"

	"gatepost/db"
)

const (
	idleFor     = 24 * time.Hour
	endAfter    = 14 * 24 * time.Hour
	cookieAge   = int(endAfter / time.Second)
	touchEvery  = time.Minute
	agentMax    = 200
	flashesMost = 10
)

// SessionStore is where sessions are kept; *db.DB is one.
type SessionStore interface {
	SignedIn(ctx context.Context, hash string, now, idle time.Time) (db.SignedIn, error)
	CreateSession(ctx context.Context, hash string, s db.Session, u db.User, replaced string) error
	TouchSession(ctx context.Context, id string, seen time.Time) error
	SetSessionTenant(ctx context.Context, id, tenantID string) error
	SetSessionData(ctx context.Context, id, data string) error
	Sessions(ctx context.Context, userID string, now, idle time.Time) ([]db.Session, error)
	EndSession(ctx context.Context, userID, id string) error
	EndSessions(ctx context.Context, userID, keep, keepDevice string) error
}

// SessionOptions say how sessions are kept.
type SessionOptions struct {
	Secure bool                       // the public address is https
	Now    func() time.Time           // time.Now when nil
	IP     func(*http.Request) string // who asks: the peer's address when nil
}

// Sessions is a gorilla sessions.Store on the database. The cookie holds a
// random secret, the database its hash. Only a session in which somebody is
// signed in is stored; it ends after a day unused and 14 days in any case.
type Sessions struct {
	store SessionStore
	opt   SessionOptions
}

var _ sessions.Store = (*Sessions)(nil)

// NewSessions returns the sessions in the store.
func NewSessions(store SessionStore, opt SessionOptions) *Sessions {
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.IP == nil {
		opt.IP = peer
	}
	return &Sessions{store: store, opt: opt}
}

func peer(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// CookieName is the name of the cookie. Over https its prefix has the browser
// refuse one that another host of the same domain planted.
func (s *Sessions) CookieName() string {
	if s.opt.Secure {
		return "__Host-gatepost_session"
	}
	return "gatepost_session"
}

// Session returns the request's session: an empty one when nobody is signed in.
func (s *Sessions) Session(r *http.Request) (*Session, error) {
	g, err := s.Get(r, s.CookieName())
	if err != nil {
		return nil, err
	}
	return &Session{g}, nil
}

// Get returns the request's session, the same one each time.
func (s *Sessions) Get(r *http.Request, name string) (*sessions.Session, error) {
	return sessions.GetRegistry(r).Get(s, name)
}

// New reads the request's session from the store. A cookie that is garbled,
// unknown or expired makes an empty one; the only errors are the store's.
func (s *Sessions) New(r *http.Request, name string) (*sessions.Session, error) {
	g := sessions.NewSession(s, name)
	g.IsNew = true
	g.Options = &sessions.Options{
		Path: "/", MaxAge: cookieAge, Secure: s.opt.Secure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
	secret := cookieSecret(r, name)
	if secret == "" {
		return g, nil
	}
	now := s.opt.Now()
	in, err := s.store.SignedIn(r.Context(), digest(secret), now, now.Add(-idleFor))
	if errors.Is(err, db.ErrNotFound) {
		return g, nil
	} else if err != nil {
		return g, err
	}
	return g, s.load(r.Context(), g, secret, in)
}

// cookieSecret returns the cookie's secret, or "" when it can't be one of ours.
func cookieSecret(r *http.Request, name string) string {
	c, err := r.Cookie(name)
	if err != nil || !IsToken(c.Value) {
		return ""
	}
	return c.Value
}

func (s *Sessions) load(ctx context.Context, g *sessions.Session, secret string, in db.SignedIn) error {
	flashes, err := decodeFlashes(in.Data)
	if err != nil {
		return err
	}
	g.ID, g.IsNew = in.ID, false
	g.Values[keySecret] = secret
	g.Values[keyStored] = in.Session
	g.Values[keyUser] = in.User
	g.Values[keyTenant] = in.Tenant
	g.Values[keyTenants] = in.Tenants
	g.Values[keyFlashes] = flashes
	if now := s.opt.Now(); now.Sub(in.SeenAt) >= touchEvery {
		return s.store.TouchSession(ctx, in.ID, now)
	}
	return nil
}

// Save stores what changed: a new session after SignIn, the chosen tenant, the
// flashes. With Options.MaxAge below zero it ends the session. It writes
// nothing for somebody who is not signed in. When the password was changed
// after SignIn's user was read, it gives ErrCredentials.
func (s *Sessions) Save(r *http.Request, w http.ResponseWriter, g *sessions.Session) error {
	stored, _ := g.Values[keyStored].(db.Session)
	switch {
	case g.Options.MaxAge < 0:
		return s.end(r.Context(), w, g, stored)
	case g.Values[keySignIn] != nil:
		return s.create(r, w, g, stored)
	case stored.ID != "":
		return s.update(r.Context(), g, stored)
	}
	return nil
}

func (s *Sessions) end(ctx context.Context, w http.ResponseWriter, g *sessions.Session, stored db.Session) error {
	if stored.ID != "" {
		err := s.store.EndSession(ctx, stored.UserID, stored.ID)
		if err != nil && !errors.Is(err, db.ErrNotFound) {
			return err
		}
	}
	http.SetCookie(w, sessions.NewCookie(g.Name(), "", g.Options))
	clear(g.Values)
	g.ID, g.IsNew = "", true
	return nil
}

// create stores a session under a new id and a new secret, whatever cookie the
// browser came with, and takes away the one before.
func (s *Sessions) create(r *http.Request, w http.ResponseWriter, g *sessions.Session, before db.Session) error {
	face := Session{g}
	data, err := encodeFlashes(face.flashes())
	if err != nil {
		return err
	}
	now := s.opt.Now()
	row := db.Session{
		ID: db.NewID(), UserID: face.UserID(), TenantID: face.TenantID(), Data: data,
		UserAgent: cut(r.UserAgent(), agentMax), IP: s.opt.IP(r),
		CreatedAt: now, SeenAt: now, ExpiresAt: now.Add(endAfter),
	}
	secret := NewToken()
	err = s.store.CreateSession(r.Context(), digest(secret), row, face.User(), before.ID)
	if errors.Is(err, db.ErrLost) {
		return ErrCredentials
	} else if err != nil {
		return err
	}
	delete(g.Values, keySignIn)
	g.Values[keySecret], g.Values[keyStored] = secret, row
	g.ID, g.IsNew = row.ID, false
	http.SetCookie(w, sessions.NewCookie(g.Name(), secret, g.Options))
	return nil
}

// update stores only what this request changed: another one may be under way.
// A session that was ended meanwhile stays ended.
func (s *Sessions) update(ctx context.Context, g *sessions.Session, stored db.Session) error {
	face := Session{g}
	if id := face.TenantID(); g.Values[keyChosen] != nil && id != stored.TenantID {
		if err := s.store.SetSessionTenant(ctx, stored.ID, id); err != nil {
			return unlessEnded(err)
		}
		stored.TenantID = id
	}
	data, err := encodeFlashes(face.flashes())
	if err != nil {
		return err
	}
	if data != stored.Data {
		if err := s.store.SetSessionData(ctx, stored.ID, data); err != nil {
			return unlessEnded(err)
		}
		stored.Data = data
	}
	g.Values[keyStored] = stored
	return nil
}

func unlessEnded(err error) error {
	if errors.Is(err, db.ErrNotFound) {
		return nil
	}
	return err
}

// List returns the user's sessions, the last seen first.
func (s *Sessions) List(ctx context.Context, userID string) ([]db.Session, error) {
	now := s.opt.Now()
	return s.store.Sessions(ctx, userID, now, now.Add(-idleFor))
}

// End ends one session of the user; db.ErrNotFound when it isn't theirs.
func (s *Sessions) End(ctx context.Context, userID, sessionID string) error {
	return s.store.EndSession(ctx, userID, sessionID)
}

// EndAll ends all sessions of the user, and makes them unknown in all browsers but
// the one with the device cookie given.
func (s *Sessions) EndAll(ctx context.Context, userID, device string) error {
	return s.store.EndSessions(ctx, userID, "", digest(device))
}

// EndOthers does the same, and leaves one session.
func (s *Sessions) EndOthers(ctx context.Context, userID, keepID, device string) error {
	return s.store.EndSessions(ctx, userID, keepID, digest(device))
}

// key names a value of a session.
type key string

const (
	keySecret  key = "secret"  // string: of the cookie
	keyStored  key = "stored"  // db.Session: as it is in the store
	keyUser    key = "user"    // db.User
	keyTenant  key = "tenant"  // db.Tenant
	keyTenants key = "tenants" // int: how many the user belongs to
	keyFlashes key = "flashes" // []Flash
	keySignIn  key = "sign in" // present when Save is to make a new session
	keyChosen  key = "chosen"  // present when a tenant was chosen
)

// Session is a gorilla session with typed values. Call Save before the answer
// is sent when anything was changed.
type Session struct {
	g *sessions.Session
}

// ID names the session where people see and end it, and where a handshake is
// bound to it; it is "" when nobody is signed in, and opens nothing.
func (s *Session) ID() string { return s.g.ID }

// SignedIn reports whether somebody is signed in.
func (s *Session) SignedIn() bool { return s.UserID() != "" }

// User returns who is signed in, or the zero User.
func (s *Session) User() db.User {
	u, _ := s.g.Values[keyUser].(db.User)
	return u
}

// UserID is the id of who is signed in, or "".
func (s *Session) UserID() string { return s.User().ID }

// Tenant returns the tenant that was chosen, or the zero Tenant while none is,
// or when the user doesn't belong to it any more.
func (s *Session) Tenant() db.Tenant {
	t, _ := s.g.Values[keyTenant].(db.Tenant)
	return t
}

// Tenants is how many tenants the user belonged to when the session was read.
func (s *Session) Tenants() int {
	n, _ := s.g.Values[keyTenants].(int)
	return n
}

// TenantID is the id of Tenant, or "".
func (s *Session) TenantID() string { return s.Tenant().ID }

// SignIn makes this the user's session, in one of their tenants or, with the
// zero Tenant, in none yet. Save gives it a new id, and ends the one before.
func (s *Session) SignIn(user db.User, tenant db.Tenant) {
	if s.UserID() != user.ID {
		delete(s.g.Values, keyFlashes) // they are somebody else's
	}
	s.g.Values[keyUser] = user
	s.g.Values[keyTenant] = tenant
	s.g.Values[keySignIn] = true
	s.g.Options.MaxAge = cookieAge
}

// ChooseTenant switches to another of the user's tenants; see People.Member.
func (s *Session) ChooseTenant(tenant db.Tenant) {
	s.g.Values[keyTenant] = tenant
	s.g.Values[keyChosen] = true
}

// SignOut has Save end the session.
func (s *Session) SignOut() { s.g.Options.MaxAge = -1 }

// Save stores what was changed and sets the cookie; see Sessions.Save.
func (s *Session) Save(r *http.Request, w http.ResponseWriter) error { return s.g.Save(r, w) }

// CSRF is the token that the session's forms carry, or "" when nobody is signed
// in. It follows from the cookie's secret.
func (s *Session) CSRF() string {
	secret, _ := s.g.Values[keySecret].(string)
	if secret == "" {
		return ""
	}
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte("csrf"))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// Flash is a message that is shown once.
type Flash struct {
	Kind string `json:"kind"`
	Text string `json:"text"`
}

func (s *Session) flashes() []Flash {
	f, _ := s.g.Values[keyFlashes].([]Flash)
	return f
}

// Flash adds a message that the next page shows. Of more than ten the oldest go.
func (s *Session) Flash(kind, text string) {
	all := append(s.flashes(), Flash{Kind: kind, Text: text})
	s.g.Values[keyFlashes] = all[max(0, len(all)-flashesMost):]
}

// Flashes returns the waiting messages and takes them away.
func (s *Session) Flashes() []Flash {
	all := s.flashes()
	delete(s.g.Values, keyFlashes)
	return all
}

type sessionData struct {
	Flashes []Flash `json:"flashes,omitempty"`
}

func encodeFlashes(flashes []Flash) (string, error) {
	b, err := json.Marshal(sessionData{flashes})
	if err != nil {
		return "", fmt.Errorf("write the session's data: %w", err)
	}
	return string(b), nil
}

func decodeFlashes(data string) ([]Flash, error) {
	var d sessionData
	if err := json.Unmarshal([]byte(data), &d); err != nil {
		return nil, fmt.Errorf("read the session's data: %w", err)
	}
	return d.Flashes, nil
}

// cut returns at most n characters of s, without what isn't UTF-8.
func cut(s string, n int) string {
	r := []rune(strings.ReplaceAll(strings.ToValidUTF8(s, ""), "\uFFFD", ""))
	return string(r[:min(n, len(r))])
}
