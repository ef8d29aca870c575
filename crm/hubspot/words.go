package hubspot

import "gatepost/crm"

const (
	seeProperty = "look at the property in Settings → Properties → Contact properties."
	seeUsers    = "let the user view and edit all contacts: Settings → Users & Teams → Permissions → CRM."
	seeApp      = "look at our app in Settings → Integrations → Connected Apps."
)

// rule is what is said of a validation rule of a property, whichever it is.
var rule = crm.OneRecord(crm.ByAdmin("Refused by validation rule", "Validation rule", "A validation rule of a property in HubSpot refused the contact.",
	"look at the rules of the property in Settings → Properties → Contact properties → Rules."))

// notUnderstood and tooManyCalls are said of several codes.
var (
	notUnderstood = crm.OneRecord(crm.ByUs("Request not understood", "Request not understood", "HubSpot did not understand what we sent."))
	tooManyCalls  = crm.Everybody(crm.Busy, crm.Passes("Too many API calls at once", "Too many calls", "HubSpot had too many API calls from us within seconds."))
	tokenRefused  = crm.Everybody(crm.Ended, crm.Reconnects("Connection lost", "Connection lost", "HubSpot no longer accepts the connection."))
	callRefused   = crm.Everybody(crm.Full, crm.ByUs("Way of calling refused", "Call refused", "HubSpot refused the way in which we called it."))
)

// codes are by HubSpot's own code, and by ours where it has none. Those of its log-in are in
// access.
var codes = map[string]crm.Code{
	// One record.
	"INVALID_EMAIL":   crm.OneRecord(crm.Explain("E-mail address not accepted", "Address not accepted", "HubSpot does not accept this e-mail address.", crm.You, "Ask the person for another address.")),
	"INVALID_OPTION":  crm.OfFields(crm.OneRecord(crm.ByAdmin("Value missing among the options", "Option missing", "A property in HubSpot does not have the value among its options that the contact needs.", "add the value in Settings → Properties → Contact properties."))),
	"INVALID_INTEGER": crm.OfFields(crm.OneRecord(crm.ByAdmin("Property takes numbers alone", "Wrong kind of value", "A property in HubSpot takes numbers, and we fill in a text.", seeProperty))),
	"INVALID_DATE":    crm.OfFields(crm.OneRecord(crm.ByAdmin("Property takes dates alone", "Wrong kind of value", "A property in HubSpot takes dates, and we fill in a text.", seeProperty))),
	"PROPERTY_TOO_LONG": crm.OneRecord(crm.Explain("Text too long", "Text too long", "A name or another text is longer than HubSpot allows.", crm.You,
		"Ask the person for a shorter one, or enter the contact in HubSpot by hand.")),
	"EMAIL_BLOCKLISTED": crm.OneRecord(crm.ByAdmin("Address deleted for good in HubSpot", "Address blocked", "The contact was deleted for good in HubSpot, and its address is blocked there.",
		"if the person signed up anew of their own accord, enter the contact in HubSpot by hand.")),
	"CONFLICTING_UNIQUE_VALUE": crm.OneRecord(crm.ByAdmin("Value already used by another contact", "Value already used", "HubSpot has a contact with the same value in a property that must be unique.",
		"look at the other contact, and merge or correct it.")),
	"CONFLICT": crm.OneRecord(crm.ByAdmin("Contact is there, but hidden from us", "Contact hidden", "HubSpot says that a contact has this address, and does not show it to the user who connected.", seeUsers)),
	"OBJECT_ALREADY_EXISTS": crm.OneRecord(crm.ByAdmin("Contact is there, but hidden from us", "Contact hidden", "HubSpot says that the contact is there already, and does not show it to the user who connected.",
		seeUsers)),
	"VALIDATION_RULE_VIOLATION": rule, "MAX_LENGTH": rule, "MIN_LENGTH": rule, "REGEX": rule, "ALPHANUMERIC": rule,
	"EMAIL_ALLOWED_DOMAINS": rule, "EMAIL_BLOCKED_DOMAINS": rule, "WHITESPACE": rule, "SPECIAL_CHARACTERS": rule,

	// One record; where all of a call have it, everybody.
	"PROPERTY_DOESNT_EXIST": crm.OfFields(crm.OneOrAll(crm.ByAdmin("Property missing or hidden", "Property missing", "HubSpot does not have a property that we fill in, or hides it from the user who connected.", seeProperty))),
	"READ_ONLY_VALUE":       crm.OfFields(crm.OneOrAll(crm.ByAdmin("Property can’t be filled in", "Property read-only", "HubSpot does not let a property be filled in that we fill in.", seeProperty))),

	// What we send. It is looked for among the records, down to the one that it is due to.
	"VALIDATION_ERROR":  notUnderstood,
	"DUPLICATE_IDS":     notUnderstood,
	"REQUEST_TOO_LARGE": crm.OneRecord(crm.ByUs("Too much in one request", "Request too large", "We sent HubSpot more at once than it takes.")),
	"HTTP_404":          callRefused,
	"HTTP_405":          callRefused,
	"HTTP_415":          callRefused,
	"OBJECT_NOT_FOUND": crm.OneOrAll(crm.ByAdmin("Not found in HubSpot", "Not found", "HubSpot did not find what we asked for, or hides it from the user who connected.",
		seeUsers)),

	// Everybody, for a while.
	"TEN_SECONDLY_ROLLING": tooManyCalls, "SECONDLY": tooManyCalls, "RATE_LIMIT": tooManyCalls, "RATE_LIMITS": tooManyCalls,
	"DAILY": crm.Everybody(crm.Full, crm.ByAdmin("API calls of the day used up", "API limit", "Your HubSpot has used up its API calls of the day.",
		"see who uses them in Settings → Integrations → API call usage. "+crm.GoesOn)),
	"LOCKED": crm.Everybody(crm.Busy, crm.Passes("HubSpot is busy with the contacts", "HubSpot busy", "HubSpot was busy with the same contacts.")),
	"MIGRATION_IN_PROGRESS": crm.Everybody(crm.Busy, crm.Passes("HubSpot is moving the account", "Account being moved",
		"HubSpot is moving your account to another data centre, which may take a day.")),
	"FORBIDDEN": crm.Everybody(crm.Full, crm.ByAdmin("Permission missing in HubSpot", "Permission missing", "The user who connected may not do this in HubSpot, or your subscription does not include it.",
		seeUsers+" "+crm.GoesOn)),
	"BANNED": crm.Everybody(crm.Full, crm.ByAdmin("App or user blocked in HubSpot", "Blocked", "HubSpot has blocked our app, or the user who connected.", seeApp+" "+crm.GoesOn)),

	// The connection.
	"MISSING_SCOPES":         crm.Everybody(crm.Ended, crm.Reconnects("Connection lacks a permission", "Permission missing", "The connection lacks a permission that was not granted when it was made.")),
	"EXPIRED_AUTHENTICATION": tokenRefused, "INVALID_AUTHENTICATION": tokenRefused, "HTTP_401": tokenRefused,
}

