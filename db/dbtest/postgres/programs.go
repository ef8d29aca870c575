package postgres

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
	"time"

	"gatepost/e2e/setup"
)

// oldest is the oldest version that Gatepost runs on.
const oldest = 14

// errMissing is for people who read the end of a failed test run.
var errMissing = fmt.Errorf("there is no PostgreSQL to test with: install version %d or later (Debian: apt-get install postgresql), name a server in GATEPOST_TEST_DATABASE, or set that to off", oldest)

// programs returns the folder of the newest PostgreSQL's programs, and installs
// Debian's package when there are none.
var programs = sync.OnceValues(func() (string, error) {
	if folder := newest(folders()); folder != "" {
		return folder, nil
	}
	if err := install(); err != nil {
		return "", fmt.Errorf("%w (%w)", errMissing, err)
	}
	if folder := newest(folders()); folder != "" {
		return folder, nil
	}
	return "", errMissing
})

// folders are those that may hold the programs: Debian has them outside the PATH, a
// folder for each version.
func folders() []string {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	if path, err := exec.LookPath("pg_ctl"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil {
			found = append(found, filepath.Dir(path))
		}
	}
	return found
}

// newest returns the folder with the newest server that is not too old, "" if none is.
func newest(folders []string) string {
	newest, best := "", oldest-1
	for _, folder := range folders {
		if v := version(folder); v > best {
			newest, best = folder, v
		}
	}
	return newest
}

var said = regexp.MustCompile(`\(PostgreSQL\) (\d+)`)

// version returns the major version of the server in a folder, 0 if there is none
// that can be made and run.
func version(folder string) int {
	for _, name := range []string{"initdb", "pg_ctl"} {
		if _, err := os.Stat(filepath.Join(folder, name)); err != nil {
			return 0
		}
	}
	out, err := exec.Command(filepath.Join(folder, "postgres"), "--version").Output()
	found := said.FindSubmatch(out)
	if err != nil || found == nil {
		return 0
	}
	v, _ := strconv.Atoi(string(found[1]))
	return v
}

// noCluster tells Debian's package to make no database of its own and to start
// nothing. It is a file beside the configuration that the package brings, since it
// would ask what to do with a changed one.
const noCluster = "/etc/postgresql-common/createcluster.d/gatepost-tests.conf"

func install() error {
	write := `mkdir -p "$(dirname "$1")" && echo "create_main_cluster = false" >"$1"`
	if err := setup.Run(time.Minute, setup.AsRoot("sh", "-c", write, "sh", noCluster)); err != nil {
		return err
	}
	return errors.Join(setup.Install(say, "postgresql"), setup.Run(time.Minute, setup.AsRoot("rm", "-f", noCluster)))
}

func say(format string, args ...any) {
	_, _ = fmt.Fprintf(os.Stderr, "postgres: "+format+"\n", args...)
}
