-- Home shows twelve months: so the counts by hour are kept by the UTC day as well, of all
-- newsletters together. The database does that itself, so that they agree whoever writes
-- the hours; an older process beside newer tables is one.

-- +goose Up

-- only sqlite
CREATE TABLE day_counts (
  tenant_id TEXT NOT NULL,
  day       BIGINT NOT NULL, -- start of the UTC day
  state     TEXT NOT NULL,
  n         BIGINT NOT NULL,
  PRIMARY KEY (tenant_id, day, state)
) WITHOUT ROWID;
INSERT INTO day_counts (tenant_id, day, state, n)
  SELECT tenant_id, hour - hour % 86400000, state, sum(n) FROM hour_counts GROUP BY 1, 2, 3;
-- +goose StatementBegin
CREATE TRIGGER hour_counts_added AFTER INSERT ON hour_counts BEGIN
  INSERT INTO day_counts (tenant_id, day, state, n) VALUES (new.tenant_id, new.hour - new.hour % 86400000, new.state, new.n)
    ON CONFLICT (tenant_id, day, state) DO UPDATE SET n = day_counts.n + excluded.n;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER hour_counts_changed AFTER UPDATE ON hour_counts BEGIN
  UPDATE day_counts SET n = n - old.n WHERE tenant_id = old.tenant_id AND day = old.hour - old.hour % 86400000 AND state = old.state;
  INSERT INTO day_counts (tenant_id, day, state, n) VALUES (new.tenant_id, new.hour - new.hour % 86400000, new.state, new.n)
    ON CONFLICT (tenant_id, day, state) DO UPDATE SET n = day_counts.n + excluded.n;
END;
-- +goose StatementEnd
CREATE VIEW hour_parts AS SELECT tenant_id, hour, newsletter_id, state, n FROM hour_counts;

-- only postgres
CREATE TABLE folded_day_counts (
  tenant_id TEXT NOT NULL,
  day       BIGINT NOT NULL, -- start of the UTC day
  state     TEXT NOT NULL,
  n         BIGINT NOT NULL,
  PRIMARY KEY (tenant_id, day, state)
);
-- +goose StatementBegin
CREATE FUNCTION count_days() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' THEN
    UPDATE folded_day_counts SET n = n - old.n WHERE tenant_id = old.tenant_id AND day = old.hour - old.hour % 86400000 AND state = old.state;
  END IF;
  INSERT INTO folded_day_counts AS f (tenant_id, day, state, n) VALUES (new.tenant_id, new.hour - new.hour % 86400000, new.state, new.n)
    ON CONFLICT (tenant_id, day, state) DO UPDATE SET n = f.n + excluded.n;
  RETURN NULL;
END
$$;
-- +goose StatementEnd
LOCK TABLE folded_hour_counts IN SHARE ROW EXCLUSIVE MODE; -- nobody folds between the sum and the trigger
INSERT INTO folded_day_counts (tenant_id, day, state, n)
  SELECT tenant_id, hour - hour % 86400000, state, sum(n) FROM folded_hour_counts GROUP BY 1, 2, 3;
CREATE TRIGGER count_days AFTER INSERT OR UPDATE ON folded_hour_counts FOR EACH ROW EXECUTE FUNCTION count_days();
-- A count may come in several rows: whoever reads these sums them, and PostgreSQL goes by
-- the index of each table for that.
CREATE VIEW day_counts AS SELECT tenant_id, day, state, n FROM folded_day_counts
  UNION ALL SELECT tenant_id, hour - hour % 86400000, kind, n FROM count_deltas WHERE counter = 'place';
CREATE VIEW hour_parts AS SELECT tenant_id, hour, newsletter_id, state, n FROM folded_hour_counts
  UNION ALL SELECT tenant_id, hour, newsletter_id, kind, n FROM count_deltas WHERE counter = 'place';
-- both

-- +goose Down
DROP VIEW hour_parts;
-- only sqlite
DROP TRIGGER hour_counts_changed;
DROP TRIGGER hour_counts_added;
DROP TABLE day_counts;
-- only postgres
DROP VIEW day_counts;
DROP TRIGGER count_days ON folded_hour_counts;
DROP FUNCTION count_days;
DROP TABLE folded_day_counts;
-- both
