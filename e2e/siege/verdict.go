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

// What is promised.
const (
	mostJunk  = 5 // records in all CRMs
	mostMails = 6 // to a stranger in a day
)

// verdict is what came of a siege.
type verdict struct {
	plan
	quiet, besieged rig.Times // that sending the form took the honest
	shapes          []shapeCount
	honest          map[string]int // what became of those who came meanwhile
	told            int            // how often they were told to wait
	lost            []string       // what went wrong with them
	solved          int64          // proofs of work that robots made
	scanned         int64          // mails that a program looked at
	team            int            // mails that told the team what goes on
	strangers       int            // who got a mail
	most            int            // mails to one of them
	junk            int            // records in CRMs
	alike           string         // how the answers differ, where that was all that was asked
}

// Broken reports whether a promise was broken.
func (v verdict) Broken() bool {
	return len(v.lost) > 0 || v.most > mostMails || v.junk > mostJunk && !v.unconfirmed
}

// judge looks where everybody is.
func (s *siege) judge(ctx context.Context, v *verdict, people []*person, r *robots) error {
	v.honest, v.solved = map[string]int{}, min(r.solved.Load(), s.mostSolved())
	states, err := s.states(ctx)
	if err != nil {
		return err
	}
	inCRM, err := s.arrived(ctx, people, states)
	if err != nil {
		return err
	}
	for email, of := range r.from {
		c := &v.shapes[of]
		if state := states[email]; state != "" {
			c.states[state]++
		}
		c.inCRM += inCRM[email]
		v.junk += inCRM[email]
		if mails := len(s.mails.of(email)); mails > 0 {
			v.strangers++
			c.mails += mails
			v.most = max(v.most, mails)
		}
	}
	for _, p := range people {
		v.count(p, states[p.email], inCRM[p.email])
	}
	return nil
}

// count counts an honest reader: they are in the CRM, or one click from it.
func (v *verdict) count(p *person, state string, inCRM int) {
	v.told += p.told
	switch {
	case p.refused != "":
		v.lost = append(v.lost, fmt.Sprintf("%s was refused without words: %s", p.email, p.refused))
	case state == "active" && inCRM == 1:
		v.honest["in the CRM"]++
	case state == "held":
		v.honest["one click of the tenant's away"]++
	case state == "unconfirmed" && !p.held:
		v.honest["one click of theirs away"]++
	default:
		v.lost = append(v.lost, fmt.Sprintf("%s is %q, and %d times in the CRM", p.email, state, inCRM))
	}
}

// states is what everybody is, by address. Who is on both newsletters is what is worse.
func (s *siege) states(ctx context.Context) (map[string]string, error) {
	states := map[string]string{}
	rows, err := s.store.Writer().QueryContext(ctx, `SELECT lower(email), state FROM subscribers`)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var email, state string
		if err := rows.Scan(&email, &state); err != nil {
			return nil, err
		}
		if states[email] != string(db.Active) {
			states[email] = state
		}
	}
	return states, rows.Err()
}

// arrived waits until the honest who are active are in the CRMs, or time is up, and tells how often everybody is there.
func (s *siege) arrived(ctx context.Context, people []*person, states map[string]string) (inCRM map[string]int, err error) {
	for end := time.Now().Add(patience); ; {
		inCRM = map[string]int{}
		for _, crm := range s.world.CRMs {
			emails, err := crm.Emails(ctx)
			if err != nil {
				return nil, err
			}
			for _, email := range emails {
				inCRM[strings.ToLower(email)]++
			}
		}
		missing := slices.ContainsFunc(people, func(p *person) bool { return states[p.email] == string(db.Active) && inCRM[p.email] == 0 })
		if !missing || time.Now().After(end) {
			return inCRM, nil
		}
		if err := wait(ctx, time.Second); err != nil {
			return nil, err
		}
	}
}

// String is the report.
func (v verdict) String() string {
	if v.alike != "" {
		return v.alike
	}
	var b strings.Builder
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(&b, format+"\n", args...) }
	say("%-44s %6s  %-28s %-46s %6s %7s", "robots", "posts", "answers", "became", "mails", "in CRMs")
	for _, c := range v.shapes {
		say("%-44s %6d  %-28s %-46s %6d %7d", c.name, c.posts, counts(c.answers), counts(c.states), c.mails, c.inCRM)
	}
	say("%d records of robots in CRMs; %d strangers got mails, at most %d each; %d mails were looked at by programs; %d proofs made by robots; %d mails to the team", v.junk, v.strangers, v.most, v.scanned, v.solved, v.team)
	say("%d honest readers before and %d meanwhile: %s; told to wait %d times", v.plan.honest, v.plan.honest, counts(v.honest), v.told)
	say("sending the form took them %s before, %s meanwhile", v.quiet, v.besieged)
	for _, l := range v.lost {
		say("WRONG: %s", l)
	}
	return b.String()
}

// counts are counts by what is counted, in order.
func counts[K int | string](of map[K]int) string {
	var all []string
	for _, k := range slices.Sorted(maps.Keys(of)) {
		all = append(all, fmt.Sprintf("%v: %d", k, of[k]))
	}
	return strings.Join(all, ", ")
}
