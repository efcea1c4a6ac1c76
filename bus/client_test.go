package bus_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"noroshi/bus"
)

// TestAPublishEndsWithItsLine breaks the line while a batch waits to be taken: the
// node is to offer it to another hub, and not to wait for an answer.
func TestAPublishEndsWithItsLine(t *testing.T) {
	r := newRigIn(t, t.TempDir(), bus.Quota{Ahead: 1, LeastAhead: 1})
	a := r.dial(t, "a1")
	if err := a.Publish(t.Context(), "one", []byte("one")); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- a.Publish(t.Context(), "two", []byte("two")) }()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for r.receiver.Stats().Waiting == 0 { // Nobody judges the first, so the second waits.
		select {
		case <-tick.C:
		case err := <-done:
			t.Fatal("it did not wait: ", err)
		}
	}
	r.disconnect("nod_a1")
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("it ended with %v", err)
	}
}
