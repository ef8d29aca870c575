package routes

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"gatepost/db"
	"gatepost/forms"
	"gatepost/input"
	"gatepost/newsletter"
	"gatepost/views"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"
)

// maxNewsletterForm bounds the forms of a newsletter in bytes: a logo, or a form of many fields with
// many options each.
const maxNewsletterForm = 4 << 20

// ofNewsletter reports whether a request is a form of a newsletter's that may be large. It is asked
// before anybody knows who sends it, so a cookie of a session has to be there.
func ofNewsletter(h *fasthttp.RequestHeader, path string) bool {
	rest, ok := strings.CutPrefix(path, "/newsletters/")
	_, action, _ := strings.Cut(rest, "/")
	return ok && slices.Contains([]string{"form", "preview", "settings"}, action) && h.IsPost() &&
		(len(h.Cookie("gatepost_session")) > 0 || len(h.Cookie("__Host-gatepost_session")) > 0)
}

// newNewsletter handles GET /newsletters/new.
func (s *server) newNewsletter(c *fiber.Ctx) error {
	return s.showNewNewsletter(c, http.StatusOK, newsletter.Settings{}, nil)
}

func (s *server) showNewNewsletter(c *fiber.Ctx, status int, set newsletter.Settings, wrong views.FieldErrors) error {
	page := views.NewNewsletterPage{Page: s.page(c, "New newsletter", views.NavNewsletters), Begin: s.URL + "/signup/", Fields: typedNewsletter(set), Languages: languages(), Errors: wrong}
	for _, d := range s.destinations(c) {
		if d.crm != nil && d.All {
			page.Feeds = append(page.Feeds, viewCRM(d.crm))
		} else if d.crm != nil {
			page.Chosen = append(page.Chosen, viewCRM(d.crm))
		}
	}
	return render(c, status, views.NewNewsletter(page))
}

// addNewsletter handles POST /newsletters.
func (s *server) addNewsletter(c *fiber.Ctx) error {
	set := newsletter.Settings{Name: field(c, "name"), Slug: field(c, "slug"), Page: db.PublicPage{Sender: field(c, "sender"), Language: field(c, "language")}, Readers: newsletter.NewRules()}
	if input.Word(set.Slug) == "" {
		set.Slug = newsletter.ProposeSlug(set.Name)
	}
	clean, wrong := set.Check()
	if len(wrong) == 0 {
		_, err := s.Newsletters.Add(c.UserContext(), who(c).Tenant.ID, clean)
		if err == nil {
			s.flash(c, views.FlashSuccess, clean.Name+" is there. Choose what its form asks for, then put it on your site.")
			return redirect(c, "/newsletters/"+clean.Slug)
		}
		if !errors.Is(err, newsletter.ErrSlugTaken) {
			return err
		}
		wrong["slug"] = newsletter.SlugTaken
	}
	return s.showNewNewsletter(c, http.StatusUnprocessableEntity, set, wrong)
}

// typedNewsletter are the settings as the fields of a form have them.
func typedNewsletter(set newsletter.Settings) views.NewsletterFields {
	p := set.Page
	return views.NewsletterFields{Name: cut(set.Name, 500), Slug: cut(set.Slug, 500), Description: cut(p.Description, 5000), Sender: cut(p.Sender, 500), Privacy: cut(p.Privacy, 2000),
		Language: p.Language, Accent: cut(p.Accent, 500), Device: p.Device, Thanks: cut(p.Thanks, 5000), Redirect: cut(p.Redirect, 2000)}
}

func languages() (all []views.Option) {
	for _, l := range forms.Languages {
		all = append(all, views.Option{Value: string(l.Code), Text: l.Name})
	}
	return all
}

// settingsOf are the settings of a newsletter as they are stored.
func settingsOf(n db.Newsletter) newsletter.Settings {
	set := newsletter.Settings{Name: n.Name, Slug: n.Slug, Page: n.Page}
	if set.Page.Language == "" {
		set.Page.Language = string(forms.English)
	}
	return set
}

// newsletterSettings handles GET /newsletters/{slug}/settings.
func (s *server) newsletterSettings(c *fiber.Ctx) error {
	n, err := s.newsletterOf(c)
	if err != nil {
		return err
	}
	return s.showNewsletterSettings(c, http.StatusOK, n, settingsOf(n), nil, false)
}

// showNewsletterSettings shows what was typed, for the newsletter as it is now. Where somebody else has
// changed it meanwhile, what is saved stands beside what was typed.
func (s *server) showNewsletterSettings(c *fiber.Ctx, status int, n db.Newsletter, set newsletter.Settings, wrong views.FieldErrors, changed bool) error {
	page := views.NewsletterSettingsPage{Page: s.page(c, n.Name+" settings", views.NavNewsletters), Newsletter: s.plainNewsletter(n), Begin: s.URL + "/signup/", Fields: typedNewsletter(set), Languages: languages(),
		Tenant: who(c).Tenant.Name, Revision: n.Revision, Errors: wrong}
	if n.LogoID != "" {
		page.LogoURL = logoURL(n)
	}
	preview, err := s.previewOf(c, withSettings(n, set), draftOf(n.Form))
	if err != nil {
		return err
	}
	page.Preview, page.Wide = preview, field(c, "width") == "wide"
	if changed {
		saved := typedNewsletter(settingsOf(n))
		page.Saved = &saved
	}
	return render(c, status, views.NewsletterSettings(page))
}

// logoURL is where a newsletter's picture is.
func logoURL(n db.Newsletter) string { return "/signup/" + n.Slug + "/logo/" + n.LogoID + ".png" }

