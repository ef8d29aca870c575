package routes

import (
	"slices"
	"strings"

	"gatepost/crm/salesforce"
	"gatepost/db"
)

// AuthEvents are the events of log-in and access, each with its level.
func AuthEvents() map[string]string {
	all := make(map[string]string)
	for _, e := range authEvents {
		all[e.text] = e.level.String()
	}
	return all
}

// Acts are what forms do, by their routes: the page that each is on, and the fields that
// are carried through a log-in, with their labels at Salesforce; of many of a kind, one.
func Acts() map[string]Act {
	all := make(map[string]Act)
	for route, a := range acts {
		out := Act{Back: a.back, Typed: map[string]string{}}
		for _, f := range a.typed {
			name := strings.Replace(f.name, "*", "0", 1)
			out.Typed[name] = f.called(name, salesforce.Provider)
		}
		all[route] = out
	}
	return all
}

// Act is a row of acts.
type Act struct {
	Back  string
	Typed map[string]string
}

// ErasedFates say what became of records of people who were erased.
func ErasedFates() map[db.RecordFate]string { return erasedFates }

// MaxTyped is how many bytes are carried through a log-in.
const MaxTyped = maxTyped

// Carries reports whether a field of the form that is sent to a path is carried.
func Carries(path, field string) bool {
	a, _, _ := actOf(path)
	return slices.ContainsFunc(a.typed, func(f typedField) bool { _, ok := f.rest(field); return ok })
}
