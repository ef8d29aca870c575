package routes

import (
	"bufio"
	"context"
	"strings"
	"time"

	"gatepost/crm"
	"gatepost/csvout"
	"gatepost/db"

	"github.com/gofiber/fiber/v2"
)

// csvPage is how many rows of a CSV file are read at once.
const csvPage = 1000

// problemsCSV handles GET /integrations/{service}/problems.csv: all who wait or need
// attention, for the cause that is asked for or for any. It is written as it is read.
func (s *server) problemsCSV(c *fiber.Ctx) error {
	causes, err := s.csvCauses(c)
	if err != nil {
		return err
	}
	tenant, first := who(c).Tenant.ID, causes[0]
	first.Limit = 1
	if some, err := s.Health.Affected(c.UserContext(), tenant, first); err != nil || len(some) == 0 {
		return orNotFound(err)
	}
	c.Set(fiber.HeaderContentType, "text/csv; charset=utf-8")
	c.Attachment("sign-ups.csv")
	ctx, log, p := context.WithoutCancel(c.UserContext()), s.log, s.crm(c)
	c.Context().SetBodyStreamWriter(func(w *bufio.Writer) {
		out := csvout.NewWriter(w)
		out.Write(csvHead(p)...)
		for _, q := range causes {
			if err := s.writeAffected(ctx, out, p, tenant, q); err != nil {
				log.ErrorContext(ctx, "a CSV file was broken off", "tenant", tenant, "error", err)
				return
			}
		}
	})
	return nil
}

// orNotFound is err, or that there is nothing.
func orNotFound(err error) error {
	if err != nil {
		return err
	}
	return db.ErrNotFound
}

// csvCauses are the causes that are asked for, of which there is one at least.
func (s *server) csvCauses(c *fiber.Ctx) (causes []db.CauseQuery, err error) {
	card, err := s.card(c, c.Params("service"))
	if err != nil {
		return nil, err
	}
	if c.Query("state") != "" || c.Query("reason") != "" {
		q, err := s.askedCause(c, card, c.Query("state"), c.Query("reason"))
		return []db.CauseQuery{q}, err
	}
	read, err := s.Health.Causes(c.UserContext(), who(c).Tenant.ID)
	if err != nil {
		return nil, err
	}
	for _, p := range s.problemsNow(c, card, read.Problems) {
		q, err := s.askedCause(c, card, string(p.State), p.Reason)
		if err != nil {
			return nil, err
		}
		causes = append(causes, q)
	}
	if len(causes) == 0 {
		return nil, db.ErrNotFound
	}
	return causes, nil
}

// writeAffected writes a row for each of those who have a cause.
func (s *server) writeAffected(ctx context.Context, out *csvout.Writer, p *crm.Provider, tenant string, q db.CauseQuery) error {
	for q.Limit = csvPage; ; {
		page, err := s.Health.Affected(ctx, tenant, q)
		if err != nil {
			return err
		}
		for _, sub := range page {
			sub.Reason = q.Reason // also of who waits for what stops everybody
			out.Write(csvRow(p, sub)...)
		}
		if err := out.Flush(); err != nil || len(page) < csvPage {
			return nil // the reader has gone, or that was all
		}
		q.After = page[len(page)-1].ID
	}
}

// csvHead are the columns of csvRow.
func csvHead(p *crm.Provider) []string {
	return []string{"e-mail", "first name", "last name", "newsletter", "signed up", "state", "code", "what happened", strings.ToLower(p.Name) + " says"}
}

func csvRow(p *crm.Provider, s db.Subscriber) []string {
	return []string{s.Email, s.FirstName, s.LastName, s.Newsletter, s.CreatedAt.UTC().Format(time.RFC3339), string(s.State), s.Reason, deliveryReason(p, s.State, s.Reason).What, s.Detail}
}
