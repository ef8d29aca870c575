package routes

import (
	"errors"
	"io"
	"mime"
	"net/url"
	"strings"

	"gatepost/input"

	"github.com/gofiber/fiber/v2"
)

// How the bodies of requests are read: forms by field, JSON by decodeJSON and
// decodeReadersJSON. Nothing else reads them; a test holds that.

// field is a field of the form in the request's body. FormValue would take it
// from the query too, which other servers log.
func field(c *fiber.Ctx, name string) string {
	raw := rawField(c, name)
	d, err := formDecoder(c)
	if err != nil {
		return "" // readable has refused it
	}
	return d.Text(raw)
}

// fieldValues are all values of a field that may be there several times, as of
// checkboxes.
func fieldValues(c *fiber.Ctx, name string) (values []string) {
	d, err := formDecoder(c)
	if err != nil {
		return nil // readable has refused it
	}
	for _, v := range c.Request().PostArgs().PeekMulti(name) {
		values = append(values, d.Text(v))
	}
	for _, v := range multipartValues(c, name) {
		values = append(values, d.Text([]byte(v)))
	}
	return values
}

// allFields are the values of all fields of the form, by their names.
func allFields(c *fiber.Ctx) url.Values {
	values := url.Values{}
	d, err := formDecoder(c)
	if err != nil {
		return values // readable has refused it
	}
	for name, v := range c.Request().PostArgs().All() {
		values.Add(string(name), d.Text(v))
	}
	if form, err := c.MultipartForm(); err == nil {
		for name, all := range form.Value {
			for _, v := range all {
				values.Add(name, d.Text([]byte(v)))
			}
		}
	}
	return values
}

func rawField(c *fiber.Ctx, name string) []byte {
	if v := c.Request().PostArgs().Peek(name); len(v) > 0 {
		return v
	}
	for _, v := range multipartValues(c, name) {
		return []byte(v)
	}
	return nil
}

func multipartValues(c *fiber.Ctx, name string) []string {
	if form, err := c.MultipartForm(); err == nil {
		return form.Value[name]
	}
	return nil
}

// fieldFile is the file that was chosen in a field of a form: up to most bytes of it, or nil when
// there is none.
func fieldFile(c *fiber.Ctx, name string, most int64) ([]byte, error) {
	if mediaType(c) != fiber.MIMEMultipartForm {
		return nil, nil
	}
	head, err := c.FormFile(name)
	if err != nil || head.Size == 0 && head.Filename == "" {
		return nil, nil
	}
	f, err := head.Open()
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return io.ReadAll(io.LimitReader(f, most))
}

// formDecoder reads the text of a form, in the encoding that a browser names in the
// field _charset_, or the sender in the header. Errors: input.ErrCharset.
func formDecoder(c *fiber.Ctx) (input.Decoder, error) {
	if charset := rawField(c, "_charset_"); len(charset) > 0 {
		return input.NewDecoder(string(charset))
	}
	return input.NewDecoder(charsetOf(c))
}

// charsetOf is the encoding that the header of a body names, if it does.
func charsetOf(c *fiber.Ctx) string {
	header := c.Get(fiber.HeaderContentType)
	if !strings.Contains(header, ";") {
		return ""
	}
	_, params, _ := mime.ParseMediaType(header)
	return params["charset"]
}

func mediaType(c *fiber.Ctx) string {
	t, _, _ := mime.ParseMediaType(c.Get(fiber.HeaderContentType))
	return t
}

func isForm(mediaType string) bool {
	return mediaType == fiber.MIMEApplicationForm || mediaType == fiber.MIMEMultipartForm
}

// readable refuses forms that can't be read, or are in an encoding that we don't know. The
// API takes none.
func readable(c *fiber.Ctx) error {
	if len(c.Request().Header.ContentType()) == 0 || !isForm(mediaType(c)) || isAPI(c) {
		return c.Next()
	}
	if mediaType(c) == fiber.MIMEMultipartForm {
		if _, err := c.MultipartForm(); err != nil {
			return fiber.ErrBadRequest
		}
	}
	if _, err := formDecoder(c); err != nil {
		return err
	}
	return c.Next()
}

// decodeJSON decodes the body of a request into v, strictly. It has to be UTF-8: a
// name that is read in a wrong encoding means somebody else. Errors:
// fiber.ErrUnsupportedMediaType, input.ErrCharset, *input.JSONError.
func decodeJSON(c *fiber.Ctx, v any) error {
	if mediaType(c) != fiber.MIMEApplicationJSON {
		return fiber.ErrUnsupportedMediaType
	}
	if charset := charsetOf(c); charset != "" && !strings.EqualFold(charset, "utf-8") {
		return input.ErrCharset
	}
	return input.JSON(strings.TrimPrefix(string(c.BodyRaw()), "\ufeff"), v)
}

// decodeReadersJSON is decodeJSON for what readers typed into pages of others, which
// comes in other encodings too, declared or not.
func decodeReadersJSON(c *fiber.Ctx, v any) error {
	if mediaType(c) != fiber.MIMEApplicationJSON {
		return fiber.ErrUnsupportedMediaType
	}
	d, err := input.NewDecoder(charsetOf(c))
	if err != nil {
		return err
	}
	document, err := d.Document(c.BodyRaw())
	if err != nil {
		return err
	}
	return input.JSON(document, v)
}

// jsonSentences say what is wrong with a field of JSON, or with the whole.
var jsonSentences = map[input.JSONProblem]string{
	input.NotJSON:     "This is not JSON.",
	input.NotUTF8:     "This is not UTF-8.",
	input.HalfLetter:  `This holds half a character, such as \ud800 alone.`,
	input.Unknown:     "There is no field of this name.",
	input.Twice:       "This is there more than once. Send it once.",
	input.Null:        "This is null, which is not the same as nothing. Leave it out, or give it a value.",
	input.OfWrongType: "This has a value of the wrong type.",
}

// aboutJSON returns the field that an error of decodeJSON is about, and the sentence
// for it. There is none when the body as a whole can't be read.
func aboutJSON(err error) (field, sentence string) {
	var wrong *input.JSONError
	if !errors.As(err, &wrong) || wrong.Field == "" {
		return "", ""
	}
	return wrong.Field, jsonSentences[wrong.What]
}
