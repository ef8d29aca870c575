package db

import "slices"

// State is what a subscriber is, or where a delivery is on its way into a CRM.
type State string

// The states of subscribers and of deliveries. What is to be known of each stands in states.
const (
	Active      State = "active"      // wants the newsletter
	Unconfirmed State = "unconfirmed" // is to press the button of a mail, and hasn't yet
	OnHold      State = "held"        // may be a robot: somebody decides
	Left        State = "left"        // doesn't want it any more
	Rejected    State = "rejected"    // was held, and somebody took them for a robot
	Expired     State = "expired"     // didn't confirm in time, nobody decided, or was rejected a while ago: is gone, but for a receipt without a name
	Erasing     State = "erasing"     // is being erased: shown to nobody

	Waiting   State = "waiting"
	Delivered State = "delivered"
	Attention State = "attention" // somebody has to mend something
	Dismissed State = "dismissed" // somebody said that it is not to be delivered
	Ended     State = "ended"     // before it arrived: the subscriber left, or the newsletter was taken away

	Erased State = "erased" // of both: is gone, but for a receipt without a name

	// Rest is what states are counted as that a later release knows, whose processes may
	// run beside those of this one. Nobody gets into it.
	Rest State = "rest"
)

// StateInfo is what is to be known of a state: everything that lists states, counts
// them or treats them differently asks this. Every subscriber is in one state, and so is each
// of their deliveries. Those of subscribers stand on the right side of the sum of those who were
// received, those of deliveries on that of those who entered a destination.
type StateInfo struct {
	State State
	Label string // "Needs attention"
	Tone  string // good, warn, bad or calm: the colour
	Icon  string

	// In what people read, {CRM} stands for the name of the CRM that sign-ups go to.

	// Words for which the label, in small letters in the middle of a sentence, will do
	// when they are empty.
	Sum       string // behind their number in the sum: "needing attention"
	Column    string // above their numbers in a table: "need attention"
	Became    string // of one who got into the state: "Arrived in {CRM}"
	Recounted string // beside their number in a recount; states with the same words have one number
	Meaning   string // a sentence for when no reason tells why; none when empty
	Help      string // what the state means, for the Help page
	Return    string // what sending those who are in it after all is called: "Retry", unless it says otherwise
	Returned  string // of one for whom somebody did that: "Retried", unless it says otherwise

	Reader    bool // of subscribers
	Delivery  bool // of deliveries
	Main      bool // shown even where nobody is in it
	Open      bool // of a delivery that hasn't arrived, and ends when its subscriber leaves
	Waits     bool // Gatepost goes on by itself, once the tenant's pause is over
	Arrived   bool // is in the CRM, with no reason to tell
	Attention bool // goes no further without somebody
	Problem   bool // counted by reason, and listed among the problems
	Gone      bool // kept as a count alone: there are no subscribers in it to be listed
	Hidden    bool // there are subscribers in it, and no list shows them

	Series string // of charts and sums: in, wait or fail; rest when empty

	Activity  string  // kind of activity that getting into it is counted as; none when empty
	Decisions []State // what somebody may decide that it becomes
}

