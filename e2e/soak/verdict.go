package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"gatepost/db"
	"gatepost/e2e/rig"
)

// verdict is what a run has found.
type verdict struct {
	counts                      // of all tenants
	Kills, Restarts, Reconnects int
	Loaded, Settled             time.Duration
	P50, P95, P99               time.Duration // of acknowledgements

	Customers []outcome
	Surprises []string // answers that nobody should get
}

// outcome is what was found of one customer.
type outcome struct {
	counts
	Name    string // of the CRM
	Away    bool   // it was, in the end
	Recount db.Recount
	Sums    db.Sums // kept of the destination
	CRM     rig.Stats

	Alone, Outage delays // of those who signed up while nothing failed, and while one CRM was away

	Lost      []string // acknowledged, and not in the CRM
	Doubled   []string // in the CRM more than once
	Strangers []string // in the CRM, and never sent
	Unheld    []string // acknowledged junk that isn't held
}

// judge compares what was acknowledged with what is in the CRMs.
func (s *soak) judge(ctx context.Context) (v verdict, err error) {
	v = verdict{Kills: s.kills, Restarts: s.restarts, Reconnects: s.reconnects}
	var latencies rig.Times
	for _, c := range s.customers {
		o, err := s.judged(ctx, c)
		if err != nil {
			return v, err
		}
		v.Customers = append(v.Customers, o)
		v.counts.add(o.counts)
		for _, r := range c.everybody() {
			v.Surprises = append(v.Surprises, r.surprises...)
			latencies = append(latencies, r.latencies...)
		}
	}
	v.P50, v.P95, v.P99 = latencies.At(.5), latencies.At(.95), latencies.At(.99)
	return v, nil
}

// judged is what became of one customer's sign-ups.
func (s *soak) judged(ctx context.Context, c *customer) (o outcome, err error) {
	o = outcome{Name: c.crm.Name, Away: c.crm.Service == s.away}
	for _, r := range c.everybody() {
		o.add(r.count)
	}
	if o.Recount, err = s.store.Recount(ctx, c.id); err != nil {
		return o, err
	}
	o.Sums = o.Recount.Kept.Destinations[c.id]
	if o.CRM, err = c.crm.Stats(ctx); err != nil {
		return o, err
	}
	if o.Alone, err = c.delays(ctx, s.store, s.stretches[0]); err != nil {
		return o, err
	}
	if o.Outage, err = c.delays(ctx, s.store, s.stretches[len(s.stretches)-1]); err != nil {
		return o, err
	}
	emails, err := c.crm.Emails(ctx)
	if err != nil {
		return o, err
	}
	wanted := maps.Clone(c.readers.acknowledged)
	maps.Copy(wanted, c.asked.acknowledged)
	o.compare(slices.Concat(c.readers.sent, c.asked.sent), wanted, emails)
	o.Unheld, err = s.unheld(ctx, c)
	return o, err
}

// unheld are those whose sign-ups look like a robot's, were acknowledged, and aren't held.
func (s *soak) unheld(ctx context.Context, c *customer) (unheld []string, err error) {
	missing := maps.Clone(c.junk.acknowledged)
	rows, err := s.store.Writer().QueryContext(ctx, `SELECT email FROM subscribers WHERE tenant_id = $1 AND state = $2`, c.id, db.OnHold)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var email string
		if err := rows.Scan(&email); err != nil {
			return nil, err
		}
		delete(missing, strings.ToLower(email))
	}
	return slices.Collect(maps.Keys(missing)), rows.Err()
}

// compare finds what is missing from the CRM and what is too much in it.
func (o *outcome) compare(sent []string, acknowledged map[string]bool, crm []string) {
	times := map[string]int{}
	for _, email := range crm {
		times[strings.ToLower(email)]++
	}
	for email := range acknowledged {
		if times[email] == 0 {
			o.Lost = append(o.Lost, email)
		}
	}
	known := map[string]bool{}
	for _, email := range sent {
		known[strings.ToLower(email)] = true
	}
	for email, n := range times {
		if n > 1 {
			o.Doubled = append(o.Doubled, email)
		}
		if !known[email] {
			o.Strangers = append(o.Strangers, email)
		}
	}
}

