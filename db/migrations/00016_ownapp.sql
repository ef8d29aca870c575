-- A tenant's own app at a service, and which connections it made: what the app
-- authorized is renewed, asked about and revoked with it alone.

-- +goose Up
CREATE TABLE tenant_apps (
  tenant_id            TEXT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
  service              TEXT NOT NULL,
  client_id            TEXT NOT NULL,
  sealed_client_secret TEXT NOT NULL,
  key_id               BIGINT NOT NULL,
  scopes               TEXT NOT NULL DEFAULT '', -- empty: those of the installation
  login_url            TEXT NOT NULL DEFAULT '', -- the tenant's own host of the service, empty: the service's
  set_at               BIGINT NOT NULL,
  PRIMARY KEY (tenant_id, service)
);
CREATE INDEX tenant_apps_by_key ON tenant_apps (key_id);
ALTER TABLE identities ADD COLUMN own_app BIGINT NOT NULL DEFAULT 0; -- 1: made with the tenant's own app
ALTER TABLE held_identities ADD COLUMN own_app BIGINT NOT NULL DEFAULT 0;
ALTER TABLE handshakes ADD COLUMN own_app BIGINT NOT NULL DEFAULT 0;
ALTER TABLE revocations ADD COLUMN own_app BIGINT NOT NULL DEFAULT 0;

-- +goose Down
-- What a tenant's own app authorized works with no other: delete it first, so
-- that it is revoked.
ALTER TABLE revocations DROP COLUMN own_app;
ALTER TABLE handshakes DROP COLUMN own_app;
ALTER TABLE held_identities DROP COLUMN own_app;
ALTER TABLE identities DROP COLUMN own_app;
DROP TABLE tenant_apps;
