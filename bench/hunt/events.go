package main

import (
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"time"

	"noroshi/event"
	"noroshi/eventstore"
	"noroshi/ident"
	"noroshi/observable"
	"noroshi/org"
)

// The shape of the country whose events are made.
const (
	organisations = 60
	hosts         = 400 // of each
	days          = 7
	batch         = 5000 // events appended at once
	lateBy        = 6 * time.Hour
)

// country makes the events of a week, in the order in which they arrive; the
// same seed makes the same.
type country struct {
	rnd   *rand.Rand
	names *rand.Zipf
	start time.Time
	step  time.Duration
	n     int
	seq   [organisations * hosts]uint64
	plan  []sighting // in their order
}

func newCountry(seed uint64, events int, end time.Time, attacks []observable.Observable) *country {
	rnd := rand.New(rand.NewPCG(seed, 1))
	span := days * 24 * time.Hour
	return &country{rnd: rnd, names: rand.NewZipf(rnd, 1.2, 10, 500_000), start: end.Add(-span), step: span / time.Duration(events),
		plan: campaigns(rnd, attacks, events)}
}

func tree() *org.Tree {
	list := make([]org.Organisation, organisations)
	for i := range list {
		list[i] = org.Organisation{ID: orgID(i), Tenant: uint32(i + 1)}
	}
	return org.NewTree(list)
}

func orgID(i int) ident.ID { return ident.ID(fmt.Sprintf("org_%03d", i)) }

// next makes one event: a sighting, when one is due, or an everyday one.
func (c *country) next() eventstore.Row {
	o, host := c.rnd.IntN(organisations), c.rnd.IntN(hosts)
	at := c.start.Add(time.Duration(c.n) * c.step)
	due := len(c.plan) > 0 && c.plan[0].n <= c.n
	if c.n++; due {
		o, host = c.plan[0].org, c.plan[0].host
	} else if c.rnd.IntN(100) == 0 {
		at = at.Add(-time.Duration(c.rnd.Int64N(int64(lateBy))))
	}
	e := c.show(fmt.Sprintf("10.%d.%d.%d", o, host/200, 1+host%200))
	if due {
		for !shows(e, c.plan[0].Kind) {
			e = c.show(e.SrcEndpoint.IP)
		}
		c.plant(e, c.plan[0].Observable)
		c.plan = c.plan[1:]
	}
	seq := &c.seq[o*hosts+host]
	*seq++
	node := ident.ID(fmt.Sprintf("nod_%03d%03d", o, host))
	e.Time = at.UnixMilli()
	e.Metadata = event.Metadata{UID: fmt.Sprintf("%s.%x", node, *seq), Sequence: *seq, Tenant: orgID(o), Provider: event.TierEBPF,
		Product: event.Product{Name: "Noroshi", VendorName: "Noroshi", Version: "1"}, LoggedTime: e.Time + 3,
		Reporter: event.Reporter{UID: node, Hostname: fmt.Sprintf("pc-%03d-%03d", o, host)}}
	if e.ClassUID == event.DNSActivity {
		e.Metadata.Provider = event.TierResolver
	} else {
		e.Device = &event.Device{Hostname: e.Metadata.Reporter.Hostname, OS: &event.OS{Name: "Linux", TypeID: 200}}
	}
	e.Finish()
	return eventstore.Row{Tenant: uint32(o + 1), Event: e}
}

// show is half look-ups, three in ten connections, two in ten programs.
func (c *country) show(own string) *event.Event {
	n := c.rnd.IntN(10)
	if n >= 8 {
		return &event.Event{ClassUID: event.ProcessActivity, ActivityID: event.ProcessLaunch, Process: c.process(c.command()), Actor: &event.Actor{Process: c.process("")}}
	}
	from := &event.Endpoint{IP: own, Port: 1024 + c.rnd.IntN(60000)}
	if n >= 5 {
		return &event.Event{ClassUID: event.NetworkActivity, ActivityID: event.NetworkOpen, Actor: &event.Actor{Process: c.process("")},
			SrcEndpoint: from, DstEndpoint: &event.Endpoint{IP: c.address(), Port: 443},
			ConnectionInfo: &event.ConnectionInfo{ProtocolName: "tcp", ProtocolNum: 6, DirectionID: event.DirectionOutbound}}
	}
	code := 0
	e := &event.Event{ClassUID: event.DNSActivity, ActivityID: event.DNSTraffic, Query: &event.DNSQueryInfo{Hostname: c.name(), Type: "A", Class: "IN"},
		SrcEndpoint: from, DstEndpoint: &event.Endpoint{IP: "10.0.0.53", Port: 53},
		ConnectionInfo: &event.ConnectionInfo{ProtocolName: "udp", ProtocolNum: 17, DirectionID: event.DirectionInbound},
		RCode:          "NOERROR", RCodeID: &code, ActionID: event.ActionAllowed, DispositionID: event.DispositionAllowed}
	e.Unmapped = map[string]string{"QueryName": e.Query.Hostname, "record_type": "A"}
	for range 1 + c.rnd.IntN(3) {
		e.Answers = append(e.Answers, event.DNSAnswer{RData: c.address(), Type: "A", Class: "IN", TTL: 60 * (1 + c.rnd.IntN(60))})
	}
	return e
}

func (c *country) command() string {
	if c.rnd.IntN(4) == 0 {
		return fmt.Sprintf("curl -fsSL https://%s/%x?id=%d -o /tmp/%x", c.name(), c.rnd.Uint32(), c.rnd.IntN(1e6), c.rnd.Uint32())
	}
	return fmt.Sprintf("/usr/bin/python3 /opt/app/worker-%d.py --id %d --config /etc/app/worker.yml --log-level info", c.rnd.IntN(90), c.rnd.IntN(1e6))
}

var programs = []string{"bash", "python3", "curl", "sshd", "systemd", "cron", "java", "node", "postgres", "nginx", "git", "rsync"}

func (c *country) process(cmd string) *event.Process {
	n := c.rnd.IntN(3000)
	name := programs[n%len(programs)]
	h := [32]byte{byte(n), byte(n >> 8), 7: byte(n * 31), 12: byte(n * 7)}
	return &event.Process{PID: 300 + c.rnd.IntN(60000), Name: name, CmdLine: cmd, User: &event.User{Name: "user" + fmt.Sprint(c.rnd.IntN(40))},
		File: &event.File{Path: "/usr/bin/" + name, Name: name, Hashes: []event.Fingerprint{{AlgorithmID: 3, Value: hex.EncodeToString(h[:])}}}}
}

var suffixes = []string{"com", "net", "co.jp", "org", "jp", "go.jp", "io"}

func (c *country) name() string {
	n := c.names.Uint64()
	return fmt.Sprintf("%s.site-%d.%s", []string{"www", "api", "cdn", "mail", "static"}[c.rnd.IntN(5)], n, suffixes[n%uint64(len(suffixes))])
}

func (c *country) address() string {
	n := c.names.Uint64() * 2654435761
	return fmt.Sprintf("%d.%d.%d.%d", 20+n%180, n>>8&255, n>>16&255, 1+n>>24&127)
}
