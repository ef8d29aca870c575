package stored

// Selector says which identities are meant: those to which all of what it names
// applies. What isn't given applies to any: an empty User is anybody or nobody, and
// NoUser says that it has to be nobody.
type Selector struct {
	ID        string
	Service   string
	TenantID  string
	User      string
	NoUser    bool // those of no user: tenants' own, and labelled ones beside them
	Account   string
	NoAccount bool // those without an account label
	Tags      []string
	// Services and Tenants (ids) bound what may be seen at all, where they aren't
	// empty.
	Services, Tenants []string
}

// Empty reports whether the selector names nothing, so that it means all. Neither
// NoUser nor NoAccount names anything: most identities are without a label.
func (s Selector) Empty() bool {
	return s.ID == "" && s.Service == "" && s.TenantID == "" && s.User == "" && s.Account == "" && len(s.Tags) == 0
}

// NamedIdentity is a connection with its tenant's public name.
type NamedIdentity struct {
	Identity
	Tenant string // slug
}

// Deleted is an identity that was deleted, and the revocation of its token, if
// there is one.
type Deleted struct {
	ID, Service, TenantID, User, Account string

	Tenant     string // slug
	Revocation string // id
}
