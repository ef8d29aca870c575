package newsletter

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"gatepost/db"
	"gatepost/seal"
)

// Eraser is what forgetting people needs of the database; *db.DB has it, and documents the methods.
type Eraser interface {
	Erase(ctx context.Context, e db.Erasure) (ids []string, err error)
	FinishErasing(ctx context.Context) (more bool, err error)
	EraseLapsed(ctx context.Context, suppression func(tenantID, emailKey string) string) (more bool, err error)
	ErasureReceipts(ctx context.Context) ([]db.ErasureReceipt, error)
	Suppressions(ctx context.Context) ([]db.Suppression, error)
	RestoreSuppression(ctx context.Context, s db.Suppression) error
	Addresses(ctx context.Context, tenantID, after string, limit int) ([]db.Address, error)
}

// Erasure is whom a tenant wants to be forgotten.
type Erasure struct {
	TenantID string
	Email    string
	Why      string                   // as somebody gives it
	Actor    string                   // id of the user; empty for the operator
	Ways     map[string]db.ErasingWay // what becomes of the record in each destination, by its id
}

// Erase forgets a person on all newsletters of a tenant. What no CRM has to do with is gone when it returns; the rest goes on by
// itself. It returns the ids of the subscribers that they were, and db.ErrNotFound where there is nobody.
func (s *Service) Erase(ctx context.Context, e Erasure) (ids []string, err error) {
	ids, err = s.erase(ctx, e, time.Time{})
	if err != nil {
		return nil, err
	}
	s.wake(e.TenantID)
	_, err = s.store.FinishErasing(ctx)
	return ids, err
}

func (s *Service) erase(ctx context.Context, e Erasure, before time.Time) ([]string, error) {
	key := strings.ToLower(strings.TrimSpace(e.Email))
	return s.store.Erase(ctx, db.Erasure{TenantID: e.TenantID, EmailKey: key, MAC: s.erasureMAC(e.TenantID, key), Suppression: s.suppressionMAC(e.TenantID, key),
		Why: e.Why, Actor: e.Actor, Ways: e.Ways, Before: before})
}

// erasureMAC is the keyed digest of an address in receipts.
func (s *Service) erasureMAC(tenantID, emailKey string) string {
	return base64.RawURLEncoding.EncodeToString(s.macs.Sum(seal.Erasure, tenantID, emailKey))
}

// forgotAtOnce is how many times in a row some are erased by one call of EraseDue; the next one goes on.
const forgotAtOnce = 20

// EraseDue finishes what is under way of erasing people, and erases who was kept for as long as the tenant says.
func (s *Service) EraseDue(ctx context.Context) error {
	lapsed := func(ctx context.Context) (bool, error) { return s.store.EraseLapsed(ctx, s.suppressionMAC) }
	for _, some := range []func(context.Context) (bool, error){s.store.FinishErasing, lapsed} {
		for range forgotAtOnce {
			if more, err := some(ctx); err != nil || !more {
				if err != nil {
					return err
				}
				break
			}
		}
	}
	return nil
}

// receiptsVersion is the first line of a file of receipts.
const receiptsVersion = 1

// receiptsHead is the first line of a file of receipts. Check says that it was made with the same key.
type receiptsHead struct {
	Receipts int       `json:"gatepost_receipts"`
	MadeAt   time.Time `json:"made_at"`
	Check    string    `json:"check"`
}

// receiptLine is somebody who was erased, or who left and is kept no more. None of them is told by it.
type receiptLine struct {
	Tenant     string    `json:"tenant"`
	Erased     string    `json:"erased,omitempty"`     // MAC of the address
	Suppressed string    `json:"suppressed,omitempty"` // likewise
	Newsletter string    `json:"newsletter,omitempty"` // of who left that one alone
	How        string    `json:"how,omitempty"`
	At         time.Time `json:"at"`
}

func (s *Service) receiptsCheck() string {
	return base64.RawURLEncoding.EncodeToString(s.macs.Sum(seal.Erasure, "receipts"))
}

