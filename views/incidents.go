package views

// Incident is a trouble that is there now.
type Incident struct {
	Title string
	What  string
	Mend  string
	URL   string // where one mends it
	Link  string // what that page is called
}
