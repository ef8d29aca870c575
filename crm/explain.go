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

// Sentence explains a code of a Failure to those who wait; see GaveUp for those who
// need attention. A code that it doesn't know is shown as it came.
func Sentence(code string) Explanation {
	if e, ok := explanations[strings.ToUpper(code)]; ok {
		return e
	}
	if c, ok := KnownCode(code); ok {
		return c.Explanation
	}
	return unknownCode(code)
}

func unknownCode(code string) Explanation {
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

// explanations are by code in capitals: ours, and those of Salesforce's log-in. Those
// of its API are in codes.
var explanations = map[string]Explanation{
	"NOT_CONNECTED": {"Salesforce is not connected.", You, "Connect Salesforce under Integrations: whoever signed up waits here until then."},
	"BROKEN":        reconnects("The connection to Salesforce has ended."),
	"UNAVAILABLE":   passes("Salesforce did not answer, or not in a way that makes sense."),
	"TIMED_OUT":     passes("Salesforce did not answer in time."),
	"SETTLING":      passes("An answer of Salesforce got lost. We wait a moment and look before we send anything again."),
	"API_SPARED":    passes("Your Salesforce has used so many of its API calls that we leave the rest to others. We go on as soon as there are more."),
	"NO_KEY":        admin("Contacts have no text field of that name that is an External ID and unique, or the connected user may not fill it in.", "in Setup → Object Manager → Contact → Fields & Relationships, add a Text field and tick External ID and Unique; then give edit access to it."),
	"GONE":          passes("The Contact was deleted in Salesforce in the meantime."),
	"OTHER_ORG":     passes("Another Salesforce org was connected in the meantime."),

	// One record.
	"SEVERAL_MATCHES":  {"Several Contacts in Salesforce have this address.", You, "Merge them in Salesforce, then send it again; or have the one taken that was changed last, under Settings."},
	"TOO_MANY_MATCHES": admin("Very many Contacts in Salesforce have this address.", "merge the Contacts that have the same address."),

	// Everybody, for a while.
	"RATE_LIMIT_EXCEEDED":     passes("Salesforce had too many log-ins at once."),
	"TEMPORARILY_UNAVAILABLE": passes("Salesforce's log-in is not available right now."),
	"UNREACHABLE":             passes("Salesforce's log-in could not be reached."),
	"UNANSWERED":              passes("Salesforce's log-in did not answer; what it did is being found out."),
	"MISSING_SCOPE":           reconnects("The connection lacks a permission that was not granted when it was made."),
	"NO_REFRESH_TOKEN":        admin("Salesforce gave no lasting access.", "let our app have the scope refresh_token, and its refresh tokens stay valid until revoked."),
	"FOREIGN_HOST":            reconnects("Salesforce named an address that is not its own."),
	"SERVER_ERROR":            passes("Salesforce's log-in failed."),

	// The connection.
	"INVALID_GRANT":                reconnects("The connection to Salesforce was revoked, or has run out."),
	"INVALID_TOKEN":                reconnects("The connection to Salesforce was revoked, or has run out."),
	"INVALID_SCOPE":                reconnects("The connection lacks a permission that was not granted when it was made."),
	"ACCESS_DENIED":                reconnects("Access was denied in Salesforce."),
	"INACTIVE_USER":                admin("The Salesforce user who connected is no longer active.", "activate the user in Setup → Users, or connect with another one."),
	"INACTIVE_ORG":                 admin("Your Salesforce org is not active.", "contact Salesforce about the org."),
	"INVALID_APP_ACCESS":           admin("The user who connected is not approved for our app.", "approve the user's profile or permission set in Setup → Connected Apps → Manage Connected Apps."),
	"OAUTH_APPROVAL_ERROR_GENERIC": admin("Our app is not installed in your Salesforce, or is blocked.", "install it in Setup → Connected Apps OAuth Usage."),
	"INVALID_CLIENT_ID":            invalidApp,
	"INVALID_CLIENT_CREDENTIALS":   invalidApp,
	"UNAUTHORIZED_CLIENT":          invalidApp,
	"REDIRECT_URI_MISMATCH":        invalidApp,
}
