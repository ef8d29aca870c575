package mockzoho_test

import (
	"fmt"
	"strings"
	"testing"
)

// 7a.12: what the parser refuses, each in the words of its code.
func TestCOQLRefuses(t *testing.T) {
	w := newWorld(t)
	john := w.session(`{}`)
	const from = "select id from Contacts where "
	for _, c := range []struct {
		query, code, message string
		details              string // path=value, separated by spaces
	}{
		{"", "SYNTAX_ERROR", "missing clause", "clause=select"},
		{"select id", "SYNTAX_ERROR", "missing clause", "clause=from"},
		{"select id from Contacts", "SYNTAX_ERROR", "missing clause", "clause=where"},
		{"select id from Contacts limit 1", "SYNTAX_ERROR", "missing clause", "clause=where"},
		{"select id from Nowhere", "SYNTAX_ERROR", "missing clause", "clause=where"},
		{"select id from Nowhere where id is not null", "INVALID_MODULE", "the given module is not supported in api", ""},
		{"select id, id from Contacts where id is not null", "DUPLICATE_DATA", "duplicate select column", "column_name=id"},
		{"select Nothing from Contacts where id is not null", "INVALID_QUERY", "unsupported column", "column_name=Nothing"},
		{"select email from Contacts where id is not null", "INVALID_QUERY", "unsupported column", "column_name=email"},
		{"select COUNT(id) from Contacts where id is not null", "SYNTAX_ERROR", "given coql query not supported", ""},
		{from + "Nothing = 'a'", "INVALID_QUERY", "unsupported column", "column_name=Nothing"},
		{from + `Email = 'o\'neill@b.example'`, "SYNTAX_ERROR", "unexpected token", `line=1 column=41 near=\`},
		{"select id\nfrom Contacts\nwhere Email = \"a\"", "SYNTAX_ERROR", "unexpected token", `line=3 column=15 near="`},
		{from + "Email = 'a' and", "SYNTAX_ERROR", "error occured while parsing the query", "near=<EOF>"},
		{from + "Email = 'a", "SYNTAX_ERROR", "error occured while parsing the query", "near=<EOF>"},
		{from + "Email = a", "SYNTAX_ERROR", "unexpected token", "line=1 column=39 near=a"},
		{from + "Email in ()", "SYNTAX_ERROR", "unexpected token", "line=1 column=41 near=)"},
		{from + "Email resembles 'a'", "SYNTAX_ERROR", "operator not supported", "operator=resembles"},
		{from + "Email = 'a' and Phone = 'b' and Mobile = 'c'", "SYNTAX_ERROR", "unexpected token", "line=1 column=59 near=and"},
		{from + "Email > 'a'", "INVALID_QUERY", "Invalid query formed", "column_name=Email operator=>"},
		{from + "Description = 'a'", "INVALID_QUERY", "Invalid query formed", "column_name=Description operator=="},
		{from + "Email = 5", "INVALID_QUERY", "value given seems to be invalid for the column", "column_name=Email"},
		{from + "id = 'abc'", "INVALID_QUERY", "value given seems to be invalid for the column", "column_name=id"},
		{from + "Email_Opt_Out = 'true'", "INVALID_QUERY", "value given seems to be invalid for the column", "column_name=Email_Opt_Out"},
		{from + "Modified_Time > 'yesterday'", "INVALID_QUERY", "value given seems to be invalid for the column", "column_name=Modified_Time"},
		{from + "id is not null order by Nothing", "INVALID_QUERY", "unsupported column", "column_name=Nothing"},
		{from + "id is not null group by Email", "SYNTAX_ERROR", "given coql query not supported", ""},
		{from + "id is not null limit 0", "INVALID_DATA", "limit should be greater than 0", ""},
		{from + "id is not null limit 0, 0", "INVALID_DATA", "limit should be greater than 0", ""},
		{from + "id is not null limit 2001", "INVALID_QUERY", "limit given seems to be invalid", "limit=2000"},
		{from + "id is not null limit 100001, 10", "LIMIT_EXCEEDED", "offset limit exceeded", "limit=100000"},
		{from + "id is not null limit -1", "SYNTAX_ERROR", "unexpected token", "near=-1"},
		{from + "Email in (" + list(101) + ")", "LIMIT_EXCEEDED", "value limit exceeded", "limit=100"},
		{from + nested(26), "LIMIT_EXCEEDED", "criteria limit exceeded", "limit=25"},
		{"select " + columns(501) + " from Contacts where id is not null", "LIMIT_EXCEEDED", "select column limit exceeded", "limit=500"},
		{from + "id is not null extra", "SYNTAX_ERROR", "unexpected token", "near=extra"},
		{strings.Repeat("(", 3), "SYNTAX_ERROR", "missing clause", "clause=select"},
		{from + strings.Repeat("(", 500) + "id is null", "SYNTAX_ERROR", "given coql query not supported", ""},
	} {
		a := w.query(john.Access, c.query)
		if a.status != 400 || a.str("code") != c.code || a.str("message") != c.message || a.str("status") != "error" {
			t.Errorf("%.80s: %d %s", c.query, a.status, a.body)
			continue
		}
		for _, d := range strings.Fields(c.details) {
			name, want, _ := strings.Cut(d, "=")
			if got := fmt.Sprint(a.path("details." + name)); got != want {
				t.Errorf("%.80s: %s is %s, want %s", c.query, name, got, want)
			}
		}
	}
	w.call("POST", api+"/coql", john.Access, `{"query":"x"}`).is(400, "MANDATORY_NOT_FOUND").says("details.api_name", "select_query").says("message", "mandatory key not found")
	w.call("POST", "/crm/v6/coql", john.Access, `{"select_query":"`+from+"Email in ("+list(51)+`)"}`).is(400, "LIMIT_EXCEEDED").says("details.limit", 50)
}

// list is a list of n addresses.
func list(n int) string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf("'p%d@b.example'", i))
	}
	return strings.Join(all, ", ")
}

