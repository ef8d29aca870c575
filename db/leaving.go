package db

// LeftHow is how somebody left.
type LeftHow string

// How people leave.
const (
	LeftByLink     LeftHow = "link"      // by the button of the page
	LeftByOneClick LeftHow = "one_click" // by their mail program, as RFC 8058 has it
)

// Leaving is how and why somebody leaves.
type Leaving struct {
	How LeftHow
	Why string // as they say; empty for nothing
}
