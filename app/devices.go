package app

import (
	"context"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"noroshi/action"
	"noroshi/analyse/iot"
	"noroshi/analyse/iot/infected"
	"noroshi/fault"
	"noroshi/ident"
	"noroshi/label"
	"noroshi/sense/surface"
	"noroshi/sense/surface/identify"
	"noroshi/service"
	"noroshi/share/notice"
)

// Surveyor says who looked, for whom and in which realm.
type Surveyor struct {
	Org   ident.ID
	Realm label.Realm
	By    string
	Ident ident.Maker
}

func (s Surveyor) survey(basis string, began, ended time.Time, c action.Coverage) action.Survey {
	return action.Survey{ID: s.Ident.New(ident.Survey), Source: action.ByIoT, Org: s.Org, Realm: s.Realm, By: s.By, Basis: basis, Began: began, Ended: ended, Coverage: c}
}

// DeviceReport makes what a scan of a scope saw into what the hub takes. A run that
// did not end as it should covered only what answered.
func (s Surveyor) DeviceReport(rules *iot.Rules, scope *surface.Scope, scan iot.Scan) (notice.Report, error) {
	const op = "app.device_report"
	c := action.Coverage{Checks: []string{iot.CheckFirmware, iot.CheckExposed}}
	for _, p := range scope.Ports {
		c.Ports = append(c.Ports, action.PortPlace("tcp", p))
	}
	for _, p := range scope.UDPPorts {
		c.Ports = append(c.Ports, action.PortPlace("udp", p))
	}
	if scan.Done {
		c.Ranges, c.Excluded = scope.Ranges, scope.Excluded
	}
	var r notice.Report
	var began, ended time.Time
	gate := surface.NewGate(scope)
	for _, host := range scan.Hosts {
		if !scan.Done {
			c.Ranges = append(c.Ranges, netip.PrefixFrom(host[0].Address, host[0].Address.BitLen()))
		}
		for _, p := range host {
			if why := gate.Explain(p.FirstSeen, surface.Target{AddrPort: netip.AddrPortFrom(p.Address, p.Port), UDP: p.Transport == "udp"}); why != surface.Allowed {
				return r, fault.New(fault.Invalid, op, "%s was seen at %s, which the scope does not allow (%s): is this the scope of the scan?", netip.AddrPortFrom(p.Address, p.Port), p.FirstSeen.Format(time.RFC3339), why)
			}
			c.Answered = append(c.Answered, action.Answer(p.Address, p.Place()))
			if began.IsZero() || p.FirstSeen.Before(began) {
				began = p.FirstSeen
			}
			if p.FirstSeen.After(ended) {
				ended = p.FirstSeen
			}
		}
		for _, j := range rules.Judge(host) {
			r.Survey.Weaknesses = append(r.Survey.Weaknesses, j.Weaknesses...)
			r.Devices = append(r.Devices, device(rules, j.Device))
		}
	}
	if began.IsZero() {
		return r, fault.New(fault.Invalid, op, "the scan met nobody, and so does not say when it was")
	}
	weak := r.Survey.Weaknesses
	r.Survey, r.Until = s.survey(scope.LegalBasis, began, ended, c), scope.ValidUntil
	r.Survey.Weaknesses = weak
	return r, nil
}

func device(rules *iot.Rules, d iot.Device) notice.Device {
	x := notice.Device{Address: d.Address, Kind: string(d.Kind), Maker: d.Maker, Name: rules.Name(d, "en"), NameJA: rules.Name(d, "ja"), Firmware: d.Firmware, Confidence: d.Confidence, Places: d.Places}
	for _, s := range d.Signs {
		if !slices.Contains(x.Rules, s.Rule) {
			x.Rules = append(x.Rules, s.Rule)
		}
	}
	return x
}

