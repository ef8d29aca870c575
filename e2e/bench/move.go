package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"gatepost/db"
	"gatepost/e2e/rig"
)

// comeEvery is how often somebody signs up while the tenant moves.
const comeEvery = 20 * time.Millisecond

// move measures a tenant that moves from Salesforce to HubSpot while people sign up.
func (b bench) move(ctx context.Context) error {
	return inWorld(ctx, func(w *rig.World, p *rig.Portal) error {
		m, err := moveTenant(ctx, w, p, b.moved)
		if err != nil {
			return err
		}
		say("move         %d people in Salesforce after %v; in HubSpot after %v, with %d API calls, %d more signed up meanwhile", b.moved,
			m.arrived.Round(time.Second), m.moved.Round(time.Second), m.calls, len(m.came))
		for _, wrong := range m.wrong(b.moved) {
			say("move         WRONG: %s", wrong)
		}
		return nil
	})
}

// moved is what came of a move.
type moved struct {
	arrived, moved time.Duration  // how long the first CRM took, and the second
	calls          int            // of the second
	came           []string       // who signed up meanwhile
	late           []string       // who did after the first CRM was removed
	first, second  map[string]int // how often each address is there
}

// wrong tells what is not as it has to be: everybody in both, once, and in the second alone
// who came after the first was removed.
func (m moved) wrong(size int) (all []string) {
	find := func(where string, there map[string]int, want []string) {
		for _, email := range want {
			if there[email] != 1 {
				all = append(all, fmt.Sprintf("%s is in %s %d times", email, where, there[email]))
			}
		}
		if len(there) != len(want) {
			all = append(all, fmt.Sprintf("%d addresses are in %s, want %d", len(there), where, len(want)))
		}
	}
	before := append([]string{}, m.came...)
	for n := range size {
		before = append(before, crowd{domain: moveDomain}.email(n))
	}
	find("the first", m.first, before)
	find("the second", m.second, append(before, m.late...))
	return all
}

// moveDomain is where those have their mailboxes who move.
const moveDomain = "move.example"

// moving is a tenant that moves, as its admin does it.
type moving struct {
	rig.Tenant
	size          int
	letter        db.Newsletter
	before        int // how many were there already
	portal        *rig.Portal
	store         *db.DB
	first, second *rig.CRM
}

// moveTenant moves a tenant, to which people of a size are added.
func moveTenant(ctx context.Context, w *rig.World, p *rig.Portal, size int) (m moved, err error) {
	v := moving{Tenant: rig.Contoso, size: size, portal: p, first: w.CRM(rig.Salesforce), second: w.CRM(rig.HubSpot)}
	err = withStore(ctx, w, func(store *db.DB) (err error) {
		v.store = store
		for _, step := range []func(context.Context, *moved) error{v.settle, v.move, v.leave} {
			if err := step(ctx, &m); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return m, err
	}
	if m.first, err = addresses(ctx, v.first); err != nil {
		return m, err
	}
	m.second, err = addresses(ctx, v.second)
	return m, err
}

// key is the destination in one of the CRMs.
func (v *moving) key(ctx context.Context, crm *rig.CRM) (db.DestinationKey, error) {
	return destinationOf(ctx, v.store, v.letter.TenantID, crm.Service)
}

// arrived waits until so many are in a CRM, beside those who were there before.
func (v *moving) arrived(ctx context.Context, crm *rig.CRM, n int) error {
	key, err := v.key(ctx, crm)
	if err != nil {
		return err
	}
	return delivered(ctx, v.store, key, v.before+n)
}

// settle brings everybody into the first CRM.
func (v *moving) settle(ctx context.Context, m *moved) (err error) {
	if v.letter, err = v.store.NewsletterBySlug(ctx, v.Slug+"-weekly"); err != nil {
		return err
	}
	sums, err := v.store.Sums(ctx, v.letter.TenantID)
	if err != nil {
		return err
	}
	v.before = sums.Subscribers[db.New]
	if err := (crowd{letter: v.letter, domain: moveDomain, size: v.size}).store(ctx, v.store); err != nil {
		return err
	}
	begun := time.Now()
	if _, err := v.key(ctx, v.first); err != nil {
		if err := v.portal.Connect(ctx, v.Tenant, v.first); err != nil {
			return err
		}
	}
	err = v.arrived(ctx, v.first, v.size)
	m.arrived = time.Since(begun)
	return err
}

// move adds the second CRM and sends everybody there as well, while people sign up.
func (v *moving) move(ctx context.Context, m *moved) (err error) {
	coming, stop := context.WithCancel(ctx)
	var failed error
	var all sync.WaitGroup
	all.Go(func() { m.came, failed = v.come(coming) })
	defer func() { stop(); all.Wait(); err = errors.Join(err, failed) }()
	before, err := v.second.Stats(ctx)
	if err != nil {
		return err
	}
	begun := time.Now()
	if err := v.portal.Connect(ctx, v.Tenant, v.second); err != nil {
		return err
	}
	if err := v.press(ctx, "/integrations/"+v.second.Service+"/everybody"); err != nil {
		return err
	}
	if err := v.arrived(ctx, v.second, v.size); err != nil {
		return err
	}
	m.moved = time.Since(begun)
	stop()
	all.Wait()
	after, err := v.second.Stats(ctx)
	m.calls = after.APICalls - before.APICalls
	return errors.Join(err, v.arrived(ctx, v.second, v.size+len(m.came)), v.arrived(ctx, v.first, v.size+len(m.came)))
}

// come has people sign up until ctx ends, and returns who did.
func (v *moving) come(ctx context.Context) (came []string, err error) {
	for n := 0; pause(ctx, comeEvery) == nil; n++ {
		email := fmt.Sprintf("meanwhile%d@%s", n, moveDomain)
		if err := signUp(v.portal.Form(v.Tenant), email); err != nil {
			return came, err
		}
		came = append(came, email)
	}
	return came, nil
}

// leave removes the first CRM. Who signs up then comes to the second alone.
func (v *moving) leave(ctx context.Context, m *moved) error {
	if err := v.press(ctx, "/integrations/"+v.first.Service+"/remove"); err != nil {
		return err
	}
	for n := range 10 {
		m.late = append(m.late, fmt.Sprintf("late%d@%s", n, moveDomain))
		if err := signUp(v.portal.Form(v.Tenant), m.late[n]); err != nil {
			return err
		}
	}
	return v.arrived(ctx, v.second, v.size+len(m.came)+len(m.late))
}

// press opens a page that asks, and says yes.
func (v *moving) press(ctx context.Context, path string) error {
	visitor, err := v.portal.SignIn(ctx, v.Tenant)
	if err != nil {
		return err
	}
	if err := visitor.Open(ctx, v.portal.URL+path); err != nil {
		return err
	}
	return visitor.Submit(ctx, `form[action$="`+path+`"]`)
}

// addresses tells how often each address of those who move is in a CRM.
func addresses(ctx context.Context, crm *rig.CRM) (map[string]int, error) {
	emails, err := crm.Emails(ctx)
	there := map[string]int{}
	for _, email := range emails {
		if strings.HasSuffix(email, "@"+moveDomain) {
			there[strings.ToLower(email)]++
		}
	}
	return there, err
}
