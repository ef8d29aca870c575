package routes

import (
	"bufio"
	"context"
	"time"

	"gatepost/csvout"
	"gatepost/db"

	"github.com/gofiber/fiber/v2"
)

// csvPage is how many rows of a CSV file are read at once.
const csvPage = 1000

// problemsCSV handles GET /integrations/{service}/problems.csv: all who wait or
// need attention for one cause. It is written as it is read.
func (s *server) problemsCSV(c *fiber.Ctx) error {
	if _, err := s.Vault.Service(c.UserContext(), c.Params("service")); err != nil {
		return err
	}
	tenant, state, reason := who(c).Tenant.ID, knownState(c.Query("state")), cut(c.Query("reason"), 100)
	q := db.CauseQuery{State: state, Reason: reason, Limit: csvPage}
	first, err := s.Health.Affected(c.UserContext(), tenant, q)
	if err != nil {
		return err
	}
	if len(first) == 0 {
		return db.ErrNotFound
	}
	c.Set(fiber.HeaderContentType, "text/csv; charset=utf-8")
	c.Attachment("sign-ups.csv")
	ctx, log := context.WithoutCancel(c.UserContext()), s.log
	c.Context().SetBodyStreamWriter(func(w *bufio.Writer) {
		out := csvout.NewWriter(w)
		out.Write(csvHead...)
		for page := first; len(page) > 0; {
			for _, sub := range page {
				out.Write(csvRow(sub)...)
			}
			if out.Flush() != nil || len(page) < csvPage {
				return // the reader has gone, or that was all
			}
			q.After = page[len(page)-1].ID
			if page, err = s.Health.Affected(ctx, tenant, q); err != nil {
				log.ErrorContext(ctx, "a CSV file was broken off", "tenant", tenant, "error", err)
				return
			}
		}
	})
	return nil
}

// csvHead are the columns of csvRow.
var csvHead = []string{"e-mail", "first name", "last name", "newsletter", "signed up", "state", "code", "what happened", "salesforce says"}

func csvRow(s db.Subscriber) []string {
	return []string{s.Email, s.FirstName, s.LastName, s.Newsletter, s.CreatedAt.UTC().Format(time.RFC3339), string(s.State), s.Reason, deliveryReason(s.State, s.Reason).What, s.Detail}
}
