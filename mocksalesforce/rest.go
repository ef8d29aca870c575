package mocksalesforce

import (
	"bytes"
	"compress/gzip"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"gatepost/simulated"
)

const (
	maxBody       = 50 << 20 // unpacked
	dataRoot      = "/services/data"
	oldestVersion = 31
	newestVersion = 67
	goneVersion   = 20 // what came before never was REST
)

// apiError is how the REST API refuses.
type apiError struct {
	Status     int
	Code       string
	Message    string
	Fields     []string
	duplicates map[string]any
}

func (e *apiError) Error() string { return e.Code + ": " + e.Message }

func fail(status int, code, message string, fields ...string) *apiError {
	return &apiError{Status: status, Code: code, Message: message, Fields: fields}
}

// errorBody is one element of an error answer.
type errorBody struct {
	Duplicates map[string]any `json:"duplicateResut,omitempty"` // spelt as Salesforce spells it
	Message    string         `json:"message"`
	ErrorCode  string         `json:"errorCode"`
	Fields     *[]string      `json:"fields,omitempty"`
}

// fieldless are codes whose errors carry no "fields".
var fieldless = []string{"INVALID_SESSION_ID", "NOT_FOUND", "INVALID_FIELD", "JSON_PARSER_ERROR", "MALFORMED_QUERY", "INVALID_TYPE",
	"REQUEST_LIMIT_EXCEEDED", "METHOD_NOT_ALLOWED", "UNSUPPORTED_MEDIA_TYPE", "DUPLICATES_DETECTED", "PROCESSING_HALTED"}

func (e *apiError) body() []errorBody {
	b := errorBody{Duplicates: e.duplicates, Message: e.Message, ErrorCode: e.Code}
	if len(e.Fields) > 0 || !slices.Contains(fieldless, e.Code) {
		fields := append([]string{}, e.Fields...)
		b.Fields = &fields
	}
	return []errorBody{b}
}

// reply is an answer of the REST API before it is written.
type reply struct {
	status int
	header map[string]string
	body   any  // nil: no body
	failed bool // a Collections call of which some record failed
}

// call is one REST call, from outside or inside a composite one.
type call struct {
	s       *Server
	who     session
	base    string
	version string // "v67.0"
	method  string
	path    []string // what matched the resource's wildcards
	query   url.Values
	header  http.Header
	body    []byte
	tx      querier // set inside a composite call
}

func (c *call) schema() *schema { return c.s.schema(c.who.user.OrgID) }

// reader is where a call reads: its transaction, or the pool.
func (c *call) reader() querier {
	if c.tx != nil {
		return c.tx
	}
	return c.s.core.Read
}

// write runs fn so that all of it happens or nothing.
func (c *call) write(ctx context.Context, fn func(q querier) error) error {
	if c.tx == nil {
		return c.s.core.Tx(ctx, fn)
	}
	return simulated.Savepoint(ctx, c.tx, func() error { return fn(c.tx) })
}

// url is the address of a resource of this call's version.
func (c *call) url(parts ...string) string {
	return dataRoot + "/" + c.version + "/" + strings.Join(parts, "/")
}

func (c *call) attributes(r *record) map[string]any {
	return map[string]any{"type": r.obj.Name, "url": c.url("sobjects", r.obj.Name, r.ID())}
}

// object returns the kind of record that a URL names.
func (c *call) object(name string) (*object, error) {
	o := c.schema().object(name)
	if o == nil {
		return nil, errNotFound
	}
	return o, nil
}

// decode reads the JSON body.
func (c *call) decode(v any) error {
	err := decode(c.body, v)
	if err == nil {
		return nil
	}
	message := "Unexpected end-of-input"
	if _, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		message = "Cannot deserialize the request body: " + err.Error()
	} else if len(bytes.TrimSpace(c.body)) > 0 {
		message = "Unexpected character: " + strings.TrimPrefix(err.Error(), "invalid character ")
	}
	return fail(http.StatusBadRequest, "JSON_PARSER_ERROR", message)
}

// action answers one method of a resource.
type action struct {
	kind string // for faults and counters
	do   func(c *call, ctx context.Context) (reply, error)
}

// resource is a path below the version, "*" standing for any segment.
type resource struct {
	pattern []string
	methods map[string]action
}

var resources []resource

