package crm

import "strings"

// Who is the one that can mend a failure.
type Who string

// Those who mend. Nobody has to where it mends itself.
const (
	Us     Who = "us"     // whoever runs Gatepost
	You    Who = "you"    // the person who reads it
	Admin  Who = "admin"  // the administrator of the CRM
	Nobody Who = "nobody" // it passes
)

// Explanation says in plain words why somebody is not in the CRM.
type Explanation struct {
	What string // happened
	Who  Who    // can mend it
	Mend string // and how
}

// Sentence explains a code of a Failure. A code that it doesn't know is shown as
// it came.
func Sentence(code string) Explanation {
	if e, ok := explanations[strings.ToUpper(code)]; ok {
		return e
	}
	return Explanation{
		What: "The CRM answered with “" + code + "”.",
		Who:  Admin,
		Mend: "Ask your CRM's administrator what it means, or tell us, and we find out.",
	}
}

const (
	itPasses  = "Nothing to do: we try again by ourselves."
	reconnect = "Connect Salesforce again under Integrations."
	askAdmin  = "Ask your Salesforce admin: "
)

func passes(what string) Explanation      { return Explanation{what, Nobody, itPasses} }
func reconnects(what string) Explanation  { return Explanation{what, You, reconnect} }
func admin(what, mend string) Explanation { return Explanation{what, Admin, askAdmin + mend} }

var invalidApp = Explanation{"Salesforce does not know our app.", Us, "We have to correct the app's settings. Please tell us."}

