package cli

import (
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gatepost/db"
	"gatepost/db/dbtest"
	"gatepost/seal"
)

func TestKeysAreShownAndRotated(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "keyset.json")
	environ := []string{"GATEPOST_DATABASE=" + filepath.Join(dir, "gatepost.db"), "GATEPOST_KEYSET=" + file}
	run := func(args ...string) string {
		t.Helper()
		code, out, errOut := command(t, "", environ, args...)
		if code != 0 || errOut != "" {
			t.Fatalf("%v: exit %d\n%s%s", args, code, out, errOut)
		}
		wantNoKey(t, file, out)
		return out
	}
	d, err := db.Open(t.Context(), filepath.Join(dir, "gatepost.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = d.Close() }()
	if out := run("keys", "status"); !regexp.MustCompile(`(?m)^KEY +STATE +AGE +ROWS\n\d+ +current +0 min +0$`).MatchString(out) {
		t.Errorf("status:\n%s", out)
	}
	if out := run("keys", "rotate"); !strings.Contains(out, "seals from now on") || !strings.Contains(out, "Done. The old keys are retired.") {
		t.Errorf("rotate:\n%s", out)
	}
	var rows []keyRow
	if err := json.Unmarshal([]byte(run("keys", "status", "--output", "json")), &rows); err != nil {
		t.Fatal(err)
	}
	if len(rows) != 2 || rows[0].State != "retired" || rows[0].RetiredAt == nil || rows[1].State != "current" || rows[0].ID == rows[1].ID {
		t.Errorf("status: %+v", rows)
	}
	if code, out, errOut := command(t, "", environ, "keys", "status", "--output", "xml"); code == 0 || out != "" || !strings.Contains(errOut, "table or json") {
		t.Errorf("another output: exit %d\n%s%s", code, out, errOut)
	}

	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	environ[1] = "GATEPOST_KEYSET=" + string(text)
	if code, out, errOut := command(t, "", environ, "keys", "rotate"); code != 1 || out != "" || !strings.Contains(errOut, "rotate them where they are kept") {
		t.Errorf("keys from the environment: exit %d\n%s%s", code, out, errOut)
	}
}

// wantNoKey fails the test when a key of the file was printed.
func wantNoKey(t *testing.T, file, out string) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	keys := regexp.MustCompile(`"value":"([^"]{20,})"`).FindAllStringSubmatch(string(b), -1)
	if len(keys) == 0 {
		t.Fatal("the key file has no key")
	}
	for _, k := range keys {
		if strings.Contains(out, k[1]) {
			t.Error("a key was printed")
		}
	}
}

// sealedColumns returns the columns of the schema that hold sealed values, by table.
func sealedColumns(t *testing.T, d *db.DB) map[string][]string {
	t.Helper()
	rows, err := d.Writer().QueryContext(t.Context(), `SELECT m.name, c.name FROM sqlite_master m JOIN pragma_table_info(m.name) c
		WHERE m.type = 'table' AND c.name LIKE 'sealed\_%' ESCAPE '\' ORDER BY 1, 2`)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]string{}
	for rows.Next() {
		var table, column string
		if err := rows.Scan(&table, &column); err != nil {
			t.Fatal(err)
		}
		all[table] = append(all[table], column)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil || len(all) == 0 {
		t.Fatal(all, err)
	}
	return all
}

// Each sealed column has one owner, who is registered with the keys of every command.
func TestSealedColumnsHaveOneOwnerForTheKeys(t *testing.T) {
	schema := sealedColumns(t, dbtest.Open(t, dbtest.Path(t)))
	registered := map[string][]string{}
	for _, owner := range sealers {
		for _, table := range owner.Tables {
			for _, kind := range table.Kinds {
				registered[table.Name] = append(registered[table.Name], "sealed_"+kind)
			}
			slices.Sort(registered[table.Name])
		}
	}
	if !reflect.DeepEqual(registered, schema) {
		t.Errorf("registered are %v, the schema has %v", registered, schema)
	}
}

