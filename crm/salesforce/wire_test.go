package salesforce

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gatepost/crm"
)

// drop cuts the connection without an answer.
func drop(t *testing.T, w http.ResponseWriter) {
	t.Helper()
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		t.Error(err)
		return
	}
	conn.Close()
}

// clientOf returns a Client of an address, through a transport.
func clientOf(t *testing.T, instanceURL string, rt http.RoundTripper, o Options) *Client {
	t.Helper()
	src := &source{sessions: []Session{{AccessToken: testToken, InstanceURL: instanceURL, OrgID: testOrg, Generation: 1}}}
	c, err := Open(t.Context(), src, &http.Client{Transport: rt}, o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestALostAnswerToAWriteIsUnknown(t *testing.T) {
	for name, h := range map[string]func(t *testing.T, w http.ResponseWriter){
		"dropped after it was read": drop,
		"cut in the body": func(t *testing.T, w http.ResponseWriter) {
			w.Header().Set("Content-Length", "4000")
			io.WriteString(w, made)
		},
		"HTML instead": func(_ *testing.T, w http.ResponseWriter) {
			w.WriteHeader(503)
			io.WriteString(w, "<html>Down for maintenance</html>")
		},
		"HTML with a success":    func(_ *testing.T, w http.ResponseWriter) { io.WriteString(w, "<html>Hello</html>") },
		"an empty success":       func(*testing.T, http.ResponseWriter) {},
		"JSON of another kind":   func(_ *testing.T, w http.ResponseWriter) { io.WriteString(w, `{"id":"1"}`) },
		"an answer to fewer":     func(_ *testing.T, w http.ResponseWriter) { io.WriteString(w, `{"compositeResponse":[]}`) },
		"an answer to the wrong": func(_ *testing.T, w http.ResponseWriter) { io.WriteString(w, strings.Replace(made, "p0", "p1", 1)) },
		"an error of the server": func(_ *testing.T, w http.ResponseWriter) {
			answering(500, `[{"errorCode":"UNKNOWN_EXCEPTION"}]`)(w, nil)
		},
		"gzip that isn't": func(_ *testing.T, w http.ResponseWriter) {
			w.Header().Set("Content-Encoding", "gzip")
			io.WriteString(w, made)
		},
		"a redirect":              func(_ *testing.T, w http.ResponseWriter) { w.Header().Set("Location", "/login"); w.WriteHeader(302) },
		"an answer without end":   func(_ *testing.T, w http.ResponseWriter) { io.Copy(w, tooLong()) },
		"a bomb that gzip hides":  bomb,
		"an informal answer only": func(_ *testing.T, w http.ResponseWriter) { w.WriteHeader(304) },
	} {
		t.Run(name, func(t *testing.T) {
			var calls atomic.Int32
			c, _, _ := open(t, func(w http.ResponseWriter, r *http.Request) {
				io.Copy(io.Discard, r.Body)
				calls.Add(1)
				h(t, w)
			}, Options{MaxBody: 64 << 10})
			_, err := c.Write(t.Context(), news(two()), crm.Options{})
			if f := failure(t, err); f.Class != crm.Pause || !f.Unknown {
				t.Errorf("a write's failure is %+v, want a pause with an unknown outcome", f)
			}
			if calls.Load() != 1 {
				t.Errorf("the write was sent %d times", calls.Load())
			}
			_, err = c.Find(t.Context(), []string{"ada@example.com"}, crm.Options{})
			if f := failure(t, err); f.Class != crm.Pause || f.Unknown {
				t.Errorf("a read's failure is %+v, want a pause with a known outcome", f)
			}
		})
	}
}

// tooLong is a good answer, were it not for all the blanks behind it.
func tooLong() io.Reader {
	return io.MultiReader(strings.NewReader(made), io.LimitReader(endless{}, 1<<20))
}

// endless is a reader of blanks.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return copy(p, bytes.Repeat([]byte(" "), len(p))), nil }

func bomb(t *testing.T, w http.ResponseWriter) {
	t.Helper()
	w.Header().Set("Content-Encoding", "gzip")
	z := gzip.NewWriter(w)
	io.Copy(z, tooLong())
	z.Close()
}

func TestAWriteThatNeverLeftIsKnown(t *testing.T) {
	tlsOnly := httptest.NewTLSServer(answering(200, made))
	t.Cleanup(tlsOnly.Close)
	tlsOnly.Config.ErrorLog = log.New(io.Discard, "", 0)
	for name, url := range map[string]string{
		"nobody listens":              "http://127.0.0.1:1", // one that was given back could be taken
		"no such host":                "http://contoso.invalid",
		"a certificate not to trust":  tlsOnly.URL,
		"a host that talks no TLS":    strings.Replace(httptestURL(t), "http:", "https:", 1),
		"refused by the way out":      "http://forbidden.example",
		"the caller has gone already": httptestURL(t),
	} {
		t.Run(name, func(t *testing.T) {
			rt := http.DefaultTransport.(*http.Transport).Clone()
			rt.Proxy = nil // whatever the environment says
			rt.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
				if strings.HasPrefix(addr, "forbidden") {
					return nil, errors.New("this address is not allowed")
				}
				if strings.HasPrefix(addr, "contoso.invalid") {
					return nil, &net.DNSError{Err: "no such host", Name: addr, IsNotFound: true}
				}
				return (&net.Dialer{}).DialContext(ctx, network, addr)
			}
			t.Cleanup(rt.CloseIdleConnections)
			c := clientOf(t, url, rt, Options{})
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if strings.HasPrefix(name, "the caller") {
				cancel()
			}
			_, err := c.Write(ctx, news(two()), crm.Options{})
			f := failure(t, err)
			if f.Class != crm.Pause || f.Code != crm.Unavailable || f.Unknown {
				t.Errorf("failure %+v, want a pause with a known outcome", f)
			}
			if f.Cause == nil {
				t.Error("the cause is lost")
			}
		})
	}
}

func httptestURL(t *testing.T) string {
	t.Helper()
	srv := httptest.NewServer(answering(200, made))
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	t.Cleanup(srv.Close)
	return srv.URL
}

func TestAConnectionCutWhileIdleNeverRepeatsAWrite(t *testing.T) {
	var writes, reads atomic.Int32
	c, _, _ := open(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			reads.Add(1)
			answering(200, `{"totalSize":0,"done":true,"records":[]}`)(w, r)
			return
		}
		io.Copy(io.Discard, r.Body)
		writes.Add(1)
		drop(t, w)
	}, Options{})
	_, _ = c.call(t.Context(), request{method: http.MethodGet, path: queryPath + "x"}) // leaves a connection to be used again
	_, err := c.Write(t.Context(), news(two()), crm.Options{})
	if f := failure(t, err); !f.Unknown {
		t.Errorf("failure %+v, want an unknown outcome", f)
	}
	if reads.Load() != 1 || writes.Load() != 1 {
		t.Errorf("%d reads, %d writes, want one of each", reads.Load(), writes.Load())
	}
}

