// Package zones finds a time zone by the name of a city, as people look for it: nobody
// thinks of San Francisco as America/Los_Angeles. It knows IANA's own names too.
package zones

import (
	_ "embed"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// Place is a city whose time zone is known.
type Place struct {
	City   string
	Region string // its country; its state or province in the United States and Canada
	Zone   string // an IANA name
	Label  string // what it is called in a choice: the city, with its region where others have the same name
}

// Both tables have a place a line, with tabs between. cities.tsv is written by hand: the
// names of a city (the first one is shown), its region and its zone. iana.tsv is IANA's
// zone.tab: a zone and its country.
var (
	//go:embed cities.tsv
	cities string
	//go:embed iana.tsv
	iana string
)

// atlas is all that is known, in the order of the tables.
type atlas struct {
	labels   []string           // of the cities that are suggested
	names    []string           // by which places are found, sorted, for what was typed in part
	byName   map[string][]Place // by each of their names, with and without the region
	byRegion map[string][]Place
}

var loaded = sync.OnceValue(load)

func load() *atlas {
	a := &atlas{byName: map[string][]Place{}, byRegion: map[string][]Place{}}
	for line := range strings.Lines(cities) {
		f := strings.Split(strings.TrimSpace(line), "\t")
		names := strings.Split(f[0], "|")
		a.add(Place{City: names[0], Region: f[1], Zone: f[2]}, names)
	}
	suggested := a.places()
	for line := range strings.Lines(iana) {
		zone, country, _ := strings.Cut(strings.TrimSpace(line), "\t")
		city := lastPart(zone)
		a.add(Place{City: city, Region: country, Zone: zone}, []string{city})
	}
	for name, places := range a.byName {
		a.names = append(a.names, name)
		for i, p := range places {
			places[i].Label = a.label(p)
		}
	}
	for _, places := range a.byRegion {
		for i, p := range places {
			places[i].Label = a.label(p)
		}
	}
	for _, p := range suggested {
		a.labels = append(a.labels, a.label(p))
	}
	slices.Sort(a.names)
	return a
}

// places are all that are known so far.
func (a *atlas) places() (all []Place) {
	for _, places := range a.byRegion {
		all = append(all, places...)
	}
	slices.SortFunc(all, func(p, q Place) int { return strings.Compare(fold(p.City+" "+p.Region), fold(q.City+" "+q.Region)) })
	return all
}

// add adds a place under its names, unless it is there already.
func (a *atlas) add(p Place, names []string) {
	known := func(q Place) bool { return q.Zone == p.Zone }
	if slices.ContainsFunc(a.byName[fold(p.City)], known) {
		return
	}
	a.byRegion[fold(p.Region)] = append(a.byRegion[fold(p.Region)], p)
	for _, name := range names {
		for _, key := range []string{fold(name), fold(name + " " + p.Region)} {
			if !slices.ContainsFunc(a.byName[key], known) {
				a.byName[key] = append(a.byName[key], p)
			}
		}
	}
}

func (a *atlas) label(p Place) string {
	if len(a.byName[fold(p.City)]) == 1 {
		return p.City
	}
	return p.City + ", " + p.Region
}

// Cities are the labels of well-known cities, for a list to choose from.
func Cities() []string { return loaded().labels }

// Find returns the places that somebody can mean who typed a city, a country, or the name
// of a time zone: one when it is clear which zone is meant, none when nothing has that
// name. Accents, capitals and punctuation make no difference.
func Find(typed string) []Place {
	a, key := loaded(), fold(typed)
	if key == "" {
		return nil
	}
	if found := a.byName[key]; len(found) > 0 {
		return slices.Clone(found)
	}
	if found := a.byRegion[key]; len(found) > 0 {
		return onePerZone(found)
	}
	if zone, ok := canonical(typed); ok {
		return []Place{{City: City(zone), Zone: zone, Label: City(zone)}}
	}
	return nil
}

// onePerZone keeps one place of each zone: the one that the zone is called by, if it is
// among them.
func onePerZone(places []Place) (some []Place) {
	for _, p := range places {
		i := slices.IndexFunc(some, func(q Place) bool { return q.Zone == p.Zone })
		switch {
		case i < 0:
			some = append(some, p)
		case p.City == City(p.Zone):
			some[i] = p
		}
	}
	return some
}

// zoneName is what names of time zones look like; those of a system's own copies with
// leap seconds begin with a small letter.
var zoneName = regexp.MustCompile(`^[A-Z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*$`)

// canonical is a time zone by its IANA name, whatever its capitals, or by an older name
// as it is written.
func canonical(typed string) (zone string, ok bool) {
	typed = strings.TrimSpace(typed)
	for line := range strings.Lines(iana) {
		if zone, _, _ := strings.Cut(line, "\t"); strings.EqualFold(zone, strings.ReplaceAll(typed, " ", "_")) {
			return zone, true
		}
	}
	if strings.EqualFold(typed, "utc") || strings.EqualFold(typed, "gmt") {
		return "UTC", true
	}
	if !zoneName.MatchString(typed) || typed == "Local" {
		return "", false
	}
	_, err := time.LoadLocation(typed)
	return typed, err == nil
}

// similar is how many letters must be right, and mostSimilar how many places are named.
const (
	similar     = 3
	mostSimilar = 6
)

// Similar returns a few places whose names begin with what was typed.
func Similar(typed string) (some []Place) {
	a, key := loaded(), fold(typed)
	if len(key) < similar {
		return nil
	}
	from, _ := slices.BinarySearch(a.names, key)
	for _, name := range a.names[from:] {
		if !strings.HasPrefix(name, key) || len(some) >= mostSimilar {
			return some
		}
		for _, p := range a.byName[name] {
			if !slices.Contains(some, p) && len(some) < mostSimilar {
				some = append(some, p)
			}
		}
	}
	return some
}

// City is the city by which a time zone is called: São Paulo for America/Sao_Paulo.
func City(zone string) string {
	name := lastPart(zone)
	for _, p := range loaded().byName[fold(name)] {
		if p.Zone == zone {
			return p.City
		}
	}
	return name
}

// Label is what to type for a time zone: Find finds it, and it alone, by that.
func Label(zone string) string {
	name := lastPart(zone)
	for _, p := range loaded().byName[fold(name)] {
		if p.Zone == zone {
			return p.Label
		}
	}
	if found := Find(name); len(found) == 1 && found[0].Zone == zone {
		return name
	}
	return zone
}

// Name says behind a time in which zone it is: "Berlin time", or "UTC".
func Name(zone string) string {
	name := City(zone)
	if name == "UTC" || strings.HasPrefix(name, "GMT") {
		return name
	}
	return name + " time"
}

func lastPart(zone string) string {
	return strings.ReplaceAll(zone[strings.LastIndexByte(zone, '/')+1:], "_", " ")
}

// letters are those that are not another one with a mark.
var letters = strings.NewReplacer("ß", "ss", "ø", "o", "æ", "ae", "œ", "oe", "ł", "l", "đ", "d", "ð", "d", "þ", "th", "ı", "i")

// fold is a name as it is compared: without capitals, accents and punctuation, and with
// one word for Saint.
func fold(name string) string {
	var b strings.Builder
	for _, r := range norm.NFKD.String(strings.ToLower(name)) {
		switch {
		case unicode.IsMark(r):
		case r == '’', r == '\'', r == '.':
		case unicode.IsLetter(r), unicode.IsDigit(r), r == '+':
			b.WriteRune(r)
		default:
			b.WriteByte(' ')
		}
	}
	words := strings.Fields(letters.Replace(b.String()))
	for i, word := range words {
		if word == "saint" || word == "sankt" {
			words[i] = "st"
		}
	}
	return strings.Join(words, " ")
}
