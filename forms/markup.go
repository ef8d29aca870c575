package forms

import (
	"encoding/json"
	"html"
	"slices"
	"strings"
)

// Markup is how a form is written into the pages of another site.
type Markup struct {
	Action   string   // address that the form is sent to
	Prefix   string   // begins its ids, which are unique on a page with several forms
	Language Language // of Gatepost's own words
	Privacy  string   // address of the privacy policy; empty for none
	Script   bool     // the page loads the script that answers in place
}

// HTML is the form as HTML. It needs no script and no stylesheet.
func (d Definition) HTML(m Markup) string {
	var b strings.Builder
	writeHTML(&b, d.element(m), "")
	return b.String()
}

// React is the form as a component for React, with a name of its own.
func (d Definition) React(m Markup, name string) string {
	var b strings.Builder
	b.WriteString("export function " + name + "() {\n  return (\n")
	writeJSX(&b, d.element(m), "    ")
	b.WriteString("  );\n}\n")
	return b.String()
}

// element is a part of a form, from which HTML and JSX are written. Without a tag it is a text.
type element struct {
	tag   string
	attrs []attribute
	text  string
	block bool // its children have lines of their own
	parts []element
}

// attribute is one of an element's; a bare one has no value.
type attribute struct {
	name, value string
	bare        bool
}

func is(name, value string) attribute { return attribute{name: name, value: value} }
func bare(name string) attribute      { return attribute{name: name, bare: true} }

func (e element) with(attrs ...attribute) element {
	e.attrs = append(slices.Clone(e.attrs), attrs...)
	return e
}

// inline is an element whose parts stand in one line.
func inline(tag string, parts ...element) element { return element{tag: tag, parts: parts} }

// block is one whose parts have lines of their own.
func block(tag string, parts ...element) element {
	return element{tag: tag, parts: parts, block: true}
}

func text(s string) element { return element{text: s} }

func inputOf(kind, name string) element {
	return inline("input").with(is("type", kind), is("name", name))
}

func (d Definition) element(m Markup) element {
	form := block("form").with(is("method", "post"), is("action", m.Action), is("accept-charset", "utf-8"), is("lang", m.Language.Tag()))
	if m.Script {
		form = form.with(bare("data-gatepost"))
	}
	form.parts = append(form.parts, inputOf("hidden", VersionKey).with(is("value", number(d.Version))))
	for _, f := range d.Shown() {
		form.parts = append(form.parts, m.field(f)...)
	}
	form.parts = append(form.parts, m.consent(d.Consent)...)
	if m.Privacy != "" {
		form.parts = append(form.parts, inline("p", inline("a", text(m.Language.Say(PrivacyPolicy))).with(is("href", m.Privacy))))
	}
	says := d.Button
	if says == "" {
		says = m.Language.Say(SignUp)
	}
	form.parts = append(form.parts, inline("p", inline("button", text(says)).with(is("type", "submit"))))
	return form
}

// consent is what a reader agrees to: a box to tick, or the words before the button.
func (m Markup) consent(c Consent) []element {
	switch {
	case c.Words == "":
		return nil
	case c.Box:
		return []element{inline("p", inline("label", inputOf("checkbox", ConsentKey).with(is("value", "true"), bare("required")), text(" "+c.Words)))}
	}
	return []element{inline("p", text(c.Words))}
}

// field is what a form has of a field.
func (m Markup) field(f Field) []element {
	switch f.Type {
	case Hidden:
		return []element{inputOf("hidden", f.Key).with(is("data-from", f.From))}
	case Choices:
		return []element{m.boxes(f)}
	case Checkbox:
		return m.box(f)
	}
	label := []element{text(m.label(f)), inline("br"), m.control(f)}
	p := inline("p", inline("label", label...))
	if f.Type == Choice || f.Type == Country {
		p = block("p", block("label", label...))
	}
	p.parts = append(p.parts, m.help(f)...)
	return []element{p}
}

// label is the field's, or the language's own word; it says where nothing has to be filled in.
func (m Markup) label(f Field) string {
	if f.Required {
		return f.Name(m.Language)
	}
	return f.Name(m.Language) + " " + m.Language.Say(Optional)
}

// help is the text that explains the field.
func (m Markup) help(f Field) []element {
	if f.Help == "" {
		return nil
	}
	return []element{inline("br"), inline("small", text(f.Help)).with(is("id", m.helpID(f)))}
}

func (m Markup) helpID(f Field) string { return m.Prefix + "-" + f.Key + "-help" }

// described says which text explains the field.
func (m Markup) described(e element, f Field) element {
	if f.Help == "" {
		return e
	}
	return e.with(is("aria-describedby", m.helpID(f)))
}

// boxes are several choices. HTML can't say that one of them is needed.
func (m Markup) boxes(f Field) element {
	set := m.described(block("fieldset", inline("legend", text(m.label(f)))), f)
	for i, o := range f.Options {
		if i > 0 {
			set.parts = append(set.parts, inline("br"))
		}
		set.parts = append(set.parts, inline("label", inputOf("checkbox", f.Key).with(is("value", o.Value)), text(" "+o.Label)))
	}
	set.parts = append(set.parts, m.help(f)...)
	return set
}

// box is one that may be ticked. Where it needn't be, the form says that it wasn't.
func (m Markup) box(f Field) (parts []element) {
	tick := m.described(inputOf("checkbox", f.Key).with(is("value", "true")), f)
	if f.Required {
		tick = tick.with(bare("required"))
	} else {
		parts = append(parts, inputOf("hidden", f.Key).with(is("value", "false")))
	}
	// What one ticks or not is optional without a word.
	p := inline("p", inline("label", tick, text(" "+f.Name(m.Language))))
	p.parts = append(p.parts, m.help(f)...)
	return append(parts, p)
}

