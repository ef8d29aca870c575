package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"strings"
	"testing"

	"gatepost/db"
)

// easy are passwords that are long enough, and are guessed first.
var easy = []string{
	// the lists of what leaked
	"passwordpassword", "PasswordPassword", "Password12345678", "password1234567!", "P@ssw0rdP@ssw0rd", "passw0rdpassw0rd", "P@$$w0rd2026!!!!",
	"MyPassword123456", "my-password-12345", "thisismypassword", "ThisIsMyPassword1!", "iloveyouiloveyou", "iloveyouforever1", "ILoveYouSoMuch!!",
	"letmeinletmein12", "welcomewelcome1!", "Welcome123456789", "administrator123", "Administrator2026!", "admin1234567890", "adminadminadmin1",
	"monkeymonkeymonkey", "monkey1234567890", "dragondragon2026", "footballfootball", "superman12345678", "trustno1trustno1", "princess12345678",
	"sunshine!sunshine!", "sunshine20262026", "Summer2026Summer2026", "Summer-2026-Summer", "supersecretpassword", "nopasswordneeded", "SommerSommer2026", "changemechangeme",
	"ChangeMe!ChangeMe!", "correcthorsebatterystaple", "correct horse battery staple", "Correct-Horse-Battery-Staple-1", "thequickbrownfox", "to be or not to be",
	"michaeljackson1!", "qwerty123456789!", "baseball99999999", "masterpassword11", "secretsecret2026", "123password12345", "!!!password!!!!!",
	"onceuponatime123", "loremipsumdolorsitamet", "letmeinplease123",
	// rows of keys, of digits, of the alphabet
	"123456789012345", "1234567890123456", "987654321098765", "012345678901234", "111222333444555", "112233445566778", "121212121212121", "147258369147258",
	"qwertyuiopasdfgh", "qwertyuiop[]asdf", "asdfghjkl;'qwert", "qwertzuiopasdfgh", "azertyuiopqsdfgh", "zxcvbnmasdfghjkl", "1qaz2wsx3edc4rfv", "!QAZ2wsx#EDC4rfv",
	"zaq12wsxcde34rfv", "qazwsxedcrfvtgb", "1q2w3e4r5t6y7u8i", "q1w2e3r4t5y6u7i8", "1234qwerasdfzxcv", "qwerty1234567890", "1234567890qwerty", "!@#$%^&*()_+!@#$",
	"abcdefghijklmnop", "zyxwvutsrqponmlk", "aabbccddeeffgghh", "abc123abc123abc1", "0123456789abcdef", "a1b2c3d4e5f6g7h8", "1a2b3c4d5e6f7g8h", "abcdefg12345678",
	// repeats
	"aaaaaaaaaaaaaaa", "aaaaaaaaaaaaaab", "baaaaaaaaaaaaaa", "...............", "               ", "ababababababababab", "abcabcabcabcabc", "xk4xk4xk4xk4xk4", "kd83jf0xkd83jf0x",
	"haha haha haha haha", "🙂🙂🙂🙂🙂🙂🙂🙂🙂🙂🙂🙂🙂🙂🙂", "ééééééééééééééé", "пппппппппппппппп",
	// names of the context: Gatepost, Contoso Labs (contoso-labs), john.doe@mail.contoso.example
	"gatepostgatepost", "Gatepost12345678", "Gatepost-Contoso-2026", "contosocontoso1!", "Contoso2026Contoso", "C0nt0s02026!!!!!", "ContosoLabs2026!", "contoso-labs-2026",
	"ContosoNewsletter1", "ContosoWeekly2026", "contosopassword1", "john.doe@mail.contoso.example", "JohnDoe123456789", "johndoecontoso!!", "doejohn-contoso1", "Contoso#Summer#2026",
	"2026contosolabs2026", "LabsContosoLabs!",
	strings.Repeat("xy", 500), strings.Repeat("password ", 50),
}

// hard are passwords that somebody may have.
var hard = []string{
	"a long enough password", "a good long password", "correct horse battery", "another horse battery", "a wrong password that nobody has",
	"a fence of old oak", "a gate of new ash", "a third gate of elm", "four words of secret", "five words make it new", "gate number 3 of ash", "blue tractor under seven moons",
	"kaleidoscope mug", "summer beach sun hat", "sturdy-otter-plum-87", "Zwölf Boxkämpfer jagen", "мой дядя самых честных правил", "春はあけぼの、やうやう白くなりゆく山ぎは",
	"kT9$wq2Lm!x8Zr4", "4f9a8b3c2d1e5f60", "83920174a5629013", "739264810537x26", "XXKQ7M2PLDVN4TRB", "tr0ub4dor&3 and a mule", "contoso has purple elephants", "john eats nine cold radishes",
	"482910573829175603", "monkeys steal my left shoe", "7c0de5a1-93b4-4f2e", "wednesday goats prefer jazz", "🙂🙃😉😊😇🥰😍🤩😘😗☺😚😙🥲😋", `)]{;:<>?~|\}[&%`,
	strings.Repeat("a sentence that goes on and on. ", 3) + "And ends elsewhere, beyond all foreseeing",
}

