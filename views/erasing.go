package views

import (
	"strconv"
	"strings"
	"time"
)

// ErasePage is for Erase. The form posts why, a way for each CRM, csrf, and then sure, to /subscribers/{id}/erase.
type ErasePage struct {
	Page
	ID          string
	Name        string
	Email       string
	Newsletters []string // that the address is on
	Ways        []EraseWay
	Why         string
	Word        string // that is typed to confirm
	Sure        bool   // the choices are made, and are to be confirmed
	Errors      FieldErrors
}

// EraseWay is what becomes of the record in one CRM.
type EraseWay struct {
	CRM    CRM
	Name   string // of the field
	Chosen string // Value of one of EraseWays
}

// EraseWays are what may become of a record. {CRM} and {Record} stand for what the CRM calls itself and it.
var EraseWays = []struct{ Value, label, hint, chosen string }{
	{"delete", "Delete it, if it is ours alone",
		"Only a {Record} that Gatepost made, that nobody else has and that nobody changed since is deleted. Any other is listed.",
		"In {CRM}: a {Record} that is ours alone is deleted, any other is listed."},
	{"anonymise", "Anonymise it, if it is ours alone",
		"The same rule holds. The {Record} stays, for the counts and the history of {CRM}, but no longer says whose it is: the address, the names and what Gatepost filled in are taken out. " +
			"Where {CRM} keeps a history of former values, those stay in it.",
		"In {CRM}: a {Record} that is ours alone is anonymised, any other is listed."},
	{"list", "List it for the CRM’s admin",
		"The {Record} stays, and its link is on the list of records to see to.",
		"In {CRM}: a {Record} stays, and is listed for its admin."},
}

func (w EraseWay) fill(text string) string {
	return strings.NewReplacer("{CRM}", w.CRM.Name, "{Record}", w.CRM.Record).Replace(text)
}

// choices are the radio buttons of a way.
func (w EraseWay) choices() (all []Choice) {
	for _, c := range EraseWays {
		all = append(all, Choice{Name: w.Name, Value: c.Value, Label: c.label, Hint: w.fill(c.hint), Checked: c.Value == w.Chosen})
	}
	return all
}

// chosen says what was chosen.
func (w EraseWay) chosen() string {
	for _, c := range EraseWays {
		if c.Value == w.Chosen {
			return w.fill(c.chosen)
		}
	}
	return ""
}

// Receipt is what is told of one newsletter's part of an erasing. It has no address.
type Receipt struct {
	SubscriberID string
	URL          string // of its own page; empty for none
	Newsletter   string
	Why          string
	AskedAt      time.Time
	EndedAt      time.Time // zero while it is under way
	Records      []ErasedRecord
}

// ErasedRecord is what becomes of a record of somebody who is erased.
type ErasedRecord struct {
	CRM    CRM
	In     string // the service
	Record Record // with its id where there is one
	Fate   string // a sentence
	Stays  bool   // the CRM's admin has to see to it
	Open   bool   // something of it is waited for
}

// ErasedPage is for Erased. The form posts in, of and csrf to GiveUpURL.
type ErasedPage struct {
	Page
	Receipts  []Receipt
	GiveUpURL string
}

// ended reports whether all of it has ended.
func (p ErasedPage) ended() bool {
	for _, r := range p.Receipts {
		if r.EndedAt.IsZero() {
			return false
		}
	}
	return true
}

// ErasuresPage is for Erasures.
type ErasuresPage struct {
	Page
	Receipts             []Receipt
	CSVURL               string
	PreviousURL, NextURL string // of further pages; empty where there is none
}

// RetentionPage is for Retention. The form posts left, dismissed, addresses and csrf to /settings/retention.
type RetentionPage struct {
	Page
	Left, Dismissed int // days
	Options         []Option
	Addresses       int // days
	AddressOptions  []Option
	Errors          FieldErrors
}

func (p RetentionPage) field(name, label, hint string, days int) field {
	return field{Name: name, Label: label, Hint: hint, Value: strconv.Itoa(days), Error: p.Errors[name]}
}
