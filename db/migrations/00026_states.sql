-- What the last recount found, a row for each kind of sign-up and each state.

-- +goose Up
CREATE TABLE recount_sums (
  tenant_id TEXT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
  kind      TEXT NOT NULL, -- new, repeated, or a state
  n         BIGINT NOT NULL,
  PRIMARY KEY (tenant_id, kind)
);
INSERT INTO recount_sums (tenant_id, kind, n)
  SELECT tenant_id, 'new', received FROM recounts WHERE at > 0
  UNION ALL SELECT tenant_id, 'repeated', repeated FROM recounts WHERE at > 0
  UNION ALL SELECT tenant_id, 'waiting', waiting FROM recounts WHERE at > 0
  UNION ALL SELECT tenant_id, 'delivered', delivered FROM recounts WHERE at > 0
  UNION ALL SELECT tenant_id, 'attention', attention FROM recounts WHERE at > 0
  UNION ALL SELECT tenant_id, 'dismissed', dismissed FROM recounts WHERE at > 0;
ALTER TABLE recounts DROP COLUMN received;
ALTER TABLE recounts DROP COLUMN repeated;
ALTER TABLE recounts DROP COLUMN waiting;
ALTER TABLE recounts DROP COLUMN delivered;
ALTER TABLE recounts DROP COLUMN attention;
ALTER TABLE recounts DROP COLUMN dismissed;

-- +goose Down
ALTER TABLE recounts ADD COLUMN received BIGINT NOT NULL DEFAULT 0;
ALTER TABLE recounts ADD COLUMN repeated BIGINT NOT NULL DEFAULT 0;
ALTER TABLE recounts ADD COLUMN waiting BIGINT NOT NULL DEFAULT 0;
ALTER TABLE recounts ADD COLUMN delivered BIGINT NOT NULL DEFAULT 0;
ALTER TABLE recounts ADD COLUMN attention BIGINT NOT NULL DEFAULT 0;
ALTER TABLE recounts ADD COLUMN dismissed BIGINT NOT NULL DEFAULT 0;
UPDATE recounts SET
  received = COALESCE((SELECT n FROM recount_sums s WHERE s.tenant_id = recounts.tenant_id AND s.kind = 'new'), 0),
  repeated = COALESCE((SELECT n FROM recount_sums s WHERE s.tenant_id = recounts.tenant_id AND s.kind = 'repeated'), 0),
  waiting = COALESCE((SELECT n FROM recount_sums s WHERE s.tenant_id = recounts.tenant_id AND s.kind = 'waiting'), 0),
  delivered = COALESCE((SELECT n FROM recount_sums s WHERE s.tenant_id = recounts.tenant_id AND s.kind = 'delivered'), 0),
  attention = COALESCE((SELECT n FROM recount_sums s WHERE s.tenant_id = recounts.tenant_id AND s.kind = 'attention'), 0),
  dismissed = COALESCE((SELECT n FROM recount_sums s WHERE s.tenant_id = recounts.tenant_id AND s.kind = 'dismissed'), 0);
DROP TABLE recount_sums;
