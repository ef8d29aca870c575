package zones

import (
	"slices"
	"testing"
	"time"
	_ "time/tzdata"
)

func TestFindZone(t *testing.T) {
	for typed, zone := range map[string]string{
		"Berlin":                           "Europe/Berlin",
		"  berlin ":                        "Europe/Berlin",
		"San Francisco":                    "America/Los_Angeles",
		"München":                          "Europe/Berlin",
		"Munchen":                          "Europe/Berlin",
		"Muenchen":                         "Europe/Berlin",
		"Munich, Germany":                  "Europe/Berlin",
		"sao paulo":                        "America/Sao_Paulo",
		"Łódź":                             "Europe/Warsaw",
		"lodz":                             "Europe/Warsaw",
		"東京":                               "Asia/Tokyo",
		"Москва":                           "Europe/Moscow",
		"İstanbul":                         "Europe/Istanbul",
		"Bombay":                           "Asia/Kolkata",
		"Washington, D.C.":                 "America/New_York",
		"St. Louis":                        "America/Chicago",
		"Sankt-Peterburg":                  "Europe/Moscow",
		"Portland, Oregon":                 "America/Los_Angeles",
		"portland maine":                   "America/New_York",
		"Buenos Aires":                     "America/Argentina/Buenos_Aires",
		"america/argentina/buenos_aires":   "America/Argentina/Buenos_Aires",
		"Europe/Berlin":                    "Europe/Berlin",
		"America/New York":                 "America/New_York",
		"US/Pacific":                       "US/Pacific",
		"Asia/Calcutta":                    "Asia/Calcutta",
		"utc":                              "UTC",
		"UTC":                              "UTC",
		"Etc/GMT+5":                        "Etc/GMT+5",
		"Japan":                            "Asia/Tokyo",
		"United Kingdom":                   "Europe/London",
		"Ushuaia":                          "America/Argentina/Ushuaia",
		"Indianapolis":                     "America/Indiana/Indianapolis",
		"Kathmandu":                        "Asia/Kathmandu",
		"Chatham":                          "Pacific/Chatham",
		"Cluj":                             "Europe/Bucharest",
		"Nuku'alofa":                       "Pacific/Tongatapu",
		"Frankfurt am Main":                "Europe/Berlin",
		"athens":                           "Europe/Athens",
		"Vancouver, British Columbia":      "America/Vancouver",
		"Saint John's":                     "America/St_Johns",
		"Georgia":                          "Asia/Tbilisi",
		"Atlanta, Georgia, United States":  "America/New_York",
		"Washington, District of Columbia": "America/New_York",
	} {
		if found := Find(typed); len(found) != 1 || found[0].Zone != zone {
			t.Errorf("%q: %+v, want %s", typed, found, zone)
		}
	}
}

func TestFindTellsWhatCanBeMeant(t *testing.T) {
	for typed, want := range map[string][]string{
		"Portland":         {"Portland, Maine", "Portland, Oregon"},
		"San Jose":         {"San José, Costa Rica", "San Jose, California"},
		"birmingham":       {"Birmingham, Alabama", "Birmingham, United Kingdom"},
		"Saint Petersburg": {"Saint Petersburg, Florida", "Saint Petersburg, Russia"},
		"St. Petersburg":   {"Saint Petersburg, Florida", "Saint Petersburg, Russia"},
		"La Paz":           {"La Paz, Bolivia", "La Paz, Mexico"},
		"Portugal":         {"Azores", "Lisbon", "Madeira"},
	} {
		var got []string
		for _, p := range Find(typed) {
			got = append(got, p.Label)
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", typed, got, want)
		}
	}
}

func TestUnknown(t *testing.T) {
	for _, typed := range []string{"", " ", "…", "Springfieldville", "Local", "local", "../../etc/passwd", "right/Europe/Berlin", "posix/UTC", "Europe/Nowhere", "leapseconds", "localtime", "\x00", "Ber"} {
		if found := Find(typed); len(found) != 0 {
			t.Errorf("%q: %+v", typed, found)
		}
	}
}

func TestSimilar(t *testing.T) {
	for typed, want := range map[string]string{"san fr": "San Francisco", "Münch": "Munich", "Copenh": "Copenhagen", "Portl": "Portland, Maine"} {
		some := Similar(typed)
		if !slices.ContainsFunc(some, func(p Place) bool { return p.Label == want }) || len(some) > mostSimilar {
			t.Errorf("%q: %+v, want %s", typed, some, want)
		}
	}
	for _, typed := range []string{"", "sa", "Springfieldville"} {
		if some := Similar(typed); len(some) > 0 {
			t.Errorf("%q: %+v", typed, some)
		}
	}
}

// Every place is a zone that there is, and what is suggested is found as it stands.
func TestTables(t *testing.T) {
	a := loaded()
	for _, places := range a.byRegion {
		for _, p := range places {
			if _, err := time.LoadLocation(p.Zone); err != nil || p.City == "" || p.Region == "" || p.Label == "" {
				t.Errorf("%+v: %v", p, err)
			}
			if City(p.Zone) == "" || Name(p.Zone) == "" {
				t.Errorf("%s has no name", p.Zone)
			}
			if found := Find(Label(p.Zone)); len(found) != 1 || found[0].Zone != p.Zone {
				t.Errorf("%q is %+v, want %s", Label(p.Zone), found, p.Zone)
			}
			if found := Find(p.Zone); len(found) != 1 || found[0].Zone != p.Zone {
				t.Errorf("%s is %+v", p.Zone, found)
			}
		}
	}
	labels := Cities()
	if len(labels) < 400 {
		t.Errorf("only %d cities", len(labels))
	}
	for i, label := range labels {
		if found := Find(label); len(found) != 1 || found[0].Label != label {
			t.Errorf("%q is %+v", label, found)
		}
		if i > 0 && labels[i-1] == label {
			t.Errorf("%q is there twice", label)
		}
	}
}

func TestNames(t *testing.T) {
	for zone, want := range map[string]string{"UTC": "UTC", "US/Pacific": "US/Pacific", "America/La_Paz": "La Paz, Bolivia", "America/Los_Angeles": "Los Angeles", "Etc/GMT+5": "Etc/GMT+5"} {
		if got := Label(zone); got != want {
			t.Errorf("%s: %q, want %q", zone, got, want)
		}
	}
	for zone, want := range map[string]string{"America/Sao_Paulo": "São Paulo time", "America/New_York": "New York time", "Europe/Berlin": "Berlin time",
		"UTC": "UTC", "Etc/GMT+5": "GMT+5", "US/Pacific": "Pacific time", "America/Argentina/Ushuaia": "Ushuaia time"} {
		if got := Name(zone); got != want {
			t.Errorf("%s: %q, want %q", zone, got, want)
		}
	}
}
