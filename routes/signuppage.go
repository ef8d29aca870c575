package routes

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"gatepost/db"
	"gatepost/forms"
	"gatepost/newsletter"
	"gatepost/static"
	"gatepost/views"

	"github.com/gofiber/fiber/v2"
)

// framed reports whether a public page stands in a frame, as /signup/{slug}?frame=1.
func framed(c *fiber.Ctx) bool { return c.Query("frame") == "1" }

// signupAddress is a newsletter's public address, or one below it, for who stays in the frame.
func signupAddress(c *fiber.Ctx, n db.Newsletter, below string) string {
	address := "/signup/" + url.PathEscape(n.Slug) + below
	if framed(c) {
		address += "?frame=1"
	}
	return address
}

// unknownPage is what pages share that are no newsletter's.
func unknownPage(c *fiber.Ctx, l forms.Language) views.PublicPage {
	p := views.PublicPage{Lang: l.Tag(), CSS: static.URL("signup.css"), Icon: static.URL("icon.svg"), Device: true, Framed: framed(c)}
	if p.Framed {
		p.Script = static.URL("frame.js")
	}
	return p
}

// publicPage is what a newsletter's pages share.
func publicPage(c *fiber.Ctx, n db.Newsletter) views.PublicPage {
	p := unknownPage(c, forms.Language(n.Page.Language))
	p.Device, p.Sender = n.Page.Device, cmp.Or(n.Page.Sender, n.TenantName)
	base := "/signup/" + url.PathEscape(n.Slug)
	if accent, ok := forms.ParseColour(n.Page.Accent); ok {
		p.Look = base + "/look/" + strings.TrimPrefix(accent.String(), "#") + ".css"
	}
	if n.LogoID != "" {
		p.Logo.URL = base + "/logo/" + url.PathEscape(n.LogoID) + ".png"
	}
	p.Report = views.ReaderLink{URL: signupAddress(c, n, "/report"), Text: forms.Language(n.Page.Language).Say(forms.ReportForm)}
	return p
}

// linkPage is publicPage for those behind links of mails, which are not about a form.
func linkPage(c *fiber.Ctx, n db.Newsletter) views.PublicPage {
	p := publicPage(c, n)
	p.Report = views.ReaderLink{}
	return p
}

// renderForm sends the form of a newsletter, as it was shown to who sent it, with what was sent
// and what is wrong with it.
func (s *server) renderForm(c *fiber.Ctx, status int, n db.Newsletter, shown forms.Definition, sent forms.Sent, problems forms.Problems) error {
	return s.renderSignup(c, status, n, sent, signupPage(c, n, shown, sent, problems))
}

// renderSignup shows a form's page, with what protects it.
func (s *server) renderSignup(c *fiber.Ctx, status int, n db.Newsletter, sent forms.Sent, p views.SignupPage) error {
	if n.Page.Redirect != "" {
		// Browsers hold where a form's answer leads, too, against form-action.
		allow(c, "form-action 'self'", "form-action 'self' https:")
	}
	return render(c, status, views.Signup(s.protected(c, n, sent, p)))
}

func signupPage(c *fiber.Ctx, n db.Newsletter, shown forms.Definition, sent forms.Sent, problems forms.Problems) views.SignupPage {
	l, d := forms.Language(n.Page.Language), newsletter.FormOf(n, shown)
	p := views.SignupPage{PublicPage: publicPage(c, n), Title: n.Name, Action: signupAddress(c, n, ""), Newsletter: n.Name, Description: n.Page.Description,
		Version: strconv.Itoa(shown.Version), Consent: d.Consent.Words, Button: cmp.Or(d.Button, l.Say(forms.SignUp))}
	if n.Page.Privacy != "" {
		p.Privacy = views.ReaderLink{URL: n.Page.Privacy, Text: l.Say(forms.PrivacyPolicy)}
	}
	if len(problems) > 0 {
		p.Title, p.Summary = l.Say(forms.ErrorTitle, "title", n.Name), l.Say(forms.ErrorSummary)
	}
	focused := false
	for _, f := range d.Shown() {
		v := readerField(f, l, sent)
		if problem, ok := problems[f.Key]; ok {
			v.Error, v.Focused, focused = problem.In(l), !focused, true
		}
		p.Fields = append(p.Fields, v)
	}
	p.Box.Shown = d.Consent.Box
	problem, refused := problems[forms.ConsentKey]
	if refused {
		p.Box.Error, p.Box.Focused = problem.In(l), !focused
	}
	p.Box.Ticked = len(problems) > 0 && !refused // it was ticked when the form was sent
	return p
}

