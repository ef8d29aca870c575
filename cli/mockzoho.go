package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"gatepost/mockzoho"

	"github.com/spf13/cobra"
)

func (p *program) mockZohoCommand() *cobra.Command {
	var addr, data string
	cmd := &cobra.Command{
		Use:   "mockzoho",
		Short: "Run the simulated Zoho CRM alone",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return p.mockZoho(cmd.Context(), addr, data) },
	}
	cmd.Flags().StringVar(&addr, "addr", "127.0.0.1:8083", "address to listen on")
	cmd.Flags().StringVar(&data, "data", "", "folder for its zoho.db (default: nothing is kept)")
	return cmd
}

func (p *program) mockZoho(ctx context.Context, addr, data string) error {
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
		file = filepath.Join(data, "zoho.db")
	}
	mock, err := mockzoho.Open(ctx, mockzoho.Options{Data: file, URL: urlOf(ln)})
	if err != nil {
		return fmt.Errorf("open the simulated Zoho CRM: %w", err)
	}
	_, _ = fmt.Fprintf(p.out, "Simulated Zoho: %s\n", urlOf(ln))
	return errors.Join(serveHTTP(ctx, ln, mock.Handler()), mock.Close())
}
