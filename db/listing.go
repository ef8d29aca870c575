package db

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// CountedSubscribers is up to how many subscribers are counted where no count is kept,
// and may be ordered by anything.
const CountedSubscribers = 10_000

// Order is what subscribers are listed by.
type Order string

// The orders of subscribers. All but the first two are for CountedSubscribers at most.
const (
	Newest    Order = "" // by when they came
	Oldest    Order = "oldest"
	ByAddress Order = "address"
	ByName    Order = "name"
)

// Known reports whether there is such an order.
func (o Order) Known() bool { return o.byTime() || sortedBy[o] != "" }

func (o Order) byTime() bool { return o == Newest || o == Oldest }

// sortedBy is what is compared in orders other than by time. Who gave no name comes last.
var sortedBy = map[Order]string{ByAddress: `s.email_key`,
	ByName: `CASE WHEN s.last_name || s.first_name = '' THEN '1' ELSE '0' END || lower(s.last_name || ' ' || s.first_name)`}

// SubscriberQuery asks for a page of subscribers.
type SubscriberQuery struct {
	Text        string // words, each a part of the address or the name; anybody when empty
	Destination string // id of the one that State and Reason, and the deliveries that are told first, are of: the tenant's first when empty
	State       State  // of the subscriber or of the delivery; any when empty
	Reason      string // a code of crm's, why they wait or need attention; any when empty
	Newsletter  string // slug; any when empty
	From, To    time.Time
	Order       Order
	After       string // id of the last subscriber on the page before, if any
	Before      string // id of the first subscriber on the page after, if any; not with After
	Limit       int
	Uncounted   bool // Total and First aren't wanted
}

// SubscriberPage is a page of subscribers.
type SubscriberPage struct {
	Rows           []Subscriber
	Previous, Next bool  // whether there are more on either side
	Order          Order // Newest where there are too many for the order that was asked for
	Total          int   // how many there are on all pages
	More           bool  // there are more than Total
	First          int   // which of these the first of Rows is; 0 when nobody has counted
	Filters        Filters
}

// Filters are what a tenant's subscribers can be filtered by, and why they wait for the
// destination.
type Filters struct {
	Destinations []Destination // in the order in which they were made
	Newsletters  []Newsletter
	Causes       []CauseCount
	Pause        Pause
}

// CauseCount is why subscribers wait or need attention.
type CauseCount struct {
	State  State
	Reason string // a code of crm's
	N      int
}

// Subscribers returns a page of the tenant's subscribers.
func (d *Readers) Subscribers(ctx context.Context, tenantID string, q SubscriberQuery) (page SubscriberPage, err error) {
	if !q.Order.Known() {
		q.Order = Newest
	}
	l := listing{base: d.base, tenantID: tenantID, SubscriberQuery: q, words: wordsOf(q.Text)}
	if err := l.prepare(ctx); err != nil {
		return page, wrap("subscribers", err)
	}
	if l.impossible {
		return SubscriberPage{Filters: l.filters, Order: l.Order}, nil
	}
	if err := l.compare(ctx); err != nil {
		return page, wrap("subscribers", err)
	}
	ids, err := l.find(ctx)
	if err == nil && !l.Order.byTime() && l.more {
		l.Order = Newest
		ids, err = l.find(ctx)
	}
	if err != nil {
		return page, wrap("subscribers", err)
	}
	page = l.page(ids)
	page.Rows, err = l.rows(ctx, ids[:min(len(ids), q.Limit)])
	if l.backwards() {
		slices.Reverse(page.Rows)
	}
	return page, wrap("subscribers", err)
}

// listing is a query under way.
type listing struct {
	*base
	SubscriberQuery
	tenantID     string
	words        []string
	filters      Filters
	states       []State // that the reason is one for, when it is asked for without a state
	newsletterID string  // of the newsletter that is asked for
	impossible   bool    // nobody can match
	hides        bool    // there may be subscribers whom no list shows

	kept    int    // how many match without the words, as the counts say
	isKept  bool   // they say it
	index   string // that leads to the fewest of those whom the conditions beside the words fit
	walked  int    // how many these are, at most
	around  int    // how many there are around the time that is asked for, whatever else they are
	few     bool   // these are gone through, and not those whom the words find
	queue   []queuedSearch
	waiting []string // ids of those who match whom the index doesn't know, in the order of the search

	total, before int // as counted: all, and those up to the cursor
	more          bool
}

