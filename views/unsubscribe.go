package views

// UnsubscribePage is for Unsubscribe. Its form posts press (the button's own), opened, of (one or
// all), why (a code), note and, where it is asked for, sure to Action.
type UnsubscribePage struct {
	PublicPage
	Title   string
	Text    string
	Action  string
	Opened  string // when the page was opened, to be sent back
	What    string // above Of
	Of      []ReaderOption
	Why     string // above Reasons, with Optional beside it
	Reasons []ReaderOption
	Note    ReaderField // the reason in the reader's own words
	Unsure  string      // what is said when nobody knows whether the button was pressed; empty otherwise
	Sure    string      // beside the box that is to be ticked then
	Button  string

	Optional string
}
