package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"gatepost/screening"
	"gatepost/seal"
)

// robot is one post of a robot.
type robot struct {
	*visitor
	form   int // number of the newsletter
	email  string
	fields url.Values
	asJSON bool
	header http.Header
}

// shape is a way in which robots come.
type shape struct {
	name string
	// make makes the nth post, and takes its time for that.
	make func(ctx context.Context, r *robots, n int) (robot, error)
}

// shapes are the ways. What robots need of a form they take from one that was shown some seconds
// before, unless it says something else.
var shapes = []shape{
	{"one address, from everywhere", func(_ context.Context, r *robots, n int) (robot, error) {
		return r.robot(n, "victim@stranger.example", "Vic", "Tim", r.shown(n)), nil
	}},
	{"many addresses, from one network, by curl", func(_ context.Context, r *robots, n int) (robot, error) {
		b := r.robot(n, madeUp(n), "John", "Smith", url.Values{})
		b.ip, b.agent, b.header = fmt.Sprintf("%s%d", robotsNetwork, 1+n%254), "curl/8.14.1", nil
		return b, nil
	}},
	{"many made-up ones, from everywhere", func(_ context.Context, r *robots, n int) (robot, error) {
		b := r.robot(n, madeUp(n), letters(8), letters(8), r.shown(n))
		b.agent = browsers[0]
		return b, nil
	}},
	{"headless browser with script", headless},
	{"old browser without script", func(_ context.Context, r *robots, n int) (robot, error) {
		b := r.robot(n, listed(n), firstNames[n%20], lastNames[n/20%20], r.shown(n))
		b.agent, b.header = fmt.Sprintf("Mozilla/4.0 (compatible; MSIE %d.0; Windows NT %d.%d)", 5+n%4, 5+n%2, n%3), nil
		return b, nil
	}},
	{"JSON", func(_ context.Context, r *robots, n int) (robot, error) {
		b := r.robot(n, madeUp(n), letters(6), letters(9), url.Values{})
		b.asJSON, b.ip = true, fmt.Sprintf("100.128.%d.%d", n%20, 1+n%200)
		return b, nil
	}},
	{"another origin", func(_ context.Context, r *robots, n int) (robot, error) {
		b := r.robot(n, listed(n), firstNames[n/20%20], lastNames[n%20], url.Values{})
		b.header = http.Header{"Origin": {"https://elsewhere.example"}, "Referer": {"https://elsewhere.example/offers"}, "Sec-Fetch-Site": {"cross-site"}, "Sec-Fetch-Mode": {"navigate"}}
		b.ip = fmt.Sprintf("100.129.%d.%d", n%10, 1+n%200)
		return b, nil
	}},
	{"aged token", func(_ context.Context, r *robots, n int) (robot, error) {
		fields := r.shown(n)
		fields.Set("form_time", r.aged[n%len(r.aged)])
		return r.robot(n, listed(n), firstNames[n%20], lastNames[n%20], fields), nil
	}},
	{"reused proof", func(_ context.Context, r *robots, n int) (robot, error) {
		fields := r.shown(n)
		fields.Set("altcha", respelled(r.reused[n%len(r.reused)], n/len(r.reused)))
		return r.robot(n, listed(n), firstNames[n%20], lastNames[n%20], fields), nil
	}},
	{"hidden field, links, spellings of a mailbox", func(_ context.Context, r *robots, n int) (robot, error) {
		switch n / 2 % 3 {
		case 0:
			fields := r.shown(n)
			fields.Set("topic_of_note", "roses")
			return r.robot(n, listed(n), "Rob", "Ot", fields), nil
		case 1:
			return r.robot(n, listed(n), "WIN", "http://win.example/"+letters(5), r.shown(n)), nil
		}
		return r.robot(n, fmt.Sprintf("target+%s%d@stranger.example", letters(3), n), "Tar", "Get", r.shown(n)), nil
	}},
}

// robots are all of them.
type robots struct {
	*siege
	before []url.Values // fields of forms that were shown some seconds before
	aged   []string     // form times of yesterday
	reused []string     // proofs of work that are used again and again
	solved atomic.Int64 // proofs of work that headless browsers wanted

	mu   sync.Mutex
	from map[string]int // number of the shape, by address
}