// queueLooked is how many lines of the queue are looked at for those who match, and how
// many subscribers of these.
const (
	queueLooked  = 40
	queuedPeople = 500
)

func (l *listing) cursor() string { return l.After + l.Before }

// backwards reports whether the page is the one before the cursor.
func (l *listing) backwards() bool { return l.Before != "" }

// ascending reports whether those are looked for first who come first by time.
func (l *listing) ascending() bool { return (l.Order == Oldest) != l.backwards() }

// prepare reads what the page can be filtered by, what the counts say, and whom the index
// doesn't know yet.
func (l *listing) prepare(ctx context.Context) error {
	var states []keptCount
	parts := []part{
		destinationsOf(&l.filters.Destinations, l.tenantID),
		one(&l.filters.Pause, scanPause, `SELECT `+pauseColumns+` FROM pauses WHERE tenant_id = $1 AND destination_id = `+thisOrFirst, l.tenantID, l.Destination),
		listed(&l.filters.Newsletters, scanNewsletter, selectNewsletter+`WHERE n.tenant_id = $1`, l.tenantID),
		listed(&l.filters.Causes, scanCauseCount, `SELECT state, reason, n FROM reason_counts WHERE tenant_id = $1 AND destination_id = `+thisOrFirst+` AND n > 0`, l.tenantID, l.Destination),
		l.keptCounts(&states),
	}
	if len(l.words) > 0 {
		parts = append(parts, listed(&l.queue, scanQueuedSearch, `SELECT n, tenant_id, ids FROM search_queue WHERE tenant_id = $1 ORDER BY n DESC LIMIT $2`, l.tenantID, queueLooked+1))
	}
	if err := ask(ctx, l.read, parts...); err != nil {
		return err
	}
	l.hides = slices.ContainsFunc(states, func(c keptCount) bool { return c.state.Info().Hidden && c.n > 0 })
	states = slices.DeleteFunc(states, func(c keptCount) bool { return c.state.Info().Hidden || c.state.Info().Gone })
	sortDestinations(l.filters.Destinations)
	if l.Destination == "" && len(l.filters.Destinations) > 0 {
		l.Destination = l.filters.Destinations[0].ID
	}
	slices.SortFunc(l.filters.Newsletters, func(a, b Newsletter) int { return strings.Compare(a.Name+a.ID, b.Name+b.ID) })
	slices.SortFunc(l.queue, func(a, b queuedSearch) int { return int(b.n - a.n) })
	l.byReason()
	l.byNewsletter()
	l.keep(states)
	l.choose(states)
	return nil
}

// thisOrFirst is the destination $2 of the tenant $1, or the first that it has where that
// is empty.
const thisOrFirst = `CASE WHEN CAST($2 AS TEXT) <> '' THEN CAST($2 AS TEXT)
	ELSE (SELECT t.id FROM destinations t WHERE t.tenant_id = $1 AND t.removed_at = 0 ORDER BY t.created_at, t.id LIMIT 1) END`

func scanCauseCount(row scanner) (c CauseCount, err error) {
	return c, row.Scan(&c.State, &c.Reason, &c.N)
}

// keptCount is how many there are of a state.
type keptCount struct {
	own        bool // of subscribers, and not of their deliveries
	state      State
	newsletter bool // of the one that is asked for, or of any when none is
	inTime     bool // of the time that is asked for; else of what is around it, as far as clocks may differ
	n          int
}

func scanKeptCount(row scanner) (c keptCount, err error) {
	return c, row.Scan(&c.own, &c.state, &c.newsletter, &c.inTime, &c.n)
}

