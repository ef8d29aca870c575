package routes_test

import (
	"testing"
)

// The settings say what a day costs once somebody has signed up, and so does the check-up.
func TestPagesSayWhatADayCosts(t *testing.T) {
	t.Parallel()
	const costs = "A day like the last seven costs at most about 2 API calls"
	w := open(t)
	b := w.as(john, "contoso")
	b.get("/integrations/sfdc/settings").is(200).hasNot(costs[:20])
	for _, email := range []string{"one@reader.test", "two@reader.test", "three@reader.test", "four@reader.test", "five@reader.test"} {
		w.someone("contoso", email)
	}
	b.get("/integrations/sfdc/settings").is(200, costs)
	if _, err := w.store.Writer().Exec(`INSERT INTO checkups (destination_id, tenant_id, org_id, at, checks) SELECT id, tenant_id, '', 1, '[]' FROM destinations`); err != nil {
		t.Fatal(err)
	}
	b.get("/integrations/sfdc/checkup").is(200, costs)
}
