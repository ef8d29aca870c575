package e2e

import (
	"strings"
	"sync/atomic"
	"testing"

	"github.com/playwright-community/playwright-go"
)

// What the pages may weigh, over the wire.
const (
	firstVisit = 120 << 10 // of Home, with font, styles and scripts
	laterVisit = 15 << 10
	publicForm = 14 << 10
)

// TestWeight weighs Home of a tenant with data, at first and again, and the public
// form.
func TestWeight(t *testing.T) {
	t.Parallel()
	v := newVisitor(t, startDemo(t), profile{})
	v.enterAs(maria)
	cookies, err := v.context.Cookies()
	must(t, err)
	fresh := newVisitor(t, v.d, profile{})
	var again []playwright.OptionalCookie
	for _, c := range cookies {
		again = append(again, c.ToOptionalCookie())
	}
	must(t, fresh.context.AddCookies(again))
	for _, visit := range []struct {
		name, path string
		most       int64
	}{{"Home at first", "/", firstVisit}, {"Home again", "/", laterVisit}, {"Subscribers after Home", "/subscribers", laterVisit}} {
		if n := fresh.weigh(visit.path); n > visit.most || n == 0 {
			t.Errorf("%s weighs %d bytes, want at most %d", visit.name, n, visit.most)
		}
	}
	reader := newVisitor(t, v.d, profile{phone: true})
	if n := reader.weigh(v.d.form); n > publicForm || n == 0 {
		t.Errorf("the public form weighs %d bytes, want at most %d", n, publicForm)
	}
}

// weigh opens an address and returns how many bytes came for it over the wire.
func (v *visitor) weigh(address string) int64 {
	v.t.Helper()
	cdp, err := v.context.NewCDPSession(v.page)
	v.step(err, "ask the browser")
	_, err = cdp.Send("Network.enable", map[string]any{})
	v.step(err, "watch the network")
	var n atomic.Int64
	cdp.On("Network.loadingFinished", func(params map[string]any) {
		if size, ok := params["encodedDataLength"].(float64); ok {
			n.Add(int64(size))
		}
	})
	v.open(address)
	v.step(v.page.WaitForLoadState(playwright.PageWaitForLoadStateOptions{State: playwright.LoadStateNetworkidle}), "wait until all is there")
	v.step(cdp.Detach(), "stop watching")
	return n.Load()
}

// words are those of PORTAL's left column: what pages said before.
var formerWords = []string{
	"How Salesforce is going", "See how it is going", "What holds sign-ups up", "Nobody waits", "The oldest of them waits for", "Difference: 0",
	"Write to me when there is trouble", "Mails to you", "Don’t send all", "Send all 17 again", "Log in elsewhere", "Log in there", "With another app",
	"Allowed: api", "Last renewed", "Not needed yet", "Test newsletter signup", "Send the sample", "Test sign-up", "Salesforce is disconnected",
	"Look into your mailbox", "Don’t share it", "Salesforce answered:", "Short name", "short name",
}

// plain fails when what somebody sees has a word that nobody is to see any more.
func (v *visitor) plain(name, source string) {
	v.t.Helper()
	for _, w := range formerWords {
		if strings.Contains(source, w) {
			v.t.Errorf("%s: the page %s says %q", v.p.name(), name, w)
		}
	}
}
