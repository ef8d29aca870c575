package routes_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"gatepost/newsletter"
	"gatepost/routes"
	"gatepost/screening"
	"gatepost/seal"
)

// behindProxy has the tests say from which address they come.
func behindProxy(c *routes.Config) {
	c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
}

// protect has Contoso's newsletter look at its sign-ups.
func (w *world) protect(change func(*screening.Rules)) {
	w.t.Helper()
	r := screening.Defaults()
	change(&r)
	stored, err := json.Marshal(map[string]any{"screening": r})
	if err != nil {
		w.t.Fatal(err)
	}
	w.put(`UPDATE newsletters SET readers = $1 WHERE slug = 'contoso-weekly'`, string(stored))
}

// shownAgo is the time of a form that was shown some time ago.
func (w *world) shownAgo(d time.Duration) string {
	n, err := w.store.NewsletterBySlug(w.t.Context(), "contoso-weekly")
	if err != nil {
		w.t.Fatal(err)
	}
	return screening.StampForm(func(parts ...string) []byte { return w.macs.Sum(seal.FormTime, parts...) }, n.ID, time.Now().Add(-d))
}

// proven is a proof of work for the form.
func (w *world) proven() string {
	var c screening.Challenge
	p := w.browser().get(formPage + "/challenge").is(200)
	if err := json.Unmarshal([]byte(p.body), &c); err != nil {
		w.t.Fatal(err)
	}
	return c.Solve()
}

// poster posts the form from an address with a browser.
type poster struct {
	ip, agent string
	headers   []string
}

func (w *world) sends(s poster, pairs ...string) page {
	w.t.Helper()
	form := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		form.Add(pairs[i], pairs[i+1])
	}
	headers := append([]string{"Content-Type", "application/x-www-form-urlencoded", "X-Forwarded-For", s.ip, "User-Agent", s.agent}, s.headers...)
	return w.browser().do("POST", formPage, form.Encode(), headers...)
}

// stateOf is what the person with an address is; empty for nobody.
func (w *world) stateOf(email string) (state string) {
	_ = w.store.Writer().QueryRow(`SELECT state FROM subscribers WHERE email_key = $1`, email).Scan(&state)
	return state
}

const oldBrowser = "Mozilla/4.0 (compatible; MSIE 7.0)"

