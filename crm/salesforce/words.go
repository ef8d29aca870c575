package salesforce

import "gatepost/crm"

const (
	seeBusy    = "see which import or automation keeps these records busy: Setup → Bulk Data Load Jobs, Apex Jobs, Flows."
	seeContact = "give access in Setup → Permission Sets → Object Settings → Contacts."
)

// codes are by Salesforce's own code. Those of its log-in are in access.
var codes = map[string]crm.Code{
	// One record.
	"REQUIRED_FIELD_MISSING":                        crm.OfFields(crm.OneRecord(crm.ByAdmin("Required field missing", "Required field", "Salesforce requires a field that nothing fills in.", "in Setup → Object Manager → Contact, make the field optional or give it a default (Fields & Relationships, Page Layouts)."))),
	"INVALID_EMAIL_ADDRESS":                         crm.OneRecord(crm.Explain("E-mail address not accepted", "Address not accepted", "Salesforce does not accept this e-mail address.", crm.You, "Ask the person for another address.")),
	"STRING_TOO_LONG":                               crm.OneRecord(crm.Explain("Name too long", "Name too long", "A name is longer than Salesforce allows.", crm.You, "Ask the person for a shorter spelling, or enter the Contact in Salesforce by hand.")),
	"INVALID_FIELD":                                 crm.OfFields(crm.OneOrAll(crm.ByAdmin("Field unknown or hidden", "Unknown field", "Salesforce does not know a field that we fill in, or hides it from the connected user.", "check the user’s field permissions in Setup → Permission Sets → Object Settings → Contacts."))),
	"INVALID_FIELD_FOR_INSERT_UPDATE":               crm.OfFields(crm.OneRecord(crm.ByAdmin("No edit access to a field", "No edit access", "The connected user may not write a field that we fill in.", "give edit access to it in Setup → Permission Sets → Object Settings → Contacts."))),
	"INVALID_TYPE_ON_FIELD_IN_RECORD":               crm.OfFields(crm.OneRecord(crm.ByAdmin("Field takes another kind of value", "Wrong kind of value", "A field in Salesforce takes another kind of value than we fill in.", "look at the field in Setup → Object Manager → Contact → Fields & Relationships."))),
	fieldTooLong:                                    crm.OfFields(crm.OneRecord(crm.ByAdmin("Text too long for a field", "Text too long", "A text is longer than its field in Salesforce allows.", "make the field longer in Setup → Object Manager → Contact → Fields & Relationships, or have the form take less."))),
	inactiveOwner:                                   crm.OfFields(crm.OneRecord(crm.ByAdmin("Owner is no longer active", "Owner inactive", "The Salesforce user who is to own the record is no longer active.", "activate the user in Setup → Users, or choose another owner for new records."))),
	"DUPLICATES_DETECTED":                           crm.OneRecord(crm.ByAdmin("Blocked by duplicate rule", "Duplicate rule", "A duplicate rule in Salesforce blocked the new Contact.", "look at the rule in Setup → Duplicate Rules, or merge the Contacts that match.")),
	"DUPLICATE_VALUE":                               crm.OneRecord(crm.ByAdmin("Value already used by another record", "Value already used", "Salesforce has a record with the same value in a field that must be unique.", "look at the other record, and merge or correct it.")),
	"FIELD_CUSTOM_VALIDATION_EXCEPTION":             crm.OneRecord(crm.ByAdmin("Refused by validation rule", "Validation rule", "A validation rule in Salesforce refused the Contact.", "look at the rule in Setup → Object Manager → Contact → Validation Rules.")),
	"FIELD_FILTER_VALIDATION_EXCEPTION":             crm.OneRecord(crm.ByAdmin("Refused by lookup filter", "Lookup filter", "A lookup filter in Salesforce refused the Contact.", "look at the filter in Setup → Object Manager → Contact → Fields & Relationships.")),
	"INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST":       crm.OfFields(crm.OneRecord(crm.ByAdmin("Value missing in a picklist", "Picklist value", "A picklist in Salesforce does not have the value that the Contact needs.", "add the value in Setup → Object Manager → Contact → Fields & Relationships."))),
	"CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY":          crm.Automation(crm.ByAdmin("Stopped by an automation", "Automation", "An automation in Salesforce (a trigger or a flow) stopped the Contact.", "look at it in Setup → Flows, or Setup → Apex Triggers.")),
	"CANNOT_EXECUTE_FLOW_TRIGGER":                   crm.Automation(crm.ByAdmin("Stopped by a flow", "Flow failed", "A flow in Salesforce failed on the Contact.", "look at it in Setup → Flows → Paused and Failed Flow Interviews.")),
	"APEX_ERROR":                                    crm.Automation(crm.ByAdmin("Stopped by Apex code", "Apex error", "Code in your Salesforce failed on the Contact.", "look at it in Setup → Apex Jobs and Debug Logs.")),
	"INSUFFICIENT_ACCESS":                           crm.OneOrAll(crm.ByAdmin("Permission missing", "Permission missing", "The connected user lacks a permission.", "let the user create Contacts: Setup → Permission Sets → Object Settings → Contacts.")),
	"INSUFFICIENT_ACCESS_OR_READONLY":               crm.OneOrAll(crm.ByAdmin("No permission for this Contact", "No permission", "The connected user may not create or change this Contact.", "let the user create Contacts: Setup → Permission Sets → Object Settings → Contacts.")),
	"INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY": crm.OfFields(crm.OneRecord(crm.ByAdmin("No access to a related record", "Related record", "The connected user may not see a record that the Contact refers to.", "share that record with the user, or correct the automation that sets it."))),
	"ENTITY_IS_DELETED":                             crm.OneRecord(crm.Explain("Contact deleted in Salesforce", "Contact deleted", "The Contact was deleted in Salesforce.", crm.You, "Restore it from Salesforce’s Recycle Bin if that was a mistake.")),
	"INVALID_CROSS_REFERENCE_KEY":                   crm.OfFields(crm.OneRecord(crm.ByAdmin("Related record missing", "Related record", "A record that the Contact refers to is not there, or the connected user may not see it.", "look at the automation that sets it."))),
	"CANNOT_UPDATE_CONVERTED_LEAD":                  crm.OneRecord(crm.Explain("Lead converted meanwhile", "Lead converted", "The Lead was converted in the meantime.", crm.You, "Retry: then the Contact that it became is found.")),
	"FIELD_INTEGRITY_EXCEPTION":                     crm.OfFields(crm.OneRecord(crm.ByAdmin("Values don’t fit together", "Conflicting values", "Salesforce found that values of the Contact don’t fit together.", "read what it says below, and look at the field in Setup → Object Manager → Contact → Fields & Relationships."))),
	"MULTIPLE_CHOICES":                              crm.OneRecord(crm.ByAdmin("Several records have the same value", "Value not unique", "Several records in Salesforce have the same value in a field that should be unique.", "merge the records, or make the field unique.")),
	"MISSING_ARGUMENT":                              crm.OneRecord(crm.ByUs("Something missing in our request", "Incomplete request", "Salesforce missed something in what we sent.")),
	"MALFORMED_ID":                                  crm.OneRecord(crm.ByUs("ID not understood", "ID not understood", "Salesforce did not understand an id that we sent.")),

	// What we send. It is looked for among the records, down to the one that it is due to.
	"JSON_PARSER_ERROR":             crm.OfFields(crm.OneRecord(crm.ByUs("Request not understood", "Request not understood", "Salesforce did not understand what we sent."))),
	"INVALID_INPUT":                 crm.OneRecord(crm.ByUs("Request not understood", "Request not understood", "Salesforce did not understand what we sent.")),
	"EXCEEDED_ID_LIMIT":             crm.OneRecord(crm.ByUs("Too much in one request", "Request too large", "We sent Salesforce more at once than it takes.")),
	"LIMIT_EXCEEDED":                crm.OneRecord(crm.ByUs("Too much in one request", "Request too large", "We sent Salesforce more at once than it takes.")),
	"URI_TOO_LONG":                  crm.OneRecord(crm.ByUs("Too much in one request", "Request too large", "We sent Salesforce more at once than it takes.")),
	"MALFORMED_QUERY":               crm.OneRecord(crm.ByUs("Look-up not understood", "Look-up not understood", "Salesforce did not understand what we looked for.")),
	"INVALID_QUERY_FILTER_OPERATOR": crm.OneRecord(crm.ByUs("Look-up not understood", "Look-up not understood", "Salesforce did not understand what we looked for.")),
	"NUMBER_OUTSIDE_VALID_RANGE":    crm.OneRecord(crm.ByUs("Look-up not understood", "Look-up not understood", "Salesforce did not understand what we looked for.")),
	"INVALID_QUERY_LOCATOR":         crm.Everybody(crm.Busy, crm.Passes("Look-up interrupted", "Look-up interrupted", "Salesforce lost the rest of what we looked for.")),
	"METHOD_NOT_ALLOWED":            crm.Everybody(crm.Full, crm.ByUs("Way of calling refused", "Call refused", "Salesforce refused the way in which we called it.")),
	"UNSUPPORTED_MEDIA_TYPE":        crm.Everybody(crm.Full, crm.ByUs("Way of calling refused", "Call refused", "Salesforce refused the way in which we called it.")),
	"UNSUPPORTED_API_VERSION": crm.Everybody(crm.Full, crm.Explain("API version no longer supported", "API version", "Salesforce no longer speaks the version of its API that we use.", crm.Us,
		"We have to bring out a newer release. Please tell us; nothing is lost meanwhile.")),

	// One record, for a while.
	"UNABLE_TO_LOCK_ROW": crm.PassingCode(crm.Locked, crm.Passes("Record busy in Salesforce", "Record busy", "Salesforce was busy with the same records."), seeBusy),
	"UNKNOWN_EXCEPTION": crm.PassingCode(crm.Unexpected, crm.Passes("Error inside Salesforce", "Salesforce error", "Salesforce ran into an error of its own."),
		"look at what runs when a Contact is saved (Setup → Flows, Apex Triggers), or open a case with Salesforce and name the error id that it says."),

	// Everybody, for a while.
	"REQUEST_LIMIT_EXCEEDED":                crm.Everybody(crm.Full, crm.ByAdmin("API limit reached", "API limit", "Your Salesforce has used up its API calls for now.", "see who uses them in Setup → Company Information → API Requests. "+crm.GoesOn)),
	"STORAGE_LIMIT_EXCEEDED":                crm.Everybody(crm.Full, crm.ByAdmin("Salesforce storage is full", "Storage full", "Your Salesforce is full.", "free or buy data storage: Setup → Storage Usage. "+crm.GoesOn)),
	"SERVER_UNAVAILABLE":                    crm.Everybody(crm.Busy, crm.Passes("Salesforce is not available", "Not available", "Salesforce is not available right now.")),
	"QUERY_TIMEOUT":                         crm.Everybody(crm.Busy, crm.Passes("Salesforce took too long", "Took too long", "Salesforce took too long to look for the person.")),
	"REQUEST_RUNNING_TOO_LONG":              crm.Everybody(crm.Busy, crm.Passes("Salesforce took too long", "Took too long", "Salesforce took too long.")),
	"TOO_MANY_APEX_REQUESTS":                crm.Everybody(crm.Busy, crm.Passes("Salesforce is busy with Apex code", "Salesforce busy", "Salesforce was too busy with code of your own.")),
	"FUNCTIONALITY_TEMPORARILY_UNAVAILABLE": crm.Everybody(crm.Busy, crm.Passes("Switched off in Salesforce for now", "Switched off for now", "Salesforce has switched this off for a while, for maintenance, say.")),
	"PROCESSING_HALTED":                     crm.Everybody(crm.Busy, crm.Passes("Batch stopped by another record", "Batch stopped", "Salesforce broke off the batch because of another record.")),
	"BATCH_PROCESSING_HALTED":               crm.Everybody(crm.Busy, crm.Passes("Batch stopped by another record", "Batch stopped", "Salesforce broke off the batch because of another record.")),
	"ALL_OR_NONE_OPERATION_ROLLED_BACK":     crm.Everybody(crm.Busy, crm.Passes("Batch stopped by another record", "Batch stopped", "Salesforce took back the batch because of another record.")),
	"INVALID_TYPE":                          crm.Everybody(crm.Full, crm.ByAdmin("No access to Contacts", "No access to Contacts", "The connected user may not see Contacts.", seeContact)),
	"NOT_FOUND":                             crm.Everybody(crm.Full, crm.ByAdmin("Contacts not found", "Contacts not found", "The connected user may not see Contacts, or they are not where they should be.", seeContact)),
	"FUNCTIONALITY_NOT_ENABLED":             crm.Everybody(crm.Full, crm.ByAdmin("Feature not enabled in Salesforce", "Feature not enabled", "Your Salesforce does not have a feature that this needs.", "check the edition and the user’s licence.")),

	// The connection.
	"INVALID_SESSION_ID":                      crm.Everybody(crm.Ended, crm.Reconnects("Connection lost", "Connection lost", "Salesforce no longer accepts the connection, or not for its API.")),
	"INVALID_AUTH_HEADER":                     crm.Everybody(crm.Ended, crm.Reconnects("Connection lost", "Connection lost", "Salesforce did not accept the connection.")),
	"HTTP_401":                                crm.Everybody(crm.Ended, crm.Reconnects("Connection lost", "Connection lost", "Salesforce refused the connection, and gave no reason.")),
	"ORG_LOCKED":                              crm.Everybody(crm.Ended, crm.ByAdmin("Salesforce org is locked", "Org locked", "Your Salesforce org is locked.", "contact Salesforce about the org.")),
	"TRIAL_EXPIRED":                           crm.Everybody(crm.Ended, crm.ByAdmin("Salesforce trial is over", "Trial over", "The trial of your Salesforce org is over.", "buy a subscription, or connect another org.")),
	"CLIENT_NOT_ACCESSIBLE_FOR_USER":          crm.Everybody(crm.Ended, crm.ByAdmin("App blocked for the connected user", "App blocked", "Our app is blocked for the user who connected.", "unblock it in Setup → Connected Apps OAuth Usage.")),
	"CLIENT_REQUIRE_UPDATE_FOR_USER":          crm.Everybody(crm.Ended, crm.ByAdmin("App needs an update in Salesforce", "App needs update", "Our app has to be updated in your Salesforce.", "update it in Setup → Connected Apps OAuth Usage.")),
	"INVALID_CLIENT":                          crm.Everybody(crm.Ended, crm.UnknownApp()),
	"API_DISABLED_FOR_ORG":                    crm.Everybody(crm.Ended, crm.ByAdmin("API not included in your edition", "No API access", "Your edition of Salesforce does not include the API.", "add API access to the edition, or upgrade it.")),
	"API_CURRENTLY_DISABLED":                  crm.Everybody(crm.Ended, crm.ByAdmin("Connected user may not use the API", "No API access", "The user who connected may not use the API.", "tick “API Enabled” in the user’s profile or permission set.")),
	"INVALID_LOGIN":                           crm.Everybody(crm.Ended, crm.Reconnects("Log-in refused", "Log-in refused", "Salesforce refused the log-in of the user who connected.")),
	"INVALID_OPERATION_WITH_EXPIRED_PASSWORD": crm.Everybody(crm.Ended, crm.Explain("Salesforce password expired", "Password expired", "The password of the Salesforce user who connected has expired.", crm.You, "Set a new password in Salesforce, then reconnect Salesforce under Integrations.")),
	"PASSWORD_LOCKOUT":                        crm.Everybody(crm.Ended, crm.ByAdmin("Connected user is locked out", "User locked out", "The Salesforce user who connected is locked out.", "unlock the user in Setup → Users.")),
	"LOGIN_DURING_RESTRICTED_DOMAIN":          crm.Everybody(crm.Ended, crm.ByAdmin("Our IP address is not allowed", "IP address", "Salesforce accepts the user who connected only from certain IP addresses.", "allow ours in Setup → Network Access, or relax IP restrictions for our app.")),
	"LOGIN_DURING_RESTRICTED_TIME":            crm.Everybody(crm.Ended, crm.ByAdmin("Outside the login hours", "Login hours", "Salesforce accepts the user who connected only at certain hours.", "widen the login hours of the user’s profile.")),
}

