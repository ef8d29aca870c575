package db

import (
	"slices"
	"strings"
	"testing"
)

// Parts have rows of their own shapes and parameters of their own, and are one statement.
func TestPartsAreAskedInOneStatement(t *testing.T) {
	d := open(t)
	type row struct {
		text  State
		n     uint32
		yes   bool
		tags  []string
		small int
	}
	var wide []row
	var ids []string
	left := "as it was"
	observed := observe(d)
	err := ask(t.Context(), d.read,
		listed(&ids, scanID, `SELECT CAST($2 AS TEXT) UNION ALL SELECT CAST($1 AS TEXT)`, "first", "price: $5"),
		listed(&wide, func(s scanner) (r row, err error) {
			return r, s.Scan(&r.text, &r.n, &r.yes, (*tagList)(&r.tags), &r.small)
		}, `SELECT CAST($1 AS TEXT), CAST($2 AS BIGINT), 1, '["a","b"]', -3`, "O'Neil", 4_000_000_000),
		one(&left, scanID, `SELECT id FROM tenants WHERE id = $1`, "nobody"),
	)
	queries := observed()
	if err != nil || len(queries) != 1 || left != "as it was" {
		t.Errorf("%v, %d statements, %q", err, len(queries), left)
	}
	if slices.Sort(ids); !slices.Equal(ids, []string{"first", "price: $5"}) {
		t.Errorf("got %q", ids)
	}
	if len(wide) != 1 || wide[0].text != "O'Neil" || wide[0].n != 4_000_000_000 || !wide[0].yes || wide[0].small != -3 || !slices.Equal(wide[0].tags, []string{"a", "b"}) {
		t.Errorf("got %+v", wide)
	}
}

// What can't be read is an error, never a zero.
func TestPartsRefuseWhatTheyCantRead(t *testing.T) {
	d := open(t)
	var ids []string
	for query, want := range map[string]string{`SELECT NULL`: "is NULL", `SELECT 'x'`: "invalid syntax", `SELECT 1 WHERE nothing`: "nothing"} {
		var all []int
		err := ask(t.Context(), d.read, listed(&ids, scanID, `SELECT 'id'`),
			listed(&all, func(s scanner) (n int, err error) { return n, s.Scan(&n) }, query))
		if err == nil || !strings.Contains(err.Error(), want) || len(all) != 0 {
			t.Errorf("%s: %v, %v", query, all, err)
		}
	}
}
