package main

import "time"

// plan says how hard the portals are tried.
type plan struct {
	postgres bool // replicas behind a balancer, and a server that is restarted
	rate     int  // sign-ups a second
	portals  int
	kills    int
	every    time.Duration // between two kills

	outage      time.Duration
	outageKills int
	settle      time.Duration // the longest that everything may take to arrive in the end
}

// fault is what the simulated Salesforce does wrong, as its control page takes it.
type fault map[string]any

// scenario is a stretch of the run with a trouble of its own.
type scenario struct {
	name    string
	faults  []fault
	expire  time.Duration // how often all access tokens end; 0 for never
	kills   int
	between time.Duration // kills
}

// lasts is how long the scenario goes on.
func (s scenario) lasts() time.Duration { return time.Duration(s.kills+1) * s.between }

// scenarios are the stretches of the run, in order. The rates are of calls.
func (p plan) scenarios() []scenario {
	part := (p.kills + 1) / 4
	outage := scenario{name: "Salesforce is away", kills: p.outageKills, between: p.outage / time.Duration(p.outageKills+1), faults: []fault{
		{"on": "any", "rate": 0.05, "hang_ms": 10_000, "status": 503},
		{"on": "any", "rate": 0.5, "status": 503, "html": true},
		{"on": "any", "rate": 1, "status": 503},
	}}
	return []scenario{
		{name: "kills alone", kills: p.kills - 3*part, between: p.every},
		{name: "answers are cut off after Salesforce committed", kills: part, between: p.every, faults: cutOff(0.3)},
		{name: "20 % of all calls fail", kills: part, between: p.every, faults: []fault{{"on": "any", "rate": 0.2, "status": 503}}},
		{name: "tokens expire every 5 seconds", kills: part, between: p.every, expire: min(p.every, 5*time.Second)},
		outage,
	}
}

// cutOff has Salesforce do the work of some calls, and cut the connection
// instead of answering. Tokens are left out: a rotated token whose answer was
// lost ends the connection, by Salesforce's own rules.
func cutOff(rate float64) []fault {
	var faults []fault
	for _, on := range []string{"query", "collections", "composite", "create", "update"} {
		faults = append(faults, fault{"on": on, "rate": rate, "drop": true, "after_commit": true})
	}
	return faults
}
