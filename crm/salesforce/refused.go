package salesforce

import "gatepost/crm"

// refused are the words for a log-in that failed, by code.
var refused = map[string]crm.Refusal{
	"access_denied": {
		Happened: "Access was not allowed",
		Meaning:  "Somebody chose Deny at Salesforce, so Gatepost got no access. Whatever was connected before stays as it was.",
		Mend:     "Try again and choose Allow. If that button isn’t there for you, ask your Salesforce admin to connect.",
	},
	crm.LoginUnanswered: {
		Happened: "Salesforce didn’t answer",
		Meaning:  "You allowed the access, but Salesforce gave us no answer when we asked for it. Nothing was changed. This usually passes within minutes.",
		Mend:     "Try again in a moment. status.salesforce.com tells whether Salesforce has trouble.",
	},
	"no_refresh_token": {
		Happened: "Salesforce gave no lasting access",
		Meaning:  "The access would have ended within hours, because the app in Salesforce may not ask for a refresh token. We took it back.",
		Mend:     "Ask your Salesforce admin to allow the scope “Perform requests at any time (refresh_token, offline_access)” for the app, with a refresh token policy that keeps it valid. Then try again.",
	},
	"missing_scope": {
		Happened: "Salesforce left out the access that is needed",
		Meaning:  "Without the scope “Manage user data via APIs (api)” no Contact can be created. We took the access back.",
		Mend:     "Ask your Salesforce admin to add that scope to the app. Then try again.",
	},
	"foreign_host": {
		Happened: "The answer didn’t lead to Salesforce",
		Meaning:  "The log-in ended with an address that isn’t one of Salesforce’s. To be safe, we kept nothing of it.",
		Mend:     "Try again with the default log-in. If it happens again, tell the people who run this service.",
	},
	crm.OwnAppRefused: {
		Happened: "Salesforce doesn’t accept your own app",
		Meaning:  "What is set here of your organisation’s own app doesn’t fit its registration at Salesforce: its client id, its secret or the redirect URL. Nothing was changed.",
		Mend:     "Compare the app’s settings under Integrations with those at Salesforce, and try again. A new app needs about ten minutes before it works.",
	},
	"invalid_client": {
		Happened: "Salesforce doesn’t accept our app",
		Meaning:  "The app’s registration at Salesforce doesn’t fit this server: its key, its secret or its callback address. Nothing was changed.",
		Mend:     "The people who run this service can fix it; please send them the code below. A new app needs about ten minutes before it works.",
	},
	"invalid_client_id": {
		Happened: "Salesforce doesn’t accept our app",
		Meaning:  "The app’s registration at Salesforce doesn’t fit this server: its key, its secret or its callback address. Nothing was changed.",
		Mend:     "The people who run this service can fix it; please send them the code below. A new app needs about ten minutes before it works.",
	},
	"redirect_uri_mismatch": {
		Happened: "Salesforce doesn’t accept our app",
		Meaning:  "The app’s registration at Salesforce doesn’t fit this server: its key, its secret or its callback address. Nothing was changed.",
		Mend:     "The people who run this service can fix it; please send them the code below. A new app needs about ten minutes before it works.",
	},
	"unauthorized_client": {
		Happened: "Salesforce doesn’t accept our app",
		Meaning:  "The app’s registration at Salesforce doesn’t fit this server: its key, its secret or its callback address. Nothing was changed.",
		Mend:     "The people who run this service can fix it; please send them the code below. A new app needs about ten minutes before it works.",
	},
	"invalid_grant": {
		Happened: "Salesforce took the log-in back",
		Meaning:  "The log-in was no longer valid when we used it: it took too long, or your user may not log in from here or at this hour. Nothing was changed.",
		Mend:     "Try again. If it stays like this, ask your Salesforce admin about log-in hours and IP ranges for your profile.",
	},
	"rate_limit_exceeded": {
		Happened: "Too many log-ins at Salesforce",
		Meaning:  "Your user has reached the number of log-ins that Salesforce allows in an hour. Nothing was changed.",
		Mend:     "Try again in an hour, or log in with another user.",
	},
	"token_in_use": {
		Happened: "Salesforce was still busy with this log-in",
		Meaning:  "It was working on the same log-in already. Nothing was changed.",
		Mend:     "Try again in a moment.",
	},
	"invalid_app_access": {
		Happened: "Your user may not use this app",
		Meaning:  "In your Salesforce an admin decides who may use it. Nothing was changed.",
		Mend:     "Ask your Salesforce admin to install the app and to admit you: Setup → External Client App Manager → the app → Policies.",
	},
	"OAUTH_APPROVAL_ERROR_GENERIC": {
		Happened: "Your user may not use this app",
		Meaning:  "In your Salesforce an admin decides who may use it. Nothing was changed.",
		Mend:     "Ask your Salesforce admin to install the app and to admit you: Setup → External Client App Manager → the app → Policies.",
	},
	"inactive_user": {
		Happened: "This user or organisation is not active at Salesforce",
		Meaning:  "Salesforce refuses access for it. Nothing was changed.",
		Mend:     "Log in to Salesforce with another user, or ask your Salesforce admin to activate this one.",
	},
	"inactive_org": {
		Happened: "This user or organisation is not active at Salesforce",
		Meaning:  "Salesforce refuses access for it. Nothing was changed.",
		Mend:     "Log in to Salesforce with another user, or ask your Salesforce admin to activate this one.",
	},
	"API_DISABLED_FOR_ORG": {
		Happened: "This Salesforce can’t be used by other programs",
		Meaning:  "Its edition, or your user’s profile, has no API access, and without it no Contact can be created. We took the access back.",
		Mend:     "Ask your Salesforce admin: the permission is called “API Enabled”; some editions offer it as an add-on.",
	},
	"API_CURRENTLY_DISABLED": {
		Happened: "This Salesforce can’t be used by other programs",
		Meaning:  "Its edition, or your user’s profile, has no API access, and without it no Contact can be created. We took the access back.",
		Mend:     "Ask your Salesforce admin: the permission is called “API Enabled”; some editions offer it as an add-on.",
	},
	"": {
		Happened: "Salesforce refused",
		Meaning:  "It ended the log-in with the code below. Nothing was changed.",
		Mend:     "Try again. If it stays like this, show the code to your Salesforce admin.",
	},
}
