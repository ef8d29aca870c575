package db

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"golang.org/x/text/unicode/norm"
)

// Subscribers are found by what stands of them in search_rows, where every three letters
// are indexed. That costs more than the sign-up itself. So a sign-up leaves a line in
// search_queue, one for all of its transaction, as does whoever changes an address or a
// name (by a trigger), and IndexSearch does the rest later.

const (
	searchBatch   = 250 // subscribers that IndexSearch takes in one transaction, so that others can write in between
	searchLines   = 64  // of the queue, at most, for these
	searchLetters = 3   // are indexed; fewer are looked for at the beginning of a word
	searchWords   = 8   // are looked for; further ones count for nothing
	searchBegins  = "\n\n"
)

// searchIndex is what the names of SQLite's index and of its own tables begin with.
const searchIndex = "search_index"

// foldedLetters are letters that don't consist of another one and an accent.
var foldedLetters = strings.NewReplacer("ß", "ss", "ø", "o", "ł", "l", "đ", "d", "æ", "ae", "œ", "oe")

// fold makes texts the same that differ in capitals and accents alone, whatever the
// database knows of letters.
func fold(text string) string {
	if !slices.ContainsFunc([]byte(text), func(b byte) bool { return b >= utf8.RuneSelf }) {
		return strings.ToLower(text)
	}
	text = strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) {
			return -1
		}
		return r
	}, norm.NFKD.String(strings.ToLower(norm.NFC.String(text))))
	return foldedLetters.Replace(norm.NFC.String(text))
}

// searchText is what a subscriber is found by: the address and the words of the name. One
// or two letters are looked for behind what stands before each of them.
func searchText(email, firstName, lastName string) string {
	var b strings.Builder
	for _, word := range strings.Fields(fold(email + " " + firstName + " " + lastName)) {
		b.WriteString(searchBegins + word)
	}
	return b.String()
}

// wordsOf are the words that somebody looks for.
func wordsOf(text string) []string {
	words := strings.Fields(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && !unicode.IsSpace(r) {
			return -1
		}
		return r
	}, fold(text)))
	return words[:min(len(words), searchWords)]
}

// sought is what a word is looked for as, in what searchText makes.
func sought(word string) string {
	if utf8.RuneCountInString(word) < searchLetters {
		return searchBegins + word
	}
	return word
}

// queueSearch has those found who are new.
func (b *book) queueSearch(ctx context.Context) error {
	of := map[string][]string{}
	var tenants []string
	for _, f := range b.fresh {
		if of[f.tenantID] == nil {
			tenants = append(tenants, f.tenantID)
		}
		of[f.tenantID] = append(of[f.tenantID], f.id)
	}
	for _, tenant := range tenants {
		if err := queueIDs(ctx, b.tx, tenant, of[tenant]); err != nil {
			return err
		}
	}
	return nil
}

// queueIDs has subscribers of a tenant found.
func queueIDs(ctx context.Context, tx *sql.Tx, tenantID string, ids []string) error {
	for some := range slices.Chunk(ids, searchBatch) {
		_, err := tx.ExecContext(ctx, `INSERT INTO search_queue (tenant_id, ids) VALUES ($1, $2)`, tenantID, strings.Join(some, " "))
		if err != nil {
			return fmt.Errorf("queue for the search: %w", err)
		}
	}
	return nil
}

// queuedSearch is a line of the queue.
type queuedSearch struct {
	n        int64
	tenantID string
	ids      []string
}

func scanQueuedSearch(row scanner) (q queuedSearch, err error) {
	var ids string
	err = row.Scan(&q.n, &q.tenantID, &ids)
	q.ids = strings.Fields(ids)
	return q, err
}

// searched is a subscriber with what it is found by.
type searched struct{ id, text string }

func scanSearched(row scanner) (s searched, err error) {
	var email, first, last string
	err = row.Scan(&s.id, &email, &first, &last)
	s.text = searchText(email, first, last)
	return s, err
}

