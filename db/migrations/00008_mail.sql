-- Mails to those who log in, and the links with which they set a new password.

-- +goose Up
-- A mail is made when it is sent, so that this holds no address, no text and no
-- link.
CREATE TABLE mails (
  id         TEXT PRIMARY KEY, -- UUIDv7: sorts by time
  kind       TEXT NOT NULL,    -- reset, password_changed, incident_opened, incident_closed
  user_id    TEXT NOT NULL,    -- to whom; empty when a reset was asked for an address that nobody has
  about      TEXT NOT NULL,    -- the incident, else empty
  created_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,  -- not sent any more from then on
  state      TEXT NOT NULL,    -- queued, sent, refused, expired, dropped
  ended_at   BIGINT NOT NULL DEFAULT 0,
  attempts   BIGINT NOT NULL DEFAULT 0,
  code       BIGINT NOT NULL DEFAULT 0, -- what the mail server answered last, 0 when it didn't
  detail     TEXT NOT NULL DEFAULT ''
);
CREATE INDEX mails_by_age ON mails (created_at);

CREATE TABLE reset_links (
  secret_hash TEXT PRIMARY KEY,
  user_id     TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  expires_at  BIGINT NOT NULL
);
CREATE INDEX reset_links_by_user ON reset_links (user_id);
CREATE INDEX reset_links_by_expiry ON reset_links (expires_at);

-- +goose Down
DROP TABLE reset_links;
DROP TABLE mails;
