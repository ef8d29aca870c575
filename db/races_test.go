package db

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// Why a transaction needs no race: nothing that it does depends on what it read.
const (
	runsOthers   = "it runs what it is given"
	onlyInserts  = "it only inserts, and keys refuse what is there"
	onlyDeletes  = "it only deletes, by conditions of each statement"
	itsOwn       = "nobody else writes to a database that is marked"
	onlyMonotone = "each statement has its own condition"
)

// relyOnNothing are the functions with a transaction that reads nothing that it relies on.
var relyOnNothing = map[string]string{
	"execNotify": runsOthers, "handOver": itsOwn,
	"tx": runsOthers, "txCommitted": runsOthers, "transact": runsOthers, "underLease": runsOthers,
	"StartList": onlyInserts, "QueueList": onlyMonotone,
	"QueueReset": onlyInserts, "CreateUser": onlyInserts, "AddCall": onlyInserts, "probe": onlyInserts,
	"EndSessions": onlyDeletes, "ExpireMails": onlyDeletes, "ForgetFailures": onlyDeletes,
	"ExpireReaderMails": onlyDeletes, "ForgetAddresses": onlyDeletes, "RecordReaderMails": onlyMonotone,
	"Used": onlyMonotone, "TakeHandshake": onlyMonotone, "noteCompaction": onlyMonotone,
}

// A race is between two processes that do the same at once, or what is against each other.
type race struct {
	of    string // the functions with a transaction that it is about
	what  string
	begin func(t *testing.T, d *DB) duel
}

// Two processes that do at once what must not be done at once come to what they would have
// come to one after the other.
func TestRaces(t *testing.T) {
	p := twoProcesses(t)
	for _, r := range append(races(), storing()...) {
		t.Run(r.of+"/"+r.what, func(t *testing.T) {
			p.all[0].sealWith(t, 7)
			p.fight(t, r.begin)
		})
	}
}

// Every function with a transaction has a race, or stands among those that rely on nothing
// that they read. They are found in the source, so that a new one can't be forgotten.
func TestEveryTransactionHasARace(t *testing.T) {
	found, has := transacting(t), map[string]bool{}
	for _, r := range append(races(), storing()...) {
		for _, function := range strings.Fields(r.of) {
			has[function] = true
		}
	}
	for _, function := range found {
		if has[function] == (relyOnNothing[function] != "") {
			t.Errorf("%s needs a race, or a reason why it needs none", function)
		}
	}
	for _, function := range slices.Concat(slices.Collect(maps.Keys(has)), slices.Collect(maps.Keys(relyOnNothing))) {
		if !slices.Contains(found, function) {
			t.Errorf("%s has no transaction", function)
		}
	}
	if len(found) < 50 {
		t.Errorf("only %d functions were found", len(found))
	}
}

// transacting are the functions that begin a transaction.
func transacting(t *testing.T) (names []string) {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range f.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok {
				continue
			}
			begins := false
			ast.Inspect(fn, func(n ast.Node) bool {
				if call, ok := n.(*ast.CallExpr); ok {
					s, ok := call.Fun.(*ast.SelectorExpr)
					begins = begins || ok && slices.Contains([]string{"tx", "txCommitted", "underLease", "transact", "once"}, s.Sel.Name)
				}
				return true
			})
			if begins {
				names = append(names, fn.Name.Name)
			}
		}
	}
	return names
}

// oneWins is for what only one of two can have: the other is told that it can't.
func oneWins(t *testing.T, lost error) func(one, other error) {
	return func(one, other error) {
		t.Helper()
		if (one == nil) == (other == nil) || !errors.Is(cmp.Or(one, other), lost) {
			t.Errorf("%v and %v, want one %v", one, other, lost)
		}
	}
}

func both(t *testing.T, one, other error) {
	t.Helper()
	unless(t, one)
	unless(t, other)
}

// someone is a new user with a tenant of their own.
func someone(t *testing.T, d *DB) (User, Tenant) {
	t.Helper()
	return member(t, d, NewID())
}

// newsletterOf is the newsletter of a new tenant.
func newsletterOf(t *testing.T, d *DB) Newsletter {
	t.Helper()
	_, tenant := someone(t, d)
	all, err := d.Newsletters(t.Context(), tenant.ID)
	unless(t, err)
	return all[0]
}

// granted is a grant of an org that nobody else has.
func granted(u User, tenant Tenant) Grant {
	g := grant(u, tenant)
	g.OrgID = tenant.ID
	return g
}

// connect connects a new tenant.
func connect(t *testing.T, d *DB) Grant {
	t.Helper()
	g := granted(someone(t, d))
	if _, err := d.SaveIdentity(t.Context(), g, false, ""); err != nil {
		t.Fatal(err)
	}
	return g
}

// newly is g with another token.
func newly(g Grant) Grant {
	g.SealedRefresh = NewID()
	return g
}

func (d *DB) hold(t *testing.T, g Grant) Held {
	t.Helper()
	h := Held{Grant: g, ExpiresAt: d.now().Add(time.Hour)}
	h.ID = NewID()
	if err := d.HoldIdentity(t.Context(), h); err != nil {
		t.Fatal(err)
	}
	return h
}

// apiKey is the id of a new API key.
func (d *DB) apiKey(t *testing.T) string {
	t.Helper()
	k := APIKey{ID: NewID(), Name: "test", CreatedAt: d.now(), ReturnTo: []string{"https://app.example/other", "https://app.example/back"}}
	unless(t, d.AddAPIKey(t.Context(), k, k.ID))
	return k.ID
}

// asked is an authorization that a key begins for a tenant's own connection.
func asked(key, tenantID string) Authorization {
	a := Authorization{ID: NewID(), APIKeyID: key, TenantID: tenantID, Service: "sfdc", ReturnTo: "https://app.example/back", LinkEndsAt: time.Now().Add(time.Hour)}
	a.LinkHash = a.ID
	return a
}

// opened is g for an authorization that somebody has opened.
func (d *DB) opened(t *testing.T, g Grant) Grant {
	t.Helper()
	a := asked(d.apiKey(t), g.TenantID)
	a.Service, a.DefinedAt = g.Service, g.DefinedAt
	unless(t, d.BeginAuthorization(t.Context(), a))
	unless(t, d.OpenAuthorization(t.Context(), a.ID, "browser", d.now().Add(time.Hour)))
	g.ID = a.ID
	return g
}

// grantedTo is g as it was granted to an authorization.
func (d *DB) grantedTo(t *testing.T, g Grant) Grant {
	t.Helper()
	g = d.opened(t, g)
	unless(t, d.GrantAuthorization(t.Context(), g, "code"))
	return g
}

func (d *DB) completes(t *testing.T, g Grant) func(*DB) error {
	to := g
	to.ID = NewID()
	return func(d *DB) error { _, err := d.CompleteAuthorization(t.Context(), g.ID, to, false); return err }
}

// takesAddress takes a return address from a key, as it is now.
func (d *DB) takesAddress(t *testing.T, id, address string) func(*DB) error {
	t.Helper()
	before, err := d.APIKey(t.Context(), id)
	unless(t, err)
	after := before
	after.ReturnTo = slices.DeleteFunc(slices.Clone(before.ReturnTo), func(a string) bool { return a == address })
	return func(d *DB) error { return d.SetAPIKey(t.Context(), before, after) }
}

// signsUp is a sign-up at the newsletter of a tenant.
func signsUp(t *testing.T, d *DB, tenantID, email string) SignUp {
	t.Helper()
	all, err := d.Newsletters(t.Context(), tenantID)
	if err != nil || len(all) != 1 {
		t.Fatal(all, err)
	}
	return SignUp{TenantID: tenantID, NewsletterID: all[0].ID, Email: email, EmailKey: email, Consent: "Yes.", Source: "form", At: d.now()}
}

// linkOf is the hash of a link of a minute ago with which a subscriber confirms.
func (d *DB) linkOf(t *testing.T, s SignUp, subscriberID string) string {
	t.Helper()
	hash, now := NewID(), millis(d.now())
	_, err := d.write.Exec(`INSERT INTO confirmations (token_hash, tenant_id, subscriber_id, mail_id, made_at, expires_at) VALUES ($1, $2, $3, '', $4, $5)`, hash, s.TenantID, subscriberID, now-60_000, now+3600_000)
	unless(t, err)
	return hash
}

// unconfirmed is somebody of a new tenant's who is to confirm, and their sign-up.
func (d *DB) unconfirmed(t *testing.T) (SignUp, string) {
	t.Helper()
	_, tenant := someone(t, d)
	s := signsUp(t, d, tenant.ID, "jane@example.org")
	s.Confirm, s.CanMail = true, true
	return s, add(t, d, s)[0]
}

// mailsOf are n leased mails of a new tenant that may send so many in an hour.
func (d *DB) mailsOf(t *testing.T, limit, n int) (tenantID string, mails []ReaderMail) {
	t.Helper()
	_, err := d.write.Exec(`DELETE FROM reader_mails`)
	unless(t, err)
	_, tenant := someone(t, d)
	unless(t, d.SetTenantLimits(t.Context(), tenant.ID, limitsOf(limit, KeepLimit)))
	for range n {
		s := signsUp(t, d, tenant.ID, NewID()+"@example.org")
		s.Confirm, s.CanMail = true, true
		add(t, d, s)
	}
	mails, err = d.LeaseReaderMails(t.Context(), n, time.Minute)
	unless(t, err)
	return tenant.ID, mails
}

// starts starts mails to different people.
func starts(t *testing.T, mails []ReaderMail) func(*DB) error {
	return func(d *DB) error {
		var starts []ReaderMailStart
		for _, m := range mails {
			starts = append(starts, ReaderMailStart{m, NewID(), NewID(), NewID()})
		}
		_, err := d.StartReaderMails(t.Context(), starts)
		return err
	}
}

// onHold is somebody of a new tenant's who is held, and their sign-up.
func (d *DB) onHold(t *testing.T) (SignUp, string) {
	t.Helper()
	_, tenant := someone(t, d)
	s := signsUp(t, d, tenant.ID, "jane@example.org")
	s.Held = []string{"honeypot"}
	return s, add(t, d, s)[0]
}

func confirms(t *testing.T, tenantID, id string) func(*DB) error {
	return func(d *DB) error { return d.confirmed(t, tenantID, id) }
}

func addOne(t *testing.T, s SignUp) func(*DB) error {
	return func(d *DB) error {
		answers, err := d.AddSignUps(t.Context(), []SignUp{s})
		if err != nil {
			return err
		}
		return answers[0].Err
	}
}

// waiting makes a tenant with subscribers who wait, and takes the lease to deliver them.
func (d *DB) waiting(t *testing.T, n int) (Lease, []SignUp, []string) {
	t.Helper()
	_, tenant := someone(t, d)
	var signUps []SignUp
	for i := range n {
		signUps = append(signUps, signsUp(t, d, tenant.ID, fmt.Sprintf("%d@example.org", i)))
	}
	l := d.leasedOf(t, tenant.ID)
	return l, signUps, add(t, d, signUps...)
}

// needing is waiting, for subscribers who need attention.
func (d *DB) needing(t *testing.T, n int) (Lease, []SignUp, []string) {
	t.Helper()
	l, signUps, ids := d.waiting(t, n)
	for _, id := range ids {
		d.becomes(t, l, Outcome{SubscriberID: id, State: Attention, Reason: "ODD"})
	}
	return l, signUps, ids
}

// standing is where a subscriber's delivery to a destination stands.
func (d *DB) standing(t *testing.T, key DestinationKey, id string) State {
	t.Helper()
	s, err := d.Subscriber(t.Context(), key.TenantID, id)
	if err != nil {
		t.Fatal(err)
	}
	return s.In(key.DestinationID).State
}

// runOut is a lease of a tenant's that has run out, and what takes it for somebody else.
func (d *DB) runOut(t *testing.T, tenantID string) (mine Lease, take func(*DB) error) {
	t.Helper()
	mine = d.leasedOf(t, tenantID)
	if _, err := d.write.Exec(`UPDATE leases SET until = 1 WHERE name = $1`, mine.name()); err != nil {
		t.Fatal(err)
	}
	return mine, func(d *DB) error { return d.TakeLease(t.Context(), Lease{first(tenantID), "them"}) }
}

// sealWith has a key seal, and no others be known.
func (d *DB) sealWith(t *testing.T, key uint32) {
	t.Helper()
	_, err := d.write.Exec(`DELETE FROM sealing_keys`)
	unless(t, err)
	unless(t, d.SwitchSealingKey(t.Context(), 0, key))
}

var lastKey atomic.Uint32

// freshKey has a key seal that never did.
func (d *DB) freshKey(t *testing.T) uint32 {
	t.Helper()
	from, err := d.SealingKey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	to := lastKey.Add(1) + 1000
	if err := d.SwitchSealingKey(t.Context(), from, to); err != nil {
		t.Fatal(err)
	}
	return to
}

func (d *DB) session(t *testing.T, u User) func(*DB) error {
	now := d.now()
	return func(d *DB) error {
		return d.CreateSession(t.Context(), NewID(), Session{ID: NewID(), UserID: u.ID, CreatedAt: now, SeenAt: now, ExpiresAt: now.Add(time.Hour)}, u, "")
	}
}

// edited gives a subscriber another address, and a name.
func edited(t *testing.T, tenantID, id, email string) func(*DB) error {
	return func(d *DB) error {
		_, err := d.EditSubscriber(t.Context(), tenantID, id, Edit{Email: email, EmailKey: email, FirstName: "Edited"}, "ann")
		return err
	}
}

func left(t *testing.T, tenantID, id string) func(*DB) error {
	return func(d *DB) error { _, err := d.Leave(t.Context(), tenantID, id, "ann", "They wrote."); return err }
}

func undone(t *testing.T, tenantID, id string) func(*DB) error {
	return func(d *DB) error { _, err := d.UndoTest(t.Context(), tenantID, id, "ann"); return err }
}

// testing is waiting, for one subscriber whom a test made.
func (d *DB) testing(t *testing.T) (Lease, SignUp, string) {
	t.Helper()
	l, signUps, _ := d.waiting(t, 0)
	s := signsUp(t, d, l.TenantID, "test@example.org")
	s.Source = "test"
	return l, s, add(t, d, append(signUps, s)...)[0]
}

// erased erases whoever a sign-up is of.
func erased(t *testing.T, s SignUp) func(*DB) error {
	return func(d *DB) error {
		_, err := d.Erase(t.Context(), Erasure{TenantID: s.TenantID, EmailKey: s.EmailKey, Ways: map[string]ErasingWay{s.TenantID: EraseByDelete}})
		return err
	}
}

// removing is testing, for one who has arrived and is to be removed with the record.
func (d *DB) removing(t *testing.T) (Lease, SignUp, RecordRemoval) {
	t.Helper()
	l, s, id := d.testing(t)
	d.becomes(t, l, Outcome{SubscriberID: id, State: Delivered, RecordID: l.TenantID, OrgID: l.TenantID, Made: true})
	unless(t, undone(t, l.TenantID, id)(d))
	due, err := d.DueRemovals(t.Context(), l.DestinationKey)
	if err != nil || len(due) != 1 {
		t.Fatal(due, err)
	}
	r, ask, err := d.BeginRemoval(t.Context(), l, due[0], l.TenantID)
	if !ask || err != nil {
		t.Fatal(ask, err)
	}
	r.Record = RecordDeleted
	return l, s, r
}

// owing is somebody who left, and whose record is to say so.
func (d *DB) owing(t *testing.T) (Lease, OptOut) {
	t.Helper()
	l, _, ids := d.waiting(t, 1)
	d.becomes(t, l, Outcome{SubscriberID: ids[0], State: Delivered, RecordID: "r", OrgID: "o"})
	unless(t, left(t, l.TenantID, ids[0])(d))
	due, err := d.DueOptOuts(t.Context(), l.DestinationKey, 10)
	if err != nil || len(due) != 1 || due[0].What != OptOutAll {
		t.Fatal(due, err)
	}
	return l, due[0]
}

func confirmed(t *testing.T, o OptOut) func(*DB) error {
	return func(d *DB) error { return d.confirmed(t, o.TenantID, o.SubscriberID) }
}

func savesMapping(t *testing.T, key DestinationKey, revision int64) func(*DB) error {
	return func(d *DB) error {
		_, err := d.SaveMapping(t.Context(), key, StoredMapping{JSON: "{}", Revision: revision}, "ann")
		return err
	}
}

func pausesField(t *testing.T, key DestinationKey) func(*DB) error {
	return func(d *DB) error {
		return d.PauseFields(t.Context(), key, []PausedField{{Key: "Company", Label: "Company", Code: FieldGone}})
	}
}

