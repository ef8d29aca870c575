package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"gatepost/auth"
	"gatepost/db"
	"gatepost/e2e/rig"

	"github.com/valyala/fasthttp"
)

// tokens measures how many credentials programs get over the HTTP API in a second.
func (b bench) tokens(ctx context.Context) error {
	return inWorld(ctx, func(w *rig.World, p *rig.Portal) error {
		if err := p.Connect(ctx, rig.Contoso, w.CRM(rig.Salesforce)); err != nil {
			return err
		}
		var rates []float64
		for run := range b.runs {
			get, end, err := program(ctx, w, p)
			if err != nil {
				return err
			}
			before, err := processorTime(p)
			if err != nil {
				return err
			}
			rate, err := load(ctx, b.time, get)
			end()
			if err != nil {
				return err
			}
			after, err := processorTime(p)
			if err != nil {
				return err
			}
			rates = append(rates, rate)
			took := (after - before).Seconds() / (rate * (warmUp + b.time).Seconds())
			say("credentials             run %d: %6.0f/s, about %.0f µs of the portal's processor time each", run+1, rate, 1e6*took)
		}
		say("credentials             median: %6.0f/s", slices.Sorted(slices.Values(rates))[b.runs/2])
		return nil
	})
}

// program returns what gets a credential over one of the connections, and what ends
// them all. Each has an API key of its own: one for all would meet its limit.
func program(ctx context.Context, w *rig.World, p *rig.Portal) (get func(connection int) error, end func(), err error) {
	keys, err := apiKeys(ctx, w)
	if err != nil {
		return nil, nil, err
	}
	u, err := url.Parse(p.URL)
	if err != nil {
		return nil, nil, err
	}
	client := &fasthttp.HostClient{Addr: u.Host, MaxConns: connections}
	return func(connection int) error {
		req, resp := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
		defer fasthttp.ReleaseRequest(req)
		defer fasthttp.ReleaseResponse(resp)
		req.SetRequestURI(p.URL + "/api/v1/token")
		req.Header.SetMethod(http.MethodPost)
		req.Header.SetContentType("application/json")
		req.Header.Set("Authorization", "Bearer "+keys[connection])
		req.SetBodyString(`{"service":"sfdc","tenant":"` + rig.Contoso.Slug + `"}`)
		if err := client.Do(req, resp); err != nil {
			return err
		}
		if resp.StatusCode() != http.StatusOK {
			return fmt.Errorf("a request for a credential was answered with %d", resp.StatusCode())
		}
		return nil
	}, client.CloseIdleConnections, nil
}

func apiKeys(ctx context.Context, w *rig.World) (secrets []string, err error) {
	store, err := db.Open(ctx, w.Database())
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	for range connections {
		_, secret, err := auth.NewAPIKey(ctx, store, auth.APIKeyOptions{Name: "bench", Actions: []string{auth.Read}})
		if err != nil {
			return nil, err
		}
		secrets = append(secrets, secret)
	}
	return secrets, nil
}
