package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// person is an honest reader who signs up.
type person struct {
	email, first, last string
	*visitor
	script bool    // their browser runs scripts
	proofs *proofs // that it makes

	took    []time.Duration // that sending the form took, each time
	told    int             // how often they were told to wait
	refused string          // how they were refused without words; empty when they weren't
	held    bool            // they were thanked, and no mail came
}

var (
	firstNames = []string{"Ann", "Bola", "Chiara", "Dmitri", "Elizabeth", "Farid", "Gudrun", "Hiroshi", "Ingrid", "Jo", "Katarzyna", "Li", "Mohammed", "Nkechi", "Oskar", "Priya", "Quentin", "Rosa", "Siobhán", "Thu"}
	lastNames  = []string{"Abe", "Bergström", "Costa", "Dvořák", "Evans", "Fischer", "García", "Hughes", "Ivanova", "Jansen", "Kowalska", "Lee", "Müller", "Nowak", "Okafor", "Patel", "Rossi", "Smith", "Tanaka", "Wang"}
	mailHosts  = []string{"mail.example", "post.example", "letters.example", "company.example", "university.example"}
	browsers   = []string{
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/147.0.0.0 Safari/537.36",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/147.0.0.0 Safari/537.36",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:150.0) Gecko/20100101 Firefox/150.0",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 26_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.4 Mobile/15E148 Safari/604.1",
		"Mozilla/5.0 (Linux; Android 16; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/147.0.0.0 Mobile Safari/537.36",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.4 Safari/605.1.15",
	}
)

// robotsNetwork is where some robots are, and some of the honest too.
const robotsNetwork = "198.51.100."

// newPerson is the nth: each fifth is in the network of robots, each fifth has no script.
func (s *siege) newPerson(n int) *person {
	first, last := firstNames[n%len(firstNames)], lastNames[n/len(firstNames)%len(lastNames)]
	ip := fmt.Sprintf("100.%d.%d.%d", 64+n%64, n/64%256, 1+n%200)
	if n%5 == 1 {
		ip = robotsNetwork + strconv.Itoa(1+n%250)
	}
	local := []string{
		fmt.Sprintf("%s.%s", ascii(first), ascii(last)), fmt.Sprintf("%s%d", ascii(first+last), 60+n%40),
		fmt.Sprintf("%c.%s%d", ascii(first)[0], ascii(last), n), fmt.Sprintf("%s_%s", ascii(last), ascii(first)), fmt.Sprintf("me%d", n),
	}[n%5]
	return &person{email: fmt.Sprintf("%s@%s", local, mailHosts[n/7%len(mailHosts)]), first: first, last: last,
		visitor: newVisitor(s.portal.URL, ip, browsers[n/3%len(browsers)]), script: n%5 != 2, proofs: &s.proofs}
}

// ascii is a name as it is written in an address.
func ascii(name string) string {
	var b []rune
	for _, r := range name {
		if r < 128 {
			b = append(b, r|0x20) // a letter's small one
		}
	}
	return string(b)
}

// readers has people sign up, those from a number on.
func (s *siege) readers(ctx context.Context, from int) (people []*person, err error) {
	people = make([]*person, s.honest)
	err = each(ctx, s.honest, s.lasts, func(n int) error {
		people[n] = s.newPerson(from + n)
		return s.signUp(ctx, people[n], s.forms[n%len(s.forms)])
	})
	return people, err
}

// patience is for how long a person waits for a mail, and how often they send a form again.
const (
	patience = time.Minute
	tries    = 4
)

// signUp has a person sign up and confirm, as people do.
func (s *siege) signUp(ctx context.Context, p *person, form string) error {
	fields, err := p.fillIn(ctx, form)
	if err != nil {
		return err
	}
	for {
		a, err := p.post(ctx, form, fields, presses)
		if err != nil {
			return err
		}
		p.took = append(p.took, a.took)
		if a.status == http.StatusSeeOther {
			break
		}
		after, err := strconv.Atoi(a.header.Get("Retry-After"))
		if a.status != http.StatusTooManyRequests || err != nil || len(a.body) == 0 || p.told == tries {
			p.refused = fmt.Sprintf("%d %s", a.status, a.header.Get("Retry-After"))
			return nil
		}
		p.told++
		if err := wait(ctx, time.Duration(after)*time.Second); err != nil {
			return err
		}
	}
	if s.unconfirmed {
		return nil
	}
	return s.confirm(ctx, p)
}

// fillIn opens a form and fills it in, which takes a person some seconds.
func (p *person) fillIn(ctx context.Context, form string) (url.Values, error) {
	shown, err := p.open(ctx, form)
	if err != nil {
		return nil, err
	}
	fields := shown.fields("main form")
	if err := wait(ctx, time.Duration(3000+rand.IntN(5000))*time.Millisecond); err != nil {
		return nil, err
	}
	fields.Set("email", p.email)
	fields.Set("first_name", p.first)
	fields.Set("last_name", p.last)
	if shown.asksProof() && p.script {
		fields.Set("altcha", p.proofs.take(form))
	}
	return fields, nil
}

// confirm has a person wait for the mail, open its link and press the button.
func (s *siege) confirm(ctx context.Context, p *person) error {
	var links []string
	for end := time.Now().Add(patience); len(links) == 0 && time.Now().Before(end); {
		if err := wait(ctx, look); err != nil {
			return err
		}
		links = s.mails.of(p.email)
	}
	if p.held = len(links) == 0; p.held {
		return nil
	}
	opened, err := p.open(ctx, links[0])
	if err != nil {
		return err
	}
	fields := opened.fields("main form")
	fields.Set("press", "yes")
	if err := wait(ctx, 2500*time.Millisecond); err != nil {
		return err
	}
	_, err = p.post(ctx, links[0], fields, presses)
	return err
}

// tookOf is what sending the form took all of them.
func tookOf(people []*person) (took []time.Duration) {
	for _, p := range people {
		took = append(took, p.took...)
	}
	return took
}
