package main

import (
	"context"
	"net/http"

	"gatepost/db"

	"github.com/gofiber/fiber/v2"
	"github.com/jackc/pgx/v5/pgxpool"
)

// appThatInsertsEach stores each sign-up by a statement of its own, over as many
// connections as listmonk has unless it is told otherwise: a subscriber and their
// subscription to one list. It is the least that newsletter software does which waits
// for one insert in each request.
func appThatInsertsEach(ctx context.Context, database string) (*fiber.App, func(), error) {
	config, err := pgxpool.ParseConfig(database)
	if err != nil {
		return nil, nil, err
	}
	config.MaxConns = 25
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, nil, err
	}
	if _, err := pool.Exec(ctx, insertsTables); err != nil {
		pool.Close()
		return nil, nil, err
	}
	app := fiber.New(fiber.Config{DisableStartupMessage: true, Immutable: true})
	app.Post("/signup/:slug", func(c *fiber.Ctx) error {
		email, name := c.FormValue("email"), c.FormValue("first_name")+" "+c.FormValue("last_name")
		if _, err := pool.Exec(c.Context(), insertOne, db.NewID(), email, name); err != nil {
			return err
		}
		return c.Redirect("/signup/contoso-weekly/thanks", http.StatusSeeOther)
	})
	return app, pool.Close, nil
}

const insertsTables = `CREATE SCHEMA inserts;
	CREATE TABLE inserts.people (id SERIAL PRIMARY KEY, uuid uuid NOT NULL UNIQUE, email TEXT NOT NULL, name TEXT NOT NULL,
		attributes JSONB NOT NULL DEFAULT '{}', status TEXT NOT NULL DEFAULT 'enabled',
		created_at TIMESTAMPTZ NOT NULL DEFAULT now(), updated_at TIMESTAMPTZ NOT NULL DEFAULT now());
	CREATE UNIQUE INDEX ON inserts.people (lower(email));
	CREATE INDEX ON inserts.people (status);
	CREATE INDEX ON inserts.people (created_at);
	CREATE TABLE inserts.subscriptions (person_id INT REFERENCES inserts.people (id), list_id INT NOT NULL, status TEXT NOT NULL DEFAULT 'unconfirmed',
		created_at TIMESTAMPTZ NOT NULL DEFAULT now(), PRIMARY KEY (person_id, list_id));
	CREATE INDEX ON inserts.subscriptions (list_id)`

const insertOne = `WITH p AS (
		INSERT INTO inserts.people (uuid, email, name) VALUES ($1, $2, $3)
		ON CONFLICT (lower(email)) DO UPDATE SET name = excluded.name, updated_at = now() RETURNING id)
	INSERT INTO inserts.subscriptions (person_id, list_id) SELECT id, 1 FROM p ON CONFLICT (person_id, list_id) DO NOTHING`