// nested is n criteria, in pairs.
func nested(n int) string {
	text := "Email = 'a'"
	for range n - 1 {
		text = "(" + text + " or Email = 'a')"
	}
	return text
}

func columns(n int) string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf("c%d", i))
	}
	return strings.Join(all, ", ")
}

// 7a.12: what the parser takes.
func TestCOQLFinds(t *testing.T) {
	w := newWorld(t)
	john := w.session(`{}`)
	a := w.add(john.Access,
		`{"Last_Name":"O'Neill","First_Name":"Ada","Email":"o'neill@b.example","Phone":"1"}`,
		`{"Last_Name":"Byron","Email":"Byron@b.example","Secondary_Email":"b2@b.example","Email_Opt_Out":true}`,
		`{"Last_Name":"Clarke"}`).is(201, "")
	one, two, three := a.id(0), a.id(1), a.id(2)
	names := map[string]string{one: "1", two: "2", three: "3"}
	for where, want := range map[string]string{
		"Email = 'o''neill@b.example'":                                                "1",
		"Email = 'O''NEILL@B.EXAMPLE'":                                                "1",
		"(Email = 'byron@b.example')":                                                 "2",
		"Email in ('byron@b.example', 'o''neill@b.example', 'no@b.example')":          "12",
		"Email not in ('byron@b.example')":                                            "13",
		"Email != 'byron@b.example'":                                                  "13",
		"Email is null":                                                               "3",
		"Email is not null":                                                           "12",
		"Email = 'byron@b.example' or Email = 'o''neill@b.example'":                   "12",
		"Email = 'byron@b.example' or Secondary_Email = 'b2@b.example'":               "2",
		"Email = 'byron@b.example' and Phone is not null":                             "",
		"((Email = 'byron@b.example' or Phone = '1') and Last_Name = 'o''neill')":     "1",
		"Last_Name = 'x' or (Phone = '1' or Email_Opt_Out = true)":                    "12",
		"Email_Opt_Out = false":                                                       "13",
		"Last_Name like '%r%'":                                                        "23",
		"Last_Name not like 'B%'":                                                     "13",
		"Last_Name like '%ke'":                                                        "3",
		"id = '" + two + "'":                                                          "2",
		"id = " + two:                                                                 "2",
		"id in ('" + two + "', '" + three + "', '1234567890123456789')":               "23",
		"id > '" + one + "'":                                                          "23",
		"id between '" + one + "' and '" + two + "'":                                  "12",
		"id not between " + one + " and " + two:                                       "3",
		"Modified_Time >= '2020-01-01T00:00:00+01:00'":                                "123",
		"Modified_Time < '2020-01-01T00:00:00Z'":                                      "",
		"Created_Time is not null and Email in (" + list(99) + ", 'byron@b.example')": "2",
		nested(25): "",
	} {
		a := w.query(john.Access, "SELECT Email From Contacts WHERE "+where+" ORDER BY id")
		got := ""
		for i := range a.records() {
			got += names[a.str(fmt.Sprintf("data.%d.id", i))]
		}
		if got != want {
			t.Errorf("%s: %q, want %q: %d %s", where, got, want, a.status, a.body)
		}
	}
}

