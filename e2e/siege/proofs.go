package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
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