// lookOf is how the fields of a type are shown.
var lookOf = map[forms.Type]struct {
	kind       views.ReaderFieldKind
	html, keys string
}{
	forms.Email:    {views.LineField, "text", "email"}, // of type email browsers refuse what we would understand
	forms.Name:     {views.LineField, "text", ""},
	forms.Text:     {views.LineField, "text", ""},
	forms.LongText: {views.AreaField, "", ""},
	forms.Choice:   {views.SelectField, "", ""},
	forms.Choices:  {views.BoxesField, "", ""},
	forms.Checkbox: {views.BoxField, "", ""},
	forms.Date:     {views.LineField, "date", ""},
	forms.Number:   {views.LineField, "text", "decimal"},
	forms.Phone:    {views.LineField, "tel", ""},
	forms.Country:  {views.SelectField, "", ""},
	forms.Hidden:   {views.HiddenField, "", ""},
}

// mostShownAgain is how many characters are shown again of what was typed into a line.
const mostShownAgain = 500

// readerField is a field as it is shown, with what was typed into it.
func readerField(f forms.Field, l forms.Language, sent forms.Sent) views.ReaderField {
	look, typed := lookOf[f.Type], sent.Of(f).Texts
	v := views.ReaderField{Kind: look.kind, Name: f.Key, Label: f.Name(l), Help: f.Help, Type: look.html, Keys: look.keys, Placeholder: f.Placeholder,
		Autocomplete: f.Autocomplete(), Address: f.Type == forms.Email, From: f.From}
	if !f.Required {
		v.Optional = l.Say(forms.Optional)
	}
	if p, ok := forms.PatternNamed(f.Pattern); ok {
		v.Pattern, v.Keys, v.PatternSays = p.HTML, p.Keys, p.Says(l)
	}
	if len(typed) > 0 {
		v.Value = typed[len(typed)-1]
	}
	switch f.Type {
	case forms.Choice:
		v.Options = options(append([]forms.Option{{Label: l.Say(forms.PleaseChoose)}}, f.Options...), typed)
	case forms.Country:
		v.Options = options(append([]forms.Option{{Label: l.Say(forms.PleaseChoose)}}, forms.Countries(l)...), []string{strings.ToUpper(v.Value)})
	case forms.Choices:
		v.Options = options(f.Options, typed)
	case forms.Checkbox:
		if value, _ := f.Check(sent.Of(f)); slices.Contains(typed, "true") || value == "true" {
			v.Value = "true"
		}
	case forms.Date:
		if _, wrong := f.Check(sent.Of(f)); wrong != (forms.Problem{}) && v.Value != "" {
			v.Type = "text" // an input for dates would hide what isn't one
		}
	case forms.LongText:
	default:
		v.Value = cut(v.Value, mostShownAgain)
	}
	return v
}

func options(all []forms.Option, chosen []string) (list []views.ReaderOption) {
	for _, o := range all {
		list = append(list, views.ReaderOption{Value: o.Value, Label: o.Label, Chosen: o.Value != "" && slices.Contains(chosen, o.Value)})
	}
	return list
}

