package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"gatepost/db"
	"gatepost/identity"

	"github.com/spf13/cobra"
)

// logPage is how many events are read at once.
const logPage = 500

func (p *program) serviceLogCommand() *cobra.Command {
	var output, service, tenant, id string
	var since time.Duration
	log := &cobra.Command{
		Use:   "log",
		Short: "Show what happened in authorizations, renewals, revocations and calls, by codes and without secrets",
		Long: `Show what happened in authorizations, renewals, revocations and calls of APIs, the
oldest first. It has no token, no address of a person, and of what a service said the
code alone. Events are kept for 30 days, and a hundred of one kind for each identity.`,
		Example: `  gatepost service log --service google --since 72h
  gatepost service log --tenant contoso --output json`,
		Args: named(cobra.NoArgs),
		PreRunE: func(*cobra.Command, []string) error {
			if since <= 0 {
				return usage("--since has to be longer than nothing, as 24h")
			}
			return knownOutput(output)
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.withIdentities(cmd.Context(), func(store *db.DB, c identityConfig) error {
				f, err := c.eventFilter(cmd.Context(), store, service, tenant)
				if err != nil {
					return err
				}
				f.Identity, f.Since = id, store.Now().Add(-since)
				return p.showLog(cmd.Context(), store, f, output)
			})
		},
	}
	outputFlag(log, &output)
	log.Flags().StringVar(&service, "service", "", "of this service alone")
	log.Flags().StringVar(&tenant, "tenant", "", "of this tenant alone, by its slug")
	log.Flags().StringVar(&id, "id", "", "of the identity with this id alone")
	log.Flags().DurationVar(&since, "since", 24*time.Hour, "how far back, as 90m or 72h")
	return log
}

// eventFilter is for the events of a service and a tenant that there are.
func (c identityConfig) eventFilter(ctx context.Context, store *db.DB, service, tenant string) (f db.VaultEventFilter, err error) {
	if service != "" {
		if _, err := c.known(ctx, store, service); err != nil {
			return f, err
		}
	}
	f.Service = service
	if tenant == "" {
		return f, nil
	}
	t, err := store.AnyTenantBySlug(ctx, tenant)
	if errors.Is(err, db.ErrNotFound) {
		return f, fmt.Errorf("there is no tenant %q", tenant)
	}
	f.TenantID = t.ID
	return f, err
}

// eventRow is a line of the service log.
type eventRow struct {
	At        time.Time    `json:"at"`
	Event     db.EventKind `json:"event"`
	Service   string       `json:"service"`
	Tenant    string       `json:"tenant"` // slug
	Code      string       `json:"code,omitempty"`
	Call      string       `json:"call,omitempty"` // method, prefix of the path, status
	Identity  string       `json:"identity,omitempty"`
	Handshake string       `json:"handshake,omitempty"`
	Meaning   string       `json:"meaning"`
}

// eventRows are the events that a filter is for, the oldest first, as they are read.
func eventRows(ctx context.Context, store *db.DB, f db.VaultEventFilter, slugs map[string]string) iter.Seq2[eventRow, error] {
	return func(yield func(eventRow, error) bool) {
		for {
			events, err := store.VaultEvents(ctx, f, logPage)
			if err != nil {
				yield(eventRow{}, err)
				return
			}
			for _, e := range events {
				row := eventRow{At: e.At.UTC(), Event: e.Kind, Service: e.Service, Tenant: cmp.Or(slugs[e.TenantID], "(removed)"), Code: e.Code, Call: e.Detail,
					Identity: e.Identity, Handshake: e.Handshake, Meaning: identity.EventMeanings[e.Kind]}
				if !yield(row, nil) {
					return
				}
			}
			if len(events) < logPage {
				return
			}
			f.After = events[len(events)-1].ID
		}
	}
}

func (p *program) showLog(ctx context.Context, store *db.DB, f db.VaultEventFilter, output string) error {
	slugs, err := tenantSlugs(ctx, store)
	if err != nil {
		return err
	}
	rows := eventRows(ctx, store, f, slugs)
	if output == "json" {
		return printArray(p.out, rows)
	}
	var failed error
	err = p.table("AT\tSERVICE\tTENANT\tEVENT\tCODE\tIDENTITY\tAUTHORIZATION\tMEANING", func(w io.Writer) {
		for r, err := range rows {
			if err != nil {
				failed = err
				return
			}
			_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.At.Format("2006-01-02 15:04:05"), plain(r.Service), plain(r.Tenant), r.Event,
				dash(plain(cmp.Or(r.Call, r.Code))), dash(r.Identity), dash(r.Handshake), r.Meaning)
		}
	})
	return errors.Join(failed, err)
}

// tenantSlugs are the slugs of all tenants, by their ids.
func tenantSlugs(ctx context.Context, store *db.DB) (map[string]string, error) {
	tenants, err := store.Tenants(ctx)
	slugs := map[string]string{}
	for _, t := range tenants {
		slugs[t.ID] = t.Slug
	}
	return slugs, err
}
