package routes

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"gatepost/static"
	"gatepost/views"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/gofiber/fiber/v2"
)

// The page that shows the API's description, for a person. It is made once.

// entries are the members of a JSON object, in their order.
type entries[V any] []entry[V]

type entry[V any] struct {
	Name  string
	Value V
}

// UnmarshalJSONFrom reads them.
func (e *entries[V]) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	if _, err := d.ReadToken(); err != nil { // the opening brace
		return err
	}
	for d.PeekKind() == '"' {
		token, err := d.ReadToken()
		if err != nil {
			return err
		}
		one := entry[V]{Name: token.String()}
		if err := jsonv2.UnmarshalDecode(d, &one.Value); err != nil {
			return err
		}
		*e = append(*e, one)
	}
	_, err := d.ReadToken() // the closing one
	return err
}

// find is the value of a name.
func (e entries[V]) find(name string) (v V) {
	for _, one := range e {
		if one.Name == name {
			return one.Value
		}
	}
	return v
}

// apiDocument is what the page shows of the description.
type apiDocument struct {
	Info struct {
		Title       string `json:"title"`
		Summary     string `json:"summary"`
		Description string `json:"description"`
	} `json:"info"`
	Tags []struct {
		Name        string `json:"name"`
		Description string `json:"description"`
	} `json:"tags"`
	Paths      entries[entries[apiOperation]] `json:"paths"`
	Components struct {
		Headers   entries[apiParameter] `json:"headers"`
		Responses entries[apiResponse]  `json:"responses"`
		Schemas   entries[apiSchema]    `json:"schemas"`
	} `json:"components"`
}

type apiOperation struct {
	ID          string               `json:"operationId"`
	Tags        []string             `json:"tags"`
	Summary     string               `json:"summary"`
	Description string               `json:"description"`
	Security    []entries[[]string]  `json:"security"`
	Parameters  []apiParameter       `json:"parameters"`
	Body        *apiResponse         `json:"requestBody"`
	Responses   entries[apiResponse] `json:"responses"`
}

type apiParameter struct {
	Ref         string    `json:"$ref"`
	Name        string    `json:"name"`
	In          string    `json:"in"`
	Description string    `json:"description"`
	Schema      apiSchema `json:"schema"`
}

// apiResponse is an answer, or the body of a request.
type apiResponse struct {
	Ref         string                `json:"$ref"`
	Description string                `json:"description"`
	Headers     entries[apiParameter] `json:"headers"`
	Content     entries[struct {
		Schema   apiSchema `json:"schema"`
		Examples entries[struct {
			Summary string         `json:"summary"`
			Value   jsontext.Value `json:"value"`
		}] `json:"examples"`
	}] `json:"content"`
}

type apiSchema struct {
	Ref         string             `json:"$ref"`
	Type        jsontext.Value     `json:"type"` // a name, or a list of them
	Format      string             `json:"format"`
	Description string             `json:"description"`
	Enum        []string           `json:"enum"`
	Items       *apiSchema         `json:"items"`
	Properties  entries[apiSchema] `json:"properties"`
	Required    []string           `json:"required"`
	Minimum     *int64             `json:"minimum"`
	Maximum     *int64             `json:"maximum"`
	MaxLength   *int64             `json:"maxLength"`
	MaxItems    *int64             `json:"maxItems"`
	Default     jsontext.Value     `json:"default"`
	More        jsontext.Value     `json:"additionalProperties"` // a schema, true or false
}

// apiDocs handles GET /api/v1/docs.
func (s *server) apiDocs(c *fiber.Ctx) error {
	page, err := apiDocsPage()
	if err != nil {
		return err
	}
	body, encoding := page.Encode(c.Get(fiber.HeaderAcceptEncoding))
	c.Set(fiber.HeaderContentType, page.ContentType)
	c.Vary(fiber.HeaderAcceptEncoding)
	if encoding != "" {
		c.Set(fiber.HeaderContentEncoding, encoding)
	}
	return c.Send(body)
}

