package auth

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"gatepost/db"
	"gatepost/db/dbtest"
)

// device logs somebody in, in a browser with the device cookie given, and returns
// the one that it has then.
func device(t *testing.T, p *People, email, password, before string) string {
	t.Helper()
	_, cookie, err := p.Login(t.Context(), email, password, Client{IP: home, Device: before})
	if err != nil {
		t.Fatalf("%s: %v", email, err)
	}
	return cookie
}

// miss guesses wrong n times in a browser and returns how often it was throttled.
func miss(t *testing.T, p *People, email, cookie, ip string, n int) (refused int) {
	t.Helper()
	for range n {
		_, got, err := p.Login(t.Context(), email, "a fence of old elm", Client{IP: ip, Device: cookie})
		switch {
		case throttled(err) > 0:
			refused++
		case !errors.Is(err, ErrCredentials) || got != "":
			t.Fatalf("%q, %v", got, err)
		}
	}
	return refused
}

// attack keeps an account closed, from one address or from many.
func attack(t *testing.T, p *People, email string) {
	t.Helper()
	guessAt(t, p, email, "198.51.100.", 50)
	guessAt(t, p, email, "203.0.113.66", 50)
	if _, err := login(t, p, email, password, "192.0.2.99"); throttled(err) == 0 {
		t.Fatalf("the account is not closed: %v", err)
	}
}

// Somebody who guesses keeps the owner out of no browser that knows them, wherever
// that is, and for as long as it knows them.
func TestOwnerGetsIn(t *testing.T) {
	p, _, c, _ := contoso(t)
	cookie := device(t, p, email, password, "")
	for n := range 20 {
		attack(t, p, email)
		from := Client{IP: fmt.Sprintf("192.0.2.%d", 100+n), Device: cookie} // always another network
		_, after, err := p.Login(t.Context(), email, password, from)
		if err != nil || after != cookie {
			t.Fatalf("%v, a new cookie: %t", err, after != cookie)
		}
	}
	c.add(DeviceFor - 1e6)
	attack(t, p, email)
	device(t, p, email, password, cookie)
	c.add(DeviceFor)
	attack(t, p, email)
	if _, _, err := p.Login(t.Context(), email, password, Client{IP: home, Device: cookie}); throttled(err) == 0 {
		t.Errorf("a browser is known after 90 days: %v", err)
	}
}

// Who has no such browser gets one by a link of a mail.
func TestResetOpensTheDoor(t *testing.T) {
	p, _, _, john := contoso(t)
	attack(t, p, email)
	if err := request(t, p, email, "192.0.2.50"); err != nil {
		t.Fatal(err)
	}
	user, err := p.ResetPassword(t.Context(), mustLink(t, p, john.ID), next)
	if err != nil {
		t.Fatal(err)
	}
	cookie, err := p.TrustDevice(t.Context(), user, "")
	if err != nil {
		t.Fatal(err)
	}
	attack(t, p, email)
	device(t, p, email, next, cookie)
}

// A browser counts by itself, neither less nor more, until the next log-in.
func TestDeviceMisses(t *testing.T) {
	p, _, _, _ := contoso(t)
	cookie := device(t, p, email, password, "")
	if n := miss(t, p, email, cookie, home, deviceMisses-1); n != 0 {
		t.Errorf("%d of 9 throttled", n)
	}
	device(t, p, email, password, cookie) // starts anew
	if n := guessAt(t, p, email, "198.51.100.", 5); n != 0 {
		t.Errorf("the browser's misses count for others: %d throttled", n)
	}
	if n := miss(t, p, email, cookie, home, 2*deviceMisses); n != deviceMisses {
		t.Errorf("%d of %d throttled", n, 2*deviceMisses)
	}
	if _, _, err := p.Login(t.Context(), email, password, Client{IP: home, Device: cookie}); throttled(err) == 0 {
		t.Errorf("after 10 misses a browser is worth something: %v", err)
	}
	if err := p.SetPassword(t.Context(), email, next); err != nil { // ends the throttle
		t.Fatal(err)
	}
	cookie = device(t, p, email, next, cookie)
	attack(t, p, email)
	device(t, p, email, next, cookie)
}