// InfectedReports makes one survey of each day that was watched, those on which
// nobody was seen too: that is how it is known that somebody was mended.
func (s Surveyor) InfectedReports(w *infected.Watch, verdicts []infected.Verdict, ranges []netip.Prefix, zone *time.Location, basis string) (out []notice.Report, err error) {
	if w.Last.Sub(w.First) > maxWatched {
		return nil, fault.New(fault.TooLarge, "app.infected", "the observations are from %s to %s; hand them in by the year", w.First.Format(time.DateOnly), w.Last.Format(time.DateOnly))
	}
	for at := w.First; !w.First.IsZero() && !at.After(w.Last); {
		y, m, d := at.In(zone).Date()
		next := time.Date(y, m, d+1, 0, 0, 0, 0, zone)
		end := next.Add(-time.Second)
		if end.After(w.Last) {
			end = w.Last
		}
		r := notice.Report{Survey: s.survey(basis, at, end, action.Coverage{Checks: []string{infected.Check}, Ranges: ranges, Ports: []string{infected.Place}})}
		for _, v := range verdicts {
			if v.Day == at.In(zone).Format(time.DateOnly) {
				r.Survey.Weaknesses = append(r.Survey.Weaknesses, v.Weakness())
				r.Survey.Coverage.Answered = append(r.Survey.Coverage.Answered, action.Answer(v.Address, infected.Place))
			}
		}
		out = append(out, r)
		at = next
	}
	return out, nil
}

const maxWatched = 366 * 24 * time.Hour

// LookAgain looks at what an owner asked for, at exactly these ports of this
// address, each by leave of the scope, and makes a report of it. Each look is a run
// of its own in the log.
func (s Surveyor) LookAgain(ctx context.Context, rules *iot.Rules, scope *surface.Scope, log string, engine *identify.Engine, l notice.Look) (notice.Report, error) {
	c := action.Coverage{Checks: []string{iot.CheckFirmware, iot.CheckExposed}, Ranges: []netip.Prefix{netip.PrefixFrom(l.Address, l.Address.BitLen())}}
	began := time.Now()
	var host []service.Port
	for _, place := range l.Places {
		over, number, _ := strings.Cut(place, "/")
		port, err := strconv.ParseUint(number, 10, 16)
		if err != nil || over != "tcp" && over != "udp" {
			continue // What is not looked at is not covered.
		}
		p, answered, err := lookAt(ctx, scope, log, engine, surface.Target{AddrPort: netip.AddrPortFrom(l.Address, uint16(port)), UDP: over == "udp"})
		if err != nil {
			return notice.Report{}, err
		}
		c.Ports = append(c.Ports, place)
		if answered {
			c.Answered = append(c.Answered, action.Answer(l.Address, place))
		}
		if p != nil {
			host = append(host, *p)
		}
	}
	if len(c.Ports) == 0 {
		return notice.Report{}, fault.New(fault.NotFound, "app.look_again", "nothing of %s can be looked at by a connection", l.Notice)
	}
	s.Realm = l.Realm
	r := notice.Report{Survey: s.survey(scope.LegalBasis, began, time.Now(), c), Until: scope.ValidUntil}
	for _, j := range rules.Judge(host) {
		r.Survey.Weaknesses = append(r.Survey.Weaknesses, j.Weaknesses...)
		r.Devices = append(r.Devices, device(rules, j.Device))
	}
	return r, nil
}

// lookAt scans one target; a port that is closed answers, too.
func lookAt(ctx context.Context, scope *surface.Scope, log string, engine *identify.Engine, to surface.Target) (found *service.Port, answered bool, err error) {
	if why := surface.NewGate(scope).Explain(time.Now(), to); why != surface.Allowed {
		return nil, false, fault.New(fault.Denied, "app.look_again", "%s", surface.Refusal{To: to, Why: why}.Error())
	}
	account, from, err := surface.OpenLog(log, scope, "")
	if err != nil {
		return nil, false, err
	}
	o := surface.Options{Mode: surface.Connect, Only: []surface.Target{to}, Identify: engine, From: from, Found: func(p service.Port) {
		found = &p
	}}
	account.Account(&o)
	sum, err := surface.Scan(ctx, scope, o)
	if lerr := account.End(sum); err == nil {
		err = lerr
	}
	if err == nil && sum.Ended != "done" {
		err = fault.New(fault.Unavailable, "app.look_again", "the look at %s ended early (%s)", to, sum.Ended)
	}
	return found, sum.Open+sum.Closed > 0, err
}
