package db

import (
	"slices"
	"strings"
	"testing"

	"gatepost/db/dbtest/testdb"
)

// Why a column that can hold a text has no person's data.
const (
	holdsIDs     = "ids that Gatepost made, which say nothing about anybody"
	holdsWords   = "words of a list of ours: states, kinds, codes"
	holdsCode    = "a code of a CRM, a service or the mail server, from a list of theirs"
	holdsSecret  = "sealed, or a hash of a secret"
	ofTeam       = "about a member of the team, or what they connected: users are no readers, and are removed with gatepost user rm"
	byTenant     = "what the tenant made: its names, words, settings, forms"
	byOperator   = "what the operator, or a service, said about apps, orgs and scopes"
	ofCRM        = "what a CRM says about its fields and its org, and not about a record"
	ofRunner     = "the job runner's: its jobs are named by ids of ours, and are deleted within days"
	forAnHour    = "a keyed digest of what a limit is about, deleted within an hour or a day of its end"
	ofLogins     = "a hash of what logins are throttled by: a user's address, or a network; deleted within an hour or a day of its end"
	ofMigrations = "which tables there are"
)

// noPersonsData are the columns that hold no reader's data, by table: "*" stands for all
// others of it.
var noPersonsData = map[string]map[string]string{
	"actions":                   {"id": holdsIDs, "tenant_id": holdsIDs, "destination_id": holdsIDs, "actor": holdsIDs, "last_id": holdsIDs, "service": holdsWords, "kind": holdsWords, "reason": holdsCode, "org_id": ofCRM},
	"activity":                  {"*": holdsWords},
	"api_calls":                 {"*": holdsIDs},
	"api_keys":                  {"*": ofTeam},
	"api_usage":                 {"*": holdsIDs},
	"authorizations":            {"*": ofTeam},
	"blames":                    {"*": holdsIDs},
	"causes":                    {"*": holdsWords},
	"checkups":                  {"tenant_id": holdsIDs, "destination_id": holdsIDs, "org_id": ofCRM},
	"count_deltas":              {"*": holdsWords},
	"crm_schemas":               {"*": ofCRM},
	"database_copies":           {"*": byTenant},
	"day_counts":                {"*": holdsWords},
	"destination_newsletters":   {"*": holdsIDs},
	"destinations":              {"*": byTenant},
	"devices":                   {"*": holdsSecret},
	"disconnections":            {"*": ofTeam},
	"form_versions":             {"*": byTenant},
	"goose_db_version":          {"*": ofMigrations},
	"granted_identities":        {"*": ofTeam},
	"handshakes":                {"*": ofTeam},
	"held_identities":           {"*": ofTeam},
	"hour_counts":               {"*": holdsWords},
	"identities":                {"*": ofTeam},
	"identity_tags":             {"*": ofTeam},
	"incidents":                 {"*": holdsCode},
	"leases":                    {"*": holdsIDs},
	"ledger":                    {"*": holdsWords},
	"ledger_sums":               {"*": holdsWords},
	"limit_counts":              {"*": forAnHour},
	"logos":                     {"*": byTenant},
	"mac_keys":                  {"*": holdsSecret},
	"mails":                     {"*": ofTeam},
	"mappings":                  {"*": byTenant},
	"memberships":               {"*": ofTeam},
	"newsletter_slugs":          {"*": byTenant},
	"newsletters":               {"*": byTenant},
	"org_confirmations":         {"*": ofTeam},
	"org_counts":                {"*": ofCRM},
	"org_locks":                 {"*": ofCRM},
	"paused_fields":             {"*": ofCRM},
	"pauses":                    {"tenant_id": holdsIDs, "destination_id": holdsIDs, "reason": holdsCode},
	"reason_counts":             {"*": holdsCode},
	"recount_sums":              {"*": holdsWords},
	"recounts":                  {"*": holdsIDs},
	"removal_records":           {"tenant_id": holdsIDs, "subscriber_id": holdsIDs, "destination_id": holdsIDs, "org_id": ofCRM, "record": holdsWords, "code": holdsCode, "way": holdsWords, "instance_url": ofCRM, "kept": ofCRM},
	"removals":                  {"tenant_id": holdsIDs, "subscriber_id": holdsIDs, "newsletter_id": holdsIDs, "actor": holdsIDs, "kind": holdsWords},
	"reset_links":               {"*": holdsSecret},
	"revocations":               {"*": ofTeam},
	"river_job":                 {"*": ofRunner},
	"river_leader":              {"*": ofRunner},
	"river_migration":           {"*": ofRunner},
	"river_notification":        {"*": ofRunner},
	"river_queue":               {"*": ofRunner},
	"sealing_keys":              {"*": holdsSecret},
	"search_looks":              {"*": holdsIDs},
	"search_queue":              {"*": holdsIDs},
	"service_settings":          {"*": byOperator},
	"services":                  {"*": byOperator},
	"sessions":                  {"id": holdsIDs, "secret_hash": holdsSecret, "user_id": holdsIDs, "tenant_id": holdsIDs, "user_agent": ofTeam, "ip": ofTeam},
	"setup_links":               {"*": holdsSecret},
	"state_counts":              {"*": holdsWords},
	"suppressions":              {"tenant_id": holdsIDs, "newsletter_id": holdsIDs, "how": holdsWords},
	"compactions":               {"*": holdsWords},
	"destination_subscriptions": {"*": holdsIDs},
	"finding_counts":            {"*": holdsWords},
	"form_reports":              {"id": holdsIDs, "tenant_id": holdsIDs, "newsletter_id": holdsIDs},
	"mail_domains":              {"*": "domains of all tenants, without who came from them"},
	"suppression_lists":         {"*": holdsIDs},
	"suppression_lines":         {"tenant_id": holdsIDs, "list_id": holdsIDs, "mac": "a keyed digest of an address that doesn't want mails, which stays: see suppressions"},
	"recipient_mails":           {"times": "times of mails"},
	"used_proofs":               {"*": "a keyed digest of an address, deleted within hours"},
	"tenant_apps":               {"*": byTenant},
	"tenant_mails":              {"*": holdsIDs},
	"tenants":                   {"*": byTenant},
	"throttles":                 {"*": ofLogins},
	"users":                     {"*": ofTeam},
	"vault_events":              {"*": holdsCode},
	"view_counts":               {"*": holdsWords},
	"wordings":                  {"*": byTenant},
	"write_probes":              {"*": holdsIDs},
}

