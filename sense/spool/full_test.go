package spool

import (
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"noroshi/disk/disktest"
	"noroshi/fault"
)

// TestFullDiskDropsNewEventsAndSpoilsNothing fills the disk under a spool that
// thinks it has room, and restarts it there.
func TestFullDiskDropsNewEventsAndSpoilsNothing(t *testing.T) {
	r := newRig(t)
	small := disktest.Small(t, 8)
	r.cfg.Dir, r.cfg.Patience = filepath.Join(small, "spool"), time.Millisecond
	r.hub.away = true
	s := r.open()
	stop := r.run(s)
	want := r.emit(s, 100)
	disktest.NewBallast(t, small).Fill()
	for dropped := uint64(0); dropped < 100; {
		e := lookup("a.example")
		switch err := s.Emit(e); {
		case err == nil: // The last pages of its file had room.
			want = append(want, e.Metadata.Sequence)
		case fault.KindOf(err) == fault.Exhausted:
			dropped++
		default:
			t.Fatal(err)
		}
	}
	if st := s.Stats(); st.Dropped != 100 || st.SpooledEvents != int64(len(want)) {
		t.Errorf("%d events are promised; stats say %+v", len(want), st)
	}
	stop()
	_ = s.Close() // Its folder is full: what cannot be written is not promised.
	r.hub.set(false)
	s = r.open()
	if st := s.Stats(); st.Lost != 0 || st.Quarantined != 0 {
		t.Errorf("something is spoiled: %+v", st)
	}
	r.run(s)
	r.wantDelivered(s, want)
}

// TestBrakeLeavesTheSpoolWhatAnAnsweringHubNeeds: while the disk runs short, a
// hub that is away gets little, and one that answers gets everything.
func TestBrakeLeavesTheSpoolWhatAnAnsweringHubNeeds(t *testing.T) {
	r := newRig(t)
	r.cfg.BatchEvents, r.cfg.Patience = 500, time.Millisecond
	var short atomic.Bool
	r.deps.Brake = func() error {
		if short.Load() {
			return fault.New(fault.Exhausted, "test", "short")
		}
		return nil
	}
	r.hub.away = true
	s := r.open()
	r.run(s)
	short.Store(true)
	var want []uint64
	for {
		e := lookup("a.example")
		if err := s.Emit(e); err != nil {
			break
		}
		want = append(want, e.Metadata.Sequence)
	}
	if st := s.Stats(); st.SpooledBytes > tight || st.SpooledBytes < tight-maxSegment || st.Dropped != 1 {
		t.Errorf("the spool holds %d bytes and dropped %d events", st.SpooledBytes, st.Dropped)
	}
	short.Store(false)
	want = append(want, r.emit(s, 10)...)
	short.Store(true)
	r.hub.set(false)
	until(t, "there is room", func() bool { return s.Stats().SpooledEvents == 0 })
	want = append(want, r.emit(s, 10)...)
	r.wantDelivered(s, want)
}
