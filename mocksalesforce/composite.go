package mocksalesforce

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"gatepost/simulated"
)

const maxSubrequests = 25

// subrequest is one call inside a composite one.
type subrequest struct {
	Method      string            `json:"method"`
	URL         string            `json:"url"`
	ReferenceID string            `json:"referenceId"`
	Body        json.RawMessage   `json:"body"`
	RichInput   json.RawMessage   `json:"richInput"` // how a batch calls its bodies
	HTTPHeaders map[string]string `json:"httpHeaders"`
}

// subresponse is the answer to one of them.
type subresponse struct {
	Body        any               `json:"body"`
	Headers     map[string]string `json:"httpHeaders"`
	Status      int               `json:"httpStatusCode"`
	ReferenceID string            `json:"referenceId"`

	failed bool
}

// inner makes the call that a subrequest asks for.
func (c *call) inner(r subrequest) (*call, *resource, error) {
	u, err := url.Parse(r.URL)
	if err != nil {
		return nil, nil, errNotFound
	}
	path := strings.TrimPrefix(u.EscapedPath(), dataRoot)
	version, rest, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if err := checkVersion(version); err != nil {
		return nil, nil, err
	}
	res, wild := findResource(segments(rest))
	if len(r.URL) > simulated.MaxURI {
		return nil, nil, fail(http.StatusRequestURITooLong, "URI_TOO_LONG", "the URL of a subrequest is too long")
	}
	header := http.Header{}
	for name, v := range r.HTTPHeaders {
		header.Set(name, v)
	}
	for _, name := range []string{"Sforce-Duplicate-Rule-Header", "Sforce-Query-Options"} {
		if header.Get(name) == "" {
			header.Set(name, c.header.Get(name))
		}
	}
	return &call{s: c.s, who: c.who, base: c.base, version: version, method: strings.ToUpper(r.Method), path: wild,
		query: u.Query(), header: header, body: r.Body, tx: c.tx}, res, nil
}

// composite handles POST /composite.
func (c *call) composite(ctx context.Context) (reply, error) {
	var in struct {
		AllOrNone bool         `json:"allOrNone"`
		Requests  []subrequest `json:"compositeRequest"`
	}
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	if err := checkComposite(in.Requests); err != nil {
		return reply{}, err
	}
	var answers []subresponse
	err := c.write(ctx, func(q querier) error {
		var err error
		answers, err = c.each(ctx, q, in.Requests, in.AllOrNone)
		return err
	})
	if errors.Is(err, errRolledBack) {
		answers, err = halt(answers, in.Requests), nil
	}
	return reply{status: http.StatusOK, body: map[string]any{"compositeResponse": answers}}, err
}

