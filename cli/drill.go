package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sort"
	"time"

	"noroshi/api/operator"
	"noroshi/app"
	"noroshi/config"
	"noroshi/drill"
	"noroshi/fault"
)

func runDrill(ctx context.Context, env *environment, args []string) error {
	fs, get := flags(env, "drill")
	slug := fs.String("org", "", "organisation that is attacked, by its short name; the first with a sensor when left out")
	ephemeral := fs.Bool("ephemeral", false, "start a throw-away platform with four organisations for the drill")
	asJSON := fs.Bool("json", false, "print the result as JSON")
	keep := fs.Bool("keep", false, "leave the block in place until it expires")
	within := fs.Duration("within", 20*time.Second, "how long one drill may take; on a slow machine, or for thousands of edges, give it more")
	repeat := fs.Int("repeat", 1, "how often; more than once ends with a line BENCH chain {…}")
	if err := parse(fs, args); err != nil {
		return err
	}
	if *repeat < 1 || *repeat > 10_000 {
		return fault.New(fault.Invalid, "cli.drill", "--repeat takes 1 to 10,000")
	}
	if *within <= 0 {
		return fault.New(fault.Invalid, "cli.drill", "--within takes a time such as 2m")
	}
	cfg, err := get()
	if err != nil {
		return err
	}
	if *ephemeral {
		stop, err := throwAway(ctx, &cfg)
		if err != nil {
			return err
		}
		defer func() {
			if err := stop(); err != nil {
				fmt.Fprintf(env.err, "the throw-away platform did not stop well: %v\n", err)
			}
		}()
	}
	out := io.Discard
	if !*asJSON && *repeat == 1 {
		out = env.out
	}
	var all []drill.Result
	for range *repeat {
		res, err := drill.Run(ctx, drill.Config{Org: *slug, Timeout: *within, Keep: *keep, Out: out}, operator.Dial(app.Socket(cfg.DataDir)))
		if *asJSON && *repeat == 1 {
			if jerr := json.NewEncoder(env.out).Encode(res); jerr != nil {
				return errors.Join(err, jerr)
			}
		}
		if err != nil {
			return err
		}
		all = append(all, res)
	}
	if *repeat > 1 {
		return summarise(env.out, all)
	}
	return nil
}

// throwAway starts a platform in a temporary folder on free loopback ports, and
// returns how to end it and clean up.
func throwAway(ctx context.Context, cfg *config.Config) (func() error, error) {
	dir, err := os.MkdirTemp("", "noroshi-drill-")
	if err != nil {
		return nil, fault.Wrap("cli.ephemeral", err)
	}
	*cfg = config.Default()
	cfg.DataDir = dir
	cfg.Hub.Console, cfg.Hub.Enrol, cfg.Hub.Bus = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
	cfg.Resolver.Listen = []string{"127.0.0.1:0"}
	all, err := app.StartAll(ctx, *cfg, slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})))
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return func() error { return errors.Join(all.Stop(), os.RemoveAll(dir)) }, nil
}

// quantiles of one hop, in milliseconds.
type quantiles struct {
	P50 float64 `json:"p50_ms"`
	P99 float64 `json:"p99_ms"`
}

// summarise prints the benchmark of the chain.
func summarise(w io.Writer, all []drill.Result) error {
	hops := map[string][]float64{}
	for _, r := range all {
		h := r.Hops
		for name, ms := range map[string]float64{"found": h.Found, "decided": h.Decided, "durable": h.Durable, "received": h.Received,
			"enforced": h.Enforced, "acknowledged": h.Acknowledged, "lifted": r.LiftedMS} {
			hops[name] = append(hops[name], ms)
		}
	}
	out := map[string]any{"runs": len(all), "organisations": all[0].Organisations, "edges": all[0].Edges, "date": time.Now().UTC().Format(time.DateOnly)}
	for name, list := range hops {
		sort.Float64s(list)
		q := quantiles{list[len(list)/2], list[min(len(list)-1, len(list)*99/100)]}
		out[name] = q
		fmt.Fprintf(w, "%-13s p50 %8.1f ms  p99 %8.1f ms\n", name, q.P50, q.P99)
	}
	b, err := json.Marshal(out)
	if err != nil {
		return fault.Wrap("cli.summary", err)
	}
	fmt.Fprintf(w, "BENCH chain %s\n", b)
	return nil
}
