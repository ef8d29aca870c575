package views

import "net/http"

// ErrorPage is for Error and ErrorFragment.
type ErrorPage struct {
	Page
	Status    int    // of HTTP
	Sentence  string // what happened and what it means
	Links     []Link // where to go on
	RequestID string
}

func errorTitle(p ErrorPage) string {
	if p.Title != "" {
		return p.Title
	}
	return http.StatusText(p.Status)
}
