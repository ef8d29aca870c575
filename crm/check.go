package crm

// Level says how a check came out.
type Level string

// The levels, from the best to the worst.
const (
	Fine    Level = "ok"
	Warning Level = "warning" // it works, with something to know
	Stop    Level = "stop"    // sign-ups can't arrive like this
)

// Check is one finding of a check-up, in words for people.
type Check struct {
	Level   Level
	What    string // was found
	Meaning string // what that means for sign-ups; may be empty
	Who     Who    // can change it
	Mend    string // and how; empty when nothing is to be done
}
