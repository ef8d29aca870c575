package routes_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"gatepost/auth"
	"gatepost/db"
	"gatepost/identity"
)

const tenantsPath, tenantPath = "/tenants", "/tenants/{slug}"

func (g answer) says(text string) answer {
	g.t.Helper()
	if detail, _ := g.fields["detail"].(string); !strings.Contains(detail, text) {
		g.t.Errorf("no %q in %s", text, g.text)
	}
	return g
}

func (g answer) has(field string, want any) answer {
	g.t.Helper()
	if got := g.fields[field]; got != want {
		g.t.Errorf("%s is %v, want %v: %s", field, got, want, g.text)
	}
	return g
}

// A key that is bound to something works on no tenant, whatever stands in the database.
func TestTenantsNeedAnOperatorsKey(t *testing.T) {
	t.Parallel()
	a := openAPI(t)
	key := a.key(nil, nil, auth.Tenants, auth.Read)
	for _, bound := range []string{`tenants = '["` + a.tenant("contoso").ID + `"]', services = '[]'`, `tenants = '[]', services = '["sfdc"]'`} {
		if _, err := a.store.Writer().Exec(`UPDATE api_keys SET ` + bound); err != nil {
			t.Fatal(err)
		}
		a.keys.Forget()
		a.call(key, "GET", tenantsPath, "/tenants", "").is(403, "forbidden")
		a.call(key, "POST", tenantsPath, "/tenants", `{"slug":"northwind"}`).is(403, "forbidden")
		for method, body := range map[string]string{"GET": "", "PATCH": `{"name":"Other"}`, "DELETE": `{"slug":"contoso"}`} {
			a.call(key, method, tenantPath, "/tenants/contoso", body).is(403, "forbidden")
		}
		a.call(key, "GET", "/services", "/services", "").is(200, "")
	}
	if n := a.count(`SELECT count(*) FROM tenants WHERE closed_at = 0 AND name IN ('Contoso', 'Fabrikam')`); n != 2 {
		t.Errorf("%d tenants are as they were", n)
	}
}

func TestTenantsOverTheAPIAreRefused(t *testing.T) {
	t.Parallel()
	a := openAPI(t)
	key := a.key(nil, nil, auth.Tenants)
	for body, says := range map[string]string{
		`{}`:                    `"slug": This is needed`,
		`{"name":"Northwind"}`:  `"slug": This is needed`,
		`{"slug":""}`:           `"slug": A URL name has 2 to 63`,
		`{"slug":"a"}`:          "2 to 63",
		`{"slug":"-ab"}`:        "no hyphen at its ends",
		`{"slug":" northwind"}`: "2 to 63",
		`{"slug":"Northwind"}`:  "lower-case",
		`{"slug":"north/wind"}`: "lower-case",
		`{"slug":"nörthwind"}`:  "lower-case",
		`{"slug":"` + strings.Repeat("x", 64) + `"}`:                    "2 to 63",
		`{"slug":"` + db.NewID() + `"}`:                                 "look like an id",
		`{"slug":7}`:                                                    `"slug": This has a value of the wrong type`,
		`{"slug":["northwind"]}`:                                        "of the wrong type",
		`{"slug":null}`:                                                 `"slug": This is null`,
		`{"slug":"northwind","name":null}`:                              `"name": This is null`,
		`{"slug":"northwind","name":""}`:                                `"name": A name is needed`,
		`{"slug":"northwind","name":" "}`:                               `"name": A name is needed`,
		`{"slug":"northwind","name":"a\nb"}`:                            `"name": Please check`,
		`{"slug":"northwind","name":"` + strings.Repeat("é", 81) + `"}`: "at most 80 characters",
		`{"slug":"northwind","slug":"x2"}`:                              `"slug": This is there more than once`,
		`{"slug":"northwind","Name":"x"}`:                               `"Name": There is no field`,
		`{"slug":"northwind","id":"x"}`:                                 `"id": There is no field`,
		`["northwind"]`:                                                 "The body",
		`null`:                                                          "The body",
		`{"slug":"northwind"`:                                           "This is not JSON",
		`{"slug":"\ud800"}`:                                             "half a character",
	} {
		a.call(key, "POST", tenantsPath, "/tenants", body).is(422, "invalid").says(says)
		if !strings.Contains(body, "northwind") || strings.Contains(says, "needed") && !strings.Contains(body, "slug") {
			a.call(key, "PATCH", tenantPath, "/tenants/contoso", strings.Replace(body, `{"name":"Northwind"}`, `{"name":""}`, 1)).is(422, "invalid")
		}
	}
	a.call(key, "PATCH", tenantPath, "/tenants/contoso", `{}`).is(422, "invalid").says("Say what to change")
	a.call(key, "PATCH", tenantPath, "/tenants/nobody", `{"name":"x"}`).is(404, "not_found")
	a.call(key, "GET", tenantPath, "/tenants/nobody", "").is(404, "not_found")
	a.call(key, "GET", tenantPath, "/tenants/Contoso", "").is(404, "not_found")
	a.call(key, "GET", tenantPath, "/tenants/"+a.tenant("contoso").ID, "").is(404, "not_found")
	a.call(key, "POST", tenantsPath, "/tenants", `{"slug":"contoso"}`).is(409, "conflict").says("has the slug contoso")
	a.call(key, "PATCH", tenantPath, "/tenants/contoso", `{"slug":"fabrikam"}`).is(409, "conflict").says("has the slug fabrikam")
	for body, says := range map[string]string{`{}`: "once more", `{"slug":""}`: "once more", `{"slug":"fabrikam"}`: "once more", `{"slug":"Contoso"}`: "once more", `{"slug":"contoso "}`: "once more",
		`{"slug":null}`: "null", `{"slug":"contoso","slug":"contoso"}`: "more than once", `{"slug":"contoso","now":true}`: "no field", `{"slug":true}`: "wrong type"} {
		a.call(key, "DELETE", tenantPath, "/tenants/contoso", body).is(422, "invalid").says(says)
	}
	a.call(key, "DELETE", tenantPath, "/tenants/nobody", `{"slug":"nobody"}`).is(404, "not_found")
	for _, c := range [][2]string{{"POST", "/tenants"}, {"PATCH", "/tenants/contoso"}, {"DELETE", "/tenants/contoso"}} {
		path := map[bool]string{true: tenantsPath, false: tenantPath}[c[1] == "/tenants"]
		a.call(key, c[0], path, c[1], "").is(415, "unsupported_media_type")
		a.holds(a.operation(c[0], path), a.announced(c[0], c[1], 70_000).is(413, "request_entity_too_large"))
	}
	for _, q := range []string{"?page=", "?limit=0", "?limit=201", "?limit=x", "?slug=contoso", "?limit=1&limit=1"} {
		a.call(key, "GET", tenantsPath, "/tenants"+q, "").is(422, "invalid")
	}
	if n := a.count(`SELECT count(*) FROM tenants WHERE closed_at = 0 AND name IN ('Contoso', 'Fabrikam')`); n != 2 || a.count(`SELECT count(*) FROM tenants`) != 2 {
		t.Errorf("%d tenants are as they were", n)
	}
}

