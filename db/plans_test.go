package db

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"gatepost/db/dbtest/testdb"

	"github.com/jackc/pgx/v5"
)

// statements are all that files of this package send to the database.
func statements(t *testing.T, files ...string) (all []string) {
	t.Helper()
	for _, some := range statementsByFunction(t, files...) {
		all = append(all, some...)
	}
	return all
}

// statementsByFunction are the statements of files of this package, of all but the
// tests when none is named, by the function that they stand in, or "".
func statementsByFunction(t *testing.T, files ...string) map[string][]string {
	t.Helper()
	set, consts := token.NewFileSet(), map[string]ast.Expr{}
	var parsed []*ast.File
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		f, err := parser.ParseFile(set, name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		if slices.Contains(files, name) || len(files) == 0 && !strings.HasSuffix(name, "_test.go") {
			parsed = append(parsed, f)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if v, ok := n.(*ast.ValueSpec); ok && len(v.Names) == 1 && len(v.Values) == 1 {
				consts[v.Names[0].Name] = v.Values[0]
			}
			return true
		})
	}
	var text func(ast.Expr) string
	text = func(e ast.Expr) string {
		switch e := e.(type) {
		case *ast.BasicLit:
			if e.Kind == token.STRING {
				s, _ := strconv.Unquote(e.Value)
				return s
			}
		case *ast.BinaryExpr:
			return text(e.X) + text(e.Y)
		case *ast.Ident:
			if c := consts[e.Name]; c != nil {
				return text(c)
			}
		}
		return ""
	}
	isStatement := regexp.MustCompile(`^\s*(SELECT|INSERT|UPDATE|DELETE|WITH)\s`)
	all := map[string][]string{}
	for _, f := range parsed {
		for _, decl := range f.Decls {
			function := ""
			if fn, ok := decl.(*ast.FuncDecl); ok {
				function = fn.Name.Name
			}
			ast.Inspect(decl, func(n ast.Node) bool {
				if e, ok := n.(ast.Expr); ok {
					if s := text(e); isStatement.MatchString(s) {
						all[function] = append(all[function], s)
						return false
					}
				}
				return true
			})
		}
	}
	return all
}

var parameter = regexp.MustCompile(`\$(\d+)`)

// plan is how SQLite runs a statement, a line for each table.
func plan(t *testing.T, d *DB, statement string) []string {
	t.Helper()
	testdb.SQLiteOnly(t, "its way of telling a plan")
	statement = withSet(statement)
	var args []any
	for _, m := range parameter.FindAllStringSubmatch(statement, -1) {
		if n, _ := strconv.Atoi(m[1]); n > len(args) {
			args = make([]any, n)
		}
	}
	lines, err := collect(t.Context(), d.write, func(row scanner) (line string, err error) {
		var id, parent, unused int
		return line, row.Scan(&id, &parent, &unused, &line)
	}, `EXPLAIN QUERY PLAN `+statement, args...)
	if err != nil {
		t.Errorf("%s: %v", statement, err)
	}
	return lines
}

var ofSetColumn = regexp.MustCompile(`\bo\.(\w+)`)

// withSet gives a statement the set that it is about, with two rows.
func withSet(statement string) string {
	if !regexp.MustCompile(`\bFROM o\b`).MatchString(statement) || strings.Contains(statement, "WITH o (") {
		return statement
	}
	var columns []string
	for _, m := range ofSetColumn.FindAllStringSubmatch(statement, -1) {
		if !slices.Contains(columns, m[1]) {
			columns = append(columns, m[1])
		}
	}
	row := "(" + strings.Repeat("NULL, ", len(columns)-1) + "NULL)"
	return "WITH o (" + strings.Join(columns, ", ") + ") AS (VALUES " + row + ", " + row + ") " + statement
}