// keptCounts reads how many there are of each state.
func (l *listing) keptCounts(counts *[]keptCount) part {
	var q statement
	table, newsletter, inTime := `state_counts`, `1`, []string{`1 = 1`}
	where := []string{`tenant_id = ` + q.arg(l.tenantID)}
	q.arg(l.Destination) // for thisOrFirst
	where = append(where, `(destination_id = '' OR destination_id = `+thisOrFirst+`)`, `state <> `+q.arg(string(Erased)))
	if l.Newsletter != "" {
		newsletter = `CASE WHEN newsletter_id = (SELECT n.id FROM newsletters n WHERE n.tenant_id = ` + q.arg(l.tenantID) + ` AND n.slug = ` + q.arg(l.Newsletter) + `) THEN 1 ELSE 0 END`
	}
	if !l.From.IsZero() {
		table, inTime, where = `hour_counts`, append(inTime, `hour >= `+q.arg(millis(l.From))), append(where, `hour >= `+q.arg(millis(l.From.Add(-clocksDiffer))))
	}
	if !l.To.IsZero() {
		table, inTime, where = `hour_counts`, append(inTime, `hour < `+q.arg(millis(l.To))), append(where, `hour < `+q.arg(millis(l.To.Add(clocksDiffer))))
	}
	return listed(counts, scanKeptCount, `SELECT CASE destination_id WHEN '' THEN 1 ELSE 0 END, state, `+newsletter+`, CASE WHEN `+strings.Join(inTime, ` AND `)+` THEN 1 ELSE 0 END, sum(n)
		FROM `+table+` WHERE `+strings.Join(where, ` AND `)+` GROUP BY 1, 2, 3, 4`, q.args...)
}

// byReason narrows the states down to those that a reason is one for. While all who wait
// do so for the tenant's pause, that is their reason.
func (l *listing) byReason() {
	pause := l.filters.Pause.Reason
	if pause != "" {
		l.filters.Causes = slices.DeleteFunc(l.filters.Causes, func(c CauseCount) bool { return c.State.Info().Waits })
	}
	switch {
	case l.Reason == "":
	case l.Reason == pause && (l.State == "" || l.State.Info().Waits):
		l.State, l.Reason = Waiting, ""
	case l.State != "":
		l.impossible = pause != "" && l.State.Info().Waits
	default:
		for _, s := range states {
			if slices.ContainsFunc(l.filters.Causes, func(c CauseCount) bool { return c.State == s.State && c.Reason == l.Reason }) {
				l.states = append(l.states, s.State)
			}
		}
		l.impossible = len(l.states) == 0
	}
}

// byNewsletter finds the newsletter that is asked for.
func (l *listing) byNewsletter() {
	if l.Newsletter == "" {
		return
	}
	i := slices.IndexFunc(l.filters.Newsletters, func(n Newsletter) bool { return n.Slug == l.Newsletter })
	if i < 0 {
		l.impossible = true
		return
	}
	l.newsletterID = l.filters.Newsletters[i].ID
}

// keep takes the number that match from the counts, where they say it.
func (l *listing) keep(counts []keptCount) {
	whole := func(at time.Time) bool { return millis(at)%hourMillis == 0 }
	if l.Reason != "" {
		l.kept = l.withReason()
		l.isKept = l.Newsletter == "" && l.From.IsZero() && l.To.IsZero() && (l.State == "" || l.State.Info().Problem)
		return
	}
	l.isKept = whole(l.From) && whole(l.To)
	for _, c := range counts {
		if c.newsletter && c.inTime && l.counts(c) {
			l.kept += c.n
		}
	}
}

// asksFor reports whether those in a state are asked for.
func (l *listing) asksFor(s State) bool { return l.State == "" || l.State == s }

// counts reports whether a count is of those who are asked for: of the subscribers
// themselves, or of those whose deliveries are in a state.
func (l *listing) counts(c keptCount) bool {
	if l.ofDelivery() {
		return !c.own && l.asksFor(c.state)
	}
	return c.own && l.asksFor(c.state)
}

// ofDelivery reports whether it is asked for what is a delivery's.
func (l *listing) ofDelivery() bool {
	return l.Reason != "" || len(l.states) > 0 || l.State != "" && !l.State.Info().Reader
}

