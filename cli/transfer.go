package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"gatepost/auth"
	"gatepost/db"
	"gatepost/files"
	"gatepost/identity"

	agelib "filippo.io/age" // age is how long ago something was
	"github.com/spf13/cobra"
)

// shortestPassphrase is how many bytes a passphrase has at least: the file may be
// taken away and guessed at for ever.
const shortestPassphrase = 12

// exportFlags are what identity export was told.
type exportFlags struct {
	sel                           selection
	all, force, passphraseOnStdin bool
	recipients                    []string
	output                        string
}

func (p *program) identityExportCommand() *cobra.Command {
	var f exportFlags
	export := &cobra.Command{
		Use:   "export FILE",
		Short: "Write connections with their credentials into a sealed file",
		Long: `Writes the selected connections, with their credentials, into a file that is
sealed to a passphrase or to keys of age (https://age-encryption.org), for
gatepost identity import in another installation. Without Gatepost, "age -d FILE"
opens it: it holds JSON.

It is for moving, not for copying. Where refresh tokens rotate, as Salesforce's
do, a connection that is renewed in two places is ended by the service. So:

  1. Stop the servers here, then export.
  2. Import there, and start there.
  3. Forget the connections here with "gatepost identity rm --keep-grant".
     Without --keep-grant they are revoked, there too.

Who has the file and its passphrase has the connections.`,
		Example: `  gatepost identity export moving.age --all
  gatepost identity export contoso.age --tenant contoso --recipient age1...`,
		Args: named(f.sel.checked(cobra.ExactArgs(1))),
		PreRunE: func(*cobra.Command, []string) error {
			return errors.Join(knownOutput(f.output), f.check())
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.withIdentities(cmd.Context(), func(store *db.DB, c identityConfig) error {
				return p.exportIdentities(cmd.Context(), store, c, args[0], f)
			})
		},
	}
	outputFlag(export, &f.output)
	f.sel.allFlags(export)
	export.Flags().BoolVar(&f.all, "all", false, "all connections")
	export.Flags().StringArrayVar(&f.recipients, "recipient", nil, "seal it to this public key of age, as age1... (may be repeated), instead of a passphrase")
	export.Flags().BoolVar(&f.passphraseOnStdin, "passphrase-stdin", false, "read the passphrase from standard input")
	export.Flags().BoolVar(&f.force, "force", false, "replace the file when it is there")
	return export
}

func (f exportFlags) check() error {
	switch named := f.sel.named(); {
	case named && f.all:
		return errors.New("--all is all of them: leave it or the rest out")
	case !named && !f.all:
		return errors.New("say which: --tenant, --service, --user, --account, --tag, --id, or --all")
	case len(f.recipients) > 0 && f.passphraseOnStdin:
		return errors.New("a file is sealed to a passphrase or to keys, not to both")
	}
	return nil
}

// exported is what is told of an export.
type exported struct {
	File       string   `json:"file"`
	Identities int      `json:"identities"`
	Tenants    int      `json:"tenants"`
	Unreadable []string `json:"unreadable"` // ids
}