// access are by code too: what Salesforce's log-in says in its own way, and what is mended
// in Setup.
var access = map[string]crm.Explanation{
	"NO_KEY":                       crm.ByAdmin("Unique field can’t be used", "Unique field", "Contacts have no text field of that name that is an External ID and unique, or the connected user may not fill it in.", "in Setup → Object Manager → Contact → Fields & Relationships, add a Text field and tick External ID and Unique; then give edit access to it."),
	"NO_REFRESH_TOKEN":             crm.ByAdmin("No lasting access", "No lasting access", "Salesforce gave no lasting access.", "let our app have the scope refresh_token, and its refresh tokens stay valid until revoked."),
	"INACTIVE_USER":                crm.ByAdmin("Connected user is inactive", "User inactive", "The Salesforce user who connected is no longer active.", "activate the user in Setup → Users, or connect with another one."),
	"INACTIVE_ORG":                 crm.ByAdmin("Salesforce org is inactive", "Org inactive", "Your Salesforce org is not active.", "contact Salesforce about the org."),
	"INVALID_APP_ACCESS":           crm.ByAdmin("Connected user not approved", "User not approved", "The user who connected is not approved for our app.", "approve the user’s profile or permission set in Setup → Connected Apps → Manage Connected Apps."),
	"OAUTH_APPROVAL_ERROR_GENERIC": crm.ByAdmin("App not installed or blocked", "App blocked", "Our app is not installed in your Salesforce, or is blocked.", "install it in Setup → Connected Apps OAuth Usage."),
}
