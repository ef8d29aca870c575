package identity

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"gatepost/files"
	"gatepost/seal"

	"filippo.io/age"
)

// What an import brings of an answer is what an authorization would have kept of
// it: no field beside those, and no token within.
func TestImportKeepsNoTokensOfAnAnswer(t *testing.T) {
	old := newWorld(t)
	from := old.process()
	old.connect(from)
	b := old.export(from, Selector{})
	fields := map[string]any{"refresh_token": "hidden-1", "id_token": "hidden-2", "anything": "hidden-3", "AccessToken": "hidden-4",
		"team": map[string]any{"id": "T1", "bot_token": "hidden-5", "client_secret": "hidden-6", "more": []any{map[string]any{"Token": "hidden-7", "name": "kept"}}}}
	for _, name := range nativeFields {
		if fields[name] == nil {
			fields[name] = map[string]any{"access_token": "hidden-" + name, "x": "kept"}
		}
	}
	raw, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	b.Identities[0].Native = raw
	there := old.elsewhere()
	v := there.process()
	there.importing(v, b, ImportOptions{})
	c, err := v.Get(t.Context(), Salesforce, there.tenant, 0)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(c.Native, "hidden-") || strings.Count(c.Native, "kept") != len(nativeFields) {
		t.Errorf("kept is %s", c.Native)
	}
	// Nothing in a bundle of ours is lost.
	if ours := old.export(from, Selector{}).Identities[0].Native; importedNative(ours) != string(ours) {
		t.Errorf("%s becomes %s", ours, importedNative(ours))
	}
}

// Times that can't have been are refused: one to come would keep a connection from
// being renewed.
func TestImportRefusesTimesThatCantBe(t *testing.T) {
	old := newWorld(t)
	from := old.process()
	old.connect(from)
	b := old.export(from, Selector{})
	there := old.elsewhere()
	v := there.process()
	set := map[string]func(*Movable, time.Time){
		"connected_at": func(m *Movable, at time.Time) { m.ConnectedAt = at }, "refreshed_at": func(m *Movable, at time.Time) { m.RefreshedAt = at },
		"broken_at": func(m *Movable, at time.Time) { m.BrokenAt = &at }, "expires_at": func(m *Movable, at time.Time) { m.ExpiresAt = &at },
	}
	// Each time of a bundle is one of these.
	var all map[string]any
	text, err := json.Marshal(Movable{ExpiresAt: new(time.Time), BrokenAt: new(time.Time)})
	if err != nil || json.Unmarshal(text, &all) != nil {
		t.Fatal(err)
	}
	for name := range all {
		if strings.HasSuffix(name, "_at") != (set[name] != nil) {
			t.Errorf("%s is not tried", name)
		}
	}
	for name, change := range set {
		wrong := []time.Time{time.Now().Add(time.Hour), time.Now().AddDate(100, 0, 0), time.Unix(-1, 0), time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)}
		if name == "expires_at" {
			wrong = wrong[1:] // it is to come
		}
		for _, at := range wrong {
			m := b.Identities[0]
			change(&m, at)
			changed := b
			changed.Identities = []Movable{m}
			var be *BundleError
			if _, err := v.Import(t.Context(), changed, ImportOptions{}); !errors.As(err, &be) {
				t.Errorf("%s %s: %v", name, at, err)
			}
		}
	}
	m := b.Identities[0]
	m.RefreshedAt = time.Now().Add(time.Minute) // clocks differ
	b.Identities = []Movable{m}
	there.importing(v, b, ImportOptions{})
}

// A file says how hard its passphrase is to try. One that would take gigabytes isn't.
func TestAHostileFileCostsLittle(t *testing.T) {
	dir := t.TempDir()
	r, err := age.NewScryptRecipient(passphrase)
	if err != nil {
		t.Fatal(err)
	}
	r.SetWorkFactor(4)
	var sealed bytes.Buffer
	w, err := age.Encrypt(&sealed, r)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("{}")); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for _, work := range []string{"19", "22", "30", "99"} {
		head, rest, _ := bytes.Cut(sealed.Bytes(), []byte("\n---"))
		lines := strings.Split(string(head), "\n")
		lines[1] = strings.TrimSuffix(lines[1], " 4") + " " + work
		path := filepath.Join(dir, work)
		if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n---"+string(rest)), 0o600); err != nil {
			t.Fatal(err)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := ReadBundle(path, opener(t, passphrase))
		runtime.ReadMemStats(&after)
		if err == nil || after.TotalAlloc-before.TotalAlloc > 64<<20 {
			t.Errorf("work %s: %v, %d MB", work, err, (after.TotalAlloc-before.TotalAlloc)>>20)
		}
	}
	large := filepath.Join(dir, "large")
	f, err := os.Create(large)
	if err == nil {
		err = errors.Join(f.Truncate(4<<30), f.Close()) // which takes no room
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ReadBundle(large, opener(t, passphrase)); err == nil {
		t.Error("4 GB are read")
	}
}

// A pipe that nobody writes into, and whatever else is no file, is told at once.
func TestKeyFilesThatAreNone(t *testing.T) {
	w := newWorld(t)
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]error{fifo: files.ErrNotRegular, "/dev/zero": files.ErrNotRegular, t.TempDir(): files.ErrFolder} {
		if _, err := seal.OpenKeyring(t.Context(), path, w.store, Sealed); !errors.Is(err, want) {
			t.Errorf("key file %s: %v", path, err)
		}
		if _, err := ReadBundle(path, opener(t, passphrase)); !errors.Is(err, want) {
			t.Errorf("bundle %s: %v", path, err)
		}
	}
}

// A session has only so many authorizations under way, and so has a user; those
// that end, or run out, make room.
func TestAuthorizationsUnderWayAreBounded(t *testing.T) {
	w := newWorld(t)
	v := w.process()
	begin := func(session, user string) error {
		_, err := v.Authorize(t.Context(), AuthorizeRequest{Service: Salesforce, TenantID: w.tenant, UserID: user, User: map[bool]string{true: "u"}[user == ""], SessionID: session})
		return err
	}
	admit := func(n int, session, user string) {
		t.Helper()
		for i := range n {
			if err := begin(session, user); err != nil {
				t.Fatalf("number %d: %v", i+1, err)
			}
		}
	}
	admit(20, "one", "john")
	for range 3 {
		if err := begin("one", "john"); !errors.Is(err, ErrTooMany) {
			t.Errorf("the 21st: %v", err)
		}
	}
	admit(20, "two", "john")
	admit(20, "three", "john")
	if err := begin("four", "john"); !errors.Is(err, ErrTooMany) {
		t.Errorf("the user's 61st: %v", err)
	}
	admit(20, "of an application", "") // whose users are not ours
	admit(20, "of another", "")
	admit(1, "five", "ann")
	var rows int
	if err := w.store.Writer().QueryRow(`SELECT COUNT(*) FROM handshakes`).Scan(&rows); err != nil || rows != 101 {
		t.Errorf("%d rows, %v", rows, err)
	}
	if _, err := w.store.Writer().Exec(`UPDATE handshakes SET expires_at = 1 WHERE session_id = 'one'`); err != nil {
		t.Fatal(err)
	}
	admit(20, "one", "john")
}
