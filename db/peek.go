package db

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
)

// TenantSlugs reads the slugs of all tenants from the database in the file at path,
// which it neither makes nor brings up to date: for those who are only asked what
// there is.
func TenantSlugs(ctx context.Context, path string) ([]string, error) {
	u := url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: "mode=ro&_pragma=busy_timeout(1000)&_pragma=query_only(1)"}
	pool, err := sql.Open("sqlite", u.String())
	if err != nil {
		return nil, wrap("tenants", err)
	}
	slugs, err := collect(ctx, pool, func(s scanner) (slug string, err error) { return slug, s.Scan(&slug) }, `SELECT slug FROM tenants ORDER BY slug`)
	return slugs, wrap("tenants", errors.Join(err, pool.Close()))
}
