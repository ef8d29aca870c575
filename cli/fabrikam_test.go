package cli

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"gatepost/auth"
	"gatepost/db"
	"gatepost/db/dbtest"
)

// figures are the numbers that the simulated Salesforce keeps of an org.
func figures(t *testing.T, salesforce, org string) (n map[string]int) {
	t.Helper()
	_, body := visitor(t).get(salesforce + "/_control/stats?org=" + org)
	var all map[string]any
	if err := json.Unmarshal([]byte(body), &all); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	n = map[string]int{}
	for name, value := range all {
		if f, ok := value.(float64); ok {
			n[name] = int(f)
		}
	}
	return n
}

// calls is how often somebody called an org, in whatever way.
func calls(n map[string]int) int {
	return n["api_calls"] + n["token_calls"] + n["introspections"] + n["revocations"] + n["refreshes"]
}

// rested waits until what the portal does by itself after its start is done: all jobs, and
// with them a recount of every tenant, and whatever is due, as the database tells.
func rested(t *testing.T, d *db.DB, tenantID string) {
	t.Helper()
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		var jobs, counted, due int
		if err := d.Writer().QueryRow(`SELECT (SELECT count(*) FROM river_job WHERE state IN ('available', 'running')), (SELECT count(*) FROM recounts WHERE tenant_id = $1 AND at > 0),
			(SELECT count(*) FROM deliveries WHERE state = 'waiting' AND due_at <= $2)`, tenantID, d.Now().UnixMilli()).Scan(&jobs, &counted, &due); err != nil {
			t.Fatal(err)
		}
		if jobs == 0 && counted == 1 && due == 0 {
			return
		}
		if time.Since(began) > patience {
			t.Fatalf("%d jobs are left, %d recounts, %d due", jobs, counted, due)
		}
	}
}

