package mocksalesforce_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

const newContact = `{"LastName":"D","Email":"d@example.com"}`

func TestFaults(t *testing.T) {
	w := newWorld(t)
	s := w.session("")
	create := func() answer { return w.call("POST", api+"/sobjects/Contact", s.Access, newContact) }
	w.control("fail", `{"on":"create","status":503,"count":2}`)
	create().is(503, "SERVER_UNAVAILABLE")
	w.query(s.Access, "SELECT Id FROM Contact").is(200, "")
	create().is(503, "SERVER_UNAVAILABLE")
	create().is(201, "")
	w.control("fail", `{"on":"token","status":400,"error_code":"rate_limit_exceeded","count":1}`)
	w.refresh(s.Refresh).is(400, "rate_limit_exceeded")
	w.control("fail", `{"on":"any","html":true,"rate":1}`)
	if a := w.query(s.Access, "x").is(503, ""); !strings.HasPrefix(a.header.Get("Content-Type"), "text/html") {
		t.Error(a.header)
	}
	w.call("GET", "/login", "", "").is(503, "")
	w.control("fail", `{"on":"any","count":0,"rate":0}`)
	w.call("GET", "/login", "", "").is(200, "")
	w.control("fail", `{"on":"query","status":302,"count":1}`)
	w.query(s.Access, "x").is(302, "")
	w.control("fail", `{"on":"record","error_code":"FIELD_CUSTOM_VALIDATION_EXCEPTION","message":"no","count":1}`)
	a := w.call("POST", api+"/composite/sobjects", s.Access, `{"records":`+contacts(0, 2)+`}`).is(200, "")
	if a.str("0.errors.0.statusCode") != "FIELD_CUSTOM_VALIDATION_EXCEPTION" || a.at("1.success") != true {
		t.Error(a.body)
	}
	w.call("POST", "/_control/fail", "", `{"on":"nothing","count":1}`).is(400, "")
	w.call("POST", "/_control/settings", "", `{"rotatoin":true}`).is(400, "")
	w.call("POST", "/_control/settings", "", `{"duplicate_rule":"maybe"}`).is(400, "")
}

func TestCutConnectionBeforeAndAfterTheWork(t *testing.T) {
	w := newWorld(t)
	s := w.session("")
	for want, fault := range []string{`{"on":"create","drop":true,"count":1}`, `{"on":"create","drop":true,"after_commit":true,"count":1}`} {
		w.control("fail", fault)
		if a, err := w.send(w.request("POST", api+"/sobjects/Contact", s.Access, newContact)); err == nil {
			t.Errorf("answered %d", a.status)
		}
		if got := w.stat("contacts"); got != want {
			t.Errorf("%s: %d contacts, want %d", fault, got, want)
		}
	}
	w.control("fail", `{"on":"token","status":500,"after_commit":true,"count":1}`)
	w.refresh(s.Refresh).is(500, "")
	w.refresh(s.Refresh).is(400, "invalid_grant")
	if w.stat("reuse_detected") != 1 {
		t.Error("the refresh token was not rotated before the failure")
	}
}

func TestHangEndsWithTheClient(t *testing.T) {
	w := newWorld(t)
	s := w.session("")
	w.control("fail", `{"on":"create","hang_ms":600000,"after_commit":true,"count":1}`)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		_, err := w.send(w.request("POST", api+"/sobjects/Contact", s.Access, newContact).WithContext(ctx))
		ended <- err
	}()
	for late := time.Now().Add(time.Minute); w.stat("contacts") != 1; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(late) {
			t.Fatal("the work was to be done before the wait")
		}
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("answered, or %v", err)
	}
	w.control("fail", `{"on":"create","hang_ms":1,"count":1}`)
	w.call("POST", api+"/sobjects/Contact", s.Access, newContact).is(201, "")
}

func TestLatency(t *testing.T) {
	w := newWorld(t)
	s := w.session("")
	w.control("settings", `{"latency_ms":60,"token_latency_ms":1}`)
	start := time.Now()
	w.call("GET", api+"/limits", s.Access, "").is(200, "")
	if took := time.Since(start); took < 60*time.Millisecond {
		t.Errorf("answered after %v", took)
	}
}

func TestEverythingSurvivesARestart(t *testing.T) {
	w := newWorld(t)
	s := w.session("")
	w.control("settings", `{"max_approvals":3,"external_id_field":"Gatepost_Id__c"}`)
	id := w.call("POST", api+"/sobjects/Contact", s.Access, newContact).is(201, "").str("id")
	w.stop()
	w.start()
	if a := w.call("GET", api+"/sobjects/Contact/"+id, s.Access, "").is(200, ""); a.str("Email") != "d@example.com" {
		t.Error(a.body)
	}
	w.refresh(s.Refresh).is(200, "")
	if w.stat("api_calls") != 2 || w.call("GET", "/_control/settings", "", "").num("max_approvals") != 3 {
		t.Error("counters or settings were forgotten")
	}
	w.call("POST", api+"/sobjects/Contact", s.Access, `{"LastName":"E","Gatepost_Id__c":"1"}`).is(201, "")
}

func TestReset(t *testing.T) {
	w := newWorld(t)
	s := w.session("")
	w.call("POST", api+"/sobjects/Contact", s.Access, newContact).is(201, "")
	w.control("settings", `{"daily_limit":1}`)
	w.control("fail", `{"on":"any","rate":1}`)
	w.control("reset", "")
	if w.stat("contacts") != 0 || w.stat("api_calls") != 0 || w.stat("token_calls") != 0 {
		t.Error("something was left")
	}
	for range 2 {
		w.call("GET", api+"/limits", s.Access, "").is(200, "")
	}
	w.refresh(s.Refresh).is(200, "")
}

func TestListedContacts(t *testing.T) {
	w := newWorld(t)
	jane := w.session(`{"username":"jane@fabrikam.example"}`).Access
	id := w.call("POST", api+"/sobjects/Contact", jane, newContact).is(201, "").str("id")
	a := w.call("GET", "/_control/contacts", "", "").is(200, "")
	if a.str("contacts.0.Id") != id || a.str("contacts.0.Email") != "d@example.com" || len(a.str("contacts.0.OrgId")) != 18 || a.str("contacts.0.CreatedDate") == "" {
		t.Error(a.body)
	}
	org := a.str("contacts.0.OrgId")
	if strings.Contains(w.call("GET", "/", "", "").is(200, "").body, "d@example.com") {
		t.Error("Contoso's page shows a Contact of Fabrikam")
	}
	if !strings.Contains(w.call("GET", "/lightning/o/Contact/list?org="+org, "", "").is(200, "").body, "d@example.com") {
		t.Error("Fabrikam's page lacks its Contact")
	}
}
