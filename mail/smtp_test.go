package mail

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"net/mail"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// server is a real mail server, which does as it is told.
type server struct {
	*smtp.Server
	addr string

	mu     sync.Mutex
	from   error // what it answers, in order of the dialogue
	rcpt   error
	data   error
	cutOff bool // after it took a mail, before it says so
	logins int
	conns  []*smtp.Conn // that were opened
	got    []got
}

// got is a mail that was taken.
type got struct{ from, to, raw string }

func reply(code int, text string) error {
	return &smtp.SMTPError{Code: code, EnhancedCode: smtp.EnhancedCode{code / 100, 0, 0}, Message: text}
}

// listen starts a mail server; with tls it offers STARTTLS.
func listen(t *testing.T, withTLS bool) *server {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{addr: ln.Addr().String()}
	s.Server = smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		s.tell(func() { s.conns = append(s.conns, c) })
		return &session{s: s, c: c}, nil
	}))
	s.Domain, s.AllowInsecureAuth = "mail.example.com", true
	if withTLS {
		s.TLSConfig = &tls.Config{Certificates: []tls.Certificate{certificate(t)}}
	}
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(ln) }()
	t.Cleanup(func() { _, _ = s.Close(), ln.Close(); <-done }) // the listener too, for a server that has not begun yet
	return s
}

// certificate is one that nobody trusts.
func certificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"mail.example.com"}}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// tell changes what the server does.
func (s *server) tell(change func()) { s.mu.Lock(); defer s.mu.Unlock(); change() }

// mails are those that were taken.
func (s *server) mails() []got { s.mu.Lock(); defer s.mu.Unlock(); return s.got }

type session struct {
	s        *server
	c        *smtp.Conn
	from, to string
}

func (n *session) AuthMechanisms() []string { return []string{sasl.Plain} }

func (n *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if user != "gatepost" || password != "p@ss:word" {
			return reply(535, "no such user")
		}
		n.s.tell(func() { n.s.logins++ })
		return nil
	}), nil
}

func (n *session) Mail(from string, _ *smtp.MailOptions) (err error) {
	n.s.tell(func() { n.from, err = from, n.s.from })
	return err
}

func (n *session) Rcpt(to string, _ *smtp.RcptOptions) (err error) {
	n.s.tell(func() { n.to, err = to, n.s.rcpt })
	return err
}

func (n *session) Data(r io.Reader) (err error) {
	raw, _ := io.ReadAll(r)
	n.s.tell(func() {
		if err = n.s.data; err != nil {
			return
		}
		n.s.got = append(n.s.got, got{n.from, n.to, string(raw)})
		if n.s.cutOff {
			_ = n.c.Conn().Close()
		}
	})
	return err
}

func (n *session) Reset()        {}
func (n *session) Logout() error { return nil }

// to is the server as it is configured.
func (s *server) to(t *testing.T, user string) Server {
	t.Helper()
	return must(ParseServer("smtp://"+user+s.addr, "Gatepost <gatepost@example.com>"))(t)
}

func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// parse reads a mail's header.
func parse(t *testing.T, raw string) mail.Header {
	t.Helper()
	m, err := mail.ReadMessage(newReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	return m.Header
}