// control is what a field is filled in with.
func (m Markup) control(f Field) element {
	var e element
	switch f.Type {
	case LongText:
		e = inline("textarea").with(is("name", f.Key), is("rows", "4"))
	case Choice, Country:
		options := f.Options
		if f.Type == Country {
			options = Countries(m.Language)
		}
		e = block("select", inline("option", text(m.Language.Say(PleaseChoose))).with(is("value", ""))).with(is("name", f.Key))
		for _, o := range options {
			e.parts = append(e.parts, inline("option", text(o.Label)).with(is("value", o.Value)))
		}
	default:
		e = inputOf(inputTypes[f.Type], f.Key)
	}
	if f.Type == Number {
		e = e.with(is("inputmode", "decimal"))
	}
	if p, ok := PatternNamed(f.Pattern); ok {
		if p.Keys != "" {
			e = e.with(is("inputmode", p.Keys))
		}
		e = e.with(is("pattern", p.HTML), is("title", p.Says(m.Language)))
	}
	if most := f.Limit(); most > 0 && f.Type != Number && f.Type != Date && e.tag != "select" {
		e = e.with(is("maxlength", number(most)))
	}
	if f.Placeholder != "" && e.tag != "select" && f.Type != Date {
		e = e.with(is("placeholder", f.Placeholder))
	}
	if purpose := f.Autocomplete(); purpose != "" {
		e = e.with(is("autocomplete", purpose))
	}
	e = m.described(e, f)
	if f.Required {
		e = e.with(bare("required"))
	}
	return e
}

// inputTypes are what HTML calls the fields of one line. A number is a text: browsers read
// numbers in ways of their own.
var inputTypes = map[Type]string{Email: "email", Name: "text", Text: "text", Date: "date", Number: "text", Phone: "tel"}

// void are the elements that have no end.
var void = []string{"input", "br"}

func writeHTML(b *strings.Builder, e element, indent string) {
	b.WriteString(indent)
	if e.block && len(e.parts) > 0 {
		writeTag(b, e, htmlAttribute)
		b.WriteString(">\n")
		for _, part := range e.parts {
			writeHTML(b, part, indent+"  ")
		}
		b.WriteString(indent + "</" + e.tag + ">\n")
		return
	}
	writeLine(b, e)
	b.WriteByte('\n')
}

// writeLine writes an element in one line.
func writeLine(b *strings.Builder, e element) {
	if e.tag == "" {
		b.WriteString(html.EscapeString(e.text))
		return
	}
	writeTag(b, e, htmlAttribute)
	b.WriteByte('>')
	for _, part := range e.parts {
		writeLine(b, part)
	}
	if !slices.Contains(void, e.tag) {
		b.WriteString("</" + e.tag + ">")
	}
}

func writeTag(b *strings.Builder, e element, write func(attribute) string) {
	b.WriteString("<" + e.tag)
	for _, a := range e.attrs {
		b.WriteString(" " + write(a))
	}
}

func htmlAttribute(a attribute) string {
	if a.bare {
		return a.name
	}
	return a.name + `="` + html.EscapeString(a.value) + `"`
}

// jsxNames are the attributes that React calls otherwise.
var jsxNames = map[string]string{"accept-charset": "acceptCharset", "autocomplete": "autoComplete", "inputmode": "inputMode", "maxlength": "maxLength"}

func writeJSX(b *strings.Builder, e element, indent string) {
	b.WriteString(indent)
	writeJSXPart(b, e, indent)
	b.WriteByte('\n')
}

func writeJSXPart(b *strings.Builder, e element, indent string) {
	if e.tag == "" {
		b.WriteString(jsxText(e.text))
		return
	}
	writeTag(b, e, jsxAttribute)
	if slices.Contains(void, e.tag) || len(e.parts) == 0 {
		b.WriteString(" />")
		return
	}
	b.WriteByte('>')
	if e.block {
		b.WriteByte('\n')
	}
	for _, part := range e.parts {
		if e.block {
			writeJSX(b, part, indent+"  ")
		} else {
			writeJSXPart(b, part, indent)
		}
	}
	if e.block {
		b.WriteString(indent)
	}
	b.WriteString("</" + e.tag + ">")
}

func jsxAttribute(a attribute) string {
	name := a.name
	if own, ok := jsxNames[name]; ok {
		name = own
	}
	if a.bare {
		return name
	}
	return name + "=" + jsxValue(a.value)
}

// jsxValue is a value as JSX has it: as a string of JavaScript where one of its signs means
// something in JSX.
func jsxValue(value string) string {
	if strings.ContainsAny(value, "\"&{}<>\\\n") {
		return "{" + javaScript(value) + "}"
	}
	return `"` + value + `"`
}

// jsxText is a text as JSX has it, likewise. Spaces at its ends count.
func jsxText(s string) string {
	if s != strings.TrimSpace(s) || strings.ContainsAny(s, "&{}<>\\\n") {
		return "{" + javaScript(s) + "}"
	}
	return s
}

// javaScript is a text as a string of JavaScript. What could end a script is escaped.
func javaScript(s string) string {
	b, err := json.Marshal(s)
	if err != nil { // a string can be written, always
		panic(err)
	}
	return string(b)
}
