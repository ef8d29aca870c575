package zoho

import (
	"testing"

	"gatepost/crm/crmtest"
)

// documented are the codes that Zoho's documents and the simulated one have.
var documented = []string{
	"INVALID_DATA", "MANDATORY_NOT_FOUND", "DUPLICATE_DATA", "MULTIPLE_OR_MULTI_ERRORS", "DEPENDENT_FIELD_MISSING", "DEPENDENT_MISMATCH",
	"EXPECTED_FIELD_MISSING", "AMBIGUITY_DURING_PROCESSING", "LIMIT_EXCEEDED", "RECORD_LOCKED", "NOT_APPROVED", "RECORD_IN_BLUEPRINT",
	"ID_ALREADY_CONVERTED", "AUTHORIZATION_FAILED", "NO_PERMISSION", "CANNOT_PROCESS", "INVALID_MODULE", "INVALID_REQUEST_METHOD",
	"ALREADY_MODIFIED", "SYNTAX_ERROR", "INVALID_QUERY", "REQUIRED_PARAM_MISSING", "TOO_MANY_REQUESTS", "INTERNAL_ERROR",
	"INVALID_TOKEN", "AUTHENTICATION_FAILURE", "OAUTH_SCOPE_MISMATCH", "INVALID_URL_PATTERN", "LIMIT_REACHED", "REQUEST_BODY_TOO_LARGE", "UNSUPPORTED_MEDIA_TYPE",
	// Of the token end point.
	"invalid_code", "invalid_client", "invalid_client_secret", "invalid_redirect_uri", "access_denied", "general_error", "failure",
	// Ours.
	apiAccessOff, emailRefused, nameTooLong, noSuchRecord, noSuchField, duplicateEmail, "HTTP_401", "no_key",
}

func TestProvider(t *testing.T) { crmtest.Provider(t, Provider, documented...) }

// A code in the tables that is none of Zoho's would never be found.
func TestNoCodeIsMadeUp(t *testing.T) {
	known := map[string]bool{}
	for _, code := range documented {
		known[code] = true
	}
	for code := range Provider.Codes {
		if !known[code] {
			t.Errorf("%s is not among the documented codes", code)
		}
	}
}
