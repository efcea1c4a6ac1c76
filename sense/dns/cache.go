package dns

import (
	"container/list"
	"sync"
	"time"

	wire "github.com/miekg/dns"
)

// Bounds of how long an answer is used (RFC 8767, RFC 2308).
const (
	maxTTL      = 24 * 60 * 60
	maxNegative = 60 * 60
	staleFor    = 24 * time.Hour
	staleTTL    = 30
	failTTL     = 1               // a failure is remembered so long (RFC 9520)
	recheck     = 5 * time.Second // a stale answer is used so long before the upstream is asked again
)

// key is what an answer depends on.
type key struct {
	name   string
	qtype  uint16
	do, cd bool
}

func keyOf(q *query) key { return key{q.name, q.q.Qtype, q.do(), q.header.CheckingDisabled} }

// answer is a message of an upstream as it came, packed.
type answer struct {
	packed []byte
	ede    []wire.EDNS0_EDE
	stored time.Time
	ttl    uint32
	retry  time.Time // until then a stale answer is used without asking
}

// fresh tells whether the answer may be used without asking.
func (a *answer) fresh(now time.Time) bool { return seconds(now, a.stored) < a.ttl }

// failed tells an answer that says that there is none.
func (a *answer) failed() bool {
	rcode := int(a.packed[3] & 0xF)
	return rcode != wire.RcodeSuccess && rcode != wire.RcodeNameError
}

// stale tells whether the answer may be used when nobody answers.
func (a *answer) stale(now time.Time) bool {
	return !a.failed() && now.Before(a.stored.Add(time.Duration(a.ttl)*time.Second+staleFor))
}

// open unpacks the answer with its time to live as it is now.
func (a *answer) open(now time.Time) (*wire.Msg, error) {
	m := new(wire.Msg)
	if err := m.Unpack(a.packed); err != nil {
		return nil, err
	}
	age, stale := seconds(now, a.stored), !a.fresh(now)
	for _, section := range [][]wire.RR{m.Answer, m.Ns} {
		for _, rr := range section {
			h := rr.Header()
			switch {
			case stale:
				h.Ttl = min(h.Ttl, staleTTL)
			case h.Ttl > age:
				h.Ttl -= age
			default:
				h.Ttl = 0
			}
		}
	}
	return m, nil
}

// lifetime is how long an answer may be used, 0 for not at all.
func lifetime(m *wire.Msg) uint32 {
	if m.Rcode != wire.RcodeSuccess && m.Rcode != wire.RcodeNameError {
		return failTTL
	}
	ttl := uint32(maxTTL)
	for _, rr := range m.Answer {
		ttl = min(ttl, rr.Header().Ttl)
	}
	if m.Rcode == wire.RcodeSuccess && len(m.Answer) > 0 && answers(m) {
		return ttl
	}
	for _, rr := range m.Ns {
		if soa, ok := rr.(*wire.SOA); ok {
			return min(ttl, soa.Hdr.Ttl, soa.Minttl, maxNegative)
		}
	}
	return 0
}

// answers tells whether there is more than aliases that lead to nothing.
func answers(m *wire.Msg) bool {
	t := m.Question[0].Qtype
	for _, rr := range m.Answer {
		if rr.Header().Rrtype == t {
			return true
		}
	}
	return false
}

// cache keeps the answers that were used last, within a number and a size.
type cache struct {
	maxEntries, maxBytes int

	mu    sync.Mutex
	m     map[key]*list.Element
	order *list.List // newest first, of *kept
	bytes int
}

type kept struct {
	key
	*answer
}

// overhead is about what an entry costs beside its name and its message.
const overhead = 256

func (k *kept) size() int { return len(k.packed) + len(k.name) + overhead }

func newCache(entries, bytes int) *cache {
	return &cache{maxEntries: entries, maxBytes: bytes, m: map[key]*list.Element{}, order: list.New()}
}

func (c *cache) get(k key) (*answer, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.m[k]
	if !ok {
		return nil, false
	}
	c.order.MoveToFront(e)
	return e.Value.(*kept).answer, true
}

// put keeps an answer, and forgets those that were not used for longest. Answers
// are replaced, never changed.
func (c *cache) put(k key, a *answer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.m[k]; ok {
		c.remove(e)
	}
	x := &kept{k, a}
	if x.size() > c.maxBytes {
		return
	}
	c.m[k] = c.order.PushFront(x)
	c.bytes += x.size()
	for len(c.m) > c.maxEntries || c.bytes > c.maxBytes {
		c.remove(c.order.Back())
	}
}

func (c *cache) remove(e *list.Element) {
	x := c.order.Remove(e).(*kept)
	delete(c.m, x.key)
	c.bytes -= x.size()
}