// Ten shapes of junk beside people, some of them behind one network and without script: of the junk
// so much gets through as the table says, of people all do, and everybody is answered alike.
func TestJunkIsHeld(t *testing.T) {
	t.Parallel()
	w := open(t, behindProxy)
	w.protect(func(r *screening.Rules) { r.Proof = screening.ProofOff })
	w.put(`UPDATE newsletters SET page = '{"sites":["https://www.contoso.example"]}' WHERE slug = 'contoso-weekly'`)
	shown, aged, fresh := w.shownAgo(20*time.Second), w.shownAgo(25*time.Hour), w.shownAgo(-time.Hour) // by a clock that is ahead: as if it was shown just now
	const each = 26
	somewhere := func(i, net int) string { return fmt.Sprintf("10.%d.%d.7", net, i) }
	email := func(shape string, i int) string { return fmt.Sprintf("%s%c%c@junk.example", shape, 'a'+i/26, 'a'+i%26) }
	var answer page
	same := func(what string, p page) {
		t.Helper()
		if answer.status == 0 {
			answer = p
		}
		if p.status != answer.status || p.body != answer.body || p.head("Location") != answer.head("Location") || len(p.header) != len(answer.header) {
			t.Errorf("%s is answered %d %s %q %v", what, p.status, p.head("Location"), p.body, p.header)
		}
	}
	for i := range 40 { // an office, each with a name of their own, and the same browser without script
		name := strings.Repeat(string(rune('b'+i%20)), 1+i%9) + "." + strings.Repeat("x", 1+i/3)
		same("a person in an office", w.sends(poster{ip: "192.0.2." + fmt.Sprint(i+1), agent: oldBrowser}, "email", name+"@office.example", "form_time", shown))
	}
	for i := range 10 { // people at home, by a form on the newsletter's site
		same("a person at home", w.sends(poster{ip: somewhere(i, 200), agent: fmt.Sprint("Browser ", i%3), headers: []string{"Origin", "https://www.contoso.example"}}, "email", strings.Repeat("y", i+1)+"@home.example"))
	}
	if n := w.count(`SELECT count(*) FROM subscribers WHERE state = 'active'`); n != 50 {
		t.Errorf("of 50 people %d got through", n)
	}
	for shape, tt := range map[string]struct {
		most int // that get through
		send func(i int) page
	}{
		"one": {1, func(i int) page { return w.sends(poster{ip: "10.1.1.1", agent: "curl/8"}, "email", "one@junk.example") }},
		"many": {screening.DefaultNetwork, func(i int) page {
			return w.sends(poster{ip: "10.1.2.1", agent: fmt.Sprint(i)}, "email", email("many", i))
		}},
		"script": {0, func(i int) page {
			return w.sends(poster{ip: somewhere(i, 3), agent: "Headless"}, "email", email("script", i), "form_time", fresh)
		}},
		"old": {screening.DefaultAgent, func(i int) page {
			return w.sends(poster{ip: "10.1.4.1", agent: oldBrowser}, "email", email("old", i), "form_time", shown)
		}},
		"json": {screening.DefaultAgent, func(i int) page {
			w.browser().do("POST", formPage, `{"email":"`+email("json", i)+`"}`, "Content-Type", "application/json", "X-Forwarded-For", somewhere(i, 5), "User-Agent", "python").is(202, `"received"`)
			return answer
		}},
		"origin": {screening.DefaultAgent, func(i int) page {
			return w.sends(poster{ip: somewhere(i, 6), agent: "bot", headers: []string{"Origin", "https://evil.example"}}, "email", email("origin", i))
		}},
		"aged": {0, func(i int) page {
			return w.sends(poster{ip: somewhere(i, 7), agent: fmt.Sprint(i)}, "email", email("aged", i), "form_time", aged)
		}},
		"trap": {0, func(i int) page {
			return w.sends(poster{ip: somewhere(i, 8), agent: fmt.Sprint(i)}, "email", email("trap", i), "form_time", shown, "topic_of_note", "x")
		}},
		"links": {0, func(i int) page {
			return w.sends(poster{ip: somewhere(i, 9), agent: fmt.Sprint(i)}, "email", email("links", i), "form_time", shown, "last_name", "Win at http://evil.example")
		}},
		"tags": {screening.DefaultMailbox, func(i int) page {
			return w.sends(poster{ip: somewhere(i, 10), agent: fmt.Sprint(i)}, "email", fmt.Sprintf("tags+%d@junk.example", i), "form_time", shown)
		}},
		"forged": {0, func(i int) page {
			return w.sends(poster{ip: somewhere(i, 11), agent: fmt.Sprint(i)}, "email", email("forged", i), "form_time", shown[:20]+"AAAAAAAAAAAAAAAAAA")
		}},
		"thrown": {0, func(i int) page {
			return w.sends(poster{ip: somewhere(i, 12), agent: fmt.Sprint(i)}, "email", fmt.Sprintf("thrown%d@mailinator.com", i), "form_time", shown)
		}},
	} {
		for i := range each {
			same(shape, tt.send(i))
		}
		if n := w.count(`SELECT count(*) FROM subscribers WHERE state = 'active' AND email_key LIKE $1`, shape+"%"); n > tt.most {
			t.Errorf("%s: %d got through, at most %d should", shape, n, tt.most)
		}
	}
	if n := w.count(`SELECT count(*) FROM deliveries d JOIN subscribers s ON s.id = d.subscriber_id WHERE s.state <> 'active'`); n != 0 {
		t.Errorf("%d who are held are delivered", n)
	}
	if n := w.count(`SELECT count(*) FROM holds WHERE decided_at = 0`); n < 8*each {
		t.Errorf("%d are held", n)
	}
}

