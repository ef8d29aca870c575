package views

import "github.com/a-h/templ"

// CRMTab is a tab of a CRM's pages. Its value is the last part of the tab's address.
type CRMTab string

// The tabs of a CRM.
const (
	CRMStatus   CRMTab = ""
	CRMProblems CRMTab = "problems"
	CRMMapping  CRMTab = "mapping"
	CRMSettings CRMTab = "settings"
	CRMCheckUp  CRMTab = "checkup"
)

// tabs are those of the CRM's pages, in order.
func (i Integration) tabs(current CRMTab) (all []Tab) {
	for _, t := range []struct {
		tab   CRMTab
		label string
	}{{CRMStatus, "Status"}, {CRMProblems, "Problems"}, {CRMMapping, "Field mapping"}, {CRMSettings, "Settings"}, {CRMCheckUp, "Check-up"}} {
		link := Tab{Text: t.label, URL: string(ServicePage(i.Service)), Current: t.tab == current}
		if t.tab != CRMStatus {
			link.URL = string(i.path(string(t.tab)))
		}
		if t.tab == CRMProblems {
			link.Count = i.Attention
		}
		all = append(all, link)
	}
	return all
}

// statusLink leads to the page of the CRM, or to that of all.
func (c CRM) statusLink() string {
	if c.Service == "" {
		return "Integrations"
	}
	return c.Name + " status"
}

// yours is the CRM as the reader's own.
func (c CRM) yours() string {
	if c.Service == "" {
		return c.Name
	}
	return "your " + c.Name
}

// reconnect is the button's text.
func (c CRM) reconnect() string {
	if c.Service == "" {
		return "Reconnect"
	}
	return "Reconnect " + c.Name
}

// admin is who may change settings there.
func (c CRM) admin() string { return c.yours() + " admin" }

// underApps is where the admin sees the apps that are connected.
func (c CRM) underApps() string {
	if c.Apps == "" {
		return "in its settings"
	}
	return "under " + c.Apps
}

// ServicePage is the address of the first page of a service.
func ServicePage(service string) templ.SafeURL { return templ.SafeURL("/integrations/" + service) }

// mark is the state of a CRM in a word with its colour: green only where nobody has to do
// anything and nobody waits longer than they should.
func (i Integration) mark() *Badge {
	switch {
	case i.State == ConnectionBroken:
		return &Badge{"bad", "off", "Connection lost"}
	case i.State == ConnectionHeld:
		return &Badge{"warn", "clock", "Needs your decision"}
	case i.State != Connected && !i.DisconnectedAt.IsZero():
		return &Badge{"calm", "off", "You disconnected"}
	case i.State != Connected:
		return &Badge{"calm", "off", "Not connected yet"}
	case i.Attention > 0:
		return &Badge{"bad", "alert", "Needs attention"}
	case i.Failing:
		return &Badge{"warn", "alert", "Can’t be renewed"}
	case i.Delayed:
		return &Badge{"warn", "clock", "Sign-ups wait"}
	}
	return &Badge{"good", "ok", "Connected"}
}
