package rig

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"gatepost/mockhubspot"
	"gatepost/mocksalesforce"
	"gatepost/mockzoho"
	"gatepost/simulated"
)

// TestKinds shows that each simulated CRM takes what the rig tells it, and refuses what it
// doesn't know.
func TestKinds(t *testing.T) {
	for i, open := range []func(context.Context, simulated.Options) (http.Handler, error){
		func(ctx context.Context, o simulated.Options) (http.Handler, error) {
			s, err := mocksalesforce.Open(ctx, o)
			return s.Handler(), err
		},
		func(ctx context.Context, o simulated.Options) (http.Handler, error) {
			s, err := mockhubspot.Open(ctx, o)
			return s.Handler(), err
		},
		func(ctx context.Context, o simulated.Options) (http.Handler, error) {
			s, err := mockzoho.Open(ctx, o)
			return s.Handler(), err
		},
	} {
		t.Run(kinds[i].Service, func(t *testing.T) {
			handler, err := open(t.Context(), simulated.Options{})
			if err != nil {
				t.Fatal(err)
			}
			server := httptest.NewServer(handler)
			t.Cleanup(server.Close)
			testKind(t, &CRM{kind: kinds[i], URL: server.URL})
		})
	}
}

func testKind(t *testing.T, c *CRM) {
	ctx := t.Context()
	if err := c.Control(ctx, "settings", settings{"no_such_setting": 1}); err == nil {
		t.Error("a setting that there isn't is taken")
	}
	if err := c.Plenty(ctx, 20); err != nil {
		t.Error(err)
	}
	for _, call := range c.Calls {
		if err := c.Control(ctx, "fail", map[string]any{"on": call}); err != nil {
			t.Error(err)
		}
	}
	for range 2 {
		if err := c.sendBackTo(ctx, "http://127.0.0.1:1"); err != nil {
			t.Error(err)
		}
	}
	if len(c.callbacks) != 1 {
		t.Errorf("the same address is there as %v", c.callbacks)
	}
	stats, err := c.Stats(ctx)
	if err != nil || stats.Contacts != 0 || stats.Calls == nil {
		t.Errorf("got %+v, %v", stats, err)
	}
	if emails, err := c.Emails(ctx); err != nil || len(emails) != 0 {
		t.Errorf("got %v, %v", emails, err)
	}
}
