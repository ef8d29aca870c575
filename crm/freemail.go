package crm

import (
	"slices"
	"strings"
)

// FreeMail reports whether anybody gets an address at a domain, so that it says nothing of where
// somebody works. It knows the large providers, not all there are.
func FreeMail(domain string) bool {
	domain = strings.ToLower(domain)
	name, rest, _ := strings.Cut(domain, ".")
	return slices.Contains(freeDomains, domain) || slices.Contains(freeNames, name) && len(rest) <= len("com.br")
}

var (
	// freeNames are providers with a domain in each country: yahoo.de, hotmail.co.uk.
	freeNames = []string{"yahoo", "ymail", "hotmail", "outlook", "live", "msn", "gmx", "gmail", "googlemail", "icloud", "aol", "yandex", "protonmail", "tutanota"}

	freeDomains = strings.Fields(`
		me.com mac.com rocketmail.com proton.me pm.me tutanota.de tuta.io tuta.com hey.com fastmail.com fastmail.fm hushmail.com mail.com email.com
		inbox.com zoho.com zohomail.com zohomail.eu duck.com mailbox.org posteo.de posteo.net web.de freenet.de t-online.de arcor.de email.de mail.de online.de
		orange.fr wanadoo.fr free.fr laposte.net sfr.fr neuf.fr bbox.fr libero.it virgilio.it tiscali.it alice.it tin.it telefonica.net terra.es
		bluewin.ch hispeed.ch sunrise.ch aon.at chello.at a1.net utanet.at telenet.be skynet.be ziggo.nl kpnmail.nl planet.nl home.nl xs4all.nl hetnet.nl
		btinternet.com sky.com virginmedia.com talktalk.net ntlworld.com blueyonder.co.uk comcast.net verizon.net att.net sbcglobal.net bellsouth.net cox.net
		charter.net earthlink.net juno.com optonline.net rogers.com shaw.ca sympatico.ca telus.net bigpond.com bigpond.net.au optusnet.com.au xtra.co.nz
		seznam.cz centrum.cz wp.pl o2.pl onet.pl interia.pl op.pl mail.ru bk.ru list.ru inbox.ru rambler.ru ukr.net abv.bg freemail.hu citromail.hu
		qq.com 163.com 126.com yeah.net sina.com sohu.com foxmail.com naver.com hanmail.net daum.net nate.com rediffmail.com uol.com.br bol.com.br terra.com.br ig.com.br
		mail.dk jubii.dk online.no telia.com spray.se luukku.com sapo.pt eircom.net walla.co.il walla.com`)
)
