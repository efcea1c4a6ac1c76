// Command hunt measures the look back: the time in which the past sightings of
// one new indicator, and of a thousand, are found among the events of a week of
// a country. The events are made from a seed; the store is the embedded one.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/pprof"
	"strconv"
	"strings"
	"syscall"
	"time"

	"noroshi/access"
	"noroshi/analyse/hunt"
	"noroshi/bench/kit"
	"noroshi/eventstore"
	"noroshi/eventstore/victorialogs"
	"noroshi/indicator"
	"noroshi/observable"
)

func main() {
	events := flag.Int("events", 5_000_000, "how many events are stored")
	times := flag.String("times", "0.1,1", "the sizes at which it is measured, as parts or multiples of the events")
	seed := flag.Uint64("seed", 1, "of the events")
	profile := flag.String("cpuprofile", "", "a file for the profile of the hunts")
	keep := flag.String("dir", "", "a folder that keeps the events for another run with the same flags")
	flag.Parse()
	ctx := context.Background()
	fmt.Println(kit.Machine())
	var last figures
	for _, text := range strings.Split(*times, ",") {
		factor, err := strconv.ParseFloat(text, 64)
		if err != nil {
			log.Fatal(err)
		}
		f, err := measure(ctx, int(factor*float64(*events)), *seed, *keep, *profile)
		if err != nil {
			log.Fatal(err)
		}
		if f.Events == *events {
			last = f
		}
	}
	if err := kit.Print(os.Stdout, "hunt", last); err != nil {
		log.Fatal(err)
	}
}

// figures of one size, in milliseconds where nothing else is said.
type figures struct {
	Events     int     `json:"events"`
	One        float64 `json:"one_ms"`
	Thousand   float64 `json:"thousand_ms"`
	AllSeen    float64 `json:"thousand_seen_ms"` // each of the thousand was seen before
	OneCPU     float64 `json:"one_cpu_ms"`
	FillPerCPU int     `json:"stored_per_cpu_s"` // with the making of the events
	BytesEach  int     `json:"bytes_per_event"`
}

// seen is how many of a thousand were seen before.
const (
	thousand = hunt.MaxIndicators
	seen     = thousand / 10
)

func measure(ctx context.Context, events int, seed uint64, dir, profile string) (figures, error) {
	f := figures{Events: events}
	if dir == "" {
		tmp, err := os.MkdirTemp("", "noroshi-bench-hunt-")
		if err != nil {
			return f, err
		}
		defer func() { _ = os.RemoveAll(tmp) }()
		dir = tmp
	}
	s, err := victorialogs.Open(victorialogs.Config{Dir: filepath.Join(dir, fmt.Sprintf("events-%d-%d", events, seed)), Retention: 30 * 24 * time.Hour}, slog.New(slog.DiscardHandler))
	if err != nil {
		return f, err
	}
	defer func() { _ = s.Close() }()
	if err := fill(ctx, s, &f, seed); err != nil {
		return f, err
	}
	if profile != "" {
		out, err := os.Create(profile)
		if err != nil {
			return f, err
		}
		defer func() { _ = out.Close() }()
		if err := pprof.StartCPUProfile(out); err != nil {
			return f, err
		}
		defer pprof.StopCPUProfile()
	}
	return f, hunts(ctx, s, &f)
}

// fill stores the events, unless the folder has them.
func fill(ctx context.Context, s eventstore.Store, f *figures, seed uint64) error {
	st, err := s.Stats(ctx)
	if err != nil || st.Rows == uint64(f.Events) {
		return err
	}
	began, before := time.Now(), spent()
	// The first hundred of the first thousand, and all of the second.
	var attacks []observable.Observable
	for i, ind := range feed(2 * thousand) {
		if i < seen || i >= thousand {
			attacks = append(attacks, ind.Observable)
		}
	}
	c := newCountry(seed, f.Events, time.Now().Add(-time.Minute), attacks)
	planted := len(c.plan)
	for done := 0; done < f.Events; {
		rows := make([]eventstore.Row, 0, batch)
		for ; len(rows) < batch && done < f.Events; done++ {
			rows = append(rows, c.next())
		}
		if err := s.Append(ctx, rows); err != nil {
			return err
		}
		if done%100_000 == 0 { // As often as in life the store is made durable.
			if err := s.Sync(ctx); err != nil {
				return err
			}
		}
	}
	if err := s.Sync(ctx); err != nil {
		return err
	}
	if st, err = s.Stats(ctx); err != nil {
		return err
	}
	f.FillPerCPU, f.BytesEach = int(float64(f.Events)/(spent()-before).Seconds()), int(st.Bytes/st.Rows)
	fmt.Printf("%d events stored in %s, %d per CPU-second, %d bytes each, %d sightings among them\n", st.Rows, time.Since(began).Round(time.Second), f.FillPerCPU, f.BytesEach, planted)
	return nil
}

// hunts looks for one of each kind, then for the thousands.
func hunts(ctx context.Context, s eventstore.Store, f *figures) error {
	h, hub, list := hunt.New(s), access.Hub(tree(), "bench"), feed(2*thousand)
	var all, cpu []time.Duration
	for i, name := range []string{"name", "IPv4", "range", "URL", "SHA-256", "", "MD5", "IPv6"} {
		for _, at := range []int{i, seen + i} {
			if name == "" {
				continue
			}
			wall, spent, found, err := often(ctx, h, hub, 15, list[at:at+1])
			if err != nil {
				return err
			}
			all, cpu = append(all, wall...), append(cpu, spent...)
			fmt.Printf("%9d events, one %-8s %5d sightings %7.1f ms, first %.1f ms\n", f.Events, name, found, kit.Milliseconds(kit.Quantile(wall, 0.5)), kit.Milliseconds(wall[0]))
		}
	}
	f.One, f.OneCPU = kit.Milliseconds(kit.Quantile(all, 0.5)), kit.Milliseconds(kit.Quantile(cpu, 0.5))
	for _, c := range []struct {
		list []indicator.Indicator
		to   *float64
	}{{list[:thousand], &f.Thousand}, {list[thousand:], &f.AllSeen}} {
		wall, cpu, found, err := often(ctx, h, hub, 7, c.list)
		if err != nil {
			return err
		}
		*c.to = kit.Milliseconds(kit.Quantile(wall, 0.5))
		fmt.Printf("%9d events, %d mixed %5d sightings %7.1f ms, %.1f ms of CPU\n", f.Events, len(c.list), found, *c.to, kit.Milliseconds(kit.Quantile(cpu, 0.5)))
	}
	return nil
}

// often hunts for the same again and again.
func often(ctx context.Context, h *hunt.Hunter, hub access.Scope, times int, list []indicator.Indicator) (wall, cpu []time.Duration, found int, err error) {
	for range times {
		began, before := time.Now(), spent()
		got, err := h.Hunt(ctx, hub, list...)
		if err != nil {
			return nil, nil, 0, err
		}
		wall, cpu = append(wall, time.Since(began)), append(cpu, spent()-before)
		found = 0
		for _, places := range got {
			for _, x := range places {
				found += len(x.Seqs)
			}
		}
	}
	return wall, cpu, found, nil
}

// spent is the processor time of this process.
func spent() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
