package db

import (
	"context"
	"errors"
)

// TenantSlugs reads the slugs of all tenants from a database, which it neither makes nor
// brings up to date: for those who are only asked what there is.
func TenantSlugs(ctx context.Context, where string) ([]string, error) {
	slugs, err := peek(ctx, where, `SELECT slug FROM tenants ORDER BY slug`)
	return slugs, wrap("tenants", err)
}

// DefinedServices reads the ids of the services that the operator has defined, as
// TenantSlugs reads.
func DefinedServices(ctx context.Context, where string) ([]string, error) {
	ids, err := peek(ctx, where, `SELECT id FROM services ORDER BY id`)
	return ids, wrap("services", err)
}

func peek(ctx context.Context, where, query string) ([]string, error) {
	pool, err := engineFor(where).peek()
	if err != nil {
		return nil, err
	}
	values, err := collect(ctx, pool, scanID, query)
	return values, errors.Join(err, pool.Close())
}
