package forms

import (
	"strconv"
	"strings"

	"gatepost/input"
)

// Language is one in which public pages are, by its two letters. The empty one is English.
type Language string

// The languages.
const (
	English Language = "en"
	German  Language = "de"
	French  Language = "fr"
	Spanish Language = "es"
)

// Languages are the languages with their names, in the order in which they are offered.
var Languages = []struct {
	Code Language
	Name string // in itself
}{{English, "English"}, {German, "Deutsch"}, {French, "Français"}, {Spanish, "Español"}}

// catalogues are all that Gatepost itself says to readers, by the language. A test holds that
// each says everything.
var catalogues = map[Language]map[Word]string{English: english, German: german, French: french, Spanish: spanish}

// Known reports whether there is a catalogue of a language.
func (l Language) Known() bool {
	_, ok := catalogues[l]
	return ok
}

// known is the language, or English where there is no catalogue of it.
func (l Language) known() Language {
	if l.Known() {
		return l
	}
	return English
}

// Tag is what HTML calls the language.
func (l Language) Tag() string { return string(l.known()) }

// Say returns what a word is in the language. What stands there in braces is replaced by the
// values: name, value, name, value.
func (l Language) Say(w Word, values ...string) string {
	s := catalogues[l.known()][w]
	for i := 0; i+1 < len(values); i += 2 {
		s = strings.ReplaceAll(s, "{"+values[i]+"}", values[i+1])
	}
	return s
}

func number(n int) string { return strconv.Itoa(n) }

// Word names a text of the catalogues.
type Word string

// The words of pages.
const (
	SignUp           Word = "sign up"
	EmailLabel       Word = "email label"
	FirstNameLabel   Word = "first name label"
	LastNameLabel    Word = "last name label"
	Optional         Word = "optional"
	PleaseChoose     Word = "please choose"
	PrivacyPolicy    Word = "privacy policy"
	ErrorTitle       Word = "error title"
	ErrorSummary     Word = "error summary"
	ThanksTitle      Word = "thanks title"
	ThanksText       Word = "thanks text"
	ThanksSender     Word = "thanks sender"
	PausedTitle      Word = "paused title"
	PausedText       Word = "paused text"
	ArchivedTitle    Word = "archived title"
	ArchivedText     Word = "archived text"
	FailedTitle      Word = "failed title"
	TryAgain         Word = "try again"
	BackTo           Word = "back to"
	Yes              Word = "yes"
	No               Word = "no"
	RequestNumber    Word = "request number"
	NotFoundTitle    Word = "not found title"
	NotFoundText     Word = "not found text"
	NothingStored    Word = "nothing stored"
	FailedTooOften   Word = "failed: too often"
	FailedTooMuch    Word = "failed: too much"
	FailedUnreadable Word = "failed: unreadable"
	FailedBusy       Word = "failed: busy"
	FailedSomehow    Word = "failed somehow"
	TrapLabel        Word = "trap label"
	DidYouMean       Word = "did you mean"
	AsTyped          Word = "as typed"
	AsMeant          Word = "as meant"
	ReportForm       Word = "report form"
	ReportText       Word = "report text"
	ReportWhy        Word = "report why"
	ReportSend       Word = "report send"
	ReportedTitle    Word = "reported title"
	ReportedText     Word = "reported text"
)

