package routes

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"gatepost/db"
	"gatepost/identity"

	"github.com/gofiber/fiber/v2"
)

// authorizationRequest is what POST /authorizations may be asked.
type authorizationRequest struct {
	Service     string            `json:"service"`
	Tenant      string            `json:"tenant"` // slug
	TenantID    string            `json:"tenant_id"`
	User        string            `json:"user"`
	Account     string            `json:"account"`
	Tags        []string          `json:"tags"`
	Scopes      []string          `json:"scopes"` // beside those of the service
	LoginHint   string            `json:"login_hint"`
	Params      map[string]string `json:"params"`
	ReturnTo    string            `json:"return_to"`
	State       string            `json:"state"`
	ByMail      bool              `json:"by_mail"`
	Redirect    bool              `json:"redirect"`
	Reauthorize string            `json:"reauthorize"` // id of an identity
}

const authorizationFields = "an object with service, tenant or tenant_id, user, account, login_hint, return_to, state, reauthorize (text), tags and scopes (lists of texts), params (an object with texts), by_mail and redirect (true or false)"

// apiBegin handles POST /authorizations: it begins one, and answers with the link that
// somebody's browser is to open.
func (s *server) apiBegin(c *fiber.Ctx) error {
	var asked authorizationRequest
	if err := decodeJSON(c, &asked); err != nil {
		return invalidBody(err, authorizationFields)
	}
	r, err := s.authorizationOf(c, asked)
	if err != nil {
		return err
	}
	begun, err := s.Vault.BeginAuthorization(c.UserContext(), r)
	if errors.Is(err, identity.ErrTooMany) {
		c.Set(fiber.HeaderRetryAfter, "60")
	}
	if err != nil {
		return err
	}
	return c.Status(http.StatusCreated).JSON(fiber.Map{"id": begun.ID, "url": s.URL + authorizePath(begun.Secret), "expires_at": begun.ExpiresAt.UTC().Truncate(time.Millisecond), "state": db.AuthorizationBegun})
}

// authorizationOf is what is asked for, within what the key is for.
func (s *server) authorizationOf(c *fiber.Ctx, asked authorizationRequest) (r identity.AuthorizationRequest, err error) {
	k := caller(c)
	switch {
	case !slices.Contains(k.ReturnTo, asked.ReturnTo) || asked.ReturnTo == "": // as whole texts: what only looks alike may lead elsewhere
		return r, invalidError("return_to has to be exactly one of the return addresses of this API key. An operator adds one with gatepost apikey set.")
	case asked.ByMail && asked.Redirect:
		return r, invalidError("A link in a mail is opened by mail scanners too, so that it needs its page: leave out redirect or by_mail.")
	}
	r = identity.AuthorizationRequest{KeyID: k.ID, MoreScopes: asked.Scopes, Params: asked.Params, LoginHint: asked.LoginHint, ReturnTo: asked.ReturnTo, AppState: asked.State,
		SkipPage: asked.Redirect, ByMail: asked.ByMail}
	if asked.Reauthorize != "" {
		return r, s.reauthorize(c, asked, &r)
	}
	r.Service, r.User, r.Account, r.Tags = asked.Service, asked.User, asked.Account, asked.Tags
	if asked.Service == "" {
		return r, invalidError("Name the service, or the identity to reauthorize.")
	}
	if !within(asked.Service, k.Services) {
		return r, identity.ErrNoService
	}
	if r.TenantID, err = s.tenantID(c, asked.Tenant, asked.TenantID); err != nil {
		return r, err
	}
	if !within(r.TenantID, k.Tenants) {
		return r, errNoTenant
	}
	return r, nil
}

// reauthorize fills in what is known of the identity that is to be authorized again.
func (s *server) reauthorize(c *fiber.Ctx, asked authorizationRequest, r *identity.AuthorizationRequest) error {
	if asked.Service+asked.Tenant+asked.TenantID+asked.User+asked.Account != "" || asked.Tags != nil {
		return invalidError("reauthorize says already which service, tenant, user, account and tags are meant: leave these out.")
	}
	if !isID(asked.Reauthorize) {
		return identity.ErrNotConnected
	}
	k := caller(c)
	i, err := s.Vault.Find(c.UserContext(), identity.Selector{ID: asked.Reauthorize, Services: k.Services, Tenants: k.Tenants})
	if err != nil {
		return err
	}
	r.Service, r.TenantID, r.User, r.Account, r.Tags, r.LoginURL = i.Service, i.TenantID, i.User, i.Account, i.Tags, i.LoginURL
	return nil
}

