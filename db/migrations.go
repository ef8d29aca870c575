package db

import (
	"embed"
	"io/fs"
	"path"
	"strings"

	"github.com/pressly/goose/v3"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Each migration is one text for both databases. Where a statement must differ, it stands
// behind a line "-- only sqlite" or "-- only postgres", up to the line "-- both".
const (
	onlyOne = "-- only "
	forBoth = "-- both"
)

// migrationsOf are the migrations as one of the databases is given them.
type migrationsOf struct{ dialect goose.Dialect }

// Open opens a migration, without what is not for its database.
func (m migrationsOf) Open(name string) (fs.File, error) {
	path := path.Join("migrations", name)
	f, err := migrations.Open(path)
	if name == "." || err != nil {
		return f, err
	}
	text, err := migrations.ReadFile(path)
	return migration{f, strings.NewReader(m.textOf(string(text)))}, err
}

// migration is a file of which another text is read.
type migration struct {
	fs.File
	text *strings.Reader
}

// Read reads the text.
func (m migration) Read(b []byte) (int, error) { return m.text.Read(b) }

func (m migrationsOf) textOf(text string) string {
	mine := map[goose.Dialect]string{goose.DialectSQLite3: "sqlite", goose.DialectPostgres: "postgres"}[m.dialect]
	var kept strings.Builder
	whose := ""
	for line := range strings.Lines(text) {
		switch trimmed := strings.TrimSpace(line); {
		case strings.HasPrefix(trimmed, onlyOne):
			whose = strings.TrimPrefix(trimmed, onlyOne)
		case trimmed == forBoth:
			whose = ""
		case whose == "" || whose == mine || strings.HasPrefix(trimmed, "-- +goose"):
			kept.WriteString(line)
		}
	}
	return kept.String()
}