func (p *program) exportIdentities(ctx context.Context, store *db.DB, c identityConfig, path string, f exportFlags) error {
	if _, err := os.Stat(path); err == nil && !f.force {
		return errFileThere(path)
	}
	sel, err := f.sel.selector(ctx, store)
	if err != nil {
		return err
	}
	vault, err := openVault(ctx, store, c)
	if err != nil {
		return err
	}
	to, err := p.recipients(f)
	if err != nil {
		return err
	}
	bundle, unreadable, err := vault.Export(ctx, sel)
	var busy *identity.BusyError
	switch {
	case errors.Is(err, identity.ErrNotConnected):
		return errors.New("no connection matches: nothing was written")
	case errors.As(err, &busy):
		return fmt.Errorf("nothing was written: %w. A running server ends it within a minute; then export again.\n  %s", busy, strings.Join(busy.IDs, "\n  "))
	case err != nil:
		return err
	}
	err = bundle.WriteFile(path, f.force, to...)
	if errors.Is(err, fs.ErrExist) {
		return errFileThere(path)
	}
	if err != nil {
		return err
	}
	if f.output == "json" {
		return p.json(exported{path, len(bundle.Identities), len(bundle.Tenants), append([]string{}, unreadable...)})
	}
	_, err = fmt.Fprintf(p.out, "Exported to %s: %s of %s.\n", path, plural(len(bundle.Identities), "connection"), plural(len(bundle.Tenants), "tenant"))
	if len(unreadable) > 0 {
		_, err = fmt.Fprintf(p.out, "Left out, since they can't be opened with the key file:\n  %s\n", strings.Join(unreadable, "\n  "))
	}
	_, _ = fmt.Fprintln(p.errOut, "Don't use them here and elsewhere: see gatepost identity export --help.")
	return err
}

func errFileThere(path string) error {
	return fmt.Errorf("%s is there already: name another file, or use --force", path)
}

// recipients are what a file is sealed to.
func (p *program) recipients(f exportFlags) (to []agelib.Recipient, err error) {
	for _, key := range f.recipients {
		found, err := agelib.ParseRecipients(strings.NewReader(key))
		if err != nil || len(found) != 1 {
			return nil, fmt.Errorf("%.20q is no public key of age: it begins with age1", key)
		}
		to = append(to, found...)
	}
	if len(to) > 0 {
		return to, nil
	}
	passphrase, err := p.secret("passphrase", f.passphraseOnStdin, true)
	if err != nil {
		return nil, err
	}
	if len(passphrase) < shortestPassphrase {
		return nil, fmt.Errorf("the passphrase is too short: use %d characters or more, as five words", shortestPassphrase)
	}
	r, err := agelib.NewScryptRecipient(passphrase)
	return []agelib.Recipient{r}, err
}

// importFlags are what identity import was told.
type importFlags struct {
	replace, createTenants, shareOrgs, dryRun, passphraseOnStdin bool
	keyFile, output                                              string
}

func (p *program) identityImportCommand() *cobra.Command {
	var f importFlags
	cmd := &cobra.Command{
		Use:   "import FILE",
		Short: "Take in connections that identity export wrote, all or none",
		Long: `Takes in the connections of a file that gatepost identity export wrote, sealed with
this installation's key: all of them, or none when anything is wrong. Tenants are found
by their slugs. A connection that is here already is left alone, unless --replace: then
what it had is revoked, if that isn't the same authorization. A tenant that would be
connected to an organisation that another one has here is refused, unless --share-orgs.

Stop using them where they come from first: see gatepost identity export --help.`,
		Example: `  gatepost identity import moving.age --dry-run
  gatepost identity import contoso.age --key-file key.txt --create-tenants`,
		Args:    named(cobra.ExactArgs(1)),
		PreRunE: func(*cobra.Command, []string) error { return knownOutput(f.output) },
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.withIdentities(cmd.Context(), func(store *db.DB, c identityConfig) error {
				return p.importIdentities(cmd.Context(), store, c, args[0], f)
			})
		},
	}
	outputFlag(cmd, &f.output)
	cmd.Flags().BoolVar(&f.replace, "replace", false, "replace connections that are here already")
	cmd.Flags().BoolVar(&f.createTenants, "create-tenants", false, "make tenants that are missing, each with its first newsletter")
	cmd.Flags().BoolVar(&f.shareOrgs, "share-orgs", false, "tenants may be connected to organisations that others have: they share them on purpose")
	cmd.Flags().BoolVar(&f.dryRun, "dry-run", false, "change nothing, and tell what would be done")
	cmd.Flags().StringVar(&f.keyFile, "key-file", "", "file with the secret key of age that it is sealed to, instead of a passphrase")
	cmd.Flags().BoolVar(&f.passphraseOnStdin, "passphrase-stdin", false, "read the passphrase from standard input")
	cmd.MarkFlagsMutuallyExclusive("key-file", "passphrase-stdin")
	return cmd
}

