package views

// HelpPage is for Help.
type HelpPage struct {
	Page
	States []State // in the order of a subscriber's way
	URL    string  // the operator's own help, or mailto: and whom to ask; empty when there is none
}
