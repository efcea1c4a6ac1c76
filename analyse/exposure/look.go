package exposure

import (
	"context"
	"encoding/json"
	"net"
	"net/netip"
	"slices"
	"strings"

	"noroshi/action"
	"noroshi/fault"
	"noroshi/ident"
	"noroshi/label"
	"noroshi/ledger"
	"noroshi/service"
)

// look is what a run saw, and where it looked.
type look struct {
	ports    map[place]service.Port
	quiet    map[place]bool
	owner    map[netip.Addr]ident.ID
	known    map[netip.Addr]bool // somebody declared it as theirs
	running  map[place]running
	weak     []action.Weakness
	device   map[place]bool // judged as devices' ports
	devices  DeviceSurvey   // of a survey of devices
	coverage action.Coverage
	open     []openBefore // what was open before this run
	whole    bool         // everything it was to look at was asked
	realm    label.Realm
}

// place is one port of one address.
type place struct {
	address netip.Addr
	port    string // tcp/443
}

// target is how a scanner reads it: 192.0.2.1:443, or 192.0.2.1:53/udp.
func (p place) target() string {
	over, port, _ := strings.Cut(p.port, "/")
	to := net.JoinHostPort(p.address.String(), port)
	if over == "udp" {
		to += "/udp"
	}
	return to
}

// placeOf is the reverse of target.
func placeOf(target string) (place, error) {
	text, udp := strings.CutSuffix(target, "/udp")
	to, err := netip.ParseAddrPort(text)
	over := "tcp"
	if udp {
		over = "udp"
	}
	return place{to.Addr(), action.PortPlace(over, to.Port())}, err
}

// look reads the parts of a run and judges them. What it makes is the same each
// time, until the run is forgotten.
func (st *Store) look(ctx context.Context, r ScanRun) (c Scope, l *look, err error) {
	l = &look{ports: map[place]service.Port{}, quiet: map[place]bool{}, owner: map[netip.Addr]ident.ID{}, known: map[netip.Addr]bool{}, running: map[place]running{}, device: map[place]bool{}, whole: r.Why == "done", realm: label.Real}
	before := map[place]Service{}
	err = st.d.DB.Read(ctx, func(q ledger.Queryer) error {
		if c, err = st.scopeOf(ctx, q, st.hub(), r.Scope); err != nil {
			return err
		}
		optedOut, err := granted(ctx, q)
		if err != nil {
			return err
		}
		c = st.narrow(c, optedOut)
		if l.open, err = st.openWithin(ctx, q, r); err != nil {
			return err
		}
		was := map[place]bool{}
		for _, x := range l.open {
			was[place{x.Address, x.Place}] = true
		}
		for _, to := range r.Only { // Somebody waits for the answer, whoever saw it open before.
			if at, err := placeOf(to); err == nil {
				was[at] = true
			}
		}
		rows, err := q.Query(ctx, `SELECT body FROM scan_part WHERE run = ?`, r.ID)
		if err = ledger.Each(rows, err, func(scan func(...any) error) error {
			var body string
			if err := scan(&body); err != nil {
				return err
			}
			return l.read([]byte(body), c.Terms, was)
		}); err != nil {
			return err
		}
		for at := range l.ports {
			if l.owner[at.address] == "" {
				l.owner[at.address], l.known[at.address] = st.attribute(r.Org, at.address)
			}
			s, ok, err := serviceAt(ctx, q, l.owner[at.address], at)
			if err != nil {
				return err
			}
			if ok {
				before[at] = s
			}
		}
		return nil
	})
	if err != nil {
		return c, nil, fault.Wrap("exposure.look", err)
	}
	if l.coverage.Checks, err = st.checks(r, l); err != nil {
		return c, nil, fault.Wrap("exposure.look", err)
	}
	if r.Devices != "" {
		l.devices = st.d.Devices.Begin()
		l.judgeDevices(l.devices)
	}
	st.judgeAll(r, l, before)
	if l.whole && len(l.weak) <= maxWeak {
		l.cover(r, c.Terms)
	}
	l.weak = l.weak[:min(len(l.weak), maxWeak)]
	return c, l, nil
}

