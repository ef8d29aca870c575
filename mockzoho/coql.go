package mockzoho

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Limits of a query.
const (
	maxSelected  = 500
	maxCriteria  = 25
	maxCount     = 2000
	maxOffset    = 100_000
	defaultCount = 200
)

// coql is a parsed query.
type coql struct {
	fields        []string // as written
	module        string
	where         condition
	order         []ordering
	offset, count int
	criteria      int
}

// ordering is one term of ORDER BY.
type ordering struct {
	field string
	desc  bool
}

// condition is a term of WHERE: *comparison or *pair.
type condition any

// pair is two conditions; more of them take brackets.
type pair struct {
	or          bool
	left, right condition
}

type comparison struct {
	field  string
	op     string // = != < > <= >= like, not like, in, not in, between, not between, is null, is not null
	values []literal
}

// literal is a constant of a query.
type literal struct{ kind, text string } // string, number or bool

// token is a word of a query and where it begins.
type token struct {
	kind         string // word, string, number, punct, end
	text         string
	line, column int
}

// maxInList is how many values IN takes in a version of the API.
func maxInList(version int) int {
	if version < 7 {
		return 50
	}
	return 100
}

func syntax(message string, d details) *apiError { return rowError("SYNTAX_ERROR", message, d) }

func missingClause(name string) *apiError { return syntax("missing clause", details{"clause": name}) }

func invalidQuery(message string, d details) *apiError {
	return rowError("INVALID_QUERY", message, d)
}

func limitExceeded(message string, limit int) *apiError {
	return rowError("LIMIT_EXCEEDED", message, details{"limit": limit})
}

func unexpected(t token) error {
	if t.kind == "end" {
		return syntax("error occured while parsing the query", details{"near": "<EOF>"})
	}
	return syntax("unexpected token", details{"line": t.line, "column": t.column, "near": t.text})
}

var (
	numberSyntax = regexp.MustCompile(`^[+-]?\d+(\.\d+)?`)
	wordSyntax   = regexp.MustCompile(`^[A-Za-z$][A-Za-z0-9_.$]*`)
	punctSyntax  = regexp.MustCompile(`^(<=|>=|!=|[=<>(),])`)
)

// lexer cuts a query into tokens.
type lexer struct {
	rest         string
	line, column int
	backslash    bool // is taken as it stands
}

// lex returns the tokens of a query; a backslash in a string is refused unless it is
// to be taken as it stands.
func lex(q string, backslash bool) ([]token, error) {
	if !utf8.ValidString(q) {
		return nil, syntax("error occured while parsing the query", details{"near": "<EOF>"})
	}
	l := &lexer{rest: q, line: 1, column: 1, backslash: backslash}
	var list []token
	for {
		l.skip(len(l.rest) - len(strings.TrimLeft(l.rest, " \t\r\n")))
		if l.rest == "" {
			return append(list, token{"end", "", l.line, l.column}), nil
		}
		t, size, err := l.one()
		if err != nil {
			return nil, err
		}
		list = append(list, t)
		l.skip(size)
	}
}

// skip goes on by n bytes and keeps count of lines and columns.
func (l *lexer) skip(n int) {
	for _, r := range l.rest[:n] {
		l.column++
		if r == '\n' {
			l.line, l.column = l.line+1, 1
		}
	}
	l.rest = l.rest[n:]
}

func (l *lexer) one() (token, int, error) {
	if l.rest[0] == '\'' {
		return l.quoted()
	}
	for _, k := range []struct {
		kind string
		re   *regexp.Regexp
	}{{"number", numberSyntax}, {"word", wordSyntax}, {"punct", punctSyntax}} {
		if m := k.re.FindString(l.rest); m != "" {
			return token{k.kind, m, l.line, l.column}, len(m), nil
		}
	}
	r, _ := utf8.DecodeRuneInString(l.rest)
	return token{}, 0, unexpected(token{"punct", string(r), l.line, l.column})
}