// A browser can be known for several, each for themselves.
func TestDeviceOfSeveral(t *testing.T) {
	p, _, _, _ := contoso(t)
	const joan, jim = "joan@contoso.example", "jim@contoso.example"
	for _, who := range []string{joan, jim} {
		if _, err := p.AddUser(t.Context(), who, "contoso", password); err != nil {
			t.Fatal(err)
		}
	}
	cookie := device(t, p, email, password, "")
	if again := device(t, p, joan, password, cookie); again != cookie {
		t.Fatal("the browser got another cookie, and lost what it was known for")
	}
	if n := miss(t, p, joan, cookie, home, deviceMisses+1); n != 0 {
		t.Errorf("%d throttled", n) // one beyond its own misses counts with all others
	}
	for _, who := range []string{email, joan, jim, "nobody@contoso.example"} {
		attack(t, p, who)
	}
	device(t, p, email, password, cookie)
	for _, who := range []string{joan, jim, "nobody@contoso.example"} {
		if _, _, err := p.Login(t.Context(), who, password, Client{IP: home, Device: cookie}); throttled(err) == 0 {
			t.Errorf("%s: %v", who, err)
		}
	}
}

// A cookie that we never gave, or that nothing is known of, makes no browser known,
// and isn't taken on.
func TestDeviceIsOurs(t *testing.T) {
	p, d, _, john := contoso(t)
	mine := device(t, p, email, password, "")
	for name, cookie := range map[string]string{"none": "", "made up": NewToken(), "its hash": digest(mine), "garbage": "x'; --", "cut off": mine[:42], "longer": mine + "A"} {
		if got := device(t, p, email, password, cookie); got == cookie || !IsToken(got) {
			t.Errorf("%s: taken on as %q", name, got)
		}
		attack(t, p, email)
		if _, _, err := p.Login(t.Context(), email, password, Client{IP: home, Device: cookie}); throttled(err) == 0 {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := d.Writer().Exec(`DELETE FROM throttles`); err != nil {
			t.Fatal(err)
		}
	}
	// a password that was changed meanwhile makes nothing known
	if _, err := p.ChangePassword(t.Context(), john.ID, password, next); err != nil {
		t.Fatal(err)
	}
	if got, err := p.TrustDevice(t.Context(), john, mine); !errors.Is(err, ErrCredentials) || got != "" {
		t.Errorf("by an old password: %q, %v", got, err)
	}
}

// What takes others out of an account makes their browsers unknown.
func TestOtherDevicesEnd(t *testing.T) {
	for name, end := range map[string]func(p *People, d *db.DB, u db.User, mine string) (password, kept string, err error){
		"a change": func(p *People, _ *db.DB, u db.User, mine string) (string, string, error) {
			u, err := p.ChangePassword(t.Context(), u.ID, password, next)
			if err != nil {
				return "", "", err
			}
			kept, err := p.TrustDevice(t.Context(), u, mine)
			return next, kept, err
		},
		"a reset by mail": func(p *People, _ *db.DB, u db.User, mine string) (string, string, error) {
			token, err := p.ResetLink(t.Context(), u.ID)
			if err != nil {
				return "", "", err
			}
			if u, err = p.ResetPassword(t.Context(), token, next); err != nil {
				return "", "", err
			}
			kept, err := p.TrustDevice(t.Context(), u, mine)
			return next, kept, err
		},
		"the operator": func(p *People, _ *db.DB, u db.User, _ string) (string, string, error) {
			return next, "", p.SetPassword(t.Context(), u.Email, next)
		},
		"end all sessions": func(_ *People, d *db.DB, u db.User, mine string) (string, string, error) {
			return password, mine, NewSessions(d, SessionOptions{}).EndAll(t.Context(), u.ID, mine)
		},
		"end other sessions": func(_ *People, d *db.DB, u db.User, mine string) (string, string, error) {
			return password, mine, NewSessions(d, SessionOptions{}).EndOthers(t.Context(), u.ID, "a session", mine)
		},
	} {
		t.Run(name, func(t *testing.T) {
			p, d, _, john := contoso(t)
			if _, err := p.AddUser(t.Context(), "joan@contoso.example", "contoso", password); err != nil {
				t.Fatal(err)
			}
			mine, other := device(t, p, email, password, ""), device(t, p, email, password, "")
			if again := device(t, p, "joan@contoso.example", password, other); again != other {
				t.Fatal("another cookie")
			}
			now, kept, err := end(p, d, john, mine)
			if err != nil {
				t.Fatal(err)
			}
			attack(t, p, email)
			attack(t, p, "joan@contoso.example")
			for what, cookie := range map[string]string{"another browser": other, "": mine} {
				if cookie == kept {
					continue
				}
				if _, _, err := p.Login(t.Context(), email, now, Client{IP: home, Device: cookie}); throttled(err) == 0 {
					t.Errorf("%s: %v", what, err)
				}
			}
			if kept != "" {
				device(t, p, email, now, kept)
			}
			device(t, p, "joan@contoso.example", password, other) // hers stay
		})
	}
}

// Guesses at the same time, in two processes, don't get more than ten.
func TestDeviceMissesAtOnce(t *testing.T) {
	path, c := dbtest.Path(t), newClock()
	both := []*People{people(dbtest.Open(t, path), c), people(dbtest.Open(t, path), c)}
	if _, err := both[0].AddTenant(t.Context(), "contoso", ""); err != nil {
		t.Fatal(err)
	}
	if _, err := both[0].AddUser(t.Context(), email, "contoso", password); err != nil {
		t.Fatal(err)
	}
	cookie := device(t, both[0], email, password, "")
	var checked, refused atomic.Int64
	var all sync.WaitGroup
	for i := range 40 {
		all.Go(func() {
			_, _, err := both[i%2].Login(t.Context(), email, "a fence of old elm", Client{IP: fmt.Sprintf("198.51.100.%d", i), Device: cookie})
			switch {
			case errors.Is(err, ErrCredentials):
				checked.Add(1)
			case throttled(err) > 0:
				refused.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	all.Wait()
	if checked.Load() != deviceMisses+5 { // and those that anybody has
		t.Errorf("%d checked, %d refused", checked.Load(), refused.Load())
	}
}

// An unknown browser costs the same whether somebody has the address or not, and so
// does one that is known for somebody else.
func TestUnknownDeviceCostsTheSame(t *testing.T) {
	p, d, _, _ := contoso(t)
	cookie := device(t, p, email, password, "")
	if _, err := p.AddUser(t.Context(), "joan@contoso.example", "contoso", password); err != nil {
		t.Fatal(err)
	}
	cost := func(email, cookie string) string {
		s := &spyStore{Store: d}
		_, _, err := people(s, newClock()).Login(t.Context(), email, "a fence of old elm", Client{IP: home, Device: cookie})
		if !errors.Is(err, ErrCredentials) {
			t.Fatal(err)
		}
		return fmt.Sprint(s.asked)
	}
	for name, cookie := range map[string]string{"none": "", "somebody else's": cookie, "made up": NewToken()} {
		if known, unknown := cost("joan@contoso.example", cookie), cost("nobody@contoso.example", cookie); known != unknown {
			t.Errorf("%s: %s for an address that somebody has, %s for another", name, known, unknown)
		}
	}
}

func TestDevicesAreHashed(t *testing.T) {
	path := dbtest.Path(t)
	d := dbtest.Open(t, path)
	p := people(d, newClock())
	if _, err := p.AddTenant(t.Context(), "contoso", ""); err != nil {
		t.Fatal(err)
	}
	if _, err := p.AddUser(t.Context(), email, "contoso", password); err != nil {
		t.Fatal(err)
	}
	if cookie := device(t, p, email, password, ""); grep(t, path, cookie) || !grep(t, path, digest(cookie)) {
		t.Error("the device cookie itself is stored")
	}
}
