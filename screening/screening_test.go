package screening

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

var now = time.Date(2026, 11, 30, 8, 0, 0, 0, time.UTC)

func mac(parts ...string) []byte {
	h := hmac.New(sha256.New, []byte("a key"))
	for _, p := range parts {
		h.Write([]byte{byte(len(p) >> 8), byte(len(p))})
		h.Write([]byte(p))
	}
	return h.Sum(nil)
}

// person is somebody who filled in our own form in half a minute.
func person() Facts {
	return Facts{Email: "jane.doe@example.com", Names: []string{"Jane", "Doe"}, Time: FormTime{Known: true, Age: 30 * time.Second}, Network: "net"}
}

// Each check by itself, on and off, and what is near it and means nothing.
func TestChecks(t *testing.T) {
	on := Rules{On: true}
	for what, tt := range map[string]struct {
		change func(f *Facts)
		rules  Rules
		found  string // names of the checks that find something
		held   bool
	}{
		"a person":                                 {func(*Facts) {}, on, "", false},
		"a hidden field that is filled in":         {func(f *Facts) { f.Trap = " " }, on, Honeypot, true},
		"too fast":                                 {func(f *Facts) { f.Time.Age = fastest - 1 }, on, TooFast, true},
		"just not too fast":                        {func(f *Facts) { f.Time.Age = fastest }, on, "", false},
		"too old":                                  {func(f *Facts) { f.Time.Age = oldest + 1 }, on, TooOld, true},
		"just not too old":                         {func(f *Facts) { f.Time.Age = oldest }, on, "", false},
		"a time made up":                           {func(f *Facts) { f.Time = FormTime{Forged: true} }, on, ForgedTime, true},
		"times aren't looked at":                   {func(f *Facts) { f.Time = FormTime{Forged: true} }, Rules{On: true, Off: []string{TooFast}}, "", false},
		"no time, which alone means nothing":       {func(f *Facts) { f.Time = FormTime{} }, on, NoTime, false},
		"many here, which alone means nothing":     {func(f *Facts) { f.ManyHere = true }, on, ManyHere, false},
		"many here without time":                   {func(f *Facts) { f.ManyHere, f.Time = true, FormTime{} }, on, NoTime + " " + ManyHere, true},
		"many here and alike":                      {func(f *Facts) { f.ManyHere, f.ManyAlike = true, true }, on, ManyHere + " " + ManyAlike, true},
		"many alike, which alone means nothing":    {func(f *Facts) { f.ManyAlike = true }, on, ManyAlike, false},
		"a proof outweighs a hint":                 {func(f *Facts) { f.ManyHere, f.Time, f.Proof.State = true, FormTime{}, ProofValid }, on, NoTime + " " + ManyHere, false},
		"a proof doesn't outweigh two signs":       {func(f *Facts) { f.ManyHere, f.ManyAlike, f.Proof.State = true, true, ProofValid }, on, ManyHere + " " + ManyAlike, true},
		"variants of a mailbox":                    {func(f *Facts) { f.Variants = true }, on, Variants, true},
		"a link in a name":                         {func(f *Facts) { f.Names[1] = "WIN http://x.example" }, on, Links, true},
		"a throw-away address":                     {func(f *Facts) { f.Email = "x@MAILINATOR.com" }, on, Disposable, true},
		"a throw-away address below a listed one":  {func(f *Facts) { f.Email = "x@a.b.mailinator.com" }, on, Disposable, true},
		"a throw-away address that is allowed":     {func(f *Facts) { f.Email = "x@a.mailinator.com" }, Rules{On: true, Allowed: []string{"mailinator.com"}}, "", false},
		"a throw-away address that an admin added": {func(f *Facts) { f.Email = "x@own.example" }, Rules{On: true, Domains: []string{"own.example"}}, Disposable, true},
		"a slip, which is listed too":              {func(f *Facts) { f.Email = "x@gmial.com" }, on, "", false},
		"only the end is alike":                    {func(f *Facts) { f.Email = "x@mailinator.com.example" }, on, "", false},
		"an alias that protects privacy":           {func(f *Facts) { f.Email = "x@duck.com" }, on, "", false},
		"a domain without mail":                    {func(f *Facts) { f.Mail = DomainRefuses }, on, NoMail, true},
		"a domain that is looked up":               {func(f *Facts) { f.Mail = DomainUnknown }, on, NewDomain, true},
		"a domain with mail":                       {func(f *Facts) { f.Mail = DomainTakes }, on, "", false},
		"another site, which alone means nothing": {func(f *Facts) {
			f.Time, f.Sites, f.Site = FormTime{}, []string{"https://a.example"}, "https://b.example"
		}, on, NoTime + " " + Elsewhere, false},
		"the newsletter's site": {func(f *Facts) {
			f.Time, f.Sites, f.Site = FormTime{}, []string{"https://a.example"}, "https://a.example"
		}, on, NoTime, false},
		"our own page on a newsletter with sites":    {func(f *Facts) { f.Sites = []string{"https://a.example"} }, on, "", false},
		"another site, and many":                     {func(f *Facts) { f.Time, f.Sites, f.ManyHere = FormTime{}, []string{"https://a.example"}, true }, on, NoTime + " " + ManyHere + " " + Elsewhere, true},
		"a blocked network":                          {func(*Facts) {}, Rules{On: true, Networks: []string{"net"}}, Blocked, true},
		"another network is blocked":                 {func(*Facts) {}, Rules{On: true, Networks: []string{"ne", "net2"}}, "", false},
		"an unknown network isn't blocked":           {func(f *Facts) { f.Network = "" }, Rules{On: true, Networks: []string{""}}, "", false},
		"no proof, which is always asked for":        {func(*Facts) {}, Rules{On: true, Proof: ProofAlways}, NoProof, true},
		"an expired proof is none":                   {func(f *Facts) { f.Proof.State = ProofExpired }, Rules{On: true, Proof: ProofAlways}, NoProof, true},
		"no proof, while nothing happens":            {func(*Facts) {}, Rules{On: true, Proof: ProofWhenSuspicious}, "", false},
		"no proof under attack":                      {func(f *Facts) { f.Attack = true }, Rules{On: true, Proof: ProofWhenSuspicious}, NoProof, true},
		"a proof made up":                            {func(f *Facts) { f.Proof.State = ProofForged }, Rules{On: true, Proof: ProofAlways}, BadProof, true},
		"a proof made up that nobody asked for":      {func(f *Facts) { f.Proof.State = ProofForged }, on, "", false},
		"a proof":                                    {func(f *Facts) { f.Proof.State = ProofValid }, Rules{On: true, Proof: ProofAlways}, "", false},
		"a key: nothing is known of a browser":       {func(f *Facts) { *f = Facts{Email: f.Email, Key: true, Trap: "x", ManyHere: true} }, Rules{On: true, Proof: ProofAlways}, "", false},
		"a key: the address and names are looked at": {func(f *Facts) { *f = Facts{Email: "a@mailinator.com", Key: true, Names: []string{"<b>"}} }, on, Links + " " + Disposable, true},
		"nothing is looked at":                       {func(f *Facts) { f.Trap, f.Mail, f.Variants = "x", DomainRefuses, true }, Rules{}, "", false},
	} {
		f := person()
		tt.change(&f)
		v := tt.rules.Screen(f)
		if got := strings.Join(v.Found, " "); got != tt.found || (len(v.Held) > 0) != tt.held || v.Confirm {
			t.Errorf("%s: %+v", what, v)
		}
	}
}

