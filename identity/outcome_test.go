package identity

import (
	"errors"
	"slices"
	"testing"
	"time"

	"gatepost/db"
)

// Who goes back to the service after a refusal, and allows it, is connected; a
// refusal that comes after that changes nothing.
func TestRefusalDoesNotEndAHandshake(t *testing.T) {
	w := newWorld(t)
	v := w.process()
	cb := w.begin(v)
	denied := cb
	denied.Code, denied.Error, denied.ErrorDescription = "", "access_denied", "end-user denied authorization"
	for range 2 {
		_, err := v.Finish(t.Context(), denied)
		wantOAuth(t, err, "access_denied")
	}
	ended, err := v.LastEnded(t.Context(), Salesforce, session)
	var refused *OAuthError
	if err != nil || ended == nil || !errors.As(ended.Err, &refused) || refused.Description != denied.ErrorDescription || !refused.FromService() {
		t.Errorf("ended %+v, %v", ended, err)
	}
	for _, callback := range []Callback{cb, denied, cb} {
		if finished, err := v.Finish(t.Context(), callback); err != nil || finished.URL != "/done" {
			t.Errorf("%q: finished %+v, %v", callback.Error, finished, err)
		}
	}
	if ended, err := v.LastEnded(t.Context(), Salesforce, session); err != nil || ended == nil || ended.Err != nil {
		t.Errorf("ended %+v, %v", ended, err)
	}
	w.wantLive(1)
}

// A second visit waits for the first, and trades nothing.
func TestSecondVisitWaitsForTheFirst(t *testing.T) {
	w := newWorld(t)
	a, b := w.process(), w.process()
	g := newGate(true)
	w.srv.fail("token", 1, g.fault)
	cb := w.begin(a)
	first, second := make(chan error), make(chan error)
	go func() { _, err := a.Finish(t.Context(), cb); first <- err }()
	comes(t, g.entered)
	go func() { _, err := b.Finish(t.Context(), cb); second <- err }()
	select {
	case err := <-second:
		t.Errorf("it didn't wait: %v", err)
	case <-time.After(5 * b.Poll):
	}
	close(g.open)
	if err := errors.Join(<-first, <-second); err != nil || w.srv.count("token") != 1 {
		t.Errorf("%v after %d calls", err, w.srv.count("token"))
	}
}

// It doesn't wait for ever, and says what it knows.
func TestSecondVisitOfOneThatNeverEnds(t *testing.T) {
	w := newWorld(t)
	v := w.process(patience(time.Second, ample))
	cb := w.begin(v)
	if _, err := w.store.TakeHandshake(t.Context(), Salesforce, hash(cb.State), session); err != nil {
		t.Fatal(err)
	}
	if finished, err := v.Finish(t.Context(), cb); !errors.Is(err, ErrUnderWay) || finished.TenantID != w.tenant {
		t.Errorf("while it may be under way: %+v, %v", finished, err)
	}
	w.skip(time.Minute)
	_, err := v.Finish(t.Context(), cb)
	wantOAuth(t, err, CodeInterrupted)
	if w.srv.count("token") != 0 {
		t.Error("the code was traded")
	}
}

// What fails before the code is traded leaves the handshake as it was.
func TestFailureBeforeTheCodeIsTraded(t *testing.T) {
	w := newWorld(t)
	v := w.process()
	cb := w.begin(v)
	store := v.Store
	v.setStore(lostHandshakes{store})
	if finished, err := v.Finish(t.Context(), cb); !errors.Is(err, errDisk) || finished != (Finished{}) {
		t.Errorf("without the store: %+v, %v", finished, err)
	}
	v.setStore(store)
	if _, err := v.Finish(t.Context(), cb); err != nil {
		t.Errorf("tried again: %v", err)
	}
	w.wantLive(1)
}

// A failure of ours is told again as one, never as the service's.
func TestFailureOfOursIsTold(t *testing.T) {
	w := newWorld(t)
	var s *sickStore
	v := w.process(sick(&s, "SaveIdentity", 1))
	cb := w.begin(v)
	if _, err := v.Finish(t.Context(), cb); !errors.Is(err, errDisk) {
		t.Errorf("got %v", err)
	}
	_, err := v.Finish(t.Context(), cb)
	wantOAuth(t, err, CodeFailed)
	w.wantLive(0)
}

// Every outcome comes back as it was, and none of our codes passes as a service's.
func TestOutcomesComeBack(t *testing.T) {
	same := func(a, b error) bool { return errors.Is(a, b) }
	for _, err := range []error{nil, ErrHeld, ErrChanged} {
		if back := outcomeError(outcomeOf(err)); !same(back, err) {
			t.Errorf("%v came back as %v", err, back)
		}
	}
	var unreachable *UnreachableError
	if back := outcomeError(outcomeOf(&UnreachableError{Cause: errDisk})); !errors.As(back, &unreachable) {
		t.Errorf("no answer came back as %v", back)
	}
	if back := outcomeError(db.HandshakeOutcome{}); back == nil {
		t.Error("nothing came back as a connection")
	}
	for _, code := range append(slices.Clone(ownCodes), "access_denied") {
		var refused *OAuthError
		back := outcomeError(outcomeOf(&OAuthError{Code: code, Description: "said"}))
		if !errors.As(back, &refused) || refused.Code != code || refused.Description != "said" || refused.FromService() != (code == "access_denied") {
			t.Errorf("%s came back as %v", code, back)
		}
		if said := refusal(code, ""); slices.Contains(ownCodes, code) && said.Code != CodeUnknown {
			t.Errorf("a service said %s, which is ours", code)
		}
	}
}
