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

// TestShort is the soak test in short: three kills, and Salesforce away for 20
// seconds.
func TestShort(t *testing.T) {
	t.Parallel()
	short(t, plan{rate: 200, portals: 2, kills: 3, every: 3 * time.Second, outage: 20 * time.Second, settle: 5 * time.Minute})
}

// TestShortOnPostgres is the same with three replicas behind a balancer, and PostgreSQL
// restarted five times.
func TestShortOnPostgres(t *testing.T) {
	if os.Getenv(testdb.Variable) == testdb.Off {
		t.Skip(testdb.Variable + " is off: nothing is tested on PostgreSQL")
	}
	t.Parallel()
	short(t, plan{postgres: true, rate: 100, portals: 3, kills: 3, every: 3 * time.Second, outage: 10 * time.Second, settle: 5 * time.Minute})
}

func short(t *testing.T, p plan) {
	t.Helper()
	v, err := p.run(t.Context(), t.TempDir(), t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(v)
	if v.broken() {
		t.Error(errBroken)
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

// TestVerdict shows that the verdict sees what it is there to see.
func TestVerdict(t *testing.T) {
	sent := []string{"A@x.example", "b@x.example", "c@x.example"}
	acknowledged := map[string]bool{"a@x.example": true, "b@x.example": true}
	var v verdict
	v.compare(sent, acknowledged, []string{"A@x.example", "a@X.example", "d@x.example"})
	if some(v.Lost) != "b@x.example" || some(v.Doubled) != "a@x.example" || some(v.Strangers) != "d@x.example" || !v.broken() {
		t.Errorf("got %+v", v)
	}
	v = verdict{}
	v.compare(sent, acknowledged, []string{"a@x.example", "B@x.example", "c@x.example"})
	if len(v.Lost)+len(v.Doubled)+len(v.Strangers) > 0 {
		t.Errorf("got %+v", v)
	}
}

// TestEachPromise shows that each promise is broken by what breaks it, and by
// nothing else.
func TestEachPromise(t *testing.T) {
	kept := db.Sums{db.New: 2, db.Repeated: 1, db.Delivered: 2}
	good := verdict{Acknowledged: 3, Recount: db.Recount{Kept: kept, Rows: kept}, Salesforce: rig.Stats{Contacts: 2, PerEmailMax: 1}}
	if good.broken() {
		t.Fatalf("a good run is broken: %v", good)
	}
	for what, spoil := range map[string]func(*verdict){
		"every acknowledged sign-up is in the CRM":  func(v *verdict) { v.Lost = []string{"a@x.example"} },
		"each address is there once":                func(v *verdict) { v.Doubled = []string{"a@x.example"} },
		"nobody is there who didn't sign up":        func(v *verdict) { v.Strangers = []string{"a@x.example"} },
		"the sum holds, kept and counted":           func(v *verdict) { v.Recount.Rows = db.Sums{db.New: 2, db.Repeated: 1, db.Delivered: 1} },
		"all are delivered, none waits":             func(v *verdict) { v.Salesforce.Contacts = 3 },
		"no refresh token was used twice":           func(v *verdict) { v.Salesforce.ReuseDetected = 1 },
		"the readers got no answer but 202 and 503": func(v *verdict) { v.Surprises = []string{"500"} },
	} {
		v := good
		spoil(&v)
		for promise, held := range v.promises() {
			if held == (promise == what) {
				t.Errorf("%s spoilt: %q is %v", what, promise, held)
			}
		}
		if !v.broken() || !strings.Contains(v.String(), "BROKEN  "+what) {
			t.Errorf("%s spoilt: the verdict doesn't say so", what)
		}
	}
}
