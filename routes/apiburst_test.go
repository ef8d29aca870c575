package routes_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"gatepost/auth"
	"gatepost/routes"
)

// A thousand programs that ask at once for a credential that has run out cost one renewal,
// and all get what it brought.
func TestAThousandAskForWhatHasRunOut(t *testing.T) {
	t.Parallel()
	a := openAPI(t, func(c *routes.Config) { c.APILimit = 5_000 })
	a.vault.Wait() // it may still learn when the tokens run out
	if _, err := a.store.Writer().Exec(`UPDATE identities SET expires_at = 1 WHERE tenant_id = $1 AND user_name = 'eve'`, a.tenant("contoso").ID); err != nil {
		t.Fatal(err)
	}
	key, before := a.key(nil, nil, auth.Read), a.control("stats", "")["refreshes"].(float64)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 200, MaxConnsPerHost: 200}}
	defer client.CloseIdleConnections()
	var mu sync.Mutex
	answers := map[string]int{} // by status, token and generation
	var all sync.WaitGroup
	for range 1_000 {
		all.Go(func() {
			got := askToken(t, client, a.url, key)
			mu.Lock()
			defer mu.Unlock()
			answers[got]++
		})
	}
	all.Wait()
	for text, n := range answers {
		if !strings.HasPrefix(text, "200 OK ") || n != 1_000 {
			t.Errorf("%d got %.300s", n, text)
		}
	}
	if n := a.control("stats", "")["refreshes"].(float64) - before; n != 1 {
		t.Errorf("%v renewals", n)
	}
}

// askToken asks for the credential of a user, and returns what tells answers apart.
func askToken(t *testing.T, client *http.Client, at, key string) string {
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, at+"/api/v1/token", strings.NewReader(`{"service":"sfdc","tenant":"contoso","user":"eve"}`))
	if err != nil {
		return err.Error()
	}
	r.Header.Set("Authorization", "Bearer "+key)
	r.Header.Set("Content-Type", "application/json")
	res, err := client.Do(r)
	if err != nil {
		return err.Error()
	}
	defer res.Body.Close()
	var c struct {
		AccessToken string  `json:"accessToken"`
		Generation  float64 `json:"generation"`
		Detail      string  `json:"detail"`
	}
	if err := json.NewDecoder(res.Body).Decode(&c); err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%s %s %.0f %s", res.Status, c.AccessToken, c.Generation, c.Detail)
}