func (p *program) importIdentities(ctx context.Context, store *db.DB, c identityConfig, path string, f importFlags) error {
	if info, err := os.Stat(path); err != nil {
		return err
	} else if err := files.Regular(info); err != nil { // before somebody types a passphrase
		return fmt.Errorf("%s can't be imported: %w", path, err)
	}
	with, err := p.unsealers(f)
	if err != nil {
		return err
	}
	bundle, err := identity.ReadBundle(path, with...)
	if err != nil {
		return fmt.Errorf("%s can't be imported: %w", path, err)
	}
	vault, err := openVault(ctx, store, c)
	if err != nil {
		return err
	}
	o := identity.ImportOptions{Replace: f.replace, DryRun: f.dryRun, ShareOrgs: f.shareOrgs}
	if f.createTenants {
		o.NewTenant = auth.NewPeople(store, store.Now).NewTenant
	}
	done, err := vault.Import(ctx, bundle, o)
	if err != nil {
		return notImported(err)
	}
	if f.output == "json" {
		return p.json(done)
	}
	return p.tellImported(done, f.dryRun)
}

// notImported adds what to do to an error of Import.
func notImported(err error) error {
	help := ""
	var wrong *identity.BundleError
	var busy *identity.BusyError
	switch {
	case errors.As(err, &busy):
		help = ". A running server ends it within a minute; then import again"
	case errors.As(err, &wrong):
		switch wrong.Problem {
		case identity.ProblemTenants:
			help = `. Add them with "gatepost tenant add", or use --create-tenants`
		case identity.ProblemApps:
			help = `. Set them first: see "gatepost service set --help"`
		case identity.ProblemOrgs:
			help = ". If they share it on purpose, as an agency's customers do, use --share-orgs"
		case identity.ProblemHosts:
			help = `. If they are to be trusted, set them here first: see "gatepost service set --help"`
		}
	}
	return fmt.Errorf("nothing was imported: %w%s", err, help)
}

func (p *program) tellImported(done identity.Imported, dryRun bool) error {
	begin := "Imported "
	if dryRun {
		begin = "Nothing is changed. To be imported: "
	}
	_, err := fmt.Fprintf(p.out, "%s%s new, %d replaced.\n", begin, plural(done.New, "connection"), done.Replaced)
	for _, line := range []struct {
		n    int
		text string
	}{
		{len(done.Tenants), "Tenants that are made: " + strings.Join(done.Tenants, ", ") + "."},
		{done.Kept, plural(done.Kept, "connection") + " here already, left alone: --replace replaces them."},
		{done.Newer, plural(done.Newer, "connection") + " here already with a newer token than the file's, left alone."},
		{done.Pending, plural(done.Pending, "replaced connection") + " could not be revoked yet: a running server goes on with them for a week."},
	} {
		if line.n > 0 {
			_, err = fmt.Fprintln(p.out, line.text)
		}
	}
	return err
}

// unsealers are what may open a file.
func (p *program) unsealers(f importFlags) ([]agelib.Identity, error) {
	if f.keyFile != "" {
		text, _, err := files.Read(f.keyFile, maxSecret)
		if err != nil {
			return nil, fmt.Errorf("--key-file: %w", plainError(f.keyFile, err))
		}
		keys, err := agelib.ParseIdentities(bytes.NewReader(text))
		if err != nil { // the cause could quote the key
			return nil, fmt.Errorf("%s holds no secret key of age, as age-keygen writes it", f.keyFile)
		}
		return keys, nil
	}
	passphrase, err := p.secret("passphrase", f.passphraseOnStdin, false)
	if err != nil {
		return nil, err
	}
	if passphrase == "" {
		return nil, errors.New("the passphrase is empty")
	}
	i, err := agelib.NewScryptIdentity(passphrase)
	return []agelib.Identity{i}, err
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
