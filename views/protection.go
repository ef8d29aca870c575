package views

import "strconv"

// ProtectionPage says by what a newsletter's sign-ups are checked, what that did, and changes it.
type ProtectionPage struct {
	NewsletterPage
	On       bool
	Checks   []CheckChoice
	Proofs   []ProofChoice
	Fields   ProtectionFields
	Networks []BlockedNetwork
	Days     int       // that Found is of
	Looked   int       // sign-ups that were looked at in that time
	Held     int       // of those
	Found    []Finding // what each check found in that time; none when it found nothing
	ByDay    []DayFindings
	Revision int64
	Errors   FieldErrors
}

// CheckChoice is a check that can be switched.
type CheckChoice struct {
	Name, Label, Means string
	Alone              bool // it holds sign-ups by itself
	On                 bool
}

// ProofChoice says when a proof of work is asked for.
type ProofChoice struct {
	Mode, Label, Means string
	Chosen             bool
}

// ProtectionFields are the fields as they were typed, with the numbers that hold where there is none.
type ProtectionFields struct {
	Network, Agent, Mailbox                      string
	DefaultNetwork, DefaultAgent, DefaultMailbox int
	Domains, Allowed                             string
	Typos, Findable                              bool
}

// BlockedNetwork is one by the MAC of its address; Name is short enough to be told from others.
type BlockedNetwork struct {
	MAC, Name string
	Kept      bool
}

// Finding is what a check did.
type Finding struct {
	Label, Words string
	Found, Held  int
}

// DayFindings is how many sign-ups were looked at on a day, and how many of them were held.
type DayFindings struct {
	Day          string
	Looked, Held int
}

func (n Newsletter) protectionPath() string { return n.path() + "/protection" }

// numbers are the fields for how many are too many.
func (p ProtectionPage) numbers() []field {
	f := p.Fields
	most := func(name, label, value string, otherwise int, hint string) field {
		return field{Name: name, Label: label, Value: value, Type: "number", Optional: true, Hint: hint + " The default is " + strconv.Itoa(otherwise) + "."}
	}
	return fields(p.Errors,
		most("network", "From one network in ten minutes", f.Network, f.DefaultNetwork, "More than this is a sign of a robot. Set it higher where whole offices or schools sign up together."),
		most("agent", "Alike in ten minutes", f.Agent, f.DefaultAgent, "More of the same browser version and the same pattern of address and name are a sign."),
		most("mailbox", "Spellings of a mailbox in an hour", f.Mailbox, f.DefaultMailbox, "More than this are held."))
}

// lists are the fields for domains.
func (p ProtectionPage) lists() []field {
	return fields(p.Errors,
		field{Name: "domains", Label: "Further domains of throw-away addresses", Value: p.Fields.Domains, Optional: true, Hint: "One in a line. Those below them count too."},
		field{Name: "allowed", Label: "Domains that are never held", Value: p.Fields.Allowed, Optional: true, Hint: "One in a line: neither as throw-away addresses nor because they take no mail."})
}
