package spool

import (
	"slices"
	"sync"
	"testing"
	"time"
)

// TestClockThatJumpsLosesNothing sets the machine's clock back and ahead by
// decades, while the spool runs and between its runs: sequences still grow, and
// everything is delivered in order.
func TestClockThatJumpsLosesNothing(t *testing.T) {
	r := newRig(t)
	var mu sync.Mutex
	now := time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC)
	jump := func(to time.Time) {
		mu.Lock()
		defer mu.Unlock()
		now = to
	}
	r.deps.Now = func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		now = now.Add(time.Microsecond)
		return now
	}
	var want []uint64
	for _, year := range []int{2026, 1971, 2080, 1970, 2026} {
		r.hub.set(true) // What is emitted before the jump waits for what comes after.
		s := r.open()
		stop := r.run(s)
		want = append(want, r.emit(s, 10)...)
		jump(time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC))
		want = append(want, r.emit(s, 10)...)
		r.hub.set(false)
		until(t, "everything is delivered", func() bool { return s.Stats().SpooledEvents == 0 })
		if st := s.Stats(); st.Dropped+st.Lost+st.Refused+st.Quarantined > 0 || st.Oldest < 0 {
			t.Errorf("in %d: %+v", year, st)
		}
		stop()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if got := r.hub.got(); !slices.Equal(got, want) || !slices.IsSorted(got) {
		t.Errorf("delivered were %v, emitted %v", got, want)
	}
	if last := want[len(want)-1]; last > 1<<62 {
		t.Errorf("the sequence became %d", last)
	}
}
