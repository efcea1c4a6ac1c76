package attribute

import (
	"context"
	"strings"
	"time"

	"noroshi/access"
	"noroshi/fault"
	"noroshi/ident"
	"noroshi/ledger"
)

const maxReason = 1000 // bytes

// Judge keeps what a person says of a discovery: confirmed or rejected, and why.
// No later run asks again or overwrites it.
func (a *Attribution) Judge(ctx context.Context, s access.Scope, id ident.ID, version int64, state State, reason string) (Discovery, error) {
	const op = "attribute.judge"
	reason = strings.TrimSpace(reason)
	switch {
	case state != Confirmed && state != Rejected:
		return Discovery{}, fault.New(fault.Invalid, op, "a discovery is confirmed or rejected")
	case reason == "" || len(reason) > maxReason:
		return Discovery{}, fault.New(fault.Invalid, op, "say why, in at most %d bytes: whoever reads it next year was not here", maxReason)
	}
	var r row
	err := a.keeping(ctx, s.Actor(), func(w *writer) (err error) {
		if r, err = get(ctx, w, s, id); err != nil {
			return err
		}
		if r.Version != version {
			return fault.New(fault.Conflict, op, "somebody else judged it meanwhile; read it again")
		}
		o, ok := a.d.Tree().Get(r.Org)
		if !ok {
			return fault.New(fault.NotFound, op, "there is no such discovery here")
		}
		now := a.d.Now().UTC()
		r.Judgement = &Judgement{State: state, By: s.Actor(), At: now, Reason: reason, Kinds: r.Kinds}
		r.Returned = nil
		r.Version++
		if err := w.write(ctx, &r, a.weigher(o, now), now, false); err != nil {
			return err
		}
		return w.Record(ctx, "discovery", r.ID, r.Org, string(state), map[string]any{"asset": r.Asset, "reason": reason, "confidence": r.Confidence, "kinds": r.Kinds})
	})
	r.Evidence = Explain(r.Facts, a.d.Now())
	return r.Discovery, fault.Wrap(op, err)
}

// Forget deletes what nobody judged and was last seen before a moment; the zero
// time means everything of the organisation.
func (a *Attribution) Forget(ctx context.Context, o ident.ID, before time.Time) (n int64, err error) {
	where, args := `org = ?`, []any{string(o)}
	if !before.IsZero() {
		where += ` AND judged = 0 AND last_seen < ?`
		args = append(args, ledger.Micros(before))
	}
	err = a.keeping(ctx, "hub:care", func(w *writer) (err error) {
		if n, err = w.delete(ctx, where, args...); err != nil || !before.IsZero() {
			return err
		}
		_, err = w.Exec(ctx, `DELETE FROM discovery_run WHERE org = ?`, string(o))
		return err
	})
	return n, fault.Wrap("attribute.forget", err)
}
