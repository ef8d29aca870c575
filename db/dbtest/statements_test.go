package dbtest_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"gatepost/db/dbtest"
)

func TestStatements(t *testing.T) {
	d := dbtest.Open(t, dbtest.Path(t))
	queries := dbtest.Statements(t, d, func() {
		_, err := d.Tenants(t.Context())
		if err := errors.Join(err, d.UsedAPIKey(t.Context(), "none", time.Now())); err != nil {
			t.Fatal(err)
		}
	})
	var words []string
	for _, query := range queries {
		word, _, _ := strings.Cut(query, " ")
		words = append(words, word)
	}
	if !slices.Equal(words, []string{"SELECT", "UPDATE"}) {
		t.Errorf("saw %q", queries)
	}
}