// wholeSample fails the test unless the sample tenant is there as it should be.
func wholeSample(t *testing.T, d *db.DB) db.Tenant {
	t.Helper()
	tenant, err := d.TenantBySlug(t.Context(), fabrikamSlug)
	if err != nil {
		t.Fatal(err)
	}
	r, err := d.Recount(t.Context(), tenant.ID)
	if err != nil || !r.Agrees() {
		t.Fatalf("a recount finds %+v, %v", r, err)
	}
	people, way := r.Kept.Subscribers, r.Kept.Destinations[tenant.ID]
	if people[db.New] < 2000 || people[db.Repeated] < 50 || way[db.Waiting] != 3 || way[db.Dismissed] < 3 || way[db.Attention] < 15 || way[db.Entered] != people[db.New] {
		t.Errorf("the sample is %v", r.Kept)
	}
	h, err := d.Health(t.Context(), db.DestinationKey{TenantID: tenant.ID, DestinationID: tenant.ID}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var reasons []string
	for _, p := range h.Problems {
		reasons = append(reasons, p.Reason)
	}
	for _, want := range []string{"DUPLICATES_DETECTED", "FIELD_CUSTOM_VALIDATION_EXCEPTION", "REQUIRED_FIELD_MISSING", "STRING_TOO_LONG", "INVALID_EMAIL_ADDRESS", fabrikamWaits} {
		if !slices.Contains(reasons, want) {
			t.Errorf("nobody has the problem %s", want)
		}
	}
	return tenant
}

// The sample tenant is there from the first start, stays what it is, and its Salesforce
// hears nothing of it.
func TestDemoHasASampleTenant(t *testing.T) {
	data, began := t.TempDir(), time.Now()
	p, _, _, _, salesforce := demo(t, data)
	d := dbtest.Open(t, filepath.Join(data, "gatepost.db"))
	tenant := wholeSample(t, d)
	rested(t, d, tenant.ID)
	n := figures(t, salesforce, fabrikamOrg)
	if calls(n) != 0 || n["contacts"] < 1500 || n["per_email_max"] != 1 || n["grants"] != 1 {
		t.Errorf("in its Salesforce: %v", n)
	}
	if n := figures(t, salesforce, ""); n["contacts"] != 0 || n["grants"] != 0 || calls(n) != 0 {
		t.Errorf("John's Salesforce has %v", n)
	}
	var mails int
	if err := d.Writer().QueryRow(`SELECT count(*) FROM mails WHERE created_at >= $1`, began.UnixMilli()).Scan(&mails); err != nil || mails != 0 {
		t.Errorf("%d mails are sent at the start, %v", mails, err)
	}
	var unknown int
	if err := d.Writer().QueryRow(`SELECT count(*) FROM deliveries WHERE tenant_id = $1 AND state = 'delivered' AND (record_id = '' OR org_id = '' OR instance_url <> $2)`, tenant.ID, salesforce).Scan(&unknown); err != nil || unknown != 0 {
		t.Errorf("%d are in Salesforce, and nobody knows where: %v", unknown, err)
	}
	record := ""
	if err := d.Writer().QueryRow(`SELECT d.record_id FROM deliveries d JOIN subscribers s ON s.id = d.subscriber_id WHERE d.tenant_id = $1 AND s.email_key LIKE '%@example.com' AND d.state = 'delivered' AND s.last_name <> '' LIMIT 1`, tenant.ID).Scan(&record); err != nil {
		t.Fatal(err)
	}
	if _, body := visitor(t).get(salesforce + "/lightning/r/Contact/" + record + "/view"); !strings.Contains(body, "@example.com") {
		t.Errorf("the record %s is %s", record, body)
	}
	before, err := d.Sums(t.Context(), tenant.ID)
	if err != nil {
		t.Fatal(err)
	}
	p.end()

	// As it is when the folder was left for long.
	if _, err := d.Writer().Exec(`UPDATE deliveries SET due_at = 1 WHERE tenant_id = $1 AND state = 'waiting'; DELETE FROM recounts`, tenant.ID); err != nil {
		t.Fatal(err)
	}
	_, _, _, _, salesforce = demo(t, data)
	rested(t, d, tenant.ID)
	after, err := d.Sums(t.Context(), wholeSample(t, d).ID)
	if n := figures(t, salesforce, fabrikamOrg); err != nil || !after.Equal(before) || calls(n) != 0 {
		t.Errorf("after a restart: %v, before %v; %v, %v", after, before, n, err)
	}
}

// What Maria does reaches her Salesforce: the connection is one that works.
func TestTheSampleTenantsConnectionWorks(t *testing.T) {
	data := t.TempDir()
	_, portal, _, _, salesforce := demo(t, data)
	v := continueAs(t, portal, fabrikamUser)
	if _, body := v.get(portal + "/integrations"); !strings.Contains(body, fabrikamName) {
		t.Fatalf("signed in to %s", body)
	}
	if resp, err := http.Post(salesforce+"/_control/expire-access-tokens?org="+fabrikamOrg, "application/json", nil); err != nil || resp.StatusCode != 200 {
		t.Fatal(resp, err)
	}
	d := dbtest.Open(t, filepath.Join(data, "gatepost.db"))
	tenant := wholeSample(t, d)
	stuck, err := d.Affected(t.Context(), db.DestinationKey{TenantID: tenant.ID, DestinationID: tenant.ID}, db.CauseQuery{State: db.Attention, Reason: "REQUIRED_FIELD_MISSING", Limit: 1})
	if err != nil || len(stuck) != 1 {
		t.Fatal(stuck, err)
	}
	before := figures(t, salesforce, fabrikamOrg)["contacts"]
	page := portal + "/subscribers/" + stuck[0].ID
	v.submit(page, page+"/retry")
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		s, err := d.Subscriber(t.Context(), tenant.ID, stuck[0].ID)
		if err != nil || time.Since(began) > patience {
			t.Fatalf("%+v, %v", s, err)
		}
		if s.State == db.Delivered {
			break
		}
	}
	if n := figures(t, salesforce, fabrikamOrg); n["contacts"] != before+1 || n["refreshes"] != 1 || n["reuse_detected"] != 0 || n["api_calls"] == 0 {
		t.Errorf("after %d Contacts: %v", before, n)
	}
}

