package routes

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"gatepost/auth"
	"gatepost/db"
	"gatepost/identity"
	"gatepost/input"
	"gatepost/newsletter"

	"github.com/gofiber/fiber/v2"
)

// The API for the platform's own programs. Its description is openapi.json; a
// test holds both together.
const apiPath = "/api/v1"

//go:embed openapi.json
var openAPI []byte

// How many identities a page of the API has.
const (
	apiPage    = 50
	maxAPIPage = 200
)

func isAPI(c *fiber.Ctx) bool { return strings.HasPrefix(c.Path(), "/api/") }

// api mounts the API, and its description for programs and for people.
func (s *server) api(app *fiber.App) {
	app.Get(apiPath+"/docs", s.apiDocs)
	app.Get(apiPath+"/openapi.json", func(c *fiber.Ctx) error {
		c.Set(fiber.HeaderContentType, "application/openapi+json")
		return c.Send(openAPI)
	})
	add := func(method, path, action string, h fiber.Handler, params ...string) {
		mount(app, method, apiPath+path, s.apiKey(action), s.limitAPI, knownQuery(params), h)
	}
	mount(app, http.MethodPost, apiPath+"/newsletters/:newsletter/subscribers", s.apiKey(auth.SignUp), s.limitHandedOn, knownQuery(nil), s.apiSignUp)
	mount(app, http.MethodPost, apiPath+"/newsletters/:newsletter/unsubscribe", s.apiKey(auth.SignUp, auth.Readers), s.limitHandedOn, knownQuery(nil), s.apiUnsubscribe)
	add(http.MethodGet, "/newsletters/:newsletter/subscribers", auth.Readers, s.apiReaders, "state", "changed_after", "cursor", "limit")
	add(http.MethodGet, "/services", auth.Read, s.apiServices)
	add(http.MethodGet, "/identities", auth.Read, s.apiIdentities, "service", "tenant", "user", "no_user", "account", "no_account", "tag", "page", "limit")
	add(http.MethodDelete, "/identities", auth.Delete, s.apiDeleteSelected)
	add(http.MethodGet, "/identities/:id", auth.Read, s.apiIdentity)
	add(http.MethodDelete, "/identities/:id", auth.Delete, s.apiDelete)
	add(http.MethodGet, "/identities/:id/token", auth.Read, s.apiTokenOf, "refused")
	add(http.MethodPost, "/identities/:id/request", auth.Call, s.apiCall)
	add(http.MethodPost, "/token", auth.Read, s.apiToken)
	add(http.MethodGet, "/tenants", auth.Tenants, s.apiTenants, "page", "limit")
	add(http.MethodPost, "/tenants", auth.Tenants, s.apiAddTenant)
	add(http.MethodGet, "/tenants/:slug", auth.Tenants, s.apiTenant)
	add(http.MethodPatch, "/tenants/:slug", auth.Tenants, s.apiSetTenant)
	add(http.MethodDelete, "/tenants/:slug", auth.Tenants, s.apiRemoveTenant)
	add(http.MethodPost, "/authorizations", auth.Authorize, s.apiBegin)
	add(http.MethodGet, "/authorizations/:id", auth.Authorize, s.apiAuthorization)
	add(http.MethodPost, "/authorizations/:id/complete", auth.Authorize, s.apiComplete)
}

const localAPIKey = "api-key"

// apiKey lets those through whose key allows one of the actions.
func (s *server) apiKey(actions ...string) fiber.Handler {
	return func(c *fiber.Ctx) error {
		scheme, secret, _ := strings.Cut(c.Get(fiber.HeaderAuthorization), " ")
		if !strings.EqualFold(scheme, "Bearer") {
			s.logAuth(c, keyRefused, "", "why", "none was sent")
			return auth.ErrAPIKey
		}
		k, err := s.Keys.Check(c.UserContext(), strings.TrimSpace(secret), s.Now())
		switch {
		case errors.Is(err, auth.ErrAPIKeyExpired):
			s.logAuth(c, keyRefused, "", "key", k.ID, "why", "it has run out")
		case errors.Is(err, auth.ErrAPIKey):
			s.logAuth(c, keyRefused, "", "why", "it is unknown or was removed")
		}
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(actions, func(action string) bool { return auth.Allows(k, action) }) {
			s.logAuth(c, keyRefused, "", "key", k.ID, "why", "it doesn't allow to "+strings.Join(actions, " or "))
			return errNotAllowed
		}
		c.Locals(localAPIKey, k)
		return c.Next()
	}
}

// caller is the key of a request.
func caller(c *fiber.Ctx) db.APIKey {
	k, _ := c.Locals(localAPIKey).(db.APIKey)
	return k
}

