package mocksalesforce

import (
	"bytes"
	"encoding/json"
)

// member is one name with its value.
type member struct {
	name  string
	value any
}

// row is a JSON object that keeps the order of its members.
type row []member

// MarshalJSON writes the members in their order.
func (r row) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range r {
		if i > 0 {
			b.WriteByte(',')
		}
		for j, v := range []any{m.name, m.value} {
			if j > 0 {
				b.WriteByte(':')
			}
			text, err := json.Marshal(v)
			if err != nil {
				return nil, err
			}
			b.Write(text)
		}
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}
