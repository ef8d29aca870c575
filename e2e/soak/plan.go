package main

import (
	"fmt"
	"time"

	"gatepost/e2e/rig"
)

// plan says how hard the portals are tried.
type plan struct {
	postgres bool // replicas behind a balancer, and a server that is restarted
	rate     int  // sign-ups a second, of all tenants together
	portals  int
	crowd    int // that signs up at once before each kill, of all tenants together
	kills    int
	every    time.Duration // between two kills

	away        string // the service of the CRM that is away in the end
	outage      time.Duration
	outageKills int
	settle      time.Duration // the longest that everything may take to arrive in the end
}

// check refuses a plan that can't be carried out.
func (p plan) check() error {
	switch p.away {
	case rig.Salesforce, rig.HubSpot, rig.Zoho:
	default:
		return fmt.Errorf("-away must be %s, %s or %s, not %q", rig.Salesforce, rig.HubSpot, rig.Zoho, p.away)
	}
	if p.rate < len(customers) || p.portals < 1 {
		return fmt.Errorf("-rate must be at least %d and -portals at least 1", len(customers))
	}
	return nil
}

// fault is what a simulated CRM does wrong, as its control page takes it.
type fault map[string]any

// scenario is a stretch of the run with a trouble of its own.
type scenario struct {
	name    string
	faults  func(*rig.CRM) []fault // nil for none
	away    string                 // the service of the only CRM that has them; "" for all
	expire  time.Duration          // how often all access tokens end; 0 for never
	kills   int
	between time.Duration // kills
}

// lasts is how long the scenario goes on.
func (s scenario) lasts() time.Duration { return time.Duration(s.kills+1) * s.between }

// hits reports whether the CRM that stands for a service has the scenario's faults.
func (s scenario) hits(service string) bool {
	return s.faults != nil && (s.away == "" || s.away == service)
}

// scenarios are the stretches of the run, in order. The rates are of calls.
func (p plan) scenarios() []scenario {
	part := (p.kills + 1) / 4
	failing := func(faults ...fault) func(*rig.CRM) []fault {
		return func(*rig.CRM) []fault { return faults }
	}
	return []scenario{
		{name: "kills alone", kills: p.kills - 3*part, between: p.every},
		{name: "answers are cut off after the CRMs committed", kills: part, between: p.every, faults: cutOff},
		{name: "20 % of all calls fail", kills: part, between: p.every, faults: failing(fault{"on": "any", "rate": 0.2, "status": 503})},
		{name: "tokens expire every 5 seconds", kills: part, between: p.every, expire: min(p.every, 5*time.Second)},
		{name: "one CRM is away", away: p.away, kills: p.outageKills, between: p.outage / time.Duration(p.outageKills+1), faults: failing(
			fault{"on": "any", "rate": 0.05, "hang_ms": 10_000, "status": 503},
			fault{"on": "any", "rate": 0.5, "status": 503, "html": true},
			fault{"on": "any", "rate": 1, "status": 503},
		)},
	}
}

// cutOff has a CRM do the work of three calls in ten, and cut the connection instead of
// answering. Tokens are left out: a rotated token whose answer was lost ends the
// connection, by Salesforce's own rules.
func cutOff(c *rig.CRM) []fault {
	var faults []fault
	for _, on := range c.Calls {
		faults = append(faults, fault{"on": on, "rate": 0.3, "drop": true, "after_commit": true})
	}
	return faults
}
