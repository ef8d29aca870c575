package salesforce

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"gatepost/crm"
)

// accountKey is how the account of a new Contact is found.
const accountKey = ":account"

// byDomain is the account whose website is at the domain of the address.
const byDomain = "domain"

// accountTarget is the account by its domain, where the connected user sees accounts. account is what
// describe says of them.
func accountTarget(contact, account described) (f crm.SchemaField, ok bool) {
	settable := func(f describedField) bool { return f.Name == accountField && f.Createable }
	if !slices.ContainsFunc(contact.Fields, settable) || !account.has("Website") {
		return f, false
	}
	return crm.SchemaField{Key: accountKey, Label: "Account by domain", Type: crm.TypeChoice, Closed: true, Create: true,
		Values: []crm.Choice{{Value: byDomain, Label: "The account whose website is at the address’s domain"}},
		Calls:  "One more API call for up to 1,000 new Contacts at once.",
		Hint: joined("A new Contact joins the one account whose Website has the domain of the address. None is taken for addresses of free-mail providers, and none where several accounts have the domain. A Contact without an account is private: its owner and administrators alone see it.",
			personAccounts(contact))}, true
}

// personAccounts is what is to be known of an org that has person accounts.
func personAccounts(contact described) string {
	if !contact.has("IsPersonAccount") {
		return ""
	}
	return "Your Salesforce has person accounts: new people become Contacts, and no person accounts; and Salesforce may refuse to change a Contact that stands for one."
}

func (d described) has(field string) bool {
	return slices.ContainsFunc(d.Fields, func(f describedField) bool { return f.Name == field })
}

// domainPattern is what a domain looks like that can stand in a query.
var domainPattern = regexp.MustCompile(`^[a-z0-9-]+(\.[a-z0-9-]+)+$`)

// domainToAsk is the domain by which the account of a write is to be found; empty where there is none
// to be found.
func domainToAsk(w crm.Write, o crm.Options) string {
	if w.Own[accountKey].Text != byDomain || w.Own[accountField].Text != "" || w.ID != "" || written(w, o) != "Contact" {
		return ""
	}
	_, domain, _ := strings.Cut(strings.ToLower(w.Fields[crm.Email]), "@")
	if !domainPattern.MatchString(domain) || crm.FreeMail(domain) {
		return ""
	}
	return domain
}

// withAccounts are some writes with the accounts that were found for them, in one call as a rule.
func (c *Client) withAccounts(ctx context.Context, writes []crm.Write, o crm.Options) ([]crm.Write, error) {
	var domains []string
	for _, w := range writes {
		if domain := domainToAsk(w, o); domain != "" {
			domains = append(domains, domain)
		}
	}
	if len(domains) == 0 {
		return writes, nil
	}
	slices.Sort(domains)
	accounts, err := c.accountsOf(ctx, slices.Compact(domains))
	if err != nil {
		return nil, err
	}
	writes = slices.Clone(writes)
	for i, w := range writes {
		if ids := accounts[domainToAsk(w, o)]; len(ids) == 1 {
			writes[i].Own = maps.Clone(w.Own)
			writes[i].Own[accountField] = crm.Value{Type: crm.TypeChoice, Text: ids[0]}
		}
	}
	return writes, nil
}

// accountsOf returns the ids of the accounts whose websites are at some domains, by domain.
func (c *Client) accountsOf(ctx context.Context, domains []string) (map[string][]string, error) {
	found := map[string][]string{}
	for urls := range slices.Chunk(accountQueries(domains), partsPerCall) {
		pages, err := c.query(ctx, urls)
		if err != nil {
			return nil, accountsRefused(err)
		}
		for _, p := range pages {
			if err := c.collectAccounts(ctx, p, found); err != nil {
				return nil, err
			}
		}
	}
	return found, nil
}

// collectAccounts adds the accounts of a page and of those behind it to found, by their domains.
func (c *Client) collectAccounts(ctx context.Context, p page, found map[string][]string) error {
	for range maxPages {
		for _, r := range p.Records {
			domain := domainOfSite(r.text("Website"))
			found[domain] = append(found[domain], r.text("Id"))
		}
		if p.Done {
			return nil
		}
		body, err := c.call(ctx, request{method: http.MethodGet, path: p.Next})
		if err != nil {
			return err
		}
		if p, err = parsePage(body); err != nil {
			return err
		}
	}
	clear(found) // of so many that look alike, one that was read may not be the only one
	return nil
}

// accountsRefused is the failure of a look-up of accounts: unless it passes, it is about those alone.
func accountsRefused(err error) error {
	f := *crm.Failed(err)
	if f.Class == crm.Recorded || f.Code == "INVALID_TYPE" || f.Code == "INVALID_FIELD" {
		f.Class, f.Field, f.Changed = crm.Pause, accountKey, true
	}
	return &f
}

// accountQueries are the URLs of as few queries as the domains need. They look for a part of the
// website: people write those in many ways.
func accountQueries(domains []string) (urls []string) {
	const queryStart, or = "SELECT Id, Website FROM Account WHERE ", " OR "
	var terms []string
	length := len(queryPath + queryStart)
	flush := func() {
		if len(terms) > 0 {
			urls = append(urls, queryPath+url.QueryEscape(queryStart+strings.Join(terms, or)))
			terms, length = nil, len(queryPath+queryStart)
		}
	}
	for _, d := range domains {
		term := "Website LIKE '%" + d + "%'"
		size := len(url.QueryEscape(term + or))
		if len(terms) == recordsPerPart || length+size > maxURL {
			flush()
		}
		terms, length = append(terms, term), length+size
	}
	flush()
	return urls
}

// domainOfSite is the domain of a website as people write it, without www.
func domainOfSite(site string) string {
	site = strings.ToLower(strings.TrimSpace(site))
	if _, rest, ok := strings.Cut(site, "://"); ok {
		site = rest
	}
	if i := strings.IndexAny(site, "/?#:"); i >= 0 {
		site = site[:i]
	}
	return strings.TrimPrefix(site, "www.")
}
