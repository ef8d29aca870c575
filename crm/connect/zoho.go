package connect

import (
	"context"

	"gatepost/crm"
	"gatepost/crm/zoho"
	"gatepost/identity"
)

// zohoKind is Zoho CRM.
func zohoKind(c Config) kind {
	options := zoho.Options{Log: c.Log, Shared: &zoho.Shared{}}
	return kind{
		provider: zoho.Provider,
		open: func(ctx context.Context, from source) (crm.CRM, error) {
			client, err := zoho.Open(ctx, zohoSource{from}, c.HTTP, options)
			if err != nil {
				return nil, err // not client: an interface that holds nil is not nil
			}
			return client, nil
		},
		inspect: func(ctx context.Context, credential identity.Credential) (organization, error) {
			s := zohoSession(credential)
			s.Generation = 1 // so that a refusal of it can be named
			client, err := zoho.Open(ctx, zoho.Given(s), c.HTTP, options)
			if err != nil {
				return organization{}, err
			}
			org, checks, err := client.Inspect(ctx)
			return organization{identity.Org{ID: org.ID, Name: org.Name, Sandbox: org.Sandbox, UserID: org.User}, checks, client}, err
		},
	}
}

// zohoSource is a source of sessions of Zoho CRM.
type zohoSource struct{ source }

// Session implements zoho.Source. A connection of which nobody has found out whose org it is
// delivers nothing: it is found out, and confirmed, when it is made anew.
func (s zohoSource) Session(ctx context.Context, refused int64) (zoho.Session, error) {
	c, err := s.credential(ctx, refused)
	if err == nil && c.OrgID == "" { // imported: of whose org it is, nobody was asked yet
		err = &crm.Failure{Class: crm.Connection, Code: crm.NoOrg}
	}
	return zohoSession(c), err
}

func zohoSession(c identity.Credential) zoho.Session {
	return zoho.Session{AccessToken: c.AccessToken, InstanceURL: c.InstanceURL, OrgID: c.OrgID, Generation: c.Generation}
}
