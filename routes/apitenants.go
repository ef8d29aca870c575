package routes

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"gatepost/auth"
	"gatepost/db"
	"gatepost/identity"

	"github.com/gofiber/fiber/v2"
)

// tenantJSON is what programs are told of a tenant.
type tenantJSON struct {
	ID        string     `json:"id"`
	Slug      string     `json:"slug"`
	Name      string     `json:"name"`
	State     string     `json:"state"` // open, closed
	CreatedAt time.Time  `json:"created_at"`
	ClosedAt  *time.Time `json:"closed_at,omitempty"`
	WipeAt    *time.Time `json:"wipe_at,omitempty"` // when its data is deleted
}

func tenantOf(t db.Tenant) tenantJSON {
	told := tenantJSON{ID: t.ID, Slug: t.Slug, Name: t.Name, State: "open", CreatedAt: t.CreatedAt.UTC()}
	if !t.ClosedAt.IsZero() {
		closed, wipe := t.ClosedAt.UTC(), t.WipeAt.UTC()
		told.State, told.ClosedAt, told.WipeAt = "closed", &closed, &wipe
	}
	return told
}

// apiTenants handles GET /tenants: a page of all tenants, closed ones too.
func (s *server) apiTenants(c *fiber.Ctx) error {
	q := queryOf(c)
	limit, err := readLimit(q.Get("limit"))
	if err != nil {
		return err
	}
	found, err := s.People.TenantsAfter(c.UserContext(), q.Get("page"), limit+1)
	if err != nil {
		return err
	}
	answer := struct {
		Tenants []tenantJSON `json:"tenants"`
		Next    string       `json:"next,omitempty"`
	}{Tenants: []tenantJSON{}}
	if len(found) > limit {
		found = found[:limit]
		answer.Next = found[limit-1].ID
	}
	for _, t := range found {
		answer.Tenants = append(answer.Tenants, tenantOf(t))
	}
	return c.JSON(answer)
}

// apiTenant handles GET /tenants/{slug}.
func (s *server) apiTenant(c *fiber.Ctx) error {
	t, err := s.namedTenant(c)
	if err != nil {
		return err
	}
	return c.JSON(tenantOf(t))
}

// namedTenant returns the tenant that the address names, a closed one too.
func (s *server) namedTenant(c *fiber.Ctx) (db.Tenant, error) {
	t, err := s.People.AnyTenant(c.UserContext(), c.Params("slug"))
	if errors.Is(err, db.ErrNotFound) {
		return t, errNoTenant
	}
	return t, err
}

// tenantFields is what is said of a tenant. What is nil isn't.
type tenantFields struct {
	Slug *string `json:"slug"`
	Name *string `json:"name"`
}

// readTenant reads and checks what is said of a tenant.
func readTenant(c *fiber.Ctx) (slug, name string, err error) {
	var asked tenantFields
	if err := decodeJSON(c, &asked); err != nil {
		return "", "", invalidBody(err, "an object with slug and name (text)")
	}
	if asked.Slug != nil {
		slug = *asked.Slug
		if text := auth.CheckSlug(slug); text != "" {
			return "", "", invalidError(`"slug": ` + text)
		}
	}
	if asked.Name != nil {
		name = *asked.Name
		if _, text := auth.TenantName(name); text != "" {
			return "", "", invalidError(`"name": ` + text)
		}
	}
	return slug, name, nil
}

// apiAddTenant handles POST /tenants.
func (s *server) apiAddTenant(c *fiber.Ctx) error {
	slug, name, err := readTenant(c)
	if err != nil {
		return err
	}
	if slug == "" {
		return invalidError(`"slug": This is needed: what the tenant is called in commands and requests.`)
	}
	t, err := s.People.AddTenant(c.UserContext(), slug, name)
	if err != nil {
		return tenantRefused(slug, err)
	}
	s.logTenant(c, "tenant added", t)
	c.Location(apiPath + "/tenants/" + t.Slug)
	return c.Status(http.StatusCreated).JSON(tenantOf(t))
}