// "keys rotate" seals every sealed column anew: none of its values is as it was, and
// the key of before is retired.
func TestKeysReachAllThatIsSealed(t *testing.T) {
	data := dbtest.Path(t)
	d, file := dbtest.Open(t, data), filepath.Join(t.TempDir(), "keyset.json")
	keys, err := openKeys(t.Context(), file, d)
	if err != nil {
		t.Fatal(err)
	}
	schema := sealedColumns(t, d)
	sealARowOfEach(t, d, keys, slices.Collect(maps.Keys(schema)))
	before := sealedValues(t, d, schema)
	code, out, errOut := command(t, "", []string{"GATEPOST_DATABASE=" + data, "GATEPOST_KEYSET=" + file}, "keys", "rotate")
	if code != 0 || errOut != "" || !strings.Contains(out, "The old keys are retired") {
		t.Errorf("exit %d\n%s%s", code, out, errOut)
	}
	for column, value := range sealedValues(t, d, schema) {
		if value == before[column] {
			t.Errorf("%s is as it was", column)
		}
	}
	all, err := d.SealingKeys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range all {
		if k.Current != k.RetiredAt.IsZero() || k.Current && k.Rows != len(schema) {
			t.Errorf("key %+v", k)
		}
	}
}

// sealARowOfEach stores a row in each table, and seals what it is to hold.
func sealARowOfEach(t *testing.T, d *db.DB, keys *seal.Keyring, tables []string) {
	t.Helper()
	run := func(query string, args ...any) {
		t.Helper()
		if _, err := d.Writer().ExecContext(t.Context(), query, args...); err != nil {
			t.Fatal(query, err)
		}
	}
	old, err := d.SealingKey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	run(`PRAGMA foreign_keys = OFF`)
	for _, table := range tables {
		var columns, values string
		err := d.Writer().QueryRowContext(t.Context(), `SELECT group_concat(name, ', '), group_concat(CASE name WHEN 'key_id' THEN '$1' ELSE '1' END, ', ')
			FROM pragma_table_info($1) WHERE dflt_value IS NULL OR name = 'key_id'`, table).Scan(&columns, &values)
		if err != nil {
			t.Fatal(err)
		}
		run(`INSERT INTO `+table+` (`+columns+`) VALUES (`+values+`)`, old)
	}
	if _, err := keys.Rotate(t.Context()); err != nil { // so that the rows are found
		t.Fatal(err)
	}
	var owned []db.SealedTable
	for _, owner := range sealers {
		owned = append(owned, owner.Tables...)
	}
	rows, err := d.Outdated(t.Context(), owned, 100)
	if err != nil || len(rows) != len(tables) {
		t.Fatalf("%d rows of %d tables, %v", len(rows), len(tables), err)
	}
	err = keys.WithKey(t.Context(), func(key seal.Key) error {
		after := make([]db.SealedRow, len(rows))
		for i, row := range rows {
			row.Sealed = slices.Clone(row.Sealed)
			for n, v := range row.Sealed {
				b := seal.Binding{Kind: v.Kind, TenantID: v.TenantID, Service: v.Service, RowID: v.RowID}
				if row.Sealed[n].Value, err = key.Seal("secret", b); err != nil {
					return err
				}
			}
			after[i] = row
		}
		return d.Reseal(t.Context(), key.ID, rows, after)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// sealedValues returns what stands in the one row of each table, by column.
func sealedValues(t *testing.T, d *db.DB, schema map[string][]string) map[string]string {
	t.Helper()
	values := map[string]string{}
	for table, columns := range schema {
		for _, column := range columns {
			var value string
			if err := d.Writer().QueryRowContext(t.Context(), `SELECT `+column+` FROM `+table).Scan(&value); err != nil {
				t.Fatal(err)
			}
			values[table+"."+column] = value
		}
	}
	return values
}
