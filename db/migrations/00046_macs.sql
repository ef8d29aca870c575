-- The keys of links and MACs, and how many mails one address was sent.

-- +goose Up

-- One row for each purpose, made once: see seal.MACs.
CREATE TABLE mac_keys (
  purpose        TEXT PRIMARY KEY,
  sealed_mac_key TEXT NOT NULL,
  key_id         BIGINT NOT NULL, -- the key that sealed it
  made_at        BIGINT NOT NULL
);
CREATE INDEX mac_keys_by_key ON mac_keys (key_id);

-- When mails went to one address, of all tenants or of one, for as long as they count for a limit.
CREATE TABLE recipient_mails (
  mac     TEXT PRIMARY KEY, -- of the address, or of tenant and address: nothing else is kept of it
  times   TEXT NOT NULL,    -- by commas, the latest last
  last_at BIGINT NOT NULL   -- the latest
);
CREATE INDEX recipient_mails_by_age ON recipient_mails (last_at);

-- +goose Down
DROP TABLE recipient_mails;
DROP TABLE mac_keys;
