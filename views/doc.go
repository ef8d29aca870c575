// Package views is the look of Gatepost: the layout, the pages and the
// fragments, written in templ.
//
// Every page takes one view model (see models.go) and renders a whole document;
// what htmx swaps is also exported as a fragment. The package imports no other
// room: addresses of assets, the CSRF token and all data arrive in the models.
// Nothing here writes an inline style, an inline script or an event handler, so
// that the strict Content-Security-Policy of the portal holds.
package views

//go:generate go run github.com/a-h/templ/cmd/templ@v0.3.960 generate
