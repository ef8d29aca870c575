package newsletter

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"gatepost/db"
	"gatepost/forms"
	"gatepost/input"
	"gatepost/screening"

	"golang.org/x/text/unicode/norm"
)

// EditStore keeps what admins make and change. *db.DB is one, and documents the methods.
type EditStore interface {
	TenantNewsletter(ctx context.Context, tenantID, slug string) (db.Newsletter, error)
	AddNewsletter(ctx context.Context, n db.NewNewsletter) (id string, err error)
	EditNewsletter(ctx context.Context, tenantID, id string, revision int64, e db.NewsletterEdit) error
	SetNewsletterState(ctx context.Context, tenantID, id string, state db.NewsletterState) error
	SaveForm(ctx context.Context, tenantID, newsletterID string, f forms.Definition, actor string) error
	AddViews(ctx context.Context, counts []db.ViewCount) error
	NewsletterNumbers(ctx context.Context, tenantID string, from time.Time) ([]db.Newsletter, map[string]db.NewsletterNumbers, error)
	NewsletterDetails(ctx context.Context, tenantID, newsletterID string, from time.Time, latest, versions int) (db.NewsletterDetails, error)
}

// The most characters of what an admin types of a newsletter.
const (
	maxName    = 80
	maxSlug    = 63
	maxText    = 1000
	maxAddress = 500
)

// Settings are what an admin types of a newsletter. Errors are told by the names of the fields
// in forms: name, slug, description, sender, privacy, language, accent, thanks and redirect.
type Settings struct {
	Name, Slug string
	Page       db.PublicPage
	Readers    db.ReaderRules // of a newsletter that is made
}

// NewRules is how a newsletter that is made in the portal takes readers, until an admin says
// something else.
func NewRules() db.ReaderRules { return db.ReaderRules{Screening: screening.Defaults()} }

// Check returns the settings as they are to be stored, or a sentence for each field that is
// not in order.
func (s Settings) Check() (clean Settings, wrong map[string]string) {
	wrong = map[string]string{}
	note := func(field, sentence string) {
		if sentence != "" {
			wrong[field] = sentence
		}
	}
	clean = s
	var problem string
	clean.Name, problem = checkText(s.Name, "name", maxName, false)
	if problem == "" && clean.Name == "" {
		problem = "Please enter a name. Readers see it on the form."
	}
	note("name", problem)
	clean.Slug = input.Word(s.Slug)
	note("slug", CheckSlug(clean.Slug))
	p := &clean.Page
	p.Description, problem = checkText(s.Page.Description, "description", maxText, true)
	note("description", problem)
	p.Sender, problem = checkText(s.Page.Sender, "sender", maxName, false)
	note("sender", problem)
	p.Thanks, problem = checkText(s.Page.Thanks, "text", maxText, true)
	note("thanks", problem)
	p.Privacy, problem = checkHTTPS(s.Page.Privacy)
	note("privacy", problem)
	p.Redirect, problem = checkHTTPS(s.Page.Redirect)
	note("redirect", problem)
	p.Accent, problem = checkColour(s.Page.Accent)
	note("accent", problem)
	if !forms.Language(p.Language).Known() {
		note("language", "Please choose one of these languages.")
	}
	return clean, wrong
}

// consents are what readers of a new newsletter agree to, until an admin says something else; %s is its
// name.
var consents = map[forms.Language]string{
	forms.English: "I want to receive %s by e-mail. I can unsubscribe at any time.",
	forms.German:  "Ich möchte %s per E-Mail erhalten. Ich kann mich jederzeit abmelden.",
	forms.French:  "Je souhaite recevoir %s par e-mail. Je peux me désabonner à tout moment.",
	forms.Spanish: "Quiero recibir %s por correo electrónico. Puedo darme de baja en cualquier momento.",
}

// checkText returns a text as it is to be stored, or what is wrong with it. Only one of several
// lines may have line breaks.
func checkText(typed, what string, most int, lines bool) (text, wrong string) {
	clean := input.Line
	if lines {
		clean = input.Lines
	}
	text, err := clean(typed)
	if err != nil {
		return "", "Please check the " + what + ": " + err.Error()
	}
	if n := utf8.RuneCountInString(text); n > most {
		return "", fmt.Sprintf("This is too long: at most %d characters, please. It has %d.", most, n)
	}
	return text, ""
}

var slugs = regexp.MustCompile(`^[a-z0-9][a-z0-9-]*[a-z0-9]$`)

// reserved are the names that stand for something else in addresses, or that a reader could take for
// the service's own pages.
var reserved = strings.Fields("account admin api app assets confirm embed favicon form forms gatepost health help home iframe import integrations login logo logos logout " +
	"mail new newsletter newsletters password preview privacy robots schema script settings setup signup static status subscribe subscribers support tenant tenants terms thanks unsubscribe www")

// CheckSlug returns what is wrong with the public name of a newsletter, or nothing.
func CheckSlug(slug string) string {
	switch {
	case slug == "":
		return "Please enter a URL name, such as product-news."
	case len(slug) > maxSlug || !slugs.MatchString(slug):
		return fmt.Sprintf("A URL name has 2 to %d lower-case letters, digits and hyphens, with no hyphen at its ends.", maxSlug)
	case slices.Contains(reserved, slug):
		return "This URL name is kept for the service itself. Please choose another one, such as " + slug + "-news."
	}
	return ""
}

