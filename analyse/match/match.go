// Package match finds known indicators in events as they pass: names with their
// parents, addresses with their ranges, hashes, URLs. What there is to find in an
// event says package event. It holds the live set in memory and nothing else;
// package intel decides what is in it, app keeps the two together.
package match

import (
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/gaissmai/bart"

	"noroshi/event"
	"noroshi/ident"
	"noroshi/indicator"
	"noroshi/label"
	"noroshi/observable"
)

// Set is the live indicators. Many may ask at once; a change costs the same
// however many there are, which a copy for each change would not.
type Set struct {
	mu       sync.RWMutex
	exact    map[observable.Observable][]*Known // names, hashes, URLs, single addresses
	prefixes *bart.Table[[]*Known]
	ids      map[ident.ID]*Known
}

// New makes an empty set.
func New() *Set {
	return &Set{exact: map[observable.Observable][]*Known{}, prefixes: &bart.Table[[]*Known]{}, ids: map[ident.ID]*Known{}}
}

// Len is how many indicators there are.
func (s *Set) Len() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.ids)
}

// Has tells whether an indicator is looked for.
func (s *Set) Has(id ident.ID) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	_, ok := s.ids[id]
	return ok
}

// Put adds an indicator, or replaces the one with its id. One that is not
// active is taken out.
func (s *Set) Put(ind indicator.Indicator) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remove(ind.ID)
	if ind.State != indicator.Active {
		return
	}
	known := Of(ind)
	s.ids[known.ID] = known
	if known.Observable.Kind == observable.CIDR {
		if p, err := netip.ParsePrefix(known.Observable.Value); err == nil {
			old, _ := s.prefixes.Get(p)
			s.prefixes.Insert(p, append(old[:len(old):len(old)], known))
		}
		return
	}
	s.exact[known.Observable] = append(s.exact[known.Observable], known)
}

// Known is what a finding says of an indicator. Of a hundred thousand the rest
// would be most of what there is to keep, and to walk over at each collection.
type Known struct {
	ID         ident.ID
	Org        ident.ID
	Observable observable.Observable
	label.Marking
	SharedWith []ident.ID
	Confidence int
	Reason     string
	Techniques []string
	ValidUntil time.Time
}

// Of is what is known of an indicator.
func Of(i indicator.Indicator) *Known {
	return &Known{ID: i.ID, Org: i.Org, Observable: i.Observable, Marking: i.Marking, SharedWith: i.SharedWith,
		Confidence: i.Confidence, Reason: i.Reason, Techniques: i.Techniques, ValidUntil: i.ValidUntil}
}

// Remove takes an indicator out.
func (s *Set) Remove(id ident.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remove(id)
}

// remove takes an indicator out; the caller holds the lock.
func (s *Set) remove(id ident.ID) {
	ind, ok := s.ids[id]
	if !ok {
		return
	}
	delete(s.ids, id)
	without := func(list []*Known) []*Known {
		var out []*Known
		for _, x := range list {
			if x.ID != id {
				out = append(out, x)
			}
		}
		return out
	}
	if p, err := netip.ParsePrefix(ind.Observable.Value); err == nil && ind.Observable.Kind == observable.CIDR {
		old, _ := s.prefixes.Get(p)
		if left := without(old); len(left) > 0 {
			s.prefixes.Insert(p, left)
		} else {
			s.prefixes.Delete(p)
		}
		return
	}
	if left := without(s.exact[ind.Observable]); len(left) > 0 {
		s.exact[ind.Observable] = left
	} else {
		delete(s.exact, ind.Observable)
	}
}

// Hit is one indicator seen in one field of an event.
type Hit struct {
	Indicator *Known // must not be changed
	Field     string
	Value     string
}

// Match returns the indicators that an event shows, each once.
func (s *Set) Match(e *event.Event) []Hit {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if len(s.ids) == 0 {
		return nil
	}
	q := query{set: s, at: time.UnixMilli(e.Time)}
	for _, o := range e.Observables() {
		switch o.Kind {
		case observable.Domain:
			q.name(o)
		case observable.IPv4, observable.IPv6:
			q.addr(o)
		default:
			q.take(s.exact[o.Observable], o)
		}
	}
	return q.hits
}

type query struct {
	set  *Set
	at   time.Time
	hits []Hit
}

func (q *query) take(list []*Known, o event.Observable) {
	for _, ind := range list {
		// What has expired by the event's own time is no sighting.
		if !q.at.Before(ind.ValidUntil) || q.has(ind) {
			continue
		}
		q.hits = append(q.hits, Hit{ind, o.Name, o.Value})
	}
}

func (q *query) has(ind *Known) bool {
	for _, h := range q.hits {
		if h.Indicator == ind {
			return true
		}
	}
	return false
}

// name looks for a name and for each of its parents.
func (q *query) name(o event.Observable) {
	for n := o.Value; ; {
		// Text in an answer may have ten thousand parents, none of which is a name.
		if len(n) <= observable.MaxName {
			q.take(q.set.exact[observable.Observable{Kind: observable.Domain, Value: n}], o)
		}
		_, parent, ok := strings.Cut(n, ".")
		if !ok {
			return
		}
		n = parent
	}
}

func (q *query) addr(o event.Observable) {
	q.take(q.set.exact[o.Observable], o)
	if q.set.prefixes.Size() == 0 {
		return
	}
	a, err := netip.ParseAddr(o.Value)
	if err != nil {
		return
	}
	for _, list := range q.set.prefixes.Supernets(netip.PrefixFrom(a, a.BitLen())) {
		q.take(list, o)
	}
}
