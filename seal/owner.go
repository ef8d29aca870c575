package seal

import (
	"fmt"

	"gatepost/db"
)

// Owner is a room that seals values, with the tables that it keeps them in and the
// kinds of each. Whoever opens a keyring registers the owners: only kinds that are
// registered can be sealed, so that a rotation reaches whatever was.
type Owner struct {
	Name   string
	Tables []db.SealedTable
}

// registry is what the owners of a keyring have registered.
type registry struct {
	tables []db.SealedTable
	kinds  map[string]string // the owner of each
}

// register returns an error when two owners claim the same: a row is sealed anew
// whole, by one of them, and the kind is what keeps one owner's values from being
// opened as the other's.
func register(owners []Owner) (registry, error) {
	r, tables := registry{kinds: map[string]string{}}, map[string]string{}
	for _, o := range owners {
		for _, t := range o.Tables {
			if other, ok := tables[t.Name]; ok {
				return r, fmt.Errorf("seal: the table %s is registered by %s and by %s", t.Name, other, o.Name)
			}
			tables[t.Name] = o.Name
			for _, kind := range t.Kinds {
				if other, ok := r.kinds[kind]; ok && other != o.Name {
					return r, fmt.Errorf("seal: the kind %s is registered by %s and by %s", kind, other, o.Name)
				}
				r.kinds[kind] = o.Name
			}
			r.tables = append(r.tables, t)
		}
	}
	return r, nil
}
