package views

import "time"

// AuthorizePage is for Authorize. The form posts csrf to Action.
type AuthorizePage struct {
	Page
	Name   string // of the service: "Salesforce"
	Tenant string // for whom
	Login  string // host where one logs in
	Return string // host where one comes back to
	Scopes []string
	Until  time.Time
	Action string
}

// AuthorizeForwardPage is for AuthorizeForward.
type AuthorizeForwardPage struct {
	Page
	Name string // of the service
	URL  string // of the authorize end point, with its query
	Host string // of URL, for people
}

// AuthorizeEndedPage is for AuthorizeEnded.
type AuthorizeEndedPage struct {
	Page
	Text []string // a paragraph each
	Link Link     // where one goes on; the zero one for nowhere
}