// apiServices handles GET /services: those that are configured and that the key
// is for.
func (s *server) apiServices(c *fiber.Ctx) error {
	type service struct {
		ID   string `json:"id"`
		Name string `json:"name"`
	}
	configured, err := s.Vault.Configured(c.UserContext())
	if err != nil {
		return err
	}
	list := []service{}
	for _, v := range configured {
		if within(v.ID, caller(c).Services) {
			list = append(list, service{v.ID, v.Name})
		}
	}
	return c.JSON(fiber.Map{"services": list})
}

// within reports whether a bound allows an id; an empty one allows all.
func within(id string, bound []string) bool {
	for _, b := range bound {
		if b == id {
			return true
		}
	}
	return len(bound) == 0
}

// selection is which identities a request is for, as a caller names them.
type selection struct {
	Service           string
	Tenant            string // slug
	User, Account     string
	NoUser, NoAccount bool
	Tags              []string
}

// selector is the selection within what the key is for. A tenant that there isn't
// selects nothing, as one that the key isn't for does.
func (s *server) selector(c *fiber.Ctx, sel selection) (identity.Selector, error) {
	k := caller(c)
	tags, err := identity.CleanTags(sel.Tags)
	if err != nil {
		return identity.Selector{}, invalidError("A tag has 1 to 255 bytes, and an identity has at most 50 of them.")
	}
	chosen := identity.Selector{Service: sel.Service, User: sel.User, NoUser: sel.NoUser, Account: sel.Account, NoAccount: sel.NoAccount, Tags: tags,
		Services: k.Services, Tenants: k.Tenants}
	var name *identity.NameError
	if err := identity.CheckSelector(chosen); errors.As(err, &name) {
		return chosen, invalidError("There can be no such " + name.What + ": it has to be text of 1 to 255 bytes, without a null character.")
	}
	if sel.Tenant == "" {
		return chosen, nil
	}
	t, err := s.Store.TenantBySlug(c.UserContext(), sel.Tenant)
	if errors.Is(err, db.ErrNotFound) {
		t.ID, err = "no such tenant", nil
	}
	chosen.TenantID = t.ID
	return chosen, err
}

// named returns the identity that the address names, if the key is for it.
func (s *server) named(c *fiber.Ctx) (db.NamedIdentity, error) {
	k := caller(c)
	return s.Vault.Find(c.UserContext(), identity.Selector{ID: c.Params("id"), Services: k.Services, Tenants: k.Tenants})
}

// apiIdentities handles GET /identities: a page of what the query selects.
func (s *server) apiIdentities(c *fiber.Ctx) error {
	q, err := readQuery(c)
	if err != nil {
		return err
	}
	sel, err := s.selector(c, q.selection)
	if err != nil {
		return err
	}
	page, err := s.Vault.List(c.UserContext(), sel, q.page, q.limit)
	if err != nil {
		return err
	}
	described, err := s.Vault.Describe(c.UserContext(), page.Identities...)
	if err != nil {
		return err
	}
	answer := struct {
		Identities []identity.Description `json:"identities"`
		Next       string                 `json:"next,omitempty"`
	}{described, page.Next}
	return c.JSON(answer)
}

// listQuery is what GET /identities may be asked.
type listQuery struct {
	selection
	page  string
	limit int
}

const localQuery = "query"

// knownQuery refuses a query with other parameters than these, with empty ones, and
// with one that is given twice: a filter with a typing error would mean everything,
// and a selector that isn't read would mean another identity.
func knownQuery(params []string) fiber.Handler {
	return func(c *fiber.Ctx) error {
		given, err := url.ParseQuery(string(c.Request().URI().QueryString()))
		if err != nil {
			return invalidError("The query can’t be read.")
		}
		for name, values := range given {
			switch {
			case !slices.Contains(params, name):
				return invalidError(fmt.Sprintf("There is no parameter %.40q.", name))
			case len(values) > 1 && name != "tag":
				return invalidError(name + " may be given once.")
			case slices.Contains(values, ""):
				return emptyError(name)
			case !utf8.ValidString(strings.Join(values, "")):
				return invalidError(name + " isn’t UTF-8.")
			}
		}
		c.Locals(localQuery, given)
		return c.Next()
	}
}

// queryOf is the query of a request, which knownQuery has let through.
func queryOf(c *fiber.Ctx) url.Values {
	q, _ := c.Locals(localQuery).(url.Values)
	return q
}

