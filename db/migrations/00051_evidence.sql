-- Tenants whose forms the operator has paused; and the addresses and browsers of those who
-- agreed, where a tenant keeps them for a while.

-- +goose Up
ALTER TABLE tenants ADD COLUMN paused_at BIGINT NOT NULL DEFAULT 0;           -- since when its forms take no sign-ups; 0: they do
ALTER TABLE tenants ADD COLUMN address_days BIGINT NOT NULL DEFAULT 0;        -- for how long consent_addresses are kept; 0: none are

CREATE TABLE consent_addresses (
  tenant_id     TEXT NOT NULL,
  subscriber_id TEXT NOT NULL,
  at            BIGINT NOT NULL, -- of the consent that it belongs to
  ip            TEXT NOT NULL,
  user_agent    TEXT NOT NULL,
  PRIMARY KEY (tenant_id, subscriber_id, at),
  FOREIGN KEY (tenant_id, subscriber_id) REFERENCES subscribers (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX consent_addresses_by_age ON consent_addresses (tenant_id, at);

-- +goose Down
DROP TABLE consent_addresses;
ALTER TABLE tenants DROP COLUMN address_days;
ALTER TABLE tenants DROP COLUMN paused_at;
