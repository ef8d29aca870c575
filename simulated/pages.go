package simulated

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"maps"
	"net/http"
	"slices"
)

//go:embed templates
var files embed.FS

// commonPages are the templates that every service has.
var commonPages = []string{"login", "consent", "problem"}

// parsePages reads the templates: the common ones, and the service's own.
func (c *Core) parsePages() error {
	v := &c.service
	funcs := template.FuncMap{"service": func() string { return v.Title }, "password": func() string { return v.Name }, "stylesheet": c.StyleSheet}
	maps.Copy(funcs, v.Funcs)
	c.pages = map[string]*template.Template{}
	for _, name := range slices.Concat(commonPages, v.Pages) {
		t := template.New(name).Funcs(funcs)
		from, names := fs.FS(files), []string{"templates/layout.html"}
		if slices.Contains(commonPages, name) {
			names = append(names, "templates/"+name+".html")
		}
		_, err := t.ParseFS(from, names...)
		if err == nil && slices.Contains(v.Pages, name) {
			var own []string
			for _, part := range append(slices.Clone(v.Common), name) {
				own = append(own, "templates/"+part+".html")
			}
			_, err = t.ParseFS(v.Files, own...)
		}
		if err != nil {
			return fmt.Errorf("page %s: %w", name, err)
		}
		c.pages[name] = t
	}
	ours, err := fs.ReadFile(files, "templates/style.css")
	own, err2 := fs.ReadFile(v.Files, "templates/style.css")
	c.style = slices.Concat(ours, own)
	return errors.Join(err, err2)
}

// StyleSheet is the path of the style sheet.
func (c *Core) StyleSheet() string { return "/mock" + c.service.Name + ".css" }

// PageRoutes routes the log-in page, the style sheet and, for whatever has no route of its
// own, a page that says so.
func (c *Core) PageRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /login", c.login)
	mux.HandleFunc("POST /login", c.login)
	mux.HandleFunc("GET "+c.StyleSheet(), func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/css; charset=utf-8")
		w.Header().Set("Cache-Control", "max-age=300")
		_, _ = w.Write(c.style)
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		c.Problem(w, http.StatusNotFound, "Page not found", "There is nothing at this address.")
	})
}

// Page renders a page. Its policy sets no form-action: the answer to the consent form
// redirects to the app, which such a policy would block. V has at least a Title.
func (c *Core) Page(w http.ResponseWriter, status int, name string, v any) {
	var b bytes.Buffer
	if err := c.pages[name].ExecuteTemplate(&b, "layout", v); err != nil {
		c.Log.Error("page", "name", name, "error", err)
		HTML(w, http.StatusInternalServerError, "Internal Server Error")
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'")
	if h.Get("Referrer-Policy") == "" {
		h.Set("Referrer-Policy", "no-referrer")
	}
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes())
}

// Problem shows a page that says what can't be done.
func (c *Core) Problem(w http.ResponseWriter, status int, title, message string) {
	c.Page(w, status, "problem", struct{ Title, Message string }{title, message})
}

// Consent is a page that asks a person whether to let an app in. Its form sends id and
// decision, which is allow or deny.
type Consent struct {
	Title, App      string
	Intro           string   // follows the app's name and leads to the scopes
	Scopes          []string // in words
	Question, Who   string   // the question ends in the name of whom it is about
	Other, OtherURL string   // a link to another person or organisation
	ID              string   // as KeepAsk returned it
	Action          string   // where the form goes
	Allow, Deny     string   // on the buttons
	RedirectURI     string
}

// AskConsent shows the page.
func (c *Core) AskConsent(w http.ResponseWriter, v Consent) { c.Page(w, http.StatusOK, "consent", v) }
