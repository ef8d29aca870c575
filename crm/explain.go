package crm

import "strings"

// Who is the one that can fix a failure.
type Who string

// Those who can. Nobody has to where it passes by itself.
const (
	Us     Who = "us"     // whoever runs Gatepost
	You    Who = "you"    // the person who reads it
	Admin  Who = "admin"  // the administrator of the CRM
	Nobody Who = "nobody" // it passes
)

// Explanation says in plain words why somebody is not in the CRM: the title and the label
// wherever the cause is named, the rest on the page about it. In a Provider's tables it may
// hold what Fill fills in.
type Explanation struct {
	Title string // the cause in a few words, at most MaxTitle characters: "Blocked by duplicate rule"
	Label string // the same for a narrow column, at most MaxLabel: "Duplicate rule"
	What  string // happened, in a sentence
	Who   Who    // can fix it
	Mend  string // and how, in sentences
}

// How many characters a title and a label may have.
const (
	MaxTitle = 40
	MaxLabel = 24
)

// What is said of how something is mended.
const (
	ItPasses  = "Nothing to do: we try again by ourselves."
	Reconnect = "Reconnect {CRM} under Integrations."
	GoesOn    = "We go on by ourselves then."

	askAdmin  = "Ask your {CRM} admin: "
	tellUs    = "We have to fix this. Please tell us."
	thenRetry = "Then retry."
)

// Explain makes an Explanation in which the sentence about who can fix it is written out.
func Explain(title, label, what string, who Who, mend string) Explanation {
	return Explanation{title, label, what, who, mend}
}

// Passes explains what passes by itself.
func Passes(title, label, what string) Explanation {
	return Explanation{title, label, what, Nobody, ItPasses}
}

// Reconnects explains what a new authorization mends.
func Reconnects(title, label, what string) Explanation {
	return Explanation{title, label, what, You, Reconnect}
}

// ByAdmin explains what the CRM's administrator can mend.
func ByAdmin(title, label, what, mend string) Explanation {
	return Explanation{title, label, what, Admin, askAdmin + mend}
}

// ByUs explains what those who run Gatepost can mend.
func ByUs(title, label, what string) Explanation {
	return Explanation{title, label, what, Us, tellUs}
}

// UnknownApp explains that the CRM doesn't know the app that Gatepost is there.
func UnknownApp() Explanation {
	return Explanation{"{CRM} does not know our app", "App not known", "{CRM} does not know our app.", Us, "We have to correct the app’s settings. Please tell us."}
}

// filled is an explanation of the CRM's.
func (p *Provider) filled(e Explanation) Explanation {
	return Explanation{p.Fill(e.Title), p.Fill(e.Label), p.Fill(e.What), e.Who, p.Fill(e.Mend)}
}

// Sentence explains a code of a Failure to those who wait; see GaveUp for those who
// need attention. A code that nobody knows is shown as it came.
func (p *Provider) Sentence(code string) Explanation {
	known := strings.ToUpper(code)
	if e, ok := p.Access[known]; ok {
		return p.filled(e)
	}
	if c, ok := p.Codes[known]; ok {
		return p.filled(c.Explanation)
	}
	if e, ok := own[known]; ok {
		return p.filled(e)
	}
	return p.unknown(code)
}

// Knows reports whether there is a sentence for a code.
func (p *Provider) Knows(code string) bool { return p.Sentence(code) != p.unknown(code) }

func (p *Provider) unknown(code string) Explanation {
	e := p.filled(ByAdmin("Refused by {CRM}", "Refused by {CRM}", "{CRM} answered with “", ""))
	e.What += code + "”."
	e.Mend = p.Fill("Ask your {CRM} admin what it means, or tell us, and we find out.")
	return e
}

// GaveUp explains a code to those who need attention for it: what is said to those who
// wait promises another try in vain.
func (p *Provider) GaveUp(code string) Explanation {
	c, known := p.KnownCode(code)
	e := p.Sentence(code)
	if !e.Promises() && (!known || c.Record.Class == Recorded) {
		return e
	}
	e.What += " We tried it many times, and have stopped."
	e.Mend = strings.TrimSpace(strings.TrimSuffix(e.Mend, GoesOn))
	switch {
	case c.Stuck != "":
		e.Who, e.Mend = Admin, p.Fill(askAdmin+c.Stuck+" "+thenRetry)
	case e.Who == Nobody:
		e.Who, e.Mend = You, p.Fill("Retry. If that fails too, show your {CRM} admin what is said here.")
	default:
		e.Mend += " " + thenRetry
	}
	return e
}

// AskedOnce explains a code to whoever asked for something that nothing repeats by itself,
// as a check-up.
func (p *Provider) AskedOnce(code string) Explanation {
	e := p.Sentence(code)
	if e.Who == Nobody {
		e.Who, e.Mend = You, "Try it again in a while."
	}
	e.Mend = strings.TrimSpace(strings.TrimSuffix(e.Mend, GoesOn))
	return e
}

// Promises reports whether an explanation says that it is tried again by itself.
func (e Explanation) Promises() bool {
	return e.Mend == ItPasses || strings.HasSuffix(e.Mend, GoesOn)
}
