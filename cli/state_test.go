package cli

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Why what a process keeps in its memory need not be known to the others.
const (
	ofOneCall  = "it lives no longer than one call"
	ofProcess  = "it is about this process alone: its queue, its processor time, its goroutines"
	inDatabase = "it is added to what the database has, or is a lease's there, and only what was counted since is in memory"
	aSecond    = "it is what the database had within the last second, and is dropped when a process tells of a change"
	aDay       = "it is what the database had within the last minute, of what holds for a day"
	logged     = "it only spares the log a line that stands in it already"
	constant   = "it is never changed once it is made"
	costsACall = "without it a call of a service is made once more when another process takes over, and nothing goes wrong"
	halfLeft   = "it is what this process used of a limit of which the service itself tells all how much is left, once half is used"
)

// keptInMemory is all that processes keep, by the reason why that is harmless.
var keptInMemory = map[string]string{
	ofProcess: `auth.hasher.known auth.hasher.places auth.hasher.slots auth.hasher.spare auth.turn.places auth.turn.spare
		cli.program.env crm/hubspot.portal.turn crm/wire.Track.connected crm/wire.Track.dialling delivery.Dispatcher.again delivery.Dispatcher.of
		delivery.Dispatcher.heard delivery.Dispatcher.signal delivery.turn.stop identity.Vault.calls identity.Vault.flights
		mail.connections.free newsletter.Service.queue newsletter.Service.stored newsletter.request.answer`,
	inDatabase: `newsletter.findings.n newsletter.views.n crm/hubspot.Client.calls crm/salesforce.Client.calls crm/zoho.Client.calls delivery.Dispatcher.usages identity.uses.at ratelimit.Limits.changed
		ratelimit.Limits.counts`,
	aSecond:    `auth.APIKeys.known newsletter.Service.known`,
	aDay:       `newsletter.domains.known`,
	logged:     `identity.Vault.otherApps`,
	costsACall: `crm/connect.findings.all crm/hubspot.Shared.portals crm/salesforce.Shapes.hidden crm/salesforce.Shapes.orgs crm/wire.RefusedTokens.tokens crm/zoho.Shared.tokens delivery.Dispatcher.paces delivery.Dispatcher.vain`,
	halfLeft:   `crm/zoho.Shared.orgs crm/zoho.account.spent`,
	constant: `newsletter.consents screening.disposables routes.apiDocsPage routes.defaultLabels routes.purposeNames routes.sourceNames routes.stateWords routes.typeNames
		crm/mapping.expected crm/mapping.fits crm/mapping.typeNames crm/mapping.types crm/hubspot.access crm/hubspot.codes crm/hubspot.types crm/salesforce.types crm/zoho.types crm/salesforce.access crm/salesforce.codes crm/salesforce.refused crm/zoho.access crm/zoho.codes crm/zoho.editions crm/zoho.refused auth.commonWords auth.favourites auth.lines auth.neighbours auth.tooEasy cli.makesDatabase cli.mendedBy cli.onlyReads
		cli.letter.peaks cli.variables delivery.ranks delivery.recordFates identity.EventMeanings identity.Service.AskParams identity.Service.Includes identity.Service.Params identity.Vault.services identity.endOfCode identity.flagOf
		routes.actTitles routes.waysOut routes.acts routes.callStatus routes.columnNames routes.completionFailures routes.erasedFates routes.failures routes.framingFields routes.jsonSentences routes.toldStates routes.lookOf routes.notUndone routes.optedOutWords routes.receiptTitles routes.recordFates routes.refusals routes.replicationWords seal.MACs.keys seal.registry.kinds zones.atlas.byName zones.atlas.byRegion zones.loaded`,
	ofOneCall: `crm/mapping.Record.Own crm/mapping.Record.Written crm/mapping.Row.Values crm/mapping.SignUp.Facts crm/mapping.SignUp.Values delivery.mapped.forms delivery.mapped.keys delivery.mapped.own delivery.mapped.read
		cli.pairsFlag.at cli.pastMaker.contact cli.readers.taken cli.receipts.sums crm/hubspot.contact.Properties crm/hubspot.fault.Context crm/hubspot.input.Properties crm/hubspot.reason.Context crm/hubspot.rounds.next crm/salesforce.part.Headers delivery.batch.found delivery.person.optedOut identity.APIAnswer.Header identity.APIRequest.Header identity.AuthorizationRequest.Params identity.AuthorizeRequest.Params identity.answer.userinfo incidents.look.lasting
		routes.authorizationRequest.Params routes.callAnswer.Headers routes.callRequest.Headers routes.callRequest.Query newsletter.Erasure.Ways routes.personFile.Subscriptions routes.credential.Native routes.problemDocument.Errors`,
}

