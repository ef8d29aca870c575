package mocksalesforce

import (
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// soql is a parsed query.
type soql struct {
	fields []string // as written
	count  string   // "" none, "*" COUNT(), else the field of COUNT(field)
	object string
	where  condition // nil: all
	order  []ordering
	limit  int // -1: none
	offset int
}

// ordering is one term of ORDER BY.
type ordering struct {
	field           string
	desc, nullsLast bool
}

// condition is a term of WHERE: *comparison, *junction or *negation.
type condition any

type junction struct {
	or    bool
	terms []condition
}

type negation struct{ term condition }

type comparison struct {
	field  string
	op     string // = != < > <= >= LIKE IN NOT IN
	values []literal
	list   bool
}

// literal is a constant of a query.
type literal struct {
	kind string // string, number, bool, null, date, datetime
	text string // a string's raw text, escapes and all; else the token
}

// token is a word of a query.
type token struct {
	kind string // word, string, number, date, datetime, punct, end
	text string
	pos  int
}

func malformed(message string) *apiError {
	return fail(http.StatusBadRequest, "MALFORMED_QUERY", message)
}

func unexpected(t token) error {
	if t.kind == "end" {
		return malformed("unexpected token: '<EOF>'")
	}
	return malformed(fmt.Sprintf("unexpected token: '%s' at position %d", t.text, t.pos))
}

var (
	datetimeSyntax = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)`)
	dateSyntax     = regexp.MustCompile(`^\d{4}-\d\d-\d\d`)
	numberSyntax   = regexp.MustCompile(`^[+-]?(\d+(\.\d+)?|\.\d+)([eE][+-]?\d+)?`)
	wordSyntax     = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.]*(:\d+)?`)
	punctSyntax    = regexp.MustCompile(`^(<=|>=|!=|<>|[=<>(),])`)
)

// lex cuts a query into tokens.
func lex(q string) ([]token, error) {
	if !utf8.ValidString(q) {
		return nil, malformed("the query is not valid UTF-8")
	}
	var list []token
	for i := 0; i < len(q); {
		if strings.IndexByte(" \t\r\n", q[i]) >= 0 {
			i++
			continue
		}
		t, size, err := lexOne(q[i:])
		if err != nil {
			return nil, err
		}
		t.pos = i + 1
		list = append(list, t)
		i += size
	}
	return append(list, token{kind: "end", pos: len(q) + 1}), nil
}

func lexOne(q string) (token, int, error) {
	if q[0] == '\'' {
		return lexString(q)
	}
	for _, k := range []struct {
		kind string
		re   *regexp.Regexp
	}{{"datetime", datetimeSyntax}, {"date", dateSyntax}, {"number", numberSyntax}, {"word", wordSyntax}, {"punct", punctSyntax}} {
		if m := k.re.FindString(q); m != "" {
			return token{kind: k.kind, text: m}, len(m), nil
		}
	}
	r, _ := utf8.DecodeRuneInString(q)
	return token{}, 0, malformed(fmt.Sprintf("unexpected character: '%c'", r))
}

// lexString takes a quoted string, leaving the escapes for unescape.
func lexString(q string) (token, int, error) {
	for i := 1; i < len(q); i++ {
		switch q[i] {
		case '\\':
			i++
		case '\'':
			return token{kind: "string", text: q[1:i]}, i + 1, nil
		case '\n', '\r':
			return token{}, 0, malformed("line break in a string literal")
		}
	}
	return token{}, 0, malformed("expecting a single quote, found '<EOF>'")
}

// pattern is unescaped text; for LIKE, wild marks the runes that stand for others.
type pattern struct {
	runes []rune
	wild  []bool
}

var simpleEscapes = map[rune]rune{'\\': '\\', '\'': '\'', '"': '"', 'n': '\n', 'N': '\n', 'r': '\r', 'R': '\r',
	't': '\t', 'T': '\t', 'b': '\b', 'B': '\b', 'f': '\f', 'F': '\f'}

// unescape resolves the escapes that SOQL knows and refuses all others.
func unescape(raw string, like bool) (pattern, error) {
	var p pattern
	in := []rune(raw)
	for i := 0; i < len(in); i++ {
		r := in[i]
		if r != '\\' {
			p.runes, p.wild = append(p.runes, r), append(p.wild, like && (r == '%' || r == '_'))
			continue
		}
		i++
		if i >= len(in) {
			return p, malformed("invalid string literal: it ends in a backslash")
		}
		out, ok := simpleEscapes[in[i]]
		switch {
		case ok:
		case like && (in[i] == '%' || in[i] == '_'):
			out = in[i]
		case (in[i] == 'u' || in[i] == 'U') && i+4 < len(in):
			n, err := strconv.ParseUint(string(in[i+1:i+5]), 16, 32)
			if err != nil {
				return p, malformed(`invalid string literal: Illegal character sequence '\u` + string(in[i+1:i+5]) + `'`)
			}
			out, i = rune(n), i+4
		default:
			return p, malformed(fmt.Sprintf(`invalid string literal: Illegal character sequence '\%c'`, in[i]))
		}
		p.runes, p.wild = append(p.runes, out), append(p.wild, false)
	}
	return p, nil
}