// A domain that is allowed isn't looked up, nor any where that is switched off.
func TestWhichDomainsAreLookedUp(t *testing.T) {
	for _, tt := range []struct {
		rules Rules
		want  bool
	}{{Rules{}, false}, {Rules{On: true}, true}, {Rules{On: true, Off: []string{NoMail}}, false}, {Rules{On: true, Allowed: []string{"example.com"}}, false}, {Rules{On: true, Allowed: []string{"example.org"}}, true}} {
		if got := tt.rules.LooksUp("jane@news.example.com"); got != tt.want {
			t.Errorf("%+v: %v", tt.rules, got)
		}
	}
}

// Whoever has no proof where one is asked for is asked by mail, if that can be.
func TestWithoutProofSomebodyIsAskedByMail(t *testing.T) {
	f := person()
	f.CanMail = true
	if v := (Rules{On: true, Proof: ProofAlways}).Screen(f); len(v.Held) > 0 || !v.Confirm {
		t.Errorf("%+v", v)
	}
	f.Trap = "x"
	if v := (Rules{On: true, Proof: ProofAlways}).Screen(f); !slices.Equal(v.Held, []string{Honeypot}) {
		t.Errorf("%+v", v)
	}
	f = person()
	f.CanMail, f.Proof.State = true, ProofValid
	if v := (Rules{On: true, Proof: ProofAlways}).Screen(f); len(v.Held) > 0 || v.Confirm {
		t.Errorf("%+v", v)
	}
}