func TestTenantsOverTheAPI(t *testing.T) {
	t.Parallel()
	a := openAPI(t)
	key := a.key(nil, nil, auth.Tenants, auth.Read)
	added := a.call(key, "POST", tenantsPath, "/tenants", `{"slug":"northwind-labs"}`).is(201, "").has("name", "Northwind Labs").has("state", "open").has("slug", "northwind-labs")
	if at := added.header.Get("Location"); at != "/api/v1/tenants/northwind-labs" {
		t.Errorf("it is at %q", at)
	}
	a.call(key, "POST", tenantsPath, "/tenants", `{"slug":"northwind-labs"}`).is(409, "conflict")
	if _, err := a.store.NewsletterBySlug(t.Context(), "northwind-labs-weekly"); err != nil {
		t.Errorf("its newsletter: %v", err)
	}
	a.call(key, "POST", tenantsPath, "/tenants", `{"slug":"tailspin","name":"  Tailspin, Ltd. "}`).is(201, "").has("name", "Tailspin, Ltd.")

	// By pages, those that are removed too.
	var met []string
	for target := "/tenants?limit=3"; target != ""; {
		got := a.call(key, "GET", tenantsPath, target, "").is(200, "")
		for _, one := range got.fields["tenants"].([]any) {
			met = append(met, one.(map[string]any)["slug"].(string))
		}
		if target = ""; got.fields["next"] != nil {
			target = "/tenants?limit=3&page=" + got.fields["next"].(string)
		}
	}
	if want := []string{"contoso", "fabrikam", "northwind-labs", "tailspin"}; !slices.Equal(slices.Sorted(slices.Values(met)), want) {
		t.Errorf("met %v", met)
	}

	// Name, slug, both; what isn't named stays.
	a.call(key, "PATCH", tenantPath, "/tenants/northwind-labs", `{"slug":"northwind"}`).is(200, "").has("slug", "northwind").has("name", "Northwind Labs")
	a.call(key, "GET", tenantPath, "/tenants/northwind-labs", "").is(404, "not_found")
	a.call(key, "PATCH", tenantPath, "/tenants/northwind", `{"name":"Northwind"}`).is(200, "").has("slug", "northwind").has("name", "Northwind")
	a.call(key, "PATCH", tenantPath, "/tenants/northwind", `{"name":"NW","slug":"nw"}`).is(200, "")
	a.call(key, "PATCH", tenantPath, "/tenants/nw", `{"name":"NW","slug":"nw"}`).is(200, "") // once more
	a.call(key, "GET", tenantPath, "/tenants/nw", "").is(200, "").has("slug", "nw").has("name", "NW").has("id", added.fields["id"])
}

