package routes

import (
	"bufio"
	"context"
	"strings"
	"time"

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
	d, first := s.here(c), causes[0]
	first.Limit = 1
	if some, err := s.Health.Affected(c.UserContext(), d.Key(), first); err != nil || len(some) == 0 {
		return orNotFound(err)
	}
	c.Set(fiber.HeaderContentType, "text/csv; charset=utf-8")
	c.Attachment("sign-ups.csv")
	ctx, log := context.WithoutCancel(c.UserContext()), s.log
	c.Context().SetBodyStreamWriter(func(w *bufio.Writer) {
		out := csvout.NewWriter(w)
		out.Write(csvHead([]destination{d})...)
		for _, q := range causes {
			if err := s.writeAffected(ctx, out, d, q); err != nil {
				log.ErrorContext(ctx, "a CSV file was broken off", "tenant", d.TenantID, "error", err)
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
	read, err := s.Health.Causes(c.UserContext(), s.here(c).Key())
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
func (s *server) writeAffected(ctx context.Context, out *csvout.Writer, d destination, q db.CauseQuery) error {
	for q.Limit = csvPage; ; {
		page, err := s.Health.Affected(ctx, d.Key(), q)
		if err != nil {
			return err
		}
		for _, sub := range page {
			for i := range sub.Deliveries {
				sub.Deliveries[i].Reason = q.Reason // also of who waits for what stops everybody
			}
			out.Write(csvRow([]destination{d}, sub, s.Newsletters.UnsubscribeAddress(sub.TenantID, sub.ID))...)
		}
		if err := out.Flush(); err != nil || len(page) < csvPage {
			return nil // the reader has gone, or that was all
		}
		q.After = page[len(page)-1].ID
	}
}

// csvHead are the columns of csvRow: where there are several destinations, the CRM's name
// stands before those about one.
func csvHead(all []destination) []string {
	head := []string{"e-mail", "first name", "last name", "newsletter", "signed up", "status"}
	for _, d := range all {
		name, prefix := strings.ToLower(strings.TrimPrefix(wordsOf(d).Name, "your ")), ""
		if len(all) > 1 {
			prefix = name + " "
		}
		head = append(head, prefix+"state", prefix+"code", prefix+"what happened", name+" says")
	}
	return append(head, "left", "left how", "unsubscribe address")
}

// csvRow is a row for a subscriber, with the delivery to each destination: empty where they
// haven't entered it.
func csvRow(all []destination, s db.Subscriber, unsubscribe string) []string {
	row := []string{s.Email, s.FirstName, s.LastName, s.Newsletter, s.CreatedAt.UTC().Format(time.RFC3339), string(s.Status)}
	for _, to := range all {
		d, what := s.In(to.ID), ""
		if d.Reason != "" {
			what = deliveryReason(wordsOf(to), d.State, d.Reason).What
		}
		row = append(row, string(d.State), d.Reason, what, d.Detail)
	}
	left, how := "", ""
	if s.Status == db.Left && !s.Leaving.At.IsZero() {
		left, how = s.Leaving.At.UTC().Format(time.RFC3339), string(s.Leaving.How)
	}
	return append(row, left, how, unsubscribe)
}
