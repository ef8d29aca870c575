package views

import "time"

// EverybodyPage is for Everybody, which asks whether all who are there already are sent to a
// CRM as well. Its form posts csrf to /integrations/{service}/everybody.
type EverybodyPage struct {
	Page
	Card        Integration
	N           int      // people who were never meant for the CRM
	Newsletters []string // names of those that feed it; none when all do
	Estimate    Estimate
	Actions     Actions
	UnderWay    bool
	Compared    []CRMCount // all of the tenant's CRMs
	Removable   []CRM      // the others: what one leaves when everybody is here
}

// Estimate is about what it takes to send people to a CRM.
type Estimate struct {
	Calls  int           // of what there is only so much of
	Unit   string        // "API calls"
	Window time.Duration // in which they are counted
	Left   int           // how many of them may still be used by the settings; negative when nobody knows
	Took   time.Duration
}

// CRMCount is how many people are where, in one CRM.
type CRMCount struct {
	CRM    CRM
	Totals Totals
}

// RemovePage is for Remove, which asks before sign-ups don't go to a CRM any more. Its form
// posts csrf to /integrations/{service}/remove.
type RemovePage struct {
	Page
	Card    Integration
	Waiting int      // who are not sent any more: they wait
	Refused int      // or need attention
	There   int      // who have arrived, and stay there
	Unfed   []string // names of newsletters that feed no CRM then
	Last    bool     // it is the only CRM
}

// FeedsPage is for Feeds: the newsletters that feed a CRM, of its settings. Its form posts
// csrf, all (all or named) and newsletter (a slug, as often as there are) to
// /integrations/{service}/newsletters, and sure when what ends was told.
type FeedsPage struct {
	Page
	Card        Integration
	All         bool
	Newsletters []Choice // each of the tenant's
	Ends        int      // who wait there and would not be sent any more; 0 when nothing has to be asked
	Error       string
}

// takes says about what sending takes.
func (e Estimate) takes() string {
	text := "It takes about " + number(e.Calls) + " " + e.Unit + " and " + Long(e.Took) + "."
	switch {
	case e.Left < 0:
		return text
	case e.Calls > e.Left:
		return text + " " + number(e.Left) + " are left for Gatepost in these " + Long(e.Window) + ": whoever they don’t suffice for waits, and goes on by itself."
	}
	return text + " " + number(e.Left) + " are left for Gatepost in these " + Long(e.Window) + "."
}

// text says who is sent, and what becomes of them.
func (p EverybodyPage) text() string {
	who := "Everybody who is subscribed"
	if len(p.Newsletters) > 0 {
		who += " to " + listed(p.Newsletters)
	}
	text := who + " and has not been sent to " + p.Card.Name + " before is sent there. Who is there already by e-mail address is not created again."
	if len(p.Removable) > 0 {
		text += " Nothing changes in " + listed(names(p.Removable)) + "."
	}
	return text
}

func names(all []CRM) (list []string) {
	for _, c := range all {
		list = append(list, c.Name)
	}
	return list
}

// listed writes names as people do: "A, B and C".
func listed(all []string) string {
	if len(all) == 0 {
		return ""
	}
	text := all[0]
	for i, name := range all[1:] {
		if i == len(all)-2 {
			text += " and " + name
		} else {
			text += ", " + name
		}
	}
	return text
}

// columns are the states of the table that compares the CRMs.
func (p EverybodyPage) columns() (all []State) {
	if len(p.Compared) == 0 {
		return nil
	}
	for i, s := range p.Compared[0].Totals.States {
		n := 0
		for _, c := range p.Compared {
			n += c.Totals.States[i].N
		}
		if s.State.Main || n > 0 {
			all = append(all, s.State)
		}
	}
	return all
}

// anywhere is the state in any CRM, above a column.
func (s State) anywhere() string {
	if s.Arrived {
		return "There"
	}
	return s.Label
}

// in is how many are in a state.
func (t Totals) in(state State) int {
	for _, s := range t.States {
		if s.State.Code == state.Code {
			return s.N
		}
	}
	return 0
}

// consequences are what follows from it.
func (p RemovePage) consequences() (all []string) {
	all = append(all, "New sign-ups don’t go to "+p.Card.Name+" any more.")
	if p.Last {
		all[0] += " They wait here until you connect a CRM."
	} else if len(p.Unfed) > 0 {
		all[0] += " Those of " + listed(p.Unfed) + " go to no CRM then."
	}
	if p.Waiting > 0 {
		all = append(all, count(p.Waiting, "sign-up waits", "sign-ups wait")+" for "+p.Card.Name+" and will not be sent there.")
	}
	if p.Refused > 0 {
		all = append(all, count(p.Refused, "person needs", "people need")+" attention there and will not be sent again.")
	}
	if p.There > 0 {
		all = append(all, p.arrived())
	}
	if !p.Card.ConnectedAt.IsZero() {
		all = append(all, "Gatepost gives its access back to "+p.Card.Name+" and wipes the credential.")
	}
	return append(all, "Its settings, problems and numbers are deleted here. All subscribers stay.")
}

// arrived says what becomes of what is there. Several sign-ups may have one record.
func (p RemovePage) arrived() string {
	if p.There == 1 {
		return "1 sign-up has arrived there. Its " + p.Card.CRM.Record + " stays in " + p.Card.Name + " as it is."
	}
	return number(p.There) + " sign-ups have arrived there. Their " + p.Card.CRM.Records + " stay in " + p.Card.Name + " as they are."
}

// FeedsSaved says that a choice of newsletters was saved, and how many it ended.
func FeedsSaved(ended int) string {
	if ended == 0 {
		return "Saved."
	}
	return "Saved. " + count(ended, "sign-up that waited is", "sign-ups that waited are") + " not sent any more."
}

// question is what is asked before sign-ups end that wait.
func (p FeedsPage) question() string {
	return count(p.Ends, "sign-up waits", "sign-ups wait") + " for " + p.Card.Name + " from newsletters that you take away"
}
