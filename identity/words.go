package identity

import "slices"

// BrokenSentence tells in plain words why a connection died and what mends it. A
// code that it doesn't know is shown as it came.
func BrokenSentence(code string) (reason, mend string) {
	mend = "Reconnect Salesforce. Sign-ups wait safely and are sent as soon as it is back."
	switch code {
	case BrokenInterrupted:
		return "The renewal of the access was interrupted half-way, and Salesforce has ended the old access by then.", mend
	case BrokenSealed:
		return "The stored access can’t be opened any more on this server.", mend
	case BrokenForeign:
		return "Salesforce named an address for your organisation that isn’t one of Salesforce’s.", mend
	case BrokenAppRefused:
		return "Salesforce no longer accepts your organisation’s own app.", "Check the app’s settings under Integrations; once they are saved, it goes on by itself. Sign-ups wait safely."
	case BrokenAppRemoved:
		return "It was made with an app of your organisation’s own, which has been removed or changed since.", mend
	case "inactive_user":
		return "The Salesforce user who connected it is no longer active.", "Reconnect with another Salesforce user. Sign-ups wait safely."
	case "inactive_org":
		return "The Salesforce organisation is no longer active.", "Ask your Salesforce admin about it, then reconnect. Sign-ups wait safely."
	case "invalid_client", "invalid_client_id":
		return "Salesforce no longer accepts the app’s registration.", "The people who run this service have to mend that; then it goes on by itself. Sign-ups wait safely."
	case "unauthorized_client":
		return "Salesforce no longer lets the app do this.", "The people who run this service must mend it first; then reconnect. Sign-ups wait safely."
	case "invalid_app_access":
		return "Your Salesforce admin no longer admits this user to the app.", "Ask your Salesforce admin to admit the user, or reconnect with another one. Sign-ups wait safely."
	case "invalid_grant", "invalid_token":
		return "Salesforce has ended the access: it was revoked, or it ran out.", mend
	}
	return "Salesforce has ended the access (" + code + ").", mend
}

// BrokenAt is BrokenSentence for a connection to the service with the given name,
// which sign-ups don't depend on.
func BrokenAt(name, code string) (reason, mend string) {
	mend = "Reconnect " + name + "."
	switch {
	case code == BrokenInterrupted:
		return "The renewal of the access was interrupted half-way, and " + name + " has ended the old access by then.", mend
	case code == BrokenSealed:
		return "The stored access can’t be opened any more on this server.", mend
	case code == BrokenForeign:
		return name + " named an address that isn’t one of its own.", mend
	case code == BrokenAppRefused:
		return name + " no longer accepts your organisation’s own app.", "Check the app’s settings under Integrations; once they are saved, it goes on by itself."
	case code == BrokenAppRemoved:
		return "It was made with an app of your organisation’s own, which has been removed or changed since.", mend
	case code == BrokenEnded:
		return name + " has ended the access: it was revoked, or it ran out.", mend
	case slices.Contains(appCodes, code):
		return name + " no longer accepts the app’s registration.", "The people who run this service have to mend that; then it goes on by itself."
	}
	return name + " has ended the access (" + code + ").", mend
}
