package simulated

import (
	"net/http"
	"slices"
	"sync"
)

// keptRequests is how many requests are remembered.
const keptRequests = 1000

// Request is a call that was made, as GET /_control/requests tells it.
type Request struct {
	At     int64  `json:"at"`
	Kind   string `json:"kind"`
	Method string `json:"method"`
	Path   string `json:"path"`
	Org    string `json:"org"`
	Status int    `json:"status"` // 0: the connection was cut
}

// requests are the last calls that were made, oldest first.
type requests struct {
	mu   sync.Mutex
	list []Request
}

func (rs *requests) add(r Request) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if len(rs.list) >= 2*keptRequests {
		rs.list = slices.Delete(rs.list, 0, len(rs.list)-keptRequests)
	}
	rs.list = append(rs.list, r)
}

// listRequests handles GET /_control/requests.
func (c *Core) listRequests(r *http.Request) (any, error) {
	asked, err := c.Asked(r)
	if err != nil {
		return nil, err
	}
	c.requests.mu.Lock()
	defer c.requests.mu.Unlock()
	last := c.requests.list[max(0, len(c.requests.list)-keptRequests):]
	list := []Request{}
	for _, one := range last {
		if asked == one.Org || asked == "" && !c.Apart(one.Org) {
			list = append(list, one)
		}
	}
	return map[string]any{"requests": list}, nil
}

// watched remembers with which status a call was answered.
type watched struct {
	http.ResponseWriter
	status int
}

func (w *watched) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *watched) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(p)
}
