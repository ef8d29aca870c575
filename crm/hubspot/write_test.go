package hubspot_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"gatepost/crm"
)

// sentInputs are the inputs of a batch that was sent.
func (s sentCall) inputs(t *testing.T) []map[string]any {
	t.Helper()
	var b struct{ Inputs []map[string]any }
	if err := json.Unmarshal([]byte(s.body), &b); err != nil {
		t.Fatal(err)
	}
	return b.Inputs
}

// Addresses are in lower case and each once, before reads and before writes.
func Test7b06AddressesAreLoweredAndDeduped(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	since := len(w.sent)
	if found := w.find("Ada@Contoso.example", " ada@contoso.example ", "", "bob@contoso.example"); len(found) != 0 {
		t.Errorf("%+v", found)
	}
	if in := w.sent[since].inputs(t); len(in) != 2 || in[0]["id"] != "ada@contoso.example" || in[1]["id"] != "bob@contoso.example" {
		t.Errorf("read %v", in)
	}
	r := w.write(crm.Write{Fields: crm.Fields{crm.Email: "Ada@Contoso.example"}}, crm.Write{Fields: crm.Fields{crm.Email: "ADA@contoso.example"}})
	same(t, "calls", w.paths(since+1), "create", "create", "read")
	if r[0].Err != nil || r[1].Err != nil || r[0].ID != r[1].ID || !r[0].Made || r[1].Made {
		t.Errorf("%+v", r)
	}
	if in := w.sent[since+1].inputs(t); len(in) != 1 || in[0]["properties"].(map[string]any)["email"] != "ada@contoso.example" {
		t.Errorf("created %v", in)
	}
}

// Every input of a write has a trace id of its own.
func Test7b09TraceIDsAreUnique(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	writes, _ := readers(100)
	since := len(w.sent)
	made := w.write(writes...)
	for i := range writes {
		writes[i] = crm.Write{ID: made[i].ID, Fields: crm.Fields{crm.LastName: "Byron"}}
	}
	w.write(writes...)
	for _, s := range w.sent[since:] {
		var traces []string
		for _, in := range s.inputs(t) {
			traces = append(traces, fmt.Sprint(in["objectWriteTraceId"]))
		}
		slices.Sort(traces)
		if n := len(slices.Compact(traces)); n != 100 {
			t.Errorf("%s: %d trace ids", s.path, n)
		}
	}
}

// Creates and changes are two calls; when the second fails, what the first did is told.
func Test7b11AFailedSecondCallKeepsTheFirst(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.made(crm.Fields{crm.Email: "ada@contoso.example"})
	for name, test := range map[string]struct {
		fault   string
		unknown bool
	}{
		"refused":      {`{"on":"batch_update","status":423,"count":1}`, false},
		"without word": {`{"on":"batch_update","status":502,"html":true,"count":1}`, true},
	} {
		w.fault("%s", test.fault)
		r := w.write(crm.Write{ID: id, Fields: crm.Fields{crm.LastName: "Byron"}}, crm.Write{Fields: crm.Fields{crm.Email: strings.ReplaceAll(name, " ", "-") + "@contoso.example"}})
		if r[1].Err != nil || !r[1].Made {
			t.Errorf("%s: the first call: %+v", name, r[1])
		}
		if f, ok := errors.AsType[*crm.Failure](r[0].Err); !ok || f.Class != crm.Pause || f.Unknown != test.unknown {
			t.Errorf("%s: the second call: %+v", name, r[0])
		}
	}
}

// What comes behind a call that paused everybody is not sent.
func Test7b11NothingIsSentBehindAPause(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	one, two := w.made(crm.Fields{crm.Email: "ada@contoso.example"}), w.made(crm.Fields{crm.Email: "bob@contoso.example"})
	since := len(w.sent)
	w.fault(`{"on":"batch_update","status":524,"count":1}`)
	name := crm.Fields{crm.LastName: "Byron"}
	r := w.write(crm.Write{Fields: crm.Fields{crm.Email: "new@contoso.example"}}, crm.Write{ID: one, Fields: name}, crm.Write{ID: one, Fields: crm.Fields{crm.LastName: "Doe"}}, crm.Write{ID: two, Fields: name})
	same(t, "calls", w.paths(since), "create", "update")
	for i, unknown := range map[int]bool{1: true, 2: false, 3: true} {
		if f := failed(t, r[i].Err, crm.Pause, crm.TimedOut); f.Unknown != unknown {
			t.Errorf("%d: %+v", i, f)
		}
	}
}

