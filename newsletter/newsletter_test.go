package newsletter

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gatepost/crm"
	"gatepost/db"
	"gatepost/db/dbtest"
	"gatepost/forms"
)

func open(t testing.TB) *db.DB {
	t.Helper()
	d := dbtest.Open(t, dbtest.Path(t))
	_, err := d.Writer().Exec(`INSERT INTO tenants (id, slug, name, created_at) VALUES ('a', 'a', 'A', 1), ('b', 'b', 'B', 1);
		INSERT INTO destinations (id, tenant_id, service, created_at) VALUES ('a', 'a', '', 1), ('b', 'b', '', 1);
		INSERT INTO newsletters (id, tenant_id, slug, name, consent, created_at) VALUES ('n', 'a', 'weekly', 'Weekly', 'Yes.', 1)`)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// start runs a service, and returns it with what stops it.
func start(t testing.TB, c Config) (s *Service, stop func()) {
	t.Helper()
	s = New(c)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); s.Run(ctx) }()
	stop = func() { cancel(); <-done }
	t.Cleanup(stop)
	return s, stop
}

func weekly(t testing.TB, s *Service) db.Newsletter {
	t.Helper()
	n, err := s.BySlug(context.Background(), "weekly")
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// gate is a store that waits before it writes, and fails when told to.
type gate struct {
	*db.DB
	arrived chan int // group sizes
	open    chan error
}

func newGate(d *db.DB) *gate { return &gate{DB: d, arrived: make(chan int), open: make(chan error)} }

func (g *gate) AddSignUps(ctx context.Context, s []db.SignUp) ([]db.SignedUp, error) {
	g.arrived <- len(s)
	if err := <-g.open; err != nil {
		return nil, err
	}
	return g.DB.AddSignUps(ctx, s)
}

// checked is the form, or nothing when it isn't in order.
func checked(f Form) Checked {
	c, _ := f.Check()
	return c
}

func TestSignUp(t *testing.T) {
	d, ctx := open(t), context.Background()
	var woken []string
	s, _ := start(t, Config{Store: d, Wake: func(id string) { woken = append(woken, id) }})
	n := weekly(t, s)
	id, err := s.SignUp(ctx, n, checked(Form{Email: " Jane@Example.com ", LastName: " Doe "}), Came{Source: FromAPI})
	if err != nil {
		t.Fatal(err)
	}
	again, err := s.SignUp(ctx, n, checked(Form{Email: "jane@example.com"}), Came{Source: FromForm})
	if err != nil || again != id {
		t.Errorf("repeated: %q, %v", again, err)
	}
	st, err := d.Subscriber(ctx, "a", id)
	if err != nil || st.Email != "Jane@Example.com" || st.EmailKey != "jane@example.com" || st.LastName != "Doe" || st.State != db.Waiting || StatusOf(st, db.Pause{}, time.Now()).Why != "" {
		t.Errorf("got %+v, %v", st, err)
	}
	if _, err := d.Subscriber(ctx, "b", id); !errors.Is(err, db.ErrNotFound) {
		t.Errorf("another tenant got %v", err)
	}
	sums, err := d.Sums(ctx, "a")
	if err != nil || !sums.Subscribers.Equal(db.Sums{db.New: 1, db.Repeated: 1, db.Active: 1}) || !sums.Destinations["a"].Equal(db.Sums{db.Entered: 1, db.Waiting: 1}) {
		t.Errorf("sums %+v, %v", sums, err)
	}
	if r, err := d.Recount(ctx, "a"); err != nil || !r.Agrees() {
		t.Errorf("recount %+v, %v", r, err)
	}
	var sources string
	err = d.Writer().QueryRow(`SELECT s.source || ' ' || c.source FROM subscribers s JOIN consents c ON c.subscriber_id = s.id`).Scan(&sources)
	if err != nil || sources != "api form" {
		t.Errorf("sources %q, %v", sources, err)
	}
	if _, err := s.SignUp(ctx, n, checked(Form{Email: "nobody"}), Came{Source: FromForm}); !errors.Is(err, ErrInvalid) {
		t.Errorf("got %v", err)
	}
	if list, err := s.OfTenant(ctx, "a"); err != nil || len(list) != 1 {
		t.Errorf("got %+v, %v", list, err)
	}
}

func TestAPauseIsShownWithWhoWaits(t *testing.T) {
	d, ctx := open(t), context.Background()
	s, _ := start(t, Config{Store: d})
	id, err := s.SignUp(ctx, weekly(t, s), checked(Form{Email: "jane@example.com"}), Came{Source: FromTest})
	if err != nil {
		t.Fatal(err)
	}
	to := db.DestinationKey{TenantID: "a", DestinationID: "a"}
	lease := db.Lease{DestinationKey: to, Owner: "me"}
	if err := errors.Join(d.TakeLease(ctx, lease), d.SetPause(ctx, lease, db.Pause{Reason: crm.NotConnected, Detail: "x"})); err != nil {
		t.Fatal(err)
	}
	sub, err := d.Subscriber(ctx, "a", id)
	if err != nil {
		t.Fatal(err)
	}
	p, err := d.Pause(ctx, to)
	st := StatusOf(sub, p, time.Now())
	if err != nil || st.Why != crm.NotConnected || st.Said != "x" {
		t.Errorf("got %+v, %v", st, err)
	}
	page, err := s.Subscribers(ctx, "a", db.SubscriberQuery{Text: " JANE@", Limit: 9})
	if err != nil || len(page.Rows) != 1 || !reflect.DeepEqual(page.Rows[0], st) || page.Next || page.Previous {
		t.Errorf("got %+v, %v", page, err)
	}
}

func TestNobodyIsAnsweredBeforeTheCommit(t *testing.T) {
	d := open(t)
	synctest.Test(t, func(t *testing.T) {
		g := newGate(d)
		s, stop := start(t, Config{Store: g})
		defer stop()
		n := weekly(t, s)
		var answered atomic.Int32
		var all sync.WaitGroup
		signUp := func(email string) {
			all.Go(func() {
				_, err := s.SignUp(context.Background(), n, checked(Form{Email: email}), Came{Source: FromForm})
				if answered.Add(1); err != nil {
					t.Error(err)
				}
			})
		}
		signUp("first@example.com")
		if n := <-g.arrived; n != 1 {
			t.Errorf("a group of %d", n)
		}
		for i := range groupSize + 10 {
			signUp(fmt.Sprintf("r%d@example.com", i))
		}
		synctest.Wait()
		if answered.Load() != 0 {
			t.Fatal("answered too early")
		}
		for _, want := range []int{groupSize, 10} {
			g.open <- nil
			if got := <-g.arrived; got != want {
				t.Errorf("a group of %d, want %d", got, want)
			}
		}
		g.open <- nil
		all.Wait()
	})
}

func TestAFailedCommitIsAnErrorForAllInIt(t *testing.T) {
	d := open(t)
	synctest.Test(t, func(t *testing.T) {
		g, woken := newGate(d), 0
		s, stop := start(t, Config{Store: g, Wake: func(string) { woken++ }})
		defer stop()
		n, full := weekly(t, s), errors.New("disk full")
		var all sync.WaitGroup
		for i := range 3 {
			all.Go(func() {
				if _, err := s.SignUp(context.Background(), n, checked(Form{Email: fmt.Sprintf("r%d@example.com", i)}), Came{Source: FromForm}); !errors.Is(err, full) {
					t.Errorf("got %v", err)
				}
			})
		}
		for got := 0; got < 3; {
			got += <-g.arrived
			g.open <- full
		}
		all.Wait()
		if woken != 0 {
			t.Error("woke for nothing")
		}
	})
}

func TestAFullQueueIsBusy(t *testing.T) {
	d := open(t)
	synctest.Test(t, func(t *testing.T) {
		s := New(Config{Store: d}) // nobody stores
		n := weekly(t, s)
		ctx, cancel := context.WithCancel(context.Background())
		var all sync.WaitGroup
		for i := range queueSize {
			all.Go(func() {
				if _, err := s.SignUp(ctx, n, checked(Form{Email: fmt.Sprintf("r%d@example.com", i)}), Came{Source: FromForm}); !errors.Is(err, context.Canceled) {
					t.Errorf("got %v", err)
				}
			})
		}
		synctest.Wait()
		if _, err := s.SignUp(ctx, n, checked(Form{Email: "one@example.com"}), Came{Source: FromForm}); !errors.Is(err, ErrBusy) {
			t.Errorf("got %v", err)
		}
		cancel()
		all.Wait()
	})
}

func TestStoppingStoresWhatIsQueued(t *testing.T) {
	d := open(t)
	synctest.Test(t, func(t *testing.T) {
		g := newGate(d)
		s, stop := start(t, Config{Store: g})
		n := weekly(t, s)
		var all sync.WaitGroup
		for i := range 5 {
			all.Go(func() {
				if _, err := s.SignUp(context.Background(), n, checked(Form{Email: fmt.Sprintf("r%d@example.com", i)}), Came{Source: FromForm}); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait() // one group is being stored, the rest is queued
		go func() {
			for got := 0; got < 5; {
				got += <-g.arrived
				synctest.Wait()
				g.open <- nil
			}
		}()
		stop()
		all.Wait()
		if _, err := s.SignUp(context.Background(), n, checked(Form{Email: "late@example.com"}), Came{Source: FromForm}); !errors.Is(err, ErrBusy) {
			t.Errorf("got %v", err)
		}
		if sums, err := g.DB.Sums(context.Background(), "a"); err != nil || sums.Subscribers[db.New] != 5 {
			t.Errorf("got %+v, %v", sums, err)
		}
	})
}

// BenchmarkSignUp compares the writer with a commit for each sign-up.
func BenchmarkSignUp(b *testing.B) {
	b.Run("writer", func(b *testing.B) {
		s, _ := start(b, Config{Store: open(b)})
		n := weekly(b, s)
		bench(b, func(f Form) error {
			_, err := s.SignUp(context.Background(), n, checked(f), Came{Source: FromForm})
			return err
		})
	})
	b.Run("commit each", func(b *testing.B) {
		d := open(b)
		bench(b, func(f Form) error {
			_, err := d.AddSignUps(context.Background(), []db.SignUp{{TenantID: "a", NewsletterID: "n", Email: f.Email, EmailKey: f.Email, Consent: "Yes."}})
			return err
		})
	})
}

func bench(b *testing.B, signUp func(Form) error) {
	var n atomic.Int64
	b.SetParallelism(32) // 64 goroutines on 2 processors
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := signUp(Form{Email: fmt.Sprintf("r%d@example.com", n.Add(1))}); err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "sign-ups/s")
}

// What is sent by a version of a form is kept with it and with its words; what is no version is
// the present one. A newsletter that is closed takes nothing.
func TestFormsOfANewsletter(t *testing.T) {
	d, ctx := open(t), context.Background()
	s, _ := start(t, Config{Store: d})
	n := weekly(t, s)
	for version, words := range []string{"One.", "Two."} {
		edited := n.Form
		edited.Consent.Words = words
		if version == 0 {
			edited.Fields = append(edited.Fields, forms.Field{Type: forms.Text, Label: "Company"})
		}
		next, faults := forms.Next(n.Form, edited)
		if faults != nil {
			t.Fatal(faults)
		}
		if err := d.SaveForm(ctx, "a", "n", next, ""); err != nil {
			t.Fatal(err)
		}
		s.Forget()
		n = weekly(t, s)
	}
	for said, want := range map[string]int{"": 2, "x": 2, "3": 2, "-1": 2, "2": 2, "1": 1, "0": 0, "99999999999999999999": 2} {
		shown, err := s.FormShown(ctx, n, said)
		if err != nil || shown.Version != want || shown.Consent.Words != []string{"Yes.", "One.", "Two."}[want] {
			t.Errorf("%q: %+v, %v", said, shown, err)
		}
		email := fmt.Sprintf("by%s@example.com", said)
		if want < 2 || said == "2" {
			clean, problems := CheckForm(n, shown, forms.Sent{"email": {Texts: []string{email}}, "company": {Texts: []string{"Contoso"}}})
			id, err := s.SignUp(ctx, n, clean, Came{Source: FromForm})
			if err != nil {
				t.Fatal(problems, err)
			}
			sub, err := d.Subscriber(ctx, "a", id)
			var words string
			if err == nil {
				err = d.Writer().QueryRow(`SELECT w.text FROM subscribers s JOIN wordings w ON w.id = s.wording_id WHERE s.id = $1`, id).Scan(&words)
			}
			if err != nil || sub.FormVersion != want || words != shown.Consent.Words || sub.Fields["f1"] != "Contoso" {
				t.Errorf("%q: %+v, %s, %v", said, sub, words, err)
			}
		}
	}
	for _, state := range []db.NewsletterState{db.NewsletterPaused, db.NewsletterArchived} {
		n.State = state
		if _, err := s.SignUp(ctx, n, checked(Form{Email: "late@example.com"}), Came{Source: FromForm}); !errors.Is(err, ErrClosed) {
			t.Errorf("%s: %v", state, err)
		}
		if _, err := s.Test(ctx, n, checked(Form{Email: "late@example.com"})); !errors.Is(err, ErrClosed) {
			t.Errorf("%s: %v", state, err)
		}
	}
	if _, err := d.SubscriberAt(ctx, "a", "n", "late@example.com"); !errors.Is(err, db.ErrNotFound) {
		t.Errorf("it is stored: %v", err)
	}
}
