package cli

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
)

func TestNewsletters(t *testing.T) {
	environ := []string{"GATEPOST_DATABASE=" + filepath.Join(t.TempDir(), "gatepost.db")}
	add := func(more ...string) []string { return append([]string{"newsletter", "add"}, more...) }
	for _, step := range []struct {
		args       []string
		code       int
		out, error string
	}{
		{[]string{"newsletter", "ls"}, 1, "", "there is no database at "},
		{add("news", "--tenant", "contoso", "--name", "News"), 1, "", "there is no database at "},
		{[]string{"tenant", "add", "contoso"}, 0, "Added tenant contoso", ""},
		{[]string{"tenant", "add", "fabrikam"}, 0, "Added tenant fabrikam", ""},
		{add("product-news"), 2, "", `required flag(s) "name", "tenant" not set`},
		{add("--tenant", "contoso", "--name", "News"), 2, "", "accepts 1 arg"},
		{add("Product News", "--tenant", "contoso", "--name", "News"), 1, "", "A URL name has"},
		{add("signup", "--tenant", "contoso", "--name", "News"), 1, "", "kept for the service"},
		{add("product-news", "--tenant", "contoso", "--name", " "), 1, "", "Please enter a name"},
		{add("product-news", "--tenant", "contoso", "--name", "News", "--language", "xx"), 1, "", `There is no language "xx": choose one of en, de, fr, es.`},
		{add("product-news", "--tenant", "nobody", "--name", "News"), 1, "", `there is no tenant "nobody"`},
		{add("contoso-weekly", "--tenant", "fabrikam", "--name", "News"), 1, "", "is taken"},
		{add("product-news", "--tenant", "contoso", "--name", "Product News", "--language", "de", "--sender", "Maria"), 0, "Added newsletter product-news (Product News) to contoso. Its form is at /signup/product-news.\n", ""},
		{add("product-news", "--tenant", "contoso", "--name", "Product News"), 1, "", "is taken"},
		{[]string{"newsletter", "ls"}, 0, "product-news     contoso   Product News     de        open   ", ""},
		{[]string{"newsletter", "ls", "--tenant", "nobody"}, 1, "", `there is no tenant "nobody"`},
	} {
		code, out, errOut := command(t, "", environ, step.args...)
		if code != step.code || !strings.Contains(out, step.out) || !strings.Contains(errOut, step.error) {
			t.Errorf("%v: exit %d\n%s%s", step.args, code, out, errOut)
		}
	}
	var rows []newsletterRow
	if _, out, _ := command(t, "", environ, "newsletter", "ls", "--tenant", "contoso", "-o", "json"); json.Unmarshal([]byte(out), &rows) != nil || len(rows) != 2 ||
		rows[1].Slug != "product-news" || rows[1].Tenant != "contoso" || rows[1].Name != "Product News" || rows[1].Language != "de" || rows[1].State != "open" || rows[1].CreatedAt.IsZero() {
		t.Errorf("%+v", rows)
	}
}
