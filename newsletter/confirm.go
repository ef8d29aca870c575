package newsletter

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"gatepost/db"
	"gatepost/input"
	"gatepost/seal"
)

// What an admin may choose as terms, in days.
const (
	mostConfirmDays = 30
	mostKeepDays    = 365
)

// CheckConfirm returns rules with how somebody confirms, as an admin typed it, or a sentence for each
// field that is not in order: confirm_days and keep_days.
func CheckConfirm(r db.ReaderRules, confirm bool, confirmDays, keepDays string) (clean db.ReaderRules, wrong map[string]string) {
	wrong = map[string]string{}
	days := func(field, typed string, most int) int {
		n, err := strconv.Atoi(input.Word(typed))
		if err != nil || n < 1 || n > most {
			wrong[field] = fmt.Sprintf("Please enter a number of days, from 1 to %d.", most)
		}
		return n
	}
	r.Confirm = confirm
	r.ConfirmDays, r.KeepDays = days("confirm_days", confirmDays, mostConfirmDays), days("keep_days", keepDays, mostKeepDays)
	if len(wrong) == 0 && r.KeepDays < r.ConfirmDays {
		wrong["keep_days"] = "This has to be at least as long as the link works."
	}
	return r, wrong
}

// Confirms reports whether who signs up for a newsletter is asked by mail.
func (s *Service) Confirms(n db.Newsletter) bool { return s.mail && n.Readers.Confirm }

// ConfirmStore keeps the links by which people confirm. *db.DB is one, and documents the methods.
type ConfirmStore interface {
	Confirmation(ctx context.Context, tokenHash string) (db.Confirmation, error)
	OpenConfirmation(ctx context.Context, tokenHash string) error
	PressConfirmation(ctx context.Context, tokenHash string) (db.ConfirmationState, error)
	AskConfirmationAgain(ctx context.Context, tokenHash, addressMAC string) (next time.Time, err error)
}

// Confirmation returns the link with a token, or db.ErrNotFound.
func (s *Service) Confirmation(ctx context.Context, token string) (db.Confirmation, error) {
	return s.store.Confirmation(ctx, seal.TokenHash(token))
}

// OpenConfirmation writes down that a link was opened, perhaps by a program that looks at
// mails.
func (s *Service) OpenConfirmation(ctx context.Context, token string, c db.Confirmation) error {
	if !c.OpenedAt.IsZero() {
		return nil
	}
	return s.store.OpenConfirmation(ctx, seal.TokenHash(token))
}

// Confirm confirms by a link, whose button a person has pressed, and returns what the link does
// after that.
func (s *Service) Confirm(ctx context.Context, token string, c db.Confirmation) (db.ConfirmationState, error) {
	state, err := s.store.PressConfirmation(ctx, seal.TokenHash(token))
	if err == nil && state == db.LinkDone {
		s.wake(c.TenantID)
	}
	return state, err
}

// AskAgain sends another link to who has this one. Where that would be too often, next is when
// it may be asked for. Who has nothing to confirm any more gives db.ErrLost.
func (s *Service) AskAgain(ctx context.Context, token string, c db.Confirmation) (next time.Time, err error) {
	return s.store.AskConfirmationAgain(ctx, seal.TokenHash(token), seal.RecipientMAC(s.macs, c.TenantID, c.AddressKey))
}
