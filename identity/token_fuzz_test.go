package identity

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// saying is a service that answers every call alike.
type saying struct {
	status int
	body   string
}

func (s saying) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: s.status, Body: io.NopCloser(strings.NewReader(s.body)), Header: http.Header{"Content-Type": {"application/json"}}}, nil
}

func FuzzAnswers(f *testing.F) {
	for _, body := range []string{"", "null", "{}", "[]", "<html>", `{"access_token":""}`, `{"access_token":"a","refresh_token":"r"}`, `{"access_token":1}`,
		`{"active":true,"exp":1e99}`, `{"active":true,"exp":-1}`, `{"active":false}`, `{"active":"yes"}`, `{"active":null}`, `{"error":"invalid_grant"}`, "error=invalid_token"} {
		f.Add(200, body)
		f.Add(400, body)
		f.Add(503, body)
	}
	s := SalesforceService(clientID, clientSecret, redirectURI, "")
	f.Fuzz(func(t *testing.T, status int, body string) {
		c := client{http: &http.Client{Transport: saying{status, body}}, timeout: time.Minute}
		if a, err := c.refresh(t.Context(), s, s.LoginURL, "token"); err == nil && (a.AccessToken == "" || status < 200 || status > 299) {
			t.Errorf("%d %q is taken for a token", status, body)
		}
		if a, err := c.exchange(t.Context(), s, s.LoginURL, "code", "verifier"); err == nil && (a.AccessToken == "" || status < 200 || status > 299) {
			t.Errorf("%d %q is taken for a token", status, body)
		}
		if alive, err := c.introspect(t.Context(), s, s.LoginURL, "token"); err == nil && (status < 200 || status > 299) || alive && err != nil {
			t.Errorf("%d %q is taken for an answer", status, body)
		}
		in, _ := c.askAbout(t.Context(), s, s.LoginURL, "token", "access_token")
		if end, err := in.ends(time.Now()); err != nil && !end.IsZero() || end.Year() > 5000 {
			t.Errorf("%d %q gives an end and an error", status, body)
		}
	})
}