// A proof of work lets a person through where one is asked for, and only them.
func TestAProofOfWork(t *testing.T) {
	t.Parallel()
	w := open(t, behindProxy)
	w.protect(func(r *screening.Rules) { r.Proof = screening.ProofAlways })
	shown, proof := w.shownAgo(20*time.Second), w.proven()
	text, err := base64.StdEncoding.DecodeString(proof)
	if err != nil {
		t.Fatal(err)
	}
	costly := base64.StdEncoding.EncodeToString([]byte(strings.Replace(string(text), `"cost":5000`, `"cost":2000000000`, 1)))
	var solved struct{ Challenge screening.Challenge }
	if err := json.Unmarshal(text, &solved); err != nil {
		t.Fatal(err)
	}
	signature := solved.Challenge.Signature
	capitals := base64.StdEncoding.EncodeToString([]byte(strings.Replace(string(text), signature, strings.ToUpper(signature), 1)))
	for i, tt := range []struct{ email, proof, want string }{
		{"nothing@reader.test", "", "held"}, {"nonsense@reader.test", "x", "held"}, {"costly@reader.test", costly, "held"},
		{"jane@reader.test", proof, "active"}, {"jane@reader.test", proof, "active"}, {"mallory@reader.test", proof, "held"}, {"trudy@reader.test", capitals, "held"},
	} {
		w.sends(poster{ip: fmt.Sprintf("10.0.%d.1", i), agent: fmt.Sprint(i)}, "email", tt.email, "form_time", shown, "altcha", tt.proof).to(formPage + "/thanks")
		if got := w.stateOf(tt.email); got != tt.want {
			t.Errorf("%s is %q, want %q", tt.email, got, tt.want)
		}
	}
	p := w.browser().get(formPage).is(200, "/static/proof.", `data-challenge="/signup/contoso-weekly/challenge"`, `name="altcha"`)
	if csp := p.head("Content-Security-Policy"); !strings.Contains(csp, "script-src 'self'") || !strings.Contains(csp, "worker-src 'self'") || !strings.Contains(csp, "connect-src 'self'") {
		t.Error(csp)
	}
	framed := w.browser().get(formPage+"?frame=1").is(200, "/static/proof.")
	if csp := framed.head("Content-Security-Policy"); strings.Count(csp, "script-src") != 1 {
		t.Error(csp)
	}
	w.protect(func(r *screening.Rules) {})
	w.put(`UPDATE newsletters SET slug = 'calm' WHERE slug = 'contoso-weekly'`) // it is read anew
	w.put(`INSERT INTO newsletter_slugs (slug, tenant_id, newsletter_id) SELECT 'calm', tenant_id, id FROM newsletters WHERE slug = 'calm'`)
	calm := w.browser().get("/signup/calm").is(200, `name="form_time"`, `name="topic_of_note"`).hasNot("<script")
	if csp := calm.head("Content-Security-Policy"); strings.Contains(csp, "script-src") {
		t.Error(csp)
	}
}

// Whoever mistyped a well-known domain is asked, once, and either answer is taken.
func TestDidYouMean(t *testing.T) {
	t.Parallel()
	w := open(t)
	w.protect(func(r *screening.Rules) {})
	b, shown := w.browser(), w.shownAgo(20*time.Second)
	asked := b.post(formPage, "email", "jane@hotmial.com", "first_name", "Jane", "form_time", shown).is(422, "Did you mean jane@hotmail.com?", "Sign up with jane@hotmial.com", "Use jane@hotmail.com", `value="Jane"`)
	if asked.hidden("form_time") != shown {
		t.Error("the time of the form is another one")
	}
	if n := w.signUps(); n != 0 {
		t.Errorf("%d are stored before the answer", n)
	}
	b.post(formPage, "email", "jane@hotmial.com", "form_time", shown, "address_as", "jane@hotmail.com").to(formPage + "/thanks")
	b.post(formPage, "email", "john@hotmial.com", "form_time", shown, "address_as", "john@hotmial.com").to(formPage + "/thanks")
	b.do("POST", formPage, `{"email":"ann@hotmial.com"}`, "Content-Type", "application/json").is(202)
	for email, want := range map[string]string{"jane@hotmail.com": "active", "jane@hotmial.com": "", "john@hotmial.com": "active", "ann@hotmial.com": "active"} {
		if got := w.stateOf(email); got != want {
			t.Errorf("%s: %q", email, got)
		}
	}
	b.post(formPage, "email", "jane@hotmial.com", "address_as", "no address").is(422, "no @")
}

