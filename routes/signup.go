package routes

import (
	"cmp"
	"net/http"
	"net/url"
	"strings"

	"gatepost/db"
	"gatepost/forms"
	"gatepost/identity"
	"gatepost/input"
	"gatepost/newsletter"
	"gatepost/static"
	"gatepost/views"

	"github.com/gofiber/fiber/v2"
)

// signupForm handles GET /signup/{slug}, the public form. Its query may fill in fields that
// allow it, and those that nobody sees.
func (s *server) signupForm(c *fiber.Ctx) error {
	n, err := s.Newsletters.BySlug(c.UserContext(), c.Params("slug"))
	if err != nil {
		return err
	}
	if !n.Open() {
		return render(c, http.StatusOK, views.SignupMessage(closedPage(c, n)))
	}
	s.countView(c, n)
	return s.renderForm(c, http.StatusOK, n, n.Form, s.prefilled(c, n), nil)
}

// signupOptions handles OPTIONS /signup/{slug}: a browser asks whether another
// site may send JSON here.
func (s *server) signupOptions(c *fiber.Ctx) error {
	c.Set("Access-Control-Allow-Methods", "GET, POST")
	c.Set("Access-Control-Allow-Headers", "Content-Type")
	c.Set("Access-Control-Max-Age", "86400")
	return c.SendStatus(http.StatusNoContent)
}

// signUp handles POST /signup/{slug}: a form, or JSON. The answer says that the
// sign-up is on disk.
func (s *server) signUp(c *fiber.Ctx) error {
	n, err := s.Newsletters.BySlug(c.UserContext(), c.Params("slug"))
	if err != nil {
		return err
	}
	asJSON, language := wantsJSON(c), forms.Language(n.Page.Language)
	if !n.Open() {
		return s.refuseClosed(c, n, asJSON)
	}
	sent, err := decodeSignup(c, n.Form)
	if name, sentence := aboutJSON(err); name != "" {
		return problem(c, http.StatusUnprocessableEntity, language.Say(forms.NothingStored), map[string]string{name: sentence})
	} else if err != nil {
		return err
	}
	shown, err := s.Newsletters.FormShown(c.UserContext(), n, sent.Text(forms.VersionKey))
	if err != nil {
		return err
	}
	s.fillHidden(c, n.Form, sent)
	takeAddress(n.Form, sent)
	clean, problems := newsletter.CheckForm(n, shown, sent)
	if len(problems) > 0 && asJSON {
		return problem(c, http.StatusUnprocessableEntity, language.Say(forms.NothingStored), problems.In(language))
	}
	if len(problems) > 0 {
		return s.renderForm(c, http.StatusUnprocessableEntity, n, shown, sent, problems)
	}
	if meant := s.meantAddress(c, n, clean, sent); meant != "" && !asJSON {
		return s.askAddress(c, n, shown, sent, clean.Email(), meant)
	}
	if !s.takeOfTenant(c, n) {
		return s.refuseBusy(c, n, shown, sent, asJSON)
	}
	came := newsletter.Came{Source: newsletter.FromAPI, Page: s.pageOf(c, n), Sender: s.senderOf(c, sent)}
	if isForm(mediaType(c)) { // by a script on somebody's page too, which is answered in JSON
		came.Source = newsletter.FromForm
	}
	if _, err := s.Newsletters.SignUp(c.UserContext(), n, clean, came); err != nil {
		return err
	}
	switch {
	case asJSON:
		return c.Status(http.StatusAccepted).JSON(s.received(c, n))
	case n.Page.Redirect != "":
		return c.Redirect(n.Page.Redirect, http.StatusSeeOther) // the one that an admin saved
	}
	return redirect(c, signupAddress(c, n, "/thanks"))
}

// receivedJSON answers a sign-up that is on disk, and says what a page of somebody's own shows.
type receivedJSON struct {
	Status   string `json:"status"`
	Message  string `json:"message"`            // in the newsletter's language
	Redirect string `json:"redirect,omitempty"` // address to which readers go instead
}

func (s *server) received(c *fiber.Ctx, n db.Newsletter) receivedJSON {
	return receivedJSON{"received", s.thanksPage(c, n).Text, n.Page.Redirect}
}

// refuseClosed answers who signs up for a newsletter that takes no sign-ups.
func (s *server) refuseClosed(c *fiber.Ctx, n db.Newsletter, asJSON bool) error {
	page := closedPage(c, n)
	if !asJSON {
		return render(c, http.StatusConflict, views.SignupMessage(page))
	}
	d := newProblem(c, http.StatusConflict, page.Text, nil)
	d.Code = "closed"
	return d.send(c)
}

