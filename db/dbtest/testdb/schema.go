package testdb

import (
	"database/sql"
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// Column is a column of a table, as the migrations say it.
type Column struct {
	Name, Type, Default string // Default is an SQL expression, "" for none
}

// Tables returns the names of all tables, and what their columns are, in order.
func Tables(t testing.TB, pool *sql.DB) (names []string, columns map[string][]Column) {
	t.Helper()
	query := `SELECT m.name, c.name, c.type, COALESCE(c.dflt_value, '') FROM sqlite_schema m JOIN pragma_table_info(m.name) c
		WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' AND m.name NOT LIKE 'search_index%' ORDER BY m.name, c.cid`
	if server(t) != "" {
		query = `SELECT table_name, column_name, upper(data_type), COALESCE(column_default, '')
			FROM information_schema.tables JOIN information_schema.columns USING (table_schema, table_name)
			WHERE table_schema = current_schema() AND table_type = 'BASE TABLE' ORDER BY table_name COLLATE "C", ordinal_position`
	}
	rows, err := pool.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	columns = map[string][]Column{}
	for rows.Next() {
		var table string
		var c Column
		if err := rows.Scan(&table, &c.Name, &c.Type, &c.Default); err != nil {
			t.Fatal(err)
		}
		if len(columns[table]) == 0 {
			names = append(names, table)
		}
		c.Default = strings.TrimSuffix(c.Default, "::text") // how PostgreSQL gives back what it was told
		columns[table] = append(columns[table], c)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return names, columns
}

// Refuse has the database refuse a change, as "INSERT ON subscribers", until the returned
// function is called. Of the rows it is those for which the expression which holds, all
// when it is "".
func Refuse(t testing.TB, pool *sql.DB, change, which string) (over func()) {
	t.Helper()
	if which != "" {
		which = "WHEN (" + which + ")"
	}
	begin := fmt.Sprintf(`CREATE TRIGGER refuse BEFORE %s %s BEGIN SELECT RAISE(ABORT, 'refused'); END`, change, which)
	end := `DROP TRIGGER refuse`
	if server(t) != "" {
		run(t, pool, `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'refused'; END $$`)
		begin = fmt.Sprintf(`CREATE TRIGGER refuse BEFORE %s FOR EACH ROW %s EXECUTE FUNCTION refuse()`, change, which)
		end = `DROP FUNCTION refuse() CASCADE`
	}
	run(t, pool, begin)
	return func() { run(t, pool, end) }
}

// WithoutReferences lets rows refer to rows that aren't there, until the returned function
// is called.
func WithoutReferences(t testing.TB, pool *sql.DB) (over func()) {
	t.Helper()
	if server(t) == "" {
		run(t, pool, `PRAGMA foreign_keys = OFF`)
		return func() { run(t, pool, `PRAGMA foreign_keys = ON`) }
	}
	tables, _ := Tables(t, pool)
	all := func(word string) {
		// Triggers are what holds references.
		run(t, pool, `ALTER TABLE `+strings.Join(tables, ` `+word+` TRIGGER ALL; ALTER TABLE `)+` `+word+` TRIGGER ALL`)
	}
	all("DISABLE")
	return func() { all("ENABLE") }
}

// Snapshot keeps the rows of tables, and returns what brings them back.
func Snapshot(t testing.TB, pool *sql.DB, tables []string) (restore func(testing.TB)) {
	t.Helper()
	run(t, pool, Either(t, `ATTACH ':memory:' AS snapshot`, `CREATE SCHEMA snapshot`))
	// On PostgreSQL triggers are what holds references; a replica runs none.
	statements := []string{Either(t, `SELECT 1`, `SET LOCAL session_replication_role = replica`)}
	for _, table := range tables {
		run(t, pool, `CREATE TABLE snapshot.`+table+` AS SELECT * FROM `+table)
		statements = append(statements, `DELETE FROM `+table, `INSERT INTO `+table+` SELECT * FROM snapshot.`+table)
	}
	return func(t testing.TB) {
		t.Helper()
		if server(t) == "" {
			defer WithoutReferences(t, pool)()
		}
		tx, err := pool.Begin()
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = tx.Rollback() }()
		if _, err := tx.Exec(strings.Join(statements, ";\n")); err != nil {
			t.Fatal(err)
		}
		if err := tx.Commit(); err != nil {
			t.Fatal(err)
		}
	}
}

func run(t testing.TB, pool *sql.DB, statement string) {
	t.Helper()
	if _, err := pool.Exec(statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

var counts = regexp.MustCompile(`\b(ledger|ledger_sums|state_counts|hour_counts|day_counts|reason_counts|org_counts|activity)\b`)

// OnCounts is a statement that writes counts as it is on either database: on PostgreSQL
// their names are those of views, of what was folded and what was added since.
func OnCounts(t testing.TB, statement string) string {
	t.Helper()
	return Either(t, statement, counts.ReplaceAllString(statement, "folded_$1"))
}
