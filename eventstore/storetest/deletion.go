package storetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"noroshi/access"
	"noroshi/eventstore"
	"noroshi/fault"
)

// deletes lets one of two tenants go, first its older days, then all, and looks
// by every read path whether anything is left of it, or less of the other.
func deletes(t *testing.T, s eventstore.Store) {
	now := time.Now()
	const day = 24 * time.Hour
	var rows []eventstore.Row
	for i := range 50 { // Ten days with five rows each.
		at := now.Add(-time.Duration(i%10) * day)
		rows = append(rows, eventstore.Row{Tenant: 1, Event: Event("org_a", uint64(i), at, "a.example.test")},
			eventstore.Row{Tenant: 2, Event: Event("org_b", uint64(i), at, "b.example.test")})
	}
	add(t, s, rows)
	must(t, s.Sync(t.Context()))
	moment := now.Add(-4 * day)
	must(t, s.DeleteTenant(t.Context(), 1, moment))
	if n := count(t, s, Scope(orgA)); n != "25" {
		t.Errorf("of 50 rows 25 are as new as the day of the moment, not %s", n)
	}
	oldest, err := s.Search(t.Context(), Scope(orgA), eventstore.Query{Limit: 1, Oldest: true})
	must(t, err)
	if len(oldest) != 1 || !oldest[0].Time.Equal(moment.Truncate(time.Millisecond)) {
		t.Errorf("the oldest row is %v, not of %s", oldest, moment)
	}
	if n := count(t, s, Scope(orgB)); n != "50" {
		t.Errorf("the other tenant has %s of 50 rows", n)
	}
	must(t, s.DeleteTenant(t.Context(), 1, moment)) // Nothing is left to do.
	must(t, s.DeleteTenant(t.Context(), 1, time.Time{}))
	if n := count(t, s, Scope(orgA)); n != "0" {
		t.Errorf("%s rows are left", n)
	}
	have, err := s.Known(t.Context(), 1, []string{"nod_org_a.0", "nod_org_a.3", "nod_org_a.30"}, now.Add(-20*day), now)
	must(t, err)
	if len(have) != 0 {
		t.Errorf("it still knows %v", have)
	}
	names, err := s.FieldNames(t.Context(), Scope(orgA), eventstore.Query{})
	must(t, err)
	if len(names) != 0 {
		t.Errorf("there are still fields: %v", names)
	}
	if n := count(t, s, Scope(orgB)); n != "50" {
		t.Errorf("the other tenant has %s of 50 rows", n)
	}
	// Whoever comes back begins anew.
	add(t, s, []eventstore.Row{{Tenant: 1, Event: Event("org_a", 99, now, "again.test")}})
	if n := count(t, s, Scope(orgA)); n != "1" {
		t.Errorf("after it came back it has %s rows", n)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.DeleteTenant(ctx, 2, time.Time{}); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("a deletion nobody waited for: %v", err)
	}
}

func count(t *testing.T, s eventstore.Store, sc access.Scope) string {
	t.Helper()
	rows, err := s.Search(t.Context(), sc, eventstore.Query{LogsQL: `* | stats count() n`})
	must(t, err)
	if len(rows) != 1 {
		t.Fatal(fmt.Sprint("a count gave ", rows))
	}
	return rows[0].Fields["n"]
}
