package zoho

import (
	"gatepost/crm"
)

const (
	seeFields     = "look at the field in Setup → Customization → Modules and Fields → Contacts."
	seeProfile    = "let the user’s profile view, create and edit Contacts: Setup → Security Control → Profiles."
	seeAutomation = "look at what runs when a Contact is saved: Setup → Automation → Workflow Rules, or Blueprint."
	seeAPIAccess  = "tick “Zoho CRM API Access” in Setup → Security Control → Profiles → the user’s profile → Developer Permissions. The built-in profile Standard can’t be changed: clone it, and give the user the clone."
	seeCredits    = "see who uses them in Setup → Developer Hub → APIs & SDKs."
)

// tooManyCalls last a minute at least.
var tooManyCalls = crm.Verdict{Class: crm.Pause, Wait: aMinute}

// codes are by Zoho's own code, and by ours where it has one for several things. Those of
// its log-in are in access.
var codes = map[string]crm.Code{
	// One record.
	emailRefused:                  crm.OneRecord(crm.Explain("E-mail address not accepted", "Address not accepted", "Zoho CRM does not accept this e-mail address.", crm.You, "Ask the person for another address.")),
	nameTooLong:                   crm.OneRecord(crm.Explain("Name too long", "Name too long", "A name is longer than Zoho CRM allows.", crm.You, "Ask the person for a shorter spelling, or enter the Contact in Zoho CRM by hand.")),
	invalidData:                   crm.OfFields(crm.OneRecord(crm.ByAdmin("Value not accepted", "Value not accepted", "A field in Zoho CRM does not take what we fill in.", seeFields))),
	noSuchRecord:                  crm.OneRecord(crm.ByUs("ID not understood", "ID not understood", "Zoho CRM has no record with an id that we sent.")),
	mandatory:                     crm.OfFields(crm.OneRecord(crm.ByAdmin("Required field missing", "Required field", "Zoho CRM requires a field that nothing fills in.", "make the field optional in Setup → Customization → Modules and Fields → Contacts, in each layout."))),
	"EXPECTED_FIELD_MISSING":      crm.OfFields(crm.OneRecord(crm.ByAdmin("Required field missing", "Required field", "Zoho CRM expects a field that nothing fills in.", "make the field optional in Setup → Customization → Modules and Fields → Contacts, in each layout."))),
	"DEPENDENT_FIELD_MISSING":     crm.OfFields(crm.OneRecord(crm.ByAdmin("Dependent field missing", "Dependent field", "Zoho CRM requires another field together with one that is filled in.", "look at the layout rules in Setup → Customization → Modules and Fields → Contacts."))),
	"DEPENDENT_MISMATCH":          crm.OfFields(crm.OneRecord(crm.ByAdmin("Values don’t fit together", "Conflicting values", "Zoho CRM found that values of the Contact don’t fit together.", "look at the dependent fields in Setup → Customization → Modules and Fields → Contacts."))),
	noSuchField:                   crm.OfFields(crm.OneOrAll(crm.ByAdmin("Field unknown or hidden", "Unknown field", "Zoho CRM does not know a field that we look at, or hides it from the connected user.", seeFields))),
	duplicateData:                 crm.OneRecord(crm.ByAdmin("Value already used by another record", "Value already used", "Zoho CRM has a record with the same value in a field that must be unique.", "look at the other record, and merge or correct it.")),
	severalErrors:                 crm.OneRecord(crm.ByAdmin("Refused for several reasons", "Several reasons", "Zoho CRM refused the Contact for several reasons.", "read what it says below, and "+seeFields)),
	"AMBIGUITY_DURING_PROCESSING": crm.OneRecord(crm.ByAdmin("Several records have the same value", "Value not unique", "Several records in Zoho CRM have the same value in the field by which we look for the Contact.", "merge the records.")),
	"CANNOT_PROCESS":              crm.OneRecord(crm.ByAdmin("Stopped by an automation", "Automation", "An automation or a validation rule in Zoho CRM stopped the Contact.", seeAutomation)),
	converted:                     crm.OneRecord(crm.Explain("Lead converted meanwhile", "Lead converted", "The Lead was converted in the meantime.", crm.You, "Retry: then the Contact that it became is found.")),
	noPermission:                  crm.OneOrAll(crm.ByAdmin("Permission missing", "Permission missing", "The connected user lacks a permission.", seeProfile)),
	"AUTHORIZATION_FAILED":        crm.OneOrAll(crm.ByAdmin("No permission to add or edit", "No permission", "The connected user may not add or edit Contacts.", seeProfile)),
	"INVALID_MODULE":              crm.OneOrAll(crm.ByAdmin("No access to Contacts or Leads", "No access to module", "Zoho CRM hides Contacts or Leads from the connected user.", "let the user’s profile see the module: Setup → Security Control → Profiles.")),

	// What we send. It is looked for among the records, down to the one that it is due to.
	"LIMIT_EXCEEDED":         crm.OneRecord(crm.ByUs("Too much in one request", "Request too large", "We sent Zoho CRM more at once than it takes.")),
	"LIMIT_REACHED":          crm.OneRecord(crm.ByUs("Too much in one request", "Request too large", "We asked Zoho CRM for more at once than it tells.")),
	"REQUEST_BODY_TOO_LARGE": crm.OneRecord(crm.ByUs("Too much in one request", "Request too large", "We sent Zoho CRM more at once than it takes.")),
	"SYNTAX_ERROR":           crm.OneRecord(crm.ByUs("Look-up not understood", "Look-up not understood", "Zoho CRM did not understand what we looked for.")),
	invalidQuery:             crm.OneRecord(crm.ByUs("Look-up not understood", "Look-up not understood", "Zoho CRM did not understand what we looked for.")),
	"REQUIRED_PARAM_MISSING": crm.OneRecord(crm.ByUs("Something missing in our request", "Incomplete request", "Zoho CRM missed something in what we sent.")),
	"INVALID_URL_PATTERN":    crm.Everybody(crm.Full, crm.ByUs("Way of calling refused", "Call refused", "Zoho CRM refused the way in which we called it.")),
	"INVALID_REQUEST_METHOD": crm.Everybody(crm.Full, crm.ByUs("Way of calling refused", "Call refused", "Zoho CRM refused the way in which we called it.")),
	"UNSUPPORTED_MEDIA_TYPE": crm.Everybody(crm.Full, crm.ByUs("Way of calling refused", "Call refused", "Zoho CRM refused the way in which we called it.")),

	// One record, for a while.
	duplicateEmail:        crm.PassingCode(crm.Unexpected, crm.Passes("Contact appeared meanwhile", "Appeared meanwhile", "A Contact with this address came to be in Zoho CRM while we made one."), "look for the address among the Contacts, and in the recycle bin (Setup → Data Administration)."),
	"RECORD_LOCKED":       crm.PassingCode(crm.Locked, crm.Passes("Record locked in Zoho CRM", "Record locked", "The record is locked in Zoho CRM."), "unlock the record, or look at the rules in Setup → Customization → Modules and Fields → Record Locking."),
	"NOT_APPROVED":        crm.PassingCode(crm.Locked, crm.Passes("Record waits for approval", "Waits for approval", "The record waits for somebody’s approval in Zoho CRM."), "approve the record, or look at the rules in Setup → Process Management → Approval Processes."),
	"RECORD_IN_BLUEPRINT": crm.PassingCode(crm.Locked, crm.Passes("Record is in a blueprint", "In a blueprint", "The record goes through a blueprint in Zoho CRM, which keeps it from being changed."), "look at the blueprint in Setup → Process Management → Blueprint."),
	"ALREADY_MODIFIED":    crm.PassingCode(crm.Unexpected, crm.Passes("Record changed meanwhile", "Record changed", "Somebody changed the record in Zoho CRM at the same time."), "see which automation keeps changing the record."),
	"INTERNAL_ERROR":      crm.PassingCode(crm.Unexpected, crm.Passes("Error inside Zoho CRM", "Zoho CRM error", "Zoho CRM ran into an error of its own."), "ask Zoho’s support, and name the org and the time."),

	// Everybody, for a while.
	tooMany:      crm.Everybody(tooManyCalls, crm.ByAdmin("API limit reached", "API limit", "Your Zoho CRM had too many API calls at once, or has used up its API credits for now.", seeCredits+" "+crm.GoesOn)),
	apiAccessOff: crm.Everybody(crm.Full, crm.ByAdmin("Connected user may not use the API", "No API access", "The user who connected may not use Zoho CRM’s API.", seeAPIAccess+" "+crm.GoesOn)),

	// The connection.
	invalidToken:             crm.Everybody(crm.Ended, crm.Reconnects("Connection lost", "Connection lost", "Zoho CRM no longer accepts the connection.")),
	"AUTHENTICATION_FAILURE": crm.Everybody(crm.Ended, crm.Explain("Connection not accepted", "Not accepted", "Zoho CRM did not accept the connection. The user who connected may no longer be active.", crm.You, "Reconnect {CRM} under Integrations, with a user who is active.")),
	scopeMismatch:            crm.Everybody(crm.Ended, crm.Reconnects("Connection lacks a permission", "Permission missing", "The connection lacks a permission that was not granted when it was made.")),
	"HTTP_401":               crm.Everybody(crm.Ended, crm.Reconnects("Connection lost", "Connection lost", "Zoho CRM refused the connection, and gave no reason.")),
}

