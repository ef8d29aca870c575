package routes

import (
	"errors"
	"net/http"
	"slices"
	"strconv"

	"gatepost/db"
	"gatepost/input"
	"gatepost/newsletter"
	"gatepost/views"

	"github.com/gofiber/fiber/v2"
)

// maxListForm is how long a form with a file of addresses may be.
const maxListForm = newsletter.MaxListBytes + 64<<10

const suppressionPath = "/suppression-list"

// suppression handles GET /suppression-list.
func (s *server) suppression(c *fiber.Ctx) error {
	return s.showSuppression(c, http.StatusOK, views.SuppressionPage{})
}

// showSuppression shows the list, with what was typed and what is wrong with it.
func (s *server) showSuppression(c *fiber.Ctx, status int, page views.SuppressionPage) error {
	ctx, tenant := c.UserContext(), who(c).Tenant.ID
	letters, err := s.Newsletters.OfTenant(ctx, tenant)
	if err != nil {
		return err
	}
	counts, err := s.Newsletters.SuppressionCounts(ctx, tenant)
	if err != nil {
		return err
	}
	lists, err := s.Newsletters.SuppressionLists(ctx, tenant)
	if err != nil {
		return err
	}
	page.Page = s.page(c, "Suppression list", views.NavSubscribers)
	page.Newsletters = append(page.Newsletters, views.Option{Text: s.leavesWhat(c, letters, "")})
	for _, n := range letters {
		page.Newsletters = append(page.Newsletters, views.Option{Value: n.ID, Text: n.Name})
	}
	for _, count := range counts {
		page.Counts = append(page.Counts, views.SuppressionCount{For: s.leavesWhat(c, letters, count.NewsletterID), N: count.N})
	}
	for _, l := range lists {
		page.Lists = append(page.Lists, suppressionRow(l, s.leavesWhat(c, letters, l.NewsletterID)))
	}
	return render(c, status, views.Suppression(page))
}

// leavesWhat is what addresses leave: a newsletter, or all of the organisation's.
func (s *server) leavesWhat(c *fiber.Ctx, letters []db.Newsletter, id string) string {
	if i := slices.IndexFunc(letters, func(n db.Newsletter) bool { return n.ID == id }); i >= 0 {
		return letters[i].Name
	}
	return "Everything from " + who(c).Tenant.Name
}

func suppressionRow(l db.SuppressionList, what string) views.SuppressionRow {
	return views.SuppressionRow{ID: l.ID, For: what, At: l.StartedAt, Total: l.Total, Done: l.Done, Left: l.Left, Noted: l.Noted, Known: l.Known,
		Unreadable: l.Unreadable, UnreadableN: l.UnreadableN, Ended: !l.EndedAt.IsZero()}
}

// suppressAll handles POST /suppression-list: a file of addresses that leave.
func (s *server) suppressAll(c *fiber.Ctx) error {
	ctx, v := c.UserContext(), who(c)
	chosen := field(c, "newsletter")
	letters, err := s.Newsletters.OfTenant(ctx, v.Tenant.ID)
	if err != nil {
		return err
	}
	if chosen != "" && !slices.ContainsFunc(letters, func(n db.Newsletter) bool { return n.ID == chosen }) {
		return db.ErrNotFound
	}
	refuse := func(sentence string) error {
		return s.showSuppression(c, http.StatusUnprocessableEntity, views.SuppressionPage{Chosen: chosen, Errors: views.FieldErrors{"list": sentence}})
	}
	file, err := fieldFile(c, "list", newsletter.MaxListBytes+1)
	switch {
	case err != nil:
		return err
	case len(file) == 0:
		return refuse("Please choose a file with addresses.")
	case len(file) > newsletter.MaxListBytes:
		return refuse("This file is too large: at most 1 MB, please. Send it in parts.")
	}
	l, err := s.Newsletters.SuppressAll(ctx, v.Tenant.ID, chosen, v.User.ID, file)
	switch {
	case errors.Is(err, newsletter.ErrEmptyList):
		return refuse("There is no e-mail address in the first column of this file. Nothing was changed.")
	case errors.Is(err, input.ErrCharset):
		return refuse("We don’t know the character encoding of this file. Please save it in UTF-8. Nothing was changed.")
	case err != nil:
		return err
	}
	return redirect(c, suppressionPath+"/"+l.ID)
}

// suppressionList handles GET /suppression-list/{id}: what a file did.
func (s *server) suppressionList(c *fiber.Ctx) error {
	row, err := s.suppressionOf(c)
	if err != nil {
		return err
	}
	return render(c, http.StatusOK, views.SuppressionList(views.SuppressionListPage{Page: s.page(c, "File of addresses", views.NavSubscribers), List: row}))
}

// suppressionLive handles GET /suppression-list/{id}/live, which a page asks for that shows how far a file is.
func (s *server) suppressionLive(c *fiber.Ctx) error {
	row, err := s.suppressionOf(c)
	if err != nil {
		return err
	}
	if !row.Ended && c.Query("done") == strconv.Itoa(row.Done) {
		return c.SendStatus(http.StatusNoContent)
	}
	return render(c, http.StatusOK, views.SuppressionResult(row))
}

func (s *server) suppressionOf(c *fiber.Ctx) (row views.SuppressionRow, err error) {
	l, err := s.Newsletters.SuppressionList(c.UserContext(), who(c).Tenant.ID, c.Params("id"))
	if err != nil {
		return row, err
	}
	letters, err := s.Newsletters.OfTenant(c.UserContext(), who(c).Tenant.ID)
	return suppressionRow(l, s.leavesWhat(c, letters, l.NewsletterID)), err
}

// unsuppress handles POST /suppression-list/remove: an address is taken off the list.
func (s *server) unsuppress(c *fiber.Ctx) error {
	typed := field(c, "email")
	address, err := input.Address(typed)
	if err != nil {
		return s.showSuppression(c, http.StatusUnprocessableEntity, views.SuppressionPage{Email: cut(typed, mostShownAgain), Errors: views.FieldErrors{"email": "Please check the address: " + err.Error()}})
	}
	was, err := s.Newsletters.Unsuppress(c.UserContext(), who(c).Tenant.ID, address)
	switch {
	case err != nil:
		return err
	case was:
		s.flash(c, views.FlashSuccess, "It is off the list. Who signs up with it doesn’t have to confirm because of it any more.")
	default:
		s.flash(c, views.FlashInfo, "This address is not on the list. If it is a subscriber’s who left, find it under Subscribers.")
	}
	return redirect(c, suppressionPath)
}