// Each check says what it found, each that can be switched what it is for, and nothing is stored
// under a name that holds the mark between names.
func TestChecksSayWhatTheyDo(t *testing.T) {
	names := map[string]bool{}
	for _, c := range Checks {
		if c.Name == "" || strings.ContainsAny(c.Name, ", ") || names[c.Name] || c.Label == "" || c.Words == "" || c.finds == nil {
			t.Errorf("%+v", c)
		}
		if by, ok := Named(c.With); c.With != "" && (!ok || by.Means == "" && c.Means != "") {
			t.Errorf("%s is switched with %q", c.Name, c.With)
		}
		names[c.Name] = true
	}
	if _, ok := Named("nothing"); ok {
		t.Error("there is a check for nothing")
	}
}

func TestFormTime(t *testing.T) {
	stamp := StampForm(mac, "n", now)
	for range 2 { // a page may be kept and shown again
		if got := ReadFormTime(mac, "n", stamp, now.Add(3*time.Second)); got != (FormTime{Known: true, Age: 3 * time.Second}) {
			t.Errorf("%+v", got)
		}
	}
	if got := ReadFormTime(mac, "n", stamp, now.Add(-time.Minute)); got != (FormTime{Known: true}) {
		t.Errorf("of a clock that is ahead: %+v", got)
	}
	if got := ReadFormTime(mac, "n", "", now); got != (FormTime{}) {
		t.Errorf("none: %+v", got)
	}
	raw, _ := base64.RawURLEncoding.DecodeString(stamp)
	forged := []string{"x", stamp + "A", stamp[1:], "=" + stamp, strings.Repeat("A", len(stamp)), base64.RawURLEncoding.EncodeToString(raw[:timeBytes])}
	for i := range raw {
		b := bytes.Clone(raw)
		b[i] ^= 1
		forged = append(forged, base64.RawURLEncoding.EncodeToString(b))
	}
	for _, s := range forged {
		if got := ReadFormTime(mac, "n", s, now); got != (FormTime{Forged: true}) {
			t.Errorf("%q: %+v", s, got)
		}
	}
	if got := ReadFormTime(mac, "other", stamp, now); !got.Forged {
		t.Errorf("of another newsletter: %+v", got)
	}
	if StampForm(mac, "n", now) == stamp {
		t.Error("two pages have the same stamp")
	}
}

