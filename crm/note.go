package crm

import (
	"fmt"
	"strings"
)

// NoteFacts are what a note to the CRM's administrator says of a failure, beside what its
// explanation says. Code alone is required.
type NoteFacts struct {
	Code  string
	Said  string // by the CRM
	Org   string // its name
	User  string // id of the CRM's user who connected
	Since string // a day, in words: "19 November"
	N     int    // sign-ups
}

// AdminNote is a plain text about a failure, to be sent to the administrator of the CRM:
// what happened, to how many sign-ups, in which org, and what to do. It names no reader.
func (p *Provider) AdminNote(e Explanation, f NoteFacts) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Hello,\n\n%s not reached %s%s%s.\n\n%s\n\n", signUps(f.N), p.Name, inBrackets(f.Org), behind(" since ", f.Since), e.What)
	for _, line := range []struct{ name, text string }{
		{p.Name + " said", strings.Join(strings.Fields(f.Said), " ")}, {"Code", f.Code}, {"ID of the connected user", f.User},
	} {
		if line.text != "" {
			fmt.Fprintf(&b, "%s: %s\n", line.name, line.text)
		}
	}
	fmt.Fprintf(&b, "\nWhat to do: %s\n\nPlease tell me when it is done. Then I retry them in Gatepost, and nobody is created twice.\n\nThank you\n", p.forAdmin(e.Mend))
	return b.String()
}

// AdminSubject is the subject of a mail with that note.
func AdminSubject(e Explanation) string { return "Newsletter sign-ups: " + e.Title }

func signUps(n int) string {
	if n == 1 {
		return "1 of our newsletter sign-ups has"
	}
	return fmt.Sprintf("%d of our newsletter sign-ups have", n)
}

func inBrackets(s string) string {
	if s == "" {
		return ""
	}
	return " (" + s + ")"
}

func behind(word, s string) string {
	if s == "" {
		return ""
	}
	return word + s
}

// forAdmin is what fixes a failure, said to the administrator instead of the portal's user.
func (p *Provider) forAdmin(mend string) string {
	mend = strings.TrimPrefix(mend, p.Fill(askAdmin))
	for _, own := range []string{GoesOn, thenRetry} {
		mend = strings.TrimSpace(strings.TrimSuffix(mend, own))
	}
	return mend
}
