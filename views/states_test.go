package views

import "testing"

// The states of these tests.
var (
	Active = State{Code: "active", Label: "Active", Tone: "good", Icon: "ok", Sum: "active", Column: "active", Became: "Active again", Recounted: "Active", Series: "rest", Leave: true}
	Left   = State{Code: "left", Label: "Left", Tone: "calm", Icon: "exit", Sum: "left", Column: "left", Became: "Marked as left", Recounted: "Left", Series: "rest", Back: true, Apart: true, Return: "Mark as active again"}

	Waiting   = State{Code: "waiting", Label: "Waiting", Tone: "warn", Icon: "clock", Sum: "waiting", Column: "waiting", Became: "Waits", Recounted: "Waiting", Main: true, Series: "wait", Waits: true, Leave: true}
	Delivered = State{Code: "delivered", Label: "In Salesforce", Tone: "good", Icon: "ok", Sum: "in Salesforce", Column: "in Salesforce", Became: "Arrived in Salesforce",
		Recounted: "In Salesforce", Main: true, Series: "in", Arrived: true, Leave: true}
	Attention = State{Code: "attention", Label: "Needs attention", Tone: "bad", Icon: "alert", Sum: "needing attention", Column: "need attention", Became: "Needs attention",
		Recounted: "Needs attention, or dismissed", Main: true, Series: "fail", Attention: true, Retry: true, Dismiss: true, Leave: true, Return: "Retry"}
	Dismissed = State{Code: "dismissed", Label: "Dismissed", Tone: "calm", Icon: "off", Sum: "dismissed", Column: "dismissed", Became: "Dismissed",
		Recounted: "Needs attention, or dismissed", Meaning: "Somebody decided that it is not sent to Salesforce.", Series: "rest", Retry: true, Leave: true, Return: "Retry"}
)

// subscribed are so many people, all of whom are active.
func subscribed(n int) Totals {
	return Totals{All: n, New: n, States: []StateTotal{{Active, n}, {Left, 0}}}
}

// totals are those of so many sign-ups, and people in each state.
func totals(signUps, repeated, delivered, waiting, attention, dismissed int) Totals {
	all := delivered + waiting + attention + dismissed
	return Totals{All: all, New: signUps, Repeated: repeated, Difference: signUps - all,
		States: []StateTotal{{Delivered, delivered}, {Waiting, waiting}, {Attention, attention}, {Dismissed, dismissed}}}
}

// Nobody in a state that isn't a main one is no news; a number that is, is told.
func TestTheSumTellsOfTheStatesThatMatter(t *testing.T) {
	for want, got := range map[string]string{
		"2 new sign-ups received = 1 in Salesforce + 0 waiting + 1 needing attention.":              totals(2, 0, 1, 0, 1, 0).sentence(),
		"1 new sign-up received = 0 in Salesforce + 0 waiting + 0 needing attention + 1 dismissed.": totals(1, 0, 0, 0, 0, 1).sentence(),
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	facts := totals(10, 0, 1, 2, 3, 4).recounted()
	if len(facts) != 3 || facts[0] != (recounted{"In Salesforce", 1}) || facts[2] != (recounted{"Needs attention, or dismissed", 7}) {
		t.Errorf("got %+v", facts)
	}
}
