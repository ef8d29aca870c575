package crm

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// Verdict is what a refusal means: for whom, and for how long at least.
type Verdict struct {
	Class Class
	Wait  time.Duration // the shortest pause that makes sense, 0 when the caller is to choose
	Tries int           // of class Passing: how many in a row until it needs somebody
}

// Code is all that is known of a code with which Salesforce's API refuses: what it
// means for the record that it came for, what it means for everybody when it came
// for a whole call, and how people are told. They stand together because they must
// agree: a page that promises another try needs a verdict that makes it.
type Code struct {
	Record, Call Verdict
	Wraps        bool   // what a customer's automation met, which its message may name by a code of its own
	Explanation         // to those who wait
	Stuck        string // what to look at where it doesn't pass after all; may be empty
}

// The shortest pauses that make sense where Salesforce gives none.
const (
	aMoment = 10 * time.Second // until a few long requests have ended
	aWhile  = 15 * time.Minute // until an hour of the rolling day, or a person, makes room
)

// Concurrent is how long to wait for some of an org's long requests to end.
const Concurrent = aMoment

// How often in a row a record may be refused for what passes. The pauses between the
// tries double up to an hour: twelve take about one hour, twenty-four half a day.
const (
	someTries = 12
	MostTries = 24 // also of what has no number of its own
)

// The verdicts. A few words about one record are final, or they pass; those about
// everybody last a moment, a while, or until somebody connects again.
var (
	final      = Verdict{Class: Recorded}
	locked     = Verdict{Class: Passing, Tries: MostTries}
	unexpected = Verdict{Class: Passing, Tries: someTries}
	busy       = Verdict{Class: Pause}
	full       = Verdict{Class: Pause, Wait: aWhile}
	ended      = Verdict{Class: Connection}
)

// oneRecord is a code that is due to what stands in a record. Where it comes for a
// call, it is due to one of the call's records.
func oneRecord(e Explanation) Code { return Code{Record: final, Call: final, Explanation: e} }

// oneOrAll is a code that concerns a record when it comes for a record, and everybody
// when it comes for a whole call: the user may not see one of the fields, say. That
// goes on by itself once an admin has fixed it.
func oneOrAll(e Explanation) Code { return Code{Record: final, Call: full, Explanation: e} }

// automation is what a customer's own automation said of a record.
func automation(e Explanation) Code {
	return Code{Record: final, Call: final, Wraps: true, Explanation: e}
}

func passing(record Verdict, e Explanation, stuck string) Code {
	return Code{Record: record, Call: busy, Explanation: e, Stuck: stuck}
}

func everybody(v Verdict, e Explanation) Code { return Code{Record: v, Call: v, Explanation: e} }

func us(title, label, what string) Explanation { return Explanation{title, label, what, Us, tellUs} }

const (
	tellUs     = "We have to fix this. Please tell us."
	seeBusy    = "see which import or automation keeps these records busy: Setup → Bulk Data Load Jobs, Apex Jobs, Flows."
	seeContact = "give access in Setup → Permission Sets → Object Settings → Contacts."
)

