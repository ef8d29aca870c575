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
	slugs, err := peek(ctx, path, `SELECT slug FROM tenants ORDER BY slug`)
	return slugs, wrap("tenants", err)
}

// DefinedServices reads the ids of the services that the operator has defined, as
// TenantSlugs reads.
func DefinedServices(ctx context.Context, path string) ([]string, error) {
	ids, err := peek(ctx, path, `SELECT id FROM services ORDER BY id`)
	return ids, wrap("services", err)
}

func peek(ctx context.Context, path, query string) ([]string, error) {
	u := url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: "mode=ro&_pragma=busy_timeout(1000)&_pragma=query_only(1)"}
	pool, err := sql.Open("sqlite", u.String())
	if err != nil {
		return nil, err
	}
	values, err := collect(ctx, pool, func(s scanner) (value string, err error) { return value, s.Scan(&value) }, query)
	return values, errors.Join(err, pool.Close())
}
