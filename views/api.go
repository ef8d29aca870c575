package views

// APIPage is for API: the HTTP API, as its description says.
type APIPage struct {
	Page
	JSON    string // address of the description
	Summary string
	Intro   []APIText
	Groups  []APIGroup
	Errors  []APIAnswer
	Schemas []APISchema
}

// APIText is a heading, or a paragraph when Heading is empty.
type APIText struct{ Heading, Text string }

// APIGroup is the operations about one thing.
type APIGroup struct {
	Name, Text string
	Operations []APIOperation
}

// APIOperation is a call.
type APIOperation struct {
	ID, Method, Path string
	Summary, Text    string
	Right            string // what the key has to allow
	Parameters       []APIField
	Body             *APIContent
	Answer           APIAnswer
	Errors           []APIError
}

// APIField is a parameter, or a field of a schema.
type APIField struct {
	Name, Text string
	Type       APIType
	Notes      []string // "required", "may be missing", "in the path", "at most 255 characters"
	Values     []string // that it can have, where these are few
}

// APIType is what a value is: "a list of " Identity, say.
type APIType struct {
	Text   string
	Schema string // name of the schema that Text leads to; may be empty
}

// APIContent is what a body has in it.
type APIContent struct {
	Type     APIType
	Examples []APIExample
}

// APIExample is an example, as JSON.
type APIExample struct{ Name, Text string }

// APIAnswer is an answer, or a kind of errors that operations share.
type APIAnswer struct {
	Name    string // of the errors that are shared
	Status  string // "404 Not Found"
	Text    string
	Headers []APIField
	Content APIContent
}

// APIError refers to the errors that an operation can answer with.
type APIError struct{ Name, Status, Text string }

// APISchema is the shape of a value.
type APISchema struct {
	Name, Text string
	Values     []string // where it is one of these
	Fields     []APIField
}
