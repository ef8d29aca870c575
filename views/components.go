package views

import (
	"cmp"
	"strconv"
	"strings"

	"github.com/a-h/templ"
)

// Head opens a page.
type Head struct {
	Trail    []Link // the pages above this one
	Logo     string // initial of the service that it is about; none when empty
	Title    string
	State    *Badge
	Sentence string
}

// Badge is a state in a word, with a tone (good, warn, bad or calm) and an icon.
type Badge struct{ Tone, Icon, Text string }

// Tab leads to one of several pages or views. Count is how many people need
// attention there, or how many there are.
type Tab struct {
	Text, URL string
	Count     int
	Current   bool
}

// Alert says one thing: what happened, and what it means. Its fix is a button that
// begins to connect (ConnectURL) or a link.
type Alert struct {
	Tone, Title, Text       string
	ConnectURL, ConnectText string
	LinkURL, LinkText       string
	About                   string // the service that it is about, where a page may have several
}

func (a Alert) id() string {
	if a.About != "" {
		return "alert-" + a.About
	}
	return "alert-" + a.Tone
}

func (a Alert) icon() string {
	switch a.Tone {
	case "good":
		return "ok"
	case "warn":
		return "clock"
	case "bad":
		return "alert"
	}
	return "info"
}

// Post is one place on the way of sign-ups. Cut says that the way on is cut there.
type Post struct {
	Tone, Icon, Name, Text string
	Cut                    bool
}

// Share is a part of a whole: how many, in which series (in, wait or fail).
type Share struct {
	Series, Text, URL string
	N                 int
}

type shareBar struct{ Class, X, Width string }

// shareBars lays the shares out in percent, one after the other.
func shareBars(all []Share) (bars []shareBar) {
	sum := 0
	for _, s := range all {
		sum += s.N
	}
	at := 0
	for _, s := range all {
		if s.N == 0 {
			continue
		}
		bars = append(bars, shareBar{s.Series, percent(at, sum), percent(s.N, sum)})
		at += s.N
	}
	return bars
}

func percent(n, of int) string {
	return strconv.FormatFloat(100*float64(n)/float64(max(of, 1)), 'f', 2, 64) + "%"
}

// Choice is one of several radio buttons with the same name, or a checkbox.
type Choice struct {
	Name, Value, Label, Hint string
	Checked, Checkbox        bool

	ID      string // its name and value when empty
	By      string // ids of what explains it beside the hint, as an error
	Invalid bool
	Focus   bool
}

func (c Choice) id() string { return cmp.Or(c.ID, c.Name+"-"+c.Value) }

// describedBy names the elements that explain the choice.
func (c Choice) describedBy() string {
	if c.Hint == "" {
		return c.By
	}
	return strings.TrimSpace(c.id() + "-hint " + c.By)
}

func (c Choice) inputType() string {
	if c.Checkbox {
		return "checkbox"
	}
	return "radio"
}

// StepOf is one of several steps: done, the one to do now, or a later one.
type StepOf struct {
	Number      int
	Title, Text string
	Done, Now   bool
}

func (s StepOf) class() string {
	switch {
	case s.Done:
		return "done"
	case s.Now:
		return "now"
	}
	return "later"
}

// Confirm asks before an act. Danger colours the button of what ends something.
type Confirm struct {
	CSRF, Title, Text      string
	URL, Button, CancelURL string
	Danger                 bool
}

func (c Confirm) tone() string {
	if c.Danger {
		return "danger"
	}
	return "primary"
}

// attributes are those that every kind of field has.
func (f field) attributes() templ.Attributes {
	a := templ.Attributes{}
	if !f.Optional && !f.Free {
		a["required"] = true
	}
	if f.MaxLength > 0 {
		a["maxlength"] = strconv.Itoa(f.MaxLength)
	}
	if f.Error != "" {
		a["aria-invalid"] = "true"
	}
	if by := f.describedBy(); by != "" {
		a["aria-describedby"] = by
	}
	if f.Focus {
		a["autofocus"] = true
	}
	return a
}

func flashTone(kind FlashKind) string {
	switch kind {
	case FlashSuccess:
		return "good"
	case FlashWarning:
		return "warn"
	case FlashError:
		return "bad"
	}
	return ""
}

func attentionWords(n int) string {
	if n == 1 {
		return " needs attention"
	}
	return " need attention"
}

// tenantName is the organisation in the menu, also while none is chosen.
func (p Page) tenantName() string {
	if p.Tenant == "" {
		return "Choose an organisation"
	}
	return p.Tenant
}
