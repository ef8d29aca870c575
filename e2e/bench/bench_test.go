package main

import (
	"testing"

	"gatepost/db"
	"gatepost/e2e/rig"
)

// TestThroughThePortal judges what can be judged on any machine: how many calls people cost,
// that they are one record where they come twice at once, and that a tenant can move.
func TestThroughThePortal(t *testing.T) {
	err := inWorld(t.Context(), func(w *rig.World, p *rig.Portal) error {
		for _, crm := range w.CRMs {
			if err := crm.Plenty(t.Context(), 0); err != nil {
				return err
			}
		}
		t.Run("calls", func(t *testing.T) { testCalls(t, w, p) })
		t.Run("two newsletters", func(t *testing.T) { testTwice(t, w, p) })
		t.Run("move", func(t *testing.T) { testMove(t, w, p) })
		return nil
	})
	must(t, err)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// testCalls counts the calls that a thousand people cost who sign up at once.
func testCalls(t *testing.T, w *rig.World, p *rig.Portal) {
	seen := 0
	must(t, countCalls(t.Context(), w, p, func(try trial, spent int, of map[string]int) {
		seen++
		t.Logf("%v: %d calls: %v", try, spent, of)
		if spent < 1 || spent > try.most {
			t.Errorf("%v: %d calls, want at most %d", try, spent, try.most)
		}
	}))
	if seen != len(trials) {
		t.Errorf("%d of %d trials were made", seen, len(trials))
	}
}

// testTwice has the same people sign up with two newsletters that feed one CRM, at once.
func testTwice(t *testing.T, w *rig.World, p *rig.Portal) {
	for _, try := range trials {
		if try.nameless > 0 {
			continue
		}
		t.Run(try.service, func(t *testing.T) {
			crm := w.CRM(try.service)
			before, err := crm.Stats(t.Context())
			must(t, err)
			must(t, withStore(t.Context(), w, func(store *db.DB) error { return try.twice(t.Context(), p, store, "twice.example") }))
			after, err := crm.Stats(t.Context())
			must(t, err)
			if n := after.Contacts - before.Contacts; n != thousand || after.PerEmailMax != 1 {
				t.Errorf("%d people became %d records, at most %d of an address", thousand, n, after.PerEmailMax)
			}
		})
	}
}

// testMove moves a tenant while people sign up.
func testMove(t *testing.T, w *rig.World, p *rig.Portal) {
	const size = 10_000
	must(t, w.CRM(rig.HubSpot).Control(t.Context(), "settings", map[string]any{"rate_limit": 0})) // what it allows would take half a minute
	m, err := moveTenant(t.Context(), w, p, size)
	must(t, err)
	t.Logf("in the first CRM after %v, in the second after %v with %d calls; %d signed up meanwhile", m.arrived, m.moved, m.calls, len(m.came))
	if len(m.came) == 0 {
		t.Error("nobody signed up meanwhile")
	}
	for i, wrong := range m.wrong(size) {
		if i < 20 {
			t.Error(wrong)
		}
	}
}

// TestMoveSeesWhatIsWrong shows that a move is refused where anybody is missing, twice there
// or where they don't belong.
func TestMoveSeesWhatIsWrong(t *testing.T) {
	one := crowd{domain: moveDomain}.email(0)
	good := func() moved {
		return moved{came: []string{"c@move.example"}, late: []string{"l@move.example"},
			first: map[string]int{one: 1, "c@move.example": 1}, second: map[string]int{one: 1, "c@move.example": 1, "l@move.example": 1}}
	}
	for name, spoil := range map[string]func(*moved){
		"somebody is missing in the first":   func(m *moved) { delete(m.first, one) },
		"somebody is missing in the second":  func(m *moved) { delete(m.second, "c@move.example") },
		"somebody is there twice":            func(m *moved) { m.second[one] = 2 },
		"who came late is in the first, too": func(m *moved) { m.first["l@move.example"] = 1 },
	} {
		m := good()
		spoil(&m)
		if len(m.wrong(1)) == 0 {
			t.Errorf("%s: not seen", name)
		}
	}
	if wrong := good().wrong(1); len(wrong) > 0 {
		t.Error(wrong)
	}
}
