package app

import (
	"context"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"noroshi/access"
	"noroshi/bus"
	"noroshi/eventstore"
	"noroshi/fault"
	"noroshi/share/push"
)

// observed is what no part keeps of itself: how long things took, and the few
// counts that arise where parts are joined. Everything else is asked of the parts
// when somebody wants to know (readings).
type observed struct {
	ledgerWrite, append, sync, search prometheus.Histogram
	push, acknowledge, publish        prometheus.Histogram

	ledgerFailed, unkept atomic.Uint64
	quarantined          [len(quarantineClasses)]atomic.Uint64
	lastPublish          atomic.Int64 // nanoseconds
}

func newObserved() *observed {
	return &observed{
		ledgerWrite: durations("noroshi_ledger_write_seconds", "How long a transaction of the ledger took, with its repetitions."),
		append:      durations("noroshi_event_store_append_seconds", "How long the event store took to take one batch."),
		sync:        durations("noroshi_event_store_sync_seconds", "How long one durable round of the event store took."),
		search:      durations("noroshi_event_store_search_seconds", "How long one search in the event store took."),
		push:        durations("noroshi_push_seconds", "From decided to pushed (t2 to t3), per change that this hub decided and pushed."),
		acknowledge: durations("noroshi_acknowledge_seconds", "From pushed to acknowledged (t3 to t6), per edge and newest frame that this hub pushed."),
		publish:     durations("noroshi_publish_seconds", "How long the hub took to make one batch of this node durable."),
	}
}

// durations is a histogram from half a millisecond to a minute, and a native one
// for those who scrape these.
func durations(name, help string) prometheus.Histogram {
	return prometheus.NewHistogram(prometheus.HistogramOpts{Name: name, Help: help,
		Buckets:                     []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60},
		NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 100, NativeHistogramMinResetDuration: time.Hour})
}

func (o *observed) hubHistograms() []prometheus.Collector {
	return []prometheus.Collector{o.ledgerWrite, o.append, o.sync, o.search, o.push, o.acknowledge}
}

// onWrite hears of each transaction. What somebody asked for wrongly is no
// failure of the ledger.
func (o *observed) onWrite(took time.Duration, err error) {
	o.ledgerWrite.Observe(took.Seconds())
	if k := fault.KindOf(err); err != nil && (k == fault.Internal || k == fault.Unavailable) {
		o.ledgerFailed.Add(1)
	}
}

func (o *observed) onHop(hop string, took time.Duration) {
	if hop == push.HopPush {
		o.push.Observe(took.Seconds())
		return
	}
	o.acknowledge.Observe(took.Seconds())
}

// quarantineClasses are the kinds of places where input is refused: few, so that
// they can be a label.
var quarantineClasses = [...]string{"batch", "line", "event", "acknowledgement", "status", "other"}

// refusedAt counts refused input by the kind of its place, which begins with the
// class: "line 7", "event nod_….3f".
func (o *observed) refusedAt(place string) {
	first, _, _ := strings.Cut(place, " ")
	for i, c := range quarantineClasses {
		if c == first || i == len(quarantineClasses)-1 {
			o.quarantined[i].Add(1)
			return
		}
	}
}

func (o *observed) allQuarantined() (n uint64) {
	for i := range o.quarantined {
		n += o.quarantined[i].Load()
	}
	return n
}

// timedStore is the event store with a watch beside it.
type timedStore struct {
	eventstore.Store
	o *observed
}

func (s timedStore) Append(ctx context.Context, rows []eventstore.Row) error {
	defer since(time.Now(), s.o.append)
	return s.Store.Append(ctx, rows)
}

func (s timedStore) Sync(ctx context.Context) error {
	defer since(time.Now(), s.o.sync)
	return s.Store.Sync(ctx)
}

func (s timedStore) Search(ctx context.Context, sc access.Scope, q eventstore.Query) ([]eventstore.Record, error) {
	defer since(time.Now(), s.o.search)
	return s.Store.Search(ctx, sc, q)
}

func since(began time.Time, h prometheus.Histogram) { h.Observe(time.Since(began).Seconds()) }

// timedLine is a node's line with a watch beside it.
type timedLine struct {
	*bus.Client
	o *observed
}

func (l timedLine) Publish(ctx context.Context, id string, batch []byte) error {
	began := time.Now()
	err := l.Client.Publish(ctx, id, batch)
	if took := time.Since(began); err == nil {
		l.o.publish.Observe(took.Seconds())
		l.o.lastPublish.Store(int64(took))
	}
	return err
}
