// Package screening tells the sign-ups of robots from those of people, as far as that can be told.
//
// A check is a row of Checks. Each looks at what is known of one sign-up and finds something or
// nothing. What a check finds weighs as its row says: it holds a sign-up by itself, or it is a sign
// that needs another one. Nothing is refused here: what is held waits in the quarantine for
// somebody of the newsletter's, and the reader is answered as anybody else.
package screening

import (
	"slices"
	"time"
)

// Weight says how much it means that a check found something.
type Weight int

// The weights, the heaviest last.
const (
	Hint  Weight = iota // adds to a sign, and holds nobody without one: many people look like this
	Sign                // holds together with another sign, or with a hint
	Alone               // holds by itself
)

// The names of the checks. They are stored with what is held.
const (
	Blocked        = "blocked"
	Honeypot       = "honeypot"
	TooFast        = "too_fast"
	TooOld         = "too_old"
	ForgedTime     = "forged_time"
	NoTime         = "no_time"
	ManyHere       = "network"
	ManyAlike      = "agent"
	Variants       = "mailbox"
	Links          = "links"
	Disposable     = "disposable"
	Elsewhere      = "origin"
	NoMail         = "mx"
	NewDomain      = "mx_pending"
	NoProof        = "proof"
	BadProof       = "bad_proof"
	Returning      = "returning"
	RejectedBefore = "rejected_before"
)

// Facts are what is known of a sign-up.
type Facts struct {
	Email string // as it is to be stored
	Names []string
	Key   bool // a program with an API key sent it: nothing is known of the reader's browser then

	Trap    string   // what stands in the field that nobody sees
	Time    FormTime // of the form
	Network string   // keyed MAC of NetworkOf; empty when it isn't known
	Site    string   // from which the form was sent, as browsers name it; empty when it isn't told
	Sites   []string // on which the form stands, as an admin says; none when nobody does
	Proof   Proof
	Mail    DomainState // whether the address's domain takes mail

	ManyHere, ManyAlike, Variants bool // what Bursts counted
	Attack                        bool // much of what came lately was held
	CanMail                       bool // who has no proof can be asked by mail
}

// Check is one way to tell a robot.
type Check struct {
	Name   string
	Label  string // a few words, for lists
	Words  string // what was found, for whoever decides about a sign-up
	Means  string // what it is for, for whoever switches it on or off; empty where nobody does
	Weight Weight
	Keys   bool   // it looks at sign-ups by key too
	With   string // name of the check with which it is switched on and off; empty for itself

	finds func(r Rules, f Facts) bool
}

// Checks are all checks, in the order in which they are shown.
var Checks = []Check{
	{Name: Honeypot, Label: "Hidden field", Weight: Alone,
		Words: "Something filled in a field that people can’t see.",
		Means: "The form has one field more, which people don’t see. Simple robots fill in whatever they find.",
		finds: func(_ Rules, f Facts) bool { return f.Trap != "" }},
	{Name: TooFast, Label: "Form time", Weight: Alone,
		Words: "The form was sent within two seconds after it was shown.",
		Means: "The form says, signed, when it was shown. Who sends it within two seconds, or after more than a day, or with a time that was made up, is held. A form on your own site has no such time; it isn’t held for that.",
		finds: func(_ Rules, f Facts) bool { return f.Time.Known && f.Time.Age < fastest }},
	{Name: TooOld, Label: "Old form", Weight: Alone, With: TooFast,
		Words: "The form was shown more than a day before it was sent.",
		finds: func(_ Rules, f Facts) bool { return f.Time.Known && f.Time.Age > oldest }},
	{Name: ForgedTime, Label: "Made-up form time", Weight: Alone, With: TooFast,
		Words: "The time at which the form was shown is made up, or of another form.",
		finds: func(_ Rules, f Facts) bool { return f.Time.Forged }},
	{Name: NoTime, Label: "No form time", Weight: Hint, With: TooFast,
		Words: "It doesn’t say when the form was shown. That alone means nothing: forms on your own site don’t.",
		finds: func(_ Rules, f Facts) bool { return !f.Time.Known && !f.Time.Forged }},
	{Name: ManyHere, Label: "Many from one network", Weight: Sign,
		Words: "Many sign-ups came from the same network within ten minutes.",
		Means: "Counts sign-ups by network. An office or a school may share one, so this alone holds nobody: it needs another sign beside it.",
		finds: func(_ Rules, f Facts) bool { return f.ManyHere }},
	{Name: ManyAlike, Label: "Many alike", Weight: Sign,
		Words: "Many sign-ups with addresses and names of the same pattern came from the same browser version within ten minutes.",
		Means: "Counts sign-ups by the browser’s version and the pattern of address and name, such as eight letters and four digits. This alone holds nobody.",
		finds: func(_ Rules, f Facts) bool { return f.ManyAlike }},
	{Name: Variants, Label: "Variants of one mailbox", Weight: Alone, Keys: true,
		Words: "Many spellings of the same mailbox, with other dots or other words after a +, signed up within an hour.",
		Means: "Counts spellings that reach the same mailbox: j.doe+1@gmail.com and jdoe+2@gmail.com.",
		finds: func(_ Rules, f Facts) bool { return f.Variants }},
	{Name: Links, Label: "Link in a name", Weight: Alone, Keys: true,
		Words: "A name holds a link or HTML.",
		Means: "Robots put advertising where names belong, and hope that it is mailed to somebody.",
		finds: func(_ Rules, f Facts) bool { return slices.ContainsFunc(f.Names, holdsLink) }},
	{Name: Disposable, Label: "Throw-away address", Weight: Alone, Keys: true,
		Words: "The address is one of a service for throw-away addresses.",
		Means: "Compares with a public list of services for throw-away addresses, as of " + DisposableAsOf + ". Aliases that protect privacy aren’t on it. Add domains, or except some, below.",
		finds: func(r Rules, f Facts) bool { return r.disposable(f.Email) }},
	{Name: NoMail, Label: "Domain without mail", Weight: Alone, Keys: true,
		Words: "The domain of the address takes no mail.",
		Means: "Asks the DNS whether the domain of an address takes mail. Each domain is asked once a day; who comes from one that wasn’t asked yet waits a few seconds. What isn’t known after a minute counts as a yes.",
		finds: func(_ Rules, f Facts) bool { return f.Mail == DomainRefuses }},
	{Name: NewDomain, Label: "Domain being looked up", Weight: Alone, Keys: true, With: NoMail,
		Words: "Whether the domain of the address takes mail is being looked up. It takes a few seconds, and no more than about a minute.",
		finds: func(_ Rules, f Facts) bool { return f.Mail == DomainUnknown }},
	{Name: Elsewhere, Label: "Another site", Weight: Hint,
		Words: "It came from a site that isn’t among those of the newsletter, or didn’t say from which.",
		Means: "Compares with the sites that you entered on the Embed page. Privacy tools hide where somebody comes from, so this alone holds nobody.",
		finds: func(_ Rules, f Facts) bool { return f.elsewhere() }},
	{Name: Blocked, Label: "Blocked network", Weight: Alone,
		Words: "Somebody blocked the network from which it came.",
		Means: "Holds what comes from the networks that were blocked in the quarantine.",
		finds: func(r Rules, f Facts) bool { return r.blocks(f.Network) }},
	{Name: Returning, Label: "Had left", Weight: Alone,
		Words: "They had left this newsletter, and Gatepost can’t send a mail to ask whether they want it again.",
		finds: func(Rules, Facts) bool { return false }}, // who stores a sign-up finds that
	{Name: RejectedBefore, Label: "Rejected before", Weight: Alone,
		Words: "A sign-up of this address was rejected before.",
		finds: func(Rules, Facts) bool { return false }}, // likewise
	{Name: NoProof, Label: "No proof of work", Weight: Alone,
		Words: "The reader’s browser was asked for a proof of work and gave none. Without a script, or on an old browser, people can’t.",
		finds: func(r Rules, f Facts) bool { return r.asksProof(f.Attack) && f.Proof.lacks() && !f.CanMail }},
	{Name: BadProof, Label: "Used or made-up proof", Weight: Alone,
		Words: "The proof of work was made up, or somebody else had used it.",
		finds: func(r Rules, f Facts) bool { return r.Proof != ProofOff && f.Proof.State == ProofForged }},
}

