package cli

import (
	"context"
	"fmt"
	"net"
	"path/filepath"

	"gatepost/identity"
	"gatepost/mocksalesforce"
	"gatepost/simulated"

	"golang.org/x/sync/errgroup"
)

// mocks are the simulated services of a demo, in the order of simulations.
type mocks []openedMock

// openedMock is one of them.
type openedMock struct {
	simulation
	simulatedServer // nil where it could not be opened
	url             string
}

// openMocks opens all simulated services, each with its file among the data, and registers
// the portal's app in them. Those that are open are to be closed after an error too.
func openMocks(ctx context.Context, data string, c config, ln []net.Listener) (mocks, error) {
	all := make(mocks, len(simulations))
	var g errgroup.Group
	for i, s := range simulations {
		all[i] = openedMock{simulation: s, url: urlOf(ln[i])}
		g.Go(func() error {
			if err := all[i].start(ctx, data, c); err != nil {
				return fmt.Errorf("open the simulated %s: %w", s.title, err)
			}
			return nil
		})
	}
	return all, g.Wait()
}

func (m *openedMock) start(ctx context.Context, data string, c config) error {
	s, err := m.open(ctx, simulated.Options{Data: filepath.Join(data, m.name+".db"), URL: m.url})
	if err != nil {
		return err
	}
	m.simulatedServer = s
	return s.AddClient(ctx, simulated.Client{ID: demoClientID, Secret: demoClientSecret, RedirectURIs: []string{c.callback(m.service)}})
}

func (all mocks) close() {
	for _, m := range all {
		if m.simulatedServer != nil {
			_ = m.Close()
		}
	}
}

// salesforce is the simulated Salesforce, where the sample tenant's org is.
func (all mocks) salesforce() *mocksalesforce.Server {
	for _, m := range all {
		if s, ok := m.simulatedServer.(*mocksalesforce.Server); ok {
			return s
		}
	}
	return nil
}

// offer sets the app with which the portal connects simulated services, and where they are:
// in the database, so that a serve beside the demo knows it too. Salesforce's is in the
// configuration. What somebody else has set stays.
func (all mocks) offer(ctx context.Context, p *portal) error {
	for _, m := range all {
		if m.service == identity.Salesforce {
			continue
		}
		set, err := p.db.ServiceSettings(ctx, m.service)
		if err != nil {
			return err
		}
		if set.ClientID != "" && set.ClientID != demoClientID {
			continue
		}
		app := identity.ServiceChange{ClientID: new(demoClientID), ClientSecret: new(demoClientSecret), LoginURL: &m.url}
		if err := p.vault.SetService(ctx, m.service, app); err != nil {
			return fmt.Errorf("set the app in the simulated %s: %w", m.title, err)
		}
	}
	return nil
}