// thanksPage answers a sign-up that is on disk. Where people confirm by mail it says the same to
// everybody, whoever gets one.
func (s *server) thanksPage(c *fiber.Ctx, n db.Newsletter) views.SignupMessagePage {
	l, p := forms.Language(n.Page.Language), publicPage(c, n)
	page := views.SignupMessagePage{PublicPage: p, Icon: "check", Heading: l.Say(forms.ThanksTitle), Text: n.Page.Thanks}
	switch {
	case s.Newsletters.Confirms(n):
		page.Heading = l.Say(forms.InboxTitle)
		page.Text = strings.TrimSpace(l.Say(forms.InboxText, "newsletter", n.Name) + "\n\n" + n.Page.Thanks)
	case page.Text == "":
		page.Text, page.More = l.Say(forms.ThanksText, "newsletter", n.Name), l.Say(forms.ThanksSender, "sender", p.Sender)
	}
	page.Title = page.Heading + " · " + n.Name
	if len(n.Page.Sites) > 0 {
		if site, err := url.Parse(n.Page.Sites[0]); err == nil && site.Host != "" {
			page.Back = views.ReaderLink{URL: n.Page.Sites[0], Text: l.Say(forms.BackTo, "site", site.Host)}
		}
	}
	return page
}

// closedPage says that a newsletter takes no sign-ups.
func closedPage(c *fiber.Ctx, n db.Newsletter) views.SignupMessagePage {
	l, icon, heading, text := forms.Language(n.Page.Language), "clock", forms.PausedTitle, forms.PausedText
	if n.State == db.NewsletterArchived {
		icon, heading, text = "minus", forms.ArchivedTitle, forms.ArchivedText
	}
	return views.SignupMessagePage{PublicPage: publicPage(c, n), Icon: icon, Title: l.Say(heading) + " · " + n.Name, Heading: l.Say(heading), Text: l.Say(text, "newsletter", n.Name)}
}

// failedPage says in a language that something went wrong.
func failedPage(c *fiber.Ctx, l forms.Language, sentence string) views.SignupMessagePage {
	page := views.SignupMessagePage{PublicPage: unknownPage(c, l), Icon: "alert", Heading: l.Say(forms.FailedTitle), Text: sentence, RequestID: l.Say(forms.RequestNumber, "id", requestID(c))}
	page.Title = page.Heading
	return page
}

// failures are the words for a status, in languages other than that of our own sentences.
var failures = map[int]forms.Word{
	http.StatusTooManyRequests:       forms.FailedTooOften,
	http.StatusRequestEntityTooLarge: forms.FailedTooMuch,
	http.StatusServiceUnavailable:    forms.FailedBusy,
	http.StatusInternalServerError:   forms.FailedSomehow,
}

// publicProblem is the page for a reader when something went wrong, in the newsletter's language
// where that can be told.
func (s *server) publicProblem(c *fiber.Ctx, status int, sentence string) error {
	if status == http.StatusNotFound {
		page := failedPage(c, forms.English, forms.English.Say(forms.NotFoundText))
		page.Icon, page.Heading, page.RequestID = "search", forms.English.Say(forms.NotFoundTitle), ""
		page.Title = page.Heading
		return render(c, status, views.SignupMessage(page))
	}
	slug, l := c.Params("slug"), forms.English
	if isReaderLink(c) {
		l = browserLanguage(c)
	}
	n, err := s.Newsletters.BySlug(c.UserContext(), slug)
	if err == nil {
		l = forms.Language(n.Page.Language)
	}
	if l.Tag() != string(forms.English) {
		sentence = l.Say(cmp.Or(failures[status], forms.FailedUnreadable))
	}
	page := failedPage(c, l, sentence)
	if err == nil {
		page.PublicPage = publicPage(c, n)
	}
	switch {
	case isReaderLink(c):
		page.Button = views.ReaderLink{URL: c.Path(), Text: l.Say(forms.TryAgain)}
	case slug != "":
		page.Button = views.ReaderLink{URL: signupAddress(c, db.Newsletter{Slug: slug}, ""), Text: l.Say(forms.TryAgain)}
	}
	return render(c, status, views.SignupMessage(page))
}