// noText are the types of columns that can't hold a text.
var noText = []string{"BIGINT", "INTEGER", "SMALLINT", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "BOOLEAN", "BIT"}

// Every column of the database that can hold a text is one that the export and the erasing
// know, or has a reason why there is nobody's data in it.
func TestEveryColumnSaysWhoseDataItHas(t *testing.T) {
	d := open(t)
	tables, columns := testdb.Tables(t, d.read)
	registered := registeredColumns()
	seen := map[string]bool{}
	for _, table := range tables {
		own := table
		if !strings.HasPrefix(table, "river_") {
			own = strings.TrimPrefix(table, "folded_") // as PostgreSQL calls what is counted
		}
		for _, c := range columns[table] {
			seen[own+"."+c.Name], seen[own+".*"] = true, true
			if slices.Contains(noText, strings.ToUpper(c.Type)) {
				continue
			}
			reason, whole := noPersonsData[own][c.Name], noPersonsData[own]["*"]
			switch is := registered[own+"."+c.Name]; {
			case !is && reason == "" && whole == "":
				t.Errorf("%s.%s (%s) may hold a person's data: say how it is exported and erased in persondata.go, or here why it holds none", table, c.Name, c.Type)
			case is && reason != "":
				t.Errorf("%s.%s is in persondata.go, and is said to hold no person's data", table, c.Name)
			}
		}
	}
	for at := range registered {
		if !seen[at] && at != "search_rows.position" { // SQLite's alone
			t.Errorf("persondata.go knows %s, which isn't there", at)
		}
	}
	for table, columns := range noPersonsData {
		for column := range columns {
			if !seen[table+"."+column] && table != "count_deltas" && !strings.HasPrefix(table, "river_") && table != "search_looks" {
				t.Errorf("%s.%s is said to hold no person's data, and isn't there", table, column)
			}
		}
	}
}

// registeredColumns are those that persondata.go knows, as table.column.
func registeredColumns() map[string]bool {
	all := map[string]bool{}
	for _, table := range personTables {
		for _, c := range table.Columns {
			all[table.Name+"."+c.Name] = true
		}
	}
	for _, m := range mentionColumns {
		all[m.table+"."+m.column] = true
	}
	for _, k := range erasedKeeps {
		all[k.table+"."+k.column] = true
	}
	return all
}

// A table with rows of a person tells of each of its columns how it is exported, or why it
// isn't.
func TestEveryColumnOfAPersonIsExportedOrSaysWhyNot(t *testing.T) {
	d := open(t)
	_, columns := testdb.Tables(t, d.read)
	for _, table := range personTables {
		for _, c := range columns[table.Name] {
			at := slices.IndexFunc(table.Columns, func(of PersonColumn) bool { return of.Name == c.Name })
			if at < 0 {
				t.Errorf("%s.%s is missing in persondata.go", table.Name, c.Name)
			} else if of := table.Columns[at]; (of.Untold == "") == (of.Label == "") {
				t.Errorf("%s.%s has a label and a reason not to be exported, or neither", table.Name, c.Name)
			}
		}
	}
}
