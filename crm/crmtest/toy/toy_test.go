package toy

import (
	"slices"
	"testing"

	"gatepost/crm"
	"gatepost/crm/crmtest"
)

func TestProvider(t *testing.T) { crmtest.Provider(t, Provider, noAddress, noField, noValue, needed) }

func TestCRM(t *testing.T) {
	crmtest.Run(t, func(*testing.T) crmtest.Env {
		c := New()
		own := map[crm.ValueType]string{}
		for _, f := range c.Fields {
			own[f.Type] = f.Key
		}
		return crmtest.Env{
			CRM:        c,
			Records:    func() int { return len(c.cards) },
			Down:       func(n int, after bool) { c.down, c.after = n, after },
			LoseChange: func() { c.LoseChange = true },
			Holds:      c.Holds,
			Revoke:     func() { c.ended = true },
			Delete:     func(id string) { delete(c.cards, id) },
			Change:     func(id string) { c.turns++; c.cards[id].changed = c.turns },
			Own:        own,
			Beside: crmtest.Beside{Key: ClubKey, Value: crm.Value{Type: crm.TypeText, Text: "Readers"},
				Fail: func() { c.NoClub = 1 }, Done: func(id string) bool { return slices.Contains(c.Clubs(id), "Readers") }},
			Field: func(key string, what crmtest.FieldChange) {
				i := slices.IndexFunc(c.Fields, func(f crm.SchemaField) bool { return f.Key == key })
				switch f := &c.Fields[i]; what {
				case crmtest.RemoveField:
					c.Fields = slices.Delete(c.Fields, i, i+1)
				case crmtest.RequireField:
					f.Required = true
				case crmtest.RetypeField:
					f.Type, f.Length = crm.TypeNumber, 0
				case crmtest.LockField:
					f.Create, f.Update = false, false
				}
			},
			OptOut: crmtest.OptOut{Is: c.OptedOut, Set: func(id string, out bool) { c.cards[id].out[""] = out }, Hide: func() { c.NoMark = true }, Lock: func() { c.Locked = true },
				Subscription: "7"},
			Refused: crm.Fields{crm.Email: "not an address", crm.LastName: "Doe"},
		}
	})
}
