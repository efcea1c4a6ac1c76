package exposure_test

import (
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"noroshi/analyse/exposure"
	"noroshi/fault"
	"noroshi/ident"
	"noroshi/ledger"
	"noroshi/ledger/ledgertest"
)

// TestAllScannersOfARunShareItsCap hands a run from one scanner to the next, of
// which one says what it sent and one is never heard of again.
func TestAllScannersOfARunShareItsCap(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		r := newRig(t, db)
		ctx := t.Context()
		r.inForce("org_a", "192.0.2.0/28") // whose cap is 1000
		share := func(run ident.ID, by string, more, want int64) {
			t.Helper()
			if n, err := r.Share(ctx, r.scanner(), run, by, more); err != nil || n != want {
				t.Errorf("%s may send %d of %d, %v; want %d", by, n, more, err, want)
			}
		}
		j, err := r.Next(ctx, r.scanner(), "one")
		must(t, err)
		share(j.Run, "one", 300, 300)
		share(j.Run, "one", 300, 300)
		if _, err := r.Share(ctx, r.scanner(), j.Run, "two", 1); fault.KindOf(err) != fault.Conflict {
			t.Errorf("who has not the run is given leave: %v", err)
		}
		if _, err := r.Share(ctx, r.scanner(), j.Run, "one", 0); fault.KindOf(err) != fault.Invalid {
			t.Errorf("leave for nothing is given: %v", err)
		}
		must(t, r.Close(ctx, r.scanner(), j.Run, "one", "out_of_hours", true, json.RawMessage(`{"probes":350}`)))
		_, err = r.Next(ctx, r.scanner(), "two")
		must(t, err)
		share(j.Run, "two", 600, 600)
		r.now = r.now.Add(2 * time.Minute) // The second was killed.
		_, err = r.Next(ctx, r.scanner(), "three")
		must(t, err)
		var all sync.WaitGroup
		var mu sync.Mutex
		var sum int64
		for range 4 {
			all.Go(func() {
				n, err := r.Share(ctx, r.scanner(), j.Run, "three", 20)
				mu.Lock()
				defer mu.Unlock()
				if sum += n; err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if sum != 50 {
			t.Errorf("the third may send %d; 50 are left", sum)
		}
		share(j.Run, "three", 1, 0)
		must(t, r.Close(ctx, r.scanner(), j.Run, "three", "owner_cap", true, json.RawMessage(`{"probes":50}`)))
		r.now = r.now.AddDate(0, 0, 8)
		next, err := r.Next(ctx, r.scanner(), "three")
		must(t, err)
		share(next.Run, "three", 2000, 1000) // Another run has a cap of its own.
	})
}

// TestNoTwoScannersMeetOneOwnerOrNetwork: so that no cap is sent twice.
func TestNoTwoScannersMeetOneOwnerOrNetwork(t *testing.T) {
	r := newRig(t, ledgertest.SQLite(t))
	ctx := t.Context()
	r.inForce("org_a", "192.0.2.0/28")
	r.inForce("org_b", "192.0.2.240/28 198.51.100.0/28") // whose network is the first's, too
	r.inForce("org_i", "203.0.113.0/28")
	r.inForce("org_i", "203.0.112.0/28")
	next := func(by string) exposure.ScanJob {
		t.Helper()
		j, err := r.Next(ctx, r.scanner(), by)
		if fault.KindOf(err) == fault.NotFound {
			return exposure.ScanJob{}
		}
		must(t, err)
		return j
	}
	has := map[ident.ID]ident.ID{}
	for i := range 4 {
		by := fmt.Sprint("scanner ", i)
		if j := next(by); j.Run != "" {
			if has[j.Org] != "" {
				t.Errorf("%s is scanned by two", j.Org)
			}
			has[j.Org] = j.Run
		}
	}
	if len(has) != 2 || has["org_i"] == "" {
		t.Errorf("scanned are %v; want that of org_i, and of org_a and org_b one", has)
	}
	r.now = r.now.Add(2 * time.Minute) // They all fell silent: what is left is taken up one after the other.
	if a, b := next("x"), next("y"); a.Run == "" || b.Run == "" || a.Org == b.Org {
		t.Errorf("taken up are %+v and %+v", a, b)
	}
	if j := next("z"); j.Run != "" {
		t.Errorf("taken up is %+v, too", j)
	}
}
