package db

import (
	"math"
	"testing"
)

// What a statement is told by a set arrives as it is, whatever its letters and sizes.
func TestASetArrivesAsItIs(t *testing.T) {
	d := open(t)
	texts := []string{"", "plain", `"quotes" \ and 'more'`, "<b>&amp;</b>", "línea\nnueva\t", "名前 🎉", "\u2028", "$1", "null", "17"}
	numbers := []int64{0, 1, -1, 1764441600123, math.MaxInt64, math.MinInt64}
	s := newSet(text("letters"), integer("n"))
	for i, letters := range texts {
		s.add(letters, numbers[i%len(numbers)])
	}
	with, args := s.with(d.engine, "before")
	rows, err := d.read.Query(with+`SELECT letters, n FROM o WHERE $1 = 'before'`, args...)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	got := map[string]int64{}
	for rows.Next() {
		var letters string
		var n int64
		if err := rows.Scan(&letters, &n); err != nil {
			t.Fatal(err)
		}
		got[letters] = n
	}
	for i, letters := range texts {
		if n, ok := got[letters]; !ok || n != numbers[i%len(numbers)] {
			t.Errorf("%q: %d, %t", letters, n, ok)
		}
	}
	if len(got) != len(texts) || rows.Err() != nil {
		t.Errorf("%d rows, %v", len(got), rows.Err())
	}
}
