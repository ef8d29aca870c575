package screening

import (
	"slices"
	"strings"
)

// ProofMode says when a reader's browser is asked for a proof of work.
type ProofMode string

// The modes.
const (
	ProofOff            ProofMode = ""           // never
	ProofWhenSuspicious ProofMode = "suspicious" // while many sign-ups are held, and of networks from which many come
	ProofAlways         ProofMode = "always"
)

// ProofOption is a mode, with what it means.
type ProofOption struct {
	Mode         ProofMode
	Label, Means string
}

// Proofs are the modes, in the order in which they are offered.
var Proofs = []ProofOption{
	{ProofOff, "Never", "The form loads no script."},
	{ProofWhenSuspicious, "When something looks suspicious", "While many sign-ups are held, and where many come from one network."},
	{ProofAlways, "Always", "Each browser computes for about half a second, from when the reader begins to type. Who has no script, or an old browser, is asked to confirm by mail; where Gatepost can’t send mails they are held."},
}

// Rules are what a newsletter has looked at. The zero value looks at nothing, as newsletters did
// before there were checks.
type Rules struct {
	On       bool      `json:"on,omitempty"`
	Off      []string  `json:"off,omitempty"` // checks that are switched off, by name
	Proof    ProofMode `json:"proof,omitempty"`
	Network  int       `json:"network,omitempty"`  // the most from a network in ten minutes; the default when 0
	Agent    int       `json:"agent,omitempty"`    // the most that are alike in ten minutes; likewise
	Mailbox  int       `json:"mailbox,omitempty"`  // the most spellings of a mailbox in an hour; likewise
	Domains  []string  `json:"domains,omitempty"`  // of throw-away addresses, beside those of the list
	Allowed  []string  `json:"allowed,omitempty"`  // domains that are never held for what they are
	Networks []string  `json:"networks,omitempty"` // that are blocked, as keyed MACs
	NoTypos  bool      `json:"no_typos,omitempty"` // nobody is asked whether they meant another domain
	Findable bool      `json:"findable,omitempty"` // search engines may show the form
}

// Defaults are the rules of a new newsletter.
func Defaults() Rules { return Rules{On: true, Proof: ProofWhenSuspicious} }

// The defaults and the bounds of what may be set.
const (
	DefaultNetwork = 10
	DefaultAgent   = 20
	DefaultMailbox = 3
	MostBurst      = 1000 // that may be set
	MostDomains    = 500  // in each list
	MostNetworks   = 500
)

// Checks reports whether a check is on.
func (r Rules) Checks(c Check) bool {
	by := c.Name
	if c.With != "" {
		by = c.With
	}
	return !slices.Contains(r.Off, by)
}

// Suggests reports whether somebody who mistyped a well-known domain is asked about it.
func (r Rules) Suggests() bool { return r.On && !r.NoTypos }

// asksProof reports whether a proof is needed, while a form is under attack or isn't.
func (r Rules) asksProof(attack bool) bool {
	return r.Proof == ProofAlways || r.Proof == ProofWhenSuspicious && attack
}

// blocks reports whether a network is blocked. An unknown one can't be.
func (r Rules) blocks(network string) bool {
	return network != "" && slices.Contains(r.Networks, network)
}

// allows reports whether the domain of an address, or one above it, is never held for what it is.
func (r Rules) allows(email string) bool {
	return inList(DomainOf(email), func(d string) bool { return slices.Contains(r.Allowed, d) })
}

// disposable reports whether an address is of a service for throw-away addresses. The list has
// domains that are slips of well-known ones as well: people are asked about these.
func (r Rules) disposable(email string) bool {
	domain := DomainOf(email)
	listed := inList(domain, isListed) && Suggest(email) == "" || inList(domain, func(d string) bool { return slices.Contains(r.Domains, d) })
	return listed && !r.allows(email)
}

// inList reports whether a domain or one above it is listed. Of the last label alone nothing is
// asked: nobody lists that.
func inList(domain string, listed func(domain string) bool) bool {
	for strings.Contains(domain, ".") {
		if listed(domain) {
			return true
		}
		_, domain, _ = strings.Cut(domain, ".")
	}
	return false
}

// DomainOf is the domain of an address, in lower case.
func DomainOf(email string) string {
	return strings.ToLower(email[strings.LastIndexByte(email, '@')+1:])
}

// LooksUp reports whether the domain of an address is to be looked up.
func (r Rules) LooksUp(email string) bool {
	return r.On && !slices.Contains(r.Off, NoMail) && !r.allows(email)
}