func TestProof(t *testing.T) {
	c := NewChallenge(mac, "n", now)
	field := c.Solve()
	got := CheckProof(mac, "n", field, now.Add(time.Minute))
	if got.State != ProofValid || got.ID != c.Signature || !got.Until.Equal(now.Add(proofLife)) {
		t.Errorf("%+v", got)
	}
	if got := CheckProof(mac, "n", field, now.Add(proofLife)); got.State != ProofExpired {
		t.Errorf("late: %+v", got)
	}
	if got := CheckProof(mac, "n", "", now); got.State != ProofMissing {
		t.Errorf("none: %+v", got)
	}
	if got := CheckProof(mac, "other", field, now); got.State != ProofForged {
		t.Errorf("of another newsletter: %+v", got)
	}
	decoded, err := base64.StdEncoding.DecodeString(field)
	if err != nil {
		t.Fatal(err)
	}
	text := string(decoded)
	solved := func(change func(m, p, s map[string]any)) string {
		var m map[string]any
		if err := json.Unmarshal(decoded, &m); err != nil {
			t.Fatal(err)
		}
		challenge := m["challenge"].(map[string]any)
		change(challenge, challenge["parameters"].(map[string]any), m["solution"].(map[string]any))
		text, _ := json.Marshal(m)
		return base64.StdEncoding.EncodeToString(text)
	}
	for what, other := range map[string]string{ // one piece of work is one, however it is spelled
		"a signature in capitals": solved(func(c, _, _ map[string]any) { c["signature"] = strings.ToUpper(c["signature"].(string)) }),
		"a key in capitals":       solved(func(_, _, s map[string]any) { s["derivedKey"] = strings.ToUpper(s["derivedKey"].(string)) }),
		"other members":           solved(func(c, _, s map[string]any) { c["more"], s["time"] = "x", 1 }),
		"white space":             base64.StdEncoding.EncodeToString([]byte(" " + text + "\n")),
		"lines":                   field[:40] + "\n" + field[40:],
		"names in capitals":       base64.StdEncoding.EncodeToString([]byte(strings.Replace(text, `"signature"`, `"SIGNATURE"`, 1))),
	} {
		if got := CheckProof(mac, "n", other, now); got.State != ProofValid || got.ID != c.Signature {
			t.Errorf("%s: %+v", what, got)
		}
	}
	for what, field := range map[string]string{
		"no base64":            "%",
		"no JSON":              base64.StdEncoding.EncodeToString([]byte("x")),
		"null":                 base64.StdEncoding.EncodeToString([]byte("null")),
		"much":                 strings.Repeat("A", mostProof+1),
		"another algorithm":    solved(func(_, p, _ map[string]any) { p["algorithm"] = "PBKDF2/SHA-512" }),
		"a huge cost":          solved(func(_, p, _ map[string]any) { p["cost"] = 2_000_000_000 }),
		"a cost below nothing": solved(func(_, p, _ map[string]any) { p["cost"] = -1 }),
		"a huge key":           solved(func(_, p, _ map[string]any) { p["keyLength"] = 1 << 30 }),
		"a later end":          solved(func(_, p, _ map[string]any) { p["expiresAt"] = now.Add(time.Hour).Unix() }),
		"no prefix":            solved(func(_, p, _ map[string]any) { p["keyPrefix"] = "" }),
		"no signature":         solved(func(c, _, _ map[string]any) { c["signature"] = "" }),
		"half a signature":     solved(func(c, _, _ map[string]any) { c["signature"] = c["signature"].(string)[:32] }),
		"another counter":      solved(func(_, _, s map[string]any) { s["counter"] = 4_000_000_000 }),
		"a counter too large":  solved(func(_, _, s map[string]any) { s["counter"] = 5_000_000_000 }),
		"another key":          solved(func(_, _, s map[string]any) { s["derivedKey"] = "00" + strings.Repeat("11", 31) }),
		"a key of one byte":    solved(func(_, _, s map[string]any) { s["derivedKey"] = "00" }),
		"no key":               solved(func(_, _, s map[string]any) { s["derivedKey"] = "" }),
	} {
		began := time.Now()
		if got := CheckProof(mac, "n", field, now); got.State != ProofForged || got.ID != "" {
			t.Errorf("%s: %+v", what, got)
		}
		if d := time.Since(began); d > 5*time.Second { // a derivation of that cost takes minutes
			t.Errorf("%s: it took %v", what, d)
		}
	}
}

// A challenge that we would sign, but for its cost, isn't derived from either: an earlier version
// of the program may have signed it.
func TestOtherCostsAreRefusedBeforeDeriving(t *testing.T) {
	c := NewChallenge(mac, "n", now)
	c.Parameters.Cost = 2_000_000_000
	c.Signature = hex.EncodeToString(c.Parameters.sign(mac, "n"))
	s := solved{Challenge: c}
	s.Solution.DerivedKey = strings.Repeat("00", proofKey)
	text, _ := json.Marshal(s)
	if got := CheckProof(mac, "n", base64.StdEncoding.EncodeToString(text), now); got.State != ProofForged {
		t.Errorf("%+v", got)
	}
}

func TestLinksInNames(t *testing.T) {
	for name, want := range map[string]bool{
		"Jane": false, "J. R. R.": false, "Ph.D.": false, "O’Neill": false, "Maria.de la Cruz": false, "Jr.": false, "St.John": false, "Dr.-Ing.": false, "Anna:Lena": false, "<3 Jane": false, "Meyer-Com": false,
		"http://x": true, "visit www.x.example": true, "<a href=x>": true, "</p>": true, "<!--": true, "[url=x]": true, "Win at cheap-pills.com": true, "casino.xyz/win": true, "HTTPS://T.CO": true,
	} {
		if got := holdsLink(name); got != want {
			t.Errorf("%q: %v", name, got)
		}
	}
}