func races() []race {
	return []race{
		{"PressConfirmation leaveOne", "confirmed and left", func(t *testing.T, d *DB) duel {
			s, id := d.unconfirmed(t)
			return duel{confirms(t, s.TenantID, id), left(t, s.TenantID, id), func(one, other error) {
				both(t, one, other)
				d.agrees(t, s.TenantID, nil)
				wantN(t, d, 0, `SELECT count(*) FROM subscribers s WHERE s.id = $1 AND s.state = 'left' AND EXISTS (SELECT 1 FROM deliveries d WHERE d.subscriber_id = s.id AND d.state = 'waiting')`, id)
			}}
		}},
		{"PressConfirmation expireOf", "confirmed while it expires", func(t *testing.T, d *DB) duel {
			s, id := d.unconfirmed(t)
			_, err := d.write.Exec(`UPDATE subscribers SET created_at = created_at - CAST(3600000 AS BIGINT) * 24 * 40 WHERE id = $1`, id)
			unless(t, err)
			return duel{confirms(t, s.TenantID, id), func(d *DB) error { _, err := d.ExpireReaders(t.Context(), s.TenantID); return err }, func(one, other error) {
				both(t, one, other)
				wantN(t, d, 1, `SELECT (SELECT count(*) FROM subscribers WHERE id = $1 AND state = 'active') + (SELECT count(*) FROM removals WHERE subscriber_id = $1)`, id)
				wantN(t, d, 0, `SELECT COALESCE(sum(n), 0) FROM state_counts WHERE tenant_id = $1 AND state = 'unconfirmed'`, s.TenantID)
			}}
		}},
		{"PressConfirmation", "confirmed twice", func(t *testing.T, d *DB) duel {
			s, id := d.unconfirmed(t)
			return duel{confirms(t, s.TenantID, id), nil, func(one, other error) {
				both(t, one, other)
				d.agrees(t, s.TenantID, Sums{New: 1, Waiting: 1})
				wantN(t, d, 1, `SELECT count(*) FROM consents WHERE subscriber_id = $1 AND act = 'confirmed'`, id)
			}}
		}},
		{"PressConfirmation enterAll", "confirmed and signed up again", func(t *testing.T, d *DB) duel {
			s, id := d.unconfirmed(t)
			return duel{confirms(t, s.TenantID, id), addOne(t, s), func(one, other error) {
				both(t, one, other)
				d.agrees(t, s.TenantID, Sums{New: 1, Repeated: 1, Waiting: 1})
			}}
		}},
		{"LeaseReaderMails", "by both", func(t *testing.T, d *DB) duel {
			_, err := d.write.Exec(`DELETE FROM reader_mails`)
			unless(t, err)
			d.unconfirmed(t)
			var got atomic.Int64
			return duel{func(d *DB) error {
				mails, err := d.LeaseReaderMails(t.Context(), 10, time.Minute)
				got.Add(int64(len(mails)))
				return err
			}, nil, func(one, other error) {
				both(t, one, other)
				if got.Load() != 1 {
					t.Errorf("%d processes have the mail", got.Load())
				}
			}}
		}},
		{"StartReaderMails", "to one address", func(t *testing.T, d *DB) duel {
			_, err := d.write.Exec(`DELETE FROM reader_mails`)
			unless(t, err)
			for range 4 {
				d.unconfirmed(t)
			}
			mails, err := d.LeaseReaderMails(t.Context(), 10, time.Minute)
			unless(t, err)
			to := NewID()
			start := func(mails []ReaderMail) func(*DB) error {
				return func(d *DB) error {
					var starts []ReaderMailStart
					for _, m := range mails {
						starts = append(starts, ReaderMailStart{m, NewID(), to, NewID()})
					}
					_, err := d.StartReaderMails(t.Context(), starts)
					return err
				}
			}
			return duel{start(mails[:2]), start(mails[2:]), func(one, other error) {
				both(t, one, other)
				wantN(t, d, 3, `SELECT count(*) FROM reader_mails WHERE attempts = 1`)
				wantN(t, d, 1, `SELECT count(*) FROM recipient_mails WHERE mac = $1 AND times LIKE '%,%,%'`, to)
			}}
		}},
		{"StartReaderMails", "of one tenant", func(t *testing.T, d *DB) duel {
			tenantID, mails := d.mailsOf(t, 3, 4)
			return duel{starts(t, mails[:2]), starts(t, mails[2:]), func(one, other error) {
				both(t, one, other)
				wantN(t, d, 3, `SELECT count(*) FROM reader_mails WHERE tenant_id = $1 AND attempts = 1`, tenantID)
				wantN(t, d, 1, `SELECT count(*) FROM reader_mails WHERE tenant_id = $1 AND attempts = 0 AND due_at = slot_at AND slot_at = (SELECT since FROM tenant_mails WHERE tenant_id = $1 AND n = 1)`, tenantID)
			}}
		}},
		{"StartReaderMails SetTenantLimits", "while the limit is raised", func(t *testing.T, d *DB) duel {
			tenantID, mails := d.mailsOf(t, 1, 4)
			return duel{starts(t, mails), func(d *DB) error { return d.SetTenantLimits(t.Context(), tenantID, limitsOf(100, KeepLimit)) }, func(one, other error) {
				both(t, one, other)
				wantN(t, d, 0, `SELECT count(*) FROM reader_mails WHERE tenant_id = $1 AND slot_at > 0`, tenantID)
				wantN(t, d, 1, `SELECT count(*) FROM tenant_mails WHERE tenant_id = $1 AND n IN (0, 4)`, tenantID)
			}}
		}},
		{"StartReaderMails SetTenantLimits", "while the limit is raised, of mails that would wait for too long", func(t *testing.T, d *DB) duel {
			tenantID, mails := d.mailsOf(t, 1, 2)
			_, err := d.write.Exec(`UPDATE tenant_mails SET since = $2, n = 1, spread = 1 WHERE tenant_id = $1`, tenantID, millis(d.now())+25*hourMillis)
			unless(t, err)
			return duel{starts(t, mails), func(d *DB) error { return d.SetTenantLimits(t.Context(), tenantID, limitsOf(100, KeepLimit)) }, func(one, other error) {
				both(t, one, other)
				wantN(t, d, 0, `SELECT count(*) FROM reader_mails WHERE tenant_id = $1 AND due_at >= created_at + 86400000`, tenantID)
			}}
		}},
		{"StartReaderMails PauseTenant", "while it is paused no more", func(t *testing.T, d *DB) duel {
			tenantID, mails := d.mailsOf(t, 100, 2)
			unless(t, d.PauseTenant(t.Context(), tenantID, true))
			return duel{starts(t, mails), func(d *DB) error { return d.PauseTenant(t.Context(), tenantID, false) }, func(one, other error) {
				both(t, one, other)
				wantN(t, d, 0, `SELECT count(*) FROM reader_mails WHERE tenant_id = $1 AND due_at > $2`, tenantID, millis(d.now())+60_000)
			}}
		}},
		{"StartReaderMails enterAll", "expired and asked for again", func(t *testing.T, d *DB) duel {
			_, err := d.write.Exec(`DELETE FROM reader_mails`)
			unless(t, err)
			s, id := d.unconfirmed(t)
			_, err = d.write.Exec(`UPDATE reader_mails SET created_at = created_at - 86400000 WHERE subscriber_id = $1`, id)
			unless(t, err)
			mails, err := d.LeaseReaderMails(t.Context(), 1, time.Minute)
			unless(t, err)
			return duel{starts(t, mails), addOne(t, s), func(one, other error) {
				both(t, one, other)
				wantN(t, d, 1, `SELECT count(*) FROM reader_mails WHERE subscriber_id = $1 AND state = 'queued'`, id)
			}}
		}},
		{"PressConfirmation leaveOne", "pressed and left", func(t *testing.T, d *DB) duel {
			s, id := d.unconfirmed(t)
			link := d.linkOf(t, s, id)
			return duel{func(d *DB) error { _, err := d.PressConfirmation(t.Context(), link); return err }, left(t, s.TenantID, id), func(one, other error) {
				both(t, one, other)
				wantN(t, d, 1, `SELECT count(*) FROM subscribers WHERE id = $1 AND state = 'left'`, id)
				d.agrees(t, s.TenantID, nil)
			}}
		}},
		{"PressConfirmation", "pressed twice", func(t *testing.T, d *DB) duel {
			s, id := d.unconfirmed(t)
			link := d.linkOf(t, s, id)
			return duel{func(d *DB) error {
				state, err := d.PressConfirmation(t.Context(), link)
				if state != LinkDone {
					t.Errorf("the link is %s", state)
				}
				return err
			}, nil, func(one, other error) {
				both(t, one, other)
				wantN(t, d, 1, `SELECT count(*) FROM consents WHERE subscriber_id = $1 AND act = 'confirmed'`, id)
			}}
		}},
		{"AskConfirmationAgain", "asked twice", func(t *testing.T, d *DB) duel {
			s, id := d.unconfirmed(t)
			link := d.linkOf(t, s, id)
			_, err := d.write.Exec(`DELETE FROM reader_mails WHERE subscriber_id = $1`, id)
			unless(t, err)
			return duel{func(d *DB) error { _, err := d.AskConfirmationAgain(t.Context(), link, "mac"); return err }, nil, func(one, other error) {
				both(t, one, other)
				wantN(t, d, 1, `SELECT count(*) FROM reader_mails WHERE subscriber_id = $1`, id)
			}}
		}},
		{"LeaveAll leaveOne", "left all and one", func(t *testing.T, d *DB) duel {
			l, signUps, ids := d.waiting(t, 1)
			return duel{func(d *DB) error {
				_, err := d.LeaveAll(t.Context(), l.TenantID, signUps[0].EmailKey, Leaving{At: d.now(), How: LeftByLink})
				return err
			}, left(t, l.TenantID, ids[0]), func(one, other error) {
				both(t, one, other)
				d.agrees(t, l.TenantID, Sums{New: 1, Left: 1, Ended: 1})
				wantN(t, d, 1, `SELECT count(*) FROM consents WHERE subscriber_id = $1 AND act = 'withdrawn'`, ids[0])
			}}
		}},
		{"Return leaveOne", "left and is back", func(t *testing.T, d *DB) duel {
			l, _, ids := d.waiting(t, 1)
			unless(t, left(t, l.TenantID, ids[0])(d))
			return duel{func(d *DB) error { _, err := d.Return(t.Context(), l.TenantID, ids[0], "ann"); return err }, left(t, l.TenantID, ids[0]), func(one, other error) {
				both(t, one, other)
				d.agrees(t, l.TenantID, nil)
			}}
		}},
		{"decideHolds", "accepted and rejected", func(t *testing.T, d *DB) duel {
			s, id := d.onHold(t)
			h, err := d.HoldOf(t.Context(), s.TenantID, id)
			unless(t, err)
			return duel{func(d *DB) error {
				_, err := d.AcceptHolds(t.Context(), s.TenantID, []string{h.ID}, "ann", false)
				return err
			}, func(d *DB) error {
				_, err := d.RejectHolds(t.Context(), s.TenantID, []string{h.ID}, "bob")
				return err
			}, func(one, other error) {
				both(t, one, other)
				d.agrees(t, s.TenantID, nil)
				wantN(t, d, 1, `SELECT count(*) FROM subscribers s JOIN holds h ON h.subscriber_id = s.id WHERE s.id = $1 AND (h.decision = 'accepted' AND s.state = 'active' OR h.decision = 'rejected' AND s.state = 'rejected')`, id)
			}}
		}},
		{"decideHolds enterAll", "rejected and signed up again", func(t *testing.T, d *DB) duel {
			s, id := d.onHold(t)
			h, err := d.HoldOf(t.Context(), s.TenantID, id)
			unless(t, err)
			s.Held = nil
			return duel{func(d *DB) error {
				_, err := d.RejectHolds(t.Context(), s.TenantID, []string{h.ID}, "bob")
				return err
			}, addOne(t, s), func(one, other error) {
				both(t, one, other)
				d.agrees(t, s.TenantID, nil)
			}}
		}},
		{"decideHolds expireHoldsOf", "accepted while nobody has decided for too long", func(t *testing.T, d *DB) duel {
			_, tenant := someone(t, d)
			s := signsUp(t, d, tenant.ID, "jane@example.org")
			id := add(t, d, s)[0]
			s.Held, s.FirstName = []string{"burst"}, "Janet"
			add(t, d, s)
			h, err := d.HoldOf(t.Context(), s.TenantID, id)
			unless(t, err)
			_, err = d.write.Exec(`UPDATE holds SET at = at - CAST(3600000 AS BIGINT) * 24 * 40 WHERE id = $1`, h.ID)
			unless(t, err)
			return duel{func(d *DB) error {
				_, err := d.AcceptHolds(t.Context(), s.TenantID, []string{h.ID}, "ann", false)
				return err
			}, func(d *DB) error { _, err := d.ExpireReaders(t.Context(), s.TenantID); return err }, func(one, other error) {
				both(t, one, other)
				d.agrees(t, s.TenantID, nil)
				wantN(t, d, 1, `SELECT count(*) FROM subscribers s JOIN holds h ON h.subscriber_id = s.id WHERE s.id = $1 AND (h.decision = 'accepted' AND s.first_name = 'Janet' OR h.decision = 'expired' AND s.first_name <> 'Janet')`, id)
			}}
		}},
		{"SetReaderRules", "by both", func(t *testing.T, d *DB) duel {
			n := newsletterOf(t, d)
			return duel{func(d *DB) error {
				return d.SetReaderRules(t.Context(), n.TenantID, n.ID, n.Revision, ReaderRules{Confirm: true})
			}, nil, oneWins(t, ErrLost)}
		}},
		{"SaveForm", "the same version by both", func(t *testing.T, d *DB) duel {
			_, tenant := someone(t, d)
			all, err := d.Newsletters(t.Context(), tenant.ID)
			unless(t, err)
			next := all[0].Form
			next.Version++
			save := func(d *DB) error { return d.SaveForm(t.Context(), tenant.ID, all[0].ID, next, "") }
			return duel{save, nil, func(one, other error) {
				oneWins(t, ErrConflict)(one, other)
				wantN(t, d, 2, `SELECT count(*) FROM form_versions WHERE newsletter_id = $1`, all[0].ID)
			}}
		}},
		{"AddHandshake", "room for one more", func(t *testing.T, d *DB) duel {
			_, tenant := someone(t, d)
			begin := func(d *DB) error {
				return d.AddHandshake(t.Context(), Handshake{StateHash: NewID(), SessionID: tenant.ID, TenantID: tenant.ID, Service: "sfdc", KeyID: 7, ExpiresAt: d.now().Add(time.Hour)})
			}
			for range maxSessionHandshakes - 1 {
				unless(t, begin(d))
			}
			return duel{begin, nil, oneWins(t, ErrTooMany)}
		}},
		{"BeginAuthorization", "room for one more", func(t *testing.T, d *DB) duel {
			_, tenant := someone(t, d)
			key := d.apiKey(t)
			begin := func(d *DB) error { return d.BeginAuthorization(t.Context(), asked(key, tenant.ID)) }
			for range maxUserAuthorizations - 1 {
				unless(t, begin(d))
			}
			return duel{begin, nil, oneWins(t, ErrTooMany)}
		}},
		{"BeginAuthorization DeleteAPIKey", "begun with a key that is deleted", func(t *testing.T, d *DB) duel {
			_, tenant := someone(t, d)
			a := asked(d.apiKey(t), tenant.ID)
			return duel{func(d *DB) error { return d.BeginAuthorization(t.Context(), a) },
				func(d *DB) error { return d.DeleteAPIKey(t.Context(), a.APIKeyID) }, func(one, other error) {
					unless(t, one, ErrLost)
					unless(t, other)
					wantN(t, d, 0, `SELECT count(*) FROM authorizations WHERE api_key_id = $1 AND ended_at = 0`, a.APIKeyID)
				}}
		}},
		{"BeginAuthorization SetAPIKey", "begun for an address that is taken from the key", func(t *testing.T, d *DB) duel {
			_, tenant := someone(t, d)
			a := asked(d.apiKey(t), tenant.ID)
			return duel{func(d *DB) error { return d.BeginAuthorization(t.Context(), a) }, d.takesAddress(t, a.APIKeyID, a.ReturnTo), func(one, other error) {
				unless(t, one, ErrLost)
				unless(t, other)
				wantN(t, d, 0, `SELECT count(*) FROM authorizations WHERE api_key_id = $1 AND (ended_at = 0 OR return_to <> '')`, a.APIKeyID)
			}}
		}},
		{"GrantAuthorization SetAPIKey", "granted, and its address is taken from the key", func(t *testing.T, d *DB) duel {
			g := d.opened(t, granted(someone(t, d)))
			a, err := d.Authorization(t.Context(), g.ID)
			unless(t, err)
			return duel{func(d *DB) error { return d.GrantAuthorization(t.Context(), g, "code") }, d.takesAddress(t, a.APIKeyID, a.ReturnTo), func(one, other error) {
				unless(t, one, ErrLost)
				unless(t, other)
				wantN(t, d, 0, `SELECT count(*) FROM granted_identities WHERE id = $1`, g.ID)
				if one == nil {
					d.revoked(t, g.TenantID, g.SealedRefresh)
				}
			}}
		}},
		{"CompleteAuthorization SetAPIKey", "completed, and its address is taken from the key", func(t *testing.T, d *DB) duel {
			g := d.grantedTo(t, granted(someone(t, d)))
			a, err := d.Authorization(t.Context(), g.ID)
			unless(t, err)
			return duel{d.completes(t, g), d.takesAddress(t, a.APIKeyID, a.ReturnTo), func(one, other error) {
				unless(t, one, ErrLost)
				unless(t, other)
				d.onceEach(t, g)
			}}
		}},
		{"SetAPIKey", "changed by both", func(t *testing.T, d *DB) duel {
			id := d.apiKey(t)
			return duel{d.takesAddress(t, id, "https://app.example/back"), nil, oneWins(t, ErrLost)}
		}},
		{"SetAPIKey DeleteAPIKey", "changed and deleted", func(t *testing.T, d *DB) duel {
			id := d.apiKey(t)
			return duel{d.takesAddress(t, id, "https://app.example/back"), func(d *DB) error { return d.DeleteAPIKey(t.Context(), id) }, func(one, other error) {
				unless(t, one, ErrLost)
				unless(t, other)
			}}
		}},
		{"GrantAuthorization DeleteAPIKey", "granted to a key that is deleted", func(t *testing.T, d *DB) duel {
			g := d.opened(t, granted(someone(t, d)))
			a, err := d.Authorization(t.Context(), g.ID)
			unless(t, err)
			return duel{func(d *DB) error { return d.GrantAuthorization(t.Context(), g, "code") },
				func(d *DB) error { return d.DeleteAPIKey(t.Context(), a.APIKeyID) }, func(one, other error) {
					unless(t, one, ErrLost)
					unless(t, other)
					wantN(t, d, 0, `SELECT count(*) FROM granted_identities WHERE id = $1`, g.ID)
					if one == nil {
						d.revoked(t, g.TenantID, g.SealedRefresh)
					}
				}}
		}},
		{"GrantAuthorization", "granted by both", func(t *testing.T, d *DB) duel {
			g := d.opened(t, granted(someone(t, d)))
			return duel{func(d *DB) error { return d.GrantAuthorization(t.Context(), g, "code") }, nil, oneWins(t, ErrLost)}
		}},
		{"CompleteAuthorization", "completed by both", func(t *testing.T, d *DB) duel {
			g := d.grantedTo(t, granted(someone(t, d)))
			return duel{d.completes(t, g), nil, func(one, other error) {
				oneWins(t, ErrLost)(one, other)
				d.onceEach(t, g)
			}}
		}},
		{"CompleteAuthorization SaveIdentity", "completed, and connected in the portal", func(t *testing.T, d *DB) duel {
			u, tenant := someone(t, d)
			g := d.grantedTo(t, granted(u, tenant))
			beside := newly(granted(u, tenant))
			beside.ID = NewID()
			return duel{d.completes(t, g), func(d *DB) error { _, err := d.SaveIdentity(t.Context(), beside, false, ""); return err }, func(one, other error) {
				oneWins(t, ErrLost)(one, other)
				wantN(t, d, 1, `SELECT count(*) FROM identities WHERE tenant_id = $1`, tenant.ID)
			}}
		}},
		{"CompleteAuthorization DropAuthorization", "completed and dropped", func(t *testing.T, d *DB) duel {
			g := d.grantedTo(t, granted(someone(t, d)))
			return duel{d.completes(t, g), func(d *DB) error { _, err := d.DropAuthorization(t.Context(), g.ID, "code"); return err }, func(one, other error) {
				oneWins(t, ErrLost)(one, other)
				d.onceEach(t, g)
			}}
		}},
		{"CompleteAuthorization ExpireAuthorizations", "completed and expired", func(t *testing.T, d *DB) duel {
			g := d.grantedTo(t, granted(someone(t, d)))
			_, err := d.write.Exec(`UPDATE authorizations SET expires_at = $2 WHERE id = $1`, g.ID, millis(d.now()))
			unless(t, err)
			return duel{d.completes(t, g), func(d *DB) error { return d.ExpireAuthorizations(t.Context()) }, func(one, other error) {
				unless(t, one, ErrLost)
				unless(t, other)
				d.onceEach(t, g)
			}}
		}},
		{"CompleteAuthorization DeleteAPIKey", "completed with a key that is deleted", func(t *testing.T, d *DB) duel {
			g := d.grantedTo(t, granted(someone(t, d)))
			a, err := d.Authorization(t.Context(), g.ID)
			unless(t, err)
			return duel{d.completes(t, g), func(d *DB) error { return d.DeleteAPIKey(t.Context(), a.APIKeyID) }, func(one, other error) {
				unless(t, one, ErrLost)
				unless(t, other)
				d.onceEach(t, g)
			}}
		}},
		{"HoldAuthorization CompleteAuthorization", "held and completed", func(t *testing.T, d *DB) duel {
			g := d.grantedTo(t, granted(someone(t, d)))
			h := Held{Grant: g, ExpiresAt: d.now().Add(time.Hour)}
			return duel{func(d *DB) error { return d.HoldAuthorization(t.Context(), g.ID, h) }, d.completes(t, g), func(one, other error) {
				oneWins(t, ErrLost)(one, other)
				d.onceEach(t, g)
			}}
		}},
		{"DropAuthorization ExpireAuthorizations", "dropped and expired", func(t *testing.T, d *DB) duel {
			g := d.grantedTo(t, granted(someone(t, d)))
			_, err := d.write.Exec(`UPDATE authorizations SET expires_at = 1 WHERE id = $1`, g.ID)
			unless(t, err)
			return duel{func(d *DB) error { _, err := d.DropAuthorization(t.Context(), g.ID, "code"); return err },
				func(d *DB) error { return d.ExpireAuthorizations(t.Context()) }, func(one, other error) {
					unless(t, one, ErrLost)
					unless(t, other)
					d.revoked(t, g.TenantID, g.SealedRefresh)
				}}
		}},
		{"enterAll", "the same new address", func(t *testing.T, d *DB) duel {
			_, tenant := someone(t, d)
			return duel{addOne(t, signsUp(t, d, tenant.ID, "jane@example.org")), nil, func(one, other error) {
				both(t, one, other)
				d.agrees(t, tenant.ID, Sums{New: 1, Repeated: 1, Waiting: 1})
			}}
		}},
		{"enterAll", "addresses in another order", func(t *testing.T, d *DB) duel {
			_, tenant := someone(t, d)
			group := []SignUp{signsUp(t, d, tenant.ID, "a@example.org"), signsUp(t, d, tenant.ID, "b@example.org"), signsUp(t, d, tenant.ID, "c@example.org")}
			enter := func(group []SignUp) func(*DB) error {
				return func(d *DB) error { _, err := d.AddSignUps(t.Context(), group); return err }
			}
			backwards := slices.Clone(group)
			slices.Reverse(backwards)
			return duel{enter(group), enter(backwards), func(one, other error) {
				both(t, one, other)
				d.agrees(t, tenant.ID, Sums{New: 3, Repeated: 3, Waiting: 3})
			}}
		}},
		{"enterAll decideOne", "dismissed and signed up again", func(t *testing.T, d *DB) duel {
			l, signUps, ids := d.needing(t, 1)
			return duel{addOne(t, signUps[0]), func(d *DB) error {
				_, err := d.Dismiss(t.Context(), l.DestinationKey, ids[0], "ann", "No.")
				return err
			}, func(one, other error) {
				both(t, one, other)
				d.agrees(t, l.TenantID, Sums{New: 1, Repeated: 1, Waiting: 1})
			}}
		}},
		{"CloseTenant WipeTenant wipeSubscribers", "closed once more and wiped", func(t *testing.T, d *DB) duel {
			_, tenant := someone(t, d)
			add(t, d, signsUp(t, d, tenant.ID, "jane@example.org"))
			stale := d.closedLongAgo(t, tenant.ID)
			return duel{stale(func(d *DB) error {
				_, err := d.CloseTenant(t.Context(), tenant.ID, time.Now().Add(time.Hour))
				return err
			}), wipe(t, tenant.ID), func(one, other error) {
				unless(t, one, ErrNotFound)
				unless(t, other, ErrNotFound)
				d.wholeOrGone(t, tenant.ID, other == nil)
			}}
		}},
		{"WipeTenant wipeSubscribers", "wiped and reopened", func(t *testing.T, d *DB) duel {
			_, tenant := someone(t, d)
			add(t, d, signsUp(t, d, tenant.ID, "jane@example.org"))
			stale := d.closedLongAgo(t, tenant.ID)
			return duel{stale(func(d *DB) error { return d.ReopenTenant(t.Context(), tenant.ID) }), wipe(t, tenant.ID), func(one, other error) {
				oneWins(t, ErrNotFound)(one, other)
				d.wholeOrGone(t, tenant.ID, other == nil)
			}}
		}},
		{"WipeTenant wipeSubscribers", "wiped by both", func(t *testing.T, d *DB) duel {
			u, tenant := someone(t, d)
			add(t, d, signsUp(t, d, tenant.ID, "jane@example.org"), signsUp(t, d, tenant.ID, "joe@example.org"))
			_, err := d.CloseTenant(t.Context(), tenant.ID, d.now().Add(-time.Second))
			unless(t, err)
			var people, users atomic.Int32
			return duel{func(d *DB) error {
				w, err := d.WipeTenant(t.Context(), tenant.ID, nil)
				people.Add(int32(w.Subscribers))
				users.Add(int32(w.Users))
				return err
			}, nil, func(one, other error) {
				unless(t, one, ErrNotFound)
				unless(t, other, ErrNotFound)
				if people.Load() != 2 || users.Load() != 1 {
					t.Errorf("%d subscribers and %d users were wiped", people.Load(), users.Load())
				}
				wantN(t, d, 0, `SELECT count(*) FROM users WHERE id = $1`, u.ID)
				wantN(t, d, 0, `SELECT count(*) FROM tenants WHERE id = $1`, tenant.ID)
			}}
		}},
		{"WipeTenant AddMember", "whose last tenant is wiped joins another", func(t *testing.T, d *DB) duel {
			u, tenant := someone(t, d)
			_, next := someone(t, d)
			_, err := d.CloseTenant(t.Context(), tenant.ID, d.now().Add(-time.Second))
			unless(t, err)
			return duel{wipe(t, tenant.ID),
				func(d *DB) error { return d.AddMember(t.Context(), u.ID, next.ID, d.now()) }, func(one, other error) {
					unless(t, one)
					there := number(t, d, `SELECT count(*) FROM users WHERE id = $1`, u.ID)
					wantN(t, d, there, `SELECT count(*) FROM memberships WHERE user_id = $1`, u.ID)
					if (other == nil) != (there == 1) {
						t.Errorf("joined: %v, there: %d", other, there)
					}
				}}
		}},
		{"SetMailChoice RemoveMember", "the last that is mailed at once is given up, and another one ends", func(t *testing.T, d *DB) duel {
			u, tenant := someone(t, d)
			_, other := someone(t, d)
			unless(t, d.AddMember(t.Context(), u.ID, other.ID, d.now()))
			return duel{func(d *DB) error { return d.SetMailChoice(t.Context(), tenant.ID, u.ID, MailsNever) },
				func(d *DB) error { return d.RemoveMember(t.Context(), u.ID, other.ID) }, func(one, other error) {
					both(t, one, other)
					wantN(t, d, 0, `SELECT incident_mails FROM users WHERE id = $1`, u.ID)
				}}
		}},
		{"DeleteUser", "the last two of a tenant", func(t *testing.T, d *DB) duel {
			u, tenant := someone(t, d)
			next, _ := someone(t, d)
			unless(t, d.AddMember(t.Context(), next.ID, tenant.ID, d.now()))
			var empty atomic.Int32
			remove := func(u User) func(*DB) error {
				return func(d *DB) error {
					gone, err := d.DeleteUser(t.Context(), u.ID)
					if slices.Contains(gone.Empty, tenant.Slug) {
						empty.Add(1)
					}
					return err
				}
			}
			return duel{remove(u), remove(next), func(one, other error) {
				both(t, one, other)
				if empty.Load() != 1 {
					t.Errorf("told %d times that nobody is left", empty.Load())
				}
			}}
		}},
		{"ChangeTenantApp", "two edits", func(t *testing.T, d *DB) duel {
			_, tenant := someone(t, d)
			setApp(t, d, tenant.ID, "app")
			edit := func(change func(*TenantApp)) func(*DB) error {
				return func(d *DB) error {
					_, err := d.ChangeTenantApp(t.Context(), "sfdc", tenant.ID, func(a *TenantApp) error { change(a); return nil })
					return err
				}
			}
			return duel{edit(func(a *TenantApp) { a.Scopes = "api" }), edit(func(a *TenantApp) { a.LoginURL = "https://one.example" }), func(one, other error) {
				both(t, one, other)
				if a, err := d.TenantApp(t.Context(), "sfdc", tenant.ID); err != nil || a.Scopes != "api" || a.LoginURL != "https://one.example" {
					t.Errorf("%+v, %v", a, err)
				}
			}}
		}},
		{"DeleteTenantApp SaveIdentity", "connected by the app that goes", func(t *testing.T, d *DB) duel {
			u, tenant := someone(t, d)
			setApp(t, d, tenant.ID, "app")
			g := granted(u, tenant)
			g.OwnApp, g.ClientID = true, "app"
			return duel{func(d *DB) error { _, err := d.DeleteTenantApp(t.Context(), "sfdc", tenant.ID); return err },
				func(d *DB) error { _, err := d.SaveIdentity(t.Context(), g, false, ""); return err }, func(one, other error) {
					unless(t, one)
					unless(t, other, ErrLost)
					wantN(t, d, 0, `SELECT count(*) FROM identities WHERE tenant_id = $1 AND broken_at = 0`, tenant.ID)
				}}
		}},
		{"DeleteTenantApp HoldIdentity", "authorized by the app that goes", func(t *testing.T, d *DB) duel {
			u, tenant := someone(t, d)
			setApp(t, d, tenant.ID, "app")
			g := granted(u, tenant)
			g.OwnApp, g.ClientID = true, "app"
			return duel{func(d *DB) error { _, err := d.DeleteTenantApp(t.Context(), "sfdc", tenant.ID); return err },
				func(d *DB) error {
					return d.HoldIdentity(t.Context(), Held{Grant: g, ExpiresAt: d.now().Add(time.Hour)})
				}, func(one, other error) {
					unless(t, one)
					unless(t, other, ErrLost)
					wantN(t, d, 0, `SELECT count(*) FROM held_identities WHERE tenant_id = $1`, tenant.ID)
				}}
		}},
		{"ChangeTenantApp SaveIdentity", "connected by the app that was before", func(t *testing.T, d *DB) duel {
			u, tenant := someone(t, d)
			setApp(t, d, tenant.ID, "app")
			g := granted(u, tenant)
			g.OwnApp, g.ClientID = true, "app"
			return duel{func(d *DB) error {
				_, err := d.ChangeTenantApp(t.Context(), "sfdc", tenant.ID, func(a *TenantApp) error { a.ClientID = "next"; return nil })
				return err
			}, func(d *DB) error { _, err := d.SaveIdentity(t.Context(), g, false, ""); return err }, func(one, other error) {
				unless(t, one)
				unless(t, other, ErrLost)
				wantN(t, d, 0, `SELECT count(*) FROM identities WHERE tenant_id = $1 AND broken_at = 0`, tenant.ID)
			}}
		}},
		{"ChangeService", "two edits", func(t *testing.T, d *DB) duel {
			service := NewID()
			edit := func(change func(*ServiceSettings)) func(*DB) error {
				return func(d *DB) error { return d.ChangeService(t.Context(), service, change) }
			}
			return duel{edit(func(s *ServiceSettings) { s.Scopes = "api" }), edit(func(s *ServiceSettings) { s.LoginURL = "https://one.example" }), func(one, other error) {
				both(t, one, other)
				if s, err := d.ServiceSettings(t.Context(), service); err != nil || s.Scopes != "api" || s.LoginURL != "https://one.example" {
					t.Errorf("%+v, %v", s, err)
				}
			}}
		}},
		{"ChangeService SaveIdentity", "connected by the app that was before", func(t *testing.T, d *DB) duel {
			g := granted(someone(t, d))
			g.Service, g.ClientID = NewID(), "app"
			set := func(client string) func(*DB) error {
				return func(d *DB) error {
					return d.ChangeService(t.Context(), g.Service, func(s *ServiceSettings) { s.ClientID = client })
				}
			}
			unless(t, set("app")(d))
			return duel{set("next"), func(d *DB) error { _, err := d.SaveIdentity(t.Context(), g, false, ""); return err }, func(one, other error) {
				unless(t, one)
				unless(t, other, ErrLost)
				wantN(t, d, 0, `SELECT count(*) FROM identities WHERE tenant_id = $1 AND broken_at = 0`, g.TenantID)
			}}
		}},
		{"MendBroken", "mended by both", func(t *testing.T, d *DB) duel {
			g := connect(t, d)
			unless(t, d.BreakIdentity(t.Context(), g.ID, find(t, d, g.TenantID).Generation, "gone", ""))
			_, _ = d.write.Exec(`UPDATE identities SET own_app = 1 WHERE id = $1`, g.ID)
			var mended atomic.Int64
			return duel{func(d *DB) error {
				n, err := d.MendBroken(t.Context(), "sfdc", g.TenantID, []string{"gone"})
				mended.Add(n)
				return err
			}, nil, func(one, other error) {
				both(t, one, other)
				if mended.Load() != 1 {
					t.Errorf("mended %d", mended.Load())
				}
			}}
		}},
		{"CreateSession ChangePassword", "signed in with the password of before", func(t *testing.T, d *DB) duel {
			u, _ := someone(t, d)
			return duel{d.session(t, u), func(d *DB) error {
				_, err := d.ChangePassword(t.Context(), u.ID, u.PasswordHash, "next", d.now(), false)
				return err
			}, func(one, other error) {
				unless(t, one, ErrLost)
				unless(t, other)
				wantN(t, d, 0, `SELECT count(*) FROM sessions WHERE user_id = $1`, u.ID)
			}}
		}},
		{"TrustDevice ChangePassword", "known with the password of before", func(t *testing.T, d *DB) duel {
			u, _ := someone(t, d)
			return duel{d.trust(t, u), func(d *DB) error {
				_, err := d.ChangePassword(t.Context(), u.ID, u.PasswordHash, "next", d.now(), false)
				return err
			}, func(one, other error) {
				unless(t, one, ErrLost)
				unless(t, other)
				wantN(t, d, 0, `SELECT count(*) FROM devices WHERE user_id = $1`, u.ID)
			}}
		}},
		{"ChangePassword", "of the same password", func(t *testing.T, d *DB) duel {
			u, _ := someone(t, d)
			return duel{func(d *DB) error {
				_, err := d.ChangePassword(t.Context(), u.ID, u.PasswordHash, NewID(), d.now(), true)
				return err
			}, nil, func(one, other error) {
				oneWins(t, ErrLost)(one, other)
				wantN(t, d, 1, `SELECT count(*) FROM mails WHERE user_id = $1`, u.ID)
			}}
		}},
		{"ResetPassword", "by the same link", func(t *testing.T, d *DB) duel {
			u, _ := someone(t, d)
			return duel{d.reset(t, u), nil, func(one, other error) {
				oneWins(t, ErrNotFound)(one, other)
				wantN(t, d, 1, `SELECT count(*) FROM mails WHERE user_id = $1`, u.ID)
			}}
		}},
		{"ResetPassword CreateSession", "signed in with the password of before", func(t *testing.T, d *DB) duel {
			u, _ := someone(t, d)
			return duel{d.reset(t, u), d.session(t, u), func(one, other error) {
				unless(t, one)
				unless(t, other, ErrLost)
				wantN(t, d, 0, `SELECT count(*) FROM sessions WHERE user_id = $1`, u.ID)
			}}
		}},
		{"decideOne", "sent again by both", func(t *testing.T, d *DB) duel {
			l, _, ids := d.needing(t, 1)
			var times atomic.Int32
			return duel{func(d *DB) error {
				done, err := d.Retry(t.Context(), l.DestinationKey, ids[0], "ann")
				if done {
					times.Add(1)
				}
				return err
			}, nil, func(one, other error) {
				both(t, one, other)
				if times.Load() != 1 {
					t.Errorf("sent again %d times", times.Load())
				}
				d.agrees(t, l.TenantID, Sums{New: 1, Waiting: 1})
			}}
		}},
		{"keepRecount", "counted by both", func(t *testing.T, d *DB) duel {
			l, _, _ := d.waiting(t, 2)
			return duel{func(d *DB) error { _, err := d.CheckCounts(t.Context(), l.TenantID); return err }, nil, func(one, other error) {
				both(t, one, other)
				if r, err := d.LastRecount(t.Context(), l.TenantID); err != nil {
					t.Error(err)
				} else {
					sumsAre(t, r.Rows, l.TenantID, Sums{New: 2, Waiting: 2})
				}
			}}
		}},
		{"SaveUsage", "calls of both", func(t *testing.T, d *DB) duel {
			_, tenant := someone(t, d)
			return duel{func(d *DB) error { return d.SaveUsage(t.Context(), first(tenant.ID), 10, 100, 3) }, nil, func(one, other error) {
				both(t, one, other)
				wantN(t, d, 6, `SELECT sum(n) FROM api_calls WHERE tenant_id = $1`, tenant.ID)
			}}
		}},
		{"SwitchSealingKey", "to two keys", func(t *testing.T, d *DB) duel {
			from := d.freshKey(t)
			to := func() func(*DB) error {
				to := lastKey.Add(1) + 1000
				return func(d *DB) error { return d.SwitchSealingKey(t.Context(), from, to) }
			}
			return duel{to(), to(), func(one, other error) {
				oneWins(t, ErrLost)(one, other)
				wantN(t, d, 1, `SELECT count(*) FROM sealing_keys WHERE current = 1`)
			}}
		}},
		{"SwitchSealingKey", "the first of all", func(t *testing.T, d *DB) duel {
			_, err := d.write.Exec(`DELETE FROM sealing_keys`)
			unless(t, err)
			to := func() func(*DB) error {
				to := lastKey.Add(1) + 1000
				return func(d *DB) error { return d.SwitchSealingKey(t.Context(), 0, to) }
			}
			return duel{to(), to(), func(one, other error) {
				oneWins(t, ErrLost)(one, other)
				wantN(t, d, 1, `SELECT count(*) FROM sealing_keys WHERE current = 1`)
			}}
		}},
		{"AddMACKeys", "two processes begin", func(t *testing.T, d *DB) duel {
			key := d.freshKey(t)
			_, err := d.write.Exec(`DELETE FROM mac_keys`)
			unless(t, err)
			add := func(sealed string) func(*DB) error {
				return func(d *DB) error {
					return d.AddMACKeys(t.Context(), key, []MACKey{{Purpose: "a", Sealed: sealed}, {Purpose: "b", Sealed: sealed}})
				}
			}
			return duel{add("one"), add("other"), func(one, other error) {
				both(t, one, other)
				wantN(t, d, 2, `SELECT count(*) FROM mac_keys`)
				wantN(t, d, 1, `SELECT count(DISTINCT sealed_mac_key) FROM mac_keys`)
			}}
		}},
		{"Reseal SaveIdentity", "connected anew while it is sealed anew", func(t *testing.T, d *DB) duel {
			key := d.freshKey(t)
			g := granted(someone(t, d))
			g.KeyID = key
			_, err := d.SaveIdentity(t.Context(), g, false, "")
			unless(t, err)
			next := d.freshKey(t)
			row := func(value string) SealedRow {
				return SealedRow{Table: SealedIdentities.Holding("refresh"), ID: g.ID, KeyID: key, Sealed: []Sealed{{Kind: "refresh", TenantID: g.TenantID, Value: value}}}
			}
			anew := newly(g)
			anew.KeyID = next
			return duel{func(d *DB) error {
				return d.Reseal(t.Context(), next, []SealedRow{row(g.SealedRefresh)}, []SealedRow{row("anew")})
			}, func(d *DB) error { _, err := d.SaveIdentity(t.Context(), anew, false, ""); return err }, func(one, other error) {
				both(t, one, other)
				if i := find(t, d, g.TenantID); i.SealedRefresh != anew.SealedRefresh || i.KeyID != next {
					t.Errorf("stored %q by %d", i.SealedRefresh, i.KeyID)
				}
			}}
		}},
		{"WithKeyLock", "the key file", locked},
		{"WithKeyLock", "the key file before there is a key", func(t *testing.T, d *DB) duel {
			_, err := d.write.Exec(`DELETE FROM sealing_keys`)
			unless(t, err)
			return locked(t, d)
		}},
		{"deleteIdentities", "deleted by both", func(t *testing.T, d *DB) duel {
			g := connect(t, d)
			return duel{func(d *DB) error {
				_, err := d.DeleteSomeIdentities(t.Context(), Selector{TenantID: g.TenantID}, "", "", 0)
				return err
			}, nil, func(one, other error) {
				both(t, one, other)
				d.revoked(t, g.TenantID, g.SealedRefresh)
			}}
		}},
		{"deleteIdentities SaveIdentity", "deleted and connected anew", func(t *testing.T, d *DB) duel {
			g := connect(t, d)
			anew := newly(g)
			return duel{func(d *DB) error {
				_, err := d.DeleteSomeIdentities(t.Context(), Selector{TenantID: g.TenantID}, "", "", 0)
				return err
			},
				func(d *DB) error { _, err := d.SaveIdentity(t.Context(), anew, false, ""); return err }, func(one, other error) {
					both(t, one, other)
					d.onceEach(t, g, anew)
				}}
		}},
		{"DeleteIdentity", "deleted by both", func(t *testing.T, d *DB) duel {
			g := connect(t, d)
			return duel{func(d *DB) error { _, err := d.DeleteIdentity(t.Context(), "sfdc", g.TenantID, ""); return err }, nil, func(one, other error) {
				oneWins(t, ErrNotFound)(one, other)
				d.revoked(t, g.TenantID, g.SealedRefresh)
			}}
		}},
		{"DeleteIdentity SaveIdentity", "deleted and connected anew", func(t *testing.T, d *DB) duel {
			g := connect(t, d)
			anew := newly(g)
			return duel{func(d *DB) error { _, err := d.DeleteIdentity(t.Context(), "sfdc", g.TenantID, ""); return err },
				func(d *DB) error { _, err := d.SaveIdentity(t.Context(), anew, false, ""); return err }, func(one, other error) {
					both(t, one, other)
					d.onceEach(t, g, anew)
				}}
		}},
		{"DeleteIdentity HoldIdentity", "deleted and another authorized", func(t *testing.T, d *DB) duel {
			g := connect(t, d)
			h := Held{Grant: newly(g), ExpiresAt: d.now().Add(time.Hour)}
			h.ID = NewID()
			return duel{func(d *DB) error { _, err := d.DeleteIdentity(t.Context(), "sfdc", g.TenantID, ""); return err },
				func(d *DB) error { return d.HoldIdentity(t.Context(), h) }, func(one, other error) {
					both(t, one, other)
					d.onceEach(t, g, h.Grant)
				}}
		}},
		{"SaveIdentity", "connected by both", func(t *testing.T, d *DB) duel {
			g := granted(someone(t, d))
			save := func() func(*DB) error {
				g := g
				g.ID = NewID()
				return func(d *DB) error { _, err := d.SaveIdentity(t.Context(), g, false, ""); return err }
			}
			return duel{save(), save(), func(one, other error) {
				oneWins(t, ErrLost)(one, other)
				wantN(t, d, 1, `SELECT count(*) FROM identities WHERE tenant_id = $1`, g.TenantID)
			}}
		}},
		{"SaveIdentity", "replaced by both", func(t *testing.T, d *DB) duel {
			g := connect(t, d)
			one, other := newly(g), newly(g)
			save := func(g Grant) func(*DB) error {
				return func(d *DB) error { _, err := d.SaveIdentity(t.Context(), g, false, ""); return err }
			}
			return duel{save(one), save(other), func(e1, e2 error) {
				both(t, e1, e2)
				d.onceEach(t, g, one, other)
			}}
		}},
		{"SaveIdentity", "two tenants and one org", func(t *testing.T, d *DB) duel {
			g := granted(someone(t, d))
			h := granted(someone(t, d))
			h.OrgID = g.OrgID
			save := func(g Grant) func(*DB) error {
				return func(d *DB) error { _, err := d.SaveIdentity(t.Context(), g, false, ""); return err }
			}
			return duel{save(g), save(h), oneWins(t, ErrOrgInUse)}
		}},
		{"ImportIdentities", "imported by both", func(t *testing.T, d *DB) duel {
			g := granted(someone(t, d))
			bring := func() func(*DB) error {
				a := Arrival{Grant: g, ConnectedAt: noon, RefreshedAt: noon}
				a.ID = NewID()
				return func(d *DB) error { _, err := d.ImportIdentities(t.Context(), nil, []Arrival{a}); return err }
			}
			return duel{bring(), bring(), func(one, other error) {
				oneWins(t, ErrLost)(one, other)
				wantN(t, d, 1, `SELECT count(*) FROM identities WHERE tenant_id = $1`, g.TenantID)
			}}
		}},
		{"ImportIdentities StartRenewal", "the same grant while it is renewed", func(t *testing.T, d *DB) duel {
			g := connect(t, d)
			generation := find(t, d, g.TenantID).Generation
			return duel{func(d *DB) error {
				_, err := d.ImportIdentities(t.Context(), nil, []Arrival{{Grant: g, Replaces: generation, SameGrant: true, ConnectedAt: noon, RefreshedAt: noon}})
				return err
			}, func(d *DB) error {
				_, err := d.StartRenewal(t.Context(), g.ID, generation, "me", time.Minute, false)
				return err
			}, oneWins(t, ErrLost)}
		}},
		{"StartRenewal", "renewed by both", func(t *testing.T, d *DB) duel {
			g := connect(t, d)
			generation := find(t, d, g.TenantID).Generation
			renew := func(owner string) func(*DB) error {
				return func(d *DB) error {
					earlier, err := d.StartRenewal(t.Context(), g.ID, generation, owner, time.Minute, false)
					if err == nil && !earlier.IsZero() {
						t.Errorf("%s hears of an earlier call", owner)
					}
					return err
				}
			}
			return duel{renew("me"), renew("them"), oneWins(t, ErrLost)}
		}},
		{"StartRenewal DeleteTenantApp", "renewed while its app goes", func(t *testing.T, d *DB) duel {
			u, tenant := someone(t, d)
			setApp(t, d, tenant.ID, "app")
			g := granted(u, tenant)
			g.OwnApp, g.ClientID = true, "app"
			_, err := d.SaveIdentity(t.Context(), g, false, "")
			unless(t, err)
			generation := find(t, d, g.TenantID).Generation
			return duel{func(d *DB) error {
				_, err := d.StartRenewal(t.Context(), g.ID, generation, "me", time.Minute, false)
				return err
			}, func(d *DB) error { _, err := d.DeleteTenantApp(t.Context(), "sfdc", tenant.ID); return err }, func(one, other error) {
				unless(t, one, ErrLost)
				unless(t, other)
				i := find(t, d, g.TenantID)
				if (one == nil) == i.CallStartedAt.IsZero() || i.BrokenCode != AppRemoved {
					t.Errorf("%v, %+v", one, i)
				}
			}}
		}},
		{"FinishRenewal SaveIdentity", "renewed and connected anew", func(t *testing.T, d *DB) duel {
			g := connect(t, d)
			generation := find(t, d, g.TenantID).Generation
			renewed, anew := newly(g), newly(g)
			return duel{func(d *DB) error { return d.FinishRenewal(t.Context(), renewed, generation) },
				func(d *DB) error { _, err := d.SaveIdentity(t.Context(), anew, false, ""); return err }, func(one, other error) {
					unless(t, one, ErrLost)
					unless(t, other)
					revoked := renewed // which took the place of the first
					if one != nil {
						revoked = g
					}
					d.revoked(t, g.TenantID, revoked.SealedRefresh)
					if i := find(t, d, g.TenantID); i.SealedRefresh != anew.SealedRefresh {
						t.Errorf("stored %q", i.SealedRefresh)
					}
				}}
		}},
		{"HoldIdentity", "authorized by both", func(t *testing.T, d *DB) duel {
			first := granted(someone(t, d))
			second := newly(first)
			second.ID = NewID()
			hold := func(g Grant) func(*DB) error {
				return func(d *DB) error {
					return d.HoldIdentity(t.Context(), Held{Grant: g, ExpiresAt: d.now().Add(time.Hour)})
				}
			}
			return duel{hold(first), hold(second), func(one, other error) {
				both(t, one, other)
				d.onceEach(t, first, second)
			}}
		}},
		{"DropHeld", "given up by both", func(t *testing.T, d *DB) duel {
			h := d.hold(t, granted(someone(t, d)))
			return duel{func(d *DB) error { _, err := d.DropHeld(t.Context(), "sfdc", h.TenantID, h.ID); return err }, nil, func(one, other error) {
				oneWins(t, ErrLost)(one, other)
				d.revoked(t, h.TenantID, h.SealedRefresh)
			}}
		}},
		{"DropHeld SaveIdentity", "given up and confirmed", func(t *testing.T, d *DB) duel {
			h := d.hold(t, granted(someone(t, d)))
			return duel{func(d *DB) error { _, err := d.DropHeld(t.Context(), "sfdc", h.TenantID, h.ID); return err },
				func(d *DB) error { _, err := d.SaveIdentity(t.Context(), h.Grant, false, h.ID); return err }, func(one, other error) {
					oneWins(t, ErrLost)(one, other)
					d.onceEach(t, h.Grant)
				}}
		}},
		{"ExpireHeld", "expired by both", func(t *testing.T, d *DB) duel {
			h := d.hold(t, granted(someone(t, d)))
			_, err := d.write.Exec(`UPDATE held_identities SET expires_at = 1 WHERE id = $1`, h.ID)
			unless(t, err)
			return duel{func(d *DB) error { return d.ExpireHeld(t.Context()) }, nil, func(one, other error) {
				both(t, one, other)
				d.revoked(t, h.TenantID, h.SealedRefresh)
			}}
		}},
		{"ExpireHeld SaveIdentity", "expired and confirmed", func(t *testing.T, d *DB) duel {
			h := d.hold(t, granted(someone(t, d)))
			_, err := d.write.Exec(`UPDATE held_identities SET expires_at = 1 WHERE id = $1`, h.ID)
			unless(t, err)
			return duel{func(d *DB) error { return d.ExpireHeld(t.Context()) },
				func(d *DB) error { _, err := d.SaveIdentity(t.Context(), h.Grant, false, h.ID); return err }, func(one, other error) {
					unless(t, one)
					unless(t, other, ErrLost)
					d.onceEach(t, h.Grant)
				}}
		}},
		{"OpenIncident", "opened by both", func(t *testing.T, d *DB) duel {
			u, tenant := someone(t, d)
			return duel{func(d *DB) error {
				return d.OpenIncident(t.Context(), Trouble{TenantID: tenant.ID, Kind: IncidentWaiting}, d.now(), everyone)
			}, nil, func(one, other error) {
				both(t, one, other)
				wantN(t, d, 1, `SELECT count(*) FROM incidents WHERE tenant_id = $1`, tenant.ID)
				wantN(t, d, 1, `SELECT count(*) FROM mails WHERE user_id = $1`, u.ID)
			}}
		}},
		{"CloseIncident", "closed by both", func(t *testing.T, d *DB) duel {
			u, i := d.mended(t)
			return duel{func(d *DB) error { return d.CloseIncident(t.Context(), i, d.now(), everyone) }, nil, func(one, other error) {
				both(t, one, other)
				wantN(t, d, 1, `SELECT count(*) FROM mails WHERE user_id = $1`, u.ID)
			}}
		}},
		{"CloseIncident", "closed while the trouble is back", func(t *testing.T, d *DB) duel {
			u, i := d.mended(t)
			return duel{func(d *DB) error { return d.CloseIncident(t.Context(), i, d.now(), everyone) },
				func(d *DB) error { return d.MendIncident(t.Context(), i.ID, time.Time{}) }, func(one, other error) {
					both(t, one, other)
					closed := number(t, d, `SELECT count(*) FROM incidents WHERE id = $1 AND closed_at > 0 AND mended_at > 0`, i.ID)
					wantN(t, d, 1-closed, `SELECT count(*) FROM incidents WHERE id = $1 AND closed_at = 0 AND mended_at = 0`, i.ID)
					wantN(t, d, closed, `SELECT count(*) FROM mails WHERE user_id = $1`, u.ID)
				}}
		}},
		{"QueueDigest", "of a morning by both", func(t *testing.T, d *DB) duel {
			u, tenant := someone(t, d)
			return duel{func(d *DB) error { return d.QueueDigest(t.Context(), tenant.ID, noon, time.Hour, everyone) }, nil, func(one, other error) {
				both(t, one, other)
				wantN(t, d, 1, `SELECT count(*) FROM mails WHERE user_id = $1`, u.ID)
			}}
		}},
		{"QueueDigest", "of a tenant that is closed", func(t *testing.T, d *DB) duel {
			u, tenant := someone(t, d)
			return duel{func(d *DB) error { return d.QueueDigest(t.Context(), tenant.ID, noon, time.Hour, everyone) },
				func(d *DB) error { _, err := d.CloseTenant(t.Context(), tenant.ID, d.now()); return err }, func(one, other error) {
					both(t, one, other)
					decided := number(t, d, `SELECT count(*) FROM tenants WHERE id = $1 AND digest_at > 0`, tenant.ID)
					wantN(t, d, decided, `SELECT count(*) FROM mails WHERE user_id = $1`, u.ID)
				}}
		}},
		{"StartAction", "the same by both", func(t *testing.T, d *DB) duel {
			l, _, _ := d.needing(t, 3)
			start := func(d *DB) error {
				d.batch = 1
				_, err := d.StartAction(t.Context(), Action{DestinationKey: l.DestinationKey, Service: "sfdc", Kind: ActionRetry, Reason: "ODD"})
				return err
			}
			return duel{start, nil, func(one, other error) {
				both(t, one, other)
				wantN(t, d, 1, `SELECT count(*) FROM actions WHERE tenant_id = $1`, l.TenantID)
				d.agrees(t, l.TenantID, Sums{New: 3, Waiting: 1, Attention: 2})
			}}
		}},
		{"SaveMapping", "the first one, by both", func(t *testing.T, d *DB) duel {
			l, _, _ := d.waiting(t, 0)
			return duel{savesMapping(t, l.DestinationKey, 0), nil, oneWins(t, ErrConflict)}
		}},
		{"SaveMapping RemoveMapping", "changed and removed", func(t *testing.T, d *DB) duel {
			l, _, _ := d.waiting(t, 0)
			unless(t, savesMapping(t, l.DestinationKey, 0)(d))
			return duel{savesMapping(t, l.DestinationKey, 1), func(d *DB) error { return d.RemoveMapping(t.Context(), l.DestinationKey, "", 1) }, func(one, other error) {
				unless(t, one, ErrConflict)
				unless(t, other, ErrConflict)
				if (one == nil) == (other == nil) {
					t.Errorf("saved %v, removed %v", one, other)
				}
			}}
		}},
		{"SaveMapping RecordOutcomes", "saved, and somebody is to wait for it", func(t *testing.T, d *DB) duel {
			l, _, ids := d.waiting(t, 1)
			return duel{savesMapping(t, l.DestinationKey, 0), func(d *DB) error {
				return d.RecordOutcomes(t.Context(), l, []Outcome{{SubscriberID: ids[0], State: Waiting, Reason: reasonRequired, DueAt: d.now().Add(time.Hour)}})
			}, func(one, other error) {
				both(t, one, other)
				d.agrees(t, l.TenantID, Sums{New: 1, Waiting: 1})
			}}
		}},
		{"SaveSchema", "by both", func(t *testing.T, d *DB) duel {
			l, _, _ := d.waiting(t, 0)
			save := func(d *DB) error { return d.SaveSchema(t.Context(), l.DestinationKey, StoredSchema{JSON: "{}"}) }
			return duel{save, nil, func(one, other error) { both(t, one, other) }}
		}},
		{"PauseFields", "by both", func(t *testing.T, d *DB) duel {
			l, _, _ := d.waiting(t, 0)
			return duel{pausesField(t, l.DestinationKey), nil, func(one, other error) {
				both(t, one, other)
				wantN(t, d, 1, `SELECT count(*) FROM paused_fields WHERE tenant_id = $1`, l.TenantID)
			}}
		}},
		{"ResumeFields", "by both", func(t *testing.T, d *DB) duel {
			l, _, ids := d.waiting(t, 2)
			unless(t, pausesField(t, l.DestinationKey)(d))
			for _, id := range ids {
				d.becomes(t, l, Outcome{SubscriberID: id, State: Delivered, RecordID: id, OrgID: "00D"})
			}
			resume := func(d *DB) error {
				d.batch = 10
				return d.ResumeFields(t.Context(), l.DestinationKey, "sfdc", []string{"Company"})
			}
			return duel{resume, nil, func(one, other error) {
				both(t, one, other)
				d.agrees(t, l.TenantID, Sums{New: 2, Waiting: 2})
			}}
		}},
		{"ResumeFields RecordOutcomes", "there again, and somebody arrives without", func(t *testing.T, d *DB) duel {
			l, _, ids := d.waiting(t, 1)
			unless(t, pausesField(t, l.DestinationKey)(d))
			_, err := d.write.ExecContext(t.Context(), `UPDATE paused_fields SET since = since - 1000`) // the clocks of processes differ by a moment
			unless(t, err)
			return duel{func(d *DB) error { return d.ResumeFields(t.Context(), l.DestinationKey, "sfdc", []string{"Company"}) }, func(d *DB) error {
				return d.RecordOutcomes(t.Context(), l, []Outcome{{SubscriberID: ids[0], State: Delivered, RecordID: ids[0], OrgID: "00D", Without: []string{"Company"}}})
			}, func(one, other error) {
				both(t, one, other)
				d.agrees(t, l.TenantID, Sums{New: 1, Waiting: 1}) // to get what it went without
			}}
		}},
		{"StartAction decideOne", "all are sent again, and one is dismissed", func(t *testing.T, d *DB) duel {
			l, _, ids := d.needing(t, 2)
			var done bool
			return duel{func(d *DB) error {
				d.batch = 10
				_, err := d.StartAction(t.Context(), Action{DestinationKey: l.DestinationKey, Service: "sfdc", Kind: ActionRetry, Reason: "ODD"})
				return err
			}, func(d *DB) (err error) {
				done, err = d.Dismiss(t.Context(), l.DestinationKey, ids[0], "ann", "No.")
				return err
			}, func(one, other error) {
				both(t, one, other)
				want := Sums{New: 2, Waiting: 2}
				if done {
					want = Sums{New: 2, Waiting: 1, Dismissed: 1}
				}
				d.agrees(t, l.TenantID, want)
			}}
		}},
		{"StepAction", "the same by both", func(t *testing.T, d *DB) duel {
			l, _, _ := d.needing(t, 4)
			batch := d.batch
			d.batch = 1
			a, err := d.StartAction(t.Context(), Action{DestinationKey: l.DestinationKey, Service: "sfdc", Kind: ActionRetry, Reason: "ODD"})
			d.batch = batch
			unless(t, err)
			return duel{func(d *DB) error {
				d.batch = 1
				_, err := d.StepAction(t.Context(), a.ID)
				return err
			}, nil, func(one, other error) {
				both(t, one, other)
				wantN(t, d, 3, `SELECT done FROM actions WHERE id = $1`, a.ID)
				d.agrees(t, l.TenantID, Sums{New: 4, Waiting: 3, Attention: 1})
			}}
		}},
		{"StepAction enterAll", "gone on with while one is signed up again", func(t *testing.T, d *DB) duel {
			l, signUps, _ := d.needing(t, 3)
			batch := d.batch
			d.batch = 1
			a, err := d.StartAction(t.Context(), Action{DestinationKey: l.DestinationKey, Service: "sfdc", Kind: ActionDismiss, Reason: "ODD"})
			d.batch = batch
			unless(t, err)
			return duel{func(d *DB) error {
				d.batch = 10
				_, err := d.StepAction(t.Context(), a.ID)
				return err
			}, addOne(t, signUps[2]), func(one, other error) {
				both(t, one, other)
				d.agrees(t, l.TenantID, Sums{New: 3, Repeated: 1, Dismissed: 2, Waiting: 1})
			}}
		}},
		{"StepList", "the same list by both", func(t *testing.T, d *DB) duel {
			l, signUps, ids := d.waiting(t, 2)
			list, err := d.StartList(t.Context(), SuppressionList{TenantID: l.TenantID}, []Unwanted{{signUps[0].EmailKey, "m0"}, {signUps[1].EmailKey, "m1"}, {"other@example.com", "m2"}})
			unless(t, err)
			step := func(d *DB) error { _, err := d.StepList(t.Context(), l.TenantID, list.ID); return err }
			return duel{step, nil, func(one, other error) {
				unless(t, one, ErrNotFound)
				unless(t, other, ErrNotFound)
				wantN(t, d, 1, `SELECT count(*) FROM suppression_lists WHERE id = $1 AND left_n = 2 AND noted_n = 1 AND known_n = 0 AND done = 3 AND ended_at > 0`, list.ID)
				wantN(t, d, 1, `SELECT count(*) FROM consents WHERE subscriber_id = $1 AND act = 'withdrawn'`, ids[0])
				d.agrees(t, l.TenantID, Sums{New: 2, Left: 2, Ended: 2})
			}}
		}},
		{"StepList leaveOne", "a list and a link", func(t *testing.T, d *DB) duel {
			l, signUps, ids := d.waiting(t, 1)
			list, err := d.StartList(t.Context(), SuppressionList{TenantID: l.TenantID}, []Unwanted{{signUps[0].EmailKey, "m0"}})
			unless(t, err)
			return duel{func(d *DB) error { _, err := d.StepList(t.Context(), l.TenantID, list.ID); return err }, left(t, l.TenantID, ids[0]), func(one, other error) {
				both(t, one, other)
				wantN(t, d, 1, `SELECT count(*) FROM consents WHERE subscriber_id = $1 AND act = 'withdrawn'`, ids[0])
				d.agrees(t, l.TenantID, Sums{New: 1, Left: 1, Ended: 1})
			}}
		}},
		{"ResumeLists", "by both", func(t *testing.T, d *DB) duel {
			l, _, _ := d.waiting(t, 1)
			_, err := d.StartList(t.Context(), SuppressionList{TenantID: l.TenantID}, []Unwanted{{"other@example.com", "m"}})
			unless(t, err)
			_, err = d.write.Exec(`UPDATE suppression_lists SET resume_at = 1 WHERE tenant_id = $1`, l.TenantID)
			unless(t, err)
			const jobs = `SELECT count(*) FROM river_job WHERE kind = 'suppression_list'`
			before := number(t, d, jobs)
			return duel{func(d *DB) error { return d.ResumeLists(t.Context()) }, nil, func(one, other error) {
				both(t, one, other)
				wantN(t, d, before+1, jobs)
			}}
		}},
		{"ResumeActions", "by both", func(t *testing.T, d *DB) duel {
			l, _, _ := d.needing(t, 2)
			batch := d.batch
			d.batch = 1
			a, err := d.StartAction(t.Context(), Action{DestinationKey: l.DestinationKey, Service: "sfdc", Kind: ActionRetry, Reason: "ODD"})
			d.batch = batch
			unless(t, err)
			_, err = d.write.Exec(`UPDATE actions SET resume_at = 1 WHERE id = $1`, a.ID)
			unless(t, err)
			before := jobsOf(t, d)
			return duel{func(d *DB) error { _, err := d.ResumeActions(t.Context()); return err }, nil, func(one, other error) {
				both(t, one, other)
				if jobs := jobsOf(t, d) - before; jobs != 1 {
					t.Errorf("%d jobs", jobs)
				}
			}}
		}},
		{"KeepLease", "kept and taken", func(t *testing.T, d *DB) duel {
			_, tenant := someone(t, d)
			mine, take := d.runOut(t, tenant.ID)
			return duel{func(d *DB) error { return d.KeepLease(t.Context(), mine) }, take, oneWins(t, ErrLost)}
		}},
		{"MarkSent", "sent and the lease is taken", func(t *testing.T, d *DB) duel {
			l, _, ids := d.waiting(t, 1)
			mine, take := d.runOut(t, l.TenantID)
			return duel{func(d *DB) error {
				return d.MarkSent(t.Context(), mine, []Sending{{SubscriberID: ids[0]}}, d.now())
			}, take, oneWins(t, ErrLost)}
		}},
		{"SetPause", "paused and the lease is taken", func(t *testing.T, d *DB) duel {
			_, tenant := someone(t, d)
			mine, take := d.runOut(t, tenant.ID)
			return duel{func(d *DB) error { return d.SetPause(t.Context(), mine, Pause{Reason: "x"}) }, take, oneWins(t, ErrLost)}
		}},
		{"SetBlamed", "blamed and the lease is taken", func(t *testing.T, d *DB) duel {
			_, tenant := someone(t, d)
			mine, take := d.runOut(t, tenant.ID)
			return duel{func(d *DB) error { return d.SetBlamed(t.Context(), mine, 3) }, take, oneWins(t, ErrLost)}
		}},
		{"RecordOutcomes", "recorded and the lease is taken", func(t *testing.T, d *DB) duel {
			l, _, ids := d.waiting(t, 1)
			mine, take := d.runOut(t, l.TenantID)
			return duel{func(d *DB) error {
				return d.RecordOutcomes(t.Context(), mine, []Outcome{{SubscriberID: ids[0], State: Delivered}})
			}, take, oneWins(t, ErrLost)}
		}},
		{"RecordOutcomes enterAll", "delivered and signed up again", func(t *testing.T, d *DB) duel {
			return recorded(t, d, Outcome{State: Delivered, RecordID: "r", OrgID: "o"})
		}},
		{"RecordOutcomes enterAll", "refused and signed up again", func(t *testing.T, d *DB) duel {
			return recorded(t, d, Outcome{State: Attention, Reason: "ODD"})
		}},
		{"EditSubscriber", "two become the same address", func(t *testing.T, d *DB) duel {
			l, _, ids := d.waiting(t, 2)
			return duel{edited(t, l.TenantID, ids[0], "same@example.org"), edited(t, l.TenantID, ids[1], "same@example.org"), func(one, other error) {
				oneWins(t, ErrConflict)(one, other)
				d.agrees(t, l.TenantID, Sums{New: 2, Waiting: 2})
			}}
		}},
		{"EditSubscriber enterAll", "the address of before is signed up", func(t *testing.T, d *DB) duel {
			l, signUps, ids := d.needing(t, 1)
			return duel{edited(t, l.TenantID, ids[0], "right@example.org"), addOne(t, signUps[0]), func(one, other error) {
				both(t, one, other)
				d.agrees(t, l.TenantID, nil)
				wantN(t, d, 1, `SELECT count(*) FROM subscribers s JOIN deliveries d ON d.subscriber_id = s.id WHERE s.id = $1 AND s.email_key = 'right@example.org' AND d.state = 'waiting'`, ids[0])
			}}
		}},
		{"EditSubscriber enterAll", "the address to be is signed up", func(t *testing.T, d *DB) duel {
			l, _, ids := d.needing(t, 1)
			return duel{edited(t, l.TenantID, ids[0], "right@example.org"), addOne(t, signsUp(t, d, l.TenantID, "right@example.org")), func(one, other error) {
				unless(t, one, ErrConflict)
				unless(t, other)
				d.agrees(t, l.TenantID, nil)
				wantN(t, d, 1, `SELECT count(*) FROM subscribers WHERE tenant_id = $1 AND email_key = 'right@example.org'`, l.TenantID)
			}}
		}},
		{"EditSubscriber MarkSent", "another address while it is sent to the one of before", func(t *testing.T, d *DB) duel {
			l, signUps, ids := d.waiting(t, 1)
			return duel{edited(t, l.TenantID, ids[0], "right@example.org"), func(d *DB) error {
				return d.MarkSent(t.Context(), l, []Sending{{SubscriberID: ids[0], EmailKey: signUps[0].EmailKey, New: true}}, d.now().Add(time.Hour))
			}, func(one, other error) {
				unless(t, one, ErrAddressFixed)
				unless(t, other, ErrLost)
				if (one == nil) == (other == nil) {
					t.Errorf("edited: %v, sent: %v", one, other)
				}
			}}
		}},
		{"EditSubscriber RecordOutcomes", "other names while it is delivered", func(t *testing.T, d *DB) duel {
			l, signUps, ids := d.waiting(t, 1)
			return duel{edited(t, l.TenantID, ids[0], signUps[0].Email), func(d *DB) error {
				return d.RecordOutcomes(t.Context(), l, []Outcome{{SubscriberID: ids[0], State: Delivered, RecordID: "r", OrgID: "o"}})
			}, func(one, other error) {
				both(t, one, other)
				d.agrees(t, l.TenantID, Sums{New: 1, Waiting: 1}) // and is due with the new names
				wantN(t, d, 1, `SELECT count(*) FROM subscribers s JOIN deliveries d ON d.subscriber_id = s.id WHERE s.id = $1 AND s.first_name = 'Edited' AND d.record_id = 'r'`, ids[0])
			}}
		}},
		{"EditSubscriber leaveOne", "edited and left", func(t *testing.T, d *DB) duel {
			l, signUps, ids := d.needing(t, 1)
			return duel{edited(t, l.TenantID, ids[0], signUps[0].Email), left(t, l.TenantID, ids[0]), func(one, other error) {
				both(t, one, other)
				d.agrees(t, l.TenantID, Sums{New: 1, Left: 1, Ended: 1})
			}}
		}},
		{"leaveOne RecordOutcomes", "left while it is delivered", func(t *testing.T, d *DB) duel {
			l, _, ids := d.waiting(t, 1)
			unless(t, d.MarkSent(t.Context(), l, []Sending{{SubscriberID: ids[0], New: true}}, d.now().Add(time.Hour)))
			return duel{left(t, l.TenantID, ids[0]), func(d *DB) error {
				return d.RecordOutcomes(t.Context(), l, []Outcome{{SubscriberID: ids[0], State: Delivered, RecordID: "r", OrgID: "o", Made: true}})
			}, func(one, other error) {
				both(t, one, other)
				want := Sums{New: 1, Left: 1, Ended: 1}
				if d.standing(t, l.DestinationKey, ids[0]) == Delivered {
					want = Sums{New: 1, Left: 1, Delivered: 1}
				}
				d.agrees(t, l.TenantID, want)
				wantN(t, d, 1, `SELECT count(*) FROM deliveries WHERE subscriber_id = $1 AND record_id = 'r' AND made_id = 'r' AND sent_at = 0`, ids[0])
				wantN(t, d, 2, `SELECT count(*) FROM events WHERE tenant_id = $1 AND subscriber_id = $2`, l.TenantID, ids[0])
				wantN(t, d, 1, `SELECT count(*) FROM opt_outs WHERE subscriber_id = $1 AND what = 'all' AND record_id = 'r'`, ids[0])
			}}
		}},
		{"leaveOne enterAll", "left and signed up again", func(t *testing.T, d *DB) duel {
			l, signUps, ids := d.waiting(t, 1)
			return duel{left(t, l.TenantID, ids[0]), addOne(t, signUps[0]), func(one, other error) {
				both(t, one, other)
				d.agrees(t, l.TenantID, nil) // what came after is held, since no mail can be sent
				wantN(t, d, 1, `SELECT count(*) FROM subscribers s WHERE s.id = $1 AND s.state = 'left' AND (s.revision = 1 OR EXISTS (SELECT 1 FROM holds h WHERE h.subscriber_id = s.id))`, ids[0])
			}}
		}},
		{"leaveOne", "the last two newsletters, at once", func(t *testing.T, d *DB) duel {
			l, signUps, ids := d.waiting(t, 1)
			other := signUps[0]
			other.NewsletterID = NewID()
			_, err := d.write.Exec(`INSERT INTO newsletters (id, tenant_id, slug, name, consent, created_at) VALUES ($1, $2, $1, 'B', 'Yes.', 0)`, other.NewsletterID, l.TenantID)
			unless(t, err)
			unless(t, addOne(t, other)(d))
			var second string
			unless(t, d.write.QueryRow(`SELECT id FROM subscribers WHERE tenant_id = $1 AND id <> $2`, l.TenantID, ids[0]).Scan(&second))
			for _, id := range []string{ids[0], second} {
				d.becomes(t, l, Outcome{SubscriberID: id, State: Delivered, RecordID: "r", OrgID: "o"})
			}
			return duel{left(t, l.TenantID, ids[0]), left(t, l.TenantID, second), func(one, other error) {
				both(t, one, other)
				wantN(t, d, 2, `SELECT count(*) FROM opt_outs WHERE tenant_id = $1 AND what = 'all'`, l.TenantID)
			}}
		}},
		{"BeginOptOuts", "begun and the lease is taken", func(t *testing.T, d *DB) duel {
			_, o := d.owing(t)
			mine, take := d.runOut(t, o.TenantID)
			return duel{func(d *DB) error { _, err := d.BeginOptOuts(t.Context(), mine, []OptOut{o}, "o"); return err }, take, oneWins(t, ErrLost)}
		}},
		{"EndOptOuts", "ended and the lease is taken", func(t *testing.T, d *DB) duel {
			_, o := d.owing(t)
			mine, take := d.runOut(t, o.TenantID)
			return duel{func(d *DB) error { return d.EndOptOuts(t.Context(), mine, []OptOut{o}) }, take, oneWins(t, ErrLost)}
		}},
		{"BeginOptOuts PressConfirmation", "begun and came back", func(t *testing.T, d *DB) duel {
			l, o := d.owing(t)
			return duel{func(d *DB) error { _, err := d.BeginOptOuts(t.Context(), l, []OptOut{o}, "o"); return err }, confirmed(t, o), func(one, other error) {
				both(t, one, other)
				wantN(t, d, 1, `SELECT count(*) FROM opt_outs WHERE id = $1 AND (outcome = 'moot' AND ended_at > 0 OR outcome = '' AND sent_at > 0)`, o.ID)
			}}
		}},
		{"EndOptOuts PressConfirmation", "set and came back", func(t *testing.T, d *DB) duel {
			l, o := d.owing(t)
			unless(t, d.SetOnLeaving(t.Context(), l.DestinationKey, OnLeaving{Flag: true, TakeBack: true}))
			o.Outcome, o.Ours = OptOutSet, true
			return duel{func(d *DB) error { return d.EndOptOuts(t.Context(), l, []OptOut{o}) }, confirmed(t, o), func(one, other error) {
				both(t, one, other)
				wantN(t, d, 1, `SELECT count(*) FROM opt_outs WHERE tenant_id = $1 AND what = 'back' AND record_id = 'r'`, l.TenantID)
			}}
		}},
		{"RetryOptOuts", "by both", func(t *testing.T, d *DB) duel {
			l, o := d.owing(t)
			o.Outcome = OptOutRefused
			unless(t, d.EndOptOuts(t.Context(), l, []OptOut{o}))
			var n atomic.Int32
			return duel{func(d *DB) error {
				again, err := d.RetryOptOuts(t.Context(), l.DestinationKey)
				n.Add(int32(again))
				return err
			}, nil, func(one, other error) {
				both(t, one, other)
				if n.Load() != 1 {
					t.Errorf("tried again %d times", n.Load())
				}
			}}
		}},
		{"SetOnLeaving", "one thing and another", func(t *testing.T, d *DB) duel {
			l, signUps, _ := d.waiting(t, 1)
			sets := func(kind string) func(*DB) error {
				return func(d *DB) error {
					return d.SetOnLeaving(t.Context(), l.DestinationKey, OnLeaving{TakeBack: kind == "7", Subscriptions: map[string]string{signUps[0].NewsletterID: kind}})
				}
			}
			return duel{sets("7"), sets("8"), func(one, other error) {
				both(t, one, other)
				s, err := d.DeliverySettings(t.Context(), l.DestinationKey)
				if err != nil || s.OnLeaving.TakeBack != (s.OnLeaving.Subscriptions[signUps[0].NewsletterID] == "7") {
					t.Errorf("%+v, %v", s.OnLeaving, err)
				}
			}}
		}},
		{"UndoTest enterAll", "undone and signed up again", func(t *testing.T, d *DB) duel {
			l, s, id := d.testing(t)
			return duel{undone(t, l.TenantID, id), addOne(t, s), func(one, other error) {
				unless(t, one, ErrNotUndone)
				unless(t, other)
				if one == nil {
					d.agrees(t, l.TenantID, Sums{New: 2, Erased: 1, Waiting: 1})
					return
				}
				d.agrees(t, l.TenantID, Sums{New: 1, Repeated: 1, Waiting: 1})
			}}
		}},
		{"UndoTest MarkSent", "undone while it is sent", func(t *testing.T, d *DB) duel {
			l, _, id := d.testing(t)
			return duel{undone(t, l.TenantID, id), func(d *DB) error {
				return d.MarkSent(t.Context(), l, []Sending{{SubscriberID: id, New: true}}, d.now().Add(time.Hour))
			}, func(one, other error) {
				unless(t, one, ErrNotUndone)
				unless(t, other, ErrLost)
				if (one == nil) == (other == nil) {
					t.Errorf("undone: %v, sent: %v", one, other)
				}
				d.agrees(t, l.TenantID, nil)
			}}
		}},
		{"UndoTest", "undone twice", func(t *testing.T, d *DB) duel {
			l, _, id := d.testing(t)
			return duel{undone(t, l.TenantID, id), nil, func(one, other error) {
				oneWins(t, ErrNotFound)(one, other)
				d.agrees(t, l.TenantID, Sums{New: 1, Erased: 1})
			}}
		}},
		{"Erase", "erased twice", func(t *testing.T, d *DB) duel {
			l, s, _ := d.testing(t)
			return duel{erased(t, s), nil, func(one, other error) {
				oneWins(t, ErrNotFound)(one, other)
				d.agrees(t, l.TenantID, nil)
			}}
		}},
		{"Erase enterAll", "erased and signed up again", func(t *testing.T, d *DB) duel {
			l, s, id := d.testing(t)
			return duel{erased(t, s), addOne(t, s), func(one, other error) {
				both(t, one, other)
				d.agrees(t, l.TenantID, nil)
				wantN(t, d, 1, `SELECT count(*) FROM subscribers WHERE id = $1 AND state = 'erasing'`, id)
				wantN(t, d, 0, `SELECT count(*) FROM deliveries WHERE subscriber_id = $1 AND state = 'waiting'`, id)
			}}
		}},
		{"Erase MarkSent", "erased while it is sent", func(t *testing.T, d *DB) duel {
			l, s, id := d.testing(t)
			return duel{erased(t, s), func(d *DB) error {
				return d.MarkSent(t.Context(), l, []Sending{{SubscriberID: id, EmailKey: s.EmailKey, New: true}}, d.now().Add(time.Hour))
			}, func(one, other error) {
				unless(t, one)
				unless(t, other, ErrLost)
				d.agrees(t, l.TenantID, nil)
				wantN(t, d, bit(other == nil), `SELECT count(*) FROM removal_records WHERE subscriber_id = $1 AND ended_at = 0`, id)
			}}
		}},
		{"GiveUpErasing EndRemoval", "given up while the record is deleted", func(t *testing.T, d *DB) duel {
			l, s, id := d.testing(t)
			d.becomes(t, l, Outcome{SubscriberID: id, State: Delivered, RecordID: l.TenantID, OrgID: l.TenantID, Made: true})
			unless(t, erased(t, s)(d))
			due, err := d.DueRemovals(t.Context(), l.DestinationKey)
			if err != nil || len(due) != 1 {
				t.Fatal(due, err)
			}
			r, _, err := d.BeginRemoval(t.Context(), l, due[0], l.TenantID)
			unless(t, err)
			r.Record = RecordDeleted
			return duel{func(d *DB) error { return d.EndRemoval(t.Context(), l, r) }, func(d *DB) error {
				_, err := d.GiveUpErasing(t.Context(), l.DestinationKey, id, "ann")
				return err
			}, func(one, other error) {
				unless(t, one, ErrLost)
				unless(t, other)
				d.finishErasing(t)
				d.agrees(t, l.TenantID, nil)
				wantN(t, d, 1, `SELECT count(*) FROM removals WHERE subscriber_id = $1 AND erased = 1`, id)
			}}
		}},
		{"finishErasing", "finished twice", func(t *testing.T, d *DB) duel {
			l, s, id := d.testing(t)
			unless(t, erased(t, s)(d))
			return duel{func(d *DB) error { _, err := d.FinishErasing(t.Context()); return err }, nil, func(one, other error) {
				both(t, one, other)
				d.agrees(t, l.TenantID, nil)
				wantN(t, d, 1, `SELECT count(*) FROM removals WHERE subscriber_id = $1 AND erased = 1`, id)
			}}
		}},
		{"eraseLapsed PressConfirmation", "who left is kept no longer, and comes back", func(t *testing.T, d *DB) duel {
			l, s, id := d.testing(t)
			unless(t, left(t, s.TenantID, id)(d))
			_, err := d.write.Exec(`UPDATE tenants SET keep_left = 0`) // of the rounds before: each would be looked through again
			unless(t, err)
			unless(t, d.SetTerms(t.Context(), s.TenantID, Terms{Left: 1}))
			_, err = d.write.Exec(`UPDATE subscribers SET left_at = left_at - 3456000000 WHERE id = $1`, id)
			unless(t, err)
			return duel{func(d *DB) error {
				_, err := d.EraseLapsed(t.Context(), func(string, string) string { return "mac" })
				return err
			}, confirms(t, s.TenantID, id), func(one, other error) {
				both(t, one, other)
				d.agrees(t, l.TenantID, nil)
				wantN(t, d, 1, `SELECT (SELECT count(*) FROM subscribers WHERE id = $1 AND state = 'active') + (SELECT count(*) FROM removals WHERE subscriber_id = $1 AND kind = 'lapsed')`, id)
			}}
		}},
		{"EndRemoval enterAll", "removed with its record and signed up again", func(t *testing.T, d *DB) duel {
			l, s, r := d.removing(t)
			return duel{func(d *DB) error { return d.EndRemoval(t.Context(), l, r) }, addOne(t, s), func(one, other error) {
				both(t, one, other)
				if erased := number(t, d, `SELECT erased FROM removals WHERE subscriber_id = $1 AND ended_at > 0`, r.SubscriberID); erased == 1 {
					d.agrees(t, l.TenantID, Sums{New: 2, Erased: 1, Waiting: 1})
					return
				}
				d.agrees(t, l.TenantID, Sums{New: 1, Repeated: 1, Waiting: 1})
			}}
		}},
		{"EndRemoval", "removed and the lease is taken", func(t *testing.T, d *DB) duel {
			_, _, r := d.removing(t)
			mine, take := d.runOut(t, r.TenantID)
			return duel{func(d *DB) error { return d.EndRemoval(t.Context(), mine, r) }, take, oneWins(t, ErrLost)}
		}},
		{"EndRemoval RecordOutcomes", "removed with a record that another tenant is delivered with", func(t *testing.T, d *DB) duel {
			l, s, r := d.removing(t)
			theirs, _, _ := d.waiting(t, 0)
			id, looked := add(t, d, signsUp(t, d, theirs.TenantID, s.Email))[0], d.now()
			org := granted(User{}, Tenant{ID: theirs.TenantID})
			org.OrgID, org.OrgConfirmedBy = r.OrgID, ByOperator
			_, err := d.SaveIdentity(t.Context(), org, false, "")
			unless(t, err)
			return duel{func(d *DB) error { return d.EndRemoval(t.Context(), l, r) }, func(d *DB) error {
				return d.RecordOutcomes(t.Context(), theirs, []Outcome{{SubscriberID: id, State: Delivered, RecordID: r.RecordID, OrgID: r.OrgID, LookedAt: looked}})
			}, func(one, other error) {
				both(t, one, other)
				d.agrees(t, theirs.TenantID, Sums{New: 1, Waiting: 1})
				d.agrees(t, l.TenantID, Sums{New: 1, Erased: 1})
			}}
		}},
		{"BeginRemoval", "begun and the lease is taken", func(t *testing.T, d *DB) duel {
			_, _, r := d.removing(t)
			mine, take := d.runOut(t, r.TenantID)
			return duel{func(d *DB) error { _, _, err := d.BeginRemoval(t.Context(), mine, r, r.OrgID); return err }, take, oneWins(t, ErrLost)}
		}},
		{"PutOffRemoval", "put off and the lease is taken", func(t *testing.T, d *DB) duel {
			_, _, r := d.removing(t)
			mine, take := d.runOut(t, r.TenantID)
			return duel{func(d *DB) error { return d.PutOffRemoval(t.Context(), mine, r) }, take, oneWins(t, ErrLost)}
		}},
		{"BeginRemoval enterAll", "begun and signed up again", func(t *testing.T, d *DB) duel {
			l, s, r := d.removing(t)
			asked := false
			return duel{func(d *DB) (err error) { _, asked, err = d.BeginRemoval(t.Context(), l, r, r.OrgID); return err }, addOne(t, s), func(one, other error) {
				both(t, one, other)
				r.Record = map[bool]RecordFate{true: RecordDeleted}[asked]
				unless(t, d.EndRemoval(t.Context(), l, r))
				d.agrees(t, l.TenantID, Sums{New: 1, Repeated: 1, Waiting: 1}) // and is made anew
			}}
		}},
		{"ShareCounts", "counts of both", func(t *testing.T, d *DB) duel {
			counts := []LimitCount{{Key: NewID(), Ends: d.now().Add(time.Hour), N: 2}, {Key: NewID(), Ends: d.now().Add(time.Hour), N: 3}}
			return duel{func(d *DB) error { _, err := d.ShareCounts(t.Context(), d.now(), counts); return err }, nil, func(one, other error) {
				both(t, one, other)
				wantN(t, d, 4, `SELECT n FROM limit_counts WHERE key = $1`, counts[0].Key)
				wantN(t, d, 6, `SELECT n FROM limit_counts WHERE key = $1`, counts[1].Key)
			}}
		}},
		{"Serve claimSource", "served and copied", func(t *testing.T, d *DB) duel {
			d.unserved(t)
			return served(t, claims)
		}},
		{"Serve claimTarget", "served and copied to", func(t *testing.T, d *DB) duel {
			d.unserved(t)
			return served(t, func(ctx context.Context, d *DB) error {
				return (&copier{source: farAway, target: d, id: NewID()}).claimTarget(ctx, nil, false)
			})
		}},
		{"Unmark claimSource", "copied and unmarked", func(t *testing.T, d *DB) duel {
			d.unserved(t)
			unless(t, claims(t.Context(), d))
			return duel{func(d *DB) error { _, err := d.unmarked(t.Context()); return err }, func(d *DB) error { return claims(t.Context(), d) }, func(one, other error) {
				both(t, one, other)
				if n := number(t, d, `SELECT count(*) FROM database_copies`); n > 1 {
					t.Errorf("%d marks", n)
				}
			}}
		}},
		{"CreateTenant", "the same names", func(t *testing.T, d *DB) duel {
			slug := NewID()
			make := func() func(*DB) error {
				tenant := Tenant{ID: NewID(), Slug: NewID(), Name: "x", CreatedAt: noon}
				return func(d *DB) error {
					return d.CreateTenant(t.Context(), tenant, FirstNewsletter{Slug: slug, Name: "x", Consent: "Yes."})
				}
			}
			return duel{make(), make(), func(one, other error) {
				both(t, one, other)
				wantN(t, d, 1, `SELECT count(*) FROM newsletters WHERE slug = $1`, slug)
				wantN(t, d, 1, `SELECT count(*) FROM newsletters WHERE slug = $1`, slug+"-2")
			}}
		}},
		{"CreateTenant", "the same slug", func(t *testing.T, d *DB) duel {
			slug := NewID()
			return duel{func(d *DB) error {
				return d.CreateTenant(t.Context(), Tenant{ID: NewID(), Slug: slug, Name: "x", CreatedAt: noon}, FirstNewsletter{Slug: NewID(), Name: "x", Consent: "Yes."})
			}, nil, oneWins(t, ErrConflict)}
		}},
		{"AddNewsletter", "the same slug", func(t *testing.T, d *DB) duel {
			_, tenant := someone(t, d)
			slug := NewID()
			return duel{func(d *DB) error {
				_, err := d.AddNewsletter(t.Context(), NewNewsletter{TenantID: tenant.ID, Slug: slug, Name: "x", Consent: "Yes."})
				return err
			}, nil, oneWins(t, ErrConflict)}
		}},
		{"EditNewsletter", "by two admins", func(t *testing.T, d *DB) duel {
			n := newsletterOf(t, d)
			edit := func(name string) func(*DB) error {
				return func(d *DB) error {
					return d.EditNewsletter(t.Context(), n.TenantID, n.ID, n.Revision, NewsletterEdit{Name: name, Slug: n.Slug})
				}
			}
			return duel{edit("one"), edit("other"), oneWins(t, ErrLost)}
		}},
		{"EditNewsletter AddNewsletter", "both want a slug", func(t *testing.T, d *DB) duel {
			n, other := newsletterOf(t, d), newsletterOf(t, d)
			slug := NewID()
			return duel{func(d *DB) error {
				return d.EditNewsletter(t.Context(), n.TenantID, n.ID, n.Revision, NewsletterEdit{Name: "x", Slug: slug})
			}, func(d *DB) error {
				_, err := d.AddNewsletter(t.Context(), NewNewsletter{TenantID: other.TenantID, Slug: slug, Name: "x", Consent: "Yes."})
				return err
			}, oneWins(t, ErrConflict)}
		}},
		{"AddViews", "of one hour", func(t *testing.T, d *DB) duel {
			n := newsletterOf(t, d)
			views := []ViewCount{{n.TenantID, n.ID, noon, ViewOfPage, 2}, {n.TenantID, n.ID, noon, ViewOfFrame, 3}}
			return duel{func(d *DB) error { return d.AddViews(t.Context(), views) }, nil, func(one, other error) {
				both(t, one, other)
				wantN(t, d, 10, `SELECT sum(n) FROM view_counts WHERE newsletter_id = $1`, n.ID)
			}}
		}},
		{"AddFindings", "of one day", func(t *testing.T, d *DB) duel {
			n := newsletterOf(t, d)
			found := []FindingCount{{n.TenantID, n.ID, noon.Truncate(24 * time.Hour), "honeypot", 2, 1}, {n.TenantID, n.ID, noon.Truncate(24 * time.Hour), "", 3, 1}}
			return duel{func(d *DB) error { return d.AddFindings(t.Context(), found) }, nil, func(one, other error) {
				both(t, one, other)
				wantN(t, d, 10, `SELECT sum(found) FROM finding_counts WHERE newsletter_id = $1`, n.ID)
				wantN(t, d, 4, `SELECT sum(held) FROM finding_counts WHERE newsletter_id = $1`, n.ID)
			}}
		}},
		{"EndDomainWait", "of one sign-up", func(t *testing.T, d *DB) duel {
			tenantID, w := d.awaits(t)
			return duel{func(d *DB) error { return d.EndDomainWait(t.Context(), w, []string{"mx"}) }, nil, func(one, other error) {
				both(t, one, other)
				wantN(t, d, 0, `SELECT count(*) FROM domain_waits WHERE tenant_id = $1`, tenantID)
				wantN(t, d, 1, `SELECT count(*) FROM holds WHERE tenant_id = $1 AND reasons = 'mx'`, tenantID)
			}}
		}},
		{"decideHolds enterAll", "accepted by a look-up and signed up again", func(t *testing.T, d *DB) duel {
			tenantID, w, again := d.awaitsAgain(t)
			return duel{func(d *DB) error { _, err := d.AcceptWait(t.Context(), w, false); return err }, addOne(t, again), func(one, other error) {
				both(t, one, other)
				wantN(t, d, 0, `SELECT count(*) FROM holds WHERE tenant_id = $1 AND decided_at > 0 AND reasons <> 'mx_pending'`, tenantID)
				wantN(t, d, 1, `SELECT count(*) FROM holds WHERE tenant_id = $1 AND decided_at = 0 AND reasons = 'honeypot,mx_pending'`, tenantID)
				d.agrees(t, tenantID, nil)
			}}
		}},
		{"EndDomainWait enterAll", "ended and signed up again", func(t *testing.T, d *DB) duel {
			return d.endsAndSignsUp(t, []string{"mx"})
		}},
		{"EndDomainWait enterAll", "nothing was found and signed up again", func(t *testing.T, d *DB) duel {
			return d.endsAndSignsUp(t, nil)
		}},
		{"EndDomainWait enterAll", "ended after somebody accepted, and signed up again for the same", func(t *testing.T, d *DB) duel {
			tenantID, w := d.awaits(t)
			_, err := d.AcceptHolds(t.Context(), tenantID, []string{w.HoldID}, "ann", false)
			unless(t, err)
			again := signsUp(t, d, tenantID, "jane@"+waitDomain)
			again.Held = w.Reasons
			return duel{func(d *DB) error { return d.EndDomainWait(t.Context(), w, nil) }, addOne(t, again), func(one, other error) {
				both(t, one, other)
				wantN(t, d, 1, `SELECT count(*) FROM domain_waits WHERE tenant_id = $1`, tenantID)
			}}
		}},
		{"StorePast", "the same by both", func(t *testing.T, d *DB) duel {
			_, tenant := someone(t, d)
			n := signsUp(t, d, tenant.ID, "").NewsletterID
			return duel{func(d *DB) error {
				return d.StorePast(t.Context(), tenant.ID, Past{People: []PastPerson{{Subscriber: Subscriber{NewsletterID: n, EmailKey: NewID(), Status: Active}, SignUps: []Consent{{At: noon, Words: "Yes."}}}}})
			}, nil, func(one, other error) {
				oneWins(t, ErrConflict)(one, other)
				wantN(t, d, 1, `SELECT count(*) FROM subscribers WHERE tenant_id = $1`, tenant.ID)
			}}
		}},
		{"OfferSetup", "offered by both", func(t *testing.T, d *DB) duel {
			d.nobody(t)
			return duel{func(d *DB) error { return d.OfferSetup(t.Context(), NewID(), d.now().Add(time.Hour)) }, nil, func(one, other error) {
				both(t, one, other)
				wantN(t, d, 1, `SELECT count(*) FROM setup_links`)
			}}
		}},
		{"Setup", "by the same link", func(t *testing.T, d *DB) duel {
			d.nobody(t)
			return duel{d.setUp(t), nil, oneWins(t, ErrNotFound)}
		}},
		{"Setup OfferSetup", "another link while one is used", func(t *testing.T, d *DB) duel {
			d.nobody(t)
			return duel{d.setUp(t), func(d *DB) error { return d.OfferSetup(t.Context(), NewID(), d.now().Add(time.Hour)) }, func(one, other error) {
				unless(t, one, ErrNotFound)
				unless(t, other, ErrConflict)
				if (one == nil) == (other == nil) {
					t.Errorf("%v and %v", one, other)
				}
			}}
		}},
		{"CountFailure", "no wait", func(t *testing.T, d *DB) duel {
			limits := []Limit{{Key: NewID(), Wait: func(int64) time.Duration { return 0 }}, {Key: NewID(), Wait: func(int64) time.Duration { return 0 }}}
			return duel{failing(t, limits), failing(t, []Limit{limits[1], limits[0]}), func(one, other error) {
				both(t, one, other)
				wantN(t, d, 4, `SELECT sum(failures) FROM throttles WHERE key IN ($1, $2)`, limits[0].Key, limits[1].Key)
			}}
		}},
		{"CountFailure", "the second has to wait", func(t *testing.T, d *DB) duel {
			limits := []Limit{limit(NewID()), limit(NewID())}
			return duel{failing(t, limits), nil, func(one, other error) {
				oneWins(t, errThrottled)(one, other)
				wantN(t, d, 2, `SELECT sum(failures) FROM throttles WHERE key IN ($1, $2)`, limits[0].Key, limits[1].Key)
			}}
		}},
		{"ForgiveFailure CountFailure", "counted and forgiven", func(t *testing.T, d *DB) duel {
			limits := []Limit{{Key: NewID(), Wait: func(int64) time.Duration { return 0 }}}
			unless(t, failing(t, limits)(d))
			return duel{failing(t, limits), func(d *DB) error { return d.ForgiveFailure(t.Context(), noon, limits) }, func(one, other error) {
				both(t, one, other)
				wantN(t, d, 1, `SELECT failures FROM throttles WHERE key = $1`, limits[0].Key)
			}}
		}},
		{"ForgiveFailure CountFailure", "the wait of a later failure", func(t *testing.T, d *DB) duel {
			limits := []Limit{limit(NewID())}
			unless(t, failing(t, limits)(d))
			late := noon.Add(time.Minute)
			return duel{func(d *DB) error { return d.ForgiveFailure(t.Context(), noon, limits) }, func(d *DB) error {
				until, err := d.CountFailure(t.Context(), late, late.Add(time.Hour), limits)
				return cmp.Or(err, map[bool]error{false: errThrottled}[until.IsZero()])
			}, func(one, other error) {
				both(t, one, other)
				wantN(t, d, 1, `SELECT failures FROM throttles WHERE key = $1`, limits[0].Key)
				wantN(t, d, 1, `SELECT count(*) FROM throttles WHERE key = $1 AND until > $2`, limits[0].Key, millis(late))
			}}
		}},
		{"SaveIdentity enterAll", "a new destination, and somebody signs up", func(t *testing.T, d *DB) duel {
			l, _, ids := d.waiting(t, 1)
			d.another(t, l.TenantID, "sfdc")
			return duel{connects(t, l.TenantID, "zoho"), addOne(t, signsUp(t, d, l.TenantID, "new@example.org")), func(one, other error) {
				both(t, one, other)
				d.nobodySlipsPast(t, l.TenantID, "zoho", 2, ids[0])
			}}
		}},
		{"SaveIdentity enterAll", "a new destination, and somebody signs up again", func(t *testing.T, d *DB) duel {
			l, signUps, _ := d.waiting(t, 1)
			d.another(t, l.TenantID, "sfdc")
			return duel{connects(t, l.TenantID, "zoho"), addOne(t, signUps[0]), func(one, other error) {
				both(t, one, other)
				d.nobodySlipsPast(t, l.TenantID, "zoho", 1)
			}}
		}},
		{"SaveIdentity enterAll", "the first CRM, and somebody signs up", func(t *testing.T, d *DB) duel {
			l, _, _ := d.waiting(t, 0)
			return duel{connects(t, l.TenantID, "zoho"), addOne(t, signsUp(t, d, l.TenantID, "new@example.org")), func(one, other error) {
				both(t, one, other)
				wantN(t, d, 1, `SELECT count(*) FROM destinations WHERE tenant_id = $1 AND service = 'zoho'`, l.TenantID)
				d.agrees(t, l.TenantID, Sums{New: 1, Waiting: 1})
			}}
		}},
		{"SaveIdentity", "the first CRM and another one", func(t *testing.T, d *DB) duel {
			l, _, _ := d.waiting(t, 1)
			return duel{connects(t, l.TenantID, "hubspot"), connects(t, l.TenantID, "zoho"), func(a, b error) {
				both(t, a, b)
				wantN(t, d, 2, `SELECT count(*) FROM destinations WHERE tenant_id = $1 AND service IN ('hubspot', 'zoho')`, l.TenantID)
				wantN(t, d, 2, `SELECT count(*) FROM destinations WHERE tenant_id = $1`, l.TenantID)
				wantN(t, d, 1, `SELECT count(*) FROM deliveries WHERE tenant_id = $1`, l.TenantID)
			}}
		}},
		{"SetNewsletters", "to different ones", func(t *testing.T, d *DB) duel {
			l, signUps, ids := d.waiting(t, 1)
			return duel{feeds(t, l.DestinationKey, signUps[0].NewsletterID), feeds(t, l.DestinationKey), func(one, other error) {
				both(t, one, other)
				fed := number(t, d, `SELECT count(*) FROM destination_newsletters WHERE destination_id = $1`, l.DestinationID)
				if state := d.standing(t, l.DestinationKey, ids[0]); fed == 0 && state != Ended {
					t.Errorf("nothing feeds it, and the delivery is %s", state)
				}
				d.agrees(t, l.TenantID, nil)
			}}
		}},
		{"SetNewsletters enterAll", "taken away while somebody signs up", func(t *testing.T, d *DB) duel {
			l, _, _ := d.waiting(t, 0)
			return duel{feeds(t, l.DestinationKey), addOne(t, signsUp(t, d, l.TenantID, "new@example.org")), func(one, other error) {
				both(t, one, other)
				wantN(t, d, 0, `SELECT count(*) FROM deliveries WHERE tenant_id = $1 AND state <> 'ended'`, l.TenantID)
				d.countsAgree(t, l.TenantID)
			}}
		}},
		{"SetNewsletters enterAll", "taken away while somebody signs up again", func(t *testing.T, d *DB) duel {
			l, signUps, _ := d.waiting(t, 1)
			return duel{feeds(t, l.DestinationKey), addOne(t, signUps[0]), func(one, other error) {
				both(t, one, other)
				d.agrees(t, l.TenantID, Sums{New: 1, Repeated: 1, Ended: 1})
			}}
		}},
		{"SetNewsletters endAllUnfed RecordOutcomes", "taken away while it is delivered", func(t *testing.T, d *DB) duel {
			l, _, ids := d.waiting(t, 1)
			unless(t, d.MarkSent(t.Context(), l, []Sending{{SubscriberID: ids[0], New: true}}, d.now().Add(time.Hour)))
			return duel{feeds(t, l.DestinationKey), func(d *DB) error {
				return d.RecordOutcomes(t.Context(), l, []Outcome{{SubscriberID: ids[0], State: Delivered, RecordID: "r", OrgID: "o"}})
			}, func(one, other error) {
				both(t, one, other)
				d.agrees(t, l.TenantID, nil)
				wantN(t, d, 1, `SELECT count(*) FROM deliveries WHERE subscriber_id = $1 AND record_id = 'r' AND sent_at = 0`, ids[0])
			}}
		}},
		{"SetNewsletters MarkSent", "taken away while it is sent", func(t *testing.T, d *DB) duel {
			l, _, ids := d.waiting(t, 1)
			return duel{feeds(t, l.DestinationKey), func(d *DB) error {
				return d.MarkSent(t.Context(), l, []Sending{{SubscriberID: ids[0], New: true}}, d.now().Add(time.Hour))
			}, func(one, other error) {
				unless(t, one)
				unless(t, other, ErrLost)
				d.agrees(t, l.TenantID, Sums{New: 1, Ended: 1})
				wantN(t, d, number(t, d, `SELECT attempts FROM deliveries WHERE subscriber_id = $1`, ids[0]), `SELECT count(*) FROM deliveries WHERE subscriber_id = $1 AND sent_at > 0`, ids[0])
			}}
		}},
		{"RemoveDestination", "the last one, by both", func(t *testing.T, d *DB) duel {
			l, _, _ := d.waiting(t, 1)
			return duel{removes(t, l.DestinationKey), nil, func(one, other error) {
				oneWins(t, ErrNotFound)(one, other)
				wantN(t, d, 1, `SELECT count(*) FROM destinations WHERE tenant_id = $1 AND service = '' AND removed_at = 0`, l.TenantID)
			}}
		}},
		{"RemoveDestination", "the last two", func(t *testing.T, d *DB) duel {
			l, _, _ := d.waiting(t, 1)
			d.another(t, l.TenantID, "sfdc")
			second := d.another(t, l.TenantID, "hubspot")
			return duel{removes(t, l.DestinationKey), removes(t, second), func(one, other error) {
				both(t, one, other)
				wantN(t, d, 1, `SELECT count(*) FROM destinations WHERE tenant_id = $1 AND service = '' AND removed_at = 0`, l.TenantID)
				wantN(t, d, 0, `SELECT count(*) FROM destinations WHERE tenant_id = $1 AND service <> '' AND removed_at = 0`, l.TenantID)
			}}
		}},
		{"RemoveDestination SaveIdentity", "the last one while another is connected", func(t *testing.T, d *DB) duel {
			l, _, _ := d.waiting(t, 1)
			d.another(t, l.TenantID, "sfdc")
			return duel{removes(t, l.DestinationKey), connects(t, l.TenantID, "zoho"), func(one, other error) {
				both(t, one, other)
				wantN(t, d, 1, `SELECT count(*) FROM destinations WHERE tenant_id = $1 AND service = 'zoho' AND removed_at = 0`, l.TenantID)
				wantN(t, d, 1, `SELECT count(*) FROM destinations WHERE tenant_id = $1 AND removed_at = 0`, l.TenantID)
			}}
		}},
		{"RemoveDestination SaveIdentity", "while its CRM is connected again", func(t *testing.T, d *DB) duel {
			l, _, _ := d.waiting(t, 1)
			d.another(t, l.TenantID, "sfdc")
			return duel{removes(t, l.DestinationKey), connects(t, l.TenantID, "sfdc"), func(one, other error) {
				unless(t, one, ErrConflict)
				unless(t, other)
				wantN(t, d, 1, `SELECT count(*) FROM destinations WHERE tenant_id = $1 AND service = 'sfdc' AND removed_at = 0`, l.TenantID)
				wantN(t, d, 1, `SELECT count(*) FROM destinations WHERE tenant_id = $1 AND removed_at = 0`, l.TenantID)
			}}
		}},
		{"RemoveDestination enterAll", "removed while somebody signs up", func(t *testing.T, d *DB) duel {
			l, _, _ := d.waiting(t, 0)
			return duel{removes(t, l.DestinationKey), addOne(t, signsUp(t, d, l.TenantID, "new@example.org")), func(one, other error) {
				both(t, one, other)
				d.nobodySlipsPast(t, l.TenantID, "", 1)
				d.sweep(t)
			}}
		}},
		{"RemoveDestination enterAll", "removed while somebody signs up again", func(t *testing.T, d *DB) duel {
			l, signUps, _ := d.waiting(t, 1)
			return duel{removes(t, l.DestinationKey), addOne(t, signUps[0]), func(one, other error) {
				both(t, one, other)
				d.nobodySlipsPast(t, l.TenantID, "", 1)
				d.sweep(t)
			}}
		}},
		{"RemoveDestination MarkSent", "removed while something is sent", func(t *testing.T, d *DB) duel {
			l, _, ids := d.waiting(t, 1)
			return duel{removes(t, l.DestinationKey), func(d *DB) error {
				return d.MarkSent(t.Context(), l, []Sending{{SubscriberID: ids[0], New: true}}, d.now().Add(time.Hour))
			}, func(one, other error) {
				unless(t, one)
				unless(t, other, ErrLost)
				d.countsAgree(t, l.TenantID)
				wantLost(t, "sent after it was removed", d.MarkSent(t.Context(), l, []Sending{{SubscriberID: ids[0]}}, d.now().Add(time.Hour)))
			}}
		}},
		{"RemoveDestination EndRemoval", "removed while somebody is removed from it", func(t *testing.T, d *DB) duel {
			l, _, r := d.removing(t)
			return duel{removes(t, l.DestinationKey), func(d *DB) error { return d.EndRemoval(t.Context(), l, r) }, func(one, other error) {
				unless(t, one)
				unless(t, other, ErrLost)
				wantN(t, d, 1, `SELECT count(*) FROM removals WHERE subscriber_id = $1 AND erased = 1`, r.SubscriberID)
				wantN(t, d, 0, `SELECT count(*) FROM subscribers WHERE id = $1`, r.SubscriberID)
				d.countsAgree(t, l.TenantID)
			}}
		}},
		{"SweepDestinations", "by both", func(t *testing.T, d *DB) duel {
			l, _, _ := d.waiting(t, 2)
			unless(t, removes(t, l.DestinationKey)(d))
			return duel{func(d *DB) error { _, err := d.SweepDestinations(t.Context()); return err }, nil, func(one, other error) {
				both(t, one, other)
				d.sweep(t)
				d.countsAgree(t, l.TenantID)
			}}
		}},
		{"SweepDestinations FoldCounts", "folded while it is swept", func(t *testing.T, d *DB) duel {
			l, _, _ := d.waiting(t, 1)
			unless(t, removes(t, l.DestinationKey)(d))
			_, err := d.SweepDestinations(t.Context())
			unless(t, err)
			return duel{func(d *DB) error { _, err := d.SweepDestinations(t.Context()); return err },
				func(d *DB) error { _, err := d.FoldCounts(t.Context()); return err }, func(one, other error) {
					both(t, one, other)
					d.sweep(t)
				}}
		}},
		{"StartAction enterAll", "all are sent to a new destination, and somebody signs up", func(t *testing.T, d *DB) duel {
			l, _, _ := d.waiting(t, 2)
			d.another(t, l.TenantID, "sfdc")
			to := d.another(t, l.TenantID, "hubspot")
			return duel{sendsAll(t, to), addOne(t, signsUp(t, d, l.TenantID, "new@example.org")), func(one, other error) {
				both(t, one, other)
				wantN(t, d, 3, `SELECT count(*) FROM deliveries WHERE destination_id = $1 AND state = 'waiting'`, to.DestinationID)
				d.countsAgree(t, l.TenantID)
			}}
		}},
		{"StartAction enterAll", "all are sent to a new destination, and one signs up again", func(t *testing.T, d *DB) duel {
			l, signUps, _ := d.waiting(t, 2)
			d.another(t, l.TenantID, "sfdc")
			to := d.another(t, l.TenantID, "hubspot")
			return duel{sendsAll(t, to), addOne(t, signUps[1]), func(one, other error) {
				both(t, one, other)
				wantN(t, d, 2, `SELECT count(*) FROM deliveries WHERE destination_id = $1 AND state = 'waiting'`, to.DestinationID)
				d.countsAgree(t, l.TenantID)
			}}
		}},
		{"StartAction UndoTest", "all are sent to a new destination, and a test is undone", func(t *testing.T, d *DB) duel {
			l, _, id := d.testing(t)
			d.becomes(t, l, Outcome{SubscriberID: id, State: Delivered, RecordID: l.TenantID, OrgID: l.TenantID, Made: true})
			d.another(t, l.TenantID, "sfdc")
			to := d.another(t, l.TenantID, "hubspot")
			return duel{sendsAll(t, to), undone(t, l.TenantID, id), func(one, other error) {
				both(t, one, other)
				wantN(t, d, 0, `SELECT count(*) FROM deliveries WHERE destination_id = $1 AND state = 'waiting'`, to.DestinationID)
				d.countsAgree(t, l.TenantID)
			}}
		}},
		{"StartAction leaveOne", "all are sent to a new destination, and one left", func(t *testing.T, d *DB) duel {
			l, _, ids := d.waiting(t, 1)
			d.another(t, l.TenantID, "sfdc")
			to := d.another(t, l.TenantID, "hubspot")
			return duel{sendsAll(t, to), left(t, l.TenantID, ids[0]), func(one, other error) {
				both(t, one, other)
				wantN(t, d, 0, `SELECT count(*) FROM deliveries WHERE subscriber_id = $1 AND state = 'waiting'`, ids[0])
				d.countsAgree(t, l.TenantID)
			}}
		}},
		{"leaveOne", "came back, by both", func(t *testing.T, d *DB) duel {
			l, _, ids := d.waiting(t, 1)
			unless(t, left(t, l.TenantID, ids[0])(d))
			var times atomic.Int32
			return duel{func(d *DB) error {
				done, err := d.Return(t.Context(), l.TenantID, ids[0], "ann")
				if done {
					times.Add(1)
				}
				return err
			}, nil, func(one, other error) {
				both(t, one, other)
				if times.Load() != 1 {
					t.Errorf("came back %d times", times.Load())
				}
				d.agrees(t, l.TenantID, Sums{New: 1, Waiting: 1})
			}}
		}},
		{"leaveOne enterAll", "came back and signed up again", func(t *testing.T, d *DB) duel {
			l, signUps, ids := d.waiting(t, 1)
			unless(t, left(t, l.TenantID, ids[0])(d))
			signUps[0].CanMail = true // who had left is to confirm
			return duel{func(d *DB) error { _, err := d.Return(t.Context(), l.TenantID, ids[0], "ann"); return err }, addOne(t, signUps[0]), func(one, other error) {
				both(t, one, other)
				d.agrees(t, l.TenantID, Sums{New: 1, Repeated: 1, Waiting: 1})
			}}
		}},
		{"leaveOne SaveIdentity", "came back while a new destination is made", func(t *testing.T, d *DB) duel {
			l, _, ids := d.waiting(t, 1)
			d.another(t, l.TenantID, "sfdc")
			unless(t, left(t, l.TenantID, ids[0])(d))
			return duel{func(d *DB) error { _, err := d.Return(t.Context(), l.TenantID, ids[0], "ann"); return err }, connects(t, l.TenantID, "zoho"), func(one, other error) {
				both(t, one, other)
				d.nobodySlipsPast(t, l.TenantID, "zoho", 1)
			}}
		}},
		{"leaveOne SetNewsletters", "came back while the newsletter is taken away", func(t *testing.T, d *DB) duel {
			l, _, ids := d.waiting(t, 1)
			unless(t, left(t, l.TenantID, ids[0])(d))
			return duel{func(d *DB) error { _, err := d.Return(t.Context(), l.TenantID, ids[0], "ann"); return err }, feeds(t, l.DestinationKey), func(one, other error) {
				both(t, one, other)
				d.agrees(t, l.TenantID, Sums{New: 1, Ended: 1})
			}}
		}},
		{"EndRemoval", "in two destinations at once", func(t *testing.T, d *DB) duel {
			l, _, id := d.testing(t)
			d.another(t, l.TenantID, "sfdc")
			second := d.another(t, l.TenantID, "hubspot")
			unless(t, sendsAll(t, second)(d))
			ends := func(key DestinationKey) func(*DB) error {
				of := d.lease(t, key)
				d.becomes(t, of, Outcome{SubscriberID: id, State: Delivered, RecordID: key.DestinationID, OrgID: key.DestinationID, Made: true})
				return func(d *DB) error {
					due, err := d.DueRemovals(t.Context(), key)
					if err != nil || len(due) != 1 {
						t.Error(due, err)
						return err
					}
					r, ask, err := d.BeginRemoval(t.Context(), of, due[0], key.DestinationID)
					if err != nil || !ask {
						t.Error(ask, err)
						return err
					}
					r.Record = RecordDeleted
					return d.EndRemoval(t.Context(), of, r)
				}
			}
			one, other := ends(l.DestinationKey), ends(second)
			unless(t, undone(t, l.TenantID, id)(d))
			return duel{one, other, func(one, other error) {
				both(t, one, other)
				wantN(t, d, 1, `SELECT erased FROM removals WHERE subscriber_id = $1 AND ended_at > 0`, id)
				wantN(t, d, 2, `SELECT count(*) FROM removal_records WHERE subscriber_id = $1 AND record = 'deleted' AND ended_at > 0`, id)
				wantN(t, d, 0, `SELECT count(*) FROM deliveries WHERE subscriber_id = $1`, id)
				d.countsAgree(t, l.TenantID)
			}}
		}},
		{"FoldCounts", "folded by both", func(t *testing.T, d *DB) duel {
			l, _, _ := d.waiting(t, 2)
			return duel{func(d *DB) error { _, err := d.FoldCounts(t.Context()); return err }, nil, func(one, other error) {
				both(t, one, other)
				d.agrees(t, l.TenantID, Sums{New: 2, Waiting: 2})
			}}
		}},
		{"FoldCounts enterAll", "folded while somebody signs up", func(t *testing.T, d *DB) duel {
			l, signUps, _ := d.waiting(t, 1)
			return duel{func(d *DB) error { _, err := d.FoldCounts(t.Context()); return err }, addOne(t, signUps[0]), func(one, other error) {
				both(t, one, other)
				d.agrees(t, l.TenantID, Sums{New: 1, Repeated: 1, Waiting: 1})
			}}
		}},
		{"FoldCounts WipeTenant", "folded while it is wiped", func(t *testing.T, d *DB) duel {
			l, _, _ := d.waiting(t, 1)
			_, err := d.CloseTenant(t.Context(), l.TenantID, d.now().Add(-time.Second))
			unless(t, err)
			return duel{func(d *DB) error { _, err := d.FoldCounts(t.Context()); return err },
				wipe(t, l.TenantID), func(one, other error) {
					both(t, one, other)
					wantN(t, d, 0, `SELECT count(*) FROM state_counts WHERE tenant_id = $1`, l.TenantID)
				}}
		}},
		{"IndexSearch", "indexed by both", func(t *testing.T, d *DB) duel {
			l, _, ids := d.waiting(t, 2)
			return duel{indexing(t), nil, func(one, other error) {
				both(t, one, other)
				d.searchAll(t)
				d.finds(t, l.TenantID, "example", ids...)
			}}
		}},
		{"QueueUnfound", "gone through by both", func(t *testing.T, d *DB) duel {
			l, _, ids := d.waiting(t, 2)
			for _, statement := range []string{`DELETE FROM search_queue`, `DELETE FROM search_looks`} {
				_, err := d.write.ExecContext(t.Context(), statement)
				unless(t, err)
			}
			_, err := d.write.ExecContext(t.Context(), `INSERT INTO search_looks (one, after_tenant, after_id, ended_at) VALUES (1, $1, '', 0)`, l.TenantID)
			unless(t, err)
			return duel{func(d *DB) error { _, err := d.QueueUnfound(t.Context()); return err }, nil, func(one, other error) {
				both(t, one, other)
				wantN(t, d, 1, `SELECT count(*) FROM search_queue WHERE ids = $1`, strings.Join(ids, " "))
				wantN(t, d, 1, `SELECT count(*) FROM search_queue WHERE tenant_id = $1`, l.TenantID)
			}}
		}},
		{"IndexSearch enterAll", "indexed while somebody gets another name", func(t *testing.T, d *DB) duel {
			l, signUps, ids := d.waiting(t, 1)
			again := signUps[0]
			again.FirstName = "Renamed"
			return duel{indexing(t), addOne(t, again), func(one, other error) {
				both(t, one, other)
				d.searchAll(t)
				d.finds(t, l.TenantID, "renamed", ids...)
			}}
		}},
		{"IndexSearch WipeTenant", "indexed while it is wiped", func(t *testing.T, d *DB) duel {
			l, _, _ := d.waiting(t, 1)
			_, err := d.CloseTenant(t.Context(), l.TenantID, d.now().Add(-time.Second))
			unless(t, err)
			return duel{indexing(t), wipe(t, l.TenantID), func(one, other error) {
				both(t, one, other)
				wantN(t, d, 0, `SELECT count(*) FROM search_rows WHERE tenant_id = $1`, l.TenantID)
			}}
		}},
	}
}