func init() {
	// Filled here because the composite calls lead back to this table.
	resources = []resource{
		{split(""), map[string]action{"GET": {"other", (*call).listResources}}},
		{split("limits"), map[string]action{"GET": {"limits", (*call).limits}}},
		{split("query"), map[string]action{"GET": {"query", (*call).runQuery}}},
		{split("queryAll"), map[string]action{"GET": {"query", (*call).runQueryAll}}},
		{split("query/*"), map[string]action{"GET": {"query", (*call).moreQuery}}},
		{split("queryAll/*"), map[string]action{"GET": {"query", (*call).moreQuery}}},
		{split("sobjects"), map[string]action{"GET": {"describe", (*call).describeGlobal}}},
		{split("sobjects/*"), map[string]action{"GET": {"describe", (*call).describeBasic}, "POST": {"create", (*call).create}}},
		{split("sobjects/*/describe"), map[string]action{"GET": {"describe", (*call).describe}}},
		{split("sobjects/*/*"), map[string]action{"GET": {"retrieve", (*call).retrieve}, "PATCH": {"update", (*call).update}, "DELETE": {"delete", (*call).remove1}}},
		{split("sobjects/*/*/*"), map[string]action{"GET": {"retrieve", (*call).retrieveByKey}, "PATCH": {"upsert", (*call).upsert}, "DELETE": {"delete", (*call).removeByKey}}},
		{split("composite"), map[string]action{"GET": {"other", (*call).listComposite}, "POST": {"composite", (*call).composite}}},
		{split("composite/batch"), map[string]action{"POST": {"composite", (*call).batch}}},
		{split("composite/tree/*"), map[string]action{"POST": {"composite", (*call).tree}}},
		{split("composite/sobjects"), map[string]action{"POST": {"collections", (*call).createMany}, "PATCH": {"collections", (*call).updateMany}, "DELETE": {"collections", (*call).removeMany}}},
		{split("composite/sobjects/*"), map[string]action{"GET": {"collections", (*call).retrieveMany}, "POST": {"collections", (*call).retrieveMany}}},
		{split("composite/sobjects/*/*"), map[string]action{"PATCH": {"collections", (*call).upsertMany}}},
	}
}

func split(p string) []string {
	if p == "" {
		return nil
	}
	return strings.Split(p, "/")
}

// segments splits an escaped path; each segment is unescaped by itself, so
// that a slash in an e-mail address stays inside its segment.
func segments(escaped string) []string {
	parts := split(strings.TrimSuffix(escaped, "/"))
	for i, p := range parts {
		if u, err := url.PathUnescape(p); err == nil {
			parts[i] = u
		}
	}
	return parts
}

// findResource finds what a path means, with the values of its wildcards.
func findResource(path []string) (*resource, []string) {
	for i := range resources {
		if got, ok := resources[i].match(path); ok {
			return &resources[i], got
		}
	}
	return nil, nil
}

func (r *resource) match(path []string) ([]string, bool) {
	if len(path) != len(r.pattern) {
		return nil, false
	}
	var got []string
	for i, p := range r.pattern {
		if p == "*" {
			got = append(got, path[i])
		} else if !strings.EqualFold(p, path[i]) {
			return nil, false
		}
	}
	return got, true
}

// methodOf honours _HttpMethod, for clients that cannot send PATCH.
func methodOf(r *http.Request) string {
	if m := r.URL.Query().Get("_HttpMethod"); m != "" && r.Method == http.MethodPost {
		return strings.ToUpper(m)
	}
	return r.Method
}

// serveREST answers /services/data and all below.
func (s *Server) serveREST(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Strict-Transport-Security", "max-age=63072000; includeSubDomains")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-XSS-Protection", "1; mode=block")
	h.Set("X-Robots-Tag", "none")
	h.Set("Cache-Control", "no-cache,must-revalidate,max-age=0,no-store,private")
	h.Set("Vary", "Accept-Encoding")
	rep, err := s.answer(r, h)
	if err != nil {
		rep = s.refusal(err)
	}
	for name, v := range rep.header {
		h.Set(name, v)
	}
	writeReply(w, r, rep)
}

// refusal turns an error into the answer that tells it.
func (s *Server) refusal(err error) reply {
	e, ok := errors.AsType[*apiError](err)
	if !ok {
		s.core.Log.Error("rest", "error", err)
		e = fail(http.StatusInternalServerError, "UNKNOWN_EXCEPTION", "An unexpected error occurred. Please include this ErrorId if you contact support")
	}
	return reply{status: e.Status, body: e.body()}
}

