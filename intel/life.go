package intel

import (
	"context"
	"time"

	"noroshi/access"
	"noroshi/fault"
	"noroshi/ident"
	"noroshi/indicator"
	"noroshi/ledger"
)

// Release lets a held indicator pass: a person takes the gate's reasons on
// themselves.
func (in *Intel) Release(ctx context.Context, s access.Scope, id ident.ID, version int64, why string) (indicator.Indicator, error) {
	return in.turn(ctx, s, id, version, why, indicator.Held, "released", func(ind *indicator.Indicator, now time.Time) {
		ind.State, ind.By = indicator.Active, s.Actor()
		ind.Clock.T2Decided = now // It was decided now, not when the policy asked.
	})
}

// RefuseHeld ends a held indicator.
func (in *Intel) RefuseHeld(ctx context.Context, s access.Scope, id ident.ID, version int64, why string) (indicator.Indicator, error) {
	return in.turn(ctx, s, id, version, why, indicator.Held, "refused", func(ind *indicator.Indicator, _ time.Time) {
		ind.State, ind.RevokedWhy = indicator.Refused, why
	})
}

// Revoke lifts an active indicator everywhere.
func (in *Intel) Revoke(ctx context.Context, s access.Scope, id ident.ID, version int64, why string) (indicator.Indicator, error) {
	return in.turn(ctx, s, id, version, why, indicator.Active, "revoked", func(ind *indicator.Indicator, _ time.Time) {
		ind.State, ind.RevokedWhy = indicator.Revoked, why
	})
}

// turn changes the state of an indicator that stands in a given one, and that
// the actor looked at in a given version.
func (in *Intel) turn(ctx context.Context, s access.Scope, id ident.ID, version int64, why string, from indicator.State, action string, do func(*indicator.Indicator, time.Time)) (indicator.Indicator, error) {
	op := "intel." + action
	if why == "" || len(why) > maxReason {
		return indicator.Indicator{}, fault.New(fault.Invalid, op, "say why, in at most %d bytes", maxReason)
	}
	ind, err := in.Get(ctx, s, id)
	if err != nil {
		return ind, err
	}
	// Seeing is wider than deciding: only the owner's side decides.
	if !s.Allows(ind.Org) {
		return ind, fault.New(fault.Denied, op, "only the organisation that owns the indicator decides on it")
	}
	err = in.d.DB.Write(ctx, s.Actor(), func(tx *ledger.Tx) error {
		if ind, err = read(ctx, tx, id); err != nil {
			return err
		}
		if ind.State != from || (version != 0 && version > ind.Version) {
			return fault.New(fault.Conflict, op, "the indicator is %s now, not %s; read it again", ind.State, from)
		}
		now := in.d.Now().UTC()
		do(&ind, now)
		ind.Modified = now
		if err := in.save(ctx, tx, &ind, action+": "+why); err != nil || ind.State != indicator.Active {
			return err
		}
		return in.toHunt(ctx, tx, &ind)
	})
	if err != nil {
		return ind, fault.Wrap(op, err)
	}
	in.announce(ind)
	return ind, nil
}

// Run ends what has expired, until ctx ends. Edges stop enforcing by themselves;
// this makes the record and the sets say so too.
func (in *Intel) Run(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := in.Expire(ctx); err != nil && ctx.Err() == nil {
			in.d.Log.Error("expired indicators cannot be ended; it is tried again", "role", "hub", "err", err)
		}
	}
}

// Expire ends the indicators whose time is over.
func (in *Intel) Expire(ctx context.Context) error {
	now := in.d.Now().UTC()
	due, err := in.query(ctx, `state IN ('active','held') AND valid_until <= ?`, ledger.Micros(now))
	if err != nil || len(due) == 0 {
		return err
	}
	for _, x := range due {
		ind := x
		err := in.d.DB.Write(ctx, "hub:expiry", func(tx *ledger.Tx) error {
			var err error
			if ind, err = read(ctx, tx, x.ID); err != nil || (ind.State != indicator.Active && ind.State != indicator.Held) || ind.ValidUntil.After(now) {
				return err
			}
			ind.State, ind.Modified = indicator.Expired, now
			return in.save(ctx, tx, &ind, "expired")
		})
		if err != nil {
			return fault.Wrap("intel.expire", err)
		}
		in.announce(ind)
	}
	return nil
}
