package db

import (
	"errors"
	"slices"
	"testing"
	"time"
)

// A slug that was ever given isn't given to anybody else, and leads to its newsletter for good.
func TestSlugsOfNewsletters(t *testing.T) {
	d := open(t)
	_, contoso := member(t, d, "contoso")
	_, fabrikam := member(t, d, "fabrikam")
	add := func(tenant Tenant, slug string) (Newsletter, error) {
		id, err := d.AddNewsletter(t.Context(), NewNewsletter{TenantID: tenant.ID, Slug: slug, Name: slug, Consent: "Yes.", Page: PublicPage{Language: "de"}})
		if err != nil {
			return Newsletter{}, err
		}
		n, err := d.TenantNewsletter(t.Context(), tenant.ID, slug)
		if n.ID != id {
			t.Errorf("%s is %+v", slug, n)
		}
		return n, err
	}
	rename := func(n Newsletter, slug string) (Newsletter, error) {
		if err := d.EditNewsletter(t.Context(), n.TenantID, n.ID, n.Revision, NewsletterEdit{Name: n.Name, Slug: slug, Page: n.Page}); err != nil {
			return n, err
		}
		return d.TenantNewsletter(t.Context(), n.TenantID, slug)
	}
	news, err := add(contoso, "news")
	unless(t, err)
	if news.Page.Language != "de" || news.State != NewsletterOpen || news.Revision != 0 || news.Consent != "Yes." || news.Form.Consent.Words != "Yes." {
		t.Errorf("it is %+v", news)
	}
	for _, tenant := range []Tenant{contoso, fabrikam} {
		if _, err := add(tenant, "news"); !errors.Is(err, ErrConflict) {
			t.Errorf("a slug that is taken: %v", err)
		}
	}
	news, err = rename(news, "product-news")
	unless(t, err)
	if _, err := add(fabrikam, "news"); !errors.Is(err, ErrConflict) {
		t.Errorf("a slug that was given up: %v", err)
	}
	other, err := add(fabrikam, "other")
	unless(t, err)
	for _, slug := range []string{"news", "product-news"} {
		if _, err := rename(other, slug); !errors.Is(err, ErrConflict) {
			t.Errorf("renamed to %s: %v", slug, err)
		}
		if n, err := d.NewsletterBySlug(t.Context(), slug); err != nil || n.ID != news.ID {
			t.Errorf("%s leads to %+v, %v", slug, n, err)
		}
		if _, err := d.TenantNewsletter(t.Context(), fabrikam.ID, slug); !errors.Is(err, ErrNotFound) {
			t.Errorf("another tenant found %s: %v", slug, err)
		}
	}
	if news, err = rename(news, "news"); err != nil || news.Slug != "news" || news.Revision != 2 {
		t.Errorf("taken back: %+v, %v", news, err)
	}
	_, err = d.CloseTenant(t.Context(), fabrikam.ID, time.Now().Add(time.Hour))
	unless(t, err)
	if _, err := add(fabrikam, "late"); !errors.Is(err, ErrNotFound) {
		t.Errorf("of a closed tenant: %v", err)
	}
}

// A newsletter that a process of the release before has made, which doesn't know whose a slug is, is edited and
// renamed as any other.
func TestSlugOfAnOlderProcess(t *testing.T) {
	d := open(t)
	n := newsletterOf(t, d)
	_, err := d.write.ExecContext(t.Context(), `UPDATE newsletter_slugs SET newsletter_id = ''`)
	unless(t, err)
	_, err = d.write.ExecContext(t.Context(), `INSERT INTO newsletter_slugs (slug, tenant_id) VALUES ('gone', $1)`, n.TenantID)
	unless(t, err)
	unless(t, d.EditNewsletter(t.Context(), n.TenantID, n.ID, 0, NewsletterEdit{Name: "Same slug", Slug: n.Slug}))
	unless(t, d.EditNewsletter(t.Context(), n.TenantID, n.ID, 1, NewsletterEdit{Name: "Renamed", Slug: "renamed"}))
	for _, slug := range []string{n.Slug, "renamed"} {
		if got, err := d.TenantNewsletter(t.Context(), n.TenantID, slug); err != nil || got.ID != n.ID {
			t.Errorf("%s leads to %+v, %v", slug, got, err)
		}
		if got, err := d.NewsletterBySlug(t.Context(), slug); err != nil || got.ID != n.ID {
			t.Errorf("readers find %s at %+v, %v", slug, got, err)
		}
	}
	if err := d.EditNewsletter(t.Context(), n.TenantID, n.ID, 2, NewsletterEdit{Name: "x", Slug: "gone"}); !errors.Is(err, ErrConflict) {
		t.Errorf("the slug of one that is gone: %v", err)
	}
}

