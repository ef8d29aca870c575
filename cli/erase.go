package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"gatepost/db"
	"gatepost/newsletter"
	"gatepost/seal"

	"github.com/spf13/cobra"
)

func (p *program) eraseCommand() *cobra.Command {
	var tenant, receipts, replay string
	var del, anonymise, yes bool
	cmd := &cobra.Command{
		Use:   "erase [EMAIL --tenant SLUG]",
		Short: "Forget a person; or do all erasings again after a backup was restored",
		Long: "Forgets a person on all newsletters of a tenant. Records in its CRMs are listed in the portal for the CRM's admin; with --delete\n" +
			"those are deleted that Gatepost made, that nobody else has and that nobody has changed since; with --anonymise they stay, and no longer\n" +
			"say whose they are.\n" +
			"With --receipts FILE it writes who was erased to a file that names nobody: keep it with the backups, a newer one each time.\n" +
			"With --replay FILE it does those erasings again, in a database that was restored from an older copy. It touches only whom the\n" +
			"copy has from before their erasing; who signed up again since stays.\n" +
			"The bytes are gone from a file after gatepost compact.",
		Args: named(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			switch {
			case del && anonymise:
				return usage("give --delete or --anonymise, not both")
			case receipts != "" && replay == "" && len(args) == 0:
				return p.withEraser(ctx, func(s *newsletter.Service, _ *db.DB) error { return p.writeReceipts(ctx, s, receipts) })
			case replay != "" && receipts == "" && len(args) == 0:
				return p.withEraser(ctx, func(s *newsletter.Service, _ *db.DB) error { return p.replay(ctx, s, replay) })
			case len(args) == 1 && tenant != "" && receipts+replay == "":
				return p.withEraser(ctx, func(s *newsletter.Service, store *db.DB) error {
					return p.eraseOne(ctx, s, store, args[0], tenant, wayOf(del, anonymise), yes)
				})
			}
			return usage("give an address with --tenant, or --receipts FILE, or --replay FILE")
		},
	}
	cmd.Flags().StringVar(&tenant, "tenant", "", "slug of the tenant that is to forget the person")
	cmd.Flags().BoolVar(&del, "delete", false, "delete the records in CRMs that Gatepost made, instead of listing them")
	cmd.Flags().BoolVar(&anonymise, "anonymise", false, "empty the records in CRMs that Gatepost made of what says whose they are, instead of listing them")
	cmd.Flags().BoolVar(&yes, "yes", false, "don't ask")
	cmd.Flags().StringVar(&receipts, "receipts", "", "write the receipts of all erasings to this new file; - is standard output")
	cmd.Flags().StringVar(&replay, "replay", "", "do the erasings of this file again")
	return cmd
}

// withEraser opens the database and the keys that receipts are made with.
func (p *program) withEraser(ctx context.Context, fn func(*newsletter.Service, *db.DB) error) error {
	return p.withIdentities(ctx, func(store *db.DB, c identityConfig) error {
		keys, err := openKeys(ctx, c.Keyset, store)
		if err != nil {
			return err
		}
		macs, err := seal.OpenMACs(ctx, keys, store)
		if err != nil {
			return err
		}
		return fn(newsletter.New(newsletter.Config{Store: store, MACs: macs, Now: store.Now}), store)
	})
}

// wayOf is what is to become of records, by the flags of the command.
func wayOf(del, anonymise bool) db.ErasingWay {
	switch {
	case del:
		return db.EraseByDelete
	case anonymise:
		return db.EraseByAnonymise
	}
	return db.EraseByList
}

func (p *program) eraseOne(ctx context.Context, s *newsletter.Service, store *db.DB, email, slug string, way db.ErasingWay, yes bool) error {
	t, err := store.TenantBySlug(ctx, slug)
	if errors.Is(err, db.ErrNotFound) {
		return fmt.Errorf("there is no open tenant %q", slug)
	}
	if err != nil {
		return err
	}
	if !yes {
		if err := p.confirm(fmt.Sprintf("Forget %s on all newsletters of %s? This can't be taken back.", email, plain(t.Name))); err != nil {
			return err
		}
	}
	all, err := store.Destinations(ctx, t.ID)
	if err != nil {
		return err
	}
	ways := map[string]db.ErasingWay{}
	for _, d := range all {
		ways[d.ID] = way
	}
	ids, err := s.Erase(ctx, newsletter.Erasure{TenantID: t.ID, Email: email, Why: "by the operator", Ways: ways})
	if errors.Is(err, db.ErrNotFound) {
		return fmt.Errorf("%s has nobody with this address, or is forgetting them already", slug)
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(p.out, "Forgotten on %s. Where a CRM has something to do, a running server goes on; the portal has the receipts and the list of records, under Subscribers, Erased.\n", count(len(ids), "newsletter"))
	return err
}

func (p *program) writeReceipts(ctx context.Context, s *newsletter.Service, path string) error {
	if path == "-" {
		_, err := s.WriteReceipts(ctx, p.out)
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	n, err := s.WriteReceipts(ctx, f)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	_, err = fmt.Fprintf(p.out, "Wrote %s to %s. It names nobody.\n", count(n, "line"), path)
	return err
}

func (p *program) replay(ctx context.Context, s *newsletter.Service, path string) error {
	var from io.Reader = p.in
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }()
		from = f
	}
	done, err := s.Replay(ctx, from)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(p.out, "%s: %s erased again, %s of who had left. Records in CRMs are listed in the portal, not deleted.\nRun gatepost compact to have the bytes gone as well.\n",
		count(done.Receipts, "receipt"), count(done.Erased, "subscriber"), count(done.Suppressed, "line"))
	return err
}

func (p *program) compactCommand() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "compact",
		Short: "Rewrite the database's file without what was deleted",
		Long: "Rewrites the database's file, so that no byte of somebody who was erased is left in it, and empties the log beside it.\n" +
			"Nobody can sign up or be delivered meanwhile: it says for about how long, and asks. Where the disk has no room, it changes nothing.\n" +
			"A running server does it by itself at the hour that GATEPOST_COMPACT_HOUR names, once a tenth of the file is free.\n" +
			"On PostgreSQL it does nothing: there VACUUM FULL, backups, replicas and the archived log are yours to see to.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.withStore(cmd.Context(), func(store *db.DB) error { return p.compact(cmd.Context(), store, yes) })
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "don't ask")
	return cmd
}

func (p *program) compact(ctx context.Context, store *db.DB, yes bool) error {
	space, err := store.Space(ctx)
	if errors.Is(err, db.ErrNotAFile) {
		return errors.New("the database is on PostgreSQL, where nothing was done. Deleted rows can't be reached any more, but their bytes stay in its pages until VACUUM FULL or until a page is used again, " +
			"and in archived logs, replicas and backups for as long as you keep those: see docs/operating.md")
	}
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(p.errOut, "The file has %d MB, of which %d MB are free. Rewriting it keeps others from writing for about %s.\n",
		space.Bytes>>20, space.Free>>20, space.Takes().Round(time.Second))
	if !yes {
		if err := p.confirm("Rewrite it now?"); err != nil {
			return err
		}
	}
	began := time.Now()
	emptied, err := store.Compact(ctx)
	if err != nil {
		return err
	}
	after, err := store.Space(ctx)
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(p.out, "Rewritten in %s: the file has %d MB.\n", time.Since(began).Round(100*time.Millisecond), after.Bytes>>20)
	if !emptied {
		_, _ = fmt.Fprintln(p.out, "Somebody reads the log beside it all the time, so that it still has old bytes: a running server empties it soon, or run this again.")
	}
	return nil
}