// connects connects a tenant to a CRM.
func connects(t *testing.T, tenantID, service string) func(*DB) error {
	g := granted(User{}, Tenant{ID: tenantID})
	g.Service, g.OrgID = service, NewID()
	return func(d *DB) error { _, err := d.SaveIdentity(t.Context(), g, false, ""); return err }
}

// feeds says that newsletters alone feed a destination.
func feeds(t *testing.T, key DestinationKey, newsletters ...string) func(*DB) error {
	return func(d *DB) error { _, err := d.SetNewsletters(t.Context(), key, false, newsletters); return err }
}

func removes(t *testing.T, key DestinationKey) func(*DB) error {
	return func(d *DB) error { return d.RemoveDestination(t.Context(), key) }
}

// sendsAll has everybody delivered to a destination who hasn't entered it.
func sendsAll(t *testing.T, key DestinationKey) func(*DB) error {
	return func(d *DB) error {
		a, err := d.StartAction(t.Context(), Action{DestinationKey: key, Service: "hubspot", Kind: ActionSend})
		if err == nil && a.EndedAt.IsZero() {
			t.Errorf("%+v isn't done at once", a)
		}
		return err
	}
}

// countsAgree wants what is counted of a tenant to be what its rows say, of whichever
// destinations.
func (d *DB) countsAgree(t *testing.T, tenantID string) {
	t.Helper()
	d.agrees(t, tenantID, nil)
}

