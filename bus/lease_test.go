package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// TestALivingHubKeepsEveryTask lets a hub whose watch is interrupted look at the
// tasks of another, which has gone on beating: it may take none of them.
func TestALivingHubKeepsEveryTask(t *testing.T) {
	h := alone(t)
	w := h.NewWork("here", nil, slog.New(slog.DiscardHandler))
	hear := func(key, value string) {
		if _, err := h.state.PutString(t.Context(), key, value); err != nil {
			t.Fatal(err)
		}
		e, err := h.state.Get(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		w.learn(e)
	}
	hear("hub.there", "")
	for i := range 3 {
		hear(fmt.Sprint("lease.", i), "there")
	}
	// The watch ends here. The other hub beats on; this one has not heard of it for long.
	if _, err := h.state.PutString(t.Context(), "hub.there", ""); err != nil {
		t.Fatal(err)
	}
	w.seen["there"] = w.seen["there"].Add(-deadAfter)
	if w.others()["there"] {
		t.Fatal("the other hub still counts as heard of")
	}
	for i := range 3 {
		if w.acquire(t.Context(), fmt.Sprint(i)) {
			t.Errorf("task %d of a hub that lives is taken", i)
		}
	}
	// Now it falls silent.
	w.seen["there"] = w.seen["there"].Add(-deadAfter)
	w.others()
	for i := range 3 {
		if !w.acquire(t.Context(), fmt.Sprint(i)) {
			t.Errorf("task %d of a silent hub is not taken", i)
		}
	}
}

// TestALateWordOfALeaseIsNoNews lets a watch tell of a lease that this hub has lost
// since: it is this hub's again only when the bus gives it anew.
func TestALateWordOfALeaseIsNoNews(t *testing.T) {
	h := alone(t)
	w := h.NewWork("here", nil, slog.New(slog.DiscardHandler))
	if !w.acquire(t.Context(), "x") {
		t.Fatal("a free task is not taken")
	}
	late, err := h.state.Get(t.Context(), "lease.x")
	if err != nil {
		t.Fatal(err)
	}
	w.lose()
	w.learn(late)
	if w.holds("x") {
		t.Error("the lost task is this hub's again")
	}
	if !w.acquire(t.Context(), "x") || !w.holds("x") {
		t.Error("a task that nobody else took is not taken again")
	}
}

// TestNoTaskIsLeftToAHubThatLostIt lets a hub lose more than its share: others see
// its name in the leases and that it lives, so it must do them or give them back.
func TestNoTaskIsLeftToAHubThatLostIt(t *testing.T) {
	h := alone(t)
	var tasks []Task
	for i := range 3 {
		tasks = append(tasks, Task{Name: fmt.Sprint(i), Run: func(ctx context.Context, _ func() bool) error { <-ctx.Done(); return nil }})
	}
	w := h.NewWork("here", tasks, slog.New(slog.DiscardHandler))
	// Both hubs live until the test is over, however slow the machine is.
	w.beat = time.Now().Add(time.Hour)
	w.settle(t.Context())
	w.seen["there"] = time.Now().Add(time.Hour) // Another hub has come, and does nothing yet.
	w.lose()
	w.stopAll(Lost)
	w.settle(t.Context())
	left := 0
	for _, task := range tasks {
		e, err := h.state.Get(t.Context(), "lease."+task.Name)
		if errors.Is(err, jetstream.ErrKeyNotFound) {
			left++
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if string(e.Value()) != "here" || w.running[task.Name] == nil {
			t.Errorf("task %s is left to %s, which does not do it", task.Name, e.Value())
		}
	}
	if left != 1 {
		t.Errorf("%d tasks are left for the other hub, not 1", left)
	}
	w.stopAll(Lost)
}

// TestAHubThatHearsNothingWatchesAnew takes the consumer of a hub's watch away, as
// the death of a server does. The client by itself would notice it after ten seconds,
// when the hub had counted all others as silent: a watch that is left to the client
// must hear later than the hub.
func TestAHubThatHearsNothingWatchesAnew(t *testing.T) {
	h := alone(t)
	w := h.NewWork("here", nil, slog.New(slog.DiscardHandler))
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	left, err := h.state.Watch(ctx, "hub.second")
	if err != nil {
		t.Fatal(err)
	}
	<-left.Updates() // What was there is told: nothing.
	tick := time.NewTicker(beatEvery)
	defer tick.Stop()
	hears := func(of string) {
		t.Helper()
		for !slices.Contains(w.Hubs(), of) {
			if _, err := h.state.PutString(ctx, "hub."+of, ""); err != nil {
				t.Fatal(err)
			}
			select {
			case <-tick.C:
			case <-left.Updates():
				t.Fatalf("the client noticed by itself before the hub heard of %s", of)
			}
		}
	}
	hears("first")
	kv, err := h.js.Stream(ctx, "KV_"+stateBucket)
	if err != nil {
		t.Fatal(err)
	}
	for name := range kv.ConsumerNames(ctx).Name() {
		if err := kv.DeleteConsumer(ctx, name); err != nil {
			t.Fatal(err)
		}
	}
	hears("second")
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// alone is the bus of one hub.
func alone(t *testing.T) *Hub {
	t.Helper()
	s, err := NewServer(ServerConfig{Dir: t.TempDir(), Listen: "127.0.0.1:0", MaxBytes: 64 << 20}, ServerDeps{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	h, err := s.Hub(t.Context(), Single(64<<20))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	return h
}
