// Package simulatedtest is what the tests of every simulated service share.
package simulatedtest

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"
)

// At returns what lies at a path such as "errors.0.category" in a JSON body; nil when
// nothing does. It fails the test when the body is no JSON.
func At(t testing.TB, body, path string) any {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(body), &v); err != nil {
		t.Fatalf("not JSON: %q", body)
	}
	for step := range strings.SplitSeq(path, ".") {
		switch in := v.(type) {
		case map[string]any:
			v = in[step]
		case []any:
			n, err := strconv.Atoi(step)
			if err != nil || n < 0 || n >= len(in) {
				return nil
			}
			v = in[n]
		default:
			return nil
		}
	}
	return v
}