// codes are by Salesforce's own code. Those of its log-in are in explanations.
var codes = map[string]Code{
	// One record.
	"REQUIRED_FIELD_MISSING":                        oneRecord(admin("Required field missing", "Required field", "Salesforce requires a field that the form does not fill in.", "in Setup → Object Manager → Contact, make the field optional or give it a default (Fields & Relationships, Page Layouts).")),
	"INVALID_EMAIL_ADDRESS":                         oneRecord(Explanation{"E-mail address not accepted", "Address not accepted", "Salesforce does not accept this e-mail address.", You, "Ask the person for another address."}),
	"STRING_TOO_LONG":                               oneRecord(Explanation{"Name too long", "Name too long", "A name is longer than Salesforce allows.", You, "Ask the person for a shorter spelling, or enter the Contact in Salesforce by hand."}),
	"INVALID_FIELD":                                 oneOrAll(admin("Field unknown or hidden", "Unknown field", "Salesforce does not know a field that we fill in, or hides it from the connected user.", "check the user’s field permissions in Setup → Permission Sets → Object Settings → Contacts.")),
	"INVALID_FIELD_FOR_INSERT_UPDATE":               oneRecord(admin("No edit access to a field", "No edit access", "The connected user may not write a field that we fill in.", "give edit access to it in Setup → Permission Sets → Object Settings → Contacts.")),
	"INVALID_TYPE_ON_FIELD_IN_RECORD":               oneRecord(admin("Field takes another kind of value", "Wrong kind of value", "A field in Salesforce takes another kind of value than we fill in.", "look at the field in Setup → Object Manager → Contact → Fields & Relationships.")),
	"DUPLICATES_DETECTED":                           oneRecord(admin("Blocked by duplicate rule", "Duplicate rule", "A duplicate rule in Salesforce blocked the new Contact.", "look at the rule in Setup → Duplicate Rules, or merge the Contacts that match.")),
	"DUPLICATE_VALUE":                               oneRecord(admin("Value already used by another record", "Value already used", "Salesforce has a record with the same value in a field that must be unique.", "look at the other record, and merge or correct it.")),
	"FIELD_CUSTOM_VALIDATION_EXCEPTION":             oneRecord(admin("Refused by validation rule", "Validation rule", "A validation rule in Salesforce refused the Contact.", "look at the rule in Setup → Object Manager → Contact → Validation Rules.")),
	"FIELD_FILTER_VALIDATION_EXCEPTION":             oneRecord(admin("Refused by lookup filter", "Lookup filter", "A lookup filter in Salesforce refused the Contact.", "look at the filter in Setup → Object Manager → Contact → Fields & Relationships.")),
	"INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST":       oneRecord(admin("Value missing in a picklist", "Picklist value", "A picklist in Salesforce does not have the value that the Contact needs.", "add the value in Setup → Object Manager → Contact → Fields & Relationships.")),
	"CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY":          automation(admin("Stopped by an automation", "Automation", "An automation in Salesforce (a trigger or a flow) stopped the Contact.", "look at it in Setup → Flows, or Setup → Apex Triggers.")),
	"CANNOT_EXECUTE_FLOW_TRIGGER":                   automation(admin("Stopped by a flow", "Flow failed", "A flow in Salesforce failed on the Contact.", "look at it in Setup → Flows → Paused and Failed Flow Interviews.")),
	"APEX_ERROR":                                    automation(admin("Stopped by Apex code", "Apex error", "Code in your Salesforce failed on the Contact.", "look at it in Setup → Apex Jobs and Debug Logs.")),
	"INSUFFICIENT_ACCESS":                           oneOrAll(admin("Permission missing", "Permission missing", "The connected user lacks a permission.", "let the user create Contacts: Setup → Permission Sets → Object Settings → Contacts.")),
	"INSUFFICIENT_ACCESS_OR_READONLY":               oneOrAll(admin("No permission for this Contact", "No permission", "The connected user may not create or change this Contact.", "let the user create Contacts: Setup → Permission Sets → Object Settings → Contacts.")),
	"INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY": oneRecord(admin("No access to a related record", "Related record", "The connected user may not see a record that the Contact refers to.", "share that record with the user, or correct the automation that sets it.")),
	"ENTITY_IS_DELETED":                             oneRecord(Explanation{"Contact deleted in Salesforce", "Contact deleted", "The Contact was deleted in Salesforce.", You, "Restore it from Salesforce’s Recycle Bin if that was a mistake."}),
	"INVALID_CROSS_REFERENCE_KEY":                   oneRecord(admin("Related record missing", "Related record", "A record that the Contact refers to is not there, or the connected user may not see it.", "look at the automation that sets it.")),
	"CANNOT_UPDATE_CONVERTED_LEAD":                  oneRecord(Explanation{"Lead converted meanwhile", "Lead converted", "The Lead was converted in the meantime.", You, "Retry: then the Contact that it became is found."}),
	"FIELD_INTEGRITY_EXCEPTION":                     oneRecord(admin("Values don’t fit together", "Conflicting values", "Salesforce found that values of the Contact don’t fit together.", "read what it says below, and look at the field in Setup → Object Manager → Contact → Fields & Relationships.")),
	"MULTIPLE_CHOICES":                              oneRecord(admin("Several records have the same value", "Value not unique", "Several records in Salesforce have the same value in a field that should be unique.", "merge the records, or make the field unique.")),
	"MISSING_ARGUMENT":                              oneRecord(us("Something missing in our request", "Incomplete request", "Salesforce missed something in what we sent.")),
	"MALFORMED_ID":                                  oneRecord(us("ID not understood", "ID not understood", "Salesforce did not understand an id that we sent.")),

	// What we send. It is looked for among the records, down to the one that it is due to.
	"JSON_PARSER_ERROR":             oneRecord(us("Request not understood", "Request not understood", "Salesforce did not understand what we sent.")),
	"INVALID_INPUT":                 oneRecord(us("Request not understood", "Request not understood", "Salesforce did not understand what we sent.")),
	"EXCEEDED_ID_LIMIT":             oneRecord(us("Too much in one request", "Request too large", "We sent Salesforce more at once than it takes.")),
	"LIMIT_EXCEEDED":                oneRecord(us("Too much in one request", "Request too large", "We sent Salesforce more at once than it takes.")),
	"URI_TOO_LONG":                  oneRecord(us("Too much in one request", "Request too large", "We sent Salesforce more at once than it takes.")),
	"MALFORMED_QUERY":               oneRecord(us("Look-up not understood", "Look-up not understood", "Salesforce did not understand what we looked for.")),
	"INVALID_QUERY_FILTER_OPERATOR": oneRecord(us("Look-up not understood", "Look-up not understood", "Salesforce did not understand what we looked for.")),
	"NUMBER_OUTSIDE_VALID_RANGE":    oneRecord(us("Look-up not understood", "Look-up not understood", "Salesforce did not understand what we looked for.")),
	"INVALID_QUERY_LOCATOR":         everybody(busy, passes("Look-up interrupted", "Look-up interrupted", "Salesforce lost the rest of what we looked for.")),
	"METHOD_NOT_ALLOWED":            everybody(full, us("Way of calling refused", "Call refused", "Salesforce refused the way in which we called it.")),
	"UNSUPPORTED_MEDIA_TYPE":        everybody(full, us("Way of calling refused", "Call refused", "Salesforce refused the way in which we called it.")),
	"UNSUPPORTED_API_VERSION": everybody(full, Explanation{"API version no longer supported", "API version", "Salesforce no longer speaks the version of its API that we use.", Us,
		"We have to bring out a newer release. Please tell us; nothing is lost meanwhile."}),

	// One record, for a while.
	"UNABLE_TO_LOCK_ROW": passing(locked, passes("Record busy in Salesforce", "Record busy", "Salesforce was busy with the same records."), seeBusy),
	"UNKNOWN_EXCEPTION": passing(unexpected, passes("Error inside Salesforce", "Salesforce error", "Salesforce ran into an error of its own."),
		"look at what runs when a Contact is saved (Setup → Flows, Apex Triggers), or open a case with Salesforce and name the error id that it says."),

	// Everybody, for a while.
	"REQUEST_LIMIT_EXCEEDED":                everybody(full, admin("API limit reached", "API limit", "Your Salesforce has used up its API calls for now.", "see who uses them in Setup → Company Information → API Requests. "+goesOn)),
	"STORAGE_LIMIT_EXCEEDED":                everybody(full, admin("Salesforce storage is full", "Storage full", "Your Salesforce is full.", "free or buy data storage: Setup → Storage Usage. "+goesOn)),
	"SERVER_UNAVAILABLE":                    everybody(busy, passes("Salesforce is not available", "Not available", "Salesforce is not available right now.")),
	"QUERY_TIMEOUT":                         everybody(busy, passes("Salesforce took too long", "Took too long", "Salesforce took too long to look for the person.")),
	"REQUEST_RUNNING_TOO_LONG":              everybody(busy, passes("Salesforce took too long", "Took too long", "Salesforce took too long.")),
	"TOO_MANY_APEX_REQUESTS":                everybody(busy, passes("Salesforce is busy with Apex code", "Salesforce busy", "Salesforce was too busy with code of your own.")),
	"FUNCTIONALITY_TEMPORARILY_UNAVAILABLE": everybody(busy, passes("Switched off in Salesforce for now", "Switched off for now", "Salesforce has switched this off for a while, for maintenance, say.")),
	"PROCESSING_HALTED":                     everybody(busy, passes("Batch stopped by another record", "Batch stopped", "Salesforce broke off the batch because of another record.")),
	"BATCH_PROCESSING_HALTED":               everybody(busy, passes("Batch stopped by another record", "Batch stopped", "Salesforce broke off the batch because of another record.")),
	"ALL_OR_NONE_OPERATION_ROLLED_BACK":     everybody(busy, passes("Batch stopped by another record", "Batch stopped", "Salesforce took back the batch because of another record.")),
	"INVALID_TYPE":                          everybody(full, admin("No access to Contacts", "No access to Contacts", "The connected user may not see Contacts.", seeContact)),
	"NOT_FOUND":                             everybody(full, admin("Contacts not found", "Contacts not found", "The connected user may not see Contacts, or they are not where they should be.", seeContact)),
	"FUNCTIONALITY_NOT_ENABLED":             everybody(full, admin("Feature not enabled in Salesforce", "Feature not enabled", "Your Salesforce does not have a feature that this needs.", "check the edition and the user’s licence.")),

	// The connection.
	"INVALID_SESSION_ID":                      everybody(ended, reconnects("Connection lost", "Connection lost", "Salesforce no longer accepts the connection, or not for its API.")),
	"INVALID_AUTH_HEADER":                     everybody(ended, reconnects("Connection lost", "Connection lost", "Salesforce did not accept the connection.")),
	"HTTP_401":                                everybody(ended, reconnects("Connection lost", "Connection lost", "Salesforce refused the connection, and gave no reason.")),
	"ORG_LOCKED":                              everybody(ended, admin("Salesforce org is locked", "Org locked", "Your Salesforce org is locked.", "contact Salesforce about the org.")),
	"TRIAL_EXPIRED":                           everybody(ended, admin("Salesforce trial is over", "Trial over", "The trial of your Salesforce org is over.", "buy a subscription, or connect another org.")),
	"CLIENT_NOT_ACCESSIBLE_FOR_USER":          everybody(ended, admin("App blocked for the connected user", "App blocked", "Our app is blocked for the user who connected.", "unblock it in Setup → Connected Apps OAuth Usage.")),
	"CLIENT_REQUIRE_UPDATE_FOR_USER":          everybody(ended, admin("App needs an update in Salesforce", "App needs update", "Our app has to be updated in your Salesforce.", "update it in Setup → Connected Apps OAuth Usage.")),
	"INVALID_CLIENT":                          everybody(ended, invalidApp),
	"API_DISABLED_FOR_ORG":                    everybody(ended, admin("API not included in your edition", "No API access", "Your edition of Salesforce does not include the API.", "add API access to the edition, or upgrade it.")),
	"API_CURRENTLY_DISABLED":                  everybody(ended, admin("Connected user may not use the API", "No API access", "The user who connected may not use the API.", "tick “API Enabled” in the user’s profile or permission set.")),
	"INVALID_LOGIN":                           everybody(ended, reconnects("Log-in refused", "Log-in refused", "Salesforce refused the log-in of the user who connected.")),
	"INVALID_OPERATION_WITH_EXPIRED_PASSWORD": everybody(ended, Explanation{"Salesforce password expired", "Password expired", "The password of the Salesforce user who connected has expired.", You, "Set a new password in Salesforce, then reconnect Salesforce under Integrations."}),
	"PASSWORD_LOCKOUT":                        everybody(ended, admin("Connected user is locked out", "User locked out", "The Salesforce user who connected is locked out.", "unlock the user in Setup → Users.")),
	"LOGIN_DURING_RESTRICTED_DOMAIN":          everybody(ended, admin("Our IP address is not allowed", "IP address", "Salesforce accepts the user who connected only from certain IP addresses.", "allow ours in Setup → Network Access, or relax IP restrictions for our app.")),
	"LOGIN_DURING_RESTRICTED_TIME":            everybody(ended, admin("Outside the login hours", "Login hours", "Salesforce accepts the user who connected only at certain hours.", "widen the login hours of the user’s profile.")),
}

