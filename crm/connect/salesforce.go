package connect

import (
	"context"

	"gatepost/crm"
	"gatepost/crm/salesforce"
	"gatepost/crm/wire"
	"gatepost/identity"
)

// salesforceKind is Salesforce.
func salesforceKind(c Config) kind {
	options := salesforce.Options{Log: c.Log, Refused: &wire.RefusedTokens{}, Shapes: &salesforce.Shapes{}}
	return kind{
		provider: salesforce.Provider,
		open: func(ctx context.Context, from source) (crm.CRM, error) {
			client, err := salesforce.Open(ctx, salesforceSource{from}, c.HTTP, options)
			if err != nil {
				return nil, err // not client: an interface that holds nil is not nil
			}
			return client, nil
		},
		inspect: func(ctx context.Context, credential identity.Credential) (organization, error) {
			s := salesforceSession(credential)
			s.Generation = 1 // so that a refusal of it can be named
			client, err := salesforce.Open(ctx, salesforce.Given(s), c.HTTP, options)
			if err != nil {
				return organization{}, err
			}
			org, checks, err := client.Inspect(ctx)
			return organization{identity.Org{Name: org.Name, Sandbox: org.Sandbox}, checks, client}, err
		},
	}
}

// salesforceSource is a source of sessions of Salesforce.
type salesforceSource struct{ source }

// Session implements salesforce.Source.
func (s salesforceSource) Session(ctx context.Context, refused int64) (salesforce.Session, error) {
	c, err := s.credential(ctx, refused)
	return salesforceSession(c), err
}

func salesforceSession(c identity.Credential) salesforce.Session {
	return salesforce.Session{AccessToken: c.AccessToken, InstanceURL: c.InstanceURL, OrgID: c.OrgID, Generation: c.Generation}
}