// TestNoStatementReadsATableWhole looks at all that pages and actions read. How
// SQLite runs a statement doesn't depend on what is in the tables.
func TestNoStatementReadsATableWhole(t *testing.T) {
	d := withNewsletters(t)
	all := statements(t, "changes.go", "sums.go", "health.go", "orgs.go", "actions.go", "waiting.go", "repeats.go", "removals.go", "person.go")
	if len(all) < 50 {
		t.Fatalf("only %d statements were found", len(all))
	}
	for _, s := range all {
		if strings.Contains(s, "FROM tenants t LEFT JOIN recounts") || s == selectPlace || s == selectRecordRemoval {
			continue // whose turn it is, once a minute; and the beginning of statements
		}
		for _, line := range plan(t, d, s) {
			if strings.HasPrefix(line, "SCAN ") && !strings.HasPrefix(line, "SCAN (") && !strings.HasPrefix(line, "SCAN CONSTANT") && line != "SCAN o" && line != "SCAN people" && line != "SCAN few" && line != "SCAN beside" && !strings.HasPrefix(line, "SCAN 2 CONSTANT") {
				t.Errorf("%s\n%s", line, s)
			}
		}
	}
}

// TestDestinationsReadNoTableWhole looks at what is run where destinations are made, fed,
// sent to and removed.
func TestDestinationsReadNoTableWhole(t *testing.T) {
	d := withNewsletters(t, "a/1", "a/2")
	add(t, d, signUp("a/1", "one@example.com"), signUp("a/2", "two@example.com"))
	observed := observe(d)
	_, other := d.two(t, "a")
	_, err := d.Missing(t.Context(), other)
	unless(t, err)
	unless(t, sendsAll(t, other)(d))
	unless(t, feeds(t, other, "a/1")(d))
	unless(t, d.RemoveDestination(t.Context(), other))
	for more := true; more; {
		more, err = d.SweepDestinations(t.Context())
		unless(t, err)
	}
	_, err = d.DueDestinations(t.Context(), "me")
	unless(t, err)
	statement := regexp.MustCompile(`^\s*(SELECT|INSERT|UPDATE|DELETE|WITH)\s`)
	derived := regexp.MustCompile(`^SCAN (\(.*\)|o|i|w|waiting|leaving|json_each VIRTUAL TABLE INDEX 1:|\d+ CONSTANT ROWS?|CONSTANT ROW)( USING INDEX .*)?$`)
	looked := 0
	for _, s := range observed() {
		if !statement.MatchString(s) || strings.HasPrefix(s, "DELETE FROM destinations") {
			continue // that one finds the few receipts that name it
		}
		looked++
		for _, line := range plan(t, d, s) {
			partial := strings.Contains(line, "removal_records_pending") || strings.Contains(line, "deliveries_unsettled") || strings.Contains(line, "destinations_removed")
			if strings.HasPrefix(line, "SCAN ") && !derived.MatchString(line) && !partial { // which have no others than those
				t.Errorf("%s\n%s", line, s)
			}
		}
	}
	if looked < 40 {
		t.Errorf("only %d statements were run", looked)
	}
}

// TestAMoveLooksAtNobodyInTheRightOrg reads from org to org on an index.
func TestAMoveLooksAtNobodyInTheRightOrg(t *testing.T) {
	d := withNewsletters(t)
	for _, s := range statements(t, "orgs.go") {
		if !strings.Contains(s, "CROSS JOIN deliveries") {
			continue
		}
		if lines := strings.Join(plan(t, d, s), "; "); !strings.Contains(lines, "deliveries_by_org (destination_id=? AND org_id=? AND subscriber_id<?)") {
			t.Errorf("got %s", lines)
		}
		return
	}
	t.Error("there is no such statement")
}

