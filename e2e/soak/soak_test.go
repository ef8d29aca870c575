package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gatepost/db"
	"gatepost/db/dbtest/testdb"
	"gatepost/e2e/rig"
)

// TestShort is the soak test in short: three kills, and HubSpot away for a while. Fewer come
// than in a long run: how long a write of unknown outcome settles goes by how many it has.
func TestShort(t *testing.T) {
	t.Parallel()
	short(t, plan{rate: 60, crowd: 90, portals: 2, kills: 3, every: 3 * time.Second, away: rig.HubSpot, outage: 15 * time.Second, settle: 5 * time.Minute})
}

// TestShortOnPostgres is the same with three replicas behind a balancer, PostgreSQL
// restarted five times, and Zoho away.
func TestShortOnPostgres(t *testing.T) {
	if os.Getenv(testdb.Variable) == testdb.Off {
		t.Skip(testdb.Variable + " is off: nothing is tested on PostgreSQL")
	}
	t.Parallel()
	short(t, plan{postgres: true, rate: 60, crowd: 90, portals: 3, kills: 3, every: 3 * time.Second, away: rig.Zoho, outage: 10 * time.Second, settle: 5 * time.Minute})
}

func short(t *testing.T, p plan) {
	t.Helper()
	v, err := p.run(t.Context(), t.TempDir(), t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(v)
	if v.Broken() {
		t.Error(rig.ErrBroken)
	}
	if p.postgres && v.Restarts != len(p.scenarios()) {
		t.Errorf("PostgreSQL was restarted %d times, not once in each scenario", v.Restarts)
	}
}

// TestBalancer shows that each replica gets its share, that a request goes to the next
// one when nobody listens, and that one without an answer is not sent twice.
func TestBalancer(t *testing.T) {
	var got [3]atomic.Int64
	var addresses []string
	for i := range got {
		replica := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			got[i].Add(1)
			body, _ := io.ReadAll(r.Body)
			if string(body) == "die" {
				panic(http.ErrAbortHandler)
			}
			_, _ = fmt.Fprintf(w, "%s %s", r.Host, body)
		}))
		t.Cleanup(replica.Close)
		addresses = append(addresses, replica.Listener.Addr().String())
		if i == 1 {
			replica.Close()
		}
	}
	b, err := newBalancer()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.close() })
	b.start(addresses)
	send := func(body string) (answer string, err error) {
		resp, err := http.Post(b.url(), "text/plain", strings.NewReader(body))
		if err != nil {
			return "", err
		}
		defer func() { _ = resp.Body.Close() }()
		text, err := io.ReadAll(resp.Body)
		return string(text), err
	}
	for range 30 {
		if answer, err := send("hello"); err != nil || answer != strings.TrimPrefix(b.url(), "http://")+" hello" {
			t.Fatalf("answered %q, %v", answer, err)
		}
	}
	if first, last := got[0].Load(), got[2].Load(); first != 15 || last != 15 {
		t.Errorf("of 30 requests %d and %d came", first, last)
	}
	if answer, err := send("die"); err == nil {
		t.Errorf("answered %q", answer)
	}
	if n := got[0].Load() + got[2].Load(); n != 31 {
		t.Errorf("a request that was not answered was sent %d times", n-30)
	}
}

