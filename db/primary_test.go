package db

import "testing"

// Of several servers the primary is looked for, also where they are on one host.
func TestThePrimaryIsLookedForAmongSeveral(t *testing.T) {
	for url, looked := range map[string]bool{
		"postgres://u@a.example/d":                            false,
		"postgres://u@a.example,b.example/d":                  true,
		"postgres://u@127.0.0.1:54401,127.0.0.1:54402/d":      true,
		"postgres://u@a.example/d?sslmode=disable":            false,
		"postgres://u@a.example,b/d?target_session_attrs=any": false,
	} {
		c, err := (&postgres{url: url}).config()
		if err != nil || (c.ValidateConnect != nil) != looked {
			t.Errorf("%s: %v, looked for %v", url, err, c != nil && c.ValidateConnect != nil)
		}
	}
}