// newRobots prepares them.
func (s *siege) newRobots(ctx context.Context) (*robots, error) {
	r := &robots{siege: s, from: map[string]int{}}
	v := newVisitor(s.portal.URL, "100.127.0.1", browsers[0])
	for i, form := range s.forms {
		shown, err := v.open(ctx, form)
		if err != nil {
			return nil, err
		}
		r.before, r.reused = append(r.before, shown.fields("main form")), append(r.reused, s.proofs.take(form))
		r.aged = append(r.aged, screening.StampForm(func(parts ...string) []byte { return s.macs.Sum(seal.FormTime, parts...) }, s.letters[i], s.store.Now().Add(-25*time.Hour)))
	}
	return r, wait(ctx, 3*time.Second)
}

// shown are the fields of the nth robot's form.
func (r *robots) shown(n int) url.Values {
	fields := url.Values{}
	for name, values := range r.before[n%len(r.before)] {
		fields[name] = values
	}
	return fields
}

// robot is the nth, from a network of its own and with a browser of its own.
func (r *robots) robot(n int, email, first, last string, fields url.Values) robot {
	fields.Set("email", email)
	fields.Set("first_name", first)
	fields.Set("last_name", last)
	ip := fmt.Sprintf("101.%d.%d.%d", rand.IntN(256), rand.IntN(256), 1+rand.IntN(254))
	agent := fmt.Sprintf("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/%d.0.%d.0 Safari/537.36", 130+n%20, rand.IntN(7000))
	return robot{visitor: newVisitor(r.portal.URL, ip, agent), form: n % len(r.before), email: email, fields: fields, header: navigates}
}

// mostSolved is how many proofs of work headless browsers make: each costs them some 0.4 s of a processor.
func (p plan) mostSolved() int64 { return int64(p.junk / 50) }

// headless is a robot that does all that a person's browser does: each opens the form, waits, and makes the proof of
// work where it is asked for, while they can pay for that.
func headless(ctx context.Context, r *robots, n int) (b robot, err error) {
	b = r.robot(n, listed(n), firstNames[rand.IntN(20)], lastNames[rand.IntN(20)], url.Values{})
	form := r.forms[b.form]
	shown, err := b.open(ctx, form)
	if err != nil {
		return b, err
	}
	for name, values := range shown.fields("main form") {
		if b.fields.Get(name) == "" {
			b.fields[name] = values
		}
	}
	if err := wait(ctx, time.Duration(2500+rand.IntN(3000))*time.Millisecond); err != nil {
		return b, err
	}
	if shown.asksProof() && r.solved.Add(1) <= r.mostSolved() {
		b.fields.Set("altcha", r.siege.proofs.take(form))
	}
	b.header = presses // a driven browser clicks as people do
	return b, nil
}

// shapeCount is what the posts of a shape came to.
type shapeCount struct {
	name    string
	posts   int
	answers map[int]int    // by status
	states  map[string]int // of the people that were stored
	inCRM   int
	mails   int
}

// attack lets all of them loose, the shapes by turns.
func (r *robots) attack(ctx context.Context) (counts []shapeCount, err error) {
	for _, s := range shapes {
		counts = append(counts, shapeCount{name: s.name, answers: map[int]int{}, states: map[string]int{}})
	}
	err = each(ctx, r.junk, r.lasts, func(n int) error {
		of := n % len(shapes)
		b, err := shapes[of].make(ctx, r, n/len(shapes))
		if err != nil {
			return err
		}
		a, err := b.send(ctx, r.forms[b.form])
		if err != nil {
			return err
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		counts[of].posts++
		counts[of].answers[a.status]++
		r.from[strings.ToLower(b.email)] = of
		return nil
	})
	return counts, err
}

// send sends a robot's post.
func (b robot) send(ctx context.Context, form string) (answer, error) {
	if !b.asJSON {
		return b.post(ctx, form, b.fields, b.header)
	}
	members := map[string]any{"consent": true}
	for name := range b.fields {
		members[name] = b.fields.Get(name)
	}
	body, err := json.Marshal(members)
	if err != nil {
		return answer{}, err
	}
	return b.do(ctx, http.MethodPost, form, strings.NewReader(string(body)), http.Header{"Content-Type": {"application/json"}})
}

// letters are so many, at random.
func letters(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte('a' + rand.IntN(26))
	}
	return string(b)
}

// madeUp is an address as robots make them up.
func madeUp(n int) string { return fmt.Sprintf("%s%04d@bulk%d.example", letters(8), n%10000, n%10) }

// listed is the address of a stranger, from a list that somebody sells.
func listed(n int) string {
	sep := []string{".", "_", "", "-"}[rand.IntN(4)]
	return fmt.Sprintf("%s%s%s%d@stranger%d.example", ascii(firstNames[rand.IntN(20)]), sep, ascii(lastNames[rand.IntN(20)]), rand.IntN(1_000_000), n%10)
}
