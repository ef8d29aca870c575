// Siege lets robots loose on the forms of two newsletters, beside honest readers, and tells what got
// where: into a CRM, into strangers' mailboxes, into the quarantine, and whether the honest came
// through.
//
// It builds gatepost, runs it, the simulated CRMs and a mail server as they are reached over loopback
// addresses. Robots and readers come from made-up networks, as through a proxy. Each mail is looked at
// first by a program that looks for viruses: it opens the links and sends the forms that it finds.
// It exits with 1 when a promise was broken.
package main

import (
	"flag"
	"time"

	"gatepost/e2e/rig"
)

func main() {
	p := plan{}
	flag.IntVar(&p.junk, "junk", 10_000, "how often robots send a form")
	flag.IntVar(&p.honest, "honest", 200, "how many readers sign up meanwhile, and as many before")
	flag.DurationVar(&p.lasts, "lasts", 90*time.Second, "for how long they come")
	flag.BoolVar(&p.unconfirmed, "unconfirmed", false, "the newsletters ask nobody to confirm: what comes through is told, and judged by nobody")
	flag.IntVar(&p.alike, "alike", 0, "let nobody loose, but send so many addresses of each kind, and tell how the answers differ")
	flag.Parse()
	rig.Exit("siege", rig.Judge("siege", p.run))
}
