package main

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"noroshi/act/remediation"
	"noroshi/action"
	"noroshi/fault"
)

// sources are those that survey every organisation, once a day each.
var sources = []action.Source{action.BySurface, action.BySBOM}

// take hands a survey in and tells how many weaknesses it saw.
func (c *country) take(ctx context.Context, i int, src action.Source, day int) (int, error) {
	out, err := c.r.Take(ctx, c.hub, c.survey(i, src, day))
	if err != nil || out.Repeated {
		return 0, err
	}
	return out.New + out.Seen, nil
}

// rush hands in the surveys of a day as fast as they are taken, until it was long
// enough.
func (c *country) rush(ctx context.Context, day int, enough time.Duration) (seen int, err error) {
	began := time.Now()
	for i := range c.members {
		for _, src := range sources {
			n, err := c.take(ctx, i, src, day)
			if seen += n; err != nil {
				return seen, err
			}
		}
		if (i+1)%100 == 0 {
			fmt.Fprintf(os.Stderr, "%d of %d organisations\n", i+1, len(c.members))
		}
		if enough > 0 && time.Since(began) > enough {
			break
		}
	}
	return seen, nil
}

func (c *country) fill(ctx context.Context) error {
	_, err := c.rush(ctx, 0, 0)
	return err
}

// event is a survey that comes in, or people of an organisation who claim.
type event struct {
	at  time.Duration
	org int
	src action.Source // none when people claim
}

// events are those of a day of a length, each at a moment of its own as in life:
// sometimes several at once, sometimes none.
func (c *country) events(length time.Duration) (list []event) {
	r := rand.New(rand.NewPCG(5, 6))
	for i := range c.members {
		for _, src := range append(sources, "") {
			list = append(list, event{time.Duration(r.Int64N(int64(length))), i, src})
		}
	}
	slices.SortFunc(list, func(a, b event) int { return cmp.Compare(a.at, b.at) })
	return list
}

// live lives a day, pressed into a length: every organisation is surveyed by every
// source, and people there claim ten of theirs.
func (c *country) live(ctx context.Context, length time.Duration) (int, error) {
	var seen atomic.Int64
	var all sync.WaitGroup
	var mu sync.Mutex
	var bad error
	began := time.Now()
	for _, e := range c.events(length) {
		time.Sleep(e.at - time.Since(began))
		all.Go(func() {
			n, err := c.happen(ctx, e)
			seen.Add(int64(n))
			if err != nil {
				mu.Lock()
				defer mu.Unlock()
				bad = err
			}
		})
	}
	all.Wait()
	return int(seen.Load()), bad
}

func (c *country) happen(ctx context.Context, e event) (int, error) {
	if e.src != "" {
		return c.take(ctx, e.org, e.src, 1)
	}
	p, err := c.r.List(ctx, c.hub, remediation.Filter{Org: c.members[e.org], States: []action.State{action.Open}, Limit: 10})
	for _, a := range p.Items {
		if err == nil {
			_, err = c.r.Claim(ctx, c.hub, a.ID, a.Version, "patched")
		}
		if fault.KindOf(err) == fault.Conflict { // A survey was faster, as in life.
			err = nil
		}
	}
	return 0, err
}
