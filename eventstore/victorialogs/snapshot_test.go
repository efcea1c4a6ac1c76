package victorialogs_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"noroshi/eventstore"
	"noroshi/eventstore/storetest"
	"noroshi/eventstore/victorialogs"
)

// TestSnapshotIsAStoreOfItsOwn opens what a snapshot linked, while the store it
// was taken from goes on, merges and deletes.
func TestSnapshotIsAStoreOfItsOwn(t *testing.T) {
	ctx, dir := t.Context(), t.TempDir()
	s := open(t, dir).(*victorialogs.Store)
	defer func() { _ = s.Close() }()
	add := func(from, n int) {
		t.Helper()
		var rows []eventstore.Row
		for i := range n {
			// Over two days, so that there are two partitions.
			rows = append(rows, eventstore.Row{Tenant: 1, Event: storetest.Event("org_a", uint64(from+i), time.Now().Add(-time.Duration(i%2)*24*time.Hour), "a.test")})
		}
		if err := s.Append(ctx, rows); err != nil {
			t.Fatal(err)
		}
	}
	add(1, 100)
	if err := os.MkdirAll(filepath.Join(dir, "copy", "left by a crash"), 0o700); err != nil {
		t.Fatal(err)
	}
	snap, release, err := s.Snapshot(ctx)
	if err != nil {
		t.Fatal(err)
	}
	add(1000, 50)
	if err := s.DeleteTenant(ctx, 1, time.Time{}); err != nil {
		t.Fatal(err)
	}
	elsewhere := filepath.Join(t.TempDir(), "events")
	if err := os.CopyFS(elsewhere, os.DirFS(snap)); err != nil {
		t.Fatal(err)
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(snap); !os.IsNotExist(err) {
		t.Errorf("the links are left: %v", err)
	}
	restored := open(t, elsewhere)
	defer func() { _ = restored.Close() }()
	rows, err := restored.Search(ctx, storetest.Scope(tenantOne), eventstore.Query{})
	if err != nil || len(rows) != 100 {
		t.Errorf("the copy has %d rows, %v", len(rows), err)
	}
	now, err := s.Search(ctx, storetest.Scope(tenantOne), eventstore.Query{})
	if err != nil || len(now) != 0 {
		t.Errorf("the store itself has %d rows, %v", len(now), err)
	}
}
