package mail

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"strings"
	"sync"
	"testing"

	"gatepost/forms"
)

func confirmation(l forms.Language) Confirmation {
	return Confirmation{Language: l, Newsletter: "Contoso Weekly", Sender: "Contoso, Müller & Co", Link: "https://gatepost.example/confirm/abc", Days: 7}
}

// opened is how many connections the server has seen.
func (s *server) opened() (n int) {
	s.tell(func() { n = len(s.conns) })
	return n
}

// send sends a confirmation over one of the connections.
func (c *connections) send(t *testing.T, id, to string) error {
	t.Helper()
	m, err := c.server.message(t.Context(), id, to, confirmation("en").letter())
	if err != nil {
		return err
	}
	return c.deliver(t.Context(), m)
}

// Many mails go over a few connections, each mail once.
func TestManyMailsOverFewConnections(t *testing.T) {
	s := listen(t, false)
	c := s.to(t, "gatepost:p%40ss%3Aword@").connect()
	defer c.close()
	const mails = 2 * sideBySide * mailsEach
	var wg sync.WaitGroup
	for worker := range 2 * sideBySide { // more than there are connections
		wg.Go(func() {
			for n := range mailsEach {
				if err := c.send(t, fmt.Sprint(worker, "-", n), fmt.Sprintf("reader-%d-%d@example.com", worker, n)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	to := map[string]bool{}
	for _, m := range s.mails() {
		to[m.to] = true
	}
	if len(to) != mails || len(s.mails()) != mails {
		t.Errorf("%d mails to %d people, want %d", len(s.mails()), len(to), mails)
	}
	if n := s.opened(); n < mails/mailsEach || n > mails/mailsEach+sideBySide || s.logins != n {
		t.Errorf("%d connections, %d log-ins", n, s.logins)
	}
}

// A mail that is refused holds up no other, and what a server says in between doesn't matter.
func TestRefusalsOverKeptConnections(t *testing.T) {
	for name, tt := range map[string]struct {
		tell    func(*server)
		code    int
		refused bool
		opened  int // connections after a mail before it, it, and one after it
	}{
		"nobody there":       {func(s *server) { s.rcpt = reply(550, "no") }, 550, true, 1},
		"greylisted":         {func(s *server) { s.rcpt = reply(451, "later") }, 451, false, 1},
		"content not wanted": {func(s *server) { s.data = reply(554, "junk") }, 554, true, 1},
		"we are not wanted":  {func(s *server) { s.from = reply(550, "not you") }, 550, false, 1},
		"closing":            {func(s *server) { s.data = reply(421, "busy") }, 421, false, 2},
		"cut off":            {func(s *server) { s.cutOff = true }, 0, false, 2},
	} {
		t.Run(name, func(t *testing.T) {
			s := listen(t, false)
			c := s.to(t, "").connect()
			defer c.close()
			c.free = onlyOne()
			if err := c.send(t, "first", john); err != nil {
				t.Fatal(err)
			}
			s.tell(func() { tt.tell(s) })
			var failed *deliveryError
			if err := c.send(t, "second", john); !errors.As(err, &failed) || failed.code != tt.code || failed.refused != tt.refused {
				t.Errorf("got %+v", failed)
			}
			s.tell(func() { s.from, s.rcpt, s.data, s.cutOff = nil, nil, nil, false })
			if err := c.send(t, "third", john); err != nil {
				t.Error(err)
			}
			if n := s.opened(); n != tt.opened {
				t.Errorf("%d connections, want %d", n, tt.opened)
			}
		})
	}
}

func onlyOne() chan *connection {
	free := make(chan *connection, 1)
	free <- nil
	return free
}

// A server that ended a connection on which nothing was sent for a while gets the next mail
// over a new one, once.
func TestAConnectionThatWasClosedMeanwhile(t *testing.T) {
	s := listen(t, false)
	c := s.to(t, "").connect()
	defer c.close()
	c.free = onlyOne()
	if err := c.send(t, "first", john); err != nil {
		t.Fatal(err)
	}
	s.tell(func() { _ = s.conns[0].Close() })
	if err := c.send(t, "second", john); err != nil {
		t.Error(err)
	}
	if len(s.mails()) != 2 || s.opened() != 2 {
		t.Errorf("%d mails over %d connections", len(s.mails()), s.opened())
	}
}

// Who waits for a connection goes when there is no time left; a server that isn't there is
// no refusal.
func TestNoConnection(t *testing.T) {
	c := must(ParseServer("smtp://127.0.0.1:1", "gatepost@example.com"))(t).connect()
	defer c.close()
	var failed *deliveryError
	if err := c.send(t, "id", john); !errors.As(err, &failed) || failed.refused || failed.code != 0 {
		t.Errorf("got %+v", failed)
	}
	for range sideBySide {
		<-c.free
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := c.deliver(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// The mail says what it is for in the newsletter's language, and nothing else.
func TestConfirmationMail(t *testing.T) {
	s := listen(t, false)
	c := s.to(t, "").connect()
	defer c.close()
	for _, l := range forms.Languages {
		m := must(c.server.message(t.Context(), "id-"+string(l.Code), john, confirmation(l.Code).letter()))(t)
		if err := c.deliver(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	for i, l := range forms.Languages {
		raw := s.mails()[i].raw
		h := parse(t, raw)
		title := l.Code.Say(forms.ConfirmTitle, "newsletter", "Contoso Weekly")
		subject := must(new(mime.WordDecoder).DecodeHeader(h.Get("Subject")))(t)
		from := must(h.AddressList("From"))(t)
		if subject != title || from[0].Name != "Contoso, Müller & Co" || from[0].Address != "gatepost@example.com" || h.Get("Auto-Submitted") != "auto-generated" || h.Get("Message-Id") != "<id-"+string(l.Code)+"@example.com>" {
			t.Errorf("%s: %q, %v, %v", l.Name, subject, from, h)
		}
		text, html := parts(t, raw)
		button := l.Code.Say(forms.ConfirmButton)
		for _, want := range []string{title, button, "https://gatepost.example/confirm/abc", l.Code.Say(forms.ConfirmWithin, "n", "7")} {
			if !strings.Contains(text, want) || !strings.Contains(html, want) {
				t.Errorf("%s: %q is missing in %s", l.Name, want, text)
			}
		}
		if !strings.Contains(html, `<html lang="`+string(l.Code)+`"`) || strings.Contains(text+html, "Gatepost") || strings.ContainsAny(text, "{}") || strings.Count(html, "href=") != 1 {
			t.Errorf("%s: %s", l.Name, html)
		}
	}
	if got := (Confirmation{Days: 1}).letter(); got.After[0] != forms.English.Say(forms.ConfirmWithinDay) {
		t.Error(got.After)
	}
}
