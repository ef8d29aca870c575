package forms

import (
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"gatepost/input"
)

// The most characters that every CRM's own fields take.
const (
	mostEmail     = 80
	mostFirstName = 40
	mostLastName  = 80
	mostHidden    = 255
)

// kind is what is true of the fields of a type.
type kind struct {
	json     []input.ValueKind // what it may be in JSON
	not      Word              // the sentence for what it may not be
	most     int               // characters by default; 0 where the type has none to count
	limit    int               // the most that a definition may ask for; 0 where it can't ask
	pattern  bool              // it can have a pattern
	purposes []string          // of HTML's autocomplete that it can have
	options  bool              // it has some
	missing  Word              // the sentence for none where there has to be one
	check    func(Field, input.Value) (string, Problem)
	schema   func(Field) map[string]any
}

// kinds are the types. They are set when the program starts, since what checks a field asks them.
var kinds map[Type]kind

func init() {
	kinds = map[Type]kind{
		Email:    {json: jsonText, not: NotText, most: mostEmail, missing: EnterEmail, check: checkEmail, schema: schemaOfEmail},
		Name:     {json: jsonText, not: NotText, most: mostLastName, missing: FillIn, check: checkName, schema: schemaOfText},
		Text:     {json: jsonText, not: NotText, most: 255, limit: 1000, pattern: true, purposes: textPurposes, missing: FillIn, check: checkText, schema: schemaOfText},
		LongText: {json: jsonText, not: NotText, most: 2000, limit: 10_000, purposes: []string{"street-address"}, missing: FillIn, check: checkLongText, schema: schemaOfText},
		Choice:   {json: jsonText, not: NotText, options: true, missing: ChooseOne, check: checkChoice, schema: schemaOfChoice},
		Choices:  {json: []input.ValueKind{input.JSONTexts}, not: NotTexts, options: true, missing: ChooseSome, check: checkChoices, schema: schemaOfChoices},
		Checkbox: {json: []input.ValueKind{input.JSONBool}, not: NotTrueOrFalse, missing: TickBox, check: checkBox, schema: schemaOfCheckbox},
		Date:     {json: jsonText, not: NotText, purposes: []string{"bday"}, missing: FillIn, check: checkDate, schema: schemaOfDate},
		Number:   {json: []input.ValueKind{input.JSONNumber}, not: NotNumberValue, missing: FillIn, check: checkNumber, schema: schemaOfNumber},
		Phone:    {json: jsonText, not: NotText, most: 40, purposes: []string{"tel"}, missing: FillIn, check: checkPhone, schema: schemaOfPhone},
		Country:  {json: jsonText, not: NotText, purposes: []string{"country"}, missing: ChooseOne, check: checkCountry, schema: schemaOfCountry},
		Hidden:   {json: jsonText, not: NotText, most: mostHidden, check: checkHidden, schema: schemaOfText},
	}
}

// Types are the types that a field may be given, in the order in which they are offered.
var Types = []Type{Text, LongText, Choice, Choices, Checkbox, Date, Number, Phone, Country, Hidden}

// HasOptions reports whether fields of the type have options.
func (t Type) HasOptions() bool { return kinds[t].options }

// HasPattern reports whether fields of the type can have a pattern.
func (t Type) HasPattern() bool { return kinds[t].pattern }

// MostLimit is the most characters that a field of the type can be set to take; 0 where it
// can't be set.
func (t Type) MostLimit() int { return kinds[t].limit }

// Purposes are the purposes that fields of the type can have, as HTML's autocomplete says them.
func (t Type) Purposes() []string { return slices.Clone(kinds[t].purposes) }

var jsonText = []input.ValueKind{input.JSONText}

// refuses is what is wrong with a value that JSON gives another type than the field's.
func (k kind) refuses(v input.Value) Problem {
	if v.Kind == input.OfForm || slices.Contains(k.json, v.Kind) {
		return Problem{}
	}
	return Problem{Says: k.not}
}

// lacking is the sentence for a field that is empty and mustn't be.
func (k kind) lacking(Field) Word { return k.missing }

func checkName(f Field, v input.Value) (string, Problem) {
	bad, long := CheckField, TooLong
	switch f.ID {
	case FirstNameID:
		bad, long = CheckFirstName, TooLongFirstName
	case LastNameID:
		bad, long = CheckLastName, TooLongLastName
	}
	name, wrong := line(f, v, bad)
	if wrong == (Problem{}) {
		wrong = f.tooLong(name, long)
	}
	return name, wrong
}

func checkText(f Field, v input.Value) (string, Problem) {
	text, wrong := line(f, v, CheckField)
	if wrong == (Problem{}) {
		wrong = f.tooLong(text, TooLong)
	}
	if p, ok := PatternNamed(f.Pattern); ok && wrong == (Problem{}) && text != "" && !p.Matches(text) {
		wrong = Problem{Says: p.says}
	}
	return text, wrong
}

func checkLongText(f Field, v input.Value) (string, Problem) {
	typed, wrong := one(v)
	if wrong != (Problem{}) {
		return "", wrong
	}
	text, err := input.Lines(typed)
	if err != nil {
		return "", unclean(CheckField, err)
	}
	return text, f.tooLong(text, TooLong)
}

