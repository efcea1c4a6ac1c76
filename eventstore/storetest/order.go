package storetest

import (
	"testing"
	"time"

	"noroshi/eventstore"
	"noroshi/org"
)

// anyOrder reads organisations whose numbers do not grow as their identifiers
// do, as those of one millisecond: an engine that wants its tenants in order
// would leave one out in silence.
func anyOrder(t *testing.T, s eventstore.Store) {
	orgs := []org.Organisation{{ID: "org_a", Tenant: 4}, {ID: "org_b", Tenant: 1}, {ID: "org_c", Tenant: 3}, {ID: "org_d", Tenant: 2}}
	var rows []eventstore.Row
	for i, o := range orgs {
		rows = append(rows, eventstore.Row{Tenant: o.Tenant, Event: Event(o.ID, uint64(i), time.Now(), "a.example.test")})
	}
	add(t, s, rows)
	found, err := s.Search(t.Context(), Scope(orgs...), eventstore.Query{})
	must(t, err)
	if len(found) != len(orgs) {
		t.Errorf("%d of %d organisations are found: %v", len(found), len(orgs), found)
	}
}
