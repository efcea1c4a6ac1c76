package app

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"noroshi/access"
	"noroshi/analyse"
	"noroshi/analyse/hunt"
	"noroshi/fault"
	"noroshi/ident"
	"noroshi/indicator"
	"noroshi/intel"
	"noroshi/ledger"
)

// lookBack hunts in everything that is stored for each indicator that became
// active. The ledger says which are to be hunted still, from the transaction
// that made them active to the one that counts their sightings: a hub that ends
// between, or many indicators at once, lose none.
type lookBack struct {
	db       *ledger.DB
	intel    *intel.Intel
	findings *analyse.Analyser
	hunter   *hunt.Hunter
	scope    func() access.Scope
	// matched tells whether the live matcher looks for an indicator.
	matched func(ident.ID) bool
	// settled waits until every event that was judged before now is in the store.
	settled func(context.Context) error
	log     *slog.Logger
	wake    chan struct{} // of one place
}

// The ledger is asked each second, because another hub may have decided, and
// less often while a hunt fails.
const (
	lookEvery = time.Second
	lookRetry = time.Minute
)

// look asks for a look at the ledger now. It does not wait.
func (l *lookBack) look() {
	select {
	case l.wake <- struct{}{}:
	default: // One that was asked for and has not begun sees this one too.
	}
}

func (l *lookBack) run(ctx context.Context) error {
	for wait := lookEvery; ; {
		done, err := l.round(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			wait = min(2*wait, lookRetry)
			l.log.Error("the look back failed; it is tried again", "role", "hub", "err", err)
		case done > 0:
			continue // There may be more.
		default:
			wait = lookEvery
		}
		tick := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-l.wake:
		case <-tick.C:
		}
		tick.Stop()
	}
}

// round hunts for those that wait longest, as many as are looked for at once,
// and tells how many it hunted.
func (l *lookBack) round(ctx context.Context) (int, error) {
	due, err := l.intel.Unhunted(ctx, hunt.MaxIndicators)
	if err != nil {
		return 0, err
	}
	// One that the matcher does not have yet would miss what comes meanwhile.
	ready := due[:0]
	for _, ind := range due {
		if l.matched(ind.ID) {
			ready = append(ready, ind)
		}
	}
	if len(ready) == 0 {
		return 0, nil
	}
	if err := l.settled(ctx); err != nil {
		return 0, err
	}
	err = l.hunt(ctx, ready)
	if err == nil || len(ready) == 1 || ctx.Err() != nil {
		return len(ready), err
	}
	// One that fails must not hold up the others.
	var failed []error
	for _, ind := range ready {
		if err := l.hunt(ctx, []indicator.Indicator{ind}); err != nil {
			failed = append(failed, fault.Wrap("app.hunt "+string(ind.ID), err))
		}
	}
	return len(ready), errors.Join(failed...)
}

// hunt looks for some and keeps what was found: each one that was seen in a
// transaction of its own, so that nobody waits long for the ledger.
func (l *lookBack) hunt(ctx context.Context, list []indicator.Indicator) error {
	seen, err := l.hunter.Hunt(ctx, l.scope(), list...)
	if err != nil {
		return err
	}
	var unseen []indicator.Indicator
	for _, ind := range list {
		if len(seen[ind.ID]) == 0 {
			unseen = append(unseen, ind)
		} else if err := l.keep(ctx, []indicator.Indicator{ind}, seen); err != nil {
			return err
		}
	}
	return l.keep(ctx, unseen, seen)
}

// keep counts sightings and notes that the indicators were hunted, at once.
func (l *lookBack) keep(ctx context.Context, list []indicator.Indicator, seen map[ident.ID][]analyse.Sighting) error {
	if len(list) == 0 {
		return nil
	}
	var tell []func()
	err := l.db.Write(ctx, "hub:hunt", func(tx *ledger.Tx) error {
		tell = nil
		for _, ind := range list {
			due, err := l.intel.Hunted(ctx, tx, ind.ID)
			if err != nil {
				return err
			}
			if !due || len(seen[ind.ID]) == 0 {
				continue
			}
			_, announce, err := l.findings.AddSightings(ctx, tx, ind, seen[ind.ID])
			if err != nil {
				return err
			}
			tell = append(tell, announce)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, announce := range tell {
		announce()
	}
	return nil
}
