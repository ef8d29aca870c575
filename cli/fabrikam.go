package cli

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"gatepost/auth"
	"gatepost/crm/salesforce"
	"gatepost/db"
	"gatepost/identity"
	"gatepost/mocksalesforce"
)

// The demo's sample tenant: half a year in, where Contoso starts empty. Its slug leaves
// fabrikam to whoever adds a tenant of that name.
const (
	fabrikamSlug = "fabrikam-sample"
	fabrikamName = "Fabrikam (sample data)"
	fabrikamUser = "maria@fabrikam.example"
	fabrikamOrg  = "fabrikam" // its key in the simulated Salesforce
	fabrikamZone = "Europe/Berlin"
)

// fabrikamSetup is how its org is set up: two of its rules refuse people, as the panel
// says, and other apps make API calls too.
const fabrikamSetup = `{"duplicate_rule": "block", "duplicate_match": "name", "validation_rule": true, "other_calls": 1214}`

// fabrikamLetters are its newsletters.
func fabrikamLetters(now time.Time) []letter {
	born := now.AddDate(0, 0, -pastDays-1)
	n := func(slug, name, words string) db.Newsletter {
		return db.Newsletter{ID: db.NewID(), Slug: slug, Name: name, Consent: words, CreatedAt: born}
	}
	return []letter{
		{n("fabrikam-news", "Fabrikam News", "I want to receive Fabrikam News by e-mail, about twice a month. I can unsubscribe at any time."), 5, 14,
			map[int]float64{-53: 90, -52: 62, -51: 38, -50: 21, -49: 12, -48: 6}}, // a campaign
		{n("fabrikam-events", "Fabrikam Events", "I want to be told by e-mail about Fabrikam’s events. I can unsubscribe at any time."), 1, 3.5,
			map[int]float64{-31: 24, -30: 15, -29: 8}},
	}
}

// sampler makes the sample tenant.
type sampler struct {
	*portal
	mock *mocksalesforce.Server
	config
}

// make makes the sample tenant in Gatepost and in the simulated Salesforce, unless it was
// made before, and returns its id: none when somebody has removed it. What an earlier try
// left undone is done again.
func (s sampler) make(ctx context.Context) (tenantID string, err error) {
	t, err := s.db.AnyTenantBySlug(ctx, fabrikamSlug)
	switch {
	case err == nil && !t.ClosedAt.IsZero():
		return "", nil
	case err != nil && !errors.Is(err, db.ErrNotFound):
		return "", err
	}
	letters := fabrikamLetters(s.db.Now())
	if err != nil {
		if t, err = s.tenant(ctx, letters[0]); err != nil {
			return "", err
		}
	}
	sums, err := s.db.Sums(ctx, t.ID)
	if err == nil && sums.Subscribers[db.New] == 0 {
		err = s.live(ctx, t, letters)
	}
	if err != nil {
		return "", err
	}
	return t.ID, s.postpone(ctx, t.ID, time.Time{})
}

// tenant makes the tenant, with its first newsletter.
func (s sampler) tenant(ctx context.Context, first letter) (db.Tenant, error) {
	t := db.Tenant{ID: db.NewID(), Slug: fabrikamSlug, Name: fabrikamName, CreatedAt: first.CreatedAt}
	err := s.db.CreateTenant(ctx, t, db.FirstNewsletter{Slug: first.Slug, Name: first.Name, Consent: first.Consent})
	if err != nil {
		return t, err
	}
	return t, s.db.SetOrganisation(ctx, t.ID, "", db.Organisation{Name: t.Name, TimeZone: fabrikamZone})
}

// live gives the tenant half a year of life. That its past is stored comes last, and says
// that all is done.
func (s sampler) live(ctx context.Context, t db.Tenant, letters []letter) error {
	maria, err := s.people.AddUser(ctx, fabrikamUser, fabrikamSlug, rand.Text()) // whom the demo lets in without
	if already := (auth.FieldErrors{}); errors.As(err, &already) && maria.ID != "" {
		err = nil // an earlier try has made her
	}
	if err != nil {
		return err
	}
	zone, err := time.LoadLocation(fabrikamZone)
	if err != nil {
		return err
	}
	all, err := s.db.Newsletters(ctx, t.ID)
	if err != nil {
		return err
	}
	letters[0].Newsletter = all[0]
	m := newPastMaker(s.db.Now(), zone, maria.ID, letters)
	m.make()
	org, contacts, err := s.mock.AddOrg(ctx, mocksalesforce.Org{Key: fabrikamOrg, Name: fabrikamName, Username: fabrikamUser, First: "Maria", Last: "Silva",
		Contacts: m.contacts, Settings: fabrikamSetup})
	if err != nil {
		return err
	}
	g, err := s.connect(ctx, t, m)
	if err != nil {
		return err
	}
	if err := s.checkUp(ctx, t.ID, g); err != nil {
		return err
	}
	if err := s.mock.ForgetCalls(ctx, org); err != nil {
		return err
	}
	return s.db.StorePast(ctx, t.ID, m.past(org, g.InstanceURL, contacts))
}

