package crm

import (
	"errors"
	"maps"
	"slices"
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
		if to, due := s.due["a"]; to != tt.due || due == tt.kept || (len(s.kept) > 0) != tt.kept || s.names() {
			t.Errorf("%s: %+v", name, s)
		}
		s = Sight{}
		if s.Empty("a", tt.field, nil, nil); len(s.left()) > 0 {
			t.Errorf("%s, empty: %+v", name, s)
		}
	}
}

// A field that the CRM refuses keeps what it holds, and is told. Nothing else does: but where the CRM doesn't say which field it is, those that
// don't tell who somebody is are left alone, and of the others none is.
func TestARefusedFieldStaysAlone(t *testing.T) {
	no := func(field string) error { return &Failure{Class: Recorded, Code: "NO", Field: field} }
	for name, tt := range map[string]struct {
		refuses func(due map[string]any) error
		kept    []string
		fails   bool
		writes  int
	}{
		"none": {refuses: func(map[string]any) error { return nil }, writes: 1},
		"one that is told": {refuses: func(due map[string]any) error {
			if _, is := due["b"]; is {
				return no("b")
			}
			return nil
		}, kept: []string{"b"}, writes: 2},
		"one that isn't told": {refuses: func(due map[string]any) error {
			if _, is := due["b"]; is {
				return no("")
			}
			return nil
		}, kept: []string{"a", "b", "c", "d", "e", "f"}, writes: 2},
		"one after the other": {refuses: func(due map[string]any) error {
			for _, key := range []string{"a", "b", "c", "d", "e", "f"} {
				if _, is := due[key]; is {
					return no(key)
				}
			}
			return nil
		}, kept: []string{"a", "b", "c", "d", "e", "f"}, writes: mostRefused + 1},
		"the address":   {refuses: func(map[string]any) error { return no("Email") }, fails: true, writes: 2},
		"it isn't sure": {refuses: func(map[string]any) error { return &Failure{Class: Recorded, Code: "NO", Field: "b", Unknown: true} }, fails: true, writes: 1},
		"it is busy":    {refuses: func(map[string]any) error { return &Failure{Class: Passing, Code: "BUSY", Field: "b"} }, fails: true, writes: 1},
	} {
		is, writes := map[string]any{"Email": "ada@contoso.example", "a": "1", "b": "2", "c": "3", "d": "4", "e": "5", "f": "6"}, 0
		became, kept, err := Anonymise(func() (s Sight, err error) {
			s.Replace("Email", is["Email"], nil)
			for _, key := range []string{"a", "b", "c", "d", "e", "f"} {
				s.Empty(key, SchemaField{Key: key, Update: true}, is[key], nil)
			}
			return s, nil
		}, func(due map[string]any) error {
			writes++
			err := tt.refuses(due)
			if err == nil {
				maps.Copy(is, due)
			}
			return err
		})
		if writes != tt.writes || (err != nil) != tt.fails || (became == Anonymised) == tt.fails || !slices.Equal(kept, tt.kept) || (is["Email"] == nil) == tt.fails {
			t.Errorf("%s: %d writes, %s, %q, %v, it holds %v", name, writes, became, kept, err, is)
		}
	}
}

// A record is anonymised once it was seen to be: one that is gone by then is missing, and one that says who it is all the same was refused.
func TestWhatTheSecondLookSees(t *testing.T) {
	for name, tt := range map[string]struct {
		second Sight
		want   Removed
		code   string
	}{
		"gone":        {Sight{Gone: true}, Missing, ""},
		"still named": {Sight{identity: map[string]any{"Email": nil}, kept: []string{"Region"}}, "", StillNamed},
		"a field":     {Sight{kept: []string{"Region"}}, Anonymised, ""},
	} {
		looks := []Sight{{identity: map[string]any{"Email": nil}}, tt.second}
		became, _, err := Anonymise(func() (s Sight, err error) {
			s, looks = looks[0], looks[1:]
			return s, nil
		}, func(map[string]any) error { return nil })
		f, failed := errors.AsType[*Failure](err)
		if became != tt.want || failed != (tt.code != "") || failed && (f.Code != tt.code || f.Class != Recorded || f.Unknown) {
			t.Errorf("%s: %s, %+v", name, became, err)
		}
	}
}