// matches reports whether text is what the pattern means, in any case.
func (p pattern) matches(text string) bool {
	in := []rune(strings.ToLower(text))
	i, j, star, mark := 0, 0, -1, 0
	for i < len(in) {
		switch {
		case j < len(p.runes) && p.wild[j] && p.runes[j] == '%':
			star, mark = j, i
			j++
		case j < len(p.runes) && (p.wild[j] && p.runes[j] == '_' || p.runes[j] == in[i] && !p.wild[j]):
			i, j = i+1, j+1
		case star >= 0:
			mark++
			i, j = mark, star+1
		default:
			return false
		}
	}
	for j < len(p.runes) && p.wild[j] && p.runes[j] == '%' {
		j++
	}
	return j == len(p.runes)
}

// parser reads tokens one after the other.
type parser struct {
	tokens []token
	depth  int
}

func (p *parser) peek() token { return p.tokens[0] }

func (p *parser) next() token {
	t := p.tokens[0]
	if t.kind != "end" {
		p.tokens = p.tokens[1:]
	}
	return t
}

// word takes the next token when it is that keyword.
func (p *parser) word(keyword string) bool {
	if t := p.peek(); t.kind == "word" && strings.EqualFold(t.text, keyword) {
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

var reserved = map[string]bool{"and": true, "or": true, "not": true, "from": true, "where": true, "order": true, "by": true,
	"limit": true, "offset": true, "like": true, "in": true, "select": true, "asc": true, "desc": true, "nulls": true, "null": true}

func (p *parser) name() (string, error) {
	t := p.peek()
	if t.kind != "word" || reserved[strings.ToLower(t.text)] || strings.Contains(t.text, ":") {
		return "", unexpected(t)
	}
	p.next()
	return t.text, nil
}

// parseSOQL parses a query.
func parseSOQL(q string) (*soql, error) {
	if strings.TrimSpace(q) == "" {
		return nil, malformed("A query string has to be specified")
	}
	if len(q) > 100_000 {
		return nil, malformed("SOQL statements cannot be longer than 100000 characters.")
	}
	tokens, err := lex(q)
	if err != nil {
		return nil, err
	}
	p := &parser{tokens: tokens}
	out := &soql{limit: -1}
	for _, clause := range []func(*soql) error{p.selection, p.source, p.filter, p.ordering, p.limits} {
		if err := clause(out); err != nil {
			return nil, err
		}
	}
	return out, p.need(p.peek().kind == "end")
}

func (p *parser) selection(out *soql) error {
	if err := p.need(p.word("SELECT")); err != nil {
		return err
	}
	if len(p.tokens) > 1 && strings.EqualFold(p.peek().text, "COUNT") && p.tokens[1].text == "(" {
		return p.counting(out)
	}
	for {
		name, err := p.name()
		if err != nil {
			return err
		}
		out.fields = append(out.fields, name)
		if !p.punct(",") {
			return nil
		}
	}
}

func (p *parser) counting(out *soql) error {
	p.next()
	p.next()
	out.count = "*"
	if p.punct(")") {
		return nil
	}
	name, err := p.name()
	if err != nil {
		return err
	}
	out.count = name
	return p.need(p.punct(")"))
}

func (p *parser) source(out *soql) error {
	if err := p.need(p.word("FROM")); err != nil {
		return err
	}
	var err error
	out.object, err = p.name()
	return err
}

func (p *parser) filter(out *soql) error {
	if !p.word("WHERE") {
		return nil
	}
	var err error
	out.where, err = p.conditions()
	return err
}

// conditions parses terms joined by AND or by OR; mixing them needs parentheses.
func (p *parser) conditions() (condition, error) {
	first, err := p.term()
	if err != nil {
		return nil, err
	}
	var joint *junction
	for {
		and, or := p.isWord("AND"), p.isWord("OR")
		if !and && !or {
			break
		}
		if joint == nil {
			joint = &junction{or: or, terms: []condition{first}}
		}
		if joint.or != or {
			return nil, unexpected(p.peek())
		}
		p.next()
		t, err := p.term()
		if err != nil {
			return nil, err
		}
		joint.terms = append(joint.terms, t)
	}
	if joint == nil {
		return first, nil
	}
	return joint, nil
}

func (p *parser) isWord(keyword string) bool {
	t := p.peek()
	return t.kind == "word" && strings.EqualFold(t.text, keyword)
}

func (p *parser) term() (condition, error) {
	if p.depth++; p.depth > 200 {
		return nil, malformed("the query is nested too deeply")
	}
	defer func() { p.depth-- }()
	switch {
	case p.word("NOT"):
		t, err := p.term()
		return &negation{t}, err
	case p.punct("("):
		c, err := p.conditions()
		if err != nil {
			return nil, err
		}
		return c, p.need(p.punct(")"))
	}
	return p.comparison()
}

func (p *parser) comparison() (condition, error) {
	name, err := p.name()
	if err != nil {
		return nil, err
	}
	c := &comparison{field: name}
	t := p.next()
	switch {
	case t.kind == "punct" && strings.Contains("= != <> < > <= >=", t.text):
		c.op = strings.Replace(t.text, "<>", "!=", 1)
	case t.kind == "word" && strings.EqualFold(t.text, "LIKE"):
		c.op = "LIKE"
	case t.kind == "word" && strings.EqualFold(t.text, "IN"):
		c.op, c.list = "IN", true
	case t.kind == "word" && strings.EqualFold(t.text, "NOT") && p.word("IN"):
		c.op, c.list = "NOT IN", true
	default:
		return nil, unexpected(t)
	}
	return c, p.operand(c)
}

func (p *parser) operand(c *comparison) error {
	if !c.list {
		v, err := p.literal(c.op == "LIKE")
		c.values = []literal{v}
		return err
	}
	if err := p.need(p.punct("(")); err != nil {
		return err
	}
	for {
		v, err := p.literal(false)
		if err != nil {
			return err
		}
		c.values = append(c.values, v)
		if !p.punct(",") {
			return p.need(p.punct(")"))
		}
	}
}

func (p *parser) literal(like bool) (literal, error) {
	t := p.next()
	switch t.kind {
	case "string":
		_, err := unescape(t.text, like)
		return literal{"string", t.text}, err
	case "number", "date", "datetime":
		return literal{t.kind, t.text}, nil
	case "word":
		switch w := strings.ToUpper(t.text); {
		case w == "NULL":
			return literal{kind: "null"}, nil
		case w == "TRUE" || w == "FALSE":
			return literal{"bool", strings.ToLower(w)}, nil
		case isDateWord(w):
			return literal{"word", w}, nil
		}
	}
	return literal{}, unexpected(t)
}

var dateWord = regexp.MustCompile(`^(TODAY|YESTERDAY|TOMORROW|(LAST|NEXT)_N_DAYS:\d{1,5})$`)

func isDateWord(w string) bool { return dateWord.MatchString(w) }

// dateRange returns the days that a date literal such as LAST_N_DAYS:3 covers, the end excluded.
func dateRange(w string, at time.Time) (from, to time.Time) {
	day := at.UTC().Truncate(24 * time.Hour)
	name, count, _ := strings.Cut(w, ":")
	n, _ := strconv.Atoi(count)
	switch name {
	case "YESTERDAY":
		return day.AddDate(0, 0, -1), day
	case "TOMORROW":
		return day.AddDate(0, 0, 1), day.AddDate(0, 0, 2)
	case "LAST_N_DAYS":
		return day.AddDate(0, 0, -n), day.AddDate(0, 0, 1)
	case "NEXT_N_DAYS":
		return day.AddDate(0, 0, 1), day.AddDate(0, 0, n+1)
	}
	return day, day.AddDate(0, 0, 1)
}

func (p *parser) ordering(out *soql) error {
	if !p.word("ORDER") {
		return nil
	}
	if err := p.need(p.word("BY")); err != nil {
		return err
	}
	for {
		name, err := p.name()
		if err != nil {
			return err
		}
		o := ordering{field: name}
		if !p.word("ASC") {
			o.desc = p.word("DESC")
		}
		if p.word("NULLS") {
			o.nullsLast = p.word("LAST")
			if err := p.need(o.nullsLast || p.word("FIRST")); err != nil {
				return err
			}
		}
		out.order = append(out.order, o)
		if !p.punct(",") {
			return nil
		}
	}
}

func (p *parser) limits(out *soql) error {
	var err error
	if p.word("LIMIT") {
		if out.limit, err = p.whole(); err != nil {
			return err
		}
	}
	if p.word("OFFSET") {
		if out.offset, err = p.whole(); err != nil {
			return err
		}
		if out.offset > 2000 {
			return fail(http.StatusBadRequest, "NUMBER_OUTSIDE_VALID_RANGE", "Maximum SOQL offset allowed is 2000")
		}
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