func TestAStreamCutOffNeverRepeatsAWrite(t *testing.T) {
	var writes atomic.Int32
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 2 {
			t.Errorf("came by %s", r.Proto)
		}
		io.Copy(io.Discard, r.Body)
		writes.Add(1)
		panic(http.ErrAbortHandler)
	}))
	srv.EnableHTTP2 = true
	srv.StartTLS()
	t.Cleanup(srv.Close)
	c := clientOf(t, srv.URL, srv.Client().Transport, Options{})
	for n := range int32(2) {
		_, err := c.Write(t.Context(), news(two()), crm.Options{})
		if f := failure(t, err); !f.Unknown || writes.Load() != n+1 {
			t.Errorf("%d writes, failure %+v", writes.Load(), f)
		}
	}
}

func TestAWriteThatTakesTooLongIsUnknown(t *testing.T) {
	// The clock is synctest's: nobody waits a minute.
	for name, test := range map[string]struct {
		options Options
		patient time.Duration
	}{
		"a minute when nothing is said": {Options{}, time.Minute},
		"as long as was said":           {Options{Timeout: 5 * time.Second}, 5 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := clientOf(t, "http://contoso.example", silent{}, test.options)
				began := time.Now()
				_, err := c.Write(t.Context(), news(two()), crm.Options{})
				if f := failure(t, err); f.Class != crm.Pause || f.Code != crm.TimedOut || !f.Unknown {
					t.Errorf("failure %+v, want timed_out with an unknown outcome", f)
				}
				if took := time.Since(began); took != test.patient {
					t.Errorf("gave up after %v, want %v", took, test.patient)
				}
			})
		})
	}
}

