package connect

import (
	"context"

	"gatepost/crm"
	"gatepost/crm/hubspot"
	"gatepost/identity"
)

// hubspotKind is HubSpot.
func hubspotKind(c Config) kind {
	options := hubspot.Options{Log: c.Log, Shared: &hubspot.Shared{}}
	open := func(ctx context.Context, from hubspot.Source, api string) (*hubspot.Client, error) {
		o := options
		o.APIURL = api
		return hubspot.Open(ctx, from, c.HTTP, o)
	}
	return kind{
		provider: hubspot.Provider,
		open: func(ctx context.Context, from source) (crm.CRM, error) {
			now, err := from.credential(ctx, 0)
			if err != nil {
				return nil, err
			}
			client, err := open(ctx, hubspotSource{from, now.InstanceURL}, now.InstanceURL)
			if err != nil {
				return nil, err // not client: an interface that holds nil is not nil
			}
			return client, nil
		},
		inspect: func(ctx context.Context, credential identity.Credential) (organization, error) {
			s := hubspotSession(credential)
			s.Generation = 1 // so that a refusal of it can be named
			client, err := open(ctx, hubspot.Given(s), credential.InstanceURL)
			if err != nil {
				return organization{}, err
			}
			org, checks, err := client.Inspect(ctx)
			return organization{Org: identity.Org{Name: org.Name, Sandbox: org.Sandbox}, checks: checks, asked: client}, err
		},
	}
}

// hubspotSource is a source of sessions of HubSpot.
type hubspotSource struct {
	source
	api string // where the API is that the sessions are for; empty for HubSpot's own
}

// Session implements hubspot.Source. Once the connection is one to another API, there are
// no more.
func (s hubspotSource) Session(ctx context.Context, refused int64) (hubspot.Session, error) {
	c, err := s.credential(ctx, refused)
	if err == nil && c.InstanceURL != s.api {
		err = &crm.Failure{Class: crm.Pause, Code: crm.OtherOrg, Detail: "It was connected elsewhere in the meantime."}
	}
	return hubspotSession(c), err
}

func hubspotSession(c identity.Credential) hubspot.Session {
	return hubspot.Session{AccessToken: c.AccessToken, OrgID: c.OrgID, Scopes: hubspot.ScopesOf(c.Native), Generation: c.Generation}
}