func writeReply(w http.ResponseWriter, r *http.Request, rep reply) {
	if rep.body == nil {
		w.WriteHeader(rep.status)
		return
	}
	w.Header().Set("Content-Type", jsonType)
	var out io.Writer = w
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		defer z.Close()
		out = z
	}
	w.WriteHeader(rep.status)
	e := json.NewEncoder(out)
	e.SetEscapeHTML(false)
	_ = e.Encode(rep.body)
}

// answer does what a request from outside asks for.
func (s *Server) answer(r *http.Request, h http.Header) (reply, error) {
	rest := strings.TrimPrefix(strings.TrimPrefix(r.URL.EscapedPath(), dataRoot), "/")
	if rest == "" {
		return listVersions(r)
	}
	version, path, _ := strings.Cut(rest, "/")
	if err := checkVersion(version); err != nil {
		return reply{}, err
	}
	who, err := s.admit(r)
	if err != nil {
		return reply{}, err
	}
	res, wild := findResource(segments(path))
	method := methodOf(r)
	if err := s.account(r.Context(), who, res, method, h); err != nil {
		return reply{}, err
	}
	body, err := bodyOf(r, method)
	if err != nil {
		return reply{}, err
	}
	c := &call{s: s, who: who, base: s.core.Base(r), version: version, method: method, path: wild,
		query: r.URL.Query(), header: r.Header, body: body}
	return c.run(r.Context(), res)
}

