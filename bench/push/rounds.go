package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	mrand "math/rand/v2"
	"net/url"
	"os"
	"time"

	"noroshi/bench/kit"
	"noroshi/drill"
	"noroshi/indicator"
	"noroshi/share/set"
)

// samples are the times of every edge in every round.
type samples struct {
	push, whole, revoke []time.Duration
}

// round lets a sensor see an attack, waits until every edge blocks it, revokes
// the block, and waits until every edge has lifted it.
func (p *platform) round(ctx context.Context, s *samples) error {
	var b [6]byte
	if _, err := rand.Read(b[:]); err != nil {
		return err
	}
	name := "signal-" + hex.EncodeToString(b[:]) + drill.Suffix
	blocks := func(want bool) *watch {
		w := newWatch(len(p.edges), func(e *node, a set.Ack) bool {
			_, is := e.follower.Set().Name(name, time.Now())
			return is == want && a.Feed == exerciseFeed
		})
		p.watch.Store(w)
		return w
	}
	w := blocks(true)
	sensed := time.Now()
	if err := p.sensors[0].spool.Emit(attack(name)); err != nil {
		return err
	}
	enforced, err := w.wait(ctx, "the block")
	if err != nil {
		return err
	}
	var list struct{ Items []indicator.Indicator }
	if err := p.hub.API.Get(ctx, "/api/v1/indicators?realm=exercise&limit=1&q="+url.QueryEscape(name), &list); err != nil {
		return err
	}
	if len(list.Items) != 1 {
		return fmt.Errorf("the platform has %d indicators for %s", len(list.Items), name)
	}
	ind := list.Items[0]
	for _, at := range enforced {
		s.push = append(s.push, at.Sub(ind.Clock.T2Decided))
		s.whole = append(s.whole, at.Sub(sensed))
	}
	if err := pause(ctx); err != nil {
		return err
	}
	w = blocks(false)
	err = p.hub.API.Post(ctx, "/api/v1/indicators/"+string(ind.ID)+"/revoke", map[string]any{"reason": "the round is over", "version": ind.Version}, &ind)
	if err != nil {
		return err
	}
	lifted, err := w.wait(ctx, "the lifting")
	if err != nil {
		return err
	}
	for _, at := range lifted {
		s.revoke = append(s.revoke, at.Sub(ind.Modified))
	}
	return nil
}

const exerciseFeed = "exercise.all"

// rounds does n rounds at moments that follow no clock.
func (p *platform) rounds(ctx context.Context, n int) (s samples, err error) {
	for range n {
		if err := p.round(ctx, &s); err != nil {
			return s, err
		}
		if err := pause(ctx); err != nil {
			return s, err
		}
	}
	return s, nil
}

// pause lets the platform come to rest; its length follows no clock of it.
func pause(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(200*time.Millisecond + mrand.N(500*time.Millisecond)):
		return nil
	}
}

func q(list []time.Duration, at float64) float64 { return kit.Milliseconds(kit.Quantile(list, at)) }

func (p *platform) quiet(ctx context.Context, f *figures) error {
	if p.config.quiet == 0 {
		return nil
	}
	hub, edges, err := p.cpu()
	if err != nil {
		return err
	}
	s, err := p.rounds(ctx, p.config.quiet)
	if err != nil {
		return err
	}
	hubAfter, edgesAfter, err := p.cpu()
	if err != nil {
		return err
	}
	n := float64(p.config.quiet)
	f.QuietP50, f.QuietP99 = q(s.push, 0.5), q(s.push, 0.99)
	f.QuietHubCPU, f.QuietEdgeCPU = kit.Milliseconds(hubAfter-hub)/n, kit.Milliseconds(edgesAfter-edges)/n
	fmt.Printf("quiet:  decided to enforced p50 %.1f ms, p99 %.1f ms; sensed to enforced p50 %.1f ms, p99 %.1f ms; revoked p50 %.1f ms, p99 %.1f ms; a round costs the hub %.0f ms and all edges %.0f ms of a processor\n",
		f.QuietP50, f.QuietP99, q(s.whole, 0.5), q(s.whole, 0.99), q(s.revoke, 0.5), q(s.revoke, 0.99), f.QuietHubCPU, f.QuietEdgeCPU)
	return nil
}

// cpu is what the hub and all nodes have spent.
func (p *platform) cpu() (hub, nodes time.Duration, err error) {
	if hub, err = kit.CPU(p.hub.PID()); err != nil {
		return 0, 0, err
	}
	nodes, err = kit.CPU(os.Getpid())
	return hub, nodes, err
}

func (p *platform) loaded(ctx context.Context, f *figures) error {
	stop := p.traffic(ctx)
	begin := time.Now()
	hub, _, err := p.cpu()
	if err != nil {
		return err
	}
	time.Sleep(2 * time.Second) // The traffic is to flow before it is measured beside.
	s, err := p.rounds(ctx, p.config.rounds)
	took := time.Since(begin)
	acked, oldest, serr := stop()
	if err != nil {
		return err
	}
	if serr != nil {
		return serr
	}
	after, _, err := p.cpu()
	f.EventsPerSecond, f.OldestWaiting = float64(int(float64(acked)/took.Seconds())), kit.Milliseconds(oldest)
	f.HubCPU = float64(int(100*(after-hub).Seconds()/took.Seconds())) / 100
	f.P50, f.P99, f.WholeP50, f.WholeP99 = q(s.push, 0.5), q(s.push, 0.99), q(s.whole, 0.5), q(s.whole, 0.99)
	f.RevokeP50, f.RevokeP99 = q(s.revoke, 0.5), q(s.revoke, 0.99)
	fmt.Printf("loaded: decided to enforced p50 %.1f ms, p99 %.1f ms; sensed to enforced p50 %.1f ms, p99 %.1f ms; revoked p50 %.1f ms, p99 %.1f ms; beside %.0f events/s from %d sensors, the hub at %.2f processors\n",
		f.P50, f.P99, f.WholeP50, f.WholeP99, f.RevokeP50, f.RevokeP99, f.EventsPerSecond, p.config.sensors, f.HubCPU)
	return err
}

// beacon times the console's first page.
func (p *platform) beacon(ctx context.Context, f *figures) error {
	var best time.Duration
	for range 5 {
		begin := time.Now()
		if err := p.hub.API.Get(ctx, "/api/v1/beacon?hours=24", &struct{}{}); err != nil {
			return err
		}
		if d := time.Since(begin); best == 0 || d < best {
			best = d
		}
	}
	f.BeaconMS = kit.Milliseconds(best)
	return nil
}
