package forms

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"gatepost/input"
)

// What a definition may hold at most.
const (
	MostFields      = 30  // that are shown, hidden ones among them
	MostEver        = 200 // with those that were deleted
	MostOptions     = 100
	MostLabel       = 120 // characters, of labels and placeholders
	MostHelp        = 300
	MostWords       = 2000
	MostButton      = 40
	MostOptionValue = 120
	mostKey         = 40
)

// The field of a Fault that is about the form as a whole, and the option of one that is about none.
const (
	NoField  = -1
	NoOption = -1
)

// The properties that a Fault can be about.
const (
	OfFields      = "fields"
	OfWords       = "words"
	OfButton      = "button"
	OfType        = "type"
	OfKey         = "key"
	OfLabel       = "label"
	OfHelp        = "help"
	OfPlaceholder = "placeholder"
	OfRequired    = "required"
	OfMost        = "most"
	OfPattern     = "pattern"
	OfPurpose     = "purpose"
	OfOptions     = "options"
	OfFrom        = "from"
	OfDeleted     = "deleted"
)

// Fault is what is wrong with a definition that an admin made.
type Fault struct {
	Field    int    // which of the edited fields, from 0; NoField for the form as a whole
	Option   int    // which of its options, from 0; NoOption for none
	Property string // of the field, of the option, or of the form
	Sentence string
}

// Next makes the version that follows current out of what an admin made of it, or says what is
// wrong with that. Texts are cleaned. A field without an id is new: it gets one, and a key by its label
// where it has none. A field that edited lacks is deleted: it is hidden, and what is sent for it
// is still understood. An id, its type and its keys stay one field's for ever.
func Next(current, edited Definition) (Definition, []Fault) {
	e := editor{current: current, next: Definition{Version: current.Version + 1}}
	e.form(edited)
	if len(edited.Fields) > MostEver { // before each of them is looked at
		e.fault(NoField, OfFields, fmt.Sprintf("A form can have %d fields at most.", MostFields))
		return Definition{}, e.faults
	}
	for i, f := range edited.Fields {
		if f.ID != "" || !f.Deleted {
			e.field(i, f)
		}
	}
	e.nameNew()
	e.keepRest()
	e.whole()
	if len(e.faults) > 0 {
		return Definition{}, e.faults
	}
	return e.next, nil
}

// editor makes a version out of an edited one.
type editor struct {
	current, next Definition
	faults        []Fault
}

func (e *editor) fault(field int, property, sentence string) {
	e.optionFault(field, NoOption, property, sentence)
}

func (e *editor) optionFault(field, option int, property, sentence string) {
	e.faults = append(e.faults, Fault{field, option, property, sentence})
}

// form takes over what isn't a field's.
func (e *editor) form(edited Definition) {
	e.next.Consent.Box = edited.Consent.Box
	e.next.Consent.Words = e.lines(NoField, OfWords, edited.Consent.Words, MostWords)
	e.next.Button = e.text(NoField, OfButton, edited.Button, MostButton)
	if e.next.Consent.Words == "" && !e.has(NoField, OfWords) {
		e.fault(NoField, OfWords, "A form needs the words that a reader agrees to: they are what you can show later.")
	}
}

// field takes over one of the edited fields.
func (e *editor) field(i int, f Field) {
	was, known := e.current.ByID(f.ID)
	switch {
	case f.ID != "" && !known:
		e.fault(i, OfKey, "This field is not known any more. Reload the page and make it anew.")
		return
	case f.ID != "" && slices.ContainsFunc(e.next.Fields, func(other Field) bool { return other.ID == f.ID }):
		e.fault(i, OfKey, "This field is there twice.")
		return
	case known && f.Type != was.Type:
		e.fault(i, OfType, "A field keeps its type, since values of it are stored. Delete it and add another one.")
		f.Type = was.Type
	case !known && !slices.Contains(Types, f.Type):
		e.fault(i, OfType, "Choose a type from the list.")
	}
	f.Was = was.Was
	e.texts(i, &f)
	e.key(i, &f, was)
	e.rules(i, &f)
	e.options(i, &f)
	e.next.Fields = append(e.next.Fields, f)
}