// What is held is decided in the portal, by those of the tenant alone, and what is learnt holds for
// that domain and that network and no other.
func TestQuarantine(t *testing.T) {
	t.Parallel()
	w := open(t, behindProxy)
	w.protect(func(r *screening.Rules) {})
	shown := w.shownAgo(20 * time.Second)
	trapped := func(ip, email string) {
		t.Helper()
		w.sends(poster{ip: ip, agent: email}, "email", email, "form_time", shown, "topic_of_note", "x", "last_name", "Doe").to(formPage + "/thanks")
	}
	b := w.as(john, "contoso")
	b.get("/quarantine").is(200, "Nothing is held")
	for i, email := range []string{"accept@reader.test", "reject@reader.test", "block@reader.test", "rest1@reader.test", "rest2@reader.test"} {
		trapped(fmt.Sprintf("10.3.%d.1", i), email)
	}
	w.sends(poster{ip: "10.4.1.1"}, "email", "thrown@mailinator.com", "form_time", shown).to(formPage + "/thanks")
	hold := func(email string) (id string) {
		t.Helper()
		if err := w.store.Writer().QueryRow(`SELECT h.id FROM holds h JOIN subscribers s ON s.id = h.subscriber_id WHERE s.email_key = $1 AND h.decided_at = 0`, email).Scan(&id); err != nil {
			t.Fatal(email, err)
		}
		return id
	}
	p := b.get("/quarantine").is(200, "accept@reader.test", "Something filled in a field that people can’t see.", "Doe", "6 sign-ups are held", "never hold mailinator.com", "block this network")
	p.hasNot("never hold reader.test")
	b.get("/").is(200, "Quarantine")
	b.get("/subscribers?state=held").is(200, "accept@reader.test", "Held</span>").hasNot("In no CRM")
	b.get(w.personOf("accept@reader.test")).is(200, "A sign-up is held", "people can’t see")
	w.as(ann, "fabrikam").get("/quarantine").is(200, "Nothing is held")
	w.as(ann, "fabrikam").submit("/quarantine", "do", "accept", "id", hold("accept@reader.test")).to("/quarantine")
	if got := w.stateOf("accept@reader.test"); got != "held" {
		t.Errorf("another tenant made it %s", got)
	}
	b.submit("/quarantine", "do", "accept").to("/quarantine")
	b.get("/quarantine").is(200, "please select")
	b.submit("/quarantine", "do", "accept", "id", hold("accept@reader.test")).to("/quarantine")
	b.get("/quarantine").is(200, "One sign-up was accepted.")
	b.submit("/quarantine", "one", "reject "+hold("reject@reader.test")).to("/quarantine")
	b.submit("/quarantine", "one", "allow "+hold("thrown@mailinator.com")).to("/quarantine")
	b.submit("/quarantine", "one", "block "+hold("block@reader.test")).to("/quarantine")
	b.get("/quarantine/reject").is(200, "2 sign-ups are held", "Reject all 2")
	latest := hold("rest2@reader.test")
	trapped("10.3.9.1", "later@reader.test")
	b.submit("/quarantine/reject", "latest", latest).to("/quarantine")
	for email, want := range map[string]string{"accept@reader.test": "active", "reject@reader.test": "rejected", "thrown@mailinator.com": "active", "block@reader.test": "rejected", "rest1@reader.test": "rejected", "rest2@reader.test": "rejected", "later@reader.test": "held"} {
		if got := w.stateOf(email); got != want {
			t.Errorf("%s is %q, want %q", email, got, want)
		}
	}
	w.sends(poster{ip: "10.4.2.1", agent: "a"}, "email", "other@mailinator.com", "form_time", shown)
	w.sends(poster{ip: "10.3.2.200", agent: "b"}, "email", "sameplace@reader.test", "form_time", shown)
	w.sends(poster{ip: "10.3.3.1", agent: "c"}, "email", "otherplace@reader.test", "form_time", shown)
	for email, want := range map[string]string{"other@mailinator.com": "active", "sameplace@reader.test": "held", "otherplace@reader.test": "active"} {
		if got := w.stateOf(email); got != want {
			t.Errorf("afterwards %s is %q, want %q", email, got, want)
		}
	}
	if strings.Contains(w.log.String(), "10.3.2") || w.count(`SELECT count(*) FROM holds WHERE network LIKE '%10.3%'`) > 0 {
		t.Error("the address of a network is kept")
	}
}

// What a held sign-up says of somebody who is there already is shown beside what they have: that is what is accepted.
func TestQuarantineShowsWhatWasSent(t *testing.T) {
	t.Parallel()
	w := open(t, behindProxy)
	w.protect(func(r *screening.Rules) {})
	shown := w.shownAgo(20 * time.Second)
	for i, name := range []string{"Jane", "Win at http://cheap-pills.example"} {
		w.sends(poster{ip: fmt.Sprintf("10.3.%d.1", i), agent: name}, "email", "jane@reader.test", "form_time", shown, "first_name", name, "last_name", "Doe").to(formPage + "/thanks")
	}
	b := w.as(john, "contoso")
	b.get("/quarantine").is(200, "Link in a name", "Win at http://cheap-pills.example", "(now: Jane)", "<dd>Doe").hasNot("now: Doe")
	b.get(w.personOf("jane@reader.test")).is(200, "Jane").hasNot("cheap-pills")
}