// IndexSearch has some of those found who are new or have another name since, the
// earliest first, and returns how many these were: none when nobody is left, or another
// process does the same.
func (d *Readers) IndexSearch(ctx context.Context) (n int, err error) {
	var queued bool
	if err := d.read.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM search_queue)`).Scan(&queued); err != nil || !queued {
		return 0, wrap("look for whom the search doesn't know", err)
	}
	err = d.txCommitted(ctx, func(tx *sql.Tx) error { // who is renamed meanwhile has a later line in the queue
		n = 0
		if mine, err := d.engine.search().begin(ctx, tx); err != nil || !mine {
			return err
		}
		lines, err := collect(ctx, tx, scanQueuedSearch, `SELECT n, tenant_id, ids FROM search_queue ORDER BY n LIMIT $1`, searchLines)
		if err != nil {
			return err
		}
		of, taken := map[string][]string{}, newSet(integer("n"))
		for _, line := range lines {
			if n > 0 && n+len(line.ids) > searchBatch {
				break
			}
			taken.add(line.n)
			n, of[line.tenantID] = n+len(line.ids), append(of[line.tenantID], line.ids...)
		}
		for tenant, ids := range of {
			if err := d.indexSearch(ctx, tx, tenant, ids); err != nil {
				return err
			}
		}
		if n == 0 {
			return nil
		}
		with, args := taken.with(d.engine)
		_, err = tx.ExecContext(ctx, with+`DELETE FROM search_queue WHERE n IN (SELECT o.n FROM o)`, args...)
		return err
	})
	return n, wrap("bring the search up to date", err)
}

const (
	unfoundAtOnce = 2000      // subscribers that QueueUnfound looks at in one transaction
	unfoundEvery  = time.Hour // everybody is gone through so long after they were last
)

// QueueUnfound goes a step further through everybody for those whom neither the index nor
// the queue knows, and queues them: who was there before there was an index, and whom a
// process of the release before has signed up, which leaves no word. How far that is
// stands in the database, so that all processes go through them once, and go on where a
// killed one stopped. It reports whether there is a further step; an hour after the last
// one all begins anew.
func (d *Readers) QueueUnfound(ctx context.Context) (more bool, err error) {
	is, err := searchLookOf(ctx, d.read)
	if err == nil && is.rests(d.now()) {
		return false, nil
	}
	err = d.txCommitted(ctx, func(tx *sql.Tx) error { // whoever else looks or indexes is kept out
		more = false
		mine, err := d.engine.search().begin(ctx, tx)
		if err != nil || !mine {
			return err
		}
		is, err := searchLookOf(ctx, tx)
		if err != nil || is.rests(d.now()) {
			return err
		}
		if is.afterTenant == "" { // those who are in the queue are no longer unknown after it
			var queued bool
			if err := tx.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM search_queue)`).Scan(&queued); err != nil || queued {
				return err
			}
		}
		next, err := is.step(ctx, tx)
		if err != nil {
			return err
		}
		if more = next.afterTenant != ""; !more {
			next.endedAt = d.now()
		}
		return next.save(ctx, tx)
	})
	return more, wrap("look for whom the search doesn't know", err)
}

// searchLook is how far everybody was gone through for those whom the search doesn't know.
type searchLook struct {
	afterTenant, afterID string // the last who was looked at, empty when nobody is gone through
	endedAt              time.Time
}

func searchLookOf(ctx context.Context, q rowQueryer) (l searchLook, err error) {
	var ended int64
	err = q.QueryRowContext(ctx, `SELECT after_tenant, after_id, ended_at FROM search_looks`).Scan(&l.afterTenant, &l.afterID, &ended)
	l.endedAt = fromMillis(ended)
	return l, ignore(err, sql.ErrNoRows)
}

// rests reports whether nobody is to be gone through yet.
func (l searchLook) rests(now time.Time) bool {
	return l.afterTenant == "" && now.Sub(l.endedAt) < unfoundEvery
}