// continueAs presses the button of the log-in page for somebody.
func continueAs(t *testing.T, portal, email string) person {
	t.Helper()
	v := visitor(t)
	if path, body := v.submit(portal+"/login", portal+"/login/demo", "email", email); path == "/login/demo" {
		t.Fatalf("%s isn't let in: %s", email, body)
	}
	return v
}

// A folder of an earlier release, or one in which the demo was killed while it made the
// sample, gets it whole. One from which somebody removed it doesn't get it again.
func TestTheSampleTenantComesToFoldersThatLackIt(t *testing.T) {
	for name, before := range map[string]func(t *testing.T, d *db.DB){
		"an earlier release": func(t *testing.T, d *db.DB) {
			people := auth.NewPeople(d, d.Now)
			if _, err := people.AddTenant(t.Context(), demoTenant, demoTenantName); err != nil {
				t.Fatal(err)
			}
			if _, err := people.AddUser(t.Context(), demoUser, demoTenant, password); err != nil {
				t.Fatal(err)
			}
		},
		"killed": func(t *testing.T, d *db.DB) {
			first := fabrikamLetters(d.Now())[0]
			if _, err := (sampler{portal: &portal{db: d}}).tenant(t.Context(), first); err != nil {
				t.Fatal(err)
			}
			if _, err := auth.NewPeople(d, d.Now).AddUser(t.Context(), fabrikamUser, fabrikamSlug, password); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			data := t.TempDir()
			d := dbtest.Open(t, filepath.Join(data, "gatepost.db"))
			before(t, d)
			p, portal, _, _, _ := demo(t, data)
			tenant := wholeSample(t, d)
			if _, body := continueAs(t, portal, fabrikamUser).get(portal + "/integrations"); !strings.Contains(body, fabrikamName) {
				t.Error(body)
			}
			p.end()
			if _, err := d.CloseTenant(t.Context(), tenant.ID, d.Now().Add(time.Hour)); err != nil {
				t.Fatal(err)
			}
			demo(t, data)
			if _, err := d.TenantBySlug(t.Context(), fabrikamSlug); !errors.Is(err, db.ErrNotFound) {
				t.Errorf("it is there again: %v", err)
			}
		})
	}
}

// The same on PostgreSQL.
func TestDemoHasASampleTenantOnPostgres(t *testing.T) {
	dbtest.PostgresOnly(t, "the other tests are about a file")
	at := dbtest.Path(t)
	p := start(t, nil, append(slices.Clone(demoAnywhere), "--data", t.TempDir(), "--database", at)...)
	var salesforce string
	for ok := false; !ok; {
		salesforce, ok = strings.CutPrefix(p.line(), "Simulated Salesforce: ")
	}
	d := dbtest.Open(t, at)
	rested(t, d, wholeSample(t, d).ID)
	if n := figures(t, salesforce, fabrikamOrg); calls(n) != 0 || n["contacts"] < 1500 {
		t.Errorf("in its Salesforce: %v", n)
	}
}

