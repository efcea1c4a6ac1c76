package rollcall_test

import (
	"encoding/json"
	"testing"
	"time"

	"noroshi/bus"
	"noroshi/fault"
	"noroshi/sense/rollcall"
)

var from = bus.Node{Org: "org_a", ID: "nod_a"}

func TestNodeIsAwayWhenItStopsReporting(t *testing.T) {
	now := time.Now()
	r := rollcall.New(func() time.Time { return now })
	report := func(events uint64) {
		b, _ := json.Marshal(rollcall.Report{Role: "sensor", Events: events, At: now.Add(-time.Second)})
		if err := r.Take(from, b); err != nil {
			t.Fatal(err)
		}
	}
	if r.Here("nod_a") {
		t.Error("a node that never reported is here")
	}
	report(10)
	now = now.Add(rollcall.Interval)
	report(40)
	s, ok := r.Get("nod_a")
	if !ok || s.PerSecond != 10 || s.Skew != time.Second || s.Org != "org_a" {
		t.Errorf("%+v", s)
	}
	if now = now.Add(rollcall.Away); r.Here("nod_a") {
		t.Error("a node that stopped reporting is still here")
	}
	if err := r.Take(from, []byte("{")); fault.KindOf(err) != fault.Invalid {
		t.Errorf("garbage: %v", err)
	}
	if err := r.Take(from, make([]byte, 64<<10)); fault.KindOf(err) != fault.TooLarge {
		t.Errorf("too much: %v", err)
	}
	if s, _ := r.Get("nod_a"); s.Events != 40 {
		t.Error("garbage changed the state")
	}
	r.Forget("nod_a")
	if _, ok := r.Get("nod_a"); ok {
		t.Error("a node that was cut off is still there")
	}
}

func FuzzTake(f *testing.F) {
	f.Add([]byte(`{"role":"sensor","events":1,"at":"2026-01-01T00:00:00Z","limits":["x"]}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := rollcall.New(time.Now)
		if _, ok := r.Get(from.ID); r.Take(from, b) == nil && ok {
			t.Error("it was there before it reported")
		}
	})
}