// TestPlan shows that a plan is refused that can't be carried out.
func TestPlan(t *testing.T) {
	good := plan{rate: 3, portals: 1, away: rig.Zoho}
	for name, bad := range map[string]func(*plan){
		"a CRM that there isn't": func(p *plan) { p.away = "zoho crm" },
		"no CRM":                 func(p *plan) { p.away = "" },
		"too few sign-ups":       func(p *plan) { p.rate = 2 },
		"no portal":              func(p *plan) { p.portals = 0 },
	} {
		p := good
		bad(&p)
		if err := p.check(); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	if err := good.check(); err != nil {
		t.Error(err)
	}
}

// TestOneIsAway shows that one CRM alone has the faults of the last scenario, and that all
// have those of the ones before.
func TestOneIsAway(t *testing.T) {
	scenarios := plan{kills: 3, away: rig.Zoho}.scenarios()
	last := len(scenarios) - 1
	for i, sc := range scenarios {
		for _, c := range customers {
			if want := sc.faults != nil && (i < last || c.service == rig.Zoho); sc.hits(c.service) != want {
				t.Errorf("%s: whether %s has its faults is %v", sc.name, c.service, !want)
			}
		}
	}
}

// TestVerdict shows that the verdict sees what it is there to see.
func TestVerdict(t *testing.T) {
	sent := []string{"A@x.example", "b@x.example", "c@x.example"}
	acknowledged := map[string]bool{"a@x.example": true, "b@x.example": true}
	var o outcome
	o.compare(sent, acknowledged, []string{"A@x.example", "a@X.example", "d@x.example"})
	if some(o.Lost) != "b@x.example" || some(o.Doubled) != "a@x.example" || some(o.Strangers) != "d@x.example" || !(verdict{Customers: []outcome{o}}).Broken() {
		t.Errorf("got %+v", o)
	}
	o = outcome{}
	o.compare(sent, acknowledged, []string{"a@x.example", "B@x.example", "c@x.example"})
	if len(o.Lost)+len(o.Doubled)+len(o.Strangers) > 0 {
		t.Errorf("got %+v", o)
	}
}

// TestEachPromise shows that each promise is broken by what breaks it, of one CRM among
// others, and by nothing else.
func TestEachPromise(t *testing.T) {
	outcomeOf := func(name string, away bool) outcome {
		sums := db.Sums{db.Entered: 2, db.Delivered: 2}
		kept := db.AllSums{Subscribers: db.Sums{db.New: 2, db.Repeated: 1, db.Active: 2}, Destinations: map[string]db.Sums{"d": sums}}
		return outcome{Name: name, Away: away, counts: counts{acknowledged: 3}, Recount: db.Recount{Kept: kept, Rows: kept}, Sums: sums,
			CRM: rig.Stats{Contacts: 2, PerEmailMax: 1}, Outage: delays{within: 1}}
	}
	run := func() verdict {
		return verdict{Customers: []outcome{outcomeOf("One", true), outcomeOf("Other", false)}}
	}
	if v := run(); v.Broken() {
		t.Fatalf("a good run is broken: %v", v)
	}
	for what, spoil := range map[string]func(*outcome, *verdict){
		"Other: every acknowledged sign-up is in the CRM": func(o *outcome, _ *verdict) { o.Lost = []string{"a@x.example"} },
		"Other: each address is there once":               func(o *outcome, _ *verdict) { o.Doubled = []string{"a@x.example"} },
		"Other: nobody is there who didn't sign up":       func(o *outcome, _ *verdict) { o.Strangers = []string{"a@x.example"} },
		"Other: both sums hold, kept and counted": func(o *outcome, _ *verdict) {
			o.Recount.Rows.Destinations = map[string]db.Sums{"d": {db.Entered: 2, db.Delivered: 1}}
		},
		"Other: what looks like a robot's is held": func(o *outcome, _ *verdict) { o.Unheld = []string{"a@x.example"} },
		"Other: nobody who was asked is left unconfirmed": func(o *outcome, _ *verdict) {
			for _, sums := range []db.AllSums{o.Recount.Kept, o.Recount.Rows} {
				sums.Subscribers[db.Unconfirmed]++
				sums.Subscribers[db.New]++
			}
		},
		"Other: all are delivered, none waits":        func(o *outcome, _ *verdict) { o.CRM.Contacts = 3 },
		"Other: no refresh token was used twice":      func(o *outcome, _ *verdict) { o.CRM.ReuseDetected = 1 },
		"Other: it goes on while another CRM is away": func(o *outcome, _ *verdict) { o.Outage.within = 0 },
		"the readers got no answer but 202 and 503":   func(_ *outcome, v *verdict) { v.Surprises = []string{"500"} },
	} {
		v := run()
		spoil(&v.Customers[1], &v)
		for promise, held := range v.promises() {
			if held == (promise == what) {
				t.Errorf("%s spoilt: %q is %v", what, promise, held)
			}
		}
		if !v.Broken() || !strings.Contains(v.String(), "BROKEN  "+what) {
			t.Errorf("%s spoilt: the verdict doesn't say so", what)
		}
	}
}
