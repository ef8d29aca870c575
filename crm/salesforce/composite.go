package salesforce

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"

	"gatepost/crm"
)

// part is one request of several that travel in one Composite call.
type part struct {
	Method      string            `json:"method"`
	URL         string            `json:"url"`
	ReferenceID string            `json:"referenceId"`
	Headers     map[string]string `json:"httpHeaders,omitempty"`
	Body        any               `json:"body,omitempty"`
}

// answer is what came back for a part.
type answer struct {
	Body   json.RawMessage `json:"body"`
	Status int             `json:"httpStatusCode"`
	Ref    string          `json:"referenceId"`
}

// composite sends parts in one API call and returns their answers in order.
func (c *Client) composite(ctx context.Context, parts []part, write bool) ([]answer, error) {
	for i := range parts {
		parts[i].ReferenceID = reference(i)
	}
	sent, err := json.Marshal(map[string]any{"allOrNone": false, "compositeRequest": parts})
	if err != nil {
		return nil, unsent(fmt.Errorf("encode composite: %w", err))
	}
	body, err := c.call(ctx, request{method: http.MethodPost, path: apiPath + "/composite", body: sent, write: write})
	if err != nil {
		return nil, err
	}
	answers, ok := parseComposite(body, len(parts))
	if !ok {
		return nil, nonsense("unexpected answer to a composite call", write)
	}
	return answers, nil
}

// parseComposite reads the answers to n parts.
func parseComposite(body []byte, n int) ([]answer, bool) {
	var r struct {
		Answers []answer `json:"compositeResponse"`
	}
	if json.Unmarshal(body, &r) != nil || len(r.Answers) != n {
		return nil, false
	}
	for i, a := range r.Answers {
		if a.Ref != reference(i) {
			return nil, false
		}
	}
	return r.Answers, true
}

func reference(i int) string { return "p" + strconv.Itoa(i) }

// refusal is refusal, for one part.
func (a answer) refusal(write bool) *crm.Failure { return refusal(a.Status, a.Body, write, false) }