// A call that is refused as a whole says that it is due to one of several; a single
// one is refused for itself, with a trace id or without.
func Test7b12AWholeBatchRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	writes, _ := readers(2)
	w.fault(`{"on":"batch_create","status":409,"count":1}`)
	_, err := w.Write(t.Context(), writes, crm.Options{})
	if f := failed(t, err, crm.Recorded, "CONFLICT"); f.Unknown {
		t.Errorf("%+v", f)
	}
	id := w.made(crm.Fields{crm.Email: "ada@contoso.example"})
	w.fault(`{"on":"batch_update","status":400,"count":1}`)
	r := w.write(crm.Write{Fields: crm.Fields{crm.Email: "bob@contoso.example"}}, crm.Write{ID: id, Fields: crm.Fields{crm.LastName: "A"}}, crm.Write{ID: w.made(crm.Fields{crm.Email: "c@contoso.example"}), Fields: crm.Fields{crm.LastName: "B"}})
	for _, one := range r[1:] {
		if f := failed(t, one.Err, crm.Recorded, "VALIDATION_ERROR"); !f.Shared {
			t.Errorf("%+v", f)
		}
	}
	w.set(`{"single_trace_partial":false}`)
	r = w.write(crm.Write{Fields: crm.Fields{crm.Email: "nope"}})
	if f := failed(t, r[0].Err, crm.Recorded, "INVALID_EMAIL"); f.Shared {
		t.Errorf("%+v", f)
	}
	if r = w.write(crm.Write{Fields: crm.Fields{crm.Email: "ada@contoso.example"}}); r[0].ID != id || r[0].Err != nil {
		t.Errorf("one who is there already: %+v", r)
	}
}

// Who is there already is that contact, whether or not the conflict names it; one
// that can't be seen needs somebody, who is told which one it is.
func Test7b13ConflictsAreAdopted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	hidden := w.edit(`{"properties":{"email":"hidden@contoso.example"},"hidden":true}`)
	id := w.add(crm.Fields{crm.Email: "ada@contoso.example", crm.FirstName: "Ada"}, "countess@contoso.example")
	for _, tells := range []bool{true, false} {
		w.set(fmt.Sprintf(`{"conflict_ids":%t}`, tells))
		for _, email := range []string{"ada@contoso.example", "Countess@contoso.example"} {
			r := w.write(crm.Write{Fields: crm.Fields{crm.Email: email, crm.FirstName: "Augusta"}}, crm.Write{Fields: crm.Fields{crm.Email: fmt.Sprint(tells, email)}})
			if r[0].Err != nil || r[0].ID != id || r[0].Made || r[1].Err != nil || !r[1].Made {
				t.Errorf("%s, ids told %t: %+v", email, tells, r)
			}
		}
		r := w.write(crm.Write{Fields: crm.Fields{crm.Email: "hidden@contoso.example"}})
		if f := failed(t, r[0].Err, crm.Recorded, "CONFLICT"); tells && f.Match != hidden {
			t.Errorf("%+v, want the id %s", f, hidden)
		}
	}
	if found := w.find("ada@contoso.example")["ada@contoso.example"]; len(found) != 1 || found[0].Fields[crm.FirstName] != "Ada" {
		t.Errorf("%+v", found)
	}
}

// Where the look at who is there already fails, they are tried again: nothing was made.
func Test7b13ALookThatFailsIsTriedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := crm.Fields{crm.Email: "ada@contoso.example"}
	id := w.made(p)
	w.fault(`{"on":"batch_read","status":503,"count":1}`)
	r := w.write(crm.Write{Fields: p}, crm.Write{Fields: crm.Fields{crm.Email: "bob@contoso.example"}})
	if f := failed(t, r[0].Err, crm.Pause, crm.Unavailable); f.Unknown || r[1].Err != nil {
		t.Errorf("%+v", r)
	}
	if r = w.write(crm.Write{Fields: p}); r[0].ID != id {
		t.Errorf("%+v", r)
	}
}

// A change sends no address, nobody sends an empty name or a stage of life.
func Test7b14WhatIsNotSent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.add(crm.Fields{crm.Email: "ada@contoso.example"}, "countess@contoso.example")
	since := len(w.sent)
	w.write(crm.Write{ID: id, Fields: crm.Fields{crm.Email: "countess@contoso.example", crm.FirstName: " ", crm.LastName: "Lovelace"}},
		crm.Write{Fields: crm.Fields{crm.Email: "bob@contoso.example"}})
	for i, want := range []string{`map[email:bob@contoso.example]`, `map[lastname:Lovelace]`} {
		if got := fmt.Sprint(w.sent[since+i].inputs(t)[0]["properties"]); got != want {
			t.Errorf("sent %s, want %s", got, want)
		}
	}
	before := w.Calls()
	if r := w.write(crm.Write{ID: id}); r[0].ID != id || r[0].Err != nil || w.Calls() != before {
		t.Errorf("a change of nothing: %+v, %d calls", r, w.Calls()-before)
	}
}

