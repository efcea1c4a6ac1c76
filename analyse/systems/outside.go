package systems

import (
	"context"
	"slices"
	"time"

	"noroshi/analyse/affected"
	"noroshi/analyse/exposure"
	"noroshi/analyse/ssvc"
	"noroshi/bom"
	"noroshi/fault"
)

// Outside is who looks from outside.
type Outside interface {
	// Sightings lists the hosts that are seen now, with the number of the last
	// change; nothing when the caller has that already.
	Sightings(ctx context.Context, have int64) (now int64, list []exposure.Sighting, err error)
}

// Seen is what was seen of a system from outside.
type Seen struct {
	At    time.Time `json:"at"`
	Ports []string  `json:"ports"` // as "192.0.2.1 tcp/443"
}

// takeSightings takes over what is seen from outside, if that changed.
func (x *Systems) takeSightings(ctx context.Context) error {
	number, list, err := x.d.Outside.Sightings(ctx, x.mem.looked)
	if err != nil {
		return fault.As(fault.Unavailable, "systems.refresh", err, "what is seen from outside cannot be read")
	}
	m := x.mem
	if number == m.looked {
		return nil
	}
	seen := map[string][]exposure.Sighting{}
	for _, s := range list {
		for _, name := range append([]string{s.Address.String()}, s.Names...) {
			seen[name] = append(seen[name], s)
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.looked, m.seen = number, seen
	for id, k := range m.of {
		if len(k.SeenAs) > 0 {
			m.touched[id] = true
		}
	}
	return nil
}

// sighted says what was seen of a system at the names and addresses that its owner
// says it has; nil is nothing. Only hosts of the organisation and of those below
// it count: nobody learns what a neighbour shows by claiming its address.
func (m *memory) sighted(s System) *Seen {
	var out *Seen
	for _, name := range s.SeenAs {
		for _, host := range m.seen[name] {
			if host.Org != s.Org && !slices.Contains(m.tree().Ancestors(host.Org), s.Org) {
				continue
			}
			if out == nil {
				out = &Seen{}
			}
			if host.At.After(out.At) {
				out.At = host.At
			}
			for _, port := range host.Ports {
				out.Ports = add(out.Ports, host.Address.String()+" "+port)
			}
		}
	}
	return out
}

// placeOf is what is known of where a system stands. That nobody named an address
// is no proof that there is none, and neither is that nothing was seen there.
func (m *memory) placeOf(s System) affected.Place {
	p := affected.Place{Importance: s.Importance}
	switch {
	case m.sighted(s) != nil:
		p.Exposure = ssvc.Seen
	case len(s.SeenAs) > 0:
		p.Exposure = ssvc.Outside
	}
	return p
}

// Believed is the number of the last change of a feed, and 0 while no advisory is
// about packages of a type.
func (x *Systems) Believed(packageType string) (int64, error) {
	m := x.mem
	m.mu.RLock()
	defer m.mu.RUnlock()
	if err := m.loaded(); err != nil || !m.advisories.About(packageType) {
		return 0, err
	}
	return m.believed, nil
}

// Weak lists what hits a package that was seen from outside.
func (x *Systems) Weak(p bom.PURL) (list []exposure.Known) {
	const name = "seen"
	v := affected.NewInventory()
	v.Put(bom.System{Name: name, Components: []bom.Component{{Name: p.Name, Version: p.Version, PURL: p}}})
	m := x.mem
	m.mu.RLock()
	defer m.mu.RUnlock()
	v.Judge(m.advisories, m.attacks, []string{})
	for _, h := range v.Hits(name) {
		answer := h.Judge(m.attacks, affected.Place{Exposure: ssvc.Seen})
		list = append(list, exposure.Known{Name: clip(h.Weakness.Weakness, maxName), Summary: h.Summary, Fixed: h.Fixed, Level: levelOf(h.Score), Threat: threatOf(h, answer)})
	}
	return list
}

// newest is the number of the last change among feeds.
func newest(feeds map[string]int64) (n int64) {
	for _, changed := range feeds {
		n = max(n, changed)
	}
	return n
}