// promises are sentences about what was to hold, with whether it did.
func (o outcome) promises() map[string]bool {
	entered := o.Sums[db.Entered]
	return map[string]bool{
		"every acknowledged sign-up is in the CRM": len(o.Lost) == 0 && o.acknowledged > 0,
		"each address is there once":               len(o.Doubled) == 0 && o.CRM.PerEmailMax == 1,
		"nobody is there who didn't sign up":       len(o.Strangers) == 0,
		"both sums hold, kept and counted":         o.Recount.Agrees(),
		"what looks like a robot's is held":        len(o.Unheld) == 0,
		"nobody who was asked is left unconfirmed": o.Recount.Kept.Subscribers[db.Unconfirmed] == 0,
		"all are delivered, none waits":            o.Recount.Kept.Subscribers[db.Active] == entered && o.Sums[db.Delivered] == entered && o.CRM.Contacts == entered,
		"no refresh token was used twice":          o.CRM.ReuseDetected == 0,
		"it goes on while another CRM is away":     o.Away || o.Outage.within > 0,
	}
}

// promises are those of all customers, and of what the readers saw.
func (v verdict) promises() map[string]bool {
	all := map[string]bool{"the readers got no answer but 202 and 503": len(v.Surprises) == 0}
	for _, o := range v.Customers {
		for promise, kept := range o.promises() {
			all[o.Name+": "+promise] = kept
		}
	}
	return all
}

// Broken reports whether a promise was broken.
func (v verdict) Broken() bool {
	for _, kept := range v.promises() {
		if !kept {
			return true
		}
	}
	return false
}

// String is the report.
func (o outcome) String() string {
	var b strings.Builder
	line := func(format string, args ...any) {
		_, _ = fmt.Fprintf(&b, "%-13s "+format+"\n", append([]any{o.Name}, args...)...)
	}
	k := o.Recount.Kept
	line("%d acknowledged; %d new + %d repeated; %d active, %d unconfirmed, %d held; %d entered, %d delivered, %d waiting, %d need attention; difference %d", o.acknowledged,
		k.Subscribers[db.New], k.Subscribers[db.Repeated], k.Subscribers[db.Active], k.Subscribers[db.Unconfirmed], k.Subscribers[db.OnHold], o.Sums[db.Entered], o.Sums[db.Delivered], o.Sums[db.Waiting], o.Sums[db.Attention], k.Difference())
	line("%d Contacts, at most %d per address; %d API calls, %d renewals, %d tokens used twice", o.CRM.Contacts, o.CRM.PerEmailMax, o.CRM.APICalls, o.CRM.Refreshes, o.CRM.ReuseDetected)
	line("lost %d %s; doubled %d %s; strangers %d %s; not held %d %s", len(o.Lost), some(o.Lost), len(o.Doubled), some(o.Doubled), len(o.Strangers), some(o.Strangers), len(o.Unheld), some(o.Unheld))
	line("in the CRM after, with kills alone: %v", o.Alone)
	what := "while another was away"
	if o.Away {
		what = "while it was away"
	}
	line("in the CRM after, %s: %v", what, o.Outage)
	return b.String()
}

// String is the report.
func (v verdict) String() string {
	var b strings.Builder
	line := func(format string, args ...any) { _, _ = fmt.Fprintf(&b, format+"\n", args...) }
	line("\nsign-ups      %d sent in %v (%.0f/s), %d with a repeated address", v.sent, v.Loaded.Round(time.Second), float64(v.sent)/v.Loaded.Seconds(), v.repeated)
	line("answers       %d acknowledged, %d refused (503), %d lost or never taken (portal killed)", v.acknowledged, v.refused, v.lost)
	line("              acknowledged after p50 %v, p95 %v, p99 %v", round(v.P50), round(v.P95), round(v.P99))
	line("kills         %d; database restarted %d times; reconnected %d times because a renewal was cut off", v.Kills, v.Restarts, v.Reconnects)
	line("settled after %v", v.Settled.Round(time.Second))
	for _, o := range v.Customers {
		b.WriteString(o.String())
	}
	if len(v.Surprises) > 0 {
		line("answers that nobody should get: %s", some(v.Surprises))
	}
	for _, promise := range sortedKeys(v.promises()) {
		mark := "kept"
		if !v.promises()[promise] {
			mark = "BROKEN"
		}
		line("%-7s %s", mark, promise)
	}
	return b.String()
}

func round(d time.Duration) time.Duration { return d.Round(100 * time.Microsecond) }

// some is the beginning of a list, in order.
func some(list []string) string {
	list = slices.Sorted(slices.Values(list))
	return strings.Join(list[:min(len(list), 20)], " ")
}

func sortedKeys(m map[string]bool) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