// tenantID is the id of the open tenant that is named by its slug or its id.
func (s *server) tenantID(c *fiber.Ctx, slug, id string) (string, error) {
	switch {
	case slug != "" && id != "":
		return "", invalidError("Name the tenant by its slug (tenant) or by its id (tenant_id), not by both.")
	case slug == "" && id == "":
		return "", invalidError("Name the tenant by its slug (tenant) or by its id (tenant_id).")
	case id != "" && isID(id):
		return id, nil
	case id != "" || strings.ContainsRune(slug, 0):
		return "", errNoTenant
	}
	t, err := s.Store.TenantBySlug(c.UserContext(), slug)
	if errors.Is(err, db.ErrNotFound) {
		return "", errNoTenant
	}
	return t.ID, err
}

// isID reports whether a text may be an id of ours.
func isID(s string) bool {
	return len(s) == len("01a22945-5f9f-7136-9b7d-8c0ff5cba361") && strings.Trim(s, "0123456789abcdef-") == ""
}

// authorization is what is told of an authorization.
type authorization struct {
	ID        string                `json:"id"`
	State     db.AuthorizationState `json:"state"`
	Service   string                `json:"service"`
	Tenant    string                `json:"tenant"`
	User      string                `json:"user"`
	Account   string                `json:"account"`
	Tags      []string              `json:"tags"`
	ExpiresAt *time.Time            `json:"expires_at,omitempty"` // while it is under way
	Error     string                `json:"error,omitempty"`
	Detail    string                `json:"detail,omitempty"`      // the error, in a sentence
	Reason    string                `json:"reason,omitempty"`      // the service's code
	Said      string                `json:"description,omitempty"` // what the service said
	Granted   *granted              `json:"granted,omitempty"`
	Identity  string                `json:"identity,omitempty"` // id of what it became
}

// granted is what was granted and isn't completed.
type granted struct {
	OrgID       string   `json:"org_id"`
	OrgName     string   `json:"org_name"`
	Sandbox     bool     `json:"sandbox"`
	InstanceURL string   `json:"instance_url"`
	RemoteUser  string   `json:"remote_user_id"`
	Scopes      []string `json:"scopes"`
	Missing     []string `json:"missing_scopes"`
	OtherOrg    bool     `json:"other_org"`
}

// apiAuthorization handles GET /authorizations/{id}.
func (s *server) apiAuthorization(c *fiber.Ctx) error {
	if !isID(c.Params("id")) {
		return identity.ErrNoAuthorization
	}
	a, g, err := s.Vault.AuthorizationOf(c.UserContext(), caller(c).ID, c.Params("id"))
	if err != nil {
		return err
	}
	answer := authorization{ID: a.ID, State: a.State, Service: a.Service, Tenant: a.TenantSlug, User: a.User, Account: a.Account, Tags: append([]string{}, a.Tags...),
		Error: a.Error, Detail: identity.AuthorizationEnds()[a.Error], Reason: a.Reason, Said: a.Said}
	if a.State == db.AuthorizationCompleted {
		answer.Identity = a.IdentityID
	}
	if a.UnderWay() {
		at := a.ExpiresAt.UTC()
		answer.ExpiresAt = &at
	}
	if g != nil {
		answer.Granted = &granted{OrgID: g.OrgID, OrgName: g.OrgName, Sandbox: g.Sandbox, InstanceURL: g.InstanceURL, RemoteUser: g.RemoteUserID,
			Scopes: append([]string{}, strings.Fields(g.Scopes)...), Missing: append([]string{}, g.Missing...), OtherOrg: g.OtherOrg}
	}
	return c.JSON(answer)
}

// completion is what POST /authorizations/{id}/complete may be asked.
type completion struct {
	Code     string `json:"code"`
	Tenant   string `json:"tenant"` // slug
	TenantID string `json:"tenant_id"`
	User     string `json:"user"`
	Accept   string `json:"accept"`
}

