package crm

import "testing"

func TestFreeMail(t *testing.T) {
	for domain, want := range map[string]bool{
		"gmail.com": true, "GMAIL.com": true, "yahoo.co.uk": true, "hotmail.fr": true, "gmx.net": true, "web.de": true, "t-online.de": true, "proton.me": true, "yahoo.com.br": true,
		"contoso.com": false, "live.contoso.com": false, "yahoo-inc.com": false, "mygmail.com": false, "": false, "com": false,
	} {
		if FreeMail(domain) != want {
			t.Errorf("%q: %t", domain, !want)
		}
	}
}
