package crm

import (
	"errors"
	"maps"
	"slices"
)

// ErasedName stands for the last name in an anonymised record, and for whatever text a CRM demands beside it.
const ErasedName = "Erased"

// Sight is what a CRM shows of a record that is to be anonymised.
type Sight struct {
	Gone    bool // there is none
	Changed bool // since it was made

	// By the CRM's names of fields: what is to stand there instead.
	identity map[string]any // of those that say who it is, as the address does
	due      map[string]any // of others

	kept []string // fields that hold something and can't be emptied
}

// Replace has a field that says who it is hold something else. Holds is what it holds now.
func (s *Sight) Replace(name string, holds, by any) {
	if holds != by {
		set(&s.identity, name, by)
	}
}

// Empty has a field hold nothing, for which a CRM writes none. A text that it demands gets a neutral word.
func (s *Sight) Empty(name string, f SchemaField, holds, none any) {
	to := none
	if f.Required {
		to = ErasedName
	}
	switch {
	case holds == none || holds == to:
	case f.Update && (!f.Required || f.takesWord()):
		set(&s.due, name, to)
	default:
		s.Keep(name)
	}
}

func set(fields *map[string]any, name string, to any) {
	if *fields == nil {
		*fields = map[string]any{}
	}
	(*fields)[name] = to
}

// names reports whether the record says who it is.
func (s *Sight) names() bool { return len(s.identity) > 0 }

// Keep says of a field that it can't be emptied.
func (s *Sight) Keep(name string) { s.kept = append(s.kept, name) }

// left are the fields that hold something still.
func (s *Sight) left() []string {
	return append(slices.Sorted(maps.Keys(s.due)), s.kept...)
}

// takesWord reports whether ErasedName can be a value of the field.
func (f SchemaField) takesWord() bool {
	return (f.Type == TypeText || f.Type == TypeLongText) && (f.Length == 0 || f.Length >= len(ErasedName))
}

// mostRefused is how many fields may be refused one by one until the others are left alone, too.
const mostRefused = 5

// replace writes what is to stand in the record, at once. A field that the CRM refuses keeps what it holds, and nothing else does for
// that: it is left out, and where the CRM doesn't tell which one it is, all are that don't say who it is.
func (s *Sight) replace(write func(due map[string]any) error) error {
	for tries := 1; ; tries++ {
		all := maps.Clone(s.identity)
		maps.Copy(all, s.due)
		err := write(all)
		f, ok := errors.AsType[*Failure](err)
		if !ok || f.Class != Recorded || f.Unknown || f.Code == Gone || len(s.due) == 0 {
			return err
		}
		if _, told := s.due[f.Field]; told && tries < mostRefused {
			delete(s.due, f.Field)
		} else {
			clear(s.due)
		}
	}
}

// Anonymise does what CRM.Anonymise says, in the same way for every CRM. Look reads the record. Write replaces what is due
// in it, at once, and fails with the code Gone when there is none.
//
// What the record holds decides: one that doesn't say any more who it is, is done, so that it may be asked for again
// after an answer was lost, though our own write counts as a change. And it is done only once it was seen to be: a CRM may leave
// out what it doesn't let us write, without a word.
func Anonymise(look func() (Sight, error), write func(due map[string]any) error) (became Removed, kept []string, err error) {
	s, err := look()
	switch {
	case err != nil:
		return "", nil, err
	case s.Gone:
		return Missing, nil, nil
	case !s.names():
		return Anonymised, s.left(), nil
	case s.Changed:
		return Changed, nil, nil
	}
	if err := s.replace(write); err != nil {
		if isGone(err) {
			return Missing, nil, nil
		}
		return "", nil, err
	}
	switch s, err = look(); {
	case err != nil:
		f := *Failed(err)
		f.Unknown = true // it is written
		return "", nil, &f
	case s.Gone:
		return Missing, nil, nil
	case s.names():
		return "", nil, &Failure{Class: Recorded, Code: StillNamed}
	}
	return Anonymised, s.left(), nil
}
