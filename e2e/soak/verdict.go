package main

import (
	"context"
	"fmt"
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
}

// judge compares what was acknowledged with what is in the CRMs.
func (s *soak) judge(ctx context.Context) (v verdict, err error) {
	v = verdict{Kills: s.kills, Restarts: s.restarts, Reconnects: s.reconnects}
	var latencies []time.Duration
	for _, c := range s.customers {
		o, err := s.judged(ctx, c)
		if err != nil {
			return v, err
		}
		v.Customers = append(v.Customers, o)
		v.counts.add(o.counts)
		v.Surprises = append(v.Surprises, c.readers.surprises...)
		latencies = append(latencies, c.readers.latencies...)
	}
	v.P50, v.P95, v.P99 = percentile(latencies, .5), percentile(latencies, .95), percentile(latencies, .99)
	return v, nil
}

// judged is what became of one customer's sign-ups.
func (s *soak) judged(ctx context.Context, c *customer) (o outcome, err error) {
	o = outcome{counts: c.readers.count, Name: c.crm.Name, Away: c.crm.Service == s.away}
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
	o.compare(c.readers.sent, c.readers.acknowledged, emails)
	return o, err
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
		"all are delivered, none waits":            o.Recount.Kept.Subscribers[db.New] == entered && o.Sums[db.Delivered] == entered && o.CRM.Contacts == entered,
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

// broken reports whether a promise was broken.
func (v verdict) broken() bool {
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
	line("%d acknowledged; %d new + %d repeated; %d entered, %d delivered, %d waiting, %d need attention; difference %d", o.acknowledged,
		k.Subscribers[db.New], k.Subscribers[db.Repeated], o.Sums[db.Entered], o.Sums[db.Delivered], o.Sums[db.Waiting], o.Sums[db.Attention], k.Difference())
	line("%d Contacts, at most %d per address; %d API calls, %d renewals, %d tokens used twice", o.CRM.Contacts, o.CRM.PerEmailMax, o.CRM.APICalls, o.CRM.Refreshes, o.CRM.ReuseDetected)
	line("lost %d %s; doubled %d %s; strangers %d %s", len(o.Lost), some(o.Lost), len(o.Doubled), some(o.Doubled), len(o.Strangers), some(o.Strangers))
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
