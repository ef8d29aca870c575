package screening

import (
	"cmp"
	"net/netip"
	"strings"
	"time"
	"unicode"
)

// Counter counts, over all processes.
type Counter interface {
	// Over counts one more of what somebody does within a window, and reports whether there were as
	// many as may be already; then it isn't counted.
	Over(what, who string, most int, window time.Duration) bool
	// Reached reports whether there were as many as may be, and counts nothing.
	Reached(what, who string, most int) bool
}

// The windows in which is counted.
const (
	burstWindow   = 10 * time.Minute
	mailboxWindow = time.Hour
)

// attackAfter is how many sign-ups are held within ten minutes before a form counts as being under
// attack.
const attackAfter = 20

// Bursts counts what comes to a newsletter.
type Bursts struct {
	Counter Counter
}

// Arrival is a sign-up that is to be counted.
type Arrival struct {
	NewsletterID string
	Email        string
	Names        []string
	Agent        string // what the browser says it is
	Network      string // keyed MAC
	Key          bool   // a program with an API key sent it
}

// Count counts a sign-up, and fills in what that tells.
func (b Bursts) Count(r Rules, a Arrival, f *Facts) {
	if !r.On {
		return
	}
	if !a.Key {
		f.ManyHere = a.Network != "" && b.Counter.Over("network", a.NewsletterID+" "+a.Network, cmp.Or(r.Network, DefaultNetwork), burstWindow)
		f.ManyAlike = b.Counter.Over("alike", a.NewsletterID+" "+a.Agent+" "+pattern(a.Email, a.Names), cmp.Or(r.Agent, DefaultAgent), burstWindow)
		f.Attack = b.Attack(a.NewsletterID)
	}
	if mailbox, spelled := mailboxOf(a.Email); mailbox != "" {
		f.Variants = b.variants(a.NewsletterID+" "+mailbox, spelled, cmp.Or(r.Mailbox, DefaultMailbox))
	}
}

// variants counts the spellings of a mailbox, each once, and reports whether there are too many.
func (b Bursts) variants(mailbox, spelled string, most int) bool {
	if b.Counter.Over("spelling", mailbox+" "+spelled, 1, mailboxWindow) { // it was counted
		return b.Counter.Reached("mailbox", mailbox, most)
	}
	return b.Counter.Over("mailbox", mailbox, most, mailboxWindow)
}

// Held counts a sign-up that is held.
func (b Bursts) Held(newsletterID string) {
	b.Counter.Over("held", newsletterID, attackAfter, burstWindow)
}

// Attack reports whether many sign-ups for a newsletter were held lately.
func (b Bursts) Attack(newsletterID string) bool {
	return b.Counter.Reached("held", newsletterID, attackAfter)
}

// AsksProof reports whether the form that is shown to a network is to ask for a proof of work.
// network is its keyed MAC.
func (b Bursts) AsksProof(r Rules, newsletterID, network string) bool {
	if !r.On {
		return false
	}
	return r.asksProof(false) || r.asksProof(true) && (b.Attack(newsletterID) || b.Counter.Reached("network", newsletterID+" "+network, cmp.Or(r.Network, DefaultNetwork)))
}

// NetworkOf is the network of an address: of IPv4 the /24, of IPv6 the /48. It is empty for what is
// no address.
func NetworkOf(ip string) string {
	a, err := netip.ParseAddr(ip)
	if err != nil {
		return ""
	}
	a = a.Unmap().WithZone("")
	bits := 48
	if a.Is4() {
		bits = 24
	}
	return netip.PrefixFrom(a, bits).Masked().String()
}

// pattern is how an address and names look: each run of letters or of digits by its length, and
// else what is there. Robots that make addresses up make them alike; people's differ.
func pattern(email string, names []string) string {
	var b strings.Builder
	local, _, _ := strings.Cut(email, "@")
	writePattern(&b, local)
	for _, name := range names {
		b.WriteByte('|')
		writePattern(&b, name)
	}
	return b.String()
}

func writePattern(b *strings.Builder, s string) {
	for _, r := range s {
		switch {
		case unicode.IsLetter(r):
			b.WriteByte('a')
		case unicode.IsDigit(r):
			b.WriteByte('9')
		default:
			b.WriteRune(r)
		}
	}
}

// mailboxOf returns the mailbox that an address reaches, and how it is spelled; both are empty for
// an address that is spelled as people do. Of dots it is known of Gmail alone that they don't
// count; one of them is usual.
func mailboxOf(email string) (mailbox, spelled string) {
	email = strings.ToLower(email)
	local, domain, _ := strings.Cut(email, "@")
	name, _, tagged := strings.Cut(local, "+")
	if domain == "gmail.com" || domain == "googlemail.com" {
		name, domain = strings.ReplaceAll(name, ".", ""), "gmail.com"
		tagged = tagged || strings.Contains(local, ".")
	}
	if !tagged {
		return "", ""
	}
	return name + "@" + domain, local
}
