package db

import "encoding/json"

// DefaultPlaceholder is the last name of who gave none, unless the tenant wants
// another one.
const DefaultPlaceholder = "NA"

// Placeholders are what we wrote into a record of the CRM for want of a name.
// They are empty where a name was given, and where the CRM needs none.
type Placeholders struct {
	FirstName string `json:"first_name,omitempty"` // in records of before, when a first name had one too
	LastName  string `json:"last_name,omitempty"`
}

// stored is how placeholders stand in their column.
func (p Placeholders) stored() string {
	if p == (Placeholders{}) {
		return ""
	}
	return mustJSON(p)
}

// mustJSON encodes what consists of texts, which can't fail.
func mustJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func parsePlaceholders(stored string) (p Placeholders, err error) {
	if stored != "" {
		err = json.Unmarshal([]byte(stored), &p)
	}
	return p, err
}

// placeholdersBefore are those of a record that we made before they were written
// down: both names then were this, where none was given. Whether a name was given
// isn't known any more, so that both count only where both stand there.
var placeholdersBefore = Placeholders{FirstName: "NA", LastName: "NA"}
