package routes

import (
	"fmt"
	"html"
	"net/http"
	"net/url"
	"strings"

	"gatepost/db"
	"gatepost/forms"
	"gatepost/newsletter"
	"gatepost/static"
	"gatepost/views"

	"github.com/gofiber/fiber/v2"
)

// newsletterEmbed handles GET /newsletters/{slug}/embed: how the form gets into a site.
func (s *server) newsletterEmbed(c *fiber.Ctx) error {
	page, err := s.embedPage(c)
	if err != nil {
		return err
	}
	return render(c, http.StatusOK, views.NewsletterEmbed(page))
}

// setSites handles POST /newsletters/{slug}/embed: on which sites the form stands.
func (s *server) setSites(c *fiber.Ctx) error {
	n, err := s.newsletterOf(c)
	if err != nil {
		return err
	}
	sites, wrong := newsletter.CheckSites(field(c, "sites"))
	if wrong != "" {
		page, err := s.embedPage(c)
		if err != nil {
			return err
		}
		page.Sites, page.Errors = cut(field(c, "sites"), 10_000), views.FieldErrors{"sites": wrong}
		return render(c, http.StatusUnprocessableEntity, views.NewsletterEmbed(page))
	}
	if err := s.Newsletters.SaveSites(c.UserContext(), n, sites); err != nil {
		return err
	}
	s.flash(c, views.FlashSuccess, "Saved.")
	return redirect(c, "/newsletters/"+url.PathEscape(n.Slug)+"/embed")
}

// embedPage is the page with what is stored, or db.ErrNotFound.
func (s *server) embedPage(c *fiber.Ctx) (views.EmbedPage, error) {
	page, n, err := s.newsletterPage(c)
	if err != nil {
		return views.EmbedPage{}, err
	}
	page.Zone = "" // there is no time on it
	code := s.snippets(n)
	return views.EmbedPage{NewsletterPage: page, HTML: code.html, Script: code.script, Frame: code.frame, React: code.react, WordPress: code.wordPress,
		Preview: code.preview, FrameURL: inFrame("/signup/" + n.Slug), Sites: strings.Join(n.Page.Sites, "\n")}, nil
}

// inFrame is the address of a form for a frame: see framed.
func inFrame(form string) string { return form + "?frame=1" }

// snippets are the ways to put a form into a site.
type snippets struct{ html, script, frame, react, wordPress, preview string }

func (s *server) snippets(n db.Newsletter) snippets {
	m := forms.Markup{Action: s.URL + "/signup/" + n.Slug, Prefix: n.Slug, Language: forms.Language(n.Page.Language), Privacy: n.Page.Privacy}
	withScript := m
	withScript.Script = true
	plain, script := n.Form.HTML(m), s.scriptTag()
	return snippets{
		html:      plain,
		script:    n.Form.HTML(withScript) + script,
		frame:     s.frameTag(n) + script,
		react:     n.Form.React(m, "SignUpForm"),
		wordPress: "<!-- wp:html -->\n" + plain + "<!-- /wp:html -->\n",
		preview:   `<!DOCTYPE html><html lang="` + m.Language.Tag() + `"><head><title>` + html.EscapeString(n.Name) + `</title></head><body>` + plain + `</body></html>`,
	}
}

// scriptTag loads the script for other sites in the version that is given out now. Browsers
// refuse it when it isn't what it was when the code was copied.
func (s *server) scriptTag() string {
	script, _ := static.Embed(static.EmbedVersion)
	return fmt.Sprintf("<script src=\"%s\" integrity=\"%s\" crossorigin=\"anonymous\" defer></script>\n", html.EscapeString(s.URL+script.Path), script.Integrity)
}

// frameTag is the hosted form in a frame. Its height is for browsers without the script.
func (s *server) frameTag(n db.Newsletter) string {
	return fmt.Sprintf("<iframe src=\"%s\" title=\"%s\" style=\"border: 0; width: 100%%; height: 640px\" data-gatepost></iframe>\n",
		html.EscapeString(inFrame(s.URL+"/signup/"+n.Slug)), html.EscapeString(n.Name))
}
