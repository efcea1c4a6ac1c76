package replicas

import (
	"context"
	"slices"
	"sync"
	"time"

	"noroshi/fault"
)

const (
	probeEvery = time.Second
	probeBound = 3 * time.Second / 2
	// slack is how far a store may be behind another before it is left for that
	// one, and steep how much slower: a reader who turns pages should not be sent
	// to and fro.
	slack = 5 * time.Second
	steep = 4
)

type member struct {
	Member
	wake chan struct{} // a question failed: look now

	mu      sync.Mutex
	up      bool
	since   time.Time
	err     error
	failed  int // looks in a row
	latency time.Duration
	alive   context.Context // ends when the store is gone, and with it what was asked of it
	die     context.CancelFunc
}

func newMember(m Member) *member {
	x := &member{Member: m, wake: make(chan struct{}, 1), up: true, since: time.Now()}
	x.alive, x.die = context.WithCancel(context.Background())
	return x
}

func (m *member) life() context.Context {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.alive
}

func (m *member) health() Health {
	m.mu.Lock()
	h := Health{Name: m.Name, Up: m.up, Since: m.since, Latency: m.latency}
	if m.err != nil {
		h.Error = fault.PublicOf(m.err)
	}
	m.mu.Unlock()
	if m.Behind != nil {
		h.Behind = m.Behind()
	}
	return h
}

// doubt is said by a question that failed: the next ones go elsewhere until
// somebody has looked.
func (m *member) doubt(err error) {
	m.set(false, err)
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

func (m *member) set(up bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.up != up {
		m.up, m.since = up, time.Now()
	}
	m.err = err
}

// goneAfter is how many looks in a row find nobody before what a store was asked
// is taken from it.
const goneAfter = 2

// looked takes down what a look has found.
func (m *member) looked(took time.Duration, err error) {
	m.set(err == nil, err)
	m.mu.Lock()
	defer m.mu.Unlock()
	if err == nil {
		m.failed = 0
		m.latency = (3*m.latency + took) / 4
		return
	}
	if m.failed++; m.failed == goneAfter {
		m.die()
		m.alive, m.die = context.WithCancel(context.Background())
	}
}

// Run looks how the stores are until ctx ends.
func (r *Reader) Run(ctx context.Context) error {
	var all sync.WaitGroup
	for _, m := range r.members {
		all.Go(func() { r.watch(ctx, m) })
	}
	all.Wait()
	return nil
}

func (r *Reader) watch(ctx context.Context, m *member) {
	tick := time.NewTicker(probeEvery)
	defer tick.Stop()
	for {
		short, cancel := context.WithTimeout(ctx, probeBound)
		start := time.Now()
		err := m.Store.Ping(short)
		cancel()
		if ctx.Err() != nil {
			return
		}
		before := m.health().Up
		m.looked(time.Since(start), err)
		if before != (err == nil) {
			r.log.Info("an event store went or came", "store", m.Name, "up", err == nil, "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-m.wake:
		case <-tick.C:
		}
	}
}

// Health tells how the stores are, in their order.
func (r *Reader) Health() []Health {
	first := r.order()[0]
	list := make([]Health, len(r.members))
	for i, m := range r.members {
		list[i] = m.health()
		list[i].Serving = m == first
	}
	return list
}

// order lists the stores as they are to be asked. The one that served last stays
// the first unless another is clearly healthier.
func (r *Reader) order() []*member {
	health := map[*member]Health{}
	for _, m := range r.members {
		health[m] = m.health()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	best := r.current
	for _, m := range r.members {
		if clearly(health[m], health[best]) {
			best = m
		}
	}
	r.current = best
	rank := func(m *member) int {
		switch {
		case m == best:
			return 0
		case health[m].Up:
			return 1
		}
		return 2 // When nobody else is left.
	}
	list := slices.Clone(r.members)
	slices.SortStableFunc(list, func(a, b *member) int { return rank(a) - rank(b) })
	return list
}

// clearly tells whether a is healthier than b by more than chance.
func clearly(a, b Health) bool {
	switch {
	case a.Up != b.Up:
		return a.Up
	case a.Behind+slack < b.Behind:
		return true
	case b.Behind+slack < a.Behind:
		return false
	}
	return steep*a.Latency+probeEvery/10 < b.Latency
}