// apiDocsPage is the page with the description, the same for every portal of a process.
// Compressing it takes longer than all else that a portal does before it serves, and few
// ask for it: so it is made when the first does.
var apiDocsPage = sync.OnceValues(func() (static.Asset, error) {
	var doc apiDocument
	if err := jsonv2.Unmarshal(openAPI, &doc); err != nil {
		return static.Asset{}, fmt.Errorf("the API's description: %w", err)
	}
	p, err := doc.page()
	if err != nil {
		return static.Asset{}, fmt.Errorf("the API's description: %w", err)
	}
	p.Page = views.Page{Title: "HTTP API", Assets: assets()}
	var html bytes.Buffer
	if err := views.API(p).Render(context.Background(), &html); err != nil {
		return static.Asset{}, err
	}
	return static.Page(html.Bytes())
})

// page is what the page shows.
func (d apiDocument) page() (views.APIPage, error) {
	p := views.APIPage{JSON: apiPath + "/openapi.json", Summary: d.Info.Summary, Intro: apiTexts(d.Info.Description)}
	for _, tag := range d.Tags {
		p.Groups = append(p.Groups, views.APIGroup{Name: tag.Name, Text: tag.Description})
	}
	for _, path := range d.Paths {
		for _, o := range path.Value {
			shown, err := d.operation(strings.ToUpper(o.Name), path.Name, o.Value)
			if err != nil {
				return p, fmt.Errorf("%s: %w", o.Value.ID, err)
			}
			for i := range p.Groups {
				if p.Groups[i].Name == o.Value.Tags[0] {
					p.Groups[i].Operations = append(p.Groups[i].Operations, shown)
				}
			}
		}
	}
	for _, r := range d.Components.Responses {
		a, err := d.answer(d.statusOf(r.Name), r.Value)
		if err != nil {
			return p, fmt.Errorf("%s: %w", r.Name, err)
		}
		a.Name = r.Name
		p.Errors = append(p.Errors, a)
	}
	slices.SortStableFunc(p.Errors, func(a, b views.APIAnswer) int { return strings.Compare(a.Status, b.Status) })
	asked := d.asked()
	for _, one := range d.Components.Schemas {
		p.Schemas = append(p.Schemas, views.APISchema{Name: one.Name, Text: one.Value.Description, Values: one.Value.Enum, Fields: d.fields(one.Value, asked[one.Name])})
	}
	slices.SortFunc(p.Schemas, func(a, b views.APISchema) int { return strings.Compare(a.Name, b.Name) })
	return p, nil
}

// asked are the schemas of what requests bring.
func (d apiDocument) asked() map[string]bool {
	names := map[string]bool{}
	for _, path := range d.Paths {
		for _, o := range path.Value {
			if o.Value.Body != nil {
				names[apiType(o.Value.Body.Content[0].Value.Schema).Schema] = true
			}
		}
	}
	return names
}

// rights are what a key has to allow: one of them is enough.
func (o apiOperation) rights() string {
	var all []string
	for _, s := range o.Security {
		all = append(all, strings.Join(s.find("key"), ", "))
	}
	return strings.Join(all, " or ")
}

// apiTexts are the headings and paragraphs of a text in Markdown.
func apiTexts(markdown string) (all []views.APIText) {
	for _, part := range strings.Split(markdown, "\n\n") {
		if heading, ok := strings.CutPrefix(part, "## "); ok {
			all = append(all, views.APIText{Heading: heading})
		} else {
			all = append(all, views.APIText{Text: part})
		}
	}
	return all
}

func (d apiDocument) operation(method, path string, o apiOperation) (views.APIOperation, error) {
	shown := views.APIOperation{ID: o.ID, Method: method, Path: apiPath + path, Summary: o.Summary, Text: o.Description, Right: o.rights()}
	for _, p := range o.Parameters {
		f := apiField(p.Name, p.Schema)
		f.Text, f.Notes = p.Description, append(f.Notes, "in the "+p.In)
		shown.Parameters = append(shown.Parameters, f)
	}
	if o.Body != nil {
		body, err := d.answer("", *o.Body)
		if err != nil {
			return shown, err
		}
		shown.Body = &body.Content
	}
	for _, r := range o.Responses {
		if name, shared := strings.CutPrefix(r.Value.Ref, "#/components/responses/"); shared {
			shown.Errors = append(shown.Errors, views.APIError{Name: name, Status: statusText(r.Name), Text: d.Components.Responses.find(name).Description})
			continue
		}
		var err error
		if shown.Answer, err = d.answer(r.Name, r.Value); err != nil {
			return shown, err
		}
	}
	return shown, nil
}

