-- When an API key runs out, and where authorizations that it begins may return to. Processes of
-- the release before insert keys without either; they don't know that a key has run out.

-- +goose Up
ALTER TABLE api_keys ADD COLUMN expires_at BIGINT NOT NULL DEFAULT 0;    -- 0: never
ALTER TABLE api_keys ADD COLUMN return_to  TEXT   NOT NULL DEFAULT '[]'; -- JSON: addresses, exactly as they were given

-- +goose Down
ALTER TABLE api_keys DROP COLUMN return_to;
ALTER TABLE api_keys DROP COLUMN expires_at;