// connect lets the portal's app into the org, and imports what that gave: no call is made.
func (s sampler) connect(ctx context.Context, t db.Tenant, m *pastMaker) (mocksalesforce.Grant, error) {
	g, err := s.mock.Approve(ctx, s.ClientID, fabrikamUser, "api", "id", "refresh_token")
	if err != nil {
		return g, err
	}
	if _, err := s.db.ForgetIdentities(ctx, db.Selector{TenantID: t.ID}); err != nil { // of an earlier try
		return g, err
	}
	native, err := json.Marshal(map[string]string{"id": g.InstanceURL + "/id/" + g.OrgID + "/" + g.UserID, "instance_url": g.InstanceURL, "scope": g.Scope, "token_type": "Bearer"})
	if err != nil {
		return g, err
	}
	_, err = s.vault.Import(ctx, identity.Bundle{Format: "gatepost identities", Version: 1, Identities: []identity.Movable{{
		Service: identity.Salesforce, Tenant: t.Slug, OrgID: g.OrgID, OrgName: fabrikamName, RemoteUserID: g.UserID, InstanceURL: g.InstanceURL, LoginURL: s.LoginURL,
		Scopes: []string{"api", "id", "refresh_token"}, Native: native, ClientID: s.ClientID, ConnectedBy: fabrikamUser,
		ConnectedAt: m.mended, RefreshedAt: s.db.Now().Add(-40 * time.Minute), ExpiresAt: &g.Ends, AccessToken: g.AccessToken, RefreshToken: g.RefreshToken,
	}}}, identity.ImportOptions{})
	return g, err
}

// checkUp makes the check-up that there is after connecting.
func (s sampler) checkUp(ctx context.Context, tenantID string, g mocksalesforce.Grant) error {
	session := salesforce.Session{AccessToken: g.AccessToken, InstanceURL: g.InstanceURL, OrgID: g.OrgID, Generation: 1}
	client, err := salesforce.Open(ctx, salesforce.Given(session), &http.Client{Transport: inProcess{s.mock.Handler()}}, salesforce.Options{Log: s.log})
	if err != nil {
		return err
	}
	checks, err := client.CheckUp(ctx)
	if err != nil {
		return fmt.Errorf("check-up of the sample tenant: %w", err)
	}
	text, err := json.Marshal(checks)
	if err != nil {
		return err
	}
	calls := client.Limits()[0]
	to, err := s.db.Destinations(ctx, tenantID)
	if err != nil {
		return err
	}
	return errors.Join(s.db.SaveCheckUp(ctx, to[0].Key(), g.OrgID, string(text)), s.db.SaveUsage(ctx, to[0].Key(), calls.Used, calls.Allowed, client.Calls()))
}

// inProcess calls a server that isn't listening yet.
type inProcess struct{ to http.Handler }

// RoundTrip has the server answer.
func (p inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	in := r.Clone(r.Context())
	in.RequestURI, in.Host = r.URL.RequestURI(), r.URL.Host
	if in.Body == nil {
		in.Body = http.NoBody
	}
	a := &answerKept{Response: http.Response{Header: http.Header{}, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r, ContentLength: -1}}
	p.to.ServeHTTP(a, in)
	a.WriteHeader(http.StatusOK)
	a.Body = io.NopCloser(&a.text)
	return &a.Response, nil
}

// answerKept is an answer in the making.
type answerKept struct {
	http.Response
	text bytes.Buffer
}

// Header are those of the answer.
func (a *answerKept) Header() http.Header { return a.Response.Header }

// Write adds to the body.
func (a *answerKept) Write(b []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.text.Write(b)
}

// WriteHeader sets the status, once.
func (a *answerKept) WriteHeader(status int) {
	if a.StatusCode == 0 {
		a.StatusCode = status
	}
}

// Those who wait in the sample tenant are about to be tried again, and are put off before
// it comes to that: nothing calls Salesforce until somebody acts. Whom somebody has tried
// at once is due before that.
const (
	fabrikamWaits = "UNABLE_TO_LOCK_ROW"
	postponedFor  = 40 * time.Minute
	postponeEvery = 10 * time.Minute
)

// postpone puts those off who wait in the sample tenant, and were due after a time.
func (s sampler) postpone(ctx context.Context, tenantID string, after time.Time) error {
	return s.db.Postpone(ctx, tenantID, fabrikamWaits, after, s.db.Now().Add(postponedFor))
}

// keepPostponed does so until ctx ends.
func (s sampler) keepPostponed(ctx context.Context, tenantID string) {
	tick := time.NewTicker(postponeEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := s.postpone(ctx, tenantID, s.db.Now()); err != nil && ctx.Err() == nil {
			s.log.ErrorContext(ctx, "those who wait in the sample tenant can't be put off", "error", err)
		}
	}
}