// TestDeliveringCostsNoMoreWithALongQueue looks at what is asked once a second, and
// before each batch.
func TestDeliveringCostsNoMoreWithALongQueue(t *testing.T) {
	d := withNewsletters(t)
	const byKey, ofPerson = "PRIMARY KEY (subscriber_id=? AND tenant_id=? AND destination_id=?)", "PRIMARY KEY (subscriber_id=? AND tenant_id=?)"
	goesBy(t, d, statements(t, "deliveries.go", "repeats.go", "waiting.go"), "deliveries_by_state (destination_id=? AND state=?)", map[string]string{
		"WITH RECURSIVE waiting":                      "deliveries_due (destination_id>?)",
		"CROSS JOIN subscribers o":                    "deliveries_due (destination_id=? AND due_at<?); SCAN w; USE TEMP B-TREE FOR ORDER BY; RIGHT; CO-ROUTINE l; SEARCH deliveries USING INDEX deliveries_unsettled (destination_id=? AND settles_at<?); SCAN l; USE TEMP B-TREE FOR ORDER BY; SCAN w; SEARCH s USING INDEX sqlite_autoindex_subscribers_1 (tenant_id=? AND id=?); SEARCH o USING INDEX sqlite_autoindex_subscribers_2 (tenant_id=? AND email_key=?); SEARCH d USING " + ofPerson + "; CORRELATED SCALAR SUBQUERY 6; SEARCH r USING INDEX removals_erasing (tenant_id=? AND email_key=?); SEARCH e USING " + ofPerson,
		"UNION SELECT destination_id FROM deliveries": "SCAN deliveries USING INDEX deliveries_unsettled; ",
		"CROSS JOIN destinations o":                   "SCAN i; SEARCH o USING INDEX sqlite_autoindex_destinations_1 (id=?)",
		"r.ended_at >= o.looked_at":                   "removal_records_by_record (record_id=? AND org_id=?)",
		"record_id = o.record_id":                     byKey,
		"SET state = o.state":                         byKey,
		"ORDER BY d.due_at, d.subscriber_id LIMIT $3": "deliveries_due (destination_id=?)",
		"SET sent_at = $1":                            byKey,
	})
}

// goesBy holds the plans of statements against what those use that contain some text; unwanted is in none of them.
func goesBy(t *testing.T, d *DB, all []string, unwanted string, uses map[string]string) {
	t.Helper()
	looked := map[string]bool{}
	for _, s := range all {
		lines := strings.Join(plan(t, d, s), "; ")
		for of, use := range uses {
			if !strings.Contains(s, of) {
				continue
			}
			looked[of] = true
			if !strings.Contains(lines, use) || strings.Contains(lines, unwanted) {
				t.Errorf("%s: %s", of, lines)
			}
		}
	}
	if len(looked) != len(uses) {
		t.Errorf("only these were found: %v", looked)
	}
}

// TestScreeningReadsNoTableWhole looks at what is asked once a second of domains that are to be looked up, and at how
// what is old goes: an attack makes these long.
func TestScreeningReadsNoTableWhole(t *testing.T) {
	d := withNewsletters(t)
	goesBy(t, d, statements(t, "screening.go"), "TEMP B-TREE", map[string]string{
		"WITH RECURSIVE waiting":             "SEARCH w USING COVERING INDEX domain_waits_by_age (tenant_id>?)",
		"CROSS JOIN mail_domains":            "SEARCH w USING INDEX domain_waits_by_age (tenant_id=?); SEARCH m USING INDEX sqlite_autoindex_mail_domains_1 (domain=?)",
		"ORDER BY asked_at":                  "SCAN mail_domains USING INDEX mail_domains_due",
		"AND w.since <= $2 ORDER BY w.since": "SEARCH w USING INDEX domain_waits_by_age (tenant_id=? AND since<?); SEARCH h USING INDEX",
		"DELETE FROM used_proofs":            "INDEX used_proofs_by_age (expires_at<?)",
		"DELETE FROM mail_domains":           "INDEX mail_domains_by_age (asked_at<?)",
		"DELETE FROM finding_counts":         "INDEX finding_counts_by_age (day<?)",
		"DELETE FROM form_reports":           "INDEX form_reports_by_age (at<?)",
		"SELECT o.domain FROM o":             "SEARCH mail_domains USING INDEX sqlite_autoindex_mail_domains_1 (domain=?)",
	})
}

// observe keeps the statements that are run from now on, by any goroutine, until observed
// returns them.
func observe(d *DB) (observed func() []string) {
	var mu sync.Mutex
	var run []string
	d.Observe(func(query string) {
		mu.Lock()
		defer mu.Unlock()
		run = append(run, query)
	})
	return func() []string {
		d.Observe(nil)
		mu.Lock() // somebody may tell of one a moment later
		defer mu.Unlock()
		return slices.Clone(run)
	}
}

