package connect

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gatepost/crm"
	"gatepost/identity"
	"gatepost/mocksalesforce"
)

// vault is one that has a credential, or none.
type vault struct {
	credential identity.Credential
	err        error
}

func (v vault) Get(context.Context, string, string, int64) (identity.Credential, error) {
	return v.credential, v.err
}

// What the vault says of a missing credential is said in crm's words.
func TestWithoutACredential(t *testing.T) {
	now := time.Now()
	crms := New(Config{HTTP: http.DefaultClient, Now: func() time.Time { return now }})
	for name, test := range map[string]struct {
		service string
		err     error
		want    crm.Failure
	}{
		"nobody connected it": {identity.Salesforce, identity.ErrNotConnected, crm.Failure{Class: crm.Connection, Code: crm.NotConnected}},
		"it has ended":        {identity.Salesforce, &identity.BrokenError{}, crm.Failure{Class: crm.Connection, Code: crm.Broken}},
		"not for now":         {identity.Salesforce, &identity.UnavailableError{RetryAt: now.Add(time.Hour)}, crm.Failure{Class: crm.Pause, Code: crm.Unavailable, Wait: time.Hour}},
		"no CRM":              {"github", nil, crm.Failure{Class: crm.Connection, Code: crm.NotConnected}},
	} {
		_, err := crms.Connect(t.Context(), vault{err: test.err}, test.service, "a")
		var f *crm.Failure
		if !errors.As(err, &f) || f.Class != test.want.Class || f.Code != test.want.Code || f.Wait != test.want.Wait {
			t.Errorf("%s: %+v", name, err)
		}
	}
}

// A service that is no CRM has no org that anybody knows.
func TestOtherServicesAreNotAsked(t *testing.T) {
	crms := New(Config{HTTP: &http.Client{Transport: nowhere{t}}, Now: time.Now})
	if org, err := crms.Organization(t.Context(), identity.Credential{Service: "github", AccessToken: "secret"}); org != (identity.Org{}) || err != nil {
		t.Error(org, err)
	}
}

type nowhere struct{ t *testing.T }

func (n nowhere) RoundTrip(r *http.Request) (*http.Response, error) {
	n.t.Errorf("%s was called", r.URL)
	return nil, errors.New("nowhere")
}

// The check-up after connecting takes what was found while connecting, and with it what
// Salesforce said of its API calls, and how many were made.
func TestTheFirstCheckUpKnowsTheAPICalls(t *testing.T) {
	mock, err := mocksalesforce.Open(t.Context(), mocksalesforce.Options{Data: filepath.Join(t.TempDir(), "salesforce.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { mock.Close() })
	srv := httptest.NewServer(mock.Handler())
	t.Cleanup(srv.Close)
	resp, err := http.Post(srv.URL+"/_control/session", "application/json", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var token struct {
		AccessToken string `json:"access_token"`
		InstanceURL string `json:"instance_url"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&token); err != nil {
		t.Fatal(err)
	}
	c := identity.Credential{Service: identity.Salesforce, AccessToken: token.AccessToken, InstanceURL: token.InstanceURL, OrgID: "00D1", Generation: 1}
	crms := New(Config{HTTP: srv.Client(), Now: time.Now})
	if org, err := crms.Organization(t.Context(), c); err != nil || org != (identity.Org{Name: "Contoso"}) {
		t.Fatal(org, err)
	}
	connected, err := crms.Connect(t.Context(), vault{credential: c}, identity.Salesforce, "a")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []int{1, 2} {
		if checks, err := connected.CheckUp(t.Context()); err != nil || len(checks) == 0 {
			t.Fatal(checks, err)
		}
		if l := connected.Limits()[0]; l.Used != want || l.Allowed != 15000 || !l.Known || connected.Calls() != want {
			t.Errorf("%+v, %d calls, want %d", l, connected.Calls(), want)
		}
	}
	revoked := c
	revoked.AccessToken = "revoked"
	var refused *identity.OAuthError
	if _, err := crms.Organization(t.Context(), revoked); !errors.As(err, &refused) {
		t.Errorf("a token that nobody gave: %v", err)
	}
}

// What a CRM calls itself is what the catalogue of services calls it.
func TestCRMsAreServices(t *testing.T) {
	names := map[string]string{}
	for _, s := range identity.BuiltIn() {
		names[s.ID] = s.Name
	}
	all := New(Config{}).Providers()
	for _, p := range all {
		if names[p.Service] != p.Name || all.Of(p.Service) != p {
			t.Errorf("%s is called %q and %q", p.Service, p.Name, names[p.Service])
		}
	}
	if all.Of("github") != nil || all.For("github") != crm.Any || len(all.Services()) != len(all) {
		t.Errorf("%v", all.Services())
	}
}
