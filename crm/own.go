package crm

// own are the sentences of the engine, by code in capitals: those of our own codes, and of
// what OAuth has every log-in say. {CRM}, {Record} and {Records} stand for what the CRM
// calls itself and them: see Provider.Fill. What a CRM says of a code itself goes before.
var own = map[string]Explanation{
	"NOT_CONNECTED": {"{CRM} is not connected", "Not connected", "{CRM} is not connected.", You, "Connect {CRM} under Integrations: whoever signed up waits here until then."},
	"BROKEN":        Reconnects("Connection lost", "Connection lost", "The connection to {CRM} has ended."),
	"UNAVAILABLE":   Passes("{CRM} could not be reached", "Not reached", "{CRM} did not answer, or not in a way that makes sense."),
	"TIMED_OUT":     Passes("{CRM} did not answer in time", "No answer in time", "{CRM} did not answer in time."),
	"SETTLING":      Passes("Checking whether it arrived", "Being checked", "An answer of {CRM} got lost. We wait a moment and look before we send anything again."),
	"API_SPARED":    Passes("API calls nearly used up", "API limit near", "Your {CRM} has used so many of its API calls that we leave the rest to others. We go on as soon as there are more."),
	"EXISTS":        Passes("{Record} made meanwhile", "Made meanwhile", "Somebody else made the {Record} in {CRM} in the meantime."),
	"GONE":          Passes("{Record} deleted meanwhile", "{Record} deleted", "The {Record} was deleted in {CRM} in the meantime."),
	"OTHER_ORG":     Passes("Another org was connected", "Another org", "Another {CRM} org was connected in the meantime."),
	"NO_ORG":        Reconnects("Org not known", "Org not known", "Nobody has found out yet which {CRM} org the connection is for, so nothing is sent there."),

	"REQUIRED_FIELD": {"Required field not mapped", "Required field", "{CRM} requires a field for a new {Record} that nothing is mapped to, so no new {Records} are made. Those that exist go on.", You, "Choose under Field mapping what the field is filled with, or have the field made optional and press Read again there. We go on by ourselves then."},

	"NO_KEY": ByAdmin("Unique field can’t be used", "Unique field", "{CRM} has no unique field of that name, or the connected user may not fill it in.", "add the field, or give edit access to it."),

	"NO_OPT_OUT": ByAdmin("Opt-out can’t be set", "No opt-out", "The connected user may not see or set {CRM}’s mark for people who want no e-mail.", "give the connected user read and edit access to it."),

	// One record.
	"STILL_NAMED":      ByAdmin("{Record} still says whose it is", "Still named", "{CRM} took the change of the {Record}, which says whose it is all the same.", "see which automation writes the name or the address back, and empty them."),
	"SEVERAL_MATCHES":  {"Several {Records} match", "Several {Records}", "Several {Records} in {CRM} have this address.", You, "Merge them in {CRM}, then retry; or have the one taken that was changed last, under Settings."},
	"TOO_MANY_MATCHES": ByAdmin("Very many {Records} match", "Many {Records}", "Very many {Records} in {CRM} have this address.", "merge the {Records} that have the same address."),

	// The log-in: everybody, for a while.
	"RATE_LIMIT_EXCEEDED":     Passes("Too many log-ins at once", "Too many log-ins", "{CRM} had too many log-ins at once."),
	"TEMPORARILY_UNAVAILABLE": Passes("{CRM}’s log-in is not available", "Log-in not available", "{CRM}’s log-in is not available right now."),
	"UNREACHABLE":             Passes("{CRM}’s log-in not reached", "Log-in not reached", "{CRM}’s log-in could not be reached."),
	"UNANSWERED":              Passes("{CRM}’s log-in did not answer", "No answer at log-in", "{CRM}’s log-in did not answer; what it did is being found out."),
	"MISSING_SCOPE":           Reconnects("Connection lacks a permission", "Permission missing", "The connection lacks a permission that was not granted when it was made."),
	"NO_REFRESH_TOKEN":        ByAdmin("No lasting access", "No lasting access", "{CRM} gave no lasting access.", "let our app keep its access."),
	"FOREIGN_HOST":            Reconnects("Address is not {CRM}’s own", "Foreign address", "{CRM} named an address that is not its own."),
	"SERVER_ERROR":            Passes("{CRM}’s log-in failed", "Log-in failed", "{CRM}’s log-in failed."),

	// The log-in: the connection.
	"INVALID_GRANT":              Reconnects("Connection lost", "Connection lost", "The connection to {CRM} was revoked, or has run out."),
	"INVALID_TOKEN":              Reconnects("Connection lost", "Connection lost", "The connection to {CRM} was revoked, or has run out."),
	"INVALID_SCOPE":              Reconnects("Connection lacks a permission", "Permission missing", "The connection lacks a permission that was not granted when it was made."),
	"ACCESS_DENIED":              Reconnects("Access denied in {CRM}", "Access denied", "Access was denied in {CRM}."),
	"INVALID_CLIENT_ID":          UnknownApp(),
	"INVALID_CLIENT_CREDENTIALS": UnknownApp(),
	"UNAUTHORIZED_CLIENT":        UnknownApp(),
	"REDIRECT_URI_MISMATCH":      UnknownApp(),
}
