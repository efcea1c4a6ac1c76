package app

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"noroshi/disk"
	"noroshi/identity"
	"noroshi/oplog"
	"noroshi/share/push"
	"noroshi/status"
)

// family is one metric that is read from a part when somebody scrapes: the
// parts keep plain counters and know nothing of Prometheus. docs/metrics.md says
// what each means; a test compares.
type family[T any] struct {
	name, help string
	kind       prometheus.ValueType
	labels     []string
	read       func(r T, say func(value float64, labels ...string))
}

// families are the metrics of one kind of source.
type families[T any] struct {
	list []family[T]
	desc []*prometheus.Desc
	read func() T
}

func newFamilies[T any](list []family[T], read func() T) *families[T] {
	f := &families[T]{list: list, read: read}
	for _, x := range list {
		f.desc = append(f.desc, prometheus.NewDesc(x.name, x.help, x.labels, nil))
	}
	return f
}

// Describe implements prometheus.Collector.
func (f *families[T]) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range f.desc {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (f *families[T]) Collect(ch chan<- prometheus.Metric) {
	r := f.read()
	for i, x := range f.list {
		x.read(r, func(v float64, labels ...string) {
			ch <- prometheus.MustNewConstMetric(f.desc[i], x.kind, v, labels...)
		})
	}
}

const (
	gaugeKind   = prometheus.GaugeValue
	counterKind = prometheus.CounterValue
)

// one is a metric with a single value.
func one[T any](name, help string, kind prometheus.ValueType, value func(r T) float64) family[T] {
	return family[T]{name, help, kind, nil, func(r T, say func(float64, ...string)) { say(value(r)) }}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// hubFamilies are the hub's metrics. An organisation is a label where there are
// few series for each; a node never is.
func (h *hub) hubFamilies() []family[*readings] {
	g, c := gaugeKind, counterKind
	seconds := func(r *readings, at time.Time) float64 { return age(r.at, at).Seconds() }
	return append([]family[*readings]{
		{"noroshi_build_info", "Always 1; the label says the version.", g, []string{"version"}, func(_ *readings, say func(float64, ...string)) { say(1, Version()) }},
		{"noroshi_status", "State of each hop: 0 fine, 1 slow, 2 stuck.", g, []string{"hop"}, func(r *readings, say func(float64, ...string)) {
			for _, x := range h.describe(r).Hops {
				say(float64(x.State), x.Name)
			}
		}},
		{"noroshi_hop_oldest_seconds", "Age of the oldest thing that waits at each hop; 0 when nothing does.", g, []string{"hop"}, func(r *readings, say func(float64, ...string)) {
			for _, x := range h.describe(r).Hops {
				say(oldestSeconds(x), x.Name)
			}
		}},
		{"noroshi_nodes", "Nodes by role and state: active, away, cut.", g, []string{"role", "state"}, sayNodes},
		one("noroshi_nodes_spool_bytes", "Bytes that wait in the spools of the nodes that report.", g, func(r *readings) float64 {
			sum := 0.0
			for _, n := range r.nodes {
				if n.here && n.OldestMS > 0 {
					sum += float64(n.Spooled)
				}
			}
			return sum
		}),
		{"noroshi_organisation_events_total", "Events that an organisation's nodes saw, as they report.", c, []string{"org"}, h.sayOrgs(func(t *orgTally) float64 { return float64(t.events) })},
		{"noroshi_organisation_dropped_events_total", "Events that an organisation's nodes lost, as they report.", c, []string{"org"}, h.sayOrgs(func(t *orgTally) float64 { return float64(t.dropped) })},
		{"noroshi_organisation_spool_oldest_seconds", "Age of the oldest event that waits on a node of an organisation.", g, []string{"org"}, func(r *readings, say func(float64, ...string)) {
			oldest := map[string]float64{}
			for _, n := range r.nodes {
				if n.here {
					oldest[string(n.Node.Org)] = max(oldest[string(n.Node.Org)], n.oldest().Seconds())
				}
			}
			for o, v := range oldest {
				say(v, o)
			}
		}},
		one("noroshi_bus_batches_total", "Batches of events that were taken and made durable.", c, func(r *readings) float64 { return float64(r.received.Taken) }),
		one("noroshi_bus_repeated_batches_total", "Batches that a node sent again although they were durable.", c, func(r *readings) float64 { return float64(r.received.Repeated) }),
		one("noroshi_bus_refused_batches_total", "Batches that were not taken: the node is to send them again.", c, func(r *readings) float64 { return float64(r.received.Refused) }),
		one("noroshi_bus_waiting_batches", "Batches that wait to be taken, for their organisation's turn or the disk.", g, func(r *readings) float64 { return float64(r.received.Waiting) }),
		one("noroshi_bus_waiting_bytes", "Bytes of these batches.", g, func(r *readings) float64 { return float64(r.received.WaitingBytes) }),
		{"noroshi_bus_backlog_messages", "Messages that the bus holds and nobody has acknowledged.", g, []string{"stream"}, func(r *readings, say func(float64, ...string)) {
			say(float64(r.bundles.Messages), "observations")
			say(float64(r.stages.Messages), "stages")
		}},
		{"noroshi_bus_backlog_bytes", "Bytes of these messages.", g, []string{"stream"}, func(r *readings, say func(float64, ...string)) {
			say(float64(r.bundles.Bytes), "observations")
			say(float64(r.stages.Bytes), "stages")
		}},
		{"noroshi_bus_backlog_oldest_seconds", "Age of the oldest of these messages.", g, []string{"stream"}, func(r *readings, say func(float64, ...string)) {
			say(seconds(r, r.bundles.Oldest), "observations")
			say(seconds(r, r.stages.Oldest), "stages")
		}},
		one("noroshi_bus_limit_bytes", "Bytes of batches beyond which nodes are told to wait.", g, func(r *readings) float64 { return float64(r.bundles.MaxBytes) }),
		one("noroshi_bus_up", "1 when the bus answers.", g, func(r *readings) float64 { return truth(r.busErr == nil) }),
		{"noroshi_bus_connections", "Connections to the bus: to this hub, or to all servers of an external one. Missing when they do not answer.", g, nil, func(r *readings, say func(float64, ...string)) {
			if r.connectionsErr == nil {
				say(float64(r.connections))
			}
		}},
		{"noroshi_refused_total", "Who was not let in, by reason.", c, []string{"reason"}, func(r *readings, say func(float64, ...string)) {
			for _, why := range identity.Refusals {
				say(float64(r.strangers[why]), string(why))
			}
		}},
		one("noroshi_ingest_batches_total", "Batches that were judged and stored.", c, func(r *readings) float64 { return float64(r.ingest.Batches) }),
		one("noroshi_ingest_events_total", "Events that were judged and stored.", c, func(r *readings) float64 { return float64(r.ingest.Events) }),
		one("noroshi_ingest_repeated_events_total", "Events that came again and were not stored twice.", c, func(r *readings) float64 { return float64(r.ingest.Redelivered) }),
		one("noroshi_ingest_unjudged_bundles", "Bundles of batches that were not shown to rules and indicators yet.", g, func(r *readings) float64 { return float64(r.bundles.Last - min(r.bundles.Last, r.marks.Judged)) }),
		one("noroshi_ingest_findings_total", "Findings that were passed on to be decided on.", c, func(r *readings) float64 { return float64(r.ingest.Findings) }),
		one("noroshi_log_suppressed_lines_total", "Repeated lines of the log that were held back.", c, func(*readings) float64 { return float64(oplog.Suppressed(h.log)) }),
		{"noroshi_quarantined_total", "Refused pieces of input by the kind of their place.", c, []string{"class"}, func(_ *readings, say func(float64, ...string)) {
			for i, class := range quarantineClasses {
				say(float64(h.seen.quarantined[i].Load()), class)
			}
		}},
		one("noroshi_quarantine_unkept_total", "Refused pieces that were counted and not kept, because one node sent too many.", c, func(*readings) float64 { return float64(h.seen.unkept.Load()) }),
	}, h.recordFamilies()...)
}

// recordFamilies are the metrics of what the line stands on.
func (h *hub) recordFamilies() []family[*readings] {
	g, c := gaugeKind, counterKind
	return []family[*readings]{
		one("noroshi_event_store_rows", "Rows in the event store.", g, func(r *readings) float64 { return float64(r.store.Rows) }),
		one("noroshi_event_store_bytes", "Bytes of the event store on disk.", g, func(r *readings) float64 { return float64(r.store.Bytes) }),
		one("noroshi_event_store_read_only", "1 when the event store takes nothing because its disk is full.", g, func(r *readings) float64 { return truth(r.store.Full) }),
		one("noroshi_ledger_up", "1 when the ledger answers.", g, func(r *readings) float64 { return truth(r.ledgerErr == nil) }),
		one("noroshi_ledger_failed_writes_total", "Transactions that the ledger could not do.", c, func(*readings) float64 { return float64(h.seen.ledgerFailed.Load()) }),
		{"noroshi_findings", "Findings of the real realm by state.", g, []string{"state"}, func(r *readings, say func(float64, ...string)) {
			for s, n := range r.findings {
				say(float64(n), string(s))
			}
		}},
		{"noroshi_indicators", "Indicators of the real realm by state.", g, []string{"state"}, func(r *readings, say func(float64, ...string)) {
			for s, n := range r.indicators {
				say(float64(n), string(s))
			}
		}},
		one("noroshi_push_waiting_changes", "Changes that were decided and not pushed.", g, func(r *readings) float64 { return float64(r.behind.Unpushed) }),
		{"noroshi_edges", "Edges by how they stand to the newest state: confirmed, waiting, diverged, away.", g, []string{"state"}, func(r *readings, say func(float64, ...string)) {
			n := map[string]int{push.Confirmed: 0, push.Waiting: 0, push.Diverged: 0, push.Away: 0}
			for _, e := range r.edges {
				n[e.State]++
			}
			for s, x := range n {
				say(float64(x), s)
			}
		}},
		one("noroshi_hunts_waiting", "Indicators that wait to be looked for in what is stored.", g, func(r *readings) float64 { return float64(r.hunts.Waiting) }),
		one("noroshi_hunts_oldest_seconds", "Age of the oldest of these.", g, func(r *readings) float64 { return age(r.at, r.hunts.Oldest).Seconds() }),
		{"noroshi_certificate_expiry_timestamp_seconds", "When a certificate ends: those of the hub itself, and the first of the nodes' that are not cut off.", g, []string{"certificate"}, func(r *readings, say func(float64, ...string)) {
			for _, x := range r.own {
				say(float64(x.NotAfter.Unix()), x.Name)
			}
			first := 0.0
			for _, n := range r.nodes {
				if at := float64(n.NotAfter.Unix()); n.Node.State != identity.NodeCut && (first == 0 || at < first) {
					first = at
				}
			}
			if first > 0 {
				say(first, "node")
			}
		}},
		{"noroshi_disk_free_bytes", "Free bytes of each filesystem that the hub writes to.", g, []string{"path"}, sayDisks(func(s disk.Space) float64 { return float64(s.Free) })},
		{"noroshi_disk_size_bytes", "Size of each of them.", g, []string{"path"}, sayDisks(func(s disk.Space) float64 { return float64(s.Total) })},
		{"noroshi_disk_free_inodes", "Free inodes of each of them.", g, []string{"path"}, sayDisks(func(s disk.Space) float64 { return float64(s.InodesFree) })},
		one("noroshi_disk_brake_level", "0 ample, 1 low, 2 closed: nothing is taken in, 3 the reserve was given up.", g, func(r *readings) float64 { return float64(r.disk.Level) }),
		one("noroshi_disk_brake_below_bytes", "Free bytes of the fullest filesystem below which the brake closes.", g, func(r *readings) float64 { return float64(r.disk.CloseAt) }),
	}
}

func oldestSeconds(h status.Hop) float64 {
	if h.OldestMS == nil {
		return 0
	}
	return *h.OldestMS / 1000
}

func sayNodes(r *readings, say func(float64, ...string)) {
	type key struct{ role, state string }
	n := map[key]int{}
	for _, role := range []string{identity.Sensor, identity.Resolver} {
		for _, state := range []string{"active", "away", "cut"} {
			n[key{role, state}] = 0
		}
	}
	for _, x := range r.nodes {
		state := "away"
		switch {
		case x.Node.State == identity.NodeCut:
			state = "cut"
		case x.here:
			state = "active"
		}
		n[key{x.Node.Role, state}]++
	}
	for k, v := range n {
		say(float64(v), k.role, k.state)
	}
}

func (h *hub) sayOrgs(value func(*orgTally) float64) func(*readings, func(float64, ...string)) {
	return func(_ *readings, say func(float64, ...string)) {
		h.gauge.mu.Lock()
		defer h.gauge.mu.Unlock()
		for o, t := range h.gauge.tally.orgs {
			say(value(t), string(o))
		}
	}
}

func sayDisks(value func(disk.Space) float64) func(*readings, func(float64, ...string)) {
	return func(r *readings, say func(float64, ...string)) {
		for _, s := range r.disk.Spaces {
			say(value(s), s.Path)
		}
	}
}

// telemetry opens the hub's metrics, if somebody wants them.
func (h *hub) telemetry(context.Context) (err error) {
	if h.cfg.Metrics == "" {
		return nil
	}
	reg := newRegistry(append(h.seen.hubHistograms(), newFamilies(h.hubFamilies(), func() *readings { return h.read(context.Background()) }))...)
	h.metricsAddr, err = serveMetrics(&h.run, h.cfg.Metrics, reg, func(ctx context.Context) error {
		return h.verdict(ctx).Err()
	})
	return err
}
