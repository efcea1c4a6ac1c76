package remediation

import (
	"context"
	"time"
	"unicode/utf8"

	"noroshi/access"
	"noroshi/action"
	"noroshi/fault"
	"noroshi/ident"
	"noroshi/ledger"
)

// Bounds of what people say.
const (
	maxReason    = 2000 // bytes
	maxAssignee  = 200
	MaxException = 365 * day
)

// work is a person's deed on one action that was looked at in a version; do
// changes it or says why not.
func (r *Remediation) work(ctx context.Context, s access.Scope, id ident.ID, version int64, event, said string, do func(tx *ledger.Tx, a *row, now time.Time) error) (action.Action, error) {
	op := "remediation." + event
	if len(said) > maxReason || !utf8.ValidString(said) {
		return action.Action{}, fault.New(fault.TooLarge, op, "the text is longer than %d bytes, or not UTF-8", maxReason)
	}
	var a *row
	err := r.d.DB.Write(ctx, s.Actor(), func(tx *ledger.Tx) (err error) {
		if a, err = get(ctx, tx, s, id); err != nil {
			return err
		}
		if a.Version != version {
			return fault.New(fault.Conflict, op, "somebody else worked on this action meanwhile; read it again")
		}
		was, state, now, c := a.Org, a.State, r.now(), ledger.Tally{}
		if err := do(tx, a, now); err != nil {
			return err
		}
		if a.State != state {
			a.stateAt = now
		}
		a.By = s.Actor()
		a.Version++
		if err := save(ctx, tx, a, was, c); err != nil {
			return err
		}
		if err := c.Write(ctx, tx, "action_count"); err != nil {
			return err
		}
		return tx.Record(ctx, "action", id, a.Org, event, map[string]any{"state": a.State, "reason": said, "assignee": a.Assignee, "exception": a.Exception, "until": a.until()})
	})
	if err != nil {
		return action.Action{}, fault.Wrap(op, err)
	}
	r.OnChange(Change{Org: a.Org, ID: id})
	return a.Action, nil
}

// get reads an action of the scope. One outside is not there.
func get(ctx context.Context, q ledger.Queryer, s access.Scope, id ident.ID) (*row, error) {
	list, err := readRows(ctx, q, `id = ?`, string(id))
	if err != nil {
		return nil, err
	}
	if len(list) == 0 || !s.Allows(list[0].Org) {
		return nil, fault.New(fault.NotFound, "remediation.get", "there is no such action here")
	}
	return list[0], nil
}

func needs(op, said string) error {
	if said == "" {
		return fault.New(fault.Invalid, op, "say why: whoever looks at it later will ask")
	}
	return nil
}

// live refuses work on what has ended.
func live(op string, a *row) error {
	if a.State.Live() {
		return nil
	}
	return fault.New(fault.Conflict, op, "the action is %s; there is nothing to do", a.State)
}

// Assign says who does it; "" takes it back.
func (r *Remediation) Assign(ctx context.Context, s access.Scope, id ident.ID, version int64, assignee string) (action.Action, error) {
	if len(assignee) > maxAssignee || !utf8.ValidString(assignee) {
		return action.Action{}, fault.New(fault.TooLarge, "remediation.assigned", "the assignee is longer than %d bytes, or not UTF-8", maxAssignee)
	}
	return r.work(ctx, s, id, version, "assigned", "", func(_ *ledger.Tx, a *row, _ time.Time) error {
		a.Assignee = assignee
		return live("remediation.assigned", a)
	})
}

// Claim says that it is mended. It is looked at again soon; only that proves it.
func (r *Remediation) Claim(ctx context.Context, s access.Scope, id ident.ID, version int64, said string) (action.Action, error) {
	const op = "remediation.claimed"
	return r.work(ctx, s, id, version, "claimed", said, func(_ *ledger.Tx, a *row, _ time.Time) error {
		if a.State != action.Open && a.State != action.Excepted {
			return fault.New(fault.Conflict, op, "the action is %s; only an open one is claimed to be mended", a.State)
		}
		a.State, a.Why, a.WhyJA, a.remind, a.Exception = action.Claimed, said, "", time.Time{}, nil
		return nil
	})
}

// Comment adds a word to the history.
func (r *Remediation) Comment(ctx context.Context, s access.Scope, id ident.ID, version int64, said string) (action.Action, error) {
	return r.work(ctx, s, id, version, "commented", said, func(*ledger.Tx, *row, time.Time) error { return needs("remediation.commented", said) })
}

