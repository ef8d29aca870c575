// Package cli is the gatepost command: it reads the configuration, wires the
// rooms together and runs them.
package cli

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

// program is what the commands share: where they read and write, and what the
// environment says.
type program struct {
	in          io.Reader
	out, errOut io.Writer
	env         map[string]string
	running     string // the command, as "gatepost tenant ls"
}

// Main runs the command that args name and returns its exit code. environ has
// the form of os.Environ.
func Main(args []string, in io.Reader, out, errOut io.Writer, environ []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := Run(ctx, args, in, out, errOut, environ)
	if err != nil {
		_, _ = fmt.Fprintln(errOut, "gatepost:", err)
	}
	return exitCode(err)
}

// Run runs the command that args name until it is done or ctx ends.
func Run(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer, environ []string) error {
	return newProgram(in, out, errOut, environ).root(args).ExecuteContext(ctx)
}

func newProgram(in io.Reader, out, errOut io.Writer, environ []string) *program {
	p := &program{in: in, out: out, errOut: errOut, env: map[string]string{}}
	for _, pair := range environ {
		name, value, _ := strings.Cut(pair, "=")
		p.env[name] = value
	}
	return p
}

// root is the command with all commands below it. args are for it.
func (p *program) root(args []string) *cobra.Command {
	root := &cobra.Command{
		Use:           "gatepost",
		Short:         "Takes newsletter sign-ups and puts every one of them into the customer's CRM",
		SilenceUsage:  true,
		SilenceErrors: true,

		PersistentPreRun: func(cmd *cobra.Command, _ []string) { p.running = cmd.CommandPath() },
	}
	root.SetArgs(args)
	root.SetIn(p.in)
	root.SetOut(p.out)
	root.SetErr(p.errOut)
	root.AddCommand(p.demoCommand(), p.serveCommand(), p.migrateCommand(), p.databaseCommand(), p.tenantCommand(), p.newsletterCommand(), p.userCommand(), p.keysCommand(), p.serviceCommand(), p.identityCommand(), p.apiKeyCommand(), p.eraseCommand(), p.compactCommand(), p.versionCommand())
	root.AddCommand(p.mockCommands()...)
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd(args...)
	p.completions(root)
	checkUsage(root)
	return root
}

// logger writes what happens to standard error, from the given level on.
func (p *program) logger(level slog.Level) *slog.Logger {
	return slog.New(slog.NewTextHandler(p.errOut, &slog.HandlerOptions{Level: level}))
}

func (p *program) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintln(p.out, "gatepost", version())
			return err
		},
	}
}

// version is what the build knows of itself: a tag, or a revision.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	v := info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && (v == "" || v == "(devel)") {
			v = s.Value
		}
	}
	if v == "" {
		v = "(devel)"
	}
	return v + " " + info.GoVersion
}
