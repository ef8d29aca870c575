package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"gatepost/identity"
	"gatepost/seal"

	"github.com/spf13/cobra"
)

// keysConfig is what the key commands read.
type keysConfig struct {
	Database string `env:"GATEPOST_DATABASE" envDefault:"gatepost.db"`
	Keyset   string `env:"GATEPOST_KEYSET" envDefault:"keyset.json"`
}

// withKeys runs fn on the configured keys.
func (p *program) withKeys(ctx context.Context, fn func(*seal.Keyring) error) error {
	var c keysConfig
	if err := together(read(&c, p.env)); err != nil {
		return err
	}
	store, err := p.openStore(ctx, c.Database)
	if err != nil {
		return err
	}
	keys, err := openKeys(ctx, c.Keyset, store)
	if err == nil {
		err = fn(keys)
	}
	return errors.Join(err, store.Close())
}

// sealers are all rooms that seal something: a rotation reaches what they register.
var sealers = []seal.Owner{identity.Sealed, seal.SealedMACs}

// openKeys takes the path of a key file, or the keys themselves.
func openKeys(ctx context.Context, keyset string, store seal.Store) (*seal.Keyring, error) {
	return seal.OpenKeyset(ctx, keyset, store, sealers...)
}

func (p *program) keysCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "keys", Short: "Show and rotate the keys that seal credentials"}
	var output string
	status := &cobra.Command{
		Use:     "status",
		Short:   "Show the keys, how many rows each has sealed, and what is left to do",
		Args:    cobra.NoArgs,
		PreRunE: func(*cobra.Command, []string) error { return knownOutput(output) },
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.withKeys(cmd.Context(), func(k *seal.Keyring) error { return p.keysStatus(cmd.Context(), k, output) })
		},
	}
	outputFlag(status, &output)
	rotate := &cobra.Command{
		Use:   "rotate",
		Short: "Add a key, seal everything anew with it, and retire the old one; servers may run",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.withKeys(cmd.Context(), func(k *seal.Keyring) error { return p.rotateKeys(cmd.Context(), k) })
		},
	}
	cmd.AddCommand(status, rotate)
	return cmd
}

// outputFlag adds --output to a command that prints a table.
func outputFlag(cmd *cobra.Command, output *string) {
	cmd.Flags().StringVarP(output, "output", "o", "table", "table or json")
}

// keyRow is a line of keys status.
type keyRow struct {
	ID        uint32     `json:"id"`
	State     string     `json:"state"` // current, old, retired
	CreatedAt *time.Time `json:"created_at,omitempty"`
	RetiredAt *time.Time `json:"retired_at,omitempty"`
	Rows      int        `json:"rows"`
}

func (p *program) keysStatus(ctx context.Context, k *seal.Keyring, output string) error {
	all, err := k.Status(ctx)
	if err != nil {
		return err
	}
	rows, left := make([]keyRow, len(all)), 0
	for i, key := range all {
		rows[i] = keyRow{ID: key.ID, State: "old", CreatedAt: optional(key.CreatedAt), RetiredAt: optional(key.RetiredAt), Rows: key.Rows}
		switch {
		case key.Current:
			rows[i].State = "current"
		case !key.RetiredAt.IsZero():
			rows[i].State = "retired"
		default:
			left += key.Rows
		}
	}
	if output == "json" {
		return p.json(rows)
	}
	err = p.table("KEY\tSTATE\tAGE\tROWS", func(w io.Writer) {
		for _, r := range rows {
			_, _ = fmt.Fprintf(w, "%d\t%s\t%s\t%d\n", r.ID, r.State, age(r.CreatedAt), r.Rows)
		}
	})
	if err == nil && left > 0 {
		_, err = fmt.Fprintf(p.out, "%d rows are to be sealed anew: a running server does it, or \"gatepost keys rotate\".\n", left)
	}
	return err
}

func (p *program) rotateKeys(ctx context.Context, k *seal.Keyring) error {
	id, err := k.Rotate(ctx)
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(p.out, "Key %d seals from now on. Sealing anew what older keys have sealed:\n", id)
	unopened, err := k.Reseal(ctx, func(done int) { _, _ = fmt.Fprintf(p.out, "  %d rows\n", done) })
	if err != nil {
		return err
	}
	if unopened > 0 {
		return fmt.Errorf("%d rows can't be opened with any key of the file: they stay as they are, and so does the old key", unopened)
	}
	_, err = fmt.Fprintln(p.out, "Done. The old keys are retired. Back up the key file now.")
	return err
}

// json prints v for scripts.
func (p *program) json(v any) error {
	e := json.NewEncoder(p.out)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// printArray prints the rows as one array, one at a time, since there may be any
// number.
func printArray[T any](to io.Writer, rows iter.Seq2[T, error]) error {
	out := bufio.NewWriter(to)
	separator := "[\n  "
	for r, err := range rows {
		if err != nil {
			return err
		}
		text, err := json.MarshalIndent(r, "  ", "  ")
		if err != nil {
			return err
		}
		_, _ = fmt.Fprintf(out, "%s%s", separator, text)
		separator = ",\n  "
	}
	end := "\n]\n"
	if separator[0] == '[' {
		end = "[]\n"
	}
	_, _ = out.WriteString(end)
	return out.Flush()
}

// optional is nil for the zero time.
func optional(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// age is how long ago a time was, for people.
func age(t *time.Time) string {
	if t == nil {
		return "unknown"
	}
	switch d := time.Since(*t); {
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	default:
		return fmt.Sprintf("%d days", int(d.Hours()/24))
	}
}