const completionFields = "an object with code, tenant or tenant_id, user and accept (text)"

// apiComplete handles POST /authorizations/{id}/complete: what was granted becomes an
// identity, when it was begun for whoever is signed in to the application.
func (s *server) apiComplete(c *fiber.Ctx) error {
	var asked completion
	if err := decodeJSON(c, &asked); err != nil {
		return invalidBody(err, completionFields)
	}
	switch {
	case asked.Code == "":
		return invalidError("code is missing: send the one that the browser came back with.")
	case asked.Accept != "" && asked.Accept != identity.OtherOrg:
		return invalidError("accept can be other_org, and nothing else.")
	case !isID(c.Params("id")):
		return identity.ErrNoAuthorization
	}
	tenant, err := s.tenantID(c, asked.Tenant, asked.TenantID)
	if err != nil && !errors.Is(err, errNoTenant) { // one that there isn't is another one than it was begun for
		return err
	}
	i, err := s.Vault.CompleteAuthorization(c.UserContext(), identity.Completion{KeyID: caller(c).ID, ID: c.Params("id"), Code: asked.Code, TenantID: tenant, User: asked.User,
		AcceptOtherOrg: asked.Accept == identity.OtherOrg})
	if err != nil {
		return err
	}
	if i.Own() && s.CRMs.Of(i.Service) != nil {
		if err := s.resumeDestination(c, i.TenantID, i.Service); err != nil {
			return err // asked again, it goes on
		}
	}
	described, err := s.Vault.Describe(c.UserContext(), i)
	if err != nil {
		return err
	}
	return c.JSON(described[0])
}

// apiFailure is what a program is told of an error.
type apiFailure struct {
	status         int
	code, sentence string
}

// completionFailures are the reasons for which an authorization isn't completed.
var completionFailures = map[string]apiFailure{
	identity.NotGranted:           {http.StatusConflict, identity.NotGranted, "Nobody has granted anything yet. Complete it when the browser has come back with a code."},
	identity.NotCompletable:       {http.StatusConflict, identity.NotCompletable, "This authorization has ended; the reason says how. Begin a new one."},
	identity.WrongCode:            {http.StatusForbidden, identity.WrongCode, "This isn’t the code that the browser came back with. Nothing was changed."},
	identity.OtherUser:            {http.StatusConflict, identity.OtherUser, "This was begun for another tenant or user, so nothing is stored and what was granted is revoked. Somebody may have been sent a link that was meant for somebody else."},
	identity.TooLate:              {http.StatusConflict, identity.TooLate, "It has to be completed within ten minutes. Nothing is stored, and what was granted is revoked. Begin a new one."},
	identity.OtherOrg:             {http.StatusConflict, identity.OtherOrg, `The tenant is connected to another org than the one that was granted. Ask your user, and send "accept": "other_org" when it is meant; else let it run out.`},
	identity.ConfirmationRequired: {http.StatusConflict, identity.ConfirmationRequired, "Another tenant has this org. An admin of the tenant has to confirm in the portal that it is meant."},
	identity.ChangedMeanwhile:     {http.StatusConflict, identity.ChangedMeanwhile, "The connection, or the app of its service, was changed meanwhile. Look at the authorization and decide again."},
}

// authorizationFailure tells the errors of authorizations; ok is false for others.
func authorizationFailure(err error) (f apiFailure, reason string, ok bool) {
	var incomplete *identity.CompletionError
	switch {
	case errors.As(err, &incomplete):
		f, ok = completionFailures[incomplete.Code]
		return f, incomplete.Reason, ok
	case errors.Is(err, identity.ErrNoAuthorization):
		return apiFailure{http.StatusNotFound, "not_found", "There is no such authorization, or another API key began it. One that has ended is told of for a day."}, "", true
	case errors.Is(err, identity.ErrTooMany):
		return apiFailure{http.StatusTooManyRequests, "too_many_requests", "Too many authorizations are under way: of this API key, or of this user. They end by themselves; let those that were begun be finished."}, "", true
	}
	return f, "", false
}
