package zoho

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"gatepost/crm"
)

// tagsKey are tags that a record gets beside those that it has. They are no field: a call of their own
// adds them.
const tagsKey = ":tags"

// maxTag is how many characters a tag may have.
const maxTag = 25

// tags are what can be set of them.
var tags = crm.SchemaField{Key: tagsKey, Label: "Tags", Type: crm.TypeChoices, Length: maxTag, Create: true, Update: true,
	Calls: "One more API call for up to 100 sign-ups that get the same tags.",
	Hint:  "They are added to those that are there. A tag that isn’t there yet comes to be; it may have up to 25 characters."}

// tagging is what travels in one call: records of a module that get the same tags, by the index of their
// writes.
type tagging struct {
	module string
	names  []string
	writes []int
}

// taggings share the writes that were done and want tags out to calls.
func taggings(writes []crm.Write, results []crm.Result) (all []tagging) {
	for i, w := range writes {
		text, _ := crm.Canonical(crm.TypeChoices, w.Own[tagsKey].Text)
		names := crm.Value{Text: text}.Choices()
		if results[i].Err != nil || len(names) == 0 {
			continue
		}
		module, _, _ := strings.Cut(results[i].ID, "/")
		same := func(t tagging) bool {
			return t.module == module && slices.Equal(t.names, names) && len(t.writes) < perCall
		}
		if n := slices.IndexFunc(all, same); n >= 0 {
			all[n].writes = append(all[n].writes, i)
			continue
		}
		all = append(all, tagging{module, names, []int{i}})
	}
	return all
}

// addTags gives those who were written their tags. Their records stand whatever comes of it: who didn't get
// the tags has a failure of class crm.Passing beside the id. The next write of the record tries again,
// and nothing is done twice, since a record has a tag once.
func (c *Client) addTags(ctx context.Context, writes []crm.Write, results []crm.Result) {
	for _, t := range taggings(writes, results) {
		saves, err := c.tag(ctx, t, results)
		for i, n := range t.writes {
			f, _ := errors.AsType[*crm.Failure](err)
			if err == nil && saves[i].Status != "success" {
				f = saves[i].tagFailure()
			}
			if f != nil {
				results[n].Err = notTagged(f)
			}
		}
	}
}

// tag makes a call, and returns what it says of each of its records.
func (c *Client) tag(ctx context.Context, t tagging, results []crm.Result) ([]save, error) {
	body := fields{"over_write": false}
	var names []fields
	for _, name := range t.names {
		names = append(names, fields{"name": name})
	}
	var ids []string
	for _, n := range t.writes {
		_, number, _ := strings.Cut(results[n].ID, "/")
		ids = append(ids, number)
	}
	body["tags"], body["ids"] = names, ids
	sent, err := json.Marshal(body)
	if err != nil {
		return nil, unsent(fmt.Errorf("encode tags: %w", err))
	}
	a, err := c.call(ctx, request{method: http.MethodPost, path: apiPath + "/" + t.module + "/actions/add_tags", body: sent, write: true, rows: true, cost: 1})
	if err != nil {
		return nil, err
	}
	return parseRows(a.body, len(t.writes)), nil
}

// tagFailure is why a record didn't get its tags.
func (s save) tagFailure() *crm.Failure {
	if s.Status != "error" || !codePattern.MatchString(s.Code) {
		return nonsense("unexpected answer for a record's tags", true)
	}
	return s.failure()
}

// notTagged is the failure of a record that was written, and lacks its tags.
func notTagged(f *crm.Failure) *crm.Failure {
	return &crm.Failure{Class: crm.Passing, Code: f.Code, Detail: f.Detail, Wait: f.Wait, Tries: crm.Unexpected.Tries, Field: tagsKey,
		Changed: f.Class == crm.Recorded, Cause: f.Cause}
}