func contextual(password string) string {
	return checkPassword(password, "john.doe@mail.contoso.example", "contoso-labs", "Contoso Labs")
}

func TestEasyPasswords(t *testing.T) {
	for _, password := range easy {
		if contextual(password) == "" {
			t.Errorf("%q passes: %+v", password, look(strings.ToLower(password), wordsOf(nil)))
		}
	}
}

func TestHardPasswords(t *testing.T) {
	for _, password := range hard {
		if text := contextual(password); text != "" {
			t.Errorf("%q: %s", password, text)
		}
	}
	for range 50 { // what is made at random, as by the demo
		if text := contextual(rand.Text()); text != "" {
			t.Errorf("%s", text)
		}
	}
}

// The sentence says what is wrong.
func TestWhyAPasswordIsEasy(t *testing.T) {
	for password, want := range map[string]string{
		"fourteen chars":         "at least 15 characters",
		"monkey1234567890":       "what many people use",
		"qwertyuiopasdfgh":       "follows the keyboard",
		"abcabcabcabcabc":        "repeats itself",
		"contoso-labs-2026":      "names that others know",
		"Gatepost12345678":       "names that others know",
		strings.Repeat("é", 501): "at most 1000 bytes",
	} {
		if got := contextual(password); !strings.Contains(got, want) || strings.Contains(got, password) {
			t.Errorf("%q: %s", password, got)
		}
	}
}

func TestCommonWordsAreUnmodified(t *testing.T) {
	list, err := os.ReadFile("common/vendor.txt")
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(list))
	sum := sha256.Sum256(packedWords)
	if got, want := hex.EncodeToString(sum[:]), fields[len(fields)-1]; got != want {
		t.Errorf("SHA-256 is %s, vendor.txt says %s", got, want)
	}
	if _, err := os.Stat("common/LICENSE"); err != nil {
		t.Error(err)
	}
	if n := len(commonWords()); n < 35_000 {
		t.Errorf("%d words", n)
	}
}

func BenchmarkGuessable(b *testing.B) {
	password := strings.Repeat("a sentence that goes on and on. ", 30)
	for b.Loop() {
		contextual(password)
	}
}

// However a password is set, the same is asked of it: its length, what many people
// use, and the names of the user and of each of their organisations.
func TestEveryWayToSetAPassword(t *testing.T) {
	ways := map[string]func(p *People, u db.User, password string) error{
		"setup": func(p *People, _ db.User, password string) error {
			f := SetupForm{TenantName: "Northwind Traders", TenantSlug: "fabrikam-inc", Email: email, Password: password}
			_, err := f.check()
			return err
		},
		"reset": func(p *People, u db.User, password string) error {
			return reset(t, p, mustLink(t, p, u.ID), password)
		},
		"change": func(p *People, u db.User, password string) error {
			_, err := p.ChangePassword(t.Context(), u.ID, "a fence of old oak", password)
			return err
		},
		"set": func(p *People, u db.User, password string) error {
			return p.SetPassword(t.Context(), u.Email, password)
		},
		"add": func(p *People, u db.User, password string) error {
			_, err := p.AddUser(t.Context(), "john@agency.example", "fabrikam-inc", password)
			return err
		},
	}
	for name, set := range ways {
		t.Run(name, func(t *testing.T) {
			p, _, _, john := contoso(t)
			if _, err := p.AddTenant(t.Context(), "fabrikam-inc", "Northwind Traders"); err != nil {
				t.Fatal(err)
			}
			if _, err := p.AddUser(t.Context(), email, "fabrikam-inc", ""); err != nil {
				t.Fatal(err)
			}
			for _, password := range []string{"fourteen chars", "Password12345678", "aaaaaaaaaaaaaaaa", "Gatepost12345678", "fabrikam-inc2026", "NorthwindTraders", "John-2026-John-!"} {
				if err := set(p, john, password); !fieldError(err, "password") {
					t.Errorf("%q: %v", password, err)
				}
			}
			if err := set(p, john, "four steep hills at dawn"); err != nil {
				t.Errorf("a good one: %v", err)
			}
		})
	}
}

// A password of before, which would be refused now, goes on working.
func TestOldPasswordsStayValid(t *testing.T) {
	p, d, c, john := contoso(t)
	hash, err := p.hasher.hash(t.Context(), "password1234")
	if err != nil {
		t.Fatal(err)
	}
	if john, err = d.ChangePassword(t.Context(), john.ID, "", hash, c.now(), false); err != nil {
		t.Fatal(err)
	}
	if _, err := login(t, p, email, "password1234", home); err != nil {
		t.Errorf("to log in: %v", err)
	}
	if _, err := p.ChangePassword(t.Context(), john.ID, "password1234", "four steep hills at dawn"); err != nil {
		t.Errorf("to change it: %v", err)
	}
}
