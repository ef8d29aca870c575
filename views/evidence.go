package views

// ConsentPage is for Consent. Times are in UTC, to the second, as texts; empty for none.
type ConsentPage struct {
	Page
	ID         string
	Name       string
	Email      string
	Newsletter string
	Status     State
	Acts       []ConsentAct // the earliest first
	Recorded   bool         // there is what they agreed to
	Mails      []ConsentMail
	Earlier    bool // there are more acts than are shown
	PrintedAt  string
}

// ConsentAct is something that somebody did with their consent, or that their address was changed since.
type ConsentAct struct {
	Title string
	At    string
	Words string // that were shown; empty for none
	Facts []Filled
}

// ConsentMail is a confirmation mail.
type ConsentMail struct {
	SentAt    string
	OpenedAt  string // the page behind its link, first
	PressedAt string // the button
}
