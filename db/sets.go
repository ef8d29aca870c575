package db

import (
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"strings"
)

// A set is rows that one statement is about, since each statement may be a way to a
// server and back: WITH o (id, revision) AS (…) UPDATE … FROM o.
type set struct {
	columns []column
	rows    [][]any // of string and int64, as the columns say
}

// column is one of a set.
type column struct {
	name    string
	integer bool // or else text
}

func text(name string) column    { return column{name, false} }
func integer(name string) column { return column{name, true} }

func newSet(columns ...column) *set { return &set{columns: columns} }

// add adds a row: a string or an int64 for each column.
func (s *set) add(values ...any) { s.rows = append(s.rows, values) }

// idSet is a set of ids.
func idSet(of []string) *set {
	s := newSet(text("id"))
	for _, id := range of {
		s.add(id)
	}
	return s
}

// of is the set with the tenant of its rows in a column of its own. PostgreSQL doesn't see
// there that it is one tenant, and goes by tenant and id to each of the set. Of a tenant
// whom it knows, it may take the rows for few, as it does with a new crowd until it has
// counted anew, and would go through all of them for each of the set.
func (s *set) of(tenantID string) *set {
	all := newSet(append([]column{text("tenant_id")}, s.columns...)...)
	for _, row := range s.rows {
		all.add(append([]any{tenantID}, row...)...)
	}
	return all
}

// in is of, with the destination that its rows are about as well.
func (s *set) in(key DestinationKey) *set {
	all := newSet(append([]column{text("tenant_id"), text("destination_id")}, s.columns...)...)
	for _, row := range s.rows {
		all.add(append([]any{key.TenantID, key.DestinationID}, row...)...)
	}
	return all
}

// setSize is how many rows of a set are for one statement.
const setSize = 500

// parts are the sets of at most setSize rows that a set consists of.
func (s *set) parts() iter.Seq[*set] {
	return func(yield func(*set) bool) {
		for rows := range slices.Chunk(s.rows, setSize) {
			if !yield(&set{s.columns, rows}) {
				return
			}
		}
	}
}

// with is the beginning of a statement that names the set o, and its arguments: what
// follows has those before it.
func (s *set) with(e engine, before ...any) (clause string, args []any) {
	source, args := e.source(s, before)
	return `WITH o (` + strings.Join(s.names(), ", ") + `) AS (` + source + `) `, args
}

// names are those of the columns.
func (s *set) names() []string {
	names := make([]string, len(s.columns))
	for i, c := range s.columns {
		names[i] = c.name
	}
	return names
}

// source are the rows as one JSON value, so that the statement is the same for any number of
// rows. SQLite looks through all the parameters of a statement for each of them, which makes
// thousands of them slow to prepare and to bind.
func (s *sqliteFile) source(of *set, args []any) (string, []any) {
	var columns []string
	for c := range of.columns {
		columns = append(columns, fmt.Sprintf("value ->> %d", c))
	}
	rows, _ := json.Marshal(of.rows) // strings and integers never fail
	args = append(args, string(rows))
	return fmt.Sprintf("SELECT %s FROM json_each($%d)", strings.Join(columns, ", "), len(args)), args
}

// source are the columns as arrays, so that the statement is the same for any number of
// rows.
func (p *postgres) source(of *set, args []any) (string, []any) {
	var arrays []string
	for c, column := range of.columns {
		if column.integer {
			args = append(args, values[int64](of, c))
			arrays = append(arrays, fmt.Sprintf("CAST($%d AS BIGINT[])", len(args)))
			continue
		}
		args = append(args, values[string](of, c))
		arrays = append(arrays, fmt.Sprintf("CAST($%d AS TEXT[])", len(args)))
	}
	return `SELECT * FROM unnest(` + strings.Join(arrays, ", ") + `)`, args
}

// values are those of one column.
func values[T any](of *set, column int) []T {
	all := make([]T, len(of.rows))
	for i, row := range of.rows {
		all[i] = row[column].(T)
	}
	return all
}