// read takes in a part. What lies outside the scope is not believed, and of closed
// ports only those are news where something was open before, or that were asked
// for.
func (l *look) read(body []byte, t Terms, was map[place]bool) error {
	var p Part
	if err := json.Unmarshal(body, &p); err != nil {
		return err
	}
	for _, line := range p.Ports {
		x, err := service.Decode(line)
		if err != nil {
			return err
		}
		if at := (place{x.Address, x.Place()}); t.holds(x.Address) && slices.Contains(t.Places, at.port) {
			l.ports[at] = x
			delete(l.quiet, at)
		}
	}
	for _, q := range p.Quiet {
		a, port, err := splitAnswer(q)
		if err != nil {
			return err
		}
		if at := (place{a, port}); was[at] && t.holds(a) && slices.Contains(t.Places, port) {
			if _, open := l.ports[at]; !open {
				l.quiet[at] = true
			}
		}
	}
	return nil
}

// maxWeak bounds what one survey tells. A run that saw more proves nothing: what
// is left out would look as if it were gone.
const maxWeak = 20_000

// maxAnswered bounds the places that a survey names, as those who keep actions do.
const maxAnswered = 300_000

// cover says where the run really looked. A run that did not come to its end
// covered nothing: nobody knows of a silent port whether it was asked. One that met
// more places than a survey may name covered nothing, either.
func (l *look) cover(r ScanRun, t Terms) {
	if len(l.ports)+len(l.quiet) > maxAnswered {
		return
	}
	l.coverage.Ranges, l.coverage.Excluded, l.coverage.Ports = t.Ranges, t.Excluded, t.Places
	if len(r.Only) > 0 {
		l.coverage.Ranges, l.coverage.Excluded, l.coverage.Ports = nil, nil, nil
		for _, to := range r.Only {
			at, err := placeOf(to)
			if err != nil || !t.holds(at.address) {
				continue // It was written by target; its holder may have asked since.
			}
			one := netip.PrefixFrom(at.address, at.address.BitLen())
			if !slices.Contains(l.coverage.Ranges, one) {
				l.coverage.Ranges = append(l.coverage.Ranges, one)
			}
			if !slices.Contains(l.coverage.Ports, at.port) {
				l.coverage.Ports = append(l.coverage.Ports, at.port)
			}
		}
	}
	for at, p := range l.ports {
		said := &l.coverage.Unknown
		if conclusive(p) {
			said = &l.coverage.Answered
		}
		*said = append(*said, action.Answer(at.address, at.port))
	}
	for at := range l.quiet {
		l.coverage.Answered = append(l.coverage.Answered, action.Answer(at.address, at.port))
	}
	slices.Sort(l.coverage.Answered)
	slices.Sort(l.coverage.Unknown)
}

// openBefore is a service that was open when a run began to be taken in, or that
// this run found to be gone.
type openBefore struct {
	Service
	org    ident.ID
	silent int
	run    ident.ID
}

func (st *Store) openWithin(ctx context.Context, q ledger.Queryer, r ScanRun) (list []openBefore, err error) {
	in, args := ledger.In(st.d.Tree().Subtree(r.Org))
	err = eachOpen(ctx, q, `(s.state = 'open' OR s.run = ?) AND s.org IN `+in, append([]any{r.ID}, args...), func(x openBefore) { list = append(list, x) })
	return list, err
}

// eachOpen reads services with what is known of them beside what they said.
func eachOpen(ctx context.Context, q ledger.Queryer, where string, args []any, to func(openBefore)) error {
	rows, err := q.Query(ctx, `SELECT s.silent, s.run, `+serviceColumns+` WHERE `+where, args...)
	return ledger.Each(rows, err, func(scan func(...any) error) error {
		var x openBefore
		var err error
		if x.Service, err = scanService(func(to ...any) error { return scan(append([]any{&x.silent, &x.run, &x.org}, to...)...) }); err == nil {
			to(x)
		}
		return err
	})
}

// conclusive tells whether a port was asked to the end: an open port that said
// nothing, or not all of its protocol, proves nothing.
func conclusive(p service.Port) bool {
	switch {
	case p.Service == "":
		return false
	case p.Service == "https" || p.Service == "tls":
		return p.TLS != nil && len(p.TLS.Versions) > 0
	case p.Service == "ssh":
		return p.SSH != nil && len(p.SSH.Kex) > 0
	}
	return true
}
