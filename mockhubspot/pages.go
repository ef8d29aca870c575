package mockhubspot

import (
	"database/sql"
	"embed"
	"errors"
	"net/http"
	"slices"
	"time"

	"gatepost/simulated"
)

//go:embed templates
var files embed.FS

func (s *Server) pageRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /{$}", s.listPage)
	mux.HandleFunc("GET /contacts/{portal}", s.listPage)
	mux.HandleFunc("GET /contacts/{portal}/objects/0-1/views/all/list", s.listPage)
	mux.HandleFunc("GET /contacts/{portal}/record/0-1/{id}", s.recordPage)
	mux.HandleFunc("GET /contacts/{portal}/contact/{id}", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/contacts/"+r.PathValue("portal")+"/record/0-1/"+r.PathValue("id"), http.StatusFound)
	})
}

// listed is how many contacts a page shows.
const listed = 200

// contactView is a contact for people.
type contactView struct{ ID, Name, Email, Created string }

func viewOf(r *contact) contactView {
	return contactView{r.ID(), r.value("hs_full_name_or_email"), r.props["email"], time.UnixMilli(r.created).UTC().Format("2 Jan 2006, 15:04:05 UTC")}
}

// view is what the pages with contacts show.
type view struct {
	Title    string
	Orgs     []simulated.Org
	Org      simulated.Org
	Contacts []contactView
	Total    int
	Fields   []labelled
}

// labelled is a value with its label.
type labelled struct{ Label, Value string }

// listPage handles the list of contacts: of one account, the newest first.
func (s *Server) listPage(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	v := view{Title: "Contacts"}
	var err error
	if v.Orgs, err = s.core.Orgs(ctx); err != nil {
		s.core.Failure(w, r, err)
		return
	}
	i, err := s.chosen(r, v.Orgs)
	if err != nil {
		s.core.Failure(w, r, err)
		return
	}
	if i < 0 {
		s.core.Problem(w, http.StatusNotFound, "Account not found", "There is no such account.")
		return
	}
	v.Org = v.Orgs[i]
	err = s.core.Read.QueryRowContext(ctx, `SELECT COUNT(*) FROM contacts WHERE org = $1 AND archived = 0 AND merged_into = 0`, v.Org.ID).Scan(&v.Total)
	if err == nil {
		var found []*contact
		found, err = find(ctx, s.core.Read, v.Org.ID, `archived = 0 AND merged_into = 0 ORDER BY seq DESC LIMIT $2`, listed)
		for _, one := range found {
			v.Contacts = append(v.Contacts, viewOf(one))
		}
	}
	if err != nil {
		s.core.Failure(w, r, err)
		return
	}
	s.core.Page(w, http.StatusOK, "list", v)
}

// chosen is which account's contacts are wanted: those of the address, else those of
// whoever is logged in, else of the first.
func (s *Server) chosen(r *http.Request, orgs []simulated.Org) (int, error) {
	want := r.PathValue("portal")
	if want == "" {
		u, _, err := s.core.LoggedIn(r)
		if err != nil || u.OrgID == "" {
			return 0, err
		}
		want = u.OrgID
	}
	return slices.IndexFunc(orgs, func(o simulated.Org) bool { return o.ID == want }), nil
}

// recordPage handles the page of one contact. An id that was merged away leads to what it became.
func (s *Server) recordPage(w http.ResponseWriter, r *http.Request) {
	ctx, org := r.Context(), r.PathValue("portal")
	seq := seqOf(r.PathValue("id"))
	found, err := bySeq(ctx, s.core.Read, org, []int64{seq})
	var one *contact
	if err == nil {
		one, err = winner(ctx, s.core.Read, found[seq])
	}
	var v view
	if err == nil && one != nil {
		v.Org, err = s.core.OrgByID(ctx, org)
	}
	if err == nil && (one == nil || one.archived) || errors.Is(err, sql.ErrNoRows) {
		s.core.Problem(w, http.StatusNotFound, "This record isn't available", "The contact was deleted, or the address is wrong.")
		return
	}
	var all *schema
	if err == nil {
		all, err = s.schema(ctx, s.core.Read, org)
	}
	if err != nil {
		s.core.Failure(w, r, err)
		return
	}
	v.Title = one.value("hs_full_name_or_email")
	for _, p := range all.list {
		if value := one.value(p.Name); value != "" {
			v.Fields = append(v.Fields, labelled{p.Label, value})
		}
	}
	s.core.Page(w, http.StatusOK, "record", v)
}