// explanations are by code in capitals: ours, those of Salesforce's API, and those
// of its log-in.
var explanations = map[string]Explanation{
	"NOT_CONNECTED": {"Salesforce is not connected.", You, "Connect Salesforce under Integrations: whoever signed up waits here until then."},
	"BROKEN":        reconnects("The connection to Salesforce has ended."),
	"UNAVAILABLE":   passes("Salesforce did not answer, or not in a way that makes sense."),
	"TIMED_OUT":     passes("Salesforce did not answer in time."),
	"SETTLING":      passes("An answer of Salesforce got lost. We wait a moment and look before we send anything again."),
	"API_SPARED":    passes("Your Salesforce has used so many of its API calls that we leave the rest to others. We go on as soon as there are more."),
	"NO_KEY":        admin("Contacts have no text field of that name that is an External ID and unique, or the connected user may not fill it in.", "in Setup → Object Manager → Contact → Fields & Relationships, add a Text field and tick External ID and Unique; then give edit access to it."),
	"GONE":          passes("The Contact was deleted in Salesforce in the meantime. We make a new one."),
	"OTHER_ORG":     passes("Another Salesforce org was connected in the meantime."),

	// One record.
	"REQUIRED_FIELD_MISSING":                        admin("Salesforce requires a field that the form does not fill in.", "in Setup → Object Manager → Contact, make the field optional or give it a default (Fields & Relationships, Page Layouts)."),
	"INVALID_EMAIL_ADDRESS":                         {"Salesforce does not accept this e-mail address.", You, "Ask the person for another address."},
	"STRING_TOO_LONG":                               {"A name is longer than Salesforce allows.", You, "Ask the person for a shorter spelling, or enter the Contact in Salesforce by hand."},
	"INVALID_FIELD":                                 admin("Salesforce does not know a field that we fill in, or hides it from the connected user.", "check the user's field permissions in Setup → Permission Sets → Object Settings → Contacts."),
	"INVALID_FIELD_FOR_INSERT_UPDATE":               admin("The connected user may not write a field that we fill in.", "give edit access to it in Setup → Permission Sets → Object Settings → Contacts."),
	"DUPLICATES_DETECTED":                           admin("A duplicate rule in Salesforce blocked the new Contact.", "look at the rule in Setup → Duplicate Rules, or merge the Contacts that match."),
	"DUPLICATE_VALUE":                               admin("Salesforce has a record with the same value in a field that must be unique.", "look for the other record, and merge or correct it."),
	"FIELD_CUSTOM_VALIDATION_EXCEPTION":             admin("A validation rule in Salesforce refused the Contact.", "look at the rule in Setup → Object Manager → Contact → Validation Rules."),
	"FIELD_FILTER_VALIDATION_EXCEPTION":             admin("A lookup filter in Salesforce refused the Contact.", "look at the filter in Setup → Object Manager → Contact → Fields & Relationships."),
	"INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST":       admin("A picklist in Salesforce does not have the value that the Contact needs.", "add the value in Setup → Object Manager → Contact → Fields & Relationships."),
	"CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY":          admin("An automation in Salesforce (a trigger or a flow) stopped the Contact.", "look at it in Setup → Flows, or Setup → Apex Triggers."),
	"CANNOT_EXECUTE_FLOW_TRIGGER":                   admin("A flow in Salesforce failed on the Contact.", "look at it in Setup → Flows → Paused and Failed Flow Interviews."),
	"APEX_ERROR":                                    admin("Code in your Salesforce failed on the Contact.", "look at it in Setup → Apex Jobs and Debug Logs."),
	"INSUFFICIENT_ACCESS":                           admin("The connected user lacks a permission.", "let the user create Contacts: Setup → Permission Sets → Object Settings → Contacts."),
	"INSUFFICIENT_ACCESS_OR_READONLY":               admin("The connected user may not create or change this Contact.", "let the user create Contacts: Setup → Permission Sets → Object Settings → Contacts."),
	"INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY": admin("The connected user may not see a record that the Contact refers to.", "share that record with the user, or correct the automation that sets it."),
	"ENTITY_IS_DELETED":                             {"The Contact was deleted in Salesforce.", You, "Restore it from Salesforce's Recycle Bin if that was a mistake."},
	"CANNOT_UPDATE_CONVERTED_LEAD":                  {"The Lead was converted in the meantime.", You, "Send it again: then the Contact that it became is found."},
	"FIELD_INTEGRITY_EXCEPTION":                     admin("Salesforce found that values of the Contact don't fit together.", "read what it says below, and look at the field in Setup → Object Manager → Contact → Fields & Relationships."),
	"MISSING_ARGUMENT":                              {"Salesforce missed something in what we sent.", Us, "This is ours to mend. Please tell us."},
	"UNSUPPORTED_API_VERSION":                       {"Salesforce no longer speaks the version of its API that we use.", Us, "We have to bring out a newer release. Please tell us; nothing is lost meanwhile."},
	"UNKNOWN_EXCEPTION":                             passes("Salesforce ran into an error of its own."),
	"EXCEEDED_ID_LIMIT":                             {"We sent Salesforce more at once than it takes.", Us, "This is ours to mend. Please tell us."},
	"MALFORMED_QUERY":                               {"Salesforce did not understand what we looked for.", Us, "This is ours to mend. Please tell us."},
	"MULTIPLE_CHOICES":                              admin("Several records in Salesforce have the same value in a field that should be unique.", "merge the records, or make the field unique."),
	"MALFORMED_ID":                                  {"Salesforce did not understand an id that we sent.", Us, "This is ours to mend. Please tell us."},
	"JSON_PARSER_ERROR":                             {"Salesforce did not understand what we sent.", Us, "This is ours to mend. Please tell us."},
	"SEVERAL_MATCHES":                               {"Several Contacts in Salesforce have this address.", You, "Merge them in Salesforce, then send it again; or have the one taken that was changed last, under Settings."},
	"TOO_MANY_MATCHES":                              admin("Very many Contacts in Salesforce have this address.", "merge the Contacts that have the same address."),

	// Everybody, for a while.
	"REQUEST_LIMIT_EXCEEDED":                admin("Your Salesforce has used up its API calls for now. We go on as soon as it allows.", "see who uses them in Setup → Company Information → API Requests; nothing is lost meanwhile."),
	"STORAGE_LIMIT_EXCEEDED":                admin("Your Salesforce is full.", "free or buy data storage: Setup → Storage Usage. We go on by ourselves then."),
	"UNABLE_TO_LOCK_ROW":                    passes("Salesforce was busy with the same records."),
	"SERVER_UNAVAILABLE":                    passes("Salesforce is not available right now."),
	"QUERY_TIMEOUT":                         passes("Salesforce took too long to look for the person."),
	"REQUEST_RUNNING_TOO_LONG":              passes("Salesforce took too long."),
	"TOO_MANY_APEX_REQUESTS":                passes("Salesforce was too busy with code of your own."),
	"FUNCTIONALITY_TEMPORARILY_UNAVAILABLE": passes("Salesforce has switched this off for a while, for maintenance, say."),
	"PROCESSING_HALTED":                     passes("Salesforce broke off the batch because of another record."),
	"ALL_OR_NONE_OPERATION_ROLLED_BACK":     passes("Salesforce took back the batch because of another record."),
	"RATE_LIMIT_EXCEEDED":                   passes("Salesforce had too many log-ins at once."),
	"TEMPORARILY_UNAVAILABLE":               passes("Salesforce's log-in is not available right now."),
	"UNREACHABLE":                           passes("Salesforce's log-in could not be reached."),
	"UNANSWERED":                            passes("Salesforce's log-in did not answer; what it did is being found out."),
	"MISSING_SCOPE":                         reconnects("The connection lacks a permission that was not granted when it was made."),
	"NO_REFRESH_TOKEN":                      admin("Salesforce gave no lasting access.", "let our app have the scope refresh_token, and its refresh tokens stay valid until revoked."),
	"FOREIGN_HOST":                          reconnects("Salesforce named an address that is not its own."),
	"SERVER_ERROR":                          passes("Salesforce's log-in failed."),
	"INVALID_TYPE":                          admin("The connected user may not see Contacts.", "give access in Setup → Permission Sets → Object Settings → Contacts."),
	"NOT_FOUND":                             admin("The connected user may not see Contacts, or they are not where they should be.", "give access in Setup → Permission Sets → Object Settings → Contacts."),
	"FUNCTIONALITY_NOT_ENABLED":             admin("Your Salesforce does not have a feature that this needs.", "check the edition and the user's licence."),

	// The connection.
	"INVALID_SESSION_ID":                      reconnects("Salesforce no longer accepts the connection, or not for its API."),
	"INVALID_AUTH_HEADER":                     reconnects("Salesforce did not accept the connection."),
	"INVALID_GRANT":                           reconnects("The connection to Salesforce was revoked, or has run out."),
	"INVALID_TOKEN":                           reconnects("The connection to Salesforce was revoked, or has run out."),
	"INVALID_SCOPE":                           reconnects("The connection lacks a permission that was not granted when it was made."),
	"ACCESS_DENIED":                           reconnects("Access was denied in Salesforce."),
	"INACTIVE_USER":                           admin("The Salesforce user who connected is no longer active.", "activate the user in Setup → Users, or connect with another one."),
	"INACTIVE_ORG":                            admin("Your Salesforce org is not active.", "contact Salesforce about the org."),
	"ORG_LOCKED":                              admin("Your Salesforce org is locked.", "contact Salesforce about the org."),
	"TRIAL_EXPIRED":                           admin("The trial of your Salesforce org is over.", "buy a subscription, or connect another org."),
	"INVALID_APP_ACCESS":                      admin("The user who connected is not approved for our app.", "approve the user's profile or permission set in Setup → Connected Apps → Manage Connected Apps."),
	"OAUTH_APPROVAL_ERROR_GENERIC":            admin("Our app is not installed in your Salesforce, or is blocked.", "install it in Setup → Connected Apps OAuth Usage."),
	"CLIENT_NOT_ACCESSIBLE_FOR_USER":          admin("Our app is blocked for the user who connected.", "unblock it in Setup → Connected Apps OAuth Usage."),
	"CLIENT_REQUIRE_UPDATE_FOR_USER":          admin("Our app has to be updated in your Salesforce.", "update it in Setup → Connected Apps OAuth Usage."),
	"INVALID_CLIENT":                          invalidApp,
	"INVALID_CLIENT_ID":                       invalidApp,
	"INVALID_CLIENT_CREDENTIALS":              invalidApp,
	"UNAUTHORIZED_CLIENT":                     invalidApp,
	"REDIRECT_URI_MISMATCH":                   invalidApp,
	"API_DISABLED_FOR_ORG":                    admin("Your edition of Salesforce does not include the API.", "add API access to the edition, or upgrade it."),
	"API_CURRENTLY_DISABLED":                  admin("The user who connected may not use the API.", "tick “API Enabled” in the user's profile or permission set."),
	"INVALID_LOGIN":                           reconnects("Salesforce refused the log-in of the user who connected."),
	"INVALID_OPERATION_WITH_EXPIRED_PASSWORD": {"The password of the Salesforce user who connected has expired.", You, "Set a new password in Salesforce, then connect again under Integrations."},
	"PASSWORD_LOCKOUT":                        admin("The Salesforce user who connected is locked out.", "unlock the user in Setup → Users."),
	"LOGIN_DURING_RESTRICTED_DOMAIN":          admin("Salesforce accepts the user who connected only from certain IP addresses.", "allow ours in Setup → Network Access, or relax IP restrictions for our app."),
	"LOGIN_DURING_RESTRICTED_TIME":            admin("Salesforce accepts the user who connected only at certain hours.", "widen the login hours of the user's profile."),
}