// withReason is how many there are with the reason that is asked for.
func (l *listing) withReason() (n int) {
	for _, c := range l.filters.Causes {
		if c.Reason == l.Reason && l.asksFor(c.State) {
			n += c.N
		}
	}
	return n
}

// choose chooses the index, and says how many there are of the state or the reason. All
// indexes have the time behind that. A newsletter has none, which each sign-up would have to
// write.
func (l *listing) choose(counts []keptCount) {
	for _, c := range counts {
		if c.own {
			l.around += c.n
		}
		if l.counts(c) {
			l.walked += c.n
		}
	}
	switch {
	case l.Reason != "":
		l.index, l.walked = deliveriesByReason, min(l.walked, l.withReason())
	case l.ofDelivery():
		l.index = deliveriesByState
	case l.State == Active: // all but a few
	case l.State != "":
		l.index = "subscribers_by_state"
	}
}

// The indexes of deliveries. The others are of subscribers.
const (
	deliveriesByReason = "deliveries_by_reason"
	deliveriesByState  = "deliveries_by_state"
)

// compare says whether to go through those of the index or through those whom the words
// find, where the database doesn't know: through the former when they are few. When they
// are so many that the page and the count are soon full of them, it is the latter; and in
// between it depends on how many these are.
func (l *listing) compare(ctx context.Context) (err error) {
	narrows := l.walked < l.around || !l.From.IsZero() || !l.To.IsZero()
	switch {
	case len(l.words) == 0 || !narrows:
	case l.walked <= l.counted:
		l.few = true
	case l.walked <= l.around*l.counted/l.walked:
		l.few, err = l.engine.search().often(ctx, l.tenantID, l.words, l.beside(), l.walked)
	}
	return err
}

// beside is what is asked for beside the words.
func (l *listing) beside() beside {
	b := beside{few: l.few, index: l.index, delivery: l.ofDelivery()}
	b.from, b.before = l.idRange()
	return b
}

// conditions are those on the rows s, and d where it is asked for what is a delivery's.
func (l *listing) conditions(q *statement) (where []string) {
	add := func(condition string, value any) { where = append(where, condition+q.arg(value)) }
	if l.ofDelivery() {
		where = append(where, `d.tenant_id = s.tenant_id`, `d.subscriber_id = s.id`)
		add(`d.destination_id = `, l.Destination)
	}
	switch {
	case l.State != "" && l.State.Info().Reader:
		add(`s.state = `, string(l.State))
		if l.State != Active {
			where = append(where, `s.state <> 'active'`) // by which SQLite knows that the index has them
		}
	case l.State != "":
		add(`d.state = `, string(l.State))
	}
	if l.Reason != "" {
		add(`d.reason <> '' AND d.reason = `, l.Reason)
	}
	if len(l.states) > 0 {
		var any []string
		for _, s := range l.states {
			any = append(any, q.arg(string(s)))
		}
		where = append(where, `d.state IN (`+strings.Join(any, `, `)+`)`)
	}
	if l.Newsletter != "" {
		add(`s.newsletter_id = `, l.newsletterID)
	}
	if l.hides {
		add(`s.state <> `, string(Erasing))
	}
	return append(where, l.times(q)...)
}

// times are the conditions on when the rows s came.
func (l *listing) times(q *statement) (where []string) {
	add := func(condition string, value any) { where = append(where, condition+q.arg(value)) }
	from, before := l.idRange()
	if from != "" {
		add(`s.created_at >= `, millis(l.From))
		add(l.beside().key()+` >= `, from)
	}
	if before != "" {
		add(`s.created_at < `, millis(l.To))
		add(l.beside().key()+` < `, before)
	}
	return where
}

// idRange is the id from which on those are whose time is asked for, and the one before
// which they are; empty where any time will do.
func (l *listing) idRange() (from, before string) {
	if !l.From.IsZero() {
		from = firstID(l.From.Add(-clocksDiffer))
	}
	if !l.To.IsZero() {
		before = firstID(l.To.Add(clocksDiffer))
	}
	return from, before
}

// clocksDiffer is by how much a row's id may tell another time than its sign-up's, at
// most: they are of different clocks. It is never far from it, and so tells where to begin
// and where to stop.
const clocksDiffer = 24 * time.Hour

