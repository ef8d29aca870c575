package db

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// CompleteWithin is how long what was granted waits for the application to complete it.
const CompleteWithin = 10 * time.Minute

// How long an authorization that has ended is told of, and how many may be under way at
// once: of an API key, and of one user of an application's in a tenant.
const (
	authorizationKept     = 24 * time.Hour
	maxKeyAuthorizations  = 10_000
	maxUserAuthorizations = 20
)

const authorizationColumns = `a.id, a.api_key_id, a.tenant_id, a.service, a.user_name, a.account, a.tags, a.more_scopes, a.params, a.login_hint, a.login_url,
	a.return_to, a.app_state, a.skip_page, a.link_hash, a.link_ends_at, a.browser_hash, a.code_hash, a.state, a.error, a.reason, a.said, a.identity_id,
	a.begun_at, a.opened_at, a.granted_at, a.ended_at, a.expires_at, t.name, t.slug, t.closed_at > 0`

const selectAuthorization = `SELECT ` + authorizationColumns + ` FROM authorizations a JOIN tenants t ON t.id = a.tenant_id WHERE `

func scanAuthorization(row scanner) (a Authorization, err error) {
	var linkEnds, begun, opened, granted, ended, expires int64
	err = row.Scan(&a.ID, &a.APIKeyID, &a.TenantID, &a.Service, &a.User, &a.Account, (*tagList)(&a.Tags), (*tagList)(&a.MoreScopes), (*textMap)(&a.Params), &a.LoginHint, &a.LoginURL,
		&a.ReturnTo, &a.AppState, &a.SkipPage, &a.LinkHash, &linkEnds, &a.BrowserHash, &a.CodeHash, &a.State, &a.Error, &a.Reason, &a.Said, &a.IdentityID,
		&begun, &opened, &granted, &ended, &expires, &a.TenantName, &a.TenantSlug, &a.Closed)
	a.LinkEndsAt, a.BegunAt, a.OpenedAt = fromMillis(linkEnds), fromMillis(begun), fromMillis(opened)
	a.GrantedAt, a.EndedAt, a.ExpiresAt = fromMillis(granted), fromMillis(ended), fromMillis(expires)
	return a, err
}

// Authorization returns the authorization with the id, or ErrNotFound.
func (d *Authorizations) Authorization(ctx context.Context, id string) (Authorization, error) {
	a, err := scanAuthorization(d.read.QueryRowContext(ctx, selectAuthorization+`a.id = $1`, id))
	return a, wrap("authorization", err)
}

// AuthorizationByLink returns the authorization whose URL has the secret with the hash,
// or ErrNotFound.
func (d *Authorizations) AuthorizationByLink(ctx context.Context, linkHash string) (Authorization, error) {
	a, err := scanAuthorization(d.read.QueryRowContext(ctx, selectAuthorization+`a.link_hash = $1`, linkHash))
	return a, wrap("authorization by its link", err)
}

