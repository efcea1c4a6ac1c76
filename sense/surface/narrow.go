package surface

import (
	"bytes"
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
func (s *Scope) only(list []netip.AddrPort) *Scope {
	if len(list) == 0 {
		return s
	}
	n := *s
	n.Ranges, n.Ports = nil, nil
	for _, t := range list {
		one := netip.PrefixFrom(t.Addr(), t.Addr().BitLen())
		if slices.ContainsFunc(s.Ranges, func(r netip.Prefix) bool { return r.Contains(t.Addr()) }) && !slices.Contains(n.Ranges, one) {
			n.Ranges = append(n.Ranges, one)
		}
		if slices.Contains(s.Ports, t.Port()) && !slices.Contains(n.Ports, t.Port()) {
			n.Ports = append(n.Ports, t.Port())
		}
	}
	slices.Sort(n.Ports)
	return &n
}

// Open tells whether probes may leave at an instant: the authorisation has not
// ended, and it is one of its hours.
func (s *Scope) Open(now time.Time) bool { return s.when(now) == Allowed }
