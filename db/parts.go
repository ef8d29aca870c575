package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// A part is a query with its own parameters, and what takes a row of it. Several of
// them are asked in one statement, so that a page which shows one thing more costs no
// statement more.
type part struct {
	query string
	args  []any
	row   func(scanner) error // changes nothing when Scan fails
}

// listed appends to all what scan makes of each row.
func listed[T any](all *[]T, scan func(scanner) (T, error), query string, args ...any) part {
	return part{query, args, func(row scanner) error {
		v, err := scan(row)
		if err == nil {
			*all = append(*all, v)
		}
		return err
	}}
}

// one sets to to what scan makes of the only row, and leaves it when there is none.
func one[T any](to *T, scan func(scanner) (T, error), query string, args ...any) part {
	return part{query, args, func(row scanner) error {
		v, err := scan(row)
		if err == nil {
			*to = v
		}
		return err
	}}
}

// ask runs one part as it is, and several as one statement. In which order their rows
// come then is not said.
func ask(ctx context.Context, q rowsQueryer, parts ...part) error {
	return askPlanned(ctx, q, func(args []any) []any { return args }, parts...)
}

// askPlanned is ask for statements whose arguments a searcher has planned for.
func askPlanned(ctx context.Context, q rowsQueryer, planned func(args []any) []any, parts ...part) error {
	if len(parts) == 1 {
		return each(ctx, q, parts[0].row, parts[0].query, planned(parts[0].args)...)
	}
	query, args, width := union(parts)
	row := make([]sql.NullString, width)
	var of int
	fields := []any{&of}
	for i := range row {
		fields = append(fields, &row[i])
	}
	return each(ctx, q, func(s scanner) error {
		if err := s.Scan(fields...); err != nil {
			return err
		}
		return parts[of].row(texts(row))
	}, query, planned(args)...)
}

// union is one statement for all parts: each row begins with the number of its part,
// and has texts after that, as many as the widest part has columns.
func union(parts []part) (query string, args []any, width int) {
	widths := make([]int, len(parts))
	for i, p := range parts {
		widths[i] = columns(p)
		width = max(width, widths[i])
	}
	var with, all strings.Builder
	for i, p := range parts {
		names, values := make([]string, widths[i]), make([]string, width)
		for c := range values {
			values[c] = `CAST(NULL AS TEXT)`
			if c < len(names) {
				names[c] = fmt.Sprintf("c%d", c)
				values[c] = `CAST(` + names[c] + ` AS TEXT)`
			}
		}
		fmt.Fprintf(&with, ", p%d (%s) AS (%s)", i, strings.Join(names, ", "), shifted(p.query, len(args)))
		fmt.Fprintf(&all, " UNION ALL SELECT %d, %s FROM p%d", i, strings.Join(values, ", "), i)
		args = append(args, p.args...)
	}
	return "WITH " + with.String()[len(", "):] + all.String()[len(" UNION ALL"):], args, width
}

// shifted is a query whose parameters have numbers higher by n.
func shifted(query string, n int) string {
	var b strings.Builder
	for {
		before, after, found := strings.Cut(query, "$")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		digits := 0
		for digits < len(after) && after[digits] >= '0' && after[digits] <= '9' {
			digits++
		}
		number, _ := strconv.Atoi(after[:digits])
		b.WriteString("$" + strconv.Itoa(number+n))
		query = after[digits:]
	}
}

// columns is how many columns a part has, by what is scanned of a row.
func columns(p part) int {
	var n columnCounter
	_ = p.row(&n)
	return int(n)
}

// columnCounter counts what is scanned of a row, and has none.
type columnCounter int

var errNoRow = errors.New("there is no row")

func (n *columnCounter) Scan(dest ...any) error {
	*n = columnCounter(len(dest))
	return errNoRow
}

// texts is a row of a part among others: all columns are texts.
type texts []sql.NullString

func (row texts) Scan(dest ...any) error {
	for i, to := range dest {
		if !row[i].Valid {
			return fmt.Errorf("column %d is NULL", i)
		}
		if err := read(to, row[i].String); err != nil {
			return fmt.Errorf("column %d: %w", i, err)
		}
	}
	return nil
}

// read sets what to points to, to what a text says.
func read(to any, text string) (err error) {
	if s, ok := to.(sql.Scanner); ok {
		return s.Scan(text)
	}
	switch v := reflect.ValueOf(to).Elem(); {
	case v.Kind() == reflect.String:
		v.SetString(text)
	case v.CanInt():
		var n int64
		n, err = strconv.ParseInt(text, 10, 64)
		v.SetInt(n)
	case v.CanUint():
		var n uint64
		n, err = strconv.ParseUint(text, 10, 64)
		v.SetUint(n)
	case v.Kind() == reflect.Bool:
		var yes bool
		yes, err = strconv.ParseBool(text)
		v.SetBool(yes)
	default:
		err = fmt.Errorf("no %s can be read", v.Type())
	}
	return err
}