// KnownCode returns what is known of a code of Salesforce's API. One that it doesn't
// know concerns the record that it came for, or somebody in the call; it is not
// tried again by itself.
func KnownCode(code string) (c Code, known bool) {
	if c, known = codes[strings.ToUpper(code)]; known {
		return c, true
	}
	return oneRecord(unknownCode(code)), false
}

// Codes returns every code of which anything is known, in order.
func Codes() []string { return slices.Sorted(maps.Keys(codes)) }

// GaveUp explains a code to those who need attention for it: what is said to those who
// wait promises another try in vain.
func GaveUp(code string) Explanation {
	c, known := KnownCode(code)
	e := Sentence(code)
	if !promises(e) && (!known || c.Record.Class == Recorded) {
		return e
	}
	e.What += " We tried it many times, and have stopped."
	e.Mend = strings.TrimSpace(strings.TrimSuffix(e.Mend, goesOn))
	switch {
	case c.Stuck != "":
		e.Who, e.Mend = Admin, askAdmin+c.Stuck+" "+thenRetry
	case e.Who == Nobody:
		e.Who, e.Mend = You, "Retry. If that fails too, show your Salesforce admin what is said here."
	default:
		e.Mend += " " + thenRetry
	}
	return e
}

// AskedOnce explains a code to whoever asked for something that nothing repeats by itself,
// as a check-up.
func AskedOnce(code string) Explanation {
	e := Sentence(code)
	if e.Who == Nobody {
		e.Who, e.Mend = You, "Try it again in a while."
	}
	e.Mend = strings.TrimSpace(strings.TrimSuffix(e.Mend, goesOn))
	return e
}

// promises reports whether an explanation says that it is tried again by itself.
func promises(e Explanation) bool {
	return e.Mend == itPasses || strings.HasSuffix(e.Mend, goesOn)
}

const (
	thenRetry = "Then retry."
	goesOn    = "We go on by ourselves then."
)