// firstID is before all ids that are made from a time on.
func firstID(at time.Time) string {
	hex := fmt.Sprintf("%012x", max(0, at.UnixMilli()))
	return hex[:8] + "-" + hex[8:]
}

// source is what the list is selected from.
func (l *listing) source(q *statement) source {
	conditions := l.conditions(q)
	if len(l.words) == 0 {
		return byID(q, source{from: l.engine.search().rows(l.beside()), key: l.beside().key(), where: append(conditions, `s.tenant_id = `+q.arg(l.tenantID))})
	}
	b := l.beside()
	b.joined = len(conditions) > 0 || !l.Order.byTime()
	of := l.engine.search().found(q, l.tenantID, l.words, b)
	of.where = append(of.where, conditions...)
	return of
}

// find returns the ids of the page and of one more, in the order of the search, and counts.
func (l *listing) find(ctx context.Context) (ids []string, err error) {
	l.total, l.before, l.more, l.waiting = l.kept, 0, false, nil
	if !l.Order.byTime() {
		return l.findSorted(ctx)
	}
	parts := append([]part{l.ids(&ids)}, l.unknown()...)
	counts := l.mustCount()
	if counts {
		parts = append(parts, l.count())
	}
	if err := askPlanned(ctx, l.read, l.engine.search().planned, parts...); err != nil {
		return nil, err
	}
	l.sortUnknown()
	if counts {
		l.total += len(l.waiting)
		l.more = l.total > l.counted
	}
	return l.merged(ids), nil
}

// findSorted is find for an order that isn't by time: all who match are sorted, with whom the
// index doesn't know.
func (l *listing) findSorted(ctx context.Context) (ids []string, err error) {
	if unknown := l.unknown(); len(unknown) > 0 {
		if err := ask(ctx, l.read, unknown...); err != nil {
			return nil, err
		}
		slices.Sort(l.waiting)
		l.waiting = slices.Compact(l.waiting)
	}
	if l.isKept && len(l.words) == 0 && l.kept > l.counted {
		l.more = true
		return nil, nil
	}
	parts := []part{l.sortedIDs(&ids)}
	counts := l.mustCount()
	if counts {
		parts = append(parts, l.sortedCount())
	}
	err = askPlanned(ctx, l.read, l.engine.search().planned, parts...)
	l.more = counts && l.total > l.counted
	return ids, err
}

// where are conditions as a part of a statement.
func where(conditions []string) string { return ` WHERE ` + strings.Join(conditions, ` AND `) }

// ids reads those of the page and one more, without those whom the index doesn't know.
func (l *listing) ids(ids *[]string) part {
	var q statement
	of := l.source(&q)
	compare, direction := `<`, ` DESC`
	if l.ascending() {
		compare, direction = `>`, ``
	}
	if l.cursor() != "" {
		from, above := of.cursor(l.cursor())
		if l.ascending() {
			from = above
		}
		of.where = append([]string{of.key + ` ` + compare + ` ` + from}, of.where...)
	}
	return listed(ids, scanID, `SELECT `+of.id+` FROM `+of.from+where(of.where)+` ORDER BY `+of.key+direction+` LIMIT `+q.arg(l.most()), q.args...)
}

// most is how many are looked for: those of the page and one more. Of a newsletter, which has
// no index, no more than there are where that is known, so that nobody else is gone through
// for another one.
func (l *listing) most() int {
	if l.Newsletter != "" && l.isKept && len(l.words) == 0 && l.cursor() == "" {
		return min(l.Limit+1, l.kept)
	}
	return l.Limit + 1
}

// sorted selects all who match, and one more than may be sorted, by what they are sorted by.
func (l *listing) sorted(q *statement) string {
	of, key := l.source(q), sortedBy[l.Order]
	selected := `SELECT ` + of.id + ` AS id, ` + key + ` AS k FROM ` + of.from + where(of.where)
	if len(l.waiting) > 0 {
		var ids []string
		for _, id := range l.waiting[:min(len(l.waiting), queuedPeople)] {
			ids = append(ids, q.arg(id))
		}
		selected += ` UNION ALL SELECT s.id, ` + key + ` FROM subscribers s WHERE s.tenant_id = ` + q.arg(l.tenantID) + ` AND s.id IN (` + strings.Join(ids, `, `) + `) AND ` + isUnknown
	}
	return `(` + selected + ` LIMIT ` + q.arg(l.counted+1) + `) c`
}

