package app

import (
	"context"
	"strings"

	"noroshi/disk"
	"noroshi/fault"
	"noroshi/sense/dns"
	"noroshi/sense/endpoint"
	"noroshi/sense/spool"
)

// nodeReadings is what a node's parts say of themselves.
type nodeReadings struct {
	spool     spool.Stats
	connected bool
	disk      disk.State
	sensor    *endpoint.Stats
	dns       *dns.Stats
	blocked   int // members of the set in force
	ready     bool
}

func (n *node) read() nodeReadings {
	r := nodeReadings{spool: n.spool.Stats(), connected: n.line.Connected(), disk: n.brake.State()}
	if n.sensor != nil {
		s := n.sensor.Stats()
		r.sensor = &s
	}
	if n.dns != nil {
		s := n.dns.Stats()
		r.dns, r.blocked, r.ready = &s, n.set.Len(), n.set.Ready()
	}
	return r
}

// nodeFamilies are a node's metrics.
func nodeFamilies(role string) []family[nodeReadings] {
	g, c := gaugeKind, counterKind
	list := []family[nodeReadings]{
		{"noroshi_build_info", "Always 1; the label says the version.", g, []string{"version"}, func(_ nodeReadings, say func(float64, ...string)) { say(1, Version()) }},
		one("noroshi_connected", "1 while the hub is there.", g, func(r nodeReadings) float64 { return truth(r.connected) }),
		one("noroshi_spool_events_total", "Events that were written down.", c, func(r nodeReadings) float64 { return float64(r.spool.Emitted) }),
		one("noroshi_spool_acknowledged_events_total", "Events that the hub has.", c, func(r nodeReadings) float64 { return float64(r.spool.Acked) }),
		one("noroshi_spool_dropped_events_total", "Events that found no room.", c, func(r nodeReadings) float64 { return float64(r.spool.Dropped) }),
		one("noroshi_spool_lost_events_total", "Events in spoiled records.", c, func(r nodeReadings) float64 { return float64(r.spool.Lost) }),
		one("noroshi_spool_failures_total", "Attempts to hand over a batch that failed.", c, func(r nodeReadings) float64 { return float64(r.spool.Failures) }),
		one("noroshi_spool_waiting_events", "Events that wait for the hub.", g, func(r nodeReadings) float64 { return float64(r.spool.SpooledEvents) }),
		one("noroshi_spool_waiting_bytes", "Bytes of these on the disk.", g, func(r nodeReadings) float64 { return float64(r.spool.SpooledBytes) }),
		one("noroshi_spool_oldest_seconds", "Age of the oldest event that waits.", g, func(r nodeReadings) float64 { return r.spool.Oldest.Seconds() }),
		one("noroshi_disk_brake_level", "0 ample, 1 low, 2 closed: nothing is taken in, 3 the reserve was given up.", g, func(r nodeReadings) float64 { return float64(r.disk.Level) }),
		{"noroshi_disk_free_bytes", "Free bytes of each filesystem that the node writes to.", g, []string{"path"}, func(r nodeReadings, say func(float64, ...string)) {
			for _, s := range r.disk.Spaces {
				say(float64(s.Free), s.Path)
			}
		}},
	}
	if role == RoleResolver {
		return append(list, resolverFamilies()...)
	}
	return append(list,
		one("noroshi_sensor_seen_total", "What the sensor's tier saw.", c, func(r nodeReadings) float64 { return float64(r.sensor.Seen) }),
		one("noroshi_sensor_dropped_total", "What it lost: a full ring of the kernel, a full spool.", c, func(r nodeReadings) float64 { return float64(r.sensor.Dropped) }),
		one("noroshi_sensor_unreadable_total", "Records of the kernel that make no sense.", c, func(r nodeReadings) float64 { return float64(r.sensor.Unreadable) }))
}

func resolverFamilies() []family[nodeReadings] {
	c := counterKind
	return []family[nodeReadings]{
		one("noroshi_resolver_queries_total", "Queries that were answered.", c, func(r nodeReadings) float64 { return float64(r.dns.Queries) }),
		one("noroshi_resolver_blocked_total", "Answers that were blocked.", c, func(r nodeReadings) float64 { return float64(r.dns.Blocked) }),
		one("noroshi_resolver_sinkholed_total", "Answers that lead to the sinkhole.", c, func(r nodeReadings) float64 { return float64(r.dns.Sinkholed) }),
		one("noroshi_resolver_cache_hits_total", "Answers from the cache.", c, func(r nodeReadings) float64 { return float64(r.dns.CacheHits) }),
		one("noroshi_resolver_refused_total", "Queries of strangers, of those who ask too much, and what is not served.", c, func(r nodeReadings) float64 { return float64(r.dns.Refused) }),
		one("noroshi_resolver_malformed_total", "Packets that are no query.", c, func(r nodeReadings) float64 { return float64(r.dns.Malformed) }),
		one("noroshi_resolver_upstream_errors_total", "Attempts to ask upstream that gave no answer.", c, func(r nodeReadings) float64 { return float64(r.dns.UpstreamErrors) }),
		one("noroshi_resolver_answer_median_seconds", "Time to answer, the median since the start.", gaugeKind, func(r nodeReadings) float64 { return r.dns.P50.Seconds() }),
		one("noroshi_resolver_answer_p99_seconds", "Time to answer that 99 of 100 queries keep, since the start.", gaugeKind, func(r nodeReadings) float64 { return r.dns.P99.Seconds() }),
		one("noroshi_edge_ready", "1 when the set in force is known; before, nothing is answered unfiltered.", gaugeKind, func(r nodeReadings) float64 { return truth(r.ready) }),
		one("noroshi_edge_members", "Indicators in the set in force.", gaugeKind, func(r nodeReadings) float64 { return float64(r.blocked) }),
	}
}

// telemetry opens the node's metrics, if somebody wants them. A node is ready
// when it does what it is there for, whether or not the hub is there.
func (n *node) telemetry(addr string) (err error) {
	if addr == "" {
		return nil
	}
	reg := newRegistry(n.seen.publish, newFamilies(nodeFamilies(n.id.Role), n.read))
	n.metricsAddr, err = serveMetrics(&n.run, addr, reg, func(context.Context) error {
		r := n.read()
		var why []string
		if r.dns != nil && !r.ready {
			why = append(why, "the set to enforce is not known yet: the hub must answer once")
		}
		if err := n.brake.Closed(); err != nil {
			why = append(why, shortDisk)
		}
		if why == nil {
			return nil
		}
		return fault.New(fault.Unavailable, "app.ready", "%s", strings.Join(why, "; "))
	})
	return err
}

// shortDisk is what a node says of itself while its brake is closed.
const shortDisk = "the disk of this machine runs short: few events are kept for a hub that is away, others are dropped and counted"
