package routes

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"slices"
	"strings"
	"testing"

	"gatepost/forms"
	"gatepost/input"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"
)

// What a request brings is read in body.go alone, where it is decoded strictly. Of
// JSON, only what we have written ourselves is decoded elsewhere.
func TestBodiesAreReadInOnePlace(t *testing.T) {
	readers := []string{"Body", "BodyRaw", "BodyParser", "QueryParser", "ParamsParser", "FormValue", "FormFile", "PostArgs", "MultipartForm", "PostFormValue", "RequestBodyStream", "BodyStream", "NewDecoder", "Unmarshal"}
	ours := map[string]int{"checkup.go": 1, "mapping.go": 1, "api.go": 1, "apidocs.go": 1, "apireaders.go": 1, "persondata.go": 1} // the checks, the fields of a CRM and native, as the store keeps them; our own description; a cursor of ours; what is exported of somebody, likewise as it is kept
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]int{}
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), ".go") || strings.HasSuffix(f.Name(), "_test.go") || f.Name() == "body.go" {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), f.Name(), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			s, ok := call.Fun.(*ast.SelectorExpr)
			if ok && slices.Contains(readers, s.Sel.Name) {
				found[f.Name()]++
			}
			if ok && s.Sel.Name == "TrimSpace" && len(call.Args) == 1 && calls(call.Args[0], "field") {
				t.Errorf("%s: what is typed is cleaned by package input, not by TrimSpace", f.Name())
			}
			return true
		})
	}
	for name, n := range found {
		if n != ours[name] {
			t.Errorf("%s reads a body, or decodes something, %d times", name, n)
		}
	}
	if len(found) < len(ours) {
		t.Errorf("the walk found %v", found)
	}
}

// calls reports whether a function of this name is called within an expression.
func calls(e ast.Expr, name string) (found bool) {
	ast.Inspect(e, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok {
			f, ok := call.Fun.(*ast.Ident)
			found = found || ok && f.Name == name
		}
		return true
	})
	return found
}

func TestEveryJSONProblemHasASentence(t *testing.T) {
	for _, p := range []input.JSONProblem{input.NotJSON, input.NotUTF8, input.HalfLetter, input.Unknown, input.Twice, input.Null, input.OfWrongType} {
		if jsonSentences[p] == "" {
			t.Errorf("none for %s", p)
		}
	}
}

// BenchmarkDecodeSignup is what reading and checking a form costs, of a sign-up's 73 µs.
func BenchmarkDecodeSignup(b *testing.B) {
	app, form := fiber.New(fiber.Config{Immutable: true}), forms.First("Yes.")
	for name, body := range map[string][2]string{
		"form": {fiber.MIMEApplicationForm, "email=jane.doe%40example.com&first_name=Jane&last_name=Doe"},
		"json": {fiber.MIMEApplicationJSON, `{"email":"jane.doe@example.com","first_name":"Jane","last_name":"Doe"}`},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				var ctx fasthttp.RequestCtx
				ctx.Request.Header.SetMethod(fiber.MethodPost)
				ctx.Request.Header.SetContentType(body[0])
				ctx.Request.SetBodyString(body[1])
				c := app.AcquireCtx(&ctx)
				sent, err := decodeSignup(c, form)
				if _, wrong := form.Check(sent); err != nil || len(wrong) > 0 {
					b.Fatal(wrong, err)
				}
				app.ReleaseCtx(c)
			}
		})
	}
}