// Of two who edit a newsletter, the second is told; nothing of theirs is stored.
func TestEditNewsletter(t *testing.T) {
	d := open(t)
	n := newsletterOf(t, d)
	edit := func(tenantID, id string, revision int64, e NewsletterEdit) error {
		return d.EditNewsletter(t.Context(), tenantID, id, revision, e)
	}
	page := PublicPage{Description: "All <b>news</b>", Sender: "Contoso", Language: "fr", Accent: "#0b6b4f", Device: true, Redirect: "https://contoso.example/thanks"}
	logo := &Logo{PNG: []byte("png"), Width: 6, Height: 4}
	unless(t, edit(n.TenantID, n.ID, 0, NewsletterEdit{Name: "First", Slug: n.Slug, Page: page, Logo: logo}))
	if err := edit(n.TenantID, n.ID, 0, NewsletterEdit{Name: "Second", Slug: "second"}); !errors.Is(err, ErrLost) {
		t.Errorf("a lost update: %v", err)
	}
	if err := edit(NewID(), n.ID, 1, NewsletterEdit{Name: "x", Slug: n.Slug}); !errors.Is(err, ErrNotFound) {
		t.Errorf("of another tenant: %v", err)
	}
	got, err := d.TenantNewsletter(t.Context(), n.TenantID, n.Slug)
	unless(t, err)
	if got.Name != "First" || got.Revision != 1 || got.Page.Description != page.Description || got.Page.Redirect != page.Redirect || !got.Page.Device || got.LogoID == "" {
		t.Errorf("stored %+v", got)
	}
	wantN(t, d, 0, `SELECT count(*) FROM newsletter_slugs WHERE slug = 'second'`)
	wantN(t, d, 1, `SELECT count(*) FROM logos WHERE tenant_id = $1 AND newsletter_id = $2 AND id = $3 AND png = 'cG5n' AND width = 6 AND height = 4`, n.TenantID, n.ID, got.LogoID)
	unless(t, edit(n.TenantID, n.ID, 1, NewsletterEdit{Name: "First", Slug: n.Slug, Page: page, Logo: logo}))
	wantN(t, d, 0, `SELECT count(*) FROM logos WHERE id = $1`, got.LogoID)
	wantN(t, d, 1, `SELECT count(*) FROM logos WHERE newsletter_id = $1`, n.ID)
	unless(t, edit(n.TenantID, n.ID, 2, NewsletterEdit{Name: "First", Slug: n.Slug, Page: page, NoLogo: true}))
	wantN(t, d, 0, `SELECT count(*) FROM logos WHERE newsletter_id = $1`, n.ID)
}

func TestNewsletterState(t *testing.T) {
	d := open(t)
	n := newsletterOf(t, d)
	if err := d.SetNewsletterState(t.Context(), NewID(), n.ID, NewsletterPaused); !errors.Is(err, ErrNotFound) {
		t.Errorf("of another tenant: %v", err)
	}
	unless(t, d.SetNewsletterState(t.Context(), n.TenantID, n.ID, NewsletterArchived))
	if got, err := d.NewsletterBySlug(t.Context(), n.Slug); err != nil || got.State != NewsletterArchived || got.Revision != 1 {
		t.Errorf("it is %+v, %v", got, err)
	}
}