func (l searchLook) save(ctx context.Context, tx *sql.Tx) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO search_looks (one, after_tenant, after_id, ended_at) VALUES (1, $1, $2, $3)
		ON CONFLICT (one) DO UPDATE SET after_tenant = excluded.after_tenant, after_id = excluded.after_id, ended_at = excluded.ended_at`,
		l.afterTenant, l.afterID, millis(l.endedAt))
	return err
}

// step queues those of the next subscribers whom the index doesn't know.
func (l searchLook) step(ctx context.Context, tx *sql.Tx) (next searchLook, err error) {
	n, of := 0, map[string][]string{}
	err = each(ctx, tx, func(row scanner) error {
		var found bool
		if err := row.Scan(&l.afterTenant, &l.afterID, &found); err != nil {
			return err
		}
		if n++; !found {
			of[l.afterTenant] = append(of[l.afterTenant], l.afterID)
		}
		return nil
	}, `SELECT s.tenant_id, s.id, CASE WHEN EXISTS (SELECT 1 FROM search_rows r WHERE r.tenant_id = s.tenant_id AND r.id = s.id) THEN 1 ELSE 0 END
		FROM subscribers s WHERE (s.tenant_id, s.id) > ($1, $2) ORDER BY s.tenant_id, s.id LIMIT $3`, l.afterTenant, l.afterID, unfoundAtOnce)
	if err != nil {
		return l, err
	}
	for _, tenant := range slices.Sorted(maps.Keys(of)) {
		if err := queueIDs(ctx, tx, tenant, of[tenant]); err != nil {
			return l, err
		}
	}
	if n < unfoundAtOnce {
		l.afterTenant, l.afterID = "", ""
	}
	return l, nil
}

// indexSearch stores what those of a tenant's subscribers are found by that are there.
func (d *Readers) indexSearch(ctx context.Context, tx *sql.Tx, tenantID string, ids []string) error {
	slices.Sort(ids)
	for part := range idSet(slices.Compact(ids)).of(tenantID).parts() {
		with, args := part.with(d.engine)
		found, err := collect(ctx, tx, scanSearched, with+`SELECT s.id, s.email, s.first_name, s.last_name
			FROM o JOIN subscribers s ON s.tenant_id = o.tenant_id AND s.id = o.id ORDER BY s.id`, args...)
		if err != nil {
			return err
		}
		if err := d.engine.search().store(ctx, tx, tenantID, found); err != nil {
			return err
		}
	}
	return nil
}

// SearchesBeginnings reports whether subscribers are found only by how words begin, since
// PostgreSQL lacks the extension pg_trgm.
func (d *Readers) SearchesBeginnings() bool { return d.engine.search().beginnings() }

// searcher is how a database finds subscribers by what search_rows has of them.
type searcher interface {
	// prepare is called once the tables are there.
	prepare(ctx context.Context) error
	// beginnings reports whether words are found only by how they begin.
	beginnings() bool
	// begin reports whether nobody else brings the index up to date until tx ends.
	begin(ctx context.Context, tx *sql.Tx) (mine bool, err error)
	// store stores texts, for those who have one as well as for others.
	store(ctx context.Context, tx *sql.Tx, tenantID string, all []searched) error
	// found selects a tenant's subscribers that have all words.
	found(q *statement, tenantID string, words []string, b beside) source
	// often reports whether the words find that many or more, where the database doesn't
	// choose itself between them and what is asked for beside them.
	often(ctx context.Context, tenantID string, words []string, b beside, many int) (bool, error)
	// rows are those of subscribers, as s, with their deliveries, as d, where these are asked
	// for, found by an index where one is named and the database doesn't know itself which one
	// leads to the fewest.
	rows(b beside) string
	// planned has a statement planned for its arguments alone.
	planned(args []any) []any
}

// beside is what is asked for beside words.
type beside struct {
	joined       bool   // the rows of those who are found are needed, as s
	delivery     bool   // and their deliveries, as d
	few          bool   // they are found by what is asked for, and not by the words
	index        string // of that; none when empty
	from, before string // ids from which on, and before which, they are; empty for any
}

// key is what those who are found by the index are ordered by.
func (b beside) key() string {
	if b.delivery {
		return `d.subscriber_id`
	}
	return `s.id`
}

// statement collects the arguments of a statement.
type statement struct{ args []any }

// arg is what stands for a value.
func (q *statement) arg(value any) string {
	q.args = append(q.args, value)
	return fmt.Sprintf("$%d", len(q.args))
}

// source is what subscribers are selected from.
type source struct {
	from  string
	where []string
	id    string // of the subscriber
	key   string // goes up with who came later
	// cursor is the key from which on are those who came later than somebody or are that
	// one, and the key above which those are who came later.
	cursor func(id string) (from, above string)
}

// byID is what is ordered by the subscriber's id.
func byID(q *statement, s source) source {
	s.id, s.cursor = s.key, func(id string) (from, above string) { at := q.arg(id); return at, at }
	return s
}

// fts is SQLite's full-text index. Its rows come in the order of their positions.
type fts struct{ file *sqliteFile }

// tenantBits are the lower bits of a position, which are for a tenant's subscribers.
const tenantBits = 40

func (fts) prepare(context.Context) error { return nil }

func (fts) beginnings() bool { return false }

func (fts) begin(context.Context, *sql.Tx) (bool, error) { return true, nil }

func (fts) planned(args []any) []any { return args }

func (fts) store(ctx context.Context, tx *sql.Tx, tenantID string, all []searched) error {
	var number, last int64
	err := tx.QueryRowContext(ctx, `UPDATE tenants SET search_number = CASE search_number WHEN 0 THEN (SELECT max(search_number) + 1 FROM tenants) ELSE search_number END
		WHERE id = $1 RETURNING search_number`, tenantID).Scan(&number)
	if err != nil {
		return ignore(err, sql.ErrNoRows) // it is gone, and they with it
	}
	last = number << tenantBits
	err = tx.QueryRowContext(ctx, `SELECT position FROM search_rows WHERE position > $2 AND position < $3 AND +tenant_id = $1 ORDER BY position DESC LIMIT 1`,
		tenantID, last, (number+1)<<tenantBits).Scan(&last)
	if err := ignore(err, sql.ErrNoRows); err != nil {
		return err
	}
	for _, s := range all {
		last++
		_, err := tx.ExecContext(ctx, `INSERT INTO search_rows (position, tenant_id, id, text) VALUES ($1, $2, $3, $4)
			ON CONFLICT (tenant_id, id) DO UPDATE SET text = excluded.text`, last, tenantID, s.id, s.text)
		if err != nil {
			return err
		}
	}
	return nil
}

func (fts) rows(b beside) string {
	switch {
	case b.delivery:
		return `deliveries d INDEXED BY ` + b.index + ` CROSS JOIN subscribers s`
	case b.index == "":
		return `subscribers s`
	}
	return `subscribers s INDEXED BY ` + b.index
}

// positionsLooked is how many positions beyond the ids that bound a time are looked at. Who
// came later has a later position, but for those whom an older process signed up, who get
// theirs within some hours. The bounds are a day away from the time that is asked for
// (clocksDiffer): so whoever is beyond them is beyond all of that time by the position too,
// unless it was given a day late, to all of these.
const positionsLooked = 100

func (f fts) often(ctx context.Context, tenantID string, words []string, b beside, many int) (bool, error) {
	var q statement
	n, of := 0, f.found(&q, tenantID, words, b)
	err := f.file.read.QueryRowContext(ctx, `SELECT count(*) FROM (SELECT 1 FROM `+of.from+where(of.where)+` LIMIT `+q.arg(many)+`) c`, q.args...).Scan(&n)
	return n == many, err
}

func (f fts) found(q *statement, tenantID string, words []string, b beside) source {
	tenant := q.arg(tenantID)
	if b.few {
		of := source{from: f.rows(b) + ` CROSS JOIN search_rows r`, key: b.key(), where: []string{`s.tenant_id = ` + tenant, `r.tenant_id = s.tenant_id`, `r.id = s.id`}}
		for _, word := range words {
			of.where = append(of.where, `instr(r.text, `+q.arg(sought(word))+`) > 0`)
		}
		return byID(q, of)
	}
	after, before := positions(q, tenant, b)
	of := source{from: `search_index f`, key: `f.rowid`, id: `(SELECT r.id FROM search_rows r WHERE r.position = f.rowid)`, where: []string{
		`f.text MATCH ` + q.arg(matching(words)), `f.rowid > ` + after, `f.rowid < ` + before}}
	if b.joined {
		of.from, of.id = of.from+` CROSS JOIN search_rows r CROSS JOIN subscribers s`, `s.id`
		if b.delivery {
			of.from += ` CROSS JOIN deliveries d`
		}
		of.where = append(of.where, `r.position = f.rowid`, `s.tenant_id = r.tenant_id`, `s.id = r.id`)
	}
	of.cursor = func(id string) (from, above string) {
		at := q.arg(id)
		own := `(SELECT position FROM search_rows WHERE tenant_id = ` + tenant + ` AND id = ` + at + `)`
		before := `(SELECT position FROM search_rows WHERE tenant_id = ` + tenant + ` AND id < ` + at + ` ORDER BY id DESC LIMIT 1)`
		return `COALESCE(` + own + `, ` + before + ` + 1, 0)`, `COALESCE(` + own + `, ` + before + `, 0)`
	}
	return of
}

// positions are the ones after which, and before which, a tenant's subscribers are that are
// asked for.
func positions(q *statement, tenant string, b beside) (after, before string) {
	after = `(SELECT search_number << 40 FROM tenants WHERE id = ` + tenant + `)`
	before = `(SELECT (search_number + 1) << 40 FROM tenants WHERE id = ` + tenant + `)`
	look := `(SELECT %s(position) FROM (SELECT position FROM search_rows WHERE tenant_id = ` + tenant + ` AND id %s ORDER BY id %s LIMIT ` + strconv.Itoa(positionsLooked) + `))`
	if b.from != "" {
		after = `COALESCE(` + fmt.Sprintf(look, `min`, `< `+q.arg(b.from), `DESC`) + `, ` + after + `)`
	}
	if b.before != "" {
		before = `COALESCE(` + fmt.Sprintf(look, `max`, `>= `+q.arg(b.before), ``) + `, ` + before + `)`
	}
	return after, before
}

// matching is what the index is asked for: all words, each of three letters or more.
func matching(words []string) string {
	all := make([]string, len(words))
	for i, word := range words {
		word = sought(word)
		if more := utf8.RuneCountInString(word) - searchLetters; more > 0 && strings.HasPrefix(word, searchBegins) {
			word = word[more:] // one line break will do
		}
		all[i] = `"` + strings.ReplaceAll(word, `"`, `""`) + `"`
	}
	return strings.Join(all, " AND ")
}