// readQuery reads the query of a list.
func readQuery(c *fiber.Ctx) (listQuery, error) {
	given := queryOf(c)
	q := listQuery{page: given.Get("page"),
		selection: selection{Service: given.Get("service"), Tenant: given.Get("tenant"), User: given.Get("user"), Account: given.Get("account"),
			NoUser: given.Has("no_user"), NoAccount: given.Has("no_account"), Tags: given["tag"]}}
	for _, none := range []string{"no_user", "no_account"} {
		if given.Has(none) && given.Get(none) != "true" {
			return q, invalidError(none + " is true, or left out.")
		}
	}
	var err error
	q.limit, err = readLimit(given.Get("limit"))
	return q, err
}

// readLimit reads how many rows a page is to have.
func readLimit(text string) (int, error) { return readLimitOf(text, apiPage, maxAPIPage) }

// readLimitOf reads it where a page has others by itself, and at most.
func readLimitOf(text string, usual, most int) (int, error) {
	if text == "" {
		return usual, nil
	}
	limit, err := strconv.Atoi(text)
	if err != nil || limit < 1 || limit > most {
		return 0, invalidError(fmt.Sprintf("limit has to be a number from 1 to %d.", most))
	}
	return limit, nil
}

// apiIdentity handles GET /identities/{id}.
func (s *server) apiIdentity(c *fiber.Ctx) error {
	i, err := s.named(c)
	if err != nil {
		return err
	}
	described, err := s.Vault.Describe(c.UserContext(), i)
	if err != nil {
		return err
	}
	return c.JSON(described[0])
}

// apiDelete handles DELETE /identities/{id}: it is deleted at once, and revoked at
// its service, now or as soon as that can be reached.
func (s *server) apiDelete(c *fiber.Ctx) error {
	k := caller(c)
	receipts, err := s.Vault.Delete(c.UserContext(), identity.Selector{ID: c.Params("id"), Services: k.Services, Tenants: k.Tenants})
	if err != nil {
		return err
	}
	return c.JSON(newReceipt(receipts[0]))
}

// receipt is what is told of an identity that was deleted.
type receipt struct {
	ID      string          `json:"id"`
	Service string          `json:"service"`
	Tenant  string          `json:"tenant"`
	User    string          `json:"user"`
	Account string          `json:"account"`
	Revoked bool            `json:"revoked"`
	Ending  identity.Ending `json:"ending"`
}

func newReceipt(r identity.Receipt) receipt {
	return receipt{r.ID, r.Service, r.Tenant, r.User, r.Account, r.Revoked, r.Ending}
}

// apiDeleteSelected handles DELETE /identities: up to 200 of those that the body
// selects are deleted at once, as by apiDelete.
func (s *server) apiDeleteSelected(c *fiber.Ctx) error {
	var asked selectorBody
	if err := decodeJSON(c, &asked); err != nil {
		return invalidBody(err, "an object with service, tenant (text), user, account (text, or null for none) and tags (a list of texts)")
	}
	sel, err := s.selectorOf(c, asked)
	if err != nil {
		return err
	}
	deleted, more, err := s.Vault.DeleteSome(c.UserContext(), sel, maxAPIPage)
	if err != nil {
		return err
	}
	receipts := []receipt{}
	for _, r := range deleted {
		receipts = append(receipts, newReceipt(r))
	}
	return c.JSON(fiber.Map{"receipts": receipts, "more": more})
}

// apiTokenOf handles GET /identities/{id}/token.
func (s *server) apiTokenOf(c *fiber.Ctx) error {
	var refused int64
	if v := queryOf(c).Get("refused"); v != "" {
		var err error
		if refused, err = strconv.ParseInt(v, 10, 64); err != nil || refused < 0 {
			return errRefused
		}
	}
	i, err := s.named(c)
	if err != nil {
		return err
	}
	return s.sendToken(c, i, refused)
}

const errRefused = invalidError("refused has to be the generation of the credential that was refused.")

// selectorBody is which identities the body of a request is for.
type selectorBody struct {
	Service *string            `json:"service"`
	Tenant  *string            `json:"tenant"`
	User    input.NullableText `json:"user"`
	Account input.NullableText `json:"account"`
	Tags    []string           `json:"tags"`
}

// selection is what is asked for. What is named by nothing is refused, as in a
// query: a program whose tenant is missing would get another tenant's credential.
// Null says that there is no user, or no account.
func (b selectorBody) selection() (selection, error) {
	sel := selection{Tags: b.Tags, User: b.User.String, NoUser: b.User.Null, Account: b.Account.String, NoAccount: b.Account.Null}
	for _, f := range []struct {
		name  string
		empty bool
	}{
		{"tags", b.Tags != nil && len(b.Tags) == 0}, {"service", b.Service != nil && *b.Service == ""}, {"tenant", b.Tenant != nil && *b.Tenant == ""},
		{"user", b.User.Empty()}, {"account", b.Account.Empty()},
	} {
		if f.empty {
			return sel, emptyError(f.name)
		}
	}
	if b.Service != nil {
		sel.Service = *b.Service
	}
	if b.Tenant != nil {
		sel.Tenant = *b.Tenant
	}
	return sel, nil
}

