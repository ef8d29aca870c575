package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"gatepost/db"

	"github.com/riverqueue/river"
)

// stuck has n subscribers of the tenant refused by the CRM.
func stuck(t *testing.T, d *db.DB, tenantID string, n int) {
	t.Helper()
	letters, err := d.Newsletters(t.Context(), tenantID)
	if err != nil {
		t.Fatal(err)
	}
	signUps := make([]db.SignUp, n)
	for i := range signUps {
		email := fmt.Sprintf("%d@reader.example", i)
		signUps[i] = db.SignUp{TenantID: tenantID, NewsletterID: letters[0].ID, Email: email, EmailKey: email, Consent: "Yes.", Source: "form", At: time.Now()}
	}
	stored, err := d.AddSignUps(t.Context(), signUps)
	if err != nil {
		t.Fatal(err)
	}
	outcomes := make([]db.Outcome, n)
	for i, s := range stored {
		outcomes[i] = db.Outcome{SubscriberID: s.ID, State: db.Attention, Reason: "ODD"}
	}
	l := db.Lease{DestinationKey: db.DestinationKey{TenantID: tenantID, DestinationID: tenantID}, Owner: "me"}
	if err := d.TakeLease(t.Context(), l); err != nil {
		t.Fatal(err)
	}
	if err := d.RecordOutcomes(t.Context(), l, outcomes); err != nil {
		t.Fatal(err)
	}
}

func TestActionsAreDone(t *testing.T) {
	d, s, g, ctx := world(t, 0)
	const n = 3*db.ActionBatch + 7
	stuck(t, d, g.TenantID, n)
	var ids []string
	for _, a := range []db.Action{{Kind: db.ActionDismiss, Reason: "ODD", Note: "No."}, {Kind: db.ActionRecount}} {
		a.TenantID, a.Service, a.Actor = g.TenantID, "sfdc", g.ConnectedBy
		if a.Kind != db.ActionRecount {
			a.DestinationID = g.TenantID
		}
		a, err := d.StartAction(ctx, a)
		if err != nil || !a.EndedAt.IsZero() {
			t.Fatalf("%+v, %v", a, err)
		}
		ids = append(ids, a.ID)
	}
	run(t, d, s)
	for left := len(ids); left > 0; rest(ctx, glance) {
		o, err := d.Overview(ctx, g.TenantID, "", "")
		if err != nil {
			t.Fatal(err)
		}
		left = len(ids)
		for _, a := range o.Actions {
			if !a.EndedAt.IsZero() {
				left--
				if a.Done != n || a.Error != "" {
					t.Errorf("got %+v", a)
				}
			}
		}
	}
	if r, err := d.Recount(ctx, g.TenantID); err != nil || !r.Agrees() || r.Kept.Destinations[g.TenantID][db.Dismissed] != n {
		t.Errorf("got %+v, %v", r, err)
	}
}

// steps are what an action comes to, one after the other.
type steps struct {
	brokenStore
	all     []func() (db.Action, error)
	n       int
	yielded bool
}

// StepAction takes the next step; the last one again and again.
func (s *steps) StepAction(context.Context, string) (db.Action, error) {
	step := s.all[min(s.n, len(s.all)-1)]
	s.n++
	return step()
}

// YieldAction can be done once.
func (s *steps) YieldAction(context.Context, string) error {
	if s.yielded = !s.yielded; s.yielded {
		return nil
	}
	return errors.New("yielded before")
}

func TestAnActionsJob(t *testing.T) {
	lost := errors.New("disk")
	step := func(a db.Action, err error) func() (db.Action, error) {
		return func() (db.Action, error) { return a, err }
	}
	under, ended := step(db.Action{}, nil), step(db.Action{EndedAt: time.Now()}, nil)
	for name, c := range map[string]struct {
		all  []func() (db.Action, error)
		turn time.Duration
		n    int
		err  error
		logs bool
	}{
		"goes on to the end":              {[]func() (db.Action, error){under, under, ended}, time.Hour, 3, nil, false},
		"gives the others their turn":     {[]func() (db.Action, error){under, under, ended}, 0, 1, river.JobSnooze(0), false},
		"tells how it ended":              {[]func() (db.Action, error){step(db.Action{EndedAt: time.Now(), Error: db.ActionDisagrees}, nil)}, time.Hour, 1, nil, true},
		"ends when somebody else was it":  {[]func() (db.Action, error){under, step(db.Action{}, db.ErrNotFound)}, time.Hour, 2, nil, false},
		"fails, and is resumed by others": {[]func() (db.Action, error){under, step(db.Action{}, lost)}, time.Hour, 2, lost, false},
	} {
		t.Run(name, func(t *testing.T) {
			var log strings.Builder
			s := &steps{all: c.all}
			err := (&actionWorker{store: s, log: slog.New(slog.NewTextHandler(&log, nil)), turn: c.turn}).Work(t.Context(), &river.Job[db.ActionJob]{})
			if !errors.Is(err, c.err) || s.n != c.n || s.yielded != (c.turn == 0) || (log.Len() > 0) != c.logs {
				t.Errorf("%v after %d steps: %s", err, s.n, &log)
			}
		})
	}
}
