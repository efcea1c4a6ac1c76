package storetest

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"noroshi/event"
	"noroshi/eventstore"
	"noroshi/ident"
	"noroshi/org"
)

// Benchmarks measures an engine that open opens empty, and gives the CPU time that
// its own process has used, or nil when it is in this one. What it prints is CPU
// per unit of work, of this process and of the engine's.
func Benchmarks(b *testing.B, open func(b *testing.B) (s eventstore.Store, engine func() time.Duration)) {
	b.Run("append", func(b *testing.B) {
		s, engine := open(b)
		rows := traffic(40, time.Now())
		measure(b, engine, "event", 500, func(i int) { must(b, s.Append(b.Context(), rows[i%len(rows)])) })
	})
	// A second's worth of a busy hub, made durable.
	b.Run("append-and-sync", func(b *testing.B) {
		s, engine := open(b)
		rows := traffic(40, time.Now())
		measure(b, engine, "event", 500*len(rows), func(int) {
			for _, r := range rows {
				must(b, s.Append(b.Context(), r))
			}
			must(b, s.Sync(b.Context()))
		})
	})
	b.Run("search", func(b *testing.B) { searches(b, open) })
}

// searches asks for needles, and for the newest hundred, of 200,000 rows over a
// week.
func searches(b *testing.B, open func(b *testing.B) (eventstore.Store, func() time.Duration)) {
	s, engine := open(b)
	start := time.Now().Add(-7 * 24 * time.Hour)
	for i, rows := range traffic(400, start) {
		for j := range rows {
			rows[j].Event.Time += int64(i*500+j) * 3000
		}
		must(b, s.Append(b.Context(), rows))
	}
	must(b, s.Sync(b.Context()))
	orgs := make([]org.Organisation, organisations)
	for i := range orgs {
		orgs[i] = org.Organisation{ID: ident.ID(fmt.Sprint("org_", i)), Tenant: uint32(i + 1)}
	}
	for _, q := range []string{`"query.hostname":="n7.o7.test"`, `absent.test`, `*`, `* | stats by ("query.hostname") count() n | sort by (n desc) limit 10`} {
		b.Run(q[:min(len(q), 24)], func(b *testing.B) {
			measure(b, engine, "search", 1, func(int) {
				_, err := s.Search(b.Context(), Scope(orgs...), eventstore.Query{LogsQL: q, Limit: 100})
				must(b, err)
			})
		})
	}
}

const organisations = 100

// traffic is batches of 500 look-ups, each of another organisation's node.
func traffic(batches int, at time.Time) [][]eventstore.Row {
	all := make([][]eventstore.Row, batches)
	for i := range all {
		o := i % organisations
		for j := range 500 {
			e := Event(ident.ID(fmt.Sprint("org_", o)), uint64(i*500+j), at, fmt.Sprintf("n%d.o%d.test", j, o))
			e.Answers = []event.DNSAnswer{{Type: "A", RData: fmt.Sprintf("192.0.2.%d", j%256), TTL: 60}}
			all[i] = append(all[i], eventstore.Row{Tenant: uint32(o + 1), Event: e})
		}
	}
	return all
}

// measure runs fn, which does n units of work each time.
func measure(b *testing.B, engine func() time.Duration, unit string, n int, fn func(i int)) {
	b.Helper()
	if engine == nil {
		engine = func() time.Duration { return 0 }
	}
	here, there := used(), engine()
	i := 0
	for b.Loop() {
		fn(i)
		i++
	}
	units := float64(i * n)
	b.ReportMetric(float64((used()-here).Microseconds())/units, "cpu-us-here/"+unit)
	b.ReportMetric(float64((engine()-there).Microseconds())/units, "cpu-us-engine/"+unit)
	b.ReportMetric(float64(b.Elapsed().Microseconds())/units, "us/"+unit)
}

// used is the CPU time of this process.
func used() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
