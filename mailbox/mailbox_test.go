package mailbox

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/smtp"
	"strings"
	"testing"
	"time"
)

const sample = "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nFrom: a@b.example\r\nMIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=x\r\n\r\n" +
	"--x\r\nContent-Type: text/plain; charset=UTF-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nhttps://x.example/?a=3Db <b>\r\n" +
	"--x\r\nContent-Type: text/html; charset=UTF-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n<p title=3D\"q\">Hello</p><script>alert(1)</script>\r\n--x--\r\n"

func open(t *testing.T) (box *Box, smtpAddr string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	box = new(Box)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- box.Serve(ctx, ln) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return box, ln.Addr().String()
}

func get(t *testing.T, box *Box, path string) (int, string) {
	t.Helper()
	answer := httptest.NewRecorder()
	box.Handler().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, path, nil))
	body, err := io.ReadAll(answer.Result().Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.Code, string(body)
}

func TestMails(t *testing.T) {
	box, addr := open(t)
	if _, body := get(t, box, "/"); !strings.Contains(body, "There are none yet") {
		t.Error(body)
	}
	if err := smtp.SendMail(addr, nil, "a@b.example", []string{"john@contoso.example"}, []byte(sample)); err != nil {
		t.Fatal(err)
	}
	if _, body := get(t, box, "/"); !strings.Contains(body, `<a href="/1">Grüße</a>`) || !strings.Contains(body, "john@contoso.example") {
		t.Error(body)
	}
	_, body := get(t, box, "/1")
	for _, want := range []string{"<pre>https://x.example/?a=b &lt;b&gt;", `sandbox="allow-popups allow-popups-to-escape-sandbox"`, `&lt;p title=&#34;q&#34;&gt;Hello`} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s in %s", want, body)
		}
	}
	if strings.Contains(body, "<script>") {
		t.Error("a mail's script is in the page")
	}
	for _, path := range []string{"/2", "/0", "/x", "/1/2"} {
		if status, _ := get(t, box, path); status != http.StatusNotFound {
			t.Errorf("%s: %d", path, status)
		}
	}
}

func TestABoxThatIsStoppedBeforeItBeganStops(t *testing.T) {
	for range 100 { // either may come first
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		stop()
		done := make(chan error, 1)
		go func() { done <- new(Box).Serve(ctx, ln) }()
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(time.Minute):
			t.Fatal("does not end")
		}
	}
}

func TestTheOldestAreForgotten(t *testing.T) {
	var box Box
	for range maxMails + 1 {
		box.keep(mail{Subject: "One of many"})
	}
	if all := box.all(); len(all) != maxMails || all[0].N != maxMails+1 || all[maxMails-1].N != 2 {
		t.Errorf("%d are kept, from %d on", len(all), all[len(all)-1].N)
	}
}