// apiSetTenant handles PATCH /tenants/{slug}: what isn't named stays.
func (s *server) apiSetTenant(c *fiber.Ctx) error {
	slug, name, err := readTenant(c)
	if err != nil {
		return err
	}
	if slug == "" && name == "" {
		return invalidError("Say what to change: name, slug, or both.")
	}
	t, err := s.namedTenant(c)
	if err != nil {
		return err
	}
	if err := identity.MustBeOpen(t); err != nil {
		return err
	}
	if t, err = s.People.SetTenant(c.UserContext(), t.Slug, slug, name); err != nil {
		return tenantRefused(slug, err)
	}
	s.Newsletters.Forget()
	s.logTenant(c, "tenant changed", t)
	return c.JSON(tenantOf(t))
}

// tenantRefused is what is wrong with a tenant, for a program.
func tenantRefused(slug string, err error) error {
	var wrong auth.FieldErrors
	switch {
	case errors.Is(err, db.ErrConflict):
		return conflictError(fmt.Sprintf("Another tenant has the slug %s. One that was removed keeps its slug until its data is deleted.", slug))
	case !errors.As(err, &wrong):
		return err
	case wrong["tenant"] != "": // removed since it was looked up
		return errNoTenant
	}
	return invalidError(wrong.Error())
}

// removedTenant is what removing a tenant has ended.
type removedTenant struct {
	tenantJSON
	Members     int              `json:"members"`
	Subscribers int              `json:"subscribers"`
	Sessions    int              `json:"sessions"`
	APIKeys     int              `json:"api_keys"`
	Receipts    []connectionGone `json:"receipts"`
}

// connectionGone is a connection that went with its tenant.
type connectionGone struct {
	ID      string          `json:"id,omitempty"` // none of what waited to be confirmed
	Service string          `json:"service"`
	User    string          `json:"user"`
	Account string          `json:"account"`
	Revoked bool            `json:"revoked"`
	Ending  identity.Ending `json:"ending"`
}

// apiRemoveTenant handles DELETE /tenants/{slug}, as gatepost tenant rm does it.
func (s *server) apiRemoveTenant(c *fiber.Ctx) error {
	var asked struct {
		Slug string `json:"slug"`
	}
	if err := decodeJSON(c, &asked); err != nil {
		return invalidBody(err, "an object with the slug (text)")
	}
	t, err := s.namedTenant(c)
	if err != nil {
		return err
	}
	if asked.Slug != t.Slug {
		return invalidError(`"slug": This has to be the slug in the address once more, so that no tenant is removed by mistake. Nothing was removed.`)
	}
	gone, err := s.Vault.RemoveTenant(c.UserContext(), t, false)
	if errors.Is(err, db.ErrNotFound) { // its data is deleted since it was looked up
		return errNoTenant
	}
	if err != nil {
		return err
	}
	s.Newsletters.Forget()
	s.Keys.Forget()
	s.logTenant(c, "tenant removed", t)
	t.ClosedAt, t.WipeAt = s.Now(), gone.WipeAt
	answer := removedTenant{tenantJSON: tenantOf(t), Members: gone.Members, Subscribers: gone.Subscribers, Sessions: gone.Sessions, APIKeys: gone.APIKeys, Receipts: []connectionGone{}}
	for _, r := range gone.Receipts {
		answer.Receipts = append(answer.Receipts, connectionGone{r.ID, r.Service, r.User, r.Account, r.Revoked, r.Ending})
	}
	return c.JSON(answer)
}

// logTenant logs what a program did to a tenant, by ids alone.
func (s *server) logTenant(c *fiber.Ctx, what string, t db.Tenant) {
	s.log.InfoContext(c.UserContext(), what, "id", requestID(c), "key", caller(c).ID, "tenant", t.ID)
}

// conflictError says what stands against a request.
type conflictError string

// Error is the sentence.
func (e conflictError) Error() string { return string(e) }

// errNoTenant says that there is no such tenant, or none that the key is for.
var errNoTenant = errors.New("there is no such tenant")
