package mockzoho

import (
	"fmt"
	"net/http"
)

// details are what an error tells beside its code.
type details map[string]any

// apiError is how the API refuses, a whole call or one row of it.
type apiError struct {
	Code    string  `json:"code"`
	Details details `json:"details"`
	Message string  `json:"message"`
	Status  string  `json:"status"`

	http   int
	inData bool // the body is that of a row: {"data":[…]}
}

// Error lets an apiError be returned as an error.
func (e *apiError) Error() string { return e.Code + ": " + e.Message }

// fail refuses a call.
func fail(status int, code, message string, d details) *apiError {
	if d == nil {
		d = details{}
	}
	return &apiError{Code: code, Details: d, Message: message, Status: "error", http: status}
}

// rowError refuses a row, or a call by something in its body.
func rowError(code, message string, d details) *apiError {
	return fail(http.StatusBadRequest, code, message, d)
}

// body is what an error's answer says.
func (e *apiError) body() any {
	if e.inData {
		return map[string]any{"data": []*apiError{e}}
	}
	return e
}

// invalidData refuses a value by its place in the body.
func invalidData(field, path string, more details) *apiError {
	d := details{"api_name": field, "json_path": path}
	for name, v := range more {
		d[name] = v
	}
	return rowError("INVALID_DATA", "invalid data", d)
}

func mandatory(field, path string) *apiError {
	return rowError("MANDATORY_NOT_FOUND", "required field not found", details{"api_name": field, "json_path": path})
}

func missingParam(name string) *apiError {
	return rowError("REQUIRED_PARAM_MISSING", "One of the expected parameter is missing", details{"param_name": name})
}

func invalidParam(name string) *apiError {
	return rowError("INVALID_DATA", "the value given seems to be invalid", details{"param_name": name})
}

var (
	errInvalidToken = fail(http.StatusUnauthorized, "INVALID_TOKEN", "invalid oauth token", nil)
	errNoToken      = fail(http.StatusUnauthorized, "AUTHENTICATION_FAILURE", "Authentication failed", nil)
	errNoURL        = fail(http.StatusNotFound, "INVALID_URL_PATTERN", "Please check if the URL trying to access is a correct one", nil)
	errNoMethod     = fail(http.StatusMethodNotAllowed, "INVALID_REQUEST_METHOD", "The http request method type is not a valid one", nil)
	errInternal     = fail(http.StatusInternalServerError, "INTERNAL_ERROR", "Internal server error occurred.", nil)
	errModule       = rowError("INVALID_MODULE", "the module name given seems to be invalid", nil)
)

// rowPath is where something of a row stands in a body.
func rowPath(row int, field string) string { return fmt.Sprintf("$.data[%d].%s", row, field) }
