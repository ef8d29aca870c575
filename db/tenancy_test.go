package db

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"gatepost/db/dbtest/testdb"
)

// Why a statement may not say of which tenant its rows are.
const (
	byOwnID   = "a row by its own id, which was read for its tenant before"
	ofUser    = "of one person, who may belong to several tenants"
	ofService = "of one service, for the operator, or to see who goes on with a grant"
	byLink    = "by the hash of a link's token, which nobody can guess"
	forJobs   = "what is due or has expired, of all tenants, for a job or the vault"
	forFile   = "of all tenants, for a file that the operator keeps"
	selected  = "for those whom the caller selects; its condition is made at run time"
)

// acrossTenants are the functions with such statements.
var acrossTenants = map[string]string{
	"AbandonedRenewals": forJobs, "ExpireSessions": forJobs, "ExpireHandshakes": forJobs, "ExpireHeld": forJobs, "ExpireIncidents": forJobs, "ExpireVaultEvents": forJobs, "IndexSearch": forJobs, "KeepAliveDue": forJobs, "ResumeActions": forJobs, "ResumeLists": forJobs, "SweepDestinations": forJobs, "EndUnfed": forJobs, "ExpireScreening": forJobs, "waitingTenants": forJobs, "FormReports": "of all tenants, for the operator", "FollowCauses": forJobs, "RevocationsDue": forJobs,
	"BreakIdentity": byOwnID, "causeGone": byOwnID, "CloseIncident": byOwnID, "DeleteRevocation": byOwnID, "ExtendRenewal": byOwnID, "FailRenewal": byOwnID, "FinishRenewal": byOwnID,
	"IdentityByID": byOwnID, "SetTokenHash": byOwnID, "MendIncident": byOwnID, "RestartCall": byOwnID, "Revocation": byOwnID, "SetExpiry": byOwnID, "StartRenewal": byOwnID, "StepAction": byOwnID,
	"queueAgain": forJobs, "QueueUnfound": forJobs, "Used": byOwnID, "YieldAction": byOwnID, "forget": byOwnID, "save": byOwnID,
	"CreateSession": ofUser, "LastOutcome": ofUser, "roomFor": ofUser, "DeleteUser": ofUser, "EndSession": ofUser, "EndSessions": ofUser, "Sessions": ofUser, "SetSessionData": ofUser, "TouchSession": ofUser,
	"SetMailChoice": ofUser, "mailsOfUser": ofUser, "Users": ofUser, "ZoneOf": ofUser, "endBegun": ofUser, "replacePassword": ofUser,
	"ApprovedAnywhere": ofService, "HeldAnywhere": ofService, "HoldsToken": ofService, "UnhashedHeld": ofService, "DeleteServiceDefinition": ofService, "ChangeServiceDefinition": ofService, "IdentityCounts": ofService,
	"Identities": selected, "deleteSelected": selected, "endAuthorizations": selected, "withdrawAuthorizations": selected,
	"Authorization": byOwnID, "AuthorizationByLink": byOwnID, "OpenAuthorization": byOwnID, "EndAuthorization": byOwnID, "GrantAuthorization": byOwnID, "Granted": byOwnID,
	"takeGranted": byOwnID, "inTime": byOwnID, "DropAuthorization": byOwnID, "HandshakeAuthorization": byOwnID,
	"BeginAuthorization": "counted for an API key, which may be of several tenants", "SetAPIKey": "of an API key, which may be of several tenants", "ExpireAuthorizations": forJobs,
	"LeaseReaderMails": forJobs, "ReaderMailsDue": forJobs, "ExpireReaderMails": forJobs, "TenantsWithUndecided": forJobs, "OpenConfirmation": byLink, "PressConfirmation": byLink,
	"ErasureReceipts": forFile, "Suppressions": forFile,
	"NewsletterBySlug": "a form by its public name",
}

// Every statement on a table of tenants' rows says of which tenant they are, or
// stands in a function that acrossTenants gives a reason for.
func TestEveryStatementIsOfOneTenant(t *testing.T) {
	d := open(t)
	tables, columns := testdb.Tables(t, d.read)
	tables = slices.DeleteFunc(tables, func(table string) bool {
		return !slices.ContainsFunc(columns[table], func(c testdb.Column) bool { return c.Name == "tenant_id" })
	})
	for _, table := range slices.Clone(tables) { // PostgreSQL adds up some of them in views
		if view, folded := strings.CutPrefix(table, "folded_"); folded {
			tables = append(tables, view)
		}
	}
	touches := regexp.MustCompile(`\b(FROM|JOIN|UPDATE|INTO)\s+(` + strings.Join(tables, "|") + `)\b`)
	compares := regexp.MustCompile(`tenant_id (=|IN)|INSERT INTO`)
	seen, n := map[string]bool{}, 0
	for function, all := range statementsByFunction(t) {
		for _, s := range all {
			if function == "" || !touches.MatchString(s) { // a constant is looked at where it is used
				continue
			}
			n++
			if compares.MatchString(s) {
				continue
			}
			seen[function] = true
			if acrossTenants[function] == "" {
				t.Errorf("%s: %s", function, strings.Join(strings.Fields(s), " "))
			}
		}
	}
	for function := range acrossTenants {
		if !seen[function] {
			t.Errorf("%s needs no exception (any more)", function)
		}
	}
	if n < 150 {
		t.Errorf("only %d statements were found", n)
	}
}
