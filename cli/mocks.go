package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"

	"gatepost/identity"
	"gatepost/mockhubspot"
	"gatepost/mocksalesforce"
	"gatepost/mockzoho"
	"gatepost/simulated"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
)

// simulation is a simulated service, which can run alone.
type simulation struct {
	service           string // that it stands for, by its id
	name, title, addr string
	open              func(context.Context, simulated.Options) (simulatedServer, error)
}

type simulatedServer interface {
	Handler() http.Handler
	AddClient(context.Context, simulated.Client) error
	Close() error
}

var simulations = []simulation{
	{identity.Salesforce, "salesforce", "Salesforce", "127.0.0.1:8081", func(ctx context.Context, o simulated.Options) (simulatedServer, error) {
		return mocksalesforce.Open(ctx, o)
	}},
	{"hubspot", "hubspot", "HubSpot", "127.0.0.1:8082", func(ctx context.Context, o simulated.Options) (simulatedServer, error) {
		return mockhubspot.Open(ctx, o)
	}},
	{"zoho", "zoho", "Zoho", "127.0.0.1:8083", func(ctx context.Context, o simulated.Options) (simulatedServer, error) {
		s, err := mockzoho.Open(ctx, o)
		return simulatedZoho{s}, err
	}},
}

// simulatedZoho is Zoho with apps that have one secret in all data centres.
type simulatedZoho struct{ *mockzoho.Server }

// AddClient registers c, or replaces what was registered under its ID.
func (s simulatedZoho) AddClient(ctx context.Context, c simulated.Client) error {
	return s.Server.AddClient(ctx, mockzoho.Client{ID: c.ID, Secret: c.Secret, RedirectURIs: c.RedirectURIs})
}

// mockCommands run one simulated service each.
func (p *program) mockCommands() (all []*cobra.Command) {
	for _, s := range simulations {
		var addr, data string
		cmd := &cobra.Command{
			Use:   "mock" + s.name,
			Short: "Run the simulated " + s.title + " alone",
			Args:  cobra.NoArgs,
			RunE:  func(cmd *cobra.Command, _ []string) error { return p.mock(cmd.Context(), s, addr, data) },
		}
		cmd.Flags().StringVar(&addr, "addr", s.addr, "address to listen on")
		cmd.Flags().StringVar(&data, "data", "", "folder for its "+s.name+".db (default: nothing is kept)")
		all = append(all, cmd)
	}
	return all
}

func (p *program) mock(ctx context.Context, s simulation, addr, data string) error {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return listenError(addr, err)
	}
	defer func() { _ = ln.Close() }()
	file := ""
	if data != "" {
		if err := os.MkdirAll(data, 0o700); err != nil {
			return err
		}
		file = filepath.Join(data, s.name+".db")
	}
	mock, err := s.open(ctx, simulated.Options{Data: file, URL: urlOf(ln)})
	if err != nil {
		return fmt.Errorf("open the simulated %s: %w", s.title, err)
	}
	_, _ = fmt.Fprintf(p.out, "Simulated %s: %s\n", s.title, urlOf(ln))
	return errors.Join(serveHTTP(ctx, ln, mock.Handler()), mock.Close())
}

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
func (all mocks) offer(ctx context.Context, p *portal, data string) error {
	file := filepath.Join(data, "offered.json")
	offered, err := readOffered(file)
	if err != nil {
		return err
	}
	for _, m := range all {
		if m.service == identity.Salesforce {
			continue
		}
		set, err := p.db.ServiceSettings(ctx, m.service)
		if err != nil {
			return err
		}
		ownApp := set.ClientID != "" && set.ClientID != demoClientID
		ownLogin := !slices.Contains([]string{"", m.url, offered[m.service]}, set.LoginURL)
		if ownApp || ownLogin {
			continue
		}
		app := identity.ServiceChange{ClientID: new(demoClientID), ClientSecret: new(demoClientSecret), LoginURL: &m.url}
		if err := p.vault.SetService(ctx, m.service, app); err != nil {
			return fmt.Errorf("set the app in the simulated %s: %w", m.title, err)
		}
		offered[m.service] = m.url
	}
	b, _ := json.Marshal(offered) // strings
	return os.WriteFile(file, b, 0o600)
}

// readOffered reads where the demo offered the simulated services when it ran last, by the
// service: their addresses change with its flags, and any other is somebody's choice.
func readOffered(file string) (map[string]string, error) {
	offered := map[string]string{}
	b, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return offered, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &offered)
	}
	if err != nil {
		return nil, fmt.Errorf("where simulated services were offered: %w", err)
	}
	return offered, nil
}
