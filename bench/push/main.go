// Command push measures the time to protect at national size: a hub as a process
// of its own, and in this process the nodes of many organisations, each with its
// own identity over mutual TLS. Sensors send everyday events from their spools
// while one of them sees an attack that the project's own rule detects; every
// edge runs the real follower with its set and its files. It ends with the line
//
//	BENCH push {…}
//
// What is a figure of the platform and what is a figure of this machine, on
// which hub and all edges share the processors, docs/benchmarks.md explains.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"noroshi/bench/kit"
)

type config struct {
	dir             string
	orgs, edges     int
	sensors, perSec int
	quiet, rounds   int
	changes         int
	imported        int
}

// figures is what the last line says. Times in milliseconds.
type figures struct {
	Edges           int     `json:"edges"`
	Orgs            int     `json:"orgs"`
	P50             float64 `json:"p50_ms"` // t2 to t5, every edge of every round
	P99             float64 `json:"p99_ms"`
	WholeP50        float64 `json:"whole_p50_ms"` // t0 to t5
	WholeP99        float64 `json:"whole_p99_ms"`
	RevokeP50       float64 `json:"revoke_p50_ms"`
	RevokeP99       float64 `json:"revoke_p99_ms"`
	Catchup         float64 `json:"catchup_ms"`
	CatchupChanges  int     `json:"catchup_changes"`
	BesideImport    int     `json:"beside_import"` // indicators
	BesideP50       float64 `json:"beside_import_p50_ms"`
	BesideP99       float64 `json:"beside_import_p99_ms"`
	BesideRevokeP99 float64 `json:"beside_import_revoke_p99_ms"`
	ImportSeconds   float64 `json:"import_s"`     // until the last of it was pushed
	QuietP50        float64 `json:"quiet_p50_ms"` // t2 to t5 without other traffic
	QuietP99        float64 `json:"quiet_p99_ms"`
	QuietHubCPU     float64 `json:"quiet_hub_cpu_ms"`   // of a decision and its revocation
	QuietEdgeCPU    float64 `json:"quiet_edges_cpu_ms"` // of all edges together
	Rounds          int     `json:"rounds"`
	EventsPerSecond float64 `json:"events_per_s"` // of other traffic, that the hub acknowledged
	OldestWaiting   float64 `json:"oldest_waiting_ms"`
	BeaconMS        float64 `json:"beacon_ms"` // the first page, with all of this on it
	HubCPU          float64 `json:"hub_cpu_share"`
	HubRSS          int     `json:"hub_rss_mb"`
	JoinSeconds     float64 `json:"join_s"`
}

func main() {
	var c config
	flag.StringVar(&c.dir, "dir", "", "folder to work in; a temporary one, removed afterwards, when empty")
	flag.IntVar(&c.orgs, "orgs", 100, "organisations below the centre")
	flag.IntVar(&c.edges, "edges", 1000, "edges, spread over the organisations")
	flag.IntVar(&c.sensors, "sensors", 100, "sensors that send everyday events")
	flag.IntVar(&c.perSec, "events", 5000, "everyday events per second, of all sensors together")
	flag.IntVar(&c.quiet, "quiet", 10, "decisions and revocations without other traffic")
	flag.IntVar(&c.rounds, "rounds", 30, "decisions and revocations with other traffic")
	flag.IntVar(&c.changes, "changes", 10_000, "changes that an edge misses")
	flag.IntVar(&c.imported, "imported", 0, "indicators of an import while signals are blocked; every edge takes each, so few edges can be had on one machine")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, c); err != nil {
		fmt.Fprintln(os.Stderr, "bench push:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, c config) error {
	if c.dir == "" {
		dir, err := os.MkdirTemp("", "noroshi-bench-push-")
		if err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(dir) }()
		c.dir = dir
	}
	fmt.Println(kit.Machine())
	p, err := start(ctx, c)
	if err != nil {
		return err
	}
	defer p.stop()
	f := figures{Edges: c.edges, Orgs: c.orgs, Rounds: c.rounds, JoinSeconds: float64(p.joined.Milliseconds()/100) / 10}
	if err := p.quiet(ctx, &f); err != nil {
		return err
	}
	if err := p.loaded(ctx, &f); err != nil {
		return err
	}
	if err := p.beside(ctx, &f); err != nil {
		return err
	}
	if err := p.beacon(ctx, &f); err != nil {
		return err
	}
	if err := p.catchUp(ctx, &f); err != nil {
		return err
	}
	if f.HubRSS, err = kit.PeakRSS(p.hub.PID()); err != nil {
		return err
	}
	return kit.Print(os.Stdout, "push", f)
}

func (c config) path(parts ...string) string {
	return filepath.Join(append([]string{c.dir}, parts...)...)
}
