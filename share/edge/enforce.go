package edge

import (
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/gaissmai/bart"

	"noroshi/ident"
	"noroshi/indicator"
	"noroshi/label"
	"noroshi/observable"
	"noroshi/share/set"
)

// Match is an indicator that covers what was asked for.
type Match struct {
	Indicator ident.ID
	Action    indicator.Action
	Value     string
	Reason    string
	ReasonJA  string
	Realm     label.Realm
}

// Set is the live set of all feeds, as the resolver asks it. What has expired is
// no longer found, also when the hub is away.
type Set struct {
	mu       sync.RWMutex
	waiting  map[string]bool // feeds that were never loaded
	members  map[string]map[ident.ID]indicator.Wire
	names    map[string][]indicator.Wire
	prefixes *bart.Table[[]indicator.Wire]
}

func newSet(feeds []string) *Set {
	s := &Set{waiting: map[string]bool{}, members: map[string]map[ident.ID]indicator.Wire{}, names: map[string][]indicator.Wire{}, prefixes: &bart.Table[[]indicator.Wire]{}}
	for _, f := range feeds {
		s.waiting[f] = true
		s.members[f] = map[ident.ID]indicator.Wire{}
	}
	return s
}

// Ready tells whether every feed was loaded once, from disk or from the hub.
// Before that nobody can say what must be blocked.
func (s *Set) Ready() bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.waiting) == 0
}

// Len is how many indicators are held.
func (s *Set) Len() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	n := 0
	for _, m := range s.members {
		n += len(m)
	}
	return n
}

func (s *Set) ready(feed string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.waiting, feed)
}

// replace makes a feed's members exactly these.
func (s *Set) replace(feed string, members map[ident.ID]indicator.Wire) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, w := range s.members[feed] {
		if now, ok := members[id]; !ok || now != w {
			s.remove(feed, id)
		}
	}
	for id, w := range members {
		if _, ok := s.members[feed][id]; !ok {
			s.put(feed, w)
		}
	}
}

func (s *Set) apply(feed string, changes []set.Change) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range changes {
		s.remove(feed, c.ID)
		if c.Op == indicator.Put {
			s.put(feed, *c.Indicator)
		}
	}
}

func (s *Set) put(feed string, w indicator.Wire) {
	s.members[feed][w.ID] = w
	if !allowed(feed, w) {
		return // It counts for the digest, and is not enforced.
	}
	switch w.Kind {
	case observable.Domain:
		s.names[w.Value] = append(s.names[w.Value], w)
	case observable.IPv4, observable.IPv6, observable.CIDR:
		if p, ok := prefix(w); ok {
			old, _ := s.prefixes.Get(p)
			s.prefixes.Insert(p, append(old[:len(old):len(old)], w))
		}
	}
}

// allowed keeps the realms apart once more, at the last moment: an exercise may
// only name what nobody owns, and a feed carries its own realm only.
func allowed(feed string, w indicator.Wire) bool {
	realm, _, _ := strings.Cut(feed, ".")
	if w.Realm.String() != realm || !w.PAP.MayBlock() {
		return false
	}
	if w.Realm != label.Exercise {
		return true
	}
	if w.Kind == observable.Domain {
		return strings.HasSuffix(w.Value, ".test")
	}
	p, ok := prefix(w)
	return ok && documentation(p)
}

// documentation tells the ranges that nobody uses (RFC 5737, RFC 3849).
func documentation(p netip.Prefix) bool {
	for _, d := range []string{"192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32"} {
		if q := netip.MustParsePrefix(d); q.Contains(p.Addr()) && p.Bits() >= q.Bits() {
			return true
		}
	}
	return false
}

func prefix(w indicator.Wire) (netip.Prefix, bool) {
	if w.Kind == observable.CIDR {
		p, err := netip.ParsePrefix(w.Value)
		return p, err == nil
	}
	a, err := netip.ParseAddr(w.Value)
	if err != nil {
		return netip.Prefix{}, false
	}
	return netip.PrefixFrom(a, a.BitLen()), true
}

func (s *Set) remove(feed string, id ident.ID) {
	w, ok := s.members[feed][id]
	if !ok {
		return
	}
	delete(s.members[feed], id)
	if list := without(s.names[w.Value], w); len(list) > 0 {
		s.names[w.Value] = list
	} else {
		delete(s.names, w.Value)
	}
	p, ok := prefix(w)
	if !ok {
		return
	}
	old, _ := s.prefixes.Get(p)
	if list := without(old, w); len(list) > 0 {
		s.prefixes.Insert(p, list)
	} else {
		s.prefixes.Delete(p)
	}
}

func without(list []indicator.Wire, w indicator.Wire) []indicator.Wire {
	var out []indicator.Wire
	for _, x := range list {
		if x != w {
			out = append(out, x)
		}
	}
	return out
}

// Name returns the indicator that covers a name: its own, or the nearest
// parent's. The strictest action of equals counts.
func (s *Set) Name(name string, now time.Time) (Match, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for n := name; n != ""; {
		if m, ok := strictest(s.names[n], now); ok {
			return m, true
		}
		_, parent, ok := strings.Cut(n, ".")
		if !ok {
			break
		}
		n = parent
	}
	return Match{}, false
}

// Addr returns the indicator that covers an address.
func (s *Set) Addr(a netip.Addr, now time.Time) (Match, bool) {
	a = a.Unmap().WithZone("")
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, list := range s.prefixes.Supernets(netip.PrefixFrom(a, a.BitLen())) {
		if m, ok := strictest(list, now); ok {
			return m, true
		}
	}
	return Match{}, false
}

var rank = map[indicator.Action]int{indicator.Observe: 1, indicator.Sinkhole: 2, indicator.Block: 3}

func strictest(list []indicator.Wire, now time.Time) (Match, bool) {
	best := -1
	for i, w := range list {
		if now.Before(w.ValidUntil) && (best < 0 || rank[w.Action] > rank[list[best].Action]) {
			best = i
		}
	}
	if best < 0 {
		return Match{}, false
	}
	w := list[best]
	return Match{w.ID, w.Action, w.Value, w.Reason, w.ReasonJA, w.Realm}, true
}