// records is how many records an answer has; 204 has none.
func (a answer) records() int {
	a.t.Helper()
	if a.status == 204 && a.body == "" {
		return 0
	}
	a.is(200, "")
	return a.len("data")
}

// 7a.12 and 7a.13: order and both forms of limit, and no content where nothing is left.
func TestCOQLOrderAndLimit(t *testing.T) {
	w := newWorld(t)
	john := w.session(`{}`)
	var rows []string
	for i := range 5 {
		rows = append(rows, person(fmt.Sprintf("Person %d", i), fmt.Sprintf("p%d@b.example", i)))
	}
	w.add(john.Access, rows...).is(201, "")
	for _, c := range []struct {
		rest, names string
		more        bool
	}{
		{"", "01234", false}, {"order by Last_Name desc", "43210", false}, {"order by Email_Opt_Out, Last_Name desc", "43210", false},
		{"order by Last_Name asc limit 2", "01", true}, {"order by Last_Name limit 1, 2", "12", true}, {"order by Last_Name limit 2 offset 1", "12", true},
		{"order by Last_Name limit 3, 2", "34", false}, {"order by Last_Name limit 5 offset 4", "4", false},
	} {
		a := w.query(john.Access, "select Last_Name from Contacts where Email is not null "+c.rest).is(200, "")
		got := ""
		for i := range a.len("data") {
			got += strings.TrimPrefix(a.str(fmt.Sprintf("data.%d.Last_Name", i)), "Person ")
		}
		if got != c.names || a.path("info.more_records") != c.more || a.num("info.count") != len(c.names) {
			t.Errorf("%s: %s: %s", c.rest, got, a.body)
		}
	}
	for _, rest := range []string{"limit 5, 2", "and Last_Name = 'x'"} {
		if a := w.query(john.Access, "select Last_Name from Contacts where Email is not null "+rest); a.status != 204 || a.body != "" {
			t.Errorf("%s: %d %q", rest, a.status, a.body)
		}
	}
}

// 7a.13: nothing is 204 with no body, wherever something is listed.
func TestNothingIsNoContent(t *testing.T) {
	w := newWorld(t)
	john := w.session(`{"scope":"ZohoCRM.modules.ALL,ZohoSearch.securesearch.READ"}`)
	for _, path := range []string{"/Contacts?fields=Email", "/Contacts/4876876000000342001", "/Contacts/deleted", "/Contacts/search?email=a@b.example", "/Leads/search?word=a"} {
		if a := w.call("GET", api+path, john.Access, ""); a.status != 204 || a.body != "" {
			t.Errorf("%s: %d %q", path, a.status, a.body)
		}
	}
}

// Not established: how queries compare addresses, what they do with a backslash and with
// converted leads, and how long they may be.
func TestSwitchesOfCOQL(t *testing.T) {
	w := newWorld(t)
	john := w.session(`{}`)
	w.add(john.Access, person("A", "Ada@b.example"), `{"Last_Name":"b\\c"}`).is(201, "")
	const lower, typed = "select id from Contacts where Email in ('ada@b.example')", "select id from Contacts where Email = 'Ada@b.example'"
	const slash = `select id from Contacts where Last_Name = 'b\c'`
	w.query(john.Access, lower).is(200, "")
	w.query(john.Access, slash).is(400, "SYNTAX_ERROR")
	w.settings(`{"coql_case":"exact","coql_backslash":"literal","max_query":60}`)
	w.query(john.Access, lower).is(204, "")
	w.query(john.Access, typed).is(200, "")
	w.query(john.Access, slash).is(200, "")
	w.query(john.Access, lower+" limit 10").is(400, "LIMIT_EXCEEDED")
}

// include_meta tells of the fields.
func TestCOQLMeta(t *testing.T) {
	w := newWorld(t)
	john := w.session(`{}`)
	w.add(john.Access, person("A", "a@b.example"))
	a := w.call("POST", api+"/coql", john.Access, `{"select_query":"select Last_Name, Email from Contacts where id is not null","include_meta":["fields"]}`).is(200, "")
	a.says("fields.Last_Name.required", true).says("fields.Email.data_type", "email").says("fields.Phone", nil)
}
