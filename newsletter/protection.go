package newsletter

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"gatepost/db"
	"gatepost/input"
	"gatepost/screening"
)

// Protection is what an admin types about the checks of a newsletter. Errors are told by the names
// of the fields in forms: proof, network, agent, mailbox, domains and allowed.
type Protection struct {
	On                      bool
	Checks                  []string // those that are on
	Proof                   string
	Network, Agent, Mailbox string // numbers; empty for the default
	Domains, Allowed        string // domains, one in a line
	Networks                []string
	Typos, Findable         bool
}

// ProtectionOf is what stands in the form of a newsletter with rules.
func ProtectionOf(r screening.Rules) Protection {
	p := Protection{On: r.On, Proof: string(r.Proof), Network: number(r.Network), Agent: number(r.Agent), Mailbox: number(r.Mailbox), Domains: strings.Join(r.Domains, "\n"), Allowed: strings.Join(r.Allowed, "\n"),
		Networks: r.Networks, Typos: !r.NoTypos, Findable: r.Findable}
	for _, c := range screening.Checks {
		if c.Means != "" && r.Checks(c) {
			p.Checks = append(p.Checks, c.Name)
		}
	}
	return p
}

func number(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

// Check returns the rules as they are to be stored, or a sentence for each field that is not in
// order. Networks that aren't blocked can't be added here, only taken away.
func (p Protection) Check(was screening.Rules) (r screening.Rules, wrong map[string]string) {
	wrong = map[string]string{}
	note := func(field, sentence string) {
		if sentence != "" {
			wrong[field] = sentence
		}
	}
	r = screening.Rules{On: p.On, Proof: screening.ProofMode(p.Proof), NoTypos: !p.Typos, Findable: p.Findable}
	for _, c := range screening.Checks {
		if c.Means != "" && !slices.Contains(p.Checks, c.Name) {
			r.Off = append(r.Off, c.Name)
		}
	}
	if !slices.ContainsFunc(screening.Proofs, func(m screening.ProofOption) bool { return m.Mode == r.Proof }) {
		note("proof", "Please choose one of these.")
	}
	for _, n := range []struct {
		field, typed string
		to           *int
	}{{"network", p.Network, &r.Network}, {"agent", p.Agent, &r.Agent}, {"mailbox", p.Mailbox, &r.Mailbox}} {
		var sentence string
		*n.to, sentence = checkBurst(n.typed)
		note(n.field, sentence)
	}
	var sentence string
	r.Domains, sentence = checkDomains(p.Domains)
	note("domains", sentence)
	r.Allowed, sentence = checkDomains(p.Allowed)
	note("allowed", sentence)
	r.Networks = slices.DeleteFunc(slices.Clone(was.Networks), func(n string) bool { return !slices.Contains(p.Networks, n) })
	return r, wrong
}

// checkBurst returns how many are too many, 0 for the default, or what is wrong with it.
func checkBurst(typed string) (n int, wrong string) {
	typed = input.Word(typed)
	if typed == "" {
		return 0, ""
	}
	n, err := strconv.Atoi(typed)
	if err != nil || n < 1 || n > screening.MostBurst {
		return 0, fmt.Sprintf("Please enter a number from 1 to %d, or nothing for the default.", screening.MostBurst)
	}
	return n, ""
}

// checkDomains returns the domains that an admin typed, one in a line, each once, or what is wrong
// with the first that can't be one. Of an address its domain is meant.
func checkDomains(typed string) (domains []string, wrong string) {
	for _, one := range strings.Fields(strings.NewReplacer(",", " ", ";", " ").Replace(typed)) {
		domain, ok := hostOf(screening.DomainOf(input.Word(one)))
		if !ok || !strings.Contains(domain, ".") || strings.Contains(domain, ":") {
			return nil, fmt.Sprintf("%.100s isn’t a domain. Please enter what stands after the @ of addresses, such as example.com.", one)
		}
		if !slices.Contains(domains, domain) {
			domains = append(domains, domain)
		}
	}
	if len(domains) > screening.MostDomains {
		return nil, fmt.Sprintf("These are %d domains: at most %d, please.", len(domains), screening.MostDomains)
	}
	return domains, ""
}

// SaveProtection stores by what a newsletter's sign-ups are checked; n is the newsletter as whoever
// changes it saw it. It gives ErrChanged and db.ErrNotFound.
func (s *Service) SaveProtection(ctx context.Context, n db.Newsletter, r screening.Rules) error {
	rules := n.Readers
	rules.Screening = r
	return s.edited(s.store.SetReaderRules(ctx, n.TenantID, n.ID, n.Revision, rules))
}

// ErrFull says that a list has as many entries as it can.
var ErrFull = errors.New("the list is full")

// AllowDomain has addresses of a domain never be held for what it is. What else was changed of the
// newsletter meanwhile stays.
func (s *Service) AllowDomain(ctx context.Context, tenantID, slug, domain string) error {
	return s.learn(ctx, tenantID, slug, func(r *screening.Rules) error {
		r.Domains = slices.DeleteFunc(slices.Clone(r.Domains), func(d string) bool { return d == domain })
		return addTo(&r.Allowed, domain, screening.MostDomains)
	})
}

// BlockNetwork has what comes from a network be held; network is what Network returns.
func (s *Service) BlockNetwork(ctx context.Context, tenantID, slug, network string) error {
	return s.learn(ctx, tenantID, slug, func(r *screening.Rules) error { return addTo(&r.Networks, network, screening.MostNetworks) })
}

func addTo(list *[]string, one string, most int) error {
	switch {
	case slices.Contains(*list, one):
		return nil
	case len(*list) >= most:
		return ErrFull
	}
	*list = append(slices.Clone(*list), one)
	return nil
}

func (s *Service) learn(ctx context.Context, tenantID, slug string, change func(*screening.Rules) error) error {
	for {
		n, err := s.Of(ctx, tenantID, slug)
		if err != nil {
			return err
		}
		r := n.Readers.Screening
		if err := change(&r); err != nil {
			return err
		}
		if err := s.SaveProtection(ctx, n, r); !errors.Is(err, ErrChanged) {
			return err
		}
	}
}

// Report stores what a reader says of a newsletter's form, for the operator.
func (s *Service) Report(ctx context.Context, n db.Newsletter, why string) error {
	return s.store.AddFormReport(ctx, n.TenantID, n.ID, why)
}
