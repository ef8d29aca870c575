package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"sync"
	"time"

	"gatepost/db"
	"gatepost/e2e/rig"
	"gatepost/identity"
	"gatepost/mailbox"
	"gatepost/newsletter"
	"gatepost/screening"
	"gatepost/seal"
)

// plan is what a siege is made of.
type plan struct {
	junk, honest int
	lasts        time.Duration
	unconfirmed  bool // who signs up isn't asked to confirm
	alike        int  // addresses of each kind, to compare the answers with; 0 for a siege
}

// siege is one that is under way.
type siege struct {
	plan
	world   *rig.World
	portal  *rig.Portal
	store   *db.DB
	macs    *seal.MACs
	forms   []string // addresses of the newsletters' forms
	letters []string // ids of the newsletters
	mails   *letterbox
	proofs  proofs
}

// The newsletters that are besieged, one of each tenant, and the CRM of each.
var besieged = []struct {
	rig.Tenant
	crm string
}{{rig.Contoso, rig.Salesforce}, {rig.Fabrikam, rig.HubSpot}}

// run carries out the plan with its data in a folder.
func (p plan) run(ctx context.Context, folder string) (v verdict, err error) {
	s := &siege{plan: p}
	s.world, err = rig.NewWorld(ctx, folder, "")
	defer func() { err = errors.Join(err, s.world.Close()) }()
	if err != nil {
		return v, err
	}
	if s.store, err = db.Open(ctx, s.world.Database()); err != nil {
		return v, err
	}
	defer func() { err = errors.Join(err, s.store.Close()) }()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return v, err
	}
	s.mails = &letterbox{mails: map[string][]string{}}
	box, done := &mailbox.Box{Taken: s.mails.take}, make(chan error, 1)
	serving, stop := context.WithCancel(ctx)
	go func() { done <- box.Serve(serving, ln) }()
	defer func() { stop(); err = errors.Join(err, <-done) }()
	if s.portal, err = s.world.AddPortal(ctx, "GATEPOST_SIGNUP_LIMITS=", "GATEPOST_TRUSTED_PROXIES=127.0.0.0/8",
		"GATEPOST_SMTP=smtp://"+ln.Addr().String(), "GATEPOST_MAIL_FROM=Gatepost <gatepost@portal.example>"); err != nil {
		return v, err
	}
	defer func() { err = errors.Join(err, s.portal.Stop()) }()
	if err := s.open(ctx, folder); err != nil {
		return v, err
	}
	if p.alike > 0 {
		v.alike, err = s.alike(ctx, p.alike)
		return v, err
	}
	return s.besiege(ctx)
}

// open makes the newsletters, and connects each tenant's CRM.
func (s *siege) open(ctx context.Context, folder string) error {
	keys, err := seal.OpenKeyring(ctx, filepath.Join(folder, "keyset.json"), s.store, identity.Sealed, seal.SealedMACs)
	if err != nil {
		return err
	}
	if s.macs, err = seal.OpenMACs(ctx, keys, s.store); err != nil {
		return err
	}
	for _, b := range besieged {
		if err := s.portal.Connect(ctx, b.Tenant, s.world.CRM(b.crm)); err != nil {
			return err
		}
		tenant, err := s.store.TenantBySlug(ctx, b.Slug)
		if err != nil {
			return err
		}
		rules := newsletter.NewRules(!s.unconfirmed)
		rules.Screening.Off = []string{screening.NoMail} // there is no DNS that knows the made-up domains
		slug := b.Slug + "-besieged"
		id, err := s.store.AddNewsletter(ctx, db.NewNewsletter{TenantID: tenant.ID, Slug: slug, Name: "Besieged", Consent: "Yes, please.", Readers: rules})
		if err != nil {
			return err
		}
		s.letters, s.forms = append(s.letters, id), append(s.forms, s.portal.URL+"/signup/"+slug)
	}
	return nil
}

// besiege has readers come while nothing else happens, and then others beside robots.
func (s *siege) besiege(ctx context.Context) (v verdict, err error) {
	v.plan = s.plan
	scanned, stop := context.WithCancel(ctx)
	defer stop()
	var scanners sync.WaitGroup
	for range scannersAtOnce {
		scanners.Go(func() { s.mails.scan(scanned, s.portal.URL) })
	}
	defer func() {
		stop()
		scanners.Wait()
		v.scanned, v.team = s.mails.scanned.Load(), s.mails.toTeam()
		err = errors.Join(err, s.mails.failed())
	}()
	if err := s.proofs.make(ctx, s.forms, s.honest+int(s.mostSolved())); err != nil {
		return v, fmt.Errorf("make proofs of work: %w", err)
	}
	quiet, err := s.readers(ctx, 0)
	if err != nil {
		return v, fmt.Errorf("the quiet part: %w", err)
	}
	v.quiet = tookOf(quiet)
	robots, err := s.newRobots(ctx)
	if err != nil {
		return v, err
	}
	var attacks sync.WaitGroup
	var failed error
	attacks.Go(func() { v.shapes, failed = robots.attack(ctx) })
	people, err := s.readers(ctx, s.honest)
	attacks.Wait()
	if err := errors.Join(err, failed); err != nil {
		return v, err
	}
	v.besieged = tookOf(people)
	if err := s.mails.settle(ctx, s.store); err != nil {
		return v, err
	}
	return v, s.judge(ctx, &v, append(quiet, people...), robots)
}

// each calls do for numbers up to n, one after the other over a time, each on its own.
func each(ctx context.Context, n int, over time.Duration, do func(n int) error) error {
	errs := make([]error, n)
	var all sync.WaitGroup
	begun := time.Now()
	for i := range n {
		if err := wait(ctx, time.Until(begun.Add(over*time.Duration(i)/time.Duration(n)))); err != nil {
			break
		}
		all.Go(func() { errs[i] = do(i) })
	}
	all.Wait()
	return errors.Join(append(errs, ctx.Err())...)
}

// wait waits for a time.
func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
