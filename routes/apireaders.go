package routes

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"time"

	"gatepost/db"
	"gatepost/input"

	"github.com/gofiber/fiber/v2"
	"github.com/google/uuid"
)

// How many readers a page of the API has.
const (
	readersPage    = 200
	maxReadersPage = 1000
)

// toldStates are those of readers that whoever sends the mails is told of, and by which they can be asked
// for. Who hasn't confirmed, or is held, is none of theirs: nobody may write to them.
var toldStates = map[string][]db.State{
	string(db.Active): {db.Active}, string(db.Left): {db.Left}, string(db.Erased): {db.Erased, db.Erasing},
	"": {db.Active, db.Left, db.Erased, db.Erasing},
}

// readerJSON is what is told of a reader. Of one who was erased it is the id and the time alone.
type readerJSON struct {
	ID             string     `json:"id"`
	State          db.State   `json:"state"` // active, left, erased
	Email          string     `json:"email,omitempty"`
	FirstName      string     `json:"first_name,omitempty"`
	LastName       string     `json:"last_name,omitempty"`
	SignedUpAt     *time.Time `json:"signed_up_at,omitempty"`
	ConfirmedAt    *time.Time `json:"confirmed_at,omitempty"`
	LeftAt         *time.Time `json:"left_at,omitempty"`
	LeftHow        db.LeftHow `json:"left_how,omitempty"`
	ChangedAt      time.Time  `json:"changed_at"`
	UnsubscribeURL string     `json:"unsubscribe_url,omitempty"`
}

// apiReaders handles GET /newsletters/{newsletter}/subscribers: a page of who is on it and who left, in the order
// of when that changed last, with a cursor by which one asks for what changed since.
func (s *server) apiReaders(c *fiber.Ctx) error {
	n, err := s.newsletterOfKey(c)
	if err != nil {
		return err
	}
	q := queryOf(c)
	states, ok := toldStates[q.Get("state")]
	if !ok {
		return invalidError("state has to be active, left or erased, or left out for all of them.")
	}
	limit, err := readLimitOf(q.Get("limit"), readersPage, maxReadersPage)
	if err != nil {
		return err
	}
	from, err := readCursor(q.Get("cursor"), q.Get("changed_after"), s.Now())
	if err != nil {
		return err
	}
	page, err := s.Newsletters.Readers(c.UserContext(), n, db.FeedQuery{States: states, Limit: limit}, from)
	if err != nil {
		return err
	}
	answer := struct {
		Subscribers []readerJSON `json:"subscribers"`
		Cursor      string       `json:"cursor"`
		More        bool         `json:"more"`
	}{[]readerJSON{}, writeCursor(page.Next), page.More}
	for _, r := range page.Readers {
		answer.Subscribers = append(answer.Subscribers, s.readerOf(r))
	}
	return c.JSON(answer)
}

func (s *server) readerOf(r db.FeedReader) readerJSON {
	told := readerJSON{ID: r.ID, State: r.Status, ChangedAt: r.ChangedAt.UTC()}
	if r.Status == db.Erased {
		return told
	}
	told.Email, told.FirstName, told.LastName = r.Email, r.FirstName, r.LastName
	told.SignedUpAt, told.ConfirmedAt = timeOrNone(r.CreatedAt), timeOrNone(r.ConfirmedAt)
	if r.Status == db.Left {
		told.LeftAt, told.LeftHow = timeOrNone(r.Leaving.At), r.Leaving.How
	}
	told.UnsubscribeURL = s.Newsletters.UnsubscribeAddress(r.TenantID, r.ID)
	return told
}

// timeOrNone is a time in UTC, or nothing for none.
func timeOrNone(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// A cursor is written as the two places that it consists of; nobody reads it but readCursor.
type cursorJSON struct {
	At     int64  `json:"a"`
	ID     string `json:"i"`
	SafeAt int64  `json:"s"`
	SafeID string `json:"j"`
}

func writeCursor(c db.FeedCursor) string {
	text, err := json.Marshal(cursorJSON{c.At.At, c.At.ID, c.Safe.At, c.Safe.ID})
	if err != nil { // can't be: they are texts and numbers
		panic(err)
	}
	return base64.RawURLEncoding.EncodeToString(text)
}

// readCursor reads where somebody goes on: at a cursor, or after a time. One that is still to come is now, so that a
// program whose clock is fast misses nobody until then. A cursor of an earlier release may be before 1970, and is at
// the beginning then.
func readCursor(cursor, after string, now time.Time) (db.FeedCursor, error) {
	switch {
	case cursor != "" && after != "":
		return db.FeedCursor{}, invalidError("Send cursor or changed_after, and not both: a cursor knows where it goes on.")
	case after != "":
		t, err := time.Parse(time.RFC3339, after)
		if err != nil {
			return db.FeedCursor{}, invalidError("changed_after has to be a time as 2026-11-30T14:00:00Z.")
		}
		if t.After(now) {
			t = now
		}
		return db.FeedFrom(t), nil
	case cursor == "":
		return db.FeedCursor{}, nil
	}
	var read cursorJSON
	text, err := base64.RawURLEncoding.DecodeString(cursor)
	if err == nil {
		err = json.Unmarshal(text, &read)
	}
	if err != nil || !isIDOrNone(read.ID) || !isIDOrNone(read.SafeID) {
		return db.FeedCursor{}, invalidError("cursor has to be one that an answer had.")
	}
	return db.FeedCursor{At: db.FeedPlace{At: max(0, read.At), ID: read.ID}, Safe: db.FeedPlace{At: max(0, read.SafeAt), ID: read.SafeID}}, nil
}

func isIDOrNone(text string) bool {
	return text == "" || len(text) == 36 && uuid.Validate(text) == nil
}

// unsubscribeRequest is what POST /newsletters/{newsletter}/unsubscribe may be asked.
type unsubscribeRequest struct {
	Email  *string `json:"email"`
	Reason *string `json:"reason"`
	All    *bool   `json:"all"`
}

// apiUnsubscribe handles POST /newsletters/{newsletter}/unsubscribe: somebody told another system that they leave.
// The answer is the same whoever it is.
func (s *server) apiUnsubscribe(c *fiber.Ctx) error {
	n, err := s.newsletterOfKey(c)
	if err != nil {
		return err
	}
	var asked unsubscribeRequest
	if err := decodeJSON(c, &asked); err != nil {
		return invalidBody(err, "an object with email and reason (text), and all (true or false)")
	}
	if asked.Email == nil {
		return fieldsError{"email": "This is needed: the address that leaves."}
	}
	address, err := input.Address(*asked.Email)
	if err != nil {
		return fieldsError{"email": "Please check the address: " + err.Error()}
	}
	how := db.Leaving{How: db.LeftByAPI}
	if asked.Reason != nil {
		reason, err := input.Line(*asked.Reason)
		if err != nil {
			return fieldsError{"reason": "Please check the reason: " + err.Error()}
		}
		how.Why = shortened(reason, maxNote)
	}
	all := asked.All != nil && *asked.All
	if err := s.Newsletters.LeaveByAddress(c.UserContext(), n, address, how, all); err != nil {
		return err
	}
	return c.Status(http.StatusOK).JSON(fiber.Map{"status": "unsubscribed"})
}