// sortedCursor is where the cursor stands.
func (l *listing) sortedCursor(q *statement) string {
	id := q.arg(l.cursor())
	return `((SELECT ` + sortedBy[l.Order] + ` FROM subscribers s WHERE s.tenant_id = ` + q.arg(l.tenantID) + ` AND s.id = ` + id + `), ` + id + `)`
}

func (l *listing) sortedIDs(ids *[]string) part {
	var q statement
	compare, direction := `>`, ``
	if l.backwards() {
		compare, direction = `<`, ` DESC`
	}
	query := `SELECT c.id FROM ` + l.sorted(&q)
	if l.cursor() != "" {
		query += ` WHERE (c.k, c.id) ` + compare + ` ` + l.sortedCursor(&q)
	}
	return listed(ids, scanID, query+` ORDER BY c.k`+direction+`, c.id`+direction+` LIMIT `+q.arg(l.Limit+1), q.args...)
}

// sortedCount is count.
func (l *listing) sortedCount() part {
	var q statement
	from, before := l.sorted(&q), `0`
	if l.cursor() != "" {
		before = `count(CASE WHEN (c.k, c.id) <= ` + l.sortedCursor(&q) + ` THEN 1 END)`
	}
	return part{`SELECT count(*), ` + before + ` FROM ` + from, q.args, func(row scanner) error { return row.Scan(&l.total, &l.before) }}
}

// mustCount reports whether it isn't known without counting how many there are, and which
// of them the page shows.
func (l *listing) mustCount() bool {
	known := len(l.words) == 0 && l.isKept && (l.cursor() == "" || l.kept > l.counted)
	return !l.Uncounted && !known
}

// count counts who matches, up to one more than is told, and of them those up to the
// cursor, in the order of the list.
func (l *listing) count() part {
	var q statement
	of := l.source(&q)
	before := `0`
	switch {
	case l.cursor() == "":
	case l.Order == Oldest:
		_, above := of.cursor(l.cursor())
		before = `count(CASE WHEN c.k <= ` + above + ` THEN 1 END)`
	default:
		from, _ := of.cursor(l.cursor())
		before = `count(CASE WHEN c.k >= ` + from + ` THEN 1 END)`
	}
	return part{`SELECT count(*), ` + before + ` FROM (SELECT ` + of.key + ` AS k FROM ` + of.from + where(of.where) + ` LIMIT ` + q.arg(l.counted+1) + `) c`, q.args,
		func(row scanner) error { return row.Scan(&l.total, &l.before) }}
}

// isUnknown is the condition of a row s that the index doesn't know it. It stands in each
// statement: who was unknown to one may be indexed before the next.
const isUnknown = `NOT EXISTS (SELECT 1 FROM search_rows r WHERE r.tenant_id = s.tenant_id AND r.id = s.id)`

// unknown reads whom the index doesn't know yet: those who came last by all that they are
// found by, and where there are too many of them, the others by how their address begins.
func (l *listing) unknown() (parts []part) {
	if len(l.queue) == 0 {
		return nil
	}
	last, all := l.lastQueued()
	var q statement
	conditions := append(l.conditions(&q), isUnknown)
	with, args := idSet(last).of(l.tenantID).with(l.engine, q.args...)
	parts = append(parts, part{with + `SELECT s.id, s.email, s.first_name, s.last_name FROM o JOIN subscribers s ON s.tenant_id = o.tenant_id AND s.id = o.id` + l.besideRows() + where(conditions), args, l.matching})
	if all || len(l.words) > 1 {
		return parts
	}
	q = statement{}
	word := strings.ToLower(strings.TrimSpace(l.Text))
	begin := `(SELECT * FROM subscribers WHERE tenant_id = ` + q.arg(l.tenantID) + ` AND email_key >= ` + q.arg(word) + ` AND email_key < ` + q.arg(word+"\U0010ffff") + ` LIMIT ` + q.arg(l.counted+1) + `) s` + l.besideRows()
	conditions = append(l.conditions(&q), isUnknown)
	return append(parts, part{`SELECT s.id, s.email, s.first_name, s.last_name FROM ` + begin + where(conditions), q.args, l.matching})
}

