package input

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

type request struct {
	Tenant *string  `json:"tenant"`
	Tags   []string `json:"tags"`
	N      int64    `json:"n"`
	Name   Text     `json:"name"`
	In     struct {
		A string `json:"a"`
	} `json:"in"`
	Map map[string]string `json:"map"`
}

func TestJSONIsTaken(t *testing.T) {
	var r request
	err := JSON(` {"tenant":"contoso","tags":["a","\ud83d\ude00"],"n":7,"name":null,"in":{"a":""},"map":{"x":"y"}} `, &r)
	if err != nil || *r.Tenant != "contoso" || len(r.Tags) != 2 || r.Tags[1] != "😀" || r.N != 7 || r.Name != (Text{}) || r.Map["x"] != "y" {
		t.Errorf("%+v, %v", r, err)
	}
	for document, want := range map[string]Text{`{"name":"\u00eb"}`: {String: "ë"}, `{"name":7}`: {NotText: true}, `{"name":{"a":[1]}}`: {NotText: true}, `{"name":[]}`: {NotText: true}, `{}`: {}} {
		var r request
		if err := JSON(document, &r); err != nil || r.Name != want {
			t.Errorf("%s: %+v, %v", document, r.Name, err)
		}
	}
}

func TestJSONIsRefused(t *testing.T) {
	deep := strings.Repeat("[", 30_000)
	for document, want := range map[string]JSONError{
		``: {"", NotJSON}, ` `: {"", NotJSON}, `{`: {"", NotJSON}, `{"n":1`: {"", NotJSON}, `{"n":1}{}`: {"", NotJSON}, `{"n":1} x`: {"", NotJSON}, `{'n':1}`: {"", NotJSON},
		`{"n":1,}`: {"", NotJSON}, `{n:1}`: {"", NotJSON}, `{"n":NaN}`: {"", NotJSON}, `{"n":01}`: {"", NotJSON}, "\ufeff{}": {"", NotJSON}, `//x` + "\n{}": {"", NotJSON}, "{\"tenant\":\"a\x01\"}": {"", NotJSON},
		`null`: {"", Null}, `[]`: {"", OfWrongType}, `7`: {"", OfWrongType}, `"x"`: {"", OfWrongType}, `true`: {"", OfWrongType},
		`{"tenant":null}`: {"tenant", Null}, `{"tags":null}`: {"tags", Null}, `{"tags":["a",null]}`: {"tags/1", Null}, `{"n":null}`: {"n", Null}, `{"in":null}`: {"in", Null}, `{"in":{"a":null}}`: {"in/a", Null}, `{"map":{"x":null}}`: {"map/x", Null},
		`{"tenant":7}`: {"tenant", OfWrongType}, `{"tags":"a"}`: {"tags", OfWrongType}, `{"tags":[["a"]]}`: {"tags/0", OfWrongType}, `{"n":"7"}`: {"n", OfWrongType}, `{"n":1.5}`: {"n", OfWrongType}, `{"n":1e3}`: {"n", OfWrongType}, `{"n":99999999999999999999}`: {"n", OfWrongType},
		`{"Tenant":"a"}`: {"Tenant", Unknown}, `{"TENANT":"a","tenant":"b"}`: {"TENANT", Unknown}, `{"x":1}`: {"x", Unknown}, `{"":1}`: {"", Unknown}, `{"in":{"A":""}}`: {"in/A", Unknown}, `{"x":` + deep: {"x", Unknown}, `{"tenant ":"a"}`: {"tenant ", Unknown},
		`{"n":1,"n":2}`: {"n", Twice}, `{"tenant":"a","tenant":"a"}`: {"tenant", Twice}, `{"tenant":"a","\u0074enant":"b"}`: {"tenant", Twice}, `{"name":"a","name":null}`: {"name", Twice}, `{"in":{"a":"","a":""}}`: {"in/a", Twice}, `{"map":{"a":"","a":""}}`: {"map/a", Twice},
		`{"tenant":"\ud800"}`: {"tenant", HalfLetter}, `{"tenant":"\udc00\ud800"}`: {"tenant", HalfLetter}, `{"name":"a\ud83dx"}`: {"name", HalfLetter}, `{"tags":["\uDFFF"]}`: {"tags/0", HalfLetter},
		"{\"tenant\":\"\xff\"}": {"", NotUTF8},
		`{"tags":` + deep:       {"", NotJSON},
		`{"name":` + deep:       {"", NotJSON},
	} {
		var r request
		var wrong *JSONError
		if err := JSON(document, &r); !errors.As(err, &wrong) || *wrong != want {
			t.Errorf("%.60q: %v, want %v", document, err, &want)
		}
	}
	var r request
	var wrong *JSONError
	if err := JSON(`{"`+strings.Repeat("ü", 60_000)+`":1}`, &r); !errors.As(err, &wrong) || len(wrong.Field) != 2*maxFieldName {
		t.Errorf("%.300v", err)
	}
}