// The list is the one that data/vendor.txt names, and it has nobody whom readers of newsletters use.
func TestTheDisposableListIsUnmodified(t *testing.T) {
	vendor, err := os.ReadFile("data/vendor.txt")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(vendor)), "\n")
	words := strings.Fields(lines[len(lines)-1])
	r, err := gzip.NewReader(bytes.NewReader(disposableList))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(body)
	if got, want := hex.EncodeToString(sum[:]), words[len(words)-1]; words[0] != "disposable_email_blocklist.json.gz" || got != want {
		t.Errorf("SHA-256 is %s, vendor.txt says %s", got, want)
	}
	if _, err := os.Stat("data/disposable_email_blocklist.LICENSE"); err != nil {
		t.Error(err)
	}
	at, err := time.Parse("2 January 2006", DisposableAsOf)
	if err != nil || !strings.Contains(lines[len(lines)-1], at.Format(time.DateOnly)) {
		t.Errorf("the list is of %v: %v", at, err)
	}
	if n := len(disposables()); n != 8883 {
		t.Errorf("%d domains", n)
	}
	for _, domain := range append(strings.Fields("duck.com mozmail.com simplelogin.com addy.io passmail.net example.com contoso.example"), wellKnown...) {
		if isListed(domain) {
			t.Errorf("%s is listed", domain)
		}
	}
	if _, err := readDisposables([]byte("x")); err == nil {
		t.Error("something else can be read")
	}
}

func TestSuggest(t *testing.T) {
	for typed, want := range map[string]string{
		"gmial.com": "gmail.com", "gmail.co": "gmail.com", "GMAIL.CON": "gmail.com", "gmal.com": "gmail.com", "yahoo.con": "yahoo.com", "yaho.com": "yahoo.com", "hotmial.com": "hotmail.com", "outlok.com": "outlook.com",
		"web.d": "web.de", "gmx.d": "gmx.de", "t-onlin.de": "t-online.de", "iclod.com": "icloud.com", "protonmial.com": "protonmail.com",
		"gmail.com": "", "gmx.com": "", "mail.com": "", "orange.fr": "", "yahoo.ca": "", "yahoo.co.in": "", "hotmail.nl": "", "example.com": "", "contoso.example": "", "be.com": "", "company.com": "", "me.com": "", "email.com": "",
	} {
		if want != "" {
			want = "Jane.Doe@" + want
		}
		if got := Suggest("Jane.Doe@" + typed); got != want {
			t.Errorf("%s: %q, want %q", typed, got, want)
		}
	}
	if Suggest("jane") != "" || Suggest("") != "" {
		t.Error("what is no address got a suggestion")
	}
	for _, known := range wellKnown {
		if got := Suggest("a@" + known); got != "" {
			t.Errorf("%s: %s", known, got)
		}
	}
}

func TestNetworks(t *testing.T) {
	for ip, want := range map[string]string{
		"192.0.2.77": "192.0.2.0/24", "::ffff:192.0.2.1": "192.0.2.0/24", "2001:db8:1:2::3": "2001:db8:1::/48", "fe80::1%eth0": "fe80::/48", "": "", "x": "",
	} {
		if got := NetworkOf(ip); got != want {
			t.Errorf("%s: %s", ip, got)
		}
	}
}

// counts is a Counter of one process, whose windows never end.
type counts map[string]int

func (c counts) Over(what, who string, most int, _ time.Duration) bool {
	if c[what+" "+who] >= most {
		return true
	}
	c[what+" "+who]++
	return false
}

func (c counts) Reached(what, who string, most int) bool { return c[what+" "+who] >= most }

// arrive counts sign-ups that differ by their numbers, and returns how many of them had which sign.
func arrive(b Bursts, r Rules, n int, of func(i int) Arrival) (here, alike, variants int) {
	for i := range n {
		var f Facts
		b.Count(r, of(i), &f)
		for at, is := range map[*int]bool{&here: f.ManyHere, &alike: f.ManyAlike, &variants: f.Variants} {
			if is {
				*at++
			}
		}
	}
	return here, alike, variants
}

