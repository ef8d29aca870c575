-- Indexes of what few have: who is there by a test, for Home; and who left while a write
-- was out for them, which is looked up. PostgreSQL builds the indexes beside those who write
-- meanwhile, which it can't within a transaction. So each statement is one that may be run again: an index that was left half built when
-- the process ended is made anew.

-- only postgres
-- +goose NO TRANSACTION
-- both

-- +goose Up

-- How far everybody was gone through for those whom the search doesn't know.
CREATE TABLE IF NOT EXISTS search_looks (
  one          INTEGER PRIMARY KEY, -- 1: there is one row
  after_tenant TEXT NOT NULL,       -- the last who was looked at, '' when nobody is gone through
  after_id     TEXT NOT NULL,
  ended_at     BIGINT NOT NULL      -- when all had been last; 0: never
);

-- only sqlite
CREATE INDEX IF NOT EXISTS subscribers_tests ON subscribers (tenant_id) WHERE source = 'test';
CREATE INDEX IF NOT EXISTS consents_tests ON consents (tenant_id) WHERE source = 'test';
CREATE INDEX subscribers_unsettled ON subscribers (tenant_id, settles_at, id) WHERE state = 'left' AND sent_at > 0;

-- only postgres
DROP INDEX CONCURRENTLY IF EXISTS subscribers_tests;
CREATE INDEX CONCURRENTLY subscribers_tests ON subscribers (tenant_id) WHERE source = 'test';
DROP INDEX CONCURRENTLY IF EXISTS consents_tests;
CREATE INDEX CONCURRENTLY consents_tests ON consents (tenant_id) WHERE source = 'test';
DROP INDEX CONCURRENTLY IF EXISTS subscribers_unsettled;
CREATE INDEX CONCURRENTLY subscribers_unsettled ON subscribers (tenant_id, settles_at, id) WHERE state = 'left' AND sent_at > 0;
-- both

-- +goose Down
DROP INDEX IF EXISTS subscribers_unsettled;
DROP INDEX IF EXISTS consents_tests;
DROP INDEX IF EXISTS subscribers_tests;
DROP TABLE IF EXISTS search_looks;
