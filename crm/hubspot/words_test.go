package hubspot

import (
	"testing"

	"gatepost/crm"
	"gatepost/crm/crmtest"
)

// documented are the codes that HubSpot's documents and others' recordings name.
var documented = []string{
	"VALIDATION_ERROR", "INVALID_EMAIL", "PROPERTY_DOESNT_EXIST", "INVALID_OPTION", "INVALID_INTEGER", "READ_ONLY_VALUE",
	"MAX_LENGTH", "MIN_LENGTH", "REGEX", "ALPHANUMERIC", "EMAIL_ALLOWED_DOMAINS", "EMAIL_BLOCKED_DOMAINS", "WHITESPACE", "SPECIAL_CHARACTERS",
	"EXPIRED_AUTHENTICATION", "INVALID_AUTHENTICATION", "MISSING_SCOPES", "BANNED", "OBJECT_NOT_FOUND", "CONFLICT", "OBJECT_ALREADY_EXISTS",
	"RATE_LIMIT", "RATE_LIMITS", "TEN_SECONDLY_ROLLING", "SECONDLY", "DAILY",
	"BAD_REFRESH_TOKEN", "BAD_AUTH_CODE", "BAD_CODE_VERIFIER", "BAD_REDIRECT_URI", "BAD_CLIENT_ID", "BAD_CLIENT_SECRET", "BAD_HUB", "BAD_GRANT_TYPE", "BAD_SCOPES",
	"invalid_grant", "invalid_request", "invalid_client", "access_denied", "unsupported_grant_type", "invalid_scope",
	// Ours, and those that others met in the fields of an account.
	locked, moving, forbidden, tooLarge, duplicateIDs, "HTTP_401", "CONFLICTING_UNIQUE_VALUE", "EMAIL_BLOCKLISTED", "PROPERTY_TOO_LONG", "VALIDATION_RULE_VIOLATION",
}

func TestProvider(t *testing.T) { crmtest.Provider(t, Provider, documented...) }

func TestAdminNote(t *testing.T) {
	got := Provider.AdminNote(Provider.GaveUp("CONFLICT"), crm.NoteFacts{Code: "CONFLICT", Said: "Contact already exists. Existing ID: 51", Org: "Contoso", User: "70011", Since: "19 November", N: 1})
	want := `Hello,

1 of our newsletter sign-ups has not reached HubSpot (Contoso) since 19 November.

HubSpot says that a contact has this address, and does not show it to the user who connected.

HubSpot said: Contact already exists. Existing ID: 51
Code: CONFLICT
ID of the connected user: 70011

What to do: let the user view and edit all contacts: Settings → Users & Teams → Permissions → CRM.

Please tell me when it is done. Then I retry them in Gatepost, and nobody is created twice.

Thank you
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
