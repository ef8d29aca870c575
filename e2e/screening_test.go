package e2e

import (
	"encoding/json"
	"testing"

	"gatepost/db"
	"gatepost/screening"
)

// A form that asks for a proof of work gets it from the browser, with nothing to do for the reader;
// without a script the reader is answered alike, and somebody decides.
func TestProofOfWorkInABrowser(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	store, err := db.Open(t.Context(), d.database())
	must(t, err)
	defer func() { must(t, store.Close()) }()
	rules, err := json.Marshal(map[string]any{"screening": screening.Rules{On: true, Proof: screening.ProofAlways, Off: []string{screening.TooFast}}})
	must(t, err)
	_, err = store.Writer().ExecContext(t.Context(), `UPDATE newsletters SET readers = $1 WHERE slug = 'contoso-weekly'`, string(rules))
	must(t, err)
	for _, tt := range []struct {
		profile
		email, state string
		proofs       int // that are used
	}{
		{profile{bothSchemes: true}, "desktop@reader.example", "active", 1},
		{profile{phone: true}, "phone@reader.example", "active", 1},
		{profile{noScript: true}, "plain@reader.example", "unconfirmed", 0},
	} {
		t.Run(tt.profile.name(), func(t *testing.T) {
			before := proofsUsed(t, store)
			v := newVisitor(t, d, tt.profile)
			v.open(d.form)
			v.look("a form that asks for a proof")
			v.step(v.page.Locator("#email").Fill(tt.email), "fill in the address")
			v.press("Sign up")
			v.step(v.page.GetByText("Thank you").First().WaitFor(), "be thanked")
			var state string
			must(t, store.Writer().QueryRowContext(t.Context(), `SELECT state FROM subscribers WHERE email = $1`, tt.email).Scan(&state))
			if proofs := proofsUsed(t, store) - before; state != tt.state || proofs != tt.proofs {
				t.Errorf("%s is %s with %d proofs, want %s with %d", tt.email, state, proofs, tt.state, tt.proofs)
			}
		})
	}
}

// proofsUsed is how many proofs of work were used.
func proofsUsed(t *testing.T, store *db.DB) (n int) {
	t.Helper()
	must(t, store.Writer().QueryRowContext(t.Context(), `SELECT count(*) FROM used_proofs`).Scan(&n))
	return n
}

// Whoever mistyped a domain is asked, and answers with a button, with scripts and without.
func TestDidYouMeanInABrowser(t *testing.T) {
	t.Parallel()
	each(t, usual, func(t *testing.T, v *visitor) {
		store, err := db.Open(t.Context(), v.d.database())
		must(t, err)
		defer func() { must(t, store.Close()) }()
		_, err = store.Writer().ExecContext(t.Context(), `UPDATE newsletters SET readers = '{"screening":{"on":true}}' WHERE slug = 'contoso-weekly'`)
		must(t, err)
		v.open(v.d.form)
		v.step(v.page.Locator("#email").Fill("jane@gmial.com"), "mistype the address")
		v.press("Sign up")
		v.step(v.page.GetByText("Did you mean jane@gmail.com?").WaitFor(), "be asked")
		v.look("did you mean")
		v.press("Use jane@gmail.com")
		v.step(v.page.GetByText("Thank you").First().WaitFor(), "be thanked")
	})
}
