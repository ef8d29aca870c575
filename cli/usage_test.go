package cli

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// Each command is called with what it can't mean: a subcommand, an argument and a
// flag that aren't there.
func TestWhatIsNoCommandExitsWithTwo(t *testing.T) {
	p := &program{out: io.Discard, errOut: io.Discard, env: map[string]string{}}
	var walk func(cmd *cobra.Command, path []string)
	n := 0
	refuse := func(args ...string) {
		t.Helper()
		n++
		code, out, errOut := command(t, "", nil, args...)
		if code != 2 || out != "" || !strings.HasPrefix(errOut, "gatepost: ") {
			t.Errorf("%q: exit %d, %q, %q", args, code, out, errOut)
		}
	}
	walk = func(cmd *cobra.Command, path []string) {
		with := func(more ...string) []string { return append(append([]string{}, path...), more...) }
		refuse(with("--nonsense")...)
		switch {
		case cmd.Name() == "help":
			refuse(with("nonsense")...)
			refuse(with("tenant", "nonsense")...)
		case cmd.HasSubCommands():
			refuse(with("nonsense")...)
			if code, out, _ := command(t, "", nil, path...); code != 0 || !strings.Contains(out, "Usage:") {
				t.Errorf("%q tells nothing of itself: exit %d, %q", path, code, out)
			}
		default:
			refuse(with("one", "two", "three", "four")...)
		}
		for _, below := range cmd.Commands() {
			walk(below, with(below.Name()))
		}
	}
	root := p.root(nil)
	walk(root, nil)
	if n < 60 {
		t.Errorf("%d were tried", n)
	}
	if code, _, errOut := command(t, "", nil, "tenant", "lss"); code != 2 || !strings.Contains(errOut, `did you mean "ls"?`) {
		t.Errorf("exit %d, %q", code, errOut)
	}
}

func TestDemoThatCannotStartLeavesNothing(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	data := filepath.Join(t.TempDir(), "data")
	for name, run := range map[string]struct {
		environ, args []string
	}{
		"a port that is taken":               {nil, []string{"--addr", taken.Addr().String()}},
		"a port that is taken, and a folder": {nil, []string{"--addr", taken.Addr().String(), "--data", data}},
		"settings that are wrong":            {[]string{"GATEPOST_LOG=loud"}, demoAnywhere[1:]},
	} {
		code, out, errOut := command(t, "", run.environ, append([]string{"demo"}, run.args...)...)
		if code != 1 || out != "" || errOut == "" {
			t.Errorf("%s: exit %d, %q, %q", name, code, out, errOut)
		}
	}
	left, err := os.ReadDir(tmp)
	if err != nil || len(left) != 0 {
		t.Errorf("left: %v, %v", left, err)
	}
	if _, err := os.Stat(data); !os.IsNotExist(err) {
		t.Errorf("the named folder was made: %v", err)
	}
}