// ProposeSlug is a public name made from a name: nothing where that has no Latin letters.
func ProposeSlug(name string) string {
	var b strings.Builder
	for _, r := range norm.NFKD.String(latin.Replace(strings.ToLower(name))) {
		switch {
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
			b.WriteRune(r)
		case unicode.Is(unicode.Mn, r) || r == '\'' || r == '’':
		case !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
	}
	slug := b.String()
	return strings.Trim(slug[:min(len(slug), 50)], "-")
}

// latin are the letters that aren't one of ours with a mark.
var latin = strings.NewReplacer("ä", "ae", "ö", "oe", "ü", "ue", "ß", "ss", "ø", "o", "æ", "ae", "œ", "oe", "ł", "l", "đ", "d", "ð", "d", "þ", "th", "ı", "i", "&", " and ")

// hosts are the names of sites: of two labels or more, the last of which is no number.
var hosts = regexp.MustCompile(`^([\pL\pM\pN]([\pL\pM\pN-]*[\pL\pM\pN])?\.)+\pL[\pL\pM\pN-]*[\pL\pM\pN]$`)

// checkHTTPS returns the address of a page as it is to be stored, or what is wrong with it. Nothing is
// an address too: there is none then.
func checkHTTPS(typed string) (address, wrong string) {
	address = input.Word(typed)
	if address == "" {
		return "", ""
	}
	u, err := url.Parse(address)
	switch {
	case len(address) > maxAddress:
		return "", fmt.Sprintf("This address is too long: at most %d characters, please.", maxAddress)
	case err != nil || u.Scheme != "https" || u.Host == "" || strings.ContainsFunc(address, func(r rune) bool { return r <= ' ' || r == '\\' || unicode.IsSpace(r) }):
		return "", "Please enter the whole address of a page, which begins with https://, such as https://www.example.com/privacy."
	case u.User != nil:
		return "", "This address has a user name in it. Please enter one without."
	case len(u.Hostname()) > 253 || !hosts.MatchString(u.Hostname()):
		return "", "Please check the address: the part after https:// has to be the name of a site, such as www.example.com."
	}
	return address, ""
}

// checkColour returns a colour as it is to be stored, or what is wrong with it.
func checkColour(typed string) (accent, wrong string) {
	accent = input.Word(typed)
	if accent == "" {
		return "", ""
	}
	if c, ok := forms.ParseColour("#" + strings.TrimPrefix(accent, "#")); ok {
		return c.String(), ""
	}
	return "", "A colour is # and six digits or letters from a to f, such as #0b6b4f."
}

// ErrSlugTaken says that another newsletter has, or had, the public name.
var ErrSlugTaken = errors.New("the URL name is taken")

// SlugTaken is the sentence for ErrSlugTaken.
const SlugTaken = "This URL name is taken, or was once. Please choose another one."

// ErrChanged says that somebody else has changed the newsletter since it was read.
var ErrChanged = errors.New("the newsletter was changed by somebody else")

// Of returns the tenant's newsletter that has the public name, or had it before, as it is now, or
// db.ErrNotFound.
func (s *Service) Of(ctx context.Context, tenantID, slug string) (db.Newsletter, error) {
	return s.store.TenantNewsletter(ctx, tenantID, slug)
}

// Add stores a new newsletter of the tenant's, as Check has returned its settings, and returns its id. It
// gives ErrSlugTaken, and db.ErrNotFound for a tenant that is closed.
func (s *Service) Add(ctx context.Context, tenantID string, set Settings) (id string, err error) {
	id, err = s.store.AddNewsletter(ctx, db.NewNewsletter{TenantID: tenantID, Slug: set.Slug, Name: set.Name, Consent: fmt.Sprintf(consents[forms.Language(set.Page.Language)], set.Name), Page: set.Page, Readers: set.Readers})
	return id, s.edited(err)
}

// SaveSettings stores what an admin has set of a newsletter, as Check has returned it, with a new logo if
// there is one, or without any. n is the newsletter as they saw it. It gives ErrSlugTaken, ErrChanged,
// and db.ErrNotFound.
func (s *Service) SaveSettings(ctx context.Context, n db.Newsletter, set Settings, logo *db.Logo, noLogo bool) error {
	return s.edited(s.store.EditNewsletter(ctx, n.TenantID, n.ID, n.Revision, db.NewsletterEdit{Name: set.Name, Slug: set.Slug, Page: set.Page, Logo: logo, NoLogo: noLogo}))
}

// SetState opens, pauses or archives a newsletter.
func (s *Service) SetState(ctx context.Context, n db.Newsletter, state db.NewsletterState) error {
	return s.edited(s.store.SetNewsletterState(ctx, n.TenantID, n.ID, state))
}

// edited says in the room's words why an edit was refused; one that was stored is seen at once.
func (s *Service) edited(err error) error {
	switch {
	case errors.Is(err, db.ErrConflict):
		return ErrSlugTaken
	case errors.Is(err, db.ErrLost):
		return ErrChanged
	case err == nil:
		s.Forget()
	}
	return err
}

// SaveForm gives a newsletter the next version of its form, as forms.Next has made it of the one that n has;
// actor is the id of the user who does it. It gives ErrChanged when somebody else has made one
// meanwhile, and db.ErrNotFound.
func (s *Service) SaveForm(ctx context.Context, n db.Newsletter, next forms.Definition, actor string) error {
	err := s.store.SaveForm(ctx, n.TenantID, n.ID, next, actor)
	if errors.Is(err, db.ErrConflict) {
		return ErrChanged
	}
	return s.edited(err)
}
