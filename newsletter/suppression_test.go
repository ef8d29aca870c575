package newsletter

import (
	"errors"
	"slices"
	"testing"

	"gatepost/input"
)

func TestAddressesOfAFile(t *testing.T) {
	for name, tt := range map[string]struct {
		file       string
		addresses  []string
		unreadable []int
		err        error
	}{
		"nothing":             {"", nil, nil, ErrEmptyList},
		"a head alone":        {"E-mail,Name\r\n", nil, nil, ErrEmptyList},
		"no address":          {"jane@\njoe\n", nil, []int{1, 2}, ErrEmptyList},
		"UTF-32":              {"\xff\xfe\x00\x00j\x00\x00\x00", nil, nil, input.ErrCharset},
		"lines":               {"jane@example.com\njoe@example.com", []string{"jane@example.com", "joe@example.com"}, nil, nil},
		"a mark and returns":  {"\ufeffJane@Example.com\r\n\r\n  \r\njoe@example.com\r", []string{"jane@example.com", "joe@example.com"}, nil, nil},
		"one twice":           {"jane@example.com\nJANE@example.com\n", []string{"jane@example.com"}, nil, nil},
		"CSV":                 {"Email,Left at\n\"jane@example.com\",\"2026, May\"\njoe@example.com,x\n", []string{"jane@example.com", "joe@example.com"}, nil, nil},
		"semicolons":          {"email;x\nDoe <jane@example.com>;\"a\";b\n", []string{"jane@example.com"}, nil, nil},
		"tabs in UTF-16":      {"\xff\xfej\x00@\x00e\x00x\x00.\x00d\x00e\x00\t\x00x\x00", []string{"j@ex.de"}, nil, nil},
		"a quote too many":    {"x\n\"jane@example.com\njoe@example.com\n", []string{"jane@example.com", "joe@example.com"}, nil, nil},
		"some that are wrong": {"jane@example.com\nnobody\njoe@example.com,\na b@c.de,x\n=cmd|x", []string{"jane@example.com", "joe@example.com"}, []int{2, 4, 5}, nil},
		"Latin-1 beside":      {"jane@example.com,Zo\xeb\n", []string{"jane@example.com"}, nil, nil},
	} {
		addresses, unreadable, err := readAddresses([]byte(tt.file))
		if !slices.Equal(addresses, tt.addresses) || !slices.Equal(unreadable, tt.unreadable) || !errors.Is(err, tt.err) || (err == nil) != (tt.err == nil) {
			t.Errorf("%s: %v, %v, %v", name, addresses, unreadable, err)
		}
	}
}
