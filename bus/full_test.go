package bus_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"testing"
	"time"

	"noroshi/bus"
	"noroshi/disk/disktest"
)

// TestFullDiskRefusesBatchesAndLosesNone says what the engine does when the
// brake was not enough: batches get no answer, nor can any be acknowledged away,
// for that writes too, and room alone does not heal it. After a restart everything
// that it had acknowledged is there, and it takes batches again.
func TestFullDiskRefusesBatchesAndLosesNone(t *testing.T) {
	dir := disktest.Small(t, 24)
	q := bus.Quota{Ahead: 1 << 30, LeastAhead: 1 << 30} // Nobody judges.
	r := newRigIn(t, dir, q)
	if err := r.hub.Works(t.Context()); err != nil {
		t.Errorf("a bus that is well says %v", err)
	}
	a := r.dial(t, "a1")
	body := make([]byte, 64<<10)
	if _, err := rand.Read(body); err != nil {
		t.Fatal(err)
	}
	var want [][]byte
	publish := func() error {
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
		defer cancel()
		b := append([]byte(fmt.Sprintf("%08d", len(want))), body...)
		err := a.Publish(ctx, fmt.Sprint(len(want)), b)
		if err == nil {
			want = append(want, b)
		}
		return err
	}
	var err error
	for err == nil && len(want) < 1000 {
		err = publish()
	}
	if err == nil {
		t.Fatal("a full disk took everything")
	}
	t.Logf("full after %d batches: %v", len(want), err)
	disktest.Grow(t, dir, 64)
	if stuck, said := publish(), r.hub.Works(t.Context()); (stuck == nil) != (said == nil) {
		t.Errorf("with room, before a restart, a batch got %v, and the bus says of itself %v", stuck, said)
	} else {
		t.Logf("with room, before a restart: %v", said)
	}
	r.hub.Close()
	r.server.Close()
	r = newRigIn(t, dir, q)
	a = r.dial(t, "a1")
	in := read(t, r.hub)
	for n := 0; n < len(want); {
		m, err := in.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range m.Batches {
			if n < len(want) && !bytes.Equal(b.Data, want[n]) {
				t.Fatalf("batch %d is another one", n)
			}
			n++
		}
		if n >= len(want) {
			if err := in.Done(t.Context(), m.Seq); err != nil {
				t.Error(err)
			}
		}
	}
	for i := range 10 {
		if err := publish(); err != nil {
			t.Fatalf("batch %d after there was room: %v", i, err)
		}
	}
}
