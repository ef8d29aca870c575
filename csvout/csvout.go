// Package csvout writes all CSV that Gatepost ever gives out, so that a spreadsheet
// shows it and executes nothing of it.
package csvout

import (
	"encoding/csv"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"gatepost/input"

	"golang.org/x/text/unicode/norm"
)

// mark is a byte order mark: without it Excel takes UTF-8 for Windows-1252.
const mark = "\ufeff"

// Writer writes rows of CSV in UTF-8, separated by commas.
type Writer struct {
	csv *csv.Writer
	err error // of the mark
}

// NewWriter returns a Writer of one file. What it writes is buffered.
func NewWriter(w io.Writer) *Writer {
	_, err := io.WriteString(w, mark)
	return &Writer{csv: csv.NewWriter(w), err: err}
}

// Write writes a row, each cell of it harmless.
func (w *Writer) Write(cells ...string) {
	row := make([]string, len(cells))
	for i, cell := range cells {
		row[i] = harmless(cell)
	}
	_ = w.csv.Write(row) // Flush returns it
}

// Flush writes what is buffered, and returns the first error of all that was written.
func (w *Writer) Flush() error {
	w.csv.Flush()
	if w.err == nil {
		w.err = w.csv.Error()
	}
	return w.err
}

// harmless keeps a spreadsheet from taking a cell, or a part of it, for a formula,
// by an apostrophe before that. Where the separator is another than ours, as ; in
// much of Europe, the file is split within cells, and quotes don't prevent that:
// x;=1+1 becomes x and a formula.
func harmless(cell string) string {
	cell = strings.Map(shown, cell)
	var b strings.Builder
	if strings.IndexAny(cell, "\t\r\n") == 0 {
		b.WriteByte('\'')
	}
	for {
		end := strings.IndexFunc(cell, isSeparator)
		part := cell
		if end >= 0 {
			part = cell[:end]
		}
		if first, _ := utf8.DecodeRuneInString(strings.TrimLeftFunc(part, isSkipped)); isTrigger(first) {
			b.WriteByte('\'')
		}
		b.WriteString(part)
		if end < 0 {
			return b.String()
		}
		_, size := utf8.DecodeRuneInString(cell[end:])
		b.WriteString(cell[end : end+size])
		cell = cell[end+size:]
	}
}

// shown drops control characters, which end a file for some programs.
func shown(r rune) rune {
	if unicode.IsControl(r) && !isSeparator(r) {
		return -1
	}
	return r
}

// isSeparator reports whether a spreadsheet can be told, or guesses, to split there.
func isSeparator(r rune) bool { return strings.ContainsRune(",;|\t\r\n\u0085\u2028\u2029", r) }

// isSkipped reports whether a spreadsheet looks for a formula behind r.
func isSkipped(r rune) bool { return r == '"' || input.Unseen(r) }

// isTrigger reports whether a formula begins with r, or with what r is another form
// of, such as a full-width sign.
func isTrigger(r rune) bool {
	if r > unicode.MaxASCII {
		r, _ = utf8.DecodeRuneInString(norm.NFKC.String(string(r)))
	}
	return strings.ContainsRune("=+-@−", r)
}
