-- What each page of a tenant reads in one statement: whether anything happened, its own
-- connections beside those of its users, and what waits to be confirmed.

-- +goose Up
CREATE INDEX events_by_tenant ON events (tenant_id, id);
CREATE INDEX identities_own ON identities (tenant_id, service) WHERE user_name = '' AND account = '';
CREATE INDEX held_identities_by_tenant ON held_identities (tenant_id);

-- +goose Down
DROP INDEX held_identities_by_tenant;
DROP INDEX identities_own;
DROP INDEX events_by_tenant;
