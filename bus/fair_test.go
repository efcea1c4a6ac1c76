package bus

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"noroshi/ident"
)

func batchOf(o, node string, size int) *waiting {
	return &waiting{Batch: Batch{From: Node{Org: ident.ID(o), ID: ident.ID(node)}, Data: make([]byte, size)}}
}

// TestFloodSlowsOnlyItself lets one organisation offer far more than is judged.
// Whatever it does, a batch of another is taken in the next bundle, and what the
// flood may have waiting to be judged is bounded.
func TestFloodSlowsOnlyItself(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		quota := Quota{Ahead: 1 << 20, LeastAhead: 128 << 10}
		q, now := newQueue(quota), time.Unix(0, 0)
		ahead := map[ident.ID]int64{}
		var flying []*waiting
		for step := range 200 {
			for n := range rapid.IntRange(0, 20).Draw(t, "flood") {
				q.add(batchOf("flood", fmt.Sprint("f", step, n), rapid.IntRange(1, MaxBatchBytes).Draw(t, "size")))
			}
			victim := batchOf("calm", fmt.Sprint("c", step), 2000)
			q.add(victim)
			picked := q.pick(bundleBytes, now)
			seen := false
			for _, w := range picked {
				seen = seen || w == victim
				ahead[w.From.Org] += w.size()
			}
			if !seen {
				t.Fatalf("in step %d the calm organisation's batch was not taken; %d others were", step, len(picked))
			}
			if most := quota.Ahead + MaxBatchBytes; ahead["flood"] > most {
				t.Fatalf("the flood has %d bytes waiting to be judged", ahead["flood"])
			}
			flying = append(flying, picked...)
			for range min(len(flying), 3) { // Judging is slower than the flood.
				w := flying[0]
				flying = flying[1:]
				q.judged(w.From.Org, w.size())
				ahead[w.From.Org] -= w.size()
			}
		}
	})
}

// TestNothingInTheQueueIsLostOrTakenTwice picks everything that was added, once,
// and each node's in order.
func TestNothingInTheQueueIsLostOrTakenTwice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q, now := newQueue(DefaultQuota), time.Unix(0, 0)
		left := map[*waiting]bool{}
		for range rapid.IntRange(1, 60).Draw(t, "batches") {
			w := batchOf(rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "org"), rapid.SampledFrom([]string{"1", "2", "3"}).Draw(t, "node"), rapid.IntRange(0, MaxBatchBytes).Draw(t, "size"))
			if !q.add(w) {
				t.Fatal("a batch was refused though there was room")
			}
			left[w] = true
		}
		for round := 0; len(left) > 0; round++ {
			if round > 1000 {
				t.Fatalf("%d batches are never taken", len(left))
			}
			now = now.Add(100 * time.Millisecond)
			for _, w := range q.pick(bundleBytes, now) {
				if !left[w] {
					t.Fatal("a batch was taken twice")
				}
				delete(left, w)
				q.judged(w.From.Org, w.size())
			}
		}
		if q.bytes != 0 || len(q.turns) != 0 {
			t.Fatalf("the empty queue counts %d bytes and %d turns", q.bytes, len(q.turns))
		}
	})
}

func TestRatesHoldNodesAndOrganisationsBack(t *testing.T) {
	q, now := newQueue(Quota{NodePerSecond: 1000, OrgPerSecond: 3000, Ahead: 1 << 30, LeastAhead: 1 << 30}), time.Unix(0, 0)
	taken := map[ident.ID]int64{}
	for range 100 { // ten seconds
		for n := range 5 {
			for _, o := range []string{"a", "b"} {
				node := fmt.Sprint(o, n)
				if q.share(ident.ID(o)).queued < 10_000 {
					q.add(batchOf(o, node, 100))
				}
			}
		}
		q.add(batchOf("single", "s", 100))
		q.add(batchOf("single", "s", 100))
		for _, w := range q.pick(1<<20, now) {
			taken[w.From.Org] += w.size()
		}
		now = now.Add(100 * time.Millisecond)
	}
	for o, most := range map[ident.ID]int64{"a": 33_100, "b": 33_100, "single": 11_100} {
		if taken[o] > most || taken[o] < most*8/10 {
			t.Errorf("%s got %d bytes through in ten seconds; at most %d and little less were expected", o, taken[o], most)
		}
	}
}

func FuzzDecodeBundle(f *testing.F) {
	f.Add(appendBundle(nil, []Batch{{Node{Org: "org_a", ID: "nod_a"}, []byte("one")}, {Node{Org: "org_b", ID: "nod_b"}, nil}}))
	f.Add([]byte{bundleVersion})
	f.Add([]byte{bundleVersion, 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Fuzz(func(t *testing.T, data []byte) {
		list, err := decodeBundle(data)
		if err != nil {
			return
		}
		again, err := decodeBundle(appendBundle(nil, list))
		if err != nil || fmt.Sprint(again) != fmt.Sprint(list) {
			t.Fatalf("%v became %v, %v", list, again, err)
		}
	})
}

// TestSmallBatchesGather lets batches wait for others only where that makes a
// bundle worth more, and never after a rest.
func TestSmallBatchesGather(t *testing.T) {
	const left = 5 * time.Millisecond
	for _, c := range []struct {
		name  string
		sizes []int
		left  time.Duration
		want  time.Duration
	}{
		{"nothing waits", nil, left, 0},
		{"small ones soon after a bundle", []int{1000, 2000}, left, left},
		{"small ones after a rest", []int{1000, 2000}, -time.Hour, 0},
		{"one that its node filled", []int{small}, left, 0},
		{"as many small ones as a bundle holds", slices.Repeat([]int{small - 1}, bundleBytes/(small-1)+1), left, 0},
	} {
		q := newQueue(Quota{Ahead: 1 << 20, LeastAhead: 1 << 20})
		for i, size := range c.sizes {
			q.add(batchOf("o", fmt.Sprint("n", i), size))
		}
		if got := q.gathers(c.left); got != c.want {
			t.Errorf("%s: they gather for %v, not %v", c.name, got, c.want)
		}
		q.pick(1<<20, time.Unix(0, 0))
		if got := q.gathers(c.left); got != 0 {
			t.Errorf("%s: when all were taken, they gather for %v", c.name, got)
		}
	}
}
