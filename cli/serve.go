package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"

	"gatepost/auth"

	"github.com/spf13/cobra"
)

func (p *program) serveCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "serve",
		Short: "Run the portal",
		Long: `Run the portal. It is configured by environment variables:

  GATEPOST_URL                 public address, as https://gatepost.example (required)
  GATEPOST_SFDC_CLIENT_ID      consumer key of the shared app in Salesforce
  GATEPOST_SFDC_CLIENT_SECRET  its consumer secret
  GATEPOST_ADDR                address to listen on (127.0.0.1:8080)
  GATEPOST_DATABASE            path of the SQLite file, or postgres://user:password@host/name (gatepost.db)
  GATEPOST_MIGRATE             "off" leaves it to gatepost migrate to bring its tables up to date (on)
  GATEPOST_KEYSET              key file, made when missing, or the keys themselves (keyset.json)
  GATEPOST_SFDC_LOGIN_URL      one further Salesforce login address
  GATEPOST_SIGNUP_LIMITS       "off" takes any number of sign-ups per address (on)
  GATEPOST_COMPACT_HOUR        hour of the day (0 to 23, UTC) at which the file is rewritten without what was deleted, once a tenth of it is free; default never
  GATEPOST_HELP_URL            your own help page (https://…), or mailto: and whom to ask; on the portal's Help page
  GATEPOST_API_LIMIT           requests that each API key may make in a minute (3000)
  GATEPOST_TRUSTED_PROXIES     networks and addresses whose X-Forwarded-For is believed
  GATEPOST_SMTP                mail server, as smtp://user:password@mail.example.com:587
  GATEPOST_MAIL_FROM           what mails come from (Gatepost <gatepost@HOST OF GATEPOST_URL>)
  GATEPOST_LOG                 debug, info, warn or error (info)

A secret may be in a file instead: GATEPOST_SFDC_CLIENT_SECRET_FILE, GATEPOST_SMTP_FILE.
The shared app may be stored in the database instead: see gatepost service set.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return p.serve(cmd.Context()) },
	}
}

func (p *program) serve(ctx context.Context) error {
	c, err := readConfig(p.env)
	if err != nil {
		return err
	}
	ln, err := net.Listen("tcp", c.Addr)
	if err != nil {
		return listenError(c.Addr, err)
	}
	gp, err := openPortal(ctx, c, p.logger(slog.Level(c.Level)))
	if err != nil {
		_ = ln.Close()
		return err
	}
	p.tellDatabase(gp.db, c.Database)
	if err := p.offerSetup(ctx, gp, c.URL); err != nil {
		gp.close(ctx)
		return errors.Join(err, ln.Close())
	}
	_, _ = fmt.Fprintf(p.out, "Portal: %s (listening on %s)\n", c.URL, ln.Addr())
	return gp.run(ctx, ln)
}

// offerSetup prints a one-time link while there is no user. It goes to standard
// output and not to the log, since whoever has it becomes the first admin.
func (p *program) offerSetup(ctx context.Context, gp *portal, url string) error {
	token, err := gp.people.SetupLink(ctx)
	if errors.Is(err, auth.ErrSetUp) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(p.out, "Nobody can log in yet. Make the first organisation and admin here (once, within 24 hours):\n%s/setup?token=%s\n", url, token)
	return err
}

// listenError says in one line why an address can't be listened on.
func listenError(addr string, err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err
	}
	return fmt.Errorf("can't listen on %s: %w", addr, err)
}