// silent is a transport that never gets an answer.
type silent struct{}

func (silent) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

func TestAHangingServerIsLeftWhenTheCallerGoes(t *testing.T) {
	arrived := make(chan struct{})
	release := make(chan struct{})
	c, _, srv := open(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		close(arrived)
		<-release
	}, Options{})
	defer srv.Close()
	defer close(release)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-arrived; cancel() }()
	_, err := c.Write(ctx, news(two()), crm.Options{})
	if f := failure(t, err); !f.Unknown || !errors.Is(err, context.Canceled) {
		t.Errorf("failure %+v, want an unknown outcome because of the caller", f)
	}
}

func TestARedirectIsNotFollowedAndGetsNoToken(t *testing.T) {
	var visits atomic.Int32
	thief := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { visits.Add(1) }))
	t.Cleanup(thief.Close)
	for _, status := range []int{301, 302, 303, 307, 308} {
		c, _, _ := open(t, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, thief.URL, status)
		}, Options{})
		_, err := c.Find(t.Context(), []string{"ada@example.com"}, crm.Options{})
		if f := failure(t, err); f.Class != crm.Pause {
			t.Errorf("%d: failure %+v", status, f)
		}
		_, err = c.CheckUp(t.Context())
		if f := failure(t, err); f.Class != crm.Pause {
			t.Errorf("%d: failure %+v", status, f)
		}
	}
	if visits.Load() != 0 {
		t.Errorf("followed %d times", visits.Load())
	}
}

func TestTheTokenLeavesForTheInstanceAlone(t *testing.T) {
	var asked []string
	x := &exchange{ctx: t.Context(), origin: "https://contoso.my.salesforce.com", maxBody: 1, base: roundTripper(func(r *http.Request) (*http.Response, error) {
		asked = append(asked, r.URL.String())
		return nil, errors.New("no")
	})}
	for _, u := range []string{"https://evil.example/", "http://contoso.my.salesforce.com/", "https://contoso.my.salesforce.com:8443/", "https://contoso.my.salesforce.com.evil.example/"} {
		req := httptest.NewRequest(http.MethodGet, u, nil)
		if err := x.roundTrip(req); err == nil {
			t.Errorf("%s: allowed", u)
		}
	}
	if len(asked) != 0 || x.maySent() {
		t.Errorf("asked %q", asked)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestAPanicOfThePartsIsAFailure(t *testing.T) {
	c := clientOf(t, "http://contoso.example", roundTripper(func(*http.Request) (*http.Response, error) {
		panic("ada@example.com")
	}), Options{})
	_, err := c.Write(t.Context(), news(two()), crm.Options{})
	f := failure(t, err)
	if f.Class != crm.Pause || !f.Unknown {
		t.Errorf("failure %+v", f)
	}
	if strings.Contains(f.Cause.Error(), "ada@") {
		t.Errorf("the cause tells %q", f.Cause)
	}
}

func TestGzipIsUnderstood(t *testing.T) {
	c, _, _ := open(t, func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			t.Error("gzip isn't asked for")
		}
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		io.WriteString(z, made)
		z.Close()
	}, Options{})
	results, err := c.Write(t.Context(), news(two()), crm.Options{})
	if err != nil || results[0].ID != "003000000000001AAA" {
		t.Errorf("Create = %v, %v", results, err)
	}
}

