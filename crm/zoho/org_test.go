package zoho

import "testing"

// 7b.26: where people see an org, by the address of its data centre's API.
func TestPagesOfADataCentre(t *testing.T) {
	for api, want := range map[string]string{
		"https://www.zohoapis.com":      "https://crm.zoho.com",
		"https://www.zohoapis.eu":       "https://crm.zoho.eu",
		"https://www.zohoapis.com.au":   "https://crm.zoho.com.au",
		"https://www.zohoapis.ca":       "https://crm.zohocloud.ca",
		"https://sandbox.zohoapis.in":   "https://crm.zoho.in",
		"https://developer.zohoapis.jp": "https://crm.zoho.jp",
		"http://eu.localhost:8083":      "http://eu.localhost:8083",
		"http://sandbox.localhost:8083": "http://localhost:8083",
		"http://127.0.0.1:8083":         "http://127.0.0.1:8083",
	} {
		if got := pagesOf(api); got != want {
			t.Errorf("%s: %s, want %s", api, got, want)
		}
	}
}

// 7b.23: the credits of an edition.
func TestCredits(t *testing.T) {
	for _, v := range []struct {
		edition string
		paid    bool
		users   int
		want    int
	}{
		{"", false, 3, 5_000}, {"free", false, 3, 5_000}, {"standard", true, 10, 52_500}, {"Standard", true, 1_000, 100_000}, {"professional", true, 10, 55_000},
		{"enterprise", true, 10, 60_000}, {"Zoho One", true, 10, 60_000}, {"crm_plus", true, 10, 70_000}, {"ultimate", true, 10_000, 20_050_000}, {"fancy", true, 10, 0}, {"", true, 10, 0},
	} {
		o := Organization{ID: "1", Edition: v.edition, paid: v.paid, users: v.users}
		if got := o.credits(); got != v.want {
			t.Errorf("%+v: %d", v, got)
		}
	}
}
