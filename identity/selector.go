package identity

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Bounds of what an application calls its users, accounts and tags, in bytes, and
// of how many tags an identity may have.
const (
	maxName = 255
	maxTags = 50
)

// NameError says that a user, account or tag can't be stored as it is called.
type NameError struct {
	What string // user, account or tag
	Name string
}

// Error says so, with the beginning of the name.
func (e *NameError) Error() string {
	return fmt.Sprintf("%.40q can't be the name of a user, an account or a tag: it has to be text of 1 to %d bytes", e.Name, maxName)
}

// ErrTooManyTags says that an identity was to have more than 50 tags.
var ErrTooManyTags = fmt.Errorf("an identity has at most %d tags", maxTags)

// CleanTags returns the tags sorted, each once. Any characters may stand in
// them. Errors: *NameError, ErrTooManyTags.
func CleanTags(tags []string) ([]string, error) {
	clean := slices.Compact(slices.Sorted(slices.Values(tags)))
	if len(clean) > maxTags {
		return nil, ErrTooManyTags
	}
	for _, tag := range clean {
		if tag == "" {
			return nil, &NameError{What: "tag"}
		}
	}
	return clean, checkNames("tag", clean...)
}

// checkNames returns a *NameError unless each name, of a user, an account or a tag, is
// empty or may be stored.
func checkNames(what string, names ...string) error {
	for _, name := range names {
		if !storable(name, maxName) {
			return &NameError{What: what, Name: name}
		}
	}
	return nil
}

// storable reports whether a text has at most so many bytes, and both databases keep it as
// it is.
func storable(s string, most int) bool {
	return len(s) <= most && utf8.ValidString(s) && !strings.ContainsRune(s, 0)
}

// CheckSelector returns ErrContrarySelector or a *NameError for what nothing can be
// selected by.
func CheckSelector(sel Selector) error {
	if sel.User != "" && sel.NoUser || sel.Account != "" && sel.NoAccount {
		return ErrContrarySelector
	}
	return errors.Join(checkNames("user", sel.User), checkNames("account", sel.Account), checkNames("tag", sel.Tags...))
}

// checkNamed is CheckSelector for where something has to be named: else
// ErrEmptySelector.
func checkNamed(sel Selector) error {
	if sel.Empty() {
		return ErrEmptySelector
	}
	return CheckSelector(sel)
}

// AmbiguousError says that a selector means several identities where one is asked
// for.
type AmbiguousError struct {
	Identities []NamedIdentity // some of them, the oldest first
	More       bool            // there are others
}

// Error says how many.
func (e *AmbiguousError) Error() string {
	if e.More {
		return fmt.Sprintf("more than %d identities match", len(e.Identities))
	}
	return fmt.Sprintf("%d identities match", len(e.Identities))
}

// ErrEmptySelector says that a selector names nothing where it must.
var ErrEmptySelector = errors.New("the selector is empty")

// shownMatches is how many of several matches an AmbiguousError names.
const shownMatches = 10

// Find returns the identity that the selector means. Errors: ErrEmptySelector,
// ErrContrarySelector, *NameError, ErrNotConnected, *AmbiguousError, or a failure of
// the store.
func (v *Vault) Find(ctx context.Context, sel Selector) (NamedIdentity, error) {
	if err := checkNamed(sel); err != nil {
		return NamedIdentity{}, err
	}
	found, err := v.Store.Identities(ctx, sel, "", shownMatches+1)
	switch {
	case err != nil:
		return NamedIdentity{}, err
	case len(found) == 0:
		return NamedIdentity{}, ErrNotConnected
	case len(found) > 1:
		shown := found[:min(len(found), shownMatches)]
		return NamedIdentity{}, &AmbiguousError{Identities: shown, More: len(found) > len(shown)}
	}
	return found[0], nil
}

// Page is a part of a listing.
type Page struct {
	Identities []NamedIdentity
	Next       string // where the next page begins; empty when there is none
}

// List returns up to limit of the selected identities, of all when the selector is
// empty; after is the Next of the page before. Going from page to page meets each
// identity once, whatever comes and goes meanwhile. Errors: ErrContrarySelector,
// *NameError, or a failure of the store.
func (v *Vault) List(ctx context.Context, sel Selector, after string, limit int) (Page, error) {
	if err := CheckSelector(sel); err != nil {
		return Page{}, err
	}
	found, err := v.Store.Identities(ctx, sel, after, limit+1)
	if err != nil || len(found) <= limit {
		return Page{Identities: found}, err
	}
	return Page{Identities: found[:limit], Next: found[limit-1].ID}, nil
}