// texts cleans what is shown of a field.
func (e *editor) texts(i int, f *Field) {
	f.Label = e.text(i, OfLabel, f.Label, MostLabel)
	f.Help = e.text(i, OfHelp, f.Help, MostHelp)
	f.Placeholder = e.text(i, OfPlaceholder, f.Placeholder, MostLabel)
	if !f.everywhere() && f.Label == "" && !e.has(i, OfLabel) {
		e.fault(i, OfLabel, "A field needs a label.")
	}
}

// everywhere reports whether every form has the field, so that languages have a word for it.
func (f Field) everywhere() bool { return f.Type == Email || f.Type == Name }

// keys are the names that a field can have in posts.
var keys = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

// reservedKeys mean something else in posts, or to the scripts of pages with a form in them.
var reservedKeys = append([]string{"frame", "lang", "action", "method", "submit"}, OwnKeys...)

// key checks a field's key. A key that it had before goes on naming it.
func (e *editor) key(i int, f *Field, was Field) {
	f.Key = input.Word(f.Key)
	if f.Key == "" && was.Key != "" || f.everywhere() {
		f.Key = was.Key
	}
	if f.Key == was.Key {
		return
	}
	switch {
	case len(f.Key) > mostKey || !keys.MatchString(f.Key):
		e.fault(i, OfKey, fmt.Sprintf("Use small letters a to z, digits and _, at most %d of them, and begin with a letter.", mostKey))
	case slices.Contains(reservedKeys, f.Key):
		e.fault(i, OfKey, "This name has a meaning of its own. Choose another one.")
	case e.taken(f.Key, f.ID):
		e.fault(i, OfKey, "This name belongs to another field, perhaps one that was deleted, and stays its own. Choose another one.")
	}
	f.Was = slices.DeleteFunc(slices.Clone(f.Was), func(key string) bool { return key == f.Key })
	if was.Key != "" {
		f.Was = append(f.Was, was.Key)
	}
}

// taken reports whether another field has a key, or had it.
func (e *editor) taken(key, id string) bool {
	for _, d := range []Definition{e.current, e.next} {
		if other, ok := d.Field(key); ok && (id == "" || other.ID != id) {
			return true
		}
	}
	return false
}

// rules checks what a field takes.
func (e *editor) rules(i int, f *Field) {
	k := kinds[f.Type]
	if !f.Type.canRequire() {
		f.Required = false
	}
	if f.ID == EmailID {
		if !f.Required {
			e.fault(i, OfRequired, "The e-mail address is always required.")
		}
		if f.Deleted {
			e.fault(i, OfDeleted, "The e-mail address can’t be removed: it is what people sign up with.")
		}
	}
	switch {
	case f.Type == Choices:
		if f.Most < 0 || f.Most > len(f.Options) {
			e.fault(i, OfMost, "Choose how many may be chosen: from 1 to as many as there are.")
		}
	case k.limit == 0:
		f.Most = 0
	case f.Most < 0 || f.Most > k.limit:
		e.fault(i, OfMost, fmt.Sprintf("Give a number of characters from 1 to %d, or leave it empty.", k.limit))
	}
	if !k.pattern {
		f.Pattern = ""
	} else if _, ok := PatternNamed(f.Pattern); f.Pattern != "" && !ok {
		e.fault(i, OfPattern, "Choose what it has to look like from the list.")
	}
	if len(k.purposes) == 0 {
		f.Purpose = ""
	} else if f.Purpose != "" && !slices.Contains(k.purposes, f.Purpose) {
		e.fault(i, OfPurpose, "Choose from the list what browsers may fill in here.")
	}
	switch _, ok := SourceNamed(f.From); {
	case f.Type != Hidden:
		f.From = ""
	case !ok:
		e.fault(i, OfFrom, "Choose where its value comes from.")
	}
}

// canRequire reports whether fields of the type can be required: not those that nobody sees.
func (t Type) canRequire() bool { return t != Hidden }