// What is wrong with a value is read out of the message, and told without the value.
func Test7b15BadValuesAreRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.set(`{"validation_rules":[{"property":"firstname","type":"MAX_LENGTH","arguments":["5"]}]}`)
	r := w.write(crm.Write{Fields: crm.Fields{crm.Email: "somebody at home"}}, crm.Write{Fields: crm.Fields{crm.Email: "ada@contoso.example", crm.FirstName: "Augusta"}})
	for i, want := range []struct{ code, detail string }{{"INVALID_EMAIL", "email: INVALID_EMAIL"}, {"VALIDATION_RULE_VIOLATION", "firstname: VALIDATION_RULE_VIOLATION MAX_LENGTH"}} {
		f := failed(t, r[i].Err, crm.Recorded, want.code)
		if !strings.HasPrefix(f.Detail, want.detail) || strings.Contains(f.Detail, "somebody") || strings.Contains(f.Detail, "Augusta") {
			t.Errorf("%q", f.Detail)
		}
	}
}

// A property that isn't there concerns everybody when all of several meet it, and one
// record when it comes alone. A rule stays with the records: others may keep it.
func Test7b16WhatConcernsEverybody(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	writes, _ := readers(3)
	missing := crm.Options{Key: "no_such_property"}
	_, err := w.Write(t.Context(), writes, missing)
	if f := failed(t, err, crm.Pause, "PROPERTY_DOESNT_EXIST"); f.Wait <= 0 || f.Unknown {
		t.Errorf("%+v", f)
	}
	r, err := w.Write(t.Context(), writes[:1], missing)
	if err != nil {
		t.Fatal(err)
	}
	failed(t, r[0].Err, crm.Recorded, "PROPERTY_DOESNT_EXIST")
	_, err = w.Write(t.Context(), writes, crm.Options{Key: "hs_object_source"})
	failed(t, err, crm.Pause, "READ_ONLY_VALUE")
	w.set(`{"validation_rules":[{"property":"firstname","type":"MIN_LENGTH","arguments":["9"]}]}`)
	for _, one := range w.write(writes...) {
		failed(t, one.Err, crm.Recorded, "VALIDATION_RULE_VIOLATION")
	}
	if n := w.contacts(); n != 0 {
		t.Errorf("%d contacts", n)
	}
}

// No answer, none in time, and none of HubSpot's leave the outcome of a write open, and
// a repeat makes nobody twice.
func Test7b20UnknownOutcomes(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ fault, code string }{
		"524 after the work": {`{"on":"batch_create","status":524,"after_commit":true,"count":1}`, crm.TimedOut},
		"cut after the work": {`{"on":"batch_create","drop":true,"after_commit":true,"count":1}`, crm.Unavailable},
		"a half answer":      {`{"on":"batch_create","truncate":true,"after_commit":true,"count":1}`, crm.Unavailable},
		"cut before":         {`{"on":"batch_create","drop":true,"count":1}`, crm.Unavailable},
		"a page":             {`{"on":"batch_create","status":502,"html":true,"count":1}`, crm.Unavailable},
		"a page for a 400":   {`{"on":"batch_create","status":400,"html":true,"count":1}`, crm.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			writes, _ := readers(3)
			w.fault("%s", test.fault)
			_, err := w.Write(t.Context(), writes, crm.Options{})
			if f := failed(t, err, crm.Pause, test.code); !f.Unknown {
				t.Errorf("%+v", f)
			}
			for _, r := range w.write(writes...) {
				if r.Err != nil || r.ID == "" {
					t.Errorf("%+v", r)
				}
			}
			if n := w.contacts(); n != 3 {
				t.Errorf("%d contacts", n)
			}
		})
	}
}

// 1,000 new people with names take 20 calls once their account is known.
func TestAThousandTakeTwentyCalls(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	writes, emails := readers(1000)
	for i := 0; i < 1000; i += 100 {
		w.find(emails[i : i+100]...)
		w.write(writes[i : i+100]...)
	}
	if n := w.Calls(); n > 21 || w.contacts() != 1000 {
		t.Errorf("%d calls, %d contacts", n, w.contacts())
	}
}

// A record that was made can be removed while HubSpot alone has changed it, and is kept once
// it was merged.
func TestRemove(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if _, err := w.Remove(t.Context(), ".."); err == nil {
		t.Error("an id that is a path was asked for")
	}
	early, late := w.made(crm.Fields{crm.Email: "a@contoso.example"}), w.made(crm.Fields{crm.Email: "b@contoso.example"})
	w.later(time.Second)
	w.byHand(http.MethodPatch, contactsPath+"/"+early, `{"properties":{"jobtitle":"worked out"}}`, nil)
	w.later(5 * time.Second)
	w.byHand(http.MethodPatch, contactsPath+"/"+late, `{"properties":{"jobtitle":"Countess"}}`, nil)
	one, two := w.made(crm.Fields{crm.Email: "c@contoso.example"}), w.made(crm.Fields{crm.Email: "d@contoso.example"})
	w.merge(one, two)
	for id, want := range map[string]crm.Removed{early: crm.Deleted, late: crm.Changed, one: crm.Changed, "9999999": crm.Missing} {
		if got, err := w.Remove(t.Context(), id); err != nil || got != want {
			t.Errorf("%s: %s, %v, want %s", id, got, err, want)
		}
	}
}