// What is set of a newsletter's checks is what they do, and what can't be set is said.
func TestProtection(t *testing.T) {
	t.Parallel()
	w := open(t)
	b := w.as(john, "contoso")
	const at = "/newsletters/contoso-weekly/protection"
	p := b.get(at).is(200, "Check sign-ups", "Hidden field", "No sign-up was checked")
	revision := p.hidden("revision")
	b.submit(at, "revision", revision, "on", "on", "check", "honeypot", "proof", "sometimes", "network", "0", "agent", "x", "mailbox", "1001", "domains", "no domain here", "allowed", "10.0.0.1").
		is(422, "Please choose one of these.", "a number from 1 to 1000", "isn’t a domain", `value="1001"`)
	set := []string{"revision", revision, "on", "on", "check", "honeypot", "proof", "always", "network", "30", "domains", "Own.Example, a@other.example", "allowed", "mailinator.com", "typos", "on", "findable", "on"}
	b.submit(at, set...).to(at)
	b.get(at).is(200, "Saved.", "own.example\nother.example", `value="30"`)
	b.submit(at, set...).is(409, "Somebody else has changed this newsletter")
	var stored string
	if err := w.store.Writer().QueryRow(`SELECT readers FROM newsletters WHERE slug = 'contoso-weekly'`).Scan(&stored); err != nil {
		t.Fatal(err)
	}
	var rules struct{ Screening screening.Rules }
	if err := json.Unmarshal([]byte(stored), &rules); err != nil {
		t.Fatal(err)
	}
	if r := rules.Screening; !r.On || r.Proof != screening.ProofAlways || r.Network != 30 || fmt.Sprint(r.Domains, r.Allowed) != "[own.example other.example] [mailinator.com]" || r.NoTypos || !r.Findable || len(r.Off) < 8 {
		t.Errorf("%+v", r)
	}
	if robots := w.browser().get(formPage).is(200).head("X-Robots-Tag"); robots != "" {
		t.Error(robots)
	}
	w.put(`INSERT INTO finding_counts (tenant_id, newsletter_id, day, name, found, held) SELECT tenant_id, id, $1, '', 1234, 34 FROM newsletters WHERE slug = 'contoso-weekly'`, time.Now().UTC().Truncate(24*time.Hour).UnixMilli())
	w.put(`INSERT INTO finding_counts (tenant_id, newsletter_id, day, name, found, held) SELECT tenant_id, id, $1, 'honeypot', 33, 33 FROM newsletters WHERE slug = 'contoso-weekly'`, time.Now().UTC().Truncate(24*time.Hour).UnixMilli())
	b.get(at).is(200, "1,234", "34", `<td class="num">33</td>`)
	if newsletter.NewRules(true).Screening.On != true {
		t.Error("new newsletters look at nothing")
	}
}

// A reader tells the operator of a form, and search engines don't find one unless an admin says so.
func TestReportingAForm(t *testing.T) {
	t.Parallel()
	w := open(t)
	b := w.browser()
	p := b.get(formPage).is(200, "Report this form", `href="/signup/contoso-weekly/report"`)
	if p.head("X-Robots-Tag") != "noindex" {
		t.Error("search engines may show it")
	}
	b.get(formPage+"/report").is(200, "What is wrong with it?").hasNot("Report this form</a>")
	b.post(formPage+"/report", "why", " ").is(422, "Please fill this in.")
	b.post(formPage+"/report", "why", strings.Repeat("x", 2001)).is(422, "too long")
	b.post(formPage+"/report", "why", "It asks for a password.").to(formPage + "/reported")
	b.get(formPage+"/reported").is(200, "Thank you for the report")
	if n := w.count(`SELECT count(*) FROM form_reports WHERE why = 'It asks for a password.'`); n != 1 || !strings.Contains(w.log.String(), "somebody reported a form") || strings.Contains(w.log.String(), "password.") {
		t.Errorf("%d reports", n)
	}
	b.post(formPage+"/report", "why", "x").is(429)
	w.browser().get("/signup/nobody/report").is(404)
}
