package dbtest

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gatepost/db"

	"github.com/jackc/pgx/v5"
)

// Contents returns all that a database holds, to search it for what mustn't be there: the
// bytes of the file and of its log, or PostgreSQL's rows as text.
func Contents(t testing.TB, at string) string {
	t.Helper()
	read := files
	if db.Postgres(at) {
		read = rows
	}
	text, err := read(at)
	if err != nil || text == "" {
		t.Fatalf("nothing to search in the database: %v", err)
	}
	return text
}

func files(path string) (string, error) {
	names, err := filepath.Glob(path + "*")
	var all strings.Builder
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			return "", err
		}
		all.Write(b)
	}
	return all.String(), err
}

func rows(url string) (string, error) {
	ctx := context.Background() // a test's is over when it cleans up
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close(ctx) }()
	tables, err := texts(conn, `SELECT format('%I', tablename) FROM pg_tables WHERE schemaname = current_schema()`)
	var all strings.Builder
	for _, table := range tables {
		found, err := texts(conn, `SELECT CAST(r AS text) FROM `+table+` r`)
		if err != nil {
			return "", err
		}
		all.WriteString(table + "\n" + strings.Join(found, "\n") + "\n")
	}
	return all.String(), err
}

// texts returns the one column of a query.
func texts(conn *pgx.Conn, query string) ([]string, error) {
	found, err := conn.Query(context.Background(), query)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(found, pgx.RowTo[string])
}
