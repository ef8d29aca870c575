package routes

import (
	"net/http"

	"gatepost/newsletter"
	"gatepost/views"

	"github.com/gofiber/fiber/v2"
)

// subscribers handles GET /subscribers, and its results alone when htmx asks
// while somebody types.
func (s *server) subscribers(c *fiber.Ctx) error {
	ctx, tenant := c.UserContext(), who(c).Tenant.ID
	q := newsletter.Query{Search: cut(c.Query("q"), 254), State: knownState(c.Query("state")), After: c.Query("after"), Before: c.Query("before")}
	if q.After != "" {
		q.Before = ""
	}
	found, err := s.Newsletters.Subscribers(ctx, tenant, q)
	if err != nil {
		return err
	}
	if len(found.Rows) == 0 && q.After+q.Before != "" { // nobody there: the first page, rather than an empty one
		return redirect(c, subscribersURL(q, "after", ""))
	}
	page := views.SubscribersPage{Query: q.Search, States: viewStates(), State: string(q.State)}
	for _, st := range found.Rows {
		page.Rows = append(page.Rows, s.subscriberRow(c, st))
	}
	if n := len(found.Rows); n > 0 && found.Previous {
		page.NewerURL = subscribersURL(q, "before", found.Rows[0].ID)
	}
	if n := len(found.Rows); n > 0 && found.Next {
		page.OlderURL = subscribersURL(q, "after", found.Rows[n-1].ID)
	}
	if wantsFragment(c) {
		return render(c, http.StatusOK, views.SubscriberResults(page))
	}
	page.Page = s.page(c, "Subscribers", views.NavSubscribers)
	page.Totals = totals(who(c).overview.Sums)
	forms, err := s.signupForms(ctx, tenant)
	if err != nil {
		return err
	}
	if len(forms) > 0 {
		page.FormURL = forms[0].URL
	}
	return render(c, http.StatusOK, views.Subscribers(page))
}

func (s *server) subscriberRow(c *fiber.Ctx, st newsletter.Status) views.Subscriber {
	reason, mend := why(c, st)
	return views.Subscriber{ID: st.ID, Email: st.Email, FirstName: st.FirstName, LastName: st.LastName, Newsletter: st.Newsletter,
		SignedUpAt: st.CreatedAt, State: viewState(st.State.Info()), Reason: reason, Mend: mend, NextTry: nextTry(st), Record: s.record(st.Subscriber)}
}

func subscribersURL(q newsletter.Query, side, id string) string {
	return "/subscribers?" + query("q", q.Search, "state", string(q.State), side, id)
}
