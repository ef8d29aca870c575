package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync"

	"gatepost/screening"
)

// proofs are proofs of work that wait for somebody's form to ask for one. Browsers make theirs on machines of their
// own: here they are made before anybody comes, so that the portal has the processors that it would have.
type proofs struct {
	mu   sync.Mutex
	made map[string][]string // by the form
}

// provers is how many are made at once.
const provers = 2

// make makes n of them, of the forms by turns.
func (p *proofs) make(ctx context.Context, forms []string, n int) error {
	p.made = map[string][]string{}
	v := newVisitor("", "100.127.0.2", browsers[0])
	errs := make([]error, provers)
	var all sync.WaitGroup
	for prover := range provers {
		all.Go(func() {
			for i := prover; i < n+len(forms) && errs[prover] == nil; i += provers {
				errs[prover] = p.add(ctx, v, forms[i/provers%len(forms)])
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// add makes one.
func (p *proofs) add(ctx context.Context, v *visitor, form string) error {
	a, err := v.do(ctx, http.MethodGet, form+"/challenge", nil, nil)
	if err != nil {
		return err
	}
	var c screening.Challenge
	if err := json.Unmarshal(a.body, &c); err != nil {
		return err
	}
	proof := c.Solve()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.made[form] = append(p.made[form], proof)
	return nil
}

// take takes one of a form's; it is empty when there is none any more.
func (p *proofs) take(form string) (proof string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if all := p.made[form]; len(all) > 0 {
		proof, p.made[form] = all[0], all[1:]
	}
	return proof
}

// respelled is the nth spelling of a proof of work: letters of its signature in capitals, the key in
// capitals, and white space. The first one is the proof as it is.
func respelled(proof string, n int) string {
	text, err := base64.StdEncoding.DecodeString(proof)
	if err != nil { // there was none to take
		return proof
	}
	var of struct {
		Challenge screening.Challenge
		Solution  struct{ DerivedKey string }
	}
	if err := json.Unmarshal(text, &of); err != nil {
		return proof
	}
	signature, letter := []byte(of.Challenge.Signature), 0
	for i, c := range signature {
		if 'a' <= c && c <= 'f' {
			if n>>letter&1 == 1 {
				signature[i] -= 'a' - 'A'
			}
			letter++
		}
	}
	text = bytes.Replace(text, []byte(of.Challenge.Signature), signature, 1)
	if n%3 == 1 {
		text = bytes.Replace(text, []byte(of.Solution.DerivedKey), []byte(strings.ToUpper(of.Solution.DerivedKey)), 1)
	}
	return base64.StdEncoding.EncodeToString(append(text, bytes.Repeat([]byte{' '}, n%4)...))
}
