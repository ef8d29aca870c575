package mockhubspot

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// apiError is how the API refuses, as a whole or, inside a batch, one input.
type apiError struct {
	status        int
	Category      string
	Message       string
	Errors        []errorDetail
	Context       map[string][]string
	more          map[string]any // members that only some refusals have
	retryAfterSec int
}

func (e *apiError) Error() string { return e.Category + ": " + e.Message }

// errorDetail is one of several reasons.
type errorDetail struct {
	Message string              `json:"message"`
	Code    string              `json:"code,omitempty"`
	Context map[string][]string `json:"context,omitempty"`
}

func invalid(message string) *apiError {
	return &apiError{status: http.StatusBadRequest, Category: "VALIDATION_ERROR", Message: message}
}

// body is the refusal of a whole call.
func (e *apiError) body(correlation string) map[string]any {
	b := e.member()
	b["correlationId"] = correlation
	return b
}

// member is the refusal as one of the errors of a batch.
func (e *apiError) member() map[string]any {
	b := map[string]any{"status": "error", "message": e.Message}
	if e.Category != "" {
		b["category"] = e.Category
	}
	if len(e.Errors) > 0 {
		b["errors"] = e.Errors
	}
	if len(e.Context) > 0 {
		b["context"] = e.Context
	}
	maps.Copy(b, e.more)
	return b
}

// traced is e inside a batch: about the input with a trace id. Details are told of whole
// calls alone.
func (e *apiError) traced(trace string) *apiError {
	one := *e
	one.Errors = nil
	one.Context = maps.Clone(e.Context)
	if one.Context == nil {
		one.Context = map[string][]string{}
	}
	one.Context["objectWriteTraceId"] = []string{trace}
	return &one
}

// problem is what is wrong with the value of a property.
type problem struct {
	IsValid          bool   `json:"isValid"`
	Message          string `json:"message"`
	Code             string `json:"error"`
	Name             string `json:"name"`
	LocalizedMessage string `json:"localizedErrorMessage"`
	PortalID         int64  `json:"portalId"`
}

// badValues refuses a record for its values. What is wrong is told as JSON inside the text.
func badValues(org string, problems []problem) *apiError {
	e := invalid("")
	for i := range problems {
		p := &problems[i]
		p.LocalizedMessage, p.PortalID = p.Message, number(org)
		e.Errors = append(e.Errors, errorDetail{p.Message, p.Code, map[string][]string{"propertyName": {p.Name}}})
	}
	text, _ := json.Marshal(problems) // strings and numbers always can be written
	e.Message = "Property values were not valid: " + string(text)
	return e
}

// conflict refuses to make a contact that is there.
func conflict(existing string, tellID bool) *apiError {
	e := &apiError{status: http.StatusConflict, Category: "CONFLICT", Message: "Contact already exists."}
	if tellID {
		e.Message += " Existing ID: " + existing
		e.Context = map[string][]string{"existingId": {existing}}
	}
	return e
}

// notFound refuses a call about a contact that isn't there.
func notFound(id string) *apiError {
	return &apiError{status: http.StatusNotFound, Category: "OBJECT_NOT_FOUND", Message: "resource not found", Context: map[string][]string{"id": {id}}}
}

// missing are the contacts that a batch didn't find.
func missing(ids []string) *apiError {
	return &apiError{status: http.StatusNotFound, Category: "OBJECT_NOT_FOUND",
		Message: "Could not get some CONTACT objects, they may be deleted or not exist. Check that ids are valid.", Context: map[string][]string{"ids": ids}}
}

// duplicates refuses a batch that names something twice.
func duplicates(ids []string) *apiError {
	e := invalid(fmt.Sprintf("Duplicate IDs found in batch input: [%s]. IDs must be unique", strings.Join(ids, ", ")))
	e.Context = map[string][]string{"ids": ids}
	return e
}

// missingScopes refuses a call that the app wasn't let in for.
func missingScopes(scopes []string) *apiError {
	const message = "This app hasn't been granted all required scopes to make this call. Read more about required scopes in the developer documentation."
	return &apiError{status: http.StatusForbidden, Category: "MISSING_SCOPES", Message: message,
		Errors: []errorDetail{{"One or more of the following scopes are required.", "", map[string][]string{"requiredGranularScopes": scopes}}}}
}

// faultKinds are the kinds of call that a fault may be put on. Of single records it fails
// those in batches too, by category.
var faultKinds = []string{"token", "revoke", "introspect", "uninstall", "authorize", "account", "properties", "owners", "validations",
	"batch_read", "batch_create", "batch_update", "batch_upsert", "batch_archive",
	"list", "retrieve", "create", "update", "delete", "search", "merge", "gdpr_delete", "subscriptions"}

// faultCategories are the categories that go with a status of a fault that names none, in
// HubSpot's words.
var faultCategories = map[int]string{
	http.StatusBadRequest: "VALIDATION_ERROR", http.StatusUnauthorized: "EXPIRED_AUTHENTICATION", http.StatusForbidden: "MISSING_SCOPES",
	http.StatusNotFound: "OBJECT_NOT_FOUND", http.StatusConflict: "CONFLICT", http.StatusTooManyRequests: "RATE_LIMITS",
}

// refuseBy answers as a fault says.
func refuseBy(w http.ResponseWriter, kind string, f fault) {
	message := cmp.Or(f.Message, "The server is temporarily unavailable.")
	if slices.Contains([]string{"token", "revoke", "introspect"}, kind) && f.Status < 500 && f.ErrorCode != "" {
		writeReply(w, reply{status: f.Status, body: &oauthError{cmp.Or(rfcCodes[f.ErrorCode], f.ErrorCode), message, f.ErrorCode, message}})
		return
	}
	e := faultError(f, message)
	correlation := uuid()
	w.Header().Set("X-HubSpot-Correlation-Id", correlation)
	writeReply(w, reply{status: f.Status, body: e.body(correlation)})
}

// faultError is the refusal that a fault describes.
func faultError(f fault, message string) *apiError {
	e := &apiError{status: f.Status, Category: cmp.Or(f.ErrorCode, faultCategories[f.Status]), Message: message}
	if e.Category == "RATE_LIMITS" {
		e.more = map[string]any{"policyName": "TEN_SECONDLY_ROLLING"}
	}
	return e
}

// rfcCodes are the names that RFC 6749 has for HubSpot's.
var rfcCodes = map[string]string{
	"BAD_REFRESH_TOKEN": "invalid_grant", "BAD_AUTH_CODE": "invalid_grant", "BAD_CODE_VERIFIER": "invalid_grant",
	"BAD_REDIRECT_URI": "invalid_grant", "BAD_CLIENT_ID": "invalid_client", "BAD_CLIENT_SECRET": "invalid_client",
	"BAD_HUB": "access_denied", "BAD_GRANT_TYPE": "unsupported_grant_type", "BAD_SCOPES": "invalid_scope",
}

// asRefusal is an error that the API has words for, or nil.
func asRefusal(err error) *apiError {
	e, _ := errors.AsType[*apiError](err)
	return e
}
