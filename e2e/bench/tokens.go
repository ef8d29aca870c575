package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"time"

	"gatepost/auth"
	"gatepost/db"
	"gatepost/e2e/rig"

	"github.com/valyala/fasthttp"
)

// programs is how many API keys get credentials, in turns: each has a limit of its own,
// which fewer would meet.
const programs = 384

// tokenFile has the answer that the bare handler returns: the portal's own.
const tokenFile = "token.json"

// tokens measures how many credentials programs get over the HTTP API in a second, and
// how many answers a bare Fiber handler gives that sends the same.
func (b bench) tokens(ctx context.Context) error {
	return inWorld(ctx, func(w *rig.World, p *rig.Portal) error {
		if err := p.Connect(ctx, rig.Contoso, w.CRM(rig.Salesforce)); err != nil {
			return err
		}
		keys, err := apiKeys(ctx, w)
		if err != nil {
			return err
		}
		if err := keepToken(p.URL, keys[0], w.Folder); err != nil {
			return err
		}
		s, err := startServer(w.Folder, bare)
		if err != nil {
			return err
		}
		defer s.process.Kill()
		var rates, bares []float64
		for run := range b.runs {
			rate, took, err := b.credentials(ctx, p, keys)
			if err != nil {
				return err
			}
			least, err := getting(ctx, b.time, s.url, keys)
			if err != nil {
				return err
			}
			rates, bares = append(rates, rate), append(bares, least)
			say("credentials             run %d: %6.0f/s, about %.0f µs of the portal's processor time each; %6.0f/s of %s", run+1, rate, took, least, bare)
		}
		median := func(rates []float64) float64 { return slices.Sorted(slices.Values(rates))[b.runs/2] }
		say("credentials             median: %6.0f/s by %d keys, %.0f %% of %s that sends the same", median(rates), programs, 100*median(rates)/median(bares), bare)
		return nil
	})
}

// credentials is how many the portal gives in a second, and the microseconds of its
// processor time that one takes.
func (b bench) credentials(ctx context.Context, p *rig.Portal, keys []string) (rate, took float64, err error) {
	before, err := processorTime(p)
	if err != nil {
		return 0, 0, err
	}
	if rate, err = getting(ctx, b.time, p.URL, keys); err != nil {
		return 0, 0, err
	}
	after, err := processorTime(p)
	return rate, 1e6 * (after - before).Seconds() / (rate * (warmUp + b.time).Seconds()), err
}

// getting is how many credentials a server gives in a second, to programs that take turns
// on the connections.
func getting(ctx context.Context, d time.Duration, at string, keys []string) (rate float64, err error) {
	u, err := url.Parse(at)
	if err != nil {
		return 0, err
	}
	client := &fasthttp.HostClient{Addr: u.Host, MaxConns: connections}
	defer client.CloseIdleConnections()
	var asked [connections]int
	return load(ctx, d, func(connection int) error {
		asked[connection] += connections
		_, err := getToken(client, at, keys[(connection+asked[connection])%len(keys)])
		return err
	})
}

// getToken gets a credential, and returns what the answer holds.
func getToken(client *fasthttp.HostClient, at, key string) (answer []byte, err error) {
	req, resp := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	defer fasthttp.ReleaseRequest(req)
	defer fasthttp.ReleaseResponse(resp)
	req.SetRequestURI(at + "/api/v1/token")
	req.Header.SetMethod(http.MethodPost)
	req.Header.SetContentType("application/json")
	req.Header.Set("Authorization", "Bearer "+key)
	req.SetBodyString(`{"service":"sfdc","tenant":"` + rig.Contoso.Slug + `"}`)
	if err := client.Do(req, resp); err != nil {
		return nil, err
	}
	if resp.StatusCode() != http.StatusOK {
		return nil, fmt.Errorf("a request for a credential was answered with %d", resp.StatusCode())
	}
	return slices.Clone(resp.Body()), nil
}

// keepToken stores an answer where the bare server finds it.
func keepToken(at, key, folder string) error {
	u, err := url.Parse(at)
	if err != nil {
		return err
	}
	answer, err := getToken(&fasthttp.HostClient{Addr: u.Host}, at, key)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, tokenFile), answer, 0o600)
}

func apiKeys(ctx context.Context, w *rig.World) (secrets []string, err error) {
	store, err := db.Open(ctx, w.Database())
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	for range programs {
		_, secret, err := auth.NewAPIKey(ctx, store, auth.APIKeyOptions{Name: "bench", Actions: []string{auth.Read}})
		if err != nil {
			return nil, err
		}
		secrets = append(secrets, secret)
	}
	return secrets, nil
}