// Except asks that it be accepted until a moment. It stays open until another
// person approves.
func (r *Remediation) Except(ctx context.Context, s access.Scope, id ident.ID, version int64, reason string, until time.Time) (action.Action, error) {
	const op = "remediation.exception_asked"
	return r.work(ctx, s, id, version, "exception_asked", reason, func(_ *ledger.Tx, a *row, now time.Time) error {
		if err := needs(op, reason); err != nil {
			return err
		}
		until = until.UTC().Truncate(time.Microsecond)
		if err := within(op, now, until); err != nil {
			return err
		}
		if a.State != action.Open && a.State != action.Claimed {
			return fault.New(fault.Conflict, op, "the action is %s; an exception is asked for an open one", a.State)
		}
		a.Exception = &action.Exception{Reason: reason, AskedBy: s.Actor(), Until: until}
		return nil
	})
}

func within(op string, now, until time.Time) error {
	if !until.After(now) || until.After(now.Add(MaxException)) {
		return fault.New(fault.Invalid, op, "it holds until a moment within the next %d days", MaxException/day)
	}
	return nil
}

// Approve grants an exception that another person asked for.
func (r *Remediation) Approve(ctx context.Context, s access.Scope, id ident.ID, version int64, said string) (action.Action, error) {
	const op = "remediation.excepted"
	return r.work(ctx, s, id, version, "excepted", said, func(_ *ledger.Tx, a *row, now time.Time) error {
		if err := asked(op, a); err != nil {
			return err
		}
		if a.Exception.AskedBy == s.Actor() {
			return fault.New(fault.Denied, op, "an exception is approved by another person than the one who asked for it")
		}
		if !a.Exception.Until.After(now) {
			return fault.New(fault.Conflict, op, "the time for which the exception was asked is over; it has to be asked for anew")
		}
		a.Exception.Approver = s.Actor()
		a.State, a.Why, a.WhyJA, a.remind = action.Excepted, a.Exception.Reason, "", time.Time{}
		return nil
	})
}

func asked(op string, a *row) error {
	if !a.waits() {
		return fault.New(fault.Conflict, op, "no exception of this action waits to be decided")
	}
	return nil
}

// Refuse turns down an exception that was asked for.
func (r *Remediation) Refuse(ctx context.Context, s access.Scope, id ident.ID, version int64, said string) (action.Action, error) {
	const op = "remediation.exception_refused"
	return r.work(ctx, s, id, version, "exception_refused", said, func(_ *ledger.Tx, a *row, _ time.Time) error {
		if err := needs(op, said); err != nil {
			return err
		}
		err := asked(op, a)
		a.Exception = nil
		return err
	})
}

// Refute says that it was never so. It counts until a moment, and then is looked
// at again.
func (r *Remediation) Refute(ctx context.Context, s access.Scope, id ident.ID, version int64, reason string, until time.Time) (action.Action, error) {
	const op = "remediation.refuted"
	return r.work(ctx, s, id, version, "refuted", reason, func(_ *ledger.Tx, a *row, now time.Time) error {
		if err := needs(op, reason); err != nil {
			return err
		}
		until = until.UTC().Truncate(time.Microsecond)
		if err := within(op, now, until); err != nil {
			return err
		}
		if err := live(op, a); err != nil {
			return err
		}
		a.State, a.Why, a.WhyJA, a.RefutedUntil, a.Ended, a.remind, a.Exception = action.Refuted, reason, "", until, now, time.Time{}, nil
		return nil
	})
}

// SetOwner gives the action to the organisation whose the weak thing is, which
// has to be in the scope too. Its next surveys find it there.
func (r *Remediation) SetOwner(ctx context.Context, s access.Scope, id ident.ID, version int64, owner ident.ID, reason string) (action.Action, error) {
	const op = "remediation.owned"
	if !s.Allows(owner) {
		return action.Action{}, fault.New(fault.NotFound, op, "there is no such organisation here")
	}
	var from ident.ID
	a, err := r.work(ctx, s, id, version, owned, reason, func(tx *ledger.Tx, a *row, _ time.Time) error {
		from = a.Org
		if owner != a.Org {
			there, err := readRows(ctx, tx, `org = ? AND realm = ? AND fingerprint = ?`, string(owner), a.Realm.String(), a.Fingerprint)
			if err != nil {
				return err
			}
			if len(there) > 0 {
				return fault.New(fault.Conflict, op, "that organisation has this weakness already, as %s", there[0].ID)
			}
		}
		a.Org, a.OwnerKnown = owner, true
		return nil
	})
	if err == nil && from != a.Org {
		r.OnChange(Change{Org: from, ID: id})
	}
	return a, err
}

// Get returns one action.
func (r *Remediation) Get(ctx context.Context, s access.Scope, id ident.ID) (a action.Action, err error) {
	err = r.d.DB.Read(ctx, func(q ledger.Queryer) error {
		x, err := get(ctx, q, s, id)
		if err == nil {
			a = x.Action
		}
		return err
	})
	return a, fault.Wrap("remediation.get", err)
}

// History returns what became of an action that the scope may see.
func (r *Remediation) History(ctx context.Context, s access.Scope, id ident.ID) ([]ledger.Change, error) {
	if _, err := r.Get(ctx, s, id); err != nil {
		return nil, err
	}
	return r.d.DB.History(ctx, id)
}
