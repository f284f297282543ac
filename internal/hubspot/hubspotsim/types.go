package hubspotsim

import "fmt"

// A kind is one CRM object type, by all the names HubSpot gives it.
type kind struct {
	id       string // objectTypeId: "0-1"
	name     string // "contacts"
	singular string // "contact"
	created  string // the property with the creation date
	modified string // the property with the modification date
	full     string // fullyQualifiedName; custom objects only
}

// custom tells whether the type is the account's own.
func (k kind) custom() bool { return k.full != "" }

// key names the type in counters and messages: a custom object may share its
// name with a standard one.
func (k kind) key() string {
	if k.custom() {
		return k.id
	}
	return k.name
}

// standardKinds are the object types of every account (developers.hubspot.com,
// "using object APIs", 2026-09). Contacts alone have lastmodifieddate.
var standardKinds = []kind{
	{"0-1", "contacts", "contact", "createdate", "lastmodifieddate", ""},
	{"0-2", "companies", "company", "createdate", "hs_lastmodifieddate", ""},
	{"0-3", "deals", "deal", "createdate", "hs_lastmodifieddate", ""},
	{"0-5", "tickets", "ticket", "createdate", "hs_lastmodifieddate", ""},
	{"0-7", "products", "product", "createdate", "hs_lastmodifieddate", ""},
	{"0-8", "line_items", "line_item", "createdate", "hs_lastmodifieddate", ""},
	{"0-14", "quotes", "quote", "hs_createdate", "hs_lastmodifieddate", ""},
	{"0-18", "communications", "communication", "hs_createdate", "hs_lastmodifieddate", ""},
	{"0-19", "feedback_submissions", "feedback_submission", "hs_createdate", "hs_lastmodifieddate", ""},
	{"0-27", "tasks", "task", "hs_createdate", "hs_lastmodifieddate", ""},
	{"0-46", "notes", "note", "hs_createdate", "hs_lastmodifieddate", ""},
	{"0-47", "meetings", "meeting", "hs_createdate", "hs_lastmodifieddate", ""},
	{"0-48", "calls", "call", "hs_createdate", "hs_lastmodifieddate", ""},
	{"0-49", "emails", "email", "hs_createdate", "hs_lastmodifieddate", ""},
	{"0-53", "invoices", "invoice", "hs_createdate", "hs_lastmodifieddate", ""},
	{"0-54", "marketing_events", "marketing_event", "hs_createdate", "hs_lastmodifieddate", ""},
	{"0-69", "subscriptions", "subscription", "hs_createdate", "hs_lastmodifieddate", ""},
	{"0-74", "goal_targets", "goal_target", "hs_createdate", "hs_lastmodifieddate", ""},
	{"0-84", "discounts", "discount", "hs_createdate", "hs_lastmodifieddate", ""},
	{"0-85", "fees", "fee", "hs_createdate", "hs_lastmodifieddate", ""},
	{"0-86", "taxes", "tax", "hs_createdate", "hs_lastmodifieddate", ""},
	{"0-101", "commerce_payments", "commerce_payment", "hs_createdate", "hs_lastmodifieddate", ""},
	{"0-115", "users", "user", "hs_createdate", "hs_lastmodifieddate", ""},
	{"0-116", "postal_mail", "postal_mail", "hs_createdate", "hs_lastmodifieddate", ""},
	{"0-123", "orders", "order", "hs_createdate", "hs_lastmodifieddate", ""},
	{"0-136", "leads", "lead", "hs_createdate", "hs_lastmodifieddate", ""},
	{"0-142", "carts", "cart", "hs_createdate", "hs_lastmodifieddate", ""},
	{"0-162", "services", "service", "hs_createdate", "hs_lastmodifieddate", ""},
	{"0-410", "courses", "course", "hs_createdate", "hs_lastmodifieddate", ""},
	{"0-420", "listings", "listing", "hs_createdate", "hs_lastmodifieddate", ""},
	{"0-421", "appointments", "appointment", "hs_createdate", "hs_lastmodifieddate", ""},
	{"0-970", "projects", "project", "hs_createdate", "hs_lastmodifieddate", ""},
}

// customKinds are the account's own types; the second shares its name with a
// standard one, as a custom object may.
func customKinds(account int64) []kind {
	full := func(name string) string { return fmt.Sprintf("p%d_%s", account, name) }
	return []kind{
		{"2-1000001", "car", "car", "hs_createdate", "hs_lastmodifieddate", full("car")},
		{"2-1000002", "tickets", "ticket", "hs_createdate", "hs_lastmodifieddate", full("tickets")},
	}
}

// defaultCounts is an account that is small enough to look at.
func defaultCounts() map[string]int {
	return map[string]int{
		"contacts": 5000, "companies": 800, "deals": 1200, "tickets": 600, "products": 50, "line_items": 900,
		"tasks": 400, "notes": 700, "meetings": 150, "calls": 300, "emails": 500, "leads": 120,
		"2-1000001": 200, "2-1000002": 40,
	}
}
