package hubspot_test

import (
	"net/http"
	"slices"
	"strings"

	"gatepost/crm/crmtest"
)

// optOut is how a simulated HubSpot keeps who wants which e-mail. The connection may lack the scopes for it.
func (w *world) optOut() crmtest.OptOut {
	return crmtest.OptOut{
		Is:  w.optedOut,
		Set: func(id string, _ bool) { w.unsubscribed(id) },
		Hide: func() {
			w.session.Scopes = slices.DeleteFunc(slices.Clone(w.session.Scopes), func(s string) bool { return strings.HasPrefix(s, "communication_preferences.") })
		},
		Lock: func() { // and nobody knows
			w.post("session", `{"scope":"oauth crm.objects.contacts.read crm.objects.contacts.write"}`, &struct {
				AccessToken *string `json:"access_token"`
			}{&w.session.AccessToken})
			w.session.Scopes = nil
		},
		Subscription: "1001",
	}
}

// optedOut is what a contact's page shows of a subscription type, or of all e-mail.
func (w *world) optedOut(id, subscription string) bool {
	w.t.Helper()
	name := "hs_email_optout"
	if subscription != "" {
		name += "_" + subscription
	}
	var is struct{ Properties map[string]string }
	w.byHand(http.MethodGet, contactsPath+"/"+id+"?properties="+name, "", &is)
	return is.Properties[name] == "true"
}

// unsubscribed has a contact's person opt out of all e-mail, as HubSpot's own pages do.
func (w *world) unsubscribed(id string) {
	w.t.Helper()
	var is struct{ Properties map[string]string }
	w.byHand(http.MethodGet, contactsPath+"/"+id+"?properties=email", "", &is)
	w.byHand(http.MethodPost, "/communication-preferences/2026-09/statuses/"+is.Properties["email"]+"/unsubscribe-all?channel=EMAIL", "{}", nil)
}
