package exposure

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"noroshi/access"
	"noroshi/action"
	"noroshi/fault"
	"noroshi/ident"
	"noroshi/service"
)

// Devices knows devices, and keeps what their owners are told.
type Devices interface {
	Begin() DeviceSurvey
}

// DeviceSurvey is what one run says of devices.
type DeviceSurvey interface {
	// Judge judges one host by its ports and says which places are those of devices:
	// nobody else judges them. What is weak at places that were not seen is not told:
	// the port there is remembered, for what it tells of the device.
	Judge(host []service.Port, seen func(place string) bool) (places []string)
	// Take tells those who keep what owners are told. The survey lacks its weaknesses
	// and its checks.
	Take(ctx context.Context, s access.Scope, v action.Survey, until time.Time) error
}

// surveyOfDevices is what a scope says that is one.
const surveyOfDevices = "iot"

func (t Terms) ofDevices() bool { return t.Survey == surveyOfDevices }

// judgeDevices has the hosts of a survey of devices judged. A host is judged with
// the ports that it had open before: one lost answer must not make a router an
// ordinary server, whose management is nobody's concern.
func (l *look) judgeDevices(d DeviceSurvey) {
	hosts := map[netip.Addr][]service.Port{}
	for _, at := range sorted(l.ports) {
		hosts[at.address] = append(hosts[at.address], l.ports[at])
	}
	for _, x := range l.open {
		at := place{x.Address, x.Place}
		_, seen := l.ports[at]
		if _, met := hosts[x.Address]; met && !seen && !l.quiet[at] && x.State == isOpen {
			hosts[x.Address] = append(hosts[x.Address], x.Port)
		}
	}
	for a, host := range hosts {
		seen := func(port string) bool { _, ok := l.ports[place{a, port}]; return ok }
		for _, port := range d.Judge(host, seen) {
			l.device[place{a, port}] = true
		}
	}
}

// ordinary is the coverage of what is judged as an ordinary server.
func (l *look) ordinary() action.Coverage {
	c := l.coverage
	isDevice := map[string]bool{}
	for at := range l.device {
		isDevice[action.Answer(at.address, at.port)] = true
	}
	c.Answered = slices.DeleteFunc(slices.Clone(c.Answered), func(s string) bool { return isDevice[s] })
	if len(c.Ranges) == 0 {
		return c
	}
	c.Unknown = slices.Clone(c.Unknown)
	for s := range isDevice {
		c.Unknown = append(c.Unknown, s)
	}
	slices.Sort(c.Unknown)
	c.Unknown = slices.Compact(c.Unknown)
	return c
}

// tellDevices hands in what a survey of devices saw. Under the run's identifier
// they may have it already, from before a crash.
func (st *Store) tellDevices(ctx context.Context, r ScanRun, c Scope, l *look) error {
	if l.devices == nil {
		return nil
	}
	v := action.Survey{ID: r.Devices, Source: action.ByIoT, Org: r.Org, Realm: l.realm, Began: r.Began, Ended: r.Ended, By: r.By, Basis: c.Terms.LegalBasis, Coverage: l.coverage}
	if err := l.devices.Take(ctx, st.hub(), v, c.Terms.ValidUntil); err != nil && fault.KindOf(err) != fault.Conflict {
		return err
	}
	return nil
}

// Wish is a place that somebody wants to be looked at again.
type Wish struct {
	Address netip.Addr
	Place   string
	// Provider is set when it is a device's: only a survey of devices of this
	// organisation, or of one above it, looks there.
	Provider ident.ID
	At       time.Time // since when; zero when that is not known
}

// wished lists the places of one address that a scope allows to look at, and that
// were not asked lately. A scanner asks all ports of a run at all its addresses, so
// a run of two addresses would meet places for which nobody has asked.
func (st *Store) wished(c Scope, optedOut []netip.Prefix, list []Wish, asked map[string]time.Time) (only []string) {
	if len(list) == 0 {
		return nil
	}
	c = st.narrow(c, optedOut)
	var one netip.Addr
	for _, w := range list {
		if one.IsValid() && w.Address != one || !c.Terms.holds(w.Address) || !slices.Contains(c.Terms.Places, w.Place) {
			continue
		}
		if w.Provider != "" && (!c.Terms.ofDevices() || !slices.Contains(st.d.Tree().Subtree(c.Org), w.Provider)) {
			continue
		}
		to := place{w.Address, w.Place}.target()
		if last, lately := asked[to]; lately && !w.At.After(last) {
			continue
		}
		if len(only) < maxOnly && !slices.Contains(only, to) {
			one, only = w.Address, append(only, to)
		}
	}
	return only
}
