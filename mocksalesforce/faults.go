package mocksalesforce

import (
	"net/http"
	"strings"

	"gatepost/simulated"
)

// faultKinds are the kinds of call that a fault may be put on. Of single records it fails
// those in Collections too, by error code.
var faultKinds = []string{"token", "revoke", "introspect", "userinfo", "identity", "authorize", "query", "describe",
	"limits", "collections", "composite", "create", "update", "upsert", "delete", "retrieve"}

// refuseBy answers as a fault says.
func refuseBy(w http.ResponseWriter, kind string, f fault) {
	status, code, message := f.Status, f.ErrorCode, faultMessage(f)
	if code == "" {
		code = http.StatusText(status)
		code = strings.ToUpper(strings.ReplaceAll(code, " ", "_"))
		if status == http.StatusServiceUnavailable {
			code = "SERVER_UNAVAILABLE"
		}
	}
	var body any = []errorBody{{Message: message, ErrorCode: code}}
	if oauthKind(kind) {
		body = oauthError{Error: code, Description: message}
	}
	simulated.JSON(w, status, body)
}

var faultMessages = map[string]string{
	"REQUEST_LIMIT_EXCEEDED":   "TotalRequests Limit exceeded.",
	"INVALID_SESSION_ID":       "Session expired or invalid",
	"UNABLE_TO_LOCK_ROW":       "unable to obtain exclusive access to this record or 1 records: 001000000000001",
	"API_DISABLED_FOR_ORG":     "The REST API is not enabled for this Organization.",
	"API_CURRENTLY_DISABLED":   "API is disabled for this User",
	"STORAGE_LIMIT_EXCEEDED":   "storage limit exceeded",
	"rate_limit_exceeded":      "login rate exceeded",
	"invalid_grant":            "expired access/refresh token",
	"invalid_client":           "invalid client credentials",
	"invalid_client_id":        "client identifier invalid",
	"inactive_user":            "inactive user",
	"inactive_org":             "inactive organization",
	"QUERY_TIMEOUT":            "Your query request was running for too long.",
	"REQUEST_RUNNING_TOO_LONG": "Your request was running for too long, and has been stopped.",
}

// faultMessage is what a refusal says, which a fault may leave open.
func faultMessage(f fault) string {
	if f.Message != "" {
		return f.Message
	}
	if m, ok := faultMessages[f.ErrorCode]; ok {
		return m
	}
	return "The server is temporarily unavailable. Please try again later."
}