// readNewsletterSettings is what the form of the settings says, for a newsletter that has more of them.
func readNewsletterSettings(c *fiber.Ctx, n db.Newsletter) newsletter.Settings {
	p := n.Page
	p.Description, p.Sender, p.Privacy, p.Language, p.Accent = field(c, "description"), field(c, "sender"), field(c, "privacy"), field(c, "language"), field(c, "accent")
	p.Device, p.Thanks, p.Redirect = field(c, "look") == "device", field(c, "thanks"), field(c, "redirect")
	return newsletter.Settings{Name: field(c, "name"), Slug: field(c, "slug"), Page: p}
}

// setNewsletterSettings handles POST /newsletters/{slug}/settings.
func (s *server) setNewsletterSettings(c *fiber.Ctx) error {
	n, err := s.newsletterOf(c)
	if err != nil {
		return err
	}
	set := readNewsletterSettings(c, n)
	clean, wrong := set.Check()
	logo, err := readLogo(c)
	var refused newsletter.LogoError
	if errors.As(err, &refused) {
		wrong["logo"] = refused.Error()
	} else if err != nil {
		return err
	}
	if len(wrong) > 0 {
		if logo != nil {
			wrong["logo"] = "Please choose the file again: browsers don’t keep it."
		}
		return s.showNewsletterSettings(c, http.StatusUnprocessableEntity, n, set, wrong, false)
	}
	seen := n
	seen.Revision, _ = strconv.ParseInt(field(c, "revision"), 10, 64)
	switch err := s.Newsletters.SaveSettings(c.UserContext(), seen, clean, logo, field(c, "no_logo") == "on"); {
	case errors.Is(err, newsletter.ErrSlugTaken):
		return s.showNewsletterSettings(c, http.StatusUnprocessableEntity, n, set, views.FieldErrors{"slug": newsletter.SlugTaken}, false)
	case errors.Is(err, newsletter.ErrChanged):
		if n, err = s.newsletterOf(c); err != nil {
			return err
		}
		return s.showNewsletterSettings(c, http.StatusConflict, n, set, views.FieldErrors{"": someoneElse}, true)
	case err != nil:
		return err
	}
	said := "Saved."
	if clean.Slug != n.Slug {
		said = "Saved. The form’s address is " + s.URL + "/signup/" + clean.Slug + " now. The one before goes on working."
	}
	more, err := s.renamedWords(c, n, clean)
	if err != nil {
		return err
	}
	s.flash(c, views.FlashSuccess, said+more)
	return redirect(c, "/newsletters/"+clean.Slug+"/settings")
}

// renamedWords has the words that readers agree to say a newsletter's new name, as the next version of its
// form, while they are those that it began with. Otherwise an admin has to decide, and is told.
func (s *server) renamedWords(c *fiber.Ctx, before db.Newsletter, set newsletter.Settings) (said string, err error) {
	words := before.Form.Consent.Words
	if set.Name == before.Name || !strings.Contains(words, before.Name) {
		return "", nil
	}
	edited := before.Form
	edited.Consent.Words = strings.ReplaceAll(words, before.Name, set.Name)
	next, faults := forms.Next(before.Form, edited)
	if before.Form.Version > 0 || len(faults) > 0 {
		return " What readers agree to still says “" + before.Name + "”: look at it under Form.", nil
	}
	err = s.Newsletters.SaveForm(c.UserContext(), before, next, who(c).User.ID)
	if errors.Is(err, newsletter.ErrChanged) {
		return "", nil // somebody else has just said something else
	}
	return "", err
}

// someoneElse is said to whoever would undo what somebody else has saved.
const someoneElse = "Somebody else has changed this newsletter since you opened the page, so nothing was saved yet. Below is what you typed. Saving again replaces theirs with it."

// readLogo is the picture that was chosen, nil for none. Errors: a newsletter.LogoError.
func readLogo(c *fiber.Ctx) (*db.Logo, error) {
	file, err := fieldFile(c, "logo", newsletter.MaxLogoBytes+1)
	if err != nil || file == nil {
		return nil, err
	}
	logo, err := newsletter.Logo(file)
	if err != nil {
		return nil, err
	}
	return &logo, nil
}

// confirmArchive handles GET /newsletters/{slug}/archive: what it means.
func (s *server) confirmArchive(c *fiber.Ctx) error {
	n, err := s.newsletterOf(c)
	if err != nil {
		return err
	}
	return render(c, http.StatusOK, views.ArchiveNewsletter(views.NewsletterPage{Page: s.page(c, "Archive "+n.Name, views.NavNewsletters), Newsletter: s.plainNewsletter(n)}))
}

// stateWords are what is said once a newsletter is in a state.
var stateWords = map[db.NewsletterState]string{
	db.NewsletterOpen:     " takes sign-ups.",
	db.NewsletterPaused:   " takes no sign-ups until you open it again. Its form says so.",
	db.NewsletterArchived: " is archived, and its form says so. What was taken before goes on to your CRM.",
}

// setNewsletterState handles POST /newsletters/{slug}/state.
func (s *server) setNewsletterState(c *fiber.Ctx) error {
	n, err := s.newsletterOf(c)
	if err != nil {
		return err
	}
	state := db.NewsletterState(field(c, "state"))
	said, ok := stateWords[state]
	if !ok {
		s.flash(c, views.FlashWarning, "Nothing was changed: please choose one of the buttons.")
		return redirect(c, "/newsletters/"+n.Slug+"/settings")
	}
	if err := s.Newsletters.SetState(c.UserContext(), n, state); err != nil {
		return err
	}
	s.flash(c, views.FlashSuccess, n.Name+said)
	return redirect(c, "/newsletters/"+n.Slug+"/settings")
}
