package main

import (
	"context"
	"net"
	"sync"
	"time"

	"gatepost/db"
	"gatepost/e2e/rig"
	"gatepost/mailbox"
	"gatepost/newsletter"
	"gatepost/screening"
)

// letters is the mail server, with all who read their mails and press the button that they find.
type letters struct {
	ln      net.Listener
	stop    context.CancelFunc
	served  chan error
	pressed sync.WaitGroup
}

// open starts the mail server.
func (l *letters) open(ctx context.Context) (err error) {
	if l.ln, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return err
	}
	ctx, l.stop = context.WithCancel(ctx)
	l.served = make(chan error, 1)
	box := &mailbox.Box{Taken: func(_, text string) {
		if link := rig.ConfirmLink.FindString(text); link != "" {
			l.pressed.Go(func() { press(ctx, link) })
		}
	}}
	go func() { l.served <- box.Serve(ctx, l.ln) }()
	return nil
}

// env tells a portal where the mail server is.
func (l *letters) env() []string {
	return []string{"GATEPOST_SMTP=smtp://" + l.ln.Addr().String(), "GATEPOST_MAIL_FROM=Gatepost <gatepost@portal.example>"}
}

// close ends the mail server, and all who still read.
func (l *letters) close() error {
	if l.served == nil {
		return nil
	}
	l.stop()
	err := <-l.served
	l.pressed.Wait()
	return err
}

// reading is how long a person looks at the page before they press its button: one who does so within two
// seconds isn't believed.
const reading = 2500 * time.Millisecond

// press has a person open a link and press the button, until there is none any more or ctx ends: the portal may
// be killed before it answers.
func press(ctx context.Context, link string) {
	const button = `main button[name="press"]`
	v := rig.NewVisitor()
	for ctx.Err() == nil {
		err := v.Open(ctx, link)
		if err == nil && !v.Sees(button) {
			return
		}
		_ = wait(ctx, reading)
		if err == nil {
			_ = v.Submit(ctx, "main form", "press", "yes") // whether it did is seen by opening the link again
		}
	}
}

// addAsking adds a newsletter that asks by mail and looks at what comes, however much comes from this one network.
func (s *soak) addAsking(ctx context.Context, t db.Tenant) (slug string, err error) {
	slug = t.Slug + "-asking"
	rules := newsletter.NewRules(true)
	rules.Screening.Off = []string{screening.ManyHere, screening.ManyAlike, screening.NoMail} // of the domain no DNS knows
	rules.Screening.Proof = screening.ProofOff
	_, err = s.store.AddNewsletter(ctx, db.NewNewsletter{TenantID: t.ID, Slug: slug, Name: "Asking", Consent: "Yes.", Readers: rules})
	return slug, err
}