// TestPagesReadNoTableWhole looks at the statements that the pages run, as they are put
// together. What the operator has set is read whole: that is little.
func TestPagesReadNoTableWhole(t *testing.T) {
	d := withNewsletters(t)
	observed := observe(d)
	_, _ = d.SignedIn(t.Context(), "hash", noon, noon)
	for _, read := range []func() error{
		func() error { _, err := d.Overview(t.Context(), "a", "ann", "x"); return err },
		func() error {
			_, err := d.Health(t.Context(), first("a"), []Span{{noon, noon.Add(72 * time.Hour)}, {noon.Add(72 * time.Hour), noon.Add(144 * time.Hour)}})
			return err
		},
		func() error {
			_, err := d.Home(t.Context(), first("a"), nil, []Span{{noon, noon.Add(72 * time.Hour)}, {noon.Add(72 * time.Hour), noon.Add(144 * time.Hour)}}, noon, 6)
			return err
		},
		func() error { _, err := d.Causes(t.Context(), first("a")); return err },
		func() error {
			_, err := d.Cause(t.Context(), first("a"), CauseQuery{State: Attention, Reason: "ODD", After: "x", Limit: 9})
			return err
		},
		func() error {
			_, err := d.Cause(t.Context(), first("a"), CauseQuery{State: Waiting, Reason: "broken", All: true, Before: "x", Limit: 9})
			return err
		},
	} {
		if err := read(); err != nil {
			t.Fatal(err)
		}
	}
	run := observed()
	if len(run) != 7 {
		t.Fatalf("%d statements", len(run))
	}
	derived := regexp.MustCompile(`^SCAN (p\d+|\(.*\)|people|few|o|v|\d+ CONSTANT ROWS|services|service_settings)$`) // of the statement itself, or of what is little
	var all []string
	for _, s := range run {
		for _, line := range plan(t, d, s) {
			if strings.HasPrefix(line, "SCAN ") && !strings.HasPrefix(line, "SCAN CONSTANT") && !derived.MatchString(line) {
				t.Errorf("%s\n%s", line, s)
			}
			all = append(all, line)
		}
	}
	for _, uses := range []string{"events USING COVERING INDEX events_by_tenant (tenant_id=?)", "identities_own (tenant_id=?)", "identities_by_approval",
		"held_identities_by_tenant (tenant_id=?)", "identities_by_org (org_id=? AND service=?)", "subscribers_tests (tenant_id=?)", "consents_tests (tenant_id=?)",
		"hour_counts USING INDEX sqlite_autoindex_hour_counts_1 (tenant_id=? AND destination_id=? AND hour>? AND hour<?)", "day_counts USING PRIMARY KEY (tenant_id=? AND destination_id=? AND day>? AND day<?)", "deliveries_due (destination_id=?)", "deliveries_by_reason (destination_id=? AND state=? AND reason=? AND subscriber_id<?)"} {
		if !strings.Contains(strings.Join(all, "; "), uses) {
			t.Errorf("%s is not used:\n%s", uses, strings.Join(all, "\n"))
		}
	}
}

var seqScan = regexp.MustCompile(`Seq Scan on (\w+)`)

// small are the tables that may be read whole: a row for each service, and what was
// counted within a second.
var small = map[string]bool{"services": true, "service_settings": true, "count_deltas": true}