// options checks what can be chosen.
func (e *editor) options(i int, f *Field) {
	if !f.Type.HasOptions() {
		f.Options = nil
		return
	}
	switch {
	case len(f.Options) == 0:
		e.fault(i, OfOptions, "Give at least one option.")
		return
	case len(f.Options) > MostOptions:
		e.fault(i, OfOptions, fmt.Sprintf("A field can have %d options at most.", MostOptions))
		return
	}
	f.Options = slices.Clone(f.Options)
	values, labels := map[string]bool{}, map[string]bool{}
	for j := range f.Options {
		o := &f.Options[j]
		e.option(i, j, o)
		switch {
		case values[o.Value] || labels[o.Label]:
			e.optionFault(i, j, OfOptions, "This option is there twice.")
		}
		values[o.Value], labels[o.Label] = true, true
	}
}

// option checks one of the options. One without a value is stored as its label.
func (e *editor) option(i, j int, o *Option) {
	label, sentence := shown(o.Label, MostLabel)
	if sentence == "" && label == "" {
		sentence = "An option needs a label."
	}
	if sentence != "" {
		e.optionFault(i, j, OfOptions, sentence)
		return
	}
	o.Label = label
	if o.Value == "" {
		o.Value = strings.ReplaceAll(label, Separator, ",")
	}
	value, err := input.Line(o.Value)
	switch {
	case err != nil || value == "":
		e.optionFault(i, j, OfOptions, "What is stored for this option can’t be stored. Type it again.")
	case strings.Contains(value, Separator):
		e.optionFault(i, j, OfOptions, "What is stored for an option can’t hold a semicolon: it stands between several.")
	case utf8.RuneCountInString(value) > MostOptionValue:
		e.optionFault(i, j, OfOptions, tooLongSentence(MostOptionValue))
	}
	o.Value = value
}

// nameNew gives the new fields their ids, and keys where they have none.
func (e *editor) nameNew() {
	last := 0
	for _, f := range e.current.Fields {
		var n int
		if _, err := fmt.Sscanf(f.ID, "f%d", &n); err == nil {
			last = max(last, n)
		}
	}
	for i := range e.next.Fields {
		f := &e.next.Fields[i]
		if f.ID != "" {
			continue
		}
		last++
		f.ID = fmt.Sprintf("f%d", last)
		if f.Key == "" {
			f.Key = e.freeKey(f.Label)
		}
	}
}

// freeKey is a key for a field by its label that nothing else has or had.
func (e *editor) freeKey(label string) string {
	base := keyOf(label)
	for n := 1; ; n++ {
		key := base
		if n > 1 {
			key = fmt.Sprintf("%s_%d", base, n)
		}
		if !slices.Contains(reservedKeys, key) && !e.taken(key, "") {
			return key
		}
	}
}

// keyOf is a label as a key.
func keyOf(label string) string {
	var b strings.Builder
	for _, r := range plain(strings.NewReplacer("ß", "ss", "æ", "ae", "ø", "o", "ł", "l").Replace(strings.ToLower(label))) {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "_"):
			b.WriteByte('_')
		}
	}
	key := strings.Trim(b.String()[:min(b.Len(), 30)], "_")
	if key == "" || key[0] < 'a' {
		key = strings.TrimRight("field_"+key, "_")
	}
	return key
}

// keepRest has the fields that were taken away stay, hidden.
func (e *editor) keepRest() {
	for _, f := range e.current.Fields {
		if _, there := e.next.ByID(f.ID); there {
			continue
		}
		if f.ID == EmailID {
			e.fault(NoField, OfFields, "The e-mail address can’t be removed: it is what people sign up with.")
		}
		f.Deleted = true
		e.next.Fields = append(e.next.Fields, f)
	}
}

// whole checks what holds for all fields together.
func (e *editor) whole() {
	switch {
	case len(e.next.Shown()) > MostFields:
		e.fault(NoField, OfFields, fmt.Sprintf("A form can have %d fields at most.", MostFields))
	case len(e.next.Fields) > MostEver:
		e.fault(NoField, OfFields, fmt.Sprintf("This form has had %d fields, with those that were deleted, and can’t have more. Make another newsletter.", MostEver))
	}
}

// has reports whether a fault of a property was found.
func (e *editor) has(field int, property string) bool {
	return slices.ContainsFunc(e.faults, func(f Fault) bool { return f.Field == field && f.Property == property })
}

