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
	Sent, Repeated, Acknowledged, Refused, Unanswered int
	Kills, Restarts, Reconnects                       int
	Loaded, Settled                                   time.Duration
	P50, P95, P99                                     time.Duration // of acknowledgements

	Recount    db.Recount
	Salesforce rig.Stats

	Lost      []string // acknowledged, and not in the CRM
	Doubled   []string // in the CRM more than once
	Strangers []string // in the CRM, and never sent
	Surprises []string // answers that nobody should get
}

// judge compares what was acknowledged with what is in the CRM.
func (s *soak) judge(ctx context.Context) (v verdict, err error) {
	r := s.readers
	v = verdict{
		Sent: r.count.sent, Repeated: r.count.repeated, Acknowledged: r.count.acknowledged, Refused: r.count.refused, Unanswered: r.count.lost,
		Kills: s.kills, Restarts: s.restarts, Reconnects: s.reconnects, P50: r.percentile(.5), P95: r.percentile(.95), P99: r.percentile(.99), Surprises: r.surprises,
	}
	if v.Recount, err = s.store.Recount(ctx, s.tenant); err != nil {
		return v, err
	}
	if v.Salesforce, err = s.world.Salesforce.Stats(ctx); err != nil {
		return v, err
	}
	emails, err := s.world.Salesforce.Emails(ctx)
	if err != nil {
		return v, err
	}
	v.compare(r.sent, r.acknowledged, emails)
	return v, nil
}

// compare finds what is missing from the CRM and what is too much in it.
func (v *verdict) compare(sent []string, acknowledged map[string]bool, crm []string) {
	times := map[string]int{}
	for _, email := range crm {
		times[strings.ToLower(email)]++
	}
	for email := range acknowledged {
		if times[email] == 0 {
			v.Lost = append(v.Lost, email)
		}
	}
	known := map[string]bool{}
	for _, email := range sent {
		known[strings.ToLower(email)] = true
	}
	for email, n := range times {
		if n > 1 {
			v.Doubled = append(v.Doubled, email)
		}
		if !known[email] {
			v.Strangers = append(v.Strangers, email)
		}
	}
}

// promises are sentences about what was to hold, with whether it did.
func (v verdict) promises() map[string]bool {
	kept := v.Recount.Kept
	return map[string]bool{
		"every acknowledged sign-up is in the CRM":  len(v.Lost) == 0 && v.Acknowledged > 0,
		"each address is there once":                len(v.Doubled) == 0 && v.Salesforce.PerEmailMax == 1,
		"nobody is there who didn't sign up":        len(v.Strangers) == 0,
		"the sum holds, kept and counted":           v.Recount.Agrees(),
		"all are delivered, none waits":             kept[db.Delivered] == kept[db.New] && kept[db.Delivered] == v.Salesforce.Contacts,
		"no refresh token was used twice":           v.Salesforce.ReuseDetected == 0,
		"the readers got no answer but 202 and 503": len(v.Surprises) == 0,
	}
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
func (v verdict) String() string {
	var b strings.Builder
	line := func(format string, args ...any) { _, _ = fmt.Fprintf(&b, format+"\n", args...) }
	line("\nsign-ups      %d sent in %v (%.0f/s), %d with a repeated address", v.Sent, v.Loaded.Round(time.Second), float64(v.Sent)/v.Loaded.Seconds(), v.Repeated)
	line("answers       %d acknowledged, %d refused (503), %d lost or never taken (portal killed)", v.Acknowledged, v.Refused, v.Unanswered)
	line("              acknowledged after p50 %v, p95 %v, p99 %v", round(v.P50), round(v.P95), round(v.P99))
	line("kills         %d; database restarted %d times; reconnected %d times because a renewal was cut off", v.Kills, v.Restarts, v.Reconnects)
	line("settled after %v", v.Settled.Round(time.Second))
	k := v.Recount.Kept
	line("portal        %d new + %d repeated; %d delivered, %d waiting, %d need attention; difference %d", k[db.New], k[db.Repeated], k[db.Delivered], k[db.Waiting], k[db.Attention], k.Difference())
	sf := v.Salesforce
	line("Salesforce    %d Contacts, at most %d per address; %d API calls, %d renewals, %d tokens used twice", sf.Contacts, sf.PerEmailMax, sf.APICalls, sf.Refreshes, sf.ReuseDetected)
	line("lost          %d %s", len(v.Lost), some(v.Lost))
	line("doubled       %d %s", len(v.Doubled), some(v.Doubled))
	line("strangers     %d %s", len(v.Strangers), some(v.Strangers))
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
