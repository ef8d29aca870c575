package auth

import (
	"context"
	"fmt"
	"unicode/utf8"

	"gatepost/db"
)

const (
	passwordMinChars = 15
	passwordMaxBytes = 1000
)

// PasswordRule says what a new password needs, to somebody who has yet to think of
// one.
var PasswordRule = fmt.Sprintf("at least %d characters; four random words make a good one", passwordMinChars)

// checkPassword returns what is wrong with a new password, or "". The names are
// those that others guess by: of the user and of their organisations.
func checkPassword(password string, names ...string) string {
	switch {
	case utf8.RuneCountInString(password) < passwordMinChars:
		return fmt.Sprintf("A password needs at least %d characters. Four random words make a good one.", passwordMinChars)
	case len(password) > passwordMaxBytes:
		return fmt.Sprintf("This password is too long: at most %d bytes.", passwordMaxBytes)
	}
	return guessable(password, names)
}

// checkNewPassword gives FieldErrors (password) when somebody who is there already
// can't have this one.
func (p *People) checkNewPassword(ctx context.Context, user db.User, password string) error {
	tenants, err := p.store.TenantsOf(ctx, user.ID)
	if err != nil {
		return err
	}
	names := []string{user.Email}
	for _, t := range tenants {
		names = append(names, t.Slug, t.Name)
	}
	wrong := FieldErrors{}
	wrong.check("password", checkPassword(password, names...))
	return wrong.err()
}
