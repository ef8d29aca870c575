package views

// EmbedPage shows how the form gets into a site: code to be copied, and the sites on which it
// stands.
type EmbedPage struct {
	NewsletterPage
	HTML      string // the form
	Script    string // the form, with the script that answers in place
	Frame     string // the hosted form in a frame, with the script that fits its height
	React     string // the form as a component
	WordPress string // the form as a block of WordPress's editor
	Preview   string // a document with the form alone, as a site without styles shows it
	FrameURL  string // of the framed form, on this host
	Sites     string // one in a line, as they are stored or were typed
	Errors    FieldErrors
}

func (p EmbedPage) path() string { return p.Newsletter.path() + "/embed" }

func (p EmbedPage) sites() field {
	return fields(p.Errors, field{Name: "sites", Label: "Sites with the form", Value: p.Sites, Optional: true,
		Hint: "One in a line, such as https://www.example.com. The thank-you page has a link back to the first."})[0]
}