// text cleans a text that readers see.
func (e *editor) text(field int, property, typed string, most int) string {
	clean, sentence := shown(typed, most)
	if sentence != "" {
		e.fault(field, property, sentence)
		return typed
	}
	return clean
}

// lines is text for one of several lines.
func (e *editor) lines(field int, property, typed string, most int) string {
	clean, err := input.Lines(typed)
	if sentence := unshown(clean, err, most); sentence != "" {
		e.fault(field, property, sentence)
		return typed
	}
	return clean
}

// shown is a line that an admin typed as readers see it, or what is wrong with it.
func shown(typed string, most int) (clean, sentence string) {
	clean, err := input.Line(typed)
	return clean, unshown(clean, err, most)
}

// tags are what looks like HTML.
var tags = regexp.MustCompile(`<[a-zA-Z/!]`)

// unshown is why readers mustn't see a text.
func unshown(clean string, err error, most int) string {
	switch {
	case err != nil:
		return "Please check this: " + err.Error()
	case utf8.RuneCountInString(clean) > most:
		return tooLongSentence(most)
	case tags.MatchString(clean):
		return "This is shown as text, so HTML in it would be seen. Write it without."
	case asksForSecret(clean):
		return "Forms mustn’t ask for passwords, codes, card or bank numbers: readers learn not to give them away."
	}
	return ""
}

func tooLongSentence(most int) string {
	return fmt.Sprintf("This is too long: at most %d characters, please.", most)
}

// What asks for a secret, without accents and in small letters: words that stand alone, and what is one
// however it is spaced.
var (
	secretWords = []string{
		"pin", "cvv", "cvc", "cvv2", "iban", "bic", "ssn", "otp", "2fa", "pwd", "pw",
		"passcode", "passphrase",
	}
	secretPhrases = []string{
		"password", "passwort", "kennwort", "motdepasse", "contrasena", "passcode", "passphrase", "clavedeacceso", "clavesecreta",
		"creditcard", "debitcard", "cardnumber", "cardnumbers", "kreditkarte", "kartennummer", "kartenprufnummer", "prufziffer", "cartebancaire", "cartedecredit", "numerodecarte",
		"tarjetadecredito", "tarjetadedebito", "numerodetarjeta", "bankaccount", "accountnumber", "bankverbindung", "bankkonto", "kontonummer", "numerodecompte", "comptebancaire",
		"cuentabancaria", "numerodecuenta", "sortcode", "routingnumber", "socialsecurity", "sozialversicherungsnummer", "securitycode", "sicherheitscode",
		"codedesecurite", "codigodeseguridad", "verificationcode", "bestatigungscode", "codedeverification", "codigodeverificacion", "onetimecode", "einmalcode",
		"geheimzahl", "tannummer", "tancode", "codesecret", "codigosecreto", "codeconfidentiel", "pincode", "pinnumber", "seedphrase", "privatekey", "recoverycode",
	}
)

// lookalikes are letters of other alphabets, and digits, that are read as Latin letters.
var lookalikes = strings.NewReplacer("а", "a", "е", "e", "о", "o", "р", "p", "с", "c", "х", "x", "ѕ", "s", "і", "i", "ԝ", "w", "ο", "o", "α", "a", "ρ", "p", "ν", "v",
	"0", "o", "1", "i", "3", "e", "4", "a", "5", "s", "@", "a", "$", "s")

// asksForSecret reports whether a text asks for what nobody should type into a form.
func asksForSecret(s string) bool {
	s = strings.NewReplacer("ß", "ss").Replace(plain(s))
	for _, text := range []string{s, lookalikes.Replace(s)} {
		words := strings.FieldsFunc(text, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
		for _, word := range words {
			if slices.Contains(secretWords, word) {
				return true
			}
		}
		run := strings.Join(words, "")
		for _, phrase := range secretPhrases {
			if strings.Contains(run, phrase) {
				return true
			}
		}
	}
	return false
}

// WebAddress returns an address of a page as it is stored, or reports that it is none: https, with a host,
// and without a password in it.
func WebAddress(typed string) (string, bool) {
	word := input.Word(typed)
	u, err := url.Parse(word)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || len(word) > 2000 || !isASCII(u.Host) {
		return "", false
	}
	return u.String(), true
}
