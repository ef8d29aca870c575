package seal

import (
	"slices"
	"strings"
	"testing"

	"gatepost/db"
)

func TestOwnersThatClaimTheSame(t *testing.T) {
	table := func(name string, kinds ...string) db.SealedTable { return db.SealedTable{Name: name}.Holding(kinds...) }
	one := Owner{"one", []db.SealedTable{table("a", "x", "y"), table("b", "x")}}
	for name, test := range map[string]struct {
		owners []Owner
		want   string
	}{
		"nothing the same":  {[]Owner{one, {"two", []db.SealedTable{table("c", "z")}}}, ""},
		"a table":           {[]Owner{one, {"two", []db.SealedTable{table("b", "z")}}}, "table b is registered by one and by two"},
		"a kind":            {[]Owner{one, {"two", []db.SealedTable{table("c", "x")}}}, "kind x is registered by one and by two"},
		"a table, by one":   {[]Owner{{"one", []db.SealedTable{table("a", "x"), table("a", "y")}}}, "table a is registered by one and by one"},
		"the whole, by one": {[]Owner{one, one}, "table a is registered by one and by one"},
	} {
		w := newWorld(t)
		_, err := OpenKeyring(t.Context(), w.path, w.store, test.owners...)
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
}

// What no rotation would reach isn't sealed in the first place.
func TestKindThatNobodyHasRegistered(t *testing.T) {
	k := newWorld(t).keyring()
	if sealed, err := k.key().Seal("secret", Binding{Kind: "refresh", RowID: "row"}); sealed != "" || err == nil || !strings.Contains(err.Error(), `"refresh"`) {
		t.Errorf("sealed %q, %v", sealed, err)
	}
}

// A program that doesn't know an owner, as an application beside the server, leaves
// its rows alone, and keeps the key that they need.
func TestRowsOfAnOwnerWhoIsNotRegistered(t *testing.T) {
	w := newWorld(t)
	k := w.keyring()
	services := w.many(k, 3)
	old := k.current().primary
	rotateAll(t, must(OpenKeyring(t.Context(), w.path, w.openDB()))(t))
	all, err := k.Status(t.Context())
	if err != nil || len(all) != 2 || all[0].ID != old || all[0].Rows != 3 || !all[0].RetiredAt.IsZero() || !slices.Contains(w.fileKeys(), old) {
		t.Errorf("%+v, %v", all, err)
	}
	w.wantReadable(w.keyring(), services)
	resealed(t, k)
	w.wantRotated(k, old)
	w.wantReadable(k, services)
}
