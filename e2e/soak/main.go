// Soak kills portals under load, and shows that every sign-up that was
// acknowledged is in the CRM, once, whichever CRM that is.
//
// It builds gatepost, runs the simulated CRMs and several portals on one database as
// processes of their own on loopback addresses. Each CRM is that of one tenant. It
// sends sign-ups for all tenants at a steady rate whatever becomes of the answers, and
// kills portals all the while (kill -9). Meanwhile the CRMs do their worst: see the
// scenarios. In the last one, one of them is away, and the others have to go on. It
// stops by itself, and exits with 1 and the evidence when a promise was broken.
//
// With -postgres the database is a PostgreSQL server, which is restarted once in each
// scenario, and the portals are replicas behind a balancer.
package main

import (
	"context"
	"flag"
	"fmt"
	"time"

	"gatepost/e2e/rig"
)

func main() {
	p := plan{}
	flag.BoolVar(&p.postgres, "postgres", false, "run replicas behind a balancer on an own PostgreSQL, which is restarted five times")
	flag.IntVar(&p.rate, "rate", 200, "sign-ups a second, of the three tenants together")
	flag.IntVar(&p.crowd, "crowd", 300, "how many sign up at once before each kill, of the three tenants together")
	flag.IntVar(&p.portals, "portals", 2, "portals on the same database")
	flag.IntVar(&p.kills, "kills", 50, "how often a portal is killed, besides those in the outage")
	flag.DurationVar(&p.every, "every", 5*time.Second, "time between two kills")
	flag.StringVar(&p.away, "away", rig.Salesforce, "the CRM that is away at the end: "+rig.Salesforce+", "+rig.HubSpot+" or "+rig.Zoho)
	flag.DurationVar(&p.outage, "outage", 10*time.Minute, "how long it is away")
	flag.IntVar(&p.outageKills, "outage-kills", 5, "kills during the outage")
	flag.DurationVar(&p.settle, "settle", 15*time.Minute, "how long everything may take to arrive in the end")
	flag.Parse()
	rig.Exit("soak", command(p))
}

func command(p plan) error {
	if err := p.check(); err != nil {
		return err
	}
	return rig.Judge("soak", func(ctx context.Context, folder string) (verdict, error) {
		return p.run(ctx, folder, func(format string, args ...any) { fmt.Printf(format+"\n", args...) })
	})
}
