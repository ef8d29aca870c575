package mail

import (
	"cmp"
	"context"
	"fmt"
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
	Lang    string // of its words; empty for English
	From    string // the name that it comes from, which stands at its head; empty for the operator's and Gatepost
	Subject string
	Title   string   // the heading; the subject when empty
	Before  []string // paragraphs
	Items   []item
	Button  *button
	After   []string
	Footer  []string // why one gets it, and whom to ask
	Manage  *button  // where one changes that; nil when one can't
}

// item is one of several things that a letter lists.
type item struct {
	Text string
	More string
	Link button
}

// button leads to a page of the portal.
type button struct{ Text, URL string }

// heading is the letter's title.
func (l letter) heading() string { return cmp.Or(l.Title, l.Subject) }

// lang is the letter's language as HTML names it.
func (l letter) lang() string { return cmp.Or(l.Lang, "en") }

// head stands above the letter.
func (l letter) head() string { return cmp.Or(l.From, "Gatepost") }

// text is the letter for those who read no HTML.
func (l letter) text() string {
	parts := append([]string{l.heading()}, l.Before...)
	for _, i := range l.Items {
		parts = append(parts, "- "+i.Text+"\n  "+i.More+"\n  "+i.Link.Text+": "+i.Link.URL)
	}
	if l.Button != nil {
		parts = append(parts, l.Button.Text+":\n"+l.Button.URL)
	}
	parts = append(parts, l.After...)
	foot := slices.Clone(l.Footer)
	if l.Manage != nil {
		foot = append(foot, l.Manage.Text+": "+l.Manage.URL)
	}
	return strings.Join(append(parts, "-- \n"+strings.Join(foot, "\n")), "\n\n") + "\n"
}

// whomToAsk stands at the foot of every mail.
const whomToAsk = "Questions? Ask the people who run this service for you."

func (p *Post) reset(ctx context.Context, user db.User) (letter, error) {
	token, err := p.Links.ResetLink(ctx, user.ID)
	return letter{
		Subject: "Set a new password",
		Before:  []string{"Somebody, hopefully you, asked for a new password for Gatepost."},
		Button:  &button{"Set a new password", p.URL + "/password/reset?" + url.Values{"token": {token}}.Encode()},
		After: []string{
			"The link works once, for an hour. Keep it private.",
			"Wasn’t it you? Then there is nothing to do: your password stays as it is.",
		},
		Footer: []string{"You get this because a new password was asked for at " + p.URL + ".", whomToAsk},
	}, err
}

func (p *Post) passwordChanged(ctx context.Context, user db.User, at time.Time) (letter, error) {
	zone, err := p.Store.ZoneOf(ctx, user.ID)
	return letter{
		Subject: "Your password was changed",
		Before:  []string{"The password with which you log in to Gatepost was changed on " + incidents.Moment(at, zone) + ", and all other browsers were logged out."},
		Button:  &button{"Set another password", p.URL + "/password/forgot"},
		After:   []string{"Was it you? Then there is nothing to do. If not, set another password at once, and tell the people who run this service."},
		Footer:  []string{"You get this because you have an account at " + p.URL + ".", whomToAsk},
	}, err
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
	w, asOf := incidents.Tell(p.CRMs, i), incidents.AsOf(i, p.Now())
	if m.Kind == db.MailIncidentClosed {
		w, asOf = incidents.Mended(p.CRMs, i), ""
	}
	said := slices.DeleteFunc([]string{w.What, asOf, w.Mend}, func(s string) bool { return s == "" })
	return p.aboutProblems(i.Tenant, letter{Subject: w.Title + " (" + i.Tenant + ")", Title: w.Title, Before: said, Button: &button{w.Link, p.URL + w.Path}}), nil
}

// digest tells what is open at a tenant this morning. When nothing is any more, and when
// the mail isn't wanted, it gives db.ErrNotFound.
func (p *Post) digest(ctx context.Context, m db.Mail) (letter, error) {
	d, member, err := p.Store.DigestFor(ctx, m.About, m.UserID)
	if err != nil {
		return letter{}, err
	}
	open := incidents.Open(p.CRMs, d)
	if !incidents.WantedDaily(member) || len(open) == 0 {
		return letter{}, db.ErrNotFound
	}
	headline := incidents.Headline(p.CRMs, d)
	l := letter{Subject: headline + " (" + d.Tenant + ")", Title: headline,
		Before: []string{"What needs somebody at " + d.Tenant + ", as of " + incidents.Moment(p.Now(), d.TimeZone) + "."},
		Button: &button{"Open Gatepost", p.URL + "/"},
		After:  []string{incidents.Standing(p.CRMs, d)}}
	for _, i := range open {
		text := i.What
		if i.N > 0 {
			text = fmt.Sprintf("%d × %s", i.N, i.What)
		}
		l.Items = append(l.Items, item{text, i.More, button{i.Link, p.URL + i.Path}})
	}
	return p.aboutProblems(d.Tenant, l), nil
}

// aboutProblems is a letter to members of a tenant about its problems, with why they get
// it and where they change that.
func (p *Post) aboutProblems(tenant string, l letter) letter {
	l.Footer = []string{"You get this because you are a member of " + tenant + " at " + p.URL + ", and e-mails about problems are on for you there.", whomToAsk}
	l.Manage = &button{"Choose which e-mails you get", p.URL + "/settings/notifications"}
	return l
}
