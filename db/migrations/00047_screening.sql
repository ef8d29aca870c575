-- Sign-ups of robots: proofs of work that were used, domains that take mail or don't, what the
-- checks found, and forms that readers reported.

-- +goose Up

-- Each proof is for one person. It is kept for as long as it would be valid.
CREATE TABLE used_proofs (
  id         TEXT PRIMARY KEY, -- the signature of its challenge
  who        TEXT NOT NULL,    -- MAC of the address that used it: it may do so again
  expires_at BIGINT NOT NULL
);
CREATE INDEX used_proofs_by_age ON used_proofs (expires_at);

-- Whether domains take mail, of all tenants: nothing leads to anybody.
CREATE TABLE mail_domains (
  domain      TEXT PRIMARY KEY,
  state       TEXT NOT NULL DEFAULT 'unknown', -- unknown, takes, refuses: see screening.DomainState
  looked_at   BIGINT NOT NULL DEFAULT 0,
  due         BIGINT NOT NULL DEFAULT 1,       -- how often somebody asked for that since it was looked up
  lease_until BIGINT NOT NULL DEFAULT 0,       -- a process does it until then
  asked_at    BIGINT NOT NULL                  -- when somebody came from it last, about
);
CREATE INDEX mail_domains_due ON mail_domains (asked_at) WHERE due > 0;
CREATE INDEX mail_domains_by_age ON mail_domains (asked_at);

-- Whose sign-up waits for that, while it is looked up.
CREATE TABLE domain_waits (
  domain        TEXT NOT NULL,
  tenant_id     TEXT NOT NULL,
  subscriber_id TEXT NOT NULL,
  since         BIGINT NOT NULL,
  PRIMARY KEY (domain, tenant_id, subscriber_id),
  FOREIGN KEY (tenant_id, subscriber_id) REFERENCES subscribers (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX domain_waits_by_age ON domain_waits (tenant_id, since);
CREATE INDEX domain_waits_by_subscriber ON domain_waits (tenant_id, subscriber_id);

-- What each check did, by the UTC day. No row leads to anybody.
CREATE TABLE finding_counts (
  tenant_id     TEXT NOT NULL,
  newsletter_id TEXT NOT NULL REFERENCES newsletters (id) ON DELETE CASCADE,
  day           BIGINT NOT NULL,
  name          TEXT NOT NULL,   -- of the check; '' for all sign-ups that were looked at
  found         BIGINT NOT NULL, -- how often it found something
  held          BIGINT NOT NULL, -- how many of those were held
  PRIMARY KEY (newsletter_id, day, name)
);
CREATE INDEX finding_counts_by_age ON finding_counts (day);

-- What readers say of a form, to the operator.
CREATE TABLE form_reports (
  id            TEXT PRIMARY KEY, -- UUIDv7
  tenant_id     TEXT NOT NULL,
  newsletter_id TEXT NOT NULL REFERENCES newsletters (id) ON DELETE CASCADE,
  why           TEXT NOT NULL,
  at            BIGINT NOT NULL
);
CREATE INDEX form_reports_by_newsletter ON form_reports (newsletter_id);
CREATE INDEX form_reports_by_age ON form_reports (at);

-- +goose Down
DROP TABLE form_reports;
DROP TABLE finding_counts;
DROP TABLE domain_waits;
DROP TABLE mail_domains;
DROP TABLE used_proofs;