// The sample's people are the same each time for the same moment, and can all be: no
// address is there twice on a newsletter, all are of domains that reach nobody, and nothing
// happens before it was caused, or in the future.
func TestTheSamplesPast(t *testing.T) {
	zone, err := time.LoadLocation(fabrikamZone)
	if err != nil {
		t.Fatal(err)
	}
	reaches := regexp.MustCompile(`^[a-z0-9._A-Z]+@([a-z-]+\.example|example\.(com|org|net))$`)
	for _, now := range []time.Time{time.Date(2026, 11, 29, 11, 0, 0, 0, zone), time.Date(2026, 3, 29, 0, 1, 0, 0, zone), time.Date(2027, 1, 1, 23, 59, 0, 0, zone)} {
		make := func() *pastMaker {
			letters := fabrikamLetters(now)
			for i := range letters {
				letters[i].ID = letters[i].Slug
			}
			m := newPastMaker(now, zone, "maria", letters)
			m.make()
			return m
		}
		m := make()
		if again := make(); fmt.Sprint(again.contacts) != fmt.Sprint(m.contacts) || len(again.people) != len(m.people) {
			t.Error("it is another one the second time")
		}
		if len(m.people) < 2000 || len(m.people) > 3500 {
			t.Errorf("%v: %d people", now, len(m.people))
		}
		seen, today := map[string]bool{}, 0
		for _, p := range m.people {
			if key := p.NewsletterID + p.EmailKey; seen[key] {
				t.Errorf("%s is there twice", key)
			} else {
				seen[key] = true
			}
			if p.fate != unspeakable && !reaches.MatchString(p.Email) {
				t.Errorf("%s may reach somebody", p.Email)
			}
			at := p.SignUps[0].At
			if !at.Before(now) || at.Before(now.AddDate(0, 0, -pastDays-1)) {
				t.Errorf("%s signed up at %v", p.Email, at)
			}
			if at.After(now.Add(-24 * time.Hour)) {
				today++
			}
			last := at
			for _, e := range p.Events {
				if e.At.Before(last) || e.At.After(now) {
					t.Errorf("%s: %v at %v, after %v", p.Email, e.State, e.At, last)
				}
				last = e.At
			}
			is := p.State
			if p.Status == db.Left {
				is = p.Status
			}
			if len(p.Events) == 0 || p.Events[len(p.Events)-1].State != is {
				t.Errorf("%s is %s by %v", p.Email, p.State, p.Events)
			}
		}
		if today < 6 {
			t.Errorf("%v: only %d today", now, today)
		}
	}
}

// Nobody gets in without a password but on the machine that the demo runs on.
func TestLogInWithoutAPassword(t *testing.T) {
	_, portal, _, _, _ := demo(t, t.TempDir())
	ask := func(method, path string, form url.Values, change func(*http.Request)) (status int, text string) {
		t.Helper()
		v := visitor(t)
		v.c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		send := func(method, path string, form url.Values) (int, string) {
			r, err := http.NewRequestWithContext(t.Context(), method, portal+path, strings.NewReader(form.Encode()))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			change(r)
			resp, err := v.c.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			_, text := v.read(resp, nil)
			return resp.StatusCode, text
		}
		_, page := send(http.MethodGet, "/login", nil)
		if form.Has("csrf") {
			form = url.Values{"csrf": regexp.MustCompile(`name="csrf" value="([^"]+)"`).FindStringSubmatch(page)[1:], "email": form["email"]}
		}
		return send(method, path, form)
	}
	as := func(*http.Request) {}
	_, body := ask(http.MethodGet, "/login", nil, as)
	for _, words := range []string{"Continue as John (Contoso, starts empty)", "Continue as Maria (Fabrikam, six months in)"} {
		if !strings.Contains(body, words) {
			t.Errorf("the log-in page has no button %q", words)
		}
	}
	good := url.Values{"csrf": nil, "email": {fabrikamUser}}
	for name, of := range map[string]struct {
		form   url.Values
		change func(*http.Request)
		status int
	}{
		"without a token": {url.Values{"email": {fabrikamUser}}, as, http.StatusForbidden},
		"from elsewhere":  {good, func(r *http.Request) { r.Header.Set("Origin", "https://elsewhere.example") }, http.StatusForbidden},
		"somebody else":   {url.Values{"csrf": nil, "email": {"eve@contoso.example"}}, as, http.StatusNotFound},
		"by a proxy":      {good, func(r *http.Request) { r.Header.Set("X-Forwarded-For", "127.0.0.1") }, http.StatusNotFound},
		"by a tunnel":     {good, func(r *http.Request) { r.Header.Set("Forwarded", "for=192.0.2.1") }, http.StatusNotFound},
		"by another name": {good, func(r *http.Request) { r.Host = "demo.example" }, http.StatusNotFound},
		"as it should be": {good, as, http.StatusSeeOther},
	} {
		if status, text := ask(http.MethodPost, "/login/demo", of.form, of.change); status != of.status {
			t.Errorf("%s: %d, want %d: %.300s", name, status, of.status, text)
		}
	}
	for name, change := range map[string]func(*http.Request){
		"by a proxy":      func(r *http.Request) { r.Header.Set("X-Forwarded-For", "192.0.2.1") },
		"by another name": func(r *http.Request) { r.Host = "demo.example" },
	} {
		if _, text := ask(http.MethodGet, "/login", nil, change); strings.Contains(text, "Continue as") || !strings.Contains(text, "Log in") {
			t.Errorf("%s: %s", name, text)
		}
	}
	if _, body := continueAs(t, portal, demoUser).get(portal + "/subscribers"); strings.Contains(body, "@example.com") {
		t.Error("Contoso doesn’t start empty")
	}
}

