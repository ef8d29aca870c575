package mail

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gatepost/db"
	"gatepost/db/dbtest"
	"gatepost/mailbox"
	"gatepost/newsletter"
)

// fastServer is a mail server that takes everything, on this machine.
func fastServer(b *testing.B) Server {
	b.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(b.Context())
	done := make(chan error, 1)
	go func() { done <- new(mailbox.Box).Serve(ctx, ln) }()
	b.Cleanup(func() { stop(); <-done })
	s, err := ParseServer("smtp://"+ln.Addr().String(), "Gatepost <gatepost@example.com>")
	if err != nil {
		b.Fatal(err)
	}
	return s
}

// BenchmarkOutbox tells how many mails to readers leave in a minute.
func BenchmarkOutbox(b *testing.B) {
	store, n := benchStore(b, true)
	o := NewOutbox(OutboxConfig{URL: "https://gatepost.example", Server: fastServer(b), Store: store, MACs: digest{}, Now: store.Now, Log: slog.New(slog.DiscardHandler)})
	defer o.connections.close()
	for from := 0; from < b.N; from += 500 {
		var all []db.SignUp
		for i := from; i < min(b.N, from+500); i++ {
			email := fmt.Sprintf("reader%d@example.com", i)
			all = append(all, db.SignUp{TenantID: n.TenantID, NewsletterID: n.ID, Email: email, EmailKey: email, Consent: "I agree.", Source: "form", At: store.Now(), Confirm: true, CanMail: true})
		}
		if _, err := store.AddSignUps(b.Context(), all); err != nil {
			b.Fatal(err)
		}
	}
	b.ResetTimer()
	for more := true; more; {
		var ok bool
		if more, ok = o.turn(b.Context()); !ok {
			b.Fatal("not sent")
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Minutes(), "mails/min")
	var sent int
	if err := store.Writer().QueryRow(`SELECT count(*) FROM reader_mails WHERE state = 'sent'`).Scan(&sent); err != nil || sent != b.N {
		b.Errorf("%d of %d were sent, %v", sent, b.N, err)
	}
}

// benchStore is a database with a newsletter, whose readers confirm or not.
func benchStore(b *testing.B, confirm bool) (*db.DB, db.Newsletter) {
	b.Helper()
	store := dbtest.Open(b, dbtest.Path(b))
	rules := ""
	if confirm {
		rules = `{"confirm":true}`
	}
	for _, query := range []string{
		`INSERT INTO tenants (id, slug, name, created_at, mails_per_hour) VALUES ('t', 'contoso', 'Contoso', 1, 10000000)`,
		`INSERT INTO destinations (id, tenant_id, service, created_at) VALUES ('t', 't', '', 1)`,
		`INSERT INTO newsletters (id, tenant_id, slug, name, consent, created_at, readers) VALUES ('n', 't', 'weekly', 'Weekly', 'I agree.', 1, '` + rules + `')`,
	} {
		if _, err := store.Writer().Exec(query); err != nil {
			b.Fatal(err)
		}
	}
	n, err := store.NewsletterBySlug(b.Context(), "weekly")
	if err != nil {
		b.Fatal(err)
	}
	return store, n
}

// BenchmarkSignUpsBesideMails tells what confirming, and sending the mails beside, costs sign-ups.
func BenchmarkSignUpsBesideMails(b *testing.B) {
	for _, way := range []struct {
		name           string
		confirm, sends bool
	}{{"no confirmation", false, false}, {"confirmation", true, false}, {"confirmation, mails are sent beside", true, true}} {
		b.Run(way.name, func(b *testing.B) {
			store, n := benchStore(b, way.confirm)
			s := newsletter.New(newsletter.Config{Store: store, Mail: true})
			ctx, stop := context.WithCancel(b.Context())
			var running sync.WaitGroup
			running.Go(func() { s.Run(ctx) })
			if way.sends {
				o := NewOutbox(OutboxConfig{URL: "https://gatepost.example", Server: fastServer(b), Store: store, MACs: digest{}, Now: store.Now, Log: slog.New(slog.DiscardHandler)})
				running.Go(func() { o.Run(ctx) })
			}
			var number atomic.Int64
			b.SetParallelism(64)
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					clean, _ := newsletter.Form{Email: fmt.Sprintf("reader%d@example.com", number.Add(1))}.Check()
					if _, err := s.SignUp(b.Context(), n, clean, newsletter.Came{Source: newsletter.FromForm}); err != nil {
						b.Error(err)
					}
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "sign-ups/s")
			var sent int
			_ = store.Writer().QueryRow(`SELECT count(*) FROM reader_mails WHERE state = 'sent'`).Scan(&sent)
			b.ReportMetric(float64(sent)/max(b.Elapsed(), time.Millisecond).Minutes(), "mails/min")
			stop()
			running.Wait()
		})
	}
}