func checkChoice(f Field, v input.Value) (string, Problem) {
	chosen, wrong := one(v)
	if wrong == (Problem{}) && chosen != "" && !f.offers(chosen) {
		wrong = Problem{Says: NotOption}
	}
	return chosen, wrong
}

func checkChoices(f Field, v input.Value) (string, Problem) {
	for _, chosen := range v.Texts {
		if chosen != "" && !f.offers(chosen) {
			return "", Problem{Says: NotOption}
		}
	}
	var chosen []string
	for _, o := range f.Options {
		if slices.Contains(v.Texts, o.Value) {
			chosen = append(chosen, o.Value)
		}
	}
	if len(chosen) > f.Limit() {
		return "", Problem{Says: TooMany, Most: f.Limit()}
	}
	return strings.Join(chosen, Separator), Problem{}
}

// offers reports whether a value is one of the field's options.
func (f Field) offers(value string) bool {
	return slices.ContainsFunc(f.Options, func(o Option) bool { return o.Value == value })
}

// boxes are what forms say of a box.
var boxes = map[string]string{"on": "true", "true": "true", "1": "true", "yes": "true", "": "", "off": "false", "false": "false", "0": "false", "no": "false"}

// checkBox is ticked when one of what was sent says so: forms send "false" from a hidden field
// beside the box, so that it is told from one that wasn't there.
func checkBox(_ Field, v input.Value) (string, Problem) {
	if v.Kind != input.OfForm && v.Kind != input.JSONBool {
		return "", Problem{Says: NotTrueOrFalse}
	}
	said := ""
	for _, text := range v.Texts {
		is, ok := boxes[strings.ToLower(text)]
		if !ok {
			return "", Problem{Says: NotTrueOrFalse}
		}
		if is == "true" || said == "" {
			said = is
		}
	}
	return said, Problem{}
}

// The years that every CRM's dates take.
const (
	firstYear = 1700
	lastYear  = 4000
)

func checkDate(f Field, v input.Value) (string, Problem) {
	typed, wrong := line(f, v, CheckField)
	if wrong != (Problem{}) || typed == "" {
		return "", wrong
	}
	day, err := time.Parse(time.DateOnly, typed)
	if err != nil || day.Year() < firstYear || day.Year() > lastYear {
		return "", Problem{Says: NotDate}
	}
	return typed, Problem{}
}

// decimal is a number as people type it.
var decimal = regexp.MustCompile(`^([+-]?)([0-9]+)(?:[.,]([0-9]+))?$`)

// mostDigits is how many a number may have, so that it is the same in every program.
const mostDigits = 15

func checkNumber(f Field, v input.Value) (string, Problem) {
	typed, wrong := line(f, v, CheckField)
	if wrong != (Problem{}) || typed == "" {
		return "", wrong
	}
	if v.Kind == input.JSONNumber {
		typed = withoutExponent(typed)
	}
	m := decimal.FindStringSubmatch(strings.ReplaceAll(typed, "\u2212", "-"))
	if m == nil {
		return "", Problem{Says: NotNumber}
	}
	whole, part := strings.TrimLeft(m[2], "0"), strings.TrimRight(m[3], "0")
	if len(whole)+len(part) > mostDigits {
		return "", Problem{Says: NumberTooLong, Most: mostDigits}
	}
	number := max(whole, "0")
	if whole == "" {
		number = "0"
	}
	if part != "" {
		number += "." + part
	}
	if m[1] == "-" && number != "0" {
		number = "-" + number
	}
	return number, Problem{}
}

// withoutExponent is a number of JSON as people write it; what has far too many digits stays
// as it is.
func withoutExponent(number string) string {
	if !strings.ContainsAny(number, "eE") {
		return number
	}
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || n != 0 && (math.Abs(n) >= 1e15 || math.Abs(n) < 1e-15) {
		return number
	}
	return strconv.FormatFloat(n, 'f', -1, 64)
}

// phonePattern is what a telephone number looks like, in any regular expressions.
const phonePattern = `^[+]?[0-9 .\/\(\)\-]{5,40}$`

var phones = regexp.MustCompile(phonePattern)

func checkPhone(f Field, v input.Value) (string, Problem) {
	number, wrong := line(f, v, CheckField)
	if wrong != (Problem{}) || number == "" {
		return "", wrong
	}
	digits := 0
	for _, r := range number {
		if r >= '0' && r <= '9' {
			digits++
		}
	}
	if !phones.MatchString(number) || digits < 5 || digits > 20 {
		return "", Problem{Says: NotPhone}
	}
	return number, Problem{}
}

func checkCountry(f Field, v input.Value) (string, Problem) {
	typed, wrong := line(f, v, CheckField)
	if wrong != (Problem{}) || typed == "" {
		return "", wrong
	}
	code := strings.ToUpper(typed)
	if !slices.Contains(CountryCodes, code) {
		return "", Problem{Says: NotCountry}
	}
	return code, Problem{}
}

// checkHidden takes what it can: as much as there is room for, and nothing of what can't be
// stored.
func checkHidden(f Field, v input.Value) (string, Problem) {
	if len(v.Texts) == 0 {
		return "", Problem{}
	}
	text, err := input.Line(v.Texts[0])
	if err != nil {
		return "", Problem{}
	}
	if letters := []rune(text); len(letters) > f.Limit() {
		text = strings.TrimSpace(string(letters[:f.Limit()]))
	}
	return text, Problem{}
}
