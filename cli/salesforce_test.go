package cli

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"gatepost/crm/salesforce"
	"gatepost/identity"
	"gatepost/mocksalesforce"
)

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
	c := identity.Credential{AccessToken: token.AccessToken, InstanceURL: token.InstanceURL, OrgID: "00D1"}
	i := &inspector{http: srv.Client(), found: map[string]finding{}}
	if name, _, err := i.organization(t.Context(), c); err != nil || name != "Contoso" {
		t.Fatal(name, err)
	}
	client, err := salesforce.Open(t.Context(), given(session(c)), srv.Client(), salesforce.Options{})
	if err != nil {
		t.Fatal(err)
	}
	connected := &inspected{Client: client, by: i, source: given(session(c))}
	for _, want := range []int{1, 2} {
		if checks, err := connected.CheckUp(t.Context()); err != nil || len(checks) == 0 {
			t.Fatal(checks, err)
		}
		if used, limit, ok := connected.Usage(); used != want || limit != 15000 || !ok || connected.Calls() != want {
			t.Errorf("%d of %d, %t, %d calls, want %d", used, limit, ok, connected.Calls(), want)
		}
	}
}
