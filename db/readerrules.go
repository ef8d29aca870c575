package db

import (
	"context"
	"database/sql"
	"encoding/json"
	"time"

	"gatepost/screening"
)

// ReaderRules is how a newsletter takes readers: the zero value takes everybody at once.
type ReaderRules struct {
	Confirm     bool `json:"confirm,omitempty"`      // who signs up is to press a button in a mail first
	ConfirmDays int  `json:"confirm_days,omitempty"` // for how long its link works; DefaultConfirmDays when 0
	KeepDays    int  `json:"keep_days,omitempty"`    // after which who hasn't confirmed, or is held, is erased; DefaultKeepDays when 0

	Screening screening.Rules `json:"screening,omitzero"` // what is looked at to tell robots
}

// The terms where a newsletter sets none.
const (
	DefaultConfirmDays = 7
	DefaultKeepDays    = 30
)

// ConfirmFor is for how long the link of a confirmation mail works.
func (r ReaderRules) ConfirmFor() time.Duration { return daysOr(r.ConfirmDays, DefaultConfirmDays) }

// KeepFor is how long somebody is kept who hasn't confirmed, or whom nobody has decided about.
func (r ReaderRules) KeepFor() time.Duration { return daysOr(r.KeepDays, DefaultKeepDays) }

func daysOr(days, otherwise int) time.Duration {
	if days == 0 {
		days = otherwise
	}
	return time.Duration(days) * day
}

// stored is the rules as they are stored: nothing for the zero value.
func (r ReaderRules) stored() string {
	text := mustJSON(r)
	if text == "{}" {
		return ""
	}
	return text
}

func scanRules(stored string) (r ReaderRules, err error) {
	if stored == "" {
		return r, nil
	}
	return r, json.Unmarshal([]byte(stored), &r)
}

// SetReaderRules stores how the tenant's newsletter takes readers, as an admin sets it who saw it in the given
// revision. Another edit in between gives ErrLost, one that isn't the tenant's ErrNotFound.
func (d *Readers) SetReaderRules(ctx context.Context, tenantID, id string, revision int64, r ReaderRules) error {
	return wrap("set a newsletter's rules", d.tx(ctx, func(tx *sql.Tx) error {
		if err := takeRevision(ctx, tx, tenantID, id, revision); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE newsletters SET readers = $3 WHERE tenant_id = $1 AND id = $2`, tenantID, id, r.stored()); err != nil {
			return err
		}
		return d.notify(ctx, tx, Notice{Kind: NoticeNewsletters})
	}))
}
