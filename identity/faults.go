package identity

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// Fault is what is wrong with what a program asked for. Asking again doesn't help: its
// programmer has to mend it, or whoever runs Gatepost.
type Fault struct {
	Status   int    // of HTTP, 4xx
	Code     string // for programs
	Sentence string // what is wrong and what mends it, without what users are called
}

// The errors of requests that can't be meant.
var (
	// ErrNoTenant says that there is no such tenant, or no more.
	ErrNoTenant = errors.New("no such tenant")
	// ErrContrarySelector says that a selector names a user and none, or an account and none.
	ErrContrarySelector = errors.New("the selector names a user or an account, and none")
)

// ParamError says that a parameter of the authorize end point isn't a request's to set.
type ParamError struct {
	Name    string
	Allowed []string // that are, when an application asks over HTTP
}

// Error names it.
func (e *ParamError) Error() string { return fmt.Sprintf("the parameter %.40q can't be set", e.Name) }

// TooLongError says that what an application sent is too long, or isn't text.
type TooLongError struct {
	Name string
	Most int
	Unit string // what Most counts
}

// Error names it.
func (e *TooLongError) Error() string {
	return fmt.Sprintf("%.60s has to be text, of at most %d %s", e.Name, e.Most, e.Unit)
}

// IncompleteError says what a request to authorize leaves out.
type IncompleteError struct{ Missing []string }

// Error names what is missing.
func (e *IncompleteError) Error() string {
	return "the request to authorize names no " + strings.Join(e.Missing, " and no ")
}

// faultRow is an error that is a program's, or its operator's, to mend, and what it is
// told as.
type faultRow struct {
	is       func(error) bool
	status   int
	code     string
	sentence func(error) string
}

// faults are all of them. A new error of the kind needs a row, and nothing else.
var faults = []faultRow{
	{is(ErrNoService), http.StatusNotFound, "no_service", fixed("There is no such service. gatepost service ls lists those that there are; gatepost service add defines another one.")},
	{is(ErrNoTenant), http.StatusNotFound, "no_tenant", fixed("There is no such tenant, or it was closed. gatepost tenant ls lists those that there are; Gatepost knows tenants by their ids.")},
	{is(ErrNoApp), http.StatusConflict, "no_app", fixed("No app is set for this service. Register one there, and set it with gatepost service set, --client-id and --client-secret-stdin.")},
	{as[*IncompleteError](), http.StatusUnprocessableEntity, "incomplete", func(err error) string {
		return sentenceOf(errorOf[*IncompleteError](err).Error(), "Name it: a tenant by its id, a user as the application calls them, and the session that alone may end what is begun.")
	}},
	{as[*NameError](), http.StatusUnprocessableEntity, "invalid_name", func(err error) string {
		return fmt.Sprintf("The %s can’t be stored: it has to be UTF-8 text of 1 to %d bytes, without a null character.", errorOf[*NameError](err).What, maxName)
	}},
	{is(ErrTooManyTags), http.StatusUnprocessableEntity, "too_many_tags", fixed(fmt.Sprintf("An identity has at most %d tags. Leave some out.", maxTags))},
	{as[*ScopeError](), http.StatusUnprocessableEntity, "invalid_scope", func(err error) string {
		if e := errorOf[*ScopeError](err); len(e.Malformed) > 0 {
			return fmt.Sprintf("The scope %.40q can’t be one: a scope is 1 to 100 printable ASCII characters, without spaces, quotes and backslashes. Name each alone.", e.Malformed[0])
		}
		return sentenceOf(errorOf[*ScopeError](err).Error(), "Add them.")
	}},
	{as[*ParamError](), http.StatusUnprocessableEntity, "invalid_parameter", func(err error) string {
		e := errorOf[*ParamError](err)
		if len(e.Allowed) > 0 {
			return sentenceOf(e.Error(), "This service allows "+strings.Join(e.Allowed, ", ")+".")
		}
		return sentenceOf(e.Error(), "It is part of how OAuth is done, or the service isn’t known to allow it. Leave it out.")
	}},
	{as[*TooLongError](), http.StatusUnprocessableEntity, "invalid", func(err error) string {
		return sentenceOf(errorOf[*TooLongError](err).Error(), "Send less.")
	}},
	{is(ErrForeignHost), http.StatusUnprocessableEntity, "invalid_login_url", fixed("The login address isn’t one of the service’s own. Leave it out, or name one that CheckLogin returned.")},
	{is(ErrLightningHost), http.StatusUnprocessableEntity, "invalid_login_url", fixed("This address is for pages, and not one to log in at. Name a login address that CheckLogin returned, or leave it out.")},
	{is(ErrEmptySelector), http.StatusUnprocessableEntity, "invalid", fixed("Name what to select by: a service, tenant, user, account or tag. That there is no user or no account is not enough.")},
	{is(ErrUnsupported), http.StatusConflict, "unsupported", fixed("The store of this vault can’t do that: it lacks the role. Give the vault a store that has it, as Gatepost’s own database.")},
	{is(ErrContrarySelector), http.StatusUnprocessableEntity, "invalid", fixed("A user and no user, or an account and no account, were asked for together. Leave one of them out.")},
}

// FaultOf is what an error is told as, if it is a fault of what was asked for.
func FaultOf(err error) (Fault, bool) {
	for _, f := range faults {
		if err != nil && f.is(err) {
			return Fault{Status: f.status, Code: f.code, Sentence: f.sentence(err)}, true
		}
	}
	return Fault{}, false
}

func is(target error) func(error) bool {
	return func(err error) bool { return errors.Is(err, target) }
}

func as[E error]() func(error) bool {
	return func(err error) bool {
		var e E
		return errors.As(err, &e)
	}
}

// errorOf is the error of the type E in err.
func errorOf[E error](err error) (e E) {
	errors.As(err, &e)
	return e
}

// sentenceOf is an error's text as a sentence, and what mends it.
func sentenceOf(err, mend string) string {
	return strings.ToUpper(err[:1]) + err[1:] + ". " + mend
}

func fixed(text string) func(error) string { return func(error) string { return text } }
