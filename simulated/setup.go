package simulated

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"sync/atomic"
)

// Setup keeps the settings of a service: of all organisations alike, but for those that
// are set up on their own. S is a struct that JSON describes.
type Setup[S any] struct {
	core     *Core
	first    string
	defaults func() S
	prepare  func(*S) error
	now      atomic.Pointer[setupState[S]]
}

// setupState is how the organisations are set up. It is never changed, but replaced.
type setupState[S any] struct {
	all *S
	own map[string]*S // by the organisation's id
}

// NewSetup reads the settings from the file. Defaults makes those that hold where nothing
// was changed. Prepare refuses what makes no sense, and fills in what follows from the rest.
// Control calls that name no organisation show the settings of the first one.
func NewSetup[S any](ctx context.Context, c *Core, first string, defaults func() S, prepare func(*S) error) (*Setup[S], error) {
	u := &Setup[S]{core: c, first: first, defaults: defaults, prepare: prepare}
	return u, u.Load(ctx)
}

// Of returns the settings of an organisation, which must not be changed; "" stands for one
// that isn't known yet.
func (u *Setup[S]) Of(org string) *S {
	v := u.now.Load()
	if own := v.own[org]; own != nil {
		return own
	}
	return v.all
}

// Parse returns the settings that JSON makes of the defaults.
func (u *Setup[S]) Parse(text string) (S, error) {
	v := u.defaults()
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		return v, err
	}
	return v, u.prepare(&v)
}

// name is the name under which the settings of an organisation are kept; those of all that
// have none of their own, for "".
func settingsOf(org string) string {
	if org == "" {
		return "settings"
	}
	return "settings:" + org
}

// Load reads how the organisations are set up. It is needed after PutOrg, too.
func (u *Setup[S]) Load(ctx context.Context) error {
	orgs, err := u.core.Orgs(ctx)
	if err != nil {
		return err
	}
	all, _, err := u.kept(ctx, "")
	if err != nil {
		return err
	}
	next := &setupState[S]{all: &all, own: map[string]*S{}}
	for _, o := range orgs {
		v, has, err := u.kept(ctx, o.ID)
		if err != nil {
			return err
		}
		if has || o.Apart {
			next.own[o.ID] = &v
		}
	}
	u.now.Store(next)
	return nil
}

// kept returns the settings that are kept for an organisation, or those that hold otherwise.
func (u *Setup[S]) kept(ctx context.Context, org string) (v S, has bool, err error) {
	var text string
	err = u.core.Write.QueryRowContext(ctx, `SELECT value FROM kv WHERE name = $1`, settingsOf(org)).Scan(&text)
	has = err == nil
	if errors.Is(err, sql.ErrNoRows) {
		text, err = "{}", nil
	}
	if err == nil {
		v, err = u.Parse(text)
	}
	if err != nil {
		return v, false, fmt.Errorf("settings: %w", err)
	}
	return v, has, nil
}

// Save keeps v and begins to use it: for one organisation, or for all that are not apart.
// The caller holds Core.Changing.
func (u *Setup[S]) Save(ctx context.Context, org string, v S) error {
	if err := u.prepare(&v); err != nil {
		return err
	}
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	err = u.core.Tx(ctx, func(q Querier) error {
		if org == "" {
			if _, err := q.ExecContext(ctx, `DELETE FROM kv WHERE name IN (SELECT 'settings:' || id FROM orgs WHERE apart = 0)`); err != nil {
				return err
			}
		}
		_, err := q.ExecContext(ctx, `INSERT INTO kv (name, value) VALUES ($1, $2)
			ON CONFLICT (name) DO UPDATE SET value = excluded.value`, settingsOf(org), string(text))
		return err
	})
	if err == nil {
		u.now.Store(u.with(org, &v))
	}
	return err
}

// with is how things are once an organisation, or all that are not apart, have settings v.
func (u *Setup[S]) with(org string, v *S) *setupState[S] {
	old := u.now.Load()
	next := &setupState[S]{all: old.all, own: maps.Clone(old.own)}
	if org != "" {
		next.own[org] = v
		return next
	}
	next.all = v
	maps.DeleteFunc(next.own, func(org string, _ *S) bool { return !u.core.Apart(org) })
	return next
}

// copyOf returns settings that share nothing with those in use.
func (u *Setup[S]) copyOf(org string) (v S, err error) {
	text, err := json.Marshal(u.Of(org))
	if err != nil {
		return v, err
	}
	return u.Parse(string(text))
}

// Reset begins anew with the defaults: for one organisation, or for all that are not apart.
// The caller holds Core.Changing.
func (u *Setup[S]) Reset(ctx context.Context, org string) error {
	return u.Save(ctx, org, u.defaults())
}

// Show handles GET /_control/settings.
func (u *Setup[S]) Show(r *http.Request) (any, error) {
	org, err := u.core.Asked(r)
	return u.Of(cmp.Or(org, u.first)), err
}

// Change handles POST /_control/settings. It changes what the body names and leaves the
// rest: for an organisation that is named, which is set up on its own from then on, or for
// all that aren't apart, which are set up as the first one then.
func (u *Setup[S]) Change(r *http.Request) (any, error) {
	return u.edit(r, func(v *S) error { return Input(r, v) })
}

// edit changes the settings that a control call is about, as Change says, and returns them.
func (u *Setup[S]) edit(r *http.Request, change func(*S) error) (v S, err error) {
	u.core.Changing.Lock()
	defer u.core.Changing.Unlock()
	org, err := u.core.Asked(r)
	if err != nil {
		return v, err
	}
	if v, err = u.copyOf(cmp.Or(org, u.first)); err != nil {
		return v, err
	}
	if err := change(&v); err != nil {
		return v, err
	}
	if err := u.prepare(&v); err != nil {
		return v, BadControl("%w", err)
	}
	return v, u.Save(r.Context(), org, v)
}