func TestBursts(t *testing.T) {
	on := Rules{On: true}
	people := strings.Fields("jane.doe bob x.y alexandra.b m.mustermann p.j.smith ed chris2 o.k info maria.l n.nabokov")
	for what, tt := range map[string]struct {
		rules                 Rules
		of                    func(i int) Arrival
		here, alike, variants int // of 50
	}{
		"people everywhere": {on, func(i int) Arrival {
			return Arrival{NewsletterID: "n", Email: people[i%12] + string(rune('a'+i)) + "@a.example", Network: string(rune(i)), Agent: "f"}
		}, 0, 0, 0},
		"an office": {on, func(i int) Arrival {
			return Arrival{NewsletterID: "n", Email: people[i%12] + "@a.example", Names: []string{strings.Repeat("x", i)}, Network: "a", Agent: "f"}
		}, 40, 0, 0},
		"an office that is allowed more": {Rules{On: true, Network: 45}, func(i int) Arrival {
			return Arrival{NewsletterID: "n", Email: "a@a.example", Network: "a", Agent: people[i%12]}
		}, 5, 0, 0},
		"two newsletters": {on, func(i int) Arrival {
			return Arrival{NewsletterID: string(rune('a' + i%5)), Email: "a@a.example", Network: "a", Agent: "f"}
		}, 0, 0, 0},
		"a robot on many networks": {on, func(i int) Arrival {
			return Arrival{NewsletterID: "n", Email: "robot" + string(rune('0'+i%10)) + "@a.example", Network: string(rune(i)), Agent: "curl"}
		}, 0, 30, 0},
		"one mailbox, by tags": {on, func(i int) Arrival {
			return Arrival{NewsletterID: "n", Email: "jane+" + string(rune('a'+i)) + "@a.example", Key: true}
		}, 0, 0, 47},
		"one mailbox, by dots": {on, func(i int) Arrival {
			return Arrival{NewsletterID: "n", Email: strings.Repeat("a", i+1) + "." + strings.Repeat("a", 55-i) + "@gmail.com", Key: true}
		}, 0, 0, 47},
		"the same spelling repeatedly": {on, func(int) Arrival { return Arrival{NewsletterID: "n", Email: "jane+x@gmail.com", Key: true} }, 0, 0, 0},
		"dots that count": {on, func(i int) Arrival {
			return Arrival{NewsletterID: "n", Email: "ja" + strings.Repeat(".ne", i) + "@a.example", Key: true}
		}, 0, 0, 0},
		"no networks":          {on, func(i int) Arrival { return Arrival{NewsletterID: "n", Email: "a@a.example", Agent: people[i%12]} }, 0, 0, 0},
		"nothing is looked at": {Rules{}, func(int) Arrival { return Arrival{NewsletterID: "n", Email: "a@a.example", Network: "a"} }, 0, 0, 0},
	} {
		if here, alike, variants := arrive(Bursts{counts{}}, tt.rules, 50, tt.of); here != tt.here || alike != tt.alike || variants != tt.variants {
			t.Errorf("%s: %d from here, %d alike, %d variants", what, here, alike, variants)
		}
	}
}

// A spelling beyond those that may be is held each time, and so are the first ones by then.
func TestASpellingTwiceIsHeldTwice(t *testing.T) {
	b := Bursts{counts{}}
	var held []bool
	for _, email := range strings.Fields("ja.ne@gmail.com j.ane@gmail.com jan.e@googlemail.com jane@gmail.com JANE+1@gmail.com jane+1@gmail.com ja.ne@gmail.com john+1@gmail.com") {
		var f Facts
		b.Count(Rules{On: true}, Arrival{NewsletterID: "n", Email: email}, &f)
		held = append(held, f.Variants)
	}
	if want := []bool{false, false, false, false, true, true, true, false}; !slices.Equal(held, want) {
		t.Errorf("%v", held)
	}
}

// A form asks for a proof while many are held, and where many come from.
func TestWhoIsAskedForAProof(t *testing.T) {
	b := Bursts{counts{}}
	suspicious := Rules{On: true, Proof: ProofWhenSuspicious}
	if b.AsksProof(suspicious, "n", "a") || b.AsksProof(Rules{On: true}, "n", "a") || !b.AsksProof(Rules{On: true, Proof: ProofAlways}, "n", "a") || b.AsksProof(Rules{Proof: ProofAlways}, "n", "a") {
		t.Error("while nothing happens")
	}
	arrive(b, suspicious, DefaultNetwork, func(int) Arrival { return Arrival{NewsletterID: "n", Email: "a@a.example", Network: "a"} })
	if !b.AsksProof(suspicious, "n", "a") || b.AsksProof(suspicious, "n", "b") || b.AsksProof(suspicious, "m", "a") {
		t.Error("of a network from which many come")
	}
	for range attackAfter {
		b.Held("n")
	}
	if !b.AsksProof(suspicious, "n", "b") || b.AsksProof(suspicious, "m", "b") || b.AsksProof(Rules{On: true}, "n", "b") {
		t.Error("while many are held")
	}
	var f Facts
	b.Count(suspicious, Arrival{NewsletterID: "n", Email: "a@a.example"}, &f)
	if !f.Attack {
		t.Error("a form under attack isn't known as one")
	}
}