// refuseBusy answers who signs up while the tenant's forms get more than they may take. They can send the same once more.
func (s *server) refuseBusy(c *fiber.Ctx, n db.Newsletter, shown forms.Definition, sent forms.Sent, asJSON bool) error {
	l := forms.Language(n.Page.Language)
	if asJSON {
		return problem(c, http.StatusTooManyRequests, l.Say(forms.FailedBusy), nil)
	}
	p := signupPage(c, n, shown, sent, nil)
	p.Title, p.Summary = l.Say(forms.ErrorTitle, "title", n.Name), l.Say(forms.FailedBusy)
	p.Box.Ticked = true // it was, or something else would have been wrong
	return s.renderSignup(c, http.StatusTooManyRequests, n, sent, p)
}

// thanks handles GET /signup/{slug}/thanks.
func (s *server) thanks(c *fiber.Ctx) error {
	n, err := s.Newsletters.BySlug(c.UserContext(), c.Params("slug"))
	if err != nil {
		return err
	}
	return render(c, http.StatusOK, views.SignupMessage(s.thanksPage(c, n)))
}

// signupSchema handles GET /signup/{slug}/schema.json: what may be sent as JSON.
func (s *server) signupSchema(c *fiber.Ctx) error {
	n, err := s.Newsletters.BySlug(c.UserContext(), c.Params("slug"))
	if err != nil {
		return err
	}
	schema := n.Form.JSONSchema()
	schema["$id"], schema["title"] = s.URL+"/signup/"+n.Slug+"/schema.json", n.Name
	return c.JSON(schema, "application/schema+json")
}

// signupLook handles GET /signup/{slug}/look/{rrggbb}.css: a page's colours, made of one. The
// address says all that is in it.
func (s *server) signupLook(c *fiber.Ctx) error {
	name, css := strings.CutSuffix(c.Params("file"), ".css")
	accent, ok := forms.ParseColour("#" + name)
	if !css || !ok {
		return fiber.ErrNotFound
	}
	c.Set(fiber.HeaderContentType, "text/css; charset=utf-8")
	c.Set(fiber.HeaderCacheControl, static.CacheControl)
	return c.SendString(forms.Stylesheet(accent))
}

// signupLogo handles GET /signup/{slug}/logo/{id}.png.
func (s *server) signupLogo(c *fiber.Ctx) error {
	id, png := strings.CutSuffix(c.Params("file"), ".png")
	if !png {
		return fiber.ErrNotFound
	}
	n, err := s.Newsletters.BySlug(c.UserContext(), c.Params("slug"))
	if err != nil {
		return err
	}
	logo, err := s.Newsletters.Logo(c.UserContext(), n, id)
	if err != nil {
		return err
	}
	c.Set(fiber.HeaderContentType, "image/png")
	c.Set(fiber.HeaderCacheControl, static.CacheControl) // another picture has another id
	return c.Send(logo)
}

// decodeSignup reads what was sent, in either of its shapes. A form may have other fields, which
// are left alone; in JSON they would be lost in silence, and are an error.
func decodeSignup(c *fiber.Ctx, d forms.Definition) (forms.Sent, error) {
	if !isForm(mediaType(c)) {
		sent := input.Fields{Known: d.Knows}
		err := decodeReadersJSON(c, &sent)
		return sent.Values, err
	}
	sent := forms.Sent{}
	read := func(key string) {
		if texts := fieldValues(c, key); len(texts) > 0 {
			for i, text := range texts {
				texts[i] = input.Unescaped(text)
			}
			sent[key] = input.Value{Texts: texts}
		}
	}
	for _, key := range forms.OwnKeys {
		read(key)
	}
	for _, f := range d.Fields {
		read(f.Key)
		for _, key := range f.Was {
			read(key)
		}
	}
	return sent, nil
}

// prefilled are the values that a page's query gives its fields. Consent is nobody's to give but
// the reader's.
func (s *server) prefilled(c *fiber.Ctx, n db.Newsletter) forms.Sent {
	sent := forms.Sent{}
	for _, f := range n.Form.Shown() {
		var texts []string
		switch {
		case f.Type == forms.Hidden:
			texts = []string{s.hiddenValue(c, n, f)}
		case f.Prefill:
			texts = queryTexts(c, append([]string{f.Key}, f.Was...)...)
		}
		if len(texts) > 0 {
			sent[f.Key] = input.Value{Texts: texts}
		}
	}
	return sent
}

