package cli

import (
	"math/rand/v2"
	"strings"
)

// names are first and last names that are usual together somewhere. The people of the
// demo's sample tenant are made up from them.
var names = []struct{ first, last string }{
	{"Anna Lena Jürgen Björn Käthe Sönke Heike Lukas Mareike Günther Uwe Jörg Nele Thorsten", "Müller Schröder Weiß Groß Köhler Böhm Jäger Krüger Vogt Schäfer Lindner Meier-Hoffmann Brandt"},
	{"Camille Élodie Jérôme Théo Inès François Chloé Mathieu Hélène Bastien", "Lefèvre Moreau Dupont Béranger Girard Fontaine Lecomte Chevalier Roux Besançon"},
	{"Lucía Íñigo Carmen Álvaro Nuria Joaquín Begoña Andrés Pilar Hugo", "García Muñoz Ibáñez Peña Ortega Núñez Vidal Castaño Rojas Domínguez"},
	{"Giulia Matteo Chiara Lorenzo Beatrice Niccolò Francesca Davide Ilaria Paolo", "Rossi Bianchi Esposito Conti Marchetti De_Luca Ferraro Galli Testa Barbieri"},
	{"Zofia Paweł Agnieszka Łukasz Małgorzata Grzegorz Kasia Michał Ewa Jacek", "Kowalski Wiśniewska Wójcik Zieliński Nowak Dąbrowska Szymański Woźniak Jabłońska"},
	{"Søren Freja Åsa Lars Ingrid Håkon Astrid Mikkel Siri Øystein", "Nielsen Sørensen Åkesson Lindqvist Halvorsen Bjørnstad Hansen Nyström Dahl Østergaard"},
	{"Eleni Yannis Katerina Dimitris Sofia Nikos Despina Petros", "Papadopoulou Georgiou Nikolaidis Karagiannis Vlachos Economou Makris Ioannou"},
	{"Ayşe Emre Zeynep Mehmet Elif Oğuz Gülşen Kaan Derya Çağla", "Yılmaz Kaya Demir Şahin Öztürk Çelik Aydın Koç Doğan Erdoğdu"},
	{"Jiří Tereza Zuzana Ondřej Žofie Matěj Vojtěch Kateřina", "Novák Svobodová Dvořák Procházka Kučera Veselá Horák Šimek"},
	{"Priya Arjun Ananya Rahul Meera Vikram Kavya Rohan Sunita", "Sharma Patel Iyer Venkataraman Reddy Chatterjee Nair Subramanian Gupta"},
	{"Mei Wei Xiu Jun Yan Hao Lan Ming", "Chen Wang Li Zhang Liu Zhao Huang Lin"},
	{"Yuki Haruto Sakura Kenji Aiko Takumi Naoko Ren", "Tanaka Suzuki Yamamoto Nakamura Kobayashi Watanabe Itō Saitō"},
	{"Amina Omar Layla Yusuf Fatima Karim Nadia Tariq", "Haddad Mansour El-Sayed Benali Khalil Bouazizi Darwish Al-Rashid"},
	{"Chidi Ngozi Kwame Abena Tunde Adaeze Kofi Zanele", "Okafor Adeyemi Mensah Boateng Nwosu Dlamini Asante Olufunmilayo"},
	{"Emma James Olivia Jack Grace Harry Sophie Liam Niamh Callum", "Smith O’Connor Taylor Campbell Walker MacDonald Hughes Featherstonehaugh Murphy Wright"},
	{"Maria João Beatriz Thiago Conceição Rafael Luísa Gonçalo", "Silva Gonçalves Conceição Araújo Figueiredo Magalhães Assunção Pereira"},
}

// domains are of addresses that reach nobody: RFC 2606.
var domains = strings.Fields("example.com example.com example.com example.org example.org example.net mail.example post.example inbox.example web.example studio-nord.example northwind.example")

// plainLetters are how names are spelt in addresses.
var plainLetters = strings.NewReplacer("ä", "ae", "ö", "oe", "ü", "ue", "ß", "ss", "å", "aa", "ø", "oe", "æ", "ae", "á", "a", "à", "a", "â", "a", "ã", "a", "ą", "a", "ç", "c", "ć", "c", "č", "c",
	"ď", "d", "é", "e", "è", "e", "ê", "e", "ë", "e", "ę", "e", "ě", "e", "ğ", "g", "í", "i", "ì", "i", "ı", "i", "ł", "l", "ñ", "n", "ń", "n", "ň", "n", "ó", "o", "ò", "o", "ô", "o", "õ", "o", "ō", "o",
	"ř", "r", "ś", "s", "ş", "s", "š", "s", "ť", "t", "ú", "u", "ù", "u", "ů", "u", "ý", "y", "ź", "z", "ż", "z", "ž", "z", "’", "", " ", "", "-", "")

// reader is somebody who signs up.
type reader struct{ first, last, email string }

// readers makes people up, no address twice.
type readers struct {
	*rand.Rand
	taken map[string]bool
}

func pick[T any](r *rand.Rand, all []T) T { return all[r.IntN(len(all))] }

func (r readers) next() reader {
	from := pick(r.Rand, names)
	p := reader{first: pick(r.Rand, strings.Fields(from.first)), last: strings.ReplaceAll(pick(r.Rand, strings.Fields(from.last)), "_", " ")}
	p.email = r.address(p.first, p.last)
	return p
}

// address is one that somebody of a name may have, and nobody else has.
func (r readers) address(first, last string) string {
	first, last = plainLetters.Replace(strings.ToLower(first)), plainLetters.Replace(strings.ToLower(last))
	for {
		local := pick(r.Rand, []string{first + "." + last, first + "." + last, first[:1] + last, first + last, last + "." + first, first + "_" + last, first})
		if r.taken[local] || r.IntN(4) == 0 {
			local += string(rune('1'+r.IntN(9))) + string(rune('0'+r.IntN(10)))
		}
		email := local + "@" + pick(r.Rand, domains)
		if r.taken[local] || r.taken[email] {
			continue
		}
		r.taken[local], r.taken[email] = true, true
		return email
	}
}