// The words of confirmation: of the mail and of the pages behind its link.
const (
	ConfirmTitle     Word = "confirm title" // the mail's subject, too
	ConfirmButton    Word = "confirm button"
	ConfirmText      Word = "confirm text"
	ConfirmUnsure    Word = "confirm unsure"
	ConfirmBox       Word = "confirm box"
	ConfirmedTitle   Word = "confirmed title"
	ConfirmedText    Word = "confirmed text"
	ConfirmAsk       Word = "confirm ask"
	ConfirmWithinDay Word = "confirm within a day"
	ConfirmWithin    Word = "confirm within"
	ConfirmWhy       Word = "confirm why"
	InboxTitle       Word = "inbox title"
	InboxText        Word = "inbox text"
	ExpiredTitle     Word = "expired title"
	ExpiredText      Word = "expired text"
	ResendButton     Word = "resend button"
	ResentTitle      Word = "resent title"
	ResentText       Word = "resent text"
	WaitTitle        Word = "wait title"
	WaitText         Word = "wait text"
	DeadLinkTitle    Word = "dead link title"
	DeadLinkText     Word = "dead link text"
	NotOnListTitle   Word = "not on list title"
	NotOnListText    Word = "not on list text"
)

// The words of the pages on which readers leave.
const (
	LeaveTitle       Word = "leave title"
	LeaveText        Word = "leave text"
	LeaveWhat        Word = "leave what"
	LeaveOne         Word = "leave one"
	LeaveAll         Word = "leave all"
	LeaveWhy         Word = "leave why"
	WhyTooMany       Word = "why: too many"
	WhyNotRelevant   Word = "why: not relevant"
	WhyNeverSignedUp Word = "why: never signed up"
	WhyOther         Word = "why: other"
	WhyOwnWords      Word = "why: own words"
	LeaveButton      Word = "leave button"
	LeaveUnsure      Word = "leave unsure"
	LeaveSure        Word = "leave sure"
	LeftTitle        Word = "left title"
	LeftOneText      Word = "left one text"
	LeftAllText      Word = "left all text"
	LeftMore         Word = "left more"
	LeaveRest        Word = "leave rest"
	SignUpAgain      Word = "sign up again"
	NotThereTitle    Word = "not there title"
	NotThereText     Word = "not there text"
)

// The sentences of errors.
const (
	FillIn               Word = "fill in"
	EnterEmail           Word = "enter email"
	ChooseOne            Word = "choose one"
	ChooseSome           Word = "choose some"
	TickBox              Word = "tick box"
	ConsentNeeded        Word = "consent needed"
	CheckAddress         Word = "check address"
	CheckFirstName       Word = "check first name"
	CheckLastName        Word = "check last name"
	CheckField           Word = "check field"
	AccentsInAddress     Word = "accents in address"
	LooksLikeAddress     Word = "looks like address"
	TooLongAddress       Word = "too long address"
	TooLongFirstName     Word = "too long first name"
	TooLongLastName      Word = "too long last name"
	TooLong              Word = "too long"
	TooMany              Word = "too many"
	NumberTooLong        Word = "number too long"
	NotOption            Word = "not option"
	NotDate              Word = "not date"
	NotNumber            Word = "not number"
	NotPhone             Word = "not phone"
	NotCountry           Word = "not country"
	OnlyDigits           Word = "only digits"
	OnlyLetters          Word = "only letters"
	OnlyLettersAndDigits Word = "only letters and digits"
	NotPostcode          Word = "not postcode"
	NotVAT               Word = "not vat"
	NotURL               Word = "not url"
	Twice                Word = "twice"
	NotText              Word = "not text"
	NotTexts             Word = "not texts"
	NotTrueOrFalse       Word = "not true or false"
	NotNumberValue       Word = "not a number value"
)

// causes are the words for what package input finds wrong. They go on after CheckField and its
// like.
var causes = map[input.Problem]Word{
	input.Lost:             "cause: lost",
	input.Unshowable:       "cause: unshowable",
	input.Turned:           "cause: turned",
	input.LineBreak:        "cause: line break",
	input.SeveralAddresses: "cause: several addresses",
	input.SeveralAts:       "cause: several @",
	input.Space:            "cause: space",
	input.NoAt:             "cause: no @",
	input.NoLocalPart:      "cause: no local part",
	input.NoDomain:         "cause: no domain",
	input.BadDomain:        "cause: bad domain",
	input.TooLong:          "cause: too long",
}