// BeginAuthorization stores an authorization that was begun. ErrLost: its tenant was
// closed, its key deleted, its return address taken from the key, or the definition of its
// service removed. ErrTooMany: its key,
// or its user, has as many under way as may be. Those of a key are counted
// beside others that begin, so that these don't wait for each other.
func (d *Authorizations) BeginAuthorization(ctx context.Context, a Authorization) error {
	var n int
	err := d.read.QueryRowContext(ctx, `SELECT count(*) FROM (SELECT 1 FROM authorizations WHERE api_key_id = $1 AND ended_at = 0 LIMIT $2) o`, a.APIKeyID, maxKeyAuthorizations).Scan(&n)
	if err == nil && n >= maxKeyAuthorizations {
		err = ErrTooMany
	}
	if err != nil {
		return wrap("begin an authorization", err)
	}
	return wrap("begin an authorization", d.tx(ctx, func(tx *sql.Tx) error {
		if err := errors.Join(mustBeOpen(ctx, tx, a.TenantID), mustHaveKey(ctx, tx, a.APIKeyID, a.ReturnTo), hasService(ctx, tx, a.Service, a.DefinedAt)); err != nil {
			return err
		}
		var n int
		err := tx.QueryRowContext(ctx, `SELECT count(*) FROM authorizations WHERE tenant_id = $1 AND user_name = $2 AND ended_at = 0`, a.TenantID, a.User).Scan(&n)
		if err != nil {
			return err
		}
		if n >= maxUserAuthorizations {
			return ErrTooMany
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO authorizations (id, api_key_id, tenant_id, service, user_name, account, tags, more_scopes, params, login_hint, login_url,
				return_to, app_state, skip_page, link_hash, link_ends_at, state, begun_at, expires_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $16)`,
			a.ID, a.APIKeyID, a.TenantID, a.Service, a.User, a.Account, tagList(a.Tags), tagList(a.MoreScopes), textMap(a.Params), a.LoginHint, a.LoginURL,
			a.ReturnTo, a.AppState, flag(a.SkipPage), a.LinkHash, millis(a.LinkEndsAt), AuthorizationBegun, millis(d.now()))
		return err
	}))
}

// mustHaveKey refuses with ErrLost what an API key asked for that was deleted meanwhile, or
// that may return to the address no more.
func mustHaveKey(ctx context.Context, tx *sql.Tx, id, returnTo string) error {
	var addresses tagList
	err := tx.QueryRowContext(ctx, `SELECT return_to FROM api_keys WHERE id = $1`, id).Scan(&addresses)
	if errors.Is(err, sql.ErrNoRows) || err == nil && !slices.Contains(addresses, returnTo) {
		return ErrLost
	}
	return err
}

// OpenAuthorization ties an authorization to a browser, while its link may be opened and
// nothing is granted; what is begun with it may take until the given time. ErrLost: it
// may not, or it is tied to another browser.
func (d *Authorizations) OpenAuthorization(ctx context.Context, id, browserHash string, until time.Time) error {
	now := millis(d.now())
	res, err := d.exec(ctx, `UPDATE authorizations SET browser_hash = $2, state = $4, opened_at = CASE opened_at WHEN 0 THEN CAST($3 AS BIGINT) ELSE opened_at END,
			expires_at = CASE WHEN expires_at < $5 THEN $5 ELSE expires_at END
		WHERE id = $1 AND browser_hash IN ('', $2) AND state IN ('begun', 'opened') AND link_ends_at > $3
			AND EXISTS (SELECT 1 FROM tenants t WHERE t.id = authorizations.tenant_id AND t.closed_at = 0)`,
		id, browserHash, now, AuthorizationOpened, millis(until))
	return wrap("open an authorization", changed(res, err, ErrLost))
}

// EndAuthorization ends an authorization that was opened and came to nothing. ErrLost: it
// isn't open any more.
func (d *Authorizations) EndAuthorization(ctx context.Context, id string, state AuthorizationState, code, reason, said string) error {
	now := d.now()
	res, err := d.exec(ctx, `UPDATE authorizations SET state = $2, error = $3, reason = $4, said = $5, ended_at = $6, expires_at = $7 WHERE id = $1 AND state = 'opened'`,
		id, state, code, reason, said, millis(now), millis(now.Add(authorizationKept)))
	return wrap("end an authorization", changed(res, err, ErrLost))
}

// HandshakeAuthorization returns for which authorization a handshake is, whoever began
// it, or ErrNotFound: for none.
func (d *Authorizations) HandshakeAuthorization(ctx context.Context, service, stateHash string) (id string, err error) {
	err = d.read.QueryRowContext(ctx, `SELECT authorization_id FROM handshakes WHERE state_hash = $1 AND service = $2 AND authorization_id <> '' AND expires_at > $3`,
		stateHash, service, millis(d.now())).Scan(&id)
	return id, wrap("whose handshake it is", err)
}

// textMap is names with values as they are stored: a JSON object.
type textMap map[string]string

// Value returns the object.
func (m textMap) Value() (driver.Value, error) {
	if len(m) == 0 {
		return "{}", nil
	}
	b, err := json.Marshal(map[string]string(m))
	return string(b), err
}

// Scan reads the object.
func (m *textMap) Scan(src any) error {
	text, ok := src.(string)
	if !ok {
		return fmt.Errorf("names with values: %T", src)
	}
	if text == "{}" {
		*m = nil
		return nil
	}
	return json.Unmarshal([]byte(text), (*map[string]string)(m))
}
