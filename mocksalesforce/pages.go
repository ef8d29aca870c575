package mocksalesforce

import (
	"bytes"
	"database/sql"
	"embed"
	"errors"
	"html/template"
	"net/http"
	"slices"
	"time"
)

//go:embed templates
var files embed.FS

var templates = parseTemplates()

func parseTemplates() map[string]*template.Template {
	set := map[string]*template.Template{}
	for _, name := range []string{"login", "consent", "problem", "list", "record", "panel"} {
		set[name] = template.Must(template.ParseFS(files, "templates/layout.html", "templates/contacts.html", "templates/"+name+".html"))
	}
	return set
}

// view is what the pages show.
type view struct {
	Title, Message     string
	User               *user
	Users              []userView
	Username, StartURL string
	Ask                *ask
	Approval, Back     string
	Scopes             []string
	Orgs               []org
	Org                org
	Contacts           []contactView
	Total              int
	Contact            contactView
	Fields             []labelled
	At                 string // where the other orgs are shown
	Breakages          []breakageView
	Faults             []string // that were put through /_control
	Broken             bool     // anything is
}

// userView is somebody who can log in, with the name of their org and the address of the
// page where their username is filled in.
type userView struct {
	user
	Org, Login string
}

// contactView is a Contact for people.
type contactView struct{ ID, Name, Email, Created string }

// labelled is a field with its label.
type labelled struct {
	Label string
	Value any
}

func (s *Server) pageRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /login", s.login)
	mux.HandleFunc("POST /login", s.login)
	mux.HandleFunc("GET /secur/logout.jsp", s.logout)
	mux.HandleFunc("GET /lightning/o/Contact/list", s.listPage)
	mux.HandleFunc("GET /lightning/r/{type}/{id}/view", s.recordPage)
	mux.HandleFunc("GET /mocksalesforce.css", s.stylesheet)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		s.page(w, http.StatusNotFound, "problem", view{Title: "Page not found", Message: "There is nothing at this address."})
	})
}

func (s *Server) stylesheet(w http.ResponseWriter, _ *http.Request) {
	css, err := files.ReadFile("templates/style.css")
	if err != nil {
		s.authorizeFailure(w, err)
		return
	}
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	w.Header().Set("Cache-Control", "max-age=300")
	_, _ = w.Write(css)
}

// page renders a page. Its policy sets no form-action: the answer to the
// consent form redirects to the app, which such a policy would block.
func (s *Server) page(w http.ResponseWriter, status int, name string, v view) {
	var b bytes.Buffer
	if err := templates[name].ExecuteTemplate(&b, "layout", v); err != nil {
		s.log.Error("page", "name", name, "error", err)
		writeHTML(w, http.StatusInternalServerError, "Internal Server Error")
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes())
}

const listed = 200

// listPage handles the list of Contacts: of one org, the newest first.
func (s *Server) listPage(w http.ResponseWriter, r *http.Request) {
	v, err := s.listOf(r)
	if err != nil {
		s.authorizeFailure(w, err)
		return
	}
	s.page(w, http.StatusOK, "list", v)
}

func (s *Server) listOf(r *http.Request) (v view, err error) {
	v = view{Title: "Contacts", At: r.URL.Path}
	if v.Orgs, err = s.orgs(r.Context()); err == nil {
		v.Org, err = s.chosenOrg(r, v.Orgs)
	}
	if err == nil {
		err = s.read.QueryRowContext(r.Context(), `SELECT COUNT(*) FROM records WHERE org = $1 AND type = 'Contact' AND deleted = 0`, v.Org.ID).Scan(&v.Total)
	}
	if err == nil {
		v.Contacts, err = s.newest(r, v.Org)
	}
	return v, err
}

// chosenOrg is the org in the address, else that of the browser's log-in, else the first.
func (s *Server) chosenOrg(r *http.Request, orgs []org) (org, error) {
	want := r.URL.Query().Get("org")
	if want == "" {
		u, _, err := s.loggedIn(r)
		if err != nil {
			return org{}, err
		}
		want = u.OrgID
	}
	if i := slices.IndexFunc(orgs, func(o org) bool { return o.ID == want }); i >= 0 {
		return orgs[i], nil
	}
	return orgs[0], nil
}

func (s *Server) newest(r *http.Request, o org) ([]contactView, error) {
	found, err := find(r.Context(), s.read, o.ID, s.schema(o.ID).object("Contact"),
		`seq IN (SELECT seq FROM records WHERE org = $1 AND type = $2 AND deleted = 0 ORDER BY seq DESC LIMIT $3)`, listed)
	list := make([]contactView, 0, len(found))
	for _, rec := range slices.Backward(found) {
		list = append(list, viewOf(rec))
	}
	return list, err
}

func viewOf(rec *record) contactView {
	name, _ := rec.value(rec.obj.field("Name")).(string)
	return contactView{rec.ID(), name, rec.text("Email"), time.UnixMilli(rec.created).UTC().Format("2 Jan 2006, 15:04:05 UTC")}
}

// recordPage handles /lightning/r/Contact/{id}/view.
func (s *Server) recordPage(w http.ResponseWriter, r *http.Request) {
	rec, err := s.anyRecord(r, r.PathValue("type"), r.PathValue("id"))
	if errors.Is(err, sql.ErrNoRows) {
		s.page(w, http.StatusNotFound, "problem", view{Title: "Page doesn't exist", Message: "The record was deleted, or the address is wrong."})
		return
	}
	if err != nil {
		s.authorizeFailure(w, err)
		return
	}
	v := view{Contact: viewOf(rec)}
	v.Title = v.Contact.Name
	if v.Org, err = s.orgByID(r.Context(), rec.org); err != nil {
		s.authorizeFailure(w, err)
		return
	}
	for _, f := range rec.obj.Fields {
		if value := rec.value(f); value != nil && f.Name != "SystemModstamp" && f.Name != "IsDeleted" {
			v.Fields = append(v.Fields, labelled{f.Label, value})
		}
	}
	s.page(w, http.StatusOK, "record", v)
}

// anyRecord finds a record in whatever org it is, or sql.ErrNoRows.
func (s *Server) anyRecord(r *http.Request, kind, id string) (*record, error) {
	o := s.schema("").object(kind)
	if o == nil || !o.Writable {
		return nil, sql.ErrNoRows
	}
	seq, _ := parseID(o.Prefix, id)
	var org string
	if err := s.read.QueryRowContext(r.Context(), `SELECT org FROM records WHERE seq = $1 AND type = $2 AND deleted = 0`, seq, o.Name).Scan(&org); err != nil {
		return nil, err
	}
	rec, err := byID(r.Context(), s.read, org, s.schema(org).object(kind), seq)
	if err == nil && rec == nil {
		err = sql.ErrNoRows
	}
	return rec, err
}
