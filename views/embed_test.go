package views

func embedPage(n Newsletter, wrong FieldErrors) EmbedPage {
	return EmbedPage{NewsletterPage: NewsletterPage{Page: portalPage(hostile, NavNewsletters), Newsletter: n}, HTML: hostile, Script: hostile, Frame: hostile, React: hostile, WordPress: hostile,
		Preview: "<p>A form</p>", FrameURL: "/signup/" + n.Slug + "?frame=1", Sites: hostile, Errors: wrong}
}