// access are by code too: what HubSpot's log-in says in its own way.
var access = map[string]crm.Explanation{
	"NO_KEY": crm.ByAdmin("Unique property can’t be used", "Unique property", "Contacts have no single-line text property of that name that has unique values and can be filled in.",
		"in Settings → Properties → Contact properties, add a single-line text property and tick “Require unique values”."),
	"NO_OPT_OUT": crm.ByAdmin("Opt-out can’t be set", "No opt-out", "The connection may not see or change who wants which e-mail in HubSpot, or HubSpot leaves that to the person.",
		"see that our app may ask for communication_preferences.read_write, and connect HubSpot again."),
	"NO_REFRESH_TOKEN":       crm.Explain("No lasting access", "No lasting access", "HubSpot gave no lasting access.", crm.You, "Connect HubSpot again under Integrations."),
	"BAD_REFRESH_TOKEN":      crm.Reconnects("Connection lost", "Connection lost", "The connection was revoked in HubSpot, or our app was uninstalled there."),
	"BAD_HUB":                crm.Explain("HubSpot account was deleted", "Account deleted", "HubSpot does not know the account any more: it was deleted.", crm.You, "Connect another account under Integrations."),
	"BAD_AUTH_CODE":          crm.Explain("Connecting took too long", "Connecting failed", "HubSpot did not accept the answer of its own log-in: it was used before, or too old.", crm.You, "Connect HubSpot again under Integrations."),
	"BAD_CODE_VERIFIER":      crm.Explain("Connecting was mixed up", "Connecting failed", "HubSpot did not accept the answer of its own log-in: it belongs to another try.", crm.You, "Connect HubSpot again under Integrations."),
	"BAD_REDIRECT_URI":       crm.UnknownApp(),
	"BAD_CLIENT_ID":          crm.UnknownApp(),
	"BAD_CLIENT_SECRET":      crm.UnknownApp(),
	"INVALID_CLIENT":         crm.UnknownApp(),
	"BAD_GRANT_TYPE":         crm.ByUs("Log-in request not understood", "Log-in request", "HubSpot’s log-in did not understand what we sent."),
	"UNSUPPORTED_GRANT_TYPE": crm.ByUs("Log-in request not understood", "Log-in request", "HubSpot’s log-in did not understand what we sent."),
	"INVALID_REQUEST":        crm.ByUs("Log-in request not understood", "Log-in request", "HubSpot’s log-in did not understand what we sent."),
	"BAD_SCOPES":             crm.ByUs("Permissions of the app are wrong", "App’s permissions", "HubSpot does not let our app ask for the permissions that it needs."),
}
