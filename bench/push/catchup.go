package main

import (
	"context"
	"fmt"
	"time"

	"noroshi/ident"
	"noroshi/indicator"
	"noroshi/label"
	"noroshi/ledger"
	"noroshi/observable"
	"noroshi/share/set"
)

// catchUp stops an edge, changes its organisation's own feed as often as asked,
// starts it again, and takes the time until it has proved the head's digest.
func (p *platform) catchUp(ctx context.Context, f *figures) error {
	if p.changes == 0 {
		return nil
	}
	e := p.edges[0]
	feed := "real." + string(e.id.Org)
	e.halt()
	begin := time.Now()
	seq, digest, err := p.change(ctx, e.id.Org, feed)
	if err != nil {
		return err
	}
	fmt.Printf("missed: %d changes of %s, written in %.1f s\n", p.changes, feed, time.Since(begin).Seconds())
	// The organisation's other edges take them meanwhile; they are not to
	// compete with the one that is measured.
	if err := p.others(ctx, e, feed, seq); err != nil {
		return err
	}
	w := newWatch(1, func(x *node, a set.Ack) bool { return x == e && a.Feed == feed && a.Seq == seq && a.Digest == digest })
	p.watch.Store(w)
	begin = time.Now()
	if err := e.start(); err != nil {
		return err
	}
	at, err := w.wait(ctx, "catching up")
	if err != nil {
		return err
	}
	f.Catchup, f.CatchupChanges = float64(at[0].Sub(begin).Microseconds()/100)/10, p.changes
	fmt.Printf("caught up after %.1f ms with %d indicators and the digest %.16s…\n", f.Catchup, e.follower.Set().Len(), digest)
	return nil
}

// change writes changes into a feed; three in ten take one back.
func (p *platform) change(ctx context.Context, o ident.ID, feed string) (seq uint64, digest string, err error) {
	out, db, err := p.outbox(ctx)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = db.Close() }()
	puts := p.changes * 7 / 10
	for _, step := range []struct {
		op indicator.Op
		n  int
	}{{indicator.Put, puts}, {indicator.Remove, p.changes - puts}} {
		err := write(ctx, db, out, step.n, func(i int) (indicator.Indicator, indicator.Op) { return missed(o, i), step.op })
		if err == nil { // What is taken back before it is pushed would be no change.
			err = p.pushed(ctx, out)
		}
		if err != nil {
			return 0, "", err
		}
	}
	err = db.Read(ctx, func(q ledger.Queryer) error {
		var n int64
		err := q.QueryRow(ctx, `SELECT seq, digest FROM feed WHERE name = ?`, feed).Scan(&n, &digest)
		seq = uint64(n)
		return err
	})
	return seq, digest, err
}

func missed(o ident.ID, n int) indicator.Indicator {
	return indicator.Indicator{ID: ident.ID(fmt.Sprintf("ind_bench%07d", n)), Org: o, State: indicator.Active, Action: indicator.Block, Confidence: 80,
		Observable: observable.Observable{Kind: observable.Domain, Value: fmt.Sprintf("c%d.missed.example.net", n)},
		Marking:    label.Marking{TLP: label.TLPAmber, PAP: label.PAPGreen, Realm: label.Real},
		Reason:     "A control server that a partner reported.", ReasonJA: "協力機関から報告された指令サーバーです。", ValidUntil: time.Now().Add(24 * time.Hour)}
}

// others waits until the edges beside e have a feed up to a sequence.
func (p *platform) others(ctx context.Context, e *node, feed string, seq uint64) error {
	want := 0
	for _, x := range p.edges {
		if x != e && x.id.Org == e.id.Org {
			want++
		}
	}
	if want == 0 {
		return nil
	}
	// Whoever was faster than this watch says it again at the heartbeat.
	w := newWatch(want, func(x *node, a set.Ack) bool { return x != e && a.Feed == feed && a.Seq >= seq })
	p.watch.Store(w)
	_, err := w.wait(ctx, "the other edges of the organisation")
	return err
}