// queryTexts are the values of the first of some parameters that is there.
func queryTexts(c *fiber.Ctx, names ...string) (values []string) {
	for _, name := range names {
		for _, v := range c.Request().URI().QueryArgs().PeekMulti(name) {
			values = append(values, strings.ToValidUTF8(string(v), ""))
		}
		if len(values) > 0 {
			return values
		}
	}
	return nil
}

func firstText(texts []string) string {
	if len(texts) == 0 {
		return ""
	}
	return texts[0]
}

// hiddenValue is what a field that nobody sees gets on the page that is asked for. In a frame the
// page with the form is the one around it.
func (s *server) hiddenValue(c *fiber.Ctx, n db.Newsletter, f forms.Field) string {
	source, _ := forms.SourceNamed(f.From)
	from := withoutQuery(c.Get(fiber.HeaderReferer))
	switch {
	case source.Query != "":
		return firstText(queryTexts(c, source.Query))
	case f.From == forms.FromPage && framed(c):
		return from
	case f.From == forms.FromPage:
		return s.URL + "/signup/" + n.Slug
	case f.From == forms.FromReferrer && !framed(c) && !strings.HasPrefix(from, s.URL+"/"):
		return from
	}
	return ""
}

// fillHidden fills in, of what was sent, the page with the form where it doesn't say so itself, as
// a form on somebody's own page.
func (s *server) fillHidden(c *fiber.Ctx, d forms.Definition, sent forms.Sent) {
	for _, f := range d.Shown() {
		if f.Type != forms.Hidden || f.From != forms.FromPage || sent.Text(f.Key) != "" {
			continue
		}
		page := cmp.Or(withoutQuery(c.Get(fiber.HeaderReferer)), withoutQuery(c.Get(fiber.HeaderOrigin)))
		if page != "" && sent[f.Key].Kind == input.OfForm {
			sent[f.Key] = input.Value{Texts: []string{page}}
		}
	}
}

// pageOf is the address of the page that a form was sent from, as the browser tells it: of other
// sites the host at least, as a rule; empty where it tells nothing.
func (s *server) pageOf(c *fiber.Ctx, n db.Newsletter) string {
	origin := c.Get(fiber.HeaderOrigin)
	if origin == s.URL { // our own pages send no more than that
		return s.URL + "/signup/" + n.Slug
	}
	return cut(cmp.Or(withoutQuery(c.Get(fiber.HeaderReferer)), withoutQuery(origin)), mostShownAgain)
}

// withoutQuery is a page's address without what may tell who reads it; empty for what is none.
func withoutQuery(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return ""
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return u.String()
}

// wantsJSON reports whether to answer in JSON: to those who sent it, or who ask
// for it and not for a page.
func wantsJSON(c *fiber.Ctx) bool {
	if c.Method() != http.MethodGet && mediaType(c) == fiber.MIMEApplicationJSON {
		return true
	}
	c.Vary(fiber.HeaderAccept)
	accept := c.Get(fiber.HeaderAccept)
	return strings.Contains(accept, "json") && !strings.Contains(accept, "html")
}

// problem answers with a problem document (RFC 9457); wrong is a sentence for
// each field, if there are any.
func problem(c *fiber.Ctx, status int, sentence string, wrong map[string]string) error {
	return newProblem(c, status, sentence, wrong).send(c)
}

// problemDocument is a problem document with what we add to it.
type problemDocument struct {
	Type      string            `json:"type"`
	Title     string            `json:"title"`
	Status    int               `json:"status"`
	Detail    string            `json:"detail"`
	RequestID string            `json:"request_id"`
	Errors    map[string]string `json:"errors,omitempty"`

	// Of the API for programs alone: see api.go.
	Code       string                 `json:"code,omitempty"`
	Reason     string                 `json:"reason,omitempty"`
	MendedBy   identity.Who           `json:"mended_by,omitempty"`
	Identities []identity.Description `json:"identities,omitempty"`
	More       bool                   `json:"more,omitempty"`
}

func newProblem(c *fiber.Ctx, status int, sentence string, wrong map[string]string) problemDocument {
	return problemDocument{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: sentence, RequestID: requestID(c), Errors: wrong}
}

func (d problemDocument) send(c *fiber.Ctx) error {
	return c.Status(d.Status).JSON(d, "application/problem+json")
}
