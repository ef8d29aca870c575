package mocksalesforce

import (
	"database/sql"
	"embed"
	"errors"
	"net/http"
	"slices"
	"time"
)

//go:embed templates
var files embed.FS

// view is what the pages show.
type view struct {
	Title     string
	Orgs      []org
	Org       org
	Contacts  []contactView
	Total     int
	Contact   contactView
	Fields    []labelled
	At        string // where the other orgs are shown
	Breakages []breakageView
	Faults    []string // that were put through /_control
	Broken    bool     // anything is
}

// contactView is a Contact for people.
type contactView struct{ ID, Name, Email, Created string }

// labelled is a field with its label.
type labelled struct {
	Label string
	Value any
}

func (s *Server) pageRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /secur/logout.jsp", func(w http.ResponseWriter, r *http.Request) {
		s.core.Logout(w, r, r.URL.Query().Get("retUrl"))
	})
	mux.HandleFunc("GET /lightning/o/Contact/list", s.listPage)
	mux.HandleFunc("GET /lightning/r/{type}/{id}/view", s.recordPage)
}

const listed = 200

// listPage handles the list of Contacts: of one org, the newest first.
func (s *Server) listPage(w http.ResponseWriter, r *http.Request) {
	v, err := s.listOf(r)
	if err != nil {
		s.authorizeFailure(w, r, err)
		return
	}
	s.core.Page(w, http.StatusOK, "list", v)
}

func (s *Server) listOf(r *http.Request) (v view, err error) {
	v = view{Title: "Contacts", At: r.URL.Path}
	if v.Orgs, err = s.core.Orgs(r.Context()); err == nil {
		v.Org, err = s.chosenOrg(r, v.Orgs)
	}
	if err == nil {
		err = s.core.Read.QueryRowContext(r.Context(), `SELECT COUNT(*) FROM records WHERE org = $1 AND type = 'Contact' AND deleted = 0`, v.Org.ID).Scan(&v.Total)
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
		u, _, err := s.core.LoggedIn(r)
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
	found, err := find(r.Context(), s.core.Read, o.ID, s.schema(o.ID).object("Contact"),
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
		s.core.Problem(w, http.StatusNotFound, "Page doesn't exist", "The record was deleted, or the address is wrong.")
		return
	}
	if err != nil {
		s.authorizeFailure(w, r, err)
		return
	}
	v := view{Contact: viewOf(rec)}
	v.Title = v.Contact.Name
	if v.Org, err = s.core.OrgByID(r.Context(), rec.org); err != nil {
		s.authorizeFailure(w, r, err)
		return
	}
	for _, f := range rec.obj.Fields {
		if value := rec.value(f); value != nil && f.Name != "SystemModstamp" && f.Name != "IsDeleted" {
			v.Fields = append(v.Fields, labelled{f.Label, value})
		}
	}
	s.core.Page(w, http.StatusOK, "record", v)
}

// anyRecord finds a record in whatever org it is, or sql.ErrNoRows.
func (s *Server) anyRecord(r *http.Request, kind, id string) (*record, error) {
	o := s.schema("").object(kind)
	if o == nil || !o.Writable {
		return nil, sql.ErrNoRows
	}
	seq, _ := parseID(o.Prefix, id)
	var org string
	if err := s.core.Read.QueryRowContext(r.Context(), `SELECT org FROM records WHERE seq = $1 AND type = $2 AND deleted = 0`, seq, o.Name).Scan(&org); err != nil {
		return nil, err
	}
	rec, err := byID(r.Context(), s.core.Read, org, s.schema(org).object(kind), seq)
	if err == nil && rec == nil {
		err = sql.ErrNoRows
	}
	return rec, err
}
