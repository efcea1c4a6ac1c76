package surface

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"slices"
	"time"

	"gopkg.in/yaml.v3"

	"noroshi/fault"
)

// Exclude writes the text of a scope with more excluded ranges: those of the
// given ones that the scope would meet. It only ever makes a scope narrower.
func Exclude(text []byte, more []netip.Prefix) ([]byte, error) {
	const op = "surface.exclude"
	s, err := Parse(text)
	if err != nil {
		return nil, err
	}
	var add []netip.Prefix
	for _, p := range more {
		meets := slices.ContainsFunc(s.Ranges, p.Overlaps)
		if meets && !slices.Contains(s.Excluded, p.Masked()) {
			add = append(add, p.Masked())
		}
	}
	if len(add) == 0 {
		return text, nil
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, fault.Wrap(op, err)
	}
	slices.SortFunc(add, netip.Prefix.Compare)
	var list yaml.Node
	if err := list.Encode(append(slices.Clone(s.Excluded), slices.Compact(add)...)); err != nil {
		return nil, fault.Wrap(op, err)
	}
	put(doc.Content[0], "excluded", &list)
	var out bytes.Buffer
	if err := yaml.NewEncoder(&out).Encode(&doc); err != nil {
		return nil, fault.Wrap(op, err)
	}
	if _, err := Parse(out.Bytes()); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// narrower tells whether another scope allows the same but for more exclusions.
// Whoever changed anything else, or nothing that matters, is taken to have
// withdrawn it.
func (s *Scope) narrower(n *Scope) bool {
	return s.base() == n.base() && covers(n.Excluded, s.Excluded) && !covers(s.Excluded, n.Excluded)
}

// covers tells whether each range lies in one of the others.
func covers(outer, inner []netip.Prefix) bool {
	return !slices.ContainsFunc(inner, func(p netip.Prefix) bool {
		return !slices.ContainsFunc(outer, func(q netip.Prefix) bool { return q.Bits() <= p.Bits() && q.Overlaps(p) })
	})
}

// base names all that a scope says but its exclusions.
func (s *Scope) base() string {
	n := *s
	n.Excluded = nil
	b, err := json.Marshal(n)
	if err != nil {
		panic(err) // It is made of texts, numbers and times that were read.
	}
	return digest(b)
}

// put sets a key of a mapping.
func put(m *yaml.Node, key string, value *yaml.Node) {
	for i := 0; i+1 < len(m.Content); i += 2 {
		if m.Content[i].Value == key {
			m.Content[i+1] = value
			return
		}
	}
	m.Content = append(m.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: key}, value)
}

// only is the scope for the numbering of targets: its pairs of the given
// addresses and ports, or all. The gate is made of the whole scope all the same.
func (s *Scope) only(list []Target) *Scope {
	if len(list) == 0 {
		return s
	}
	n := *s
	n.Ranges, n.Ports, n.UDPPorts = nil, nil, nil
	for _, t := range list {
		one := netip.PrefixFrom(t.Addr(), t.Addr().BitLen())
		if slices.ContainsFunc(s.Ranges, func(r netip.Prefix) bool { return r.Contains(t.Addr()) }) && !slices.Contains(n.Ranges, one) {
			n.Ranges = append(n.Ranges, one)
		}
		held, some := s.Ports, &n.Ports
		if t.UDP {
			held, some = s.UDPPorts, &n.UDPPorts
		}
		if slices.Contains(held, t.Port()) && !slices.Contains(*some, t.Port()) {
			*some = append(*some, t.Port())
		}
	}
	slices.Sort(n.Ports)
	slices.Sort(n.UDPPorts)
	return &n
}

// Open tells whether probes may leave at an instant: the authorisation has not
// ended, and it is one of its hours.
func (s *Scope) Open(now time.Time) bool { return s.when(now) == Allowed }