func TestUsageIsReadFromEveryAnswer(t *testing.T) {
	header := "api-usage=44/15000"
	status := 200
	c, _, _ := open(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Sforce-Limit-Info", header)
		answering(status, none)(w, r)
	}, Options{})
	if c.Limits()[0].Known {
		t.Error("usage is known before the first answer")
	}
	c.Find(t.Context(), []string{"ada@example.com"}, crm.Options{})
	if l := c.Limits()[0]; l.Used != 44 || l.Allowed != 15000 || !l.Known {
		t.Errorf("%+v", l)
	}
	header, status = "per-app-api-usage=17/250(appName=sample-app); api-usage=15000/15000", 403
	c.Find(t.Context(), []string{"ada@example.com"}, crm.Options{})
	if l := c.Limits()[0]; l.Used != 15000 || l.Allowed != 15000 || !l.Known {
		t.Errorf("of a refusal: %+v", l)
	}
	header = ""
	c.Find(t.Context(), []string{"ada@example.com"}, crm.Options{})
	if l := c.Limits()[0]; l.Used != 15000 || !l.Known {
		t.Error("an answer without the header made us forget")
	}
}

func TestParseUsage(t *testing.T) {
	for header, want := range map[string]*usage{
		"api-usage=18/5000": {18, 5000},
		"api-usage=25/5000; per-app-api-usage=17/250(appName=sample-app)": {25, 5000},
		"api-bursts=1/750; api-usage=3/4":                                 {3, 4},
		"per-app-api-usage=17/250(appName=sample-app)":                    nil,
		"api-usage=99999999999999999999999/5000":                          nil,
		"":                                                                nil,
	} {
		got := parseUsage(header)
		if (got == nil) != (want == nil) || got != nil && *got != *want {
			t.Errorf("parseUsage(%q) = %v, want %v", header, got, want)
		}
	}
}

// TestNothingPersonalIsSaid runs the ways to fail and looks into all that was said
// on the way, in the global logger too, where simpleforce talks.
func TestNothingPersonalIsSaid(t *testing.T) {
	var said bytes.Buffer
	before := log.Writer()
	log.SetOutput(&said)
	t.Cleanup(func() { log.SetOutput(before) })
	var ours bytes.Buffer
	options := Options{Log: slog.New(slog.NewTextHandler(&ours, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	for _, h := range []http.HandlerFunc{
		answering(400, `[{"message":"Email: invalid email address: ada@example.com","errorCode":"INVALID_EMAIL_ADDRESS"}]`),
		answering(400, `[{"message":"ada@example.com","errorCode":"ada@example.com"}]`),
		answering(400, `[]`), answering(400, `null`), answering(401, sessionExpired),
		answering(503, "<html>ada@example.com</html>"), answering(200, "ada@example.com"),
		func(w http.ResponseWriter, _ *http.Request) { drop(t, w) },
	} {
		c, _, srv := open(t, h, options)
		_, found := c.Find(t.Context(), []string{"ada@example.com"}, crm.Options{})
		_, created := c.Write(t.Context(), news(two()), crm.Options{})
		_, org := c.CheckUp(t.Context())
		srv.Close()
		_, gone := c.Find(t.Context(), []string{"ada@example.com"}, crm.Options{})
		for _, err := range []error{found, created, org, gone} {
			for ; err != nil; err = errors.Unwrap(err) {
				ours.WriteString(err.Error() + "\n")
			}
		}
	}
	if said.Len() != 0 {
		t.Errorf("the global logger was used:\n%s", said.String())
	}
	for _, secret := range []string{"ada", testToken, "second.token", "Lovelace", "SELECT"} {
		if strings.Contains(ours.String(), secret) {
			t.Errorf("%q is told:\n%s", secret, ours.String())
		}
	}
	if !strings.Contains(ours.String(), "salesforce call") {
		t.Error("no call was logged")
	}
}