// states are in the order of a subscriber's way.
var states = []StateInfo{
	{State: Active, Label: "Active", Tone: "good", Icon: "ok", Reader: true, Became: "Active again", Decisions: []State{Left},
		Help: "Signed up, and gets the newsletter."},
	{State: Unconfirmed, Label: "Unconfirmed", Tone: "warn", Icon: "clock", Reader: true, Became: "Is to confirm by e-mail", Decisions: []State{Left},
		Meaning: "Hasn’t pressed the button in the confirmation mail yet. Nothing is sent to {CRM} before.",
		Help:    "Got a mail with a button, and hasn’t pressed it yet. Nothing is sent before. Who never presses it is erased after a while."},
	{State: OnHold, Label: "Held", Tone: "warn", Icon: "alert", Reader: true, Became: "Held",
		Meaning: "May be a robot. Nothing is sent before somebody decides.",
		Help:    "Looks like a robot, or needs somebody’s decision. Nothing is sent, no mail goes out, until somebody accepts or rejects it."},
	{State: Waiting, Label: "Waiting", Tone: "warn", Icon: "clock", Delivery: true, Open: true, Main: true, Waits: true, Problem: true, Series: "wait",
		Help: "On the way. It goes on by itself, also when {CRM} can’t be reached for a while."},
	{State: Delivered, Label: "In {CRM}", Tone: "good", Icon: "ok", Became: "Arrived in {CRM}",
		Delivery: true, Main: true, Arrived: true, Activity: "delivered", Series: "in", Returned: "Sent again",
		Help: "The address has its record in {CRM}: a new one, or one that was there."},
	{State: Attention, Label: "Needs attention", Tone: "bad", Icon: "alert", Sum: "needing attention", Column: "need attention",
		Recounted: "In need of attention, or dismissed", Delivery: true, Open: true, Main: true, Attention: true, Problem: true, Activity: "attention", Series: "fail", Decisions: []State{Waiting, Dismissed},
		Help: "{CRM} refused it. The problem says what to fix, and who can; then retry."},
	{State: Dismissed, Label: "Dismissed", Tone: "calm", Icon: "minus", Recounted: "In need of attention, or dismissed", Delivery: true, Open: true,
		Meaning: "Somebody decided that it is not sent to {CRM}.", Decisions: []State{Waiting},
		Help: "Somebody decided that it isn’t sent. It stays in Gatepost and can be retried."},
	{State: Ended, Label: "Ended", Tone: "calm", Icon: "minus", Delivery: true, Sum: "ended before they arrived", Became: "Ended before it arrived",
		Meaning: "It ended before it arrived: the person left, or is to confirm another address, or the newsletter doesn’t feed {CRM} any more.",
		Help:    "The person left before they got to {CRM}, or is to confirm another address first, or their newsletter doesn’t feed it any more. Nothing is sent."},
	{State: Left, Label: "Left", Tone: "calm", Icon: "exit", Reader: true, Became: "Marked as left", Return: "Mark as active again", Returned: "Marked as active again",
		Meaning: "This person left, or somebody marked them as left. Nothing more is sent to {CRM}.", Decisions: []State{Active},
		Help: "Unsubscribed, or was marked as left by somebody. Nothing more is sent. What is in {CRM} stays there, and is marked there as its settings say. Who signs up again comes back once they have confirmed by e-mail."},
	{State: Rejected, Label: "Rejected", Tone: "calm", Icon: "minus", Reader: true, Became: "Rejected",
		Meaning: "Somebody took this sign-up for a robot’s. Nothing is sent.",
		Help:    "Was held, and somebody rejected it. Nothing is sent."},
	{State: Expired, Label: "Expired", Tone: "calm", Icon: "clock", Reader: true, Gone: true,
		Help: "Never confirmed, was held and nobody decided, or was rejected a while ago: the person is deleted, and only counted."},
	{State: Erasing, Label: "Being erased", Tone: "calm", Icon: "minus", Reader: true, Hidden: true, Became: "Being erased",
		Help: "Is being erased, here and in {CRM}. No page shows the person any more."},
	{State: Erased, Label: "Erased", Tone: "calm", Icon: "minus", Reader: true, Delivery: true, Gone: true,
		Help: "The person was erased, or was a test that was undone: deleted, and only counted."},
}

// States returns all states, in the order of a subscriber's way.
func States() []StateInfo { return slices.Clone(states) }

// Info returns what is to be known of the state: little of one that this release doesn't
// know.
func (s State) Info() StateInfo {
	if i := s.index(); i >= 0 {
		return states[i]
	}
	return StateInfo{State: s, Label: "Other", Tone: "calm", Icon: "minus", Meaning: "A newer version of Gatepost, which runs as well, knows more."}
}

// Known reports whether there is such a state.
func (s State) Known() bool { return s.index() >= 0 }

func (s State) index() int {
	return slices.IndexFunc(states, func(i StateInfo) bool { return i.State == s })
}

// counted is what the state is counted as.
func (s State) counted() State {
	if s.Known() {
		return s
	}
	return Rest
}

// AddState adds a state until restore is called, for tests that look whether every
// page, sum and command knows it. Nothing else may use states meanwhile.
func AddState(info StateInfo) (restore func()) {
	before := states
	states = append(slices.Clone(states), info)
	return func() { states = before }
}
