package surface

import "sync"

// queue holds the numbers of open targets that nobody has asked yet. It has no
// bound but the scope's: the reader of answers must never wait, or the kernel
// drops what arrives meanwhile.
type queue struct {
	mu     sync.Mutex
	change sync.Cond
	items  []uint64
	closed bool
}

func newQueue() *queue {
	q := &queue{}
	q.change.L = &q.mu
	return q
}

func (q *queue) put(n uint64) {
	q.mu.Lock()
	q.items = append(q.items, n)
	q.mu.Unlock()
	q.change.Signal()
}

// close lets take say false when the rest is taken.
func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.change.Broadcast()
}

func (q *queue) take() (uint64, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.items) == 0 {
		if q.closed {
			return 0, false
		}
		q.change.Wait()
	}
	n := q.items[0]
	q.items = q.items[1:]
	return n, true
}
