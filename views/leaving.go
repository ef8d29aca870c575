package views

// LeavingPage is for LeavingInCRM: what leaving does in a CRM. Its form posts csrf, flag (set or nothing), take_back, and the
// kind of each newsletter, to /integrations/{service}/leaving; its buttons post csrf to …/read and
// …/retry.
type LeavingPage struct {
	Page
	Card        Integration
	Mark        string // what the CRM calls its mark for all e-mail; empty where it has none
	Hint        string // what the mark means for its own mails
	Flag        bool   // it is set
	TakeBack    bool
	Lasting     bool   // it can't be taken back but by the person
	Kind        string // what the CRM calls a kind of e-mail; empty where it has no such thing
	Read        bool   // the kinds were read once
	Wrong       string // why they couldn't be read lately; empty when they could
	Newsletters []NewsletterKind
	Refused     int // marks that the CRM refused to set
}

// NewsletterKind is the kind of e-mail that a newsletter is in the CRM.
type NewsletterKind struct {
	Name, Label, Value string
	Kinds              []Option
}

// backHint says what taking back means.
func (p LeavingPage) backHint() string {
	if p.Lasting && p.Kind == "" {
		return "Only one that Gatepost set."
	}
	if p.Lasting {
		return "Only one that Gatepost set, and only of one " + p.Kind + ": that of all e-mail can be taken back there by nobody but the person."
	}
	return "Only one that Gatepost set. One that was set in " + p.Card.Name + " always stays."
}

// refused says how many marks were refused.
func (p LeavingPage) refused() string {
	return p.Card.Name + " refused to note for " + count(p.Refused, "person", "people") + " that they left. Each one’s page says why."
}

// kindHint says when a newsletter that is a kind of e-mail of its own counts.
func (p LeavingPage) kindHint() string {
	if p.Kind == "" {
		return ""
	}
	return "Who leaves a newsletter that is a " + p.Kind + " of its own is only unsubscribed from that, unless they left all of your organisation. "
}
