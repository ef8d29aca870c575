package zoho

import "gatepost/crm"

// refused are the words for a log-in after which Zoho CRM doesn't say whose it is: without
// that, nobody is connected. What other codes mean, the general words say.
var refused = map[string]crm.Refusal{
	apiAccessOff: {
		Happened: "The user may not use Zoho CRM’s API",
		Meaning:  "The profile of the user who allowed the access has no API access, so that nothing could arrive. We took the access back.",
		Mend:     "Ask your Zoho CRM administrator to " + seeAPIAccess + " Then try again.",
	},
	noPermission: {
		Happened: "The user lacks a permission in Zoho CRM",
		Meaning:  "Zoho CRM didn’t tell us which organization it is, since the user who allowed the access may not see that. We took the access back.",
		Mend:     "Ask your Zoho CRM administrator to " + seeProfile + " Or connect as somebody who may. Then try again.",
	},
	scopeMismatch: {
		Happened: "Zoho CRM left out access that is needed",
		Meaning:  "Not all that was asked for was allowed, so that Zoho CRM didn’t tell us which organization it is. We took the access back.",
		Mend:     "Try again and allow all that is asked for. If it stays like this, tell the people who run this service.",
	},
	tooMany: {
		Happened: "Zoho CRM has no API calls left",
		Meaning:  "Your Zoho CRM has used up its API credits for now, and so didn’t tell us which organization it is. We took the access back.",
		Mend:     "Try again in an hour. Your Zoho CRM administrator can " + seeCredits,
	},
}