// Null says something of its own in a NullableText, and nothing but text is taken beside.
func TestNullableText(t *testing.T) {
	type of struct {
		User NullableText `json:"user"`
	}
	for document, want := range map[string]NullableText{`{}`: {}, `{"user":null}`: {Null: true, given: true}, `{"user":"eve"}`: {String: "eve", given: true}, `{"user":""}`: {given: true}} {
		var r of
		if err := JSON(document, &r); err != nil || r.User != want || r.User.Empty() != (document == `{"user":""}`) {
			t.Errorf("%s: %+v, %v", document, r.User, err)
		}
	}
	for document, what := range map[string]JSONProblem{`{"user":7}`: OfWrongType, `{"user":true}`: OfWrongType, `{"user":[null]}`: OfWrongType, `{"user":{}}`: OfWrongType, `{"user":null,"user":"eve"}`: Twice, `{"User":null}`: Unknown} {
		var r of
		var wrong *JSONError
		if err := JSON(document, &r); !errors.As(err, &wrong) || wrong.What != what || wrong.Field == "" {
			t.Errorf("%s: %v", document, err)
		}
	}
}

// Fields come with their types; a name that isn't known is refused before what it names is read.
func TestFields(t *testing.T) {
	known := func(name string) bool { return name != "x" && name != "Email" }
	fields := Fields{Known: known}
	if err := JSON(`{"a":"ë","b":-1.50e3,"c":true,"d":["x","y"],"e":[],"f":null,"g":{"h":[1]},"i":["x",1],"j":[["x"]]}`, &fields); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]Value{"a": {JSONText, []string{"ë"}}, "b": {JSONNumber, []string{"-1.50e3"}}, "c": {JSONBool, []string{"true"}}, "d": {JSONTexts, []string{"x", "y"}},
		"e": {JSONTexts, nil}, "f": {}, "g": {Kind: JSONOther}, "i": {Kind: JSONOther}, "j": {Kind: JSONOther}, "k": {}} {
		if got := fields.Values[name]; got.Kind != want.Kind || !slices.Equal(got.Texts, want.Texts) {
			t.Errorf("%s: %+v", name, got)
		}
	}
	deep := strings.Repeat("[", 30_000)
	for document, want := range map[string]JSONError{
		`{"a":1,"x":` + deep: {"x", Unknown},
		`{"Email":1}`:        {"Email", Unknown},
		`{"a":` + deep:       {"", NotJSON},
		`{"a":1,"a":2}`:      {"a", Twice},
		`{"a":"\ud800"}`:     {"a", HalfLetter},
		`{"d":["\ud800"]}`:   {"d/0", HalfLetter},
		`{"a":1}{}`:          {"", NotJSON},
		`{"a":`:              {"", NotJSON},
		`["a"]`:              {"", OfWrongType},
		`null`:               {"", Null},
		"{\"a\":\"\xff\"}":   {"", NotUTF8},
	} {
		var got *JSONError
		if err := JSON(document, &Fields{Known: known}); !errors.As(err, &got) || got.What != want.What || got.Field != want.Field {
			t.Errorf("%.40s: %v", document, err)
		}
	}
}

func TestLines(t *testing.T) {
	for typed, want := range map[string]string{
		"\n\n a \r\n\r\n b\u2028c\v\n": "a\n\nb\nc", "": "", " \u200b\n\u00a0": "", "Zoe\u0308\n<b>": "Zoë\n<b>", "a\rb": "a\nb",
	} {
		if got, err := Lines(typed); got != want || err != nil {
			t.Errorf("%q: %q, %v", typed, got, err)
		}
	}
	for typed, want := range map[string]Problem{"a\n\x00": Unshowable, "a\n\ufffd": Lost, "\u202ea\nb": Turned, "a\xff": Lost} {
		if _, err := Lines(typed); !errors.Is(err, want) {
			t.Errorf("%q: %v", typed, err)
		}
	}
}
