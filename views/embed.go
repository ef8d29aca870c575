package views

import (
	"fmt"
	"html"
)

// frameSnippet shows the form in a frame of somebody's site.
func (n Newsletter) frameSnippet() string {
	return fmt.Sprintf(`<iframe src="%s" title="Sign up for %s" width="100%%" height="640" style="border: 0"></iframe>`,
		html.EscapeString(n.FormURL), html.EscapeString(n.Name))
}

// formSnippet is a form for somebody's site, which they style themselves. Its fields are
// those of the public form; their addresses and lengths are in docs/signup.md.
func (n Newsletter) formSnippet() string {
	consent := ""
	if n.Consent != "" {
		consent = "  <p>" + html.EscapeString(n.Consent) + "</p>\n"
	}
	return `<form method="post" action="` + html.EscapeString(n.FormURL) + `" accept-charset="utf-8">
  <label>E-mail address <input type="email" name="email" maxlength="80" autocomplete="email" required></label>
  <label>First name <input name="first_name" maxlength="40" autocomplete="given-name"></label>
  <label>Last name <input name="last_name" maxlength="80" autocomplete="family-name"></label>
` + consent + `  <button type="submit">Sign up</button>
</form>`
}