var referenceSyntax = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]*$`)

func checkComposite(list []subrequest) error {
	if len(list) == 0 {
		return fail(http.StatusBadRequest, "INVALID_INPUT", "compositeRequest: at least one subrequest is required")
	}
	if len(list) > maxSubrequests {
		return fail(http.StatusBadRequest, "LIMIT_EXCEEDED", fmt.Sprintf("The composite subrequests number limit exceeded %d", maxSubrequests))
	}
	seen, heavy := map[string]bool{}, 0
	for _, r := range list {
		if !referenceSyntax.MatchString(r.ReferenceID) {
			return fail(http.StatusBadRequest, "INVALID_INPUT", fmt.Sprintf("Provided referenceId ('%s') must start with a letter and contain letters, digits and underscores only.", r.ReferenceID))
		}
		if seen[r.ReferenceID] {
			return fail(http.StatusBadRequest, "INVALID_INPUT", fmt.Sprintf("Provided referenceId ('%s') must be unique.", r.ReferenceID))
		}
		seen[r.ReferenceID] = true
		if isHeavy(r.URL) {
			heavy++
		}
	}
	if heavy > 5 {
		return fail(http.StatusBadRequest, "LIMIT_EXCEEDED", "The composite request exceeds the limit of 5 query and sObject Collections subrequests.")
	}
	return nil
}

// isHeavy reports whether a subrequest is a query or a Collections call, of which a composite call takes five.
func isHeavy(rawURL string) bool {
	path, _, _ := strings.Cut(strings.TrimPrefix(rawURL, dataRoot+"/"), "?")
	_, rest, _ := strings.Cut(path, "/")
	head, tail, _ := strings.Cut(strings.ToLower(rest), "/")
	return head == "query" || head == "queryall" || head == "composite" && strings.HasPrefix(tail, "sobjects")
}

// each does the subrequests in their order. With allOrNone the first failure ends and undoes all.
func (c *call) each(ctx context.Context, q querier, list []subrequest, allOrNone bool) ([]subresponse, error) {
	results := map[string]any{}
	var answers []subresponse
	for _, r := range list {
		a, err := c.one(ctx, q, r, results)
		if err != nil {
			return nil, err
		}
		answers = append(answers, a)
		if allOrNone && (a.Status >= 300 || a.failed) {
			return answers, errRolledBack
		}
	}
	return answers, nil
}

func (c *call) one(ctx context.Context, q querier, r subrequest, results map[string]any) (subresponse, error) {
	rep, err := c.perform(ctx, q, r, results)
	if err != nil && !isRefusal(err) {
		return subresponse{}, err
	}
	if err != nil {
		rep = c.s.refusal(err)
	}
	a := subresponse{Body: rep.body, Headers: rep.header, Status: rep.status, ReferenceID: r.ReferenceID, failed: rep.failed}
	if a.Headers == nil {
		a.Headers = map[string]string{}
	}
	if a.Status < 300 {
		results[r.ReferenceID], err = plain(rep.body)
		return a, err
	}
	return a, nil
}

// perform resolves the references of a subrequest and does it.
func (c *call) perform(ctx context.Context, q querier, r subrequest, results map[string]any) (reply, error) {
	var err error
	if r.URL, err = resolveText(r.URL, results, true); err != nil {
		return reply{}, err
	}
	if r.Body, err = resolveBody(r.Body, results); err != nil {
		return reply{}, err
	}
	in, res, err := c.inner(r)
	if err != nil {
		return reply{}, err
	}
	if res != nil && len(res.pattern) > 0 && res.pattern[0] == "composite" && (len(res.pattern) == 1 || res.pattern[1] != "sobjects") {
		return reply{}, fail(http.StatusBadRequest, "INVALID_INPUT", "This resource is not supported in a composite request: "+r.URL)
	}
	in.tx = q
	return in.run(ctx, res)
}

// halt answers a composite call that was undone: what failed tells why, all else was halted.
func halt(answers []subresponse, list []subrequest) []subresponse {
	out := make([]subresponse, len(list))
	for i, r := range list {
		if i == len(answers)-1 {
			out[i] = answers[i]
			continue
		}
		out[i] = subresponse{Status: http.StatusBadRequest, ReferenceID: r.ReferenceID, Headers: map[string]string{},
			Body: fail(0, "PROCESSING_HALTED", "The transaction was rolled back since another operation in the same transaction failed.").body()}
	}
	return out
}

// plain turns an answer into maps and lists, for references to look into.
func plain(body any) (any, error) {
	if body == nil {
		return nil, nil
	}
	text, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	var v any
	return v, decode(text, &v)
}

var referencePattern = regexp.MustCompile(`@\{([^}]*)\}`)

// resolveBody puts the results of earlier subrequests into the strings of a body.
func resolveBody(body json.RawMessage, results map[string]any) (json.RawMessage, error) {
	if !bytes.Contains(body, []byte("@{")) {
		return body, nil
	}
	var v any
	if err := decode(body, &v); err != nil {
		return nil, fail(http.StatusBadRequest, "JSON_PARSER_ERROR", err.Error())
	}
	v, err := resolve(v, results)
	if err != nil {
		return nil, err
	}
	return json.Marshal(v)
}

func resolve(v any, results map[string]any) (any, error) {
	var err error
	switch v := v.(type) {
	case string:
		return resolveText(v, results, false)
	case map[string]any:
		for name, in := range v {
			if v[name], err = resolve(in, results); err != nil {
				return nil, err
			}
		}
	case []any:
		for i, in := range v {
			if v[i], err = resolve(in, results); err != nil {
				return nil, err
			}
		}
	}
	return v, nil
}

func resolveText(s string, results map[string]any, escape bool) (string, error) {
	var failed error
	out := referencePattern.ReplaceAllStringFunc(s, func(m string) string {
		got, err := lookUp(m[2:len(m)-1], results)
		failed = errors.Join(failed, err)
		if escape {
			return url.PathEscape(got)
		}
		return got
	})
	return out, failed
}

var stepSyntax = regexp.MustCompile(`^([A-Za-z0-9_]+)?((\[\d+\])*)$`)

// lookUp follows a reference such as ref.records[0].Id.
func lookUp(path string, results map[string]any) (string, error) {
	name, rest, _ := strings.Cut(path, ".")
	head, index, _ := strings.Cut(name, "[")
	if index != "" {
		rest = strings.TrimSuffix("["+index+"."+rest, ".")
	}
	invalid := fail(http.StatusBadRequest, "PROCESSING_HALTED", fmt.Sprintf("Invalid reference specified. No value for %s found in %s", path, head))
	v, ok := results[head]
	if !ok {
		return "", invalid
	}
	for step := range strings.SplitSeq(rest, ".") {
		m := stepSyntax.FindStringSubmatch(step)
		if m == nil {
			return "", invalid
		}
		if v, ok = follow(v, m[1], m[2]); !ok {
			return "", invalid
		}
	}
	switch v := v.(type) {
	case string:
		return v, nil
	case json.Number:
		return v.String(), nil
	case bool:
		return strconv.FormatBool(v), nil
	}
	return "", invalid
}

func follow(v any, name, indexes string) (any, bool) {
	if name != "" {
		m, ok := v.(map[string]any)
		if !ok {
			return nil, false
		}
		if v, ok = m[name]; !ok {
			return nil, false
		}
	}
	for i := range strings.SplitSeq(strings.Trim(indexes, "[]"), "][") {
		if i == "" {
			continue
		}
		list, ok := v.([]any)
		n, err := strconv.Atoi(i)
		if !ok || err != nil || n >= len(list) {
			return nil, false
		}
		v = list[n]
	}
	return v, true
}

// batch handles POST /composite/batch: independent calls, each counted.
func (c *call) batch(ctx context.Context) (reply, error) {
	var in struct {
		Halt     bool         `json:"haltOnError"`
		Requests []subrequest `json:"batchRequests"`
	}
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	if len(in.Requests) == 0 || len(in.Requests) > maxSubrequests {
		return reply{}, fail(http.StatusBadRequest, "LIMIT_EXCEEDED", "The batch requests number must lie between 1 and 25")
	}
	if extra := len(in.Requests) - 1; extra > 0 {
		if err := c.s.spend(ctx, c.who.user.OrgID, "batched", extra, nil); err != nil {
			return reply{}, err
		}
	}
	type answer struct {
		Status int `json:"statusCode"`
		Result any `json:"result"`
	}
	answers, bad := []answer{}, false
	for _, r := range in.Requests {
		rep := c.s.refusal(fail(http.StatusPreconditionFailed, "BATCH_PROCESSING_HALTED", "Batch processing halted per request"))
		if !bad || !in.Halt {
			rep = c.batched(ctx, r)
		}
		bad = bad || rep.status >= 400
		answers = append(answers, answer{rep.status, rep.body})
	}
	return reply{status: http.StatusOK, body: map[string]any{"hasErrors": bad, "results": answers}}, nil
}

func (c *call) batched(ctx context.Context, r subrequest) reply {
	r.Body = r.RichInput
	in, res, err := c.inner(r)
	if err == nil && res != nil && len(res.pattern) > 0 && res.pattern[0] == "composite" {
		err = fail(http.StatusBadRequest, "INVALID_INPUT", "This resource is not supported in a batch request: "+r.URL)
	}
	if err != nil {
		return c.s.refusal(err)
	}
	rep, err := in.run(ctx, res)
	if err != nil {
		return c.s.refusal(err)
	}
	return rep
}

// tree handles POST /composite/tree/X: all records or none.
func (c *call) tree(ctx context.Context) (reply, error) {
	o, err := c.writableObject(c.path[0])
	if err != nil {
		return reply{}, err
	}
	var in collection
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	if err := checkCount(len(in.Records)); err != nil {
		return reply{}, err
	}
	refs, err := references(in, o)
	if err != nil {
		return reply{}, err
	}
	changes := make([]change, len(in.Records))
	err = c.write(ctx, func(q querier) error {
		for i, r := range in.Records {
			changes[i] = c.prepareCreate(ctx, q, o, r)
			if changes[i].err == nil {
				changes[i].err = c.apply(ctx, q, changes[i])
			}
			if err := changes[i].err; err != nil && !isRefusal(err) {
				return err
			}
		}
		if anyFailed(changes) {
			return errRolledBack
		}
		return nil
	})
	if err != nil && !errors.Is(err, errRolledBack) {
		return reply{}, err
	}
	return treeReply(changes, refs), nil
}

func references(in collection, o *object) ([]string, error) {
	refs, seen := make([]string, len(in.Records)), map[string]bool{}
	for i, r := range in.Records {
		attributes, _ := r["attributes"].(map[string]any)
		kind, _ := attributes["type"].(string)
		refs[i], _ = attributes["referenceId"].(string)
		if !strings.EqualFold(kind, o.Name) {
			return nil, fail(http.StatusBadRequest, "INVALID_INPUT", "Include 'type' of "+o.Name+" in the attributes of each record.")
		}
		if refs[i] == "" || seen[refs[i]] {
			return nil, fail(http.StatusBadRequest, "INVALID_INPUT", "Include a unique 'referenceId' in the attributes of each record.")
		}
		seen[refs[i]] = true
	}
	return refs, nil
}

func treeReply(changes []change, refs []string) reply {
	failed := anyFailed(changes)
	results := []any{}
	for i, ch := range changes {
		if e, ok := errors.AsType[*apiError](ch.err); ok {
			results = append(results, map[string]any{"referenceId": refs[i],
				"errors": []recordProblem{{e.Code, e.Message, append([]string{}, e.Fields...)}}})
		} else if !failed {
			results = append(results, map[string]any{"referenceId": refs[i], "id": ch.rec.ID()})
		}
	}
	status := http.StatusCreated
	if failed {
		status = http.StatusBadRequest
	}
	return reply{status: status, body: map[string]any{"hasErrors": failed, "results": results}}
}