// trigrams is PostgreSQL's index of every three letters, or, where it lacks pg_trgm, of
// words.
type trigrams struct {
	server *postgres
	words  bool
}

func (t *trigrams) prepare(ctx context.Context) error {
	return t.server.read.QueryRowContext(ctx, `SELECT to_regclass('search_rows_trigrams') IS NULL`).Scan(&t.words)
}

func (t *trigrams) beginnings() bool { return t.words }

func (t *trigrams) begin(ctx context.Context, tx *sql.Tx) (mine bool, err error) {
	err = tx.QueryRowContext(ctx, `SELECT pg_try_advisory_xact_lock($1)`, searchLock).Scan(&mine)
	return mine, err
}

// planned: whether the index is asked or the newest are walked through depends on how
// often a word is found.
func (t *trigrams) planned(args []any) []any {
	return append([]any{pgx.QueryExecModeExec}, args...)
}

func (t *trigrams) store(ctx context.Context, tx *sql.Tx, tenantID string, all []searched) error {
	s := newSet(text("id"), text("text"))
	for _, one := range all {
		s.add(one.id, one.text)
	}
	for part := range s.of(tenantID).parts() {
		// Whoever is erased meanwhile waits, or is left out.
		with, args := part.with(t.server)
		_, err := tx.ExecContext(ctx, with+`INSERT INTO search_rows (tenant_id, id, text) SELECT o.tenant_id, o.id, o.text
			FROM o JOIN subscribers s ON s.tenant_id = o.tenant_id AND s.id = o.id FOR KEY SHARE OF s
			ON CONFLICT (tenant_id, id) DO UPDATE SET text = excluded.text`, args...)
		if err != nil {
			return err
		}
	}
	return nil
}

