package mail

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/mail"
	"net/netip"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	gomail "github.com/wneessen/go-mail"
)

// patience is how long a dialogue with the mail server may take.
const patience = 40 * time.Second

// Server is a mail server, and what it is told.
type Server struct {
	host           string
	port           int
	tls            bool // from the first byte
	user, password string
	from           mail.Address
}

// ParseServer reads the address of a mail server: smtp://[user:password@]host[:587],
// which has to offer STARTTLS unless it is on this machine, or smtps://host[:465].
// The from is what mails come from, as "Gatepost <gatepost@example.com>". An
// error is fit for the operator, and names no password.
func ParseServer(raw, from string) (Server, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Hostname() == "" || u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "" {
		return Server{}, errors.New("it has to be as smtp://user:password@mail.example.com:587 (special characters in the password as %XX)")
	}
	s := Server{host: u.Hostname(), user: u.User.Username()}
	s.password, _ = u.User.Password()
	switch u.Scheme {
	case "smtp":
		s.port = 587
	case "smtps":
		s.port, s.tls = 465, true
	default:
		return Server{}, errors.New("it has to begin with smtp:// or smtps://")
	}
	if p := u.Port(); p != "" {
		if s.port, err = strconv.Atoi(p); err != nil || s.port < 1 || s.port > 65535 {
			return Server{}, errors.New("its port is not one")
		}
	}
	a, err := mail.ParseAddress(from)
	if err != nil {
		return Server{}, fmt.Errorf("%q is no sender, as Gatepost <gatepost@example.com> is", from)
	}
	s.from = *a
	return s, nil
}

// deliveryError says that the mail server didn't take a mail.
type deliveryError struct {
	refused bool   // and never will
	code    int    // of its answer, 0 when there was none
	said    string // its words, which may name an address
}

// Error names the code, and no address.
func (e *deliveryError) Error() string {
	if e.code == 0 {
		return "the mail server can't be reached, or broke off"
	}
	return fmt.Sprintf("the mail server answered %d", e.code)
}

// deliver hands a letter to the mail server. A failure is a *deliveryError. The
// id becomes the Message-ID, so that a mail that has to be sent again because an
// answer got lost can be told as the same.
func (s Server) deliver(ctx context.Context, id, to string, l letter) error {
	m, err := s.message(ctx, id, to, l)
	if err != nil {
		return err
	}
	client, err := newClient(s)
	if err != nil {
		return failure(err)
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err = client.DialAndSendWithContext(ctx, m)
	if err == nil || m.IsDelivered() { // what goes wrong with saying goodbye is no matter
		return nil
	}
	return failure(err)
}

// newClient returns a client for one dialogue, with further options.
func newClient(s Server, more ...gomail.Option) (*gomail.Client, error) {
	options := append(more, gomail.WithPort(s.port), gomail.WithTimeout(patience), gomail.WithHELO(s.helo()))
	switch {
	case s.tls:
		options = append(options, gomail.WithSSL())
	case loopback(s.host):
		options = append(options, gomail.WithTLSPolicy(gomail.TLSOpportunistic))
	default:
		options = append(options, gomail.WithTLSPolicy(gomail.TLSMandatory))
	}
	if s.user != "" {
		auth := gomail.SMTPAuthAutoDiscover
		if loopback(s.host) {
			auth = gomail.SMTPAuthPlainNoEnc // the discovery takes no plain log-in without TLS
		}
		options = append(options, gomail.WithSMTPAuth(auth), gomail.WithUsername(s.user), gomail.WithPassword(s.password))
	}
	return gomail.NewClient(s.host, options...)
}

// helo is the name by which we greet: that of the sender's domain.
func (s Server) helo() string {
	return s.from.Address[strings.LastIndexByte(s.from.Address, '@')+1:]
}

func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// message is the letter as it is sent. A recipient that is no address is refused.
func (s Server) message(ctx context.Context, id, to string, l letter) (*gomail.Msg, error) {
	var html bytes.Buffer
	if err := l.page().Render(ctx, &html); err != nil {
		return nil, err
	}
	m := gomail.NewMsg()
	from := s.from
	from.Name = cmp.Or(l.From, from.Name)
	m.FromMailAddress(&from)
	if err := m.To(to); err != nil {
		return nil, &deliveryError{refused: true, said: "this is no address that mail can be sent to"}
	}
	m.Subject(l.Subject)
	m.SetDate()
	m.SetMessageIDWithValue(id + "@" + s.helo())
	m.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: nobody's absence answers it
	m.SetBodyString(gomail.TypeTextPlain, l.text())
	m.AddAlternativeString(gomail.TypeTextHTML, html.String())
	return m, nil
}

// saidMax is how many characters of what a mail server says are kept.
const saidMax = 300

// failure sorts an error of the dialogue. It is for good when the server refuses
// this recipient or this content with a 5xx (RFC 5321, 4.2.1); a refusal of us, at
// logging in or as a sender, is for the operator to mend.
func failure(err error) *deliveryError {
	f := &deliveryError{said: shorten(err.Error())}
	var reply *textproto.Error
	if errors.As(err, &reply) {
		f.code = reply.Code
	}
	var sent *gomail.SendError
	if errors.As(err, &sent) {
		f.code = sent.ErrorCode()
		about := sent.Reason == gomail.ErrSMTPRcptTo || sent.Reason == gomail.ErrSMTPData || sent.Reason == gomail.ErrSMTPDataClose
		f.refused = about && f.code >= 500
	}
	return f
}

func shorten(s string) string {
	if utf8.RuneCountInString(s) > saidMax {
		return string([]rune(s)[:saidMax]) + "…"
	}
	return s
}
