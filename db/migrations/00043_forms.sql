-- Newsletters that are made, named anew and closed in the portal, their forms as data, and what
-- readers filled in.

-- +goose Up

ALTER TABLE newsletters ADD COLUMN state TEXT NOT NULL DEFAULT 'open';       -- open, paused, archived
ALTER TABLE newsletters ADD COLUMN page TEXT NOT NULL DEFAULT '';            -- JSON: see db.PublicPage
ALTER TABLE newsletters ADD COLUMN logo_id TEXT NOT NULL DEFAULT '';         -- of logos; '' for none
ALTER TABLE newsletters ADD COLUMN form_version BIGINT NOT NULL DEFAULT 0;   -- of form_versions; 0: the form from before there were any
ALTER TABLE newsletters ADD COLUMN revision BIGINT NOT NULL DEFAULT 0;       -- goes up with each change

-- A slug that was given stays its newsletter's: links to it go on working.
ALTER TABLE newsletter_slugs ADD COLUMN newsletter_id TEXT NOT NULL DEFAULT ''; -- '' of one that is gone
UPDATE newsletter_slugs SET newsletter_id = COALESCE((SELECT n.id FROM newsletters n WHERE n.slug = newsletter_slugs.slug), '');
CREATE INDEX newsletter_slugs_by_newsletter ON newsletter_slugs (newsletter_id);

CREATE TABLE form_versions (
  tenant_id     TEXT NOT NULL,
  newsletter_id TEXT NOT NULL REFERENCES newsletters (id) ON DELETE CASCADE,
  version       BIGINT NOT NULL, -- from 1
  definition    TEXT NOT NULL,   -- JSON: see forms.Definition
  created_at    BIGINT NOT NULL,
  created_by    TEXT NOT NULL,   -- id of the user; '' for the operator
  PRIMARY KEY (newsletter_id, version)
);

CREATE TABLE logos (
  id            TEXT PRIMARY KEY, -- random: it stands in public addresses
  tenant_id     TEXT NOT NULL,
  newsletter_id TEXT NOT NULL REFERENCES newsletters (id) ON DELETE CASCADE,
  png           TEXT NOT NULL,    -- in base64
  width         BIGINT NOT NULL,  -- pixels
  height        BIGINT NOT NULL,
  created_at    BIGINT NOT NULL
);
CREATE INDEX logos_by_newsletter ON logos (newsletter_id);

ALTER TABLE subscribers ADD COLUMN fields TEXT NOT NULL DEFAULT '';           -- JSON: forms.Values; '' for none
ALTER TABLE subscribers ADD COLUMN form_version BIGINT NOT NULL DEFAULT 0;    -- by which they signed up first, with wording_id
ALTER TABLE consents ADD COLUMN form_version BIGINT NOT NULL DEFAULT 0;       -- likewise, of a repeated sign-up

-- How often forms were looked at, by the UTC hour. No address and no cookie leads to anybody.
CREATE TABLE view_counts (
  tenant_id     TEXT NOT NULL,
  newsletter_id TEXT NOT NULL REFERENCES newsletters (id) ON DELETE CASCADE,
  hour          BIGINT NOT NULL,
  kind          TEXT NOT NULL,   -- page, frame
  n             BIGINT NOT NULL,
  PRIMARY KEY (newsletter_id, hour, kind)
);

-- +goose Down
DROP TABLE view_counts;
ALTER TABLE consents DROP COLUMN form_version;
ALTER TABLE subscribers DROP COLUMN form_version;
ALTER TABLE subscribers DROP COLUMN fields;
DROP TABLE logos;
DROP TABLE form_versions;
DROP INDEX newsletter_slugs_by_newsletter;
ALTER TABLE newsletter_slugs DROP COLUMN newsletter_id;
ALTER TABLE newsletters DROP COLUMN revision;
ALTER TABLE newsletters DROP COLUMN form_version;
ALTER TABLE newsletters DROP COLUMN logo_id;
ALTER TABLE newsletters DROP COLUMN page;
ALTER TABLE newsletters DROP COLUMN state;