// selectorOf is what a body selects, within what the key is for.
func (s *server) selectorOf(c *fiber.Ctx, b selectorBody) (identity.Selector, error) {
	named, err := b.selection()
	if err != nil {
		return identity.Selector{}, err
	}
	return s.selector(c, named)
}

// tokenRequest is what POST /token may be asked.
type tokenRequest struct {
	selectorBody
	Refused int64 `json:"refused"`
}

// apiToken handles POST /token: a credential by a selector in the body, so that
// nobody's address stands in a URL.
func (s *server) apiToken(c *fiber.Ctx) error {
	var asked tokenRequest
	if err := decodeJSON(c, &asked); err != nil {
		return invalidBody(err, "an object with service, tenant (text), user, account (text, or null for none), tags (a list of texts) and refused (a number)")
	}
	if asked.Refused < 0 {
		return errRefused
	}
	sel, err := s.selectorOf(c, asked.selectorBody)
	if err != nil {
		return err
	}
	i, err := s.Vault.Find(c.UserContext(), sel)
	if err != nil {
		return err
	}
	return s.sendToken(c, i, asked.Refused)
}

// invalidBody tells a program what is wrong with the body of a request, and what it is to be.
func invalidBody(err error, shape string) error {
	var wrong *input.JSONError
	if !errors.As(err, &wrong) {
		return err
	}
	name := "The body"
	if wrong.Field != "" {
		name = fmt.Sprintf("%q", wrong.Field)
	}
	return invalidError(name + ": " + jsonSentences[wrong.What] + " The body is " + shape + ", and nothing else.")
}

// credential is an identity with its access token, in the shape that EveryAuth
// gave it: accessToken, and native as the service answered. Never the refresh
// token.
type credential struct {
	ID          string         `json:"id"`
	Service     string         `json:"service"`
	Tenant      string         `json:"tenant"`
	User        string         `json:"user"`
	Account     string         `json:"account"`
	AccessToken string         `json:"accessToken"`
	Generation  int64          `json:"generation"`
	ExpiresAt   *time.Time     `json:"expiresAt,omitempty"`
	Native      map[string]any `json:"native"`
}

func (s *server) sendToken(c *fiber.Ctx, i db.NamedIdentity, refused int64) error {
	fresh, err := s.Vault.GetFound(c.UserContext(), i.Identity, refused)
	if err != nil {
		return err
	}
	answer := credential{ID: i.ID, Service: i.Service, Tenant: i.Tenant, User: i.User, Account: i.Account, AccessToken: fresh.AccessToken, Generation: fresh.Generation}
	if err := json.Unmarshal([]byte(fresh.Native), &answer.Native); err != nil {
		return fmt.Errorf("native of identity %s: %w", i.ID, err)
	}
	answer.Native["access_token"] = fresh.AccessToken
	if fresh.InstanceURL != "" {
		answer.Native["instance_url"] = fresh.InstanceURL
	}
	if !fresh.ExpiresAt.IsZero() {
		at := fresh.ExpiresAt.UTC()
		answer.ExpiresAt, answer.Native["expires_at"] = &at, at.UnixMilli()
	}
	return c.JSON(answer)
}

// errNotAllowed says that a key doesn't allow what was asked for.
var errNotAllowed = errors.New("the api key doesn't allow this")

// invalidError says what is wrong with a request.
type invalidError string

func emptyError(name string) error {
	return invalidError(name + " is empty. Leave it out, or give it a value.")
}

// Error is the sentence.
func (e invalidError) Error() string { return string(e) }

