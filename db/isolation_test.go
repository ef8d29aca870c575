package db

import (
	"context"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"gatepost/db/dbtest/testdb"
)

// TestNoMethodReachesAnotherTenantsRows calls every method that is for a tenant
// with ids of another one's rows, whatever it does: with those of its destination too. What
// it returns holds nothing of the other tenant, and the other's rows stay as they are. Methods are found in
// the source, so that a new one can't be forgotten.
func TestNoMethodReachesAnotherTenantsRows(t *testing.T) {
	methods := tenantMethods(t)
	if len(methods) < 50 {
		t.Fatalf("only %d methods were found", len(methods))
	}
	d := open(t)
	_, mine := member(t, d, "mine")
	_, theirs := member(t, d, "theirs")
	fill(t, d, mine.ID)
	fill(t, d, theirs.ID)
	if err := d.SwitchSealingKey(t.Context(), 0, 7); err != nil {
		t.Fatal(err)
	}
	tables := tenantTables(t, d)
	before, restore := rowsOf(t, d, tables, theirs.ID), testdb.Snapshot(t, d.write, ownTables(t, d))
	for name, params := range methods {
		for where, lease := range map[string]Lease{
			"in a destination of mine":   {first(mine.ID), "me"},
			"in a destination of others": {DestinationKey{mine.ID, theirs.ID}, "me"},
		} {
			t.Run(name+" "+where, func(t *testing.T) {
				defer restore(t)
				if err := d.TakeLease(t.Context(), lease); err != nil {
					t.Fatal(err)
				}
				method := reflect.ValueOf(d).MethodByName(name)
				args := make([]reflect.Value, method.Type().NumIn())
				for i := range args {
					args[i] = argument(t, method.Type().In(i), params[i], lease, theirs.ID)
				}
				for _, result := range method.Call(args) {
					if text := fmt.Sprintf("%+v", result.Interface()); strings.Contains(strings.ReplaceAll(text, fmt.Sprint(lease.DestinationKey), ""), theirs.ID) {
						t.Errorf("returns %s", text)
					}
				}
				after := rowsOf(t, d, tables, theirs.ID)
				for _, row := range before {
					if !slices.Contains(after, row) {
						t.Errorf("the other tenant's row is changed or gone: %s", row)
					}
				}
				if len(after) != len(before) {
					t.Errorf("the other tenant has %d rows, had %d", len(after), len(before))
				}
			})
		}
	}
}

// tenantMethods are the exported methods of DB that take a tenant's id, a destination or a lease,
// with the names of their parameters. Not among them: those that make somebody
// belong to a tenant, whom it is for them to name.
func tenantMethods(t *testing.T) map[string][]string {
	t.Helper()
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	methods := map[string][]string{}
	for _, name := range names {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range f.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok || fn.Recv == nil || !fn.Name.IsExported() || slices.Contains([]string{"AddMember", "CreateUser", "Member", "SetSessionTenant"}, fn.Name.Name) {
				continue
			}
			if _, ok := reflect.TypeFor[*DB]().MethodByName(fn.Name.Name); !ok {
				continue
			}
			var params []string
			for _, field := range fn.Type.Params.List {
				for _, param := range field.Names {
					params = append(params, param.Name)
					if of := fmt.Sprint(field.Type); of == "Lease" || of == "DestinationKey" {
						params[len(params)-1] = "lease"
					}
				}
			}
			if slices.Contains(params, "tenantID") || slices.Contains(params, "lease") {
				methods[fn.Name.Name] = params
			}
		}
	}
	return methods
}

// argument is what is passed for a parameter: the caller's own tenant, and the
// other's id for all else.
func argument(t *testing.T, of reflect.Type, name string, mine Lease, theirs string) reflect.Value {
	t.Helper()
	v := reflect.New(of).Elem()
	switch {
	case of == reflect.TypeFor[context.Context]():
		return reflect.ValueOf(t.Context())
	case of == reflect.TypeFor[Lease]():
		return reflect.ValueOf(mine)
	case of == reflect.TypeFor[DestinationKey]():
		return reflect.ValueOf(mine.DestinationKey)
	case name == "tenantID":
		v.SetString(mine.TenantID)
	case name == "service":
		v.SetString("sfdc") // which both have
	case of == reflect.TypeFor[time.Time]():
		return reflect.ValueOf(noon)
	case of.Kind() == reflect.Func:
		return reflect.MakeFunc(of, func([]reflect.Value) []reflect.Value {
			results := make([]reflect.Value, of.NumOut())
			for i := range results {
				results[i] = reflect.Zero(of.Out(i))
			}
			return results
		})
	default:
		put(v, theirs)
	}
	return v
}

// put fills in the id wherever a text goes, and a number wherever that goes.
func put(v reflect.Value, id string) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(id)
	case reflect.Int, reflect.Int64:
		v.SetInt(10)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		put(v.Index(0), id)
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return
		}
		for i := range v.NumField() {
			if v.Field(i).CanSet() {
				put(v.Field(i), id)
			}
		}
	}
}

// tenantTables are the tables whose rows are of tenants, and how many columns each has.
func tenantTables(t *testing.T, d *DB) map[string]int {
	t.Helper()
	_, columns := testdb.Tables(t, d.read)
	of := map[string]int{}
	for _, table := range ownTables(t, d) {
		if slices.ContainsFunc(columns[table], func(c testdb.Column) bool { return c.Name == "tenant_id" }) {
			of[table] = len(columns[table])
		}
	}
	return of
}

// rowsOf are all rows of a tenant, each as text.
func rowsOf(t *testing.T, d *DB, tables map[string]int, tenantID string) (all []string) {
	t.Helper()
	for table, columns := range tables {
		rows, err := collect(t.Context(), d.read, func(s scanner) (string, error) {
			values := make([]any, columns)
			for i := range values {
				values[i] = new(any)
			}
			err := s.Scan(values...)
			text, _ := json.Marshal(values)
			return table + " " + string(text), err
		}, `SELECT * FROM `+table+` WHERE tenant_id = $1 ORDER BY 1, 2`, tenantID)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, rows...)
	}
	return all
}
