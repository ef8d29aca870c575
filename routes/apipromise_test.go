package routes_test

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

var keepPromises = flag.Bool("api.promise", false, "write what the API has newly promised into testdata/api-v1.txt")

// What programs may rely on within v1 stays as it is in testdata/api-v1.txt, a line for each
// thing. What is new has to be written there, by -api.promise; what is there is never
// changed. A request that was right stays right: nothing new is required of it.
func TestAPIKeepsItsPromises(t *testing.T) {
	t.Parallel()
	d := described(t, open(t).url)
	const file = "testdata/api-v1.txt"
	text, err := os.ReadFile(file)
	if err != nil && !*keepPromises {
		t.Fatal(err)
	}
	promised, now := slices.Collect(strings.Lines(string(text))), d.promises()
	for _, line := range promised {
		if !slices.Contains(now, line) {
			t.Errorf("it was promised, and isn't so any more: %s", line)
		}
	}
	var missing []string
	for _, line := range now {
		if slices.Contains(promised, line) {
			continue
		}
		missing = append(missing, line)
		what := strings.Fields(line)
		if about := what[0] + " " + what[1] + " "; what[len(what)-1] == "required" && slices.ContainsFunc(promised, func(l string) bool { return strings.HasPrefix(l, about) }) {
			t.Errorf("requests that were right would be refused: %s", line)
		}
	}
	switch {
	case len(missing) == 0 || t.Failed():
	case *keepPromises:
		if err := os.WriteFile(file, []byte(strings.Join(now, "")), 0o644); err != nil {
			t.Error(err)
		}
	default:
		t.Errorf("it is new, so it stays from now on (go test ./routes -run %s -api.promise):\n%s", t.Name(), strings.Join(missing, ""))
	}
}

// promises are what programs may rely on.
func (d *description) promises() (all []string) {
	say := func(words ...any) { all = append(all, fmt.Sprintln(words...)) }
	asked := map[string]bool{} // schemas of bodies
	d.each(func(method, path string, op operation) {
		say("operation", op.ID, method, path, op.Security[0]["key"][0])
		for _, p := range op.Parameters {
			say("parameter", op.ID, p.Name, p.In, kindOf(p.Schema), need(p.In == "path", "required"))
		}
		if op.Body != nil {
			schema := op.Body.Content["application/json"].Schema.Ref
			asked[schema[strings.LastIndex(schema, "/")+1:]] = true
			say("body", op.ID, schema)
		}
		for _, status := range sortedKeys(op.Responses) {
			for kind, m := range d.response(op.Responses[status]).Content {
				say("answer", op.ID, status, kind, m.Schema.Ref)
			}
		}
	})
	for _, name := range sortedKeys(d.schemas) {
		schema := d.schemas[name].(map[string]any)
		for _, value := range list(schema["enum"]) {
			say("value", name, value)
		}
		properties, _ := schema["properties"].(map[string]any)
		for _, field := range sortedKeys(properties) {
			what, word := "field", "always"
			if asked[name] {
				what, word = "asked", "required"
			}
			say(what, name, field, kindOf(properties[field].(map[string]any)), need(slices.Contains(list(schema["required"]), any(field)), word))
		}
	}
	slices.Sort(all)
	return all
}

func list(v any) []any { all, _ := v.([]any); return all }

func need(is bool, word string) string { return map[bool]string{true: word, false: "optional"}[is] }

// kindOf is what a schema takes, in a word.
func kindOf(schema map[string]any) string {
	if ref, ok := schema["$ref"].(string); ok {
		return ref
	}
	format, _ := schema["format"].(string)
	if items, ok := schema["items"].(map[string]any); ok {
		return "list:" + kindOf(items)
	}
	return cmp.Or(format, strings.ReplaceAll(fmt.Sprint(schema["type"]), " ", "|"))
}