// The way in isn't even there where it isn't meant: in serve, and in a demo that others
// can reach.
func TestServeHasNoLogInWithoutAPassword(t *testing.T) {
	has := func(gp *portal) bool {
		for _, r := range gp.app.GetRoutes() {
			if strings.HasPrefix(r.Path, "/login/") {
				return true
			}
		}
		return false
	}
	if gp := openProcess(t, dbtest.Path(t)); has(gp) {
		t.Error("serve has it")
	} else {
		gp.close(t.Context())
	}
	for address, want := range map[string]bool{"127.0.0.1:0": true, "0.0.0.0:0": false} {
		ln, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		p := &program{env: map[string]string{}}
		c, err := p.demoConfig(t.TempDir(), "", listeners{portal: ln, mail: ln, smtp: ln, simulated: []net.Listener{ln, ln, ln}})
		if err != nil {
			t.Fatal(err)
		}
		gp, err := openPortal(t.Context(), c, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		if has(gp) != want {
			t.Errorf("a demo on %s: %v", address, !want)
		}
		gp.close(t.Context())
	}
}

// At whatever hour the demo is started, there are people in each state that it shows, and
// sending somebody again is refused only for what their problem says.
func TestTheSampleHoldsAtAnyHour(t *testing.T) {
	zone, err := time.LoadLocation(fabrikamZone)
	if err != nil {
		t.Fatal(err)
	}
	for hour := range 48 {
		now := time.Date(2026, 11, 28, hour, 37, 0, 0, zone)
		letters := fabrikamLetters(now)
		for i := range letters {
			letters[i].ID = letters[i].Slug
		}
		m := newPastMaker(now, zone, "maria", letters)
		m.make()
		are, repeated := map[db.State]int{}, 0
		named := map[string]bool{}
		for _, c := range m.contacts {
			named[c.First+" "+c.Last] = c.First != ""
		}
		for _, p := range m.people {
			undelivered := p.State == db.Waiting || p.State == db.Attention
			if undelivered && p.fate != duplicate && named[p.FirstName+" "+cmp.Or(p.LastName, db.DefaultPlaceholder)] {
				t.Errorf("%v: %s would be refused as a duplicate once sent again", now, p.Email)
			}
			are[p.State]++
			are[p.Status]++
			repeated += len(p.SignUps) - 1
		}
		if len(m.people) < 2000 || repeated < 50 || are[db.Waiting] != 3 || are[db.Dismissed] < 3 || are[db.Attention] < 15 || are[db.Left] < 3 {
			t.Errorf("%v: %v, %d repeated", now, are, repeated)
		}
	}
}
