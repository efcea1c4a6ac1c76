// Command soak is a storm over the whole chain: a hub, resolvers and eyes of
// several organisations run as processes of their own, are killed and frozen at
// random moments under load while people decide and revoke, and at the end
// nothing that was acknowledged may be missing or there twice, and no name that
// was blocked may have been answered. It knows the platform only as its users
// and nodes do. `make soak MINUTES=30` runs it; SEED=… repeats a plan of kills.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"noroshi/bench/kit"
)

// Report is the line that ends a storm.
type Report struct {
	Kills        int    `json:"kills"`
	Acknowledged int    `json:"acknowledged"` // events that an eye was promised, and decisions that the API confirmed
	Lost         int    `json:"lost"`
	Duplicated   int    `json:"duplicated"`
	Unfiltered   int    `json:"unfiltered"` // answers that a block should have prevented
	Seed         uint64 `json:"seed"`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if len(os.Args) > 1 && os.Args[1] == eyeCommand {
		os.Exit(said(runEye(ctx, os.Args[2:], os.Stdin, os.Stdout)))
	}
	os.Exit(said(run(ctx, os.Args[1:])))
}

func said(err error) int {
	if err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		return 1
	}
	return 0
}

func run(ctx context.Context, args []string) error {
	fs := flag.NewFlagSet("soak", flag.ContinueOnError)
	minutes := fs.Float64("minutes", 1, "how long the storm lasts")
	rate := fs.Int("rate", 300, "events per second of each eye")
	orgs := fs.Int("orgs", 3, "organisations, each with an eye and a resolver")
	if err := fs.Parse(args); err != nil {
		return err
	}
	seed := rand.Uint64N(1 << 32) // Short enough to be typed.
	if s := os.Getenv("SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			return fmt.Errorf("SEED: %w", err)
		}
	}
	dir, err := os.MkdirTemp("", "noroshi-soak-")
	if err != nil {
		return err
	}
	length := time.Duration(*minutes * float64(time.Minute))
	fmt.Fprintf(os.Stderr, "soak: %s\nsoak: SEED=%d, %s, folders in %s\n", kit.Machine(), seed, length, dir)
	s := &storm{dir: dir, orgs: *orgs, rate: *rate, plan: plan(seed, length, *orgs), out: os.Stderr}
	report, faults := s.run(ctx, length)
	report.Seed = seed
	for _, f := range faults[:min(len(faults), shownFaults)] {
		fmt.Fprintln(os.Stderr, "soak: FAULT:", f)
	}
	if err := printReport(os.Stdout, report); err != nil {
		return err
	}
	if len(faults) > 0 {
		return fmt.Errorf("%d faults; the folders are kept in %s; SEED=%d repeats the plan", len(faults), dir, seed)
	}
	return os.RemoveAll(dir)
}

// shownFaults is how many faults are told one by one.
const shownFaults = 100

func printReport(w io.Writer, r Report) error {
	b, err := json.Marshal(r)
	if err == nil {
		_, err = fmt.Fprintf(w, "SOAK %s\n", b)
	}
	return err
}
