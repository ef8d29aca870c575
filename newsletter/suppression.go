package newsletter

import (
	"context"
	"errors"
	"strings"
	"time"

	"gatepost/db"
	"gatepost/input"
)

// SuppressionStore keeps who has left and isn't among the subscribers. *db.DB is one.
type SuppressionStore interface {
	Suppress(ctx context.Context, tenantID, newsletterID string, how db.LeftHow, macs []string) (added int, err error)
	Unsuppress(ctx context.Context, tenantID, mac string) (removed int, err error)
	SuppressionCounts(ctx context.Context, tenantID string) ([]db.SuppressionCount, error)
	WhoLeft(ctx context.Context, tenantID, newsletterID string, of []db.Unwanted) (left map[string]bool, err error)
	StartList(ctx context.Context, l db.SuppressionList, addresses []db.Unwanted) (db.SuppressionList, error)
	StepList(ctx context.Context, tenantID, id string) (db.SuppressionList, error)
	QueueList(ctx context.Context, tenantID, id string) error
	SuppressionList(ctx context.Context, tenantID, id string) (db.SuppressionList, error)
	SuppressionLists(ctx context.Context, tenantID string) ([]db.SuppressionList, error)
}

// Suppressed returns which of some addresses have left a newsletter, and mustn't be brought back by
// whoever has a file of them: as subscribers, or by the suppression list. The addresses are clean; the
// answer knows them in lower case.
func (s *Service) Suppressed(ctx context.Context, tenantID, newsletterID string, addresses ...string) (left map[string]bool, err error) {
	of := make([]db.Unwanted, len(addresses))
	for i, a := range addresses {
		of[i] = s.unwanted(tenantID, a)
	}
	return s.store.WhoLeft(ctx, tenantID, newsletterID, of)
}

func (s *Service) unwanted(tenantID, address string) db.Unwanted {
	key := strings.ToLower(address)
	return db.Unwanted{EmailKey: key, MAC: s.suppressionMAC(tenantID, key)}
}

// Unsuppress takes an address off the tenant's suppression list, and reports whether it was on it. Who is among
// the subscribers as left stays so.
func (s *Service) Unsuppress(ctx context.Context, tenantID, address string) (was bool, err error) {
	n, err := s.store.Unsuppress(ctx, tenantID, s.unwanted(tenantID, address).MAC)
	return n > 0, err
}

// SuppressionCounts returns how many addresses the tenant has noted, by newsletter.
func (s *Service) SuppressionCounts(ctx context.Context, tenantID string) ([]db.SuppressionCount, error) {
	return s.store.SuppressionCounts(ctx, tenantID)
}

// SuppressionLists returns the files that the tenant has sent lately, the last one first.
func (s *Service) SuppressionLists(ctx context.Context, tenantID string) ([]db.SuppressionList, error) {
	return s.store.SuppressionLists(ctx, tenantID)
}

// SuppressionList returns one of them, or db.ErrNotFound.
func (s *Service) SuppressionList(ctx context.Context, tenantID, id string) (db.SuppressionList, error) {
	return s.store.SuppressionList(ctx, tenantID, id)
}

const (
	// MaxListBytes is how long a file of addresses may be.
	MaxListBytes = 1 << 20
	// listTime is how long a file is worked off while somebody waits for it; a job does the rest.
	listTime = 3 * time.Second
	// unreadableTold is of how many lines it is told that they have no address.
	unreadableTold = 100
)

// ErrEmptyList says that a file has no line with an address.
var ErrEmptyList = errors.New("there is no address in the file")

// SuppressAll has the addresses of a file leave a newsletter of the tenant's, or all of them where its id is
// empty; actor is the id of who sent it. A small file is worked off when it returns; of another it says how far
// that is. Errors: input.ErrCharset, ErrEmptyList.
func (s *Service) SuppressAll(ctx context.Context, tenantID, newsletterID, actor string, file []byte) (db.SuppressionList, error) {
	addresses, unreadable, err := readAddresses(file)
	if err != nil {
		return db.SuppressionList{}, err
	}
	if s.macs == nil {
		return db.SuppressionList{}, errNoMACs
	}
	l := db.SuppressionList{TenantID: tenantID, NewsletterID: newsletterID, Actor: actor, UnreadableN: len(unreadable), Unreadable: unreadable[:min(len(unreadable), unreadableTold)]}
	of := make([]db.Unwanted, len(addresses))
	for i, a := range addresses {
		of[i] = s.unwanted(tenantID, a)
	}
	if l, err = s.store.StartList(ctx, l, of); err != nil {
		return l, err
	}
	for begun := s.now(); l.EndedAt.IsZero(); {
		if s.now().Sub(begun) > listTime {
			return l, s.store.QueueList(ctx, tenantID, l.ID)
		}
		if l, err = s.store.StepList(ctx, tenantID, l.ID); err != nil {
			return l, err
		}
		s.wake(tenantID)
	}
	return l, nil
}

// readAddresses reads a file with an address in each line, or as the first column of CSV, in whichever encoding.
// It returns each address once, in lower case, and the numbers of the lines that have none. A first line without
// an @ is taken for the head of a table.
func readAddresses(file []byte) (addresses []string, unreadable []int, err error) {
	text, err := input.Decoder{}.Document(file)
	if err != nil {
		return nil, nil, err
	}
	seen := map[string]bool{}
	for i, line := range strings.Split(oneLineBreak.Replace(text), "\n") {
		first := firstColumn(line)
		if first == "" || i == 0 && !strings.Contains(first, "@") {
			continue
		}
		address, err := input.Address(first)
		key := strings.ToLower(address)
		switch {
		case err != nil:
			unreadable = append(unreadable, i+1)
		case !seen[key]:
			seen[key] = true
			addresses = append(addresses, key)
		}
	}
	if len(addresses) == 0 {
		return nil, unreadable, ErrEmptyList
	}
	return addresses, unreadable, nil
}

// oneLineBreak leaves one of the ways to end a line.
var oneLineBreak = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\ufeff", "")

// firstColumn is the first column of a line of CSV, whichever separator it is written with. Quotes are looked for in
// this line alone: one too many mustn't make a column of all that follows.
func firstColumn(line string) string {
	line = strings.TrimSpace(line)
	if rest, quoted := strings.CutPrefix(line, `"`); quoted {
		if column, after, closed := strings.Cut(rest, `"`); closed && (after == "" || strings.ContainsAny(after[:1], ",;\t")) {
			return strings.TrimSpace(column)
		}
	}
	if end := strings.IndexAny(line, ",;\t"); end >= 0 {
		line = line[:end]
	}
	return strings.TrimSpace(line)
}
