package routes_test

import (
	"strings"
	"testing"

	"gatepost/crm/crmtest/toy"
)

// What leaving does in a CRM is chosen on a page of its own, in the CRM's words; what became of it stands in the person's
// timeline. What the CRM refused can be tried again.
func TestWhatLeavingDoes(t *testing.T) {
	t.Parallel()
	a, box := &acme{account: "one"}, toy.New()
	w := open(t, withToy(t, a, box))
	b := w.as(john, "contoso")
	const page, daily = "/integrations/toy/leaving", "contoso-daily"
	w.put(`INSERT INTO newsletters (id, tenant_id, slug, name, consent, created_at) SELECT 'daily', tenant_id, $1, 'Contoso Daily', consent, created_at FROM newsletters WHERE slug = 'contoso-weekly'`, daily)
	b.get(b.authorize("toy")).to("/integrations/toy/connected")
	for _, email := range []string{"ada@example.com", "rita@example.com"} {
		w.signUp(email, "Ada", "Lovelace")
	}
	b.arrived("", "In Toy CRM", 2)
	b.get("/integrations/toy/settings").is(200, `href="`+page+`"`)
	b.get(page).is(200, "Set “No mail” there", "Nobody writes to who has it.", "Contoso Weekly is this magazine", "once they were read").hasNot("Monthly", "Try again", "Salesforce")

	for _, wrong := range [][]string{{}, {"flag", "perhaps"}, {"flag", "set", "kind_contoso-weekly", "404"}} {
		b.submit(page, wrong...).to(page)
		b.get(page).is(200, "Nothing was saved")
	}
	b.submit(page + "/read").to(page)
	b.get(page).is(200, "Monthly", "Yearly", `value="set" checked`).hasNot(`value="7" selected`)
	b.submit(page, "flag", "nothing", "take_back", "on", "kind_contoso-weekly", "7", "kind_"+daily, "").to(page)
	b.get(page).is(200, "Saved. It holds for whoever leaves from now on.", `value="nothing" checked`, `value="7" selected`).hasNot(`value="set" checked`, `value="8" selected`)
	w.as(ann, "fabrikam").get(page).is(200, "Fabrikam Weekly", `value="set" checked`).hasNot("Contoso", "Monthly")

	left := func(email, want string) {
		t.Helper()
		person := w.personOf(email)
		b.submit(person + "/leave").to(person)
		w.eventually(want, func() bool { return strings.Contains(b.get(person).is(200).body, want) })
	}
	left("ada@example.com", "Unsubscribed in Toy CRM")
	b.get(w.personOf("ada@example.com")).is(200, "Kind of e-mail: no. 7", "Opted out of this newsletter in Toy CRM, known since")

	b.submit(page, "flag", "set").to(page)
	box.Locked = true
	w.put(`UPDATE opt_outs SET due_at = 0`)
	left("rita@example.com", "may not see or set Toy CRM’s mark")
	w.put(`UPDATE opt_outs SET tries = 23, due_at = 0 WHERE ended_at = 0`)
	w.eventually("it is given up", func() bool { return w.count(`SELECT count(*) FROM opt_outs WHERE outcome = 'refused'`) == 1 })
	b.get(w.personOf("rita@example.com")).is(200, "Opt-out not set in Toy CRM")
	b.get(page).is(200, "Some opt-outs were not set", "1 person", "Try again")
	box.Locked = false
	b.submit(page + "/retry").to(page)
	rita := w.personOf("rita@example.com")
	w.eventually("it is set", func() bool { return strings.Contains(b.get(rita).is(200).body, "Opt-out set in Toy CRM") })
	b.get(rita).is(200, "Opted out of all e-mail in Toy CRM")
	if !box.OptedOut("card-2", "") {
		t.Error("it isn’t set in the CRM")
	}
	b.get(page).is(200).hasNot("Some opt-outs were not set")

	box.Magazines = nil
	b.submit(page + "/read").to(page)
	b.submit(page, "flag", "set", "kind_contoso-weekly", "7").to(page)
	b.get(page).is(200, "Nothing was saved")
}
