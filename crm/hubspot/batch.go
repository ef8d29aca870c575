package hubspot

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"gatepost/crm"
)

// input is one record of a batch. The trace id tells its outcome from those of others:
// without one for each, a bad record has all of them refused.
type input struct {
	ID         string            `json:"id,omitempty"`
	Trace      string            `json:"objectWriteTraceId,omitempty"`
	Properties map[string]string `json:"properties,omitempty"`
}

// contact is a record as a batch tells it. Properties without a value are null.
type contact struct {
	ID         string             `json:"id"`
	Trace      string             `json:"objectWriteTraceId"`
	Properties map[string]*string `json:"properties"`
}

func (r contact) text(property string) string {
	if v := r.Properties[property]; v != nil {
		return *v
	}
	return ""
}

// batch is the answer of a batch, in any order. What it holds decides, whatever its status.
type batch struct {
	Results []contact `json:"results"`
	Errors  []fault   `json:"errors"`

	header http.Header
}

// batch sends a batch and reads its answer. r says what the call does.
func (c *Client) batch(ctx context.Context, kind string, sent any, r request) (batch, error) {
	body, err := json.Marshal(sent)
	if err != nil {
		return batch{}, unsent(fmt.Errorf("encode a batch: %w", err))
	}
	r.method, r.path, r.body = http.MethodPost, contactsPath+"/batch/"+kind, body
	a, err := c.call(ctx, r)
	if err != nil {
		return batch{}, err
	}
	b := batch{header: a.header}
	if json.Unmarshal(a.body, &b) != nil || len(b.Results)+len(b.Errors) == 0 {
		return batch{}, nonsense("a batch without outcomes", r.write)
	}
	for _, one := range b.Results {
		if one.ID == "" {
			return batch{}, nonsense("a contact without an id", r.write)
		}
	}
	return b, nil
}

// failed is the first error of a batch that isn't about records which aren't there.
func (b batch) failed() *crm.Failure {
	for _, e := range b.Errors {
		if e.code() != notFound {
			f := e.failure(b.header)
			if known, _ := Provider.KnownCode(f.Code); known.Call.Class != crm.Recorded {
				f.Class, f.Wait = known.Call.Class, known.Call.Wait
			}
			return f
		}
	}
	return nil
}
