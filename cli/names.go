package cli

import (
	"math/rand/v2"
	"strings"
)

// names are first and last names that are usual together somewhere. The people of the
// demo's sample tenant are made up from them.
var names = []struct{ first, last string }{
	{"Anna Lena Jürgen Björn Käthe Sönke Heike Lukas Mareike Günther Uwe Jörg Nele Thorsten Annegret", "Müller Schröder Weiß Groß Köhler Böhm Jäger Krüger Vogt Schäfer Lindner Meier-Hoffmann Brandt Österreicher Kühn Franke"},
	{"Camille Élodie Jérôme Théo Inès François Chloé Mathieu Hélène Bastien Agnès Loïc Manon Benoît", "Lefèvre Moreau Dupont Béranger Girard Fontaine Lecomte Chevalier Roux Besançon Marchand Perrin Gauthier Renaud"},
	{"Lucía Íñigo Carmen Álvaro Nuria Joaquín Begoña Andrés Pilar Hugo Ximena Raúl Elena Tomás", "García Muñoz Ibáñez Peña Ortega Núñez Vidal Castaño Rojas Domínguez Herrera Márquez Soler Zabala"},
	{"Giulia Matteo Chiara Lorenzo Beatrice Niccolò Francesca Davide Ilaria Paolo Sara Andrea Marta", "Rossi Bianchi Esposito Conti Marchetti De_Luca Ferraro Galli Testa Barbieri Fontana Rinaldi Caruso Moretti"},
	{"Zofia Paweł Agnieszka Łukasz Małgorzata Grzegorz Kasia Michał Ewa Jacek Hanna Tomasz Iwona", "Nowak Wójcik Woźniak Kaczmarek Mazur Krawczyk Żurek Pająk Gołąb Kozioł Wrona Duda Sikora Baran"},
	{"Søren Freja Åsa Lars Ingrid Håkon Astrid Mikkel Siri Øystein Linnea Bjarke Solveig Emil", "Nielsen Sørensen Åkesson Lindqvist Halvorsen Bjørnstad Hansen Nyström Dahl Østergaard Holm Ekström Krogh Sandvik"},
	{"Eleni Yannis Katerina Dimitris Sofia Nikos Despina Petros Angeliki Kostas Ioanna Stelios", "Georgiou Ioannou Economou Nikolaou Dimitriou Christou Papanikolaou-Athanasiou Antoniou Vasiliou Stavrou Petrou"},
	{"Ayşe Emre Zeynep Mehmet Elif Oğuz Gülşen Kaan Derya Çağla Burak Selin Tuncay", "Yılmaz Kaya Demir Şahin Öztürk Çelik Aydın Koç Doğan Erdoğdu Arslan Kurt Polat Güneş"},
	{"Jiří Tereza Zuzana Ondřej Žofie Matěj Vojtěch Kateřina Radek Šárka Lukáš Eliška", "Krejčí Kočí Martinů Petrů Jírů Janů Lepší Tomšů Hrubý Jarý Mikulů Pavlů"},
	{"Priya Arjun Ananya Rahul Meera Vikram Kavya Rohan Sunita Nikhil Lakshmi Aditya Deepa", "Sharma Patel Iyer Venkataraman Reddy Chatterjee Nair Subramanian Gupta Desai Joshi Krishnan Menon Bhattacharya"},
	{"Mei Wei Xiu Jun Yan Hao Lan Ming Ling Bo Xin Qing", "Chen Wang Li Zhang Liu Zhao Huang Lin Zhou Xu Sun Guo He Tang"},
	{"Yuki Haruto Sakura Kenji Aiko Takumi Naoko Ren Hana Daichi Mio Sota", "Tanaka Suzuki Yamamoto Nakamura Kobayashi Watanabe Itō Saitō Matsumoto Inoue Kimura Hayashi Shimizu"},
	{"Amina Omar Layla Yusuf Fatima Karim Nadia Tariq Salma Hassan Rania Bilal Iman", "Haddad Mansour El-Sayed Benali Khalil Bouazizi Darwish Al-Rashid Nasser Ziani Hamdi Farouk"},
	{"Chidi Ngozi Kwame Abena Tunde Adaeze Kofi Zanele Amara Sipho Folake Themba", "Okafor Adeyemi Mensah Boateng Nwosu Dlamini Asante Olufunmilayo Eze Ndlovu Owusu Balogun Mokoena"},
	{"Emma James Olivia Jack Grace Harry Sophie Liam Niamh Callum Ruby Owen Isla Ethan", "Smith O’Connor Taylor Campbell Walker MacDonald Hughes Featherstonehaugh Murphy Wright Evans Barker Doyle Fraser Whitmore"},
	{"Maria João Beatriz Thiago Conceição Rafael Luísa Gonçalo Inês Duarte Catarina Vasco", "Silva Gonçalves Araújo Figueiredo Magalhães Assunção Pereira Falcão Guimarães Leitão Brandão Simões"},
}

// domains are of addresses that reach nobody: RFC 2606.
var domains = strings.Fields("example.com example.com example.com example.org example.org example.net mail.example post.example inbox.example web.example studio-nord.example northwind.example")

// plainLetters are how names are spelt in addresses.
var plainLetters = strings.NewReplacer("ä", "ae", "ö", "oe", "ü", "ue", "ß", "ss", "å", "aa", "ø", "oe", "æ", "ae", "á", "a", "à", "a", "â", "a", "ã", "a", "ą", "a", "ç", "c", "ć", "c", "č", "c",
	"ď", "d", "é", "e", "è", "e", "ê", "e", "ë", "e", "ę", "e", "ě", "e", "ğ", "g", "í", "i", "ì", "i", "ı", "i", "ł", "l", "ñ", "n", "ń", "n", "ň", "n", "ó", "o", "ò", "o", "ô", "o", "õ", "o", "ō", "o",
	"ř", "r", "ś", "s", "ş", "s", "š", "s", "ť", "t", "ú", "u", "ù", "u", "ů", "u", "ý", "y", "û", "u", "î", "i", "ï", "i", "ź", "z", "ż", "z", "ž", "z", "’", "", " ", "", "-", "")

// reader is somebody who signs up.
type reader struct{ first, last, email string }

// readers makes people up, no name and no address twice.
type readers struct {
	*rand.Rand
	taken map[string]bool
}

func pick[T any](r *rand.Rand, all []T) T { return all[r.IntN(len(all))] }

// next is somebody whose name nobody else has.
func (r readers) next() (p reader) {
	for p.email == "" {
		from := pick(r.Rand, names)
		p = reader{first: pick(r.Rand, strings.Fields(from.first)), last: strings.ReplaceAll(pick(r.Rand, strings.Fields(from.last)), "_", " ")}
		if name := p.first + " " + p.last; !r.taken[name] {
			r.taken[name], p.email = true, r.address(p.first, p.last)
		}
	}
	return p
}

// otherLast is a last name that nobody of a first name has.
func (r readers) otherLast(first string) string {
	for {
		last := r.next().last
		if name := first + " " + last; !r.taken[name] {
			r.taken[name] = true
			return last
		}
	}
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
