package hubspot

// An ObjectType is one kind of CRM record that every account knows. Custom
// objects come from Client.Schemas.
type ObjectType struct {
	Name     string // as in paths and scopes, such as "contacts"
	ID       string // the objectTypeId, such as "0-1"
	Modified string // the property that dates the last change
	Scope    string // the scope that reading it needs, for messages
	Search   bool   // whether it has a search endpoint that filters by Modified
}

// The names of the property that dates a record's last change, and of the one
// that holds its id (developers.hubspot.com, search guide).
const (
	ModifiedContact = "lastmodifieddate"    // of contacts
	Modified        = "hs_lastmodifieddate" // of every other type
	ObjectID        = "hs_object_id"
)

// scopeContacts is the scope of contacts, and of what is logged on them.
const scopeContacts = "crm.objects.contacts.read"

// ObjectTypes lists the standard types in the order of their ids
// (developers.hubspot.com, "using object APIs", 2026-09). Marketing events are
// not among the types that the search guide names; campaigns (0-35) and
// segments (0-45) are read through families of their own.
func ObjectTypes() []ObjectType {
	types := []ObjectType{
		{Name: "contacts", ID: "0-1", Modified: ModifiedContact, Scope: scopeContacts, Search: true},
		{Name: "companies", ID: "0-2", Search: true},
		{Name: "deals", ID: "0-3", Search: true},
		{Name: "tickets", ID: "0-5", Scope: "tickets", Search: true},
		{Name: "products", ID: "0-7", Search: true},
		{Name: "line_items", ID: "0-8", Search: true},
		{Name: "quotes", ID: "0-14", Search: true},
		{Name: "communications", ID: "0-18", Scope: scopeContacts, Search: true},
		{Name: "feedback_submissions", ID: "0-19", Scope: scopeContacts, Search: true},
		{Name: "tasks", ID: "0-27", Scope: scopeContacts, Search: true},
		{Name: "notes", ID: "0-46", Scope: scopeContacts, Search: true},
		{Name: "meetings", ID: "0-47", Scope: scopeContacts, Search: true},
		{Name: "calls", ID: "0-48", Scope: scopeContacts, Search: true},
		{Name: "emails", ID: "0-49", Scope: scopeContacts, Search: true},
		{Name: "invoices", ID: "0-53", Search: true},
		{Name: "marketing_events", ID: "0-54"},
		{Name: "subscriptions", ID: "0-69", Search: true},
		{Name: "goal_targets", ID: "0-74", Scope: "crm.objects.goals.read", Search: true},
		{Name: "discounts", ID: "0-84", Scope: "crm.objects.line_items.read", Search: true},
		{Name: "fees", ID: "0-85", Scope: "crm.objects.line_items.read", Search: true},
		{Name: "taxes", ID: "0-86", Scope: "crm.objects.line_items.read", Search: true},
		{Name: "commerce_payments", ID: "0-101", Scope: "crm.objects.commercepayments.read", Search: true},
		{Name: "users", ID: "0-115", Search: true},
		{Name: "postal_mail", ID: "0-116", Scope: scopeContacts, Search: true},
		{Name: "orders", ID: "0-123", Search: true},
		{Name: "leads", ID: "0-136", Search: true},
		{Name: "carts", ID: "0-142", Search: true},
		{Name: "services", ID: "0-162", Search: true},
		{Name: "courses", ID: "0-410", Search: true},
		{Name: "listings", ID: "0-420", Search: true},
		{Name: "appointments", ID: "0-421", Search: true},
		{Name: "projects", ID: "0-970", Search: true},
	}
	for i := range types {
		t := &types[i]
		if t.Modified == "" {
			t.Modified = Modified
		}
		if t.Scope == "" {
			t.Scope = "crm.objects." + t.Name + ".read"
		}
	}
	return types
}
