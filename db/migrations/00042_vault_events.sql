-- What happened to authorizations and identities: for the operator, who looks for why one
-- came to nothing. Codes and ids alone, for 30 days.

-- +goose Up

-- only sqlite
CREATE TABLE vault_events (
  id        TEXT PRIMARY KEY, -- UUIDv7: sorts by time
  at        BIGINT NOT NULL,
  kind      TEXT NOT NULL,    -- see db/vaultevents.go
  service   TEXT NOT NULL,
  tenant_id TEXT NOT NULL,
  subject   TEXT NOT NULL,    -- id of the identity, or the handshake while there is none
  handshake TEXT NOT NULL,    -- see Handshake.Name, '' where there is none
  code      TEXT NOT NULL,    -- why, as a word
  detail    TEXT NOT NULL     -- of a call: method, prefix of the path, status
) WITHOUT ROWID;

-- only postgres
CREATE TABLE vault_events (
  id        TEXT PRIMARY KEY, -- UUIDv7: sorts by time
  at        BIGINT NOT NULL,
  kind      TEXT NOT NULL,    -- see db/vaultevents.go
  service   TEXT NOT NULL,
  tenant_id TEXT NOT NULL,
  subject   TEXT NOT NULL,    -- id of the identity, or the handshake while there is none
  handshake TEXT NOT NULL,    -- see Handshake.Name, '' where there is none
  code      TEXT NOT NULL,    -- why, as a word
  detail    TEXT NOT NULL     -- of a call: method, prefix of the path, status
);
-- both

CREATE INDEX vault_events_by_subject ON vault_events (subject, kind, id);

-- +goose Down
DROP TABLE vault_events;