// access are by code too: what Zoho's log-in says in its own way, and what is mended in
// Setup.
var access = map[string]crm.Explanation{
	"NO_KEY":                crm.ByAdmin("Unique field can’t be used", "Unique field", "Contacts have no text field of that name that takes no duplicate values and is long enough for an address, or the connected user may not fill it in.", "tick “Do not allow duplicate values” at the field, and let the user’s profile edit it: Setup → Customization → Modules and Fields → Contacts."),
	"NO_REFRESH_TOKEN":      crm.Reconnects("No lasting access", "No lasting access", "Zoho gave no lasting access."),
	"INVALID_CODE":          crm.Reconnects("Connection lost", "Connection lost", "The connection to Zoho CRM was revoked, or an older one of the same user was pushed out by newer ones."),
	"INVALID_CLIENT":        crm.UnknownApp(),
	"INVALID_CLIENT_SECRET": crm.UnknownApp(),
	"INVALID_REDIRECT_URI":  crm.UnknownApp(),
	"GENERAL_ERROR":         crm.Passes("Zoho’s log-in failed", "Log-in failed", "Zoho’s log-in failed without saying why."),
	"FAILURE":               crm.Passes("Too many log-ins at once", "Too many log-ins", "Zoho’s log-in was asked too often. We leave it alone for ten minutes."),
}
