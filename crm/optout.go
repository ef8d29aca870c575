package crm

// OptOuts is how a CRM keeps that somebody wants no e-mail.
type OptOuts struct {
	Flag string // what the mark for all e-mail is called there: "Email Opt Out"
	// Subscription is what it calls one kind of e-mail that people opt out of by itself, in the middle of a
	// sentence; empty where there is none.
	Subscription string
	// Lasting is true where an opt-out from all e-mail can't be taken back through the API.
	Lasting bool
	Hint    string // what the mark means for the CRM's own mails, in a sentence
}

// OptOut is somebody's wish to get no e-mail, or to get it again.
type OptOut struct {
	ID           string // of their record
	Subscription string // the one kind of e-mail that it is about, by Subscription.ID; empty for all e-mail
	Back         bool   // they want it again
}

// OptOutResult tells what became of one OptOut: it was done, or there was nothing to do, or a
// *Failure. One of class Recorded with the code Gone says that the record isn't there.
type OptOutResult struct {
	Was bool // it was so before: nothing was changed
	Err error
}

// Subscription is one kind of e-mail that people opt out of by itself.
type Subscription struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// DueOptOuts returns which of some marks are to be written, by their places, in a CRM that has one mark for all
// e-mail: is says who has it now, by the ids of the records. What is to be said of the others stands in results.
func DueOptOuts(all []OptOut, is map[string]bool, results []OptOutResult) (due []int) {
	for i, w := range all {
		out, there := is[w.ID]
		switch {
		case w.Subscription != "":
			results[i].Err = &Failure{Class: Recorded, Code: NoOptOut}
		case !there:
			results[i].Err = &Failure{Class: Recorded, Code: Gone}
		case out == !w.Back:
			results[i].Was = true
		default:
			due = append(due, i)
		}
	}
	return due
}
