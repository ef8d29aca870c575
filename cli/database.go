package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"gatepost/db"
)

// makesDatabase are the commands that make a database where there is none. To all
// others a missing one is an error, since what they are asked to list, change or
// remove can't be in a new one: the path is wrong.
var makesDatabase = map[string]bool{
	"gatepost serve":           true,
	"gatepost demo":            true,
	"gatepost tenant add":      true,
	"gatepost service add":     true,
	"gatepost service set":     true,
	"gatepost apikey add":      true,
	"gatepost identity import": true,
}

// openStore opens the configured database for the command that runs, and says when
// it made one.
func (p *program) openStore(ctx context.Context, path string) (*db.DB, error) {
	if !makesDatabase[p.running] {
		store, err := db.OpenExisting(ctx, path)
		if errors.Is(err, db.ErrMissing) {
			err = fmt.Errorf("%w: check GATEPOST_DATABASE, or make one with gatepost tenant add", err)
		}
		return store, err
	}
	store, err := db.Open(ctx, path)
	if err == nil && store.Made() {
		p.tellDatabase(store, path)
	}
	return store, err
}

// tellDatabase says which database is used, and whether it is new.
func (p *program) tellDatabase(store *db.DB, path string) {
	if whole, err := filepath.Abs(path); err == nil && !db.Postgres(path) {
		path = whole
	} else {
		path = store.Name()
	}
	state := ""
	if store.Made() {
		state = " (new)"
	}
	_, _ = fmt.Fprintf(p.errOut, "Database: %s%s\n", path, state)
}
