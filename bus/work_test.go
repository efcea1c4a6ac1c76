package bus_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"

	"noroshi/bus"
)

// bench watches who does what, and that no task is ever done by two.
type bench struct {
	t    *testing.T
	mu   sync.Mutex
	does map[string]string // task → hub
}

func (b *bench) tasks(hub string, n int) (list []bus.Task) {
	for i := range n {
		name := fmt.Sprint("task", i)
		list = append(list, bus.Task{Name: name, Run: func(ctx context.Context, mine func() bool) error {
			b.mu.Lock()
			if other := b.does[name]; other != "" {
				b.t.Errorf("%s begins %s, which %s does", hub, name, other)
			}
			if !mine() {
				b.t.Errorf("%s begins %s, which is not its", hub, name)
			}
			b.does[name] = hub
			b.mu.Unlock()
			<-ctx.Done()
			b.mu.Lock()
			delete(b.does, name)
			b.mu.Unlock()
			return nil
		}})
	}
	return list
}

// load counts the tasks of each hub.
func (b *bench) load() map[string]int {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := map[string]int{}
	for _, hub := range b.does {
		n[hub]++
	}
	return n
}

// TestWorkIsSharedAndTakenOver lets three hubs share six tasks, one leave in good
// order, and one vanish.
func TestWorkIsSharedAndTakenOver(t *testing.T) {
	_, all := cluster(t, three)
	b := &bench{t: t, does: map[string]string{}}
	stops := make([]func(), 3)
	begin := func(i int) {
		name := fmt.Sprint("h", i)
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		w := all[i].hub.NewWork(name, b.tasks(name, 6), slog.New(slog.DiscardHandler))
		go func() { done <- w.Run(ctx) }()
		stops[i] = func() {
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	}
	begin(0)
	until(t, "the only hub does everything", func() bool { return b.load()["h0"] == 6 })
	begin(1)
	begin(2)
	until(t, "three hubs do two tasks each", func() bool {
		n := b.load()
		return n["h0"] == 2 && n["h1"] == 2 && n["h2"] == 2
	})
	stops[1]()
	until(t, "two hubs do three each after one left", func() bool {
		n := b.load()
		return n["h0"] == 3 && n["h2"] == 3
	})
	// The third loses its bus: it must stop by itself, and the first take over.
	all[2].hub.Close()
	until(t, "one hub does everything after another vanished", func() bool {
		n := b.load()
		return n["h0"] == 6 && len(n) == 1
	})
	stops[0]()
	stops[2]()
}
