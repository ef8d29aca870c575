package toy

import (
	"testing"

	"gatepost/crm"
	"gatepost/crm/crmtest"
)

func TestProvider(t *testing.T) { crmtest.Provider(t, Provider, noAddress) }

func TestCRM(t *testing.T) {
	crmtest.Run(t, func(*testing.T) crmtest.Env {
		c := New()
		return crmtest.Env{
			CRM:     c,
			Records: func() int { return len(c.cards) },
			Down:    func(n int, after bool) { c.down, c.after = n, after },
			Revoke:  func() { c.ended = true },
			Delete:  func(id string) { delete(c.cards, id) },
			Change:  func(id string) { c.turns++; c.cards[id].changed = c.turns },
			Refused: crm.Fields{crm.Email: "not an address", crm.LastName: "Doe"},
		}
	})
}
