package crm

import (
	"errors"
	"testing"
)

// When it can't be seen what became of a change, it may be done: the look's own failure doesn't say so.
func TestAnonymisedAndNotSeen(t *testing.T) {
	looks := 0
	_, _, err := Anonymise(func() (s Sight, err error) {
		if looks++; looks > 1 {
			return s, &Failure{Class: Pause, Code: Unavailable}
		}
		s.Replace("Email", "ada@contoso.example", nil)
		return s, nil
	}, func(map[string]any) error { return nil })
	if f, ok := errors.AsType[*Failure](err); !ok || f.Class != Pause || !f.Unknown {
		t.Errorf("%+v", err)
	}
}

// A word stands only where it can be a value.
func TestWhereAWordIsTaken(t *testing.T) {
	for name, tt := range map[string]struct {
		field SchemaField
		due   any
		kept  bool
	}{
		"a text":                     {SchemaField{Type: TypeText, Update: true}, nil, false},
		"a text that is demanded":    {SchemaField{Type: TypeText, Update: true, Required: true}, ErasedName, false},
		"one with room for it":       {SchemaField{Type: TypeLongText, Update: true, Required: true, Length: 6}, ErasedName, false},
		"one without":                {SchemaField{Type: TypeText, Update: true, Required: true, Length: 5}, nil, true},
		"a number that is demanded":  {SchemaField{Type: TypeNumber, Update: true, Required: true}, nil, true},
		"one that can't be written":  {SchemaField{Type: TypeText}, nil, true},
		"nor that, and is demanded":  {SchemaField{Type: TypeText, Required: true}, nil, true},
		"of a type nobody knows now": {SchemaField{Update: true}, nil, false},
	} {
		var s Sight
		s.Empty("a", tt.field, "Countess", nil)
		if to, due := s.due["a"]; to != tt.due || due == tt.kept || (len(s.kept) > 0) != tt.kept || s.names {
			t.Errorf("%s: %+v", name, s)
		}
		s = Sight{}
		if s.Empty("a", tt.field, nil, nil); len(s.left()) > 0 {
			t.Errorf("%s, empty: %+v", name, s)
		}
	}
}
