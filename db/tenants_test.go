package db

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// Going on after the last one meets each tenant once, closed ones too, while others come and go.
func TestTenantsByPages(t *testing.T) {
	d := open(t)
	add := func(slug string) Tenant {
		t.Helper()
		tenant := Tenant{ID: NewID(), Slug: slug, Name: slug, CreatedAt: time.Now()}
		if err := d.CreateTenant(t.Context(), tenant, FirstNewsletter{Slug: slug + "-weekly", Name: slug, Consent: "Yes."}); err != nil {
			t.Fatal(err)
		}
		return tenant
	}
	var all []Tenant
	for n := range 7 {
		all = append(all, add(fmt.Sprintf("%c%d", 'z'-n, n)))
	}
	if _, err := d.CloseTenant(t.Context(), all[3].ID, d.now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	var met []string
	for after := ""; len(met) < 20; {
		page, err := d.TenantsAfter(t.Context(), after, 2)
		if err != nil || len(page) > 2 {
			t.Fatal(page, err)
		}
		if len(page) == 0 {
			break
		}
		for _, one := range page {
			met, after = append(met, one.Slug), one.ID
			if closed := !one.ClosedAt.IsZero(); closed != (one.ID == all[3].ID) {
				t.Errorf("%s is closed: %v", one.Slug, closed)
			}
		}
		if len(met) == 4 { // the last that was met goes, and another one comes
			if _, err := d.CloseTenant(t.Context(), after, d.now().Add(-time.Second)); err != nil {
				t.Fatal(err)
			}
			if wiped, err := d.WipeTenant(t.Context(), after, nil); err != nil || !wiped.Done {
				t.Fatal(wiped, err)
			}
			all = append(all, add("a"))
		}
	}
	if want := []string{"z0", "y1", "x2", "w3", "v4", "u5", "t6", "a"}; !slices.Equal(met, want) {
		t.Errorf("met %v, want %v", met, want)
	}
}

// Who changes the name and who changes the slug don't undo each other.
func TestATenantIsChangedInParts(t *testing.T) {
	d := open(t)
	_, tenant := member(t, d, "contoso")
	for _, c := range []struct{ change, want Tenant }{
		{Tenant{Slug: "contoso-ltd"}, Tenant{Slug: "contoso-ltd", Name: tenant.Name}},
		{Tenant{Name: "Contoso, Ltd."}, Tenant{Slug: "contoso-ltd", Name: "Contoso, Ltd."}},
		{Tenant{Slug: "a1", Name: "A"}, Tenant{Slug: "a1", Name: "A"}},
		{Tenant{}, Tenant{Slug: "a1", Name: "A"}},
	} {
		c.change.ID = tenant.ID
		if err := d.SetTenant(t.Context(), c.change); err != nil {
			t.Fatal(err)
		}
		if got, err := d.TenantBySlug(t.Context(), c.want.Slug); err != nil || got.Name != c.want.Name || got.ID != tenant.ID {
			t.Errorf("%+v: %+v, %v", c.change, got, err)
		}
	}
}