// failAPI answers an error to a program: a code for it, and a sentence for whoever
// reads its logs.
func (s *server) failAPI(c *fiber.Ctx, err error) error {
	status, sentence := s.explain(err)
	doc := problemDocument{Code: codeOf(status)}
	var invalid invalidError
	var conflict conflictError
	var closed *identity.ClosedError
	var several *identity.AmbiguousError
	var broken *identity.BrokenError
	var later *identity.UnavailableError
	fault, faulty := identity.FaultOf(err)
	ended, reason, ofAuthorization := authorizationFailure(err)
	var call *identity.CallError
	var wrong fieldsError
	switch {
	case ofAuthorization:
		status, doc.Code, sentence, doc.Reason = ended.status, ended.code, ended.sentence, reason
	case errors.Is(err, auth.ErrAPIKey):
		status, doc.Code, sentence = http.StatusUnauthorized, "unauthorized", "Send an API key as a Bearer token in the Authorization header. The one that was sent, if any, is unknown, was removed, or has run out."
		c.Set(fiber.HeaderWWWAuthenticate, `Bearer realm="gatepost"`)
	case status == http.StatusUnsupportedMediaType:
		sentence = "Send JSON, as application/json in UTF-8 and not compressed. Nothing was changed."
	case errors.As(err, &wrong):
		status, doc.Code, sentence = http.StatusUnprocessableEntity, "invalid", wrong.Error()
	case errors.Is(err, newsletter.ErrClosed):
		status, doc.Code, sentence = http.StatusConflict, "closed", "This newsletter takes no sign-ups: it is paused or archived. Nothing was stored."
	case errors.Is(err, errNoNewsletter):
		status, doc.Code, sentence = http.StatusNotFound, "not_found", "There is no such newsletter, or this API key isn’t for it."
	case errors.Is(err, errNotAllowed):
		status, doc.Code, sentence = http.StatusForbidden, "forbidden", "This API key doesn’t allow that."
	case errors.Is(err, errNoTenant):
		status, doc.Code, sentence = http.StatusNotFound, "not_found", "There is no such tenant, or this API key isn’t for it."
	case errors.Is(err, identity.ErrWithdrawn):
		status, doc.Code, sentence = http.StatusNotFound, "not_found", "There is no such tenant, or else it, the service, this API key or its return address was removed just now."
	case errors.As(err, &conflict):
		status, doc.Code, sentence = http.StatusConflict, "conflict", string(conflict)
	case errors.As(err, &closed):
		status, doc.Code, sentence = http.StatusConflict, "conflict", fmt.Sprintf("This tenant was removed: its data is deleted on %s. Until then gatepost tenant set %s --reopen takes that back.",
			closed.WipeAt.UTC().Format("2006-01-02 15:04 UTC"), closed.Slug)
	case errors.Is(err, identity.ErrNotConnected):
		status, doc.Code, sentence = http.StatusNotFound, "not_found", "There is no such identity, or this API key isn’t for it."
	case faulty:
		status, doc.Code, sentence = fault.Status, fault.Code, fault.Sentence
		s.log.WarnContext(c.UserContext(), "a program asks for what can't be", "id", requestID(c), "key", caller(c).ID, "code", fault.Code, "why", fault.Sentence)
	case errors.As(err, &call):
		status, doc.Code, sentence = callStatus[call.Code], call.Code, call.Sentence
		retryAfter(c, status)
	case errors.As(err, &invalid):
		status, doc.Code, sentence = http.StatusUnprocessableEntity, "invalid", string(invalid)
	case errors.As(err, &several):
		status, doc.Code, sentence = http.StatusConflict, "ambiguous", "Several identities match. Select more closely, or by id."
		var failed error
		if doc.Identities, failed = s.Vault.Describe(c.UserContext(), several.Identities...); failed != nil {
			return s.failAPI(c, failed)
		}
		doc.More = several.More
	case errors.As(err, &broken):
		status, doc.Code, doc.Reason = http.StatusConflict, "reauthorize", broken.Code
		doc.MendedBy = identity.WhyBroken(broken.Service, "", broken.Code).Who
		sentence = "This identity has to be authorized again. " + identity.WhyBroken(broken.Service, identity.NameOf(broken.Service), broken.Code).What
	case errors.As(err, &later):
		status, doc.Code, doc.Reason = http.StatusServiceUnavailable, "unavailable", later.Code
		why := identity.WhyFailing(later.Service, identity.NameOf(later.Service), later.Code)
		doc.MendedBy = why.Who
		sentence = "No credential can be had for now. " + why.What + " Try again after the time in Retry-After."
		c.Set(fiber.HeaderRetryAfter, strconv.Itoa(max(1, int(math.Ceil(later.RetryAt.Sub(s.Now()).Seconds())))))
	default:
		s.logFailure(c, status, err)
		retryAfter(c, status)
	}
	full := newProblem(c, status, sentence, wrong)
	full.Code, full.Reason, full.MendedBy, full.Identities, full.More = doc.Code, doc.Reason, doc.MendedBy, doc.Identities, doc.More
	return full.send(c)
}

// codeOf is the code of a failure that has none of its own.
func codeOf(status int) string {
	return strings.ReplaceAll(strings.ToLower(http.StatusText(status)), " ", "_")
}
