package salesforce

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"gatepost/crm"
)

// The keys of what can be done with a record that is no field of it.
const (
	objectKey   = ":object"          // what a new record is: Contact or Lead
	assignKey   = ":assign"          // have the org's assignment rules choose the owner of a new Lead
	campaignKey = ":campaign"        // id of a Campaign that the record becomes a member of
	statusKey   = ":campaign_status" // of that member; the Campaign's own default without it
)

// written is the object whose record a write makes or changes. A Lead is made only for those who were
// looked for among Leads: others would be made anew with each sign-up.
func written(w crm.Write, o crm.Options) string {
	switch {
	case w.ID != "":
		return objectOf(w.ID)
	case o.Leads && w.Own[objectKey].Text == "Lead":
		return "Lead"
	}
	return "Contact"
}

// assigned reports whether the assignment rules are to choose the owner of what a write makes.
func assigned(w crm.Write, o crm.Options) bool {
	return w.ID == "" && written(w, o) == "Lead" && w.Own[assignKey].Text == "true"
}

// targets are what can be done with a record, as far as the connected user may.
func targets(lead, member described, campaigns []crm.Choice) (all []crm.SchemaField) {
	if lead.Createable {
		all = append(all, crm.SchemaField{Key: objectKey, Label: "New people are", Type: crm.TypeChoice, Closed: true, Create: true,
			Values: []crm.Choice{{Value: "Contact", Label: "Contacts"}, {Value: "Lead", Label: "Leads"}},
			Hint:   "Leads need the setting “Look among Leads too”: without it, new people are Contacts, since a Lead who isn’t looked for would be made again with each sign-up. Whoever is there stays what they are."},
			crm.SchemaField{Key: assignKey, Label: "Run the assignment rules", Type: crm.TypeCheckbox, Create: true,
				Hint: "Only for new Leads: the org’s active assignment rule chooses the owner, whatever is set for the owner. Otherwise we tell Salesforce to leave its rules alone."})
	}
	if member.Createable && len(campaigns) > 0 {
		all = append(all, crm.SchemaField{Key: campaignKey, Label: "Campaign", Type: crm.TypeChoice, Closed: len(campaigns) < crm.MaxChoices, Refers: true, Create: true, Update: true, Values: campaigns,
			Calls: "One more API call for up to 1,000 sign-ups at once.",
			Hint:  "Whoever signs up becomes a member. Who is one already stays as they are."},
			crm.SchemaField{Key: statusKey, Label: "Campaign member status", Type: crm.TypeText, Length: memberStatusLength, Create: true, Update: true,
				Hint: "One of the Campaign’s own statuses, such as Sent or Responded. Salesforce takes the Campaign’s default for one that it doesn’t know, and where this is empty."})
	}
	return all
}

// memberStatusLength is how long the status of a member may be.
const memberStatusLength = 40

// joinCampaigns makes those who were written members of the campaigns that they are to join: in one
// call for as many as one call writes. Their records stand whatever comes of it. Who couldn't become a
// member has a failure of class crm.Passing beside the id; the next write of the record tries again,
// and nothing is done twice, since a campaign has each member once.
func (c *Client) joinCampaigns(ctx context.Context, j job, results []crm.Result) {
	for some := range slices.Chunk(joining(j.writes, results), recordsPerPart*partsPerCall) {
		var parts []part
		for share := range slices.Chunk(some, recordsPerPart) {
			body := collection{Records: make([]fields, len(share))}
			for i, n := range share {
				body.Records[i] = member(j.writes[n], results[n].ID)
			}
			parts = append(parts, part{Method: http.MethodPost, URL: collectionsPath, Body: body})
		}
		for i, f := range c.join(ctx, parts) {
			if f != nil {
				results[some[i]].Err = notJoined(f)
			}
		}
	}
}

// joining are those who were written and are to become members, by the index of their writes. An id
// that is none is no campaign's.
func joining(writes []crm.Write, results []crm.Result) (all []int) {
	for i, w := range writes {
		switch id := w.Own[campaignKey].Text; {
		case id == "" || results[i].Err != nil:
		case isID(id):
			all = append(all, i)
		default:
			results[i].Err = notJoined(&crm.Failure{Class: crm.Recorded, Code: "MALFORMED_ID"})
		}
	}
	return all
}

// member is a member of a campaign, to be made.
func member(w crm.Write, id string) fields {
	f := fields{"attributes": attributes("CampaignMember"), "CampaignId": w.Own[campaignKey].Text, objectOf(id) + "Id": id}
	if status := w.Own[statusKey].Text; status != "" && !strings.Contains(status, "@{") {
		f["Status"] = status
	}
	return f
}

// join makes members and returns why each of them isn't one, nil for those who are.
func (c *Client) join(ctx context.Context, parts []part) (failures []*crm.Failure) {
	answers, err := c.composite(ctx, parts, true)
	for i, p := range parts {
		n := len(p.Body.(collection).Records)
		if err != nil {
			failures = append(failures, slices.Repeat([]*crm.Failure{crm.Failed(err)}, n)...)
			continue
		}
		failures = append(failures, notMembers(answers[i], n)...)
	}
	return failures
}

// notMembers are why those of one part didn't become members, nil for those who did, or were.
func notMembers(a answer, n int) []*crm.Failure {
	f := a.refusal(true)
	made, ok := parseCollection(a.Body, n)
	if f == nil && !ok {
		f = nonsense("unexpected answer to a collections call", true)
	}
	failures := slices.Repeat([]*crm.Failure{f}, n)
	for i := range made {
		if f == nil && made[i].Err != nil && !isMember(made[i].Err) {
			failures[i] = crm.Failed(made[i].Err)
		}
	}
	return failures
}

// isMember reports whether somebody couldn't become a member since they are one.
func isMember(err error) bool { return crm.Failed(err).Code == duplicateValue }

// notJoined is the failure of a record that was written, and whose person isn't in the campaign.
// Whatever keeps them out is tried again with the record; what it is about may not be there any more.
func notJoined(f *crm.Failure) *crm.Failure {
	return &crm.Failure{Class: crm.Passing, Code: f.Code, Detail: f.Detail, Wait: f.Wait, Tries: crm.Unexpected.Tries, Field: campaignKey,
		Changed: f.Class == crm.Recorded, Cause: f.Cause}
}