// nobodySlipsPast wants the tenant to have a destination for a service, and each of its
// subscribers to have entered it, or to be counted by Missing: those who were there before
// surely are. With ActionSend all have entered it then.
func (d *DB) nobodySlipsPast(t *testing.T, tenantID, service string, people int, before ...string) {
	t.Helper()
	key := DestinationKey{TenantID: tenantID}
	if err := d.read.QueryRow(`SELECT id FROM destinations WHERE tenant_id = $1 AND service = $2 AND removed_at = 0`, tenantID, service).Scan(&key.DestinationID); err != nil {
		t.Fatal(err)
	}
	missing, err := d.Missing(t.Context(), key)
	unless(t, err)
	if entered := number(t, d, `SELECT count(*) FROM deliveries WHERE destination_id = $1 AND state = 'waiting'`, key.DestinationID); entered+missing != people || missing < len(before) {
		t.Errorf("%d have entered it and %d are missing, of %d", entered, missing, people)
	}
	d.countsAgree(t, tenantID)
	unless(t, sendsAll(t, key)(d))
	wantN(t, d, people, `SELECT count(*) FROM deliveries WHERE destination_id = $1 AND state = 'waiting'`, key.DestinationID)
	d.countsAgree(t, tenantID)
}

// sweep wants nothing to be left of destinations that were removed.
func (d *DB) sweep(t *testing.T) {
	t.Helper()
	for more := true; more; {
		var err error
		if more, err = d.SweepDestinations(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for _, table := range append([]string{"deliveries", "removal_records", "destination_newsletters", "pauses"}, removedTables...) {
		wantN(t, d, 0, `SELECT count(*) FROM `+table+` WHERE destination_id <> '' AND destination_id NOT IN (SELECT id FROM destinations WHERE removed_at = 0)`)
	}
}

func indexing(t *testing.T) func(*DB) error {
	return func(d *DB) error { _, err := d.IndexSearch(t.Context()); return err }
}

func wipe(t *testing.T, tenantID string) func(*DB) error {
	return func(d *DB) error { _, err := d.WipeTenant(t.Context(), tenantID, nil); return err }
}

// closedLongAgo closes a tenant, which is to be wiped by now. What it returns has somebody
// do something whose clock was read an hour ago, when that wasn't so.
func (d *DB) closedLongAgo(t *testing.T, tenantID string) (stale func(func(*DB) error) func(*DB) error) {
	t.Helper()
	now := d.now
	defer func() { d.now = now }()
	d.at(now().Add(-2 * time.Hour))
	if _, err := d.CloseTenant(t.Context(), tenantID, now().Add(-time.Minute)); err != nil {
		t.Fatal(err)
	}
	return func(do func(*DB) error) func(*DB) error {
		return func(d *DB) error {
			now := d.now
			defer func() { d.now = now }()
			d.at(now().Add(-time.Hour))
			return do(d)
		}
	}
}

// wholeOrGone wants a tenant with one subscriber to be as it was, or wiped.
func (d *DB) wholeOrGone(t *testing.T, tenantID string, gone bool) {
	t.Helper()
	if gone {
		wantN(t, d, 0, `SELECT count(*) FROM tenants WHERE id = $1`, tenantID)
		return
	}
	d.agrees(t, tenantID, Sums{New: 1, Waiting: 1})
}

func (d *DB) trust(t *testing.T, u User) func(*DB) error {
	return func(d *DB) error {
		_, err := d.TrustDevice(t.Context(), u, "none", NewID(), d.now(), d.now().Add(time.Hour))
		return err
	}
}

func (d *DB) reset(t *testing.T, u User) func(*DB) error {
	t.Helper()
	link := NewID()
	unless(t, d.AddResetLink(t.Context(), link, u.ID, d.now().Add(time.Hour)))
	return func(d *DB) error { _, err := d.ResetPassword(t.Context(), link, "next", d.now()); return err }
}

// revoked wants a token to be revoked once.
func (d *DB) revoked(t *testing.T, tenantID, sealedRefresh string) {
	t.Helper()
	wantN(t, d, 1, `SELECT count(*) FROM revocations WHERE tenant_id = $1 AND sealed_refresh = $2`, tenantID, sealedRefresh)
}

// onceEach wants each grant's token to be kept, or to be revoked.
func (d *DB) onceEach(t *testing.T, grants ...Grant) {
	t.Helper()
	const of = ` WHERE tenant_id = $1 AND sealed_refresh = $2`
	for _, g := range grants {
		wantN(t, d, 1, `SELECT (SELECT count(*) FROM identities`+of+`) + (SELECT count(*) FROM held_identities`+of+`) + (SELECT count(*) FROM granted_identities`+of+`) + (SELECT count(*) FROM revocations`+of+`)`,
			g.TenantID, g.SealedRefresh)
	}
}

// locked counts how often the lock of the keys was held, in a way that loses a count when
// two hold it.
func locked(t *testing.T, _ *DB) duel {
	var n atomic.Int32
	return duel{func(d *DB) error {
		return d.WithKeyLock(t.Context(), func() error {
			was, one := n.Load(), 0
			err := d.read.QueryRow(`SELECT 1`).Scan(&one) // where it can be held up
			n.Store(was + 1)
			return err
		})
	}, nil, func(one, other error) {
		both(t, one, other)
		if n.Load() != 2 {
			t.Error("both held the lock")
		}
	}}
}

// everyone is told of an incident.
func everyone(members []Member) (ids []string) {
	for _, m := range members {
		ids = append(ids, m.UserID)
	}
	return ids
}

// mended is an incident whose trouble ended, with somebody who is told of it.
func (d *DB) mended(t *testing.T) (User, Incident) {
	t.Helper()
	u, tenant := someone(t, d)
	unless(t, d.OpenIncident(t.Context(), Trouble{TenantID: tenant.ID, Kind: IncidentSilent}, noon, func([]Member) []string { return nil }))
	i := Incident{MendedAt: noon}
	i.TenantID = tenant.ID
	if err := d.read.QueryRow(`SELECT id FROM incidents WHERE tenant_id = $1`, tenant.ID).Scan(&i.ID); err != nil {
		t.Fatal(err)
	}
	unless(t, d.MendIncident(t.Context(), i.ID, noon))
	return u, i
}

// recorded has an outcome of a subscriber recorded while their address is signed up again,
// after which they wait.
func recorded(t *testing.T, d *DB, o Outcome) duel {
	l, signUps, ids := d.waiting(t, 1)
	o.SubscriberID, o.Revision = ids[0], d.revision(t, ids[0])
	return duel{func(d *DB) error { return d.RecordOutcomes(t.Context(), l, []Outcome{o}) }, addOne(t, signUps[0]), func(one, other error) {
		both(t, one, other)
		d.agrees(t, l.TenantID, Sums{New: 1, Repeated: 1, Waiting: 1})
	}}
}

// unserved has a database be neither served nor marked.
func (d *DB) unserved(t *testing.T) {
	t.Helper()
	for _, table := range []string{"leases", "database_copies"} {
		_, err := d.write.Exec(`DELETE FROM ` + table)
		unless(t, err)
	}
}

// served has a database served while a copier claims it: one of them does.
func served(t *testing.T, claim func(context.Context, *DB) error) duel {
	return duel{func(d *DB) error { return d.Serve(t.Context(), "one") }, func(d *DB) error { return claim(t.Context(), d) }, func(one, other error) {
		unless(t, one, ErrMarked)
		if (one == nil) == (other == nil) {
			t.Errorf("served: %v, claimed: %v", one, other)
		}
	}}
}

// nobody takes away all users, and the links to make the first.
func (d *DB) nobody(t *testing.T) {
	t.Helper()
	for _, table := range []string{"identities", "held_identities", "users", "setup_links"} {
		_, err := d.write.Exec(`DELETE FROM ` + table)
		unless(t, err)
	}
}

// setUp sets up by a link.
func (d *DB) setUp(t *testing.T) func(*DB) error {
	t.Helper()
	link := NewID()
	unless(t, d.OfferSetup(t.Context(), link, d.now().Add(time.Hour)))
	return func(d *DB) error {
		now := d.now()
		return d.Setup(t.Context(), link, Tenant{ID: NewID(), Slug: NewID(), Name: "x", CreatedAt: now}, FirstNewsletter{Slug: NewID(), Name: "x", Consent: "Yes."},
			User{ID: NewID(), Email: NewID(), PasswordHash: "x", CreatedAt: now, PasswordChangedAt: now})
	}
}

// failing counts a failure at noon.
func failing(t *testing.T, limits []Limit) func(*DB) error {
	return func(d *DB) error {
		until, err := d.CountFailure(t.Context(), noon, noon.Add(time.Hour), limits)
		if err == nil && !until.IsZero() {
			return errThrottled
		}
		return err
	}
}

// A store is a function that stores what must not be stored once its tenant is closed, the
// definition of its service is gone, or the key that it was sealed with doesn't seal.
type store struct {
	of            string
	open, defined bool // it minds the first two; all that seal mind the third
	with          func(t *testing.T, d *DB, g Grant) (do func(*DB) error, key uint32)
}

var stores = []store{
	{"AddHandshake", true, true, func(t *testing.T, _ *DB, g Grant) (func(*DB) error, uint32) {
		return func(d *DB) error {
			return d.AddHandshake(t.Context(), Handshake{StateHash: NewID(), SessionID: NewID(), TenantID: g.TenantID, Service: g.Service, KeyID: g.KeyID,
				DefinedAt: g.DefinedAt, ExpiresAt: d.now().Add(time.Hour)})
		}, g.KeyID
	}},
	{"SaveIdentity", true, true, func(t *testing.T, _ *DB, g Grant) (func(*DB) error, uint32) {
		return func(d *DB) error { _, err := d.SaveIdentity(t.Context(), g, false, ""); return err }, g.KeyID
	}},
	{"HoldIdentity", true, true, func(t *testing.T, _ *DB, g Grant) (func(*DB) error, uint32) {
		return func(d *DB) error {
			return d.HoldIdentity(t.Context(), Held{Grant: g, ExpiresAt: d.now().Add(time.Hour)})
		}, g.KeyID
	}},
	{"BeginAuthorization", true, true, func(t *testing.T, d *DB, g Grant) (func(*DB) error, uint32) {
		a := asked(d.apiKey(t), g.TenantID)
		a.Service, a.DefinedAt = g.Service, g.DefinedAt
		return func(d *DB) error { return d.BeginAuthorization(t.Context(), a) }, g.KeyID
	}},
	{"GrantAuthorization", true, true, func(t *testing.T, d *DB, g Grant) (func(*DB) error, uint32) {
		g = d.opened(t, g)
		return func(d *DB) error { return d.GrantAuthorization(t.Context(), g, "code") }, g.KeyID
	}},
	{"CompleteAuthorization", true, true, func(t *testing.T, d *DB, g Grant) (func(*DB) error, uint32) {
		g = d.grantedTo(t, g)
		return d.completes(t, g), g.KeyID
	}},
	{"HoldAuthorization", true, true, func(t *testing.T, d *DB, g Grant) (func(*DB) error, uint32) {
		g = d.grantedTo(t, g)
		return func(d *DB) error {
			return d.HoldAuthorization(t.Context(), g.ID, Held{Grant: g, ExpiresAt: d.now().Add(time.Hour)})
		}, g.KeyID
	}},
	{"ImportIdentities", true, true, func(t *testing.T, _ *DB, g Grant) (func(*DB) error, uint32) {
		return func(d *DB) error {
			_, err := d.ImportIdentities(t.Context(), nil, []Arrival{{Grant: g, ConnectedAt: noon, RefreshedAt: noon}})
			return err
		}, g.KeyID
	}},
	{"AddRevocation", false, true, func(t *testing.T, _ *DB, g Grant) (func(*DB) error, uint32) {
		return func(d *DB) error { _, err := d.AddRevocation(t.Context(), g); return err }, g.KeyID
	}},
	{"ChangeTenantApp", false, true, func(t *testing.T, _ *DB, g Grant) (func(*DB) error, uint32) {
		return func(d *DB) error {
			_, err := d.ChangeTenantApp(t.Context(), g.Service, g.TenantID, func(a *TenantApp) error {
				a.ClientID, a.SealedSecret, a.KeyID, a.DefinedAt = "app", NewID(), g.KeyID, g.DefinedAt
				return nil
			})
			return err
		}, g.KeyID
	}},
	{"ChangeService", false, true, func(t *testing.T, _ *DB, g Grant) (func(*DB) error, uint32) {
		return func(d *DB) error {
			return d.ChangeService(t.Context(), g.Service, func(s *ServiceSettings) { s.SealedSecret, s.KeyID, s.DefinedAt = NewID(), g.KeyID, g.DefinedAt })
		}, g.KeyID
	}},
	{"FinishRenewal", false, false, func(t *testing.T, d *DB, g Grant) (func(*DB) error, uint32) {
		_, err := d.SaveIdentity(t.Context(), g, false, "")
		unless(t, err)
		generation := find(t, d, g.TenantID).Generation
		g.KeyID = d.freshKey(t)
		return func(d *DB) error { return d.FinishRenewal(t.Context(), g, generation) }, g.KeyID
	}},
	{"Reseal", false, false, func(t *testing.T, d *DB, g Grant) (func(*DB) error, uint32) {
		_, err := d.SaveIdentity(t.Context(), g, false, "")
		unless(t, err)
		key := d.freshKey(t)
		row := func(value string) []SealedRow {
			return []SealedRow{{Table: SealedIdentities.Holding("refresh"), ID: g.ID, Sealed: []Sealed{{Kind: "refresh", TenantID: g.TenantID, Value: value}}}}
		}
		return func(d *DB) error { return d.Reseal(t.Context(), key, row(g.SealedRefresh), row("anew")) }, key
	}},
}

// storing are the races of all that stores with what forbids it.
func storing() (all []race) {
	for _, s := range stores {
		if s.open {
			all = append(all, race{s.of + " CloseTenant", "of a tenant that is closed", s.closed})
		}
		if s.defined {
			all = append(all, race{s.of + " DeleteServiceDefinition", "of a service that is removed", s.undefined})
			all = append(all, race{s.of + " ChangeServiceDefinition", "of a service that is changed", s.redefined})
		}
		if s.of == "BeginAuthorization" {
			continue // it stores nothing that is sealed
		}
		all = append(all, race{s.of + " SwitchSealingKey RetireKeys", "sealed with a key that is retired", s.retired})
	}
	return all
}

func (s store) closed(t *testing.T, d *DB) duel {
	g := granted(someone(t, d))
	do, _ := s.with(t, d, g)
	return duel{do, func(d *DB) error {
		_, err := d.CloseTenant(t.Context(), g.TenantID, d.now().Add(time.Hour))
		return err
	}, func(one, other error) {
		unless(t, one, ErrLost)
		unless(t, other)
		for _, table := range []string{"identities", "held_identities", "granted_identities", "handshakes"} {
			wantN(t, d, 0, `SELECT count(*) FROM `+table+` WHERE tenant_id = $1`, g.TenantID)
		}
		wantN(t, d, 0, `SELECT count(*) FROM authorizations WHERE tenant_id = $1 AND ended_at = 0`, g.TenantID)
	}}
}

func (s store) undefined(t *testing.T, d *DB) duel {
	g := granted(someone(t, d))
	g.Service = NewID()
	unless(t, d.AddServiceDefinition(t.Context(), ServiceDefinition{ID: g.Service, Definition: "{}"}))
	defined, err := d.ServiceDefinition(t.Context(), g.Service)
	unless(t, err)
	g.DefinedAt = defined.SetAt
	do, _ := s.with(t, d, g)
	return duel{do, func(d *DB) error { _, err := d.DeleteServiceDefinition(t.Context(), g.Service); return err }, func(one, other error) {
		unless(t, one, ErrLost)
		var left *IdentitiesLeftError
		if errors.As(other, &left) {
			unless(t, one)
			return
		}
		unless(t, other)
		for _, table := range []string{"identities", "held_identities", "granted_identities", "authorizations", "handshakes", "revocations", "tenant_apps", "service_settings"} {
			wantN(t, d, 0, `SELECT count(*) FROM `+table+` WHERE service = $1`, g.Service)
		}
	}}
}

func (s store) redefined(t *testing.T, d *DB) duel {
	g := granted(someone(t, d))
	g.Service = NewID()
	unless(t, d.AddServiceDefinition(t.Context(), ServiceDefinition{ID: g.Service, Definition: "{}"}))
	defined, err := d.ServiceDefinition(t.Context(), g.Service)
	unless(t, err)
	g.DefinedAt = defined.SetAt
	do, _ := s.with(t, d, g)
	saw := -1
	return duel{do, func(d *DB) error {
		return d.ChangeServiceDefinition(t.Context(), g.Service, func(_ ServiceDefinition, uses ServiceUses) (string, error) {
			saw = uses.Identities + uses.Secrets
			return `{"changed":true}`, nil
		})
	}, func(one, other error) {
		unless(t, one)
		unless(t, other)
		if saw < 0 {
			t.Error("it wasn't asked what depends on it")
		}
	}}
}

func (s store) retired(t *testing.T, d *DB) duel {
	g := granted(someone(t, d))
	g.KeyID = d.freshKey(t)
	do, key := s.with(t, d, g)
	next := lastKey.Add(1) + 1000
	return duel{do, func(d *DB) error {
		if err := d.SwitchSealingKey(t.Context(), key, next); err != nil {
			return err
		}
		_, err := d.RetireKeys(t.Context())
		return err
	}, func(one, other error) {
		unless(t, one, ErrStaleKey)
		unless(t, other)
		for _, table := range sealedTables {
			wantN(t, d, 0, `SELECT count(*) FROM `+table.Name+` r JOIN sealing_keys k ON k.id = r.key_id WHERE k.retired_at > 0`)
		}
	}}
}