// dns is a Resolver that answers as it is told.
type dns struct {
	servers []*net.MX
	err     error
	ip      error
}

func (d dns) LookupMX(context.Context, string) ([]*net.MX, error)        { return d.servers, d.err }
func (d dns) LookupIPAddr(context.Context, string) ([]net.IPAddr, error) { return nil, d.ip }

func TestLookUp(t *testing.T) {
	none, cannotTell, late := &net.DNSError{IsNotFound: true}, &net.DNSError{IsTemporary: true}, &net.DNSError{IsTimeout: true}
	for what, tt := range map[string]struct {
		dns
		want DomainState
	}{
		"a server":                   {dns{servers: []*net.MX{{Host: "mx.a.example."}}}, DomainTakes},
		"a null MX":                  {dns{servers: []*net.MX{{Host: "."}}}, DomainRefuses},
		"a null MX beside a server":  {dns{servers: []*net.MX{{Host: "."}, {Host: "mx.a.example."}}}, DomainTakes},
		"no server and no address":   {dns{err: none, ip: none}, DomainRefuses},
		"no server, but an address":  {dns{err: none}, DomainTakes},
		"no server, address unknown": {dns{err: none, ip: cannotTell}, DomainTakes},
		"it can't tell":              {dns{err: cannotTell, ip: none}, DomainTakes},
		"it doesn't answer":          {dns{err: late, ip: none}, DomainTakes},
		"servers, not all readable":  {dns{servers: []*net.MX{{Host: "mx.a.example."}}, err: cannotTell}, DomainTakes},
	} {
		if got := LookUp(t.Context(), tt.dns, "a.example"); got != tt.want {
			t.Errorf("%s: %s", what, got)
		}
	}
}

func TestAfterLookUp(t *testing.T) {
	for _, tt := range []struct {
		held  string
		state DomainState
		want  string
	}{
		{NewDomain, DomainTakes, ""}, {NewDomain, DomainRefuses, NoMail},
		{NoTime + " " + NewDomain, DomainTakes, ""}, {NoTime + " " + NewDomain, DomainRefuses, NoTime + " " + NoMail},
		{Links + " " + NewDomain, DomainTakes, Links}, {NoTime + " " + ManyHere + " " + NewDomain, DomainTakes, NoTime + " " + ManyHere},
		{Honeypot, DomainRefuses, Honeypot}, {"", DomainRefuses, ""}, {"later_version", DomainTakes, "later_version"},
	} {
		if got := strings.Join(AfterLookUp(strings.Fields(tt.held), tt.state), " "); got != tt.want {
			t.Errorf("%q, %s: %q, want %q", tt.held, tt.state, got, tt.want)
		}
	}
}

// What the checks cost a sign-up that passes them all.
func BenchmarkScreen(b *testing.B) {
	rules := Rules{On: true, Proof: ProofWhenSuspicious, Network: 1 << 30, Agent: 1 << 30}
	stamp := StampForm(mac, "n", now)
	count := Bursts{counts{}}
	for b.Loop() {
		f := Facts{Email: "jane.doe@bench.example", Names: []string{"Jane", "Doe"}, Network: "n", Time: ReadFormTime(mac, "n", stamp, now.Add(time.Minute)), Proof: CheckProof(mac, "n", "", now)}
		count.Count(rules, Arrival{NewsletterID: "n", Email: f.Email, Names: f.Names, Agent: "Mozilla", Network: "n"}, &f)
		if v := rules.Screen(f); len(v.Found) > 1 {
			b.Fatal(v)
		}
		if Suggest(f.Email) != "" {
			b.Fatal("asked")
		}
	}
}
