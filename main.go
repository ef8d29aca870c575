// Gatepost takes sign-ups for newsletters and puts every one of them into the
// customer's CRM. See README.md.
package main

import (
	"os"
	_ "time/tzdata" // time zones, wherever it runs

	"gatepost/cli"
)

func main() {
	os.Exit(cli.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Environ()))
}
