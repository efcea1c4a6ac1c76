package victorialogs_test

import (
	"context"
	"testing"
	"time"

	"noroshi/eventstore"
	"noroshi/eventstore/storetest"
	"noroshi/fault"
)

// TestDeletionGoesOnAfterARestart begins to delete, closes the store, and waits
// in the next one. An event from ahead of the clock goes too.
func TestDeletionGoesOnAfterARestart(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	rows := append(batch(100, 0, time.Now()), batch(1, 100, time.Now().Add(23*time.Hour))...)
	if err := s.Append(t.Context(), rows); err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.DeleteTenant(ended, 1, time.Time{}); fault.KindOf(err) != fault.Unavailable {
		t.Fatalf("a deletion that nobody waited for: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir)
	defer func() { _ = s.Close() }()
	if err := s.DeleteTenant(t.Context(), 1, time.Time{}); err != nil {
		t.Fatal(err)
	}
	left, err := s.Search(t.Context(), storetest.Scope(tenantOne), eventstore.Query{})
	if err != nil || len(left) > 0 {
		t.Errorf("left are %v, %v", left, err)
	}
}