// WriteReceipts writes who was erased, and who left and is kept no more, as lines of JSON that name nobody, and returns how many
// these are. With it Replay does the same to an older copy of the database.
func (s *Service) WriteReceipts(ctx context.Context, w io.Writer) (n int, err error) {
	erased, err := s.store.ErasureReceipts(ctx)
	if err != nil {
		return 0, err
	}
	left, err := s.store.Suppressions(ctx)
	if err != nil {
		return 0, err
	}
	out := json.NewEncoder(w)
	if err := out.Encode(receiptsHead{receiptsVersion, s.now().UTC(), s.receiptsCheck()}); err != nil {
		return 0, err
	}
	for _, r := range erased {
		if err := out.Encode(receiptLine{Tenant: r.TenantID, Erased: r.MAC, At: r.At.UTC()}); err != nil {
			return n, err
		}
		n++
	}
	for _, l := range left {
		if err := out.Encode(receiptLine{Tenant: l.TenantID, Suppressed: l.MAC, Newsletter: l.NewsletterID, How: string(l.How), At: l.Since.UTC()}); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// ErrOtherKeys says that a file of receipts was made with other keys than the database has.
var ErrOtherKeys = errors.New("these receipts were made with another key: the database is from before it had that key, or is another one. Nobody was erased")

// Replayed is what Replay did.
type Replayed struct {
	Receipts   int // in the file
	Erased     int // subscribers
	Suppressed int // lines of the file about who left
}

// Replay erases again whom a file of WriteReceipts says, in a database that was restored from an older copy. It touches only whom
// the copy has from before their erasing. Records in CRMs aren't asked for again: they are listed. The whole file is read before anything is
// changed: of one that can't be read, nothing is.
func (s *Service) Replay(ctx context.Context, r io.Reader) (done Replayed, err error) {
	all, err := s.readReceipts(r)
	if err != nil {
		return done, err
	}
	done.Receipts = len(all)
	erased := map[string]map[string]time.Time{} // by the tenant, and the MAC
	for _, line := range all {
		if line.Erased != "" {
			if erased[line.Tenant] == nil {
				erased[line.Tenant] = map[string]time.Time{}
			}
			erased[line.Tenant][line.Erased] = line.At
			continue
		}
		if err := s.store.RestoreSuppression(ctx, db.Suppression{TenantID: line.Tenant, NewsletterID: line.Newsletter, MAC: line.Suppressed, Since: line.At, How: db.LeftHow(line.How)}); err != nil {
			return done, err
		}
		done.Suppressed++
	}
	for tenant, macs := range erased {
		n, err := s.replay(ctx, tenant, macs)
		done.Erased += n
		if err != nil {
			return done, err
		}
	}
	return done, s.EraseDue(ctx)
}

// readReceipts reads a file of WriteReceipts. Each of its lines is about one who was erased, or about one who left.
func (s *Service) readReceipts(r io.Reader) (all []receiptLine, err error) {
	lines := bufio.NewScanner(r)
	var head receiptsHead
	if !lines.Scan() || json.Unmarshal(lines.Bytes(), &head) != nil || head.Receipts != receiptsVersion {
		return nil, errors.Join(errors.New("this is not a file that gatepost erase --receipts wrote"), lines.Err())
	}
	if head.Check != s.receiptsCheck() {
		return nil, ErrOtherKeys
	}
	for n := 2; lines.Scan(); n++ {
		var line receiptLine
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil || line.Tenant == "" || line.At.IsZero() || (line.Erased == "") == (line.Suppressed == "") {
			return nil, fmt.Errorf("line %d can’t be read: nobody was erased, and nothing was changed", n)
		}
		all = append(all, line)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("the file can’t be read to its end: nobody was erased, and nothing was changed: %w", err)
	}
	return all, nil
}

// replayedAtOnce is how many addresses are read at once.
const replayedAtOnce = 1000

// replay erases those of a tenant whose MAC is among those given, and who signed up before the time beside it.
func (s *Service) replay(ctx context.Context, tenantID string, macs map[string]time.Time) (n int, err error) {
	for after := ""; ; {
		some, err := s.store.Addresses(ctx, tenantID, after, replayedAtOnce)
		if err != nil || len(some) == 0 {
			return n, err
		}
		for _, a := range some {
			at, is := macs[s.erasureMAC(tenantID, a.EmailKey)]
			if !is || !a.CreatedAt.Before(at) {
				continue
			}
			ids, err := s.erase(ctx, Erasure{TenantID: tenantID, Email: a.EmailKey, Why: "erased before, and restored"}, at)
			if err != nil && !errors.Is(err, db.ErrNotFound) { // with another newsletter's
				return n, err
			}
			n += len(ids)
		}
		after = some[len(some)-1].SubscriberID
	}
}
