package dbtest

import (
	"slices"
	"sync"
	"testing"

	"gatepost/db"
)

// Statements returns the texts of the statements that a database runs while fn does,
// those of others on the same db.DB included. What begins and ends a transaction is
// none of them.
func Statements(t testing.TB, d *db.DB, fn func()) []string {
	t.Helper()
	var mu sync.Mutex
	var queries []string
	d.Observe(func(query string) {
		mu.Lock()
		defer mu.Unlock()
		queries = append(queries, query)
	})
	fn()
	d.Observe(nil)
	mu.Lock() // somebody may tell of one a moment later
	defer mu.Unlock()
	return slices.Clone(queries)
}
