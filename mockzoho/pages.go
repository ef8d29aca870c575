package mockzoho

import (
	"database/sql"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"
)

// listed is how many records the list shows.
const listed = 200

// listView is what the list of an org's records shows.
type listView struct {
	Title   string
	Org     org
	Orgs    []orgLink
	Modules []moduleLink
	Records []recordView
	Total   int
}

type orgLink struct {
	Name, URL string
	Here      bool
}

type moduleLink struct {
	Label, URL string
	Here       bool
}

// recordView is a record for people.
type recordView struct{ URL, Name, Email, Created string }

// fieldsView is what the page of a record shows.
type fieldsView struct {
	Title, List, Module string
	Org                 org
	Fields              []labelled
}

// labelled is a field with its label.
type labelled struct {
	Label string
	Value string
}

func (s *Server) pageRoutes(mux *http.ServeMux) {
	s.core.PageRoutes(mux)
	mux.HandleFunc("GET /logout", func(w http.ResponseWriter, r *http.Request) { s.core.Logout(w, r, r.URL.Query().Get("next")) })
	mux.HandleFunc("GET /{$}", s.home)
	mux.HandleFunc("GET /crm/{domain}/tab/{module}", s.listPage)
	mux.HandleFunc("GET /crm/{domain}/tab/{module}/{id}", s.recordPage)
}

// home leads to the contacts of a data centre's first org.
func (s *Server) home(w http.ResponseWriter, r *http.Request) {
	at, _ := locate(r.Host)
	var id string
	err := s.core.Read.QueryRowContext(r.Context(), `SELECT org FROM places WHERE centre = $1 ORDER BY org LIMIT 1`, at.centre).Scan(&id)
	if err != nil {
		s.missing(w, r, err)
		return
	}
	http.Redirect(w, r, "/crm/org"+id+"/tab/"+contactModule, http.StatusFound)
}

// missing answers what isn't there with a page that says so.
func (s *Server) missing(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, sql.ErrNoRows) {
		s.core.Problem(w, http.StatusNotFound, "Not found", "The record was deleted, or the address is wrong.")
		return
	}
	s.core.Failure(w, r, err)
}

// tab finds the org and the module that an address names, or sql.ErrNoRows.
func (s *Server) tab(r *http.Request) (o org, m *module, err error) {
	if o, err = s.org(r.Context(), strings.TrimPrefix(r.PathValue("domain"), "org")); err != nil {
		return o, nil, err
	}
	at, _ := locate(r.Host)
	m = s.setup.Of(o.ID).schema.module(r.PathValue("module"))
	if m == nil || o.at.centre != at.centre {
		return o, nil, sql.ErrNoRows
	}
	return o, m, nil
}

// listPage handles the list of an org's records: the newest first.
func (s *Server) listPage(w http.ResponseWriter, r *http.Request) {
	o, m, err := s.tab(r)
	v := listView{Org: o}
	if err == nil {
		v.Title = m.Plural + " of " + o.Name
		err = s.core.Read.QueryRowContext(r.Context(), `SELECT COUNT(*) FROM records WHERE org = $1 AND module = $2 AND gone = ''`, o.ID, m.Name).Scan(&v.Total)
	}
	var found []*record
	if err == nil {
		found, err = find(r.Context(), s.core.Read, o, m, `seq IN (SELECT seq FROM records WHERE org = $1 AND module = $2 AND gone = '' ORDER BY seq DESC LIMIT $3)`, listed)
	}
	if err == nil {
		v.Orgs, err = s.orgLinks(r, o)
	}
	if err != nil {
		s.missing(w, r, err)
		return
	}
	for _, other := range s.setup.Of(o.ID).schema.modules {
		v.Modules = append(v.Modules, moduleLink{other.Plural, tabURL(o, other.Name), other == m})
	}
	for _, rec := range slices.Backward(found) {
		v.Records = append(v.Records, recordView{tabURL(o, m.Name) + "/" + rec.ID(), fullName(rec.fields), rec.text("Email"),
			time.UnixMilli(rec.created).UTC().Format("2 Jan 2006, 15:04:05 UTC")})
	}
	s.core.Page(w, http.StatusOK, "list", v)
}

func tabURL(o org, module string) string { return "/crm/" + o.Domain() + "/tab/" + module }

// orgLinks are all orgs, each at its data centre.
func (s *Server) orgLinks(r *http.Request, here org) (list []orgLink, err error) {
	all, err := s.core.Orgs(r.Context())
	for _, one := range all {
		o, more := s.org(r.Context(), one.ID)
		err = errors.Join(err, more)
		list = append(list, orgLink{o.Name, s.base(r, location{o.at.centre, production}) + tabURL(o, contactModule), o.ID == here.ID})
	}
	return list, err
}

// recordPage handles the page of a record.
func (s *Server) recordPage(w http.ResponseWriter, r *http.Request) {
	o, m, err := s.tab(r)
	var rec *record
	if err == nil {
		rec, err = bySeq(r.Context(), s.core.Read, o, m, o.seq(r.PathValue("id")))
	}
	if err == nil && (rec == nil || rec.gone != "") {
		err = sql.ErrNoRows
	}
	if err != nil {
		s.missing(w, r, err)
		return
	}
	v := fieldsView{Title: fullName(rec.fields), List: tabURL(o, m.Name), Module: m.Plural, Org: o}
	for _, f := range m.Fields {
		if value := rec.value(f); value != nil {
			v.Fields = append(v.Fields, labelled{f.Label, shownValue(value)})
		}
	}
	s.core.Page(w, http.StatusOK, "record", v)
}

// shownValue is a value in words.
func shownValue(v any) string {
	if b, ok := v.(bool); ok {
		return map[bool]string{true: "Yes", false: "No"}[b]
	}
	return textOf(v)
}
