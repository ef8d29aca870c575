package salesforce

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"gatepost/crm"
)

// addresses returns n addresses of the given length.
func addresses(n, length int) []string {
	out := make([]string, n)
	for i := range out {
		domain := fmt.Sprintf("%04d@example.com", i)
		out[i] = strings.Repeat("a", max(0, length-len(domain))) + domain
	}
	return out
}

// asked returns the query of a URL.
func asked(t *testing.T, u string) string {
	t.Helper()
	parsed, err := url.Parse(u)
	if err != nil || parsed.Path != "/services/data/v67.0/query" {
		t.Errorf("a query goes to %q (%v)", u, err)
		return ""
	}
	return parsed.Query().Get("q")
}

func TestQueriesFitTheLimits(t *testing.T) {
	for name, test := range map[string]struct {
		emails  []string
		queries int
	}{
		"nobody":                   {nil, 0},
		"one":                      {addresses(1, 20), 1},
		"just one query":           {addresses(200, 20), 1},
		"one too many":             {addresses(201, 20), 2},
		"a full batch":             {addresses(1000, 40), 5},
		"long ones":                {addresses(1000, 80), 6},
		"all escapes":              {slices.Repeat([]string{strings.Repeat(`\`, 60) + "@example.com"}, 200), 6},
		"one that is out of scale": {[]string{strings.Repeat("a", 20_000)}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			urls := places(crm.Options{})[0].queries(test.emails)
			if len(urls) != test.queries {
				t.Errorf("%d queries, want %d", len(urls), test.queries)
			}
			seen := 0
			for _, u := range urls {
				n := strings.Count(asked(t, u), "@example.com'")
				seen += n
				if n > 200 || n > 0 && len(u) > 16_384-1_024 {
					t.Errorf("%d addresses in %d bytes", n, len(u))
				}
			}
			if len(test.emails) > 1 && seen != len(test.emails) {
				t.Errorf("asks for %d addresses of %d", seen, len(test.emails))
			}
		})
	}
}

func TestQuote(t *testing.T) {
	for in, want := range map[string]string{
		`ada@example.com`:     `'ada@example.com'`,
		`o'neill@example.com`: `'o\'neill@example.com'`,
		`a\@example.com`:      `'a\\@example.com'`,
		`\' OR Name != '`:     `'\\\' OR Name != \''`,
		"a\nb\r\t\x00\"":      `'a\u000Ab\u000D\u0009\u0000\"'`,
		"jürgen@example.com":  `'jürgen@example.com'`,
		"a\xff":               `'a` + "\uFFFD" + `'`,
		"":                    `''`,
	} {
		if got := quote(in); got != want {
			t.Errorf("quote(%q) = %s, want %s", in, got, want)
		}
	}
}

func TestFindComparesInLowerCaseAndKeepsTheOrder(t *testing.T) {
	c, _, _ := open(t, func(w http.ResponseWriter, r *http.Request) {
		parts := decodeComposite(t, r)
		if len(parts) != 1 || parts[0].Method != http.MethodGet || parts[0].Body != nil {
			t.Errorf("parts: %+v", parts)
		}
		want := `SELECT Id, FirstName, LastName, Email FROM Contact WHERE Email IN ('ada@example.com','o\'neill@example.com') ORDER BY LastModifiedDate DESC`
		if got := asked(t, parts[0].URL); got != want {
			t.Errorf("asked %s\nwant  %s", got, want)
		}
		io.WriteString(w, `{"compositeResponse":[{"httpStatusCode":200,"referenceId":"p0","body":{"totalSize":4,"done":true,"records":[
			{"Id":"003000000000001AAA","Email":"ADA@Example.com"},
			{"Id":"003000000000002AAA","Email":"ada@example.com"},
			{"Id":"003000000000003AAA","Email":"stranger@example.com"},
			{"Id":"003000000000004AAA","Email":null}]}}]}`)
	}, Options{})
	found, err := c.Find(t.Context(), []string{" Ada@EXAMPLE.com", "ada@example.com", "O'Neill@example.com", "", "  "}, crm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	named := func(id, email string) crm.Record {
		return crm.Record{ID: id, Fields: crm.Fields{crm.Email: email, crm.FirstName: "", crm.LastName: ""}}
	}
	want := []crm.Record{named("003000000000001AAA", "ADA@Example.com"), named("003000000000002AAA", "ada@example.com")}
	if len(found) != 1 || !reflect.DeepEqual(found["ada@example.com"], want) {
		t.Errorf("found %+v, want %+v alone", found, want)
	}
}

func TestFindAsksForNobodyWithoutACall(t *testing.T) {
	calls := 0
	c, _, _ := open(t, func(http.ResponseWriter, *http.Request) { calls++ }, Options{})
	found, err := c.Find(t.Context(), []string{"", " "}, crm.Options{})
	if err != nil || found == nil || len(found) != 0 || calls != 0 {
		t.Errorf("Find = %v, %v after %d calls", found, err, calls)
	}
}

func TestFindSpendsAsFewCallsAsItCan(t *testing.T) {
	for _, test := range []struct{ length, calls int }{{40, 1}, {80, 2}} {
		calls := 0
		c, _, _ := open(t, func(w http.ResponseWriter, r *http.Request) {
			calls++
			parts := decodeComposite(t, r)
			if len(parts) > 5 {
				t.Errorf("%d queries in one call", len(parts))
			}
			var answers []string
			for i, p := range parts {
				first, _, _ := strings.Cut(strings.SplitN(asked(t, p.URL), "'", 2)[1], "'")
				answers = append(answers, fmt.Sprintf(`{"httpStatusCode":200,"referenceId":%q,"body":{"done":true,"records":[{"Id":"003000000000%06d","Email":%q}]}}`, "p"+strconv.Itoa(i), i, first))
			}
			fmt.Fprintf(w, `{"compositeResponse":[%s]}`, strings.Join(answers, ","))
		}, Options{})
		found, err := c.Find(t.Context(), addresses(1000, test.length), crm.Options{})
		if err != nil || calls != test.calls {
			t.Errorf("%d characters: %d calls, want %d (%v)", test.length, calls, test.calls, err)
		}
		if want := len(places(crm.Options{})[0].queries(addresses(1000, test.length))); len(found) != want {
			t.Errorf("%d characters: found %d, want %d", test.length, len(found), want)
		}
	}
}

func TestFindReadsFurtherPages(t *testing.T) {
	pages := 0
	c, _, _ := open(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			pages++
			if r.URL.Path != "/services/data/v67.0/query/01g000000000001-2000" {
				t.Errorf("asked for %s", r.URL)
			}
			io.WriteString(w, `{"totalSize":2001,"done":true,"records":[{"Id":"003000000000002AAA","Email":"ada@example.com"}]}`)
			return
		}
		io.WriteString(w, `{"compositeResponse":[{"httpStatusCode":200,"referenceId":"p0","body":{"totalSize":2001,"done":false,
			"nextRecordsUrl":"/services/data/v67.0/query/01g000000000001-2000","records":[{"Id":"003000000000001AAA","Email":"ada@example.com"}]}}]}`)
	}, Options{})
	found, err := c.Find(t.Context(), []string{"ada@example.com"}, crm.Options{})
	if err != nil || len(found["ada@example.com"]) != 2 || pages != 1 {
		t.Errorf("found %v after %d pages, %v", found, pages, err)
	}
}

func TestFindGivesUpOnPagesWithoutEnd(t *testing.T) {
	const page = `{"done":false,"nextRecordsUrl":"/services/data/v67.0/query/01g000000000001-2000","records":[]}`
	pages := 0
	c, _, _ := open(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			pages++
			io.WriteString(w, page)
			return
		}
		io.WriteString(w, `{"compositeResponse":[{"httpStatusCode":200,"referenceId":"p0","body":`+page+`}]}`)
	}, Options{})
	_, err := c.Find(t.Context(), []string{"ada@example.com"}, crm.Options{})
	if f := failure(t, err); f.Class != crm.Recorded || f.Code != crm.TooManyMatches || pages != maxPages {
		t.Errorf("failure %+v after %d pages", f, pages)
	}
}

func TestANextPageElsewhereIsRefused(t *testing.T) {
	for _, next := range []string{"", "https://evil.example/services/data/v67.0/query/x", "//evil.example/services/data/v67.0", "/services/oauth2/revoke",
		"/services/data/../../oauth2", "/services/data/v67.0/%2e%2e/x", `/services/data/v67.0\x`, "@evil.example/services/data/v67.0", "/services/data/v67.0/query#x"} {
		calls := 0
		c, _, _ := open(t, func(w http.ResponseWriter, _ *http.Request) {
			calls++
			fmt.Fprintf(w, `{"compositeResponse":[{"httpStatusCode":200,"referenceId":"p0","body":{"done":false,"nextRecordsUrl":%q,"records":[]}}]}`, next)
		}, Options{})
		_, err := c.Find(t.Context(), []string{"ada@example.com"}, crm.Options{})
		if f := failure(t, err); f.Code != crm.Unavailable || calls != 1 {
			t.Errorf("%q: %d calls, %+v", next, calls, f)
		}
	}
}

func TestFindFails(t *testing.T) {
	const refused = `{"compositeResponse":[{"httpStatusCode":%d,"referenceId":"p0","body":%s}]}`
	for name, test := range map[string]struct {
		body  string
		class crm.Class
		code  string
	}{
		"in one query":                       {fmt.Sprintf(refused, 400, `[{"errorCode":"QUERY_TIMEOUT","message":"x"}]`), crm.Pause, "QUERY_TIMEOUT"},
		"because of an address":              {fmt.Sprintf(refused, 400, `[{"errorCode":"MALFORMED_QUERY","message":"x"}]`), crm.Recorded, "MALFORMED_QUERY"},
		"because Contacts are not to be had": {fmt.Sprintf(refused, 400, `[{"errorCode":"INVALID_TYPE","message":"x"}]`), crm.Pause, "INVALID_TYPE"},
		"on a record without an Id":          {fmt.Sprintf(refused, 200, `{"done":true,"records":[{"Email":"ada@example.com"}]}`), crm.Pause, crm.Unavailable},
		"on an Id that isn't one":            {fmt.Sprintf(refused, 200, `{"done":true,"records":[{"Id":"../../x","Email":"ada@example.com"}]}`), crm.Pause, crm.Unavailable},
		"on something else":                  {fmt.Sprintf(refused, 200, `"<html>"`), crm.Pause, crm.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			c, _, _ := open(t, answering(200, test.body), Options{})
			_, err := c.Find(t.Context(), []string{"ada@example.com"}, crm.Options{})
			if f := failure(t, err); f.Class != test.class || f.Code != test.code || f.Unknown {
				t.Errorf("failure %+v", f)
			}
		})
	}
}
