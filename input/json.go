package input

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// JSONError says what is wrong with JSON.
type JSONError struct {
	Field string // path of the field that it is about, as tags/0; empty for the whole
	What  JSONProblem
}

// JSONProblem is what can be wrong with JSON.
type JSONProblem string

// The problems.
const (
	NotJSON      JSONProblem = "not json"
	NotUTF8      JSONProblem = "not utf-8"
	HalfLetter   JSONProblem = "half a character"
	Unknown      JSONProblem = "unknown"
	Twice        JSONProblem = "twice"
	Null         JSONProblem = "null"
	OfWrongType  JSONProblem = "of the wrong type"
	maxFieldName             = 60
)

// Error names the field and what is wrong with it.
func (e *JSONError) Error() string { return fmt.Sprintf("JSON: %s %s", e.Field, e.What) }

var errNull = errors.New("null")

// JSON decodes a document into v, which has to say what it is of. Names count once,
// as they are spelled; what v doesn't know is refused, and so is null, which is not
// the same as leaving something out: only a Text and a NullableText take it. Errors are
// *JSONErrors.
func JSON(document string, v any) error {
	if !utf8.ValidString(document) {
		return &JSONError{What: NotUTF8}
	}
	err := json.Unmarshal([]byte(document), v, json.RejectUnknownMembers(true), json.WithUnmarshalers(json.UnmarshalFromFunc(refuseNull)))
	if err == nil {
		return nil
	}
	return describe(err)
}

func refuseNull(d *jsontext.Decoder, v any) error {
	switch v.(type) {
	case *Text, *NullableText:
		return errors.ErrUnsupported
	}
	if d.PeekKind() == 'n' {
		return errNull
	}
	return errors.ErrUnsupported
}

// describe turns the library's error into ours, which quotes no value.
func describe(err error) error {
	var ours *JSONError
	var syntax *jsontext.SyntacticError
	var semantic *json.SemanticError
	switch {
	case errors.As(err, &ours):
		return ours
	case errors.Is(err, jsontext.ErrDuplicateName) && errors.As(err, &syntax):
		return &JSONError{path(syntax.JSONPointer), Twice}
	case errors.As(err, &syntax) && strings.Contains(syntax.Error(), "surrogate"):
		return &JSONError{path(syntax.JSONPointer), HalfLetter}
	case !errors.As(err, &semantic):
		return &JSONError{What: NotJSON}
	case errors.Is(err, json.ErrUnknownName):
		return &JSONError{path(semantic.JSONPointer), Unknown}
	case errors.Is(err, errNull):
		return &JSONError{path(semantic.JSONPointer), Null}
	}
	return &JSONError{path(semantic.JSONPointer), OfWrongType}
}

// path is a pointer for people, of a length that can be shown.
func path(p jsontext.Pointer) string {
	var parts []string
	for part := range p.Tokens() {
		parts = append(parts, part)
	}
	all := []rune(strings.Join(parts, "/"))
	return string(all[:min(len(all), maxFieldName)])
}

// Text is a field of text for which null says the same as leaving it out. What is
// no text is noted rather than refused, so that all such fields can be told at once.
type Text struct {
	String  string
	NotText bool
}

// UnmarshalJSONFrom takes any value.
func (t *Text) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	switch d.PeekKind() {
	case '"':
		token, err := d.ReadToken()
		if err != nil {
			return err
		}
		t.String = token.String()
		return nil
	case 'n':
	default:
		t.NotText = true
	}
	return d.SkipValue()
}

// NullableText is a field of text for which null says something of its own: none, which
// is not the same as leaving it out.
type NullableText struct {
	String string
	Null   bool
	given  bool
}

// Empty reports whether the field is there, and says nothing.
func (t NullableText) Empty() bool { return t.given && !t.Null && t.String == "" }

// UnmarshalJSONFrom takes text and null.
func (t *NullableText) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	t.given = true
	if d.PeekKind() == 'n' {
		t.Null = true
		return d.SkipValue()
	}
	return json.UnmarshalDecode(d, &t.String)
}