// quoted takes a string. A quote in it is doubled.
func (l *lexer) quoted() (token, int, error) {
	var text strings.Builder
	for i := 1; i < len(l.rest); i++ {
		switch c := l.rest[i]; {
		case c == '\\' && !l.backslash:
			l.skip(i)
			return token{}, 0, unexpected(token{"punct", `\`, l.line, l.column})
		case c != '\'':
			text.WriteByte(c)
		case strings.HasPrefix(l.rest[i+1:], "'"):
			text.WriteByte(c)
			i++
		default:
			return token{"string", text.String(), l.line, l.column}, i + 1, nil
		}
	}
	return token{}, 0, syntax("error occured while parsing the query", details{"near": "<EOF>"})
}

// parser reads tokens one after the other.
type parser struct {
	tokens  []token
	version int
	depth   int
	query   coql
}

func (p *parser) peek() token { return p.tokens[0] }

func (p *parser) next() token {
	t := p.tokens[0]
	if t.kind != "end" {
		p.tokens = p.tokens[1:]
	}
	return t
}

func (p *parser) isWord(keyword string) bool {
	t := p.peek()
	return t.kind == "word" && strings.EqualFold(t.text, keyword)
}

// word takes the next token when it is that keyword.
func (p *parser) word(keyword string) bool {
	if p.isWord(keyword) {
		p.next()
		return true
	}
	return false
}

func (p *parser) punct(text string) bool {
	if t := p.peek(); t.kind == "punct" && t.text == text {
		p.next()
		return true
	}
	return false
}

func (p *parser) need(ok bool) error {
	if !ok {
		return unexpected(p.peek())
	}
	return nil
}

var reserved = []string{"select", "from", "where", "order", "group", "by", "limit", "offset", "and", "or", "not", "in", "is", "null",
	"like", "between", "asc", "desc"}

func (p *parser) name() (string, error) {
	t := p.peek()
	if t.kind != "word" || slices.Contains(reserved, strings.ToLower(t.text)) {
		return "", unexpected(t)
	}
	p.next()
	return t.text, nil
}

// parseCOQL parses a query as a version of the API does.
func parseCOQL(q string, version int, backslash bool) (*coql, error) {
	tokens, err := lex(q, backslash)
	if err != nil {
		return nil, err
	}
	p := &parser{tokens: tokens, version: version}
	for _, clause := range []func() error{p.selection, p.source, p.filter, p.ordering, p.limits} {
		if err := clause(); err != nil {
			return nil, err
		}
	}
	if p.isWord("group") {
		return nil, syntax("given coql query not supported", nil)
	}
	return &p.query, p.need(p.peek().kind == "end")
}

func (p *parser) selection() error {
	if !p.word("select") {
		return missingClause("select")
	}
	for {
		name, err := p.name()
		if err != nil {
			return err
		}
		if p.punct("(") { // COUNT(…) and its like
			return syntax("given coql query not supported", nil)
		}
		if slices.Contains(p.query.fields, name) {
			return rowError("DUPLICATE_DATA", "duplicate select column", details{"column_name": name})
		}
		p.query.fields = append(p.query.fields, name)
		if !p.punct(",") {
			break
		}
	}
	if len(p.query.fields) > maxSelected {
		return limitExceeded("select column limit exceeded", maxSelected)
	}
	return nil
}

func (p *parser) source() (err error) {
	if !p.word("from") {
		if p.peek().kind == "end" || p.isWord("where") {
			return missingClause("from")
		}
		return unexpected(p.peek())
	}
	p.query.module, err = p.name()
	return err
}

func (p *parser) filter() (err error) {
	if !p.word("where") {
		if p.peek().kind == "end" || p.isWord("order") || p.isWord("limit") || p.isWord("group") {
			return missingClause("where")
		}
		return unexpected(p.peek())
	}
	if p.query.where, err = p.conditions(); err != nil {
		return err
	}
	if p.query.criteria > maxCriteria {
		return limitExceeded("criteria limit exceeded", maxCriteria)
	}
	return nil
}

// conditions parses one term or a pair of them; a third one is unexpected wherever it stands.
func (p *parser) conditions() (condition, error) {
	left, err := p.term()
	if err != nil {
		return nil, err
	}
	or := p.isWord("or")
	if !or && !p.isWord("and") {
		return left, nil
	}
	p.next()
	right, err := p.term()
	return &pair{or, left, right}, err
}

func (p *parser) term() (condition, error) {
	if p.depth++; p.depth > 200 {
		return nil, syntax("given coql query not supported", nil)
	}
	defer func() { p.depth-- }()
	if p.punct("(") {
		c, err := p.conditions()
		if err != nil {
			return nil, err
		}
		return c, p.need(p.punct(")"))
	}
	p.query.criteria++
	return p.comparison()
}

func (p *parser) comparison() (condition, error) {
	name, err := p.name()
	if err != nil {
		return nil, err
	}
	c := &comparison{field: name}
	if c.op, err = p.operator(); err != nil {
		return nil, err
	}
	switch c.op {
	case "is null", "is not null":
		return c, nil
	case "in", "not in":
		return c, p.list(c)
	case "between", "not between":
		return c, p.bounds(c)
	}
	v, err := p.literal()
	c.values = []literal{v}
	return c, err
}

func (p *parser) operator() (string, error) {
	t := p.next()
	word := strings.ToLower(t.text)
	switch {
	case t.kind == "punct" && slices.Contains([]string{"=", "!=", "<", ">", "<=", ">="}, t.text):
		return t.text, nil
	case t.kind != "word":
		return "", unexpected(t)
	case word == "in" || word == "like" || word == "between":
		return word, nil
	case word == "not":
		of := strings.ToLower(p.peek().text)
		if of != "in" && of != "like" && of != "between" {
			return "", unexpected(p.peek())
		}
		p.next()
		return "not " + of, nil
	case word == "is":
		return p.nullness()
	}
	return "", syntax("operator not supported", details{"operator": t.text})
}

func (p *parser) nullness() (string, error) {
	op := "is null"
	if p.word("not") {
		op = "is not null"
	}
	return op, p.need(p.word("null"))
}

func (p *parser) list(c *comparison) error {
	if err := p.need(p.punct("(")); err != nil {
		return err
	}
	for {
		v, err := p.literal()
		if err != nil {
			return err
		}
		c.values = append(c.values, v)
		if !p.punct(",") {
			break
		}
	}
	if limit := maxInList(p.version); len(c.values) > limit {
		return limitExceeded("value limit exceeded", limit)
	}
	return p.need(p.punct(")"))
}

func (p *parser) bounds(c *comparison) error {
	low, err := p.literal()
	if err != nil {
		return err
	}
	if err := p.need(p.word("and")); err != nil {
		return err
	}
	high, err := p.literal()
	c.values = []literal{low, high}
	return err
}

func (p *parser) literal() (literal, error) {
	t := p.next()
	switch {
	case t.kind == "string" || t.kind == "number":
		return literal{t.kind, t.text}, nil
	case t.kind == "word" && (strings.EqualFold(t.text, "true") || strings.EqualFold(t.text, "false")):
		return literal{"bool", strings.ToLower(t.text)}, nil
	}
	return literal{}, unexpected(t)
}

func (p *parser) ordering() error {
	if !p.word("order") {
		return nil
	}
	if err := p.need(p.word("by")); err != nil {
		return err
	}
	for {
		name, err := p.name()
		if err != nil {
			return err
		}
		o := ordering{field: name}
		if !p.word("asc") {
			o.desc = p.word("desc")
		}
		p.query.order = append(p.query.order, o)
		if !p.punct(",") {
			return nil
		}
	}
}

// limits parses "limit offset, count" and "limit count offset offset".
func (p *parser) limits() (err error) {
	q := &p.query
	q.count = defaultCount
	if !p.word("limit") {
		return nil
	}
	if q.count, err = p.whole(); err != nil {
		return err
	}
	switch {
	case p.punct(","):
		q.offset = q.count
		q.count, err = p.whole()
	case p.word("offset"):
		q.offset, err = p.whole()
	}
	switch {
	case err != nil:
		return err
	case q.count == 0:
		return rowError("INVALID_DATA", "limit should be greater than 0", nil)
	case q.count > maxCount:
		return invalidQuery("limit given seems to be invalid", details{"limit": maxCount})
	case q.offset > maxOffset:
		return limitExceeded("offset limit exceeded", maxOffset)
	}
	return nil
}

func (p *parser) whole() (int, error) {
	t := p.next()
	n, err := strconv.Atoi(t.text)
	if t.kind != "number" || err != nil || n < 0 {
		return 0, unexpected(t)
	}
	return n, nil
}