// A new newsletter feeds the destinations that take all, and none that has chosen.
func TestANewNewsletterFeedsWhatTakesAll(t *testing.T) {
	d := open(t)
	n := newsletterOf(t, d)
	id, err := d.AddNewsletter(t.Context(), NewNewsletter{TenantID: n.TenantID, Slug: NewID(), Name: "x", Consent: "Yes."})
	unless(t, err)
	fed := func() bool {
		all, err := d.Destinations(t.Context(), n.TenantID)
		unless(t, err)
		return all[0].FedBy(id)
	}
	if !fed() {
		t.Error("it feeds nothing")
	}
	_, err = d.SetNewsletters(t.Context(), first(n.TenantID), false, []string{n.ID})
	unless(t, err)
	if fed() {
		t.Error("it feeds what has chosen another")
	}
}

func TestVersionsOfAForm(t *testing.T) {
	d := open(t)
	u, tenant := someone(t, d)
	all, err := d.Newsletters(t.Context(), tenant.ID)
	unless(t, err)
	for i, by := range []string{u.ID, "", "gone"} {
		if _, err := d.write.Exec(`INSERT INTO form_versions (tenant_id, newsletter_id, version, definition, created_at, created_by) VALUES ($1, $2, $3, '{}', 7, $4)`, tenant.ID, all[0].ID, i+1, by); err != nil {
			t.Fatal(err)
		}
	}
	details, err := d.NewsletterDetails(t.Context(), tenant.ID, all[0].ID, d.now(), 1, 3)
	got := details.Versions
	if want := []FormVersion{{3, time.UnixMilli(7), ""}, {2, time.UnixMilli(7), ""}, {1, time.UnixMilli(7), u.Email}}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := d.NewsletterDetails(t.Context(), NewID(), all[0].ID, d.now(), 1, 3); err != nil || len(got.Versions) != 0 {
		t.Errorf("of another tenant: %+v, %v", got, err)
	}
}

func TestNumbersOfNewsletters(t *testing.T) {
	d := open(t)
	n, other := newsletterOf(t, d), newsletterOf(t, d)
	hour := d.now().Truncate(time.Hour)
	unless(t, d.AddViews(t.Context(), []ViewCount{
		{n.TenantID, n.ID, hour, ViewOfPage, 5}, {n.TenantID, n.ID, hour, ViewOfFrame, 2}, {n.TenantID, n.ID, hour.Add(-time.Hour), ViewOfPage, 100},
		{other.TenantID, other.ID, hour, ViewOfPage, 9}, {n.TenantID, NewID(), hour, ViewOfPage, 9}, {other.TenantID, n.ID, hour, ViewOfPage, 9},
	}))
	s := signsUp(t, d, n.TenantID, "jane@reader.example")
	unless(t, addOne(t, s)(d))
	unless(t, addOne(t, s)(d))
	list, all, err := d.NewsletterNumbers(t.Context(), n.TenantID, hour.Add(time.Minute))
	if got := all[n.ID]; err != nil || len(list) != 1 || list[0].ID != n.ID || len(all) != 1 || got.AllViews() != 7 || got.Views[ViewOfFrame] != 2 || got.SignUps != 1 || got.Repeats != 1 {
		t.Errorf("%+v, %v", all, err)
	}
	if _, err := d.write.Exec(`UPDATE subscribers SET fields = '{"f1":"spring"}' WHERE tenant_id = $1`, n.TenantID); err != nil {
		t.Fatal(err)
	}
	got, err := d.NewsletterDetails(t.Context(), n.TenantID, n.ID, hour, 10, 1)
	if err != nil || got.Numbers.AllViews() != 7 || got.Numbers.SignUps != 1 || got.Numbers.Repeats != 1 || len(got.Sources) != 1 || got.Sources[0].Source != "form" || got.Sources[0].Fields["f1"] != "spring" {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := d.NewsletterDetails(t.Context(), n.TenantID, other.ID, hour, 10, 1); err != nil || len(got.Sources) != 0 || got.Numbers.AllViews() != 0 || got.Numbers.SignUps != 0 {
		t.Errorf("of another tenant: %+v, %v", got, err)
	}
}