// A tenant that is removed over the API goes as by the command: it is closed at once, its
// connections are revoked, and its data is deleted after seven days.
func TestATenantIsRemovedOverTheAPI(t *testing.T) {
	t.Parallel()
	a := openAPI(t)
	key, its := a.key(nil, nil, auth.Tenants, auth.Read), a.key([]string{"contoso"}, nil, auth.Read)
	a.call(its, "GET", "/identities", "/identities", "").is(200, "")
	form := a.browser()
	form.get("/signup/contoso-weekly").is(200)
	contoso := a.tenant("contoso")
	gone := a.call(key, "DELETE", tenantPath, "/tenants/contoso", `{"slug":"contoso"}`).is(200, "").has("state", "closed").has("api_keys", 1.0)
	closed, err := time.Parse(time.RFC3339Nano, fmt.Sprint(gone.fields["closed_at"]))
	wipe, failed := time.Parse(time.RFC3339Nano, fmt.Sprint(gone.fields["wipe_at"]))
	if err != nil || failed != nil || wipe.Sub(closed).Round(time.Minute) != identity.WipeAfter || time.Since(closed).Abs() > time.Minute {
		t.Errorf("closed at %v, wiped at %v, %v, %v", closed, wipe, err, failed)
	}
	var met []string
	for _, r := range gone.fields["receipts"].([]any) {
		receipt := r.(map[string]any)
		met = append(met, fmt.Sprint(receipt["id"]))
		if receipt["revoked"] != (receipt["ending"] == "revoked") || receipt["ending"] == "pending" {
			t.Errorf("%v", receipt)
		}
	}
	if slices.Sort(met); !slices.Equal(met, slices.Sorted(slices.Values(a.ids["contoso"]))) {
		t.Errorf("receipts of %v, want %v", met, a.ids["contoso"])
	}
	// At once, in this process too.
	form.get("/signup/contoso-weekly").is(404)
	a.call(its, "GET", "/identities", "/identities", "").is(401, "unauthorized")
	if got := a.call(key, "GET", "/identities", "/identities", "").is(200, "").fields["identities"].([]any); len(got) != len(a.ids["fabrikam"]) {
		t.Errorf("%d identities are left", len(got))
	}
	shown := a.call(key, "GET", tenantPath, "/tenants/contoso", "").is(200, "").has("state", "closed")
	if at, _ := time.Parse(time.RFC3339Nano, fmt.Sprint(shown.fields["wipe_at"])); at.Sub(wipe).Abs() > time.Second {
		t.Errorf("shown to be wiped at %v, told %v", at, wipe)
	}
	a.call(key, "DELETE", tenantPath, "/tenants/contoso", `{"slug":"contoso"}`).is(409, "conflict").says("its data is deleted on " + wipe.Format("2006-01-02 15:04"))
	a.call(key, "PATCH", tenantPath, "/tenants/contoso", `{"name":"New"}`).is(409, "conflict").says("--reopen")
	a.call(key, "POST", tenantsPath, "/tenants", `{"slug":"contoso"}`).is(409, "conflict").says("keeps its slug")
	if t, err := a.store.AnyTenantBySlug(t.Context(), "contoso"); err != nil || t.ID != contoso.ID {
		a.t.Errorf("it is wiped: %v", err)
	}
	if err := a.store.ReopenTenant(t.Context(), contoso.ID); err != nil {
		t.Error(err)
	}
	a.call(key, "GET", tenantPath, "/tenants/contoso", "").is(200, "").has("state", "open")
	for _, line := range []string{"tenant removed"} {
		if log := a.log.String(); !strings.Contains(log, line) || strings.Contains(log, key) {
			t.Errorf("the log: %s", log)
		}
	}
}

// A key that has run out is answered as one that there never was, and the log tells them apart.
func TestAKeyThatHasRunOut(t *testing.T) {
	t.Parallel()
	a := openAPI(t)
	key := a.key(nil, nil, auth.Read)
	unknown := a.call("gp_unknown", "GET", "/services", "/services", "").is(401, "unauthorized")
	if _, err := a.store.Writer().Exec(`UPDATE api_keys SET expires_at = 1`); err != nil {
		t.Fatal(err)
	}
	got := a.call(key, "GET", "/services", "/services", "").is(401, "unauthorized").has("detail", unknown.fields["detail"])
	if got.header.Get("WWW-Authenticate") != unknown.header.Get("WWW-Authenticate") {
		t.Error("it is told of otherwise")
	}
	keys, err := a.store.APIKeys(t.Context())
	if err != nil || !keys[0].UsedAt.IsZero() {
		t.Errorf("its use is noted: %+v, %v", keys, err)
	}
	for _, text := range []string{"it has run out", keys[0].ID, "it is unknown or was removed"} {
		if !strings.Contains(a.log.String(), text) {
			t.Errorf("no %q in the log", text)
		}
	}
}
