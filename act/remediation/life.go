package remediation

import (
	"context"
	"time"

	"noroshi/action"
	"noroshi/fault"
	"noroshi/ledger"
)

// lookEvery is how often it is looked what has expired and who is to be reminded.
const lookEvery = 30 * time.Second

// perLook is how many actions one transaction of Tick changes.
const perLook = 500

// Run ends what holds for a while only, and reminds, until ctx ends. One hub at a
// time runs it.
func (r *Remediation) Run(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		if err := r.Tick(ctx); err != nil && ctx.Err() == nil {
			r.d.Log.Error("expired exceptions and reminders are late; it is tried again", "role", "hub", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Tick does what is due now.
func (r *Remediation) Tick(ctx context.Context) error {
	for _, do := range []func(context.Context) (int, error){r.expire, r.remind} {
		for {
			n, err := do(ctx)
			if err != nil {
				return fault.Wrap("remediation.tick", err)
			}
			if n < perLook {
				break
			}
		}
	}
	return nil
}

// expire reopens what was accepted or refuted until now.
func (r *Remediation) expire(ctx context.Context) (n int, err error) {
	now := r.now()
	var list []*row
	err = r.d.DB.Write(ctx, "hub:remediation", func(tx *ledger.Tx) (err error) {
		list, err = readRows(ctx, tx, `until > 0 AND until <= ? ORDER BY until LIMIT `+itoa(perLook), ledger.Micros(now))
		if err != nil {
			return err
		}
		c := ledger.Tally{}
		for _, a := range list {
			r.reopenExpired(a, now)
			if err := save(ctx, tx, a, a.Org, c); err != nil {
				return err
			}
			if err := tx.Record(ctx, "action", a.ID, a.Org, "expired", map[string]any{"state": a.State, "due": a.Due, "why": a.Why, "why_ja": a.WhyJA}); err != nil {
				return err
			}
		}
		return c.Write(ctx, tx, "action_count")
	})
	for _, a := range list {
		r.OnChange(Change{Org: a.Org, ID: a.ID})
	}
	return len(list), err
}

// reopenExpired opens an action again. What was accepted keeps its old date, and
// is late at once; what was refuted gets a new one, unless a decision refutes it
// too.
func (r *Remediation) reopenExpired(a *row, now time.Time) {
	if a.State == action.Refuted && a.Weakness.Decision != nil {
		a.refute(now)
	} else if a.State == action.Refuted {
		r.open(a, now)
		a.Reopened++
		a.Why, a.WhyJA = "its refutation has ended", "誤検知とした期限が切れました"
	} else {
		a.State, a.stateAt, a.Exception = action.Open, now, nil
		a.remind = now
		a.Why, a.WhyJA = "its exception has ended", "例外の期限が切れました"
	}
	a.By = "hub:remediation"
	a.Version++
}