// statusOf is the status with which operations answer as a shared response says.
func (d apiDocument) statusOf(name string) string {
	for _, path := range d.Paths {
		for _, o := range path.Value {
			for _, r := range o.Value.Responses {
				if r.Value.Ref == "#/components/responses/"+name {
					return r.Name
				}
			}
		}
	}
	return ""
}

func statusText(status string) string {
	n, err := strconv.Atoi(status)
	if err != nil {
		return ""
	}
	return status + " " + http.StatusText(n)
}

// answer is an answer with a status, or the body of a request.
func (d apiDocument) answer(status string, r apiResponse) (views.APIAnswer, error) {
	a := views.APIAnswer{Status: statusText(status), Text: r.Description}
	for _, h := range r.Headers {
		if h.Name == "X-Request-ID" { // of every answer: said once, in the text
			continue
		}
		header := d.Components.Headers.find(h.Name)
		f := apiField(h.Name, header.Schema)
		f.Text = header.Description
		a.Headers = append(a.Headers, f)
	}
	for _, content := range r.Content {
		a.Content.Type = apiType(content.Value.Schema)
		for _, e := range content.Value.Examples {
			var text bytes.Buffer
			if err := json.Indent(&text, e.Value.Value, "", "  "); err != nil {
				return a, fmt.Errorf("the example %s: %w", e.Name, err)
			}
			name := strings.ReplaceAll(e.Name, "_", " ")
			if e.Value.Summary != "" {
				name = e.Value.Summary
			}
			a.Content.Examples = append(a.Content.Examples, views.APIExample{Name: name, Text: text.String()})
		}
	}
	return a, nil
}

// fields are those of a schema: of what a request brings, or of an answer.
func (d apiDocument) fields(of apiSchema, asked bool) (all []views.APIField) {
	for _, p := range of.Properties {
		f := apiField(p.Name, p.Value)
		f.Text = cmp.Or(p.Value.Description, d.Components.Schemas.find(f.Type.Schema).Description)
		switch required := slices.Contains(of.Required, p.Name); {
		case asked && required:
			f.Notes = append([]string{"required"}, f.Notes...)
		case !asked && !required:
			f.Notes = append([]string{"may be missing"}, f.Notes...)
		}
		all = append(all, f)
	}
	return all
}

// apiField is a value and what bounds it.
func apiField(name string, of apiSchema) views.APIField {
	f := views.APIField{Name: name, Type: apiType(of), Values: of.Enum}
	switch {
	case of.Minimum != nil && of.Maximum != nil:
		f.Notes = append(f.Notes, fmt.Sprintf("%d to %d", *of.Minimum, *of.Maximum))
	case of.Minimum != nil:
		f.Notes = append(f.Notes, fmt.Sprintf("%d or more", *of.Minimum))
	}
	if of.MaxLength != nil {
		f.Notes = append(f.Notes, fmt.Sprintf("at most %d characters", *of.MaxLength))
	}
	if of.MaxItems != nil {
		f.Notes = append(f.Notes, fmt.Sprintf("at most %d", *of.MaxItems))
	}
	if of.Default != nil {
		f.Notes = append(f.Notes, "else "+string(of.Default))
	}
	return f
}

// apiType says what a value is.
func apiType(of apiSchema) views.APIType {
	if name, ok := strings.CutPrefix(of.Ref, "#/components/schemas/"); ok {
		return views.APIType{Schema: name}
	}
	kind := strings.NewReplacer(`"`, "", "[", "", "]", "", ",", " or ", " ", "", "\n", "").Replace(string(of.Type))
	switch {
	case kind == "array" && of.Items != nil:
		item := apiType(*of.Items)
		return views.APIType{Text: strings.TrimSpace("list of " + item.Text), Schema: item.Schema}
	case of.Format != "":
		kind += ", " + of.Format
	}
	return views.APIType{Text: kind}
}
