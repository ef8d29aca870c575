package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"gatepost/db"
	"gatepost/e2e/rig"
	"gatepost/screening"
	"gatepost/seal"
)

// Whoever sends a form must not learn by the answer what its address is. Addresses of each kind are sent by
// turns in a random order, one after the other, and it is told by how much the answers differ.

// kinds are what an address may be.
var kinds = []struct {
	name string
	make func(up *db.SignUp) // of one that is there
}{
	{"new", nil},
	{"known", func(*db.SignUp) {}},
	{"unconfirmed", func(up *db.SignUp) { up.Confirm, up.CanMail = true, true }},
	{"held", func(up *db.SignUp) { up.Held = []string{screening.Honeypot} }},
	{"suppressed", nil},
}

// answered is what is known of the answers to a kind.
type answered struct {
	took  rig.Times
	seen  map[string]bool // the answers, without what differs from request to request
	bytes map[int]bool    // their lengths
}

// alike sends so many of each kind.
func (s *siege) alike(ctx context.Context, n int) (report string, err error) {
	form, letter := s.forms[0], s.letters[0]
	tenant, err := s.store.TenantBySlug(ctx, besieged[0].Slug)
	if err != nil {
		return "", err
	}
	if err := s.makeKinds(ctx, tenant.ID, letter, n); err != nil {
		return "", err
	}
	shown, err := newVisitor(s.portal.URL, "100.127.0.1", browsers[0]).open(ctx, form)
	if err != nil {
		return "", err
	}
	fields := shown.fields("main form")
	if err := wait(ctx, 3*time.Second); err != nil {
		return "", err
	}
	answers := make([]answered, len(kinds))
	order := rand.Perm(n * len(kinds))
	for i, one := range order {
		kind := one % len(kinds)
		a, err := s.sendKind(ctx, form, fields, i, kind, one/len(kinds))
		if err != nil {
			return "", err
		}
		answers[kind].add(a)
	}
	return told(answers), nil
}

// sendKind sends the form of the nth of a kind.
func (s *siege) sendKind(ctx context.Context, form string, fields url.Values, i, kind, n int) (answer, error) {
	v := newVisitor(s.portal.URL, fmt.Sprintf("102.%d.%d.1", i/256, i%256), browsers[i%len(browsers)])
	fields.Set("email", kindEmail(kind, n))
	fields.Set("first_name", "Rita")
	fields.Set("last_name", letters(3+i%12))
	return v.post(ctx, form, fields, presses)
}

// kindEmail is the address of the nth of a kind; all kinds' look alike.
func kindEmail(kind, n int) string {
	return fmt.Sprintf("%s%d@mail.example", strings.Repeat(string(rune('p'+kind)), 3+n%20), 10_000+n)
}

// makeKinds stores those who are there already.
func (s *siege) makeKinds(ctx context.Context, tenantID, letterID string, n int) error {
	var errs []error
	for kind, k := range kinds {
		var ups []db.SignUp
		var macs []string
		for i := range n {
			email := kindEmail(kind, i)
			macs = append(macs, base64.RawURLEncoding.EncodeToString(s.macs.Sum(seal.Suppression, tenantID, email)))
			up := db.SignUp{TenantID: tenantID, NewsletterID: letterID, Email: email, EmailKey: email, FirstName: "Rita", LastName: "Reader", Consent: "Yes.", Source: "form", At: s.store.Now()}
			if k.make != nil {
				k.make(&up)
				ups = append(ups, up)
			}
		}
		if len(ups) > 0 {
			_, err := s.store.AddSignUps(ctx, ups)
			errs = append(errs, err)
		}
		if k.name == "suppressed" {
			_, err := s.store.Suppress(ctx, tenantID, "", db.LeftByList, macs)
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// add adds an answer.
func (k *answered) add(a answer) {
	if k.seen == nil {
		k.seen, k.bytes = map[string]bool{}, map[int]bool{}
	}
	var header []string
	length := 0
	for name, values := range a.header {
		for _, value := range values {
			length += len(name) + len(value) + 4
			if name != "Date" && name != "X-Request-Id" {
				header = append(header, name+": "+value)
			}
		}
	}
	slices.Sort(header)
	k.took = append(k.took, a.took)
	k.seen[fmt.Sprint(a.status, " ", http.StatusText(a.status), header, string(a.body))] = true
	k.bytes[length+len(a.body)] = true
}

// told says how the answers to each kind differ from those to new ones. What an observer gains by the time is the
// probability that an answer to the kind takes longer than one to somebody new: 50 % is nothing.
func told(answers []answered) string {
	var b strings.Builder
	for kind, a := range answers {
		same := len(a.seen) == 1 && len(a.bytes) == 1
		for seen := range a.seen {
			same = same && answers[0].seen[seen]
		}
		longer, deviation := takesLonger(a.took, answers[0].took)
		_, _ = fmt.Fprintf(&b, "%-12s %s; words and size as to new ones: %v; takes longer than one to somebody new with a probability of %.1f %% (50 %% ± %.1f %%)\n",
			kinds[kind].name, a.took, same, 100*longer, 200*deviation)
	}
	return b.String()
}

// takesLonger is the probability that one of the first takes longer than one of the second, with its standard
// deviation where they don't differ (Mann and Whitney's test).
func takesLonger(first, second []time.Duration) (share, deviation float64) {
	longer := 0.0
	sorted := slices.Sorted(slices.Values(second))
	for _, d := range first {
		below, _ := slices.BinarySearch(sorted, d)
		upTo, _ := slices.BinarySearch(sorted, d+1)
		longer += float64(below) + float64(upTo-below)/2
	}
	n, m := float64(len(first)), float64(len(second))
	return longer / (n * m), math.Sqrt((n + m + 1) / (12 * n * m))
}
