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
	P99        float64 `json:"list_p99_ms"` // of all pages, during the day
	P50        float64 `json:"list_p50_ms"`
	QuietP99   float64 `json:"list_quiet_p99_ms"`
	RushP99    float64 `json:"list_rush_p99_ms"` // while surveys come in as fast as they are taken
	Pages      int     `json:"pages"`
	FillS      float64 `json:"fill_s"`
	DayS       float64 `json:"day_s"`
	Faster     float64 `json:"times_faster_than_life"`
	DayCPUS    float64 `json:"day_cpu_s"` // surveys, claims and pages together
	FiguresS   float64 `json:"figures_s"`
	BytesEach  int64   `json:"bytes_each"`
	SeenPerSec float64 `json:"seen_per_s"`
	RushPerSec float64 `json:"rush_seen_per_s"`
	RSS        int     `json:"rss_mb"`
}

// choices are how the benchmark is run.
type choices struct {
	dir, profiles     string
	readers           int
	calm, day, rushes time.Duration
	only              bool
}

func main() {
	var c country
	var o choices
	flag.IntVar(&c.orgs, "orgs", 1000, "how many organisations there are")
	flag.IntVar(&c.assets, "assets", 100, "how many assets each has")
	flag.IntVar(&c.each, "findings", 20, "how many weaknesses each asset has")
	flag.IntVar(&o.readers, "readers", 50, "how many people read, each a page a second")
	flag.StringVar(&o.dir, "dir", "", "a folder that keeps the ledger, so that a fill that was interrupted goes on when it is run again on that day")
	flag.StringVar(&o.profiles, "profiles", "", "a folder for profiles of the fill, the day and the rush: processor, locks, waits")
	flag.DurationVar(&o.calm, "calm", 20*time.Second, "how long pages are read before the day")
	flag.DurationVar(&o.day, "day", 10*time.Minute, "into how long the day is pressed")
	flag.DurationVar(&o.rushes, "rush", time.Minute, "how long surveys of the next day then come in as fast as they are taken")
	flag.BoolVar(&o.only, "fillonly", false, "fill the ledger of -dir and stop")
	flag.Parse()
	fmt.Printf("%s, load %s\n", kit.Machine(), kit.Load())
	if err := run(context.Background(), &c, o); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, c *country, o choices) error {
	if o.dir == "" {
		tmp, err := os.MkdirTemp("", "noroshi-bench-findings-")
		if err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(tmp) }()
		o.dir = tmp
	}
	file := filepath.Join(o.dir, "ledger.db")
	db, err := ledger.Open(ctx, "sqlite:"+file)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	face, err := c.build(db)
	if err != nil {
		return err
	}
	var f figures
	began := time.Now()
	if err = profiled(o.profiles, "fill", func() error { return c.fill(ctx) }); err != nil {
		return err
	}
	f.FillS = time.Since(began).Seconds()
	if f.Findings, err = c.count(ctx); err != nil || o.only {
		return err
	}
	if at, err := os.Stat(file); err == nil && f.Findings > 0 {
		f.BytesEach = at.Size() / f.Findings
	}
	fmt.Printf("%d actions of %d organisations, filled in %.0f s\n", f.Findings, c.orgs, f.FillS)
	if err := c.measure(ctx, newCrowd(c, face, o.readers), o, &f); err != nil {
		return err
	}
	if f.RSS, err = kit.PeakRSS(os.Getpid()); err != nil {
		return err
	}
	return kit.Print(os.Stdout, "findings", f)
}

// build plants the country and puts the real store and API before a ledger.
func (c *country) build(db *ledger.DB) (*api.API, error) {
	c.plant()
	policy, err := remediation.ReadPolicy("remediation.yaml", content.Remediation())
	if err != nil {
		return nil, err
	}
	tree := func() *org.Tree { return c.tree }
	quiet := slog.New(slog.DiscardHandler)
	if c.r, err = remediation.New(remediation.Config{}, remediation.Deps{DB: db, Policy: policy, Tree: tree, Now: time.Now, Ident: ident.System(), Log: quiet}); err != nil {
		return nil, err
	}
	auth, err := access.New(nil)
	if err != nil {
		return nil, err
	}
	return api.New(api.Backend{Version: "bench", Log: quiet, Now: time.Now, Access: auth, Tree: tree, Intel: intel.New(intel.Deps{}, nil), Actions: c.r}), nil
}

// measure lets people read before the day, through it, and through a rush of
// surveys, which is what a hub meets that was away for a day.
func (c *country) measure(ctx context.Context, w *crowd, o choices, f *figures) error {
	calm, err := w.read(ctx, func() error { time.Sleep(o.calm); return nil })
	if err != nil {
		return err
	}
	calm.print("before the day")
	f.QuietP99 = calm.quantile(0.99)

	var seen int
	spent, err := kit.CPU(os.Getpid())
	if err != nil {
		return err
	}
	began := time.Now()
	busy, err := w.profiled(ctx, o.profiles, "day", func() (err error) { seen, err = c.live(ctx, o.day); return err })
	if err != nil {
		return err
	}
	f.DayS = time.Since(began).Seconds()
	after, err := kit.CPU(os.Getpid())
	if err != nil {
		return err
	}
	f.DayCPUS, f.SeenPerSec, f.Faster = (after - spent).Seconds(), float64(seen)/f.DayS, (24*time.Hour).Seconds()/f.DayS
	busy.print(fmt.Sprintf("the day, pressed into %.0f s", f.DayS))
	fmt.Printf("The day of 86,400 s was pressed into %.0f s, %.0f times faster than life: %d were seen, %.0f a second; %.0f s of processor time; load %s.\n\n",
		f.DayS, f.Faster, seen, f.SeenPerSec, f.DayCPUS, kit.Load())
	f.P99, f.P50, f.Pages = busy.quantile(0.99), busy.quantile(0.5), busy.pages()

	began = time.Now()
	rush, err := w.profiled(ctx, o.profiles, "rush", func() (err error) { seen, err = c.rush(ctx, 2, o.rushes); return err })
	if err != nil {
		return err
	}
	f.RushP99, f.RushPerSec = rush.quantile(0.99), float64(seen)/time.Since(began).Seconds()
	rush.print("as fast as surveys are taken")

	began = time.Now()
	_, err = c.r.Figures(ctx, c.hub, "", label.Real, 365)
	f.FiguresS = time.Since(began).Seconds()
	return err
}
