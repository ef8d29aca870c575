package mail

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"time"

	"gatepost/db"
	"gatepost/incidents"
)

// letter is the text of a mail. It is written as HTML by page, and as plain text
// by text.
type letter struct {
	Subject string
	Before  []string // paragraphs
	Button  *button
	After   []string
	Footer  string // why one gets it
}

// button leads to a page of the portal.
type button struct{ Text, URL string }

// text is the letter for those who read no HTML.
func (l letter) text() string {
	parts := append([]string{l.Subject}, l.Before...)
	if l.Button != nil {
		parts = append(parts, l.Button.Text+":\n"+l.Button.URL)
	}
	parts = append(append(parts, l.After...), "-- \n"+l.Footer)
	return strings.Join(parts, "\n\n") + "\n"
}

func (p *Post) reset(ctx context.Context, user db.User) (letter, error) {
	token, err := p.Links.ResetLink(ctx, user.ID)
	return letter{
		Subject: "Set a new password",
		Before:  []string{"Somebody, hopefully you, asked for a new password for Gatepost. Choose it here:"},
		Button:  &button{"Set a new password", p.URL + "/password/reset?" + url.Values{"token": {token}}.Encode()},
		After: []string{
			"The link works once, for an hour.",
			"It was not you? Then there is nothing to do: your password stays as it is, and nobody but you has this link.",
		},
		Footer: "You get this because a new password was asked for at " + p.URL + ".",
	}, err
}

func (p *Post) passwordChanged(at time.Time) letter {
	return letter{
		Subject: "Your password was changed",
		Before: []string{"The password with which you log in to Gatepost was changed on " + at.UTC().Format("Monday, 2 January, 15:04") +
			" (UTC), and all other browsers were logged out."},
		Button: &button{"Set another password", p.URL + "/password/forgot"},
		After:  []string{"It was you? Then there is nothing to do. It was not you? Then set another password at once, and tell the people who run this service."},
		Footer: "You get this because you have an account at " + p.URL + ".",
	}
}

// incident tells of an incident, or that it is over. A mail that comes too late to
// tell of it, since the mail server was away, and one that isn't wanted any more, give
// db.ErrNotFound.
func (p *Post) incident(ctx context.Context, m db.Mail) (letter, error) {
	i, member, err := p.Store.IncidentFor(ctx, m.About, m.UserID)
	if err != nil {
		return letter{}, err
	}
	if !incidents.Wanted(member) {
		return letter{}, db.ErrNotFound
	}
	if m.Kind == db.MailIncidentOpened && !i.ClosedAt.IsZero() {
		return letter{}, db.ErrNotFound
	}
	w, asOf := incidents.Tell(i), incidents.AsOf(i, p.Now())
	if m.Kind == db.MailIncidentClosed {
		w, asOf = incidents.Mended(i), ""
	}
	said := slices.DeleteFunc([]string{w.What, asOf, w.Mend}, func(s string) bool { return s == "" })
	return letter{
		Subject: w.Title + " (" + i.Tenant + ")",
		Before:  said,
		Button:  &button{w.Link, p.URL + w.Path},
		Footer:  "You get this because you look after " + i.Tenant + " at " + p.URL + ". Under Account you can turn these mails off.",
	}, nil
}
