// Command ingest measures what one event costs on its whole way through a hub,
// from the batch of a node until it is durable, searchable and judged, and how
// late it is there under load. The hub is a process of its own; the load is made
// here and is not counted. Run it by 'make bench-ingest'.
package main

import (
	"context"
	"flag"
	"fmt"
	"math"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"time"

	"noroshi/bench/kit"
)

// size is one form in which the hub is measured.
type size struct{ indicators, orgs, nodes, batch int }

// figures are what is measured of one size.
type figures struct {
	Indicators int     `json:"indicators"`
	Orgs       int     `json:"orgs"`
	Batch      int     `json:"batch"`
	PerCPU     float64 `json:"events_per_cpu_s"`
	Burst      float64 `json:"burst_events_s"`
	Ceiling    float64 `json:"ceiling_events_s"`
	RSS        int     `json:"rss_mb"`
	LagP50     float64 `json:"lag_p50_ms"`
	LagP99     float64 `json:"lag_p99_ms"`
	JudgedP50  float64 `json:"judged_p50_ms"`
	JudgedP99  float64 `json:"judged_p99_ms"`
	Processors float64 `json:"processors_at_70"`
}

func main() {
	var o options
	flag.DurationVar(&o.last, "for", time.Minute, "how long the hub must bear its ceiling")
	flag.IntVar(&o.probes, "probes", 300, "events that are followed at 70 % of the ceiling")
	flag.BoolVar(&o.growth, "growth", false, "measure other sizes too: fewer and more indicators, organisations, smaller batches")
	var main size
	flag.IntVar(&main.indicators, "indicators", 100_000, "indicators that the hub looks for")
	flag.IntVar(&main.orgs, "orgs", 20, "member organisations")
	flag.IntVar(&main.nodes, "nodes", 20, "nodes that send")
	flag.IntVar(&main.batch, "batch", 500, "events in a batch")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := o.run(ctx, main); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

type options struct {
	last   time.Duration
	probes int
	growth bool
}

func (o options) run(ctx context.Context, main size) error {
	fmt.Println(kit.Machine())
	sizes := []size{main}
	if o.growth {
		less, more, orgs, small := main, main, main, main
		less.indicators, more.indicators, orgs.orgs, small.batch = main.indicators/10, 3*main.indicators, 10*main.orgs, 50
		sizes = []size{less, more, orgs, small, main}
	}
	var f figures
	for _, s := range sizes {
		var err error
		if f, err = o.measure(ctx, s); err != nil {
			return err
		}
		fmt.Printf("%7d indicators, %3d organisations, batches of %3d: %6.0f events per CPU-second, %4d MiB, %.0f/s for ten seconds and %.0f/s for %s, at 70 %% of that searchable after %.0f ms (p99 %.0f), judged after %.0f ms (p99 %.0f), the hub at %.2f processors\n",
			f.Indicators, f.Orgs, f.Batch, f.PerCPU, f.RSS, f.Burst, f.Ceiling, o.last, f.LagP50, f.LagP99, f.JudgedP50, f.JudgedP99, f.Processors)
	}
	return kit.Print(os.Stdout, "ingest", f)
}

// patience is how long one size may take: what is lost must not be waited for.
const patience = 15 * time.Minute

func (o options) measure(ctx context.Context, s size) (f figures, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	f = figures{Indicators: s.indicators, Orgs: s.orgs, Batch: s.batch}
	dir, err := os.MkdirTemp("", "noroshi-ingest-")
	if err != nil {
		return f, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	// The first start makes the organisations to which the indicators belong; it
	// is cut short, as nothing else is under way.
	h, err := kit.StartHub(ctx, dir, organisations(s.orgs))
	if err != nil {
		return f, err
	}
	if err := h.Kill(); err != nil {
		return f, err
	}
	if err := watch(ctx, filepath.Join(dir, "data"), s.indicators, o.probes); err != nil {
		return f, err
	}
	if err := h.Start(ctx); err != nil {
		return f, err
	}
	defer func() {
		if serr := h.Stop(); err == nil {
			err = serr
		}
	}()
	all, err := nodes(ctx, h, s.nodes, s.indicators)
	if err != nil {
		return f, err
	}
	if _, err = ceiling(ctx, h, all, 2*time.Second, s.batch); err != nil { // Warm, as a hub is.
		return f, err
	}
	c, err := ceiling(ctx, h, all, o.last, s.batch)
	if err != nil {
		return f, err
	}
	f.Burst, f.Ceiling, f.PerCPU = math.Round(c.burst), math.Round(c.sustained), math.Round(c.perCPU)
	l, err := lag(ctx, h, all, 0.7*f.Ceiling, o.probes, 0)
	if err != nil {
		return f, err
	}
	if len(l.judged) != o.probes {
		return f, fmt.Errorf("%d of %d probes were judged", len(l.judged), o.probes)
	}
	f.LagP50, f.LagP99 = kit.Milliseconds(kit.Quantile(l.searchable, 0.5)), kit.Milliseconds(kit.Quantile(l.searchable, 0.99))
	f.JudgedP50, f.JudgedP99 = kit.Milliseconds(kit.Quantile(l.judged, 0.5)), kit.Milliseconds(kit.Quantile(l.judged, 0.99))
	f.Processors = math.Round(100*l.processors) / 100
	f.RSS, err = kit.PeakRSS(h.PID())
	return f, err
}

// organisations is the configuration of a centre with members below it.
func organisations(n int) string {
	var b strings.Builder
	b.WriteString("  organisations:\n    - {slug: centre, name: Centre, sector: centre}\n")
	for i := range n {
		fmt.Fprintf(&b, "    - {slug: member-%d, name: Member %d, sector: local, parent: centre}\n", i, i)
	}
	return b.String()
}
