package crm

import "strings"

// Who is the one that can fix a failure.
type Who string

// Those who can. Nobody has to where it passes by itself.
const (
	Us     Who = "us"     // whoever runs Gatepost
	You    Who = "you"    // the person who reads it
	Admin  Who = "admin"  // the administrator of the CRM
	Nobody Who = "nobody" // it passes
)

// Explanation says in plain words why somebody is not in the CRM: the title and the label
// wherever the cause is named, the rest on the page about it.
type Explanation struct {
	Title string // the cause in a few words, at most MaxTitle characters: "Blocked by duplicate rule"
	Label string // the same for a narrow column, at most MaxLabel: "Duplicate rule"
	What  string // happened, in a sentence
	Who   Who    // can fix it
	Mend  string // and how, in sentences
}

// How many characters a title and a label may have.
const (
	MaxTitle = 40
	MaxLabel = 24
)

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
		Title: "Refused by Salesforce", Label: "Refused by Salesforce",
		What: "Salesforce answered with “" + code + "”.",
		Who:  Admin,
		Mend: "Ask your Salesforce admin what it means, or tell us, and we find out.",
	}
}

const (
	itPasses  = "Nothing to do: we try again by ourselves."
	reconnect = "Reconnect Salesforce under Integrations."
	askAdmin  = "Ask your Salesforce admin: "
)

func passes(title, label, what string) Explanation {
	return Explanation{title, label, what, Nobody, itPasses}
}

func reconnects(title, label, what string) Explanation {
	return Explanation{title, label, what, You, reconnect}
}

func admin(title, label, what, mend string) Explanation {
	return Explanation{title, label, what, Admin, askAdmin + mend}
}

var invalidApp = Explanation{"Salesforce does not know our app", "App not known", "Salesforce does not know our app.", Us, "We have to correct the app’s settings. Please tell us."}

// explanations are by code in capitals: ours, and those of Salesforce's log-in. Those
// of its API are in codes.
var explanations = map[string]Explanation{
	"NOT_CONNECTED": {"Salesforce is not connected", "Not connected", "Salesforce is not connected.", You, "Connect Salesforce under Integrations: whoever signed up waits here until then."},
	"BROKEN":        reconnects("Connection lost", "Connection lost", "The connection to Salesforce has ended."),
	"UNAVAILABLE":   passes("Salesforce could not be reached", "Not reached", "Salesforce did not answer, or not in a way that makes sense."),
	"TIMED_OUT":     passes("Salesforce did not answer in time", "No answer in time", "Salesforce did not answer in time."),
	"SETTLING":      passes("Checking whether it arrived", "Being checked", "An answer of Salesforce got lost. We wait a moment and look before we send anything again."),
	"API_SPARED":    passes("API calls nearly used up", "API limit near", "Your Salesforce has used so many of its API calls that we leave the rest to others. We go on as soon as there are more."),
	"NO_KEY":        admin("Unique field can’t be used", "Unique field", "Contacts have no text field of that name that is an External ID and unique, or the connected user may not fill it in.", "in Setup → Object Manager → Contact → Fields & Relationships, add a Text field and tick External ID and Unique; then give edit access to it."),
	"GONE":          passes("Contact deleted meanwhile", "Contact deleted", "The Contact was deleted in Salesforce in the meantime."),
	"OTHER_ORG":     passes("Another org was connected", "Another org", "Another Salesforce org was connected in the meantime."),

	// One record.
	"SEVERAL_MATCHES":  {"Several Contacts match", "Several Contacts", "Several Contacts in Salesforce have this address.", You, "Merge them in Salesforce, then retry; or have the one taken that was changed last, under Settings."},
	"TOO_MANY_MATCHES": admin("Very many Contacts match", "Many Contacts", "Very many Contacts in Salesforce have this address.", "merge the Contacts that have the same address."),

	// Everybody, for a while.
	"RATE_LIMIT_EXCEEDED":     passes("Too many log-ins at once", "Too many log-ins", "Salesforce had too many log-ins at once."),
	"TEMPORARILY_UNAVAILABLE": passes("Salesforce’s log-in is not available", "Log-in not available", "Salesforce’s log-in is not available right now."),
	"UNREACHABLE":             passes("Salesforce’s log-in not reached", "Log-in not reached", "Salesforce’s log-in could not be reached."),
	"UNANSWERED":              passes("Salesforce’s log-in did not answer", "No answer at log-in", "Salesforce’s log-in did not answer; what it did is being found out."),
	"MISSING_SCOPE":           reconnects("Connection lacks a permission", "Permission missing", "The connection lacks a permission that was not granted when it was made."),
	"NO_REFRESH_TOKEN":        admin("No lasting access", "No lasting access", "Salesforce gave no lasting access.", "let our app have the scope refresh_token, and its refresh tokens stay valid until revoked."),
	"FOREIGN_HOST":            reconnects("Address is not Salesforce’s own", "Foreign address", "Salesforce named an address that is not its own."),
	"SERVER_ERROR":            passes("Salesforce’s log-in failed", "Log-in failed", "Salesforce’s log-in failed."),

	// The connection.
	"INVALID_GRANT":                reconnects("Connection lost", "Connection lost", "The connection to Salesforce was revoked, or has run out."),
	"INVALID_TOKEN":                reconnects("Connection lost", "Connection lost", "The connection to Salesforce was revoked, or has run out."),
	"INVALID_SCOPE":                reconnects("Connection lacks a permission", "Permission missing", "The connection lacks a permission that was not granted when it was made."),
	"ACCESS_DENIED":                reconnects("Access denied in Salesforce", "Access denied", "Access was denied in Salesforce."),
	"INACTIVE_USER":                admin("Connected user is inactive", "User inactive", "The Salesforce user who connected is no longer active.", "activate the user in Setup → Users, or connect with another one."),
	"INACTIVE_ORG":                 admin("Salesforce org is inactive", "Org inactive", "Your Salesforce org is not active.", "contact Salesforce about the org."),
	"INVALID_APP_ACCESS":           admin("Connected user not approved", "User not approved", "The user who connected is not approved for our app.", "approve the user’s profile or permission set in Setup → Connected Apps → Manage Connected Apps."),
	"OAUTH_APPROVAL_ERROR_GENERIC": admin("App not installed or blocked", "App blocked", "Our app is not installed in your Salesforce, or is blocked.", "install it in Setup → Connected Apps OAuth Usage."),
	"INVALID_CLIENT_ID":            invalidApp,
	"INVALID_CLIENT_CREDENTIALS":   invalidApp,
	"UNAUTHORIZED_CLIENT":          invalidApp,
	"REDIRECT_URI_MISMATCH":        invalidApp,
}
