package identity

import (
	"context"
	"time"

	"gatepost/db"
)

// tamperedStore asks before each write, and after each that succeeded, whether
// it is to fail: then nothing is written, or it is written and nobody learns of it.
type tamperedStore struct {
	fullStore
	fails func(method string, after bool) error
}

// tampered makes a vault's store one.
func tampered(fails func(method string, after bool) error) func(*Config) {
	return func(c *Config) { c.Store = &tamperedStore{fullStore: c.Store.(fullStore), fails: fails} }
}

// writes are the methods of a Store that write.
var writes = []string{"SaveIdentity", "DeleteIdentity", "StartRenewal", "RestartCall", "ExtendRenewal", "FinishRenewal", "FailRenewal",
	"BreakIdentity", "SetExpiry", "Used", "HoldIdentity", "DropHeld", "AddHandshake", "TakeHandshake", "EndHandshake", "AddRevocation", "DeleteRevocation",
	"ChangeService", "MendBroken", "ChangeTenantApp"}

func tamper[T any](s *tamperedStore, method string, write func() (T, error)) (T, error) {
	var nothing T
	if err := s.fails(method, false); err != nil {
		return nothing, err
	}
	got, err := write()
	if err != nil {
		return got, err
	}
	if err := s.fails(method, true); err != nil {
		return nothing, err
	}
	return got, nil
}

func (s *tamperedStore) tamper(method string, write func() error) error {
	_, err := tamper(s, method, func() (struct{}, error) { return struct{}{}, write() })
	return err
}

func (s *tamperedStore) SaveIdentity(ctx context.Context, g db.Grant, otherOrg bool, confirmed string) (string, error) {
	return tamper(s, "SaveIdentity", func() (string, error) { return s.fullStore.SaveIdentity(ctx, g, otherOrg, confirmed) })
}

func (s *tamperedStore) DeleteIdentity(ctx context.Context, service, tenantID, actor string) ([]string, error) {
	return tamper(s, "DeleteIdentity", func() ([]string, error) { return s.fullStore.DeleteIdentity(ctx, service, tenantID, actor) })
}

func (s *tamperedStore) StartRenewal(ctx context.Context, id string, generation int64, owner string, lease time.Duration, refused bool) (time.Time, error) {
	return tamper(s, "StartRenewal", func() (time.Time, error) {
		return s.fullStore.StartRenewal(ctx, id, generation, owner, lease, refused)
	})
}

func (s *tamperedStore) RestartCall(ctx context.Context, id string, generation int64, owner string) error {
	return s.tamper("RestartCall", func() error { return s.fullStore.RestartCall(ctx, id, generation, owner) })
}

func (s *tamperedStore) ExtendRenewal(ctx context.Context, id, owner string, lease time.Duration) error {
	return s.tamper("ExtendRenewal", func() error { return s.fullStore.ExtendRenewal(ctx, id, owner, lease) })
}

func (s *tamperedStore) FinishRenewal(ctx context.Context, g db.Grant, generation int64) error {
	return s.tamper("FinishRenewal", func() error { return s.fullStore.FinishRenewal(ctx, g, generation) })
}

func (s *tamperedStore) FailRenewal(ctx context.Context, id string, generation int64, owner, code string, retryAt time.Time, unknown bool) error {
	return s.tamper("FailRenewal", func() error {
		return s.fullStore.FailRenewal(ctx, id, generation, owner, code, retryAt, unknown)
	})
}

func (s *tamperedStore) BreakIdentity(ctx context.Context, id string, generation int64, code, owner string) error {
	return s.tamper("BreakIdentity", func() error { return s.fullStore.BreakIdentity(ctx, id, generation, code, owner) })
}

func (s *tamperedStore) SetExpiry(ctx context.Context, id string, generation int64, expires time.Time) error {
	return s.tamper("SetExpiry", func() error { return s.fullStore.SetExpiry(ctx, id, generation, expires) })
}

func (s *tamperedStore) Used(ctx context.Context, at map[string]time.Time) error {
	return s.tamper("Used", func() error { return s.fullStore.Used(ctx, at) })
}

func (s *tamperedStore) HoldIdentity(ctx context.Context, h db.Held) error {
	return s.tamper("HoldIdentity", func() error { return s.fullStore.HoldIdentity(ctx, h) })
}

func (s *tamperedStore) DropHeld(ctx context.Context, service, tenantID, heldID string) (string, error) {
	return tamper(s, "DropHeld", func() (string, error) { return s.fullStore.DropHeld(ctx, service, tenantID, heldID) })
}

func (s *tamperedStore) AddHandshake(ctx context.Context, h db.Handshake) error {
	return s.tamper("AddHandshake", func() error { return s.fullStore.AddHandshake(ctx, h) })
}

func (s *tamperedStore) TakeHandshake(ctx context.Context, service, stateHash, sessionID string) (db.Handshake, error) {
	return tamper(s, "TakeHandshake", func() (db.Handshake, error) { return s.fullStore.TakeHandshake(ctx, service, stateHash, sessionID) })
}

func (s *tamperedStore) EndHandshake(ctx context.Context, h db.Handshake, o db.HandshakeOutcome) error {
	return s.tamper("EndHandshake", func() error { return s.fullStore.EndHandshake(ctx, h, o) })
}

func (s *tamperedStore) AddRevocation(ctx context.Context, g db.Grant) (string, error) {
	return tamper(s, "AddRevocation", func() (string, error) { return s.fullStore.AddRevocation(ctx, g) })
}

func (s *tamperedStore) ChangeService(ctx context.Context, service string, change func(*db.ServiceSettings)) error {
	return s.tamper("ChangeService", func() error { return s.fullStore.ChangeService(ctx, service, change) })
}

func (s *tamperedStore) MendBroken(ctx context.Context, service, tenantID string, codes []string) (int64, error) {
	return tamper(s, "MendBroken", func() (int64, error) { return s.fullStore.MendBroken(ctx, service, tenantID, codes) })
}

func (s *tamperedStore) ChangeTenantApp(ctx context.Context, service, tenantID string, change func(*db.TenantApp) error) (int64, error) {
	return tamper(s, "ChangeTenantApp", func() (int64, error) { return s.fullStore.ChangeTenantApp(ctx, service, tenantID, change) })
}

func (s *tamperedStore) DeleteRevocation(ctx context.Context, id string) error {
	return s.tamper("DeleteRevocation", func() error { return s.fullStore.DeleteRevocation(ctx, id) })
}
