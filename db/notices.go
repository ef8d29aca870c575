package db

import (
	"context"
	"database/sql"
	"strings"
)

// NoticeKind is what a process tells the others of.
type NoticeKind string

// The kinds of notices.
const (
	NoticeDue         NoticeKind = "due"         // a tenant has something to deliver, or other settings for that
	NoticeNewsletters NoticeKind = "newsletters" // newsletters or their tenants changed
	NoticeAPIKeys     NoticeKind = "api_keys"    // API keys were changed or removed
	NoticeAny         NoticeKind = "any"         // nobody listened for a while: it may be any of these
)

// Notice is what another process, or this one, has committed. It holds nothing personal:
// whoever may connect to the database may listen.
type Notice struct {
	Kind     NoticeKind
	TenantID string // of NoticeDue
}

// notify tells all processes once the transaction is committed. SQLite has no such thing:
// there they find out when they look.
func (d *base) notify(ctx context.Context, tx *sql.Tx, notices ...Notice) error {
	return d.engine.notify(ctx, tx, textsOf(notices))
}

// notifySoon tells all processes of what is committed, and doesn't wait until it is told. A
// process that is killed meanwhile tells nothing: then they find out when they look.
func (d *base) notifySoon(notices ...Notice) { d.engine.notifySoon(textsOf(notices)) }

func textsOf(notices []Notice) []string {
	texts := make([]string, len(notices))
	for i, n := range notices {
		texts[i] = string(n.Kind) + " " + n.TenantID
	}
	return texts
}

// execNotify is exec that tells all processes that it changed something.
func (d *base) execNotify(ctx context.Context, n Notice, query string, args ...any) (res sql.Result, err error) {
	err = d.txCommitted(ctx, func(tx *sql.Tx) error {
		if res, err = tx.ExecContext(ctx, query, args...); err != nil {
			return err
		}
		return d.notify(ctx, tx, n)
	})
	return res, err
}

// Listen calls heard with what processes tell, one after the other, until the context
// ends. Some may not arrive: what they tell of has to be looked for as well.
func (d *DB) Listen(ctx context.Context, heard func(Notice)) {
	d.engine.listen(ctx, func(text string) {
		kind, tenantID, _ := strings.Cut(text, " ")
		heard(Notice{NoticeKind(kind), tenantID})
	})
}
