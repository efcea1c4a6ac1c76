// Command findings measures the pages of actions: a country's weaknesses are
// filled into a ledger through surveys, and then a day of it is lived, with new
// ones, those seen again, those proved and those claimed, while people at the
// centre, at a ministry and at organisations read pages through the API.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"noroshi/access"
	"noroshi/act/remediation"
	"noroshi/api"
	"noroshi/bench/kit"
	"noroshi/content"
	"noroshi/ident"
	"noroshi/intel"
	"noroshi/label"
	"noroshi/ledger"
	"noroshi/org"
)

type figures struct {
	Findings   int64   `json:"findings"`
	P99        float64 `json:"list_p99_ms"` // during the day
	P50        float64 `json:"list_p50_ms"`
	QuietP99   float64 `json:"list_quiet_p99_ms"`
	Pages      int     `json:"pages"`
	FillS      float64 `json:"fill_s"`
	DayS       float64 `json:"day_s"`
	FiguresS   float64 `json:"figures_s"`
	BytesEach  int64   `json:"bytes_each"`
	SeenPerSec float64 `json:"seen_per_s"`
}

func main() {
	orgs := flag.Int("orgs", 1000, "how many organisations there are")
	assets := flag.Int("assets", 100, "how many assets each has")
	each := flag.Int("findings", 20, "how many weaknesses each asset has")
	readers := flag.Int("readers", 50, "how many people read, each a page a second")
	keep := flag.String("dir", "", "a folder that keeps the ledger, so that a fill that was interrupted goes on when it is run again on that day")
	profiles := flag.String("profiles", "", "a folder for profiles of the fill and of the day: processor, locks, waits")
	calm := flag.Duration("calm", 20*time.Second, "how long pages are read before the day")
	only := flag.Bool("fillonly", false, "fill the ledger of -dir and stop")
	flag.Parse()
	fmt.Println(kit.Machine())
	c := &country{orgs: *orgs, assets: *assets, each: *each}
	if err := run(context.Background(), c, *keep, *profiles, *readers, *calm, *only); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, c *country, dir, profiles string, readers int, calmly time.Duration, only bool) error {
	if dir == "" {
		tmp, err := os.MkdirTemp("", "noroshi-bench-findings-")
		if err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(tmp) }()
		dir = tmp
	}
	file := filepath.Join(dir, "ledger.db")
	db, err := ledger.Open(ctx, "sqlite:"+file)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	c.plant()
	policy, err := remediation.ReadPolicy("remediation.yaml", content.Remediation())
	if err != nil {
		return err
	}
	tree := func() *org.Tree { return c.tree }
	quiet := slog.New(slog.DiscardHandler)
	if c.r, err = remediation.New(remediation.Config{}, remediation.Deps{DB: db, Policy: policy, Tree: tree, Now: time.Now, Ident: ident.System(), Log: quiet}); err != nil {
		return err
	}
	auth, err := access.New(nil)
	if err != nil {
		return err
	}
	face := api.New(api.Backend{Version: "bench", Log: quiet, Now: time.Now, Access: auth, Tree: tree, Intel: intel.New(intel.Deps{}, nil), Actions: c.r})

	var f figures
	began := time.Now()
	if err = profiled(profiles, "fill", func() error { return c.fill(ctx) }); err != nil {
		return err
	}
	f.FillS = time.Since(began).Seconds()
	if f.Findings, err = c.count(ctx); err != nil || only {
		return err
	}
	if at, err := os.Stat(file); err == nil && f.Findings > 0 {
		f.BytesEach = at.Size() / f.Findings
	}
	fmt.Printf("%d actions of %d organisations, filled in %.0f s\n", f.Findings, c.orgs, f.FillS)
	crowd := newCrowd(c, face, readers)
	calm, err := crowd.read(ctx, func() error { time.Sleep(calmly); return nil })
	if err != nil {
		return err
	}
	calm.print("before the day")
	f.QuietP99 = calm.quantile(0.99)
	var seen int
	began = time.Now()
	var busy *times
	err = profiled(profiles, "day", func() (err error) {
		busy, err = crowd.read(ctx, func() (err error) { seen, err = c.live(ctx); return err })
		return err
	})
	if err != nil {
		return err
	}
	f.DayS = time.Since(began).Seconds()
	f.SeenPerSec = float64(seen) / f.DayS
	busy.print(fmt.Sprintf("during the day, lived in %.0f s", f.DayS))
	f.P99, f.P50, f.Pages = busy.quantile(0.99), busy.quantile(0.5), busy.pages()
	began = time.Now()
	if _, err := c.r.Figures(ctx, c.hub, "", label.Real, 365); err != nil {
		return err
	}
	f.FiguresS = time.Since(began).Seconds()
	return kit.Print(os.Stdout, "findings", f)
}
