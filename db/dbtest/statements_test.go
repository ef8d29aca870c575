package dbtest_test

import (
	"slices"
	"strings"
	"testing"

	"gatepost/db/dbtest"
)

func TestStatements(t *testing.T) {
	d := dbtest.Open(t, dbtest.Path(t))
	queries := dbtest.Statements(t, d, func() {
		if err := d.Ping(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
	var words []string
	for _, query := range queries {
		word, _, _ := strings.Cut(query, " ")
		words = append(words, word)
	}
	if !slices.Equal(words, []string{"SELECT", "INSERT", "DELETE"}) {
		t.Errorf("a ping runs %q", queries)
	}
}
