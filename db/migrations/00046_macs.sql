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

-- Each mail to a reader, of all tenants, for as long as it counts for the limits of its address.
CREATE TABLE recipient_mails (
  mac TEXT NOT NULL,   -- of the address: nothing else is kept of it
  at  BIGINT NOT NULL
);
CREATE INDEX recipient_mails_by_mac ON recipient_mails (mac, at);
CREATE INDEX recipient_mails_by_age ON recipient_mails (at);

-- +goose Down
DROP TABLE recipient_mails;
DROP TABLE mac_keys;