// run answers a call by its resource.
func (c *call) run(ctx context.Context, res *resource) (reply, error) {
	if res == nil {
		return reply{}, errNotFound
	}
	a, ok := res.methods[c.method]
	if !ok {
		allowed := strings.Join(slices.Sorted(methodNames(res)), ",")
		rep := c.s.refusal(fail(http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED", fmt.Sprintf("HTTP Method '%s' not allowed. Allowed are %s", c.method, allowed)))
		rep.header = map[string]string{"Allow": allowed}
		return rep, nil
	}
	return a.do(c, ctx)
}

func methodNames(res *resource) func(func(string) bool) {
	return func(yield func(string) bool) {
		for m := range res.methods {
			if !yield(m) {
				return
			}
		}
	}
}

// checkVersion lets through what Salesforce still answers.
func checkVersion(v string) error {
	digits, ok := strings.CutSuffix(strings.TrimPrefix(v, "v"), ".0")
	n, err := strconv.Atoi(digits)
	if !ok || err != nil || !strings.HasPrefix(v, "v") || strconv.Itoa(n) != digits || n > newestVersion || n < goneVersion {
		return errNotFound
	}
	if n < oldestVersion {
		return fail(http.StatusGone, "UNSUPPORTED_API_VERSION", "The requested API version is retired: "+v)
	}
	return nil
}

// admit finds whose call this is.
func (s *Server) admit(r *http.Request) (session, error) {
	who, err := s.session(r.Context(), bearer(r))
	if errors.Is(err, sql.ErrNoRows) {
		return who, fail(http.StatusUnauthorized, "INVALID_SESSION_ID", "Session expired or invalid")
	}
	if err != nil {
		return who, err
	}
	if !hasScope(who.scope, "api") && !hasScope(who.scope, "full") {
		return who, fail(http.StatusUnauthorized, "INVALID_SESSION_ID", "This session is not valid for use with the REST API")
	}
	return who, s.slide(r.Context(), who)
}

// account counts a call against the org's daily limit.
func (s *Server) account(ctx context.Context, who session, res *resource, method string, h http.Header) error {
	kind := "other"
	if res != nil && res.methods[method].kind != "" {
		kind = res.methods[method].kind
	}
	return s.spend(ctx, who.user.OrgID, kind, 1, h)
}

// today numbers the days of UTC.
func (s *Server) today() int64 { return s.core.Now() / 86_400_000 }

func (s *Server) spend(ctx context.Context, org, kind string, calls int, h http.Header) error {
	set := s.set(org)
	limit, others := set.DailyLimit, set.OtherCalls
	var used int
	err := s.core.Tx(ctx, func(q querier) error {
		if err := simulated.CountCall(ctx, q, kind); err != nil {
			return err
		}
		err := q.QueryRowContext(ctx, `INSERT INTO usage (org, day, n) VALUES ($1, $2, $3)
			ON CONFLICT (org, day) DO UPDATE SET n = n + excluded.n WHERE n + excluded.n <= $4 RETURNING n`, org, s.today(), calls, limit-others).Scan(&used)
		used += others
		if errors.Is(err, sql.ErrNoRows) || err == nil && used > limit {
			return fail(http.StatusForbidden, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
		}
		return err
	})
	if isRefusal(err) {
		used = limit
	}
	if h != nil {
		h.Set("Sforce-Limit-Info", fmt.Sprintf("api-usage=%d/%d", used, limit))
	}
	return err
}

// used returns how many calls an org has made today.
func (s *Server) used(ctx context.Context, q querier, org string) (int, error) {
	var n int
	err := q.QueryRowContext(ctx, `SELECT COALESCE(SUM(n), 0) FROM usage WHERE org = $1 AND day = $2`, org, s.today()).Scan(&n)
	return n + s.set(org).OtherCalls, err
}

// bodyOf reads a request's body, which must be JSON where one is due.
func bodyOf(r *http.Request, method string) ([]byte, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil || method == http.MethodGet || method == http.MethodDelete {
		return nil, err
	}
	kind := r.Header.Get("Content-Type")
	if t, _, err := mime.ParseMediaType(kind); err != nil || t != "application/json" {
		return nil, fail(http.StatusUnsupportedMediaType, "UNSUPPORTED_MEDIA_TYPE", "Content-Type header specified in HTTP request is not supported: "+kind)
	}
	if r.Header.Get("Content-Encoding") != "gzip" {
		return body, nil
	}
	z, err := gzip.NewReader(bytes.NewReader(body))
	if err == nil {
		body, err = io.ReadAll(io.LimitReader(z, maxBody))
	}
	if err != nil {
		return nil, fail(http.StatusBadRequest, "JSON_PARSER_ERROR", "the request body is not gzip")
	}
	return body, nil
}

// listVersions answers GET /services/data, for anybody and without counting.
func listVersions(r *http.Request) (reply, error) {
	if r.Method != http.MethodGet {
		return reply{}, fail(http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED", "HTTP Method '"+r.Method+"' not allowed. Allowed are GET")
	}
	type version struct {
		Label   string `json:"label"`
		URL     string `json:"url"`
		Version string `json:"version"`
	}
	var list []version
	for n := oldestVersion; n <= newestVersion; n++ {
		v := strconv.Itoa(n) + ".0"
		list = append(list, version{release(n), dataRoot + "/v" + v, v})
	}
	return reply{status: http.StatusOK, body: list}, nil
}

// release names the release that brought an API version: three a year, v67.0 being Summer '26.
func release(n int) string {
	k := n - 66 + 3*26 // Spring '26 is v66.0, and Winter is named for the year to come
	return fmt.Sprintf("%s '%02d", []string{"Spring", "Summer", "Winter"}[k%3], k/3+k%3/2)
}

func (c *call) listResources(context.Context) (reply, error) {
	body := map[string]any{"identity": c.base + "/id/" + c.who.user.OrgID + "/" + c.who.user.ID}
	for _, name := range []string{"sobjects", "query", "queryAll", "limits", "composite"} {
		body[name] = c.url(name)
	}
	return reply{status: http.StatusOK, body: body}, nil
}

func (c *call) listComposite(context.Context) (reply, error) {
	return reply{status: http.StatusOK, body: map[string]any{
		"tree": c.url("composite", "tree"), "batch": c.url("composite", "batch"), "sobjects": c.url("composite", "sobjects")}}, nil
}

func (c *call) limits(ctx context.Context) (reply, error) {
	used, err := c.s.used(ctx, c.reader(), c.who.user.OrgID)
	if err != nil {
		return reply{}, err
	}
	limit := c.s.set(c.who.user.OrgID).DailyLimit
	of := func(maximum, remaining int) map[string]int {
		return map[string]int{"Max": maximum, "Remaining": remaining}
	}
	return reply{status: http.StatusOK, body: map[string]any{
		"DailyApiRequests": of(limit, max(0, limit-used)), "DailyBulkApiBatches": of(15000, 15000), "DailyBulkV2QueryJobs": of(10000, 10000),
		"DailyAsyncApexExecutions": of(250000, 250000), "DataStorageMB": of(5, 5), "FileStorageMB": of(20, 20),
		"SingleEmail": of(15, 15), "MassEmail": of(10, 10), "HourlyODataCallout": of(1000, 1000)}}, nil
}
