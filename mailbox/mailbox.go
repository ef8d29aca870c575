// Package mailbox is a mail server that keeps what it is given and shows it on a
// page, so that the demo can be tried without a mail server. It delivers nothing.
package mailbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"html/template"
	"io"
	"mime"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/emersion/go-smtp"
	gomail "github.com/wneessen/go-mail"

	_ "embed"
)

// What is taken and kept.
const (
	maxBytes = 1 << 20
	maxMails = 200
)

// Box is the mail server. Its methods are safe for concurrent use.
type Box struct {
	// Taken, when it isn't nil, is told of each mail that is taken: to whom it goes, and its plain text.
	// It is called by many at once.
	Taken func(to, text string)

	mu    sync.Mutex
	mails []mail // the latest last
	taken int    // how many there were
}

// mail is a mail as it came.
type mail struct {
	N       int // the first is 1
	At      time.Time
	To      string
	Subject string
	Text    string
	HTML    string
}

// Serve takes mails on ln, by SMTP, until ctx ends.
func (b *Box) Serve(ctx context.Context, ln net.Listener) error {
	s := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &session{box: b}, nil }))
	s.Domain, s.MaxMessageBytes, s.MaxRecipients = "mailbox.localhost", maxBytes, 10
	s.ReadTimeout, s.WriteTimeout = time.Minute, time.Minute
	stopped := context.AfterFunc(ctx, func() {
		_ = s.Close()
		_ = ln.Close() // a server that had not begun yet doesn't know it
	})
	defer stopped()
	if err := s.Serve(ln); !errors.Is(err, smtp.ErrServerClosed) && ctx.Err() == nil {
		return err
	}
	return nil
}

// session is one dialogue.
type session struct {
	box *Box
	to  string
}

// Mail takes any sender.
func (s *session) Mail(string, *smtp.MailOptions) error { return nil }

// Rcpt takes any recipient.
func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error { s.to = to; return nil }

// Data keeps a mail.
func (s *session) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	m, err := read(raw)
	if err != nil {
		return &smtp.SMTPError{Code: 554, EnhancedCode: smtp.EnhancedCode{5, 6, 0}, Message: "This is not a mail"}
	}
	m.To = s.to
	s.box.keep(m)
	if s.box.Taken != nil {
		s.box.Taken(m.To, m.Text)
	}
	return nil
}

// Reset forgets the recipient.
func (s *session) Reset() { s.to = "" }

// Logout ends the dialogue.
func (s *session) Logout() error { return nil }

// read takes a mail apart.
func read(raw []byte) (mail, error) {
	m, err := gomail.EMLToMsgFromReader(bytes.NewReader(raw))
	if err != nil {
		return mail{}, err
	}
	var read mail
	for _, subject := range m.GetGenHeader(gomail.HeaderSubject) {
		if read.Subject, err = new(mime.WordDecoder).DecodeHeader(subject); err != nil {
			return mail{}, err
		}
	}
	for _, p := range m.GetParts() {
		content, err := p.GetContent()
		if err != nil {
			return mail{}, err
		}
		switch p.GetContentType() {
		case gomail.TypeTextPlain:
			read.Text = string(content)
		case gomail.TypeTextHTML:
			read.HTML = string(content)
		}
	}
	return read, nil
}

// keep keeps a mail, and forgets the oldest when there are too many.
func (b *Box) keep(m mail) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.taken++
	m.N, m.At = b.taken, time.Now()
	b.mails = append(b.mails, m)
	if len(b.mails) > maxMails {
		b.mails = slices.Clone(b.mails[len(b.mails)-maxMails:])
	}
}

// all are the mails, the latest first.
func (b *Box) all() []mail {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := slices.Clone(b.mails)
	slices.Reverse(all)
	return all
}

//go:embed page.html
var source string

var pages = template.Must(template.New("page.html").Parse(source))

// Handler shows the mails: all at /, one at /N.
func (b *Box) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { show(w, "list", b.all()) })
	mux.HandleFunc("GET /{n}", func(w http.ResponseWriter, r *http.Request) {
		n, err := strconv.Atoi(r.PathValue("n"))
		all := b.all()
		i := slices.IndexFunc(all, func(m mail) bool { return m.N == n })
		if err != nil || i < 0 {
			http.Error(w, "There is no such mail (any more). All mails are at /", http.StatusNotFound)
			return
		}
		show(w, "mail", all[i])
	})
	return mux
}

// show renders a page. A mail's own HTML stands in a frame without scripts.
func show(w http.ResponseWriter, name string, data any) {
	var b bytes.Buffer
	if err := pages.ExecuteTemplate(&b, name, data); err != nil {
		http.Error(w, fmt.Sprintf("The page could not be made: %v", err), http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'")
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(b.Bytes())
}

// Framed is the mail's HTML for a frame, whose links open outside of it.
func (m mail) Framed() string { return `<base target="_blank">` + m.HTML }
