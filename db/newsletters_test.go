package db

import "testing"

func TestNewsletterStandings(t *testing.T) {
	d := withNewsletters(t, "a/1", "a/2", "b/1")
	l := leased(t, d)
	ids := add(t, d, signUp("a/1", "x@example.com"), signUp("a/1", "y@example.com"), signUp("b/1", "x@example.com"))
	d.becomes(t, l, Outcome{SubscriberID: ids[0], State: Attention, Reason: "ODD"})
	_, other := d.two(t, "a") // where both go as well
	if a, err := d.StartAction(t.Context(), Action{DestinationKey: other, Service: "hubspot", Kind: ActionSend}); err != nil || a.Done != 2 {
		t.Fatal(a, err)
	}
	all, err := d.NewsletterStandings(t.Context(), "a")
	if err != nil || len(all) != 2 {
		t.Fatal(all, err)
	}
	one, two := all[0], all[1]
	if one.Subscribers() != 2 || one.Attention() != 1 || one.LastHour.IsZero() || one.Silent || one.Name == "" || one.Slug == "" {
		t.Errorf("%+v", one)
	}
	if two.Subscribers() != 0 || two.Attention() != 0 || !two.LastHour.IsZero() || two.Silent {
		t.Errorf("%+v", two)
	}
	if err := d.OpenIncident(t.Context(), Trouble{TenantID: "a", Kind: IncidentSilent, About: two.ID}, d.now(), func([]Member) []string { return nil }); err != nil {
		t.Fatal(err)
	}
	if all, err = d.NewsletterStandings(t.Context(), "a"); err != nil || all[0].Silent || !all[1].Silent {
		t.Errorf("%+v, %v", all, err)
	}
}
