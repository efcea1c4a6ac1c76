// Package match finds known indicators in events as they pass: names with their
// parents, addresses with their ranges, hashes, URLs. It holds the live set in
// memory and nothing else; package intel decides what is in it, app keeps the
// two together.
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
	"noroshi/observable"
)

// Set is the live indicators. Many may ask at once; a change costs the same
// however many there are, which a copy for each change would not.
type Set struct {
	mu       sync.RWMutex
	exact    map[observable.Observable][]*indicator.Indicator // names, hashes, URLs, single addresses
	prefixes *bart.Table[[]*indicator.Indicator]
	ids      map[ident.ID]*indicator.Indicator
}

// New makes an empty set.
func New() *Set {
	return &Set{exact: map[observable.Observable][]*indicator.Indicator{}, prefixes: &bart.Table[[]*indicator.Indicator]{}, ids: map[ident.ID]*indicator.Indicator{}}
}

// Len is how many indicators there are.
func (s *Set) Len() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.ids)
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
	s.ids[ind.ID] = &ind
	if ind.Observable.Kind == observable.CIDR {
		if p, err := netip.ParsePrefix(ind.Observable.Value); err == nil {
			old, _ := s.prefixes.Get(p)
			s.prefixes.Insert(p, append(old[:len(old):len(old)], &ind))
		}
		return
	}
	s.exact[ind.Observable] = append(s.exact[ind.Observable], &ind)
}

// Load puts many: what intel has when the platform starts.
func (s *Set) Load(all []indicator.Indicator) {
	for _, ind := range all {
		s.Put(ind)
	}
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
	without := func(list []*indicator.Indicator) []*indicator.Indicator {
		var out []*indicator.Indicator
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
	Indicator *indicator.Indicator // must not be changed
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
	if e.Query != nil {
		q.name("query.hostname", e.Query.Hostname)
	}
	for _, a := range e.Answers {
		q.any("answers.rdata", strings.TrimSuffix(a.RData, "."))
	}
	q.endpoint("src_endpoint", e.SrcEndpoint)
	q.endpoint("dst_endpoint", e.DstEndpoint)
	q.process("process.", e.Process)
	if e.Process == nil && e.Actor != nil {
		q.process("actor.process.", e.Actor.Process)
	}
	return q.hits
}

type query struct {
	set  *Set
	at   time.Time
	hits []Hit
}

func (q *query) take(list []*indicator.Indicator, field, value string) {
	for _, ind := range list {
		// What has expired by the event's own time is no sighting.
		if !ind.Live(q.at) || q.has(ind) {
			continue
		}
		q.hits = append(q.hits, Hit{ind, field, value})
	}
}

func (q *query) has(ind *indicator.Indicator) bool {
	for _, h := range q.hits {
		if h.Indicator == ind {
			return true
		}
	}
	return false
}

// name looks for a name and for each of its parents.
func (q *query) name(field, name string) {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	for n := name; n != ""; {
		// Text in an answer may have ten thousand parents, none of which is a name.
		if len(n) <= observable.MaxName {
			q.take(q.set.exact[observable.Observable{Kind: observable.Domain, Value: n}], field, name)
		}
		_, parent, ok := strings.Cut(n, ".")
		if !ok {
			return
		}
		n = parent
	}
}

func (q *query) addr(field string, a netip.Addr) {
	a = a.Unmap().WithZone("")
	kind := observable.IPv6
	if a.Is4() {
		kind = observable.IPv4
	}
	q.take(q.set.exact[observable.Observable{Kind: kind, Value: a.String()}], field, a.String())
	for _, list := range q.set.prefixes.Supernets(netip.PrefixFrom(a, a.BitLen())) {
		q.take(list, field, a.String())
	}
}

func (q *query) any(field, s string) {
	if a, err := netip.ParseAddr(s); err == nil {
		q.addr(field, a)
		return
	}
	q.name(field, s)
}

func (q *query) endpoint(field string, e *event.Endpoint) {
	if e == nil {
		return
	}
	if a, err := netip.ParseAddr(e.IP); err == nil {
		q.addr(field+".ip", a)
	}
	if e.Hostname != "" {
		q.name(field+".hostname", e.Hostname)
	}
}

// maxExtract bounds what is looked for in one command line.
const maxExtract = 20

func (q *query) process(prefix string, p *event.Process) {
	if p == nil {
		return
	}
	if p.File != nil {
		for _, h := range p.File.Hashes {
			kind := map[int]observable.Kind{1: observable.MD5, 2: observable.SHA1, 3: observable.SHA256}[h.AlgorithmID]
			q.take(q.set.exact[observable.Observable{Kind: kind, Value: strings.ToLower(h.Value)}], prefix+"file.hashes", h.Value)
		}
	}
	for _, o := range observable.Extract(p.CmdLine, maxExtract) {
		switch o.Kind {
		case observable.Domain, observable.IPv4, observable.IPv6:
			q.any(prefix+"cmd_line", o.Value)
		default:
			q.take(q.set.exact[o], prefix+"cmd_line", o.Value)
		}
	}
}
