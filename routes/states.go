package routes

import (
	"cmp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"gatepost/crm"
	"gatepost/db"
	"gatepost/views"
)

// viewState is a state as pages show it.
func viewState(p *crm.Provider, s db.StateInfo) views.State {
	label := fill(p, s.Label)
	small := uncapitalised(label)
	return views.State{
		Code: string(s.State), Label: label, Tone: s.Tone, Icon: s.Icon,
		Sum: cmp.Or(s.Sum, small), Column: cmp.Or(s.Column, small), Became: cmp.Or(fill(p, s.Became), label), Recounted: cmp.Or(s.Recounted, label), Meaning: fill(p, s.Meaning), Series: cmp.Or(s.Series, "rest"), Help: fill(p, s.Help),
		Main: s.Main, Waits: s.Waits, Arrived: s.Arrived, Attention: s.Attention,
		Retry: slices.Contains(s.Decisions, db.Waiting), Dismiss: slices.Contains(s.Decisions, db.Dismissed), Leave: slices.Contains(s.Decisions, db.Left), Back: slices.Contains(s.Decisions, db.Active), Gone: s.Gone, Apart: s.Reader && s.State != db.Active,
		Return: cmp.Or(s.Return, "Retry"),
	}
}

// fill is Fill for a sentence, which begins with a capital letter also where the CRM has no
// name.
func fill(p *crm.Provider, text string) string {
	if strings.HasPrefix(text, "{") {
		return capitalised(p.Fill(text))
	}
	return p.Fill(text)
}

// capitalised is a text as a sentence begins with it.
func capitalised(text string) string {
	r, n := utf8.DecodeRuneInString(text)
	return string(unicode.ToUpper(r)) + text[n:]
}

// uncapitalised is a label in the middle of a sentence; names in it stay as they are.
func uncapitalised(label string) string {
	r, n := utf8.DecodeRuneInString(label)
	return string(unicode.ToLower(r)) + label[n:]
}

// countedStates are all states, also those of whom there is a count alone.
func countedStates(p *crm.Provider) (all []views.State) {
	for _, s := range db.States() {
		all = append(all, viewState(p, s))
	}
	return all
}

// totals are the sums of a destination as pages show them. Who has arrived comes first.
func totals(p *crm.Provider, s db.Sums) views.Totals {
	return totalsOf(p, s, db.Entered, func(i db.StateInfo) bool { return i.Delivery })
}

// peopleTotals are the sums of a tenant's subscribers likewise.
func peopleTotals(p *crm.Provider, s db.Sums) views.Totals {
	return totalsOf(p, s, db.New, func(i db.StateInfo) bool { return i.Reader })
}

// totalsOf are sums whose left side is of a kind, and whose right side is of some states.
func totalsOf(p *crm.Provider, s db.Sums, kind db.Kind, of func(db.StateInfo) bool) views.Totals {
	t := views.Totals{All: s.People(), New: s[kind], Repeated: s[db.Repeated], Difference: s.Difference()}
	for _, info := range db.States() {
		if of(info) {
			t.States = append(t.States, views.StateTotal{State: viewState(p, info), N: s[info.State]})
		}
	}
	if n := s[db.Rest]; n != 0 {
		rest := viewState(p, db.Rest.Info())
		rest.Gone = true // they can't be listed by it
		t.States = append(t.States, views.StateTotal{State: rest, N: n})
	}
	slices.SortStableFunc(t.States, func(a, b views.StateTotal) int { return arrivedFirst(a.State, b.State) })
	return t
}

func arrivedFirst(a, b views.State) int {
	switch {
	case a.Arrived == b.Arrived:
		return 0
	case a.Arrived:
		return -1
	}
	return 1
}

// knownState is the state of that name, or none.
func knownState(name string) db.State {
	if state := db.State(name); state.Known() && !state.Info().Gone && !state.Info().Hidden {
		return state
	}
	return ""
}