// besideRows joins the deliveries d where it is asked for what is theirs.
func (l *listing) besideRows() string {
	if l.ofDelivery() {
		return ` CROSS JOIN deliveries d`
	}
	return ``
}

// lastQueued are the ids of those in the queue who came last, and whether these are all.
func (l *listing) lastQueued() (ids []string, all bool) {
	for _, line := range l.queue[:min(len(l.queue), queueLooked)] {
		if len(ids) >= queuedPeople {
			return ids, false
		}
		ids = append(ids, line.ids...)
	}
	return ids, len(l.queue) <= queueLooked
}

// matching keeps somebody whom the index doesn't know and who has all words.
func (l *listing) matching(row scanner) error {
	s, err := scanSearched(row)
	if err == nil && !slices.ContainsFunc(l.words, func(word string) bool { return !strings.Contains(s.text, sought(word)) }) {
		l.waiting = append(l.waiting, s.id)
	}
	return err
}

// sortUnknown brings those whom the index doesn't know into the order of the search, and
// counts those up to the cursor.
func (l *listing) sortUnknown() {
	slices.Sort(l.waiting)
	l.waiting = slices.Compact(l.waiting)
	if !l.ascending() {
		slices.Reverse(l.waiting)
	}
	for _, id := range l.waiting {
		if l.cursor() != "" && (id == l.cursor() || (id < l.cursor()) == (l.Order == Oldest)) {
			l.before++
		}
	}
}

// merged are the ids of the page and of one more: whom the index doesn't know came last.
func (l *listing) merged(ids []string) []string {
	beyond := slices.DeleteFunc(slices.Clone(l.waiting), func(id string) bool {
		return l.cursor() != "" && (id == l.cursor() || (id > l.cursor()) != l.ascending())
	})
	if l.ascending() {
		ids = append(ids, beyond...)
	} else {
		ids = append(beyond, ids...)
	}
	return ids[:min(len(ids), l.Limit+1)]
}

// page is the page with these ids and one more, without its rows.
func (l *listing) page(ids []string) SubscriberPage {
	p := SubscriberPage{Order: l.Order, Total: l.total, More: l.more, Filters: l.filters, Previous: l.After != "", Next: len(ids) > l.Limit}
	if l.backwards() {
		p.Previous, p.Next = p.Next, true
	}
	switch counted := !l.more && l.before > 0; {
	case l.cursor() == "":
		p.First = 1
	case counted && l.backwards():
		p.First = l.before - min(len(ids), l.Limit)
	case counted:
		p.First = l.before + 1
	}
	if l.more {
		p.Total = l.counted
	}
	if len(ids) == 0 {
		p.Previous, p.Next, p.First = false, false, 0
	}
	return p
}

// rows are those with the ids, in their order.
func (l *listing) rows(ctx context.Context, ids []string) ([]Subscriber, error) {
	var found []Subscriber
	var deliveries []deliveryOf
	for part := range idSet(ids).of(l.tenantID).parts() {
		with, args := part.with(l.engine)
		err := ask(ctx, l.read,
			listed(&found, scanSubscriber, with+selectSubscriber+`JOIN o ON o.tenant_id = s.tenant_id AND o.id = s.id`, args...),
			listed(&deliveries, scanDelivery, with+selectDelivery+`JOIN o ON o.tenant_id = d.tenant_id AND o.id = d.subscriber_id`, args...))
		if err != nil {
			return nil, err
		}
	}
	byID := map[string]Subscriber{}
	for _, s := range found {
		byID[s.ID] = s
	}
	var rows []Subscriber
	for _, id := range ids {
		if s, ok := byID[id]; ok {
			rows = append(rows, s)
		}
	}
	deliverAll(rows, deliveries, l.Destination)
	return rows, nil
}