// stateful are the types that can keep much, or for several goroutines; locks keep nothing.
var stateful = regexp.MustCompile(`\bmap\[|\bchan\b|\bsync\.(Map|Pool|Once)|\batomic\.|\blru\.|\bsingleflight\.`)

// Whatever could hold what two processes must agree on has a reason why it doesn't. It is
// looked for by its type, in what packages and structs keep.
func TestNothingSharedIsKeptInMemory(t *testing.T) {
	harmless, seen := map[string]bool{}, map[string]bool{}
	for _, places := range keptInMemory {
		for _, place := range strings.Fields(places) {
			harmless[place] = true
		}
	}
	crms, err := os.ReadDir("../crm")
	if err != nil {
		t.Fatal(err)
	}
	rooms := []string{"auth", "cli", "delivery", "identity", "incidents", "jobs", "mail", "newsletter", "outbound", "ratelimit", "routes", "screening", "seal", "zones"}
	for _, crm := range crms {
		if crm.IsDir() && crm.Name() != "crmtest" {
			rooms = append(rooms, "crm/"+crm.Name())
		}
	}
	for _, room := range rooms {
		for _, place := range placesOfState(t, room) {
			seen[place] = true
			if !harmless[place] {
				t.Errorf("%s: must other processes know of it? Keep it in the database, or say why they needn't", place)
			}
		}
	}
	for place := range harmless {
		if !seen[place] {
			t.Errorf("%s is not there (any more)", place)
		}
	}
}

// placesOfState are the variables of a package and the fields of its structs whose type
// can keep something that changes.
func placesOfState(t *testing.T, room string) (places []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", room, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: no files, %v", room, err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range f.Decls {
			if d, ok := decl.(*ast.GenDecl); ok {
				places = append(places, statesOf(room, d)...)
			}
		}
	}
	slices.Sort(places)
	return slices.Compact(places)
}

func statesOf(room string, d *ast.GenDecl) (places []string) {
	for _, spec := range d.Specs {
		switch s := spec.(type) {
		case *ast.TypeSpec:
			of, ok := s.Type.(*ast.StructType)
			if !ok {
				continue
			}
			for _, field := range of.Fields.List {
				if !stateful.MatchString(typeText(field.Type)) {
					continue
				}
				for _, name := range field.Names {
					places = append(places, room+"."+s.Name.Name+"."+name.Name)
				}
			}
		case *ast.ValueSpec:
			for i, name := range s.Names {
				of := typeText(s.Type)
				if of == "" && i < len(s.Values) {
					of = typeText(s.Values[i])
				}
				if d.Tok == token.VAR && stateful.MatchString(of) {
					places = append(places, room+"."+name.Name)
				}
			}
		}
	}
	return places
}

// typeText is a type, or what a value is made with, as it is written.
func typeText(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.CompositeLit:
		return typeText(e.Type)
	case *ast.CallExpr:
		return types.ExprString(e.Fun)
	case *ast.FuncLit, nil:
		return ""
	}
	return types.ExprString(e)
}
