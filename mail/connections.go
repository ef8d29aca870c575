package mail

import (
	"context"
	"errors"

	gomail "github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"
)

// What is asked of a mail server that gets many mails. Most servers take a hundred mails
// over one connection, and ten or more connections from one sender.
const (
	mailsEach  = 100
	sideBySide = 4
)

// closing is what a server answers that ends a connection: RFC 5321, 4.2.3.
const closing = 421

// connections are dialogues with the mail server that are kept open from one mail to the
// next: greeting, TLS and log-in take longer than a mail does.
type connections struct {
	server Server
	free   chan *connection // nil for one that isn't open
}

// connection is one dialogue.
type connection struct {
	client *gomail.Client
	smtp   *smtp.Client
	sent   int
}

// connect returns connections to the server, none of which is open yet.
func (s Server) connect() *connections {
	c := &connections{server: s, free: make(chan *connection, sideBySide)}
	for range sideBySide {
		c.free <- nil
	}
	return c
}

// deliver hands a mail to the server as soon as a connection is free. It may be called at
// the same time as often as there are connections. A failure is a *deliveryError, or the
// context's error when that ends before.
func (c *connections) deliver(ctx context.Context, m *gomail.Msg) error {
	var over *connection
	select {
	case <-ctx.Done():
		return ctx.Err()
	case over = <-c.free:
	}
	over, err := c.deliverOver(ctx, over, m)
	c.free <- over
	return err
}

// deliverOver sends a mail over a connection, which it opens when it is nil or was closed by
// the server meanwhile. It returns the connection for the next mail: nil when it is none any more.
func (c *connections) deliverOver(ctx context.Context, over *connection, m *gomail.Msg) (next *connection, err error) {
	if over != nil {
		err = over.send(m)
		if !closedBefore(err) {
			return over.after(err), outcome(m, err)
		}
		over.close()
	}
	if over, err = c.server.open(ctx); err != nil {
		return nil, failure(err)
	}
	err = over.send(m)
	return over.after(err), outcome(m, err)
}

// open begins a dialogue.
func (s Server) open(ctx context.Context) (*connection, error) {
	client, err := newClient(s, gomail.WithoutNoop(), gomail.WithoutRset()) // a mail less is asked of the server
	if err != nil {
		return nil, err
	}
	dialogue, err := client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return nil, err
	}
	return &connection{client: client, smtp: dialogue}, nil
}

func (c *connection) send(m *gomail.Msg) error {
	c.sent++
	return c.client.SendWithSMTPClient(c.smtp, m)
}

// after closes the connection when it has taken enough mails, or nobody knows in which state
// it is, and returns the one for the next mail: nil when it was closed.
func (c *connection) after(err error) *connection {
	if c.sent < mailsEach && (err == nil || goesOn(err)) {
		return c
	}
	c.close()
	return nil
}

// goesOn reports whether a server that refused a mail awaits the next one. What comes after
// a refusal of the command DATA is not clear: the mail was begun, and isn't taken back.
func goesOn(err error) bool {
	var sent *gomail.SendError
	if !errors.As(err, &sent) || ended(sent) {
		return false
	}
	return sent.Reason == gomail.ErrSMTPMailFrom || sent.Reason == gomail.ErrSMTPRcptTo || sent.Reason == gomail.ErrSMTPDataClose
}

// ended reports whether there was no answer, or the last one.
func ended(sent *gomail.SendError) bool { return sent.ErrorCode() == 0 || sent.ErrorCode() == closing }

// close says goodbye. Whatever goes wrong with it is no matter.
func (c *connection) close() {
	_ = c.client.CloseWithSMTPClient(c.smtp)
	_ = c.smtp.Close()
}

// closedBefore reports whether the server had ended the dialogue before it was told of the
// mail, as it does when nothing was sent for a while. Then the mail can be sent over another one.
func closedBefore(err error) bool {
	var sent *gomail.SendError
	if !errors.As(err, &sent) {
		return false
	}
	return ended(sent) && (sent.Reason == gomail.ErrConnCheck || sent.Reason == gomail.ErrSMTPMailFrom)
}

// outcome is what became of a mail: what goes wrong after it was taken is no matter.
func outcome(m *gomail.Msg, err error) error {
	if err == nil || m.IsDelivered() {
		return nil
	}
	return failure(err)
}

// close closes those connections that are open and nobody uses.
func (c *connections) close() {
	for range cap(c.free) {
		select {
		case over := <-c.free:
			if over != nil {
				over.close()
			}
			c.free <- nil
		default:
			return
		}
	}
}
