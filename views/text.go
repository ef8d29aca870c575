package views

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/a-h/templ"
)

// htmxConfig goes into the meta tag "htmx-config". Bodies of 422 replace the
// form they belong to; those of any other failure go to the region "problem", so
// that what polls goes on polling. Nothing is kept in the browser's storage.
const htmxConfig = `{"includeIndicatorStyles":false,"allowEval":false,"selfRequestsOnly":true,"historyCacheSize":0,` +
	`"responseHandling":[{"code":"204","swap":false},{"code":"[23]..","swap":true},{"code":"422","swap":true},` +
	`{"code":"[45]..","swap":true,"error":true,"target":"#problem","swapOverride":"innerHTML"}]}`

// Version changes whenever the card would look different.
func (i Integration) Version() string {
	i.CSRF, i.Login, i.MyDomain, i.LoginError, i.LastArrival = "", "", "", "", time.Time{}
	return i.seenState() + "." + digest(i)
}

// seenState is the state as the pill tells it.
func (i Integration) seenState() string {
	if i.failing() {
		return "failing"
	}
	return string(i.State)
}

// failing reports whether the card says that the connection can't be renewed.
func (i Integration) failing() bool { return i.Failing && i.State == Connected }

// changedState says whether the state is another one than in the version seen.
func (i Integration) changedState(seen string) bool {
	state, _, _ := strings.Cut(seen, ".")
	return state != i.seenState()
}

// news tells the state in a sentence, for screen readers.
func (i Integration) news() string {
	switch i.State {
	case Connected:
		if i.Failing {
			return "The connection to " + i.Name + " can’t be renewed. " + i.Reason
		}
		return i.Name + " is connected."
	case ConnectionBroken:
		return "The connection to " + i.Name + " is lost. " + i.Reason
	case ConnectionHeld:
		return "The " + i.Name + " " + i.orgWord() + " waits for your decision."
	default:
		return i.Name + " is not connected."
	}
}

// orgWord is what people call the service's orgs.
func (i Integration) orgWord() string {
	if i.Other {
		return "account"
	}
	return "organisation"
}

// elsewhere tells who else has the org that waits, as far as the reader may know.
func (h HeldConnection) elsewhere() string {
	names := strings.Join(h.ElsewhereNames, ", ")
	switch unknown := h.Elsewhere - len(h.ElsewhereNames); {
	case names == "":
		return "Somebody else who uses this service is connected to it, or has sent sign-ups there."
	case unknown == 0:
		return "It is connected to, or has sign-ups of: " + names + ", where you are a member too."
	default:
		return "It is connected to, or has sign-ups of: " + names + ", where you are a member too, and somebody else."
	}
}

func (i Integration) path(action string) templ.SafeURL {
	return servicePath(i.Service, action)
}

func (i Integration) cardURL() string {
	return string(i.path("card")) + "?seen=" + url.QueryEscape(i.Version())
}

// places are where one may log in, with the one that was chosen, or the first.
func (i Integration) places() []Choice {
	all := slices.Clone(i.Logins.Places)
	for n := range all {
		all[n].Name, all[n].Checked = "login", all[n].Value == i.Login || i.Login == "" && n == 0
	}
	return all
}

// balance says in a sentence whether everybody who was received is still here.
func (t Totals) balance() string {
	s := t.sentence() + " Difference: " + number(t.Difference) + "."
	if t.Repeated > 0 {
		s += " " + count(t.Repeated, "repeated sign-up", "repeated sign-ups") + " of people who were there already."
	}
	return s
}

// sentence is the sum in words.
func (t Totals) sentence() string {
	var terms []string
	for _, s := range t.States {
		if s.State.Main || s.N > 0 {
			terms = append(terms, number(s.N)+" "+s.State.Sum)
		}
	}
	return count(t.New, "new sign-up", "new sign-ups") + " received = " + strings.Join(terms, " + ") + "."
}

// recounted are the numbers of a recount with their words, in order.
func (t Totals) recounted() (facts []recounted) {
	for _, s := range t.States {
		i := slices.IndexFunc(facts, func(f recounted) bool { return f.words == s.State.Recounted })
		if i < 0 {
			i, facts = len(facts), append(facts, recounted{words: s.State.Recounted})
		}
		facts[i].n += s.N
	}
	return facts
}

type recounted struct {
	words string
	n     int
}

func balanceIcon(t Totals) string {
	if t.Difference == 0 {
		return "ok"
	}
	return "alert"
}

func servicePath(service, action string) templ.SafeURL {
	return templ.SafeURL("/integrations/" + url.PathEscape(service) + "/" + action)
}

func signupPath(slug string) templ.SafeURL {
	return templ.SafeURL("/signup/" + url.PathEscape(slug))
}

// digest is a short hash of a model.
func digest(model any) string {
	b, err := json.Marshal(model)
	if err != nil { // a view model holds nothing that JSON can't
		panic(err)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:8])
}

// machine writes a time for a datetime attribute.
func machine(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// count writes a number with its noun: "1 sign-up", "2,500 sign-ups".
func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return number(n) + " " + many
}

// number groups the digits of n by thousands.
func number(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// wait writes a duration for people, rounded up: "20 seconds", "2 minutes".
func wait(d time.Duration) string {
	if d <= time.Minute {
		return count(ceil(d, time.Second), "second", "seconds")
	}
	return count(ceil(d, time.Minute), "minute", "minutes")
}

func ceil(d, unit time.Duration) int { return int((d + unit - 1) / unit) }

// Number groups the digits of n by thousands.
func Number(n int) string { return number(n) }

// Wait writes a duration for people, rounded up: "20 seconds", "2 minutes".
func Wait(d time.Duration) string { return wait(d) }

// initial is what stands for a service without a logo.
func initial(name string) string {
	_, size := utf8.DecodeRuneInString(name)
	return name[:size]
}
