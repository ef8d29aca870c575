-- What the operator set of a service, and whose approval a revocation ends.

-- +goose Up
CREATE TABLE service_settings (
  service              TEXT PRIMARY KEY,
  client_id            TEXT NOT NULL DEFAULT '', -- empty, as below: not set
  sealed_client_secret TEXT NOT NULL DEFAULT '',
  key_id               BIGINT NOT NULL,           -- 0 without a secret
  scopes               TEXT NOT NULL DEFAULT '',
  login_url            TEXT NOT NULL DEFAULT '',
  set_at               BIGINT NOT NULL
);
ALTER TABLE revocations ADD COLUMN org_id TEXT NOT NULL DEFAULT '';
ALTER TABLE revocations ADD COLUMN remote_user_id TEXT NOT NULL DEFAULT '';
CREATE INDEX identities_by_approval ON identities (remote_user_id, org_id, service);
CREATE INDEX held_identities_by_approval ON held_identities (remote_user_id, org_id, service);
CREATE INDEX revocations_by_approval ON revocations (remote_user_id, org_id, service);

-- +goose Down
DROP INDEX revocations_by_approval;
DROP INDEX held_identities_by_approval;
DROP INDEX identities_by_approval;
ALTER TABLE revocations DROP COLUMN remote_user_id;
ALTER TABLE revocations DROP COLUMN org_id;
DROP TABLE service_settings;
