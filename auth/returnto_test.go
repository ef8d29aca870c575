package auth

import (
	"strings"
	"testing"
)

func TestReturnAddresses(t *testing.T) {
	for _, address := range []string{
		"", "/", "/done", "//app.example/done", "app.example/done", "https:/app.example", "https:app.example", "https://", "https:///done", "https://?x", "https://:443/done",
		"http://app.example/done", "HTTPS://app.example/done", "ftp://app.example/", "javascript://app.example/%0aalert(1)", "javascript:alert(1)", "data:text/html,x", " https://app.example/",
		"https://app.example/ ", "https://app.example/\n", "https://app.example/\tx", "https://app.example/\x00", "https://app.example/ä", "https://bücher.example/", "https://app.example\u3002evil.example/",
		"https://john@app.example/", "https://@app.example/", "https://john:secret@app.example/", "https://app.example@evil.example/", `https://app.example\@evil.example/`, `https:\\app.example/`,
		"https://app.example/#x", "https://app.example/#", "https://app.example#@evil.example/", "https://app.example/?a=<b>", `https://app.example/"`, "https://app.example/{id}", "https://app.example/%zz",
		"https://app.example:/", "https://app.example:0/", "https://app.example:65536/", "https://app.example:x/", "https://app.example:080/", "https://app.example:443:443/", "https://app..example/", "https://.example/",
		"https://app.example./", "https://-app.example/", "https://app%2eexample/", "https://[::1/", "https://[::1%25en0]/", "https://[0:0::1]/", "https://[app.example]/", "https://app.example[::1]/",
		"http://localhost/done", "http://127.0.0.1/done", "http://[::1]/done", "http://localhost:/done", "http://localhost.:3000/", "http://localhost.evil.example:3000/", "http://127.0.0.1.evil.example:80/",
		"http://127.1:3000/", "http://2130706433:3000/", "http://0x7f.0.0.1:3000/", "http://127.0.0.2:3000/", "http://0.0.0.0:3000/", "http://[::]:3000/", "http://[::ffff:127.0.0.1]:3000/", "http://LOCALHOST:3000/",
		"https://app.example/done?code=1", "https://app.example/done?a=b&state=", "https://app.example/done?error", "https://app.example/?c%6fde=1", "https://app.example/?authorization=x", "https://app.example/?a;code=1", "https://app.example/?a=%zz",
		"http://localhost:3000@evil.example/", "https://app.example/" + strings.Repeat("x", maxReturnToBytes),
	} {
		if err := CheckReturnTo(address); err == nil {
			t.Errorf("%.100q is taken", address)
		}
	}
	for address, says := range map[string]string{
		"https://john@app.example/": "names a user", "https://app.example/#": "fragment", `https://app.example\@evil.example/`: "encode it", "http://app.example/": "plain http is for",
		"http://localhost/": "needs a port", "https://app.example:0/": "a port that there isn't", "ftp://app.example/": "has to begin with https", "https:///x": "no host", "https://app.example/?code=1": "parameter code", "https://app.example/?a;b": "query that can't be read",
		"https://app.example/" + strings.Repeat("x", maxReturnToBytes): "too long",
	} {
		if err := CheckReturnTo(address); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%.100q: no %q in %v", address, says, err)
		}
	}
	for _, address := range []string{
		"https://app.example", "https://app.example/", "https://app.example/done?from=gatepost&x=%20", "https://App.Example:8443/a//b/../c;d=1", "https://10.0.0.7/done", "https://[2001:db8::1]:8443/done",
		"https://xn--bcher-kva.example/", "https://app_1.example/?next=https://other.example/@x", "http://localhost:3000", "http://127.0.0.1:3000/done", "http://[::1]:65535/done?x",
		"https://app.example/" + strings.Repeat("x", maxReturnToBytes-len("https://app.example/")),
	} {
		if err := CheckReturnTo(address); err != nil {
			t.Errorf("%.100q %v", address, err)
		}
	}
}