// likely escapes what has a meaning in a pattern of LIKE.
var likely = strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`)

// lexeme escapes what has a meaning in a query of words.
var lexeme = strings.NewReplacer(`\`, `\\`, `'`, `''`)

// often: it knows by itself, as it does which index to take.
func (t *trigrams) often(context.Context, string, []string, beside, int) (bool, error) {
	return false, nil
}

func (t *trigrams) rows(b beside) string {
	if b.delivery {
		return `deliveries d CROSS JOIN subscribers s`
	}
	return `subscribers s`
}

func (t *trigrams) found(q *statement, tenantID string, words []string, b beside) source {
	of := source{from: `search_rows r`, key: `r.id`, where: []string{`r.tenant_id = ` + q.arg(tenantID)}}
	if b.from != "" {
		of.where = append(of.where, `r.id >= `+q.arg(b.from))
	}
	if b.before != "" {
		of.where = append(of.where, `r.id < `+q.arg(b.before))
	}
	for _, word := range words {
		if t.words {
			of.where = append(of.where, `array_to_tsvector(string_to_array(ltrim(r.text, E'\n'), E'\n\n')) @@ CAST(`+q.arg(`'`+lexeme.Replace(word)+`':*`)+` AS tsquery)`)
			continue
		}
		of.where = append(of.where, `r.text LIKE `+q.arg(`%`+likely.Replace(sought(word))+`%`))
	}
	if b.joined {
		of.from += ` JOIN subscribers s ON s.tenant_id = r.tenant_id AND s.id = r.id`
		if b.delivery {
			of.from += ` CROSS JOIN deliveries d`
		}
		of.where = append(of.where, `s.tenant_id = `+q.arg(tenantID))
	}
	return byID(q, of)
}
