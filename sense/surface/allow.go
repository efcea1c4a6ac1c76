package surface

import (
	"net"
	"net/netip"

	"noroshi/fault"
)

// Allow gives leave for some more probes to the owner, at most as many as are asked
// for: none when the cap is used up, an error when nobody can say. What was given
// counts as sent, until the end of the run says how many were.
type Allow func(more int64) (int64, error)

// capped says whether the owner takes one more probe. Leave is had for a second's
// worth at a time.
func (g *Gate) capped() Reason {
	most := g.scope.Caps.Owner
	if g.total >= most {
		return OwnerCap
	}
	if g.allow == nil || g.total < g.allowed {
		return Allowed
	}
	n, err := g.allow(min(int64(g.scope.Rate), most-g.total))
	if err != nil {
		return Unaccounted
	}
	if g.allowed += n; n <= 0 {
		return OwnerCap
	}
	return Allowed
}

// narrow goes by a narrower text from now on. Who is excluded by it is left alone
// at once, by connections that are open, too.
func (g *Gate) narrow(s *Scope) {
	g.mu.Lock()
	for _, r := range s.Excluded {
		g.excluded.Insert(r)
	}
	var cut []*leave
	for c, a := range g.open {
		if g.excluded.Contains(a) {
			cut = append(cut, c)
		}
	}
	g.mu.Unlock()
	for _, c := range cut {
		_ = c.Close() // Whoever talks by it sees that it is closed.
	}
	g.stands = s
	if g.narrowed != nil {
		g.narrowed(s)
	}
}

// leave is a connection that the gate lets stand for as long as its address may
// be talked to.
type leave struct {
	net.Conn
	g *Gate
}

// keep takes note of a connection, unless its address was excluded meanwhile.
func (g *Gate) keep(c net.Conn, a netip.Addr) (net.Conn, error) {
	l := &leave{c, g}
	g.mu.Lock()
	excluded := g.excluded.Contains(a)
	if !excluded {
		g.open[l] = a
	}
	g.mu.Unlock()
	if excluded {
		_ = c.Close() // Nothing was said.
		return nil, fault.New(fault.Denied, "surface.gate", "%s: %s", a, IsExcluded.Text("en"))
	}
	return l, nil
}

// Close closes the connection and forgets it.
func (l *leave) Close() error {
	l.g.mu.Lock()
	delete(l.g.open, l)
	l.g.mu.Unlock()
	return l.Conn.Close()
}