// Named returns the check with a name, and whether there is one.
func Named(name string) (Check, bool) {
	for _, c := range Checks {
		if c.Name == name {
			return c, true
		}
	}
	return Check{}, false
}

// AsksByMail reports whether a sign-up that is held for the check with a name goes on by a mail that asks its
// person, where mails can be sent.
func AsksByMail(name string) bool { return name == Returning || name == NoProof }

// Verdict is what became of a sign-up.
type Verdict struct {
	Held    []string // names of the checks that hold it, with what adds to them; none when it passes
	Found   []string // names of all checks that found something
	Confirm bool     // it passes when the reader confirms it by mail, which is asked in place of a proof
}

// Screen looks at a sign-up by the newsletter's rules.
func (r Rules) Screen(f Facts) Verdict {
	if !r.On {
		return Verdict{}
	}
	var v Verdict
	var weighed []string
	for _, c := range Checks {
		if !r.Checks(c) || f.Key && !c.Keys || !c.finds(r, f) {
			continue
		}
		v.Found = append(v.Found, c.Name)
		if c.Weight > Hint || f.Proof.State != ProofValid { // a proof costs a robot something, and outweighs a hint
			weighed = append(weighed, c.Name)
		}
	}
	if Holds(weighed) {
		v.Held = v.Found
	}
	v.Confirm = !f.Key && r.asksProof(f.Attack) && f.Proof.lacks() && f.CanMail
	return v
}

// elsewhere reports whether the form stood on another site than those of the newsletter. A form
// with a time of ours was shown by us.
func (f Facts) elsewhere() bool {
	return len(f.Sites) > 0 && !f.Time.Known && !slices.Contains(f.Sites, f.Site)
}

// How soon after it was shown a person can have filled in a form, and how late they still may.
const (
	fastest = 2 * time.Second
	oldest  = 24 * time.Hour
)

// Holds reports whether findings of checks hold a sign-up together. A check that isn't known here is
// of a later version of the program, which knew why.
func Holds(names []string) bool {
	var of [Alone + 1]int
	for _, name := range names {
		c, ok := Named(name)
		if !ok {
			c.Weight = Alone
		}
		of[c.Weight]++
	}
	return of[Alone] > 0 || of[Sign] > 1 || of[Sign] > 0 && of[Hint] > 0
}

// AfterLookUp returns for what a sign-up is held, once its domain was looked up; none when nothing
// speaks against it any more.
func AfterLookUp(held []string, state DomainState) (still []string) {
	for _, name := range held {
		switch {
		case name != NewDomain:
			still = append(still, name)
		case state == DomainRefuses:
			still = append(still, NoMail)
		}
	}
	if !Holds(still) {
		return nil
	}
	return still
}
