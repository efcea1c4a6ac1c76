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
	"noroshi/org"
	"noroshi/share/push"
)

// perWrite is how many changes an import decides in one transaction.
const perWrite = 250

// outbox writes changes as another hub of the platform would: in the same ledger,
// through the same package.
func (p *platform) outbox(ctx context.Context) (*push.Push, *ledger.DB, error) {
	db, err := ledger.Open(ctx, "sqlite:"+p.path("hub", "data", "ledger.db"))
	if err != nil {
		return nil, nil, err
	}
	tree := org.NewTree(p.orgs)
	return push.New(push.Deps{DB: db, Tree: func() *org.Tree { return tree }, Edges: func() []push.Edge { return nil }, Now: time.Now}), db, nil
}

// write decides n changes.
func write(ctx context.Context, db *ledger.DB, out *push.Push, n int, each func(i int) (indicator.Indicator, indicator.Op)) error {
	for done := 0; done < n; {
		until := min(n, done+perWrite)
		err := db.Write(ctx, "bench:import", func(tx *ledger.Tx) error {
			for i := done; i < until; i++ {
				ind, op := each(i)
				if err := out.Enqueue(ctx, tx, ind, op); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		done = until
	}
	return nil
}

// pushed waits until nothing is left to be pushed.
func (p *platform) pushed(ctx context.Context, out *push.Push) error {
	return p.wait(ctx, func() string {
		b, err := out.Behind(ctx)
		if err != nil {
			return err.Error()
		}
		if b.Unpushed > 0 {
			return fmt.Sprintf("%d changes are not pushed", b.Unpushed)
		}
		return ""
	})
}

// beside lets one import write many indicators into the feed in which the signals
// are blocked, and does rounds until the last of them is pushed.
func (p *platform) beside(ctx context.Context, f *figures) error {
	if p.imported == 0 {
		return nil
	}
	out, db, err := p.outbox(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	begin, end := time.Now(), make(chan error, 1)
	go func() {
		err := write(ctx, db, out, p.imported, func(i int) (indicator.Indicator, indicator.Op) { return imported(p.orgs[0].ID, i), indicator.Put })
		if err == nil {
			err = p.pushed(ctx, out)
		}
		end <- err
	}()
	var s samples
	for {
		if err := p.round(ctx, &s); err != nil {
			return err
		}
		select {
		case err := <-end:
			f.BesideImport, f.BesideP50, f.BesideP99 = p.imported, q(s.push, 0.5), q(s.push, 0.99)
			f.BesideRevokeP99, f.ImportSeconds = q(s.revoke, 0.99), float64(time.Since(begin).Milliseconds()/100)/10
			fmt.Printf("beside an import of %d, pushed within %.1f s: %d rounds, decided to enforced p50 %.1f ms, p99 %.1f ms; revoked p99 %.1f ms\n",
				p.imported, f.ImportSeconds, len(s.push)/len(p.edges), f.BesideP50, f.BesideP99, f.BesideRevokeP99)
			return err
		default:
		}
	}
}

func imported(o ident.ID, n int) indicator.Indicator {
	return indicator.Indicator{ID: ident.ID(fmt.Sprintf("ind_imported%07d", n)), Org: o, State: indicator.Active, Action: indicator.Block, Confidence: 80,
		Observable: observable.Observable{Kind: observable.Domain, Value: fmt.Sprintf("c%d.imported.test", n)},
		Marking:    label.Marking{TLP: label.TLPGreen, PAP: label.PAPGreen, Realm: label.Exercise},
		Reason:     "A control server that a partner reported.", ReasonJA: "協力機関から報告された指令サーバーです。", ValidUntil: time.Now().Add(24 * time.Hour)}
}
