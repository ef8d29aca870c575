package forms

import (
	"slices"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"
)

// everything is a form with a field of each kind, and texts that mean something in HTML and
// in JavaScript.
func everything() Definition {
	const evil = `"Böse" & {<b>}</script>`
	d := First("I agree to " + evil)
	d.Version = 7
	options := []Option{{"a", evil}, {"b & c", "B"}}
	d.Fields = append(d.Fields,
		Field{ID: "t", Key: "company", Type: Text, Label: evil, Help: evil, Placeholder: evil, Purpose: "organization", Most: 50},
		Field{ID: "p", Key: "zip", Type: Text, Label: "Postcode", Pattern: "postcode", Required: true},
		Field{ID: "l", Key: "why", Type: LongText, Label: "Why"},
		Field{ID: "c", Key: "plan", Type: Choice, Label: "Plan", Options: options, Required: true},
		Field{ID: "m", Key: "topics", Type: Choices, Label: "Topics", Options: options, Help: "As many as you like."},
		Field{ID: "b", Key: "calls", Type: Checkbox, Label: "Call me", Help: "In the morning."},
		Field{ID: "n", Key: "terms", Type: Checkbox, Label: "Terms", Required: true},
		Field{ID: "d", Key: "since", Type: Date, Label: "Since"},
		Field{ID: "i", Key: "seats", Type: Number, Label: "Seats"},
		Field{ID: "f", Key: "phone", Type: Phone, Label: "Phone"},
		Field{ID: "o", Key: "country", Type: Country, Label: "Country"},
		Field{ID: "h", Key: "utm_source", Type: Hidden, From: "utm_source"},
		Field{ID: "x", Key: "gone", Type: Text, Label: "Gone", Deleted: true, Required: true},
	)
	return d
}

var markup = Markup{Action: "https://gatepost.example/signup/news?a=1&b=2", Prefix: "news", Language: German, Privacy: "https://contoso.example/privacy"}

// What is pasted into a page is the whole form, and nothing that an admin typed is more than a
// text in it.
func TestHTMLOfAForm(t *testing.T) {
	d := everything()
	for _, box := range []bool{false, true} {
		d.Consent.Box = box
		source := d.HTML(markup)
		page, err := goquery.NewDocumentFromReader(strings.NewReader(source))
		if err != nil {
			t.Fatal(err)
		}
		again, err := page.Find("body").Html() // a mistake would be mended by the parser
		if err != nil || unquoted.Replace(strings.TrimSpace(again)) != unquoted.Replace(strings.TrimSpace(source)) {
			t.Errorf("it is read as something else:\n%s\n%s", source, again)
		}
		form := page.Find("body > form")
		if form.Length() != 1 || form.AttrOr("action", "") != markup.Action || form.AttrOr("lang", "") != "de" || page.Find("b, script").Length() > 0 {
			t.Errorf("the form is %s", source)
		}
		names := map[string]string{}
		form.Find("input, select, textarea").Each(func(_ int, s *goquery.Selection) {
			name, kind := s.AttrOr("name", ""), s.AttrOr("type", goquery.NodeName(s))
			names[name] = kind
			if kind != "hidden" && s.Closest("label").Length() != 1 {
				t.Errorf("%s has no label", name)
			}
			if id, has := s.Attr("aria-describedby"); has && page.Find("[id='"+id+"']").Length() != 1 {
				t.Errorf("%s is explained by nothing", name)
			}
		})
		for _, f := range d.Shown() {
			if names[f.Key] == "" {
				t.Errorf("%s is missing", f.Key)
			}
		}
		if names["gone"] != "" || names[VersionKey] != "hidden" || names["utm_source"] != "hidden" || (names[ConsentKey] == "checkbox") != box {
			t.Errorf("fields are %v", names)
		}
		for _, want := range []string{
			`input[name=email][type=email][maxlength="80"][autocomplete=email][required]`,
			`input[name=first_name][type=text][maxlength="40"][autocomplete=given-name]:not([required])`,
			`input[name=company][maxlength="50"][autocomplete=organization][aria-describedby=news-company-help][placeholder]`,
			`input[name=zip][pattern][title][required]`, `textarea[name=why]`, `select[name=plan][required] > option[value="b & c"]`, `select[name=plan] > option[value=""]`,
			`fieldset[aria-describedby=news-topics-help] input[type=checkbox][name=topics][value=a]`, `input[type=hidden][name=calls][value=false]`, `input[type=checkbox][name=terms][required]`,
			`input[name=since][type=date]`, `input[name=seats][inputmode=decimal]`, `input[name=phone][type=tel]`, `select[name=country] > option[value=DE]`, `input[name=utm_source][data-from=utm_source]`,
			`input[name=form_version][value="7"]`, `a[href="https://contoso.example/privacy"]`, `button[type=submit]`} {
			if form.Find(want).Length() != 1 {
				t.Errorf("there is no %s", want)
			}
		}
		if box && form.Find(`input[name=consent][required]`).Length() != 1 || !strings.Contains(form.Text(), d.Consent.Words) || form.Find("button").Text() != "Anmelden" {
			t.Errorf("consent or button is another: %s", form.Text())
		}
	}
}

// unquoted makes two ways to write a text in HTML one.
var unquoted = strings.NewReplacer(`=""`, "", "<br/>", "<br>", "/>", ">", "&#34;", `"`, "&#39;", "'", "&gt;", ">", "&quot;", `"`)

// The component has what the form in HTML has.
func TestReactOfAForm(t *testing.T) {
	source := everything().React(markup, "NewsForm")
	for _, want := range []string{"export function NewsForm() {\n  return (\n    <form ", ` acceptCharset="utf-8"`, ` autoComplete="email"`, ` maxLength="80"`, ` required />`, `inputMode="decimal"`,
		`{"\"Böse\" \u0026 {\u003cb\u003e}\u003c/script\u003e`, `<option value="a">`, `<input type="hidden" name="form_version" value="7" />`, `data-from="utm_source"`, "<textarea name=\"why\" rows=\"4\" maxLength=\"2000\" />"} {
		if !strings.Contains(source, want) {
			t.Errorf("%s is missing in %s", want, source)
		}
	}
	for _, wrong := range []string{"</script>", "autocomplete", "maxlength", "<br>", "for="} {
		if strings.Contains(source, wrong) {
			t.Errorf("%s is in %s", wrong, source)
		}
	}
}

// The script for other sites fills in each source, and knows no other. It never changes, so a
// new source is a new version of it.
func TestFormsTellWhereHiddenFieldsComeFrom(t *testing.T) {
	for _, s := range Sources {
		if !slices.Contains([]string{"utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content", "campaign", "page", "referrer"}, s.Name) {
			t.Errorf("version 1 of the script for other sites doesn't know %s", s.Name)
		}
	}
}