// TestNoStatementReadsATableWholeOnPostgres is the same for PostgreSQL, which reads
// tables whole while they are small: so it is told not to where it can help it.
func TestNoStatementReadsATableWholeOnPostgres(t *testing.T) {
	if testdb.Either(t, "sqlite", "") != "" {
		t.Skip("these are plans of PostgreSQL's")
	}
	d := withNewsletters(t)
	conn, err := d.write.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	must := func(statement string) {
		t.Helper()
		if _, err := conn.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	must(`SET enable_seqscan = off`)
	must(`SET plan_cache_mode = force_generic_plan`)
	looked := 0
	for _, s := range statements(t, "changes.go", "deliveries.go", "health.go", "orgs.go", "actions.go", "waiting.go", "repeats.go", "removals.go", "subscribers.go", "overview.go", "destinations.go", "person.go") {
		if strings.Contains(s, "FROM tenants t LEFT JOIN recounts") || strings.HasPrefix(s, "WITH o") {
			continue // whose turn it is, once a minute; and what a set is put before
		}
		statement := withSet(s)
		if _, err := conn.ExecContext(t.Context(), `PREPARE looked AS `+statement, pgx.QueryExecModeSimpleProtocol); err != nil {
			continue // a part of a statement, or one with a set whose types nobody says
		}
		var nulls []string
		for _, m := range parameter.FindAllStringSubmatch(statement, -1) {
			if n, _ := strconv.Atoi(m[1]); n > len(nulls) {
				nulls = slices.Repeat([]string{"NULL"}, n)
			}
		}
		execute := `EXPLAIN EXECUTE looked`
		if len(nulls) > 0 {
			execute += `(` + strings.Join(nulls, ", ") + `)`
		}
		lines, err := collect(t.Context(), conn, func(row scanner) (line string, err error) { return line, row.Scan(&line) }, execute)
		if err != nil {
			t.Errorf("%s: %v", s, err)
		}
		for _, line := range lines {
			if table := seqScan.FindStringSubmatch(line); table != nil && !small[table[1]] {
				t.Errorf("%s\n%s", strings.TrimSpace(line), s)
			}
		}
		must(`DEALLOCATE looked`)
		looked++
	}
	if looked < 30 {
		t.Errorf("only %d statements were looked at", looked)
	}
}

// TestPostgresGoesToEachOfASet looks at what PostgreSQL makes of statements on sets, and of
// the one that finds who is due, while it knows nothing of a crowd that has just come, and
// keeps the plan that it made before. It must not go through the crowd for each of them, which
// is what a condition of a join is for.
func TestPostgresGoesToEachOfASet(t *testing.T) {
	if testdb.Either(t, "sqlite", "") != "" {
		t.Skip("these are plans of PostgreSQL's")
	}
	d := withNewsletters(t, "a/1")
	conn, err := d.write.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	exec := func(statement string) {
		t.Helper()
		if _, err := conn.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	throughAll := regexp.MustCompile(`Join Filter: .*\b(id|subscriber_id|email_key) =`)
	look := func(statement, prepared, args string) {
		t.Helper()
		for _, mode := range []string{"force_custom_plan", "force_generic_plan"} {
			exec("SET plan_cache_mode = " + mode)
			exec("PREPARE looked AS " + prepared)
			lines, err := collect(t.Context(), conn, func(row scanner) (line string, err error) { return line, row.Scan(&line) }, "EXPLAIN EXECUTE looked ("+args+")")
			if plan := strings.Join(lines, "\n"); err != nil || throughAll.MatchString(plan) {
				t.Errorf("%s: %s\n%s\n%v", mode, statement, plan, err)
			}
			exec("DEALLOCATE looked")
		}
	}
	due := slices.DeleteFunc(statements(t, "deliveries.go"), func(s string) bool { return !strings.Contains(s, "CROSS JOIN subscribers o") })
	lookAtDue := func() {
		for _, s := range due {
			look(s, s, "'a', 'a', 9000000000000, 1000")
		}
	}
	for _, so := range []struct{ far, more int }{{0, 1}, {1, 9}, {10, 190}, {200, 2800}} {
		var crowd []SignUp
		for i := range so.more {
			crowd = append(crowd, signUp("a/1", strconv.Itoa(so.far+i)+"@example.com"))
		}
		add(t, d, crowd...)
		lookAtDue()
	}
	ofSubscribers, n := regexp.MustCompile(`FROM o (JOIN deliveries|WHERE deliveries\.)`), 0
	for _, s := range statements(t, "changes.go", "deliveries.go", "actions.go", "orgs.go") {
		if ofSubscribers.MatchString(s) {
			prepared, args := withLongSet(d, s)
			look(s, prepared, args)
			n++
		}
	}
	if n < 11 || len(due) != 1 {
		t.Errorf("only %d and %d statements were found", n, len(due))
	}
}

// withLongSet gives a statement the set that it is about as PostgreSQL has it, and what it
// is to be run with: numbers, and then a column of 500 rows each.
func withLongSet(d *DB, statement string) (prepared, args string) {
	var before []any
	var values []string
	for _, m := range parameter.FindAllStringSubmatch(statement, -1) {
		for n, _ := strconv.Atoi(m[1]); n > len(before); {
			before, values = append(before, 0), append(values, "0")
		}
	}
	of, seen := newSet(), map[string]bool{}
	for _, m := range ofSetColumn.FindAllStringSubmatch(statement, -1) {
		if seen[m[1]] {
			continue
		}
		seen[m[1]] = true
		if slices.Contains([]string{"revision", "new", "due_at", "settles_at", "refusals", "made", "looked_at"}, m[1]) {
			of.columns, values = append(of.columns, integer(m[1])), append(values, "array_fill(CAST(0 AS BIGINT), ARRAY[500])")
			continue
		}
		of.columns, values = append(of.columns, text(m[1])), append(values, "array_fill(CAST('' AS TEXT), ARRAY[500])")
	}
	with, _ := of.with(d.engine, before...)
	return with + statement, strings.Join(values, ", ")
}

// TestListsReadNoTableWhole looks at how lists of subscribers are read, as they are put
// together: by the key or an index, in its order and between the times that are asked for,
// so that a page ends where it is full, and goes through nobody whom no condition fits.
func TestListsReadNoTableWhole(t *testing.T) {
	d, ids := listedPeople(t)
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	of := func(q SubscriberQuery) []string {
		t.Helper()
		observed := observe(d)
		d.list(t, "a", q)
		return observed()
	}
	const byKey, byState, byReason = "s USING INDEX sqlite_autoindex_subscribers_1 ", "d USING INDEX deliveries_by_state ", "d USING INDEX deliveries_by_reason "
	const ofAll, ofState, found = "(tenant_id=?", "(destination_id=? AND state=?", "SEARCH r USING INDEX sqlite_autoindex_search_rows_1 (tenant_id=? AND id=?)"
	derived := regexp.MustCompile(`^SCAN (p\d+|\(.*\)|c|o|json_each VIRTUAL TABLE INDEX 1:|\d+ CONSTANT ROWS?)$`)
	sorts := regexp.MustCompile(`USE TEMP B-TREE FOR ORDER BY`)
	for _, indexed := range []bool{false, true} {
		if indexed {
			d.searchAll(t)
		}
		for name, tt := range map[string]struct {
			q    SubscriberQuery
			uses string // by what the people are found; two spaces between lines
		}{
			"all":                      {SubscriberQuery{}, ofAll + ")"},
			"oldest":                   {SubscriberQuery{Order: Oldest, After: ids["two"]}, ofAll + " AND id>?)"},
			"state":                    {SubscriberQuery{State: Waiting, Before: ids["one"]}, ofState + " AND subscriber_id>?)"},
			"cause":                    {SubscriberQuery{Reason: "ODD", State: Attention}, ofState + " AND reason=?)"},
			"cause of any state":       {SubscriberQuery{Reason: "DULL"}, byReason + ofState + " AND reason=?)"},
			"newsletter":               {SubscriberQuery{Newsletter: "a/1", After: ids["five"]}, byKey + ofAll + " AND id<?)"},
			"newsletter of a state":    {SubscriberQuery{Newsletter: "a/1", State: Waiting}, ofState + ")"},
			"state of a newsletter":    {SubscriberQuery{Newsletter: "a/1", State: Attention}, ofState + ")"},
			"cause of a newsletter":    {SubscriberQuery{Newsletter: "a/2", Reason: "ODD", State: Attention}, ofState + " AND reason=?)"},
			"since a time":             {SubscriberQuery{From: noon}, byKey + ofAll + " AND id>?)"},
			"until a time":             {SubscriberQuery{To: noon}, byKey + ofAll + " AND id<?)"},
			"between two":              {SubscriberQuery{From: noon.AddDate(0, 0, -9), To: noon}, byKey + ofAll + " AND id>? AND id<?)"},
			"newsletter between two":   {SubscriberQuery{From: noon.AddDate(0, 0, -9), To: noon, Newsletter: "a/1", Order: Oldest}, byKey + ofAll + " AND id>? AND id<?)"},
			"state between two":        {SubscriberQuery{From: noon.AddDate(0, 0, -9), To: noon, State: Waiting}, byState + ofState + " AND subscriber_id>? AND subscriber_id<?)"},
			"word":                     {SubscriberQuery{Text: "example"}, "SCAN f VIRTUAL TABLE"},
			"two letters":              {SubscriberQuery{Text: "on", After: ids["five"]}, "SCAN f VIRTUAL TABLE"},
			"words before":             {SubscriberQuery{Text: "one example", Before: ids["one"]}, "SCAN f VIRTUAL TABLE"},
			"word and state":           {SubscriberQuery{Text: "example", State: Attention}, byState + ofState + ")  SEARCH s USING INDEX sqlite_autoindex_subscribers_1 (tenant_id=? AND id=?)  " + found},
			"word and newsletter":      {SubscriberQuery{Text: "example", Newsletter: "a/1"}, "SCAN f VIRTUAL TABLE"},
			"word since a time":        {SubscriberQuery{Text: "example", From: noon}, byKey + ofAll + " AND id>?)  " + found},
			"word between two":         {SubscriberQuery{Text: "example", From: noon.AddDate(0, 0, -9), To: noon}, byKey + ofAll + " AND id>? AND id<?)  " + found},
			"address":                  {SubscriberQuery{Order: ByAddress, Text: "example"}, "SCAN f VIRTUAL TABLE"},
			"address of a newsletter":  {SubscriberQuery{Order: ByAddress, Newsletter: "a/1"}, ofAll + ")"},
			"address between two":      {SubscriberQuery{Order: ByAddress, From: noon.AddDate(0, 0, -9), To: noon}, ofAll + " AND id>? AND id<?)"},
			"address, word and letter": {SubscriberQuery{Order: ByAddress, Newsletter: "a/1", Text: "example"}, "SCAN f VIRTUAL TABLE"},
		} {
			all := ""
			for _, s := range of(tt.q) {
				for _, line := range plan(t, d, s) {
					if strings.HasPrefix(line, "SCAN ") && !derived.MatchString(line) && !strings.HasPrefix(line, "SCAN f VIRTUAL TABLE INDEX") && !strings.HasPrefix(line, "SCAN CONSTANT") {
						t.Errorf("%s, %v: %s\n%s", name, indexed, line, s)
					}
					if sorts.MatchString(line) && tt.q.Order.byTime() && !strings.Contains(s, "ORDER BY n DESC") && !strings.Contains(s, "ORDER BY t.created_at") {
						t.Errorf("%s, %v: %s\n%s", name, indexed, line, s)
					}
					all += strings.Replace(line, "COVERING ", "", 1) + "  "
				}
			}
			if !strings.Contains(all, tt.uses) {
				t.Errorf("%s, %v: %q isn't used in\n%s", name, indexed, tt.uses, strings.ReplaceAll(all, "  ", "\n"))
			}
		}
	}
}

// TestAWordIsLookedForWhereFewestAre looks at how a word is found with something beside it
// that leaves many: SQLite's index is asked for the positions of the time alone, and on a
// later page from where that begins.
func TestAWordIsLookedForWhereFewestAre(t *testing.T) {
	d, ids := listedPeople(t)
	d.searchAll(t)
	noon := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	const after, before = "SEARCH search_rows USING COVERING INDEX sqlite_autoindex_search_rows_1 (tenant_id=? AND id<?)", "SEARCH search_rows USING COVERING INDEX sqlite_autoindex_search_rows_1 (tenant_id=? AND id>?)"
	for name, tt := range map[string]struct {
		counted int
		q       SubscriberQuery
		uses    []string
	}{
		"any time":       {1, SubscriberQuery{Text: "example"}, []string{"SCAN f VIRTUAL TABLE INDEX 192:M0><"}},
		"since":          {1, SubscriberQuery{Text: "example", From: noon}, []string{"SCAN f VIRTUAL TABLE", after}},
		"until":          {1, SubscriberQuery{Text: "example", To: noon}, []string{"SCAN f VIRTUAL TABLE", before}},
		"between":        {1, SubscriberQuery{Text: "example", From: noon.AddDate(0, 0, -1), To: noon}, []string{"SCAN f VIRTUAL TABLE", after, before}},
		"a later page":   {1, SubscriberQuery{Text: "example", From: noon, After: ids["six"]}, []string{"SCAN f VIRTUAL TABLE INDEX 192:M0<>"}},
		"an earlier one": {1, SubscriberQuery{Text: "example", To: noon, Before: ids["one"]}, []string{"SCAN f VIRTUAL TABLE INDEX 64:M0><"}},
	} {
		var run []string
		d.counted = tt.counted
		d.Observe(func(query string) { run = append(run, query) })
		d.list(t, "a", tt.q)
		d.Observe(nil)
		all := strings.Join(run, "\n")
		for _, s := range run {
			all += "\n" + strings.Join(plan(t, d, s), "\n")
		}
		for _, uses := range tt.uses {
			if !strings.Contains(all, uses) {
				t.Errorf("%s: %q isn't used in\n%s", name, uses, all)
			}
		}
		if counts := strings.Contains(run[1], "SELECT count(*) FROM (SELECT 1 FROM search_index"); counts != (tt.counted == 2) {
			t.Errorf("%s: whom the word finds is counted first: %v", name, counts)
		}
	}
}

// TestPostgresListsByTheFewest looks at how PostgreSQL reads a list, once it has counted: by
// the newsletter's index where few are in it, and between the times that are asked for.
func TestPostgresListsByTheFewest(t *testing.T) {
	if testdb.Either(t, "sqlite", "") != "" {
		t.Skip("these are plans of PostgreSQL's")
	}
	d := withNewsletters(t, "a/1", "a/2")
	var crowd []SignUp
	for i := range 6000 {
		letter := "a/1"
		if i%1000 == 0 {
			letter = "a/2"
		}
		crowd = append(crowd, signUp(letter, strconv.Itoa(i)+"@example.com"))
	}
	add(t, d, crowd...)
	d.searchAll(t)
	if _, err := d.write.Exec(`ANALYZE`); err != nil {
		t.Fatal(err)
	}
	day := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	for name, tt := range map[string]struct {
		q    SubscriberQuery
		uses string
	}{
		"between two times":      {SubscriberQuery{From: day.AddDate(0, 0, -9), To: day}, `(id < '`},
		"word between two times": {SubscriberQuery{Text: "example", From: day.AddDate(0, 0, -9), To: day}, `(id < '`},
	} {
		tt.q.Limit = 21
		l := listing{base: d.base, tenantID: "a", SubscriberQuery: tt.q, words: wordsOf(tt.q.Text)}
		if err := l.prepare(t.Context()); err != nil {
			t.Fatal(err)
		}
		var ids []string
		p := l.ids(&ids)
		if !l.Order.byTime() {
			p = l.sortedIDs(&ids)
		}
		lines, err := collect(t.Context(), d.read, func(row scanner) (line string, err error) { return line, row.Scan(&line) }, `EXPLAIN `+p.query, d.engine.search().planned(p.args)...)
		if plan := strings.Join(lines, "\n"); err != nil || !strings.Contains(plan, tt.uses) {
			t.Errorf("%s: %v, %q isn't used in\n%s", name, err, tt.uses, plan)
		}
	}
}

// TestAttacksReadWhatWasHeldLately looks at how attacks are looked for once a minute: what was held before isn't read,
// however much that is.
func TestAttacksReadWhatWasHeldLately(t *testing.T) {
	d := withNewsletters(t, "a/1", "a/2", "b/1")
	var crowd []SignUp
	for i := range 3000 {
		s := signUp([]string{"a/1", "a/2", "b/1"}[i%3], strconv.Itoa(i)+"@example.com")
		s.At, s.Held = noon.Add(-time.Duration(i)*5*time.Second), []string{"honeypot"}
		if i >= 300 {
			s.At = s.At.Add(-time.Duration(i) * 10 * time.Minute)
		}
		crowd = append(crowd, s)
	}
	add(t, d, crowd...)
	observed := observe(d)
	all, err := d.Attacks(t.Context(), noon.Add(-time.Hour), 2)
	asked := slices.DeleteFunc(observed(), func(s string) bool { return !strings.Contains(s, "holds") })
	if err != nil || len(all) != 3 || len(asked) != 1 {
		t.Fatalf("%+v, %d statements, %v", all, len(asked), err)
	}
	const index = "holds_by_time"
	if testdb.Either(t, "sqlite", "postgres") == "sqlite" {
		lines := strings.Join(plan(t, d, asked[0]), "; ")
		if !strings.Contains(lines, "SEARCH h USING INDEX "+index+" (at>?)") || strings.Count(lines, " h ") != 1 || strings.Contains(lines, " o ") || !strings.Contains(lines, "SEARCH t USING") {
			t.Error(lines)
		}
		return
	}
	unless(t, run(d, `ANALYZE`))
	lines, err := collect(t.Context(), d.read, func(row scanner) (line string, err error) { return line, row.Scan(&line) }, `EXPLAIN `+asked[0], millis(noon.Add(-time.Hour)), 2)
	if got := strings.Join(lines, "\n"); err != nil || !strings.Contains(got, index) || strings.Count(got, " on holds ") != 1 {
		t.Errorf("%s, %v", got, err)
	}
}
